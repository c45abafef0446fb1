"""Commands of `fuota-fec`, and the conversion of the library's errors to a message and an exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import click

import fuota_fec
from fuota_fec.cli.clean import say
from fuota_fec.cli.output import drop_unwritten
from fuota_fec.errors import MOST_LISTED, EventError, FuotaError, UndecodableError, WireError

WRONG_INPUT, FAILED, INTERRUPTED = 2, 1, 130
STATUSES = "Exit status: 0 success; 1 failed campaign or undecodable input; 2 wrong usage or input; 130 interrupted."


class Entry(NamedTuple):
    """Command by the name of its module, which is imported when the command is called."""

    module: str
    name: str
    summary: str


COMMANDS = {
    "encode": Entry("fuota_fec.cli.fragments", "encode_command", "Fragment an image and add coded fragments."),
    "decode": Entry("fuota_fec.cli.fragments", "decode_command", "Rebuild an image from a file of frames."),
    "prepare": Entry("fuota_fec.cli.prepare", "prepare_command", "Prepare many images for many targets."),
    "image": Entry("fuota_fec.cli.image", "image_command", "Show what is in an image file, and what it costs to send."),
    "inspect": Entry("fuota_fec.cli.inspect", "inspect_command", "Show the commands in a payload of a package."),
    "plan": Entry("fuota_fec.cli.plan", "plan_command", "Plan the coded fragments that a fleet needs."),
    "schedule": Entry("fuota_fec.cli.schedule", "schedule_command", "Compare data rates and groupings of a fleet."),
    "profiles": Entry("fuota_fec.cli.profiles", "profiles_command", "List device profiles: limits, quirks, sources."),
    "simulate": Entry("fuota_fec.cli.simulate", "simulate_command", "Simulate how many devices of a fleet complete."),
    "reproduce": Entry("fuota_fec.cli.reproduce", "reproduce_command", "Compute published figures, and compare them."),
    "campaign": Entry("fuota_fec.cli.campaign", "campaign_command", "Run firmware-update campaigns."),
    "doctor": Entry("fuota_fec.cli.doctor", "doctor_command", "Show version, CPU features, kernels and extras."),
}


class Commands(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        entry = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(entry.module), entry.name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted", err=True)
            raise SystemExit(INTERRUPTED) from None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Runs a command. Errors of the library become a message on standard error and an exit status; with --json,
        one JSON object on a line of standard error, and errors of usage too.

        If the reader of standard output is gone (EPIPE), click exits silently with status 1.
        """
        given = args[0] if args else kwargs.get("args")
        as_json = "--json" in (sys.argv[1:] if given is None else given)
        fail = _fail_in_json if as_json else _fail
        if as_json:
            kwargs["standalone_mode"] = False  # Otherwise click prints errors of usage itself.
        try:
            status = super().main(*args, **kwargs)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)
        except click.Abort:
            fail("aborted", FAILED)
        except (UndecodableError, WireError, EventError) as error:
            fail(str(error) or type(error).__name__, FAILED)
        except OSError as error:
            drop_unwritten()
            named = error.filename is not None and error.strerror
            fail(f"{error.filename or repr('')}: {error.strerror}" if named else str(error), WRONG_INPUT)
        except (FuotaError, ImportError) as error:
            fail(str(error) or type(error).__name__, WRONG_INPUT, getattr(error, "problems", ()))
        sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int, problems: Sequence[str] = ()) -> NoReturn:
    for line in message.splitlines() or problems:
        say(f"error: {line}", err=True)
    raise SystemExit(status)


def _fail_in_json(message: str, status: int, problems: Sequence[str] = ()) -> NoReturn:
    """Prints an error as JSON: the message, its first problems, their number, the exit status."""
    problems = problems or message.splitlines()
    facts = {"error": message, "problems": problems[:MOST_LISTED], "n_problems": len(problems), "status": status}
    say(json.dumps(facts), err=True)
    raise SystemExit(status)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=STATUSES)
@click.version_option(fuota_fec.__version__, "-V", "--version", prog_name="fuota-fec")
def app() -> None:
    """LoRaWAN firmware updates over the air: fragmentation, forward error correction, campaigns."""
