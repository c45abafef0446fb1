"""The memory map: pieces in any order make the same segments, and nothing is filled before its extent is known."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import ParameterError
from fuota_fec.image import memory as memory_module
from fuota_fec.image.memory import LARGEST_IMAGE, LONGEST_GAP, MOST_SEGMENTS, MemoryMap, Pieces, Segment


def memory_of(*pieces: tuple[int, bytes]) -> MemoryMap:
    collected = Pieces("image x")
    for number, (address, data) in enumerate(pieces, 1):
        collected.add(address, data, number)
    return collected.memory()


addresses = st.dictionaries(st.integers(0, 60), st.integers(0, 255), max_size=40)


@given(contents=addresses, seed=st.integers(0, 99))
def test_pieces_in_any_order_make_the_same_map(contents: dict[int, int], seed: int):
    """Segments neither overlap nor touch, and have the bytes that were given."""
    singles = [(address, bytes([value])) for address, value in contents.items()]
    random.Random(seed).shuffle(singles)
    memory = memory_of(*singles)
    assert {s.address + i: value for s in memory.segments for i, value in enumerate(s.data)} == contents
    assert all(low < high for low, high in memory.gaps)
    assert memory == memory_of(*((segment.address, segment.data) for segment in memory.segments))


@given(contents=addresses, start=st.integers(0, 70), stop=st.integers(0, 70), fill=st.integers(0, 255))
def test_a_crop_has_the_bytes_of_the_range_and_filler(contents: dict[int, int], start: int, stop: int, fill: int):
    kept = {address: value for address, value in contents.items() if start <= address < stop}
    cropped = memory_of(*((address, bytes([value])) for address, value in contents.items())).cropped(start, stop)
    expected = bytes(kept.get(address, fill) for address in range(min(kept, default=0), max(kept, default=-1) + 1))
    assert cropped.filled(fill, "image x") == expected
    assert cropped.extent == len(expected)


@given(contents=addresses, address=st.integers(0, 70), size=st.integers(0, 10))
def test_bytes_at_an_address_are_all_there_or_none(contents: dict[int, int], address: int, size: int):
    memory = memory_of(*((address, bytes([value])) for address, value in contents.items()))
    wanted = range(address, address + size)
    whole = size > 0 and all(a in contents for a in wanted)
    assert memory.at(address, size) == (bytes(contents[a] for a in wanted) if whole else None)


@given(contents=st.lists(st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=8)), max_size=8))
def test_an_address_that_is_given_twice_is_refused(contents: list[tuple[int, bytes]]):
    given_ = [address + i for address, data in contents for i in range(len(data))]
    if len(set(given_)) == len(given_):
        memory_of(*contents)
        return
    with pytest.raises(ParameterError, match=r"given twice, line \d+ \(first in line \d+\)"):
        memory_of(*contents)


def test_the_range_and_both_lines_of_an_overlap_are_named():
    with pytest.raises(ParameterError) as info:
        memory_of((0x20, b"abcd"), (0x10, b"abcd"), (0x12, b"abcd"))
    assert str(info.value) == "image x: 0x12–0x13 given twice, line 3 (first in line 2), expected each address once"
    with pytest.raises(
        ParameterError, match=r"0x12 given twice, line 2 \(first in line 1\), and 1 more piece, expected"
    ):
        memory_of((0x10, b"abc"), (0x12, b"a"), (0x12, b"a"))


def test_a_long_gap_and_a_large_extent_are_refused_before_anything_is_filled():
    far = MemoryMap((Segment(0, b"a"), Segment(1 << 62, b"b")))
    with pytest.raises(
        ParameterError, match=f"no data between 0x0 and 0x4000000000000000.* expected at most {LONGEST_GAP}"
    ):
        far.filled(0, "image x")
    many = memory_of(*((i * LONGEST_GAP, b"x") for i in range(LARGEST_IMAGE // LONGEST_GAP)))
    assert len(many.filled(0, "image x")) == many.extent == LARGEST_IMAGE - LONGEST_GAP + 1
    large = MemoryMap((*many.segments, Segment(LARGEST_IMAGE, b"x")))
    with pytest.raises(ParameterError, match=f"{LARGEST_IMAGE + 1} bytes from 0x0 to 0x1000000, expected at most"):
        large.filled(0, "image x")


def test_too_many_segments_are_refused():
    assert len(memory_of(*((2 * i, b"x") for i in range(MOST_SEGMENTS))).segments) == MOST_SEGMENTS
    with pytest.raises(ParameterError, match=f"{MOST_SEGMENTS + 1} segments with gaps between them"):
        memory_of(*((2 * i, b"x") for i in range(MOST_SEGMENTS + 1)))


def test_an_empty_map_has_no_bytes():
    assert (MemoryMap().extent, MemoryMap().gaps, MemoryMap().filled(0, "image x")) == (0, (), b"")
    assert memory_of((5, b"")) == MemoryMap()


@pytest.mark.parametrize("step", [1, -1])
def test_many_short_pieces_take_little_memory(step: int):
    """A file of 64 MB may have millions, in any order."""
    n_pieces = 50_000
    collected = Pieces("image x")
    for number, address in enumerate(range(n_pieces)[::step], 1):
        collected.add(address, b"z", number)
    tracemalloc.start()
    try:
        [segment] = collected.memory().segments
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(segment.data) == n_pieces
    assert peak < 150 * n_pieces


def test_a_file_has_at_most_so_many_pieces(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory_module, "MOST_PIECES", 3)
    pieces = [(address, b"z") for address in range(3)]
    assert memory_of(*pieces, (9, b"")).extent == 3
    with pytest.raises(ParameterError, match=r"^image x, line 4: more than 3 pieces, expected at most that$"):
        memory_of(*pieces, (9, b"z"))
