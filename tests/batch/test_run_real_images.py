"""Real firmware through a batch: MicroPython of the micro:bit, an nRF51 and an nRF52833, as HEX of one and of both."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from image_files import hex_file

import fuota_fec as ff
from fuota_fec.batch import BatchConfig, check_batch, prepare_batch
from fuota_fec.image import ImageSource, load_image, read_image

pytest.importorskip("uflash")

V1 = {"package": "uflash", "name": "_RUNTIME", "board": "9900", "stop": 0x40000}
V2 = {"package": "uflash", "name": "_RUNTIME", "board": "9903", "stop": 0x70000}
TARGETS = [
    {"name": "eu868-dr5", "dr": 5},
    {"name": "us915-dr10", "region": "US915", "dr": 10, "dialect": "2.0.0", "redundancy": 50},
]


def records(data: bytes, start: int) -> str:
    """Intel HEX file of these bytes, with extended linear addresses, as Nordic's tools write it."""
    lines = []
    for at in range(0, len(data), 16):
        address = start + at
        if at == 0 or address % 0x10000 == 0:
            lines.append((4, 0, (address >> 16).to_bytes(2, "big")))
        lines.append((0, address & 0xFFFF, data[at : at + 16]))
    return hex_file(*lines)


def test_releases_of_micropython_are_prepared_and_rebuilt(tmp_path: Path) -> None:
    images = {"v1": load_image(ImageSource(**V1)), "v2": load_image(ImageSource(**V2))}
    read = read_image(ImageSource(**V1))
    (tmp_path / "nrf51.hex").write_text(records(images["v1"], read.segments[0][0]))
    table = {
        "images": [{**V1, "output": "v1"}, {**V2, "output": "v2"}, {"path": "nrf51.hex", "fw_version": "2.1.1.0"}],
        "targets": TARGETS,
    }
    result = prepare_batch(BatchConfig.from_mapping(table, folder=tmp_path), tmp_path / "out")
    assert (result.n_made, result.failed) == (6, ())
    assert check_batch(tmp_path / "out").problems == ()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    by_name = {entry["output"]: entry for entry in manifest["items"]}
    for name, data in (*images.items(), ("nrf51", images["v1"])):
        entry = by_name[f"{name}-eu868-dr5.npy"]
        assert entry["image"]["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["image"]["len"] == len(data) > 200_000
        block = ff.FragmentedBlock.open(tmp_path / "out" / entry["output"], manifest)
        assert bytes(block.image()) == data
    hexed, packaged = (np.load(tmp_path / "out" / f"{name}-us915-dr10.npy") for name in ("nrf51", "v1"))
    assert np.array_equal(hexed, packaged)
    assert by_name["nrf51-eu868-dr5.npy"]["image"]["format"] == "hex"
    assert by_name["v2-eu868-dr5.npy"]["image"]["source"] == "uflash._RUNTIME"
