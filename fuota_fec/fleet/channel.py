"""Loss models: whether a frame reaches a device. The same generator gives the same losses.

A model is one direction of the radio for a whole fleet, whose devices are numbered from 0. It is called once per frame
to or from a device, in the order in which the frames are sent, because some models advance with each call. A model can
be pickled at any time, and its copy continues from there.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.files import read_text

Devices: TypeAlias = npt.NDArray[np.intp]
"""Numbers of devices, each at most once."""


class LossModel(Protocol):
    """One direction of the radio."""

    def lost(self, device: int, now: float) -> bool:
        """Whether the next frame to or from one device is lost; `now` is Unix time."""

    def lost_each(self, devices: Devices, now: float) -> npt.NDArray[np.bool_]:
        """Whether a multicast frame is lost, for each of these devices."""


class IndependentLoss:
    """Losses of each frame with the same probability, independent of each other.

    `probability` is one number from 0 to below 1, or one for each device. ParameterError for any other value.
    """

    def __init__(self, probability: float | npt.ArrayLike, rng: np.random.Generator) -> None:
        values = probabilities(probability)
        self._probability: float | npt.NDArray[np.float64] = values if values.ndim else float(values)
        self._rng = rng

    def lost(self, device: int, now: float) -> bool:
        del now
        probability = self._probability
        return bool(self._rng.random() < (probability if isinstance(probability, float) else probability[device]))

    def lost_each(self, devices: Devices, now: float) -> npt.NDArray[np.bool_]:
        del now
        probability = self._probability
        return self._rng.random(devices.size) < (
            probability if isinstance(probability, float) else probability[devices]
        )


class BurstLoss:
    """Losses in bursts (Gilbert–Elliott): each device is in a good or a bad state, which may change between its frames.

    `enter` and `leave` are the probabilities, above 0 and at most 1, of going from good to bad and back: one for all
    devices, or one for each. `loss_good` and `loss_bad` are those of losing a frame in either state. A device begins in
    a state with the state's long-run share. ParameterError for a value that is not a probability.
    """

    def __init__(
        self,
        enter: float | npt.ArrayLike,
        leave: float | npt.ArrayLike,
        n_devices: int,
        rng: np.random.Generator,
        *,
        loss_good: float = 0.0,
        loss_bad: float = 1.0,
    ) -> None:
        self._enter = _each("enter", enter, n_devices)
        self._leave = _each("leave", leave, n_devices)
        for name, loss in (("loss_good", loss_good), ("loss_bad", loss_bad)):
            if not 0 <= loss <= 1:
                raise ParameterError(f"{name}: {shown(loss)} is not a probability, expected 0 to 1")
        self._losses = (loss_good, loss_bad)
        self._rng = rng
        moves = self._enter + self._leave
        if not moves.all():
            raise ParameterError("enter, leave: both are 0 for a device, expected at least one above 0")
        self._bad = rng.random(n_devices) < self._enter / moves

    @classmethod
    def of_bursts(
        cls, loss: float | npt.ArrayLike, burst: float, n_devices: int, rng: np.random.Generator
    ) -> BurstLoss:
        """A model with a long-run share `loss` of lost frames, from 0 to below 1, in runs of `burst` frames on average:
        all frames of the bad state are lost, none of the good one. ParameterError if such runs must be longer."""
        values = np.broadcast_to(probabilities(loss), n_devices)
        if not (burst >= 1 and math.isfinite(burst)):
            raise ParameterError(f"burst: {shown(burst)} is not a mean length, expected 1 frame or more")
        most = float(values.max(initial=0.0))
        least = max(1.0, most / (1 - most))
        if burst < least:
            raise ParameterError(
                f"burst: {shown(burst)} frames are too short for a loss of {most:g}, expected {least:.3g} or more"
            )
        return cls(values / (1 - values) / burst, 1 / burst, n_devices, rng)

    def lost(self, device: int, now: float) -> bool:
        return bool(self.lost_each(np.array([device], np.intp), now)[0])

    def lost_each(self, devices: Devices, now: float) -> npt.NDArray[np.bool_]:
        del now
        drawn = self._rng.random(devices.size)
        bad = np.where(self._bad[devices], drawn >= self._leave[devices], drawn < self._enter[devices])
        self._bad[devices] = bad
        good_loss, bad_loss = self._losses
        if (good_loss, bad_loss) == (0, 1):
            return bad
        return self._rng.random(devices.size) < np.where(bad, bad_loss, good_loss)


class RecordedLoss:
    """Replay of a trace. A device has the losses of the recorded device with its number, and repeats them at their end.

    Devices beyond the recorded ones take the recorded devices in turn, each from a start that is drawn.
    """

    def __init__(self, trace: Trace, n_devices: int, rng: np.random.Generator) -> None:
        lengths = np.array([len(losses) for losses in trace.lost], np.intp)
        turn = np.arange(n_devices) % lengths.size
        self._lost = np.concatenate(trace.lost)
        self._length = lengths[turn]
        self._first = (np.cumsum(lengths) - lengths)[turn]
        self._next = np.zeros(n_devices, np.intp)
        self._next[lengths.size :] = rng.integers(0, self._length[lengths.size :])

    def lost(self, device: int, now: float) -> bool:
        return bool(self.lost_each(np.array([device], np.intp), now)[0])

    def lost_each(self, devices: Devices, now: float) -> npt.NDArray[np.bool_]:
        del now
        place = self._next[devices]
        self._next[devices] = (place + 1) % self._length[devices]
        lost: npt.NDArray[np.bool_] = self._lost[self._first[devices] + place]
        return lost


class Outages:
    """Windows of Unix time, start ≤ t < end, in which the gateways are down and every frame is lost.

    ParameterError for a window that does not end after its start.
    """

    def __init__(self, windows: Iterable[tuple[float, float]]) -> None:
        self._windows = tuple(checked_windows(windows))

    def lost(self, device: int, now: float) -> bool:
        del device
        return any(start <= now < end for start, end in self._windows)

    def lost_each(self, devices: Devices, now: float) -> npt.NDArray[np.bool_]:
        return np.full(devices.size, self.lost(0, now))


class AnyLoss:
    """Losses of several models together. Every model is called for every frame."""

    def __init__(self, models: Sequence[LossModel]) -> None:
        self._models = tuple(models)

    def lost(self, device: int, now: float) -> bool:
        lost = [model.lost(device, now) for model in self._models]
        return any(lost)

    def lost_each(self, devices: Devices, now: float) -> npt.NDArray[np.bool_]:
        lost = np.zeros(devices.size, np.bool_)
        for model in self._models:
            lost |= model.lost_each(devices, now)
        return lost


# ---- recorded traces -------------------------------------------------------------------------------------

_RECEIVED = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Recorded losses of a fleet: for each device, in the order of the file, whether each of its frames was lost."""

    devices: tuple[str, ...]
    lost: tuple[npt.NDArray[np.bool_], ...]


def read_trace(path: str | Path) -> Trace:
    """Reads a trace from a CSV file with the columns

        device    any name, such as a DevEUI
        frame     number of the frame, going up by 1 for each device
        received  1 or true: the device received it; 0 or false: it was lost

    in any order. Other columns are ignored, and lines of several devices may be mixed. ParameterError, with the line,
    for a missing or repeated frame number and for a line that cannot be read.
    """
    path = Path(path)
    last: dict[str, int] = {}
    lost: dict[str, list[bool]] = {}
    try:
        with StringIO(read_text(path), newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in ("device", "frame", "received") if name not in (rows.fieldnames or ())]
            if missing:
                raise ParameterError(f"{path}, line 1: there is no column {', '.join(missing)}")
            for row in rows:
                device, frame, received = _read_row(row, f"{path}, line {rows.line_num}")
                before = last.get(device, frame - 1)
                if frame != before + 1:
                    problem = "expected a higher number" if frame <= before else f"frame {before + 1} is missing"
                    raise ParameterError(
                        f"{path}, line {rows.line_num}: device {device}: frame {frame} follows {before}: {problem}"
                    )
                last[device] = frame
                lost.setdefault(device, []).append(not received)
    except UnicodeDecodeError:
        raise ParameterError(f"{path}: cannot be read: not UTF-8 text") from None
    except csv.Error as error:
        raise ParameterError(f"{path}: cannot be read: {error}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not lost:
        raise ParameterError(f"{path}: there is no frame in it")
    return Trace(devices=tuple(lost), lost=tuple(np.array(each, np.bool_) for each in lost.values()))


def _read_row(row: dict[str, str | None], where: str) -> tuple[str, int, bool]:
    device, frame, received = ((row[name] or "").strip() for name in ("device", "frame", "received"))
    if not device:
        raise ParameterError(f"{where}: device: '' is not a name")
    if not frame.isdecimal() or len(frame) > 18:
        raise ParameterError(f"{where}: frame: {shown(frame)} is not a whole number, expected 0 or more")
    if received.lower() not in _RECEIVED:
        raise ParameterError(f"{where}: received: {shown(received)} is not 1 or 0")
    return device, int(frame), _RECEIVED[received.lower()]


# ---- checks ----------------------------------------------------------------------------------------------


def probabilities(loss: float | npt.ArrayLike) -> npt.NDArray[np.float64]:
    """One probability of loss (an array without dimensions), or one per device (an array with one).

    ParameterError unless 0 ≤ each < 1.
    """
    try:
        values = np.asarray(loss, np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"loss: {shown(loss)} is not a probability or a list of them, expected numbers") from None
    if values.ndim > 1 or not values.size:
        raise ParameterError(f"loss: {shown(loss)} is not a probability, expected one, or one for each device")
    if (bad := values[~((values >= 0) & (values < 1))]).size:
        raise ParameterError(f"loss: {bad[0]} is not a probability, expected 0 to below 1")
    return values


def checked_windows(windows: Iterable[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    """The outages, each checked to end after its start."""
    for window in windows:
        start, end = window
        if not (math.isfinite(start) and start < end):
            raise ParameterError(f"outages: {shown(window)} is not a window, expected an end after its start")
        yield start, end


def _each(name: str, value: float | npt.ArrayLike, n_devices: int) -> npt.NDArray[np.float64]:
    values = np.broadcast_to(np.asarray(value, np.float64), n_devices)
    if not ((values >= 0) & (values <= 1)).all():
        raise ParameterError(f"{name}: {shown(value)} is not a probability, expected 0 to 1")
    return values
