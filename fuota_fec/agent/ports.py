"""The agent's ports to foreign code: each method of a network, a key ring, an observer and a journal is called here and
nowhere else. Whatever it raises becomes an error of this library, which the caller attributes to one campaign, device
or downlink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import ParamSpec, TypeVar

from fuota_fec.agent.faults import Faults, describe
from fuota_fec.agent.inputs import valid_f_cnt, well_formed
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, KeyRing
from fuota_fec.campaign.messages import Event, Fact, HandOver, Input, Known, NetworkCapabilities
from fuota_fec.checks import shown
from fuota_fec.errors import CampaignError, JournalError, NetworkError, ParameterError
from fuota_fec.journal.base import Append, CampaignRecord, Claim, FenceError, Journal, Lease, Order
from fuota_fec.networks.base import Downlink, MulticastGroup, Network
from fuota_fec.wire.keys import Key

Observer = Callable[[Campaign, Event], None]

MALFORMED = "malformed input"
"""Place under which inputs that no campaign can read are counted."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class BrokenAdapterError(NetworkError):
    """An adapter raised what no network server causes: an error of the adapter, not an outage."""


class NoKeyError(ParameterError):
    """A key cannot be had. `definite`: the ring has no usable key of that name; otherwise it could not be asked."""

    def __init__(self, message: str, *, definite: bool) -> None:
        super().__init__(message)
        self.definite = definite


# ---- the network -----------------------------------------------------------------------------------------


class NetworkPort:
    """A network that raises nothing but NetworkError, and returns nothing but well-formed values."""

    def __init__(self, network: Network, faults: Faults) -> None:
        self._network = network
        self._faults = faults

    @property
    def capabilities(self) -> NetworkCapabilities:
        return self._call("capabilities", "", lambda: self._network.capabilities)

    def open_group(self, campaign: str, group: MulticastGroup) -> int | None:
        f_cnt = self._call("open_group", campaign, self._network.open_group, group)
        if not valid_f_cnt(f_cnt):
            raise self._broken("open_group", campaign, f"{f_cnt!r}, expected a frame counter or None")
        return f_cnt

    def submit(self, campaign: str, downlink: Downlink, now: float) -> HandOver:
        target = downlink.dev_eui or downlink.group or ""
        result = self._call("submit", campaign, self._network.submit, downlink, now, target=target)
        if well_formed(result) is None or not isinstance(result, HandOver):
            what = f"a value of type {type(result).__name__}, expected a HandOver"
            raise self._broken("submit", campaign, what, target)
        return result

    def drop(self, campaign: str, target: str) -> None:
        """Ends the errors of a hand-over that is no longer needed."""
        self._faults.over("network.submit", campaign, target)

    def withdraw(self, campaign: str, downlink_ids: Sequence[str], now: float) -> None:
        self._call("withdraw", campaign, self._network.withdraw, downlink_ids, now)

    def poll(self, now: float) -> list[Input]:
        """Inputs of the network. Those that no campaign can read are counted."""
        inputs = []
        for item in self._call("poll", "", self._items, now):
            checked = well_formed(item)
            if checked is None:
                self._faults.failed(MALFORMED, "", TypeError(type(item).__name__), _malformed(item))
            else:
                inputs.append(checked)
        return inputs

    def _items(self, now: float) -> Sequence[object]:
        items = self._network.poll(now)
        return items if isinstance(items, list) else tuple(items or ())

    def reconnect(self, campaign: str) -> None:
        self._call("reconnect", campaign, self._network.reconnect)

    def _call(self, method: str, campaign: str, function: Callable[..., _T], *args: object, target: str = "") -> _T:
        try:
            result = function(*args)
        except Exception as error:
            place = f"network.{method}"
            about = f"campaign {campaign}: {_FAILURES[method]}" if campaign else _FAILURES[method]
            text = f"{about}: {describe(error)}"
            self._faults.failed(place, campaign, error, text, target)
            if isinstance(error, NetworkError):
                raise
            # Errors of connections are an outage; anything else is an error of the adapter.
            kind = NetworkError if isinstance(error, OSError) else BrokenAdapterError
            raise kind(describe(error)) from error
        if self._faults:
            self._faults.over(f"network.{method}", campaign, target)
        return result

    def _broken(self, method: str, campaign: str, what: str, target: str = "") -> BrokenAdapterError:
        error = BrokenAdapterError(f"network.{method} returned {what}")
        self._faults.failed(f"network.{method}", campaign, error, f"campaign {campaign}: {error}", target)
        return error


_FAILURES = {
    "capabilities": "cannot read the capabilities of the network",
    "open_group": "group not opened",
    "submit": "hand-over failed, to be tried again",
    "withdraw": "withdrawal failed, to be tried again",
    "poll": "cannot read from the network",
    "reconnect": "cannot read from the network again",
}


def _malformed(item: object) -> str:
    return f"network: an input of type {type(item).__name__} is malformed and not counted as heard"


# ---- keys ------------------------------------------------------------------------------------------------


class KeyPort:
    """A key ring that raises nothing but NoKeyError, and returns nothing but keys. Neither errors nor the log show the
    text of a foreign error, which may be part of a key; only of connections that failed."""

    def __init__(self, key_ring: KeyRing, faults: Faults) -> None:
        self._ring = key_ring
        self._faults = faults

    def root_key(self, name: str) -> Key:
        return self._read("root_key", "root key", self._ring.root_key, name)

    def mc_key(self, name: str) -> Key:
        return self._read("mc_key", "multicast key", self._ring.mc_key, name)

    def _read(self, method: str, kind: str, read: Callable[[str], object], name: str) -> Key:
        place = f"keys.{method}"
        key: object = None
        try:
            key = read(name)
        except ParameterError as error:
            failed = self._failed(place, name, error, str(error), definite=True)
        except Exception as error:
            why = describe(error) if isinstance(error, OSError) else type(error).__name__
            failed = self._failed(place, name, error, f"key ring: {kind} {shown(name)} cannot be read: {why}")
        else:
            if isinstance(key, Key):
                self._faults.over(place, name)
                return key
            text = f"key ring: {kind} {shown(name)} is {_shown(key)}, expected a Key"
            failed = self._failed(place, name, ParameterError(), text, definite=True)
        del key  # It may be the text of a key. The error of the ring is not this one's context for the same reason.
        raise failed

    def _failed(self, place: str, name: str, error: Exception, text: str, *, definite: bool = False) -> NoKeyError:
        self._faults.failed(place, name, error, text)
        return NoKeyError(text, definite=definite)


def _shown(value: object) -> str:
    """A value by its type and length. Its text may be a key."""
    length = f" and length {len(value)}" if isinstance(value, (bytes, bytearray, str)) else ""
    return f"a value of type {type(value).__name__}{length}"


# ---- the observer ----------------------------------------------------------------------------------------


class ObserverPort:
    """An observer that raises nothing."""

    def __init__(self, observer: Observer | None, faults: Faults) -> None:
        self._observer = observer
        self._faults = faults

    def __call__(self, campaign: Campaign, events: Iterable[Event]) -> None:
        """Reports committed events, one by one. Each is reported, also after an error."""
        if self._observer is None:
            return
        for event in events:
            try:
                self._observer(campaign, event)
            except Exception as error:
                text = f"campaign {campaign.id}: observer failed: {describe(error)}"
                self._faults.failed("observer", campaign.id, error, text)
            else:
                self._faults.over("observer", campaign.id)


# ---- the journal -----------------------------------------------------------------------------------------


class LeasePort:
    """A lease that raises nothing but JournalError."""

    def __init__(self, lease: Lease, journal: JournalPort, campaign: str) -> None:
        self._lease = lease
        self._journal = journal
        self._campaign = campaign

    def left(self) -> float:
        return self._journal.call("lease.left", self._campaign, self._lease.left)

    def renew(self) -> bool:
        return self._journal.call("lease.renew", self._campaign, self._lease.renew)

    def release(self) -> None:
        self._journal.call("lease.release", self._campaign, self._lease.release)


class JournalPort:
    """A journal that raises nothing but errors of this library: JournalError where its driver fails."""

    def __init__(self, journal: Journal, faults: Faults) -> None:
        self._journal = journal
        self._faults = faults

    def create(
        self,
        campaign: str,
        image: bytes,
        events: Sequence[Event],
        *,
        facts: Sequence[Fact],
        devices: Sequence[str],
        groups: Sequence[str],
        network: str,
    ) -> None:
        create = self._journal.create
        try:
            self.call(
                "create",
                "",
                create,
                campaign,
                image,
                events,
                facts=facts,
                devices=devices,
                groups=groups,
                network=network,
            )
        except JournalError:
            self._faults.over("journal.create")  # The caller of `launch` gets it.
            raise

    def holders(self, devices: Sequence[str], groups: Sequence[str]) -> Mapping[Claim, str]:
        return self.call("holders", "", self._journal.holders, devices, groups)

    def append_all(self, appends: Sequence[Append]) -> None:
        self.call("append_all", "", self._journal.append_all, appends)

    def events(self, campaign: str, n: int) -> Iterator[list[Event]]:
        """The events in portions of `n`."""
        events = self.call("events", campaign, lambda: iter(self._journal.events(campaign)))
        while portion := self.call("events", campaign, lambda: list(islice(events, n))):
            yield portion

    def image(self, campaign: str) -> bytes:
        return self.call("image", campaign, self._journal.image, campaign)

    def network(self, campaign: str) -> str:
        return self.call("network", campaign, self._journal.network, campaign)

    def campaigns(self) -> Sequence[str]:
        return self.call("campaigns", "", self._journal.campaigns)

    def list(self) -> Sequence[CampaignRecord]:
        return self.call("list", "", self._journal.list)

    def known(self, config: CampaignConfig) -> Known:
        return self.call("known", "", self._journal.known, config)

    def orders(self) -> Sequence[Order]:
        return self.call("orders", "", self._journal.orders)

    def lease(self, campaign: str, owner: str, ttl: float) -> LeasePort | None:
        lease = self.call("lease", campaign, self._journal.lease, campaign, owner, ttl)
        return LeasePort(lease, self, campaign) if lease is not None else None

    def call(self, method: str, campaign: str, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            result = function(*args, **kwargs)
        except FenceError:
            raise  # Not a fault: another agent runs the campaign.
        except JournalError as error:
            self._faults.failed(f"journal.{method}", campaign, error, f"journal: {method} failed: {error}")
            raise
        except Exception as error:
            if isinstance(error, CampaignError) and method == "create":
                raise  # Its devices are in another campaign.
            self._faults.failed(f"journal.{method}", campaign, error, f"journal: {method} failed: {describe(error)}")
            raise JournalError(f"{method}: {describe(error)}") from error
        if self._faults:
            self._faults.over(f"journal.{method}", campaign)
        return result
