"""Files of firmware in every format, written from a memory map: independent of the readers."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence

Memory = Mapping[int, bytes]
"""Address → bytes from it on."""

DATA, END, SEGMENT, START_SEGMENT, LINEAR, START_LINEAR = range(6)


def hex_record(kind: int, offset: int, data: bytes) -> str:
    """Line of an Intel HEX file."""
    body = bytes([len(data), *offset.to_bytes(2, "big"), kind]) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}"


def hex_file(*records: tuple[int, int, bytes]) -> str:
    """Intel HEX file of these records and the end record."""
    return "\n".join(hex_record(*fields) for fields in (*records, (END, 0, b""))) + "\n"


def pieces(memory: Memory, size: int) -> list[tuple[int, bytes]]:
    """Memory in pieces of at most `size` bytes that do not cross 64 kB."""
    found = []
    for address, data in memory.items():
        at = 0
        while at < len(data):
            n = min(size, len(data) - at, 0x10000 - (address + at) % 0x10000)
            found.append((address + at, data[at : at + n]))
            at += n
    return found


def as_hex(memory: Memory, size: int = 16) -> str:
    records: list[tuple[int, int, bytes]] = []
    high = 0
    for address, data in pieces(memory, size):
        if address >> 16 != high:
            high = address >> 16
            records.append((LINEAR, 0, high.to_bytes(2, "big")))
        records.append((DATA, address & 0xFFFF, data))
    return hex_file(*records)


def s_record(kind: int, address: int, data: bytes = b"") -> str:
    """Line of an S-record file."""
    address_len = {0: 2, 1: 2, 2: 3, 3: 4, 5: 2, 6: 3, 7: 4, 8: 3, 9: 2}[kind]
    body = bytes([address_len + len(data) + 1]) + address.to_bytes(address_len, "big") + data
    return f"S{kind}{(body + bytes([~sum(body) & 0xFF])).hex().upper()}"


def as_srec(memory: Memory, kind: int = 3, size: int = 16, *, header: bytes = b"fw", count: bool = True) -> str:
    data = [s_record(kind, address, piece) for address, piece in pieces(memory, size)]
    counted = [s_record(5, len(data))] if count else []
    return "\n".join([s_record(0, 0, header), *data, *counted, s_record(10 - kind, 0)]) + "\n"


def as_ti_txt(memory: Memory) -> str:
    lines = []
    for address, data in memory.items():
        lines.append(f"@{address:04X}")
        lines += [data[at : at + 16].hex(" ").upper() for at in range(0, len(data), 16)]
    return "\n".join([*lines, "q", ""])


def as_elf(
    memory: Memory,
    *,
    bits: int = 32,
    order: str = "<",
    kind: int = 2,
    machine: int = 40,
    others: Sequence[tuple[int, ...]] = (),
    virtual: int = 0x2000_0000,
) -> bytes:
    """ELF file with a loadable segment for each piece; `others` are more program headers, before these."""
    wide = bits == 64
    file_header = struct.Struct(order + ("16sHHIQQQIHHHHHH" if wide else "16sHHIIIIIHHHHHH"))
    segment = struct.Struct(order + ("IIQQQQQQ" if wide else "IIIIIIII"))
    n_segments = len(others) + len(memory)
    at = file_header.size + n_segments * segment.size
    headers, body = [], b""
    for kind_, offset, virtual_, physical, file_len, memory_len in [
        *others,
        *((1, -1, virtual, address, len(data), len(data)) for address, data in memory.items()),
    ]:
        place = at + len(body) if offset < 0 else offset
        if offset < 0:
            body += memory[physical]
        numbers = (
            (kind_, 5, place, virtual_, physical, file_len, memory_len, 1)
            if wide
            else (kind_, place, virtual_, physical, file_len, memory_len, 5, 1)
        )
        headers.append(segment.pack(*numbers))
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    first = min(memory, default=0)
    head = file_header.pack(
        *(ident, kind, machine, 1, first, file_header.size, 0, 0, file_header.size, segment.size, n_segments, 0, 0, 0)
    )
    return head + b"".join(headers) + body


def uf2_block(
    address: int, data: bytes, place: int, n_blocks: int, *, flags: int = 0x2000, family: int = 0xE48BFF56
) -> bytes:
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, len(data), place, n_blocks, family)
    return head + data.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def as_uf2(memory: Memory, size: int = 256, **fields: int) -> bytes:
    blocks = pieces(memory, size)
    return b"".join(uf2_block(address, data, i, len(blocks), **fields) for i, (address, data) in enumerate(blocks))


def md5_of(address: int, data: bytes) -> bytes:
    """Bytes at the end of a UF2 block that sign a region."""
    return struct.pack("<II", address, len(data)) + hashlib.md5(data, usedforsecurity=False).digest()


def with_suffix(body: bytes) -> bytes:
    """DFU file: a body and the suffix."""
    whole = body + struct.pack("<HHHH3sB", 0x0001, 0xDF11, 0x0483, 0x011A, b"UFD", 16)
    return whole + struct.pack("<I", zlib.crc32(whole) ^ 0xFFFFFFFF)


def dfuse_body(targets: Mapping[int, Memory]) -> bytes:
    body = b""
    for setting, memory in targets.items():
        elements = b"".join(struct.pack("<II", address, len(data)) + data for address, data in memory.items())
        body += struct.pack("<6sBI255sII", b"Target", setting, 1, b"ST...", len(elements), len(memory)) + elements
    return struct.pack("<5sBIB", b"DfuSe", 1, 11 + len(body), len(targets)) + body


def as_dfuse(memory: Memory) -> bytes:
    return with_suffix(dfuse_body({0: memory}))
