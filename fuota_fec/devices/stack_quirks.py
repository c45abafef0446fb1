"""Quirks of device stacks that no specification has, as data: a base of every profile.

A field whose value is the default is as the specification says; None: not known, or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

SetupCheck: TypeAlias = Literal[
    "max_frags", "min_frag_size", "max_frag_size", "frag_size_multiple", "max_image_len", "padding", "no_frags"
]
"""A limit of the profile, padding that is as long as a fragment, or a block without fragments."""

ALL_CHECKS: tuple[SetupCheck, ...] = (
    *("max_frags", "min_frag_size", "max_frag_size", "frag_size_multiple", "max_image_len", "padding", "no_frags"),
)


class Overrun(StrEnum):
    """Effect of more losses than the memory for the matrix can solve."""

    FLAGGED = "flagged"
    """The error bit is set as soon as the losses are known. Coded fragments are dropped."""
    SILENT = "silent"
    """Coded fragments are dropped. There is no error bit."""
    WRONG_BLOCK = "wrong_block"
    """With the next coded fragment the block counts as complete, with wrong bytes, and the error bit is set."""
    FAILS = "fails"
    """With the next coded fragment the session ends without a block, and the error bit is set."""


class SessionErrors(StrEnum):
    """Answer to a class B or C session with a frequency or data rate that the region does not have."""

    ALL = "all"
    """Each error has its bit, beside those of group and start."""
    REGION_FIRST = "region_first"
    """Of a group that exists: the bits of frequency and data rate alone."""
    WITH_START = "with_start"
    """As region_first, but McGroupUndefined if the start has passed, else TimeToStart after the error bits."""
    NO_STATUS = "no_status"
    """The CID alone."""
    UNCHECKED = "unchecked"
    """The session is accepted."""


class Deletion(StrEnum):
    """Effect of a FragSessionDeleteReq."""

    STOPS = "stops"
    STOPS_UNBEGUN = "stops_unbegun"
    """A session that received a fragment goes on, and completes its block."""
    FORGETS = "forgets"
    """The session goes on, and completes its block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackQuirks:
    """Departures of a stack from the packages' specifications."""

    # ---- TS004
    one_context: bool = False
    """Whether there is one context for all FragIndex values, which every DataFragment and every setup changes:

    * A setup, even a refused one, replaces the announced NbFrag and FragSize and clears the count. A setup of another
      FragIndex is refused while a session is active.
    * A complete session is over. Every later DataFragment is counted, and so is one of another FragIndex.
    * The payload of a DataFragment that is not of the active session is read as commands.
    * Status is answered for any FragIndex, with or without a session.
    * Requests are carried out whether they come by unicast or multicast.
    * An accepted setup erases the stored image.
    """
    overrun: Overrun = Overrun.FLAGGED
    counts_outlive_setup: bool = False
    """Whether NbFragReceived stays that of the last session until the first fragment of the new one."""
    memory_error_outlives_setup: bool = False
    """Whether the error bit of one session stays set in all later ones, until a reset."""
    setup_checks: tuple[SetupCheck, ...] = ALL_CHECKS
    """Limits that FragSessionSetup checks. A block beyond the other limits is accepted, and fails later: with fragments
    that are too long, or no multiple of the unit, it is complete by its counts and has wrong bytes."""
    deletion: Deletion = Deletion.STOPS
    checks_group_mask: bool = True
    """Whether McGroupBitMask of the setup decides which multicast groups may send fragments."""
    checks_frag_len: bool = True
    """Whether a fragment is dropped that is longer or shorter than those of the block that the decoder receives."""
    reads_after_frag: bool = False
    """Whether a fragment is as long as the setup of its FragIndex said, and the rest of the message is read as
    commands. Without a session it has 0 bytes; a stack that stops deleted sessions drops the rest, and also after a
    fragment of a group that may not send any."""
    unknown_command_silences: bool = False
    """Whether an unknown or truncated command suppresses the answers to the commands before it."""
    skips_cid_alone: bool = False
    """Whether of a command that is unknown, or may not come by multicast, the CID alone is skipped: the byte after it
    is read as the CID of the next command."""
    status_silences: bool = False
    """Whether a FragSessionStatusReq suppresses all answers to its message."""
    report_sent_again: bool = False
    """Whether FragDataBlockReceivedAns, unless it comes late, is followed by the report once more."""
    stores_wrong_mic: bool = False
    """Whether a block with a wrong MIC is passed to the application as complete."""

    # ---- TS005
    session_errors: SessionErrors = SessionErrors.ALL
    session_band_only: bool = False
    """Whether a session may have every frequency from the lowest to the highest of the region, off its channels too."""
    class_b_hopping: bool | None = None
    """Whether DLFrequency 0 of a class B session (TS005 2.0.0) is taken for the region's ping slot channels."""
    sessions_2g4: bool | None = None
    """Whether DLFrequency is read in steps of 200 Hz at 2.4 GHz."""
    missed_start_undefined: bool = False
    """Whether a session that starts in the past, or now, is answered by McGroupUndefined instead of StartMissed."""
    undefined_group_sets_all: bool = False
    """Whether a session of a group that does not exist is answered by all three error bits."""
    unset_clock_counts: bool = False
    """Whether a session is also planned by a clock that was never set, and so at an arbitrary time."""

    # ---- TS006
    version_order: Literal["little", "big"] = "little"
    """Order of the bytes of a firmware version. With "big" the major number of 0x01020304 is sent first."""
    leap_seconds: bool = True
    """Whether the clock's Unix time has leap seconds taken off. Without them it is GPS time + 315964800 s."""

    def version_on_air(self, version: int) -> int:
        """The number that the bytes of a version are read as, little-endian, and the version of such a number."""
        if self.version_order == "little":
            return version
        return int.from_bytes(version.to_bytes(4, "big"), "little")
