"""Which delta for whom: the least time on air, compared with every other choice."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.codec.block import n_coded_of
from fuota_fec.errors import ParameterError
from fuota_fec.planning import deltas
from fuota_fec.planning.deltas import REQUEST_LENS, SETUP_LENS, VERSION_LEN, choose_deltas
from fuota_fec.planning.fleet_schedule import Sending
from fuota_fec.planning.what_if import what_if
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import region
from fuota_fec.wire.firmware import DevVersionReq
from fuota_fec.wire.fragmentation import FragSessionDeleteReq, FragSessionSetupReq, FragSessionStatusReq
from fuota_fec.wire.multicast import McClassCSessionReq, McGroupDeleteReq, McGroupSetupReq

RATE_5_6 = partial(n_coded_of, "5/6")
V1, V2, V3 = 0x01000000, 0x01020000, 0x01030000
FULL = 40_000


def cost_of(
    full_len: int, lens: dict[int, int], fleet: dict[int | None, dict[int, int]], chosen: tuple[int, ...]
) -> float:
    """Time on air of deliveries, reckoned apart from the module."""
    total = 0.0
    jobs = [(lens[base], [base], True) for base in chosen]
    jobs.append((full_len, [version for version in fleet if version not in chosen], False))
    for length, versions, asks in jobs:
        counts: dict[int, int] = {}
        for version in versions:
            for dr, n in fleet[version].items():
                counts[dr] = counts.get(dr, 0) + n
        if not any(counts.values()):
            continue
        try:
            total += what_if(length, counts, n_coded=RATE_5_6).best("air_time").air_time
        except ParameterError:
            return float("inf")
        requests = [30, 11, 11, 2, 2, 2] + [1] * asks
        rates = region("EU868").data_rate
        total += sum(n * frame_time(size, rates(dr)) for dr, n in counts.items() for size in requests)
    return total


def test_the_lengths_of_requests_are_those_on_the_air() -> None:
    setup = {"frag_index": 0, "mc_group_bit_mask": 1, "nb_frag": 1, "frag_size": 1, "block_ack_delay": 0, "padding": 0}
    old = FragSessionSetupReq(**setup, descriptor=bytes(4))
    new = FragSessionSetupReq(**setup, descriptor=bytes(4), version="2.0.0", session_cnt=1, mic=bytes(4))
    assert {"1.0.0": len(old.encode()), "2.0.0": len(new.encode())} == SETUP_LENS
    requests = [
        McGroupSetupReq(mc_group_id=0, mc_addr=0, mc_key_encrypted=bytes(16), min_mc_fcnt=0, max_mc_fcnt=1),
        McClassCSessionReq(mc_group_id=0, session_time=0, time_out=0, dl_frequency_hz=869_525_000, dr=0),
        FragSessionStatusReq(frag_index=0, participants=True),
        FragSessionDeleteReq(frag_index=0),
        McGroupDeleteReq(mc_group_id=0),
    ]
    assert tuple(len(request.encode()) for request in requests) == REQUEST_LENS
    assert len(DevVersionReq().encode()) == VERSION_LEN


def test_a_delta_beside_a_full_image_for_slow_devices_does_not_pay() -> None:
    fleet = {V1: {0: 5}, V2: {0: 80, 5: 400}}
    choice = choose_deltas(FULL, {V2: 8000}, fleet, n_coded=RATE_5_6)
    [full] = choice.deliveries
    assert (full.base, full.n_devices, full.versions) == (None, 485, (V1, V2))
    assert choice.full_alone == full
    [unused] = choice.unused
    assert (unused.base, unused.image_len, unused.n_devices) == (V2, 8000, 480)
    assert unused.extra_air_time is not None
    assert unused.extra_air_time > 0
    assert choice.saving == 0


def test_a_delta_that_leaves_fast_devices_to_the_full_image_pays() -> None:
    fleet = {V1: {5: 100}, V2: {0: 80}}
    choice = choose_deltas(FULL, {V2: 8000}, fleet, n_coded=RATE_5_6)
    assert [delivery.base for delivery in choice.deliveries] == [None, V2]
    assert [delivery.schedule.groups[0].dr for delivery in choice.deliveries] == [5, 0]
    assert choice.full_alone is not None
    assert choice.saving == pytest.approx(choice.full_alone.air_time - choice.air_time)
    assert choice.saving > 0


def test_deltas_for_all_versions_need_no_full_image() -> None:
    fleet = {V1: {0: 5}, V2: {0: 80}}
    choice = choose_deltas(FULL, {V1: 9000, V2: 8000}, fleet, n_coded=RATE_5_6)
    assert [delivery.base for delivery in choice.deliveries] == [V1, V2]


def test_devices_of_an_unknown_version_get_the_full_image() -> None:
    choice = choose_deltas(FULL, {V1: 3000}, {None: {5: 1}, V1: {0: 50}}, n_coded=RATE_5_6)
    assert [(delivery.base, delivery.versions) for delivery in choice.deliveries] == [(None, (None,)), (V1, (V1,))]


def test_a_delta_without_devices_is_not_used() -> None:
    choice = choose_deltas(FULL, {V1: 10, V3: 20}, {V2: {5: 1}, V1: {5: 0}}, n_coded=RATE_5_6)
    assert [(one.base, one.n_devices, one.extra_air_time) for one in choice.unused] == [(V1, 0, None), (V3, 0, None)]
    assert [delivery.base for delivery in choice.deliveries] == [None]


def test_a_delta_reaches_devices_that_the_full_image_cannot_be_sent_to() -> None:
    rules = Sending(frags_max=400)
    choice = choose_deltas(FULL, {V1: 15_000}, {V1: {0: 10}}, n_coded=RATE_5_6, sending=rules)
    assert [delivery.base for delivery in choice.deliveries] == [V1]
    assert (choice.full_alone, choice.saving) == (None, None)
    with pytest.raises(ParameterError, match=r"deliveries: the full image for 10 devices: .*at most 400"):
        choose_deltas(FULL, {}, {V1: {0: 10}}, n_coded=RATE_5_6, sending=rules)


versions = st.sampled_from([None, V1, V2, V3])
counts = st.dictionaries(st.integers(0, 5), st.integers(0, 300), min_size=1, max_size=3)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 200_000),
    st.dictionaries(st.sampled_from([V1, V2, V3]), st.integers(1, 150_000)),
    st.dictionaries(versions, counts, min_size=1, max_size=4),
    st.booleans(),
)
def test_no_other_choice_takes_less_time_on_air(full_len, lens, fleet, climbs) -> None:
    if not any(n for one in fleet.values() for n in one.values()):
        return
    usable = [base for base in lens if any(fleet.get(base, {}).values())]
    every = [chosen for size in range(len(usable) + 1) for chosen in combinations(usable, size)]
    costs = {frozenset(chosen): cost_of(full_len, lens, fleet, chosen) for chosen in every}
    if min(costs.values()) == float("inf"):
        with pytest.raises(ParameterError):
            choose_deltas(full_len, lens, fleet, n_coded=RATE_5_6)
        return
    with pytest.MonkeyPatch.context() as patch:
        if climbs:
            patch.setattr(deltas, "MOST_EXACT", 0)
        choice = choose_deltas(full_len, lens, fleet, n_coded=RATE_5_6)
    chosen = frozenset(delivery.base for delivery in choice.deliveries if delivery.base is not None)
    assert choice.air_time == pytest.approx(costs[chosen])
    nearby = costs.values() if not climbs else [costs[chosen ^ {base}] for base in usable]
    assert choice.air_time <= min(nearby, default=float("inf")) * (1 + 1e-9)
    assert sum(delivery.n_devices for delivery in choice.deliveries) == sum(sum(one.values()) for one in fleet.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"full_len": 0}, "full_len: 0 is not from 1"),
        ({"delta_lens": {V1: 0}}, "delta_lens: delta of 0x01000000: 0 is not from 1"),
        ({"fleet": {}}, "fleet: there are no devices"),
        ({"fleet": {V1: {5: 0}}}, "fleet: there are no devices"),
        ({"fleet": {V1: {16: 1}}}, "16 is not from 0 to 15"),
        ({"dialect": "3"}, "dialect: '3' is not a dialect"),
    ],
)
def test_bad_arguments_are_named(change, message: str) -> None:
    arguments = {"full_len": FULL, "delta_lens": {V1: 10}, "fleet": {V1: {5: 1}}, **change}
    with pytest.raises(ParameterError, match=message):
        choose_deltas(**arguments, n_coded=1)
