"""Sources of images: files, standard input, and text constants in installed packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fuota_fec.checks import integer, shown
from fuota_fec.errors import ParameterError
from fuota_fec.files import read_file, read_stream
from fuota_fec.image.constants import read_constant
from fuota_fec.image.dfu import read_dfu
from fuota_fec.image.elf import read_elf
from fuota_fec.image.firmware import ERASED, FirmwareImage, firmware_image
from fuota_fec.image.intel_hex import read_hex, read_universal_hex
from fuota_fec.image.memory import Contents
from fuota_fec.image.recognise import NAMES, TEXT, Format, claim, recognise
from fuota_fec.image.s_record import read_srec
from fuota_fec.image.ti_txt import read_ti_txt
from fuota_fec.image.uf2 import read_uf2

Reader = Callable[[bytes, str, str | None], Contents]
"""Function of the contents of a file, the name of the image in messages, and the board."""

READERS: dict[Format, Reader] = {
    "hex": read_hex,
    "srec": read_srec,
    "ti-txt": read_ti_txt,
    "universal-hex": read_universal_hex,
    "elf": read_elf,
    "uf2": read_uf2,
    "dfu": read_dfu,
}
ADDRESSED = tuple(READERS)
"""Formats with addresses. A plain DFU file has none."""
OF_BOARDS: tuple[Format, ...] = ("universal-hex", "uf2", "dfu")
USED_BY: dict[str, tuple[Format, ...]] = {"board": OF_BOARDS, "start": ADDRESSED, "stop": ADDRESSED, "fill": ADDRESSED}
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
    """File format. "auto": by the contents; "binary" sends a file as it is. Archives, pages, texts and other files that
    are no firmware are refused unless it is "binary"."""
    board: str | None = None
    """Part of a file for several boards. Universal HEX: id of the board, four hexadecimal digits ("9900" = micro:bit
    V1). UF2: id of the family, eight digits. DfuSe: number of the alternate setting."""
    start: int | None = None
    """Formats with addresses: first address of the image."""
    stop: int | None = None
    """Formats with addresses: address after the last one of the image."""
    fill: int | None = None
    """Formats with addresses: value of the bytes in gaps, 0 … 255; 255, erased flash, if not given."""

    def __post_init__(self) -> None:
        problems = []
        if (self.path is None) == (self.package is None):
            problems.append("image: expected either path or package")
        if (self.package is None) != (self.name is None):
            problems.append("image: expected package and name together")
        if self.format != "auto":
            problems += [f"image: {problem}" for problem in self._unused(self.format)]
        problems += [
            f"image: {option}: {shown(address)} is negative, expected an address from 0"
            for option in ("start", "stop")
            if (address := getattr(self, option)) is not None and address < 0
        ]
        if self.fill is not None:
            try:
                integer("image: fill", self.fill, 0, 255)
            except ParameterError as error:
                problems.append(str(error))
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def where(self) -> str:
        """Name of the image in messages."""
        return _where(self.path if self.path is not None else f"{self.package}.{self.name}")

    def _unused(self, kind: Format) -> list[str]:
        """Problems with options that files of this format do not use. If one were ignored, all would be sent."""
        return [
            f"{option}: {shown(value)} is not used in {NAMES[kind]} files, expected a file of {', '.join(formats)}"
            for option, formats in USED_BY.items()
            if (value := getattr(self, option)) is not None and kind not in formats
        ]


def read_image(source: ImageSource, folder: Path | str = ".", *, stream: BinaryIO | None = None) -> FirmwareImage:
    """Image of a source, with all that was found about it; from `stream` instead of the file if given.

    ParameterError if the source cannot be read, is empty, is no firmware, or does not add up.
    """
    if stream is not None:
        return image_of(read_stream(stream, source.where), source)
    where = source.where if source.path is None else _where(str(Path(folder) / source.path))
    return image_of(read_contents(source, folder, where), source)


def read_contents(source: ImageSource, folder: Path | str, where: str) -> bytes:
    """Contents of a source as they are. ParameterError, with `where` as the name, if it cannot be read."""
    if source.path is not None:
        return read_file(Path(folder) / source.path, where)
    assert source.package is not None
    assert source.name is not None
    return read_constant(source.package, source.name)


def load_image(source: ImageSource, folder: Path | str = ".") -> bytes:
    """Bytes of an image. ParameterError as of `read_image`."""
    return read_image(source, folder).data


def parse_image(data: bytes, source: ImageSource) -> bytes:
    """Bytes of an image from the contents of its source. ParameterError as of `read_image`."""
    return image_of(data, source).data


def image_of(data: bytes, source: ImageSource) -> FirmwareImage:
    """Image from the contents of its source. ParameterError as of `read_image`."""
    kind = _format(data, source)
    if problems := source._unused(kind):
        raise ParameterError("\n".join(f"{source.where}: {problem}" for problem in problems))
    return firmware_image(
        _contents(data, kind, source),
        source.where,
        kind,
        start=source.start,
        stop=source.stop,
        fill=ERASED if source.fill is None else source.fill,
    )


def _contents(data: bytes, kind: Format, source: ImageSource) -> Contents:
    if kind == "binary":
        return Contents(data=data)
    if not data.strip():
        return Contents()
    contents = READERS[kind](data, source.where, source.board)
    if contents.memory is None:
        for option in ("start", "stop", "fill"):
            if (value := getattr(source, option)) is not None:
                raise ParameterError(f"{source.where}: {option}: {shown(value)} is not used, as there are no addresses")
        inner = recognise(contents.data)
        if source.format == "auto" and inner.format != "binary":
            raise ParameterError(
                f"{source.where}: {NAMES[kind]} with {inner.name} in it, expected a binary image: give the file in it"
            )
    return contents


def _where(name: str) -> str:
    return f"image {name if name.isprintable() else shown(name)}"


def _format(data: bytes, source: ImageSource) -> Format:
    """Format of the contents. ParameterError for contents that are no firmware, or not what their name claims."""
    if source.format != "auto":
        return source.format
    kind, claimed = recognise(data), claim(source.path or "")
    if claimed is not None and (not data.strip() or (kind is TEXT and claimed in ("hex", "srec"))):
        return claimed
    if kind.format is None:
        advice = f": {kind.advice}" if kind.advice else ""
        raise ParameterError(
            f"{source.where}: {kind.name}, expected firmware{advice}; format binary (--format binary) sends the file "
            "as it is"
        )
    if claimed is not None and kind.format == "binary":
        raise ParameterError(
            f"{source.where}: its name says {NAMES[claimed]}, its contents are binary, expected one of both; format "
            "binary (--format binary) sends the file as it is"
        )
    return kind.format
