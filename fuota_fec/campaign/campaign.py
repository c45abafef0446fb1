"""The campaign: inputs and time go in, events come out, already applied.

`Campaign` has the verbs; `machine` decides what they do to a started campaign. State changes only by applying events,
so `Campaign.replay` of a campaign's events restores that campaign.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.belief import devices_not_to_ask, devices_to_ask
from fuota_fec.campaign.blocks import make_blocks, prepared_blocks
from fuota_fec.campaign.config import CampaignConfig, Device
from fuota_fec.campaign.events import FAILED, RUNNING, STOPPED, SUCCEEDED
from fuota_fec.campaign.hearing import Strangers
from fuota_fec.campaign.machine import Machine
from fuota_fec.campaign.plan import Plan, make_plan
from fuota_fec.campaign.preflight.check import find, refusals
from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.campaign.row_plan import is_plain
from fuota_fec.campaign.stages import planned_stages
from fuota_fec.campaign.state import DeviceState
from fuota_fec.campaign.status import CampaignProgress, CampaignStatus, campaign_status, progress, progress_record
from fuota_fec.campaign.turn import Phase
from fuota_fec.codec.block import FragmentedBlock
from fuota_fec.errors import CampaignError, EventError, ParameterError, listed

__all__ = ["FAILED", "RUNNING", "STOPPED", "SUCCEEDED", "Campaign"]


class Campaign:
    """Delivery of one image to one set of devices. Free of I/O: time is an argument, requests are among the new events.

    Every verb returns the list of new events, already applied. The caller commits them, then carries out the
    `Requested` ones and reports each hand-over with `receive(HandOver(...))`; `deadline()` is the time of the next
    `tick`. A campaign of kind "multicast" sends no image.
    """

    _plan: Plan
    _image: bytes
    _block_given: FragmentedBlock | None = None
    _findings: tuple[Finding, ...] | None
    _known: m.Known

    def __init__(self, config: CampaignConfig, image: bytes | FragmentedBlock = b"") -> None:
        """`image`: its bytes, or a prepared block with the frames that the groups need."""
        self._block_given = image if isinstance(image, FragmentedBlock) else None
        image = bytes(image.image() if isinstance(image, FragmentedBlock) else image)
        plan = make_plan(config, len(image), asked_first=devices_to_ask(config))
        self._prepare(config, plan, image, len(image))
        # Findings on a configured time depend on the time of the start: `start` checks them.
        if config.session_start is None and (refused := refusals(self.findings)):
            raise ParameterError.of(refused)

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
        """Findings of the pre-flight check: warnings first, then expectations."""
        if self._findings is None:
            network = self._machine.state.network if self._machine is not None else None
            self._findings = tuple(find(self._config, self._plan, self._image_len, network=network, known=self._known))
        return self._findings

    @property
    def image(self) -> bytes:
        return self._image

    @property
    def n_events(self) -> int:
        """Number of events so far, which is the sequence number of the next one."""
        return 0 if self._machine is None else self._machine.n_events

    @property
    def finished(self) -> bool:
        return self._machine is not None and self._machine.finished

    @property
    def paused(self) -> bool:
        """Whether no request may be handed over."""
        return self._machine is not None and self._machine.state.paused

    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over, and was not replaced, answered, withdrawn or given up."""
        return self._machine is not None and self._machine.awaits_hand_over(request_id)

    def device(self, dev_eui: str) -> Device:
        """Configuration of a device of the campaign."""
        assert self._machine is not None
        return self._machine.state.devices[dev_eui].device

    def share(self, strangers: Strangers) -> None:
        """Takes the devices of no campaign from one who reads the network for several."""
        if self._machine is not None:
            self._machine.hearing.strangers = strangers

    @property
    def unheard(self) -> str:
        """Uplinks of devices that are not in the campaign, while it runs and hears none of its own; "" otherwise. Like
        `ignored` it is no part of the events, but the reason of a failed campaign has it."""
        return "" if self._machine is None or self.finished else self._machine.hearing.instead()

    def device_states(self) -> Iterable[DeviceState]:
        """States of all devices; empty before the start."""
        return () if self._machine is None else self._machine.state.devices.values()

    def block(self, group: str) -> FragmentedBlock:
        """Frames of a group, ready to be sent."""
        return self._blocks[group]

    def next_f_cnt(self, group: str) -> int:
        """Next frame counter of a group."""
        machine = self._machine
        return self._plan.groups[group].first_f_cnt if machine is None else machine.state.groups[group].next_f_cnt

    def take_facts(self) -> list[m.Fact]:
        """Changes of the registry by the events since the last call."""
        return [] if self._machine is None else self._machine.state.take_facts()

    # ---- verbs -------------------------------------------------------------------------------------------

    def start(
        self, now: float, network: m.NetworkCapabilities | None = None, known: m.Known | None = None
    ) -> list[m.Event]:
        """Begins the first stage. `known` has the registry's facts about the groups and devices.

        CampaignError if the campaign was started before, or does not fit the time or the counters. After an error of
        the second kind the campaign can be started again.
        """
        if self._machine is not None:
            raise CampaignError(
                f"campaign {self.id!r} is {self._machine.state.status}, expected one that was not started"
            )
        network, known = network or m.NetworkCapabilities(), known or m.Known()
        asked_first = devices_to_ask(self._config, known)
        try:
            row_plans = {name: group.row_plan for name, group in self._plan.groups.items()}
            plan = make_plan(
                self._config,
                len(self._image),
                network=network,
                next_f_cnt=known.next_f_cnt,
                row_plans=row_plans,
                asked_first=asked_first,
            )
        except ParameterError as error:
            raise CampaignError(str(error)) from None
        if refused := refusals(find(self._config, plan, len(self._image), now=now, network=network, known=known)):
            raise CampaignError(listed(refused))
        self._plan, self._stages = plan, planned_stages(self._config, plan)
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
            asked_first=asked_first,
        )
        machine = self._begin(first)
        return [first, *machine.run(self._first_decisions(machine, now), machine.settle(now))]

    def _first_decisions(self, machine: Machine, now: float) -> Iterator[m.Event]:
        for dev_eui in devices_not_to_ask(self._config):
            yield m.RunsAlready(at=now, dev_eui=dev_eui)
        yield machine.start_stage(0, now)

    def receive(self, item: m.Input, now: float, *, timers: bool = True) -> list[m.Event]:
        """Takes an input. No input raises: foreign ones are counted in `ignored`.

        `timers`: timers that were due before `now` fire first. Without it they wait for `tick`.
        """
        machine = self._going_on()
        if machine is None:
            self.ignored["not running"] += 1
            return []
        now = max(now, machine.last_at)
        before = machine.run(machine.on_timers(now, before=True)) if timers else []
        return before + machine.run(machine.on_input(item, now)) + machine.run(machine.settle(now))

    def overhears(self, item: m.Input, now: float) -> bool:
        """Takes an uplink that changes nothing, as `receive` without timers. False, with nothing done, for another
        input, and for an uplink that may change something."""
        machine = self._going_on()
        if machine is None or not machine.settled or now < machine.last_at or not isinstance(item, m.Uplink):
            return False
        if (device := machine.state.devices.get(item.dev_eui)) is None:
            return False
        exchange = machine.exchange_of(device)
        return exchange is not None and machine.uplinks.overhears(device, exchange, item, now)

    def tick(self, now: float) -> list[m.Event]:
        """Fires the timers that are due."""
        machine = self._going_on()
        if machine is None:
            return []
        now = max(now, machine.last_at)
        due = machine.state.timers.earliest()
        if due is None or due > now:
            return []
        return machine.run(machine.on_timers(now), machine.settle(now))

    def deadline(self) -> float | None:
        """Unix time of the next `tick`; None while the campaign waits for an input alone."""
        machine = self._machine
        return None if machine is None or machine.finished else machine.state.timers.earliest()

    def pause(self, now: float) -> list[m.Event]:
        """Pauses: no request goes out, answers count, and time passes. CampaignError unless the campaign is running."""
        machine = self._need_running("pause")
        return [] if machine.state.paused else machine.run(iter((m.Paused(at=max(now, machine.last_at)),)))

    def unpause(self, now: float) -> list[m.Event]:
        """Ends a pause. CampaignError unless the campaign is running."""
        machine = self._need_running("unpause")
        now = max(now, machine.last_at)
        return machine.run(iter((m.Unpaused(at=now),)), machine.settle(now)) if machine.state.paused else []

    def stop(self, now: float) -> list[m.Event]:
        """Stops: only the requests of the clean-up are sent. A repeated stop changes nothing.

        CampaignError if the campaign was not started, or has succeeded or failed.
        """
        machine = self._machine
        if machine is None or machine.state.status in (SUCCEEDED, FAILED):
            raise CampaignError(f"cannot stop campaign {self.id!r}: it is {self.progress().status}")
        if machine.state.stopping or machine.state.status == STOPPED:
            return []
        self._need_image()
        now = max(now, machine.last_at)
        return machine.run(machine.on_stop(now), machine.settle(now))

    def resume(self, now: float, *, lost: float = 0.0) -> list[m.Event]:
        """Resumes after a replay or an outage. `lost` is the time (s) in which nothing could be heard or sent: the
        maximum duration and all deadlines end that much later. A deadline that is past all the same begins anew."""
        machine = self._going_on()
        if machine is None:
            return []
        now = max(now, machine.last_at)
        return machine.run(iter((m.Resumed(at=now, lost=lost, rules=2),)), machine.settle(now))

    def suspend(self, now: float, reason: str) -> list[m.Event]:
        """Records why the campaign's time stands still until it resumes, once."""
        machine = self._going_on()
        if machine is None or machine.state.suspended:
            return []
        return machine.run(iter((m.Suspended(at=max(now, machine.last_at), reason=reason),)))

    def _going_on(self) -> Machine | None:
        """Machine of the campaign; None before the start and after the end."""
        machine = self._machine
        if machine is None or machine.finished:
            return None
        if not self._image:
            self._need_image()
        return machine

    def _need_running(self, verb: str) -> Machine:
        if self._machine is None or self.finished or self._machine.state.stopping:
            raise CampaignError(f"cannot {verb} campaign {self.id!r}: it is {self.progress().status}")
        return self._machine

    def _need_image(self) -> None:
        if self._image_len and not self._image:
            raise CampaignError(f"campaign {self.id!r} was replayed without its image: expected the image, to go on")

    @classmethod
    def replay(cls, events: Iterable[m.Event], image: bytes = b"") -> Campaign:
        """Campaign of these events. Without the image its status can be read, but it cannot go on."""
        events = iter(events)
        first = next(events, None)
        if first is None:
            raise CampaignError("events: expected at least one event, Configured")
        campaign = cls.from_first(first, image)
        campaign.follow_all(events)
        campaign.take_facts()  # The registry has these facts: it is written with the events.
        return campaign

    @classmethod
    def from_first(cls, event: m.Event, image: bytes = b"") -> Campaign:
        """Campaign after its first event; `follow` applies the others. EventError if no campaign can begin with it."""
        if not isinstance(event, m.Configured):
            raise CampaignError(f"events: the first is {type(event).__name__}, expected Configured")
        config = event.config
        if image and hashlib.sha256(image).digest() != event.image_sha256:
            raise CampaignError(
                f"image: does not match the SHA-256 of campaign {config.id!r}, expected the image of its start"
            )
        campaign = cls.__new__(cls)
        try:
            plan = make_plan(
                config,
                event.image_len,
                network=event.network,
                next_f_cnt=event.known.next_f_cnt,
                row_plans=event.row_plans,
                asked_first=event.asked_first,
            )
            campaign._prepare(config, plan, image, event.image_len)
            campaign._begin(event)
        except Exception as error:
            text = f"campaign {config.id!r}: event 0 (Configured) cannot be used: {error!r}"
            raise EventError(text, campaign=config.id, number=0) from error
        return campaign

    def follow(self, event: m.Event) -> None:
        """Applies an event that was decided elsewhere. EventError if it does not fit the events before it."""
        self.follow_all((event,))

    def follow_all(self, events: Iterable[m.Event]) -> None:
        """Applies events as `follow`."""
        assert self._machine is not None
        apply = self._machine.apply
        for event in events:
            try:
                apply(event)
            except Exception as error:
                number = self.n_events - 1
                what = f"campaign {self.id!r}: event {number} ({type(event).__name__})"
                text = f"{what} does not fit the events before it: {error!r}"
                raise EventError(text, campaign=self.id, number=number) from error

    def describe(self, event: m.Event) -> dict[str, Any]:
        """The last event as plain data, with the progress of the campaign after it, and the device or group that it
        concerns, also where the event names only a request."""
        assert self._machine is not None
        machine = self._machine
        return progress_record(event, self.progress(), machine.state, machine.phase)

    def status(self) -> CampaignStatus:
        """Status of the campaign and of each device."""
        machine = self._machine
        if machine is None:
            return campaign_status(self.progress(), None, lambda _device: Phase.ABSENT)
        return campaign_status(self.progress(), machine.state, machine.phase, machine.wait())

    def progress(self) -> CampaignProgress:
        """Progress of the campaign, without the devices, at a cost that does not grow with their number."""
        machine = self._machine
        if machine is None:
            return progress(self._config, self._plan, None, None, None, self._stages, 0.0)
        return progress(
            self._config, self._plan, machine.state, machine.main, machine.last_end, self._stages, machine.last_at
        )

    def abandon(self) -> None:
        """Undoes a start that could not be committed."""
        plan = make_plan(self._config, len(self._image), asked_first=devices_to_ask(self._config))
        self._prepare(self._config, plan, self._image, len(self._image))

    # ---- construction -----------------------------------------------------------------------------------

    def _prepare(self, config: CampaignConfig, plan: Plan, image: bytes, image_len: int) -> None:
        """Sets up a campaign without events."""
        self._config, self._plan, self._image = config, plan, image
        self._image_len = image_len
        self._findings, self._known = None, m.Known()
        self._blocks = self._make_blocks(plan) if image and config.kind != "multicast" else {}
        self._stages = planned_stages(config, plan)
        self._machine: Machine | None = None
        """Machine of the campaign; None before the start."""
        self.ignored: Counter[str] = Counter()
        """Numbers of inputs that concerned no exchange, by kind. They are not part of the events."""

    def _begin(self, event: m.Configured) -> Machine:
        self._findings, self._known = None, event.known
        self._machine = Machine(event, self._plan, self._blocks, self._stages, self.ignored)
        return self._machine

    def _make_blocks(self, plan: Plan) -> dict[str, FragmentedBlock]:
        if self._block_given is not None:
            return prepared_blocks(self._config, plan, self._block_given)
        return make_blocks(self._config, plan, self._image)
