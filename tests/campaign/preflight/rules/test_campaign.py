from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.devices.profiles import profile

TRANSMISSION = {"session_length": 131.0}


def test_the_name_of_a_built_in_profile_is_refused_for_ones_own(sound: SimpleNamespace) -> None:
    """Before the start only: a later version may have a built-in profile of a name that a journal has."""
    config = sound.config(sound.device(stack="lbm"), profiles=(profile("lbm").replace(max_frags=850),))
    assert config.profile_of(config.devices[0]).max_frags == 850
    [finding] = sound.found(config, "profile_names")
    assert finding.severity == "refuse"
    assert finding.message == "profiles: 'lbm' is the name of a built-in profile, expected another name"
    assert sound.found(sound.config(), "profile_names") == []


@pytest.mark.parametrize(
    ("max_duration", "severity"), [(1678, "refuse"), (1679, "warn"), (2278, "warn"), (2279, None), (1e6, None)]
)
def test_max_duration_holds_the_wait_and_the_stages(
    sound: SimpleNamespace, max_duration: float, severity: str | None
) -> None:
    """1548 s until the session, 131 s of transmission, and before both 2 × 300 s of setup."""
    findings = sound.found(sound.config(max_duration=max_duration), "max_duration", changes=TRANSMISSION)
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_max_duration_holds_a_configured_session_start(sound: SimpleNamespace) -> None:
    for max_duration, severities in ((5130, ["refuse"]), (5131, [])):
        config = sound.config(session_start=sound.now + 5000, max_duration=max_duration)
        findings = sound.found(config, "max_duration", changes=TRANSMISSION, now=sound.now)
        assert [finding.severity for finding in findings] == severities
        for finding in findings:
            assert "take 5131 s, max_duration is 5130 s" in finding.message
            assert "a delta" in finding.remedy


def test_max_duration_of_a_multicast_setup_holds_no_transmission(sound: SimpleNamespace) -> None:
    assert not sound.found(sound.config(kind="multicast", max_duration=1557 + 300), "max_duration")


@pytest.mark.parametrize(
    ("start", "severity"), [(2, "refuse"), (899, "refuse"), (900, "warn"), (2223, "warn"), (2224, None), (None, None)]
)
def test_a_session_start_leaves_time_for_the_requests(
    sound: SimpleNamespace, start: float | None, severity: str | None
) -> None:
    """Two devices, a second between requests, three stages; an uplink every 300 s."""
    devices = [sound.device(eui) for eui in sound.euis[:2]]
    config = sound.config(*devices, session_start=None if start is None else sound.now + start)
    findings = sound.found(config, "session_start", now=sound.now)
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    assert not sound.found(config, "session_start")


@pytest.mark.parametrize(("reboot_in", "refused"), [(2570, True), (2571, False)])
def test_a_reboot_time_lies_after_the_transmission(sound: SimpleNamespace, reboot_in: float, refused: bool) -> None:
    """3 × 300 s of setup, 1539 s until the session, 131 s of transmission; later stages may lie behind the reboot."""
    config = sound.config(reboot=sound.now + reboot_in)
    findings = sound.found(config, "reboot_time", changes=TRANSMISSION, now=sound.now)
    assert [finding.severity for finding in findings] == ["refuse"] * refused


def test_a_reboot_time_is_checked_where_there_are_clock_and_time(sound: SimpleNamespace) -> None:
    assert not sound.found(sound.config(reboot=sound.now + 1), "reboot_time")
    assert not sound.found(sound.config(reboot="after_transfer"), "reboot_time", now=sound.now)


def test_a_network_that_answers_clock_synchronisation_is_warned_of(sound: SimpleNamespace) -> None:
    [finding] = sound.found(sound.config(), "clock_sync", network=NetworkCapabilities(clock_sync=True))
    assert (finding.severity, finding.group, finding.devices) == ("warn", None, ())
    assert not sound.found(sound.config(), "clock_sync", network=NetworkCapabilities())
    assert not sound.found(sound.config(), "clock_sync")


def test_the_least_durations_of_the_stages_are_listed(sound: SimpleNamespace) -> None:
    [finding] = sound.found(sound.config(), "stage_durations")
    assert finding.severity == "info"
    assert finding.message == (
        "least duration of the stages: McGroupSetup 300 s, FragSessionSetup 300 s, McClassCSession 300 s, "
        "DlFragment 1378 s, CompletionVerification 320 s; in all 2598 s"
    )
    assert finding.remedy == ""


def test_an_update_is_refused_where_too_few_devices_can_report_their_version(sound: SimpleNamespace) -> None:
    """Devices without TS006 fail, so the threshold cannot be met; a device that runs the target counts."""
    a, b, c = sound.euis

    def severities(*stacks: str, **settings: Any) -> list[str]:
        devices = [sound.device(eui, stack) for eui, stack in zip(sound.euis, stacks, strict=False)]
        return [finding.severity for finding in sound.found(sound.config(*devices, **settings), "versions")]

    assert severities("zephyr", "lbm", "lbm") == ["refuse"]
    assert severities("zephyr", "lbm", "lbm", success_threshold=67) == ["refuse"]
    assert severities("zephyr", "lbm", "lbm", success_threshold=66) == []
    assert severities("generic", "lbm", "st") == []
    assert severities("zephyr", kind="binary", fw_version=None) == []
    runs_it = sound.config(sound.device(a, "zephyr", fw_version=2), sound.device(b), sound.device(c))
    assert sound.found(runs_it, "versions") == []


def test_the_refusal_names_the_stacks_and_what_would_be_right(sound: SimpleNamespace) -> None:
    a, b, c = sound.euis
    mine = profile("mbed").replace(name="valve")
    devices = (sound.device(a, "zephyr"), sound.device(b, "valve"), sound.device(c))
    [finding] = sound.found(sound.config(*devices, profiles=(mine,)), "versions")
    assert finding.message == (
        "1 of 3 devices can report which version runs, expected 3 or more: zephyr, valve devices have no TS006"
    )
    assert finding.remedy == (
        'Set kind = "binary", which asks for the fragments instead, or, if their application has the package, give the '
        'devices a profile of their own: [profiles.NAME] with base = "zephyr" and ts006 = true and set ts006 = true in '
        "[profiles.valve]."
    )


def test_a_profile_with_the_package_is_enough(sound: SimpleNamespace) -> None:
    mine = profile("zephyr").replace(name="meter", ts006=True)
    assert sound.found(sound.config(sound.device(stack="meter"), profiles=(mine,)), "versions") == []


def test_an_update_is_refused_where_too_few_devices_reboot_into_it(sound: SimpleNamespace) -> None:
    """ST's 2.0.0 template installs when it is told to; the campaign requests a reboot only if it is configured."""

    def found(stack: str, **settings: Any) -> list[Finding]:
        devices = (sound.device(sound.euis[0], stack), sound.device(sound.euis[1]))
        return sound.found(sound.config(*devices, **settings), "reboots")

    [finding] = found("st-v2")
    assert finding.severity == "refuse"
    assert finding.message == (
        "1 of 2 devices reboot into the image, expected 2 or more: st-v2 devices reboot on request only, and the "
        "campaign sends no such request"
    )
    assert finding.remedy == (
        'Set reboot = "after_transfer", or a time, or, if their application reboots when the image is complete, give '
        'the devices a profile of their own: [profiles.NAME] with base = "st-v2" and reboots_alone = true.'
    )
    assert found("st-v2", success_threshold=50) == found("st-v2", reboot="after_transfer") == found("st") == []
    mine = profile("st-v2").replace(name="valve", reboots_alone=True)
    assert found("valve", profiles=(mine,)) == []
