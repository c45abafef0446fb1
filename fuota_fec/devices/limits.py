"""Limits of one build of a device stack: sizes and numbers that its configuration sets; quirks are the stack's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fuota_fec.checks import shown
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
    """A line for each limit that contradicts another one or TS004."""
    for name, low, high in (("max_frags", 1, 16383), ("n_sessions", 1, 4)):
        if not low <= getattr(p, name) <= high:
            yield f"{name}: {getattr(p, name)} is not from {low} to {high}"
    if not 1 <= p.min_frag_size <= p.max_frag_size <= 255:
        yield (
            f"min_frag_size, max_frag_size: {p.min_frag_size} and {p.max_frag_size} are not a range within 1 to 255, "
            "expected the smaller one first"
        )
    for name, most_name in (("frag_size_multiple", "max_frag_size"), ("n_decoders", "n_sessions")):
        if not 1 <= getattr(p, name) <= getattr(p, most_name):
            yield f"{name}: {getattr(p, name)} is not from 1 to {most_name}, {getattr(p, most_name)}"
    for name, least in (("max_image_len", 1), ("max_padding", 0), ("max_losses", 0), ("min_coded_spacing", 0)):
        if (value := getattr(p, name)) is not None and not value >= least:
            yield f"{name}: {value} is not {least} or more"
    if p.max_loss_share is not None and not 0 <= p.max_loss_share <= 1:
        yield f"max_loss_share: {p.max_loss_share} is not from 0 to 1"
    if p.regional_revision is not None and p.regional_revision not in REVISIONS:
        yield f"regional_revision: {shown(p.regional_revision)} is not known, expected one of {', '.join(REVISIONS)}"
    ids = p.mc_group_ids
    if not ids or len(set(ids)) < len(ids) or not all(0 <= group_id <= 3 for group_id in ids):
        yield f"mc_group_ids: {shown(ids)} is not a list of McGroupIDs, expected different ones from 0 to 3"
