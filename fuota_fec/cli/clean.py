"""Text that a terminal prints and does not obey: the one place where it is cleaned."""

from __future__ import annotations

import re

import click

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters C0 and C1, line separators, directions of writing, lone surrogates."""


def clean(text: str) -> str:
    """Text with an escape in place of each character that a terminal may obey: ESC is shown as \\x1b.

    Ids, names, causes and references come from files, devices and network servers.
    """
    return UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def say(line: str = "", *, err: bool = False) -> None:
    """Prints one line, cleaned."""
    click.echo(clean(line), err=err)
