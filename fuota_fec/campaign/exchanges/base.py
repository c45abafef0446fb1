"""Interface between the machine and an exchange.

A stage has an exchange with its devices or groups; the clean-up and the replies to devices are exchanges that run
beside the stages. Decisions are generators of events: each event is applied before the generator goes on. State changes
only in `apply`, and in the four methods at the end, which the machine calls for events that it applies itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from fuota_fec.campaign.messages import Event, Resumed, Wait
from fuota_fec.campaign.questions.question import Question
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.timers import TimerKey
from fuota_fec.campaign.transitions import Successes
from fuota_fec.campaign.turn import Phase
from fuota_fec.campaign.unicast_queue import UnicastQueue
from fuota_fec.wire.commands import Command

Decisions = Iterator[Event]


class Exchange(ABC):
    """An exchange with devices or groups. The methods that are not abstract do nothing unless overridden."""

    may_succeed_early = False
    """Whether devices that have answered succeed when the campaign's maximum duration ends the stage."""
    owing: Mapping[str, Question] = MappingProxyType({})
    """Questions that devices which left at the end of the stage may still answer, by DevEUI. Filled by StageEnded."""

    def __init__(self, state: CampaignState, queue: UnicastQueue) -> None:
        self.state = state
        self.queue = queue

    # ---- requests ----------------------------------------------------------------------------------------

    @abstractmethod
    def knows(self, request_id: str) -> bool:
        """Whether a request belongs to this exchange and its outcome still matters."""

    @abstractmethod
    def awaits_hand_over(self, request_id: str) -> bool:
        """Whether a request is still to be handed over to the network."""

    @abstractmethod
    def outstanding(self) -> list[str]:
        """Requests that may still reach a device or a group."""

    def outstanding_of(self, device: DeviceState) -> str | None:
        """Request that may still reach a device."""
        del device
        return None

    def request(self, device: DeviceState, now: float) -> Decisions:
        """Requests the present question of a device that is first in the queue."""
        del device, now
        return iter(())

    # ---- inputs ------------------------------------------------------------------------------------------

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Decisions:
        """Takes the network's report on a request that the exchange knows."""
        del request_id, ok, cause, now
        return iter(())

    def readmits(self, received_at: float) -> bool:
        """Whether devices that left are asked for their version, as an uplink was received at that time."""
        del received_at
        return False

    def takes_back(self, device: DeviceState) -> bool:
        """Whether a device that was given up unheard is asked once it is heard."""
        del device
        return False

    def is_news(self, device: DeviceState, received_at: float) -> bool:
        """Whether an uplink is the first one of the device that counts in this exchange."""
        del received_at
        return not device.heard

    def stands_for_report(self, device: DeviceState, received_at: float) -> bool:
        """Whether an uplink of a device may tell the outcome of a request, where the network gives no reports."""
        return not self.state.network.sent_reports and received_at >= device.queued_at

    def on_uplink(self, device: DeviceState, received_at: float, now: float) -> Decisions:
        """Takes an uplink of a device, before its commands."""
        del device, received_at, now
        return iter(())

    def on_command(self, device: DeviceState, command: Command, received_at: float, now: float) -> Decisions | None:
        """Takes a command of an uplink; None if the command is foreign to the exchange."""
        del device, command, received_at, now
        return None

    @abstractmethod
    def on_timer(self, key: TimerKey, now: float) -> Decisions:
        """Takes a deadline of the exchange or of one of its devices."""

    # ---- the stage ---------------------------------------------------------------------------------------

    def settle(self, now: float) -> Decisions:
        """Closes or ends the stage when nothing keeps it open."""
        del now
        return iter(())

    def end(self, now: float, cause: str = "") -> Decisions:
        """Ends the stage now; `cause` is the reason of the devices that did not succeed."""
        del now, cause
        return iter(())

    def successes(self) -> Successes:
        """Devices that have succeeded so far."""
        return Successes(0)

    @property
    def n_done(self) -> int:
        """Number of devices that have succeeded, for the progress view."""
        return self.successes().n

    @property
    def closing(self) -> bool:
        """Whether only late answers still count."""
        return False

    @property
    def not_before(self) -> float:
        """Unix time before which nothing is asked; 0: none."""
        return 0.0

    def wait(self) -> Wait | None:
        """Wait of the exchange, and its end at most."""
        return None

    def phase(self, device: DeviceState) -> Phase:
        """Phase of a device in this exchange."""
        del device
        return Phase.ABSENT

    def progress(self) -> dict[str, tuple[int, int]]:
        """Numbers of frames requested and planned in this round, by group."""
        return {}

    # ---- what events do ----------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, event: Event) -> None:
        """Applies an event that concerns the exchange."""

    def on_period(self, device: DeviceState) -> None:
        """Takes a new uplink period of a device: PeriodMeasured."""
        del device

    def set_paused(self, at: float) -> None:
        """Takes the begin or end of a pause: Paused, Unpaused."""
        del at

    @abstractmethod
    def restart(self, event: Resumed) -> None:
        """Lets deadlines stand still for the time of an outage, or begins them anew."""

    @abstractmethod
    def drop_all(self, at: float) -> None:
        """Ends all sending: Stopping."""
