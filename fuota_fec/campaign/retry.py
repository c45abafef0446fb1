"""Retry: a new campaign for the devices that did not pass an earlier one, with what is known of them now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fuota_fec.campaign.belief import may_run_target
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device
from fuota_fec.campaign.state import DeviceState
from fuota_fec.errors import CampaignError


def retry_config(campaign: Campaign, new_id: str, now: float, **changes: Any) -> CampaignConfig:
    """The configuration of a campaign for the devices of a finished one that did not pass.

    Each device has its measured uplink period, and the version and losses that it reported; devices that may have the
    image are asked for their version first. The groups continue their frame counters. The session start is computed
    anew. `changes` are parameters of the new campaign. CampaignError if the campaign is not finished, all of its
    devices passed, or its reboot time is past.
    """
    if not campaign.finished:
        raise CampaignError(
            f"campaign {campaign.id!r}: it is {campaign.progress().status}, a retry needs a finished one"
        )
    left = [device for device in campaign.device_states() if not device.passed]
    if not left:
        raise CampaignError(f"campaign {campaign.id!r}: nothing to retry, all devices passed")
    config = campaign.config
    reboot = changes.get("reboot", config.reboot)
    if not isinstance(reboot, str) and reboot <= now:
        raise CampaignError(f"campaign {campaign.id!r}: its reboot time is past, the retry needs another `reboot`")
    names = {device.device.group for device in left}
    groups = [
        replace(group, first_f_cnt=campaign.next_f_cnt(group.name)) for group in config.groups if group.name in names
    ]
    devices = tuple(_known(device, config.kind == "firmware") for device in left)
    settings = {"session_start": None, **changes}
    return replace(config, id=new_id, groups=tuple(groups), devices=devices, **settings)


def _known(state: DeviceState, asks: bool) -> Device:
    version = state.fw_version if state.fw_version is not None else state.old_version
    return replace(
        state.device,
        uplink_period=state.period,
        fw_version=state.device.fw_version if version is None else version,
        loss=None if state.loss is None else round(state.loss, 4),
        ask_version=asks and may_run_target(state),
    )
