"""Batched receptions: each behaves as a Reception of its own with the same fragments."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.devices.stack_quirks import Overrun
from fuota_fec.fleet.batched_reception import BatchedBlock, BatchedBlocks, BatchedReception
from fuota_fec.fleet.decoding import Reception
from fuota_fec.fleet.reception import BlockReception
from fuota_fec.wire.fragmentation import DataFragment

SIZE = 7
IMAGE = bytes(range(256)) * 8


def fragments_of(n_frags: int, n_coded: int, version: str, data: bytes = IMAGE) -> list[DataFragment]:
    block = data[: n_frags * SIZE]
    coded = [bytes(row) for row in ff.encode(block, SIZE, n_coded, version=version)]
    payloads = [block[i : i + SIZE] for i in range(0, len(block), SIZE)] + coded
    return [DataFragment(frag_index=0, n=i, payload=payload) for i, payload in enumerate(payloads, 1)]


QUIRKS = [
    *((late, solvable, Overrun.FLAGGED, False) for late in LateUncoded for solvable in (None, 0, 2)),
    *((LateUncoded.DROPPED, solvable, overrun, True) for solvable in (None, 2) for overrun in Overrun),
]
"""Late fragments, losses that can be solved, effect of more, and whether a coded fragment hangs the device."""
COUNTS = (
    *("n_received", "last_number", "n_lost", "complete", "ended", "hung", "missing", "memory_full"),
    *("n_frags", "frag_size"),
)


def joined(block: BatchedBlock, quirks: tuple[LateUncoded, int | None, Overrun, bool]) -> BatchedReception:
    late, solvable, overrun, hangs = quirks
    return block.join(late, solvable, overrun, hangs=hangs)


def alone_with(n_frags: int, version: str, quirks: tuple[LateUncoded, int | None, Overrun, bool]) -> Reception:
    late, solvable, overrun, hangs = quirks
    return Reception(n_frags, SIZE, version, late, solvable, overrun, hangs=hangs)


def counts(reception: BlockReception) -> list[Any]:
    return [getattr(reception, name) for name in COUNTS]


@settings(max_examples=60)
@given(data=st.data())
def test_every_batched_reception_equals_a_reception_of_its_own(data: st.DataObject) -> None:
    """Fragments in any order, repeated, of two blocks with the same numbers, of the other dialect; every quirk.

    With fragments of two blocks in random order, which a session never sends, the same receptions complete with the
    same fragment, but their blocks may differ: a solution depends on the order of reception, which bits do not keep.
    """
    n_frags = data.draw(st.sampled_from([1, 2, 3, 5, 8, 17, 63, 64, 65]))
    version = data.draw(st.sampled_from(["1.0.0", "2.0.0"]))
    in_order = data.draw(st.booleans())
    sent_as = data.draw(st.sampled_from([version, version, "1.0.0"])) if in_order else version
    n_coded = 12
    sent = fragments_of(n_frags, n_coded, sent_as)
    other = fragments_of(n_frags, n_coded, sent_as, IMAGE[100:])
    [row] = ff.encode(IMAGE[: n_frags * SIZE], SIZE, 1, version=sent_as, rows=[16383 - n_frags])
    far = DataFragment(frag_index=0, n=16383, payload=bytes(row))
    quirks = data.draw(st.lists(st.sampled_from(QUIRKS), min_size=1, max_size=6))
    batched = BatchedBlock(n_frags, SIZE, version)
    receptions = [joined(batched, each) for each in quirks]
    alone = [alone_with(n_frags, version, each) for each in quirks]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    order = [*range(n_frags + n_coded)] if in_order else rng.integers(0, n_frags + n_coded, 3 * n_frags + 30).tolist()
    second_block_at = data.draw(st.none() | st.integers(0, len(order)))
    for step, nth in enumerate(order):
        fragment = sent[nth]
        if second_block_at is not None and step >= second_block_at and rng.random() < 0.3:
            fragment = other[nth]
        if not in_order and rng.random() < 0.03:
            fragment = far
        hears = [i for i in range(len(receptions)) if rng.random() < 0.8 and not alone[i].ended]
        expected = [(i, alone[i].push(fragment)) for i in hears]
        together = [i for i in hears if receptions[i].detached is None]
        if rng.random() < 0.8:
            done = batched.push(np.array([receptions[i].idx for i in together], np.intp), fragment) if together else []
            got = [(together[position], block) for position, block in done]
            got += [
                (i, block) for i in hears if i not in together and (block := receptions[i].push(fragment)) is not None
            ]
        else:
            got = [(i, block) for i in hears if (block := receptions[i].push(fragment)) is not None]
        complete = [(i, block) for i, block in expected if block is not None]
        if in_order or second_block_at is None:
            assert sorted(got) == complete
        assert sorted(i for i, _ in got) == [i for i, _ in complete]
        assert [counts(each) for each in receptions] == [counts(reception) for reception in alone]
        if rng.random() < 0.1:
            batched, receptions = pickle.loads(pickle.dumps((batched, receptions)))
        if rng.random() < 0.05:
            more = QUIRKS[int(rng.integers(len(QUIRKS)))]
            receptions.append(joined(batched, more))
            alone.append(alone_with(n_frags, version, more))


def test_a_batched_block_is_decoded_once_and_shared() -> None:
    batched = BatchedBlock(20, SIZE, "1.0.0")
    receptions = [batched.join(LateUncoded.DROPPED, None) for _ in range(200)]
    rng = np.random.default_rng(1)
    blocks = []
    for fragment in fragments_of(20, 40, "1.0.0"):
        hears = [each.idx for each in receptions if not each.complete and rng.random() < 0.8]
        if hears:
            blocks += [block for _, block in batched.push(np.array(hears), fragment)]
    assert len(blocks) == 200
    assert {id(block) for block in blocks} == {id(blocks[0])}
    assert blocks[0] == IMAGE[: 20 * SIZE]


def test_a_batched_block_takes_more_rows_than_a_word_and_a_block_of_words_hold() -> None:
    """Only coded fragments, far more than are needed, of which each reception gets a few."""
    batched = BatchedBlock(30, SIZE, "1.0.0")
    receptions = [batched.join(LateUncoded.DROPPED, None) for _ in range(70)]
    alone = [Reception(30, SIZE, "1.0.0", LateUncoded.DROPPED) for _ in range(70)]
    rng = np.random.default_rng(2)
    for fragment in fragments_of(30, 1200, "1.0.0")[30:]:
        for i in range(70):
            if rng.random() < 0.03 and not alone[i].complete:
                assert (receptions[i].push(fragment) is None) == (alone[i].push(fragment) is None)
    assert [each.complete for each in receptions] == [reception.complete for reception in alone]
    assert 20 < sum(each.complete for each in receptions) < 70


def test_blocks_of_another_shape_or_content_are_batched_apart() -> None:
    blocks = BatchedBlocks()
    first = blocks.join(5, SIZE, "1.0.0", LateUncoded.ACCEPTED, None)
    assert blocks.join(5, SIZE, "1.0.0", LateUncoded.DROPPED, 3).block is first.block
    for shape in ((6, SIZE, "1.0.0"), (5, SIZE + 1, "1.0.0"), (5, SIZE, "2.0.0")):
        assert blocks.join(*shape, LateUncoded.ACCEPTED, None).block is not first.block
    first.push(DataFragment(frag_index=0, n=1, payload=bytes(SIZE)))
    first.push(DataFragment(frag_index=0, n=1, payload=b"another"))
    assert blocks.join(5, SIZE, "1.0.0", LateUncoded.ACCEPTED, None).block is not first.block


@given(loss=st.floats(0, 0.4), seed=st.integers(0, 2**32))
def test_losses_solved_are_counted_in_order_of_sending(loss: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    batched = BatchedBlock(20, SIZE, "1.0.0").join(LateUncoded.DROPPED, None)
    alone = Reception(20, SIZE, "1.0.0", LateUncoded.DROPPED)
    for fragment in fragments_of(20, 15, "1.0.0"):
        if rng.random() >= loss and not alone.ended:
            assert batched.push(fragment) == alone.push(fragment)
            assert batched.solved_rows == alone.solved_rows
    assert alone.solved_rows == alone.n_lost or not alone.complete
