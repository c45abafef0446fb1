"""The manifest: one JSON file, read back line by line."""

from __future__ import annotations

import json

import fuota_fec
from fuota_fec.batch.manifest import entries_by_output, failed_entry, lines_of, manifest_text
from fuota_fec.codec.frame_file import line_of

ENTRIES = [failed_entry(f"{name}.npy", "a.bin", "t", 'a "reason"\n\u2028 é \udc80') for name in "ab"]
LINES = [line_of(entry) for entry in ENTRIES]


def test_a_manifest_is_json_with_one_entry_a_line():
    text = manifest_text(LINES)
    assert json.loads(text) == {"fuota_fec": fuota_fec.__version__, "layout": 1, "items": ENTRIES}
    assert text.isascii()
    assert lines_of(text) == LINES
    assert lines_of(manifest_text([])) == []
    assert json.loads(manifest_text([]))["items"] == []


def test_the_last_entry_of_an_output_counts_and_torn_ones_do_not():
    other = line_of(failed_entry("a.npy", "a.bin", "t", "another"))
    found = entries_by_output([*LINES, other, LINES[1][:40], "", "[]", "3", '{"x": 1}'])
    assert found == {"a.npy": other, "b.npy": LINES[1]}
