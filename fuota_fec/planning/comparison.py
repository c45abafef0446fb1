"""Alternatives to a plan: the fixed code rates that servers offer, and rounds of uncoded fragments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fuota_fec.codec.block import n_coded_of
from fuota_fec.planning.confidence import Fleet, FleetSample
from fuota_fec.planning.convolution import at_most
from fuota_fec.planning.losses import GilbertElliott
from fuota_fec.planning.sampling import Code
from fuota_fec.wire.limits import MAX_FRAG_NB

CODE_RATES = ("7/8", "5/6", "3/4", "1/2")
MOST_ROUNDS = 4

_TRIALS = 1 << 15
_WORK = 5e7
"""Nanoseconds of trials for each code rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another way to send the same block to the same fleet."""

    name: str
    """A code rate such as "5/6", or a number of rounds."""
    n_rounds: int
    """Number of times the uncoded fragments are sent."""
    n_coded: int
    n_sent: int
    """Uncoded and coded fragments sent; repeated fragments count each time."""
    probability: float
    """Probability that the threshold is met."""
    device_probability: float
    """Mean probability that a device of the fleet completes."""


def compare(
    fleet: Fleet,
    n_frags: int,
    dialect: str,
    n_needed: int,
    *,
    late_uncoded: bool = True,
    seed: int = 0,
    kernel: str | None = None,
) -> tuple[Alternative, ...]:
    """Code rates 7/8, 5/6, 3/4 and 1/2 with rows 1, 2, 3 …, and 1 to 4 rounds without coded fragments.

    A code rate with more than 16383 fragments is left out. If `late_uncoded` is false, further rounds complete no
    device: the decoders drop a fragment whose number is below that of an earlier one.
    """
    rates = {rate: n_coded_of(rate, n_frags) for rate in CODE_RATES}
    rates = {rate: n for rate, n in rates.items() if n_frags + n <= MAX_FRAG_NB}
    rows = np.arange(1, max(rates.values(), default=0) + 1, dtype=np.uint32)
    sample = FleetSample(fleet, Code.of_rows(n_frags, dialect, rows, kernel), seed=seed, z=0.0)
    cost = float(sample.trial_cost(fleet.hardest_loss(n_needed / fleet.n_devices)))
    for n_coded in rates.values():
        sample.add(int(min(_TRIALS / 4, max(512, _WORK / cost))), n_coded)
    found = [
        Alternative(
            name=rate,
            n_rounds=1,
            n_coded=n_coded,
            n_sent=n_frags + n_coded,
            probability=sample.chance(n_coded, n_needed).probability,
            device_probability=sample.completion(n_coded),
        )
        for rate, n_coded in rates.items()
    ]
    for n_rounds in range(1, MOST_ROUNDS + 1):
        complete = _rounds(fleet, n_frags, n_rounds if late_uncoded else 1, seed)
        failing = 1 - np.add.reduceat(complete, fleet.starts) / fleet.sizes if complete.size > 1 else 1 - complete
        failing = np.broadcast_to(failing, fleet.sizes.shape)
        found.append(
            Alternative(
                name=f"{n_rounds} round{'s' if n_rounds > 1 else ''}",
                n_rounds=n_rounds,
                n_coded=0,
                n_sent=n_rounds * n_frags,
                probability=at_most(fleet.n_devices - n_needed, fleet.sizes, failing),
                device_probability=1 - float(fleet.sizes @ failing) / fleet.n_devices,
            )
        )
    return tuple(found)


def _rounds(fleet: Fleet, n_frags: int, n_rounds: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Probability that a device completes without coded fragments: one for each device, or one for all."""
    if fleet.losses is not None:
        return np.asarray((1 - fleet.losses**n_rounds) ** n_frags)
    rng = np.random.default_rng([seed, 2])
    if not isinstance(fleet.distribution, GilbertElliott):
        assert fleet.distribution is not None
        losses = fleet.distribution.draw(rng, _TRIALS)
        return np.asarray([np.mean((1 - losses**n_rounds) ** n_frags)])
    n_trials = max(1, min(_TRIALS, (1 << 24) // (n_frags * n_rounds)))
    lost = fleet.distribution.draw_lost(rng, n_trials, n_frags * n_rounds).reshape(n_trials, n_rounds, n_frags)
    return np.asarray([1 - np.mean(np.any(np.all(lost, axis=1), axis=1))])
