"""UF2: all blocks of one family, each once, or an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from image_files import as_uf2, md5_of, uf2_block

from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage

Read = Callable[..., FirmwareImage]

IMAGE = bytes(range(256)) * 4
FLASH = 0x10000000
RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59


def blocks_of(file: bytes) -> list[bytes]:
    return [file[at : at + 512] for at in range(0, len(file), 512)]


@pytest.mark.parametrize("size", [1, 100, 256, 476])
def test_blocks_of_any_size_and_in_any_order_are_read(read: Read, size: int):
    file = as_uf2({FLASH: IMAGE[:300], FLASH + 300: IMAGE[300:]}, size)
    for content in (file, b"".join(reversed(blocks_of(file)))):
        image = read(content)
        assert (image.format, image.data, image.segments) == ("uf2", IMAGE, ((FLASH, 1024),))
        assert image.notes == ("family RP2040",)


def test_blocks_that_are_not_for_the_main_flash_are_left_out_and_counted(read: Read):
    other = uf2_block(0x20000000, b"ram", 0, 1, flags=0x1)
    image = read(as_uf2({FLASH: IMAGE}) + other)
    assert image.data == IMAGE
    assert "not for the main flash: 1 block" in image.notes
    numbered = uf2_block(FLASH, b"a", 0, 2) + uf2_block(0, b"a comment", 1, 2, flags=0x1)
    assert read(numbered).data == b"a"
    with pytest.raises(ParameterError, match="empty"):
        read(other)


def test_one_of_several_families_is_chosen(read: Read):
    both = as_uf2({FLASH: IMAGE}) + as_uf2({FLASH: IMAGE[::-1]}, family=RP2350)
    with pytest.raises(
        ParameterError, match=r"blocks of several families, expected board .*, one of e48bff56 \(RP2040\), e4"
    ):
        read(both)
    assert read(both, board="E48BFF56").data == IMAGE
    image = read(both, board="e48bff59")
    assert image.data == IMAGE[::-1]
    assert image.notes == ("family RP2350 Arm", "of other families: 4 blocks")
    for board in ("e48bff57", "x", ""):
        with pytest.raises(ParameterError, match=r"board: .* is no family of the UF2 file, expected one of e48bff56"):
            read(both, board=board)


def test_blocks_without_a_family_are_read(read: Read):
    image = read(as_uf2({FLASH: IMAGE}, flags=0))
    assert (image.data, image.notes) == (IMAGE, ())
    with pytest.raises(ParameterError, match="expected none, as no block has a family"):
        read(as_uf2({FLASH: IMAGE}, flags=0), board="e48bff56")


A, B, C, D = blocks_of(as_uf2({FLASH: IMAGE}))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (A + B + C, "3 of 4 blocks, number 3 is missing, expected a whole file"),
        (A + B + C + D[:500], "2036 bytes, expected UF2 blocks of 512 bytes"),
        (A + B + C + D + D, "block 5: number 3 given twice .first in block 4., expected each number once"),
        (A + B + C + bytes(512), "block 4: no UF2 block, expected its three magic numbers"),
        (A + B[:-4] + bytes(4), "block 2: no UF2 block"),
        (A + uf2_block(FLASH + 256, b"x", 1, 2), "block 2: one of 2 blocks, expected 4 as in block 1"),
        (uf2_block(FLASH, b"x", 1, 1), "block 1: number 1 of 1 blocks, expected a lower one"),
        (uf2_block(FLASH, b"a", 0, 2) + uf2_block(FLASH, b"a", 1, 2), "given twice, block 2 .first in block 1."),
        (uf2_block(0xFFFFFFFF, b"ab", 0, 1), "block 1: 2 bytes at 0xffffffff, expected addresses below"),
        (uf2_block(0, b"a", 0, 1, flags=0x1000), "block 1: a part of a file, expected blocks for the flash"),
        (uf2_block(0, bytes(476), 0, 1, flags=0x4000), "block 1: 476 bytes of data, expected at most 452"),
    ],
    ids=lambda value: value[:16] if isinstance(value, str) else "",
)
def test_what_does_not_add_up_is_refused(read: Read, content: bytes, expected: str):
    with pytest.raises(ParameterError, match=expected):
        read(content)


@pytest.mark.parametrize("at", [*range(8), *range(508, 512)])
def test_a_damaged_first_block_is_refused_and_no_binary_image(read: Read, at: int):
    damaged = bytearray(as_uf2({FLASH: IMAGE}))
    damaged[at] ^= 0x10
    with pytest.raises(ParameterError, match="block 1: no UF2 block, expected its three magic numbers"):
        read(bytes(damaged))


def test_data_beyond_the_block_are_refused(read: Read):
    block = bytearray(uf2_block(FLASH, b"a", 0, 1))
    block[16:20] = (477).to_bytes(4, "little")
    with pytest.raises(ParameterError, match="block 1: 477 bytes of data, expected at most 476"):
        read(bytes(block))


def test_the_md5_of_a_region_is_checked(read: Read):
    """A region that the file does not have completely is not checked."""

    def file(*regions: tuple[int, bytes]) -> bytes:
        blocks = enumerate(regions)
        return b"".join(
            uf2_block(
                FLASH + 256 * i, IMAGE[:256].ljust(452, b"\0")[:256] + bytes(196) + md5_of(*region), i, 2, flags=0x4000
            )
            for i, region in blocks
        )

    def sized(content: bytes) -> bytes:
        return b"".join(b[:16] + (256).to_bytes(4, "little") + b[20:] for b in blocks_of(content))

    whole = (FLASH, IMAGE[:512])
    assert read(sized(file(whole, whole))).data == IMAGE[:512]
    assert read(sized(file((FLASH, IMAGE), (FLASH, IMAGE)))).data == IMAGE[:512]
    with pytest.raises(ParameterError, match="block 2: the MD5 is not that of 0x10000000–0x100001ff"):
        read(sized(file((FLASH, IMAGE[:511] + b"!"), (FLASH, IMAGE[:511] + b"!"))))
    with pytest.raises(ParameterError, match="block 2: MD5 of 0x10000100 twice"):
        read(sized(file(whole, (FLASH + 256, IMAGE[256:512]))))
