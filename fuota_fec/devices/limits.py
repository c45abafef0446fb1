"""Limits of one build of a device stack: sizes and numbers that its configuration sets; quirks are the stack's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fuota_fec.checks import shown
from fuota_fec.devices.behaviour import Compression
from fuota_fec.devices.ranges import range_problems
from fuota_fec.radio.channels import REVISIONS


@dataclass(frozen=True, kw_only=True)  # Without slots: a class can have only one base with slots.
class BuildLimits:
    """Limits of one build. Sizes in bytes, times in seconds; None: not known, or no own limit."""

    max_frags: int = 16383
    """Largest NbFrag, M."""
    min_frag_size: int = 1
    """Smallest FragSize."""
    max_frag_size: int = 255
    """Largest FragSize."""
    frag_size_multiple: int = 1
    """Unit of fragment sizes, in most cases the unit in which flash is written."""
    max_image_len: int | None = None
    """Largest image."""
    max_padding: int | None = None
    """Largest padding of the last fragment."""
    max_losses: int | None = None
    """Largest number of uncoded fragments that may be lost: the memory for the decoder's matrix."""
    max_loss_share: float | None = None
    """Largest share of the M uncoded fragments that may be lost, 0 … 1."""
    min_coded_spacing: float | None = None
    """Shortest time between two coded fragments, which a slow decoder needs."""
    n_sessions: int = 1
    """Number of fragmentation sessions: FragIndex 0 … n_sessions - 1 are accepted."""
    n_decoders: int = 1
    """Number of sessions that can receive at the same time."""
    mc_group_ids: tuple[int, ...] = (0, 1, 2, 3)
    """McGroupIDs that are served, one for each multicast group of a device."""
    new_data_rates: bool = False
    """Whether stack and radio receive SF5 and SF6 below 1 GHz, the data rates of RP002-1.0.5."""

    regional_revision: str | None = None
    """Revision of the Regional Parameters whose payload limits the stack enforces, such as "RP002-1.0.1"; None: the
    latest."""
    starts_with_dwell_time: bool = False
    """Whether the 400 ms limit on downlinks (AS923) is in force on the device until the first TxParamSetupReq: it drops
    longer frames."""
    boot_compression: tuple[Compression, ...] = ()
    """Compressions of whole images that the boot loader unpacks."""

    def solvable_losses(self, n_frags: int) -> int | None:
        """Largest number of `n_frags` uncoded fragments that may be lost; None if not known."""
        limits = [] if self.max_losses is None else [self.max_losses]
        if self.max_loss_share is not None:
            limits.append(int(self.max_loss_share * n_frags))
        return min(n_frags, *limits) if limits else None


def oldest_revision(limits: Iterable[BuildLimits]) -> str | None:
    """Oldest revision of the Regional Parameters among builds; None if all have the latest."""
    revisions = [p.regional_revision for p in limits if p.regional_revision is not None]
    return min(revisions, key=REVISIONS.index, default=None)


def limit_problems(p: BuildLimits) -> Iterator[str]:
    """A line for each limit that no build can have, or that contradicts another one."""
    yield from range_problems(p)
    low, high, unit = p.min_frag_size, p.max_frag_size, p.frag_size_multiple
    if low > high:
        yield f"min_frag_size, max_frag_size: {low} and {high} are not a range, expected the smaller one first"
    elif unit > 0 and high // unit * unit < low:
        yield (
            f"frag_size_multiple: {unit} has no multiple from min_frag_size, {low}, to max_frag_size, {high}, "
            "expected one at least"
        )
    if p.n_decoders > p.n_sessions:
        yield f"n_decoders: {p.n_decoders} is not from 1 to n_sessions, {p.n_sessions}"
    if p.regional_revision is not None and p.regional_revision not in REVISIONS:
        yield f"regional_revision: {shown(p.regional_revision)} is not known, expected one of {', '.join(REVISIONS)}"
