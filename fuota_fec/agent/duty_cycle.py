"""The account of duty cycle in the sub-bands that an agent sends in."""

from __future__ import annotations

from typing import NamedTuple

from fuota_fec.campaign.config import Group
from fuota_fec.campaign.plan import share_air


class _Use(NamedTuple):
    """Period (Unix time) in which a frame uses up the duty cycle of its sub-band."""

    since: float
    until: float
    request_id: str


class DutyCycle:
    """Last multicast frame of each group. Groups that send over the same gateways in one sub-band share its duty cycle,
    whatever campaign they belong to."""

    def __init__(self) -> None:
        self._last: dict[Group, _Use] = {}

    def spend(self, group: Group, now: float, pause: float, request_id: str) -> None:
        """Enters a frame that is handed over now: its sub-band is free again after `pause` seconds."""
        self._last = {other: use for other, use in self._last.items() if use.until > now}
        self._last[group] = _Use(now, now + pause, request_id)

    def refund(self, request_id: str) -> None:
        """Removes a frame that did not leave."""
        self._last = {group: use for group, use in self._last.items() if use.request_id != request_id}

    def free_at(self, group: Group, now: float) -> float:
        """Unix time from which a frame of this group may be sent. Entries later than `now` (the clock went back) do not
        count."""
        uses = (use for other, use in self._last.items() if use.since <= now and share_air(group, other))
        return max((use.until for use in uses), default=float("-inf"))
