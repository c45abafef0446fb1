"""State of a virtual device: everything that its packages read and change.

A DeviceState has no radio and no queue of uplinks: `device.VirtualDevice` adds them. Time is Unix time and always an
argument; the device's own clock may be off, or not set. All of it can be pickled. Devices of a simulation share equal
keys, fragments and images, which exist once however many devices have them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from fuota_fec.campaign.config import Ports
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.fleet.batched_reception import BatchedBlocks
from fuota_fec.fleet.quirks import AS_SPECIFIED
from fuota_fec.fleet.reception import BlockReception
from fuota_fec.radio.regions import region
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.dialects import one_dialect
from fuota_fec.wire.fragmentation import DataFragment, FragSessionSetupReq
from fuota_fec.wire.identifiers import canonical_eui
from fuota_fec.wire.keys import Key

ANSWER_DELAY = (1.0, 3.0)
"""s from a request to the uplink that answers it, at least and at most."""
N_BLOCK_REPORTS = 3
"""FragDataBlockReceivedReq sent for a block, an uplink period apart, unless one is answered."""


class MadeUpKey(Key):
    """A key made up for a simulation. Unlike any other Key it can be pickled: never put the key of a real device into
    a virtual one whose pickle leaves the house."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[MadeUpKey], tuple[bytes]]:  # type: ignore[override]
        return MadeUpKey, (bytes(self),)


@lru_cache(maxsize=256)
def group_key(octets: bytes) -> MadeUpKey:
    """The key with these 16 bytes: one object for all devices of a group, which compare it by identity first."""
    return MadeUpKey(octets)


@dataclass(slots=True, kw_only=True)
class JoinedGroup:
    """A multicast group that the device was set up with, and its class B or C session."""

    mc_addr: int
    app_s_key: Key
    min_f_cnt: int
    max_f_cnt: int
    first_below: int = 2**32
    """Bound of the counter of the first frame, exclusive."""
    opens: float = float("inf")
    """Start of the session, GPS seconds by the device's own clock."""
    closes: float = float("-inf")
    """End of the session, GPS seconds by the device's own clock."""
    device_class: str = "C"
    periodicity: int = 0
    frequency_hz: int = 0
    dr: int = 0

    def hears(self, mc_addr: int, app_s_key: Key, f_cnt: int, own_gps: float) -> bool:
        """Whether a frame falls into the session and has the group's address, its key and an acceptable counter."""
        return (
            self.mc_addr == mc_addr
            and self.opens <= own_gps < self.closes
            and self.min_f_cnt <= f_cnt < self.max_f_cnt
            and f_cnt < self.first_below
            and (self.app_s_key is app_s_key or self.app_s_key == app_s_key)
        )

    def use_counter(self, f_cnt: int) -> None:
        """Refuses this counter and lower ones from now on."""
        self.min_f_cnt = f_cnt + 1
        self.first_below = 2**32


@dataclass(slots=True)
class FragSession:
    """A fragmentation session and its decoder, which other sessions of the device may share."""

    setup: FragSessionSetupReq
    reception: BlockReception
    begun: bool = False
    """A fragment of the session was received."""
    deleted: bool = False
    """The session was deleted, and goes on all the same unless it is `stopped`."""
    stopped: bool = False
    """The session takes no fragments. One that comes uses up its counter all the same."""
    done: bool = False
    """A fragment of the session ended the reception: it takes no more, also if another session has the decoder now."""
    mic_error: bool = False
    """The decoder's last complete block has another MIC than this session announced."""
    checks_group: bool = True
    """Only the groups of McGroupBitMask may send its fragments."""
    any_frag_len: bool = False
    """Fragments of every length are taken."""
    no_frags: bool = False
    """The setup announced no fragments, although `setup` has one."""

    def accepts(self, fragment: DataFragment, group: int | None) -> bool:
        """Whether the decoder takes a fragment of this FragIndex that came by a group, or by unicast (None)."""
        return (
            not self.done
            and (self.any_frag_len or len(fragment.payload) == self.reception.frag_size)
            and (group is None or self.hears(group))
        )

    @property
    def open(self) -> bool:
        """The session takes fragments."""
        return not (self.done or self.stopped)

    @property
    def image_len(self) -> int:
        """Bytes that the setup announced, padding left out; below 0 if there is more padding than fragments."""
        n_frags = 0 if self.no_frags else self.setup.nb_frag
        return n_frags * self.setup.frag_size - self.setup.padding

    def hears(self, group: int) -> bool:
        """Whether a multicast group may send its fragments."""
        return not self.checks_group or bool(self.setup.mc_group_bit_mask >> group & 1)


@dataclass(slots=True)
class OneContext:
    """The one context of a stack that has a single session: what the last setup announced, accepted or not."""

    frag_index: int = 0
    nb_frag: int = 0
    frag_size: int = 0
    control: int = 0
    n_other: int = 0
    """DataFragments counted since that setup, less those that the decoder counted."""


@dataclass(slots=True)
class BlockReport:
    """A FragDataBlockReceivedReq still to be sent."""

    due: float
    n_left: int = N_BLOCK_REPORTS
    again: bool = True
    """The report may be sent once more when it is answered: no status was asked for since."""


@dataclass(slots=True, kw_only=True)
class DeviceState:
    """Settings, clock, groups, sessions, images and planned reboots of one device.

    `releases` are the images that the boot loader accepts: SHA-256 → firmware version.

    At most one reboot is planned: the last one requested, or the device's own. A release that is stored at that moment
    is installed. Without `reboots_alone` an image waits for a requested reboot; with it a device that completes a block
    while no reboot is planned plans one `process_time` later, and a cancel request also cancels that one. A reboot
    loses nothing else.
    """

    dev_eui: str
    root_key: Key
    releases: Mapping[bytes, int]
    rng: np.random.Generator
    profile: DeviceProfile = AS_SPECIFIED
    """The device's stack: where it differs from the specifications."""
    region: str = ""
    """Name of the device's region. Without it the device takes every frequency and data rate of a session."""
    lorawan: str = "1.0"
    dialect: str = ""
    """TS004 version; by default the first of the profile."""
    version: str = field(default="", repr=False)
    """Another name of `dialect`, as an argument and as a field."""
    mc_version: str = ""
    """TS005 version; by default the first of the profile."""
    clock_version: str = "1.0.0"
    """TS003 version."""
    ports: Ports = field(default_factory=Ports)
    fw_version: int = 0x01000000
    hw_version: int = 1
    batch: BatchedBlocks | None = field(default=None, repr=False)
    """Blocks received together with other devices; without it the device decodes its blocks itself."""
    uplink_period: float = 300.0
    process_time: float = 10.0
    """s from the complete block to the device's own reboot."""
    reboots_alone: bool | None = None
    """Whether the device plans a reboot of its own; by default as its profile says, and yes if that is unknown."""
    announces_version: bool = False
    """The device sends DevVersionAns, unasked, after it booted new firmware."""
    clock_error: float = 0.0
    """s that the device's clock is ahead."""
    clock_set: bool = True
    """Whether the device trusts its clock; without it nothing is planned by time."""
    image: bytes | None = None
    """The received image that was installed last."""
    stored: bytes | None = None
    """The received image that is stored and not installed, without padding; None if there is none."""
    n_reboots: int = 0
    n_garbage: int = 0
    """Downlinks that could not be decoded."""
    groups: dict[int, JoinedGroup] = field(default_factory=dict)
    """McGroupID → group."""
    sessions: dict[int, FragSession] = field(default_factory=dict)
    """FragIndex → session."""
    decoders: dict[int, BlockReception] = field(default_factory=dict)
    """Number of a decoder → its last use. Sessions may share a decoder."""
    reset_decoders: set[int] = field(default_factory=set)
    """Numbers of the decoders whose last session was set up before the last reboot: no count of it outlives the next
    setup."""
    context: OneContext = field(default_factory=OneContext)
    """Of a stack with one context."""
    last_session_cnt: dict[int, int] = field(default_factory=dict)
    """FragIndex → SessionCnt of the last session that received a fragment."""
    block_reports: dict[int, BlockReport] = field(default_factory=dict)
    """FragIndex → report of its complete block."""
    clock_token: int = 0
    """TokenReq of the next AppTimeReq."""
    requested_reboot_due: float | None = None
    own_reboot_due: float | None = None

    def __post_init__(self) -> None:
        self.root_key = MadeUpKey(bytes(self.root_key))
        self.dev_eui = canonical_eui(self.dev_eui)
        dialects, mc_versions = self.profile.dialects, self.profile.mc_versions
        self.dialect = self.version = one_dialect(self.dialect or None, self.version or None, dialects[0])
        self.mc_version = self.mc_version or mc_versions[0]
        for name, value, known in (("dialect", self.dialect, dialects), ("mc_version", self.mc_version, mc_versions)):
            if value not in known:
                stack = f"profile {self.profile.name!r}, expected {' or '.join(map(repr, known))}"
                raise ParameterError(f"device {self.dev_eui}: {name}: {value!r} is not a version of {stack}")
        if self.region:
            self.region = region(self.region).name
        if self.reboots_alone is None:
            self.reboots_alone = self.profile.reboots_alone is not False

    # ---- time ------------------------------------------------------------------------------------------------

    def answer_delay(self) -> float:
        """s from now until an answer is sent, drawn anew at each call."""
        return float(self.rng.uniform(*ANSWER_DELAY))

    def own_gps(self, now: float) -> float:
        """GPS seconds shown by the device's clock."""
        return gps_from_unix(now) + self.clock_error

    @property
    def hung(self) -> bool:
        """Whether the device hangs in its decoder: it neither receives nor sends until a power cycle."""
        return self.profile.hangs_from is not None and any(decoder.hung for decoder in self.decoders.values())

    # ---- sessions --------------------------------------------------------------------------------------------

    def close_session(self, frag_index: int) -> None:
        """Removes the fragmentation session, if there is one, and the report of its block."""
        self.sessions.pop(frag_index, None)
        self.block_reports.pop(frag_index, None)

    def report_block(self, frag_index: int, due: float) -> None:
        """Plans the reports of a complete block, the first at `due`."""
        self.block_reports[frag_index] = BlockReport(due)

    # ---- images and reboots ----------------------------------------------------------------------------------

    def store(self, image: bytes, now: float) -> None:
        """Stores a complete image whose MIC, if one was announced and checked, is right."""
        self.stored = image
        if self.reboots_alone and self.requested_reboot_due is None:
            self.own_reboot_due = now + self.process_time

    def erase(self) -> None:
        """Deletes the stored image, and the device's own reboot into it."""
        self.stored = None
        self.own_reboot_due = None

    def discard_image(self) -> None:
        """Deletes the stored image, the device's own reboot into it, and incomplete blocks."""
        self.erase()
        for frag_index in [index for index, session in self.sessions.items() if not session.reception.ended]:
            self.close_session(frag_index)

    def plan_reboot(self, due: float | None) -> None:
        """Replaces any planned reboot by a requested one, or by none."""
        self.requested_reboot_due = due
        self.own_reboot_due = None

    def stored_release(self) -> int | None:
        """Version of the stored image; None if no image is stored, or none that the boot loader accepts."""
        return None if self.stored is None else self.releases.get(_digest(self.stored))


@lru_cache(maxsize=8)
def _digest(image: bytes) -> bytes:
    return hashlib.sha256(image).digest()
