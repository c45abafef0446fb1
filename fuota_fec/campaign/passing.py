"""Devices that pass beside the stages: they ran the target version before, left and are heard again, or reported it
last."""

from __future__ import annotations

from fuota_fec.campaign import reasons
from fuota_fec.campaign.exchanges.base import Decisions
from fuota_fec.campaign.exchanges.clean_up import CleanUp
from fuota_fec.campaign.last_questions import tidy
from fuota_fec.campaign.messages import Returned, RunsAlready
from fuota_fec.campaign.questions import CANCEL_REBOOT, LAST_VERSION
from fuota_fec.campaign.state import CampaignState, Data
from fuota_fec.checks import counted


def return_device(state: CampaignState, clean_up: CleanUp, event: Returned) -> None:
    """Asks a device that had left for its version, beside the stage; the target version makes it pass."""
    device = state.devices[event.dev_eui]
    device.heard = device.ever_heard = True
    if event.fw_version is None:
        clean_up.add(device, (LAST_VERSION,), event)
    else:
        state.take_version(device, event.fw_version)
        LAST_VERSION.done(state, device)


def pass_already(state: CampaignState, clean_up: CleanUp, event: RunsAlready) -> None:
    """Passes a device that runs the target version. What was set up is undone at the end of the campaign, or at once
    if a reboot lies ahead."""
    device = state.devices[event.dev_eui]
    device.taking_part, device.reason, device.data = False, reasons.RUNS_ALREADY, Data.COMPLETE
    state.pass_device(device)
    if event.fw_version is not None:
        device.heard = device.ever_heard = True
        state.take_version(device, event.fw_version)
    if device.reboots_after(event.at):
        clean_up.add(device, (CANCEL_REBOOT, *tidy(state, device)), event)


def pass_by_version(state: CampaignState, now: float, *, ends: bool = False) -> Decisions:
    """Passes the devices without a verdict whose last word was the target version: those that have left, and all when
    the campaign `ends`. Where the hardware counts too, the last word must be of the device's own accord: an answer is
    recorded without the hardware."""
    config, target = state.config, state.config.firmware_version
    if config.kind != "firmware":
        return
    for device in state.devices.values():
        has_verdict = device.passed or device.runs_target or (not ends and device.taking_part)
        right_hardware = config.hw_version in (None, device.hw_version)
        if not has_verdict and device.fw_version == target and right_hardware:
            yield Returned(at=now, dev_eui=device.dev_eui, fw_version=target)


def success(state: CampaignState) -> str:
    """Reason of a campaign that succeeds; empty if fragments decided it."""
    n_already = sum(device.reason == reasons.RUNS_ALREADY for device in state.devices.values() if device.passed)
    if not n_already or any(device.got_fragments for device in state.devices.values()):
        return ""
    return f"{reasons.RUNS_ALREADY}: {n_already} of {counted(len(state.devices), 'device')}"
