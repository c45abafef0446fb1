"""Distribution of the number of devices that complete: sums of independent trials whose probabilities differ."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]

_FFT_FROM = 1 << 16
"""Product of two lengths from which a convolution by FFT is faster."""


_NEGLIGIBLE = 45.0
"""-ln of a factor that is not worth adding: 3e-20."""


def devices_needed(n_devices: int, success_threshold: float) -> int:
    """Number of devices that a threshold in percent requires, rounded up.

    The threshold is taken as the decimal number that it is written as, not as the nearest binary fraction.
    """
    return math.ceil(Fraction(repr(success_threshold)) * n_devices / 100)


def binomial_pmf(n: int, p: float, k_max: int | None = None) -> Probabilities:
    """P(k of n) for k = 0 … min(n, k_max), each trial with probability p."""
    k_max = n if k_max is None else min(n, k_max)
    if p <= 0:
        return _certain(k_max, 0)
    if p >= 1:
        return _certain(k_max, n)
    k = np.arange(1, k_max + 1)
    log_choices = np.concatenate([[0.0], np.cumsum(np.log((n - k + 1) / k))])
    k = np.arange(k_max + 1)
    return np.asarray(np.exp(log_choices + k * math.log(p) + (n - k) * math.log1p(-p)))


def _certain(k_max: int, k: int) -> Probabilities:
    pmf = np.zeros(k_max + 1)
    pmf[k : k + 1] = 1
    return pmf


def at_most(k: int, sizes: npt.NDArray[np.int64], p: Probabilities) -> float:
    """P(at most k are counted): class c has sizes[c] members, each counted with probability p[c].

    Exact, tails too, for small k or few members; else within 1e-11, by the window around the mean.
    """
    if k < 0:
        return 0.0
    first, length = _window(sizes, p)
    if k + 1 <= length:
        return min(1.0, float(sum_pmf(sizes, p, k).sum()))
    return min(1.0, float(_pmf_in(first, length, sizes, p)[: max(0, k + 1 - first)].sum()))


def fewest(share: float, sizes: npt.NDArray[np.int64], p: Probabilities) -> int:
    """Least k with P(at most k are counted) ≥ share; classes as in `at_most`."""
    n = int(sizes.sum())
    first, length = _window(sizes, p)
    if length > n:
        first, pmf = 0, sum_pmf(sizes, p, n)
    else:
        pmf = _pmf_in(first, length, sizes, p)
    return min(n, first + int(np.searchsorted(np.cumsum(pmf), share)))


def _window(sizes: npt.NDArray[np.int64], p: Probabilities) -> tuple[int, int]:
    """First k of a window around the mean, and its length, a power of two. By Bernstein's inequality the probability
    outside is below 1e-30."""
    mean, variance = float(sizes @ p), float(sizes @ (p * (1 - p)))
    half = 12 * math.sqrt(variance) + 80
    return max(0, int(mean - half)), 1 << math.ceil(2 * half + 2).bit_length()


def _pmf_in(first: int, length: int, sizes: npt.NDArray[np.int64], p: Probabilities) -> Probabilities:
    """P(k are counted) for `length` values of k from `first` on, from the characteristic function of the sum.

    Its values at `length` points determine the distribution modulo `length`, and outside the window there is nothing.
    """
    used = (sizes > 0) & (p > 0)
    n, q = sizes[used, None], p[used, None]
    angles = 2 * np.pi * np.arange(length // 2 + 1) / length
    # |φ(t)| ≤ exp(-variance (1 - cos t)): most values are 0 in double precision.
    angles = angles[float(np.sum(n * q * (1 - q))) * (1 - np.cos(angles)) < _NEGLIGIBLE]
    phi = np.zeros(length // 2 + 1, np.complex128)
    with np.errstate(divide="ignore"):  # Where a factor is 0 its logarithm is -inf, and the product 0.
        phi[: angles.size] = np.exp(np.sum(n * np.log1p(q * np.expm1(1j * angles)), axis=0).conj())
    return np.maximum(np.roll(np.fft.irfft(phi, length), -(first % length)), 0.0)


def sum_pmf(sizes: npt.NDArray[np.int64], p: Probabilities, k_max: int) -> Probabilities:
    """P(k are counted) for k = 0 … k_max, or up to the largest possible k; classes as in `at_most`."""
    parts = [binomial_pmf(int(n), float(q), k_max) for n, q in zip(sizes, p, strict=True) if n and q > 0]
    while len(parts) > 1:
        whole = len(parts) // 2 * 2
        parts = [_convolve(a, b, k_max + 1) for a, b in zip(parts[::2], parts[1::2], strict=False)] + parts[whole:]
    return parts[0] if parts else np.ones(1)


def _convolve(a: Probabilities, b: Probabilities, length: int) -> Probabilities:
    if a.size * b.size < _FFT_FROM:
        return np.convolve(a, b)[:length]
    full = a.size + b.size - 1
    n = 1 << (full - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(a, n) * np.fft.rfft(b, n), n)[: min(full, length)]
    return np.maximum(product, 0.0)
