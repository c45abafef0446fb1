"""Losses that the counts of a status prove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.devices.profiles import PROFILES, DeviceProfile, MissingCount, ReceivedCount
from fuota_fec.devices.reported_loss import MOST_LOST, UNPROVEN, Loss, reported_loss

TRUTHFUL = DeviceProfile(name="ts004", received_count=ReceivedCount.ALL, missing_count=MissingCount.NEEDED)
STACKS = {**PROFILES, "ts004": TRUTHFUL}


@pytest.mark.parametrize(
    ("stack", "counts", "block", "expected"),
    [
        ("ts004", (30, 2), (32, 40), Loss(0.25, True)),
        ("ts004", (32, 0), (32, 40), UNPROVEN),
        ("ts004", (41, 2), (32, 40), UNPROVEN),
        ("lbm", (20, 80), (100, 100), Loss(0.8, True)),
        ("lbm", (20, 80), (100, 160), Loss(0.875, True)),
        ("lbm", (210, 91), (300, 360), Loss(91 / 360, False)),
        ("lbm", (100, 1), (100, 110), UNPROVEN),
        ("lbm", (102, 0), (100, 110), UNPROVEN),
        ("st", (92, 2), (200, 300), Loss(0.7, True)),
        ("st", (210, 20), (200, 300), Loss(20 / 300, False)),
        ("st", (410, 20), (400, 500), Loss(20 / 500, False)),
        ("st", (300, 20), (400, 400), Loss(0.3, False)),
        ("st", (50, 0), (200, 200), Loss(0.75, False)),
        ("st", (200, 0), (200, 200), UNPROVEN),
        ("loramac-node", (210, 20), (200, 300), Loss(20 / 300, False)),
        ("actility-l476", (200, 0), (200, 230), Loss(0.0, True)),
        ("zephyr", (80, 20), (100, 100), Loss(0.2, True)),
        ("zephyr", (110, 0), (100, 200), Loss(0.45, False)),
        ("zephyr", (10, 3), (100, 200), UNPROVEN),
        ("zephyr", (3, 255), (400, 450), UNPROVEN),
        ("zephyr", (3, 255), (400, 400), Loss(MOST_LOST, True)),
    ],
)
def test_a_loss_is_what_the_counts_prove(stack, counts, block, expected) -> None:
    loss = reported_loss(STACKS[stack], *counts, *block)
    assert (loss.share, loss.exact) == (pytest.approx(expected.share), expected.exact)


@given(
    stack=st.sampled_from(sorted(STACKS)),
    received=st.integers(0, 1200),
    missing=st.integers(0, 255),
    n_frags=st.integers(1, 1000),
    n_coded=st.integers(0, 300),
)
def test_a_loss_is_a_share(stack: str, received: int, missing: int, n_frags: int, n_coded: int) -> None:
    loss = reported_loss(STACKS[stack], received, missing, n_frags, n_frags + n_coded)
    assert loss.share is None or 0 <= loss.share <= MOST_LOST
    assert loss.share is not None or not loss.exact
