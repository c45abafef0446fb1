"""What TS004 allows, and that a refusal names the value and what was expected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec import ParameterError
from fuota_fec.codec import limits


def test_the_numbers_of_the_specification():
    assert limits.MAX_FRAG_NB == 2**14 - 1
    assert limits.MAX_FRAGS == 2**14 - 1
    assert limits.MAX_FRAG_SIZE == 2**8 - 1
    assert limits.MAX_ROW == 2**32 - 1


# ---- counts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "name", "high"), [(limits.check_n_frags, "n_frags", 16383), (limits.check_frag_size, "frag_size", 255)]
)
def test_a_count_is_checked_at_both_ends_of_its_range(check, name, high):
    assert check(1) == 1
    assert check(high) == high
    for value in (0, -1, high + 1):
        with pytest.raises(ParameterError, match=rf"^{name}: {value} is not from 1 to {high}$"):
            check(value)


# ---- row numbers ------------------------------------------------------------------------------------------

UNIQUE_ROWS = st.lists(st.integers(1, 2**32 - 1), unique=True, max_size=30)


@given(UNIQUE_ROWS, st.data())
def test_row_numbers_keeps_order_and_cuts(rows, data):
    n_coded = data.draw(st.none() | st.integers(0, len(rows)))
    numbers = limits.row_numbers(rows, n_coded)
    assert numbers.dtype == np.uint32
    assert numbers.ndim == 1
    assert numbers.flags.c_contiguous
    assert numbers.tolist() == (rows if n_coded is None else rows[:n_coded])


@pytest.mark.parametrize(
    "rows",
    [
        [3, 1, 2],
        (3, 1, 2),
        iter([3, 1, 2]),
        {3: "a", 1: "b", 2: "c"},
        b"\3\1\2",
        np.array([3, 1, 2], np.uint8),
        np.array([3, 1, 2], np.int64),
        np.array([3, 1, 2], np.uint64),
        np.array([3, 1, 2], ">u4"),
        np.array([3, 0, 1, 0, 2], np.uint32)[::2],
        np.array([2, 1, 3], np.int16)[::-1],
        [np.uint16(3), 1, np.int64(2)],
    ],
    ids=lambda rows: f"{type(rows).__name__}",
)
def test_row_numbers_takes_any_iterable_of_whole_numbers(rows):
    numbers = limits.row_numbers(rows)
    assert numbers.tolist() == [3, 1, 2]
    assert numbers.dtype == np.dtype("uint32")
    assert numbers.flags.c_contiguous


@pytest.mark.parametrize(
    "rows", [[], (), range(0), np.empty(0, np.uint32), np.empty(0), iter(())], ids=lambda rows: type(rows).__name__
)
@pytest.mark.parametrize("n_coded", [None, 0])
def test_row_numbers_takes_no_rows(rows, n_coded):
    numbers = limits.row_numbers(rows, n_coded)
    assert numbers.shape == (0,)
    assert numbers.dtype == np.uint32


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([0], "0"),
        ([1, 0], "0"),
        ([-1], "-1"),
        ([1, -5, 3], "-5"),
        ([2**32], str(2**32)),
        ([2**63 - 1], str(2**63 - 1)),
        (np.array([2**64 - 1], np.uint64), str(2**64 - 1)),
        (np.array([-(2**63)]), str(-(2**63))),
    ],
)
def test_a_row_number_out_of_range_is_named(rows, named):
    with pytest.raises(ParameterError, match=rf"^rows: {named} is not a row number from 1 to {2**32 - 1}$"):
        limits.row_numbers(rows)


@given(st.integers(0, 100), st.integers(1, 200))
def test_the_largest_row_is_the_callers(max_row, row):
    if row <= max_row:
        assert limits.row_numbers([row], max_row=max_row).tolist() == [row]
    else:
        with pytest.raises(ParameterError, match=rf"^rows: {row} is not a row number from 1 to {max_row}$"):
            limits.row_numbers([row], max_row=max_row)


@given(st.lists(st.integers(1, 50), unique=True, min_size=1, max_size=20), st.data())
def test_a_row_given_twice_is_named(rows, data):
    twice = data.draw(st.sampled_from(rows))
    where = data.draw(st.integers(0, len(rows)))
    with pytest.raises(ParameterError, match=rf"^rows: {twice} is given twice$"):
        limits.row_numbers([*rows[:where], twice, *rows[where:]])


def test_row_numbers_ignores_rows_beyond_n_coded():
    assert limits.row_numbers([4, 5, 4, 0], 2).tolist() == [4, 5]


@pytest.mark.parametrize(
    "rows",
    [
        5,
        None,
        1.5,
        "12",
        [1.0],
        [1, 2.5],
        ["1"],
        [None],
        [True],
        np.array([True, False]),
        np.array([1.0, 2.0]),
        np.array([1, 2], object),
        np.array(3),
        [[1, 2]],
        [[1], [2, 3]],
        [1, [2]],
        [10**30],
        [2**64],
        pytest.param([10**5000], id="too long to print"),
        [2**63, 1, -1],
        object,
    ],
    ids=lambda rows: None if isinstance(rows, np.ndarray) else repr(rows),
)
def test_what_is_not_a_sequence_of_row_numbers_is_refused(rows):
    with pytest.raises(ParameterError, match=r"^rows: "):
        limits.row_numbers(rows)


@given(st.integers(0, 20), st.integers(1, 20))
def test_row_numbers_refuses_n_coded_beyond_the_rows(n_rows, excess):
    with pytest.raises(ParameterError, match=rf"^n_coded: {n_rows + excess} .* only {n_rows} rows given$"):
        limits.row_numbers(range(1, n_rows + 1), n_rows + excess)


def test_row_numbers_leaves_the_callers_array_alone():
    rows = np.array([7, 3, 5], np.uint32)
    numbers = limits.row_numbers(rows, 2)
    assert rows.tolist() == [7, 3, 5]
    assert rows.flags.writeable
    assert numbers.tolist() == [7, 3]
