"""Cost of the commands of LoRaWAN's packages: reading a payload of one command, making the command, and its bytes.

One command of each kind, beside plain `struct` readings in the same run. The bounds are shares of what the same
commands took before (`BEFORE`).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

from results import Row, best_of, show

from fuota_fec.wire import Command, clock, firmware, fragmentation, multicast

VECTORS = Path(__file__).parent.parent / "tests" / "vectors" / "commands.json"
PACKAGES = {"TS003": clock, "TS004": fragmentation, "TS005": multicast, "TS006": firmware}
BEFORE = {"decode": 17.1, "make": 7.8, "encode": 1.69}
"""Mean time of a call before a field had its range beside it, in plain readings."""
PLAIN = struct.Struct("<BBHBBB4s")


def reading(
    decode: Callable[..., list[Command]], raw: bytes, uplink: bool, version: str
) -> Callable[[], list[Command]]:
    return lambda: decode(raw, uplink=uplink, version=version)


def calls() -> Iterator[tuple[str, dict[str, Callable[[], object]]]]:
    """One command of each kind by name, and what is measured of it."""
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    one_of_each = {(v["package"], v["version"], v["direction"], v["command"]): v for v in vectors}
    for (package, number, direction, name), vector in one_of_each.items():
        raw, version = bytes.fromhex(vector["hex"]), f"{number}.0.0"
        read = reading(PACKAGES[package].decode, raw, direction == "up", version)
        (command,) = read()
        assert isinstance(command, Command)
        assert command.encode() == raw
        values = {field.name: getattr(command, field.name) for field in fields(command)}
        make = partial(type(command), **values)
        assert make() == command
        yield f"{package} {version} {name}", {"decode": read, "make": make, "encode": command.encode}


def costs() -> dict[str, dict[str, float]]:
    """Seconds of each call of each command, and of a plain reading beside it."""
    plain = partial(PLAIN.unpack, bytes(11))
    found: dict[str, dict[str, float]] = {}
    for name, kinds in calls():
        found[name] = dict(zip(["plain", *kinds], best_of(plain, *kinds.values(), rounds=30, times=100), strict=True))
    return found


def rows() -> Iterator[Row]:
    found = costs().values()
    for kind, before in BEFORE.items():
        each = [command[kind] for command in found]
        yield Row(work=f"{kind} a command, least", value=min(each) * 1e6, unit="µs")
        yield Row(work=f"{kind} a command, most", value=max(each) * 1e6, unit="µs")
        share = sum(each) / sum(command["plain"] for command in found) / before
        yield Row(work=f"{kind} a command, mean, beside before", value=share, unit="×", at_least=0.7, reach=0.5)


if __name__ == "__main__":
    show(rows())
