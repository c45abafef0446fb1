"""Items: what is sent of an image, and what the manifest says of it."""

from __future__ import annotations

import hashlib

import pytest
from image_files import hex_file

from fuota_fec.batch.config import BatchImage
from fuota_fec.batch.items import Contents
from fuota_fec.errors import ParameterError


def test_facts_of_a_binary(tmp_path):
    data = bytes(range(200))
    (tmp_path / "a.bin").write_bytes(data)
    item = Contents(BatchImage(path="a.bin", fw_version="1.2.3.4"), str(tmp_path)).read()
    digest = hashlib.sha256(data).hexdigest()
    assert item.data == data
    assert item.facts == {
        "source": "a.bin",
        "source_len": 200,
        "source_sha256": digest,
        "format": "binary",
        "kind": "full",
        "base": None,
        "len": 200,
        "sha256": digest,
        "fw_version": 0x01020304,
        "warnings": [],
    }


def test_facts_of_a_hex_file_are_those_of_the_image_in_it(tmp_path):
    text = hex_file((0, 0, b"abcd"), (0, 8, b"efgh"))
    (tmp_path / "a.hex").write_text(text)
    item = Contents(BatchImage(path=str(tmp_path / "a.hex"), fill=0), "/nowhere").read()
    assert item.data == b"abcd\0\0\0\0efgh"
    assert item.facts["source"] == "a.hex"
    assert item.facts["source_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert item.facts["sha256"] == hashlib.sha256(item.data).hexdigest()
    assert item.facts["format"] == "hex"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "cannot be read: No such file"),
        (b"", "the image is empty"),
        (hex_file((0, 0, b"abcd"), (0, 2, b"efgh")).encode(), "given twice"),
        (b"<!doctype html><html></html>", "expected firmware"),
    ],
)
def test_an_image_that_cannot_be_read_is_refused_without_a_folder_in_the_message(tmp_path, data, reason):
    path = tmp_path / "a.hex"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ParameterError, match=reason) as error:
        Contents(BatchImage(path=str(path)), "/").read()
    assert str(tmp_path) not in str(error.value)
