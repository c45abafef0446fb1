"""Probability that a device completes, compared with enumeration, formulas and published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import profile
from fuota_fec.planning.erasures import matrix_columns, needed_of
from fuota_fec.planning.probability import closed_form, wilson


def enumerated(n_frags: int, n_coded: int, loss: float, dialect: str, *, rows=None, max_losses=None) -> float:
    """Probability of completion, summed over every pattern of losses."""
    n_sent = n_frags + n_coded
    lost = np.array(list(itertools.product([False, True], repeat=n_sent)))
    numbers = np.array(rows or range(1, n_coded + 1), np.uint32)
    done = needed_of(matrix_columns(n_frags, dialect, numbers), n_frags, lost) >= 0
    if max_losses is not None:
        done &= lost[:, :n_frags].sum(axis=1) <= max_losses
    n_lost = lost[done].sum(axis=1)
    return float(np.sum(loss**n_lost * (1 - loss) ** (n_sent - n_lost)))


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(
    ("n_frags", "n_coded", "loss", "more"),
    [
        (1, 3, 0.2, {}),
        (5, 4, 0.1, {}),
        (9, 6, 0.25, {}),
        (8, 5, 0.2, {"max_losses": 1}),
        (7, 4, 0.2, {"rows": [9, 2, 700, 31]}),
        (6, 0, 0.1, {}),
    ],
)
def test_trials_agree_with_every_pattern(dialect, n_frags, n_coded, loss, more):
    estimate = ff.estimate_completion(n_frags, n_coded, loss, dialect=dialect, confidence=0.9999, **more)
    expected = enumerated(n_frags, n_coded, loss, dialect, **more)
    assert estimate.low <= expected <= estimate.high
    assert estimate.high - estimate.low < 0.012
    assert ff.decode_probability(n_frags, n_coded, loss, dialect=dialect, **more) == estimate.probability


def test_an_estimate_depends_on_the_seed_and_not_on_the_kernel():
    same = [ff.estimate_completion(40, 10, 0.1, n_trials=5000, kernel=k) for k in ff.kernels()]
    assert len(set(same)) == 1
    assert ff.estimate_completion(40, 10, 0.1, n_trials=5000, seed=1) != same[0]
    assert ff.decode_probability(40, 10, 0.0) == 1


# ---- closed forms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [(0, 0.2888), (1, 0.5776), (2, 0.7701), (7, 0.9922)])
def test_a_random_matrix_as_published(extra):
    """Square matrices over GF(2), and e rows more: everything lost, nothing lost of what is sent afterwards."""
    e, published = extra
    full = math.prod(1 - 0.5**i for i in range(e + 1, 200))
    assert full == pytest.approx(published, abs=5e-5)
    # Losses of nearly 1 are out of range for coded fragments, so the formula by hand for those that were received.
    expected = sum(
        math.comb(60 + e, k) * 0.5 ** (60 + e) * math.comb(60, lost) * 0.5**60 * prod_full(lost, k)
        for k in range(61 + e)
        for lost in range(k + 1)
        if lost <= 60
    )
    assert closed_form(60, 60 + e, 0.5) == pytest.approx(expected, rel=1e-9)


def prod_full(lost: int, received: int) -> float:
    return math.prod(1 - 0.5**i for i in range(received - lost + 1, received + 1))


def test_the_mean_extra_of_a_random_matrix_as_published():
    completes = np.array([math.prod(1 - 0.5**i for i in range(e + 1, 200)) for e in range(100)])
    assert np.sum(1 - completes) == pytest.approx(1.6067, abs=5e-5)


@pytest.mark.parametrize(("m", "r", "loss"), [(10, 4, 0.1), (50, 7, 0.05), (100, 20, 0.1), (16383, 0, 1e-5)])
def test_the_ideal_code_needs_as_many_as_there_are(m, r, loss):
    """Any M of M + R fragments complete the ideal code, so at most R may be lost."""
    expected = sum(math.comb(m + r, k) * loss**k * (1 - loss) ** (m + r - k) for k in range(r + 1))
    found = ff.estimate_completion(m, r, loss, method="ideal")
    assert found.probability == pytest.approx(expected, rel=1e-9)
    assert (found.low, found.high, found.n_trials) == (found.probability, found.probability, 0)


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
def test_the_matrix_is_as_good_as_a_random_one_with_many_losses(dialect):
    exact = ff.estimate_completion(500, 75, 0.1, dialect=dialect, confidence=0.9999)
    assert exact.low <= closed_form(500, 75, 0.1) <= exact.high
    assert exact.probability < closed_form(500, 75, 0.1, ideal=True)


def test_the_matrix_is_worse_than_a_random_one_with_few_losses():
    """M = 21, 5 % loss, nine coded fragments of dialect 1.0.0 (published: 90 %, where a random matrix has 99 %)."""
    exact = ff.estimate_completion(21, 9, 0.05)
    assert exact.high < 0.96
    assert closed_form(21, 9, 0.05) > 0.99


def test_the_closed_form_at_its_extremes():
    assert closed_form(16000, 383, 0.01) == pytest.approx(1, abs=1e-3)
    assert closed_form(10, 10, 0.0) == 1
    assert closed_form(10, 0, 0.1) == pytest.approx(0.9**10)
    assert closed_form(10, 400, 0.3, max_losses=2) == pytest.approx(
        sum(math.comb(10, k) * 0.3**k * 0.7 ** (10 - k) for k in range(3))
    )


def test_closed_forms_of_distributions_agree_with_trials():
    mix = ff.LossMix(shares=((0.75, 0.05), (0.25, 0.2)))
    parts = 0.75 * closed_form(30, 8, 0.05) + 0.25 * closed_form(30, 8, 0.2)
    assert ff.estimate_completion(30, 8, mix, method="random").probability == pytest.approx(parts)
    for shape in ({"mean": 0.1, "spread": 0.05}, {"mean": 0.05, "spread": 0.1}):
        beta = ff.BetaLoss(**shape)
        closed = ff.estimate_completion(200, 30, beta, method="random").probability
        exact = ff.estimate_completion(200, 30, beta, dialect="2.0.0", confidence=0.9999)
        assert exact.low <= closed <= exact.high


def test_bursts_cost_more_than_the_same_loss_spread_out():
    burst = ff.GilbertElliott(p_good_to_bad=0.01, p_bad_to_good=0.1)
    spread = ff.GilbertElliott(p_good_to_bad=0.5, p_bad_to_good=0.5, loss_good=burst.mean, loss_bad=burst.mean)
    exact = ff.estimate_completion(50, 20, spread, dialect="2.0.0", n_trials=20_000, confidence=0.9999)
    assert exact.low <= ff.decode_probability(50, 20, burst.mean, dialect="2.0.0") <= exact.high
    assert ff.decode_probability(50, 20, burst, dialect="2.0.0", n_trials=20_000) < exact.low - 0.02


def test_a_device_that_can_solve_few_losses():
    """LoRaMac-node solves five of 21, however many coded fragments are sent."""
    limit = profile("loramac-node").solvable_losses(21)
    expected = sum(math.comb(21, k) * 0.1**k * 0.9 ** (21 - k) for k in range(6))
    estimate = ff.estimate_completion(21, 300, 0.1, max_losses=limit, confidence=0.9999)
    assert estimate.low <= expected <= estimate.high
    assert ff.decode_probability(21, 300, 0.1) == 1


def test_wilson_bounds_are_z_standard_deviations_away():
    """The interval holds the shares of which the count is within z standard deviations."""
    for k, n in ((0, 10), (3, 10), (10, 10), (990, 1000)):
        low, high = wilson(k, n, 2.0)
        assert low <= k / n <= high
        for bound in {low, high} - {0.0, 1.0}:
            assert abs(k / n - bound) == pytest.approx(2 * (bound * (1 - bound) / n) ** 0.5)


# ---- published: coded fragments beyond the losses ------------------------------------------------------------

EXTRA = {
    (21, 1): ((2.42, 2, 5, 13), (1.16, 1, 3, 5)),
    (21, 2): ((3.26, 2, 12, 12), (1.56, 1, 4, 5)),
    (21, 5): ((3.83, 4, 9, 9), (1.35, 1, 3, 6)),
    (21, 10): ((2.51, 3, 4, 5), (1.33, 1, 3, 6)),
    (100, 1): ((1.64, 1, 5, 9), (1.23, 1, 4, 8)),
    (100, 2): ((2.34, 1, 5, 14), (1.68, 1, 4, 7)),
    (100, 5): ((2.57, 2, 5, 11), (1.80, 1, 4, 7)),
    (100, 10): ((2.08, 1, 6, 8), (1.66, 1, 4, 8)),
    (100, 20): ((1.6, 1, 4, 7), (1.6, 1, 4, 7)),
    (500, 1): ((1.56, 1, 4, 9), (1.07, 0, 3, 6)),
    (500, 5): ((2.14, 2, 5, 7), (1.62,)),
    (500, 25): ((1.6, 1, 4, 7), (1.6, 1, 4, 7)),
    (1000, 50): ((1.6, 1, 4, 7), (1.6, 1, 4, 7)),
}
"""Mean, and the share of 50, 90 and 99 %, of coded fragments beyond L losses, for both dialects: measured with some
thousand devices, all coded fragments received, rows 1, 2, 3 …"""


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(("n_frags", "n_lost"), EXTRA)
def test_published_extra_fragments(n_frags, n_lost, dialect):
    n = 10_000 if n_frags < 1000 else 4000
    mean, *quantiles = EXTRA[n_frags, n_lost][dialect == "2.0.0"]
    rng = np.random.default_rng(7)
    lost = np.zeros((n, n_frags + n_lost + 60), np.bool_)
    places = np.argpartition(rng.random((n, n_frags), dtype=np.float32), n_lost, axis=1)[:, :n_lost]
    np.put_along_axis(lost, places, True, 1)
    rows = np.arange(1, n_lost + 61, dtype=np.uint32)
    extra = needed_of(matrix_columns(n_frags, dialect, rows), n_frags, lost) - n_lost
    assert extra.min() >= 0
    assert abs(extra.mean() - mean) < 0.1
    for share, published in zip((0.5, 0.9, 0.99), quantiles, strict=False):
        chance = 4 * (share * (1 - share) / 2000) ** 0.5
        assert np.mean(extra <= published) >= share - chance
        assert np.mean(extra < published) <= share + chance


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"n_frags": 0}, "n_frags"),
        ({"n_coded": -1}, "n_coded"),
        ({"n_coded": 16380}, "n_coded"),
        ({"loss": 1.0}, "loss: 1.0"),
        ({"loss": [0.1, 0.2]}, "loss: 2 values"),
        ({"dialect": "3"}, "dialect: '3'"),
        ({"version": "3"}, "dialect: '3'"),
        ({"dialect": "1.0.0", "version": "2.0.0"}, "dialect, version: "),
        ({"rows": [1]}, "n_coded: 5"),
        ({"max_losses": -1}, "max_losses"),
        ({"n_trials": 0}, "n_trials"),
        ({"seed": -1}, "seed"),
        ({"confidence": 1}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"method": "guess"}, "method: 'guess'"),
        ({"method": "ideal", "loss": ff.GilbertElliott(p_good_to_bad=0.1, p_bad_to_good=0.1)}, "is not for bursts"),
    ],
)
def test_an_estimate_refuses_bad_input(changes, expected):
    arguments = {"n_frags": 20, "n_coded": 5, "loss": 0.1, **changes}
    positional = [arguments.pop(name) for name in ("n_frags", "n_coded", "loss")]
    with pytest.raises(ff.ParameterError, match=expected):
        ff.estimate_completion(*positional, **arguments)
