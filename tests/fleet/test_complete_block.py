"""A complete block whose decoder takes further fragments, as LoRa Basics Modem does."""

from __future__ import annotations

import fuota_fec as ff
from fuota_fec.fleet.complete_block import CompleteBlock
from fuota_fec.wire.fragmentation import DataFragment

M, SIZE = 20, 48
IMAGE = bytes(range(240)) * 4
SENT = ff.prepare(IMAGE, SIZE, n_coded=40, version="2.0.0")


def fragment(n: int) -> DataFragment:
    return DataFragment(frag_index=0, n=n, payload=bytes(SENT.frame(n))[3:])


def complete(lost: list[int], coded: list[int]) -> CompleteBlock:
    return CompleteBlock(M, SIZE, "2.0.0", lost, coded, IMAGE)


def uncoded(block: bytes, n: int) -> int:
    return int.from_bytes(block[(n - 1) * SIZE : n * SIZE], "big")


def test_two_losses_or_more_are_solved_once_more_and_come_out_wrong() -> None:
    block = complete([1, 2, 3], [21, 22, 24])
    assert [block.push(fragment(n)) for n in (5, M, 41, 46)] == [None] * 4, "without a part in the losses"
    again = block.push(fragment(60))
    assert again is not None
    assert again[SIZE:] == IMAGE[SIZE:]
    assert uncoded(again, 1) == uncoded(IMAGE, 1) ^ uncoded(IMAGE, 2) ^ uncoded(IMAGE, 3)
    assert block.push(fragment(60)) == IMAGE, "and right the time after"


def test_one_loss_comes_out_right_each_time() -> None:
    block = complete([1], [24])
    assert [block.push(fragment(n)) for n in (30, 22, 31)] == [IMAGE, None, IMAGE]


def test_without_a_loss_the_last_uncoded_fragment_is_written_once_more() -> None:
    other = DataFragment(frag_index=1, n=M, payload=bytes(SIZE))
    block = complete([], [])
    assert block.push(fragment(M - 1)) is None
    assert block.push(other) == IMAGE[:-SIZE] + bytes(SIZE)
    assert block.push(other) is None
    after_coded = complete([], [])
    assert [after_coded.push(each) for each in (fragment(24), other)] == [None, None]
