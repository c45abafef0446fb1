from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import RowPlan
from fuota_fec.campaign.plan import Plan, make_plan
from fuota_fec.campaign.preflight.check import find
from fuota_fec.campaign.preflight.context import Context
from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.devices.profiles import PROFILES, DeviceProfile

A, B, C = "00000000000000aa", "00000000000000bb", "00000000000000cc"
NOW = 1_800_000_000.0
IMAGE_LEN = 995


def group(**changes: Any) -> Group:
    """A group of EU868."""
    return Group(**{"name": "g", "mc_addr": "01f3a4b5", "dr": 3, **changes})


def device(dev_eui: str = A, stack: str = "lbm", **changes: Any) -> Device:
    return Device(**{"dev_eui": dev_eui, "group": "g", "profile": stack, "downlink_dr": 3, **changes})


def config(*devices: Device, groups: tuple[Group, ...] = (), **changes: Any) -> CampaignConfig:
    """A firmware campaign of a day that suits most stacks: 995 bytes are 21 fragments of 48, and 5 coded ones."""
    settings: dict[str, Any] = {
        "id": "c",
        "success_threshold": 100,
        "max_duration": 86400.0,
        "uplink_period": 300.0,
        "fw_version": 2,
        "fsize": 48,
        "redundancy": 5,
        "mcast_msg_delay": 5000,
        "stage_complete_delay": 0,
    }
    return CampaignConfig(groups=groups or (group(),), devices=devices or (device(),), **settings | changes)


def rows(*numbers: int) -> RowPlan:
    return RowPlan(rows=numbers, n_first=len(numbers))


def plan_of(config: CampaignConfig, image_len: int = IMAGE_LEN, **changes: Any) -> Plan:
    """The plan of a configuration; `changes` are fields of its groups' plans, for what no configuration leads to."""
    plan = make_plan(config, 0 if config.kind == "multicast" else image_len)
    groups = {name: dataclasses.replace(group, **changes) for name, group in plan.groups.items()}
    return dataclasses.replace(plan, groups=groups)


def context(config: CampaignConfig, *, now: float | None = None, **changes: Any) -> Context:
    return Context(
        config=config,
        plan=plan_of(config, **changes),
        image_len=changes.get("image_len", IMAGE_LEN),
        now=now,
        network=None,
        root_key_known=lambda _: True,
        mc_key_known=lambda _: True,
    )


def found(
    config: CampaignConfig,
    rule: str | None = None,
    *,
    image_len: int = IMAGE_LEN,
    changes: dict[str, Any] | None = None,
    **facts: Any,
) -> list[Finding]:
    """Findings of one rule, or of all; `facts` are those of `find`."""
    findings = find(config, plan_of(config, image_len, **changes or {}), image_len, **facts)
    return [finding for finding in findings if rule in (None, finding.rule)]


@pytest.fixture(scope="session")
def sound() -> SimpleNamespace:
    """Builders of sound campaigns, to be spoilt, and the reader of one rule's findings."""
    return SimpleNamespace(
        group=group,
        device=device,
        config=config,
        rows=rows,
        plan_of=plan_of,
        context=context,
        found=found,
        euis=(A, B, C),
        now=NOW,
    )


@pytest.fixture
def known_as_mine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a profile known under the name "mine"."""

    def know(profile: DeviceProfile) -> str:
        table = {**PROFILES, "mine": dataclasses.replace(profile, name="mine")}
        monkeypatch.setattr("fuota_fec.devices.profiles.PROFILES", table)
        monkeypatch.setattr("fuota_fec.campaign.config.PROFILES", table)
        return "mine"

    return know
