"""Uncoded fragments of a top-up: its first M + 10 fragments complete a device that heard nothing before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.codec.parity import ParityMatrix
from fuota_fec.planning.top_up import SPARE, n_uncoded, round_frames, uncoded_numbers

EVEN = sorted({253, 832, *range(20, 1001, 44), *range(21, 1001, 52)})
"""Numbers of fragments whose rows are all even in dialect 2.0.0."""


def top_up(n_frags: int, rows: range, n_head: int, every: int) -> list[int]:
    """Fragment numbers of one further round with these rows, in the order of sending."""
    n_frames, coded = round_frames(len(rows), n_head, every), iter(rows)
    uncoded = uncoded_numbers(n_frags, rows, n_head, every, n_frags)
    numbers: list[int] = []
    for place in range(n_frames):
        nth = n_uncoded(place, n_head, every)
        if n_uncoded(place + 1, n_head, every) == nth:
            numbers.append(n_frags + next(coded))
        elif place < n_head:
            numbers.append(sorted(uncoded[:n_head])[place])
        else:
            numbers.append(uncoded[nth % n_frags])
    assert next(coded, None) is None
    return numbers


def completes(n_frags: int, heard: list[int]) -> bool:
    decoder = ff.Decoder(n_frags, 1, dialect="2.0.0")
    return any(decoder.push(number, b"\0") for number in heard)


@pytest.mark.parametrize("n_frags", EVEN)
@pytest.mark.parametrize("n_head", [1, 4])
def test_the_first_fragments_complete_a_device(n_frags: int, n_head: int) -> None:
    for first in (1, 50):
        every = max(8, -(-n_frags // 32)) if n_head == 1 else 0
        numbers = top_up(n_frags, range(first, first + n_frags + 20), n_head, every)
        heard = numbers[: n_frags + SPARE]
        assert completes(n_frags, heard)
        assert len(set(heard)) == len(heard)


@pytest.mark.parametrize("n_frags", EVEN[::8])
def test_any_fragments_complete_nearly_every_device(n_frags: int) -> None:
    """M + 10 of a longer top-up: one in 1024 devices lacks a fragment, and those that miss what is tied together."""
    rng, numbers = np.random.default_rng(n_frags), top_up(n_frags, range(1, 2 * n_frags), 1, 8)
    done = [completes(n_frags, rng.permutation(numbers)[: n_frags + SPARE].tolist()) for _ in range(20)]
    assert sum(done) >= 19


def test_fragments_that_every_row_has_together_come_first() -> None:
    rows = ParityMatrix(832, "2.0.0").rows(1, 1041)
    assert (rows[:, 416] == rows[:, 449]).all()
    assert uncoded_numbers(832, range(1, 400), 1, 26, 40)[0] in (417, 450)


@pytest.mark.parametrize("n_frags", sorted({*EVEN[::4]} - {832}))
def test_devices_that_take_uncoded_fragments_first_alone_are_completed(n_frags: int) -> None:
    """Nine frames in ten of a round that begins with four of them: M + 10 heard complete nearly every device."""
    rng, done = np.random.default_rng(n_frags), 0
    numbers = top_up(n_frags, range(1, 2 * n_frags), 4, 0)
    assert numbers[:4] == sorted(numbers[:4])
    assert min(numbers[4:]) > n_frags
    for _ in range(20):
        heard = [number for number in numbers if rng.random() < 0.9][: n_frags + SPARE]
        done += completes(n_frags, heard)
    assert done >= 19


@given(st.integers(0, 500), st.integers(0, 6), st.integers(0, 40))
def test_a_round_has_its_coded_fragments_and_no_uncoded_one_at_the_end(n_coded: int, n_head: int, every: int) -> None:
    n_frames = round_frames(n_coded, n_head, every)
    assert n_frames - n_uncoded(n_frames, n_head, every) == n_coded or not n_coded
    kinds = [n_uncoded(n + 1, n_head, every) - n_uncoded(n, n_head, every) for n in range(n_frames)]
    assert kinds[:n_head] == [1] * min(n_head, n_frames)
    assert not kinds or kinds[-1] == 0
    runs = "".join(map(str, kinds[n_head:])).split("1")
    assert all(len(run) == every for run in runs[:-1])


def test_numbers_are_all_different() -> None:
    numbers = uncoded_numbers(20, range(1, 500), 1, 8, 20)
    assert sorted(numbers) == list(range(1, 21))
