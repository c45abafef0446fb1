"""What a campaign does, stage by stage. A stage is a row: who is asked what, when it begins and ends, what comes next.

The unicast exchange carries every question through in the same way (`exchange`), the multicast exchange every frame
(`transmission`); the machine goes from row to row and knows none by name. Rows follow each other in the order of
the table; a row can send the campaign back to an earlier one, for another session or another round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from fuota_fec.campaign import asks
from fuota_fec.campaign.asks import Ask
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Session
from fuota_fec.campaign.plan import Plan
from fuota_fec.campaign.state import CampaignState, Data, DeviceState, GroupState
from fuota_fec.planning import schedule
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration

UNHEARD_PERIODS = 3
"""Uplink periods after which a device that was not heard is given up."""

Asks = tuple[Ask, ...]


def _nobody(_state: CampaignState, _device: DeviceState) -> Asks:
    return ()


def _nowhere(_state: CampaignState, _now: float, _successes: int) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    name: str
    planned: Callable[[CampaignConfig, Plan], bool] = lambda _config, _plan: True
    """Whether a campaign has it."""
    exchange: Literal["unicast", "transmission", "status"] = "unicast"
    asks: Callable[[CampaignState, DeviceState], Asks] = _nobody
    """What a device is asked, one after the other; nothing: it counts as done."""
    mute: Callable[[CampaignState, DeviceState], Asks] = _nobody
    """What is asked before a device that did not answer a resend is asked again."""
    sessions: Callable[[CampaignState, float, int], dict[str, Session]] | None = None
    """The sessions that are fixed when the stage begins at a Unix time for a round, by group."""
    ends_at: Callable[[CampaignState, float], float | None] = lambda _state, _at: None
    """Unix time at which the stage, begun at a Unix time, is over, whoever has not answered."""
    not_before: Callable[[CampaignState], float] | None = None
    """Unix time before which nothing is asked, and after which a device must be heard anew; None: neither."""
    bounded: bool = True
    """Whether the campaign's maximum duration ends it."""
    back_to: Callable[[CampaignState, float, int], str] = _nowhere
    """The earlier stage that comes next, given the time and the successes of this one; "": the next row, or failure."""
    stays: Callable[[CampaignState, DeviceState], bool] = lambda _state, _device: False
    """Whether a device that did not succeed stays when an earlier stage comes next."""
    new_round: bool = False
    """Whether going back begins another round."""
    clean_up: Callable[[CampaignState, DeviceState, float], Asks] = lambda _state, _device, _now: ()
    """What a device is asked when the campaign is stopped in this stage."""
    sets_up: bool = False
    """Whether a campaign that fails in it, and a device that leaves in it, is cleaned up as if stopped."""


# ---- clean-up --------------------------------------------------------------------------------------------


def _undo_set_up(_state: CampaignState, device: DeviceState, _now: float) -> Asks:
    """A delayed reboot is cancelled, then the group is deleted, which also closes class C."""
    cancel = (asks.CANCEL_REBOOT,) if device.reboot_sent else ()
    leave = (asks.MC_GROUP_DELETE,) if device.group_set_up and device.profile.mc_group_delete else ()
    return (*cancel, *leave)


def _prevent_install(state: CampaignState, device: DeviceState, now: float) -> Asks:
    """Reboot cancelled, image deleted (half-built or ready: it must not be installed), group deleted; a file stays."""
    if state.config.kind != "firmware":
        return ()
    undo = _undo_set_up(state, device, now)
    if not device.got_fragments or device.passed or device.profile.ts006 is False:
        return undo
    first = undo[:1] if device.reboot_sent else ()
    return (*first, asks.DEV_DELETE_IMAGE, *undo[len(first) :])


def _undo_session(state: CampaignState, device: DeviceState, now: float) -> Asks:
    """A further session follows fragments: whoever stops it there stops what may have become an image."""
    undo = _prevent_install if device.got_fragments and state.stopping == "STOPPED" else _undo_set_up
    return undo(state, device, now)


def _before_reboot(state: CampaignState, device: DeviceState, now: float) -> Asks:
    """Before a configured reboot time an image must not be installed any more, after it nothing is to be done."""
    reboot = state.config.reboot_time
    return _prevent_install(state, device, now) if reboot is not None and now < reboot else ()


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


def _needing_session(state: CampaignState, round_no: int) -> list[GroupState]:
    """Groups with devices that have frames to come in that round; in a campaign that sends none, all of them."""
    active = state.active_groups()
    sends = state.config.kind != "multicast"
    groups = [_in_round(state, group, round_no) for group in state.groups.values() if group.name in active]
    return [group for group in groups if group.remaining > 0 or not sends]


def _in_round(state: CampaignState, group: GroupState, round_no: int) -> GroupState:
    """The group as it is when that round begins, if it has not begun: one that lacks nothing has no part in it."""
    again = not group.plan.fec and state.round < round_no <= group.plan.rounds and group.name in state.lacking_groups()
    return replace(group, round=round_no, position=0) if again else group


def multicast_sessions(state: CampaignState, now: float, round_no: int) -> dict[str, Session]:
    """One start and time-out per group, the same in every resend. A configured start is that of the first session."""
    config = state.config
    first = config.session_start if not state.sessions else None
    start = _session_start(state, now) if first is None else first
    sessions = {}
    for group in _needing_session(state, round_no):
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


def _configured_start(state: CampaignState, _at: float) -> float | None:
    """A configured session start is the deadline of the stages before it."""
    return state.config.session_start


def _first_session(state: CampaignState, _at: float) -> float | None:
    """A session request whose start has passed is refused."""
    return min((state.sessions[name].start for name in state.asked_groups), default=None)


def _session_stage(state: CampaignState) -> str:
    return next(stage.name for stage in STAGES if stage.sessions and stage.name in state.stage_names)


def _fits(state: CampaignState, now: float, groups: list[GroupState]) -> bool:
    """Whether the duration allows another session with all that these groups still have to be sent."""
    start = _session_start(state, now)
    return all(start + group.remaining_time() <= state.deadline for group in groups)


def another_session(state: CampaignState, now: float, _successes: int) -> str:
    """Fragments remain although the session is over: the fragmentation session lives on, so a new one continues."""
    unfinished = _needing_session(state, state.round)
    return _session_stage(state) if unfinished and _fits(state, now, unfinished) else ""


def _has_rounds(device: DeviceState, state: CampaignState) -> bool:
    return not state.groups[device.group.name].plan.fec


def another_round(state: CampaignState, now: float, successes: int) -> str:
    """Groups without coded fragments are sent all uncoded ones again, while rounds and time remain."""
    if successes >= state.plan.n_needed:
        return ""
    groups = [_in_round(state, group, state.round + 1) for group in state.groups.values()]
    groups = [group for group in groups if group.round == state.round + 1]
    if not groups:
        return ""
    if all(now + group.remaining_time() <= min(state.sessions[group.name].end, state.deadline) for group in groups):
        return next(stage.name for stage in STAGES if stage.exchange == "transmission")
    return _session_stage(state) if _fits(state, now, groups) else ""


# ---- who is asked what -----------------------------------------------------------------------------------


def _package_version_asks(state: CampaignState, device: DeviceState) -> Asks:
    wanted: Asks = ()
    if device.device.probe:
        wanted += asks.PACKAGE_VERSIONS if state.config.kind != "multicast" else asks.PACKAGE_VERSIONS[:1]
    if state.required_version is not None and device.old_version != state.required_version:
        wanted += (asks.BASE_VERSION,)
    return wanted


def _mc_group_setup_asks(state: CampaignState, device: DeviceState) -> Asks:
    return () if asks.is_member(state, device) else (asks.MC_GROUP_SETUP,)


def _frag_session_setup_asks(_state: CampaignState, device: DeviceState) -> Asks:
    """In dialect 1.0.0 a session that is there must be deleted first."""
    held = device.group.version == "1.0.0" and device.session_open and device.profile.frag_session_delete
    return (asks.FRAG_SESSION_DELETE, asks.FRAG_SESSION_SETUP) if held else (asks.FRAG_SESSION_SETUP,)


def _mute_in_setup(_state: CampaignState, device: DeviceState) -> Asks:
    able = device.group.version == "1.0.0" and device.profile.frag_session_delete
    return (asks.FRAG_SESSION_DELETE,) if able else ()


def _session_asks(state: CampaignState, device: DeviceState) -> Asks:
    return (asks.SESSION,) if device.group.name in state.asked_groups else ()


def _status_asks(_state: CampaignState, device: DeviceState) -> Asks:
    return () if device.data >= Data.LIKELY else (asks.FRAG_SESSION_STATUS,)


def _upgrade_image_asks(state: CampaignState, device: DeviceState) -> Asks:
    runs_it = device.fw_version == state.config.firmware_version
    done = state.groups[device.group.name].plan.fec or device.data >= Data.LIKELY or runs_it
    return () if done else (asks.UPGRADE_IMAGE,)


def _version_asks(state: CampaignState, device: DeviceState) -> Asks:
    """Whoever said the right version meanwhile is not asked, unless its hardware matters too."""
    passes = device.fw_version == state.config.firmware_version and state.config.hw_version is None
    return () if passes else (asks.DEV_VERSION,)


def _verification_begins(state: CampaignState) -> float:
    reboot = state.config.reboot_time
    return state.sent_until + state.config.fuota_process_max_time if reboot is None else reboot


def _verification_ends(state: CampaignState, at: float) -> float:
    """Reboot time, process time and one unicast stage; the last group may have ended long after the last frame."""
    config, slowest = state.config, state.slowest_period()
    asking = state.n_taking_part() * config.ucast_msg_delay / 1000
    stage = schedule.unicast_stage(config.msg_retries, slowest, config.delivery_timeout)
    begins = max(at, _verification_begins(state)) + config.fuota_process_max_time
    return begins + UNHEARD_PERIODS * slowest + asking + stage


# ---- the table -------------------------------------------------------------------------------------------


def _any_class_c(config: CampaignConfig) -> bool:
    return any(group.device_class == "C" for group in config.groups)


def _session_row(name: str, planned: Callable[[CampaignConfig, Plan], bool]) -> Stage:
    """One stage for groups of both classes, named by class C if there is one."""
    return Stage(
        name=name,
        planned=planned,
        asks=_session_asks,
        sessions=multicast_sessions,
        ends_at=_first_session,
        clean_up=_undo_session,
        sets_up=True,
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        name="PackageVersion",
        planned=lambda config, _plan: config.asks_versions,
        asks=_package_version_asks,
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    Stage(
        name="McGroupSetup",
        asks=_mc_group_setup_asks,
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    Stage(
        name="DevRebootTime",
        planned=lambda config, _plan: config.reboot_time is not None,
        asks=lambda _state, _device: (asks.DEV_REBOOT_TIME,),
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    Stage(
        name="FragSessionSetup",
        planned=lambda config, _plan: config.kind != "multicast",
        asks=_frag_session_setup_asks,
        mute=_mute_in_setup,
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    _session_row("McClassBSession", lambda config, _plan: not _any_class_c(config)),
    _session_row("McClassCSession", lambda config, _plan: _any_class_c(config)),
    Stage(
        name="DlFragment",
        planned=lambda config, _plan: config.kind != "multicast",
        exchange="transmission",
        back_to=another_session,
        stays=lambda state, device: (
            not state.groups[device.group.name].failed or state.groups[device.group.name].remaining > 0
        ),
        clean_up=_prevent_install,
    ),
    Stage(
        name="FragSessionStatus",
        planned=lambda config, _plan: config.kind == "binary",
        exchange="status",
        asks=_status_asks,
        back_to=another_round,
        stays=lambda state, device: _has_rounds(device, state),
        new_round=True,
    ),
    Stage(
        name="UpgradeImage",
        planned=lambda config, plan: config.kind == "firmware" and not all(g.fec for g in plan.groups.values()),
        asks=_upgrade_image_asks,
        back_to=another_round,
        stays=lambda state, device: _has_rounds(device, state),
        new_round=True,
        clean_up=_prevent_install,
    ),
    Stage(
        name="CompletionVerification",
        planned=lambda config, _plan: config.kind == "firmware",
        asks=_version_asks,
        not_before=_verification_begins,
        ends_at=_verification_ends,
        bounded=False,
        clean_up=_before_reboot,
    ),
)


def planned_stages(config: CampaignConfig, plan: Plan) -> tuple[Stage, ...]:
    """The rows of a campaign, in order."""
    return tuple(stage for stage in STAGES if stage.planned(config, plan))


CLEAN_UP = Stage(name="clean-up", bounded=False)
"""The row of what is asked when a campaign ends before its purpose is reached: each device has its own questions."""
