"""Where a campaign's events are kept. The port, and the journal in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fuota_fec.campaign.messages import Event
from fuota_fec.errors import JournalError


class Journal(Protocol):
    """Append-only: a campaign's events by sequence number from 0, and its image beside them."""

    def create(self, campaign: str, image: bytes) -> None:
        """A new campaign without events. JournalError if there is one of that name."""

    def append(self, campaign: str, expected_seq: int, events: Sequence[Event]) -> None:
        """Commits events as number expected_seq, expected_seq + 1, …: all or none.

        JournalError if the campaign does not have exactly expected_seq events: somebody else wrote to it.
        """

    def events(self, campaign: str) -> Sequence[Event]:
        """All events of a campaign, in order. JournalError if there is no such campaign."""

    def image(self, campaign: str) -> bytes:
        """The image that the campaign was created with."""

    def campaigns(self) -> Sequence[str]:
        """Names of the campaigns, in the order of their creation."""


class MemoryJournal:
    """Keeps everything for as long as the process lives."""

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = {}
        self._images: dict[str, bytes] = {}

    def create(self, campaign: str, image: bytes) -> None:
        if campaign in self._events:
            raise JournalError(f"there is a campaign {campaign!r} already")
        self._events[campaign] = []
        self._images[campaign] = image

    def append(self, campaign: str, expected_seq: int, events: Sequence[Event]) -> None:
        known = self._of(campaign)
        if len(known) != expected_seq:
            raise JournalError(f"campaign {campaign!r} has {len(known)} events, expected {expected_seq}")
        known.extend(events)

    def events(self, campaign: str) -> Sequence[Event]:
        return tuple(self._of(campaign))

    def image(self, campaign: str) -> bytes:
        self._of(campaign)
        return self._images[campaign]

    def campaigns(self) -> Sequence[str]:
        return tuple(self._events)

    def _of(self, campaign: str) -> list[Event]:
        try:
            return self._events[campaign]
        except KeyError:
            raise JournalError(f"there is no campaign {campaign!r}") from None


def open_journal(url: str) -> Journal:
    """The journal of a URL; ":memory:" is the one that this version knows."""
    if url == ":memory:":
        return MemoryJournal()
    raise JournalError(f'journal {url!r} is not available, this version keeps campaigns in ":memory:" only')
