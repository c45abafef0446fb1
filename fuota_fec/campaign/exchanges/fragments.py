"""Fragments of a round: the exchange of a stage with its groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fuota_fec.campaign import reasons
from fuota_fec.campaign.exchanges.base import Exchange
from fuota_fec.campaign.exchanges.multicast import Multicast
from fuota_fec.campaign.messages import Event, GroupDone, Resumed, StageEnded, Wait
from fuota_fec.campaign.stages import RULES, Stage
from fuota_fec.campaign.state import CampaignState
from fuota_fec.campaign.timers import TimerKey
from fuota_fec.campaign.transitions import Successes, way_back, way_to_proof
from fuota_fec.campaign.unicast_queue import UnicastQueue


class Fragments(Exchange):
    """Multicast of the remaining fragments to every group that has devices. Uplinks do not pace frames."""

    def __init__(self, state: CampaignState, queue: UnicastQueue, stage: Stage, at: float) -> None:
        super().__init__(state, queue)
        self.stage = stage
        self.sizes = Counter(d.group.name for d in state.devices.values() if d.taking_part)
        for device in state.devices.values():
            device.got_fragments = device.got_fragments or device.taking_part
        names = [g.name for g in state.groups.values() if g.name in self.sizes and g.remaining > 0]
        for name in names:
            state.groups[name].failed = ""
        self.multicast = Multicast(state, dict.fromkeys(names), at)

    def successes(self) -> Successes:
        """Devices whose group has not failed."""
        n = sum(size for name, size in self.sizes.items() if not self.state.groups[name].failed)
        return Successes(self.state.n_beside + n)

    @property
    def n_done(self) -> int:
        """Number of devices whose group has all of its frames."""
        sending = self.multicast.groups
        return self.state.n_beside + sum(
            size
            for name, size in self.sizes.items()
            if not self.state.groups[name].failed and (name not in sending or sending[name].done)
        )

    def progress(self) -> dict[str, tuple[int, int]]:
        return {name: (group.n_begun, group.n_frames) for name, group in self.multicast.groups.items()}

    def wait(self) -> Wait | None:
        return self.multicast.wait()

    def knows(self, request_id: str) -> bool:
        return request_id in self.multicast.by_request

    def awaits_hand_over(self, request_id: str) -> bool:
        return self.multicast.awaits_hand_over(request_id)

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Iterator[Event]:
        return self.multicast.on_report(request_id, ok, cause, now)

    def on_timer(self, key: TimerKey, now: float) -> Iterator[Event]:
        return self.multicast.on_timer(key, now)

    def settle(self, now: float) -> Iterator[Event]:
        yield from self.multicast.settle(now)
        if self.multicast.over:
            yield from self.end(now)

    def end(self, now: float, cause: str = "") -> Iterator[Event]:
        for group in self.multicast.groups.values():
            yield from group.end(cause, now)
        successes = self.successes()
        ok = self.state.is_met(successes.n)
        back_to = "" if cause else way_back(self.stage.name, self.state, now, successes)
        if not back_to and (cause or not ok) and self._cut_short:
            back_to = way_to_proof(self.state, now)
        yield StageEnded(at=now, stage=self.stage.name, successes=successes.n, ok=ok, back_to=back_to, rules=RULES)

    @property
    def _cut_short(self) -> bool:
        """Whether every group that has failed ran out of time: of its session, or of the campaign."""
        failed = (self.state.groups[name].failed for name in self.sizes)
        return all(reason.startswith((reasons.DURATION, reasons.SESSION_OVER)) for reason in failed if reason)

    def outstanding(self) -> list[str]:
        return self.multicast.outstanding()

    def apply(self, event: Event) -> None:
        if self.multicast.apply(event):
            if isinstance(event, GroupDone):
                self.state.groups[event.group].failed = event.reason
        elif isinstance(event, StageEnded):
            self._apply_ended(event)

    def _apply_ended(self, event: StageEnded) -> None:
        """Removes the devices of a group whose session is over, unless the group goes on in another one."""
        for device in self.state.devices.values():
            reason = self.state.groups[device.group.name].failed
            if device.taking_part and reason and not (event.back_to and self.stage.stays(self.state, device)):
                device.taking_part = False
                device.reason = reason
        self.multicast.drop_all()

    def drop_all(self, _at: float) -> None:
        self.multicast.drop_all()

    def restart(self, event: Resumed) -> None:
        self.multicast.restart(event)

    def set_paused(self, at: float) -> None:
        self.multicast.set_paused(at)
