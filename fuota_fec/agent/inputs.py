"""Check of what a network's poll returns: inputs of the right types and ranges, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fuota_fec.campaign.messages import DownlinkSent, HandOver, Input, MulticastSummary, Uplink

MAX_PAYLOAD_LEN = 255
"""Bytes; more than any LoRaWAN payload."""
LATEST = 1e11
"""Unix time later than any clock shows, s."""
MAX_F_CNT = 2**32 - 1
_LONGEST_NAME = 1000


def well_formed(item: object) -> Input | None:
    """The input, with plain bytes and texts; None if a campaign cannot read it."""
    try:
        check = _CHECKS.get(type(item))
        if check is None:
            check = next((check for kind, check in _CHECKS.items() if isinstance(item, kind)), None)
        return check(item) if check is not None else None
    except Exception:  # Attributes of a foreign object may raise anything.
        return None


def valid_f_cnt(value: object) -> bool:
    """Whether a value is a frame counter, or None."""
    return value is None or (type(value) is int and 0 <= value <= MAX_F_CNT)


def _uplink(item: Any) -> Uplink | None:
    payload, at = item.payload, item.received_at
    if type(payload) is not bytes:
        if not isinstance(payload, (bytes, bytearray, memoryview)):
            return None
        item = replace(item, payload=bytes(payload))
    number = type(at) is float or (isinstance(at, (int, float)) and not isinstance(at, bool))
    if not number or not -LATEST < at < LATEST:  # A value that is not a number fails here too.
        return None
    port = item.f_port
    valid = _name(item.dev_eui) and type(port) is int and 0 <= port <= 255 and len(item.payload) <= MAX_PAYLOAD_LEN
    return item if valid else None


def _report(item: DownlinkSent | MulticastSummary) -> Input | None:
    if not (_name(item.id) and isinstance(item.ok, bool)):
        return None
    return item if isinstance(item.cause, str) else replace(item, cause="")


def _hand_over(item: Any) -> HandOver | None:
    valid = _name(item.id) and isinstance(item.reference, str) and valid_f_cnt(item.f_cnt)
    return item if valid else None


def _name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME


_CHECKS: dict[type, Callable[[Any], Input | None]] = {
    Uplink: _uplink,
    DownlinkSent: _report,
    MulticastSummary: _report,
    HandOver: _hand_over,
}
