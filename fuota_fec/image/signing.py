"""Signed images: as MCUboot expects them, and plain ECDSA P-256 signatures.

    mcuboot   header, image and trailer (TLVs), as `imgtool sign` writes them
    raw       the image and 64 bytes after it: r and s of ECDSA P-256, each with the most significant byte first
    der       the image as it is; the signature is apart, in DER, as `openssl dgst -sha256 -sign` writes it

All signatures are over the SHA-256 of the image; for MCUboot, of the header, the image and the protected TLVs.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args

from fuota_fec.checks import integer, shown
from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.image.signing_key import RAW_LEN, PublicKey, SigningKey, SigningKeySource, der_of_raw, raw_of_der
from fuota_fec.image.versions import MCUBOOT_HEADER, MCUBOOT_MAGIC

Layout = Literal["mcuboot", "raw", "der"]
HEADER_LEN = 512
"""Bytes of the header of MCUboot: the offset of the vector table that Zephyr uses."""
MAX_HEADER_LEN = 0xFFFF
PLAIN = ("raw", "der")
OF_MCUBOOT = {"version": None, "header_len": HEADER_LEN, "security_counter": None, "slot_len": None, "align": 4}
"""Settings of MCUboot, with their usual values."""
VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:[.+](\d{1,10}))?")
VERSION_LIMITS = (255, 255, 65535, 2**32 - 1)
ALIGNMENTS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing(SigningKeySource):
    """How an image is signed: the layout, and the place of the key."""

    layout: Layout = "mcuboot"
    """Place of the signature. "mcuboot": header and trailer of MCUboot; "raw": 64 bytes after the image; "der": in the
    manifest."""
    version: str | None = None
    """MCUboot: version in the header, "1.2.3+4" or "1.2.3.4"; the firmware version of the image if not given."""
    header_len: int = HEADER_LEN
    """MCUboot: bytes of the header. An image that begins with as many zeros has the place of its header."""
    security_counter: int | None = None
    """MCUboot: counter against downgrades; none if not given."""
    slot_len: int | None = None
    """MCUboot: bytes of the slot, in which the image and the state of the swap must have their place; not checked if
    not given."""
    align: int = 4
    """MCUboot: bytes of a write to the flash, which decide the size of the state of the swap."""

    def __post_init__(self) -> None:
        SigningKeySource.__post_init__(self)
        problems = []
        if self.layout not in get_args(Layout):
            problems.append(f"layout: {shown(self.layout)} is not known, expected one of {', '.join(get_args(Layout))}")
        ranges: list[tuple[str, int | None, int, int]] = [
            ("header_len", self.header_len, MCUBOOT_HEADER.size, MAX_HEADER_LEN),
            ("security_counter", self.security_counter, 0, 2**32 - 1),
            ("slot_len", self.slot_len, 1, 2**32 - 1),
        ]
        for name, value, low, high in ranges:
            if value is not None:
                try:
                    integer(name, value, low, high)
                except ParameterError as error:
                    problems.append(str(error))
        if self.align not in ALIGNMENTS:
            problems.append(f"align: {shown(self.align)} is not one of {', '.join(map(str, ALIGNMENTS))}")
        if self.layout in PLAIN:
            problems += [
                f"{name}: {shown(value)} is for layout mcuboot, expected none with {self.layout}"
                for name, usual in OF_MCUBOOT.items()
                if (value := getattr(self, name)) != usual
            ]
        if self.version is not None:
            try:
                mcuboot_version(self.version)
            except ParameterError as error:
                problems.append(str(error))
        if problems:
            raise ParameterError.of(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedImage:
    """A signed image, and what a verifier needs. Nothing of it is secret."""

    data: bytes = field(repr=False)
    """What is sent to the devices."""
    layout: Layout
    algorithm: str
    signature: bytes
    """In DER (ECDSA P-256) or 64 bytes (Ed25519)."""
    public_key: str = field(repr=False)
    """Public key in PEM."""
    key_sha256: str
    """SHA-256 of the public key in DER."""


def sign_image(image: bytes, key: SigningKey, signing: Signing, *, fw_version: str | None = None) -> SignedImage:
    """The image, signed, after its signature was verified.

    ParameterError for an image that has a header of MCUboot already, for a version that MCUboot cannot have, for an
    image beyond its slot, and for a key of the wrong kind.
    """
    if not image:
        raise ParameterError("signing: the image is empty, expected at least one byte")
    if signing.layout == "mcuboot":
        data, signature = _mcuboot(image, key, signing, signing.version or fw_version)
    elif key.public.algorithm != "ECDSA P-256":
        raise ParameterError(
            f"{key.where}: {key.public.algorithm} is not for layout {signing.layout}, expected a key of ECDSA P-256"
        )
    else:
        signature = key.sign(hashlib.sha256(image).digest())
        data = image + raw_of_der(signature) if signing.layout == "raw" else image
    signed = SignedImage(
        data=data,
        layout=signing.layout,
        algorithm=key.public.algorithm,
        signature=signature,
        public_key=key.public.pem,
        key_sha256=key.public.sha256,
    )
    verify_image(data, signing.layout, key.public, signature=signature)
    return signed


def verify_image(data: bytes, layout: Layout, key: PublicKey, *, signature: bytes | None = None) -> None:
    """ParameterError, with the reason, unless an image is signed with a key. `signature`: the one of layout "der"."""
    if layout == "mcuboot":
        if problem := _mcuboot_problem(data, key):
            raise ParameterError(f"signature: {problem}")
        return
    image = data
    if layout == "raw":
        image, signature = data[:-RAW_LEN], der_of_raw(data[-RAW_LEN:])
    if not image or signature is None:
        raise ParameterError(f"signature: there is none in {len(data)} bytes, expected an image and a signature")
    if key.algorithm != "ECDSA P-256" or not key.verifies(signature, hashlib.sha256(image).digest()):
        raise ParameterError("signature: it is not that of the image and the key")


def mcuboot_version(text: str) -> str:
    """Version as `imgtool` writes it, "1.2.3+4", of "1.2.3+4", "1.2.3.4" or "1.2.3"."""
    match = VERSION.fullmatch(text) if isinstance(text, str) else None
    parts = [int(part or 0) for part in match.groups()] if match else []
    if not parts or any(part > most for part, most in zip(parts, VERSION_LIMITS, strict=True)):
        limits = "+".join((".".join(map(str, VERSION_LIMITS[:3])), str(VERSION_LIMITS[3])))
        raise ParameterError(f"version: {shown(text)} is not a version of MCUboot, expected 1.2.3+4, at most {limits}")
    return "{}.{}.{}+{}".format(*parts)


# ---- MCUboot -------------------------------------------------------------------------------------------------


def _mcuboot(image: bytes, key: SigningKey, signing: Signing, version: str | None) -> tuple[bytes, bytes]:
    """Image with header and trailer, and its signature. It is made twice: for its digest, and with the signature."""
    if version is None:
        raise ParameterError("version: not given, expected that of the image for the header of MCUboot")
    if image.startswith(MCUBOOT_MAGIC):
        raise ParameterError("signing: the image has a header of MCUboot already, expected one that is not signed")
    number = mcuboot_version(version)
    signature = key.sign(_made(image, key.public, signing, number).image_hash)
    return bytes(_made(image, key.public, signing, number, signature).payload), signature


def _made(image: bytes, key: PublicKey, signing: Signing, version: str, signature: bytes | None = None) -> Any:
    """The object of imgtool, which writes header and trailer. The private key is not handed to it."""
    tool = _imgtool()
    has_place = len(image) > signing.header_len and not any(image[: signing.header_len])
    made = tool.Image(
        version=tool.decode_version(version),
        header_size=signing.header_len,
        align=signing.align,
        slot_size=signing.slot_len or 0,
        security_counter=signing.security_counter,
    )
    made.payload = image if has_place else bytes([made.erased_val]) * signing.header_len + image
    made.image_size = len(made.payload) - signing.header_len
    problem = ""
    try:
        made.create(
            None, "hash", None, pub_key=_tool_key(key), fixed_sig=None if signature is None else {"value": signature}
        )
    except tool.UsageError as error:
        problem = error.message
    if problem:
        raise ParameterError(f"signing: {problem}")
    return made


def _mcuboot_problem(data: bytes, key: PublicKey) -> str:
    """Reason why MCUboot would refuse an image; "" if there is none."""
    tool = _imgtool()
    with tempfile.TemporaryDirectory() as folder:  # imgtool reads files only.
        path = Path(folder) / "image.bin"
        path.write_bytes(data)
        try:
            result = tool.Image.verify(str(path), _tool_key(key))[0]
        except Exception as error:  # imgtool takes header and trailer as they are.
            return f"not an image of MCUboot: {str(error) or type(error).__name__}"
    reasons = {
        "OK": "",
        "INVALID_MAGIC": "not an image of MCUboot: its header is missing",
        "INVALID_TLV_INFO_MAGIC": "not an image of MCUboot: its trailer is missing",
        "INVALID_HASH": "the digest is not that of the image",
        "KEY_MISMATCH": f"the digest is not for a key of {key.algorithm}",
        "INVALID_SIGNATURE": "it is not that of the image and the key",
    }
    return reasons.get(str(result.name), str(result.name))


def _tool_key(key: PublicKey) -> Any:
    tool = _imgtool()
    return (tool.keys.Ed25519Public if key.algorithm == "Ed25519" else tool.keys.ECDSA256P1Public)(key.key)


def _imgtool() -> SimpleNamespace:
    try:
        from click import UsageError
        from imgtool import keys
        from imgtool.image import Image
        from imgtool.version import decode_version
    except ImportError:
        raise MissingExtraError(
            'an image of MCUboot needs the package imgtool: pip install "fuota-fec[image]"', extra="image"
        ) from None
    return SimpleNamespace(UsageError=UsageError, keys=keys, Image=Image, decode_version=decode_version)
