from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.devices.planned import PlannedCampaign, PlannedDevice, PlannedGroup
from fuota_fec.devices.preflight import Finding, preflight
from fuota_fec.devices.profiles import profile

A, B, C = "00000000000000aa", "00000000000000bb", "00000000000000cc"


def group(**changes: Any) -> PlannedGroup:
    """A group of EU868 that suits most stacks: 995 bytes as 21 fragments of 48, 5 coded ones."""
    plan: dict[str, Any] = {
        "name": "g",
        "region": "EU868",
        "dr": 3,
        "frag_size": 48,
        "n_frags": 21,
        "n_coded": 5,
        "spacing": 5.0,
        "session_length": 131.0,
    }
    return PlannedGroup(**plan | changes)


def device(dev_eui: str = A, stack: str = "lbm", **changes: Any) -> PlannedDevice:
    facts: dict[str, Any] = {
        "dev_eui": dev_eui,
        "group": "g",
        "profile": profile(stack),
        "downlink_dr": 3,
        "uplink_period": 300.0,
    }
    return PlannedDevice(**facts | changes)


def campaign(*devices: PlannedDevice, groups: tuple[PlannedGroup, ...] = (), **changes: Any) -> PlannedCampaign:
    """A firmware campaign of a day."""
    plan: dict[str, Any] = {"image_len": 995, "max_duration": 86400.0}
    return PlannedCampaign(groups=groups or (group(),), devices=devices or (device(),), **plan | changes)


def found(plan: PlannedCampaign, rule: str) -> list[Finding]:
    """What one rule finds."""
    return [finding for finding in preflight(plan) if finding.rule == rule]


@pytest.fixture(scope="session")
def plan() -> SimpleNamespace:
    """Builders of sound plans, to be spoilt, and the reader of one rule's findings."""
    return SimpleNamespace(group=group, device=device, campaign=campaign, found=found, euis=(A, B, C))
