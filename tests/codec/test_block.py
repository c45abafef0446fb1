"""Images made ready for the air: frames that the wire reads, padding, rows, code rates, limits."""

from __future__ import annotations

import copy
import pickle
import random
import re
from decimal import Decimal
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _reference
from fuota_fec.wire import fragmentation

law = settings(max_examples=100)

DIALECTS = ["1.0.0", "2.0.0"]
dialects = st.sampled_from(DIALECTS)


def random_bytes(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def parsed(frame) -> fragmentation.DataFragment:
    """The one DataFragment that a frame is."""
    (command,) = fragmentation.decode(bytes(frame), uplink=False)
    assert isinstance(command, fragmentation.DataFragment)
    return command


def expected_payloads(image: bytes, frag_size: int, rows: list[int], dialect: str) -> dict[int, bytes]:
    """What each fragment number carries, by the reference."""
    n_frags = -(-len(image) // frag_size)
    padded = image + bytes(n_frags * frag_size - len(image))
    payloads = {n + 1: padded[n * frag_size : (n + 1) * frag_size] for n in range(n_frags)}
    coded = _reference.encode(padded, frag_size, len(rows), dialect=dialect, rows=rows)
    return payloads | {n_frags + row: payload for row, payload in zip(rows, coded, strict=True)}


# ---- frames ------------------------------------------------------------------------------------------------


@law
@given(
    length=st.integers(1, 400),
    frag_size=st.integers(1, 60) | st.sampled_from([1, 2, 63, 64, 65, 242, 255]),
    data=st.data(),
)
def test_every_frame_is_the_data_fragment_that_it_should_be(length, frag_size, data):
    image = random_bytes(length, length)
    dialect = data.draw(dialects)
    frag_index = data.draw(st.integers(0, 3))
    n_frags = -(-length // frag_size)
    if data.draw(st.booleans()):
        rows = data.draw(st.lists(st.integers(1, 16383 - n_frags), unique=True, max_size=12))
        block = ff.prepare(image, frag_size, rows=rows, dialect=dialect, frag_index=frag_index)
    else:
        rows = list(range(1, data.draw(st.integers(0, 12)) + 1))
        block = ff.prepare(image, frag_size, n_coded=len(rows), dialect=dialect, frag_index=frag_index)

    assert (block.n_frags, block.n_coded, block.frag_size) == (n_frags, len(rows), frag_size)
    assert (block.dialect, block.frag_index, block.image_len) == (dialect, frag_index, length)
    assert block.padding == n_frags * frag_size - length
    assert 0 <= block.padding < frag_size
    assert block.rows.tolist() == rows
    assert block.frames.shape == (n_frags + len(rows), 3 + frag_size)
    assert block.frames.dtype == np.uint8
    assert block.frames.flags.c_contiguous
    assert bytes(block.image()) == image

    payloads = expected_payloads(image, frag_size, rows, dialect)
    for frame, (frag_nb, payload) in zip(block.frames, payloads.items(), strict=True):
        assert parsed(frame) == fragmentation.DataFragment(frag_index=frag_index, n=frag_nb, payload=payload)
        assert bytes(block.frame(frag_nb)) == bytes(frame)


def test_a_frame_begins_with_cid_and_index_and_n():
    """CID, then FragIndex and N in little-endian order: 3 << 14 | 300."""
    block = ff.prepare(bytes(range(200)) * 3, 2, rows=[16083, 1], frag_index=3)
    assert bytes(block.frame(300)) == b"\x08\x2c\xc1" + bytes([198, 199])
    assert bytes(block.frame(16383)[:3]) == b"\x08\xff\xff"
    assert bytes(block.frame(1)[:3]) == b"\x08\x01\xc0"
    assert bytes(block.frame(301)[:3]) == b"\x08\x2d\xc1"


@law
@given(
    length=st.integers(1, 300),
    frag_size=st.integers(1, 40),
    dialect=dialects,
    frag_index=st.integers(0, 3),
    data=st.data(),
)
def test_more_makes_the_frames_that_prepare_would_have_made(length, frag_size, dialect, frag_index, data):
    image = random_bytes(length, length)
    n_frags = -(-length // frag_size)
    any_rows = st.lists(st.integers(1, 16383 - n_frags) | st.integers(1, 30), unique=True, max_size=10)
    block = ff.prepare(image, frag_size, rows=data.draw(any_rows), dialect=dialect, frag_index=frag_index)
    before = block.frames.tobytes()
    for _ in range(2):
        rows = data.draw(any_rows)
        more = block.more(rows)
        assert more.shape == (len(rows), 3 + frag_size)
        assert more.dtype == np.uint8
        whole = ff.prepare(image, frag_size, rows=rows, dialect=dialect, frag_index=frag_index)
        assert np.array_equal(more, whole.frames[n_frags:])
    assert block.frames.tobytes() == before


@law
@given(length=st.integers(1, 300), frag_size=st.integers(1, 40), dialect=dialects, seed=st.integers(0, 2**32))
def test_frames_that_arrive_give_the_image_back(length, frag_size, dialect, seed):
    chance = random.Random(seed)
    image = random_bytes(seed, length)
    n_frags = -(-length // frag_size)
    block = ff.prepare(image, frag_size, n_coded=n_frags // 2 + 12, dialect=dialect)
    commands = [parsed(frame) for frame in block.frames if chance.random() < 0.8]
    chance.shuffle(commands)
    commands += [parsed(frame) for frame in block.more(range(100, 130))] + [parsed(block.frame(1))]
    decoder = ff.Decoder(n_frags, frag_size, dialect=dialect)
    complete = [decoder.push(command.n, command.payload) for command in commands][-1]
    if complete:
        assert decoder.block() == image + bytes(block.padding)
    else:
        assert decoder.missing > 0


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("frag_size", [1, 255])
def test_prepare_pads_an_image_of_one_byte(frag_size, dialect):
    block = ff.prepare(b"\x5a", frag_size, n_coded=3, dialect=dialect)
    assert (block.n_frags, block.padding) == (1, frag_size - 1)
    assert bytes(block.frame(1)) == b"\x08\x01\x00\x5a" + bytes(frag_size - 1)
    assert [bytes(block.frame(n)[3:]) for n in (2, 3, 4)] == [bytes(frag_size)] * 3


def test_prepare_takes_the_largest_image():
    image = random_bytes(1, 16383 * 255)
    block = ff.prepare(image, 255)
    assert (block.n_frags, block.padding, block.n_coded) == (16383, 0, 0)
    for frag_nb in (1, 2, 255, 256, 8192, 16383):
        expected = image[255 * (frag_nb - 1) : 255 * frag_nb]
        assert parsed(block.frame(frag_nb)) == fragmentation.DataFragment(frag_index=0, n=frag_nb, payload=expected)
    assert bytes(block.image()) == image
    shorter = ff.prepare(image[:-1], 255)
    assert shorter.padding == 1
    assert bytes(shorter.frame(16383)) == b"\x08\xff\x3f" + image[-255:-1] + b"\0"


def test_prepare_takes_an_image_in_any_buffer():
    image = bytes(range(1, 25))
    expected = ff.prepare(image, 5, n_coded=3).frames
    array = np.frombuffer(image, np.uint8)
    for other in (
        bytearray(image),
        memoryview(image),
        array,
        array.reshape(4, 6),
        array.view(np.uint32),
        array.view(np.float64),
        memoryview(image).cast("I"),
        memoryview(b"x" + image)[1:],
    ):
        assert np.array_equal(ff.prepare(other, 5, n_coded=3).frames, expected)


# ---- what belongs to whom ----------------------------------------------------------------------------------


def test_the_block_keeps_its_own_bytes():
    image = bytearray(random_bytes(2, 50))
    before = bytes(image)
    block = ff.prepare(image, 7, n_coded=3)
    frames = block.frames.tobytes()
    image[:] = bytes(50)
    image.append(1)
    assert block.frames.tobytes() == frames
    assert bytes(block.image()) == before
    assert np.array_equal(block.more([1, 2, 3]), block.frames[-3:])


@pytest.mark.parametrize("n_coded", [0, 2, 3])
@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.uint8])
def test_the_callers_rows_stay_the_callers(dtype, n_coded):
    rows = np.array([9, 4, 30], dtype)
    block = ff.prepare(random_bytes(3, 50), 7, n_coded=n_coded, rows=rows)
    n_rows = n_coded or 3
    assert rows.flags.writeable
    rows[:] = (1, 2, 3)
    assert block.rows.tolist() == [9, 4, 30][:n_rows]
    assert bytes(block.frame(block.n_frags + 9)) == bytes(block.frames[block.n_frags])


def test_arrays_of_a_block_are_read_only():
    block = ff.prepare(random_bytes(3, 50), 7, n_coded=2)
    for array in (block.frames, block.rows, block.frames[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    for view in (block.frame(1), block.frame(9), block.image()):
        assert view.readonly


def test_more_gives_an_array_of_its_own():
    block = ff.prepare(random_bytes(3, 50), 7)
    first, second = block.more([5, 6]), block.more([5, 6])
    first[:] = 0
    assert np.array_equal(block.more([5, 6]), second)


def test_prepare_reuses_a_matrix_for_several_images():
    matrix = ff.ParityMatrix(10, "2.0.0")
    for seed, frag_size in enumerate((5, 7, 5)):
        image = random_bytes(seed, 10 * frag_size - seed)
        shared = ff.prepare(image, frag_size, n_coded=6, dialect="2.0.0", matrix=matrix)
        assert np.array_equal(shared.frames, ff.prepare(image, frag_size, n_coded=6, dialect="2.0.0").frames)
        assert np.array_equal(
            shared.more([8, 3]), ff.prepare(image, frag_size, rows=[8, 3], dialect="2.0.0").frames[10:]
        )


# ---- how many, and which -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_frags", [1, 2, 3, 7, 10, 64, 100, 1000])
@pytest.mark.parametrize(
    ("rate", "exact"),
    [
        ("1/2", Fraction(1, 2)),
        (0.5, Fraction(1, 2)),
        ("3/4", Fraction(3, 4)),
        (0.75, Fraction(3, 4)),
        ("5/6", Fraction(5, 6)),
        (5 / 6, Fraction(5, 6)),
        ("7/8", Fraction(7, 8)),
        (Fraction(7, 8), Fraction(7, 8)),
        ("2/3", Fraction(2, 3)),
        (2 / 3, Fraction(2, 3)),
        ("0.9", Fraction(9, 10)),
        (0.9, Fraction(9, 10)),
        (0.95, Fraction(19, 20)),
        ("1", Fraction(1)),
        (1, Fraction(1)),
        (1.0, Fraction(1)),
    ],
)
def test_a_code_rate_gives_the_number_of_coded_fragments(n_frags, rate, exact):
    """The fewest coded fragments R with M / (M + R) at most the rate."""
    block = ff.prepare(bytes(n_frags), 1, code_rate=rate)
    assert block.n_coded == ceil(n_frags * (1 - exact) / exact)
    assert block.rows.tolist() == list(range(1, block.n_coded + 1))
    assert Fraction(n_frags, n_frags + block.n_coded) <= exact
    if block.n_coded:
        assert Fraction(n_frags, n_frags + block.n_coded - 1) > exact


@pytest.mark.parametrize(
    ("n_frags", "rate", "n_coded"), [(16000, "9999/10000", 2), (999, "999/1001", 2), (9999, Fraction(9999, 10000), 1)]
)
def test_an_exact_code_rate_is_not_rounded(n_frags, rate, n_coded):
    assert ff.prepare(bytes(n_frags), 1, code_rate=rate).n_coded == n_coded


def test_a_code_rate_cuts_the_rows():
    rows = [9, 4, 30, 2, 7, 11]
    for rate, n_coded in (("1/2", 5), ("5/6", 1), ("3/4", 2)):
        assert ff.prepare(bytes(25), 5, code_rate=rate, rows=rows).rows.tolist() == rows[:n_coded]


def test_code_rate_one_has_no_coded_fragments_whatever_the_rows():
    assert ff.prepare(bytes(25), 5, code_rate="1", rows=[9, 4]).n_coded == 0


def test_rows_are_all_taken_or_the_first_ones():
    image = random_bytes(4, 50)
    rows = [9, 4, 30]
    everything = ff.prepare(image, 7, rows=rows)
    assert everything.rows.tolist() == rows
    for n_coded in (1, 2, 3):
        first = ff.prepare(image, 7, n_coded=n_coded, rows=rows)
        assert first.rows.tolist() == rows[:n_coded]
        assert np.array_equal(first.frames, everything.frames[: 8 + n_coded])
    assert ff.prepare(image, 7, rows=iter(rows)).rows.tolist() == rows
    assert ff.prepare(image, 7, rows=[]).n_coded == 0


@pytest.mark.parametrize("n_frags", [1, 2, 8191, 8192, 16382, 16383])
def test_the_numbers_on_the_air_end_at_16383(n_frags):
    room = 16383 - n_frags
    image = bytes(n_frags)
    if room:
        last = ff.prepare(image, 1, rows=[room])
        assert parsed(last.frame(16383)).n == 16383
        assert parsed(ff.prepare(image, 1).more([room])[0]).n == 16383
    message = rf"\b{room + 1} is not a row number from 1 to {room}$"
    with pytest.raises(ff.ParameterError, match=message):
        ff.prepare(image, 1, rows=[room + 1])
    with pytest.raises(ff.ParameterError, match=message):
        ff.prepare(image, 1).more([room + 1])
    with pytest.raises(ff.ParameterError, match=rf"^n_coded: {n_frags} .* {room + 1} .*16383"):
        ff.prepare(image, 1, n_coded=room + 1)


def test_as_many_coded_fragments_as_can_be_numbered():
    block = ff.prepare(bytes(range(100)), 10, n_coded=16373)
    assert block.frames.shape == (16383, 13)
    numbers = block.frames[:, 1].astype(int) | block.frames[:, 2].astype(int) << 8
    assert numbers.tolist() == list(range(1, 16384))


# ---- the setup request -------------------------------------------------------------------------------------


def test_setup_request_of_dialect_1():
    block = ff.prepare(bytes(52), 10, frag_index=2, descriptor=b"\1\2\3\4")
    request = block.setup_request(mc_group_bit_mask=5, block_ack_delay=3)
    assert request == fragmentation.FragSessionSetupReq(
        version="1.0.0",
        frag_index=2,
        mc_group_bit_mask=5,
        nb_frag=6,
        frag_size=10,
        block_ack_delay=3,
        padding=8,
        descriptor=b"\1\2\3\4",
    )
    assert request.encode() == bytes.fromhex("02 25 0600 0a 03 08 01020304")
    assert fragmentation.decode(request.encode(), uplink=False, version="1.0.0") == [request]


def test_setup_request_of_dialect_2():
    block = ff.prepare(bytes(52), 10, frag_index=1, descriptor=b"\1\2\3\4", dialect="2.0.0")
    request = block.setup_request(
        mc_group_bit_mask=1, block_ack_delay=7, ack_reception=True, session_cnt=0x1234, mic=b"abcd"
    )
    assert request.version == "2.0.0"
    assert request.encode() == bytes.fromhex("02 11 0600 0a 47 08 01020304 3412 61626364")
    assert fragmentation.decode(request.encode(), uplink=False, version="2.0.0") == [request]


@pytest.mark.parametrize("length", [1, 9, 10, 11, 100])
def test_setup_request_gives_the_length_of_the_image(length):
    request = ff.prepare(bytes(length), 10).setup_request(mc_group_bit_mask=0, block_ack_delay=0)
    assert request.nb_frag * request.frag_size - request.padding == length
    assert request.descriptor == bytes(4)


@pytest.mark.parametrize(
    ("dialect", "wrong", "named"),
    [
        ("1.0.0", {"mc_group_bit_mask": 16}, "mc_group_bit_mask"),
        ("1.0.0", {"block_ack_delay": 8}, "block_ack_delay"),
        ("1.0.0", {"session_cnt": 1}, "session_cnt"),
        ("1.0.0", {"mic": b"abcd"}, "mic"),
        ("1.0.0", {"ack_reception": True}, "ack_reception"),
        ("2.0.0", {"mic": b"abcd"}, "session_cnt"),
        ("2.0.0", {"session_cnt": 1}, "mic"),
        ("2.0.0", {"session_cnt": 65536, "mic": b"abcd"}, "session_cnt"),
        ("2.0.0", {"session_cnt": 1, "mic": b"abc"}, "mic"),
    ],
)
def test_setup_request_refuses_fields_out_of_range(dialect, wrong, named):
    block = ff.prepare(bytes(52), 10, dialect=dialect)
    with pytest.raises(ff.ParameterError, match=named):
        block.setup_request(**({"mc_group_bit_mask": 1, "block_ack_delay": 0} | wrong))


# ---- bad input ---------------------------------------------------------------------------------------------

NOT_NUMBERS = [None, "3", b"3", 3.0, 2.5, float("nan"), [3], True, np.float64(3), 10**30]


def test_prepare_refuses_an_empty_image():
    for image in (b"", bytearray(), memoryview(b""), np.empty(0), np.empty((0, 5), np.uint8)):
        with pytest.raises(ff.ParameterError, match=r"^image: .*empty.* at least one byte$"):
            ff.prepare(image, 5)


@pytest.mark.parametrize(("length", "frag_size", "n_frags"), [(16384, 1, 16384), (16383 * 255 + 1, 255, 16384)])
def test_prepare_refuses_an_image_of_too_many_fragments(length, frag_size, n_frags):
    expected = rf"^image: {length} bytes need {n_frags} fragments of {frag_size} bytes, expected at most 16383$"
    with pytest.raises(ff.ParameterError, match=expected):
        ff.prepare(bytes(length), frag_size)


@pytest.mark.parametrize(
    "image",
    [
        None,
        "image",
        5,
        5.0,
        [1, 2],
        object,
        memoryview(b"abcdef")[::2],
        np.zeros((4, 4), np.uint8)[:, :2],
        np.zeros(4, np.uint8)[::-2],
        np.array(["2026-11-23"], "M8[D]"),
    ],
    ids=lambda image: f"{type(image).__name__}",
)
def test_prepare_refuses_an_image_that_is_not_a_buffer(image):
    with pytest.raises(ff.ParameterError, match=r"^image: "):
        ff.prepare(image, 5)


def test_prepare_refuses_a_released_buffer():
    image = memoryview(b"abc")
    image.release()
    with pytest.raises(ff.ParameterError, match=r"^image: "):
        ff.prepare(image, 5)


@pytest.mark.parametrize("frag_size", [0, -1, 256, 2**32 + 3, *NOT_NUMBERS], ids=repr)
def test_prepare_refuses_a_frag_size_out_of_range(frag_size):
    with pytest.raises(ff.ParameterError, match=rf"^frag_size: {re.escape(repr(frag_size))} .* from 1 to 255$"):
        ff.prepare(bytes(30), frag_size)


@pytest.mark.parametrize("n_coded", [-1, 16384, 2**32, *NOT_NUMBERS], ids=repr)
def test_prepare_refuses_n_coded_out_of_range(n_coded):
    with pytest.raises(ff.ParameterError, match=rf"^n_coded: {re.escape(repr(n_coded))} .* from 0 to 16383$"):
        ff.prepare(bytes(30), 3, n_coded=n_coded)


@pytest.mark.parametrize("frag_index", [-1, 4, *NOT_NUMBERS], ids=repr)
def test_prepare_refuses_a_frag_index_out_of_range(frag_index):
    with pytest.raises(ff.ParameterError, match=rf"^frag_index: {re.escape(repr(frag_index))} .* from 0 to 3$"):
        ff.prepare(bytes(30), 3, frag_index=frag_index)


@pytest.mark.parametrize("dialect", ["", "3.0.0", 1, b"1.0.0", ["1.0.0"]], ids=repr)
def test_prepare_refuses_an_unknown_dialect(dialect):
    with pytest.raises(ff.ParameterError, match=rf"^dialect: {re.escape(repr(dialect))} .*'1\.0\.0' or '2\.0\.0'$"):
        ff.prepare(bytes(30), 3, dialect=dialect)


@pytest.mark.parametrize(
    "descriptor",
    [
        None,
        b"",
        b"abc",
        b"abcde",
        "abcd",
        4,
        [1, 2, 3, 400],
        [1, 2, 3, -1],
        ["a", "b", "c", "d"],
        memoryview(np.arange(4, dtype=np.uint32)),
        np.arange(4),
        np.zeros((4, 4), np.uint8),
    ],
    ids=lambda d: repr(d) if not isinstance(d, (memoryview, np.ndarray)) else f"{type(d).__name__}-{d.nbytes}",
)
def test_a_descriptor_is_four_bytes(descriptor):
    with pytest.raises(ff.ParameterError, match=r"^descriptor: .* 4\b"):
        ff.prepare(bytes(30), 3, descriptor=descriptor)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_a_descriptor_is_taken_from_any_buffer(kind):
    block = ff.prepare(bytes(30), 3, descriptor=kind(b"\1\2\3\4"))
    assert block.descriptor == b"\1\2\3\4"
    assert type(block.descriptor) is bytes


@pytest.mark.parametrize(
    "rate",
    [
        *["0", 0, 0.0, "-1/2", -0.5, "2", 2, "9/8", float("nan"), float("inf")],
        *["", "five sixths", b"5/6", "1/0", [1], (5, 6), Decimal("NaN"), 1j, object],
    ],
    ids=repr,
)
def test_prepare_refuses_what_is_not_a_code_rate(rate):
    with pytest.raises(ff.ParameterError, match=rf"^code_rate: {re.escape(repr(rate))}"):
        ff.prepare(bytes(30), 3, code_rate=rate)


def test_a_code_rate_that_asks_for_more_than_can_be_numbered():
    assert ff.prepare(bytes(8191), 1, code_rate="1/2").n_coded == 8191
    with pytest.raises(ff.ParameterError, match=r"\b8192\b.*\b8192\b.*16383"):
        ff.prepare(bytes(8192), 1, code_rate="1/2")


@pytest.mark.parametrize(
    "rate", ["1/16384", "1e-30", "1e-5000", Fraction(1, 10**5000)], ids=["1/16384", "1e-30", "1e-5000", "Fraction"]
)
def test_a_code_rate_too_small_for_any_image(rate):
    """Also one that would ask for more fragments than Python turns into text."""
    with pytest.raises(ff.ParameterError, match=r"^(n_coded|code_rate)\b.*16383"):
        ff.prepare(b"x", 1, code_rate=rate)


def test_prepare_refuses_n_coded_and_code_rate_together():
    with pytest.raises(ff.ParameterError, match=r"^n_coded, code_rate: "):
        ff.prepare(bytes(30), 3, n_coded=1, code_rate="5/6")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0], r"^rows: 0 is not a row number from 1 to 16373$"),
        ([-5, 1], r"^rows: -5 is not a row number from 1 to 16373$"),
        ([1, 16374], r"^rows: 16374 is not a row number from 1 to 16373$"),
        ([2**32 + 1], rf"^rows: {2**32 + 1} is not a row number from 1 to 16373$"),
        ([3, 3], r"^rows: 3 is given twice$"),
        ([1.0], r"^rows: .* is not row numbers, expected a sequence of whole numbers"),
        ("1", r"^rows: .* is not row numbers, expected a sequence of whole numbers"),
        (5, r"^rows: 5 is not a sequence of row numbers$"),
    ],
)
def test_prepare_refuses_bad_rows(rows, message):
    block = ff.prepare(bytes(range(30)), 3, n_coded=2)
    before = block.frames.tobytes()
    with pytest.raises(ff.ParameterError, match=message):
        ff.prepare(bytes(30), 3, rows=rows)
    with pytest.raises(ff.ParameterError, match=message):
        block.more(rows)
    assert block.frames.tobytes() == before
    assert np.array_equal(block.more([1, 2]), block.frames[-2:])


def test_prepare_refuses_more_coded_fragments_than_rows():
    with pytest.raises(ff.ParameterError, match=r"^n_coded: 3 .* only 2 rows given$"):
        ff.prepare(bytes(30), 3, n_coded=3, rows=[1, 2])


@pytest.mark.parametrize("frag_nb", [0, -1, 16384, *NOT_NUMBERS], ids=repr)
def test_frame_refuses_a_number_out_of_range(frag_nb):
    block = ff.prepare(bytes(30), 3, n_coded=2)
    with pytest.raises(ff.ParameterError, match=rf"^frag_nb: {re.escape(repr(frag_nb))} .* from 1 to 16383$"):
        block.frame(frag_nb)


@pytest.mark.parametrize(("frag_nb", "row"), [(11, 1), (12, 2), (15, 5), (16383, 6373 + 10000)])
def test_frame_refuses_a_row_that_was_not_prepared(frag_nb, row):
    block = ff.prepare(bytes(30), 3, rows=[3, 4])
    with pytest.raises(ff.ParameterError, match=rf"^frag_nb: .*\b{row}\b.*more"):
        block.frame(frag_nb)


@pytest.mark.parametrize("matrix", [ff.ParityMatrix(11), ff.ParityMatrix(10, "2.0.0"), "matrix", 5], ids=repr)
def test_the_matrix_must_be_that_of_the_image(matrix):
    with pytest.raises(ff.ParameterError, match=r"^matrix: "):
        ff.prepare(bytes(30), 3, n_coded=2, matrix=matrix)


@pytest.mark.parametrize("rate", ["1e99999999", "0." + "1" * 50, "1/" + "9" * 50, "1e5", " 5/6", "5/6\n", "٥/٦"])
def test_a_code_rate_is_written_plainly(rate):
    with pytest.raises(ff.ParameterError, match=r"^code_rate"):
        ff.prepare(b"abc", 1, code_rate=rate)


# ---- copies ----------------------------------------------------------------------------------------------


@law
@given(length=st.integers(1, 300), frag_size=st.integers(1, 60), n_coded=st.integers(0, 9), protocol=st.integers(2, 5))
def test_a_block_survives_pickling(length, frag_size, n_coded, protocol):
    block = ff.prepare(random_bytes(length, length), frag_size, n_coded=n_coded, frag_index=2, dialect="2.0.0")
    same = pickle.loads(pickle.dumps(block, protocol))
    assert repr(same) == repr(block)
    assert same.image() == block.image()
    assert np.array_equal(same.frames, block.frames)
    assert np.array_equal(same.rows, block.rows)
    assert np.array_equal(same.more([7, 99]), block.more([7, 99]))
    request = {"mc_group_bit_mask": 1, "block_ack_delay": 2, "session_cnt": 3, "mic": bytes(4)}
    assert same.setup_request(**request) == block.setup_request(**request)
    for array in (same.frames, same.rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_frames_are_pickled_out_of_band():
    """Workers on one machine share them without a copy."""
    block = ff.prepare(random_bytes(1, 5000), 50, code_rate="1/2")
    buffers: list[pickle.PickleBuffer] = []
    small = pickle.dumps(block, 5, buffer_callback=buffers.append)
    assert len(small) < 1000
    same = pickle.loads(small, buffers=buffers)
    assert np.shares_memory(same.frames, block.frames)


def test_a_copy_of_a_block_is_the_block():
    block = ff.prepare(b"image", 2, n_coded=1)
    assert copy.copy(block) is block
    assert copy.deepcopy([block])[0] is block


@law
@given(length=st.integers(1, 300), frag_size=st.integers(1, 60), data=st.data())
def test_a_payload_is_the_frame_without_its_header(length, frag_size, data):
    block = ff.prepare(random_bytes(length, length), frag_size, rows=[3, 1])
    frag_nb = data.draw(st.sampled_from([*range(1, block.n_frags + 1), block.n_frags + 3, block.n_frags + 1]))
    assert bytes(block.payload(frag_nb)) == parsed(block.frame(frag_nb)).payload == bytes(block.frame(frag_nb))[3:]
    with pytest.raises(ff.ParameterError, match="row 2 is not prepared"):
        block.payload(block.n_frags + 2)
