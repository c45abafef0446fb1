"""Campaigns that an agent runs, and the ones that a turn concerns: its cost does not grow with the number of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import count

from fuota_fec.agent.inputs import well_formed
from fuota_fec.agent.running import RunningCampaign
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.hearing import Strangers
from fuota_fec.campaign.messages import Input, Uplink

_MOST_STALE = 1024
"""Entries of the heap out of date, beside as many as there are campaigns, after which it is made again."""


class Agenda:
    """Running campaigns by name, in the order in which they were added.

    A turn concerns those that are due or were touched in it, and those that wait for something that no time is known
    of.
    """

    def __init__(self) -> None:
        self._running: dict[str, RunningCampaign] = {}
        self._owner: dict[str, str] = {}
        """Campaign by DevEUI, of campaigns that run or are suspended: claims are exclusive."""
        self._devices: dict[str, Sequence[Device]] = {}
        self._numbers: dict[str, int] = {}
        self._count = count()
        self._touched: set[str] = set()
        self._each_turn: set[str] = set()
        self._concerned: list[RunningCampaign] | None = None
        """Those of both, in order; None if one has changed. A list that was handed out stays as it is."""
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """Entries that are not in `_due` are out of date."""
        self._now = float("-inf")
        self.strangers = Strangers()
        """Devices of no campaign, as all campaigns hear them."""

    # ---- campaigns ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, name: object) -> bool:
        return name in self._running

    def __iter__(self) -> Iterator[RunningCampaign]:
        """All of them; the agenda may change meanwhile."""
        return iter(list(self._running.values()))

    def get(self, name: str) -> RunningCampaign | None:
        return self._running.get(name)

    def owner(self, dev_eui: str) -> str | None:
        """Campaign with this device that runs, or is suspended."""
        return self._owner.get(dev_eui)

    def note_stranger(self, item: Input, now: float) -> None:
        """Notes an uplink of a device that no campaign has."""
        if isinstance(item, Uplink):
            self.strangers.note(item.dev_eui, now)

    def add(self, running: RunningCampaign) -> None:
        name = running.campaign.id
        self._running[name] = running
        self._numbers[name] = next(self._count)
        self.claim(running.campaign)
        self._touched.add(name)
        self._concerned = None

    def claim(self, campaign: Campaign) -> None:
        """Makes the campaign the owner of its devices, also before it runs."""
        if campaign.id not in self._devices:
            self._devices[campaign.id] = campaign.config.devices
            self._owner.update((device.dev_eui, campaign.id) for device in campaign.config.devices)

    def remove(self, name: str) -> None:
        """Removes a campaign that is suspended; uplinks of its devices are still its own."""
        self._concerned = None
        self._touched.discard(name)
        self._each_turn.discard(name)
        self._due.pop(name, None)
        self._numbers.pop(name, None)
        self._running.pop(name, None)

    def forget(self, name: str) -> None:
        """Removes a campaign, running or suspended, for good."""
        self.remove(name)
        for device in self._devices.pop(name, ()):
            if self._owner.get(device.dev_eui) == name:
                del self._owner[device.dev_eui]

    # ---- a turn ------------------------------------------------------------------------------------------

    def touch(self, name: str) -> None:
        """The turn concerns this campaign."""
        if name in self._running and name not in self._touched:
            self._touched.add(name)
            self._concerned = None

    def touch_all(self) -> None:
        """The turn concerns all campaigns."""
        self._touched.update(self._running)
        self._concerned = None

    def begin(self, now: float) -> None:
        """The turn concerns the campaigns that are due, and all of them if the clock went back."""
        if now < self._now:
            self.touch_all()
        self._now = now
        while self._heap and self._heap[0][0] <= now:
            at, name = heappop(self._heap)
            if self._due.get(name) == at:
                self._touched.add(name)
                self._concerned = None

    def at_rest(self, item: Input) -> RunningCampaign | None:
        """Between two turns: the campaign of an uplink, unless the next turn concerns a campaign for another reason."""
        if self._touched or self._each_turn or not isinstance(item, Uplink) or well_formed(item) is not item:
            return None
        return self._running.get(self._owner.get(item.dev_eui, ""))

    def concerned(self) -> list[RunningCampaign]:
        """Campaigns that the turn concerns, in order. The agenda may change while they are gone through."""
        if self._concerned is None:
            names: Iterable[str] = self._touched | self._each_turn if self._each_turn else self._touched
            if len(self._touched) + len(self._each_turn) > 1:
                names = sorted(names, key=self._numbers.__getitem__)
            self._concerned = [self._running[name] for name in names]
        return self._concerned

    def end(self, now: float) -> float | None:
        """Ends the turn. Returns when the next one is due."""
        for running in self.concerned():
            name = running.campaign.id
            (self._each_turn.add if running.watches(now) else self._each_turn.discard)(name)
            due = running.due(now)
            if due is None:
                self._due.pop(name, None)
            elif self._due.get(name) != due or due <= self._now:
                self._due[name] = due
                heappush(self._heap, (due, name))
        self._touched.clear()
        self._concerned = None
        if len(self._heap) > 2 * len(self._due) + _MOST_STALE:
            self._heap = [(due, name) for name, due in self._due.items()]
            heapify(self._heap)
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None
