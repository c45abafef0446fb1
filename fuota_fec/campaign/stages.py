"""Stages of a campaign, as a table. A row has the questions of a stage, its begin and end, and its clean-up.

The exchanges treat all questions and frames alike, and the machine knows no row by name. Stages follow each other in
the order of the table, unless `transitions` leads back to an earlier one, for another session or another round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from fuota_fec.campaign import questions, reasons
from fuota_fec.campaign.adaptive import lacks
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Resumed, Session, Wait
from fuota_fec.campaign.plan import Plan
from fuota_fec.campaign.questions.question import Question
from fuota_fec.campaign.repair import more_for
from fuota_fec.campaign.sessions import (
    DL_FRAGMENT,
    FRAG_SESSION_STATUS,
    UNICAST_REPAIR,
    Coded,
    can_be_helped,
    first_questions_end,
    frames_wait,
    has_rounds,
    multicast_sessions,
    not_repaired,
)
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.campaign.turn import Phase, Questions
from fuota_fec.devices.profiles import RebootVerb
from fuota_fec.planning.unicast import unicast_stage

UNHEARD_PERIODS = 3
"""Number of uplink periods after which a device that was not heard is given up."""


def _no_questions(_state: CampaignState, _device: DeviceState) -> Questions:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Row of the table of stages."""

    name: str
    planned: Callable[[CampaignConfig, Plan], bool] = lambda _config, _plan: True
    """Whether a campaign has the stage."""
    exchange: Literal["unicast", "fragments", "group_status"] = "unicast"
    questions: Callable[[CampaignState, DeviceState], Questions] = _no_questions
    """Questions to a device, in order. A device without questions has succeeded."""
    left_out: Callable[[CampaignState, float], Collection[str]] = lambda _state, _at: ()
    """DevEUIs of devices that take no part in the stage, begun at a Unix time."""
    mute: Callable[[CampaignState, DeviceState], Questions] = _no_questions
    """Questions before the next resend to a device that did not answer the first one."""
    sessions: Callable[[CampaignState, float, int, Coded], tuple[dict[str, Session], Wait | None]] | None = None
    """Sessions, by group, that are fixed when the stage begins at a Unix time for a round, and the wait for them."""
    ends_at: Callable[[CampaignState, float], float | None] = lambda _state, _at: None
    """Unix time of the end of the stage, begun at a Unix time; None: no such limit."""
    wait: Callable[[CampaignState, float], Wait | None] = lambda _state, _at: None
    """Wait of the stage, begun at a Unix time, for a time."""
    not_before: Callable[[CampaignState], float] | None = None
    """Unix time before which nothing is asked, and after which a device must be heard anew; None: no such limit."""
    bounded: bool = True
    """Whether the campaign's maximum duration ends the stage."""
    proves: Callable[[CampaignConfig], bool] = lambda _config: False
    """Whether answers of the stage prove what the devices have, so that it may last for them beyond the maximum
    duration."""
    stays: Callable[[CampaignState, DeviceState], bool] = lambda _state, _device: False
    """Whether a device that did not succeed stays when an earlier stage comes next."""
    keeps: Callable[[CampaignState, DeviceState, Phase], bool] = lambda _state, _device, _phase: False
    """Whether a device that did not succeed stays whatever comes next."""
    readmits: bool = False
    """Whether a device that left is asked for its version once it is heard again."""
    waits_for_all: bool = False
    """Whether the threshold does not matter: the stage ends once every device has answered or is given up, and the next
    one follows."""
    spare: bool = False
    """Whether the campaign can succeed without the stage."""
    clean_up: Callable[[CampaignState, DeviceState, float], Questions] = lambda _state, _device, _now: ()
    """Questions of the clean-up of a device when the campaign is stopped in this stage."""
    sets_up: bool = False
    """Whether a failure of the campaign in this stage, and of a device with a reboot time, is cleaned up like a
    stop."""

    def ends_early(self, config: CampaignConfig) -> bool:
        """Whether the stage ends once the threshold is met."""
        return config.stage_end == "threshold" and not self.waits_for_all

    def time_up(self, state: CampaignState) -> float | None:
        """Unix time at which the maximum duration, and the overtime after it, end the present stage; None: never."""
        return state.stage_deadline if self.bounded else None

    def retains(self, state: CampaignState, device: DeviceState, phase: Phase, back_to: str) -> bool:
        """Whether a device that did not succeed stays as the stage ends; for another start of the session unless
        it refused."""
        again = self.sessions is not None and back_to == self.name and phase is not Phase.FAILED
        stays = bool(back_to) and self.stays(state, device)
        return stays or again or self.keeps(state, device, phase)

    def ends_after(self, ends_at: float, state: CampaignState, event: Resumed) -> float | None:
        """Unix time of the end after an outage; None: as before. The start of a session does not move."""
        if event.stood_still is None:
            return None if self.bounded else self.ends_at(state, event.at)
        if self.sessions is not None or ends_at == state.config.session_start:
            return None
        later = ends_at + event.stood_still
        return self.ends_at(state, event.at) if later < event.at else later

    def not_after(
        self, state: CampaignState, question: Question, device: DeviceState, ends_at: float | None, now: float
    ) -> float:
        """Unix time after which a request that is decided now must not leave, in a stage that ends at `ends_at`."""
        one_try = now + state.until_uplink(device)
        limits = [state.stage_deadline if self.bounded else one_try] if ends_at is None else [ends_at]
        if (limit := question.not_after(state, device)) is not None:
            limits.append(limit)
        if not state.network.withdraws:
            limits.append(one_try)  # The network cannot withdraw it: it must have run out before the next try.
        return min(limits)


# ---- clean-up --------------------------------------------------------------------------------------------


def _undo_set_up(_state: CampaignState, device: DeviceState, _now: float) -> Questions:
    """A delayed reboot is cancelled, then the group is deleted, which also closes class C."""
    cancel = (questions.CANCEL_REBOOT,) if device.reboot_sent else ()
    leave = (questions.MC_GROUP_DELETE,) if device.group_set_up and device.profile.mc_group_delete else ()
    return (*cancel, *leave)


def _prevent_install(state: CampaignState, device: DeviceState, now: float) -> Questions:
    """Reboot cancelled, image deleted (half-built or ready: it must not be installed), group deleted; a file stays."""
    if state.config.kind != "firmware":
        return ()
    undo = _undo_set_up(state, device, now)
    if not device.got_fragments or device.passed or device.profile.ts006 is False:
        return undo
    first = undo[:1] if device.reboot_sent else ()
    return (*first, questions.DEV_DELETE_IMAGE, *undo[len(first) :])


def _undo_session(state: CampaignState, device: DeviceState, now: float) -> Questions:
    """Prevents the installation if the campaign is stopped in a further session, after fragments were sent."""
    undo = _prevent_install if device.got_fragments and state.stopping == "STOPPED" else _undo_set_up
    return undo(state, device, now)


def _before_reboot(state: CampaignState, device: DeviceState, now: float) -> Questions:
    """Before the planned reboot of a device the installation is prevented; after it nothing is undone."""
    ahead = device.reboot_at is not None and now < device.reboot_at
    return _prevent_install(state, device, now) if ahead else ()


RULES = 3
"""Rules of the clean-up (StageEnded, Stopping): 2 cleans up where a reboot lies ahead and asks silent devices for their
version, 3 asks every device whose version is open."""


# ---- ends --------------------------------------------------------------------------------------------


def _configured_start(state: CampaignState, _at: float) -> float | None:
    """Configured session start, which ends the stages before it."""
    return state.config.session_start


def _first_session(state: CampaignState, _at: float) -> float | None:
    """Start of the first session: devices refuse a request whose start has passed."""
    return min((state.sessions[name].start for name in state.asked_groups), default=None)


# ---- questions -----------------------------------------------------------------------------------


def _running_version_questions(state: CampaignState, device: DeviceState) -> Questions:
    return (questions.RUNNING_VERSION,) if device.dev_eui in state.plan.asked_first else ()


def _unheard_before(state: CampaignState, device: DeviceState) -> Questions:
    """Version of a device that the stage before was to ask for it, and did not hear."""
    unheard = device.reason == reasons.NEVER_HEARD and device.dev_eui in state.plan.asked_first
    return (questions.RUNNING_VERSION_ONCE,) if unheard else ()


def _package_version_questions(state: CampaignState, device: DeviceState) -> Questions:
    wanted = _unheard_before(state, device)
    if device.device.probe:
        wanted += questions.PACKAGE_VERSIONS if state.config.kind != "multicast" else questions.PACKAGE_VERSIONS[:1]
    if state.required_version is not None and device.old_version != state.required_version:
        wanted += (questions.BASE_VERSION,)
    return wanted


def _mc_group_setup_questions(state: CampaignState, device: DeviceState) -> Questions:
    set_up = () if questions.is_member(state, device) else (questions.MC_GROUP_SETUP,)
    return (*_unheard_before(state, device), *set_up)


def _frag_session_setup_questions(_state: CampaignState, device: DeviceState) -> Questions:
    """Setup, in dialect 1.0.0 after a delete if the device holds a session."""
    held = device.group.dialect == "1.0.0" and device.session_open and device.profile.frag_session_delete
    return (questions.FRAG_SESSION_DELETE, questions.FRAG_SESSION_SETUP) if held else (questions.FRAG_SESSION_SETUP,)


def _mute_in_setup(_state: CampaignState, device: DeviceState) -> Questions:
    able = device.group.dialect == "1.0.0" and device.profile.frag_session_delete
    return (questions.FRAG_SESSION_DELETE,) if able else ()


def _session_questions(state: CampaignState, device: DeviceState) -> Questions:
    """Session, unless the device has the data."""
    needs = device.group.name in state.asked_groups and device.data < Data.LIKELY
    return (questions.SESSION,) if needs else ()


def _may_be_complete(_state: CampaignState, device: DeviceState) -> bool:
    """Whether a device that does not confirm another session may have the data: what it has is asked once more."""
    return device.data >= Data.LIKELY or (device.got_fragments and not lacks(device))


def _may_run_it(state: CampaignState, device: DeviceState, _phase: Phase) -> bool:
    """Whether a device that was presumed complete stays: it may have rebooted and lost its group. Its version
    decides."""
    adaptive = state.groups[device.group.name].plan.adaptive
    return state.config.kind == "firmware" and adaptive and device.got_fragments and not lacks(device)


def _status_questions(state: CampaignState, device: DeviceState) -> Questions:
    """Status, as proof of a binary transfer, or to decide about a further round of an adaptive group."""
    proves = state.config.kind == "binary" or state.groups[device.group.name].plan.adaptive
    return (questions.FRAG_SESSION_STATUS,) if proves and device.data < Data.LIKELY else ()


def _repair_questions(state: CampaignState, device: DeviceState) -> Questions:
    if not lacks(device):
        return ()
    return (*[questions.DATA_FRAGMENT] * more_for(state, device, device.needed or 1), questions.REPAIR_STATUS)


def _upgrade_image_questions(state: CampaignState, device: DeviceState) -> Questions:
    runs_it = device.fw_version == state.config.firmware_version
    needs_proof = not state.groups[device.group.name].plan.fec or _after_transfer(state.config)
    if not needs_proof or device.data >= Data.LIKELY or runs_it:
        return ()
    by_status = device.profile.tells_image is False and device.profile.answers_status
    return (questions.FRAG_SESSION_STATUS if by_status else questions.UPGRADE_IMAGE,)


def _reboot_questions(state: CampaignState, device: DeviceState) -> Questions:
    runs_it = device.fw_version == state.config.firmware_version
    return () if runs_it or device.profile.reboot_verb is RebootVerb.NONE else (questions.DEV_REBOOT_TIME,)


def _may_reboot(_state: CampaignState, device: DeviceState, phase: Phase) -> bool:
    """Whether a silent device with a reboot request stays: it may have rebooted. Its version decides."""
    return bool(device.reboot_sent) and phase is not Phase.FAILED


def _version_questions(state: CampaignState, device: DeviceState) -> Questions:
    """Version, unless the device has reported the right one already, and the right hardware where it matters."""
    right_hardware = state.config.hw_version in (None, device.hw_version)
    passes = device.fw_version == state.config.firmware_version and right_hardware
    return () if passes else (questions.DEV_VERSION,)


def _verification_wait(state: CampaignState, at: float) -> Wait | None:
    until = _verification_begins(state)
    return Wait(until=until, why="time for the devices to install the image and to reboot") if until > at else None


def _verification_begins(state: CampaignState) -> float:
    config = state.config
    if config.reboot_time is not None:
        return config.reboot_time
    reboots = (d.reboot_at for d in state.devices.values() if d.taking_part and d.reboot_at is not None)
    return max(state.sent_until, *reboots, 0.0) + config.fuota_process_max_time


def _verification_ends(state: CampaignState, at: float) -> float:
    """End of the verification: one unicast stage after the reboots and the process time, or after a later begin."""
    config, slowest = state.config, state.slowest_period()
    asking = state.n_taking_part() * config.ucast_msg_delay / 1000
    stage = unicast_stage(config.msg_retries, slowest, config.delivery_timeout)
    begins = max(at, _verification_begins(state)) + config.fuota_process_max_time
    return begins + UNHEARD_PERIODS * slowest + asking + stage


# ---- the table -------------------------------------------------------------------------------------------


def _after_transfer(config: CampaignConfig) -> bool:
    return config.reboot == "after_transfer"


def _asks_status(config: CampaignConfig, plan: Plan) -> bool:
    return config.kind == "binary" or any(group.adaptive for group in plan.groups.values())


def _any_class_c(config: CampaignConfig) -> bool:
    return any(group.device_class == "C" for group in config.groups)


def _session_row(name: str, planned: Callable[[CampaignConfig, Plan], bool]) -> Stage:
    """Row of a session stage. Groups of both classes share one stage, named after class C."""
    return Stage(
        name=name,
        planned=planned,
        questions=_session_questions,
        sessions=multicast_sessions,
        ends_at=_first_session,
        stays=_may_be_complete,
        keeps=_may_run_it,
        clean_up=_undo_session,
        sets_up=True,
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        name="DevVersion",
        planned=lambda _config, plan: bool(plan.asked_first),
        questions=_running_version_questions,
        ends_at=first_questions_end,
        keeps=lambda _state, _device, _phase: True,
        waits_for_all=True,
        spare=True,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    Stage(
        name="PackageVersion",
        planned=lambda config, _plan: config.asks_versions,
        questions=_package_version_questions,
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    Stage(
        name="McGroupSetup",
        questions=_mc_group_setup_questions,
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    Stage(
        name="DevRebootTime",
        planned=lambda config, _plan: config.reboot_time is not None,
        questions=lambda _state, _device: (questions.DEV_REBOOT_TIME,),
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    Stage(
        name="FragSessionSetup",
        planned=lambda config, _plan: config.kind != "multicast",
        questions=_frag_session_setup_questions,
        mute=_mute_in_setup,
        ends_at=_configured_start,
        clean_up=_undo_set_up,
        sets_up=True,
    ),
    _session_row("McClassBSession", lambda config, _plan: not _any_class_c(config)),
    _session_row("McClassCSession", lambda config, _plan: _any_class_c(config)),
    Stage(
        name=DL_FRAGMENT,
        planned=lambda config, _plan: config.kind != "multicast",
        exchange="fragments",
        wait=frames_wait,
        stays=lambda state, device: (
            not state.groups[device.group.name].failed or state.groups[device.group.name].remaining > 0
        ),
        clean_up=_prevent_install,
    ),
    Stage(
        name=FRAG_SESSION_STATUS,
        planned=_asks_status,
        exchange="group_status",
        questions=_status_questions,
        proves=lambda config: config.kind == "binary",
        stays=can_be_helped,
        keeps=lambda state, _device, _phase: state.config.kind == "firmware",
        clean_up=_prevent_install,
    ),
    Stage(
        name=UNICAST_REPAIR,
        planned=lambda config, plan: config.unicast_repair_max > 0 and _asks_status(config, plan),
        questions=_repair_questions,
        left_out=not_repaired,
        stays=can_be_helped,
        keeps=lambda state, _device, _phase: state.config.kind == "firmware",
        spare=True,
        clean_up=_prevent_install,
    ),
    Stage(
        name="UpgradeImage",
        planned=lambda config, plan: (
            config.kind == "firmware" and (_after_transfer(config) or not all(g.fec for g in plan.groups.values()))
        ),
        questions=_upgrade_image_questions,
        stays=has_rounds,
        clean_up=_prevent_install,
    ),
    Stage(
        name="Reboot",
        planned=lambda config, _plan: config.kind == "firmware" and _after_transfer(config),
        questions=_reboot_questions,
        keeps=_may_reboot,
        clean_up=_prevent_install,
    ),
    Stage(
        name="CompletionVerification",
        readmits=True,
        planned=lambda config, _plan: config.kind == "firmware",
        questions=_version_questions,
        not_before=_verification_begins,
        wait=_verification_wait,
        ends_at=_verification_ends,
        bounded=False,
        stays=lambda state, device: state.groups[device.group.name].plan.adaptive,
        clean_up=_before_reboot,
    ),
)


def planned_stages(config: CampaignConfig, plan: Plan) -> tuple[Stage, ...]:
    """Stages of a campaign, in order."""
    return tuple(stage for stage in STAGES if stage.planned(config, plan))


CLEAN_UP = Stage(name="clean-up", bounded=False)
"""Row of the clean-up, in which each device has its own questions."""
