"""Firmware images from files: binary, Intel HEX, Motorola S-record, and the universal HEX of the micro:bit.

An image is the bytes for the devices. For the record formats, these are the memory from the lowest to the highest
address of the chosen range, with gaps filled with 0xFF, the value of erased flash.
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
"""Largest gap in bytes between two segments of one image."""
USED_BY: dict[str, tuple[Format, ...]] = {
    "board": ("universal-hex",),
    "start": ("hex", "srec", "universal-hex"),
    "stop": ("hex", "srec", "universal-hex"),
}
"""Option → formats that use the option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Source of an image: a file, or a text constant in an installed package. The package is read, not run."""

    path: str | None = None
    """Path of the file, relative to the configuration file."""
    package: str | None = None
    """Module with the image as a text constant, instead of `path`."""
    name: str | None = None
    """Name of the text constant in `package`."""
    format: Format = "auto"
    """File format. "auto": by the suffix (.hex, .ihex, .s19, .srec, .mot; else binary). A constant needs a format."""
    board: str | None = None
    """Universal HEX: id of the board, four hexadecimal digits ("9900" = micro:bit V1)."""
    start: int | None = None
    """HEX and S-record files: first address of the image."""
    stop: int | None = None
    """HEX and S-record files: address after the last one of the image."""

    def __post_init__(self) -> None:
        problems = []
        if (self.path is None) == (self.package is None):
            problems.append("image: expected either path or package")
        if (self.package is None) != (self.name is None):
            problems.append("image: expected package and name together")
        for option, formats in USED_BY.items():
            value = getattr(self, option)
            if value is not None and self.kind not in (None, *formats):
                expected = ", ".join(formats)
                problems.append(
                    f"image: {option}: {shown(value)} is not used in {self.kind} files, expected a file of {expected}"
                )
        problems += [
            f"image: {option}: {shown(address)} is negative, expected an address from 0"
            for option in ("start", "stop")
            if (address := getattr(self, option)) is not None and address < 0
        ]
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def kind(self) -> Format | None:
        """Format, from the suffix of the file if "auto"; None for a constant without a format."""
        if self.format != "auto":
            return self.format
        return None if self.path is None else SUFFIXES.get(Path(self.path).suffix.lower(), "binary")

    @property
    def where(self) -> str:
        """Name of the image in messages."""
        return f"image {self.path if self.path is not None else f'{self.package}.{self.name}'}"


def load_image(source: ImageSource, folder: Path | str = ".") -> bytes:
    """Bytes of an image. ParameterError if the source cannot be read, is empty, or is in another format."""
    if source.path is not None:
        return parse_image(_read_file(Path(folder) / source.path), source)
    assert source.package is not None
    assert source.name is not None
    return parse_image(_read_constant(source.package, source.name), source)


def parse_image(data: bytes, source: ImageSource) -> bytes:
    """Bytes of an image from the contents of its source."""
    image = data if source.kind == "binary" or not data else _from_text(data, source)
    if not image:
        raise ParameterError(f"{source.where}: the image is empty, expected at least one byte")
    return image


# ---- files and constants -------------------------------------------------------------------------------------


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError for a name with a NUL
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"image {path}: cannot be read: {reason}") from None


def _read_constant(package: str, name: str) -> bytes:
    """Text constant of a module, read from the source without running it; the last assignment of that name."""
    spec = _find(package)
    if spec is None:
        raise ParameterError(f"image: package {package!r} is not installed, expected it from pip install {package}")
    try:
        # Not every loader has get_source, and not every module has a source.
        text = getattr(spec.loader, "get_source", lambda _name: None)(spec.name)
        for node in reversed(ast.parse(text or "").body):
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and name in _names(node):
                value = node.value.value if isinstance(node.value, ast.Constant) else None
                if isinstance(value, (str, bytes)):
                    return value.encode() if isinstance(value, str) else value
                break
    except (ImportError, SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # A source that Python cannot read has no constant.
    raise ParameterError(f"image: package {package!r} has no text constant {name!r}")


def _names(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _find(module: str) -> ModuleSpec | None:
    """Spec of a module, without importing anything: importlib.util.find_spec would run the parent packages."""
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


# ---- records -------------------------------------------------------------------------------------------------


def _from_text(data: bytes, source: ImageSource) -> bytes:
    if source.kind is None:
        raise ParameterError(f"{source.where}: a constant needs a format, expected binary, hex, srec or universal-hex")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise ParameterError(f"{source.where}: not a text file, expected records of format {source.kind}") from None
    if source.kind == "srec":
        return _memory("srec", list(_lines(text, SREC_RECORD, source.where)), source)
    records = list(_hex_records(text, source.where))
    if source.kind == "universal-hex":
        records = _records_of_board(records, source)
    return _memory("hex", [f":{record.hex()}" for record in records], source)


HEX_RECORD = re.compile(r":([0-9A-Fa-f]{2}){5,}")
SREC_RECORD = re.compile(r"S[0-9]([0-9A-Fa-f]{2}){3,}")


def _lines(text: str, pattern: re.Pattern[str], where: str) -> Iterator[str]:
    """Lines that are not blank. ParameterError for a line that is not a record of the format."""
    for number, line in enumerate(text.split("\n"), 1):
        record = line.strip()
        if record:
            if not pattern.fullmatch(record):
                raise ParameterError(f"{where}, line {number}: {shown(record)} is not a record of this format")
            yield record


def _hex_records(text: str, where: str) -> Iterator[bytes]:
    """Records of an Intel HEX file: length, address (2 bytes), type, data, checksum."""
    for line in _lines(text, HEX_RECORD, where):
        record = bytes.fromhex(line[1:])
        if len(record) != record[0] + 5 or sum(record) & 0xFF:
            raise ParameterError(f"{where}: {shown(line)} is not a record with the right length and checksum")
        yield record


def _memory(kind: Literal["hex", "srec"], lines: list[str], source: ImageSource) -> bytes:
    """Memory contents of the records, from `start` to `stop`."""
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
    except ValueError:  # bincopy's error for data of another length than the type of the record requires
        raise ParameterError(f"{source.where}: a record does not have the length that its type requires") from None
    if not file.segments:
        return b""
    if source.start is not None or source.stop is not None:
        file.crop(source.start or 0, source.stop if source.stop is not None else file.maximum_address)
    segments: list[Any] = list(file.segments)
    for before, after in pairwise(segments):
        if after.minimum_address - before.maximum_address > LONGEST_GAP:
            raise ParameterError(
                f"{source.where}: no data between addresses {before.maximum_address:#x} and "
                f"{after.minimum_address:#x}, expected one image: choose it with start and stop"
            )
    return bytes(file.as_binary(padding=b"\xff"))


# ---- universal HEX -------------------------------------------------------------------------------------------

DATA, SEGMENT, LINEAR = 0x00, 0x02, 0x04
BLOCK_START, BLOCK_END, PADDING, CUSTOM_DATA, OTHER_DATA = 0x0A, 0x0B, 0x0C, 0x0D, 0x0E
NOT_MEMORY = {0x01, 0x03, 0x05, BLOCK_END, PADDING, OTHER_DATA}
"""Record types without memory contents: end of file, start addresses, padding."""


def _records_of_board(records: list[bytes], source: ImageSource) -> list[bytes]:
    """Plain Intel HEX records of one board in a universal HEX file. The first record of each block names its board."""
    sections: dict[str, list[bytes]] = {}
    for board, record in _by_board(records, source.where):
        sections.setdefault(board, []).append(record)
    if not sections:
        raise ParameterError(f"{source.where}: not a universal HEX file, expected a block that names a board")
    chosen = (source.board or "").upper()
    if chosen not in sections:
        raise ParameterError(
            f"{source.where}: board: {source.board!r} is not in the universal HEX file, expected one of "
            f"{', '.join(sections)}"
        )
    return sections[chosen]


def _by_board(records: list[bytes], where: str) -> Iterator[tuple[str, bytes]]:
    """Address and data records with the id of their board. An address record may precede the block it applies to."""
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
                # Custom data is data under another type; the checksum covers the type.
                body = record[:3] + bytes([DATA]) + record[4:-1]
                yield board, body + bytes([-sum(body) & 0xFF])
        elif kind not in NOT_MEMORY:
            raise ParameterError(f"{where}: :{record.hex()} is not a universal HEX record, type {kind:#04x} is unknown")
