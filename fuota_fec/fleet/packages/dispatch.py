"""The packages of a virtual device: what each command does to it, and what it answers.

TS003 clock synchronisation, TS004 fragmentation, TS005 multicast setup, TS006 firmware management, as the
specifications have them, and with the quirks of the device's profile. A package is a row, a command a row of its
handlers; `quirks` tells which of them a stack understands. A handler changes the device and gives its answers, each
with the seconds after which it is sent: one uplink per answer. TS004 has a module of its own, `transport`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from fuota_fec.campaign.config import Ports
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import WireError
from fuota_fec.fleet import quirks
from fuota_fec.fleet.decoding import JoinedGroup, group_key
from fuota_fec.fleet.packages import fragmentation as transport
from fuota_fec.fleet.packages.fragmentation import Answers
from fuota_fec.wire import clock, firmware, fragmentation, keys, multicast
from fuota_fec.wire.clock import gps_difference, gps_to_wire, unix_from_gps
from fuota_fec.wire.commands import Command, PackageVersionAns, PackageVersionReq

if TYPE_CHECKING:
    from fuota_fec.fleet.device import VirtualDevice

_DATA_FRAGMENT = bytes((fragmentation.DataFragment.CID,))

_STATUS_HEAD_LEN = 2
_STATUS_ITEM_LEN = 5
"""Bytes of McGroupStatusAns before its groups, and of each."""

Handler: TypeAlias = "Callable[[VirtualDevice, Any, float], Answers]"
"""(device, command, now): what a command does that comes by unicast."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Package:
    """One package: how its commands are read, and what they do."""

    identifier: int
    versions: Mapping[int, str]
    decode: Callable[..., list[Command]]
    version_of: Callable[[VirtualDevice], str]
    handlers: Mapping[type[Command], Handler]
    present: Callable[[DeviceProfile], bool] = lambda _profile: True
    """Whether a stack has it at all."""


def handle(device: VirtualDevice, f_port: int, payload: bytes, now: float, group_id: int | None) -> Answers:
    """What a downlink on this port does; `group_id` is None for unicast. The rest of it is dropped where it cannot be
    read, and what may come by unicast only is dropped when it comes by multicast."""
    package = _package_at(device.ports, f_port)
    if package is None or not package.present(device.profile):
        return ()
    version = package.version_of(device)
    commands, garbled = _read(package, payload, version)
    if garbled:
        device.n_garbage += 1
    answers: list[tuple[Command, float]] = []
    for command in commands:
        kind = type(command)
        if isinstance(command, fragmentation.DataFragment):
            answers += transport.data_fragment(device, command, now, group_id)
        elif group_id is not None and kind is not fragmentation.FragSessionStatusReq:
            continue
        elif kind is PackageVersionReq:
            number = next(number for number, name in package.versions.items() if name == version)
            answer = PackageVersionAns(package_identifier=package.identifier, package_version=number)
            answers.append((answer, device.soon()))
        elif (handler := package.handlers.get(kind)) is not None and quirks.understands(device.profile, kind):
            answers += handler(device, command, now)
    return answers


def fragment_in(payload: bytes) -> fragmentation.DataFragment | None:
    """The fragment that a frame of TS004 is, in either dialect; None: it is another command, or none."""
    if payload[:1] != _DATA_FRAGMENT:
        return None
    commands, garbled = _read(FRAGMENTATION, payload, "1.0.0")
    [fragment] = commands if len(commands) == 1 and not garbled else [None]
    return fragment if isinstance(fragment, fragmentation.DataFragment) else None


@lru_cache(maxsize=64)
def _read(package: Package, payload: bytes, version: str) -> tuple[tuple[Command, ...], bool]:
    """The commands of a payload, and whether something in it is none. A multicast frame is read once for all devices,
    which then share its fragment."""
    try:
        return tuple(package.decode(payload, uplink=False, version=version)), False
    except WireError as error:
        return tuple(error.commands), True


# ---- TS003 -----------------------------------------------------------------------------------------------


def _force_device_resync(device: VirtualDevice, command: clock.ForceDeviceResyncCmd, now: float) -> Answers:
    delay = 0.0
    for _ in range(command.nb_transmissions):
        delay += device.soon()
        device_time = gps_to_wire(device.own_gps(now + delay))
        yield clock.AppTimeReq(device_time=device_time, ans_required=True, token_req=device._clock_token), delay


def _app_time(device: VirtualDevice, command: clock.AppTimeAns, _now: float) -> Answers:
    if command.token_ans == device._clock_token:
        device.clock_error += command.time_correction
        device.clock_set = True
        device._clock_token = (device._clock_token + 1) & 15
    return ()


# ---- TS005 -----------------------------------------------------------------------------------------------


def _mc_group_status(device: VirtualDevice, command: multicast.McGroupStatusReq, _now: float) -> Answers:
    """The groups with the highest numbers are left out where the answer would be too long."""
    items = [
        multicast.McGroupStatusItem(mc_group_id=group_id, mc_addr=group.mc_addr)
        for group_id, group in sorted(device._groups.items())
        if command.req_group_mask >> group_id & 1
    ]
    if device.profile.max_answer_len is not None:
        del items[max(0, (device.profile.max_answer_len - _STATUS_HEAD_LEN) // _STATUS_ITEM_LEN) :]
    mask = sum(1 << item.mc_group_id for item in items)
    answer = multicast.McGroupStatusAns(nb_total_groups=len(device._groups), ans_group_mask=mask, items=tuple(items))
    yield answer, device.soon()


def _mc_group_setup(device: VirtualDevice, command: multicast.McGroupSetupReq, _now: float) -> Answers:
    derive = keys.mc_root_key if device.lorawan == "1.0" else keys.mc_root_key_from_app_key
    mc_key = keys.unwrap_mc_key(keys.mc_ke_key(derive(device.root_key)), command.mc_key_encrypted)
    device._groups[command.mc_group_id] = JoinedGroup(
        mc_addr=command.mc_addr,
        app_s_key=group_key(bytes(keys.mc_app_s_key(mc_key, command.mc_addr))),
        min_f_cnt=command.min_mc_fcnt,
        max_f_cnt=command.max_mc_fcnt,
        first_below=2**16 if device.profile.first_f_cnt_16_bits else 2**32,
    )
    yield multicast.McGroupSetupAns(mc_group_id=command.mc_group_id, id_error=False), device.soon()


def _mc_group_delete(device: VirtualDevice, command: multicast.McGroupDeleteReq, _now: float) -> Answers:
    """Its session is over with it."""
    undefined = device._groups.pop(command.mc_group_id, None) is None
    yield multicast.McGroupDeleteAns(mc_group_id=command.mc_group_id, mc_group_undefined=undefined), device.soon()


def _class_c_session(device: VirtualDevice, command: multicast.McClassCSessionReq, now: float) -> Answers:
    return _session(device, command, now, multicast.McClassCSessionAns, float(1 << command.time_out))


def _class_b_session(device: VirtualDevice, command: multicast.McClassBSessionReq, now: float) -> Answers:
    return _session(device, command, now, multicast.McClassBSessionAns, float(128 << command.time_out))


def _session(
    device: VirtualDevice,
    command: multicast.McClassCSessionReq | multicast.McClassBSessionReq,
    now: float,
    answer: type[multicast.McClassCSessionAns | multicast.McClassBSessionAns],
    duration: float,
) -> Answers:
    """StartMissed is 2.0.0's; stacks of 1.0.0 send it as well, and so does this one."""
    delay = device.soon()
    group = device._groups.get(command.mc_group_id)
    own_gps = device.own_gps(now + delay)
    time_to_start = gps_difference(command.session_time, gps_to_wire(own_gps))
    missed = device.clock_set and time_to_start < 0
    if group is None or missed:
        yield answer(mc_group_id=command.mc_group_id, mc_group_undefined=group is None, start_missed=missed), delay
        return
    if not device.clock_set:
        yield answer(mc_group_id=command.mc_group_id, time_to_start=multicast.TIME_TO_START_UNKNOWN), delay
        return
    group.opens = float(math.floor(own_gps) + time_to_start)
    group.closes = group.opens + duration
    group.frequency_hz = command.dl_frequency_hz
    group.dr = command.dr
    if isinstance(command, multicast.McClassBSessionReq):
        group.device_class, group.periodicity = "B", command.periodicity
    else:
        group.device_class, group.periodicity = "C", 0
    shown = min(time_to_start, multicast.TIME_TO_START_UNKNOWN)
    yield answer(mc_group_id=command.mc_group_id, time_to_start=shown), delay


# ---- TS006 -----------------------------------------------------------------------------------------------


def _dev_version(device: VirtualDevice, _command: firmware.DevVersionReq, _now: float) -> Answers:
    yield firmware.DevVersionAns(fw_version=device.fw_version, hw_version=device.hw_version), device.soon()


def _dev_reboot_time(device: VirtualDevice, command: firmware.DevRebootTimeReq, now: float) -> Answers:
    """A device that reboots at once says nothing: its answer would be the number that means "cannot"."""
    if command.reboot_time == firmware.REBOOT_NOW:
        device.plan_reboot(now)
        return
    delay = device.soon()
    if command.reboot_time == firmware.CANCEL_REBOOT:
        device.plan_reboot(None)
        yield firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT), delay
        return
    own_gps = device.own_gps(now + delay)
    left = quirks.seconds_until(device.profile, command.reboot_time, own_gps)
    if not device.clock_set or left <= 0:
        yield firmware.DevRebootTimeAns(reboot_time=0), delay
        return
    waits = quirks.timer(device.profile, left)
    device.plan_reboot(unix_from_gps(math.floor(own_gps) + waits - device.clock_error))
    said = left if device.profile.reboot_delay_answered else command.reboot_time
    yield firmware.DevRebootTimeAns(reboot_time=said), delay


def _dev_reboot_countdown(device: VirtualDevice, command: firmware.DevRebootCountdownReq, now: float) -> Answers:
    """It counts from the request. Nothing is said by a device that reboots before it could."""
    if command.countdown == firmware.REBOOT_NOW:
        device.plan_reboot(now)
        return
    delay = device.soon()
    if command.countdown == firmware.CANCEL_COUNTDOWN:
        device.plan_reboot(None)
        yield firmware.DevRebootCountdownAns(countdown=firmware.CANCEL_COUNTDOWN), delay
        return
    waits = quirks.timer(device.profile, command.countdown)
    device.plan_reboot(now + waits)
    if waits > delay:
        left = math.ceil(command.countdown - delay) if device.profile.reboot_delay_answered else command.countdown
        yield firmware.DevRebootCountdownAns(countdown=left), delay


def _dev_upgrade_image(device: VirtualDevice, _command: firmware.DevUpgradeImageReq, _now: float) -> Answers:
    release = stored_release(device) if device.profile.tells_image is not False else None
    hidden = device.stored is None or device.profile.tells_image is False
    status = 0 if hidden else 1 if release is None else firmware.VALID_IMAGE
    yield firmware.DevUpgradeImageAns(up_image_status=status, next_firmware_version=release), device.soon()


def _dev_delete_image(device: VirtualDevice, command: firmware.DevDeleteImageReq, _now: float) -> Answers:
    """With an error nothing changes: a half-built block of a device that stores no image is still built."""
    release = stored_release(device) if device.profile.deletes_image is not False else None
    other = release is not None and release != command.firmware_to_delete_version
    if release is not None and not other:
        device.discard_image()
    answer = firmware.DevDeleteImageAns(error_no_valid_image=release is None, error_invalid_version=other)
    yield answer, device.soon()


def stored_release(device: VirtualDevice) -> int | None:
    """The version of the image that the device stores; None if it stores none, or none that its boot loader accepts."""
    return None if device.stored is None else device.releases.get(_digest(device.stored))


@lru_cache(maxsize=8)
def _digest(image: bytes) -> bytes:
    return hashlib.sha256(image).digest()


# ---- the packages ----------------------------------------------------------------------------------------

FRAGMENTATION = Package(
    identifier=fragmentation.PACKAGE_IDENTIFIER,
    versions=fragmentation.VERSIONS,
    decode=fragmentation.decode,
    version_of=lambda device: device.version,
    handlers={
        fragmentation.FragSessionSetupReq: transport.frag_session_setup,
        fragmentation.FragSessionDeleteReq: transport.frag_session_delete,
        fragmentation.FragSessionStatusReq: transport.frag_session_status,
        fragmentation.FragDataBlockReceivedAns: transport.frag_data_block_received,
    },
)
MULTICAST = Package(
    identifier=multicast.PACKAGE_IDENTIFIER,
    versions=multicast.VERSIONS,
    decode=multicast.decode,
    version_of=lambda device: device.mc_version,
    handlers={
        multicast.McGroupStatusReq: _mc_group_status,
        multicast.McGroupSetupReq: _mc_group_setup,
        multicast.McGroupDeleteReq: _mc_group_delete,
        multicast.McClassCSessionReq: _class_c_session,
        multicast.McClassBSessionReq: _class_b_session,
    },
)
FIRMWARE = Package(
    identifier=firmware.PACKAGE_IDENTIFIER,
    versions=firmware.VERSIONS,
    decode=firmware.decode,
    version_of=lambda _device: "1.0.0",
    present=lambda profile: profile.ts006 is not False,
    handlers={
        firmware.DevVersionReq: _dev_version,
        firmware.DevRebootTimeReq: _dev_reboot_time,
        firmware.DevRebootCountdownReq: _dev_reboot_countdown,
        firmware.DevUpgradeImageReq: _dev_upgrade_image,
        firmware.DevDeleteImageReq: _dev_delete_image,
    },
)
CLOCK = Package(
    identifier=clock.PACKAGE_IDENTIFIER,
    versions=clock.VERSIONS,
    decode=clock.decode,
    version_of=lambda device: device.clock_version,
    handlers={
        clock.ForceDeviceResyncCmd: _force_device_resync,
        clock.AppTimeAns: _app_time,
    },
)


def _package_at(ports: Ports, f_port: int) -> Package | None:
    """The package on this port; fragments are most of what comes."""
    if f_port == ports.fragmentation:
        return FRAGMENTATION
    if f_port == ports.multicast:
        return MULTICAST
    if f_port == ports.firmware:
        return FIRMWARE
    if f_port == ports.clock:
        return CLOCK
    return None
