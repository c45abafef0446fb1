"""Files of frames: their header, and what is refused of them."""

from __future__ import annotations

import copy
import io
import json

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.codec.frame_file import HEADER, block_facts, find_entry, frames_header, sealed
from fuota_fec.errors import ParameterError

IMAGE = bytes(range(1, 201))


def entry_of(block, output="a.npy", rows=None):
    return {
        "output": output,
        "status": "ready",
        "image": {"len": block.image_len},
        "dialect": block.dialect,
        "n_frags": block.n_frags,
        "frag_size": block.frag_size,
        "n_coded": block.n_coded,
        "rows": block.rows.tolist() if rows is None else rows,
        "setup": {"frag_index": block.frag_index, "descriptor": block.descriptor.hex()},
    }


@pytest.fixture
def block():
    return ff.prepare(IMAGE, 48, rows=[3, 1, 9], dialect="2.0.0", frag_index=2, descriptor=b"abcd")


@pytest.fixture
def path(tmp_path, block):
    path = tmp_path / "a.npy"
    path.write_bytes(frames_header(*block.frames.shape) + block.frames.tobytes())
    (tmp_path / "manifest.json").write_text(json.dumps({"items": [{"output": "b.npy"}, entry_of(block)]}))
    return path


@pytest.mark.parametrize("shape", [(1, 4), (16383, 258), (99999, 99999)])
def test_the_header_is_numpys_and_always_of_one_length(shape):
    header = frames_header(*shape)
    assert len(header) == HEADER == 128
    version, read = header[6:8], header[8:]
    assert version == b"\x01\x00"
    with io.BytesIO(read) as file:
        assert np.lib.format.read_array_header_1_0(file) == (shape, False, np.dtype(np.uint8))


def test_a_block_is_opened_from_its_file(path, block):
    opened = ff.FragmentedBlock.open(path)
    assert isinstance(opened.frames, np.memmap)
    assert np.array_equal(opened.frames, block.frames)
    assert not opened.frames.flags.writeable
    for name in ("n_frags", "n_coded", "frag_size", "padding", "image_len", "dialect", "frag_index", "descriptor"):
        assert getattr(opened, name) == getattr(block, name)
    assert bytes(opened.image()) == IMAGE
    assert bytes(opened.frame(block.n_frags + 9)) == bytes(block.frame(block.n_frags + 9))
    assert np.array_equal(opened.more([7, 2]), block.more([7, 2]))
    arguments = {"mc_group_bit_mask": 1, "block_ack_delay": 2, "session_cnt": 3, "mic": b"wxyz"}
    assert opened.setup_request(**arguments) == block.setup_request(**arguments)
    assert np.array_equal(copy.deepcopy(opened).frames, block.frames)


def test_the_manifest_may_be_elsewhere_or_at_hand(tmp_path, path, block):
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").rename(tmp_path / "other.json")
    for given in (tmp_path / "other.json", str(tmp_path / "other.json"), manifest):
        assert np.array_equal(ff.FragmentedBlock.open(path, given).frames, block.frames)
    with pytest.raises(ParameterError, match=r"manifest\.json: cannot be read"):
        ff.FragmentedBlock.open(path)


@pytest.mark.parametrize("count", [2**31, 2**70, -1, True, 20.0])
@pytest.mark.parametrize("name", ["n_coded", "n_frags"])
def test_an_entry_with_more_rows_than_there_can_be_is_refused_at_once(block, name, count):
    with pytest.raises(ParameterError, match="is not that of a prepared block"):
        block_facts({**entry_of(block, rows="first"), name: count})


def test_an_entry_that_was_changed_after_it_was_sealed_is_refused(path, block):
    entry = sealed(entry_of(block))
    assert ff.FragmentedBlock.open(path, {"items": [entry]}).descriptor == b"abcd"
    entry["setup"]["descriptor"] = b"abce".hex()
    with pytest.raises(ParameterError, match=r"^manifest: the entry of 'a\.npy' has been changed"):
        ff.FragmentedBlock.open(path, {"items": [entry]})


def test_a_manifest_of_another_layout_is_refused(path, block):
    with pytest.raises(ParameterError, match=r"^manifest: layout 2 is not known, expected 1$"):
        ff.FragmentedBlock.open(path, {"layout": 2, "items": [entry_of(block)]})


@pytest.mark.parametrize("manifest", [{}, {"items": 3}, {"items": [{"output": "a.npy", "status": "failed"}, 7]}])
def test_a_file_without_a_ready_entry_is_refused(path, manifest):
    with pytest.raises(ParameterError, match=r"there is no entry of 'a\.npy'"):
        find_entry(path, manifest)


@pytest.mark.parametrize(
    "change",
    [
        {"n_frags": 0},
        {"n_frags": "5"},
        {"n_frags": 16384},
        {"n_coded": 2},
        {"frag_size": 0},
        {"frag_size": 256},
        {"frag_size": 47.5},
        {"n_coded": 4},
        {"rows": [0, 1, 2]},
        {"rows": [1, 1, 2]},
        {"rows": None},
        {"dialect": "3"},
        {"image": {}},
        {"image": {"len": 0}},
        {"setup": {"frag_index": 4, "descriptor": "00000000"}},
        {"setup": {"frag_index": 0, "descriptor": "0000"}},
        {"setup": {"frag_index": 0, "descriptor": "xx"}},
    ],
)
def test_an_entry_that_no_block_can_have_is_refused(block, change):
    assert block_facts(entry_of(block)).n_frags == block.n_frags
    with pytest.raises(ParameterError, match="is not that of a prepared block"):
        block_facts(entry_of(block) | change)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:0], "not an array of 8 frames of 51 bytes"),
        (lambda data: data[:100], "not an array"),
        (lambda data: data[:-1], "not an array"),
        (lambda data: data + b"\0", "not an array"),
        (lambda data: data.replace(b"|u1", b"<u2"), "not an array"),
        (lambda data: data.replace(b"(8, 51)", b"(51, 8)"), "not an array"),
        (lambda data: data.replace(b"'fortran_order': False", b"'fortran_order': True "), "not an array"),
        (lambda data: data[:HEADER] + b"\x09" + data[HEADER + 1 :], "frame 0 begins with 090180"),
        (lambda data: data[:-51] + data[-102:-51], "frame 7 begins with"),
    ],
)
def test_a_file_that_has_not_the_frames_of_its_entry_is_refused(path, damage, message):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ParameterError, match=message):
        ff.FragmentedBlock.open(path)


def test_an_image_of_another_length_than_the_frames_is_refused(tmp_path, path, block):
    for length in (block.image_len + 48, block.image_len - 48):
        entry = entry_of(block) | {"image": {"len": length}}
        with pytest.raises(ParameterError, match="is not that of a prepared block"):
            ff.FragmentedBlock.open(path, {"items": [entry]})
