"""Plan of an image for a target: fragments, rows, times, energy and findings.

A target is planned as a campaign with one group, so that a campaign with the same settings plans the same frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from fuota_fec.batch.config import Target
from fuota_fec.campaign.config import PLANNED, CampaignConfig, Device, Group
from fuota_fec.campaign.plan import GroupPlan, check_session, frag_size_of, group_time, lead_of, make_plan
from fuota_fec.campaign.preflight.check import find
from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.campaign.row_plan import RowPlan, plan_rows
from fuota_fec.codec.limits import Rows, check_frag_nbs
from fuota_fec.devices.data_rates import data_rate_problem
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.radio.airtime import TransmissionTime, frame_time
from fuota_fec.radio.channels import DataRate
from fuota_fec.radio.regions import region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN

GROUP = "target"
"""Name of the one group, which messages do not have."""
UNBOUNDED = 1e9
"""Duration of the campaign, s: a batch has no limit of its own."""
SELDOM = 1e7
"""Uplink period, s, at which a device misses nothing because of its own uplinks: its period is not known here."""

MOST_PLANNERS, MOST_ROWS = 256, 32
"""Targets that a worker keeps, and numbers of fragments for which it keeps the rows of a target."""

RULES = frozenset(
    {
        *("channel", "duty_cycle", "spacing", "n_frags"),
        *("dialect", "frag_count", "frag_size", "frag_size_multiple", "image_len", "padding", "solvable_losses"),
        *("frag_index", "coded_spacing", "rows", "second_session", "data_rate", "dwell_time", "channels"),
        "device_class",
    }
)
"""Rules of the pre-flight check that look at frames, radio and stack. The others need the devices, keys and times of a
campaign."""

_SHARED = (
    *("redundancy", "frag_redundancy_max", "rows", "loss", "fsize", "fsize_optimization", "repeater", "frag_index"),
    *("duty_cycle", "mcast_msg_delay", "coded_msg_delay"),
)
"""Settings of a target that a campaign has under the same name."""
_OF_GROUP = ("region", "dialect", "device_class", "periodicity", "frequency", "dwell_time")
"""Settings of a target that a group has under the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """Everything that follows from the length of an image and a target."""

    n_frags: int
    frag_size: int
    rows: Rows
    leading: bool
    """Whether the rows are 1, 2, 3 …"""
    findings: tuple[Finding, ...]
    data_rates: tuple[Mapping[str, Any], ...]
    """Of each data rate that takes the frames: its name, and air time (s), duration (s) and energy (J) of a device."""


class TargetPlanner:
    """Plans of one target. What images share is computed once."""

    def __init__(self, target: Target, profile: DeviceProfile) -> None:
        dr = _slowest(target, profile) if target.dr is None else target.dr
        self._group = Group(
            name=GROUP,
            mc_addr="00000000",
            dr=dr,
            key="none",
            **{name: getattr(target, name) for name in _OF_GROUP},
        )
        self._config = CampaignConfig(
            id="batch",
            fw_version=0,
            success_threshold=100 if target.success_threshold is None else target.success_threshold,
            max_duration=UNBOUNDED,
            uplink_period=SELDOM,
            datafrag_loops_max=1,
            groups=(self._group,),
            devices=_devices(1, profile),
            profiles=(profile,),
            **{name: getattr(target, name) for name in _SHARED},
        )
        self._energy = EnergyModel.of(profile.energy)
        self._fleet = self._config
        """The same with the devices that redundancy is planned for."""
        if target.redundancy == PLANNED:
            self._fleet = replace(self._config, devices=_devices(target.n_devices, profile))
        self._rows_of = lru_cache(maxsize=MOST_ROWS)(self._plan_rows)
        self._frag_size = frag_size_of(self._config, self._group, {profile.name})
        self._times = [
            (rate, group_time(self._config, replace(self._group, dr=rate.dr), self._frag_size, 1))
            for rate in _data_rates(target, profile, self._frag_size)
        ]
        """Each data rate that takes the frames, and the time of one."""
        self._lead = lead_of(self._config, self._group)
        self._periodicity = target.periodicity if target.device_class == "B" else None
        self.facts = {**asdict(target), "dr": dr}

    def plan(self, image_len: int) -> PairPlan:
        """Plan for an image of this length. ParameterError if the target or its profile cannot take it."""
        try:
            return self._plan(image_len)
        except ParameterError as error:
            raise _without_group(error) from None

    def _plan(self, image_len: int) -> PairPlan:
        frag_size = self._frag_size
        check_frag_nbs(image_len, frag_size)
        n_frags = -(-image_len // frag_size)
        row_plan, rows, leading = self._rows_of(n_frags)
        plan = make_plan(self._config, image_len, row_plans={GROUP: row_plan}, in_one_session=False)
        findings = (*find(self._config, plan, image_len, rules=RULES), *self._session(plan.groups[GROUP]))
        if refused := [finding for finding in findings if finding.severity == "refuse"]:
            raise ParameterError.of(f"{finding.message}. {finding.remedy}".strip() for finding in refused)
        return PairPlan(
            n_frags=n_frags,
            frag_size=frag_size,
            rows=rows,
            leading=leading,
            findings=findings,
            data_rates=tuple(self._costs(rate, time.of(n_frags + rows.size, rows.size)) for rate, time in self._times),
        )

    def _session(self, plan: GroupPlan) -> Iterator[Finding]:
        """Warning about frames that one session is too short for; they can be sent in several."""
        try:
            check_session(self._config, plan)
        except ParameterError as error:
            remedy = "Send them in several sessions, at a faster dr, or fewer of them."
            yield Finding(severity="warn", rule="session_length", message=str(error), remedy=remedy)

    def _plan_rows(self, n_frags: int) -> tuple[RowPlan, Rows, bool]:
        """Rows for so many uncoded fragments, and whether they are 1, 2, 3 …"""
        row_plan = plan_rows(self._fleet, self._group, n_frags, self._frag_size)
        leading = row_plan.rows == tuple(range(1, len(row_plan.rows) + 1))
        return row_plan, np.array(row_plan.rows, np.uint32), leading

    def _costs(self, rate: DataRate, time: TransmissionTime) -> dict[str, Any]:
        """Time on the air of all frames, time from the start of the session to the end of the last one, and energy of a
        device that listens until then."""
        duration = self._lead + time.duration
        listening = self._energy.receiving(time, duration, self._periodicity)
        return {
            "dr": rate.dr,
            "data_rate": str(rate),
            "air_time": round(time.n_frames * time.frame_time, 3),
            "duration": round(duration, 3),
            "energy": round(self._energy.energy(listening, duration), 3),
        }


def _devices(n: int, profile: DeviceProfile) -> tuple[Device, ...]:
    return tuple(Device(dev_eui=f"{number:016x}", group=GROUP, profile=profile.name) for number in range(n))


def _data_rates(target: Target, profile: DeviceProfile, frag_size: int) -> Iterator[DataRate]:
    """Data rates of a region that take fragments of this size, and that devices of a profile receive."""
    area = region(target.region)
    for dr in area.usable_drs(dwell_time=target.dwell_time):
        rate = area.data_rate(dr)
        if data_rate_problem(profile, rate):
            continue
        most = area.max_app_payload(
            dr, dwell_time=target.dwell_time, repeater=target.repeater, revision=profile.regional_revision
        )
        if DATA_FRAGMENT_HEADER_LEN + frag_size <= most:
            yield rate


def _slowest(target: Target, profile: DeviceProfile) -> int:
    """The slowest data rate that takes fragments of the target's size."""
    assert target.fsize is not None
    payload_len = DATA_FRAGMENT_HEADER_LEN + target.fsize
    rates = list(_data_rates(target, profile, target.fsize))
    if not rates:
        raise ParameterError(f"fsize: {target.fsize} bytes fit no data rate of {target.region}, expected fewer")
    return max(rates, key=lambda rate: frame_time(payload_len, rate)).dr


@lru_cache(maxsize=MOST_PLANNERS)
def planner_of(target: Target, profile: DeviceProfile) -> TargetPlanner:
    """Planner of a target. ParameterError for a target that its region or its profile does not have."""
    try:
        return TargetPlanner(target, profile)
    except ParameterError as error:
        raise _without_group(error) from None


def _without_group(error: ParameterError) -> ParameterError:
    return ParameterError.of(problem.removeprefix(f"group {GROUP!r}: ") for problem in error.problems)
