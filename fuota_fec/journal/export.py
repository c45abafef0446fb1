"""One campaign as a file of JSON lines, which can be checked without its journal.

The first line is the header: `format`, `version`, `campaign`, `n_events`, `chained_from` (number of the first event
with a digest, or null), `image_sha256` (hexadecimal) and `image` (base64). A line per event follows: `number`, `type`,
`version`, `data` (its fields as JSON, in a string: the digest is over these characters) and `digest`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fuota_fec.checks import shown
from fuota_fec.errors import JournalError
from fuota_fec.journal.chain import Chain, StoredEvent, chained_from, changed_error, image_error, missing_error

FORMAT = "fuota-fec campaign"
VERSION = 1
"""Version of the file format. A file of a later version is not read."""

KINDS: Mapping[str, Any] = {
    "campaign": str,
    "n_events": int,
    "chained_from": int | None,
    "image_sha256": str,
    "image": str,
}
"""Fields of the header and their types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A campaign of a file, checked against its digests."""

    campaign: str
    image: bytes
    events: Sequence[StoredEvent]


def write_export(campaign: str, image: bytes, events: Iterable[StoredEvent]) -> bytes:
    """The file of a campaign."""
    events = list(events)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "campaign": campaign,
        "n_events": len(events),
        "chained_from": chained_from(events),
        "image_sha256": sha256(image).hexdigest(),
        "image": base64.b64encode(image).decode(),
    }
    lines = (json.dumps(line, ensure_ascii=False) for line in (header, *(event._asdict() for event in events)))
    return "".join(line + "\n" for line in lines).encode()


def read_export(data: bytes) -> Exported:
    """The campaign of a file.

    JournalError if it is no export, EventError for an event that is missing or not the one that was written.
    """
    first, *lines = data.removesuffix(b"\n").split(b"\n")
    header = _header(first)
    campaign, n_events = header["campaign"], header["n_events"]
    image = _image(header)
    chain = Chain(campaign, header["chained_from"])
    events = []
    for number, line in enumerate(lines):
        event = _event(line) if number < n_events else None
        if event is None:
            raise changed_error(campaign, number)
        chain.check(number, [event])
        events.append(event)
    if len(events) != n_events:
        raise missing_error(campaign, len(events))
    return Exported(campaign=campaign, image=image, events=events)


def _event(line: bytes) -> StoredEvent | None:
    """The event of a line; None if the line holds none."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.keys() != set(StoredEvent._fields):
        return None
    return StoredEvent(**fields)


def _header(line: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise JournalError(f'the file is no export of a campaign, expected a first line with "format": "{FORMAT}"')
    if header.get("version") != VERSION:
        raise JournalError(f"the file has version {shown(header.get('version'))} of the format, expected {VERSION}")
    if not header.keys() >= KINDS.keys():
        raise JournalError(f"the first line of the file lacks {', '.join(sorted(KINDS.keys() - header.keys()))}")
    for name, kind in KINDS.items():
        if not isinstance(header[name], kind):
            raise JournalError(f"the first line of the file: {name} is not usable: {shown(header[name])}")
    return header


def _image(header: Mapping[str, Any]) -> bytes:
    """EventError if it is not the image of event 0."""
    campaign = header["campaign"]
    try:
        image = base64.b64decode(header["image"], validate=True)
    except ValueError:
        raise image_error(campaign) from None
    if sha256(image).hexdigest() != header["image_sha256"]:
        raise image_error(campaign)
    return image
