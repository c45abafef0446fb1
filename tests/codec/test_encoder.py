"""Coded fragments: the core against the reference, the laws of a linear code, and what is refused."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _reference
from fuota_fec.codec.limits import MAX_ROW

law = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

DIALECTS = ["1.0.0", "2.0.0"]
dialects = st.sampled_from(DIALECTS)
FRAG_SIZES = [1, 2, 63, 64, 65, 242, 255]
SEAMS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129]


def random_block(seed: int, n_frags: int, frag_size: int) -> bytes:
    return random.Random(seed).randbytes(n_frags * frag_size)


def summed(block: bytes, frag_size: int, rows: list[int], dialect: str) -> np.ndarray:
    """Coded fragments by the definition, one sum at a time: quick enough where the reference is too slow."""
    fragments = np.frombuffer(block, np.uint8).reshape(-1, frag_size)
    coded = np.zeros((len(rows), frag_size), np.uint8)
    for i, n in enumerate(rows):
        bits = _reference.parity_row(len(fragments), n, dialect)
        packed = np.frombuffer(bits.to_bytes(-(-len(fragments) // 8), "little"), np.uint8)
        chosen = np.unpackbits(packed, bitorder="little")[: len(fragments)].astype(bool)
        coded[i] = np.bitwise_xor.reduce(fragments[chosen], axis=0, initial=0)
    return coded


# ---- the core is equal to the reference --------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ff.kernels())
@law
@given(
    n_frags=st.integers(1, 70) | st.sampled_from(SEAMS),
    frag_size=st.integers(1, 70) | st.sampled_from(FRAG_SIZES),
    n_coded=st.integers(0, 20),
    dialect=dialects,
    seed=st.integers(0, 2**32),
)
def test_encode_agrees_with_the_reference(kernel, *, n_frags, frag_size, n_coded, dialect, seed):
    block = random_block(seed, n_frags, frag_size)
    coded = ff.encode(block, frag_size, n_coded, dialect=dialect, kernel=kernel)
    assert coded.shape == (n_coded, frag_size)
    assert coded.dtype == np.uint8
    assert coded.flags.c_contiguous
    assert [bytes(c) for c in coded] == _reference.encode(block, frag_size, n_coded, dialect=dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("frag_size", FRAG_SIZES)
@pytest.mark.parametrize("kernel", ff.kernels())
def test_encode_agrees_with_the_reference_at_seams_of_sizes(kernel, frag_size, dialect):
    for n_frags in SEAMS:
        block = random_block(n_frags, n_frags, frag_size)
        for n_coded in (0, 1, 7, 8, 9):
            coded = ff.encode(block, frag_size, n_coded, dialect=dialect, kernel=kernel)
            assert np.array_equal(coded, summed(block, frag_size, [*range(1, n_coded + 1)], dialect)), (
                n_frags,
                n_coded,
            )


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("n_coded", [255, 256, 257, 300, 1000])
def test_encode_makes_many_coded_fragments(codec, n_coded, dialect):
    block = random_block(n_coded, 5, 3)
    coded = codec.encode(block, 3, n_coded, dialect=dialect)
    assert b"".join(coded) == summed(block, 3, [*range(1, n_coded + 1)], dialect).tobytes()


@pytest.mark.parametrize(("n_frags", "frag_size"), [(8191, 1), (8192, 64), (8193, 242), (16382, 2), (16383, 255)])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kernel", ff.kernels())
def test_encode_takes_the_largest_blocks(kernel, dialect, n_frags, frag_size):
    block = random_block(n_frags, n_frags, frag_size)
    rows = [8381, 1, 8380, 16383 - n_frags or 2, 16383, 16760, 16761, 4, MAX_ROW]
    rows = list(dict.fromkeys(rows))
    coded = ff.encode(block, frag_size, len(rows), dialect=dialect, rows=rows, kernel=kernel)
    assert np.array_equal(coded, summed(block, frag_size, rows, dialect))


@law
@given(
    n_frags=st.integers(1, 40),
    rows=st.lists(st.integers(1, MAX_ROW) | st.integers(1, 40) | st.integers(8375, 8385), unique=True, max_size=12),
    dialect=dialects,
    seed=st.integers(0, 2**32),
)
def test_encode_takes_any_rows(codec, n_frags, rows, dialect, seed):
    block = random_block(seed, n_frags, 3)
    coded = codec.encode(block, 3, len(rows), dialect=dialect, rows=rows)
    assert b"".join(coded) == summed(block, 3, rows, dialect).tobytes()


# ---- laws --------------------------------------------------------------------------------------------------


@law
@given(
    n_frags=st.integers(1, 50),
    frag_size=st.integers(1, 40),
    n_coded=st.integers(1, 12),
    dialect=dialects,
    seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)),
)
def test_encode_is_linear(codec, *, n_frags, frag_size, n_coded, dialect, seeds):
    a, b = (random_block(seed, n_frags, frag_size) for seed in seeds)
    both = bytes(x ^ y for x, y in zip(a, b, strict=True))
    coded_a, coded_b, coded_both = (
        b"".join(codec.encode(block, frag_size, n_coded, dialect=dialect)) for block in (a, b, both)
    )
    assert coded_both == bytes(x ^ y for x, y in zip(coded_a, coded_b, strict=True))
    assert not any(b"".join(codec.encode(bytes(len(a)), frag_size, n_coded, dialect=dialect)))


@law
@given(
    n_frags=st.integers(1, 50),
    frag_size=st.integers(2, 40),
    cut=st.integers(1, 39),
    seed=st.integers(0, 2**32),
    dialect=dialects,
)
def test_byte_columns_are_encoded_independently(codec, *, n_frags, frag_size, cut, seed, dialect):
    """Encoding the first bytes of every fragment gives the first bytes of every coded fragment."""
    cut = min(cut, frag_size - 1)
    block = random_block(seed, n_frags, frag_size)
    fragments = [block[i : i + frag_size] for i in range(0, len(block), frag_size)]
    whole = codec.encode(block, frag_size, 9, dialect=dialect)
    left = codec.encode(b"".join(f[:cut] for f in fragments), cut, 9, dialect=dialect)
    right = codec.encode(b"".join(f[cut:] for f in fragments), frag_size - cut, 9, dialect=dialect)
    assert [x + y for x, y in zip(left, right, strict=True)] == list(whole)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("n_frags", [1, 2, 8, 63, 64, 65, 100])
def test_unit_fragments_give_the_rows(codec, n_frags, dialect):
    """Fragment k holds bit k alone: a coded fragment is then its own row of the matrix, bit by bit."""
    frag_size = -(-n_frags // 8)
    units = np.packbits(np.eye(n_frags, dtype=np.uint8), axis=1, bitorder="little").tobytes()
    coded = codec.encode(units, frag_size, 40, dialect=dialect)
    rows = codec.ParityMatrix(n_frags, dialect).rows(1, 41)
    assert b"".join(coded) == np.packbits(np.array(rows, np.uint8), axis=1, bitorder="little").tobytes()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("n_frags", [2039, 2040])
@pytest.mark.parametrize("kernel", ff.kernels())
def test_unit_fragments_give_the_rows_of_a_large_matrix(kernel, n_frags, dialect):
    units = np.packbits(np.eye(n_frags, 2040, dtype=np.uint8), axis=1, bitorder="little")
    coded = ff.encode(units, 255, 300, dialect=dialect, kernel=kernel)
    rows = ff.ParityMatrix(n_frags, dialect, kernel=kernel).rows(1, 301)
    assert np.array_equal(np.unpackbits(coded, axis=1, bitorder="little")[:, :n_frags], rows)


@law
@given(
    n_frags=st.integers(1, 40), n_rows=st.integers(1, 30), data=st.data(), dialect=dialects, seed=st.integers(0, 2**32)
)
def test_rows_select_from_the_plain_ones(codec, *, n_frags, n_rows, data, dialect, seed):
    """Any selection in any order, and of the selection as many as asked for."""
    block = random_block(seed, n_frags, 5)
    plain = codec.encode(block, 5, n_rows, dialect=dialect)
    rows = data.draw(st.permutations(range(1, n_rows + 1)))
    n_coded = data.draw(st.integers(0, n_rows))
    selected = codec.encode(block, 5, n_coded, dialect=dialect, rows=rows)
    assert list(selected) == [plain[n - 1] for n in rows[:n_coded]]


@pytest.mark.parametrize("rows", [(4, 2), [4, 2], {4: 0, 2: 0}, np.array([4, 2]), np.array([4, 2], np.uint8), b"\4\2"])
def test_rows_are_taken_from_any_iterable(rows):
    block = random_block(1, 9, 4)
    expected = _reference.encode(block, 4, 2, rows=[4, 2])
    assert [bytes(c) for c in ff.encode(block, 4, 2, rows=rows)] == expected
    assert [bytes(c) for c in ff.encode(block, 4, 2, rows=rows, matrix=ff.ParityMatrix(9))] == expected
    assert [bytes(c) for c in ff.encode(block, 4, 2, rows=iter([4, 2, 7]))] == expected


def test_one_fragment_has_no_redundancy(codec):
    """M = 1: every row is empty and every coded fragment zero."""
    assert list(codec.encode(b"abc", 3, 5)) == [bytes(3)] * 5


@pytest.mark.parametrize("n_frags", [2, 3])
def test_two_and_three_fragments_are_only_copied(codec, n_frags):
    block = b"abcdefghi"[: 3 * n_frags]
    fragments = {block[i : i + 3] for i in range(0, len(block), 3)}
    assert set(codec.encode(block, 3, 60)) == fragments


# ---- matrix= and out= --------------------------------------------------------------------------------------


@law
@given(
    n_frags=st.integers(1, 60),
    frag_sizes=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    dialect=dialects,
    calls=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_encode_reuses_a_matrix_for_many_blocks(n_frags, frag_sizes, dialect, calls, seed):
    matrix = ff.ParityMatrix(n_frags, dialect)
    for i, frag_size in enumerate(frag_sizes):
        block = random_block(seed + i, n_frags, frag_size)
        for n_coded in calls:
            with_matrix = ff.encode(block, frag_size, n_coded, dialect=dialect, matrix=matrix)
            assert np.array_equal(with_matrix, ff.encode(block, frag_size, n_coded, dialect=dialect))
            rows = list(range(n_coded, 0, -1))
            selected = ff.encode(block, frag_size, n_coded, dialect=dialect, rows=rows, matrix=matrix)
            assert np.array_equal(selected, with_matrix[::-1])


@pytest.mark.parametrize("matrix", [ff.ParityMatrix(11), ff.ParityMatrix(9), ff.ParityMatrix(10, "2.0.0")], ids=repr)
def test_the_matrix_must_be_that_of_the_block(matrix):
    with pytest.raises(ff.ParameterError, match=r"^matrix: .* expected ParityMatrix\(10, dialect='1\.0\.0'\)$"):
        ff.encode(bytes(30), 3, 2, matrix=matrix)


@pytest.mark.parametrize("matrix", ["matrix", 5, object, np.zeros((2, 10), np.uint8)], ids=lambda m: type(m).__name__)
def test_encode_refuses_what_is_not_a_matrix(matrix):
    with pytest.raises(ff.ParameterError, match=r"^matrix: "):
        ff.encode(bytes(30), 3, 2, matrix=matrix)


@pytest.mark.parametrize("kernel", ff.kernels())
@pytest.mark.parametrize("frag_size", [1, 2, 63, 64, 65, 130])
def test_out_is_written_and_returned_and_nothing_beside_it(kernel, frag_size):
    block = random_block(frag_size, 20, frag_size)
    for n_coded in (0, 1, 5, 8, 9):
        room = np.full((n_coded + 2, frag_size), 0xA5, np.uint8)
        out = room[1:-1]
        assert ff.encode(block, frag_size, n_coded, out=out, kernel=kernel) is out
        assert np.array_equal(out, ff.encode(block, frag_size, n_coded))
        assert (room[[0, -1]] == 0xA5).all()


def test_out_is_overwritten_by_the_next_call():
    out = np.empty((4, 6), np.uint8)
    for seed in range(3):
        block = random_block(seed, 12, 6)
        ff.encode(block, 6, 4, out=out)
        assert [bytes(c) for c in out] == _reference.encode(block, 6, 4)


def test_out_may_follow_the_block_in_one_array():
    """They touch and do not overlap."""
    whole = np.frombuffer(bytearray(random_block(3, 14, 5)), np.uint8).reshape(14, 5)
    before = whole.copy()
    coded = ff.encode(whole[2:10], 5, 4, out=whole[10:])
    assert np.array_equal(whole[:10], before[:10])
    assert [bytes(c) for c in coded] == _reference.encode(before[2:10].tobytes(), 5, 4)
    ff.encode(whole[2:10], 5, 2, out=whole[:2])
    assert np.array_equal(whole[:2], whole[10:12])


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((3, 5), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((5, 4), np.uint8),
        np.zeros(20, np.uint8),
        np.zeros((4, 5, 1), np.uint8),
        np.zeros((4, 5), np.int8),
        np.zeros((4, 5), np.bool_),
        np.zeros((4, 5), np.uint16),
        np.zeros((4, 5), np.float64),
        np.zeros((5, 4), np.uint8).T,
        np.zeros((8, 5), np.uint8)[::2],
        np.zeros((4, 10), np.uint8)[:, ::2],
        np.zeros((4, 5), np.uint8)[::-1],
        np.zeros((4, 6), np.uint8)[:, :5],
        read_only(np.zeros((4, 5), np.uint8)),
        np.broadcast_to(np.zeros(5, np.uint8), (4, 5)),
        bytearray(20),
        memoryview(bytearray(20)),
        [[0] * 5] * 4,
        "out",
    ],
    ids=lambda out: f"{out.dtype}-{out.shape}-{out.strides}" if isinstance(out, np.ndarray) else type(out).__name__,
)
def test_out_of_another_kind_is_refused(out):
    with pytest.raises(ff.ParameterError, match=r"^out"):
        ff.encode(random_block(1, 10, 5), 5, 4, out=out)
    assert not np.asarray(out).any() or out == "out"


@pytest.mark.parametrize("first", [0, 1, 3, 7, 9])
def test_out_that_overlaps_the_block_is_refused(first):
    whole = np.frombuffer(bytearray(random_block(3, 14, 5)), np.uint8).reshape(14, 5)
    before = whole.copy()
    with pytest.raises(ff.ParameterError, match=r"^out: overlaps"):
        ff.encode(whole[3:10], 5, 4, out=whole[first : first + 4])
    assert np.array_equal(whole, before)


# ---- bad input ---------------------------------------------------------------------------------------------

NOT_NUMBERS = [None, "3", b"3", 3.0, 2.5, float("nan"), [3], True, np.float64(3), 10**30]


@pytest.mark.parametrize("frag_size", [0, -1, 256, 2**32 + 3, *NOT_NUMBERS], ids=repr)
def test_encode_refuses_a_frag_size_out_of_range(frag_size):
    with pytest.raises(ff.ParameterError, match=rf"^frag_size: {re.escape(repr(frag_size))} .* from 1 to 255$"):
        ff.encode(bytes(30), frag_size, 2)


@pytest.mark.parametrize("n_coded", [-1, 2**32, 2**64, *NOT_NUMBERS], ids=repr)
def test_encode_refuses_n_coded_out_of_range(n_coded):
    with pytest.raises(ff.ParameterError, match=rf"^n_coded: {re.escape(repr(n_coded))} .* from 0 to {MAX_ROW}$"):
        ff.encode(bytes(30), 3, n_coded)


@pytest.mark.parametrize(("length", "frag_size"), [(0, 1), (0, 255), (1, 2), (29, 3), (31, 3), (254, 255)])
def test_a_block_is_whole_fragments(length, frag_size):
    with pytest.raises(ff.ParameterError, match=rf"^block: {length} bytes .* frag_size = {frag_size}.*prepare"):
        ff.encode(bytes(length), frag_size, 2)


@pytest.mark.parametrize("n_frags", [16384, 20000])
def test_encode_refuses_too_many_fragments(n_frags):
    with pytest.raises(ff.ParameterError, match=rf"^n_frags: {n_frags} is not from 1 to 16383$"):
        ff.encode(bytes(n_frags), 1, 2)


@pytest.mark.parametrize("dialect", ["", "1", 1, "1.0", b"1.0.0", ["1.0.0"]], ids=repr)
def test_encode_refuses_an_unknown_dialect(dialect):
    with pytest.raises(ff.ParameterError, match=rf"^dialect: {re.escape(repr(dialect))} .*'1\.0\.0' or '2\.0\.0'$"):
        ff.encode(bytes(30), 3, 2, dialect=dialect)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0, 1], r"^rows: 0 is not a row number from 1 to "),
        ([1, -1], r"^rows: -1 is not a row number from 1 to "),
        ([1, 2**32], rf"^rows: {2**32} is not a row number from 1 to {MAX_ROW}$"),
        ([7, 7], r"^rows: 7 is given twice$"),
        ([1], r"^n_coded: 2 .* only 1 rows given$"),
        ([], r"^n_coded: 2 .* only 0 rows given$"),
        ([1.0, 2.0], r"^rows: .* is not row numbers, expected a sequence of whole numbers"),
        ("12", r"^rows: .* is not row numbers, expected a sequence of whole numbers"),
        ([[1, 2]], r"^rows: .* is not row numbers, expected a sequence of whole numbers"),
        (12, r"^rows: 12 is not a sequence of row numbers$"),
    ],
)
def test_encode_refuses_bad_rows(rows, message):
    matrix = ff.ParityMatrix(10)
    out = np.full((2, 3), 7, np.uint8)
    for given_matrix in (None, matrix):
        with pytest.raises(ff.ParameterError, match=message):
            ff.encode(bytes(30), 3, 2, rows=rows, matrix=given_matrix, out=out)
    assert (out == 7).all()
    assert [bytes(c) for c in ff.encode(bytes(range(30)), 3, 2, matrix=matrix)] == _reference.encode(
        bytes(range(30)), 3, 2
    )


def test_too_few_rows_are_reported_before_memory_is_allocated():
    with pytest.raises(ff.ParameterError, match=rf"^n_coded: {MAX_ROW} .* only 1 rows given$"):
        ff.encode(bytes(2550), 255, MAX_ROW, rows=[1])


@pytest.mark.parametrize("kernel", ["nope", "", "portable\0", "\ud800", 5], ids=repr)
def test_encode_refuses_an_unknown_kernel(kernel):
    with pytest.raises(ff.ParameterError, match="kernel"):
        ff.encode(bytes(30), 3, 2, kernel=kernel)
