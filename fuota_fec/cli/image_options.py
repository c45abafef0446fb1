"""Images of commands: the options that say how a file is read, and what was found about it on standard error."""

from __future__ import annotations

import sys
from typing import Any, get_args

import click
from click.types import IntParamType

from fuota_fec.cli.clean import say
from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage, Format, ImageSource, read_image


class Whole(IntParamType):
    """Whole number of 0 or more, decimal or with the prefix 0x."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value, 0)
        except ValueError:
            number = -1
        if number < 0:
            self.fail(f"{value} is not a whole number, expected one such as 4096 or 0x1000", param, ctx)
        return number


OPTIONS = ("image_format", "board", "start", "stop", "fill")
"""Parameters of the options, in the order of the help."""


def image_options(function: Any) -> Any:
    """Adds the options that say how the file of an image is read."""
    for option in reversed(
        (
            click.option(
                "--format",
                "image_format",
                type=click.Choice(get_args(Format)),
                default="auto",
                show_default=True,
                help="Format of the image file. auto: by its contents; binary: the file as it is.",
            ),
            click.option(
                "--board", help="Part of the image file: board (universal HEX), family (UF2), setting (DfuSe)."
            ),
            click.option("--start", type=Whole(), metavar="ADDRESS", help="First address of the image."),
            click.option("--stop", type=Whole(), metavar="ADDRESS", help="Address after the last one of the image."),
            click.option("--fill", type=Whole(), metavar="BYTE", help="Value of the bytes in gaps. Default: 0xff."),
        )
    ):
        function = option(function)
    return function


def read_given(path: str, given: dict[str, Any]) -> FirmwareImage:
    """Image of a file, or of standard input for "-", with the options of `image_options`.

    What was read from a format with addresses is said on standard error, and so are warnings.
    """
    image = read_quietly(path, given)
    if image.segments:
        say(f"{image.where}: {image.summary}", err=True)
    show_warnings(image)
    return image


def read_quietly(path: str, given: dict[str, Any]) -> FirmwareImage:
    """Image as of `read_given`, without a word."""
    source = ImageSource(
        path=path, format=given["image_format"], **{name: given[name] for name in OPTIONS if name != "image_format"}
    )
    return read_image(source, stream=sys.stdin.buffer if path == "-" else None)


def image_len_given(text: str, given: dict[str, Any]) -> int:
    """Length of an image: a number of bytes, or that of a file."""
    if not text.isdecimal():
        return len(read_given(text, given).data)
    if int(text) < 1:
        raise ParameterError(f"IMAGE_LEN: {text} is not a number of bytes, expected 1 or more, or a file")
    for name in OPTIONS:
        if given[name] not in (None, "auto"):
            option = name.removeprefix("image_")
            raise click.UsageError(
                f"--{option} goes with a file, not with a number of bytes (a file {text} is ./{text})"
            )
    return int(text)


def show_warnings(image: FirmwareImage) -> None:
    """Prints the warnings about an image on standard error, wrapped at words on a terminal."""
    if image.warnings:
        from fuota_fec.cli.console import plain_console

        console = plain_console(stderr=True)
        for text in image.warnings:
            console.print(f"warning: {image.where}: {text}")
