"""Reasons for the status of a device: the closed list of kinds, and the texts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "runs it already": "the device ran the target version before a fragment was sent, and passed",
        "never heard": "no uplink of the device came in the whole campaign",
        "not heard in": "no uplink of the device came in time in the stage",
        "no answer in": "all retries of the question are used up",
        "not asked in": "the threshold was met before the device was asked",
        "refused in": "the answer had error bits",
        "other version in": "the device has other package versions than its group",
        "clock off": "the device would have listened at another time",
        "session over": "the multicast session ended before the group had all frames",
        "frame counters used up": "devices refuse the next frame counter of their group",
        "frame counter seen before": "the network server assigned a frame counter of the group again",
        "missing": "the device still lacks fragments",
        "image not valid": "the device has no image that it would install",
        "wrong version": "the device runs other firmware",
        "wrong hardware": "the device is other hardware",
        "maximum duration reached": "the maximum duration of the campaign was over",
        "the campaign ended": "the campaign ended before the device succeeded or failed",
        "the campaign was stopped": "the operator stopped the campaign",
    }
)
"""Kinds of reasons: beginning of the text → meaning. There are no others."""


def kind_of(reason: str) -> str:
    """Kind of a reason: its key in REASONS."""
    return next(kind for kind in REASONS if reason.startswith(kind))


RUNS_ALREADY = "runs it already"
"""The one reason of a device that passed."""
NEVER_HEARD = "never heard"
SILENCE = ("never heard", "not heard in", "no answer in", "not asked in")
"""Beginnings of reasons that prove nothing about a device."""
OTHER_FIRMWARE = ("wrong version", "wrong hardware")
"""Beginnings of reasons that are the verdict by a reported version."""
REFUSED = "refused in"
STOPPED = "the campaign was stopped"
DURATION = "maximum duration reached"
SESSION_OVER = "session over"


def unheard(stage: str, *, ever_heard: bool) -> str:
    return f"not heard in {stage}" if ever_heard else NEVER_HEARD


def no_answer(stage: str) -> str:
    return f"no answer in {stage}"


def not_asked(stage: str) -> str:
    return f"not asked in {stage}: the threshold was met"


def refused(ask: str, bits: str) -> str:
    return f"{REFUSED} {ask}: {bits}"


def session_over(n_sent: int, n_frames: int) -> str:
    return f"{SESSION_OVER} after {n_sent} of {n_frames} fragments"


def counters_used_up(n_sent: int, n_frames: int) -> str:
    return f"frame counters used up after {n_sent} of {n_frames} fragments"


def counter_seen(f_cnt: int, next_f_cnt: int) -> str:
    return f"frame counter seen before: the network assigned {f_cnt}, expected {next_f_cnt} or more for this McKey"


def wrong_version(version: int) -> str:
    return f"wrong version {dotted(version)}"


def dotted(version: int) -> str:
    """A version as text: 0x01020304 as 1.2.3.4."""
    return ".".join(map(str, version.to_bytes(4, "big")))
