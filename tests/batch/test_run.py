"""Batches: the same bytes whatever the executor and the order; an item that fails leaves the others alone."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from batches import SIZES, TARGETS, Inline, Shuffled, contents, image_bytes, small_batch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.batch import BatchImage, Target, output, prepare_batch
from fuota_fec.errors import FuotaError


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    config = small_batch(folder)
    prepare_batch(config, folder / "out", executor=Inline())
    return config, contents(folder / "out")


def entries(out):
    return {entry["output"]: entry for entry in json.loads((out / "manifest.json").read_text())["items"]}


def test_every_pair_has_its_frames_and_its_entry(tmp_path):
    config = small_batch(tmp_path)
    result = prepare_batch(config, tmp_path / "out")
    assert (result.n_made, result.n_kept, result.n_failed) == (9, 0, 0)
    assert sorted(contents(tmp_path / "out")) == sorted([*(entry["output"] for entry in result.items), "manifest.json"])
    for entry in result.items:
        path = tmp_path / "out" / entry["output"]
        image = image_bytes(entry["image"]["len"])
        frames = np.load(path, mmap_mode="r")
        rows = range(1, entry["n_coded"] + 1) if entry["rows"] == "first" else entry["rows"]
        block = ff.prepare(
            image,
            entry["frag_size"],
            rows=rows,
            dialect=entry["dialect"],
            frag_index=entry["setup"]["frag_index"],
            descriptor=bytes.fromhex(entry["setup"]["descriptor"]),
        )
        assert np.array_equal(frames, block.frames)
        assert frames.dtype == np.uint8
        assert frames.shape == (entry["n_frags"] + entry["n_coded"], 3 + entry["frag_size"])
        assert (entry["padding"], entry["n_frags"]) == (block.padding, block.n_frags)
        assert path.stat().st_size == entry["output_len"] == 128 + frames.nbytes
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["output_sha256"]
        assert entry["image"]["sha256"] == hashlib.sha256(image).hexdigest()
        mic = {"session_cnt": 0, "mic": bytes(4)} if entry["dialect"] == "2.0.0" else {}
        setup = block.setup_request(mc_group_bit_mask=0, block_ack_delay=0, **mic)
        assert {name: getattr(setup, name) for name in ("frag_index", "nb_frag", "frag_size", "padding")} == {
            name: entry["setup"][name] for name in ("frag_index", "nb_frag", "frag_size", "padding")
        }


def test_the_manifest_has_no_time_and_no_path_of_this_machine(tmp_path, batch):
    config, made = batch
    text = made["manifest.json"].decode()
    assert config.folder not in text
    other = small_batch(tmp_path)
    prepare_batch(other, tmp_path / "other")
    assert contents(tmp_path / "other") == made


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), workers=st.integers(1, 5))
def test_any_order_and_any_number_of_threads_give_the_same_bytes(tmp_path_factory, batch, seed, workers):
    config, made = batch
    rng = random.Random(seed)
    mixed = replace(
        config,
        images=tuple(rng.sample(config.images, len(config.images))),
        targets=tuple(rng.sample(config.targets, len(config.targets))),
    )
    out = tmp_path_factory.mktemp("out")
    with rng.choice([ThreadPoolExecutor(workers), Shuffled(seed)]) as executor:
        prepare_batch(mixed, out, executor=executor)
    assert contents(out) == made


def test_processes_give_the_same_bytes(tmp_path, batch):
    config, made = batch
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as processes:
        prepare_batch(config, tmp_path, executor=processes)
    assert contents(tmp_path) == made


def test_tasks_in_the_executor_are_bounded(tmp_path, monkeypatch, batch):
    config, made = batch
    monkeypatch.setattr("fuota_fec.batch.run.IN_FLIGHT", 2)
    monkeypatch.setattr("fuota_fec.batch.run.MOST_JOBS", 1)
    with Shuffled(1) as executor:
        prepare_batch(config, tmp_path, executor=executor)
    assert contents(tmp_path) == made


def test_progress_is_reported_up_to_all_pairs(tmp_path, batch):
    calls = []
    prepare_batch(batch[0], tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert calls[-1] == (9, 9)


def test_what_is_whole_is_kept_and_the_rest_made_again(tmp_path, batch):
    config, made = batch
    prepare_batch(config, tmp_path)
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    (tmp_path / "boot-small.npy").unlink()
    (tmp_path / "data-small.npy").write_bytes(b"torn")
    result = prepare_batch(config, tmp_path)
    assert (result.n_made, result.n_kept) == (2, 7)
    assert contents(tmp_path) == made
    kept = before.keys() - {"boot-small.npy", "data-small.npy"}
    assert {name: before[name] for name in kept} == {name: (tmp_path / name).stat().st_ino for name in kept}


def test_a_pipe_in_the_place_of_an_output_is_replaced(tmp_path, batch):
    config, made = batch
    prepare_batch(config, tmp_path / "out")
    (tmp_path / "out" / "boot-small.npy").unlink()
    os.mkfifo(tmp_path / "out" / "boot-small.npy")
    assert prepare_batch(config, tmp_path / "out").n_made == 1
    assert contents(tmp_path / "out") == made


def test_an_output_whose_entry_was_changed_is_made_again(tmp_path, batch):
    config, made = batch
    prepare_batch(config, tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"n_coded":7', '"n_coded":8', 1))
    result = prepare_batch(config, tmp_path / "out", executor=Inline())
    assert (result.n_made, result.n_kept) == (1, 8)
    assert contents(tmp_path / "out") == made


def test_a_changed_image_is_made_again_and_no_other(tmp_path):
    config = small_batch(tmp_path)
    prepare_batch(config, tmp_path / "out")
    (tmp_path / "boot.bin").write_bytes(image_bytes(1500, seed=3))
    result = prepare_batch(config, tmp_path / "out")
    assert (result.n_made, result.n_kept) == (3, 6)
    assert entries(tmp_path / "out")["boot-small.npy"]["image"]["len"] == 1500


BAD_IMAGES = {
    "missing.bin": (None, "cannot be read: No such file"),
    "empty.bin": (b"", "the image is empty"),
    "overlap.hex": (b":020000000102FB\n:020001000304F6\n:00000001FF\n", "given twice"),
    "page.bin": (b"<!doctype html><html></html>", "expected firmware"),
    "huge.bin": (bytes(range(1, 251)) * 4 * 4000, "bytes or more would fit"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_an_image_that_cannot_be_prepared_fails_with_its_reason_and_the_others_go_on(tmp_path, name):
    data, reason = BAD_IMAGES[name]
    config = small_batch(tmp_path, targets=[Target(name="t", fsize=48, duty_cycle=1.0), *TARGETS[1:2]])
    if data is not None:
        (tmp_path / name).write_bytes(data)
    result = prepare_batch(replace(config, images=(*config.images, BatchImage(path=name))), tmp_path / "out")
    assert (result.n_made, result.n_failed) == (6, 2)
    for entry in result.failed:
        assert entry["image"]["source"] == name
        assert reason in entry["reason"]
        assert str(tmp_path) not in entry["reason"]
    assert sorted(contents(tmp_path / "out")) == sorted(
        [f"{image[:-4]}-{target}.npy" for image in SIZES for target in ("t", "small")] + ["manifest.json"]
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (Target(name="x", dr=14), "dr: DR14 is not defined in EU868"),
        (Target(name="x", dr=5, profile="lbm", fsize=16), "lbm devices take at most 100"),
        (Target(name="x", dr=5, profile="zephyr", dialect="2.0.0"), "zephyr devices speak 1.0.0"),
        (Target(name="x", region="CN470", dr=5), "frequency is missing"),
        (
            Target(name="x", dr=5, redundancy="planned", loss=0.5, success_threshold=99, frag_redundancy_max=3),
            "no number of coded fragments up to 3",
        ),
    ],
)
def test_a_target_that_cannot_be_served_fails_and_the_others_go_on(tmp_path, target, reason):
    config = small_batch(tmp_path, {"app.bin": 5000}, [TARGETS[0], target])
    result = prepare_batch(config, tmp_path / "out")
    assert (result.n_made, result.n_failed) == (1, 1)
    assert reason in result.failed[0]["reason"]


def test_two_pairs_with_one_name_fail_and_the_others_go_on(tmp_path):
    config = small_batch(tmp_path, {"a.bin": 100, "b.bin": 200})
    twice = replace(config, images=(*config.images, BatchImage(path="a.bin")), targets=TARGETS[:1])
    result = prepare_batch(twice, tmp_path / "out")
    assert (result.n_made, result.n_failed) == (1, 2)
    assert {entry["reason"].partition(",")[0] for entry in result.failed} == {
        "a-eu868-dr5.npy: several pairs have this output"
    }
    assert "a-eu868-dr5.npy" not in contents(tmp_path / "out")


def test_a_pair_that_failed_is_tried_again(tmp_path):
    config = small_batch(tmp_path, {"a.bin": 100})
    (tmp_path / "a.bin").unlink()
    assert prepare_batch(config, tmp_path / "out").n_failed == 3
    (tmp_path / "a.bin").write_bytes(image_bytes(100))
    assert prepare_batch(config, tmp_path / "out").n_made == 3


@pytest.mark.parametrize("call", ["writev", "fsync", "replace"])
def test_a_full_disk_fails_its_pair_alone_and_leaves_nothing_half_written(tmp_path, monkeypatch, batch, call):
    config, made = batch
    real, calls = getattr(os, call), []

    def full(*args):
        calls.append(args)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))
        if call == "writev" and len(calls) == 3:
            return os.write(args[0], bytes(args[1][0])[:10])
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(output.os, call, full)
        result = prepare_batch(config, tmp_path, executor=Inline())
    assert [entry["reason"] for entry in result.failed] == ["No space left on device"]
    assert result.n_made == 8
    missing = {entry["output"] for entry in result.failed}
    assert contents(tmp_path).keys() == made.keys() - missing
    assert all(made[name] == data for name, data in contents(tmp_path).items() if name != "manifest.json")
    assert prepare_batch(config, tmp_path).n_made == 1
    assert contents(tmp_path) == made


def test_a_disk_without_space_for_entries_fails_the_pairs_of_that_image(tmp_path, monkeypatch, batch):
    config, made = batch
    with monkeypatch.context() as patched:
        patched.setattr(output.OutputFolder, "note", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        result = prepare_batch(config, tmp_path)
    assert {entry["reason"] for entry in result.failed} == {"No space left"}
    assert contents(tmp_path).keys() == {"manifest.json"}
    assert prepare_batch(config, tmp_path).n_made == 9
    assert contents(tmp_path) == made


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_an_interrupted_batch_goes_on_where_it_ended(tmp_path, batch, error):
    config, made = batch

    def interrupt(done, _total):
        if done >= 5:
            raise error

    with pytest.raises(type(error)):
        prepare_batch(config, tmp_path, progress=interrupt)
    assert all(made[name] == data for name, data in contents(tmp_path).items() if not name.startswith("."))
    result = prepare_batch(config, tmp_path)
    assert result.n_kept >= 5
    assert contents(tmp_path) == made


def die(_task):
    os._exit(1)


def test_a_worker_that_dies_ends_the_batch_which_can_go_on(tmp_path, monkeypatch, batch):
    config, made = batch
    monkeypatch.setattr("fuota_fec.batch.run.run_task", die)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as processes,
        pytest.raises(FuotaError, match="a worker ended"),
    ):
        prepare_batch(config, tmp_path, executor=processes)
    monkeypatch.undo()
    prepare_batch(config, tmp_path)
    assert contents(tmp_path) == made


def test_outputs_of_another_batch_stay_and_the_manifest_is_of_this_one(tmp_path):
    config = small_batch(tmp_path, {"a.bin": 100, "b.bin": 200})
    prepare_batch(replace(config, images=config.images[:1]), tmp_path / "out")
    prepare_batch(replace(config, images=config.images[1:]), tmp_path / "out")
    assert {name[0] for name in entries(tmp_path / "out")} == {"b"}
    assert "a-small.npy" in contents(tmp_path / "out")


def test_a_disk_without_space_for_the_manifest_ends_the_batch_which_can_go_on(tmp_path, monkeypatch, batch):
    config, made = batch
    real = output.write_aside

    def full(path, parts):
        if path.endswith("--1"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, parts)

    with monkeypatch.context() as patched:
        patched.setattr(output, "write_aside", full)
        with pytest.raises(OSError, match="No space"):
            prepare_batch(config, tmp_path)
    assert "manifest.json" not in contents(tmp_path)
    result = prepare_batch(config, tmp_path)
    assert (result.n_made, result.n_kept) == (0, 9)
    assert contents(tmp_path) == made
