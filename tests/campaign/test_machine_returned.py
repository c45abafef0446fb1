"""Devices that had left, and are heard again before the campaign is over."""

from __future__ import annotations

import pytest
from campaign_driver import T0

from fuota_fec.campaign import messages as m
from fuota_fec.wire import firmware, fragmentation

SETUP, FRAG, SESSION, VERIFY = "McGroupSetup", "FragSessionSetup", "McClassCSession", "CompletionVerification"
LAST = "DevVersion at the end"
RUNS = firmware.DevVersionAns(fw_version=0x02000000, hw_version=1)
OTHER = firmware.DevVersionAns(fw_version=7, hw_version=1)


def without_device_3(drive, stage=SESSION, **settings):
    """Three devices, of which the third leaves unheard in McGroupSetup; the others go on to a stage."""
    d = drive(3, success_threshold=60, stage_end="all", **settings)
    for i in (1, 2):
        d.succeed(i)
    d.wait(1000)
    d.reach(stage)
    assert (d.device(3).status, d.device(3).reason) == ("failed", "never heard")
    return d


def test_a_device_that_is_heard_while_its_stage_goes_on_is_asked_after_all(drive):
    d = drive(2, stage_end="all", each={"uplink_period": 100})
    d.up(1)
    d.wait(400)
    assert d.device(2).reason == "never heard"
    d.up(2)
    d.succeed(2)
    d.succeed(1)
    assert (d.stage, d.device(2).status, d.device(2).reason) == (FRAG, "running", "")
    assert [e.set_aside for e in d.of(m.DeviceHeard)] == [False, True]


def test_a_device_that_is_heard_once_its_stage_closes_is_not_asked(drive):
    d = drive(3, success_threshold=60, each={"uplink_period": 100})
    d.up(1)
    d.up(2)
    d.wait(400)
    d.succeed(1)
    d.succeed(2)
    assert d.closing
    d.up(3)
    assert (d.device(3).reason, d.requests(3)) == ("never heard", [])


def test_a_device_that_left_is_asked_for_its_version_in_the_verification_and_passes(drive):
    d = without_device_3(drive, VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.up(3)
    d.sent(d.ask(3))
    d.say(3, RUNS)
    assert d.questions(3) == [LAST]
    for i in (1, 2):
        d.succeed(i)
    d.clean_up()
    assert (d.status, d.of(m.Finished)[0].successes) == ("SUCCEEDED", 3)
    assert (d.device(3).status, d.device(3).reason, d.device(3).note) == ("passed", "", "had left: never heard")


@pytest.mark.parametrize("redundancy", [2, "adaptive"])
def test_a_device_that_left_and_runs_other_firmware_fails_with_that_and_begins_no_round(drive, redundancy):
    d = without_device_3(drive, VERIFY, redundancy=redundancy)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.up(3)
    d.sent(d.ask(3))
    d.say(3, OTHER)
    assert d.questions(3) == [LAST]
    for i in (1, 2):
        d.succeed(i)
    while not d.campaign.finished:
        d.wait(500)
    assert (d.device(3).status, d.device(3).reason) == ("failed", "wrong version 0.0.0.7")
    assert d.device(3).note == "had left: never heard"
    assert [e.stage for e in d.of(m.StageStarted)].count("DlFragment") == 1


@pytest.mark.parametrize("stage", [SESSION, "DlFragment", VERIFY])
@pytest.mark.parametrize("redundancy", [2, "adaptive"])
def test_the_only_device_of_a_group_that_returns_opens_no_session_and_gets_no_frame(drive, group_of, stage, redundancy):
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6", mc_group_id=1))
    d = drive(4, groups=groups, success_threshold=50, stage_end="all", redundancy=redundancy)
    for i in (1, 3):
        d.succeed(i)
    d.wait(1000)
    d.reach(stage)
    for i in (2, 4):
        d.say(i, RUNS)
    d.reach("end")
    d.clean_up()
    assert (d.status, {d.device(i).status for i in range(1, 5)}) == ("SUCCEEDED", {"passed"})
    assert d.frames("b") == []
    assert [e.stage for e in d.of(m.StageStarted)].count(SESSION) == 1


def test_a_device_that_is_cleaned_up_and_reports_the_target_passes_and_is_asked_nothing_more(drive):
    d = drive(3, success_threshold=60, stage_end="all", hw_version=1, reboot=T0 + 50_000, stage=FRAG)
    d.sent(d.ask(3))
    d.say(3, fragmentation.FragSessionSetupAns(frag_index=0, not_enough_memory=True))
    for i in (1, 2):
        d.succeed(i)
    while d.cleaned():
        d.succeed(3)
    d.say(3, RUNS)
    d.reach("end")
    d.clean_up()
    assert (d.status, d.device(3).status) == ("SUCCEEDED", "passed")
    assert "DevVersion" not in d.questions(3)


def test_a_device_that_returned_has_passed_also_where_the_campaign_fails(drive):
    d = without_device_3(drive, "DlFragment")
    d.say(3, RUNS)
    d.wait_until(d.session().end + 200_000)
    while not d.campaign.finished:
        d.wait(5000)
    assert (d.status, d.device(3).status, d.of(m.Finished)[0].successes) == ("FAILED", "passed", 1)


@pytest.mark.parametrize("stage", [SESSION, "DlFragment", VERIFY])
def test_a_device_that_left_and_reports_the_target_version_passes_in_any_stage(drive, stage):
    d = without_device_3(drive, stage)
    d.say(3, RUNS)
    assert [(e.dev_eui, e.fw_version) for e in d.of(m.Returned)] == [(f"{3:016x}", 0x02000000)]
    d.reach("end")
    d.clean_up()
    assert (d.status, d.device(3).status, d.device(3).note) == ("SUCCEEDED", "passed", "had left: never heard")
    assert d.requests(3) == []


def test_a_device_that_reports_the_target_version_during_the_clean_up_passes(drive):
    d = without_device_3(drive, VERIFY, clean_up=True)
    d.wait_until(d.campaign.progress().asks_from + 10)
    for i in (1, 2):
        d.succeed(i)
    while d.status == "RUNNING":
        d.wait(10)
    assert d.status == "stopping"
    d.say(3, RUNS)
    d.clean_up()
    assert (d.device(3).status, d.of(m.Finished)[0].successes) == ("passed", 3)


def test_the_target_version_on_other_hardware_does_not_pass(drive):
    d = without_device_3(drive, SESSION, hw_version=9)
    d.say(3, RUNS)
    assert (d.of(m.Returned), d.device(3).status) == ([], "failed")


def test_a_device_that_had_left_and_runs_the_target_passes_while_the_campaign_is_stopped(drive):
    d = without_device_3(drive, SESSION)
    d.stop()
    assert d.status == "stopping"
    d.say(3, RUNS)
    assert (d.device(3).status, d.device(3).note) == ("passed", "had left: never heard")
