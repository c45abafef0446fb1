"""At most one request of a campaign is in the network's queue for a device, whatever the network reports or withdraws.

Devices ask the time, uplinks come twice and out of order, and frames are lost in both directions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fuota_fec import Campaign, CampaignConfig
from fuota_fec.agent import Agent, run_virtual
from fuota_fec.campaign import messages as m
from fuota_fec.journal import open_journal
from fuota_fec.networks.base import Downlink
from fuota_fec.simulation import Simulation, World
from fuota_fec.wire import clock
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire

LOSS, REPEAT, REORDER, ASKS = 0.1, 0.1, 0.2, 0.3
N_DEVICES = 60
CAPABILITIES = [
    {"sent_reports": reports, "withdraws": withdraws} for reports in (True, False) for withdraws in (True, False)
]
FIRMWARE: dict[str, Any] = {"kind": "firmware", "fw_version": "2.0.0.0"}
BINARY: dict[str, Any] = {"kind": "binary", "redundancy": 5, "unicast_repair_max": 20, "fsession_status_threshold": 0}


def queued_beside(
    monkeypatch: pytest.MonkeyPatch, seed: int, capabilities: dict[str, bool], kind: dict[str, Any]
) -> tuple[Campaign, list[Any]]:
    """A finished campaign, and the times at which two requests or more were queued for one device, with their ids."""
    fleet = Simulation(
        seed=seed, n_devices=N_DEVICES, uplink_loss=LOSS, downlink_loss=LOSS, clock_error=20.0, repeat=REPEAT
    )
    table: dict[str, Any] = {
        "id": "c",
        "success_threshold": 50,
        "stage_end": "all",
        "max_duration": 200_000,
        "uplink_period": 300,
        "fsize": 20,
        "msg_retries": 4,
        "groups": [{"name": "a", "mc_addr": "01f3a4b5", "dr": 5, "dialect": "2.0.0", "mc_version": "2.0.0"}],
        "devices": [{**device, "probe": True} for device in fleet.made_up_devices(["a"])],
    }
    campaign = Campaign(CampaignConfig.from_mapping(table | kind), bytes(400))
    world = World(campaign, fleet)
    network, rng = world.network, np.random.default_rng(seed)
    network.capabilities = replace(network.capabilities, **capabilities)
    network._reorder = REORDER
    periodic, submit = network._on_periodic, network.submit
    replies: set[str] = set()
    beside: list[Any] = []

    def speak(station: Any, now: float) -> None:
        periodic(station, now)
        if rng.random() < ASKS:
            time = gps_to_wire(gps_from_unix(now))
            question = clock.AppTimeReq(device_time=time, ans_required=True, token_req=1)
            network._uplink(station, station.device.ports.clock, question.encode(), now)

    def checked(downlink: Downlink, now: float) -> Any:
        taken = submit(downlink, now)
        for station in [network._stations[downlink.dev_eui]] if downlink.dev_eui else []:
            queued = [d.id for d in station.queue if d.id and d.id not in replies and d.not_after > now]
            if len(queued) > 1:
                beside.append((now, queued))
        return taken

    def observe(_campaign: Campaign, event: m.Event) -> None:
        if isinstance(event, m.Requested) and event.reply:
            replies.add(event.id)

    monkeypatch.setattr(network, "_on_periodic", speak)
    monkeypatch.setattr(network, "submit", checked)
    journal = open_journal(":memory:")
    agent = Agent(journal, network, world.key_ring, observer=observe, network_name="a server")
    agent.launch(campaign, fleet.start)
    run_virtual(agent, network, fleet.start)
    agent.close()
    assert Campaign.replay(journal.events("c"), campaign.image).status() == campaign.status()
    return campaign, beside


@pytest.mark.parametrize("kind", [FIRMWARE, BINARY], ids=["firmware", "repair"])
@pytest.mark.parametrize("capabilities", CAPABILITIES, ids=str)
def test_no_request_is_queued_beside_another_one(monkeypatch, capabilities, kind) -> None:
    for seed in (1, 2):
        campaign, beside = queued_beside(monkeypatch, seed, capabilities, kind)
        assert beside == []
        assert campaign.finished
