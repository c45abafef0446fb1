"""Firmware images from files: binary, Intel HEX, Motorola S-record, and the micro:bit's universal HEX.

The result is the bytes that go to the devices: for the record formats, the memory from the lowest to the highest
address of the chosen range, gaps filled with 0xFF as erased flash reads.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from fuota_fec.checks import shown
from fuota_fec.errors import MissingExtraError, ParameterError

Format = Literal["auto", "binary", "hex", "srec", "universal-hex"]

SUFFIXES: dict[str, Format] = {".hex": "hex", ".ihex": "hex", ".s19": "srec", ".srec": "srec", ".mot": "srec"}
LONGEST_GAP = 65536
"""Bytes between two segments of a file that are still taken for one image."""
USED_BY: dict[str, tuple[Format, ...]] = {
    "board": ("universal-hex",),
    "start": ("hex", "srec", "universal-hex"),
    "stop": ("hex", "srec", "universal-hex"),
}
"""Which formats have a use for an option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Where an image comes from: a file, or a text constant in an installed package (read, not run)."""

    path: str | None = None
    """Of the file; relative to the configuration that names it."""
    package: str | None = None
    """Module that holds the image as a text constant, instead of `path`."""
    name: str | None = None
    """Of that constant."""
    format: Format = "auto"
    """By the file's suffix if "auto": .hex, .ihex, .s19, .srec, .mot; anything else is binary. A constant needs one."""
    board: str | None = None
    """Universal HEX: the board's id, four hexadecimal digits ("9900" = micro:bit V1)."""
    start: int | None = None
    """First address to take, of HEX and S-record files."""
    stop: int | None = None
    """The address after the last."""

    def __post_init__(self) -> None:
        problems = []
        if (self.path is None) == (self.package is None):
            problems.append("image: give either path or package")
        if (self.package is None) != (self.name is None):
            problems.append("image: package and name belong together")
        for option, formats in USED_BY.items():
            if getattr(self, option) is not None and self.kind not in (None, *formats):
                problems.append(f"image: {option} is for {', '.join(formats)} files, this one is {self.kind}")
        problems += [
            f"image: {option}: {shown(address)} is negative"
            for option in ("start", "stop")
            if (address := getattr(self, option)) is not None and address < 0
        ]
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def kind(self) -> Format | None:
        """The format, by the suffix if need be; None if there is none to tell it by."""
        if self.format != "auto":
            return self.format
        return None if self.path is None else SUFFIXES.get(Path(self.path).suffix.lower(), "binary")

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"image {self.path if self.path is not None else f'{self.package}.{self.name}'}"


def load_image(source: ImageSource, folder: Path | str = ".") -> bytes:
    """The bytes of an image. ParameterError if it is not there, is empty, or is not what its format says."""
    if source.path is not None:
        return parse_image(_read_file(Path(folder) / source.path), source)
    assert source.package is not None
    assert source.name is not None
    return parse_image(_read_constant(source.package, source.name), source)


def parse_image(data: bytes, source: ImageSource) -> bytes:
    """The bytes of an image from the contents of its source."""
    image = data if source.kind == "binary" or not data else _from_text(data, source)
    if not image:
        raise ParameterError(f"{source.where}: it is empty, expected at least one byte")
    return image


# ---- where it is ---------------------------------------------------------------------------------------------


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL.
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"image {path}: cannot be read: {reason}") from None


def _read_constant(package: str, name: str) -> bytes:
    """A text constant of a module, taken from its source without running it; the last one of that name."""
    spec = _find(package)
    if spec is None:
        raise ParameterError(f"image: package {package!r} is not installed: pip install {package}")
    try:
        # Only some loaders have a source, and not all modules of those.
        text = getattr(spec.loader, "get_source", lambda _name: None)(spec.name)
        for node in reversed(ast.parse(text or "").body):
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and name in _names(node):
                value = node.value.value if isinstance(node.value, ast.Constant) else None
                if isinstance(value, (str, bytes)):
                    return value.encode() if isinstance(value, str) else value
                break
    except (ImportError, SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # Not a source that Python could read: no constant either.
    raise ParameterError(f"image: package {package!r} has no text constant {name!r}")


def _names(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _find(module: str) -> ModuleSpec | None:
    """Where a module is. Nothing is imported: importlib alone would run the packages around it."""
    first, *rest = module.split(".")
    if not all(map(str.isidentifier, (first, *rest))):
        return None
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    for name in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec


# ---- what it says --------------------------------------------------------------------------------------------


def _from_text(data: bytes, source: ImageSource) -> bytes:
    if source.kind is None:
        raise ParameterError(f"{source.where}: a constant needs a format: binary, hex, srec or universal-hex")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise ParameterError(f"{source.where}: not a text file, as {source.kind} is") from None
    if source.kind == "srec":
        return _memory("srec", list(_lines(text, SREC_RECORD, source.where)), source)
    records = list(_hex_records(text, source.where))
    if source.kind == "universal-hex":
        records = _records_of_board(records, source)
    return _memory("hex", [f":{record.hex()}" for record in records], source)


HEX_RECORD = re.compile(r":([0-9A-Fa-f]{2}){5,}")
SREC_RECORD = re.compile(r"S[0-9]([0-9A-Fa-f]{2}){3,}")


def _lines(text: str, pattern: re.Pattern[str], where: str) -> Iterator[str]:
    """The lines that hold anything."""
    for number, line in enumerate(text.split("\n"), 1):
        record = line.strip()
        if record:
            if not pattern.fullmatch(record):
                raise ParameterError(f"{where}, line {number}: {shown(record)} is not a record of this format")
            yield record


def _hex_records(text: str, where: str) -> Iterator[bytes]:
    """The records of an Intel HEX file: length, address (2), type, data, checksum."""
    for line in _lines(text, HEX_RECORD, where):
        record = bytes.fromhex(line[1:])
        if len(record) != record[0] + 5 or sum(record) & 0xFF:
            raise ParameterError(f"{where}: the length or the checksum of the record {shown(line)} is wrong")
        yield record


def _memory(kind: Literal["hex", "srec"], lines: list[str], source: ImageSource) -> bytes:
    """What these records put into memory, from `start` to `stop`."""
    try:
        import bincopy
    except ImportError:
        raise MissingExtraError(
            f'{source.where}: reading {kind} files needs the extra "image": pip install "fuota-fec[image]"',
            extra="image",
        ) from None
    file = bincopy.BinFile()
    try:
        file.add_ihex("\n".join(lines)) if kind == "hex" else file.add_srec("\n".join(lines))
    except bincopy.Error as error:
        raise ParameterError(f"{source.where}: {error}") from None
    except ValueError:  # Numbers that are not as long as their record's type asks for.
        raise ParameterError(f"{source.where}: a record does not hold what its type asks for") from None
    if not file.segments:
        return b""
    if source.start is not None or source.stop is not None:
        file.crop(source.start or 0, source.stop if source.stop is not None else file.maximum_address)
    segments: list[Any] = list(file.segments)
    for before, after in pairwise(segments):
        if after.minimum_address - before.maximum_address > LONGEST_GAP:
            raise ParameterError(
                f"{source.where}: nothing between addresses {before.maximum_address:#x} and "
                f"{after.minimum_address:#x}: these are two images, choose one with start and stop"
            )
    return bytes(file.as_binary(padding=b"\xff"))


# ---- universal HEX -------------------------------------------------------------------------------------------

DATA, SEGMENT, LINEAR = 0x00, 0x02, 0x04
BLOCK_START, BLOCK_END, PADDING, CUSTOM_DATA, OTHER_DATA = 0x0A, 0x0B, 0x0C, 0x0D, 0x0E
NOT_MEMORY = {0x01, 0x03, 0x05, BLOCK_END, PADDING, OTHER_DATA}
"""Record types that put nothing into a board's memory: ends, start addresses, fillers."""


def _records_of_board(records: list[bytes], source: ImageSource) -> list[bytes]:
    """The plain Intel HEX of one board in a universal HEX file: a record at the start of each block names its board."""
    sections: dict[str, list[bytes]] = {}
    for board, record in _by_board(records, source.where):
        sections.setdefault(board, []).append(record)
    if not sections:
        raise ParameterError(f"{source.where}: this is not a universal HEX file, no block names a board")
    chosen = (source.board or "").upper()
    if chosen not in sections:
        raise ParameterError(
            f"{source.where}: board {source.board!r} is not in the universal HEX file, it holds {', '.join(sections)}"
        )
    return sections[chosen]


def _by_board(records: list[bytes], where: str) -> Iterator[tuple[str, bytes]]:
    """The address and data records that belong to a board, with its id. An address may precede its block."""
    board: str | None = None
    address: bytes | None = None
    for record in records:
        kind = record[3]
        if kind == BLOCK_START and record[0] >= 2:
            board = record[4:6].hex().upper()
            if address is not None:
                yield board, address
        elif kind in (SEGMENT, LINEAR):
            address = record
            if board is not None:
                yield board, record
        elif kind in (DATA, CUSTOM_DATA):
            if board is not None:
                # Custom data is data by another type, which the checksum covers.
                body = record[:3] + bytes([DATA]) + record[4:-1]
                yield board, body + bytes([-sum(body) & 0xFF])
        elif kind not in NOT_MEMORY:
            raise ParameterError(f"{where}: a universal HEX file has no records of type {kind:#04x}: :{record.hex()}")
