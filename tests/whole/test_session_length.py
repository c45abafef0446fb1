"""A schedule, the pre-flight check and a running campaign agree on TimeOut and duration of the same frames."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.plan import make_plan
from fuota_fec.campaign.preflight.context import Context
from fuota_fec.campaign.preflight.durations import session_wait
from fuota_fec.cli.app import app
from fuota_fec.codec.block import n_coded_of
from fuota_fec.planning.fleet_schedule import Sending, fleet_schedule
from fuota_fec.planning.schedule import session_time_out
from fuota_fec.simulation import Simulation, simulate_campaign

NETWORKS: dict[str, m.NetworkCapabilities | None] = {
    "unknown": None,
    "states nothing": m.NetworkCapabilities(),
    "no summaries": m.NetworkCapabilities(summaries=False),
    "summaries every 2 s": m.NetworkCapabilities(summary_cadence=2.0),
    "summaries every 60 s": m.NetworkCapabilities(summary_cadence=60.0),
    "a frame every 10 s": m.NetworkCapabilities(pacing=10.0),
}


def planned(n_devices: int, image_len: int, network: m.NetworkCapabilities | None, **settings: Any) -> int:
    """TimeOut of the campaign's first session."""
    group = settings.pop("group")
    devices = [{"dev_eui": f"{i:016x}", "group": "g"} for i in range(n_devices)]
    config = CampaignConfig.from_mapping(
        {
            "id": "c",
            "success_threshold": 90,
            "max_duration": 8_000_000,
            "uplink_period": 300,
            "groups": [{"name": "g", "mc_addr": "01f3a4b5", **group}],
            "devices": devices,
            **settings,
        }
    )
    plan = make_plan(config, image_len, network=network).groups["g"]
    need = plan.session_need(plan.n_frames, 1)
    return session_time_out(plan.session_length, need, plan.group.device_class)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("kind", ["firmware", "binary"])
@pytest.mark.parametrize("redundancy", ["5/6", "1/2", "1"])
@pytest.mark.parametrize(
    ("dr", "device_class", "n_devices", "image_len"),
    [(5, "C", 10, 20_000), (5, "C", 3, 20_000), (0, "C", 100, 2_000), (3, "B", 10, 5_000)],
)
def test_schedule_and_campaign_agree_on_time_out(
    network: m.NetworkCapabilities | None,
    kind: Any,
    redundancy: str,
    dr: int,
    device_class: str,
    n_devices: int,
    image_len: int,
) -> None:
    capabilities = network or m.NetworkCapabilities(summaries=False)
    sending = Sending(
        kind=kind,
        network_pacing=capabilities.pacing,
        summary_cadence=(capabilities.summary_cadence or 0.0) if capabilities.summaries else 0.0,
        periodicity=4 if device_class == "B" else None,
    )
    [group] = fleet_schedule(
        image_len,
        {dr: n_devices},
        [[dr]],
        n_coded=lambda n_frags: n_coded_of(redundancy, n_frags),
        sending=sending,
    ).groups
    settings: dict[str, Any] = {"redundancy": redundancy, "kind": kind}
    if kind == "firmware":
        settings["fw_version"] = "2.0.0.0"
    campaign = planned(
        n_devices,
        image_len,
        network,
        group={"dr": dr, "device_class": device_class, "periodicity": 4},
        **settings,
    )
    assert group.time_out == campaign


def test_20_kilobytes_at_dr5_take_a_session_of_1024_s() -> None:
    group = {"dr": 5}
    for network in (None, m.NetworkCapabilities(), m.NetworkCapabilities(summary_cadence=2.0)):
        assert (
            planned(10, 20_000, network, group=group, redundancy="5/6", fw_version="2.0.0.0", max_duration=86_400) == 10
        )


# ---- in the simulator ------------------------------------------------------------------------------------

FREQUENCY = 869_525_000
DURATION = re.compile(r"(\w+) (\d+) s")


def simulated(n_devices: int, image_len: int, dr: int, settings: dict[str, Any]) -> tuple[CampaignConfig, Any]:
    simulation = Simulation(seed=1, n_devices=n_devices, own_uplinks=False)
    config = CampaignConfig.from_mapping(
        {
            "id": "c",
            "success_threshold": 100,
            "max_duration": 100_000,
            "uplink_period": 60,
            "ucast_msg_delay": 0,
            **({"fw_version": "2.0.0.0"} if settings.get("kind", "firmware") == "firmware" else {}),
            "groups": [{"name": "g", "mc_addr": "01f3a4b5", "dr": dr, "frequency": FREQUENCY}],
            "devices": simulation.made_up_devices(["g"]),
            **settings,
        }
    )
    return config, simulate_campaign(config, bytes(image_len), simulation)


@pytest.mark.parametrize("dr", [2, 5])
@pytest.mark.parametrize(
    ("size", "settings"),
    [
        *((size, {"redundancy": rate}) for size in ("small", "large") for rate in ("1/2", "3/4", "5/6", "7/8")),
        ("small", {"redundancy": "1", "allow_carousel": True}),
        ("small", {"kind": "binary", "msg_retries": 5}),
        ("small", {"kind": "binary", "msg_retries": 5, "redundancy": "1", "allow_carousel": True}),
        ("small", {"redundancy": "1/2", "frag_redundancy_max": 7}),
    ],
    ids=str,
)
def test_schedule_pre_flight_and_a_run_agree(dr: int, size: str, settings: dict[str, Any]) -> None:
    """The large images have more coded fragments at a code rate of 1/2 than a campaign sends."""
    image_len = {("small", 2): 1000, ("large", 2): 20_000, ("small", 5): 5000, ("large", 5): 100_000}[size, dr]
    n_devices = 6
    config, result = simulated(n_devices, image_len, dr, settings)
    assert result.campaign.status().status == "SUCCEEDED"

    [group] = scheduled(n_devices, image_len, dr, settings)

    texts = "\n".join(map(str, result.campaign.findings))
    least = next(str(finding) for finding in result.campaign.findings if finding.rule == "stage_durations")
    stages = {name: float(seconds) for name, seconds in DURATION.findall(least)}
    context = Context(
        config=config,
        plan=result.campaign.plan,
        image_len=image_len,
        now=None,
        network=None,
        root_key_known=lambda _: True,
        mc_key_known=lambda _: True,
    )
    transmission = stages["McClassCSession"] + stages["DlFragment"] - session_wait(context)

    started = [event for event in result.journal.events("c") if isinstance(event, m.StageStarted)]
    [session] = next(event.sessions.values() for event in started if event.sessions)
    ends = (event for event in result.journal.events("c") if isinstance(event, m.StageEnded))
    ended = next(event for event in ends if event.stage == "DlFragment")

    assert f"TimeOut {group['time_out']}, {2 ** group['time_out']} s" in texts
    assert session.time_out == group["time_out"]
    assert transmission == pytest.approx(group["session_length"], abs=2), "rounded to seconds"
    # The last summary comes within two seconds of its frame.
    assert ended.at - session.start == pytest.approx(group["session_length"], abs=2.5)


def scheduled(n_devices: int, image_len: int, dr: int, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Groups of the first grouping that the command prints."""
    options = {
        "kind": "--kind",
        "redundancy": "--code-rate",
        "msg_retries": "--msg-retries",
        "frag_redundancy_max": "--frag-redundancy-max",
    }
    given = [word for name, value in settings.items() if name in options for word in (options[name], str(value))]
    fleet = ["--devices-per-dr", f"{dr}:{n_devices}", "--frequency-hz", str(FREQUENCY)]
    done = CliRunner().invoke(app, ["schedule", str(image_len), *fleet, "--summary-cadence", "2", *given, "--json"])
    assert done.exit_code == 0, done.output
    return list(json.loads(done.stdout)["groupings"][0]["groups"])
