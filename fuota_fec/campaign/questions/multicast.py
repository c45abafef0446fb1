"""Questions of TS005: multicast group and session, with the clock synchronisation (TS003) that a session needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fuota_fec.campaign import reasons
from fuota_fec.campaign.messages import Membership
from fuota_fec.campaign.questions.question import OK, Question, Verdict, refusal, verdict_of
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.wire import clock, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command

UNDEFINED = "mc_group_undefined"
CLOCK_MARGIN = 10.0
"""Deviation of a device's clock beyond `time_tolerance` that is accepted with a warning, s."""

# ---- McGroupSetup, McGroupDelete -------------------------------------------------------------------------


def membership(state: CampaignState, device: DeviceState) -> Membership:
    """Group that the device is to join: the counters cover the planned frames with room to spare."""
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
    """Whether the registry records the device as a member of its group, with counters for all planned frames."""
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
    """Request with zeros for the McKey, which is put in at hand-over."""
    wanted = membership(state, device)
    return multicast.McGroupSetupReq(
        mc_group_id=wanted.mc_group_id,
        mc_addr=int(wanted.mc_addr, 16),
        mc_key_encrypted=bytes(16),
        min_mc_fcnt=wanted.min_mc_f_cnt,
        max_mc_fcnt=wanted.max_mc_f_cnt,
    )


def _mc_group_setup_read(
    _state: CampaignState, device: DeviceState, command: Command, _received_at: float
) -> Verdict | None:
    if isinstance(command, multicast.McGroupSetupAns) and command.mc_group_id == device.group.mc_group_id:
        return verdict_of(command)
    return None


def _other_memberships(device: DeviceState) -> tuple[Membership, ...]:
    return tuple(m for m in device.memberships if m.mc_group_id != device.group.mc_group_id)


def _forget_membership(state: CampaignState, device: DeviceState, _at: float = 0.0) -> None:
    """Forgets the membership of this group number: it is unknown until the device answers."""
    others = _other_memberships(device)
    if len(others) != len(device.memberships):
        device.memberships = others
        state.changed_devices.add(device.dev_eui)


def _mc_group_setup_done(state: CampaignState, device: DeviceState) -> None:
    device.group_set_up = True
    device.memberships = (*_other_memberships(device), membership(state, device))
    state.changed_devices.add(device.dev_eui)


MC_GROUP_SETUP = Question(
    name="McGroupSetup",
    port=lambda ports: ports.multicast,
    request=_mc_group_setup_request,
    read=_mc_group_setup_read,
    sent=_forget_membership,
    done=_mc_group_setup_done,
)


def _set_up_again(state: CampaignState, device: DeviceState, at: float) -> None:
    device.set_up_again = True
    _forget_membership(state, device, at)


REPEATED_GROUP_SETUP = replace(MC_GROUP_SETUP, sent=_set_up_again)
"""McGroupSetup in the session stage, for a device that reports that it has no such group."""


def _mc_group_delete_read(
    _state: CampaignState, device: DeviceState, command: Command, _received_at: float
) -> Verdict | None:
    """Takes a group that does not exist for deleted."""
    if isinstance(command, multicast.McGroupDeleteAns) and command.mc_group_id == device.group.mc_group_id:
        return OK
    return None


def _mc_group_delete_done(state: CampaignState, device: DeviceState) -> None:
    device.group_set_up = False
    device.memberships = _other_memberships(device)
    state.changed_devices.add(device.dev_eui)


MC_GROUP_DELETE = Question(
    name="McGroupDelete",
    port=lambda ports: ports.multicast,
    request=lambda _state, device, _now: multicast.McGroupDeleteReq(mc_group_id=device.group.mc_group_id),
    read=_mc_group_delete_read,
    sent=_forget_membership,
    done=_mc_group_delete_done,
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
            dr=group.downlink_dr,
        )
    return multicast.McClassCSessionReq(
        mc_group_id=group.mc_group_id,
        session_time=session_time,
        time_out=session.time_out,
        dl_frequency_hz=group.dl_frequency_hz,
        dr=group.downlink_dr,
    )


_SESSION_ANSWERS = {"B": multicast.McClassBSessionAns, "C": multicast.McClassCSessionAns}


def _session_read(state: CampaignState, device: DeviceState, command: Command, received_at: float) -> Verdict | None:
    """Compares TimeToStart, the only proof of a right clock, with the plan. A device whose clock is off is synchronised
    once, and asked again. A device that reports its block needs no further session."""
    group = device.group
    if isinstance(command, fragmentation.FragDataBlockReceivedReq):
        right = command.frag_index == state.config.frag_index and not command.mic_error
        return OK if right and device.got_fragments else None
    if not isinstance(command, _SESSION_ANSWERS[group.device_class]) or command.mc_group_id != group.mc_group_id:
        return None
    if command.time_to_start is None:
        return _session_refused(state, device, command, received_at)
    off = received_at + command.time_to_start - state.sessions[group.name].start
    text = f"clock off by {off:.0f} s"
    if command.time_to_start == multicast.TIME_TO_START_UNKNOWN:
        text = "clock off: the device does not know the time"
    elif abs(off) <= state.config.time_tolerance + CLOCK_MARGIN:
        return Verdict(ok=True, note=text if abs(off) > state.config.time_tolerance else "")
    if device.synchronised:
        return Verdict(ok=False, reason=text)
    return Verdict(ok=False, reason=text, again="now", first=(FORCE_DEVICE_RESYNC.name,))


def _session_refused(state: CampaignState, device: DeviceState, command: Any, received_at: float) -> Verdict:
    """Tries each remedy once where a refusal contradicts a belief, and the start still lies ahead. A group that is not
    defined is set up again; a missed start means a wrong clock, which some stacks report as an undefined group."""
    verdict = verdict_of(command)
    undefined, missed = command.mc_group_undefined, command.start_missed
    others = set(refusal(command).split(", ")) - {UNDEFINED, "start_missed"}
    if others or received_at >= state.sessions[device.group.name].start:
        return verdict
    remedies = [] if device.synchronised else [FORCE_DEVICE_RESYNC.name]
    if undefined and not device.set_up_again:
        remedies.insert(1 if device.group_set_up else 0, REPEATED_GROUP_SETUP.name)
    if remedies:
        return Verdict(ok=False, reason=verdict.reason, again="now", first=(remedies[0],))
    return Verdict(ok=False, reason="clock off: the device reports a missed start") if missed else verdict


def _session_asked(_state: CampaignState, device: DeviceState, _at: float) -> None:
    device.session_asked = True


def _believe(state: CampaignState, device: DeviceState, reason: str) -> None:
    """Forgets a session that the device refused, and a membership that it does not have."""
    if reason.startswith(reasons.REFUSED):
        device.session_asked = False
    if UNDEFINED in reason:
        _forget_membership(state, device)


def _synchronise(_state: CampaignState, device: DeviceState, _at: float) -> None:
    device.synchronised = device.awaits_time = True


SESSION = Question(
    name="McSession",
    port=lambda ports: ports.multicast,
    request=_session_request,
    read=_session_read,
    sent=_session_asked,
    refused=_believe,
    volunteered=(fragmentation.FragDataBlockReceivedReq,),
    note_lasts=True,
)


def _resync_read(_state: CampaignState, _device: DeviceState, command: Command, _received_at: float) -> Verdict | None:
    """Takes a question for the time as the answer; the reply to it synchronises the device."""
    return OK if isinstance(command, clock.AppTimeReq) else None


FORCE_DEVICE_RESYNC = Question(
    name="ForceDeviceResync",
    port=lambda ports: ports.clock,
    request=lambda *_: clock.ForceDeviceResyncCmd(nb_transmissions=1),
    read=_resync_read,
    sent=_synchronise,
    optional=True,
)
