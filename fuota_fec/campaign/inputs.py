"""Inputs of a campaign: capabilities and reports of a network server, and uplinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCapabilities:
    """Capabilities of a network server."""

    owns_f_cnt: bool = False
    """Whether the network assigns the multicast frame counter, and reports it at hand-over; otherwise the campaign
    does."""
    sent_reports: bool = True
    """Whether the network reports that a unicast downlink left; otherwise the next uplink stands for the report."""
    summaries: bool = True
    """Whether the network reports the outcome of a multicast downlink over all gateways."""
    summary_cadence: float = 60.0
    """Usual time from a multicast downlink to its summary, s."""
    pacing: float = 0.0
    """Least time that the network leaves between two multicast downlinks of a group, s."""
    withdraws: bool = True
    """Whether a queued downlink can be replaced and withdrawn."""
    clock_sync: bool = False
    """Whether the network answers clock synchronisation (TS003) itself."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """A frame from a device. `received_at` is the Unix time of its reception by a gateway."""

    dev_eui: str
    f_port: int
    payload: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class DownlinkSent:
    """Report of the network on unicast downlink `id`: sent (`ok`), or not, with the cause."""

    id: str
    ok: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class MulticastSummary:
    """Report of the network on multicast downlink `id`: sent by at least one gateway (`ok`), or by none, with the
    cause."""

    id: str
    ok: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Acceptance of downlink `id` by the network. `reference` is the network's name for it, `f_cnt` an assigned
    counter."""

    id: str
    reference: str = ""
    f_cnt: int | None = None


Input: TypeAlias = Uplink | DownlinkSent | MulticastSummary | HandOver
