"""Clean-up as a unicast exchange: each device has its own questions and as many retries as in any stage, and leaves the
exchange confirmed or not. The clean-up runs beside a stage for devices that left it, and alone when the campaign
stops."""

from __future__ import annotations

from collections.abc import Iterable

from fuota_fec.campaign import reasons
from fuota_fec.campaign.exchanges.base import Decisions
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.messages import Answered, Event, GivenUp
from fuota_fec.campaign.stages import CLEAN_UP
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.turn import Phase, Questions, Turn
from fuota_fec.campaign.unicast_queue import UnicastQueue


class CleanUp(UnicastExchange):
    """Exchange that cleans up devices. Sets `DeviceState.unconfirmed`, and leaves the reason of a device as it is."""

    def __init__(self, state: CampaignState, queue: UnicastQueue, at: float) -> None:
        super().__init__(state, queue, CLEAN_UP, at)

    def participants(self) -> Iterable[DeviceState]:
        """Nothing at the start: devices are added later."""
        return ()

    def add(self, device: DeviceState, questions: Questions, event: Event) -> None:
        """Adds a device that leaves the campaign by an event."""
        self.turns.applying = type(event)
        self._begin(device, questions, event.at)

    @property
    def over(self) -> bool:
        return self.turns.n_open == 0

    def settle(self, now: float) -> Decisions:
        """Decides nothing: the clean-up has no threshold, and ends with its last device."""
        del now
        return iter(())

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

    def _apply_answered(self, event: Answered) -> None:
        turn = self.turns[event.dev_eui]
        device = turn.device
        if event.ok:
            turn.questions[0].done(self.state, device)
            if device.unconfirmed == reasons.no_answer(event.ask):
                device.unconfirmed = ""  # The device had been given up.
        else:
            device.unconfirmed = device.unconfirmed or event.reason
        self.turns.next_question(turn, event.at)

    def _apply_given_up(self, event: GivenUp) -> None:
        """Ends the clean-up of a silent device; goes on to the next question if the present one comes too late."""
        turn = self.turns[event.dev_eui]
        turn.device.unconfirmed = turn.device.unconfirmed or event.reason
        if turn.phase is Phase.READY:
            self.turns.next_question(turn, event.at)
        else:
            self.turns.move(turn, Phase.GIVEN_UP)
            self.queue.set_pacer(event.at)
