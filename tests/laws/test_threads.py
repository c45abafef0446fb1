"""Threads that share the codec: no memory fault, no wrong byte, and bounded time. Run by the sanitizer build too."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec import _core
from fuota_fec.codec.parity import make_panels

N_THREADS = 4


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """The GIL changes hands as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(*calls: Callable[[], object]) -> list[object]:
    """Results of the calls, which begin together, each in a thread."""
    begin = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        begin.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(run, call) for call in calls]]


def while_changing(
    array: np.ndarray, good: np.ndarray, bad: np.ndarray, n: int, call: Callable[[], object]
) -> list[str]:
    """Calls n times while another thread writes the array; returns the messages of refusals."""
    stop = threading.Event()
    refused = []

    def change() -> None:
        while not stop.is_set():
            array[:] = bad
            array[:] = good

    def run() -> None:
        try:
            for _ in range(n):
                try:
                    call()
                except ff.ParameterError as error:
                    refused.append(str(error))
        finally:
            stop.set()

    in_threads(change, run)
    return refused


class Fragments:
    """A block, its fragments that arrive, and a shuffled order of them."""

    def __init__(self, n_frags: int, frag_size: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.n_frags, self.frag_size = n_frags, frag_size
        self.block = rng.integers(0, 256, n_frags * frag_size, np.uint8).tobytes()
        coded = ff.encode(self.block, frag_size, n_frags // 3 + 20)
        lost = set(rng.choice(n_frags, n_frags // 4, replace=False).tolist())
        uncoded = [self.block[i * frag_size : (i + 1) * frag_size] for i in range(n_frags)]
        arrived = [(i + 1, payload) for i, payload in enumerate(uncoded) if i not in lost]
        arrived += [(n_frags + 1 + i, bytes(payload)) for i, payload in enumerate(coded)]
        self.arrived = [arrived[i] for i in rng.permutation(len(arrived))]

    def decoder(self) -> ff.Decoder:
        return ff.Decoder(self.n_frags, self.frag_size)

    def filled(self) -> ff.Decoder:
        decoder = self.decoder()
        assert decoder.push_many(*self.joined(self.arrived))
        return decoder

    @staticmethod
    def joined(arrived: list[tuple[int, bytes]]) -> tuple[np.ndarray, bytes]:
        return np.array([n for n, _ in arrived], np.uint32), b"".join(payload for _, payload in arrived)


# ---- one decoder ---------------------------------------------------------------------------------------------


def test_threads_may_push_to_a_decoder_while_others_read_its_state():
    fragments = Fragments(150, 16)
    for _ in range(2):
        decoder = fragments.decoder()
        done = threading.Event()

        def push(part: int, decoder: ff.Decoder = decoder, done: threading.Event = done) -> None:
            for frag_nb, payload in fragments.arrived[part::2]:
                decoder.push(frag_nb, payload)
            if decoder.complete:
                done.set()

        def read(decoder: ff.Decoder = decoder, done: threading.Event = done) -> list[int]:
            seen = [decoder.missing]
            while not done.is_set():
                seen.append(decoder.missing)
            return seen

        *_, first, second = in_threads(lambda: push(0), lambda: push(1), read, read)
        for seen in (first, second):
            assert seen == sorted(seen, reverse=True), "a reader never sees the rank fall"
        assert decoder.complete
        assert decoder.block() == fragments.block


def test_threads_may_push_many_fragments_at_once_to_a_decoder():
    fragments = Fragments(400, 20)
    for _ in range(5):
        decoder = fragments.decoder()
        parts = [fragments.joined(fragments.arrived[i::N_THREADS]) for i in range(N_THREADS)]
        in_threads(*(partial(decoder.push_many, *part) for part in parts))
        assert decoder.complete
        assert decoder.block() == fragments.block


def test_threads_get_the_same_block_from_a_decoder():
    fragments = Fragments(500, 24)
    for _ in range(10):
        decoder = fragments.filled()
        blocks = in_threads(*[decoder.block] * N_THREADS)
        assert blocks == [fragments.block] * N_THREADS


def test_a_block_read_too_early_names_how_many_fragments_were_missing():
    fragments = Fragments(200, 8)
    for _ in range(5):
        decoder = fragments.decoder()

        def push(decoder: ff.Decoder = decoder) -> None:
            for frag_nb, payload in fragments.arrived:
                decoder.push(frag_nb, payload)

        def read(decoder: ff.Decoder = decoder) -> tuple[bytes, list[int]]:
            missing = []
            while True:
                try:
                    return decoder.block(), missing
                except ff.UndecodableError as error:
                    missing.append(error.missing)

        _, *results = in_threads(push, read, read)
        for block, missing in results:
            assert block == fragments.block
            assert all(1 <= n <= 200 for n in missing)


def test_a_push_waits_while_another_thread_computes():
    """Payloads of every kind of buffer, which take different ways into the core."""
    fragments = Fragments(600, 10)
    kinds: list[Callable[[bytes], object]] = [bytes, bytearray, memoryview, lambda p: np.frombuffer(p, np.uint8)]
    decoder = fragments.decoder()

    def push(i: int) -> None:
        for frag_nb, payload in fragments.arrived[i::N_THREADS]:
            decoder.push(frag_nb, kinds[i](payload))
            assert decoder.rank <= 600

    in_threads(*(lambda i=i: push(i) for i in range(N_THREADS)))
    assert decoder.complete
    assert decoder.block() == fragments.block


def test_numbers_that_another_thread_changes_are_read_once():
    """The core computes with the numbers that were checked, so that none leads it out of its memory."""
    fragments = Fragments(100, 4)
    numbers, payloads = fragments.joined(fragments.arrived)
    good, bad = numbers.copy(), np.full_like(numbers, 2**31)
    refused = while_changing(numbers, good, bad, 300, lambda: fragments.decoder().push_many(numbers, payloads))
    assert all(message.startswith("frag_nb: ") for message in refused)


# ---- reused memory -------------------------------------------------------------------------------------------


def test_threads_that_encode_use_different_work_space():
    blocks = [np.random.default_rng(i).integers(0, 256, 60 * 30, np.uint8) for i in range(2 * N_THREADS)]
    expected = [ff.encode(block, 30, 40, kernel="portable").tobytes() for block in blocks]
    matrix = ff.ParityMatrix(60)

    def encode(i: int) -> bool:
        ways = ({}, {"matrix": matrix}, {"rows": range(1, 41)})
        return all(ff.encode(blocks[i], 30, 40, **ways[n % 3]).tobytes() == expected[i] for n in range(60))

    assert all(in_threads(*(lambda i=i: encode(i) for i in range(len(blocks)))))


def test_threads_that_decode_use_different_decoders():
    """More threads than decoders are kept, with blocks of different sizes."""
    inputs = [Fragments(20 + 30 * i, 5 + i, seed=i) for i in range(6)]

    def decode(fragments: Fragments) -> bool:
        numbers, payloads = fragments.joined(fragments.arrived)
        size = (fragments.n_frags, fragments.frag_size)
        return all(ff.decode(*size, numbers, payloads) == fragments.block for _ in range(30))

    assert all(in_threads(*(lambda f=f: decode(f) for f in inputs)))


def test_a_matrix_that_grows_gives_every_thread_the_right_rows():
    expected = ff.ParityMatrix(80, "2.0.0").rows(1, 301)

    def rows(matrix: ff.ParityMatrix, first: int) -> bool:
        for n in range(first, 300, 13):
            panels = [matrix.leading_panels(n), matrix.panels(np.arange(n, 0, -1, dtype=np.uint32))]
            found = np.empty((2, n, 80), np.uint8)
            for p, bits in zip(panels, found, strict=True):
                _core.panels_unpack(p, 80, 0, n, bits)
            if not (np.array_equal(found[0], expected[:n]) and np.array_equal(found[1], expected[:n][::-1])):
                return False
        return True

    for _ in range(3):
        matrix = ff.ParityMatrix(80, "2.0.0")
        assert all(in_threads(*(lambda i=i, m=matrix: rows(m, 1 + 3 * i) for i in range(N_THREADS))))


# ---- fleets and rows to send ---------------------------------------------------------------------------------


def test_threads_simulate_fleets_over_the_same_columns():
    n_frags, n_rows, n_devices = 100, 60, 300
    columns = np.zeros(n_frags, np.uint64)
    _core.matrix_columns(make_panels(n_frags, 1, np.arange(1, n_rows + 1, dtype=np.uint32)), n_rows, n_frags, columns)
    thresholds = np.array([2**32 // 5], np.uint32)
    lost = np.random.default_rng(1).integers(0, 2**63, (n_devices, 16), np.uint64)
    lost &= np.random.default_rng(2).integers(0, 2**63, (n_devices, 16), np.uint64)

    def simulated(seed: int) -> list[int]:
        needed = np.zeros(n_devices, np.int32)
        _core.fleet_simulate(columns, n_frags, n_rows, seed, 0, thresholds, needed)
        return needed.tolist()

    def completed() -> list[int]:
        needed = np.zeros(n_devices, np.int32)
        _core.fleet_complete(columns, n_frags, n_rows, lost, needed)
        return needed.tolist()

    expected = [[simulated(seed), completed()] for seed in range(N_THREADS)]
    found = in_threads(*(lambda s=s: [[simulated(s), completed()] for _ in range(10)] for s in range(N_THREADS)))
    assert found == [[e] * 10 for e in expected]


def select(arrays: dict[str, np.ndarray], rows: np.ndarray) -> None:
    _core.select_rows(30, 1, 200, 2**29, 7, **arrays, rows=rows)


@pytest.fixture
def pool() -> dict[str, np.ndarray]:
    return {
        "n_patterns": np.array([0] + [3] * 10 + [0] * 20, np.uint32),
        "weights": np.arange(1, 32, dtype=np.uint32),
        "gains": np.ones(2 * (_core.SELECT_DEPTH + 1), np.uint32),
        "sent": np.array([5, 9, 17], np.uint32),
    }


def test_threads_select_the_same_rows_from_the_same_pool(pool):
    expected = np.zeros(12, np.uint32)
    select(pool, expected)

    def selected() -> bool:
        rows = np.zeros(12, np.uint32)
        for _ in range(10):
            rows[:] = 0
            select(pool, rows)
            if not np.array_equal(rows, expected):
                return False
        return True

    assert all(in_threads(*[selected] * N_THREADS))


@pytest.mark.parametrize("changed", ["n_patterns", "weights", "gains", "sent", "rows"])
def test_arrays_of_a_selection_that_another_thread_changes_are_read_once(pool, changed):
    """The core computes with the numbers that were checked, so that none leads it out of its memory."""
    rows = np.zeros(12, np.uint32)
    array = rows if changed == "rows" else pool[changed]
    good, bad = array.copy(), np.full_like(array, 2**32 - 1)
    refused = while_changing(array, good, bad, 60, lambda: select(pool, rows))
    assert all(changed in message for message in refused)
