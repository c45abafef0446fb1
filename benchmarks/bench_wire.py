"""Cost of the commands of LoRaWAN's packages: reading a payload of one command, making the command, and its bytes.

One command of each kind, beside a plain `struct` reading in the same run. The bounds are shares of what the same commands
took before (`BEFORE`).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

from results import Row, best_of, show

from fuota_fec.wire import Command, clock, firmware, fragmentation, multicast

VECTORS = Path(__file__).parent.parent / "tests" / "vectors" / "commands.json"
PACKAGES = {"TS003": clock, "TS004": fragmentation, "TS005": multicast, "TS006": firmware}
BEFORE = {"decode": 17.4, "make": 8.1, "encode": 1.88}
"""Mean time of a call before a field had its range beside it, in plain readings."""
PLAIN = struct.Struct("<BBHBBB4s")
ROUNDS, TIMES = 60, 50


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


def costs() -> tuple[float, dict[str, dict[str, float]]]:
    """Seconds of a plain reading, and of each call of each command."""
    plain = partial(PLAIN.unpack, bytes(11))
    found: dict[str, dict[str, float]] = {}
    unit = math.inf
    for name, kinds in calls():
        once, *each = best_of(plain, *kinds.values(), rounds=ROUNDS, times=TIMES)
        unit = min(unit, once)
        found[name] = dict(zip(kinds, each, strict=True))
    return unit, found


def rows() -> Iterator[Row]:
    unit, found = costs()
    for kind, before in BEFORE.items():
        each = [command[kind] for command in found.values()]
        yield Row(work=f"{kind} a command, least", value=min(each) * 1e6, unit="µs")
        yield Row(work=f"{kind} a command, most", value=max(each) * 1e6, unit="µs")
        share = sum(each) / len(each) / unit / before
        yield Row(work=f"{kind} a command, mean, beside before", value=share, unit="×", at_least=0.7, reach=0.5)


if __name__ == "__main__":
    show(rows())
