"""Fragment size and redundancy with which an image takes the least time on the air.

Time on air and the number of fragments are both step functions of the fragment size, so only few sizes are candidates:
for one time on air the size with the fewest fragments, for one number of fragments the smallest size. Candidates are
ordered by the coded fragments that a random matrix would take, and planned with the exact matrix until the next one
cannot be better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fuota_fec.checks import integer
from fuota_fec.devices.data_rates import check_data_rate
from fuota_fec.devices.profiles import DeviceProfile, LateUncoded
from fuota_fec.errors import ParameterError
from fuota_fec.planning.comparison import compare
from fuota_fec.planning.confidence import make_fleet
from fuota_fec.planning.convolution import devices_needed
from fuota_fec.planning.losses import Loss
from fuota_fec.planning.redundancy import RedundancyPlan, RowChoice, check_threshold, expected_coded, plan_redundancy
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import DataRate
from fuota_fec.wire.dialects import one_dialect
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_NB, MAX_FRAG_SIZE

MOST_PLANNED = 8
"""Number of sizes that are planned with the exact matrix."""
_UNLIKELY_PLANNED = 3
"""Number of sizes that are planned if the threshold seems out of reach with every size."""
_SLACK = 2
"""Coded fragments by which the exact plans of two sizes may differ more than their estimates do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeOption:
    """A candidate for the fragment size. Times in seconds."""

    frag_size: int
    n_frags: int
    frame_time: float
    n_coded: int
    air_time: float
    planned: bool
    """True if n_coded is from a plan; if false, it is an estimate for a random matrix."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransmissionPlan:
    """Fragment size and coded fragments with which an image takes the least time on the air. Times in seconds."""

    image_len: int
    frag_size: int
    padding: int
    data_rate: DataRate
    frame_time: float
    """Time on air of one DataFragment."""
    air_time: float
    """Time on air of all frames, uncoded and coded."""
    redundancy: RedundancyPlan
    options: tuple[SizeOption, ...]
    """Candidates for the size, the best first."""


def plan_transmission(
    image_len: int,
    loss: Loss,
    success_threshold: float,
    *,
    data_rate: DataRate,
    max_app_payload: int | None = None,
    frag_size: int | None = None,
    profiles: Sequence[DeviceProfile] = (),
    confidence: float = 0.99,
    n_devices: int | None = None,
    dialect: str | None = None,
    version: str | None = None,
    max_coded: int | None = None,
    rows: RowChoice = "selected",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TransmissionPlan:
    """Fragment size with which success_threshold % of the devices complete an image in the least time on the air.

    `max_app_payload`: N of the data rate, if it differs from the data rate's own (`Region.max_app_payload`).
    `frag_size`: the only size to plan. `profiles`: one for all devices, or one for each; their limits on the size, the
    number of fragments and the losses that they solve bound the plan, and their radios the data rate. Without any, the
    data rate is one of those that devices of the profile "generic" receive. The other arguments are those of
    `plan_redundancy`; losses are taken to be the same for every size. `progress` is called with the number of sizes
    planned, and the number to plan.

    ParameterError if no size is possible, and for the errors of `plan_redundancy`.
    """
    image_len = integer("image_len", image_len, 1, MAX_FRAG_NB * MAX_FRAG_SIZE)
    dialect = one_dialect(dialect, version)
    threshold = check_threshold(success_threshold)
    check_data_rate(profiles, data_rate)
    payload = data_rate.max_app_payload if max_app_payload is None else max_app_payload
    sizes = _possible_sizes(image_len, payload, frag_size, profiles, dialect)
    share = devices_needed(n := make_fleet(loss, n_devices, None).n_devices, threshold) / n
    if len(profiles) not in (0, 1, n):
        raise ParameterError(f"profiles: {len(profiles)} profiles, expected one, or one for each of {n} devices")
    late_uncoded = not any(p.late_uncoded in (LateUncoded.DROPPED, LateUncoded.CORRUPTS) for p in profiles)
    candidates = []
    for size in _candidates(image_len, sizes, data_rate):
        n_frags, on_air = -(-image_len // size), frame_time(DATA_FRAGMENT_HEADER_LEN + size, data_rate)
        fleet = make_fleet(loss, n, _solvable(profiles, n_frags))
        n_coded, too_many = expected_coded(fleet, n_frags, share)
        candidates.append((too_many, _option(size, n_frags, on_air, n_coded, planned=False)))
    candidates.sort(key=lambda candidate: (candidate[0], candidate[1].air_time))
    # Sizes that seem to fail with any redundancy are planned last, and are options only if they were planned.
    n_likely = sum(too_many == 0 for too_many, _ in candidates)
    options = [option for _, option in candidates]
    plans: dict[int, RedundancyPlan] = {}
    arguments: dict[str, Any] = {
        "confidence": confidence,
        "n_devices": n,
        "dialect": dialect,
        "rows": rows,
        "seed": seed,
        "alternatives": False,
    }
    best: SizeOption | None = None
    beyond = MAX_FRAG_NB
    for i, option in enumerate(options[: min(MOST_PLANNED, max(n_likely, _UNLIKELY_PLANNED))]):
        met = best is not None and plans[best.frag_size].meets
        if best is not None and met and option.air_time + (beyond - _SLACK) * option.frame_time > best.air_time:
            break
        if progress is not None:
            progress(i, min(MOST_PLANNED, len(options)))
        most = None if max_coded is None else min(max_coded, MAX_FRAG_NB - option.n_frags)
        limits = _solvable(profiles, option.n_frags)
        plan = plan_redundancy(option.n_frags, loss, threshold, max_losses=limits, max_coded=most, **arguments)
        plans[option.frag_size] = plan
        beyond = min(beyond, plan.n_coded - option.n_coded)
        options[i] = _option(option.frag_size, option.n_frags, option.frame_time, plan.n_coded, planned=True)
        if best is None or _rank(plan, options[i]) < _rank(plans[best.frag_size], best):
            best = options[i]
    assert best is not None  # _possible_sizes returns at least one size.
    limits = _solvable(profiles, best.n_frags)
    fleet = make_fleet(loss, n, limits)
    plan = plans[best.frag_size]
    others = compare(fleet, best.n_frags, dialect, plan.n_needed, late_uncoded=late_uncoded, seed=seed)
    return TransmissionPlan(
        image_len=image_len,
        frag_size=best.frag_size,
        padding=best.n_frags * best.frag_size - image_len,
        data_rate=data_rate,
        frame_time=best.frame_time,
        air_time=best.air_time,
        redundancy=replace(plan, alternatives=others),
        options=(best, *(o for i, o in enumerate(options) if o is not best and (o.planned or i < n_likely))),
    )


def _rank(plan: RedundancyPlan, option: SizeOption) -> tuple[bool, int, float]:
    """Sort key, the best plan first: one that meets the threshold, or comes closest to it; then the shortest."""
    return not plan.meets, 0 if plan.meets else -plan.n_sure, option.air_time


def _option(size: int, n_frags: int, on_air: float, n_coded: int, *, planned: bool) -> SizeOption:
    return SizeOption(
        frag_size=size,
        n_frags=n_frags,
        frame_time=on_air,
        n_coded=n_coded,
        air_time=(n_frags + n_coded) * on_air,
        planned=planned,
    )


def _solvable(profiles: Sequence[DeviceProfile], n_frags: int) -> int | np.ndarray[tuple[int], Any] | None:
    """Largest number of lost uncoded fragments that devices can solve: one for all, one for each, None if unlimited."""
    by_profile = {p: p.solvable_losses(n_frags) for p in dict.fromkeys(profiles)}
    known = {p: n_frags if limit is None else limit for p, limit in by_profile.items()}
    if all(limit is None for limit in by_profile.values()):
        return None
    if len(profiles) == 1:
        return known[profiles[0]]
    return np.array([known[p] for p in profiles])


def check_dialect(kind: DeviceProfile, dialect: str) -> None:
    """ParameterError, with the right ones, for a dialect that no build of these devices has."""
    if dialect not in kind.dialects:
        known = " or ".join(kind.dialects)
        raise ParameterError(
            f"dialect: {dialect} is not a dialect of profile {kind.name!r}, expected {known} for these devices"
        )


def _possible_sizes(
    image_len: int, payload: int, frag_size: int | None, profiles: Sequence[DeviceProfile], dialect: str
) -> list[int]:
    """Fragment sizes that the data rate and every profile allow. ParameterError, with the limits, if there is none."""
    kinds = list(dict.fromkeys(profiles))
    for kind in kinds:
        check_dialect(kind, dialect)
        if kind.max_image_len is not None and image_len > kind.max_image_len:
            raise ParameterError(
                f"image_len: {image_len} bytes are too many for profile {kind.name!r}, expected at most "
                f"{kind.max_image_len}"
            )
    low = max([1, *(kind.min_frag_size for kind in kinds)])
    high = min([payload - DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_SIZE, *(kind.max_frag_size for kind in kinds)])
    step = math.lcm(*(kind.frag_size_multiple for kind in kinds))
    most = min([MAX_FRAG_NB, *(kind.usable_frags for kind in kinds)])
    asked = range(low, high + 1) if frag_size is None else range(max(low, frag_size), min(high, frag_size) + 1)
    sizes = [size for size in asked if size % step == 0 and -(-image_len // size) <= most]
    if not sizes:
        multiple = f" and a multiple of {step}" if step > 1 else ""
        wrong = "none is possible" if frag_size is None else f"{frag_size} is not possible"
        raise ParameterError(
            f"frag_size: {wrong}, expected {low} to {high} bytes{multiple} with at most {most} fragments of "
            f"{image_len} bytes{_own_build(image_len, high, most)}"
        )
    return sizes


def _own_build(image_len: int, size: int, most: int) -> str:
    """Remedy for an image that has more fragments than the devices accept by their profile."""
    n_frags = -(-image_len // max(size, 1))
    if not most < n_frags <= MAX_FRAG_NB:
        return ""
    return f", or devices with a profile of their own that has max_frags = {n_frags}"


def _candidates(image_len: int, sizes: list[int], data_rate: DataRate) -> list[int]:
    """Candidates: the smallest size for each number of fragments, then the fewest fragments for each time on air."""
    smallest: dict[int, int] = {}
    for size in sizes:
        smallest.setdefault(-(-image_len // size), size)
    fewest: dict[float, int] = {}
    for size in sorted(smallest.values()):
        fewest[frame_time(DATA_FRAGMENT_HEADER_LEN + size, data_rate)] = size
    return list(fewest.values())
