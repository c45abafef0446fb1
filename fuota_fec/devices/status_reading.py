"""Reading of a FragSessionStatusAns: whether a device has its block. Its counts are hints, read by the profile."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from fuota_fec.devices.profiles import DeviceProfile, MissingCount, ReceivedCount
from fuota_fec.wire.fragmentation import FragSessionStatusAns


class Completion(StrEnum):
    COMPLETE = "complete"
    LIKELY = "likely"
    """Complete by counts that are no proof."""
    UNKNOWN = "unknown"
    """The counts of this stack leave it open."""
    INCOMPLETE = "incomplete"
    WRONG = "wrong"
    """Complete, but not the block that was announced."""


class Reading(NamedTuple):
    completion: Completion
    reason: str = ""
    """Problem in words; empty for a complete block."""
    needed: int | None = None
    """Number of missing fragments, if sending more would help."""
    loss: float | None = None
    """Share of the sent fragments that the device missed, if known."""


_SURE = (MissingCount.NEEDED, MissingCount.UNKNOWN)
"""Counts of which 0 is believed although fewer than M fragments were received."""

ENOUGH_EXTRA = 4
"""Coded fragments beyond its losses with which nearly every device is complete (TS004, Decoding)."""
MOST_LOST = 0.95
"""Largest loss that is believed: a device that loses more would not have answered."""


def read_status(
    profile: DeviceProfile,
    answer: FragSessionStatusAns,
    n_frags: int,
    *,
    n_sent: int | None = None,
    once: bool,
    can_be_helped: bool = False,
) -> Reading:
    """Whether a device has its block of `n_frags` uncoded fragments (TS004, FragSessionStatusAns; Divergences).

    `n_sent`: number of fragments sent, if each was sent once. `once`: the uncoded fragments were sent once and no coded
    ones, so that every received fragment is one the device has. `can_be_helped`: more coded fragments can be sent, so
    an ambiguous count is read as incomplete.
    """
    reading = _read(profile, answer, n_frags, n_sent or n_frags, once=once, can_be_helped=can_be_helped)
    loss = None if n_sent is None else _loss(profile, answer, n_frags, n_sent)
    return reading._replace(loss=loss)


def _loss(profile: DeviceProfile, answer: FragSessionStatusAns, n_frags: int, n_sent: int) -> float | None:
    missing, received = answer.missing_frag, answer.nb_frag_received
    if answer.session_does_not_exist or missing is None or received is None or not n_sent:
        return None
    lost, share_of = n_sent - received, n_sent
    if profile.received_count is ReceivedCount.LAST_NUMBER_LESS_LOST:
        share_of = n_frags  # The last number received, less the uncoded fragments lost.
    elif profile.received_count is ReceivedCount.LAST_NUMBER:
        if profile.missing_count is not MissingCount.LOST:
            return None
        lost, share_of = missing, n_frags
    share = lost / share_of
    return min(max(share, 0.0), MOST_LOST)


def _read(
    profile: DeviceProfile,
    answer: FragSessionStatusAns,
    n_frags: int,
    n_sent: int,
    *,
    once: bool,
    can_be_helped: bool,
) -> Reading:
    missing, received = answer.missing_frag, answer.nb_frag_received
    if answer.session_does_not_exist or missing is None or received is None:
        return Reading(Completion.INCOMPLETE, "missing all fragments: no such session")
    memory = ", its memory for the matrix is full" if answer.not_enough_matrix_memory or answer.memory_error else ""
    count = profile.missing_count
    heard_enough = received >= n_frags
    one_means_none = count is MissingCount.NEEDED_OR_ONE and missing == 1 and heard_enough
    if can_be_helped:
        one_means_none = one_means_none and _lost_nothing(received, n_frags, n_sent)
    if (missing == 0 or one_means_none) and answer.mic_error:
        return Reading(Completion.WRONG, "image not valid: MIC error")
    if missing == 0 and not memory and (heard_enough or (received > 0 and count in _SURE)):
        counts_repeats = count is MissingCount.NOT_HEARD and not once
        return Reading(Completion.LIKELY if counts_repeats else Completion.COMPLETE)
    if one_means_none and not memory:
        return Reading(Completion.LIKELY)
    if count is MissingCount.LOST and missing and received >= n_frags + missing and not memory:
        reason = f"missing fragments unknown: the device lost {missing}, and may have them"
        return Reading(Completion.UNKNOWN, reason, _less_repaired(missing, n_frags, n_sent) or None)
    if missing == 0:
        # 256 missing ones cut to eight bits, or a last number received that is below M.
        missing = max(1, n_frags - received) if profile.received_count is not ReceivedCount.UNKNOWN else 1
    more = " or more" if missing == 255 else ""
    needed = missing if count is not MissingCount.LOST else max(1, _less_repaired(missing, n_frags, n_sent))
    needed = min(needed, n_frags)
    return Reading(Completion.INCOMPLETE, f"missing {missing}{more} fragments{memory}", None if memory else needed)


def _lost_nothing(received: int, n_frags: int, n_sent: int) -> bool:
    """True, for stacks that report 1 instead of 0, if the device received every fragment, or enough coded ones that a
    real loss is unlikely."""
    short = max(0, n_sent - received)
    return short == 0 or n_sent - n_frags >= short + ENOUGH_EXTRA


def _less_repaired(n_lost: int, n_frags: int, n_sent: int) -> int:
    """Losses less the coded fragments that a device with so many losses receives on average, at least 0."""
    heard = (n_sent - n_frags) * max(0.0, 1 - n_lost / n_frags)
    return max(0, math.ceil(n_lost - heard))
