"""The check finds whatever does not hold of a folder."""

from __future__ import annotations

import copy
import hashlib
import json

import numpy as np
import pytest
from batches import Inline, contents, image_bytes, small_batch
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.batch import Target, check_batch, prepare_batch
from fuota_fec.batch.check import rebuilt
from fuota_fec.codec.frame_file import SEAL, sealed
from fuota_fec.errors import ParameterError

NAME = "boot-small.npy"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    prepare_batch(small_batch(folder), folder / "out")
    return contents(folder / "out")


@pytest.fixture
def out(tmp_path, made):
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def change_entry(out, name, **changes):
    """Changes an entry as one who seals it again."""
    manifest = json.loads((out / "manifest.json").read_text())
    for entry in manifest["items"]:
        if entry["output"] == name:
            entry.update(changes)
            entry.update(sealed(entry))
    (out / "manifest.json").write_text(json.dumps(manifest))


def consistent(out, name, data):
    """Writes an output, and gives its entry the SHA-256 of it."""
    (out / name).write_bytes(data)
    change_entry(out, name, output_sha256=hashlib.sha256(data).hexdigest(), output_len=len(data))


@pytest.mark.parametrize("executor", [None, Inline()])
def test_a_whole_batch_holds(out, executor):
    calls = []
    result = check_batch(out, executor=executor, progress=lambda *numbers: calls.append(numbers))
    assert (result.n_checked, result.problems) == (9, ())
    assert calls[-1] == (9, 9)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda out: (out / NAME).unlink(), "No such file or directory"),
        (lambda out: (out / NAME).write_bytes(b""), "0 bytes, expected"),
        (lambda out: flip(out, 200), "its SHA-256 is not that of the manifest"),
        (lambda out: flip(out, 200, fix=True), "frame 1 is not that of its fragment"),
        (lambda out: flip(out, -1, fix=True), "it is another image than the manifest says"),
        (lambda out: flip(out, 128, fix=True), "frame 0 begins with 090100, expected the DataFragment of fragment 1"),
        (lambda out: flip(out, 10, fix=True), "not an array of"),
        (lambda out: change_entry(out, NAME, status="failed", reason="why"), "not prepared: why"),
        (lambda out: change_entry(out, NAME, rows="first"), "begins with"),
        (lambda out: change_entry(out, NAME, n_frags=None), "is not that of a prepared block"),
        (lambda out: change_entry(out, NAME, n_coded=6), "is not that of a prepared block"),
        (lambda out: change_entry(out, NAME, image=None), "is not that of a prepared block"),
        (lambda out: change_entry(out, NAME, dialect="1.0.0"), "it is another image than the manifest says"),
    ],
)
def test_what_does_not_hold_is_listed(out, damage, problem):
    damage(out)
    [found] = check_batch(out).problems
    assert found.startswith(f"{NAME}: ")
    assert problem in found
    assert str(out) not in found


def leaves(value, path=()):
    """Places of all values in an entry."""
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key))
    else:
        yield path


def test_no_value_of_an_entry_can_be_changed_unseen(out):
    manifest = json.loads((out / "manifest.json").read_text())
    number, entry = next((i, entry) for i, entry in enumerate(manifest["items"]) if entry["output"] == NAME)
    for path in leaves(entry):
        changed = copy.deepcopy(entry)
        table = changed
        for key in path[:-1]:
            table = table[key]
        value = table[path[-1]]
        table[path[-1]] = value + 1 if isinstance(value, (int, float)) else f"{value}0"
        (out / "manifest.json").write_text(json.dumps({"layout": 1, "items": [changed]}))
        assert len(check_batch(out).problems) == 1, path
    del entry[SEAL]
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert check_batch(out).problems == (f"{NAME}: its entry has been changed",)
    assert number


@pytest.mark.parametrize("layout", [2, None, "1"])
def test_a_manifest_of_another_layout_is_refused(out, layout):
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "layout": layout}))
    with pytest.raises(ParameterError, match=r"manifest\.json has layout .*, expected 1"):
        check_batch(out)


def flip(out, at, *, fix=False):
    data = bytearray((out / NAME).read_bytes())
    data[at] ^= 1
    (consistent if fix else lambda *given: (out / NAME).write_bytes(given[2]))(out, NAME, bytes(data))


@pytest.mark.parametrize("name", ["../x.npy", None, 3, "a/b.npy", "\x1b"])
def test_a_name_that_is_none_is_a_problem(out, name):
    change_entry(out, NAME, output=name)
    [found] = check_batch(out).problems
    assert "\x1b" not in found


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"items": 3}'])
def test_a_folder_without_a_manifest_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ParameterError, match=r"manifest\.json"):
        check_batch(tmp_path)


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 3000),
    frag_size=st.integers(1, 60),
    n_coded=st.integers(0, 40),
    dialect=st.sampled_from(["1.0.0", "2.0.0"]),
    seed=st.integers(0, 2**32),
)
def test_every_block_is_rebuilt_however_few_coded_fragments_it_has(length, frag_size, n_coded, dialect, seed):
    image = image_bytes(length)
    block = ff.prepare(image, frag_size, n_coded=n_coded, dialect=dialect)
    assert rebuilt(block, seed) == image


@pytest.mark.parametrize("frame", [41, 45, 49])
def test_each_coded_fragment_that_is_not_lost_takes_part(frame):
    image = image_bytes(400)
    block = ff.prepare(image, 10, n_coded=10)
    frames = np.array(block.frames)
    frames[frame, 7] ^= 0xFF
    wrong = ff.FragmentedBlock(
        frames, 400, block.rows.copy(), matrix=ff.ParityMatrix(40), frag_index=0, descriptor=bytes(4)
    )
    assert sum(rebuilt(wrong, seed) != image for seed in range(10)) >= 5


def test_a_single_fragment_is_checked(tmp_path):
    config = small_batch(tmp_path, {"a.bin": 5}, [Target(name="t", dr=5, redundancy=3)])
    prepare_batch(config, tmp_path / "out")
    assert check_batch(tmp_path / "out").problems == ()
