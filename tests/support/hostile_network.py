"""A network server, a journal and a key ring that fail, lie and forget; and the death of the process that uses them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import KeyRing
from fuota_fec.errors import JournalError, NetworkError
from fuota_fec.journal import Append, MemoryJournal
from fuota_fec.networks.base import Downlink, MulticastGroup, RefusedError
from fuota_fec.wire.keys import Key

NETWORK_TRAITS = (
    "refuses now and then",
    "takes what it refuses",  # the downlink is in its queue, and the call raised
    "refuses one device",
    "raises other errors",
    "loses downlinks",
    "reports late",
    "reports are lost",
    "reports twice",
    "reports falsely",
    "reports on what was never sent",
    "does not withdraw",
    "cannot be read",
    "is away",
    "gives garbage",
)


class KilledError(BaseException):
    """The process dies here."""


@dataclass
class Outage:
    """Times in which calls fail."""

    until: float = 0.0

    def on(self, now: float) -> bool:
        return now < self.until


class HostileNetwork:
    """A server with a queue for each device. What it does is true, what it reports need not be."""

    def __init__(
        self,
        capabilities: m.NetworkCapabilities,
        traits: frozenset[str],
        rng: Callable[[str], random.Random],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self.capabilities, self.traits, self._rng, self._later = capabilities, traits, rng, later
        self.inbox: list[Any] = []
        self.given: list[Any] = []
        self.queues: dict[str, list[Downlink]] = {}
        self.counters: dict[str, int] = {}
        self.away, self.deaf = Outage(), Outage()
        self.failing = False
        """Whether the last hand-over failed."""
        self.refused_device: str | None = None
        self.taken: Callable[[Downlink, int | None, float, bool], None] = lambda *_: None
        self.polled: Callable[[Sequence[Any], float], None] = lambda *_: None
        self.on_air: Callable[[Downlink], None] = lambda *_: None
        self.dies: Callable[[str], None] = lambda *_: None
        self.now = 0.0
        self.lied_about: set[str] = set()
        """Requests with a report that the server had no reason for, or that it has though it refused them."""

    def has(self, trait: str, share: float = 1.0) -> bool:
        return trait in self.traits and (share >= 1 or self._rng(trait).random() < share)

    # ---- the port ----------------------------------------------------------------------------------------

    def open_group(self, group: MulticastGroup) -> int | None:
        if self.away.on(self.now):
            raise NetworkError("away")
        if not self.capabilities.owns_f_cnt:
            return None
        return self.counters.setdefault(group.name, group.f_cnt)

    def submit(self, downlink: Downlink, now: float) -> m.HandOver:
        self.dies("before a hand-over")
        try:
            self._may_fail(downlink, now)
        except NetworkError as error:
            self.failing = not isinstance(error, RefusedError)
            if self.has("takes what it refuses", 0.5):
                self._take(downlink, now, told=False)
                if not self.capabilities.withdraws:
                    self.lied_about.add(downlink.id)  # Nobody can know that it waits, or remove it.
            raise
        f_cnt = self._take(downlink, now)
        self.failing = False
        self.dies("after a hand-over")
        return m.HandOver(id=downlink.id, reference=downlink.id, f_cnt=f_cnt)

    def _may_fail(self, downlink: Downlink, now: float) -> None:
        if self.away.on(now):
            raise NetworkError("away")
        if downlink.dev_eui is not None and downlink.dev_eui == self.refused_device:
            raise RefusedError("not this device")
        if self.has("refuses now and then", 0.15):
            raise NetworkError("refused")
        if self.has("raises other errors", 0.05):
            raise ValueError("an adapter that fails")

    def _take(self, downlink: Downlink, now: float, *, told: bool = True) -> int | None:
        f_cnt = downlink.f_cnt
        if downlink.group is not None and self.capabilities.owns_f_cnt:
            f_cnt = self.counters[downlink.group]
            self.counters[downlink.group] += 1
        if downlink.dev_eui is not None:
            queue = self.queues.setdefault(downlink.dev_eui, [])
            gone = {downlink.id, downlink.replaces if self.capabilities.withdraws else None}
            queue[:] = [q for q in queue if q.id not in gone and now < q.not_after]
            self.taken(downlink, f_cnt, now, told)
            queue.append(downlink)
        else:
            self.taken(downlink, f_cnt, now, told)
            if not self.has("loses downlinks", 0.2):
                self.on_air(downlink)
                self._report(m.MulticastSummary, downlink.id, True)
            else:
                self._report(m.MulticastSummary, downlink.id, False)
        return f_cnt

    def withdraw(self, downlink_ids: Sequence[str], now: float) -> None:
        if self.away.on(now) or self.has("does not withdraw"):
            raise NetworkError("not withdrawn")
        for queue in self.queues.values():
            queue[:] = [q for q in queue if q.id not in downlink_ids]

    def poll(self, now: float) -> Sequence[Any]:
        if self.away.on(now) or self.deaf.on(now):
            raise NetworkError("no connection")
        self.given, self.inbox = self.inbox, []
        self.polled(self.given, now)
        self.dies("after a poll")
        return self.given

    def reconnect(self) -> None:
        self.inbox, self.given = [*self.given, *self.inbox], []

    # ---- the air, and reports ----------------------------------------------------------------------------

    def window(self, dev_eui: str, now: float) -> Downlink | None:
        """The downlink that leaves in the receive window of a device."""
        queue = self.queues.get(dev_eui, [])
        while queue:
            queued = queue.pop(0)
            if now >= queued.not_after:
                continue
            lost = self.has("loses downlinks", 0.2)
            self._report(m.DownlinkSent, queued.id, not lost)
            return None if lost else queued
        return None

    def _report(self, kind: Any, downlink_id: str, ok: bool) -> None:
        unicast = kind is m.DownlinkSent
        if not (self.capabilities.sent_reports if unicast else self.capabilities.summaries):
            return
        if self.has("reports are lost", 0.3):
            return
        if self.has("reports falsely", 0.2):
            ok = not ok
        rng = self._rng("reports")
        delay = rng.uniform(0, 2 if unicast else 1.5 * self.capabilities.summary_cadence)
        if self.has("reports late", 0.4):
            delay = rng.uniform(0, 600)
        for _ in range(1 + rng.randrange(3) * self.has("reports twice")):
            self._later(delay, lambda: self.inbox.append(kind(downlink_id, ok, "" if ok else "lost")))
            delay += rng.uniform(0, 50)

    def mischief(self, campaign: str, ids: Sequence[str]) -> None:
        """Puts something into the inbox that nobody expects."""
        rng = self._rng("mischief")
        if self.has("gives garbage", 0.3):
            self.inbox.append(rng.choice(_GARBAGE))
        if self.has("reports on what was never sent", 0.3):
            some = rng.choice([f"{campaign}/{rng.randrange(60)}", campaign, "", "x/1", *ids[-3:]])
            kind: Any = rng.choice((m.DownlinkSent, m.MulticastSummary))
            self.inbox.append(kind(some, rng.random() < 0.5))
            self.lied_about.add(some)
        if self.has("reports falsely", 0.02) and ids:
            self.lied_about.add(ids[-1])
            self.inbox.append(m.DownlinkSent(ids[-1], False, "false"))


_NOTHING: Any = None
_GARBAGE: tuple[Any, ...] = (
    None,
    5,
    "uplink",
    object(),
    m.Uplink("0000000000000001", _NOTHING, b"", 0.0),
    m.Uplink("0000000000000001", 200, _NOTHING, 1e9),
    m.Uplink("0000000000000001", 200, b"\x04\x00", float("nan")),
    m.Uplink("0000000000000001", 200, b"\x04\x00", float("inf")),
    m.Uplink("0000000000000001", 10**9, bytes(5000), 1e300),
    m.Uplink("", -1, b"", -1.0),
    m.DownlinkSent(_NOTHING, True),
    m.DownlinkSent("c/1", _NOTHING),
    m.MulticastSummary("c/1", _NOTHING),
    m.HandOver(id="c/1", f_cnt=-1),
    m.HandOver(id="c/1", f_cnt=2**40),
)


class HostileJournal(MemoryJournal):
    """A journal whose commits fail, before or after they are done."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Callable[[], bool] = lambda: False
        self.fails_after: Callable[[], bool] = lambda: False
        self.dies: Callable[[str], None] = lambda *_: None
        self.failed = False

    def append_all(self, appends: Sequence[Append]) -> None:
        self.dies("before a commit")
        if self.fails():
            self.failed = True
            raise JournalError("disk full")
        super().append_all(appends)
        if self.fails_after():
            self.failed = True
            raise JournalError("connection lost")
        self.dies("after a commit")

    def events(self, campaign: str, start: int = 0) -> Sequence[m.Event]:
        return super().events(campaign, start)

    def orders(self) -> Sequence[Any]:
        if self.fails():
            self.failed = True
            raise OSError("no connection")
        return super().orders()


class HostileKeys:
    """A key ring that cannot be read now and then."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self.fails: Callable[[], bool] = lambda: False

    def root_key(self, name: str) -> Key:
        return self._read(self._ring.root_key, name)

    def mc_key(self, name: str) -> Key:
        return self._read(self._ring.mc_key, name)

    def _read(self, read: Callable[[str], Key], name: str) -> Key:
        if self.fails():
            raise ConnectionError("no connection to the key ring")
        return read(name)
