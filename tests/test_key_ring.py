"""The port to secrets: keys by name, which show nowhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frames import local_variables

from fuota_fec import key_ring
from fuota_fec.campaign import config
from fuota_fec.errors import ParameterError, WireError
from fuota_fec.key_ring import KeyRing
from fuota_fec.wire.keys import Key

SECRET = "00112233445566778899aabbccddeeff"


def ring() -> KeyRing:
    return KeyRing(root_keys={"d": Key.from_hex(SECRET)}, mc_keys={"g": Key.from_hex(SECRET[::-1])})


def hides(text: str) -> bool:
    plain = text.lower().replace(" ", "").replace("\\x", "")
    return SECRET not in plain and SECRET[::-1] not in plain and SECRET[2:20] not in plain


def test_keys_of_a_ring_are_found_by_name() -> None:
    assert ring().root_key("d") == Key.from_hex(SECRET)
    assert ring().mc_key("g") == Key.from_hex(SECRET[::-1])


def test_a_key_that_is_not_in_the_ring_is_named() -> None:
    with pytest.raises(ParameterError, match="no root key named 'g'"):
        ring().root_key("g")
    with pytest.raises(ParameterError, match="no multicast key named 'd'"):
        ring().mc_key("d")


def test_a_ring_does_not_follow_the_callers_mapping() -> None:
    keys = {"d": Key.from_hex(SECRET)}
    made = KeyRing(root_keys=keys, mc_keys={})
    keys.clear()
    assert made.root_key("d")


def test_the_keys_of_a_ring_show_nowhere() -> None:
    assert hides(repr(ring()))
    assert hides(str(ring()))
    assert hides(f"{ring()}")
    with pytest.raises(ParameterError) as error:
        ring().root_key("x")
    assert hides(str(error.value))


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_a_ring_is_read_from_toml_and_json(tmp_path, suffix) -> None:
    path = tmp_path / f"keys.{suffix}"
    tables = {"root_keys": {"d": SECRET}, "mc_keys": {"g": SECRET[::-1]}}
    toml = "".join(f'[{kind}]\n{name} = "{text}"\n' for kind, keys in tables.items() for name, text in keys.items())
    path.write_text(toml if suffix == "toml" else json.dumps(tables))
    assert KeyRing.load(path).root_key("d") == Key.from_hex(SECRET)
    assert KeyRing.load(path).mc_key("g") == Key.from_hex(SECRET[::-1])


@pytest.mark.parametrize(
    "text",
    [
        f'[root_keys]\nd = "{SECRET}0"',
        f'[root_keys]\nd = "{SECRET[:-1]}g"',
        f'[root_keys]\nd = ["{SECRET}"]',
        f"[root_keys]\nd = {int(SECRET[:14], 16)}",
        f'root_keys = "{SECRET}"',
        f'[other]\nd = "{SECRET}"',
        f'[root_keys]\nd = "{SECRET}',
        f'd = "{SECRET}"',
    ],
)
def test_a_mistyped_key_is_not_shown_in_the_error(tmp_path, text) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(ParameterError) as error:
        KeyRing.load(path)
    assert str(path) in str(error.value)
    chain: BaseException | None = error.value
    while chain is not None:
        assert hides(str(chain))
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


def test_the_ring_is_also_a_name_of_the_configuration() -> None:
    assert config.KeyRing is KeyRing


def written(path: Path, text: str, suffix: str) -> Path:
    (path / f"keys.{suffix}").write_text(text)
    return path / f"keys.{suffix}"


RAISING: list[Callable[[Path], object]] = [
    lambda _: Key.from_hex(SECRET[:-1]),
    lambda _: Key.from_hex(SECRET + "00"),
    lambda _: Key.from_hex(SECRET[:-1] + "g"),
    lambda _: Key(bytes.fromhex(SECRET) + b"0"),
    lambda _: Key(SECRET),  # type: ignore[arg-type]
    lambda _: ring().root_key(SECRET),
    lambda _: KeyRing.from_env("X_", {"X_ROOT_KEY_A": SECRET + "0"}),
    lambda _: KeyRing.from_command(["echo", f'[root_keys]\na = "{SECRET}0"']),
    lambda _: KeyRing.from_command(["echo", f'[root_keys]\na = "{SECRET}']),
    lambda _: KeyRing.from_command(["sh", "-c", f"echo {SECRET}; exit 3"]),
    lambda _: KeyRing.from_mapping({"file": [SECRET]}),
    lambda _: KeyRing.from_mapping({"root_keys": {"d": SECRET}}),
    lambda _: KeyRing.from_mapping({"file": SECRET}),
    lambda _: KeyRing.from_mapping({"env": SECRET}),
    lambda _: KeyRing.from_mapping({"command": f"echo {SECRET}"}),
    lambda _: KeyRing(root_keys={"d": SECRET}, mc_keys={}),  # type: ignore[dict-item]
    lambda _: KeyRing(root_keys={}, mc_keys=SECRET),  # type: ignore[arg-type]
    lambda path: KeyRing.load(written(path, f'[root_keys]\nd = "{SECRET}0"', "toml")),
    lambda path: KeyRing.load(written(path, f'[root_keys."{SECRET}"]\n[root_keys."{SECRET}"]', "toml")),
    lambda path: KeyRing.load(written(path, f'root_keys = {{ "{SECRET}" = 1, "{SECRET}" = 2 }}', "toml")),
    lambda path: KeyRing.load(written(path, f'[root_keys]\n{SECRET} = "d"', "toml")),
    lambda path: KeyRing.load(written(path, f'[root_keys]\nd = "{SECRET}', "toml")),
    lambda path: KeyRing.load(written(path, f'{{"root_keys": {{"d": "{SECRET}"', "json")),
    lambda path: KeyRing.load(written(path, f'["{SECRET}"]', "json")),
    lambda path: KeyRing.load(written(path, f'{{"{SECRET}": 1}}', "json")),
]


@pytest.mark.parametrize("call", RAISING)
def test_a_key_is_in_no_message_and_in_no_local_variable_of_what_raises(
    tmp_path: Path, call: Callable[[Path], object]
) -> None:
    with pytest.raises((ParameterError, WireError)) as caught:
        call(tmp_path)
    assert hides(str(caught.value))
    own = [text for text in local_variables(caught.value) if not hides(text)]
    # A caller that passes a key as the word of a command, or as a name, has it in the open.
    in_the_open = ("['", repr(SECRET))
    assert [text for text in own if not text.startswith(in_the_open)] == []


@pytest.mark.parametrize("name", ["0011223344556677", "00-11-22-33-44-55-66-77", "00:11:22:33:44:55:66:77"])
def test_a_dev_eui_is_a_name_in_any_usual_spelling(tmp_path: Path, name: str) -> None:
    made = KeyRing.load(written(tmp_path, json.dumps({"root_keys": {name: SECRET}}), "json"))
    assert made.root_key("0011223344556677") == made.root_key("00 11 22 33 44 55 66 77") == Key.from_hex(SECRET)
    environ = {f"K_ROOT_KEY_{name.replace(':', '').replace('-', '').upper()}": SECRET}
    assert KeyRing.from_env("K_", environ).root_key(name) == Key.from_hex(SECRET)


def test_keys_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_ROOT_KEY_VAULT_METERS_7", SECRET)
    monkeypatch.setenv("FLEET_MC_KEY_pumps", SECRET[::-1])
    made = KeyRing.from_env("FLEET_")
    assert repr(made) == "<KeyRing of 1 root keys and 1 multicast keys>"
    assert made.root_key("vault/meters-7") == Key.from_hex(SECRET)
    assert made.mc_key("Pumps") == Key.from_hex(SECRET[::-1])
    with pytest.raises(ParameterError, match="no multicast key named 'METERS'"):
        made.mc_key("meters")


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({}, "environment, K_*: there are no keys, expected variables K_ROOT_KEY_… and K_MC_KEY_…"),
        ({"K_MC_KEY_A": "x"}, "environment, K_*: K_MC_KEY_A: the value is not a key, expected 32 hexadecimal digits"),
        ({"K_MC_KEY_": SECRET}, "environment, K_*: there are no keys, expected"),
    ],
)
def test_an_environment_without_keys_is_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(ParameterError) as caught:
        KeyRing.from_env("K_", environ)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize("text", [f'[root_keys]\nd = "{SECRET}"\n', json.dumps({"root_keys": {"d": SECRET}})])
def test_keys_are_read_from_the_output_of_a_command(text: str) -> None:
    made = KeyRing.from_command([sys.executable, "-c", f"print({text!r})"])
    assert made.root_key("d") == Key.from_hex(SECRET)


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["sh", "-c", "exit 3"], "command 'sh': exit status 3, expected 0"),
        (["/none/such"], "command '/none/such': cannot be run: No such file or directory"),
        ([], "command '': cannot be run: "),
        (["a\0b"], "cannot be run: ValueError"),
        (["printf", "\\377"], "command 'printf': its output is not UTF-8 text"),
        (["echo", "x"], "command 'echo': "),
        (["echo", "[keys]"], "command 'echo': unknown key 'keys', expected root_keys and mc_keys"),
    ],
)
def test_a_command_without_keys_is_refused(argv: list[str], problem: str) -> None:
    with pytest.raises(ParameterError) as caught:
        KeyRing.from_command(argv)
    assert problem in str(caught.value)


def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ParameterError, match=r"command 'sleep': did not end, expected keys within 0\.05 s"):
        KeyRing.from_command(["sleep", "30"], timeout=0.05)


@pytest.mark.parametrize("given", [b"", bytes(32)])
@pytest.mark.parametrize(
    ("argv", "output", "problem"),
    [
        (["yes"], b"", "printed more than 1000 bytes, expected fewer"),
        (["sh", "-c", "head -c 1000 /dev/zero"], bytes(1000), ""),
        (["sh", "-c", "exec >&-; sleep 30"], b"", "did not end, expected keys within 0.5 s"),
        (["sh", "-c", "echo k; exit 3"], b"", "exit status 3, expected 0"),
        (["true"], b"", ""),
    ],
)
def test_the_output_of_a_command_is_bounded(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], output: bytes, problem: str, given: bytes
) -> None:
    monkeypatch.setattr(key_ring, "MOST_OUTPUT", 1000)
    assert key_ring.run_command(argv, 0.5, given=given) == (output, problem)


def test_a_command_reads_what_it_is_given() -> None:
    assert key_ring.run_command(["cat"], 10.0, given=b"digest") == (b"digest", "")


def test_a_table_names_the_source_of_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, f'[root_keys]\nd = "{SECRET}"', "toml")
    monkeypatch.setenv("K_ROOT_KEY_D", SECRET)
    for table in ({"file": "keys.toml"}, {"env": "K_"}, {"command": ["cat", str(tmp_path / "keys.toml")]}):
        assert KeyRing.from_mapping(table, tmp_path).root_key("d") == Key.from_hex(SECRET)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "keys: none of them given, expected one of file, env, command"),
        ({"file": "a", "env": "b"}, "keys: file, env given, expected one of file, env, command"),
        ({"path": "a", "env": "K_"}, "keys: unknown key 'path', expected one of file, env, command"),
        ({"file": 3}, "keys.file: a value of type int cannot be used, expected a text"),
        ({"env": ""}, "keys.env: a value of type str cannot be used, expected a text"),
        ({"command": "cat keys"}, "keys.command: a value of type str cannot be used, expected a list of words"),
        ({"file": SECRET}, "keys.file: '(32 hexadecimal digits)' is not a source, expected the name of one"),
        ({"command": []}, "keys.command: a value of type list cannot be used, expected a list of words"),
    ],
)
def test_a_table_that_names_no_source_is_refused(table: dict[str, object], problem: str) -> None:
    with pytest.raises(ParameterError) as caught:
        KeyRing.from_mapping(table)
    assert problem in caught.value.problems


@pytest.mark.parametrize("wrong", [{"d": SECRET}, {"d": None}, {1: Key.from_hex(SECRET)}, [SECRET], SECRET, None])
def test_a_ring_has_keys_by_name_and_nothing_else(wrong: Any) -> None:
    for kind in ("root_keys", "mc_keys"):
        with pytest.raises(ParameterError, match=f"key ring: {kind}: expected names with a Key each") as caught:
            KeyRing(**{"root_keys": {}, "mc_keys": {}, kind: wrong})
        assert hides(str(caught.value))
