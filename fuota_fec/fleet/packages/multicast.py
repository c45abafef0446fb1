"""TS005 of a virtual device: multicast groups and their class B and C sessions."""

from __future__ import annotations

import math

from fuota_fec.fleet.device_state import DeviceState, JoinedGroup, group_key
from fuota_fec.fleet.packages.package import Answers, Package
from fuota_fec.fleet.packages.session_errors import channel_errors, errors_found, refused
from fuota_fec.wire import keys, multicast
from fuota_fec.wire.clock import GPS_EPOCH, gps_difference, gps_to_wire

_STATUS_HEAD_LEN = 2
"""Bytes of McGroupStatusAns before its groups."""
_STATUS_ITEM_LEN = 5
"""Bytes of McGroupStatusAns per group."""


def _mc_group_status(state: DeviceState, command: multicast.McGroupStatusReq, _now: float) -> Answers:
    """Groups that do not fit into the longest answer of the stack are left out, highest McGroupID first."""
    items = [
        multicast.McGroupStatusItem(mc_group_id=group_id, mc_addr=group.mc_addr)
        for group_id, group in sorted(state.groups.items())
        if command.req_group_mask >> group_id & 1
    ]
    if state.profile.max_answer_len is not None:
        del items[max(0, (state.profile.max_answer_len - _STATUS_HEAD_LEN) // _STATUS_ITEM_LEN) :]
    mask = sum(1 << item.mc_group_id for item in items)
    answer = multicast.McGroupStatusAns(nb_total_groups=len(state.groups), ans_group_mask=mask, items=tuple(items))
    yield answer, state.answer_delay()


def _mc_group_setup(state: DeviceState, command: multicast.McGroupSetupReq, _now: float) -> Answers:
    if command.mc_group_id not in state.profile.mc_group_ids:
        yield multicast.McGroupSetupAns(mc_group_id=command.mc_group_id, id_error=True), state.answer_delay()
        return
    derive = keys.mc_root_key if state.lorawan == "1.0" else keys.mc_root_key_from_app_key
    mc_key = keys.unwrap_mc_key(keys.mc_ke_key(derive(state.root_key)), command.mc_key_encrypted)
    state.groups[command.mc_group_id] = JoinedGroup(
        mc_addr=command.mc_addr,
        app_s_key=group_key(bytes(keys.mc_app_s_key(mc_key, command.mc_addr))),
        min_f_cnt=command.min_mc_fcnt,
        max_f_cnt=command.max_mc_fcnt,
        first_below=2**16 if state.profile.first_f_cnt_16_bits else 2**32,
    )
    yield multicast.McGroupSetupAns(mc_group_id=command.mc_group_id, id_error=False), state.answer_delay()


def _mc_group_delete(state: DeviceState, command: multicast.McGroupDeleteReq, _now: float) -> Answers:
    """Deletes the group and its session."""
    undefined = state.groups.pop(command.mc_group_id, None) is None
    answer = multicast.McGroupDeleteAns(mc_group_id=command.mc_group_id, mc_group_undefined=undefined)
    yield answer, state.answer_delay()


def _class_c_session(state: DeviceState, command: multicast.McClassCSessionReq, now: float) -> Answers:
    return _session(state, command, now, multicast.McClassCSessionAns, float(1 << command.time_out))


def _class_b_session(state: DeviceState, command: multicast.McClassBSessionReq, now: float) -> Answers:
    return _session(state, command, now, multicast.McClassBSessionAns, float(128 << command.time_out))


def _session(
    state: DeviceState,
    command: multicast.McClassCSessionReq | multicast.McClassBSessionReq,
    now: float,
    answer: type[multicast.McClassCSessionAns | multicast.McClassBSessionAns],
    duration: float,
) -> Answers:
    """StartMissed belongs to 2.0.0. Stacks of 1.0.0 send it as well, and so does this device.

    A clock that was never set shows the uptime, here 0. A stack that goes by it waits in a timer of 32 bits in ms.
    """
    profile = state.profile
    delay = state.answer_delay()
    group, region_errors = state.groups.get(command.mc_group_id), channel_errors(state, command)
    own_gps = state.own_gps(now + delay)
    time_to_start = gps_difference(command.session_time, gps_to_wire(own_gps))
    missed = state.clock_set and time_to_start < profile.missed_start_undefined
    shown = _shown(state, command.session_time, time_to_start)
    errors = errors_found(profile, region_errors, undefined=group is None, missed=missed)
    if group is None or any(errors):
        yield refused(profile, answer, command.mc_group_id, errors, shown), delay
        return
    if not state.clock_set and profile.unset_clock_counts:
        time_to_start = (command.session_time + GPS_EPOCH) * 1000 % 2**32 // 1000
    elif not state.clock_set:
        yield answer(mc_group_id=command.mc_group_id, time_to_start=shown), delay
        return
    group.opens = float(math.floor(own_gps) + time_to_start)
    group.closes = group.opens + duration
    group.frequency_hz = command.dl_frequency_hz
    group.dr = command.dr
    if isinstance(command, multicast.McClassBSessionReq):
        group.device_class, group.periodicity = "B", command.periodicity
    else:
        group.device_class, group.periodicity = "C", 0
    yield answer(mc_group_id=command.mc_group_id, time_to_start=shown), delay


def _shown(state: DeviceState, session_time: int, time_to_start: int) -> int:
    """TimeToStart as it is answered."""
    if state.clock_set:
        return min(time_to_start, multicast.TIME_TO_START_UNKNOWN)
    if state.profile.unset_clock_counts:
        return (session_time + GPS_EPOCH) & multicast.TIME_TO_START_UNKNOWN
    return multicast.TIME_TO_START_UNKNOWN


MULTICAST = Package(
    identifier=multicast.PACKAGE_IDENTIFIER,
    versions=multicast.VERSIONS,
    decode=multicast.decode,
    version_of=lambda state: state.mc_version,
    handlers={
        multicast.McGroupStatusReq: _mc_group_status,
        multicast.McGroupSetupReq: _mc_group_setup,
        multicast.McGroupDeleteReq: _mc_group_delete,
        multicast.McClassCSessionReq: _class_c_session,
        multicast.McClassBSessionReq: _class_b_session,
    },
)
