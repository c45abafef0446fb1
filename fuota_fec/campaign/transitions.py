"""Tables of transitions: of a campaign from stage to stage, and of a device from phase to phase.

The machine follows STAGES, an exchange moves devices by PHASES; a transition that is in neither table does not happen.
`docs/campaign-states.md` is drawn from both.
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
    Returned,
    RunsAlready,
    SilencePresumed,
    StageClosing,
    StageEnded,
    StageStarted,
    Stopping,
    Unanswered,
)
from fuota_fec.campaign.group_state import GroupState
from fuota_fec.campaign.repair import devices_to_repair
from fuota_fec.campaign.sessions import DL_FRAGMENT, SESSIONS, groups_of_session, in_round, session_fits, session_stage
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.campaign.turn import OPEN, Phase

# ---- from stage to stage ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Successes:
    """Devices that have succeeded in a stage: their number, and a way to list them."""

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
    """A transition from a stage with an outcome, if a condition holds at a Unix time. The first row that fits is
    taken."""

    stage: str
    outcome: Outcome
    condition: Condition
    to: str
    label: str
    new_round: bool = False
    """Whether the transition begins another round."""


def _always(_state: CampaignState, _now: float, _successes: Successes) -> bool:
    """Always."""
    return True


def _frames_remain(state: CampaignState, now: float, _successes: Successes) -> bool:
    """Frames remain after the end of the session, and another session fits. The fragmentation session stays open."""
    unfinished = groups_of_session(state, state.round, {})
    return bool(unfinished) and session_fits(state, now, unfinished)


def _time_was_lost(state: CampaignState, now: float, successes: Successes) -> bool:
    """Time was lost before the session, in which devices did not confirm, and another session fits."""
    if state.lost <= state.lost_before or successes.n - state.n_beside >= state.n_taking_part():
        return False
    return session_fits(state, now, groups_of_session(state, state.round, {}))


def _silence_counts(state: CampaignState, _now: float, successes: Successes) -> bool:
    """Silent devices are among the successes of a binary transfer, where silence proves nothing."""
    if state.config.kind != "binary":
        return False
    silent = (d for d in successes.devices() if d.taking_part and not lacks(d))
    return any(device.data < Data.LIKELY for device in silent)


def _few_lack_fragments(state: CampaignState, now: float, _successes: Successes) -> bool:
    """Few devices lack fragments, and sending them by unicast takes less air time than a round."""
    return bool(devices_to_repair(state, now))


def _groups_of_round(state: CampaignState, successes: Successes) -> list[GroupState]:
    """Groups that have another round, in their state at its start: coded fragments that were not sent before for an
    adaptive group, all uncoded ones again for a group without coded fragments."""
    coded = coded_of_round(state, successes.n)
    groups = [in_round(state, group, state.round + 1, coded) for group in state.groups.values()]
    return [group for group in groups if group.round == state.round + 1]


def _round_in_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round fits into the open sessions."""
    groups = _groups_of_round(state, successes)
    sessions, deadline = state.sessions, state.deadline
    return bool(groups) and all(now + g.remaining_time() <= min(sessions[g.name].end, deadline) for g in groups)


def _round_in_new_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round fits into another session."""
    groups = _groups_of_round(state, successes)
    return bool(groups) and session_fits(state, now, groups)


def _adaptive_round_in_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round of coded fragments fits into the open sessions."""
    return bool(coded_of_round(state, successes.n)) and _round_in_session(state, now, successes)


def _adaptive_round_in_new_session(state: CampaignState, now: float, successes: Successes) -> bool:
    """Another round of coded fragments fits into another session."""
    return bool(coded_of_round(state, successes.n)) and _round_in_new_session(state, now, successes)


def _nobody_takes_part(state: CampaignState, _now: float, _successes: Successes) -> bool:
    """No device takes part any more: those that count have passed beside the stages."""
    return not state.n_taking_part()


def _more_stages(state: CampaignState, _now: float, _successes: Successes) -> bool:
    """Another stage is planned."""
    return state.stage_idx + 1 < len(state.stage_names)


_MET, _MISSED, _EITHER = Outcome.MET, Outcome.MISSED, Outcome.EITHER
_ROUND, _ROUND_LATER = "another round", "another round, session over"

STAGES: tuple[StageTransition, ...] = (
    *(StageTransition(name, _EITHER, _time_was_lost, SESSION, "another start: time was lost") for name in SESSIONS),
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
    StageTransition(ANY, _MET, _nobody_takes_part, SUCCEEDED, "threshold met, and no device takes part"),
    StageTransition(ANY, _MET, _more_stages, NEXT, "threshold met"),
    StageTransition(ANY, _MET, _always, SUCCEEDED, "threshold met in the last stage"),
)


def _taken(rows: Iterable[StageTransition], state: CampaignState, now: float, successes: Successes) -> StageTransition:
    met = Outcome.MET if state.is_met(successes.n) else Outcome.MISSED
    fit = (row for row in rows if row.outcome in (met, Outcome.EITHER) and row.condition(state, now, successes))
    return next(fit, _STAY)


_STAY = StageTransition(ANY, Outcome.EITHER, _always, "", "")


def way_back(stage: str, state: CampaignState, now: float, successes: Successes) -> str:
    """Name of the earlier stage that follows a stage, for another session or round or for proof; "" if none does.

    The decision is made when the stage ends, and recorded as `StageEnded.back_to`.
    """
    to = _taken((row for row in STAGES if row.stage == stage), state, now, successes).to
    return session_stage(state) if to == SESSION else to


def begins_round(stage: str, back_to: str) -> bool:
    """Whether the transition from a stage back to an earlier one begins another round."""
    rows = (row for row in STAGES if row.stage == stage)
    return any(row.new_round and (row.to == back_to or (row.to == SESSION and back_to in SESSIONS)) for row in rows)


PROOFS = ("FragSessionStatus", "UpgradeImage", "CompletionVerification")
"""Stages that show what the devices have, the first one first. After the maximum duration a binary transfer has the
first one once more, in overtime, and an update the last."""


def way_to_proof(state: CampaignState, now: float) -> str:
    """Name of the stage that follows a round which was cut short, by the end of its session or the maximum duration:
    what the devices have may suffice. "" in the first round of an update and while that of a binary transfer is set up
    and sent, and if too few devices may have the data."""
    names, stage = state.stage_names, state.stage_names[state.stage_idx]
    proofs = [name for name in PROOFS if name in names and name != stage]
    update, out_of_time = state.config.kind == "firmware", now >= state.deadline
    if not proofs or (state.round == 1 and (update or state.stage_idx <= names.index(DL_FRAGMENT))):
        return ""
    if stage in SESSIONS:  # Devices that lack fragments were sent nothing since.
        n = sum(d.runs_target or (d.taking_part and not lacks(d)) for d in state.devices.values())
    else:
        n = state.n_may_pass()
    return (proofs[-1] if update and out_of_time else proofs[0]) if n >= state.plan.n_needed else ""


def way_on(state: CampaignState, now: float) -> str:
    """NEXT, SUCCEEDED or FAILED after a stage that does not go back, by the number of devices that still take part."""
    successes = Successes(state.n_may_pass())
    return _taken((row for row in STAGES if row.stage == ANY), state, now, successes).to


# ---- from phase to phase ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PhaseTransition:
    """Transitions of a device by one event: from each phase in `before` to each phase in `after`."""

    before: tuple[Phase, ...]
    event: type[Event]
    after: tuple[Phase, ...]
    label: str


_ABSENT, _UNHEARD, _HELD, _READY = Phase.ABSENT, Phase.UNHEARD, Phase.HELD, Phase.READY
_REQUESTED, _HANDED_OVER, _SENT = Phase.REQUESTED, Phase.HANDED_OVER, Phase.SENT
_BY_MULTICAST, _STALLED, _UNASKED = Phase.BY_MULTICAST, Phase.STALLED, Phase.UNASKED
_GIVEN_UP, _SUCCEEDED, _FAILED = Phase.GIVEN_UP, Phase.SUCCEEDED, Phase.FAILED
_QUEUED = (_READY, _HELD, _UNASKED)
"""Phases of a device to be asked: in the queue, or held back by an earlier request, or not asked in a closing stage."""
_LATE = (_UNHEARD, _HELD, _READY, _REQUESTED, _STALLED, _UNASKED, _GIVEN_UP)
_OVER = (_GIVEN_UP, _SUCCEEDED, _FAILED)
_PRESENT = tuple(phase for phase in Phase if phase is not _ABSENT)

PHASE_ROWS: tuple[PhaseTransition, ...] = (
    PhaseTransition((_ABSENT,), StageStarted, (_SUCCEEDED, _UNHEARD, _READY, _HELD), "the stage begins"),
    PhaseTransition((_ABSENT,), StageStarted, (_BY_MULTICAST,), "the stage begins, the whole group is asked"),
    PhaseTransition((_ABSENT,), StageEnded, (_UNHEARD, _READY, _HELD), "left the campaign: clean-up begins"),
    PhaseTransition((_ABSENT,), Returned, (_READY, _HELD), "it had left, and is asked for its version"),
    PhaseTransition((_ABSENT,), Stopping, (_UNHEARD, _READY, _HELD), "clean-up begins"),
    PhaseTransition((_UNHEARD,), DeviceHeard, _QUEUED, "first uplink"),
    PhaseTransition((_GIVEN_UP,), DeviceHeard, (_READY, _HELD), "heard after all, while the stage goes on"),
    PhaseTransition((_READY,), Requested, (_REQUESTED,), "first in the queue"),
    PhaseTransition((_REQUESTED,), HandedOver, (_HANDED_OVER,), "the network has the request"),
    PhaseTransition((_REQUESTED, _HANDED_OVER), Reported, (_SENT,), "the request was sent"),
    PhaseTransition(
        (_REQUESTED, _HANDED_OVER), Reported, (_READY, _HELD, _UNASKED), "not sent: resend; or a fragment was sent"
    ),
    PhaseTransition((_REQUESTED, _HANDED_OVER), Reported, (_STALLED,), "not sent, and no retry is left"),
    PhaseTransition((_REQUESTED, _HANDED_OVER), Reported, (_SUCCEEDED,), "not sent, and it need not be answered"),
    PhaseTransition((_HELD,), Reported, (_READY, _UNASKED), "the earlier request has left or expired"),
    PhaseTransition((_SENT,), Unanswered, _QUEUED, "no answer: resend, or the next question"),
    PhaseTransition((_SENT,), Unanswered, (_STALLED,), "no answer, and no retry is left"),
    PhaseTransition((_SENT,), Unanswered, (_SUCCEEDED,), "no answer, and none is needed"),
    PhaseTransition((_BY_MULTICAST,), Unanswered, (_UNHEARD, *_QUEUED), "no answer to the multicast: asked by unicast"),
    PhaseTransition((_BY_MULTICAST,), GroupDone, (_UNHEARD, *_QUEUED), "the multicast was not sent: asked by unicast"),
    PhaseTransition((_BY_MULTICAST,), SilencePresumed, (_SUCCEEDED,), "silence counts as success"),
    PhaseTransition((_SENT, _HANDED_OVER), Answered, (_SUCCEEDED,), "the last answer"),
    PhaseTransition((_SENT, _HANDED_OVER), Answered, (_FAILED,), "a refusal"),
    PhaseTransition((_BY_MULTICAST,), Answered, (_SUCCEEDED, _FAILED), "answer to the multicast"),
    PhaseTransition(_LATE, Answered, (_SUCCEEDED, _FAILED), "a late or unsolicited answer"),
    PhaseTransition((_FAILED,), Answered, (_SUCCEEDED,), "unsolicited report of success"),
    PhaseTransition((_SENT, _HANDED_OVER, _HELD, _GIVEN_UP), Answered, _QUEUED, "answered: the next question"),
    PhaseTransition((_REQUESTED,), Answered, (_READY, _UNASKED), "a late answer: the next question"),
    PhaseTransition((_STALLED,), Answered, (_UNASKED,), "a late answer while the stage closes"),
    PhaseTransition((_HANDED_OVER, _SENT), Deferred, _QUEUED, "answered: asked again, or another question first"),
    PhaseTransition((_HANDED_OVER,), Deferred, (_SENT,), "answered: asked again later"),
    PhaseTransition((_READY,), StageClosing, (_UNASKED,), "nothing more is asked"),
    PhaseTransition((_UNHEARD, _STALLED), GivenUp, (_GIVEN_UP,), "never heard, or no retry is left"),
    PhaseTransition(tuple(sorted(OPEN - {_UNHEARD, _STALLED})), GivenUp, (_GIVEN_UP,), "the stage is over"),
    PhaseTransition((_READY,), GivenUp, (_SUCCEEDED,), "too late for the last question of the clean-up"),
    PhaseTransition((_STALLED,), GivenUp, (_READY, _HELD), "silent: the next question of the clean-up"),
    PhaseTransition((_REQUESTED,), Resumed, (_READY, _UNASKED), "the request expired in the outage"),
    PhaseTransition(_OVER, StageEnded, (_ABSENT,), "the stage ends"),
    PhaseTransition((_ABSENT,), RunsAlready, (_READY, _HELD), "runs the target: its reboot is cancelled"),
    PhaseTransition(_PRESENT, RunsAlready, (_ABSENT,), "runs the target: it passes beside the stages"),
    PhaseTransition(_PRESENT, Stopping, (_ABSENT,), "the campaign ends"),
    PhaseTransition(_OVER, Returned, (_ABSENT,), "heard again after its clean-up: it is asked for its version"),
)

PHASES: frozenset[tuple[Phase, type[Event], Phase]] = frozenset(
    (before, row.event, after)
    for row in PHASE_ROWS
    for before, after in product(row.before, row.after)
    if before is not after
)
"""Every transition of a device: phase before, event, phase after."""
