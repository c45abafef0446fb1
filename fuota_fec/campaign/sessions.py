"""Multicast sessions and rounds: start and length of a session, its groups, and whether another one fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fuota_fec.campaign.adaptive import lacks
from fuota_fec.campaign.messages import Session
from fuota_fec.campaign.repair import devices_to_repair
from fuota_fec.campaign.state import CampaignState, DeviceState, GroupState
from fuota_fec.planning import schedule
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration

SESSIONS = ("McClassBSession", "McClassCSession")
DL_FRAGMENT, FRAG_SESSION_STATUS, UNICAST_REPAIR = "DlFragment", "FragSessionStatus", "UnicastRepair"
"""Names of stages that later stages go back to, or from."""

SESSION_MARGIN, SESSION_EXTRA = 1.25, 60.0
"""Factor and s by which a session lasts longer than what is to be sent in it."""

Coded = Mapping[str, int]
"""Number of coded fragments of a further round, by group."""

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


def groups_of_session(state: CampaignState, round_no: int, coded: Coded) -> list[GroupState]:
    """Groups that have devices, and frames to be sent in a round; all groups that have devices if no image is sent."""
    active = state.active_groups()
    sends = state.config.kind != "multicast"
    groups = [in_round(state, group, round_no, coded) for group in state.groups.values() if group.name in active]
    return [group for group in groups if group.remaining > 0 or not sends]


def in_round(state: CampaignState, group: GroupState, round_no: int, coded: Coded) -> GroupState:
    """State of a group at the start of a round, if that is ahead. A group that lacks nothing has no part in the
    round."""
    then = replace(group)
    if round_no > state.round and group.name in state.lacking_groups():
        then.begin_round(round_no, coded.get(group.name, 0))
    return then


def multicast_sessions(state: CampaignState, now: float, round_no: int, coded: Coded) -> dict[str, Session]:
    """Sessions by group: one start and time-out, the same in every resend. A configured start is that of the first
    one."""
    config = state.config
    first = config.session_start if not state.sessions else None
    start = _session_start(state, now) if first is None else first
    sessions = {}
    for group in groups_of_session(state, round_no, coded):
        device_class = group.plan.group.device_class
        begins = start
        if device_class == "B":
            begins = schedule.beacon_start(start, config.classb_start_beacons_delay if first is None else 0)
        needed = group.plan.session_length if not state.sessions else group.remaining_time()
        needed = min(needed, float(session_duration(LONGEST_TIME_OUT, device_class=device_class)))
        wanted = max(needed, state.deadline - begins if _lasts_for_duration(state) else _time_to_send(state, group))
        time_out = schedule.session_time_out(needed, wanted, device_class)
        sessions[group.name] = Session(start=begins, time_out=time_out, device_class=device_class)
    return sessions


def _lasts_for_duration(state: CampaignState) -> bool:
    """Whether sessions last as long as the campaign may. Those of a setup alone do: their frames are not known."""
    return state.config.session_length == "duration" or state.config.kind == "multicast"


def _time_to_send(state: CampaignState, group: GroupState) -> float:
    """Time for the frames and status requests that remain to a group and one further round, at the slowest pacing that
    applies, with a margin, s."""
    plan, config, network = group.plan, state.config, state.network
    pacing = plan.time.spacing
    if network.summaries and not config.summary_reports_disabled:
        pacing = max(pacing, network.summary_cadence / config.summary_window)
    further = max(plan.row_plan.n_first, plan.row_plan.n_least) if plan.adaptive else 0
    n_rounds = 1 + bool(further) + max(0, plan.rounds - group.round)
    n_frames = group.remaining + further + max(0, plan.rounds - group.round) * plan.n_frags
    n_status = n_rounds * (1 + config.msg_retries) if plan.n_status else 0
    needed = plan.lead + plan.slot + n_frames * pacing + n_status * (pacing + plan.status_wait)
    return needed * SESSION_MARGIN + SESSION_EXTRA


def session_stage(state: CampaignState) -> str:
    """Name of the campaign's session stage."""
    return next(name for name in state.stage_names if name in SESSIONS)


def session_fits(state: CampaignState, now: float, groups: list[GroupState]) -> bool:
    """Whether another session with the remaining frames of these groups ends within the maximum duration."""
    start = _session_start(state, now)
    return all(start + group.remaining_time() <= state.deadline for group in groups)


def not_repaired(state: CampaignState, at: float) -> set[str]:
    """DevEUIs of devices that lack fragments and are not repaired by unicast."""
    return {device.dev_eui for device in state.devices.values() if lacks(device)} - devices_to_repair(state, at)


def has_rounds(state: CampaignState, device: DeviceState) -> bool:
    """Whether the group of a device has further rounds."""
    plan = state.groups[device.group.name].plan
    return plan.adaptive or not plan.fec


def can_be_helped(state: CampaignState, device: DeviceState) -> bool:
    """Whether the group of a device has further rounds, or repair by unicast is allowed."""
    return has_rounds(state, device) or state.config.unicast_repair_max > 0
