"""The campaign: inputs and time go in, events come out, already applied.

The machine knows no stage by name. It goes through the rows of `stages`, gives each a unicast exchange or a
multicast transmission, and hands every input, timer and event to the one that runs. Its state changes only by
applying events, so `Campaign.replay` of the events of a campaign is that campaign.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig, Device
from fuota_fec.campaign.exchange import UnicastExchange
from fuota_fec.campaign.findings import find, refusals
from fuota_fec.campaign.plan import GroupPlan, Plan, make_block, make_plan
from fuota_fec.campaign.stages import FIRMWARE_UPDATE, Stage
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.transmission import Transmission
from fuota_fec.codec.block import FragmentedBlock
from fuota_fec.devices.preflight import Finding
from fuota_fec.errors import CampaignError, ParameterError, WireError
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.commands import Command

Exchange: TypeAlias = UnicastExchange | Transmission

DURATION = ("duration",)

CONFIGURED, RUNNING, SUCCEEDED, FAILED = "CONFIGURED", "RUNNING", "SUCCEEDED", "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """`status`: "running", "passed" (verified) or "failed"; `reason` why; `fw_version` the last it reported."""

    dev_eui: str
    group: str
    status: str
    reason: str
    fw_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus:
    """Where a campaign is. `n_done` devices have succeeded in the present stage, of `n_taking_part`."""

    id: str
    status: str
    reason: str
    stage: str | None
    stages: tuple[str, ...]
    n_stages_completed: int
    n_devices: int
    n_taking_part: int
    n_done: int
    fragments: dict[str, tuple[int, int]]
    """Frames requested and planned, by group, while they are sent."""
    devices: tuple[DeviceStatus, ...]


class Campaign:
    """One image to one set of devices. Free of I/O: time is an argument, requests are among the events returned.

    Every verb returns the list of new events, already applied. The caller commits them, then carries out the
    `Requested` ones and reports each hand-over with `receive(HandOver(...))`; `deadline()` says when `tick` is due.
    """

    def __init__(self, config: CampaignConfig, image: bytes) -> None:
        self._config = config
        self._image = bytes(image)
        self._plan = make_plan(config, len(self._image))
        self._findings = find(config, self._plan, len(self._image))
        # How a configured session start fits is known when the campaign starts.
        if config.session_start is None and (refused := refusals(self._findings)):
            raise ParameterError("\n".join(refused))
        self._blocks = self._make_blocks(self._plan)
        self._state: CampaignState | None = None
        self._exchange: Exchange | None = None
        self._stages: tuple[Stage, ...] = FIRMWARE_UPDATE
        self._last_at = float("-inf")
        self._n_events = 0
        self.ignored: Counter[str] = Counter()
        """What came in and concerned nobody, by kind. Not part of the events."""

    def __repr__(self) -> str:
        return f"<Campaign {self.id!r} {self.status().status}>"

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
        return tuple(self._findings)

    @property
    def image(self) -> bytes:
        return self._image

    @property
    def n_events(self) -> int:
        """Events so far: the sequence number of the next one."""
        return self._n_events

    @property
    def finished(self) -> bool:
        return self._state is not None and self._state.status != RUNNING

    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over: not replaced, answered or given up meanwhile."""
        exchange = self._exchange
        known = exchange is not None and request_id in exchange.by_request
        return known and exchange is not None and exchange.awaits_hand_over(request_id)

    def device(self, dev_eui: str) -> Device:
        """The configuration of one of its devices."""
        return self._running.devices[dev_eui].device

    def block(self, group: str) -> FragmentedBlock:
        """The ready frames of a group."""
        return self._blocks[group]

    # ---- verbs -------------------------------------------------------------------------------------------

    def start(self, now: float, network: m.NetworkCapabilities | None = None) -> list[m.Event]:
        """Begins with the first stage. CampaignError if it was started before."""
        if self._state is not None:
            raise CampaignError(f"campaign {self.id!r} was started already, it is {self._state.status}")
        if refused := refusals(find(self._config, self._plan, len(self._image), now=now)):
            raise CampaignError("\n".join(refused))
        return self._run(self._begin(now, network or m.NetworkCapabilities()))

    def receive(self, item: m.Input, now: float) -> list[m.Event]:
        """Takes an input. Nothing that a device or the network says raises: what is foreign is counted in `ignored`."""
        if self._state is None or self.finished:
            self.ignored["not running"] += 1
            return []
        self._need_image()
        now = max(now, self._last_at)
        return self._run(self._on_timers(now, before=True), self._on_input(item, now), self._settle(now))

    def tick(self, now: float) -> list[m.Event]:
        """Fires the timers that are due."""
        if self._state is None or self.finished:
            return []
        self._need_image()
        now = max(now, self._last_at)
        return self._run(self._on_timers(now), self._settle(now))

    def deadline(self) -> float | None:
        """Unix time at which `tick` is due next; None if only an input can bring the campaign on."""
        return None if self._state is None or self.finished else self._state.timers.earliest()

    def _need_image(self) -> None:
        if not self._image:
            raise CampaignError(
                f"campaign {self.id!r} was replayed without its image: it can be looked at, not continued"
            )

    @classmethod
    def replay(cls, events: Iterable[m.Event], image: bytes = b"") -> Campaign:
        """The campaign whose events these are. Without its image it can be looked at, not continued."""
        campaign: Campaign | None = None
        for event in events:
            if campaign is None:
                if not isinstance(event, m.Configured):
                    raise CampaignError(f"the first event is {type(event).__name__}, expected Configured")
                campaign = cls.__new__(cls)
                campaign._resume_from(event, image)
            campaign._apply(event)
        if campaign is None:
            raise CampaignError("there are no events to replay")
        return campaign

    def status(self) -> CampaignStatus:
        state, stage = self._state, self._stage
        devices = state.devices.values() if state is not None else ()
        exchange = self._exchange
        return CampaignStatus(
            id=self.id,
            status=state.status if state is not None else CONFIGURED,
            reason=state.reason if state is not None else "",
            stage=stage.name if stage is not None else None,
            stages=tuple(row.name for row in self._stages),
            n_stages_completed=max(state.stage_idx, 0) if state is not None else 0,
            n_devices=len(self._config.devices),
            n_taking_part=sum(device.taking_part for device in devices),
            n_done=exchange.n_succeeded if exchange is not None else 0,
            fragments=exchange.progress() if isinstance(exchange, Transmission) else {},
            devices=tuple(
                DeviceStatus(
                    dev_eui=device.dev_eui,
                    group=device.group.name,
                    status=self._device_status(device),
                    reason="" if device.passed else device.reason,
                    fw_version=device.fw_version,
                )
                for device in devices
            ),
        )

    def _device_status(self, device: DeviceState) -> str:
        if device.passed:
            return "passed"
        return "running" if device.taking_part and not self.finished else "failed"

    # ---- decisions ---------------------------------------------------------------------------------------

    @property
    def _running(self) -> CampaignState:
        assert self._state is not None
        return self._state

    @property
    def _stage(self) -> Stage | None:
        state = self._state
        return self._stages[state.stage_idx] if state is not None and 0 <= state.stage_idx < len(self._stages) else None

    def _run(self, *decisions: Iterator[m.Event]) -> list[m.Event]:
        new: list[m.Event] = []
        for decision in decisions:
            for event in decision:
                self._apply(event)
                new.append(event)
        return new

    def _begin(self, now: float, network: m.NetworkCapabilities) -> Iterator[m.Event]:
        sha256 = hashlib.sha256(self._image).digest()
        yield m.Configured(
            at=now, config=self._config, image_len=len(self._image), image_sha256=sha256, network=network
        )
        yield self._next_stage(now)
        yield from self._settle(now)

    def _next_stage(self, now: float) -> m.Event:
        state = self._running
        idx = state.stage_idx + 1
        n_taking_part = sum(device.taking_part for device in state.devices.values())
        if idx == len(self._stages):
            return m.Finished(at=now, status=SUCCEEDED, successes=n_taking_part)
        stage = self._stages[idx]
        sessions = stage.sessions(state, now) if stage.sessions else None
        return m.StageStarted(at=now, stage=stage.name, n_devices=n_taking_part, sessions=sessions)

    def _settle(self, now: float) -> Iterator[m.Event]:
        """Closes what is over and goes on to what is next, until nothing more happens at this time."""
        while not self.finished:
            if self._exchange is not None:
                yield from self._exchange.settle(now)
                if self._exchange is not None:
                    return
            yield self._after_stage(now)

    def _after_stage(self, now: float) -> m.Event:
        """The stage has ended: go on with those that succeeded, or fail."""
        state, stage = self._running, self._stage
        assert stage is not None
        successes = sum(device.taking_part for device in state.devices.values())
        if successes >= state.plan.n_needed:
            return self._next_stage(now)
        reason = f"{successes} of {len(state.devices)} devices succeeded in {stage.name}, {state.plan.n_needed} needed"
        return m.Finished(at=now, status=FAILED, successes=successes, reason=reason)

    def _on_timers(self, now: float, *, before: bool = False) -> Iterator[m.Event]:
        """Due timers in order; those at `now` itself come after inputs at the same time."""
        timers = self._running.timers
        while not self.finished:
            due = timers.earliest()
            if due is None or due > now or (before and due >= now):
                return
            _, name = timers.pop()
            if name == DURATION:
                yield from self._on_duration(now)
            elif self._exchange is not None:
                yield from self._exchange.on_timer(name, now)
            yield from self._settle(now)

    def _on_duration(self, now: float) -> Iterator[m.Event]:
        stage, exchange = self._stage, self._exchange
        if stage is not None and stage.bounded and exchange is not None:
            yield from exchange.end(now, "maximum duration reached")
            successes = sum(device.taking_part for device in self._running.devices.values())
            reason = f"maximum duration reached in {stage.name}"
            yield m.Finished(at=now, status=FAILED, successes=successes, reason=reason)

    def _on_input(self, item: m.Input, now: float) -> Iterator[m.Event]:
        exchange = self._exchange
        if self.finished or exchange is None:
            self.ignored["not running"] += 1
        elif isinstance(item, m.Uplink):
            yield from self._on_uplink(item, exchange, now)
        elif item.id not in exchange.by_request:
            self.ignored[type(item).__name__] += 1
        elif isinstance(item, m.HandOver):
            if exchange.awaits_hand_over(item.id):
                yield m.HandedOver(at=now, id=item.id, reference=item.reference, f_cnt=item.f_cnt)
        else:
            yield from exchange.on_report(item.id, item.ok, item.cause, now)

    def _on_uplink(self, uplink: m.Uplink, exchange: Exchange, now: float) -> Iterator[m.Event]:
        device = self._running.devices.get(uplink.dev_eui)
        if device is None or not device.taking_part:
            self.ignored["device not in the campaign"] += 1
            return
        if exchange.is_news(device, uplink.received_at):
            yield m.DeviceHeard(at=now, dev_eui=device.dev_eui)
        yield from exchange.on_uplink(device, uplink.received_at, now)
        for command in self._decode(uplink, device.group.version, device.group.mc_version):
            answer = exchange.on_command(device, command, uplink.received_at, now)
            if answer is not None:
                yield from answer
            elif isinstance(command, firmware.DevVersionAns) and command.fw_version != device.fw_version:
                # Volunteered: some devices say so after they have rebooted into new firmware.
                yield m.VersionHeard(at=now, dev_eui=device.dev_eui, fw_version=command.fw_version)
            else:
                self.ignored[type(command).__name__] += 1

    def _decode(self, uplink: m.Uplink, version: str, mc_version: str) -> list[Command]:
        """The commands of an uplink; what cannot be read is counted, what comes before it still holds."""
        ports = self._config.ports
        try:
            if uplink.f_port == ports.multicast:
                return multicast.decode(uplink.payload, uplink=True, version=mc_version)
            if uplink.f_port == ports.fragmentation:
                return fragmentation.decode(uplink.payload, uplink=True, version=version)
            if uplink.f_port == ports.firmware:
                return firmware.decode(uplink.payload, uplink=True)
        except WireError as error:
            self.ignored["unreadable uplink"] += 1
            return list(error.commands)
        return []

    # ---- what events do ----------------------------------------------------------------------------------

    def _apply(self, event: m.Event) -> None:
        """What the machine itself knows, then what the running exchange does."""
        self._last_at = event.at
        self._n_events += 1
        if isinstance(event, m.Configured):
            self._apply_configured(event)
        elif isinstance(event, m.StageStarted):
            self._apply_stage_started(event)
        elif isinstance(event, m.Finished):
            self._apply_finished(event)
        else:
            self._apply_in_stage(event)

    def _resume_from(self, event: m.Configured, image: bytes) -> None:
        if image and hashlib.sha256(image).digest() != event.image_sha256:
            raise CampaignError(f"campaign {event.config.id!r}: this is not the image that it was started with")
        self._config = event.config
        self._image = image
        self._plan = make_plan(event.config, event.image_len)
        self._findings = find(event.config, self._plan, event.image_len)
        self._blocks = self._make_blocks(self._plan) if image else {}
        self._state = None
        self._exchange = None
        self._stages = FIRMWARE_UPDATE
        self._last_at = event.at
        self._n_events = 0
        self.ignored = Counter()

    def _make_blocks(self, plan: Plan) -> dict[str, FragmentedBlock]:
        """Groups whose frames are the same share them."""
        made: dict[tuple[int, str, tuple[int, ...]], FragmentedBlock] = {}

        def block(group: GroupPlan) -> FragmentedBlock:
            same = (group.frag_size, group.group.version, group.rows)
            if same not in made:
                made[same] = make_block(self._config, group, self._image)
            return made[same]

        return {name: block(group) for name, group in plan.groups.items()}

    def _apply_configured(self, event: m.Configured) -> None:
        self._state = CampaignState.begin(event, self._plan, self._blocks)
        self._state.timers.set(DURATION, self._state.deadline)

    def _apply_stage_started(self, event: m.StageStarted) -> None:
        state = self._running
        state.stage_idx += 1
        state.sessions.update(event.sessions or {})
        stage = self._stages[state.stage_idx]
        if not stage.bounded:
            state.timers.clear(DURATION)
        unicast = stage.request is not None
        self._exchange = UnicastExchange(state, stage, event.at) if unicast else Transmission(state, stage)

    def _apply_in_stage(self, event: m.Event) -> None:
        state, exchange = self._running, self._exchange
        assert exchange is not None
        if isinstance(event, m.Requested):
            state.n_requests += 1
        elif isinstance(event, (m.VersionHeard, m.Answered)) and event.fw_version is not None:
            state.devices[event.dev_eui].fw_version = event.fw_version
        exchange.apply(event)
        if isinstance(event, m.DeviceHeard):
            state.devices[event.dev_eui].heard = True
        elif isinstance(event, m.StageEnded):
            self._exchange = None
            if state.stage_idx == len(self._stages) - 1:
                for device in state.devices.values():
                    device.passed = device.taking_part

    def _apply_finished(self, event: m.Finished) -> None:
        state = self._running
        if event.status == SUCCEEDED:
            state.stage_idx = len(self._stages)
        state.status = event.status
        state.reason = event.reason
        self._exchange = None
        for device in state.devices.values():
            if device.taking_part and not device.passed:
                device.reason = "the campaign ended before it was verified"
