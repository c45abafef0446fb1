"""Batch files: every problem at once, each with its place."""

from __future__ import annotations

import pytest

from fuota_fec.batch import BatchConfig, BatchImage, Target
from fuota_fec.errors import ParameterError

IMAGE = {"path": "a.bin"}
TARGET = {"name": "t", "dr": 5}


def load(tmp_path, text):
    path = tmp_path / "batch.toml"
    path.write_text(text, encoding="utf-8")
    return BatchConfig.load(path)


def test_a_file_as_in_the_documents(tmp_path):
    config = load(
        tmp_path,
        """
        [[images]]
        path = "app-2.0.bin"
        fw_version = "2.0.0.0"
        start = 0x1000

        [[targets]]
        name = "eu868-dr5"
        region = "eu863-870"
        dr = 5
        profile = "mine"

        [profiles.mine]
        base = "lbm"
        max_frags = 900
        """,
    )
    assert config.images[0].start == 0x1000
    assert config.targets[0].region == "EU868"
    assert config.profile_of(config.targets[0]).max_frags == 900
    assert config.folder == str(tmp_path)


def test_an_empty_output_is_refused():
    with pytest.raises(ParameterError, match=r"^output: '' is empty$"):
        BatchImage(path="a.bin", output="")


def test_all_problems_are_reported_at_once(tmp_path):
    with pytest.raises(ParameterError) as error:
        load(
            tmp_path,
            """
            [[images]]
            pth = "a.bin"
            fill = 300
            fw_version = "1.2"
            descriptor = "xyz"
            [[targets]]
            name = "a/b"
            region = "EU686"
            dr = 99
            redundancy = "adaptive"
            profile = "genric"
            [[targets]]
            name = "t"
            redundancy = "planned"
            loss = 1.5
            [target]
            """,
        )
    for part in (
        "unknown key 'target', did you mean 'targets'?",
        "images[0]: unknown key 'pth', did you mean 'path'?",
        "images[0]: image: expected either path or package",
        "image: fill: 300 is not from 0 to 255",
        "fw_version: '1.2' is not a firmware version",
        "descriptor: 'xyz' is not 8 hexadecimal digits",
        "targets[0]: name: 'a/b' is not a part of a file name",
        "targets[0]: region: 'EU686' is not known, did you mean 'EU868'?",
        "targets[0]: dr: 99 is not from 0 to 15",
        "redundancy: 'adaptive' decides during a campaign",
        "profile: 'genric' is not known, did you mean 'generic'?",
        "targets[1]: dr, fsize: both are missing",
        "redundancy: 'planned': success_threshold is missing",
        "loss: 1.5 is not from 0 to below 1",
    ):
        assert any(part in problem for problem in error.value.problems), part


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ({}, "images is missing"),
        ({"images": [], "targets": [TARGET]}, "images: there are none"),
        ({"images": [IMAGE], "targets": []}, "targets: there are none"),
        ({"images": IMAGE, "targets": [TARGET]}, "expected a list of tables"),
        ({"images": [IMAGE], "targets": [{**TARGET, "dr": "5"}]}, "targets[0].dr"),
        ({"images": [IMAGE], "targets": [{**TARGET, "profile": "nobody"}]}, "profile: 'nobody' is not known"),
        ({"images": [IMAGE], "targets": [TARGET], "profiles": {"lbm": {}}}, "name of a built-in profile"),
        ({"images": [IMAGE], "targets": [TARGET], "folder": "/"}, "unknown key 'folder'"),
    ],
)
def test_a_wrong_file_is_refused(table, part):
    with pytest.raises(ParameterError) as error:
        BatchConfig.from_mapping(table)
    assert part in str(error.value)


@pytest.mark.parametrize(
    ("image", "source", "stem"),
    [
        (BatchImage(path="app-2.0.bin"), "app-2.0.bin", "app-2.0"),
        (BatchImage(path="/home/me/app.hex"), "app.hex", "app"),
        (BatchImage(path="../x/app.hex", output="mine"), "../x/app.hex", "mine"),
        (BatchImage(package="uflash", name="_RUNTIME"), "uflash._RUNTIME", "RUNTIME"),
    ],
)
def test_names_of_an_image_have_no_absolute_path(image, source, stem):
    assert (image.source, image.stem) == (source, stem)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a\\b", "a\nb", "-x", "a:b", " a", "a" * 300])
def test_a_name_that_is_no_part_of_a_file_name_is_refused(name):
    with pytest.raises(ParameterError, match="name"):
        Target(name=name, dr=5)
