"""Identifiers in any usual spelling have one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.wire.identifiers import canonical_eui, canonical_mc_addr, is_eui, is_mc_addr

SEPARATORS = st.sampled_from(["", "-", ":", " "])


@st.composite
def spelled(draw: st.DrawFn, n_bytes: int) -> tuple[str, str]:
    """An identifier, and a spelling of it: capitals, a separator after every n bytes, 0x, blanks around it."""
    digits = draw(st.binary(min_size=n_bytes, max_size=n_bytes)).hex()
    step = 2 * draw(st.sampled_from([1, 2, 4]))
    parts = [digits[i : i + step] for i in range(0, len(digits), step)]
    text = draw(SEPARATORS).join(part.upper() if draw(st.booleans()) else part for part in parts)
    return digits, draw(st.sampled_from(["", "0x", "0X", " "])) + text + draw(st.sampled_from(["", " "]))


@given(spelled(8))
def test_every_spelling_of_an_eui_has_one_form(found: tuple[str, str]):
    digits, text = found
    assert canonical_eui(text) == digits
    assert is_eui(digits)


@given(spelled(4))
def test_every_spelling_of_a_mc_addr_has_one_form(found: tuple[str, str]):
    digits, text = found
    assert canonical_mc_addr(text) == digits
    assert is_mc_addr(digits)


@given(st.text())
def test_other_texts_stay_as_they_are(text: str):
    for canonical, known in ((canonical_eui, is_eui), (canonical_mc_addr, is_mc_addr)):
        assert known(canonical(text)) or canonical(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "00-11-22-33-44-55-66",
        "00-11-22-33-44-55-66-77-88",
        "00-11:22-33-44-55-66-77",
        "00--11-22-33-44-55-66-77",
        "0-0112233445566-77",
        "0011223344556677\n",
        "0x0x11223344556677",
        "٠٠11223344556677",
        "",
    ],
)
def test_what_is_not_an_eui_is_left_to_the_checks(text: str):
    assert canonical_eui(text) == text
    assert not is_eui(text)
