"""The port to a network server: what an agent needs of one, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fuota_fec.campaign.messages import HandOver, Input, NetworkCapabilities
from fuota_fec.wire.keys import Key

__all__ = ["Downlink", "MulticastGroup", "Network", "NetworkCapabilities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastGroup:
    """What a server must know of a multicast group to send to it. Keys show in no repr."""

    name: str
    """Unique among all that the server is told of."""
    mc_addr: int
    mc_app_s_key: Key
    mc_nwk_s_key: Key
    dr: int
    frequency_hz: int
    dev_euis: tuple[str, ...]
    f_cnt: int = 0
    """Next frame counter, for a server that counts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downlink:
    """A payload for a device (`dev_eui`) or a group (`group`).

    `f_cnt` is the multicast counter where the campaign owns it. The server drops it after `not_after` (Unix time).
    A resend `replaces` an earlier downlink: if that is still queued it is taken out.
    """

    id: str
    f_port: int
    payload: bytes
    not_after: float
    dev_eui: str | None = None
    replaces: str | None = None
    group: str | None = None
    f_cnt: int | None = None


class Network(Protocol):
    """Takes downlinks, gives uplinks and reports. A call that raises NetworkError is made again, as it was."""

    capabilities: NetworkCapabilities

    def open_group(self, group: MulticastGroup) -> None:
        """Makes the group known to the server; again is harmless."""

    def submit(self, downlink: Downlink, now: float) -> HandOver:
        """Hands a downlink over."""

    def poll(self, now: float) -> Sequence[Input]:
        """What has come in since the last call, up to `now`, in order."""
