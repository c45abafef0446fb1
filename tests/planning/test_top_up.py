"""Uncoded fragments of a top-up: its first M + 10 fragments complete a device that heard nothing before."""

from __future__ import annotations

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.codec.parity import ParityMatrix
from fuota_fec.planning.top_up import SPARE, uncoded_numbers

EVEN = sorted({253, 832, *range(20, 1001, 44), *range(21, 1001, 52)})
"""Numbers of fragments whose rows are all even in dialect 2.0.0."""


def top_up(n_frags: int, rows: range, every: int) -> list[int]:
    """Fragment numbers in the order of sending."""
    uncoded = iter(uncoded_numbers(n_frags, rows, every))
    numbers = []
    for n, row in enumerate(rows):
        if n % every == 0:
            numbers.append(next(uncoded))
        numbers.append(n_frags + row)
    return numbers


def completes(n_frags: int, heard: list[int]) -> bool:
    decoder = ff.Decoder(n_frags, 1, dialect="2.0.0")
    return any(decoder.push(number, b"\0") for number in heard)


@pytest.mark.parametrize("n_frags", EVEN)
def test_the_first_fragments_complete_a_device(n_frags: int) -> None:
    for first in (1, 50):
        numbers = top_up(n_frags, range(first, first + n_frags + 20), max(8, -(-n_frags // 32)))
        heard = numbers[: n_frags + SPARE]
        assert completes(n_frags, heard)
        assert len(set(heard)) == len(heard)


@pytest.mark.parametrize("n_frags", EVEN[::8])
def test_any_fragments_complete_nearly_every_device(n_frags: int) -> None:
    """M + 10 of a longer top-up: one in 1024 devices lacks a fragment, and those that miss what is tied together."""
    rng, numbers = np.random.default_rng(n_frags), top_up(n_frags, range(1, 2 * n_frags), 8)
    done = [completes(n_frags, rng.permutation(numbers)[: n_frags + SPARE].tolist()) for _ in range(20)]
    assert sum(done) >= 19


def test_fragments_that_every_row_has_together_come_first() -> None:
    rows = ParityMatrix(832, "2.0.0").rows(1, 1041)
    assert (rows[:, 416] == rows[:, 449]).all()
    assert uncoded_numbers(832, range(1, 400), 26)[0] in (417, 450)


@pytest.mark.parametrize(("n_rows", "every"), [(0, 8), (1, 8), (8, 8), (9, 8), (500, 8)])
def test_there_is_one_before_each_group_of_rows(n_rows: int, every: int) -> None:
    numbers = uncoded_numbers(20, range(1, 1 + n_rows), every)
    assert len(numbers) == -(-n_rows // every)
    assert set(numbers) <= set(range(1, 21))
    assert len(set(numbers[:20])) == min(len(numbers), 20)
