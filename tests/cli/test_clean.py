"""Text for a terminal: nothing in it is obeyed, and nothing else is changed."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec.cli
from fuota_fec.cli.clean import UNSAFE, clean, say
from fuota_fec.cli.output import print_json

ANY = st.text(st.characters(codec=None))


@given(ANY)
def test_cleaned_text_has_no_control_characters(text: str) -> None:
    found = clean(text)
    assert {unicodedata.category(char) for char in found} & {"Cc", "Cs", "Zl", "Zp"} == set()
    found.encode()
    assert clean(found) == found
    if not UNSAFE.search(text):
        assert found == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("zähler 気象 ✓ 👩\u200d🔧", "zähler 気象 ✓ 👩\u200d🔧"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9d0;t\x9c", "\\x9d0;t\\x9c"),
        ("one\ntwo\tthree\r", "one\\ntwo\\tthree\\r"),
        ("\u202egnp.exe\ud800", "\\u202egnp.exe\\ud800"),
    ],
)
def test_an_escape_stands_for_each_unsafe_character(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    assert capsys.readouterr().out == f"{shown}\n"
    say(text, err=True)
    assert capsys.readouterr().err == f"{shown}\n"


@given(text=ANY)
def test_json_is_the_same_and_safe_too(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("fuota_fec.cli.output.click.echo", printed.append)
        print_json({"id": text})
    assert json.loads(printed[0]) == {"id": text}
    assert not UNSAFE.search(printed[0])


def test_there_is_no_other_way_to_print_text() -> None:
    """Modules of the command print by `say`, `print_json` or a console of console.py."""
    owners = {
        r"\bclick\.(echo|secho)\(": {"clean.py", "output.py"},
        r"(?<![\w.])print\(": {"__init__.py"},
        r"\bConsole\(": {"console.py"},
        r"\bText\(": {"console.py"},
        r"sys\.std(out|err)\.write\(": set(),
    }
    for path in Path(fuota_fec.cli.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for pattern, allowed in owners.items():
            if path.name not in allowed:
                assert not re.search(pattern, text), (path.name, pattern)
