"""Schedules of groups, compared with published durations, air times and energies."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.codec.block import n_coded_of
from fuota_fec.errors import ParameterError
from fuota_fec.planning.fleet_schedule import Sending, fleet_schedule
from fuota_fec.radio.airtime import (
    FRAME_OVERHEAD_LEN,
    TransmissionTime,
    ping_period,
    session_duration,
    time_on_air,
    transmission_time,
)
from fuota_fec.radio.regions import DATA_FRAGMENT_HEADER_LEN, DataRate, region

EU868 = region("EU868")
FLEET = {0: 60, 1: 80, 2: 80, 3: 110, 4: 220, 5: 450}
RATE_5_6 = partial(n_coded_of, "5/6")


def with_crc(phy_len: int, data_rate: DataRate, n_frames: int = 1) -> TransmissionTime:
    """Transmission time of frames with a payload CRC, at 10 %. Downlinks have no CRC; two more bytes take the same time
    on air as its 16 bits."""
    time = transmission_time(
        n_frames, phy_len + 2 - FRAME_OVERHEAD_LEN, data_rate, mcast_msg_delay_s=0.0, duty_cycle=0.1
    )
    assert time.frame_time == time_on_air(phy_len, data_rate, crc=True)
    return time


# ---- published ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image_len", "dr", "frag_len", "duration"),
    [
        (5_000, 0, 49, 3579),
        (5_000, 3, 115, 486),
        (5_000, 5, 222, 190),
        (50_000, 0, 49, 28_745),
        (50_000, 3, 115, 3099),
        (50_000, 5, 222, 935),
    ],
)
def test_published_class_c_durations(image_len: int, dr: int, frag_len: int, duration: float) -> None:
    """FUOTASim: ⌈S / (frag - 2)⌉ + 30 frames of 8 + frag bytes with a CRC, each followed by nine times its length."""
    n_frames = math.ceil(image_len / (frag_len - 2)) + 30
    time = with_crc(8 + frag_len, EU868.data_rate(dr), n_frames)
    assert time.duration == pytest.approx((n_frames + 9 * (n_frames - 1)) * time.frame_time)
    assert round(time.duration) == duration


@pytest.mark.parametrize(
    ("sf", "frag_size", "on_air_ms", "gap_ms", "per_hour"),
    [
        (12, 48, 2793.5, 25_141, 128),
        (11, 48, 1560.6, 14_045, 230),
        (10, 48, 698.4, 6_285, 515),
        (9, 48, 390.1, 3_511, 922),
        (9, 112, 676.9, 6_092, 531),
        (8, 200, 604.7, 5_442, 595),
        (7, 200, 343.3, 3_090, 1048),
        (7, 232, 389.4, 3_504, 924),
    ],
)
def test_published_air_times(sf: int, frag_size: int, on_air_ms: float, gap_ms: int, per_hour: int) -> None:
    """Published time of a frame of 13 + 3 + FragSize bytes with a CRC, and of the gap after it at 10 %."""
    time = with_crc(16 + frag_size, DataRate(dr=0, sf=sf, bw_khz=125))
    assert round(1000 * time.frame_time, 1) == on_air_ms
    assert round(1000 * (time.spacing - time.frame_time)) == gap_ms
    assert int(3600 / time.spacing) == per_hour


@pytest.mark.parametrize("periodicity", range(8))
def test_published_class_b_slots(periodicity: int) -> None:
    assert 0.03 * ping_period(periodicity) == pytest.approx(0.96 * 2**periodicity)


def test_published_groupings_of_a_fleet() -> None:
    """Four devices, DR2 to DR5, 2 kB without coded fragments: all at SF12 1061 s, all at DR2 322 s, each at its own
    39 to 323 s. The fragments of that experiment are not known, so the order and about the ratios are asked."""
    sending = Sending(duty_cycle=0.1, lead=0.0, mcast_msg_delay=0.0)
    fleet = {2: 1, 3: 1, 4: 1, 5: 1}
    schedule = partial(fleet_schedule, 2000, n_coded=0, sending=sending)
    slowest = schedule({0: 4}, [(0,)])
    together = schedule(fleet, [(2, 3, 4, 5)])
    apart = schedule(fleet, [(2,), (3,), (4,), (5,)], sessions="parallel")
    lengths = [group.session_length for group in apart.groups]
    assert lengths == sorted(lengths, reverse=True)
    assert slowest.duration > 3 * together.duration
    assert together.duration == pytest.approx(lengths[0])
    assert 4 < lengths[0] / lengths[-1] < 12  # 323 / 39 = 8
    assert slowest.mean_energy > 3 * together.mean_energy > 3 * apart.mean_energy
    assert slowest.duration == pytest.approx(1061, rel=0.1)


# ---- laws --------------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 300_000),
    st.sampled_from([0, 30, RATE_5_6]),
    st.sampled_from(["sequential", "shared", "parallel"]),
    st.sampled_from([None, 0, 3, 7]),
    st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True),
    st.integers(0, 5),
)
def test_the_fleet_is_the_sum_of_its_groups(image_len, n_coded, sessions, periodicity, drs, n_cuts) -> None:
    drs = sorted(drs)
    groups = [drs[i :: n_cuts + 1] for i in range(n_cuts + 1) if drs[i :: n_cuts + 1]]
    sending = Sending(periodicity=periodicity, setup=100.0)
    fleet = fleet_schedule(image_len, FLEET, groups, n_coded=n_coded, sending=sending, sessions=sessions)
    assert fleet.n_devices == sum(FLEET[dr] for dr in drs)
    assert sorted(dr for group in fleet.groups for dr in group.drs) == drs
    assert fleet.energy == pytest.approx(fleet.mean_energy * fleet.n_devices)
    assert fleet.mean_energy <= fleet.max_energy * (1 + 1e-12)
    clock = 100.0
    for group in fleet.groups:
        assert group.dr == min(group.drs)
        assert group.n_frags == math.ceil(image_len / group.frag_size)
        assert group.frag_size == EU868.max_fragment_size(group.dr)
        assert group.n_coded == (n_coded(group.n_frags) if callable(n_coded) else n_coded)
        assert group.time.n_frames == group.n_frags + group.n_coded
        assert group.time.spacing >= group.time.frame_time / 0.1 * (len(groups) if sessions == "shared" else 1) * 0.999
        assert group.start >= clock
        assert group.start - clock < (128 if periodicity is not None and sessions == "sequential" else 1e-9)
        if sessions == "sequential":
            clock = group.end
        if group.time_out is not None:
            device_class = "C" if periodicity is None else "B"
            assert session_duration(group.time_out, device_class=device_class) >= group.session_length
        elif group.n_frags + group.n_coded <= 16383:
            assert "session lasts at most" in group.problem
    assert fleet.duration == max(group.end for group in fleet.groups)
    assert fleet.duration >= fleet.air_time


def test_shared_sessions_divide_the_duty_cycle() -> None:
    groups = [(0, 1, 2), (3, 4, 5)]
    shared = fleet_schedule(20_000, FLEET, groups, n_coded=30, sessions="shared")
    own = fleet_schedule(20_000, FLEET, groups, n_coded=30, sessions="parallel")
    for half, whole in zip(shared.groups, own.groups, strict=True):
        assert (half.duty_cycle, whole.duty_cycle) == (0.05, 0.1)
        assert half.time.spacing == pytest.approx(2 * whole.time.spacing)
    assert shared.air_time == own.air_time


def test_the_largest_rule_sets_the_spacing() -> None:
    def rule(**changes: float) -> tuple[str, float]:
        sending = replace(Sending(duty_cycle=1.0), **changes)
        [group] = fleet_schedule(1000, {5: 1}, [(5,)], n_coded=0, sending=sending).groups
        return group.time.rule, group.time.spacing

    assert rule() == ("mcast_msg_delay", 2.0)
    assert rule(network_pacing=4.0) == ("network_pacing", 4.0)
    assert rule(duty_cycle=0.01)[0] == "duty_cycle"
    assert rule(periodicity=5) == ("ping_slot", 32.0)


def test_the_limits_of_devices_and_radio_bound_the_fragment() -> None:
    def size(dr: int, **changes: object) -> int:
        sending = replace(Sending(), **changes)
        return fleet_schedule(100, {dr: 1}, [(dr,)], n_coded=0, sending=sending).groups[0].frag_size

    assert size(5) == 239
    assert size(5, repeater=True) == 219
    assert size(5, frag_size_max=100) == 100
    assert size(5, frag_size_multiple=8) == 232
    assert size(5, frag_size_max=100, frag_size_multiple=8) == 96
    assert size(5, fsize=33) == 33
    assert size(2, region="AS923-1") == 112
    assert size(2, region="AS923-1", dwell_time=True) == 8


def test_a_group_that_cannot_be_sent_has_a_problem() -> None:
    long = fleet_schedule(100_000, {0: 1}, [(0,)], n_coded=0)
    assert long.groups[0].time_out is None
    assert long.problems == (f"DR0: {long.duration:.0f} s, a class C session lasts at most 32768 s",)
    devices = fleet_schedule(100_000, {5: 1}, [(5,)], n_coded=0, sending=Sending(frags_max=100))
    assert devices.problems == (
        "DR5: 419 fragments of 239 bytes, the devices accept at most 100 without a profile of their own that has "
        "max_frags = 419",
    )
    numbers = fleet_schedule(239, {5: 1}, [(5,)], n_coded=16383)
    assert numbers.problems == ("DR5: 1 uncoded and 16383 coded fragments, at most 16383 can be numbered",)


def test_data_rates_are_ordered_by_speed_not_by_number() -> None:
    """DR0 is the fastest downlink in US915."""
    fleet = fleet_schedule(10_000, {0: 5, 8: 3, 10: 2}, [(0, 10, 8)], n_coded=0, sending=Sending(region="US915"))
    assert fleet.groups[0].drs == (8, 10, 0)
    assert fleet.groups[0].dr == 8


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_len": 0}, "image_len: 0"),
        ({"image_len": 1.5}, "image_len: 1.5"),
        ({"devices_per_dr": {}}, "there are no devices"),
        ({"devices_per_dr": {3: 0}}, "there are no devices"),
        ({"devices_per_dr": {3: -1}}, "DR3: -1"),
        ({"devices_per_dr": {16: 1}}, "devices_per_dr: 16"),
        ({"groups": []}, "groups: expected at least one group, each with a data rate"),
        ({"groups": [(3,), ()]}, "groups: expected at least one group, each with a data rate"),
        ({"groups": [(3,), (3,)]}, "groups: DR3 is given twice"),
        ({"groups": [(3, 3)]}, "groups: DR3 is given twice"),
        ({"groups": [(2,)]}, "groups: DR2 is not the fastest"),
        ({"devices_per_dr": {9: 1}, "groups": [(9,)]}, "DR9 is for uplinks only in EU868"),
        ({"n_coded": -1}, "n_coded: -1"),
        ({"sessions": "both"}, "sessions: 'both' is not an order of sessions, expected one of sequential,"),
        ({"sending": Sending(region="EU999")}, "region: 'EU999' is not a region"),
        ({"sending": Sending(duty_cycle=0.0)}, "duty cycle"),
        ({"sending": Sending(region="CN470")}, "frequency_hz or duty_cycle"),
        ({"sending": Sending(frag_size_multiple=200)}, "DR3: .*no multiple of 200"),
        ({"sending": Sending(fsize=113)}, "DR3: fsize: 113 bytes do not fit"),
        ({"sending": Sending(periodicity=8)}, "periodicity: 8 is not a ping slot periodicity, expected 0 to 7"),
    ],
)
def test_a_schedule_refuses_bad_input(changes, expected) -> None:
    arguments = {"image_len": 1000, "devices_per_dr": {3: 1}, "groups": [(3,)], "n_coded": 0, **changes}
    with pytest.raises(ParameterError, match=expected):
        fleet_schedule(**arguments)


@pytest.mark.parametrize("name", ["mcast_msg_delay", "network_pacing", "lead", "setup"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, "2"])
def test_sending_refuses_bad_times(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=f"{name}: "):
        Sending(**{name: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"frag_size_max": 0},
        {"frag_size_multiple": 0},
        {"frags_max": 16384},
        {"fsize": 0},
        {"fsize": 9, "frag_size_max": 8},
    ],
)
def test_sending_refuses_bad_limits(changes: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match=next(iter(changes))):
        Sending(**changes)


def test_time_on_air_counts_the_header() -> None:
    [group] = fleet_schedule(1000, {0: 1}, [(0,)], n_coded=0).groups
    on_air = time_on_air(FRAME_OVERHEAD_LEN + DATA_FRAGMENT_HEADER_LEN + group.frag_size, EU868.data_rate(0))
    assert group.time.frame_time == on_air
    assert group.air_time == group.n_frags * on_air


def test_a_frequency_at_which_no_downlink_is_allowed_is_a_problem() -> None:
    def problems(dr: int, **sending: Any) -> tuple[str, ...]:
        return fleet_schedule(1000, {dr: 1}, [(dr,)], n_coded=0, sending=Sending(**sending)).problems

    assert problems(8, region="US915", frequency_hz=923_300_000) == ()
    [problem] = problems(8, region="US915", frequency_hz=923_400_000)
    assert "is not a downlink channel of US915" in problem
    [problem] = problems(6, frequency_hz=869_525_000 + 1_000)
    assert "923" not in problem


def test_the_payload_is_that_of_the_revision_of_the_devices() -> None:
    sizes = [
        fleet_schedule(
            1000, {8: 1}, [(8,)], n_coded=0, sending=Sending(region="US915", repeater=True, revision=revision)
        )
        .groups[0]
        .frag_size
        for revision in ("RP002-1.0.1", None)
    ]
    assert sizes == [30, 50]
