"""Why a device did not pass: the closed list, and the sentences."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "never heard": "no uplink of it came in time",
        "no answer in": "it was asked as often as is allowed",
        "not asked in": "the threshold was met before it was its turn",
        "refused in": "its answer had error bits",
        "other version in": "its packages are not of its group's versions",
        "clock off": "it would have listened at another time",
        "session over": "the multicast session ended before its group had all frames",
        "missing": "fragments that it still needs",
        "image not valid": "it has no image that it would run",
        "wrong version": "it runs other firmware",
        "wrong hardware": "it is other hardware",
        "maximum duration reached": "the campaign's time was over",
        "the campaign ended": "before it was its turn to succeed or fail",
        "the campaign was stopped": "by the operator",
    }
)
"""What a reason begins with → what that means. There are no others."""


def kind_of(reason: str) -> str:
    """The entry of REASONS that a reason belongs to."""
    return next(kind for kind in REASONS if reason.startswith(kind))


NEVER_HEARD = "never heard"
STOPPED = "the campaign was stopped"
DURATION = "maximum duration reached"


def no_answer(stage: str) -> str:
    return f"no answer in {stage}"


def not_asked(stage: str) -> str:
    return f"not asked in {stage}: the threshold was met"


def refused(ask: str, bits: str) -> str:
    return f"refused in {ask}: {bits}"


def session_over(n_sent: int, n_frames: int) -> str:
    return f"session over after {n_sent} of {n_frames} fragments"


def wrong_version(version: int) -> str:
    return f"wrong version {dotted(version)}"


def dotted(version: int) -> str:
    """0x01020304 as 1.2.3.4."""
    return ".".join(map(str, version.to_bytes(4, "big")))
