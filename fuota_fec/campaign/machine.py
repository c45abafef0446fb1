"""The course of a campaign: what it decides about inputs and timers, and what its events change.

It goes through the rows of `stages` and knows none by name. Each row has its exchange, to which every input, timer and
event is handed; what is cleaned up runs beside it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeAlias

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import reasons
from fuota_fec.campaign.adaptive import coded_of_round, n_complete_needed
from fuota_fec.campaign.exchanges.clean_up import CleanUp
from fuota_fec.campaign.exchanges.group_status import StatusExchange
from fuota_fec.campaign.exchanges.multicast import Transmission
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.plan import Plan
from fuota_fec.campaign.stages import Stage, tidy
from fuota_fec.campaign.state import PACER, CampaignState, DeviceState, Phase
from fuota_fec.campaign.uplinks import Uplinks
from fuota_fec.codec.block import FragmentedBlock

Exchange: TypeAlias = UnicastExchange | Transmission
Decisions: TypeAlias = Iterator[m.Event]

DURATION = ("duration",)

RUNNING, STOPPED, SUCCEEDED, FAILED = "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"

_EXCHANGES: dict[str, Callable[[CampaignState, Stage, float], Exchange]] = {
    "unicast": UnicastExchange,
    "transmission": Transmission,
    "status": StatusExchange,
}


class Machine:
    """A campaign that was started. Its state changes only by `apply`; what decides is a generator of events, each of
    which `run` applies before the generator goes on."""

    def __init__(
        self,
        event: m.Configured,
        plan: Plan,
        blocks: dict[str, FragmentedBlock],
        stages: tuple[Stage, ...],
        ignored: Counter[str],
    ) -> None:
        self.config = event.config
        self.stages = stages
        self.ignored = ignored
        self.state = CampaignState.begin(event, plan, blocks, tuple(stage.name for stage in stages))
        self.state.timers.set(DURATION, self.state.deadline)
        self.main: Exchange | None = None
        self.clean_up = CleanUp(self.state, event.at)
        self.uplinks = Uplinks(event.config.ports)
        self.last_end: m.StageEnded | None = None
        self.last_at = event.at
        self.n_events = 1

    @property
    def finished(self) -> bool:
        return self.state.status != RUNNING

    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over: not replaced, answered, withdrawn or given up meanwhile."""
        main = self.main is not None and self.main.awaits_hand_over(request_id)
        return main or self.clean_up.awaits_hand_over(request_id) or request_id in self.state.replies

    # ---- decisions ---------------------------------------------------------------------------------------

    @property
    def _stage(self) -> Stage:
        return self.stages[self.state.stage_idx]

    @property
    def _decides(self) -> bool:
        """Whether the present stage tells who passed: nothing follows that must."""
        return all(later.spare for later in self.stages[self.state.stage_idx + 1 :])

    @property
    def _successes(self) -> int:
        """Of the stage that ended last."""
        return self.last_end.successes if self.last_end is not None else 0

    def _exchange_of(self, device: DeviceState) -> Exchange | None:
        return self.clean_up if device.cleaning else self.main

    def run(self, *decisions: Decisions) -> list[m.Event]:
        new: list[m.Event] = []
        for decision in decisions:
            for event in decision:
                self.apply(event)
                new.append(event)
        return new

    def start_stage(self, idx: int, now: float, round_no: int = 1) -> m.Event:
        stage, state = self.stages[idx], self.state
        coded = coded_of_round(state, self._successes) if round_no > state.round else {}
        return m.StageStarted(
            at=now,
            stage=stage.name,
            n_devices=state.n_taking_part(),
            round=round_no,
            sessions=stage.sessions(state, now, round_no, coded) if stage.sessions else None,
            coded=coded,
        )

    def settle(self, now: float) -> Decisions:
        """Closes what is over and goes on to what is next, until nothing more happens at this time."""
        while not self.finished:
            if self.main is not None:
                yield from self.main.settle(now)
                if self.main is not None:
                    return
            if not self.state.stopping:
                yield from self._after_stage(now)
            elif self.clean_up.over and not self.state.line.waiting:
                yield self._finish(now)
            else:
                return

    def _after_stage(self, now: float) -> Decisions:
        """The stage has ended: back to an earlier one, on with those that succeeded, or failure."""
        state, ended = self.state, self.last_end
        successes = state.n_taking_part()
        if ended is not None and ended.back_to:
            idx = state.stage_names.index(ended.back_to)
            new_round = self._stage.new_round and self.stages[idx].leads_to_fragments
            yield self.start_stage(idx, now, state.round + new_round)
        elif successes < state.plan.n_needed:
            done = f"{successes} of {len(state.devices)} devices succeeded in {self._stage.name}"
            over = "".join(f"; group {g.name}: {g.failed}" for g in state.groups.values() if g.failed)
            yield from self._end_as(FAILED, f"{done}, {state.plan.n_needed} needed{over}", now)
        elif state.stage_idx + 1 < len(self.stages):
            yield self.start_stage(state.stage_idx + 1, now, state.round)
        else:
            yield from self._end_as(SUCCEEDED, "", now)

    def _end_as(self, status: str, reason: str, now: float) -> Decisions:
        """The campaign is over, but for what is left to be cleaned up. `_settle` finishes it."""
        yield m.Stopping(at=now, status=status, successes=self.state.n_taking_part(), reason=reason)

    def _finish(self, now: float) -> m.Event:
        state = self.state
        unconfirmed = tuple(device.dev_eui for device in state.devices.values() if device.unconfirmed)
        successes = sum(device.passed for device in state.devices.values())
        return m.Finished(
            at=now, status=state.stopping, successes=successes, reason=state.reason, unconfirmed=unconfirmed
        )

    def on_stop(self, now: float) -> Decisions:
        outstanding = self.main.outstanding() if self.main is not None else []
        for request_id in (*outstanding, *self.state.replies):
            yield m.Withdrawn(at=now, id=request_id)
        yield from self._end_as(STOPPED, reasons.STOPPED, now)

    def on_timers(self, now: float, *, before: bool = False) -> Decisions:
        """Due timers in order; those at `now` itself come after inputs at the same time."""
        state = self.state
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
            elif self.main is not None:
                yield from self.main.on_timer(name, now)
            yield from self.settle(now)

    def _on_pacer(self, now: float) -> Decisions:
        """Replies before requests; then whoever is next in line."""
        state = self.state
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
        stage, main = self._stage, self.main
        if not stage.bounded or main is None:
            return
        more = any(later.bounded and not later.spare for later in self.stages[self.state.stage_idx + 1 :])
        yield from main.end(now, reasons.DURATION)
        enough = isinstance(main, UnicastExchange) and self.state.n_taking_part() >= self.state.plan.n_needed
        if more or not enough:
            yield from self._end_as(FAILED, f"{reasons.DURATION} in {stage.name}", now)

    def on_input(self, item: m.Input, now: float) -> Decisions:
        if self.finished:
            self.ignored["not running"] += 1
        elif isinstance(item, m.Uplink):
            device = self.state.devices.get(item.dev_eui)
            if device is None:
                self.ignored["device not in the campaign"] += 1
            else:
                exchange = self._exchange_of(device)
                yield from self.uplinks.on_uplink(self.state, device, exchange, item, now, self.ignored)
        elif isinstance(item, m.HandOver):
            if self.awaits_hand_over(item.id):
                yield m.HandedOver(at=now, id=item.id, reference=_text(item.reference), f_cnt=item.f_cnt)
            else:
                self.ignored["HandOver"] += 1
        elif self.main is not None and self.main.knows(item.id):
            yield from self.main.on_report(item.id, item.ok, _text(item.cause), now)
        elif self.clean_up.knows(item.id):
            yield from self.clean_up.on_report(item.id, item.ok, _text(item.cause), now)
        else:
            self.ignored[type(item).__name__] += 1

    # ---- what events do ----------------------------------------------------------------------------------

    def apply(self, event: m.Event) -> None:
        """What the machine itself knows, or what the exchange that it concerns does."""
        self.last_at = event.at
        self.n_events += 1
        handler = _APPLY.get(type(event))
        if handler is not None:
            getattr(self, handler)(event)
        elif isinstance(event, (m.DeviceHeard, m.Answered, m.Deferred, m.GivenUp)):
            self._apply_to_device(event)
        elif self.main is not None:
            self.main.apply(event)

    def _apply_to_device(self, event: m.DeviceHeard | m.Answered | m.Deferred | m.GivenUp) -> None:
        device = self.state.devices[event.dev_eui]
        if isinstance(event, (m.Answered, m.Deferred)) and event.fw_version is not None:
            self._take_version(device, event.fw_version)
        exchange = self._exchange_of(device)
        if exchange is not None:
            exchange.apply(event)
        if isinstance(event, m.DeviceHeard):
            device.heard = True

    def _take_version(self, device: DeviceState, version: int) -> None:
        if not device.got_fragments and version != self.config.firmware_version:
            device.old_version = version
        if version != device.fw_version:
            device.fw_version = version
            self.state.changed_devices.add(device.dev_eui)

    def _apply_to_request(self, event: m.Requested | m.HandedOver | m.Reported | m.Unanswered) -> None:
        """To whichever exchange asked; replies are the campaign's own."""
        state = self.state
        if isinstance(event, m.Requested):
            state.n_requests += 1
            if event.reply:
                self._apply_reply(event)
            elif event.dev_eui is not None and state.devices[event.dev_eui].cleaning:
                self.clean_up.apply(event)
            elif self.main is not None:
                self.main.apply(event)
        elif event.id in state.replies:
            self._forget_reply(event.id)
        elif self.clean_up.knows(event.id):
            self.clean_up.apply(event)
        elif self.main is not None:
            self.main.apply(event)

    def _apply_reply(self, event: m.Requested) -> None:
        state = self.state
        reply = state.line.replies.popleft()
        state.line.next_at = event.at + self.config.ucast_msg_delay / 1000
        state.replies[event.id] = (reply.dev_eui, reply.ask)
        state.timers.set(("reply", event.id), event.not_after)
        state.set_pacer(event.at)

    def _apply_stage_started(self, event: m.StageStarted) -> None:
        state = self.state
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
        self.main = _EXCHANGES[stage.exchange](state, stage, event.at)

    def _apply_stage_ended(self, event: m.StageEnded) -> None:
        """Whoever leaves while the campaign sets up is cleaned up; the last stage tells who passed."""
        state, stage = self.state, self._stage
        assert self.main is not None
        before = [d for d in state.devices.values() if d.taking_part] if stage.sets_up else []
        self.main.apply(event)
        self.main, self.last_end = None, event
        for device in before:
            if not device.taking_part and device.reboot_sent:
                self.clean_up.add(device, stage.clean_up(state, device, event.at), event.at)
        if self._decides and not event.back_to:
            for device in state.devices.values():
                device.passed = device.taking_part

    def _apply_version_heard(self, event: m.VersionHeard) -> None:
        self._take_version(self.state.devices[event.dev_eui], event.fw_version)

    def _apply_block_received(self, event: m.BlockReceived) -> None:
        self.uplinks.apply_block_received(self.state, event)

    def _apply_reply_owed(self, event: m.ReplyOwed) -> None:
        self.uplinks.apply_reply_owed(self.state, event)

    def _apply_period_measured(self, event: m.PeriodMeasured) -> None:
        device = self.state.devices[event.dev_eui]
        device.period = event.period
        device.measured_in = self.state.stage_idx
        exchange = self._exchange_of(device)
        if exchange is not None:
            exchange.on_period(device)

    def _apply_late_answer(self, event: m.LateAnswer) -> None:
        self.state.devices[event.dev_eui].left_in = -1

    def _apply_withdrawn(self, event: m.Withdrawn) -> None:
        """The exchange that asked ends with the next event; replies are forgotten here."""
        if event.id in self.state.replies:
            self._forget_reply(event.id)

    def _forget_reply(self, request_id: str) -> None:
        """The network has it, or it is not wanted any more."""
        state = self.state
        state.line.waiting.discard(state.replies.pop(request_id))
        state.timers.clear(("reply", request_id))

    def _apply_paused(self, event: m.Paused | m.Unpaused) -> None:
        state = self.state
        state.paused = isinstance(event, m.Paused)
        state.set_pacer(event.at)
        if self.main is not None:
            self.main.set_paused(event.at)

    def _apply_resumed(self, event: m.Resumed) -> None:
        state = self.state
        if self.main is not None:
            self.main.restart(event.at)
        self.clean_up.restart(event.at)
        state.set_pacer(event.at)

    def _apply_stopping(self, event: m.Stopping) -> None:
        """The stage is left as it is; who has something to be undone is asked to.

        Whoever waits for an answer gets it, unless the campaign is stopped.
        """
        state, stage = self.state, self._stage
        state.stopping, state.reason, state.paused = event.status, event.reason, False
        state.timers.clear(DURATION)
        if event.status == STOPPED:
            state.line.replies.clear()
            state.line.waiting.clear()
        if self.main is not None:
            if self._decides:
                for device in state.devices.values():
                    device.passed = device.taking_part and device.phase is Phase.SUCCEEDED
            self.main.drop_all(event.at)
            self.main = None
        undoes = event.status == STOPPED or (event.status == FAILED and stage.sets_up)
        for device in state.devices.values():
            if event.status == STOPPED and device.taking_part and not device.passed:
                device.reason = reasons.STOPPED
            asks = stage.clean_up(state, device, event.at) if undoes else tidy(state, device)
            if asks and not device.cleaning:
                self.clean_up.add(device, asks, event.at)
        state.set_pacer(event.at)

    def _apply_finished(self, event: m.Finished) -> None:
        state = self.state
        if event.status == SUCCEEDED:
            state.stage_idx = len(self.stages)
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
