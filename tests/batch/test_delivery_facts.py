"""What is said of deliveries is the same every time, and has no secret."""

from __future__ import annotations

import json

from batches import Inline, image_bytes

import fuota_fec as ff
from fuota_fec.batch import BatchConfig, FleetDevice, plan_deliveries, prepare_batch
from fuota_fec.batch.delivery_facts import FILE, delivery_facts, delivery_text
from fuota_fec.wire.keys import Key


def test_the_file_is_the_same_whatever_the_order_of_the_devices(tmp_path):
    (tmp_path / "a.bin").write_bytes(image_bytes(3000))
    table = {
        "images": [{"path": "a.bin", "fw_version": 2}],
        "targets": [{"name": "t", "dr": 5, "dialect": "2.0.0"}],
    }
    config = BatchConfig.from_mapping(table, folder=tmp_path)
    fleet = [FleetDevice(dev_eui=f"{i:016x}", fw_version=i % 3) for i in range(20)]
    secret = bytes(range(100, 116))
    keys = ff.KeyRing(root_keys={one.dev_eui: Key(secret) for one in fleet}, mc_keys={})
    texts = {delivery_text(plan_deliveries(config, order, keys=keys)) for order in (fleet, fleet[::-1])}
    [text] = texts
    assert secret.hex() not in text
    assert str(tmp_path) not in text
    planned = plan_deliveries(config, fleet, keys=keys)
    assert secret.hex() not in repr(planned)
    assert json.loads(text) == delivery_facts(planned)
    prepare_batch(config, tmp_path / "out", deliveries=planned, executor=Inline())
    assert (tmp_path / "out" / FILE).read_text() == text
