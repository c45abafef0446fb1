"""Records what a journal of this release holds, for later releases to read.

    python tests/record_journal.py VERSION    writes tests/journals/VERSION-KIND.jsonl

A line is an event as journals keep it (type, version, fields as JSON). The first line holds the image, the last the
status that a replay must come to. VERSION.export.jsonl is what `campaign export` writes, with digests of the events.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fuota_fec import operations
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event, encode
from fuota_fec.simulation import Simulation, SimulationResult, simulate_campaign

JOURNALS = Path(__file__).parent / "journals"
KINDS = ("firmware", "binary", "multicast", "adaptive")
IMAGE = bytes(range(200))


def recorded_campaign(kind: str) -> tuple[CampaignConfig, Simulation]:
    """Small, and with most of what can happen: losses, groups of both dialects and classes, rounds, a set reboot."""
    groups = [
        {"name": "a", "mc_addr": "01f3a4b5", "dr": 5, "version": "2.0.0", "mc_version": "2.0.0"},
        {"name": "b", "mc_addr": "01f3a4b6", "dr": 5, "device_class": "B", "redundancy": 0},
    ]
    fleet = Simulation(seed=7, n_devices=6, downlink_loss=0.15, uplink_loss=0.15)
    table: dict[str, Any] = {
        "id": f"recorded-{kind}",
        "kind": kind,
        "success_threshold": 50,
        "max_duration": 100_000,
        "uplink_period": 300,
        "stage_end": "all",
        "redundancy": "1/2",
        "fsize": 20,
        "groups": groups,
        "devices": [{**device, "probe": True} for device in fleet.made_up_devices(["a", "b"])],
    }
    if kind == "adaptive":
        table |= {"kind": "firmware", "fw_version": "2.0.0.0", "reboot": "after_transfer", "redundancy": "adaptive"}
        table |= {"unicast_repair_max": 2, "fsession_status_threshold": 2, "msg_retries": 8}
        table |= {"success_threshold": 80}
        fleet = replace(fleet, downlink_loss=0.3)
        for group in groups:
            group.pop("redundancy", None)
    if kind == "firmware":
        table |= {"fw_version": "2.0.0.0", "reboot": fleet.start + 60_000}
    return CampaignConfig.from_mapping(table), fleet


def status_of(campaign: Campaign) -> dict[str, Any]:
    """What a replay is held against."""
    status = asdict(campaign.status())
    return {
        "status": status["status"],
        "next_f_cnt": status["next_f_cnt"],
        "unconfirmed": list(status["unconfirmed"]),
        "devices": [
            {key: device[key] for key in ("dev_eui", "status", "reason", "fw_version", "data_complete")}
            for device in status["devices"]
        ],
    }


def line_of(event: Event) -> dict[str, Any]:
    return {"event": type(event).__name__, "v": event.VERSION, "fields": json.loads(encode(event))}


def run(kind: str) -> SimulationResult:
    config, fleet = recorded_campaign(kind)
    return simulate_campaign(config, b"" if kind == "multicast" else IMAGE, fleet)


def record(result: SimulationResult) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [{"image": base64.b64encode(result.campaign.image).decode()}]
    for event in result.journal.events(result.campaign.id):
        lines.append(line_of(event))
    return [*lines, status_of(result.campaign)]


def examples_of() -> list[Any]:
    """One event of each kind at least."""
    path = Path(__file__).parent / "support" / "event_examples.py"
    spec = importlib.util.spec_from_file_location("event_examples", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.EXAMPLES)


def main() -> int:
    version = sys.argv[1]
    JOURNALS.mkdir(exist_ok=True)
    for kind in KINDS:
        result = run(kind)
        text = "".join(json.dumps(line) + "\n" for line in record(result))
        (JOURNALS / f"{version}-{kind}.jsonl").write_text(text, encoding="utf-8")
        if kind == KINDS[0]:
            exported = operations.export_campaign(result.journal, result.campaign.id)
            (JOURNALS / f"{version}.export.jsonl").write_bytes(exported)
    examples = [
        {"event": type(event).__name__, "v": event.VERSION, "fields": json.loads(encode(event))}
        for event in examples_of()
    ]
    text = "".join(json.dumps(line) + "\n" for line in examples)
    (JOURNALS / f"{version}.events.jsonl").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
