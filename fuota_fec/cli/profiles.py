"""`fuota-fec profiles`: device profiles, built in and of one's own, with limits, quirks and sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import click

from fuota_fec.checks import shown
from fuota_fec.cli.clean import say
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.config_files import from_table, read_table
from fuota_fec.devices.limits import BuildLimits
from fuota_fec.devices.profiles import PROFILES, DeviceProfile
from fuota_fec.errors import ParameterError

_LIMITS = tuple(spec.name for spec in fields(BuildLimits))
_IDENTITY = ("name", "base", "source", "commit", "radio")
_QUIRKS = tuple(spec.name for spec in fields(DeviceProfile) if spec.name not in (*_LIMITS, *_IDENTITY))

profiles_option = click.option(
    "--profiles",
    "profiles_file",
    type=click.Path(dir_okay=False),
    help="File with tables [profiles.NAME], such as that of a campaign, for --profile.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnProfiles:
    """The tables of a file that describe profiles."""

    profiles: tuple[DeviceProfile, ...]


def read_profiles(path: str | None) -> Mapping[str, DeviceProfile]:
    """Built-in profiles, and those of a file, by name."""
    if path is None:
        return PROFILES
    table = read_table(path)
    if "profiles" not in table:
        raise ParameterError(f"{path}: there are no profiles, expected tables [profiles.NAME]")
    own = from_table(_OwnProfiles, {"profiles": table["profiles"]}, path).profiles
    for row in own:
        if row.name in PROFILES:
            raise ParameterError(f"{path}: {row.name!r} is the name of a built-in profile, expected another name")
    return {**PROFILES, **{row.name: row for row in own}}


def find_profile(name: str, known: Mapping[str, DeviceProfile]) -> DeviceProfile:
    """The profile of that name. ParameterError, with the known names, if there is none."""
    if name not in known:
        raise ParameterError(f"--profile: {shown(name)} is not known, expected one of {', '.join(known)}")
    return known[name]


@click.command("profiles")
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@click.option("--profile", "names", multiple=True, help="Name of a profile to show; may be repeated. Default: all.")
@json_option
def profiles_command(file: str | None, names: tuple[str, ...], as_json: bool) -> None:
    """List device profiles: limits of the build, quirks of the stack, and the commit that they were measured on.

    FILE, such as that of a campaign, adds its own profiles, from tables [profiles.NAME].
    """
    known = read_profiles(file)
    rows = [find_profile(name, known) for name in names] if names else list(known.values())
    if as_json:
        print_json({"profiles": [_facts(row) for row in rows]})
        return
    for i, row in enumerate(rows):
        for line in (*([""] if i else []), *_lines(row)):
            say(line)


def _facts(row: DeviceProfile) -> dict[str, Any]:
    return {
        "name": row.name,
        "base": row.base,
        "source": row.source,
        "commit": row.commit,
        "radio": asdict(row.energy),
        "limits": {name: getattr(row, name) for name in _LIMITS},
        "quirks": {name: getattr(row, name) for name in _QUIRKS},
    }


def _lines(row: DeviceProfile) -> list[str]:
    """Name and base, source and commit, radio, limits, and the quirks that differ from the specifications."""
    plain, radio = DeviceProfile(name=row.name), row.energy
    quirks = [name for name in _QUIRKS if getattr(row, name) != getattr(plain, name)]
    rest = f", {radio.rest:g} J for the rest of an update" if radio.rest else ""
    commit = f"; commit {row.commit}" if row.commit else ""
    return [
        f"{row.name} (base {row.base})" if row.base else row.name,
        f"  source  {row.source}{commit}",
        f"  radio   {radio.name}: {1e3 * radio.listening:g} mW listening, {1e3 * radio.sending:g} mW sending{rest}",
        f"  limits  {_texts(row, [name for name in _LIMITS if getattr(row, name) is not None])}",
        f"  quirks  {_texts(row, quirks) or 'none'}",
    ]


def _texts(row: DeviceProfile, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {_text(getattr(row, name))}" for name in names)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "/".join(map(str, value)) or "never"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)
