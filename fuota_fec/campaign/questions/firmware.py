"""TS006: reboots, images and versions."""

from __future__ import annotations

import zlib
from typing import Literal

from fuota_fec.campaign import reasons
from fuota_fec.campaign.questions.question import OK, Question, Verdict, data_complete
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.devices.profiles import RebootVerb
from fuota_fec.wire import firmware
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command

MOST_FOUND_OLD = 3
"""Rounds for a device that ran the old version without a word of missing fragments: then it has something else."""
LEAST_COUNTDOWN = 60
"""s: a device that reboots at once may not answer."""
LONGEST_COUNTDOWN = firmware.CANCEL_COUNTDOWN - 1

# ---- DevRebootTime ---------------------------------------------------------------------------------------


def _by_countdown(state: CampaignState, device: DeviceState) -> bool:
    """A reboot that is not to be at a set time needs no clock."""
    verb = device.profile.reboot_verb
    return verb is RebootVerb.COUNTDOWN or (verb is RebootVerb.EITHER and state.config.reboot_time is None)


def _reboot_at(state: CampaignState, device: DeviceState, now: float) -> float:
    """Unix time at which a device that is told so now is to reboot: the one that is configured, or a time of its own,
    drawn from its DevEUI, within the spread, and one that it can still hear of."""
    config = state.config
    if config.reboot_time is not None:
        return config.reboot_time
    own = state.stage_started + config.reboot_spread * zlib.crc32(device.dev_eui.encode()) / 2**32
    by_countdown = _by_countdown(state, device)
    heard = now + (LEAST_COUNTDOWN if by_countdown else device.period + config.delivery_timeout)
    return max(own, heard)


def _reboot_request(state: CampaignState, device: DeviceState, now: float) -> Command:
    when = _reboot_at(state, device, now)
    if _by_countdown(state, device):
        return firmware.DevRebootCountdownReq(countdown=min(max(1, round(when - now)), LONGEST_COUNTDOWN))
    return firmware.DevRebootTimeReq(reboot_time=gps_to_wire(gps_from_unix(when)))


def _reboot_read(state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """0 means that it cannot; the acknowledgement of a cancel is not an answer to this."""
    if _by_countdown(state, device):
        if not isinstance(command, firmware.DevRebootCountdownAns):
            return None
        told, cancelled = command.countdown, firmware.CANCEL_COUNTDOWN
    else:
        if not isinstance(command, firmware.DevRebootTimeAns):
            return None
        told, cancelled = command.reboot_time, firmware.CANCEL_REBOOT
    if told == cancelled:
        return None
    if told:
        return OK
    # After the transfer the time is ours to choose: it may have passed while the request waited for an uplink.
    again: Literal["", "later"] = "later" if state.config.reboot_time is None else ""
    return Verdict(ok=False, reason=reasons.refused("DevRebootTime", "it cannot reboot at that time"), again=again)


def _reboot_sent(state: CampaignState, device: DeviceState, at: float) -> None:
    """A countdown begins when the device hears of it, after its next uplink."""
    by_countdown = _by_countdown(state, device)
    device.reboot_sent = "countdown" if by_countdown else "time"
    ages = state.config.reboot_time is None and by_countdown
    device.reboot_at = _reboot_at(state, device, at) + (device.period if ages else 0.0)


DEV_REBOOT_TIME = Question(
    name="DevRebootTime",
    port=lambda ports: ports.firmware,
    request=_reboot_request,
    read=_reboot_read,
    sent=_reboot_sent,
    not_after=lambda state, _device: state.config.reboot_time,
)


def _cancel_request(_state: CampaignState, device: DeviceState, _now: float) -> Command:
    if device.reboot_sent == "countdown":
        return firmware.DevRebootCountdownReq(countdown=firmware.CANCEL_COUNTDOWN)
    return firmware.DevRebootTimeReq(reboot_time=firmware.CANCEL_REBOOT)


def _cancel_read(_state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """Confirmed by the value that cancels, and by no other."""
    if device.reboot_sent == "countdown":
        right = isinstance(command, firmware.DevRebootCountdownAns) and command.countdown == firmware.CANCEL_COUNTDOWN
    else:
        right = isinstance(command, firmware.DevRebootTimeAns) and command.reboot_time == firmware.CANCEL_REBOOT
    return OK if right else None


def _cancel_done(_state: CampaignState, device: DeviceState) -> None:
    device.reboot_sent, device.reboot_at = "", None


CANCEL_REBOOT = Question(
    name="CancelReboot",
    port=lambda ports: ports.firmware,
    request=_cancel_request,
    read=_cancel_read,
    done=_cancel_done,
    not_after=lambda _state, device: device.reboot_at,
)


# ---- UpgradeImage ------------------------------------------------------------------------------------------

_NO_IMAGE = {0: "none is stored", 1: "corrupt or wrongly signed", 2: "for other hardware"}


def _still_needed(device: DeviceState, up_image_status: int) -> int | None:
    """A device without any image may lack fragments; what is wrong with one that it has they do not mend."""
    return None if up_image_status else device.needed or 1


def _upgrade_image_read(state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """A device that reboots alone may have installed the image already: then it has none, and tells its version."""
    if isinstance(command, firmware.DevVersionAns) and command.fw_version == state.config.firmware_version:
        return Verdict(ok=True, fw_version=command.fw_version)
    if not isinstance(command, firmware.DevUpgradeImageAns):
        return None
    if command.up_image_status != firmware.VALID_IMAGE:
        reason = f"image not valid: {_NO_IMAGE[command.up_image_status]}"
        may_run = state.config.reboot_time is None and device.profile.reboots_alone is not False
        if command.up_image_status == 0 and may_run:
            return Verdict(ok=False, reason=reason, again="instead", first=(INSTALLED_VERSION.name,))
        return Verdict(ok=False, reason=reason, needed=_still_needed(device, command.up_image_status))
    version = command.next_firmware_version
    if version is not None and version != state.config.firmware_version:
        return Verdict(ok=False, reason=f"image not valid: it is of version {reasons.dotted(version)}")
    return OK


def _has_no_image(_state: CampaignState, device: DeviceState) -> None:
    """Until its version tells that it has installed it."""
    device.needed = _still_needed(device, 0)


UPGRADE_IMAGE = Question(
    name="DevUpgradeImage",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevUpgradeImageReq(),
    read=_upgrade_image_read,
    done=data_complete,
    again=_has_no_image,
    volunteered=(firmware.DevVersionAns,),
)


def _installed_read(state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    if not isinstance(command, firmware.DevVersionAns):
        return None
    ok = command.fw_version == state.config.firmware_version
    reason = "" if ok else f"image not valid: {_NO_IMAGE[0]}, and it runs {reasons.dotted(command.fw_version)}"
    needed = None if ok else _still_needed(device, 0)
    return Verdict(ok=ok, reason=reason, fw_version=command.fw_version, needed=needed)


INSTALLED_VERSION = Question(
    name="DevVersion after DevUpgradeImage",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=_installed_read,
    done=data_complete,
)


# ---- CompletionVerification, DevDeleteImage --------------------------------------------------------------


def _version_read(state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """The version from before the update, or one that may be it, is asked for again while retries remain."""
    if not isinstance(command, firmware.DevVersionAns):
        return None
    version = command.fw_version
    if version != state.config.firmware_version:
        may_be_old = device.old_version is None or version == device.old_version
        again: Literal["", "later"] = "later" if may_be_old else ""
        return Verdict(ok=False, reason=reasons.wrong_version(version), again=again, fw_version=version)
    wanted = state.config.hw_version
    if wanted is not None and command.hw_version != wanted:
        reason = f"wrong hardware version {command.hw_version}, expected {wanted}"
        return Verdict(ok=False, reason=reason, fw_version=version)
    return Verdict(ok=True, fw_version=version)


def _runs_the_old(state: CampaignState, device: DeviceState) -> None:
    """A sign that it lacks fragments, whatever its counts said, unless further ones did not help often enough."""
    if device.data is Data.COMPLETE or device.needed is not None:
        return
    if device.found_old_in != state.round:
        device.found_old_in = state.round
        device.n_found_old += 1
    if device.n_found_old <= MOST_FOUND_OLD:
        device.data, device.needed = Data.UNKNOWN, 1


DEV_VERSION = Question(
    name="DevVersion",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=_version_read,
    done=data_complete,
    again=_runs_the_old,
    volunteered=(firmware.DevVersionAns,),
)


def _delete_request(state: CampaignState, _device: DeviceState, _now: float) -> Command:
    version = state.config.firmware_version
    assert version is not None
    return firmware.DevDeleteImageReq(firmware_to_delete_version=version)


def _delete_read(_state: CampaignState, _device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """Nothing to delete is as good as deleted; an image of another version is none of ours, and still there."""
    if not isinstance(command, firmware.DevDeleteImageAns):
        return None
    if command.error_invalid_version:
        return Verdict(ok=False, reason=reasons.refused("DevDeleteImage", "error_invalid_version"))
    return OK


def _image_deleted(_state: CampaignState, device: DeviceState) -> None:
    device.data = Data.UNKNOWN


DEV_DELETE_IMAGE = Question(
    name="DevDeleteImage",
    port=lambda ports: ports.firmware,
    request=_delete_request,
    read=_delete_read,
    done=_image_deleted,
)
