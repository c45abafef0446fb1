"""Adaptive redundancy: number of further coded fragments for a group, from the fragments that its devices report
missing.

A device that lacks d fragments and misses a share p of all frames needs about (d + EXTRA) / (1 - p) more coded ones. A
further round is long enough for the devices with the smallest need, as many of them as the threshold still needs; in
a group that reads surplus fragments as commands, for those that need hardly more than the quickest one.
Reported counts are hints (`devices.status_reading`): the next status, and in the end the version, show the result.
"""

from __future__ import annotations

import math

from fuota_fec.campaign.row_plan import UNKNOWN_LOSS
from fuota_fec.campaign.state import CampaignState, Data, DeviceState

EXTRA = 2
"""Number of coded fragments beyond the losses with which most devices complete (TS004, Decoding)."""


def lacks(device: DeviceState) -> bool:
    """Whether a device takes part and has shown a sign of missing fragments."""
    return device.taking_part and device.data < Data.LIKELY and device.needed is not None


def rows_left(state: CampaignState) -> dict[str, int]:
    """Number of coded fragments not sent yet, neither by multicast nor by unicast, by adaptive group."""
    left = {name: group.rows_left for name, group in state.groups.items() if group.plan.adaptive and not group.barred}
    repaired = dict.fromkeys(state.groups, 0)
    for device in state.devices.values():
        if device.n_repaired:
            repaired[device.group.name] = max(repaired[device.group.name], device.n_repaired)
    return {name: left[name] - n for name, n in repaired.items() if left.get(name, 0) > n}


def enough_complete(state: CampaignState, group: str) -> bool:
    """Whether enough devices, or all devices of the group, have reported the data complete, so that the round can
    end."""
    taking_part = [device for device in state.devices.values() if device.taking_part]
    n = n_complete(state)
    enough = n >= state.n_complete_needed and state.is_met(n, state.n_beside, len(taking_part))
    return enough or all(device.data is Data.COMPLETE for device in taking_part if device.group.name == group)


def n_complete(state: CampaignState) -> int:
    """Number of devices that have reported the data complete, or have passed beside the stages."""
    return state.n_beside + sum(
        device.taking_part and device.data is Data.COMPLETE for device in state.devices.values()
    )


def n_complete_needed(state: CampaignState, successes: int) -> int:
    """Number of complete devices that ends a new round. Complete devices that already failed (another version runs) are
    not counted."""
    return state.plan.n_needed + max(0, n_complete(state) - successes)


def coded_of_round(state: CampaignState, successes: int) -> dict[str, int]:
    """Number of frames of a further round, by group, after a number of successes; empty: no round helps. Where coded
    fragments alone complete no device, uncoded ones are among them."""
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
    most: dict[str, int] = {}
    for n_coded, _, group in quickest[:n_missing]:
        plan = state.groups[group].plan
        n_least = plan.row_plan.n_least
        n = max(n_coded, n_least)
        if n <= most.setdefault(group, n + n_least if plan.reads_surplus else left[group] + n):
            wanted[group] = n
    return {name: state.groups[name].plan.further(min(n, left[name])) for name, n in wanted.items()}


def coded_needed(needed: int | None, loss: float | None, usual: float) -> int:
    """Number of coded fragments with which a device that lacks `needed` is expected to complete, at its own `loss`, or
    the `usual` one if that is unknown."""
    return math.ceil(((needed or 1) + EXTRA) / (1 - (usual if loss is None else loss)))


def usual_loss(state: CampaignState) -> float:
    """Mean of the known losses; UNKNOWN_LOSS if none is known."""
    known = [device.loss for device in state.devices.values() if device.loss is not None]
    return sum(known) / len(known) if known else UNKNOWN_LOSS
