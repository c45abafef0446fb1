"""The port to secrets: keys by name, which show nowhere."""

from __future__ import annotations

import json

import pytest

from fuota_fec.campaign import config
from fuota_fec.errors import ParameterError
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
