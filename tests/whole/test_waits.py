"""A campaign that waits names the reason and a bound, in its events, its status and on the command line."""

from __future__ import annotations

import re
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.status import CampaignStatus
from fuota_fec.cli.watch import StageReport
from fuota_fec.simulation import Simulation, simulate_campaign

LONG = 60.0
"""s without an event that are a wait."""
FIRST_FRAME = 32.0
"""s from the start of a session to its first frame, at most."""
KINDS: dict[str, dict[str, Any]] = {
    "firmware": {},
    "threshold": {"stage_end": "threshold", "success_threshold": 60},
    "binary": {"kind": "binary"},
    "binary by multicast": {"kind": "binary", "fsession_status_threshold": 0},
    "without coded fragments": {"redundancy": 0, "allow_carousel": True},
    "adaptive": {"redundancy": "adaptive"},
    "reboot at a time": {"reboot": 1.8e9 + 30_000},
    "reboot after the transfer": {"reboot": "after_transfer", "reboot_spread": 600},
    "class B": {"device_class": "B"},
}

Seen = list[tuple[m.Event, CampaignStatus]]


def seen_and_printed(seed: int, settings: dict[str, Any]) -> tuple[Seen, list[str]]:
    """Events of a campaign with losses, the status after each of them, and the lines of the command."""
    simulation = Simulation(seed=seed, n_devices=8, downlink_loss=0.15, uplink_loss=0.15)
    given = {
        "id": "c",
        "success_threshold": 80,
        "max_duration": 86_400,
        "uplink_period": 300,
        "stage_end": "all",
        "msg_retries": 3,
        "groups": [
            {
                **{"name": "g", "mc_addr": "01f3a4b5", "dr": 5, "frequency": 869_525_000},
                **{"device_class": settings.get("device_class", "C"), "periodicity": 4},
            }
        ],
        "devices": simulation.made_up_devices(["g"]),
        **{name: value for name, value in settings.items() if name != "device_class"},
    }
    if given.get("kind", "firmware") == "firmware":
        given["fw_version"] = "2.0.0.0"
    events: list[m.Event] = []
    simulate_campaign(
        CampaignConfig.from_mapping(given), bytes(3000), simulation, observer=lambda _, event: events.append(event)
    )
    file, seen = StringIO(), []
    report = StageReport(Console(file=file, width=200))
    campaign = Campaign.from_first(events[0])
    with report:
        for event in events[1:]:
            campaign.follow(event)
            report(campaign, event)
            seen.append((event, campaign.status()))
    return seen, file.getvalue().splitlines()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS.keys())
def test_every_wait_has_a_reason_and_a_bound_that_holds(settings: dict[str, Any], seed: int) -> None:
    seen, lines = seen_and_printed(seed, settings)
    assert isinstance(seen[-1][0], m.Finished)
    assert seen[-1][1].wait is None

    for (event, status), (later, _) in pairwise(seen):
        if later.at - event.at >= LONG:
            assert status.wait is not None, (event, later)
            assert status.wait.until is not None
            lead = FIRST_FRAME if status.wait.why == "the multicast session begins" else 0.0
            assert event.at < later.at <= status.wait.until + lead, (event, later, status.wait)

    ends: dict[str, float] = {}
    for event, _ in seen:
        if isinstance(event, m.StageStarted) and event.answers is not None:
            assert event.answers.until is not None
            ends[event.stage] = event.answers.until
        elif isinstance(event, (m.StageClosing, m.StageEnded)) and event.stage in ends:
            assert event.at <= ends.pop(event.stage), event
        elif isinstance(event, m.CleanUpStarted):
            assert event.wait.until is not None
            ends["clean-up"] = event.wait.until
    assert seen[-1][0].at <= ends.pop("clean-up", float("inf"))
    assert ends == {}

    printed = [line for line in lines if " waits " in line]
    assert len(printed) == len({line.split(" waits ")[0] + line.split(": ")[-1] for line in printed}), "one line each"
    waiting = {line.split()[2] for line in printed}
    begun: dict[str, float] = {}
    for event, _ in seen:
        if isinstance(event, m.StageStarted):
            begun[event.stage] = event.at
        elif isinstance(event, m.StageEnded) and event.stage != "DlFragment" and event.at - begun[event.stage] >= LONG:
            assert event.stage in waiting
    assert "clean-up" in waiting


def test_late_answers_and_clean_up_are_printed_as_they_begin() -> None:
    _, lines = seen_and_printed(1, {"stage_end": "threshold", "success_threshold": 60})
    text = "\n".join(lines)
    waits = r"^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\dZ  {} +waits until at most \d\d:\d\d:\d\dZ: {}$"
    for what, why in (
        ("McGroupSetup", "answers of 8 devices"),
        ("McGroupSetup", "late answers"),
        ("clean-up", "\\d devices"),
    ):
        assert re.search(waits.format(what, why), text, re.MULTILINE), (what, why)
