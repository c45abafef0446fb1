"""What a campaign is told: parameters, groups, devices, keys. Frozen, read from TOML or JSON, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from fuota_fec.checks import shown
from fuota_fec.codec.block import n_coded_of
from fuota_fec.codec.limits import MAX_FRAG_NB, row_numbers
from fuota_fec.config_files import choices, from_table, read_table
from fuota_fec.devices.profiles import PROFILES
from fuota_fec.errors import ParameterError
from fuota_fec.radio.regions import REGIONS, region
from fuota_fec.wire.keys import Key

T = TypeVar("T")

DEV_EUI = re.compile(r"[0-9a-f]{16}\Z")
MC_ADDR = re.compile(r"[0-9a-f]{8}\Z")
ADAPTIVE, PLANNED, SELECTED = "adaptive", "planned", "selected"
LAST_TIME = 2**32 - 1
"""Largest Unix time of a configuration, in February 2106: well within what calendars and floats can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One class A device. `dev_eui` and its group are all that is required."""

    dev_eui: str
    """DevEUI, 16 hexadecimal digits in lower case."""
    group: str
    """Name of the device's multicast group."""
    key: str | None = None
    """Name of the device's root key in the key ring; the DevEUI if not given."""
    lorawan: Literal["1.0", "1.1"] = "1.0"
    """LoRaWAN version, which decides the root key: GenAppKey in 1.0.x, AppKey in 1.1 (TS005, Keys)."""
    uplink_period: float | None = None
    """Uplink period of the device, s; the campaign's if not given."""
    profile: str = "generic"
    """Name of the device profile, in fuota_fec.devices.profiles: capabilities of the device's stack."""
    downlink_dr: int | None = None
    """Data rate of unicast downlinks to the device, if it is known."""
    fw_version: str | int | None = None
    """Firmware version before the campaign, if it is known."""
    loss: float | None = None
    """Share of downlinks that the device misses, 0 … below 1, if it is known; the campaign's if not given."""
    probe: bool = False
    """True if the versions of the device's packages are not known: the device is asked for them first, and left out if
    they differ from its group's."""

    @property
    def key_name(self) -> str:
        return self.key or self.dev_eui


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One multicast group: a radio address and how to reach it (TS005)."""

    name: str
    """Name of the group in this campaign."""
    mc_addr: str
    """McAddr, 8 hexadecimal digits in the usual order (big-endian)."""
    key: str | None = None
    """Name of the group's McKey in the key ring; the group's name if not given."""
    mc_group_id: int = 0
    """McGroupID on the devices, 0 … 3."""
    region: str = "EU868"
    """Name of the region, in fuota_fec.radio.regions."""
    dr: int = 0
    """Downlink data rate of the group."""
    frequency: int | None = None
    """Frequency in Hz. Default: the region's, which is RX2 in class C, and the ping slot channels in class B."""
    device_class: Literal["B", "C"] = "C"
    """Class of the group's sessions."""
    periodicity: int = 4
    """Ping slot periodicity of class B: a device has 2^(7 - periodicity) ping slots in 128 s."""
    dwell_time: bool = False
    """True if the 400 ms dwell-time limit (AS923) is in force."""
    gateways: tuple[str, ...] = ()
    """EUIs of the gateways that send to the group; empty if the network server chooses them. Groups without a common
    gateway do not share a duty cycle."""
    redundancy: str | int | None = None
    """Redundancy of the group, as in the campaign; the campaign's if not given."""
    version: Literal["1.0.0", "2.0.0"] = "1.0.0"
    """TS004 dialect of all devices of the group."""
    mc_version: Literal["1.0.0", "2.0.0"] = "1.0.0"
    """TS005 version of all devices of the group."""
    first_f_cnt: int = 0
    """Next frame counter of the group."""

    @property
    def key_name(self) -> str:
        return self.key or self.name

    @property
    def frequency_hz(self) -> int:
        """Where it is sent; of several channels (class B) the first."""
        area = region(self.region)
        default = area.ping_slot.frequency_hz if self.device_class == "B" else area.rx2_frequency_hz
        chosen = self.frequency if self.frequency is not None else default
        if chosen is None:
            raise ParameterError(f"group {self.name!r}: frequency is needed, {self.region} has no default")
        return chosen

    @property
    def dl_frequency_hz(self) -> int:
        """DLFrequency of the session request: 0 where class B hops over the region's channels (TS005)."""
        hops = self.device_class == "B" and self.frequency is None and region(self.region).ping_slot.n_channels > 1
        return 0 if hops else self.frequency_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """FPorts of the packages, 1 … 223, all distinct (recommended values of the specifications)."""

    multicast: int = 200
    """FPort of multicast setup (TS005)."""
    fragmentation: int = 201
    """FPort of fragmentation (TS004)."""
    clock: int = 202
    """FPort of clock synchronisation (TS003)."""
    firmware: int = 203
    """FPort of firmware management (TS006)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignConfig:
    """Delivery of one image to one set of devices. Durations are in seconds, except where ms is stated."""

    id: str
    """Name of the campaign in journals and on the command line."""
    success_threshold: float
    """Percentage of the campaign's devices that must succeed at every stage, 1 … 100."""
    max_duration: float
    """Longest time from the start to the end of the transfer, s; running stages end when it is over."""
    uplink_period: float
    """Default uplink period of a device, s."""
    groups: tuple[Group, ...]
    """Multicast groups; every device belongs to one."""
    devices: tuple[Device, ...]
    """Devices of the campaign."""
    kind: Literal["multicast", "binary", "firmware"] = "firmware"
    """Kind of campaign. "multicast": group setup only. "binary": transfer of a file. "firmware": firmware update, which
    succeeds on a device that runs the new version."""
    fw_version: str | int | None = None
    """Firmware version that devices report once they run the image: "1.2.3.4" = 0x01020304, or a number. Required for a
    firmware update."""
    hw_version: int | None = None
    """Hardware version that devices must report with the firmware version; any if not given."""
    requires_fw_version: str | int | None = None
    """Firmware version that a delta image applies to; devices with another version are left out."""
    stage_end: Literal["threshold", "all"] = "threshold"
    """End of a stage. "threshold": when the threshold is met. "all": when every device has answered or is given up."""
    msg_retries: int = 2
    """Number of resends of a unicast request."""
    ucast_msg_delay: float = 1000
    """Minimum time between two unicast downlinks, ms; 0 = no minimum."""
    mcast_msg_delay: float = 2000
    """Minimum time between two multicast downlinks of a group, ms."""
    delivery_timeout: float = 60
    """Timeout for the sent report of a request, s, in addition to an uplink period; and again for its answer."""
    stage_complete_delay: float = 1
    """Wait for late answers at the end of a stage, in uplink periods of the slowest device."""
    complete_delay: float = 10
    """Wait for late answers at the end of the campaign, s."""
    mcsession_delay: float = 30
    """Margin before the start of a multicast session, s."""
    session_start: float | None = None
    """Unix time at which the multicast session starts, before February 2106; computed if not given."""
    classb_start_beacons_delay: int = 2
    """Number of beacons for acquisition before a class B session."""
    first_fragment_delay: float = 3
    """Time from the start of a class C session to the first fragment, s."""
    time_tolerance: float = 2
    """Largest accepted error of a device's clock, s."""
    time_sync_tolerance: float = 1
    """Clock synchronisation (TS003): a correction up to this, s, is sent only if the device requires an answer."""
    answer_spread_max: float = 128
    """Longest spread of the answers to a multicast request, s, up to 2048."""
    fsession_status_threshold: int = 5
    """Groups with more devices than this are asked for their status by multicast (binary transfer)."""
    fsession_status_timeout: float = 60
    """Wait for answers to a multicast status request, s, in addition to their spread."""
    fuota_process_max_time: float = 20
    """Time in which a device installs the image, s."""
    reboot: str | float = "device"
    """Reboot of the devices. "device": each reboots by itself. "after_transfer": devices that have the image are asked
    to reboot after the transfer. A number: Unix time at which the devices are asked to reboot."""
    reboot_spread: float = 600
    """Time over which the reboots of "after_transfer" are spread, s."""
    datafrag_loops_max: int = 2
    """Largest number of rounds of a group without coded fragments."""
    allow_carousel: bool = False
    """True to allow more than one round although some devices drop late uncoded fragments."""
    ack_reception: bool | None = None
    """Dialect 2.0.0: true if devices report a complete block. Default: true in groups of up to 500 devices."""
    frag_redundancy_max: int = 340
    """Limit on coded fragments of a group."""
    redundancy: str | int = "5/6"
    """Coded fragments of a group. A code rate such as "5/6", limited to frag_redundancy_max; a number up to
    frag_redundancy_max; "planned": as many as the threshold requires at the given losses; "adaptive": in rounds, with
    status requests between them, until enough devices are complete."""
    loss: float | None = None
    """Share of fragments that a device is expected to miss, 0 … below 1, if it is known."""
    unicast_repair_max: int = 0
    """Largest number of devices that get their missing fragments by unicast, if that takes less air time; 0 = none.
    Used in binary transfers and with adaptive redundancy."""
    rows: tuple[int, ...] | str | None = None
    """Rows of the coded fragments. "first", the default: 1, 2, 3 …; "selected": the most effective ones, useful up to
    about 128 fragments; or row numbers."""
    summary_reports_disabled: bool = False
    """True to send frames without waiting for summaries."""
    summary_window: int = 1
    """Largest number of frames whose summaries are outstanding."""
    summary_report_timeout: float = 0
    """Timeout for a summary, s, longer in large groups; 0 = no timeout."""
    mcgroup_validity_coeff: float = 10
    """Number of frame counters that a group is set up for, as a multiple of its planned frames."""
    fsize: int | None = None
    """Fragment size in bytes; the largest that fits if not given."""
    fsize_optimization: int = 0
    """The fragment size is a multiple of this number of bytes; 0 = no constraint."""
    repeater: bool = False
    """True if a repeater may be in the path, which limits payloads to 222 bytes."""
    descriptor: str = "00000000"
    """Descriptor of the fragmentation session, 4 bytes in wire order, hexadecimal."""
    frag_index: int = 0
    """Fragmentation session of the devices, 0 … 3."""
    clean_up: bool = True
    """True to delete fragmentation sessions and groups on the devices at the end, if their stacks support it."""
    session_cnt: int = 1
    """Smallest SessionCnt of this campaign's sessions (dialect 2.0.0); devices with a known last one get the next."""
    duty_cycle: float | None = None
    """Share of time that a gateway may send, 0 … 1; the region's at the group's frequency if not given."""
    ports: Ports = field(default_factory=Ports)
    """FPorts of the packages."""

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def firmware_version(self) -> int | None:
        """fw_version as the number that TS006 carries."""
        return None if self.fw_version is None else firmware_version(self.fw_version)

    @property
    def reboot_time(self) -> float | None:
        """Unix time at which devices are to reboot, if one is configured."""
        return None if isinstance(self.reboot, str) else float(self.reboot)

    @property
    def row_numbers(self) -> tuple[int, ...] | None:
        """The rows that are configured one by one."""
        return None if self.rows is None or isinstance(self.rows, str) else self.rows

    @property
    def asks_versions(self) -> bool:
        """Whether some devices must say first what they are."""
        return self.requires_fw_version is not None or any(device.probe for device in self.devices)

    @property
    def descriptor_bytes(self) -> bytes:
        return bytes.fromhex(self.descriptor)

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any], where: str = "campaign") -> CampaignConfig:
        """From the tables of a TOML or JSON file. ParameterError with every problem found, a line each."""
        return from_table(cls, table, where)

    @classmethod
    def load(cls, path: str | Path) -> CampaignConfig:
        """From a .toml or .json file."""
        return cls.from_mapping(read_table(path), str(path))


class KeyRing:
    """Keys by name: root keys of devices, McKeys of groups. Configurations and journals hold only the names.

    Subclass it, or give any object with the same two methods, to take keys from a vault.
    """

    __slots__ = ("_mc_keys", "_root_keys")

    def __init__(self, *, root_keys: Mapping[str, Key], mc_keys: Mapping[str, Key]) -> None:
        self._root_keys = MappingProxyType(dict(root_keys))
        self._mc_keys = MappingProxyType(dict(mc_keys))

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._root_keys)} root keys and {len(self._mc_keys)} multicast keys>"

    def root_key(self, name: str) -> Key:
        """A device's GenAppKey (LoRaWAN 1.0.x) or AppKey (1.1)."""
        return _key(self._root_keys, name, "root key")

    def mc_key(self, name: str) -> Key:
        """A group's McKey."""
        return _key(self._mc_keys, name, "multicast key")

    @classmethod
    def load(cls, path: str | Path) -> KeyRing:
        """From a .toml or .json file with the tables `root_keys` and `mc_keys`: name = 32 hexadecimal digits."""
        tables = read_table(path)
        unknown = sorted(set(tables) - {"root_keys", "mc_keys"})
        if unknown:
            raise ParameterError(f"{path}: unknown key {unknown[0]!r}, expected root_keys and mc_keys")
        rings = {}
        for kind in ("root_keys", "mc_keys"):
            try:
                rings[kind] = {name: Key.from_hex(text) for name, text in tables.get(kind, {}).items()}
            except (ParameterError, TypeError, AttributeError):
                # Not the text itself: a mistyped key is still a key.
                raise ParameterError(f"{path}: {kind}: expected names with 32 hexadecimal digits each") from None
        return cls(**rings)


def _key(keys: Mapping[str, Key], name: str, kind: str) -> Key:
    try:
        return keys[name]
    except KeyError:
        raise ParameterError(f"key ring: there is no {kind} named {name!r}") from None


def firmware_version(value: str | int, name: str = "fw_version") -> int:
    """ "1.2.3.4" = 0x01020304, or the number itself; 32 bits (TS006, DevVersionAns)."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFFFFFF:
        return value
    if isinstance(value, str):
        parts = value.split(".")
        if len(parts) == 4 and all(len(p) <= 3 and p.isascii() and p.isdigit() and int(p) < 256 for p in parts):
            return int.from_bytes(bytes(map(int, parts)), "big")
    raise ParameterError(f'{name}: {value!r} is neither four numbers below 256 such as "1.2.3.4" nor a 32-bit number')


def n_coded_wanted(redundancy: str | int, n_frags: int) -> int:
    """R of a `redundancy` setting for n_frags uncoded fragments; as many as there are rows where it is "adaptive"."""
    if redundancy == ADAPTIVE:
        return MAX_FRAG_NB - n_frags
    return redundancy if isinstance(redundancy, int) else n_coded_of(redundancy, n_frags)


# ---- checks ----------------------------------------------------------------------------------------------

_RANGES: dict[str, tuple[float, float]] = {
    "success_threshold": (1, 100),
    "max_duration": (1, 1e9),
    "uplink_period": (1, 1e7),
    "msg_retries": (0, 1000),
    "ucast_msg_delay": (0, 1e9),
    "mcast_msg_delay": (0, 1e9),
    "delivery_timeout": (0, 1e7),
    "stage_complete_delay": (0, 1000),
    "complete_delay": (0, 1e7),
    "hw_version": (0, 2**32 - 1),
    "classb_start_beacons_delay": (0, 1000),
    "time_sync_tolerance": (0, 1e6),
    "fsession_status_threshold": (0, 1e7),
    "fsession_status_timeout": (0, 1e7),
    "datafrag_loops_max": (1, 1000),
    "mcsession_delay": (0, 1e7),
    "session_start": (0, LAST_TIME),
    "first_fragment_delay": (0, 1e6),
    "time_tolerance": (0, 1e6),
    "answer_spread_max": (0, 2048),
    "fuota_process_max_time": (0, 1e7),
    "frag_redundancy_max": (0, 16382),
    "reboot_spread": (0, 1e7),
    "unicast_repair_max": (0, 1e7),
    "summary_window": (1, 16383),
    "summary_report_timeout": (0, 1e7),
    "mcgroup_validity_coeff": (1, 1e6),
    "fsize": (1, 255),
    "fsize_optimization": (0, 255),
    "frag_index": (0, 3),
    "session_cnt": (0, 0xFFFF),
    "duty_cycle": (1e-6, 1),
}


def _problems(config: CampaignConfig) -> Iterator[str]:
    """Every reason why this configuration cannot be used, in words."""
    if not config.id or "/" in config.id:
        yield f"id: {config.id!r} is empty or holds a '/'"
    for name, (low, high) in _RANGES.items():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            yield f"{name}: {shown(value)} is not from {_plain(low)} to {_plain(high)}"
    yield from _choice_problems(config)
    yield from _version_problems(config)
    yield from _reboot_problems(config)
    yield from _redundancy_problems(config)
    yield from _loss_problems(config.loss)
    if not re.fullmatch(r"[0-9a-fA-F]{8}", config.descriptor):
        yield f"descriptor: {config.descriptor!r} is not 8 hexadecimal digits"
    yield from _port_problems(config.ports)
    yield from _group_problems(config)
    yield from _device_problems(config)


def _choice_problems(item: Any) -> Iterator[str]:
    for name, allowed in choices(item.__class__).items():
        if (value := getattr(item, name)) not in allowed:
            yield f"{name}: {shown(value)} is not one of {', '.join(map(repr, allowed))}"


def _version_problems(config: CampaignConfig) -> Iterator[str]:
    if config.kind == "firmware" and config.fw_version is None:
        yield "fw_version is missing"
    for name in ("fw_version", "requires_fw_version"):
        if (value := getattr(config, name)) is not None:
            yield from _raised(partial(firmware_version, value, name))


def _reboot_problems(config: CampaignConfig) -> Iterator[str]:
    if isinstance(config.reboot, str):
        if config.reboot not in ("device", "after_transfer"):
            yield f"reboot: {shown(config.reboot)} is neither 'device' nor 'after_transfer' nor a Unix time"
        elif config.reboot == "after_transfer" and config.kind != "firmware":
            yield "reboot: only a firmware update makes devices reboot"
    elif not 0 <= config.reboot <= LAST_TIME:
        yield f"reboot: {shown(config.reboot)} is not a Unix time from 0 to {LAST_TIME}"
    elif config.kind != "firmware":
        yield "reboot: only a firmware update makes devices reboot"


def _redundancy_problems(config: CampaignConfig) -> Iterator[str]:
    yield from _one_redundancy(config.redundancy, config.frag_redundancy_max)
    if config.row_numbers is not None:
        yield from _raised(partial(row_numbers, config.row_numbers, max_row=MAX_FRAG_NB - 1))
    elif config.rows not in (None, "first", SELECTED):
        yield f"rows: {shown(config.rows)} is neither 'first' nor 'selected' nor a list of row numbers"


def _one_redundancy(redundancy: str | int, most: int) -> Iterator[str]:
    if isinstance(redundancy, int):
        if not 0 <= redundancy <= most:
            yield f"redundancy: {shown(redundancy)} is not from 0 to frag_redundancy_max = {most}"
    elif redundancy not in (ADAPTIVE, PLANNED):
        for problem in _raised(partial(n_coded_of, redundancy, 1)):
            yield problem.replace("code_rate", "redundancy", 1)  # as it is called here


def _port_problems(ports: Ports) -> Iterator[str]:
    numbers = {field.name: getattr(ports, field.name) for field in fields(ports)}
    for name, port in numbers.items():
        if not 1 <= port <= 223:
            yield f"ports: {name}: {shown(port)} is not from 1 to 223"
    for port in _repeated(iter(numbers.values())):
        shared = ", ".join(name for name, other in numbers.items() if other == port)
        yield f"ports: {shared}: {shown(port)} is given twice"


def _group_problems(config: CampaignConfig) -> Iterator[str]:
    if not config.groups:
        yield "groups: there are none, expected at least one"
    used = {device.group for device in config.devices}
    for name in _repeated(group.name for group in config.groups):
        yield f"groups: {name!r} is given twice"
    for addr in _repeated(group.mc_addr for group in config.groups):
        yield f"groups: mc_addr {addr} is given twice"
    for group in config.groups:
        where = f"group {group.name!r}"
        if not group.name:
            yield f"{where}: name is empty"
        for problem in _choice_problems(group):
            yield f"{where}: {problem}"
        if not MC_ADDR.match(group.mc_addr):
            yield f"{where}: mc_addr {group.mc_addr!r} is not 8 lower-case hexadecimal digits"
        if not 0 <= group.periodicity <= 7:
            yield f"{where}: periodicity {group.periodicity} is not from 0 to 7"
        for gateway in _repeated(iter(group.gateways)):
            yield f"{where}: gateway {gateway} is given twice"
        if group.redundancy is not None:
            for problem in _one_redundancy(group.redundancy, config.frag_redundancy_max):
                yield f"{where}: {problem}"
        if not 0 <= group.mc_group_id <= 3:
            yield f"{where}: mc_group_id {group.mc_group_id} is not from 0 to 3"
        if not 0 <= group.first_f_cnt <= 0xFFFFFFFF:
            yield f"{where}: first_f_cnt {group.first_f_cnt} is not a 32-bit number"
        if group.region not in REGIONS:
            yield f"{where}: region {group.region!r} is unknown, expected one of {', '.join(REGIONS)}"
        else:
            area = region(group.region)
            yield from _raised(partial(area.max_fragment_size, group.dr, dwell_time=group.dwell_time), where)
            yield from _raised(partial(_duty_cycle, group), where)
        if group.frequency is not None and group.frequency % 100:
            yield f"{where}: frequency {group.frequency} Hz is not a multiple of 100 Hz, as it goes on the air"
        if group.name not in used:
            yield f"{where}: it has no devices"


def _device_problems(config: CampaignConfig) -> Iterator[str]:
    if not config.devices:
        yield "devices: there are none, expected at least one"
    names = {group.name for group in config.groups}
    for dev_eui in _repeated(device.dev_eui for device in config.devices):
        yield f"devices: {dev_eui} is given twice"
    for device in config.devices:
        if not DEV_EUI.match(device.dev_eui):
            yield f"devices: dev_eui {device.dev_eui!r} is not 16 lower-case hexadecimal digits"
        for problem in _choice_problems(device):
            yield f"device {device.dev_eui}: {problem}"
        if device.fw_version is not None:
            yield from _raised(partial(firmware_version, device.fw_version), f"device {device.dev_eui}")
        if device.group not in names:
            yield f"device {device.dev_eui}: group {device.group!r} is not one of this campaign's"
        if device.profile not in PROFILES:
            known = ", ".join(PROFILES)
            yield f"device {device.dev_eui}: profile {device.profile!r} is unknown, expected one of {known}"
        for problem in _loss_problems(device.loss):
            yield f"device {device.dev_eui}: {problem}"
        if device.uplink_period is not None and not 1 <= device.uplink_period <= 1e7:
            yield f"device {device.dev_eui}: uplink_period {device.uplink_period} is not from 1 to 1e+07"


def _loss_problems(loss: float | None) -> Iterator[str]:
    if loss is not None and not 0 <= loss < 1:
        yield f"loss: {shown(loss)} is not from 0 to below 1"


def _duty_cycle(group: Group) -> float:
    return region(group.region).duty_cycle(group.frequency_hz)


def _raised(check: Callable[[], object], where: str = "") -> Iterator[str]:
    try:
        check()
    except ParameterError as error:
        yield f"{where}: {error}" if where else str(error)


def _plain(bound: float) -> str:
    """A bound as people write it: 16383, 1e+09, and no digit lost."""
    return f"{bound:g}" if float(f"{bound:g}") == bound else str(bound)


def _repeated(values: Iterator[T]) -> Iterator[T]:
    seen: set[T] = set()
    for value in values:
        if value in seen:
            yield value
        seen.add(value)
