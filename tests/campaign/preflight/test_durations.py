from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.campaign.preflight.context import Context
from fuota_fec.campaign.preflight.durations import (
    session_begins,
    session_wait,
    setup_pacing,
    setup_time,
    stage_times,
    transmission_end,
)
from fuota_fec.campaign.stages import planned_stages
from fuota_fec.planning.schedule import session_start
from fuota_fec.planning.unicast import Tries

WAIT = 1548
"""Time by which one device has confirmed with a probability of 99.5 %, after two setup stages without losses."""
FIRST_ROUND = 130.37
"""3 + 2 s before the first frame, 25 spacings of 5 s, and the last frame."""


def about(seconds: float) -> Any:
    return pytest.approx(seconds, abs=0.01)


def times(context: Context) -> dict[str, float]:
    return {time.stage.name: time.least for time in stage_times(context)}


def times_of(sound: SimpleNamespace, *devices: Any, **settings: Any) -> dict[str, float]:
    return times(sound.context(sound.config(*devices, **settings)))


def test_least_durations_of_a_firmware_campaign(sound: SimpleNamespace) -> None:
    assert times_of(sound) == {
        "McGroupSetup": 300,
        "FragSessionSetup": 300,
        "McClassCSession": 300,
        "DlFragment": about(WAIT - 300 + FIRST_ROUND),
        "CompletionVerification": 320,
    }


def test_a_reboot_time_and_a_missing_redundancy_add_stages(sound: SimpleNamespace) -> None:
    assert list(times_of(sound, redundancy=0, reboot=sound.now + 1e5)) == [
        *("McGroupSetup", "DevRebootTime", "FragSessionSetup", "McClassCSession"),
        *("DlFragment", "UpgradeImage", "CompletionVerification"),
    ]


def test_stages_of_a_multicast_setup(sound: SimpleNamespace) -> None:
    assert list(times_of(sound, kind="multicast")) == ["McGroupSetup", "McClassCSession"]


def test_the_status_of_a_binary_transfer_takes_a_period_or_the_spread_of_the_answers(sound: SimpleNamespace) -> None:
    by_unicast = times_of(sound, kind="binary")
    assert list(by_unicast)[-2:] == ["DlFragment", "FragSessionStatus"]
    assert by_unicast["FragSessionStatus"] == 300
    devices = [sound.device(f"{i:016x}") for i in range(600)]
    together = times_of(sound, *devices, kind="binary", fsession_status_threshold=0)
    assert together["FragSessionStatus"] == 64


def test_the_session_stage_is_named_by_class_c_if_there_is_one(sound: SimpleNamespace) -> None:
    class_b, class_c = sound.group(device_class="B"), sound.group(name="h", mc_addr="01f3a4b6")
    assert "McClassBSession" in times_of(sound, groups=(class_b,))
    both = times_of(
        sound, sound.device(), sound.device(f"{1:016x}", group="h"), groups=(class_b, class_c), max_duration=1e6
    )
    assert [name for name in both if "Session" in name and "Mc" in name] == ["McClassCSession"]


@pytest.mark.parametrize("kind", ["multicast", "binary", "firmware"])
def test_every_planned_stage_that_is_not_spare_has_a_duration(sound: SimpleNamespace, kind: str) -> None:
    context = sound.context(sound.config(kind=kind, unicast_repair_max=3, redundancy="adaptive"))
    planned = planned_stages(context.config, context.plan)
    assert list(times(context)) == [stage.name for stage in planned if not stage.spare]
    assert any(stage.spare for stage in planned) == (kind != "multicast")


def test_the_wait_for_a_session_is_the_one_of_the_schedule(sound: SimpleNamespace) -> None:
    devices = [sound.device(f"{i:016x}", uplink_period=100 + i) for i in range(50)]
    config = sound.config(
        *devices, success_threshold=80, stage_complete_delay=2, msg_retries=1, ucast_msg_delay=2500, uplink_period=1
    )
    start = session_start(
        0,
        periods={100 + i: 1 for i in range(39)} | {139: 11},
        losses=Tries(n_sent=2 * 50).losses(),
        ucast_msg_delay=2.5,
        msg_retries=1,
        delivery_timeout=60,
        late_answer_time=2 * 139,
        margin=30,
    )
    context = sound.context(config)
    assert (session_wait(context), context.planned_start) == (start.at, start)
    assert session_begins(context) == setup_time(context) + start.at
    assert session_begins(sound.context(replace(config, session_start=sound.now + 9), now=sound.now)) == 9


def test_known_losses_enter_the_wait_for_a_session(sound: SimpleNamespace) -> None:
    waits = [session_wait(sound.context(sound.config(loss=loss, msg_retries=9))) for loss in (0.01, None, 0.3)]
    assert waits == sorted(set(waits))


def test_a_class_b_session_waits_for_two_beacon_periods(sound: SimpleNamespace) -> None:
    hasty = {"msg_retries": 0, "delivery_timeout": 0, "mcsession_delay": 0, "ucast_msg_delay": 0}
    device = sound.device(uplink_period=10)
    assert session_wait(sound.context(sound.config(device, **hasty))) == 19
    class_b = (sound.group(device_class="B"),)
    assert session_wait(sound.context(sound.config(device, groups=class_b, **hasty))) == 256


def test_a_configured_session_start_is_waited_for(sound: SimpleNamespace) -> None:
    """The devices confirm in the session stage; the rest of the wait passes in the stage of the fragments."""
    for start_in, confirming, rest in ((7200.0, 300, 6300), (700.0, 100, 0), (100.0, 0, 0)):
        config = sound.config(session_start=sound.now + start_in)
        least = times(sound.context(config, now=sound.now))
        assert (least["McClassCSession"], least["DlFragment"]) == (confirming, about(rest + FIRST_ROUND))
        without_clock = times(sound.context(config))
        assert without_clock["DlFragment"] == about(WAIT - 300 + FIRST_ROUND)


@pytest.mark.parametrize("settings", [{"redundancy": 0}, {"kind": "binary", "redundancy": 0}, {"kind": "binary"}])
def test_the_stage_of_the_fragments_takes_one_round_without_status_requests(
    sound: SimpleNamespace, settings: dict[str, Any]
) -> None:
    n_frames = 21 if settings.get("redundancy") == 0 else 26
    context = sound.context(sound.config(fsession_status_threshold=0, **settings))
    in_stage = times(context)["DlFragment"] + times(context)["McClassCSession"] - session_wait(context)
    assert in_stage == about(5 + (n_frames - 1) * 5 + 0.37)


def test_a_multicast_setup_ends_before_the_session_begins(sound: SimpleNamespace) -> None:
    assert times_of(sound, kind="multicast") == {"McGroupSetup": 300, "McClassCSession": 300}


@pytest.mark.parametrize(("delay_ms", "least"), [(0, 300), (1000, 300), (10_000, 990)])
def test_pacing_or_the_slowest_device_sets_the_pace_of_a_stage(
    sound: SimpleNamespace, delay_ms: float, least: float
) -> None:
    devices = [sound.device(f"{i:016x}") for i in range(100)]
    context = sound.context(sound.config(*devices, ucast_msg_delay=delay_ms))
    assert times(context)["McGroupSetup"] == least
    assert setup_time(context) == 2 * least
    assert setup_pacing(context) == 3 * 99 * delay_ms / 1000


@pytest.mark.parametrize("kind", ["multicast", "binary", "firmware"])
def test_a_campaign_that_asks_for_versions_begins_with_a_stage_for_it(sound: SimpleNamespace, kind: str) -> None:
    probing = times_of(sound, sound.device(probe=True), kind=kind)
    assert next(iter(probing)) == "PackageVersion"
    assert "PackageVersion" not in times_of(sound, kind=kind)


def test_the_transmission_ends_after_setup_session_and_frames(sound: SimpleNamespace) -> None:
    context = sound.context(sound.config(redundancy=0, datafrag_loops_max=1, reboot="after_transfer"))
    assert transmission_end(context) == about(2 * 300 + WAIT + 5 + 20 * 5 + 0.37)


def test_the_transmission_ends_after_all_rounds(sound: SimpleNamespace) -> None:
    """Nothing is lost in the least duration of the stage; a reboot must lie after the rounds that may follow."""
    context = sound.context(sound.config(redundancy=0, datafrag_loops_max=2, reboot="after_transfer"))
    assert transmission_end(context) == about(2 * 300 + WAIT + 5 + 41 * 5 + 0.37)
