"""`fuota-fec plan`: how many coded fragments, which, and of what size."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fuota_fec.checks import shown
from fuota_fec.cli.output import json_option, print_json, version_option
from fuota_fec.cli.watch import duration
from fuota_fec.devices.profiles import PROFILES, LateUncoded, profile
from fuota_fec.errors import ParameterError
from fuota_fec.image import ImageSource, load_image
from fuota_fec.planning.losses import BetaLoss, GilbertElliott, Loss
from fuota_fec.planning.redundancy import RedundancyPlan, plan_redundancy
from fuota_fec.planning.transmission import TransmissionPlan, plan_transmission
from fuota_fec.radio.regions import region

_ROWS_SHOWN = 40


@click.command("plan")
@click.argument("image", type=click.Path(dir_okay=False), required=False)
@click.option("--image-len", type=int, help="Instead of IMAGE: its length in bytes.")
@click.option("-M", "--n-frags", type=int, help="Instead of IMAGE: the number of uncoded fragments.")
@click.option("--loss", type=float, help="Share of the fragments that a device loses, such as 0.05.")
@click.option("--spread", type=float, help="Losses differ: standard deviation from device to device around --loss.")
@click.option("--burst", help="Instead of --loss, bursts: good→bad,bad→good,loss if good,loss if bad (0.01,0.2,0,1).")
@click.option("--loss-file", type=click.Path(dir_okay=False), help="Instead of --loss: a file with a loss per device.")
@click.option("--devices", "n_devices", type=int, help="Number of devices.")
@click.option("--threshold", type=float, default=90, show_default=True, help="Percent of the devices to complete.")
@click.option("--confidence", type=float, default=0.99, show_default=True, help="Probability that so many do.")
@click.option(
    "--region", "region_name", default="EU868", show_default=True, help="Where --dr is one of its data rates."
)
@click.option("--dr", type=int, help="Data rate; gives the time on air and, for an image, the best fragment size.")
@click.option("--dwell-time", is_flag=True, help="The 400 ms dwell-time limit is in force.")
@click.option("--repeater", is_flag=True, help="A repeater may be in the path.")
@click.option("-F", "--frag-size", type=int, help="Bytes of a fragment; the best for --dr if not given.")
@click.option("--profile", "profile_name", type=click.Choice(list(PROFILES)), help="What the devices are.")
@click.option("--rows", type=click.Choice(["selected", "first"]), default="selected", show_default=True)
@click.option("--max-coded", type=int, help="Most coded fragments; more than would help if not given.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same plan.")
@version_option
@json_option
def plan_command(as_json: bool, **given: Any) -> None:
    """How many coded fragments it takes for enough devices to complete IMAGE, and which.

    By trials with the exact matrix, beside the fixed code rates and rounds without coded fragments. With --dr the
    fragment size with the least time on the air is found as well. Exit status 1 if the threshold cannot be met.
    """
    loss = _loss(given)
    image_len = _image_len(given)
    name = given["image"] or (f"{image_len} bytes" if image_len is not None else "")
    common: dict[str, Any] = {
        "confidence": given["confidence"],
        "n_devices": given["n_devices"],
        "version": given["version"],
        "max_coded": given["max_coded"],
        "rows": given["rows"],
        "seed": given["seed"],
    }
    transmission: TransmissionPlan | None = None
    with _progress(as_json) as progress:
        if image_len is not None and given["dr"] is not None:
            place = region(given["region_name"])
            transmission = plan_transmission(
                image_len,
                loss,
                given["threshold"],
                data_rate=place.data_rate(given["dr"]),
                max_app_payload=place.max_app_payload(
                    given["dr"], dwell_time=given["dwell_time"], repeater=given["repeater"]
                ),
                frag_size=given["frag_size"],
                profiles=[profile(given["profile_name"])] if given["profile_name"] else [],
                progress=progress,
                **common,
            )
            plan = transmission.redundancy
        else:
            n_frags = given["n_frags"] if image_len is None else _n_frags(image_len, given["frag_size"])
            kind = profile(given["profile_name"]) if given["profile_name"] else None
            plan = plan_redundancy(
                n_frags,
                loss,
                given["threshold"],
                max_losses=kind.solvable_losses(n_frags) if kind else None,
                late_uncoded=kind is None or kind.late_uncoded not in (LateUncoded.DROPPED, LateUncoded.CORRUPTS),
                **common,
            )
    if as_json:
        print_json(_facts(plan, transmission))
    else:
        _print(name, plan, transmission)
    if not plan.meets:
        sys.exit(1)


def _loss(given: dict[str, Any]) -> Loss:
    named = [name for name in ("loss", "burst", "loss_file") if given[name] is not None]
    if len(named) != 1:
        raise click.UsageError("give one of --loss, --burst and --loss-file")
    if given["spread"] is not None and named != ["loss"]:
        raise click.UsageError("--spread goes with --loss")
    if given["burst"] is not None:
        values = _numbers("--burst", given["burst"])
        if len(values) != 4:
            raise ParameterError(f"--burst: {shown(given['burst'])}: {len(values)} numbers, expected four")
        names = ("p_good_to_bad", "p_bad_to_good", "loss_good", "loss_bad")
        return GilbertElliott(**dict(zip(names, values, strict=True)))
    if given["loss_file"] is not None:
        path = given["loss_file"]
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ParameterError(f"{path}: not a text file of losses") from None
        losses = _numbers(path, text)
        if not losses:
            raise ParameterError(f"{path}: it is empty, expected a loss for each device")
        if given["n_devices"] is None:
            given["n_devices"] = len(losses)
        return losses
    if given["n_devices"] is None:
        raise click.UsageError("--devices is missing: the number of devices")
    if given["spread"]:
        return BetaLoss(mean=given["loss"], spread=given["spread"])
    return float(given["loss"])


def _numbers(where: str, text: str) -> list[float]:
    """Numbers, with commas or white space between them."""
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ParameterError(f"{where}: {shown(text)} is not a list of numbers") from None


def _image_len(given: dict[str, Any]) -> int | None:
    named = [name for name in ("image", "image_len", "n_frags") if given[name] is not None]
    if len(named) != 1:
        raise click.UsageError("give one of IMAGE, --image-len and --n-frags")
    if given["image"] is not None:
        return len(load_image(ImageSource(path=given["image"])))
    return None if given["image_len"] is None else int(given["image_len"])


def _n_frags(image_len: int, frag_size: int | None) -> int:
    if frag_size is None:
        raise click.UsageError("give --dr, so that the best fragment size can be found, or --frag-size")
    if not (1 <= frag_size <= 255 and image_len >= 1):
        raise ParameterError(f"--frag-size: {image_len} bytes in fragments of {frag_size}, expected sizes of 1 to 255")
    return -(-image_len // frag_size)


@contextmanager
def _progress(as_json: bool) -> Iterator[Any]:
    """A bar on a terminal that shows which size is being planned."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=as_json or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("planning", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
    console = Console(highlight=False)
    frame_time = transmission.frame_time if transmission else None
    size = f" of {transmission.frag_size} bytes (padding {transmission.padding})" if transmission else ""
    named = f"{name}: " if name else ""
    lines = [f"{named}{plan.n_frags} fragments{size} and {plan.n_coded} coded ones, dialect {plan.version}"]
    if transmission is not None:
        lines.append(f"{transmission.data_rate}: {transmission.frame_time * 1000:.1f} ms on the air for each")
    goal = f"{plan.success_threshold:g} % of {plan.n_devices} devices ({plan.n_needed})"
    sure = f"{100 * plan.confidence:g} %"
    if plan.meets:
        lines.append(
            f"at least {goal} complete with a probability of {percent(plan.probability)}, {sure} was asked for"
        )
    else:
        lines.append(f"the threshold cannot be met with up to {plan.max_coded} coded fragments: {goal} were asked for")
        lines.append(f"the best that can be: {plan.n_sure} devices complete with a probability of {sure}")
    if plan.n_coded:
        shown_rows = " ".join(map(str, plan.rows[:_ROWS_SHOWN].tolist()))
        rest = " …" if plan.n_coded > _ROWS_SHOWN else ""
        leading = plan.rows.tolist() == list(range(1, plan.n_coded + 1))
        lines.append(f"rows: 1 to {plan.n_coded}" if leading else f"rows: {shown_rows}{rest}")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("")
    for title in ("coded", "sent", *(["on the air"] if frame_time else []), "a device completes", "threshold met"):
        table.add_column(title, justify="right")
    ways = [("this plan", plan.n_coded, plan.n_sent, plan.device_probability, plan.probability)]
    for other in plan.alternatives:
        label = other.name if other.n_coded == 0 else f"code rate {other.name}"
        ways.append((label, other.n_coded, other.n_sent, other.device_probability, other.probability))
    for label, n_coded, n_sent, device, fleet in sorted(ways, key=lambda way: way[2]):
        air = [duration(n_sent * frame_time)] if frame_time else []
        style = "bold" if label == "this plan" else None
        table.add_row(label, str(n_coded), str(n_sent), *air, percent(device), percent(fleet), style=style)
    console.print()
    console.print(table)


def percent(probability: float) -> str:
    """A probability in percent, with as many digits as tell it from 0 and 100 %, at most four."""
    if probability in (0, 1):
        return f"{100 * probability:.0f} %"
    if probability < 5e-5:
        return "< 0.01 %"
    if probability > 1 - 5e-7:
        return "> 99.9999 %"
    digits = next(d for d in range(1, 5) if d == 4 or round(100 * probability, d) < 100)
    return f"{100 * probability:.{digits}f} %"
