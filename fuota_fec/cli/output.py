"""What commands print and write."""

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


def print_json(data: Any) -> None:
    """One JSON object on one line."""
    click.echo(json.dumps(data, ensure_ascii=False))


def check_output(path: str, as_json: bool) -> None:
    """Standard output holds one thing: what the command makes, or JSON about it."""
    if path == "-" and as_json:
        raise click.UsageError("--json prints to standard output, where -o - writes: give -o a file")


def write_whole(path: str, data: bytes) -> None:
    """Writes a file all or not at all; "-" is standard output.

    A file that is there keeps its permissions, a symbolic link leads to the file that is written, and what is no file
    (a pipe, a device) is written to as it is. OSError names `path`.
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
    """What standard output could not take (a full disk) is given up.

    Otherwise the interpreter tries once more at its end, and makes that the exit status.
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
    # A new file, with the permissions of the user's other new files.
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


def version_option(function: Any) -> Any:
    """--dialect, for every command that needs one."""
    return click.option(
        "--dialect",
        "version",
        type=click.Choice(["1.0.0", "2.0.0"]),
        default="1.0.0",
        show_default=True,
        help="TS004 dialect of the devices.",
    )(function)


rows_choice: dict[str, Any] = {
    "type": click.Choice(["selected", "first"]),
    "default": "selected",
    "show_default": True,
    "help": "Which coded fragments: chosen ones, which do with fewer, or 1, 2, 3 …",
}
"""Of --rows, where the command chooses them."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
