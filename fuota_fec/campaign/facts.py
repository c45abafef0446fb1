"""Facts that outlive a campaign: what the registry says before its start, and what the campaign changes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A multicast group that a device was set up with (TS005)."""

    mc_group_id: int
    mc_addr: str
    key: str
    """Name of the McKey."""
    min_mc_f_cnt: int
    max_mc_f_cnt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDevice:
    """What earlier campaigns left behind about a device. `session_cnt` and `session_open` are of this FragIndex."""

    session_cnt: int | None = None
    """The last SessionCnt that was used."""
    session_open: bool = False
    """It was set up with a fragmentation session that was not deleted."""
    fw_version: int | None = None
    """What it last said it runs."""
    memberships: tuple[Membership, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the registry says of a campaign's groups (by name) and devices (by DevEUI); absent means nothing."""

    next_f_cnt: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, KnownDevice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFact:
    """The next frame counter under this address and McKey (by name)."""

    mc_addr: str
    key: str
    next_f_cnt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFact:
    """All that the registry keeps of a device and a FragIndex."""

    dev_eui: str
    frag_index: int
    known: KnownDevice


Fact: TypeAlias = GroupFact | DeviceFact
