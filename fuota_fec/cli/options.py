"""Option types: finite numbers, and commands whose errors name the option."""

from __future__ import annotations

import math
from typing import Any

import click
from click.core import ParameterSource

from fuota_fec.errors import ParameterError


class Number(click.FloatRange):
    """Finite number of 0 or more, or above 0 only. The range of click itself accepts nan."""

    def __init__(self, *, above: bool = False) -> None:
        super().__init__(min=0, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0 or (self.min_open and number == 0):
            expected = "one above 0" if self.min_open else "0 or more"
            self.fail(f"{value} is not a number, expected {expected}", param, ctx)
        return number


class NamedOptions(click.Command):
    """Command whose errors name the option that was given, in place of the library's parameter."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ParameterError as error:
            raise ParameterError.of(_named(line, ctx) for line in error.problems) from None


def _named(line: str, ctx: click.Context) -> str:
    """Line of a message, with the option in place of the parameter at its start, if the option was given."""
    name, colon, rest = line.partition(": ")
    for param in ctx.command.params:
        if not (colon and isinstance(param, click.Option) and param.name is not None):
            continue
        if param.name == name or f"--{name.replace('_', '-')}" in param.opts:
            if ctx.get_parameter_source(param.name) is ParameterSource.DEFAULT:
                break
            return f"{max(param.opts, key=len)}: {rest}"
    return line
