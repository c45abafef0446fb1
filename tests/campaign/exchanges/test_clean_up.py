"""Clean-up: campaigns that fail while they set up, devices that leave with a reboot time, and tidying at the end."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import NEW_VERSION, T0, same

from fuota_fec.campaign import config as config_module
from fuota_fec.campaign import messages as m
from fuota_fec.campaign import reasons
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.devices import profiles
from fuota_fec.errors import CampaignError
from fuota_fec.wire import clock, firmware, fragmentation, multicast

REBOOT = T0 + 50_000
CANCEL, DELETE, LEAVE = "CancelReboot", "DevDeleteImage", "McGroupDelete"
LAST = "DevVersion at the end"
PROBE, GROUP, REBOOT_TIME, FRAG = "PackageVersion", "McGroupSetup", "DevRebootTime", "FragSessionSetup"
SESSION, DATA, STATUS = "McClassCSession", "DlFragment", "FragSessionStatus"
UPGRADE, VERIFY = "UpgradeImage", "CompletionVerification"
CANCELLED = firmware.DevRebootTimeAns(reboot_time=0xFFFFFFFF)
CLEANING = {CANCEL, DELETE, LEAVE}

REFUSALS = {
    GROUP: multicast.McGroupSetupAns(mc_group_id=0, id_error=True),
    REBOOT_TIME: firmware.DevRebootTimeAns(reboot_time=0),
    FRAG: fragmentation.FragSessionSetupAns(frag_index=0, not_enough_memory=True),
    SESSION: multicast.McClassCSessionAns(mc_group_id=0, freq_error=True),
}


def refuse(d: Any, i: int) -> None:
    """Device i refuses the question of a stage, also once its clock is right."""
    refusal = REFUSALS[d.last_stage]
    d.sent(d.ask(i))
    d.say(i, refusal)
    if d.asked(i) == "ForceDeviceResync":
        d.sent(d.ask(i))
        d.say(i, d.right_answer(i))
        d.sent(d.ask(i))
        d.hand_over(d.replies(i)[-1])
        d.say(i, refusal)


def cleaning(d: Any, i: int) -> list[str]:
    """Questions of the clean-up to device i, in the whole campaign."""
    return [e.ask for e in d.of(m.Requested) if e.dev_eui == f"{i:016x}" and e.ask in CLEANING]


def silence(d: Any, seconds: float) -> None:
    """The network carries everything, and no device answers."""
    end = d.now + seconds
    while d.now < end and not d.campaign.finished:
        for request in d.of(m.Requested):
            if d.campaign.awaits_hand_over(request.id):
                d.hand_over(request)
                d.sent(request)
        due = d.campaign.deadline()
        d.wait_until(end if due is None else min(due, end))


# ---- the campaign fails ----------------------------------------------------------------------------------

FAILED_IN: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    # stage, settings, what is undone on the device that succeeded in it, on the one that refused
    (GROUP, {}, [LEAVE], []),
    (REBOOT_TIME, {"reboot": REBOOT}, [CANCEL, LEAVE], [CANCEL, LEAVE]),
    (FRAG, {}, [LEAVE], [LEAVE]),
    (FRAG, {"reboot": REBOOT}, [CANCEL, LEAVE], [CANCEL, LEAVE]),
    (SESSION, {}, [LEAVE], [LEAVE]),
    (SESSION, {"reboot": REBOOT}, [CANCEL, LEAVE], [CANCEL, LEAVE]),
]


@pytest.mark.parametrize(("stage", "settings", "succeeded", "refused"), FAILED_IN)
def test_a_campaign_that_fails_while_it_sets_up_is_cleaned_up(drive, stage, settings, succeeded, refused) -> None:
    d = drive(2, stage=stage, **settings)
    d.succeed(1)
    refuse(d, 2)
    assert d.status == "stopping"
    d.clean_up()
    assert (cleaning(d, 1), cleaning(d, 2)) == (succeeded, refused)
    assert (d.status, d.of(m.Finished)[0].status) == ("FAILED", "FAILED")
    assert d.campaign.status().reason == f"1 of 2 devices succeeded in {stage}, 2 needed"
    assert d.device(2).reason.startswith(("refused in", "clock off"))
    assert [x.status for x in d.campaign.status().devices] == ["failed", "failed"]


@pytest.mark.parametrize("kind", ["multicast", "binary"])
def test_every_kind_of_campaign_that_fails_while_it_sets_up_is_cleaned_up(drive, kind) -> None:
    d = drive(2, kind=kind, stage=SESSION)
    d.succeed(1)
    refuse(d, 2)
    d.clean_up()
    assert (cleaning(d, 1), cleaning(d, 2), d.status) == ([LEAVE], [LEAVE], "FAILED")


def test_a_campaign_whose_maximum_duration_ends_while_it_sets_up_is_cleaned_up(drive) -> None:
    d = drive(2, max_duration=1500, reboot=REBOOT, stage=FRAG)
    d.wait_until(T0 + 1500)
    assert (d.status, d.campaign.status().reason) == ("stopping", "maximum duration reached in FragSessionSetup")
    d.clean_up()
    assert (cleaning(d, 1), cleaning(d, 2), d.status) == ([CANCEL, LEAVE], [CANCEL, LEAVE], "FAILED")


def test_a_campaign_that_nobody_answered_in_time_is_cleaned_up_and_names_who_did_not_confirm(drive) -> None:
    d = drive(2, reboot=REBOOT, stage=REBOOT_TIME)
    silence(d, 5000)
    assert d.status == "FAILED"
    assert d.of(m.Finished)[0].unconfirmed == (f"{1:016x}", f"{2:016x}")
    assert d.device(1).reason == "no answer in DevRebootTime"
    assert d.device(1).unconfirmed == "no answer in CancelReboot"


def test_a_campaign_that_is_cleaned_up_cannot_be_paused_and_a_stop_changes_nothing(drive) -> None:
    d = drive(1, stage=FRAG)
    refuse(d, 1)
    with pytest.raises(CampaignError):
        d.campaign.pause(d.now)
    assert d.stop() == []
    d.clean_up()
    assert d.status == "FAILED"


def test_a_campaign_that_fails_in_a_further_session_keeps_what_the_devices_have(drive) -> None:
    d = drive(2, reboot=REBOOT, stage=DATA)
    d.wait_until(d.session().end + 1)
    assert d.stage == SESSION
    d.succeed(1)
    refuse(d, 2)
    d.clean_up()
    assert (d.status, cleaning(d, 1), cleaning(d, 2)) == ("FAILED", [CANCEL, LEAVE], [CANCEL, LEAVE])


LATER: list[tuple[str, str, dict[str, Any]]] = [
    ("binary", STATUS, {}),
    ("binary", STATUS, {"redundancy": 0, "datafrag_loops_max": 1}),
    ("firmware", UPGRADE, {"redundancy": 0, "datafrag_loops_max": 1}),
    ("firmware", VERIFY, {}),
    ("firmware", VERIFY, {"reboot": REBOOT}),
]


@pytest.mark.parametrize(("kind", "stage", "settings"), LATER)
def test_a_campaign_that_fails_after_its_setup_leaves_the_devices_as_they_are(drive, kind, stage, settings) -> None:
    """A device with the image may still install it: the operator did not stop the campaign."""
    d = drive(2, kind=kind, stage=stage, **settings)
    silence(d, 100_000)
    assert d.status == "FAILED"
    assert cleaning(d, 1) == cleaning(d, 2) == []


def test_a_campaign_that_fails_while_a_reboot_lies_ahead_prevents_the_installation(drive) -> None:
    d = drive(2, stage=UPGRADE, redundancy=0, datafrag_loops_max=1, reboot=REBOOT)
    while d.status == "RUNNING":
        silence(d, 60)
    d.clean_up()
    assert (d.status, cleaning(d, 1), cleaning(d, 2)) == ("FAILED", [CANCEL, DELETE, LEAVE], [CANCEL, DELETE, LEAVE])


# ---- a device leaves, the campaign goes on ---------------------------------------------------------------

LEFT_IN = [REBOOT_TIME, FRAG, SESSION]


def leaving(drive: Any, stage: str, **settings: Any) -> Any:
    """Device 2 of three refuses in a stage, the others go on to the next."""
    settings = {"reboot": REBOOT, "success_threshold": 60, "stage_end": "all"} | settings
    d = drive(3, stage=stage, **settings)
    d.succeed(1)
    refuse(d, 2)
    d.succeed(3)
    assert d.stage != stage
    return d


@pytest.mark.parametrize("stage", LEFT_IN)
def test_a_device_that_leaves_after_it_was_sent_a_reboot_time_is_cleaned_up(drive, stage) -> None:
    d = leaving(drive, stage)
    d.succeed(2)
    assert cleaning(d, 2) == [CANCEL, LEAVE]
    d.reach("end")
    assert (d.status, cleaning(d, 1), cleaning(d, 3)) == ("SUCCEEDED", [], [])
    assert [x.status for x in d.campaign.status().devices] == ["passed", "failed", "passed"]
    assert d.campaign.status().unconfirmed == ()


@pytest.mark.parametrize("stage", [GROUP, FRAG, SESSION])
def test_a_device_that_leaves_without_a_reboot_time_is_left_alone(drive, stage) -> None:
    settings = {} if stage != GROUP else {"reboot": REBOOT}
    d = drive(3, success_threshold=60, stage_end="all", stage=stage, **settings)
    d.succeed(1)
    refuse(d, 2)
    d.succeed(3)
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert cleaning(d, 2) == []


def test_a_device_that_leaves_after_the_setup_is_left_alone(drive) -> None:
    d = drive(3, reboot=REBOOT, success_threshold=60, stage_end="all", stage=VERIFY)
    d.wait_until(REBOOT)
    d.succeed(1)
    d.succeed(3)
    silence(d, 20_000)
    assert (d.device(2).status, d.device(2).reason) == ("failed", "not heard in CompletionVerification")
    assert (d.status, cleaning(d, 2)) == ("SUCCEEDED", [])


@pytest.mark.parametrize("stage", LEFT_IN)
def test_a_device_keeps_the_reason_for_which_it_left(drive, stage) -> None:
    d = leaving(drive, stage)
    reason = d.device(2).reason
    assert reason.startswith(("refused in", "clock off"))
    d.succeed(2)
    assert (d.device(2).reason, d.device(2).status) == (reason, "failed")


def test_a_device_that_did_not_answer_its_reboot_time_is_cleaned_up_too(drive) -> None:
    """Sent means requested: it may have got it."""
    d = drive(3, reboot=REBOOT, success_threshold=60, stage_end="all", stage=REBOOT_TIME)
    d.succeed(1)
    d.succeed(3)
    silence(d, 1000)
    assert (d.stage, d.device(2).reason) == (FRAG, "no answer in DevRebootTime")
    assert cleaning(d, 2)[0] == CANCEL


def test_a_device_that_was_never_sent_a_reboot_time_is_not_cleaned_up(drive) -> None:
    """The threshold was met before it was its turn."""
    d = drive(3, reboot=REBOOT, success_threshold=60, ucast_msg_delay=100_000, stage=GROUP, stage_complete_delay=0)
    d.succeed(1)
    d.succeed(2)
    d.succeed(1)
    d.succeed(2)
    assert d.stage == FRAG
    assert d.device(3).reason.startswith(("never heard", "not asked in McGroupSetup"))
    assert cleaning(d, 3) == []


def test_requests_of_the_clean_up_are_paced_with_those_of_the_stage(drive) -> None:
    d = leaving(drive, FRAG, ucast_msg_delay=5000)
    n_before = len(d.of(m.Requested))
    d.wait(20)
    times = [e.at for e in d.of(m.Requested)[n_before:]]
    assert len(times) == 3
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(times))


def test_the_stage_does_not_wait_for_the_clean_up(drive) -> None:
    d = leaving(drive, FRAG)
    d.sent(d.ask(2))
    d.succeed(1)
    d.succeed(3)
    assert (d.stage, cleaning(d, 2)) == (DATA, [CANCEL])
    d.say(2, CANCELLED)
    assert d.asked(2) == LEAVE


def test_the_clean_up_goes_on_during_the_transmission(drive) -> None:
    d = leaving(drive, SESSION)
    assert d.stage == DATA
    d.succeed(2)
    assert (d.stage, cleaning(d, 2)) == (DATA, [CANCEL, LEAVE])
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_answers_of_the_clean_up_do_not_count_in_the_stage(drive) -> None:
    d = leaving(drive, FRAG)
    n_done = d.campaign.status().n_done
    d.succeed(2)
    assert d.campaign.status().n_done == n_done
    d.say(2, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=10))
    assert d.campaign.status().n_done == n_done


def test_the_campaign_is_over_only_after_the_clean_up(drive) -> None:
    """The others have succeeded while device 2 still is asked."""
    devices = tuple(
        Device(dev_eui=f"{i:016x}", group="meters", uplink_period=20_000 if i == 2 else 100) for i in (1, 2, 3)
    )
    d = leaving(drive, SESSION, devices=devices, session_start=T0 + 6000)
    d.sent(d.ask(2))
    d.reach(VERIFY)
    for i in (1, 3):
        d.say(i, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1))
    assert (d.status, d.campaign.finished) == ("stopping", False)
    d.say(2, CANCELLED)
    d.succeed(2)
    assert (d.status, d.of(m.Finished)[0].successes) == ("SUCCEEDED", 2)
    assert [x.status for x in d.campaign.status().devices] == ["passed", "failed", "passed"]


def test_a_device_that_did_not_confirm_is_named_at_the_end(drive) -> None:
    d = leaving(drive, SESSION)
    silence(d, 340)
    d.reach("end")
    assert (d.status, d.of(m.Finished)[0].unconfirmed) == ("SUCCEEDED", (f"{2:016x}",))
    assert d.device(2).unconfirmed == "no answer in CancelReboot"


def test_a_cleaned_device_has_not_passed_when_the_campaign_is_stopped_in_its_last_stage(drive) -> None:
    d = leaving(drive, SESSION)
    d.sent(d.ask(2))
    d.say(2, CANCELLED)
    d.succeed(2)
    assert cleaning(d, 2) == [CANCEL, LEAVE]
    d.reach(VERIFY)
    d.stop()
    d.clean_up()
    assert (d.status, d.of(m.Finished)[0].successes) == ("STOPPED", 0)
    assert [x.status for x in d.campaign.status().devices] == ["stopped", "failed", "stopped"]


def test_a_campaign_that_fails_cleans_up_the_remaining_devices_once(drive) -> None:
    d = leaving(drive, FRAG)
    d.succeed(2)
    refuse(d, 1)
    refuse(d, 3)
    d.clean_up()
    assert [cleaning(d, i) for i in (1, 2, 3)] == [[CANCEL, LEAVE]] * 3
    assert d.status == "FAILED"


@pytest.mark.parametrize("stage", LEFT_IN)
def test_replay_while_a_device_is_cleaned_up_is_the_campaign(drive, stage) -> None:
    d = leaving(drive, stage)
    checked = 0
    original = d.keep

    def keep(events: list[m.Event]) -> list[m.Event]:
        nonlocal checked
        kept = original(events)
        assert same(Campaign.replay(d.events, d.image), d.campaign)
        checked += 1
        return kept

    d.keep = keep
    d.succeed(2)
    d.reach("end")
    assert checked > 20
    assert d.status == "SUCCEEDED"


def test_a_crash_while_a_device_is_cleaned_up_loses_nothing(drive) -> None:
    d = leaving(drive, FRAG)
    d.sent(d.ask(2))
    d.now += 300
    d.crash()
    d.say(2, CANCELLED)
    d.succeed(2)
    assert cleaning(d, 2) == [CANCEL, LEAVE]


def test_a_pause_holds_clean_up_too(drive) -> None:
    d = leaving(drive, FRAG, ucast_msg_delay=60_000)
    d.pause()
    d.wait(200)
    assert cleaning(d, 2) == []
    d.unpause()
    assert d.asked(2) == CANCEL
    d.wait(200)
    assert CANCEL in cleaning(d, 2)


# ---- at the end of a transfer ----------------------------------------------------------------------------

TIDY: dict[str, Any] = {"clean_up": True, "stage_end": "all"}
CLOSE = "FragSessionDelete"
NO_DELETE = fragmentation.FragSessionDeleteAns(frag_index=0, session_does_not_exist=True)
OTHER = firmware.DevVersionAns(fw_version=7, hw_version=1)


def tidied(d: Any, i: int) -> list[str]:
    return d.questions(i, "clean-up")


def verified(d: Any, answers: dict[int, Any]) -> None:
    """They say which version they run; whoever says nothing is given up."""
    d.wait_until(d.campaign.progress().asks_from + 10)
    for i, answer in answers.items():
        if answer is not None:
            d.sent(d.ask(i))
            d.say(i, answer)
    if d.stage == VERIFY and d.status == "RUNNING":
        d.wait_until(d.machine.main.ends_at + 1)


NEW = firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)


def test_a_firmware_update_that_succeeded_closes_the_session_then_leaves_the_group(drive) -> None:
    d = drive(2, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW, 2: NEW})
    assert (d.status, d.campaign.status().state) == ("stopping", "RUNNING")
    assert [x.status for x in d.campaign.status().devices] == ["passed", "passed"]
    d.clean_up()
    assert tidied(d, 1) == tidied(d, 2) == [CLOSE, LEAVE]
    assert (d.status, d.of(m.Finished)[0].successes, d.campaign.status().unconfirmed) == ("SUCCEEDED", 2, ())
    assert not d.state(1).session_open


@pytest.mark.parametrize("kind", ["firmware", "binary"])
def test_nothing_is_tidied_before_the_end_of_the_last_stage(drive, kind) -> None:
    d = drive(2, kind=kind, **TIDY)
    d.reach("end")
    d.clean_up()
    verdict = d.events.index(d.of(m.Stopping)[0])
    before = [e.ask for e in d.of(m.Requested, d.events[:verdict])]
    assert LEAVE not in before
    assert CLOSE not in before
    assert d.of(m.Stopping)[0].status == "SUCCEEDED"


def test_a_file_that_has_arrived_keeps_its_session(drive) -> None:
    d = drive(2, kind="binary", success_threshold=50, **TIDY)
    d.reach(STATUS)
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=1, missing_frag=2))
    d.clean_up()
    assert (tidied(d, 1), tidied(d, 2)) == ([LEAVE], [CLOSE, LEAVE])
    assert d.status == "SUCCEEDED"


def test_an_image_without_proof_keeps_its_session(drive) -> None:
    """The device has the image and runs another version: the boot loader may still use the image."""
    d = drive(2, redundancy=0, success_threshold=50, **TIDY)
    d.reach(VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.sent(d.ask(1))
    d.say(1, NEW)
    d.up(2)
    silence(d, 20_000)
    assert (d.status, d.device(2).status) == ("SUCCEEDED", "unverified")
    assert (tidied(d, 1)[0], set(tidied(d, 2))) == (CLOSE, {LEAVE, LAST})


def test_a_device_that_was_silent_is_asked_for_its_version_at_the_end_and_passes(drive) -> None:
    d = drive(2, redundancy=0, success_threshold=50, **TIDY)
    d.reach(VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.sent(d.ask(1))
    d.say(1, NEW)
    d.up(2)
    while d.status == "RUNNING":
        silence(d, 60)
    assert (d.device(2).status, d.asked(2)) == ("unverified", LAST)
    d.sent(d.ask(2))
    d.say(2, NEW)
    assert (d.device(2).status, d.device(2).note) == ("passed", "had left: no answer in CompletionVerification")
    d.clean_up()
    assert (d.status, d.of(m.Finished)[0].successes, d.campaign.status().unconfirmed) == ("SUCCEEDED", 2, ())


def test_a_late_answer_in_the_clean_up_is_one_event_and_has_its_version(drive) -> None:
    d = drive(3, redundancy=0, success_threshold=30, each={"uplink_period": 100}, msg_retries=0, **TIDY)
    d.reach(VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.sent(d.ask(1))
    d.say(1, NEW)
    d.up(2)
    while d.status == "RUNNING":
        silence(d, 60)
    d.sent(d.ask(2))
    d.wait(135)
    assert d.asked(2) == LEAVE
    for _ in range(20):
        d.say(2, NEW)
    answered = [e for e in d.of(m.Answered) if e.ask == LAST]
    assert [(e.ok, e.fw_version) for e in answered] == [(True, NEW_VERSION)]
    assert (d.device(2).status, d.device(2).fw_version) == ("passed", NEW_VERSION)


def test_a_device_that_is_heard_late_in_the_clean_up_keeps_its_reason(drive) -> None:
    d = drive(2, kind="multicast", stage="McClassCSession")
    d.stop()
    before = d.device(1).reason
    d.wait(1000)
    d.up(1)
    assert d.device(1).reason == before == "the campaign was stopped"


@pytest.mark.parametrize("version", [0x01000000, 7])
def test_a_silent_device_that_reports_another_version_at_the_end_fails_with_it(drive, version) -> None:
    d = drive(2, redundancy=0, success_threshold=50, **TIDY)
    d.reach(VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.sent(d.ask(1))
    d.say(1, NEW)
    d.up(2)
    while d.status == "RUNNING":
        silence(d, 60)
    d.sent(d.ask(2))
    d.say(2, firmware.DevVersionAns(fw_version=version, hw_version=1))
    assert (d.device(2).status, d.device(2).reason) == ("failed", f"wrong version {reasons.dotted(version)}")
    d.clean_up()
    assert d.campaign.status().unconfirmed == ()


def test_nothing_is_tidied_without_clean_up(drive) -> None:
    d = drive(2, **{**TIDY, "clean_up": False})
    d.reach("end")
    assert (d.status, tidied(d, 1)) == ("SUCCEEDED", [])


def test_a_multicast_setup_keeps_its_group(drive) -> None:
    d = drive(2, kind="multicast", **TIDY)
    d.reach("end")
    assert (d.status, tidied(d, 1)) == ("SUCCEEDED", [])


def test_a_device_that_was_a_member_before_stays_one(drive) -> None:
    """Nor is a session deleted that was not asked for."""
    membership = m.Membership(mc_group_id=0, mc_addr="01f3a4b5", key="meters", min_mc_f_cnt=0, max_mc_f_cnt=60_000)
    known = m.Known(devices={f"{1:016x}": m.KnownDevice(memberships=(membership,))})
    d = drive(2, known=known, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW, 2: NEW})
    d.clean_up()
    assert tidied(d, 2) == [CLOSE, LEAVE]
    assert tidied(d, 1) == ([CLOSE] if d.questions(1, GROUP) == [] else [CLOSE, LEAVE])


def test_a_session_that_does_not_exist_counts_as_deleted(drive) -> None:
    d = drive(1, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW})
    d.sent(d.ask(1))
    d.say(1, NO_DELETE)
    d.succeed(1)
    assert (d.status, d.campaign.status().unconfirmed) == ("SUCCEEDED", ())


def test_a_device_that_does_not_confirm_is_listed_and_has_passed(drive) -> None:
    d = drive(2, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW, 2: NEW})
    for _ in (CLOSE, LEAVE):
        d.succeed(1)
    silence(d, 10_000)
    assert (d.status, d.of(m.Finished)[0].successes) == ("SUCCEEDED", 2)
    assert d.campaign.status().unconfirmed == (f"{2:016x}",)
    assert (d.device(2).status, d.device(2).unconfirmed) == ("passed", "no answer in FragSessionDelete")
    assert tidied(d, 2) == [CLOSE] * 3 + [LEAVE] * 3


def test_tidying_is_bounded_by_retries_not_by_the_maximum_duration(drive) -> None:
    d = drive(1, max_duration=3000, fuota_process_max_time=2500, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW})
    assert d.now > T0 + 3000
    d.clean_up()
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("stage", [DATA, STATUS])
def test_a_transfer_that_failed_is_tidied_too(drive, stage) -> None:
    d = drive(2, kind="binary", **TIDY)
    d.reach(DATA)
    if stage == DATA:
        d.wait_until(d.session().end + 1)
        while d.status == "RUNNING" and d.stage != DATA:
            d.wait(1000)
        d.wait(200_000)
    else:
        d.reach(STATUS)
        for i in (1, 2):
            d.sent(d.ask(i))
            d.say(i, fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=1, missing_frag=2))
    assert d.of(m.Stopping)[0].status == "FAILED"
    d.clean_up()
    assert d.status == "FAILED"


@pytest.mark.parametrize("n", range(5))
def test_tidying_survives_a_crash(drive, n) -> None:
    d = drive(2, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW, 2: NEW})
    steps = [lambda: d.ask(1), lambda: d.sent(d.ask(1)), lambda: d.say(1, d.right_answer(1)), lambda: d.ask(2)]
    for step in steps[:n]:
        step()
    d.crash()
    assert d.of(m.Resumed)
    d.clean_up()
    assert (d.status, d.campaign.status().unconfirmed) == ("SUCCEEDED", ())
    assert tidied(d, 1)[-2:] == tidied(d, 2)[-2:] == [CLOSE, LEAVE]


def test_a_stop_while_devices_are_tidied_changes_nothing(drive) -> None:
    d = drive(1, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW})
    assert d.stop() == []
    d.clean_up()
    assert d.status == "SUCCEEDED"


def test_a_stopped_campaign_does_what_its_stage_calls_for(drive) -> None:
    d = drive(2, **TIDY)
    d.reach(VERIFY)
    d.stop()
    d.clean_up()
    assert (d.status, tidied(d, 1)) == ("STOPPED", [])


def test_an_owed_reply_goes_before_the_clean_up(drive, group_of) -> None:
    d = drive(1, kind="binary", groups=(group_of(version="2.0.0", mc_version="2.0.0"),), **TIDY)
    d.reach(STATUS)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragDataBlockReceivedReq(frag_index=0))
    d.wait(3)
    asked = [e.ask for e in d.of(m.Requested) if e.dev_eui][-2:]
    assert asked == ["FragDataBlockReceivedAns", LEAVE]
    d.hand_over(d.replies(1)[0])
    d.clean_up()
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("replies", [True, False])
def test_profiles_that_delete_nothing_are_asked_nothing(drive, monkeypatch, replies) -> None:
    dull = replace(profiles.profile("generic"), name="dull", frag_session_delete=replies, mc_group_delete=not replies)
    for module in (profiles, config_module):
        monkeypatch.setattr(module, "PROFILES", {**profiles.PROFILES, "dull": dull})
    d = drive(1, each={"profile": "dull"}, **TIDY)
    d.reach(VERIFY)
    verified(d, {1: NEW})
    d.clean_up()
    assert tidied(d, 1) == ([CLOSE] if replies else [LEAVE])


def test_a_device_that_left_while_it_was_set_up_is_tidied_at_the_end(drive) -> None:
    d = drive(3, success_threshold=60, **TIDY)
    d.reach(FRAG)
    refuse(d, 2)
    for i in (1, 3):
        d.succeed(i)
    d.reach(VERIFY)
    assert cleaning(d, 2) == []
    verified(d, {1: NEW, 3: NEW})
    d.clean_up()
    assert tidied(d, 2) == [CLOSE, LEAVE]
    assert d.status == "SUCCEEDED"


def test_a_device_that_asks_is_answered_while_it_is_cleaned_up_unless_the_campaign_was_stopped(drive, group_of) -> None:
    asks_time = clock.AppTimeReq(device_time=5, ans_required=True, token_req=1)
    block = fragmentation.FragDataBlockReceivedReq(frag_index=0)
    for stops in (False, True):
        group = group_of(version="2.0.0", mc_version="2.0.0")
        d = drive(1, groups=(group,), stage=VERIFY, clean_up=True, stage_complete_delay=0)
        if stops:
            d.stop()
        else:
            d.wait(30)
            d.succeed(1)
            assert d.status == "stopping"
        d.say(1, asks_time)
        d.say(1, block)
        d.wait(5)
        assert len(d.replies(1)) == (0 if stops else 2)
