"""Rows of the parity matrix: what the specification says of them, the core against the reference, and sharing."""

from __future__ import annotations

import copy
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _reference
from fuota_fec.codec.limits import MAX_ROW

law = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

DIALECTS = ["1.0.0", "2.0.0"]
SEAMS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257]
FAR_SEAMS = [1023, 1024, 1025, 4096, 8191, 8192, 8193, 16381, 16382, 16383]
ROW_SEAMS = [1, 2, 7, 8, 9, 8379, 8380, 8381, 8382, 16382, 16383, 16759, 16760, 16761, 16762, 2**16, 2**24, MAX_ROW]
"""8380 is the last row whose seed fits in 23 bits, 16760 in 24 bits."""


def reference_row(n_frags: int, n: int, dialect: str) -> np.ndarray:
    bits = _reference.parity_row(n_frags, n, dialect)
    packed = np.frombuffer(bits.to_bytes(-(-n_frags // 8), "little"), np.uint8)
    return np.unpackbits(packed, bitorder="little")[:n_frags]


# ---- the core is equal to the reference --------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("n_frags", SEAMS)
def test_rows_at_seams_of_sizes_agree_with_the_reference(codec, n_frags, dialect):
    matrix = codec.ParityMatrix(n_frags, dialect)
    for n in ROW_SEAMS:
        assert np.array_equal(matrix.row(n), reference_row(n_frags, n, dialect)), n


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("n_frags", FAR_SEAMS)
@pytest.mark.parametrize("kernel", ff.kernels())
def test_rows_at_seams_of_row_numbers_agree_with_the_reference(kernel, n_frags, dialect):
    matrix = ff.ParityMatrix(n_frags, dialect, kernel=kernel)
    for n in (1, 8380, 8381, 16383 - n_frags or 1, 16760, 16761, MAX_ROW):
        assert np.array_equal(matrix.row(n), reference_row(n_frags, n, dialect)), n


@pytest.mark.parametrize("kernel", ff.kernels())
@law
@given(
    n_frags=st.integers(1, 300),
    n=st.integers(1, MAX_ROW) | st.integers(1, 16383) | st.integers(8370, 8390) | st.integers(16750, 16770),
    dialect=st.sampled_from(DIALECTS),
)
def test_any_row_agrees_with_the_reference(kernel, n_frags, n, dialect):
    row = ff.ParityMatrix(n_frags, dialect, kernel=kernel).row(n)
    assert row.dtype == np.uint8
    assert row.shape == (n_frags,)
    assert np.array_equal(row, reference_row(n_frags, n, dialect))


@law
@given(
    n_frags=st.integers(1, 80),
    start=st.integers(1, 40) | st.integers(8360, 8385) | st.integers(16740, 16765) | st.integers(1, MAX_ROW),
    n_rows=st.integers(0, 25),
    dialect=st.sampled_from(DIALECTS),
)
def test_rows_are_the_single_ones_in_order(codec, n_frags, start, n_rows, dialect):
    """A range crosses panels of eight, and the row from which on the core draws in another way."""
    stop = min(start + n_rows, MAX_ROW + 1)
    rows = codec.ParityMatrix(n_frags, dialect).rows(start, stop)
    assert len(rows) == stop - start
    for n, row in zip(range(start, stop), rows, strict=True):
        assert np.array_equal(row, reference_row(n_frags, n, dialect)), n


@pytest.mark.parametrize("n_frags", [1, 8, 100])
def test_rows_end_at_the_largest_number(n_frags):
    matrix = ff.ParityMatrix(n_frags)
    assert matrix.rows(MAX_ROW, MAX_ROW + 1).tolist() == [reference_row(n_frags, MAX_ROW, "1.0.0").tolist()]
    assert np.array_equal(matrix.rows(MAX_ROW - 8, MAX_ROW + 1)[0], matrix.row(MAX_ROW - 8))


def test_rows_are_writable_arrays_of_the_caller():
    matrix = ff.ParityMatrix(100)
    rows = matrix.rows(3, 20)
    assert rows.shape == (17, 100)
    assert rows.dtype == np.uint8
    assert rows.flags.c_contiguous
    assert set(np.unique(rows)) == {0, 1}
    before = rows.copy()
    rows[:] = 9
    assert np.array_equal(matrix.rows(3, 20), before)
    assert matrix.rows(5, 5).shape == (0, 100)
    assert (matrix.n_frags, matrix.dialect) == (100, "1.0.0")
    assert repr(matrix) == "ParityMatrix(100, dialect='1.0.0')"


# ---- what the specification says of rows -------------------------------------------------------------------


@law
@given(n_frags=st.integers(1, 200), n=st.integers(1, MAX_ROW))
def test_rows_have_the_weight_of_their_dialect(codec, n_frags, n):
    """Dialect 2.0.0: exactly M div 2 ones. 1.0.0: at most that many, and at least one if there is a draw."""
    assert sum(map(int, codec.ParityMatrix(n_frags, "2.0.0").row(n))) == n_frags // 2
    assert (n_frags > 1) <= sum(map(int, codec.ParityMatrix(n_frags, "1.0.0").row(n))) <= n_frags // 2


@pytest.mark.parametrize("n_frags", [1, 2, 3])
def test_dialects_agree_up_to_three_fragments(codec, n_frags):
    one, two = (codec.ParityMatrix(n_frags, dialect) for dialect in DIALECTS)
    for n in ROW_SEAMS:
        assert list(one.row(n)) == list(two.row(n))


def test_dialects_agree_by_chance_and_differ_otherwise(codec):
    one, two = (codec.ParityMatrix(26, dialect) for dialect in DIALECTS)
    assert list(one.row(1)) == list(two.row(1))
    assert any(list(one.row(n)) != list(two.row(n)) for n in range(2, 6))


# ---- growth and sharing ------------------------------------------------------------------------------------


@law
@given(n_frags=st.integers(1, 200), counts=st.lists(st.integers(0, 300), max_size=8), dialect=st.sampled_from(DIALECTS))
def test_leading_rows_stay_as_they_were_when_the_matrix_grows(n_frags, counts, dialect):
    matrix = ff.ParityMatrix(n_frags, dialect)
    panel_len = -(-n_frags // 8) * 8
    seen = b""
    for n_rows in counts:
        panels = matrix.leading_panels(n_rows).tobytes()
        assert len(panels) >= -(-n_rows // 8) * panel_len
        known = min(len(seen), len(panels))
        assert panels[:known] == seen[:known]
        seen = max(seen, panels, key=len)
    at_once = ff.ParityMatrix(n_frags, dialect).leading_panels(max(counts, default=0)).tobytes()
    known = min(len(seen), len(at_once))
    assert seen[:known] == at_once[:known]


def test_a_grown_array_is_not_the_one_that_was_handed_out():
    """Whoever holds the panels of before still holds them."""
    matrix = ff.ParityMatrix(50)
    held = matrix.leading_panels(8)
    copy = held.copy()
    matrix.leading_panels(100)
    assert np.array_equal(held, copy)


@law
@given(
    n_frags=st.integers(1, 60),
    selections=st.lists(st.lists(st.integers(1, 40), unique=True, max_size=12), min_size=1, max_size=6),
)
def test_selected_rows_come_in_their_order_whatever_was_selected_before(n_frags, selections):
    matrix = ff.ParityMatrix(n_frags)
    block = bytes(range(n_frags))
    for rows in selections:
        coded = ff.encode(block, 1, len(rows), rows=rows, matrix=matrix)
        assert [bytes(c) for c in coded] == _reference.encode(block, 1, len(rows), rows=rows)


def test_reading_rows_does_not_depend_on_what_was_kept():
    matrix = ff.ParityMatrix(33, "2.0.0")
    before = matrix.rows(1, 40)
    matrix.leading_panels(20)
    matrix.panels(np.array([9, 4, 30], np.uint32))
    assert np.array_equal(matrix.rows(1, 40), before)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_threads_read_rows_of_one_matrix(seeded_bytes, dialect):
    """Threads that grow it, select from it and encode with it at the same time all get the right bytes."""
    n_frags, frag_size, n_threads = 100, 11, 8
    block = seeded_bytes("threads", n_frags * frag_size)
    expected = [bytes(c) for c in ff.encode(block, frag_size, 600, dialect=dialect)]
    for attempt in range(4):
        matrix = ff.ParityMatrix(n_frags, dialect)
        together = threading.Barrier(n_threads)

        def work(thread: int, matrix=matrix, together=together, attempt=attempt) -> bool:
            together.wait()
            right = True
            for step in range(1, 13):
                n_coded = (37 * step + 50 * thread + attempt) % 600
                coded = ff.encode(block, frag_size, n_coded, dialect=dialect, matrix=matrix)
                right &= [bytes(c) for c in coded] == expected[:n_coded]
                rows = [600 - thread, step, 300 + attempt]
                coded = ff.encode(block, frag_size, 3, dialect=dialect, matrix=matrix, rows=rows)
                right &= [bytes(c) for c in coded] == [expected[n - 1] for n in rows]
            return right

        with ThreadPoolExecutor(n_threads) as pool:
            assert list(pool.map(work, range(n_threads))) == [True] * n_threads


# ---- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, 16384, 2**32, 10**30, None, "5", 5.0, True, [5]], ids=repr)
def test_a_matrix_refuses_n_frags_out_of_range(value):
    with pytest.raises(ff.ParameterError, match=rf"^n_frags: {re.escape(repr(value))} .* from 1 to 16383$"):
        ff.ParityMatrix(value)


@pytest.mark.parametrize("value", [0, -1, 2**32, 2**64, 10**30, None, "1", 1.0, True, [1]], ids=repr)
def test_a_row_number_out_of_range_is_refused(value):
    matrix = ff.ParityMatrix(10)
    with pytest.raises(ff.ParameterError, match=rf"^n: {re.escape(repr(value))} .* from 1 to {MAX_ROW}$"):
        matrix.row(value)
    assert np.array_equal(matrix.row(1), reference_row(10, 1, "1.0.0"))


@pytest.mark.parametrize(
    ("start", "stop", "name"),
    [
        (0, 5, "start"),
        (-3, 5, "start"),
        (2**32, 2**32, "start"),
        (None, 5, "start"),
        (1.0, 5, "start"),
        (1, None, "stop"),
        (1, "5", "stop"),
        (5, 4, "stop"),
        (1, 2**32 + 1, "stop"),
        (1, 10**30, "stop"),
    ],
)
def test_a_range_of_rows_out_of_range_is_refused(start, stop, name):
    matrix = ff.ParityMatrix(10)
    with pytest.raises(ff.ParameterError, match=f"^{name}: "):
        matrix.rows(start, stop)
    assert np.array_equal(matrix.row(1), reference_row(10, 1, "1.0.0"))


def test_a_matrix_refuses_an_unknown_dialect():
    with pytest.raises(ff.ParameterError, match=r"^dialect: '3\.0\.0' .*'1\.0\.0' or '2\.0\.0'$"):
        ff.ParityMatrix(10, "3.0.0")


@pytest.mark.parametrize("kernel", ["nope", "", "PORTABLE", "portable\0", "\ud800", 5, b"portable"], ids=repr)
def test_a_matrix_refuses_an_unknown_kernel(kernel):
    with pytest.raises(ff.ParameterError, match="kernel"):
        ff.ParityMatrix(10, kernel=kernel).row(1)


def test_parameters_of_a_matrix_cannot_be_changed():
    matrix = ff.ParityMatrix(10)
    for name, value in (("n_frags", 11), ("dialect", "2.0.0")):
        with pytest.raises(AttributeError):
            setattr(matrix, name, value)


@pytest.mark.parametrize("kernel", [None, *ff.kernels()])
def test_a_matrix_survives_pickling_with_its_kernel(kernel):
    matrix = ff.ParityMatrix(40, "2.0.0", kernel=kernel)
    matrix.leading_panels(20)
    same = pickle.loads(pickle.dumps(matrix))
    assert repr(same) == repr(matrix)
    assert np.array_equal(same.rows(1, 30), matrix.rows(1, 30))
    assert len(pickle.dumps(matrix)) < 300, "rows are made again, not carried along"


def test_a_copy_of_a_matrix_is_the_matrix():
    matrix = ff.ParityMatrix(3)
    assert copy.copy(matrix) is matrix
    assert copy.deepcopy([matrix])[0] is matrix
