from __future__ import annotations

import ast
import re
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import fuota_fec.devices
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.devices.preflight import RULES, Finding, preflight
from fuota_fec.devices.profiles import PROFILES, profile
from fuota_fec.devices.rules import campaign as about_campaign
from fuota_fec.devices.rules import device as about_device
from fuota_fec.devices.rules import group as about_group


def test_a_sound_campaign_has_nothing_but_information(plan: SimpleNamespace) -> None:
    findings = preflight(plan.campaign(*[plan.device(eui) for eui in plan.euis]))
    assert {finding.severity for finding in findings} == {"info"}
    assert [finding.rule for finding in findings] == ["stage_durations", "no_mic", "answer_rate", "frames"]


@pytest.mark.parametrize("name", PROFILES)
def test_every_stack_can_be_served(plan: SimpleNamespace, name: str) -> None:
    """There is a group for each of them in which nothing is refused."""
    version = profile(name).dialects[-1]
    group = plan.group(version=version, mc_version=profile(name).mc_versions[-1], ack_reception=version == "2.0.0")
    findings = preflight(plan.campaign(plan.device(stack=name), groups=(group,)))
    assert [finding for finding in findings if finding.severity == "refuse"] == []


def test_what_must_be_refused_comes_first(plan: SimpleNamespace) -> None:
    group = plan.group(n_gateways=0, spacing=1.0, frag_size=51, n_frags=30)
    findings = preflight(plan.campaign(plan.device(stack="zephyr"), groups=(group,), image_len=1500))
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=["refuse", "warn", "info"].index)
    assert [finding.rule for finding in findings if finding.severity == "refuse"] == ["gateways", "frag_size_multiple"]


def test_devices_of_which_the_same_is_said_share_a_finding(plan: SimpleNamespace) -> None:
    a, b, c = plan.euis
    devices = (
        plan.device(a, root_key_known=False, uplink_period=60),
        plan.device(b, root_key_known=False, uplink_period=600),
        plan.device(c, root_key_known=False, lorawan="1.1"),
    )
    first, second = plan.found(plan.campaign(*devices), "root_key")
    assert (first.devices, second.devices) == ((a, b), (c,))


def test_devices_that_differ_elsewhere_share_it_too(plan: SimpleNamespace) -> None:
    a, b, _ = plan.euis
    devices = (plan.device(a, downlink_dr=0, root_key_known=False), plan.device(b, root_key_known=False))
    [finding] = plan.found(plan.campaign(*devices), "root_key")
    assert finding.devices == (a, b)


def test_groups_are_told_apart(plan: SimpleNamespace) -> None:
    groups = (plan.group(), plan.group(name="h", n_frags=200, frag_size=5))
    devices = [plan.device(f"{i:016x}", group=name) for i, name in enumerate("ghh")]
    [finding] = plan.found(plan.campaign(*devices, groups=groups), "frag_count")
    assert (finding.group, len(finding.devices)) == ("h", 2)


def test_a_mixed_fleet(plan: SimpleNamespace) -> None:
    """Two stacks in one group: only the one that cannot is refused."""
    a, b, _ = plan.euis
    group = plan.group(n_frags=90, frag_size=56)
    campaign = plan.campaign(plan.device(a), plan.device(b, "loramac-node"), groups=(group,), image_len=5000)
    refused = [finding for finding in preflight(campaign) if finding.severity == "refuse"]
    assert [(finding.rule, finding.devices) for finding in refused] == [("frag_count", (b,)), ("frag_size", (b,))]


def test_a_profile_of_ones_own_is_as_good_as_any(plan: SimpleNamespace) -> None:
    mine = replace(profile("loramac-node"), name="mine", max_frags=500, max_frag_size=222, max_losses=100)
    group = plan.group(n_frags=300, frag_size=100, n_coded=100, loss=0.1)
    campaign = plan.campaign(plan.device(profile=mine), groups=(group,), image_len=30000)
    assert [finding.rule for finding in preflight(campaign) if finding.severity == "refuse"] == []


def test_subjects() -> None:
    def subject(**facts: object) -> str:
        return Finding(severity="warn", rule="r", message="m", **facts).subject  # type: ignore[arg-type]

    assert subject() == "campaign"
    assert subject(group="g") == "group 'g'"
    assert subject(group="g", devices=("a",)) == "group 'g', device a"
    assert subject(group="g", devices=tuple("abcde")) == "group 'g', device a, b, c and 2 more"


def test_a_finding_is_a_sentence() -> None:
    finding = Finding(severity="refuse", rule="r", group="g", message="it is 5, expected 4", remedy="Take 4.")
    assert str(finding) == "refuse: group 'g': it is 5, expected 4. Take 4."
    assert str(replace(finding, severity="info", remedy="")) == "info: group 'g': it is 5, expected 4"


def test_names_of_rules_are_unique() -> None:
    assert len(set(RULES)) == len(RULES)
    assert len(RULES) == len(about_campaign.RULES) + len(about_group.RULES) + len(about_device.RULES)


def test_every_problem_has_a_remedy(plan: SimpleNamespace) -> None:
    """A plan in which about everything is wrong."""
    group = plan.group(
        region="AS923",
        dr=2,
        dwell_time=True,
        frequency_hz=868_100_000,
        device_class="B",
        version="2.0.0",
        mc_version="2.0.0",
        frag_size=9,
        n_frags=16383,
        n_coded=400,
        last_row=900,
        rounds=2,
        spacing=0.1,
        session_length=1e7,
        first_f_cnt=65530,
        n_gateways=0,
        mc_key_known=False,
        loss=0.5,
    )
    devices = [
        plan.device(f"{i:016x}", name, root_key_known=False, downlink_dr=dr)
        for i, (name, dr) in enumerate((name, dr) for name in PROFILES for dr in (None, 2))
    ]
    said: set[str] = set()
    known = {field.name for kind in (CampaignConfig, Group, Device) for field in fields(kind)}
    for kind in ("firmware", "binary", "multicast"):
        findings = preflight(
            plan.campaign(
                *devices,
                groups=(group, plan.group(name="empty")),
                kind=kind,
                image_len=10**6,
                max_duration=60.0,
                session_start_in=1.0,
                reboot="time",
                reboot_in=1.0,
                network_clock_sync=True,
                frag_index=3,
            )
        )
        said |= {finding.rule for finding in findings}
        for finding in findings:
            assert bool(finding.remedy) == (finding.severity != "info"), finding
            assert finding.remedy == "" or finding.remedy.endswith("."), finding
            named = set(re.findall(r"[a-z]+(?:_[a-z]+)+|\w+(?= = )", finding.remedy))
            assert named <= known | {"root_keys", "mc_keys"}, finding  # what an operator can set
            assert finding.message == "" or not finding.message.endswith("."), finding
    # what cannot be wrong together with the rest
    assert set(RULES) - said == {"image", "duty_cycle", "f_cnt_end", "frag_index", "image_len", "upgrade_image"}


def test_a_large_fleet_is_checked_at_once(plan: SimpleNamespace) -> None:
    names = list(PROFILES)
    devices = [plan.device(f"{i:016x}", names[i % len(names)], uplink_period=60.0 + i % 977) for i in range(20_000)]
    group = plan.group(frag_size=50)
    findings = plan.found(plan.campaign(*devices, groups=(group,)), "frag_size_multiple")
    assert sum(len(finding.devices) for finding in findings) == 4 * 2500
    assert len(findings) == 4  # one for each profile


def test_no_stack_is_named_outside_the_table() -> None:
    """What a stack can do is a field of its profile; nothing else asks who it is."""
    root = Path(fuota_fec.devices.__file__).parent
    named = [
        f"{path.relative_to(root)}:{node.lineno} {node.value}"
        for path in sorted(root.rglob("*.py"))
        if path.name != "profiles.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in set(PROFILES) - {"generic"}
    ]
    assert named == []
