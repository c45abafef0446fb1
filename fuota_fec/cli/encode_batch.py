"""`fuota-fec encode --out-dir`: the batch of some images and data rates, without a file."""

from __future__ import annotations

from typing import Any, NoReturn

import click
from click.core import ParameterSource

from fuota_fec.batch import BatchConfig, BatchImage, Target
from fuota_fec.campaign.config import FRAG_REDUNDANCY_MAX
from fuota_fec.checks import shown
from fuota_fec.cli.image_options import OPTIONS
from fuota_fec.cli.prepare import run_batch
from fuota_fec.errors import ParameterError


def encode_batch(ctx: click.Context, out_dir: str) -> NoReturn:
    """Prepares the images of a call of `encode` for its data rates, with its options, and ends the command."""
    values: dict[str, Any] = ctx.params
    given = {name for name in values if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
    for name in ("output", "rows"):
        if name in given:
            raise click.UsageError(f"--{name} goes with one image, not with --out-dir")
    if "-" in values["images"]:
        raise click.UsageError("standard input goes with -o, not with --out-dir")
    if {"n_coded", "code_rate"} <= given:
        raise click.UsageError("--code-rate and --n-coded both set the number of coded fragments: give one of them")
    options = {name.removeprefix("image_"): values[name] for name in OPTIONS}
    images = tuple(BatchImage(path=path, descriptor=values["descriptor"], **options) for path in values["images"])
    run_batch(BatchConfig(images=images, targets=tuple(_targets(values, given))), out_dir, as_json=values["as_json"])


def _targets(values: dict[str, Any], given: set[str]) -> list[Target]:
    """A target for each data rate; without any, one for the fragment size."""
    n_coded, drs, frag_size = values["n_coded"], values["drs"], values["frag_size"]
    shared: dict[str, Any] = {
        "region": values["region_name"],
        "dialect": values["dialect"],
        "frag_index": values["frag_index"],
        "redundancy": (values["code_rate"] or "5/6") if n_coded is None else n_coded,
        "frag_redundancy_max": max(FRAG_REDUNDANCY_MAX, n_coded or 0),
    }
    if drs is None:
        return [Target(name=f"F{frag_size}", fsize=frag_size, **shared)]
    fsize = frag_size if "frag_size" in given else None
    return [Target(name=f"dr{dr}", dr=dr, fsize=fsize, **shared) for dr in _drs(drs)]


def _drs(text: str) -> list[int]:
    try:
        drs = list(dict.fromkeys(int(part) for part in text.replace(",", " ").split()))
    except ValueError:
        drs = []
    if not drs:
        raise ParameterError(f"dr: {shown(text)} is not a list of data rates, expected one such as 0,3,5")
    return drs
