"""Devices of a campaign on a page: by outcome and reason, then alike ones together, as compact as a list of DevEUIs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fuota_fec.campaign.reasons import REASONS, dotted, kind_of
from fuota_fec.campaign.status import DeviceStatus
from fuota_fec.report.formatting import count
from fuota_fec.report.tables import STATUSES, remark

OPEN_UP_TO = 50
"""Largest number of devices with one outcome that the page shows unfolded."""
MOST_PARTS = 12
"""Reasons with a part of their own, for each status."""
MANY = 2000
"""Devices of a part beyond which their DevEUIs are written without the digits with which all alike ones begin."""
LIST_LEN = 1000
"""DevEUIs in one element: a browser lays out those that are in sight."""


class Alike(NamedTuple):
    """Devices of one part that have everything else in common."""

    about: str
    """What they have in common: group, firmware, reason if the part has several, warning."""
    prefix: str
    """Digits with which all of their DevEUIs begin, and which are left out of the lists; "" for up to MANY."""
    lists: list[str]
    """DevEUIs in order, separated by spaces, in lists of LIST_LEN."""


class DevicePart(NamedTuple):
    """Devices with one status and one reason, or with the less frequent reasons of a status."""

    title: str
    meaning: str
    n_devices: int
    open: bool
    alike: list[Alike]


def device_parts(devices: Iterable[DeviceStatus]) -> list[DevicePart]:
    """Devices by status and reason. Devices that did not pass come first, the most frequent reason first."""
    statuses: dict[str, dict[str, list[DeviceStatus]]] = {}
    for device in devices:
        statuses.setdefault(device.status, {}).setdefault(device.reason, []).append(device)
    places = {status: n for n, status in enumerate(STATUSES)}
    parts = []
    for status in sorted(statuses, key=lambda status: (places.get(status, -1), status)):
        reasons = sorted(statuses[status].items(), key=lambda item: (-len(item[1]), item[0]))
        parts += [_part(status, reason, members) for reason, members in reasons[:MOST_PARTS]]
        if others := reasons[MOST_PARTS:]:
            title = f"{status}: {count(len(others), 'other reason')}"
            parts.append(_made(title, "", status, [d for _, members in others for d in members], reasons=True))
    return parts


def _part(status: str, reason: str, members: list[DeviceStatus]) -> DevicePart:
    known = reason and reason.startswith(tuple(REASONS))
    title = f"{status}: {reason}" if reason else status
    return _made(title, REASONS[kind_of(reason)] if known else "", status, members)


def _made(title: str, meaning: str, status: str, members: list[DeviceStatus], *, reasons: bool = False) -> DevicePart:
    alike: dict[tuple[str, int | None, str], list[str]] = {}
    for device in members:
        key = (device.group, device.fw_version, remark(device, reason=reasons))
        alike.setdefault(key, []).append(device.dev_eui)
    return DevicePart(
        title=title,
        meaning=meaning,
        n_devices=len(members),
        open=status not in ("passed", "running") and len(members) <= OPEN_UP_TO,
        alike=[
            _alike(_about(*key), sorted(dev_euis), whole=len(members) <= MANY)
            for key, dev_euis in sorted(alike.items(), key=lambda item: (-len(item[1]), item[1][0]))
        ],
    )


def _alike(about: str, dev_euis: list[str], *, whole: bool) -> Alike:
    prefix = "" if whole or len(dev_euis) < 2 else _common(dev_euis[0], dev_euis[-1])
    rest = [dev_eui[len(prefix) :] for dev_eui in dev_euis]
    return Alike(about, prefix, [" ".join(rest[i : i + LIST_LEN]) for i in range(0, len(rest), LIST_LEN)])


def _common(one: str, other: str) -> str:
    """Characters with which both begin."""
    return one[: next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)]


def _about(group: str, version: int | None, note: str) -> str:
    firmware = f"firmware {dotted(version)}" if version is not None else "firmware unknown"
    return ", ".join(filter(None, (f"group {group}", firmware, note)))
