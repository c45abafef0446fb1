"""The decoder: equal to the reference at every fragment, right bytes or "need more", and what is refused."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _reference

law = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

DIALECTS = ["1.0.0", "2.0.0"]
dialects = st.sampled_from(DIALECTS)


def random_block(seed: int, n_frags: int, frag_size: int) -> bytes:
    return random.Random(seed).randbytes(n_frags * frag_size)


def payload_of(block: bytes, frag_size: int, frag_nb: int, dialect: str) -> bytes:
    """The payload of any fragment of the block, by the reference."""
    n_frags = len(block) // frag_size
    if frag_nb <= n_frags:
        return block[(frag_nb - 1) * frag_size : frag_nb * frag_size]
    return _reference.encode(block, frag_size, 1, dialect=dialect, rows=[frag_nb - n_frags])[0]


@st.composite
def arrivals(draw, max_frags: int = 40):
    """A small block and the numbers of the fragments that come: any order, repetitions, near and far rows."""
    n_frags = draw(st.integers(1, max_frags) | st.sampled_from([1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33]))
    n_frags = min(n_frags, max_frags)
    far = st.integers(n_frags + 1, 16383)
    near = st.integers(1, 2 * n_frags + 5)
    frag_nbs = draw(st.lists(near | near | near | far, max_size=2 * n_frags + 12))
    return n_frags, draw(st.integers(1, 5)), draw(dialects), draw(st.integers(0, 2**32)), frag_nbs


@st.composite
def losses(draw, max_frags: int = 40):
    """A small block of which some fragments are lost and many coded ones come instead, in any order."""
    n_frags = draw(st.integers(2, max_frags))
    lost = draw(st.sets(st.integers(1, n_frags), max_size=n_frags))
    coded = range(n_frags + 1, 2 * n_frags + 20)
    frag_nbs = draw(st.permutations([*(set(range(1, n_frags + 1)) - lost), *coded]))
    return n_frags, draw(st.integers(1, 5)), draw(dialects), draw(st.integers(0, 2**32)), frag_nbs


# ---- the core is equal to the reference --------------------------------------------------------------------


@pytest.mark.parametrize("looks", ["at every step", "now and then", "never"])
@pytest.mark.parametrize("kernel", ff.kernels())
@law
@given(case=arrivals() | losses())
def test_every_push_agrees_with_the_reference(kernel, looks, case):
    """Whether and when one looks at the rank makes no difference to what follows."""
    n_frags, frag_size, dialect, seed, frag_nbs = case
    block = random_block(seed, n_frags, frag_size)
    decoder = ff.Decoder(n_frags, frag_size, dialect=dialect, kernel=kernel)
    reference = _reference.Decoder(n_frags, frag_size, dialect=dialect)
    chance = random.Random(seed)
    for frag_nb in frag_nbs:
        payload = payload_of(block, frag_size, frag_nb, dialect)
        assert decoder.push(frag_nb, payload) is reference.push(frag_nb, payload)
        assert decoder.complete is reference.complete
        if looks == "at every step" or (looks == "now and then" and chance.random() < 0.2):
            assert decoder.rank == reference.rank
            assert decoder.missing == reference.missing
    assert decoder.rank == reference.rank
    assert decoder.missing == reference.missing
    if reference.complete:
        assert decoder.block() == reference.block() == block
    else:
        with pytest.raises(ff.UndecodableError) as info:
            decoder.block()
        assert info.value.missing == reference.missing


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("n_frags", [63, 64, 65, 127, 128, 129])
@pytest.mark.parametrize("kernel", ff.kernels())
def test_decoding_at_word_edges_agrees_with_the_reference(kernel, n_frags, dialect):
    """As many fragments lost as there are bits in a word, one fewer, one more."""
    block = random_block(n_frags, n_frags, 2)
    coded = _reference.encode(block, 2, n_frags + 20, dialect=dialect)
    for n_lost in sorted({1, 7, 8, 9, 62, 63, 64, 65, n_frags - 1, n_frags}):
        if n_lost > n_frags:
            continue
        kept = random.Random(n_lost).sample(range(1, n_frags + 1), n_frags - n_lost)
        decoder = ff.Decoder(n_frags, 2, dialect=dialect, kernel=kernel)
        reference = _reference.Decoder(n_frags, 2, dialect=dialect)
        for frag_nb in [*kept, *range(n_frags + 1, n_frags + len(coded) + 1)]:
            payload = block[2 * frag_nb - 2 : 2 * frag_nb] if frag_nb <= n_frags else coded[frag_nb - n_frags - 1]
            assert decoder.push(frag_nb, payload) == reference.push(frag_nb, payload), (n_lost, frag_nb)
            if frag_nb > n_frags:
                assert decoder.rank == reference.rank, (n_lost, frag_nb)
        if reference.complete:
            assert decoder.block() == block


# ---- laws --------------------------------------------------------------------------------------------------


@law
@given(
    n_frags=st.integers(1, 5),
    dialect=dialects,
    numbers=st.lists(st.integers(1, 30), max_size=9),
    bits=st.integers(0, 31),
)
def test_a_decoder_is_complete_when_exactly_one_block_fits(codec, n_frags, dialect, numbers, bits):
    """By trying all blocks: the fragments determine the block if and only if no other would give them."""
    blocks = list(product((0, 1), repeat=n_frags))
    coefficients = {
        n: [int(i == n - 1) for i in range(n_frags)]
        if n <= n_frags
        else list(_reference.ParityMatrix(n_frags, dialect).row(n - n_frags))
        for n in numbers
    }

    def sent(block, n):
        return sum(c * b for c, b in zip(coefficients[n], block, strict=True)) % 2

    block = blocks[bits % len(blocks)]
    decoder = codec.Decoder(n_frags, 1, dialect=dialect)
    for n in numbers:
        decoder.push(n, bytes([sent(block, n)]))
        blocks = [b for b in blocks if sent(b, n) == sent(block, n)]
        assert decoder.complete == (len(blocks) == 1)
        assert 2**decoder.missing == len(blocks)
        assert decoder.rank + decoder.missing == n_frags
    if len(blocks) == 1:
        assert decoder.block() == bytes(block)


@law
@given(case=losses(max_frags=25), data=st.data())
def test_order_and_duplicates_do_not_matter(codec, case, data):
    n_frags, frag_size, dialect, seed, frag_nbs = case
    block = random_block(seed, n_frags, frag_size)
    some = frag_nbs[: data.draw(st.integers(0, len(frag_nbs)))]
    repeated = data.draw(st.permutations(some + data.draw(st.lists(st.sampled_from(some), max_size=9)) if some else []))
    first, second = (codec.Decoder(n_frags, frag_size, dialect=dialect) for _ in range(2))
    for decoder, numbers in ((first, some), (second, repeated)):
        for frag_nb in numbers:
            decoder.push(frag_nb, payload_of(block, frag_size, frag_nb, dialect))
    assert first.rank == second.rank
    assert first.complete == second.complete
    if first.complete:
        assert first.block() == second.block() == block


@law
@given(case=losses())
def test_the_fragment_before_the_completing_one_is_not_enough(codec, case):
    """One erasure too many is "need more": one independent fragment, and never wrong bytes."""
    n_frags, frag_size, dialect, seed, frag_nbs = case
    block = random_block(seed, n_frags, frag_size)
    decoder = codec.Decoder(n_frags, frag_size, dialect=dialect)
    missing = n_frags
    for frag_nb in frag_nbs:
        if decoder.push(frag_nb, payload_of(block, frag_size, frag_nb, dialect)):
            assert missing == 1
            assert decoder.missing == 0
            assert decoder.rank == n_frags
            assert decoder.block() == block
            return
        assert missing - 1 <= decoder.missing <= missing
        missing = decoder.missing
        assert missing >= 1


@law
@given(case=losses(), data=st.data())
def test_an_incomplete_block_is_never_given_out(case, data):
    n_frags, frag_size, dialect, seed, frag_nbs = case
    block = random_block(seed, n_frags, frag_size)
    decoder = ff.Decoder(n_frags, frag_size, dialect=dialect)
    for frag_nb in frag_nbs:
        if decoder.missing:
            with pytest.raises(ff.UndecodableError, match=rf"\b{decoder.missing} .* {n_frags}\b") as info:
                decoder.block()
            assert info.value.missing == decoder.missing
        if decoder.push(frag_nb, payload_of(block, frag_size, frag_nb, dialect)):
            assert decoder.block() == block
            break


@law
@given(case=losses(max_frags=20), data=st.data())
def test_a_complete_decoder_ignores_further_fragments(codec, case, data):
    n_frags, frag_size, dialect, seed, frag_nbs = case
    block = random_block(seed, n_frags, frag_size)
    decoder = codec.Decoder(n_frags, frag_size, dialect=dialect)
    for frag_nb in frag_nbs:
        decoder.push(frag_nb, payload_of(block, frag_size, frag_nb, dialect))
    if not decoder.complete:
        return
    looked_before = data.draw(st.booleans())
    if looked_before:
        assert decoder.block() == block
    for frag_nb in data.draw(st.lists(st.integers(1, 16383), max_size=10)):
        assert decoder.push(frag_nb, b"\xee" * frag_size) is True
        assert (decoder.rank, decoder.missing, decoder.complete) == (n_frags, 0, True)
    assert decoder.block() == block
    assert decoder.block() == block


@law
@given(case=losses(max_frags=20))
def test_of_a_repeated_fragment_the_first_one_counts(codec, case):
    n_frags, frag_size, dialect, seed, frag_nbs = case
    block = random_block(seed, n_frags, frag_size)
    decoder = codec.Decoder(n_frags, frag_size, dialect=dialect)
    for frag_nb in frag_nbs:
        decoder.push(frag_nb, payload_of(block, frag_size, frag_nb, dialect))
        decoder.push(frag_nb, b"\xee" * frag_size)
    if decoder.complete:
        assert decoder.block() == block


@pytest.mark.parametrize("frag_nb", [2, 3, 9])
def test_the_payload_is_copied(frag_nb):
    """The caller may use its buffer again."""
    block = b"abcdef"
    decoder = ff.Decoder(3, 2)
    buffer = bytearray(payload_of(block, 2, frag_nb, "1.0.0"))
    decoder.push(frag_nb, buffer)
    buffer[:] = b"\xee\xee"
    buffer.append(1)
    for other in (1, 2, 3):
        if other != frag_nb and not decoder.complete:
            decoder.push(other, block[2 * other - 2 : 2 * other])
    assert decoder.block() == block


@pytest.mark.parametrize("n_frags", [4, 5, 8, 9, 12, 16, 17])
def test_rows_of_even_weight_alone_never_complete_a_decoder(codec, n_frags):
    """Dialect 2.0.0, M div 2 even: every row has even weight. One uncoded fragment makes up for it."""
    block = random_block(n_frags, n_frags, 2)
    decoder = codec.Decoder(n_frags, 2, dialect="2.0.0")
    for n, payload in enumerate(_reference.encode(block, 2, 120, dialect="2.0.0"), 1):
        assert decoder.push(n_frags + n, payload) is False
    assert decoder.missing == 1
    assert decoder.push(n_frags, block[-2:]) is True
    assert decoder.block() == block


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("n_frags", [2, 3, 6, 7, 20])
def test_all_uncoded_fragments_may_be_lost(codec, n_frags, dialect):
    if dialect == "2.0.0" and n_frags // 2 % 2 == 0:
        n_frags += 2
    block = random_block(n_frags, n_frags, 3)
    decoder = codec.Decoder(n_frags, 3, dialect=dialect)
    pushed = [decoder.push(n_frags + n, c) for n, c in enumerate(_reference.encode(block, 3, 200, dialect=dialect), 1)]
    assert pushed[-1] is True
    assert decoder.block() == block


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_fragment_can_only_be_repeated(codec, dialect):
    decoder = codec.Decoder(1, 2, dialect=dialect)
    for frag_nb in (2, 3, 8382, 16383):
        assert decoder.push(frag_nb, bytes(2)) is False
        assert decoder.missing == 1
    assert decoder.push(1, b"ab") is True
    assert decoder.block() == b"ab"


# ---- at size -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("n_frags", "frag_size", "n_lost"),
    [
        (300, 1, 300),
        (511, 63, 60),
        (512, 64, 65),
        (513, 65, 128),
        (1000, 242, 100),
        (1023, 2, 600),
        (1025, 255, 1),
        (2151, 240, 216),
        (8191, 1, 64),
        (8192, 64, 200),
        (8193, 2, 65),
    ],
)
@pytest.mark.parametrize("kernel", ff.kernels())
def test_large_blocks_decode_in_random_order(kernel, dialect, n_frags, frag_size, n_lost):
    if n_lost == n_frags and dialect == "2.0.0" and n_frags // 2 % 2 == 0:
        n_lost -= 1
    chance = random.Random(n_frags)
    block = random_block(n_lost, n_frags, frag_size)
    lost = set(chance.sample(range(1, n_frags + 1), n_lost))
    rows = chance.sample(range(1, 16384 - n_frags), n_lost + 40)
    coded = ff.encode(block, frag_size, len(rows), dialect=dialect, rows=rows)
    payloads = {n_frags + row: bytes(payload) for row, payload in zip(rows, coded, strict=True)}
    payloads |= {n: block[frag_size * (n - 1) : frag_size * n] for n in range(1, n_frags + 1) if n not in lost}
    order = chance.sample(sorted(payloads), len(payloads))

    one_by_one = ff.Decoder(n_frags, frag_size, dialect=dialect, kernel=kernel)
    n_needed = next(i for i, n in enumerate(order, 1) if one_by_one.push(n, payloads[n]))
    assert one_by_one.block() == block

    at_once = ff.Decoder(n_frags, frag_size, dialect=dialect, kernel=kernel)
    numbers = np.array(order, np.uint32)
    joined = b"".join(payloads[n] for n in order)
    assert at_once.push_many(numbers[: n_needed - 1], joined[: (n_needed - 1) * frag_size]) is False
    assert at_once.missing == 1
    assert at_once.push_many(numbers[n_needed - 1 :], joined[(n_needed - 1) * frag_size :]) is True
    assert at_once.block() == block


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kernel", ff.kernels())
def test_rows_whose_seed_carries_decode(kernel, dialect):
    """Rows from 8381 on, where the generator's feedback bit is added with a carry, and up to the last number."""
    n_frags = 7990
    block = random_block(7, n_frags, 3)
    rows = range(8375, 16384 - n_frags)
    assert 8381 in rows
    coded = ff.encode(block, 3, len(rows), dialect=dialect, rows=rows)
    lost = range(100, 110)
    decoder = ff.Decoder(n_frags, 3, dialect=dialect, kernel=kernel)
    for n in range(1, n_frags + 1):
        if n not in lost:
            decoder.push(n, block[3 * n - 3 : 3 * n])
    for row, payload in zip(rows, coded, strict=True):
        if decoder.push(n_frags + row, payload):
            break
    assert decoder.block() == block


@pytest.mark.parametrize("frag_size", [1, 255])
def test_the_largest_block_decodes(frag_size):
    """16383 fragments use up the numbers: it completes with the last of them."""
    n_frags = 16383
    block = random_block(1, n_frags, frag_size)
    decoder = ff.Decoder(n_frags, frag_size)
    numbers = np.arange(1, n_frags + 1, dtype=np.uint32)
    assert decoder.push_many(numbers[1:], memoryview(block)[frag_size:]) is False
    assert decoder.missing == 1
    assert decoder.push(1, block[:frag_size]) is True
    assert decoder.block() == block


# ---- decode ------------------------------------------------------------------------------------------------


def test_decode_takes_payloads_of_any_shape():
    block = random_block(5, 6, 4)
    frag_nbs = [9, 1, 7, 1, 4, 8, 2, *range(30, 10, -1)]
    payloads = [payload_of(block, 4, n, "1.0.0") for n in frag_nbs]
    joined = b"".join(payloads)
    shapes = [
        payloads,
        tuple(payloads),
        [bytearray(p) for p in payloads],
        [memoryview(p) for p in payloads],
        [np.frombuffer(p, np.uint8) for p in payloads],
        [np.frombuffer(p, np.uint32) for p in payloads],
        joined,
        bytearray(joined),
        memoryview(joined),
        np.frombuffer(joined, np.uint8),
        np.frombuffer(joined, np.uint8).reshape(-1, 4),
    ]
    for shape in shapes:
        assert ff.decode(6, 4, frag_nbs, shape) == block
    for numbers in (tuple(frag_nbs), iter(frag_nbs), np.array(frag_nbs), np.array(frag_nbs, np.uint8), bytes(frag_nbs)):
        assert ff.decode(6, 4, numbers, joined) == block


@law
@given(case=losses())
def test_decode_equals_pushing_every_fragment(case):
    n_frags, frag_size, dialect, seed, frag_nbs = case
    block = random_block(seed, n_frags, frag_size)
    payloads = [payload_of(block, frag_size, n, dialect) for n in frag_nbs]
    reference = _reference.Decoder(n_frags, frag_size, dialect=dialect)
    for frag_nb, payload in zip(frag_nbs, payloads, strict=True):
        reference.push(frag_nb, payload)
    if reference.complete:
        assert ff.decode(n_frags, frag_size, frag_nbs, payloads, dialect=dialect) == block
    else:
        with pytest.raises(ff.UndecodableError) as info:
            ff.decode(n_frags, frag_size, frag_nbs, b"".join(payloads), dialect=dialect)
        assert info.value.missing == reference.missing


@pytest.mark.parametrize("payloads", [[], (), b"", np.empty((0, 3), np.uint8)], ids=repr)
def test_decode_of_nothing_needs_everything(payloads):
    with pytest.raises(ff.UndecodableError) as info:
        ff.decode(7, 3, [], payloads)
    assert info.value.missing == 7


@pytest.mark.parametrize(
    ("frag_nbs", "payloads", "message"),
    [
        ([1, 2], [b"abc"], r"^payloads: 1 payloads for 2 fragment numbers$"),
        ([1], [b"abc", b"def"], r"^payloads: 2 payloads for 1 fragment numbers$"),
        ([1, 2], [b"abc", b"de"], r"^payload: 2 bytes, expected frag_size = 3$"),
        ([1, 2], [b"ab", b"defg"], r"^payload: 2 bytes, expected frag_size = 3$"),
        ([1, 2], b"abcde", r"^payloads: 5 bytes, expected 2 fragments of frag_size = 3$"),
        ([1], b"", r"^payloads: 0 bytes, expected 1 fragments of frag_size = 3$"),
        ([], b"abc", r"^payloads: 3 bytes, expected 0 fragments of frag_size = 3$"),
        ([1], "abc", r"^payloads"),
        ([1], None, r"^payloads"),
        ([1], 3, r"^payloads"),
        ([1], ["abc"], r"^payload"),
        ([1], [None], r"^payload"),
        ([1], [5], r"^payload"),
        ([1], [[97, 98, 99]], r"^payload"),
        pytest.param([1], [memoryview(b"abcdef")[::2]], r"^payload", id="a view with gaps"),
        ([1], [np.zeros(6, np.uint8)[::2]], r"^payload"),
        ([1], np.zeros((1, 6), np.uint8)[:, ::2], r"^payload"),
        ([0], b"abc", r"^frag_nb: 0 .* from 1 to 16383$"),
        ([1, 16384], b"abcdef", r"^frag_nb: 16384 .* from 1 to 16383$"),
        ([-1], b"abc", r"^frag_nb: -1 .* from 1 to 16383$"),
        ([2**32 + 1], b"abc", rf"^frag_nb: {2**32 + 1} .* from 1 to 16383$"),
        ([1.0], b"abc", r"^frag_nb: 1\.0 .* from 1 to 16383$"),
        (["1"], b"abc", r"^frag_nb: '1' .* from 1 to 16383$"),
        ([None], b"abc", r"^frag_nb: None .* from 1 to 16383$"),
        ([True], b"abc", r"^frag_nb: True .* from 1 to 16383$"),
        (None, b"abc", r"^frag_nbs: "),
        (1, b"abc", r"^frag_nbs: "),
    ],
    ids=str,
)
def test_decode_refuses_bad_arguments(frag_nbs, payloads, message):
    with pytest.raises(ff.ParameterError, match=message):
        ff.decode(2, 3, frag_nbs, payloads)


# ---- bad input ---------------------------------------------------------------------------------------------

NOT_NUMBERS = [None, "3", b"3", 3.0, 2.5, float("nan"), 3j, [3], True, np.float64(3), np.True_]


@pytest.mark.parametrize("value", [0, -1, 16384, 2**32 + 1, 10**30, *NOT_NUMBERS], ids=repr)
def test_a_decoder_refuses_n_frags_out_of_range(value):
    expected = rf"^n_frags: {re.escape(repr(value))} .* from 1 to 16383$"
    with pytest.raises(ff.ParameterError, match=expected):
        ff.Decoder(value, 5)
    with pytest.raises(ff.ParameterError, match=expected):
        ff.decode(value, 5, [], [])


@pytest.mark.parametrize("value", [0, -1, 256, 2**32 + 1, 10**30, *NOT_NUMBERS], ids=repr)
def test_a_decoder_refuses_a_frag_size_out_of_range(value):
    expected = rf"^frag_size: {re.escape(repr(value))} .* from 1 to 255$"
    with pytest.raises(ff.ParameterError, match=expected):
        ff.Decoder(5, value)
    with pytest.raises(ff.ParameterError, match=expected):
        ff.decode(5, value, [], [])


@pytest.mark.parametrize("dialect", ["", "3.0.0", 1, 2, b"1.0.0", ["1.0.0"]], ids=repr)
def test_a_decoder_refuses_an_unknown_dialect(dialect):
    with pytest.raises(ff.ParameterError, match=rf"^dialect: {re.escape(repr(dialect))} .*'1\.0\.0' or '2\.0\.0'$"):
        ff.Decoder(5, 5, dialect=dialect)


@pytest.mark.parametrize("kernel", ["nope", "", "portable\0", "\ud800", 5], ids=repr)
def test_a_decoder_refuses_an_unknown_kernel(kernel):
    with pytest.raises(ff.ParameterError, match="kernel"):
        ff.Decoder(5, 5, kernel=kernel)


@pytest.fixture(params=["empty", "half", "with coded ones", "complete", "solved"])
def decoder(request) -> ff.Decoder:
    """A decoder of b"abcdefghijkl" in fragments of three, in each of its states."""
    block = b"abcdefghijkl"
    decoder = ff.Decoder(4, 3)
    numbers = {"empty": [], "half": [1, 3], "with coded ones": [3, 6, 7, 8]}.get(request.param, [4, 2, 3, 5, 6, 7, 8])
    for frag_nb in numbers:
        decoder.push(frag_nb, payload_of(block, 3, frag_nb, "1.0.0"))
    if request.param == "solved":
        decoder.block()
    return decoder


def finishes(decoder: ff.Decoder) -> bool:
    for frag_nb in (1, 2, 3, 4):
        decoder.push(frag_nb, b"abcdefghijkl"[3 * frag_nb - 3 : 3 * frag_nb])
    return decoder.block() == b"abcdefghijkl"


@pytest.mark.parametrize(
    "frag_nb",
    [0, -1, 16384, 2**16 + 1, 2**32 + 1, 2**64 + 1, -(2**63), 10**30, *NOT_NUMBERS, np.array([1])],
    ids=repr,
)
def test_a_bad_number_leaves_the_decoder_as_it_was(decoder, frag_nb):
    before = (decoder.rank, decoder.complete)
    with pytest.raises(ff.ParameterError, match=rf"^frag_nb: {re.escape(repr(frag_nb))} .* from 1 to 16383$"):
        decoder.push(frag_nb, b"xyz")
    assert (decoder.rank, decoder.complete) == before
    assert finishes(decoder)


@pytest.mark.parametrize("frag_nb", [10**5000, -(10**5000)], ids=["positive", "negative"])
def test_a_number_too_long_to_print_leaves_the_decoder_as_it_was(decoder, frag_nb):
    with pytest.raises(ff.ParameterError, match=r"^frag_nb: .* from 1 to 16383$"):
        decoder.push(frag_nb, b"xyz")
    assert finishes(decoder)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.frombuffer], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("length", [1, 2, 4, 6, 255, 256, 70000])
def test_a_payload_of_the_wrong_length_leaves_the_decoder_as_it_was(decoder, kind, length):
    before = (decoder.rank, decoder.complete)
    payload = kind(b"\1" * 8 * length) if kind is np.frombuffer else kind(b"\1" * length)
    length = memoryview(payload).nbytes
    for frag_nb in (1, 4, 5, 9, 16383):
        with pytest.raises(ff.ParameterError, match=rf"^payload: {length} bytes, expected frag_size = 3$"):
            decoder.push(frag_nb, payload)
        with pytest.raises(ff.ParameterError, match=r"^payload: 0 bytes, expected frag_size = 3$"):
            decoder.push(frag_nb, kind(b""))
        assert (decoder.rank, decoder.complete) == before
    assert finishes(decoder)


@pytest.mark.parametrize(
    "payload",
    [None, "abc", 3, 3.0, [97, 98, 99], memoryview(b"abcdef")[::2], np.zeros(6, np.uint8)[::2], object],
    ids=lambda payload: type(payload).__name__,
)
def test_a_payload_of_the_wrong_kind_leaves_the_decoder_as_it_was(decoder, payload):
    before = (decoder.rank, decoder.complete)
    with pytest.raises(ff.ParameterError, match=r"^payload"):
        decoder.push(1, payload)
    assert (decoder.rank, decoder.complete) == before
    assert finishes(decoder)


@pytest.mark.parametrize(
    ("frag_nbs", "payloads", "message"),
    [
        (np.array([1, 0], np.uint32), b"xyzxyz", r"^frag_nb: 0 "),
        (np.array([1, 16384], np.uint32), b"xyzxyz", r"^frag_nb: 16384 "),
        (np.array([1, 2**32 - 1], np.uint32), b"xyzxyz", rf"^frag_nb: {2**32 - 1} "),
        (np.array([1, 2], np.uint32), b"xyz", r"^payloads: 3 bytes, expected 2 fragments of frag_size = 3$"),
        (np.array([1, 2], np.uint32), b"xyzxyzx", r"^payloads: 7 bytes"),
        (np.array([1, 2], np.uint32)[::2], np.zeros((2, 3), np.uint8), r"^payloads: 6 bytes"),
        (np.array([1, 9, 2, 9], np.uint32)[::2], b"xyzxyz", r"^frag_nbs"),
        ([1, 2], b"xyzxyz", r"^frag_nbs"),
        (np.array([1, 2], np.uint32), "xyzxyz", r"^payloads"),
        (np.array([1, 2], np.uint32), np.zeros((2, 6), np.uint8)[:, ::2], r"^payloads"),
    ],
)
def test_push_many_takes_all_or_none(decoder, frag_nbs, payloads, message):
    before = (decoder.rank, decoder.complete)
    with pytest.raises(ff.ParameterError, match=message):
        decoder.push_many(frag_nbs, payloads)
    assert (decoder.rank, decoder.complete) == before
    assert finishes(decoder)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", ">u4", "i8", "u8", "f4", "f8"])
def test_push_many_takes_numbers_of_32_bits_only(decoder, dtype):
    before = (decoder.rank, decoder.complete)
    with pytest.raises(ff.ParameterError, match=r"^(frag_nb|frag_nbs|payloads)\b"):
        decoder.push_many(np.array([1, 2, 3, 4], dtype), b"xyz" * 4)
    assert (decoder.rank, decoder.complete) == before
    assert finishes(decoder)


# ---- the object --------------------------------------------------------------------------------------------


def test_a_decoder_shows_its_parameters():
    decoder = ff.Decoder(7, 3, dialect="2.0.0")
    assert (decoder.n_frags, decoder.frag_size, decoder.dialect) == (7, 3, "2.0.0")
    assert (decoder.rank, decoder.missing, decoder.complete) == (0, 7, False)
    assert repr(decoder) == "Decoder(7, 3, dialect='2.0.0')"
    for name, value in (("n_frags", 8), ("frag_size", 4), ("rank", 7), ("missing", 0), ("complete", True)):
        with pytest.raises(AttributeError):
            setattr(decoder, name, value)


def test_a_decoder_takes_whole_numbers_of_numpy():
    decoder = ff.Decoder(np.int64(2), np.uint8(1))
    assert decoder.push(np.uint16(2), b"b") is False
    assert decoder.push(np.int64(1), b"a") is True
    assert decoder.block() == b"ab"


@pytest.mark.parametrize(
    "attempt",
    [copy.copy, copy.deepcopy, *(lambda d, p=p: pickle.dumps(d, p) for p in range(pickle.HIGHEST_PROTOCOL + 1))],
)
def test_a_decoder_refuses_to_be_copied(decoder, attempt):
    """It owns memory of the core: a copy of the pointer would be freed twice."""
    with pytest.raises(TypeError):
        attempt(decoder)
    assert finishes(decoder)


def test_a_decoder_needs_its_parameters(decoder):
    with pytest.raises(TypeError):
        object.__new__(ff.Decoder)
    with pytest.raises(TypeError):
        ff.Decoder.__new__(ff.Decoder)
    with pytest.raises(TypeError):
        decoder.__setstate__({})
    decoder.__init__(9, 9)
    assert (decoder.n_frags, decoder.frag_size) == (4, 3)
    assert finishes(decoder)


def test_a_block_outlives_its_decoder():
    decoder = ff.Decoder(2, 3)
    decoder.push(1, b"abc")
    decoder.push(2, b"def")
    block = decoder.block()
    assert type(block) is bytes
    del decoder
    gc.collect()
    assert block == b"abcdef"


def test_many_decoders_in_every_state_come_and_go():
    block = random_block(1, 40, 7)
    payloads = [payload_of(block, 7, n, "1.0.0") for n in range(1, 81)]
    order = random.Random(2).sample(range(1, 81), 80)
    for n_pushed in range(81):
        decoder = ff.Decoder(40, 7)
        for frag_nb in order[:n_pushed]:
            decoder.push(frag_nb, payloads[frag_nb - 1])
        assert decoder.rank + decoder.missing == 40
        if decoder.complete:
            assert decoder.block() == block


def test_threads_decode_with_a_decoder_each(seeded_bytes):
    block = seeded_bytes("decoders", 200 * 9)
    coded = ff.encode(block, 9, 150)
    fragments = [*(block[i : i + 9] for i in range(0, len(block), 9)), *map(bytes, coded)]

    def work(thread: int) -> bool:
        chance = random.Random(thread)
        right = True
        for _ in range(5):
            order = chance.sample(range(1, 351), 350)
            right &= ff.decode(200, 9, order, [fragments[n - 1] for n in order]) == block
            decoder = ff.Decoder(200, 9)
            any(decoder.push(n, fragments[n - 1]) for n in order)
            right &= decoder.block() == block
        return right

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [True] * 8


def test_an_early_rank_does_not_change_the_result():
    """It is computed anew when it is asked for, and not kept up to date until the block can be determined."""
    n_frags = 300
    block = np.random.default_rng(3).integers(0, 256, (n_frags, 4), np.uint8)
    coded = ff.encode(block, 4, 40)
    asked, silent = ff.Decoder(n_frags, 4), ff.Decoder(n_frags, 4)
    order = [n_frags + 1, *range(30, n_frags + 1), *(n_frags + r for r in range(2, 41))]
    for i, frag_nb in enumerate(order):
        payload = block[frag_nb - 1] if frag_nb <= n_frags else coded[frag_nb - n_frags - 1]
        complete = asked.push(frag_nb, bytes(payload))
        assert complete == silent.push(frag_nb, bytes(payload))
        if i % 7 == 0:
            assert asked.rank == min(i + 1, n_frags) if i < 272 else asked.rank <= n_frags
        if complete:
            break
    assert asked.block() == silent.block() == block.tobytes()
