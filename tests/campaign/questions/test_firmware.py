"""Questions of TS006: reboots, images and versions."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION, T0, make_group, own, updatable

from fuota_fec import CampaignConfig
from fuota_fec.campaign import questions
from fuota_fec.campaign.messages import Requested, StageStarted
from fuota_fec.campaign.state import Data
from fuota_fec.simulation import Simulation, simulate_campaign
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix

FRAG, VERIFY, DATA, UPGRADE = "FragSessionSetup", "CompletionVerification", "DlFragment", "UpgradeImage"


def asked(d, i=1, module=multicast, version="1.0.0"):
    """The command of the present request to device i."""
    [command] = module.decode(d.ask(i).command, uplink=False, version=version)
    return command


RESYNC = "ForceDeviceResync"
REBOOT = 1_800_050_000.0
COMPLETE = fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=3, missing_frag=0)
LACKING = fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=2, missing_frag=1)
READY = firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION)
NOT_READY = firmware.DevUpgradeImageAns(up_image_status=1)
NONE_STORED = firmware.DevUpgradeImageAns(up_image_status=0)
FIRMWARE: dict[str, Any] = {"redundancy": 0, "stage": UPGRADE}


def say(d: Any, i: int, answer: Any) -> None:
    """Device i is asked and says that."""
    d.sent(d.ask(i))
    d.say(i, answer)


def lacking(d: Any, i: int) -> None:
    say(d, i, LACKING if d.campaign.config.kind == "binary" else NOT_READY)


def complete(d: Any, i: int) -> None:
    say(d, i, COMPLETE if d.campaign.config.kind == "binary" else READY)


def transmit(d: Any) -> None:
    """The round that has begun, to its end."""
    for frame in d.frames():
        if d.campaign.awaits_hand_over(frame.id):
            d.hand_over(frame)
            d.summary(frame)
    d.send_all()


@pytest.mark.parametrize("version", ["2.0.0.0", 0x02000000])
def test_the_version_is_compared_as_a_number(drive, version):
    d = drive(1, fw_version=version, stage=VERIFY)
    d.wait(30)
    assert asked(d, module=firmware) == firmware.DevVersionReq()
    assert d.requests(1)[0].f_port == 203
    d.succeed(1)
    assert d.status == "SUCCEEDED"
    assert d.device(1).fw_version == 0x02000000


@pytest.mark.parametrize(
    ("profile", "answer", "passes"),
    [
        ("st", "01 01020304 00000000", True),
        ("st", "01 04030201 00000000", False),
        ("st-v2", "01 01020304 00000000", True),
        ("lbm", "01 04030201 00000000", True),
        ("lbm", "01 01020304 00000000", False),
    ],
)
def test_the_bytes_of_a_version_are_read_in_the_order_of_the_stack(drive, profile, answer, passes):
    dialect = "2.0.0" if profile == "st-v2" else "1.0.0"
    groups = (make_group(dialect=dialect, mc_version=dialect),)
    stack = updatable(profile)
    settings = {"fw_version": "1.2.3.4", "each": {"profile": stack.name}, "profiles": own(stack), "fsize": 40}
    d = drive(1, groups=groups, stage=VERIFY, **settings)
    d.wait(30)
    d.sent(d.ask(1))
    d.up(1, 203, bytes.fromhex(answer))
    assert d.device(1).fw_version == (0x01020304 if passes else 0x04030201)
    assert (d.status == "SUCCEEDED") is passes


@pytest.mark.parametrize(
    ("profile", "verb"), [("generic", firmware.DevRebootTimeReq), ("lbm", firmware.DevRebootTimeReq)]
)
def test_a_device_that_knows_the_reboot_time_is_told_it(drive, profile, verb):
    """A time does not age in the server's queue, so it is preferred where a stack takes either."""
    d = drive(1, reboot=REBOOT, each={"profile": profile}, stage="DevRebootTime")
    command = asked(d, module=firmware)
    assert command == verb(reboot_time=int(gps_from_unix(REBOOT)) % 2**32)
    d.say(1, firmware.DevRebootTimeAns(reboot_time=round(REBOOT - d.now)))
    assert d.stage == FRAG


def test_a_device_that_only_takes_a_countdown_is_given_one(drive):
    d = drive(1, reboot=REBOOT, each={"profile": "st"}, fsize=40, stage="DevRebootTime")
    command = asked(d, module=firmware)
    assert command == firmware.DevRebootCountdownReq(countdown=round(REBOOT - d.requests(1)[0].at))
    d.say(1, firmware.DevRebootTimeAns(reboot_time=4000))
    assert d.stage == "DevRebootTime", "an answer to another request"
    d.say(1, firmware.DevRebootCountdownAns(countdown=4000))
    assert d.stage == FRAG


def test_a_device_whose_stack_takes_either_is_believed_in_the_one_that_was_sent(drive):
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    d.sent(d.ask(1))
    d.say(1, firmware.DevRebootCountdownAns(countdown=4000))
    assert d.stage == "DevRebootTime"


def test_a_reboot_time_is_not_sent_without_being_configured(drive):
    d = drive(1)
    d.reach("end")
    assert "DevRebootTime" not in {e.stage for e in d.of(StageStarted)}
    assert not {e.ask for e in d.of(Requested)} & {"DevRebootTime", "DevRebootCountdown"}


@pytest.mark.parametrize(("hw_version", "says", "status"), [(None, 9, "passed"), (9, 9, "passed"), (8, 9, "failed")])
def test_the_hardware_must_be_the_configured_one(drive, hw_version, says, status):
    d = drive(2, hw_version=hw_version, success_threshold=50, stage_end="all", stage=VERIFY)
    d.wait(30)
    for i in (1, 2):
        d.sent(d.ask(i))
    d.say(2, firmware.DevVersionAns(fw_version=0x02000000, hw_version=says))
    d.say(1, firmware.DevVersionAns(fw_version=0x02000000, hw_version=hw_version or 1))
    d.wait(500)
    assert d.device(2).status == status
    assert d.device(2).reason == ("" if status == "passed" else "wrong hardware version 9, expected 8")
    assert len(d.requests(2, VERIFY)) <= 1


def test_a_third_version_is_a_verdict_and_is_not_asked_again(drive):
    d = drive(2, each={"fw_version": "1.0.0.0"}, success_threshold=50, stage_end="all", stage=VERIFY)
    d.wait(30)
    d.sent(d.ask(1))
    d.say(1, firmware.DevVersionAns(fw_version=0x01010000, hw_version=1))
    d.wait(150)
    assert len(d.requests(1)) == 1
    assert d.device(1).reason == "wrong version 1.1.0.0"
    assert d.device(1).fw_version == 0x01010000


def test_versions_are_little_endian_on_the_air(drive):
    d = drive(1, fw_version="1.2.3.4", stage=VERIFY)
    d.up(1, 203, bytes((1, 4, 3, 2, 1, 0, 0, 0, 0)))
    assert d.status == "SUCCEEDED"
    assert d.device(1).fw_version == 0x01020304


@pytest.mark.parametrize("profile", ["generic", "lbm"])
def test_the_reboot_time_is_sent_in_gps_seconds(drive, profile) -> None:
    d = drive(1, reboot=REBOOT, each={"profile": profile}, stage="DevRebootTime")
    assert d.command(d.ask(1)) == firmware.DevRebootTimeReq(reboot_time=int(REBOOT) - 315_964_782)
    assert d.requests(1)[0].f_port == 203


def test_a_device_that_only_counts_down_is_told_the_seconds_left(drive, group_of) -> None:
    d = drive(1, reboot=REBOOT, fsize=40, each={"profile": "st"}, stage="DevRebootTime")
    request = d.ask(1)
    assert d.command(request) == firmware.DevRebootCountdownReq(countdown=round(REBOOT - request.at))
    d.sent(request, ok=False)
    d.wait(60)
    later = d.ask(1)
    assert d.command(later).countdown == round(REBOOT - later.at) < d.command(request).countdown


def test_a_device_that_cannot_count_down_fails_the_stage(drive) -> None:
    """A countdown needs no clock."""
    d = drive(1, reboot=REBOOT, fsize=40, each={"profile": "st"}, stage="DevRebootTime")
    say(d, 1, firmware.DevRebootCountdownAns(countdown=0))
    assert d.device(1).reason == "refused in DevRebootTime: it cannot reboot at that time"
    assert d.questions(1, "DevRebootTime") == ["DevRebootTime"]


def reboot_time(d: Any, off: float | None) -> firmware.DevRebootTimeAns:
    """Answer of a device whose clock is behind by a number of seconds; None: it takes the time for past."""
    return firmware.DevRebootTimeAns(reboot_time=0 if off is None else round(REBOOT - d.now + off))


def asks_time(d: Any, i: int = 1) -> None:
    """Device i asks for the time, as it is told to, and gets it."""
    assert d.asked(i) == RESYNC
    d.sent(d.ask(i))
    d.say(i, d.right_answer(i))
    d.wait(3)
    assert [reply.ask for reply in d.replies(i)] == ["AppTimeAns"]


@pytest.mark.parametrize("off", [None, 86400, -86400 // 2, 13])
def test_a_device_that_would_reboot_at_another_time_is_synchronised_and_asked_again(drive, off) -> None:
    """Clocks that were off by a day were taken for refusals, or for right."""
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    say(d, 1, reboot_time(d, off))
    asks_time(d)
    say(d, 1, reboot_time(d, 0))
    assert (d.stage, d.device(1).reason) == (FRAG, "")
    assert d.questions(1, "DevRebootTime") == ["DevRebootTime", RESYNC, "DevRebootTime"]


@pytest.mark.parametrize(
    ("off", "reason"),
    [
        (None, "clock off: the device takes the reboot time for past, or does not know the time"),
        (3600, "clock off by 3600 s"),
    ],
)
def test_a_clock_that_stays_wrong_fails_the_stage(drive, off, reason) -> None:
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    say(d, 1, reboot_time(d, off))
    asks_time(d)
    say(d, 1, reboot_time(d, off))
    assert d.device(1).reason == reason


@pytest.mark.parametrize("profile", ["generic", "lbm"])
@pytest.mark.parametrize("off", [-11, 0, 11])
def test_a_clock_within_the_tolerance_is_right(drive, off, profile) -> None:
    d = drive(1, reboot=REBOOT, each={"profile": profile}, stage="DevRebootTime")
    say(d, 1, reboot_time(d, off))
    assert d.stage == FRAG


def test_a_stack_that_repeats_the_reboot_time_shows_no_clock(drive) -> None:
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    say(d, 1, firmware.DevRebootTimeAns(reboot_time=int(gps_from_unix(REBOOT)) % 2**32))
    assert d.stage == FRAG


def test_a_clock_that_was_synchronised_for_the_reboot_may_be_synchronised_for_the_session(drive) -> None:
    """The time that was sent may have been lost."""
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    say(d, 1, reboot_time(d, None))
    asks_time(d)
    d.succeed(1)
    d.reach("McClassCSession")
    say(d, 1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=5))
    assert d.asked(1) == RESYNC


def test_a_reboot_after_the_transfer_that_a_clock_refuses_is_synchronised_once(drive) -> None:
    d = drive(1, reboot="after_transfer", each={"profile": "lbm"}, fsize=40, image=bytes(120), stage="Reboot")
    say(d, 1, firmware.DevRebootTimeAns(reboot_time=0))
    asks_time(d)
    d.succeed(1)
    assert d.stage == VERIFY


@pytest.mark.parametrize("clock_error", [86400.0, 43200.0])
def test_a_fleet_with_wrong_clocks_is_updated_at_a_reboot_time(clock_error) -> None:
    """Clocks off by up to a day either way: 10 of 40 devices were refused."""
    fleet = Simulation(seed=5, n_devices=40, clock_error=clock_error)
    config = CampaignConfig.from_mapping(
        {
            "id": "c",
            "fw_version": "2.0.0.0",
            "success_threshold": 80,
            "max_duration": 86400,
            "uplink_period": 300,
            "msg_retries": 5,
            "stage_end": "all",
            "reboot": fleet.start + 30_000,
            "groups": [{"name": "g", "mc_addr": "01f3a4b5", "dr": 5}],
            "devices": fleet.made_up_devices(["g"]),
        }
    )
    result = simulate_campaign(config, bytes(900), fleet)
    assert {device.status for device in result.campaign.status().devices} == {"passed"}


def test_the_acknowledgement_of_a_cancel_is_no_answer_to_a_reboot_time(drive) -> None:
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    d.sent(d.ask(1))
    d.say(1, firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT))
    assert d.asked(1) == "DevRebootTime"


def test_a_reboot_time_is_not_sent_once_it_has_passed(drive) -> None:
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    assert d.ask(1).not_after == REBOOT


def test_a_device_that_said_the_right_version_meanwhile_is_not_asked(drive) -> None:
    d = drive(2, stage="DlFragment")
    d.say(1, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1))
    d.reach("CompletionVerification")
    assert (d.asked(1), d.asked(2)) == ("", "DevVersion")


def test_a_device_that_volunteered_the_version_is_asked_for_its_hardware_if_that_matters(drive) -> None:
    d = drive(1, hw_version=7, stage="DlFragment")
    d.say(1, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=8))
    d.reach("CompletionVerification")
    assert d.asked(1) == "DevVersion"


def test_a_device_that_volunteers_other_hardware_in_verification_is_asked_too(drive) -> None:
    d = drive(1, hw_version=7, stage="CompletionVerification")
    d.wait(30)
    d.say(1, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=8))
    assert d.asked(1) == "DevVersion"
    d.sent(d.ask(1))
    d.say(1, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=8))
    assert d.device(1).reason == "wrong hardware version 8, expected 7"
    assert (d.device(1).status, d.status) == ("failed", "FAILED")


# ---- images ---------------------------------------------------------------------------------------------------


def test_every_participating_device_is_asked_whether_an_image_is_ready(drive) -> None:
    d = drive(3, **FIRMWARE)
    for i in (1, 2, 3):
        request = d.ask(i)
        assert (d.command(request), request.f_port) == (firmware.DevUpgradeImageReq(), 203)
        complete(d, i)
    assert d.stage == VERIFY


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NOT_READY, "image not valid: corrupt or wrongly signed"),
        (firmware.DevUpgradeImageAns(up_image_status=2), "image not valid: for other hardware"),
        (
            firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=OLD_VERSION),
            "image not valid: it is of version 1.0.0.0",
        ),
    ],
)
def test_a_device_that_is_not_ready_still_takes_part_and_if_it_never_is_that_is_its_reason(
    drive, answer, reason
) -> None:
    d = drive(2, **FIRMWARE)
    complete(d, 1)
    for _ in range(2):
        say(d, 2, answer)
        if d.stage == DATA:
            assert d.members() == [1, 2]
            transmit(d)
    assert (d.status, d.device(2).reason) == ("FAILED", reason)


def test_a_device_that_may_reboot_alone_and_has_no_image_is_asked_for_its_version_instead(drive) -> None:
    """The device may have installed the image already."""
    d = drive(2, **FIRMWARE)
    say(d, 1, NONE_STORED)
    assert d.asked(1) == "DevVersion after DevUpgradeImage"
    d.sent(d.ask(1))
    assert d.command(d.requests(1)[-1]) == firmware.DevVersionReq()
    d.say(1, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1))
    assert (d.campaign.status().n_done, d.device(1).data_complete) == (1, True)
    complete(d, 2)
    assert (d.stage, d.asked(1)) == (VERIFY, "")  # it has said so


def test_a_device_without_an_image_that_runs_the_old_version_takes_part_in_the_next_round(drive) -> None:
    d = drive(1, **FIRMWARE)
    say(d, 1, NONE_STORED)
    say(d, 1, firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1))
    assert (d.stage, d.campaign.status().round, d.members()) == (DATA, 2, [1])
    transmit(d)
    say(d, 1, NONE_STORED)
    say(d, 1, firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1))
    assert (d.status, d.device(1).reason) == ("FAILED", "image not valid: none is stored, and it runs 1.0.0.0")


@pytest.mark.parametrize(
    ("profile", "settings", "asked"),
    [
        ("generic", {}, True),  # it is not known whether it reboots alone
        ("lbm", {}, True),
        ("generic", {"reboot": T0 + 50_000}, False),  # it waits for its time
    ],
)
def test_only_a_device_that_may_reboot_alone_is_asked_for_its_version_instead(drive, profile, settings, asked) -> None:
    d = drive(1, each={"profile": profile}, allow_carousel=True, **settings, **FIRMWARE)
    say(d, 1, NONE_STORED)
    assert (d.asked(1) == "DevVersion after DevUpgradeImage") is asked
    assert (d.stage == DATA) is not asked


def test_a_device_that_does_not_tell_its_version_has_no_image(drive) -> None:
    d = drive(1, datafrag_loops_max=1, **FIRMWARE)
    say(d, 1, NONE_STORED)
    for _ in range(3):
        d.sent(d.ask(1))
        d.wait(135)
    d.wait(200)
    assert (d.status, d.device(1).reason) == ("FAILED", "image not valid: none is stored")


def test_the_right_version_counts_without_being_asked_for(drive) -> None:
    d = drive(1, **FIRMWARE)
    d.say(1, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1))
    assert (d.status, d.device(1).status) == ("SUCCEEDED", "passed")


def test_another_version_is_kept_and_is_no_verdict(drive) -> None:
    d = drive(1, **FIRMWARE)
    d.say(1, firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1))
    assert (d.stage, d.asked(1), d.device(1).fw_version) == (UPGRADE, "DevUpgradeImage", OLD_VERSION)


def test_only_ready_devices_are_verified(drive) -> None:
    d = drive(3, success_threshold=60, stage_end="all", **FIRMWARE)
    complete(d, 1)
    lacking(d, 2)
    complete(d, 3)
    assert (d.stage, d.members()) == (VERIFY, [1, 3])


# ---- verdicts and changes of the device's state ----------------------------------------------------------


def read(d: Any, question: questions.Question, command: Any) -> questions.Verdict | None:
    return question.read(d.machine.state, d.state(1), command, d.now)


def test_a_reboot_time_is_confirmed_refused_or_foreign(drive) -> None:
    d = drive(1, reboot=REBOOT)
    question = questions.DEV_REBOOT_TIME
    refused = read(d, question, firmware.DevRebootTimeAns(reboot_time=0))
    assert read(d, question, firmware.DevRebootTimeAns(reboot_time=9)) is questions.OK
    assert (refused.ok, refused.again) == (False, "")
    assert read(d, question, firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT)) is None
    assert read(d, question, firmware.DevRebootCountdownAns(countdown=9)) is None


def test_a_countdown_is_confirmed_refused_or_foreign(drive) -> None:
    d = drive(1, reboot="after_transfer", each={"profile": "st"}, fsize=40, image=bytes(120))
    question = questions.DEV_REBOOT_TIME
    refused = read(d, question, firmware.DevRebootCountdownAns(countdown=0))
    assert read(d, question, firmware.DevRebootCountdownAns(countdown=9)) is questions.OK
    assert (refused.ok, refused.again) == (False, "later")
    assert read(d, question, firmware.DevRebootCountdownAns(countdown=firmware.CANCEL_COUNTDOWN)) is None
    assert read(d, question, firmware.DevRebootTimeAns(reboot_time=9)) is None


def test_a_reboot_that_is_requested_is_recorded_and_a_cancel_ends_it(drive) -> None:
    d = drive(1, reboot=REBOOT)
    state, device = d.machine.state, d.state(1)
    questions.DEV_REBOOT_TIME.sent(state, device, d.now)
    assert (device.reboot_sent, device.reboot_at) == ("time", REBOOT)
    assert questions.DEV_REBOOT_TIME.not_after(state, device) == REBOOT
    assert questions.CANCEL_REBOOT.not_after(state, device) == REBOOT
    questions.CANCEL_REBOOT.done(state, device)
    assert (device.reboot_sent, device.reboot_at) == ("", None)


@pytest.mark.parametrize(
    ("answer", "ok", "reason", "needed"),
    [
        ({"up_image_status": 0}, False, "image not valid: none is stored", 1),
        ({"up_image_status": 1}, False, "image not valid: corrupt or wrongly signed", None),
        ({"up_image_status": 2}, False, "image not valid: for other hardware", None),
        ({"up_image_status": 3, "next_firmware_version": NEW_VERSION}, True, "", None),
        (
            {"up_image_status": 3, "next_firmware_version": OLD_VERSION},
            False,
            "image not valid: it is of version 1.0.0.0",
            None,
        ),
    ],
)
def test_every_status_of_an_image_has_its_verdict(drive, answer, ok, reason, needed) -> None:
    d = drive(1, reboot=REBOOT)
    verdict = read(d, questions.UPGRADE_IMAGE, firmware.DevUpgradeImageAns(**answer))
    assert (verdict.ok, verdict.reason, verdict.needed, verdict.again) == (ok, reason, needed, "")


def test_a_device_that_may_have_rebooted_is_asked_for_its_version_instead_of_its_image(drive) -> None:
    d = drive(1)
    verdict = read(d, questions.UPGRADE_IMAGE, NONE_STORED)
    assert (verdict.again, verdict.first) == ("instead", ("DevVersion after DevUpgradeImage",))
    questions.UPGRADE_IMAGE.again(d.machine.state, d.state(1))
    assert d.state(1).needed == 1


@pytest.mark.parametrize(
    ("version", "ok", "needed", "reason"),
    [
        (NEW_VERSION, True, None, ""),
        (OLD_VERSION, False, 1, "image not valid: none is stored, and it runs 1.0.0.0"),
    ],
)
def test_the_version_in_place_of_an_image_is_a_verdict(drive, version, ok, needed, reason) -> None:
    d = drive(1)
    verdict = read(d, questions.INSTALLED_VERSION, firmware.DevVersionAns(fw_version=version, hw_version=1))
    assert (verdict.ok, verdict.needed, verdict.reason, verdict.fw_version) == (ok, needed, reason, version)


@pytest.mark.parametrize(
    ("old", "version", "ok", "again"),
    [
        (None, NEW_VERSION, True, ""),
        (None, OLD_VERSION, False, "later"),
        (OLD_VERSION, OLD_VERSION, False, "later"),
        (OLD_VERSION, 0x03000000, False, ""),
    ],
)
def test_a_version_is_asked_again_if_it_may_be_the_one_from_before(drive, old, version, ok, again) -> None:
    d = drive(1)
    d.state(1).old_version = old
    verdict = read(d, questions.DEV_VERSION, firmware.DevVersionAns(fw_version=version, hw_version=1))
    assert (verdict.ok, verdict.again, verdict.fw_version) == (ok, again, version)


def test_the_old_version_is_a_sign_of_missing_fragments_in_three_rounds(drive) -> None:
    d = drive(1)
    state, device = d.machine.state, d.state(1)
    for round_no in range(1, 5):
        state.round = round_no
        for _ in range(2):  # The second answer of a round counts no further.
            device.data, device.needed = Data.LIKELY, None
            questions.DEV_VERSION.again(state, device)
        assert device.n_found_old == round_no
        assert (device.data, device.needed) == ((Data.UNKNOWN, 1) if round_no <= 3 else (Data.LIKELY, None))


def test_the_old_version_is_no_sign_of_missing_fragments_on_a_device_with_a_complete_block(drive) -> None:
    d = drive(1)
    device = d.state(1)
    device.data = Data.COMPLETE
    questions.DEV_VERSION.again(d.machine.state, device)
    assert (device.data, device.needed, device.n_found_old) == (Data.COMPLETE, None, 0)


@pytest.mark.parametrize(
    ("answer", "ok"),
    [({}, True), ({"error_no_valid_image": True}, True), ({"error_invalid_version": True}, False)],
)
def test_an_image_is_deleted_unless_it_is_of_another_version(drive, answer, ok) -> None:
    d = drive(1)
    assert read(d, questions.DEV_DELETE_IMAGE, firmware.DevDeleteImageAns(**answer)).ok is ok


def test_a_deleted_image_leaves_no_data(drive) -> None:
    d = drive(1)
    d.state(1).data = Data.COMPLETE
    questions.DEV_DELETE_IMAGE.done(d.machine.state, d.state(1))
    assert d.state(1).data is Data.UNKNOWN
