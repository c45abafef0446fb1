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
    """Next frame counter, for a server that counts itself and does not know the group yet."""
    device_class: str = "C"
    periodicity: int = 0
    """Class B: pingNb = 2^(7 - periodicity)."""
    gateways: tuple[str, ...] = ()
    """Identifiers of the gateways that are to send; empty: the server chooses."""


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
    """Takes downlinks, gives uplinks and reports. A call that raises NetworkError is made again, as it was.

    Each agent has a network object of its own, which gives everything that concerns the server's devices: agents that
    share one would take each other's inputs.
    """

    capabilities: NetworkCapabilities

    def open_group(self, group: MulticastGroup) -> int | None:
        """Makes the group known to the server; again is harmless. A server that counts itself returns its next
        frame counter, another None."""

    def submit(self, downlink: Downlink, now: float) -> HandOver:
        """Hands a downlink over."""

    def withdraw(self, downlink_ids: Sequence[str], now: float) -> None:
        """Takes those of these downlinks that were handed over and have not left out of the server's queues."""

    def poll(self, now: float) -> Sequence[Input]:
        """What has come in up to `now`, in order. The next call says that this was taken note of."""

    def reconnect(self) -> None:
        """What the last poll gave was lost (a crash, a journal that failed): the next one gives it again."""
