"""`image`: what would be sent of a file, for people and as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from image_files import as_hex, as_uf2

from fuota_fec.radio.regions import region

Fuota = Callable[..., Result]
Firmware = Callable[[int], bytes]


@pytest.fixture
def hex_file(tmp_path: Path, firmware_bytes: Firmware) -> Path:
    """Two segments with a gap of 4096 bytes, and erased flash at the end."""
    path = tmp_path / "firmware.bin"
    path.write_text(as_hex({0x08000000: firmware_bytes(12288), 0x08004000: firmware_bytes(4096) + b"\xff" * 4096}))
    return path


def test_the_whole_of_a_file_is_shown_in_80_columns(fuota: Fuota, hex_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(hex_file.parent)
    result = fuota("image", hex_file.name)
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[0] == (
        "firmware.bin: Intel HEX, 24576 bytes from 0x8000000 to 0x8005fff in 2 segments, 4096 bytes of filler 0xff"
    )
    assert lines[2:6] == [
        "0x8000000–0x8002fff  12288  bytes",
        "0x8003000–0x8003fff   4096  bytes of filler 0xff",
        "0x8004000–0x8005fff   8192  bytes",
        "[################################..........############----------]",
    ]
    assert all(len(line) <= 80 for line in lines[1:])
    assert any(line.split() == ["DR5", "(SF7/125", "kHz)", "239", "103", "41", "s"] for line in lines), lines
    assert result.stderr.splitlines() == [
        "warning: image firmware.bin: 4096 of 24576 bytes (17%) are filler 0xff: no data between 0x8002fff and "
        "0x8004000",
        "warning: image firmware.bin: padded: from offset 0x5000 on, 4096 bytes are 0xff; unpadded the image has 20480 "
        "bytes, with the padding 1.2 times the air time",
    ]


def test_json_has_all_facts(fuota: Fuota, hex_file: Path):
    result = fuota("image", hex_file, "--json", "--region", "AS923", "--dwell-time", "--stop", "0x08003000")
    facts = json.loads(result.stdout)
    assert result.stderr == ""
    assert (facts["format"], facts["image_len"], facts["filler_len"], facts["warnings"]) == ("hex", 12288, 0, [])
    assert facts["segments"] == [{"address": 0x08000000, "length": 12288}]
    place = region("AS923")
    assert [rate["dr"] for rate in facts["data_rates"]] == list(place.usable_drs(dwell_time=True))
    for rate in facts["data_rates"]:
        assert rate["frag_size"] == place.max_fragment_size(rate["dr"], dwell_time=True)
        assert rate["n_frags"] == -(-12288 // rate["frag_size"])


def test_standard_input_is_read(fuota: Fuota, firmware_bytes: Firmware):
    result = fuota("image", "-", "--json", stdin=as_uf2({0x10000000: firmware_bytes(1000)}))
    facts = json.loads(result.stdout)
    assert facts["sha256"] == hashlib.sha256(firmware_bytes(1000)).hexdigest()
    assert facts["notes"] == ["family RP2040"]


def test_many_segments_are_cut_short(fuota: Fuota, tmp_path: Path):
    (tmp_path / "a.hex").write_text(as_hex({i * 32: b"x" for i in range(100)}))
    lines = fuota("image", tmp_path / "a.hex").stdout.splitlines()
    assert "… and 183 more rows: --json lists all segments" in lines
    assert len(lines) < 45
    assert len(json.loads(fuota("image", tmp_path / "a.hex", "--json").stdout)["segments"]) == 100


def test_an_image_beyond_the_largest_number_of_fragments_is_marked(fuota: Fuota, tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 4096)
    text = fuota("image", tmp_path / "a.bin").stdout
    assert [line[:3] for line in text.splitlines() if "too many, expected at most 16383" in line] == [
        "DR0",
        "DR1",
        "DR2",
    ]


@pytest.mark.parametrize("data", [b"x", b"\0", b"\xff" * 70, bytes(range(64))])
def test_a_small_image_has_a_small_map(fuota: Fuota, tmp_path: Path, data: bytes):
    (tmp_path / "a.bin").write_bytes(data)
    [cells] = [line for line in fuota("image", tmp_path / "a.bin").stdout.splitlines() if line.startswith("[")]
    assert len(cells) == 2 + min(64, len(data))


def test_a_version_is_shown(fuota: Fuota, tmp_path: Path):
    header = b"\x3d\xb8\xf3\x96" + bytes(4) + b"\x20\0\0\0\x10\0\0\0" + bytes(4) + b"\1\2\3\0\4\0\0\0" + bytes(4)
    (tmp_path / "a.bin").write_bytes(header + bytes(range(16)) + b"\x07\x69\x04\0")
    result = fuota("image", tmp_path / "a.bin")
    assert "MCUboot  1.2.3+4" in result.stdout
    assert "encrypted no; signed no; tlvs none" in result.stdout


@pytest.mark.parametrize("content", [b"PK\3\4" + bytes(30), b"<html></html>", b"", b":00000001FE\n"])
def test_what_is_no_firmware_is_an_error(fuota: Fuota, tmp_path: Path, content: bytes):
    (tmp_path / "a.bin").write_bytes(content)
    result = fuota("image", tmp_path / "a.bin")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: image {tmp_path}/a.bin")
