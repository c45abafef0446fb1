"""Questions for package versions and for the base version of a delta."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION

from fuota_fec.campaign import questions
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import Known, KnownDevice
from fuota_fec.wire import firmware, fragmentation
from fuota_fec.wire.commands import PackageVersionAns, PackageVersionReq


def devices(*settings: dict[str, Any]) -> tuple[Device, ...]:
    return tuple(Device(dev_eui=f"{i + 1:016x}", group="meters", **each) for i, each in enumerate(settings))


def test_only_devices_whose_versions_are_not_known_are_asked_for_them(drive) -> None:
    d = drive(devices=devices({}, {"probe": True}), stage="PackageVersion")
    assert (d.asked(1), d.asked(2)) == ("", "PackageVersion TS005")
    d.succeed(2)
    assert d.questions(2, "PackageVersion") == ["PackageVersion TS005", "PackageVersion TS004"]
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
    assert d.questions(1, "PackageVersion") == ["PackageVersion TS005"]


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
    """The device may have been updated by other means."""
    d = drive(devices=devices({"fw_version": "0.9.0.0"}), requires_fw_version="1.0.0.0", stage="PackageVersion")
    d.succeed(1)
    assert d.stage == "McGroupSetup"


def test_the_packages_versions_come_before_the_firmwares(drive) -> None:
    d = drive(1, each={"probe": True}, requires_fw_version="1.0.0.0")
    d.succeed(1)
    assert d.questions(1, "PackageVersion") == ["PackageVersion TS005", "PackageVersion TS004", "DevVersion"]


# ---- verdicts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "identifier", "version", "reason"),
    [
        (0, 2, 1, ""),
        (0, 2, 2, "other version in PackageVersion: TS005 2.0.0, its group's is 1.0.0"),
        (0, 2, 9, "other version in PackageVersion: TS005 version 9, its group's is 1.0.0"),
        (1, 3, 1, ""),
        (1, 3, 2, "other version in PackageVersion: TS004 2.0.0, its group's is 1.0.0"),
        (0, 3, 1, None),
        (1, 2, 1, None),
    ],
)
def test_a_package_version_is_compared_with_that_of_the_group(drive, question, identifier, version, reason) -> None:
    d = drive(1)
    answer = PackageVersionAns(package_identifier=identifier, package_version=version)
    verdict = questions.PACKAGE_VERSIONS[question].read(d.machine.state, d.state(1), answer, d.now)
    assert (verdict and verdict.reason) == reason
    assert verdict is None or verdict.ok is (reason == "")


@pytest.mark.parametrize(("version", "reason"), [(OLD_VERSION, ""), (NEW_VERSION, "wrong version 2.0.0.0")])
def test_the_base_version_is_compared_with_that_of_the_delta(drive, version, reason) -> None:
    d = drive(1, requires_fw_version="1.0.0.0")
    answer = firmware.DevVersionAns(fw_version=version, hw_version=1)
    verdict = questions.BASE_VERSION.read(d.machine.state, d.state(1), answer, d.now)
    assert (verdict.ok, verdict.reason, verdict.fw_version) == (not reason, reason, version)
