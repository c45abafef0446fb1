"""reboot = "after_transfer": devices that have the image are told to reboot, spread over time."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION, T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.turn import Phase
from fuota_fec.errors import ParameterError
from fuota_fec.wire import firmware, fragmentation
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire

DATA, UPGRADE, REBOOT, VERIFY = "DlFragment", "UpgradeImage", "Reboot", "CompletionVerification"
AFTER: dict[str, Any] = {"reboot": "after_transfer", "stage_end": "all"}
NEW = firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)
OLD = firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1)
ST = {"each": {"profile": "st"}, "fsize": 40}
CANNOT = {"lbm": firmware.DevRebootTimeAns(reboot_time=0), "generic": firmware.DevRebootCountdownAns(countdown=0)}


def countdown(d: Any, i: int) -> int:
    return d.command(d.ask(i)).countdown


# ---- who -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("redundancy", [0, 2, "adaptive"])
def test_the_image_is_proven_then_the_reboot_planned_then_the_version_asked(drive, redundancy) -> None:
    d = drive(2, redundancy=redundancy, **AFTER)
    assert d.campaign.status().stages[-3:] == (UPGRADE, REBOOT, VERIFY)
    d.reach(REBOOT)
    assert "DevRebootTime" not in [r.ask for r in d.of(m.Requested) if r.at < d.now]
    if redundancy != "adaptive":
        assert d.questions(1, UPGRADE) == ["DevUpgradeImage"]
    d.reach("end")
    assert (d.status, d.questions(1, REBOOT)) == ("SUCCEEDED", ["DevRebootTime"])


def test_only_a_firmware_update_makes_devices_reboot(config_of) -> None:
    with pytest.raises(ParameterError, match="is for firmware updates only"):
        config_of(1, kind="binary", reboot="after_transfer")


def test_a_device_without_a_valid_image_is_not_told_to_reboot(drive) -> None:
    d = drive(2, stage=UPGRADE, success_threshold=50, **AFTER)
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, firmware.DevUpgradeImageAns(up_image_status=1))
    assert (d.stage, d.members()) == (REBOOT, [1])
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert not [r for r in d.of(m.Requested) if r.ask == "DevRebootTime" and r.dev_eui == f"{2:016x}"]


def test_a_device_that_runs_the_new_version_already_is_asked_nothing(drive) -> None:
    d = drive(2, stage=UPGRADE, **AFTER)
    d.sent(d.ask(1))
    d.say(1, NEW)
    d.succeed(2)
    assert (d.stage, d.asked(1)) == (REBOOT, "")
    d.succeed(2)
    assert d.stage == VERIFY


def test_a_stack_that_does_not_tell_of_images_is_asked_for_its_status(drive) -> None:
    d = drive(1, stage=UPGRADE, **AFTER, **ST, allow_carousel=True, redundancy=0)
    d.sent(d.ask(1))
    assert d.questions(1) == ["FragSessionStatus"]
    d.say(1, fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=1, missing_frag=0))
    assert d.stage == REBOOT


# ---- when ------------------------------------------------------------------------------------------------


def test_reboots_are_spread(drive) -> None:
    d = drive(12, stage=REBOOT, **AFTER, reboot_spread=6000)
    began = d.now
    times = [d.now + countdown(d, i) for i in range(1, 13)]
    assert max(times) - min(times) > 3000
    assert all(began + 59 <= at <= began + 6000 + 13 + 60 for at in times)
    assert len({round(at) for at in times}) == 12


def test_the_time_is_a_devices_own_and_the_same_in_every_resend(drive) -> None:
    d = drive(1, stage=REBOOT, **AFTER, reboot_spread=100_000)
    d.sent(d.ask(1))
    d.wait(131)
    first, second = d.requests(1)
    assert first.at + d.command(first).countdown == pytest.approx(second.at + d.command(second).countdown, abs=1)


def test_a_countdown_leaves_time_for_the_answer(drive) -> None:
    d = drive(3, stage=REBOOT, **AFTER, reboot_spread=0)
    assert [countdown(d, i) for i in (1, 2, 3)] == [60, 60, 60]


@pytest.mark.parametrize(("profile", "kind"), [("lbm", "time"), ("generic", "countdown"), ("st", "countdown")])
def test_a_reboot_is_by_countdown_or_time_according_to_the_profile(drive, profile, kind) -> None:
    settings = {"each": {"profile": profile}, "fsize": 40 if profile == "st" else 10}
    d = drive(1, stage=REBOOT, **AFTER, **settings, reboot_spread=0, allow_carousel=True)
    command = d.command(d.ask(1))
    assert d.state(1).reboot_sent == kind
    if kind == "countdown":
        assert command.countdown == 60
    else:
        assert command.reboot_time == gps_to_wire(gps_from_unix(d.now + 100 + 10)), "it still has to hear of it"


def test_profiles_that_know_no_request_are_refused(config_of, drive) -> None:
    with pytest.raises(Exception, match="devices do not support"):
        drive(1, **AFTER, each={"profile": "zephyr"}, fsize=48)


# ---- answers ---------------------------------------------------------------------------------------------


def silent(d: Any, seconds: float) -> None:
    """The network carries everything, and no device answers."""
    end = d.now + seconds
    stage = d.last_stage
    while d.now < end and d.last_stage == stage and not d.campaign.finished:
        for request in d.of(m.Requested):
            if d.campaign.awaits_hand_over(request.id):
                d.hand_over(request)
                d.sent(request)
        due = d.campaign.deadline()
        d.wait_until(end if due is None else min(due, end))


def test_a_device_that_is_silent_after_a_reboot_request_stays(drive) -> None:
    """A device with a reboot request may have rebooted: its version decides."""
    d = drive(2, stage=REBOOT, **AFTER)
    d.succeed(1)
    silent(d, 5000)
    assert (d.stage, d.members()) == (VERIFY, [1, 2])
    d.reach("end")
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("profile", ["lbm", "generic"])
def test_a_device_that_cannot_reboot_at_a_time_is_given_another_and_its_version_decides(drive, profile) -> None:
    """The time may have passed while the request waited for an uplink that was heard."""
    d = drive(2, stage=REBOOT, success_threshold=50, **AFTER, each={"profile": profile}, msg_retries=2)
    d.succeed(1)
    asked, n_before = [], 0
    if profile == "lbm":  # A clock that is right now does not help it.
        d.sent(d.ask(2))
        d.say(2, CANNOT[profile])
        d.sent(d.ask(2))
        d.say(2, d.right_answer(2))
        n_before = 2
    for _ in range(3):
        asked.append(d.command(d.ask(2)))
        d.sent(d.requests(2)[-1])
        d.say(2, CANNOT[profile])
        assert d.state(2).reason == "refused in DevRebootTime: it cannot reboot at that time"
        d.wait(101)
    assert len(d.requests(2, REBOOT)) == n_before + 3
    if profile == "lbm":
        times = [command.reboot_time for command in asked]
        assert times[-1] > times[0], "one that it can still hear of"
    d.wait(500)
    assert (d.stage, d.members()) == (VERIFY, [1, 2])


def test_a_device_that_was_not_told_to_reboot_does_not_stay(drive) -> None:
    d = drive(2, stage=REBOOT, success_threshold=50, **{**AFTER, "stage_end": "threshold"}, ucast_msg_delay=600_000)
    d.succeed(1)
    d.wait(101)
    assert (d.stage, d.members()) == (VERIFY, [1])


# ---- verification ----------------------------------------------------------------------------------------


def test_verification_waits_for_the_last_reboot(drive) -> None:
    d = drive(4, stage=REBOOT, **AFTER, reboot_spread=5000, fuota_process_max_time=300)
    for i in range(1, 5):
        d.succeed(i)
    last = max(d.state(i).reboot_at for i in range(1, 5))
    assert d.stage == VERIFY
    assert d.campaign.progress().asks_from == last + 300
    for i in range(1, 5):
        d.up(i)
    d.wait_until(last + 299)
    for i in range(1, 5):
        d.up(i)
    assert d.requests() == []
    d.wait(2)
    for i in range(1, 5):
        d.up(i)
    d.wait(5)
    assert len(d.requests()) == 4


def test_a_countdown_begins_when_the_device_hears_of_it(drive) -> None:
    d = drive(1, stage=REBOOT, **AFTER, reboot_spread=0)
    d.ask(1)
    assert d.state(1).reboot_at == pytest.approx(d.now + 60 + 100)


def test_the_old_version_of_who_has_a_valid_image_is_no_reason_for_another_round(drive) -> None:
    d = drive(2, stage=REBOOT, redundancy="adaptive", fsession_status_threshold=0, reboot_spread=0, **AFTER)
    for i in (1, 2):
        d.succeed(i)
    assert d.stage == VERIFY
    d.wait_until(d.campaign.progress().asks_from + 1)
    d.say(1, NEW)
    for _ in range(100):
        if d.stage != VERIFY or d.status != "RUNNING":
            break
        if d.turn(2).phase in (Phase.UNHEARD, Phase.REQUESTED):
            d.sent(d.ask(2))
            d.say(2, OLD)
        d.wait(30)
    # It had said that its image is valid: more fragments would not help.
    assert (d.status, d.device(2).reason) == ("FAILED", "wrong version 1.0.0.0")


# ---- stop, pause, crash ----------------------------------------------------------------------------------


def asked(d: Any, i: int) -> list[str]:
    return d.questions(i, "clean-up")


def test_stop_cancels_the_reboots(drive) -> None:
    """Every requested reboot is cancelled, answered or not; a countdown by a countdown."""
    d = drive(3, stage=REBOOT, **AFTER, reboot_spread=50_000)
    d.succeed(1)
    d.sent(d.ask(2))
    d.stop()
    d.clean_up()
    told = [i for i in (1, 2, 3) if asked(d, i)[:1] == ["CancelReboot"]]
    assert told[:2] == [1, 2]
    assert all(asked(d, i)[-2:] == ["DevDeleteImage", "McGroupDelete"] for i in (1, 2, 3))
    [first, *_] = d.requests(1, "clean-up")
    assert d.command(first) == firmware.DevRebootCountdownReq(countdown=0xFFFFFF)
    assert (d.status, d.campaign.status().unconfirmed) == ("STOPPED", ())


def test_stop_before_anybody_was_told_has_nothing_to_cancel(drive) -> None:
    d = drive(2, stage=UPGRADE, **AFTER)
    d.stop()
    d.clean_up()
    assert asked(d, 1) == asked(d, 2) == ["DevDeleteImage", "McGroupDelete"]


@pytest.mark.parametrize("later", [False, True])
def test_stop_in_verification_before_and_after_the_reboot(drive, later) -> None:
    d = drive(1, stage=REBOOT, **AFTER, reboot_spread=50_000)
    d.succeed(1)
    assert d.stage == VERIFY
    if later:
        d.wait_until(d.state(1).reboot_at + 1)
    d.stop()
    d.clean_up()
    assert asked(d, 1) == ([] if later else ["CancelReboot", "DevDeleteImage", "McGroupDelete"])
    assert d.status == "STOPPED"


def test_a_pause_moves_reboots_that_were_not_planned_yet(drive) -> None:
    d = drive(2, stage=REBOOT, **AFTER, reboot_spread=0)
    d.pause()
    d.wait(5000)
    d.unpause()
    d.wait(3)
    assert [d.now + countdown(d, i) >= T0 + 5000 + 60 for i in (1, 2)] == [True, True]
    for i in (1, 2):
        d.succeed(i)
    assert d.stage == VERIFY


@pytest.mark.parametrize(
    ("stage", "n"), [(UPGRADE, 0), (UPGRADE, 2), (REBOOT, 0), (REBOOT, 1), (REBOOT, 2), (VERIFY, 0)]
)
def test_an_update_with_reboots_goes_on_after_a_crash(drive, stage, n) -> None:
    d = drive(3, stage=stage, **AFTER)
    for i in range(1, 1 + n):
        d.sent(d.ask(i))
    d.crash()
    d.reach("end")
    assert d.status == "SUCCEEDED"
    told = [r for r in d.of(m.Requested) if r.ask == "DevRebootTime"]
    assert {r.dev_eui for r in told} == {f"{i:016x}" for i in (1, 2, 3)}


def test_two_profiles_in_one_campaign(drive, config_of) -> None:
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", profile=p) for i, p in ((1, "lbm"), (2, "generic")))
    d = drive(2, devices=devices, stage=REBOOT, **AFTER)
    for i in (1, 2):
        d.ask(i)
    assert [d.state(i).reboot_sent for i in (1, 2)] == ["time", "countdown"]
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_silent_device_without_an_image_is_a_reason_for_another_round(drive) -> None:
    """The device is silent when its group is asked for missing fragments, and when it is asked for its version."""
    d = drive(1, stage="FragSessionStatus", redundancy="adaptive", fsession_status_threshold=0, **AFTER)
    d.ask(1)
    d.wait(d.campaign.plan.groups["meters"].status_wait + 1)
    assert d.stage == UPGRADE
    d.sent(d.ask(1))
    d.say(1, firmware.DevUpgradeImageAns(up_image_status=0))
    assert d.asked(1) == "DevVersion after DevUpgradeImage"
    silent(d, 5000)
    assert (d.stage, d.members()) == (DATA, [1])
    d.reach("end")
    assert d.status == "SUCCEEDED"
