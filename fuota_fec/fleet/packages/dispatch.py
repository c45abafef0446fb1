"""Finds the package and the handler of each command in a downlink.

Behaviour is that of the specifications with the quirks of the device's profile: a package is a row, a command a row of
its handlers, and `quirks` defines which commands a stack understands.
"""

from __future__ import annotations

from functools import lru_cache

from fuota_fec.campaign.config import Ports
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.devices.stack_quirks import Deletion
from fuota_fec.errors import WireError
from fuota_fec.fleet.device_state import DeviceState
from fuota_fec.fleet.packages import one_context
from fuota_fec.fleet.packages.clock import CLOCK
from fuota_fec.fleet.packages.firmware import FIRMWARE
from fuota_fec.fleet.packages.fragmentation import (
    FRAGMENTATION,
    receive_fragment,
    setup_without_frags,
)
from fuota_fec.fleet.packages.multicast import MULTICAST
from fuota_fec.fleet.packages.package import Answers, Package
from fuota_fec.fleet.quirks import understands
from fuota_fec.wire.commands import Command, PackageVersionAns, PackageVersionReq, UnknownCommand
from fuota_fec.wire.fragmentation import DataFragment, FragSessionStatusReq

_BY_MULTICAST = (DataFragment.CID, FragSessionStatusReq.CID)
_DATA_FRAGMENT = bytes((DataFragment.CID,))
_SWALLOWS = (None,) * 4
"""Lengths of fragments that extend to the end of the message, by FragIndex."""


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
    if package is FRAGMENTATION:
        commands, rest = _read_fragmentation(state, payload, version, group)
    else:
        commands, rest = _read(package, payload, version)
    garbled = bool(rest)
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


def _read_fragmentation(
    state: DeviceState, payload: bytes, version: str, group: int | None
) -> tuple[tuple[Command, ...], bytes]:
    """The same of TS004, where a stack may take setups without fragments, and skip the CID alone of other commands."""
    commands, rest = _read_plain(state, payload, version, group)
    while rest and (setup := setup_without_frags(state, rest)) is not None:
        more, rest = _read_plain(state, rest[len(setup.encode()) :], version, group)
        commands = (*commands, setup, *more)
    return commands, rest


def _read_plain(
    state: DeviceState, payload: bytes, version: str, group: int | None
) -> tuple[tuple[Command, ...], bytes]:
    profile = state.profile
    if not profile.skips_cid_alone or _is_one_fragment(state, payload):
        return _read(FRAGMENTATION, payload, version)
    lengths = _frag_lengths(state, group) if profile.reads_after_frag else _SWALLOWS
    return _read_skipping(payload, version, lengths, multicast=group is not None)


def _is_one_fragment(state: DeviceState, payload: bytes) -> bool:
    """Whether a payload is a fragment as long as its session's, as most are."""
    session = state.sessions.get(payload[2] >> 6) if len(payload) > 3 and payload[0] == DataFragment.CID else None
    return session is not None and len(payload) == 3 + session.setup.frag_size


def _frag_lengths(state: DeviceState, group: int | None) -> tuple[int | None, ...]:
    """Length of the fragments of each FragIndex as its setup said; None: to the end of the message."""
    lengths = [None if state.profile.deletion is Deletion.STOPS else 0] * 4
    for frag_index, session in state.sessions.items():
        heard = group is None or session.hears(group)
        lengths[frag_index] = session.setup.frag_size if heard else None
    return tuple(lengths)


@lru_cache(maxsize=64)
def _read_skipping(
    payload: bytes, version: str, frag_lengths: tuple[int | None, ...], *, multicast: bool
) -> tuple[tuple[Command, ...], bytes]:
    """The same, where of a command that the stack does not take the CID alone is skipped."""
    commands: list[Command] = []
    at = 0
    while at < len(payload):
        if multicast and payload[at] not in _BY_MULTICAST:
            at += 1
            continue
        found, rest = _read(FRAGMENTATION, payload[at:], version)
        if not found:
            return tuple(commands), rest
        command = found[0]
        if isinstance(command, UnknownCommand):
            at += 1
            continue
        commands.append(command)
        at += len(command.encode())
        length = frag_lengths[command.frag_index] if isinstance(command, DataFragment) else None
        if isinstance(command, DataFragment) and length is not None:
            at -= max(0, len(command.payload) - length)
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
