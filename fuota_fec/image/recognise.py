"""Kinds of files by their contents: formats of firmware, and files that are none.

The name of a file is a claim: it decides only between text of unknown form and a record format, and contents that are
of no known kind are refused under a name that claims one.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from pathlib import PurePath
from typing import Literal, NamedTuple

from fuota_fec.image.dfu import DFUSE, has_suffix
from fuota_fec.image.lines import UTF8_MARK
from fuota_fec.image.uf2 import is_uf2

Format = Literal["auto", "binary", "hex", "srec", "ti-txt", "universal-hex", "elf", "uf2", "dfu"]

NAMES: dict[Format, str] = {
    "binary": "binary",
    "hex": "Intel HEX",
    "srec": "S-record",
    "ti-txt": "TI-TXT",
    "universal-hex": "universal HEX",
    "elf": "ELF",
    "uf2": "UF2",
    "dfu": "DFU",
}
"""Format → its name for people."""

CLAIMS: dict[str, Format] = {
    **dict.fromkeys((".hex", ".ihex", ".ihx", ".ihe", ".h86", ".h80", ".hxl", ".hxh", ".a43", ".mcs"), "hex"),
    **dict.fromkeys((".s19", ".s28", ".s37", ".srec", ".srecord", ".mot", ".mhx", ".sx", ".s1", ".s2", ".s3"), "srec"),
    **dict.fromkeys((".elf", ".axf"), "elf"),
    ".uf2": "uf2",
    ".dfu": "dfu",
}
"""Suffix of a file → format that it claims."""


class Kind(NamedTuple):
    """Kind of a file: a format that is read, or a description of what is not firmware."""

    format: Format | None
    """Format that is read; None for contents that are refused."""
    name: str
    advice: str = ""
    """Way to the firmware in contents that are refused."""


UNPACK = "give the firmware in it"
OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "a ZIP archive", UNPACK),
    (0, b"PK\x05\x06", "an empty ZIP archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\x1f\x8b\x08", "a gzip file", UNPACK),
    (0, b"\xfd7zXZ\x00", "an xz file", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", UNPACK),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"!<arch>\n", "a static library or a package (ar)", "link a program"),
    *((0, magic, "a Mach-O file", "build for the device") for magic in (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf")),
    *((0, magic, "a Mach-O file", "build for the device") for magic in (b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")),
    (0, b"\xca\xfe\xba\xbe", "a Mach-O file or a Java class", "build for the device"),
    (0, b"%PDF-", "a PDF document", ""),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", ""),
    (0, b"\xff\xd8\xff\xe0", "a JPEG picture", ""),
    (0, b"\xff\xd8\xff\xe1", "a JPEG picture", ""),
    (0, b"SQLite format 3\x00", "an SQLite database", ""),
)
"""Offset, bytes at it, what such a file is, and the way to the firmware."""

FORMATS: tuple[tuple[bytes, Format], ...] = (
    (b"\x7fELF", "elf"),
    (DFUSE, "dfu"),
)

HEAD_LEN = 4096
"""Bytes at the start by which text is told from binary contents."""
SHORTEST_TEXT = 9
"""Bytes from which text is refused. Fewer may be printable by chance."""
LEAST_PRINTABLE = 0.97
"""Share of printable bytes in text. Below 1, so that a damaged text is still recognised."""
LEAST_PRINTABLE_RECORDS = 0.8
"""Share of printable bytes in text with a record."""
PRINTABLE = bytes([*range(0x20, 0x7F), *b"\t\n\r\f\v"])

HEX_LINE = re.compile(rb"^[ \t]*:[0-9A-Fa-f]{10}", re.MULTILINE)
UNIVERSAL_LINE = re.compile(rb"^[ \t]*:[0-9A-Fa-f]{2}0{4}0[Aa]", re.MULTILINE)
SREC_LINE = re.compile(rb"^[ \t]*[Ss][0-9][0-9A-Fa-f]{8}", re.MULTILINE)
TI_TXT_START = re.compile(rb"\s*@[0-9A-Fa-f]{1,8}\s+([0-9A-Fa-f]{2}\s+)")
OF_TEXT: tuple[tuple[re.Pattern[bytes], Kind], ...] = (
    (re.compile(rb"version https://git-lfs"), Kind(None, "a pointer of Git LFS", "fetch the file with git lfs pull")),
    (re.compile(rb"\s*<(!doctype\s+html|html|head|body)", re.I), Kind(None, "an HTML page", "download the file again")),
    (re.compile(rb"\s*<(\?xml|!doctype|\w+[ />])", re.I), Kind(None, "an XML file")),
    (re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\d\]])"), Kind(None, "a JSON file")),
    (re.compile(rb"# DataFragment frames"), Kind(None, "a file of frames, of fuota-fec encode", "give the image")),
    (re.compile(rb"-----BEGIN "), Kind(None, "a PEM file, of a key or a certificate")),
)
"""Start of a text → its kind."""
TEXT = Kind(None, "text")


def recognise(data: bytes) -> Kind:
    """Kind of contents. Contents of no known kind are binary."""
    for magic, found in FORMATS:
        if data.startswith(magic):
            return Kind(found, NAMES[found])
    if is_uf2(data):
        return Kind("uf2", NAMES["uf2"])
    for offset, magic, name, advice in OTHERS:
        if data.startswith(magic, offset):
            return Kind(None, name, advice)
    if _is_old_tar(data):
        return Kind(None, "a tar archive", UNPACK)
    if re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", data):
        return Kind(None, "a bzip2 file", UNPACK)
    if data[:2] == b"MZ" and data[(at := int.from_bytes(data[60:64], "little")) : at + 4] == b"PE\0\0":
        return Kind(None, "a PE file, a program for Windows", "build for the device")
    if has_suffix(data):
        return Kind("dfu", NAMES["dfu"])
    return _of_text(data) or Kind("binary", NAMES["binary"])


def claim(name: str) -> Format | None:
    """Format that the name of a file claims."""
    return CLAIMS.get(PurePath(name).suffix.lower())


def _of_text(data: bytes) -> Kind | None:
    """Kind of a text; None for other contents. A damaged record file is still recognised, by any of its first lines."""
    head = data[:HEAD_LEN].removeprefix(UTF8_MARK).rstrip(b"\0\xff\x1a")
    printable = len(head) - len(head.translate(None, PRINTABLE))
    if printable >= LEAST_PRINTABLE_RECORDS * len(head) and (found := _records(head)) is not None:
        return Kind(found, NAMES[found])
    if len(head) < SHORTEST_TEXT or not (printable >= LEAST_PRINTABLE * len(head) or _is_unicode(head)):
        return None
    kind = next((kind for start, kind in OF_TEXT if start.match(head)), TEXT)
    if kind is TEXT and (found := _records(data)) is not None:  # After a long comment.
        return Kind(found, NAMES[found])
    return kind


def _is_old_tar(data: bytes) -> bool:
    """Whether the first block is a header of a tar archive, by its checksum; before 1988 it had no other mark."""
    block, digits = data[:512], data[148:156].strip(b"\0 ")
    if len(block) < 512 or not digits or digits.strip(b"01234567"):
        return False
    return int(digits, 8) == sum(block) - sum(block[148:156]) + 8 * 0x20


def _records(head: bytes) -> Format | None:
    if HEX_LINE.search(head):
        return "universal-hex" if UNIVERSAL_LINE.search(head) else "hex"
    if SREC_LINE.search(head):
        return "srec"
    return "ti-txt" if TI_TXT_START.match(head) else None


def _is_unicode(head: bytes) -> bool:
    """Whether all of it is text in UTF-16, or in UTF-8 with characters beyond ASCII."""
    zeros = not any(head[1::2])
    encoding = "utf-16" if head[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-16-le" if zeros else "utf-8"
    try:
        text = getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char.isspace() for char in text)
