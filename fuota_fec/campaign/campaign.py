"""The campaign: inputs and time go in, events come out, already applied.

`Campaign` has the verbs; `machine` decides what they do to a started campaign. State changes only by applying
events, so `Campaign.replay` of a campaign's events is that campaign.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig, Device
from fuota_fec.campaign.events import FAILED, RUNNING, STOPPED, SUCCEEDED
from fuota_fec.campaign.machine import Machine
from fuota_fec.campaign.plan import GroupPlan, Plan, make_block, make_plan
from fuota_fec.campaign.preflight.check import find, refusals
from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.campaign.row_plan import is_plain
from fuota_fec.campaign.stages import planned_stages
from fuota_fec.campaign.state import DeviceState
from fuota_fec.campaign.status import CampaignProgress, CampaignStatus, campaign_status, progress, progress_record
from fuota_fec.campaign.turn import Phase
from fuota_fec.codec.block import FragmentedBlock
from fuota_fec.errors import CampaignError, ParameterError

__all__ = ["FAILED", "RUNNING", "STOPPED", "SUCCEEDED", "Campaign"]


class Campaign:
    """One image to one set of devices. Free of I/O: time is an argument, requests are among the events returned.

    Every verb returns the list of new events, already applied. The caller commits them, then carries out the
    `Requested` ones and reports each hand-over with `receive(HandOver(...))`; `deadline()` says when `tick` is due.
    A campaign of kind "multicast" sends no image.
    """

    _plan: Plan
    _image: bytes
    _findings: tuple[Finding, ...] | None

    def __init__(self, config: CampaignConfig, image: bytes = b"") -> None:
        image = bytes(image)
        plan = make_plan(config, len(image))
        self._prepare(config, plan, image, len(image))
        # How configured times fit is known when the campaign starts.
        if config.session_start is None and (refused := refusals(self.findings)):
            raise ParameterError("\n".join(refused))

    def __repr__(self) -> str:
        return f"<Campaign {self.id!r} {self.progress().status}>"

    @property
    def id(self) -> str:
        return self._config.id

    @property
    def config(self) -> CampaignConfig:
        return self._config

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the pre-flight check has to say: warnings, then what to expect."""
        if self._findings is None:
            network = self._machine.state.network if self._machine is not None else None
            self._findings = tuple(find(self._config, self._plan, self._image_len, network=network))
        return self._findings

    @property
    def image(self) -> bytes:
        return self._image

    @property
    def n_events(self) -> int:
        """Events so far: the sequence number of the next one."""
        return 0 if self._machine is None else self._machine.n_events

    @property
    def finished(self) -> bool:
        return self._machine is not None and self._machine.finished

    @property
    def paused(self) -> bool:
        """Whether no request may be handed over."""
        return self._machine is not None and self._machine.state.paused

    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over: not replaced, answered, withdrawn or given up meanwhile."""
        return self._machine is not None and self._machine.awaits_hand_over(request_id)

    def device(self, dev_eui: str) -> Device:
        """The configuration of one of its devices."""
        assert self._machine is not None
        return self._machine.state.devices[dev_eui].device

    def device_states(self) -> Iterable[DeviceState]:
        """What is known of each device; empty before the start."""
        return () if self._machine is None else self._machine.state.devices.values()

    def block(self, group: str) -> FragmentedBlock:
        """The ready frames of a group."""
        return self._blocks[group]

    def next_f_cnt(self, group: str) -> int:
        """The group's next frame counter."""
        machine = self._machine
        return self._plan.groups[group].first_f_cnt if machine is None else machine.state.groups[group].next_f_cnt

    def take_facts(self) -> list[m.Fact]:
        """What the events since the last call change in the registry of what outlives a campaign."""
        return [] if self._machine is None else self._machine.state.take_facts()

    # ---- verbs -------------------------------------------------------------------------------------------

    def start(
        self, now: float, network: m.NetworkCapabilities | None = None, known: m.Known | None = None
    ) -> list[m.Event]:
        """Begins with the first stage. `known` is what the registry says of its groups and devices.

        CampaignError if it was started before, or does not fit the time or the counters; it can be started again then.
        """
        if self._machine is not None:
            raise CampaignError(f"campaign {self.id!r} was started already, it is {self._machine.state.status}")
        network, known = network or m.NetworkCapabilities(), known or m.Known()
        try:
            row_plans = {name: group.row_plan for name, group in self._plan.groups.items()}
            plan = make_plan(
                self._config,
                len(self._image),
                network=network,
                next_f_cnt=known.next_f_cnt,
                row_plans=row_plans,
            )
        except ParameterError as error:
            raise CampaignError(str(error)) from None
        if refused := refusals(find(self._config, plan, len(self._image), now=now, network=network)):
            raise CampaignError("\n".join(refused))
        self._plan = plan
        first = m.Configured(
            at=now,
            config=self._config,
            image_len=len(self._image),
            image_sha256=hashlib.sha256(self._image).digest(),
            network=network,
            known=known,
            row_plans={
                name: group.row_plan for name, group in plan.groups.items() if not is_plain(self._config, group.group)
            },
        )
        machine = self._begin(first)
        return [first, *machine.run(iter((machine.start_stage(0, now),)), machine.settle(now))]

    def receive(self, item: m.Input, now: float) -> list[m.Event]:
        """Takes an input. Nothing that a device or the network says raises: what is foreign is counted in `ignored`."""
        machine = self._going_on()
        if machine is None:
            self.ignored["not running"] += 1
            return []
        now = max(now, machine.last_at)
        return machine.run(machine.on_timers(now, before=True), machine.on_input(item, now), machine.settle(now))

    def tick(self, now: float) -> list[m.Event]:
        """Fires the timers that are due."""
        machine = self._going_on()
        if machine is None:
            return []
        now = max(now, machine.last_at)
        return machine.run(machine.on_timers(now), machine.settle(now))

    def deadline(self) -> float | None:
        """Unix time at which `tick` is due next; None if only an input can bring the campaign on."""
        return None if self._machine is None or self.finished else self._machine.state.timers.earliest()

    def pause(self, now: float) -> list[m.Event]:
        """No request goes out any more; answers count, and time passes. CampaignError unless it runs."""
        machine = self._need_running("paused")
        return [] if machine.state.paused else machine.run(iter((m.Paused(at=max(now, machine.last_at)),)))

    def unpause(self, now: float) -> list[m.Event]:
        """Goes on after a pause. CampaignError unless it runs."""
        machine = self._need_running("continued")
        now = max(now, machine.last_at)
        return machine.run(iter((m.Unpaused(at=now),)), machine.settle(now)) if machine.state.paused else []

    def stop(self, now: float) -> list[m.Event]:
        """Ends it: nothing more is sent but what cleans up on the devices. Again is harmless.

        CampaignError if it was not started, or has succeeded or failed.
        """
        machine = self._machine
        if machine is None or machine.state.status in (SUCCEEDED, FAILED):
            raise CampaignError(f"campaign {self.id!r} cannot be stopped: it is {self.progress().status}")
        if machine.state.stopping or machine.state.status == STOPPED:
            return []
        self._need_image()
        now = max(now, machine.last_at)
        return machine.run(machine.on_stop(now), machine.settle(now))

    def resume(self, now: float) -> list[m.Event]:
        """Goes on after a crash or an outage, once it was replayed: devices and the network have their time again."""
        machine = self._going_on()
        if machine is None:
            return []
        now = max(now, machine.last_at)
        return machine.run(iter((m.Resumed(at=now),)), machine.settle(now))

    def _going_on(self) -> Machine | None:
        """Its machine, unless it is over or was not begun."""
        if self._machine is None or self._machine.finished:
            return None
        self._need_image()
        return self._machine

    def _need_running(self, verb: str) -> Machine:
        if self._machine is None or self.finished or self._machine.state.stopping:
            raise CampaignError(f"campaign {self.id!r} cannot be {verb}: it is {self.progress().status}")
        return self._machine

    def _need_image(self) -> None:
        if self._image_len and not self._image:
            raise CampaignError(
                f"campaign {self.id!r} was replayed without its image: it can be looked at, not continued"
            )

    @classmethod
    def replay(cls, events: Iterable[m.Event], image: bytes = b"") -> Campaign:
        """The campaign whose events these are. Without its image it can be looked at, not continued."""
        campaign: Campaign | None = None
        for event in events:
            if campaign is None:
                campaign = cls.from_first(event, image)
            else:
                campaign.follow(event)
        if campaign is None:
            raise CampaignError("there are no events to replay")
        campaign.take_facts()  # They are in the registry, which is written with the events.
        return campaign

    @classmethod
    def from_first(cls, event: m.Event, image: bytes = b"") -> Campaign:
        """The campaign as its first event left it, to be followed event by event with `follow`."""
        if not isinstance(event, m.Configured):
            raise CampaignError(f"the first event is {type(event).__name__}, expected Configured")
        config = event.config
        if image and hashlib.sha256(image).digest() != event.image_sha256:
            raise CampaignError(f"campaign {config.id!r}: this is not the image that it was started with")
        campaign = cls.__new__(cls)
        plan = make_plan(
            config,
            event.image_len,
            network=event.network,
            next_f_cnt=event.known.next_f_cnt,
            row_plans=event.row_plans,
        )
        campaign._prepare(config, plan, image, event.image_len)
        campaign._begin(event)
        return campaign

    def follow(self, event: m.Event) -> None:
        """Takes over an event that was decided elsewhere: for whoever looks at a campaign that runs in an agent."""
        assert self._machine is not None
        self._machine.apply(event)

    def describe(self, event: m.Event, *, dev_eui: str | None = None, group: str | None = None) -> dict[str, Any]:
        """Its last event as plain data, with where the campaign is after it, and the device or group that it concerns.

        Which that is must be said of events that only name a request.
        """
        assert self._machine is not None
        machine = self._machine
        return progress_record(event, self.progress(), machine.state, machine.phase, dev_eui=dev_eui, group=group)

    def status(self) -> CampaignStatus:
        """Where it is, device by device."""
        machine = self._machine
        if machine is None:
            return campaign_status(self.progress(), None, lambda _device: Phase.ABSENT)
        return campaign_status(self.progress(), machine.state, machine.phase)

    def progress(self) -> CampaignProgress:
        """Where it is, at no cost."""
        machine = self._machine
        if machine is None:
            return progress(self._config, self._plan, None, None, None, self._stages)
        return progress(self._config, self._plan, machine.state, machine.main, machine.last_end, self._stages)

    def abandon(self) -> None:
        """Takes back a start that could not be committed."""
        self._prepare(self._config, make_plan(self._config, len(self._image)), self._image, len(self._image))

    # ---- making it ---------------------------------------------------------------------------------------

    def _prepare(self, config: CampaignConfig, plan: Plan, image: bytes, image_len: int) -> None:
        """A campaign without events."""
        self._config, self._plan, self._image = config, plan, image
        self._image_len = image_len
        self._findings = None
        self._blocks = self._make_blocks(plan) if image and config.kind != "multicast" else {}
        self._stages = planned_stages(config, plan)
        self._machine: Machine | None = None
        """Once it was started."""
        self.ignored: Counter[str] = Counter()
        """What came in and concerned nobody, by kind. Not part of the events."""

    def _begin(self, event: m.Configured) -> Machine:
        self._findings = None
        self._machine = Machine(event, self._plan, self._blocks, self._stages, self.ignored)
        return self._machine

    def _make_blocks(self, plan: Plan) -> dict[str, FragmentedBlock]:
        """Groups whose frames are the same share them."""
        made: dict[tuple[int, str, tuple[int, ...]], FragmentedBlock] = {}

        def block(group: GroupPlan) -> FragmentedBlock:
            same = (group.frag_size, group.group.dialect, group.rows)
            if same not in made:
                made[same] = make_block(self._config, group, self._image)
            return made[same]

        return {name: block(group) for name, group in plan.groups.items()}
