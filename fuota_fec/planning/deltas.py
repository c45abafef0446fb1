"""Choice of the deltas that pay for a fleet: which devices get the full image, and which ones a delta of their version.

A delta has fewer bytes, but needs groups, sessions and redundancy of its own, while the full image goes to all other
devices at the data rate of the slowest of them. What counts is the time on air of all deliveries together: frames of
the sessions, and the requests to each device before and after.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from fuota_fec.checks import counted, integer
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.fleet_schedule import MAX_IMAGE_LEN, FleetSchedule, Sending, Sessions, device_counts
from fuota_fec.planning.what_if import Objective, what_if
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import region

SETUP_LENS = {"1.0.0": 11, "2.0.0": 17}
"""Bytes of FragSessionSetupReq by dialect."""
REQUEST_LENS = (30, 11, 2, 2, 2)
"""Bytes of the other requests to each device: McGroupSetupReq, McClassCSessionReq, FragSessionStatusReq,
FragSessionDeleteReq, McGroupDeleteReq."""
VERSION_LEN = 1
"""Bytes of DevVersionReq, which asks each device of a delta for its version."""
MOST_EXACT = 6
"""Number of deltas up to which all sets of them are compared."""

Fleet = Mapping[int | None, Mapping[int, int]]
"""Firmware version, None if not known → fastest data rate of a device → number of devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One image for some versions of a fleet: a campaign."""

    base: int | None
    """Version that the devices must run (`requires_fw_version`); None for the full image."""
    image_len: int
    versions: tuple[int | None, ...]
    """Versions of the devices."""
    schedule: FleetSchedule
    """Its groups, and their sessions."""
    setup_air_time: float
    """Time on air of the requests to each device, s."""

    @property
    def n_devices(self) -> int:
        return self.schedule.n_devices

    @property
    def air_time(self) -> float:
        """Time on air of sessions and requests, s."""
        return self.schedule.air_time + self.setup_air_time


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedDelta:
    """A delta that does not pay, or that no device can use."""

    base: int
    image_len: int
    n_devices: int
    extra_air_time: float | None
    """Time on air that it would cost beyond the chosen deliveries, s; None if it cannot be sent, or has no device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaChoice:
    """Deliveries of a release to a fleet."""

    deliveries: tuple[Delivery, ...]
    """The full image first, then deltas by version."""
    full_alone: Delivery | None
    """The full image for all devices; None if it cannot be sent."""
    unused: tuple[UnusedDelta, ...]

    @property
    def air_time(self) -> float:
        """Time on air of all deliveries, s."""
        return sum(delivery.air_time for delivery in self.deliveries)

    @property
    def saving(self) -> float | None:
        """Time on air that the deltas save, s; None if the full image alone cannot be sent."""
        return None if self.full_alone is None else self.full_alone.air_time - self.air_time


def choose_deltas(
    full_len: int,
    delta_lens: Mapping[int, int],
    fleet: Fleet,
    *,
    n_coded: int | Callable[[int], int],
    sending: Sending | None = None,
    energy: EnergyModel | None = None,
    sessions: Sessions = "sequential",
    objective: Objective = "air_time",
    dialect: str = "1.0.0",
) -> DeltaChoice:
    """Deliveries with the least time on air of those that reach all devices.

    `full_len`: bytes of the full image. `delta_lens`: version that a delta is for → its bytes. `fleet`: devices by
    version and fastest data rate, without those that run the new version. `objective`: quantity that the groups of each
    delivery are chosen by; with "air_time" it has one. The other arguments are those of `fleet_schedule`. Up to
    MOST_EXACT deltas the choice is the best one; beyond, no delta more or less makes it better.

    ParameterError for an empty fleet, lengths out of range, and a fleet that nothing can be sent to.
    """
    search = _Search(full_len, delta_lens, fleet, n_coded, sending, energy, sessions, objective, dialect)
    usable = [base for base in sorted(search.delta_lens) if base in search.fleet]
    choices = _subsets(usable) if len(usable) <= MOST_EXACT else _climb(usable, search.cost)
    best = min(choices, key=lambda chosen: (search.cost(chosen), len(chosen)))
    if not math.isfinite(search.cost(best)):
        raise ParameterError(f"deliveries: {search.problem}")
    least = search.cost(best)
    return DeltaChoice(
        deliveries=tuple(delivery for delivery in search.deliveries(best) if delivery is not None),
        full_alone=search.delivery(None, tuple(search.fleet)),
        unused=tuple(
            UnusedDelta(
                base=base,
                image_len=length,
                n_devices=sum(search.fleet.get(base, {}).values()),
                extra_air_time=cost - least
                if base in usable and math.isfinite(cost := search.cost(best | {base}))
                else None,
            )
            for base, length in sorted(search.delta_lens.items())
            if base not in best
        ),
    )


class _Search:
    """Costs of sets of deltas; each delivery is scheduled once."""

    def __init__(
        self,
        full_len: int,
        delta_lens: Mapping[int, int],
        fleet: Fleet,
        n_coded: int | Callable[[int], int],
        sending: Sending | None,
        energy: EnergyModel | None,
        sessions: Sessions,
        objective: Objective,
        dialect: str,
    ) -> None:
        self.full_len = integer("full_len", full_len, 1, MAX_IMAGE_LEN)
        self.delta_lens = {
            base: integer(f"delta_lens: delta of {base:#010x}", length, 1, MAX_IMAGE_LEN)
            for base, length in delta_lens.items()
        }
        self.fleet = {version: device_counts(counts) for version, counts in fleet.items() if any(counts.values())}
        if not self.fleet:
            raise ParameterError("fleet: there are no devices, expected at least one")
        if dialect not in SETUP_LENS:
            raise ParameterError(f"dialect: {dialect!r} is not a dialect, expected one of {', '.join(SETUP_LENS)}")
        self.problem = ""
        """Reason why a delivery cannot be sent."""
        self._n_coded, self._sending, self._energy = n_coded, sending or Sending(), energy
        self._sessions, self._objective = sessions, objective
        self._requests = (SETUP_LENS[dialect], *REQUEST_LENS)
        self.delivery = lru_cache(maxsize=None)(self._delivery)

    def deliveries(self, chosen: Iterable[int]) -> list[Delivery | None]:
        """Deliveries with a set of deltas; None for one that cannot be sent."""
        bases = sorted(chosen)
        others = tuple(version for version in self.fleet if version not in bases)
        full = [self.delivery(None, others)] if others else []
        return [*full, *(self.delivery(base, (base,)) for base in bases)]

    def cost(self, chosen: Iterable[int]) -> float:
        """Time on air, s; infinite if one of the deliveries cannot be sent."""
        return sum(math.inf if one is None else one.air_time for one in self.deliveries(chosen))

    def _delivery(self, base: int | None, versions: tuple[int | None, ...]) -> Delivery | None:
        counts: Counter[int] = Counter()
        for version in versions:
            counts.update(self.fleet[version])
        image_len = self.full_len if base is None else self.delta_lens[base]
        try:
            schedule = what_if(
                image_len,
                counts,
                n_coded=self._n_coded,
                sending=self._sending,
                energy=self._energy,
                sessions=self._sessions,
            ).best(self._objective)
        except ParameterError as error:
            image = "the full image" if base is None else f"the delta of version {base:#010x}"
            self.problem = f"{image} for {counted(counts.total(), 'device')}: {error}"
            return None
        return Delivery(
            base=base,
            image_len=image_len,
            versions=versions,
            schedule=schedule,
            setup_air_time=self._setup(counts, (*self._requests, *([] if base is None else [VERSION_LEN]))),
        )

    def _setup(self, counts: Mapping[int, int], lengths: Iterable[int]) -> float:
        """Time on air of requests of these lengths to each device, at its own data rate."""
        area = region(self._sending.region)
        return sum(n * frame_time(length, area.data_rate(dr)) for dr, n in counts.items() for length in lengths)


def _subsets(bases: list[int]) -> Iterator[frozenset[int]]:
    for size in range(len(bases) + 1):
        yield from map(frozenset, combinations(bases, size))


def _climb(bases: list[int], cost: Callable[[frozenset[int]], float]) -> Iterator[frozenset[int]]:
    """Sets that no delta more or less makes better, from none and from all."""
    for start in (frozenset[int](), frozenset(bases)):
        best = start
        while True:
            nearby = min((best ^ {base} for base in bases), key=cost)
            if not cost(nearby) < cost(best):
                break
            best = nearby
        yield best
