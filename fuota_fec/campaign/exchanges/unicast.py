"""The unicast exchange: one stage's questions to its devices, from the first uplink heard to the answer.

    UNHEARD ──uplink──▶ READY ──paced──▶ REQUESTED ──network──▶ HANDED_OVER ──sent report──▶ SENT ──answer──▶ SUCCEEDED
       │                  ▲                                        │                          │                or FAILED
       │                  ├──── not delivered, or no report ───────┤                          │
       │                  └──── no answer ─────────────────────────┼──────────────────────────┤
       └─────────────────────────── GIVEN_UP ◀──── no retry left ──┴──────────────────────────┘

A class A device hears nothing before it speaks, so nothing is sent before an uplink of it, and a request waits
in the network's queue for its next one. At most one request is outstanding per device: a resend replaces it. A device
that was given up may still answer while the stage closes. Where a stage asks several things, the answer to one
makes the device READY for the next.

Decisions are generators of events. Each event is applied before the generator goes on, so the code reads as if
the events took effect where they are yielded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from fuota_fec.campaign import reasons
from fuota_fec.campaign.messages import (
    Answered,
    Deferred,
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
from fuota_fec.campaign.questions import PREPARATORY, Verdict
from fuota_fec.campaign.stages import UNHEARD_PERIODS, Questions, Stage
from fuota_fec.campaign.state import OPEN, CampaignState, DeviceState, Phase
from fuota_fec.wire.commands import Command

Decisions = Iterator[Event]

CLOSING = ("closing",)
DEADLINE = ("deadline",)

_FIRST_OPEN, _LAST_OPEN = min(OPEN), max(OPEN)


class UnicastExchange:
    """One stage's exchange. Holds what concerns all of its devices; what concerns one is in its DeviceState."""

    def __init__(self, state: CampaignState, stage: Stage, at: float) -> None:
        self.state = state
        self.stage = stage
        self.not_before = max(at, stage.not_before(state)) if stage.not_before else at
        self.ends_at = stage.ends_at(state, at)
        self.closing_until: float | None = None
        self.slowest = 0.0
        self._n = [0] * len(Phase)
        """Devices that came into each phase here, less those that left it."""
        self.by_request: dict[str, DeviceState] = {}
        self.n_asked = 0
        if self.ends_at is not None:
            state.timers.set(DEADLINE, self.ends_at)
        for device in self.participants():
            self.slowest = max(self.slowest, device.period)
            if stage.not_before is not None:
                device.heard = False
            asks = stage.asks(state, device)
            self.n_asked += bool(asks)
            self.add(device, asks, at)
        self.n_already = self.n_succeeded

    def participants(self) -> Iterable[DeviceState]:
        """The devices that take part; all others are ABSENT."""
        left_out = self.stage.left_out(self.state, self.state.stage_started)
        for device in self.state.devices.values():
            if device.taking_part and device.dev_eui not in left_out:
                yield device

    def add(self, device: DeviceState, asks: Questions, at: float) -> None:
        """A device is to be asked these things; nothing means that it is done."""
        device.asks = asks
        device.reason = ""
        self._fresh(device)
        if not asks:
            self._to(device, Phase.SUCCEEDED)
        else:
            self._line_up(device, at)

    def _line_up(self, device: DeviceState, at: float) -> None:
        """To be asked, once it was heard."""
        if device.heard or self.closing:
            self._enqueue(device, at)
        else:
            self._await_uplink(device, at)

    def _await_uplink(self, device: DeviceState, at: float) -> None:
        self._to(device, Phase.UNHEARD)
        self.state.timers.set(device.dev_eui, max(at, self.not_before) + UNHEARD_PERIODS * device.period)

    @property
    def n_open(self) -> int:
        """Devices about which something is still to be done."""
        return sum(self._n[_FIRST_OPEN : _LAST_OPEN + 1])

    @property
    def n_given_up(self) -> int:
        return self._n[Phase.GIVEN_UP]

    @property
    def n_succeeded(self) -> int:
        return self._n[Phase.SUCCEEDED]

    @property
    def n_done(self) -> int:
        """Devices that have succeeded."""
        return self.n_succeeded

    def mine(self, device: DeviceState) -> bool:
        """Whether a device is this exchange's affair: one that is cleaned up is not the stage's."""
        return not device.cleaning

    @property
    def closing(self) -> bool:
        return self.closing_until is not None

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
        if device.phase in (Phase.ABSENT, Phase.SUCCEEDED) or not device.asks:
            return None
        ask = device.asks[0]
        volunteered = isinstance(command, ask.volunteered)
        if not volunteered and (device.phase is Phase.FAILED or not self._was_asked(device)):
            return None
        verdict = ask.read(self.state, device, command, at)
        if verdict is None or (device.phase is Phase.FAILED and not verdict.ok):
            return None
        return self._on_verdict(device, verdict, now)

    def _was_asked(self, device: DeviceState) -> bool:
        return device.request_id is not None

    def _on_verdict(self, device: DeviceState, verdict: Verdict, now: float) -> Decisions:
        ask, version = device.asks[0].name, verdict.fw_version
        repeated = device.noted is not None and device.noted == device.request_id
        expected = device.phase in (Phase.HANDED_OVER, Phase.SENT) and not repeated
        if verdict.ok or (not verdict.again and self._was_asked(device) and not repeated):
            yield Answered(
                at=now,
                dev_eui=device.dev_eui,
                ask=ask,
                ok=verdict.ok,
                reason=verdict.reason,
                note=verdict.note,
                fw_version=version,
                needed=verdict.needed,
                loss=verdict.loss,
            )
        elif verdict.again and expected:
            yield Deferred(
                at=now,
                dev_eui=device.dev_eui,
                ask=ask,
                reason=verdict.reason,
                first=verdict.first,
                instead=verdict.again == "instead",
                later=verdict.again == "later",
                fw_version=version,
            )
        elif version is not None and version != device.fw_version:
            yield VersionHeard(at=now, dev_eui=device.dev_eui, fw_version=version)

    def knows(self, request_id: str) -> bool:
        return request_id in self.by_request

    def awaits_hand_over(self, request_id: str) -> bool:
        device = self.by_request.get(request_id)
        return device is not None and device.phase is Phase.REQUESTED and device.request_id == request_id

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Decisions:
        """The network's word on a request in `by_request`."""
        device = self.by_request[request_id]
        held = device.phase is Phase.HELD and device.unreported == request_id
        if held or (device.phase in (Phase.REQUESTED, Phase.HANDED_OVER) and device.request_id == request_id):
            yield Reported(at=now, id=request_id, ok=ok, cause=cause)
            yield from self._give_up_if_stalled(device, now)

    def on_timer(self, name: object, now: float) -> Decisions:
        """A timer of the exchange; those of devices come as their DevEUI."""
        if name in (CLOSING, DEADLINE):
            return self.end(now)
        return self._on_device_timer(self.state.devices[str(name)], now)

    def _on_device_timer(self, device: DeviceState, now: float) -> Decisions:
        request_id = device.request_id or ""
        if device.phase is Phase.UNHEARD:
            yield GivenUp(at=now, dev_eui=device.dev_eui, reason=reasons.NEVER_HEARD)
        elif device.phase is Phase.HELD:
            yield Reported(at=now, id=device.unreported or "", ok=False, cause="ran out in the network's queue")
        elif device.phase is Phase.REQUESTED:
            yield Reported(at=now, id=request_id, ok=False, cause="not handed over in time")
        elif device.phase is Phase.HANDED_OVER:
            yield Reported(at=now, id=request_id, ok=False, cause="no sent report in time")
        elif device.phase is Phase.SENT:
            yield Unanswered(at=now, id=request_id)
        yield from self._give_up_if_stalled(device, now)

    def settle(self, now: float) -> Decisions:
        """Closes the stage when the threshold is met or nothing is left to be done; ends it when no answer can come."""
        state = self.state
        if not self.closing:
            if self.n_open and not (state.config.stage_end == "threshold" and self._threshold_met()):
                return
            yield StageClosing(at=now, stage=self.stage.name, until=self._closes_at(now))
        if not self._answers_may_come():
            yield from self.end(now)

    def _threshold_met(self) -> bool:
        """By the whole campaign; and, where some have nothing to do, by those that have."""
        enough = not self.n_already or self.n_succeeded - self.n_already >= self.state.plan.share_of(self.n_asked)
        return enough and self.n_succeeded >= self.state.plan.n_needed

    def _closes_at(self, now: float) -> float:
        """Until when late answers count."""
        if not self._answers_may_come():
            return now
        config = self.state.config
        last = self.stage.name == self.state.stage_names[-1]
        return now + config.stage_complete_delay * self.slowest + (config.complete_delay if last else 0.0)

    def end(self, now: float, cause: str = "") -> Decisions:
        """The stage is over: whoever has not answered is given up."""
        for device in self.state.devices.values():
            if device.phase in OPEN and self.mine(device):
                yield GivenUp(at=now, dev_eui=device.dev_eui, reason=cause or self._why_open(device))
        ok = self.n_succeeded >= self.state.plan.n_needed
        back_to = "" if cause else self.stage.back_to(self.state, now, self.n_succeeded)
        yield StageEnded(at=now, stage=self.stage.name, successes=self.n_succeeded, ok=ok, back_to=back_to)

    def _why_open(self, device: DeviceState) -> str:
        if device.phase is Phase.UNHEARD:
            return reasons.NEVER_HEARD
        if device.phase in (Phase.READY, Phase.UNASKED, Phase.BY_MULTICAST) and not self._was_asked(device):
            return reasons.not_asked(self.stage.name) if self.closing else reasons.no_answer(self.stage.name)
        return device.reason or reasons.no_answer(self.stage.name)

    def _answers_may_come(self) -> bool:
        return self.n_open + self.n_given_up > 0

    def _give_up_if_stalled(self, device: DeviceState, now: float) -> Decisions:
        if device.phase is Phase.STALLED and not self.closing:
            yield GivenUp(at=now, dev_eui=device.dev_eui, reason=device.reason or reasons.no_answer(self.stage.name))

    def request(self, device: DeviceState, now: float) -> Decisions:
        """Its turn has come: the present question."""
        state, ask = self.state, device.asks[0]
        frag_nb = None if ask.frag_nb is None else ask.frag_nb(state, device)
        if frag_nb is None:
            command = payload = ask.request(state, device, now).encode()
        else:
            command, payload = None, bytes(state.blocks[device.group.name].frame(frag_nb))
        if self.ends_at is not None:
            not_after = self.ends_at
        elif self.stage.bounded:
            not_after = state.deadline
        else:
            not_after = now + state.config.delivery_timeout + device.period
        limit = ask.not_after(state, device)
        if limit is not None:
            not_after = min(not_after, limit)
        if not state.network.withdraws:
            # It cannot be taken back, so it must have run out when another try begins.
            not_after = min(not_after, now + state.config.delivery_timeout + device.period)
        yield Requested(
            at=now,
            id=state.next_request_id(),
            ask=ask.name,
            dev_eui=device.dev_eui,
            f_port=ask.port(state.config.ports),
            command=command,
            frag_nb=frag_nb,
            digest=hashlib.sha256(payload).digest()[:8],
            not_after=not_after,
            replaces=device.request_id or device.unreported,
        )

    def outstanding(self) -> list[str]:
        """Requests that may still reach a device."""
        waiting = (Phase.REQUESTED, Phase.HANDED_OVER)
        return [name for name, d in self.by_request.items() if d.phase in waiting and d.request_id == name]

    # ---- what events do ----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        name = _APPLY.get(type(event))
        if name is not None:
            getattr(self, name)(event)

    def _apply_device_heard(self, event: DeviceHeard) -> None:
        device = self.state.devices[event.dev_eui]
        device.heard = True
        if device.phase is Phase.UNHEARD:
            self._enqueue(device, event.at)

    def _apply_requested(self, event: Requested) -> None:
        device, line = self.state.devices[event.dev_eui or ""], self.state.line
        while line.ready and line.ready.popleft() is not device:
            pass
        if device.request_id:
            self.by_request.pop(device.request_id, None)
        device.request_id = device.unreported = event.id
        self.by_request[event.id] = device
        line.next_at = event.at + self.state.config.ucast_msg_delay / 1000
        device.asks[0].sent(self.state, device, event.at)
        self._to(device, Phase.REQUESTED)
        self.state.timers.set(device.dev_eui, event.not_after)
        self.state.set_pacer(event.at)

    def _apply_handed_over(self, event: HandedOver) -> None:
        device = self.by_request[event.id]
        if device.phase is Phase.REQUESTED:
            device.handed_over_at = event.at
            device.queued_until = self.state.timers.due(device.dev_eui)  # its not_after
            self._to(device, Phase.HANDED_OVER)
            self._wait(device, event.at)

    def _apply_reported(self, event: Reported) -> None:
        device = self.by_request[event.id]
        device.queued_until = 0.0  # It has left, or will not any more.
        if device.phase is Phase.HELD:
            device.unreported = None if event.ok else device.unreported
            self._enqueue(device, event.at)
            return
        if event.ok:
            device.unreported = None
            if device.asks[0].frag_nb is not None:
                device.asks[0].done(self.state, device)
                self._next_ask(device, event.at)
                return
            self._to(device, Phase.SENT)
            self._wait(device, event.at)
        elif device.phase is Phase.REQUESTED and self.state.paused:
            self._enqueue(device, event.at)  # The pause held it back, which uses up no retry.
        else:
            self._again(device, event.at)

    def _wait(self, device: DeviceState, at: float) -> None:
        """Until when the network's report, or then the device's answer, is due."""
        reported = device.phase is Phase.SENT
        wait = max(self.slowest, device.period) + self._answer_spread(device) if reported else device.period
        self.state.timers.set(device.dev_eui, at + self.state.config.delivery_timeout + wait)

    def _answer_spread(self, _device: DeviceState) -> float:
        """s by which a device may delay its answer."""
        return 0.0

    def _apply_unanswered(self, event: Unanswered) -> None:
        device = self.by_request[event.id]
        mute = bool(device.resends) and not device.asks[0].optional
        self._again(device, event.at)
        if mute and device.phase is Phase.READY:
            self._ask_first(device, self.stage.mute(self.state, device))

    def _apply_answered(self, event: Answered) -> None:
        device = self.state.devices[event.dev_eui]
        device.reason, device.note, device.needed = event.reason, event.note, event.needed
        device.loss = device.loss if event.loss is None else event.loss
        if event.ok:
            device.asks[0].done(self.state, device)
            self._next_ask(device, event.at)
        else:
            self._to(device, Phase.FAILED)
            self.state.set_pacer(event.at)

    def _next_ask(self, device: DeviceState, at: float) -> None:
        """On to what this device is asked next, if anything; the tries of that begin anew, unless this came between."""
        between, resends = device.asks[0].optional, device.resends
        device.asks = device.asks[1:]
        self._fresh(device)
        if between:
            device.resends = resends
        if not device.asks:
            self._to(device, Phase.SUCCEEDED)
            self.state.set_pacer(at)
        else:
            self._enqueue(device, at)

    def _apply_deferred(self, event: Deferred) -> None:
        """Asked again at once, perhaps after something else; or later, by the timer of an answer that is overdue."""
        device = self.state.devices[event.dev_eui]
        ask = device.asks[0]
        device.reason = event.reason
        device.noted = device.request_id
        ask.again(self.state, device)
        if event.later:
            self._to(device, Phase.SENT)
            self.state.timers.set(device.dev_eui, event.at + device.period)
            return
        if event.first:
            first = tuple(PREPARATORY[name] for name in event.first)
            self._ask_first(device, first, instead=event.instead)
        self._enqueue(device, event.at)

    def _ask_first(self, device: DeviceState, first: Questions, *, instead: bool = False) -> None:
        """The tries of the present question are counted on when its turn comes again."""
        device.asks = (*first, *device.asks[instead:])
        if instead:
            self._fresh(device)

    def _apply_given_up(self, event: GivenUp) -> None:
        device = self.state.devices[event.dev_eui]
        device.reason = event.reason
        self._to(device, Phase.GIVEN_UP)

    def _apply_closing(self, event: StageClosing) -> None:
        """Whoever is in line is not asked any more, but may still answer an earlier request."""
        self.closing_until = event.until
        for device in self.state.line.ready:
            if device.phase is Phase.READY and self.mine(device):
                self._to(device, Phase.UNASKED)
        self.state.set_pacer(event.at)
        self.state.timers.set(CLOSING, event.until)

    def _apply_ended(self, event: StageEnded) -> None:
        state = self.state
        for device in state.devices.values():
            if not self.mine(device):
                continue
            succeeded = device.phase is Phase.SUCCEEDED
            stays = (event.back_to and self.stage.stays(state, device)) or self.stage.keeps(state, device)
            if device.taking_part and not succeeded and not stays:
                device.taking_part = False
                device.left_in = state.stage_idx if device.phase is Phase.GIVEN_UP and device.request_id else -1
            self._to(device, Phase.ABSENT)
        self.forget_timers(event.at)

    def forget_timers(self, at: float) -> None:
        for name in (CLOSING, DEADLINE):
            self.state.timers.clear(name)
        self.state.set_pacer(at)

    def drop_all(self, at: float) -> None:
        """The campaign is stopped: nobody is asked any more."""
        for device in self.state.devices.values():
            if self.mine(device):
                self._to(device, Phase.ABSENT)
        self.forget_timers(at)

    def restart(self, at: float) -> None:
        """After an outage devices and the network have their whole time again."""
        for device in self.state.devices.values():
            if not self.mine(device):
                continue
            if device.phase is Phase.UNHEARD:
                self._await_uplink(device, at)
            elif device.phase in (Phase.HANDED_OVER, Phase.SENT):
                self._wait(device, at)
            elif device.phase is Phase.REQUESTED and self.state.timers.due(device.dev_eui) < at:
                self._enqueue(device, at)  # It ran out in the outage, which uses up no retry.
        if not self.stage.bounded and (ends_at := self.stage.ends_at(self.state, at)) is not None:
            self.ends_at = ends_at
            self.state.timers.set(DEADLINE, ends_at)
        if self.closing_until is not None:
            self.closing_until = max(self.closing_until, self._closes_at(at))
            self.state.timers.set(CLOSING, self.closing_until)

    def set_paused(self, _at: float) -> None:
        """A pause concerns the line, which is the campaign's."""

    def on_period(self, device: DeviceState) -> None:
        """A device's uplink period is better known."""
        self.slowest = max(self.slowest, device.period)

    def _again(self, device: DeviceState, at: float) -> None:
        """Another try, if one is left; what is optional has one, and is followed by what comes next."""
        if device.asks[0].optional:
            self._next_ask(device, at)
        elif device.resends < self.state.config.msg_retries and not self.closing:
            device.resends += 1
            self._enqueue(device, at)
        else:
            self._to(device, Phase.STALLED)

    def _fresh(self, device: DeviceState) -> None:
        """Nothing of the present question was sent yet."""
        device.request_id = None
        device.resends = 0

    def _enqueue(self, device: DeviceState, at: float) -> None:
        """In line to be asked; in a stage that closes nobody is."""
        if self.closing:
            self._to(device, Phase.UNASKED)
            return
        if device.unreported and not self.state.network.withdraws and at < device.queued_until:
            self.by_request[device.unreported] = device
            self._to(device, Phase.HELD)
            self.state.timers.set(device.dev_eui, device.queued_until)
            return
        self._to(device, Phase.READY)
        self.state.line.ready.append(device)
        self.state.set_pacer(at)

    def _to(self, device: DeviceState, phase: Phase) -> None:
        before = device.phase
        if before is phase:
            self.state.timers.clear(device.dev_eui)
            return
        if phase is Phase.READY:
            self.state.line.n_ready += 1
        elif before is Phase.READY:
            self.state.line.n_ready -= 1
        self._n[before] -= 1
        self._n[phase] += 1
        device.phase = phase
        self.state.timers.clear(device.dev_eui)


_APPLY: dict[type[Event], str] = {
    DeviceHeard: "_apply_device_heard",
    Requested: "_apply_requested",
    HandedOver: "_apply_handed_over",
    Reported: "_apply_reported",
    Unanswered: "_apply_unanswered",
    Answered: "_apply_answered",
    Deferred: "_apply_deferred",
    GivenUp: "_apply_given_up",
    StageClosing: "_apply_closing",
    StageEnded: "_apply_ended",
}
