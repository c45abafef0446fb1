"""What a FragSessionStatusAns says about a block: its counts are hints, and read by the device's profile."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from fuota_fec.devices.profiles import DeviceProfile, MissingCount, ReceivedCount
from fuota_fec.wire.fragmentation import FragSessionStatusAns


class Completion(StrEnum):
    COMPLETE = "complete"
    LIKELY = "likely"
    """As far as counts that are no proof can tell."""
    UNKNOWN = "unknown"
    """The counts of this stack do not tell."""
    INCOMPLETE = "incomplete"
    WRONG = "wrong"
    """Complete, and not the block that was announced."""


class Reading(NamedTuple):
    completion: Completion
    reason: str = ""
    """What is wrong, in words; empty for a block that is complete."""
    needed: int | None = None
    """Fragments that it lacks, where more of them would help."""
    loss: float | None = None
    """Share of the fragments sent that it missed."""


_SURE = (MissingCount.NEEDED, MissingCount.UNKNOWN)


ENOUGH_EXTRA = 4
"""Coded fragments beyond its losses with which nearly every device is complete (TS004, Decoding)."""
MOST_LOST = 0.95
"""Share of losses beyond which a count is not believed: such a device would not have answered."""


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

    `n_sent` fragments were sent, if each was sent once. `once`: each uncoded fragment was sent once, and no other, so
    that what a stack heard is what it has. `can_be_helped`: more coded fragments can be sent, so a count that may mean
    either is taken for the worse.
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
        share_of = n_frags  # The number heard last, less the uncoded fragments lost.
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
        # 256 missing ones cut to eight bits, or a number heard last that is below M.
        missing = max(1, n_frags - received) if profile.received_count is not ReceivedCount.UNKNOWN else 1
    more = " or more" if missing == 255 else ""
    needed = missing if count is not MissingCount.LOST else max(1, _less_repaired(missing, n_frags, n_sent))
    needed = min(needed, n_frags)
    return Reading(Completion.INCOMPLETE, f"missing {missing}{more} fragments{memory}", None if memory else needed)


def _lost_nothing(received: int, n_frags: int, n_sent: int) -> bool:
    """Of a stack that says 1 for none: it heard all there was; or it would hardly still need one fragment, after so
    many coded ones, had it lost that many."""
    short = max(0, n_sent - received)
    return short == 0 or n_sent - n_frags >= short + ENOUGH_EXTRA


def _less_repaired(n_lost: int, n_frags: int, n_sent: int) -> int:
    """Losses less the coded fragments that a device with so many losses has heard on average, at least 0."""
    heard = (n_sent - n_frags) * max(0.0, 1 - n_lost / n_frags)
    return max(0, math.ceil(n_lost - heard))
