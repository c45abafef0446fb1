"""Progress of a group through its rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import make_config, make_group
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.campaign.group_state import GroupState
from fuota_fec.campaign.plan import make_plan


def group_state(d: Any) -> GroupState:
    return d.machine.state.groups["meters"]


def test_a_group_begins_with_the_frames_of_the_first_round(drive) -> None:
    group = group_state(drive(1))
    assert (group.n_frames, group.n_requested, group.remaining, group.rows_left) == (5, 0, 5, 0)


def test_a_round_with_coded_fragments_adds_them_as_far_as_rows_are_left(drive) -> None:
    group = group_state(drive(1, redundancy="adaptive", kind="binary"))
    before, left = group.n_frames, group.rows_left
    group.begin_round(2, 1)
    assert (group.round, group.n_frames, group.rows_left) == (2, before + 1, left - 1)
    group.begin_round(3, 10 * left)
    assert (group.round, group.n_frames, group.rows_left) == (3, before + left, 0)


def test_a_round_without_coded_fragments_begins_the_uncoded_ones_again(drive) -> None:
    group = group_state(drive(1, redundancy=0))
    group.n_requested = 3
    group.begin_round(2, 0)
    assert (group.round, group.n_requested, group.n_frames) == (2, 0, 3)


def test_a_group_has_no_more_rounds_than_planned(drive) -> None:
    group = group_state(drive(1, redundancy=0))
    group.begin_round(group.plan.rounds + 1, 0)
    assert group.round == 1


def test_a_round_that_ends_early_keeps_the_frames_that_were_requested(drive) -> None:
    group = group_state(drive(1))
    group.n_requested = 4
    group.end_round()
    assert (group.n_frames, group.remaining, group.rows_left) == (4, 0, 1)


def test_the_remaining_time_falls_by_the_spacing_with_each_frame(drive) -> None:
    group = group_state(drive(1))
    before = group.remaining_time()
    group.n_requested += 1
    assert before - group.remaining_time() == pytest.approx(group.plan.time.spacing)


# ---- uncoded fragments in further rounds -----------------------------------------------------------------


@given(st.data(), st.sampled_from(["generic", "lbm", "mixed"]), st.sampled_from([20, 22, 45, 100]))
def test_rounds_begin_with_uncoded_fragments_and_use_every_row_once(data, stacks, n_frags) -> None:
    """Whatever the sizes of the rounds, and wherever they end early. 22 fragments need no uncoded ones."""
    names = ["generic", "lbm"] if stacks == "mixed" else [stacks, stacks]
    groups = (make_group(dialect="2.0.0", mc_version="2.0.0"),)
    config = make_config(2, redundancy="adaptive", frag_redundancy_max=60, fsize=2, groups=groups, kind="binary")
    devices = tuple(replace(d, profile=name) for d, name in zip(config.devices, names, strict=True))
    plan = make_plan(replace(config, devices=devices), 2 * n_frags).groups["meters"]
    group = GroupState(plan=plan, next_f_cnt=0, n_frames=plan.n_frames)
    head, sent, round_no = plan.row_plan.n_head, [], 1
    while True:
        begun, n_frames = group.n_requested, group.n_frames
        ends = data.draw(st.integers(max(begun, n_frags), n_frames)) if round_no > 1 else n_frames
        numbers = [group.frag_nb(idx) for idx in range(begun, ends)]
        if round_no > 1:
            first = numbers[:head]
            assert first == sorted(first)
            assert all(number <= n_frags for number in first)
            assert not head or any(number > n_frags for number in numbers[head : head + 1]) or len(numbers) <= head
        sent += numbers
        group.n_requested = ends
        group.end_round()
        if not group.rows_left or round_no > 40:
            break
        round_no += 1
        n_coded = data.draw(st.integers(1, 25))
        planned = plan.further(min(n_coded, group.rows_left))
        group.begin_round(round_no, plan.further(n_coded))
        assert group.n_frames - group.n_requested == planned
    coded = [number for number in sent if number > n_frags]
    assert coded == [n_frags + row for row in plan.rows[: len(coded)]]
    assert sent[:n_frags] == list(range(1, n_frags + 1))


@pytest.mark.parametrize("n_frags", [20, 22, 100])
@pytest.mark.parametrize("stack", ["generic", "lbm"])
def test_whole_rounds_have_no_more_frames_than_planned(n_frags, stack) -> None:
    groups = (make_group(dialect="2.0.0", mc_version="2.0.0"),)
    settings = {"redundancy": "adaptive", "frag_redundancy_max": 60, "fsize": 2, "kind": "binary"}
    config = make_config(2, groups=groups, each={"profile": stack}, **settings)
    plan = make_plan(config, 2 * n_frags).groups["meters"]
    group = GroupState(plan=plan, next_f_cnt=0, n_frames=plan.n_frames, n_requested=plan.n_frames)
    for round_no in range(2, 100):
        group.begin_round(round_no, plan.further(plan.row_plan.n_least))
        group.n_requested = group.n_frames
    assert group.rows_left == 0
    assert group.n_frames <= plan.n_planned - plan.n_status
