"""Clean-up as a unicast exchange: each device has its own questions and as many retries as in any stage, and leaves the
exchange confirmed or not. The clean-up runs beside a stage for devices that left it, and alone when the campaign
stops."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from fuota_fec.campaign import reasons
from fuota_fec.campaign.belief import first_version_is_open, version_is_open
from fuota_fec.campaign.events import FAILED, SUCCEEDED
from fuota_fec.campaign.exchanges.base import Decisions
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.messages import Answered, CleanUpStarted, Event, GivenUp, Returned, Stopping, Wait
from fuota_fec.campaign.questions import LAST_VERSION, Question
from fuota_fec.campaign.stages import CLEAN_UP, UNHEARD_PERIODS
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.turn import OPEN, Phase, Questions, Turn
from fuota_fec.campaign.unicast_queue import UnicastQueue
from fuota_fec.checks import counted
from fuota_fec.planning.unicast import unicast_stage
from fuota_fec.wire.commands import Command


class CleanUp(UnicastExchange):
    """Exchange that cleans up devices. Sets `DeviceState.unconfirmed`, and leaves the reason of a device as it is."""

    def __init__(self, state: CampaignState, queue: UnicastQueue, at: float) -> None:
        super().__init__(state, queue, CLEAN_UP, at)
        self._silent: dict[str, list[Question]] = {}
        """Questions that a device did not answer and that others followed, by DevEUI."""
        self._open: dict[str, dict[str, str]] = {}
        """Reasons why a device did not confirm, by question."""
        self._asked_again: set[str] = set()
        """DevEUIs of the devices that returned after the campaign began to end."""
        self._asks_until = -math.inf

    def participants(self) -> Iterable[DeviceState]:
        """Nothing at the start: devices are added later."""
        return ()

    def add(self, device: DeviceState, questions: Questions, event: Event) -> None:
        """Adds a device that leaves the campaign by an event. The questions of a clean-up that goes on come first."""
        self.turns.applying = type(event)
        if (turn := self.turns.get(device.dev_eui)) is None:
            self._begin(device, questions, event.at)
        elif turn.phase in OPEN:
            turn.questions += tuple(question for question in questions if question not in turn.questions)
        else:
            self.turns.renew(turn, questions)
            self._line_up(turn, event.at)
        if self.state.stopping and isinstance(event, Returned):
            self._asked_again.add(device.dev_eui)

    def add_last(self, device: DeviceState, questions: Questions, event: Stopping) -> None:
        """Adds a device at the end of the campaign."""
        if questions and (event.rules >= 3 or device.dev_eui not in self.turns):
            self.add(device, questions, event)

    def ask_until(self, event: Stopping) -> None:
        """Sets the end of the time in which devices that are heard again after their clean-up are asked: one unicast
        stage."""
        config, n = self.state.config, self.turns.n_open
        slowest = max((turn.device.period for turn in self.turns if turn.phase in OPEN), default=0.0)
        stage = unicast_stage(config.msg_retries, slowest, config.delivery_timeout)
        self._asks_until = event.at + UNHEARD_PERIODS * slowest + n * config.ucast_msg_delay / 1000 + stage

    def asks_again(self, device: DeviceState, now: float) -> bool:
        """Whether a device that was just heard is asked for its version: once more, as the campaign ends by itself, at
        the end of its turn or in another one."""
        state = self.state
        if state.stopping not in (SUCCEEDED, FAILED) or device.dev_eui in self._asked_again:
            return False
        turn = self.turns.get(device.dev_eui)
        if turn is not None and turn.phase in OPEN:
            asks = LAST_VERSION not in turn.questions and not device.reboots_after(now)
        else:
            asks = now < self._asks_until
        return asks and (version_is_open(state, device) or first_version_is_open(state, device))

    def wait(self) -> Wait | None:
        wait = super().wait()
        return wait and replace(wait, why=f"the clean-up of {counted(self.turns.n_open, 'device')}")

    @property
    def over(self) -> bool:
        return self.turns.n_open == 0

    def begin(self, now: float) -> Decisions:
        """Records that the campaign waits for the clean-up, if it does."""
        if (wait := self.wait()) is not None:
            yield CleanUpStarted(at=now, n_devices=self.turns.n_open, wait=wait)

    def settle(self, now: float) -> Decisions:
        """Gives up devices without a retry, if the journal ended before that. The clean-up has no threshold, and ends
        with its last device."""
        if self.turns.n(Phase.STALLED):
            for turn in self.turns:
                yield from self._give_up_if_stalled(turn, now)

    def _give_up_if_stalled(self, turn: Turn, now: float) -> Decisions:
        if turn.phase is Phase.STALLED:
            reason = reasons.no_answer(turn.questions[0].name)
            yield GivenUp(at=now, dev_eui=turn.device.dev_eui, reason=reason)

    def request(self, device: DeviceState, now: float) -> Decisions:
        """Requests the present question, unless its time is over."""
        question = self.turns[device.dev_eui].questions[0]
        limit = question.not_after(self.state, device)
        if limit is not None and now >= limit:
            reason = f"no answer in {question.name}: it could not arrive before the reboot time"
            yield GivenUp(at=now, dev_eui=device.dev_eui, reason=reason)
        else:
            yield from super().request(device, now)

    def on_command(self, device: DeviceState, command: Command, received_at: float, now: float) -> Decisions | None:
        """Reads an answer to the present question, or a late one to a question that was given up."""
        answer = super().on_command(device, command, received_at, now)
        if answer is not None:
            return answer
        for question in self._silent.get(device.dev_eui, ()):
            verdict = question.read(self.state, device, command, received_at)
            if verdict is not None and verdict.ok:
                version = verdict.fw_version
                return iter((Answered(at=now, dev_eui=device.dev_eui, ask=question.name, ok=True, fw_version=version),))
        return None

    def _take_back(self, device: DeviceState) -> None:
        """Leaves the reason of a device as it is."""

    def _apply_answered(self, event: Answered) -> None:
        turn = self.turns[event.dev_eui]
        self.turns.left(turn, event.at)
        late = next((q for q in self._silent.get(event.dev_eui, ()) if q.name == event.ask), None)
        present = bool(turn.questions) and turn.questions[0].name == event.ask
        question = turn.questions[0] if present else late
        if event.ok and question is not None:
            question.done(self.state, turn.device)
            if question is late:
                self._silent[event.dev_eui].remove(late)
            self._open.get(event.dev_eui, {}).pop(event.ask, None)
            self._show(turn.device)
        elif not event.ok and question is not None:
            question.refused(self.state, turn.device, event.reason)
            self._leave_open(turn.device, question, event.reason)
        if present:
            self.turns.next_question(turn, event.at)

    def _apply_given_up(self, event: GivenUp) -> None:
        """Goes on to the next question after silence, or if the present one comes too late: each is asked with its own
        tries, whatever became of the others. A device that was never heard, or has no further question, is let go."""
        turn = self.turns[event.dev_eui]
        question = turn.questions[0]
        self._leave_open(turn.device, question, event.reason)
        if turn.phase is Phase.READY:
            self.turns.next_question(turn, event.at)
        elif turn.phase is Phase.STALLED and len(turn.questions) > 1:
            self._silent.setdefault(event.dev_eui, []).append(question)
            self.turns.next_question(turn, event.at)
        else:
            self.turns.move(turn, Phase.GIVEN_UP)
            self.queue.set_pacer(event.at)

    def _leave_open(self, device: DeviceState, question: Question, reason: str) -> None:
        if question.undoes:
            self._open.setdefault(device.dev_eui, {}).setdefault(question.name, reason)
            self._show(device)

    def _show(self, device: DeviceState) -> None:
        device.unconfirmed = next(iter(self._open.get(device.dev_eui, {}).values()), "")
