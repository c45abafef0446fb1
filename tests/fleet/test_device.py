"""A virtual device: each command answered as the packages say, and nothing that comes over the air breaks it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.wire import firmware, fragmentation, keys, multicast
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.commands import Command

NOW = 1_800_000_000.0
GPS_NOW = int(gps_from_unix(NOW))
ROOT = keys.Key(bytes(range(16)))
MC_KEY = keys.Key(bytes(range(100, 116)))
MC_ADDR = 0x01F3A4B5
APP_S_KEY = keys.mc_app_s_key(MC_KEY, MC_ADDR)
IMAGE = bytes(range(50, 93))
"""43 bytes: five fragments of 10 with 7 bytes of padding."""
NEW_VERSION = 0x02000000
PORTS = {"multicast": 200, "fragmentation": 201, "firmware": 203}


def port_of(command: Command) -> int:
    return PORTS[type(command).__module__.rpartition(".")[2]]


class Bench:
    """One device on the table."""

    def __init__(self, **settings: Any) -> None:
        self.now = NOW
        self.device = VirtualDevice(
            **{
                "dev_eui": f"{1:016x}",
                "root_key": ROOT,
                "releases": {hashlib.sha256(IMAGE).digest(): NEW_VERSION},
                "rng": np.random.default_rng(1),
                **settings,
            }
        )
        self.block = ff.prepare(IMAGE, 10, n_coded=20, version=self.device.version)

    def tell(self, *commands: Command) -> None:
        self.device.receive(port_of(commands[0]), b"".join(c.encode() for c in commands), self.now)

    def cast(self, payload: bytes | Command, f_cnt: int, *, addr: int = MC_ADDR, key: keys.Key = APP_S_KEY) -> bool:
        port = 201 if isinstance(payload, bytes) else port_of(payload)
        data = payload if isinstance(payload, bytes) else payload.encode()
        return self.device.receive_multicast(addr, key, f_cnt, port, data, self.now)

    def answers(self, within: float = 5000) -> list[Command]:
        """Everything that it says within some time."""
        said: list[Command] = []
        end = self.now + within
        while (due := self.device.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            for port, payload in self.device.advance(self.now):
                if port == 200:
                    said += multicast.decode(payload, uplink=True, version=self.device.mc_version)
                elif port == 201:
                    said += fragmentation.decode(payload, uplink=True, version=self.device.version)
                else:
                    said += firmware.decode(payload, uplink=True)
        return said

    def ask(self, *commands: Command, within: float = 5000) -> list[Command]:
        self.tell(*commands)
        return self.answers(within)

    def group_request(self, **changes: Any) -> multicast.McGroupSetupReq:
        ke_key = keys.mc_ke_key(keys.mc_root_key(ROOT))
        fields = {
            "mc_group_id": 0,
            "mc_addr": MC_ADDR,
            "mc_key_encrypted": keys.wrap_mc_key(ke_key, MC_KEY),
            "min_mc_fcnt": 0,
            "max_mc_fcnt": 1000,
        }
        return multicast.McGroupSetupReq(**{**fields, **changes})

    def session_request(self, start: int = 100, **changes: Any) -> multicast.McClassCSessionReq:
        fields = {
            "mc_group_id": 0,
            "session_time": GPS_NOW + start,
            "time_out": 8,
            "dl_frequency_hz": 869_525_000,
            "dr": 5,
        }
        return multicast.McClassCSessionReq(**{**fields, **changes})

    def setup_request(self, **changes: Any) -> fragmentation.FragSessionSetupReq:
        if self.device.version == "2.0.0":
            mic = keys.data_block_mic(
                keys.data_block_int_key(ROOT), session_cnt=1, frag_index=0, descriptor=bytes(4), data=IMAGE
            )
            changes = {"session_cnt": 1, "mic": mic, **changes}
        second = self.device.version == "2.0.0"
        request = self.block.setup_request(
            mc_group_bit_mask=1,
            block_ack_delay=0,
            session_cnt=1 if second else None,
            mic=bytes(4) if second else None,
        )
        return replace(request, **changes)

    def frame(self, n: int) -> bytes:
        return bytes(self.block.frame(n))

    def ready(self, **changes: Any) -> Bench:
        """Set up, and in the middle of its session."""
        self.tell(self.group_request())
        self.tell(self.setup_request(**changes))
        self.tell(self.session_request())
        self.answers(10)
        self.now = NOW + 101
        return self


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench


# ---- answers ---------------------------------------------------------------------------------------------


def test_a_group_is_set_up(bench) -> None:
    b = bench()
    assert b.ask(b.group_request(mc_group_id=2)) == [multicast.McGroupSetupAns(mc_group_id=2)]


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


def test_a_session_in_the_past_is_missed(bench) -> None:
    b = bench()
    b.ask(b.group_request())
    b.now = NOW
    assert b.ask(b.session_request(start=-10)) == [multicast.McClassCSessionAns(mc_group_id=0, start_missed=True)]


def test_a_session_in_a_far_future_has_no_time_to_start(bench) -> None:
    """It does not fit into 24 bits."""
    b = bench()
    b.ask(b.group_request())
    assert b.ask(b.session_request(start=2**24 + 1000)) == [
        multicast.McClassCSessionAns(mc_group_id=0, time_to_start=multicast.TIME_TO_START_UNKNOWN)
    ]


@pytest.mark.parametrize("error", [-50.0, 50.0])
def test_a_wrong_clock_shows_in_time_to_start(bench, error) -> None:
    b = bench(clock_error=error)
    b.ask(b.group_request())
    [answer] = b.ask(b.session_request(start=500))
    assert b.now + answer.time_to_start - (NOW + 500) == pytest.approx(-error, abs=1)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_fragmentation_session_is_set_up(bench, version) -> None:
    b = bench(version=version)
    assert b.ask(b.setup_request(frag_index=3)) == [fragmentation.FragSessionSetupAns(frag_index=3)]


def test_an_unknown_algorithm_is_refused(bench) -> None:
    b = bench()
    assert b.ask(b.setup_request(frag_algo=1)) == [
        fragmentation.FragSessionSetupAns(frag_index=0, frag_algo_unsupported=True)
    ]
    b.tell(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert b.answers() == []


def test_version_and_image_status(bench) -> None:
    b = bench(fw_version=0x01020304, hw_version=9)
    assert b.ask(firmware.DevVersionReq()) == [firmware.DevVersionAns(fw_version=0x01020304, hw_version=9)]
    assert b.ask(firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=0)]


def test_status_counts_fragments(bench) -> None:
    b = bench()
    b.ask(b.setup_request())
    for n in (1, 3, 3):
        b.device.receive(201, b.frame(n), b.now)
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=False))
    assert (answer.nb_frag_received, answer.missing_frag) == (3, 3)


def test_status_of_a_complete_block_is_for_participants(bench) -> None:
    b = bench()
    b.ask(b.setup_request())
    for n in range(1, 6):
        b.device.receive(201, b.frame(n), b.now)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=False)) == []
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert (answer.nb_frag_received, answer.missing_frag) == (5, 0)


def test_status_of_no_session(bench) -> None:
    request = fragmentation.FragSessionStatusReq(frag_index=1, participants=True)
    assert bench().ask(request) == []
    [answer] = bench(version="2.0.0").ask(request)
    assert answer.session_does_not_exist


def test_status_answers_are_spread(bench) -> None:
    delays = []
    for seed in range(40):
        b = bench(rng=np.random.default_rng(seed))
        b.tell(b.setup_request(block_ack_delay=2))
        b.answers(10)
        asked_at = b.now
        b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
        delays.append(b.now - asked_at)
    assert 0 <= min(delays) < 16
    assert 32 < max(delays) <= 64


def test_several_commands_in_one_downlink_are_answered(bench) -> None:
    b = bench()
    said = b.ask(b.group_request(), b.group_request(mc_group_id=1))
    assert {answer.mc_group_id for answer in said} == {0, 1}


def test_answers_come_when_they_are_due(bench) -> None:
    b = bench()
    assert b.device.next_due() is None
    b.tell(firmware.DevVersionReq())
    due = b.device.next_due()
    assert due is not None
    assert b.device.advance(due - 0.001) == []
    assert len(b.device.advance(due)) == 1
    assert b.device.next_due() is None


# ---- multicast -------------------------------------------------------------------------------------------


def test_frames_of_its_session_are_heard(bench) -> None:
    b = bench().ready()
    assert b.cast(b.frame(1), 0)
    assert b.cast(b.frame(2), 7)


def test_before_and_after_the_session_nothing_is_heard(bench) -> None:
    b = bench().ready()
    for at, heard in ((NOW + 90, False), (NOW + 101, True), (NOW + 100 + 254, True), (NOW + 100 + 258, False)):
        b.now = at
        b.device._groups[0].min_f_cnt = 0
        assert b.cast(b.frame(1), 5) is heard


@pytest.mark.parametrize(
    "wrong", [{"addr": MC_ADDR + 1}, {"key": keys.mc_app_s_key(MC_KEY, MC_ADDR + 1)}, {"key": keys.Key(bytes(16))}]
)
def test_another_address_or_key_is_not_heard(bench, wrong) -> None:
    b = bench().ready()
    assert not b.cast(b.frame(1), 0, **wrong)
    assert b.cast(b.frame(1), 0)


def test_a_counter_is_accepted_once_and_only_forwards(bench) -> None:
    b = bench().ready()
    assert b.cast(b.frame(1), 5)
    assert not b.cast(b.frame(2), 5)
    assert not b.cast(b.frame(2), 4)
    assert b.cast(b.frame(2), 6)


def test_counters_have_a_window(bench) -> None:
    b = bench()
    b.tell(b.group_request(min_mc_fcnt=10, max_mc_fcnt=12))
    b.tell(b.setup_request())
    b.tell(b.session_request())
    b.now = NOW + 101
    assert [b.cast(b.frame(1), f_cnt) for f_cnt in (9, 10, 11, 12)] == [False, True, True, False]


def test_without_a_session_nothing_is_heard(bench) -> None:
    b = bench()
    b.ask(b.group_request(), within=10)
    b.ask(b.setup_request(), within=10)
    b.now = NOW + 101
    assert not b.cast(b.frame(1), 0)


def test_setting_a_group_up_again_ends_its_session(bench) -> None:
    b = bench().ready()
    b.tell(b.group_request())
    assert not b.cast(b.frame(1), 0)


@pytest.mark.parametrize("lorawan", ["1.0", "1.1"])
def test_the_key_of_its_lorawan_version_opens_the_group_key(bench, lorawan) -> None:
    b = bench(lorawan=lorawan)
    derive = {"1.0": keys.mc_root_key, "1.1": keys.mc_root_key_from_app_key}
    for version, made in derive.items():
        b.now = NOW
        wrapped = keys.wrap_mc_key(keys.mc_ke_key(made(ROOT)), MC_KEY)
        b.tell(b.group_request(mc_key_encrypted=wrapped))
        b.tell(b.session_request())
        b.now = NOW + 101
        assert b.cast(b.frame(1), 0) is (version == lorawan)


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


def test_a_status_request_by_multicast_is_answered(bench) -> None:
    b = bench().ready()
    b.cast(fragmentation.FragSessionStatusReq(frag_index=0, participants=True), 0)
    assert len(b.answers(100)) == 1


def test_the_group_mask_says_which_groups_may_send(bench) -> None:
    b = bench().ready(mc_group_bit_mask=0b1110)
    assert b.cast(b.frame(1), 0)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0
    b.device.receive(201, b.frame(1), b.now)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 1


@pytest.mark.parametrize(
    "change", [lambda f: f[:-1], lambda f: f + b"\0", lambda f: f[:2] + bytes([f[2] | 0x40]) + f[3:]]
)
def test_a_fragment_of_another_length_or_session_is_dropped(bench, change) -> None:
    b = bench().ready()
    b.cast(change(b.frame(1)), 0)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0


# ---- the block -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("lost", [(), (1,), (2, 4), (1, 2, 3, 4)])
def test_the_rebuilt_block_is_installed(bench, version, lost) -> None:
    b = bench(version=version, process_time=10).ready()
    for n in [n for n in range(1, 26) if n not in lost]:
        b.cast(b.frame(n), n)
        b.now += 1
    b.answers(60)
    assert b.device.image == IMAGE
    assert b.ask(firmware.DevVersionReq()) == [firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)]


def test_an_image_that_is_no_release_is_not_installed(bench) -> None:
    b = bench(releases={}).ready()
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    assert b.ask(firmware.DevUpgradeImageReq(), within=5) == [firmware.DevUpgradeImageAns(up_image_status=1)]
    b.answers(60)
    assert b.device.image is None
    assert b.ask(firmware.DevVersionReq())[0].fw_version == 0x01000000


def test_a_valid_image_is_reported_before_it_runs(bench) -> None:
    b = bench(process_time=100).ready()
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    assert b.ask(firmware.DevUpgradeImageReq(), within=5) == [
        firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION)
    ]


def test_a_block_with_another_mic_is_not_installed(bench) -> None:
    b = bench(version="2.0.0").ready(mic=b"\1\2\3\4")
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert (answer.missing_frag, answer.mic_error) == (0, True)
    assert b.device.image is None


@pytest.mark.parametrize("right", [True, False])
def test_the_complete_block_is_reported_where_that_was_asked_for(bench, right) -> None:
    b = bench(version="2.0.0")
    b.ready(ack_reception=True, **({} if right else {"mic": bytes(4)}))
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    assert b.answers(60) == [fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=not right)]


def test_a_repeated_setup_starts_afresh(bench) -> None:
    b = bench().ready()
    for n in range(1, 4):
        b.cast(b.frame(n), n)
    b.ask(b.setup_request(), within=10)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0


def test_a_session_counter_is_used_up_by_the_first_fragment(bench) -> None:
    b = bench(version="2.0.0")
    assert not b.ask(b.setup_request())[0].session_cnt_replay
    assert not b.ask(b.setup_request())[0].session_cnt_replay
    b.device.receive(201, b.frame(1), b.now)
    assert b.ask(b.setup_request())[0].session_cnt_replay
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 1
    assert not b.ask(b.setup_request(session_cnt=2))[0].session_cnt_replay


def test_fragments_after_the_last_that_was_needed_change_nothing(bench) -> None:
    b = bench().ready()
    for n in range(1, 26):
        b.cast(b.frame(n), n)
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert answer.nb_frag_received == 5


# ---- garbage ---------------------------------------------------------------------------------------------


def test_garbage_is_counted_and_what_stands_before_it_answered(bench) -> None:
    b = bench()
    b.device.receive(203, firmware.DevVersionReq().encode() + b"\x02\x00", b.now)
    assert len(b.answers()) == 1
    assert b.device.n_garbage == 1


@given(port=st.sampled_from([0, 1, 200, 201, 202, 203, 255]), payload=st.binary(max_size=60), unicast=st.booleans())
@settings(max_examples=300)
def test_random_bytes_break_nothing(port: int, payload: bytes, unicast: bool) -> None:
    b = Bench(version="2.0.0").ready()
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
    st.builds(firmware.DevRebootTimeReq, reboot_time=u32),
    st.builds(fragmentation.FragSessionDeleteReq, frag_index=st.integers(0, 3)),
)


@given(st.lists(wild, max_size=12))
@settings(max_examples=200)
def test_wild_commands_break_nothing(commands: list[Command]) -> None:
    b = Bench(version="2.0.0")
    b.tell(b.group_request())
    for command in commands:
        b.tell(command)
        b.now += 1
    b.answers()


def test_padding_that_leaves_nothing_breaks_nothing(bench) -> None:
    b = bench(version="2.0.0")
    b.ask(replace(b.setup_request(), nb_frag=1, frag_size=10, padding=10))
    b.device.receive(201, b.frame(1), b.now)
    b.answers()
    assert b.device.image is None


def test_no_repr_shows_a_key(bench) -> None:
    b = bench().ready()
    assert bytes(ROOT).hex() not in repr(b.device)
    assert repr(bytes(ROOT)) not in repr(b.device)
