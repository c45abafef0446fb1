"""Signed images: what MCUboot accepts, plain signatures, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from releases import micropython_2
from signing_keys import EC, ED, OTHER_EC, pem, public_pem

from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.image.signing import Layout, Signing, mcuboot_version, sign_image, verify_image
from fuota_fec.image.signing_key import PublicKey, SigningKey, SigningKeySource, load_signing_key
from fuota_fec.image.versions import find_versions

IMAGE = bytes(range(1, 256)) * 20
IMGTOOL = (sys.executable, "-c", "from imgtool.main import imgtool; imgtool()")
KEYS = {"ec": EC, "ed": ED, "other": OTHER_EC}


def key(name: str = "ec") -> SigningKey:
    return load_signing_key(SigningKeySource(env="K"), environ={"K": pem(KEYS[name])})


def signing(layout: Layout = "mcuboot", **options: Any) -> Signing:
    return Signing(env="K", layout=layout, **options)


@pytest.mark.parametrize("name", ["ec", "ed"])
def test_mcuboot_accepts_a_signed_image_of_real_firmware(tmp_path: Path, name: str):
    image = micropython_2()
    made = sign_image(image, key(name), signing(), fw_version="2.0.0.7")
    assert made.data[512 : 512 + len(image)] == image
    [found] = find_versions(made.data)
    assert (found.version, found.problems, found.facts["signed"]) == ("2.0.0+7", (), True)
    assert made.key_sha256 == hashlib.sha256(_der(public_pem(KEYS[name]))).hexdigest()
    assert bytes.fromhex(made.key_sha256) in made.data[-200:]
    assert made.data.endswith(made.signature)
    # The command line of imgtool agrees.
    (tmp_path / "image.bin").write_bytes(made.data)
    (tmp_path / "key.pem").write_text(made.public_key)
    command = [
        sys.executable,
        "-c",
        "from imgtool.main import imgtool; imgtool()",
        "verify",
        "-k",
        "key.pem",
        "image.bin",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Image version: 2.0.0+7" in done.stdout


def test_an_image_of_imgtool_itself_differs_in_the_signature_only(tmp_path: Path):
    (tmp_path / "image.bin").write_bytes(IMAGE)
    (tmp_path / "key.pem").write_text(pem(EC))
    command = [*IMGTOOL, "sign", "-k", "key.pem"]
    command += ["--version", "1.2.3+4", "--header-size", "0x200", "--pad-header", "--align", "4", "-S", "0x20000"]
    command += ["-s", "9", "image.bin", "signed.bin"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = (tmp_path / "signed.bin").read_bytes()
    ours = sign_image(IMAGE, key(), signing(version="1.2.3+4", security_counter=9, slot_len=0x20000))
    end = 512 + len(IMAGE) + 12  # The protected TLVs are 12 bytes, and the length of a signature varies.
    assert ours.data[:end] == theirs[:end]
    assert find_versions(ours.data) == find_versions(theirs)
    verify_image(theirs, "mcuboot", key().public)


def _der(text: str) -> bytes:
    import base64

    return base64.b64decode("".join(text.splitlines()[1:-1]))


def test_an_image_with_the_place_of_its_header_gets_no_second_one():
    image = bytes(64) + IMAGE
    made = sign_image(image, key(), signing(header_len=64), fw_version="1.0.0.0")
    assert made.data[64 : 64 + len(IMAGE)] == IMAGE
    assert find_versions(made.data)[0].facts["image_len"] == len(IMAGE)
    assert sign_image(image, key(), signing(header_len=128), fw_version="1.0.0.0").data[128:].startswith(image)


@pytest.mark.parametrize("layout", ["mcuboot", "raw", "der"])
def test_the_same_inputs_give_the_same_bytes(layout: Layout):
    made = {sign_image(IMAGE, key(), signing(layout), fw_version="1.2.3.4") for _ in range(3)}
    assert len(made) == 1


def test_a_raw_signature_is_r_and_s_after_the_image():
    made = sign_image(IMAGE, key(), signing("raw"))
    assert made.data[:-64] == IMAGE
    r, s = (int.from_bytes(made.data[at:][:32], "big") for at in (-64, -32))
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    assert (r, s) == decode_dss_signature(made.signature)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_verifies_a_signature_in_der(tmp_path: Path):
    made = sign_image(IMAGE, key(), signing("der"))
    assert made.data == IMAGE
    (tmp_path / "image").write_bytes(made.data)
    (tmp_path / "image.sig").write_bytes(made.signature)
    (tmp_path / "public.pem").write_text(made.public_key)
    command = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "image.sig", "image"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified OK" in done.stdout


@pytest.mark.parametrize("layout", ["mcuboot", "raw", "der"])
@pytest.mark.parametrize("at", [0, 20, 600, -1, -70])
def test_a_changed_image_is_refused(layout: Layout, at: int):
    made = sign_image(IMAGE, key(), signing(layout), fw_version="1.2.3.4")
    changed = bytearray(made.data)
    changed[at] ^= 1
    with pytest.raises(ParameterError, match="signature: "):
        verify_image(bytes(changed), layout, key().public, signature=made.signature)
    with pytest.raises(ParameterError, match="signature: "):
        verify_image(made.data[:-100], layout, key().public, signature=made.signature)


@pytest.mark.parametrize("layout", ["mcuboot", "raw", "der"])
@pytest.mark.parametrize("name", ["other", "ed"])
def test_another_key_is_refused(layout: Layout, name: str):
    made = sign_image(IMAGE, key(), signing(layout), fw_version="1.2.3.4")
    verify_image(made.data, layout, key().public, signature=made.signature)
    with pytest.raises(ParameterError, match="signature: "):
        verify_image(made.data, layout, key(name).public, signature=made.signature)


@pytest.mark.parametrize("data", [b"", b"\0" * 10, b"\0" * 1000, IMAGE])
@pytest.mark.parametrize("layout", ["mcuboot", "raw", "der"])
def test_what_is_not_signed_is_refused(data: bytes, layout: Layout):
    with pytest.raises(ParameterError, match="signature: "):
        verify_image(data, layout, key().public)


def test_a_verifier_needs_the_public_key_only():
    made = sign_image(IMAGE, key("ed"), signing(), fw_version="1.2.3.4")
    verify_image(made.data, made.layout, PublicKey.from_pem(made.public_key.encode(), "manifest"))


@pytest.mark.parametrize(
    ("image", "options", "version", "message"),
    [
        (b"", {}, "1.0.0.0", "the image is empty"),
        (IMAGE, {}, None, "version: not given"),
        (IMAGE, {}, "256.0.0.0", "version: '256.0.0.0' is not a version of MCUboot, expected 1.2.3"),
        (IMAGE, {}, "v1", "version: 'v1'"),
        (IMAGE, {"slot_len": 5000}, "1.0.0.0", "signing: Image size .* exceeds requested size"),
        (IMAGE, {"layout": "raw", "key": "ed"}, None, "Ed25519 is not for layout raw, expected a key of ECDSA P-256"),
        (IMAGE, {"layout": "der", "key": "ed"}, None, "Ed25519 is not for layout der"),
    ],
)
def test_what_cannot_be_signed_is_refused(image: bytes, options: dict[str, Any], version: str | None, message: str):
    name = options.pop("key", "ec")
    with pytest.raises(ParameterError, match=message):
        sign_image(image, key(name), signing(**options), fw_version=version)


def test_an_image_is_signed_once():
    made = sign_image(IMAGE, key(), signing(), fw_version="1.0.0.0")
    with pytest.raises(ParameterError, match="a header of MCUboot already"):
        sign_image(made.data, key(), signing(), fw_version="1.0.0.0")


def test_all_problems_of_a_setting_are_reported_at_once():
    with pytest.raises(ParameterError) as info:
        Signing(
            env="K",
            layout="pgp",  # type: ignore[arg-type]
            header_len=8,
            slot_len=0,
            security_counter=-1,
            align=3,
            version="1",
        )
    assert [problem.partition(":")[0] for problem in info.value.problems] == [
        *("layout", "header_len", "security_counter", "slot_len", "align", "version")
    ]


@pytest.mark.parametrize("layout", ["raw", "der"])
@pytest.mark.parametrize(
    "options", [{"version": "1.2.3"}, {"header_len": 64}, {"security_counter": 0}, {"slot_len": 9}, {"align": 8}]
)
def test_settings_of_mcuboot_are_not_for_plain_signatures(layout: Layout, options: dict[str, Any]):
    [name] = options
    with pytest.raises(ParameterError, match=f"{name}: .* is for layout mcuboot, expected none with {layout}"):
        signing(layout, **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.3.4", "1.2.3+4"),
        ("1.2.3+4", "1.2.3+4"),
        ("1.2.3", "1.2.3+0"),
        ("255.255.65535.4294967295", "255.255.65535+4294967295"),
    ],
)
def test_versions_are_written_as_those_of_mcuboot(text: str, expected: str):
    assert mcuboot_version(text) == expected


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]):
    sign_image(IMAGE, key(), signing(), fw_version="1.0.0.0")
    assert capfd.readouterr() == ("", "")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "imgtool", None)
    with pytest.raises(MissingExtraError, match=r'imgtool: pip install "fuota-fec\[image\]"'):
        sign_image(IMAGE, key(), signing(), fw_version="1.0.0.0")
