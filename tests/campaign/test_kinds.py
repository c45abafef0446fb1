"""Three kinds of campaign, one engine: which stages there are, in which order, and who is asked what in them."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import Configured, Finished, Known, KnownDevice, NetworkCapabilities, StageStarted
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.commands import PackageVersionAns, PackageVersionReq

T0 = 1_800_000_000.0
REBOOT = T0 + 50_000
OLD_VERSION, NEW_VERSION = 0x01000000, 0x02000000
DATA = ["FragSessionSetup", "McClassCSession", "DlFragment"]

EXPECTED = [
    ("multicast", {}, ["McGroupSetup", "McClassCSession"]),
    ("multicast", {"redundancy": 0}, ["McGroupSetup", "McClassCSession"]),
    ("binary", {}, ["McGroupSetup", *DATA, "FragSessionStatus"]),
    ("binary", {"redundancy": 0}, ["McGroupSetup", *DATA, "FragSessionStatus"]),
    ("firmware", {}, ["McGroupSetup", *DATA, "CompletionVerification"]),
    ("firmware", {"redundancy": 0}, ["McGroupSetup", *DATA, "UpgradeImage", "CompletionVerification"]),
    ("firmware", {"reboot": REBOOT}, ["McGroupSetup", "DevRebootTime", *DATA, "CompletionVerification"]),
    (
        "firmware",
        {"reboot": REBOOT, "redundancy": 0},
        ["McGroupSetup", "DevRebootTime", *DATA, "UpgradeImage", "CompletionVerification"],
    ),
]
PROBES = [
    ({"each": {"probe": True}}, True),
    ({"requires_fw_version": "1.0.0.0"}, True),
    ({"each": {"fw_version": "1.0.0.0"}}, False),
    ({}, False),
]


def stages(d: Any) -> list[str]:
    return [event.stage for event in d.of(StageStarted)]


def name(values: tuple[str, dict[str, Any], list[str]]) -> str:
    return "-".join([values[0], *values[1]])


@pytest.mark.parametrize("device_class", ["B", "C"])
@pytest.mark.parametrize("expected", EXPECTED, ids=name)
@pytest.mark.parametrize(("settings", "probed"), PROBES, ids=["probe", "delta", "version known", "nothing known"])
def test_the_stages_of_each_kind_come_in_order(drive, group_of, device_class, expected, settings, probed) -> None:
    """PackageVersion only for devices whose versions are to be asked, or of which a delta requires one."""
    kind, changes, names = expected
    d = drive(2, kind=kind, groups=(group_of(device_class=device_class),), **changes, **settings)
    d.reach("end")
    names = [stage.replace("McClassC", f"McClass{device_class}") for stage in names]
    assert stages(d) == (["PackageVersion", *names] if probed else names)
    assert list(d.campaign.status().stages) == stages(d)
    assert (d.status, d.campaign.status().n_stages_completed) == ("SUCCEEDED", len(stages(d)))
    assert [device.status for device in d.campaign.status().devices] == ["passed", "passed"]


def test_groups_of_both_classes_share_one_session_stage_named_by_class_c(drive, group_of) -> None:
    groups = (group_of("b", device_class="B"), group_of("c", mc_addr="01f3a4b6", mc_group_id=1))
    d = drive(2, groups=groups, kind="multicast", stage="McClassCSession")
    assert isinstance(d.command(d.ask(1)), multicast.McClassBSessionReq)
    assert isinstance(d.command(d.ask(2)), multicast.McClassCSessionReq)
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_campaign_of_both_redundancies_has_the_stage_of_the_one_without(drive, group_of) -> None:
    groups = (group_of("fec"), group_of("carousel", mc_addr="01f3a4b6", redundancy=0))
    d = drive(2, groups=groups, stage="UpgradeImage")
    assert (d.asked(1), d.asked(2)) == ("", "DevUpgradeImage")
    d.reach("end")
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("kind", ["multicast", "binary", "firmware"])
@pytest.mark.parametrize("reports", [True, False])
def test_every_kind_is_the_same_on_a_network_without_reports(drive, kind, reports) -> None:
    network = NetworkCapabilities(sent_reports=reports, summaries=reports, owns_f_cnt=not reports, withdraws=reports)
    d = drive(3, kind=kind, network=network)
    d.reach("end")
    assert d.of(Finished)[0].status == "SUCCEEDED"


# ---- multicast setup -------------------------------------------------------------------------------------


def test_a_multicast_setup_sends_no_image(drive) -> None:
    d = drive(2, kind="multicast")
    d.reach("end")
    assert d.of(Configured)[0].image_len == 0
    assert d.frames() == []
    assert d.campaign.next_f_cnt("meters") == 0


def test_a_multicast_setup_lets_the_group_count_as_far_as_it_can(drive) -> None:
    d = drive(1, kind="multicast")
    command = d.command(d.ask(1))
    assert (command.min_mc_fcnt, command.max_mc_fcnt) == (0, 0xFFFFFFFF)


def test_a_multicast_setup_asks_every_device_for_the_session(drive) -> None:
    d = drive(3, kind="multicast", stage="McClassCSession")
    assert [d.asked(i) for i in (1, 2, 3)] == ["McSession"] * 3


# ---- PackageVersion --------------------------------------------------------------------------------------


def devices(*settings: dict[str, Any]) -> tuple[Device, ...]:
    return tuple(Device(dev_eui=f"{i + 1:016x}", group="meters", **each) for i, each in enumerate(settings))


def test_only_devices_whose_versions_are_not_known_are_asked_for_them(drive) -> None:
    d = drive(devices=devices({}, {"probe": True}), stage="PackageVersion")
    assert (d.asked(1), d.asked(2)) == ("", "PackageVersion TS005")
    d.succeed(2)
    assert d.asks(2, "PackageVersion") == ["PackageVersion TS005", "PackageVersion TS004"]
    assert d.stage == "McGroupSetup"


def test_the_versions_are_asked_on_the_ports_of_their_packages(drive) -> None:
    d = drive(1, each={"probe": True})
    d.succeed(1)
    first, second = d.requests(1, "PackageVersion")
    assert (first.f_port, second.f_port) == (200, 201)
    assert first.command == second.command == PackageVersionReq().encode()


def test_a_multicast_setup_asks_only_for_the_version_of_ts005(drive) -> None:
    d = drive(1, kind="multicast", each={"probe": True})
    d.succeed(1)
    assert d.asks(1, "PackageVersion") == ["PackageVersion TS005"]


@pytest.mark.parametrize(
    ("group", "says", "reason"),
    [
        ({}, (2, 2), "TS005 2.0.0, its group's is 1.0.0"),
        ({"mc_version": "2.0.0"}, (2, 1), "TS005 1.0.0, its group's is 2.0.0"),
        ({}, (2, 9), "TS005 version 9, its group's is 1.0.0"),
        ({"version": "2.0.0"}, (3, 1), "TS004 1.0.0, its group's is 2.0.0"),
    ],
)
def test_a_device_of_another_version_than_its_groups_is_left_out(drive, group_of, group, says, reason) -> None:
    d = drive(2, groups=(group_of(**group),), each={"probe": True}, success_threshold=50, stage_end="all")
    identifier, version = says
    d.sent(d.ask(1))
    if identifier == fragmentation.PACKAGE_IDENTIFIER:
        d.say(1, d.right_answer(1))
        d.sent(d.ask(1))
    d.say(1, PackageVersionAns(package_identifier=identifier, package_version=version))
    d.succeed(2)
    assert d.device(1).reason == f"other version in PackageVersion: {reason}"
    assert (d.device(1).status, d.stage, d.members()) == ("failed", "McGroupSetup", [2])


def test_the_answer_of_another_package_is_foreign(drive) -> None:
    d = drive(1, each={"probe": True})
    d.sent(d.ask(1))
    d.say(1, PackageVersionAns(package_identifier=3, package_version=1))
    assert d.asked(1) == "PackageVersion TS005"
    assert d.campaign.ignored["PackageVersionAns"] == 1


# ---- the base of a delta ---------------------------------------------------------------------------------


def test_a_device_with_another_version_than_the_base_is_refused_at_the_start(drive) -> None:
    d = drive(2, requires_fw_version="1.0.0.0", success_threshold=50, stage_end="all", stage="PackageVersion")
    assert d.command(d.ask(1)) == firmware.DevVersionReq()
    d.sent(d.ask(1))
    d.say(1, firmware.DevVersionAns(fw_version=0x01000001, hw_version=1))
    d.succeed(2)
    assert (d.device(1).status, d.device(1).reason) == ("failed", "wrong version 1.0.0.1")
    assert d.device(1).fw_version == 0x01000001
    assert (d.stage, d.members()) == ("McGroupSetup", [2])


def test_a_device_that_is_known_to_run_the_base_is_not_asked_for_it(drive) -> None:
    known = Known(devices={f"{2:016x}": KnownDevice(fw_version=OLD_VERSION)})
    settings = devices({"fw_version": "1.0.0.0"}, {}, {})
    d = drive(devices=settings, known=known, requires_fw_version="1.0.0.0", stage="PackageVersion")
    assert [d.asked(i) for i in (1, 2, 3)] == ["", "", "DevVersion"]


def test_a_device_that_is_thought_to_run_another_version_is_asked_all_the_same(drive) -> None:
    """It may have been updated meanwhile by somebody else."""
    d = drive(devices=devices({"fw_version": "0.9.0.0"}), requires_fw_version="1.0.0.0", stage="PackageVersion")
    d.succeed(1)
    assert d.stage == "McGroupSetup"


def test_the_packages_versions_come_before_the_firmwares(drive) -> None:
    d = drive(1, each={"probe": True}, requires_fw_version="1.0.0.0")
    d.succeed(1)
    assert d.asks(1, "PackageVersion") == ["PackageVersion TS005", "PackageVersion TS004", "DevVersion"]


# ---- DevRebootTime ---------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("profile", ["generic", "st"])
def test_a_device_that_cannot_reboot_at_that_time_fails_the_stage(drive, profile) -> None:
    d = drive(1, reboot=REBOOT, fsize=40, each={"profile": profile}, stage="DevRebootTime")
    d.sent(d.ask(1))
    cannot = firmware.DevRebootCountdownAns(countdown=0), firmware.DevRebootTimeAns(reboot_time=0)
    d.say(1, cannot[profile == "generic"])
    assert d.device(1).reason == "refused in DevRebootTime: it cannot reboot at that time"


def test_the_acknowledgement_of_a_cancel_is_no_answer_to_a_reboot_time(drive) -> None:
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    d.sent(d.ask(1))
    d.say(1, firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT))
    assert d.asked(1) == "DevRebootTime"


def test_a_reboot_time_is_not_sent_once_it_has_passed(drive) -> None:
    d = drive(1, reboot=REBOOT, stage="DevRebootTime")
    assert d.ask(1).not_after == REBOOT


# ---- CompletionVerification ------------------------------------------------------------------------------


def test_with_a_reboot_time_nothing_is_asked_before_it_has_come(drive) -> None:
    d = drive(1, reboot=REBOOT, stage="CompletionVerification")
    d.wait_until(REBOOT - 1)
    d.up(1)
    assert d.requests() == []
    d.wait(1)
    d.up(1)
    assert d.asks(1) == ["DevVersion"]


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
