"""UF2 (github.com/microsoft/uf2): blocks of 512 bytes, each with its address, its number and the number of blocks.

Blocks of one family belong together. A file may have several families; `board` chooses one by its id.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from fuota_fec.checks import counted, shown
from fuota_fec.errors import ParameterError
from fuota_fec.image.memory import Contents, MemoryMap, Pieces

BLOCK_LEN, MAX_PAYLOAD = 512, 476
FIRST_MAGIC, SECOND_MAGIC, LAST_MAGIC = 0x0A324655, 0x9E5D5157, 0x0AB16F30
NOT_MAIN_FLASH, FILE_CONTAINER, HAS_FAMILY, HAS_MD5 = 0x1, 0x1000, 0x2000, 0x4000
MD5_LEN = 24
"""Bytes at the end of a block's data with address, length and MD5 of a region."""
FAMILIES = {
    0xE48BFF56: "RP2040",
    0xE48BFF57: "RP2 absolute",
    0xE48BFF58: "RP2 data",
    0xE48BFF59: "RP2350 Arm",
    0xE48BFF5A: "RP2350 RISC-V",
    0xADA52840: "nRF52840",
    0x1C5F21B0: "ESP32",
    0xBFDD4EEE: "ESP32-S2",
    0xC47E5767: "ESP32-S3",
    0xD42BA06C: "ESP32-C3",
    0x68ED2B88: "SAMD21",
    0x55114460: "SAMD51",
    0x57755A57: "STM32F4",
    0x70D16653: "STM32WB",
    0x21460FF0: "STM32WL",
}
"""Ids of some families, and names for them."""


class Block(NamedTuple):
    number: int
    """Position in the file, from 1."""
    flags: int
    address: int
    place: int
    n_blocks: int
    family: int | None
    data: bytes
    md5: bytes


def is_uf2(data: bytes) -> bool:
    """Whether a file is UF2 by its first block. One of its three magic numbers may be damaged."""
    places = ((0, FIRST_MAGIC), (4, SECOND_MAGIC), (BLOCK_LEN - 4, LAST_MAGIC))
    return sum(data[at : at + 4] == magic.to_bytes(4, "little") for at, magic in places) >= 2


def read_uf2(data: bytes, where: str, board: str | None) -> Contents:
    """Memory contents of a UF2 file. ParameterError for a missing or repeated block, or several families."""
    if len(data) % BLOCK_LEN:
        raise ParameterError(f"{where}: {len(data)} bytes, expected UF2 blocks of {BLOCK_LEN} bytes")
    blocks = [_block(data[at : at + BLOCK_LEN], at // BLOCK_LEN + 1, where) for at in range(0, len(data), BLOCK_LEN)]
    main = [block for block in blocks if not block.flags & NOT_MAIN_FLASH]
    others = [block for block in blocks if block.flags & NOT_MAIN_FLASH]
    families: dict[int | None, list[Block]] = {}
    for block in main:
        families.setdefault(block.family, []).append(block)
    family = _chosen(families, board, where)
    chosen = families.get(family, [])
    _check_numbers(chosen, others, where)
    pieces = Pieces(where, "block")
    for block in chosen:
        pieces.add(block.address, block.data, block.number)
    memory = pieces.memory()
    _check_md5(chosen, memory, where)
    notes = [] if family is None else [f"family {_named(family)}"]
    if others:
        notes.append(f"not for the main flash: {counted(len(others), 'block')}")
    if n_rest := len(main) - len(chosen):
        notes.append(f"of other families: {counted(n_rest, 'block')}")
    return Contents(memory=memory, notes=tuple(notes))


def _block(data: bytes, number: int, where: str) -> Block:
    first, second, flags, address, size, place, n_blocks, family = struct.unpack_from("<8I", data)
    if (first, second, *struct.unpack_from("<I", data, 508)) != (FIRST_MAGIC, SECOND_MAGIC, LAST_MAGIC):
        raise ParameterError(f"{where}, block {number}: no UF2 block, expected its three magic numbers")
    if flags & FILE_CONTAINER:
        raise ParameterError(f"{where}, block {number}: a part of a file, expected blocks for the flash")
    most = MAX_PAYLOAD - (MD5_LEN if flags & HAS_MD5 else 0)
    if size > most:
        raise ParameterError(f"{where}, block {number}: {size} bytes of data, expected at most {most}")
    md5 = data[32 + most : 32 + MAX_PAYLOAD]
    return Block(
        number, flags, address, place, n_blocks, family if flags & HAS_FAMILY else None, data[32 : 32 + size], md5
    )


def _chosen(families: dict[int | None, list[Block]], board: str | None, where: str) -> int | None:
    """Family to read: the only one, or the one with the id `board`."""
    known = ", ".join(f"{family:08x} ({_named(family)})" for family in families if family is not None)
    if board is None:
        if len(families) > 1:
            without = " and blocks without a family" if None in families else ""
            raise ParameterError(
                f"{where}: blocks of several families, expected board (--board), one of {known}{without}"
            )
        return next(iter(families), None)
    try:
        family = int(board, 16)
    except ValueError:
        family = -1
    if family not in families:
        expected = f"one of {known}" if known else "none, as no block has a family"
        raise ParameterError(f"{where}: board: {shown(board)} is no family of the UF2 file, expected {expected}")
    return family


def _named(family: int) -> str:
    return FAMILIES.get(family, f"{family:#010x}")


def _check_numbers(blocks: Sequence[Block], others: Sequence[Block], where: str) -> None:
    """ParameterError unless the blocks have the numbers from 0 to their number less 1, each once.

    Other blocks, which are not for the main flash, may be numbered with them.
    """
    seen: dict[int, int] = {}
    for block in blocks:
        if block.n_blocks != blocks[0].n_blocks:
            raise ParameterError(
                f"{where}, block {block.number}: one of {block.n_blocks} blocks, expected {blocks[0].n_blocks} as in "
                f"block {blocks[0].number}"
            )
        if block.place >= block.n_blocks:
            raise ParameterError(
                f"{where}, block {block.number}: number {block.place} of {block.n_blocks} blocks, expected a lower one"
            )
        if block.place in seen:
            raise ParameterError(
                f"{where}, block {block.number}: number {block.place} given twice (first in block "
                f"{seen[block.place]}), expected each number once"
            )
        seen[block.place] = block.number
    n_blocks = blocks[0].n_blocks if blocks else 0
    places = seen.keys() | {other.place for other in others if other.n_blocks == n_blocks > other.place}
    if len(places) < n_blocks:
        missing = next(place for place in range(n_blocks) if place not in places)
        raise ParameterError(
            f"{where}: {len(places)} of {n_blocks} blocks, number {missing} is missing, expected a whole file"
        )


def _check_md5(blocks: Sequence[Block], memory: MemoryMap, where: str) -> None:
    """ParameterError for a region with another MD5 than its block says, or regions that overlap.

    Regions that the file does not have completely are not checked.
    """
    regions = {(*struct.unpack_from("<II", block.md5), block.md5[8:]): block for block in blocks if block.md5}
    end = 0
    for (start, size, digest), block in sorted(regions.items(), key=lambda item: item[0]):
        if start < end:
            raise ParameterError(
                f"{where}, block {block.number}: MD5 of {start:#x} twice, expected one for each region"
            )
        end = start + size
        region = memory.at(start, size)
        if region is not None and hashlib.md5(region, usedforsecurity=False).digest() != digest:
            raise ParameterError(
                f"{where}, block {block.number}: the MD5 is not that of {start:#x}–{end - 1:#x}, expected that of the "
                "contents"
            )
