"""Ownership of campaigns by an agent: claims of new ones, leases, and campaigns that may be taken over."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from fuota_fec.agent.ports import JournalPort, LeasePort
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event
from fuota_fec.errors import JournalError
from fuota_fec.journal.base import RUNNING, Claim, campaign_exists_error

log = logging.getLogger("fuota_fec.agent")


class Ownership:
    """Leases of the agent `name`, which runs campaigns on the network `network_name`.

    `lease_ttl` is how long (s) a campaign waits for an agent that is gone; a lease is renewed at half of that.
    """

    def __init__(self, journal: JournalPort, name: str, network_name: str, lease_ttl: float) -> None:
        self._journal = journal
        self._name = name
        self._network_name = network_name
        self._ttl = lease_ttl
        self._leases: dict[str, LeasePort] = {}
        self._renew_at = float("-inf")
        """Monotonic time before which no lease is to be renewed."""
        self._vacant: dict[str, float] = {}
        """Seconds for which no agent held a lease of the campaigns that were found without one."""

    # ---- claims ------------------------------------------------------------------------------------------

    def conflicts(self, config: CampaignConfig) -> Mapping[Claim, str]:
        """Unfinished campaigns that hold its devices and groups. CampaignExistsError if its name is in use."""
        if config.id in self._journal.campaigns():
            raise campaign_exists_error(config.id)
        return self._journal.holders(*_claimed(config))

    def store(self, campaign: Campaign, events: Sequence[Event]) -> None:
        """Creates a started campaign in the journal, with its claims and this agent's network."""
        devices, groups = _claimed(campaign.config)
        self._journal.create(
            campaign.id,
            campaign.image,
            events,
            facts=campaign.take_facts(),
            devices=devices,
            groups=groups,
            network=self._network_name,
        )

    # ---- leases ------------------------------------------------------------------------------------------

    @property
    def held(self) -> Collection[str]:
        """Names of the campaigns whose leases this agent holds."""
        return self._leases.keys()

    def lease(self, campaign: str) -> LeasePort:
        """The lease of a campaign that is held."""
        return self._leases[campaign]

    def acquire(self, campaign: str) -> LeasePort | None:
        """Takes the lease of a campaign; None while another agent holds it."""
        lease = self._journal.lease(campaign, self._name, self._ttl)
        if lease is not None:
            self._leases[campaign] = lease
            self._renew_at = min(self._renew_at, time.monotonic())
        return lease

    @property
    def due(self) -> bool:
        """Whether leases are to be renewed now."""
        return time.monotonic() >= self._renew_at

    def renew(self) -> Iterator[str]:
        """Renews leases at half time. Yields each campaign that another agent has taken; it is no longer held. A lease
        that cannot be renewed now is held until it expires."""
        if not self.due:
            return
        lasts = self._ttl
        for name, lease in list(self._leases.items()):
            try:
                taken = lease.left() < self._ttl / 2 and not lease.renew()
                left = lease.left()
            except JournalError:
                lasts = 0.0
                continue
            if taken:
                log.warning("campaign %s was taken over by another agent", name)
                del self._leases[name]
                yield name
            else:
                lasts = min(lasts, left)
        self._renew_at = time.monotonic() + lasts - self._ttl / 2

    def release(self, campaign: str) -> None:
        """Gives a campaign up. A lease that the journal does not take back expires."""
        lease = self._leases.pop(campaign, None)
        if lease is None:
            return
        try:
            lease.release()
        except JournalError as error:
            log.warning("campaign %s: lease not released, it expires in %.0f s: %s", campaign, self._ttl, error)

    def release_all(self) -> None:
        for name in list(self._leases):
            self.release(name)

    # ---- take-over ---------------------------------------------------------------------------------------

    def without_agent(self, only: Collection[str] | None = None) -> Iterator[str]:
        """Unfinished campaigns that no agent runs: those on this agent's network, or those named by `only`."""
        for record in self._journal.list():
            wanted = record.status == RUNNING and (only is None or record.id in only)
            if not wanted or record.owner not in ("", self._name) or record.id in self._leases:
                continue
            if only is not None or self._journal.network(record.id) == self._network_name:
                self._vacant[record.id] = record.vacant
                yield record.id

    def vacancy(self, campaign: str, silence: float, longest: float) -> float:
        """Seconds of lost time of a campaign that is taken over: it had no agent, by the journal's clock, and wrote
        nothing for `silence` s by the agent's. Less than `longest` s are not lost."""
        vacant = min(self._vacant.pop(campaign, 0.0), silence)
        return vacant if vacant >= longest else 0.0


def _claimed(config: CampaignConfig) -> tuple[list[str], list[str]]:
    """DevEUIs and McAddrs of a campaign."""
    return [device.dev_eui for device in config.devices], [group.mc_addr for group in config.groups]
