"""The erasure engine: every device completes exactly where a decoder would, on every kernel, however it is split."""

from __future__ import annotations

import pickle
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec import _core, _reference
from fuota_fec.fleet import trials
from fuota_fec.planning import chunks

KERNELS = ff.kernels()


def completes_at(n_frags: int, version: str, rows: list[int], lost: set[int], coded_lost: set[int]) -> int:
    """The specification: rank over GF(2) of what was received, fragment by fragment."""
    basis: dict[int, int] = {}
    mask = sum(1 << i for i in lost)
    if not lost:
        return 0
    for idx, row in enumerate(rows):
        if idx in coded_lost:
            continue
        bits = _reference.parity_row(n_frags, row, version) & mask
        while bits:
            pivot = bits & -bits
            if pivot not in basis:
                basis[pivot] = bits
                break
            bits ^= basis[pivot]
        if len(basis) == len(lost):
            return idx + 1
    return -1


def bitmap(n_bits: int, members: set[int]) -> np.ndarray:
    bits = np.zeros(_core.losses_len(n_bits) * 64, np.uint8)
    bits[list(members)] = 1
    return np.packbits(bits, bitorder="little").view(np.uint64)


def needed_by(
    kernel: str, n_frags: int, version: str, rows: list[int], devices: list[tuple[set[int], set[int]]]
) -> list[int]:
    columns = trials.matrix_columns(n_frags, version, np.array(rows, np.uint32), kernel)
    lost = np.concatenate([np.concatenate([bitmap(n_frags, u), bitmap(len(rows), c)]) for u, c in devices])
    needed = np.full(len(devices), -7, np.int32)
    _core.fleet_complete(columns, n_frags, len(rows), np.ascontiguousarray(lost), needed, kernel)
    return needed.tolist()


@st.composite
def fleets(draw):
    n_frags = draw(st.sampled_from([1, 2, 3, 8, 21, 63, 64, 65, 127, 128, 129, 200]))
    n_rows = draw(st.sampled_from([0, 1, 5, 63, 64, 65, 130, 200]))
    rows = draw(st.permutations(range(1, n_rows + 40)))[:n_rows]
    seed = draw(st.integers(0, 2**32 - 1))
    shares = draw(st.lists(st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6, 1.0]), min_size=1, max_size=12))
    rng = np.random.default_rng(seed)
    devices = [
        (
            set(np.flatnonzero(rng.random(n_frags) < p).tolist()),
            set(np.flatnonzero(rng.random(n_rows) < p / 2).tolist()),
        )
        for p in shares
    ]
    return n_frags, draw(st.sampled_from(["1.0.0", "2.0.0"])), rows, devices


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=60)
@given(fleet=fleets())
def test_a_simulated_device_completes_with_the_rank(kernel, fleet):
    n_frags, version, rows, devices = fleet
    expected = [completes_at(n_frags, version, list(rows), u, c) for u, c in devices]
    assert needed_by(kernel, n_frags, version, list(rows), devices) == expected


@pytest.mark.parametrize("kernel", KERNELS)
def test_devices_with_more_losses_than_fit_the_lanes_are_simulated_right(kernel):
    """Beyond 2048 losses the basis is kept for one device at a time."""
    rows = list(range(1, 2301))
    devices = [(set(range(0, 2250)), set()), (set(range(5)), {0, 1}), (set(range(2300)), set())]
    assert needed_by(kernel, 2300, "1.0.0", rows, devices) == needed_by("portable", 2300, "1.0.0", rows, devices)


@st.composite
def deaf_fleets(draw):
    """Devices that receive few of many coded fragments, so that these are brought together first."""
    n_frags = draw(st.sampled_from([1, 5, 64, 65, 130]))
    n_rows = draw(st.sampled_from([256, 257, 639, 1500]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = (rng.permutation(n_rows + 40)[:n_rows] + 1).tolist()
    shares = draw(st.lists(st.sampled_from([0.1, 0.5, 0.9, 0.97, 1.0]), min_size=1, max_size=20))
    devices = [
        (
            set(np.flatnonzero(rng.random(n_frags) < p).tolist()),
            set(np.flatnonzero(rng.random(n_rows) < draw(st.sampled_from([p, 0.9]))).tolist()),
        )
        for p in shares
    ]
    return n_frags, draw(st.sampled_from(["1.0.0", "2.0.0"])), rows, devices


@settings(max_examples=40)
@given(fleet=deaf_fleets())
def test_rows_that_were_not_received_are_not_used(fleet):
    n_frags, version, rows, devices = fleet
    expected = [completes_at(n_frags, version, rows, u, c) for u, c in devices]
    for kernel in KERNELS:
        assert needed_by(kernel, n_frags, version, rows, devices) == expected


@pytest.mark.parametrize("kernel", KERNELS)
def test_devices_that_lose_nearly_everything_are_simulated_right(kernel):
    """Thousands of coded fragments, more than several lanes hold."""
    n_frags, rows = 9000, list(range(1, 7001))
    rng = np.random.default_rng(8)
    devices = [(set(range(n_frags)), set(range(0, 7000, 2))) for _ in range(2)]  # too little
    devices += [
        (set(rng.permutation(n_frags)[:n].tolist()), set(rng.permutation(7000)[:6700].tolist()))
        for n in (0, 1, 60, 250, 280, 290, 300, 301)
    ]
    devices.append((set(rng.permutation(n_frags)[:2200].tolist()), set(range(0, 7000, 3)) | set(range(1, 7000, 3))))
    expected = [completes_at(n_frags, "1.0.0", rows, u, c) if len(u) < 100 else None for u, c in devices]
    needed = needed_by(kernel, n_frags, "1.0.0", rows, devices)
    assert needed[:2] == [-1, -1]
    assert needed[-2] == -1
    assert all(known is None or known == mine for known, mine in zip(expected, needed, strict=True))
    for (lost, coded_lost), mine in zip(devices[4:], needed[4:], strict=True):
        # The same without the fragments that it did not receive, of which a shorter matrix is made.
        heard = [row for idx, row in enumerate(rows) if idx not in coded_lost]
        [alone] = needed_by("portable", n_frags, "1.0.0", heard, [(lost, set())])
        assert mine == heard[alone - 1] or mine == alone == -1


def test_simulated_devices_agree_with_the_decoder():
    rng = np.random.default_rng(5)
    n_frags, rows = 90, list(range(1, 61))
    block = rng.bytes(n_frags * 3)
    coded = ff.encode(block, 3, len(rows), version="2.0.0")
    devices = [
        (set(np.flatnonzero(rng.random(90) < 0.2).tolist()), set(np.flatnonzero(rng.random(60) < 0.2).tolist()))
        for _ in range(50)
    ]
    expected = []
    for lost, coded_lost in devices:
        decoder = ff.Decoder(n_frags, 3, version="2.0.0")
        for i in range(n_frags):
            if i not in lost:
                decoder.push(i + 1, block[3 * i : 3 * i + 3])
        completed_at = 0 if decoder.complete else -1
        for idx, row in enumerate(rows):
            if completed_at < 0 and idx not in coded_lost and decoder.push(n_frags + row, bytes(coded[idx])):
                completed_at = idx + 1
        expected.append(completed_at)
    assert needed_by(ff.kernel(), n_frags, "2.0.0", rows, devices) == expected


@pytest.mark.parametrize("loss", [0.0, 0.003, 0.1, 0.5, 0.999])
def test_every_kernel_draws_the_same_losses(loss):
    results = [ff.simulate_fleet(130, loss, 3000, max_coded=100, seed=9, kernel=k).coded_needed for k in KERNELS]
    for other in results[1:]:
        assert np.array_equal(results[0], other)


def test_the_size_of_chunks_does_not_change_the_trial(monkeypatch):
    whole = ff.simulate_fleet(64, 0.1, 1000, max_coded=60, seed=3).coded_needed
    monkeypatch.setattr(chunks, "CHUNK", 77)
    assert np.array_equal(ff.simulate_fleet(64, 0.1, 1000, max_coded=60, seed=3).coded_needed, whole)
    losses = np.linspace(0, 0.3, 1000)
    per_device = ff.simulate_fleet(64, losses, 1000, max_coded=60, seed=3).coded_needed
    with ThreadPoolExecutor(2) as threads:
        assert np.array_equal(
            ff.simulate_fleet(64, 0.1, 1000, max_coded=60, seed=3, executor=threads).coded_needed, whole
        )
        assert np.array_equal(
            ff.simulate_fleet(64, losses, 1000, max_coded=60, seed=3, executor=threads).coded_needed, per_device
        )


class Interrupted(Executor):
    """Executor whose first task is interrupted; the others wait."""

    def __init__(self) -> None:
        self.futures: list[Future] = []

    def submit(self, *_task, **_options):
        self.futures.append(Future())
        if len(self.futures) == 1:
            self.futures[0].set_exception(KeyboardInterrupt())
        return self.futures[-1]


def test_an_interrupted_simulation_leaves_no_tasks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 77)
    executor = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        ff.simulate_fleet(64, 0.1, 1000, max_coded=60, executor=executor)
    assert len(executor.futures) > 10
    assert all(future.cancelled() for future in executor.futures[1:])


def test_another_seed_or_loss_gives_another_trial():
    a = ff.simulate_fleet(100, 0.1, 500, max_coded=80, seed=1)
    assert not np.array_equal(a.coded_needed, ff.simulate_fleet(100, 0.1, 500, max_coded=80, seed=2).coded_needed)
    assert ff.simulate_fleet(100, 0.3, 500, max_coded=200, seed=1).coded_needed.mean() > a.coded_needed.mean()
    assert not ff.simulate_fleet(100, 0.0, 50, max_coded=5).coded_needed.any()
    assert pickle.loads(pickle.dumps(a)).coded_needed.tolist() == a.coded_needed.tolist()


def test_simulated_losses_have_the_share_of_the_probability():
    """A device that lost nothing needs nothing: with M = 50 and 2 % that is a share of 0.98 ** 50."""
    trial = ff.simulate_fleet(50, 0.02, 200_000, max_coded=30, seed=4)
    expected = 0.98**50
    share = np.count_nonzero(trial.coded_needed == 0) / 200_000
    assert abs(share - expected) < 5 * (expected * (1 - expected) / 200_000) ** 0.5
    assert trial.completed(0) == share
    assert trial.completed(30) >= trial.completed(10) >= share


@pytest.mark.parametrize(
    ("version", "m", "loss", "shares"),
    [
        ("1.0.0", 21, 0.05, (9, 14, 15)),
        ("1.0.0", 50, 0.05, (14, 16, 19)),
        ("1.0.0", 100, 0.10, (18, 29, 31)),
        ("2.0.0", 50, 0.05, (8, 11, 16)),
        ("2.0.0", 100, 0.10, (18, 23, 28)),
    ],
)
def test_trials_reproduce_the_published_redundancy(version, m, loss, shares):
    """Coded fragments with which 90, 99 and 99.9 % of the devices complete, rows 1, 2, 3 …, from the exact matrix."""
    trial = ff.simulate_fleet(m, loss, 200_000, max_coded=60, version=version, seed=11)
    for share, expected in zip((0.9, 0.99, 0.999), shares, strict=True):
        chance = 5 * (share * (1 - share) / 200_000) ** 0.5
        assert trial.completed(expected) >= share - chance
        assert trial.completed(expected - 1) < share + chance


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_frags": 0}, "n_frags"),
        ({"loss": 1.0}, "loss: 1.0"),
        ({"loss": -0.1}, "loss: -0.1"),
        ({"loss": float("nan")}, "loss: nan"),
        ({"loss": "much"}, "loss"),
        ({"loss": [0.1, 0.2]}, "loss: 2 values"),
        ({"n_devices": 0}, "n_devices"),
        ({"max_coded": -1}, "max_coded"),
        ({"max_coded": 16383}, "max_coded"),
        ({"dialect": "3"}, "dialect: '3'"),
        ({"version": "3"}, "dialect: '3'"),
        ({"dialect": "1.0.0", "version": "2.0.0"}, "dialect, version: "),
        ({"seed": -1}, "seed"),
        ({"rows": [1, 2]}, "n_coded"),
        ({"rows": [5, 5, *range(6, 30)]}, "rows: 5"),
    ],
)
def test_bad_input_of_simulate_fleet_is_refused(changes, said):
    arguments = {"n_frags": 20, "loss": 0.1, "n_devices": 10, "max_coded": 20, **changes}
    with pytest.raises(ff.ParameterError, match=said):
        ff.simulate_fleet(arguments.pop("n_frags"), arguments.pop("loss"), arguments.pop("n_devices"), **arguments)


@pytest.mark.parametrize("kernel", KERNELS)
def test_bits_beyond_the_last_fragment_are_ignored(kernel):
    rows = list(range(1, 21))
    columns = trials.matrix_columns(70, "1.0.0", np.array(rows, np.uint32), kernel)
    lost = np.concatenate([bitmap(70, {3, 69}), bitmap(20, {0})])
    expected, needed = np.empty(1, np.int32), np.empty(1, np.int32)
    _core.fleet_complete(columns, 70, 20, lost, expected, kernel)
    lost[1] |= np.uint64(0xFFFF << 20)
    lost[2:8] = 2**64 - 1
    _core.fleet_complete(columns, 70, 20, lost, needed, kernel)
    assert needed == expected


# ---- reading a trial -----------------------------------------------------------------------------------------


def trial_of(needed: list[int], n_rows: int = 9) -> trials.FleetTrial:
    return trials.FleetTrial(coded_needed=np.array(needed, np.int32), rows=np.arange(1, n_rows + 1, dtype=np.uint32))


any_needed = st.lists(st.integers(-1, 9), min_size=1, max_size=60)


@given(needed=any_needed, counts=st.lists(st.integers(-2, 12)))
def test_the_share_that_completes_is_counted_for_one_number_or_many(needed, counts):
    trial = trial_of(needed)
    expected = [sum(0 <= n <= n_coded for n in needed) / len(needed) for n_coded in counts]
    assert trial.completed(counts).tolist() == expected
    assert [trial.completed(n_coded) for n_coded in counts] == expected


@given(
    needed=any_needed, q=st.floats(0, 1) | st.builds(lambda a, b: min(a, b) / max(a, b, 1), *[st.integers(0, 60)] * 2)
)
def test_a_quantile_is_the_fewest_coded_fragments_for_that_share(needed, q):
    trial = trial_of(needed)
    n_coded = trial.quantile(q)
    if n_coded is None:
        assert trial.completed(9) < q
    else:
        assert trial.completed(n_coded) >= q
        assert n_coded == 0 or trial.completed(n_coded - 1) < q
    assert trial.quantile([q, 0.0, 1.0])[0] == n_coded


@pytest.mark.parametrize("q", [-0.1, 1.01, float("nan"), [0.5, 2.0]])
def test_a_quantile_of_no_share_is_refused(q):
    with pytest.raises(ff.ParameterError, match=r"q: .* is not a share, expected 0 to 1"):
        trial_of([1]).quantile(q)


def test_a_trial_prints_a_line_and_shows_a_table():
    trial = trial_of([0, 3, 5, -1])
    assert repr(trial) == "<FleetTrial 4 devices, 75 % complete with 9 coded>"
    assert "<tr><th>Coded fragments for 50 %</th><td>3</td></tr>" in trial._repr_html_()
    assert "<tr><th>Coded fragments for 99 %</th><td>&gt; 9</td></tr>" in trial._repr_html_()


def test_a_trial_becomes_a_data_frame():
    pytest.importorskip("pandas")
    column = trial_of([0, 3, -1]).to_frame()["coded_needed"]
    assert column.isna().tolist() == [False, False, True]
    assert column.dropna().tolist() == [0, 3]


@pytest.mark.parametrize("q", ["a", True, None])
def test_a_quantile_of_no_number_is_refused(q):
    with pytest.raises(ff.ParameterError, match=r"q: .* is not a share"):
        trial_of([1]).quantile(q)


@pytest.mark.parametrize("n_coded", ["a", None, 1.5, [1.5, 2], ["3"], True, [[1], [1, 2]], 1j])
def test_a_share_for_no_number_is_refused(n_coded):
    with pytest.raises(ff.ParameterError, match=r"n_coded: .* is not a whole number or a list of them"):
        trial_of([1]).completed(n_coded)


@pytest.mark.parametrize("n_coded", [[], range(0), np.array([], np.float64)])
def test_shares_for_no_numbers_are_none(n_coded):
    assert trial_of([1]).completed(n_coded).size == 0
