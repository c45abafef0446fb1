"""Hearing: whether a campaign hears its devices, or others in their place.

A list with wrong DevEUIs, or an adapter for another application, looks like devices that are silent. The uplinks of
devices that are not in the campaign tell them apart. They are no events: a network may carry very many of them.
"""

from __future__ import annotations

from collections import Counter

from fuota_fec.campaign.events import FAILED
from fuota_fec.campaign.state import CampaignState
from fuota_fec.checks import counted, plainly

MOST_STRANGERS = 1000
"""Devices that are not in the campaign and are counted one by one."""
UNKNOWN = "device not in the campaign"
"""Kind under which their uplinks are counted among the ignored inputs."""


class Hearing:
    """Uplinks of devices that are not in the campaign, since this object was made."""

    def __init__(self, state: CampaignState, ignored: Counter[str]) -> None:
        self._state = state
        self._ignored = ignored
        self._strangers: Counter[str] = Counter()
        self._hears = False

    def note(self, dev_eui: str) -> None:
        """Counts an uplink of a device that is not in the campaign."""
        self._ignored[UNKNOWN] += 1
        if dev_eui in self._strangers or len(self._strangers) < MOST_STRANGERS:
            self._strangers[dev_eui] += 1

    def instead(self) -> str:
        """Whom the campaign hears in place of its devices; "" in silence, and once one of them was heard."""
        if not self._strangers:
            return ""
        self._hears = self._hears or any(device.ever_heard for device in self._state.devices.values())
        if self._hears:
            return ""
        heard = f"0 of {counted(len(self._state.devices), 'device')} heard"
        n = len(self._strangers)
        devices = "1 unknown device" if n == 1 else f"{n}{' or more' if n == MOST_STRANGERS else ''} unknown devices"
        most, n_most = self._strangers.most_common(1)[0]
        uplinks = counted(self._ignored[UNKNOWN], "uplink")
        return f"{heard}; {uplinks} of {devices}, the most frequent {plainly(most)} ({n_most})"

    def explained(self, status: str, reason: str) -> str:
        """The reason for the end of a campaign; if it failed, with `instead`."""
        instead = self.instead() if status == FAILED else ""
        return f"{reason}; {instead}" if instead else reason
