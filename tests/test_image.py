"""Firmware images from files and packages: the right bytes, or an error with the reason."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bincopy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.errors import FuotaError, MissingExtraError, ParameterError
from fuota_fec.image import LONGEST_GAP, ImageSource, load_image

Load = Callable[..., bytes]

START_V1, START_V2 = (0x0A, 0, bytes.fromhex("9900c0de")), (0x0A, 0, bytes.fromhex("9903c0de"))
DATA, END, SEGMENT, LINEAR, BLOCK_END, CUSTOM = 0x00, 0x01, 0x02, 0x04, 0x0B, 0x0D


def record(kind: int, address: int, data: bytes) -> str:
    """A line of an Intel HEX file."""
    body = bytes([len(data), *address.to_bytes(2, "big"), kind]) + data
    return f":{(body + bytes([-sum(body) & 0xFF])).hex().upper()}"


def hex_file(*records: tuple[int, int, bytes]) -> str:
    return "\n".join(record(*fields) for fields in (*records, (END, 0, b""))) + "\n"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The image of a file with this content."""

    def make(content: str | bytes, name: str = "image.hex", **options: Any) -> bytes:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return load_image(ImageSource(path=name, **options), tmp_path)

    return make


# ---- formats -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"\0", b"firmware", bytes(range(256)) * 10, b":00000001FF\n"])
@pytest.mark.parametrize("name", ["image.bin", "image", "image.img", "image.hex.gz"])
def test_binary_is_taken_as_it_is(load: Load, name: str, data: bytes):
    assert load(data, name) == data
    assert load(data, "image.hex", format="binary") == data


@pytest.mark.parametrize("name", ["image.hex", "image.ihex", "IMAGE.HEX"])
def test_intel_hex_file_is_read(load: Load, name: str):
    assert load(":0400000001020304F2\n:00000001FF\n", name) == b"\1\2\3\4"


def test_intel_hex_at_a_high_address(load: Load):
    records = [(LINEAR, 0, b"\x08\x00"), (DATA, 0x1000, b"abc"), (DATA, 0x1003, b"def")]
    assert load(hex_file(*records)) == b"abcdef"


def test_hex_records_are_read_in_any_order_with_any_line_endings(load: Load):
    text = hex_file((DATA, 2, b"cd"), (DATA, 0, b"ab"))
    assert load(text) == b"abcd"
    assert load(text.replace("\n", "\r\n")) == b"abcd"
    assert load(text.lower()) == b"abcd"


@pytest.mark.parametrize(("name", "address_len"), [("image.s19", 16), ("image.srec", 24), ("image.mot", 32)])
def test_s_records_with_any_address_length_are_read(load: Load, name: str, address_len: int):
    file = bincopy.BinFile()
    file.add_binary(bytes(range(200)), address=0x1000)
    assert load(file.as_srec(address_length_bits=address_len), name) == bytes(range(200))


def test_s_record_written_by_hand_is_read(load: Load):
    assert load("S1070010010203FFE3\nS9030000FC\n", "image.s19") == b"\1\2\3\xff"


@given(data=st.binary(min_size=1, max_size=300), address=st.integers(0, 2**32 - 301))
@settings(max_examples=30)
def test_any_bytes_at_any_address_survive_both_record_formats(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, address: int
):
    file = bincopy.BinFile()
    file.add_binary(data, address=address)
    folder = tmp_path_factory.getbasetemp()
    for name, text in (("any.hex", file.as_ihex()), ("any.s19", file.as_srec(address_length_bits=32))):
        (folder / name).write_text(text)
        assert load_image(ImageSource(path=name), folder) == data


# ---- gaps, start and stop ----------------------------------------------------------------------------------


def test_gaps_are_filled_as_erased_flash(load: Load):
    assert load(hex_file((DATA, 0, b"ab"), (DATA, 5, b"c"))) == b"ab\xff\xff\xffc"


def test_a_gap_beyond_the_longest_is_refused(load: Load):
    def text(gap: int) -> str:
        high, low = divmod(4 + gap, 0x10000)
        return hex_file((DATA, 0, b"abcd"), (LINEAR, 0, high.to_bytes(2, "big")), (DATA, low, b"e"))

    assert load(text(LONGEST_GAP)) == b"abcd" + b"\xff" * LONGEST_GAP + b"e"
    with pytest.raises(ParameterError, match="start and stop") as info:
        load(text(LONGEST_GAP + 1))
    assert "0x4 " in str(info.value)
    assert "0x10005" in str(info.value)
    assert load(text(2**31), stop=100) == b"abcd"
    assert load(text(2**31), start=100) == b"e"


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (None, None, b"01234567"),
        (0x100, 0x108, b"01234567"),
        (0, 0x1000, b"01234567"),
        (0x102, None, b"234567"),
        (None, 0x102, b"01"),
        (0x103, 0x105, b"34"),
        (0x107, 0x108, b"7"),
        (0, None, b"01234567"),
    ],
)
def test_start_and_stop_choose_a_range(load: Load, start: int | None, stop: int | None, expected: bytes):
    assert load(hex_file((DATA, 0x100, b"01234567")), start=start, stop=stop) == expected


@pytest.mark.parametrize(("start", "stop"), [(0, 0x100), (0x108, None), (0x104, 0x104), (0x105, 0x102), (10**30, None)])
def test_an_empty_range_is_refused(load: Load, start: int, stop: int | None):
    with pytest.raises(ParameterError, match="empty"):
        load(hex_file((DATA, 0x100, b"01234567")), start=start, stop=stop)


def test_a_board_of_plain_hex_and_a_constant_without_format_are_refused(load: Load, module: Callable[[str, str], Path]):
    with pytest.raises(ParameterError, match="board"):
        load(hex_file((DATA, 0, b"x")), board="9900")
    module("throwaway_auto.py", f"IMAGE = {TWO_BOARDS!r}")
    with pytest.raises(ParameterError, match="needs a format"):
        load_image(ImageSource(package="throwaway_auto", name="IMAGE"))


@pytest.mark.parametrize("start", [-1, -(10**30)])
def test_a_negative_address_is_refused(load: Load, start: int):
    with pytest.raises(ParameterError, match="start"):
        load(hex_file((DATA, 0, b"x")), start=start)


@pytest.mark.parametrize("option", [{"start": 5}, {"stop": 5}, {"board": "9900"}])
def test_options_of_other_formats_are_refused_for_a_binary_file(load: Load, option: dict[str, Any]):
    """If the option were ignored, the whole file would be sent."""
    with pytest.raises(ParameterError, match=next(iter(option))):
        load(b"firmware", "image.bin", **option)


# ---- universal HEX -----------------------------------------------------------------------------------------

TWO_BOARDS = hex_file(
    (LINEAR, 0, b"\0\0"),
    START_V1,
    (DATA, 0x0000, b"first "),
    (DATA, 0x0006, b"board"),
    (BLOCK_END, 0, b"\xff" * 4),
    START_V2,
    (CUSTOM, 0x0000, b"second "),
    (LINEAR, 0, b"\0\1"),
    (CUSTOM, 0x0000, b"one"),
    (BLOCK_END, 0, b""),
    START_V1,
    (DATA, 0x0000, b"!"),
)


def test_each_board_of_a_universal_hex_file_is_read(load: Load):
    """An address record applies to the blocks after it, except those of other boards."""
    assert load(TWO_BOARDS, format="universal-hex", board="9900", stop=0x10000) == b"first board"
    assert load(TWO_BOARDS, format="universal-hex", board="9900", start=0x10000) == b"!"
    second = load(TWO_BOARDS, format="universal-hex", board="9903")
    assert second == b"second " + b"\xff" * (0x10000 - 7) + b"one"


@pytest.mark.parametrize("board", ["1234", None, "", "99"])
def test_an_unknown_board_is_refused_with_the_known_ones(load: Load, board: str | None):
    with pytest.raises(ParameterError) as info:
        load(TWO_BOARDS, format="universal-hex", board=board)
    for part in ("board", repr(board) if board else "", "9900", "9903"):
        assert part in str(info.value)


def test_a_board_may_be_written_in_lower_case(load: Load):
    text = hex_file((0x0A, 0, bytes.fromhex("99abc0de")), (DATA, 0, b"x"))
    assert load(text, format="universal-hex", board="99ab") == b"x"


def test_a_plain_hex_file_is_refused_as_universal_hex(load: Load):
    with pytest.raises(ParameterError, match="universal HEX"):
        load(hex_file((DATA, 0, b"x")), format="universal-hex", board="9900")


def test_a_universal_hex_file_is_refused_as_plain_hex(load: Load):
    with pytest.raises(ParameterError):
        load(TWO_BOARDS)


# ---- what is not an image ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["image.bin", "image.hex", "image.s19"])
@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_image_is_refused(load: Load, name: str, content: bytes):
    if name.endswith(".bin") and content:
        assert load(content, name) == content
        return
    with pytest.raises(ParameterError, match="empty") as info:
        load(content, name)
    assert name in str(info.value)


def test_a_hex_file_without_data_is_refused(load: Load):
    for options in ({}, {"start": 0}, {"stop": 10}, {"start": 1, "stop": 10}):
        with pytest.raises(ParameterError, match="empty"):
            load(hex_file(), **options)


@pytest.mark.parametrize("name", ["nothing.bin", ".", "", "x" * 300, "a\0b"])
def test_an_image_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str):
    with pytest.raises(FuotaError) as info:
        load_image(ImageSource(path=name), tmp_path)
    assert "cannot be read" in str(info.value)


GOOD = ":0400000001020304F2"


@pytest.mark.parametrize(
    "line",
    [
        ":0400000001020304F3",
        ":0400000001020305F2",
        ":04000000010203",
        ":050000000102030405",
        ":",
        ":00",
        "0400000001020304F2",
        "hello world, this is text",
        ":04000000010203ZZF2",
        ":0400000001020304F",
        ":0400000F01020304E3",
        ":0400000001020304F2 :00000001FF",
        "S1070010010203FFE3",
        "\x00" * 20,
    ],
)
def test_a_malformed_hex_record_is_refused_with_the_file(load: Load, line: str):
    with pytest.raises(ParameterError) as info:
        load(f"{GOOD}\n{line}\n:00000001FF\n")
    assert "image.hex" in str(info.value)
    assert "fromhex" not in str(info.value)


@pytest.mark.parametrize(
    "line", ["S1070010010203FFE4", "S10700100102", "S1", "S", "T1070010010203FFE3", "S107001001ZZ03FFE3", GOOD]
)
def test_a_malformed_s_record_is_refused_with_the_file(load: Load, line: str):
    with pytest.raises(ParameterError) as info:
        load(f"S1070010010203FFE3\n{line}\n", "image.s19")
    assert "image.s19" in str(info.value)
    assert "fromhex" not in str(info.value)


@pytest.mark.parametrize(
    "line",
    [
        ":0100000D55ZZ",
        ":0100000D",
        ":0000000",
        ":0100000055AB",
        ":0100000D559E",
        "0100000D559D",
        ":0000000FF1",
        ":\n:",
        "é",
    ],
)
def test_a_malformed_universal_hex_record_is_refused(load: Load, line: str):
    text = f"{record(LINEAR, 0, bytes(2))}\n{record(*START_V1)}\n{record(DATA, 0, b'ab')}\n{line}\n"
    with pytest.raises(ParameterError) as info:
        load(text, format="universal-hex", board="9900")
    assert "image" in str(info.value)


@pytest.mark.parametrize("name", ["image.hex", "image.s19"])
def test_a_binary_file_with_the_suffix_of_a_record_format_is_refused(load: Load, name: str):
    with pytest.raises(ParameterError, match="not a text file"):
        load(bytes(range(256)), name)


line_of_text = st.one_of(
    st.binary(max_size=10).map(lambda b: f":{b.hex()}"),
    st.binary(max_size=10).map(lambda b: f"S{b.hex()}"),
    st.tuples(st.integers(0, 15), st.integers(0, 0xFFFF), st.binary(max_size=6)).map(lambda r: record(*r)),
    st.text("0123456789ABCDEFabcdefS:\t\x0b -", max_size=16),
    st.text(max_size=8),
    st.sampled_from([record(*START_V1), record(*START_V2), GOOD]),
)


@given(lines=st.lists(line_of_text, max_size=6), board=st.sampled_from(["9900", "9903", None]))
@settings(max_examples=200)
def test_any_text_gives_an_image_or_a_parameter_error(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], board: str | None
):
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.txt").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    for kind in ("hex", "srec", "universal-hex"):
        try:
            image = load_image(ImageSource(path="any.txt", format=kind, board=board, stop=0x100), folder)
        except ParameterError:
            continue
        assert 0 < len(image) <= 0x100


def test_record_formats_without_bincopy_name_the_extra(load: Load, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "bincopy", None)
    with pytest.raises(MissingExtraError, match=r"fuota-fec\[image\]") as info:
        load(hex_file((DATA, 0, b"x")))
    assert info.value.extra == "image"
    assert load(b"x", "image.bin") == b"x"


# ---- where an image comes from -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"path": "a", "package": "b", "name": "C"},
        {"path": "a", "name": "C"},
        {"package": "b"},
        {"name": "C"},
    ],
)
def test_an_image_source_is_either_a_path_or_a_constant(fields: dict[str, str]):
    with pytest.raises(ParameterError, match=r"path|package"):
        ImageSource(**fields)


def test_an_image_path_is_relative_to_the_folder(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.bin").write_bytes(b"x")
    assert load_image(ImageSource(path="images/a.bin"), tmp_path) == b"x"
    assert load_image(ImageSource(path="a.bin"), str(tmp_path / "images")) == b"x"
    assert load_image(ImageSource(path=str(tmp_path / "images" / "a.bin")), "/nowhere") == b"x"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Creates an importable module that writes a file if it is run."""
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(folder)
    mark = tmp_path / "was run"

    def make(path: str, text: str) -> Path:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"open({str(mark)!r}, 'w').close()\n{text}\nraise SystemExit('run')\n", encoding="utf-8")
        return mark

    return make


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IMAGE = 'firm' 'ware'", b"firmware"),
        ("IMAGE = '''\nfirm\nware\n'''", b"\nfirm\nware\n"),
        ("IMAGE = b'\\xff\\x00'", b"\xff\0"),
        ("OTHER = IMAGE = 'x'", b"x"),
        ("IMAGE: str = 'x'", b"x"),
        ("OTHER = IMAGE2 = 'no'\nIMAGE = 'µ'", "µ".encode()),
    ],
)
def test_a_constant_is_read_without_running_its_module(module, text: str, expected: bytes):
    mark = module("throwaway_image.py", text)
    source = ImageSource(package="throwaway_image", name="IMAGE", format="binary")
    assert load_image(source) == expected
    assert not mark.exists()
    assert "throwaway_image" not in sys.modules


def test_a_constant_with_hex_records_is_read(module):
    module("throwaway_hex.py", f"IMAGE = {TWO_BOARDS!r}")
    source = ImageSource(package="throwaway_hex", name="IMAGE", format="universal-hex", board="9903", stop=7)
    assert load_image(source) == b"second "


def test_a_constant_is_read_without_running_the_package_around_its_module(module):
    mark = module("throwaway_package/__init__.py", "IMAGE = 'of the package'")
    module("throwaway_package/data.py", "IMAGE = 'of the module'")
    assert load_image(ImageSource(package="throwaway_package", name="IMAGE", format="binary")) == b"of the package"
    try:
        image = load_image(ImageSource(package="throwaway_package.data", name="IMAGE", format="binary"))
    except SystemExit:
        pytest.fail("the package was run")
    assert image == b"of the module"
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "image = 'x'",
        "IMAGE = 5",
        "IMAGE = None",
        "IMAGE = ['x']",
        "IMAGE = open('/etc/hostname').read()",
        "IMAGE = {[]: 1}",
        "def f():\n    IMAGE = 'x'",
        "IMAGE = 'x",
        "IMAGE = \0",
    ],
)
def test_a_module_without_the_constant_is_refused(module, text: str):
    mark = module("throwaway_other.py", text)
    with pytest.raises(ParameterError) as info:
        load_image(ImageSource(package="throwaway_other", name="IMAGE"))
    assert "'throwaway_other'" in str(info.value)
    assert not mark.exists()


def test_an_empty_constant_is_refused(module):
    module("throwaway_empty.py", "IMAGE = ''")
    with pytest.raises(ParameterError, match="empty"):
        load_image(ImageSource(package="throwaway_empty", name="IMAGE"))


@pytest.mark.parametrize("package", ["no_such_package_at_all", "no_such_package.at_all", "sys.nothing", ".relative"])
def test_a_package_that_is_not_installed_is_refused(package: str):
    with pytest.raises(ParameterError) as info:
        load_image(ImageSource(package=package, name="IMAGE"))
    assert repr(package) in str(info.value)
    assert "not installed" in str(info.value)


@pytest.mark.parametrize("package", ["sys", "numpy._core._multiarray_umath", "", "__main__"])
def test_a_package_without_a_source_is_refused(package: str):
    """Modules that are built in, compiled or missing give the same message as a module without the constant."""
    with pytest.raises(ParameterError) as info:
        load_image(ImageSource(package=package, name="IMAGE"))
    assert f"package {package!r}" in str(info.value)
