"""Health of an agent, for metrics and for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fuota_fec.agent.faults import Faults
from fuota_fec.agent.running import RunningCampaign


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
    n_unknown: int
    """Number of uplinks since the start from devices that are in no campaign, while none was suspended."""
    n_running: int
    """Number of campaigns that run."""
    last_poll: float | None
    """Unix time of the last successful poll of the network; None before it."""
    last_commit: float | None
    """Unix time of the turn of the last commit; None before it."""

    @classmethod
    def of(cls, faults: Faults, running: Mapping[str, RunningCampaign], **facts: Any) -> Health:
        """Health from the errors so far and the campaigns that run; `facts` are the other fields."""
        heard = {name: r.campaign.unheard for name, r in running.items()}
        return cls(
            network=faults.present("network"),
            journal=faults.present("journal"),
            keys=faults.present("keys"),
            observer=faults.present("observer"),
            waits={name: r.waits_for for name, r in running.items() if r.waits_since is not None},
            unheard={name: text for name, text in heard.items() if text},
            n_errors=dict(faults.n),
            n_running=len(running),
            **facts,
        )

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong now."""
        return not (self.network or self.journal or self.keys or self.observer or self.suspended)
