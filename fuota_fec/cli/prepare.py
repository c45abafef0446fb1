"""`fuota-fec prepare`: many images for many targets, ready for the air."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import click

from fuota_fec.batch import (
    BatchConfig,
    BatchResult,
    Deliveries,
    check_batch,
    plan_deliveries,
    prepare_batch,
    read_fleet,
    with_registry,
)
from fuota_fec.batch.delivery_facts import delivery_facts, delivery_lines
from fuota_fec.batch.manifest import READY
from fuota_fec.checks import counted
from fuota_fec.cli.clean import say
from fuota_fec.cli.executors import executor_given, executor_options
from fuota_fec.cli.journals import existing_journal
from fuota_fec.cli.output import json_option, print_json, write_whole
from fuota_fec.cli.progress import LateProgress
from fuota_fec.codec.frame_file import MANIFEST
from fuota_fec.errors import listed
from fuota_fec.files import read_text
from fuota_fec.key_ring import KeyRing
from fuota_fec.report.batch import batch_page
from fuota_fec.report.page import need_extra

FAILED = 1


@click.command("prepare")
@click.argument("file", required=False, type=click.Path(dir_okay=False))
@click.option("-o", "--output", "out", type=click.Path(file_okay=False), help="Folder of the outputs.")
@click.option("--check", type=click.Path(file_okay=False), metavar="DIR", help="Check the outputs of a folder instead.")
@click.option("--report", type=click.Path(dir_okay=False), help="HTML page about the batch to write.")
@click.option(
    "--public-key",
    type=click.Path(dir_okay=False),
    metavar="PEM",
    help="With --check: every image must be signed with this key. Default: the key in the manifest.",
)
@click.option(
    "--fleet",
    type=click.Path(dir_okay=False),
    metavar="CSV",
    help="Devices, with columns dev_eui, fw_version, downlink_dr, target, key, session_cnt: prepare the full image and "
    "the deltas that pay for them.",
)
@click.option(
    "--db",
    "url",
    help="With --fleet: journal whose registry knows the versions and sessions that the CSV file does not.",
)
@click.option(
    "--keys",
    type=click.Path(dir_okay=False),
    help="With --fleet: file of root keys, for the MIC of each device (dialect 2.0.0).",
)
@executor_options
@json_option
def prepare_command(
    file: str | None,
    out: str | None,
    check: str | None,
    report: str | None,
    public_key: str | None,
    fleet: str | None,
    url: str | None,
    keys: str | None,
    kind: str,
    workers: int | None,
    dask_url: str | None,
    as_json: bool,
) -> None:
    """Prepare every image of FILE for every target of it: frames as .npy, and manifest.json for all.

    Outputs that are whole and up to date are kept. Exit status 1 if a pair failed; the others are prepared.

    With --fleet, FILE has one release: a full image, and deltas of it. Those with the least time on air are prepared,
    and deliveries.json says which devices get which. Exit status 1 too if devices get nothing.

    --check reads every output back, decodes it from a random loss of 10 %, and compares it with the manifest; it
    verifies signatures, and with FILE it applies deltas to their bases. Exit status 1 if something does not hold.
    """
    if check is not None:
        if out is not None or fleet is not None or report is not None:
            raise click.UsageError("--check goes with none of -o, --fleet and --report")
        _check(check, file, public_key, kind=kind, workers=workers, dask_url=dask_url, as_json=as_json)
    if public_key is not None:
        raise click.UsageError("--public-key is for --check")
    if file is None or out is None:
        raise click.UsageError("give FILE and -o DIR, or --check DIR")
    if fleet is None and (url is not None or keys is not None):
        raise click.UsageError("--db and --keys are for --fleet")
    config = BatchConfig.load(file)
    deliveries = None if fleet is None else _deliveries(config, fleet, url, keys)
    run_batch(config, out, deliveries, kind=kind, workers=workers, dask_url=dask_url, report=report, as_json=as_json)


def run_batch(
    config: BatchConfig,
    out: str,
    deliveries: Deliveries | None = None,
    *,
    as_json: bool,
    kind: str = "threads",
    workers: int | None = None,
    dask_url: str | None = None,
    report: str | None = None,
) -> NoReturn:
    """Prepares a batch, prints the outcome, and ends the command."""
    if report is not None:
        need_extra()
    with executor_given(kind, workers, dask_url) as executor, LateProgress("preparing") as progress:
        result = prepare_batch(config, out, deliveries=deliveries, executor=executor, progress=progress)
    lacking = [] if deliveries is None else deliveries.problems
    delivered = None if deliveries is None else delivery_facts(deliveries)
    if report is not None:
        write_whole(report, batch_page(result.items, deliveries=delivered).encode())
    if as_json:
        facts = _facts(result, out)
        print_json(facts if delivered is None else {**facts, "deliveries": delivered})
    else:
        for line in listed([f"error: {problem}" for problem in lacking]).splitlines():
            say(line, err=True)
        for line in () if deliveries is None else delivery_lines(deliveries):
            say(line)
        _print(result, out)
    sys.exit(FAILED if result.n_failed or lacking else 0)


def _deliveries(config: BatchConfig, fleet: str, url: str | None, keys: str | None) -> Deliveries:
    """Deliveries of a batch to the devices of a CSV file."""
    devices = read_fleet(fleet)
    if url is not None:
        with closing(existing_journal(url)) as journal:
            devices = with_registry(devices, journal, config.targets)
    return plan_deliveries(config, devices, keys=None if keys is None else KeyRing.load(keys))


def _check(
    out: str,
    file: str | None,
    public_key: str | None,
    *,
    kind: str,
    workers: int | None,
    dask_url: str | None,
    as_json: bool,
) -> NoReturn:
    """Checks a folder, prints what does not hold, and ends the command."""
    config = None if file is None else BatchConfig.load(file)
    pem = None if public_key is None else read_text(public_key).encode()
    with executor_given(kind, workers, dask_url) as executor, LateProgress("checking") as progress:
        result = check_batch(out, config, public_key=pem, executor=executor, progress=progress)
    n_problems = len(result.problems)
    if as_json:
        print_json({"out": out, "n_checked": result.n_checked, "ok": not n_problems, "problems": list(result.problems)})
    else:
        for line in listed([f"error: {problem}" for problem in result.problems]).splitlines():
            say(line, err=True)
        verdict = counted(n_problems, "problem") if n_problems else "all hold"
        say(f"{out}: {counted(result.n_checked, 'output')} checked, {verdict}")
    sys.exit(FAILED if n_problems else 0)


def _facts(result: BatchResult, out: str) -> dict[str, Any]:
    return {
        "out": out,
        "n_made": result.n_made,
        "n_kept": result.n_kept,
        "n_failed": result.n_failed,
        "failed": [
            {
                "output": entry["output"],
                "source": entry["image"]["source"],
                "target": entry["target"]["name"],
                "reason": entry["reason"],
            }
            for entry in result.failed
        ],
    }


def _print(result: BatchResult, out: str) -> None:
    failed = [f"error: {e['image']['source']} for {e['target']['name']}: {e['reason']}" for e in result.failed]
    for line in listed(failed).splitlines():
        say(line, err=True)
    n_warned = sum(_warned(entry) for entry in result.items)
    kept = f", {result.n_kept} whole before" if result.n_kept else ""
    lost = f", {result.n_failed} failed" if failed else ""
    warned = f"; {counted(n_warned, 'output')} with warnings" if n_warned else ""
    say(f"{Path(out) / MANIFEST}: {counted(result.n_made, 'output')} prepared{kept}{lost}{warned}")


def _warned(entry: Any) -> bool:
    """Whether pre-flight or the reading of the image warns of an output."""
    if entry["status"] != READY:
        return False
    return bool(entry["image"]["warnings"]) or any(found["severity"] == "warn" for found in entry["findings"])
