"""Ranges of the fields of a profile, as a table, and the lists that must not repeat a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from fuota_fec.checks import shown
from fuota_fec.wire.limits import MAX_FRAG_NB, MAX_FRAG_SIZE, MAX_FRAGS

RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "max_frags": (1, MAX_FRAGS),
        "min_frag_size": (1, MAX_FRAG_SIZE),
        "max_frag_size": (1, MAX_FRAG_SIZE),
        "frag_size_multiple": (1, MAX_FRAG_SIZE),
        "max_image_len": (1, MAX_FRAGS * MAX_FRAG_SIZE),
        "max_padding": (0, 255),  # Padding has one byte.
        "max_losses": (0, MAX_FRAGS),
        "max_loss_share": (0, 1),
        "min_coded_spacing": (0, 1e6),
        "n_sessions": (1, 4),
        "n_decoders": (1, 4),
        "hangs_from": (2, MAX_FRAG_NB),  # From 1 on there is no block that it receives.
        "max_answer_len": (1, 242),
        "max_reboot_delay": (1, 2**32 - 1),
    }
)
"""Least and largest value of each field that is a number. None, where a field may be None, is in every range."""

LISTS = (
    *("dialects", "mc_versions", "mc_group_ids", "setup_checks", "status_without_session", "blank_status"),
    "boot_compression",
)
"""Fields that are lists of different values."""
NOT_EMPTY = ("dialects", "mc_versions", "mc_group_ids")
"""Those of them that have one at least."""
MC_GROUP_IDS = range(4)


def range_problems(profile: Any) -> Iterator[str]:
    """A line for each field, of those that `profile` has, whose value no build can have."""
    for name, (low, high) in RANGES.items():
        value = getattr(profile, name, None)
        if value is not None and not low <= value <= high:
            yield f"{name}: {shown(value)} is not from {low:.10g} to {high:.10g}"
    for name in LISTS:
        values = getattr(profile, name, None)
        if values is None:
            continue
        if not values and name in NOT_EMPTY:
            yield f"{name}: {shown(values)} is empty, expected one value at least"
        elif len(set(values)) < len(values):
            yield f"{name}: {shown(values)} has a value twice, expected different ones"
    if unknown := sorted(set(getattr(profile, "mc_group_ids", ())) - set(MC_GROUP_IDS)):
        yield f"mc_group_ids: {unknown[0]} is not a McGroupID, expected 0 to {MC_GROUP_IDS[-1]}"
