"""Virtual devices against whole receptions of real device stacks, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import DeviceProfile, profile
from fuota_fec.fleet.batched_delivery import GroupDelivery
from fuota_fec.fleet.batched_reception import BatchedBlocks
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.device_state import JoinedGroup
from fuota_fec.wire import keys
from fuota_fec.wire.clock import gps_from_unix, unix_from_gps

NOW = 1_800_000_000.0
TRACES = json.loads((Path(__file__).parents[1] / "vectors" / "device_traces.json").read_text())
BUILDS: dict[str, dict[str, Any]] = {
    "lbm-v1-big": {"max_frags": 1100, "max_frag_size": 250, "max_losses": 1100},
    "lbm-v2-big": {"max_frags": 1100, "max_frag_size": 250, "max_losses": 1100},
    "zephyr": {"max_frags": 101, "max_losses": 20, "max_loss_share": None},
    "zephyr-lowmem": {"max_frags": 101, "max_losses": 20, "max_loss_share": None},
}
"""Limits of the recorded builds where they are not those of the profile."""
PORTS = {"TS004": 201, "TS005": 200, "TS006": 203}
MC_ADDR = 0x01F3A4B5
APP_S_KEY = keys.Key(bytes(16))


class AtOnce:
    """Answers without delay."""

    def uniform(self, *_: float) -> float:
        return 0.0

    random = uniform


def device_of(vector: dict[str, Any], stack: DeviceProfile, **settings: Any) -> VirtualDevice:
    return VirtualDevice(
        dev_eui=f"{1:016x}",
        root_key=keys.Key(bytes.fromhex(vector.get("root_key", "00" * 16))),
        releases={},
        rng=AtOnce(),
        profile=stack,
        version=f"{vector['version']}.0.0" if "steps" in vector else "",
        process_time=1e9,
        **settings,
    )


def numbers_in(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


class Bench:
    """A device that is fed the steps of a vector."""

    def __init__(self, vector: dict[str, Any], data: bytes, **settings: Any) -> None:
        self.vector, self.data = vector, data
        limits = BUILDS.get(vector["stack"], {})
        self.device = device_of(vector, replace(profile(vector["profile"]), **limits), **settings)

    def said(self) -> list[str]:
        return [payload.hex() for _, payload in self.device.advance(NOW)]

    def receive(self, payload: bytes, group: int | None) -> None:
        self.device.receive(PORTS["TS004"], payload, NOW, group=group)

    def frames(self, frag_index: int) -> dict[int, bytes]:
        v = self.vector
        version = f"{v['version']}.0.0"
        block = ff.prepare(self.data, v["frag_size"], version=version, rows=v["rows"], frag_index=frag_index)
        frames = [bytes(frame) for frame in block.frames]
        return {int.from_bytes(frame[1:3], "little") & 0x3FFF: frame for frame in frames}

    def run(self) -> None:
        for step in self.vector["steps"]:
            if "request" in step:
                self.device.receive(PORTS["TS004"], bytes.fromhex(step["request"]), NOW, group=step.get("group"))
                assert "".join(self.said()) == (step["answer"] or ""), step
            elif "fragments" in step:
                self.feed(step)
            else:
                assert step["data_ok"] is (self.device.stored == self.data), step

    def feed(self, step: dict[str, Any]) -> None:
        frames = self.frames(step.get("frag_index", 0))
        complete_after, data_ok, uplinks, before = None, None, [], self.device.stored
        self.device.stored = None
        for idx, number in enumerate(numbers_in(step["fragments"])):
            self.receive(frames[number], step.get("group"))
            uplinks += [[idx, payload] for payload in self.said()]
            if complete_after is None and self.device.stored is not None:
                complete_after, data_ok = idx, self.device.stored == self.data
        assert (complete_after, data_ok, uplinks) == (
            *(step["complete_after"], step["data_ok"]),
            step.get("uplinks", []),
        ), step
        if complete_after is None:
            self.device.stored = before


class BatchedBench(Bench):
    """A device whose fragments come on a group, and are counted with those of another one that is never complete."""

    def __init__(self, vector: dict[str, Any], data: bytes) -> None:
        super().__init__(vector, data, batch=BatchedBlocks())
        self.other = device_of(vector, self.device.profile, batch=self.device.batch)
        self.delivery: GroupDelivery | None = None
        self.group = -1
        self.f_cnt = 0

    def receive(self, payload: bytes, group: int | None) -> None:
        self.f_cnt += 1
        if self.delivery is None or self.group != (group or 0):
            self.open(group)
        assert self.delivery is not None
        reached = np.array([True, self.f_cnt % 3 == 0])
        self.delivery.receive(PORTS["TS004"], payload, self.f_cnt, reached, NOW)

    def open(self, group: int | None) -> None:
        """Puts both devices into the session of a group. Frames that were recorded by unicast pass every mask."""
        if self.delivery is not None:
            self.delivery.close()
        self.group = group or 0
        for device in (self.device, self.other):
            joined = JoinedGroup(mc_addr=MC_ADDR, app_s_key=APP_S_KEY, min_f_cnt=self.f_cnt, max_f_cnt=2**31)
            joined.opens, joined.closes = 0.0, gps_from_unix(NOW) + 1
            device.groups = {self.group: joined}
        self.delivery = GroupDelivery([self.device, self.other], MC_ADDR, APP_S_KEY)

    def feed(self, step: dict[str, Any]) -> None:
        if "group" not in step:
            for session in self.device.sessions.values():
                session.checks_group = False
        super().feed(step)


def named(vector: dict[str, Any]) -> str:
    return f"{vector['stack']}-{vector['name']}"


@pytest.mark.parametrize("vector", TRACES["vectors"], ids=named)
@pytest.mark.parametrize("bench", [Bench, BatchedBench])
def test_a_device_does_at_every_step_what_its_stack_did(vector, bench, seeded_bytes) -> None:
    bench(vector, seeded_bytes(vector["data_seed"], vector["data_len"])).run()


@pytest.mark.parametrize(
    "vector", TRACES["ts005"] + TRACES["ts006"], ids=lambda v: f"{v['stack']}-{v['package']}-{v['what']}"
)
def test_groups_and_firmware_are_managed_as_the_stack_did(vector) -> None:
    stack = {"st-v1": "st"}.get(vector["stack"], vector["stack"])
    device = device_of(vector, profile(stack), fw_version=0x01020304, hw_version=0)
    device.groups[0] = JoinedGroup(mc_addr=1, app_s_key=APP_S_KEY, min_f_cnt=0, max_f_cnt=100)
    now = unix_from_gps(vector["device_gps_time"])
    device.receive(PORTS[vector["package"]], bytes.fromhex(vector["request"]), now)
    assert b"".join(payload for _, payload in device.advance(now)).hex() == vector["answer"]
