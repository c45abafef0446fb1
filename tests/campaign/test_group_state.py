"""Progress of a group through its rounds."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign.group_state import GroupState


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
