"""Functions of published figures, against other ways to the same number."""

from __future__ import annotations

import random
from functools import partial

import pytest

from fuota_fec.codec.decoder import Decoder
from fuota_fec.codec.encoder import encode
from fuota_fec.papers import figures
from fuota_fec.papers.figures import coded_alone, nine_frame_times, scheduled, tool_class_c, whole_seconds

F = 2


def excess_of_decoder(n_frags: int, dialect: str, n_uncoded: int, seed: int) -> int | None:
    """Fragments beyond M until a decoder that hears rows in a random order is complete; None after M + 60."""
    rng = random.Random(seed)
    block = rng.randbytes(n_frags * F)
    coded = encode(block, F, 800, dialect=dialect)
    decoder = Decoder(n_frags, F, dialect=dialect)
    heard = [(i + 1, block[i * F : (i + 1) * F]) for i in range(n_uncoded)]
    heard += [(n_frags + row + 1, bytes(coded[row])) for row in rng.sample(range(800), n_frags + 60)]
    for n, (frag_nb, payload) in enumerate(heard, start=1):
        if decoder.push(frag_nb, payload):
            assert decoder.block() == block
            return n - n_frags
    return None


@pytest.mark.parametrize(("dialect", "n_frags", "n_uncoded"), [("1.0.0", 50, 0), ("2.0.0", 50, 0), ("2.0.0", 20, 1)])
def test_coded_alone_is_what_decoders_do(dialect: str, n_frags: int, n_uncoded: int) -> None:
    n_trials = 1500
    excess = [excess_of_decoder(n_frags, dialect, n_uncoded, seed) for seed in range(n_trials)]
    known = [n for n in excess if n is not None]
    assert len(known) == n_trials
    many = partial(coded_alone, n_frags=n_frags, dialect=dialect, n_uncoded=n_uncoded, n_trials=4000)
    mean = many(quantity="mean excess")
    assert sum(known) / n_trials == pytest.approx(mean.value, abs=3 * mean.spread)
    fails = many(quantity="fails with M")
    assert 100 * sum(n > 0 for n in known) / n_trials == pytest.approx(fails.value, abs=2.5 * fails.spread)


def test_even_rows_never_complete_a_decoder() -> None:
    assert all(excess_of_decoder(20, "2.0.0", 0, seed) is None for seed in range(20))
    alone = coded_alone(quantity="completes with M + 7", n_frags=20, dialect="2.0.0", n_trials=100)
    assert (alone.value, alone.spread) == (0, 0)


def test_trials_depend_on_their_seed_alone() -> None:
    trials = partial(coded_alone, quantity="mean excess", n_frags=30, dialect="1.0.0", n_trials=3000)
    first = trials()
    figures._excess.cache_clear()
    assert trials() == first
    assert trials(seed=2) != first


def test_the_tool_counts_six_bytes_less_and_a_crc() -> None:
    """DR5, 5000 bytes: 23 fragments of 220 bytes, 26 frames; frame times by hand."""
    symbol = 2**7 / 125e3
    tool = (12.25 + 8 + 5 * -(-(8 * 230 - 4 * 7 + 28 + 16) // (4 * 7))) * symbol
    value = tool_class_c(quantity="duration", dr=5, image_len=5000, payload_len=222).value
    assert value == pytest.approx((10 * 25 + 1) * tool)
    assert tool_class_c(quantity="energy", dr=5, image_len=5000, payload_len=222).value == pytest.approx(0.048 * value)
    real = (12.25 + 8 + 5 * -(-(8 * 236 - 4 * 7 + 28) // (4 * 7))) * symbol
    planned = scheduled(quantity="duration", dr=5, image_len=5000, frag_size=220, n_coded=3).value
    assert planned == pytest.approx((10 * 25 + 1) * real)


def test_whole_seconds_are_a_range_above_the_duty_cycle() -> None:
    """DR5, 2000 bytes in 9 fragments: 10 frame times are 3.84 s, so the spacing is 3.84 to 5 s."""
    value = whole_seconds(dr=5, image_len=2000, frag_size=230)
    planned = scheduled(quantity="gaps", dr=5, image_len=2000, frag_size=230).value
    assert (value.value, value.high) == (pytest.approx(planned), 8 * 5)
    assert nine_frame_times(dr=5, image_len=2000, frag_size=230).value < planned
