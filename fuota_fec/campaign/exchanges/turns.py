"""Turns of an exchange: by DevEUI and by request, counted by phase, and moved by the table of transitions."""

from __future__ import annotations

from collections.abc import Iterator

from fuota_fec.campaign.messages import Event, StageStarted
from fuota_fec.campaign.questions.question import Question
from fuota_fec.campaign.state import RECEIVE_WINDOWS, CampaignState, DeviceState
from fuota_fec.campaign.transitions import PHASES
from fuota_fec.campaign.turn import OPEN, Phase, Questions, Turn
from fuota_fec.campaign.unicast_queue import UnicastQueue

_FIRST_OPEN, _LAST_OPEN = min(OPEN), max(OPEN)
_OUTSTANDING = (Phase.REQUESTED, Phase.HANDED_OVER)
"""Phases of a device whose request may still reach it."""


class Turns:
    """Changes of the questions and phases of devices. The exchange decides when they happen."""

    def __init__(self, state: CampaignState, queue: UnicastQueue) -> None:
        self._state = state
        self._queue = queue
        self._turns: dict[str, Turn] = {}
        self._n = [0] * len(Phase)
        self.by_request: dict[str, Turn] = {}
        self.applying: type[Event] = StageStarted
        """Type of the event that is being applied."""
        self.closing = False
        """Whether the stage closes: no further questions, late answers count."""

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._turns.values())

    def __contains__(self, dev_eui: str) -> bool:
        return dev_eui in self._turns

    def __getitem__(self, dev_eui: str) -> Turn:
        return self._turns[dev_eui]

    def get(self, dev_eui: str) -> Turn | None:
        return self._turns.get(dev_eui)

    def in_order(self) -> Iterator[Turn]:
        """Turns in the order of the configuration. The clean-up adds devices in another order."""
        return (self._turns[dev_eui] for dev_eui in self._state.devices if dev_eui in self._turns)

    def phase(self, device: DeviceState) -> Phase:
        turn = self._turns.get(device.dev_eui)
        return Phase.ABSENT if turn is None else turn.phase

    def n(self, phase: Phase) -> int:
        """Number of devices in a phase."""
        return self._n[phase]

    @property
    def n_open(self) -> int:
        """Number of devices that are not done."""
        return sum(self._n[_FIRST_OPEN : _LAST_OPEN + 1])

    def outstanding(self) -> list[str]:
        """Requests that may still reach a device."""
        return [n for n, turn in self.by_request.items() if turn.phase in _OUTSTANDING and turn.request_id == n]

    def outstanding_of(self, device: DeviceState) -> str | None:
        """Request that may still reach a device."""
        turn = self._turns.get(device.dev_eui)
        return turn.request_id if turn is not None and turn.phase in _OUTSTANDING else None

    def add(self, device: DeviceState, questions: Questions) -> Turn:
        turn = self._turns[device.dev_eui] = Turn(device, questions)
        self._n[Phase.ABSENT] += 1
        return turn

    def renew(self, turn: Turn, questions: Questions) -> None:
        """Ends a turn that is over, and gives it other questions."""
        self.move(turn, Phase.ABSENT)
        turn.questions = questions
        turn.begin_question()

    def move(self, turn: Turn, phase: Phase) -> None:
        """Changes the phase, and clears the deadline of the previous one."""
        before = turn.phase
        self._state.timers.clear(turn.timer)
        if before is phase:
            return
        assert (before, self.applying, phase) in PHASES, (before, self.applying, phase)
        if phase is Phase.READY:
            self._queue.n_ready += 1
        elif before is Phase.READY:
            self._queue.n_ready -= 1
        self._n[before] -= 1
        self._n[phase] += 1
        turn.phase = phase

    def enqueue(self, turn: Turn, at: float) -> None:
        """Puts a device into the queue, or holds it back while the network may still send an earlier request that it
        cannot withdraw, or that is leaving. In a stage that closes the device is no longer asked."""
        device = turn.device
        if self.closing:
            self.move(turn, Phase.UNASKED)
        elif device.unreported and at < device.queued_until and self._must_wait(device):
            self.by_request[device.unreported] = turn
            self.move(turn, Phase.HELD)
            self._state.timers.set(turn.timer, device.queued_until)
        else:
            self.move(turn, Phase.READY)
            self._queue.add(turn, at)

    def _must_wait(self, device: DeviceState) -> bool:
        return device.presumed_at is not None or not self._state.network.withdraws

    def presume(self, turn: Turn, at: float) -> None:
        """Takes an uplink, where the network gives no reports: the request leaves in its receive windows. A reply that
        was queued before it leaves instead; then it may leave until it expires, unless the network withdraws it."""
        device = turn.device
        device.presumed_at = at
        if self._state.network.withdraws or not self._state.reply_goes_before(device):
            device.queued_until = min(device.queued_until, at + RECEIVE_WINDOWS)
        if turn.phase is Phase.HELD:
            self._state.timers.set(turn.timer, device.queued_until)

    def left(self, turn: Turn, at: float) -> None:
        """Takes a sign of life from after that uplink: what was presumed is certain."""
        device = turn.device
        if device.presumed_at is not None and at > device.presumed_at and not self._state.reply_goes_before(device):
            device.unreported = device.presumed_at = None

    def close(self, at: float) -> None:
        """Closes the stage: devices in the queue are no longer asked, but may still answer an earlier request."""
        self.closing = True
        for turn in self._queue.ready:
            if turn.phase is Phase.READY and self._turns.get(turn.device.dev_eui) is turn:
                self.move(turn, Phase.UNASKED)
        self._queue.set_pacer(at)

    def request(self, turn: Turn, request_id: str, at: float) -> None:
        """Records the request of the present question."""
        self._queue.take(turn, at)
        if turn.request_id:
            self.by_request.pop(turn.request_id, None)
        turn.request_id = turn.device.unreported = request_id
        turn.device.presumed_at, turn.device.queued_until = None, 0.0
        self.by_request[request_id] = turn
        turn.questions[0].sent(self._state, turn.device, at)
        self.move(turn, Phase.REQUESTED)

    def skip_to(self, turn: Turn, ask: str) -> None:
        """Drops the questions before one that the device has answered."""
        for n, question in enumerate(turn.questions):
            if question.name == ask:
                if n:
                    turn.questions = turn.questions[n:]
                    turn.begin_question()
                return

    def next_question(self, turn: Turn, at: float) -> None:
        """Goes on to the device's next question, if there is one. Its resends are counted anew, unless the question
        before it was an optional one in between."""
        between, resends = turn.questions[0].optional, turn.resends
        turn.questions = turn.questions[1:]
        turn.begin_question()
        if between:
            turn.resends = resends
        if turn.questions:
            self.enqueue(turn, at)
        else:
            self.move(turn, Phase.SUCCEEDED)
            self._queue.set_pacer(at)

    def try_again(self, turn: Turn, at: float) -> None:
        """Resends the question if a retry is left. An optional question has one try; then the next question follows."""
        if turn.questions[0].optional:
            self.next_question(turn, at)
        elif turn.resends < self._state.config.msg_retries and not self.closing:
            turn.resends += 1
            self.enqueue(turn, at)
        else:
            self.move(turn, Phase.STALLED)

    def ask_first(self, turn: Turn, first: tuple[Question, ...], *, instead: bool = False) -> None:
        """Puts questions before the present one, or in its place. The present question keeps its number of resends."""
        turn.questions = (*first, *turn.questions[instead:])
        if instead:
            turn.begin_question()

    def drop(self, dev_eui: str, at: float) -> None:
        """Ends the turn of a device, if it has one."""
        if dev_eui in self._turns:
            self.move(self._turns[dev_eui], Phase.ABSENT)
            self._queue.set_pacer(at)

    def drop_all(self) -> None:
        """Ends every turn."""
        for turn in self:
            self.move(turn, Phase.ABSENT)
