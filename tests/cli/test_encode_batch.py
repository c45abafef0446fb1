"""`encode --out-dir`: the same outputs as of a batch file."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def images(tmp_path, firmware_bytes):
    paths = []
    for name, length in (("a.bin", 2000), ("b.bin", 700)):
        (tmp_path / name).write_bytes(firmware_bytes(length))
        paths.append(tmp_path / name)
    return paths


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_the_batch_of_these_images_and_data_rates(fuota, tmp_path, images):
    targets = "".join(
        f'[[targets]]\nname = "dr{dr}"\ndr = {dr}\nregion = "US915"\ndialect = "2.0.0"\nredundancy = 4\n'
        for dr in (8, 10)
    )
    (tmp_path / "batch.toml").write_text(
        "".join(f'[[images]]\npath = "{path.name}"\ndescriptor = "01020304"\n' for path in images) + targets
    )
    options = ["--region", "us915", "-R", "4", "--dialect", "2.0.0", "--descriptor", "01020304"]
    done = fuota("encode", *images, "--dr", "8,10", *options, "--out-dir", tmp_path / "shell")
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path}/shell/manifest.json: 4 outputs prepared\n")
    fuota("prepare", tmp_path / "batch.toml", "-o", tmp_path / "file")
    assert contents(tmp_path / "shell") == contents(tmp_path / "file")


def test_without_data_rates_the_fragment_size_is_the_target(fuota, tmp_path, images):
    done = fuota("encode", images[0], "--out-dir", tmp_path / "out", "-F", "48", "--code-rate", "1/2", "--json")
    assert json.loads(done.stdout)["n_made"] == 1
    [entry] = json.loads((tmp_path / "out" / "manifest.json").read_text())["items"]
    assert (entry["output"], entry["frag_size"], entry["n_coded"]) == ("a-F48.npy", 48, 42)


def test_an_image_that_fails_has_status_1(fuota, tmp_path, images):
    done = fuota("encode", *images, tmp_path / "none.bin", "--dr", "5", "--out-dir", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr == "error: none.bin for dr5: image none.bin: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--dr", "x"], "--dr: 'x' is not a list of data rates"),
        (["--dr", ","], "--dr: ',' is not a list of data rates"),
        (["--dr", "99"], "--dr: 99 is not from 0 to 15"),
        (["--dr", "5", "--region", "MARS"], "region: 'MARS' is not known"),
        (["--dr", "5", "--rows", "1,2"], "--rows goes with one image"),
        (["--dr", "5", "-o", "x"], "--output goes with one image"),
        (["-"], "standard input goes with -o"),
        (["-R", "3", "--code-rate", "1/2"], "give one of them"),
        (["--descriptor", "xyz"], "--descriptor: 'xyz'"),
        (["--frag-index", "9"], "--frag-index: 9 is not from 0 to 3"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(fuota, tmp_path, images, options, part):
    done = fuota("encode", *images, "--out-dir", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert part in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [[], ["--dr", "5", "-o", "x"]])
def test_several_images_or_data_rates_need_a_folder(fuota, images, options):
    done = fuota("encode", *(images if not options else images[:1]), *options)
    assert done.exit_code == 2
    assert "--out-dir" in done.stderr
