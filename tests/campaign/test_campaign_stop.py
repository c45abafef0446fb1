"""Stop of a campaign: the clean-up by stage and device, its retries, and its end."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from campaign_driver import IMAGE, NEW_VERSION, T0, same

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.state import Data
from fuota_fec.errors import CampaignError
from fuota_fec.wire import firmware, fragmentation, multicast

REBOOT = T0 + 50_000
CANCELLED = firmware.DevRebootTimeAns(reboot_time=0xFFFFFFFF)
DELETED = firmware.DevDeleteImageAns()

CANCEL, DELETE, LEAVE = "CancelReboot", "DevDeleteImage", "McGroupDelete"
PROBE, GROUP, REBOOT_TIME, FRAG = "PackageVersion", "McGroupSetup", "DevRebootTime", "FragSessionSetup"
SESSION, DATA, STATUS = "McClassCSession", "DlFragment", "FragSessionStatus"
UPGRADE, VERIFY = "UpgradeImage", "CompletionVerification"
WITH_REBOOT: dict[str, Any] = {"reboot": REBOOT}
CAROUSEL: dict[str, Any] = {"redundancy": 0}


def unicasts(events: list[m.Event]) -> list[Any]:
    return [event for event in events if isinstance(event, m.Requested) and event.dev_eui is not None]


def unconfirmed(d: Any) -> dict[int, str]:
    return {int(x.dev_eui, 16): x.unconfirmed for x in d.campaign.status().devices if x.unconfirmed}


def confirm(d: Any, i: int, answer: Any) -> None:
    """Device i is asked, the request leaves, and it says that."""
    d.sent(d.ask(i))
    d.say(i, answer)


def last_event(d: Any) -> m.Finished:
    assert isinstance(d.events[-1], m.Finished)
    return d.events[-1]


# ---- the table -------------------------------------------------------------------------------------------

TABLE: list[tuple[str, str, dict[str, Any], list[str]]] = [
    # 1 to 4: the delayed reboot is cancelled, the group deleted
    ("multicast", PROBE, {"each": {"probe": True}}, []),
    ("multicast", GROUP, {}, []),
    ("multicast", SESSION, {}, [LEAVE]),
    ("binary", PROBE, {"each": {"probe": True}}, []),
    ("binary", GROUP, {}, []),
    ("binary", FRAG, {}, [LEAVE]),
    ("binary", SESSION, {}, [LEAVE]),
    ("firmware", PROBE, {"requires_fw_version": 7}, []),
    ("firmware", GROUP, {}, []),
    ("firmware", GROUP, WITH_REBOOT, []),
    ("firmware", REBOOT_TIME, WITH_REBOOT, [LEAVE]),
    ("firmware", FRAG, {}, [LEAVE]),
    ("firmware", FRAG, WITH_REBOOT, [CANCEL, LEAVE]),
    ("firmware", SESSION, {}, [LEAVE]),
    ("firmware", SESSION, WITH_REBOOT, [CANCEL, LEAVE]),
    # 5 and 6: the image is deleted too; of a file only the fragments stop
    ("binary", DATA, {}, []),
    ("binary", DATA, CAROUSEL, []),
    ("binary", STATUS, {}, []),
    ("binary", STATUS, CAROUSEL, []),
    ("firmware", DATA, {}, [DELETE, LEAVE]),
    ("firmware", DATA, CAROUSEL, [DELETE, LEAVE]),
    ("firmware", DATA, WITH_REBOOT, [CANCEL, DELETE, LEAVE]),
    ("firmware", UPGRADE, CAROUSEL, [DELETE, LEAVE]),
    ("firmware", UPGRADE, WITH_REBOOT | CAROUSEL, [CANCEL, DELETE, LEAVE]),
    # 7: as before as long as the reboot is ahead
    ("firmware", VERIFY, {}, []),
    ("firmware", VERIFY, WITH_REBOOT, [CANCEL, DELETE, LEAVE]),
]


def row(values: Any) -> str:
    return values if isinstance(values, str) else "-".join(values) if values else "nothing"


@pytest.mark.parametrize("device_class", ["B", "C"])
@pytest.mark.parametrize(("kind", "stage", "settings", "done"), TABLE, ids=row)
def test_a_stop_asks_what_its_stage_calls_for(drive, group_of, device_class, kind, stage, settings, done) -> None:
    group = group_of(device_class=device_class, periodicity=7)
    d = drive(3, kind=kind, groups=(group,), stage=stage.replace("McClassC", f"McClass{device_class}"), **settings)
    d.stop()
    assert d.status == ("stopping" if done else "STOPPED")
    d.clean_up()
    assert [d.questions(i) for i in (1, 2, 3)] == [done] * 3
    assert (d.status, last_event(d).status, last_event(d).unconfirmed) == ("STOPPED", "STOPPED", ())
    assert {x.status for x in d.campaign.status().devices} == {"stopped"}
    assert {x.reason for x in d.campaign.status().devices} == {"the campaign was stopped"}


@pytest.mark.parametrize(("kind", "stage", "settings", "done"), TABLE, ids=row)
def test_a_stop_begins_no_stage_and_sends_no_fragments(drive, kind, stage, settings, done) -> None:
    d = drive(2, kind=kind, stage=stage, **settings)
    if stage == DATA:
        d.wait_until(d.session().start + 6)
        assert len(d.frames()) == 1
    n_stages, n_frames = len(d.of(m.StageStarted)), len(d.frames())
    d.stop()
    d.clean_up()
    d.wait(200_000)
    assert (len(d.of(m.StageStarted)), len(d.frames())) == (n_stages, n_frames)
    assert (d.stage, d.status, d.campaign.deadline()) == (stage, "STOPPED", None)


def test_a_stop_after_the_reboot_time_prevents_nothing(drive) -> None:
    d = drive(2, reboot=REBOOT, stage=VERIFY)
    d.wait_until(REBOOT)
    d.stop()
    assert d.status == "STOPPED"
    assert d.requests() == []


@pytest.mark.parametrize(
    ("kind", "settings", "done"),
    [("firmware", {}, [DELETE, LEAVE]), ("firmware", WITH_REBOOT, [CANCEL, DELETE, LEAVE]), ("binary", {}, [])],
)
def test_a_stop_in_a_further_session_deletes_an_image_that_may_exist(drive, kind, settings, done) -> None:
    d = drive(2, kind=kind, stage=DATA, **settings)
    d.wait_until(d.session().end + 1)  # one fragment is out
    assert (d.stage, len(d.frames())) == (SESSION, 1)
    d.stop()
    d.clean_up()
    assert [d.questions(i) for i in (1, 2)] == [done] * 2


def test_a_stop_a_moment_before_the_reboot_time_prevents_the_installation(drive) -> None:
    d = drive(1, reboot=REBOOT, stage=VERIFY)
    d.wait_until(REBOOT - 1)
    d.stop()
    d.up(1)
    assert d.questions(1) == [CANCEL]


def test_a_device_that_passed_keeps_its_image(drive) -> None:
    """The device reported the new version before its reboot: only the reboot and the group are undone."""
    d = drive(2, reboot=REBOOT, stage=VERIFY)
    d.say(1, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1))
    d.stop()
    d.clean_up()
    assert (d.questions(1), d.questions(2)) == ([CANCEL, LEAVE], [CANCEL, DELETE, LEAVE])
    assert (d.device(1).status, d.device(2).status) == ("passed", "stopped")
    assert last_event(d).successes == 1


def test_a_ready_image_is_deleted_too(drive) -> None:
    d = drive(2, redundancy=0, stage=UPGRADE)
    d.succeed(1)
    d.stop()
    d.clean_up()
    assert d.questions(1) == d.questions(2) == [DELETE, LEAVE]


def test_the_image_to_delete_is_that_of_the_configured_version(drive) -> None:
    d = drive(1, stage=DATA)
    d.stop()
    d.wait(0)
    assert d.command(d.ask(1)) == firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION)


def test_a_device_without_firmware_management_is_not_asked_to_delete_an_image(drive) -> None:
    d = drive(2, fsize=48, devices=mixed("zephyr", "generic"), stage=DATA, success_threshold=50, stage_end="all")
    d.stop()
    d.clean_up()
    assert (d.questions(1), d.questions(2)) == ([LEAVE], [DELETE, LEAVE])


def mixed(*profiles: str) -> tuple[Device, ...]:
    return tuple(Device(dev_eui=f"{i + 1:016x}", group="meters", profile=name) for i, name in enumerate(profiles))


def test_the_group_that_a_device_had_before_is_left_to_it(drive) -> None:
    """McGroupDelete is for the group that this campaign set up."""
    member = m.Membership(
        mc_group_id=0, mc_addr="01f3a4b5", key="meters", min_mc_f_cnt=0, max_mc_f_cnt=multicast.LAST_F_CNT
    )
    known = m.Known(devices={f"{1:016x}": m.KnownDevice(memberships=(member,))})
    d = drive(2, known=known, stage=FRAG)
    d.stop()
    d.clean_up()
    assert (d.questions(1), d.questions(2)) == ([], [LEAVE])


# ---- which devices ---------------------------------------------------------------------------------------


def test_a_reboot_that_was_requested_is_cancelled_answered_or_not(drive) -> None:
    d = drive(6, reboot=REBOOT, ucast_msg_delay=1000, stage=REBOOT_TIME)
    d.wait(5)
    sent = {int(r.dev_eui, 16): r for r in d.requests()}
    assert sorted(sent) == [1, 2, 3, 4, 5]  # 6 is still in line, 5 not handed over, 4 not sent, 3 not answered
    for i in (1, 2, 3, 4):
        d.hand_over(sent[i])
    for i in (1, 2, 3):
        d.sent(sent[i])
    d.say(1, d.right_answer(1))
    d.say(2, firmware.DevRebootTimeAns(reboot_time=0))
    d.stop()
    assert {e.id for e in d.of(m.Withdrawn)} == {sent[4].id, sent[5].id}
    d.clean_up()
    assert [CANCEL in d.questions(i) for i in range(1, 7)] == [True] * 5 + [False]


def test_only_devices_that_were_set_up_are_asked_to_leave_the_group(drive) -> None:
    d = drive(3)
    d.succeed(1)
    d.ask(2)
    d.stop()
    d.clean_up()
    assert (d.questions(1), d.questions(2), d.questions(3)) == ([LEAVE], [], [])


def test_devices_that_left_in_an_earlier_stage_are_cleaned_up_too(drive) -> None:
    """Device 2 has the group but no fragmentation session, so no image."""
    d = drive(3, success_threshold=60, stage_end="all", stage=FRAG)
    d.sent(d.ask(2))
    d.say(2, fragmentation.FragSessionSetupAns(frag_index=0, not_enough_memory=True))
    d.reach(DATA)
    d.stop()
    d.clean_up()
    assert [d.questions(i) for i in (1, 2, 3)] == [[DELETE, LEAVE], [LEAVE], [DELETE, LEAVE]]
    assert d.device(2).reason == "refused in FragSessionSetup: not_enough_memory"
    assert [d.device(i).status for i in (1, 2, 3)] == ["stopped", "failed", "stopped"]


# ---- the cancel ------------------------------------------------------------------------------------------


def stopped(drive: Any, n: int = 1, **settings: Any) -> Any:
    """Stopped in FragSessionSetup, after a reboot time was sent."""
    d = drive(n, **{"reboot": REBOOT, "stage": FRAG, **settings})
    d.stop()
    return d


@pytest.mark.parametrize(
    ("profile", "command"),
    [
        ("generic", firmware.DevRebootTimeReq(reboot_time=0xFFFFFFFF)),
        ("st", firmware.DevRebootCountdownReq(countdown=0xFFFFFF)),
    ],
)
def test_a_reboot_is_cancelled_in_the_way_in_which_it_was_asked_for(drive, profile, command) -> None:
    d = stopped(drive, fsize=40, each={"profile": profile})
    d.wait(0)
    assert d.command(d.ask(1)) == command


@pytest.mark.parametrize(
    ("profile", "answers", "right"),
    [
        (
            "generic",
            [
                firmware.DevRebootTimeAns(reboot_time=0),
                firmware.DevRebootTimeAns(reboot_time=40_000),
                firmware.DevRebootTimeAns(reboot_time=0xFFFFFFFE),
                firmware.DevRebootCountdownAns(countdown=0xFFFFFF),
            ],
            firmware.DevRebootTimeAns(reboot_time=0xFFFFFFFF),
        ),
        (
            "st",
            [
                firmware.DevRebootCountdownAns(countdown=0),
                firmware.DevRebootCountdownAns(countdown=40_000),
                firmware.DevRebootTimeAns(reboot_time=0xFFFFFFFF),
            ],
            firmware.DevRebootCountdownAns(countdown=0xFFFFFF),
        ),
    ],
)
def test_a_cancel_is_confirmed_only_by_the_value_that_cancels(drive, profile, answers, right) -> None:
    d = stopped(drive, fsize=40, each={"profile": profile})
    d.sent(d.ask(1))
    for answer in answers:
        d.say(1, answer)
        assert d.asked(1) == CANCEL
    d.say(1, right)
    assert d.asked(1) == LEAVE
    d.clean_up()
    assert unconfirmed(d) == {}


def test_the_late_answer_to_the_reboot_time_confirms_no_cancel(drive) -> None:
    d = drive(1, reboot=REBOOT, stage=REBOOT_TIME)
    d.sent(d.ask(1))
    d.stop()
    d.sent(d.ask(1))
    d.say(1, firmware.DevRebootTimeAns(reboot_time=40_000))
    assert d.asked(1) == CANCEL


def test_a_cancel_that_cannot_arrive_before_the_reboot_time_is_shown_as_such(drive) -> None:
    d = drive(1, reboot=REBOOT, stage=VERIFY)
    d.wait_until(REBOOT - 10)
    d.stop()
    d.wait_until(REBOOT)
    d.up(1)
    d.clean_up()
    assert CANCEL not in d.questions(1)
    assert unconfirmed(d) == {1: "no answer in CancelReboot: it could not arrive before the reboot time"}
    assert last_event(d).unconfirmed == (f"{1:016x}",)


def test_a_cancel_is_not_repeated_after_the_reboot_time(drive) -> None:
    d = drive(1, reboot=REBOOT, stage=VERIFY)
    d.wait_until(REBOOT - 60)
    d.stop()
    request = d.ask(1)
    assert request.not_after == REBOOT
    d.sent(request)
    d.wait(200)
    assert d.questions(1).count(CANCEL) == 1
    assert "could not arrive before the reboot time" in unconfirmed(d)[1]


def test_questions_after_a_cancel_that_came_too_late_are_asked(drive) -> None:
    """A half-built image can still be deleted, and class C closed."""
    d = drive(1, reboot=REBOOT, stage=VERIFY)
    d.wait_until(REBOOT - 10)
    d.stop()
    d.wait_until(REBOOT)
    d.up(1)
    d.clean_up()
    assert d.questions(1) == [DELETE, LEAVE]


# ---- DevDeleteImage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (DELETED, True),
        (firmware.DevDeleteImageAns(error_no_valid_image=True), True),
        (firmware.DevDeleteImageAns(error_invalid_version=True), False),
        (firmware.DevDeleteImageAns(error_no_valid_image=True, error_invalid_version=True), False),
    ],
)
def test_no_valid_image_confirms_a_deletion_and_an_invalid_version_does_not(drive, answer, ok) -> None:
    d = drive(1, stage=DATA)
    d.stop()
    confirm(d, 1, answer)
    assert d.asked(1) == LEAVE  # which is asked anyhow
    d.clean_up()
    assert unconfirmed(d) == ({} if ok else {1: "refused in DevDeleteImage: error_invalid_version"})
    assert last_event(d).unconfirmed == (() if ok else (f"{1:016x}",))


def test_a_refusal_is_not_asked_again(drive) -> None:
    d = drive(1, stage=DATA)
    d.stop()
    confirm(d, 1, firmware.DevDeleteImageAns(error_invalid_version=True))
    d.clean_up()
    assert d.questions(1) == [DELETE, LEAVE]


# ---- McGroupDelete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("undefined", [False, True])
def test_a_group_that_is_not_there_is_as_good_as_deleted(drive, undefined) -> None:
    d = drive(1, stage=FRAG)
    d.stop()
    confirm(d, 1, multicast.McGroupDeleteAns(mc_group_id=0, mc_group_undefined=undefined))
    assert d.status == "STOPPED"
    assert unconfirmed(d) == {}


def test_the_answer_of_another_group_is_foreign(drive) -> None:
    d = drive(1, stage=FRAG)
    d.stop()
    confirm(d, 1, multicast.McGroupDeleteAns(mc_group_id=1))
    assert d.asked(1) == LEAVE


# ---- a unicast exchange ----------------------------------------------------------------------------------


def test_clean_up_is_paced_as_any_stage(drive) -> None:
    d = drive(5, ucast_msg_delay=2500, stage=DATA)
    d.stop()
    d.wait(30)
    times = [r.at for r in d.requests()]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [pytest.approx(2.5)] * 4


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_device_that_does_not_answer_is_asked_as_often_as_in_any_stage(drive, retries) -> None:
    d = drive(2, msg_retries=retries, stage=FRAG)
    d.stop()
    confirm(d, 2, multicast.McGroupDeleteAns(mc_group_id=0))
    for _ in range(1 + retries):
        d.sent(d.ask(1))
        d.wait(135)
    assert d.questions(1) == [LEAVE] * (1 + retries)
    assert unconfirmed(d) == {1: "no answer in McGroupDelete"}
    assert last_event(d).unconfirmed == (f"{1:016x}",)


def test_a_request_that_was_not_delivered_uses_up_a_retry(drive) -> None:
    d = drive(1, msg_retries=1, stage=FRAG)
    d.stop()
    d.sent(d.ask(1), ok=False)
    d.sent(d.ask(1), ok=False)
    assert (d.status, unconfirmed(d)) == ("STOPPED", {1: "no answer in McGroupDelete"})


def test_a_device_that_was_not_heard_since_a_reboot_is_given_up(drive) -> None:
    """Verification and clean-up send nothing before a fresh uplink."""
    d = drive(1, reboot=REBOOT, stage=VERIFY)
    d.stop()
    d.wait(301)
    assert (d.status, d.questions(1), unconfirmed(d)) == ("STOPPED", [], {1: "not heard in clean-up"})


def test_nothing_is_sent_before_an_uplink(drive) -> None:
    d = drive(1, reboot=REBOOT, stage=VERIFY)
    d.stop()
    d.wait(50)
    assert d.requests() == []
    d.up(1)
    assert d.questions(1) == [CANCEL]


def test_the_fresh_request_takes_the_place_of_the_one_that_still_waits(drive) -> None:
    d = drive(1, reboot=REBOOT, stage=FRAG)
    waiting = d.ask(1)
    d.stop()
    d.wait(2)
    assert d.of(m.Withdrawn)[0].id == waiting.id
    assert d.requests(1)[0].replaces == waiting.id


def test_the_sent_report_of_a_withdrawn_request_changes_nothing(drive) -> None:
    d = drive(1, reboot=REBOOT, stage=FRAG)
    waiting = d.ask(1)
    d.stop()
    n_events = len(d.events)
    d.sent(waiting)
    d.hand_over(waiting)
    assert d.of(m.Reported, d.events[n_events:]) == d.of(m.HandedOver, d.events[n_events:]) == []


def test_uplinks_stand_for_sent_reports_in_clean_up_too(drive) -> None:
    d = drive(1, network=m.NetworkCapabilities(sent_reports=False), stage=FRAG)
    d.stop()
    d.ask(1)
    d.up(1)
    assert d.of(m.Reported)[-1].cause == "uplink heard"
    d.wait(131)
    assert d.questions(1) == [LEAVE] * 2


def quick_and_slow(drive: Any) -> Any:
    """Device 1 is given up after a minute without an answer, device 2 after almost two hours."""
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", uplink_period=50.0 * i**7) for i in (1, 2))
    return drive(devices=devices, msg_retries=0, stage=DATA)


def test_a_late_confirmation_counts_as_long_as_others_are_cleaned_up(drive) -> None:
    d = quick_and_slow(drive)
    d.stop()
    d.sent(d.ask(2))
    d.sent(d.ask(1))
    d.wait(115)
    assert unconfirmed(d) == {1: "no answer in DevDeleteImage"}
    d.say(1, DELETED)
    assert unconfirmed(d) == {}
    d.clean_up()
    assert (last_event(d).unconfirmed, d.questions(1)) == ((), [DELETE, LEAVE])


def test_what_stays_unconfirmed_is_named_after_a_late_confirmation_of_another_action(drive) -> None:
    d = quick_and_slow(drive)
    d.stop()
    d.sent(d.ask(2))
    d.sent(d.ask(1))
    d.wait(115)
    d.sent(d.ask(1))
    d.wait(115)
    d.say(1, DELETED)
    assert unconfirmed(d) == {1: "no answer in McGroupDelete"}


def test_a_late_confirmation_does_not_hide_an_earlier_refusal(drive) -> None:
    d = quick_and_slow(drive)
    d.stop()
    d.sent(d.ask(2))
    confirm(d, 1, firmware.DevDeleteImageAns(error_invalid_version=True))
    d.sent(d.ask(1))
    d.wait(115)
    d.say(1, multicast.McGroupDeleteAns(mc_group_id=0))
    d.clean_up()
    assert unconfirmed(d) == {1: "refused in DevDeleteImage: error_invalid_version"}


# ---- when it is over -------------------------------------------------------------------------------------


def test_a_campaign_is_stopped_only_after_its_clean_up(drive) -> None:
    d = drive(3, stage=FRAG)
    d.stop()
    for i in (1, 2, 3):
        assert (d.status, d.campaign.finished) == ("stopping", False)
        confirm(d, i, multicast.McGroupDeleteAns(mc_group_id=0))
    assert (d.status, d.campaign.finished) == ("STOPPED", True)
    assert (last_event(d).reason, d.campaign.status().reason) == ("the campaign was stopped",) * 2


def test_a_stopped_campaign_names_the_devices_that_did_not_confirm(drive) -> None:
    d = drive(3, msg_retries=0, stage=FRAG)
    d.stop()
    for i in (1, 3):
        d.sent(d.ask(i))
    confirm(d, 2, multicast.McGroupDeleteAns(mc_group_id=0))
    d.wait(200)
    expected = (f"{1:016x}", f"{3:016x}")
    assert (last_event(d).unconfirmed, d.campaign.status().unconfirmed) == (expected, expected)


def test_a_stop_is_bounded_by_retries_not_by_the_maximum_duration(drive) -> None:
    """The maximum duration ends at T0 + 20 000 s; an answer is due after 730 s."""
    start = T0 + 19_000
    d = drive(1, max_duration=20_000, reboot=REBOOT, session_start=start, each={"uplink_period": 600}, stage=SESSION)
    d.wait_until(start - 10)
    d.stop()
    asked = [CANCEL] * 3 + [LEAVE] * 3
    for n in range(1, 7):
        d.sent(d.ask(1))
        d.wait(729)
        assert (d.status, d.questions(1)) == ("stopping", asked[:n])
        d.wait(2)
    assert d.status == "STOPPED"
    assert d.now > d.of(m.Stopping)[0].at + 6 * 730 > T0 + 20_000


@pytest.mark.parametrize("stage", [DATA, "UpgradeImage"])
def test_the_image_is_deleted_also_where_the_cancel_of_the_reboot_was_not_confirmed(drive, stage) -> None:
    d = drive(2, reboot=REBOOT, redundancy=0, stage=stage)
    d.stop()
    for _ in range(3):
        d.sent(d.ask(1))
        d.wait(1000)
    assert unconfirmed(d)[1] == "no answer in CancelReboot"
    d.sent(d.ask(1))
    d.say(1, DELETED)
    assert d.questions(1)[:4] == [CANCEL] * 3 + [DELETE]
    assert d.state(1).data is Data.UNKNOWN


def test_silent_devices_cannot_keep_a_stop_for_ever(drive) -> None:
    """Nobody answers, nothing is even handed over."""
    d = drive(4, reboot=REBOOT, stage=SESSION)
    d.stop()
    d.wait(5 * 400)
    assert d.status == "STOPPED"
    assert len(unconfirmed(d)) == 4


# ---- the verb --------------------------------------------------------------------------------------------


def test_stop_is_idempotent(drive) -> None:
    d = drive(2, stage=DATA)
    assert d.stop() != []
    n_events = len(d.events)
    assert d.campaign.stop(d.now) == d.campaign.stop(d.now + 5) == []
    assert len(d.events) == n_events
    d.clean_up()
    n_events = len(d.events)
    assert d.campaign.stop(d.now) == []
    assert (len(d.events), d.status) == (n_events, "STOPPED")


def test_a_campaign_that_was_not_started_or_is_over_cannot_be_stopped(drive, config_of) -> None:
    with pytest.raises(CampaignError, match="it is CONFIGURED"):
        Campaign(config_of(1), IMAGE).stop(T0)
    d = drive(1)
    d.reach("end")
    n_events = d.campaign.n_events
    with pytest.raises(CampaignError, match="it is SUCCEEDED"):
        d.campaign.stop(d.now)
    assert d.campaign.n_events == n_events


def test_a_failed_campaign_cannot_be_stopped(drive) -> None:
    d = drive(1)
    d.wait(400)
    with pytest.raises(CampaignError, match="it is FAILED"):
        d.campaign.stop(d.now)


def test_a_paused_campaign_can_be_stopped_and_cleans_up(drive) -> None:
    d = drive(2, stage=DATA)
    d.pause()
    d.stop()
    assert (d.status, d.campaign.paused) == ("stopping", False)
    d.clean_up()
    assert d.status == "STOPPED"


def test_a_campaign_that_is_being_stopped_cannot_be_paused(drive) -> None:
    d = drive(1, stage=DATA)
    d.stop()
    with pytest.raises(CampaignError, match=r"cannot pause campaign .*: it is stopping"):
        d.campaign.pause(d.now)
    with pytest.raises(CampaignError, match=r"cannot unpause campaign .*: it is stopping"):
        d.campaign.unpause(d.now)


def test_a_stopped_campaign_takes_nothing_more(drive) -> None:
    d = drive(1, stage=DATA)
    d.stop()
    d.clean_up()
    assert d.up(1) == []
    assert d.campaign.tick(d.now + 1e6) == []


# ---- what is withdrawn -----------------------------------------------------------------------------------


def withdrawn(d: Any) -> set[str]:
    return {event.id for event in d.of(m.Withdrawn)}


def test_requests_that_are_not_handed_over_are_withdrawn(drive) -> None:
    d = drive(2, ucast_msg_delay=0)
    d.up(1)
    d.up(2)
    first, second = d.requests()
    d.hand_over(second)
    d.stop()
    assert withdrawn(d) == {first.id, second.id}  # the second is in the network's queue
    assert not d.campaign.awaits_hand_over(first.id)


def test_a_request_that_has_left_is_not_withdrawn(drive) -> None:
    d = drive(1)
    d.sent(d.ask(1))
    d.stop()
    assert withdrawn(d) == set()


def test_frames_that_have_no_summary_yet_are_withdrawn(drive) -> None:
    d = drive(1, summary_window=3, stage=DATA)
    d.wait_until(d.session().start + 5)
    for _ in range(2):
        d.hand_over(d.frames()[-1])
        d.wait(2)
    one, two, three = d.frames()
    d.summary(one)
    d.stop()
    assert withdrawn(d) == {two.id, three.id}
    assert not d.campaign.awaits_hand_over(three.id)


def test_a_multicast_status_request_is_withdrawn(drive) -> None:
    d = drive(3, kind="binary", redundancy=0, stage=STATUS)
    d.wait(3)
    [request] = [frame for frame in d.frames() if frame.ask == STATUS]
    d.stop()
    assert withdrawn(d) == {request.id}
    assert d.status == "STOPPED"


def test_replies_that_are_not_handed_over_are_withdrawn(drive, group_of) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),), ack_reception=True, stage=VERIFY)
    d.say(1, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=False))
    [reply] = d.replies()
    d.stop()
    assert withdrawn(d) == {reply.id}


# ---- clean-up of devices that left, in a campaign that goes on -----------------------------------------------


def test_a_device_that_is_being_cleaned_up_is_not_asked_twice(drive) -> None:
    """The device left after it was sent a reboot time; then the campaign is stopped."""
    d = drive(3, reboot=REBOOT, success_threshold=60, stage_end="all", stage=FRAG)
    d.sent(d.ask(2))
    d.say(2, fragmentation.FragSessionSetupAns(frag_index=0, wrong_descriptor=True))
    d.succeed(1)
    d.succeed(3)
    assert d.stage == SESSION
    d.wait(5)
    waiting = d.ask(2)
    d.stop()
    assert waiting.id not in withdrawn(d)
    d.sent(waiting)
    d.say(2, CANCELLED)
    d.clean_up()
    asked = [r.ask for r in d.of(m.Requested) if r.dev_eui == f"{2:016x}"]
    assert asked == [GROUP, REBOOT_TIME, FRAG, CANCEL, LEAVE]
    assert [d.questions(i) for i in (1, 3)] == [[CANCEL, LEAVE]] * 2
    assert d.status == "STOPPED"


# ---- replay ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "stage", "settings", "done"), TABLE, ids=row)
def test_replay_in_the_middle_of_a_stop_is_the_campaign(drive, kind, stage, settings, done) -> None:
    d = drive(3, kind=kind, stage=stage, **settings)
    checked = 0
    original = d.keep

    def keep(events: list[m.Event]) -> list[m.Event]:
        nonlocal checked
        kept = original(events)
        assert same(Campaign.replay(d.events, d.image), d.campaign)
        checked += 1
        return kept

    d.keep = keep
    d.stop()
    d.clean_up()
    assert checked > len(done) * 3


def test_a_stop_survives_a_crash_in_its_middle(drive) -> None:
    d = drive(3, reboot=REBOOT, stage=DATA)
    d.stop()
    d.sent(d.ask(1))
    d.say(1, CANCELLED)
    waiting = d.ask(2)
    d.now += 3000
    d.crash()
    assert (d.status, d.questions(2)) == ("stopping", [CANCEL])
    assert d.campaign.stop(d.now) == []
    d.sent(waiting)
    d.say(2, CANCELLED)
    d.clean_up()
    assert [d.questions(i) for i in (1, 2, 3)] == [[CANCEL, DELETE, LEAVE]] * 3
    assert (d.status, last_event(d).unconfirmed) == ("STOPPED", ())


def test_an_outage_in_the_middle_of_a_stop_uses_no_retry(drive) -> None:
    d = drive(2, msg_retries=0, stage=FRAG)
    d.stop()
    d.sent(d.ask(1))
    d.now += 100_000
    d.crash()
    assert unconfirmed(d) == {}
    d.say(1, multicast.McGroupDeleteAns(mc_group_id=0))
    d.clean_up()
    assert (d.status, unconfirmed(d)) == ("STOPPED", {})


def test_frames_of_a_network_without_summaries_are_withdrawn_too(drive) -> None:
    """The last of them may still be in its queue."""
    d = drive(1, network=m.NetworkCapabilities(summaries=False), stage="DlFragment")
    for _ in range(3):
        d.wait(d.campaign.deadline() - d.now)
        d.hand_over(d.frames()[-1])
    d.stop()
    assert {e.id for e in d.of(m.Withdrawn)} == {frame.id for frame in d.frames()}
