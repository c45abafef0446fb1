"""Deliveries of a release: which devices get which output, and what is prepared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from releases import micropython_1, micropython_2

import fuota_fec as ff
from fuota_fec.batch import BatchConfig, FleetDevice, plan_deliveries, prepare_batch
from fuota_fec.batch.delivery_facts import delivery_facts, delivery_lines
from fuota_fec.errors import ParameterError
from fuota_fec.wire.keys import Key

V1, V2 = 0x01010000, 0x02000000
FULL, DELTA = "micropython-2-dr5.npy", "micropython-2-from-micropython-1-dr5.npy"
BASE = {"path": "micropython-1.bin", "fw_version": "1.1.0.0"}
IMAGE = {"path": "micropython-2.bin", "fw_version": "2.0.0.0"}


@pytest.fixture(autouse=True)
def images(tmp_path: Path) -> None:
    (tmp_path / "micropython-1.bin").write_bytes(micropython_1())
    (tmp_path / "micropython-2.bin").write_bytes(micropython_2())


def batch(folder: Path, *images: dict[str, Any], **target: Any) -> BatchConfig:
    table = {
        "images": list(images) or [IMAGE, {**IMAGE, "base": BASE}],
        "targets": [{"name": "dr5", "dr": 5, "profile": "generic", **target}],
    }
    return BatchConfig.from_mapping(table, folder=folder)


def devices(n: int, version: int | None, start: int = 0, **facts: Any) -> list[FleetDevice]:
    return [FleetDevice(dev_eui=f"{start + i:016x}", fw_version=version, **facts) for i in range(n)]


def test_a_fleet_of_one_version_gets_the_delta_alone(tmp_path: Path) -> None:
    config = batch(tmp_path)
    planned = plan_deliveries(config, devices(20, V1) + devices(3, V2, 100))
    assert planned.outputs == {DELTA}
    [target] = delivery_facts(planned)["targets"]
    [delivery] = target["deliveries"]
    assert (delivery["output"], delivery["kind"], delivery["requires_fw_version"]) == (DELTA, "delta", V1)
    assert (delivery["n_devices"], len(delivery["dev_euis"])) == (20, 20)
    assert target["up_to_date"] == [f"{100 + i:016x}" for i in range(3)]
    assert target["saving"] == pytest.approx(target["full_alone_air_time"] - target["air_time"], abs=0.01)
    assert target["air_time"] < 0.4 * target["full_alone_air_time"]
    result = prepare_batch(config, tmp_path / "out", deliveries=planned)
    assert [entry["output"] for entry in result.items] == [DELTA]
    assert result.items[0]["n_frags"] == delivery["groups"][0]["n_frags"]
    assert result.items[0]["n_coded"] == delivery["groups"][0]["n_coded"]
    written = json.loads((tmp_path / "out" / "deliveries.json").read_text())
    assert written == delivery_facts(planned)
    assert prepare_batch(config, tmp_path / "out", deliveries=planned).n_kept == 1
    lines = list(delivery_lines(planned))
    assert lines[0].startswith(f"dr5: {DELTA} for 20 devices: delta, requires_fw_version 1.1.0.0, ")
    assert lines[-1] == "dr5: 3 devices up to date"


def test_targets_get_different_images_of_the_release(tmp_path: Path) -> None:
    """The outputs that are prepared are not all pairs: each has the image of its name."""
    table = {
        "images": [IMAGE, {**IMAGE, "base": BASE}],
        "targets": [{"name": "known", "dr": 5}, {"name": "new", "dr": 5}, {"name": "none", "dr": 5}],
    }
    config = BatchConfig.from_mapping(table, folder=tmp_path)
    fleet = devices(20, V1, target="known") + devices(20, None, 100, target="new")
    result = prepare_batch(config, tmp_path / "out", deliveries=plan_deliveries(config, fleet))
    made = {entry["output"]: entry["image"]["kind"] for entry in result.items}
    assert made == {"micropython-2-from-micropython-1-known.npy": "delta", "micropython-2-new.npy": "full"}


def test_deliveries_of_an_earlier_batch_do_not_stay(tmp_path: Path) -> None:
    config, out = batch(tmp_path), tmp_path / "out"
    prepare_batch(config, out, deliveries=plan_deliveries(config, devices(20, V1)))
    assert (out / "deliveries.json").exists()
    assert prepare_batch(config, out).n_kept == 1
    assert sorted(path.name for path in out.iterdir()) == sorted([DELTA, FULL, "manifest.json"])


def test_a_delta_beside_the_full_image_at_the_same_data_rate_does_not_pay(tmp_path: Path) -> None:
    planned = plan_deliveries(batch(tmp_path), devices(50, V1) + devices(1, None, 100))
    assert planned.outputs == {FULL}
    [target] = delivery_facts(planned)["targets"]
    [delivery] = target["deliveries"]
    assert (delivery["requires_fw_version"], delivery["versions"], delivery["n_devices"]) == (None, [None, V1], 51)
    [unused] = target["unused"]
    assert (unused["output"], unused["n_devices"]) == (DELTA, 50)
    assert unused["extra_air_time"] > 0
    assert f"dr5: {DELTA} is not prepared: would take {unused['extra_air_time']:.0f} s more on the air" in list(
        delivery_lines(planned)
    )


def test_a_delta_for_slow_devices_lets_the_full_image_go_at_a_fast_data_rate(tmp_path: Path) -> None:
    fleet = devices(50, V1, downlink_dr=3) + devices(5, None, 100, downlink_dr=5)
    planned = plan_deliveries(batch(tmp_path, dr=3), fleet)
    [target] = delivery_facts(planned)["targets"]
    assert [(one["requires_fw_version"], one["groups"][0]["dr"]) for one in target["deliveries"]] == [
        (None, 5),
        (V1, 3),
    ]
    assert [one["n_devices"] for one in target["deliveries"]] == [5, 50]


def test_devices_whose_data_rate_does_not_take_the_frames_are_named(tmp_path: Path) -> None:
    planned = plan_deliveries(batch(tmp_path), devices(2, V1) + devices(3, V1, 100, downlink_dr=0))
    [target] = delivery_facts(planned)["targets"]
    assert target["out_of_reach"] == [f"{100 + i:016x}" for i in range(3)]
    assert target["deliveries"][0]["n_devices"] == 2
    [problem] = planned.problems
    assert problem.startswith("target dr5: 3 devices out of reach")


def test_a_delta_that_is_refused_leaves_the_full_image(tmp_path: Path) -> None:
    config = batch(tmp_path, IMAGE, {**IMAGE, "base": BASE, "largest_share": 0.1})
    planned = plan_deliveries(config, devices(5, V1))
    assert planned.outputs == {FULL}
    [failed] = delivery_facts(planned)["targets"][0]["failed"]
    assert failed["output"] == DELTA
    assert "expected less than 10 %" in failed["reason"]
    assert any("expected less than 10 %" in line for line in delivery_lines(planned))
    assert planned.problems == []


def test_a_full_image_that_cannot_be_sent_is_a_problem(tmp_path: Path) -> None:
    config = batch(tmp_path, profile="lbm")
    planned = plan_deliveries(config, devices(5, V1))
    [problem] = planned.problems
    assert problem.startswith("target dr5: ")
    assert planned.outputs == {FULL, DELTA}
    result = prepare_batch(config, tmp_path / "out", deliveries=planned)
    assert result.n_failed == 2


def test_a_target_without_devices_gets_nothing(tmp_path: Path) -> None:
    table = {
        "images": [IMAGE],
        "targets": [{"name": "dr5", "dr": 5}, {"name": "us", "region": "US915", "dr": 10}],
    }
    config = BatchConfig.from_mapping(table, folder=tmp_path)
    planned = plan_deliveries(config, devices(5, V1, target="us") + devices(1, V2, 50, target="dr5"))
    assert planned.outputs == {"micropython-2-us.npy"}
    assert planned.problems == []
    assert [len(one["deliveries"]) for one in delivery_facts(planned)["targets"]] == [0, 1]
    with pytest.raises(ParameterError) as info:
        plan_deliveries(config, devices(1, V1) + devices(1, V1, 9, target="eu"))
    assert info.value.problems == (
        "device 0000000000000000: target is missing, expected one of dr5, us",
        "device 0000000000000009: target: 'eu' is not known, expected one of dr5, us",
    )


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ([{"path": "micropython-2.bin"}], "image micropython-2.bin: fw_version is missing"),
        ([IMAGE, {**IMAGE, "path": "b", "fw_version": 5}], "images: their versions are 0.0.0.5, 2.0.0.0, expected one"),
        ([IMAGE, {**IMAGE, "path": "b"}], "images: 2 are full images, expected one"),
        ([{**IMAGE, "base": BASE}], "images: 0 are full images"),
        (
            [IMAGE, {**IMAGE, "base": BASE}, {**IMAGE, "base": BASE, "output": "b"}],
            "images: 2 are deltas of version 1.1.0.0, expected one",
        ),
    ],
)
def test_a_batch_for_a_fleet_is_one_release(tmp_path: Path, images: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ParameterError) as info:
        plan_deliveries(batch(tmp_path, *images), devices(1, V1))
    assert any(line.startswith(problem) for line in info.value.problems)


def test_devices_of_dialect_2_have_mics_where_keys_are_given(tmp_path: Path) -> None:
    fleet = devices(3, V1, session_cnt=7)
    keys = ff.KeyRing(root_keys={one.dev_eui: Key(bytes([i] * 16)) for i, one in enumerate(fleet)}, mc_keys={})
    planned = plan_deliveries(batch(tmp_path, dialect="2.0.0"), fleet, keys=keys)
    [delivery] = delivery_facts(planned)["targets"][0]["deliveries"]
    assert [one["dev_eui"] for one in delivery["mics"]] == delivery["dev_euis"]
    assert {one["session_cnt"] for one in delivery["mics"]} == {7}
    assert len({one["mic"] for one in delivery["mics"]}) == 3
    old = plan_deliveries(batch(tmp_path), fleet, keys=keys)
    assert "mics" not in delivery_facts(old)["targets"][0]["deliveries"][0]
    with pytest.raises(ParameterError, match="no root key named"):
        delivery_facts(plan_deliveries(batch(tmp_path, dialect="2.0.0"), devices(1, V1, 99), keys=keys))
