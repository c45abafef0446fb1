"""Adaptive redundancy: how many more coded fragments a group is sent, from what its devices say that they lack.

A device that lacks d fragments and misses a share p of what is sent needs about (d + EXTRA) / (1 - p) more coded ones.
A further round has as many as it takes for the devices that are the quickest to be helped, so many of them that the
threshold is met. What devices say are hints (`devices.completion`): the next status, and in the end the version that
runs, tell whether it was enough.
"""

from __future__ import annotations

import math

from fuota_fec.campaign.row_plan import UNKNOWN_LOSS
from fuota_fec.campaign.state import CampaignState, Data, DeviceState

EXTRA = 2
"""Coded fragments beyond its losses with which most devices complete (TS004, Decoding)."""


def lacks(device: DeviceState) -> bool:
    """Whether there is a sign that more fragments would help a device."""
    return device.taking_part and device.data < Data.LIKELY and device.needed is not None


def rows_left(state: CampaignState) -> dict[str, int]:
    """Coded fragments that nobody was sent, neither by multicast nor by unicast, by adaptive group."""
    left = {name: group.rows_left for name, group in state.groups.items() if group.plan.adaptive}
    repaired = dict.fromkeys(state.groups, 0)
    for device in state.devices.values():
        if device.n_repaired:
            repaired[device.group.name] = max(repaired[device.group.name], device.n_repaired)
    return {name: left[name] - n for name, n in repaired.items() if left.get(name, 0) > n}


def enough_complete(state: CampaignState, group: str) -> bool:
    """Whether so many devices are known to have the data that the round is over, or all devices of the group."""
    taking_part = [device for device in state.devices.values() if device.taking_part]
    return n_complete(state) >= state.n_complete_needed or all(
        device.data is Data.COMPLETE for device in taking_part if device.group.name == group
    )


def n_complete(state: CampaignState) -> int:
    """Devices that are known to have the data."""
    return sum(device.taking_part and device.data is Data.COMPLETE for device in state.devices.values())


def n_complete_needed(state: CampaignState, successes: int) -> int:
    """With how many of them a round that begins is over: the threshold, of those that may still succeed. Devices that
    have the data and are no successes, as they run another version, do not count."""
    return state.plan.n_needed + max(0, n_complete(state) - successes)


def coded_of_round(state: CampaignState, successes: int) -> dict[str, int]:
    """Coded fragments of a further round, by group, if so many devices need no more; empty: no round helps."""
    left = rows_left(state)
    devices = [device for device in state.devices.values() if device.group.name in left and lacks(device)]
    n_missing = state.plan.n_needed - successes
    if n_missing <= 0 or not devices:
        return {}
    usual = usual_loss(state)
    quickest = sorted(
        (coded_needed(device.needed, device.loss, usual), device.dev_eui, device.group.name) for device in devices
    )
    wanted: dict[str, int] = {}
    for n_coded, _, group in quickest[:n_missing]:
        wanted[group] = max(n_coded, state.groups[group].plan.row_plan.n_least, wanted.get(group, 0))
    return {name: min(n, left[name]) for name, n in wanted.items()}


def coded_needed(needed: int | None, loss: float | None, usual: float) -> int:
    """Coded fragments after which a device that lacks `needed` is expected to be complete, if it misses `loss` of them,
    or the `usual` share where that is not known."""
    return math.ceil(((needed or 1) + EXTRA) / (1 - (usual if loss is None else loss)))


def usual_loss(state: CampaignState) -> float:
    """Mean share of fragments that is missed, as far as is known."""
    known = [device.loss for device in state.devices.values() if device.loss is not None]
    return sum(known) / len(known) if known else UNKNOWN_LOSS
