"""Signing keys for tests, always the same ones, as PEM."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

EC = ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1())
OTHER_EC = ec.derive_private_key(int.from_bytes(bytes(range(2, 34)), "big"), ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def pem(key: PrivateKey, passphrase: bytes | None = None) -> str:
    """Private key in PEM."""
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public_pem(key: PrivateKey) -> str:
    """Public key in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def hides(text: str, key: PrivateKey) -> bool:
    """Whether a text has no part of a private key, in PEM, in base64 or in hexadecimal."""
    plain = re.sub(r"\\n|\s", "", text)
    body = "".join(pem(key).splitlines()[1:-1])
    raw = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())[-32:].hex()
    return body[:40] not in plain and body[-40:] not in plain and raw[:16] not in plain.replace("\\x", "")


SIGNER = """
import sys
sys.path.insert(0, {support!r})
from signing_keys import EC, ED
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
import base64
digest = sys.stdin.buffer.read()
assert len(digest) == 32
der = EC.sign(digest, ec.ECDSA(Prehashed(SHA256())))
raw = b"".join(n.to_bytes(32, "big") for n in decode_dss_signature(der))
sys.stdout.buffer.write({output})
"""


def signer(output: str) -> tuple[str, ...]:
    """Command that reads a digest, and prints a signature or something else."""
    support = str(Path(__file__).parent)
    return (sys.executable, "-c", SIGNER.format(support=support, output=output))
