"""Hearing: whether a campaign hears its devices, or others in their place.

A list with wrong DevEUIs, or an adapter for another application, looks like devices that are silent. The uplinks of
devices that are not in the campaign tell them apart. They are no events: a network may carry very many of them.
"""

from __future__ import annotations

from collections import Counter, OrderedDict

from fuota_fec.campaign.events import FAILED
from fuota_fec.campaign.state import CampaignState
from fuota_fec.checks import counted, plainly

MOST_STRANGERS = 1000
"""Devices of no campaign that are counted; those that were heard last."""


class Strangers:
    """Uplinks of devices that are in no campaign, by DevEUI."""

    def __init__(self) -> None:
        self._heard: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """DevEUI → number of uplinks, Unix time of the last one; the last ones at the end."""

    def note(self, dev_eui: str, now: float) -> None:
        n, _ = self._heard.pop(dev_eui, (0, now))
        self._heard[dev_eui] = n + 1, now
        if len(self._heard) > MOST_STRANGERS:
            self._heard.popitem(last=False)

    def since(self, at: float) -> Counter[str]:
        """Numbers of uplinks of the devices that were heard since a Unix time."""
        return Counter({dev_eui: n for dev_eui, (n, last) in self._heard.items() if last >= at})


class Hearing:
    """Whom a campaign that began at a Unix time hears. An agent that reads the network for several campaigns shares
    its `strangers` among them."""

    def __init__(self, state: CampaignState, began: float, ignored: Counter[str]) -> None:
        self._state = state
        self._began = began
        self._ignored = ignored
        self._hears = False
        self.strangers = Strangers()

    def note(self, dev_eui: str, now: float) -> None:
        """Counts an uplink of a device that is not in the campaign."""
        self._ignored["device not in the campaign"] += 1
        self.strangers.note(dev_eui, now)

    def instead(self) -> str:
        """Whom the campaign hears in place of its devices; "" in silence, and once one of them was heard."""
        self._hears = self._hears or any(device.ever_heard for device in self._state.devices.values())
        if self._hears or not (found := self.strangers.since(self._began)):
            return ""
        heard = f"0 of {counted(len(self._state.devices), 'device')} heard"
        devices = counted(len(found), "unknown device") if len(found) < MOST_STRANGERS else "very many unknown devices"
        most, n_most = found.most_common(1)[0]
        return f"{heard}; {counted(found.total(), 'uplink')} of {devices}, the most frequent {plainly(most)} ({n_most})"

    def explained(self, status: str, reason: str) -> str:
        """The reason for the end of a campaign; if it failed, with `instead`."""
        instead = self.instead() if status == FAILED else ""
        return f"{reason}; {instead}" if instead else reason
