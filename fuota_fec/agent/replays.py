"""Campaigns that are made from their events in the journal, some events in each turn: no turn waits for a long
campaign, and leases are renewed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from fuota_fec.agent.agenda import Agenda
from fuota_fec.agent.outbox import Outbox
from fuota_fec.agent.ownership import Ownership
from fuota_fec.agent.ports import JournalPort
from fuota_fec.agent.running import RunningCampaign
from fuota_fec.agent.suspended import MOST_INPUTS, Suspension, Suspensions
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import Event, Input, Paused
from fuota_fec.errors import CampaignError

N_EVENTS = 4000
"""Events that are replayed in a turn, or somewhat more: 40 to 80 ms."""


Begun: TypeAlias = Callable[[Campaign, Suspension | None], Outbox]
"""Receives a campaign after its first event, and returns its outbox."""


class Replay:
    """A campaign that is taken over, or goes on after it was `stopped`."""

    def __init__(
        self, journal: JournalPort, agenda: Agenda, name: str, begun: Begun, stopped: Suspension | None
    ) -> None:
        self.name = name
        self.stopped = stopped
        self.campaign: Campaign
        self._journal = journal
        self._agenda = agenda
        self._begun = begun
        self._outbox: Outbox
        self._last_at = self._paused_at = 0.0
        """Unix times of the last event, and of the last pause."""
        self._portions: Iterator[list[Event]] | None = None
        self._inputs: list[Input] = []

    def advance(self) -> int:
        """Replays the next events, N_EVENTS unless they are the last ones. Returns their number. Raises what the
        journal, the events or `begun` raise."""
        begins = self._portions is None
        self._portions = self._portions or self._journal.events(self.name, N_EVENTS)
        portion = next(self._portions, [])
        if begins:
            if not portion:
                raise CampaignError(f"campaign {self.name!r} has no events, expected at least one, Configured")
            self.campaign = Campaign.from_first(portion[0], self._journal.image(self.name))
            self._outbox = self._begun(self.campaign, self.stopped)
            self._agenda.claim(self.campaign)  # Uplinks of its devices are its own from now on.
        if portion:
            self.campaign.follow_all(portion[1:] if begins else portion)
            self.campaign.take_facts()  # The registry has these facts: it is written with the events.
            self._outbox.restore(portion)
            self._last_at = portion[-1].at
            pauses = (event.at for event in reversed(portion) if isinstance(event, Paused))
            self._paused_at = next(pauses, self._paused_at)
        return len(portion)

    def running(self, now: float, ownership: Ownership, longest: float) -> RunningCampaign:
        """The campaign after all of its events, resumed."""
        campaign, stopped = self.campaign, self.stopped
        if stopped is None:
            lost = ownership.vacancy(self.name, now - self._last_at, longest)
        else:
            lost = max(0.0, now - stopped.since)
        running = RunningCampaign(campaign, self._outbox, n_committed=campaign.n_events, since=now, suspended=stopped)
        running.resume(now, lost)
        if campaign.paused and stopped is None:
            running.wait(self._paused_at, "paused")
        return running

    def keep(self, item: Input) -> bool:
        """Keeps an input for a campaign that is taken over. False if there are more than one of each device."""
        if self.stopped is not None or len(self._inputs) >= max(MOST_INPUTS, len(self.campaign.config.devices)):
            return False
        self._inputs.append(item)
        return True

    @property
    def inputs(self) -> list[Input]:
        """Inputs to be given to the campaign."""
        return self._inputs if self.stopped is None else self.stopped.inputs


class Replays:
    """Replays that are not over, in the order in which they began: campaigns that no agent runs, and suspended ones."""

    def __init__(
        self,
        journal: JournalPort,
        ownership: Ownership,
        agenda: Agenda,
        suspended: Suspensions,
        *,
        begun: Begun,
        go_on: Callable[[Replay, float], None],
        hold: Callable[[Suspension, str, Exception, float], None],
    ) -> None:
        """`go_on` receives a campaign after all of its events, `hold` a suspended one that cannot be replayed."""
        self._journal = journal
        self._ownership = ownership
        self._agenda = agenda
        self._suspended = suspended
        self._begun = begun
        self._go_on = go_on
        self._hold = hold
        self._replays: dict[str, Replay] = {}

    def _replay(self, name: str, stopped: Suspension | None = None) -> Replay:
        return Replay(self._journal, self._agenda, name, self._begun, stopped)

    def __len__(self) -> int:
        return len(self._replays)

    def begin(self, names: Iterable[str], now: float, *, raises: bool = False) -> None:
        """Begins to take over campaigns that no other agent holds. `raises`: also raises the first error."""
        for name in names:
            try:
                if self._ownership.acquire(name) is not None:
                    self._replays[name] = self._replay(name)
            except Exception as error:
                self._suspended.leave(name, error, now)
                if raises:
                    raise

    def advance(self, now: float, *, raises: bool = False) -> list[str]:
        """Replays the next events, N_EVENTS in all or somewhat more. Campaigns that are complete go on; returns their
        names. `raises`: also the errors of those that cannot be taken over."""
        for name, stopped in self._suspended.held.items():
            if name not in self._replays and stopped.due(now):
                self._replays[name] = self._replay(name, stopped)
        gone_on: list[str] = []
        n_left = N_EVENTS
        for name, replay in list(self._replays.items()):
            if n_left <= 0:
                break
            try:
                n_left -= (n_events := replay.advance())
                if n_events < N_EVENTS:
                    self.forget(name)
                    self._go_on(replay, now)
                    gone_on.append(name)
                    self._suspended.left.pop(name, None)
            except Exception as error:
                self.forget(name)
                if replay.stopped is not None:
                    self._hold(replay.stopped, name, error, now)
                    continue
                self._agenda.forget(name)
                self._ownership.release(name)
                self._suspended.leave(name, error, now)
                if raises:
                    raise
        return gone_on

    def keep(self, name: str, item: Input) -> bool:
        """Keeps an input for a campaign that is taken over. False if it is to be kept elsewhere, or there are too
        many."""
        replay = self._replays.get(name)
        return replay is not None and replay.keep(item)

    def forget(self, name: str) -> None:
        self._replays.pop(name, None)
