"""Steps before a campaign starts or is resumed: pre-flight check, keys, groups and their frame counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.agent.ownership import Ownership
from fuota_fec.agent.ports import JournalPort, KeyPort, NetworkPort, NoKeyError
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, Known, NetworkCapabilities
from fuota_fec.campaign.preflight import check
from fuota_fec.errors import CampaignError, ParameterError
from fuota_fec.journal.base import claims_held_error


class KeyCheck:
    """Problems of the keys that a campaign needs, each read once. Texts are empty for keys that can be used."""

    def __init__(self, config: CampaignConfig, keys: KeyPort) -> None:
        self.root_keys = {name: _problem(keys.root_key, name) for name in sorted({d.key_name for d in config.devices})}
        self.mc_keys = {name: _problem(keys.mc_key, name) for name in sorted({g.key_name for g in config.groups})}

    def unusable(self) -> list[str]:
        """A line for each key that cannot be used."""
        return [text for text in (*self.root_keys.values(), *self.mc_keys.values()) if text]

    def prevents(self) -> list[str]:
        """A line for each key without which a campaign that runs cannot go on: a group's McKey, or the root keys of all
        devices. A device without a key leaves the campaign alone."""
        missing = [text for text in self.mc_keys.values() if text]
        return missing + ([] if "" in self.root_keys.values() else list(self.root_keys.values()))


def _problem(read: Callable[[str], object], name: str) -> str:
    try:
        read(name)
    except NoKeyError as error:
        return str(error)
    return ""


def refusals(campaign: Campaign, keys: KeyPort, network: NetworkCapabilities, now: float) -> list[str]:
    """A line for each finding of the pre-flight check that forbids the start, and for each key that cannot be used."""
    checked = KeyCheck(campaign.config, keys)
    findings = check.find(
        campaign.config,
        campaign.plan,
        len(campaign.image),
        now=now,
        network=network,
        root_key_known=lambda device: not checked.root_keys[device.key_name],
        mc_key_known=lambda group: not checked.mc_keys[group.key_name],
    )
    return [*check.refusals(findings), *checked.unusable()]


def start(
    campaign: Campaign,
    ownership: Ownership,
    journal: JournalPort,
    network: NetworkPort,
    keys: KeyPort,
    now: float,
) -> list[Event]:
    """Starts a campaign and stores it in the journal. Returns its first events.

    DeviceBusyError with the devices and groups that other campaigns hold, ParameterError with the refusals. After an
    error the campaign can be started again.
    """
    held = ownership.conflicts(campaign.config)
    refused = refusals(campaign, keys, network.capabilities, now)
    if held:
        raise claims_held_error(held, refused)
    if refused:
        raise ParameterError.of(refused)
    try:
        known = open_groups(campaign, journal, network, DownlinkBuilder(keys))
        events = campaign.start(now, network.capabilities, known)
        ownership.store(campaign, events)
    except Exception:
        campaign.abandon()
        raise
    return events


def open_groups(campaign: Campaign, journal: JournalPort, network: NetworkPort, builder: DownlinkBuilder) -> Known:
    """Opens the groups of a new campaign on the network. Returns the registry's entries, with the next frame counters
    of a network server that assigns them.

    CampaignError if the server's counter is behind the registry's or the configured one: counters would be used again
    with the same McKey.
    """
    known = journal.known(campaign.config)
    counters = {}
    for name, plan in campaign.plan.groups.items():
        used_up_to = max(plan.first_f_cnt, known.next_f_cnt.get(name, 0))
        group = builder.multicast_group(campaign, name, used_up_to)
        counter = network.open_group(campaign.id, group)
        if network.capabilities.owns_f_cnt and counter is not None:
            counters[name] = counter
            if counter < used_up_to:
                raise CampaignError(
                    f"group {name!r}: the network server counts from {counter}, this McKey was used up to "
                    f"{used_up_to}: give the group a new mc_addr and McKey"
                )
    return replace(known, next_f_cnt={**known.next_f_cnt, **counters})


def reopen_groups(campaign: Campaign, network: NetworkPort, builder: DownlinkBuilder) -> None:
    """Opens the groups of a replayed campaign again."""
    for name in campaign.plan.groups:
        network.open_group(campaign.id, builder.multicast_group(campaign, name, campaign.next_f_cnt(name)))
