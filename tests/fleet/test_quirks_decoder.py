"""Quirks of decoders that outlive a session: one that never returns, and counts that are never reset."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import DeviceProfile, profile
from fuota_fec.fleet.batched_delivery import GroupDelivery
from fuota_fec.fleet.batched_reception import BatchedBlocks
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.device_state import JoinedGroup, MadeUpKey
from fuota_fec.wire import fragmentation, keys
from fuota_fec.wire.clock import gps_from_unix

NOW = 1_800_000_000.0
PORT = 201
MC_ADDR = 0x01F3A4B5
APP_S_KEY = MadeUpKey(bytes(16))
SIZE = 40


class AtOnce:
    """Answers without delay."""

    def uniform(self, *_: float) -> float:
        return 0.0

    random = uniform


class Receiver:
    """A device in the session of a group, alone or in a batch."""

    def __init__(self, stack: DeviceProfile, *, batched: bool) -> None:
        batch = BatchedBlocks() if batched else None
        self.device = VirtualDevice(
            dev_eui="00" * 8,
            root_key=keys.Key(bytes(16)),
            releases={},
            rng=AtOnce(),
            profile=stack,
            process_time=1e9,
            batch=batch,
        )
        group = JoinedGroup(mc_addr=MC_ADDR, app_s_key=APP_S_KEY, min_f_cnt=0, max_f_cnt=2**31)
        group.opens, group.closes = 0.0, gps_from_unix(NOW) + 1e6
        self.device.groups = {0: group}
        self.delivery = GroupDelivery([self.device], MC_ADDR, APP_S_KEY)
        self.f_cnt = 0

    def open(self, block: ff.FragmentedBlock) -> None:
        setup = block.setup_request(mc_group_bit_mask=1, block_ack_delay=0)
        self.device.receive(PORT, setup.encode(), NOW)
        self.device.advance(NOW)
        self.device.stored = None

    def hear(self, block: ff.FragmentedBlock, numbers: Iterable[int]) -> int | None:
        """Number of the fragment after which the block counts as complete; None: none of them."""
        for n in numbers:
            self.f_cnt += 1
            self.delivery.receive(PORT, bytes(block.frame(n)), self.f_cnt, np.array([True]), NOW)
            if self.device.stored is not None:
                return n
        return None

    def status(self) -> bytes:
        request = fragmentation.FragSessionStatusReq(frag_index=0, participants=True)
        self.device.receive(PORT, request.encode(), NOW)
        return b"".join(payload for _, payload in self.device.advance(NOW))


@pytest.fixture(params=[False, True], ids=["alone", "batched"])
def receiver(request: pytest.FixtureRequest) -> Any:
    return lambda stack: Receiver(stack, batched=request.param)


def block_of(seeded_bytes: Any, n_frags: int, seed: str = "first") -> ff.FragmentedBlock:
    return ff.prepare(seeded_bytes(seed, n_frags * SIZE), SIZE, n_coded=60)


# ---- a decoder that never returns ------------------------------------------------------------------


def test_a_device_that_hangs_never_answers_or_receives_again(receiver: Any, seeded_bytes: Any) -> None:
    block = block_of(seeded_bytes, 2040)
    r = receiver(profile("st-2021"))
    r.open(block)
    request = fragmentation.FragSessionStatusReq(frag_index=0, participants=True).encode()
    r.hear(block, range(2, 2041))
    assert r.status(), "all fragments but one"
    r.device.receive(PORT, request, NOW)
    assert r.device.next_due() == NOW
    assert not r.device.hung
    r.hear(block, [2041])
    assert r.device.hung
    assert r.device.next_due() is None, "the answer that was planned is not sent"
    assert r.device.advance(NOW + 1e6) == []
    assert r.status() == b""
    assert not r.device.receive_multicast(MC_ADDR, APP_S_KEY, 2**30, PORT, bytes(block.frame(1)), NOW)
    assert r.hear(block, [1, 2042]) is None
    assert pickle.loads(pickle.dumps(r.device)).hung


@pytest.mark.parametrize(("stack", "n_frags"), [("st-2021", 2039), ("st", 2040)])
def test_smaller_blocks_and_other_builds_do_not_hang(
    receiver: Any, seeded_bytes: Any, stack: str, n_frags: int
) -> None:
    block = block_of(seeded_bytes, n_frags)
    r = receiver(profile(stack))
    r.open(block)
    assert r.hear(block, range(2, n_frags + 60)) is not None
    assert not r.device.hung


def test_a_block_without_a_loss_is_complete_before_the_decoder_hangs(receiver: Any, seeded_bytes: Any) -> None:
    block = block_of(seeded_bytes, 2040)
    r = receiver(profile("st-2021"))
    r.open(block)
    assert r.hear(block, range(1, 2045)) == 2040
    assert r.hear(block, [2041]) is not None
    assert not r.device.hung


# ---- a count of solved rows that is never reset ------------------------------------------------------------------

STATIC = profile("mbed")


def session(r: Any, block: ff.FragmentedBlock, lost: Iterable[int]) -> int | None:
    r.open(block)
    missed = set(lost)
    return r.hear(block, [n for n in range(1, block.n_frags + 60) if n not in missed])


def test_a_second_session_ends_early_with_wrong_bytes(receiver: Any, seeded_bytes: Any) -> None:
    """Two losses solved in the first session count as solved in the second, which has lost five."""
    first, second = block_of(seeded_bytes, 30), block_of(seeded_bytes, 30, seed="second")
    r, fresh = receiver(STATIC), receiver(STATIC)
    assert session(r, first, [3, 9]) is not None
    assert r.device.stored == bytes(seeded_bytes("first", 30 * SIZE))
    right = session(fresh, second, [3, 9, 11, 12, 20])
    early = session(r, second, [3, 9, 11, 12, 20])
    assert early is not None
    assert right is not None
    assert early < right
    assert r.device.stored != fresh.device.stored == bytes(seeded_bytes("second", 30 * SIZE))


def test_a_second_session_with_fewer_losses_never_ends(receiver: Any, seeded_bytes: Any) -> None:
    first, second = block_of(seeded_bytes, 30), block_of(seeded_bytes, 30, seed="second")
    r = receiver(STATIC)
    session(r, first, [3, 9, 11])
    assert session(r, second, [3, 9]) is None
    assert session(r, first, [3, 9, 11]) is None, "nor does a third one"


def test_a_second_session_without_a_loss_is_right(receiver: Any, seeded_bytes: Any) -> None:
    first, second = block_of(seeded_bytes, 30), block_of(seeded_bytes, 30, seed="second")
    r = receiver(STATIC)
    session(r, first, [3, 9, 11])
    assert session(r, second, []) == 30
    assert r.device.stored == bytes(seeded_bytes("second", 30 * SIZE))


def test_an_incomplete_session_counts_what_it_solved(receiver: Any, seeded_bytes: Any) -> None:
    first, second = block_of(seeded_bytes, 30), block_of(seeded_bytes, 30, seed="second")
    r = receiver(STATIC)
    r.open(first)
    assert r.hear(first, [*range(5, 31), 31]) is None, "one row for four losses"
    assert session(r, second, [3]) is None


def test_a_reset_ends_the_counts_of_earlier_sessions(receiver: Any, seeded_bytes: Any) -> None:
    first, second = block_of(seeded_bytes, 30), block_of(seeded_bytes, 30, seed="second")
    r = receiver(STATIC)
    session(r, first, [3, 9, 11])
    r.device.plan_reboot(NOW)
    r.device.advance(NOW)
    assert session(r, second, [3, 9]) is not None
    assert r.device.stored == bytes(seeded_bytes("second", 30 * SIZE))


def test_a_reset_ends_the_error_bit_of_an_earlier_session(receiver: Any, seeded_bytes: Any) -> None:
    stack = profile("st").replace(max_losses=2)
    block = block_of(seeded_bytes, 30)
    for reset, bit in ((False, 1), (True, 0)):
        r = receiver(stack)
        session(r, block, [3, 9, 11])
        if reset:
            r.device.plan_reboot(NOW)
            r.device.advance(NOW)
        r.open(block)
        assert r.status()[-1] == bit
