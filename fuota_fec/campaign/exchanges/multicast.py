"""Multicast of a group: paced frames in order, each with the group's next frame counter.

The next frame is requested in its slot (the spacing, from hand-over to hand-over) and while fewer than `summary_window`
frames are without a summary report. A frame that no gateway sent is repeated before the next one, at most twice. No
frame is requested that would end after the group's session; the next session begins with the frames that were requested
and not sent.

A frame keeps its counter as long as no higher one was requested; after that it gets a new one, as servers and devices
refuse the old one. No frame is requested before the network has the one before it, so that counters are handed over in
ascending order. Nothing more is sent to a group whose counters are used up, or whose network server assigned one again.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping

from fuota_fec.campaign import reasons
from fuota_fec.campaign.adaptive import enough_complete
from fuota_fec.campaign.group_state import Frame, GroupState
from fuota_fec.campaign.messages import (
    Event,
    GroupDone,
    HandedOver,
    Reported,
    Requested,
    Resumed,
    Session,
    SummaryOverdue,
    Wait,
    Withdrawn,
)
from fuota_fec.campaign.state import CampaignState, end_of_counters
from fuota_fec.campaign.timers import TimerKey, TimerKind
from fuota_fec.wire.commands import Command

MAX_REPEATS = 2
"""Largest number of repeats of a frame that no gateway sent."""
MOST_UNCONFIRMED = 8
"""Largest number of frames that a network without summaries is assumed to have queued."""
OVERDUE = 5
"""Number of usual waits for a summary after which SummaryOverdue names the frame, and sending goes on unless the
timeout is configured."""
UNKNOWN_CADENCE = 60.0
"""Usual wait for a summary, s, where the network states none."""


class GroupTransmission:
    """Frames of one group: the remaining fragments of its round, or one command."""

    def __init__(
        self, state: CampaignState, group: GroupState, session: Session, command: Command | None = None
    ) -> None:
        self.state = state
        self.group = group
        self.plan = group.plan
        self.session = session
        self.command = command.encode() if command is not None else None
        self.n_begun = 0 if self.command is not None else group.n_requested
        self.n_frames = 1 if self.command is not None else group.n_frames
        self.outstanding: dict[str, Frame] = {}
        self.last = ""
        """ID of the last request."""
        self.handing_over = ""
        """ID of the request that is not handed over yet."""
        self.unconfirmed: deque[str] = deque(maxlen=MOST_UNCONFIRMED)
        """IDs of the last frames handed over to a network without summaries: unknown whether they were sent."""
        self.again = list(group.unsent) if self.command is None else []
        """Frames to be sent before the next one: they were requested, and not sent."""
        self.end_of_counters = end_of_counters(state, group)
        """First frame counter that a device of the group refuses."""
        self.misnumbered: tuple[str, str] | None = None
        """ID of a request to which the network assigned a counter that must not be used, and the reason."""
        self.done: GroupDone | None = None
        self.dropped = False
        if self.command is None:
            group.unsent = ()
        group.next_slot = max(group.next_slot, session.start + (0.0 if self.plan.slot else self.plan.lead))

    def start(self, at: float) -> None:
        self.set_slot(at)
        self.state.timers.set(self._end, self.session.end)

    @property
    def name(self) -> str:
        return self.plan.group.name

    @property
    def _slot(self) -> TimerKey:
        return TimerKey(TimerKind.SLOT, self.name)

    @property
    def _end(self) -> TimerKey:
        return TimerKey(TimerKind.SESSION_END, self.name)

    @property
    def _waits_for_summary(self) -> bool:
        return self.state.network.summaries and not self.state.config.summary_reports_disabled

    # ---- decisions ---------------------------------------------------------------------------------------

    def on_slot(self, now: float) -> Iterator[Event]:
        if self.done or len(self.outstanding) >= self.state.config.summary_window:
            return
        if self._exhausted:
            yield from self.finish(now)
        elif self._enough():
            # The outcome of frames on their way no longer matters.
            yield GroupDone(at=now, group=self.name, n_sent=self.n_begun)
        elif now > self._last_start:
            yield self._over(now)
        elif self.group.barred:
            yield self._ended(self.group.barred, now, barred=True)
        elif self._sends_again or (self.n_begun < self.n_frames and self.group.next_f_cnt < self.end_of_counters):
            yield self._request(now)
        elif not self.outstanding:
            yield self._out_of_counters(now)

    def on_summary(self, request_id: str, ok: bool, cause: str, now: float) -> Iterator[Event]:
        if request_id in self.outstanding:
            yield Reported(at=now, id=request_id, ok=ok, cause=cause)
            yield from self.finish(now)

    def wait(self) -> Wait | None:
        """The summary without which no further frame is requested; until the end of the session, if for ever."""
        if not self._waits_for_summary or len(self.outstanding) < self.state.config.summary_window:
            return None
        request_id, frame = next(iter(self.outstanding.items()))
        until = min(self.state.timers.due(TimerKey(TimerKind.SUMMARY, self.name, request_id)), self.session.end)
        what = f"fragment {frame.frag_nb}" if frame.frag_nb else "the status request"
        return Wait(until=until, why=f"the summary of {what} of group {self.name}")

    def on_summary_timeout(self, request_id: str, now: float) -> Iterator[Event]:
        """Takes a frame without a summary for sent: it may have been, so it is not repeated."""
        yield from self.on_summary(request_id, True, "no summary report in time", now)

    def on_overdue(self, request_id: str, now: float) -> Iterator[Event]:
        frame = self.outstanding[request_id]
        yield SummaryOverdue(at=now, id=request_id, group=self.name, frag_nb=frame.frag_nb, wait=self.wait())

    def on_session_end(self, now: float) -> Iterator[Event]:
        """Ends the group: frames not handed over come too late, and summaries of the others change nothing."""
        if not self.done:
            complete = self._exhausted and all(frame.handed_over for frame in self.outstanding.values())
            yield GroupDone(at=now, group=self.name, n_sent=self.n_begun) if complete else self._over(now)

    def settle(self, now: float) -> Iterator[Event]:
        """Ends the group once the network has assigned a counter that must not be used."""
        if self.misnumbered and not self.done:
            request_id, reason = self.misnumbered
            yield Withdrawn(at=now, id=request_id)
            yield self._ended(reason, now, barred=True)

    def _out_of_counters(self, now: float) -> GroupDone:
        """Ends the group for want of counters. A repeat that is left out is no failure where coded fragments repair it:
        the status shows whether they did."""
        if self.command is None and self.n_begun == self.n_frames and self.plan.fec:
            return GroupDone(at=now, group=self.name, n_sent=self.n_begun)
        return self._ended(reasons.counters_used_up(self.n_begun, self.n_frames), now, barred=True)

    def end(self, cause: str, now: float) -> Iterator[Event]:
        if not self.done:
            yield self._ended(f"{cause} after {self.n_begun} of {self.n_frames} fragments", now)

    def _ended(self, reason: str, now: float, *, barred: bool = False) -> GroupDone:
        """Ends the group before it has all frames."""
        again = tuple(frame.frag_nb for frame in self._unsent() if frame.frag_nb is not None)
        return GroupDone(at=now, group=self.name, n_sent=self.n_begun, reason=reason, again=again, barred=barred)

    def _unsent(self) -> list[Frame]:
        """Frames that were requested, and not sent as far as is known."""
        return [*self.again, *(frame for frame in self.outstanding.values() if not frame.handed_over)]

    def _enough(self) -> bool:
        """Whether enough devices have reported their block complete (2.0.0), so that the round can end early."""
        if not self.plan.adaptive or self.command is not None or self.n_begun < self.plan.n_frags:
            return False
        return enough_complete(self.state, self.name)

    def _over(self, now: float) -> GroupDone:
        """Ends the group with its session. A shortened adaptive round is no failure: the status shows whether it
        sufficed."""
        if self.plan.adaptive and self.command is None and self.n_begun >= self.plan.n_frags:
            return GroupDone(at=now, group=self.name, n_sent=self.n_begun)
        return self._ended(reasons.session_over(self.n_begun, self.n_frames), now)

    def finish(self, now: float) -> Iterator[Event]:
        """Ends the group once all frames are requested and none is outstanding."""
        if self._exhausted and not self.outstanding and not self.done:
            yield GroupDone(at=now, group=self.name, n_sent=self.n_begun)

    @property
    def _exhausted(self) -> bool:
        return self.n_begun == self.n_frames and not self.again

    @property
    def _last_start(self) -> float:
        """Unix time of the latest request whose frame, after its slot, ends within the session."""
        return self.session.end - self.plan.time.frame_time - self.plan.slot

    def _request(self, now: float) -> Requested:
        state, frag_nb = self.state, None
        if self.command is None:
            frag_nb = self.again[0].frag_nb if self._sends_again else self.group.frag_nb(self.n_begun)
        payload = state.blocks[self.name].frame(frag_nb or 0) if self.command is None else self.command
        return Requested(
            at=now,
            id=state.next_request_id(),
            ask="DataFragment" if self.command is None else "FragSessionStatus",
            group=self.name,
            command=self.command,
            frag_nb=frag_nb,
            f_port=state.config.ports.fragmentation,
            f_cnt=self._counter(),
            digest=hashlib.sha256(payload).digest()[:8],
            not_after=self._last_start,
        )

    def _counter(self) -> int | None:
        """Counter of the next request; None where the network assigns it."""
        if self.state.network.owns_f_cnt:
            return None
        return self.again[0].f_cnt if self._keeps_counter else self.group.next_f_cnt

    @property
    def _keeps_counter(self) -> bool:
        """Whether the next frame is sent again with the counter that it had: no higher one was requested since."""
        return bool(self.again) and self.again[0].f_cnt == self.group.next_f_cnt - 1

    @property
    def _sends_again(self) -> bool:
        """Whether the next frame is one to be sent again. One that needs a new counter is left out if all that are left
        are needed for frames that were not requested yet."""
        n_new = self.n_frames - self.n_begun + (self.plan.n_status if self.command is None else 0)
        has_room = self.group.next_f_cnt + n_new < self.end_of_counters
        return bool(self.again) and (self._keeps_counter or has_room)

    # ---- what events do ----------------------------------------------------------------------------------

    def apply_requested(self, event: Requested) -> None:
        frame = next((frame for frame in self.again if frame.frag_nb == event.frag_nb), None)
        if frame is not None:
            self.again.remove(frame)
            frame.f_cnt, frame.handed_over = event.f_cnt, False
        else:
            frame = Frame(event.frag_nb, event.f_cnt)
            self.n_begun += 1
            if self.command is None:
                self.group.n_requested = self.n_begun
        if event.f_cnt is not None:
            self._next_counter(event.f_cnt + 1)
        self.outstanding[event.id] = frame
        self.last = self.handing_over = event.id
        self.group.next_slot = event.at + self.plan.spacing_after(frame.frag_nb)
        self._on_air_from(event.at)
        self.set_slot(event.at)

    def _next_counter(self, f_cnt: int) -> None:
        self.group.next_f_cnt = max(self.group.next_f_cnt, f_cnt)
        self.state.changed_groups.add(self.name)

    def _on_air_from(self, at: float) -> None:
        self.state.sent_until = max(self.state.sent_until, at + self.plan.slot + self.plan.time.frame_time)

    def apply_handed_over(self, event: HandedOver) -> None:
        self.outstanding[event.id].handed_over = True
        self.handing_over = ""
        self.group.next_slot = event.at + self.plan.spacing_after(self.outstanding[event.id].frag_nb)
        if event.f_cnt is not None:
            self._check_counter(event.id, event.f_cnt)
            self._next_counter(event.f_cnt + 1)
        self._on_air_from(event.at)
        if not self._waits_for_summary:
            del self.outstanding[event.id]
            self.unconfirmed.append(event.id)
        else:
            self.set_summary_timers(event.id, event.at)
        self.set_slot(event.at)

    def _check_counter(self, request_id: str, f_cnt: int) -> None:
        """Marks a frame to which the network assigned a counter that was seen before, or that devices refuse."""
        if self.state.network.owns_f_cnt and f_cnt < self.group.next_f_cnt:
            self.misnumbered = request_id, reasons.counter_seen(f_cnt, self.group.next_f_cnt)
        elif self.state.network.owns_f_cnt and f_cnt >= self.end_of_counters:
            self.misnumbered = request_id, reasons.counters_used_up(self.n_begun, self.n_frames)

    def _summary_timers(self, request_id: str) -> tuple[TimerKey, TimerKey]:
        return TimerKey(TimerKind.OVERDUE, self.name, request_id), TimerKey(TimerKind.SUMMARY, self.name, request_id)

    def set_summary_timers(self, request_id: str, at: float) -> None:
        (overdue, given_up), timeout = self._summary_timers(request_id), self.state.config.summary_report_timeout
        usually = OVERDUE * (self.state.network.summary_cadence or UNKNOWN_CADENCE)
        self.state.timers.set(overdue, at + usually)
        if timeout := usually if timeout is None else timeout:
            self.state.timers.set(given_up, at + timeout * (1 + self.plan.n_devices / 1000))

    def restart_summary_timers(self, request_id: str, event: Resumed) -> None:
        keys, timers = self._summary_timers(request_id), self.state.timers
        if not sum(timers.stand_still(key, event.stood_still, event.at) for key in keys):
            self.set_summary_timers(request_id, event.at)

    def _clear_summary_timers(self, request_id: str) -> None:
        for key in self._summary_timers(request_id):
            self.state.timers.clear(key)

    def apply_reported(self, event: Reported) -> None:
        frame = self.outstanding.pop(event.id, None)
        if frame is None:
            return
        self._clear_summary_timers(event.id)
        if event.id == self.handing_over:
            self.handing_over = ""
        if not event.ok and frame.repeats < MAX_REPEATS:
            frame.repeats += 1
            self.again.append(frame)
            if event.id == self.last:
                self.group.next_slot = event.at  # The frame was not on the air: its slot is still free.
        self.set_slot(event.at)

    def apply_done(self, event: GroupDone) -> None:
        self.done = event
        if self.command is None and not event.reason:
            self.group.end_round()
        if event.again:
            self.group.unsent = tuple(frame for frame in self._unsent() if frame.frag_nb in event.again)
        if event.barred:
            self.group.barred = event.reason
        self.drop()

    def drop(self) -> None:
        """Clears the timers: no further frame is requested."""
        self.dropped = True
        self.state.timers.clear(self._slot)
        self.state.timers.clear(self._end)
        for request_id in self.outstanding:
            self._clear_summary_timers(request_id)

    def forget(self) -> None:
        """Drops the group and the frames that are outstanding."""
        self.drop()
        self.outstanding.clear()

    def set_slot(self, at: float) -> None:
        """Sets the timer of the next frame or of the end; it runs exactly while a frame may be requested."""
        has_room = len(self.outstanding) < self.state.config.summary_window and not self.handing_over
        waits_only = self._exhausted and self.outstanding
        if has_room and not waits_only and not self.dropped and not self.state.paused:
            self.state.timers.set(self._slot, max(at, self.group.next_slot))
        else:
            self.state.timers.clear(self._slot)


class Multicast:
    """Multicasts of a stage: one transmission at a time for each of its groups."""

    def __init__(self, state: CampaignState, groups: Mapping[str, Command | None], at: float) -> None:
        """Begins with `groups`: a command, or None for the fragments, by name of the group."""
        self.state = state
        self.by_request: dict[str, GroupTransmission] = {}
        self.groups: dict[str, GroupTransmission] = {}
        for name, command in groups.items():
            self.begin(name, command, at)

    def begin(self, name: str, command: Command | None, at: float) -> None:
        """Begins the transmission of a group's fragments, or of a command, in place of the one before."""
        if name in self.groups:
            self.groups[name].forget()
        self.groups[name] = GroupTransmission(self.state, self.state.groups[name], self.state.sessions[name], command)
        self.groups[name].start(at)

    @property
    def over(self) -> bool:
        return all(group.done for group in self.groups.values())

    def wait(self) -> Wait | None:
        """The summary that is waited for the longest; None if none is."""
        waits = [wait for group in self.groups.values() if not group.done and (wait := group.wait()) is not None]
        return max(waits, key=lambda wait: wait.until or 0.0, default=None)

    def awaits_hand_over(self, request_id: str) -> bool:
        group = self.by_request.get(request_id)
        frame = group.outstanding.get(request_id) if group is not None and not group.done else None
        return frame is not None and not frame.handed_over

    def settle(self, now: float) -> Iterator[Event]:
        for group in self.groups.values():
            yield from group.settle(now)

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Iterator[Event]:
        return self.by_request[request_id].on_summary(request_id, ok, cause, now)

    def on_timer(self, key: TimerKey, now: float) -> Iterator[Event]:
        group = self.groups[key.name]
        if key.kind is TimerKind.SLOT:
            return group.on_slot(now)
        if key.kind is TimerKind.SESSION_END:
            return group.on_session_end(now)
        if key.kind is TimerKind.SUMMARY:
            return group.on_summary_timeout(key.request_id, now)
        return group.on_overdue(key.request_id, now)

    def outstanding(self) -> list[str]:
        """IDs of frames that may still be in the network's queue."""
        running = [group for group in self.groups.values() if not group.done]
        return [name for group in running for name in (*group.unconfirmed, *group.outstanding)]

    def apply(self, event: Event) -> bool:
        """Applies an event; returns whether it concerned a frame or group of this multicast."""
        if isinstance(event, Requested) and event.group is not None:
            group = self.by_request[event.id] = self.groups[event.group]
            group.apply_requested(event)
        elif isinstance(event, HandedOver) and event.id in self.by_request:
            self.by_request[event.id].apply_handed_over(event)
        elif isinstance(event, Reported) and event.id in self.by_request:
            self.by_request.pop(event.id).apply_reported(event)
        elif isinstance(event, GroupDone):
            self.groups[event.group].apply_done(event)
        elif isinstance(event, SummaryOverdue):
            self.state.timers.clear(TimerKey(TimerKind.OVERDUE, event.group, event.id))
        else:
            return False
        return True

    def drop_all(self) -> None:
        for group in self.groups.values():
            group.drop()

    def restart(self, event: Resumed) -> None:
        """Lets the deadlines of summaries stand still, or begins them anew."""
        for request_id, group in self.by_request.items():
            frame = group.outstanding.get(request_id)
            if frame is not None and frame.handed_over and not group.done:
                group.restart_summary_timers(request_id, event)

    def set_paused(self, at: float) -> None:
        for group in self.groups.values():
            if not group.done:
                group.set_slot(at)
