"""Data rates and groupings beside each other."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.codec.block import n_coded_of
from fuota_fec.errors import ParameterError
from fuota_fec.planning.fleet_schedule import Sending, fleet_schedule
from fuota_fec.planning.what_if import contiguous, what_if

FLEET = {0: 60, 1: 80, 2: 80, 3: 110, 4: 220, 5: 450}
RATE_5_6 = partial(n_coded_of, "5/6")


def groups_of(fleet) -> list[tuple[int, ...]]:
    return [group.drs for group in fleet.groups]


def test_contiguous_lists_every_way_to_cut_a_sequence() -> None:
    assert list(contiguous((7,))) == [((7,),)]
    assert list(contiguous((1, 2, 3))) == [((1, 2, 3),), ((1,), (2, 3)), ((1, 2), (3,)), ((1,), (2,), (3,))]
    assert len(set(contiguous(range(8)))) == 128


def test_a_data_rate_reaches_devices_that_are_as_fast() -> None:
    choice = what_if(20_000, {2: 10, 3: 20, 5: 40}, n_coded=RATE_5_6)
    assert [(fleet.groups[0].dr, fleet.n_devices) for fleet in choice.rates] == [
        *((0, 70), (1, 70), (2, 70)),  # slower than need be
        *((3, 60), (4, 40), (5, 40)),
    ]
    durations = [fleet.duration for fleet in choice.rates]
    assert durations == sorted(durations, reverse=True)


def test_the_groupings_are_those_of_the_schedule() -> None:
    choice = what_if(20_000, FLEET, n_coded=30, sessions="shared")
    assert len(choice.groupings) == 32
    for fleet in choice.groupings:
        assert fleet == fleet_schedule(20_000, FLEET, groups_of(fleet), n_coded=30, sessions="shared")


def every_partition(drs: list[int]):
    """All partitions of the data rates, with groups that are not neighbours too."""
    for labels in product(range(len(drs)), repeat=len(drs)):
        groups = [tuple(dr for dr, own in zip(drs, labels, strict=True) if own == label) for label in range(len(drs))]
        yield [group for group in groups if group]


@settings(max_examples=15)
@given(
    st.integers(1, 60_000),
    st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(1, 1000), min_size=4, max_size=4),
    st.sampled_from(["sequential", "shared", "parallel"]),
    st.sampled_from(["duration", "air_time", "energy"]),
)
def test_no_partition_is_better_than_the_best(image_len, drs, counts, sessions, objective) -> None:
    fleet = dict(zip(drs, counts, strict=False))
    choice = what_if(image_len, fleet, n_coded=RATE_5_6, sessions=sessions)
    try:
        best = getattr(choice.best(objective), objective)
    except ParameterError:
        best = float("inf")
    for groups in every_partition(drs):
        other = fleet_schedule(image_len, fleet, groups, n_coded=RATE_5_6, sessions=sessions)
        if not other.problems:
            assert best <= getattr(other, objective) * (1 + 1e-9)


def test_the_best_by_time_is_one_group_and_by_energy_one_per_data_rate() -> None:
    choice = what_if(20_000, FLEET, n_coded=RATE_5_6)
    assert groups_of(choice.best("duration")) == [(0, 1, 2, 3, 4, 5)]
    assert groups_of(choice.best("air_time")) == [(0, 1, 2, 3, 4, 5)]
    assert groups_of(choice.best("energy")) == [(0,), (1,), (2,), (3,), (4,), (5,)]


def test_shared_sessions_spend_least_energy_with_a_few_groups() -> None:
    best = what_if(20_000, FLEET, n_coded=RATE_5_6, sessions="shared").best("energy")
    assert 1 < len(best.groups) < 6


def test_parallel_sessions_take_the_time_of_the_slowest_group() -> None:
    choice = what_if(20_000, FLEET, n_coded=RATE_5_6, sessions="parallel")
    slowest = choice.groupings[0].duration
    assert all(fleet.duration == slowest for fleet in choice.groupings)
    assert len(choice.best("duration").groups) == 1  # of equals that with the least time on air
    assert len(choice.best("energy").groups) == 6


def test_the_best_grouping_within_a_time_has_the_least_energy() -> None:
    choice = what_if(20_000, FLEET, n_coded=RATE_5_6)
    best = choice.best("energy", max_duration=5 * 3600)
    assert best.duration <= 5 * 3600
    assert all(best.energy <= other.energy for other in choice.groupings if other.duration <= 5 * 3600)
    quickest = choice.best("duration").duration
    assert choice.best("energy", max_duration=quickest) == choice.best("duration")
    with pytest.raises(
        ParameterError, match=rf"max_duration: 60 s is too short, the quickest .* takes {quickest:.0f} s"
    ):
        choice.best("energy", max_duration=60)


def test_per_number_has_the_least_energy_for_every_number_of_groups() -> None:
    choice = what_if(20_000, FLEET, n_coded=RATE_5_6)
    found = choice.per_number()
    assert [len(fleet.groups) for fleet in found] == [1, 2, 3, 4, 5, 6]
    for best in found:
        assert all(best.energy <= o.energy for o in choice.groupings if len(o.groups) == len(best.groups))


def test_a_fleet_that_cannot_be_reached_in_a_session() -> None:
    choice = what_if(50_000, FLEET, n_coded=RATE_5_6)
    expected = r"no grouping .* DR0: \d+ s, a class C .* one group at DR1 would reach 940 devices in \d+ s"
    with pytest.raises(ParameterError, match=expected):
        choice.best("energy")
    assert len(choice.per_number()) == 6


def test_a_slower_data_rate_into_which_no_fragment_fits_is_left_out() -> None:
    choice = what_if(20_000, {3: 5, 5: 5}, n_coded=0, sending=Sending(fsize=100))
    assert [fleet.groups[0].dr for fleet in choice.rates] == [3, 4, 5]


@pytest.mark.parametrize(
    ("devices", "sending", "expected"),
    [
        ({}, Sending(), "there are no devices"),
        ({9: 1}, Sending(), "DR9 is for uplinks only"),
        ({0: 1, 5: 1}, Sending(region="AS923-1", dwell_time=True), "DR0 carries no downlink"),
        ({0: 1, 5: 1}, Sending(region="CN470", duty_cycle=1.0), "DR0 carries no downlink"),
        ({0: 1, 5: 1}, Sending(frag_size_multiple=64), "DR0: .*no multiple of 64"),
    ],
)
def test_what_if_refuses_bad_input(devices, sending, expected) -> None:
    with pytest.raises(ParameterError, match=expected):
        what_if(1000, devices, n_coded=0, sending=sending)


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(ParameterError, match="objective: 'speed' is not an objective, expected one of duration,"):
        what_if(1000, {5: 1}, n_coded=0).best("speed")
