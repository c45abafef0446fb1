"""Page about a batch: every pair with its costs, what failed, what is warned of."""

from __future__ import annotations

import json

import pytest
from batches import TARGETS, image_bytes, small_batch

from fuota_fec.batch import BatchConfig, FleetDevice, Target, plan_deliveries, prepare_batch
from fuota_fec.batch.delivery_facts import delivery_facts
from fuota_fec.report.batch import batch_page
from fuota_fec.report.formatting import duration


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    config = small_batch(
        folder,
        {"app.bin": 5000, "<b>.bin": 700},
        [*TARGETS, Target(name="refused", dr=14), Target(name="fast", dr=5, mcast_msg_delay=0, duty_cycle=1.0)],
    )
    (folder / "app.bin").write_bytes(image_bytes(5000) + b"\xff" * 4000)
    return prepare_batch(config, folder / "out").items


def test_a_batch_as_a_page(items, page):
    made = batch_page(items)
    text = page(made).text
    assert "Batch of 2 images for 5 targets" in text
    assert "2 failed" in text
    assert "DR14 is not defined in EU868" in text
    assert "padded: from offset" in text
    assert "a frame every" in text
    for entry in items:
        assert entry["target"]["name"] in text
        for costs in entry.get("data_rates", ()):
            if costs["dr"] == entry["target"]["dr"]:
                assert duration(costs["air_time"]) in text
                assert f"{costs['energy']:.1f} J" in text
    assert "<b>.bin" in text
    assert "<b>.bin" not in made
    assert made == batch_page(items)


def test_a_page_without_failures_and_with_one_target(items, page):
    found = [entry for entry in items if entry["target"]["name"] == "small"]
    text = page(batch_page(found)).text
    assert "all prepared" in text
    assert "side by side" not in text


def test_a_delta_is_shown_beside_the_full_image(items, page):
    entry = json.loads(json.dumps(next(entry for entry in items if entry["status"] == "ready")))
    entry["image"] |= {"kind": "delta", "base": {"source": "old.bin"}, "full": {"len": 4 * entry["image"]["len"]}}
    text = page(batch_page([entry])).text
    assert "delta of old.bin" in text
    assert "25%" in text


def test_an_empty_batch_is_a_page(page):
    assert "0 outputs ready" in page(batch_page([])).text


def test_deliveries_to_a_fleet_are_shown_with_what_deltas_save(tmp_path, page):
    old, new = image_bytes(6000), image_bytes(6000)[:3000] + b"!" * 10 + image_bytes(6000)[3000:]
    (tmp_path / "old.bin").write_bytes(old)
    (tmp_path / "new.bin").write_bytes(new)
    image = {"path": "new.bin", "fw_version": "2.0.0.0"}
    bases = [{"path": "old.bin", "fw_version": version} for version in ("1.0.0.0", "1.1.0.0")]
    images = [image, *({**image, "base": base, "output": f"delta-{n}"} for n, base in enumerate(bases))]
    config = BatchConfig.from_mapping({"images": images, "targets": [{"name": "dr5", "dr": 5}]}, folder=tmp_path)
    fleet = [FleetDevice(dev_eui=f"{n:016x}", fw_version=0x01000000) for n in range(7)]
    planned = plan_deliveries(config, fleet)
    facts = delivery_facts(planned)
    result = prepare_batch(config, tmp_path / "out", deliveries=planned)
    text = page(batch_page(result.items, deliveries=facts)).text
    assert "Deliveries to the fleet" in text
    assert "delta-0-dr5.npy" in text
    assert "1.0.0.0" in text
    assert "not prepared" in text
    assert f"the deltas save {duration(facts['targets'][0]['saving'])} of the full image alone" in text
    assert "Deliveries to the fleet" not in page(batch_page(result.items)).text
    assert "Deliveries to the fleet" not in page(batch_page(result.items, deliveries={"targets": []})).text
