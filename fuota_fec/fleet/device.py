"""A virtual end device: wire in, bytes out. It decodes real frames with the codec and answers on the wire.

What it models is a class A device with the packages TS003 to TS006: it takes part in multicast sessions of class B
and C, rebuilds the block, checks it, stores it, boots it and reports the version of what it runs. It does so as the
specifications say, unless its profile has a quirk. Time is Unix time and always an argument; its own clock may be off,
or not set. This module has its state, its radio and its reboots; `packages` is the other half, with what each command
does to that state.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fuota_fec.campaign.config import Ports
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.fleet.decoding import BlockReception, FragSession, JoinedGroup, MadeUpKey
from fuota_fec.fleet.packages import dispatch as packages
from fuota_fec.fleet.quirks import AS_SPECIFIED
from fuota_fec.wire import firmware, fragmentation, keys
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.commands import Command

if TYPE_CHECKING:
    from fuota_fec.fleet.batched_delivery import Audience
    from fuota_fec.fleet.batched_reception import Crowds

ANSWER_DELAY = (1.0, 3.0)
"""s between a request and the uplink that answers it."""
N_BLOCK_REPORTS = 3
"""How often FragDataBlockReceivedReq is sent, an uplink period apart, while it is not answered."""


@dataclass(slots=True)
class BlockReport:
    """A FragDataBlockReceivedReq that is still to be sent."""

    due: float
    n_left: int = N_BLOCK_REPORTS


@dataclass(slots=True, kw_only=True)
class VirtualDevice:
    """One device. `releases` are the images that its boot loader accepts: SHA-256 → firmware version.

    There is one planned reboot: what was last asked for, or its own. An image that is stored when it comes is
    installed, if it is a release. Without `reboots_alone` an image waits for the reboot that somebody asks for; with
    it a device that completes a block while no reboot is planned plans one itself, `process_time` later, and a cancel
    takes back that one too. A reboot loses nothing else.
    """

    dev_eui: str
    root_key: keys.Key
    releases: Mapping[bytes, int]
    rng: np.random.Generator
    profile: DeviceProfile = AS_SPECIFIED
    """What its stack does otherwise than the specifications say."""
    lorawan: str = "1.0"
    version: str = ""
    """TS004 dialect; the profile's first, if not given."""
    mc_version: str = ""
    """TS005 version; the profile's first, if not given."""
    clock_version: str = "1.0.0"
    """TS003 version."""
    ports: Ports = field(default_factory=Ports)
    fw_version: int = 0x01000000
    hw_version: int = 1
    crowds: Crowds | None = field(default=None, repr=False)
    """Where its blocks are received together with those of other devices; without it, it decodes them itself."""
    uplink_period: float = 300.0
    process_time: float = 10.0
    """s from the complete block to running the new image, where it reboots alone."""
    reboots_alone: bool | None = None
    """As the profile says, if not given; where that does not know it, it does."""
    announces_version: bool = False
    """It volunteers its version once it has booted new firmware."""
    clock_error: float = 0.0
    """s that its clock is ahead."""
    clock_set: bool = True
    """Whether it takes its clock for right: without, it plans nothing by it."""
    image: bytes | None = None
    """What it received and installed."""
    stored: bytes | None = None
    """What it received and did not install yet."""
    n_reboots: int = 0
    n_garbage: int = 0
    """Downlinks that it could not read."""
    _groups: dict[int, JoinedGroup] = field(default_factory=dict)
    _sessions: dict[int, FragSession] = field(default_factory=dict)
    _audiences: list[tuple[Audience, int]] = field(default_factory=list, repr=False)
    _decoders: dict[int, BlockReception] = field(default_factory=dict)
    """The last use of each; sessions may share one."""
    _last_session_cnt: dict[int, int] = field(default_factory=dict)
    _block_reports: dict[int, BlockReport] = field(default_factory=dict)
    """By FragIndex."""
    _clock_token: int = 0
    _outbox: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _n_answers: int = 0
    _reboot_at: float | None = None
    """The planned reboot, if it was asked for."""
    _own_reboot_at: float | None = None
    """The planned reboot, if it is its own."""

    def __post_init__(self) -> None:
        self.root_key = MadeUpKey(bytes(self.root_key))
        self.version = self._spoken("version", self.version, self.profile.dialects)
        self.mc_version = self._spoken("mc_version", self.mc_version, self.profile.mc_versions)
        if self.reboots_alone is None:
            self.reboots_alone = self.profile.reboots_alone is not False

    def _spoken(self, name: str, version: str, versions: tuple[str, ...]) -> str:
        if version and version not in versions:
            stack = f"profile {self.profile.name!r} has {', '.join(versions)}"
            raise ParameterError(f"device {self.dev_eui}: {name}: {version} is none of its versions: {stack}")
        return version or versions[0]

    # ---- what the network delivers -----------------------------------------------------------------------

    def receive(self, f_port: int, payload: bytes, now: float) -> None:
        """A unicast downlink."""
        self.catch_up()
        self._handle(f_port, payload, now, None)

    def receive_multicast(
        self, mc_addr: int, app_s_key: keys.Key, f_cnt: int, f_port: int, payload: bytes, now: float
    ) -> bool:
        """A class B or C multicast frame encrypted with `app_s_key`. Whether the device listened and could read it."""
        self.catch_up()
        own_gps = self.own_gps(now)
        for group_id, group in self._groups.items():
            if group.hears(mc_addr, app_s_key, f_cnt, own_gps):
                group.count(f_cnt)
                self._handle(f_port, payload, now, group_id)
                return True
        return False

    def _handle(self, f_port: int, payload: bytes, now: float, group_id: int | None) -> None:
        for answer, delay in packages.handle(self, f_port, payload, now, group_id):
            self._say(f_port, answer, now + delay)

    def _say(self, f_port: int, command: Command, at: float) -> None:
        self._n_answers += 1
        heapq.heappush(self._outbox, (at, self._n_answers, f_port, command.encode()))

    # ---- what it does of itself --------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When it next has something to send, or a reboot to do; None if nothing is planned."""
        due = self._outbox[0][0] if self._outbox else None
        for planned in (self._reboot_at, self._own_reboot_at):
            if planned is not None and (due is None or planned < due):
                due = planned
        for report in self._block_reports.values():
            if due is None or report.due < due:
                due = report.due
        return due

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        """Does what is due: reboots, and returns the (f_port, payload) of the uplinks that are due."""
        for planned in (self._reboot_at, self._own_reboot_at):
            if planned is not None and planned <= now:
                self._reboot(planned)
        for frag_index, report in list(self._block_reports.items()):
            if report.due <= now:
                self._report_block(frag_index, report, now)
        due = []
        while self._outbox and self._outbox[0][0] <= now:
            _, _, f_port, payload = heapq.heappop(self._outbox)
            due.append((f_port, payload))
        return due

    def _report_block(self, frag_index: int, report: BlockReport, now: float) -> None:
        mic_error = self._sessions[frag_index].reception.mic_error
        done = fragmentation.FragDataBlockReceivedReq(frag_index=frag_index, mic_error=mic_error)
        self._say(self.ports.fragmentation, done, report.due)
        report.due = now + self.uplink_period
        report.n_left -= 1
        if not report.n_left:
            del self._block_reports[frag_index]

    def _reboot(self, at: float) -> None:
        self._reboot_at = self._own_reboot_at = None
        self.n_reboots += 1
        release = packages.stored_release(self)
        if release is None:
            return
        self.image, self.stored = self.stored, None
        self.fw_version = release
        if self.announces_version:
            version = firmware.DevVersionAns(fw_version=self.fw_version, hw_version=self.hw_version)
            self._say(self.ports.firmware, version, at + self.soon())

    # ---- in an audience ----------------------------------------------------------------------------------

    def joined(self, audience: Audience, position: int) -> None:
        """A server sends to it, among others, by way of an audience from now on."""
        self._audiences.append((audience, position))

    def left(self, audience: Audience) -> None:
        """That is over."""
        self._audiences = [(each, position) for each, position in self._audiences if each is not audience]

    def catch_up(self) -> None:
        """What its audiences noted for it becomes its own state again."""
        for audience, position in self._audiences:
            audience.settle(position)

    # ---- for its packages --------------------------------------------------------------------------------

    def soon(self) -> float:
        """s until an answer is sent."""
        return float(self.rng.uniform(*ANSWER_DELAY))

    def own_gps(self, at: float) -> float:
        """GPS seconds that its clock shows at a time."""
        return gps_from_unix(at) + self.clock_error

    def close_session(self, frag_index: int) -> None:
        """The fragmentation session, if there is one, is no more, and nothing is reported of its block."""
        self._sessions.pop(frag_index, None)
        self._block_reports.pop(frag_index, None)

    def report_block(self, frag_index: int, at: float) -> None:
        """From then on it reports the complete block, until it is answered or has done so often enough."""
        self._block_reports[frag_index] = BlockReport(at)

    def store(self, image: bytes, now: float) -> None:
        """A block that is complete and the one that was announced."""
        self.stored = image
        if self.reboots_alone and self._reboot_at is None:
            self._own_reboot_at = now + self.process_time

    def discard_image(self) -> None:
        """The stored image is deleted and not booted; nor is one that is half built."""
        self.stored = None
        self._own_reboot_at = None
        for frag_index in [index for index, session in self._sessions.items() if not session.reception.complete]:
            self.close_session(frag_index)

    def plan_reboot(self, at: float | None) -> None:
        """The reboot that was asked for last takes the place of any other; None: there is none."""
        self._reboot_at = at
        self._own_reboot_at = None
