"""Belief about devices that may run the target version before the campaign. The word of the device corrects it.

The configuration, the registry, or the end of an earlier campaign gives the reason for it.
"""

from __future__ import annotations

from collections.abc import Callable

from fuota_fec.campaign import reasons
from fuota_fec.campaign.config import CampaignConfig, Device, firmware_version
from fuota_fec.campaign.facts import Known, KnownDevice
from fuota_fec.campaign.state import CampaignState, Data, DeviceState


def devices_to_ask(config: CampaignConfig, known: Known | None = None) -> tuple[str, ...]:
    """DevEUIs of the devices that are asked for their version first: they may run the target version already."""
    facts, nothing = known.devices if known is not None else {}, KnownDevice()

    def believed(device: Device) -> bool:
        known_version = facts.get(device.dev_eui, nothing).fw_version
        return device.ask_version or config.firmware_version in (_configured(device), known_version)

    return _of_firmware(config, lambda device: _can_be_asked(config, device) and believed(device))


def devices_not_to_ask(config: CampaignConfig) -> tuple[str, ...]:
    """DevEUIs of the devices that run the target version by their configuration, and cannot be asked for it."""
    target = config.firmware_version
    return _of_firmware(config, lambda device: not _can_be_asked(config, device) and _configured(device) == target)


def may_run_target(device: DeviceState) -> bool:
    """Whether a device that did not pass a finished firmware update may run the target version all the same."""
    unknown = device.reason.startswith(reasons.SILENCE) or (device.device.ask_version and device.fw_version is None)
    return device.got_fragments or device.data >= Data.LIKELY or unknown


def version_is_open(state: CampaignState, device: DeviceState) -> bool:
    """Whether the version of a device decides and is not known: it may have received fragments, whatever it answered
    to other questions, and has not reported a version that was its verdict."""
    if state.config.kind != "firmware" or device.passed or device.profile.ts006 is False:
        return False
    group = state.groups[device.group.name]
    listened = device.session_asked and (group.n_requested > 0 or group.round > 1)
    may_have_it = device.got_fragments or listened or device.data >= Data.LIKELY
    return may_have_it and not device.reason.startswith(reasons.OTHER_FIRMWARE)


def first_version_is_open(state: CampaignState, device: DeviceState) -> bool:
    """Whether a device is believed to have run the target version before the campaign, and never reported a version."""
    return device.dev_eui in state.plan.asked_first and not device.passed and device.fw_version is None


def _of_firmware(config: CampaignConfig, meets: Callable[[Device], bool]) -> tuple[str, ...]:
    """DevEUIs of the devices of a firmware update that meet a condition; none of another campaign."""
    return tuple(device.dev_eui for device in config.devices if config.kind == "firmware" and meets(device))


def _configured(device: Device) -> int | None:
    return None if device.fw_version is None else firmware_version(device.fw_version)


def _can_be_asked(config: CampaignConfig, device: Device) -> bool:
    return config.profile_of(device).ts006 is not False
