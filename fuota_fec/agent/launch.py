"""Steps before a campaign starts or is resumed: pre-flight check, keys, groups and their frame counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import KeyRing
from fuota_fec.campaign.messages import Known, NetworkCapabilities
from fuota_fec.campaign.preflight import check
from fuota_fec.errors import CampaignError, ParameterError
from fuota_fec.journal.base import Journal
from fuota_fec.networks.base import Network


def refusals(campaign: Campaign, key_ring: KeyRing, network: NetworkCapabilities, now: float) -> list[str]:
    """A line for each finding of the pre-flight check that forbids the start, missing keys included."""
    return check.refusals(
        check.find(
            campaign.config,
            campaign.plan,
            len(campaign.image),
            now=now,
            network=network,
            root_key_known=lambda device: _has(key_ring.root_key, device.key_name),
            mc_key_known=lambda group: _has(key_ring.mc_key, group.key_name),
        )
    )


def missing_keys(campaign: Campaign, key_ring: KeyRing) -> list[str]:
    """A line for each key of a campaign that the key ring does not have."""
    config = campaign.config
    root_keys = sorted({d.key_name for d in config.devices if not _has(key_ring.root_key, d.key_name)})
    mc_keys = sorted({g.key_name for g in config.groups if not _has(key_ring.mc_key, g.key_name)})
    return [f"key ring: there is no root key named {name!r}" for name in root_keys] + [
        f"key ring: there is no multicast key named {name!r}" for name in mc_keys
    ]


def _has(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except ParameterError:
        return False
    return True


def open_groups(campaign: Campaign, journal: Journal, network: Network, builder: DownlinkBuilder) -> Known:
    """Opens the groups of a new campaign on the network. Returns the registry's entries, with the next frame counters
    of a network server that assigns them.

    CampaignError if the server's counter is behind the registry's: counters would be used again with the same McKey.
    """
    known = journal.known(campaign.config)
    counters = {}
    for name, plan in campaign.plan.groups.items():
        used_up_to = known.next_f_cnt.get(name, 0)
        group = builder.multicast_group(campaign, name, max(plan.first_f_cnt, used_up_to))
        counter = network.open_group(group)
        if network.capabilities.owns_f_cnt and counter is not None:
            counters[name] = counter
            if counter < used_up_to:
                raise CampaignError(
                    f"group {name!r}: the network server counts from {counter}, this McKey was used up to "
                    f"{used_up_to}: give the group a new mc_addr and McKey"
                )
    return replace(known, next_f_cnt={**known.next_f_cnt, **counters})


def reopen_groups(campaign: Campaign, network: Network, builder: DownlinkBuilder) -> None:
    """Opens the groups of a replayed campaign again, and has the network repeat what its last poll returned."""
    for name in campaign.plan.groups:
        network.open_group(builder.multicast_group(campaign, name, campaign.next_f_cnt(name)))
    network.reconnect()
