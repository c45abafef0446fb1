"""Intel HEX (Hexadecimal Object File Format Specification, revision A, 1988), and the universal HEX of the micro:bit.

A record is a colon and hexadecimal digits: length, address (2 bytes), type, data, checksum. All checksums and lengths
are checked, and the file must end with its end record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.image.lines import after_the_end, lines, no_end, not_a_record, unhex
from fuota_fec.image.memory import Contents, Pieces

DATA, END, SEGMENT, START_SEGMENT, LINEAR, START_LINEAR = range(6)
BLOCK_START, BLOCK_END, PADDING, CUSTOM_DATA, OTHER_DATA = 0x0A, 0x0B, 0x0C, 0x0D, 0x0E

LENS = {END: 0, SEGMENT: 2, LINEAR: 2, START_SEGMENT: 4, START_LINEAR: 4}
"""Record type → number of data bytes that it must have."""
EXPECTED = "a colon and hexadecimal digits: length, address, type, data, checksum"


class Record(NamedTuple):
    line: int
    kind: int
    offset: int
    data: bytes


def read_hex(data: bytes, where: str, _board: str | None = None) -> Contents:
    """Memory contents of an Intel HEX file. ParameterError with the line of the first fault."""
    return _placed(_records(data, where), where)


def read_universal_hex(data: bytes, where: str, board: str | None) -> Contents:
    """Memory contents of one board in a universal HEX file. ParameterError if the board is not in the file."""
    boards: dict[str, list[Record]] = {}
    for name, record in _by_board(_records(data, where), where):
        boards.setdefault(name, []).append(record)
    if not boards:
        raise ParameterError(f"{where}: not a universal HEX file, expected a block that names a board")
    chosen = (board or "").upper()
    if chosen not in boards:
        problem = "several boards in the file" if board is None else f"board: {shown(board)} is not in the file"
        raise ParameterError(f"{where}: {problem}, expected board (--board), one of {', '.join(boards)}")
    return _placed(boards[chosen], where)


def _records(data: bytes, where: str) -> Iterator[Record]:
    """Records up to the end record, which must be the last line."""
    end = None
    for number, line in lines(data, where):
        if end is not None:
            raise after_the_end(line, end, where, number)
        if line[:1] != b":" or len(line) < 11:
            raise not_a_record(line, EXPECTED, where, number)
        record = unhex(line[1:], line, EXPECTED, where, number)
        if len(record) != record[0] + 5:
            raise ParameterError(
                f"{where}, line {number}: {len(record) - 5} data bytes, expected {record[0]} as the record says"
            )
        if sum(record) & 0xFF:
            raise ParameterError(
                f"{where}, line {number}: the checksum is {record[-1]:#04x}, expected {-sum(record[:-1]) & 0xFF:#04x}"
            )
        kind, body = record[3], record[4:-1]
        if len(body) != LENS.get(kind, len(body)):
            raise ParameterError(
                f"{where}, line {number}: {len(body)} data bytes in a record of type {kind:#04x}, expected {LENS[kind]}"
            )
        if kind == END:
            end = number
        else:
            yield Record(number, kind, record[1] << 8 | record[2], body)
    if end is None:
        raise no_end("of type 0x01", where)


def _placed(records: Iterable[Record], where: str) -> Contents:
    """Memory contents of the records.

    An address record of type 4 sets the upper 16 bits. After one of type 2, addresses wrap at the end of the segment
    of 64 kB, as the specification says.
    """
    pieces = Pieces(where)
    base, wraps, entry = 0, False, None
    warnings: list[str] = []
    for line, kind, offset, data in records:
        if kind == DATA:
            here = 0x10000 - offset if wraps else len(data)
            pieces.add(base + offset, data[:here], line)
            if len(data) > here:
                pieces.add(base, data[here:], line)
                warnings.append(
                    f"line {line} wraps at the end of its segment: {len(data) - here} bytes are at {base:#x}, where "
                    f"other programs have them at {base + 0x10000:#x}"
                )
        elif (value := VALUES.get(kind)) is None:
            universal = kind in (BLOCK_START, BLOCK_END, PADDING, CUSTOM_DATA, OTHER_DATA)
            hint = ", expected format universal-hex" if universal else ", expected types 0x00 to 0x05"
            raise ParameterError(f"{where}, line {line}: record type {kind:#04x} is not one of Intel HEX{hint}")
        elif kind in (SEGMENT, LINEAR):
            base, wraps = value(data), kind == SEGMENT
        else:
            entry = value(data)
    return Contents(memory=pieces.memory(), entry=entry, warnings=tuple(warnings[:1]))


def _segment(data: bytes) -> int:
    return int.from_bytes(data[:2], "big") << 4


VALUES: dict[int, Callable[[bytes], int]] = {
    SEGMENT: _segment,
    LINEAR: lambda data: int.from_bytes(data, "big") << 16,
    START_SEGMENT: lambda data: _segment(data) + int.from_bytes(data[2:], "big"),
    START_LINEAR: lambda data: int.from_bytes(data, "big"),
}
"""Record type → address that its data stand for."""

NOT_MEMORY = {START_SEGMENT, START_LINEAR, BLOCK_END, PADDING, OTHER_DATA}
"""Types of a universal HEX file without memory contents: start addresses, padding."""


def _by_board(records: Iterable[Record], where: str) -> Iterator[tuple[str, Record]]:
    """Address and data records with the id of their board. An address record may precede the block it applies to."""
    board: str | None = None
    address: Record | None = None
    for record in records:
        if record.kind == BLOCK_START and len(record.data) >= 2:
            board = record.data[:2].hex().upper()
            if address is not None:
                yield board, address
        elif record.kind in (SEGMENT, LINEAR):
            address = record
            if board is not None:
                yield board, record
        elif record.kind in (DATA, CUSTOM_DATA):
            if board is not None:
                yield board, record._replace(kind=DATA)
        elif record.kind not in NOT_MEMORY:
            raise ParameterError(
                f"{where}, line {record.line}: record type {record.kind:#04x} is unknown, expected one of universal HEX"
            )
