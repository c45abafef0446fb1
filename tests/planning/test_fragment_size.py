"""Fragment sizes: the limits of data rate and devices, and the size with the least time on the air."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import PROFILES, DeviceProfile, profile
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import region

EU868 = region("EU868")
DR0, DR3, DR5 = (EU868.data_rate(dr) for dr in (0, 3, 5))


def plan(image_len: int = 4000, loss=0.05, threshold: float = 90, **more) -> ff.TransmissionPlan:
    arguments = {"data_rate": DR3, "n_devices": 200, "rows": "first"}
    return ff.plan_transmission(image_len, loss, threshold, **arguments | more)


@pytest.mark.parametrize("data_rate", [DR0, DR3])
@pytest.mark.parametrize("image_len", [300, 2000])
def test_no_other_fragment_size_takes_less_time(image_len, data_rate):
    """The plan is compared with every possible size."""
    found = plan(image_len, data_rate=data_rate)
    assert found.air_time == pytest.approx(found.redundancy.n_sent * found.frame_time)
    assert found.frame_time == frame_time(3 + found.frag_size, data_rate)
    assert found.padding == found.redundancy.n_frags * found.frag_size - image_len
    seen = {}
    for size in range(8, data_rate.max_app_payload - 2):
        n_frags = -(-image_len // size)
        if n_frags not in seen:
            seen[n_frags] = ff.plan_redundancy(n_frags, 0.05, 90, n_devices=200, rows="first", alternatives=False)
        if seen[n_frags].meets:
            air_time = seen[n_frags].n_sent * frame_time(3 + size, data_rate)
            # Plans may be a fragment apart.
            assert found.air_time <= air_time + frame_time(3 + size, data_rate) + 1e-9, size


def test_a_plan_lists_its_options_and_reports_progress():
    found = plan(20_000, data_rate=DR5)
    assert found.options[0].frag_size == found.frag_size
    assert found.options[0].planned
    assert found.options[0].air_time == found.air_time
    assert len({option.n_frags for option in found.options}) == len(found.options)
    assert all(option.air_time >= found.air_time for option in found.options if option.planned)
    assert len(found.redundancy.alternatives) == 8
    calls = []
    again = plan(20_000, data_rate=DR5, progress=lambda done, total: calls.append((done, total)))
    assert again.redundancy.n_coded == found.redundancy.n_coded
    assert [done for done, _ in calls] == list(range(len(calls)))


def test_a_given_fragment_size_is_the_only_option():
    found = plan(4000, frag_size=60)
    assert (found.frag_size, found.redundancy.n_frags, found.padding) == (60, 67, 20)
    assert len(found.options) == 1


def test_the_payload_limit_of_the_region_bounds_the_size():
    assert plan(20_000, data_rate=DR5, max_app_payload=51).frag_size <= 48
    as923 = region("AS923")
    limit = as923.max_app_payload(2, dwell_time=True)
    assert plan(900, data_rate=as923.data_rate(2), max_app_payload=limit).frag_size <= limit - 3


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_bound_the_plan(name):
    kind = profile(name)
    dialect = kind.dialects[0]
    found = plan(900, data_rate=DR3, profiles=[kind], dialect=dialect, loss=0.02)
    assert kind.min_frag_size <= found.frag_size <= kind.max_frag_size
    assert found.frag_size % kind.frag_size_multiple == 0
    assert found.redundancy.n_frags <= kind.max_frags


def test_profiles_of_each_device_bound_the_plan_together():
    mixed = [profile("st")] * 150 + [profile("loramac-node")] * 50
    found = plan(900, profiles=mixed, threshold=70)
    assert found.frag_size in (40, 48)
    assert found.redundancy.n_frags <= 21
    rounds = [other for other in found.redundancy.alternatives if other.n_coded == 0]
    assert len({other.device_probability for other in rounds}) == 1  # neither takes a second round


def test_losses_that_a_stack_cannot_solve_count_as_failures():
    """Nine is the fewest fragments possible here, and about 95 % of the devices lose at most two of nine."""
    narrow = DeviceProfile(name="narrow", max_losses=2)
    assert plan(1000, loss=0.1, threshold=97).redundancy.meets
    found = plan(1000, loss=0.1, threshold=97, profiles=[narrow])
    assert not found.redundancy.meets
    assert found.redundancy.n_frags == 9
    assert plan(1000, loss=0.1, threshold=85, profiles=[narrow]).redundancy.meets


def test_a_threshold_out_of_reach_gives_the_best_possible_plan():
    never = DeviceProfile(name="never", max_losses=0)
    found = plan(1000, loss=0.2, threshold=100, profiles=[never])
    assert not found.redundancy.meets
    assert found.redundancy.n_frags == 9  # as few as possible
    assert found.redundancy.n_sure == pytest.approx(200 * 0.8**found.redundancy.n_frags, abs=40)


def test_a_transmission_is_planned_for_losses_of_every_kind():
    each = np.random.default_rng(1).uniform(0.01, 0.2, 200)
    for loss in (each, ff.BetaLoss(mean=0.1, spread=0.05), ff.GilbertElliott(p_good_to_bad=0.02, p_bad_to_good=0.2)):
        found = plan(1500, loss=loss, n_devices=None if loss is each else 200, data_rate=DR0)
        assert found.redundancy.meets
        assert found.redundancy.n_devices == 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_len": 0}, "image_len"),
        ({"frag_size": 0}, "frag_size: 0 is not possible"),
        ({"frag_size": 200}, "frag_size: 200"),
        ({"max_app_payload": 3}, "frag_size: none is possible"),
        (
            {"profiles": [profile("lbm")], "image_len": 100_000},
            "or devices with a profile of their own that has max_frags = ",
        ),
        ({"image_len": 2_000_000, "data_rate": DR0}, "at most 16383 fragments"),
        ({"profiles": [profile("loramac-node")], "image_len": 2000}, "at most 21 fragments"),
        ({"profiles": [profile("st"), profile("st")]}, "profiles: 2 profiles, expected one"),
        ({"profiles": [profile("st")], "dialect": "2.0.0"}, "dialect: 2.0.0 is not .* 'st', expected 1.0.0"),
        ({"profiles": [replace(profile("generic"), max_image_len=100)]}, "expected at most 100"),
        ({"dialect": "3"}, "dialect: '3'"),
        ({"version": "3"}, "dialect: '3'"),
        ({"dialect": "1.0.0", "version": "2.0.0"}, "dialect, version: "),
        ({"threshold": 0}, "success_threshold"),
        ({"loss": 1.0}, "loss: 1.0"),
        ({"n_devices": None}, "n_devices"),
    ],
)
def test_a_transmission_refuses_bad_input(changes, expected):
    with pytest.raises(ff.ParameterError, match=expected):
        plan(**changes)


def test_a_data_rate_that_the_profile_does_not_receive_is_refused():
    new = region("EU868").data_rate(12)
    with pytest.raises(
        ff.ParameterError, match=r"^dr: DR12 .* exists since RP002-1.0.5, lbm devices do not receive it"
    ):
        ff.plan_transmission(1000, 0.1, 90, n_devices=10, data_rate=new, profiles=[profile("lbm")])
