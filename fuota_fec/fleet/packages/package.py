"""A package of a virtual device as a row: how its commands are decoded and what handles each.

A handler changes the state of the device and yields its answers, each with the seconds after which it is sent: one
uplink per answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.fleet.device_state import DeviceState
from fuota_fec.wire.commands import Command

Answers: TypeAlias = Iterable[tuple[Command, float]]
"""Answers, and the seconds after which each is sent."""

Handler: TypeAlias = Callable[[DeviceState, Any, float], Answers]
"""(state, command, now) → answers, for a command that came by unicast or may come by multicast."""


def _always(_profile: DeviceProfile) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Joined(Command):
    """Answers that are sent as one uplink."""

    answers: tuple[Command, ...]

    def encode(self) -> bytes:
        return b"".join(answer.encode() for answer in self.answers)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Package:
    """One package of a device."""

    identifier: int
    versions: Mapping[int, str]
    decode: Callable[..., list[Command]]
    version_of: Callable[[DeviceState], str]
    """Version of the package that the device has."""
    handlers: Mapping[type[Command], Handler]
    present: Callable[[DeviceProfile], bool] = _always
    """Whether a stack has the package at all."""
