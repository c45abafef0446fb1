"""Inputs of a campaign: capabilities and reports of a network server, and uplinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fuota_fec.wire.identifiers import canonical_eui, is_eui


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
    summary_cadence: float | None = None
    """Usual time from a multicast downlink to its summary, s; None if it is not known. The length of a session allows
    for it."""
    pacing: float = 0.0
    """Least time that the network leaves between two multicast downlinks of a group, s."""
    withdraws: bool = True
    """Whether a queued downlink can be replaced and withdrawn."""
    clock_sync: bool = False
    """Whether the network answers clock synchronisation (TS003) itself."""


@dataclass(frozen=True, slots=True, init=False)
class Uplink:
    """A frame from a device. `received_at` is the Unix time of its reception by a gateway. The DevEUI may have any
    usual spelling."""

    dev_eui: str
    f_port: int
    payload: bytes
    received_at: float

    def __init__(self, dev_eui: str, f_port: int, payload: bytes, received_at: float) -> None:
        set_field = object.__setattr__
        known = not isinstance(dev_eui, str) or is_eui(dev_eui)
        set_field(self, "dev_eui", dev_eui if known else canonical_eui(dev_eui))
        set_field(self, "f_port", f_port)
        set_field(self, "payload", payload)
        set_field(self, "received_at", received_at)


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


def is_well_formed(item: object) -> bool:
    """Whether an item is an input with fields of the right types. A network may give anything: the rest is counted."""
    try:
        return _is_input(item)
    except Exception:  # Attributes of a foreign object may raise anything.
        return False


def _is_input(item: object) -> bool:
    if isinstance(item, Uplink):
        numbers = type(item.f_port) is int and isinstance(item.received_at, (int, float))
        return numbers and isinstance(item.dev_eui, str) and isinstance(item.payload, (bytes, bytearray, memoryview))
    if isinstance(item, (DownlinkSent, MulticastSummary)):
        return isinstance(item.id, str) and isinstance(item.ok, bool)
    if isinstance(item, HandOver):
        return isinstance(item.id, str) and (item.f_cnt is None or _is_counter(item.f_cnt))
    return False


LONGEST_TEXT = 200


def text_of(value: object) -> str:
    """A text of the network as a journal can hold it; empty for anything else."""
    if not isinstance(value, str):
        return ""
    if value.isascii() and len(value) <= LONGEST_TEXT and "\0" not in value:
        return value  # No copy: a reference is often the ID of the request.
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")[:LONGEST_TEXT]


def _is_counter(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFFFFFF
