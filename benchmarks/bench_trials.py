"""Speed of trials: devices of `simulate_fleet` on one core, by kernel. All kernels agree with the portable one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from results import Row, best_of, show

import fuota_fec as ff

N_DEVICES = 100_000


def rows() -> Iterator[Row]:
    expected = ff.simulate_fleet(1000, 0.1, 20_000, max_coded=320, kernel="portable").coded_needed
    for kernel, at_least, reach in ((ff.kernel(), 350_000, 850_000), ("portable", 120_000, 180_000)):
        found = ff.simulate_fleet(1000, 0.1, 20_000, max_coded=320, kernel=kernel).coded_needed
        assert (found == expected).all(), kernel
        (took,) = best_of(partial(ff.simulate_fleet, 1000, 0.1, N_DEVICES, max_coded=320, kernel=kernel), rounds=7)
        yield Row(
            work=f"simulate_fleet, M 1000, R 320, 10 % lost, devices [{kernel}]",
            value=N_DEVICES / took,
            unit="/s",
            at_least=at_least,
            reach=reach,
            better="higher",
        )


if __name__ == "__main__":
    show(rows())
