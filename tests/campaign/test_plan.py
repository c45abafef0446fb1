"""What follows from configuration and image before anything happens."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.campaign.blocks import make_block
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.group_state import GroupState
from fuota_fec.campaign.messages import RowPlan
from fuota_fec.campaign.plan import GroupPlan, make_plan
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError


def plan_of(config, image_len=30):
    return make_plan(config, image_len)


def test_fragments_fill_the_data_rate_and_cover_the_image(config_of, group_of) -> None:
    plan = plan_of(config_of(1, fsize=None), 1000).groups["meters"]
    assert (plan.frag_size, plan.n_frags, plan.padding) == (239, 5, 195)
    plan = plan_of(config_of(1, fsize=None, repeater=True, fsize_optimization=16), 1000).groups["meters"]
    assert (plan.frag_size, plan.n_frags, plan.padding) == (208, 5, 40)
    plan = plan_of(config_of(1, fsize=None, groups=(group_of(dr=0),)), 48).groups["meters"]
    assert (plan.frag_size, plan.n_frags, plan.padding) == (48, 1, 0)


@pytest.mark.parametrize(
    ("redundancy", "n_coded"), [("1/2", 100), ("3/4", 34), ("5/6", 20), ("7/8", 15), ("1", 0), (77, 77), (0, 0)]
)
def test_rows_follow_the_code_rate(config_of, redundancy, n_coded) -> None:
    plan = plan_of(config_of(1, redundancy=redundancy), 1000).groups["meters"]
    assert plan.rows == tuple(range(1, n_coded + 1))
    assert plan.n_frames == 100 + n_coded


def test_a_code_rate_is_cut_to_the_largest_redundancy(config_of) -> None:
    assert len(plan_of(config_of(1, redundancy="1/2"), 10_000).groups["meters"].rows) == 340
    assert len(plan_of(config_of(1, redundancy="1/2", frag_redundancy_max=8), 1000).groups["meters"].rows) == 8


def test_frag_nb_names_uncoded_then_coded_fragments(config_of) -> None:
    plan = plan_of(config_of(1, rows=(4, 2))).groups["meters"]
    assert [plan.frag_nb(i) for i in range(plan.n_frames)] == [1, 2, 3, 7, 5]


def test_numbers_beyond_16383_are_refused(config_of) -> None:
    assert plan_of(config_of(1, rows=(16380,)))
    with pytest.raises(ParameterError, match="16383"):
        plan_of(config_of(1, rows=(16381,)))


def test_a_transmission_longer_than_any_session_is_refused(config_of) -> None:
    with pytest.raises(ParameterError, match="32768"):
        plan_of(config_of(1, fsize=1, redundancy=0, max_duration=1e9, mcast_msg_delay=10_000), 5000)


def test_counters_that_run_out_are_refused(config_of, group_of) -> None:
    """Five frames do not fit above the last counters of 32 bits."""
    with pytest.raises(ParameterError, match="first_f_cnt"):
        plan_of(config_of(1, groups=(group_of(first_f_cnt=0xFFFFFFFF - 3),)))


def test_the_slowest_period_of_a_plan_is_that_of_its_slowest_device(config_of) -> None:
    devices = tuple(
        Device(dev_eui=f"{i:016x}", group="meters", uplink_period=p) for i, p in ((1, 50), (2, None), (3, 700))
    )
    assert plan_of(config_of(3, devices=devices)).slowest_period == 700


@given(n_devices=st.integers(1, 400), tenths=st.integers(10, 1000))
def test_the_needed_devices_are_the_fewest_that_meet_the_threshold(config_of, n_devices, tenths) -> None:
    needed = plan_of(config_of(n_devices, success_threshold=tenths / 10)).n_needed
    threshold = Fraction(tenths, 10)
    assert 100 * needed >= threshold * n_devices
    assert 100 * (needed - 1) < threshold * n_devices


def test_a_threshold_is_met_by_exactly_its_share(config_of) -> None:
    assert plan_of(config_of(250, success_threshold=64.4)).n_needed == 161
    assert plan_of(config_of(375, success_threshold=8.8)).n_needed == 33


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_the_block_of_a_group_is_as_planned(config_of, group_of, version) -> None:
    config = config_of(1, groups=(group_of(version=version),), rows=(3, 1), frag_index=2, descriptor="01020304")
    plan = plan_of(config, 25).groups["meters"]
    block = make_block(config, plan, bytes(25))
    assert (block.n_frags, block.frag_size, block.padding, block.version) == (3, 10, 5, version)
    assert (block.frag_index, block.descriptor, list(block.rows)) == (2, b"\1\2\3\4", [3, 1])
    for i in range(plan.n_frames):
        assert len(block.frame(plan.frag_nb(i))) == 13


def test_the_duty_cycle_is_the_regions_unless_given(config_of, group_of) -> None:
    slow = {"mcast_msg_delay": 0, "fsize": None}
    strict = plan_of(config_of(1, groups=(group_of(frequency=868_100_000),), **slow), 3000).groups["meters"].time
    wide = plan_of(config_of(1, **slow), 3000).groups["meters"].time
    given_ = plan_of(config_of(1, duty_cycle=0.5, **slow), 3000).groups["meters"].time
    assert strict.spacing == pytest.approx(strict.frame_time / 0.01)
    assert wide.spacing == pytest.approx(wide.frame_time / 0.1)
    assert given_.spacing == pytest.approx(wide.frame_time / 0.5)


# ---- fragment size ---------------------------------------------------------------------------------------


def test_a_given_fragment_size_is_taken_as_it_is(config_of, group_of) -> None:
    config = config_of(1, fsize=100, fsize_optimization=16, repeater=True)
    assert plan_of(config, 1000).groups["meters"].frag_size == 100


def test_the_dwell_time_limits_the_fragment(config_of, group_of) -> None:
    sizes = [
        plan_of(config_of(1, fsize=None, groups=(group_of(region="AS923-1", dr=dr, frequency=None, dwell_time=dwell),)))
        .groups["meters"]
        .frag_size
        for dr, dwell in ((3, False), (3, True))
    ]
    assert sizes == [112, 50]


@pytest.mark.parametrize(
    ("profiles", "optimization", "size"),
    [
        (("generic",), 0, 239),
        (("generic",), 100, 200),
        (("zephyr",), 0, 232),  # at most 232, multiples of 8
        (("zephyr",), 12, 216),  # of 8 and of 12
        (("st", "zephyr", "generic"), 0, 232),
        (("loramac-node", "generic"), 0, 50),
    ],
)
def test_the_fragment_suits_every_profile_of_the_group(config_of, profiles, optimization, size) -> None:
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", profile=name) for i, name in enumerate(profiles, 1))
    config = config_of(len(profiles), devices=devices, fsize=None, fsize_optimization=optimization)
    assert plan_of(config, 1000).groups["meters"].frag_size == size


# ---- redundancy ------------------------------------------------------------------------------------------


def test_a_groups_own_redundancy_comes_before_the_campaigns(config_of, group_of) -> None:
    groups = (group_of("a", redundancy="1/2"), group_of("b", mc_addr="01f3a4b6"), group_of("c", mc_addr="01f3a4b7"))
    groups = (*groups[:2], group_of("c", mc_addr="01f3a4b7", redundancy=0))
    plan = plan_of(config_of(3, groups=groups, redundancy="3/4", fsize=10), 300)
    assert [len(plan.groups[name].rows) for name in "abc"] == [30, 10, 0]


def test_a_code_rate_of_1_sends_no_coded_fragments_and_makes_rounds(config_of) -> None:
    plan = plan_of(config_of(1, redundancy="1", datafrag_loops_max=3)).groups["meters"]
    assert (plan.fec, plan.rounds, plan.n_planned) == (False, 3, 9)


def test_with_coded_fragments_there_is_one_round(config_of) -> None:
    plan = plan_of(config_of(1, redundancy=1, datafrag_loops_max=3)).groups["meters"]
    assert (plan.fec, plan.rounds, plan.n_planned) == (True, 1, 4)


def test_coded_fragments_have_the_first_rows_by_default(config_of) -> None:
    assert plan_of(config_of(1, rows="first")).groups["meters"].rows == (1, 2)


# ---- what a session must hold ----------------------------------------------------------------------------


def test_a_session_holds_all_rounds_and_their_status_requests(config_of, group_of) -> None:
    config = config_of(20, kind="binary", redundancy=0, datafrag_loops_max=2, fsession_status_timeout=50)
    plan = plan_of(config).groups["meters"]
    spread = 16 * 2**plan.block_ack_delay
    transmission = plan.lead + 5 * plan.time.spacing + plan.time.frame_time
    assert plan.n_status == 2
    assert plan.session_length == pytest.approx(transmission + 2 * (plan.time.spacing + spread + 50))


def test_status_requests_by_unicast_need_no_session_time(config_of) -> None:
    plan = plan_of(config_of(3, kind="binary")).groups["meters"]
    assert (plan.n_status, plan.status_wait) == (0, 0)
    assert plan.session_length == pytest.approx(plan.lead + plan.time.duration)


def test_a_multicast_setup_plans_no_frames(config_of) -> None:
    plan = plan_of(config_of(3, kind="multicast"), 0).groups["meters"]
    assert (plan.n_frags, plan.rows, plan.n_planned, plan.session_length) == (0, (), 0, 0)


def test_class_b_takes_transmissions_that_are_too_long_for_class_c(config_of, group_of) -> None:
    settings = {"fsize": 1, "redundancy": 1, "max_duration": 1e9, "mcast_msg_delay": 10_000}
    with pytest.raises(ParameterError, match="class C session lasts at most 32768 s"):
        plan_of(config_of(1, **settings), 5000)
    assert plan_of(config_of(1, groups=(group_of(device_class="B"),), **settings), 5000)


def test_a_group_begins_where_the_registry_or_the_network_is_if_that_is_further_on(config_of, group_of) -> None:
    config = config_of(1, groups=(group_of(first_f_cnt=50),))
    for known, first in ((7, 50), (50, 50), (90, 90)):
        assert make_plan(config, 30, next_f_cnt={"meters": known}).groups["meters"].first_f_cnt == first


@pytest.mark.parametrize(
    ("n_devices", "redundancy", "asked"), [(5, "5/6", False), (6, "5/6", True), (1, 0, True), (5, "adaptive", False)]
)
def test_large_groups_and_groups_without_coded_fragments_are_asked_by_multicast(
    config_of, n_devices, redundancy, asked
) -> None:
    """fsession_status_threshold is 5."""
    config = config_of(n_devices, kind="binary", redundancy=redundancy, fsession_status_threshold=5)
    plan = make_plan(config, 100).groups["meters"]
    assert (plan.asked_by_multicast, plan.n_status > 0) == (asked, asked)


def test_a_group_of_an_update_may_be_asked_by_multicast_without_a_planned_status(config_of) -> None:
    plan = make_plan(config_of(1, redundancy=0), 100).groups["meters"]
    assert (plan.asked_by_multicast, plan.n_status) == (True, 0)


@pytest.mark.parametrize(("n_devices", "spread"), [(1, 16), (240, 16), (241, 32), (2000, 128)])
def test_answers_of_a_group_are_spread_by_its_size(config_of, n_devices, spread) -> None:
    assert make_plan(config_of(n_devices), 100).groups["meters"].answer_spread == spread


def test_coded_fragments_have_a_spacing_of_their_own_in_plan_and_session(config_of) -> None:
    plain = plan_of(config_of(1, redundancy=5), 100).groups["meters"]
    slow = plan_of(config_of(1, redundancy=5, coded_msg_delay=7000), 100).groups["meters"]
    assert [slow.spacing_after(frag_nb) for frag_nb in (1, 10, 11, 15, None)] == [2, 2, 7, 7, 2]
    assert slow.session_length - plain.session_length == pytest.approx(4 * 5)
    assert slow.session_need(slow.n_frames, 1) - plain.session_need(plain.n_frames, 1) == pytest.approx(1.25 * 5 * 5)


def frames_of_round(plan: GroupPlan, n_frames: int) -> list[int]:
    """Fragment numbers of the first further round."""
    state = GroupState(plan=plan, next_f_cnt=0, n_frames=plan.n_frames, n_requested=plan.n_frames)
    state.begin_round(2, n_frames)
    return [state.frag_nb(idx) for idx in range(plan.n_frames, state.n_frames)]


@pytest.mark.parametrize("n_frags", [18, 20, 21, 32, 33, 64, 101, 256, 401, 1000])
@pytest.mark.parametrize("stack", ["generic", "lbm"])
def test_the_further_rounds_alone_complete_a_device_of_dialect_2(config_of, group_of, n_frags, stack) -> None:
    """Also where all rows are even: M + 10 frames in a row, of a device that heard nothing before."""
    groups = (group_of(dialect="2.0.0", mc_version="2.0.0"),)
    own = profile(stack).replace(name="own", max_frags=1000, max_losses=1000)
    config = config_of(1, redundancy="adaptive", frag_redundancy_max=15_000, groups=groups, profiles=(own,))
    config = replace(config, devices=tuple(replace(device, profile="own") for device in config.devices))
    plan = plan_of(config, 10 * n_frags).groups["meters"]
    assert (plan.n_frags, plan.row_plan.n_head, plan.row_plan.uncoded_every > 0) == (
        n_frags,
        4 if n_frags % 4 < 2 else 0,
        n_frags % 4 < 2 and stack != "lbm",
    )
    image = bytes(range(10)) * n_frags
    block = make_block(config, plan, image)
    decoder = ff.Decoder(n_frags=n_frags, frag_size=10, dialect="2.0.0")
    heard = frames_of_round(plan, n_frags + 10)
    for frag_nb in heard:
        decoder.push(frag_nb, block.frame(frag_nb)[3:])
    assert decoder.complete
    uncoded = [frag_nb for frag_nb in heard if frag_nb <= n_frags]
    assert len(set(uncoded)) == len(uncoded)


def test_the_sequence_has_every_row_once_and_ends_with_the_last(config_of, group_of) -> None:
    config = config_of(1, redundancy="adaptive", frag_redundancy_max=45, groups=(group_of(dialect="2.0.0"),))
    plan = plan_of(config, 200).groups["meters"]
    numbers = [plan.frag_nb(idx) for idx in range(plan.n_sequence)]
    assert numbers == [*range(1, 21), *(20 + row for row in plan.rows)]
    with pytest.raises(IndexError):
        plan.frag_nb(plan.n_sequence)


@pytest.mark.parametrize("image_len", [4000, 24_001, 51 * 101, 7])
@pytest.mark.parametrize("stack", ["generic", "st-v2", "pamoja"])
def test_the_fragment_size_avoids_rows_that_are_all_even(config_of, group_of, image_len, stack) -> None:
    """Where nothing else decides: no configured size, and two fragments more at most."""
    groups = (group_of(dialect="2.0.0", mc_version="2.0.0", dr=5),)
    config = config_of(1, redundancy="adaptive", groups=groups, fsize=None)
    config = replace(config, devices=tuple(replace(d, profile=stack) for d in config.devices))
    plan = plan_of(config, image_len).groups["meters"]
    largest = plan_of(replace(config, redundancy="1/2"), image_len).groups["meters"]
    if largest.n_frags == 1:
        assert plan.n_frags == 1
        return
    assert largest.n_frags <= plan.n_frags <= largest.n_frags + 2
    coarse = stack == "st-v2" and image_len == 24_001  # Multiples of 8 bytes: 104 fragments, or 108.
    assert (plan.n_frags % 4 < 2) == coarse
    assert (plan.row_plan.n_head > 0) == coarse
    assert plan.row_plan.frag_size in (0, plan.frag_size)
    again = make_plan(config, image_len, row_plans={"meters": plan.row_plan}).groups["meters"]
    assert again == plan


def test_a_row_plan_of_an_earlier_version_keeps_the_largest_fragment(config_of, group_of) -> None:
    config = config_of(1, redundancy="adaptive", groups=(group_of(dialect="2.0.0", dr=5),), fsize=None)
    size = plan_of(replace(config, redundancy="1/2"), 24_001).groups["meters"].frag_size
    earlier = make_plan(config, 24_001, row_plans={"meters": RowPlan(rows=(1, 2, 3), n_first=1, n_least=2)})
    assert earlier.groups["meters"].frag_size == size


def test_a_session_has_time_for_several_short_rounds_where_surplus_fragments_are_read_as_commands(config_of) -> None:
    """One in ten fragments again, and four further status requests, each with two resends."""
    settings = {"kind": "binary", "fw_version": None, "fsize": 48, "redundancy": "adaptive", "loss": 0.0}
    settings |= {"fsession_status_threshold": 0, "uplink_period": 1e6, "max_duration": 1e7}
    plain, short = (
        plan_of(config_of(2, **settings, each={"profile": name}), 400 * 48).groups["meters"]
        for name in ("generic", "zephyr")
    )
    assert (plain.reads_surplus, short.reads_surplus) == (False, True)
    more = (40 - 13) * short.coded_pacing + 3 * 3 * (short.pacing + short.status_wait)
    needs = [plan.session_need(plan.n_frags, 1, 0) for plan in (plain, short)]
    assert needs[1] - needs[0] == pytest.approx(1.25 * more)
