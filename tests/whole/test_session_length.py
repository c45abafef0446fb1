"""A schedule and a running campaign choose the same TimeOut for the same frames."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.plan import make_plan
from fuota_fec.codec.block import n_coded_of
from fuota_fec.planning.fleet_schedule import Sending, fleet_schedule
from fuota_fec.planning.schedule import session_time_out

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
