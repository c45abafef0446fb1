"""`profiles`: lines, JSON, profiles of a file; and `--profiles` of other commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fuota_fec.devices.profiles import PROFILES

Fuota = Callable[..., Result]

OWN = """
[profiles.meter]
base = "lbm"
max_frags = 850
radio = {listening = 0.025, sending = 0.2}
"""


@pytest.fixture
def own_file(tmp_path: Path) -> str:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return str(path)


def test_every_profile_is_listed_with_its_commit_limits_and_quirks(fuota: Fuota) -> None:
    result = fuota("profiles")
    assert (result.exit_code, result.stderr) == (0, "")
    blocks = result.stdout.split("\n\n")
    assert [block.split()[0] for block in blocks] == list(PROFILES)
    [old_st] = [block for block in blocks if block.startswith("st-2021 (base st)")]
    assert "commit 44157b0" in old_st
    assert "radio   sx126x: 19.6 mW listening, 333 mW sending, 6.4 J for the rest of an update" in old_st
    assert "limits  max_frags 2151, min_frag_size 40," in old_st
    assert "hangs_from 2040" in old_st


def test_the_json_has_every_field_of_a_profile(fuota: Fuota) -> None:
    facts = json.loads(fuota("profiles", "--json").stdout)["profiles"]
    assert [row["name"] for row in facts] == list(PROFILES)
    for row in facts:
        made = PROFILES[row["name"]]
        assert row["commit"] == made.commit
        assert row["radio"]["listening"] == made.energy.listening
        for name, value in {**row["limits"], **row["quirks"]}.items():
            mine = getattr(made, name)
            assert value == (list(mine) if isinstance(mine, tuple) else mine)
    [node] = [row for row in facts if row["name"] == "loramac-node"]
    assert node["limits"]["mc_group_ids"] == [0]
    assert node["quirks"]["late_uncoded"] == "dropped"


def test_profiles_of_a_file_are_listed_too(fuota: Fuota, own_file: str) -> None:
    shown = fuota("profiles", own_file, "--profile", "meter").stdout
    assert shown.startswith("meter (base lbm)\n")
    assert "own: 25 mW listening, 200 mW sending" in shown
    assert "max_frags 850, min_frag_size 1, max_frag_size 242" in shown
    assert "late_uncoded dropped" in shown
    assert len(json.loads(fuota("profiles", own_file, "--json").stdout)["profiles"]) == len(PROFILES) + 1


def test_a_schedule_and_a_plan_take_a_profile_of_ones_own(fuota: Fuota, own_file: str) -> None:
    args = ("schedule", "20000", "--devices-per-dr", "3:10", "--json", "--profile")
    facts = json.loads(fuota(*args, "meter", "--profiles", own_file).stdout)
    assert (facts["sending"]["frags_max"], facts["radio"]) == (850, "own")
    assert facts["groupings"][0]["problems"] == []
    base = json.loads(fuota(*args, "lbm").stdout)
    assert "the devices accept at most 100" in base["groupings"][0]["problems"][0]
    plan = ("plan", "-M", "300", "--loss", "0.1", "--devices", "10", "--json", "--profile", "meter")
    assert json.loads(fuota(*plan, "--profiles", own_file).stdout)["n_frags"] == 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "there are no profiles, expected tables [profiles.NAME]"),
        ('[profiles.meter]\nbase = "lbn"', "profiles.meter: base: 'lbn' is not known, expected one of lbm,"),
        ("[profiles.meter]\nmax_frag = 1", "profiles.meter: unknown key 'max_frag', did you mean 'max_frags'?"),
        ("[profiles.meter]\nmax_frags = 0", "max_frags: 0 is not from 1 to 16383"),
        ('[profiles.lbm]\nbase = "lbm"', "'lbm' is the name of a built-in profile, expected another name"),
        ("profiles = 3", "profiles: 3 is not allowed"),
        ("[profiles]\nmeter = 3", "profiles.meter: 3 is not allowed, expected a table"),
    ],
)
def test_wrong_files_of_profiles(fuota: Fuota, tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    result = fuota("profiles", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert expected in result.stderr


@pytest.mark.parametrize(
    "command", ["profiles", "plan -M 10 --loss 0.1 --devices 5", "schedule 100 --devices-per-dr 3:1"]
)
def test_an_unknown_profile_is_named(fuota: Fuota, command: str) -> None:
    result = fuota(*command.split(), "--profile", "lbn")
    assert result.exit_code == 2
    assert "--profile: 'lbn' is not known, expected one of lbm, loramac-node," in result.stderr
