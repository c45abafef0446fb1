"""Deltas: the patch makes the new image, is the smallest, is always the same, and is refused where it does not pay."""

from __future__ import annotations

import hashlib
import sys
from io import BytesIO

import detools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from releases import esp_stubs, micropython_1, micropython_2

from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.image.delta import COMPRESSIONS, LARGEST_SHARE, Delta, apply_delta, make_delta


def test_a_delta_between_two_releases_of_real_firmware_is_a_third_of_the_image():
    old, new = micropython_1(), micropython_2()
    delta = make_delta(old, new)
    assert apply_delta(old, delta.patch) == new
    assert (delta.compression, delta.base_len, delta.image_len) == ("heatshrink", len(old), len(new))
    assert delta.base_sha256 == hashlib.sha256(old).hexdigest()
    assert delta.image_sha256 == hashlib.sha256(new).hexdigest()
    assert 0.2 < delta.share < 0.35
    assert delta == make_delta(old, new)


def test_the_patch_is_the_smallest_of_those_that_are_allowed():
    old, new = micropython_1(), micropython_2()
    sizes = {
        kind: len(make_delta(old, new, largest_share=1, compressions=[kind]).patch) for kind in ("heatshrink", "crle")
    }
    assert sizes["heatshrink"] < sizes["crle"]
    assert len(make_delta(old, new).patch) == min(sizes.values())
    stub = esp_stubs()["esp32c3/2"]
    assert make_delta(stub, stub[:100] + b"!" + stub[101:]).compression == "crle"
    assert make_delta(stub[:2] * 8, stub[:2] * 7 + b"?!", largest_share=1, compressions=COMPRESSIONS).image_len == 16


def test_a_patch_that_is_too_large_is_refused_with_its_size():
    old, new = esp_stubs()["esp32/1"], esp_stubs()["esp32c3/2"]
    with pytest.raises(ParameterError) as info:
        make_delta(old, new, largest_share=0.1)
    assert f"of the full image of {len(new)} bytes, expected less than 10 %" in str(info.value)
    assert "bytes with " in str(info.value)


@pytest.mark.parametrize(
    ("old", "new", "options", "message"),
    [
        (b"", b"a", {}, "old image: 0 bytes"),
        (b"a", b"", {}, "new image: 0 bytes"),
        (b"same", b"same", {}, "are the same"),
        (b"a", b"b", {"largest_share": 0}, "largest_share: 0 is not a share"),
        (b"a", b"b", {"largest_share": float("nan")}, "largest_share"),
        (b"a", b"b", {"largest_share": "half"}, "largest_share"),
        (b"a", b"b", {"compressions": ()}, "compressions: there is none"),
        (b"a", b"b", {"compressions": ["lzma"]}, "compressions: 'lzma' is not known, expected one of"),
    ],
)
def test_bad_arguments_are_named(old: bytes, new: bytes, options: dict[str, object], message: str):
    with pytest.raises(ParameterError, match=message):
        make_delta(old, new, **options)  # type: ignore[arg-type]


def test_all_problems_are_reported_at_once():
    with pytest.raises(ParameterError) as info:
        make_delta(b"", b"", largest_share=2, compressions=["a"])  # type: ignore[list-item]
    assert len(info.value.problems) == 4


def test_a_patch_for_another_base_is_not_taken_for_the_image():
    old, new = micropython_1(), micropython_2()
    delta = make_delta(old, new)
    assert hashlib.sha256(apply_delta(b"!" + old[1:], delta.patch)).hexdigest() != delta.image_sha256


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_a_damaged_patch_is_an_error(kind: str):
    old, new = esp_stubs()["esp32c3/1"], esp_stubs()["esp32c3/1"][::-1]
    patch = BytesIO()
    detools.create_patch(BytesIO(old), BytesIO(new), patch, compression=kind, use_mmap=False)
    whole = patch.getvalue()
    assert apply_delta(old, whole) == new
    for damaged in (b"", whole[:1], whole[: len(whole) // 2], b"\xff" + whole[1:], whole[:-1]):
        with pytest.raises(ParameterError, match=f"a patch of {len(damaged)} bytes cannot be applied"):
            apply_delta(old, damaged)


def test_a_patch_that_says_a_huge_size_is_refused():
    old, patch = bytes(2000), BytesIO()
    detools.create_patch(BytesIO(old), BytesIO(bytes(20 << 20)), patch, compression="heatshrink", use_mmap=False)
    with pytest.raises(ParameterError, match="more than 16777216 bytes"):
        apply_delta(old, patch.getvalue())


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=1, max_size=400), st.binary(min_size=1, max_size=400), st.integers(0, 400))
def test_every_delta_that_is_accepted_makes_the_new_image(old: bytes, tail: bytes, at: int):
    new = old[:at] + tail + old[at:]
    try:
        delta = make_delta(old, new, largest_share=1)
    except ParameterError as error:
        reason = str(error)
    else:
        reason = "of the full image"
        assert apply_delta(old, delta.patch) == new
        assert len(delta.patch) < len(new)
    assert "of the full image" in reason


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "detools", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fuota-fec\[image\]"'):
        make_delta(b"old", b"new")
    with pytest.raises(MissingExtraError, match="detools"):
        apply_delta(b"old", b"patch")


def test_the_patch_is_in_no_repr():
    delta = Delta(patch=b"secret", compression="none", base_sha256="", base_len=1, image_sha256="", image_len=1)
    assert "secret" not in repr(delta)
    assert 0 < LARGEST_SHARE < 1
