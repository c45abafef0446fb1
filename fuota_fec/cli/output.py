"""Output of commands: JSON, whole files, and the options that commands share."""

from __future__ import annotations

import json
import os
import stat
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from fuota_fec.cli.clean import UNSAFE
from fuota_fec.radio.regions import REGIONS
from fuota_fec.wire.dialects import DIALECTS


def print_json(data: Any) -> None:
    """Prints one JSON object on one line. What a terminal may obey is escaped as JSON does it: \\u009b."""
    click.echo(UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(data, ensure_ascii=False)))


def check_output(path: str, as_json: bool) -> None:
    """UsageError if the command's product and its JSON would both go to standard output."""
    if path == "-" and as_json:
        raise click.UsageError("--json and -o - both write to standard output: give -o a file")


def write_whole(path: str, data: bytes) -> None:
    """Writes a file completely or not at all; "-" is standard output.

    An existing file keeps its permissions. A symbolic link is followed. A pipe or a device is written in place. OSError
    names `path`.
    """
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        target = Path(os.path.realpath(path))
        mode = None
        with suppress(FileNotFoundError):
            mode = target.stat().st_mode
        if mode is None or stat.S_ISREG(mode):
            _replace(target, data, mode)
        else:
            target.write_bytes(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def drop_unwritten() -> None:
    """Discards output that standard output cannot accept (a full disk).

    Otherwise the interpreter tries again at exit, and replaces the exit status.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    temporary = target.with_name(f".fuota-fec-{uuid.uuid4().hex}")
    # 0o666 less the umask: the usual permissions of a new file.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None:
                os.fchmod(handle, stat.S_IMODE(mode))
            file.write(data)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def dialect_option(function: Any) -> Any:
    """Adds the option --dialect to a command."""
    return click.option(
        "--dialect",
        type=click.Choice(list(DIALECTS)),
        default="1.0.0",
        show_default=True,
        help="TS004 dialect of the devices.",
    )(function)


region_option = click.option(
    "--region",
    "region_name",
    default="EU868",
    show_default=True,
    help=f"Region of the data rates: {', '.join(REGIONS)}.",
)

rows_choice: dict[str, Any] = {
    "type": click.Choice(["selected", "first"]),
    "default": "selected",
    "show_default": True,
    "help": "Rows of the coded fragments: selected ones, of which fewer are needed, or 1, 2, 3 …",
}
"""Arguments of the option --rows in commands that choose the rows."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
