"""Cost of plans: redundancy for a million devices, and rows that are chosen for a loss."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from results import Row, best_of, show

import fuota_fec as ff
from fuota_fec.planning import selection

N_DEVICES = 1_000_000


def redundancy() -> Iterator[Row]:
    losses: dict[str, float | ff.BetaLoss | np.ndarray] = {
        "10 % lost": 0.1,
        "losses of a beta distribution": ff.BetaLoss(mean=0.1, spread=0.05),
        "each with its loss": np.random.default_rng(1).uniform(0.02, 0.2, N_DEVICES),
    }
    for name, loss in losses.items():

        def plan(loss: float | ff.BetaLoss | np.ndarray = loss) -> ff.RedundancyPlan:
            return ff.plan_redundancy(1000, loss, 99, n_devices=N_DEVICES)

        assert plan().meets
        (took,) = best_of(plan, rounds=3)
        yield Row(
            work=f"plan_redundancy, {N_DEVICES:,} devices, M 1000, {name}", value=took, unit="s", at_least=2, reach=1
        )


def choice_of_rows() -> Iterator[Row]:
    """Rows are chosen anew in each round, and have to be better than the first ones."""
    for n_frags in (50, 100):
        chosen = ff.select_rows(n_frags, 0.05, 50)
        better = ff.simulate_fleet(n_frags, 0.05, 100_000, max_coded=50, rows=chosen).coded_needed
        first = ff.simulate_fleet(n_frags, 0.05, 100_000, max_coded=50).coded_needed
        assert np.quantile(better, 0.99) <= np.quantile(first, 0.99)

        def choose(n_frags: int = n_frags) -> None:
            selection._selected.cache_clear()
            selection.pool_of.cache_clear()
            ff.select_rows(n_frags, 0.05, 50)

        (took,) = best_of(choose, rounds=3)
        yield Row(work=f"select_rows, M {n_frags}, R 50, 5 % lost", value=took * 1e3, unit="ms")


def rows() -> Iterator[Row]:
    yield from redundancy()
    yield from choice_of_rows()


if __name__ == "__main__":
    show(rows())
