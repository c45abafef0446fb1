"""Reception of a block by one device: as recorded from device stacks, in any order, with any quirk."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.devices.profiles import LateUncoded, profile
from fuota_fec.fleet.decoding import Reception
from fuota_fec.wire import fragmentation

IMAGE = bytes(range(50, 93)) * 4
"""172 bytes: 18 fragments of 10 with 8 bytes of padding."""
N_FRAGS = 18
VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "decode_quirks.json").read_text())["vectors"]
STACK_OF = {"lbm_v1": "lbm", "lbm_v2": "lbm", "loramac_node": "loramac-node", "st_v1": "st", "st_v2": "st-v2"}
DECODERS = {name: profile(stack).late_uncoded for name, stack in STACK_OF.items()} | {"jiapengli": LateUncoded.ACCEPTED}


def run(reception: Reception, sequence: list[int], payload_of: list[bytes]) -> tuple[int | None, bytes | None]:
    """Position in the sequence at which the block was complete, and the block."""
    for position, n in enumerate(sequence):
        block = reception.push(fragmentation.DataFragment(frag_index=0, n=n, payload=payload_of[n - 1]))
        if block is not None:
            return position, block
    return None, None


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"v{v['version']}-{v.get('name', v.get('label'))}")
def test_recorded_decoders_finish_with_the_same_fragment(vector, seeded_bytes) -> None:
    m, size, version = vector["m"], vector["frag_size"], f"{vector['version']}.0.0"
    data = seeded_bytes(vector["data_seed"], vector["data_len"])
    block = data + bytes(vector["padding"])
    coded = ff.encode(block, size, max(vector["sequence"]) - m, version=version)
    payloads = [block[i : i + size] for i in range(0, len(block), size)] + [bytes(row) for row in coded]
    for name, expected in vector["decoders"].items():
        other = "2.0.0" if version == "1.0.0" else "1.0.0"
        spoken = other if vector["kind"] == "wrong_version_decoder" else version
        position, rebuilt = run(Reception(m, size, spoken, DECODERS[name]), vector["sequence"], payloads)
        assert position == expected["finished_at_index"], name
        assert (rebuilt == block if position is not None else None) == expected["data_ok"], name


COUNTS = ("n_received", "last_number", "n_lost", "complete", "missing", "memory_full")


@given(
    late=st.sampled_from(list(LateUncoded)),
    numbers=st.lists(st.integers(1, N_FRAGS + 30), max_size=80),
    solvable=st.none() | st.integers(0, 6),
)
def test_fragments_in_any_order_rebuild_the_block_unless_the_stack_corrupts(
    late: LateUncoded, numbers: list[int], solvable: int | None
) -> None:
    block = ff.prepare(IMAGE, 10, n_coded=40)
    reception = Reception(N_FRAGS, 10, "1.0.0", late, solvable)
    best = ff.Decoder(N_FRAGS, 10)
    done: bytes | None = None
    for n in numbers:
        best.push(n, bytes(block.frame(n))[3:])
        fragment = fragmentation.DataFragment(frag_index=0, n=n, payload=bytes(block.frame(n))[3:])
        done = reception.push(fragment) or done
        if late is not LateUncoded.CORRUPTS:
            assert reception.missing >= best.missing
            if late in (LateUncoded.ACCEPTED, LateUncoded.UNKNOWN) and solvable is None:
                assert reception.missing == best.missing
        twin = pickle.loads(pickle.dumps(reception))
        assert [getattr(twin, name) for name in COUNTS] == [getattr(reception, name) for name in COUNTS]
        reception = twin
    if done is not None and late is not LateUncoded.CORRUPTS:
        assert done[: len(IMAGE)] == IMAGE
