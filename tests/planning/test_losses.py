"""Losses have the given frequency, distribution and bursts."""

from __future__ import annotations

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.planning.losses import draw_lost, with_more


@pytest.mark.parametrize("loss", [0.0, 0.003, 1 / 256, 0.3, 0.5, 0.9, 0.999])
def test_fragments_are_lost_with_the_given_probability(loss):
    lost = draw_lost(np.random.default_rng(1), np.full(2000, loss), 301)
    chance = 5 * (loss * (1 - loss) / lost.size) ** 0.5
    assert abs(lost.mean() - loss) <= chance
    assert lost.shape == (2000, 301)


def test_every_device_has_its_own_loss():
    losses = np.repeat([0.0, 0.1, 0.4], 500)
    shares = draw_lost(np.random.default_rng(2), losses, 200).mean(axis=1).reshape(3, 500).mean(axis=1)
    assert np.allclose(shares, [0, 0.1, 0.4], atol=0.01)


def test_a_beta_distribution_has_its_mean_and_spread():
    losses = ff.BetaLoss(mean=0.1, spread=0.06).draw(np.random.default_rng(3), 100_000)
    assert abs(losses.mean() - 0.1) < 0.001
    assert abs(losses.std() - 0.06) < 0.001
    assert losses.min() >= 0
    assert losses.max() < 1


def test_a_mix_has_its_shares():
    mix = ff.LossMix(shares=((0.7, 0.02), (0.3, 0.2)))
    losses = mix.draw(np.random.default_rng(4), 100_000)
    assert set(losses) == {0.02, 0.2}
    assert abs(np.mean(losses == 0.02) - 0.7) < 0.01
    assert mix.mean == pytest.approx(0.074)


def test_bursts_have_their_mean_and_their_length():
    channel = ff.GilbertElliott(p_good_to_bad=0.02, p_bad_to_good=0.2)
    lost = channel.draw_lost(np.random.default_rng(5), 4000, 400)
    assert abs(lost.mean() - channel.mean) < 0.002
    assert abs(lost[:, 0].mean() - channel.mean) < 0.03  # in balance from the first fragment on
    starts = lost[:, 1:-100] & ~lost[:, :-101]
    ends = lost[:, :-1] & ~lost[:, 1:]
    assert lost.sum() / ends.sum() == pytest.approx(5, rel=0.05)  # 1 / p_bad_to_good
    assert starts.mean() == pytest.approx((1 - channel.mean) * 0.02, rel=0.05)


def test_a_channel_that_does_not_differ_is_independent_loss():
    channel = ff.GilbertElliott(p_good_to_bad=0.5, p_bad_to_good=0.5, loss_good=0.1, loss_bad=0.1)
    lost = channel.draw_lost(np.random.default_rng(6), 3000, 100)
    assert abs(lost.mean() - 0.1) < 0.005
    assert abs(np.mean(lost[:, 1:] & lost[:, :-1]) - 0.01) < 0.002


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ff.BetaLoss(mean=0.0, spread=0.1), "mean, spread: 0.0"),
        (lambda: ff.BetaLoss(mean=1.0, spread=0.1), "mean: 1.0"),
        (lambda: ff.BetaLoss(mean=0.1, spread=0.0), "spread"),
        (lambda: ff.BetaLoss(mean=0.1, spread=0.4), "below 0.3"),
        (lambda: ff.LossMix(shares=((0.5, 0.1),)), "sum is 0.5"),
        (lambda: ff.LossMix(shares=()), "sum is 0"),
        (lambda: ff.LossMix(shares=((0.5, 0.1), (0.5, 1.0))), "loss: 1.0"),
        (lambda: ff.LossMix(shares=((-0.5, 0.1), (1.5, 0.1))), "shares: -0.5"),
        (lambda: ff.GilbertElliott(p_good_to_bad=0.0, p_bad_to_good=0.0), "both are 0"),
        (lambda: ff.GilbertElliott(p_good_to_bad=1.5, p_bad_to_good=0.1), "p_good_to_bad: 1.5"),
        (lambda: ff.GilbertElliott(p_good_to_bad=0.1, p_bad_to_good=0.1, loss_good=1.0), "everything is lost"),
        (lambda: ff.GilbertElliott(p_good_to_bad="often", p_bad_to_good=0.1), "p_good_to_bad: 'often'"),
    ],
)
def test_a_distribution_refuses_bad_input(make, expected):
    with pytest.raises(ff.ParameterError, match=expected):
        make()


def test_a_further_loss_is_of_what_is_left():
    assert with_more(0.2, 0.5) == pytest.approx(0.6)
    assert with_more([0.0, 0.2], 0.5) == pytest.approx([0.5, 0.6])
    assert with_more(ff.BetaLoss(mean=0.2, spread=0.1), 0.5) == ff.BetaLoss(mean=0.6, spread=0.05)
    assert with_more(ff.LossMix(shares=((0.5, 0.0), (0.5, 0.2))), 0.5).mean == pytest.approx(0.55)
    burst = ff.GilbertElliott(p_good_to_bad=0.1, p_bad_to_good=0.3)
    assert with_more(burst, 0.5).mean == pytest.approx(1 - 0.5 * (1 - burst.mean))
