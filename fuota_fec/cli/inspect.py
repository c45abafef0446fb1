"""`fuota-fec inspect`: commands in a payload on the port of a package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from types import MappingProxyType, ModuleType
from typing import Any

import click

from fuota_fec.checks import counted
from fuota_fec.cli.clean import say
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.cli.payloads import BASE64, Payload, read_payload
from fuota_fec.errors import ParameterError, WireError
from fuota_fec.radio.airtime import ping_nb, session_duration
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.commands import Command, UnknownCommand
from fuota_fec.wire.dialects import DIALECTS

PACKAGES: Mapping[int, tuple[str, ModuleType]] = MappingProxyType(
    {
        multicast.PORT: ("TS005", multicast),
        fragmentation.PORT: ("TS004", fragmentation),
        clock.PORT: ("TS003", clock),
        firmware.PORT: ("TS006", firmware),
    }
)
"""FPort → specification and module of the package."""


@click.command("inspect")
@click.argument("payload", metavar="PAYLOAD")
@click.option(
    "--port",
    type=click.Choice([str(port) for port in PACKAGES]),
    required=True,
    help="FPort: 200 multicast setup, 201 fragmentation, 202 clock synchronisation, 203 firmware management.",
)
@click.option("--uplink/--downlink", default=False, help="Direction of the payload.  [default: --downlink]")
@click.option(
    "--version",
    "--dialect",
    "version",
    default="1.0.0",
    show_default=True,
    help="Version of the package, 1.0.0 or 2.0.0; of TS004 it is called the dialect.",
)
@json_option
def inspect_command(payload: str, port: str, uplink: bool, version: str, as_json: bool) -> None:
    """Decode an application PAYLOAD in hexadecimal or base64; "-" reads it from standard input.

    Prints how the payload was read, and one line per command: the offset of its first byte, its name, its fields. What
    can be read as either is hexadecimal. The payload is taken as a downlink unless --uplink is given: requests and
    answers have the same numbers, so the direction cannot be guessed.

    Exit status 1 if the payload cannot be decoded to its end; commands before the error are printed. For a package on
    an unusual port, give the usual port of the package.
    """
    data, encoding = _read(payload)
    name, package = PACKAGES[int(port)]
    error: dict[str, Any] | None = None
    try:
        commands = package.decode(data, uplink=uplink, version=version)
    except WireError as wrong:
        commands = list(wrong.commands)
        error = {"message": str(wrong), "offset": wrong.offset, "field": wrong.field}
    except ParameterError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--version") from None
    placed = list(_placed(commands))
    if placed and isinstance(unknown := placed[-1][1], UnknownCommand):
        offset, _ = placed.pop()
        error = {"message": _unknown(unknown, offset, name, version, uplink), "offset": offset, "field": "cid"}
    if error is not None:
        error["message"] += _other_version(package, data, version, uplink)
    hint = _single(package, data, version, uplink) if len(commands) > 1 and error is None else ""
    if as_json:
        about = {"port": int(port), "package": name, "version": version, "uplink": uplink}
        read = {"payload": data.hex(), "encoding": encoding}
        print_json(
            {**about, **read, "commands": [_json(*item) for item in placed], "error": error}
            | ({"hint": hint} if hint else {})
        )
    else:
        say(f"{counted(len(data), 'byte')} in {encoding}" + (f": {data.hex()}" if encoding == BASE64 else ""))
        for offset, command in placed:
            say(_line(offset, command))
        if hint:
            say(f"note: {hint}", err=True)
    if error is not None:
        if not as_json:
            say(f"error: {error['message']}", err=True)
        sys.exit(1)


def _read(text: str) -> Payload:
    """The payload, and how it is written."""
    if text == "-":
        lines = [line for line in sys.stdin.buffer.read().decode("ascii", "replace").splitlines() if line.strip()]
        if len(lines) > 1:
            raise click.BadParameter(
                f"expected one payload on standard input, got {len(lines)} lines", param_hint="PAYLOAD"
            )
        text = lines[0] if lines else ""
    payload = read_payload(text)
    if payload is None:
        raise click.BadParameter(
            f"expected an even number of hexadecimal digits, or base64, got {_short(text)!r}", param_hint="PAYLOAD"
        )
    if not payload.octets:
        raise click.BadParameter("the payload is empty, expected at least one byte", param_hint="PAYLOAD")
    return payload


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _placed(commands: list[Command]) -> Iterator[tuple[int, Command]]:
    """Commands with the offsets of their CIDs."""
    offset = 0
    for command in commands:
        yield offset, command
        offset += len(command.encode())


def _unknown(command: UnknownCommand, offset: int, package: str, version: str, uplink: bool) -> str:
    direction = "uplinks" if uplink else "downlinks"
    rest = f"; the bytes after it, {command.payload.hex()}, cannot be read" if command.payload else ""
    return f"{package} {version} has no command 0x{command.cid:02x} in {direction} (at byte {offset}){rest}"


def _other_version(package: ModuleType, data: bytes, version: str, uplink: bool) -> str:
    """Hint at another version of the package, if all of the payload can be decoded in it; "" otherwise."""
    for other in DIALECTS:
        with suppress(WireError, ParameterError):
            commands = package.decode(data, uplink=uplink, version=other)
            if other != version and not any(isinstance(command, UnknownCommand) for command in commands):
                return f"; it can be decoded with --dialect {other}"
    return ""


def _single(package: ModuleType, data: bytes, version: str, uplink: bool) -> str:
    """Hint at another version of the package in which all of the payload is one command; "" otherwise.

    Zeros at the end of a longer command are commands of their own in a version in which it is shorter.
    """
    for other in DIALECTS:
        with suppress(WireError, ParameterError):
            commands = package.decode(data, uplink=uplink, version=other)
            if other != version and len(commands) == 1 and not isinstance(commands[0], UnknownCommand):
                return f"it is one {type(commands[0]).__name__} with --dialect {other}"
    return ""


# --- Showing a command -----------------------------------------------------------------------------------------------


def _line(offset: int, command: Command) -> str:
    shown = ", ".join(f"{name} {text}" for name, text in _texts(command).items())
    return f"{offset:3}  {type(command).__name__}" + (f": {shown}" if shown else "")


def _json(offset: int, command: Command) -> dict[str, Any]:
    return {
        "offset": offset,
        "command": type(command).__name__,
        "cid": command.CID,
        "fields": {name: _plain(value) for name, value in _values(command)},
        "text": _texts(command),
    }


def _values(command: Any) -> Iterator[tuple[str, Any]]:
    """Fields of a command that are on the air, with their values."""
    for field in fields(command):
        value = getattr(command, field.name)
        if value is not None and field.name != "version":
            yield field.name, value


def _plain(value: Any) -> Any:
    """Value of a field in a form that JSON can hold."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [{name: _plain(inner) for name, inner in _values(item)} for item in value]
    return value


def _texts(command: Any) -> dict[str, str]:
    return {name: _text(command, name, value) for name, value in _values(command)}


def _text(command: Any, name: str, value: Any) -> str:
    show = _SHOW.get((type(command).__name__, name)) or _SHOW.get(("", name))
    if show is not None:
        return show(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return f"{value.hex()} ({len(value)} bytes)"
    if isinstance(value, tuple):
        return "[" + "; ".join(", ".join(f"{n} {t}" for n, t in _texts(item).items()) for item in value) + "]"
    return str(value)


def _gps(value: int) -> str:
    """Text of a GPS time. On the air it is modulo 2^32; times are taken as those before the first overflow, in 2116."""
    utc = datetime.fromtimestamp(clock.unix_from_gps(value), UTC)
    return f"{value} ({utc:%Y-%m-%dT%H:%M:%SZ})"


def _dotted(value: int) -> str:
    return ".".join(map(str, value.to_bytes(4, "big"))) + f" (0x{value:08x})"


def _groups(value: int) -> str:
    groups = [str(group) for group in range(4) if value >> group & 1]
    return f"0x{value:x} (" + (f"group {' '.join(groups)}" if groups else "no group") + ")"


def _seconds(value: int) -> str:
    return f"{value} s"


def _bytes(value: int) -> str:
    return f"{value} bytes"


def _special(show: Callable[[int], str], meanings: Mapping[int, str]) -> Callable[[int], str]:
    """Text of a number, with a meaning of its own for some values."""

    def text(value: int) -> str:
        return f"0x{value:x} ({meanings[value]})" if value in meanings else show(value)

    return text


def _noted(meanings: Mapping[int, str]) -> Callable[[int], str]:
    return lambda value: f"{value} ({meanings.get(value, 'unknown')})"


_SHOW: Mapping[tuple[str, str], Callable[[Any], str]] = MappingProxyType(
    {
        # any command
        ("", "package_identifier"): _noted({module.PACKAGE_IDENTIFIER: name for name, module in PACKAGES.values()}),
        ("", "package_version"): _noted({1: "1.0.0", 2: "2.0.0"}),
        ("", "descriptor"): bytes.hex,
        ("", "mic"): bytes.hex,
        ("", "mc_key_encrypted"): bytes.hex,
        ("", "mc_addr"): lambda value: f"{value:08x}",
        ("", "mc_group_bit_mask"): _groups,
        ("", "req_group_mask"): _groups,
        ("", "ans_group_mask"): _groups,
        ("", "frag_size"): _bytes,
        ("", "padding"): _bytes,
        ("", "block_ack_delay"): lambda value: f"{value} (answers within {1 << (value + 4)} s)",
        ("", "missing_frag"): lambda value: "255 or more" if value == 255 else str(value),
        ("", "session_time"): _gps,
        ("", "dl_frequency_hz"): lambda value: f"{value / 1e6:g} MHz" if value else "0 (the region's default)",
        ("", "periodicity"): lambda value: f"{value} ({ping_nb(value)} slots in 128 s)",
        ("", "time_to_start"): _special(
            _seconds, {multicast.TIME_TO_START_UNKNOWN: "clock not set, or start too far ahead"}
        ),
        ("", "device_time"): _gps,
        ("", "time"): _gps,
        ("", "time_correction"): lambda value: f"{value:+} s",
        ("", "period"): lambda value: f"{value} (every {128 << value} s)",
        ("", "fw_version"): _dotted,
        ("", "hw_version"): _dotted,
        ("", "next_firmware_version"): _dotted,
        ("", "firmware_to_delete_version"): _dotted,
        ("", "up_image_status"): _noted({0: "none", 1: "corrupt", 2: "for other hardware", 3: "valid"}),
        # where one name has several meanings
        ("McClassCSessionReq", "time_out"): lambda value: f"{value} ({session_duration(value)} s)",
        ("McClassBSessionReq", "time_out"): lambda value: f"{value} ({session_duration(value, device_class='B')} s)",
        ("DevRebootTimeReq", "reboot_time"): _special(
            _gps, {firmware.REBOOT_NOW: "as soon as possible", firmware.CANCEL_REBOOT: "cancel"}
        ),
        ("DevRebootTimeAns", "reboot_time"): _special(_seconds, {0: "cannot", firmware.CANCEL_REBOOT: "cancelled"}),
        ("DevRebootCountdownReq", "countdown"): _special(
            _seconds, {firmware.REBOOT_NOW: "as soon as possible", firmware.CANCEL_COUNTDOWN: "cancel"}
        ),
        ("DevRebootCountdownAns", "countdown"): _special(
            _seconds, {0: "cannot", firmware.CANCEL_COUNTDOWN: "cancelled"}
        ),
    }
)
"""Text of a field, by command ("" for any command) and name. Other fields are shown as they are."""
