"""Differences of a virtual device from the specifications, looked up by its profile.

A rule is a row of a table, by the value of a field of the profile; no rule knows a stack by name. Where a profile has
no value (`unknown`, None), the device behaves as the specifications say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fuota_fec.codec.limits import MAX_FRAG_NB
from fuota_fec.devices.profiles import (
    DeviceProfile,
    LateUncoded,
    MissingCount,
    RebootVerb,
    ReceivedCount,
    Version,
)
from fuota_fec.devices.stack_quirks import Overrun, SetupCheck
from fuota_fec.fleet.reception import BlockReception
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.clock import GPS_EPOCH, gps_difference, gps_to_wire, unix_from_gps
from fuota_fec.wire.fragmentation import MAX_MISSING_FRAG

AS_SPECIFIED = DeviceProfile(
    name="as specified",
    source="the specifications",
    late_uncoded=LateUncoded.ACCEPTED,
    n_sessions=4,
    n_decoders=4,
    received_count=ReceivedCount.ALL,
    missing_count=MissingCount.NEEDED,
    class_b=True,
    first_f_cnt_16_bits=False,
    mc_group_status=True,
    ts006=True,
    reboot_verb=RebootVerb.EITHER,
    tells_image=True,
    deletes_image=True,
)
"""A device with everything that the packages define, and no quirk."""


def nearest_version(version: str, versions: tuple[Version, ...]) -> str:
    """`version` if the device has it, else the first version that it has."""
    return version if version in versions else versions[0]


# ---- commands --------------------------------------------------------------------------------------------

_UNDERSTOOD: Mapping[type[Any], Callable[[DeviceProfile], bool]] = MappingProxyType(
    {
        multicast.McGroupStatusReq: lambda p: p.mc_group_status,
        multicast.McGroupDeleteReq: lambda p: p.mc_group_delete,
        multicast.McClassBSessionReq: lambda p: p.class_b is not False,
        multicast.McClassCSessionReq: lambda p: p.class_c is not False,
        fragmentation.FragSessionDeleteReq: lambda p: p.frag_session_delete,
        fragmentation.FragSessionStatusReq: lambda p: p.answers_status,
        firmware.DevRebootTimeReq: lambda p: p.reboot_verb is not RebootVerb.NONE,
        firmware.DevRebootCountdownReq: lambda p: p.reboot_verb in (RebootVerb.COUNTDOWN, RebootVerb.EITHER),
    }
)


def understands(profile: DeviceProfile, command: type[Any]) -> bool:
    """Whether a device handles this kind of command. One that does not handle it does not answer it.

    A stack that can only count down handles DevRebootTimeReq too, wrongly.
    """
    rule = _UNDERSTOOD.get(command)
    return rule is None or rule(profile)


def has_room(profile: DeviceProfile, setup: fragmentation.FragSessionSetupReq) -> bool:
    """Whether the stack accepts a block of this shape: it fits into the limits that a setup checks."""
    fits: Mapping[SetupCheck, bool] = {
        "max_frags": setup.nb_frag <= profile.max_frags,
        "min_frag_size": setup.frag_size >= profile.min_frag_size,
        "max_frag_size": setup.frag_size <= profile.max_frag_size,
        "frag_size_multiple": setup.frag_size % profile.frag_size_multiple == 0,
        "max_image_len": (
            profile.max_image_len is None or setup.nb_frag * setup.frag_size - setup.padding <= profile.max_image_len
        ),
    }
    return all(ok for check, ok in fits.items() if check in profile.setup_checks)


def can_write(profile: DeviceProfile, frag_size: int) -> bool:
    """Whether the stack writes fragments of this size to flash as they are. A setup may accept sizes that its buffers
    or its flash do not take."""
    return frag_size <= profile.max_frag_size and frag_size % profile.frag_size_multiple == 0


# ---- reboots ---------------------------------------------------------------------------------------------


def seconds_until(profile: DeviceProfile, reboot_time: int, own_gps: float) -> int:
    """s from the device's own time to a RebootTime of DevRebootTimeReq; 0 or less if that has passed.

    A stack that can only count down subtracts its Unix time from the requested GPS time, as unsigned numbers.
    """
    if profile.reboot_verb is RebootVerb.COUNTDOWN:
        own_unix = unix_from_gps(own_gps) if profile.leap_seconds else own_gps + GPS_EPOCH
        return (reboot_time - math.floor(own_unix)) % 2**32
    return gps_difference(reboot_time, gps_to_wire(own_gps))


def timer_seconds(profile: DeviceProfile, seconds: int) -> int:
    """s that the stack's timer waits when it is set to `seconds`: beyond its largest value it wraps to 0."""
    return seconds if profile.max_reboot_delay is None else seconds % (profile.max_reboot_delay + 1)


# ---- late fragments, too many losses ----------------------------------------------------------------------

LATE: Mapping[LateUncoded, Callable[[int, bool, int], int | None]] = MappingProxyType(
    {
        LateUncoded.ACCEPTED: lambda n, _coded_begun, _n_frags: n,
        LateUncoded.UNKNOWN: lambda n, _coded_begun, _n_frags: n,
        LateUncoded.DROPPED: lambda _n, _coded_begun, _n_frags: None,
        LateUncoded.CORRUPTS: lambda n, coded_begun, n_frags: n - n_frags if coded_begun else n,
    }
)
"""(number, whether a coded fragment was received, M) → the number that a late uncoded fragment is taken for, below 1
for a row that the parity matrix does not have; None: it is dropped."""

ENDS = (Overrun.WRONG_BLOCK, Overrun.FAILS)
"""Overruns that end the reception with the next coded fragment."""


# ---- counts of FragSessionStatusAns ----------------------------------------------------------------------

RECEIVED: Mapping[ReceivedCount, Callable[[BlockReception], int]] = MappingProxyType(
    {
        ReceivedCount.ALL: lambda r: min(r.n_received, MAX_FRAG_NB),
        ReceivedCount.UNKNOWN: lambda r: min(r.n_received, MAX_FRAG_NB),
        ReceivedCount.LAST_NUMBER: lambda r: r.last_number,
        ReceivedCount.LAST_NUMBER_LESS_LOST: lambda r: (r.last_number - r.n_lost) & MAX_FRAG_NB,
    }
)
"""NbFragReceived, by the way in which a stack counts."""

MISSING: Mapping[MissingCount, Callable[[BlockReception], int]] = MappingProxyType(
    {
        MissingCount.NEEDED: lambda r: min(r.missing, MAX_MISSING_FRAG),
        MissingCount.UNKNOWN: lambda r: min(r.missing, MAX_MISSING_FRAG),
        MissingCount.NEEDED_OR_ONE: lambda r: 1 if r.complete and not r.n_lost else r.missing,
        MissingCount.LOST: lambda r: r.n_lost,
        MissingCount.NOT_HEARD: lambda r: min(max(r.n_frags - r.n_received, 0), MAX_MISSING_FRAG),
    }
)
"""MissingFrag, by the way in which a stack counts. Its lowest byte is sent; the whole number decides whether a device
with Participants = 0 answers."""
