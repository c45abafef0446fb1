"""The campaign: inputs and time go in, events come out, already applied.

The machine knows no stage by name. It goes through the rows of `stages`, gives each its exchange, and hands every
input, timer and event to the one that runs; what is cleaned up runs beside it. Its state changes only by
applying events, so `Campaign.replay` of the events of a campaign is that campaign.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import reasons
from fuota_fec.campaign.adaptive import coded_of_round, n_complete_needed
from fuota_fec.campaign.clean_up import CleanUp
from fuota_fec.campaign.config import CampaignConfig, Device
from fuota_fec.campaign.exchange import UnicastExchange
from fuota_fec.campaign.findings import find, refusals
from fuota_fec.campaign.overview import CampaignProgress, CampaignStatus, overview, progress, progress_record
from fuota_fec.campaign.plan import GroupPlan, Plan, make_block, make_plan
from fuota_fec.campaign.rows import is_plain
from fuota_fec.campaign.stages import Stage, planned_stages, tidy
from fuota_fec.campaign.state import PACER, CampaignState, DeviceState, Phase
from fuota_fec.campaign.status import StatusExchange
from fuota_fec.campaign.transmission import Transmission
from fuota_fec.campaign.uplinks import Uplinks
from fuota_fec.codec.block import FragmentedBlock
from fuota_fec.devices.preflight import Finding
from fuota_fec.errors import CampaignError, ParameterError

Exchange: TypeAlias = UnicastExchange | Transmission
Decisions: TypeAlias = Iterator[m.Event]

DURATION = ("duration",)

RUNNING, STOPPED, SUCCEEDED, FAILED = "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"

_EXCHANGES: dict[str, Callable[[CampaignState, Stage, float], Exchange]] = {
    "unicast": UnicastExchange,
    "transmission": Transmission,
    "status": StatusExchange,
}


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
        if config.session_start is None and (refused := refusals(list(self.findings))):
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
            network = self._state.network if self._state is not None else None
            self._findings = tuple(find(self._config, self._plan, self._image_len, network=network))
        return self._findings

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

    @property
    def paused(self) -> bool:
        """Whether no request may be handed over."""
        return self._state is not None and self._state.paused

    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over: not replaced, answered, withdrawn or given up meanwhile."""
        if self._state is None:
            return False
        main = self._main is not None and self._main.awaits_hand_over(request_id)
        return main or self._clean_up.awaits_hand_over(request_id) or request_id in self._state.replies

    def device(self, dev_eui: str) -> Device:
        """The configuration of one of its devices."""
        return self._running.devices[dev_eui].device

    def device_states(self) -> Iterable[DeviceState]:
        """What is known of each device; empty before the start."""
        return () if self._state is None else self._state.devices.values()

    def block(self, group: str) -> FragmentedBlock:
        """The ready frames of a group."""
        return self._blocks[group]

    def next_f_cnt(self, group: str) -> int:
        """The group's next frame counter."""
        state = self._state
        return self._plan.groups[group].first_f_cnt if state is None else state.groups[group].next_f_cnt

    def take_facts(self) -> list[m.Fact]:
        """What the events since the last call change in the registry of what outlives a campaign."""
        return [] if self._state is None else self._state.take_facts()

    # ---- verbs -------------------------------------------------------------------------------------------

    def start(
        self, now: float, network: m.NetworkCapabilities | None = None, known: m.Known | None = None
    ) -> list[m.Event]:
        """Begins with the first stage. `known` is what the registry says of its groups and devices.

        CampaignError if it was started before, or does not fit the time or the counters; it can be started again then.
        """
        if self._state is not None:
            raise CampaignError(f"campaign {self.id!r} was started already, it is {self._state.status}")
        network, known = network or m.NetworkCapabilities(), known or m.Known()
        try:
            row_plans = {name: group.coded for name, group in self._plan.groups.items()}
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
        return self._run(self._begin(now, network, known))

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

    def pause(self, now: float) -> list[m.Event]:
        """No request goes out any more; answers count, and time passes. CampaignError unless it runs."""
        state = self._need_running("paused")
        return [] if state.paused else self._run(iter((m.Paused(at=max(now, self._last_at)),)))

    def unpause(self, now: float) -> list[m.Event]:
        """Goes on after a pause. CampaignError unless it runs."""
        state, now = self._need_running("continued"), max(now, self._last_at)
        return self._run(iter((m.Unpaused(at=now),)), self._settle(now)) if state.paused else []

    def stop(self, now: float) -> list[m.Event]:
        """Ends it: nothing more is sent but what cleans up on the devices. Again is harmless.

        CampaignError if it was not started, or has succeeded or failed.
        """
        state = self._state
        if state is None or state.status in (SUCCEEDED, FAILED):
            raise CampaignError(f"campaign {self.id!r} cannot be stopped: it is {self.progress().status}")
        if state.stopping or state.status == STOPPED:
            return []
        self._need_image()
        now = max(now, self._last_at)
        return self._run(self._on_stop(now), self._settle(now))

    def resume(self, now: float) -> list[m.Event]:
        """Goes on after a crash or an outage, once it was replayed: devices and the network have their time again."""
        if self._state is None or self.finished:
            return []
        self._need_image()
        now = max(now, self._last_at)
        return self._run(iter((m.Resumed(at=now),)), self._settle(now))

    def _need_running(self, verb: str) -> CampaignState:
        if self._state is None or self.finished or self._state.stopping:
            raise CampaignError(f"campaign {self.id!r} cannot be {verb}: it is {self.progress().status}")
        return self._state

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
                campaign._apply(event)
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
        campaign._apply(event)
        return campaign

    def follow(self, event: m.Event) -> None:
        """Takes over an event that was decided elsewhere: for whoever looks at a campaign that runs in an agent."""
        self._apply(event)

    def describe(self, event: m.Event, *, dev_eui: str | None = None, group: str | None = None) -> dict[str, Any]:
        """Its last event as plain data, with where the campaign is after it, and the device or group that it concerns.

        Which that is must be said of events that only name a request.
        """
        return progress_record(event, self.progress(), self._running, dev_eui=dev_eui, group=group)

    def status(self) -> CampaignStatus:
        """Where it is, device by device."""
        return overview(self.progress(), self._state)

    def progress(self) -> CampaignProgress:
        """Where it is, at no cost."""
        return progress(self._config, self._plan, self._state, self._main, self._last_end, self._stages)

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
        self._state: CampaignState | None = None
        self._main: Exchange | None = None
        self._clean_up: CleanUp
        self._uplinks = Uplinks(config.ports)
        self._last_end: m.StageEnded | None = None
        self._last_at = float("-inf")
        self._n_events = 0
        self.ignored: Counter[str] = Counter()
        """What came in and concerned nobody, by kind. Not part of the events."""

    def _make_blocks(self, plan: Plan) -> dict[str, FragmentedBlock]:
        """Groups whose frames are the same share them."""
        made: dict[tuple[int, str, tuple[int, ...]], FragmentedBlock] = {}

        def block(group: GroupPlan) -> FragmentedBlock:
            same = (group.frag_size, group.group.version, group.rows)
            if same not in made:
                made[same] = make_block(self._config, group, self._image)
            return made[same]

        return {name: block(group) for name, group in plan.groups.items()}

    # ---- decisions ---------------------------------------------------------------------------------------

    @property
    def _running(self) -> CampaignState:
        assert self._state is not None
        return self._state

    @property
    def _stage(self) -> Stage:
        return self._stages[self._running.stage_idx]

    @property
    def _decides(self) -> bool:
        """Whether the present stage tells who passed: nothing follows that must."""
        return all(later.spare for later in self._stages[self._running.stage_idx + 1 :])

    @property
    def _successes(self) -> int:
        """Of the stage that ended last."""
        return self._last_end.successes if self._last_end is not None else 0

    def _exchange_of(self, device: DeviceState) -> Exchange | None:
        return self._clean_up if device.cleaning else self._main

    def _run(self, *decisions: Decisions) -> list[m.Event]:
        new: list[m.Event] = []
        for decision in decisions:
            for event in decision:
                self._apply(event)
                new.append(event)
        return new

    def _begin(self, now: float, network: m.NetworkCapabilities, known: m.Known) -> Decisions:
        sha256 = hashlib.sha256(self._image).digest()
        yield m.Configured(
            at=now,
            config=self._config,
            image_len=len(self._image),
            image_sha256=sha256,
            network=network,
            known=known,
            row_plans={
                name: group.coded
                for name, group in self._plan.groups.items()
                if not is_plain(self._config, group.group)
            },
        )
        yield self._start_stage(0, now)
        yield from self._settle(now)

    def _start_stage(self, idx: int, now: float, round_no: int = 1) -> m.Event:
        stage, state = self._stages[idx], self._running
        coded = coded_of_round(state, self._successes) if round_no > state.round else {}
        return m.StageStarted(
            at=now,
            stage=stage.name,
            n_devices=state.n_taking_part(),
            round=round_no,
            sessions=stage.sessions(state, now, round_no, coded) if stage.sessions else None,
            coded=coded,
        )

    def _settle(self, now: float) -> Decisions:
        """Closes what is over and goes on to what is next, until nothing more happens at this time."""
        while not self.finished:
            if self._main is not None:
                yield from self._main.settle(now)
                if self._main is not None:
                    return
            if not self._running.stopping:
                yield from self._after_stage(now)
            elif self._clean_up.over and not self._running.line.waiting:
                yield self._finish(now)
            else:
                return

    def _after_stage(self, now: float) -> Decisions:
        """The stage has ended: back to an earlier one, on with those that succeeded, or failure."""
        state, ended = self._running, self._last_end
        successes = state.n_taking_part()
        if ended is not None and ended.back_to:
            idx = state.stage_names.index(ended.back_to)
            new_round = self._stage.new_round and self._stages[idx].leads_to_fragments
            yield self._start_stage(idx, now, state.round + new_round)
        elif successes < state.plan.n_needed:
            done = f"{successes} of {len(state.devices)} devices succeeded in {self._stage.name}"
            over = "".join(f"; group {g.name}: {g.failed}" for g in state.groups.values() if g.failed)
            yield from self._end_as(FAILED, f"{done}, {state.plan.n_needed} needed{over}", now)
        elif state.stage_idx + 1 < len(self._stages):
            yield self._start_stage(state.stage_idx + 1, now, state.round)
        else:
            yield from self._end_as(SUCCEEDED, "", now)

    def _end_as(self, status: str, reason: str, now: float) -> Decisions:
        """The campaign is over, but for what is left to be cleaned up. `_settle` finishes it."""
        yield m.Stopping(at=now, status=status, successes=self._running.n_taking_part(), reason=reason)

    def _finish(self, now: float) -> m.Event:
        state = self._running
        unconfirmed = tuple(device.dev_eui for device in state.devices.values() if device.unconfirmed)
        successes = sum(device.passed for device in state.devices.values())
        return m.Finished(
            at=now, status=state.stopping, successes=successes, reason=state.reason, unconfirmed=unconfirmed
        )

    def _on_stop(self, now: float) -> Decisions:
        outstanding = self._main.outstanding() if self._main is not None else []
        for request_id in (*outstanding, *self._running.replies):
            yield m.Withdrawn(at=now, id=request_id)
        yield from self._end_as(STOPPED, reasons.STOPPED, now)

    def _on_timers(self, now: float, *, before: bool = False) -> Decisions:
        """Due timers in order; those at `now` itself come after inputs at the same time."""
        state = self._running
        timers = state.timers
        while not self.finished:
            due = timers.earliest()
            if due is None or due > now or (before and due >= now):
                return
            _, name = timers.pop()
            if name == PACER:
                yield from self._on_pacer(now)
            elif isinstance(name, str):
                exchange = self._exchange_of(state.devices[name])
                if exchange is not None:
                    yield from exchange.on_timer(name, now)
            elif name == DURATION:
                yield from self._on_duration(now)
            elif isinstance(name, tuple) and name[0] == "reply":
                yield m.Reported(at=now, id=name[1], ok=False, cause="not handed over in time")
            elif self._main is not None:
                yield from self._main.on_timer(name, now)
            yield from self._settle(now)

    def _on_pacer(self, now: float) -> Decisions:
        """Replies before requests; then whoever is next in line."""
        state = self._running
        if state.line.replies:
            reply = state.line.replies[0]
            yield m.Requested(
                at=now,
                id=state.next_request_id(),
                ask=reply.ask,
                f_port=reply.f_port,
                not_after=max(now, reply.not_after),
                digest=hashlib.sha256(reply.payload).digest()[:8],
                dev_eui=reply.dev_eui,
                command=reply.payload,
                reply=True,
            )
        elif (device := state.next_in_line()) is not None:
            exchange = self._exchange_of(device)
            assert isinstance(exchange, UnicastExchange)
            yield from exchange.request(device, now)

    def _on_duration(self, now: float) -> Decisions:
        """A stage that was waiting for more than enough devices is over; any other fails the campaign."""
        stage, main = self._stage, self._main
        if not stage.bounded or main is None:
            return
        more = any(later.bounded and not later.spare for later in self._stages[self._running.stage_idx + 1 :])
        yield from main.end(now, reasons.DURATION)
        enough = isinstance(main, UnicastExchange) and self._running.n_taking_part() >= self._running.plan.n_needed
        if more or not enough:
            yield from self._end_as(FAILED, f"{reasons.DURATION} in {stage.name}", now)

    def _on_input(self, item: m.Input, now: float) -> Decisions:
        if self.finished:
            self.ignored["not running"] += 1
        elif isinstance(item, m.Uplink):
            device = self._running.devices.get(item.dev_eui)
            if device is None:
                self.ignored["device not in the campaign"] += 1
            else:
                exchange = self._exchange_of(device)
                yield from self._uplinks.on_uplink(self._running, device, exchange, item, now, self.ignored)
        elif isinstance(item, m.HandOver):
            if self.awaits_hand_over(item.id):
                yield m.HandedOver(at=now, id=item.id, reference=_text(item.reference), f_cnt=item.f_cnt)
            else:
                self.ignored["HandOver"] += 1
        elif self._main is not None and self._main.knows(item.id):
            yield from self._main.on_report(item.id, item.ok, _text(item.cause), now)
        elif self._clean_up.knows(item.id):
            yield from self._clean_up.on_report(item.id, item.ok, _text(item.cause), now)
        else:
            self.ignored[type(item).__name__] += 1

    # ---- what events do ----------------------------------------------------------------------------------

    def _apply(self, event: m.Event) -> None:
        """What the machine itself knows, or what the exchange that it concerns does."""
        self._last_at = event.at
        self._n_events += 1
        handler = _APPLY.get(type(event))
        if handler is not None:
            getattr(self, handler)(event)
        elif isinstance(event, (m.DeviceHeard, m.Answered, m.Deferred, m.GivenUp)):
            self._apply_to_device(event)
        elif self._main is not None:
            self._main.apply(event)

    def _apply_to_device(self, event: m.DeviceHeard | m.Answered | m.Deferred | m.GivenUp) -> None:
        device = self._running.devices[event.dev_eui]
        if isinstance(event, (m.Answered, m.Deferred)) and event.fw_version is not None:
            self._take_version(device, event.fw_version)
        exchange = self._exchange_of(device)
        if exchange is not None:
            exchange.apply(event)
        if isinstance(event, m.DeviceHeard):
            device.heard = True

    def _take_version(self, device: DeviceState, version: int) -> None:
        if not device.got_fragments and version != self._config.firmware_version:
            device.old_version = version
        if version != device.fw_version:
            device.fw_version = version
            self._running.changed_devices.add(device.dev_eui)

    def _apply_to_request(self, event: m.Requested | m.HandedOver | m.Reported | m.Unanswered) -> None:
        """To whichever exchange asked; replies are the campaign's own."""
        state = self._running
        if isinstance(event, m.Requested):
            state.n_requests += 1
            if event.reply:
                self._apply_reply(event)
            elif event.dev_eui is not None and state.devices[event.dev_eui].cleaning:
                self._clean_up.apply(event)
            elif self._main is not None:
                self._main.apply(event)
        elif event.id in state.replies:
            self._forget_reply(event.id)
        elif self._clean_up.knows(event.id):
            self._clean_up.apply(event)
        elif self._main is not None:
            self._main.apply(event)

    def _apply_reply(self, event: m.Requested) -> None:
        state = self._running
        reply = state.line.replies.popleft()
        state.line.next_at = event.at + self._config.ucast_msg_delay / 1000
        state.replies[event.id] = (reply.dev_eui, reply.ask)
        state.timers.set(("reply", event.id), event.not_after)
        state.set_pacer(event.at)

    def _apply_configured(self, event: m.Configured) -> None:
        """The plan was made for this network and these counters: in `start`, or in `from_first`."""
        names = tuple(stage.name for stage in self._stages)
        self._findings = None
        self._state = CampaignState.begin(event, self._plan, self._blocks, names)
        self._state.timers.set(DURATION, self._state.deadline)
        self._clean_up = CleanUp(self._state, event.at)

    def _apply_stage_started(self, event: m.StageStarted) -> None:
        state = self._running
        state.stage_idx = state.stage_names.index(event.stage)
        state.stage_started = event.at
        stage = self._stage
        if event.sessions is not None:
            state.sessions.update(event.sessions)
            state.asked_groups = frozenset(event.sessions)
        if event.round > state.round:
            state.round = event.round
            state.n_complete_needed = n_complete_needed(state, self._successes)
            for name in state.lacking_groups():
                state.groups[name].begin_round(event.round, event.coded.get(name, 0))
        if stage.bounded:
            state.timers.set(DURATION, state.deadline)
        else:
            state.timers.clear(DURATION)
        self._main = _EXCHANGES[stage.exchange](state, stage, event.at)

    def _apply_stage_ended(self, event: m.StageEnded) -> None:
        """Whoever leaves while the campaign sets up is cleaned up; the last stage tells who passed."""
        state, stage = self._running, self._stage
        assert self._main is not None
        before = [d for d in state.devices.values() if d.taking_part] if stage.sets_up else []
        self._main.apply(event)
        self._main, self._last_end = None, event
        for device in before:
            if not device.taking_part and device.reboot_sent:
                self._clean_up.add(device, stage.clean_up(state, device, event.at), event.at)
        if self._decides and not event.back_to:
            for device in state.devices.values():
                device.passed = device.taking_part

    def _apply_version_heard(self, event: m.VersionHeard) -> None:
        self._take_version(self._running.devices[event.dev_eui], event.fw_version)

    def _apply_block_received(self, event: m.BlockReceived) -> None:
        self._uplinks.apply_block_received(self._running, event)

    def _apply_reply_owed(self, event: m.ReplyOwed) -> None:
        self._uplinks.apply_reply_owed(self._running, event)

    def _apply_period_measured(self, event: m.PeriodMeasured) -> None:
        device = self._running.devices[event.dev_eui]
        device.period = event.period
        device.measured_in = self._running.stage_idx
        exchange = self._exchange_of(device)
        if exchange is not None:
            exchange.on_period(device)

    def _apply_late_answer(self, event: m.LateAnswer) -> None:
        self._running.devices[event.dev_eui].left_in = -1

    def _apply_withdrawn(self, event: m.Withdrawn) -> None:
        """The exchange that asked ends with the next event; replies are forgotten here."""
        if event.id in self._running.replies:
            self._forget_reply(event.id)

    def _forget_reply(self, request_id: str) -> None:
        """The network has it, or it is not wanted any more."""
        state = self._running
        state.line.waiting.discard(state.replies.pop(request_id))
        state.timers.clear(("reply", request_id))

    def _apply_paused(self, event: m.Paused | m.Unpaused) -> None:
        state = self._running
        state.paused = isinstance(event, m.Paused)
        state.set_pacer(event.at)
        if self._main is not None:
            self._main.set_paused(event.at)

    def _apply_resumed(self, event: m.Resumed) -> None:
        state = self._running
        if self._main is not None:
            self._main.restart(event.at)
        self._clean_up.restart(event.at)
        state.set_pacer(event.at)

    def _apply_stopping(self, event: m.Stopping) -> None:
        """The stage is left as it is; who has something to be undone is asked to.

        Whoever waits for an answer gets it, unless the campaign is stopped.
        """
        state, stage = self._running, self._stage
        state.stopping, state.reason, state.paused = event.status, event.reason, False
        state.timers.clear(DURATION)
        if event.status == STOPPED:
            state.line.replies.clear()
            state.line.waiting.clear()
        if self._main is not None:
            if self._decides:
                for device in state.devices.values():
                    device.passed = device.taking_part and device.phase is Phase.SUCCEEDED
            self._main.drop_all(event.at)
            self._main = None
        undoes = event.status == STOPPED or (event.status == FAILED and stage.sets_up)
        for device in state.devices.values():
            if event.status == STOPPED and device.taking_part and not device.passed:
                device.reason = reasons.STOPPED
            asks = stage.clean_up(state, device, event.at) if undoes else tidy(state, device)
            if asks and not device.cleaning:
                self._clean_up.add(device, asks, event.at)
        state.set_pacer(event.at)

    def _apply_finished(self, event: m.Finished) -> None:
        state = self._running
        if event.status == SUCCEEDED:
            state.stage_idx = len(self._stages)
        state.status, state.reason, state.unconfirmed = event.status, event.reason, event.unconfirmed
        for device in state.devices.values():
            if device.taking_part and not device.passed and not device.reason:
                device.reason = "the campaign ended before it was verified"


LONGEST_TEXT = 200


def _text(said: object) -> str:
    """What the network said, as text that a journal can keep."""
    return str(said).encode("utf-8", "replace").decode("utf-8").replace("\0", "?")[:LONGEST_TEXT]


_APPLY: dict[type[m.Event], str] = {
    m.Requested: "_apply_to_request",
    m.HandedOver: "_apply_to_request",
    m.Reported: "_apply_to_request",
    m.Unanswered: "_apply_to_request",
    m.Configured: "_apply_configured",
    m.StageStarted: "_apply_stage_started",
    m.StageEnded: "_apply_stage_ended",
    m.VersionHeard: "_apply_version_heard",
    m.BlockReceived: "_apply_block_received",
    m.ReplyOwed: "_apply_reply_owed",
    m.PeriodMeasured: "_apply_period_measured",
    m.LateAnswer: "_apply_late_answer",
    m.Withdrawn: "_apply_withdrawn",
    m.Paused: "_apply_paused",
    m.Unpaused: "_apply_paused",
    m.Resumed: "_apply_resumed",
    m.Stopping: "_apply_stopping",
    m.Finished: "_apply_finished",
}
