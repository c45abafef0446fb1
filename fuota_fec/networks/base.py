"""The port to a network server: downlinks and groups in, inputs out.

An adapter implements `Network`. It translates, retries and times out; it decides nothing. Importing this module loads
no planner and no campaign machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fuota_fec.campaign.messages import HandOver, Input, NetworkCapabilities
from fuota_fec.errors import NetworkError
from fuota_fec.radio.channels import DataRate
from fuota_fec.wire.keys import Key

__all__ = ["Downlink", "HandOver", "Input", "MulticastGroup", "Network", "NetworkCapabilities", "RefusedError"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastGroup:
    """A multicast group as a network server needs it to send. Its repr shows no key."""

    name: str
    """Unique among the groups of the server."""
    mc_addr: int
    mc_app_s_key: Key
    mc_nwk_s_key: Key
    dr: int
    frequency_hz: int
    dev_euis: tuple[str, ...]
    f_cnt: int = 0
    """Next frame counter, for a server that assigns counters and does not know the group yet."""
    device_class: str = "C"
    periodicity: int = 0
    """Class B: pingNb = 2^(7 - periodicity)."""
    gateways: tuple[str, ...] = ()
    """Identifiers of the gateways that shall send; if empty, the server chooses."""
    data_rate: DataRate | None = None
    """Modulation of `dr` in the group's region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downlink:
    """A payload for a device (`dev_eui`) or a group (`group`)."""

    id: str
    f_port: int
    payload: bytes
    not_after: float
    """Unix time after which the server drops it."""
    dev_eui: str | None = None
    replaces: str | None = None
    """Id of an earlier downlink that is to be removed from the queue, if it is still there."""
    group: str | None = None
    f_cnt: int | None = None
    """Multicast frame counter, where the campaign assigns it."""


class RefusedError(NetworkError):
    """The network server was reached, and refuses this downlink or group. It counts as present for other ones."""


class Network(Protocol):
    """A network server. Each agent has an object of its own, which returns the inputs of all devices of the server:
    agents that share an object would take each other's inputs.

    Every call may raise NetworkError; the agent repeats that call with the same arguments. While the server cannot be
    reached `poll` raises it: that time does not count in campaigns. A server that was reached and refuses a call is a
    RefusedError. Any other error, and any result that is not of the declared type, is an error of the adapter: it fails
    the call alone, and is counted.
    """

    capabilities: NetworkCapabilities

    def open_group(self, group: MulticastGroup) -> int | None:
        """Makes the group known to the server. Repeating it is harmless. Returns the next frame counter of a server
        that assigns counters, else None."""

    def submit(self, downlink: Downlink, now: float) -> HandOver:
        """Hands a downlink over to the server."""

    def withdraw(self, downlink_ids: Sequence[str], now: float) -> None:
        """Removes downlinks from the server's queues. Ids that are not there (not handed over, or sent) are ignored."""

    def poll(self, now: float) -> Sequence[Input]:
        """Returns inputs up to `now`, in order. The next call acknowledges them."""

    def reconnect(self) -> None:
        """Makes the next poll return the inputs of the last one again: a crash or a journal failure lost them."""
