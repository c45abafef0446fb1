"""`fuota-fec plan`: number, rows and size of the coded fragments that a fleet needs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from fuota_fec.cli.clean import say
from fuota_fec.cli.console import plain_console
from fuota_fec.cli.image_options import image_options, read_given
from fuota_fec.cli.losses import read_loss
from fuota_fec.cli.options import NamedOptions
from fuota_fec.cli.output import check_output, dialect_option, json_option, print_json, rows_choice, write_whole
from fuota_fec.cli.profiles import find_profile, profiles_option, read_profiles
from fuota_fec.cli.progress import LateProgress
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.errors import ParameterError
from fuota_fec.planning.fragment_size import TransmissionPlan, plan_transmission
from fuota_fec.planning.losses import with_more
from fuota_fec.planning.redundancy import RedundancyPlan, plan_redundancy
from fuota_fec.radio.airtime import NOTABLE_UPLINK_LOSS, own_uplink_loss
from fuota_fec.radio.regions import REGIONS, Region, region
from fuota_fec.report.formatting import duration, percent
from fuota_fec.report.page import need_extra
from fuota_fec.report.redundancy import plan_page, ways_of
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN

_ROWS_SHOWN = 40


@click.command("plan", cls=NamedOptions)
@click.argument("image", type=click.Path(dir_okay=False, allow_dash=True), required=False)
@image_options
@click.option("--image-len", type=int, help="Length of the image in bytes, instead of IMAGE.")
@click.option("-M", "--n-frags", type=int, help="Number of uncoded fragments, instead of IMAGE.")
@click.option("--loss", type=float, help="Share of the fragments that a device loses, such as 0.05.")
@click.option("--spread", type=float, help="Standard deviation of the losses of devices around --loss.")
@click.option(
    "--burst",
    help="Bursts, instead of --loss: probabilities good→bad and bad→good, loss if good, loss if bad (0.01,0.2,0,1).",
)
@click.option("--loss-file", type=click.Path(dir_okay=False), help="File with a loss per device, instead of --loss.")
@click.option("--devices", "n_devices", type=int, help="Number of devices.")
@click.option(
    "--threshold",
    "success_threshold",
    type=float,
    default=90,
    show_default=True,
    help="Percentage of the devices that must complete.",
)
@click.option(
    "--confidence",
    type=float,
    default=0.99,
    show_default=True,
    help="Required probability that the threshold is met, below 1.",
)
@click.option(
    "--region", "region_name", default="EU868", show_default=True, help=f"Region of --dr: {', '.join(REGIONS)}."
)
@click.option("--dr", type=int, help="Data rate, for the time on air and the best fragment size.")
@click.option(
    "--uplink-period",
    type=float,
    help="Time between two uplinks of a device in s: the frames that a class C device misses meanwhile are losses too.",
)
@click.option("--dwell-time", is_flag=True, help="Apply the 400 ms dwell-time limit (AS923, AU915).")
@click.option("--repeater", is_flag=True, help="Allow for a repeater in the path.")
@click.option("-F", "--frag-size", type=int, help="Bytes of a fragment. Default: the best for --dr.")
@click.option("--profile", "profile_name", help="Profile of the devices, of those that `fuota-fec profiles` lists.")
@profiles_option
@click.option("--rows", **rows_choice)
@click.option("--max-coded", type=int, help="Limit on coded fragments. Default: as many as can help.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed; the same seed gives the same plan.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), help="Write an HTML page with the curves."
)
@dialect_option
@json_option
def plan_command(as_json: bool, **given: Any) -> None:
    """Plan the coded fragments with which enough devices complete IMAGE.

    The plan is made by trials with the exact matrix, and shown beside fixed code rates and rounds without coded
    fragments. With --dr it also has the fragment size with the least time on the air. Exit status 1 if the threshold
    cannot be met.
    """
    output = given["output"]
    if output is not None:
        check_output(output, as_json)
        need_extra()
    loss = read_loss(given)
    image_len = _image_len(given)
    place = region(given["region_name"])
    own = _own_uplink_loss(place, given)
    if own:
        loss = with_more(loss, own)
    name = given["image"] or (f"{image_len} bytes" if image_len is not None else "")
    common: dict[str, Any] = {
        "confidence": given["confidence"],
        "n_devices": given["n_devices"],
        "dialect": given["dialect"],
        "max_coded": given["max_coded"],
        "rows": given["rows"],
        "seed": given["seed"],
    }
    known = read_profiles(given["profiles_file"])
    kind = find_profile(given["profile_name"], known) if given["profile_name"] else None
    transmission: TransmissionPlan | None = None
    with LateProgress("planning") as progress:
        if image_len is not None and given["dr"] is not None:
            transmission = plan_transmission(
                image_len,
                loss,
                given["success_threshold"],
                data_rate=place.data_rate(given["dr"]),
                max_app_payload=place.max_app_payload(
                    given["dr"],
                    dwell_time=given["dwell_time"],
                    repeater=given["repeater"],
                    revision=kind.regional_revision if kind else None,
                ),
                frag_size=given["frag_size"],
                profiles=[kind] if kind else [],
                progress=progress,
                **common,
            )
            plan = transmission.redundancy
        else:
            n_frags = given["n_frags"] if image_len is None else _n_frags(image_len, given["frag_size"])
            plan = plan_redundancy(
                n_frags,
                loss,
                given["success_threshold"],
                max_losses=kind.solvable_losses(n_frags) if kind else None,
                late_uncoded=kind is None or kind.late_uncoded not in (LateUncoded.DROPPED, LateUncoded.CORRUPTS),
                **common,
            )
    if output is not None:
        limit = kind.solvable_losses(plan.n_frags) if kind else None
        page = plan_page(plan, loss, transmission=transmission, max_losses=limit, name=Path(name).name)
        write_whole(output, page.encode())
    if as_json:
        print_json(_facts(plan, transmission) | ({"own_uplink_loss": own} if own else {}))
    elif output != "-":
        _print(name, plan, transmission)
        if own > NOTABLE_UPLINK_LOSS:
            say()
            say(f"warning: devices miss up to {own:.0%} of the fragments because of their own uplinks")
        if output is not None:
            say()
            say(f"report in {output}")
    if not plan.meets:
        sys.exit(1)


def _own_uplink_loss(place: Region, given: dict[str, Any]) -> float:
    """Share of the largest fragments at --dr that a class C device misses because of its own uplinks."""
    period, dr = given["uplink_period"], given["dr"]
    if period is None:
        return 0.0
    if dr is None:
        raise click.UsageError("--uplink-period goes with --dr")
    most = place.max_app_payload(dr, dwell_time=given["dwell_time"], repeater=given["repeater"])
    size = most if given["frag_size"] is None else min(most, DATA_FRAGMENT_HEADER_LEN + max(given["frag_size"], 0))
    share = own_uplink_loss(size, place.data_rate(dr), period)
    if share >= 1:
        raise ParameterError(f"--uplink-period: {period:g} s leaves no time to hear a fragment at DR{dr}")
    return share


def _image_len(given: dict[str, Any]) -> int | None:
    named = [name for name in ("image", "image_len", "n_frags") if given[name] is not None]
    if len(named) != 1:
        raise click.UsageError("give one of IMAGE, --image-len and --n-frags")
    if given["n_frags"] is not None:
        for name, option in (("dr", "--dr"), ("frag_size", "--frag-size")):
            if given[name] is not None:
                raise click.UsageError(f"{option} goes with IMAGE or --image-len, not with --n-frags")
        return None
    if given["image"] is not None:
        return len(read_given(given["image"], given).data)
    return int(given["image_len"])


def _n_frags(image_len: int, frag_size: int | None) -> int:
    if frag_size is None:
        raise click.UsageError("give --dr, for the best fragment size, or --frag-size")
    if not (1 <= frag_size <= 255 and image_len >= 1):
        raise ParameterError(
            f"--frag-size: {frag_size} is not possible for {image_len} bytes, expected 1 to 255, and at least one byte"
        )
    return -(-image_len // frag_size)


def _facts(plan: RedundancyPlan, transmission: TransmissionPlan | None) -> dict[str, Any]:
    frame_time = transmission.frame_time if transmission else None
    facts: dict[str, Any] = {
        name: getattr(plan, name)
        for name in (
            *("n_frags", "n_coded", "n_sent", "version", "n_devices", "success_threshold", "confidence", "n_needed"),
            *("meets", "probability", "probability_low", "device_probability", "n_sure", "max_coded", "n_trials"),
        )
    }
    facts["rows"] = plan.rows.tolist()
    if transmission is not None:
        facts |= {
            "image_len": transmission.image_len,
            "frag_size": transmission.frag_size,
            "padding": transmission.padding,
            "data_rate": str(transmission.data_rate),
            "frame_time": transmission.frame_time,
            "air_time": transmission.air_time,
            "options": [asdict(option) for option in transmission.options],
        }
    facts["alternatives"] = [
        asdict(other) | ({"air_time": other.n_sent * frame_time} if frame_time else {}) for other in plan.alternatives
    ]
    return facts


def _print(name: str, plan: RedundancyPlan, transmission: TransmissionPlan | None) -> None:
    console = plain_console()
    frame_time = transmission.frame_time if transmission else None
    size = f" of {transmission.frag_size} bytes (padding {transmission.padding})" if transmission else ""
    named = f"{name}: " if name else ""
    lines = [f"{named}{plan.n_frags} fragments{size} and {plan.n_coded} coded ones, dialect {plan.dialect}"]
    if transmission is not None:
        lines.append(f"{transmission.data_rate}: {transmission.frame_time * 1000:.1f} ms on the air for each frame")
    goal = f"{plan.success_threshold:g} % of {plan.n_devices} devices ({plan.n_needed})"
    sure = f"{100 * plan.confidence:g} %"
    if plan.meets:
        lines.append(f"at least {goal} complete with a probability of {percent(plan.probability)}, {sure} was required")
    else:
        lines.append(f"the threshold cannot be met with up to {plan.max_coded} coded fragments: {goal} were required")
        coded = f" with {plan.n_coded} coded fragments" if plan.n_coded else " without coded fragments"
        lines.append(f"the best possible plan: {plan.n_sure} devices complete{coded}, with a probability of {sure}")
    if plan.n_coded:
        shown_rows = " ".join(map(str, plan.rows[:_ROWS_SHOWN].tolist()))
        rest = " …" if plan.n_coded > _ROWS_SHOWN else ""
        leading = plan.rows.tolist() == list(range(1, plan.n_coded + 1))
        lines.append(f"rows: 1 to {plan.n_coded}" if leading else f"rows: {shown_rows}{rest}")
    for line in lines:
        console.print(line, soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for title in ("coded", "sent", *(["on the air"] if frame_time else []), "a device completes", "threshold met"):
        table.add_column(title, justify="right")
    for label, n_coded, n_sent, device, fleet, _ in ways_of(plan):
        air = [duration(n_sent * frame_time)] if frame_time else []
        style = "bold" if label == "this plan" else None
        table.add_row(label, str(n_coded), str(n_sent), *air, percent(device), percent(fleet), style=style)
    console.print()
    console.print(table)
