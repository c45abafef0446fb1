"""Signing keys: from a file, a variable, a command, or a command that signs; they show nowhere."""

from __future__ import annotations

import base64
import copy
import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from frames import local_variables
from hypothesis import given
from hypothesis import strategies as st
from signing_keys import EC, ED, OTHER_EC, hides, pem, public_pem, signer

from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.image.signing_key import (
    PublicKey,
    SigningKeySource,
    der_of_raw,
    load_signing_key,
    raw_of_der,
)

DIGEST = hashlib.sha256(b"image").digest()


@pytest.mark.parametrize(("key", "algorithm"), [(EC, "ECDSA P-256"), (ED, "Ed25519")])
def test_a_key_is_the_same_from_a_file_a_variable_and_a_command(tmp_path: Path, key: Any, algorithm: str):
    (tmp_path / "key.pem").write_text(pem(key))
    sources = [
        SigningKeySource(file="key.pem"),
        SigningKeySource(env="SIGNING_KEY"),
        SigningKeySource(command=("cat", str(tmp_path / "key.pem"))),
    ]
    for text in (pem(key), pem(key).replace("\n", "\\n")):
        made = [load_signing_key(source, tmp_path, environ={"SIGNING_KEY": text}) for source in sources]
        assert len({one.sign(DIGEST) for one in made}) == 1
        assert len({one.public.sha256 for one in made}) == 1
        assert {one.public.algorithm for one in made} == {algorithm}
    assert made[0].public.verifies(made[0].sign(DIGEST), DIGEST)
    assert not made[0].public.verifies(made[0].sign(DIGEST), hashlib.sha256(b"other").digest())
    assert made[0].public.pem == public_pem(key)


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGNING_KEY", pem(EC))
    assert load_signing_key(SigningKeySource(env="SIGNING_KEY")).public.pem == public_pem(EC)


def test_signatures_of_ecdsa_are_those_of_rfc_6979():
    # RFC 6979, A.2.5: P-256, SHA-256, message "sample".
    private = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = ec.derive_private_key(private, ec.SECP256R1())
    signed = load_signing_key(SigningKeySource(env="K"), environ={"K": pem(key)}).sign(
        hashlib.sha256(b"sample").digest()
    )
    assert raw_of_der(signed).hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )
    key.public_key().verify(signed, b"sample", ec.ECDSA(SHA256()))


@pytest.mark.parametrize(
    ("key", "output"),
    [
        (EC, "der"),
        (EC, "raw"),
        (EC, "base64.b64encode(der)"),
        (EC, "base64.encodebytes(raw)"),
        (ED, "ED.sign(digest)"),
        (ED, "base64.b64encode(ED.sign(digest))"),
    ],
)
def test_a_command_signs_a_digest(tmp_path: Path, key: Any, output: str):
    (tmp_path / "public.pem").write_text(public_pem(key))
    source = SigningKeySource(signer=signer(output), public_key="public.pem")
    made = load_signing_key(source, tmp_path)
    assert made.public.verifies(made.sign(DIGEST), DIGEST)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("b''", "printed 0 bytes that are no signature of its public key, expected DER or 64 bytes of r and s"),
        ("ED.sign(digest)", "printed 64 bytes that are no signature"),
        ("der[:-1]", "that are no signature"),
        ("sys.exit(4)", "exit status 4, expected 0"),
    ],
)
def test_an_output_that_is_no_signature_is_refused(tmp_path: Path, output: str, message: str):
    (tmp_path / "public.pem").write_text(public_pem(EC))
    made = load_signing_key(SigningKeySource(signer=signer(output), public_key="public.pem"), tmp_path)
    with pytest.raises(ParameterError, match=message):
        made.sign(DIGEST)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "none of them given, expected one of file, env, command, signer"),
        ({"file": "a", "env": "b"}, "file, env given, expected one"),
        ({"signer": ("a",)}, "signer needs public_key"),
        ({"command": ()}, "command is empty"),
        ({"file": ""}, "file is empty"),
    ],
)
def test_a_source_names_one_key(given: dict[str, Any], message: str):
    with pytest.raises(ParameterError, match=message):
        SigningKeySource(**given)


RSA = rsa.generate_private_key(65537, 2048)
CURVE = ec.derive_private_key(12345, ec.SECP384R1())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a private key, expected a key of ECDSA P-256 or Ed25519 in PEM"),
        ("not a key", "is not a private key"),
        (pem(EC)[:-40], "is not a private key"),
        (public_pem(EC), "is a public key"),
        (pem(RSA), "is another kind of key"),
        (pem(CURVE), "is another kind of key"),
        (pem(EC, b"word"), "the key is encrypted, expected a key .* without a passphrase: a command can decrypt it"),
    ],
)
def test_what_is_no_signing_key_is_refused_with_its_source(tmp_path: Path, text: str, message: str):
    (tmp_path / "key.pem").write_text(text)
    for source, where in (
        (SigningKeySource(file="key.pem"), "signing key key.pem: "),
        (SigningKeySource(env="K"), "environment variable K: "),
        (SigningKeySource(command=("cat", str(tmp_path / "key.pem"))), "command 'cat': "),
    ):
        with pytest.raises(ParameterError, match=f"{where}{message}"):
            load_signing_key(source, tmp_path, environ={"K": text})


def test_a_source_that_is_not_there_is_named(tmp_path: Path):
    for source, message in (
        (SigningKeySource(file="no.pem"), "signing key no.pem: cannot be read: No such file"),
        (SigningKeySource(env="NO_KEY"), "environment variable NO_KEY: is not set"),
        (SigningKeySource(command=("no-such-command",)), "command 'no-such-command': cannot be run"),
        (SigningKeySource(command=("false",)), "command 'false': exit status 1"),
        (SigningKeySource(env="K", public_key="no.pem"), "public key no.pem: cannot be read"),
    ):
        with pytest.raises(ParameterError, match=message):
            load_signing_key(source, tmp_path, environ={"K": pem(EC)})


def test_a_private_key_must_be_that_of_the_public_key(tmp_path: Path):
    (tmp_path / "public.pem").write_text(public_pem(OTHER_EC))
    source = SigningKeySource(env="K", public_key="public.pem")
    with pytest.raises(ParameterError, match=r"the private key is not that of public\.pem"):
        load_signing_key(source, tmp_path, environ={"K": pem(EC)})
    assert load_signing_key(source, tmp_path, environ={"K": pem(OTHER_EC)})


def written(path: Path, text: str) -> str:
    (path / "key.pem").write_text(text)
    return "key.pem"


def loaded(path: Path, **source: Any) -> object:
    return load_signing_key(SigningKeySource(**source), path, environ={"K": pem(EC)})


def signed_by_cat(path: Path) -> object:
    """A command that prints the private key where a signature is expected."""
    (path / "public.pem").write_text(public_pem(EC))
    command = ("cat", str(path / written(path, pem(EC))))
    return load_signing_key(SigningKeySource(signer=command, public_key="public.pem"), path).sign(DIGEST)


RAISING: list[Callable[[Path], object]] = [
    lambda path: loaded(path, file=written(path, pem(EC)[:-30])),
    lambda path: loaded(path, file=written(path, pem(EC, b"word") + pem(EC))),
    lambda path: loaded(path, file=written(path, pem(EC).replace("PRIVATE", "PUBLIC"))),
    lambda path: loaded(path, command=("sh", "-c", f"cat {path / written(path, pem(EC))}; exit 3")),
    lambda path: loaded(path, command=("sh", "-c", f"cat {path / written(path, pem(EC)[:-30])}")),
    lambda path: loaded(path, env="K", public_key="no.pem"),
    lambda path: loaded(path, env="K", public_key=written(path, pem(EC))),
    lambda path: loaded(path, env="K", public_key=written(path, public_pem(OTHER_EC))),
    signed_by_cat,
    lambda _: PublicKey.from_pem(pem(EC).encode(), "key"),
    lambda path: pickle.dumps(loaded(path, env="K")),
    lambda path: copy.deepcopy(loaded(path, env="K")),
]


@pytest.mark.parametrize("call", RAISING)
def test_a_private_key_is_in_no_message_and_in_no_local_variable_of_what_raises(
    tmp_path: Path, call: Callable[[Path], object]
):
    with pytest.raises((ParameterError, TypeError)) as caught:
        call(tmp_path)
    assert hides(str(caught.value), EC)
    assert [text for text in local_variables(caught.value) if not hides(text, EC)] == []


def test_the_test_for_secrets_finds_them():
    body = "".join(pem(EC).splitlines()[1:-1])
    assert not hides(pem(EC), EC)
    assert not hides(repr(pem(EC)), EC)
    assert not hides(body, EC)
    assert hides(public_pem(EC), EC)
    assert not hides(base64.b64decode(body)[-32:].hex(), EC)


def test_a_key_shows_nowhere():
    made = load_signing_key(SigningKeySource(env="K"), environ={"K": pem(EC)})
    assert repr(made) == f"{made}" == "<SigningKey of ECDSA P-256 from environment variable K>"
    assert hides(repr(made.public), EC)


@given(st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1))
def test_both_forms_of_a_signature_are_the_same_numbers(r: int, s: int):
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert raw_of_der(der_of_raw(raw)) == raw


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError, match=r'cryptography: pip install "fuota-fec\[image\]"'):
        load_signing_key(SigningKeySource(env="K"), environ={"K": ""})


@pytest.mark.parametrize("name", ["file", "env", "public_key", "command", "signer"])
def test_the_text_of_a_key_is_no_place_of_one_and_not_in_the_message(name: str):
    text: Any = ("echo", pem(EC)) if name in ("command", "signer") else pem(EC)
    with pytest.raises(ParameterError) as caught:
        SigningKeySource(**{"file": "key.pem", name: text})
    assert f"signing key: {name} has the text of a key, expected the place of one" in caught.value.problems
    assert hides(str(caught.value), EC)
