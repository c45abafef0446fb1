"""Reading of a FragSessionStatusAns: whether a device has its block. Its counts are hints, read by the profile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from fuota_fec.checks import counted
from fuota_fec.devices.profiles import DeviceProfile, MissingCount, ReceivedCount
from fuota_fec.devices.reported_loss import BYTE, UNPROVEN, may_be_cleared, one_context_missing, reported_loss
from fuota_fec.devices.stack_quirks import Overrun
from fuota_fec.wire.fragmentation import MAX_MISSING_FRAG, FragSessionStatusAns


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
    """Share of the sent fragments that the device missed, or missed at least; None if the counts prove none."""
    loss_exact: bool = False
    """The device missed the share `loss`, not more."""


ENOUGH_EXTRA = 4
"""Coded fragments beyond its losses with which nearly every device is complete (TS004, Decoding)."""
FEW_EXTRA = 3
"""Coded fragments beyond its losses without which one device in eight or more is not complete."""
NEARLY_SURE = 3
"""Standard deviations by which a number of losses differs from its mean in one of 700 cases."""
MEMORY_FULL = ", its memory for the matrix is full"
FULL_ONCE = "its memory for the matrix was full, in this session or an earlier one"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """An answer with counts, and what was sent before it."""

    profile: DeviceProfile
    received: int
    missing: int
    full: bool
    """The error bit for the memory is set."""
    mic_error: bool
    n_frags: int
    n_sent: int | None
    """None: unknown, or some fragments were sent twice."""
    n_on_air: int | None
    """Largest number that a device can have received; None: unknown."""
    counted_before: int
    once: bool
    can_be_helped: bool
    in_order: bool

    @property
    def n_coded(self) -> int | None:
        return None if self.n_sent is None else max(0, self.n_sent - self.n_frags)

    @property
    def solvable(self) -> int | None:
        return self.profile.solvable_losses(self.n_frags)

    @property
    def by_number(self) -> bool:
        """The number of the last fragment may be counted, and numbers are left out."""
        return self.profile.received_count is not ReceivedCount.ALL and not self.in_order

    @property
    def too_many(self) -> bool:
        """The device counts more fragments than it can have received."""
        return self.n_on_air is not None and self.received > self.n_on_air

    @property
    def foreign(self) -> bool:
        """The counts are those of another session. A stack with one context counts payloads as fragments, too."""
        return self.too_many and not (self.profile.one_context or self.by_number)

    def lacks(self, missing: int, *, full: bool = False, more: bool = False) -> Reading:
        """A block without that many fragments, or more of them."""
        count = f"{missing} or more fragments" if more else counted(missing, "fragment")
        text = f"missing {count}{MEMORY_FULL if full else ''}"
        return Reading(Completion.INCOMPLETE, text, None if full else min(missing, self.n_frags))

    def unknown(self, why: str, needed: int | None = None) -> Reading:
        return Reading(Completion.UNKNOWN, f"missing fragments unknown: {why}", needed)


def read_status(
    profile: DeviceProfile,
    answer: FragSessionStatusAns,
    n_frags: int,
    *,
    n_sent: int | None = None,
    n_on_air: int | None = None,
    counted_before: int = 0,
    once: bool,
    can_be_helped: bool = False,
    in_order: bool = True,
) -> Reading:
    """Whether a device has its block of `n_frags` uncoded fragments (TS004, FragSessionStatusAns; Divergences).

    `n_sent`: number of fragments sent, if each was sent once. `n_on_air`: number of fragments sent at most, repeated
    ones included; None: n_sent. `counted_before`: least NbFragReceived that the device reported earlier in this
    session; 0: unknown. `once`: the uncoded fragments were sent once and no coded ones, so that every received fragment
    is one the device has. `can_be_helped`: more coded fragments can be sent, so an ambiguous count is read as
    incomplete. `in_order`: the numbers of the fragments sent only rise.
    """
    missing, received = answer.missing_frag, answer.nb_frag_received
    if answer.session_does_not_exist or missing is None or received is None:
        return Reading(Completion.INCOMPLETE, "missing all fragments: no such session")
    counts = _Counts(
        profile=profile,
        received=received,
        missing=missing,
        full=answer.not_enough_matrix_memory or answer.memory_error,
        mic_error=answer.mic_error,
        n_frags=n_frags,
        n_sent=n_sent,
        n_on_air=n_sent if n_on_air is None else n_on_air,
        counted_before=counted_before,
        once=once,
        can_be_helped=can_be_helped,
        in_order=in_order,
    )
    if missing == 0 and answer.mic_error:
        return Reading(Completion.WRONG, "image not valid: MIC error")
    loss = UNPROVEN
    if n_sent and in_order:
        loss = reported_loss(profile, received, missing, n_frags, n_sent)
    reading = _READ[profile.missing_count](counts)
    if counts.foreign and reading.completion in (Completion.COMPLETE, Completion.LIKELY):
        reading = counts.unknown("the counts are those of another session")
    return reading._replace(loss=loss.share, loss_exact=loss.exact)


# ---- fragments still needed ------------------------------------------------------------------------------


def _read_needed(c: _Counts) -> Reading:
    """A block of M fragments takes M of them. Fewer and none missing are a contradiction, unless the stack counts in a
    way of its own, or beyond the 14 bits of the number: more can be sent, or the version shows it."""
    if c.missing:
        return c.lacks(c.missing, full=c.full, more=c.missing == MAX_MISSING_FRAG)
    counted = c.profile.received_count is not ReceivedCount.UNKNOWN
    short = max(0, c.n_frags - c.received)
    if c.full or not c.received:
        return c.lacks(max(1, short) if counted else 1, full=c.full)
    if not short:
        return Reading(Completion.LIKELY if c.too_many else Completion.COMPLETE)
    helpful = counted or c.can_be_helped
    return c.unknown(f"it reports none, and {c.received} received", short if helpful else None)


def _read_needed_or_one(c: _Counts) -> Reading:
    """0 is complete, or 256 needed. 1 is one needed, or a reception without loss, whose count stands at M: with any
    other count a device that hears the numbers in order lacks one."""
    heard_enough = c.received >= c.n_frags
    without_loss = c.received in (c.n_frags, c.n_sent) or not c.in_order
    one_means_none = c.missing == 1 and heard_enough and without_loss
    if c.can_be_helped and c.received != c.n_frags:
        one_means_none = one_means_none and _lost_nothing(c.received, c.n_frags, c.n_sent or c.n_frags)
    if one_means_none and c.mic_error:
        return Reading(Completion.WRONG, "image not valid: MIC error")
    if one_means_none and not c.full:
        return Reading(Completion.LIKELY)
    if c.missing == 0 and not c.full and (heard_enough or (not c.in_order and c.received)):
        may_need_256 = c.n_frags >= BYTE and (c.n_coded is None or c.n_coded >= BYTE or not c.in_order)
        return Reading(Completion.LIKELY if may_need_256 else Completion.COMPLETE)
    # 256 missing ones cut to eight bits, or the device has heard nothing.
    needed = c.missing or max(1, c.n_frags - c.received)
    return c.lacks(needed, full=c.full, more=needed == MAX_MISSING_FRAG)


def _lost_nothing(received: int, n_frags: int, n_sent: int) -> bool:
    """True, for stacks that report 1 instead of 0, if the device received every fragment, or enough coded ones that a
    real loss is unlikely."""
    short = max(0, n_sent - received)
    return short == 0 or n_sent - n_frags >= short + ENOUGH_EXTRA


# ---- losses so far ---------------------------------------------------------------------------------------


def _read_lost(c: _Counts) -> Reading:
    """`received` is the number of the last fragment, and `missing` the losses up to it, modulo 256.

    A device that lost nothing is complete with fragment M and counts no further. Before its first fragment a device
    may answer with the last number of an earlier session, and no losses; nothing tells it from a complete one.
    """
    ambiguous = c.n_frags >= BYTE
    may_be_earlier = c.profile.memory_error_outlives_setup and c.solvable is not None
    too_many = c.solvable is not None and c.missing > c.solvable
    if c.received < c.n_frags or (c.missing and c.received == c.n_frags):
        full = too_many or (c.full and not may_be_earlier)
        return c.lacks(max(1, c.n_frags - c.received + c.missing), full=full)
    if c.full and (too_many or not may_be_earlier):
        return c.lacks(c.missing or 1, full=True)
    if c.full and ambiguous:
        return c.unknown(FULL_ONCE)
    if c.missing == 0:
        return _read_no_loss(c, ambiguous=ambiguous)
    needed = _less_repaired(c.missing, c.n_frags, c.n_sent or c.n_frags)
    if c.in_order and c.received < c.n_frags + c.missing:
        return c.lacks(max(1, needed))
    return c.unknown(f"the device lost {c.missing}, and may have them", needed or None)


def _read_no_loss(c: _Counts, *, ambiguous: bool) -> Reading:
    """A count of M or more without losses."""
    earlier = c.profile.counts_outlive_setup
    if c.received == c.n_frags:
        return Reading(Completion.LIKELY if earlier or ambiguous else Completion.COMPLETE)
    if ambiguous:
        needed = _less_repaired(BYTE, c.n_frags, c.n_sent or c.n_frags)
        return c.unknown(f"the device lost {BYTE}, or heard none", needed or None)
    if earlier:
        return c.unknown("the counts are those of an earlier session")
    return Reading(Completion.COMPLETE)


def _less_repaired(n_lost: int, n_frags: int, n_sent: int) -> int:
    """Losses less the coded fragments that a device with so many losses receives on average, at least 0."""
    heard = (n_sent - n_frags) * max(0.0, 1 - n_lost / n_frags)
    return max(0, math.ceil(n_lost - heard))


# ---- fragments not heard ---------------------------------------------------------------------------------


def _read_not_heard(c: _Counts) -> Reading:
    """`received` counts every fragment since the setup, and `missing` is M less that."""
    if c.missing == 0 and c.received < c.n_frags:
        return c.lacks(max(1, c.n_frags - c.received), full=c.full)
    if c.missing and c.profile.one_context:
        if c.missing != one_context_missing(c.received, c.n_frags) or c.received < c.counted_before:
            return _read_foreign_counts(c)
        if may_be_cleared(c.received, c.missing, c.n_frags, c.n_sent):
            return c.unknown("a fragment after the block was complete may have cleared its counts")
    if c.missing:
        return c.lacks(c.missing, full=c.full, more=c.missing == MAX_MISSING_FRAG)
    if c.full and not _bit_is_stale(c):
        return _read_full(c)
    if c.once and c.received == c.n_frags:
        return Reading(Completion.COMPLETE)
    spare = c.received - c.n_frags
    if c.can_be_helped and c.n_coded and spare < FEW_EXTRA and c.received != c.n_sent:
        return c.unknown("it may lack a few", FEW_EXTRA - spare)
    return _read_silent_overrun(c) if c.profile.overrun is Overrun.SILENT else Reading(Completion.LIKELY)


def _read_foreign_counts(c: _Counts) -> Reading:
    """Counts of another block, or counts that were cleared: a payload was read as a setup. Only a device without an
    active session does so; after coded fragments, or repeated ones, its block is likely to be complete."""
    if c.full:
        return _read_full(c)
    return Reading(Completion.LIKELY) if c.n_coded != 0 else c.lacks(c.missing, more=c.missing == MAX_MISSING_FRAG)


def _read_full(c: _Counts) -> Reading:
    return c.unknown(FULL_ONCE) if c.profile.memory_error_outlives_setup else c.lacks(c.missing or 1, full=True)


def _bit_is_stale(c: _Counts) -> bool:
    """Whether the error bit is that of an earlier session: all that this one can have lost fits into the memory."""
    outlives, solvable = c.profile.memory_error_outlives_setup, c.solvable
    return outlives and solvable is not None and c.n_sent is not None and c.n_sent - c.received <= solvable


def _read_silent_overrun(c: _Counts) -> Reading:
    """Enough fragments, of a stack that has no error bit: its memory may be too small for the losses to be expected
    from the share that it missed."""
    if c.solvable is None or not c.n_sent:
        return Reading(Completion.LIKELY)
    share = min(max(0.0, 1 - c.received / c.n_sent), 1.0)
    expected, spread = share * c.n_frags, NEARLY_SURE * math.sqrt(share * (1 - share) * c.n_frags)
    if c.n_sent - c.received > c.solvable and expected + spread > c.solvable:
        needed = math.ceil(expected) if expected - spread > c.solvable else None
        return c.unknown("it may have lost more than its memory can solve", needed)
    return Reading(Completion.LIKELY)


_READ = {
    MissingCount.NEEDED: _read_needed,
    MissingCount.UNKNOWN: _read_needed,
    MissingCount.NEEDED_OR_ONE: _read_needed_or_one,
    MissingCount.LOST: _read_lost,
    MissingCount.NOT_HEARD: _read_not_heard,
}
"""Readings of an answer with counts, by the meaning of MissingFrag."""
