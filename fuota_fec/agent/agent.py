"""The agent's turn: inputs to campaigns, their events to the journal, requests among them to the network.

`step(now)` reads the network, lets the campaigns decide, commits their events, and only then hands over the requests
among them: a request is on disk before it is on the air. `drive` calls `step` by the wall clock or in virtual time.
A campaign object is never ahead of the journal for longer than one turn: if a commit fails the object is discarded, and
replayed later. A request is handed over only while the campaign's lease lasts long enough.

Foreign code is called through `ports`. An error there suspends its campaign, or fails one downlink; the others go on.
`lost_time` has the rules for time in which nothing could be heard or sent.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Collection

from fuota_fec.agent import drive
from fuota_fec.agent.agenda import Agenda
from fuota_fec.agent.commit import Commit, log
from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.agent.duty_cycle import DutyCycle
from fuota_fec.agent.faults import Faults
from fuota_fec.agent.health import Health, health_of
from fuota_fec.agent.launch import KeyCheck, reopen_groups, start
from fuota_fec.agent.lost_time import LONGEST_SILENCE, NETWORK_RETRY, Reach, Turns, lies_within
from fuota_fec.agent.outbox import Outbox
from fuota_fec.agent.ownership import Ownership
from fuota_fec.agent.ports import JournalPort, KeyPort, LeasePort, NetworkPort, Observer, ObserverPort
from fuota_fec.agent.replays import Replay, Replays
from fuota_fec.agent.running import RunningCampaign
from fuota_fec.agent.suspended import LONGEST_PAUSE, Suspension, Suspensions
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import KeyRing
from fuota_fec.campaign.messages import Input, Uplink
from fuota_fec.errors import CampaignError, JournalError, NetworkError, ParameterError
from fuota_fec.journal.base import Journal, Verb
from fuota_fec.networks.base import Network

LEASE_TTL = 60.0
"""s for which a lease lasts without being renewed."""
ORDERS_EVERY = 1.0
"""s between two reads of operators' orders."""


class Agent:
    """Runs campaigns against one network. `observer` receives every event once, after its commit.

    `name` identifies the agent among those on one journal; `lease_ttl` is how long (s) a campaign waits for an agent
    that is gone, before another one on the same network takes it over. `network_name` identifies that network, or
    describes how to reach it. Time without turns or network does not count if it is longer than `longest_silence` (s).
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
        longest_silence: float = LONGEST_SILENCE,
    ) -> None:
        self._faults = Faults()
        self._journal = JournalPort(journal, self._faults)
        self._network = NetworkPort(network, self._faults)
        self._keys = KeyPort(key_ring, self._faults)
        self._builder = DownlinkBuilder(self._keys)
        self._observe = ObserverPort(observer, self._faults)
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._seek_every = lease_ttl / 2
        self._ownership = Ownership(self._journal, self.name, network_name, lease_ttl)
        self._duty_cycle = DutyCycle()
        self._reach = Reach()
        self._turns = Turns(longest_silence)
        self._longest_silence = longest_silence
        self._poll_interval = float("inf")
        """Longest time between two turns, as the driver promises, s."""
        self._begin_without_campaigns()
        self._trouble: JournalError | None = None
        """Failure of the journal in this turn, to be raised at its end."""
        self._deaf = False
        """Whether the network could not be read in the last turn."""
        self._committed_at: float | None = None
        self._orders_read_at = self._sought_at = float("-inf")

    def _begin_without_campaigns(self) -> None:
        self._agenda = Agenda()
        """Held campaigns that run; the other ones are suspended, or replayed."""
        self._suspended = Suspensions(self._faults)
        self._replays = Replays(
            self._journal,
            self._ownership,
            self._agenda,
            self._suspended,
            begun=self._begun,
            go_on=self._go_on,
            hold=self._not_replayed,
        )

    # ---- campaigns begin ---------------------------------------------------------------------------------

    def launch(self, campaign: Campaign, now: float) -> None:
        """Starts a campaign.

        CampaignExistsError if its id is in use, DeviceBusyError if another unfinished campaign holds one of its devices
        or groups, CampaignError if it may not start for another reason; ParameterError with what the pre-flight check
        refuses, and the keys that are missing or cannot be used. After an error the only trace is groups that the
        network knows.
        """
        try:
            events = start(campaign, self._ownership, self._journal, self._network, self._keys, now)
        except Exception:
            self._faults.forget(campaign.id)  # The caller has the error.
            self._faults.forget_port("keys")
            raise
        # The campaign is in the journal now. It goes on here, or later, or in another agent.
        try:
            if (lease := self._ownership.acquire(campaign.id)) is not None:
                running = RunningCampaign(campaign, self._outbox(campaign, lease), n_committed=len(events), since=now)
                running.outbox.take(events)
                self._agenda.add(running)
                self._observe(campaign, events)
                self._finish_step(now)
        except JournalError as error:
            log.error("campaign %s is stored, and waits for the journal: %s", campaign.id, error)

    def adopt(self, now: float, only: Collection[str] | None = None) -> list[str]:
        """Takes over unfinished campaigns that no agent runs: those on its network, or those named by `only`.

        They are replayed and go on. Returns their names. `step` calls this every half lease_ttl. A campaign that cannot
        be taken over (a key is missing, the network is down, a later version wrote it) is left to other agents; with
        `only` its error is raised.
        """
        raises = only is not None
        self._replays.begin(list(self._ownership.without_agent(only)), now, raises=raises)
        adopted = []
        while self._replays:
            self._keep_leases()
            adopted += self._replays.advance(now, raises=raises)
        if adopted:
            self._read_network(now, None)  # Reports that waited come before a hand-over whose outcome is not known.
            self._finish_step(now)
        return adopted

    def _seek(self, now: float) -> None:
        """Takes over campaigns without an agent, but for those that failed a short while ago."""
        self._sought_at = now
        self._replays.begin(self._suspended.to_take_over(list(self._ownership.without_agent()), now), now)

    def _begun(self, campaign: Campaign, stopped: Suspension | None) -> Outbox:
        """Outbox of a campaign whose replay has begun."""
        if stopped is None and (missing := KeyCheck(campaign.config, self._keys).prevents()):
            raise ParameterError.of(missing)
        return self._outbox(campaign, self._ownership.lease(campaign.id))

    def _not_replayed(self, stopped: Suspension, name: str, error: Exception, now: float) -> None:
        self._hold(name, error, now, stopped.since, stopped, stopped.inputs)
        self._suspended.record(self._journal, name, stopped.n_events, stopped, error, now)

    def _go_on(self, replay: Replay, now: float) -> None:
        """Resumes a campaign that was replayed, and gives it the inputs that waited."""
        name = replay.name
        reopen_groups(replay.campaign, self._network, self._builder)
        if replay.stopped is None:
            self._network.reconnect(name)
        running = replay.running(now, self._ownership, self._longest_silence)
        self._agenda.add(running)
        for item in replay.inputs:
            if self._agenda.get(name) is running:
                self._receive(running, item, now)
            else:  # An input before it suspended the campaign again.
                self._suspended.keep(name, item)
        if name in self._agenda:
            self._suspended.forget(name)

    def _outbox(self, campaign: Campaign, lease: LeasePort) -> Outbox:
        campaign.share(self._agenda.strangers)
        return Outbox(campaign, lease, self._network, self._builder, self._duty_cycle, self._reach)

    def close(self) -> None:
        """Gives up its campaigns in the state of the journal: another agent may take them at once."""
        self._begin_without_campaigns()
        self._ownership.release_all()

    # ---- campaigns run -----------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no campaign runs, or is to run again."""
        return not self._ownership.held

    @property
    def paused(self) -> bool:
        """Whether campaigns run and all of them are paused."""
        return bool(self._agenda) and all(running.campaign.paused for running in self._agenda)

    @property
    def suspended(self) -> dict[str, str]:
        """Reason by the name of each campaign that this agent cannot run. It tries again, at growing intervals."""
        return self._suspended.reasons()

    def health(self) -> Health:
        """Present faults, and the number of errors since the start."""
        return health_of(self._faults, self.suspended, self._agenda, self._turns.heard_at, self._committed_at)

    def campaign(self, name: str) -> Campaign | None:
        """A campaign that this agent runs, or None."""
        running = self._agenda.get(name)
        return running.campaign if running is not None else None

    def carry_out(self, campaign: str, verb: Verb, now: float) -> None:
        """Carries out an operator's verb for a campaign that this agent runs. CampaignError if it is not allowed."""
        if (running := self._agenda.get(campaign)) is None:
            why = f": it is suspended: {self.suspended[campaign]}" if campaign in self.suspended else ""
            raise CampaignError(f"campaign {campaign!r} is not run by this agent{why}")
        self._agenda.touch(campaign)
        running.carry_out(verb, now, self._longest_silence)
        self._finish_step(now)

    async def run(
        self, *, poll_interval: float = 0.2, clock: Callable[[], float] = time.time, forever: bool = False
    ) -> None:
        """Takes over campaigns that no agent runs, then steps until none runs, at least every poll_interval seconds.

        `forever`: stays when no campaign runs, and takes over those whose agent is gone. A journal that fails is tried
        again for a minute before its JournalError is raised.
        """
        self._poll_interval = poll_interval
        try:
            await drive.run(self, poll_interval=poll_interval, clock=clock, forever=forever)
        finally:
            self._poll_interval = float("inf")

    def step(self, now: float, *, looks: bool = True) -> float | None:
        """Takes one turn at time `now`. Returns when the next is due; None if only an input can bring it. `looks`:
        whether it also looks for orders and for campaigns without an agent, if it last did a while ago.

        JournalError if the journal fails, after the turn: no request that is not committed is handed over, and the next
        turn begins with the state of the journal.
        """
        slept_since = self._turns.begin(now)
        self._turns.expect(float("inf"), now + self._poll_interval)
        self._agenda.begin(now)
        self._reach.begin_turn()
        self._keep_leases()
        if looks and not lies_within(self._seek_every, self._sought_at, now):
            self._try(self._seek, now)
        self._replays.advance(now)
        if looks and not lies_within(ORDERS_EVERY, self._orders_read_at, now):
            self._try(self._carry_out_orders, now)
        self._read_network(now, slept_since)
        for running in self._agenda.concerned():
            self._decide(running, now, running.tick, now)
        due = self._finish_step(now)
        if due is not None:
            self._turns.expect(due, now + self._poll_interval)
        return due

    def overhears(self, item: Input, now: float) -> bool:
        """Takes an uplink that brings nothing to do, between two turns. False if it needs one."""
        running = None if self._ownership.due else self._agenda.at_rest(item)
        if overheard := running is not None and running.overhears(item, now):
            self._turns.heard_at = now
        return overheard

    def tend(self, now: float) -> None:
        """Renews leases and carries out orders, while time stands still."""
        self._keep_leases()
        self._try(self._carry_out_orders, now)
        self._finish_step(now)

    # ---- parts of a turn ---------------------------------------------------------------------------------

    def _try(self, part: Callable[[float], None], now: float) -> None:
        """Does a part of the turn. If the journal fails the turn goes on, and ends with the error."""
        try:
            part(now)
        except JournalError as error:
            self._trouble = self._trouble or error

    def _keep_leases(self) -> None:
        """Renews leases. A campaign whose lease is lost belongs to another agent."""
        for name in self._ownership.renew():
            self._agenda.forget(name)
            self._suspended.forget(name)
            self._replays.forget(name)

    def _carry_out_orders(self, now: float) -> None:
        """Carries out operators' orders for the campaigns that it runs."""
        self._orders_read_at = now
        for order in self._journal.orders():
            running = self._agenda.get(order.campaign)
            if running is None:
                continue
            self._agenda.touch(order.campaign)
            running.orders.append(order.number)
            try:
                running.carry_out(order.verb, now, self._longest_silence)
            except CampaignError as error:
                log.warning("campaign %s: order %s refused: %s", order.campaign, order.verb, error)
            except Exception as error:
                self._suspend(running, error, now)

    def _read_network(self, now: float, slept_since: float | None) -> None:
        """Reads the network. Campaigns whose time stood still resume before they take what waited."""
        inputs: list[Input] = []
        awaited = self._suspended.awaited or self._replays  # The network keeps their inputs meanwhile.
        if self._agenda or not awaited:
            try:
                inputs = self._network.poll(now)
                self._deaf, self._turns.heard_at = False, now
            except NetworkError:
                self._deaf = True
        away_since = self._reach.away_since(now, self._longest_silence)
        if slept_since is not None or self._deaf or away_since is not None:
            self._agenda.touch_all()
        for running in self._agenda.concerned():
            if slept_since is not None:
                running.wait(slept_since, "the agent took no turns")
            if self._deaf:
                running.wait(self._turns.since_heard(now), self._faults.present("network"))
            elif away_since is not None and running.outbox.tries_again(now):
                running.wait(away_since, f"the network takes no downlinks: {self._reach.reason}")
            elif (since := running.outbox.keys_away_since(now, self._longest_silence)) is not None:
                running.wait(since, f"keys cannot be read: {running.outbox.key_trouble}")
            elif running.campaign.paused:
                running.wait(now, "paused")
            elif running.waits_since is not None:
                self._decide(running, now, running.go_on, now, self._longest_silence)
        for item in inputs:
            self._route(item, now)

    def _route(self, item: Input, now: float) -> None:
        """Gives an uplink to the campaign of the device, a report to the campaign that its id names."""
        owner = self._agenda.owner(item.dev_eui) if isinstance(item, Uplink) else item.id.rpartition("/")[0]
        if owner is None:
            self._faults.n["uplink of no device"] += 1
            self._agenda.note_stranger(item, now)
        elif (running := self._agenda.get(owner)) is not None:
            self._receive(running, item, now)
        elif not self._replays.keep(owner, item):
            self._suspended.keep(owner, item)

    def _receive(self, running: RunningCampaign, item: Input, now: float) -> None:
        if self._decide(running, now, running.receive, item, now):
            self._agenda.touch(running.campaign.id)

    def _decide(self, running: RunningCampaign, now: float, decide: Callable[..., object], *args: object) -> object:
        """Lets a campaign decide. An error in it suspends this campaign."""
        try:
            return decide(*args)
        except Exception as error:
            self._faults.n["campaign"] += 1
            self._suspend(running, error, now)
            return None

    def _finish_step(self, now: float) -> float | None:
        """Commits, then hands over what was requested and commits that. Returns when the next step is due.

        JournalError, at the end, if the journal failed in this turn.
        """
        if any(running.busy for running in self._agenda.concerned()):
            self._commit_and_withdraw(now)
            while self._hand_over(now):
                self._commit_and_withdraw(now)
            for running in self._agenda.concerned():
                if running.over:
                    self._give_up(running.campaign.id)
        due = self._agenda.end(now)
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble
        times = [held.retry_at for held in self._suspended.held.values()]
        times += [now] if self._replays else []
        times += [now + NETWORK_RETRY] if self._deaf and self._agenda else []
        return min(times if due is None else [due, *times], default=None)

    def _commit_and_withdraw(self, now: float) -> None:
        self._commit(now)
        for running in self._agenda.concerned() if not self._deaf else ():
            if running.outbox.withdraws:
                running.outbox.withdraw(now)

    def _hand_over(self, now: float) -> bool:
        """Hands over what may go now. Returns whether there are new events to commit."""
        concerned = self._agenda.concerned()
        for running in sorted(concerned, key=lambda each: each.outbox.priority) if self._reach.in_doubt else concerned:
            try:
                for result in running.outbox.hand_over(now):
                    running.receive(result, now)
            except Exception as error:
                self._suspend(running, error, now)
        return any(running.ready() for running in self._agenda.concerned() if running.uncommitted)

    def _commit(self, now: float) -> None:
        """Commits the events of all campaigns together, and reports them to the observer.

        A campaign whose events cannot be committed is ahead of the journal: its object is discarded. A campaign that
        another agent has written to is given up.
        """
        changed = {running.campaign.id: running for running in self._agenda.concerned() if running.changed}
        if not changed:
            return
        commit = Commit(self._journal, {name: running.append() for name, running in changed.items()})
        self._trouble = self._trouble or commit.trouble
        for name in commit.fenced:
            self._give_up(name)
        for name, error in commit.failed.items():
            at_once = commit.trouble is not None and len(self._agenda) == len(changed)
            self._suspend(changed[name], error, now, at_once=at_once)
        if commit.committed:
            self._committed_at = now
        noted = [(changed[name], changed[name].committed()) for name in commit.committed]
        for running, events in noted:
            self._observe(running.campaign, events)

    # ---- campaigns end, or do not go on ------------------------------------------------------------------

    def _suspend(self, running: RunningCampaign, error: Exception, now: float, *, at_once: bool = False) -> None:
        """Discards a campaign object. The campaign is replayed after a pause, or `at_once` in the next turn."""
        name = running.campaign.id
        self._agenda.remove(name)
        before = running.suspended
        recent = before if now - running.since <= 2 * LONGEST_PAUSE else None
        self._hold(name, error, now, running.stopped_since(now), recent, running.inputs)
        last = before if not running.n_commits else None  # A commit of this run began with Resumed.
        if (event := self._suspended.record(self._journal, name, running.n_committed, last, error, now)) is not None:
            self._observe(running.campaign, [event])
        if at_once and (held := self._suspended.held.get(name)) is not None:
            held.retry_at, held.n = now, 0

    def _hold(
        self, name: str, error: Exception, now: float, since: float, before: Suspension | None, inputs: list[Input]
    ) -> None:
        if not self._suspended.hold(name, error, now, since, before, inputs):
            self._agenda.forget(name)
            self._ownership.release(name)

    def _give_up(self, name: str) -> None:
        self._agenda.forget(name)
        self._suspended.forget(name)
        self._faults.forget(name)
        self._ownership.release(name)
        if not self._agenda:
            self._faults.forget_port("keys")  # Names of keys belong to no campaign.
