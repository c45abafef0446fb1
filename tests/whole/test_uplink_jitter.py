"""Uplinks that are early or late: healthy devices are asked once, and lost answers cost what the law allows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fuota_fec import CampaignConfig
from fuota_fec.campaign import messages as m
from fuota_fec.networks.simulated import JITTER
from fuota_fec.simulation import Simulation, simulate_campaign

PERIOD = 3600.0
N_DEVICES = 100


def run(seed: int, loss: float = 0.0, **settings: Any) -> list[m.Event]:
    """Events of a campaign for devices with an uplink every hour, up to JITTER of it early or late."""
    fleet = Simulation(seed=seed, n_devices=N_DEVICES, uplink_loss=loss)
    table: dict[str, Any] = {
        "id": "c",
        "fw_version": "2.0.0.0",
        "success_threshold": 50,
        "stage_end": "all",
        "max_duration": 900_000,
        "uplink_period": PERIOD,
        "fsize": 50,
        "groups": [{"name": "a", "mc_addr": "01f3a4b5", "dr": 5}],
        "devices": fleet.made_up_devices(["a"]),
    }
    result = simulate_campaign(CampaignConfig.from_mapping(table | settings), bytes(200), fleet)
    return list(result.journal.events("c"))


@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_device_is_asked_each_question_once(seed) -> None:
    assert JITTER == 0.1
    asked = Counter(e.ask for e in run(seed) if isinstance(e, m.Requested) and e.dev_eui and not e.reply)
    assert asked["McGroupSetup"] == N_DEVICES
    assert set(asked.values()) == {N_DEVICES}


@pytest.mark.parametrize("retries", [1, 3])
def test_a_stage_takes_no_longer_with_lost_answers_than_all_tries_with_the_largest_jitter(retries) -> None:
    events = run(1, loss=0.3, msg_retries=retries)
    [ended] = [e.at for e in events if isinstance(e, m.StageEnded) and e.stage == "McGroupSetup"]
    heard = 3 * PERIOD
    tries = (1 + retries) * 2 * PERIOD * 1.2
    assert ended - events[0].at <= heard + N_DEVICES + tries + PERIOD
