"""Trials of devices that lose fragments: the number of coded fragments after which each completes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fuota_fec.codec.limits import Rows
from fuota_fec.planning.erasures import (
    Columns,
    Lost,
    Needed,
    in_thresholds,
    matrix_columns,
    needed_ideally,
    needed_of,
    simulated_needed,
)
from fuota_fec.planning.losses import GilbertElliott, Losses, draw_lost

Limits = npt.NDArray[np.int32]
"""Uncoded fragments that each device may lose."""

_CHUNK_FRAGMENTS = 1 << 22
"""Number of fragments whose losses are drawn at once, where each fragment is drawn by itself."""


class Trials(NamedTuple):
    """Outcome of one trial of each device."""

    needed: Needed
    n_seen: npt.NDArray[np.int32]
    """Uncoded and coded fragments sent until the trial was decided: the device completed, or never will."""
    n_lost: npt.NDArray[np.int32]
    """Fragments among these that the device lost."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Code:
    """Code of a block: the rows of the matrix that may be sent, or the ideal (MDS) code."""

    n_frags: int
    n_rows: int
    columns: Columns | None
    """Parity matrix of the rows by columns; None for the ideal code."""
    kernel: str | None = None

    @classmethod
    def of_rows(cls, n_frags: int, dialect: str, rows: Rows, kernel: str | None = None) -> Code:
        """Code of these rows of the parity matrix."""
        columns = matrix_columns(n_frags, dialect, rows, kernel)
        return cls(n_frags=n_frags, n_rows=int(rows.size), columns=columns, kernel=kernel)

    def needed(
        self, losses: Losses | GilbertElliott, n_devices: int, limits: Limits | None, *, seed: int, first: int
    ) -> Needed:
        """Coded fragments needed in one trial of each of n_devices. `losses`: one for each device, or one channel.

        A device that loses more uncoded fragments than its limit never completes. A trial depends only on the seed and
        its number: first, first + 1, …; two calls must not share numbers.
        """
        if self.columns is None or limits is not None or isinstance(losses, GilbertElliott):
            return self.trials(losses, n_devices, limits, seed=seed, first=first).needed
        return simulated_needed(
            self.columns,
            self.n_frags,
            self.n_rows,
            in_thresholds(losses),
            n_devices,
            seed=seed,
            first=first,
            kernel=self.kernel,
        )

    def trials(
        self, losses: Losses | GilbertElliott, n_devices: int, limits: Limits | None, *, seed: int, first: int
    ) -> Trials:
        """Trials as those of `needed`, with the number of fragments sent and lost until each was decided."""
        needed, n_seen, n_lost = np.empty((3, n_devices), np.int32)
        n_sent = self.n_frags + self.n_rows
        chunk = max(1, _CHUNK_FRAGMENTS // n_sent)
        for start in range(0, n_devices, chunk):
            part = slice(start, min(start + chunk, n_devices))
            rng = np.random.default_rng([seed, first + start])
            if isinstance(losses, GilbertElliott):
                lost = losses.draw_lost(rng, part.stop - start, n_sent)
            else:
                lost = draw_lost(rng, losses[part], n_sent)
            done = needed_ideally(self.n_frags, lost) if self.columns is None else self._done(lost)
            seen = np.where(done < 0, self.n_rows, done)
            uncoded = np.count_nonzero(lost[:, : self.n_frags], axis=1)
            if limits is not None:
                over = uncoded > limits[part]
                done[over], seen[over] = -1, 0
            coded = lost[:, self.n_frags :] & (np.arange(self.n_rows) < seen[:, None])
            needed[part], n_seen[part] = done, self.n_frags + seen
            n_lost[part] = uncoded + np.count_nonzero(coded, axis=1)
        return Trials(needed, n_seen, n_lost)

    def _done(self, lost: Lost) -> Needed:
        assert self.columns is not None
        return needed_of(self.columns, self.n_frags, lost, self.kernel)
