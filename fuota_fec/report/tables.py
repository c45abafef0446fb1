"""Outcome of a campaign as plain rows, for a terminal, a page or a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fuota_fec.campaign.reasons import dotted
from fuota_fec.campaign.status import CampaignStatus, DeviceStatus

_GOOD = ("passed", "running")
STATUSES = ("failed", "stopped", "unverified", "running", "passed")
"""Statuses of a device, in the order in which people look for them."""


class DeviceRow(NamedTuple):
    """Row about a device, all of it text. `remark`: reason, warning, clean-up that was not confirmed."""

    device: str
    group: str
    status: str
    firmware: str
    remark: str


def device_row(device: DeviceStatus) -> DeviceRow:
    firmware = dotted(device.fw_version) if device.fw_version is not None else ""
    return DeviceRow(device.dev_eui, device.group, device.status, firmware, remark(device))


def remark(device: DeviceStatus, *, reason: bool = True) -> str:
    """Reason of a device's status if wanted, the warning about it, and why its clean-up was not confirmed."""
    unconfirmed = f"clean-up not confirmed: {device.unconfirmed}" if device.unconfirmed else ""
    return "; ".join(filter(None, (device.reason if reason else "", device.note, unconfirmed)))


def needs_a_look(device: DeviceStatus) -> bool:
    """Whether a device did not pass, or did not confirm the clean-up."""
    return device.status != "passed" or bool(device.unconfirmed)


def in_order(devices: Iterable[DeviceStatus]) -> list[DeviceStatus]:
    """Devices by status, those that passed last, and of these the unconfirmed ones first; by DevEUI within these."""
    places = {status: n for n, status in enumerate(STATUSES)}
    return sorted(devices, key=lambda d: (places.get(d.status, -1), not needs_a_look(d), d.dev_eui))


def first(items: Sequence[tuple[str, int]], most: int) -> tuple[list[tuple[str, int]], tuple[int, int]]:
    """The first `most` of some counts; how many others there are, and their sum."""
    others = items[most:]
    return list(items[:most]), (len(others), sum(n for _, n in others))


def reason_counts(status: CampaignStatus) -> list[tuple[str, int]]:
    """Devices that did not pass, counted by status and reason, as ("failed: never heard", 3); most frequent first."""
    return Counter(f"{d.status}: {d.reason}" for d in status.devices if d.status not in _GOOD).most_common()
