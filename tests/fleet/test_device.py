"""A virtual device: each command answered as the packages say, and nothing that comes over the air breaks it."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.device_state import N_BLOCK_REPORTS
from fuota_fec.wire import clock, firmware, fragmentation, keys, multicast
from fuota_fec.wire.clock import gps_from_unix, unix_from_gps
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
PORTS = {"multicast": 200, "fragmentation": 201, "clock": 202, "firmware": 203}


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
                elif port == 202:
                    said += clock.decode(payload, uplink=True, version=self.device.clock_version)
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

    def class_b_request(self, beacons: int = 3, **changes: Any) -> multicast.McClassBSessionReq:
        """A session that begins with a beacon to come."""
        fields = {
            "mc_group_id": 0,
            "session_time": (GPS_NOW // 128 + beacons) * 128,
            "time_out": 1,
            "periodicity": 4,
            "dl_frequency_hz": 869_525_000,
            "dr": 3,
        }
        return multicast.McClassBSessionReq(**{**fields, **changes})

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

    def complete(self) -> Bench:
        """Every uncoded fragment has come."""
        for n in range(1, 6):
            self.device.receive(201, self.frame(n), self.now)
        return self

    def wait(self, seconds: float) -> Bench:
        """Time goes by, and what it says meanwhile is not listened to."""
        end = self.now + seconds
        self.answers(seconds)
        self.now = end
        return self

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
        b.device.groups[0].min_f_cnt = 0
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


# ---- packages --------------------------------------------------------------------------------------------


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
def test_every_package_tells_its_version(bench, port, settings, identifier, version) -> None:
    b = bench(**settings)
    b.device.receive(port, b"\x00", b.now)
    due = b.device.next_due()
    assert b.device.advance(due) == [(port, bytes([0, identifier, version]))]
    assert b.device.next_due() is None


def test_nothing_but_fragments_and_status_requests_may_come_by_multicast(bench) -> None:
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
        port = 200 if isinstance(command, clock.PackageVersionReq) else port_of(command)
        assert b.device.receive_multicast(MC_ADDR, APP_S_KEY, 0, port, command.encode(), b.now)
    b.device.groups[0].min_f_cnt = 0
    assert pickle.dumps(b.device) == state


# ---- clock -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("error", [0.0, 1234.0, -50_000_000.0])
def test_a_device_that_is_to_resync_tells_its_time(bench, version, error) -> None:
    b = bench(clock_version=version, clock_error=error)
    [asked] = b.ask(clock.ForceDeviceResyncReq(nb_transmissions=1))
    assert (asked.ans_required, asked.token_req) == (True, 0)
    assert asked.device_time == int(gps_from_unix(b.now) + error)


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_it_asks_as_often_as_it_was_told_to(bench, n) -> None:
    asked = bench().ask(clock.ForceDeviceResyncReq(nb_transmissions=n))
    assert [a.token_req for a in asked] == [0] * n
    assert len({a.device_time for a in asked}) == n


def synchronise(b: Bench) -> None:
    [asked] = b.ask(clock.ForceDeviceResyncReq(nb_transmissions=1))
    correction = clock.gps_difference(clock.gps_to_wire(gps_from_unix(b.now)), asked.device_time)
    b.tell(clock.AppTimeAns(time_correction=correction, token_ans=asked.token_req))


@given(error=st.floats(-1e9, 1e9), clock_set=st.booleans())
def test_a_correction_leaves_less_than_a_second(error: float, clock_set: bool) -> None:
    b = Bench(clock_error=error, clock_set=clock_set)
    synchronise(b)
    assert abs(b.device.clock_error) < 1
    assert b.device.clock_set


def test_only_the_answer_with_its_token_counts_and_that_once(bench) -> None:
    b = bench(clock_set=False)
    for n in range(20):
        for token in range(16):
            if token != n % 16:
                b.tell(clock.AppTimeAns(time_correction=7, token_ans=token))
        assert (b.device.clock_error, b.device.clock_set) == (n, n > 0)
        [asked] = b.ask(clock.ForceDeviceResyncReq(nb_transmissions=1))
        assert asked.token_req == n % 16
        b.tell(clock.AppTimeAns(time_correction=1, token_ans=asked.token_req))
        b.tell(clock.AppTimeAns(time_correction=1, token_ans=asked.token_req))


@pytest.mark.parametrize("kind", ["B", "C"])
def test_a_device_without_time_plans_no_session_until_it_has_it(bench, kind) -> None:
    b = bench(clock_set=False, clock_error=-5e8)
    b.ask(b.group_request())
    request = b.class_b_request() if kind == "B" else b.session_request(start=300)
    [answer] = b.ask(request)
    assert answer.time_to_start == multicast.TIME_TO_START_UNKNOWN
    synchronise(b)
    start = unix_from_gps(request.session_time)
    there = b.now
    b.now = start + 2
    assert not b.cast(b.frame(1), 0)
    b.now = there
    [answer] = b.ask(request)
    assert b.now + answer.time_to_start == pytest.approx(start, abs=2)
    b.now = start + 2
    assert b.cast(b.frame(1), 0)


def test_a_device_without_time_still_says_that_it_has_no_such_group(bench) -> None:
    [answer] = bench(clock_set=False).ask(bench().session_request(start=-100))
    assert (answer.mc_group_undefined, answer.start_missed) == (True, False)


# ---- multicast sessions ----------------------------------------------------------------------------------


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
def test_a_class_b_session_is_refused_as_one_of_class_c_is(bench, version) -> None:
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


@given(kind=st.sampled_from("BC"), time_out=st.integers(0, 15), off=st.sampled_from([-5.0, 0.01, 0.5, 0.99, 1.01]))
def test_frames_are_heard_within_the_session_and_not_outside(kind: str, time_out: int, off: float) -> None:
    """`off`: shares of the session's duration."""
    b = Bench()
    b.tell(b.group_request())
    request = b.class_b_request(time_out=time_out) if kind == "B" else b.session_request(time_out=time_out)
    b.tell(request)
    duration = (128 if kind == "B" else 1) << time_out
    b.now = unix_from_gps(request.session_time) + off * duration
    assert b.cast(b.frame(1), 0) is (0 <= off < 1)


def test_a_later_session_takes_the_place_of_the_one_before(bench) -> None:
    b = bench()
    b.tell(b.group_request())
    b.tell(b.session_request(start=100, time_out=4))
    b.tell(b.class_b_request(beacons=10, time_out=0))
    start = unix_from_gps(b.class_b_request(beacons=10).session_time)
    for at, heard in ((NOW + 105, False), (start + 1, True), (start + 127, True), (start + 129, False)):
        b.now = at
        b.device.groups[0].min_f_cnt = 0
        assert b.cast(b.frame(1), 0) is heard


def test_a_deleted_group_is_gone_with_its_session(bench) -> None:
    b = bench().ready()
    assert b.cast(b.frame(1), 0)
    b.tell(multicast.McGroupDeleteReq(mc_group_id=0))
    assert not b.cast(b.frame(2), 1)
    assert b.answers() == [multicast.McGroupDeleteAns(mc_group_id=0)]
    assert b.ask(multicast.McGroupDeleteReq(mc_group_id=0)) == [
        multicast.McGroupDeleteAns(mc_group_id=0, mc_group_undefined=True)
    ]
    assert b.ask(b.session_request(start=9000))[0].mc_group_undefined
    assert not b.ask(b.group_request())[0].id_error


def test_deleting_a_group_leaves_the_others(bench) -> None:
    b = bench().ready()
    assert b.ask(multicast.McGroupDeleteReq(mc_group_id=1), within=5)[0].mc_group_undefined
    assert b.cast(b.frame(1), 0)


# ---- fragmentation sessions ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_deleted_session_takes_no_fragments(bench, version) -> None:
    b = bench(version=version)
    b.ask(b.setup_request())
    assert b.ask(fragmentation.FragSessionDeleteReq(frag_index=0)) == [fragmentation.FragSessionDeleteAns(frag_index=0)]
    b.complete()
    assert b.device.stored is None
    assert b.ask(fragmentation.FragSessionDeleteReq(frag_index=0)) == [
        fragmentation.FragSessionDeleteAns(frag_index=0, session_does_not_exist=True)
    ]
    said = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert said == [] if version == "1.0.0" else said[0].session_does_not_exist


def test_a_deleted_session_has_used_its_counter_up(bench) -> None:
    b = bench(version="2.0.0")
    b.ask(b.setup_request())
    b.device.receive(201, b.frame(1), b.now)
    b.ask(fragmentation.FragSessionDeleteReq(frag_index=0))
    assert b.ask(b.setup_request())[0].session_cnt_replay


def test_an_image_outlives_its_session(bench) -> None:
    b = bench(process_time=100).ready().complete()
    b.ask(fragmentation.FragSessionDeleteReq(frag_index=0), within=5)
    assert b.device.stored == IMAGE
    b.wait(200)
    assert b.device.image == IMAGE


def test_a_setup_of_2_0_0_that_is_refused_leaves_the_session_alone(bench) -> None:
    b = bench(version="2.0.0").ready()
    b.device.receive(201, b.frame(1), b.now)
    assert b.ask(b.setup_request(), within=10)[0].session_cnt_replay
    b.complete()
    assert b.device.stored == IMAGE


def test_more_fragments_than_can_be_told_break_nothing(bench) -> None:
    b = bench().ready()
    b.device.sessions[0].reception.n_received = 0x3FFF
    b.cast(b.frame(1), 0)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0x3FFF


def reported(b: Bench, within: float) -> list[float]:
    """When it reported its block."""
    times = []
    end = b.now + within
    while (due := b.device.next_due()) is not None and due <= end:
        b.now = max(b.now, due)
        for port, payload in b.device.advance(b.now):
            said = fragmentation.decode(payload, uplink=True, version="2.0.0") if port == 201 else []
            times += [b.now for command in said if isinstance(command, fragmentation.FragDataBlockReceivedReq)]
    b.now = end
    return times


def test_the_complete_block_is_reported_a_few_times_an_uplink_period_apart(bench) -> None:
    b = bench(version="2.0.0", uplink_period=400).ready(ack_reception=True)
    times = reported(b.complete(), 100_000)
    assert len(times) == N_BLOCK_REPORTS == 3
    assert 0 <= times[0] - (NOW + 101) <= 16
    assert np.diff(times) == pytest.approx(400)


@pytest.mark.parametrize("n_before", [0, 1, 2])
@pytest.mark.parametrize(
    "last_word",
    [
        fragmentation.FragDataBlockReceivedAns(frag_index=0),
        fragmentation.FragSessionDeleteReq(frag_index=0),
    ],
)
def test_the_block_is_reported_until_that_is_answered_or_the_session_deleted(bench, n_before, last_word) -> None:
    b = bench(version="2.0.0", uplink_period=400).ready(ack_reception=True, block_ack_delay=0).complete()
    assert len(reported(b, 16 + 400 * (n_before - 1) if n_before else -1)) == n_before
    b.tell(last_word)
    assert reported(b, 100_000) == []


def test_the_answer_for_another_session_ends_nothing(bench) -> None:
    b = bench(version="2.0.0").ready(ack_reception=True).complete()
    b.tell(fragmentation.FragDataBlockReceivedAns(frag_index=1))
    assert len(reported(b, 100_000)) == N_BLOCK_REPORTS


# ---- the stored image and reboots ------------------------------------------------------------------------


def with_image(**settings: Any) -> Bench:
    """A device that stores an image and does not boot it alone."""
    b = Bench(**{"reboots_alone": False, **settings})
    b.tell(b.setup_request())
    b.answers(10)
    return b.complete()


def test_a_device_that_does_not_reboot_alone_keeps_the_image_until_it_is_told_to(bench) -> None:
    b = with_image().wait(1e6)
    assert (b.device.stored, b.device.image, b.device.n_reboots) == (IMAGE, None, 0)
    assert b.ask(firmware.DevUpgradeImageReq()) == [
        firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION)
    ]
    b.tell(firmware.DevRebootCountdownReq(countdown=100))
    b.wait(99)
    assert b.device.fw_version == 0x01000000
    b.wait(2)
    assert (b.device.stored, b.device.image, b.device.n_reboots) == (None, IMAGE, 1)
    assert b.device.fw_version == NEW_VERSION
    assert b.ask(firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=0)]


def at_once(kind: str) -> Command:
    return {
        "time": firmware.DevRebootTimeReq(reboot_time=0),
        "countdown": firmware.DevRebootCountdownReq(countdown=0),
    }[kind]


def cancel(kind: str) -> tuple[Command, Command]:
    """The request and its acknowledgement."""
    return {
        "time": (
            firmware.DevRebootTimeReq(reboot_time=0xFFFFFFFF),
            firmware.DevRebootTimeAns(reboot_time=0xFFFFFFFF),
        ),
        "countdown": (
            firmware.DevRebootCountdownReq(countdown=0xFFFFFF),
            firmware.DevRebootCountdownAns(countdown=0xFFFFFF),
        ),
    }[kind]


def planned(kind: str, seconds: int) -> Command:
    """A request for a reboot some seconds after NOW + 110, as of when it is sent."""
    if kind == "time":
        return firmware.DevRebootTimeReq(reboot_time=GPS_NOW + 110 + seconds)
    return firmware.DevRebootCountdownReq(countdown=seconds)


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_a_planned_reboot_is_answered_with_the_seconds_that_are_left(bench, kind) -> None:
    b = bench()
    b.now = NOW + 110
    [answer] = b.ask(planned(kind, 500), within=5)
    left = answer.reboot_time if kind == "time" else answer.countdown
    assert b.now + left == pytest.approx(NOW + 610, abs=1)
    b.wait(NOW + 608 - b.now)
    assert b.device.n_reboots == 0
    b.wait(4)
    assert b.device.n_reboots == 1


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_a_reboot_at_once_says_nothing(bench, kind) -> None:
    b = with_image(clock_set=False)
    assert b.ask(at_once(kind)) == []
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


@pytest.mark.parametrize("kind", ["time", "countdown"])
@pytest.mark.parametrize("was", ["time", "countdown", "nothing"])
def test_a_cancelled_reboot_does_not_come(bench, kind, was) -> None:
    b = with_image()
    if was != "nothing":
        b.now = NOW + 110
        b.ask(planned(was, 300), within=10)
    request, acknowledgement = cancel(kind)
    assert b.ask(request, within=10) == [acknowledgement]
    b.wait(1e6)
    assert (b.device.stored, b.device.n_reboots) == (IMAGE, 0)


@pytest.mark.parametrize(
    ("seconds", "settings"), [(-5000, {}), (0, {}), (-5000, {"clock_set": False}), (5000, {"clock_set": False})]
)
def test_a_reboot_that_cannot_be_planned_changes_no_plan(bench, seconds, settings) -> None:
    b = with_image(**settings)
    b.now = NOW + 110
    b.ask(firmware.DevRebootCountdownReq(countdown=200), within=10)
    assert b.ask(planned("time", seconds), within=10) == [firmware.DevRebootTimeAns(reboot_time=0)]
    b.wait(300)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


def test_a_reboot_time_is_refused_or_kept_and_nothing_between(bench) -> None:
    """By when the answer is sent it may be over."""
    answered = set()
    for seed in range(60):
        b = bench(rng=np.random.default_rng(seed))
        b.now = NOW + 110
        [answer] = b.ask(planned("time", 2), within=20)
        answered.add(answer.reboot_time)
        assert b.device.n_reboots == (answer.reboot_time > 0)
    assert answered == {0, 1}


def test_a_reboot_time_is_meant_by_its_own_clock(bench) -> None:
    b = bench(clock_error=50.0)
    b.now = NOW + 110
    [answer] = b.ask(planned("time", 500), within=5)
    assert b.now + answer.reboot_time == pytest.approx(NOW + 560, abs=1)
    b.wait(NOW + 562 - b.now)
    assert b.device.n_reboots == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["time", "countdown", "cancel time", "cancel countdown"]), st.integers(500, 5000)),
        max_size=6,
    )
)
def test_the_last_request_of_either_kind_wins(requests: list[tuple[str, int]]) -> None:
    b = with_image()
    b.now = NOW + 110
    expected: float | None = None
    for kind, seconds in requests:
        if kind.startswith("cancel"):
            b.tell(cancel(kind.removeprefix("cancel "))[0])
            expected = None
        else:
            b.tell(planned(kind, seconds))
            expected = NOW + 110 + seconds
    b.answers(10)
    due = b.device.next_due()
    assert (due is None) == (expected is None)
    assert due is None or due == pytest.approx(expected, abs=1)
    b.wait(10_000)
    assert b.device.n_reboots == (expected is not None)


@pytest.mark.parametrize("countdown", [1, 2, 3, 4])
def test_a_countdown_is_never_answered_with_the_number_of_an_error(bench, countdown) -> None:
    for seed in range(20):
        b = bench(rng=np.random.default_rng(seed))
        answers = b.ask(firmware.DevRebootCountdownReq(countdown=countdown))
        assert all(answer.countdown > 0 for answer in answers)
        assert len(answers) == 1 or countdown <= 3
        assert b.device.n_reboots == 1


def test_a_reboot_with_nothing_to_install_changes_nothing_but_their_number(bench) -> None:
    b = bench().ready()
    b.cast(b.frame(1), 0)
    b.answers(60)
    assert b.ask(at_once("time")) == []
    assert (b.device.n_reboots, b.device.fw_version, b.device.image) == (1, 0x01000000, None)
    b.now = NOW + 150
    assert b.cast(b.frame(2), 2)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 2


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_a_device_that_reboots_alone_waits_for_a_reboot_that_is_planned(bench, kind) -> None:
    b = bench(process_time=10).ready()
    b.now = NOW + 110
    b.ask(planned(kind, 500), within=5)
    b.complete().wait(450)
    assert (b.device.image, b.device.stored) == (None, IMAGE)
    b.wait(60)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


def test_a_reboot_asked_for_takes_the_place_of_its_own(bench) -> None:
    b = bench(process_time=100).ready().complete()
    b.ask(firmware.DevRebootCountdownReq(countdown=5000), within=5)
    b.wait(4900)
    assert (b.device.image, b.device.n_reboots) == (None, 0)
    b.wait(200)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_a_cancel_takes_back_its_own_reboot_too(bench, kind) -> None:
    b = bench(process_time=100).ready().complete()
    b.ask(cancel(kind)[0], within=5)
    b.wait(1e6)
    assert (b.device.image, b.device.stored) == (None, IMAGE)
    b.ask(at_once(kind))
    assert b.device.image == IMAGE


def test_after_a_reboot_that_was_asked_for_it_reboots_alone_again(bench) -> None:
    b = bench()
    b.ask(at_once("time"))
    b.ready().complete().wait(20)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 2)


def test_a_corrupt_image_is_neither_booted_nor_deleted(bench) -> None:
    b = with_image(releases={})
    for _ in range(2):
        assert b.ask(firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=1)]
        assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION)) == [
            firmware.DevDeleteImageAns(error_no_valid_image=True)
        ]
        b.ask(at_once("time"))
    assert (b.device.image, b.device.fw_version, b.device.n_reboots) == (None, 0x01000000, 2)


@pytest.mark.parametrize("reboots_alone", [True, False])
def test_a_deleted_image_is_never_installed(bench, reboots_alone) -> None:
    b = with_image(reboots_alone=reboots_alone, process_time=100)
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5) == [
        firmware.DevDeleteImageAns()
    ]
    assert b.device.next_due() is None
    assert b.ask(firmware.DevUpgradeImageReq(), within=5) == [firmware.DevUpgradeImageAns(up_image_status=0)]
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5) == [
        firmware.DevDeleteImageAns(error_no_valid_image=True)
    ]
    b.complete()  # Late fragments build nothing, and the session says that it has them all.
    [status] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True), within=20)
    assert status.missing_frag == 0
    b.ask(at_once("countdown"))
    b.wait(1000)
    assert (b.device.image, b.device.fw_version, b.device.n_reboots) == (None, 0x01000000, 1)


def test_a_planned_reboot_outlives_the_image(bench) -> None:
    b = with_image()
    b.ask(firmware.DevRebootCountdownReq(countdown=500), within=5)
    b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5)
    b.wait(600)
    assert (b.device.image, b.device.n_reboots) == (None, 1)


def test_an_image_of_another_version_is_not_deleted(bench) -> None:
    b = with_image()
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION + 1)) == [
        firmware.DevDeleteImageAns(error_invalid_version=True)
    ]
    assert b.device.stored == IMAGE
    b.ask(at_once("time"))
    assert b.device.image == IMAGE


def test_a_half_built_image_goes_with_the_one_that_is_deleted(bench) -> None:
    b = with_image()
    b.ask(b.setup_request(), within=10)
    for n in range(1, 4):
        b.device.receive(201, b.frame(n), b.now)
    b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=10)
    b.complete().wait(1000)
    assert (b.device.stored, b.device.image) == (None, None)


def test_where_no_image_is_stored_a_delete_changes_nothing(bench) -> None:
    """The half-built one has no version yet (TS006: any error bit, and nothing changed)."""
    b = bench().ready()
    b.cast(b.frame(1), 0)
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5) == [
        firmware.DevDeleteImageAns(error_no_valid_image=True)
    ]
    b.complete()
    assert b.device.stored == IMAGE


reboot_commands = st.one_of(
    st.sampled_from([at_once("time"), at_once("countdown"), cancel("time")[0], cancel("countdown")[0]]),
    st.builds(firmware.DevRebootCountdownReq, countdown=st.integers(1, 300)),
    st.builds(firmware.DevRebootTimeReq, reboot_time=st.integers(GPS_NOW, GPS_NOW + 2000)),
    st.builds(firmware.DevDeleteImageReq, firmware_to_delete_version=st.sampled_from([NEW_VERSION, NEW_VERSION + 1])),
    st.builds(firmware.DevUpgradeImageReq),
)


@given(st.lists(st.tuples(reboot_commands, st.integers(0, 200)), max_size=8), st.booleans())
def test_there_is_one_image_and_it_is_stored_or_runs_or_was_deleted(
    commands: list[tuple[Command, int]], reboots_alone: bool
) -> None:
    b = with_image(reboots_alone=reboots_alone)
    deleted = False
    for command, pause in commands:
        was_stored = b.device.stored
        b.tell(command)
        if isinstance(command, firmware.DevDeleteImageReq):
            deleted |= was_stored is not None and command.firmware_to_delete_version == NEW_VERSION
        b.wait(pause)
        image, stored = b.device.image, b.device.stored
        assert [image, stored].count(IMAGE) == (not deleted)
        assert b.device.fw_version == (NEW_VERSION if image else 0x01000000)
        assert image is None or b.device.n_reboots > 0


@pytest.mark.parametrize("reboots_alone", [True, False])
def test_a_device_may_announce_what_it_booted(bench, reboots_alone) -> None:
    b = with_image(announces_version=True, reboots_alone=reboots_alone)
    said = b.answers() if reboots_alone else b.ask(at_once("time"))
    assert said == [firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)]


def test_a_reboot_into_the_same_firmware_is_not_announced(bench) -> None:
    b = bench(announces_version=True)
    assert b.ask(at_once("time")) == []


def test_nothing_is_announced_unless_it_was_asked_for(bench) -> None:
    b = with_image(reboots_alone=True)
    assert b.answers() == []
    assert b.device.fw_version == NEW_VERSION


# ---- many devices ----------------------------------------------------------------------------------------


def test_devices_that_rebuilt_the_same_block_share_it(bench) -> None:
    a, b = bench().ready(), bench(rng=np.random.default_rng(2)).ready()
    for n in range(1, 6):
        a.cast(a.frame(n), n)
    for n in range(2, 26):
        b.cast(b.frame(n), n)
    a.answers(60)
    b.answers(60)
    assert a.device.image == IMAGE
    assert a.device.image is b.device.image


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("n_before", range(9))
def test_a_pickled_device_goes_on_where_it_was(bench, version, n_before) -> None:
    settings = {"ack_reception": True} if version == "2.0.0" else {}
    b = bench(version=version, announces_version=True).ready(**settings)
    frames = [3, 6, 9, 9, 7, 1, 5, 8, 11, 12, 2]
    for n in frames[:n_before]:
        b.device.receive(201, b.frame(n), b.now)
    twin = bench(version=version)
    twin.now, twin.device = b.now, pickle.loads(pickle.dumps(b.device))
    said = []
    for each in (b, twin):
        each.tell(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
        for n in frames[n_before:]:
            each.device.receive(201, each.frame(n), each.now)
        said.append(each.answers())
    assert said[0] == said[1]
    assert len(said[0]) >= 2
    assert b.device.image == twin.device.image == IMAGE
    assert twin.device.root_key == ROOT


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
def test_wild_commands_break_nothing(commands: list[Command]) -> None:
    b = Bench(version="2.0.0")
    b.tell(b.group_request())
    for command in commands:
        b.tell(command)
        b.now += 1
    b.answers()
    assert pickle.loads(pickle.dumps(b.device)).next_due() == b.device.next_due()


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
