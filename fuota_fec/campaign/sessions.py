"""Multicast sessions and rounds: start and length of a session, its groups, and whether another one fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from fuota_fec.campaign.adaptive import lacks
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.group_state import GroupState
from fuota_fec.campaign.messages import Session, Wait
from fuota_fec.campaign.repair import devices_to_repair
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.planning import schedule
from fuota_fec.planning.unicast import TryLosses, assumed_loss, unicast_stage
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration

SESSIONS = ("McClassBSession", "McClassCSession")
DL_FRAGMENT, FRAG_SESSION_STATUS, UNICAST_REPAIR = "DlFragment", "FragSessionStatus", "UnicastRepair"
"""Names of stages that later stages go back to, or from."""

CONFIGURED = "session_start is configured"

Coded = Mapping[str, int]
"""Number of coded fragments of a further round, by group."""

# ---- sessions --------------------------------------------------------------------------------------------


def planned_start(state: CampaignState, now: float) -> schedule.SessionStart:
    """Start of a session whose requests begin now, from the tries that the campaign has made so far."""
    periods = Counter(device.period for device in state.devices.values() if device.taking_part)
    losses = (device.loss for device in state.devices.values() if device.taking_part)
    return start_of_requests(
        state.config,
        now,
        periods=periods or {state.slowest_period(): 1},
        losses=state.tries.losses(assumed_loss(losses)),
        answer_delay=state.answer_delay,
    )


def start_of_requests(
    config: CampaignConfig, now: float, *, periods: Mapping[float, int], losses: TryLosses, answer_delay: float = 0.0
) -> schedule.SessionStart:
    """Start of a session whose requests begin now. `periods`: number of devices by uplink period, s."""
    return schedule.session_start(
        now,
        periods=periods,
        losses=losses,
        ucast_msg_delay=config.ucast_msg_delay / 1000,
        msg_retries=config.msg_retries,
        delivery_timeout=config.delivery_timeout,
        late_answer_time=config.stage_complete_delay * max(periods),
        margin=config.mcsession_delay,
        answer_delay=answer_delay,
    )


def first_questions_end(state: CampaignState, at: float) -> float:
    """End of the questions that come first: of the time before a configured session start the share of one stage, else
    the time of a unicast stage with the devices that are needed. A dead device holds up nobody for longer."""
    config, start, names = state.config, state.config.session_start, state.stage_names
    if start is None:
        periods = sorted(device.period for device in state.devices.values())
        asking = len(state.plan.asked_first) * config.ucast_msg_delay / 1000
        return (
            at + asking + unicast_stage(config.msg_retries, periods[state.plan.n_needed - 1], config.delivery_timeout)
        )
    n_stages = next((idx for idx, name in enumerate(names) if name in SESSIONS), len(names) - 1) + 1
    return at + max(0.0, start - at) / n_stages


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


def multicast_sessions(
    state: CampaignState, now: float, round_no: int, coded: Coded
) -> tuple[dict[str, Session], Wait | None]:
    """Sessions by group, and the wait for them: one start and time-out, the same in every resend. A configured start is
    that of the first one."""
    config = state.config
    first = config.session_start if not state.sessions else None
    planned = planned_start(state, now) if first is None else schedule.SessionStart(at=first, reason=CONFIGURED)
    start, sessions = planned.at, {}
    for group in groups_of_session(state, round_no, coded):
        device_class = group.plan.group.device_class
        begins = start
        if device_class == "B":
            begins = schedule.beacon_start(start, config.classb_start_beacons_delay if first is None else 0)
        whole = not state.sessions and lasts_for_duration(config)
        needed = group.plan.session_length if whole else group.remaining_time()
        needed = min(needed, float(session_duration(LONGEST_TIME_OUT, device_class=device_class)))
        need = group.plan.session_need(group.remaining, group.round, group.remaining_coded)
        wanted = max(needed, state.deadline - begins if lasts_for_duration(config) else need)
        time_out = schedule.session_time_out(needed, wanted, device_class)
        sessions[group.name] = Session(start=begins, time_out=time_out, device_class=device_class)
    starts = [session.start for session in sessions.values()]
    return sessions, Wait(until=min(starts), why=planned.reason) if starts else None


def frames_wait(state: CampaignState, at: float) -> Wait | None:
    """Start of the sessions, if frames that are to be sent from now on wait for it."""
    starts = [state.sessions[name].start for name in state.active_groups() if name in state.sessions]
    until = min(starts, default=at)
    return Wait(until=until, why="the multicast session begins") if until > at else None


def lasts_for_duration(config: CampaignConfig) -> bool:
    """Whether sessions last as long as the campaign may. Those of a setup alone do: their frames are not known."""
    return config.session_length == "duration" or config.kind == "multicast"


def session_stage(state: CampaignState) -> str:
    """Name of the campaign's session stage."""
    return next(name for name in state.stage_names if name in SESSIONS)


def session_fits(state: CampaignState, now: float, groups: list[GroupState]) -> bool:
    """Whether another session with the remaining frames of these groups ends within the maximum duration."""
    start = planned_start(state, now).at
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
