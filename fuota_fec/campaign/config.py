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
    """16 hexadecimal digits, lower case."""
    group: str
    """Its multicast group."""
    key: str | None = None
    """Name of its root key in the key ring; the DevEUI if not given."""
    lorawan: Literal["1.0", "1.1"] = "1.0"
    """Which root key that is: GenAppKey of a LoRaWAN 1.0.x device, AppKey of a 1.1 device (TS005, Keys)."""
    uplink_period: float | None = None
    """s; the campaign's if not given."""
    profile: str = "generic"
    """What its stack can do: a name of fuota_fec.devices.profiles."""
    downlink_dr: int | None = None
    """Data rate of its unicast downlinks, where it is known."""
    fw_version: str | int | None = None
    """What it runs before the campaign, where that is known."""
    loss: float | None = None
    """Share of downlinks that it misses, 0 … below 1, where that is known; the campaign's if not given."""
    probe: bool = False
    """The versions of its packages are not known: it is asked first, and left out if they are not its group's."""

    @property
    def key_name(self) -> str:
        return self.key or self.dev_eui


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One multicast group: a radio address and how to reach it (TS005)."""

    name: str
    """Its name in this campaign."""
    mc_addr: str
    """McAddr, 8 hexadecimal digits as usually written (big-endian)."""
    key: str | None = None
    """Name of its McKey in the key ring; the group's name if not given."""
    mc_group_id: int = 0
    """McGroupID on the devices, 0 … 3."""
    region: str = "EU868"
    """A name of fuota_fec.radio.regions."""
    dr: int = 0
    """Downlink data rate."""
    frequency: int | None = None
    """Hz; if not given the region's default: RX2 in class C, the ping slots' channel or channels in class B."""
    device_class: Literal["B", "C"] = "C"
    """Class of its sessions."""
    periodicity: int = 4
    """Class B: a device has 2^(7 - periodicity) ping slots in 128 s."""
    dwell_time: bool = False
    """The 400 ms limit of AS923 is in force."""
    gateways: tuple[str, ...] = ()
    """Gateways that send to the group, by their EUIs; empty: the network server chooses. Groups without a gateway in
    common do not share their duty cycle."""
    redundancy: str | int | None = None
    """The campaign's if not given."""
    version: Literal["1.0.0", "2.0.0"] = "1.0.0"
    """TS004 dialect of all its devices."""
    mc_version: Literal["1.0.0", "2.0.0"] = "1.0.0"
    """TS005 version of all its devices."""
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
    fragmentation: int = 201
    clock: int = 202
    firmware: int = 203


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignConfig:
    """One image to one set of devices. Durations in seconds unless the name or text says otherwise."""

    id: str
    """Its name in journals and on the command line."""
    success_threshold: float
    """%, 1 … 100: share of the campaign's devices that must succeed at every stage."""
    max_duration: float
    """From the start to the end of the transfer; the stages up to then are ended by it."""
    uplink_period: float
    """Default uplink period of a device."""
    groups: tuple[Group, ...]
    """The multicast groups; every device belongs to one."""
    devices: tuple[Device, ...]
    """The devices."""
    kind: Literal["multicast", "binary", "firmware"] = "firmware"
    """Multicast setup alone; transfer of a file; firmware update, which ends with the version that runs."""
    fw_version: str | int | None = None
    """The version that devices report once they run the image: "1.2.3.4" = 0x01020304, or a number. A firmware update
    needs it."""
    hw_version: int | None = None
    """Hardware version that devices must report with it; any if not given."""
    requires_fw_version: str | int | None = None
    """The version that a delta is made for: devices that run another one take no part."""
    stage_end: Literal["threshold", "all"] = "threshold"
    """A stage ends when the threshold is met, or when all devices have answered or been given up."""
    msg_retries: int = 2
    """Resends of one unicast request."""
    ucast_msg_delay: float = 1000
    """ms between two unicast downlinks; 0 = none."""
    mcast_msg_delay: float = 2000
    """ms between two multicast downlinks of a group."""
    delivery_timeout: float = 60
    """Wait for the report that a request left, beyond an uplink period; and for its answer after that."""
    stage_complete_delay: float = 1
    """Late-answer time at the end of a stage, in slowest uplink periods."""
    complete_delay: float = 10
    """Late answers at the very end."""
    mcsession_delay: float = 30
    """Margin before the start of a session."""
    session_start: float | None = None
    """Unix time of the multicast session's start, until February 2106; computed if not given."""
    classb_start_beacons_delay: int = 2
    """Beacons of acquisition before a class B session."""
    first_fragment_delay: float = 3
    """After class C opens."""
    time_tolerance: float = 2
    """By which the clock of a device may be off."""
    time_sync_tolerance: float = 1
    """Clock synchronisation (TS003): only larger corrections are answered, unless the device wants an answer."""
    answer_spread_max: float = 128
    """Longest spread of answers that many devices give at once, up to 2048."""
    fsession_status_threshold: int = 5
    """Groups of more devices are asked for their status over multicast (binary transfer)."""
    fsession_status_timeout: float = 60
    """Wait for the answers to that, after their spread."""
    fuota_process_max_time: float = 20
    """In which a device flashes the image."""
    reboot: str | float = "device"
    """"device": its own affair; the Unix time at which the devices are told to reboot; or "after_transfer": those that
    have the image are told to once it was sent."""
    reboot_spread: float = 600
    """"after_transfer": the reboots are spread over so long."""
    datafrag_loops_max: int = 2
    """Rounds of a group without coded fragments."""
    allow_carousel: bool = False
    """More than one round also for devices that drop uncoded fragments which come late."""
    ack_reception: bool | None = None
    """Dialect 2.0.0: devices say that their block is complete. If not given: in groups of up to 500 devices."""
    frag_redundancy_max: int = 340
    """Cap on coded fragments."""
    redundancy: str | int = "5/6"
    """A code rate, or a number of coded fragments up to frag_redundancy_max, to which a code rate is cut; "planned": as
    many as it takes to meet the threshold at the losses that are given; or "adaptive": coded fragments in groups, with
    the devices' status between them, until enough devices have the data."""
    loss: float | None = None
    """Share of fragments that a device is expected to miss, 0 … below 1, where it is known."""
    unicast_repair_max: int = 0
    """Devices, at most, that are sent what they still lack by unicast, where that takes less air time; 0 = none. In
    binary transfers and with adaptive redundancy, which ask for what is lacking."""
    rows: tuple[int, ...] | str | None = None
    """Row numbers of the coded fragments; "first", as if not given: 1, 2, 3 …; "selected": those that do most, which is
    worth while up to about 128 fragments."""
    summary_reports_disabled: bool = False
    """Frames go out without waiting for summary reports."""
    summary_window: int = 1
    """Frames that may be without their summary report."""
    summary_report_timeout: float = 0
    """Wait for a summary report, longer in large groups; 0 = for ever."""
    mcgroup_validity_coeff: float = 10
    """Counters that a group is set up for, in planned frames."""
    fsize: int | None = None
    """Fragment size in bytes; the largest that fits if not given."""
    fsize_optimization: int = 0
    """The fragment size is a multiple of it; 0 = off."""
    repeater: bool = False
    """A repeater may be in the path: payloads of at most 222 bytes."""
    descriptor: str = "00000000"
    """4 bytes in wire order, hexadecimal."""
    frag_index: int = 0
    """Fragmentation session of the devices, 0 … 3."""
    clean_up: bool = True
    """At the end fragmentation sessions and groups are deleted on the devices, where their stack can."""
    session_cnt: int = 1
    """Least SessionCnt of this campaign's sessions (dialect 2.0.0); a device whose last one is known gets the next."""
    duty_cycle: float | None = None
    """Share of time a gateway may send, 0 … 1; the region's for the group's frequency if not given."""
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
