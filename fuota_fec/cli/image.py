"""`fuota-fec image`: what a file has for devices: format, segments, versions, digest, fragments per data rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fuota_fec.checks import counted
from fuota_fec.cli.console import plain_console
from fuota_fec.cli.image_options import image_options, read_quietly, show_warnings
from fuota_fec.cli.options import NamedOptions
from fuota_fec.cli.output import json_option, print_json, region_option
from fuota_fec.image import FirmwareImage
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import Region, region
from fuota_fec.report.formatting import duration
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_SIZE, MAX_FRAGS

CELLS = 64
"""Characters of the map."""
ROWS_SHOWN = 16
"""Segments and gaps listed; --json has all."""

ADDRESSES = ("entry", "flags", "load_address")
"""Facts of versions that are shown in hexadecimal."""


@click.command("image", cls=NamedOptions)
@click.argument("image", metavar="FILE", type=click.Path(dir_okay=False, allow_dash=True))
@image_options
@region_option
@click.option("--dwell-time", is_flag=True, help="Apply the 400 ms dwell-time limit (AS923, AU915).")
@json_option
def image_command(image: str, region_name: str, dwell_time: bool, as_json: bool, **given: Any) -> None:
    """Show what would be sent of FILE: format, segments, filler, versions, SHA-256, fragments per data rate.

    Formats are recognised by the contents; "-" reads standard input. Versions are those of MCUboot and ESP-IDF headers.
    """
    place = region(region_name)
    found = read_quietly(image, given)
    rates = list(_fragments(len(found.data), place, dwell_time))
    if as_json:
        print_json(_facts(image, found, place, rates))
        return
    _print(found, place, rates)
    show_warnings(found)


def _fragments(image_len: int, place: Region, dwell_time: bool) -> Iterator[dict[str, Any]]:
    """For each data rate: largest fragment, number of fragments, and their time on the air without coded ones."""
    for dr in place.usable_drs(dwell_time=dwell_time):
        rate = place.data_rate(dr)
        size = min(place.max_fragment_size(dr, dwell_time=dwell_time), MAX_FRAG_SIZE)
        if size < 1:
            continue
        n_frags = -(-image_len // size)
        yield {
            "data_rate": str(rate),
            "dr": dr,
            "frag_size": size,
            "n_frags": n_frags,
            "air_time": n_frags * frame_time(size + DATA_FRAGMENT_HEADER_LEN, rate),
            "fits": n_frags <= MAX_FRAGS,
        }


def _facts(path: str, image: FirmwareImage, place: Region, rates: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "image": path,
        "format": image.format,
        "image_len": len(image.data),
        "sha256": image.sha256,
        "segments": [{"address": address, "length": length} for address, length in image.segments],
        "filler_len": image.filler_len,
        "fill": image.fill,
        "entry": image.entry,
        "notes": list(image.notes),
        "versions": [asdict(version) for version in image.versions],
        "region": place.name,
        "data_rates": rates,
        "warnings": list(image.warnings),
    }


# ---- for people ----------------------------------------------------------------------------------------------


def _print(image: FirmwareImage, place: Region, rates: list[dict[str, Any]]) -> None:
    console = plain_console()
    console.print(f"{image.where.removeprefix('image ')}: {image.summary}")
    console.print()
    _print_map(console, image)
    console.print()
    facts = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for name, text in _named_facts(image):
        facts.add_row(name, text)
    console.print(facts)
    console.print()
    console.print(f"Fragments of the largest size in {place.name}, without coded ones")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("data rate", "bytes", "fragments", "on the air", ""):
        table.add_column(title, justify="left" if title in ("", "data rate") else "right")
    for rate in rates:
        remark = "" if rate["fits"] else f"too many, expected at most {MAX_FRAGS}"
        table.add_row(
            rate["data_rate"], str(rate["frag_size"]), str(rate["n_frags"]), duration(rate["air_time"]), remark
        )
    console.print(table)


def _print_map(console: Console, image: FirmwareImage) -> None:
    """Segments and gaps as a list, and the whole image as one line of characters."""
    rows = list(_spans(image))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    width = len(f"{rows[-1][0] + rows[-1][1]:x}")
    for address, length, what in rows[:ROWS_SHOWN]:
        table.add_row(f"0x{address:0{width}x}–0x{address + length - 1:0{width}x}", str(length), what)
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        console.print(f"… and {counted(len(rows) - ROWS_SHOWN, 'more row')}: --json lists all segments")
    console.print(f"[{''.join(_cells(image))}]")
    console.print("# data   . filler   - erased flash (0xff or 0x00)")


def _spans(image: FirmwareImage) -> Iterator[tuple[int, int, str]]:
    """Address, length and kind of each segment and gap; offsets for an image without addresses."""
    if not image.segments:
        yield 0, len(image.data), "bytes (offsets)"
        return
    end = image.segments[0][0]
    for address, length in image.segments:
        if address > end:
            yield end, address - end, f"bytes of filler {image.fill:#04x}"
        yield address, length, "bytes"
        end = address + length


def _cells(image: FirmwareImage) -> Iterator[str]:
    """Characters of the map: filler where all of a cell is, erased flash where all of it is, else data."""
    n_cells = min(CELLS, len(image.data))
    base = image.segments[0][0] if image.segments else 0
    gaps = [(a - base, a - base + n) for a, n, what in _spans(image) if "filler" in what]
    for i in range(n_cells):
        low, high = i * len(image.data) // n_cells, (i + 1) * len(image.data) // n_cells
        if any(first <= low and high <= end for first, end in gaps):
            yield "."
        else:
            yield "-" if set(image.data[low:high]) in ({0x00}, {0xFF}) else "#"


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return f"{value:#x}" if name in ADDRESSES else str(value) or "unknown"


def _named_facts(image: FirmwareImage) -> Iterator[tuple[str, str]]:
    for note in image.notes:
        yield "file", note
    if image.entry is not None:
        yield "entry", f"{image.entry:#x}"
    for version in image.versions:
        yield version.kind, version.version + (f" at offset {version.offset:#x}" if version.offset else "")
        yield "", "; ".join(f"{name.replace('_', ' ')} {_shown(name, value)}" for name, value in version.facts.items())
    yield "SHA-256", image.sha256
