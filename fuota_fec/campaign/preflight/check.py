"""The check itself: every rule applied to a campaign, its groups and its devices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.facts import Known
from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.campaign.plan import GroupPlan, Plan
from fuota_fec.campaign.preflight.context import Context
from fuota_fec.campaign.preflight.finding import Finding, Severity
from fuota_fec.campaign.preflight.rules import campaign as campaign_rules
from fuota_fec.campaign.preflight.rules import device as device_rules
from fuota_fec.campaign.preflight.rules import group as group_rules

RULES: tuple[str, ...] = (*campaign_rules.RULES, *group_rules.RULES, *device_rules.RULES)
"""Names of all rules, in the order of their findings."""

_ORDER: Mapping[Severity, int] = {"refuse": 0, "warn": 1, "info": 2}


def find(
    config: CampaignConfig,
    plan: Plan,
    image_len: int,
    *,
    now: float | None = None,
    network: NetworkCapabilities | None = None,
    known: Known | None = None,
    root_key_known: Callable[[Device], bool] = lambda _: True,
    mc_key_known: Callable[[Group], bool] = lambda _: True,
    rules: Collection[str] = RULES,
) -> list[Finding]:
    """Findings of all rules: refusals first, then warnings, then what to expect.

    With `now`, a Unix time, configured times of day are checked too; with `network`, its capabilities; with `known`,
    the registry's facts about the devices. `rules` are the names of the rules to apply.
    """
    context = Context(
        config=config,
        plan=plan,
        image_len=image_len,
        now=now,
        network=network,
        known=known or Known(),
        root_key_known=root_key_known,
        mc_key_known=mc_key_known,
    )
    return sorted(_findings(context, rules), key=lambda finding: _ORDER[finding.severity])


def refusals(findings: Iterable[Finding]) -> list[str]:
    """A line for each finding that forbids the campaign."""
    return [str(finding) for finding in findings if finding.severity == "refuse"]


def _findings(context: Context, rules: Collection[str]) -> Iterator[Finding]:
    kind = context.config.kind
    for rule, (kinds, of_campaign) in campaign_rules.RULES.items():
        if rule in rules and kind in kinds:
            yield from _labelled(of_campaign(context), rule)
    for name, plan in context.plan.groups.items():
        for rule, (kinds, of_group) in group_rules.RULES.items():
            if rule in rules and kind in kinds:
                yield from _labelled(of_group(context, plan), rule, name)
        yield from _of_devices(context, name, plan, rules)


def _of_devices(context: Context, name: str, plan: GroupPlan, rules: Collection[str]) -> Iterator[Finding]:
    alike = context.alike[name]
    for rule, (kinds, of_device) in device_rules.RULES.items():
        if rule in rules and context.config.kind in kinds:
            devices: dict[Finding, list[str]] = {}
            for traits, dev_euis in alike.items():
                for finding in of_device(context, plan, traits):
                    devices.setdefault(finding, []).extend(dev_euis)
            for finding, dev_euis in devices.items():
                yield from _labelled((finding,), rule, name, dev_euis)


def _labelled(
    findings: Iterable[Finding], rule: str, group: str | None = None, devices: Sequence[str] = ()
) -> Iterator[Finding]:
    for finding in findings:
        yield replace(finding, rule=rule, group=group, devices=tuple(devices))
