"""Quirks that recorded receptions show among others, each by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import DeviceProfile, profile
from fuota_fec.fleet.batched_reception import BatchedBlocks
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


# ---- one decoder behind several sessions ----------------------------------------------------------------------------


def two_sessions(size: int, mic: bytes) -> Device:
    """An LBM device of dialect 2.0.0 with FragIndex 0 and 1, of which 1 was set up last with a block of that size."""
    device = Device(profile("lbm"), "2.0.0")
    assert device.open(mic=bytes(4)) == "0200"
    other = ff.prepare(IMAGE[: size * SIZE], SIZE, version="2.0.0", frag_index=1)
    setup = other.setup_request(mc_group_bit_mask=1, block_ack_delay=0, session_cnt=1, mic=mic)
    assert device.ask(setup.encode()) == "0240"
    return device


def mic_of(n_frags: int, frag_index: int) -> bytes:
    return keys.data_block_mic(
        keys.data_block_int_key(keys.Key(bytes(16))),
        session_cnt=1,
        frag_index=frag_index,
        descriptor=bytes(4),
        data=IMAGE[: n_frags * SIZE],
    )


@pytest.mark.parametrize(
    ("size", "mic", "bit"),
    [(M, mic_of(M, 1), 0), (M, bytes(4), 2), (M, mic_of(M, 0), 2)],
    ids=["right", "zeros", "of the other session"],
)
def test_a_status_checks_the_mic_of_its_own_session_over_the_block_of_the_decoder(size, mic, bit) -> None:
    """FragIndex 1 has received no fragment; those of FragIndex 0 completed the block of its decoder."""
    device = two_sessions(size, mic)
    assert device.ask("0103") == "0100000000"
    device.hear([*range(2, size + 1), *range(M + 1, M + 21)])
    assert device.done
    assert device.ask("0103") == f"01{bit:02x}000000"
    assert device.ask("0101")[:4] == "0102"
    assert device.ask("0105")[:4] == "0106", "never set up"


def test_a_session_that_announced_more_bytes_than_the_decoder_has_shows_a_wrong_mic() -> None:
    device = two_sessions(5, mic_of(5, 1))
    short = ff.prepare(IMAGE[: 5 * SIZE], SIZE, n_coded=20, version="2.0.0")
    for n in range(2, 26):
        device.ask(bytes(short.frame(n)))
    assert device.done
    assert (device.ask("0101")[:4], device.ask("0103")) == ("0102", "0100000000")


WITH_FIRST = M + 1 + next(k for k in range(20, 40) if ff.ParityMatrix(M, "1.0.0").row(k + 1)[0])
"""A coded fragment with a part in fragment 1."""


@pytest.mark.parametrize("batch", [None, BatchedBlocks()], ids=["alone", "batched"])
def test_a_session_goes_on_after_another_one_completed_the_block_of_its_decoder(batch) -> None:
    device = Device("lbm", batch=batch)
    other = ff.prepare(IMAGE, SIZE, n_coded=40, frag_index=1)
    setup = other.setup_request(mc_group_bit_mask=1, block_ack_delay=0)
    assert (device.open(), device.ask(setup.encode())) == ("0200", "0240")
    device.hear([*range(2, M + 1), *range(M + 1, M + 21)])
    assert device.done
    at_end = device.ask("0103")
    device.hear([M + 30])
    assert device.ask("0103") == at_end, "FragIndex 0 is done"
    device.ask(bytes(other.frame(3)))
    assert device.ask("0103") == "0102400000", "number 3, less one lost"
    device.ask(bytes(other.frame(WITH_FIRST)))
    device.ask(bytes(other.frame(4)))
    assert device.ask("0103") == f"01{WITH_FIRST - 1:02x}400000", "it is done with a coded one that has the lost one"
    assert device.ask(setup.encode()) == "0240"
    device.hear([1, 2])
    assert device.ask("0101") == f"010000{M:02x}00", "FragIndex 0 is done, although its decoder begins anew"


def test_a_session_goes_on_until_its_last_uncoded_fragment_if_nothing_was_lost() -> None:
    device = Device("lbm")
    other = ff.prepare(IMAGE, SIZE, frag_index=1)
    device.open()
    device.ask(other.setup_request(mc_group_bit_mask=1, block_ack_delay=0).encode())
    device.hear(range(1, M + 1))
    for n in (3, M, 4):
        device.ask(bytes(other.frame(n)))
    assert device.ask("0103") == f"01{M:02x}400100"


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


@pytest.mark.parametrize(
    ("stack", "version", "size", "right"),
    [
        ("actility-l476", "1.0.0", 230, True),
        ("actility-l476", "1.0.0", 231, False),
        ("st", "1.0.0", 48, True),
        ("st", "1.0.0", 51, False),
        ("st-v2", "2.0.0", 51, False),
        ("zephyr", "1.0.0", 40, True),
        ("zephyr", "1.0.0", 42, False),
    ],
)
def test_a_block_of_fragments_that_cannot_be_written_is_complete_with_wrong_bytes(stack, version, size, right) -> None:
    device = Device(stack, version)
    device.block = ff.prepare(IMAGE, size, n_coded=2, version=version)
    n_frags = device.block.n_frags
    assert device.open(block_ack_delay=0) == "0200"
    device.hear(range(1, n_frags + 1))
    counts = device.ask(STATUS)
    assert (device.done, device.state.stored == IMAGE) == (True, right)
    assert counts[:8] in (f"01{n_frags:02x}0000", "")


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


NO_FRAGS = "0200000030000004030201"


@pytest.mark.parametrize(
    ("stack", "version", "before", "after"),
    [
        ("lbm", "1.0.0", "0100000000", "0105000000"),
        ("lbm", "2.0.0", "0102000000", "0102050000"),  # no bytes have another MIC
        (LORAMAC, "1.0.0", "0114000000", "0105000000"),  # the count is that of the session before
        ("st", "1.0.0", "0114000000", "0105000000"),
        ("st-v2", "2.0.0", "0114000000", "0105000000"),
    ],
)
def test_a_session_without_fragments_counts_what_it_hears_until_it_is_deleted(stack, version, before, after) -> None:
    device = opened(stack, version).hear(range(1, M + 1))
    setup = NO_FRAGS if version == "1.0.0" else f"{NO_FRAGS}020001020304"
    assert device.ask(setup) == "0200"
    assert device.ask(STATUS) == before
    device.hear([5])
    assert device.ask(STATUS) == after
    assert device.ask(STATUS_OF_MISSING) == ""
    assert device.ask("0300") == "0300"
    assert device.ask("0300") == "0304"


def test_a_block_without_fragments_is_dropped_as_specified_and_by_multicast() -> None:
    for stack, group in ((AS_SPECIFIED, None), ("lbm", 0)):
        device = opened(stack)
        assert device.ask("0200000030000004030201", group=group) == ""
        assert device.state.n_garbage == (group is None)
        assert device.hear(range(1, M + 1)).done
    assert Device("lbm").ask("02000000300000") == "", "cut short"
    assert Device("lbm").ask("0200000000000004030201") == "", "fragments of no bytes"


def test_a_block_without_fragments_is_answered_beside_the_commands_before_it() -> None:
    assert Device("st", "1.0.0").ask("000200000030000004030201") == "0003010200"
    assert Device("lbm", "2.0.0").ask("020000003000000403020101008a1290bb") == "0200"


VERSION_ANS = {"1.0.0": "000301", "2.0.0": "000302"}


@pytest.mark.parametrize(
    ("stack", "version"), [("loramac-node", "1.0.0"), ("st", "1.0.0"), ("st-v2", "2.0.0"), ("actility-l476", "1.0.0")]
)
def test_the_bytes_after_an_unknown_command_may_be_read_as_commands(stack, version) -> None:
    device, version_ans = Device(stack, version), VERSION_ANS[version]
    assert device.ask("000900") == 2 * version_ans
    assert device.ask("09ff0900ff") == version_ans
    assert device.ask("0003") == version_ans, "cut short"
    assert device.ask("03000301") == "03040305"
    assert device.ask("0009", group=0) == ""


@pytest.mark.parametrize(("stack", "by_multicast"), [("st", "01008000000100000000"), ("lbm", "")])
def test_of_a_request_that_may_not_come_by_multicast_the_cid_alone_may_be_skipped(stack, by_multicast) -> None:
    """03 01, 05, 01 01; or 03, 01 05, 01 01."""
    assert Device("st").ask("0301050101") == "03050100000000"
    assert Device(stack).ask("0301050101", group=0) == by_multicast


def test_a_status_request_may_silence_the_answers_to_its_message() -> None:
    assert Device("actility-l476").ask("00") == "000301"
    assert Device("actility-l476").ask("000101") == ""
    assert Device("st").ask("000101")[:6] == "000301"
