"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os

import pytest

from fuota_fec.batch import output
from fuota_fec.batch.manifest import failed_entry, manifest_text
from fuota_fec.batch.output import ASIDE, PROGRESS, OutputFolder, write_aside
from fuota_fec.codec.frame_file import line_of
from fuota_fec.errors import ParameterError

LINE = line_of(failed_entry("a.npy", "a.bin", "t", "why"))

OTHER = line_of(failed_entry("c.npy", "a.bin", "t", "why"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("most", [1, 3, 7, 100])
def test_parts_are_written_one_after_the_other_however_little_a_call_takes(tmp_path, monkeypatch, most):
    def few(handle, parts):
        return os.write(handle, b"".join(parts)[:most])

    monkeypatch.setattr(output.os, "writev", few)
    write_aside(str(tmp_path / "x"), [b"abc", memoryview(b"defgh"), b"", b"ij"])
    assert (tmp_path / "x").read_bytes() == b"abcdefghij"


@pytest.mark.parametrize("call", ["writev", "fsync"])
def test_nothing_stays_of_a_file_that_cannot_be_written(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(output.os, call, full)
    with pytest.raises(OSError, match="No space"):
        write_aside(str(tmp_path / "x"), [b"abc"])
    assert names(tmp_path) == []


def test_an_existing_file_is_not_written_to(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_aside(str(tmp_path / "x"), [b"new"])
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_folder_is_made_and_knows_what_was_noted(tmp_path):
    out = tmp_path / "deep" / "out"
    with OutputFolder(out) as folder:
        assert folder.known == {}
        folder.note([LINE])
        write_aside(folder.aside(1), [b"half"])
    assert names(out) == [PROGRESS]
    (out / PROGRESS).write_text(f'{LINE}\n{{"output":"b.npy","sta')
    with OutputFolder(out) as folder:
        assert folder.known == {"a.npy": LINE}
        folder.note([OTHER])
    with OutputFolder(out) as folder:
        assert folder.known == {"a.npy": LINE, "c.npy": OTHER}
        folder.finish(manifest_text([LINE]).encode())
    assert names(out) == ["manifest.json"]
    with OutputFolder(out) as folder:
        assert folder.known == {"a.npy": LINE}


def test_an_output_that_begins_like_a_file_that_is_not_whole_stays(tmp_path):
    name = f"{ASIDE}app-t.npy"
    with OutputFolder(tmp_path) as folder:
        write_aside(folder.aside(1), [b"whole"])
        folder.appear(folder.aside(1), name)
    assert names(tmp_path) == [name]


def test_what_a_killed_batch_left_half_written_is_removed(tmp_path):
    for name in (f"{ASIDE}1234-5", "mine.npy", ".mine"):
        (tmp_path / name).write_bytes(b"x")
    with OutputFolder(tmp_path):
        assert names(tmp_path) == [".mine", "mine.npy"]


@pytest.mark.parametrize("text", ["", "{", "\x00\x01", "[1]\n[2]\n[3]\n", '{"items": [\n7,\n{"output": []}\n]}\n'])
def test_a_manifest_of_another_form_is_taken_for_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with OutputFolder(tmp_path) as folder:
        assert folder.known == {}


def test_the_same_manifest_is_not_written_again(tmp_path):
    times = []
    for _ in range(2):
        with OutputFolder(tmp_path) as folder:
            folder.finish(b"{}\n")
        times.append((tmp_path / "manifest.json").stat().st_ino)
    assert times[0] == times[1]


def test_one_batch_at_a_time_writes_to_a_folder(tmp_path):
    with OutputFolder(tmp_path), pytest.raises(ParameterError, match="another batch"), OutputFolder(tmp_path):
        pass
    with OutputFolder(tmp_path):
        pass


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(ParameterError, match="expected a folder"), OutputFolder(tmp_path / "out"):
        pass


def test_an_entry_that_cannot_be_noted_leaves_nothing_of_it(tmp_path, monkeypatch):
    real, calls = os.write, []

    def full(handle, data):
        calls.append(len(data))
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data if len(calls) == 1 else data[:5])

    with OutputFolder(tmp_path) as folder:
        monkeypatch.setattr(output.os, "write", full)
        folder.note([LINE])
        with pytest.raises(OSError, match="No space"):
            folder.note([LINE])
    assert (tmp_path / PROGRESS).read_text() == f"\n{LINE}"


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(output.os, "access", lambda *_: False)
    with pytest.raises(ParameterError, match=r": cannot be written to: no permission, or a read-only file system"):
        OutputFolder(tmp_path).__enter__()


def test_a_manifest_that_cannot_be_written_is_named_as_the_folder_is(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.chdir(tmp_path)
    with OutputFolder("out") as folder:
        monkeypatch.setattr(output.os, "writev", full)
        with pytest.raises(OSError, match="File too large") as caught:
            folder.finish(b"x")
    assert caught.value.filename == os.path.join("out", "manifest.json")
    assert names(tmp_path / "out") == []
