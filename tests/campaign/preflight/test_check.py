"""The check as a whole, on sound and on spoilt campaigns. tests/campaign/test_preflight.py: how a Campaign uses it."""

from __future__ import annotations

import ast
import re
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import fuota_fec.campaign.preflight
import fuota_fec.devices
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.campaign.preflight.check import RULES, find, refusals
from fuota_fec.campaign.preflight.finding import Finding, info, refuse, warn
from fuota_fec.campaign.preflight.rules import campaign as campaign_rules
from fuota_fec.campaign.preflight.rules import device as device_rules
from fuota_fec.campaign.preflight.rules import group as group_rules
from fuota_fec.devices.profiles import PROFILES, DeviceProfile, profile


def test_a_sound_campaign_has_nothing_but_information(sound: SimpleNamespace) -> None:
    findings = sound.found(sound.config(*map(sound.device, sound.euis)))
    assert {finding.severity for finding in findings} == {"info"}
    assert [finding.rule for finding in findings] == ["stage_durations", "no_mic", "answer_rate", "frames", "session"]


@pytest.mark.parametrize("name", PROFILES)
def test_for_every_stack_there_is_a_group_in_which_nothing_is_refused(sound: SimpleNamespace, name: str) -> None:
    group = sound.group(dialect=profile(name).dialects[-1], mc_version=profile(name).mc_versions[-1])
    unproven = "binary" if profile(name).answers_status else "multicast"
    kind = {"kind": unproven, "fw_version": None} if profile(name).ts006 is False else {}
    reboot = {"reboot": "after_transfer"} if profile(name).reboots_alone is False else {}
    findings = sound.found(sound.config(sound.device(stack=name), groups=(group,), **kind, **reboot))
    assert refusals(findings) == []


def test_refusals_come_before_warnings_and_information(sound: SimpleNamespace) -> None:
    config = sound.config(sound.device(stack="zephyr"), fsize=51, mcast_msg_delay=1000)
    findings = sound.found(config, image_len=1500, mc_key_known=lambda _: False)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=["refuse", "warn", "info"].index)
    refused = [finding.rule for finding in findings if finding.severity == "refuse"]
    assert refused == ["versions", "mc_key", "frag_size_multiple"]


def test_refusals_are_a_line_each() -> None:
    findings = [refuse("m is 5, expected 4", "Take 4."), warn("n", "N."), info("i")]
    assert refusals(findings) == ["refuse: campaign: m is 5, expected 4. Take 4."]


def test_devices_with_the_same_result_share_a_finding(sound: SimpleNamespace) -> None:
    a, b, c = sound.euis
    devices = (sound.device(a, uplink_period=60), sound.device(b, uplink_period=600), sound.device(c, lorawan="1.1"))
    first, second = sound.found(sound.config(*devices), "root_key", root_key_known=lambda _: False)
    assert (first.devices, second.devices) == ((a, b), (c,))


def test_devices_that_differ_in_what_a_rule_does_not_look_at_share_a_finding(sound: SimpleNamespace) -> None:
    a, b, _ = sound.euis
    devices = (sound.device(a, downlink_dr=0), sound.device(b))
    [finding] = sound.found(sound.config(*devices), "root_key", root_key_known=lambda _: False)
    assert finding.devices == (a, b)


def test_a_finding_is_about_the_group_of_its_devices(sound: SimpleNamespace) -> None:
    groups = (sound.group(), sound.group(name="h", mc_addr="01f3a4b6", dialect="2.0.0"))
    devices = [sound.device(f"{i:016x}", "zephyr", group=name) for i, name in enumerate("ghh")]
    [finding] = sound.found(sound.config(*devices, groups=groups), "dialect")
    assert (finding.group, len(finding.devices)) == ("h", 2)


def test_in_a_group_of_two_stacks_only_the_one_that_cannot_is_refused(sound: SimpleNamespace) -> None:
    a, b, _ = sound.euis
    config = sound.config(sound.device(a), sound.device(b, "loramac-node"), fsize=50, success_threshold=50)
    refused = [finding for finding in sound.found(config, image_len=4500) if finding.severity == "refuse"]
    assert [(finding.rule, finding.devices) for finding in refused] == [("frag_count", (b,))]


def test_a_profile_of_ones_own_is_as_good_as_any(sound: SimpleNamespace, known_as_mine: Any) -> None:
    mine = known_as_mine(replace(profile("loramac-node"), max_frags=500, max_frag_size=222, max_losses=100, ts006=True))
    config = sound.config(sound.device(stack=mine), fsize=100, redundancy=100, loss=0.1)
    assert refusals(sound.found(config, image_len=30_000)) == []


def test_names_of_rules_are_unique() -> None:
    assert len(set(RULES)) == len(RULES)
    assert len(RULES) == len(campaign_rules.RULES) + len(group_rules.RULES) + len(device_rules.RULES)


def examined(findings: list[Finding], known: set[str]) -> set[str]:
    """Names of the rules; every finding has its parts, and its remedy names settings that exist."""
    for finding in findings:
        assert bool(finding.remedy) == (finding.severity != "info"), finding
        assert finding.remedy == "" or finding.remedy.endswith("."), finding
        named = set(re.findall(r"[a-z]+(?:_[a-z]+)+|\w+(?= = )", finding.remedy))
        assert named <= known | {"root_keys", "mc_keys", "after_transfer"}, finding
        assert not finding.message.endswith("."), finding
    return {finding.rule for finding in findings}


def test_every_problem_has_a_remedy_that_an_operator_can_carry_out(sound: SimpleNamespace, known_as_mine: Any) -> None:
    """A campaign in which about everything is wrong, in every kind."""
    known_as_mine(replace(profile("zephyr"), max_image_len=10, n_sessions=1, max_padding=4))
    devices = [
        sound.device(f"{i:016x}", name, downlink_dr=dr)
        for i, (name, dr) in enumerate((name, dr) for name in (*PROFILES, "mine") for dr in (None, 2))
    ]
    group = sound.group(
        region="AS923-1",
        dr=3,
        dwell_time=True,
        device_class="B",
        dialect="2.0.0",
        mc_version="2.0.0",
        mc_group_id=3,
    )
    wrong = {
        "n_frags": 16383,
        "frag_size": 9,
        "padding": 5,
        "rounds": 2,
        "first_f_cnt": 65_530,
        "n_status": 1,
        "block_ack_delay": 0,
        "row_plan": sound.rows(1, 900),
    }
    known = {field.name for kind in (CampaignConfig, Group, Device, DeviceProfile) for field in fields(kind)}
    reported: set[str] = set()
    for kind in ("firmware", "binary", "multicast"):
        firmware = {"reboot": sound.now + 1} if kind == "firmware" else {}
        config = sound.config(
            *devices,
            groups=(group,),
            kind=kind,
            fsize=9,
            max_duration=1e6,
            loss=0.5,
            session_start=sound.now + 1,
            frag_index=3,
            ack_reception=False,
            profiles=(profile("lbm").replace(max_frags=99),),
            **firmware,
        )
        plan = sound.plan_of(config, **wrong)
        fast = replace(plan.groups["g"].time, spacing=0.1, coded_spacing=0.1)
        plan.groups["g"] = replace(plan.groups["g"], time=fast, n_devices=100_000, session_length=4e6)
        findings = find(
            config,
            plan,
            10**6,
            now=sound.now,
            network=NetworkCapabilities(clock_sync=True),
            root_key_known=lambda _: False,
            mc_key_known=lambda _: False,
        )
        reported |= examined(findings, known)
    for group in (
        sound.group(region="US915", dr=14, dialect="2.0.0", device_class="B"),
        sound.group(region="US915", dr=14, dialect="2.0.0", frequency=923_400_000),
    ):
        reported |= examined(
            sound.found(sound.config(*devices, groups=(group,), uplink_period=20.0, redundancy=100)), known
        )
    assert set(RULES) - reported == {"n_frags", "f_cnt_end", "no_mic", "upgrade_image", "dwell_time", "even_rows"}, (
        "these cannot be wrong together with the rest"
    )


def test_a_large_fleet_has_a_finding_for_each_profile(sound: SimpleNamespace) -> None:
    names = list(PROFILES)
    devices = [sound.device(f"{i:016x}", names[i % len(names)], uplink_period=60.0 + i % 977) for i in range(20_000)]
    findings = sound.found(sound.config(*devices, fsize=50, max_duration=1e6), "frag_size_multiple")
    multiples = [name for name in names if 50 % profile(name).frag_size_multiple]
    assert len(findings) == len(multiples) == 5
    assert sum(len(finding.devices) for finding in findings) == sum(d.profile in multiples for d in devices)


@pytest.mark.parametrize("package", [fuota_fec.devices, fuota_fec.campaign.preflight], ids=lambda p: p.__name__)
def test_no_stack_is_named_outside_the_table_of_profiles(package: Any) -> None:
    """What a stack can do is a field of its profile; nothing else looks at its name."""
    root = Path(package.__file__).parent
    named = [
        f"{path.relative_to(root)}:{node.lineno} {node.value}"
        for path in sorted(root.rglob("*.py"))
        if path.name not in ("profiles.py", "builds.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in set(PROFILES) - {"generic"}
    ]
    assert named == []
