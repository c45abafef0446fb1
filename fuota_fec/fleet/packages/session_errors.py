"""Errors of a class B or C session (TS005), as the stack of a virtual device finds and answers them."""

from __future__ import annotations

from typing import NamedTuple

from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.devices.stack_quirks import SessionErrors
from fuota_fec.fleet.device_state import DeviceState
from fuota_fec.radio.regions import Region, region
from fuota_fec.wire import multicast
from fuota_fec.wire.commands import Command, UnknownCommand
from fuota_fec.wire.lorawan import frequency_step_hz

SessionReq = multicast.McClassCSessionReq | multicast.McClassBSessionReq
SessionAns = type[multicast.McClassCSessionAns | multicast.McClassBSessionAns]


class ChannelErrors(NamedTuple):
    """Whether a region lacks the frequency and the data rate of a session."""

    frequency: bool
    data_rate: bool


class Errors(NamedTuple):
    """Errors that a stack finds in a session. The first ones may hide others."""

    undefined: bool
    missed: bool
    frequency: bool
    data_rate: bool


def channel_errors(state: DeviceState, command: SessionReq) -> ChannelErrors:
    """Errors of frequency and data rate in the device's region; none if that is not known."""
    if not state.region or state.profile.session_errors is SessionErrors.UNCHECKED:
        return ChannelErrors(frequency=False, data_rate=False)
    area = region(state.region)
    return ChannelErrors(
        frequency=not _has_frequency(state, area, command),
        data_rate=not _has_data_rate(state.profile, area, command.dr),
    )


def _has_frequency(state: DeviceState, area: Region, command: SessionReq) -> bool:
    """DLFrequency 0 is the region's ping slot channels, in class B from TS005 2.0.0 on."""
    profile, frequency_hz = state.profile, command.dl_frequency_hz
    if frequency_hz == 0:
        hops = isinstance(command, multicast.McClassBSessionReq) and state.mc_version != "1.0.0"
        return hops and profile.class_b_hopping is not False
    if profile.sessions_2g4 is False and frequency_step_hz(frequency_hz) != frequency_step_hz(0):
        return False
    if profile.session_band_only:
        lowest, highest = area.band
        return lowest <= frequency_hz <= highest
    return area.has_channel(frequency_hz)


def _has_data_rate(profile: DeviceProfile, area: Region, dr: int) -> bool:
    return dr in area.usable_drs() and (profile.new_data_rates or not area.data_rate(dr).since)


def errors_found(profile: DeviceProfile, region_errors: ChannelErrors, *, undefined: bool, missed: bool) -> Errors:
    """The errors that the stack finds: all at once, or those of the group, then those of the region, then the start."""
    frequency, data_rate = region_errors
    every = undefined and profile.undefined_group_sets_all
    if profile.session_errors is SessionErrors.ALL:
        return Errors(undefined, missed, frequency or every, data_rate or every)
    if undefined:
        return Errors(undefined, missed=False, frequency=every, data_rate=every)
    looks_at_start = not any(region_errors) or profile.session_errors is SessionErrors.WITH_START
    return Errors(undefined, missed and looks_at_start, frequency, data_rate)


def refused(
    profile: DeviceProfile, answer: SessionAns, mc_group_id: int, errors: Errors, time_to_start: int
) -> Command:
    """The answer to a session with errors. `time_to_start` is that of a session without."""
    bits = answer(
        mc_group_id=mc_group_id,
        dr_error=errors.data_rate,
        freq_error=errors.frequency,
        mc_group_undefined=errors.undefined or (errors.missed and profile.missed_start_undefined),
        start_missed=errors.missed and not profile.missed_start_undefined,
    )
    if errors.undefined or not (errors.frequency or errors.data_rate):
        return bits
    if profile.session_errors is SessionErrors.NO_STATUS:
        return UnknownCommand(cid=answer.CID)
    if profile.session_errors is SessionErrors.WITH_START and not errors.missed:
        return UnknownCommand(cid=answer.CID, payload=bits.encode()[1:] + time_to_start.to_bytes(3, "little"))
    return bits
