"""Events as JSON: their fields, with type and version kept beside them. Earlier versions are upgraded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fuota_fec.campaign.events import EVENTS, Event
from fuota_fec.errors import JournalError, MissingExtraError


def _of_0_2(config: dict[str, Any]) -> dict[str, Any]:
    """The `version` of a group is its `dialect` from version 3 on, and sessions lasted for the duration before."""
    groups = [
        {"dialect" if name == "version" else name: value for name, value in group.items()} for group in config["groups"]
    ]
    return {"session_length": "duration", **config, "groups": groups}


UPGRADES: Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    ("Configured", 1): lambda values: {**values, "config": {"clean_up": False, **values["config"]}},
    ("Configured", 2): lambda values: {**values, "config": _of_0_2(values["config"])},
    ("Configured", 3): dict,
    ("Configured", 4): dict,
    ("StageStarted", 1): dict,
    ("StageStarted", 2): dict,
    ("StageStarted", 3): dict,
    ("StageStarted", 4): dict,
    ("SummaryOverdue", 1): dict,
    ("Answered", 1): dict,
    ("DeviceHeard", 1): dict,
    ("GroupDone", 1): dict,
    ("PeriodMeasured", 1): dict,
    ("Reported", 1): dict,
    ("StageEnded", 1): dict,
    ("Stopping", 1): dict,
    ("Resumed", 1): dict,
    ("Resumed", 2): dict,
    ("VersionHeard", 1): dict,
}
"""Type and version → function from the fields of that version to those of the next. New fields have their defaults."""


def encode(event: Event) -> bytes:
    """The fields of an event as JSON; bytes as base64. The caller keeps type and version beside them.

    JournalError if the JSON could not be read again, for example because of an infinite time: a campaign that cannot be
    replayed is lost.
    """
    kind = type(event).__name__
    write, read = _encoder(), _decoder(kind, event.VERSION)
    try:
        data = write(event)
        read(data)
    except (ValueError, TypeError, OverflowError, _msgspec().MsgspecError) as error:
        raise JournalError(f"a {kind} cannot be written to a journal: {error}") from None
    return data


def decode(kind: str, version: int, data: bytes | str) -> Event:
    """Event of a type and version. JournalError for one that a later version of this library wrote."""
    read = _decoder(kind, version)
    try:
        return read(data)
    except (ValueError, _msgspec().MsgspecError) as error:
        raise JournalError(f"the journal holds a {kind} that cannot be read: {error}") from None


@cache
def _encoder() -> Callable[[Event], bytes]:
    return _msgspec().json.Encoder().encode  # type: ignore[no-any-return]


@cache
def _decoder(kind: str, version: int) -> Callable[[bytes | str], Event]:
    """Reader of events of a type and version; cached, as every event needs it."""
    cls = EVENTS.get(kind)
    if cls is None or version > cls.VERSION:
        newest = "no such event" if cls is None else f"version {cls.VERSION}"
        raise JournalError(
            f"the journal holds {kind} of version {version}, this version of fuota_fec knows {newest}: it was written "
            "by a later one"
        )
    msgspec = _msgspec()
    if version == cls.VERSION:
        return msgspec.json.Decoder(cls).decode  # type: ignore[no-any-return]
    upgrades = [UPGRADES[kind, old] for old in range(version, cls.VERSION)]

    def read(data: bytes | str) -> Event:
        values = msgspec.json.decode(data)
        for upgrade in upgrades:
            values = upgrade(values)
        return msgspec.convert(values, cls)  # type: ignore[no-any-return]

    return read


def _msgspec() -> Any:
    try:
        import msgspec
    except ImportError:
        raise MissingExtraError(
            'a journal on disk needs the extra "campaign": pip install "fuota-fec[campaign]"', extra="campaign"
        ) from None
    return msgspec
