"""USB DFU files: a suffix of 16 bytes with a CRC (USB DFU 1.1, appendix B), and DfuSe of STMicroelectronics (UM0391).

A plain DFU file is a binary image and the suffix. A DfuSe file has targets, one for each alternate setting, with
elements: an address and bytes. `board` chooses one of several targets by its alternate setting.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.image.memory import Contents, Pieces

SUFFIX_LEN = 16
PREFIX, TARGET, ELEMENT = struct.Struct("<5sBIB"), struct.Struct("<6sBI255sII"), struct.Struct("<II")
DFUSE = b"DfuSe"


class Element(NamedTuple):
    number: int
    address: int
    data: bytes


def has_suffix(data: bytes) -> bool:
    """Whether a file ends as a DFU file does: signature, and length of the suffix."""
    return len(data) > SUFFIX_LEN and data[-8:-4] == b"UFD\x10"


def read_dfu(data: bytes, where: str, board: str | None) -> Contents:
    """Contents of a DFU file. ParameterError for a wrong CRC, a wrong length, or several targets."""
    if not has_suffix(data):
        raise ParameterError(f"{where}: no DFU suffix at the end, expected a whole DFU file")
    device, product, vendor, _, _, _, crc = struct.unpack("<HHHH3sBI", data[-SUFFIX_LEN:])
    expected = zlib.crc32(memoryview(data)[:-4]) ^ 0xFFFFFFFF
    if crc != expected:
        raise ParameterError(f"{where}: the CRC of the DFU suffix is {crc:#010x}, expected {expected:#010x}")
    notes = (f"USB {vendor:04x}:{product:04x}, device {device:#06x}",)
    body = data[:-SUFFIX_LEN]
    if body.startswith(DFUSE):
        targets = _targets(body, where)
        setting = _chosen(targets, board, where)
        pieces = Pieces(where, "element")
        for element in targets[setting]:
            pieces.add(element.address, element.data, element.number)
        return Contents(memory=pieces.memory(), notes=(*notes, f"DfuSe, alternate setting {setting}"))
    if board is not None:
        raise ParameterError(f"{where}: board: {shown(board)} is not used in a DFU file without targets")
    return Contents(data=body, notes=notes)


def _targets(body: bytes, where: str) -> dict[int, list[Element]]:
    """Alternate setting → elements. Numbers of elements count from 1 through the whole file."""
    _, version, size, n_targets = _unpack(PREFIX, body, 0, where)
    if version != 1 or size != len(body):
        raise ParameterError(
            f"{where}: DfuSe version {version} with {size} bytes, expected version 1 with the {len(body)} of the file"
        )
    targets: dict[int, list[Element]] = {}
    at, number = PREFIX.size, 0
    for _ in range(n_targets):
        signature, setting, _, _, target_len, n_elements = _unpack(TARGET, body, at, where)
        at += TARGET.size
        end = at + target_len
        if signature != b"Target" or setting in targets:
            raise ParameterError(f"{where}: no DfuSe target with a setting of its own at byte {at - TARGET.size}")
        targets[setting] = []
        for _ in range(n_elements):
            address, element_len = _unpack(ELEMENT, body, at, where)
            at, number = at + ELEMENT.size + element_len, number + 1
            if at > min(end, len(body)):
                raise ParameterError(
                    f"{where}: element {number} ends at byte {at}, expected all of it within its target, {end} bytes"
                )
            targets[setting].append(Element(number, address, body[at - element_len : at]))
        if at != end:
            raise ParameterError(f"{where}: the target {setting} ends at byte {at}, expected {end} as it says")
    if at != len(body):
        raise ParameterError(f"{where}: {len(body) - at} bytes after the last target, expected none")
    return targets


def _unpack(layout: struct.Struct, body: bytes, at: int, where: str) -> tuple[Any, ...]:
    if at + layout.size > len(body):
        raise ParameterError(f"{where}: cut at byte {len(body)}, expected {at + layout.size} bytes or more")
    return layout.unpack_from(body, at)


def _chosen(targets: dict[int, list[Element]], board: str | None, where: str) -> int:
    known = ", ".join(map(str, targets)) or "no target"
    if board is None:
        if len(targets) != 1:
            raise ParameterError(
                f"{where}: DfuSe with targets {known}, expected board (--board), the alternate setting of one"
            )
        return next(iter(targets))
    if not board.isdecimal() or int(board) not in targets:
        raise ParameterError(f"{where}: board: {shown(board)} is no alternate setting of the file, expected {known}")
    return int(board)
