"""Outcome of a campaign as plain rows, for a terminal, a page or a file."""

from __future__ import annotations

from collections import Counter

from fuota_fec.campaign.reasons import dotted
from fuota_fec.campaign.status import CampaignStatus

_GOOD = ("passed", "running")
DEVICE_COLUMNS = ("device", "group", "status", "firmware", "reason")


def device_rows(status: CampaignStatus) -> list[tuple[str, str, str, str, str]]:
    """Row of DEVICE_COLUMNS for each device, devices that did not pass first."""
    devices = sorted(status.devices, key=lambda d: (d.status == "passed", d.dev_eui))
    return [
        (d.dev_eui, d.group, d.status, dotted(d.fw_version) if d.fw_version is not None else "", d.reason)
        for d in devices
    ]


def reason_counts(status: CampaignStatus) -> list[tuple[str, int]]:
    """Devices that did not pass, counted by status and reason, as ("failed: never heard", 3); most frequent first."""
    return Counter(f"{d.status}: {d.reason}" for d in status.devices if d.status not in _GOOD).most_common()
