"""The multicast exchange: a group's fragments one after the other, paced, each with the group's next counter.

The next frame goes out when its slot has come (the spacing of the plan, from start to start) and fewer than
`summary_window` frames are without their summary report. A frame that no gateway sent goes out again before the next
one, at most twice, as it was. Nothing is requested whose transmission would end after the group's session.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from fuota_fec.campaign.messages import Event, GroupDone, HandedOver, Reported, Requested, Session, StageEnded
from fuota_fec.campaign.plan import GroupPlan
from fuota_fec.campaign.stages import Stage
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.wire.commands import Command

MAX_REPEATS = 2
"""Times that a frame which no gateway sent is tried again."""


@dataclass(slots=True)
class Frame:
    """A fragment on its way: `repeats` counts how often it was tried again."""

    frag_nb: int
    f_cnt: int | None
    repeats: int = 0
    handed_over: bool = False


class GroupTransmission:
    """One group's frames."""

    def __init__(self, state: CampaignState, stage: Stage, plan: GroupPlan, session: Session) -> None:
        self.state = state
        self.stage = stage
        self.plan = plan
        self.session = session
        self.n_begun = 0
        self.outstanding: dict[str, Frame] = {}
        self.again: list[Frame] = []
        self.done: GroupDone | None = None
        self.next_slot = session.start + state.config.first_fragment_delay + state.config.time_tolerance
        state.timers.set(self._slot, self.next_slot)
        state.timers.set(self._end, session.end)

    @property
    def name(self) -> str:
        return self.plan.group.name

    @property
    def _slot(self) -> tuple[str, str]:
        return ("slot", self.name)

    @property
    def _end(self) -> tuple[str, str]:
        return ("session end", self.name)

    @property
    def _waits_for_summary(self) -> bool:
        return self.state.network.summaries and not self.state.config.summary_reports_disabled

    # ---- decisions ---------------------------------------------------------------------------------------

    def on_slot(self, now: float) -> Iterator[Event]:
        if self.done or len(self.outstanding) >= self.state.config.summary_window:
            return
        if self._exhausted:
            yield from self._finish(now)
        elif now + self.plan.time.frame_time > self.session.end:
            reason = f"session over after {self.n_begun} of {self.plan.n_frames} fragments"
            yield GroupDone(at=now, group=self.name, n_sent=self.n_begun, reason=reason)
        else:
            yield self._request(now)

    def on_summary(self, request_id: str, ok: bool, cause: str, now: float) -> Iterator[Event]:
        if request_id in self.outstanding:
            yield Reported(at=now, id=request_id, ok=ok, cause=cause)
            yield from self._finish(now)

    def on_summary_timeout(self, request_id: str, now: float) -> Iterator[Event]:
        """It may have been sent: it is not sent again."""
        yield from self.on_summary(request_id, True, "no summary report in time", now)

    def on_session_end(self, now: float) -> Iterator[Event]:
        """Whatever is still with us or the network comes too late."""
        if not self.done:
            reason = f"session over after {self.n_begun} of {self.plan.n_frames} fragments"
            yield GroupDone(at=now, group=self.name, n_sent=self.n_begun, reason=reason)

    def _finish(self, now: float) -> Iterator[Event]:
        if self._exhausted and not self.outstanding and not self.done:
            yield GroupDone(at=now, group=self.name, n_sent=self.n_begun)

    @property
    def _exhausted(self) -> bool:
        return self.n_begun == self.plan.n_frames and not self.again

    def _request(self, now: float) -> Requested:
        state = self.state
        if self.again:
            frame = self.again[0]
        else:
            counter = None if state.network.owns_f_cnt else state.next_f_cnt[self.name]
            frame = Frame(self.plan.frag_nb(self.n_begun), counter)
        payload = state.blocks[self.name].frame(frame.frag_nb)
        return Requested(
            at=now,
            id=state.next_request_id(),
            group=self.name,
            frag_nb=frame.frag_nb,
            f_port=self.stage.port(state.config.ports),
            f_cnt=frame.f_cnt,
            digest=hashlib.sha256(payload).digest()[:8],
            not_after=self.session.end,
        )

    # ---- what events do ----------------------------------------------------------------------------------

    def apply_requested(self, event: Requested) -> None:
        if self.again:
            frame = self.again.pop(0)
            frame.handed_over = False
        else:
            assert event.frag_nb is not None
            frame = Frame(event.frag_nb, event.f_cnt)
            self.n_begun += 1
            if event.f_cnt is not None:
                self.state.next_f_cnt[self.name] = event.f_cnt + 1
        self.outstanding[event.id] = frame
        self.next_slot = event.at + self.plan.time.spacing
        self.state.sent_until = max(self.state.sent_until, event.at + self.plan.time.frame_time)
        self._set_slot(event.at)

    def apply_handed_over(self, event: HandedOver) -> None:
        self.outstanding[event.id].handed_over = True
        if not self._waits_for_summary:
            del self.outstanding[event.id]
            self._set_slot(event.at)
        elif self.state.config.summary_report_timeout:
            wait = self.state.config.summary_report_timeout * (1 + self.plan.n_devices / 1000)
            self.state.timers.set(("summary", self.name, event.id), event.at + wait)

    def apply_reported(self, event: Reported) -> None:
        frame = self.outstanding.pop(event.id, None)
        if frame is None:
            return
        self.state.timers.clear(("summary", self.name, event.id))
        if not event.ok and frame.repeats < MAX_REPEATS:
            frame.repeats += 1
            self.again.append(frame)
        self._set_slot(event.at)

    def apply_done(self, event: GroupDone) -> None:
        self.done = event
        self.state.timers.clear(self._slot)
        self.state.timers.clear(self._end)
        for request_id in self.outstanding:
            self.state.timers.clear(("summary", self.name, request_id))

    def _set_slot(self, at: float) -> None:
        """The next frame's time, or that of the end: the timer runs exactly while a frame may go out."""
        has_room = len(self.outstanding) < self.state.config.summary_window
        waits_only = self._exhausted and self.outstanding
        if has_room and not waits_only and not self.done:
            self.state.timers.set(self._slot, max(at, self.next_slot))
        else:
            self.state.timers.clear(self._slot)


class Transmission:
    """The transmissions of all groups that still have devices: the stage's exchange."""

    def __init__(self, state: CampaignState, stage: Stage) -> None:
        self.state = state
        self.stage = stage
        active = {device.group.name for device in state.devices.values() if device.taking_part}
        self.groups = {
            name: GroupTransmission(state, stage, plan, state.sessions[name])
            for name, plan in state.plan.groups.items()
            if name in active
        }
        self.by_request: dict[str, GroupTransmission] = {}

    @property
    def n_succeeded(self) -> int:
        """Devices whose group has not failed."""
        return sum(d.taking_part and not self.reason(d.group.name) for d in self.state.devices.values())

    def progress(self) -> dict[str, tuple[int, int]]:
        """Frames requested and planned, by group."""
        return {name: (group.n_begun, group.plan.n_frames) for name, group in self.groups.items()}

    def is_news(self, device: DeviceState, _at: float) -> bool:
        return not device.heard

    def on_uplink(self, _device: DeviceState, _at: float, _now: float) -> Iterator[Event]:
        return iter(())

    def on_command(self, _device: DeviceState, _command: Command, _at: float, _now: float) -> Iterator[Event] | None:
        """Devices do not answer fragments."""
        return None

    def awaits_hand_over(self, request_id: str) -> bool:
        frame = self.by_request[request_id].outstanding.get(request_id)
        return frame is not None and not frame.handed_over

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Iterator[Event]:
        return self.by_request[request_id].on_summary(request_id, ok, cause, now)

    def on_timer(self, name: object, now: float) -> Iterator[Event]:
        assert isinstance(name, tuple)
        kind, group, *request = name
        if kind == "slot":
            return self.groups[group].on_slot(now)
        if kind == "session end":
            return self.groups[group].on_session_end(now)
        return self.groups[group].on_summary_timeout(request[0], now)

    def settle(self, now: float) -> Iterator[Event]:
        if all(group.done for group in self.groups.values()):
            yield from self.end(now)

    def end(self, now: float, cause: str = "") -> Iterator[Event]:
        for name, group in self.groups.items():
            if not group.done:
                reason = f"{cause} after {group.n_begun} of {group.plan.n_frames} fragments"
                yield GroupDone(at=now, group=name, n_sent=group.n_begun, reason=reason)
        successes = self.n_succeeded
        ok = successes >= self.state.plan.n_needed
        yield StageEnded(at=now, stage=self.stage.name, successes=successes, ok=ok)

    def reason(self, group: str) -> str:
        """Why a group did not get all its fragments; empty if it did."""
        done = self.groups[group].done if group in self.groups else None
        return done.reason if done else ""

    def apply(self, event: Event) -> None:
        if isinstance(event, Requested):
            assert event.group is not None
            group = self.groups[event.group]
            self.by_request[event.id] = group
            group.apply_requested(event)
        elif isinstance(event, HandedOver):
            self.by_request[event.id].apply_handed_over(event)
        elif isinstance(event, Reported):
            self.by_request.pop(event.id).apply_reported(event)
        elif isinstance(event, GroupDone):
            self.groups[event.group].apply_done(event)
        elif isinstance(event, StageEnded):
            self._apply_ended()

    def _apply_ended(self) -> None:
        """Devices of a group whose session was over leave; the others go on."""
        for device in self.state.devices.values():
            reason = self.reason(device.group.name)
            if device.taking_part and reason:
                device.taking_part = False
                device.reason = reason
