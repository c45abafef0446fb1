"""JSON lines, whole files, and the option --dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fuota_fec.cli import output


@pytest.mark.parametrize("data", [{}, {"a": [1, 2.5, None, True]}, {"text": 'µ\n"\u2028'}, {"nested": {"b": {}}}])
def test_json_is_one_object_on_one_line(capsys: pytest.CaptureFixture[str], data: dict[str, object]):
    output.print_json(data)
    printed = capsys.readouterr().out
    assert printed.endswith("}\n")
    assert printed.count("\n") == 1
    assert json.loads(printed) == data


@pytest.mark.parametrize("dialect", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("command", ["plan", "simulate"])
def test_the_dialect_of_a_command_is_the_version_of_its_json(fuota: Callable[..., Result], command: str, dialect: str):
    few = ("-M", 10, "--loss", 0.1, "--devices", 20, "--max-coded", 12)
    facts = json.loads(fuota(command, *few, "--dialect", dialect, "--json").stdout)
    assert facts["version"] == dialect
    assert "dialect" not in facts


@pytest.mark.parametrize("command", ["plan", "simulate", "encode", "decode"])
def test_an_unknown_dialect_is_refused(fuota: Callable[..., Result], command: str):
    result = fuota(command, "--dialect", "3.0.0")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'--dialect': '3.0.0' is not one of '1.0.0', '2.0.0'" in result.stderr


@pytest.mark.parametrize("data", [b"", b"\0", b"firmware\r\n\xff" * 10_000])
def test_a_file_is_written_byte_for_byte(tmp_path: Path, data: bytes):
    path = tmp_path / "out.bin"
    for content in (data, b"again", data):
        output.write_whole(str(path), content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]


def test_a_file_name_without_a_folder_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    output.write_whole("here", b"x")
    assert (tmp_path / "here").read_bytes() == b"x"


def test_a_dash_is_standard_output(tmp_path: Path, monkeypatch, capsysbinary: pytest.CaptureFixture[bytes]):
    monkeypatch.chdir(tmp_path)
    output.write_whole("-", b"\xff\0\r\n")
    assert capsysbinary.readouterr().out == b"\xff\0\r\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_an_interruption_leaves_the_old_file_alone(tmp_path: Path, monkeypatch, error: BaseException):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")

    def fail(*_args: object) -> None:
        raise error

    for name in ("replace", "fchmod"):
        with monkeypatch.context() as patch:
            patch.setattr(output.os, name, fail)
            with pytest.raises(type(error)):
                output.write_whole(str(path), b"new")
        assert path.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]
