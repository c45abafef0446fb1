"""Loss models: the right share of losses, in the right place, and the same for the same seed."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import ParameterError
from fuota_fec.fleet.channel import (
    AnyLoss,
    BurstLoss,
    IndependentLoss,
    LossModel,
    Outages,
    RecordedLoss,
    Trace,
    read_trace,
)

EACH = np.arange(5)
TRACE = Trace(devices=("a", "b"), lost=(np.array([1, 0, 0], bool), np.array([0, 1], bool)))
MODELS: dict[str, Callable[[np.random.Generator], LossModel]] = {
    "independent": lambda rng: IndependentLoss(0.3, rng),
    "per device": lambda rng: IndependentLoss([0.1, 0.2, 0.3, 0.4, 0.5], rng),
    "bursts": lambda rng: BurstLoss.of_bursts(0.3, 4, 5, rng),
    "Elliott": lambda rng: BurstLoss(0.1, 0.3, 5, rng, loss_good=0.05, loss_bad=0.6),
    "recorded": lambda rng: RecordedLoss(TRACE, 5, rng),
    "outages": lambda _rng: Outages([(2, 4), (10, 12)]),
    "any": lambda rng: AnyLoss([IndependentLoss(0.3, rng), Outages([(2, 4)]), BurstLoss.of_bursts(0.1, 2, 5, rng)]),
}


def losses(model: LossModel, n: int = 20) -> list[bool]:
    """Unicast and multicast frames in turn."""
    lost: list[bool] = []
    for now in range(n):
        lost += model.lost_each(EACH, now).tolist()
        lost.append(model.lost(now % 5, now))
    return lost


def share(model: LossModel, n_devices: int, n_frames: int) -> np.ndarray:
    """Share of lost frames per device."""
    return np.mean([model.lost_each(np.arange(n_devices), 0) for _ in range(n_frames)], axis=0)


# ---- every model -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_the_same_seed_gives_the_same_losses_of_every_model(make) -> None:
    runs = [losses(make(np.random.default_rng(seed)), 40) for seed in (7, 7, 8)]
    assert runs[0] == runs[1]
    assert (runs[0] == runs[2]) is (make is MODELS["outages"])


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_pickled_loss_model_continues_where_it_was(make) -> None:
    model = make(np.random.default_rng(3))
    losses(model, 3)
    twin = pickle.loads(pickle.dumps(model))
    assert losses(twin) == losses(model)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_lost_each_returns_one_flag_per_device(make) -> None:
    model = make(np.random.default_rng(3))
    for devices in (EACH, EACH[:0], np.array([3, 1])):
        lost = model.lost_each(devices, 0.0)
        assert lost.shape == devices.shape
        assert lost.dtype == bool
    assert isinstance(model.lost(4, 0.0), bool)


# ---- independent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.05, 0.5, 0.9])
def test_independent_losses_have_the_share_of_the_probability(probability: float) -> None:
    model = IndependentLoss(probability, np.random.default_rng(1))
    assert np.mean([model.lost(0, 0) for _ in range(4000)]) == pytest.approx(probability, abs=0.04)
    assert model.lost_each(np.arange(20_000), 0).mean() == pytest.approx(probability, abs=0.02)


def test_a_probability_of_0_loses_no_frame() -> None:
    assert not any(losses(IndependentLoss(0, np.random.default_rng(1))))


def test_independent_losses_may_have_a_probability_per_device() -> None:
    wanted = np.array([0.0, 0.1, 0.5, 0.9])
    model = IndependentLoss(wanted, np.random.default_rng(2))
    assert share(model, 4, 4000) == pytest.approx(wanted, abs=0.04)
    assert np.mean([model.lost(3, 0) for _ in range(2000)]) == pytest.approx(0.9, abs=0.04)
    few = np.array([3, 0])
    assert np.mean([model.lost_each(few, 0) for _ in range(2000)], axis=0) == pytest.approx([0.9, 0], abs=0.04)


@pytest.mark.parametrize("probability", [-0.1, 1, 1.5, float("nan"), [0.1, 1.0], [[0.1]], [], "much", [0.1, None]])
def test_a_value_that_is_no_probability_of_loss_is_refused(probability) -> None:
    with pytest.raises(ParameterError, match="loss: "):
        IndependentLoss(probability, np.random.default_rng(1))
    with pytest.raises(ParameterError, match="loss: "):
        BurstLoss.of_bursts(probability, 100, 2, np.random.default_rng(1))


# ---- bursts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 1), (0.05, 8), (0.3, 3), (0.75, 20), (0.5, 1)])
def test_bursts_have_the_requested_length_and_share(loss, burst) -> None:
    model = BurstLoss.of_bursts(loss, burst, 400, np.random.default_rng(5))
    lost = np.array([model.lost_each(np.arange(400), 0) for _ in range(1000)])
    assert lost.mean() == pytest.approx(loss, rel=0.06)
    begins = lost[1:] & ~lost[:-1]
    assert lost[1:].sum() / begins.sum() == pytest.approx(burst, rel=0.06)


def test_bursts_have_their_long_run_share_from_the_first_frame() -> None:
    model = BurstLoss.of_bursts(0.2, 50, 20_000, np.random.default_rng(6))
    assert model.lost_each(np.arange(20_000), 0).mean() == pytest.approx(0.2, abs=0.02)


def test_bursts_are_per_device_and_common_to_unicast_and_multicast() -> None:
    model = BurstLoss(1, 1, 2, np.random.default_rng(1))
    first = model.lost_each(np.array([0, 1]), 0)
    assert model.lost(0, 0) is not bool(first[0])
    assert model.lost(0, 0) is bool(first[0])
    assert model.lost(1, 0) is not bool(first[1])


def test_both_states_of_a_burst_model_may_lose_some_frames() -> None:
    model = BurstLoss(0.1, 0.3, 500, np.random.default_rng(4), loss_good=0.02, loss_bad=0.5)
    assert share(model, 500, 400).mean() == pytest.approx(0.75 * 0.02 + 0.25 * 0.5, rel=0.05)


def test_bursts_may_have_a_loss_per_device() -> None:
    wanted = np.array([0.0, 0.05, 0.3])
    model = BurstLoss.of_bursts(wanted, 3, 3, np.random.default_rng(2))
    assert share(model, 3, 12_000) == pytest.approx(wanted, abs=0.04)


@pytest.mark.parametrize(
    ("loss", "burst", "said"),
    [
        (0.1, 0.5, r"burst: 0\.5 is not a mean length"),
        (0.1, float("nan"), "burst: nan"),
        (0.1, float("inf"), "burst: inf"),
        (0.9, 8, "burst: 8 frames are too short for a loss of 0.9, expected 9 or more"),
    ],
)
def test_impossible_bursts_are_refused(loss, burst, said) -> None:
    with pytest.raises(ParameterError, match=said):
        BurstLoss.of_bursts(loss, burst, 3, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"enter": 1.5, "leave": 1}, "enter: 1.5"),
        ({"enter": 0.1, "leave": [0.1, -1]}, "leave: "),
        ({"enter": 0, "leave": 0}, "enter, leave: both are 0"),
        ({"enter": 0.1, "leave": 1, "loss_bad": 2}, "loss_bad: 2"),
        ({"enter": 0.1, "leave": 1, "loss_good": float("nan")}, "loss_good: nan"),
    ],
)
def test_impossible_states_of_a_burst_model_are_refused(settings, said) -> None:
    with pytest.raises(ParameterError, match=said):
        BurstLoss(n_devices=2, rng=np.random.default_rng(1), **settings)


# ---- outages ---------------------------------------------------------------------------------------------


def test_an_outage_hits_all_devices_at_once_and_from_its_start_to_its_end() -> None:
    model = Outages([(2, 4), (10, 12)])
    down = [model.lost_each(EACH, now) for now in range(14)]
    assert (
        [each.all() for each in down] == [each.any() for each in down] == [now in (2, 3, 10, 11) for now in range(14)]
    )
    assert [model.lost(1, now) for now in (1.999, 2, 3.999, 4)] == [False, True, True, False]
    assert not any(losses(Outages([])))


@pytest.mark.parametrize("window", [(4, 2), (3, 3), (float("nan"), 5), (1, float("nan")), (float("-inf"), 1)])
def test_an_outage_without_an_end_after_its_start_is_refused(window) -> None:
    with pytest.raises(ParameterError, match="outages: "):
        Outages([(0, 1), window])


def test_any_loss_loses_the_frames_of_all_models_and_calls_each() -> None:
    """A model that is not asked during an outage would be in another state after it."""
    rng, alone = np.random.default_rng(9), np.random.default_rng(9)
    both = AnyLoss([Outages([(5, 10)]), BurstLoss.of_bursts(0.3, 3, 5, rng)])
    bursts = BurstLoss.of_bursts(0.3, 3, 5, alone)
    for now in range(30):
        expected = bursts.lost_each(EACH, now) | (5 <= now < 10)
        assert (both.lost_each(EACH, now) == expected).all()
        assert both.lost(2, now) is (bursts.lost(2, now) or 5 <= now < 10)


# ---- recorded traces -------------------------------------------------------------------------------------

WRITTEN = """device,rssi,frame,received
a1,-90,4,1
b2,-91,0,0
a1,-92,5,0

b2,-93,1,true
a1,-94,6, FALSE
"""


@pytest.fixture
def trace_file(tmp_path):
    def write(text: str):
        path = tmp_path / "trace.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_trace_is_read(trace_file) -> None:
    trace = read_trace(trace_file(WRITTEN))
    assert trace.devices == ("a1", "b2")
    assert [losses.tolist() for losses in trace.lost] == [[False, True, True], [True, False]]


@given(lost=st.lists(st.lists(st.booleans(), min_size=1, max_size=9), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_a_trace_is_replayed_in_order_and_repeated_at_its_end(lost: list[list[bool]], seed: int) -> None:
    trace = Trace(devices=tuple(map(str, range(len(lost)))), lost=tuple(np.array(each, bool) for each in lost))
    n = len(lost) + 3
    model = RecordedLoss(trace, n, np.random.default_rng(seed))
    replayed = np.array([model.lost_each(np.arange(n), 0) for _ in range(20)]).T
    for device in range(n):
        recorded = lost[device % len(lost)]
        begun = [(recorded[start:] + recorded[:start]) * 20 for start in range(len(recorded))]
        assert replayed[device].tolist() in [each[:20] for each in (begun if device >= len(lost) else begun[:1])]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("device,frame,received\na,1,1\na,3,1\n", "line 3: device a: frame 3 follows 1: frame 2 is missing"),
        ("device,frame,received\na,1,1\nb,7,1\nb,8,1\na,3,1\n", "line 5: device a: frame 3 follows 1"),
        ("device,frame,received\na,1,1\na,1,0\n", "line 3: device a: frame 1 follows 1: expected a higher number"),
        ("device,frame,received\na,5,1\na,2,0\n", "line 3: device a: frame 2 follows 5: expected a higher number"),
        ("device,frame,received\na,x,1\n", "line 2: frame: 'x' is not a whole number"),
        ("device,frame,received\na,-1,1\n", "line 2: frame: '-1'"),
        ("device,frame,received\na,1,yes\n", "line 2: received: 'yes' is not 1 or 0"),
        ("device,frame,received\na,1\n", "line 2: received: '' is not 1 or 0"),
        ("device,frame,received\n,1,1\n", "line 2: device: '' is not a name"),
        ("device,frame\na,1\n", "line 1: there is no column received"),
        ("", "line 1: there is no column device, frame, received"),
        ("device,frame,received\n", "there is no frame in it"),
        (b"device,frame,received\n\xff,1,1\n", "not UTF-8"),
        ("device,frame,received\na,1," + "1" * 200_000, "cannot be read: field larger"),
    ],
)
def test_a_trace_with_gaps_or_that_cannot_be_read_is_refused_with_its_line(trace_file, text, said) -> None:
    with pytest.raises(ParameterError, match=said):
        read_trace(trace_file(text))


def test_a_missing_trace_file_is_refused(tmp_path) -> None:
    with pytest.raises(ParameterError, match=r"none\.csv: cannot be read: No such file"):
        read_trace(tmp_path / "none.csv")
    with pytest.raises(ParameterError, match="cannot be read"):
        read_trace("a\0b")
