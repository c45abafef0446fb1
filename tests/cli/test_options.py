"""Numbers on the command line, and errors that name the option."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fuota_fec.cli.options import NamedOptions, Number
from fuota_fec.errors import ParameterError


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("2.5", 2.5), ("1e3", 1000.0)])
def test_a_number_is_taken(text: str, value: float):
    assert Number().convert(text, None, None) == value


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "-inf", "many", ""])
@pytest.mark.parametrize(("above", "expected"), [(False, "0 or more"), (True, "one above 0")])
def test_a_text_that_is_not_a_finite_number_is_refused(text: str, above: bool, expected: str):
    with pytest.raises(click.BadParameter, match=f"is not a number, expected {expected}"):
        Number(above=above).convert(text, None, None)


def test_zero_is_refused_where_numbers_are_above_it():
    with pytest.raises(click.BadParameter, match="0 is not a number, expected one above 0"):
        Number(above=True).convert("0", None, None)


@click.command(cls=NamedOptions)
@click.option("-n", "--devices", "n_devices", type=int)
@click.option("--seed", type=int, default=1)
@click.option("--code-rate", "rate")
def failing(**_options: object) -> None:
    raise ParameterError("n_devices: 0 is not from 1\nseed: wrong\ncode_rate: wrong\nother: kept\nno name at all")


@pytest.mark.parametrize(
    ("args", "lines"),
    [
        (["-n", "0"], ["--devices: 0 is not from 1", "seed: wrong", "code_rate: wrong"]),
        (
            ["--devices", "0", "--seed", "1", "--code-rate", "2"],
            ["--devices: 0 is not from 1", "--seed: wrong", "--code-rate: wrong"],
        ),
    ],
)
def test_an_error_names_the_options_that_were_given(args: list[str], lines: list[str]):
    result = CliRunner().invoke(failing, args)
    assert isinstance(result.exception, ParameterError)
    assert str(result.exception).splitlines() == [*lines, "other: kept", "no name at all"]
