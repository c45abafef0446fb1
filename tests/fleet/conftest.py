"""A virtual device on a bench, for the tests of its packages."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.wire import clock, firmware, fragmentation, keys, multicast
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.commands import Command

NOW = 1_800_000_000.0
GPS_NOW = int(gps_from_unix(NOW))
ROOT = keys.Key(bytes(range(16)))
MC_KEY = keys.Key(bytes(range(100, 116)))
MC_ADDR = 0x01F3A4B5
APP_S_KEY = keys.mc_app_s_key(MC_KEY, MC_ADDR)
IMAGE = bytes(range(50, 93))
"""43 bytes: five fragments of 10 with 7 bytes of padding."""
NEW_VERSION = 0x02000000
PORTS = {"multicast": 200, "fragmentation": 201, "clock": 202, "firmware": 203}


class Bench:
    """One device, driven by hand."""

    def __init__(self, **settings: Any) -> None:
        self.now = NOW
        self.device = VirtualDevice(
            **{
                "dev_eui": f"{1:016x}",
                "root_key": ROOT,
                "releases": {hashlib.sha256(IMAGE).digest(): NEW_VERSION},
                "rng": np.random.default_rng(1),
                **settings,
            }
        )
        self.block = ff.prepare(IMAGE, 10, n_coded=20, version=self.device.version)

    @staticmethod
    def port_of(command: Command) -> int:
        return PORTS[type(command).__module__.rpartition(".")[2]]

    def send(self, *commands: Command) -> None:
        self.device.receive(self.port_of(commands[0]), b"".join(c.encode() for c in commands), self.now)

    def cast(self, payload: bytes | Command, f_cnt: int, *, addr: int = MC_ADDR, key: keys.Key = APP_S_KEY) -> bool:
        port = 201 if isinstance(payload, bytes) else self.port_of(payload)
        data = payload if isinstance(payload, bytes) else payload.encode()
        return self.device.receive_multicast(addr, key, f_cnt, port, data, self.now)

    def answers(self, within: float = 5000) -> list[Command]:
        """Everything that the device sends within some seconds."""
        sent: list[Command] = []
        end = self.now + within
        while (due := self.device.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            for port, payload in self.device.advance(self.now):
                if port == 200:
                    sent += multicast.decode(payload, uplink=True, version=self.device.mc_version)
                elif port == 201:
                    sent += fragmentation.decode(payload, uplink=True, version=self.device.version)
                elif port == 202:
                    sent += clock.decode(payload, uplink=True, version=self.device.clock_version)
                else:
                    sent += firmware.decode(payload, uplink=True)
        return sent

    def ask(self, *commands: Command, within: float = 5000) -> list[Command]:
        self.send(*commands)
        return self.answers(within)

    def group_request(self, **changes: Any) -> multicast.McGroupSetupReq:
        ke_key = keys.mc_ke_key(keys.mc_root_key(ROOT))
        fields = {
            "mc_group_id": 0,
            "mc_addr": MC_ADDR,
            "mc_key_encrypted": keys.wrap_mc_key(ke_key, MC_KEY),
            "min_mc_fcnt": 0,
            "max_mc_fcnt": 1000,
        }
        return multicast.McGroupSetupReq(**{**fields, **changes})

    def session_request(self, start: int = 100, **changes: Any) -> multicast.McClassCSessionReq:
        fields = {
            "mc_group_id": 0,
            "session_time": GPS_NOW + start,
            "time_out": 8,
            "dl_frequency_hz": 869_525_000,
            "dr": 5,
        }
        return multicast.McClassCSessionReq(**{**fields, **changes})

    def class_b_request(self, beacons: int = 3, **changes: Any) -> multicast.McClassBSessionReq:
        """A class B session that begins with a later beacon."""
        fields = {
            "mc_group_id": 0,
            "session_time": (GPS_NOW // 128 + beacons) * 128,
            "time_out": 1,
            "periodicity": 4,
            "dl_frequency_hz": 869_525_000,
            "dr": 3,
        }
        return multicast.McClassBSessionReq(**{**fields, **changes})

    def setup_request(self, **changes: Any) -> fragmentation.FragSessionSetupReq:
        if self.device.version == "2.0.0":
            mic = keys.data_block_mic(
                keys.data_block_int_key(ROOT), session_cnt=1, frag_index=0, descriptor=bytes(4), data=IMAGE
            )
            changes = {"session_cnt": 1, "mic": mic, **changes}
        second = self.device.version == "2.0.0"
        request = self.block.setup_request(
            mc_group_bit_mask=1,
            block_ack_delay=0,
            session_cnt=1 if second else None,
            mic=bytes(4) if second else None,
        )
        return replace(request, **changes)

    def frame(self, n: int) -> bytes:
        return bytes(self.block.frame(n))

    def complete(self) -> Bench:
        """Receives every uncoded fragment by unicast."""
        for n in range(1, 6):
            self.device.receive(201, self.frame(n), self.now)
        return self

    def wait(self, seconds: float) -> Bench:
        """Lets time pass and drops the uplinks."""
        end = self.now + seconds
        self.answers(seconds)
        self.now = end
        return self

    def ready(self, **changes: Any) -> Bench:
        """Sets up group and sessions, and waits for the start of the multicast session."""
        self.send(self.group_request())
        self.send(self.setup_request(**changes))
        self.send(self.session_request())
        self.answers(10)
        self.now = NOW + 101
        return self

    def report_times(self, within: float) -> list[float]:
        """Times of the block reports sent within some seconds."""
        times = []
        end = self.now + within
        while (due := self.device.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            for port, payload in self.device.advance(self.now):
                said = fragmentation.decode(payload, uplink=True, version="2.0.0") if port == 201 else []
                times += [self.now for command in said if isinstance(command, fragmentation.FragDataBlockReceivedReq)]
        self.now = end
        return times

    def synchronise(self) -> None:
        [asked] = self.ask(clock.ForceDeviceResyncReq(nb_transmissions=1))
        correction = clock.gps_difference(clock.gps_to_wire(gps_from_unix(self.now)), asked.device_time)
        self.send(clock.AppTimeAns(time_correction=correction, token_ans=asked.token_req))

    @classmethod
    def with_image(cls, **settings: Any) -> Bench:
        """A device that stores an image and plans no reboot of its own."""
        b = cls(**{"reboots_alone": False, **settings})
        b.send(b.setup_request())
        b.answers(10)
        return b.complete()


@pytest.fixture(scope="session")
def bench() -> type[Bench]:
    """A class: each call makes a device."""
    return Bench
