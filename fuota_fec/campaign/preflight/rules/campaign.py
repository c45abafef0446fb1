"""Rules about a campaign as a whole: its times and its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fuota_fec.campaign.preflight.durations import (
    session_wait,
    setup_pacing,
    setup_time,
    stage_times,
    transmission_end,
)
from fuota_fec.campaign.preflight.finding import Findings, info, refuse, warn
from fuota_fec.campaign.preflight.inputs import ANY, FIRMWARE, TRANSFER, Inputs


def _max_duration(inputs: Inputs) -> Findings:
    config, start = inputs.config, inputs.session_start_in
    wait = session_wait(inputs) if start is None else start
    longest = max(plan.session_length for plan in inputs.plan.groups.values()) if config.kind in TRANSFER else 0
    likely = sum(time.least for time in stage_times(inputs) if time.stage.bounded)
    remedy = "Raise max_duration, send fewer bytes (a delta, less redundancy), or give the groups a faster dr."
    limit = f"max_duration is {config.max_duration:g} s"
    if wait + longest > config.max_duration:
        what = "the wait for the session and the planned transmission alone take"
        yield refuse(f"{what} {wait + longest:.0f} s, {limit}", remedy)
    elif likely > config.max_duration:
        yield warn(f"the stages take {likely:.0f} s even if nothing is lost, {limit}", remedy)


def _session_start(inputs: Inputs) -> Findings:
    start = inputs.session_start_in
    if start is None:
        return
    pacing, answered = setup_pacing(inputs), setup_time(inputs) + inputs.needed_period
    remedy = "Set a later session_start, or none to have it computed, or lower ucast_msg_delay (ms)."
    if start < pacing:
        what = f"the requests before it take {pacing:.0f} s to leave"
        yield refuse(f"the session starts in {start:.0f} s, {what}", remedy)
    elif start < answered:
        what = f"the slowest needed device, with an uplink every {inputs.needed_period:g} s, has received all "
        yield warn(f"the session starts in {start:.0f} s; {what}requests after {answered:.0f} s", remedy)


def _reboot_time(inputs: Inputs) -> Findings:
    if inputs.reboot_in is None:
        return
    end = transmission_end(inputs)
    if inputs.reboot_in <= end:
        yield refuse(
            f"devices are to reboot in {inputs.reboot_in:.0f} s, the transmission ends in {end:.0f} s or later",
            "Plan a later reboot, or leave it to the devices.",
        )


def _clock_sync(inputs: Inputs) -> Findings:
    if inputs.network is not None and inputs.network.clock_sync:
        yield warn(
            "the network server answers clock synchronisation (TS003) itself, so the campaign does not",
            "Turn it off at the network server if devices are to be answered by the campaign.",
        )


def _stage_durations(inputs: Inputs) -> Findings:
    times = stage_times(inputs)
    listed = ", ".join(f"{time.stage.name} {time.least:.0f} s" for time in times)
    total = sum(time.least for time in times)
    yield info(f"least duration of the stages: {listed}; in all {total:.0f} s")


Check = Callable[[Inputs], Findings]

RULES: Mapping[str, tuple[frozenset[str], Check]] = MappingProxyType(
    {
        "max_duration": (ANY, _max_duration),
        "session_start": (ANY, _session_start),
        "reboot_time": (FIRMWARE, _reboot_time),
        "clock_sync": (ANY, _clock_sync),
        "stage_durations": (ANY, _stage_durations),
    }
)
