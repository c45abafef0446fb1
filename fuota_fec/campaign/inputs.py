"""Inputs of a campaign: what a network server can do and what it reports, as the agent passes it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCapabilities:
    """What a network server gives a campaign."""

    owns_f_cnt: bool = False
    """It assigns the multicast frame counter, which is learnt at hand-over; else the campaign does."""
    sent_reports: bool = True
    """It says when a unicast downlink left; else the next uplink heard stands for it."""
    summaries: bool = True
    """It says what became of a multicast downlink over all gateways."""
    summary_cadence: float = 60.0
    """s from a multicast downlink to its summary, usually."""
    pacing: float = 0.0
    """s that it leaves itself between two multicast downlinks of a group."""
    withdraws: bool = True
    """A downlink that it has queued can be replaced and taken out again."""
    clock_sync: bool = False
    """It answers clock synchronisation (TS003) itself."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """A frame from a device. `received_at` is Unix time of its reception by a gateway."""

    dev_eui: str
    f_port: int
    payload: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class DownlinkSent:
    """The network's report on unicast downlink `id`: it left (ok), or not and why."""

    id: str
    ok: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class MulticastSummary:
    """The network's report on multicast downlink `id`: at least one gateway sent it (ok), or none and why."""

    id: str
    ok: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """The network took downlink `id`. `reference` is its own name for it, `f_cnt` the counter if it assigned one."""

    id: str
    reference: str = ""
    f_cnt: int | None = None


Input: TypeAlias = Uplink | DownlinkSent | MulticastSummary | HandOver
