"""Where campaign, journal, network and clock meet.

`step(now)` does one turn: take what the network has, let the campaigns decide, commit their events, and only then
carry out the requests among them. Real networks are served by `run` with the wall clock, simulated ones by
`run_virtual` with a clock that jumps from deadline to deadline; both call the same `step`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from fuota_fec.campaign.config import Device, KeyRing
from fuota_fec.campaign.findings import find, refusals
from fuota_fec.campaign.machine import Campaign
from fuota_fec.campaign.messages import Event, HandOver, Input, Requested, Uplink
from fuota_fec.errors import CampaignError, JournalError, NetworkError, ParameterError
from fuota_fec.journal import Journal
from fuota_fec.networks.base import Downlink, MulticastGroup, Network
from fuota_fec.wire import fragmentation, keys, multicast

log = logging.getLogger("fuota_fec.agent")
log.addHandler(logging.NullHandler())

Observer = Callable[[Campaign, Event], None]

NETWORK_RETRY = 5.0
"""s after which a hand-over that failed is tried again."""


class VirtualNetwork(Network, Protocol):
    """A network whose time can be asked for: when something happens next of itself."""

    def deadline(self) -> float | None: ...


@dataclass(slots=True)
class _Running:
    """A campaign, events of it that are not committed, and committed requests that are not handed over."""

    campaign: Campaign
    uncommitted: list[Event] = field(default_factory=list)
    n_committed: int = 0
    pending: dict[str, Requested] = field(default_factory=dict)


class Agent:
    """Runs campaigns against one network. `observer` is told every event once it is committed."""

    def __init__(
        self, journal: Journal, network: Network, key_ring: KeyRing, *, observer: Observer | None = None
    ) -> None:
        self._journal = journal
        self._network = network
        self._keys = key_ring
        self._observer = observer
        self._running: dict[str, _Running] = {}
        self._retry_at: dict[str, float] = {}
        """When a request whose hand-over failed is tried again."""

    def launch(self, campaign: Campaign, now: float) -> None:
        """Starts a campaign.

        CampaignError if it may not, also because a device or group of it is in another that runs; ParameterError with
        what the pre-flight check refuses, missing keys among it. An error leaves nothing behind but groups that the
        network knows.
        """
        self._check_free(campaign)
        self._check_keys(campaign, now)
        if campaign.id in self._journal.campaigns():
            raise JournalError(f"there is a campaign {campaign.id!r} already")
        for name in campaign.plan.groups:
            self._network.open_group(self._multicast_group(campaign, name))
        running = _Running(campaign)
        running.uncommitted += campaign.start(now, self._network.capabilities)
        self._journal.create(campaign.id, campaign.image)
        self._running[campaign.id] = running
        self._finish_step(now)

    @property
    def idle(self) -> bool:
        """Whether no campaign runs."""
        return not self._running

    def step(self, now: float) -> float | None:
        """One turn at time `now`. Returns when the next is due, if nothing comes in before; None: only then."""
        try:
            for item in self._network.poll(now):
                self._route(item, now)
        except NetworkError as error:
            log.warning("nothing could be had from the network: %s", error)
        for running in self._running.values():
            running.uncommitted += running.campaign.tick(now)
        return self._finish_step(now)

    async def run(self, *, poll_interval: float = 0.2, clock: Callable[[], float] = time.time) -> None:
        """Steps until no campaign runs, at least every poll_interval seconds."""
        while not self.idle:
            now = clock()
            due = self.step(now)
            await asyncio.sleep(max(0.0, min(poll_interval, due - now if due is not None else poll_interval)))

    # ---- one turn ----------------------------------------------------------------------------------------

    def _finish_step(self, now: float) -> float | None:
        """On disk before on the air: commit, hand over what was requested, commit that."""
        self._commit()
        while self._hand_over(now):
            self._commit()
        for running in [running for running in self._running.values() if running.campaign.finished]:
            for request in list(running.pending.values()):
                self._drop(running, request)
            del self._running[running.campaign.id]
        deadlines = [running.campaign.deadline() for running in self._running.values()]
        return min((due for due in (*deadlines, *self._retry_at.values()) if due is not None), default=None)

    def _route(self, item: Input, now: float) -> None:
        if isinstance(item, Uplink):
            for running in self._running.values():
                running.uncommitted += running.campaign.receive(item, now)
            return
        owner = self._running.get(item.id.rpartition("/")[0])
        if owner is not None:
            owner.uncommitted += owner.campaign.receive(item, now)

    def _commit(self) -> None:
        for name, running in self._running.items():
            events = running.uncommitted
            if not events:
                continue
            self._journal.append(name, running.n_committed, events)
            running.uncommitted = []
            running.n_committed += len(events)
            running.pending.update({event.id: event for event in events if isinstance(event, Requested)})
            if self._observer is not None:
                for event in events:
                    self._observer(running.campaign, event)

    def _hand_over(self, now: float) -> bool:
        """Hands over what is committed and still wanted; whether there is anything new to commit."""
        for running in self._running.values():
            for request in list(running.pending.values()):
                if not running.campaign.awaits_hand_over(request.id):
                    self._drop(running, request)
                elif self._retry_at.get(request.id, now) <= now:
                    self._submit(running, request, now)
        return any(running.uncommitted for running in self._running.values())

    def _submit(self, running: _Running, request: Requested, now: float) -> None:
        try:
            result = self._network.submit(self._downlink(running.campaign, request), now)
        except NetworkError as error:
            log.warning("%s: hand-over failed, to be tried again: %s", request.id, error)
            self._retry_at[request.id] = now + NETWORK_RETRY
            return
        self._drop(running, request)
        f_cnt = result.f_cnt if result.f_cnt is not None else request.f_cnt
        handed_over = HandOver(id=request.id, reference=result.reference, f_cnt=f_cnt)
        running.uncommitted += running.campaign.receive(handed_over, now)

    def _drop(self, running: _Running, request: Requested) -> None:
        del running.pending[request.id]
        self._retry_at.pop(request.id, None)

    # ---- keys and payloads -------------------------------------------------------------------------------

    def _downlink(self, campaign: Campaign, request: Requested) -> Downlink:
        return Downlink(
            id=request.id,
            f_port=request.f_port,
            payload=self._payload(campaign, request),
            not_after=request.not_after,
            dev_eui=request.dev_eui,
            replaces=request.replaces,
            group=f"{campaign.id}/{request.group}" if request.group is not None else None,
            f_cnt=request.f_cnt,
        )

    def _payload(self, campaign: Campaign, request: Requested) -> bytes:
        """The bytes for the air. A request keeps zeros where a key goes; this is the only place that puts it in."""
        if request.command is None:
            assert request.group is not None
            assert request.frag_nb is not None
            payload = bytes(campaign.block(request.group).frame(request.frag_nb))
            self._check_digest(request, payload)
            return payload
        self._check_digest(request, request.command)
        assert request.dev_eui is not None
        device = campaign.device(request.dev_eui)
        ports = campaign.config.ports
        group = campaign.plan.groups[device.group].group
        if request.f_port == ports.multicast:
            [command] = multicast.decode(request.command, uplink=False, version=group.mc_version)
            if isinstance(command, multicast.McGroupSetupReq):
                wrapped = keys.wrap_mc_key(self._mc_ke_key(device), self._keys.mc_key(group.key_name))
                return replace(command, mc_key_encrypted=wrapped).encode()
        elif request.f_port == ports.fragmentation and group.version == "2.0.0":
            [command] = fragmentation.decode(request.command, uplink=False, version=group.version)
            if isinstance(command, fragmentation.FragSessionSetupReq):
                return replace(command, mic=self._mic(campaign, device, command)).encode()
        return request.command

    @staticmethod
    def _check_digest(request: Requested, payload: bytes) -> None:
        if hashlib.sha256(payload).digest()[:8] != request.digest:
            raise CampaignError(f"{request.id}: the payload is not the one that was requested")

    def _mc_ke_key(self, device: Device) -> keys.Key:
        root = self._keys.root_key(device.key_name)
        derive = keys.mc_root_key if device.lorawan == "1.0" else keys.mc_root_key_from_app_key
        return keys.mc_ke_key(derive(root))

    def _mic(self, campaign: Campaign, device: Device, command: fragmentation.FragSessionSetupReq) -> bytes:
        assert command.session_cnt is not None
        return keys.data_block_mic(
            keys.data_block_int_key(self._keys.root_key(device.key_name)),
            session_cnt=command.session_cnt,
            frag_index=command.frag_index,
            descriptor=command.descriptor,
            data=campaign.image,
        )

    def _multicast_group(self, campaign: Campaign, name: str) -> MulticastGroup:
        group = campaign.plan.groups[name].group
        mc_addr = int(group.mc_addr, 16)
        mc_key = self._keys.mc_key(group.key_name)
        return MulticastGroup(
            name=f"{campaign.id}/{name}",
            mc_addr=mc_addr,
            mc_app_s_key=keys.mc_app_s_key(mc_key, mc_addr),
            mc_nwk_s_key=keys.mc_nwk_s_key(mc_key, mc_addr),
            dr=group.dr,
            frequency_hz=group.frequency_hz,
            f_cnt=group.first_f_cnt,
            dev_euis=tuple(d.dev_eui for d in campaign.config.devices if d.group == name),
        )

    def _check_keys(self, campaign: Campaign, now: float) -> None:
        """The pre-flight check again, now that keys and time are known: a missing key is noticed now, not midway."""
        findings = find(
            campaign.config,
            campaign.plan,
            len(campaign.image),
            now=now,
            root_key_known=lambda device: _is_there(self._keys.root_key, device.key_name),
            mc_key_known=lambda group: _is_there(self._keys.mc_key, group.key_name),
        )
        if refused := refusals(findings):
            raise ParameterError("\n".join(refused))

    def _check_free(self, campaign: Campaign) -> None:
        busy = {d.dev_eui for r in self._running.values() for d in r.campaign.config.devices}
        taken = _first(d.dev_eui for d in campaign.config.devices if d.dev_eui in busy)
        if taken is not None:
            raise CampaignError(f"campaign {campaign.id!r}: device {taken} is in a campaign that still runs")
        addresses = {g.mc_addr for r in self._running.values() for g in r.campaign.config.groups}
        group = _first(g.mc_addr for g in campaign.config.groups if g.mc_addr in addresses)
        if group is not None:
            raise CampaignError(f"campaign {campaign.id!r}: group {group} is in a campaign that still runs")


def _is_there(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except ParameterError:
        return False
    return True


def _first(values: Iterable[str]) -> str | None:
    return next(iter(values), None)


def run_virtual(agent: Agent, network: VirtualNetwork, start: float, *, until: float = float("inf")) -> float:
    """Steps the agent until no campaign runs, time jumping to whatever is due next. Returns the time reached."""
    now = start
    while not agent.idle and now <= until:
        due = agent.step(now)
        known = [at for at in (due, network.deadline()) if at is not None]
        if agent.idle or not known:
            break
        upcoming = min(known)
        if upcoming < now:
            raise ParameterError(f"time would run backwards: {upcoming} is due at {now}")
        now = upcoming
    return now
