"""Views of a campaign for people and programs: its progress, and the status and reason of each device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fuota_fec.campaign import waits
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.events import RUNNING
from fuota_fec.campaign.exchanges.base import Exchange
from fuota_fec.campaign.messages import Event, StageEnded, Wait
from fuota_fec.campaign.plan import Plan
from fuota_fec.campaign.reasons import RUNS_ALREADY
from fuota_fec.campaign.stages import Stage
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.campaign.turn import Phase

PhaseOf = Callable[[DeviceState], Phase]
"""Phase of a device in the present stage."""

STOPPING = "stopping"
TRANSITIONS = (
    ("CONFIGURED", "RUNNING", "start"),
    ("RUNNING", "RUNNING", "pause, unpause, resume"),
    ("RUNNING", STOPPING, "stop, or the last stage ended, or one failed"),
    (STOPPING, "SUCCEEDED", "the last stage met the threshold"),
    (STOPPING, "FAILED", "a stage did not meet the threshold, and its clean-up is over"),
    (STOPPING, "STOPPED", "the clean-up of the stage is over"),
)
"""Transitions of the status: from, to, cause. "stopping" lasts no time if there is nothing to clean up."""
_DISPROVED = ("missing", "image not valid", "wrong")
"""Beginnings of reasons that disprove the data or its installation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """Status of a device: "running"; "passed" (verified); "unverified" (the data is complete, or may be, without
    proof); "failed"; "stopped". `reason` is the cause, `note` a warning, `fw_version` the last version that was
    reported."""

    dev_eui: str
    group: str
    status: str
    reason: str
    fw_version: int | None
    data_complete: bool = False
    note: str = ""
    unconfirmed: str = ""
    """Reason of a clean-up that was not confirmed; "" otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignProgress:
    """Progress of a campaign: `n_done` of its `n_devices` devices have succeeded in the present or last stage."""

    id: str
    status: str
    """CONFIGURED, RUNNING, STOPPED, FAILED or SUCCEEDED; "stopping" during the clean-up at the end."""
    state: str
    """The status, with RUNNING in place of "stopping"."""
    reason: str
    paused: bool
    suspended: str
    """Error that keeps the agent from running the campaign; "" otherwise."""
    stage: str | None
    stages: tuple[str, ...]
    stage_started: float
    """Unix time of the start of the stage."""
    stage_status: str
    """"running"; "closing" while only late answers count; "over"; "" before the start and after the end."""
    asks_from: float
    """Unix time before which the stage asks nothing; 0: none."""
    wait: Wait | None
    """Unix time until which the campaign waits, and the reason; None if it does not wait for a time. The time is None
    in a pause, and while the campaign is suspended."""
    n_stages_completed: int
    round: int
    n_devices: int
    n_done: int
    fragments: dict[str, tuple[int, int]]
    """Numbers of frames requested and planned in this round, by group; empty unless they are being sent."""
    next_f_cnt: dict[str, int]
    spacing: Mapping[str, tuple[float, str]]
    """Time between two frames of a group, s, and the rule that determines it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignStatus(CampaignProgress):
    """Progress, and the status of each device: `n_taking_part` have not left, `unconfirmed` did not confirm the
    clean-up. `wait` also has answers and reports that the campaign waits for."""

    n_taking_part: int
    unconfirmed: tuple[str, ...]
    devices: tuple[DeviceStatus, ...]


def progress(
    config: CampaignConfig,
    plan: Plan,
    state: CampaignState | None,
    main: Exchange | None,
    ended: StageEnded | None,
    stages: tuple[Stage, ...],
    at: float,
) -> CampaignProgress:
    """Progress of a campaign whose last event was at the Unix time `at`."""
    names = tuple(stage.name for stage in stages)
    spacing = {name: (group.time.spacing, group.time.rule) for name, group in plan.groups.items()}
    if state is None:
        return CampaignProgress(
            id=config.id,
            status="CONFIGURED",
            state="CONFIGURED",
            reason="",
            paused=False,
            suspended="",
            stage=None,
            stages=names,
            stage_started=0.0,
            stage_status="",
            asks_from=0.0,
            wait=None,
            n_stages_completed=0,
            round=1,
            n_devices=len(config.devices),
            n_done=0,
            fragments={},
            next_f_cnt={name: group.first_f_cnt for name, group in plan.groups.items()},
            spacing=spacing,
        )
    cleaning = bool(state.stopping) and state.status == "RUNNING"
    return CampaignProgress(
        id=config.id,
        status=STOPPING if cleaning else state.status,
        state=state.status,
        reason=state.reason,
        paused=state.paused,
        suspended=state.suspended,
        stage=names[state.stage_idx] if 0 <= state.stage_idx < len(names) else None,
        stages=names,
        stage_started=state.stage_started,
        stage_status=_stage_status(state, main),
        asks_from=main.not_before if main is not None else 0.0,
        wait=_wait(state, at),
        n_stages_completed=max(state.stage_idx, 0) + (main is None and _passed(state, ended)),
        round=state.round,
        n_devices=len(config.devices),
        n_done=main.n_done if main is not None else ended.successes if ended is not None else 0,
        fragments=main.progress() if main is not None else {},
        next_f_cnt={name: group.next_f_cnt for name, group in state.groups.items()},
        spacing=spacing,
    )


def _wait(state: CampaignState, at: float) -> Wait | None:
    """Wait of the campaign as a whole: for its cause to end, or for a time that is still ahead."""
    if state.status != RUNNING:
        return None
    if state.suspended or state.paused:
        return waits.held_up(state.suspended)
    until = state.wait.until if state.wait is not None else None
    return state.wait if until is not None and until > at else None


def _passed(state: CampaignState, ended: StageEnded | None) -> bool:
    """Whether the present stage has met the threshold, and the next one has not begun."""
    return state.status == "RUNNING" and ended is not None and ended.ok and not ended.back_to


def _stage_status(state: CampaignState, main: Exchange | None) -> str:
    if main is None:
        return "over" if state.status == "RUNNING" else ""
    return "closing" if main.closing else "running"


def progress_record(
    event: Event,
    seen: CampaignProgress,
    state: CampaignState,
    phase_of: PhaseOf,
) -> dict[str, Any]:
    """An event as plain data, with the progress of the campaign after it, and the device or group that it concerns."""
    record = event.record()
    dev_eui, group = state.subject_of(record.get("id") or "")
    about: dict[str, Any] = {
        "campaign": seen.id,
        "campaign_status": seen.status,
        "stages": len(seen.stages),
        "stages_completed": seen.n_stages_completed,
        "stage_name": seen.stage,
        "stage_status": seen.stage_status,
        "devices_done": seen.n_done,
        "devices": seen.n_devices,
    }
    dev_eui, group = record.get("dev_eui") or dev_eui, record.get("group") or group
    if (device := state.devices.get(dev_eui or "")) is not None:
        status = device_status(state, device, phase_of(device))
        about["device"] = {
            "dev_eui": status.dev_eui,
            "status": status.status,
            "reason": status.reason,
            "fw_version": status.fw_version,
        }
    if (name := group or "") in seen.next_f_cnt:
        spacing, rule = seen.spacing[name]
        about["group_progress"] = {
            "name": name,
            "next_f_cnt": seen.next_f_cnt[name],
            "spacing": spacing,
            "spacing_rule": rule,
        }
    return {**record, **about}


def campaign_status(
    seen: CampaignProgress, state: CampaignState | None, phase_of: PhaseOf, wait: Wait | None = None
) -> CampaignStatus:
    """Status of a campaign; `wait` is the wait of its exchange, if it has one."""
    values = {name: getattr(seen, name) for name in CampaignProgress.__dataclass_fields__}
    values["wait"] = waits.in_turn(seen.wait, wait)
    devices = list(state.devices.values()) if state is not None else []
    return CampaignStatus(
        **values,
        n_taking_part=sum(device.taking_part for device in devices),
        unconfirmed=tuple(device.dev_eui for device in devices if device.unconfirmed),
        devices=tuple(device_status(state, d, phase_of(d)) for d in devices) if state is not None else (),
    )


def device_status(state: CampaignState, device: DeviceState, phase: Phase) -> DeviceStatus:
    return DeviceStatus(
        dev_eui=device.dev_eui,
        group=device.group.name,
        status=_status(state, device, phase),
        reason="" if device.passed and device.reason != RUNS_ALREADY else device.reason,
        fw_version=device.fw_version,
        data_complete=device.data >= Data.LIKELY,
        note=_note(device),
        unconfirmed=device.unconfirmed,
    )


def _note(device: DeviceState) -> str:
    returned = f"had left: {device.left_reason}" if device.left_reason else ""
    return "; ".join(dict.fromkeys(filter(None, (device.warning, device.note, returned))))


def _status(state: CampaignState, device: DeviceState, phase: Phase) -> str:
    if device.passed:
        proved = state.config.kind != "binary" or device.data is Data.COMPLETE
        return "passed" if proved else "unverified"
    if device.taking_part and state.status == "RUNNING" and phase not in (Phase.GIVEN_UP, Phase.FAILED):
        last = state.stage_idx == len(state.stage_names) - 1
        return "passed" if last and phase is Phase.SUCCEEDED else "running"
    unproved = device.data >= Data.LIKELY and not device.reason.startswith(_DISPROVED)
    if unproved or "fragments unknown" in device.reason:
        return "unverified"
    return "stopped" if state.status == "STOPPED" and device.taking_part else "failed"
