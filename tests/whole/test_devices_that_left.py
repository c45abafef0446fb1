"""A device that left is asked nothing but its clean-up and its last version."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fuota_fec import Campaign, CampaignConfig
from fuota_fec.campaign import messages as m
from fuota_fec.simulation import Simulation, simulate_campaign

CLEAN_UP = {"CancelReboot", "DevDeleteImage", "FragSessionDelete", "McGroupDelete"}
LAST_VERSION = "DevVersion at the end"
START = 1.8e9
KINDS: dict[str, dict[str, Any]] = {
    "firmware": {"fw_version": "2.0.0.0"},
    "reboot time": {"fw_version": "2.0.0.0", "reboot": START + 60_000},
    "adaptive": {
        "fw_version": "2.0.0.0",
        "reboot": "after_transfer",
        "redundancy": "adaptive",
        "fsession_status_threshold": 2,
        "unicast_repair_max": 3,
    },
    "binary": {"kind": "binary", "redundancy": 5, "fsession_status_threshold": 2, "unicast_repair_max": 3},
}


def events_of(kind: str, seed: int) -> tuple[Campaign, list[m.Event]]:
    fleet = Simulation(seed=seed, n_devices=30, uplink_loss=0.3, downlink_loss=0.2, clock_error=8.0, start=START)
    table: dict[str, Any] = {
        "id": "c",
        "success_threshold": 20,
        "stage_end": "all" if seed % 2 else "threshold",
        "max_duration": 200_000,
        "uplink_period": 300,
        "fsize": 20,
        "msg_retries": 1,
        "groups": [{"name": "a", "mc_addr": "01f3a4b5", "dr": 5, "dialect": "2.0.0", "mc_version": "2.0.0"}],
        "devices": [{**device, "probe": True} for device in fleet.made_up_devices(["a"])],
    }
    result = simulate_campaign(CampaignConfig.from_mapping(table | KINDS[kind]), bytes(range(200)), fleet)
    return result.campaign, list(result.journal.events("c"))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_left_is_asked_what_the_law_says_and_nothing_else(kind, seed) -> None:
    campaign, events = events_of(kind, seed)
    follower = Campaign.from_first(events[0], campaign.image)
    left: set[str] = set()
    versions: dict[str, set[str]] = {}
    n_returned: Counter[str] = Counter()
    n_left = 0
    for event in events[1:]:
        if isinstance(event, m.Requested) and event.dev_eui in left and not event.reply:
            assert event.ask in CLEAN_UP | {LAST_VERSION}, event
            if event.ask == LAST_VERSION:
                tries = versions.setdefault(event.dev_eui, set())
                assert not tries or event.replaces in (None, *tries), "one question, with its resends"
                tries.add(event.id)
                assert len(tries) <= 1 + campaign.config.msg_retries
        if isinstance(event, m.Returned):
            asked = event.fw_version is None
            assert not asked or event.dev_eui in left or follower.status().status == "stopping"
            n_returned[event.dev_eui] += 1
            versions.pop(event.dev_eui, None)
        elif isinstance(event, m.Stopping):
            versions.clear()
        follower.follow(event)
        left = {device.dev_eui for device in follower.device_states() if not device.taking_part}
        n_left = max(n_left, len(left))
    assert max(n_returned.values(), default=0) <= 3, "in the verification, in the clean-up, and its version"
    assert n_left, "no device left: the test shows nothing"
