"""Command `fuota-fec`: parses its arguments, calls the library, prints the result."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Entry point. Exit status 0 ok, 1 failed campaign or undecodable input, 2 wrong usage or input, 130 Ctrl-C."""
    try:
        try:
            import click  # noqa: F401
            import rich  # noqa: F401
        except ImportError as error:
            print(f'fuota-fec needs {error.name}, from the extra "cli": pip install "fuota-fec[cli]"', file=sys.stderr)
            raise SystemExit(2) from None
        from fuota_fec.cli.app import app
    except KeyboardInterrupt:  # Nothing had begun.
        raise SystemExit(128 + signal.SIGINT) from None
    app()
