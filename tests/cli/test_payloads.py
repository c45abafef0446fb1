"""Payloads in hexadecimal and base64: both are read, and what was read is said."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.cli.payloads import BASE64, HEXADECIMAL, encoding_of, from_base64, read_payload

octets = st.binary(max_size=40)


@given(octets, st.sampled_from(["", " ", ":", "-"]), st.booleans(), st.sampled_from(["", "0x", "0X"]))
def test_hexadecimal_is_read_in_its_usual_forms(data: bytes, separator: str, capitals: bool, prefix: str):
    text = prefix + (data.hex(separator) if separator else data.hex())
    found = read_payload(text.upper() if capitals else text)
    assert found == (data, HEXADECIMAL)


@given(octets, st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]), st.booleans())
def test_base64_is_read_with_both_alphabets_and_with_or_without_padding(data: bytes, encode, padded: bool):
    text = encode(data).decode()
    assert from_base64(text if padded else text.rstrip("=")) == data
    found = read_payload(text)
    assert found is not None
    assert found.encoding == HEXADECIMAL or found == (data, BASE64)


@given(st.lists(octets, min_size=1))
def test_a_file_has_one_encoding(payloads: list[bytes]):
    assert encoding_of([data.hex() for data in payloads]) == HEXADECIMAL
    texts = [base64.b64encode(data).decode() for data in payloads]
    read = [read_payload(text) for text in texts]
    hexadecimal = all(one is not None and one.encoding == HEXADECIMAL for one in read)
    assert encoding_of(texts) == (HEXADECIMAL if hexadecimal else BASE64)


@pytest.mark.parametrize("text", ["0", "zz", "zz==", "????", "0x0x01", "é", "AgAV=ADA"])
def test_other_texts_are_in_neither(text: str):
    assert read_payload(text) is None


@pytest.mark.parametrize("text", ["beef", "0102", ""])
def test_what_may_be_either_is_hexadecimal(text: str):
    assert read_payload(text) == (bytes.fromhex(text), HEXADECIMAL)
