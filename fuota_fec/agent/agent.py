"""The agent's turn: inputs to campaigns, their events to the journal, requests among them to the network.

`step(now)` reads the network, lets the campaigns decide, commits their events, and only then hands over the requests
among them: a request is on disk before it is on the air. `drive` calls `step` by the wall clock or in virtual time.

A campaign object is never ahead of the journal for longer than one turn: if a commit fails the object is discarded, and
replayed in the next step. A request is handed over only while the campaign's lease lasts long enough.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection

from fuota_fec.agent import drive
from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.agent.duty_cycle import DutyCycle
from fuota_fec.agent.launch import missing_keys, open_groups, refusals, reopen_groups
from fuota_fec.agent.outbox import Outbox, UnbuildableError
from fuota_fec.agent.ownership import Ownership
from fuota_fec.agent.running import RunningCampaign
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import KeyRing
from fuota_fec.campaign.messages import Event, Input, Uplink
from fuota_fec.errors import CampaignError, FuotaError, JournalError, NetworkError, ParameterError
from fuota_fec.journal.base import FenceError, Journal, Lease, Verb, claims_held_error
from fuota_fec.networks.base import Network

log = logging.getLogger("fuota_fec.agent")

Observer = Callable[[Campaign, Event], None]

LEASE_TTL = 60.0
"""s for which a lease lasts without being renewed."""
ORDERS_EVERY = 1.0
"""s between two reads of operators' orders."""


class Agent:
    """Runs campaigns against one network. `observer` receives every event once, after its commit.

    `name` identifies the agent among those on one journal; `lease_ttl` is how long (s) a campaign waits for an agent
    that is gone, before another one on the same network takes it over. `network_name` identifies that network, or
    describes how to reach it.
    """

    def __init__(
        self,
        journal: Journal,
        network: Network,
        key_ring: KeyRing,
        *,
        observer: Observer | None = None,
        name: str | None = None,
        network_name: str = "",
        lease_ttl: float = LEASE_TTL,
    ) -> None:
        self._journal = journal
        self._network = network
        self._key_ring = key_ring
        self._builder = DownlinkBuilder(key_ring)
        self._observer = observer
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._seek_every = lease_ttl / 2
        self._ownership = Ownership(journal, self.name, network_name, lease_ttl)
        self._duty_cycle = DutyCycle()
        self._running: dict[str, RunningCampaign] = {}
        """Held campaigns, but for those whose last commit failed: they are to be replayed."""
        self._orders_read_at = self._sought_at = float("-inf")

    # ---- campaigns begin ---------------------------------------------------------------------------------

    def launch(self, campaign: Campaign, now: float) -> None:
        """Starts a campaign.

        CampaignExistsError if its id is in use, DeviceBusyError if another unfinished campaign holds one of its devices
        or groups, CampaignError if it may not start for another reason, ParameterError with what the pre-flight check
        refuses, missing keys included. After an error the only trace is groups that the network knows.
        """
        held = self._ownership.conflicts(campaign.config)
        refused = refusals(campaign, self._key_ring, self._network.capabilities, now)
        if held:
            raise claims_held_error(held, refused)
        if refused:
            raise ParameterError("\n".join(refused))
        known = open_groups(campaign, self._journal, self._network, self._builder)
        events = campaign.start(now, self._network.capabilities, known)
        try:
            self._ownership.store(campaign, events)
        except Exception:
            campaign.abandon()
            raise
        # The campaign is in the journal now. It goes on here, or later, or in another agent.
        try:
            if (lease := self._ownership.acquire(campaign.id)) is not None:
                running = RunningCampaign(campaign, self._outbox(campaign, lease), n_committed=len(events))
                running.outbox.take(events)
                self._running[campaign.id] = running
                self._observe([(running, events)])
                self._finish_step(now)
        except JournalError as error:
            log.error("campaign %s is stored, and waits for the journal: %s", campaign.id, error)

    def adopt(self, now: float, only: Collection[str] | None = None) -> list[str]:
        """Takes over unfinished campaigns that no agent runs: those on its network, or those named by `only`.

        They are replayed and go on. Returns their names. `step` calls this every half lease_ttl. A campaign that cannot
        be taken over (a key is missing, the network is down, a later version wrote it) is left to other agents; with
        `only` its error is raised.
        """
        adopted = []
        for name in self._ownership.without_agent(only):
            if (lease := self._ownership.acquire(name)) is None:
                continue
            try:
                self._replay(name, lease, now)
                adopted.append(name)
            except FuotaError as error:
                log.warning("campaign %s was not taken over: %s", name, error)
                self._ownership.release(name)
                if only is not None:
                    raise
        if adopted:
            self._finish_step(now)
        return adopted

    def _replay(self, name: str, lease: Lease, now: float) -> None:
        """Makes a campaign from its events in the journal, and resumes it."""
        events = list(self._journal.events(name))
        campaign = Campaign.replay(events, self._journal.image(name))
        if missing := missing_keys(campaign, self._key_ring):
            raise ParameterError("\n".join(missing))
        reopen_groups(campaign, self._network, self._builder)
        running = RunningCampaign(campaign, self._outbox(campaign, lease), n_committed=len(events))
        running.outbox.restore(events)
        running.resume(now)
        self._running[name] = running

    def _outbox(self, campaign: Campaign, lease: Lease) -> Outbox:
        return Outbox(campaign, lease, self._network, self._builder, self._duty_cycle)

    def close(self) -> None:
        """Gives up its campaigns in the state of the journal: another agent may take them at once."""
        self._running = {}
        self._ownership.release_all()

    # ---- campaigns run -----------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no campaign runs."""
        return not self._ownership.held

    @property
    def paused(self) -> bool:
        """Whether campaigns run and all of them are paused."""
        return bool(self._running) and all(running.campaign.paused for running in self._running.values())

    def campaign(self, name: str) -> Campaign | None:
        """A campaign that this agent runs, or None."""
        running = self._running.get(name)
        return running.campaign if running is not None else None

    def carry_out(self, campaign: str, verb: Verb, now: float) -> None:
        """Carries out an operator's verb for a campaign that this agent runs. CampaignError if it is not allowed."""
        if campaign not in self._running:
            raise CampaignError(f"campaign {campaign!r} is not run by this agent")
        self._running[campaign].carry_out(verb, now)
        self._finish_step(now)

    async def run(
        self, *, poll_interval: float = 0.2, clock: Callable[[], float] = time.time, forever: bool = False
    ) -> None:
        """Takes over campaigns that no agent runs, then steps until none runs, at least every poll_interval seconds.

        `forever`: stays when no campaign runs, and takes over those whose agent is gone. A journal that fails is tried
        again for a minute before its JournalError is raised.
        """
        await drive.run(self, poll_interval=poll_interval, clock=clock, forever=forever)

    def step(self, now: float) -> float | None:
        """Takes one turn at time `now`. Returns when the next is due; None if only an input can bring it.

        JournalError if the journal fails: then no request of this turn is handed over, and the next turn begins with
        the state of the journal.
        """
        self._keep_leases()
        self._replay_held(now)
        if not _lies_within(self._seek_every, self._sought_at, now):
            self._sought_at = now
            self.adopt(now)
        if not _lies_within(ORDERS_EVERY, self._orders_read_at, now):
            self._carry_out_orders(now)
        self._read_network(now)
        for running in self._running.values():
            running.tick(now)
        return self._finish_step(now)

    def tend(self, now: float) -> None:
        """Renews leases and carries out orders, while time stands still."""
        self._keep_leases()
        self._carry_out_orders(now)
        self._finish_step(now)

    # ---- parts of a turn ---------------------------------------------------------------------------------

    def _keep_leases(self) -> None:
        """Renews leases. A campaign whose lease is lost belongs to another agent."""
        for name in self._ownership.renew():
            self._running.pop(name, None)

    def _replay_held(self, now: float) -> None:
        """Replays campaigns that were discarded because their commit failed."""
        for name in [name for name in self._ownership.held if name not in self._running]:
            try:
                self._replay(name, self._ownership.lease(name), now)
            except NetworkError as error:
                log.warning("campaign %s waits for the network: %s", name, error)

    def _carry_out_orders(self, now: float) -> None:
        """Carries out operators' orders for the campaigns that it runs."""
        self._orders_read_at = now
        for order in self._journal.orders():
            running = self._running.get(order.campaign)
            if running is None:
                continue
            try:
                running.carry_out(order.verb, now)
            except CampaignError as error:
                log.warning("campaign %s: order %s refused: %s", order.campaign, order.verb, error)
            running.orders.append(order.number)

    def _read_network(self, now: float) -> None:
        if len(self._running) < len(self._ownership.held):
            return  # A poll acknowledges the last one, whose inputs a campaign to be replayed may have lost.
        try:
            for item in self._network.poll(now):
                self._route(item, now)
        except NetworkError as error:
            log.warning("cannot read from the network: %s", error)

    def _route(self, item: Input, now: float) -> None:
        """Gives an uplink to every campaign, a report to the campaign that its id names."""
        if isinstance(item, Uplink):
            for running in self._running.values():
                running.receive(item, now)
        elif (owner := self._running.get(item.id.rpartition("/")[0])) is not None:
            owner.receive(item, now)

    def _finish_step(self, now: float) -> float | None:
        """Commits, then hands over what was requested and commits that. Returns when the next step is due."""
        self._commit()
        for running in self._running.values():
            running.outbox.withdraw(now)
        while self._hand_over(now):
            self._commit()
        self._commit()
        for name in [name for name, running in self._running.items() if running.over]:
            self._give_up(name)
        campaigns = [running.campaign.deadline() for running in self._running.values()]
        outboxes = [running.outbox.due(now) for running in self._running.values()]
        return min((at for at in (*campaigns, *outboxes) if at is not None), default=None)

    def _hand_over(self, now: float) -> bool:
        """Hands over what may go now. Returns whether there are new events to commit."""
        for name, running in list(self._running.items()):
            try:
                for handed_over in running.outbox.hand_over(now):
                    running.receive(handed_over, now)
            except UnbuildableError as error:
                log.error("campaign %s suspended: %s", name, error)
                self._give_up(name)
        return any(running.ready() for running in self._running.values())

    def _commit(self) -> None:
        """Commits the events of all campaigns together, and reports them to the observer.

        A failure discards the campaigns that are ahead of the journal. A campaign that another agent has written to is
        given up.
        """
        changed = [running for running in self._running.values() if running.changed]
        if not changed:
            return
        try:
            self._journal.append_all([running.append() for running in changed])
        except JournalError as error:
            for running in changed:
                del self._running[running.campaign.id]
            if isinstance(error, FenceError):
                log.warning("campaign %s is run by another agent now: %s", error.campaign, error)
                self._ownership.release(error.campaign)
            raise
        self._observe([(running, running.committed()) for running in changed])

    def _observe(self, committed: list[tuple[RunningCampaign, list[Event]]]) -> None:
        """Reports committed events to the observer, after all of them are recorded."""
        if self._observer is not None:
            for running, events in committed:
                for event in events:
                    self._observer(running.campaign, event)

    def _give_up(self, name: str) -> None:
        del self._running[name]
        self._ownership.release(name)


def _lies_within(seconds: float, since: float, now: float) -> bool:
    """Whether less than this has passed; False if the clock went back."""
    return 0 <= now - since < seconds
