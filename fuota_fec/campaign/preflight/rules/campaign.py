"""Rules about a campaign as a whole: its times and its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fuota_fec.campaign.belief import devices_not_to_ask
from fuota_fec.campaign.own_limit import own_value
from fuota_fec.campaign.preflight.context import ANY, FIRMWARE, TRANSFER, Context
from fuota_fec.campaign.preflight.durations import (
    session_wait,
    setup_pacing,
    setup_time,
    stage_times,
    transmission_end,
)
from fuota_fec.campaign.preflight.finding import Findings, info, refuse, warn
from fuota_fec.devices.profiles import PROFILES, DeviceProfile


def _max_duration(context: Context) -> Findings:
    config, start = context.config, context.session_start_in
    wait = session_wait(context) if start is None else start
    longest = max(plan.session_length for plan in context.plan.groups.values()) if config.kind in TRANSFER else 0
    likely = sum(time.least for time in stage_times(context) if time.stage.bounded)
    remedy = "Raise max_duration, send fewer bytes (a delta, less redundancy), or give the groups a faster dr."
    limit = f"max_duration is {config.max_duration:g} s"
    if wait + longest > config.max_duration:
        what = "the wait for the session and the planned transmission alone take"
        yield refuse(f"{what} {wait + longest:.0f} s, {limit}", remedy)
    elif likely > config.max_duration:
        yield warn(f"the stages take {likely:.0f} s even if nothing is lost, {limit}", remedy)


def _session_start(context: Context) -> Findings:
    start = context.session_start_in
    if start is None:
        return
    begins = f"the session starts in {start:.0f} s"
    pacing, received = setup_pacing(context), setup_time(context) + context.needed_period
    likely = setup_time(context) + session_wait(context)
    remedy = "Set a later session_start, or none to have it computed, or lower ucast_msg_delay (ms)."
    if start < pacing:
        yield refuse(f"{begins}, the requests before it take {pacing:.0f} s to leave", remedy)
    elif start < received:
        what = f"the slowest needed device, with an uplink every {context.needed_period:g} s, has received all requests"
        yield refuse(f"{begins}, {what} after {received:.0f} s", remedy)
    elif start < likely:
        yield warn(f"{begins}, a computed start would leave {likely:.0f} s for lost requests and answers", remedy)


def _reboot_time(context: Context) -> Findings:
    if context.reboot_in is None:
        return
    end = transmission_end(context)
    if context.reboot_in <= end:
        yield refuse(
            f"devices are to reboot in {context.reboot_in:.0f} s, the transmission ends in {end:.0f} s or later",
            "Plan a later reboot, or leave it to the devices.",
        )


def _clock_sync(context: Context) -> Findings:
    if context.network is not None and context.network.clock_sync:
        yield warn(
            "the network server answers clock synchronisation (TS003) itself, so the campaign does not",
            "Turn it off at the network server if devices are to be answered by the campaign.",
        )


def _stage_durations(context: Context) -> Findings:
    times = stage_times(context)
    listed = ", ".join(f"{time.stage.name} {time.least:.0f} s" for time in times)
    total = sum(time.least for time in times)
    yield info(f"least duration of the stages: {listed}; in all {total:.0f} s")


def _versions(context: Context) -> Findings:
    """The version that a device reports decides an update."""
    n_able, stacks = _able_to_pass(context, lambda profile: profile.ts006 is not False)
    if n_able < context.plan.n_needed:
        yield refuse(
            f"{n_able} of {len(context.config.devices)} devices can report which version runs, expected "
            f"{context.plan.n_needed} or more: {', '.join(stacks)} devices have no TS006",
            'Set kind = "binary", which asks for the fragments instead, or, if their application has the package, '
            f"{_own_values(stacks, 'ts006')}.",
        )


def _reboots(context: Context) -> Findings:
    """An update runs after a reboot, which is left to the devices or requested."""
    if context.config.reboot != "device":
        return
    n_able, stacks = _able_to_pass(context, lambda profile: profile.reboots_alone is not False)
    if n_able < context.plan.n_needed:
        yield refuse(
            f"{n_able} of {len(context.config.devices)} devices reboot into the image, expected "
            f"{context.plan.n_needed} or more: {', '.join(stacks)} devices reboot on request only, and the campaign "
            "sends no such request",
            'Set reboot = "after_transfer", or a time, or, if their application reboots when the image is complete, '
            f"{_own_values(stacks, 'reboots_alone')}.",
        )


def _able_to_pass(context: Context, able: Callable[[DeviceProfile], bool]) -> tuple[int, Mapping[str, DeviceProfile]]:
    """Number of devices whose profile is able to pass, and the profiles of the others. One that runs the target by its
    configuration, and cannot be asked, passes."""
    config = context.config
    pass_unasked = set(devices_not_to_ask(config))
    asked = (config.profile_of(device) for device in config.devices if device.dev_eui not in pass_unasked)
    unable = [profile for profile in asked if not able(profile)]
    return len(config.devices) - len(unable), {profile.name: profile for profile in unable}


def _own_values(stacks: Mapping[str, DeviceProfile], name: str) -> str:
    return " and ".join(own_value(profile, name, "true") for profile in stacks.values())


def _profile_names(context: Context) -> Findings:
    for own in context.config.profiles:
        if own.name in PROFILES:
            yield refuse(
                f"profiles: {own.name!r} is the name of a built-in profile, expected another name",
                f"Rename [profiles.{own.name}], and the profile of its devices.",
            )


Check = Callable[[Context], Findings]

RULES: Mapping[str, tuple[frozenset[str], Check]] = MappingProxyType(
    {
        "profile_names": (ANY, _profile_names),
        "max_duration": (ANY, _max_duration),
        "session_start": (ANY, _session_start),
        "reboot_time": (FIRMWARE, _reboot_time),
        "versions": (FIRMWARE, _versions),
        "reboots": (FIRMWARE, _reboots),
        "clock_sync": (ANY, _clock_sync),
        "stage_durations": (ANY, _stage_durations),
    }
)
