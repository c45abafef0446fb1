"""Changes of images: signed, sent as a delta or compressed; and the check that undoes them."""

from __future__ import annotations

import copy
import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from releases import esp_stubs, micropython_1, micropython_1_hex, micropython_2
from signing_keys import EC, ED, OTHER_EC, hides, pem, public_pem, signer

import fuota_fec as ff
from fuota_fec.batch import BatchConfig, BatchResult, check_batch, prepare_batch
from fuota_fec.batch.changes import change_problem, changed, check_boot_loader, dotted
from fuota_fec.batch.config import Base, BatchImage
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError
from fuota_fec.image.delta import apply_delta
from fuota_fec.image.signing import Signing
from fuota_fec.image.signing_key import PublicKey, SigningKeySource, load_signing_key
from fuota_fec.image.versions import find_versions

KEY = load_signing_key(SigningKeySource(env="K"), environ={"K": pem(EC)})
MICROPYTHON = {"package": "uflash", "name": "_RUNTIME", "format": "universal-hex", "board": "9900", "stop": 0x40000}
TARGET = {"name": "dr5", "dr": 5, "profile": "mine", "redundancy": 5}
BASE = Base(path="old.bin", fw_version=1)
PROFILES = {"mine": {"base": "generic", "boot_compression": ["heatshrink", "zstd"]}}


def config(folder: Path, *images: dict[str, Any], **target: Any) -> BatchConfig:
    table = {"images": list(images), "targets": [{**TARGET, **target}], "profiles": PROFILES}
    return BatchConfig.from_mapping(table, folder=folder)


def sent(folder: Path, result: BatchResult, number: int = 0) -> tuple[dict[str, Any], bytes]:
    """Facts of an image, and what is sent of it, as a device receives it."""
    entry = result.items[number]
    assert entry["status"] == "ready", entry
    return dict(entry["image"]), bytes(ff.FragmentedBlock.open(folder / entry["output"]).image())


def test_a_delta_of_real_firmware_in_a_batch(tmp_path: Path):
    base = {"path": "micropython-1.bin", "fw_version": "1.1.0.0"}
    image = {"path": "micropython-2.bin", "fw_version": "2.0.0.0", "base": base}
    (tmp_path / "micropython-2.bin").write_bytes(micropython_2())
    (tmp_path / "micropython-1.bin").write_bytes(micropython_1())
    batch = config(tmp_path, image, {"path": "micropython-2.bin", "fw_version": "2.0.0.0"})
    result = prepare_batch(batch, tmp_path / "out")
    assert [entry["output"] for entry in result.items] == [
        "micropython-2-dr5.npy",
        "micropython-2-from-micropython-1-dr5.npy",
    ]
    facts, patch = sent(tmp_path / "out", result, 1)
    assert apply_delta(micropython_1(), patch) == micropython_2()
    assert facts["kind"] == "delta"
    assert facts["requires_fw_version"] == facts["base"]["fw_version"] == 0x01010000
    assert facts["base"]["sha256"] == hashlib.sha256(micropython_1()).hexdigest()
    assert facts["full"] == {"len": 231608, "sha256": hashlib.sha256(micropython_2()).hexdigest()}
    assert facts["len"] == len(patch) < 0.35 * 231608
    assert result.items[1]["n_frags"] < 0.35 * result.items[0]["n_frags"]
    assert check_batch(tmp_path / "out", batch).problems == ()
    [problem] = check_batch(tmp_path / "out").problems
    assert "its base micropython-1.bin is not known, expected the batch file" in problem
    (tmp_path / "micropython-1.bin").write_bytes(micropython_1() + b"!")
    [problem] = check_batch(tmp_path / "out", batch).problems
    assert "micropython-1.bin does not have the SHA-256 of the base" in problem
    # Another base is another input.
    assert prepare_batch(batch, tmp_path / "out").n_made == 1


def test_image_and_base_are_of_different_formats(tmp_path: Path):
    (tmp_path / "nrf51.hex").write_text(micropython_1_hex())
    base = {"path": "nrf51.hex", "stop": 0x40000, "fw_version": 1}
    result = prepare_batch(config(tmp_path, {**base, "output": "old"}, {**MICROPYTHON, "base": base}), tmp_path / "out")
    assert sent(tmp_path / "out", result, 1)[1] == micropython_1()
    assert result.items[0]["output"] == "RUNTIME-from-nrf51-dr5.npy"
    assert apply_delta(micropython_1(), sent(tmp_path / "out", result)[1]) == micropython_2()


def test_esp_stubs_are_signed_and_compressed(tmp_path: Path):
    (tmp_path / "key.pem").write_text(pem(ED))
    images = []
    for name, data in esp_stubs().items():
        path = name.replace("/", "-") + ".bin"
        (tmp_path / path).write_bytes(data)
        sign = {"file": "key.pem", "header_len": 32}
        images.append({"path": path, "fw_version": "1.2.3.4", "sign": sign, "compress": "zstd"})
    batch = config(tmp_path, *images)
    result = prepare_batch(batch, tmp_path / "out")
    assert result.n_made == len(images)
    for entry in result.items:
        assert entry["image"]["compression"]["method"] == "zstd"
        assert entry["image"]["signature"]["algorithm"] == "Ed25519"
        assert entry["image"]["len"] < entry["image"]["full"]["len"]
    assert check_batch(tmp_path / "out", public_key=public_pem(ED).encode()).problems == ()
    assert len(check_batch(tmp_path / "out", public_key=public_pem(EC).encode()).problems) == len(images)
    assert prepare_batch(batch, tmp_path / "out").n_kept == len(images)
    with pytest.raises(ParameterError, match="public key: is not a public key"):
        check_batch(tmp_path / "out", public_key=b"")


def test_another_key_makes_another_output(tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(bytes(range(1, 200)))
    batch = config(tmp_path, {"path": "a.bin", "sign": {"layout": "raw", "file": "key.pem"}})
    made = []
    for key in (EC, EC, OTHER_EC):
        (tmp_path / "key.pem").write_text(pem(key))
        made.append(prepare_batch(batch, tmp_path / "out"))
    assert [(one.n_made, one.n_kept) for one in made] == [(1, 0), (0, 1), (1, 0)]
    (tmp_path / "key.pem").write_text("nothing")
    [failed] = prepare_batch(batch, tmp_path / "out").failed
    assert failed["reason"].startswith("signing key key.pem: is not a private key, expected a key")


@pytest.mark.parametrize("source", ["file", "env", "command"])
def test_no_secret_is_in_the_outputs_and_processes_sign_too(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "key.pem").write_text(pem(EC))
    monkeypatch.setenv("SIGNING_KEY", pem(EC))
    keys = {"file": "key.pem", "env": "SIGNING_KEY", "command": ["cat", str(tmp_path / "key.pem")]}
    (tmp_path / "a.bin").write_bytes(bytes(range(1, 200)) * 9)
    batch = config(tmp_path, {"path": "a.bin", "fw_version": "1.0.0.0", "sign": {source: keys[source]}})
    with ProcessPoolExecutor(1) as pool:
        prepare_batch(batch, tmp_path / "processes", executor=pool)
    prepare_batch(batch, tmp_path / "threads")
    for path in (tmp_path / "threads").iterdir():
        assert path.read_bytes() == (tmp_path / "processes" / path.name).read_bytes()
        assert hides(path.read_bytes().decode("latin-1"), EC)
        assert str(tmp_path) not in path.read_bytes().decode("latin-1")
    assert check_batch(tmp_path / "threads").problems == ()


def test_outputs_with_signatures_of_a_command_are_kept(tmp_path: Path):
    (tmp_path / "public.pem").write_text(public_pem(EC))
    (tmp_path / "a.bin").write_bytes(bytes(range(1, 200)) * 9)
    sign = {"layout": "raw", "signer": list(signer("raw")), "public_key": "public.pem"}
    batch = config(tmp_path, {"path": "a.bin", "sign": sign})
    first = prepare_batch(batch, tmp_path / "out")
    assert prepare_batch(batch, tmp_path / "out") == replace(first, n_made=0, n_kept=1)
    # Its signatures differ: it does not sign as RFC 6979 says.
    assert prepare_batch(batch, tmp_path / "other").lines != first.lines
    assert check_batch(tmp_path / "other", public_key=public_pem(EC).encode()).problems == ()


def test_an_image_that_cannot_be_changed_fails_alone(tmp_path: Path):
    noise = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(60))
    (tmp_path / "noise.bin").write_bytes(noise)
    (tmp_path / "other.bin").write_bytes(noise[::-1])
    delta = {"path": "noise.bin", "output": "delta", "base": {"path": "other.bin", "fw_version": 1}}
    result = prepare_batch(
        config(
            tmp_path,
            {"path": "noise.bin"},
            delta,
            {**delta, "output": "no-base", "base": {"path": "no.bin", "fw_version": 1}},
            {"path": "noise.bin", "output": "zstd", "compress": "zstd"},
            {"path": "noise.bin", "output": "lz4", "compress": "lz4"},
            {"path": "noise.bin", "output": "unsigned", "fw_version": 1, "sign": {"env": "NO_SUCH_KEY"}},
            {"path": "noise.bin", "output": "version", "sign": {"file": "key.pem"}},
        ),
        tmp_path / "out",
    )
    reasons = {entry["output"].partition("-dr5")[0]: entry["reason"] for entry in result.failed}
    assert result.n_made == 1
    assert "of the full image of 1920 bytes, expected less than 75 %" in reasons["delta"]
    assert reasons["no-base"] == "base no.bin: cannot be read: No such file or directory"
    assert "are not fewer than those of the image" in reasons["zstd"]
    assert "fewer" in reasons["lz4"] or "lz4 is not unpacked by the boot loader" in reasons["lz4"]
    assert reasons["unsigned"].startswith("environment variable NO_SUCH_KEY: is not set")
    assert reasons["version"].startswith("signing key key.pem: cannot be read")


def test_the_boot_loader_must_unpack_the_compression():
    image = BatchImage(path="a.bin", compress="zstd")
    with pytest.raises(
        ParameterError, match="zstd is not unpacked by the boot loader of profile 'lbm', which unpacks none"
    ):
        check_boot_loader(image, profile("lbm"))
    check_boot_loader(image, profile("lbm").replace(name="own", boot_compression=["zstd"]))
    check_boot_loader(BatchImage(path="a.bin"), profile("lbm"))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"base": BASE, "largest_share": 0.0}, "largest_share: 0.0 is not a share"),
        ({"base": BASE, "compress": "lz4"}, "base, compress: both are given"),
        ({"compress_window": 8}, "compress_window: compress is missing"),
        ({"compress": "heatshrink", "compress_window": 15}, "window of heatshrink: 15 is not from 4 to 14"),
        ({"compress": "lz4", "compress_lookahead": 4}, "lookahead: 4 is for heatshrink"),
    ],
)
def test_settings_that_do_not_go_together(options: dict[str, Any], problem: str):
    with pytest.raises(ParameterError, match=problem):
        BatchImage(path="a.bin", **options)


def test_problems_of_a_key_are_listed_with_the_others(tmp_path: Path):
    with pytest.raises(ParameterError) as info:
        config(
            tmp_path,
            {"path": "a", "sign": {"file": "k", "env": "K"}},
            {"path": "b", "sign": {"layout": "pgp"}},
            {"path": "c", "base": {"path": "d"}},
        )
    assert "batch.images[0].sign: signing key: file, env given" in str(info.value)
    assert "batch.images[1].sign.layout: 'pgp'" in str(info.value)
    assert "batch.images[2].base: fw_version is missing" in str(info.value)


def entry_of(data: bytes, **options: Any) -> tuple[dict[str, Any], bytes]:
    """Facts of an entry, and what is sent."""
    image = BatchImage(path="a.bin", fw_version="1.2.3.4", **options)
    made, facts = changed(data, image, key=KEY, base=micropython_1())
    return {"len": len(made), "sha256": hashlib.sha256(made).hexdigest(), "kind": "full", **facts}, made


CHANGES: list[dict[str, Any]] = [
    {},
    {"sign": Signing(env="K")},
    {"sign": Signing(env="K", layout="raw"), "compress": "heatshrink"},
    {"sign": Signing(env="K", layout="der"), "compress": "lz4"},
    {"sign": Signing(env="K"), "base": BASE},
    {"compress": "zstd", "compress_window": 12},
]


@pytest.mark.parametrize("options", CHANGES)
def test_what_is_sent_is_undone_and_compared(options: dict[str, Any]):
    facts, made = entry_of(micropython_2(), **options)
    facts = json.loads(json.dumps(facts))
    assert change_problem(facts, made, micropython_1()) == ""
    assert change_problem(facts, b"\x7f" + made[1:], micropython_1()) != ""
    assert change_problem(facts, made[: len(made) // 2], micropython_1()) != ""
    trusted = PublicKey.from_pem(public_pem(OTHER_EC).encode(), "k")
    expected = "it is signed with another key" if "sign" in options else "it is not signed"
    assert change_problem(facts, made, micropython_1(), trusted=trusted) == expected
    if "sign" in options:
        wrong = copy.deepcopy(facts)
        wrong["signature"]["public_key"] = trusted.pem
        assert change_problem(wrong, made, micropython_1()) == "signature: it is not that of the image and the key"
        del wrong["signature"]["layout"]
        assert change_problem(wrong, made, micropython_1()).startswith("its entry cannot be read: KeyError")


def test_an_image_of_mcuboot_has_its_version():
    facts, made = entry_of(micropython_2(), sign=Signing(env="K"))
    assert find_versions(made)[0].version == "1.2.3+4"
    assert facts["signature"]["key_sha256"] == KEY.public.sha256
    assert dotted(0x01020304) == "1.2.3.4"
