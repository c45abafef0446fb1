"""Bytes on the air: commands of the four packages in both directions, and the keys of multicast groups.

`fragmentation` (TS004), `multicast` (TS005), `firmware` (TS006), `clock` (TS003) and `keys`. Each package has
PORT, PACKAGE_IDENTIFIER, VERSIONS, a frozen class per command, and `decode(payload, *, uplink, version)`; TS004
also takes its version as `dialect`. `dialects`, `limits` and `lorawan` hold the constants of the protocols.
The modules of the packages are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fuota_fec.wire import clock, firmware, fragmentation, keys, multicast
    from fuota_fec.wire.commands import Command, UnknownCommand

__all__ = ["Command", "UnknownCommand", "clock", "firmware", "fragmentation", "keys", "multicast"]


def __getattr__(name: str) -> Any:
    if name in ("Command", "UnknownCommand"):
        return getattr(import_module("fuota_fec.wire.commands"), name)
    if name in __all__:
        return import_module(f"fuota_fec.wire.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
