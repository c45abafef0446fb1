"""The pre-flight check: why a planned campaign cannot or may not work, before anything is on the air."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fuota_fec.devices.durations import StageTime, stage_times
from fuota_fec.devices.planned import PlannedCampaign, PlannedDevice, PlannedGroup
from fuota_fec.devices.rules import campaign as about_campaign
from fuota_fec.devices.rules import device as about_device
from fuota_fec.devices.rules import group as about_group
from fuota_fec.devices.rules.remark import Remark, Severity

__all__ = [
    "RULES",
    "Finding",
    "PlannedCampaign",
    "PlannedDevice",
    "PlannedGroup",
    "Severity",
    "StageTime",
    "preflight",
    "stage_times",
]

RULES: tuple[str, ...] = (*about_campaign.RULES, *about_group.RULES, *about_device.RULES)
"""The names of all rules, in the order of their findings."""

_ORDER: Mapping[Severity, int] = {"refuse": 0, "warn": 1, "info": 2}
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule found. `message` has the values and what was expected, `remedy` what would help ("" for an info).

    `group` is None if it concerns the campaign; `devices` are the dev_eui of those concerned, empty if it concerns the
    group as a whole. Devices of a group that one rule says the same of share a finding.
    """

    severity: Severity
    rule: str
    group: str | None = None
    devices: tuple[str, ...] = ()
    message: str
    remedy: str = ""

    @property
    def subject(self) -> str:
        """Whom it concerns, in words."""
        if self.group is None:
            return "campaign"
        if not self.devices:
            return f"group {self.group!r}"
        more = len(self.devices) - _SHOWN
        listed = ", ".join(self.devices[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"group {self.group!r}, device {listed}"

    def __str__(self) -> str:
        return f"{self.severity}: {self.subject}: {self.message}" + (f". {self.remedy}" if self.remedy else "")


def preflight(campaign: PlannedCampaign) -> list[Finding]:
    """Everything that the rules find: what must be refused first, then the warnings, then what will happen."""
    return sorted(_findings(campaign), key=lambda finding: _ORDER[finding.severity])


def _findings(campaign: PlannedCampaign) -> Iterator[Finding]:
    for rule, (kinds, of_campaign) in about_campaign.RULES.items():
        if campaign.kind in kinds:
            yield from _made(rule, None, (), of_campaign(campaign))
    for group in campaign.groups:
        for rule, (kinds, of_group) in about_group.RULES.items():
            if campaign.kind in kinds:
                yield from _made(rule, group.name, (), of_group(campaign, group))
        alike = _alike(campaign, group)
        for rule, (kinds, of_device) in about_device.RULES.items():
            if campaign.kind in kinds:
                said: dict[Remark, list[str]] = {}
                for device, dev_euis in alike.items():
                    for remark in of_device(campaign, group, device):
                        said.setdefault(remark, []).extend(dev_euis)
                for remark, dev_euis in said.items():
                    yield from _made(rule, group.name, dev_euis, (remark,))


def _alike(campaign: PlannedCampaign, group: PlannedGroup) -> dict[PlannedDevice, list[str]]:
    """The devices of a group by what the rules look at."""
    alike: dict[PlannedDevice, list[str]] = {}
    for device in campaign.devices_of(group):
        alike.setdefault(replace(device, dev_eui="", uplink_period=1), []).append(device.dev_eui)
    return alike


def _made(rule: str, group: str | None, devices: Sequence[str], remarks: Iterable[Remark]) -> Iterator[Finding]:
    for severity, message, remedy in remarks:
        yield Finding(severity=severity, rule=rule, group=group, devices=tuple(devices), message=message, remedy=remedy)
