"""`fuota-fec schedule`: time, air time and energy of an update by data rate and grouping of a fleet."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Literal

import click
from rich.table import Table

from fuota_fec.campaign.config import FRAG_REDUNDANCY_MAX
from fuota_fec.checks import counted, shown
from fuota_fec.cli.console import plain_console
from fuota_fec.cli.image_options import image_len_given, image_options
from fuota_fec.cli.options import NamedOptions, Number
from fuota_fec.cli.output import json_option, print_json, region_option
from fuota_fec.cli.profiles import find_profile, profiles_option, read_profiles
from fuota_fec.codec.block import n_coded_of
from fuota_fec.devices.data_rates import check_data_rate
from fuota_fec.devices.limits import oldest_revision
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.devices.radios import DEFAULT_RADIO, RADIOS, Radio, radio
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.fleet_schedule import FleetSchedule, GroupSchedule, Sending, Sessions
from fuota_fec.planning.fragment_size import check_dialect
from fuota_fec.planning.what_if import Objective, WhatIf, what_if
from fuota_fec.radio.airtime import NOTABLE_UPLINK_LOSS
from fuota_fec.radio.regions import region
from fuota_fec.report.formatting import duration
from fuota_fec.wire.dialects import DIALECTS
from fuota_fec.wire.limits import MAX_FRAG_NB, MAX_FRAG_SIZE, MAX_FRAGS

_SESSIONS: dict[Sessions, str] = {
    "sequential": "one session after the other",
    "shared": "all sessions at the same time, the duty cycle divided among them",
    "parallel": "all sessions at the same time, each with a duty cycle of its own",
}
_OBJECTIVES: dict[Objective, str] = {"duration": "least time", "air_time": "least air time", "energy": "least energy"}


@click.command("schedule", cls=NamedOptions)
@click.argument("image", metavar="IMAGE_LEN|IMAGE")
@image_options
@click.option(
    "--devices-per-dr",
    required=True,
    metavar="DR:N,…",
    help="Number of devices for each data rate that is the fastest to reach them, such as 0:60,1:80,5:450.",
)
@region_option
@click.option(
    "--frequency-hz", type=int, help="Frequency of the groups in Hz, which decides the duty cycle. Default: RX2."
)
@click.option("--duty-cycle", type=float, help="Duty cycle as a share of time, such as 0.01. Default: the region's.")
@click.option("-R", "--n-coded", type=click.IntRange(0, MAX_FRAG_NB - 1), help="Number of coded fragments.")
@click.option(
    "--code-rate",
    help="Code rate instead of -R: 1/2, 3/4, 5/6 (the default), 7/8, or 1 for none. Adaptive and planned redundancy "
    "are not covered: the pre-flight check of a campaign has them.",
)
@click.option(
    "--frag-redundancy-max",
    type=click.IntRange(0, MAX_FRAG_NB - 1),
    default=FRAG_REDUNDANCY_MAX,
    show_default=True,
    help="Largest number of coded fragments of a code rate, as in a campaign; -R is taken as it is.",
)
@click.option("-F", "--frag-size", "fsize", type=int, help="Bytes of a fragment. Default: the largest that fits.")
@click.option(
    "--profile",
    "profile_names",
    multiple=True,
    help="Device profile whose limits apply, of those that `fuota-fec profiles` lists; may be repeated.",
)
@profiles_option
@click.option(
    "--dialect",
    type=click.Choice(list(DIALECTS)),
    help="TS004 dialect of the devices, which --profile must have; the figures are the same for both.",
)
@click.option("--periodicity", type=click.IntRange(0, 7), help="Ping slot periodicity of class B. Default: class C.")
@click.option("--dwell-time", is_flag=True, help="Apply the 400 ms dwell-time limit (AS923, AU915).")
@click.option("--repeater", is_flag=True, help="Allow for a repeater in the path.")
@click.option(
    "--mcast-msg-delay",
    type=Number(),
    default=2000,
    show_default=True,
    help="Minimum spacing of two frames of a group, in ms.",
)
@click.option(
    "--coded-msg-delay",
    type=Number(),
    help="Minimum time from a coded fragment to the next frame, in ms. Default: --mcast-msg-delay.",
)
@click.option(
    "--network-pacing",
    type=Number(),
    default=0.0,
    show_default=True,
    help="Minimum spacing of two frames enforced by the network server, in ms.",
)
@click.option(
    "--uplink-period",
    type=Number(),
    help="Time between two uplinks of a device in s: class C devices miss frames while they send.",
)
@click.option(
    "--summary-cadence",
    type=Number(),
    default=0.0,
    show_default=True,
    help="Usual wait for the network's summary of a frame before the next one, in s; it enters TimeOut.",
)
@click.option(
    "--kind",
    type=click.Choice(["firmware", "binary"]),
    default="firmware",
    show_default=True,
    help="Kind of the campaign: the session of a binary transfer has time for status requests.",
)
@click.option(
    "--msg-retries",
    type=click.IntRange(min=0),
    default=Sending().msg_retries,
    show_default=True,
    help="Number of resends of a request: the session of a binary transfer has time for as many status requests.",
)
@click.option(
    "--setup-time", type=Number(), default=0.0, show_default=True, help="Time before the first session, in s."
)
@click.option(
    "--sessions",
    type=click.Choice(list(_SESSIONS)),
    default="sequential",
    show_default=True,
    help="Order of the groups: one after the other; at the same time, the duty cycle divided; or each with its own.",
)
@click.option(
    "--choose",
    "objective",
    type=click.Choice(list(_OBJECTIVES)),
    default="energy",
    show_default=True,
    help="Quantity to minimise in the grouping marked with *.",
)
@click.option(
    "--within", type=Number(), metavar="HOURS", help="Longest duration of the choice; exit status 1 if none fits."
)
@click.option(
    "--radio",
    "radio_name",
    type=click.Choice(list(RADIOS)),
    help=f"Radio of the devices, for their energy: sx126x, also of the STM32WL, or sx127x. Default: that of --profile, "
    f"or {DEFAULT_RADIO}.",
)
@click.option("--voltage", type=Number(), default=3.0, show_default=True, help="Voltage of the battery, V.")
@click.option("--rx-ma", type=Number(), help="Current of a receiving device, mA. Default: the radio's.")
@click.option("--idle-ua", type=Number(), help="Current of an idle device, µA. Default: the radio's.")
@click.option("--tx-ma", type=Number(), help="Current of a transmitting device, mA. Default: the radio's.")
@click.option(
    "--tx-time", type=Number(), default=0.0, show_default=True, help="Time for which a device transmits answers, s."
)
@click.option("--until-time-out", is_flag=True, help="Let devices listen until their session times out.")
@click.option("--all", "everything", is_flag=True, help="Show all groupings.")
@json_option
def schedule_command(
    image: str,
    devices_per_dr: str,
    region_name: str,
    frequency_hz: int | None,
    duty_cycle: float | None,
    n_coded: int | None,
    code_rate: str | None,
    frag_redundancy_max: int,
    fsize: int | None,
    profile_names: tuple[str, ...],
    profiles_file: str | None,
    dialect: str | None,
    periodicity: int | None,
    dwell_time: bool,
    repeater: bool,
    mcast_msg_delay: float,
    coded_msg_delay: float | None,
    network_pacing: float,
    uplink_period: float | None,
    summary_cadence: float,
    kind: Literal["firmware", "binary"],
    msg_retries: int,
    setup_time: float,
    sessions: Sessions,
    objective: Objective,
    within: float | None,
    radio_name: str | None,
    voltage: float,
    rx_ma: float | None,
    idle_ua: float | None,
    tx_ma: float | None,
    tx_time: float,
    until_time_out: bool,
    everything: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Compare time, air time and energy of IMAGE_LEN bytes, or of the file IMAGE, by data rate and grouping.

    A device hears its fastest data rate and all slower ones; a group is sent at the data rate of its slowest device.
    Fewer groups take less air time; with more groups, fast devices listen for a shorter time. Losses are not
    considered. Exit status 1 if no grouping can be sent, or none within --within.
    """
    if n_coded is not None and code_rate is not None:
        raise click.UsageError("--code-rate and --n-coded both set the number of coded fragments: give one of them")
    image_len = image_len_given(image, given)
    known = read_profiles(profiles_file)
    limits = [find_profile(name, known) for name in profile_names]
    for limit in limits if dialect is not None else ():
        check_dialect(limit, dialect or "")
    sending = Sending(
        region=region(region_name).name,
        frequency_hz=frequency_hz,
        duty_cycle=duty_cycle,
        mcast_msg_delay=mcast_msg_delay / 1000,
        coded_msg_delay=None if coded_msg_delay is None else coded_msg_delay / 1000,
        network_pacing=network_pacing / 1000,
        summary_cadence=summary_cadence,
        kind=kind,
        msg_retries=msg_retries,
        periodicity=periodicity,
        uplink_period=uplink_period,
        setup=setup_time,
        dwell_time=dwell_time,
        repeater=repeater,
        fsize=fsize,
        frag_size_max=min((p.max_frag_size for p in limits), default=MAX_FRAG_SIZE),
        frag_size_multiple=math.lcm(*(p.frag_size_multiple for p in limits)),
        revision=oldest_revision(limits),
        frags_max=min((p.usable_frags for p in limits), default=MAX_FRAGS),
    )
    device_radio = _radio(radio_name, limits)
    currents = {"rx_current": (rx_ma, 1e3), "idle_current": (idle_ua, 1e6), "tx_current": (tx_ma, 1e3)}
    model = replace(
        EnergyModel.of(device_radio),
        voltage=voltage,
        tx_time=tx_time,
        until_time_out=until_time_out,
        **{name: value / unit for name, (value, unit) in currents.items() if value is not None},
    )
    for dr in _devices(devices_per_dr):
        check_data_rate(limits, region(region_name).data_rate(dr))
    choice = what_if(
        image_len,
        _devices(devices_per_dr),
        n_coded=partial(_n_coded, code_rate or "5/6", frag_redundancy_max) if n_coded is None else n_coded,
        sending=sending,
        energy=model,
        sessions=sessions,
    )
    chosen, refusal = None, ""
    try:
        chosen = choice.best(objective, max_duration=None if within is None else within * 3600)
    except ParameterError as error:
        refusal = str(error).replace("max_duration:", "--within:")
    if as_json:
        facts = {"image_len": image_len, "sending": asdict(sending) | {"duty_cycle": sending.share()}}
        listed = choice.groupings
        print_json(
            facts
            | {
                "radio": device_radio.name,
                "energy": asdict(model),
                "sessions": sessions,
                "objective": objective,
                "data_rates": [_fleet_facts(fleet) for fleet in choice.rates],
                "groupings": [_fleet_facts(fleet) for fleet in listed],
                "chosen": listed.index(chosen) if chosen is not None else None,
                "refusal": refusal,
            }
        )
    else:
        _print(choice, chosen, refusal, _title(image_len, choice, sending, device_radio), objective, everything)
    if chosen is None:
        sys.exit(1)


def _n_coded(code_rate: str, most: int, n_frags: int) -> int:
    return min(n_coded_of(code_rate, n_frags), most)


def _radio(name: str | None, profiles: Sequence[DeviceProfile]) -> Radio:
    """Radio of that name, or the one of the profiles that listens with the highest power."""
    if name is not None or not profiles:
        return radio(name or DEFAULT_RADIO)
    return max((p.energy for p in profiles), key=lambda of_profile: of_profile.listening)


def _devices(text: str) -> dict[int, int]:
    counts: dict[int, int] = {}
    for part in text.split(","):
        dr, colon, n = part.strip().upper().removeprefix("DR").partition(":")
        if not (colon and dr.strip().isdecimal() and n.strip().isdecimal()):
            raise ParameterError(f"--devices-per-dr: {shown(text)} is not a list of DR:N, expected 0:60,1:80,5:450")
        if int(dr) in counts:
            raise ParameterError(f"--devices-per-dr: DR{int(dr)} is given twice, expected each data rate once")
        counts[int(dr)] = int(n)
    return counts


# ---- the tables ----------------------------------------------------------------------------------------------


def _title(image_len: int, choice: WhatIf, sending: Sending, device_radio: Radio) -> str:
    fleet = choice.groupings[0]
    kind = "class C" if sending.periodicity is None else f"class B, periodicity {sending.periodicity}"
    limit = f"duty cycle {100 * sending.share():g} %" if sending.share() < 1 else "no duty cycle"
    devices = counted(fleet.n_devices, "device")
    return (
        f"{counted(image_len, 'byte')} to {devices}, {region(sending.region).name}, {kind}, {limit}; "
        f"{_SESSIONS[fleet.sessions]}; energy with {device_radio.name}"
    )


def _print(
    choice: WhatIf, chosen: FleetSchedule | None, refusal: str, title: str, objective: Objective, everything: bool
) -> None:
    console = plain_console()
    console.print(title)
    console.print()
    console.print("One group, at one data rate")
    n_devices = choice.groupings[0].n_devices
    table = _table(
        "data rate", "bytes", "M + R", "on air", "every", "set by", "session", "TimeOut", "reaches", "J", "remark"
    )
    for fleet in choice.rates:
        [group] = fleet.groups
        table.add_row(
            str(group.data_rate),
            str(group.frag_size),
            f"{group.n_frags} + {group.n_coded}",
            f"{group.time.frame_time:.3f} s",
            f"{group.time.spacing:.1f} s",
            group.time.rule,
            duration(group.session_length),
            "" if group.time_out is None else str(group.time_out),
            f"{fleet.n_devices} of {n_devices}",
            _joules(group.energy),
            _remark(fleet),
        )
    console.print(table)
    console.print()
    least = "" if everything else "; the least energy for each number of groups"
    console.print(f"All {counted(n_devices, 'device')}, by groups{least}")
    listed = list(choice.groupings if everything else choice.per_number())
    if chosen is not None and chosen not in listed:
        listed.append(chosen)
    table = _table("", "groups", "on air", "in all", "J mean", "J most", "remark")
    for fleet in sorted(listed, key=lambda fleet: (fleet.duration, fleet.energy)):
        table.add_row(
            "*" if fleet is chosen else "",
            " | ".join(_range(group) for group in fleet.groups),
            duration(fleet.air_time),
            duration(fleet.duration),
            _joules(fleet.mean_energy),
            _joules(fleet.max_energy),
            _OBJECTIVES[objective] if fleet is chosen else _remark(fleet),
        )
    console.print(table)
    notable = [f for fleet in choice.rates for f in fleet.groups if f.own_uplink_loss > NOTABLE_UPLINK_LOSS]
    if notable:
        console.print()
    for group in notable:
        console.print(
            f"warning: at DR{group.dr} devices miss {group.own_uplink_loss:.0%} of the fragments because of their own "
            "uplinks: plan coded fragments for it"
        )
    if refusal:
        console.print()
        console.print(refusal)


def _remark(fleet: FleetSchedule) -> str:
    return f"cannot be sent: {fleet.problems[0]}" if fleet.problems else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        words = name in ("", "data rate", "groups", "set by", "remark")
        table.add_column(name, justify="left" if words else "right", no_wrap=name not in ("groups", "remark"))
    return table


def _range(group: GroupSchedule) -> str:
    """Text of the data rates of a group: DR0, DR3-5 or DR0,12."""
    drs: Sequence[int] = group.drs
    neighbours = len(drs) > 1 and drs == tuple(range(drs[0], drs[-1] + 1))
    return f"DR{drs[0]}-{drs[-1]}" if neighbours else "DR" + ",".join(map(str, drs))


def _joules(energy: float) -> str:
    return f"{energy:.0f}" if energy >= 100 else f"{energy:.2f}"


# ---- as JSON -------------------------------------------------------------------------------------------------


def _fleet_facts(fleet: FleetSchedule) -> dict[str, Any]:
    return {
        "n_devices": fleet.n_devices,
        "air_time": fleet.air_time,
        "duration": fleet.duration,
        "mean_energy": fleet.mean_energy,
        "max_energy": fleet.max_energy,
        "problems": list(fleet.problems),
        "groups": [_group_facts(group) for group in fleet.groups],
    }


def _group_facts(group: GroupSchedule) -> dict[str, Any]:
    facts = asdict(group)
    del facts["data_rate"]
    return {"dr": group.dr} | facts | {"end": group.end, "air_time": group.air_time}
