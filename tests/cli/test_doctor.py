"""`doctor`: features of the installation, and the self-test."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import fuota_fec as ff
from fuota_fec import _core, _reference
from fuota_fec.cli.doctor import EXTRAS

Fuota = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


def test_doctor_prints_facts_as_json(fuota: Fuota):
    result = fuota("doctor", "--json")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    facts = json.loads(result.stdout)
    assert facts["version"] == ff.__version__
    assert facts["kernels"] == ff.kernels()
    assert facts["kernel"] == ff.kernel()
    assert facts["cpu_features"] == _core.cpu_features()
    assert "portable" in facts["kernels"]
    assert {"campaign", "image", "cli"} <= facts["extras"].keys()
    assert all(isinstance(installed, bool) for installed in facts["extras"].values())
    assert "self_test" not in facts


def test_doctor_prints_the_same_facts_as_text(fuota: Fuota):
    facts = json.loads(fuota("doctor", "--json").stdout)
    lines = dict(line.split(maxsplit=1) for line in fuota("doctor").stdout.splitlines() if not line.startswith("cpu"))
    assert lines["version"] == facts["version"]
    assert lines["kernels"] == ", ".join(facts["kernels"])
    assert lines["kernel"] == facts["kernel"]
    for name, installed in facts["extras"].items():
        assert f"{name} {'yes' if installed else 'no'}" in lines["extras"]
    for feature in facts["cpu_features"]:
        assert feature in fuota("doctor").stdout


def test_extras_are_those_of_the_package_metadata():
    """The list has the extras of pyproject.toml, except collections of other extras and that of developers."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        name: tuple(re.split(r"[\[<>=]", r)[0] for r in requirements if not r.startswith("fuota-fec["))
        for name, requirements in project["project"]["optional-dependencies"].items()
        if name not in {"all", "example", "dev"}
    }
    assert wanted == EXTRAS


def test_a_machine_without_cpu_features_has_none(fuota: Fuota, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_core, "cpu_features", list)
    [line] = [line for line in fuota("doctor").stdout.splitlines() if line.startswith("cpu features")]
    assert line.endswith(" none")


def test_the_self_test_passes_for_every_kernel(fuota: Fuota):
    result = fuota("doctor", "--self-test", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["self_test"] == dict.fromkeys(ff.kernels(), True)
    assert "self test" in fuota("doctor", "--self-test").stdout


@pytest.mark.parametrize("broken", ["encode", "decode", "undecided"])
def test_the_self_test_fails_for_a_broken_codec(fuota: Fuota, monkeypatch: pytest.MonkeyPatch, broken: str):
    """The codec has one wrong bit, returns other bytes, or never completes."""
    if broken == "encode":
        truth = _reference.encode

        def encode(*args: object, **kwargs: object) -> list[bytes]:
            rows = truth(*args, **kwargs)
            return [*rows[:-1], bytes([rows[-1][0] ^ 1]) + rows[-1][1:]]

        monkeypatch.setattr(_reference, "encode", encode)
    elif broken == "decode":
        monkeypatch.setattr(ff.Decoder, "block", lambda _self: b"other bytes")
    else:
        monkeypatch.setattr(ff.Decoder, "push", lambda *_args: False)
    result = fuota("doctor", "--self-test", "--json")
    assert json.loads(result.stdout)["self_test"] == dict.fromkeys(ff.kernels(), False)
    assert result.exit_code == 1


@pytest.mark.parametrize("name", ff.kernels())
def test_a_kernel_can_be_forced(process: Process, name: str):
    done = process("doctor", "--json", env={"FUOTA_FEC_KERNEL": name})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kernel"] == name


@pytest.mark.parametrize("args", [["doctor"], ["encode", __file__, "--format", "binary", "-o", "-"]])
def test_an_unknown_kernel_is_refused(process: Process, args: list[str]):
    done = process(*args, env={"FUOTA_FEC_KERNEL": "abacus"})
    assert (done.returncode, done.stdout) == (2, "")
    for part in ("FUOTA_FEC_KERNEL", "'abacus'", *ff.kernels()):
        assert part in done.stderr
