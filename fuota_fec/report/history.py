"""History of a campaign from its events: stages with their progress, groups with their frames, totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import (
    Answered,
    Configured,
    Event,
    Finished,
    HandedOver,
    Reported,
    Requested,
    Resumed,
    Session,
    StageEnded,
    StageStarted,
    Stopping,
    Wait,
)
from fuota_fec.campaign.plan import GroupPlan
from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.campaign.sessions import DL_FRAGMENT, FRAG_SESSION_STATUS
from fuota_fec.campaign.status import CampaignStatus
from fuota_fec.errors import CampaignError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN

CLEAN_UP = "clean-up"

_MOST_POINTS = 120
"""Largest number of points in the progress of a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRun:
    """One run of a stage, in Unix times. `progress`: pairs of seconds since its start and the share done."""

    stage: str
    round: int
    started: float
    ended: float | None
    """None while the stage runs."""
    n_devices: int
    """Devices that took part when the stage began."""
    successes: int | None
    ok: bool | None
    back_to: str
    progress: tuple[tuple[float, float], ...]
    waited: float
    """Part of its time in which it waited for a time to come, s: the start of the multicast session, for one."""
    waits_for: str
    """What it waited for; "" if it did not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupHistory:
    """Frames that were sent to a group."""

    plan: GroupPlan
    next_f_cnt: int
    n_uncoded: int
    """Uncoded fragments that the network accepted; those of later rounds count again."""
    n_coded: int
    n_commands: int
    """Status requests that the network accepted."""
    n_not_sent: int
    """Frames that the network reported as not sent by any gateway."""
    air_time: float
    """Time on air of all accepted frames, s."""
    listened: float
    """Length of its sessions up to the last event, s: a device that took part in all of them was in them for so long,
    if it left none early."""
    energies: tuple[tuple[str, float], ...]
    """Radio of its devices, and the energy of such a device, J, from the start of the campaign to its last event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignHistory:
    """Facts of a campaign for a report, in Unix times."""

    config: CampaignConfig
    status: CampaignStatus
    findings: tuple[Finding, ...]
    image_len: int
    image_sha256: bytes
    started: float
    last_at: float
    """Time of the last event."""
    n_events: int
    runs: tuple[StageRun, ...]
    groups: tuple[GroupHistory, ...]
    n_unicast: int
    """Unicast downlinks that the network accepted."""
    n_resends: int
    """Number of these that were resends."""
    n_outages: int
    """Number of times the campaign was resumed."""
    losses: tuple[float, ...]
    """Share of fragments that a device missed by its last report, for each device with one."""
    coded_needed: tuple[int, ...]
    """For each device that reported missing fragments: coded fragments sent to its group before the last such report,
    and the fragments that it lacked then."""
    complete: tuple[tuple[float, int], ...]
    """After each status request: multicast time on air so far, s, and number of devices known or assumed complete."""

    @property
    def funnel(self) -> tuple[tuple[StageRun, int], ...]:
        """Last run of each stage, in order, with the number of its runs; without the clean-up."""
        last = {run.stage: run for run in self.runs}
        times = Counter(run.stage for run in self.runs)
        return tuple((run, times[stage]) for stage, run in last.items() if stage != CLEAN_UP)


def read_history(events: Iterable[Event]) -> CampaignHistory:
    """History of a campaign from its events, the first one included. CampaignError if there are no events."""
    reader: _Reader | None = None
    for event in events:
        if reader is None:
            reader = _Reader(event)
        else:
            reader.take(event)
    if reader is None:
        raise CampaignError("events: there are none, expected the events of a campaign")
    return reader.history()


@dataclass(slots=True)
class _Run:
    stage: str
    round: int
    started: float
    n_devices: int
    total: int
    wait: Wait | None = None
    done: int = 0
    progress: list[tuple[float, float]] = field(default_factory=list)

    def advance(self, at: float) -> None:
        self.done += 1
        if self.total:
            self.progress.append((at - self.started, min(1.0, self.done / self.total)))

    def end(
        self, at: float | None, last_at: float, ended: StageEnded | None = None, ok: bool | None = None
    ) -> StageRun:
        until = self.wait.until if self.wait is not None and self.wait.until is not None else self.started
        waited = min(until, last_at) - self.started
        points = self.progress
        if len(points) > _MOST_POINTS:
            points = [points[i * (len(points) - 1) // (_MOST_POINTS - 1)] for i in range(_MOST_POINTS)]
        return StageRun(
            stage=self.stage,
            round=self.round,
            started=self.started,
            ended=at,
            n_devices=self.n_devices,
            successes=ended.successes if ended is not None else None,
            ok=ended.ok if ended is not None else ok,
            back_to=ended.back_to if ended is not None else "",
            progress=tuple(points),
            waited=waited if waited >= 1 else 0.0,
            waits_for=self.wait.why if self.wait is not None and waited >= 1 else "",
        )


class _Reader:
    def __init__(self, first: Event) -> None:
        self.campaign = Campaign.from_first(first)
        assert isinstance(first, Configured)
        self.first = first
        self.n_events, self.last_at = 1, first.at
        self.runs: list[StageRun] = []
        self.run: _Run | None = None
        self.last_stage = self.campaign.progress().stages[-1]
        self.frames: dict[str, Requested] = {}
        """Multicast requests that the network has not accepted or not reported yet, by id."""
        self.unicast: dict[str, bool] = {}
        """Unicast requests that the network has not accepted yet, by id; true for a resend."""
        self.sent: dict[str, Counter[str]] = {name: Counter() for name in self.campaign.plan.groups}
        self.air = dict.fromkeys(self.campaign.plan.groups, 0.0)
        self.sessions: dict[str, list[Session]] = {name: [] for name in self.campaign.plan.groups}
        self.counts: Counter[str] = Counter()
        self.complete: list[tuple[float, int]] = []
        self.losses: dict[str, float] = {}
        self.coded_needed: dict[str, int] = {}

    def take(self, event: Event) -> None:
        self.campaign.follow(event)
        self.n_events += 1
        self.last_at = max(self.last_at, event.at)
        if isinstance(event, StageStarted):
            self._begin(event)
        elif isinstance(event, StageEnded):
            self._end(event.at, event)
            if event.stage in (FRAG_SESSION_STATUS, self.last_stage):
                on_air = sum(self.air.values())
                if self.complete and self.complete[-1][0] == on_air:
                    self.complete.pop()  # The later count is the more accurate one.
                self.complete.append((on_air, event.successes))
        elif isinstance(event, Stopping):
            self._end(event.at)
            self.run = _Run(CLEAN_UP, 1, event.at, 0, 0)
        elif isinstance(event, Finished):
            self._end(event.at, ok=True)
        elif isinstance(event, Requested):
            if event.group is not None:
                self.frames[event.id] = event
            elif event.dev_eui is not None:
                self.unicast[event.id] = event.replaces is not None
        elif isinstance(event, HandedOver):
            self._handed_over(event)
        elif isinstance(event, Reported):
            self._reported(event)
        elif isinstance(event, Answered):
            if self.run is not None and event.ok and self.run.stage != CLEAN_UP:
                self.run.advance(event.at)
            if event.loss is not None:
                self.losses[event.dev_eui] = event.loss
            if event.needed:
                group = self.campaign.device(event.dev_eui).group
                self.coded_needed[event.dev_eui] = self.sent[group]["coded"] + event.needed
        elif isinstance(event, Resumed):
            self.counts["outages"] += 1

    def _begin(self, event: StageStarted) -> None:
        total = event.n_devices
        for name, session in (event.sessions or {}).items():
            self.sessions[name].append(session)
        if event.stage == DL_FRAGMENT:
            total = sum(planned - begun for begun, planned in self.campaign.progress().fragments.values())
        self.run = _Run(event.stage, event.round, event.at, event.n_devices, total, event.wait)

    def _end(self, at: float, ended: StageEnded | None = None, ok: bool | None = None) -> None:
        # Omit a clean-up stage that had nothing to do.
        if self.run is not None and not (self.run.stage == CLEAN_UP and at <= self.run.started):
            self.runs.append(self.run.end(at, at, ended, ok))
        self.run = None

    def _handed_over(self, event: HandedOver) -> None:
        if (resend := self.unicast.pop(event.id, None)) is not None:
            self.counts["unicast"] += 1
            self.counts["resends"] += resend
        elif (request := self.frames.get(event.id)) is not None:
            assert request.group is not None
            plan = self.campaign.plan.groups[request.group]
            if request.frag_nb is None:
                kind, length = "commands", len(request.command or b"")
            else:
                kind, length = (
                    "coded" if request.frag_nb > plan.n_frags else "uncoded",
                    DATA_FRAGMENT_HEADER_LEN + plan.frag_size,
                )
                if self.run is not None and self.run.stage == DL_FRAGMENT:
                    self.run.advance(event.at)
            self.sent[request.group][kind] += 1
            self.air[request.group] += plan.air_time(length)

    def _reported(self, event: Reported) -> None:
        request = self.frames.pop(event.id, None)
        if request is not None and request.group is not None and not event.ok:
            self.sent[request.group]["not sent"] += 1

    def _listened(self, name: str) -> float:
        """Time that the sessions of a group cover, s. A later session takes the place of an earlier one."""
        total, last = 0.0, self.last_at
        for session in sorted(self.sessions[name], key=lambda session: session.start, reverse=True):
            total += max(0.0, min(session.end, last) - session.start)
            last = min(last, session.start)
        return total

    def _energies(self, plan: GroupPlan, listened: float) -> tuple[tuple[str, float], ...]:
        config, of = self.campaign.config, plan.group
        names = {device.profile for device in config.devices if device.group == of.name}
        radios = {radio.name: radio for radio in (config.profile_named(name).energy for name in sorted(names))}
        periodicity = of.periodicity if of.device_class == "B" else None
        duration = self.last_at - self.first.at
        models = {name: EnergyModel.of(radio) for name, radio in radios.items()}
        return tuple(
            (name, model.energy(model.receiving(plan.time, listened, periodicity), duration))
            for name, model in models.items()
        )

    def history(self) -> CampaignHistory:
        if self.run is not None:
            self.runs.append(self.run.end(None, self.last_at))
        campaign, status = self.campaign, self.campaign.status()
        groups = tuple(
            GroupHistory(
                plan=plan,
                next_f_cnt=status.next_f_cnt[name],
                n_uncoded=self.sent[name]["uncoded"],
                n_coded=self.sent[name]["coded"],
                n_commands=self.sent[name]["commands"],
                n_not_sent=self.sent[name]["not sent"],
                air_time=self.air[name],
                listened=(listened := self._listened(name)),
                energies=self._energies(plan, listened),
            )
            for name, plan in campaign.plan.groups.items()
        )
        return CampaignHistory(
            config=campaign.config,
            status=status,
            findings=campaign.findings,
            image_len=self.first.image_len,
            image_sha256=self.first.image_sha256,
            started=self.first.at,
            last_at=self.last_at,
            n_events=self.n_events,
            runs=tuple(self.runs),
            groups=groups,
            n_unicast=self.counts["unicast"],
            n_resends=self.counts["resends"],
            n_outages=self.counts["outages"],
            losses=tuple(self.losses.values()),
            coded_needed=tuple(self.coded_needed.values()),
            complete=tuple(self.complete),
        )
