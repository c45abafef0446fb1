"""The oracle itself, against what the specification says in words and what can be seen without it."""

from __future__ import annotations

import inspect
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _reference

DIALECTS = ["1.0.0", "2.0.0"]
dialects = st.sampled_from(DIALECTS)


def bits(row: int) -> set[int]:
    return {i for i in range(row.bit_length()) if row >> i & 1}


# ---- the generator -------------------------------------------------------------------------------------------


def test_the_generator_runs_through_all_states_of_23_bits():
    """x^23 + x^5 + 1 is primitive: every non-zero state comes once, so the order is 2^23 - 1 = 47 · 178481.

    The step is linear on 23 bits; its powers are taken by squaring the matrix of its images of the unit states.
    """

    def compose(outer: list[int], inner: list[int]) -> list[int]:
        return [apply(outer, image) for image in inner]

    def apply(images: list[int], state: int) -> int:
        total = 0
        for i in bits(state):
            total ^= images[i]
        return total

    def power(exponent: int) -> list[int]:
        result, square = identity, [_reference.prbs23(1 << i) for i in range(23)]
        while exponent:
            if exponent & 1:
                result = compose(square, result)
            square = compose(square, square)
            exponent >>= 1
        return result

    identity = [1 << i for i in range(23)]
    period = 2**23 - 1
    assert power(period) == identity
    assert power(period // 47) != identity
    assert power(period // 178481) != identity


@given(st.integers(1, 2**23 - 1))
def test_a_state_of_23_bits_stays_one(x):
    following = _reference.prbs23(x)
    assert 0 < following < 2**23
    assert following & 0x3FFFFF == x >> 1
    assert following >> 22 == (x ^ x >> 5) & 1


@given(st.integers(2**23, 2**40))
def test_beyond_23_bits_the_feedback_is_added(x):
    assert _reference.prbs23(x) == x // 2 + ((x % 2 + x // 32 % 2) % 2) * 2**22


def test_the_carry_matters_from_row_8381_on():
    def without_carry(n_frags: int, n: int) -> set[int]:
        x, positions = 1 + 1001 * n, set()
        for _ in range(n_frags // 2):
            x = (x >> 1) | (((x ^ (x >> 5)) & 1) << 22)
            positions.add(x % n_frags)
        return positions

    same = [bits(_reference.parity_row(101, n)) == without_carry(101, n) for n in range(8300, 8460)]
    assert all(same[: 8381 - 8300])
    assert not all(same[8381 - 8300 :])


# ---- rows ----------------------------------------------------------------------------------------------------


@given(n_frags=st.integers(1, 300), n=st.integers(1, 2**32 - 1))
def test_a_row_has_half_the_fragments_or_fewer_in_the_first_dialect(n_frags, n):
    assert _reference.parity_row(n_frags, n, "2.0.0").bit_count() == n_frags // 2
    weight = _reference.parity_row(n_frags, n, "1.0.0").bit_count()
    assert (n_frags > 1) <= weight <= n_frags // 2


@given(n_frags=st.integers(1, 300), n=st.integers(1, 2**32 - 1), dialect=dialects)
def test_positions_are_those_of_the_fragments(n_frags, n, dialect):
    assert _reference.parity_row(n_frags, n, dialect) < 1 << n_frags


@given(n_frags=st.integers(1, 300), n=st.integers(1, 16383))
def test_the_first_dialects_row_is_the_beginning_of_the_seconds(n_frags, n):
    """The same draws; the second dialect goes on until it has enough different ones."""
    first, second = (_reference.parity_row(n_frags, n, dialect) for dialect in DIALECTS)
    assert first & ~second == 0


def test_rows_of_the_smallest_matrices():
    for dialect in DIALECTS:
        rows = {m: {_reference.parity_row(m, n, dialect) for n in range(1, 100)} for m in (1, 2, 3)}
        assert rows == {1: {0}, 2: {1, 2}, 3: {1, 2, 4}}


def test_row_1_of_26_fragments_is_the_same_in_both_dialects():
    assert _reference.parity_row(26, 1, "1.0.0") == _reference.parity_row(26, 1, "2.0.0")


def test_the_mean_weight_of_a_large_matrix():
    """Drawing M / 2 times with replacement leaves about 1 - e^-1/2 = 0.393 of M."""
    mean = sum(_reference.parity_row(2000, n).bit_count() for n in range(1, 101)) / 100
    assert 0.385 * 2000 < mean < 0.402 * 2000


def test_the_matrix_lists_its_rows():
    matrix = _reference.ParityMatrix(20, "2.0.0")
    assert {i for i, bit in enumerate(matrix.row(7)) if bit} == bits(_reference.parity_row(20, 7, "2.0.0"))
    assert matrix.rows(5, 9) == [matrix.row(n) for n in range(5, 9)]


# ---- encoding and decoding -----------------------------------------------------------------------------------


@given(st.binary(min_size=12, max_size=12), dialects, st.lists(st.integers(1, 99), unique=True, max_size=9))
def test_a_coded_fragment_is_the_sum_of_those_that_its_row_names(block, dialect, rows):
    fragments = [block[i : i + 2] for i in range(0, 12, 2)]
    for n, coded in zip(rows, _reference.encode(block, 2, len(rows), dialect=dialect, rows=rows), strict=True):
        total = bytes(2)
        for i in bits(_reference.parity_row(6, n, dialect)):
            total = bytes(a ^ b for a, b in zip(total, fragments[i], strict=True))
        assert coded == total


def test_encode_stops_at_n_coded():
    block = bytes(range(12))
    assert _reference.encode(block, 2, 2, rows=[9, 4, 7]) == _reference.encode(block, 2, 99, rows=[9, 4])
    assert _reference.encode(block, 2, 0) == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_decoder_is_complete_when_no_two_blocks_agree_on_its_fragments(dialect):
    """All subsets of twelve fragments of a block of four: complete if and only if no two blocks agree on them."""
    n_frags = 4
    numbers = range(1, 13)
    rows = {n: 1 << (n - 1) if n <= n_frags else _reference.parity_row(n_frags, n - n_frags, dialect) for n in numbers}
    block = b"\x11\x22\x44\x88"
    coded = _reference.encode(block, 1, len(numbers) - n_frags, dialect=dialect)
    payloads = dict(zip(numbers, [*(bytes([byte]) for byte in block), *coded], strict=True))
    for size in range(len(numbers) + 1):
        for chosen in combinations(numbers, size):
            decoder = _reference.Decoder(n_frags, 1, dialect=dialect)
            for n in chosen:
                decoder.push(n, payloads[n])
            unseen = [b for b in range(1, 1 << n_frags) if not any((b & rows[n]).bit_count() % 2 for n in chosen)]
            assert decoder.complete == (not unseen)
            assert 2**decoder.missing == len(unseen) + 1
            if decoder.complete:
                assert decoder.block() == block


def test_decode_stops_when_it_is_complete():
    block = bytes(range(8))
    coded = _reference.encode(block, 2, 20)
    payloads = iter([block[0:2], *coded])
    assert _reference.decode(4, 2, iter([1, *range(5, 25)]), payloads) == block


@pytest.mark.parametrize("name", ["ParityMatrix", "encode", "Decoder", "decode"])
def test_the_reference_has_the_parameters_of_the_codec(name):
    """Its parameters are the codec's, in the same order, with the same defaults; the codec has a few more."""
    theirs = inspect.signature(getattr(_reference, name)).parameters
    ours = inspect.signature(getattr(ff, name)).parameters
    common = [parameter for parameter in ours if parameter in theirs]
    assert common == list(theirs)
    for parameter in theirs:
        assert theirs[parameter].default == ours[parameter].default
        assert theirs[parameter].kind == ours[parameter].kind


def test_classes_of_the_reference_have_members_of_the_codec():
    for mine, ours in ((_reference.ParityMatrix, ff.ParityMatrix), (_reference.Decoder, ff.Decoder)):
        for member in vars(mine):
            if not member.startswith("_"):
                assert hasattr(ours, member)
