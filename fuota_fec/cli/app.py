"""The commands, and what an error of the library turns into."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

import fuota_fec
from fuota_fec.errors import FuotaError, ParameterError, UndecodableError, WireError

WRONG_INPUT, FAILED = 2, 1

COMMANDS = {
    "encode": ("fuota_fec.cli.fragments", "encode_command"),
    "decode": ("fuota_fec.cli.fragments", "decode_command"),
    "inspect": ("fuota_fec.cli.inspect", "inspect_command"),
    "campaign": ("fuota_fec.cli.campaign", "campaign_command"),
    "doctor": ("fuota_fec.cli.doctor", "doctor_command"),
}
"""Each command's module is imported when it is called."""


class Commands(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """One place where the library's errors become a sentence and an exit status."""
        try:
            return super().invoke(ctx)
        except (ParameterError, ImportError, OSError) as error:
            self._fail(error, WRONG_INPUT)
        except (UndecodableError, WireError) as error:
            self._fail(error, FAILED)
        except FuotaError as error:
            self._fail(error, WRONG_INPUT)

    @staticmethod
    def _fail(error: Exception, status: int) -> None:
        for line in str(error).splitlines() or [type(error).__name__]:
            click.echo(f"error: {line}", err=True)
        raise SystemExit(status)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fuota_fec.__version__, "-V", "--version", prog_name="fuota-fec")
def app() -> None:
    """LoRaWAN firmware updates over the air: fragmentation, forward error correction, campaigns."""
