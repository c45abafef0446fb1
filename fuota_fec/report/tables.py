"""The outcome as plain rows: for a terminal, a page or a file."""

from __future__ import annotations

from collections import Counter

from fuota_fec.campaign.reasons import dotted
from fuota_fec.campaign.status import CampaignStatus

_GOOD = ("passed", "running")
DEVICE_COLUMNS = ("device", "group", "status", "firmware", "reason")


def device_rows(status: CampaignStatus) -> list[tuple[str, str, str, str, str]]:
    """A row of DEVICE_COLUMNS per device, those that did not pass first."""
    devices = sorted(status.devices, key=lambda d: (d.status == "passed", d.dev_eui))
    return [
        (d.dev_eui, d.group, d.status, dotted(d.fw_version) if d.fw_version is not None else "", d.reason)
        for d in devices
    ]


def reason_counts(status: CampaignStatus) -> list[tuple[str, int]]:
    """What became of the devices that did not pass, and why, the most frequent first: ("failed: never heard", 3)."""
    return Counter(f"{d.status}: {d.reason}" for d in status.devices if d.status not in _GOOD).most_common()
