"""Keys that sign images: a private key in PEM from a file, a variable or a command, or a command that signs itself.

A text that may be a private key is in no message, no repr, and in no local variable of a function that raises.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from fuota_fec.checks import shown
from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.files import read_file
from fuota_fec.key_ring import COMMAND_TIMEOUT, run_command

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    Private = EllipticCurvePrivateKey | Ed25519PrivateKey
    Public = EllipticCurvePublicKey | Ed25519PublicKey

Algorithm = Literal["ECDSA P-256", "Ed25519"]
RAW_LEN = 64
"""Bytes of r and s of ECDSA P-256, 32 each, and of a signature of Ed25519."""
LARGEST_KEY_FILE = 1 << 16
EXPECTED = "expected a key of ECDSA P-256 or Ed25519 in PEM"
SOURCES = ("file", "env", "command", "signer")
PEM = "-----BEGIN "
"""Begin of the text of a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeySource:
    """Place of a signing key; it has no secret. One of `file`, `env`, `command` and `signer` is given."""

    file: str | None = None
    """File with the private key in PEM, relative to the batch file."""
    env: str | None = None
    """Environment variable with the private key in PEM."""
    command: tuple[str, ...] | None = None
    """Command, as a list of words, that prints the private key in PEM: ["sops", "--decrypt", "key.pem"]."""
    signer: tuple[str, ...] | None = None
    """Command, as a list of words, that signs, for a key that does not leave its module: it reads the 32 bytes of a
    SHA-256 digest, and prints the signature. It needs `public_key`."""
    public_key: str | None = None
    """File with the public key in PEM that signatures are verified with; that of the private key if not given."""

    def __post_init__(self) -> None:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        problems = []
        if len(given) != 1:
            found = ", ".join(given) or "none of them"
            problems.append(f"signing key: {found} given, expected one of {', '.join(SOURCES)}")
        problems += [f"signing key: {name} is empty" for name in given if not getattr(self, name)]
        for name in (*SOURCES, "public_key"):
            value = getattr(self, name) or ()
            if any(PEM in word for word in ((value,) if isinstance(value, str) else value)):
                problems.append(f"signing key: {name} has the text of a key, expected the place of one")
        if self.signer is not None and self.public_key is None:
            problems.append("signing key: signer needs public_key, the file of its public key")
        if problems:
            raise ParameterError.of(problems)


class SigningKey:
    """A key that signs images, and its public key. It does not show in a repr, and cannot be pickled."""

    __slots__ = ("_sign", "public", "where")

    def __init__(self, sign: Callable[[bytes], bytes], public: PublicKey, where: str) -> None:
        self._sign = sign
        self.public = public
        self.where = where
        """Source of the key, for messages."""

    def __repr__(self) -> str:
        return f"<SigningKey of {self.public.algorithm} from {self.where}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("SigningKey cannot be pickled; load it from its source where it is needed")

    def sign(self, digest: bytes) -> bytes:
        """Signature of the SHA-256 digest of a message: in DER for ECDSA P-256, 64 bytes for Ed25519, which takes the
        digest as its message, as MCUboot does.

        The same key and digest give the same signature (ECDSA: RFC 6979), unless a command signs. ParameterError if
        the signature is not one of the public key.
        """
        signature = self._sign(digest)
        if not self.public.verifies(signature, digest):
            raise ParameterError(f"{self.where}: the signature is not of its public key, expected one of both")
        return signature


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key, with which signatures are verified."""

    key: Public = field(repr=False)
    pem: str

    @property
    def algorithm(self) -> Algorithm:
        return "ECDSA P-256" if hasattr(self.key, "curve") else "Ed25519"

    @property
    def sha256(self) -> str:
        """SHA-256 of the key in DER, which MCUboot knows keys by (KEYHASH)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return hashlib.sha256(self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Whether a signature, as `SigningKey.sign` returns it, is that of a digest."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, digest)
            else:
                self.key.verify(signature, digest, _ecdsa())
        except InvalidSignature:
            return False
        return True

    @classmethod
    def from_pem(cls, pem: bytes, where: str) -> PublicKey:
        """Public key in PEM. ParameterError for anything else; a private key is refused, and not in the message."""
        _need_cryptography()
        public = _public(pem)
        del pem
        if public is None:
            raise ParameterError(f"{where}: is not a public key, {EXPECTED}")
        return _public_key(public)


def load_signing_key(
    source: SigningKeySource, folder: Path | str = ".", *, environ: Mapping[str, str] | None = None
) -> SigningKey:
    """The key of a source, with files relative to the folder. ParameterError, with the source, if there is none."""
    _need_cryptography()
    where, found = _private(source, Path(folder), os.environ if environ is None else environ)
    del environ
    given: PublicKey | None = None
    if source.public_key is not None:
        where_public = f"public key {source.public_key}"
        given = PublicKey.from_pem(
            read_file(Path(folder) / source.public_key, where_public, most=LARGEST_KEY_FILE), where_public
        )
    if source.signer is not None:
        assert given is not None  # SigningKeySource checks it.
        return SigningKey(_signature_by_command(source.signer, where, given), given, where)
    if found.key is None:
        raise ParameterError(f"{where}: {found.problem}")
    public = _public_key(found.key.public_key())
    if given is not None and given.sha256 != public.sha256:
        raise ParameterError(f"{where}: the private key is not that of {source.public_key}, expected one pair")
    return SigningKey(_signature_by(found.key), public, where)


def raw_of_der(signature: bytes) -> bytes:
    """r and s of a signature of ECDSA P-256 in DER, 32 bytes each, the most significant first."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(number.to_bytes(RAW_LEN // 2, "big") for number in decode_dss_signature(signature))


def der_of_raw(signature: bytes) -> bytes:
    """A signature of ECDSA P-256 in DER, from r and s."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = RAW_LEN // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def _signature_by_command(argv: tuple[str, ...], where: str, public: PublicKey) -> Callable[[bytes], bytes]:
    def sign(digest: bytes) -> bytes:
        signature, problem = _printed_signature(argv, public, digest)
        if problem:
            raise ParameterError(f"{where}: {problem}")
        return signature

    return sign


def _printed_signature(argv: tuple[str, ...], public: PublicKey, digest: bytes) -> tuple[bytes, str]:
    """Signature that a command prints, or the reason why there is none. Nothing is raised: a command that was meant for
    `command` prints a private key."""
    printed = run_command(argv, COMMAND_TIMEOUT, what="signature", given=digest)
    if printed.problem:
        return b"", printed.problem
    for signature in _readings(printed.output, public.algorithm):
        if public.verifies(signature, digest):
            return signature, ""
    forms = "DER or 64 bytes of r and s" if public.algorithm == "ECDSA P-256" else "64 bytes"
    return b"", (
        f"printed {len(printed.output)} bytes that are no signature of its public key, expected {forms}, as they are "
        "or in base64"
    )


def _readings(output: bytes, algorithm: Algorithm) -> list[bytes]:
    """Signatures that the output of a command may stand for."""
    found = [output]
    with suppress(binascii.Error):
        found.append(base64.b64decode(b"".join(output.split()), validate=True))
    if algorithm == "ECDSA P-256":
        found += [der_of_raw(one) for one in found if len(one) == RAW_LEN]
    return found


# Functions that see the texts of private keys raise nothing.


class _Private(NamedTuple):
    """A private key, or the reason why there is none."""

    key: Private | None
    problem: str = ""


def _private(source: SigningKeySource, folder: Path, environ: Mapping[str, str]) -> tuple[str, _Private]:
    """Name of the source in messages, and its key, unless a command signs with it."""
    if source.signer is not None:
        return f"command {shown(source.signer[0])}", _Private(None)
    if source.file is not None:
        where = f"signing key {source.file}"
        try:
            return where, _parsed(read_file(folder / source.file, where, most=LARGEST_KEY_FILE))
        except ParameterError as error:
            return where, _Private(None, str(error).removeprefix(f"{where}: "))
    if source.env is not None:
        text = environ.get(source.env)
        where = f"environment variable {source.env}"
        if text is None:
            return where, _Private(None, f"is not set, {EXPECTED}")
        return where, _parsed(text.replace("\\n", "\n").encode("utf-8", "replace"))
    assert source.command is not None
    printed = run_command(source.command, COMMAND_TIMEOUT)
    found = _Private(None, printed.problem) if printed.problem else _parsed(printed.output)
    return f"command {shown(source.command[0])}", found


def _parsed(pem: bytes) -> _Private:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        return _Private(None, f"the key is encrypted, {EXPECTED} without a passphrase: a command can decrypt it")
    except (ValueError, UnsupportedAlgorithm):
        kind = "a public key" if _public(pem) is not None else "not a private key"
        return _Private(None, f"is {kind}, {EXPECTED}")
    return _Private(key) if _usable(key) else _Private(None, f"is another kind of key, {EXPECTED}")  # type: ignore[arg-type]


def _public(pem: bytes) -> Public | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if _usable(key) else None  # type: ignore[return-value]


def _usable(key: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        return isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey))


def _public_key(key: Public) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return PublicKey(key, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def _signature_by(key: Private) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if isinstance(key, Ed25519PrivateKey):
        return key.sign
    return lambda digest: key.sign(digest, _ecdsa())


def _ecdsa() -> ECDSA:
    """ECDSA of a SHA-256 digest, with the nonce of RFC 6979 where it signs."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    return ECDSA(Prehashed(SHA256()), deterministic_signing=True)


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            'signing needs the package cryptography: pip install "fuota-fec[image]"', extra="image"
        ) from None
