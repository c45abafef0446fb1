"""What reaches the C core: any C-contiguous buffer as it is, and nothing that does not fit."""

from __future__ import annotations

import array
import gc
import mmap
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _core, _reference
from fuota_fec.errors import ParameterError, UndecodableError

KERNELS = ff.kernels()


@pytest.fixture(params=KERNELS)
def kernel(request):
    return request.param


def block_of(n_frags, frag_size, seed=1):
    return np.random.default_rng(seed).integers(0, 256, n_frags * frag_size, np.uint8)


# ---- kernels ------------------------------------------------------------------------------------------------


def test_kernels_are_named_best_first():
    assert KERNELS[-1] == "portable"
    assert ff.kernel() in KERNELS


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(("n_frags", "frag_size", "n_coded"), [(1, 1, 3), (20, 50, 5), (255, 33, 17), (1000, 222, 64)])
def test_every_kernel_gives_the_same_bytes(kernel, dialect, n_frags, frag_size, n_coded):
    block = block_of(n_frags, frag_size)
    expected = ff.encode(block, frag_size, n_coded, dialect=dialect, kernel="portable")
    assert (ff.encode(block, frag_size, n_coded, dialect=dialect, kernel=kernel) == expected).all()
    rows = list(range(n_coded, 0, -1))
    assert (ff.encode(block, frag_size, n_coded, dialect=dialect, kernel=kernel, rows=rows) == expected[::-1]).all()
    matrix = ff.ParityMatrix(n_frags, dialect, kernel=kernel)
    assert (ff.encode(block, frag_size, n_coded, dialect=dialect, matrix=matrix) == expected).all()
    if n_frags < 300:
        assert [bytes(c) for c in expected] == _reference.encode(bytes(block), frag_size, n_coded, dialect=dialect)


def test_an_unknown_kernel_is_an_error():
    with pytest.raises(
        ParameterError, match=r"kernel: kernel 'quantum' is not one that this CPU can run, expected .*portable"
    ):
        ff.encode(b"abcd", 2, 1, kernel="quantum")
    with pytest.raises(ParameterError, match="quantum"):
        ff.Decoder(2, 2, kernel="quantum")
    with pytest.raises(ParameterError, match="quantum"):
        ff.ParityMatrix(2, kernel="quantum").row(1)


# ---- what goes in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", range(0, 64, 7))
def test_any_buffer_at_any_alignment_is_read(kernel, offset):
    block = block_of(21, 37)
    expected = ff.encode(bytes(block), 37, 9)
    memory = bytearray(offset) + bytearray(block)
    for buffer in (
        memoryview(memory)[offset:],
        array.array("B", bytes(block)),
        block.reshape(21, 37),
        block.view(np.int8),
        bytearray(block),
    ):
        assert (ff.encode(buffer, 37, 9, kernel=kernel) == expected).all()
    with mmap.mmap(-1, block.size) as pages:
        pages[:] = bytes(block)
        assert (ff.encode(pages, 37, 9, kernel=kernel) == expected).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((b"", 4, 1), "block: 0 bytes are not whole fragments of frag_size = 4"),
        ((b"12345", 4, 1), "block: 5 bytes are not whole fragments of frag_size = 4; `prepare` pads"),
        ((b"1234", 0, 1), "frag_size: 0 is not from 1 to 255"),
        ((b"1234", 256, 1), "frag_size: 256 is not from 1 to 255"),
        ((b"1234", 10**30, 1), "frag_size: 1000000000000000000000000000000 is not from 1 to 255"),
        ((b"1234", 2.0, 1), "frag_size: 2.0 is not a whole number from 1 to 255"),
        ((b"1234", None, 1), "frag_size: None is not a whole number"),
        ((b"1234", 2, -1), "n_coded: -1 is not from 0 to 4294967295"),
        ((b"1234", 2, "1"), "n_coded: '1' is not a whole number"),
        ((bytes(16384), 1, 1), "n_frags: 16384 is not from 1 to 16383"),
        (("text", 2, 1), "block: str is not a buffer, expected bytes or another C-contiguous buffer"),
        ((None, 2, 1), "block: NoneType is not a buffer, expected bytes or another C-contiguous buffer"),
        (
            (np.zeros((4, 4), np.uint8)[:, ::2], 2, 1),
            "block: ndarray is not C-contiguous, expected bytes",
        ),
        (
            (np.zeros((4, 4), np.uint8).T, 2, 1),
            "block: ndarray is not C-contiguous, expected bytes",
        ),
    ],
)
@pytest.mark.parametrize("rows", [None, [1, 2, 3]])
def test_encode_names_a_bad_argument(arguments, message, rows):
    with pytest.raises(ParameterError) as caught:
        ff.encode(*arguments, rows=rows)
    assert message in str(caught.value)


@pytest.mark.parametrize("dialect", ["1", b"1.0.0", 1, [], "1.0.1"])
def test_an_unknown_dialect_is_refused_by_every_entry(dialect):
    for call in (
        lambda: ff.encode(b"1234", 2, 1, dialect=dialect),
        lambda: ff.Decoder(2, 2, dialect=dialect),
        lambda: ff.ParityMatrix(2, dialect),
    ):
        with pytest.raises(ParameterError, match=r"is not a TS004 dialect, expected '1\.0\.0' or '2\.0\.0'"):
            call()


def test_encode_takes_whole_numbers_of_any_type(kernel):
    expected = ff.encode(b"12345678", 2, 3)
    assert (ff.encode(b"12345678", np.int64(2), np.uint8(3), kernel=kernel) == expected).all()
    assert ff.encode(b"12345678", 2, 0, kernel=kernel).shape == (0, 2)


def test_a_dialect_is_compared_by_value(kernel):
    dialect = "".join(["1.0", ".0"])
    assert (ff.encode(b"12345678", 2, 3, dialect=dialect, kernel=kernel) == ff.encode(b"12345678", 2, 3)).all()


# ---- what comes out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [None, [2, 1, 3]])
@pytest.mark.parametrize("offset", [0, 1, 31, 63])
def test_encode_writes_out_and_no_byte_beside_it(kernel, rows, offset):
    block = block_of(20, 50)
    memory = np.full(offset + 150 + 64, 0xA5, np.uint8)
    out = memory[offset : offset + 150].reshape(3, 50)
    result = ff.encode(block, 50, 3, rows=rows, out=out, kernel=kernel)
    assert result is out
    assert (out == ff.encode(block, 50, 3, rows=rows, kernel="portable")).all()
    assert (memory[:offset] == 0xA5).all()
    assert (memory[offset + 150 :] == 0xA5).all()


def read_only(shape):
    array = np.zeros(shape, np.uint8)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("rows", [None, [1, 2, 3]])
@pytest.mark.parametrize(
    ("out", "message"),
    [
        (
            np.zeros((3, 49), np.uint8),
            r"out: uint8 \(3, 49\) is not .*, expected a uint8 array of shape \(3, 50\)",
        ),
        (np.zeros((4, 50), np.uint8), "out: .* is not the result, expected a uint8 array"),
        (np.zeros(150, np.uint8), "out: .* is not the result, expected a uint8 array"),
        (np.zeros((3, 50, 1), np.uint8), "out: .* is not the result, expected a uint8 array"),
        (np.zeros((3, 50), np.int8), "out: .* is not the result, expected a uint8 array"),
        (np.zeros((3, 50), np.uint16), "out: .* is not the result, expected a uint8 array"),
        (bytearray(150), "out: bytearray is not the result, expected a uint8 array"),
        (read_only((3, 50)), "out: ndarray is not a writable C-contiguous buffer"),
        (np.zeros((6, 50), np.uint8)[::2], "out: ndarray is not a writable C-contiguous buffer"),
        (np.zeros((50, 3), np.uint8).T, "out: ndarray is not a writable C-contiguous buffer"),
        (np.zeros((3, 100), np.uint8)[:, ::2], "out: ndarray is not a writable C-contiguous buffer"),
    ],
)
def test_encode_refuses_an_out_of_another_shape_or_kind(out, message, rows):
    before = bytes(np.ascontiguousarray(out))
    with pytest.raises(ParameterError, match=message):
        ff.encode(bytes(1000), 50, 3, rows=rows, out=out)
    assert bytes(np.ascontiguousarray(out)) == before


@pytest.mark.parametrize("rows", [None, [1, 2, 3]])
def test_out_must_not_overlap_the_block(kernel, rows):
    memory = block_of(24, 50)
    before = memory.copy()
    for first in (0, 1, 850, 1000 - 1, 1049):
        if first < 1000 and first + 150 <= memory.size:
            with pytest.raises(ParameterError, match=r"out: overlaps the block"):
                ff.encode(
                    memory[:1000], 50, 3, rows=rows, out=memory[first : first + 150].reshape(3, 50), kernel=kernel
                )
    assert (memory == before).all()
    ff.encode(memory[:1000], 50, 3, rows=rows, out=memory[1000:1150].reshape(3, 50), kernel=kernel)
    assert (memory[1000:1150].reshape(3, 50) == ff.encode(before[:1000], 50, 3, rows=rows)).all()


def test_the_core_checks_extents_itself():
    """Nothing that reaches the binding makes C go beyond a buffer, whatever the Python layer checked."""
    panels = np.zeros(_core.panels_len(3, 20), np.uint8)
    with pytest.raises(ParameterError, match="panels"):
        _core.parity_panels(20, 1, np.arange(1, 10, dtype=np.uint32), panels)
    for out, offset, stride in [
        (bytearray(149), 0, 50),
        (bytearray(150), 1, 50),
        (bytearray(150), 0, 51),
        (bytearray(150), 0, 49),
        (bytearray(150), 2**63, 50),
        (bytearray(10), 11, 50),
    ]:
        with pytest.raises(ParameterError, match="too little room"):
            _core.encode_into(bytes(1000), 50, panels, 3, out, offset, stride)
        with pytest.raises(ParameterError, match="too little room"):
            _core.encode_leading_into(bytes(1000), 50, 1, 3, out, offset, stride)
    with pytest.raises(ParameterError, match="too little room"):
        _core.lay_frames(bytes(1000), 50, 20, np.arange(1, 4, dtype=np.uint32), 8, 0, bytearray(23 * 53 - 1))
    with pytest.raises(ParameterError, match="frag_size"):
        _core.lay_frames(bytes(1000), 0, 20, b"", 8, 0, bytearray(1060))
    with pytest.raises(ParameterError, match="not a matrix"):
        _core.encode_into(bytes(1000), 50, panels, 9, bytearray(1000), 0, 50)
    with pytest.raises(ParameterError, match="writable"):
        _core.encode_into(bytes(1000), 50, panels, 3, bytes(150), 0, 50)


@given(
    values=st.lists(
        st.integers(-2, 9) | st.sampled_from([True, 2**32, 2**70, 1.0, "1", None, np.int64(3)]), max_size=6
    ),
    kind=st.sampled_from([list, tuple]),
)
def test_numbers_are_packed_if_all_are_plain_and_in_range(values, kind):
    plain = all(type(value) is int and 1 <= value <= 8 for value in values)
    expected = np.array(values, np.uint32).tobytes() if plain else None
    assert _core.packed(kind(values), 1, 8) == expected


@given(payloads=st.lists(st.sampled_from([b"abc", b"def", b"", b"ab", bytearray(b"abc"), None, "abc"]), max_size=5))
def test_payloads_are_joined_if_all_are_bytes_of_the_length(payloads):
    expected = b"".join(payloads) if all(type(p) is bytes and len(p) == 3 for p in payloads) else None
    assert _core.joined(payloads, 3) == expected


# ---- decoder ------------------------------------------------------------------------------------------------------


def received(n_frags, frag_size, n_coded, lost, dialect="1.0.0"):
    block = block_of(n_frags, frag_size)
    coded = ff.encode(block, frag_size, n_coded, dialect=dialect)
    payloads = np.concatenate([block.reshape(n_frags, frag_size), coded])
    kept = np.array([i for i in range(n_frags + n_coded) if i not in lost])
    return bytes(block), kept + 1, payloads[kept]


def test_bad_pushes_change_nothing(kernel):
    block, numbers, payloads = received(20, 10, 8, {3, 7})
    decoder = ff.Decoder(20, 10, kernel=kernel)
    for number, payload in zip(numbers, payloads, strict=True):
        rank = decoder.rank
        for bad in (0, -1, 16384, 2**40, "1", None, 1.0):
            with pytest.raises(ParameterError, match=r"frag_nb: .* is not .*from 1 to 16383"):
                decoder.push(bad, payload)
        for bad in (b"", b"123456789", bytes(11), np.zeros((2, 10), np.uint8)):
            with pytest.raises(ParameterError, match=r"payload: .* bytes, expected frag_size = 10"):
                decoder.push(int(number), bad)
        for bad in ("text", None, np.zeros(20, np.uint8)[::2]):
            with pytest.raises(ParameterError, match=r"payload: .* is not a C-contiguous buffer"):
                decoder.push(int(number), bad)
        with pytest.raises(ParameterError, match=r"payloads: .* bytes, expected 2 fragments"):
            decoder.push_many(np.array([1, 2], np.uint32), bytes(19))
        with pytest.raises(ParameterError, match=r"frag_nb: 0 is not"):
            decoder.push_many(np.array([1, 0], np.uint32), bytes(20))
        with pytest.raises(ParameterError, match=r"frag_nb: 16384 is not"):
            decoder.push_many(np.array([1, 16384], np.uint32), bytes(20))
        assert decoder.rank == rank
        if not decoder.complete:
            with pytest.raises(UndecodableError) as caught:
                decoder.block()
            assert caught.value.missing == 20 - rank
        decoder.push(int(number), payload)
    assert decoder.block() == block


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
def test_push_and_push_many_complete_with_the_same_fragment(kernel, dialect):
    block, numbers, payloads = received(150, 20, 60, set(range(5, 150, 7)), dialect)
    one = ff.Decoder(150, 20, dialect=dialect, kernel=kernel)
    at = next(i for i, (n, p) in enumerate(zip(numbers, payloads, strict=True)) if one.push(int(n), p))
    for n in (at, at + 1, len(numbers)):
        many = ff.Decoder(150, 20, dialect=dialect, kernel=kernel)
        many.push_many(numbers[:n].astype(np.uint32), np.ascontiguousarray(payloads[:n]))
        assert many.complete == (n > at)
        assert many.rank == 150 if n > at else many.rank < 150
    assert one.block() == many.block() == block


def test_fragments_that_disagree_are_used_in_order_of_arrival(kernel):
    """Bytes that contradict each other give the same block however they are pushed: that of the first that suffice."""
    _, numbers, payloads = received(100, 4, 60, set(range(0, 100, 3)))
    payloads = payloads.copy()
    payloads[numbers > 100] = block_of(int((numbers > 100).sum()), 4, seed=9).reshape(-1, 4)
    blocks = set()
    for sizes in ([1] * 200, [200], [50, 10, 200], [99, 3, 200]):
        decoder = ff.Decoder(100, 4, kernel=kernel)
        i = 0
        for size in sizes:
            chosen = slice(i, i + size)
            decoder.push_many(numbers[chosen].astype(np.uint32), np.ascontiguousarray(payloads[chosen]))
            i += size
        blocks.add(decoder.block())
    assert len(blocks) == 1


def test_a_decoder_in_reused_memory_begins_with_nothing(kernel):
    """Memory is used again; what an earlier decoder held must not show."""
    block, numbers, payloads = received(64, 8, 20, {1, 5, 9})
    for _ in range(3):
        decoder = ff.Decoder(64, 8, kernel=kernel)
        assert (decoder.rank, decoder.missing, decoder.complete) == (0, 64, False)
        with pytest.raises(UndecodableError):
            decoder.block()
        decoder.push_many(numbers.astype(np.uint32), payloads)
        assert decoder.block() == block
        other = ff.Decoder(3, 200, kernel=kernel)
        assert not other.push(1, bytes(200))
        del decoder, other
        gc.collect()


def test_decode_accepts_what_is_documented():
    block, numbers, payloads = received(30, 12, 10, {2, 4})
    expected = block
    as_list = [bytes(p) for p in payloads]
    assert ff.decode(30, 12, numbers, payloads) == expected
    assert ff.decode(30, 12, list(map(int, numbers)), as_list) == expected
    assert ff.decode(30, 12, iter(map(int, numbers)), tuple(map(memoryview, as_list))) == expected
    assert ff.decode(30, 12, numbers.astype(np.uint8), b"".join(as_list)) == expected
    with pytest.raises(ParameterError, match=r"frag_nb: 0 is not from 1 to 16383"):
        ff.decode(30, 12, [0], [bytes(12)])
    with pytest.raises(ParameterError, match=r"frag_nb: 1\.5 is not a whole number"):
        ff.decode(30, 12, [1.5], [bytes(12)])
    with pytest.raises(ParameterError, match=r"payloads: 1 payloads for 2 fragment numbers"):
        ff.decode(30, 12, [1, 2], [bytes(12)])
    with pytest.raises(ParameterError, match=r"payload: 11 bytes, expected frag_size = 12"):
        ff.decode(30, 12, [1, 2], [bytes(12), bytes(11)])
    with pytest.raises(UndecodableError):
        ff.decode(30, 12, [], [])


# ---- rows kept for the next calls -----------------------------------------------------------------------------------

BUDGET = 16 << 20


@pytest.fixture
def nothing_kept():
    _core.forget_rows()
    yield
    _core.forget_rows()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([1, 2]), st.integers(1, 60), st.booleans()), max_size=12
    )
)
def test_rows_that_are_kept_are_the_rows_drawn_anew(nothing_kept, calls):
    for n_frags, number, n_coded, decodes in calls:
        dialect = f"{number}.0.0"
        block = block_of(n_frags, 3)
        expected = ff.encode(block, 3, n_coded, dialect=dialect, kernel="portable")
        if not decodes:
            assert (ff.encode(block, 3, n_coded, dialect=dialect) == expected).all()
            assert _core.rows_kept()[0][:2] == (n_frags, number)
            continue
        numbers = range(n_frags // 2 + 1, n_frags + n_coded + 1)
        payloads = np.concatenate([block.reshape(-1, 3), expected])[n_frags // 2 :].tobytes()
        drawn, kept = (
            ff.Decoder(n_frags, 3, dialect=dialect, kernel=ff.kernel()),
            ff.Decoder(n_frags, 3, dialect=dialect),
        )
        frag_nbs = np.array(numbers, np.uint32)
        assert kept.push_many(frag_nbs, payloads) == drawn.push_many(frag_nbs, payloads)
        assert kept.rank == drawn.rank
        assert not kept.complete or kept.block() == block.tobytes()


def test_rows_used_longest_ago_are_forgotten_first(nothing_kept):
    for n_frags in range(1000, 1100):
        ff.encode(bytes(n_frags), 1, 8)
    assert [kept[0] for kept in _core.rows_kept()] == list(range(1099, 1035, -1))
    ff.encode(bytes(1050), 1, 8)
    ff.encode(bytes(1), 1, 1)
    kept = [kept[0] for kept in _core.rows_kept()]
    assert kept[:3] == [1, 1050, 1099]
    assert kept[-1] == 1037


def test_rows_that_are_kept_have_a_budget_in_all(nothing_kept):
    for n_frags, n_coded in [(16000, 383), (8000, 8383), (8191, 8192), (12000, 3000), (8192, 8191), (16383, 16383)]:
        ff.encode(bytes(n_frags), 1, n_coded)
        assert sum(kept[3] for kept in _core.rows_kept()) <= BUDGET
    # The last one alone would be beyond the budget: it is not kept, and displaces nothing.
    assert _core.rows_kept()[0][:3] == (8192, 1, 8192)


def test_more_rows_take_the_place_of_fewer(nothing_kept):
    for n_coded in (1, 9, 100, 3):
        ff.encode(bytes(50), 5, n_coded)
    [(n_frags, dialect, n_rows, _)] = _core.rows_kept()
    assert (n_frags, dialect) == (10, 1)
    assert n_rows >= 100


def test_a_decoder_keeps_no_rows_that_it_hardly_needs(nothing_kept):
    block = block_of(100, 4)
    rows = [2000 + i for i in range(40)]
    coded = ff.encode(block, 4, 40, rows=rows)
    payloads = np.concatenate([block.reshape(-1, 4)[20:], coded])
    assert ff.decode(100, 4, [*range(21, 101), *(100 + row for row in rows)], payloads) == block.tobytes()
    assert _core.rows_kept() == []


def test_calls_that_name_a_kernel_keep_no_rows(nothing_kept, kernel):
    ff.encode(bytes(50), 5, 3, kernel=kernel)
    assert _core.rows_kept() == []


# ---- threads --------------------------------------------------------------------------------------------------------


def test_threads_encode_with_one_matrix(kernel):
    """A matrix that grows while others read it, with images of their own."""
    matrix = ff.ParityMatrix(500, "2.0.0", kernel=kernel)
    blocks = [block_of(500, 40, seed) for seed in range(8)]
    expected = [ff.encode(b, 40, 200, dialect="2.0.0", kernel="portable") for b in blocks]
    begin = threading.Barrier(8)

    def work(i):
        begin.wait()
        for n in range(1, 200, 3 + i):
            coded = ff.encode(blocks[i], 40, n, dialect="2.0.0", matrix=matrix, kernel=kernel)
            if not (coded == expected[i][:n]).all():
                return False
        return True

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)


def test_threads_decode_with_decoders_of_their_own(kernel):
    inputs = [received(200 + i, 16, 60, set(range(i, 200, 9))) for i in range(6)]

    def work(i):
        block, numbers, payloads = inputs[i]
        for _ in range(10):
            decoder = ff.Decoder(200 + i, 16, kernel=kernel)
            decoder.push_many(numbers.astype(np.uint32), payloads)
            if decoder.block() != block:
                return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))


def test_threads_share_the_rows_that_are_kept(nothing_kept):
    """Rows that grow and are displaced while others read them."""
    blocks = [block_of(3000 + i % 4, 2, i) for i in range(8)]
    expected = [ff.encode(b, 2, 400, kernel="portable") for b in blocks]
    begin = threading.Barrier(8)

    def work(i):
        begin.wait()
        for n in range(8 + i, 400, 56):
            if not (ff.encode(blocks[i], 2, n) == expected[i][:n]).all():
                return False
            ff.encode(bytes(8000 + i), 1, 4000 + n)  # a quarter of the budget
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert sum(kept[3] for kept in _core.rows_kept()) <= BUDGET
