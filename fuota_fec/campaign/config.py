"""Configuration of a campaign: parameters, groups, devices. Frozen, read from TOML or JSON, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from fuota_fec.campaign.device import Device, DeviceCheck
from fuota_fec.campaign.device_list import placed, with_listed_devices
from fuota_fec.campaign.group import Group, group_problems
from fuota_fec.campaign.settings import (
    ADAPTIVE,
    PLANNED,
    SELECTED,
    U32_MAX,
    between,
    field_problems,
    firmware_version,
    loss_problems,
    n_coded_wanted,
    name_problems,
    raised,
    redundancy_problems,
    repeated,
)
from fuota_fec.checks import plainly, shown
from fuota_fec.codec.limits import row_numbers
from fuota_fec.config_files import from_table, read_table
from fuota_fec.devices.profiles import PROFILES, DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.key_ring import KeyRing
from fuota_fec.radio.regions import region
from fuota_fec.wire.limits import MAX_FRAG_NB

__all__ = [
    "ADAPTIVE",
    "LAST_TIME",
    "PLANNED",
    "SELECTED",
    "CampaignConfig",
    "Device",
    "Group",
    "KeyRing",
    "Ports",
    "firmware_version",
    "n_coded_wanted",
]

FRAG_REDUNDANCY_MAX = 340
"""Largest number of coded fragments of a group by default."""
LAST_TIME = U32_MAX
"""Largest Unix time of a configuration, in February 2106: well within what calendars and floats can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """FPorts of the packages, 1 … 223, all distinct (recommended values of the specifications)."""

    multicast: int = field(default=200, metadata=between(1, 223))
    """FPort of multicast setup (TS005)."""
    fragmentation: int = field(default=201, metadata=between(1, 223))
    """FPort of fragmentation (TS004)."""
    clock: int = field(default=202, metadata=between(1, 223))
    """FPort of clock synchronisation (TS003)."""
    firmware: int = field(default=203, metadata=between(1, 223))
    """FPort of firmware management (TS006)."""


@dataclass(frozen=True, kw_only=True)  # Not slotted: cached properties need a __dict__.
class CampaignConfig:
    """Delivery of one image to one set of devices. Durations are in seconds, except where ms is stated."""

    id: str
    """Name of the campaign in journals and on the command line."""
    success_threshold: float = field(metadata=between(1, 100))
    """Percentage of the campaign's devices that must succeed at every stage, 1 … 100."""
    max_duration: float = field(metadata=between(1, 1e9))
    """Longest time from the start to the end of the transfer, s. Running stages end when it is over, but for
    those that show what the devices have."""
    uplink_period: float = field(metadata=between(1, 1e7))
    """Default uplink period of a device, s."""
    groups: tuple[Group, ...]
    """Multicast groups; every device belongs to one."""
    devices: tuple[Device, ...]
    """Devices of the campaign. In a file, a list of tables; or the name of a CSV file, such as "meters.csv", with the
    column of each setting in `columns = {dev_eui = "DevEUI", uplink_period = "Period"}`. Without `columns`, those that
    have the names of settings; without one for the group, all devices are in the campaign's one group."""
    profiles: tuple[DeviceProfile, ...] = ()
    """Device profiles of one's own. A table `[profiles.NAME]` has a `base`, one that `fuota-fec profiles` lists
    ("generic" if not given), and the values that differ."""
    kind: Literal["multicast", "binary", "firmware"] = "firmware"
    """Kind of campaign. "multicast": group setup only. "binary": transfer of a file. "firmware": firmware update, which
    succeeds on a device that runs the new version."""
    fw_version: str | int | None = None
    """Firmware version that devices report once they run the image: "1.2.3.4" = 0x01020304, or a number. Required for a
    firmware update."""
    hw_version: int | None = field(default=None, metadata=between(0, 2**32 - 1))
    """Hardware version that devices must report with the firmware version; any if not given."""
    requires_fw_version: str | int | None = None
    """Firmware version that a delta image applies to; devices with another version are left out."""
    stage_end: Literal["threshold", "all"] = "threshold"
    """End of a stage. "threshold": when the threshold is met. "all": when every device has answered or is given up."""
    msg_retries: int = field(default=2, metadata=between(0, 1000))
    """Number of resends of a unicast request."""
    ucast_msg_delay: float = field(default=1000, metadata=between(0, 1e9))
    """Minimum time between two unicast downlinks, ms; 0 = no minimum."""
    mcast_msg_delay: float = field(default=2000, metadata=between(0, 1e9))
    """Minimum time between two multicast downlinks of a group, ms."""
    coded_msg_delay: float | None = field(default=None, metadata=between(0, 1e9))
    """Minimum time from a coded fragment to the next multicast downlink of its group, ms, for devices that need long to
    work one in; mcast_msg_delay if not given."""
    delivery_timeout: float = field(default=60, metadata=between(0, 1e7))
    """Timeout for the sent report of a request, s, in addition to an uplink period; and again for its answer."""
    stage_complete_delay: float = field(default=1, metadata=between(0, 1000))
    """Wait for late answers at the end of a stage, in uplink periods of the slowest device."""
    complete_delay: float = field(default=10, metadata=between(0, 1e7))
    """Wait for late answers at the end of the campaign, s."""
    mcsession_delay: float = field(default=30, metadata=between(0, 1e7))
    """Margin before the start of a multicast session, s."""
    session_start: float | None = field(default=None, metadata=between(0, LAST_TIME))
    """Unix time at which the multicast session starts, before February 2106; computed if not given."""
    session_length: Literal["need", "duration"] = "need"
    """Length of a multicast session: "need" for the frames and status requests in it and one further round, with a
    margin; "duration" until the end of max_duration. A device listens, and uses its battery, until the session ends."""
    classb_start_beacons_delay: int = field(default=2, metadata=between(0, 1000))
    """Number of beacons for acquisition before a class B session."""
    first_fragment_delay: float = field(default=3, metadata=between(0, 1e6))
    """Time from the start of a class C session to the first fragment, s."""
    time_tolerance: float = field(default=2, metadata=between(0, 1e6))
    """Largest accepted error of a device's clock, s."""
    time_sync_tolerance: float = field(default=1, metadata=between(0, 1e6))
    """Clock synchronisation (TS003): a correction up to this, s, is sent only if the device requires an answer."""
    reply_interval: float = field(default=30, metadata=between(0, 1e6))
    """Time in which a device gets at most one answer of a kind to its own questions, s."""
    answer_spread_max: float = field(default=128, metadata=between(0, 2048))
    """Longest spread of the answers to a multicast request, s, up to 2048."""
    fsession_status_threshold: int = field(default=5, metadata=between(0, 1e7))
    """Groups with more devices than this are asked for their status by multicast (binary transfer)."""
    fsession_status_timeout: float = field(default=60, metadata=between(0, 1e7))
    """Wait for answers to a multicast status request, s, in addition to their spread."""
    fuota_process_max_time: float = field(default=20, metadata=between(0, 1e7))
    """Time in which a device installs the image, s."""
    reboot: str | float = "device"
    """Reboot of the devices. "device": each reboots by itself. "after_transfer": devices that have the image are asked
    to reboot after the transfer. A number: Unix time at which the devices are asked to reboot."""
    reboot_spread: float = field(default=600, metadata=between(0, 1e7))
    """Time over which the reboots of "after_transfer" are spread, s."""
    datafrag_loops_max: int = field(default=2, metadata=between(1, 1000))
    """Largest number of rounds of a group without coded fragments."""
    allow_carousel: bool = False
    """True to allow more than one round although some devices drop late uncoded fragments."""
    ack_reception: bool | None = None
    """Dialect 2.0.0: true if devices report a complete block. Default: true in groups of up to 500 devices."""
    frag_redundancy_max: int = field(default=FRAG_REDUNDANCY_MAX, metadata=between(0, 16382))
    """Limit on coded fragments of a group."""
    redundancy: str | int = "5/6"
    """Coded fragments of a group. A code rate such as "5/6", limited to frag_redundancy_max; a number up to
    frag_redundancy_max; "planned": as many as the threshold requires at the given losses; "adaptive": in rounds, with
    status requests between them, until enough devices are complete."""
    loss: float | None = None
    """Share of fragments that a device is expected to miss, 0 … below 1, if it is known."""
    unicast_repair_max: int = field(default=0, metadata=between(0, 1e7))
    """Largest number of devices that get their missing fragments by unicast, if that takes less air time; 0 = none.
    Used in binary transfers and with adaptive redundancy."""
    rows: tuple[int, ...] | str | None = None
    """Rows of the coded fragments. "first", the default: 1, 2, 3 …; "selected": the most effective ones, useful up to
    about 128 fragments; or row numbers."""
    summary_reports_disabled: bool = False
    """True to send frames without waiting for summaries."""
    summary_window: int = field(default=1, metadata=between(1, 16383))
    """Largest number of frames whose summaries are outstanding."""
    summary_report_timeout: float | None = field(default=None, metadata=between(0, 1e7))
    """Timeout for a summary, s, longer in large groups; 0 = no timeout. Default: 5 times the network's usual time."""
    mcgroup_validity_coeff: float = field(default=10, metadata=between(1, 1e6))
    """Number of frame counters that a group is set up for, as a multiple of its planned frames."""
    fsize: int | None = field(default=None, metadata=between(1, 255))
    """Fragment size in bytes; the largest that fits if not given."""
    fsize_optimization: int = field(default=0, metadata=between(0, 255))
    """The fragment size is a multiple of this number of bytes; 0 = no constraint."""
    repeater: bool = False
    """True if a repeater may be in the path, which limits payloads to 222 bytes."""
    descriptor: str = "00000000"
    """Descriptor of the fragmentation session, 4 bytes in wire order, hexadecimal."""
    frag_index: int = field(default=0, metadata=between(0, 3))
    """Fragmentation session of the devices, 0 … 3."""
    clean_up: bool = True
    """True to delete fragmentation sessions and groups on the devices at the end, if their stacks support it."""
    session_cnt: int = field(default=1, metadata=between(0, 0xFFFF))
    """Smallest SessionCnt of this campaign's sessions (dialect 2.0.0); devices with a known last one get the next."""
    duty_cycle: float | None = field(default=None, metadata=between(1e-6, 1))
    """Share of time that a gateway may send, 0 … 1; the region's at the group's frequency if not given."""
    ports: Ports = field(default_factory=Ports)
    """FPorts of the packages."""

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ParameterError.of(problems)

    @cached_property
    def members(self) -> Mapping[str, tuple[Device, ...]]:
        """Group → its devices."""
        members: dict[str, list[Device]] = {group.name: [] for group in self.groups}
        for device in self.devices:
            members[device.group].append(device)
        return {name: tuple(devices) for name, devices in members.items()}

    @cached_property
    def kinds_of_groups(self) -> tuple[tuple[Group, int], ...]:
        """One of the groups with equal region, frequency and gateways, and their number, for each such kind."""
        kinds: dict[object, list[Group]] = {}
        for group in self.groups:
            kinds.setdefault((group.region, group.frequency_hz, tuple(group.gateways)), []).append(group)
        return tuple((groups[0], len(groups)) for groups in kinds.values())

    @property
    def firmware_version(self) -> int | None:
        """fw_version as the number that TS006 carries."""
        return None if self.fw_version is None else firmware_version(self.fw_version)

    @property
    def reboot_time(self) -> float | None:
        """Unix time at which devices are to reboot, if configured."""
        return None if isinstance(self.reboot, str) else float(self.reboot)

    @property
    def row_numbers(self) -> tuple[int, ...] | None:
        """Rows that are configured one by one."""
        return None if self.rows is None or isinstance(self.rows, str) else self.rows

    @property
    def asks_versions(self) -> bool:
        """Whether some devices are first asked for the versions of their packages or firmware."""
        return self.requires_fw_version is not None or any(device.probe for device in self.devices)

    def profile_of(self, device: Device) -> DeviceProfile:
        """Profile of a device: one of the campaign's own, or a built-in one."""
        return self.profile_named(device.profile)

    def profile_named(self, name: str) -> DeviceProfile:
        """Profile of that name, the campaign's own before a built-in one: journals outlive the list of the latter.

        ParameterError, with the known names, if there is none.
        """
        found = next((own for own in self.profiles if own.name == name), None) or PROFILES.get(name)
        if found is None:
            raise ParameterError(f"profile: {shown(name)} is not known, expected one of {_known_profiles(self)}")
        return found

    def redundancy_of(self, group: Group) -> str | int:
        """Redundancy of a group: its own, or the campaign's."""
        return self.redundancy if group.redundancy is None else group.redundancy

    def duty_cycle_of(self, group: Group) -> float:
        """Share of time that a gateway may send on the group's frequency: as configured, or the region's."""
        return region(group.region).duty_cycle(group.frequency_hz) if self.duty_cycle is None else self.duty_cycle

    def uplink_period_of(self, device: Device) -> float:
        """Uplink period of a device: its own, or the campaign's."""
        return self.uplink_period if device.uplink_period is None else device.uplink_period

    def loss_of(self, device: Device) -> float | None:
        """Expected loss of a device: its own, or the campaign's; None if neither is known."""
        return self.loss if device.loss is None else device.loss

    @property
    def descriptor_bytes(self) -> bytes:
        return bytes.fromhex(self.descriptor)

    @classmethod
    def from_mapping(
        cls, table: Mapping[str, Any], where: str = "campaign", folder: str | Path = "."
    ) -> CampaignConfig:
        """Reads the tables of a TOML or JSON file. The name of a CSV file of devices is relative to the folder.

        ParameterError with a line for each problem, up to 20; its `problems` has all of them.
        """
        table = with_listed_devices(table, where, folder)
        try:
            return from_table(cls, table, where)
        except ParameterError as error:
            problems = tuple(placed(error.problems, table.get("devices"), where))
        del table  # It may have a key where the name of a key belongs, which is not for a crash report.
        raise ParameterError.of(problems)

    @classmethod
    def load(cls, path: str | Path) -> CampaignConfig:
        """Reads a .toml or .json file. ParameterError as in `from_mapping`."""
        return cls.from_mapping(read_table(path), str(path), Path(path).parent)


# ---- checks ----------------------------------------------------------------------------------------------


def _problems(config: CampaignConfig) -> Iterator[str]:
    """A line for each reason why this configuration cannot be used."""
    if not config.id or "/" in config.id:
        yield f"id: {shown(config.id)} is empty or holds a '/'"
    yield from name_problems("id", config.id)
    yield from field_problems(config)
    yield from _version_problems(config)
    yield from _reboot_problems(config)
    yield from _rows_problems(config)
    yield from redundancy_problems(config.redundancy, config.frag_redundancy_max)
    yield from loss_problems(config.loss)
    if not re.fullmatch(r"[0-9a-fA-F]{8}", config.descriptor):
        yield f"descriptor: {shown(config.descriptor)} is not 8 hexadecimal digits"
    yield from _port_problems(config.ports)
    yield from _profiles_problems(config)
    yield from _groups_problems(config)
    yield from _devices_problems(config)


def _version_problems(config: CampaignConfig) -> Iterator[str]:
    if config.kind == "firmware" and config.fw_version is None:
        yield "fw_version is missing"
    for name in ("fw_version", "requires_fw_version"):
        if (value := getattr(config, name)) is not None:
            yield from raised(partial(firmware_version, value, name))


def _reboot_problems(config: CampaignConfig) -> Iterator[str]:
    reboot = config.reboot
    if isinstance(reboot, str):
        if reboot not in ("device", "after_transfer"):
            yield f"reboot: {shown(reboot)} is not 'device', 'after_transfer' or a Unix time"
            return
    elif not 0 <= reboot <= LAST_TIME:
        yield f"reboot: {shown(reboot)} is not a Unix time from 0 to {LAST_TIME}"
        return
    if reboot != "device" and config.kind != "firmware":
        yield f"reboot: {shown(reboot)} is for firmware updates only, expected 'device'"


def _rows_problems(config: CampaignConfig) -> Iterator[str]:
    if config.row_numbers is not None:
        yield from raised(partial(row_numbers, config.row_numbers, max_row=MAX_FRAG_NB - 1))
    elif config.rows not in (None, "first", SELECTED):
        yield f"rows: {shown(config.rows)} is not 'first', 'selected' or a list of row numbers"


def _port_problems(ports: Ports) -> Iterator[str]:
    for problem in field_problems(ports):
        yield f"ports: {problem}"
    numbers = {spec.name: getattr(ports, spec.name) for spec in fields(ports)}
    for port in repeated(numbers.values()):
        shared = ", ".join(name for name, other in numbers.items() if other == port)
        yield f"ports: {shared}: {shown(port)} is given twice"


def _known_profiles(config: CampaignConfig) -> str:
    return ", ".join([*(own.name for own in config.profiles), *PROFILES])


def _profiles_problems(config: CampaignConfig) -> Iterator[str]:
    for name in repeated(own.name for own in config.profiles):
        yield f"profiles: {shown(name)} is given twice"
    for own in config.profiles:
        yield from name_problems("profiles", own.name)


def _groups_problems(config: CampaignConfig) -> Iterator[str]:
    if not config.groups:
        yield "groups: there are none, expected at least one"
    used = {device.group for device in config.devices}
    for name in repeated(group.name for group in config.groups):
        yield f"groups: {shown(name)} is given twice"
    for addr in repeated(group.mc_addr for group in config.groups):
        yield f"groups: mc_addr {plainly(addr)} is given twice"
    for group in config.groups:
        for problem in group_problems(group, config.frag_redundancy_max):
            yield f"group {shown(group.name)}: {problem}"
        if group.name not in used:
            yield f"group {shown(group.name)}: there are no devices, expected at least one"


def _devices_problems(config: CampaignConfig) -> Iterator[str]:
    if not config.devices:
        yield "devices: there are none, expected at least one"
    check = DeviceCheck(config.groups, (*(own.name for own in config.profiles), *PROFILES))
    for dev_eui in repeated(device.dev_eui for device in config.devices):
        yield f"devices: {plainly(dev_eui)} is given twice"
    for device in config.devices:
        for problem in check.problems(device):
            yield f"device {plainly(device.dev_eui)}: {problem}"
