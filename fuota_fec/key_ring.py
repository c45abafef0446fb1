"""KeyRing: the port to secrets. Configurations and journals hold only the names of keys.

A text that may be a key, or hold one, is in no message and in no local variable of a function that raises: crash
reports show both.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from types import MappingProxyType
from typing import Any, NamedTuple

from fuota_fec.checks import expected_of, looks_like_key, shown
from fuota_fec.config_files import parse_table, read_table
from fuota_fec.errors import ParameterError
from fuota_fec.wire.identifiers import canonical_eui
from fuota_fec.wire.keys import Key

KINDS = ("root_keys", "mc_keys")
"""Tables of a key file."""
SOURCES = ("file", "env", "command")
"""Keys of a table `[keys]`."""
COMMAND_TIMEOUT = 60.0
"""s in which a command must have printed the keys."""
MOST_OUTPUT = 64 << 20
"""Bytes that a command may print."""


class KeyRing:
    """Keys by name: root keys of devices, McKeys of groups.

    A name that is a DevEUI may have any usual spelling. To take keys from a vault, subclass it, or give any object with
    the same two methods.
    """

    __slots__ = ("_mc_keys", "_root_keys")

    def __init__(self, *, root_keys: Mapping[str, Key], mc_keys: Mapping[str, Key]) -> None:
        self._root_keys = self._mc_keys = _by_name({})
        wrong = _not_keys({"root_keys": root_keys, "mc_keys": mc_keys})
        if wrong:
            del root_keys, mc_keys
            raise ParameterError(f"key ring: {wrong}: expected names with a Key each, such as Key.from_hex(…)")
        self._root_keys = _by_name(root_keys)
        self._mc_keys = _by_name(mc_keys)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._root_keys)} root keys and {len(self._mc_keys)} multicast keys>"

    def root_key(self, name: str) -> Key:
        """A device's GenAppKey (LoRaWAN 1.0.x) or AppKey (1.1). ParameterError if the ring has no such key."""
        return _key(self._root_keys, name, "root key")

    def mc_key(self, name: str) -> Key:
        """A group's McKey. ParameterError if the ring has no such key."""
        return _key(self._mc_keys, name, "multicast key")

    @classmethod
    def load(cls, path: str | Path) -> KeyRing:
        """Reads a .toml or .json file with the tables `root_keys` and `mc_keys`: name = 32 hexadecimal digits."""
        return cls._of(_read(read_table(path)), str(path))

    @classmethod
    def from_env(cls, prefix: str, environ: Mapping[str, str] | None = None) -> KeyRing:
        """Reads environment variables: {prefix}ROOT_KEY_{name} and {prefix}MC_KEY_{name}, 32 hexadecimal digits each.

        Capitals in the name make no difference, and "_" stands for every character but letters and digits: the McKey of
        "pumps-2" is {prefix}MC_KEY_PUMPS_2. ParameterError if there is no variable, or one that is not a key.
        """
        found = _read_env(prefix, os.environ if environ is None else environ)
        del environ
        return _EnvKeyRing._of(found, f"environment, {prefix}*")

    @classmethod
    def from_command(cls, argv: Sequence[str], timeout: float = COMMAND_TIMEOUT) -> KeyRing:
        """Runs a program once, without a shell; it prints what a key file would have, as TOML or JSON. For a file that
        is decrypted for this run alone: ["sops", "--decrypt", "keys.json"].

        ParameterError if it cannot be run, fails, takes longer than `timeout` (s), or prints something else. Its
        standard error is not captured.
        """
        return cls._of(_run(argv, timeout), f"command {shown(argv[0] if argv else '')}")

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any], folder: str | Path = ".") -> KeyRing:
        """Reads the keys that a table `[keys]` of a configuration names by one of `file`, relative to the folder,
        `env`, the prefix of the variables, and `command`, a list of words. ParameterError for any other table."""
        read = {
            "file": lambda file: cls.load(Path(folder) / file),
            "env": cls.from_env,
            "command": cls.from_command,
        }
        problems = list(_source_problems(table))
        if problems:
            del table
            raise ParameterError.of(problems)
        [(name, value)] = table.items()
        return read[name](value)

    @classmethod
    def _of(cls, found: _Found, where: str) -> KeyRing:
        if found.problem:
            raise ParameterError(f"{where}: {found.problem}")
        return cls(**found.keys)


class _EnvKeyRing(KeyRing):
    """Keys by the names of environment variables."""

    __slots__ = ()

    def root_key(self, name: str) -> Key:
        return super().root_key(_variable(name))

    def mc_key(self, name: str) -> Key:
        return super().mc_key(_variable(name))


class _Found(NamedTuple):
    """Keys by kind and name, or the reason why there are none."""

    keys: Mapping[str, Mapping[str, Key]]
    problem: str = ""


# Functions that see the texts of keys raise nothing.


def _not_keys(tables: Mapping[str, Any]) -> str:
    """Name of the table that holds something else than keys by name; "" if none does."""
    for kind, table in tables.items():
        if not isinstance(table, Mapping) or not all(
            isinstance(name, str) and isinstance(key, Key) for name, key in table.items()
        ):
            return kind
    return ""


def _source_problems(table: Mapping[str, Any]) -> Iterator[str]:
    """Problems of a table `[keys]`; it may have keys instead of their source."""
    for name in table:
        if name not in SOURCES:
            yield f"keys: unknown key {shown(name)}, {expected_of(str(name), SOURCES)}"
    given = [name for name in SOURCES if name in table]
    if len(given) != 1:
        found = ", ".join(given) or "none of them"
        yield f"keys: {found} given, expected one of {', '.join(SOURCES)}"
    for name in given:
        is_text, value = name != "command", table[name]
        words = [value] if is_text else value if isinstance(value, list) else [None]
        if not words or not all(isinstance(word, str) and word for word in words):
            expected = "a text" if is_text else "a list of words"
            yield f"keys.{name}: a value of type {type(value).__name__} cannot be used, expected {expected}"
        elif is_text and looks_like_key(value):
            yield f"keys.{name}: {shown(value)} is not a source, expected the name of one"


def _read(tables: Mapping[str, Any]) -> _Found:
    """Keys of the tables of a key file."""
    if unknown := sorted(set(tables) - set(KINDS)):
        return _Found({}, f"unknown key {shown(unknown[0])}, expected root_keys and mc_keys")
    found: dict[str, dict[str, Key]] = {kind: {} for kind in KINDS}
    for kind, table in tables.items():
        if not isinstance(table, Mapping):
            return _Found({}, f"{kind}: expected names with 32 hexadecimal digits each")
        for name, text in table.items():
            if looks_like_key(name):
                return _Found({}, f"{kind}: a name is 32 hexadecimal digits, as a key is, expected the name of a key")
            if (key := Key.parsed(text)) is None:
                problem = "the value is not a key, expected names with 32 hexadecimal digits each"
                return _Found({}, f"{kind}: {shown(name)}: {problem}")
            found[kind][name] = key
    return _Found(found)


def _read_env(prefix: str, environ: Mapping[str, str]) -> _Found:
    found: dict[str, dict[str, Key]] = {kind: {} for kind in KINDS}
    for kind in KINDS:
        begins = f"{prefix}{kind.upper().removesuffix('S')}_"
        for name, text in environ.items():
            if not (name.startswith(begins) and name != begins):
                continue
            if (key := Key.parsed(text)) is None:
                return _Found({}, f"{name}: the value is not a key, expected 32 hexadecimal digits")
            found[kind][_variable(name.removeprefix(begins))] = key
    if not any(found.values()):
        return _Found({}, f"there are no keys, expected variables {prefix}ROOT_KEY_… and {prefix}MC_KEY_…")
    return _Found(found)


class Printed(NamedTuple):
    """Output of a program, or the reason why there is none."""

    output: bytes
    problem: str = ""


def run_command(argv: Sequence[str], timeout: float, *, what: str = "keys", given: bytes = b"") -> Printed:
    """Output of a program that reads `given`, and prints `what`. Nothing is raised, and the output is not in a problem:
    a program that fails may have printed some keys."""
    try:
        program = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except (OSError, ValueError, IndexError) as error:
        return Printed(b"", f"cannot be run: {getattr(error, 'strerror', None) or type(error).__name__}")
    late = Printed(b"", f"did not end, expected {what} within {timeout:g} s")
    end = monotonic() + timeout
    with program:
        printed = _printed(program, given, end, late)
        if not printed.problem:
            try:
                program.wait(max(0.0, end - monotonic()))
            except subprocess.TimeoutExpired:
                printed = late
        if printed.problem:
            program.kill()
            return printed
    return Printed(b"", f"exit status {program.returncode}, expected 0") if program.returncode else printed


def _printed(program: subprocess.Popen[bytes], given: bytes, end: float, late: Printed) -> Printed:
    """All that a program prints until the time `end`, of MOST_OUTPUT bytes at most."""
    assert program.stdin is not None
    assert program.stdout is not None
    with suppress(OSError):  # It need not read, and may have ended. A pipe takes the few bytes without waiting.
        program.stdin.write(given)
        program.stdin.flush()
    with suppress(OSError):
        program.stdin.close()
    output = bytearray()
    with DefaultSelector() as selector:
        selector.register(program.stdout, EVENT_READ)
        while len(output) <= MOST_OUTPUT:
            if not selector.select(max(0.0, end - monotonic())):
                return late
            if not (part := os.read(program.stdout.fileno(), 1 << 16)):
                return Printed(bytes(output))
            output += part
    return Printed(b"", f"printed more than {MOST_OUTPUT} bytes, expected fewer")


def _run(argv: Sequence[str], timeout: float) -> _Found:
    """Keys that a program prints."""
    printed = run_command(argv, timeout)
    if printed.problem:
        return _Found({}, printed.problem)
    try:
        text = printed.output.decode()
    except UnicodeDecodeError:
        return _Found({}, "its output is not UTF-8 text")
    table = parse_table(text, json_text=text.lstrip().startswith("{"))
    return _Found({}, table) if isinstance(table, str) else _read(table)


def _variable(name: str) -> str:
    """Name of a key as environment variables can have it."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in canonical_eui(name)).upper()


def _by_name(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    return MappingProxyType({canonical_eui(name): key for name, key in keys.items()})


def _key(keys: Mapping[str, Key], name: str, kind: str) -> Key:
    found = keys.get(canonical_eui(name))
    if found is None:
        raise ParameterError(f"key ring: there is no {kind} named {shown(name)}")
    return found
