"""How a virtual device differs from the specifications: what its profile says, as rules that are looked up.

A rule is a row of a table, by the value of a field of the profile; no rule knows a stack by name. What a profile does
not know (`unknown`, None) is done as the specifications say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fuota_fec.codec.limits import MAX_FRAG_NB
from fuota_fec.devices.profiles import (
    DeviceProfile,
    LateUncoded,
    MissingCount,
    RebootVerb,
    ReceivedCount,
    Version,
)
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_difference, gps_to_wire, unix_from_gps

if TYPE_CHECKING:
    from fuota_fec.fleet.decoding import BlockReception

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
"""A device with all that the packages have, and no quirk."""


def spoken(version: str, versions: tuple[Version, ...]) -> str:
    """The version that a device speaks of those it has, if a campaign means `version`: its own where it lacks that."""
    return version if version in versions else versions[0]


# ---- what is understood ----------------------------------------------------------------------------------

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
    """Whether a device does anything upon such a command. One that does not says nothing either.

    A stack that can only count down knows DevRebootTimeReq all the same, and takes it wrongly.
    """
    rule = _UNDERSTOOD.get(command)
    return rule is None or rule(profile)


def has_room(profile: DeviceProfile, setup: fragmentation.FragSessionSetupReq) -> bool:
    """Whether a block of that shape can be received."""
    image_len = setup.nb_frag * setup.frag_size - setup.padding
    return (
        setup.nb_frag <= profile.max_frags
        and profile.min_frag_size <= setup.frag_size <= profile.max_frag_size
        and setup.frag_size % profile.frag_size_multiple == 0
        and (profile.max_image_len is None or image_len <= profile.max_image_len)
    )


# ---- reboots ---------------------------------------------------------------------------------------------


def seconds_until(profile: DeviceProfile, reboot_time: int, own_gps: float) -> int:
    """From its own time until a RebootTime of DevRebootTimeReq; 0 or less: it has passed.

    A stack that can only count down takes its Unix time from the GPS time that was asked for, without a sign.
    """
    if profile.reboot_verb is RebootVerb.COUNTDOWN:
        return (reboot_time - math.floor(unix_from_gps(own_gps))) % 2**32
    return gps_difference(reboot_time, gps_to_wire(own_gps))


def timer(profile: DeviceProfile, seconds: int) -> int:
    """s that its timer waits, if it is to wait that long: beyond what it can hold it begins from 0 again."""
    return seconds if profile.max_reboot_delay is None else seconds % (profile.max_reboot_delay + 1)


# ---- fragments that come late ----------------------------------------------------------------------------


def _wrong_row(n: int, coded_begun: bool) -> int | None:
    """Once coded ones are solved, its payload is taken for that of a coded fragment far beyond those that are sent."""
    return MAX_FRAG_NB + 1 - n if coded_begun else n


LATE: Mapping[LateUncoded, Callable[[int, bool], int | None]] = MappingProxyType(
    {
        LateUncoded.ACCEPTED: lambda n, _coded_begun: n,
        LateUncoded.UNKNOWN: lambda n, _coded_begun: n,
        LateUncoded.DROPPED: lambda _n, _coded_begun: None,
        LateUncoded.CORRUPTS: _wrong_row,
    }
)
"""(number, whether a coded fragment was heard): the number that a late uncoded fragment is taken for; None: dropped."""


# ---- what FragSessionStatusAns says ----------------------------------------------------------------------

RECEIVED: Mapping[ReceivedCount, Callable[[BlockReception], int]] = MappingProxyType(
    {
        ReceivedCount.ALL: lambda r: min(r.n_received, MAX_FRAG_NB),
        ReceivedCount.UNKNOWN: lambda r: min(r.n_received, MAX_FRAG_NB),
        ReceivedCount.LAST_NUMBER: lambda r: r.last_number,
        ReceivedCount.LAST_NUMBER_LESS_LOST: lambda r: (r.last_number - r.n_lost) & MAX_FRAG_NB,
    }
)
"""NbFragReceived."""

MISSING: Mapping[MissingCount, Callable[[BlockReception], int]] = MappingProxyType(
    {
        MissingCount.NEEDED: lambda r: min(r.missing, 255),
        MissingCount.UNKNOWN: lambda r: min(r.missing, 255),
        MissingCount.NEEDED_OR_ONE: lambda r: 1 if r.complete and not r.n_lost else r.missing & 255,
        MissingCount.LOST: lambda r: min(r.n_lost, 255),
        MissingCount.NOT_HEARD: lambda r: min(max(r.n_frags - r.n_received, 0), 255),
    }
)
"""MissingFrag."""
