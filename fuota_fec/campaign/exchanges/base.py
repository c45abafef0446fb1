"""What the machine asks of an exchange: the one interface between them.

A stage has an exchange with its devices or groups; the clean-up and the replies to devices are exchanges too, which go
on beside the stages. Decisions are generators of events: each event is applied before the generator goes on. State
changes only in `apply`, and in the four verbs at the end, which the machine calls for events of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from fuota_fec.campaign.messages import Event
from fuota_fec.campaign.questions.question import Question
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.timers import TimerKey
from fuota_fec.campaign.transitions import Successes
from fuota_fec.campaign.turn import Phase
from fuota_fec.campaign.unicast_queue import UnicastQueue
from fuota_fec.wire.commands import Command

Decisions = Iterator[Event]


class Exchange(ABC):
    """An exchange with devices or groups. What an exchange has no use for has a default that does nothing."""

    may_succeed_early = False
    """Whether the end of the campaign's duration leaves a success to those that have answered."""
    owing: Mapping[str, Question] = MappingProxyType({})
    """Questions that devices which left with the stage may still answer, by DevEUI. Filled by StageEnded."""

    def __init__(self, state: CampaignState, queue: UnicastQueue) -> None:
        self.state = state
        self.queue = queue

    # ---- requests ----------------------------------------------------------------------------------------

    @abstractmethod
    def knows(self, request_id: str) -> bool:
        """Whether a request is one of this exchange whose fate still matters."""

    @abstractmethod
    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over to the network."""

    @abstractmethod
    def outstanding(self) -> list[str]:
        """Requests that may still reach a device or a group."""

    def request(self, device: DeviceState, now: float) -> Decisions:
        """The request to a device whose turn in the queue has come."""
        del device, now
        return iter(())

    # ---- inputs ------------------------------------------------------------------------------------------

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Decisions:
        """The network's report on a request that the exchange knows."""
        del request_id, ok, cause, now
        return iter(())

    def is_news(self, device: DeviceState, received_at: float) -> bool:
        """Whether an uplink is the first of the device that counts here."""
        del received_at
        return not device.heard

    def on_uplink(self, device: DeviceState, received_at: float, now: float) -> Decisions:
        """An uplink of a device, whatever it holds."""
        del device, received_at, now
        return iter(())

    def on_command(self, device: DeviceState, command: Command, received_at: float, now: float) -> Decisions | None:
        """A command of an uplink; None if it does not belong here."""
        del device, command, received_at, now
        return None

    @abstractmethod
    def on_timer(self, key: TimerKey, now: float) -> Decisions:
        """A deadline of the exchange, or of one of its devices, has come."""

    # ---- the stage ---------------------------------------------------------------------------------------

    def settle(self, now: float) -> Decisions:
        """Closes or ends the stage if it is time."""
        del now
        return iter(())

    def end(self, now: float, cause: str = "") -> Decisions:
        """Ends the stage now; `cause` is the reason of those that did not succeed."""
        del now, cause
        return iter(())

    def successes(self) -> Successes:
        """Devices that have succeeded so far."""
        return Successes(0)

    @property
    def n_done(self) -> int:
        """Devices that have succeeded, as progress shows it."""
        return self.successes().n

    @property
    def closing(self) -> bool:
        """Whether only late answers still count."""
        return False

    @property
    def not_before(self) -> float:
        """Unix time before which nothing is asked."""
        return 0.0

    def phase(self, device: DeviceState) -> Phase:
        """Phase of a device here."""
        del device
        return Phase.ABSENT

    def progress(self) -> dict[str, tuple[int, int]]:
        """Frames requested and planned in this round, by group."""
        return {}

    # ---- what events do ----------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, event: Event) -> None:
        """Applies an event that concerns the exchange."""

    def on_period(self, device: DeviceState) -> None:
        """A device's uplink period is known better: PeriodMeasured."""
        del device

    def set_paused(self, at: float) -> None:
        """The campaign was paused, or goes on: Paused, Unpaused."""
        del at

    @abstractmethod
    def restart(self, at: float) -> None:
        """Deadlines begin anew after an outage: Resumed."""

    @abstractmethod
    def drop_all(self, at: float) -> None:
        """Nothing more is sent: Stopping."""
