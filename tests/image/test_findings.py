"""Warnings about filler and erased flash: where it is, and the size without it."""

from __future__ import annotations

import pytest

from fuota_fec.image.findings import Run, erased_runs, filler_warnings, run_warnings

CODE = bytes(range(1, 251)) * 40


@pytest.mark.parametrize(
    ("gaps", "image_len", "expected"),
    [
        ([], 100, None),
        ([(10, 15)], 100, None),
        ([(0x10, 0x16)], 100, "6 of 100 bytes (6%) are filler 0xff: no data between 0xf and 0x16"),
        ([(10, 1034)], 100_000, None),
        ([(0x8000, 0x8401)], 100_000, "1025 of 100000 bytes (1%) are filler 0xff: no data between 0x7fff and 0x8401"),
        (
            [(16, 32), (64, 72), (80, 81), (96, 128), (200, 202)],
            400,
            "59 of 400 bytes (15%) are filler 0xff: no data between 0xf and 0x20, 0x3f and 0x48, 0x5f and 0x80 and in "
            "2 smaller gaps",
        ),
    ],
)
def test_much_filler_is_a_warning_with_the_addresses_around_it(
    gaps: list[tuple[int, int]], image_len: int, expected: str | None
):
    assert list(filler_warnings(gaps, image_len, 0xFF)) == ([] if expected is None else [expected])


@pytest.mark.parametrize("value", [0x00, 0xFF])
def test_an_image_padded_to_its_slot_is_a_warning_with_the_size_without_the_padding(value: int):
    erased = bytes([value])
    assert list(run_warnings(CODE + erased * 1023)) == []
    [text] = run_warnings(CODE + erased * 75_000)
    assert text == (
        f"padded: from offset 0x2710 on, 75000 bytes are {value:#04x}; unpadded the image has 10000 bytes, with the "
        "padding 8.5 times the air time"
    )
    trailer = bytes([1, *([0xFF] * 7), *range(1, 17)])
    [text] = run_warnings(CODE + erased * 75_000 + trailer)
    assert f"75000 bytes are {value:#04x} before a trailer of 24 bytes; unpadded the image has 10000 bytes" in text


def test_an_erased_image_is_a_warning():
    assert list(run_warnings(b"\xff" * 5000)) == ["5000 of 5000 bytes are 0xff: an empty image, erased flash"]


def test_a_long_run_inside_is_a_warning_unless_it_is_filler():
    data = CODE + bytes(2000) + CODE
    [text] = run_warnings(data)
    assert text == (
        "2000 bytes from offset 0x2710 to 0x2edf are 0x00, erased or unused flash; without them the image has 20000 "
        "bytes"
    )
    assert list(run_warnings(data, [(10_000, 12_000)])) == []
    assert list(run_warnings(CODE * 5 + bytes(2000) + CODE * 5)) == []


def test_runs_are_found_in_their_order():
    data = b"\xff" * 1024 + b"\0" * 2000 + b"\xff" * 1023 + b"a" + b"\xff" * 5000
    assert erased_runs(data) == [Run(0, 1024, 0xFF), Run(1024, 3024, 0), Run(4048, 9048, 0xFF)]


def test_data_after_a_filled_gap_is_no_trailer_of_padding():
    data = bytes(range(1, 65)) + b"\xff" * 4032 + bytes(range(1, 65))
    assert any(text.startswith("padded") for text in run_warnings(data))
    assert not list(run_warnings(data, [(64, 4096)]))
