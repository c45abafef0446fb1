"""What commands print and write."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click


def print_json(data: Any) -> None:
    """One JSON object on one line."""
    click.echo(json.dumps(data, ensure_ascii=False))


def write_whole(path: str, data: bytes) -> None:
    """Writes a file all or not at all; "-" is standard output."""
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent or Path(), prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp gives the file to its owner alone; the result gets what the user's other new files get.
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
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


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
