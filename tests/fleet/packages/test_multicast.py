"""TS005 of a virtual device: groups, their sessions and the frames received in them."""

from __future__ import annotations

import pytest

from fuota_fec.devices.profiles import profile
from fuota_fec.wire import keys, multicast
from fuota_fec.wire.clock import unix_from_gps

NOW = 1_800_000_000.0
ROOT = keys.Key(bytes(range(16)))
MC_KEY = keys.Key(bytes(range(100, 116)))


def test_a_group_setup_is_accepted(bench) -> None:
    b = bench()
    assert b.ask(b.group_request(mc_group_id=2)) == [multicast.McGroupSetupAns(mc_group_id=2)]


def test_a_group_that_the_stack_does_not_serve_is_refused(bench) -> None:
    b = bench(profile=profile("loramac-node"), dialect="1.0.0", mc_version="1.0.0")
    assert b.ask(b.group_request(mc_group_id=1)) == [multicast.McGroupSetupAns(mc_group_id=1, id_error=True)]
    assert b.ask(b.group_request(mc_group_id=0)) == [multicast.McGroupSetupAns(mc_group_id=0)]


def test_a_class_c_session_is_answered_with_the_time_to_its_start(bench) -> None:
    b = bench()
    b.ask(b.group_request())
    asked_at = b.now
    [answer] = b.ask(b.session_request(start=500))
    delay = b.now - asked_at
    assert 1 <= delay <= 3
    assert answer.time_to_start == pytest.approx(NOW + 500 - b.now, abs=1)


def test_a_session_of_an_unknown_group_is_refused(bench) -> None:
    b = bench()
    assert b.ask(b.session_request(mc_group_id=3)) == [
        multicast.McClassCSessionAns(mc_group_id=3, mc_group_undefined=True)
    ]


def test_a_session_in_the_past_is_refused_as_missed(bench) -> None:
    b = bench()
    b.ask(b.group_request())
    b.now = NOW
    assert b.ask(b.session_request(start=-10)) == [multicast.McClassCSessionAns(mc_group_id=0, start_missed=True)]


def test_a_session_in_a_far_future_is_answered_with_an_unknown_time_to_start(bench) -> None:
    """It does not fit into 24 bits."""
    b = bench()
    b.ask(b.group_request())
    assert b.ask(b.session_request(start=2**24 + 1000)) == [
        multicast.McClassCSessionAns(mc_group_id=0, time_to_start=multicast.TIME_TO_START_UNKNOWN)
    ]


@pytest.mark.parametrize("error", [-50.0, 50.0])
def test_time_to_start_contains_the_clock_error(bench, error) -> None:
    b = bench(clock_error=error)
    b.ask(b.group_request())
    [answer] = b.ask(b.session_request(start=500))
    assert b.now + answer.time_to_start - (NOW + 500) == pytest.approx(-error, abs=1)


def test_a_class_b_session_is_answered_with_the_time_to_its_start(bench) -> None:
    b = bench()
    b.ask(b.group_request())
    request = b.class_b_request()
    [answer] = b.ask(request)
    assert isinstance(answer, multicast.McClassBSessionAns)
    assert b.now + answer.time_to_start == pytest.approx(unix_from_gps(request.session_time), abs=1)
    group = b.device.groups[0]
    assert (group.device_class, group.periodicity, group.frequency_hz, group.dr) == ("B", 4, 869_525_000, 3)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_class_b_session_is_refused_like_a_class_c_session(bench, version) -> None:
    b = bench(mc_version=version)
    b.ask(b.group_request())
    assert b.ask(b.class_b_request(mc_group_id=3)) == [
        multicast.McClassBSessionAns(mc_group_id=3, mc_group_undefined=True)
    ]
    b.now = NOW
    assert b.ask(b.class_b_request(beacons=-1)) == [multicast.McClassBSessionAns(mc_group_id=0, start_missed=True)]
    assert b.ask(b.class_b_request(beacons=2**18)) == [
        multicast.McClassBSessionAns(mc_group_id=0, time_to_start=multicast.TIME_TO_START_UNKNOWN)
    ]


@pytest.mark.parametrize("kind", ["B", "C"])
def test_a_device_without_time_opens_no_session_before_it_is_synchronised(bench, kind) -> None:
    b = bench(clock_set=False, clock_error=-5e8)
    b.ask(b.group_request())
    request = b.class_b_request() if kind == "B" else b.session_request(start=300)
    [answer] = b.ask(request)
    assert answer.time_to_start == multicast.TIME_TO_START_UNKNOWN
    b.synchronise()
    start = unix_from_gps(request.session_time)
    there = b.now
    b.now = start + 2
    assert not b.cast(b.frame(1), 0)
    b.now = there
    [answer] = b.ask(request)
    assert b.now + answer.time_to_start == pytest.approx(start, abs=2)
    b.now = start + 2
    assert b.cast(b.frame(1), 0)


def test_a_device_without_time_refuses_a_session_of_an_unknown_group(bench) -> None:
    [answer] = bench(clock_set=False).ask(bench().session_request(start=-100))
    assert (answer.mc_group_undefined, answer.start_missed) == (True, False)


def test_a_later_session_replaces_the_one_before(bench) -> None:
    b = bench()
    b.send(b.group_request())
    b.send(b.session_request(start=100, time_out=4))
    b.send(b.class_b_request(beacons=10, time_out=0))
    start = unix_from_gps(b.class_b_request(beacons=10).session_time)
    for now, received in ((NOW + 105, False), (start + 1, True), (start + 127, True), (start + 129, False)):
        b.now = now
        b.device.groups[0].min_f_cnt = 0
        assert b.cast(b.frame(1), 0) is received


def test_a_group_without_a_session_receives_no_frame(bench) -> None:
    b = bench()
    b.ask(b.group_request(), within=10)
    b.ask(b.setup_request(), within=10)
    b.now = NOW + 101
    assert not b.cast(b.frame(1), 0)


def test_a_repeated_group_setup_ends_the_session(bench) -> None:
    b = bench().ready()
    b.send(b.group_request())
    assert not b.cast(b.frame(1), 0)


@pytest.mark.parametrize("lorawan", ["1.0", "1.1"])
def test_the_group_key_is_unwrapped_by_the_lorawan_version(bench, lorawan) -> None:
    b = bench(lorawan=lorawan)
    derive = {"1.0": keys.mc_root_key, "1.1": keys.mc_root_key_from_app_key}
    for version, made in derive.items():
        b.now = NOW
        wrapped = keys.wrap_mc_key(keys.mc_ke_key(made(ROOT)), MC_KEY)
        b.send(b.group_request(mc_key_encrypted=wrapped))
        b.send(b.session_request())
        b.now = NOW + 101
        assert b.cast(b.frame(1), 0) is (version == lorawan)


def test_a_deleted_group_receives_no_frame(bench) -> None:
    b = bench().ready()
    assert b.cast(b.frame(1), 0)
    b.send(multicast.McGroupDeleteReq(mc_group_id=0))
    assert not b.cast(b.frame(2), 1)
    assert b.answers() == [multicast.McGroupDeleteAns(mc_group_id=0)]
    assert b.ask(multicast.McGroupDeleteReq(mc_group_id=0)) == [
        multicast.McGroupDeleteAns(mc_group_id=0, mc_group_undefined=True)
    ]
    assert b.ask(b.session_request(start=9000))[0].mc_group_undefined
    assert not b.ask(b.group_request())[0].id_error


def test_deleting_a_group_keeps_the_others(bench) -> None:
    b = bench().ready()
    assert b.ask(multicast.McGroupDeleteReq(mc_group_id=1), within=5)[0].mc_group_undefined
    assert b.cast(b.frame(1), 0)
