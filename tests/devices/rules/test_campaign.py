from __future__ import annotations

from types import SimpleNamespace

import pytest


def test_empty_image(plan: SimpleNamespace) -> None:
    [finding] = plan.found(plan.campaign(image_len=0), "image")
    assert (finding.severity, finding.group, finding.devices) == ("refuse", None, ())
    assert finding.message == "the image is empty, expected at least one byte"


@pytest.mark.parametrize(
    ("max_duration", "severity"), [(2321, "refuse"), (2322, "warn"), (2921, "warn"), (2922, None), (1e6, None)]
)
def test_max_duration(plan: SimpleNamespace, max_duration: float, severity: str | None) -> None:
    """2191 s until the session, 131 s of transmission, and before both 2 × 300 s of setup."""
    findings = plan.found(plan.campaign(max_duration=max_duration), "max_duration")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_max_duration_with_a_configured_start(plan: SimpleNamespace) -> None:
    [finding] = plan.found(plan.campaign(session_start_in=5000, max_duration=5130), "max_duration")
    assert finding.severity == "refuse"
    assert "take 5131 s, max_duration is 5130 s" in finding.message
    assert "a delta" in finding.remedy
    assert not plan.found(plan.campaign(session_start_in=5000, max_duration=5131), "max_duration")


def test_max_duration_of_a_multicast_setup_has_no_transmission(plan: SimpleNamespace) -> None:
    assert not plan.found(plan.campaign(kind="multicast", max_duration=2191 + 300), "max_duration")


@pytest.mark.parametrize(("start", "severity"), [(2, "refuse"), (3, "warn"), (899, "warn"), (900, None), (None, None)])
def test_session_start(plan: SimpleNamespace, start: float | None, severity: str | None) -> None:
    """Two devices, a second between requests, three stages; an uplink every 300 s."""
    devices = [plan.device(eui) for eui in plan.euis[:2]]
    findings = plan.found(plan.campaign(*devices, session_start_in=start), "session_start")
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


@pytest.mark.parametrize(("reboot_in", "refused"), [(3222, True), (3223, False), (None, False)])
def test_reboot_time(plan: SimpleNamespace, reboot_in: float | None, refused: bool) -> None:
    """3 × 300 s of setup, 2191 s until the session, 131 s of transmission; what follows may lie behind the reboot."""
    findings = plan.found(plan.campaign(reboot="time", reboot_in=reboot_in), "reboot_time")
    assert [finding.severity for finding in findings] == ["refuse"] * refused
    assert not plan.found(plan.campaign(reboot="after_transfer", reboot_in=1), "reboot_time")


def test_clock_sync(plan: SimpleNamespace) -> None:
    [finding] = plan.found(plan.campaign(network_clock_sync=True), "clock_sync")
    assert finding.severity == "warn"
    assert not plan.found(plan.campaign(), "clock_sync")


def test_stage_durations(plan: SimpleNamespace) -> None:
    [finding] = plan.found(plan.campaign(), "stage_durations")
    assert finding.severity == "info"
    assert finding.message == (
        "least duration of the stages: McGroupSetup 300 s, FragSessionSetup 300 s, McClassCSession 2191 s, "
        "DlFragment 131 s, CompletionVerification 320 s; in all 3242 s"
    )
    assert finding.remedy == ""
