"""Rows to send: the core does what the reference does, and fewer coded fragments complete a fleet."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _core, _reference
from fuota_fec.planning import selection

KERNELS = ff.kernels()
DIALECT = {"1.0.0": 1, "2.0.0": 2}
DEPTH = _reference.SELECT_DEPTH


# ---- the core against the reference ------------------------------------------------------------------------


def chosen_by(kernel, n_frags, dialect, n_candidates, threshold, seed, n_patterns, weights, gains, sent, n_rows):
    rows = np.zeros(n_rows, np.uint32)
    arrays = (np.array(a, np.uint32) for a in (n_patterns, weights, gains, sent))
    _core.select_rows(n_frags, DIALECT[dialect], n_candidates, threshold, seed, *arrays, rows, kernel)
    return rows.tolist()


def chosen_by_reference(*, n_frags, dialect, **more):
    return _reference.select_rows(n_frags, dialect, **more)


@st.composite
def selections(draw):
    n_frags = draw(st.sampled_from([1, 2, 3, 8, 20, 63, 64, 65, 130]))
    n_candidates = draw(st.sampled_from([1, 12, 63, 64, 65, 200]))
    n_sent = draw(st.integers(0, min(6, n_candidates)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_patterns = [0] * (n_frags + 1)
    for _ in range(draw(st.integers(0, 12))):
        n_patterns[min(n_frags, 1 + int(rng.geometric(0.15)))] += int(rng.integers(1, 4))
    return {
        "n_frags": n_frags,
        "dialect": draw(st.sampled_from(["1.0.0", "2.0.0"])),
        "n_candidates": n_candidates,
        "threshold": draw(st.sampled_from([1, 2**29, 2**31])),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "n_patterns": n_patterns,
        "weights": rng.integers(0, 2**20, n_frags + 1).tolist(),
        "gains": rng.integers(1, 2**16, (draw(st.integers(1, 5)), DEPTH + 1)).tolist(),
        "sent": (1 + rng.permutation(n_candidates)[:n_sent]).tolist(),
        "n_rows": draw(st.integers(0, min(8, n_candidates - n_sent))),
    }


@settings(max_examples=80)
@given(arguments=selections())
def test_every_kernel_chooses_what_the_reference_does(arguments):
    expected = chosen_by_reference(**arguments)
    for kernel in KERNELS:
        assert chosen_by(kernel, **arguments) == expected


def test_kernels_agree_on_candidates_of_several_blocks():
    """Kernels compare 512 … 4096 candidates at once; the best may be in any block, and numbers tie across them."""
    n_patterns = [0, 4, 6, 6, 4]
    arguments = {
        **{"n_frags": 4, "dialect": "2.0.0", "n_candidates": 9000, "threshold": 2**28, "seed": 3},
        **{"n_patterns": n_patterns, "weights": [1] * 5, "gains": [[1] * (DEPTH + 1)], "n_rows": 4},
        **{"sent": [1, 513, 4097, 8193]},
    }
    expected = chosen_by_reference(**arguments)
    for kernel in KERNELS:
        assert chosen_by(kernel, **arguments) == expected
    last = {**arguments, "sent": list(range(1, 8999)), "n_rows": 2}
    assert [sorted(chosen_by(kernel, **last)) for kernel in KERNELS] == [[8999, 9000]] * len(KERNELS)


@pytest.mark.parametrize(
    ("n_frags", "loss", "n_coded", "dialect"),
    [(3, 0.2, 9, "1.0.0"), (17, 0.4, 10, "2.0.0"), (50, 0.05, 10, "1.0.0"), (300, 0.05, 12, "2.0.0")],
)
def test_real_pools_give_the_same_rows_on_every_kernel(n_frags, loss, n_coded, dialect):
    rows = [ff.select_rows(n_frags, loss, n_coded, dialect=dialect, kernel=k).tolist() for k in KERNELS]
    assert rows == [rows[0]] * len(KERNELS)


RECORDED_50 = [3490, 4782, 5165, 10510, 9299, 11431, 12992, 6972]
RECORDED_100 = [5786, 461, 5404, 12576, 8357, 4428, 9671, 9876]


def test_rows_are_the_same_on_every_machine():
    """Recorded rows: a change of them would change every campaign that has begun and is continued."""
    assert ff.select_rows(50, 0.05, 8).tolist() == RECORDED_50
    assert ff.select_rows(100, 0.02, 8, dialect="2.0.0", seed=7).tolist() == RECORDED_100


# ---- what they are good for -------------------------------------------------------------------------------

TABLE = [
    # dialect, M, loss; coded fragments with which 90, 99, 99.9 % complete: at most, and with rows 1, 2, 3 …
    ("1.0.0", 10, 0.10, (4, 6, 9), (5, 8, 11)),
    ("1.0.0", 17, 0.08, (5, 7, 10), (9, 23, 24)),
    ("1.0.0", 21, 0.05, (4, 6, 8), (9, 14, 15)),
    ("1.0.0", 21, 0.10, (6, 9, 12), (14, 15, 17)),
    ("1.0.0", 21, 0.20, (11, 15, 20), (14, 17, 21)),
    ("1.0.0", 32, 0.05, (5, 8, 10), (7, 10, 14)),
    ("1.0.0", 43, 0.07, (7, 11, 14), (10, 16, 20)),
    ("1.0.0", 50, 0.05, (7, 10, 13), (14, 16, 19)),
    ("1.0.0", 50, 0.10, (11, 15, 19), (16, 19, 24)),
    ("1.0.0", 64, 0.05, (8, 11, 15), (10, 15, 17)),
    ("1.0.0", 90, 0.03, (7, 10, 14), (9, 12, 15)),
    ("1.0.0", 100, 0.02, (6, 9, 12), (8, 16, 16)),
    ("1.0.0", 100, 0.10, (18, 23, 28), (18, 29, 31)),
    ("2.0.0", 21, 0.05, (4, 6, 8), (6, 7, 10)),
    ("2.0.0", 50, 0.05, (6, 10, 13), (8, 11, 16)),
    ("2.0.0", 100, 0.10, (18, 23, 28), (18, 23, 28)),
]


def needed_for(n_frags, loss, dialect, rows, n_devices, seed=77):
    """Coded fragments with which 90, 99 and 99.9 % complete; one more than sent if they never do."""
    trial = ff.simulate_fleet(n_frags, loss, n_devices, max_coded=len(rows), version=dialect, rows=rows, seed=seed)
    never = len(rows) + 1
    counts = np.bincount(np.where(trial.coded_needed < 0, never, trial.coded_needed), minlength=never + 1)
    completed = np.cumsum(counts[:never]) / n_devices
    return tuple(int(np.searchsorted(completed, share)) for share in (0.9, 0.99, 0.999))


@pytest.mark.parametrize(("dialect", "n_frags", "loss", "at_most", "first"), TABLE, ids=str)
def test_fewer_coded_fragments_complete_a_fleet(dialect, n_frags, loss, at_most, first):
    rows = ff.select_rows(n_frags, loss, at_most[2] + 3, dialect=dialect)
    needed = needed_for(n_frags, loss, dialect, rows, 1_000_000)
    assert needed[0] <= at_most[0]
    assert needed[1] <= at_most[1]
    assert needed[2] <= at_most[2] + 1
    assert all(mine <= theirs for mine, theirs in zip(needed, first, strict=True))


def test_the_whole_table_of_published_rows_holds():
    """A few rows may need one coded fragment more than the table has."""
    extra = 0
    for dialect, n_frags, loss, at_most, _ in TABLE:
        rows = ff.select_rows(n_frags, loss, at_most[2] + 3, dialect=dialect, seed=1)
        needed = needed_for(n_frags, loss, dialect, rows, 200_000)
        extra += sum(max(0, mine - theirs) for mine, theirs in zip(needed, at_most, strict=True))
    assert extra <= 3


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(("n_frags", "loss"), [(5, 0.15), (33, 0.01), (75, 0.3), (128, 0.15), (200, 0.01), (255, 0.03)])
def test_chosen_rows_are_never_worse_than_the_first_rows(dialect, n_frags, loss):
    n_coded = int(2 * n_frags * loss / (1 - loss)) + 26
    chosen, first = (
        needed_for(n_frags, loss, dialect, rows, 200_000)
        for rows in (ff.select_rows(n_frags, loss, n_coded, dialect=dialect, seed=5), range(1, n_coded + 1))
    )
    assert all(mine <= theirs for mine, theirs in zip(chosen, first, strict=True))


def test_rows_chosen_for_one_loss_serve_another():
    first = needed_for(50, 0.1, "1.0.0", range(1, 41), 200_000)
    for planned in (0.02, 0.05):
        needed = needed_for(50, 0.1, "1.0.0", ff.select_rows(50, planned, 40), 200_000)
        assert sum(needed) < sum(first) - 9


# ---- sequences ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_frags", "loss", "seed"), [(21, 0.1, 0), (50, 0.05, 9), (3, 0.3, 1), (2000, 0.1, 0)])
def test_a_sequence_is_continued_as_it_would_have_gone_on(n_frags, loss, seed):
    whole = ff.select_rows(n_frags, loss, 24, seed=seed)
    for n in (0, 1, 9, 24):
        begun = ff.select_rows(n_frags, loss, n, seed=seed)
        rest = ff.select_rows(n_frags, loss, 24 - n, seed=seed, after=begun)
        assert begun.tolist() == whole[:n].tolist()
        assert rest.tolist() == whole[n:].tolist()


@given(
    st.sampled_from([1, 2, 3, 4, 20, 64, 100, 700, 1500, 16000, 16382]),
    st.sampled_from([0.0, 1e-12, 0.001, 0.03, 0.2, 0.5, 0.7, 0.999999]),
    st.integers(0, 2**64 - 1),
    st.data(),
)
@settings(max_examples=40)
def test_rows_are_distinct_and_can_be_sent(n_frags, loss, seed, data):
    most = 16383 - n_frags
    after = data.draw(st.lists(st.integers(1, most), unique=True, max_size=min(most, 10)))
    n_coded = data.draw(st.integers(0, min(12, most - len(after))))
    rows = ff.select_rows(n_frags, loss, n_coded, seed=seed, after=after)
    assert rows.dtype == np.uint32
    assert rows.shape == (n_coded,)
    assert len({*rows.tolist(), *after}) == n_coded + len(after)
    assert all(1 <= row <= most for row in rows.tolist())


def test_all_rows_can_be_selected():
    assert sorted(ff.select_rows(16, 0.1, 16367).tolist()) == list(range(1, 16368))
    assert ff.select_rows(16382, 0.001, 1).tolist() == [1]
    assert ff.select_rows(16383, 0.001, 0).tolist() == []


def test_the_first_rows_are_returned_where_a_choice_gains_nothing():
    assert ff.select_rows(50, 0.0, 5).tolist() == [1, 2, 3, 4, 5]
    assert ff.select_rows(50, 0, 3, after=[2, 4]).tolist() == [1, 3, 5]
    assert ff.select_rows(2000, 0.1, 4).tolist() == [1, 2, 3, 4]
    assert ff.select_rows(64, 0.6, 4).tolist() == [1, 2, 3, 4]
    assert ff.select_rows(1, 0.1, 4).tolist() == [1, 2, 3, 4]  # Rows of one fragment are empty.


def test_rows_depend_on_the_seed_the_loss_and_the_dialect():
    rows = ff.select_rows(50, 0.05, 10)
    assert not np.array_equal(rows, ff.select_rows(50, 0.05, 10, seed=1))
    assert not np.array_equal(rows, ff.select_rows(50, 0.2, 10))
    assert not np.array_equal(rows, ff.select_rows(50, 0.05, 10, dialect="2.0.0"))


def test_version_is_another_name_for_dialect_in_a_selection():
    rows = ff.select_rows(50, 0.05, 10, version="2.0.0")
    assert rows.tolist() == ff.select_rows(50, 0.05, 10, dialect="2.0.0").tolist()


def test_rows_are_cached_and_read_only():
    rows = ff.select_rows(30, 0.05, 10)
    assert ff.select_rows(30, 0.05, 10) is rows
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 1


def test_a_block_is_prepared_and_continued_with_selected_rows():
    image = bytes(range(200)) * 3
    rows = ff.select_rows(30, 0.1, 9)
    block = ff.prepare(image, 20, rows=rows)
    more = ff.select_rows(30, 0.1, 3, after=block.rows)
    decoder = ff.Decoder(30, 20)
    for frag_nb in (*range(6, 31), *(30 + n for n in block.rows.tolist())):
        decoder.push(frag_nb, block.frame(frag_nb)[3:])
    for n, frame in zip(more.tolist(), block.more(more), strict=True):
        decoder.push(30 + n, bytes(frame)[3:])
    assert block.rows.tolist() == rows.tolist()
    assert decoder.block() == image


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((0, 0.1, 1), {}, "n_frags: 0"),
        ((50, 1, 1), {}, "loss: 1 "),
        ((50, -0.01, 1), {}, r"loss: -0\.01"),
        ((50, float("nan"), 1), {}, "loss: nan"),
        ((50, [0.1, 0.2], 1), {}, "loss: "),
        ((50, "much", 1), {}, "loss: 'much'"),
        ((50, 0.1, 16334), {}, "n_coded: 16334 is not from 0 to 16333"),
        ((50, 0.1, -1), {}, "n_coded: -1"),
        ((50, 0.1, 16333), {"after": [3]}, "n_coded: 16333 is not from 0 to 16332"),
        ((50, 0.1, 1), {"after": [16334]}, "rows: 16334"),
        ((50, 0.1, 1), {"after": [4, 4]}, "rows: 4 is given twice"),
        ((50, 0.1, 1), {"dialect": "1.1.0"}, "dialect: '1.1.0'"),
        ((50, 0.1, 1), {"version": "1.1.0"}, "dialect: '1.1.0'"),
        ((50, 0.1, 1), {"dialect": "1.0.0", "version": "2.0.0"}, "dialect, version: '1.0.0' and '2.0.0' differ"),
        ((50, 0.1, 1), {"seed": -1}, "seed: -1"),
        ((50, 0.1, 1), {"kernel": "abacus"}, "kernel 'abacus'"),
    ],
    ids=str,
)
def test_a_selection_refuses_bad_arguments(arguments, keywords, message):
    with pytest.raises(ff.ParameterError, match=message):
        ff.select_rows(*arguments, **keywords)


GOOD = {
    "n_frags": 4,
    "dialect": 1,
    "n_candidates": 100,
    "threshold": 2**28,
    "seed": 0,
    "n_patterns": np.ones(5, np.uint32),
    "weights": np.ones(5, np.uint32),
    "gains": np.ones(DEPTH + 1, np.uint32),
    "sent": np.array([7], np.uint32),
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_frags": 0}, "n_frags"),
        ({"n_candidates": 16384}, "n_candidates"),
        ({"dialect": 3}, "dialect"),
        ({"n_patterns": np.ones(4, np.uint32)}, "n_patterns"),
        ({"n_patterns": np.full(5, 2**18, np.uint32)}, "would not fit"),
        ({"weights": np.ones(6, np.uint32)}, "weights"),
        ({"weights": np.full(5, 2**24, np.uint32), "gains": np.full(DEPTH + 1, 2**16, np.uint32)}, "would not fit"),
        ({"gains": np.ones(DEPTH, np.uint32)}, "gains"),
        ({"gains": np.ones(0, np.uint32)}, "gains"),
        ({"sent": np.array([0], np.uint32)}, "sent: 0"),
        ({"sent": np.array([101], np.uint32)}, "sent: 101"),
        ({"sent": np.arange(1, 100, dtype=np.uint32)}, "more than there are"),
        ({"sent": np.frombuffer(bytes(9), np.uint8)[1:]}, "sent: 0"),
        ({"sent": "text"}, "sent: str is not a C-contiguous buffer"),
    ],
    ids=str,
)
def test_the_core_never_leaves_its_buffers(changed, message):
    rows = np.zeros(2, np.uint32)
    _core.select_rows(**GOOD, rows=rows)
    assert rows.all()
    with pytest.raises(ff.ParameterError, match=message):
        _core.select_rows(**GOOD | changed, rows=rows)


# ---- the pool ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_frags", "loss"), [(1, 0.5), (10, 0.1), (50, 0.05), (64, 2**-20), (1024, 0.03)])
def test_likelihoods_are_those_of_the_binomial_law(n_frags, loss):
    threshold = selection.loss_threshold(loss)
    p = Fraction(threshold, 2**32)
    found = selection.losses_of(n_frags, threshold)
    for n in {0, 1, n_frags // 2, n_frags}:
        exact = comb(n_frags, n) * p**n * (1 - p) ** (n_frags - n) * 2**selection.PRECISION
        assert found[n] == exact.numerator // exact.denominator


@pytest.mark.parametrize(("n_frags", "loss"), [(1, 0.1), (2, 0.5), (10, 0.1), (50, 0.05), (100, 0.3), (1024, 0.03)])
def test_patterns_stand_for_the_devices_that_lost_something(n_frags, loss):
    threshold = selection.loss_threshold(loss)
    likelihoods = selection.losses_of(n_frags, threshold)
    n_patterns, weights, gains = (a.astype(float) for a in selection.pool_of(n_frags, threshold))
    assert n_patterns.sum() <= selection.PATTERNS + n_frags
    assert (n_patterns * np.arange(n_frags + 1)).sum() <= selection.VECTORS * 1.1
    stands_for = n_patterns * weights
    exact = np.array([float(Fraction(x, 2**selection.PRECISION)) for x in likelihoods])
    exact[0] = 0
    assert np.abs(stands_for / stands_for.sum() - exact / exact.sum()).max() < 0.01
    assert (gains >= 1).all()
    assert (gains < 2**16).all()


def test_gains_follow_their_formula():
    n_frags, loss = 50, 0.05
    threshold = selection.loss_threshold(loss)
    gains = selection.pool_of(n_frags, threshold).gains.astype(float)
    law = np.array([comb(n_frags, n) * loss**n * (1 - loss) ** (n_frags - n) for n in range(n_frags + 1)])
    d = np.arange(n_frags + 1)
    q = [np.where(d > 0, 1.0, 0.0)]
    for _ in range(60):
        q.append(q[-1] - (q[-1] - np.concatenate([[0], q[-1][:-1]])) * (1 - loss) * (1 - 0.5**d))
    share = [float(now @ law) for now in q]
    first = next(r for r, s in enumerate(share) if s <= 0.5)
    last = next(r for r, s in enumerate(share) if s <= 0.0002)
    assert len(gains) == last + 1
    for n_sent in (0, 5, last):
        expected = np.zeros(DEPTH)
        for r in range(max(first, n_sent + 1), max(last, n_sent + selection.ROWS_AHEAD) + 1):
            now = q[r - n_sent]
            expected += (now[1 : DEPTH + 1] - now[:DEPTH]) / max(share[r], 0.0002)
        found = gains[n_sent, 1:]
        assert np.abs(found / found.max() - expected / expected.max()).max() < 0.001
