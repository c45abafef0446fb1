"""Tasks: one image for some targets, with an outcome for each."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest
from batches import contents, image_bytes

from fuota_fec.batch import task as tasks
from fuota_fec.batch.config import BatchImage, Target
from fuota_fec.batch.task import Job, Task, reason_of, run_task
from fuota_fec.devices.profiles import PROFILES
from fuota_fec.errors import ParameterError


def task_of(folder, *targets, image=None, known=None):
    jobs = tuple(
        Job(
            target=target,
            profile=PROFILES[target.profile],
            output=f"{target.name}.npy",
            aside=str(folder / f"{target.name}.npy"),
            known=known,
        )
        for target in targets
    )
    return Task(image=image or BatchImage(path="a.bin"), folder=str(folder), out=str(folder), jobs=jobs)


def test_a_task_can_go_to_another_process(tmp_path):
    task = task_of(tmp_path, Target(name="t", dr=5))
    assert pickle.loads(pickle.dumps(task)) == task


def test_the_image_is_read_once_for_all_targets(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(image_bytes(2000))
    calls = []
    real = tasks.Contents.read
    monkeypatch.setattr(tasks.Contents, "read", lambda self: calls.append(1) or real(self))
    done = run_task(task_of(tmp_path, Target(name="x", dr=5), Target(name="y", dr=0), Target(name="z", dr=15)))
    assert [one.state for one in done] == ["made", "made", "failed"]
    assert calls == [1]
    assert json.loads(done[2].line)["reason"].startswith("dr: DR15 is not defined")


def test_a_whole_output_is_kept_and_the_image_not_even_parsed(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(image_bytes(2000))
    [made] = run_task(task_of(tmp_path, Target(name="x", dr=5)))
    before = contents(tmp_path)
    monkeypatch.setattr(tasks.Contents, "read", None)
    [kept] = run_task(task_of(tmp_path, Target(name="x", dr=5), known=made.line))
    assert (kept.state, kept.line, contents(tmp_path)) == ("kept", made.line, before)


@pytest.mark.parametrize("change", ["image", "target", "profile", "options", "file", "longer", "gone", "version"])
def test_an_output_is_made_again_when_it_or_its_inputs_have_changed(tmp_path, monkeypatch, change):
    (tmp_path / "a.bin").write_bytes(image_bytes(2000))
    target, image, path = Target(name="x", dr=5), BatchImage(path="a.bin"), tmp_path / "x.npy"
    [made] = run_task(task_of(tmp_path, target, image=image))
    whole = path.read_bytes()
    profile = PROFILES["generic"]
    match change:
        case "image":
            (tmp_path / "a.bin").write_bytes(image_bytes(2000, seed=2))
        case "target":
            target = Target(name="x", dr=5, redundancy=1)
        case "profile":
            profile = replace(profile, max_frags=500)
        case "options":
            image = BatchImage(path="a.bin", descriptor="01020304")
        case "file":
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case "longer":
            path.write_bytes(whole + b"\0")
        case "gone":
            path.unlink()
        case "version":
            monkeypatch.setattr(tasks, "__version__", "99.0.0")
            tasks._settings_digest.cache_clear()
    job = Job(target=target, profile=profile, output="x.npy", aside=str(tmp_path / "new"), known=made.line)
    [again] = run_task(Task(image=image, folder=str(tmp_path), out=str(tmp_path), jobs=(job,)))
    assert again.state == "made"
    assert (tmp_path / "new").exists()
    tasks._settings_digest.cache_clear()


def test_an_unreadable_image_fails_all_of_its_pairs_with_the_reason(tmp_path):
    done = run_task(task_of(tmp_path, Target(name="x", dr=5), Target(name="y", dr=0)))
    assert {one.state for one in done} == {"failed"}
    assert {json.loads(one.line)["reason"] for one in done} == {
        "image a.bin: cannot be read: No such file or directory"
    }


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device", "/home/me/x"), "No space left on device"),
        (ParameterError("one\ntwo"), "one; two"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (MemoryError(), "MemoryError: "),
    ],
)
def test_a_reason_is_one_line_without_a_path(error, reason):
    assert reason_of(error) == reason
