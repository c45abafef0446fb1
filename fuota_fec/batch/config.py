"""Configuration of a batch: images, targets, profiles. Frozen, read from TOML or JSON, checked as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fuota_fec.campaign.config import FRAG_REDUNDANCY_MAX
from fuota_fec.campaign.settings import (
    ADAPTIVE,
    PLANNED,
    between,
    field_problems,
    firmware_version,
    loss_problems,
    name_problems,
    raised,
    redundancy_problems,
    repeated,
)
from fuota_fec.checks import expected_of, printable, shown
from fuota_fec.config_files import from_table, read_table
from fuota_fec.devices.behaviour import Compression
from fuota_fec.devices.profiles import PROFILES, DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.image import ImageSource
from fuota_fec.image.compression import settings_of
from fuota_fec.image.delta import LARGEST_SHARE
from fuota_fec.image.signing import Signing
from fuota_fec.radio.names import canonical_region
from fuota_fec.radio.regions import REGIONS

MOST_DEVICES = 100_000
"""Largest fleet that a target is planned for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base(ImageSource):
    """Base of a delta: the source of the image that the devices run, as it was sent to them, and its version."""

    fw_version: str | int
    """Firmware version that the devices must report: "1.2.3.4" = 0x01020304, or a number."""

    def __post_init__(self) -> None:
        problems = [
            *raised(partial(ImageSource.__post_init__, self)),
            *raised(partial(firmware_version, self.fw_version)),
        ]
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def source(self) -> str:
        """Name of the source in manifest and messages."""
        return name_of(self)

    @property
    def stem(self) -> str:
        """Part of the names of outputs."""
        return stem_of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchImage(ImageSource):
    """One image of a batch: its source, as in the table [image] of a campaign, and what belongs to it."""

    output: str | None = None
    """Begin of the names of its outputs; the name of its file without the ending if not given."""
    fw_version: str | int | None = None
    """Firmware version that devices report once they run the image: "1.2.3.4" = 0x01020304, or a number."""
    descriptor: str = "00000000"
    """Descriptor of the fragmentation session, 4 bytes in wire order, hexadecimal."""
    sign: Signing | None = None
    """How the image is signed, a table: layout and key."""
    base: Base | None = None
    """Image that the devices run, a table: its source and its fw_version. A delta from it to the image, signed if it is
    to be, is sent."""
    largest_share: float = LARGEST_SHARE
    """Share of the full image below which a delta is sent, above 0 and at most 1."""
    compress: Compression | None = None
    """Compression of the full image, which the boot loader of the devices unpacks."""
    compress_window: int | None = None
    """Exponent of 2 of the window of the compression; that of the method if not given."""
    compress_lookahead: int | None = None
    """Exponent of 2 of the lookahead of heatshrink."""

    def __post_init__(self) -> None:
        problems = [*raised(partial(ImageSource.__post_init__, self))]
        if self.fw_version is not None:
            problems += raised(partial(firmware_version, self.fw_version))
        if not re.fullmatch(r"[0-9a-fA-F]{8}", self.descriptor):
            problems.append(f"descriptor: {shown(self.descriptor)} is not 8 hexadecimal digits")
        if self.output == "":
            problems.append("output: '' is empty")
        elif self.output is not None:
            problems += _file_name_problems("output", self.output)
        problems += _change_problems(self)
        if problems:
            raise ParameterError("\n".join(problems))

    @property
    def source(self) -> str:
        """Name of the source in manifest and messages."""
        return name_of(self)

    @property
    def stem(self) -> str:
        """Begin of the names of its outputs."""
        if self.output is not None:
            return self.output
        return stem_of(self) if self.base is None else f"{stem_of(self)}-from-{self.base.stem}"


def name_of(source: ImageSource) -> str:
    """Name of a source in manifest and messages: as it is written, an absolute path without its folders."""
    if source.path is None:
        return f"{source.package}.{source.name}"
    return Path(source.path).name if Path(source.path).is_absolute() else Path(source.path).as_posix()


def stem_of(source: ImageSource) -> str:
    """Name of the file without its ending, or of the text constant."""
    return str(source.name).strip("_") if source.path is None else Path(source.path).stem


def _change_problems(image: BatchImage) -> Iterator[str]:
    """Problems with delta and compression."""
    if not 0 < image.largest_share <= 1:
        yield f"largest_share: {shown(image.largest_share)} is not a share, expected more than 0 and at most 1"
    if image.compress is None:
        for name in ("compress_window", "compress_lookahead"):
            if getattr(image, name) is not None:
                yield f"{name}: compress is missing"
    elif image.base is not None:
        yield "base, compress: both are given, expected one of them: a delta is compressed as it is made"
    else:
        yield from raised(partial(settings_of, image.compress, image.compress_window, image.compress_lookahead))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Devices that images are prepared for. Names and meanings are those of a campaign and its groups."""

    name: str
    """Name of the target, the end of the names of its outputs."""
    region: str = "EU868"
    """Name of the region, in any usual spelling."""
    dr: int | None = field(default=None, metadata=between(0, 15))
    """Downlink data rate. Default: the slowest one that takes fragments of fsize bytes."""
    fsize: int | None = field(default=None, metadata=between(1, 255))
    """Fragment size in bytes; the largest that the data rate takes if not given."""
    fsize_optimization: int = field(default=0, metadata=between(0, 255))
    """The fragment size is a multiple of this number of bytes; 0 = no constraint."""
    dialect: Literal["1.0.0", "2.0.0"] = "1.0.0"
    """TS004 dialect of the devices."""
    profile: str = "generic"
    """Name of the device profile: one of the batch's `profiles`, or one that `fuota-fec profiles` lists."""
    redundancy: str | int = "5/6"
    """Coded fragments. A code rate such as "5/6", limited to frag_redundancy_max; a number up to frag_redundancy_max;
    "planned": as many as the threshold requires at the given loss."""
    frag_redundancy_max: int = field(default=FRAG_REDUNDANCY_MAX, metadata=between(0, 16382))
    """Limit on coded fragments."""
    rows: Literal["first", "selected"] = "first"
    """Rows of the coded fragments. "first": 1, 2, 3 …; "selected": the most effective ones."""
    loss: float | None = None
    """Share of fragments that a device is expected to miss, 0 … below 1, if it is known."""
    success_threshold: float | None = field(default=None, metadata=between(1, 100))
    """Percentage of the devices that "planned" redundancy is to complete, 1 … 100."""
    n_devices: int = field(default=1000, metadata=between(1, MOST_DEVICES))
    """Number of devices that "planned" redundancy is planned for."""
    frag_index: int = field(default=0, metadata=between(0, 3))
    """Fragmentation session of the devices, 0 … 3."""
    device_class: Literal["B", "C"] = "C"
    """Class of the session."""
    periodicity: int = field(default=4, metadata=between(0, 7))
    """Ping slot periodicity of class B."""
    frequency: int | None = None
    """Frequency in Hz. Default: the region's."""
    dwell_time: bool = False
    """True if the 400 ms dwell-time limit (AS923) is in force."""
    repeater: bool = False
    """True if a repeater may be in the path, which limits payloads to 222 bytes."""
    duty_cycle: float | None = field(default=None, metadata=between(1e-6, 1))
    """Share of time that a gateway may send; the region's if not given."""
    mcast_msg_delay: float = field(default=2000, metadata=between(0, 1e9))
    """Minimum time between two multicast downlinks, ms."""
    coded_msg_delay: float | None = field(default=None, metadata=between(0, 1e9))
    """Minimum time from a coded fragment to the next one, ms; mcast_msg_delay if not given."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "region", canonical_region(self.region))
        if problems := list(_target_problems(self)):
            raise ParameterError("\n".join(problems))


def _target_problems(target: Target) -> Iterator[str]:
    yield from field_problems(target)
    if not target.name:
        yield "name: '' is empty"
    yield from _file_name_problems("name", target.name)
    if target.region not in REGIONS:
        yield f"region: {shown(target.region)} is not known, {expected_of(target.region, tuple(REGIONS))}"
    if target.dr is None and target.fsize is None:
        yield "dr, fsize: both are missing, expected at least one of them"
    if target.redundancy == ADAPTIVE:
        yield f"redundancy: {ADAPTIVE!r} decides during a campaign, expected a code rate, a number or {PLANNED!r}"
    else:
        yield from redundancy_problems(target.redundancy, target.frag_redundancy_max)
    yield from loss_problems(target.loss)
    if target.redundancy == PLANNED:
        for name in ("loss", "success_threshold"):
            if getattr(target, name) is None:
                yield f"redundancy: {PLANNED!r}: {name} is missing"


def _file_name_problems(name: str, value: str) -> Iterator[str]:
    """Problems of a text that is to be a part of a file name."""
    if re.search(r'[/\\:*?"<>|]', value) or value.startswith(".") or not printable(value):
        yield f'{name}: {shown(value)} is not a part of a file name, expected printable text without / \\ : * ? " < > |'
    else:
        yield from name_problems(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """Images and targets; every image is prepared for every target."""

    images: tuple[BatchImage, ...]
    """Images, tables [[images]]."""
    targets: tuple[Target, ...]
    """Targets, tables [[targets]]."""
    profiles: tuple[DeviceProfile, ...] = ()
    """Device profiles of one's own, as in a campaign: tables [profiles.NAME]."""
    folder: str = field(default=".", repr=False)
    """Folder that paths of images are relative to; that of the file."""

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise ParameterError.of(problems)

    def profile_of(self, target: Target) -> DeviceProfile:
        """Profile of a target: one of the batch's own, or a built-in one."""
        return next((own for own in self.profiles if own.name == target.profile), None) or PROFILES[target.profile]

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any], where: str = "batch", folder: str | Path = ".") -> BatchConfig:
        """Reads the tables of a TOML or JSON file. ParameterError with a line for each problem, up to 20; its
        `problems` has all of them."""
        if "folder" in table:
            raise ParameterError(f"{where}: unknown key 'folder', expected paths relative to the file")
        try:
            return from_table(cls, {**table, "folder": str(folder)}, where)
        except ParameterError as error:
            unknown = (f"{where}: {problem}" for problem in _unknown_profiles(table))
            problems = [*error.problems, *(problem for problem in unknown if problem not in error.problems)]
        raise ParameterError.of(problems)

    @classmethod
    def load(cls, path: str | Path) -> BatchConfig:
        """Reads a .toml or .json file. ParameterError as in `from_mapping`."""
        return cls.from_mapping(read_table(path), str(path), Path(path).parent)


def _problems(config: BatchConfig) -> Iterator[str]:
    for name in ("images", "targets"):
        if not getattr(config, name):
            yield f"{name}: there are none, expected at least one"
    for name in repeated(own.name for own in config.profiles):
        yield f"profiles: {shown(name)} is given twice"
    own = [profile.name for profile in config.profiles]
    for name in own:
        if name in PROFILES:
            yield f"profiles: {shown(name)} is the name of a built-in profile, expected another name"
    for target in config.targets:
        yield from _profile_problems(target.name, target.profile, own)


def _profile_problems(name: str, profile: str, own: Iterable[str]) -> Iterator[str]:
    if profile not in (names := (*own, *PROFILES)):
        yield f"target {shown(name)}: profile: {shown(profile)} is not known, {expected_of(profile, names)}"


def _unknown_profiles(table: Mapping[str, Any]) -> Iterator[str]:
    """Problems with names of profiles, of tables of which others are wrong too."""
    own, targets = table.get("profiles"), table.get("targets")
    for target in targets if isinstance(targets, list) else ():
        if isinstance(target, Mapping) and isinstance(name := target.get("profile", ""), str) and name:
            yield from _profile_problems(target.get("name", ""), name, own if isinstance(own, Mapping) else ())
