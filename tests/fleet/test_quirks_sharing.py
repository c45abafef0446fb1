"""Sessions that share a decoder, and frames that fit no session: what LoRa Basics Modem and LoRaMac-node did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import profile
from fuota_fec.fleet.batched_delivery import GroupDelivery
from fuota_fec.fleet.batched_reception import BatchedBlocks
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.device_state import JoinedGroup
from fuota_fec.wire import keys
from fuota_fec.wire.clock import gps_from_unix

NOW = 1_800_000_000.0
M, SIZE = 20, 48
IMAGE = bytes(range(240)) * 4
BOTH = pytest.mark.parametrize("batch", [False, True], ids=["alone", "batched"])


class AtOnce:
    """Answers without delay."""

    def uniform(self, *_: float) -> float:
        return 0.0

    random = uniform


class Device:
    """A device, the blocks of its sessions, and what it says at once."""

    def __init__(self, stack: str = "lbm", version: str = "2.0.0", *, batch: bool = False) -> None:
        self.version = version
        self.blocks: dict[int, ff.FragmentedBlock] = {}
        self.state = VirtualDevice(
            dev_eui="00" * 8,
            root_key=keys.Key(bytes(16)),
            releases={},
            rng=AtOnce(),
            profile=profile(stack).replace(max_frags=100, max_frag_size=242),
            version=version,
            process_time=1e9,
            batch=BatchedBlocks() if batch else None,
        )

    def ask(self, payload: bytes | str, group: int | None = None) -> str:
        request = bytes.fromhex(payload) if isinstance(payload, str) else payload
        self.state.receive(201, request, NOW, group=group)
        return "".join(said.hex() for _, said in self.state.advance(NOW))

    def open(self, frag_index: int, n_frags: int = M, size: int = SIZE, **changes: Any) -> str:
        block = ff.prepare(IMAGE[: n_frags * size], size, n_coded=40, version=self.version, frag_index=frag_index)
        self.blocks[frag_index] = block
        fields = {"session_cnt": 1, "mic": bytes(4)} if self.version == "2.0.0" else {}
        return self.ask(
            block.setup_request(**{"mc_group_bit_mask": 1, "block_ack_delay": 0, **fields, **changes}).encode()
        )

    def frame(self, frag_index: int, n: int) -> bytes:
        return bytes(self.blocks[frag_index].frame(n))

    def hear(self, frag_index: int, numbers: Iterable[int]) -> str:
        return "".join(self.ask(self.frame(frag_index, n)) for n in numbers)

    def taken(self) -> bytes | None:
        """The image that was stored since the last call."""
        stored, self.state.stored = self.state.stored, None
        return stored


@BOTH
def test_each_session_passes_on_and_reports_the_block_of_the_decoder(batch) -> None:
    device = Device(batch=batch)
    assert (device.open(0, ack_reception=True), device.open(1, ack_reception=True)) == ("0200", "0240")
    assert device.hear(0, [*range(4, M + 1), *range(M + 1, M + 21)]) == "0404"
    assert device.taken() == IMAGE
    assert device.hear(1, [41, 5, 46]) == "", "coded ones without a part in the losses, and a late one"
    assert device.taken() is None
    assert device.hear(1, [60]) == "0405"
    again = device.taken()
    assert again is not None
    assert again != IMAGE
    assert again[SIZE:] == IMAGE[SIZE:]
    assert device.ask("0103") == "0102394000"
    device.hear(1, [43])
    assert device.ask("0103") == "0102394000", "it is done as well"


def test_an_image_is_as_long_as_its_session_announced() -> None:
    device = Device()
    device.open(0, 12)
    device.open(1, 3)
    device.open(2, 2)
    device.hear(1, [1, 2])
    assert device.taken() == IMAGE[: 3 * SIZE][: 2 * SIZE] + b"\xff" * SIZE
    device.hear(0, [2])
    image = device.taken()
    assert image is not None
    assert image == IMAGE[: 2 * SIZE] + b"\xff" * 10 * SIZE


@BOTH
def test_the_last_fragment_is_written_again_by_another_session(batch) -> None:
    device = Device(batch=batch)
    device.open(0, 3)
    device.open(1, 3)
    other = device.frame(0, 2)[:3] + bytes(SIZE)
    for frame in (device.frame(1, 1), device.frame(1, 2), other, device.frame(1, 3)):
        device.ask(frame)
    assert device.taken() == IMAGE[:SIZE] + bytes(SIZE) + IMAGE[2 * SIZE : 3 * SIZE]


@BOTH
def test_a_third_fragment_with_the_last_number_is_late(batch) -> None:
    device = Device(batch=batch)
    device.open(0, 3)
    device.open(1, 3)
    other = device.frame(0, 3)[:3] + bytes(SIZE)
    for frame in (device.frame(1, 3), device.frame(1, 3), other):
        device.ask(frame)
    coded = ff.ParityMatrix(3, "2.0.0")
    device.hear(1, [3 + n for n in range(1, 41) if coded.row(n)[:2].any()])
    assert device.taken() == IMAGE[: 3 * SIZE]


def test_more_losses_than_the_memory_end_each_session_by_itself() -> None:
    device = Device("loramac-node", "1.0.0")
    device.open(0)
    device.open(1)
    device.hear(0, [10, 21])
    assert device.taken() is not None
    device.hear(0, [22])
    assert device.ask("0101") == "0115000901"
    device.hear(1, [11])
    assert device.taken() is None
    assert device.ask("0103") == "010b400901"
    device.hear(1, [25])
    assert device.taken() is not None
    device.hear(1, [26])
    assert device.ask("0103") == "0119400901"


# ---- setups without fragments, padding ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "version", "setup"),
    [
        ("lbm", "1.0.0", "0200000030000004030201"),
        ("lbm", "2.0.0", "0200000030000004030201" + "0100" + "01020304"),
        ("loramac-node", "1.0.0", "0200000030000004030201"),
    ],
)
def test_commands_after_a_setup_without_fragments_are_carried_out(stack, version, setup) -> None:
    status = {"1.0.0": "0100000000", "2.0.0": "0102000000"}[version]
    assert Device(stack, version).ask(f"{setup}0101") == f"0200{status}"
    assert Device(stack, version).ask(f"{setup}0300{setup}") == "020003000200"


def test_a_setup_without_fragments_by_multicast_is_skipped_whole_or_but_its_cid() -> None:
    setup = "0200000030000004030201"
    assert Device("lbm", "1.0.0").ask(f"{setup}0101", group=0) == "0100000000"
    assert Device("loramac-node", "1.0.0").ask(f"{setup}01", group=0) == "0100000000", "its last byte is a CID"


def test_a_block_of_padding_alone_is_complete_and_has_no_bytes() -> None:
    for padding in (SIZE, SIZE + 1):
        device = Device()
        device.open(0, 1)
        request = device.blocks[0].setup_request(mc_group_bit_mask=1, block_ack_delay=0, session_cnt=1, mic=bytes(4))
        assert device.ask(replace(request, padding=padding).encode()) == "0200"
        device.hear(0, [1])
        assert device.taken() == b""


def test_a_status_after_a_setup_without_fragments_checks_what_is_left_of_the_block() -> None:
    setup = "0220000030000004030201" + "0100" + "01020304"
    key = keys.data_block_int_key(keys.Key(bytes(16)))
    mic = keys.data_block_mic(key, session_cnt=1, frag_index=0, descriptor=bytes(4), data=IMAGE)
    for heard, answer in ((False, "0100000000"), (True, "0102000000")):
        device = Device()
        device.open(0, mic=mic)
        device.hear(0, range(1, M + 1))
        device.open(1)
        if heard:
            device.hear(1, [3])
        assert device.ask(setup) == "0280"
        assert device.ask("0101") == answer


# ---- frames that fit no session --------------------------------------------------------------------------------


def test_a_fragment_uses_up_the_counter_of_a_session_that_was_deleted_before_it() -> None:
    for heard, answer in ((False, "0200"), (True, "0210")):
        device = Device()
        device.open(0)
        assert device.ask("0300") == "0300"
        if heard:
            device.hear(0, [1])
        assert device.open(0) == answer


@pytest.mark.parametrize("stack", ["lbm", "loramac-node"])
def test_a_fragment_of_another_length_is_cut_or_filled(stack) -> None:
    device = Device(stack, "1.0.0")
    device.open(0, 2, 50)
    device.open(1, 3, 20)
    device.hear(0, [1])
    device.ask(device.frame(1, 2)[:-5])
    device.hear(1, [3])
    assert device.taken() == IMAGE[:20] + IMAGE[20:35] + bytes(5) + IMAGE[40:60]


def test_a_fragment_of_another_length_is_dropped_by_other_devices() -> None:
    device = Device("generic", "1.0.0")
    device.open(0, 2, 48)
    assert device.ask(device.frame(0, 1) + bytes(1)) == ""
    assert device.ask("0101") == "0100000200"


def test_a_decoder_without_losses_passes_its_block_on_at_a_coded_fragment_of_another_session() -> None:
    device = Device("st", "1.0.0")
    device.open(1, 3, 48)
    device.open(0, 2, 48)
    device.hear(0, [1, 2])
    assert device.taken() == IMAGE[:96]
    device.hear(1, [3])
    assert device.taken() == IMAGE[:96] + bytes([255]) * 48
    device.hear(1, [2])
    assert device.ask("0103") == "0103400000", "the session is over"


def test_a_session_without_fragments_ends_with_the_first_one_in_decoders_that_end_at_a_coded_one() -> None:
    for stack, last in (("st", "01"), ("lbm", "02")):
        device = Device(stack, "1.0.0")
        assert device.ask("0201000030000000000000") == "0200"
        for n in (1, 2):
            device.ask(bytes((8, n, 0)) + bytes(48))
        assert device.ask("0101")[2:4] == last


def heard_frame(n: int, size: int = 40) -> bytes:
    return bytes((8, n, 0)) + bytes(size)


def test_a_fragment_without_a_setup_may_be_read_as_commands() -> None:
    frame = "08010000010100ff"
    assert Device("loramac-node", "1.0.0").ask(frame) == "000301" + "0100000000" + "000301"
    assert Device("loramac-node", "1.0.0").ask(frame, group=2) == "0100000000"
    assert Device("lbm", "1.0.0").ask(frame) == Device("st", "1.0.0").ask(frame) == ""
    for group, answered in ((0, "0101000000"), (1, "")):
        heard = Device("st", "1.0.0")
        heard.ask("02010200280000000000000"[:22])
        assert heard.ask(heard_frame(1) + bytes.fromhex("0101"), group=group) == answered
    device = Device("loramac-node", "1.0.0")
    device.open(0)
    assert device.ask(device.frame(0, 1)) == ""
    assert device.ask(device.frame(0, 2) + b"\x01\x01") == "0102000000", "beyond the length of its session"


def test_batched_devices_do_the_same_with_frames_that_fit_no_session() -> None:
    devices = [Device("loramac-node", "1.0.0", batch=True).state, Device("lbm", "1.0.0", batch=True).state]
    for state in devices:
        group = JoinedGroup(mc_addr=1, app_s_key=keys.Key(bytes(16)), min_f_cnt=0, max_f_cnt=100)
        group.opens, group.closes = 0.0, gps_from_unix(NOW) + 1
        state.groups[0] = group
    delivery = GroupDelivery(devices, 1, keys.Key(bytes(16)))

    def cast(f_cnt: int, frame: bytes) -> list[str]:
        delivery.receive(201, frame, f_cnt, np.array([True, True]), NOW)
        return ["".join(said.hex() for _, said in state.advance(NOW)) for state in devices]

    assert cast(1, bytes.fromhex("08010000010100ff")) == ["0100000000", ""]
    setup = ff.prepare(IMAGE[:40], 20, version="1.0.0").setup_request(mc_group_bit_mask=1, block_ack_delay=0)
    for state in devices:
        state.receive(201, setup.encode(), NOW)
        state.advance(NOW)
    assert cast(2, bytes.fromhex("080100") + IMAGE[:30]) == ["", ""]
    assert cast(3, bytes.fromhex("080200") + IMAGE[20:40]) == ["", ""]
    assert [state.stored for state in devices] == [IMAGE[:40]] * 2
