"""`encode` and `decode`: a file is rebuilt byte for byte although frames are lost, shuffled and repeated."""

from __future__ import annotations

import base64
import json
import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.wire import fragmentation

Fuota = Callable[..., Result]
Firmware = Callable[[int], bytes]


@pytest.fixture
def image(tmp_path: Path, firmware_bytes: Firmware) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(firmware_bytes(1000))
    return path


def frame_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def comment_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


def over_the_air(text: str, *, loss: float = 0.1, seed: int = 7) -> str:
    """Lines of the frames that arrive: a share is lost, the others are shuffled, some are repeated."""
    rng = random.Random(seed)
    frames = frame_lines(text)
    lost = set(rng.sample(range(len(frames)), int(len(frames) * loss)))
    arrived = [frame for i, frame in enumerate(frames) if i not in lost]
    arrived += rng.sample(arrived, len(arrived) // 4)
    rng.shuffle(arrived)
    return "\n".join([*comment_lines(text), *arrived, ""])


def dropped(text: str, frag_nbs: set[int]) -> str:
    """Lines without these fragments."""
    kept = [line for i, line in enumerate(frame_lines(text), 1) if i not in frag_nbs]
    return "\n".join([*comment_lines(text), *kept, ""])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# ---- there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(
    ("length", "frag_size"),
    [
        *((length, 50) for length in (1, 49, 50, 51, 99, 100, 101, 1549, 1550, 1551, 1600, 1601)),
        *((length, 1) for length in (1, 2, 3, 130)),
        *((length, 255) for length in (1, 255, 256, 20_000)),
        (20_000, 222),
        (20_000, 51),
    ],
)
def test_lost_shuffled_and_repeated_frames_give_the_file_back(
    fuota: Fuota, tmp_path: Path, firmware_bytes: Firmware, length: int, frag_size: int, version: str
):
    data = firmware_bytes(length)
    (tmp_path / "in.bin").write_bytes(data)
    encoded = fuota("encode", tmp_path / "in.bin", "-o", tmp_path / "all.txt", "-F", frag_size, "--dialect", version)
    assert encoded.exit_code == 0, encoded.stderr
    text = (tmp_path / "all.txt").read_text()
    n_frags = -(-length // frag_size)
    assert len(frame_lines(text)) == n_frags + -(-n_frags // 5)
    (tmp_path / "some.txt").write_text(over_the_air(text))
    decoded = fuota("decode", tmp_path / "some.txt", "-o", tmp_path / "out.bin")
    assert decoded.exit_code == 0, decoded.stderr
    assert (tmp_path / "out.bin").read_bytes() == data


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(
    ("options", "n_coded"),
    [
        (["-R", "0"], 0),
        (["--n-coded", "7"], 7),
        (["--code-rate", "1/2"], 20),
        (["--code-rate", "7/8"], 3),
        (["--code-rate", "1"], 0),
        (["--code-rate", "0.8"], 5),
        (["--rows", "1,5,9"], 3),
        (["--rows", "900, 3 77"], 3),
        (["--rows", "4,3,2,1", "-R", "2"], 2),
        (["--frag-index", "3"], 4),
        (["--descriptor", "a1B2c3d4"], 4),
    ],
)
def test_options_of_encode(fuota: Fuota, image: Path, options: list[str], n_coded: int, version: str):
    """One uncoded fragment is lost that the first coded fragment covers."""
    out = image.with_suffix(".txt")
    encoded = fuota("encode", image, "-o", out, "-F", 50, "--dialect", version, "--json", *options)
    assert encoded.exit_code == 0, encoded.stderr
    facts = json.loads(encoded.stdout)
    assert (facts["n_frags"], facts["n_coded"], facts["dialect"]) == (20, n_coded, version)
    assert len(frame_lines(out.read_text())) == 20 + n_coded
    if n_coded:
        frame = bytes.fromhex(frame_lines(out.read_text())[20])
        row = ff.ParityMatrix(20, version).row((int.from_bytes(frame[1:3], "little") & 0x3FFF) - 20)
        out.write_text(dropped(out.read_text(), {int(row.argmax()) + 1}))
        assert len(frame_lines(out.read_text())) == 19 + n_coded
    decoded = fuota("decode", out, "-o", image.with_name("back.bin"))
    assert decoded.exit_code == 0, decoded.stderr
    assert image.with_name("back.bin").read_bytes() == image.read_bytes()


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_encode_writes_the_frames_of_the_specification(fuota: Fuota, image: Path, version: str):
    out = image.with_suffix(".txt")
    options = ["--rows", "9,2", "--frag-index", "2", "--descriptor", "01020304", "--dialect", version]
    facts = json.loads(fuota("encode", image, "-o", out, "-F", "60", "--json", *options).stdout)
    frames = [
        command
        for line in frame_lines(out.read_text())
        for command in fragmentation.decode(bytes.fromhex(line), uplink=False, version=version)
    ]
    assert [frame.n for frame in frames] == [*range(1, 18), 17 + 9, 17 + 2]
    assert {frame.frag_index for frame in frames} == {2}
    assert b"".join(frame.payload for frame in frames[:17]) == image.read_bytes() + bytes(20)
    [setup] = fragmentation.decode(bytes.fromhex(facts["setup"]), uplink=False, version=version)
    assert (setup.nb_frag, setup.frag_size, setup.padding, setup.frag_index) == (17, 60, 20, 2)
    assert setup.encode().hex() in out.read_text()


def test_decode_without_comment_lines_needs_the_setup_option(fuota: Fuota, image: Path):
    for version in ("1.0.0", "2.0.0"):
        out = image.with_suffix(".txt")
        facts = json.loads(fuota("encode", image, "-o", out, "--dialect", version, "--json").stdout)
        out.write_text("\n".join(frame_lines(out.read_text())))
        back = image.with_name("back.bin")
        without = fuota("decode", out, "-o", back)
        assert without.exit_code == 2
        assert "--setup" in without.stderr
        assert not back.exists()
        given_it = fuota("decode", out, "-o", back, "--setup", facts["setup"], "--dialect", version)
        assert given_it.exit_code == 0, given_it.stderr
        assert back.read_bytes() == image.read_bytes()
        back.unlink()


def test_the_setup_option_replaces_that_of_the_file(fuota: Fuota, image: Path):
    out = image.with_suffix(".txt")
    facts = json.loads(fuota("encode", image, "-o", out, "-F", 100, "--json").stdout)
    text = out.read_text().replace(facts["setup"], "0200")
    out.write_text(text)
    assert fuota("decode", out, "-o", "-").exit_code == 2
    assert fuota("decode", out, "-o", "-", "--setup", facts["setup"]).stdout_bytes == image.read_bytes()


def test_encode_and_decode_through_pipes(fuota: Fuota, image: Path):
    frames = fuota("encode", "-", "-o", "-", stdin=image.read_bytes())
    assert frames.exit_code == 0
    assert frames.stdout == fuota("encode", image, "-o", "-").stdout
    assert frames.stderr == ""
    back = fuota("decode", "-", "-o", "-", stdin=frames.stdout)
    assert back.exit_code == 0, back.stderr
    assert back.stdout_bytes == image.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda line: " " + " ".join(line[i : i + 2] for i in range(0, len(line), 2)) + "  ",
        lambda line: line + "\r",
        lambda line: line + "\n\n# a remark\n",
    ],
)
def test_decode_reads_hexadecimal_in_several_forms(fuota: Fuota, image: Path, change: Callable[[str], str]):
    text = fuota("encode", image, "-o", "-").stdout
    lines = [*comment_lines(text), *map(change, frame_lines(text))]
    assert fuota("decode", "-", "-o", "-", stdin="\n".join(lines)).stdout_bytes == image.read_bytes()


def test_decode_reads_what_an_editor_has_saved(fuota: Fuota, image: Path):
    """With a byte order mark, line ends of Windows and remarks beyond ASCII."""
    text = fuota("encode", image, "-o", "-").stdout + "# Zähler, Gebäude 3\n"
    saved = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    assert fuota("decode", "-", "-o", "-", stdin=saved).stdout_bytes == image.read_bytes()


def in_base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


@pytest.mark.parametrize("frag_size", [1, 2, 50, 222])
def test_decode_reads_frames_in_base64_and_says_so(fuota: Fuota, image: Path, frag_size: int):
    """Short frames may look like hexadecimal: the whole file decides."""
    text = fuota("encode", image, "-o", "-", "-F", frag_size).stdout
    frames, back = "\n".join(map(in_base64, frame_lines(text))), image.with_name("back.bin")
    notes = "\n".join(comment_lines(text))
    result = fuota("decode", "-", "-o", back, stdin=f"{notes}\n{frames}\n")
    assert back.read_bytes() == image.read_bytes()
    assert "fragments in base64, at least" in result.stdout
    as_json = fuota("decode", "-", "-o", back, "--json", stdin=f"{notes}\n{frames}\n").stdout
    assert json.loads(as_json)["encoding"] == "base64"
    assert "fragments in hexadecimal, at least" in fuota("decode", "-", "-o", back, stdin=text).stdout


@pytest.mark.parametrize(
    "write", [lambda s: s, lambda s: " ".join(s[i : i + 2] for i in range(0, len(s), 2)), in_base64]
)
@pytest.mark.parametrize("as_option", [False, True])
def test_decode_reads_a_setup_in_several_forms(fuota: Fuota, image: Path, write: Callable[[str], str], as_option: bool):
    text = fuota("encode", image, "-o", "-").stdout
    setup = comment_lines(text)[-1].split()[-1]
    given, stdin = (["--setup", write(setup)], "\n".join(frame_lines(text))) if as_option else ([], text)
    result = fuota("decode", "-", "-o", "-", *given, stdin=stdin.replace(setup, write(setup)))
    assert result.stdout_bytes == image.read_bytes()


def test_a_remark_about_the_setup_is_no_setup(fuota: Fuota, image: Path):
    text = fuota("encode", image, "-o", "-").stdout + "# setup was sent at 10:15\n"
    assert fuota("decode", "-", "-o", "-", stdin=text).stdout_bytes == image.read_bytes()


@pytest.mark.parametrize(("dialect", "other"), [("1.0.0", "2.0.0"), ("2.0.0", "1.0.0")])
def test_a_setup_of_the_other_dialect_gets_a_hint(fuota: Fuota, image: Path, dialect: str, other: str):
    text = fuota("encode", image, "-o", "-", "--dialect", dialect).stdout
    result = fuota("decode", "-", "-o", "-", "--dialect", other, stdin=text)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"; it is one of dialect {dialect}: expected --dialect {dialect}\n")


def test_decode_skips_frames_of_another_session(fuota: Fuota, image: Path):
    mine = fuota("encode", image, "-o", "-", "-F", 50, "--frag-index", 1).stdout
    image.write_bytes(bytes(700))
    other = fuota("encode", image, "-o", "-", "-F", 50, "--frag-index", 2).stdout
    both = "\n".join([*comment_lines(mine), *frame_lines(other), *frame_lines(mine)])
    assert fuota("decode", "-", "-o", "-", stdin=both).stdout_bytes != image.read_bytes()
    alone = "\n".join([*comment_lines(mine), *frame_lines(other)])
    assert fuota("decode", "-", "-o", "-", stdin=alone).exit_code == 1


@pytest.mark.parametrize(("suffix", "options"), [(".hex", []), (".bin", ["--format", "hex"])])
def test_encode_reads_an_intel_hex_file(fuota: Fuota, tmp_path: Path, suffix: str, options: list[str]):
    path = tmp_path / f"firmware{suffix}"
    path.write_text(":0400000001020304F2\n:00000001FF\n")
    frames = fuota("encode", path, "-o", "-", *options)
    assert frames.exit_code == 0, frames.stderr
    assert fuota("decode", "-", "-o", "-", stdin=frames.stdout).stdout_bytes == b"\1\2\3\4"


def test_a_large_image_in_processes(process, tmp_path: Path, firmware_bytes: Firmware):
    data = firmware_bytes(20_000)
    (tmp_path / "in.bin").write_bytes(data)
    assert process("encode", "in.bin", "-o", "all.txt", cwd=tmp_path).returncode == 0
    (tmp_path / "some.txt").write_text(over_the_air((tmp_path / "all.txt").read_text(), seed=7))
    decoded = process("decode", "some.txt", "-o", "out.bin", cwd=tmp_path)
    assert (decoded.returncode, decoded.stderr) == (0, "")
    assert (tmp_path / "out.bin").read_bytes() == data


# ---- too few -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_lost", [1, 2, 19, 20])
def test_decode_reports_how_many_frames_are_missing(fuota: Fuota, image: Path, n_lost: int):
    out = image.with_suffix(".txt")
    fuota("encode", image, "-o", out, "-F", 50, "-R", 0)
    out.write_text(dropped(out.read_text(), set(range(1, n_lost + 1))))
    before = contents(image.parent)
    result = fuota("decode", out, "-o", image.with_name("back.bin"))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"{20 - n_lost} fragments" in result.stderr
    assert f"{n_lost} more" in result.stderr
    assert contents(image.parent) == before


def test_repeated_frames_do_not_count_twice(fuota: Fuota, image: Path):
    text = fuota("encode", image, "-o", "-", "-F", 50, "-R", 0).stdout
    lines = [*comment_lines(text), *(frame_lines(text)[:10] * 3)]
    result = fuota("decode", "-", "-o", image.with_name("back.bin"), stdin="\n".join(lines))
    assert result.exit_code == 1
    assert "10 more" in result.stderr


def test_one_frame_too_few_is_never_wrong_bytes(fuota: Fuota, image: Path):
    """No M - 1 frames determine the image."""
    text = fuota("encode", image, "-o", "-", "-F", 50).stdout
    for seed in range(10):
        some = random.Random(seed).sample(frame_lines(text), 19)
        result = fuota("decode", "-", "-o", "-", stdin="\n".join([*comment_lines(text), *some]))
        assert (result.exit_code, result.stdout) == (1, "")


# ---- what is written, and when nothing is ------------------------------------------------------------------


def bad_runs(folder: Path) -> dict[str, list[object]]:
    """Command lines that fail; `target` is where they would write."""
    good = folder / "good.txt"
    text = good.read_text()
    few, garbage, status = folder / "few.txt", folder / "garbage.txt", folder / "status.txt"
    few.write_text(dropped(text, set(range(1, 10))))
    garbage.write_text(text + "what is this\n")
    status.write_text(text + "0100\n")
    (folder / "empty.bin").write_bytes(b"")
    return {
        "too few": ["decode", few],
        "garbage line": ["decode", garbage],
        "another command": ["decode", status],
        "no such file": ["decode", folder / "nothing.txt"],
        "not text": ["decode", folder / "firmware.bin"],
        "bad setup": ["decode", good, "--setup", "0200"],
        "wrong dialect": ["decode", good, "--dialect", "2.0.0"],
        "empty image": ["encode", folder / "empty.bin"],
        "no image": ["encode", folder / "nothing.bin"],
        "frag_size 0": ["encode", folder / "firmware.bin", "-F", "0"],
        "frag_size 256": ["encode", folder / "firmware.bin", "-F", "256"],
        "too many fragments": ["encode", folder / "firmware.bin", "-F", "60", "-R", "16367"],
        "not hex": ["encode", folder / "firmware.bin", "--format", "hex"],
    }


@pytest.mark.parametrize("existing", [None, b"precious"])
def test_a_failure_leaves_the_output_as_it_was(fuota: Fuota, image: Path, existing: bytes | None):
    fuota("encode", image, "-o", image.with_name("good.txt"), "-F", 60)
    runs = bad_runs(image.parent)
    target = image.with_name("target")
    if existing is not None:
        target.write_bytes(existing)
    before = contents(image.parent)
    for name, args in runs.items():
        result = fuota(*args, "-o", target)
        assert result.exit_code == (1 if name == "too few" else 2), name
        assert result.stdout == "", name
        assert result.stderr.startswith("error: "), name
        assert contents(image.parent) == before, name


def test_a_disk_that_fails_leaves_nothing_behind(fuota: Fuota, image: Path, monkeypatch: pytest.MonkeyPatch):
    target = image.with_name("target")
    target.write_bytes(b"precious")
    before = contents(image.parent)

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    result = fuota("encode", image, "-o", target)
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert contents(image.parent) == before


def test_a_success_replaces_the_output_and_leaves_no_other_file(fuota: Fuota, image: Path):
    target = image.with_name("target")
    target.write_bytes(b"old" * 100_000)
    assert fuota("encode", image, "-o", target).exit_code == 0
    assert {path.name for path in image.parent.iterdir()} == {"firmware.bin", "target"}
    assert target.read_text() == fuota("encode", image, "-o", "-").stdout


def test_the_output_may_be_the_input(fuota: Fuota, image: Path):
    data = image.read_bytes()
    assert fuota("encode", image, "-o", image).exit_code == 0
    assert fuota("decode", image, "-o", image).exit_code == 0
    assert image.read_bytes() == data


def test_a_new_file_has_the_usual_permissions(fuota: Fuota, image: Path):
    mask = os.umask(0o027)
    try:
        fuota("encode", image, "-o", image.with_name("new.txt"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(image.with_name("new.txt").stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_permissions(fuota: Fuota, image: Path):
    target = image.with_name("target")
    target.write_bytes(b"")
    target.chmod(0o600)
    assert fuota("encode", image, "-o", target).exit_code == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_symbolic_link_is_followed(fuota: Fuota, image: Path):
    real, link = image.with_name("real.txt"), image.with_name("link.txt")
    real.write_bytes(b"old")
    link.symlink_to(real)
    assert fuota("encode", image, "-o", link).exit_code == 0
    assert link.is_symlink()
    assert real.read_text() == fuota("encode", image, "-o", "-").stdout


def test_a_pipe_by_name_is_written_to(fuota: Fuota, image: Path):
    """A pipe is not replaced by a file; /dev/null must not be either."""
    pipe = image.with_name("pipe")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert fuota("encode", image, "-o", pipe).exit_code == 0
        assert stat.S_ISFIFO(pipe.lstat().st_mode)
        assert os.read(reader, 65536).decode() == fuota("encode", image, "-o", "-").stdout
    finally:
        os.close(reader)


@pytest.mark.parametrize("where", ["no/such/folder/out", "."])
def test_an_output_that_cannot_be_written_is_named(fuota: Fuota, image: Path, where: str):
    target = image.parent / where
    before = sorted(image.parent.iterdir())
    result = fuota("encode", image, "-o", target)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {target}: ")
    assert "Errno" not in result.stderr
    assert sorted(image.parent.iterdir()) == before


# ---- JSON --------------------------------------------------------------------------------------------------


def test_json_of_encode_and_decode(fuota: Fuota, image: Path):
    out, back = image.with_suffix(".txt"), image.with_name("back.bin")
    encoded = fuota("encode", image, "-o", out, "-F", 60, "-R", 4, "--json")
    setup = comment_lines(out.read_text())[-1].split()[-1]
    assert encoded.stdout.count("\n") == 1
    assert json.loads(encoded.stdout) == {
        "image": str(image),
        "image_len": 1000,
        "dialect": "1.0.0",
        "frag_size": 60,
        "n_frags": 17,
        "n_coded": 4,
        "padding": 20,
        "setup": setup,
        "output": str(out),
    }
    decoded = fuota("decode", out, "-o", back, "--json")
    assert decoded.stdout.count("\n") == 1
    facts = json.loads(decoded.stdout)
    assert (facts["output"], facts["image_len"], facts["n_frags"]) == (str(back), 1000, 17)


def test_an_image_on_standard_output_is_nothing_but_the_image(fuota: Fuota, image: Path):
    """JSON is never mixed into an image on standard output."""
    text = fuota("encode", image, "-o", "-").stdout
    encoded = fuota("encode", image, "-o", "-", "--json")
    assert encoded.exit_code == 2 or encoded.stdout == text
    decoded = fuota("decode", "-", "-o", "-", "--json", stdin=text)
    assert decoded.exit_code == 2 or decoded.stdout_bytes == image.read_bytes()


# ---- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-F", "0"], ["frag", "0", "1 to 255"]),
        (["-F", "256"], ["frag", "256", "1 to 255"]),
        (["-F", "-1"], ["frag", "-1", "1 to 255"]),
        (["-F", "many"], ["--frag-size", "'many'", "integer"]),
        (["-R", "-1"], ["coded", "-1", "0 to 16383"]),
        (["-R", "16383"], ["16383 coded", "5 uncoded"]),
        (["--code-rate", "0"], ["rate", "'0'", "1/16383 to 1"]),
        (["--code-rate", "6/5"], ["rate", "'6/5'", "1/16383 to 1"]),
        (["--code-rate", "1/0"], ["rate", "'1/0'", "5/6"]),
        (["--code-rate", "nan"], ["rate", "'nan'", "5/6"]),
        (["--code-rate", "fast"], ["rate", "'fast'", "5/6"]),
        (["--code-rate", "1e-9"], ["rate", "'1e-9'", "1/16383 to 1"]),
        (["--code-rate", "1/2", "-R", "3"], ["code", "one of them"]),
        (["--code-rate", "1/2", "-R", "0"], ["code", "one of them"]),
        (["--rows", "1,2,3", "-R", "4"], ["4 coded", "3 rows"]),
        (["--rows", "0"], ["rows", "0", "1 to 16383"]),
        (["--rows", "-1"], ["rows", "-1", "1 to 16383"]),
        (["--rows", "16379"], ["rows", "16379", "1 to 16378"]),
        (["--rows", ""], ["rows", "''", "1,5,9"]),
        (["--rows", "5", "--code-rate", "1/2"], ["--rows", "--code-rate", "one of them"]),
        (["--rows", "5,5"], ["rows", "5", "twice"]),
        (["--rows", "1,x"], ["rows", "'1,x'", "1,5,9"]),
        (["--rows", "1.5"], ["rows", "'1.5'", "1,5,9"]),
        (["--rows", "1" * 30], ["rows", "1" * 30, "1 to 16383"]),
        (["--frag-index", "4"], ["frag", "index", "4", "0 to 3"]),
        (["--frag-index", "-1"], ["frag", "index", "-1", "0 to 3"]),
        (["--descriptor", "00"], ["descriptor", "'00'", "8 hexadecimal digits"]),
        (["--descriptor", "0011223344"], ["descriptor", "'0011223344'", "8 hexadecimal digits"]),
        (["--descriptor", "wxyz"], ["descriptor", "'wxyz'", "8 hexadecimal digits"]),
        (["--dialect", "3.0.0"], ["dialect", "3.0.0", "1.0.0", "2.0.0"]),
        (["--format", "exe"], ["format", "'exe'", "binary", "srec"]),
    ],
)
def test_wrong_options_of_encode(fuota: Fuota, image: Path, options: list[str], expected: list[str]):
    before = contents(image.parent)
    result = fuota("encode", image, "-o", image.with_suffix(".txt"), *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    message = result.stderr.splitlines()[-1]
    for part in expected:
        assert part in message, message
    assert contents(image.parent) == before


def test_an_image_too_large_for_its_fragments(fuota: Fuota, tmp_path: Path):
    path = tmp_path / "in.bin"
    path.write_bytes(bytes(16384))
    result = fuota("encode", path, "-o", tmp_path / "out.txt", "-F", 1)
    assert result.exit_code == 2
    assert "16384 bytes need 16384 fragments" in result.stderr
    assert "16383" in result.stderr
    path.write_bytes(bytes(16383))
    assert fuota("encode", path, "-o", tmp_path / "out.txt", "-F", 1, "-R", 0).exit_code == 0
    assert fuota("decode", tmp_path / "out.txt", "-o", "-").stdout_bytes == bytes(16383)


@pytest.mark.parametrize("command", ["encode", "decode"])
@pytest.mark.parametrize("name", ["no such file", ".", ""])
def test_a_missing_file_is_named(fuota: Fuota, tmp_path: Path, command: str, name: str):
    result = fuota(command, str(tmp_path / name) if name else "", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert str(tmp_path if name == "." else name) in result.stderr
    assert "directory" in result.stderr


@pytest.mark.parametrize("missing", [[], ["-o", "out"], ["image"]])
@pytest.mark.parametrize("command", ["encode", "decode"])
def test_missing_arguments_are_named(fuota: Fuota, command: str, missing: list[str]):
    result = fuota(command, *missing)
    assert result.exit_code == 2
    assert "Missing" in result.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello", "hello"),
        ("0801007", "0801007"),
        ("08", "cut short"),
        ("080100", ""),
        ("08010011", "1 byte"),
        ("0800" + "00" * 51, "0"),
        ("0801" + "00" * 60, ""),
        ("0100", "FragSessionStatusReq"),
        ("00", "PackageVersionReq"),
        ("0100" * 4, "DataFragment"),
        ("ff", ""),
        ("é", ""),
    ],
)
def test_a_line_that_is_not_a_frame_is_named(fuota: Fuota, image: Path, line: str, expected: str):
    """The message has the number of the line and no wording of Python."""
    out = image.with_suffix(".txt")
    fuota("encode", image, "-o", out, "-F", 50)
    text = out.read_text()
    lines = text.splitlines()
    out.write_text("\n".join([*lines[:10], line, *lines[10:]]), encoding="utf-8")
    result = fuota("decode", out, "-o", image.with_name("back.bin"))
    assert result.exit_code == 2
    assert str(out) in result.stderr
    assert expected in result.stderr
    assert "fromhex" not in result.stderr
    assert "line 11" in result.stderr or line == "é"
    assert not image.with_name("back.bin").exists()


@pytest.mark.parametrize(
    "setup",
    ["zz", "0", "", "00", "0200", "0200010032000000", "02000000320000000000", "03001400320000000000"],
)
def test_a_wrong_setup_is_refused(fuota: Fuota, image: Path, setup: str):
    out = image.with_suffix(".txt")
    fuota("encode", image, "-o", out)
    result = fuota("decode", out, "-o", image.with_name("back.bin"), "--setup", setup)
    assert result.exit_code == 2
    assert repr(setup) in result.stderr
    assert "FragSessionSetupReq" in result.stderr
    assert "fromhex" not in result.stderr
    assert not image.with_name("back.bin").exists()


def test_a_setup_with_more_padding_than_bytes_is_refused(fuota: Fuota, tmp_path: Path):
    """One fragment of 4 bytes with 5 bytes of padding holds no image."""
    lines = ["# dialect 1.0.0", "# setup 0200010004000500000000", "08010001020304"]
    result = fuota("decode", "-", "-o", tmp_path / "out", stdin="\n".join(lines))
    assert result.exit_code == 2
    assert "padding" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_of_an_unknown_dialect_is_refused(fuota: Fuota, image: Path):
    text = fuota("encode", image, "-o", "-").stdout.replace("# dialect 1.0.0", "# dialect 9.9.9")
    result = fuota("decode", "-", "-o", "-", stdin=text)
    assert result.exit_code == 2
    for part in ("dialect", "9.9.9", "1.0.0", "2.0.0"):
        assert part in result.stderr


def test_frames_of_another_session_alone_are_explained(fuota: Fuota, image: Path):
    text = fuota("encode", image, "-o", "-", "-F", 50, "--frag-index", 2).stdout
    setup = fuota("encode", image, "-o", "-", "-F", 50, "--frag-index", 1).stdout
    stdin = "\n".join([*comment_lines(setup), *frame_lines(text)])
    result = fuota("decode", "-", "-o", "-", stdin=stdin)
    assert result.exit_code == 1
    assert "24 skipped: their frag_index is not 1" in result.stderr


# ---- anything at all ---------------------------------------------------------------------------------------

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
number = st.one_of(st.integers(-3, 300), st.integers(), st.sampled_from(["nan", "1e3", "0x10", "१", "1_0"])).map(str)
option = st.one_of(
    st.tuples(st.sampled_from(["-F", "-R", "--frag-index"]), st.one_of(number, text)),
    st.tuples(st.just("--code-rate"), st.one_of(number, text, st.fractions().map(str), st.floats().map(str))),
    st.tuples(st.just("--rows"), st.one_of(text, st.lists(number, max_size=4).map(",".join))),
    st.tuples(st.just("--descriptor"), st.one_of(text, st.binary(max_size=5).map(bytes.hex))),
    st.tuples(st.sampled_from(["--dialect", "--format"]), st.one_of(text, st.sampled_from(["1.0.0", "hex", "srec"]))),
)


@pytest.fixture(scope="module")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.bin"
    path.write_bytes(b"firmware" * 10)
    return path


@given(options=st.lists(option, max_size=4))
@settings(max_examples=150)
def test_encode_survives_any_options(fuota: Fuota, small_image: Path, options: list[tuple[str, str]]):
    """Any options work, or are refused with a message."""
    result = fuota("encode", small_image, "-o", "-", *(word for pair in options for word in pair))
    if result.exit_code == 0:
        assert fuota("decode", "-", "-o", "-", stdin=result.stdout).exit_code in (0, 1)
    else:
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "rror: " in result.stderr


frame = st.one_of(
    st.tuples(st.integers(0, 70), st.binary(max_size=12)).map(lambda p: bytes([8, p[0], 0]) + p[1]),
    st.tuples(st.integers(1, 20), st.binary(min_size=8, max_size=8)).map(lambda p: bytes([8, p[0], 0]) + p[1]),
    st.binary(max_size=20),
).map(bytes.hex)
setup_line = st.one_of(
    st.tuples(st.integers(0, 30), st.integers(0, 9), st.integers(0, 255)).map(
        lambda p: f"# setup 0200{p[0]:02x}00{p[1]:02x}00{p[2]:02x}00000000"
    ),
    st.just("# setup 02000a0008000300000000"),
    st.binary(max_size=20).map(lambda b: f"# setup {b.hex()}"),
    st.sampled_from(["# dialect 1.0.0", "# dialect 2.0.0", "# dialect x", "#", "# setup", "# setup x y"]),
)


@given(lines=st.lists(st.one_of(frame, setup_line, st.text(max_size=10)), max_size=20))
@settings(max_examples=150)
def test_decode_survives_any_lines(fuota: Fuota, lines: list[str]):
    result = fuota("decode", "-", "-o", "-", stdin="\n".join(lines).encode("utf-8", "surrogatepass"))
    assert result.exit_code in (0, 1, 2)
    if result.exit_code == 0:
        assert result.stdout_bytes, "no image is empty"
    else:
        assert result.stdout_bytes == b""
        assert "error: " in result.stderr


@given(data=st.binary(max_size=200))
@settings(max_examples=50)
def test_decode_refuses_any_bytes(fuota: Fuota, small_image: Path, data: bytes):
    path = small_image.with_name("any.txt")
    path.write_bytes(data)
    assert fuota("decode", path, "-o", "-").exit_code == 2
