"""Chained digests: the digest of an event is a SHA-256 over the digest before it, and its own number and text.

The chain of a campaign begins at the event `chained_from`: 0, or a later one where an earlier version of this library
wrote the events before. It covers those too: the first digest is computed over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from fuota_fec.campaign.messages import Event, decode
from fuota_fec.errors import EventError, MissingExtraError
from fuota_fec.journal.blocks import line_of


class StoredEvent(NamedTuple):
    """An event as a journal stores it."""

    number: int
    type: str
    version: int
    data: str
    """Its fields as JSON, to the byte."""
    digest: str | None
    """Chained digest as 64 hexadecimal digits; None before the chain begins."""


def first_digest(campaign: str, chained_from: int) -> str:
    """Digest that stands before event 0. It binds the chain to its campaign, and to where its digests begin."""
    return sha256(f"{chained_from} {campaign}".encode("utf-8", "surrogatepass")).hexdigest()


def next_digest(previous: str, number: int, kind: str, version: int, data: str) -> str:
    return sha256(f"{previous} {number} {line_of(version, kind, data)}".encode()).hexdigest()


class Chain:
    """Check of a campaign's events against their digests. Events come in order, from number 0 or after `previous`."""

    def __init__(self, campaign: str, chained_from: int | None, previous: str | None = None) -> None:
        self._campaign = campaign
        self._chained_from = chained_from
        if previous is None and chained_from is not None:
            previous = first_digest(campaign, chained_from)
        self.last = previous
        """Digest of the event before the next one; None if the campaign is not chained."""

    def check(self, first: int, events: Iterable[Sequence[Any]]) -> None:
        """Checks StoredEvents, or rows of their fields, whose numbers begin with `first`.

        EventError at an event that is not the one that was written.
        """
        last, chained_from = self.last, self._chained_from
        for expected_number, (number, kind, version, data, digest) in enumerate(events, first):
            expected = None
            if last is not None and chained_from is not None:
                try:
                    last = next_digest(last, number, kind, version, data)
                except (TypeError, ValueError):  # SQLite keeps values of any type in any column.
                    raise changed_error(self._campaign, expected_number) from None
                if expected_number >= chained_from:
                    expected = last
            if digest != expected or number != expected_number:
                covers_others = expected_number == chained_from and chained_from > 0
                raise changed_error(self._campaign, expected_number, covers_others=covers_others)
        self.last = last

    def check_block(self, first: int, lines: Sequence[tuple[str, str]], digest: object) -> Sequence[str]:
        """Checks the marks and lines of a block's events from number `first` on, and the digest of the last one.
        Returns the digest of each.

        EventError at an event that is not the one that was written.
        """
        last = self.last
        digests = []
        number = first
        for number, (mark, line) in enumerate(lines, first):
            last = sha256(f"{last} {number} {line}".encode()).hexdigest()
            if not last.startswith(mark):
                raise changed_error(self._campaign, number)
            digests.append(last)
        if last != digest or self.last is None:
            raise changed_error(self._campaign, number)
        self.last = last
        return digests


def chained_from(events: Iterable[StoredEvent]) -> int | None:
    """Number of the first event with a digest."""
    return next((event.number for event in events if event.digest is not None), None)


def read_events(campaign: str, events: Iterable[Sequence[Any]]) -> Iterator[Event]:
    """The events of StoredEvents, or of rows of their fields.

    EventError for one that cannot be read, also because a later version wrote it.
    """
    for number, kind, version, data, _ in events:
        try:
            event = decode(kind, version, data)
        except MissingExtraError:
            raise
        except Exception as error:
            text = f"campaign {campaign!r}: event {number}: {error}"
            raise EventError(text, campaign=campaign, number=number) from error
        yield event


def changed_error(campaign: str, number: int, *, covers_others: bool = False, until: int | None = None) -> EventError:
    """Error of an event; of one of those from `number` to `until`, whose digest covers them all."""
    event = f"event {number}"
    if covers_others:
        event += ", or one of those before it, which have no digest,"
    elif until is not None and until > number:
        event += f", or one of those up to {until},"
    text = f"campaign {campaign!r}: {event} is not the one that was written"
    return EventError(text, campaign=campaign, number=number)


def missing_error(campaign: str, number: int) -> EventError:
    return EventError(f"campaign {campaign!r}: event {number} is missing", campaign=campaign, number=number)


def image_error(campaign: str) -> EventError:
    text = f"campaign {campaign!r}: the image is not the one that event 0 names"
    return EventError(text, campaign=campaign, number=0)
