"""TS006 of a virtual device: firmware versions, reboots and stored images."""

from __future__ import annotations

import math

from fuota_fec.fleet import quirks
from fuota_fec.fleet.device_state import DeviceState
from fuota_fec.fleet.packages.package import Answers, Package
from fuota_fec.wire import firmware
from fuota_fec.wire.clock import unix_from_gps


def _dev_version(state: DeviceState, _command: firmware.DevVersionReq, _now: float) -> Answers:
    yield version_of(state), state.answer_delay()


def version_of(state: DeviceState) -> firmware.DevVersionAns:
    """The device's report of its versions."""
    fw_version = state.profile.version_on_air(state.fw_version)
    return firmware.DevVersionAns(fw_version=fw_version, hw_version=state.hw_version)


def _dev_reboot_time(state: DeviceState, command: firmware.DevRebootTimeReq, now: float) -> Answers:
    """An immediate reboot is not answered: the answer would be the number that means "cannot"."""
    if command.reboot_time == firmware.REBOOT_NOW:
        state.plan_reboot(now)
        return
    delay = state.answer_delay()
    if command.reboot_time == firmware.CANCEL_REBOOT:
        state.plan_reboot(None)
        yield firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT), delay
        return
    own_gps = state.own_gps(now + delay)
    left = quirks.seconds_until(state.profile, command.reboot_time, own_gps)
    if not state.clock_set or left <= 0:
        yield firmware.DevRebootTimeAns(reboot_time=0), delay
        return
    timer = quirks.timer_seconds(state.profile, left)
    state.plan_reboot(unix_from_gps(math.floor(own_gps) + timer - state.clock_error))
    answered = left if state.profile.reboot_delay_answered else command.reboot_time
    yield firmware.DevRebootTimeAns(reboot_time=answered), delay


def _dev_reboot_countdown(state: DeviceState, command: firmware.DevRebootCountdownReq, now: float) -> Answers:
    """The countdown begins with the request. A reboot that is due before the answer is not answered."""
    if command.countdown == firmware.REBOOT_NOW:
        state.plan_reboot(now)
        return
    delay = state.answer_delay()
    if command.countdown == firmware.CANCEL_COUNTDOWN:
        state.plan_reboot(None)
        yield firmware.DevRebootCountdownAns(countdown=firmware.CANCEL_COUNTDOWN), delay
        return
    timer = quirks.timer_seconds(state.profile, command.countdown)
    state.plan_reboot(now + timer)
    if timer > delay:
        left = math.ceil(command.countdown - delay) if state.profile.reboot_delay_answered else command.countdown
        yield firmware.DevRebootCountdownAns(countdown=left), delay


def _dev_upgrade_image(state: DeviceState, _command: firmware.DevUpgradeImageReq, _now: float) -> Answers:
    release = state.stored_release() if state.profile.tells_image is not False else None
    hidden = state.stored is None or state.profile.tells_image is False
    status = 0 if hidden else 1 if release is None else firmware.VALID_IMAGE
    version = None if release is None else state.profile.version_on_air(release)
    yield firmware.DevUpgradeImageAns(up_image_status=status, next_firmware_version=version), state.answer_delay()


def _dev_delete_image(state: DeviceState, command: firmware.DevDeleteImageReq, _now: float) -> Answers:
    """A refused request changes nothing: an incomplete block of a device that stores no image is still received."""
    release = state.stored_release() if state.profile.deletes_image is not False else None
    other = release is not None and release != state.profile.version_on_air(command.firmware_to_delete_version)
    if release is not None and not other:
        state.discard_image()
    answer = firmware.DevDeleteImageAns(error_no_valid_image=release is None, error_invalid_version=other)
    yield answer, state.answer_delay()


FIRMWARE = Package(
    identifier=firmware.PACKAGE_IDENTIFIER,
    versions=firmware.VERSIONS,
    decode=firmware.decode,
    version_of=lambda _state: "1.0.0",
    present=lambda profile: profile.ts006 is not False,
    handlers={
        firmware.DevVersionReq: _dev_version,
        firmware.DevRebootTimeReq: _dev_reboot_time,
        firmware.DevRebootCountdownReq: _dev_reboot_countdown,
        firmware.DevUpgradeImageReq: _dev_upgrade_image,
        firmware.DevDeleteImageReq: _dev_delete_image,
    },
)
