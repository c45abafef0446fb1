"""The fragment size and the redundancy with which an image takes the least time on the air.

Time on air is a step function of the fragment size, and the number of fragments one as well, so few sizes are worth a
look: of those on one step the one with the fewest fragments, of those with equally many fragments the smallest. These
are put in order by what a random matrix would take, and planned with the exact one until the next cannot win.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fuota_fec.checks import integer
from fuota_fec.codec.limits import MAX_FRAG_NB, MAX_FRAG_SIZE, dialect_of
from fuota_fec.devices.profiles import DeviceProfile, LateUncoded
from fuota_fec.errors import ParameterError
from fuota_fec.planning.comparison import compare
from fuota_fec.planning.confidence import make_fleet
from fuota_fec.planning.convolution import devices_needed
from fuota_fec.planning.losses import Loss
from fuota_fec.planning.redundancy import RedundancyPlan, RowChoice, check_threshold, expected_coded, plan_redundancy
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import DATA_FRAGMENT_HEADER_LEN, DataRate

MOST_PLANNED = 8
"""Sizes that are planned with the exact matrix."""
_UNLIKELY_PLANNED = 3
"""And where none seems to do."""
_SLACK = 2
"""Coded fragments by which plans of two sizes may differ in what they take beyond the random matrix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeOption:
    """A fragment size that was looked at. Times in seconds."""

    frag_size: int
    n_frags: int
    frame_time: float
    n_coded: int
    air_time: float
    planned: bool
    """Whether n_coded is that of a plan; if not, it is what a random matrix would take, about."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TransmissionPlan:
    """How an image is best sent: in fragments of which size, with which coded fragments. Times in seconds."""

    image_len: int
    frag_size: int
    padding: int
    data_rate: DataRate
    frame_time: float
    """Time on air of one DataFragment."""
    air_time: float
    """Of all of them, uncoded and coded."""
    redundancy: RedundancyPlan
    options: tuple[SizeOption, ...]
    """The sizes looked at, the best first."""


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
    version: str = "1.0.0",
    max_coded: int | None = None,
    rows: RowChoice = "selected",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TransmissionPlan:
    """The fragment size with which success_threshold % of the devices complete an image in the least time on the air.

    `max_app_payload`: N of the data rate where it is not the data rate's own (`Region.max_app_payload`). `frag_size`:
    that size and no other. `profiles`: one for all devices, or one for each; their sizes, numbers of fragments and
    solvable losses bound the plan. The other arguments are those of `plan_redundancy`; losses are taken to be the same
    whatever the size. `progress` is called with how many sizes are planned, of how many.

    ParameterError if no size is possible, and as `plan_redundancy`.
    """
    image_len = integer("image_len", image_len, 1, MAX_FRAG_NB * MAX_FRAG_SIZE)
    dialect_of(version)
    threshold = check_threshold(success_threshold)
    payload = data_rate.max_app_payload if max_app_payload is None else max_app_payload
    sizes = _possible_sizes(image_len, payload, frag_size, profiles, version)
    share = devices_needed(n := make_fleet(loss, n_devices, None).n_devices, threshold) / n
    if len(profiles) not in (0, 1, n):
        raise ParameterError(f"profiles: {len(profiles)} of them, expected one for all or one for each of {n} devices")
    late_uncoded = not any(p.late_uncoded in (LateUncoded.DROPPED, LateUncoded.CORRUPTS) for p in profiles)
    candidates = []
    for size in _worth_a_look(image_len, sizes, data_rate):
        n_frags, on_air = -(-image_len // size), frame_time(DATA_FRAGMENT_HEADER_LEN + size, data_rate)
        fleet = make_fleet(loss, n, _solvable(profiles, n_frags))
        n_coded, too_many = expected_coded(fleet, n_frags, share)
        candidates.append((too_many, _option(size, n_frags, on_air, n_coded, planned=False)))
    candidates.sort(key=lambda candidate: (candidate[0], candidate[1].air_time))
    # Sizes that seem to fail whatever is sent are tried last, and told of only if they were.
    n_likely = sum(too_many == 0 for too_many, _ in candidates)
    options = [option for _, option in candidates]
    plans: dict[int, RedundancyPlan] = {}
    arguments: dict[str, Any] = {
        "confidence": confidence,
        "n_devices": n,
        "version": version,
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
    assert best is not None  # _possible_sizes found one
    limits = _solvable(profiles, best.n_frags)
    fleet = make_fleet(loss, n, limits)
    plan = plans[best.frag_size]
    others = compare(fleet, best.n_frags, version, plan.n_needed, late_uncoded=late_uncoded, seed=seed)
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
    """What is better comes first: a plan that meets the threshold, or comes closest to it; then the shorter one."""
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
    """Lost uncoded fragments that the devices can solve: one number, or one for each."""
    by_profile = {p: p.solvable_losses(n_frags) for p in dict.fromkeys(profiles)}
    known = {p: n_frags if limit is None else limit for p, limit in by_profile.items()}
    if all(limit is None for limit in by_profile.values()):
        return None
    if len(profiles) == 1:
        return known[profiles[0]]
    return np.array([known[p] for p in profiles])


def _possible_sizes(
    image_len: int, payload: int, frag_size: int | None, profiles: Sequence[DeviceProfile], version: str
) -> list[int]:
    """Fragment sizes that the data rate and every profile allow. ParameterError, with the reasons, if there is none."""
    kinds = list(dict.fromkeys(profiles))
    for kind in kinds:
        if version not in kind.dialects:
            known = " and ".join(kind.dialects)
            raise ParameterError(f"version: {version}, but devices of profile {kind.name!r} have {known}")
        if kind.max_image_len is not None and image_len > kind.max_image_len:
            raise ParameterError(
                f"image_len: {image_len} bytes, but devices of profile {kind.name!r} hold at most {kind.max_image_len}"
            )
    low = max([1, *(kind.min_frag_size for kind in kinds)])
    high = min([payload - DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_SIZE, *(kind.max_frag_size for kind in kinds)])
    step = math.lcm(*(kind.frag_size_multiple for kind in kinds))
    most = min([MAX_FRAG_NB, *(kind.max_frags for kind in kinds)])
    asked = range(low, high + 1) if frag_size is None else range(max(low, frag_size), min(high, frag_size) + 1)
    sizes = [size for size in asked if size % step == 0 and -(-image_len // size) <= most]
    if not sizes:
        multiple = f" and a multiple of {step}" if step > 1 else ""
        wrong = "none is possible" if frag_size is None else f"{frag_size} is not possible"
        raise ParameterError(
            f"frag_size: {wrong}, expected {low} to {high} bytes{multiple} with at most {most} fragments of "
            f"{image_len} bytes"
        )
    return sizes


def _worth_a_look(image_len: int, sizes: list[int], data_rate: DataRate) -> list[int]:
    """Of sizes with equally many fragments the smallest; of those with equal time on air the one with fewest."""
    smallest: dict[int, int] = {}
    for size in sizes:
        smallest.setdefault(-(-image_len // size), size)
    fewest: dict[float, int] = {}
    for size in sorted(smallest.values()):
        fewest[frame_time(DATA_FRAGMENT_HEADER_LEN + size, data_rate)] = size
    return list(fewest.values())
