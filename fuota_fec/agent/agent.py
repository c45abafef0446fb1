"""Where campaign, journal, network and clock meet.

`step(now)` does one turn: take what the network has, let the campaigns decide, commit their events, and only then
carry out the requests among them. Real networks are served by `run` with the wall clock, simulated ones by
`run_virtual` with a clock that jumps from deadline to deadline; both call the same `step`.

A campaign object is worth what is in the journal: if a commit fails it is thrown away, and replayed in the next step.
Nothing is handed over without a lease that lasts long enough.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from fuota_fec.campaign.campaign import RUNNING, Campaign
from fuota_fec.campaign.config import Group, KeyRing
from fuota_fec.campaign.messages import Event, HandOver, Input, Known, Reported, Requested, Uplink, Withdrawn
from fuota_fec.campaign.plan import share_air
from fuota_fec.downlinks import Sealer
from fuota_fec.errors import CampaignError, FuotaError, JournalError, NetworkError, ParameterError
from fuota_fec.journal.base import Append, FenceError, Journal, Lease, Verb
from fuota_fec.journal.base import campaign_exists_error as exists
from fuota_fec.journal.base import describe_holders as told
from fuota_fec.networks.base import Network

log = logging.getLogger("fuota_fec.agent")
log.addHandler(logging.NullHandler())

Observer = Callable[[Campaign, Event], None]

NETWORK_RETRY = 5.0
"""s after which a hand-over that failed is tried again."""
JOURNAL_RETRY = 5.0
"""s after which a journal that failed is tried again by `run`, up to …"""
MOST_JOURNAL_FAILURES = 12
LEASE_TTL = 60.0
LEASE_MARGIN = 5.0
"""s that a lease must still last for a hand-over."""
ATTENTION = 0.5
"""s of real time after which `run_virtual` looks after its campaigns while it waits."""
ORDERS_EVERY = 1.0
"""s between two looks at what operators ordered."""


class VirtualNetwork(Network, Protocol):
    """A network whose time can be asked for: when something happens next of itself."""

    def deadline(self) -> float | None: ...


@dataclass(slots=True)
class _Running:
    """A campaign, events of it that are not committed, and committed requests that are not handed over."""

    campaign: Campaign
    lease: Lease
    uncommitted: list[Event] = field(default_factory=list)
    n_committed: int = 0
    pending: dict[str, Requested] = field(default_factory=dict)
    orders: list[int] = field(default_factory=list)
    """Orders that the uncommitted events carry out."""
    unicast_at: float = float("-inf")
    """When the last unicast was handed over."""
    to_withdraw: list[str] = field(default_factory=list)
    """Committed as withdrawn, and perhaps still in the network's queues."""

    def ready(self) -> list[Event]:
        """The events to commit: all, but for the end of a campaign that has something to withdraw. Nobody would do that
        any more for a campaign that is finished."""
        if not self.campaign.finished:
            return self.uncommitted
        withdraws = self.to_withdraw or any(isinstance(event, Withdrawn) for event in self.uncommitted)
        return self.uncommitted[:-1] if withdraws else self.uncommitted

    def append(self) -> Append:
        return Append(
            campaign=self.campaign.id,
            expected_seq=self.n_committed,
            events=self.ready(),
            facts=self.campaign.take_facts(),
            orders=self.orders,
        )


class _Air(NamedTuple):
    """Since and until when (Unix time) a frame uses up the duty cycle of its sub-band."""

    since: float
    until: float
    request_id: str


class Agent:
    """Runs campaigns against one network. `observer` is told every event once it is committed.

    `name` tells agents on one journal apart; `lease_ttl` is how long (s) a campaign waits for an agent that is gone:
    the next one that serves the same network takes it over. `network_name` says which that is, or how it is reached.
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
        self._sealer = Sealer(key_ring)
        self._observer = observer
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._network_name = network_name
        self._lease_ttl = lease_ttl
        self._running: dict[str, _Running] = {}
        self._lost: dict[str, Lease] = {}
        """Campaigns whose last commit failed, to be replayed."""
        self._retry_at: dict[str, float] = {}
        """When a request whose hand-over failed is tried again."""
        self._air: dict[Group, _Air] = {}
        """The last frame of a group."""
        self._looked_at = self._sought_at = float("-inf")

    # ---- campaigns come in -------------------------------------------------------------------------------

    def launch(self, campaign: Campaign, now: float) -> None:
        """Starts a campaign.

        CampaignError if it may not, also because a device or group of it is in another that is not finished;
        ParameterError with what the pre-flight check refuses, missing keys among it. An error leaves nothing behind but
        groups that the network knows.
        """
        config = campaign.config
        devices = [device.dev_eui for device in config.devices]
        groups = [group.mc_addr for group in config.groups]
        if campaign.id in self._journal.campaigns():
            raise exists(campaign.id)
        refused = self._sealer.refusals(campaign, self._network.capabilities, now)
        if held := told(self._journal.holders(devices, groups)):
            raise CampaignError("\n".join([*held, *refused]))
        if refused:
            raise ParameterError("\n".join(refused))
        known = self._known(campaign)
        events = campaign.start(now, self._network.capabilities, known)
        try:
            self._journal.create(
                campaign.id,
                campaign.image,
                events,
                facts=campaign.take_facts(),
                devices=devices,
                groups=groups,
                network=self._network_name,
            )
        except Exception:
            campaign.abandon()
            raise
        # From here on it is in the journal and goes on, if not now and here, then later or in another agent.
        try:
            lease = self._journal.lease(campaign.id, self.name, self._lease_ttl)
            if lease is not None:
                running = self._running[campaign.id] = _Running(campaign, lease, n_committed=len(events))
                self._take_note(running, events)
                self._observe([(running, events)])
                self._finish_step(now)
        except JournalError as error:
            log.error("campaign %s is in the journal and waits: %s", campaign.id, error)

    def adopt(self, now: float, only: Collection[str] | None = None) -> list[str]:
        """Takes over the campaigns on its network (or `only` these) that are not finished and that no agent runs.

        They are replayed and go on. Returns their names. `step` does so of itself, every half lease_ttl. What cannot be
        taken over is left to others: a key is missing, the network is away, a later version wrote it.
        """
        adopted = []
        for found in self._journal.list():
            wanted = found.status == RUNNING and (only is None or found.id in only)
            if not wanted or found.owner not in ("", self.name) or found.id in self._running or found.id in self._lost:
                continue
            if only is None and self._journal.network(found.id) != self._network_name:
                continue
            lease = self._journal.lease(found.id, self.name, self._lease_ttl)
            if lease is not None:
                try:
                    self._replay(found.id, lease, now)
                    adopted.append(found.id)
                except FuotaError as error:
                    log.warning("campaign %s was not taken over: %s", found.id, error)
                    _release(lease)
                    if only is not None:
                        raise
        if adopted:
            self._finish_step(now)
        return adopted

    def carry_out(self, campaign: str, verb: Verb, now: float) -> None:
        """An operator's verb for a campaign that this agent runs. CampaignError if it is not allowed there."""
        if campaign not in self._running:
            raise CampaignError(f"campaign {campaign!r} is not run by this agent")
        self._carry_out(self._running[campaign], verb, now)
        self._finish_step(now)

    def _replay(self, name: str, lease: Lease, now: float) -> None:
        """The campaign as the journal has it, and what it still wants from the network."""
        events = list(self._journal.events(name))
        campaign = Campaign.replay(events, self._journal.image(name))
        if missing := self._sealer.missing_keys(campaign):
            raise ParameterError("\n".join(missing))
        for group in campaign.plan.groups:
            self._network.open_group(self._sealer.multicast_group(campaign, group, campaign.next_f_cnt(group)))
        self._network.reconnect()
        running = self._running[name] = _Running(campaign, lease, n_committed=len(events))
        requests = (event for event in events if isinstance(event, Requested))
        running.pending = {event.id: event for event in requests if campaign.awaits_hand_over(event.id)}
        running.to_withdraw = [event.id for event in events if isinstance(event, Withdrawn)]
        running.uncommitted += campaign.resume(now)

    def _seek(self, now: float) -> None:
        """Looks for campaigns whose agent is gone."""
        if self._sought_at <= now < self._sought_at + self._lease_ttl / 2:
            return
        self._sought_at = now
        self.adopt(now)

    def _replay_lost(self, now: float) -> None:
        for name, lease in list(self._lost.items()):
            try:
                self._replay(name, lease, now)
            except NetworkError as error:
                log.warning("campaign %s waits for the network: %s", name, error)
            else:
                del self._lost[name]

    def _known(self, campaign: Campaign) -> Known:
        """What the registry says, and the network server, which now knows the groups, where it counts.

        CampaignError if the server is behind the registry: it would use counters again that this McKey has seen.
        """
        known = self._journal.known(campaign.config)
        counters = {}
        for name, plan in campaign.plan.groups.items():
            wanted = max(plan.first_f_cnt, known.next_f_cnt.get(name, 0))
            counter = self._network.open_group(self._sealer.multicast_group(campaign, name, wanted))
            if self._network.capabilities.owns_f_cnt and counter is not None:
                counters[name] = counter
                if counter < (reached := known.next_f_cnt.get(name, 0)):
                    raise CampaignError(
                        f"group {name!r}: the network server counts from {counter}, this McKey was used up to "
                        f"{reached}: give the group a new mc_addr and McKey"
                    )
        return replace(known, next_f_cnt={**known.next_f_cnt, **counters})

    def close(self) -> None:
        """Gives up its campaigns as they are in the journal: another agent may take them at once."""
        leases = [*(running.lease for running in self._running.values()), *self._lost.values()]
        self._running, self._lost = {}, {}
        for lease in leases:
            _release(lease)

    # ---- one turn ----------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no campaign runs."""
        return not self._running and not self._lost

    def campaign(self, name: str) -> Campaign | None:
        """A campaign that it runs."""
        running = self._running.get(name)
        return running.campaign if running is not None else None

    def step(self, now: float) -> float | None:
        """One turn at time `now`. Returns when the next is due, if nothing comes in before; None: only then.

        JournalError if the journal fails: then nothing of this turn went on the air, and the next begins with what is
        in the journal.
        """
        self._keep_leases()
        self._replay_lost(now)
        self._seek(now)
        if not 0 <= now - self._looked_at < ORDERS_EVERY:
            self._obey(now)
        try:
            # What was given for a campaign that is still to be replayed must not be taken note of.
            for item in self._network.poll(now) if not self._lost else ():
                self._route(item, now)
        except NetworkError as error:
            log.warning("nothing could be had from the network: %s", error)
        for running in self._running.values():
            running.uncommitted += running.campaign.tick(now)
        return self._finish_step(now)

    def tend(self, now: float) -> None:
        """Renews leases and does what operators ordered, while time stands still."""
        self._keep_leases()
        self._obey(now)
        self._finish_step(now)

    @property
    def paused(self) -> bool:
        """Whether it runs campaigns, and all of them are paused."""
        return bool(self._running) and all(running.campaign.paused for running in self._running.values())

    async def run(
        self, *, poll_interval: float = 0.2, clock: Callable[[], float] = time.time, forever: bool = False
    ) -> None:
        """Takes over what no agent runs, then steps until no campaign runs, at least every poll_interval seconds.

        `forever`: stands by when no campaign runs, and takes over those whose agent is gone. A journal that fails is
        tried again for a minute before its JournalError comes out.
        """
        n_failures = 0
        while True:
            now = clock()
            try:
                due = self.step(now)
                n_failures = 0
            except JournalError as error:
                n_failures += 1
                if n_failures > MOST_JOURNAL_FAILURES:
                    raise
                log.error("nothing goes on the air: %s", error)
                await asyncio.sleep(JOURNAL_RETRY)
                continue
            if self.idle and not forever:
                return
            await asyncio.sleep(max(0.0, min(poll_interval, due - now if due is not None else poll_interval)))

    def _finish_step(self, now: float) -> float | None:
        """On disk before on the air: commit, hand over what was requested, commit that."""
        self._commit()
        self._withdraw(now)
        while self._hand_over(now):
            self._commit()
        self._commit()
        for running in list(self._running.values()):
            if not running.campaign.finished or running.uncommitted:
                continue
            for request in list(running.pending.values()):
                self._drop(running, request)
            del self._running[running.campaign.id]
            _release(running.lease)
        due = [running.campaign.deadline() for running in self._running.values()]
        air = [
            at
            for running in self._running.values()
            for request in running.pending.values()
            if (at := self._free_at(running, request, now)) > now
        ]
        retries = [at for at in self._retry_at.values() if at > now]
        retries += [now + NETWORK_RETRY for running in self._running.values() if running.to_withdraw]
        return min((at for at in (*due, *retries, *air) if at is not None), default=None)

    def _route(self, item: Input, now: float) -> None:
        if isinstance(item, Uplink):
            for running in self._running.values():
                running.uncommitted += running.campaign.receive(item, now)
            return
        owner = self._running.get(item.id.rpartition("/")[0])
        if owner is not None:
            owner.uncommitted += owner.campaign.receive(item, now)

    # ---- the journal -------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """All campaigns together. One that somebody else has written to is no longer ours; any other failure throws
        all objects away that are ahead of the journal."""
        changed = [running for running in self._running.values() if running.ready() or running.orders]
        if not changed:
            return
        try:
            self._journal.append_all([running.append() for running in changed])
        except FenceError as error:
            log.warning("campaign %s is run by somebody else now: %s", error.campaign, error)
            for running in changed:
                self._throw_away(running)
            if (lease := self._lost.pop(error.campaign, None)) is not None:
                _release(lease)
            raise
        except JournalError:
            for running in changed:
                self._throw_away(running)
            raise
        committed = []
        for running in changed:
            events, running.orders = running.ready(), []
            running.uncommitted = running.uncommitted[len(events) :]
            running.n_committed += len(events)
            self._take_note(running, events)
            committed.append((running, events))
        self._observe(committed)

    def _take_note(self, running: _Running, events: list[Event]) -> None:
        """Events are committed: requests among them are to be handed over or withdrawn."""
        for event in events:
            if isinstance(event, Requested):
                running.pending[event.id] = event
            elif isinstance(event, Withdrawn):
                running.to_withdraw.append(event.id)
            elif isinstance(event, Reported) and not event.ok:
                self._air = {group: used for group, used in self._air.items() if used.request_id != event.id}

    def _observe(self, committed: list[tuple[_Running, list[Event]]]) -> None:
        """Whoever looks on is told, once all is noted."""
        if self._observer is not None:
            for running, events in committed:
                for event in events:
                    self._observer(running.campaign, event)

    def _throw_away(self, running: _Running) -> None:
        name = running.campaign.id
        for request in list(running.pending.values()):
            self._drop(running, request)
        self._lost[name] = self._running.pop(name).lease

    def _keep_leases(self) -> None:
        """A lease is renewed in time. Who has lost it stops: the campaign is somebody else's."""
        leases = {name: running.lease for name, running in self._running.items()} | self._lost
        for name, lease in leases.items():
            if lease.left() < self._lease_ttl / 2 and not lease.renew():
                log.warning("campaign %s was taken over by another agent", name)
                if name in self._running:
                    self._throw_away(self._running[name])
                del self._lost[name]

    def _obey(self, now: float) -> None:
        """What operators ordered of the campaigns that it runs."""
        self._looked_at = now
        for order in self._journal.orders():
            running = self._running.get(order.campaign)
            if running is None:
                continue
            try:
                self._carry_out(running, order.verb, now)
            except CampaignError as error:
                log.warning("order %s: %s", order.verb, error)
            running.orders.append(order.number)

    @staticmethod
    def _carry_out(running: _Running, verb: Verb, now: float) -> None:
        campaign = running.campaign
        verbs = {"pause": campaign.pause, "unpause": campaign.unpause, "stop": campaign.stop}
        if verb not in verbs:
            raise CampaignError(f"{verb!r} is not an order, expected {', '.join(verbs)}")
        running.uncommitted += verbs[verb](now)

    # ---- the network -------------------------------------------------------------------------------------

    def _hand_over(self, now: float) -> bool:
        """Hands over what is committed and still wanted; whether there is anything new to commit."""
        for running in list(self._running.values()):
            for request in list(running.pending.values()):
                if request.id not in running.pending:
                    break  # The campaign was set aside, and nothing of it is pending any more.
                if not running.campaign.awaits_hand_over(request.id):
                    self._drop(running, request)
                elif self._may_go(running, request, now):
                    self._submit(running, request, now)
        return any(running.ready() for running in self._running.values())

    def _may_go(self, running: _Running, request: Requested, now: float) -> bool:
        if running.campaign.paused and not request.reply:
            return False
        retry_at = self._retry_at.get(request.id, now)
        waits = now < retry_at <= now + NETWORK_RETRY  # Further off it is for a clock that went back.
        if waits or self._free_at(running, request, now) > now:
            return False
        return now <= request.not_after and running.lease.left() > LEASE_MARGIN

    def _free_at(self, running: _Running, request: Requested, now: float) -> float:
        """When the sub-band of a multicast frame has duty cycle left, which all groups of all campaigns share; when a
        unicast keeps its distance from the campaign's last one, also if many had to wait for the network."""
        if request.group is None:
            delay = running.campaign.config.ucast_msg_delay / 1000
            return running.unicast_at + delay if running.unicast_at <= now else float("-inf")
        group = running.campaign.plan.groups[request.group].group
        used = (air for other, air in self._air.items() if air.since <= now and share_air(group, other))
        return max((air.until for air in used), default=float("-inf"))

    def _submit(self, running: _Running, request: Requested, now: float) -> None:
        try:
            downlink = self._sealer.downlink(running.campaign, request)
        except (ParameterError, CampaignError) as error:
            log.error("campaign %s is set aside, %s cannot be made: %s", running.campaign.id, request.id, error)
            self._throw_away(running)
            _release(self._lost.pop(running.campaign.id))
            return
        try:
            result = self._network.submit(downlink, now)
        except NetworkError as error:
            log.warning("%s: hand-over failed, to be tried again: %s", request.id, error)
            self._retry_at[request.id] = now + NETWORK_RETRY
            return
        self._drop(running, request)
        if request.group is None:
            running.unicast_at = now
        else:
            plan = running.campaign.plan.groups[request.group]
            if plan.duty_cycle < 1:
                until = now + plan.air_time(len(downlink.payload)) / plan.duty_cycle
                self._air = {group: used for group, used in self._air.items() if used.until > now}
                self._air[plan.group] = _Air(now, until, request.id)
        f_cnt = result.f_cnt if result.f_cnt is not None else request.f_cnt
        handed_over = HandOver(id=request.id, reference=result.reference, f_cnt=f_cnt)
        running.uncommitted += running.campaign.receive(handed_over, now)

    def _drop(self, running: _Running, request: Requested) -> None:
        del running.pending[request.id]
        self._retry_at.pop(request.id, None)

    def _withdraw(self, now: float) -> None:
        for running in self._running.values():
            if not running.to_withdraw:
                continue
            try:
                self._network.withdraw(running.to_withdraw, now)
                running.to_withdraw = []
            except NetworkError as error:
                log.warning("%s: downlinks not withdrawn, to be tried again: %s", running.campaign.id, error)


def _release(lease: Lease) -> None:
    """A lease that cannot be given back runs out."""
    try:
        lease.release()
    except JournalError as error:
        log.warning("a lease was not given back: %s", error)


def run_virtual(
    agent: Agent,
    network: VirtualNetwork,
    start: float,
    *,
    until: float = float("inf"),
    attended: bool = False,
    speed: float | None = None,
) -> float:
    """Steps the agent until no campaign runs, time jumping to whatever is due next. Returns the time reached.

    `attended`: somebody may order something from outside; while everything is paused time stands still. `speed`:
    seconds of virtual time in a second, for whoever looks on; as fast as it can if not given.
    """
    now = start
    while not agent.idle and now <= until:
        due = agent.step(now)
        known = [at for at in (due, network.deadline()) if at is not None]
        if agent.idle or not known:
            break
        upcoming = min(known)
        if upcoming < now:
            raise ParameterError(f"time would run backwards: {upcoming} is due at {now}")
        if speed is not None:
            _wait(agent, now, (upcoming - now) / speed)
        while attended and agent.paused:
            _wait(agent, now, ATTENTION)
        now = upcoming
    return now


def _wait(agent: Agent, now: float, seconds: float) -> None:
    """Real time in which the agent keeps its leases and does as it is told."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, ATTENTION))
        agent.tend(now)
