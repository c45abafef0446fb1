"""The options --loss, --spread, --burst and --loss-file, in the commands that have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from fuota_fec.cli.losses import read_loss
from fuota_fec.planning.losses import BetaLoss, GilbertElliott

Fuota = Callable[..., Result]


def given(**options: object) -> dict[str, object]:
    return {"loss": None, "spread": None, "burst": None, "loss_file": None, "n_devices": None, **options}


def test_options_give_a_number_or_a_distribution():
    assert read_loss(given(loss=0.1, n_devices=3)) == 0.1
    assert read_loss(given(loss=0.1, spread=0.02, n_devices=3)) == BetaLoss(mean=0.1, spread=0.02)
    bursts = GilbertElliott(p_good_to_bad=0.1, p_bad_to_good=0.2, loss_good=0.0, loss_bad=0.5)
    assert read_loss(given(burst="0.1, 0.2 0,0.5", n_devices=3)) == bursts


def test_a_file_of_losses_sets_the_number_of_devices(tmp_path: Path):
    path = tmp_path / "losses.txt"
    path.write_text("0.1,0.2\n0.3")
    options = given(loss_file=str(path))
    assert read_loss(options) == [0.1, 0.2, 0.3]
    assert options["n_devices"] == 3


def test_losses_without_a_number_of_devices_are_wrong_usage():
    with pytest.raises(click.UsageError, match="--devices is missing"):
        read_loss(given(loss=0.1))


@pytest.mark.parametrize(
    "loss",
    [
        ("--loss", 0.1, "--spread", 0.05, "--devices", 30),
        ("--burst", "0.02,0.2,0.01,0.9", "--devices", 30),
        ("--loss-file", "losses.csv"),
    ],
)
def test_a_plan_takes_losses_of_every_kind(fuota: Fuota, tmp_path: Path, loss, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("losses.csv").write_text("0.1, 0.2\n0.05\n" * 10)
    facts = json.loads(fuota("plan", "--image-len", 1000, "-F", 50, *loss, "--json").output)
    assert facts["n_frags"] == 20
    assert facts["n_devices"] == 30
    assert facts["meets"]


def test_a_file_of_wrong_losses_is_refused(fuota: Fuota, tmp_path: Path):
    for content, expected in (
        (b"\n", "it is empty"),
        (b"0.1 nan", "device 2: nan is not a loss, expected 0 to below 1"),
        (b"1", "device 1: 1.0 is not"),
        (b"\xff\xfe", "not UTF-8 text"),
    ):
        path = tmp_path / "losses.txt"
        path.write_bytes(content)
        result = fuota("plan", "-M", 20, "--loss-file", path)
        assert result.exit_code == 2
        assert expected in result.output


def test_a_file_of_losses_for_other_devices_is_refused(fuota: Fuota, tmp_path: Path):
    path = tmp_path / "losses.txt"
    path.write_text("0.1 0.2\n")
    result = fuota("simulate", "-M", 20, "--loss-file", path, "--devices", 4)
    assert result.exit_code == 2
    assert "losses.txt: 2 losses, expected one for each of 4 devices" in result.output
