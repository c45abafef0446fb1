"""Trials of devices: what a device needs depends on its losses, its limit, the seed and its number alone."""

from __future__ import annotations

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.planning.losses import GilbertElliott
from fuota_fec.planning.sampling import Code

ROWS = np.arange(1, 31, dtype=np.uint32)
EXACT = Code.of_rows(40, "1.0.0", ROWS)
IDEAL = Code(n_frags=40, n_rows=30, columns=None)
BURSTS = GilbertElliott(p_good_to_bad=0.02, p_bad_to_good=0.3)


@pytest.mark.parametrize("code", [EXACT, IDEAL], ids=["exact", "ideal"])
@pytest.mark.parametrize("losses", [np.full(500, 0.1), BURSTS], ids=["independent", "bursts"])
def test_trials_depend_on_the_seed_and_on_their_number(code, losses):
    needed = code.needed(losses, 500, None, seed=1, first=0)
    assert np.array_equal(needed, code.needed(losses, 500, None, seed=1, first=0))
    assert not np.array_equal(needed, code.needed(losses, 500, None, seed=2, first=0))
    assert not np.array_equal(needed, code.needed(losses, 500, None, seed=1, first=500))


@pytest.mark.parametrize("loss", [0.02, 0.1, 0.3])
def test_trials_in_the_core_agree_with_trials_fragment_by_fragment(loss):
    """Two ways to draw losses: shares of complete devices within four standard deviations."""
    n = 20_000
    losses = np.full(n, loss)
    in_core = EXACT.needed(losses, n, None, seed=1, first=0) >= 0
    singly = EXACT.trials(losses, n, None, seed=2, first=0).needed >= 0
    assert abs(in_core.mean() - singly.mean()) < 4 * (0.5 / n) ** 0.5


def test_no_device_completes_that_loses_more_than_its_limit():
    losses = np.full(2000, 0.1)
    limits = np.tile(np.array([0, 2, 40], np.int32), 2000)[:2000]
    free = EXACT.trials(losses, 2000, None, seed=3, first=0).needed
    limited = EXACT.trials(losses, 2000, limits, seed=3, first=0).needed
    assert np.array_equal(limited[2::3], free[2::3])
    assert np.all(limited[0::3] <= 0)
    assert np.all((limited == free) | (limited == -1))


def test_a_trial_counts_fragments_until_it_is_decided():
    trials = EXACT.trials(np.full(3000, 0.15), 3000, None, seed=4, first=0)
    complete = trials.needed >= 0
    assert complete.any()
    assert not complete.all()
    assert np.array_equal(trials.n_seen[complete], 40 + trials.needed[complete])
    assert np.all(trials.n_seen[~complete] == 70)
    assert np.all(trials.n_lost <= trials.n_seen)
    assert trials.n_lost.sum() / trials.n_seen.sum() == pytest.approx(0.15, abs=0.01)


def test_a_device_without_losses_needs_no_coded_fragment():
    for code in (EXACT, IDEAL):
        assert not code.needed(np.zeros(10), 10, None, seed=0, first=0).any()


@pytest.mark.parametrize("kernel", ff.kernels())
def test_trials_are_the_same_on_every_kernel(kernel):
    code = Code.of_rows(40, "1.0.0", ROWS, kernel)
    losses = np.full(300, 0.1)
    expected = EXACT.needed(losses, 300, None, seed=5, first=7)
    assert np.array_equal(code.needed(losses, 300, None, seed=5, first=7), expected)
