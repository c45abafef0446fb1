"""Loss models: whether a frame reaches a device. Seeded: the same generator, the same losses."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from fuota_fec.errors import ParameterError


class LossModel(Protocol):
    """One direction of the radio."""

    def lost(self) -> bool:
        """Whether the next frame to or from one device is lost."""

    def lost_each(self, n_devices: int) -> npt.NDArray[np.bool_]:
        """Whether the next multicast frame is lost, for each of n_devices."""


class IndependentLoss:
    """Every frame is lost with the same probability, whatever happened to the others."""

    def __init__(self, probability: float, rng: np.random.Generator) -> None:
        if not 0 <= probability < 1:
            raise ParameterError(f"loss: {probability} is not a probability from 0 to below 1")
        self._probability = probability
        self._rng = rng

    def lost(self) -> bool:
        return bool(self._rng.random() < self._probability)

    def lost_each(self, n_devices: int) -> npt.NDArray[np.bool_]:
        return self._rng.random(n_devices) < self._probability
