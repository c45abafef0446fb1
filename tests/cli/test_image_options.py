"""Options that say how the file of an image is read: the same wherever one is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from image_files import as_hex, as_uf2

Fuota = Callable[..., Result]
Firmware = Callable[[int], bytes]

COMMANDS: dict[str, list[str]] = {
    "encode": ["-o", "out.txt"],
    "plan": ["--loss", "0.1", "--devices", "10", "--dr", "5"],
    "schedule": ["--devices-per-dr", "5:10"],
    "image": [],
}
"""Commands that read an image, and what else they need."""


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "image.bin"
    path.write_text(as_hex({0x1000: bytes(range(200)), 0x2000: bytes(range(100))}))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_part_of_an_image_is_chosen_and_said(fuota: Fuota, image: Path, command: str):
    def facts(*options: str) -> tuple[int, str]:
        result = fuota(command, image.name, *COMMANDS[command], "--json", *options)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)["image_len"], result.stderr

    length, said = facts()
    assert length == 0x1000 + 100
    if command != "image":  # which has all that in its output
        assert said.splitlines()[0] == (
            "image image.bin: Intel HEX, 4196 bytes from 0x1000 to 0x2063 in 2 segments, 3896 bytes of filler 0xff"
        )
        assert "warning: image image.bin: 3896 of 4196 bytes (93%) are filler" in said
    assert facts("--start", "0x2000")[0] == 100
    assert facts("--stop", "4296", "--fill", "0")[0] == 200
    assert facts("--format", "binary") == (image.stat().st_size, "")


def test_fill_is_the_value_of_gaps(fuota: Fuota, image: Path):
    fuota("encode", image.name, "-o", "out.txt", "--fill", "0xAA")
    fuota("decode", "out.txt", "-o", "back.bin")
    assert Path("back.bin").read_bytes() == bytes(range(200)) + b"\xaa" * 3896 + bytes(range(100))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_board_is_chosen_and_standard_input_is_read(fuota: Fuota, image: Path, command: str):
    both = as_uf2({0: bytes(range(256))}) + as_uf2({0: bytes(100)}, family=0xADA52840)
    image.write_bytes(both)
    refused = fuota(command, image.name, *COMMANDS[command])
    assert refused.exit_code == 2
    assert "expected board (--board), one of e48bff56 (RP2040), ada52840 (nRF52840)" in refused.stderr
    for name, stdin in ((image.name, None), ("-", both)):
        result = fuota(command, name, *COMMANDS[command], "--board", "ada52840", "--json", stdin=stdin)
        assert json.loads(result.stdout)["image_len"] == 100


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("path", ["/dev/zero", ".", "nothing.bin"])
def test_what_is_no_file_is_refused_at_once(fuota: Fuota, image: Path, command: str, path: str):
    result = fuota(command, path, *COMMANDS[command])
    assert result.exit_code == 2
    assert path in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--start", "x", "x is not a whole number, expected one such as 4096 or 0x1000"),
        ("--stop", "-1", "-1 is not a whole number"),
        ("--fill", "256", "fill: 256 is not from 0 to 255"),
        ("--format", "zip", "'zip' is not one of"),
        ("--board", "9900", "board: '9900' is not used in Intel HEX files"),
    ],
)
def test_a_wrong_option_is_named(fuota: Fuota, image: Path, option: str, value: str, expected: str):
    result = fuota("encode", image.name, "-o", "out.txt", option, value)
    assert (result.exit_code, Path("out.txt").exists()) == (2, False)
    assert expected in result.stderr


def test_a_number_of_bytes_goes_without_options_of_files(fuota: Fuota, image: Path):
    assert fuota("schedule", "4196", "--devices-per-dr", "5:10").exit_code == 0
    result = fuota("schedule", "4196", "--devices-per-dr", "5:10", "--start", "0")
    assert result.exit_code == 2
    assert "--start goes with a file, not with a number of bytes" in result.stderr
