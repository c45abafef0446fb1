"""A campaign as it is planned: what the pre-flight check looks at.

Times are seconds. A time of day is given as seconds from the campaign's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fuota_fec.devices.profiles import PROFILES, DeviceProfile, Version
from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.regions import DATA_FRAGMENT_HEADER_LEN, region


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGroup:
    """One multicast group and its transmission: `rounds` times all uncoded fragments, then the coded ones."""

    name: str
    region: str
    dr: int
    """Downlink data rate of the group."""
    frag_size: int
    n_frags: int
    """Uncoded fragments, M."""
    n_coded: int = 0
    last_row: int | None = None
    """Largest row number among the coded fragments; n_coded if not given: rows 1, 2, 3 …"""
    adaptive: bool = False
    """Whether the coded fragments are sent in rounds, as many as status says are needed: n_coded at most."""
    rounds: int = 1
    """Passes of the uncoded fragments; more than one is a carousel."""
    n_other_frames: int = 0
    """Further multicast frames: status requests."""
    spacing: float
    """s from the start of a frame to the start of the next."""
    session_length: float
    """s from the session's start to the end of the last planned frame."""
    frequency_hz: int | None = None
    """The region's class C default (RX2) if not given."""
    device_class: Literal["B", "C"] = "C"
    dwell_time: bool = False
    """The 400 ms limit is in force (AS923)."""
    repeater: bool = False
    version: Version = "1.0.0"
    """TS004 dialect of its fragments."""
    mc_version: Version = "1.0.0"
    """TS005 version of its requests."""
    first_f_cnt: int = 0
    """Next frame counter of the group."""
    block_ack_delay: int = 0
    """Answers that many devices give at once are spread over 2^(block_ack_delay + 4) s."""
    ack_reception: bool = False
    loss: float | None = None
    """Expected share of fragments that a device does not receive, 0 … 1; None: not known."""
    mc_key_known: bool = True
    n_gateways: int | None = None
    """Gateways that send to the group; None: the network's affair."""

    def __post_init__(self) -> None:
        region(self.region)
        checks = (
            (1 <= self.frag_size <= 255, f"frag_size: {self.frag_size} is not from 1 to 255"),
            (self.n_frags >= 1, f"n_frags: {self.n_frags} is not 1 or more"),
            (self.n_coded >= 0, f"n_coded: {self.n_coded} is not 0 or more"),
            (self.rounds >= 1, f"rounds: {self.rounds} is not 1 or more"),
            (self.spacing >= 0, f"spacing: {self.spacing} is not 0 or more seconds"),
            (self.session_length >= 0, f"session_length: {self.session_length} is not 0 or more seconds"),
            (0 <= self.block_ack_delay <= 7, f"block_ack_delay: {self.block_ack_delay} is not from 0 to 7"),
            (self.loss is None or 0 <= self.loss <= 1, f"loss: {self.loss} is not from 0 to 1"),
        )
        problems = [f"group {self.name!r}: {text}" for ok, text in checks if not ok]
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def max_row(self) -> int:
        return self.n_coded if self.last_row is None else self.last_row

    @property
    def n_frames(self) -> int:
        """Multicast frames in all, and so counters used."""
        return self.rounds * self.n_frags + self.n_coded + self.n_other_frames

    @property
    def answer_spread(self) -> int:
        """s over which answers to a multicast request are spread."""
        return 1 << (self.block_ack_delay + 4)

    def max_app_payload(self, dr: int | None = None) -> int:
        """N at `dr`, the group's if not given. ParameterError if it carries no downlink."""
        chosen = self.dr if dr is None else dr
        return region(self.region).max_app_payload(chosen, dwell_time=self.dwell_time, repeater=self.repeater)

    def frame_time(self) -> float:
        """s that a fragment is on the air. ParameterError for a data rate or a size that do not exist."""
        return frame_time(DATA_FRAGMENT_HEADER_LEN + self.frag_size, region(self.region).data_rate(self.dr))

    def duty_cycle(self) -> float:
        """Share of time that one gateway may send on its frequency. ParameterError if that is not of the region."""
        area = region(self.region)
        frequency = self.frequency_hz if self.frequency_hz is not None else area.rx2_frequency_hz
        if frequency is None:
            raise ParameterError(f"frequency is needed, {area.name} has no default")
        return area.duty_cycle(frequency)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDevice:
    """One class A device of a group."""

    dev_eui: str
    group: str
    profile: DeviceProfile = PROFILES["generic"]
    lorawan: Literal["1.0", "1.1"] = "1.0"
    root_key_known: bool = True
    """Whether its GenAppKey (1.0.x) or AppKey (1.1) is at hand (TS005, Keys)."""
    downlink_dr: int | None = None
    """Data rate of its unicast downlinks; None: not known."""
    uplink_period: float = 3600.0

    def __post_init__(self) -> None:
        if not self.uplink_period > 0:
            raise ParameterError(f"device {self.dev_eui}: uplink_period: {self.uplink_period} is not above 0 s")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCampaign:
    """Everything that the check needs to know. ParameterError for a device whose group is not among the groups."""

    image_len: int
    groups: tuple[PlannedGroup, ...]
    devices: tuple[PlannedDevice, ...]
    max_duration: float
    kind: Literal["firmware", "binary", "multicast"] = "firmware"
    n_needed: int | None = None
    """Devices that must succeed at every stage; all if not given."""
    ucast_msg_delay: float = 1.0
    """s between two unicast downlinks; 0 = none."""
    msg_retries: int = 2
    delivery_timeout: float = 60.0
    late_answer_time: float = 0.0
    """s for which a stage waits for late answers."""
    mcsession_delay: float = 30.0
    session_start_in: float | None = None
    """s from the campaign's start to a configured session start."""
    process_time: float = 20.0
    """s in which a device flashes the image."""
    fsession_status_threshold: int = 5
    """Groups of more devices are asked for their status over multicast."""
    frag_index: int = 0
    allow_carousel: bool = False
    reboot: Literal["device", "time", "after_transfer"] = "device"
    """Who decides when: the device, the campaign by a time set before, or the campaign once the data is there."""
    reboot_in: float | None = None
    """s from the campaign's start to a configured reboot time."""
    asks_versions: bool = False
    """Whether devices are first asked which versions of the packages, or of the firmware, they have."""
    network_clock_sync: bool = False
    """Whether the network server answers clock synchronisation (TS003) itself."""

    def __post_init__(self) -> None:
        known = {group.name for group in self.groups}
        problems = [] if self.devices else ["devices: there are none, expected at least one"]
        problems += [
            f"device {device.dev_eui}: group {device.group!r} is not one of the campaign's"
            for device in self.devices
            if device.group not in known
        ]
        if self.n_needed is not None and not 1 <= self.n_needed <= max(1, len(self.devices)):
            problems.append(f"n_needed: {self.n_needed} is not from 1 to the number of devices, {len(self.devices)}")
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def n_asked(self) -> int:
        """Devices whose answers a stage cannot do without."""
        return len(self.devices) if self.n_needed is None else self.n_needed

    @property
    def needed_period(self) -> float:
        """Uplink period of the slowest device that a stage cannot do without."""
        return sorted(device.uplink_period for device in self.devices)[self.n_asked - 1]

    @property
    def pacing(self) -> float:
        """s in which the requests of one unicast stage leave, at least."""
        return (self.n_asked - 1) * self.ucast_msg_delay

    def devices_of(self, group: PlannedGroup) -> tuple[PlannedDevice, ...]:
        return tuple(device for device in self.devices if device.group == group.name)

    def asks_status_by_multicast(self, group: PlannedGroup) -> bool:
        """Whether all devices of the group are asked by one status request."""
        many = len(self.devices_of(group)) > self.fsession_status_threshold
        asked = self.kind == "binary" or (self.kind == "firmware" and group.adaptive)
        return asked and (many or group.n_coded == 0)
