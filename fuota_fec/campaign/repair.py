"""Repair by unicast: coded fragments for single devices, where that takes less air time than another round.

Rows are taken from the end of the group's sequence, so that a later round has none of them.
"""

from __future__ import annotations

from fuota_fec.campaign.adaptive import coded_needed, coded_of_round, lacks, usual_loss
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN

STATUS_LEN = 2
"""Length of a FragSessionStatusReq in bytes."""


def rows_for(state: CampaignState, device: DeviceState) -> int:
    """Number of coded fragments that were sent neither to the group nor to the device."""
    return state.groups[device.group.name].rows_left - device.n_repaired


def frag_nb(state: CampaignState, device: DeviceState) -> int:
    """Number of the next fragment for a device."""
    plan = state.groups[device.group.name].plan
    return plan.frag_nb(plan.n_sequence - 1 - device.n_repaired)


def more_for(state: CampaignState, device: DeviceState, n_needed: int) -> int:
    """Number of coded fragments for a device that lacks n_needed, before its next status; 0: no rows are left."""
    return min(coded_needed(n_needed, device.loss, usual_loss(state)), rows_for(state, device))


def devices_to_repair(state: CampaignState, now: float) -> set[str]:
    """DevEUIs of the devices to be repaired by unicast; empty if a round is better, or repair is not possible."""
    most, usual = state.config.unicast_repair_max, usual_loss(state)
    if not most:
        return set()
    n_complete = state.n_beside + sum(device.taking_part and not lacks(device) for device in state.devices.values())
    n_missing = state.plan.n_needed - n_complete
    able = [device for device in state.devices.values() if lacks(device) and _is_able(state, device, usual)]
    if not 0 < n_missing <= min(most, len(able)):
        return set()
    quickest = sorted((coded_needed(device.needed, device.loss, usual), device.dev_eui) for device in able)[:n_missing]
    devices = [(state.devices[dev_eui], n) for n, dev_eui in quickest]
    if any(now + (n + 1) * device.period > state.deadline for device, n in devices):
        return set()
    coded = coded_of_round(state, n_complete)
    by_unicast = sum(n * _air_time(state, device) for device, n in devices)
    if coded and by_unicast >= _round(state, coded):
        return set()
    return {device.dev_eui for device, _ in devices}


def _is_able(state: CampaignState, device: DeviceState, usual: float) -> bool:
    """Whether a device can be repaired: enough rows are left, a downlink holds a fragment, the stack answers status."""
    plan = state.groups[device.group.name].plan
    if rows_for(state, device) < coded_needed(device.needed, device.loss, usual) or not device.profile.answers_status:
        return False
    try:
        most = region(device.group.region).max_app_payload(
            _data_rate(device), dwell_time=device.group.dwell_time, repeater=state.config.repeater
        )
    except ParameterError:
        return False
    return most >= DATA_FRAGMENT_HEADER_LEN + plan.frag_size


def _data_rate(device: DeviceState) -> int:
    """Data rate of unicast downlinks to a device; that of its group if unknown."""
    return device.group.downlink_dr if device.device.downlink_dr is None else device.device.downlink_dr


def _air_time(state: CampaignState, device: DeviceState) -> float:
    """Air time of one fragment to a device, s."""
    frag_size = state.groups[device.group.name].plan.frag_size
    return frame_time(DATA_FRAGMENT_HEADER_LEN + frag_size, region(device.group.region).data_rate(_data_rate(device)))


def _round(state: CampaignState, coded: dict[str, int]) -> float:
    """Air time of a round with its status request, s."""
    plans = [(state.groups[name].plan, n) for name, n in coded.items()]
    return sum(n * plan.time.frame_time + plan.air_time(STATUS_LEN) for plan, n in plans)
