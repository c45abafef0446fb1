"""Payloads as people paste them: hexadecimal, as tools and logs print it, or base64, as network servers do."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

HEXADECIMAL, BASE64 = "hexadecimal", "base64"


class Payload(NamedTuple):
    octets: bytes
    encoding: str
    """HEXADECIMAL or BASE64."""


def from_hexadecimal(text: str) -> bytes | None:
    """Bytes of pairs of hexadecimal digits; blanks, ":", "-" and a leading 0x are allowed. None for any other text."""
    digits = re.sub(r"[\s:-]", "", text)
    try:
        return bytes.fromhex(digits[2:] if digits[:2] in ("0x", "0X") else digits)
    except ValueError:
        return None


def from_base64(text: str) -> bytes | None:
    """Bytes of base64, with "+/" or "-_", with or without "=" at its end. None for any other text."""
    letters = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        octets = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    # A text that leaves bits over was not written by an encoder.
    return octets if base64.b64encode(octets).decode().rstrip("=") == letters else None


READERS: Mapping[str, Callable[[str], bytes | None]] = MappingProxyType(
    {HEXADECIMAL: from_hexadecimal, BASE64: from_base64}
)
"""Encoding → function that reads it. What can be read as several is the first."""


def read_payload(text: str) -> Payload | None:
    """A payload in either encoding; None for a text in neither."""
    read = ((encoding, reader(text)) for encoding, reader in READERS.items())
    return next((Payload(octets, encoding) for encoding, octets in read if octets is not None), None)


def encoding_of(texts: Sequence[str]) -> str:
    """The encoding of texts that have the same one: that in which most can be read."""
    return max(READERS, key=lambda encoding: sum(READERS[encoding](text) is not None for text in texts))
