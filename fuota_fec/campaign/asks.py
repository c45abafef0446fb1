"""What a device can be asked: the request, how the answer reads, and what both mean for what is known of it.

A question of a stage, of verification and of clean-up are rows of the same table. A command that a question does not
read is foreign to it: counted, and without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal

from fuota_fec.campaign import reasons
from fuota_fec.campaign.config import Ports
from fuota_fec.campaign.messages import Membership
from fuota_fec.campaign.state import LAST_SESSION_CNT, CampaignState, Data, DeviceState
from fuota_fec.devices.completion import Completion, read_status
from fuota_fec.devices.profiles import RebootVerb
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command, PackageVersionAns, PackageVersionReq

CLOCK_MARGIN = 10.0
"""s beyond time_tolerance up to which a device's clock is only worth a warning."""
SESSION_CNT_STEP = 256
"""By which a SessionCnt that was too low is raised: how much too low is not known."""
LONGEST_COUNTDOWN = firmware.CANCEL_COUNTDOWN - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer means: success, failure for a reason, or something to ask `again` about.

    again: "now", after what is named in `first`; "later", an uplink period on, while retries remain; or `first` is
    asked "instead". `note` is a warning.
    """

    ok: bool
    reason: str = ""
    note: str = ""
    again: Literal["", "now", "later", "instead"] = ""
    first: tuple[str, ...] = ()
    fw_version: int | None = None


OK = Verdict(ok=True)


def _nothing(_state: CampaignState, _device: DeviceState) -> None:
    """It changes nothing that is known of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    name: str
    port: Callable[[Ports], int]
    request: Callable[[CampaignState, DeviceState, float], Command]
    """The command for a device, decided on at a Unix time."""
    read: Callable[[CampaignState, DeviceState, Command, float], Verdict | None]
    """What an answer, received at a Unix time, means; None for one that does not belong here."""
    sent: Callable[[CampaignState, DeviceState], None] = _nothing
    """What is known of the device once this was requested, whether it arrives or not."""
    done: Callable[[CampaignState, DeviceState], None] = _nothing
    """What is known of it once it did so."""
    again: Callable[[CampaignState, DeviceState], None] = _nothing
    """What changes before it is asked again."""
    not_after: Callable[[CampaignState], float | None] = lambda _: None
    """Unix time after which it makes no sense any more."""
    optional: bool = False
    """It is asked once; a device that does not answer is asked what comes next."""
    volunteered: tuple[type[Command], ...] = ()
    """Commands that count although they were not asked for."""


def refusal(command: Command) -> str:
    """The names of the error flags that are set in an answer; empty if it is none."""
    values = [(f.name, getattr(command, f.name)) for f in fields(command)]  # type: ignore[arg-type]
    return ", ".join(name for name, value in values if value is True or (name == "other_errors" and value))


def _verdict(command: Command) -> Verdict:
    bits = refusal(command)
    name = type(command).__name__.removesuffix("Ans")
    return Verdict(ok=False, reason=reasons.refused(name, bits)) if bits else OK


# ---- PackageVersion --------------------------------------------------------------------------------------


def _package_version(
    name: str,
    identifier: int,
    port: Callable[[Ports], int],
    versions: Mapping[int, str],
    expected: Callable[[DeviceState], str],
) -> Ask:
    def read(_state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
        if not isinstance(command, PackageVersionAns) or command.package_identifier != identifier:
            return None
        says = versions.get(command.package_version, f"version {command.package_version}")
        if says == expected(device):
            return OK
        reason = f"other version in PackageVersion: {name} {says}, its group's is {expected(device)}"
        return Verdict(ok=False, reason=reason)

    return Ask(name=f"PackageVersion {name}", port=port, request=lambda *_: PackageVersionReq(), read=read)


PACKAGE_VERSIONS = (
    _package_version(
        "TS005",
        multicast.PACKAGE_IDENTIFIER,
        lambda ports: ports.multicast,
        multicast.VERSIONS,
        lambda device: device.group.mc_version,
    ),
    _package_version(
        "TS004",
        fragmentation.PACKAGE_IDENTIFIER,
        lambda ports: ports.fragmentation,
        fragmentation.VERSIONS,
        lambda device: device.group.version,
    ),
)


def base_version_read(state: CampaignState, _device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """The base of a delta: a device with another version cannot use it."""
    if not isinstance(command, firmware.DevVersionAns):
        return None
    ok = command.fw_version == state.required_version
    reason = "" if ok else reasons.wrong_version(command.fw_version)
    return Verdict(ok=ok, reason=reason, fw_version=command.fw_version)


BASE_VERSION = Ask(
    name="DevVersion",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=base_version_read,
)


# ---- McGroupSetup, McGroupDelete -------------------------------------------------------------------------


def membership(state: CampaignState, device: DeviceState) -> Membership:
    """What the device is to be set up with: the counters cover the planned frames with room to spare."""
    group, known = device.group, state.groups[device.group.name]
    first = known.plan.first_f_cnt
    n_planned = known.plan.n_planned
    width = int(n_planned * state.config.mcgroup_validity_coeff) if n_planned else multicast.LAST_F_CNT
    return Membership(
        mc_group_id=group.mc_group_id,
        mc_addr=group.mc_addr,
        key=group.key_name,
        min_mc_f_cnt=first,
        max_mc_f_cnt=min(first + width, multicast.LAST_F_CNT),
    )


def is_member(state: CampaignState, device: DeviceState) -> bool:
    """Whether the registry says that it has this very group, with counters for all that is planned."""
    wanted = membership(state, device)
    plan = state.groups[device.group.name].plan
    return any(
        m.mc_group_id == wanted.mc_group_id
        and m.mc_addr == wanted.mc_addr
        and m.key == wanted.key
        and m.max_mc_f_cnt >= plan.first_f_cnt + max(plan.n_planned, 1)
        for m in device.memberships
    )


def _mc_group_setup_request(state: CampaignState, device: DeviceState, _now: float) -> Command:
    """The McKey is put in at hand-over."""
    wanted = membership(state, device)
    return multicast.McGroupSetupReq(
        mc_group_id=wanted.mc_group_id,
        mc_addr=int(wanted.mc_addr, 16),
        mc_key_encrypted=bytes(16),
        min_mc_fcnt=wanted.min_mc_f_cnt,
        max_mc_fcnt=wanted.max_mc_f_cnt,
    )


def _mc_group_setup_read(_state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    if isinstance(command, multicast.McGroupSetupAns) and command.mc_group_id == device.group.mc_group_id:
        return _verdict(command)
    return None


def _other_memberships(device: DeviceState) -> tuple[Membership, ...]:
    return tuple(m for m in device.memberships if m.mc_group_id != device.group.mc_group_id)


def _mc_group_setup_sent(state: CampaignState, device: DeviceState) -> None:
    """From now on it is not known what the device has there, until it answers."""
    others = _other_memberships(device)
    if len(others) != len(device.memberships):
        device.memberships = others
        state.changed_devices.add(device.dev_eui)


def _mc_group_setup_done(state: CampaignState, device: DeviceState) -> None:
    device.group_set_up = True
    device.memberships = (*_other_memberships(device), membership(state, device))
    state.changed_devices.add(device.dev_eui)


MC_GROUP_SETUP = Ask(
    name="McGroupSetup",
    port=lambda ports: ports.multicast,
    request=_mc_group_setup_request,
    read=_mc_group_setup_read,
    sent=_mc_group_setup_sent,
    done=_mc_group_setup_done,
)


def _mc_group_delete_read(_state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """A group that is not there is as good as deleted."""
    if isinstance(command, multicast.McGroupDeleteAns) and command.mc_group_id == device.group.mc_group_id:
        return OK
    return None


def _mc_group_delete_done(state: CampaignState, device: DeviceState) -> None:
    device.group_set_up = False
    device.memberships = _other_memberships(device)
    state.changed_devices.add(device.dev_eui)


MC_GROUP_DELETE = Ask(
    name="McGroupDelete",
    port=lambda ports: ports.multicast,
    request=lambda _state, device, _now: multicast.McGroupDeleteReq(mc_group_id=device.group.mc_group_id),
    read=_mc_group_delete_read,
    done=_mc_group_delete_done,
)


# ---- DevRebootTime ---------------------------------------------------------------------------------------


def _by_countdown(device: DeviceState) -> bool:
    return device.profile.reboot_verb is RebootVerb.COUNTDOWN


def _reboot_request(state: CampaignState, device: DeviceState, now: float) -> Command:
    when = state.config.reboot_time
    assert when is not None
    if _by_countdown(device):
        return firmware.DevRebootCountdownReq(countdown=min(max(1, round(when - now)), LONGEST_COUNTDOWN))
    return firmware.DevRebootTimeReq(reboot_time=gps_to_wire(gps_from_unix(when)))


def _reboot_read(_state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """0 means that it cannot; the acknowledgement of a cancel is not an answer to this."""
    if _by_countdown(device):
        if not isinstance(command, firmware.DevRebootCountdownAns):
            return None
        told, cancelled = command.countdown, firmware.CANCEL_COUNTDOWN
    else:
        if not isinstance(command, firmware.DevRebootTimeAns):
            return None
        told, cancelled = command.reboot_time, firmware.CANCEL_REBOOT
    if told == cancelled:
        return None
    return OK if told else Verdict(ok=False, reason=reasons.refused("DevRebootTime", "it cannot reboot at that time"))


def _reboot_sent(_state: CampaignState, device: DeviceState) -> None:
    device.reboot_sent = "countdown" if _by_countdown(device) else "time"


DEV_REBOOT_TIME = Ask(
    name="DevRebootTime",
    port=lambda ports: ports.firmware,
    request=_reboot_request,
    read=_reboot_read,
    sent=_reboot_sent,
    not_after=lambda state: state.config.reboot_time,
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
    device.reboot_sent = ""


CANCEL_REBOOT = Ask(
    name="CancelReboot",
    port=lambda ports: ports.firmware,
    request=_cancel_request,
    read=_cancel_read,
    done=_cancel_done,
    not_after=lambda state: state.config.reboot_time,
)


# ---- FragSessionSetup, FragSessionDelete -----------------------------------------------------------------


def _frag_session_setup_request(state: CampaignState, device: DeviceState, _now: float) -> Command:
    """In dialect 2.0.0 the device's own MIC is put in at hand-over."""
    config, plan = state.config, state.groups[device.group.name].plan
    second = device.group.version == "2.0.0"
    return fragmentation.FragSessionSetupReq(
        version=device.group.version,
        frag_index=config.frag_index,
        mc_group_bit_mask=1 << device.group.mc_group_id,
        nb_frag=plan.n_frags,
        frag_size=plan.frag_size,
        block_ack_delay=plan.block_ack_delay,
        padding=plan.padding,
        descriptor=config.descriptor_bytes,
        ack_reception=plan.ack_reception,
        session_cnt=device.session_cnt if second else None,
        mic=bytes(4) if second else None,
    )


def _frag_session_setup_read(state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """SessionCntReplay, before the first fragment, means a counter that is too low: once more with a higher one."""
    if not isinstance(command, fragmentation.FragSessionSetupAns) or command.frag_index != state.config.frag_index:
        return None
    verdict = _verdict(command)
    only_replay = refusal(command) == "session_cnt_replay"
    if only_replay and not device.session_raised and device.session_cnt < LAST_SESSION_CNT:
        return Verdict(ok=False, reason=verdict.reason, again="now")
    return verdict


def _frag_session_setup_sent(state: CampaignState, device: DeviceState) -> None:
    device.session_open = True
    if device.group.version == "2.0.0":
        device.last_session_cnt = device.session_cnt
    state.changed_devices.add(device.dev_eui)


def _raise_session_cnt(_state: CampaignState, device: DeviceState) -> None:
    device.session_raised = True
    device.session_cnt = min(device.session_cnt + SESSION_CNT_STEP, LAST_SESSION_CNT)


FRAG_SESSION_SETUP = Ask(
    name="FragSessionSetup",
    port=lambda ports: ports.fragmentation,
    request=_frag_session_setup_request,
    read=_frag_session_setup_read,
    sent=_frag_session_setup_sent,
    again=_raise_session_cnt,
)


def _frag_session_delete_read(
    state: CampaignState, _device: DeviceState, command: Command, _at: float
) -> Verdict | None:
    """A session that is not there is as good as deleted."""
    if isinstance(command, fragmentation.FragSessionDeleteAns) and command.frag_index == state.config.frag_index:
        return OK
    return None


def _frag_session_delete_done(state: CampaignState, device: DeviceState) -> None:
    device.session_open = False
    state.changed_devices.add(device.dev_eui)


FRAG_SESSION_DELETE = Ask(
    name="FragSessionDelete",
    port=lambda ports: ports.fragmentation,
    request=lambda state, _device, _now: fragmentation.FragSessionDeleteReq(frag_index=state.config.frag_index),
    read=_frag_session_delete_read,
    done=_frag_session_delete_done,
    optional=True,
)


# ---- McClassBSession, McClassCSession, clock synchronisation ---------------------------------------------


def _session_request(state: CampaignState, device: DeviceState, _now: float) -> Command:
    group = device.group
    session = state.sessions[group.name]
    session_time = gps_to_wire(gps_from_unix(session.start))
    if group.device_class == "B":
        return multicast.McClassBSessionReq(
            mc_group_id=group.mc_group_id,
            session_time=session_time,
            periodicity=group.periodicity,
            time_out=session.time_out,
            dl_frequency_hz=group.dl_frequency_hz,
            dr=group.dr,
        )
    return multicast.McClassCSessionReq(
        mc_group_id=group.mc_group_id,
        session_time=session_time,
        time_out=session.time_out,
        dl_frequency_hz=group.dl_frequency_hz,
        dr=group.dr,
    )


_SESSION_ANSWERS = {"B": multicast.McClassBSessionAns, "C": multicast.McClassCSessionAns}


def _session_read(state: CampaignState, device: DeviceState, command: Command, at: float) -> Verdict | None:
    """TimeToStart is the only proof that the device's clock is right: it is held against the plan."""
    group = device.group
    if not isinstance(command, _SESSION_ANSWERS[group.device_class]) or command.mc_group_id != group.mc_group_id:
        return None
    if command.time_to_start is None:
        return _verdict(command)
    if command.time_to_start == multicast.TIME_TO_START_UNKNOWN:
        reason = "clock off: the device does not know the time"
        if device.synchronised:
            return Verdict(ok=False, reason=reason)
        return Verdict(ok=False, reason=reason, again="now", first=(FORCE_DEVICE_RESYNC.name,))
    off = at + command.time_to_start - state.sessions[group.name].start
    text = f"clock off by {off:.0f} s"
    if abs(off) > state.config.time_tolerance + CLOCK_MARGIN:
        return Verdict(ok=False, reason=text)
    return Verdict(ok=True, note=text if abs(off) > state.config.time_tolerance else "")


def _synchronised(_state: CampaignState, device: DeviceState) -> None:
    device.synchronised = True


SESSION = Ask(
    name="McSession",
    port=lambda ports: ports.multicast,
    request=_session_request,
    read=_session_read,
    again=_synchronised,
)


def _resync_read(_state: CampaignState, _device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """It answers by asking for the time, and is told (whatever the stage)."""
    return OK if isinstance(command, clock.AppTimeReq) else None


FORCE_DEVICE_RESYNC = Ask(
    name="ForceDeviceResync",
    port=lambda ports: ports.clock,
    request=lambda *_: clock.ForceDeviceResyncCmd(nb_transmissions=1),
    read=_resync_read,
    optional=True,
)


# ---- FragSessionStatus, UpgradeImage ---------------------------------------------------------------------


def status_request(state: CampaignState, *, participants: bool) -> Command:
    return fragmentation.FragSessionStatusReq(frag_index=state.config.frag_index, participants=participants)


def _status_read(state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    """In the layout of 2.0.0 a session that does not exist has no index. A device may say it of itself (2.0.0)."""
    if isinstance(command, fragmentation.FragDataBlockReceivedReq) and command.frag_index == state.config.frag_index:
        return Verdict(ok=False, reason="image not valid: MIC error") if command.mic_error else OK
    if not isinstance(command, fragmentation.FragSessionStatusAns):
        return None
    if command.frag_index not in (None, state.config.frag_index):
        return None
    group = state.groups[device.group.name]
    once = not group.plan.fec and group.round == 1
    reading = read_status(device.profile, command, group.plan.n_frags, once=once)
    ok = reading.completion in (Completion.COMPLETE, Completion.LIKELY)
    note = "complete by counts that are no proof" if reading.completion is Completion.LIKELY else ""
    return Verdict(ok=ok, reason=reading.reason, note=note)


def _data_complete(_state: CampaignState, device: DeviceState) -> None:
    device.data = max(device.data, Data.LIKELY if device.note else Data.COMPLETE)


FRAG_SESSION_STATUS = Ask(
    name="FragSessionStatus",
    port=lambda ports: ports.fragmentation,
    request=lambda state, _device, _now: status_request(state, participants=True),
    read=_status_read,
    done=_data_complete,
    volunteered=(fragmentation.FragDataBlockReceivedReq,),
)

_NO_IMAGE = {0: "none is stored", 1: "corrupt or wrongly signed", 2: "for other hardware"}


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
        return Verdict(ok=False, reason=reason)
    version = command.next_firmware_version
    if version is not None and version != state.config.firmware_version:
        return Verdict(ok=False, reason=f"image not valid: it is of version {reasons.dotted(version)}")
    return OK


UPGRADE_IMAGE = Ask(
    name="DevUpgradeImage",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevUpgradeImageReq(),
    read=_upgrade_image_read,
    done=_data_complete,
    volunteered=(firmware.DevVersionAns,),
)


def _installed_read(state: CampaignState, _device: DeviceState, command: Command, _at: float) -> Verdict | None:
    if not isinstance(command, firmware.DevVersionAns):
        return None
    ok = command.fw_version == state.config.firmware_version
    reason = "" if ok else f"image not valid: {_NO_IMAGE[0]}, and it runs {reasons.dotted(command.fw_version)}"
    return Verdict(ok=ok, reason=reason, fw_version=command.fw_version)


INSTALLED_VERSION = Ask(
    name="DevVersion after DevUpgradeImage",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=_installed_read,
    done=_data_complete,
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


DEV_VERSION = Ask(
    name="DevVersion",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=_version_read,
    done=_data_complete,
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


DEV_DELETE_IMAGE = Ask(
    name="DevDeleteImage",
    port=lambda ports: ports.firmware,
    request=_delete_request,
    read=_delete_read,
    done=_image_deleted,
)

FIRST: Mapping[str, Ask] = MappingProxyType(
    {ask.name: ask for ask in (FRAG_SESSION_DELETE, FORCE_DEVICE_RESYNC, INSTALLED_VERSION)}
)
"""What may have to be asked before a question is asked again, or instead of it."""
