"""What other implementations produced, for every implementation of ours."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

VERSION = {1: "1.0.0", 2: "2.0.0"}


def packed(bits) -> bytes:
    return np.packbits(np.asarray(bits, np.uint8), axis=-1).tobytes()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def parameters(name: str, label: str):
    """Indices of a vector file as test parameters with readable ids."""
    path = Path(__file__).parent.parent / "vectors" / f"{name}.json"
    items = json.loads(path.read_text())["vectors"]
    return [pytest.param(v, id=f"v{v['version']}-m{v['m']}-{v.get(label, '')}".rstrip("-")) for v in items]


@pytest.mark.parametrize("vector", parameters("parity_rows", "-"))
def test_parity_rows_equal_the_vectors(codec, vector):
    m = vector["m"]
    matrix = codec.ParityMatrix(m, VERSION[vector["version"]])
    expected_rows = vector["rows"] if codec.name != "reference" else vector["rows"][:: 1 + m // 500]
    for n, weight, expected in expected_rows:
        row = matrix.row(n)
        assert sum(map(int, row)) == weight, n
        assert (("sha256:" + sha256(packed(row))) if m > 128 else packed(row).hex()) == expected, n
    start, stop = vector["range"]
    if codec.name != "reference" or m < 600:
        assert sha256(packed(matrix.rows(start, stop + 1))) == vector["range_sha256"]


@pytest.mark.parametrize("vector", parameters("encode", "frag_size"))
def test_coded_fragments_equal_the_vectors(codec, seeded_bytes, vector):
    data = seeded_bytes(vector["data_seed"], vector["data_len"])
    assert sha256(data) == vector["data_sha256"]
    frag_size, m = vector["frag_size"], vector["m"]
    block = data + bytes(vector["padding"])
    assert len(block) == m * frag_size
    n_coded = vector["nb_coded"]
    if codec.name == "reference" and m * n_coded > 200_000:
        n_coded = min(len(vector["coded_sha256"]), 4)
    coded = codec.encode(block, frag_size, n_coded, dialect=VERSION[vector["version"]])
    assert [sha256(c) for c in coded[: len(vector["coded_sha256"])]] == vector["coded_sha256"][:n_coded]
    if n_coded == vector["nb_coded"]:
        assert sha256(block + b"".join(coded)) == vector["all_sha256"]
    assert sha256(block[-frag_size:]) == vector["last_uncoded_sha256"]


def fragments(codec, vector, seeded_bytes, n_coded):
    data = seeded_bytes(vector["data_seed"], vector["data_len"])
    frag_size = vector["frag_size"]
    block = data + bytes(vector["padding"])
    coded = codec.encode(block, frag_size, n_coded, dialect=VERSION[vector["version"]])
    payloads = [block[i : i + frag_size] for i in range(0, len(block), frag_size)] + coded
    return block, payloads


@pytest.mark.parametrize("vector", parameters("decode_traces", "label"))
def test_decoding_follows_the_traces_of_the_vectors(codec, seeded_bytes, vector):
    m, dialect = vector["m"], VERSION[vector["version"]]
    block, payloads = fragments(codec, vector, seeded_bytes, vector["nb_coded"])
    decoder = codec.Decoder(m, vector["frag_size"], dialect=dialect)
    missing_after = dict(map(tuple, vector["missing_after_coded"]))
    lost = set(vector["lost"])
    completed_at = None
    for frag_nb, payload in enumerate(payloads, 1):
        if frag_nb in lost:
            continue
        if decoder.push(frag_nb, payload):
            completed_at = frag_nb
        if frag_nb in missing_after:
            assert decoder.missing == missing_after[frag_nb], frag_nb
        if completed_at:
            break
    assert completed_at == vector["completes_at"]
    assert decoder.complete == (completed_at is not None)
    if completed_at:
        assert decoder.block() == block


QUIRKS = parameters("decode_quirks", "label")


@pytest.mark.parametrize("vector", [p for p in QUIRKS if p.values[0]["kind"] == "order"])
def test_vectors_decode_in_any_order(codec, seeded_bytes, vector):
    """We finish as soon as it is possible, also where the devices' decoders drop fragments."""
    m, dialect = vector["m"], VERSION[vector["version"]]
    sequence = vector["sequence"]
    block, _ = fragments(codec, vector, seeded_bytes, 0)
    rows = sorted({n - m for n in sequence if n > m})
    coded = dict(zip(rows, codec.encode(block, 10, len(rows), dialect=dialect, rows=rows), strict=True))
    decoder = codec.Decoder(m, 10, dialect=dialect)
    completed_at = None
    for i, frag_nb in enumerate(sequence):
        payload = block[10 * frag_nb - 10 : 10 * frag_nb] if frag_nb <= m else coded[frag_nb - m]
        if decoder.push(frag_nb, payload):
            completed_at = i
            break
    assert completed_at == vector["recoverable_at_index"]
    assert decoder.block() == block


@pytest.mark.parametrize("vector", [p for p in QUIRKS if p.values[0]["kind"] == "wrong_version_decoder"])
def test_mixed_dialects_end_with_wrong_bytes(codec, seeded_bytes, vector):
    """The dialects cannot be told apart: a decoder of the other one finishes where devices do, without an error."""
    m = vector["m"]
    other = VERSION[3 - vector["version"]]
    block, payloads = fragments(codec, vector, seeded_bytes, max(vector["sequence"]) - m)
    decoder = codec.Decoder(m, vector["frag_size"], dialect=other)
    finished_at = next(
        i for i, frag_nb in enumerate(vector["sequence"]) if decoder.push(frag_nb, payloads[frag_nb - 1])
    )
    assert {d["finished_at_index"] for d in vector["decoders"].values()} == {finished_at}
    assert decoder.block() != block
