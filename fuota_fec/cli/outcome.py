"""End of a run, and devices of a campaign, on a screen: who did not pass, counts by reason, what to do next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import click
from rich.console import Console

from fuota_fec.campaign.status import CampaignStatus, DeviceStatus
from fuota_fec.checks import counted
from fuota_fec.cli.console import paragraph, print_rows
from fuota_fec.report.formatting import duration
from fuota_fec.report.next_steps import next_steps
from fuota_fec.report.tables import STATUSES, device_row, first, in_order, needs_a_look, reason_counts
from fuota_fec.simulation import SimulationResult

F = TypeVar("F", bound=Callable[..., Any])

LIMIT = 10
"""Devices that are listed unless more are asked for."""
MOST_REASONS = 6
"""Reasons that have a line of their own."""


FEWEST = 2
"""Devices and reasons that are listed on the smallest screen."""


class Wanted(NamedTuple):
    """Devices to be listed: those of these statuses, or those that need a look; at most so many, or all."""

    everything: bool = False
    statuses: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def any_number(self) -> bool:
        """Whether no number of devices was asked for."""
        return self.limit is None and not self.everything

    def of(self, devices: tuple[DeviceStatus, ...], wrong: Collection[str]) -> tuple[list[DeviceStatus], int]:
        """Devices to be listed, in order, and the number of others that are wanted. `wrong` ones need a look."""

        def wants(device: DeviceStatus) -> bool:
            if self.statuses:
                return device.status in self.statuses
            return self.everything or needs_a_look(device) or device.dev_eui in wrong

        wanted = [device for device in in_order(devices) if wants(device)]
        limit = self.limit if self.limit is not None else len(wanted) if self.everything else LIMIT
        return wanted[:limit], len(wanted[limit:])


def devices_options(command: F) -> F:
    """Adds --all, --status and --limit to a command; its function gets `wanted`."""
    for option in (
        click.option("--limit", type=click.IntRange(min=0), help=f"List at most so many devices; {LIMIT} by default."),
        click.option(
            "--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="List devices of this status."
        ),
        click.option("--all", "everything", is_flag=True, help="List all devices, not only those that did not pass."),
    ):
        command = option(command)
    return command


def print_devices(
    console: Console,
    status: CampaignStatus,
    wanted: Wanted,
    images: Mapping[str, str] = MappingProxyType({}),
    wrong: Collection[str] = (),
) -> None:
    """Lists the wanted devices, after an empty line, with what is known of their images; `wrong` ones need a look."""
    devices, n_more = wanted.of(status.devices, wrong)
    several = len({device.group for device in status.devices}) > 1
    rows = []
    for device in devices:
        dev_eui, group, verdict, firmware, reason = device_row(device)
        rows.append((dev_eui, verdict, group if several else "", firmware, images.get(dev_eui, ""), reason))
    if rows:
        console.print()
        print_rows(console, ("device", "status", "group", "firmware", "image", "reason"), rows)
    if n_more:
        hidden = "more" if rows else "not listed"
        paragraph(console, f"{n_more} {hidden}: --all, --status and --limit list others")


def print_fitting(console: Console, wanted: Wanted, show: Callable[[Wanted, int], None]) -> None:
    """Prints what `show` prints for wanted devices and a number of reasons: as many of both as fit the screen of a
    terminal with the line of the prompt. Where a number of devices was asked for, all of it is printed."""
    if not console.is_terminal or not wanted.any_number:
        show(wanted, MOST_REASONS)
        return
    fewer_devices = [(n, MOST_REASONS) for n in range(LIMIT, FEWEST, -1)]
    fewer_reasons = [(FEWEST, n) for n in range(MOST_REASONS, FEWEST - 1, -1)]
    for limit, most_reasons in (*fewer_devices, *fewer_reasons):
        fitting = wanted._replace(limit=limit), most_reasons
        with console.capture() as end:
            show(*fitting)
        if len(end.get().splitlines()) < console.height:
            break
    show(*fitting)


def print_reasons(console: Console, reasons: Sequence[tuple[str, int]], most: int = MOST_REASONS) -> None:
    """Number of devices by reason, the most frequent ones."""
    shown, (n_others, n_devices) = first(reasons, most)
    for reason, n in shown:
        paragraph(console, f"{n:>6} {reason}", verdict=reason.partition(":")[0], indent=7)
    if n_others:
        paragraph(console, f"{n_devices:>6} for {counted(n_others, 'other reason')}", indent=7)


def print_next_steps(console: Console, status: CampaignStatus, journal: str | None) -> None:
    """Commands for the devices that did not pass; `journal` is the option that names it, None if there is none."""
    for step in next_steps(status):
        advice = f"{step.advice}, then " if step.advice else ""
        what = step.command(status.id, journal) if journal is not None else "a retry of a campaign kept with --db"
        paragraph(console, f"{counted(step.n_devices, 'device')}: {advice}{what}")


def print_outcome(console: Console, result: SimulationResult, wanted: Wanted, journal: str | None) -> None:
    """Prints the end of a run: devices, reasons, outcome, next steps."""
    status = result.campaign.status()
    wrong = set(result.wrong)
    images = {d.dev_eui: "sent bytes" for d in status.devices if result.holds_image(d.dev_eui)}
    images |= dict.fromkeys(wrong, "other bytes")
    line = _outcome_line(result, status, wrong)
    reasons = reason_counts(status)

    def show(wanted: Wanted, most_reasons: int) -> None:
        print_devices(console, status, wanted, images, wrong)
        console.print()
        print_reasons(console, reasons, most_reasons)
        paragraph(console, line, verdict=status.status)
        print_next_steps(console, status, journal)

    print_fitting(console, wanted, show)


def _outcome_line(result: SimulationResult, status: CampaignStatus, wrong: Collection[str]) -> str:
    passed = [d for d in status.devices if d.status == "passed"]
    n_bytes = len(result.campaign.image)
    n_already = sum(result.ran_already(d.dev_eui) for d in passed)
    n_held = len(passed) - len(wrong) - n_already
    held = f"{n_held} of them hold{'s' if n_held == 1 else ''} exactly the {counted(n_bytes, 'byte')} that were sent "
    held = f"{held}(SHA-256); " if n_held or wrong else ""
    if n_already:
        held = f"{n_already} of them ran it already; {held}"
    unproved = sum(d.status == "unverified" for d in status.devices)
    open_ones = f"{unproved} unverified (the data is or may be complete, without proof), " if unproved else ""
    return (
        f"{status.status}: {len(passed)} of {counted(status.n_devices, 'device')} passed, {open_ones}"
        f"{held if n_bytes else ''}{duration(result.duration)} of virtual time"
    )


def summary(result: SimulationResult) -> dict[str, object]:
    """End of a run as plain data."""
    status = result.campaign.status()
    return {
        "campaign": status.id,
        "status": status.status,
        "reason": status.reason,
        "n_devices": status.n_devices,
        "n_passed": sum(d.status == "passed" for d in status.devices),
        "n_with_other_bytes": len(result.wrong),
        "unconfirmed": list(status.unconfirmed),
        "duration": round(result.duration, 3),
        "devices": [
            {"dev_eui": d.dev_eui, "group": d.group, "status": d.status, "reason": d.reason, "fw_version": d.fw_version}
            for d in status.devices
        ],
    }
