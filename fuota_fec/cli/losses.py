"""Losses from the options --loss, --spread, --burst and --loss-file."""

from __future__ import annotations

from typing import Any

import click

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.files import read_text
from fuota_fec.planning.losses import BetaLoss, GilbertElliott, Loss

_WAYS = ("loss", "burst", "loss_file")


def read_loss(given: dict[str, Any]) -> Loss:
    """Losses from the options of a command. With a file, `given["n_devices"]` is set to its number of losses.

    ParameterError or UsageError for options that are wrong or do not go together.
    """
    named = [name for name in _WAYS if given.get(name) is not None]
    if len(named) != 1:
        options = [f"--{name.replace('_', '-')}" for name in _WAYS if name in given]
        raise click.UsageError(f"give one of {', '.join(options[:-1])} and {options[-1]}")
    if given["spread"] is not None and named != ["loss"]:
        raise click.UsageError("--spread goes with --loss")
    if given.get("burst") is not None:
        values = _numbers("--burst", given["burst"])
        if len(values) != 4:
            raise ParameterError(f"--burst: {shown(given['burst'])} has {len(values)} numbers, expected four")
        names = ("p_good_to_bad", "p_bad_to_good", "loss_good", "loss_bad")
        return GilbertElliott(**dict(zip(names, values, strict=True)))
    if given["loss_file"] is not None:
        path = given["loss_file"]
        losses = _numbers(path, read_text(path))
        if not losses:
            raise ParameterError(f"{path}: it is empty, expected a loss for each device")
        for number, loss in enumerate(losses, 1):
            if not 0 <= loss < 1:
                raise ParameterError(f"{path}: device {number}: {loss} is not a loss, expected 0 to below 1")
        if given["n_devices"] is None:
            given["n_devices"] = len(losses)
        if given["n_devices"] != len(losses):
            raise ParameterError(f"{path}: {len(losses)} losses, expected one for each of {given['n_devices']} devices")
        return losses
    if given["n_devices"] is None:
        raise click.UsageError("--devices is missing: the number of devices")
    if given["spread"]:
        return BetaLoss(mean=given["loss"], spread=given["spread"])
    return float(given["loss"])


def _numbers(where: str, text: str) -> list[float]:
    """Numbers in a text, separated by commas or white space. ParameterError, with `where`, for any other text."""
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ParameterError(f"{where}: {shown(text)} is not a list of numbers separated by commas or spaces") from None
