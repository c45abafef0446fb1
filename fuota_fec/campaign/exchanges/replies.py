"""Replies: answers that devices wait for, such as AppTimeAns and FragDataBlockReceivedAns.

A reply goes out before any request, but never takes more than every other slot while requests wait, and expects no
answer: the exchange is done with it at the hand-over. A device gets at most one reply of a kind in
`reply_interval`, from the hand-over of the one before. A campaign that ends sends the replies that it owed by then;
questions that come later hold up nothing.
"""

from __future__ import annotations

import hashlib
import math

from fuota_fec.campaign.exchanges.base import Decisions, Exchange
from fuota_fec.campaign.messages import Event, HandedOver, ReplyOwed, Reported, Requested, Resumed, Withdrawn
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.timers import TimerKey, TimerKind
from fuota_fec.campaign.unicast_queue import Reply, UnicastQueue
from fuota_fec.wire.commands import Command

APP_TIME_ANS = "AppTimeAns"
"""Kind of the reply that has the time."""


class Replies(Exchange):
    """Exchange of the replies to all devices, for the whole campaign."""

    def __init__(self, state: CampaignState, queue: UnicastQueue) -> None:
        super().__init__(state, queue)
        self.waiting: set[tuple[str, str]] = set()
        """DevEUI and kind of replies that are not handed over yet."""
        self.by_request: dict[str, tuple[str, str]] = {}
        """DevEUI and kind of requested replies, by request ID."""
        self.holding: set[tuple[str, str]] = set()
        """DevEUI and kind of replies that the end of the campaign waits for."""
        self._last_at: dict[tuple[str, str], float] = {}
        """Unix time of the last reply, by DevEUI and kind: owed, then requested, then handed over."""

    @property
    def over(self) -> bool:
        """Whether no reply holds up the end of the campaign."""
        return not self.holding

    # ---- decisions ---------------------------------------------------------------------------------------

    def owe(self, device: DeviceState, ask: str, answer: Command, f_port: int, now: float) -> Decisions:
        """Owes a device an answer, unless a reply of this kind is on its way or was sent lately. An answer that the
        campaign itself has asked for is not withheld."""
        kind = (device.dev_eui, ask)
        lately = now < self._last_at.get(kind, -math.inf) + self.state.config.reply_interval
        if kind not in self.waiting and not (lately and not (device.awaits_time and ask == APP_TIME_ANS)):
            yield ReplyOwed(
                at=now,
                dev_eui=device.dev_eui,
                ask=ask,
                f_port=f_port,
                payload=answer.encode(),
                not_after=now + self.state.until_uplink(device),
            )

    def next_request(self, now: float) -> Decisions:
        """Requests the reply that has waited longest."""
        reply = self.queue.replies[0]
        yield Requested(
            at=now,
            id=self.state.next_request_id(),
            ask=reply.ask,
            f_port=reply.f_port,
            not_after=max(now, reply.not_after),
            digest=hashlib.sha256(reply.payload).digest()[:8],
            dev_eui=reply.dev_eui,
            command=reply.payload,
            reply=True,
        )

    def knows(self, request_id: str) -> bool:
        return request_id in self.by_request

    def awaits_hand_over(self, request_id: str) -> bool:
        return request_id in self.by_request

    def outstanding(self) -> list[str]:
        return list(self.by_request)

    def on_timer(self, key: TimerKey, now: float) -> Decisions:
        yield Reported(at=now, id=key.request_id, ok=False, cause="not handed over in time")

    # ---- what events do ----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        if isinstance(event, ReplyOwed):
            self._apply_owed(event)
        elif isinstance(event, Requested):
            self._apply_requested(event)
        elif isinstance(event, (HandedOver, Reported, Withdrawn)):
            if isinstance(event, HandedOver):
                kind = self.by_request[event.id]
                self._last_at[kind] = self.state.devices[kind[0]].reply_at = event.at
            self._forget(event.id)

    def _apply_owed(self, event: ReplyOwed) -> None:
        self.queue.replies.append(
            Reply(
                dev_eui=event.dev_eui,
                ask=event.ask,
                f_port=event.f_port,
                payload=event.payload,
                not_after=event.not_after,
            )
        )
        kind = (event.dev_eui, event.ask)
        self.waiting.add(kind)
        self._last_at[kind] = event.at
        if event.ask == APP_TIME_ANS:
            self.state.devices[event.dev_eui].awaits_time = False
        self.queue.set_pacer(event.at)

    def _apply_requested(self, event: Requested) -> None:
        reply = self.queue.take_reply(event.at)
        kind = self.by_request[event.id] = (reply.dev_eui, reply.ask)
        self._last_at[kind] = event.at
        self.state.timers.set(_timer(event.id), event.not_after)
        self.queue.set_pacer(event.at)

    def _forget(self, request_id: str) -> None:
        """Ends a reply that was handed over, withdrawn or overdue."""
        kind = self.by_request.pop(request_id)
        self.waiting.discard(kind)
        self.holding.discard(kind)
        self.state.timers.clear(_timer(request_id))

    def restart(self, event: Resumed) -> None:
        """Leaves the deadlines of replies as they are: the device waits no longer because of an outage."""
        del event

    def hold_end(self) -> None:
        """Makes the end of the campaign wait for the replies that are owed now."""
        self.holding = set(self.waiting)

    def drop_all(self, at: float) -> None:
        """Drops the replies that are not requested yet: the campaign was stopped, or is over."""
        self.queue.replies.clear()
        self.waiting.clear()
        self.holding.clear()
        self.queue.set_pacer(at)


def _timer(request_id: str) -> TimerKey:
    return TimerKey(TimerKind.REPLY, request_id=request_id)
