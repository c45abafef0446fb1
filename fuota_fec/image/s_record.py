"""Motorola S-records: header S0, data S1 to S3, counts S5 and S6, end S7 to S9.

A record is its type, then hexadecimal digits: length, address of 2 to 4 bytes, data, checksum. The checksum does not
cover the type. What it would hide is checked instead: address lengths of data and end agree, counts are right, only
the first line is a header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fuota_fec.errors import ParameterError
from fuota_fec.image.lines import after_the_end, lines, no_end, not_a_record, unhex
from fuota_fec.image.memory import Contents, Pieces

ADDRESS_LENS = {"0": 2, "1": 2, "2": 3, "3": 4, "5": 2, "6": 3, "7": 4, "8": 3, "9": 2}
"""Type → bytes of its address."""
DATA, COUNTS, ENDS = "123", "56", "789"
EXPECTED = "S0 to S9 and hexadecimal digits: length, address, data, checksum"


class Record(NamedTuple):
    line: int
    kind: str
    address: int
    data: bytes

    @property
    def address_len(self) -> int:
        return ADDRESS_LENS[self.kind]


def read_srec(data: bytes, where: str, _board: str | None = None) -> Contents:
    """Memory contents of an S-record file. ParameterError with the line of the first fault.

    A right count at the end shows that a file is not cut, as an end record does: some programs write no other end.
    """
    pieces, n_data = Pieces(where), 0
    notes: tuple[str, ...] = ()
    lens: dict[int, Record] = {}
    longer: Record | None = None
    record = counted = None
    for record in _records(data, where):
        if counted is not None and record.kind not in ENDS:
            raise ParameterError(
                f"{where}, line {record.line}: S{record.kind} after the count, expected the end record"
            )
        if record.kind in COUNTS:
            counted = record
            if record.address != n_data:
                raise ParameterError(
                    f"{where}, line {record.line}: the count is {record.address}, expected {n_data}, the number of "
                    "data records before it"
                )
        elif record.kind == "0":
            notes = _header(record, where)
        else:
            lens.setdefault(record.address_len, record)
            if record.address < 1 << 8 * (record.address_len - 1) and record.address_len > 2:
                longer = longer or record
            if record.kind in DATA:
                n_data += 1
                pieces.add(record.address, record.data, record.line)
    if record is None or record.kind not in ENDS + COUNTS:
        raise no_end("S7, S8 or S9", where)
    if len(lens) > 1 and longer is not None:
        raise _unequal(lens.values(), where)
    return Contents(
        memory=pieces.memory(), entry=record.address if record.kind in ENDS and record.address else None, notes=notes
    )


def _records(data: bytes, where: str) -> Iterator[Record]:
    """Records up to the end record, which must be the last line."""
    end = None
    for n_before, (number, line) in enumerate(lines(data, where)):
        if end is not None:
            raise after_the_end(line, end, where, number)
        kind = chr(line[1]) if len(line) > 1 and line[:1] in b"Ss" else ""
        if kind not in ADDRESS_LENS:
            raise not_a_record(line, EXPECTED, where, number)
        record, address_len = unhex(line[2:], line, EXPECTED, where, number), ADDRESS_LENS[kind]
        if len(record) < address_len + 2:
            raise not_a_record(line, EXPECTED, where, number)
        if len(record) != record[0] + 1:
            raise ParameterError(
                f"{where}, line {number}: {len(record) - 1} bytes, expected {record[0]} as the record says"
            )
        if sum(record) & 0xFF != 0xFF:
            raise ParameterError(
                f"{where}, line {number}: the checksum is {record[-1]:#04x}, expected {~sum(record[:-1]) & 0xFF:#04x}"
            )
        body = record[1 + address_len : -1]
        if body and kind in COUNTS + ENDS:
            raise ParameterError(f"{where}, line {number}: {len(body)} data bytes in a record S{kind}, expected none")
        if not body and kind in DATA:
            raise ParameterError(f"{where}, line {number}: no data in a record S{kind}, expected at least one byte")
        if kind == "0" and n_before:
            raise ParameterError(
                f"{where}, line {number}: S0 is not the first record, expected one header at the start"
            )
        end = number if kind in ENDS else None
        yield Record(number, kind, int.from_bytes(record[1 : 1 + address_len], "big"), body)


def _header(record: Record, where: str) -> tuple[str, ...]:
    if record.address:
        raise ParameterError(f"{where}, line {record.line}: the header S0 has address {record.address:#x}, expected 0")
    text = record.data.decode("ascii", "replace").strip("\0 ")
    return (f"header {text!r}",) if text else ()


def _unequal(records: Iterable[Record], where: str) -> ParameterError:
    """Error for a file with several address lengths, not all of which are the shortest possible ones."""
    found = " and ".join(f"S{record.kind} in line {record.line}" for record in records)
    return ParameterError(
        f"{where}: addresses of several lengths, {found}, expected the same length from the first record to the end, "
        "or the shortest for each address"
    )
