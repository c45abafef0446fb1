"""Belief about devices that may run the target version before the campaign. The word of the device corrects it.

The configuration, the registry, or the end of an earlier campaign gives the reason for it.
"""

from __future__ import annotations

from fuota_fec.campaign import reasons
from fuota_fec.campaign.config import CampaignConfig, Device, firmware_version
from fuota_fec.campaign.facts import Known, KnownDevice
from fuota_fec.campaign.state import Data, DeviceState


def devices_to_ask(config: CampaignConfig, known: Known | None = None) -> tuple[str, ...]:
    """DevEUIs of the devices that are asked for their version first: they may run the target version already."""
    if config.kind != "firmware":
        return ()
    target, facts, nothing = config.firmware_version, known.devices if known is not None else {}, KnownDevice()
    return tuple(
        device.dev_eui
        for device in config.devices
        if (
            device.ask_version
            or _configured(device) == target
            or facts.get(device.dev_eui, nothing).fw_version == target
        )
        and not _cannot_be_asked(config, device)
    )


def devices_not_to_ask(config: CampaignConfig) -> tuple[str, ...]:
    """DevEUIs of the devices that run the target version by their configuration, and cannot be asked for it."""
    if config.kind != "firmware":
        return ()
    target = config.firmware_version
    return tuple(d.dev_eui for d in config.devices if _cannot_be_asked(config, d) and _configured(d) == target)


def may_run_target(device: DeviceState) -> bool:
    """Whether a device that did not pass a finished firmware update may run the target version all the same."""
    unknown = device.reason.startswith(reasons.SILENCE) or (device.device.ask_version and device.fw_version is None)
    return device.got_fragments or device.data >= Data.LIKELY or unknown


def _configured(device: Device) -> int | None:
    return None if device.fw_version is None else firmware_version(device.fw_version)


def _cannot_be_asked(config: CampaignConfig, device: Device) -> bool:
    return config.profile_of(device).ts006 is False
