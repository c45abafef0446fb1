"""Names of regions in the spellings of people, regulators and network servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.radio.names import canonical_region
from fuota_fec.radio.regions import REGIONS


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("AS923", "AS923-1"),
        ("as923-1", "AS923-1"),
        ("as923_4", "AS923-4"),
        ("AS_923_3", "AS923-3"),
        ("eu868", "EU868"),
        ("EU 868", "EU868"),
        ("EU863-870", "EU868"),
        ("eu863–870", "EU868"),
        ("EU_863_870", "EU868"),
        ("EU 863-870 MHz", "EU868"),
        ("US902-928", "US915"),
        ("AU915-928", "AU915"),
        ("AU_915_928", "AU915"),
        ("CN470-510", "CN470"),
        ("cn470-rp1.0", "CN470-RP1.0"),
        ("KR920-923", "KR920"),
        ("IN865-867", "IN865"),
        ("RU864-870", "RU864"),
        ("ism2400", "ISM2400"),
    ],
)
def test_a_region_is_known_by_its_usual_names(written: str, name: str):
    assert canonical_region(written) == name
    assert name in REGIONS


@given(st.sampled_from(list(REGIONS)), st.sampled_from("-_ "), st.booleans(), st.sampled_from(["", " "]))
def test_capitals_and_separators_make_no_difference(name: str, separator: str, small: bool, around: str):
    written = around + name.replace("-", separator) + around
    assert canonical_region(written.lower() if small else written) == name


@given(st.text())
def test_a_canonical_name_stays(text: str):
    assert canonical_region(canonical_region(text)) == canonical_region(text)
