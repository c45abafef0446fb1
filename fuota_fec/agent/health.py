"""Health of an agent, for metrics and for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fuota_fec.agent.agenda import Agenda
from fuota_fec.agent.faults import Faults

PORTS = ("network", "journal", "keys", "observer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Health of an agent. Texts are empty where nothing is wrong."""

    network: str
    """Last error of the network, until the same call succeeds."""
    journal: str
    """Last error of the journal, until the same call succeeds."""
    keys: str
    """Last error of the key ring, until the same key can be read."""
    observer: str
    """Last error of the observer, until it takes an event of the same campaign."""
    suspended: Mapping[str, str]
    """Reason by the name of each campaign that is suspended."""
    waits: Mapping[str, str]
    """Reason by the name of each campaign whose time stands still."""
    n_errors: Mapping[str, int]
    """Number of errors since the start by place, for example "network.submit", "keys.root_key", "malformed input"."""
    unheard: Mapping[str, str]
    """Uplinks of other devices, by the name of each campaign that hears none of its own."""
    n_running: int
    """Number of campaigns that run."""
    last_poll: float | None
    """Unix time of the last successful poll of the network; None before it."""
    last_commit: float | None
    """Unix time of the turn of the last commit; None before it."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong now."""
        return not (self.network or self.journal or self.keys or self.observer or self.suspended)


def health_of(
    faults: Faults, suspended: Mapping[str, str], agenda: Agenda, last_poll: float | None, last_commit: float | None
) -> Health:
    """Health of an agent with these faults and campaigns."""
    network, journal, keys, observer = map(faults.present, PORTS)
    return Health(
        network=network,
        journal=journal,
        keys=keys,
        observer=observer,
        suspended=suspended,
        waits={running.campaign.id: running.waits_for for running in agenda if running.waits_since is not None},
        unheard={running.campaign.id: text for running in agenda if (text := running.campaign.unheard)},
        n_errors=dict(faults.n),
        n_running=len(agenda),
        last_poll=last_poll,
        last_commit=last_commit,
    )
