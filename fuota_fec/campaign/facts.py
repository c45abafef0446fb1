"""Facts that outlive a campaign: the registry's facts at its start, and the changes by the campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Multicast group that a device was set up with (TS005)."""

    mc_group_id: int
    mc_addr: str
    key: str
    """Name of the McKey."""
    min_mc_f_cnt: int
    max_mc_f_cnt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDevice:
    """Facts of earlier campaigns about a device. `session_cnt` and `session_open` belong to one FragIndex."""

    session_cnt: int | None = None
    """Last SessionCnt that was used."""
    session_open: bool = False
    """Whether a fragmentation session was set up and not deleted."""
    fw_version: int | None = None
    """Last firmware version that the device reported."""
    memberships: tuple[Membership, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Facts of the registry about a campaign's groups, by name, and devices, by DevEUI; absent if there are none."""

    next_f_cnt: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, KnownDevice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFact:
    """Next frame counter of an address and a McKey, by its name."""

    mc_addr: str
    key: str
    next_f_cnt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFact:
    """All facts of the registry about a device and a FragIndex."""

    dev_eui: str
    frag_index: int
    known: KnownDevice


Fact: TypeAlias = GroupFact | DeviceFact
