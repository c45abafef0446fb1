"""Group: one multicast group of a campaign, and the checks of its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

from fuota_fec.campaign.settings import (
    U32_MAX,
    between,
    field_problems,
    key_name_problems,
    name_problems,
    raised,
    redundancy_problems,
    repeated,
)
from fuota_fec.checks import plainly, shown
from fuota_fec.config_files import accepts_older_names
from fuota_fec.errors import ParameterError
from fuota_fec.radio.names import canonical_region
from fuota_fec.radio.regions import REGIONS, region
from fuota_fec.wire.identifiers import canonical_eui, canonical_mc_addr, is_mc_addr
from fuota_fec.wire.lorawan import frequency_step_hz


@accepts_older_names
@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One multicast group: a radio address and how to reach it (TS005)."""

    OLDER_NAMES: ClassVar[Mapping[str, str]] = {"version": "dialect"}

    name: str
    """Name of the group in this campaign."""
    mc_addr: str
    """McAddr, 8 hexadecimal digits in the usual order (big-endian), in any usual spelling; kept in lower case."""
    key: str | None = None
    """Name of the group's McKey in the key ring; the group's name if not given."""
    mc_group_id: int = field(default=0, metadata=between(0, 3))
    """McGroupID on the devices, 0 … 3."""
    region: str = "EU868"
    """Name of the region, in any usual spelling ("eu868", "EU863-870", "AS923"); kept as fuota_fec.radio.regions has
    it."""
    dr: int | None = None
    """Downlink data rate of the group. Default: that of RX2 in the region."""
    frequency: int | None = None
    """Frequency in Hz. Default: the region's, which is RX2 in class C, and the ping slot channels in class B."""
    device_class: Literal["B", "C"] = "C"
    """Class of the group's sessions."""
    periodicity: int = field(default=4, metadata=between(0, 7))
    """Ping slot periodicity of class B: a device has 2^(7 - periodicity) ping slots in 128 s."""
    dwell_time: bool = False
    """True if the 400 ms dwell-time limit (AS923) is in force."""
    gateways: tuple[str, ...] = ()
    """EUIs of the gateways that send to the group, in any usual spelling; empty if the network server chooses them.
    Groups without a common gateway do not share a duty cycle."""
    redundancy: str | int | None = None
    """Redundancy of the group, as in the campaign; the campaign's if not given."""
    dialect: Literal["1.0.0", "2.0.0"] = "1.0.0"
    """TS004 dialect of all devices of the group; `version` is an older name of this setting."""
    mc_version: Literal["1.0.0", "2.0.0"] = "1.0.0"
    """TS005 version of all devices of the group."""
    first_f_cnt: int = field(default=0, metadata=between(0, U32_MAX))
    """Next frame counter of the group."""

    def __post_init__(self) -> None:
        for name, canonical in _CANONICAL.items():
            object.__setattr__(self, name, canonical(getattr(self, name)))

    @property
    def version(self) -> Literal["1.0.0", "2.0.0"]:
        """Older name of `dialect`."""
        return self.dialect

    @property
    def key_name(self) -> str:
        return self.key or self.name

    @property
    def downlink_dr(self) -> int:
        """Data rate of its downlinks: as configured, or that of RX2."""
        return region(self.region).rx2_dr if self.dr is None else self.dr

    @property
    def frequency_hz(self) -> int:
        """Frequency of its downlinks; in class B with several channels, the first."""
        area = region(self.region)
        default = area.ping_slot.frequency_hz if self.device_class == "B" else area.rx2_frequency_hz
        chosen = self.frequency if self.frequency is not None else default
        if chosen is None:
            raise ParameterError(f"frequency is missing, expected a number of Hz: {self.region} has no default")
        return chosen

    @property
    def dl_frequency_hz(self) -> int:
        """DLFrequency of the session request: 0 where class B hops over the region's channels (TS005)."""
        hops = self.device_class == "B" and self.frequency is None and region(self.region).ping_slot.n_channels > 1
        return 0 if hops else self.frequency_hz


_CANONICAL: Mapping[str, Callable[[Any], Any]] = {
    "mc_addr": canonical_mc_addr,
    "region": canonical_region,
    "gateways": lambda gateways: tuple(map(canonical_eui, gateways)),
}
"""Settings that people write in several ways → function that gives the one form that is kept."""


def group_problems(group: Group, frag_redundancy_max: int) -> Iterator[str]:
    """A line for each setting of a group that cannot be used."""
    if not group.name:
        yield "name: '' is empty"
    if group.key is None:
        yield from key_name_problems("name", group.name)
    else:
        yield from name_problems("name", group.name)
        yield from key_name_problems("key", group.key)
    yield from field_problems(group)
    if not is_mc_addr(group.mc_addr):
        yield f"mc_addr: {shown(group.mc_addr)} is not a McAddr, expected 8 hexadecimal digits"
    for gateway in repeated(group.gateways):
        yield f"gateways: {plainly(gateway)} is given twice"
    for gateway in group.gateways:
        yield from name_problems("gateways", gateway)
    if group.redundancy is not None:
        yield from redundancy_problems(group.redundancy, frag_redundancy_max)
    if group.region not in REGIONS:
        yield f"region: {shown(group.region)} is not known, expected one of {', '.join(REGIONS)}"
    else:
        area = region(group.region)
        yield from raised(partial(area.max_fragment_size, group.downlink_dr, dwell_time=group.dwell_time))
        yield from raised(lambda: area.duty_cycle(group.frequency_hz))
    if group.frequency is not None and group.frequency % (step_hz := frequency_step_hz(group.frequency)):
        yield f"frequency: {group.frequency} Hz is not a multiple of {step_hz} Hz, as it goes on the air"
