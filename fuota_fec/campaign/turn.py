"""Where a device is in a unicast exchange: its questions, its phase, and the fate of its last request.

    UNHEARD ──uplink──▶ READY ──paced──▶ REQUESTED ──network──▶ HANDED_OVER ──sent report──▶ SENT ──answer──▶ SUCCEEDED
       │                  ▲                                        │                          │                or FAILED
       │                  ├──── not delivered, or no report ───────┤                          │
       │                  └──── no answer ─────────────────────────┼──────────────────────────┤
       └─────────────────────────── GIVEN_UP ◀──── no retry left ──┴──────────────────────────┘

`transitions.PHASES` has every way from phase to phase.
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
    """It takes no part: it left the campaign, or the stage asks nothing by unicast."""
    UNHEARD = 1
    """No uplink of it was heard yet, before which nothing is sent."""
    HELD = 2
    """It waits for the fate of an earlier request that the network cannot take back."""
    READY = 3
    """It is in the queue to be asked."""
    REQUESTED = 4
    """The request is decided, not yet with the network."""
    HANDED_OVER = 5
    """The request is with the network: its sent report is due."""
    SENT = 6
    """The request left: the answer is due."""
    BY_MULTICAST = 7
    """Its group is asked: the answer is due with those of the others."""
    STALLED = 8
    """No retry is left."""
    UNASKED = 9
    """It was in the queue when the threshold was met."""
    GIVEN_UP = 10
    """It is no longer asked; a late answer still counts."""
    SUCCEEDED = 11
    """It answered every question, or had none."""
    FAILED = 12
    """It answered with a refusal."""


OPEN = frozenset(Phase) - {Phase.ABSENT, Phase.GIVEN_UP, Phase.SUCCEEDED, Phase.FAILED}
"""Phases in which something is still to be done about the device."""


@dataclass(slots=True)
class Turn:
    """One device in one exchange."""

    device: DeviceState
    questions: Questions = ()
    """Questions that are left, the present one first."""
    phase: Phase = Phase.ABSENT
    request_id: str | None = None
    """The last request of the present question."""
    resends: int = 0
    """Resends of the present question."""
    noted: str | None = None
    """The last request whose answer calls for another question."""
    handed_over_at: float = 0.0
    """Unix time of the last hand-over."""
    timer: TimerKey = field(init=False)
    """Key of the device's deadline."""

    def __post_init__(self) -> None:
        self.timer = TimerKey(TimerKind.DEVICE, self.device.dev_eui)

    def begin_question(self) -> None:
        """Nothing of the present question was sent yet."""
        self.request_id = None
        self.resends = 0
