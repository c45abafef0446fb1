"""`prepare`: a batch file, its outputs, and what the terminal says of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

BATCH = """
[[images]]
path = "firmware.bin"
fw_version = "2.0.0.0"
[[targets]]
name = "dr5"
dr = 5
[[targets]]
name = "small"
fsize = 48
redundancy = 5
"""


@pytest.fixture
def batch(tmp_path, firmware_bytes):
    (tmp_path / "firmware.bin").write_bytes(firmware_bytes(2000))

    def make(text=BATCH):
        path = tmp_path / "batch.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_a_batch_is_prepared_and_then_kept(fuota, tmp_path, batch):
    out = tmp_path / "out"
    done = fuota("prepare", batch(), "-o", out)
    assert (done.exit_code, done.stdout) == (0, f"{out}/manifest.json: 2 outputs prepared\n")
    assert np.load(out / "firmware-dr5.npy", mmap_mode="r").shape == (11, 242)
    again = fuota("prepare", batch(), "-o", out)
    assert again.stdout == f"{out}/manifest.json: 0 outputs prepared, 2 whole before\n"


@pytest.mark.parametrize("options", [["--workers", "3"], ["--executor", "processes", "--workers", "2"]])
def test_the_executor_changes_no_byte(fuota, process, tmp_path, batch, options):
    fuota("prepare", batch(), "-o", tmp_path / "one", "--workers", "1")
    done = process("prepare", batch(), "-o", tmp_path / "two", *options)
    assert (done.returncode, done.stderr) == (0, "")
    for path in (tmp_path / "one").iterdir():
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()


def test_a_pair_that_fails_is_named_and_the_status_is_1(fuota, tmp_path, batch):
    text = BATCH + '[[images]]\npath = "gone\\u001b[31m.bin"\noutput = "gone"\n'
    done = fuota("prepare", batch(text), "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"error: gone\\x1b[31m.bin for {target}: image 'gone\\x1b[31m.bin': cannot be read: No such file or directory"
        for target in ("dr5", "small")
    ]
    assert "2 outputs prepared, 2 failed" in done.stdout
    facts = json.loads(fuota("prepare", batch(text), "-o", tmp_path / "out", "--json").stdout)
    assert (facts["n_made"], facts["n_kept"], facts["n_failed"]) == (0, 2, 2)
    assert [(one["output"], one["target"]) for one in facts["failed"]] == [
        ("gone-dr5.npy", "dr5"),
        ("gone-small.npy", "small"),
    ]


def test_a_wrong_file_is_refused_with_every_problem_and_nothing_is_written(fuota, tmp_path, batch):
    text = BATCH.replace("dr = 5", "dr = 77").replace('"firmware.bin"', "7").replace("redundancy", "redundency")
    done = fuota("prepare", batch(text), "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 3
    assert "did you mean 'redundancy'?" in done.stderr
    assert not (tmp_path / "out").exists()


def test_warnings_are_counted(fuota, tmp_path, batch):
    text = BATCH.replace("dr = 5", "dr = 5\nmcast_msg_delay = 1\nduty_cycle = 1.0")
    done = fuota("prepare", batch(text), "-o", tmp_path / "out")
    assert done.stdout.endswith("2 outputs prepared; 1 output with warnings\n")


def test_a_file_as_the_folder_is_refused(fuota, tmp_path, batch):
    done = fuota("prepare", batch(), "-o", tmp_path / "firmware.bin")
    assert done.exit_code == 2
    assert (tmp_path / "firmware.bin").is_file()


def test_the_check_of_a_folder(fuota, tmp_path, batch):
    out = tmp_path / "out"
    fuota("prepare", batch(), "-o", out)
    done = fuota("prepare", "--check", out)
    assert (done.exit_code, done.stdout) == (0, f"{out}: 2 outputs checked, all hold\n")
    (out / "firmware-small.npy").unlink()
    done = fuota("prepare", "--check", out)
    assert (done.exit_code, done.stderr) == (1, "error: firmware-small.npy: No such file or directory\n")
    assert done.stdout == f"{out}: 2 outputs checked, 1 problem\n"
    facts = json.loads(fuota("prepare", "--check", out, "--json").stdout)
    assert (facts["ok"], facts["problems"]) == (False, ["firmware-small.npy: No such file or directory"])


@pytest.mark.parametrize("args", [[], ["batch.toml"], ["-o", "out"], ["-o", "out", "--check", "out"]])
def test_what_is_to_be_done_must_be_given(fuota, args):
    done = fuota("prepare", *args)
    assert done.exit_code == 2
    assert "--check" in done.stderr


def test_a_page_about_the_batch(fuota, tmp_path, batch):
    pytest.importorskip("jinja2")
    done = fuota("prepare", batch(), "-o", tmp_path / "out", "--report", tmp_path / "page.html")
    assert done.exit_code == 0
    assert "Batch of 1 image for 2 targets" in (tmp_path / "page.html").read_text()
    assert fuota("prepare", "--check", tmp_path / "out", "--report", "x").exit_code == 2
