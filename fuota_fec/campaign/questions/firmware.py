"""Questions of TS006: reboots, images and versions."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Literal

from fuota_fec.campaign import reasons
from fuota_fec.campaign.questions.multicast import CLOCK_MARGIN, FORCE_DEVICE_RESYNC
from fuota_fec.campaign.questions.question import OK, Question, Verdict, data_complete
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.devices.profiles import DeviceProfile, RebootVerb
from fuota_fec.errors import WireError
from fuota_fec.wire import firmware
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command

MOST_FOUND_OLD = 3
"""Further rounds for a device that runs the old version without reporting missing fragments; its fault is another
one."""
LEAST_COUNTDOWN = 60
"""Shortest countdown, s. A device that reboots at once may not answer."""
LONGEST_COUNTDOWN = firmware.CANCEL_COUNTDOWN - 1


def read_answers(payload: bytes, profile: DeviceProfile) -> list[Command]:
    """Commands of a payload of TS006, with firmware versions as numbers whatever order the stack sends their bytes in.
    WireError as for `wire.firmware.decode`."""
    try:
        commands = firmware.decode(payload, uplink=True)
    except WireError as error:
        error.commands = tuple(_in_order(command, profile) for command in error.commands)
        raise
    return [_in_order(command, profile) for command in commands]


def _in_order(command: Command, profile: DeviceProfile) -> Command:
    if isinstance(command, firmware.DevVersionAns):
        return replace(command, fw_version=profile.version_on_air(command.fw_version))
    if isinstance(command, firmware.DevUpgradeImageAns) and command.next_firmware_version is not None:
        return replace(command, next_firmware_version=profile.version_on_air(command.next_firmware_version))
    return command


# ---- DevRebootTime ---------------------------------------------------------------------------------------


def _by_countdown(state: CampaignState, device: DeviceState) -> bool:
    """Whether the device gets a countdown: its only verb, or no time is set and a countdown needs no clock."""
    verb = device.profile.reboot_verb
    return verb is RebootVerb.COUNTDOWN or (verb is RebootVerb.EITHER and state.config.reboot_time is None)


def _reboot_at(state: CampaignState, device: DeviceState, now: float) -> float:
    """Unix time of the reboot that a request at `now` asks for: the configured time, or a time of the device's own,
    drawn from its DevEUI, within the spread and late enough for the request to arrive."""
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


def _reboot_read(state: CampaignState, device: DeviceState, command: Command, received_at: float) -> Verdict | None:
    """Takes 0 for a refusal: of a time that lies ahead it means a wrong clock. The acknowledgement of a cancel is
    foreign."""
    if _by_countdown(state, device):
        if not isinstance(command, firmware.DevRebootCountdownAns):
            return None
        confirmed, cancelled = command.countdown, firmware.CANCEL_COUNTDOWN
    else:
        if not isinstance(command, firmware.DevRebootTimeAns):
            return None
        confirmed, cancelled = command.reboot_time, firmware.CANCEL_REBOOT
    if confirmed == cancelled:
        return None
    if isinstance(command, firmware.DevRebootTimeAns) and (off := _clock_off(state, device, command, received_at)):
        # A device that was synchronised before may do without: a later time can be asked for.
        if not device.synchronised:
            return Verdict(ok=False, reason=off, again="now", first=(FORCE_DEVICE_RESYNC.name,))
        if confirmed or state.config.reboot_time is not None:
            return Verdict(ok=False, reason=off)
    if confirmed:
        return OK
    # A later time can be asked for if none is configured: this one may have passed in the network's queue.
    again: Literal["", "later"] = "later" if state.config.reboot_time is None else ""
    return Verdict(ok=False, reason=reasons.refused("DevRebootTime", "it cannot reboot at that time"), again=again)


def _clock_off(
    state: CampaignState, device: DeviceState, command: firmware.DevRebootTimeAns, received_at: float
) -> str:
    """Reason of a wrong clock that an answer shows: a time that lies ahead has passed, or would come at another time;
    "" if the clock is right. Some stacks repeat the time that was asked for."""
    when, answered = device.reboot_at, command.reboot_time
    if when is None or received_at >= when or answered == gps_to_wire(gps_from_unix(when)):
        return ""
    if not answered:
        return "clock off: the device takes the reboot time for past, or does not know the time"
    off = received_at + answered - when
    tolerance = state.config.time_tolerance + CLOCK_MARGIN
    return f"clock off by {off:.0f} s" if device.profile.reboot_delay_answered and abs(off) > tolerance else ""


def _reboot_done(_state: CampaignState, device: DeviceState) -> None:
    """Takes the clock for right: another doubt about it is a new one."""
    device.synchronised = False


def _reboot_sent(state: CampaignState, device: DeviceState, at: float) -> None:
    """Records the reboot. A countdown begins at its reception, after the next uplink."""
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
    done=_reboot_done,
    not_after=lambda state, _device: state.config.reboot_time,
)


def _cancel_request(_state: CampaignState, device: DeviceState, _now: float) -> Command:
    if device.reboot_sent == "countdown":
        return firmware.DevRebootCountdownReq(countdown=firmware.CANCEL_COUNTDOWN)
    return firmware.DevRebootTimeReq(reboot_time=firmware.CANCEL_REBOOT)


def _cancel_read(_state: CampaignState, device: DeviceState, command: Command, _received_at: float) -> Verdict | None:
    """Accepts only an answer with the value that cancels."""
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
    """Fragments that a device without an image may lack; None if it has one, which fragments would not mend."""
    return None if up_image_status else device.needed or 1


def _upgrade_image_read(
    state: CampaignState, device: DeviceState, command: Command, _received_at: float
) -> Verdict | None:
    """Asks a device without an image for its version instead if it may have installed the image and rebooted by
    itself."""
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
    """Counts fragments as missing until the version shows that the image was installed."""
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


def _installed_read(state: CampaignState, device: DeviceState, command: Command, _received_at: float) -> Verdict | None:
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


def is_target(state: CampaignState, command: Command) -> bool:
    """Whether a command reports the target version, on the hardware that it is for."""
    if not isinstance(command, firmware.DevVersionAns) or state.config.kind != "firmware":
        return False
    right = command.fw_version == state.config.firmware_version
    return right and state.config.hw_version in (None, command.hw_version)


def _version_read(state: CampaignState, device: DeviceState, command: Command, _received_at: float) -> Verdict | None:
    """Asks again, while retries remain, a device with the version from before the update or one that may be it."""
    if not isinstance(command, firmware.DevVersionAns):
        return None
    version = command.fw_version
    if version != state.config.firmware_version:
        # An old version that is the target was a belief, which no answer has confirmed.
        may_be_old = device.old_version in (None, version, state.config.firmware_version)
        again: Literal["", "later"] = "later" if may_be_old else ""
        return Verdict(ok=False, reason=reasons.wrong_version(version), again=again, fw_version=version)
    if not is_target(state, command):
        reason = f"wrong hardware version {command.hw_version}, expected {state.config.hw_version}"
        return Verdict(ok=False, reason=reason, fw_version=version)
    return Verdict(ok=True, fw_version=version)


def _runs_the_old(state: CampaignState, device: DeviceState) -> None:
    """Takes the old version for a sign of missing fragments, whatever the counts were, in at most MOST_FOUND_OLD
    rounds."""
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


def _last_version_read(
    state: CampaignState, device: DeviceState, command: Command, received_at: float
) -> Verdict | None:
    """Reads the version once: any other than the target is a verdict."""
    verdict = _version_read(state, device, command, received_at)
    return verdict if verdict is None else replace(verdict, again="")


def _pass_after_all(state: CampaignState, device: DeviceState) -> None:
    device.left_reason, device.reason = device.left_reason or device.reason, ""
    state.pass_device(device)
    data_complete(state, device)


def _fail(_state: CampaignState, device: DeviceState, reason: str) -> None:
    device.left_reason, device.reason = device.left_reason or device.reason, reason


LAST_VERSION = Question(
    name="DevVersion at the end",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=_last_version_read,
    done=_pass_after_all,
    refused=_fail,
    volunteered=(firmware.DevVersionAns,),
    undoes=False,
)
"""Last question to a device that was silent before: its version decides, as long as there is time."""


def _delete_request(state: CampaignState, device: DeviceState, _now: float) -> Command:
    version = state.config.firmware_version
    assert version is not None
    return firmware.DevDeleteImageReq(firmware_to_delete_version=device.profile.version_on_air(version))


def _delete_read(_state: CampaignState, _device: DeviceState, command: Command, _received_at: float) -> Verdict | None:
    """Takes an image that does not exist for deleted. One of another version is not the campaign's, and remains."""
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
