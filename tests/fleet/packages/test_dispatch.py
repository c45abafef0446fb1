"""Dispatch of downlinks: ports, package versions, commands by multicast, and garbage."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.wire import clock, firmware, fragmentation, keys, multicast
from fuota_fec.wire.commands import Command

NOW = 1_800_000_000.0
MC_KEY = keys.Key(bytes(range(100, 116)))
MC_ADDR = 0x01F3A4B5
APP_S_KEY = keys.mc_app_s_key(MC_KEY, MC_ADDR)
NEW_VERSION = 0x02000000


def test_several_commands_in_one_downlink_are_answered(bench) -> None:
    b = bench()
    said = b.ask(b.group_request(), b.group_request(mc_group_id=1))
    assert {answer.mc_group_id for answer in said} == {0, 1}


@pytest.mark.parametrize(
    ("port", "settings", "identifier", "version"),
    [
        (200, {"mc_version": "1.0.0"}, 2, 1),
        (200, {"mc_version": "2.0.0"}, 2, 2),
        (201, {"version": "1.0.0"}, 3, 1),
        (201, {"version": "2.0.0"}, 3, 2),
        (202, {"clock_version": "1.0.0"}, 1, 1),
        (202, {"clock_version": "2.0.0"}, 1, 2),
        (203, {}, 4, 1),
    ],
)
def test_every_package_answers_its_version(bench, port, settings, identifier, version) -> None:
    b = bench(**settings)
    b.device.receive(port, b"\x00", b.now)
    due = b.device.next_due()
    assert b.device.advance(due) == [(port, bytes([0, identifier, version]))]
    assert b.device.next_due() is None


def test_unicast_only_commands_by_multicast_are_dropped(bench) -> None:
    b = bench().ready()
    b.answers(10)
    b.now = NOW + 110
    unicast_only = [
        firmware.DevVersionReq(),
        firmware.DevUpgradeImageReq(),
        b.group_request(mc_group_id=1),
        b.session_request(start=400),
        b.setup_request(),
    ]
    for f_cnt, command in enumerate(unicast_only):
        b.cast(command, f_cnt)
    assert b.answers(100) == []


def test_commands_by_multicast_other_than_fragments_and_status_requests_change_nothing(bench) -> None:
    b = bench(version="2.0.0").ready()
    b.complete()
    state = pickle.dumps(b.device)
    unicast_only = [
        clock.ForceDeviceResyncReq(nb_transmissions=1),
        clock.AppTimeAns(time_correction=100, token_ans=0),
        multicast.McGroupDeleteReq(mc_group_id=0),
        b.class_b_request(),
        fragmentation.FragSessionDeleteReq(frag_index=0),
        fragmentation.FragDataBlockReceivedAns(frag_index=0),
        firmware.DevRebootTimeReq(reboot_time=0),
        firmware.DevRebootCountdownReq(countdown=1),
        firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION),
        clock.PackageVersionReq(),
    ]
    for command in unicast_only:
        b.device.groups[0].min_f_cnt = 0
        port = 200 if isinstance(command, clock.PackageVersionReq) else b.port_of(command)
        assert b.device.receive_multicast(MC_ADDR, APP_S_KEY, 0, port, command.encode(), b.now)
    b.device.groups[0].min_f_cnt = 0
    assert pickle.dumps(b.device) == state


def test_a_status_request_by_multicast_is_answered(bench) -> None:
    b = bench().ready()
    b.cast(fragmentation.FragSessionStatusReq(frag_index=0, participants=True), 0)
    assert len(b.answers(100)) == 1


def test_garbage_is_counted_and_commands_before_it_are_answered(bench) -> None:
    b = bench()
    b.device.receive(203, firmware.DevVersionReq().encode() + b"\x02\x00", b.now)
    assert len(b.answers()) == 1
    assert b.device.n_garbage == 1


@given(port=st.sampled_from([0, 1, 200, 201, 202, 203, 255]), payload=st.binary(max_size=60), unicast=st.booleans())
@settings(max_examples=300)
def test_random_payloads_raise_nothing(bench, port: int, payload: bytes, unicast: bool) -> None:
    b = bench(version="2.0.0").ready()
    if unicast:
        b.device.receive(port, payload, b.now)
    else:
        b.device.receive_multicast(MC_ADDR, APP_S_KEY, 3, port, payload, b.now)
    b.answers()
    b.now = NOW + 105
    b.ask(b.group_request(), within=10)


u32 = st.integers(0, 2**32 - 1)


wild = st.one_of(
    st.builds(
        fragmentation.FragSessionSetupReq,
        version=st.just("2.0.0"),
        frag_index=st.just(0),
        mc_group_bit_mask=st.integers(0, 15),
        nb_frag=st.one_of(st.integers(1, 4), st.just(16383)),
        frag_size=st.integers(1, 20),
        block_ack_delay=st.integers(0, 7),
        padding=st.integers(0, 255),
        descriptor=st.just(bytes(4)),
        frag_algo=st.integers(0, 1),
        ack_reception=st.booleans(),
        session_cnt=st.integers(0, 3),
        mic=st.just(bytes(4)),
    ),
    st.builds(
        fragmentation.DataFragment,
        frag_index=st.just(0),
        n=st.integers(1, 16383) | st.integers(1, 3),
        payload=st.binary(min_size=1, max_size=20),
    ),
    st.builds(
        multicast.McClassCSessionReq,
        mc_group_id=st.integers(0, 1),
        session_time=u32,
        time_out=st.integers(0, 15),
        dl_frequency_hz=st.just(0),
        dr=st.integers(0, 255),
    ),
    st.builds(fragmentation.FragSessionStatusReq, frag_index=st.integers(0, 3), participants=st.booleans()),
    st.builds(
        multicast.McClassBSessionReq,
        mc_group_id=st.integers(0, 1),
        session_time=st.integers(0, 2**25 - 1).map(lambda beacon: beacon * 128),
        periodicity=st.integers(0, 7),
        time_out=st.integers(0, 15),
        dl_frequency_hz=st.just(0),
        dr=st.integers(0, 255),
    ),
    st.builds(multicast.McGroupDeleteReq, mc_group_id=st.integers(0, 3)),
    st.builds(firmware.DevRebootTimeReq, reboot_time=u32 | st.sampled_from([0, 2**32 - 1])),
    st.builds(firmware.DevRebootCountdownReq, countdown=st.integers(0, 10) | st.integers(0, 2**24 - 1)),
    st.builds(firmware.DevUpgradeImageReq),
    st.builds(firmware.DevDeleteImageReq, firmware_to_delete_version=u32),
    st.builds(clock.AppTimeAns, time_correction=st.integers(-(2**31), 2**31 - 1), token_ans=st.integers(0, 2)),
    st.builds(clock.ForceDeviceResyncReq, nb_transmissions=st.integers(0, 7)),
    st.builds(fragmentation.FragSessionDeleteReq, frag_index=st.integers(0, 3)),
    st.builds(fragmentation.FragDataBlockReceivedAns, frag_index=st.integers(0, 3)),
)


@given(st.lists(wild, max_size=12))
@settings(max_examples=200)
def test_random_commands_raise_nothing(bench, commands: list[Command]) -> None:
    b = bench(version="2.0.0")
    b.send(b.group_request())
    for command in commands:
        b.send(command)
        b.now += 1
    b.answers()
    assert pickle.loads(pickle.dumps(b.device)).next_due() == b.device.next_due()
