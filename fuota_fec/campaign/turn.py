"""The turn of a device in a unicast exchange: its questions, its phase and its last request.

    UNHEARD ──uplink──▶ READY ──paced──▶ REQUESTED ──network──▶ HANDED_OVER ──sent report──▶ SENT ──answer──▶ SUCCEEDED
       │                  ▲                                        │                          │                or FAILED
       │                  ├──── not delivered, or no report ───────┤                          │
       │                  └──── no answer ─────────────────────────┼──────────────────────────┤
       └─────────────────────────── GIVEN_UP ◀──── no retry left ──┴──────────────────────────┘

`transitions.PHASES` has every transition between phases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from fuota_fec.campaign.questions.question import Question
from fuota_fec.campaign.state import DeviceState
from fuota_fec.campaign.timers import TimerKey, TimerKind

Questions = tuple[Question, ...]


class Phase(IntEnum):
    """Phase of a device in the unicast exchange of the present stage, or of the clean-up."""

    ABSENT = 0
    """The device takes no part: it left the campaign, or the stage asks nothing by unicast."""
    UNHEARD = 1
    """No uplink was heard yet; nothing is sent before the first one."""
    HELD = 2
    """The device waits for the outcome of an earlier request, which the network cannot withdraw."""
    READY = 3
    """The device is in the queue of requests."""
    REQUESTED = 4
    """The request is decided, and not yet handed over."""
    HANDED_OVER = 5
    """The network has the request: the sent report is due."""
    SENT = 6
    """The request left: the answer is due."""
    BY_MULTICAST = 7
    """The whole group is asked: the answer is due with those of the other devices."""
    STALLED = 8
    """No retry is left."""
    UNASKED = 9
    """The device was still in the queue when the threshold was met."""
    GIVEN_UP = 10
    """The device is no longer asked; a late answer still counts."""
    SUCCEEDED = 11
    """The device answered every question, or had none."""
    FAILED = 12
    """The device refused a question."""


OPEN = frozenset(Phase) - {Phase.ABSENT, Phase.GIVEN_UP, Phase.SUCCEEDED, Phase.FAILED}
"""Phases of devices that are not done."""

OVERDUE = {
    Phase.HELD: "ran out in the network's queue",
    Phase.REQUESTED: "not handed over in time",
    Phase.HANDED_OVER: "no sent report in time",
}
"""Cause of a request that was not sent, by the phase of the device at the deadline."""


@dataclass(slots=True)
class Turn:
    """Progress of one device in one exchange."""

    device: DeviceState
    questions: Questions = ()
    """Remaining questions, the present one first."""
    phase: Phase = Phase.ABSENT
    request_id: str | None = None
    """ID of the last request of the present question."""
    resends: int = 0
    """Number of resends of the present question."""
    noted: str | None = None
    """ID of the last request whose answer was deferred."""
    sent_at: float = 0.0
    """Unix time of the last sent report."""
    timer: TimerKey = field(init=False)
    """Timer key of the device's deadline."""

    def __post_init__(self) -> None:
        self.timer = TimerKey(TimerKind.DEVICE, self.device.dev_eui)

    def begin_question(self) -> None:
        """Resets the request and the resends: nothing of the present question was sent yet."""
        self.request_id = None
        self.resends = 0
