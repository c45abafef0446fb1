"""Report of a batch: images × targets with sizes, fragments, time on the air and energy; failures and warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fuota_fec.batch.changes import dotted
from fuota_fec.batch.manifest import FAILED
from fuota_fec.report.formatting import count, duration, size
from fuota_fec.report.page import Part, Plot, need_extra, render
from fuota_fec.report.plots import Bar, bar_plot

Entry = Mapping[str, Any]

MOST_COLUMNS = 8
"""Largest number of targets side by side."""
MOST_BARS = 16
"""Largest number of targets in a figure."""
_WARNINGS, _FAILED, _DELIVERIES = "Warnings", "Not prepared", "Deliveries to the fleet"


def batch_page(
    items: Sequence[Entry], *, deliveries: Mapping[str, Any] | None = None, made: float | None = None
) -> str:
    """HTML page about a batch from the entries of its manifest. The same entries give the same page.

    `deliveries`: contents of deliveries.json, if the batch was prepared for a fleet.

    MissingExtraError without the extra "report".
    """
    need_extra()
    ready = [entry for entry in items if entry["status"] != FAILED]
    failed = [entry for entry in items if entry["status"] == FAILED]
    by_target: dict[str, list[Entry]] = {}
    for entry in ready:
        by_target.setdefault(entry["target"]["name"], []).append(entry)
    tables = [
        *_failed(failed),
        *_deliveries(deliveries),
        *_overview(by_target),
        *(_target(name, entries) for name, entries in by_target.items()),
        *_warnings(ready),
    ]
    images = {entry["image"]["source"] for entry in items}
    targets = {entry["target"]["name"] for entry in items}
    facts = [
        ("images", str(len(images))),
        ("targets", str(len(targets))),
        ("outputs", str(len(ready))),
        ("frames on the disk", size(sum(entry["output_len"] for entry in ready))),
    ]
    return render(
        "batch.html",
        {
            "heading": f"Batch of {count(len(images), 'image')} for {count(len(targets), 'target')}",
            "badge": f"{len(failed)} failed" if failed else "all prepared",
            "tone": "bad" if failed else "good",
            "verdict": f"{count(len(ready), 'output')} ready for the air.",
            "facts": facts,
            "tables": tables,
            "wraps": {_WARNINGS: "words", _FAILED: "words"},
        },
        plots=_plots(by_target),
        made=made,
    )


def _failed(failed: Sequence[Entry]) -> Iterator[Part]:
    if failed:
        rows = [(entry["image"]["source"], entry["target"]["name"], entry["reason"]) for entry in failed]
        yield Part(_FAILED, ("image", "target", "reason"), rows)


def _deliveries(deliveries: Mapping[str, Any] | None) -> Iterator[Part]:
    """Which devices of a fleet get which output, what it costs, and what the deltas save."""
    if deliveries is None:
        return
    rows, notes = [], []
    for target in deliveries["targets"]:
        for one in target["deliveries"]:
            rows.append(
                (
                    one["output"],
                    str(one["n_devices"]),
                    _version(one["requires_fw_version"]),
                    size(one["len"]),
                    duration(one["air_time"]),
                )
            )
        for one in target["unused"]:
            extra = one["extra_air_time"]
            cost = "not prepared" if extra is None else f"not prepared, {duration(extra)} more"
            rows.append((one["output"], "0", _version(one["requires_fw_version"]), size(one["len"]), cost))
        if target["saving"]:
            notes.append(f"{target['target']}: the deltas save {duration(target['saving'])} of the full image alone.")
    if rows:
        columns = ("output", "devices", "version required", "bytes", "on the air, with requests")
        yield Part(_DELIVERIES, columns, rows, (1, 3, 4), " ".join(notes))


def _plots(by_target: Mapping[str, Sequence[Entry]]) -> list[Plot]:
    """Mean costs of an image, by target."""
    bars = []
    for name, entries in by_target.items():
        costs = [_costs(entry) for entry in entries]
        air_time, energy = (sum(each[key] for each in costs) / len(costs) for key in ("air_time", "energy"))
        bars.append(Bar(label=name, value=air_time, note=f"{duration(air_time)}, {energy:.0f} J"))
    if not 0 < len(bars) <= MOST_BARS:
        return []
    caption = "Mean time on the air of an image, and energy of a device, by target"
    return [Plot(caption, bar_plot(bars, title="Time on the air by target", name="targets"))]


def _overview(by_target: Mapping[str, Sequence[Entry]]) -> Iterator[Part]:
    """Time on the air of every image for every target, side by side."""
    if not 1 < len(by_target) <= MOST_COLUMNS:
        return
    cells: dict[str, dict[str, str]] = {}
    for name, entries in by_target.items():
        for entry in entries:
            cells.setdefault(_image(entry), {})[name] = duration(_costs(entry)["air_time"])
    rows = [(image, *(found.get(name, "–") for name in by_target)) for image, found in sorted(cells.items())]
    columns = ("image", *by_target)
    yield Part("Images side by side, time on the air", columns, rows, tuple(range(1, len(columns))))


def _target(name: str, entries: Sequence[Entry]) -> Part:
    """Costs of every image for a target, at its data rate."""
    changed = any("full" in entry["image"] for entry in entries)
    columns = ("image", "bytes", *(("of the full image",) if changed else ()))
    columns += ("fragments", "coded", "bytes of one", "on the air", "duration", "energy")
    rows = []
    for entry in entries:
        costs, image = _costs(entry), entry["image"]
        rows.append(
            (
                _image(entry),
                size(image["len"]),
                *((_share(image),) if changed else ()),
                str(entry["n_frags"]),
                str(entry["n_coded"]),
                str(entry["frag_size"]),
                duration(costs["air_time"]),
                duration(costs["duration"]),
                f"{costs['energy']:.1f} J",
            )
        )
    target = entries[0]["target"]
    note = (
        f"{target['region']}, {_costs(entries[0])['data_rate']}, dialect {target['dialect']}, {target['profile']} "
        "devices; duration from the start of the session to the last frame, energy of a device that listens until then."
    )
    return Part(name, columns, rows, tuple(range(1, len(columns))), note)


def _warnings(ready: Sequence[Entry]) -> Iterator[Part]:
    """Warnings of pre-flight and of images, each with the number of outputs it is about."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in ready:
        found.update((entry["image"]["source"], text) for text in entry["image"]["warnings"])
        found.update(
            (entry["target"]["name"], f"{finding['message']}. {finding['remedy']}".strip())
            for finding in entry["findings"]
            if finding["severity"] == "warn"
        )
    if found:
        rows = [(about, text, str(n)) for (about, text), n in sorted(found.items())]
        yield Part(_WARNINGS, ("about", "warning", "outputs"), rows, (2,))


def _costs(entry: Entry) -> Mapping[str, Any]:
    """Costs at the data rate of the target."""
    return next(costs for costs in entry["data_rates"] if costs["dr"] == entry["target"]["dr"])


def _image(entry: Entry) -> str:
    image = entry["image"]
    base = image["base"]["source"] if image["base"] else ""
    return f"{image['source']}, delta of {base}" if image["kind"] == "delta" else str(image["source"])


def _version(version: int | None) -> str:
    return "any" if version is None else dotted(version)


def _share(image: Mapping[str, Any]) -> str:
    """Size beside that of the full image."""
    full = image.get("full")
    return "" if full is None else f"{image['len'] / full['len']:.0%}"
