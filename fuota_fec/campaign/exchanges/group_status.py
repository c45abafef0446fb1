"""Status exchange: one multicast request to a group, or unicast requests to its devices.

A group is asked by multicast if it has more devices than `fsession_status_threshold`, or no coded fragments, and its
session is still open. All devices answer such a request in the first round, those that lack fragments in later ones.
Silence proves nothing: silent devices are then asked by unicast.

An adaptive group is asked for the devices that lack fragments, and asked again while new answers come, until enough
devices have answered for another round. Otherwise silence counts as success: in a firmware update until the version
shows the truth, in a binary transfer until the silent devices are asked as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from fuota_fec.campaign.adaptive import lacks
from fuota_fec.campaign.exchanges.base import Decisions
from fuota_fec.campaign.exchanges.multicast import Multicast
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.group_state import GroupState
from fuota_fec.campaign.messages import (
    Answered,
    Event,
    GroupDone,
    HandedOver,
    Resumed,
    SilencePresumed,
    StageClosing,
    StageEnded,
    StatusRepeated,
    Unanswered,
    Wait,
)
from fuota_fec.campaign.questions import status_request
from fuota_fec.campaign.stages import Stage
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.campaign.timers import TimerKey, TimerKind
from fuota_fec.campaign.transitions import way_back
from fuota_fec.campaign.turn import Phase, Questions, Turn
from fuota_fec.campaign.unicast_queue import UnicastQueue


class GroupStatus(UnicastExchange):
    def __init__(self, state: CampaignState, queue: UnicastQueue, stage: Stage, at: float) -> None:
        self.asked: dict[str, str] = {}
        """ID of the last request to a group that the network has."""
        self.n_requests: Counter[str] = Counter()
        """Number of requests to a group that the network has."""
        self.news: set[str] = set()
        """Groups with a device that answered their last request."""
        self.due: dict[str, float] = {}
        """Unix time at which the answers of a group are overdue."""
        lacking = {d.group.name for d in state.devices.values() if d.taking_part and stage.questions(state, d)}
        self.by_multicast = {name for name in lacking if _asks_together(state, state.groups[name], at)}
        super().__init__(state, queue, stage, at)
        names = [name for name in state.groups if name in self.by_multicast]
        self.all_answer = {name: state.round == 1 and not state.groups[name].plan.adaptive for name in names}
        """Whether complete devices, too, answer the last request to a group."""
        commands = {name: status_request(state, participants=everybody) for name, everybody in self.all_answer.items()}
        self.multicast = Multicast(state, commands, at)

    def _begin(self, device: DeviceState, questions: Questions, at: float) -> None:
        if questions:
            device.needed = None
        super()._begin(device, questions, at)

    def _line_up(self, turn: Turn, at: float) -> None:
        if turn.device.group.name in self.by_multicast:
            self.turns.move(turn, Phase.BY_MULTICAST)
        else:
            super()._line_up(turn, at)

    # ---- decisions ---------------------------------------------------------------------------------------

    def _was_asked(self, turn: Turn) -> bool:
        return turn.request_id is not None or turn.device.group.name in self.asked

    def knows(self, request_id: str) -> bool:
        return super().knows(request_id) or request_id in self.multicast.by_request

    def awaits_hand_over(self, request_id: str) -> bool:
        return super().awaits_hand_over(request_id) or self.multicast.awaits_hand_over(request_id)

    def settle(self, now: float) -> Decisions:
        yield from self.multicast.settle(now)
        yield from super().settle(now)

    def on_report(self, request_id: str, ok: bool, cause: str, now: float) -> Decisions:
        if super().knows(request_id):
            return super().on_report(request_id, ok, cause, now)
        return self.multicast.on_report(request_id, ok, cause, now)

    def on_timer(self, key: TimerKey, now: float) -> Decisions:
        if key.kind is TimerKind.STATUS:
            return self._on_overdue(key.name, now)
        if key.kind in (TimerKind.DEVICE, TimerKind.CLOSING, TimerKind.STAGE_END):
            return super().on_timer(key, now)
        return self.multicast.on_timer(key, now)

    def _on_overdue(self, group: str, now: float) -> Decisions:
        """Decides about the silent devices of a group: the request or the answer was lost, or, in an adaptive group,
        the device lacks nothing."""
        if not self.state.groups[group].plan.adaptive:
            yield Unanswered(at=now, id=self.asked[group])
            return
        state = self.state
        binary, everybody = state.config.kind == "binary", self.all_answer[group]
        in_time = now + state.groups[group].plan.status_wait <= state.stage_deadline
        fits = not self.closing and in_time and _fits(state, state.groups[group], now)
        n_not_lacking = state.n_beside + sum(d.taking_part and not lacks(d) for d in state.devices.values())
        if way_back(self.stage.name, state, now, replace(self.successes(), n=n_not_lacking)):
            yield SilencePresumed(at=now, group=group)
        elif fits and group in self.news and self.n_requests[group] <= state.config.msg_retries:
            yield StatusRepeated(at=now, group=group, participants=everybody)
        elif fits and binary and not everybody:
            yield StatusRepeated(at=now, group=group, participants=True)
        elif binary:
            yield Unanswered(at=now, id=self.asked[group])
        else:
            yield SilencePresumed(at=now, group=group)

    def _closes_at(self, now: float) -> float:
        return max(super()._closes_at(now), *self.due.values(), now)

    def wait(self) -> Wait | None:
        if not self.due or self.closing:
            return super().wait() or self.multicast.wait()
        return Wait(until=max(self.due.values()), why=f"answers of group {', '.join(self.due)}")

    def outstanding(self) -> list[str]:
        return [*super().outstanding(), *self.multicast.outstanding()]

    # ---- what events do ----------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        if self.multicast.apply(event):
            if isinstance(event, HandedOver):
                self._apply_asked(self.multicast.by_request[event.id].name, event)
            elif isinstance(event, GroupDone) and event.reason and event.group not in self.due:
                self.turns.applying = GroupDone
                self._ask_one_by_one(event.group, event.at)
        elif isinstance(event, StatusRepeated):
            self._apply_repeated(event)
        elif isinstance(event, SilencePresumed):
            self.turns.applying = SilencePresumed
            self._apply_presumed(event)
        else:
            super().apply(event)

    def _apply_asked(self, group: str, event: HandedOver) -> None:
        self.asked[group] = event.id
        self.n_requests[group] += 1
        self.news.discard(group)
        plan = self.state.groups[group].plan
        self.due[group] = event.at + plan.slot + plan.status_wait
        self.state.timers.set(_timer(group), self.due[group])

    def _apply_closing(self, event: StageClosing) -> None:
        """Drops the requests to groups that were not asked yet."""
        super()._apply_closing(event)
        self.multicast.drop_all()

    def _apply_unanswered(self, event: Unanswered) -> None:
        if super().knows(event.id):
            super()._apply_unanswered(event)
            return
        group = next(name for name, request_id in self.asked.items() if request_id == event.id)
        self._wait_no_longer(group)
        self._ask_one_by_one(group, event.at)

    def _wait_no_longer(self, group: str) -> None:
        del self.due[group]
        self.state.timers.clear(_timer(group))

    def _apply_repeated(self, event: StatusRepeated) -> None:
        self._wait_no_longer(event.group)
        self.all_answer[event.group] = event.participants
        command = status_request(self.state, participants=event.participants)
        self.multicast.begin(event.group, command, event.at)

    def _apply_presumed(self, event: SilencePresumed) -> None:
        self._wait_no_longer(event.group)
        for turn in self._asked_together(event.group):
            self.turns.move(turn, Phase.SUCCEEDED)

    def _apply_answered(self, event: Answered) -> None:
        self.news.add(self.state.devices[event.dev_eui].group.name)
        super()._apply_answered(event)

    def _ask_one_by_one(self, group: str, at: float) -> None:
        """Asks the silent devices of a group by unicast."""
        self.by_multicast.discard(group)
        for turn in self._asked_together(group):
            self._line_up(turn, at)

    def _asked_together(self, group: str) -> Iterator[Turn]:
        return (t for t in self.turns if t.phase is Phase.BY_MULTICAST and t.device.group.name == group)

    def _answer_spread(self, device: DeviceState) -> float:
        """BlockAckDelay of the group: some stacks delay unicast answers by it, too."""
        return float(self.state.groups[device.group.name].plan.answer_spread)

    def _apply_ended(self, event: StageEnded) -> None:
        super()._apply_ended(event)
        self._drop_multicast()

    def drop_all(self, at: float) -> None:
        super().drop_all(at)
        self._drop_multicast()

    def _drop_multicast(self) -> None:
        self.multicast.drop_all()
        for group in self.due:
            self.state.timers.clear(_timer(group))

    def restart(self, event: Resumed) -> None:
        super().restart(event)
        self.multicast.restart(event)
        timers = self.state.timers
        for group in self.due:
            if not timers.stand_still(_timer(group), event.stood_still, event.at):
                timers.set(_timer(group), event.at + self.state.groups[group].plan.status_wait)
            self.due[group] = timers.due(_timer(group))

    def set_paused(self, at: float) -> None:
        self.multicast.set_paused(at)


def _asks_together(state: CampaignState, group: GroupState, at: float) -> bool:
    plan = group.plan
    return plan.asked_by_multicast and _fits(state, group, at)


def _fits(state: CampaignState, group: GroupState, at: float) -> bool:
    """Whether the session is open for another request."""
    plan = group.plan
    return max(at, group.next_slot) <= state.sessions[group.name].end - plan.time.frame_time - plan.slot


def _timer(group: str) -> TimerKey:
    return TimerKey(TimerKind.STATUS, group)
