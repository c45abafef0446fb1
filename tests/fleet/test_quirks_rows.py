"""Quirks that recorded receptions show among others, each by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import DeviceProfile, profile
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.device_state import JoinedGroup
from fuota_fec.fleet.quirks import AS_SPECIFIED
from fuota_fec.wire import keys
from fuota_fec.wire.clock import GPS_EPOCH, gps_from_unix

NOW = 1_800_000_000.0
GPS_NOW = int(gps_from_unix(NOW))
M, SIZE = 20, 48
IMAGE = bytes(range(240)) * 4
"""20 fragments of 48 bytes."""
STATUS, STATUS_OF_MISSING = b"\x01\x01", b"\x01\x00"


class AtOnce:
    """Answers without delay."""

    def uniform(self, *_: float) -> float:
        return 0.0

    random = uniform


class Device:
    """A device of a stack, and what it says at once."""

    def __init__(self, stack: DeviceProfile | str, version: str = "1.0.0", **settings: Any) -> None:
        self.stack = profile(stack) if isinstance(stack, str) else stack
        self.block = ff.prepare(IMAGE, SIZE, n_coded=40, version=version)
        self.state = VirtualDevice(
            dev_eui="00" * 8,
            root_key=keys.Key(bytes(16)),
            releases={},
            rng=AtOnce(),
            profile=self.stack,
            version=version,
            process_time=1e9,
            **settings,
        )

    def ask(self, payload: bytes | str, port: int = 201, group: int | None = None) -> str:
        request = bytes.fromhex(payload) if isinstance(payload, str) else payload
        self.state.receive(port, request, NOW, group=group)
        return "".join(said.hex() for _, said in self.state.advance(NOW))

    def open(self, **changes: Any) -> str:
        second = self.state.version == "2.0.0"
        fields = {"session_cnt": 1, "mic": bytes(4)} if second else {}
        fields = {"mc_group_bit_mask": 1, "block_ack_delay": 0, **fields, **changes}
        return self.ask(self.block.setup_request(**fields).encode())

    def hear(self, numbers: Iterable[int], group: int | None = None) -> Device:
        for n in numbers:
            self.ask(bytes(self.block.frame(n)), group=group)
        return self

    @property
    def done(self) -> bool:
        return self.state.stored is not None


def opened(stack: DeviceProfile | str, version: str = "1.0.0", **settings: Any) -> Device:
    device = Device(stack, version, **settings)
    assert device.open()[-2:] == "00"
    return device


WITH_ROOM = {"max_frags": 100, "max_frag_size": 48}
LORAMAC = profile("loramac-node").replace(**WITH_ROOM)


# ---- stacks descended from LoRaMac-node ----------------------------------------------------------------------------


@pytest.mark.parametrize(("stack", "counts"), [(LORAMAC, "01140000"), ("st", "01140000"), (AS_SPECIFIED, "01000014")])
def test_the_count_of_received_fragments_may_outlive_the_setup(stack, counts) -> None:
    device = opened(stack).hear(range(1, M + 1))
    device.open()
    assert device.ask(STATUS)[:8] == counts


@pytest.mark.parametrize(
    ("stack", "ends", "bits"),
    [
        (LORAMAC.replace(max_losses=2), True, (0, 1)),
        (profile("st").replace(max_losses=2), True, (0, 1)),
        (profile("lbm").replace(max_losses=2), False, (0, 1)),
        (AS_SPECIFIED.replace(max_losses=2), False, (1, 1)),
    ],
    ids=["loramac-node", "st", "lbm", "as specified"],
)
def test_more_losses_than_the_memory_may_end_a_session_with_wrong_bytes(stack, ends, bits) -> None:
    device = opened(stack).hear(range(4, M + 1))
    before = int(device.ask(STATUS)[-2:])
    device.hear([M + 1])
    assert device.done is ends
    assert device.state.stored != IMAGE
    assert (before, int(device.ask(STATUS)[-2:])) == bits


@pytest.mark.parametrize(("stack", "goes_on"), [(LORAMAC, True), ("lbm", True), ("actility-l476", True), ("st", False)])
def test_a_deleted_session_may_go_on(stack, goes_on) -> None:
    device = opened(stack).hear(range(1, 5))
    assert device.ask("0300") == "0300"
    device.hear(range(5, M + 1))
    assert device.done is goes_on


@pytest.mark.parametrize(
    ("stack", "version", "answer"),
    [
        (LORAMAC, "1.0.0", "0100800000"),
        ("st", "1.0.0", "0100800000"),
        ("lbm", "1.0.0", "0100800000"),
        ("lbm", "2.0.0", "0106008000"),
        (AS_SPECIFIED, "1.0.0", ""),
        (AS_SPECIFIED, "2.0.0", "0104"),
    ],
)
def test_status_may_be_answered_without_a_session(stack, version, answer) -> None:
    assert Device(stack, version).ask(b"\x01\x05") == answer


@pytest.mark.parametrize(("stack", "accepted"), [(LORAMAC, True), ("actility-l476", True), ("st", False)])
def test_the_mask_of_groups_may_not_be_checked(stack, accepted) -> None:
    device = opened(stack).hear(range(1, M + 1), group=2)
    assert device.done is accepted


@pytest.mark.parametrize(("stack", "counts"), [("loramac-node", True), ("st", True), ("lbm", False)])
def test_a_session_may_be_planned_by_a_clock_that_was_never_set(stack, counts) -> None:
    device = Device(stack, clock_set=False)
    device.state.groups[0] = JoinedGroup(mc_addr=1, app_s_key=keys.Key(bytes(16)), min_f_cnt=0, max_f_cnt=100)
    request = b"\x04\x00" + GPS_NOW.to_bytes(4, "little") + bytes.fromhex("08d2ad8405")
    shown = (GPS_NOW + GPS_EPOCH) & 0xFFFFFF if counts else 0xFFFFFF
    assert device.ask(request, port=200) == "0400" + shown.to_bytes(3, "little").hex()
    assert (device.state.groups[0].opens < float("inf")) is counts


# ---- LBM -----------------------------------------------------------------------------------------------------------


def test_lbm_may_look_complete_before_its_first_fragment() -> None:
    assert opened("lbm", "2.0.0").ask(STATUS_OF_MISSING) == "0100000000"
    assert opened("lbm", "1.0.0").ask(STATUS_OF_MISSING) == "0100001400"


def test_lbm_answers_with_stale_counts_without_a_session() -> None:
    device = opened("lbm", "2.0.0").hear(range(1, 5))
    device.ask("0300")
    assert device.ask(STATUS) == "0104040010"
    assert device.ask(STATUS_OF_MISSING) == "0104040010"


def test_lbm_passes_a_block_with_a_wrong_mic_on() -> None:
    assert opened("lbm", "2.0.0").hear(range(1, M + 1)).done
    assert not opened(AS_SPECIFIED, "2.0.0").hear(range(1, M + 1)).done


def test_lbm_drops_a_message_with_an_unknown_command_and_answers_15_bytes() -> None:
    assert opened("lbm").ask("000900") == ""
    assert opened(AS_SPECIFIED).ask("000900") == "000301"
    assert len(opened("lbm").ask("0101" * 5)) == 2 * 15


# ---- setups --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "setup", "answer"),
    [
        ("actility-l476", "02000a00e6000004030201", "0200"),  # 230 bytes
        ("actility-l476", "02000a00ff000004030201", "0200"),  # 255 bytes, although its buffers have 230
        ("actility-l476", "0200e803e8000004030201", "0202"),  # 1000 × 232 bytes
        ("st", "02000a0033000004030201", "0200"),  # 51 bytes are no multiple of 8
        ("zephyr", "02000a000a000004030201", "0200"),  # 10 bytes
        (AS_SPECIFIED.replace(frag_size_multiple=8), "02000a0033000004030201", "0202"),
    ],
)
def test_a_setup_may_accept_sizes_that_fail_later(stack, setup, answer) -> None:
    assert Device(stack).ask(setup) == answer


STACKS = ["lbm", "loramac-node", "st", "actility-l476", "zephyr", "zephyr-lowmem"]


@pytest.mark.parametrize("stack", STACKS)
def test_padding_as_long_as_a_fragment_may_be_accepted(stack) -> None:
    assert Device(stack).ask("02000a0030003004030201") == "0200"
    assert Device(AS_SPECIFIED).ask("02000a0030003004030201") == "0201"


@pytest.mark.parametrize("stack", STACKS)
def test_a_block_without_fragments_may_be_accepted(stack) -> None:
    device = Device(stack)
    device.state.profile = device.stack.replace(**WITH_ROOM)
    device.open()
    assert device.ask("0200000030000004030201") == "0200"
    assert device.state.n_garbage == 0
    device.hear(range(1, M + 1))
    assert not device.done, "the session before is gone"


def test_a_block_without_fragments_is_dropped_as_specified_and_by_multicast() -> None:
    for stack, group in ((AS_SPECIFIED, None), ("lbm", 0)):
        device = opened(stack)
        assert device.ask("0200000030000004030201", group=group) == ""
        assert device.state.n_garbage == 1
        assert device.hear(range(1, M + 1)).done
    assert Device("lbm").ask("02000000300000") == "", "cut short"
    assert Device("lbm").ask("0200000000000004030201") == "", "fragments of no bytes"


def test_a_block_without_fragments_is_answered_beside_the_commands_before_it() -> None:
    assert Device("st", "1.0.0").ask("000200000030000004030201") == "0003010200"
    assert Device("lbm", "2.0.0").ask("020000003000000403020101008a1290bb") == "0200"


def test_a_status_request_may_silence_the_answers_to_its_message() -> None:
    assert Device("actility-l476").ask("00") == "000301"
    assert Device("actility-l476").ask("000101") == ""
    assert Device("st").ask("000101")[:6] == "000301"
