"""Image files of every format: what was written is read back, and a damaged file is refused or gives the same image."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from functools import partial
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import as_dfuse, as_elf, as_hex, as_srec, as_ti_txt, as_uf2, pieces, with_suffix

from fuota_fec.errors import ParameterError
from fuota_fec.image import LARGEST_IMAGE, FirmwareImage, Format, ImageSource, image_of
from fuota_fec.image.source import READERS

Memory = dict[int, bytes]
Writer = Callable[[Memory], bytes]


def text(writer: Callable[..., str], *args: object, **options: object) -> Writer:
    return lambda memory: writer(memory, *args, **options).encode()


WRITERS: dict[str, Writer] = {
    **{f"HEX of {size} bytes": text(as_hex, size) for size in (1, 16, 255)},
    **{f"S{kind}": text(as_srec, kind) for kind in (1, 2, 3)},
    "S3 without a count": text(as_srec, 3, 200, count=False),
    "TI-TXT": text(as_ti_txt),
    **{f"ELF {bits}{order}": partial(as_elf, bits=bits, order=order) for bits in (32, 64) for order in "<>"},
    **{f"UF2 of {size} bytes": partial(as_uf2, size=size) for size in (1, 256, 476)},
    "DfuSe": as_dfuse,
}


@st.composite
def memories(draw: st.DrawFn, highest: int = 0xFFFF) -> Memory:
    """A few segments with gaps between them, the last one up to an address."""
    blocks = draw(st.lists(st.tuples(st.integers(1, 40), st.binary(min_size=1, max_size=60)), min_size=1, max_size=4))
    end = draw(st.integers(sum(gap + len(data) for gap, data in blocks), highest + 1))
    memory: Memory = {}
    for gap, data in reversed(blocks):
        memory[end - len(data)] = data
        end -= gap + len(data)
    return dict(reversed(memory.items()))


def read(data: bytes, name: str = "image.bin", kind: Format = "auto") -> FirmwareImage:
    return image_of(data, ImageSource(path=name, format=kind))


def what(image: FirmwareImage) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    return image.data, image.segments


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@given(memory=memories())
@settings(max_examples=25)
def test_what_is_written_is_read_back(writer: Writer, memory: Memory):
    image = read(writer(memory))
    assert image.segments == tuple((address, len(data)) for address, data in memory.items())
    base = min(memory)
    expected = bytearray(b"\xff" * len(image.data))
    for address, data in memory.items():
        expected[address - base : address - base + len(data)] = data
    assert image.data == expected


@given(memory=memories(0xFFFFFFFF), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_formats_of_32_bits_agree_at_any_address_and_in_any_order(memory: Memory, seed: int):
    shuffled = pieces(memory, 7)
    random.Random(seed).shuffle(shuffled)
    images = [read(writer(dict(shuffled))) for name, writer in WRITERS.items() if name not in ("S1", "S2")]
    assert {what(image) for image in images} == {what(read(as_hex(memory).encode()))}


CHECKED = {name: WRITERS[name] for name in ("HEX of 16 bytes", "S1", "S2", "S3", "S3 without a count", "DfuSe")}
"""Formats with checksums. Without a count, the header of an S1 file may become data by one bit."""


@pytest.mark.parametrize("writer", CHECKED.values(), ids=CHECKED)
@pytest.mark.parametrize("name", ["image.bin", "image.hex"])
@given(memory=memories(), data=st.data())
@settings(max_examples=60)
def test_a_file_with_one_changed_bit_is_refused_or_gives_the_same_image(
    writer: Writer, name: str, memory: Memory, data: st.DataObject
):
    whole = writer(memory)
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    damaged = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
    try:
        image = read(damaged, name)
    except ParameterError:
        return
    assert what(image) == what(read(whole))


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("suffix", [".bin", ".hex"])
def test_a_cut_file_is_refused_or_gives_the_same_image(writer: Writer, suffix: str):
    """From the length on from which a format can be told. Without its suffix, DFU is no format."""
    whole = writer({0x1000: bytes(range(90)), 0x1100: b"end"})
    expected = what(read(whole))
    for length in range(9, len(whole)):
        try:
            image = read(whole[:length], f"image{suffix}")
        except ParameterError:
            continue
        assert what(image) == expected, length


@pytest.mark.parametrize("name", ["HEX of 1 bytes", "S3", "TI-TXT", "UF2 of 1 bytes", "DfuSe"])
def test_the_time_is_linear_in_the_file(name: str):
    """Also for pieces with gaps. Four times the file may take eight times as long, not sixteen."""

    def seconds(n: int) -> float:
        data = WRITERS[name]({i * 4: b"x" for i in range(n)})
        times = []
        for _ in range(3):
            begun = process_time()
            read(data)
            times.append(process_time() - begun)
        return min(times)

    assert seconds(16_000) < 8 * seconds(4_000) + 0.1


STARTS = [b"", b":10", b"S1", b"\x7fELF", b"\x7fELF\1\1", b"\x7fELF\2\2", struct.pack("<II", 0x0A324655, 0x9E5D5157)]
STARTS += [
    b"DfuSe\1",
    b"@",
    b"\xe9",
    struct.pack("<I", 0x96F3B83D),
    b"PK\3\4",
    b"{",
    b"<html",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
]


@given(start=st.sampled_from(STARTS), body=st.binary(max_size=700), kind=st.sampled_from(["auto", *READERS]))
@settings(max_examples=300)
def test_any_bytes_give_an_image_or_a_parameter_error(start: bytes, body: bytes, kind: Format):
    for data in (start + body, with_suffix(start + body)):
        try:
            image = read(data, "image", kind)
        except ParameterError:
            continue
        assert 0 < len(image.data) <= LARGEST_IMAGE


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=40)
def test_a_damaged_file_gives_an_image_or_a_parameter_error(writer: Writer, seed: int):
    rng = random.Random(seed)
    data = bytearray(writer({0x1000: rng.randbytes(90), 0x1100: b"end"}))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data))
        data[at : at + rng.choice([0, 1, 4])] = rng.choice([b"", b"\0", b"\xff" * 4, rng.randbytes(4), b"\n"])
    for kind in ("auto", *READERS):
        try:
            image = read(bytes(data), "image", kind)  # type: ignore[arg-type]
        except ParameterError:
            continue
        assert 0 < len(image.data) <= LARGEST_IMAGE
