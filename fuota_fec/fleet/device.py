"""A virtual end device: wire in, bytes out. It decodes real frames with the codec and answers on the wire.

What it models is a well-behaved class A device with the packages TS004, TS005 and TS006: it takes part in class C
multicast sessions, rebuilds the block, checks it, installs it and reports the version of what it runs. Time is
Unix time and always an argument; its own clock may be off.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fuota_fec.campaign.config import Ports
from fuota_fec.codec.decoder import Decoder
from fuota_fec.errors import WireError
from fuota_fec.wire import firmware, fragmentation, keys, multicast
from fuota_fec.wire.clock import gps_difference, gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command

N_GROUPS = 4
ANSWER_DELAY = (1.0, 3.0)
"""s between a request and the uplink that answers it."""


@dataclass(slots=True)
class JoinedGroup:
    """A multicast group that the device was set up with."""

    mc_addr: int
    app_s_key: keys.Key
    min_f_cnt: int
    max_f_cnt: int
    opens: float = float("inf")
    """Class C session, Unix time by the device's own clock."""
    closes: float = float("-inf")
    frequency_hz: int = 0
    dr: int = 0


@dataclass(slots=True)
class FragSession:
    """A fragmentation session."""

    setup: fragmentation.FragSessionSetupReq
    decoder: Decoder
    n_received: int = 0
    mic_error: bool = False


@dataclass(slots=True, kw_only=True)
class VirtualDevice:
    """One device. `releases` are the images that its boot loader accepts: SHA-256 → firmware version."""

    dev_eui: str
    root_key: keys.Key
    releases: Mapping[bytes, int]
    rng: np.random.Generator
    lorawan: str = "1.0"
    version: str = "1.0.0"
    """TS004 dialect."""
    mc_version: str = "1.0.0"
    """TS005 version."""
    ports: Ports = field(default_factory=Ports)
    fw_version: int = 0x01000000
    hw_version: int = 1
    uplink_period: float = 300.0
    process_time: float = 10.0
    """s from the complete block to running the new image."""
    clock_error: float = 0.0
    """s that its clock is ahead."""
    image: bytes | None = None
    """What it received and installed."""
    n_garbage: int = 0
    """Downlinks that it could not read."""
    _groups: dict[int, JoinedGroup] = field(default_factory=dict)
    _sessions: dict[int, FragSession] = field(default_factory=dict)
    _last_session_cnt: dict[int, int] = field(default_factory=dict)
    _outbox: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _install: tuple[float, bytes] | None = None
    _n_answers: int = 0

    # ---- what the network delivers -----------------------------------------------------------------------

    def receive(self, f_port: int, payload: bytes, now: float) -> None:
        """A unicast downlink."""
        self._handle(f_port, payload, now, None)

    def receive_multicast(
        self, mc_addr: int, app_s_key: keys.Key, f_cnt: int, f_port: int, payload: bytes, now: float
    ) -> bool:
        """A class C multicast frame encrypted with `app_s_key`. Whether the device listened and could read it."""
        own_time = now + self.clock_error
        for group_id, group in self._groups.items():
            if (
                group.mc_addr == mc_addr
                and group.opens <= own_time < group.closes
                and group.min_f_cnt <= f_cnt < group.max_f_cnt
                and group.app_s_key == app_s_key
            ):
                group.min_f_cnt = f_cnt + 1  # A counter is accepted once.
                self._handle(f_port, payload, now, group_id)
                return True
        return False

    # ---- what it does of itself --------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When it next has an answer to send or a firmware to install; None if nothing is planned."""
        times = [self._outbox[0][0]] if self._outbox else []
        if self._install is not None:
            times.append(self._install[0])
        return min(times, default=None)

    def advance(self, now: float) -> list[tuple[int, bytes]]:
        """Does what is due: installs, and returns the (f_port, payload) of the uplinks that are due."""
        if self._install is not None and self._install[0] <= now:
            image = self._install[1]
            self._install = None
            release = self.releases.get(hashlib.sha256(image).digest())
            if release is not None:
                self.image = image
                self.fw_version = release
        due = []
        while self._outbox and self._outbox[0][0] <= now:
            _, _, f_port, payload = heapq.heappop(self._outbox)
            due.append((f_port, payload))
        return due

    # ---- packages ----------------------------------------------------------------------------------------

    def _handle(self, f_port: int, payload: bytes, now: float, group_id: int | None) -> None:
        """`group_id` is None for unicast. Unicast-only commands are dropped when they come by multicast."""
        try:
            commands = self._decode(f_port, payload)
        except WireError as error:
            self.n_garbage += 1
            commands = list(error.commands)
        for command in commands:
            handler = _HANDLERS.get(type(command))
            if handler is None or (group_id is not None and type(command) not in _BY_MULTICAST):
                continue
            for answer, delay in handler(self, command, now, group_id):
                self._n_answers += 1
                heapq.heappush(self._outbox, (now + delay, self._n_answers, f_port, answer.encode()))

    def _decode(self, f_port: int, payload: bytes) -> list[Command]:
        if f_port == self.ports.multicast:
            return multicast.decode(payload, uplink=False, version=self.mc_version)
        if f_port == self.ports.fragmentation:
            return fragmentation.decode(payload, uplink=False, version=self.version)
        if f_port == self.ports.firmware:
            return firmware.decode(payload, uplink=False)
        return []

    def _soon(self) -> float:
        return float(self.rng.uniform(*ANSWER_DELAY))

    def _mc_group_setup(self, command: multicast.McGroupSetupReq, _now: float, _group: int | None) -> Answers:
        derive = keys.mc_root_key if self.lorawan == "1.0" else keys.mc_root_key_from_app_key
        mc_key = keys.unwrap_mc_key(keys.mc_ke_key(derive(self.root_key)), command.mc_key_encrypted)
        self._groups[command.mc_group_id] = JoinedGroup(
            mc_addr=command.mc_addr,
            app_s_key=keys.mc_app_s_key(mc_key, command.mc_addr),
            min_f_cnt=command.min_mc_fcnt,
            max_f_cnt=command.max_mc_fcnt,
        )
        yield multicast.McGroupSetupAns(mc_group_id=command.mc_group_id, id_error=False), self._soon()

    def _class_c_session(self, command: multicast.McClassCSessionReq, now: float, _group: int | None) -> Answers:
        delay = self._soon()
        group = self._groups.get(command.mc_group_id)
        own_gps = gps_from_unix(now + delay + self.clock_error)
        time_to_start = gps_difference(command.session_time, gps_to_wire(own_gps))
        if group is None or time_to_start < 0:
            yield (
                multicast.McClassCSessionAns(
                    mc_group_id=command.mc_group_id, mc_group_undefined=group is None, start_missed=time_to_start < 0
                ),
                delay,
            )
            return
        group.opens = now + delay + self.clock_error + time_to_start
        group.closes = group.opens + float(1 << command.time_out)
        group.frequency_hz = command.dl_frequency_hz
        group.dr = command.dr
        shown = min(time_to_start, multicast.TIME_TO_START_UNKNOWN)
        yield multicast.McClassCSessionAns(mc_group_id=command.mc_group_id, time_to_start=shown), delay

    def _frag_session_setup(
        self, command: fragmentation.FragSessionSetupReq, _now: float, _group: int | None
    ) -> Answers:
        replay = command.session_cnt is not None and command.session_cnt <= self._last_session_cnt.get(
            command.frag_index, -1
        )
        # Padding belongs to the last fragment; more of it than that leaves no such block.
        unsupported = command.frag_algo != 0 or command.padding >= command.frag_size
        if not replay and not unsupported:
            decoder = Decoder(command.nb_frag, command.frag_size, version=self.version)
            self._sessions[command.frag_index] = FragSession(command, decoder)
        yield (
            fragmentation.FragSessionSetupAns(
                frag_index=command.frag_index, frag_algo_unsupported=unsupported, session_cnt_replay=replay
            ),
            self._soon(),
        )

    def _data_fragment(self, command: fragmentation.DataFragment, now: float, group_id: int | None) -> Answers:
        session = self._sessions.get(command.frag_index)
        if session is None or session.decoder.complete or len(command.payload) != session.setup.frag_size:
            return
        if group_id is not None and not session.setup.mc_group_bit_mask >> group_id & 1:
            return
        if session.setup.session_cnt is not None:
            self._last_session_cnt[command.frag_index] = session.setup.session_cnt
        session.n_received += 1
        if not session.decoder.push(command.n, command.payload):
            return
        image = session.decoder.block()[: session.setup.nb_frag * session.setup.frag_size - session.setup.padding]
        session.mic_error = session.setup.mic is not None and session.setup.mic != self._mic(session.setup, image)
        if not session.mic_error:
            self._install = (now + self.process_time, image)
        if session.setup.ack_reception:
            done = fragmentation.FragDataBlockReceivedReq(frag_index=command.frag_index, mic_error=session.mic_error)
            yield done, self._spread(session)

    def _frag_session_status(
        self, command: fragmentation.FragSessionStatusReq, _now: float, _group: int | None
    ) -> Answers:
        session = self._sessions.get(command.frag_index)
        if session is None:
            if self.version == "2.0.0":
                yield (
                    fragmentation.FragSessionStatusAns(version="2.0.0", session_does_not_exist=True),
                    self._soon(),
                )
            return
        if session.decoder.complete and not command.participants:
            return
        yield (
            fragmentation.FragSessionStatusAns(
                version=self.version,
                frag_index=command.frag_index,
                nb_frag_received=session.n_received,
                missing_frag=min(session.decoder.missing, 255),
                mic_error=session.mic_error,
            ),
            self._spread(session),
        )

    def _dev_version(self, _command: firmware.DevVersionReq, _now: float, _group: int | None) -> Answers:
        yield firmware.DevVersionAns(fw_version=self.fw_version, hw_version=self.hw_version), self._soon()

    def _dev_upgrade_image(self, _command: firmware.DevUpgradeImageReq, _now: float, _group: int | None) -> Answers:
        if self._install is None:
            yield firmware.DevUpgradeImageAns(up_image_status=0), self._soon()
            return
        release = self.releases.get(hashlib.sha256(self._install[1]).digest())
        status = 1 if release is None else 3
        yield firmware.DevUpgradeImageAns(up_image_status=status, next_firmware_version=release), self._soon()

    def _spread(self, session: FragSession) -> float:
        """The random delay that keeps the answers of many devices apart (TS004, BlockAckDelay)."""
        return float(self.rng.random()) * (16 << session.setup.block_ack_delay)

    def _mic(self, setup: fragmentation.FragSessionSetupReq, image: bytes) -> bytes:
        assert setup.session_cnt is not None
        return keys.data_block_mic(
            keys.data_block_int_key(self.root_key),
            session_cnt=setup.session_cnt,
            frag_index=setup.frag_index,
            descriptor=setup.descriptor,
            data=image,
        )


Answers = Iterator[tuple[Command, float]]
"""Answers and the seconds after which each is sent."""

_HANDLERS: dict[type[Command], Callable[[VirtualDevice, Any, float, int | None], Answers]] = {
    multicast.McGroupSetupReq: VirtualDevice._mc_group_setup,
    multicast.McClassCSessionReq: VirtualDevice._class_c_session,
    fragmentation.FragSessionSetupReq: VirtualDevice._frag_session_setup,
    fragmentation.FragSessionStatusReq: VirtualDevice._frag_session_status,
    fragmentation.DataFragment: VirtualDevice._data_fragment,
    firmware.DevVersionReq: VirtualDevice._dev_version,
    firmware.DevUpgradeImageReq: VirtualDevice._dev_upgrade_image,
}
_BY_MULTICAST = {fragmentation.DataFragment, fragmentation.FragSessionStatusReq}
