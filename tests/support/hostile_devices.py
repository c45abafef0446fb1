"""Devices that do not keep to the protocol: silent, forgetful, talkative, wrong, with clocks of their own.

A device without habits does what the packages ask of it. Each habit makes it do something else now and then.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.errors import WireError
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_difference, gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command, PackageVersionAns, PackageVersionReq

OLD_VERSION, NEW_VERSION, OTHER_VERSION = 0x01000000, 0x02000000, 0x00000007

HABITS = (
    "silent",  # never sends an uplink
    "mute",  # never answers
    "leaves",  # is away for hours
    "forgets",  # loses its groups, sessions and image
    "lies",  # answers with wrong fields
    "babbles",  # sends random bytes on any port
    "asks the time",  # every second, for minutes
    "asks about its block",  # every second, for minutes
    "volunteers",  # reports versions unasked
    "answers late",
    "answers twice",
    "has foreign gateways",  # whose clocks are wrong
    "has a wrong clock",
    "hears little",
)


class World(Protocol):
    """Surroundings of a device."""

    now: float
    config: CampaignConfig

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Does something later."""

    def uplink(self, dev_eui: str, f_port: int, payload: bytes, received_at: float) -> None:
        """Sends a frame to the network."""

    def receive_window(self, dev_eui: str) -> tuple[int, bytes] | None:
        """Takes the downlink that waits for the device."""


class HostileDevice:
    """One device. `rng` decides what it does and when."""

    def __init__(self, world: World, device: Device, group: Group, habits: frozenset[str], rng: random.Random) -> None:
        self.world, self.rng, self.habits = world, rng, habits
        self.dev_eui, self.group = device.dev_eui, group
        self.period = device.uplink_period or world.config.uplink_period
        self.version = OLD_VERSION
        self.clock_off = rng.choice((-86_400, -18, 18, 400, 86_400)) if self.has("has a wrong clock") else 0
        self.away_until = 0.0
        self.n_reboots = 0
        self.forget()
        if not self.has("silent"):
            world.at(world.now + rng.uniform(0, self.period), self.turn)
        for habit in ("asks the time", "asks about its block"):
            if self.has(habit):
                world.at(world.now + rng.uniform(0, 40 * self.period), lambda habit=habit: self.burst(habit, 200))

    def has(self, habit: str) -> bool:
        return habit in self.habits

    def now_and_then(self, habit: str, share: float) -> bool:
        return self.has(habit) and self.rng.random() < share

    def forget(self) -> None:
        self.in_group = False
        self.sessions: list[tuple[float, float]] = []
        self.block: fragmentation.FragSessionSetupReq | None = None
        self.frags: set[int] = set()
        self.acknowledged = False
        self.reboot_at: float | None = None

    # ---- uplinks -----------------------------------------------------------------------------------------

    def turn(self) -> None:
        """An uplink of its own accord, and the next one."""
        self.world.at(self.world.now + self.period * self.rng.uniform(0.9, 1.1), self.turn)
        if self.now_and_then("leaves", 0.02):
            self.away_until = self.world.now + self.rng.uniform(600, 20_000)
        if self.now_and_then("forgets", 0.05):
            self.forget()
        if self.now_and_then("babbles", 0.4):
            port = self.rng.choice((2, 200, 201, 202, 203, 224, 0))
            self.send(port, self.rng.randbytes(self.rng.choice((0, 1, 2, 4, 9, 40))))
        elif self.now_and_then("volunteers", 0.3):
            said = self.rng.choice((OLD_VERSION, NEW_VERSION, OTHER_VERSION, self.version))
            self.say(203, firmware.DevVersionAns(fw_version=said, hw_version=1))
        else:
            self.send(2, b"\0")

    def burst(self, habit: str, left: int) -> None:
        if left:
            self.world.at(self.world.now + 1, lambda: self.burst(habit, left - 1))
        elif self.rng.random() < 0.7:
            self.world.at(self.world.now + self.rng.uniform(100, 4000), lambda: self.burst(habit, 200))
        if habit == "asks the time":
            self.say(202, self.time_question(True))
        else:
            wrong = self.rng.random() < 0.3
            self.say(201, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=wrong))

    def time_question(self, required: bool) -> Command:
        shown = gps_to_wire(gps_from_unix(self.world.now + self.clock_off))
        return clock.AppTimeReq(device_time=shown, ans_required=required, token_req=self.rng.randrange(16))

    def say(self, port: int, command: Command) -> None:
        self.send(port, command.encode())

    def send(self, port: int, payload: bytes) -> None:
        """An uplink, and the downlink in its receive window."""
        now = self.world.now
        if self.has("silent") or now < self.away_until:
            return
        foreign = self.now_and_then("has foreign gateways", 0.3)
        received_at = now + self.rng.choice((-1e9, -4000, -30, -9, 5, 900, 1e12)) if foreign else now
        self.world.uplink(self.dev_eui, port, payload, received_at)
        waiting = self.world.receive_window(self.dev_eui)
        if waiting is not None and not self.misses():
            self.on_downlink(*waiting)

    def misses(self) -> bool:
        return self.rng.random() < (0.7 if self.has("hears little") else 0.05)

    # ---- downlinks ---------------------------------------------------------------------------------------

    def on_multicast(self, port: int, payload: bytes) -> None:
        now = self.world.now - self.clock_off
        listening = any(start <= now <= end for start, end in self.sessions)
        if self.in_group and listening and now >= self.away_until and not self.misses():
            self.on_downlink(port, payload, spread=16)

    def on_downlink(self, port: int, payload: bytes, spread: float = 0) -> None:
        for command in self.decoded(port, payload):
            for answer in self.answers(port, command):
                self.answer(port, answer, spread)

    def decoded(self, port: int, payload: bytes) -> list[Command]:
        try:
            if port == 200:
                return multicast.decode(payload, uplink=False, version=self.group.mc_version)
            if port == 201:
                return fragmentation.decode(payload, uplink=False, version=self.group.dialect)
            return (clock if port == 202 else firmware).decode(payload, uplink=False)
        except WireError as error:
            return list(error.commands)

    def answer(self, port: int, command: Command, spread: float) -> None:
        if self.has("mute") or (self.has("lies") and self.rng.random() < 0.2):
            return
        payload = command.encode()
        if self.now_and_then("lies", 0.5):
            payload = self.falsified(payload)
        soon = self.rng.uniform(0, spread) + self.rng.uniform(1, 5)
        if self.now_and_then("answers late", 0.5):
            soon += self.rng.uniform(0, 12) * self.period
        for _ in range(self.rng.randrange(2, 5) if self.now_and_then("answers twice", 0.5) else 1):
            self.world.at(self.world.now + soon, lambda: self.send(port, payload))
            soon += self.rng.choice((0, 1, self.period, 6 * self.period))

    def falsified(self, payload: bytes) -> bytes:
        """Bytes that differ: some bits, some bytes too few or too many."""
        data = bytearray(payload)
        for _ in range(self.rng.randrange(1, 4)):
            at = self.rng.randrange(len(data))
            data[at] ^= 1 << self.rng.randrange(8)
        cut = self.rng.randrange(len(data)) if self.rng.random() < 0.1 else len(data)
        return bytes(data[:cut]) + self.rng.randbytes(self.rng.choice((0, 0, 0, 1, 3)))

    def answers(self, port: int, command: Command) -> Iterator[Command]:
        """What the packages answer to a command."""
        if isinstance(command, PackageVersionReq):
            package, version = {
                200: (2, self.group.mc_version),
                201: (3, self.group.dialect),
                202: (1, "1.0.0"),
                203: (4, "1.0.0"),
            }[port]
            number = 2 if version == "2.0.0" else 1
            yield PackageVersionAns(package_identifier=package, package_version=number)
        elif port in _PACKAGES:
            yield from _PACKAGES[port](self, command)

    def on_multicast_setup(self, command: Any) -> Iterator[Command]:
        if isinstance(command, multicast.McGroupSetupReq):
            self.in_group = True
            yield multicast.McGroupSetupAns(mc_group_id=command.mc_group_id)
        elif isinstance(command, multicast.McGroupDeleteReq):
            known, self.in_group = self.in_group, False
            yield multicast.McGroupDeleteAns(mc_group_id=command.mc_group_id, mc_group_undefined=not known)
        elif isinstance(command, (multicast.McClassCSessionReq, multicast.McClassBSessionReq)):
            in_c = isinstance(command, multicast.McClassCSessionReq)
            kind: Any = multicast.McClassCSessionAns if in_c else multicast.McClassBSessionAns
            shown = gps_to_wire(gps_from_unix(self.world.now + self.clock_off))
            left = gps_difference(command.session_time, shown)
            if not self.in_group:
                yield kind(mc_group_id=command.mc_group_id, mc_group_undefined=True)
            elif left <= 0:
                yield kind(mc_group_id=command.mc_group_id, start_missed=True)
            else:
                length = (1 if in_c else 128) << command.time_out
                self.sessions.append((self.world.now + left, self.world.now + left + length))
                yield kind(mc_group_id=command.mc_group_id, time_to_start=min(left, 0xFFFFFE))

    def on_fragmentation(self, command: Any) -> Iterator[Command]:
        if isinstance(command, fragmentation.FragSessionSetupReq):
            self.block, self.frags, self.acknowledged = command, set(), False
            yield fragmentation.FragSessionSetupAns(frag_index=command.frag_index)
        elif isinstance(command, fragmentation.FragSessionDeleteReq):
            known, self.block = self.block is not None, None
            yield fragmentation.FragSessionDeleteAns(frag_index=command.frag_index, session_does_not_exist=not known)
        elif isinstance(command, fragmentation.FragSessionStatusReq):
            yield from self.status(command)
        elif isinstance(command, fragmentation.FragDataBlockReceivedAns):
            self.acknowledged = True
        elif isinstance(command, fragmentation.DataFragment) and self.block is not None and not self.complete:
            self.frags.add(command.n)
            if self.complete:
                self.on_complete()

    def status(self, command: fragmentation.FragSessionStatusReq) -> Iterator[Command]:
        version = self.group.dialect
        if self.block is None:
            if version == "2.0.0":
                yield fragmentation.FragSessionStatusAns(version=version, session_does_not_exist=True)
        elif command.participants or not self.complete:
            missing = max(0, self.block.nb_frag - len(self.frags))
            yield fragmentation.FragSessionStatusAns(
                version=version,
                frag_index=command.frag_index,
                nb_frag_received=len(self.frags),
                missing_frag=missing,
            )

    @property
    def complete(self) -> bool:
        return self.block is not None and len(self.frags) >= self.block.nb_frag

    def on_complete(self) -> None:
        if self.group.dialect == "2.0.0" and self.block is not None and self.block.ack_reception:
            self.report_block(20)
        if self.world.config.reboot == "device":
            self.reboot_at = self.world.now + self.rng.uniform(5, 200)
            self.world.at(self.reboot_at, self.reboot)

    def report_block(self, left: int) -> None:
        if left and not self.acknowledged and self.block is not None and not self.has("mute"):
            self.say(201, fragmentation.FragDataBlockReceivedReq(frag_index=self.block.frag_index))
            self.world.at(self.world.now + self.rng.choice((1.5, 30.0)), lambda: self.report_block(left - 1))

    def on_clock(self, command: Any) -> Iterator[Command]:
        if isinstance(command, clock.AppTimeAns) and self.rng.random() < 0.8:
            self.clock_off += command.time_correction
        elif isinstance(command, clock.ForceDeviceResyncCmd):
            yield self.time_question(False)

    def on_firmware(self, command: Any) -> Iterator[Command]:
        if isinstance(command, firmware.DevVersionReq):
            yield firmware.DevVersionAns(fw_version=self.version, hw_version=1)
        elif isinstance(command, firmware.DevRebootTimeReq):
            shown = gps_to_wire(gps_from_unix(self.world.now + self.clock_off))
            cancels = command.reboot_time == firmware.CANCEL_REBOOT
            left = 0 if cancels else max(0, gps_difference(command.reboot_time, shown))
            self.plan_reboot(None if cancels else left)
            yield firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT if cancels else left)
        elif isinstance(command, firmware.DevRebootCountdownReq):
            cancels = command.countdown == firmware.CANCEL_COUNTDOWN
            self.plan_reboot(None if cancels else command.countdown)
            yield firmware.DevRebootCountdownAns(countdown=command.countdown)
        elif isinstance(command, firmware.DevUpgradeImageReq):
            if self.complete:
                yield firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION)
            else:
                yield firmware.DevUpgradeImageAns(up_image_status=0)
        elif isinstance(command, firmware.DevDeleteImageReq):
            complete, self.frags = self.complete, set()
            yield firmware.DevDeleteImageAns(error_no_valid_image=not complete)

    def plan_reboot(self, seconds: float | None) -> None:
        self.reboot_at = None if seconds is None else self.world.now + seconds
        if self.reboot_at is not None:
            self.world.at(self.reboot_at, self.reboot)

    def reboot(self) -> None:
        """Reboots, into the new image if it is complete, unless the reboot was cancelled or moved."""
        if self.reboot_at is None or self.reboot_at > self.world.now:
            return
        if self.complete:
            self.version = NEW_VERSION
        self.forget()
        if self.rng.random() < 0.3:
            self.say(203, firmware.DevVersionAns(fw_version=self.version, hw_version=1))


_PACKAGES: dict[int, Callable[[HostileDevice, Any], Iterator[Command]]] = {
    200: HostileDevice.on_multicast_setup,
    201: HostileDevice.on_fragmentation,
    202: HostileDevice.on_clock,
    203: HostileDevice.on_firmware,
}
