"""What comes after a stage that was not enough: another session for what is left to be sent, another round of
fragments, or repair of the last few devices by unicast; and the sessions themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fuota_fec.campaign.adaptive import coded_of_round, lacks
from fuota_fec.campaign.messages import Session
from fuota_fec.campaign.repair import devices_to_repair
from fuota_fec.campaign.state import CampaignState, Data, DeviceState, GroupState, Phase
from fuota_fec.planning import schedule
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration

SESSIONS = ("McClassBSession", "McClassCSession")
DL_FRAGMENT, FRAG_SESSION_STATUS, UNICAST_REPAIR = "DlFragment", "FragSessionStatus", "UnicastRepair"
"""Names of the stages that others go back to."""

Coded = Mapping[str, int]
"""Coded fragments that a further round has, by group."""

# ---- sessions --------------------------------------------------------------------------------------------


def _session_start(state: CampaignState, now: float) -> float:
    config, slowest = state.config, state.slowest_period()
    return schedule.session_start(
        now,
        n_devices=state.n_taking_part(),
        ucast_msg_delay=config.ucast_msg_delay / 1000,
        msg_retries=config.msg_retries,
        slowest_period=slowest,
        delivery_timeout=config.delivery_timeout,
        late_answer_time=config.stage_complete_delay * slowest,
        margin=config.mcsession_delay,
    )


def _needing_session(state: CampaignState, round_no: int, coded: Coded) -> list[GroupState]:
    """Groups with devices that have frames to come in that round; in a campaign that sends none, all of them."""
    active = state.active_groups()
    sends = state.config.kind != "multicast"
    groups = [_in_round(state, group, round_no, coded) for group in state.groups.values() if group.name in active]
    return [group for group in groups if group.remaining > 0 or not sends]


def _in_round(state: CampaignState, group: GroupState, round_no: int, coded: Coded) -> GroupState:
    """The group as it is when that round begins, if it has not begun: one that lacks nothing has no part in it."""
    then = replace(group)
    if round_no > state.round and group.name in state.lacking_groups():
        then.begin_round(round_no, coded.get(group.name, 0))
    return then


def multicast_sessions(state: CampaignState, now: float, round_no: int, coded: Coded) -> dict[str, Session]:
    """One start and time-out per group, the same in every resend. A configured start is that of the first session."""
    config = state.config
    first = config.session_start if not state.sessions else None
    start = _session_start(state, now) if first is None else first
    sessions = {}
    for group in _needing_session(state, round_no, coded):
        device_class = group.plan.group.device_class
        begins = start
        if device_class == "B":
            begins = schedule.beacon_start(start, config.classb_start_beacons_delay if first is None else 0)
        needed = group.plan.session_length if not state.sessions else group.remaining_time()
        needed = min(needed, float(session_duration(LONGEST_TIME_OUT, device_class=device_class)))
        wanted = max(needed, state.deadline - begins)
        time_out = schedule.session_time_out(needed, wanted, device_class)
        sessions[group.name] = Session(start=begins, time_out=time_out, device_class=device_class)
    return sessions


def _session_stage(state: CampaignState) -> str:
    return next(name for name in state.stage_names if name in SESSIONS)


def _fits(state: CampaignState, now: float, groups: list[GroupState]) -> bool:
    """Whether the duration allows another session with all that these groups still have to be sent."""
    start = _session_start(state, now)
    return all(start + group.remaining_time() <= state.deadline for group in groups)


def another_session(state: CampaignState, now: float, _successes: int) -> str:
    """Fragments remain although the session is over: the fragmentation session lives on, so a new one continues."""
    unfinished = _needing_session(state, state.round, {})
    return _session_stage(state) if unfinished and _fits(state, now, unfinished) else ""


def after_status(state: CampaignState, now: float, successes: int) -> str:
    """The last few devices are repaired by unicast; or there is another round; or what silence stood for, when another
    round was due, is to be said after all."""
    if successes >= state.plan.n_needed:
        return FRAG_SESSION_STATUS if _unproved(state) else ""
    return UNICAST_REPAIR if devices_to_repair(state, now) else another_round(state, now, successes)


def after_repair(state: CampaignState, now: float, successes: int) -> str:
    """Another round; or what silence stood for is to be said (binary transfer)."""
    if successes >= state.plan.n_needed:
        return FRAG_SESSION_STATUS if _unproved(state) else ""
    return another_round(state, now, successes)


def _unproved(state: CampaignState) -> bool:
    """Whether silence counts as success where it proves nothing."""
    presumed = (d for d in state.devices.values() if d.taking_part and d.phase is Phase.SUCCEEDED and not lacks(d))
    return state.config.kind == "binary" and any(device.data < Data.LIKELY for device in presumed)


def after_verification(state: CampaignState, now: float, successes: int) -> str:
    """Another adaptive round, if devices are known to lack fragments."""
    return another_round(state, now, successes) if coded_of_round(state, successes) else ""


def not_repaired(state: CampaignState, at: float) -> set[str]:
    """Devices that lack fragments, and are not sent them by unicast."""
    return {device.dev_eui for device in state.devices.values() if lacks(device)} - devices_to_repair(state, at)


def has_rounds(state: CampaignState, device: DeviceState) -> bool:
    """Whether its group has further rounds."""
    plan = state.groups[device.group.name].plan
    return plan.adaptive or not plan.fec


def can_be_helped(state: CampaignState, device: DeviceState) -> bool:
    """Whether its group has further rounds, or it may be repaired by unicast."""
    return has_rounds(state, device) or state.config.unicast_repair_max > 0


def another_round(state: CampaignState, now: float, successes: int) -> str:
    """Adaptive groups are sent coded fragments that they were not sent before, groups without coded fragments all
    uncoded ones again, while there are some left and time remains."""
    coded = coded_of_round(state, successes)
    if not coded and successes >= state.plan.n_needed:
        return ""
    groups = [_in_round(state, group, state.round + 1, coded) for group in state.groups.values()]
    groups = [group for group in groups if group.round == state.round + 1]
    if not groups:
        return ""
    if all(now + group.remaining_time() <= min(state.sessions[group.name].end, state.deadline) for group in groups):
        return DL_FRAGMENT
    return _session_stage(state) if _fits(state, now, groups) else ""
