"""The unicast exchange: one stage's requests to its devices, from the first uplink heard to the answer.

    UNHEARD ──uplink──▶ READY ──paced──▶ REQUESTED ──network──▶ HANDED_OVER ──sent report──▶ SENT ──answer──▶ SUCCEEDED
       │                  ▲                                        │                          │                or FAILED
       │                  ├──── not delivered, or no report ───────┤                          │
       │                  └──── no answer ─────────────────────────┼──────────────────────────┤
       └─────────────────────────── GIVEN_UP ◀──── no retry left ──┴──────────────────────────┘

A class A device hears nothing before it speaks, so nothing is sent before an uplink of it, and a request waits
in the network's queue for its next one. At most one request is outstanding per device: a resend replaces it. A device
that was given up may still answer while the stage closes.

Decisions are generators of events. Each event is applied before the generator goes on, so the code reads as if
the events took effect where they are yielded.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from fuota_fec.campaign.messages import (
    Answered,
    DeviceHeard,
    Event,
    GivenUp,
    HandedOver,
    Reported,
    Requested,
    StageClosing,
    StageEnded,
    Unanswered,
    VersionHeard,
)
from fuota_fec.campaign.stages import Stage, Verdict
from fuota_fec.campaign.state import OPEN, CampaignState, DeviceState, Phase
from fuota_fec.wire.commands import Command

Decisions = Iterator[Event]

PACER = ("pacer",)
CLOSING = ("closing",)
DEADLINE = ("deadline",)
UNHEARD_PERIODS = 3
"""Uplink periods after which a device that was not heard is given up."""


class UnicastExchange:
    """One stage's exchange. Holds what concerns all of its devices; what concerns one is in its DeviceState."""

    def __init__(self, state: CampaignState, stage: Stage, started_at: float) -> None:
        self.state = state
        self.stage = stage
        self.not_before = max(started_at, stage.not_before(state) if stage.not_before else started_at)
        self.closing = False
        self.ready: deque[DeviceState] = deque()
        self.n_ready = 0
        self.n_open = 0
        self.n_given_up = 0
        self.n_succeeded = 0
        self.by_request: dict[str, DeviceState] = {}
        ends_at = stage.ends_at(state)
        if ends_at is not None:
            state.timers.set(DEADLINE, ends_at)
        for device in state.devices.values():
            device.request_id = None
            device.resends = 0
            if not device.taking_part:
                device.phase = Phase.ABSENT
                continue
            if stage.not_before is not None:
                device.heard = False
            if stage.already(state, device):
                self._to(device, Phase.SUCCEEDED)
            elif device.heard:
                self._enqueue(device, started_at)
            else:
                self._to(device, Phase.UNHEARD)
                state.timers.set(device.dev_eui, self.not_before + UNHEARD_PERIODS * device.period)

    # ---- decisions ---------------------------------------------------------------------------------------

    def is_news(self, device: DeviceState, at: float) -> bool:
        """Whether an uplink received at `at` is the one that this stage waits for to talk to the device."""
        return not device.heard and at >= self.not_before

    def on_uplink(self, device: DeviceState, at: float, now: float) -> Decisions:
        """Where the network gives no sent reports, the first uplink heard after the hand-over stands for one."""
        waits = device.phase is Phase.HANDED_OVER and at >= device.handed_over_at
        if waits and not self.state.network.sent_reports and device.request_id:
            yield Reported(at=now, id=device.request_id, ok=True, cause="uplink heard")

    def on_command(self, device: DeviceState, command: Command, at: float, now: float) -> Decisions | None:
        """A command of an uplink received at `at`; None if it does not belong here."""
        assert self.stage.read is not None
        verdict = self.stage.read(self.state, device, command, at)
        if verdict is None or device.phase in (Phase.ABSENT, Phase.SUCCEEDED, Phase.FAILED):
            return None
        if device.request_id is None and not self.stage.volunteered:
            return None
        return self._on_verdict(device, verdict, now)

    def _on_verdict(self, device: DeviceState, verdict: Verdict, now: float) -> Decisions:
        version = verdict.fw_version
        if verdict.final:
            yield Answered(at=now, dev_eui=device.dev_eui, ok=verdict.ok, reason=verdict.reason, fw_version=version)
            return
        asked = device.phase in (Phase.HANDED_OVER, Phase.SENT) and device.noted != device.request_id
        if version is not None and (asked or version != device.fw_version):
            yield VersionHeard(at=now, dev_eui=device.dev_eui, fw_version=version, asked=asked, reason=verdict.reason)

    def awaits_hand_over(self, request_id: str) -> bool:
        device = self.by_request[request_id]
        return device.phase is Phase.REQUESTED and device.request_id == request_id

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Decisions:
        """The network's word on a request in `by_request`."""
        device = self.by_request[request_id]
        if device.phase in (Phase.REQUESTED, Phase.HANDED_OVER):
            yield Reported(at=now, id=request_id, ok=ok, cause=cause)
            yield from self._give_up_if_stalled(device, now)

    def on_timer(self, name: object, now: float) -> Decisions:
        if name == PACER:
            return self._on_pacer(now)
        if name in (CLOSING, DEADLINE):
            return self.end(now)
        assert isinstance(name, str)
        return self._on_device_timer(self.state.devices[name], now)

    def _on_device_timer(self, device: DeviceState, now: float) -> Decisions:
        if device.phase is Phase.UNHEARD:
            yield GivenUp(at=now, dev_eui=device.dev_eui, reason="never heard")
        elif device.phase is Phase.REQUESTED and device.request_id:
            yield Reported(at=now, id=device.request_id, ok=False, cause="not handed over in time")
        elif device.phase is Phase.HANDED_OVER and device.request_id:
            yield Reported(at=now, id=device.request_id, ok=False, cause="no sent report in time")
        elif device.phase is Phase.SENT and device.request_id:
            yield Unanswered(at=now, id=device.request_id)
        yield from self._give_up_if_stalled(device, now)

    def _on_pacer(self, now: float) -> Decisions:
        """The next device in line is asked; those that answered an earlier request meanwhile are passed over."""
        device = next((d for d in self.ready if d.phase is Phase.READY), None)
        if device is not None and not self.closing:
            yield self._request(device, now)

    def settle(self, now: float) -> Decisions:
        """Closes the stage when the threshold is met or nothing is left to be done; ends it when no answer can come."""
        state = self.state
        if not self.closing:
            met = self.n_succeeded >= state.plan.n_needed and state.config.stage_end == "threshold"
            if not met and self.n_open:
                return
            wait = state.config.stage_complete_delay * state.plan.slowest_period if self._answers_may_come() else 0.0
            yield StageClosing(at=now, stage=self.stage.name, until=now + wait)
        if not self._answers_may_come():
            yield from self.end(now)

    def end(self, now: float, cause: str = "") -> Decisions:
        """The stage is over: whoever has not answered is given up."""
        for device in self.state.devices.values():
            if device.phase in OPEN:
                yield GivenUp(at=now, dev_eui=device.dev_eui, reason=cause or self._why_open(device))
        ok = self.n_succeeded >= self.state.plan.n_needed
        yield StageEnded(at=now, stage=self.stage.name, successes=self.n_succeeded, ok=ok)

    def _why_open(self, device: DeviceState) -> str:
        if device.phase is Phase.UNHEARD:
            return "never heard"
        if device.request_id is None:
            return f"not asked in {self.stage.name}: the threshold was met"
        return device.reason or f"no answer in {self.stage.name}"

    def _answers_may_come(self) -> bool:
        return self.n_open + self.n_given_up > 0

    def _give_up_if_stalled(self, device: DeviceState, now: float) -> Decisions:
        if device.phase is Phase.STALLED and not self.closing:
            reason = device.reason or f"no answer in {self.stage.name}"
            yield GivenUp(at=now, dev_eui=device.dev_eui, reason=reason)

    def _request(self, device: DeviceState, now: float) -> Requested:
        state = self.state
        assert self.stage.request is not None
        payload = self.stage.request(state, device).encode()
        ends_at = self.stage.ends_at(state)
        if ends_at is not None:
            not_after = ends_at
        elif self.stage.bounded:
            not_after = state.deadline
        else:
            not_after = now + state.config.delivery_timeout + device.period
        return Requested(
            at=now,
            id=state.next_request_id(),
            dev_eui=device.dev_eui,
            f_port=self.stage.port(state.config.ports),
            command=payload,
            digest=hashlib.sha256(payload).digest()[:8],
            not_after=not_after,
            replaces=device.request_id or device.unreported,
        )

    # ---- what events do ----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        handler = _APPLY.get(type(event))
        if handler is not None:
            handler(self, event)

    def _apply_device_heard(self, event: DeviceHeard) -> None:
        device = self.state.devices[event.dev_eui]
        if device.phase is Phase.UNHEARD:
            self._enqueue(device, event.at)

    def _apply_requested(self, event: Requested) -> None:
        device = self.state.devices[event.dev_eui or ""]
        while self.ready and self.ready.popleft() is not device:
            pass
        if device.request_id:
            self.by_request.pop(device.request_id, None)
        device.request_id = device.unreported = event.id
        self.by_request[event.id] = device
        self.state.next_unicast_at = event.at + self.state.config.ucast_msg_delay / 1000
        self._to(device, Phase.REQUESTED)
        self.state.timers.set(device.dev_eui, event.not_after)
        self._set_pacer(event.at)

    def _apply_handed_over(self, event: HandedOver) -> None:
        device = self.by_request[event.id]
        if device.phase is Phase.REQUESTED:
            device.handed_over_at = event.at
            self._to(device, Phase.HANDED_OVER)
            self.state.timers.set(device.dev_eui, event.at + self.state.config.delivery_timeout + device.period)

    def _apply_reported(self, event: Reported) -> None:
        device = self.by_request[event.id]
        if event.ok:
            device.unreported = None
            self._to(device, Phase.SENT)
            due = self.state.plan.slowest_period + self.state.config.delivery_timeout
            self.state.timers.set(device.dev_eui, event.at + due)
        else:
            self._again(device, event.at)

    def _apply_unanswered(self, event: Unanswered) -> None:
        self._again(self.by_request[event.id], event.at)

    def _apply_answered(self, event: Answered) -> None:
        device = self.state.devices[event.dev_eui]
        device.reason = event.reason
        self._to(device, Phase.SUCCEEDED if event.ok else Phase.FAILED)
        self._set_pacer(event.at)

    def _apply_version_heard(self, event: VersionHeard) -> None:
        """Asked and not there yet: again after an uplink period, while retries remain. Volunteered: only noted."""
        device = self.state.devices[event.dev_eui]
        if event.asked:
            device.reason = event.reason
            device.noted = device.request_id
            self._to(device, Phase.SENT)
            self.state.timers.set(device.dev_eui, event.at + device.period)

    def _apply_given_up(self, event: GivenUp) -> None:
        device = self.state.devices[event.dev_eui]
        device.reason = event.reason
        self._to(device, Phase.GIVEN_UP)

    def _apply_closing(self, event: StageClosing) -> None:
        self.closing = True
        self._set_pacer(event.at)
        self.state.timers.set(CLOSING, event.until)

    def _apply_ended(self, _event: StageEnded) -> None:
        for device in self.state.devices.values():
            if device.phase is not Phase.SUCCEEDED:
                device.taking_part = False
            device.phase = Phase.ABSENT
            self.state.timers.clear(device.dev_eui)
        for name in (PACER, CLOSING, DEADLINE):
            self.state.timers.clear(name)

    def _again(self, device: DeviceState, at: float) -> None:
        """Another try, if one is left."""
        if device.resends < self.state.config.msg_retries and not self.closing:
            device.resends += 1
            self._enqueue(device, at)
        else:
            self._to(device, Phase.STALLED)

    def _enqueue(self, device: DeviceState, at: float) -> None:
        self._to(device, Phase.READY)
        self.ready.append(device)
        self._set_pacer(at)

    def _set_pacer(self, at: float) -> None:
        """The pacer runs exactly while somebody is in line."""
        if self.n_ready and not self.closing:
            self.state.timers.set(PACER, max(at, self.state.next_unicast_at))
        else:
            self.state.timers.clear(PACER)

    def _to(self, device: DeviceState, phase: Phase) -> None:
        self.n_ready += (phase is Phase.READY) - (device.phase is Phase.READY)
        self.n_open += (phase in OPEN) - (device.phase in OPEN)
        self.n_given_up += (phase is Phase.GIVEN_UP) - (device.phase is Phase.GIVEN_UP)
        self.n_succeeded += (phase is Phase.SUCCEEDED) - (device.phase is Phase.SUCCEEDED)
        device.phase = phase
        self.state.timers.clear(device.dev_eui)


_APPLY: dict[type[Event], Callable[[UnicastExchange, Any], None]] = {
    DeviceHeard: UnicastExchange._apply_device_heard,
    Requested: UnicastExchange._apply_requested,
    HandedOver: UnicastExchange._apply_handed_over,
    Reported: UnicastExchange._apply_reported,
    Unanswered: UnicastExchange._apply_unanswered,
    Answered: UnicastExchange._apply_answered,
    VersionHeard: UnicastExchange._apply_version_heard,
    GivenUp: UnicastExchange._apply_given_up,
    StageClosing: UnicastExchange._apply_closing,
    StageEnded: UnicastExchange._apply_ended,
}
