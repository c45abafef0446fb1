"""Devices that pass beside the stages: they ran the target version before they were sent a fragment."""

from __future__ import annotations

import pytest
from campaign_driver import NEW_VERSION, T0, dev, replayed, same

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.turn import Phase
from fuota_fec.wire import firmware, multicast

SETUP, FRAG, SESSION, VERIFY = "McGroupSetup", "FragSessionSetup", "McClassCSession", "CompletionVerification"
RUNS = firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)
ALREADY = ("passed", "runs it already")


def outcome(d, i):
    return d.device(i).status, d.device(i).reason


@pytest.mark.parametrize("stage", [SETUP, "DevRebootTime", FRAG, SESSION])
@pytest.mark.parametrize("phase", [Phase.UNHEARD, Phase.REQUESTED, Phase.HANDED_OVER, Phase.SENT, Phase.GIVEN_UP])
def test_a_device_that_says_so_before_the_first_fragment_passes_in_any_stage_and_phase(drive, stage, phase) -> None:
    d = drive(2, stage=stage, stage_end="all", success_threshold=50, msg_retries=0, reboot=T0 + 50_000)
    if phase is Phase.GIVEN_UP:
        d.sent(d.ask(2))
        d.wait(150)
        assert d.turn(2).phase is phase
    elif phase is Phase.REQUESTED:
        d.up(2)
        d.wait(2)
        assert d.turn(2).phase is phase
    elif phase is not Phase.UNHEARD:
        request = d.ask(2)
        if phase is Phase.SENT:
            d.sent(request)
    n_before = len(d.of(m.Requested))
    d.say(2, RUNS)
    assert outcome(d, 2) == ALREADY
    assert [e.dev_eui for e in d.of(m.RunsAlready)] == [dev(2)]
    withdrawn = phase in (Phase.REQUESTED, Phase.HANDED_OVER)
    assert len(d.of(m.Withdrawn)) == withdrawn or phase is Phase.UNHEARD
    d.reach("end")
    d.clean_up()
    assert (d.status, outcome(d, 1), outcome(d, 2)) == ("SUCCEEDED", ("passed", ""), ALREADY)
    later = [r.ask for r in d.of(m.Requested)[n_before:] if r.dev_eui == dev(2)]
    assert set(later) <= {"CancelReboot"}
    assert ("CancelReboot" in later) == (
        stage in (FRAG, SESSION) or (stage == "DevRebootTime" and phase != Phase.UNHEARD)
    )
    assert same(d.campaign, replayed(d))


def test_what_was_set_up_on_it_is_undone_at_the_end(drive) -> None:
    d = drive(2, stage=SESSION, clean_up=True)
    d.say(2, RUNS)
    d.reach("end")
    d.clean_up()
    assert d.questions(2) == ["FragSessionDelete", "McGroupDelete"]
    assert (d.status, outcome(d, 2)) == ("SUCCEEDED", ALREADY)


def test_a_device_that_refused_passes_if_it_runs_the_target(drive) -> None:
    d = drive(2, stage_end="all")
    d.sent(d.ask(2))
    d.say(2, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    d.say(2, RUNS)
    assert outcome(d, 2) == ALREADY
    d.succeed(1)
    assert d.stage == FRAG


def test_after_the_first_fragment_the_version_is_kept_and_verified(drive) -> None:
    d = drive(2, stage="DlFragment")
    d.say(2, RUNS)
    assert (d.of(m.RunsAlready), outcome(d, 2), d.device(2).fw_version) == ([], ("running", ""), NEW_VERSION)


def test_a_device_that_passed_is_asked_nothing_in_the_verification(drive) -> None:
    d = drive(2)
    d.say(2, RUNS)
    d.reach(VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.up(2)
    d.say(2, RUNS)
    d.reach("end")
    assert (d.status, d.requests(2, VERIFY), d.of(m.Returned)) == ("SUCCEEDED", [], [])


def test_a_stopped_campaign_leaves_it_passed(drive) -> None:
    d = drive(2)
    d.say(2, RUNS)
    d.stop()
    d.clean_up()
    assert (d.status, outcome(d, 1)[0], outcome(d, 2)) == ("STOPPED", "stopped", ALREADY)
    assert d.of(m.Finished)[0].successes == 1


def test_it_goes_on_after_a_crash(drive) -> None:
    d = drive(3, each={"fw_version": NEW_VERSION})
    d.say(1, RUNS)
    d.ask(2)
    d.crash()
    assert outcome(d, 1) == ALREADY
    d.say(2, RUNS)
    d.crash()
    d.succeed(3)
    assert (d.status, {outcome(d, i) for i in (1, 2, 3)}) == ("SUCCEEDED", {ALREADY})


def test_the_description_of_the_event_names_the_device_and_the_reason(drive) -> None:
    d = drive(2)
    d.say(2, RUNS)
    [event] = d.of(m.RunsAlready)
    described = d.campaign.describe(event)
    assert described["device"] == {
        "dev_eui": dev(2),
        "status": "passed",
        "reason": "runs it already",
        "fw_version": NEW_VERSION,
    }
    assert described["devices_done"] == 1


def test_a_device_that_returns_counts_as_a_success_of_later_stages(drive) -> None:
    d = drive(3, success_threshold=60, stage_end="all")
    for i in (1, 2):
        d.succeed(i)
    d.wait(1000)
    assert d.device(3).reason == "never heard"
    d.say(3, RUNS)
    d.reach("end")
    assert [e.successes for e in d.of(m.StageEnded)][1:] == [3] * (len(d.of(m.StageEnded)) - 1)
    assert d.device(3).note == "had left: never heard"
