"""Sums of trials whose probabilities differ, against counting every outcome."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.planning.convolution import at_most, binomial_pmf, devices_needed, fewest, sum_pmf


@pytest.mark.parametrize(
    ("n", "percent", "needed"), [(10, 90, 9), (10, 91, 10), (1000, 99.9, 999), (3, 0.1, 1), (7, 100, 7), (100, 57, 57)]
)
def test_a_threshold_is_rounded_up_and_taken_as_written(n, percent, needed):
    assert devices_needed(n, percent) == needed


@given(n=st.integers(0, 60), p=st.sampled_from([0.0, 1e-9, 0.1, 0.5, 0.97, 1.0]), k_max=st.integers(0, 70))
def test_the_binomial_distribution_follows_its_formula(n, p, k_max):
    expected = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(min(n, k_max) + 1)]
    assert np.allclose(binomial_pmf(n, p, k_max), expected, rtol=1e-9, atol=1e-300)


def test_a_long_binomial_distribution_keeps_its_tails():
    pmf = binomial_pmf(1_000_000, 0.1)
    assert abs(pmf.sum() - 1) < 1e-8
    assert abs(pmf @ np.arange(pmf.size) - 100_000) < 0.01


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), max_size=4), st.integers(-1, 12)
)
def test_a_sum_of_classes_counts_every_outcome(classes, k):
    devices = [p for size, p in classes for _ in range(size)]
    expected = 0.0
    for outcome in itertools.product([0, 1], repeat=len(devices)):
        if sum(outcome) <= k:
            expected += math.prod(p if hit else 1 - p for p, hit in zip(devices, outcome, strict=True))
    sizes, probabilities = np.array([c[0] for c in classes], np.int64), np.array([c[1] for c in classes], float)
    assert at_most(k, sizes, probabilities) == pytest.approx(expected, abs=1e-12)


def test_long_sums_by_fourier_transform_are_the_same():
    rng = np.random.default_rng(1)
    p = rng.random(600)
    whole = np.ones(1)
    for q in p:
        whole = np.convolve(whole, [1 - q, q])
    assert np.allclose(sum_pmf(np.ones(600, np.int64), p, 600), whole, atol=1e-14)
    assert at_most(290, np.ones(600, np.int64), p) == pytest.approx(whole[:291].sum(), abs=1e-12)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 4000),
    n_classes=st.integers(1, 9),
    highest=st.sampled_from([1e-4, 0.1, 1]),
)
def test_the_window_around_the_mean_has_the_whole_distribution(seed, n, n_classes, highest):
    rng = np.random.default_rng(seed)
    sizes = rng.multinomial(n, np.full(n_classes, 1 / n_classes)).astype(np.int64)
    p = rng.uniform(0, highest, n_classes)
    sums = np.cumsum(sum_pmf(sizes, p, n))
    for k in {0, int(sizes @ p), int(rng.integers(n + 1)), n - 1, n}:
        assert at_most(k, sizes, p) == pytest.approx(sums[min(k, sums.size - 1)], abs=1e-11)
    share = float(rng.uniform(0.01, 0.99))
    k = fewest(share, sizes, p)
    assert sums[min(k, sums.size - 1)] >= share - 1e-11
    assert k == 0 or sums[k - 1] < share + 1e-11


def test_a_million_devices_of_many_classes_agree_with_the_exact_sum():
    rng = np.random.default_rng(0)
    sizes = rng.multinomial(1_000_000, np.full(60, 1 / 60)).astype(np.int64)
    p = rng.beta(1, 9, 60)
    sums = np.cumsum(sum_pmf(sizes, p, 1_000_000))
    mean = round(float(sizes @ p))
    for k in range(mean - 3000, mean + 3000, 250):
        assert at_most(k, sizes, p) == pytest.approx(sums[k], abs=1e-9), "long binomials are summed no more exactly"
    assert at_most(mean // 2, sizes, p) == 0
    assert at_most(2 * mean, sizes, p) == pytest.approx(1, abs=1e-12)
    assert abs(fewest(0.99, sizes, p) - int(np.searchsorted(sums, 0.99))) <= 1
    assert at_most(3, sizes, np.full(60, 1e-6)) == pytest.approx(0.981012, abs=1e-6)
