"""`plan`: a table, JSON, a page, and messages for wrong options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import fuota_fec as ff
from fuota_fec.devices.profiles import profile
from fuota_fec.radio.regions import region

Fuota = Callable[..., Result]


def json_of(result: Result) -> dict:
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.output)


def test_plan_prints_a_table_of_the_plan_and_its_alternatives(fuota: Fuota):
    result = fuota("plan", "-M", 40, "--loss", 0.1, "--devices", 100)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith("40 fragments and ")
    assert "at least 90 % of 100 devices (90) complete" in result.output
    table = [line for line in lines if line.startswith(("this plan", "code rate", "1 round", "2 rounds"))]
    assert len(table) == 7
    assert sum(line.startswith("this plan") for line in table) == 1
    assert "on the air" not in result.output


def test_json_of_a_plan_is_that_of_the_library(fuota: Fuota):
    facts = json_of(fuota("plan", "-M", 40, "--loss", 0.1, "--devices", 100, "--threshold", 95, "--seed", 3, "--json"))
    plan = ff.plan_redundancy(40, 0.1, 95, n_devices=100, seed=3)
    assert facts["n_coded"] == plan.n_coded
    assert facts["rows"] == plan.rows.tolist()
    assert facts["probability"] == plan.probability
    assert facts["meets"] is True
    assert [other["name"] for other in facts["alternatives"]] == [other.name for other in plan.alternatives]


def test_plan_finds_the_best_fragment_size(fuota: Fuota, tmp_path: Path, firmware_bytes: Callable[[int], bytes]):
    path = tmp_path / "firmware.bin"
    path.write_bytes(firmware_bytes(3000))
    given = ("plan", path, "--loss", 0.05, "--devices", 50, "--dr", 3, "--profile", "st")
    result = fuota(*given)
    assert result.exit_code == 0
    assert "DR3 (SF9/125 kHz)" in result.output
    assert "on the air" in result.output
    facts = json_of(fuota(*given, "--json"))
    plan = ff.plan_transmission(
        3000,
        0.05,
        90,
        data_rate=region("EU868").data_rate(3),
        profiles=[profile("st")],
        n_devices=50,
    )
    assert facts["frag_size"] == plan.frag_size
    assert facts["frag_size"] % 8 == 0
    assert facts["air_time"] == plan.air_time
    assert all("air_time" in other for other in facts["alternatives"])


def test_a_threshold_that_cannot_be_met_is_reported_and_fails(fuota: Fuota):
    given = ("plan", "-M", 21, "--loss", 0.2, "--devices", 500, "--threshold", 95, "--profile", "loramac-node")
    result = fuota(*given)
    assert result.exit_code == 1
    assert "the threshold cannot be met" in result.output
    assert "the best possible plan" in result.output
    assert json_of(fuota(*given, "--json"))["meets"] is False


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-M", 20), "give one of --loss, --burst and --loss-file"),
        (("-M", 20, "--loss", 0.1, "--burst", "1,1,1,1"), "give one of --loss"),
        (("-M", 20, "--burst", "0.1,0.1,0,1", "--spread", 0.1, "--devices", 9), "--spread goes with --loss"),
        (("-M", 20, "--loss", 0.1), "--devices is missing"),
        (("-M", 20, "--burst", "0.1,0.1", "--devices", 9), "2 numbers, expected four"),
        (("-M", 20, "--burst", "a,b,c,d", "--devices", 9), "is not a list of numbers"),
        (("--loss", 0.1, "--devices", 9), "give one of IMAGE, --image-len and --n-frags"),
        (("-M", 20, "--image-len", 9, "--loss", 0.1, "--devices", 9), "give one of IMAGE"),
        (("--image-len", 900, "--loss", 0.1, "--devices", 9), "give --dr"),
        (("--image-len", 900, "-F", 0, "--loss", 0.1, "--devices", 9), "--frag-size"),
        (("-M", 20, "--loss", 1.5, "--devices", 9), "--loss: 1.5 is not a probability"),
        (("-M", 20, "--loss", 0.5, "--devices", 0), "--devices: 0 is not from 1"),
        (("-M", 20, "--loss", 0.5, "--devices", 5, "--threshold", 0), "--threshold: 0.0 is not a percentage"),
        (("-M", 20, "--loss", 0.5, "--devices", 5, "--dr", 5), "--dr goes with IMAGE or --image-len"),
        (("-M", 20, "--loss", 0.5, "--devices", 5, "-F", 50), "--frag-size goes with IMAGE or --image-len"),
        (("-M", 20, "--loss", 0.5, "--devices", 5, "--region", "moon"), "region: 'moon' is not a region"),
        (("--image-len", 900, "--dr", 5, "-F", 300, "--loss", 0.1, "--devices", 5), "--frag-size: 300 is not possible"),
        (("--image-len", 900, "--dr", 8, "--loss", 0.5, "--devices", 5), "DR8 is for uplinks only in EU868"),
        (
            ("--image-len", 900, "--dr", 1, "--region", "moon", "--loss", 0.5, "--devices", 5),
            "region: 'moon' is not a region",
        ),
        (("-M", 20, "--loss-file", "none.txt"), "none.txt: cannot be read: No such file"),
        (("none.bin", "--dr", 1, "--loss", 0.5, "--devices", 5), "none.bin"),
    ],
)
def test_wrong_usage_of_plan(fuota: Fuota, arguments, expected):
    result = fuota("plan", *arguments)
    assert result.exit_code == 2
    assert expected in result.output


def test_plan_writes_a_page(fuota: Fuota, tmp_path: Path):
    page = tmp_path / "plan.html"
    given = ("plan", "-M", 40, "--loss", 0.05, "--devices", 100)
    result = fuota(*given, "-o", page)
    assert result.exit_code == 0
    assert f"report in {page}" in result.stdout
    assert "Redundancy plan" in page.read_text(encoding="utf-8")
    assert fuota(*given, "-o", "-").stdout.startswith("<!doctype html>")


def test_plan_counts_own_uplinks_as_losses(fuota: Callable[..., Result]) -> None:
    given = ("plan", "--image-len", "2000", "--devices", "50", "--dr", "0", "-F", "48", "--rows", "first", "--json")
    with_uplinks = json.loads(fuota(*given, "--loss", "0.1", "--uplink-period", "15").stdout)
    share = with_uplinks["own_uplink_loss"]
    assert 0.32 < share < 0.37
    as_loss = json.loads(fuota(*given, "--loss", str(1 - 0.9 * (1 - share))).stdout)
    assert with_uplinks["n_coded"] == as_loss["n_coded"]
    text = fuota(*given[:-1], "--loss", "0.1", "--uplink-period", "15").stdout
    assert "warning: devices miss up to 35% of the fragments because of their own uplinks" in text
    assert "--uplink-period: 1 s leaves no time" in fuota(*given, "--loss", "0.1", "--uplink-period", "1").stderr


def test_plan_refuses_the_newest_data_rates_without_a_profile_that_has_them(fuota: Fuota, tmp_path: Path):
    sending = ("plan", "--image-len", "2000", "--loss", "0.05", "--devices", "20", "--region", "US915", "--dr", "14")
    result = fuota(*sending)
    assert result.exit_code == 2
    assert "DR14 (SF6/500 kHz) exists since RP002-1.0.5, generic devices do not receive it" in result.stderr
    (own := tmp_path / "own.toml").write_text("[profiles.new]\nnew_data_rates = true\n")
    assert fuota(*sending, "--profiles", str(own), "--profile", "new").exit_code == 0
