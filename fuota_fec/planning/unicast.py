"""Duration of a unicast stage: the longest, and the time by which nearly all devices have answered.

A request waits for the next uplink of its device. A try fails if no uplink is heard in time, or if no answer to the
request that was sent is; either takes its deadline. Times are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fuota_fec.errors import ParameterError

Time = TypeVar("Time", float, NDArray[np.float64])

_LEAST = 0.1
"""Least probability that an uplink which is missed delays a request beyond its deadline, and that it does not."""
_NEGLIGIBLE = 1e-9
"""Probability below which a number of failed tries is left out."""
_MOST_FAILED = 40
"""Number of failed tries beyond which no try is expected to succeed."""
_MANY_PERIODS = 100
"""Number of different periods above which they are rounded more coarsely."""
_MOST_LATE = 6
"""Number of tries sent at the second uplink beyond which no more are expected."""
_RESOLUTION = 0.5
"""Resolution of times, s."""
_PRIOR_TRIES = 20
"""Number of tries that the assumed losses count as, beside those that were made."""
JITTER = 0.2
"""Share of its period by which an uplink of any device may be late: ±10 % between two uplinks, and a median of three
such intervals that is up to 8 % short."""
MOST_ASSUMED = 0.9
"""Largest share of lost frames that is assumed."""
ASSUMED_LOSS = 0.1
"""Share of frames that is assumed to be lost in each direction as long as nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLosses:
    """Probabilities that a try fails: no uplink of the device is heard in time; the request was sent and no answer is
    heard. ParameterError unless both are from 0 to below 1."""

    not_sent: float
    unanswered: float

    def __post_init__(self) -> None:
        for name in ("not_sent", "unanswered"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ParameterError(f"{name}: {value} is not a probability, expected 0 to below 1")

    @property
    def success(self) -> float:
        """Probability that a try succeeds."""
        return (1 - self.not_sent) * (1 - self.unanswered)


@dataclass(slots=True)
class Tries:
    """Numbers of tries of unicast requests, and of those that failed."""

    n_not_sent: int = 0
    n_sent: int = 0
    n_unanswered: int = 0

    def losses(self, assumed: float = ASSUMED_LOSS) -> TryLosses:
        """Probabilities that a try fails, from the tries so far and an `assumed` share of lost frames."""
        lost_answer = 1 - (1 - assumed) ** 2
        not_sent = self.n_not_sent + _PRIOR_TRIES * assumed
        unanswered = self.n_unanswered + _PRIOR_TRIES * lost_answer
        return TryLosses(
            not_sent=not_sent / (self.n_not_sent + self.n_sent + _PRIOR_TRIES),
            unanswered=unanswered / (self.n_sent + _PRIOR_TRIES),
        )


def assumed_loss(losses: Iterable[float | None]) -> float:
    """Share of frames that is assumed to be lost in each direction: the mean of the `losses` that are known."""
    known = [loss for loss in losses if loss is not None]
    return min(MOST_ASSUMED, fmean(known)) if known else ASSUMED_LOSS


def until_uplink(period: Time, delivery_timeout: float, jitter: float = JITTER) -> Time:
    """Longest time until the next uplink of a device is heard, and what the network reports with it, s. `jitter` is the
    share of the period by which an uplink may be late."""
    return period * (1 + jitter) + delivery_timeout


def unicast_stage(msg_retries: int, slowest_period: float, delivery_timeout: float) -> float:
    """Longest duration, s, of a unicast request to the slowest device: all resends, and the answer to the last."""
    return (1 + msg_retries) * 2 * until_uplink(slowest_period, delivery_timeout)


def answered_by(
    periods: Mapping[float, int],
    losses: TryLosses,
    *,
    share: float,
    msg_retries: int,
    delivery_timeout: float,
    answer_delay: float = 0.0,
) -> float:
    """Time, s, from the first requests by which a `share` of the devices that can succeed have answered.

    `periods`: number of devices by uplink period P(d). Devices that use up `msg_retries` resends do not count. An
    answer is heard `answer_delay` s after its request was sent.
    """
    counts = _rounded_up(periods)
    ways = [(period, *way) for period in counts for way in _failed_tries(period, losses, msg_retries, delivery_timeout)]
    period, n_not_sent, n_unanswered, n_late, p = np.array(ways).T
    after_sent = np.ceil(until_uplink(max(periods), delivery_timeout) / period)
    begins = n_not_sent * until_uplink(period, delivery_timeout) + (n_unanswered * after_sent + n_late) * period
    weight = p * np.array([counts[way[0]] for way in ways])
    wanted = share * weight.sum()
    low, high = 0.0, float((begins + period).max())
    while high - low > _RESOLUTION:
        middle = (low + high) / 2
        # The uplink that a request waits for comes at any time of a period.
        answered = float(weight @ np.clip((middle - begins) / period, 0, 1))
        low, high = (low, middle) if answered >= wanted else (middle, high)
    return high + answer_delay


def _rounded_up(periods: Mapping[float, int]) -> dict[float, int]:
    """Numbers of devices by period. Periods that differ by less than 2 % are taken together, 10 % if there are many."""
    counts: dict[float, int] = {}
    base = 1.02 if len(periods) <= _MANY_PERIODS else 1.1
    for period, n in periods.items():
        step = base ** math.ceil(math.log(period, base))
        counts[step] = counts.get(step, 0) + n
    return counts


def _failed_tries(
    period: float, losses: TryLosses, msg_retries: int, delivery_timeout: float
) -> list[tuple[int, int, int, float]]:
    """Numbers of tries that were not sent and that were unanswered before the one that succeeds, and of those that were
    sent at the second uplink, as the first was missed; and the probability, given that a try succeeds."""
    second = min(1 - _LEAST, until_uplink(period, delivery_timeout) / period - 1)
    late = min(1 - _LEAST, losses.not_sent * second / (1 - second))
    sent_in_vain = (1 - losses.not_sent) * losses.unanswered
    most = min(msg_retries, _MOST_FAILED)
    ways = []
    for a, b in product(range(most + 1), repeat=2):
        p = math.comb(a + b, a) * losses.not_sent**a * sent_in_vain**b * losses.success
        if a + b <= most and (p > _NEGLIGIBLE or a + b == 0):
            n_late = range(min(b + 1, _MOST_LATE) + 1)
            of_late = (math.comb(b + 1, c) * late**c * (1 - late) ** (b + 1 - c) for c in n_late)
            ways += [(a, b, c, p * q) for c, q in enumerate(of_late) if p * q > _NEGLIGIBLE or a + b + c == 0]
    total = sum(p for *_, p in ways)
    return [(a, b, c, p / total) for a, b, c, p in ways]
