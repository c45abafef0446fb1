"""Names of outputs: one for each pair, and pairs that have the same."""

from __future__ import annotations

import pytest

from fuota_fec.batch.config import BatchConfig, BatchImage, Target
from fuota_fec.batch.pairs import pairs_of


def outputs(paths, targets=("t",)):
    config = BatchConfig(
        images=tuple(BatchImage(path=path) for path in paths),
        targets=tuple(Target(name=name, dr=5) for name in targets),
    )
    return {(pair.output, pair.clash) for pair in pairs_of(config)}


def test_every_image_with_every_target():
    assert outputs(["a.bin", "b.hex"], ["x", "y"]) == {
        (f"{image}-{target}.npy", False) for image in "ab" for target in "xy"
    }


@pytest.mark.parametrize(
    "paths", [["a.bin", "a.hex"], ["a.bin", "A.bin"], ["x/a.bin", "y/a.bin"], ["é.bin", "e\u0301.bin"]]
)
def test_pairs_with_one_name_clash(paths):
    assert {clash for _, clash in outputs([*paths, "b.bin"])} == {True, False}
    assert {clash for output, clash in outputs([*paths, "b.bin"]) if output == "b-t.npy"} == {False}


def test_parts_that_give_one_name_together_clash():
    assert {output for output, clash in outputs(["a-b.bin", "a.bin"], ["c", "b-c"]) if clash} == {"a-b-c.npy"}
