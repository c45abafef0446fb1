"""The two tables of transitions: every row can be taken, and nothing that is not in a row happens."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.exchanges.turns import Turns
from fuota_fec.campaign.sessions import SESSIONS
from fuota_fec.campaign.stages import STAGES as STAGE_ROWS
from fuota_fec.campaign.transitions import (
    ANY,
    NEXT,
    PHASE_ROWS,
    PHASES,
    SESSION,
    STAGES,
    Outcome,
    Successes,
    begins_round,
    way_back,
    way_on,
)
from fuota_fec.campaign.turn import OPEN, Phase

EVENTS = sorted({row.event for row in PHASE_ROWS}, key=lambda event: event.__name__)
NAMES = [row.name for row in STAGE_ROWS]


# ---- phases ------------------------------------------------------------------------------------------------


@pytest.fixture
def turns(drive: Any) -> Turns:
    machine = drive(2).machine
    return Turns(machine.state, machine.queue)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_a_turn_moves_by_the_rows_of_an_event_and_by_no_others(turns, drive, event) -> None:
    device = drive(1).state(1)
    turns.applying = event
    for before, after in product(Phase, Phase):
        turn = turns.add(device, ())
        turn.phase = before
        if before is after or (before, event, after) in PHASES:
            turns.move(turn, after)
            assert turn.phase is after
        else:
            with pytest.raises(AssertionError):
                turns.move(turn, after)
            assert turn.phase is before


def test_every_phase_can_be_entered_and_left() -> None:
    assert {after for _, _, after in PHASES} == set(Phase) == {before for before, _, _ in PHASES}


def test_a_phase_in_which_something_is_to_be_done_ends_by_itself() -> None:
    """An answer, silence, a report or the stage's end leads out of it."""
    for phase in OPEN:
        assert {event for before, event, after in PHASES if before is phase and after not in OPEN} >= {m.GivenUp}


def test_a_device_that_is_done_is_asked_nothing_more() -> None:
    assert {after for before, _, after in PHASES if before is Phase.SUCCEEDED} == {Phase.ABSENT}
    assert {after for before, _, after in PHASES if before is Phase.FAILED} == {Phase.SUCCEEDED, Phase.ABSENT}


def test_only_the_network_takes_a_request_further() -> None:
    into = {phase: {event for _, event, after in PHASES if after is phase} for phase in Phase}
    assert (into[Phase.REQUESTED], into[Phase.HANDED_OVER]) == ({m.Requested}, {m.HandedOver})
    assert into[Phase.SENT] == {m.Reported, m.Deferred}


# ---- stages --------------------------------------------------------------------------------------------------


def test_rows_name_stages_of_the_stage_table() -> None:
    for row in STAGES:
        assert row.stage in (*NAMES, ANY)
        assert row.to in (*NAMES, SESSION, NEXT, "SUCCEEDED", "FAILED")


def test_ways_back_lead_to_an_earlier_stage_or_to_proof() -> None:
    order = {name: idx for idx, name in enumerate(NAMES)} | {SESSION: NAMES.index("McClassCSession")}
    forward = {("FragSessionStatus", "UnicastRepair")}
    for row in STAGES:
        if row.stage not in (ANY, *SESSIONS) and (row.stage, row.to) not in forward:
            assert order[row.to] <= order[row.stage], row
    assert {row.to for row in STAGES if row.stage in SESSIONS} == {SESSION}


def test_a_round_begins_where_fragments_follow_a_stage_that_looked_at_the_devices() -> None:
    for row in STAGES:
        if row.stage == ANY:
            continue
        sends = row.to in (SESSION, "DlFragment")
        assert row.new_round == (sends and row.stage not in ("DlFragment", *SESSIONS)), row
        for to in ("McClassBSession", "McClassCSession") if row.to == SESSION else (row.to,):
            assert begins_round(row.stage, to) == row.new_round


@pytest.mark.parametrize("n_successes", [0, 2, 3])
@pytest.mark.parametrize("row", [row for row in STAGES if row.stage != ANY], ids=lambda row: f"{row.stage}-{row.label}")
def test_a_way_back_is_taken_with_its_outcome_and_condition_only(drive, row, n_successes) -> None:
    """At the end of a healthy campaign nothing is left to be sent, and no row leads back."""
    state = drive(3, stage="CompletionVerification").machine.state
    met = n_successes >= state.plan.n_needed
    fits = row.outcome in (Outcome.EITHER, Outcome.MET if met else Outcome.MISSED)
    taken = way_back(row.stage, state, state.started_at, Successes(n_successes))
    assert taken == "" or (fits and row.condition(state, state.started_at, Successes(n_successes)))


def test_a_stage_that_nothing_follows_back_goes_on_succeeds_or_fails(drive) -> None:
    state = drive(3).machine.state
    assert way_on(state, state.started_at) == NEXT
    state.stage_idx = len(state.stage_names) - 1
    assert way_on(state, state.started_at) == "SUCCEEDED"
    for device in state.devices.values():
        device.taking_part = False
    assert way_on(state, state.started_at) == "FAILED"
