"""Facts of deliveries: the file deliveries.json, and lines for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fuota_fec._version import __version__
from fuota_fec.batch.changes import dotted
from fuota_fec.batch.deliveries import Deliveries, TargetDeliveries
from fuota_fec.batch.mics import block_mics
from fuota_fec.checks import counted
from fuota_fec.key_ring import KeyRing
from fuota_fec.planning.deltas import Delivery

FILE = "deliveries.json"


def delivery_facts(deliveries: Deliveries) -> dict[str, Any]:
    """All of the deliveries, for a program."""
    return {
        "fuota_fec": __version__,
        "fw_version": deliveries.fw_version,
        "targets": [_of_target(one, deliveries.keys) for one in deliveries.targets],
    }


def delivery_text(deliveries: Deliveries) -> str:
    """Contents of the file."""
    return json.dumps(delivery_facts(deliveries), indent=1) + "\n"


def delivery_lines(deliveries: Deliveries) -> Iterator[str]:
    """Lines for a person."""
    for one in deliveries.targets:
        yield from _target_lines(one)


def _of_target(one: TargetDeliveries, keys: KeyRing | None) -> dict[str, Any]:
    choice = one.choice
    full_alone = None if choice is None or choice.full_alone is None else choice.full_alone.air_time
    return {
        "target": one.target.name,
        "problem": one.problem,
        "deliveries": [] if choice is None else [_of_delivery(one, each, keys) for each in choice.deliveries],
        "air_time": None if choice is None else _seconds(choice.air_time),
        "full_alone_air_time": _seconds(full_alone),
        "saving": None if choice is None else _seconds(choice.saving),
        "unused": [
            {
                "output": one.deltas[unused.base].output,
                "requires_fw_version": unused.base,
                "len": unused.image_len,
                "n_devices": unused.n_devices,
                "extra_air_time": _seconds(unused.extra_air_time),
            }
            for unused in (() if choice is None else choice.unused)
        ],
        "failed": [
            {"output": each.output, "reason": each.problem} for each in (one.full, *one.deltas.values()) if each.problem
        ],
        "up_to_date": [device.dev_eui for device in one.current],
        "out_of_reach": [device.dev_eui for device in one.unreached],
    }


def _of_delivery(one: TargetDeliveries, delivery: Delivery, keys: KeyRing | None) -> dict[str, Any]:
    candidate, devices = one.candidate(delivery), one.devices_of(delivery)
    facts: dict[str, Any] = {
        "output": candidate.output,
        "kind": "full" if delivery.base is None else "delta",
        "len": delivery.image_len,
        "requires_fw_version": delivery.base,
        "versions": list(delivery.versions),
        "n_devices": delivery.n_devices,
        "air_time": _seconds(delivery.air_time),
        "setup_air_time": _seconds(delivery.setup_air_time),
        "groups": [
            {
                "dr": group.dr,
                "drs": list(group.drs),
                "n_devices": group.n_devices,
                "n_frags": group.n_frags,
                "n_coded": group.n_coded,
                "air_time": _seconds(group.air_time),
                "duration": _seconds(group.session_length),
            }
            for group in delivery.schedule.groups
        ],
        "dev_euis": [device.dev_eui for device in devices],
    }
    if keys is not None and one.target.dialect == "2.0.0" and candidate.item is not None:
        made = block_mics(
            candidate.item.data,
            devices,
            keys,
            frag_index=one.target.frag_index,
            descriptor=bytes.fromhex(candidate.image.descriptor),
        )
        facts["mics"] = [{"dev_eui": eui, "session_cnt": count, "mic": mic.hex()} for eui, count, mic in made]
    return facts


def _target_lines(one: TargetDeliveries) -> Iterator[str]:
    name = one.target.name
    for delivery in () if one.choice is None else one.choice.deliveries:
        what = "full image" if delivery.base is None else f"delta, requires_fw_version {dotted(delivery.base)}"
        yield (
            f"{name}: {one.candidate(delivery).output} for {counted(delivery.n_devices, 'device')}: {what}, "
            f"{delivery.image_len} bytes, {delivery.air_time:.0f} s on the air"
        )
    if one.choice is not None:
        for unused in one.choice.unused:
            if unused.extra_air_time is None:
                reason = "no device runs its base" if not unused.n_devices else "cannot be sent"
            else:
                reason = f"would take {unused.extra_air_time:.0f} s more on the air"
            yield f"{name}: {one.deltas[unused.base].output} is not prepared: {reason}"
        if one.choice.saving is not None and one.choice.saving > 0:
            yield f"{name}: the deltas save {one.choice.saving:.0f} s of the full image alone"
    for each in one.deltas.values():
        if each.problem:
            yield f"{name}: {each.output} is not prepared: {each.problem}"
    if one.current:
        yield f"{name}: {counted(len(one.current), 'device')} up to date"


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
