"""Verdicts by the version that a device reported last, whatever became of its questions."""

from __future__ import annotations

from fuota_fec.campaign.exchanges.base import Decisions
from fuota_fec.campaign.messages import Returned
from fuota_fec.campaign.state import CampaignState


def pass_by_version(state: CampaignState, now: float, *, ends: bool = False) -> Decisions:
    """Passes the devices without a verdict whose last word was the target version: those that have left, and all when
    the campaign `ends`. Where the hardware counts too, the last word does not suffice: it is recorded without the
    hardware."""
    config, target = state.config, state.config.firmware_version
    if config.kind != "firmware" or config.hw_version is not None:
        return
    for device in state.devices.values():
        has_verdict = device.passed or device.runs_target or (not ends and device.taking_part)
        if not has_verdict and device.fw_version == target:
            yield Returned(at=now, dev_eui=device.dev_eui, fw_version=target)
