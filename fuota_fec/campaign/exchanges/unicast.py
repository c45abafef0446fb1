"""Unicast exchange: the questions of one stage to its devices, from the first uplink to the answer.

A class A device receives only after its own uplinks: no request is made before the first uplink, and each request waits
in the network's queue for the next one. At most one request is outstanding per device: a resend replaces it. A device
that was given up may still answer while the stage closes. `transitions.PHASES` has the ways from phase to phase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import reasons, waits
from fuota_fec.campaign.exchanges.base import Decisions, Exchange
from fuota_fec.campaign.exchanges.turns import Turns
from fuota_fec.campaign.exchanges.verdicts import on_verdict
from fuota_fec.campaign.questions import PREPARATORY
from fuota_fec.campaign.stages import RULES, UNHEARD_PERIODS, Stage
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.timers import CLOSING, STAGE_END, TimerKey, TimerKind
from fuota_fec.campaign.transitions import Successes, way_back, way_to_proof
from fuota_fec.campaign.turn import OPEN, OVERDUE, Phase, Questions, Turn
from fuota_fec.campaign.unicast_queue import UnicastQueue
from fuota_fec.wire.commands import Command


class UnicastExchange(Exchange):
    """Exchange of one stage with its devices, each of which has a turn."""

    may_succeed_early = True

    def __init__(self, state: CampaignState, queue: UnicastQueue, stage: Stage, at: float) -> None:
        super().__init__(state, queue)
        self.stage = stage
        self._not_before = max(at, stage.not_before(state)) if stage.not_before else at
        self.ends_at = stage.ends_at(state, at)
        self.closing_until: float | None = None
        self.slowest = self.longest_wait = 0.0
        self.turns = Turns(state, queue)
        self.n_asked = 0
        if self.ends_at is not None:
            state.timers.set(STAGE_END, self.ends_at)
        for device in self.participants():
            self.on_period(device)
            if stage.not_before is not None:
                device.heard = False
            questions = stage.questions(state, device)
            self.n_asked += bool(questions)
            device.reason = ""
            self._begin(device, questions, at)
        self.n_already = self.n_succeeded

    def participants(self) -> Iterable[DeviceState]:
        """Devices that take part in the stage."""
        left_out = self.stage.left_out(self.state, self.state.stage_started)
        for device in self.state.devices.values():
            if device.taking_part and device.dev_eui not in left_out:
                yield device

    def _begin(self, device: DeviceState, questions: Questions, at: float) -> None:
        """Begins the turn of a device; a device without questions has succeeded."""
        turn = self.turns.add(device, questions)
        if not questions:
            self.turns.move(turn, Phase.SUCCEEDED)
        else:
            self._line_up(turn, at)

    def _line_up(self, turn: Turn, at: float) -> None:
        """Enqueues a device that was heard; otherwise waits for its first uplink."""
        heard = turn.device.heard or self.closing
        (self.turns.enqueue if heard else self._await_uplink)(turn, at)

    def _await_uplink(self, turn: Turn, at: float) -> None:
        self.turns.move(turn, Phase.UNHEARD)
        self.state.timers.set(turn.timer, max(at, self.not_before) + UNHEARD_PERIODS * turn.device.period)

    @property
    def n_succeeded(self) -> int:
        return self.turns.n(Phase.SUCCEEDED) + self.state.n_beside

    n_done = n_succeeded

    @property
    def not_before(self) -> float:
        return self._not_before

    @property
    def closing(self) -> bool:
        return self.turns.closing

    def successes(self) -> Successes:
        return Successes(self.n_succeeded, lambda: (t.device for t in self.turns if t.phase is Phase.SUCCEEDED))

    def wait(self) -> m.Wait | None:
        if self.closing_until is not None:
            return waits.late_answers(self.closing_until)
        tries = waits.Tries(state=self.state, n_asked=self.turns.n_open, longest_wait=self.longest_wait)
        latest = tries.latest(self.turns, self.queue.next_at, self._answer_spread)
        return waits.answers(latest, tries.n_asked, waits.limit(self.ends_at, self.stage.time_up(self.state)))

    def phase(self, device: DeviceState) -> Phase:
        return self.turns.phase(device)

    # ---- decisions ---------------------------------------------------------------------------------------

    def readmits(self, received_at: float) -> bool:
        return self.stage.readmits and received_at >= self.not_before

    def takes_back(self, device: DeviceState) -> bool:
        turn = self.turns.get(device.dev_eui)
        set_aside = turn is not None and turn.phase is Phase.GIVEN_UP and turn.request_id is None
        return set_aside and not self.closing

    def is_news(self, device: DeviceState, received_at: float) -> bool:
        return not device.heard and received_at >= self.not_before

    def on_uplink(self, device: DeviceState, received_at: float, now: float) -> Decisions:
        """Takes the first uplink after the hand-over for the sent report, if the network gives none, and the second one
        for its proof. The first one may come again: only an uplink that was received later is another one."""
        turn = self.turns.get(device.dev_eui)
        if turn is None or not self.stands_for_report(device, received_at):
            return
        held, since = turn.phase is Phase.HELD, device.presumed_at
        if turn.phase is Phase.HANDED_OVER or (held and since is None):
            yield m.Reported(at=now, id=device.unreported or "", ok=True, cause="uplink heard", presumed=True)
        elif held and since is not None and received_at > since and not self.state.reply_goes_before(device):
            yield m.Reported(at=now, id=device.unreported or "", ok=True, cause="another uplink heard")

    def on_command(self, device: DeviceState, command: Command, received_at: float, now: float) -> Decisions | None:
        turn = self.turns.get(device.dev_eui)
        if turn is None or turn.phase in (Phase.ABSENT, Phase.SUCCEEDED) or not turn.questions:
            return None
        volunteered = next((q for q in turn.questions if isinstance(command, q.volunteered)), None)
        question = volunteered or turn.questions[0]
        if not volunteered and (turn.phase is Phase.FAILED or not self._was_asked(turn)):
            return None
        verdict = question.read(self.state, device, command, received_at)
        if verdict is None or (turn.phase is Phase.FAILED and not verdict.ok):
            return None
        return on_verdict(turn, question, verdict, now, was_asked=self._was_asked(turn))

    def _was_asked(self, turn: Turn) -> bool:
        return turn.request_id is not None

    def knows(self, request_id: str) -> bool:
        return request_id in self.turns.by_request

    def awaits_hand_over(self, request_id: str) -> bool:
        turn = self.turns.by_request.get(request_id)
        return turn is not None and turn.phase is Phase.REQUESTED and turn.request_id == request_id

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Decisions:
        turn = self.turns.by_request[request_id]
        held = turn.phase is Phase.HELD and turn.device.unreported == request_id
        if held or (turn.phase in (Phase.REQUESTED, Phase.HANDED_OVER) and turn.request_id == request_id):
            yield m.Reported(at=now, id=request_id, ok=ok, cause=cause)
            yield from self._give_up_if_stalled(turn, now)

    def on_timer(self, key: TimerKey, now: float) -> Decisions:
        if key.kind is TimerKind.DEVICE:
            return self._on_device_timer(self.turns[key.name], now)
        return self.end(now)

    def _on_device_timer(self, turn: Turn, now: float) -> Decisions:
        if turn.phase is Phase.UNHEARD:
            yield m.GivenUp(at=now, dev_eui=turn.device.dev_eui, reason=self._why_open(turn))
        elif turn.phase is Phase.SENT:
            yield m.Unanswered(at=now, id=turn.request_id or "")
        elif turn.phase in OVERDUE:
            request_id = turn.device.unreported if turn.phase is Phase.HELD else turn.request_id
            leaving = turn.phase is Phase.HELD and turn.device.presumed_at is not None
            cause = "its receive windows are over" if leaving else OVERDUE[turn.phase]
            yield m.Reported(at=now, id=request_id or "", ok=False, cause=cause)
        yield from self._give_up_if_stalled(turn, now)

    def settle(self, now: float) -> Decisions:
        """Closes the stage when the threshold is met or every device is done; ends it when no answer can come."""
        state = self.state
        if not self.closing:
            if self.turns.n(Phase.STALLED):  # The journal ended before the device was given up.
                for turn in self.turns:
                    yield from self._give_up_if_stalled(turn, now)
            early = self.stage.ends_early(state.config)
            if self.turns.n_open and not (early and state.is_met(self.n_succeeded, self.n_already, self.n_asked)):
                return
            yield m.StageClosing(at=now, stage=self.stage.name, until=self._closes_at(now))
        if not self._answers_may_come():
            yield from self.end(now)

    def _closes_at(self, now: float) -> float:
        """Unix time until which late answers count."""
        if not self._answers_may_come() or self.stage.waits_for_all:
            return now
        config, last = self.state.config, self.stage.name == self.state.stage_names[-1]
        until = now + config.stage_complete_delay * self.slowest + (config.complete_delay if last else 0.0)
        return max(now, min(until, waits.limit(self.ends_at)))

    def end(self, now: float, cause: str = "") -> Decisions:
        """Gives up the devices that are not done, and ends the stage."""
        for turn in self.turns:
            if turn.phase in OPEN:
                yield m.GivenUp(at=now, dev_eui=turn.device.dev_eui, reason=cause or self._why_open(turn))
        state = self.state
        back_to = way_to_proof(state, now) if cause else way_back(self.stage.name, state, now, self.successes())
        ok = self.stage.waits_for_all or state.is_met(self.n_succeeded)
        yield m.StageEnded(
            at=now, stage=self.stage.name, successes=self.n_succeeded, ok=ok, back_to=back_to, rules=RULES
        )

    def _why_open(self, turn: Turn) -> str:
        if turn.phase is Phase.UNHEARD:
            return reasons.unheard(self.stage.name, ever_heard=turn.device.ever_heard)
        if turn.phase in (Phase.READY, Phase.UNASKED, Phase.BY_MULTICAST) and not self._was_asked(turn):
            return reasons.not_asked(self.stage.name) if self.closing else reasons.no_answer(self.stage.name)
        return turn.device.reason or reasons.no_answer(self.stage.name)

    def _answers_may_come(self) -> bool:
        return self.turns.n_open + self.turns.n(Phase.GIVEN_UP) > 0

    def _give_up_if_stalled(self, turn: Turn, now: float) -> Decisions:
        if turn.phase is Phase.STALLED and not self.closing:
            reason = turn.device.reason or reasons.no_answer(self.stage.name)
            yield m.GivenUp(at=now, dev_eui=turn.device.dev_eui, reason=reason)

    def request(self, device: DeviceState, now: float) -> Decisions:
        """Requests the present question of a device."""
        state, turn = self.state, self.turns[device.dev_eui]
        question = turn.questions[0]
        frag_nb = None if question.frag_nb is None else question.frag_nb(state, device)
        if frag_nb is None:
            command = payload = question.request(state, device, now).encode()
        else:
            command, payload = None, bytes(state.blocks[device.group.name].frame(frag_nb))
        yield m.Requested(
            at=now,
            id=state.next_request_id(),
            ask=question.name,
            dev_eui=device.dev_eui,
            f_port=question.port(state.config.ports),
            command=command,
            frag_nb=frag_nb,
            digest=hashlib.sha256(payload).digest()[:8],
            not_after=self.stage.not_after(state, question, device, self.ends_at, now),
            replaces=turn.request_id or device.unreported,
        )

    def outstanding(self) -> list[str]:
        return self.turns.outstanding()

    def outstanding_of(self, device: DeviceState) -> str | None:
        return self.turns.outstanding_of(device)

    # ---- what events do ----------------------------------------------------------------------------------

    def apply(self, event: m.Event) -> None:
        name = _APPLY.get(type(event))
        if name is not None:
            self.turns.applying = type(event)
            getattr(self, name)(event)

    def _apply_device_heard(self, event: m.DeviceHeard) -> None:
        device = self.state.devices[event.dev_eui]
        device.heard = True
        turn = self.turns.get(event.dev_eui)
        if turn is None:
            return
        if event.set_aside:
            self._take_back(device)
        if event.set_aside or turn.phase is Phase.UNHEARD:
            self.turns.enqueue(turn, event.at)

    def _take_back(self, device: DeviceState) -> None:
        """A device that was given up unheard is asked after all."""
        device.reason = ""

    def _apply_runs_already(self, event: m.RunsAlready) -> None:
        self.turns.drop(event.dev_eui, event.at)

    def _apply_requested(self, event: m.Requested) -> None:
        turn = self.turns[event.dev_eui or ""]
        self.turns.request(turn, event.id, event.at)
        self.state.timers.set(turn.timer, event.not_after)
        self.queue.set_pacer(event.at)

    def _apply_handed_over(self, event: m.HandedOver) -> None:
        turn = self.turns.by_request[event.id]
        if turn.phase is Phase.REQUESTED:
            turn.device.queued_at = event.at
            turn.device.queued_until = self.state.timers.due(turn.timer)  # its not_after
            self.turns.move(turn, Phase.HANDED_OVER)
            self._wait(turn, event.at)

    def _apply_reported(self, event: m.Reported) -> None:
        turn = self.turns.by_request[event.id]
        device, tries = turn.device, self.state.tries
        if event.presumed:
            self.turns.presume(turn, event.at)
        else:
            device.queued_until = 0.0  # The request has left, or never will.
        if turn.phase is Phase.HELD and event.presumed:
            return
        if turn.phase is Phase.HELD:
            device.unreported = None if event.ok else device.unreported
            self.turns.enqueue(turn, event.at)
        elif event.ok and turn.questions[0].frag_nb is not None:
            tries.n_sent += 1
            device.unreported = device.unreported if event.presumed else None
            turn.questions[0].done(self.state, device)
            self.turns.next_question(turn, event.at)
        elif event.ok:
            tries.n_sent += 1
            device.unreported, turn.sent_at = device.unreported if event.presumed else None, event.at
            self.turns.move(turn, Phase.SENT)
            self._wait(turn, event.at)
        elif turn.phase is Phase.REQUESTED and self.state.paused:
            self.turns.enqueue(turn, event.at)  # The pause held the request back, which uses up no retry.
        else:
            tries.n_not_sent += 1
            self.turns.try_again(turn, event.at)

    def _wait(self, turn: Turn, at: float) -> None:
        """Sets the deadline of the sent report, or of the answer once the request was sent."""
        device = turn.device
        wait = self.state.until_uplink(device)
        if turn.phase is Phase.SENT:
            wait = max(self.longest_wait, wait) + self._answer_spread(device)
        elif not self.state.network.withdraws:
            wait = max(wait, device.queued_until - at)  # The period may be shorter than when the request was decided.
        self.state.timers.set(turn.timer, at + wait)

    def _answer_spread(self, _device: DeviceState) -> float:
        """Longest delay of an answer by the device itself, s."""
        return 0.0

    def _apply_unanswered(self, event: m.Unanswered) -> None:
        turn = self.turns.by_request[event.id]
        self.state.tries.n_unanswered += 1
        mute = bool(turn.resends) and not turn.questions[0].optional
        self.turns.try_again(turn, event.at)
        if mute and turn.phase is Phase.READY:
            self.turns.ask_first(turn, self.stage.mute(self.state, turn.device))

    def _apply_answered(self, event: m.Answered) -> None:
        turn = self.turns[event.dev_eui]
        device = turn.device
        if turn.phase is Phase.SENT:
            self.state.answer_delay = max(self.state.answer_delay, event.at - turn.sent_at)
        self.turns.left(turn, event.at)
        self.turns.skip_to(turn, event.ask)
        device.take_answer(event, note_lasts=turn.questions[0].note_lasts)
        if event.ok:
            turn.questions[0].done(self.state, device)
            self.turns.next_question(turn, event.at)
        else:
            turn.questions[0].refused(self.state, device, event.reason)
            self.turns.move(turn, Phase.FAILED)
            self.queue.set_pacer(event.at)

    def _apply_deferred(self, event: m.Deferred) -> None:
        """Asks again: at once, perhaps after another question; or later, at the deadline of the answer."""
        turn = self.turns[event.dev_eui]
        self.turns.left(turn, event.at)
        turn.device.reason = event.reason
        turn.noted = turn.request_id
        turn.questions[0].refused(self.state, turn.device, event.reason)
        turn.questions[0].again(self.state, turn.device)
        if event.later:
            self.turns.move(turn, Phase.SENT)
            self.state.timers.set(turn.timer, event.at + turn.device.period)
            return
        if event.first:
            first = tuple(PREPARATORY[name] for name in event.first)
            self.turns.ask_first(turn, first, instead=event.instead)
        self.turns.enqueue(turn, event.at)

    def _apply_given_up(self, event: m.GivenUp) -> None:
        turn = self.turns[event.dev_eui]
        turn.device.reason = event.reason
        self.turns.move(turn, Phase.GIVEN_UP)

    def _apply_closing(self, event: m.StageClosing) -> None:
        """Takes devices out of the queue. They may still answer an earlier request."""
        self.closing_until = event.until
        self.state.wait = waits.late_answers(event.until)
        self.turns.close(event.at)
        self.state.timers.set(CLOSING, event.until)

    def _apply_ended(self, event: m.StageEnded) -> None:
        """Removes devices that did not succeed, unless the stage keeps them."""
        owing = {}
        for device in self.state.devices.values():
            phase = self.turns.phase(device)
            if not device.taking_part or phase is Phase.SUCCEEDED:
                continue
            if self.stage.retains(self.state, device, phase, event.back_to):
                continue
            device.taking_part = False
            if phase is Phase.GIVEN_UP and (turn := self.turns[device.dev_eui]).request_id:
                owing[device.dev_eui] = turn.questions[0]
        self.owing = owing
        self.turns.drop_all()
        self._clear_timers(event.at)

    def _clear_timers(self, at: float) -> None:
        for key in (CLOSING, STAGE_END):
            self.state.timers.clear(key)
        self.queue.set_pacer(at)

    def drop_all(self, at: float) -> None:
        self.turns.applying = m.Stopping
        self.turns.drop_all()
        self._clear_timers(at)

    def restart(self, event: m.Resumed) -> None:
        """Lets the deadlines of devices, of the network and of the stage stand still, or begins them anew."""
        at, lost, timers = event.at, event.stood_still, self.state.timers
        self.turns.applying = m.Resumed
        for turn in self.turns.in_order():
            if turn.phase in (Phase.UNHEARD, Phase.HANDED_OVER, Phase.SENT):
                if not timers.stand_still(turn.timer, lost, at):
                    (self._await_uplink if turn.phase is Phase.UNHEARD else self._wait)(turn, at)
            elif turn.phase is Phase.REQUESTED and timers.due(turn.timer) < at:
                self.turns.enqueue(turn, at)  # The request expired in the outage, which uses up no retry.
        if self.ends_at is not None and (ends_at := self.stage.ends_after(self.ends_at, self.state, event)) is not None:
            self.ends_at = ends_at
            timers.set(STAGE_END, ends_at)
        if self.closing_until is not None:
            if not timers.stand_still(CLOSING, lost, at):
                timers.set(CLOSING, max(self.closing_until, self._closes_at(at)))
            self.closing_until = timers.due(CLOSING)

    def on_period(self, device: DeviceState) -> None:
        self.slowest = max(self.slowest, device.period)
        self.longest_wait = max(self.longest_wait, self.state.until_uplink(device))


_APPLY: dict[type[m.Event], str] = {
    m.DeviceHeard: "_apply_device_heard",
    m.RunsAlready: "_apply_runs_already",
    m.Requested: "_apply_requested",
    m.HandedOver: "_apply_handed_over",
    m.Reported: "_apply_reported",
    m.Unanswered: "_apply_unanswered",
    m.Answered: "_apply_answered",
    m.Deferred: "_apply_deferred",
    m.GivenUp: "_apply_given_up",
    m.StageClosing: "_apply_closing",
    m.StageEnded: "_apply_ended",
}
