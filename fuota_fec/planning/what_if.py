"""Comparison of the data rates and groupings of a fleet, and the choice of the best grouping."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal, get_args

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.fleet_schedule import (
    FleetSchedule,
    Sending,
    Sessions,
    by_speed,
    device_counts,
    fleet_schedule,
    schedule_groups,
)
from fuota_fec.radio.regions import region

Objective = Literal["duration", "air_time", "energy"]
"""Quantity to minimise; groupings with equal values are ordered by the other two, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Schedules of a fleet for every choice of data rate and of groups."""

    rates: tuple[FleetSchedule, ...]
    """One group at each data rate that reaches any device, of the devices that it reaches; the slowest first."""
    groupings: tuple[FleetSchedule, ...]
    """Every grouping of all devices, the fewest groups first."""

    def best(self, objective: Objective, *, max_duration: float | None = None) -> FleetSchedule:
        """Grouping with the least `objective`, of those that can be sent and take at most `max_duration` s.

        ParameterError if there is none; the message has the best alternative.
        """
        if objective not in get_args(Objective):
            known = ", ".join(get_args(Objective))
            raise ParameterError(f"objective: {shown(objective)} is not an objective, expected one of {known}")
        possible = [fleet for fleet in self.groupings if not fleet.problems]
        if not possible:
            reached = next((f"; {_reach(fleet)}" for fleet in self.rates if not fleet.problems), "")
            raise ParameterError(f"no grouping of the fleet can be sent: {self.groupings[0].problems[0]}{reached}")
        quickest = min(fleet.duration for fleet in possible)
        if max_duration is not None and not quickest <= max_duration:
            raise ParameterError(
                f"max_duration: {max_duration:g} s is too short, the quickest grouping that can be sent takes "
                f"{quickest:.0f} s"
            )
        limit = math.inf if max_duration is None else max_duration
        order = (objective, *(name for name in get_args(Objective) if name != objective))
        return min(
            (fleet for fleet in possible if fleet.duration <= limit),
            key=lambda fleet: tuple(getattr(fleet, name) for name in order),
        )

    def per_number(self) -> tuple[FleetSchedule, ...]:
        """Grouping with the least energy for every number of groups; one that can be sent if there is one."""
        best: dict[int, FleetSchedule] = {}
        for fleet in sorted(self.groupings, key=lambda f: (bool(f.problems), f.energy, f.duration)):
            best.setdefault(len(fleet.groups), fleet)
        return tuple(best[n] for n in sorted(best))


def what_if(
    image_len: int,
    devices_per_dr: Mapping[int, int],
    *,
    n_coded: int | Callable[[int], int],
    sending: Sending | None = None,
    energy: EnergyModel | None = None,
    sessions: Sessions = "sequential",
) -> WhatIf:
    """Schedules of a fleet for all data rates and groupings. Arguments and errors are those of `fleet_schedule`.

    Groups consist of neighbouring data rates: no device gains by joining a slower group than necessary.
    """
    rules, model, counts = sending or Sending(), energy or EnergyModel(), device_counts(devices_per_dr)
    drs = by_speed(rules, counts)
    groupings = tuple(
        fleet_schedule(image_len, counts, groups, n_coded=n_coded, sending=rules, energy=model, sessions=sessions)
        for groups in contiguous(drs)
    )
    usable = by_speed(rules, region(rules.region).usable_drs(dwell_time=rules.dwell_time))
    rates = []
    for idx, dr in enumerate(usable[: usable.index(drs[-1]) + 1]):
        reached = tuple(other for other in drs if other in usable[idx:])
        members = [(dr, reached, sum(counts[other] for other in reached))]
        with suppress(ParameterError):  # No fragment fits at this rate, which is slower than any device needs.
            rates.append(schedule_groups(image_len, members, n_coded, rules, model, sessions))
    return WhatIf(rates=tuple(rates), groupings=groupings)


def contiguous(drs: Sequence[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All 2^(n - 1) ways to cut a sequence into groups of neighbours, the fewest groups first."""
    for n_cuts in range(len(drs)):
        for cuts in combinations(range(1, len(drs)), n_cuts):
            yield tuple(tuple(drs[a:b]) for a, b in pairwise((0, *cuts, len(drs))))


def _reach(fleet: FleetSchedule) -> str:
    return f"one group at DR{fleet.groups[0].dr} would reach {fleet.n_devices} devices in {fleet.duration:.0f} s"
