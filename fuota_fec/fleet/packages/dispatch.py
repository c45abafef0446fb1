"""Finds the package and the handler of each command in a downlink.

Behaviour is that of the specifications with the quirks of the device's profile: a package is a row, a command a row of
its handlers, and `quirks` defines which commands a stack understands.
"""

from __future__ import annotations

from functools import lru_cache

from fuota_fec.campaign.config import Ports
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import WireError
from fuota_fec.fleet.device_state import DeviceState
from fuota_fec.fleet.packages import one_context
from fuota_fec.fleet.packages.clock import CLOCK
from fuota_fec.fleet.packages.firmware import FIRMWARE
from fuota_fec.fleet.packages.fragmentation import (
    FRAGMENTATION,
    receive_fragment,
    set_up_nothing,
    setup_without_frags,
)
from fuota_fec.fleet.packages.multicast import MULTICAST
from fuota_fec.fleet.packages.package import Answers, Package
from fuota_fec.fleet.quirks import understands
from fuota_fec.wire.commands import Command, PackageVersionAns, PackageVersionReq, UnknownCommand
from fuota_fec.wire.fragmentation import DataFragment, FragSessionStatusReq

_BY_MULTICAST = (DataFragment, FragSessionStatusReq)
_DATA_FRAGMENT = bytes((DataFragment.CID,))


def handle(state: DeviceState, f_port: int, payload: bytes, now: float, group: int | None) -> Answers:
    """Carries out the commands of a downlink and returns the answers. `group` is the McGroupID, None for unicast.

    The rest of a payload is dropped from the first command that cannot be decoded. By multicast, everything but
    fragments and FragSessionStatusReq is dropped.
    """
    package = _package_at(state.ports, f_port)
    if package is None or not package.present(state.profile):
        return ()
    if package is FRAGMENTATION and state.profile.one_context:
        return one_context.read(state, payload, now)
    version = package.version_of(state)
    if package is FRAGMENTATION and state.profile.skips_cid_alone:
        commands, rest = _read_skipping(payload, version, multicast=group is not None)
    else:
        commands, rest = _read(package, payload, version)
    setup = setup_without_frags(state, rest) if rest and package is FRAGMENTATION and group is None else None
    garbled = bool(rest) and setup is None
    if garbled:
        state.n_garbage += 1
    answers: list[tuple[Command, float]] = []
    for command in commands:
        kind = type(command)
        if isinstance(command, DataFragment):
            receive_fragment(state, command, now, group)
        elif group is not None and kind is not FragSessionStatusReq:
            continue
        elif kind is PackageVersionReq:
            number = next(number for number, name in package.versions.items() if name == version)
            answer = PackageVersionAns(package_identifier=package.identifier, package_version=number)
            answers.append((answer, state.answer_delay()))
        elif (handler := package.handlers.get(kind)) is not None and understands(state.profile, kind):
            answers += handler(state, command, now)
    if setup is not None:
        answers += set_up_nothing(state, setup)
    if package is FRAGMENTATION:
        return _sent(state.profile, commands, answers, garbled=garbled)
    return answers


def _sent(
    profile: DeviceProfile, commands: tuple[Command, ...], answers: list[tuple[Command, float]], *, garbled: bool
) -> Answers:
    """The answers of TS004 that the stack sends: all of them, unless the message silences it, as far as they fit."""
    if profile.unknown_command_silences and (garbled or any(isinstance(c, UnknownCommand) for c in commands)):
        return ()
    if profile.status_silences and any(isinstance(command, FragSessionStatusReq) for command in commands):
        return ()
    if profile.max_answer_len is None:
        return answers
    fitting, left = [], profile.max_answer_len
    for answer, delay in answers:
        length = len(answer.encode())
        if length <= left:
            fitting.append((answer, delay))
            left -= length
    return fitting


def fragment_in(payload: bytes) -> DataFragment | None:
    """The fragment in a payload that is one DataFragment, the same in either dialect; None for any other payload."""
    if payload[:1] != _DATA_FRAGMENT:
        return None
    commands, rest = _read(FRAGMENTATION, payload, "1.0.0")
    [fragment] = commands if len(commands) == 1 and not rest else [None]
    return fragment if isinstance(fragment, DataFragment) else None


@lru_cache(maxsize=64)
def _read(package: Package, payload: bytes, version: str) -> tuple[tuple[Command, ...], bytes]:
    """The commands of a payload, and its rest from the first one that cannot be decoded. A multicast frame is decoded
    once, and all its devices share the fragment."""
    try:
        return tuple(package.decode(payload, uplink=False, version=version)), b""
    except WireError as error:
        return tuple(error.commands), payload[error.offset :]


@lru_cache(maxsize=64)
def _read_skipping(payload: bytes, version: str, *, multicast: bool) -> tuple[tuple[Command, ...], bytes]:
    """The same of TS004, where of a command that the stack does not take the CID alone is skipped."""
    commands: list[Command] = []
    at = 0
    while at < len(payload):
        found, rest = _read(FRAGMENTATION, payload[at:], version)
        if not found:
            return tuple(commands), rest
        command = found[0]
        if isinstance(command, UnknownCommand) or (multicast and not isinstance(command, _BY_MULTICAST)):
            at += 1
            continue
        commands.append(command)
        at += len(command.encode())
    return tuple(commands), b""


def _package_at(ports: Ports, f_port: int) -> Package | None:
    """The package on a port. Most downlinks are fragments, which are compared first."""
    if f_port == ports.fragmentation:
        return FRAGMENTATION
    if f_port == ports.multicast:
        return MULTICAST
    if f_port == ports.firmware:
        return FIRMWARE
    if f_port == ports.clock:
        return CLOCK
    return None
