"""Share of the sent fragments that a device missed, as far as the counts of its status prove it.

Most counts stop at the last fragment that the device heard, or at the one that completed its block. What they prove
then is a lower bound.
"""

from __future__ import annotations

from typing import NamedTuple

from fuota_fec.devices.profiles import DeviceProfile, MissingCount, ReceivedCount
from fuota_fec.wire.fragmentation import MAX_MISSING_FRAG

MOST_LOST = 0.95
"""Largest loss that is believed: a device that loses more would not have answered."""
BYTE = MAX_MISSING_FRAG + 1
"""MissingFrag of some stacks is a count modulo this."""


class Loss(NamedTuple):
    """A share of fragments that a device missed."""

    share: float | None = None
    """None if the counts prove nothing."""
    exact: bool = False
    """It missed this share. Otherwise it missed this share at least."""


UNPROVEN = Loss()


def reported_loss(profile: DeviceProfile, received: int, missing: int, n_frags: int, n_sent: int) -> Loss:
    """Loss by the counts of a status, after `n_sent` fragments of a block of n_frags, each sent once and in order."""
    if received > n_sent:
        return UNPROVEN  # The counts of another session, or of more than fragments.
    if profile.one_context:
        loss = _of_one_context(received, missing, n_frags, n_sent)
    elif profile.received_count is ReceivedCount.LAST_NUMBER_LESS_LOST:
        loss = _of_last_less_lost(received, missing, n_frags, n_sent)
    elif profile.received_count is ReceivedCount.LAST_NUMBER:
        loss = _of_last_number(profile, received, missing, n_frags, n_sent)
    elif missing:
        loss = Loss(1 - received / n_sent, exact=True)
    else:
        loss = UNPROVEN  # The count stopped when the block was complete.
    return loss if loss.share is None else loss._replace(share=min(max(loss.share, 0.0), MOST_LOST))


def _of_one_context(received: int, missing: int, n_frags: int, n_sent: int) -> Loss:
    """All fragments are counted, unless a payload that was read as a setup has cleared the count. A payload that was
    read as a fragment is counted as well."""
    if missing != one_context_missing(received, n_frags) or may_be_cleared(received, missing, n_frags, n_sent):
        return UNPROVEN
    return Loss(1 - received / n_sent, exact=n_sent <= n_frags)


def one_context_missing(received: int, n_frags: int) -> int:
    """MissingFrag of a stack with one context that received so many fragments since the setup of this block."""
    return min(max(n_frags - received, 0), MAX_MISSING_FRAG)


def may_be_cleared(received: int, missing: int, n_frags: int, n_sent: int | None) -> bool:
    """Whether the counts may be those after a surplus fragment whose payload was read as a setup of a larger block.
    Without the number of fragments sent, any of them may be surplus."""
    return missing == MAX_MISSING_FRAG and (n_sent is None or received < n_sent - n_frags)


def _of_last_less_lost(received: int, missing: int, n_frags: int, n_sent: int) -> Loss:
    """Up to the first coded fragment, `received` is the number of fragments heard, and the others are missing."""
    if not missing or (missing == 1 and received == n_frags):
        return UNPROVEN
    if received < n_frags and (n_frags - received) % BYTE == missing:
        return Loss(1 - received / n_sent, exact=True)
    return Loss(missing / n_sent)


def _of_last_number(profile: DeviceProfile, received: int, missing: int, n_frags: int, n_sent: int) -> Loss:
    """Up to M, the device heard all but `missing` of the fragments up to the last one, and none after it. Beyond M,
    `missing` is the number of uncoded ones lost, modulo 256, or fewer if the memory was exceeded. Without losses the
    count may be that of an earlier session. How many coded ones it missed nothing tells."""
    if profile.missing_count is not MissingCount.LOST:
        return UNPROVEN
    if received < n_frags or (received == n_frags and missing):
        certain = received <= BYTE and (missing > 0 or not profile.counts_outlive_setup)
        return Loss(1 - (received - missing) / n_sent, exact=certain)
    if missing:
        return Loss(missing / n_sent)
    certain = received == n_frags < BYTE and not profile.counts_outlive_setup
    return Loss(0.0, exact=True) if certain else UNPROVEN
