"""Start of a stage: its sessions, what it waits for, and how long it may last beyond the maximum duration."""

from __future__ import annotations

from fuota_fec.campaign import waits
from fuota_fec.campaign.messages import StageStarted
from fuota_fec.campaign.sessions import Coded
from fuota_fec.campaign.stages import UNHEARD_PERIODS, Stage
from fuota_fec.campaign.state import CampaignState, DeviceState


def begin(stage: Stage, state: CampaignState, now: float, round_no: int, coded: Coded) -> StageStarted:
    """StageStarted of a stage that begins now, with its sessions, its waits and its overtime."""
    sessions, wait = stage.sessions(state, now, round_no, coded) if stage.sessions else (None, None)
    asks = stage.exchange != "fragments" and stage.sessions is None
    latest, n_asked = _answers(stage, state, now) if asks else (0.0, 0)
    overtime = _overtime(state, now, latest) if stage.proves(state.config) else 0.0
    time_up = state.deadline + overtime if stage.bounded else None
    return StageStarted(
        at=now,
        stage=stage.name,
        n_devices=state.n_taking_part(),
        round=round_no,
        sessions=sessions,
        coded=dict(coded),
        wait=wait or stage.wait(state, now),
        answers=waits.answers(latest, n_asked, waits.limit(stage.ends_at(state, now), time_up)),
        overtime=overtime,
    )


def _answers(stage: Stage, state: CampaignState, now: float) -> tuple[float, int]:
    """Unix time by which all devices have answered the questions of a stage, or have used up their tries, and their
    number; zeros if it asks nothing."""
    left_out = stage.left_out(state, now)
    each, n_asked, alike = 1 + state.config.msg_retries, 0, {}
    for device in state.devices.values():
        if device.taking_part and device.dev_eui not in left_out:
            questions = stage.questions(state, device)
            n_asked += bool(questions)
            n_tries = waits.n_tries(questions, each)
            alike[device.group.name, device.period, device.jitter, device.heard, n_tries] = device
    if not n_asked:
        return 0.0, 0
    longest = max(state.until_uplink(device) for device in alike.values())
    tries = waits.Tries(state=state, n_asked=n_asked, longest_wait=longest)
    asks_from = now if stage.not_before is None else max(now, stage.not_before(state))

    def end(device: DeviceState, n_tries: int) -> float:
        unheard = stage.not_before is not None or not device.heard
        begins = asks_from + unheard * UNHEARD_PERIODS * device.period
        plan, spread = state.groups[device.group.name].plan, 0.0
        if stage.exchange == "group_status":
            spread = float(plan.answer_spread)
            if plan.n_status and plan.asked_by_multicast:  # Silent devices are asked by unicast afterwards.
                begins += (each + plan.adaptive) * (plan.slot + plan.pacing + plan.status_wait)
        return begins + n_tries * tries.one(device, spread)

    return max(end(device, key[-1]) for key, device in alike.items() if key[-1]), n_asked


def _overtime(state: CampaignState, now: float, latest: float) -> float:
    """Time beyond the maximum duration, s, in which the answers of all devices come. It is given once: questions that
    are asked again in it have the rest of it."""
    if now >= state.deadline and state.overtime:
        return state.overtime
    return max(0.0, latest - state.deadline)
