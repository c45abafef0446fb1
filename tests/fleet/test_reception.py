"""The interface of a reception: both kinds have all of it."""

from __future__ import annotations

import pytest

from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.fleet.batched_reception import BatchedBlock
from fuota_fec.fleet.decoding import Reception
from fuota_fec.fleet.reception import BlockReception, NoReception
from fuota_fec.wire.fragmentation import DataFragment


@pytest.mark.parametrize(
    "reception",
    [Reception(2, 3, "1.0.0"), BatchedBlock(2, 3, "1.0.0").join(LateUncoded.ACCEPTED, None)],
    ids=["of one device", "batched"],
)
def test_a_reception_counts_fragments_and_returns_the_block_once(reception: BlockReception) -> None:
    assert (reception.n_frags, reception.frag_size, reception.last_number) == (2, 3, 0)
    assert reception.push(DataFragment(frag_index=0, n=2, payload=b"def")) is None
    assert (reception.n_received, reception.last_number, reception.n_lost, reception.missing) == (1, 2, 1, 1)
    assert not reception.complete
    assert not reception.memory_full
    assert reception.push(DataFragment(frag_index=0, n=1, payload=b"abc")) == b"abcdef"
    assert (reception.complete, reception.missing) == (True, 0)


def test_a_block_of_no_fragments_lacks_none_and_is_never_complete() -> None:
    reception: BlockReception = NoReception(frag_size=3, last_number=7)
    assert (reception.n_frags, reception.frag_size, reception.last_number, reception.missing) == (0, 3, 7, 0)
    assert reception.push(DataFragment(frag_index=0, n=2, payload=b"def")) is None
    assert (reception.n_received, reception.last_number, reception.n_lost) == (1, 2, 0)
    assert not any((reception.complete, reception.ended, reception.memory_full, reception.hung))
