"""The machine of a campaign: decisions about inputs and timers, and the changes by events.

The machine goes through the rows of `stages` and knows none by name. Each row has an exchange, which takes the inputs,
timers and events of the stage; the clean-up and the replies are exchanges beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import reasons
from fuota_fec.campaign.adaptive import coded_of_round, n_complete_needed
from fuota_fec.campaign.events import FAILED, RUNNING, STOPPED, SUCCEEDED
from fuota_fec.campaign.exchanges.base import Decisions, Exchange
from fuota_fec.campaign.exchanges.clean_up import CleanUp
from fuota_fec.campaign.exchanges.fragments import Fragments
from fuota_fec.campaign.exchanges.group_status import GroupStatus
from fuota_fec.campaign.exchanges.replies import Replies
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.hearing import Hearing
from fuota_fec.campaign.inputs import is_well_formed, text_of
from fuota_fec.campaign.last_questions import last_questions
from fuota_fec.campaign.passing import pass_already, pass_by_version, return_device, success
from fuota_fec.campaign.plan import Plan
from fuota_fec.campaign.questions import Question
from fuota_fec.campaign.stage_start import begin
from fuota_fec.campaign.stages import RULES, Stage
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.timers import DURATION, TimerKey, TimerKind
from fuota_fec.campaign.transitions import NEXT, begins_round, way_on
from fuota_fec.campaign.turn import Phase
from fuota_fec.campaign.unicast_queue import UnicastQueue
from fuota_fec.campaign.uplinks import Uplinks
from fuota_fec.checks import counted
from fuota_fec.codec.block import FragmentedBlock

_EXCHANGES: dict[str, Callable[[CampaignState, UnicastQueue, Stage, float], Exchange]] = {
    "unicast": UnicastExchange,
    "fragments": Fragments,
    "group_status": GroupStatus,
}


class Machine:
    """A campaign that was started. State changes only in `apply`; decisions are generators of events, and `run` applies
    each event before the generator goes on."""

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
        self.queue = UnicastQueue(self.state)
        self.main: Exchange | None = None
        """Exchange of the present stage; None between two stages and once the campaign ends."""
        self.clean_up = CleanUp(self.state, self.queue, event.at)
        self.replies = Replies(self.state, self.queue)
        self.uplinks = Uplinks(self.state, self.clean_up, self.replies, ignored)
        self.hearing = Hearing(self.state, event.at, ignored)
        self.owed: dict[str, tuple[str, Question]] = {}
        """Stage and question of devices that left without an answer, by DevEUI."""
        self.last_end: m.StageEnded | None = None
        self.n_events, self.before_at, self.last_at = 1, event.at, event.at  # Times of the last two events.
        self.settled = False  # Whether no event was applied since `settle` found nothing more to do.

    @property
    def finished(self) -> bool:
        return self.state.status != RUNNING

    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over: not replaced, answered, withdrawn or given up meanwhile."""
        beside = self.clean_up.awaits_hand_over(request_id) or self.replies.awaits_hand_over(request_id)
        return beside or (self.main is not None and self.main.awaits_hand_over(request_id))

    # ---- decisions ---------------------------------------------------------------------------------------

    @property
    def _stage(self) -> Stage:
        return self.stages[self.state.stage_idx]

    @property
    def _decides(self) -> bool:
        """Whether the present stage decides which devices pass: no stage follows that is needed."""
        return all(later.spare for later in self.stages[self.state.stage_idx + 1 :])

    @property
    def _successes(self) -> int:
        """Number of successes in the stage that ended last."""
        return self.last_end.successes if self.last_end is not None else 0

    def exchange_of(self, device: DeviceState) -> Exchange | None:
        """Exchange that a device is in: the clean-up, else that of the stage if the device takes part."""
        if device.dev_eui in self.clean_up.turns:
            return self.clean_up
        return self.main if device.taking_part else None

    def phase(self, device: DeviceState) -> Phase:
        """Phase of a device in the present stage; ABSENT in the clean-up."""
        exchange = self.exchange_of(device)
        return Phase.ABSENT if exchange is None or exchange is self.clean_up else exchange.phase(device)

    def run(self, *decisions: Decisions) -> list[m.Event]:
        """Runs decisions to their end, applies their events, and returns them."""
        new: list[m.Event] = []
        for decision in decisions:
            for event in decision:
                self.apply(event)
                new.append(event)
        return new

    def start_stage(self, idx: int, now: float, round_no: int = 1) -> m.Event:
        """StageStarted of a row, with its sessions and the coded fragments of a new round."""
        coded = coded_of_round(self.state, self._successes) if round_no > self.state.round else {}
        return begin(self.stages[idx], self.state, now, round_no, coded)

    def wait(self) -> m.Wait | None:
        """Answers or reports that the campaign waits for."""
        exchange = self.clean_up if self.main is None else self.main
        return None if self.finished else exchange.wait()

    def settle(self, now: float) -> Decisions:
        """Closes and ends stages and begins the next ones, until nothing more happens. Only events bring anything to
        do, not the passing of time."""
        if not self.settled:
            yield from self._settle(now)
            self.settled = True

    def _settle(self, now: float) -> Decisions:
        yield from self.clean_up.settle(now)
        while not self.finished:
            if self.main is not None:
                yield from self.main.settle(now)
                if self.main is not None:
                    return
            if not self.state.stopping:
                yield from self._after_stage(now)
            elif self.clean_up.over and self.replies.over:
                for request_id in self.replies.outstanding():
                    yield m.Withdrawn(at=now, id=request_id)
                yield self._finish(now)
            else:
                return

    def _after_stage(self, now: float) -> Decisions:
        """Goes on after the end of a stage: back to an earlier one, to the next one, or to the end."""
        state, ended = self.state, self.last_end
        if ended is not None and ended.back_to:
            idx = state.stage_names.index(ended.back_to)
            yield self.start_stage(idx, now, state.round + begins_round(ended.stage, ended.back_to))
            return
        yield from pass_by_version(state, now)
        to = way_on(state, now)
        if to == NEXT:
            yield self.start_stage(state.stage_idx + 1, now, state.round)
        elif to == SUCCEEDED:
            yield from self._end_as(SUCCEEDED, success(state), now)
        else:
            done = f"{state.n_may_pass()} of {counted(len(state.devices), 'device')} succeeded in {self._stage.name}"
            over = "".join(f"; group {g.name}: {g.failed}" for g in state.groups.values() if g.failed)
            yield from self._end_as(FAILED, f"{done}, {state.plan.n_needed} needed{over}", now)

    def _end_as(self, status: str, reason: str, now: float) -> Decisions:
        """Ends the campaign but for the clean-up; `settle` finishes it."""
        yield from pass_by_version(self.state, now, ends=True)
        reason = self.hearing.explained(status, reason)
        yield m.Stopping(at=now, status=status, successes=self.state.n_may_pass(), reason=reason, rules=RULES)
        yield from self.clean_up.begin(now)

    def _finish(self, now: float) -> m.Event:
        state = self.state
        unconfirmed = tuple(device.dev_eui for device in state.devices.values() if device.unconfirmed)
        successes = sum(device.passed for device in state.devices.values())
        return m.Finished(
            at=now, status=state.stopping, successes=successes, reason=state.reason, unconfirmed=unconfirmed
        )

    def on_stop(self, now: float) -> Decisions:
        """Withdraws the outstanding requests and ends the campaign as STOPPED."""
        outstanding = self.main.outstanding() if self.main is not None else []
        for request_id in (*outstanding, *self.replies.outstanding()):
            yield m.Withdrawn(at=now, id=request_id)
        yield from self._end_as(STOPPED, reasons.STOPPED, now)

    def on_timers(self, now: float, *, before: bool = False) -> Decisions:
        """Fires due timers in order. With `before`, those at `now` itself wait for an input at the same time."""
        timers = self.state.timers
        while not self.finished:
            due = timers.earliest()
            if due is None or due > now or (before and due >= now):
                return
            yield from self._on_timer(timers.pop()[1], now)
            yield from self.settle(now)

    def _on_timer(self, key: TimerKey, now: float) -> Decisions:
        if key.kind is TimerKind.PACER:
            return self._on_pacer(now)
        if key.kind is TimerKind.DURATION:
            return self._on_duration(now)
        if key.kind is TimerKind.REPLY:
            return self.replies.on_timer(key, now)
        exchange = self.clean_up if key.kind is TimerKind.DEVICE and key.name in self.clean_up.turns else self.main
        return exchange.on_timer(key, now) if exchange is not None else iter(())

    def _on_pacer(self, now: float) -> Decisions:
        """Requests the next unicast, a reply or a question."""
        if self.queue.reply_is_next:
            yield from self.replies.next_request(now)
        elif (turn := self.queue.next_turn()) is not None:
            exchange = self.exchange_of(turn.device)
            assert exchange is not None
            yield from exchange.request(turn.device, now)

    def _on_duration(self, now: float) -> Decisions:
        """Ends the stage at the maximum duration. The campaign fails unless enough devices have succeeded in a stage
        that may succeed early and no later stage is bounded by the duration, or what they have is to be proved."""
        stage, main = self._stage, self.main
        if not stage.bounded or main is None:
            return
        more = any(later.bounded and not later.spare for later in self.stages[self.state.stage_idx + 1 :])
        yield from main.end(now, reasons.DURATION)
        enough = main.may_succeed_early and self.state.is_met(self.state.n_may_pass())
        if not (self.last_end and self.last_end.back_to) and (more or not enough):
            yield from self._end_as(FAILED, f"{reasons.DURATION} in {stage.name}", now)

    def on_input(self, item: m.Input, now: float) -> Decisions:
        """Passes an input to the exchange that it concerns; counts it in `ignored` if it concerns none."""
        if not is_well_formed(item):
            self.ignored["malformed input"] += 1
        elif self.finished:
            self.ignored["not running"] += 1
        elif isinstance(item, m.Uplink):
            if (device := self.state.devices.get(item.dev_eui)) is not None:
                owed = self.owed.get(device.dev_eui)
                return self.uplinks.on_uplink(device, self.exchange_of(device), self.main, owed, item, now)
            self.hearing.note(item.dev_eui, now)
        elif isinstance(item, m.HandOver):
            if self.awaits_hand_over(item.id):
                return iter((m.HandedOver(at=now, id=item.id, reference=text_of(item.reference), f_cnt=item.f_cnt),))
            self.ignored["HandOver"] += 1
        elif self.main is not None and self.main.knows(item.id):
            return self.main.on_report(item.id, item.ok, text_of(item.cause), now)
        elif self.clean_up.knows(item.id):
            return self.clean_up.on_report(item.id, item.ok, text_of(item.cause), now)
        else:
            self.ignored[type(item).__name__] += 1
        return iter(())

    # ---- what events do ----------------------------------------------------------------------------------

    def apply(self, event: m.Event) -> None:
        """Applies an event to the machine's own state, or to the exchange that it concerns."""
        self.before_at, self.last_at = self.last_at, event.at
        self.n_events += 1
        self.settled = False
        if (handler := _APPLY.get(type(event))) is not None:
            getattr(self, handler)(event)
        elif isinstance(event, (m.DeviceHeard, m.Answered, m.Deferred, m.GivenUp)):
            self._apply_to_device(event)
        elif self.main is not None:
            self.main.apply(event)

    def _apply_to_device(self, event: m.DeviceHeard | m.Answered | m.Deferred | m.GivenUp) -> None:
        device = self.state.devices[event.dev_eui]
        if isinstance(event, (m.Answered, m.Deferred)) and event.fw_version is not None:
            self.state.take_version(device, event.fw_version)
        exchange = self.exchange_of(device)
        if exchange is not None:
            exchange.apply(event)
        if isinstance(event, m.DeviceHeard):
            device.heard = device.ever_heard = True

    def _apply_to_request(self, event: m.Requested | m.HandedOver | m.Reported | m.Unanswered) -> None:
        """Applies the event of a request to the exchange that made it."""
        if isinstance(event, m.Requested):
            self.state.note_request(event)
        exchange = self._asking(event) if isinstance(event, m.Requested) else self._knowing(event.id)
        if exchange is not None:
            exchange.apply(event)

    def _asking(self, event: m.Requested) -> Exchange | None:
        if event.reply:
            return self.replies
        return self.clean_up if (event.dev_eui or "") in self.clean_up.turns else self.main

    def _knowing(self, request_id: str) -> Exchange | None:
        """Exchange that knows a request. The exchange of the stage takes the requests that no other knows."""
        if self.replies.knows(request_id):
            return self.replies
        return self.clean_up if self.clean_up.knows(request_id) else self.main

    def _apply_stage_started(self, event: m.StageStarted) -> None:
        state = self.state
        state.stage_idx = state.stage_names.index(event.stage)
        state.stage_started, state.wait, state.lost_before = event.at, event.wait, state.lost
        state.overtime = event.overtime
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
            state.timers.set(DURATION, state.stage_deadline)
        else:
            state.timers.clear(DURATION)
        self.main = _EXCHANGES[stage.exchange](state, self.queue, stage, event.at)

    def _apply_stage_ended(self, event: m.StageEnded) -> None:
        """Ends the stage's exchange, cleans up devices that left with a reboot ahead, records which passed."""
        state, stage = self.state, self._stage
        assert self.main is not None
        before = [device for device in state.devices.values() if device.taking_part]
        self.main.apply(event)
        self.owed.update({dev_eui: (stage.name, question) for dev_eui, question in self.main.owing.items()})
        self.main, self.last_end, state.wait = None, event, None
        for device in before:
            ahead = event.rules >= 2 and device.reboots_after(event.at)
            undoes = device.reboot_sent if stage.sets_up else ahead
            if undoes and not device.taking_part and (questions := stage.clean_up(state, device, event.at)):
                self.clean_up.add(device, questions, event)
        if self._decides and not event.back_to:
            for device in state.devices.values():
                device.passed = device.taking_part or device.runs_target

    def _apply_returned(self, event: m.Returned) -> None:
        return_device(self.state, self.clean_up, event)

    def _apply_runs_already(self, event: m.RunsAlready) -> None:
        if self.main is not None:
            self.main.apply(event)
        pass_already(self.state, self.clean_up, event)

    def _apply_foreign_clock(self, _event: m.ForeignClock) -> None:
        self.state.foreign_clock = True

    def _apply_volunteered(self, event: m.VersionHeard | m.BlockReceived) -> None:
        self.uplinks.apply_volunteered(event)

    def _apply_reply_owed(self, event: m.ReplyOwed) -> None:
        self.state.devices[event.dev_eui].n_own_accord += 1
        self.replies.apply(event)

    def _apply_period_measured(self, event: m.PeriodMeasured) -> None:
        device = self.state.devices[event.dev_eui]
        self.uplinks.apply_period_measured(event)
        exchange = self.exchange_of(device)
        if exchange is not None:
            exchange.on_period(device)

    def _apply_late_answer(self, event: m.LateAnswer) -> None:
        del self.owed[event.dev_eui]

    def _apply_withdrawn(self, event: m.Withdrawn) -> None:
        """Drops a reply. Exchanges that made other requests end with the next event."""
        if self.replies.knows(event.id):
            self.replies.apply(event)

    def _apply_paused(self, event: m.Paused | m.Unpaused) -> None:
        state = self.state
        state.paused = isinstance(event, m.Paused)
        self.queue.set_pacer(event.at)
        if self.main is not None:
            self.main.set_paused(event.at)

    def _apply_suspended(self, event: m.Suspended) -> None:
        self.state.suspended = event.reason

    def _apply_resumed(self, event: m.Resumed) -> None:
        self.state.suspended = ""
        self.state.lost += event.lost
        # Uplinks may have waited since the last event: a take-over loses no time.
        self.state.resumed_at, self.state.waited_since = event.at, min(self.before_at, event.at - event.lost)
        if event.lost and self.state.timers.due(DURATION) < math.inf:
            self.state.timers.set(DURATION, self.state.stage_deadline)
        if self.main is not None:
            self.main.restart(event)
        self.clean_up.restart(event)
        self.queue.set_pacer(event.at)

    def _apply_stopping(self, event: m.Stopping) -> None:
        """Ends the stage as it is, and begins the clean-up of devices that have something to undo. Devices that wait
        for a reply get it, unless the campaign is stopped."""
        state, stage = self.state, self._stage
        state.stopping, state.reason, state.paused, state.wait = event.status, event.reason, False, None
        state.timers.clear(DURATION)
        if event.status == STOPPED:
            self.replies.drop_all(event.at)
        self.replies.hold_end()
        if self.main is not None:
            if self._decides:
                for device in state.devices.values():
                    succeeded = device.taking_part and self.phase(device) is Phase.SUCCEEDED
                    device.passed = succeeded or device.runs_target
            self.main.drop_all(event.at)
            self.main = None
        for device in state.devices.values():
            if event.status == STOPPED and device.taking_part and not device.passed:
                device.reason = reasons.STOPPED
            self.clean_up.add_last(device, last_questions(state, stage, device, event), event)
        self.clean_up.ask_until(event)
        self.queue.set_pacer(event.at)

    def _apply_finished(self, event: m.Finished) -> None:
        state = self.state
        if event.status == SUCCEEDED:
            state.stage_idx = len(self.stages)
        state.status, state.reason, state.unconfirmed = event.status, event.reason, event.unconfirmed
        self.replies.drop_all(event.at)
        for device in state.devices.values():
            if device.taking_part and not device.passed and not device.reason:
                device.reason = "the campaign ended before it was verified"


_APPLY: dict[type[m.Event], str] = {
    m.Requested: "_apply_to_request",
    m.HandedOver: "_apply_to_request",
    m.Reported: "_apply_to_request",
    m.Unanswered: "_apply_to_request",
    m.StageStarted: "_apply_stage_started",
    m.StageEnded: "_apply_stage_ended",
    m.VersionHeard: "_apply_volunteered",
    m.ForeignClock: "_apply_foreign_clock",
    m.Returned: "_apply_returned",
    m.RunsAlready: "_apply_runs_already",
    m.BlockReceived: "_apply_volunteered",
    m.ReplyOwed: "_apply_reply_owed",
    m.PeriodMeasured: "_apply_period_measured",
    m.LateAnswer: "_apply_late_answer",
    m.Withdrawn: "_apply_withdrawn",
    m.Paused: "_apply_paused",
    m.Unpaused: "_apply_paused",
    m.Suspended: "_apply_suspended",
    m.Resumed: "_apply_resumed",
    m.Stopping: "_apply_stopping",
    m.Finished: "_apply_finished",
}
