"""Firmware images from files: binary, Intel HEX, Motorola S-record, and the micro:bit's universal HEX.

The result is the bytes that go to the devices: for the record formats, the memory from the lowest to the highest
address of the chosen range, gaps filled with 0xFF as erased flash reads.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from fuota_fec.errors import MissingExtraError, ParameterError

Format = Literal["auto", "binary", "hex", "srec", "universal-hex"]

SUFFIXES: dict[str, Format] = {".hex": "hex", ".ihex": "hex", ".s19": "srec", ".srec": "srec", ".mot": "srec"}
LONGEST_GAP = 65536
"""Bytes between two segments of a file that are still taken for one image."""


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
    """By the file's suffix if "auto": .hex, .ihex, .s19, .srec, .mot; anything else is binary."""
    board: str | None = None
    """Universal HEX: the board's id, four hexadecimal digits ("9900" = micro:bit V1)."""
    start: int | None = None
    """First address to take, of HEX and S-record files."""
    stop: int | None = None
    """The address after the last."""

    def __post_init__(self) -> None:
        if (self.path is None) == (self.package is None):
            raise ParameterError("image: give either path or package")
        if (self.package is None) != (self.name is None):
            raise ParameterError("image: package and name belong together")


def load_image(source: ImageSource, folder: Path | str = ".") -> bytes:
    """The bytes of an image. ParameterError if it is not there, is empty, or is not what its format says."""
    data = _read_constant(source) if source.package else _read_file(Path(folder) / (source.path or ""))
    kind = source.format
    if kind == "auto":
        kind = SUFFIXES.get(Path(source.path or "").suffix.lower(), "binary")
    where = source.path or f"{source.package}.{source.name}"
    if kind == "binary":
        image = data
    else:
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError:
            raise ParameterError(f"image {where}: not a text file, as {kind} is") from None
        if kind == "universal-hex":
            text = universal_hex_section(text, source.board)
        image = _from_records(text, "srec" if kind == "srec" else "hex", source, where)
    if not image:
        raise ParameterError(f"image {where}: it is empty, expected at least one byte")
    return image


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ParameterError(f"image {path}: cannot be read: {error.strerror}") from None


def _read_constant(source: ImageSource) -> bytes:
    """A string constant of a module, taken from its source text without running it."""
    assert source.package is not None
    try:
        spec = importlib.util.find_spec(source.package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise ParameterError(f"image: package {source.package!r} is not installed: pip install {source.package}")
    for node in ast.parse(_read_file(Path(spec.origin))).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == source.name for t in node.targets):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                break
            if isinstance(value, (str, bytes)):
                return value.encode() if isinstance(value, str) else value
    raise ParameterError(f"image: package {source.package!r} has no text constant {source.name!r}")


def _from_records(text: str, kind: Literal["hex", "srec"], source: ImageSource, where: str) -> bytes:
    try:
        import bincopy
    except ImportError:
        raise MissingExtraError(
            f'image {where}: reading {kind} files needs the extra "image": pip install "fuota-fec[image]"',
            extra="image",
        ) from None
    file = bincopy.BinFile()
    try:
        file.add_ihex(text) if kind == "hex" else file.add_srec(text)
    except bincopy.Error as error:
        raise ParameterError(f"image {where}: {error}") from None
    if source.start is not None or source.stop is not None:
        file.crop(source.start or 0, source.stop if source.stop is not None else file.maximum_address)
    segments: list[Any] = list(file.segments)
    for before, after in pairwise(segments):
        if after.minimum_address - before.maximum_address > LONGEST_GAP:
            raise ParameterError(
                f"image {where}: nothing between addresses {before.maximum_address:#x} and {after.minimum_address:#x}: "
                "these are two images, choose one with start and stop"
            )
    return bytes(file.as_binary(padding=b"\xff"))


def universal_hex_section(text: str, board: str | None) -> str:
    """The plain Intel HEX of one board in a universal HEX file: a record at the start of each block names its board."""
    sections: dict[str, list[str]] = {}
    for current, kind, record in _universal_records(text):
        lines = sections.setdefault(current, [])
        if kind == 0x0D:
            # Custom data: the same record as data, whose checksum covers the type.
            lines.append(f"{record[:7]}00{record[9:-2]}{(int(record[-2:], 16) + 0x0D) & 0xFF:02X}")
        elif kind in (0x00, 0x02, 0x04):
            lines.append(record)
    if not sections:
        raise ParameterError("image: this is not a universal HEX file, no block names a board")
    chosen = (board or "").upper()
    if chosen not in sections:
        raise ParameterError(f"image: board {board!r} is not in the universal HEX file, it holds {', '.join(sections)}")
    return "\n".join([*sections[chosen], ":00000001FF", ""])


def _universal_records(text: str) -> Iterator[tuple[str, int, str]]:
    """(board, record type, record) of the records that belong to a board. An address record may precede its block."""
    board: str | None = None
    address: str | None = None
    for record in text.split():
        try:
            kind = int(record[7:9], 16)
        except ValueError:
            raise ParameterError(f"image: {record[:20]!r} is not a HEX record") from None
        if kind == 0x0A:
            board = record[9:13].upper()
            if address is not None:
                yield board, 0x04, address
        elif kind in (0x02, 0x04):
            address = record
            if board is not None:
                yield board, kind, record
        elif kind == 0x0B:
            continue
        elif board is not None:
            yield board, kind, record
