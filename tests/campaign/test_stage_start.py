"""Start of a stage: what it waits for, and until when at most."""

from __future__ import annotations

import pytest
from campaign_driver import T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.stage_start import begin
from fuota_fec.campaign.stages import STAGES
from fuota_fec.campaign.state import Data

TRY = 2 * (100 * 1.2 + 10) + 1
"""s of a try of the only device that is asked."""


def test_a_stage_that_asks_begins_with_the_latest_time_of_the_answers(drive) -> None:
    """The first stage allows for three periods in which a device may be silent."""
    d = drive(1, stage="McClassCSession")
    first, second, session = d.of(m.StageStarted)
    assert first.answers == m.Wait(until=pytest.approx(T0 + 300 + 3 * TRY), why="answers of 1 device")
    assert second.answers == m.Wait(until=pytest.approx(second.at + 3 * TRY), why="answers of 1 device")
    assert (first.wait, second.wait) == (None, None)
    assert session.answers is None, "the session's start is waited for"
    assert session.wait is not None


def test_a_stage_without_questions_waits_for_no_answers(drive) -> None:
    d = drive(1, stage="DlFragment")
    assert d.of(m.StageStarted)[-1].answers is None
    d = drive(1, kind="binary", fw_version=None, fsession_status_threshold=0, stage="FragSessionStatus")
    assert d.of(m.StageStarted)[-1].answers is not None


def test_the_verification_waits_for_the_reboots_and_then_for_answers(drive) -> None:
    d = drive(1, stage="CompletionVerification")
    begun = d.of(m.StageStarted)[-1]
    asks_from = d.campaign.progress().asks_from
    assert begun.wait == m.Wait(until=asks_from, why="time for the devices to install the image and to reboot")
    assert asks_from + 300 < begun.answers.until
    wait = d.campaign.status().wait
    assert wait.why == "time for the devices to install the image and to reboot, then answers of 1 device"
    assert wait.until == begun.answers.until
    assert d.campaign.progress().wait == begun.wait
    d.wait(asks_from - d.now + 50)
    d.up(1)
    assert d.campaign.status().wait.why == "answers of 1 device"


@pytest.mark.parametrize(
    ("name", "kind", "proves"),
    [
        ("FragSessionStatus", "binary", True),
        ("FragSessionStatus", "firmware", False),
        ("UnicastRepair", "binary", False),
    ],
)
@pytest.mark.parametrize("late", [-10_000, -100, -1, 0, 5])
def test_only_the_proof_of_a_file_lasts_beyond_the_maximum_duration(drive, name, kind, proves, late) -> None:
    """For as long as its answers take at most; what follows in that time has the rest of it."""
    d = drive(2, kind=kind, redundancy="adaptive", unicast_repair_max=2, stage="FragSessionStatus")
    state, [row] = d.machine.state, [row for row in STAGES if row.name == name]
    state.devices[f"{1:016x}"].needed = 2
    state.overtime = 0.0
    started = begin(row, state, state.deadline + late, 1, {})
    assert (started.overtime > 0) is (proves and late > -2000)
    assert started.answers is None or started.answers.until <= state.deadline + started.overtime
    if started.overtime:
        assert started.answers.until == state.deadline + started.overtime
        state.overtime = started.overtime
        for later in (1, 50, 1e6):
            again = begin(row, state, state.deadline + later, 1, {})
            assert again.overtime == started.overtime
            assert again.answers.until <= state.deadline + started.overtime


def test_nothing_to_be_proved_needs_no_overtime(drive) -> None:
    d = drive(1, kind="binary", fw_version=None, stage="FragSessionStatus")
    state, [row] = d.machine.state, [row for row in STAGES if row.name == "FragSessionStatus"]
    state.devices[f"{1:016x}"].data = Data.COMPLETE
    assert begin(row, state, state.deadline, 2, {}).overtime == 0
