"""Loss models: the right share, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from fuota_fec.errors import ParameterError
from fuota_fec.fleet.channel import IndependentLoss


def losses(probability: float, seed: int = 1, n: int = 4000) -> list[bool]:
    model = IndependentLoss(probability, np.random.default_rng(seed))
    return [model.lost() for _ in range(n)]


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.9])
def test_the_share_of_losses_is_the_probability(probability: float) -> None:
    assert np.mean(losses(probability)) == pytest.approx(probability, abs=0.04)
    model = IndependentLoss(probability, np.random.default_rng(2))
    assert model.lost_each(20_000).mean() == pytest.approx(probability, abs=0.02)


def test_nothing_is_lost_without_losses() -> None:
    assert not any(losses(0))
    assert not IndependentLoss(0, np.random.default_rng(1)).lost_each(1000).any()


def test_the_same_seed_gives_the_same_losses() -> None:
    assert losses(0.3, 7) == losses(0.3, 7)
    assert losses(0.3, 7) != losses(0.3, 8)


def test_one_answer_for_each_device() -> None:
    lost = IndependentLoss(0.5, np.random.default_rng(3)).lost_each(17)
    assert lost.shape == (17,)
    assert lost.dtype == bool
    assert IndependentLoss(0.5, np.random.default_rng(3)).lost_each(0).shape == (0,)


@pytest.mark.parametrize("probability", [-0.1, 1, 1.5, float("nan")])
def test_what_is_no_probability_of_loss(probability: float) -> None:
    with pytest.raises(ParameterError, match="loss"):
        IndependentLoss(probability, np.random.default_rng(1))
