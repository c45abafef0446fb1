from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.devices.durations import session_wait, setup_pacing, setup_time, stage_times
from fuota_fec.planning.schedule import session_start


def _times(campaign: Any) -> dict[str, float]:
    return {stage.name: stage.least for stage in stage_times(campaign)}


def test_stages_of_a_firmware_campaign(plan: SimpleNamespace) -> None:
    wait = 1 + 3 * (2 * 300 + 2 * 60) + 0 + 30  # pacing, tries, late answers, margin
    assert _times(plan.campaign()) == {
        "McGroupSetup": 300,
        "FragSessionSetup": 300,
        "McClassCSession": wait,
        "DlFragment": 131,
        "CompletionVerification": 320,
    }


def test_optional_stages(plan: SimpleNamespace) -> None:
    names = list(_times(plan.campaign(groups=(plan.group(n_coded=0),), reboot="time", reboot_in=1e5)))
    assert names == [
        *("McGroupSetup", "DevRebootTime", "FragSessionSetup", "McClassCSession"),
        *("DlFragment", "UpgradeImage", "CompletionVerification"),
    ]


def test_stages_of_the_other_kinds(plan: SimpleNamespace) -> None:
    assert list(_times(plan.campaign(kind="multicast"))) == ["McGroupSetup", "McClassCSession"]
    binary = _times(plan.campaign(kind="binary"))
    assert list(binary)[-2:] == ["DlFragment", "FragSessionStatus"]
    assert binary["FragSessionStatus"] == 300  # unicast
    asked_at_once = plan.campaign(kind="binary", fsession_status_threshold=0, groups=(plan.group(block_ack_delay=2),))
    assert _times(asked_at_once)["FragSessionStatus"] == 64


def test_the_session_is_named_by_its_class(plan: SimpleNamespace) -> None:
    class_b, class_c = plan.group(device_class="B"), plan.group(name="h")
    assert "McClassBSession" in _times(plan.campaign(groups=(class_b,)))
    both = _times(plan.campaign(plan.device(), plan.device("b", group="h"), groups=(class_b, class_c)))
    assert [name for name in both if "Session" in name and "Mc" in name] == ["McClassCSession"]


def test_the_wait_is_the_one_that_the_schedule_computes(plan: SimpleNamespace) -> None:
    devices = [plan.device(f"{i:016x}", uplink_period=100 + i) for i in range(50)]
    campaign = plan.campaign(*devices, n_needed=40, late_answer_time=149.0, msg_retries=1, ucast_msg_delay=2.5)
    assert session_wait(campaign) == session_start(
        0,
        n_devices=40,
        ucast_msg_delay=2.5,
        msg_retries=1,
        slowest_period=139,
        delivery_timeout=60,
        late_answer_time=149,
        margin=30,
    )


def test_class_b_waits_for_beacons(plan: SimpleNamespace) -> None:
    hasty = {"msg_retries": 0, "delivery_timeout": 0, "mcsession_delay": 0, "ucast_msg_delay": 0}
    device = plan.device(uplink_period=10)
    assert session_wait(plan.campaign(device, **hasty)) == 20
    assert session_wait(plan.campaign(device, groups=(plan.group(device_class="B"),), **hasty)) == 256


def test_a_configured_start_is_waited_for(plan: SimpleNamespace) -> None:
    campaign = plan.campaign(session_start_in=7200.0)
    assert _times(campaign)["McClassCSession"] == 7200 - 600
    assert _times(plan.campaign(session_start_in=100.0))["McClassCSession"] == 0


@pytest.mark.parametrize(("delay", "least"), [(0.0, 300), (1.0, 300), (10.0, 990)])
def test_pacing_or_the_slowest_device_sets_the_pace(plan: SimpleNamespace, delay: float, least: float) -> None:
    devices = [plan.device(f"{i:016x}") for i in range(100)]
    campaign = plan.campaign(*devices, ucast_msg_delay=delay)
    assert _times(campaign)["McGroupSetup"] == least
    assert setup_time(campaign) == 2 * least
    assert setup_pacing(campaign) == 3 * 99 * delay


def test_who_asks_for_versions_has_a_stage_for_it(plan: SimpleNamespace) -> None:
    for kind in ("multicast", "binary", "firmware"):
        assert next(iter(_times(plan.campaign(kind=kind, asks_versions=True)))) == "PackageVersion"
        assert "PackageVersion" not in _times(plan.campaign(kind=kind))
