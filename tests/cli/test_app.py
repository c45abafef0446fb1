"""The command itself: help, version, unknown commands, errors and missing packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import fuota_fec
from fuota_fec import errors
from fuota_fec.cli.app import COMMANDS, app

Fuota = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLE = Path(__file__).parents[2] / "examples" / "firmware.toml"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_command(fuota: Fuota, option: str):
    result = fuota(option)
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.stdout


def test_help_works_although_a_command_cannot_be_imported(fuota: Fuota, monkeypatch: pytest.MonkeyPatch):
    broken = {name: entry._replace(module="fuota_fec.no_such_module") for name, entry in COMMANDS.items()}
    monkeypatch.setattr("fuota_fec.cli.app.COMMANDS", broken)
    assert fuota("--help").exit_code == 0
    result = fuota("doctor", "--help")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: No module named ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(fuota: Fuota, name: str):
    result = fuota(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: fuota-fec {name} ")
    command = app.get_command(click.Context(app), name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or isinstance(parameter.type, click.Choice), parameter.name


def test_every_leaf_command_prints_json():
    def leaves(command: click.Command) -> list[click.Command]:
        if isinstance(command, click.Group):
            names = command.list_commands(click.Context(command))
            subcommands = [command.get_command(click.Context(command), name) for name in names]
            return [leaf for sub in subcommands if sub is not None for leaf in leaves(sub)]
        return [command]

    for command in leaves(app):
        assert any("--json" in parameter.opts for parameter in command.params), command.name


def test_the_version_is_printed(fuota: Fuota):
    for option in ("-V", "--version"):
        result = fuota(option)
        assert result.exit_code == 0
        assert fuota_fec.__version__ in result.stdout


@pytest.mark.parametrize(
    "args", [["encod"], ["--nonsense"], ["doctor", "--nonsense"], ["campaign", "walk"], ["doctor", "x"]]
)
def test_wrong_usage_names_the_wrong_word(fuota: Fuota, args: list[str]):
    result = fuota(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert args[-1] in result.stderr


@pytest.mark.parametrize("args", [[], ["campaign"]])
def test_usage_without_a_command_lists_the_commands(fuota: Fuota, args: list[str]):
    result = fuota(*args)
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ParameterError("what was expected"), 2),
        (errors.CampaignError("what was expected"), 2),
        (errors.JournalError("what was expected"), 2),
        (errors.NetworkError("what was expected"), 2),
        (errors.MissingExtraError("what was expected", extra="sql"), 2),
        (OSError("what was expected"), 2),
        (errors.UndecodableError("what was expected", missing=3), 1),
        (errors.WireError("what was expected"), 1),
        (errors.ParameterError("what was expected\nand more"), 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_becomes_a_message_and_an_exit_status(error: Exception, status: int, monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(app, "get_command", lambda _ctx, _name: failing)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == status
    assert result.stdout == ""
    assert result.stderr == "".join(f"error: {line}\n" for line in str(error).splitlines())


@pytest.mark.parametrize(
    ("error", "problems"),
    [
        (errors.ParameterError("what was expected\nand more"), ["what was expected", "and more"]),
        (errors.UndecodableError("what was expected", missing=3), ["what was expected"]),
        (errors.ParameterError.of(map(str, range(100))), [str(i) for i in range(20)]),
        (FileNotFoundError(2, "No such file or directory", "x"), ["x: No such file or directory"]),
        (click.UsageError("-R and --rows"), ["-R and --rows"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_with_json_an_error_is_json(error: Exception, problems: list[str], monkeypatch: pytest.MonkeyPatch):
    @click.command()
    @click.option("--json", is_flag=True)
    def failing(json: bool) -> None:
        raise error

    monkeypatch.setattr(app, "get_command", lambda _ctx, _name: failing)
    plain, result = CliRunner().invoke(app, ["doctor"]), CliRunner().invoke(app, ["doctor", "--json"])
    assert (result.exit_code, result.stdout) == (plain.exit_code, "")
    [line] = result.stderr.splitlines()
    found = json.loads(line)
    assert (found["problems"], found["status"]) == (problems, plain.exit_code)
    assert found["n_problems"] == (100 if len(problems) == 20 else len(problems))
    assert found["error"].startswith(problems[0])


@pytest.mark.parametrize("args", [["encod"], ["doctor", "--nonsense"], ["campaign", "walk"], ["decode", "x"], ["plan"]])
def test_with_json_wrong_usage_is_json(fuota: Fuota, args: list[str]):
    result = fuota(*args, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert json.loads(result.stderr)["status"] == 2


TITLE = "\x1b]0;title\x07\x9b31m"


@pytest.mark.parametrize(
    "args",
    [
        *([TITLE], [f"--{TITLE}"], ["doctor", TITLE], ["campaign", "list", "--db", "x", TITLE]),
        *(["campaign", "verify", TITLE], ["image", "x", "--start", TITLE], ["inspect", "00", "--port", TITLE]),
    ],
)
def test_wrong_usage_is_cleaned(fuota: Fuota, args: list[str]):
    """Scripts pass on ids and names that they have from elsewhere."""
    result = fuota(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.isascii()
    assert not set("\x1b\x07") & set(result.stderr)
    assert "]0;title" in result.stderr


def test_help_with_json_is_help(fuota: Fuota):
    result = fuota("doctor", "--json", "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")


def test_an_error_without_a_message_is_named(monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def failing() -> None:
        raise errors.JournalError

    monkeypatch.setattr(app, "get_command", lambda _ctx, _name: failing)
    assert CliRunner().invoke(app, ["doctor"]).stderr == "error: JournalError\n"


def test_a_programming_error_is_not_caught(monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def failing() -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(app, "get_command", lambda _ctx, _name: failing)
    assert isinstance(CliRunner().invoke(app, ["doctor"]).exception, KeyError)


# ---- packages that are not installed -----------------------------------------------------------------------


@pytest.mark.parametrize("package", ["click", "rich"])
def test_missing_packages_of_the_command_line_are_named(process: Process, package: str):
    done = process("doctor", missing=package)
    assert done.returncode == 2
    assert done.stdout == ""
    assert package in done.stderr
    assert "fuota-fec[cli]" in done.stderr


@pytest.mark.parametrize("package", ["msgspec", "cryptography"])
def test_missing_packages_of_campaigns_are_named(process: Process, package: str, campaign_file: Callable[..., Path]):
    done = process("campaign", "run", campaign_file(), missing=package)
    assert done.returncode == 2
    assert "fuota-fec[campaign]" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_package_of_the_example_image_is_named(process: Process):
    done = process("campaign", "run", EXAMPLE, missing="uflash")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'uflash'" in done.stderr
    assert "pip install uflash" in done.stderr


@pytest.mark.parametrize("package", ["msgspec", "cryptography", "bincopy"])
def test_commands_without_extras_need_no_extra_package(process: Process, tmp_path: Path, package: str):
    (tmp_path / "in.bin").write_bytes(b"firmware")
    for args in (
        ["--help"],
        ["campaign", "--help"],
        ["encode", "in.bin", "-o", "frames.txt"],
        ["decode", "frames.txt", "-o", "out.bin"],
    ):
        done = process(*args, missing=package, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), args
    assert (tmp_path / "out.bin").read_bytes() == b"firmware"


# ---- as a process ------------------------------------------------------------------------------------------


def test_a_closed_pipe_is_no_error(clean_env: dict[str, str], campaign_file: Callable[..., Path]):
    """`fuota-fec … | head -1` prints no error and no traceback."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "fuota_fec", "campaign", "run", str(campaign_file()), "--json"],
        env=clean_env,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode in (0, 1)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "args", [["doctor"], ["--help"], ["encode", "in.bin", "-o", "-"], ["campaign", "run", "campaign.toml", "--json"]]
)
def test_a_full_disk_is_an_error_in_one_line(
    clean_env: dict[str, str],
    campaign_file: Callable[..., Path],
    tmp_path: Path,
    args: list[str],
    unbuffered: str,
):
    """Both with buffered output, which is written again at exit, and with unbuffered output."""
    campaign_file()
    (tmp_path / "in.bin").write_bytes(b"firmware")
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fuota_fec", *args],
            env=clean_env | {"PYTHONUNBUFFERED": unbuffered},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    error = "[Errno 28] No space left on device"
    said = json.loads(done.stderr)["error"] if "--json" in args else done.stderr.decode()
    assert said == (error if "--json" in args else f"error: {error}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fuota-fec camp", {"campaign"}),
        ("fuota-fec campaign re", {"resume", "retry", "release", "report"}),
        ("fuota-fec campaign show x --sta", {"--status"}),
        ("fuota-fec campaign show x --status f", {"failed"}),
    ],
)
def test_a_shell_completes_commands_options_and_values(
    fuota: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, words: str, expected: set[str]
):
    """docs/how-to/shell-completion.md"""
    monkeypatch.setenv("_FUOTA_FEC_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    lines = fuota().stdout.splitlines()
    assert {line.removeprefix("plain,") for line in lines} == expected
