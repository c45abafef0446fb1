"""The binding: what it takes as a buffer, what it refuses, and which kernel it uses."""

from __future__ import annotations

import array
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec import _core, _reference

BLOCK = bytes(range(3, 243))
"""Ten fragments of 24 bytes: a whole number of items of every type below."""

CODED = _reference.encode(BLOCK, 24, 5)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in another interpreter: what is tried there may end it."""
    variables = {name: value for name, value in os.environ.items() if name != "FUOTA_FEC_KERNEL"}
    command = [sys.executable, "-W", "error", "-X", "faulthandler", "-c", code]
    return subprocess.run(command, env=variables | environment, capture_output=True, text=True, check=False)


def memory_map() -> mmap.mmap:
    mapped = mmap.mmap(-1, len(BLOCK))
    mapped[:] = BLOCK
    return mapped


def read_only() -> np.ndarray:
    block = np.frombuffer(BLOCK, np.uint8)
    assert not block.flags.writeable
    return block


# ---- buffers in --------------------------------------------------------------------------------------------

KINDS = {
    "bytes": lambda: BLOCK,
    "bytearray": lambda: bytearray(BLOCK),
    "memoryview": lambda: memoryview(BLOCK),
    "memoryview of a part": lambda: memoryview(b"xyz" + BLOCK + b"z")[3:-1],
    "memoryview of rows": lambda: memoryview(BLOCK).cast("B", (10, 24)),
    "memoryview of doubles": lambda: memoryview(BLOCK).cast("d"),
    "memory map": memory_map,
    "array of bytes": lambda: array.array("B", BLOCK),
    "array of doubles": lambda: array.array("d", BLOCK),
    "read-only ndarray": read_only,
    "ndarray of a part": lambda: np.frombuffer(b"x" + BLOCK, np.uint8)[1:],
    "ndarray of rows": lambda: np.frombuffer(BLOCK, np.uint8).reshape(10, 24),
    "ndarray of three dimensions": lambda: np.frombuffer(BLOCK, np.uint8).reshape(2, 5, 24),
    "some rows of an ndarray": lambda: np.frombuffer(b"x" * 48 + BLOCK + b"x" * 24, np.uint8).reshape(13, 24)[2:12],
    **{
        f"ndarray of {dtype}": lambda dtype=dtype: np.frombuffer(BLOCK, dtype).copy()
        for dtype in ("i1", "?", "S1", "V8", "u2", ">u2", "i4", ">u4", "u8", "f4", "f8", "c8")
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel", ff.kernels())
def test_encode_reads_any_buffer(kernel, kind):
    block = KINDS[kind]()
    assert [bytes(c) for c in ff.encode(block, 24, 5, kernel=kernel)] == CODED
    assert memoryview(block).tobytes() == BLOCK


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_reads_any_buffer(kind):
    payloads = KINDS[kind]()
    assert ff.decode(10, 24, range(1, 11), payloads) == BLOCK
    assert ff.decode(1, 240, [1], [payloads]) == BLOCK
    decoder = ff.Decoder(1, 240)
    assert decoder.push(1, payloads) is True
    assert decoder.block() == BLOCK


@pytest.mark.parametrize("shift", range(9))
@pytest.mark.parametrize("frag_size", [1, 3, 64, 65])
@pytest.mark.parametrize("kernel", ff.kernels())
def test_bytes_may_have_any_alignment(kernel, frag_size, shift):
    block = (BLOCK * 3)[: 11 * frag_size]
    expected = b"".join(_reference.encode(block, frag_size, 9))
    shifted = np.frombuffer(bytes(shift) + block, np.uint8)[shift:]
    room = np.full(9 * frag_size + 16, 0xA5, np.uint8)
    out = room[shift : shift + 9 * frag_size].reshape(9, frag_size)
    ff.encode(shifted, frag_size, 9, out=out, kernel=kernel)
    assert room.tobytes() == b"\xa5" * shift + expected + b"\xa5" * (16 - shift)
    decoder = ff.Decoder(11, frag_size, kernel=kernel)
    padded = bytes(shift) + block + expected
    for n in (3, 1, 2, 12, 13, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20):
        decoder.push(n, memoryview(padded)[shift + (n - 1) * frag_size : shift + n * frag_size])
    if decoder.complete:
        assert decoder.block() == block


@pytest.mark.parametrize("shift", range(1, 8))
def test_numbers_may_have_any_alignment(shift):
    numbers = np.array([3, 1, 2, 4], np.uint32)
    shifted = memoryview(bytes(shift) + numbers.tobytes())[shift:]
    decoder = ff.Decoder(4, 24)
    assert decoder.push_many(shifted, BLOCK[:96]) is True
    assert decoder.block() == BLOCK[24:72] + BLOCK[:24] + BLOCK[72:96]
    straight, other = np.empty((2, _core.panels_len(4, 10)), np.uint8)
    _core.parity_panels(10, 1, numbers, straight)
    _core.parity_panels(10, 1, shifted, other)
    assert np.array_equal(straight, other)


GUARDED = """
import ctypes, mmap, sys
import numpy as np
import fuota_fec as ff
from fuota_fec import _reference

libc = ctypes.CDLL(None, use_errno=True)
page = mmap.PAGESIZE

def guarded(length, at_end):
    # `length` bytes that touch a page which may be neither read nor written, on the right or on the left.
    whole = -(-length // page) * page
    area = np.frombuffer(mmap.mmap(-1, whole + 2 * page), np.uint8)
    for guard in (0, page + whole):
        assert libc.mprotect(ctypes.c_void_p(area.ctypes.data + guard), page, 0) == 0
    inside = area[page : page + whole]
    return inside[whole - length :] if at_end else inside[:length]

for kernel in ff.kernels():
    for frag_size in (1, 2, 31, 63, 64, 65, 127, 242, 255):
        for n_frags in (1, 2, 7, 8, 9, 33, 65):
            data = bytes((7 * i) % 251 for i in range(n_frags * frag_size))
            expected = _reference.encode(data, frag_size, 9)
            for at_end in (True, False):
                block = guarded(len(data), at_end)
                block[:] = np.frombuffer(data, np.uint8)
                for n_coded in (1, 8, 9):
                    out = guarded(n_coded * frag_size, at_end).reshape(n_coded, frag_size)
                    ff.encode(block, frag_size, n_coded, out=out, kernel=kernel)
                    assert [bytes(c) for c in out] == expected[:n_coded]
                decoder = ff.Decoder(n_frags, frag_size, kernel=kernel)
                payload = guarded(frag_size, at_end)
                for n in [*range(2, n_frags + 1), *range(n_frags + 1, n_frags + 10), 1]:
                    fragment = data[(n - 1) * frag_size : n * frag_size] if n <= n_frags else expected[n - n_frags - 1]
                    payload[:] = np.frombuffer(fragment, np.uint8)
                    decoder.push(n, payload)
                assert decoder.block() == data
print("done")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects pages with mprotect")
def test_nothing_beside_a_buffer_is_touched():
    """Every buffer flush against a page that may not be touched, on either side."""
    result = python(GUARDED)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


# ---- buffers that are refused --------------------------------------------------------------------------------

REFUSED = [
    None,
    "text",
    5,
    5.0,
    [1, 2, 3],
    (b"abc",),
    object,
    memoryview(BLOCK)[::2],
    np.zeros((10, 48), np.uint8)[:, ::2],
    np.zeros((24, 10), np.uint8).T,
    np.zeros(480, np.uint8)[::2],
    np.zeros(240, np.uint8)[::-1],
]


@pytest.mark.parametrize("buffer", REFUSED, ids=lambda b: getattr(b, "strides", None) or type(b).__name__)
def test_what_is_not_a_contiguous_buffer_is_refused(buffer):
    panels = np.zeros(_core.panels_len(5, 10), np.uint8)
    for what, call in {
        "block": lambda: ff.encode(buffer, 24, 5),
        "image": lambda: ff.prepare(buffer, 24),
        "payload": lambda: ff.Decoder(1, 240).push(1, buffer),
        "payloads": lambda: ff.Decoder(10, 24).push_many(np.arange(1, 11, dtype=np.uint32), buffer),
        "frag_nbs": lambda: ff.Decoder(10, 24).push_many(buffer, BLOCK),
        "rows": lambda: _core.parity_panels(10, 1, buffer, panels),
        "panels": lambda: _core.panels_unpack(buffer, 10, 0, 5, bytearray(50)),
        "out": lambda: _core.encode_into(BLOCK, 24, panels, 5, buffer, 0, 24),
        "bits": lambda: _core.panels_unpack(panels, 10, 0, 5, buffer),
    }.items():
        with pytest.raises(ff.ParameterError, match=rf"^{what}\b"):
            call()


@pytest.mark.parametrize("buffer", [bytes(240), memoryview(bytes(240)), read_only()], ids=lambda b: type(b).__name__)
def test_a_read_only_buffer_is_not_written(buffer):
    rows = np.arange(1, 6, dtype=np.uint32)
    panels = np.empty(_core.panels_len(5, 10), np.uint8)
    _core.parity_panels(10, 1, rows, panels)
    before = bytes(buffer)
    for what, call in {
        "panels": lambda: _core.parity_panels(10, 1, rows, buffer),
        "bits": lambda: _core.panels_unpack(panels, 10, 0, 5, buffer),
        "out": lambda: _core.encode_into(BLOCK, 24, panels, 5, buffer, 0, 24),
    }.items():
        with pytest.raises(ff.ParameterError, match=rf"^{what}: .* is not a writable C-contiguous buffer"):
            call()
    assert bytes(buffer) == before


# ---- extents -------------------------------------------------------------------------------------------------


@pytest.fixture
def panels() -> np.ndarray:
    panels = np.empty(_core.panels_len(5, 10), np.uint8)
    _core.parity_panels(10, 1, np.arange(1, 6, dtype=np.uint32), panels)
    return panels


def test_panels_len_is_whole_panels_of_whole_groups():
    for n_rows, n_cols, length in ((0, 10, 0), (1, 1, 8), (8, 8, 8), (9, 8, 16), (8, 9, 16), (5, 10, 16), (17, 17, 72)):
        assert _core.panels_len(n_rows, n_cols) == length


def test_panels_are_groups_of_eight_rows_and_columns(panels):
    """Panels of eight rows; in a group of eight columns byte r is row r, its bit j column 8 · group + j."""
    bits = np.array(_reference.ParityMatrix(10).rows(1, 6), np.uint8)
    expected = np.zeros((2, 8), np.uint8)
    expected[:, :5] = np.packbits(bits, axis=1, bitorder="little").T
    assert panels.tobytes() == expected.tobytes()
    unpacked = np.full((3, 10), 9, np.uint8)
    _core.panels_unpack(panels, 10, 1, 4, unpacked)
    assert np.array_equal(unpacked, bits[1:4])


@pytest.mark.parametrize("kernel", ff.kernels())
@pytest.mark.parametrize(("number", "dialect"), [(1, "1.0.0"), (2, "2.0.0")])
def test_rows_and_columns_beyond_the_last_are_zero(kernel, number, dialect):
    """Whatever was in the buffer before, whatever number the rows have, and nothing is written behind it."""
    rows = np.array([1, 2, 3, 8381, 16760, 4, 16761, 5, 6, 2**32 - 1, 7], np.uint32)
    for n_frags in (*range(1, 18), 31, 32, 33, 63, 64, 65):
        bits = np.array([_reference.ParityMatrix(n_frags, dialect).row(int(n)) for n in rows], np.uint8)
        for n_rows in (1, 3, 7, 8, 9, 11):
            expected = np.zeros((-(-n_rows // 8), -(-n_frags // 8), 8), np.uint8)
            for r in range(n_rows):
                expected[r // 8, :, r % 8] = np.packbits(bits[r], bitorder="little")
            buffer = np.full(expected.size + 8, 0xA5, np.uint8)
            _core.parity_panels(n_frags, number, rows[:n_rows], buffer, kernel)
            assert buffer.tobytes() == expected.tobytes() + b"\xa5" * 8, (n_frags, n_rows)


def test_encode_into_with_offset_and_stride(panels):
    out = bytearray(b"\xa5" * (7 + 5 * 27))
    _core.encode_into(BLOCK, 24, panels, 5, out, 7, 27)
    assert bytes(out) == b"\xa5" * 7 + b"".join(c + b"\xa5" * 3 for c in CODED)


@pytest.mark.parametrize(
    ("n_rows", "room", "offset", "stride"),
    [
        (5, 119, 0, 24),
        (5, 120, 1, 24),
        (5, 120, 0, 25),
        (5, 120, 0, 23),
        (1, 23, 0, 24),
        (1, 24, 1, 24),
        (1, 0, 0, 24),
        (1, 24, 0, 0),
        (5, 1000, 1000, 24),
        (5, 1000, 2**62, 24),
        (2, 1000, 0, 2**62),
    ],
)
def test_too_little_room_for_coded_fragments(panels, n_rows, room, offset, stride):
    out = bytearray(b"\xa5" * room)
    with pytest.raises(ff.ParameterError, match=r"^out: "):
        _core.encode_into(BLOCK, 24, panels, n_rows, out, offset, stride)
    assert bytes(out) == b"\xa5" * room


def test_a_matrix_too_small_for_the_rows(panels):
    out = bytearray(9 * 24)
    for n_rows, block in ((9, BLOCK), (5, BLOCK[:-24] + bytes(24 * 8)), (5, bytes(24 * 17)), (1, bytes(24 * 17))):
        with pytest.raises(ff.ParameterError, match=r"^panels: "):
            _core.encode_into(block, 24, panels, n_rows, out, 0, 24)
    assert not any(out)


def test_too_little_room_for_rows(panels):
    rows = np.arange(1, 10, dtype=np.uint32)
    with pytest.raises(ff.ParameterError, match=r"^panels: "):
        _core.parity_panels(10, 1, rows, bytearray(_core.panels_len(9, 10) - 1))
    for n_cols, start, stop, room in ((10, 0, 5, 49), (10, 0, 9, 90), (17, 0, 5, 85), (10, 8, 9, 10)):
        with pytest.raises(ff.ParameterError, match=r"^bits: "):
            _core.panels_unpack(panels, n_cols, start, stop, bytearray(room))


@pytest.mark.parametrize(
    "call",
    [
        "_core.parity_panels(16384, 1, np.ones(1, np.uint32), bytearray(_core.panels_len(1, 16384)))",
        "_core.parity_panels(20000, 1, np.ones(1, np.uint32), bytearray(_core.panels_len(1, 20000)))",
        "_core.parity_panels(10**6, 2, np.ones(1, np.uint32), bytearray(_core.panels_len(1, 10**6)))",
        "_core.parity_panels(0, 1, np.ones(1, np.uint32), bytearray(64))",
        "_core.panels_unpack(bytearray(64), 64, 2**60, 2**61, bytearray(64))",
        "_core.panels_unpack(bytearray(64), 64, 2**61 - 1, 2**61, bytearray(64))",
        "_core.panels_unpack(bytearray(64), 2**61, 0, 8, bytearray(64))",
        "_core.panels_unpack(bytearray(64), 8, 5, 3, bytearray(64))",
        "_core.encode_into(bytes(64), 64, bytearray(64), 1, bytearray(64), 2**64 - 64, 64)",
        "_core.encode_into(bytes(64), 64, bytearray(64), 1, bytearray(64), 2**64 - 2**20, 64)",
        "_core.encode_into(bytes(64), 64, bytearray(64), 2, bytearray(64), 64, 2**64 - 64)",
        "_core.encode_into(bytes(1), 2, b'', 2**63 + 1, bytearray(8), 0, 2)",
        "_core.encode_into(bytes(64), 0, bytearray(64), 1, bytearray(64), 0, 64)",
        "_core.encode_into(bytes(64), 2**63, bytearray(64), 1, bytearray(64), 0, 2**63)",
    ],
)
def test_no_extents_make_the_core_leave_its_buffers(call):
    """Sums and products of extents that do not fit in a word are refused like any that are too large."""
    result = python(f"""
import numpy as np
from fuota_fec import ParameterError, _core
try:
    {call}
except ParameterError as error:
    print("refused")
""")
    assert (result.returncode, result.stdout) == (0, "refused\n"), result.stderr


def test_a_call_for_no_rows_writes_nothing(panels):
    out = bytearray(b"\xa5" * 10)
    _core.encode_into(BLOCK, 24, panels, 0, out, 0, 24)
    _core.parity_panels(10, 1, b"", out)
    _core.panels_unpack(panels, 10, 3, 3, out)
    assert bytes(out) == b"\xa5" * 10


# ---- kernels -------------------------------------------------------------------------------------------------


def test_kernels_are_distinct_names_that_end_with_portable():
    names = ff.kernels()
    assert names[-1] == "portable"
    assert len(set(names)) == len(names)
    assert all(type(name) is str for name in names)
    assert ff.kernel() in names
    ff.kernels().clear()
    assert ff.kernels() == names


def test_cpu_features():
    features = _core.cpu_features()
    assert set(features) <= {"avx2", "fma", "gfni", "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "neon"}
    assert len(set(features)) == len(features)


USES_IT = """
import fuota_fec as ff
print(ff.kernel(), ff.kernels()[0])
block = bytes(range(60))
assert ff.ParityMatrix(10, "2.0.0").row(1).sum() == 5
decoder = ff.Decoder(10, 6)
for n in range(1, 11):
    decoder.push(n, block[6 * n - 6 : 6 * n])
assert decoder.block() == block
assert ff.encode(block, 6, 9).tobytes() == ff.encode(block, 6, 9, kernel="portable").tobytes()
assert ff.prepare(block, 6, n_coded=9).frames[10:, 3:].tobytes() == ff.encode(block, 6, 9).tobytes()
"""


@pytest.mark.parametrize("forced", [None, "", *ff.kernels()])
def test_the_environment_forces_a_kernel(forced):
    result = python(USES_IT) if forced is None else python(USES_IT, FUOTA_FEC_KERNEL=forced)
    assert (result.returncode, result.stderr) == (0, "")
    used, best = result.stdout.split()
    assert used == (forced or best)
    assert best == ff.kernels()[0]


def test_an_unknown_kernel_in_the_environment_is_an_error_when_it_is_needed():
    """Importing works and `kernels` tells what there is; whatever needs a kernel names the bad value and the choice."""
    result = python(
        """
import fuota_fec as ff
print(ff.kernels())
for call in (
    ff.kernel,
    lambda: ff.encode(bytes(20), 2, 1),
    lambda: ff.ParityMatrix(5).row(1),
    lambda: ff.prepare(bytes(20), 2, n_coded=1),
    lambda: ff.Decoder(5, 5),
    lambda: ff.decode(1, 1, [1], b"a"),
):
    try:
        call()
    except ff.ParameterError as error:
        print(error)
print(len(ff.encode(bytes(20), 2, 1, kernel="portable")), ff.Decoder(5, 5, kernel="portable").missing)
""",
        FUOTA_FEC_KERNEL="abacus",
    )
    assert (result.returncode, result.stderr) == (0, "")
    names, *errors, last = result.stdout.splitlines()
    assert names == str(ff.kernels())
    assert last == "1 5"
    assert len(errors) == 6
    for error in errors:
        assert error.startswith("FUOTA_FEC_KERNEL: kernel 'abacus' ")
        assert error.endswith(", ".join(ff.kernels()))
