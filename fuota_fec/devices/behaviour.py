"""Kinds of behaviour in which device stacks differ, as enumerations."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

Version: TypeAlias = Literal["1.0.0", "2.0.0"]
Compression: TypeAlias = Literal["heatshrink", "lz4", "zstd"]
"""Compressions of whole images that boot loaders unpack."""


class LateUncoded(StrEnum):
    """Treatment of an uncoded fragment that arrives after one with a higher number."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    """Ignored, and with it a whole second round of uncoded fragments."""
    CORRUPTS = "corrupts"
    """Stored until the first coded fragment is received; after that taken for a coded one: wrong bytes, no error."""
    UNKNOWN = "unknown"


class ReceivedCount(StrEnum):
    """Meaning of NbFragReceived of FragSessionStatusAns."""

    ALL = "all"
    """Number of fragments received: uncoded, coded and repeated (as in TS004)."""
    LAST_NUMBER = "last_number"
    """N of the last fragment received, not a count."""
    LAST_NUMBER_LESS_LOST = "last_number_less_lost"
    """N of the last fragment received, less the losses."""
    UNKNOWN = "unknown"


class MissingCount(StrEnum):
    """Meaning of MissingFrag of FragSessionStatusAns."""

    NEEDED = "needed"
    """Independent fragments still needed; 255 is 255 or more (as in TS004)."""
    NEEDED_OR_ONE = "needed_or_one"
    """Independent fragments still needed modulo 256, but 1 instead of 0 when nothing was lost: 1 may mean a complete
    block."""
    LOST = "lost"
    """Losses so far, modulo 256. The count never goes down: a device that reports 0 lost nothing, or 256 fragments."""
    NOT_HEARD = "not_heard"
    """M less all fragments received, at least 0: a repeated or useless fragment counts as progress."""
    UNKNOWN = "unknown"


class RebootVerb(StrEnum):
    """TS006 request that makes the device reboot at the intended time."""

    COUNTDOWN = "countdown"
    """DevRebootCountdownReq."""
    TIME = "time"
    """DevRebootTimeReq; needs a correct clock in the device."""
    EITHER = "either"
    """Both. A countdown needs no clock; a time does not age in the server's queue."""
    NONE = "none"


class Evidence(StrEnum):
    """Source of a fact."""

    RUN = "run"
    READ = "read"
    UNKNOWN = "unknown"
