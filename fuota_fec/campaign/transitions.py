"""Where a campaign goes after a stage, and a device after an event: both as tables.

The machine goes from stage to stage by STAGES, an exchange moves a device from phase to phase by PHASES; what is not in
a table does not happen. `docs/campaign-states.md` is drawn from both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import product

from fuota_fec.campaign.adaptive import coded_of_round, lacks
from fuota_fec.campaign.events import (
    FAILED,
    SUCCEEDED,
    Answered,
    Deferred,
    DeviceHeard,
    Event,
    GivenUp,
    GroupDone,
    HandedOver,
    Reported,
    Requested,
    Resumed,
    SilencePresumed,
    StageClosing,
    StageEnded,
    StageStarted,
    Stopping,
    Unanswered,
)
from fuota_fec.campaign.repair import devices_to_repair
from fuota_fec.campaign.sessions import SESSIONS, groups_of_session, in_round, session_fits, session_stage
from fuota_fec.campaign.state import CampaignState, Data, DeviceState, GroupState
from fuota_fec.campaign.turn import OPEN, Phase

# ---- from stage to stage ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Successes:
    """Devices that have succeeded in a stage: their number, and which they are where that matters."""

    n: int
    devices: Callable[[], Iterable[DeviceState]] = tuple


class Outcome(Enum):
    MET = "threshold met"
    MISSED = "threshold missed"
    EITHER = "stage ended"


ANY = "any stage"
SESSION = "session"
"""The campaign's session stage, McClassBSession or McClassCSession."""
NEXT = "next stage"

Condition = Callable[[CampaignState, float, Successes], bool]


@dataclass(frozen=True, slots=True)
class StageTransition:
    """A way from a stage with an outcome, if a condition holds at a Unix time. The first row that fits is taken."""

    stage: str
    outcome: Outcome
    condition: Condition
    to: str
    label: str
    new_round: bool = False
    """Whether another round begins."""


def _always(_state: CampaignState, _now: float, _successes: Successes) -> bool:
    """None."""
    return True


def _frames_remain(state: CampaignState, now: float, _successes: Successes) -> bool:
    """Frames remain although the session is over, and another session fits. The fragmentation session lives on."""
    unfinished = groups_of_session(state, state.round, {})
    return bool(unfinished) and session_fits(state, now, unfinished)


def _silence_counts(state: CampaignState, _now: float, successes: Successes) -> bool:
    """Silence counts as success in a binary transfer, where it proves nothing."""
    if state.config.kind != "binary":
        return False
    silent = (d for d in successes.devices() if d.taking_part and not lacks(d))
    return any(device.data < Data.LIKELY for device in silent)


def _few_lack_fragments(state: CampaignState, now: float, _successes: Successes) -> bool:
    """Few devices lack fragments, and sending them by unicast takes less air time than a round."""
    return bool(devices_to_repair(state, now))


def _groups_of_round(state: CampaignState, successes: Successes) -> list[GroupState]:
    """Groups that have another round, as they are when it begins: adaptive ones have coded fragments that were not
    sent before, those without coded fragments all uncoded ones again."""
    coded = coded_of_round(state, successes.n)
    groups = [in_round(state, group, state.round + 1, coded) for group in state.groups.values()]
    return [group for group in groups if group.round == state.round + 1]


def _round_in_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round fits into the sessions that are open."""
    groups = _groups_of_round(state, successes)
    sessions, deadline = state.sessions, state.deadline
    return bool(groups) and all(now + g.remaining_time() <= min(sessions[g.name].end, deadline) for g in groups)


def _round_in_new_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round fits into another session."""
    groups = _groups_of_round(state, successes)
    return bool(groups) and session_fits(state, now, groups)


def _adaptive_round_in_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round of coded fragments fits into the sessions that are open."""
    return bool(coded_of_round(state, successes.n)) and _round_in_session(state, now, successes)


def _adaptive_round_in_new_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round of coded fragments fits into another session."""
    return bool(coded_of_round(state, successes.n)) and _round_in_new_session(state, now, successes)


def _more_stages(state: CampaignState, _now: float, _successes: Successes) -> bool:
    """Another stage is planned."""
    return state.stage_idx + 1 < len(state.stage_names)


_MET, _MISSED, _EITHER = Outcome.MET, Outcome.MISSED, Outcome.EITHER
_ROUND, _ROUND_LATER = "another round", "another round, session over"

STAGES: tuple[StageTransition, ...] = (
    StageTransition("DlFragment", _EITHER, _frames_remain, SESSION, "session over, frames remain"),
    StageTransition("FragSessionStatus", _MET, _silence_counts, "FragSessionStatus", "silence proves nothing"),
    StageTransition("FragSessionStatus", _MISSED, _few_lack_fragments, "UnicastRepair", "the last few lack fragments"),
    StageTransition("FragSessionStatus", _MISSED, _round_in_session, "DlFragment", _ROUND, True),
    StageTransition("FragSessionStatus", _MISSED, _round_in_new_session, SESSION, _ROUND_LATER, True),
    StageTransition("UnicastRepair", _MET, _silence_counts, "FragSessionStatus", "silence proves nothing"),
    StageTransition("UnicastRepair", _MISSED, _round_in_session, "DlFragment", _ROUND, True),
    StageTransition("UnicastRepair", _MISSED, _round_in_new_session, SESSION, _ROUND_LATER, True),
    StageTransition("UpgradeImage", _MISSED, _round_in_session, "DlFragment", _ROUND, True),
    StageTransition("UpgradeImage", _MISSED, _round_in_new_session, SESSION, _ROUND_LATER, True),
    StageTransition("CompletionVerification", _MISSED, _adaptive_round_in_session, "DlFragment", _ROUND, True),
    StageTransition("CompletionVerification", _MISSED, _adaptive_round_in_new_session, SESSION, _ROUND_LATER, True),
    StageTransition(ANY, _MISSED, _always, FAILED, "threshold missed"),
    StageTransition(ANY, _MET, _more_stages, NEXT, "threshold met"),
    StageTransition(ANY, _MET, _always, SUCCEEDED, "threshold met in the last stage"),
)


def _taken(rows: Iterable[StageTransition], state: CampaignState, now: float, successes: Successes) -> StageTransition:
    met = Outcome.MET if successes.n >= state.plan.n_needed else Outcome.MISSED
    fit = (row for row in rows if row.outcome in (met, Outcome.EITHER) and row.condition(state, now, successes))
    return next(fit, _STAY)


_STAY = StageTransition(ANY, Outcome.EITHER, _always, "", "")


def way_back(stage: str, state: CampaignState, now: float, successes: Successes) -> str:
    """The earlier stage that follows a stage, for another session or round or for proof; "" if none does.

    It is decided when the stage ends, and recorded: `StageEnded.back_to`.
    """
    to = _taken((row for row in STAGES if row.stage == stage), state, now, successes).to
    return session_stage(state) if to == SESSION else to


def begins_round(stage: str, back_to: str) -> bool:
    """Whether going back from a stage to an earlier one begins another round."""
    rows = (row for row in STAGES if row.stage == stage)
    return any(row.new_round and (row.to == back_to or (row.to == SESSION and back_to in SESSIONS)) for row in rows)


def way_on(state: CampaignState, now: float) -> str:
    """NEXT, SUCCEEDED or FAILED: what follows a stage that does not go back, by the devices that still take part."""
    successes = Successes(state.n_taking_part())
    return _taken((row for row in STAGES if row.stage == ANY), state, now, successes).to


# ---- from phase to phase ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PhaseTransition:
    """Ways of a device by one event: from each of the phases before to each of those after."""

    before: tuple[Phase, ...]
    event: type[Event]
    after: tuple[Phase, ...]
    label: str


_ABSENT, _UNHEARD, _HELD, _READY = Phase.ABSENT, Phase.UNHEARD, Phase.HELD, Phase.READY
_REQUESTED, _HANDED_OVER, _SENT = Phase.REQUESTED, Phase.HANDED_OVER, Phase.SENT
_BY_MULTICAST, _STALLED, _UNASKED = Phase.BY_MULTICAST, Phase.STALLED, Phase.UNASKED
_GIVEN_UP, _SUCCEEDED, _FAILED = Phase.GIVEN_UP, Phase.SUCCEEDED, Phase.FAILED
_QUEUED = (_READY, _HELD, _UNASKED)
"""In the queue; or held back, as the network may still send an earlier request; or not asked, as the stage closes."""
_LATE = (_UNHEARD, _HELD, _READY, _REQUESTED, _STALLED, _UNASKED, _GIVEN_UP)
_OVER = (_GIVEN_UP, _SUCCEEDED, _FAILED)

PHASE_ROWS: tuple[PhaseTransition, ...] = (
    PhaseTransition((_ABSENT,), StageStarted, (_SUCCEEDED, _UNHEARD, _READY, _HELD), "the stage begins"),
    PhaseTransition((_ABSENT,), StageStarted, (_BY_MULTICAST,), "the stage begins, its group is asked together"),
    PhaseTransition((_ABSENT,), StageEnded, (_READY, _HELD), "it left, its clean-up begins"),
    PhaseTransition((_ABSENT,), Stopping, (_UNHEARD, _READY, _HELD), "its clean-up begins"),
    PhaseTransition((_UNHEARD,), DeviceHeard, _QUEUED, "heard"),
    PhaseTransition((_READY,), Requested, (_REQUESTED,), "its turn has come"),
    PhaseTransition((_REQUESTED,), HandedOver, (_HANDED_OVER,), "the network has the request"),
    PhaseTransition((_REQUESTED, _HANDED_OVER), Reported, (_SENT,), "the request was sent"),
    PhaseTransition(
        (_REQUESTED, _HANDED_OVER), Reported, (_READY, _UNASKED), "not sent: again; or a fragment was sent"
    ),
    PhaseTransition((_REQUESTED, _HANDED_OVER), Reported, (_STALLED,), "not sent, and no retry is left"),
    PhaseTransition((_HELD,), Reported, (_READY, _UNASKED), "the earlier request has left, or ran out"),
    PhaseTransition((_SENT,), Unanswered, _QUEUED, "no answer: again, or the next question"),
    PhaseTransition((_SENT,), Unanswered, (_STALLED,), "no answer, and no retry is left"),
    PhaseTransition((_BY_MULTICAST,), Unanswered, (_UNHEARD, *_QUEUED), "its group was silent: asked by unicast"),
    PhaseTransition((_BY_MULTICAST,), GroupDone, (_UNHEARD, *_QUEUED), "its group was not asked: asked by unicast"),
    PhaseTransition((_BY_MULTICAST,), SilencePresumed, (_SUCCEEDED,), "silence is taken for success"),
    PhaseTransition((_SENT, _HANDED_OVER), Answered, (_SUCCEEDED,), "the last answer"),
    PhaseTransition((_SENT, _HANDED_OVER), Answered, (_FAILED,), "a refusal"),
    PhaseTransition((_BY_MULTICAST,), Answered, (_SUCCEEDED, _FAILED), "it answers the request to its group"),
    PhaseTransition(_LATE, Answered, (_SUCCEEDED, _FAILED), "a late answer, or one that was not asked for"),
    PhaseTransition((_FAILED,), Answered, (_SUCCEEDED,), "it reports success of its own accord"),
    PhaseTransition((_SENT, _HANDED_OVER, _HELD, _GIVEN_UP), Answered, _QUEUED, "answered: the next question"),
    PhaseTransition((_REQUESTED,), Answered, (_READY, _UNASKED), "a late answer: the next question"),
    PhaseTransition((_STALLED,), Answered, (_UNASKED,), "a late answer while the stage closes"),
    PhaseTransition((_HANDED_OVER, _SENT), Deferred, _QUEUED, "answered: asked again, perhaps something else first"),
    PhaseTransition((_HANDED_OVER,), Deferred, (_SENT,), "answered: asked again later"),
    PhaseTransition((_READY,), StageClosing, (_UNASKED,), "nothing more is asked"),
    PhaseTransition((_UNHEARD, _STALLED), GivenUp, (_GIVEN_UP,), "never heard, or no retry is left"),
    PhaseTransition(tuple(sorted(OPEN - {_UNHEARD, _STALLED})), GivenUp, (_GIVEN_UP,), "the stage is over"),
    PhaseTransition((_READY,), GivenUp, (_SUCCEEDED,), "too late for the last question of its clean-up"),
    PhaseTransition((_REQUESTED,), Resumed, (_READY, _UNASKED), "the request ran out in the outage"),
    PhaseTransition(_OVER, StageEnded, (_ABSENT,), "the stage ends"),
    PhaseTransition(tuple(phase for phase in Phase if phase is not _ABSENT), Stopping, (_ABSENT,), "the campaign ends"),
)

PHASES: frozenset[tuple[Phase, type[Event], Phase]] = frozenset(
    (before, row.event, after)
    for row in PHASE_ROWS
    for before, after in product(row.before, row.after)
    if before is not after
)
"""Every way of a device: the phase before, the event, the phase after."""
