"""Which coded fragments a group is sent, and how many at first: from `redundancy`, `rows` and the losses."""

from __future__ import annotations

import math
from itertools import islice
from typing import Literal

import numpy as np

from fuota_fec.campaign.config import ADAPTIVE, PLANNED, SELECTED, CampaignConfig, Group, n_coded_wanted
from fuota_fec.campaign.messages import RowPlan
from fuota_fec.codec.limits import MAX_FRAG_NB
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError
from fuota_fec.planning.redundancy import plan_redundancy
from fuota_fec.planning.selection import select_rows

__all__ = ["RowPlan", "is_plain", "mean_loss", "plan_rows"]

UNKNOWN_LOSS = 0.05
"""Share of fragments for whose loss an adaptive group is prepared where nothing is known."""
USUAL_LOSS = 0.1
"""Share of fragments for which rows are chosen where nothing is known."""
LEAST_CODED, LEAST_SHARE = 2, 1 / 32
"""Coded fragments of an adaptive round, and their share of M, below which the status request is not worth while."""


def is_plain(config: CampaignConfig, group: Group) -> bool:
    """Whether the configuration alone tells the rows, to whatever version of this library."""
    redundancy = config.redundancy if group.redundancy is None else group.redundancy
    return redundancy not in (PLANNED, ADAPTIVE) and config.rows != SELECTED and not config.unicast_repair_max


def plan_rows(config: CampaignConfig, group: Group, n_frags: int) -> RowPlan:
    """ParameterError if no number of coded fragments does what "planned" asks for."""
    redundancy = config.redundancy if group.redundancy is None else group.redundancy
    most = max(0, min(config.frag_redundancy_max, MAX_FRAG_NB - n_frags))
    if redundancy == PLANNED:
        rows = _planned(config, group, n_frags, most)
    elif redundancy == ADAPTIVE and n_frags == 1:
        rows = ()  # Coded fragments of a single one are all zeros.
    else:
        rows = _leading(config, group, n_frags, min(n_coded_wanted(redundancy, n_frags), config.frag_redundancy_max))
    if redundancy == ADAPTIVE and rows:
        return RowPlan(rows=rows, n_first=_first_helping(config, group, n_frags, len(rows)), n_least=_least(n_frags))
    more = _more_rows(rows, n_frags, most) if rows and config.unicast_repair_max else ()
    return RowPlan(rows=(*rows, *more), n_first=len(rows))


def _leading(config: CampaignConfig, group: Group, n_frags: int, n_coded: int) -> tuple[int, ...]:
    """So many rows, as `rows` has it; those that are listed one by one are taken as they are."""
    if config.row_numbers is not None:
        return config.row_numbers
    if config.rows != SELECTED or n_coded > MAX_FRAG_NB - n_frags:
        return tuple(range(1, n_coded + 1))
    known = mean_loss(config, group)
    loss = USUAL_LOSS if known is None else known
    return tuple(select_rows(n_frags, loss, n_coded, version=group.version).tolist())


def _planned(config: CampaignConfig, group: Group, n_frags: int, most: int) -> tuple[int, ...]:
    """The fewest with which the success threshold is met, for the losses of the group's devices."""
    devices = [device for device in config.devices if device.group == group.name]
    losses = _known_losses(config, group)
    if len(losses) < len(devices):
        raise ParameterError("redundancy: 'planned' needs the loss of the campaign, or of each device")
    if not devices:
        return ()
    solvable = [profile(device.profile).solvable_losses(n_frags) for device in devices]
    plan = plan_redundancy(
        n_frags,
        np.array(losses),
        config.success_threshold,
        version=group.version,
        max_coded=most if config.row_numbers is None else len(config.row_numbers),
        rows=config.row_numbers if config.row_numbers is not None else _choice(config),
        max_losses=[n_frags if n is None else n for n in solvable] if any(n is not None for n in solvable) else None,
        alternatives=False,
    )
    if not plan.meets:
        raise ParameterError(
            f"redundancy: 'planned': no number of coded fragments up to {plan.max_coded} lets {plan.n_needed} of "
            f"{plan.n_devices} devices complete with the confidence that is asked for; the best that can be: "
            f"{plan.n_sure}, with {plan.n_coded} of them"
        )
    return tuple(plan.rows.tolist())


def _choice(config: CampaignConfig) -> Literal["selected", "first"]:
    return "selected" if config.rows == SELECTED else "first"


def mean_loss(config: CampaignConfig, group: Group) -> float | None:
    """Share of fragments that its devices are expected to miss, where that is known."""
    losses = _known_losses(config, group)
    return sum(losses) / len(losses) if losses else None


def _known_losses(config: CampaignConfig, group: Group) -> list[float]:
    losses = (config.loss if d.loss is None else d.loss for d in config.devices if d.group == group.name)
    return [loss for loss in losses if loss is not None]


def _first_helping(config: CampaignConfig, group: Group, n_frags: int, n_rows: int) -> int:
    """Before anything is known only what nearly every device will need is sent: the expected losses of the one that
    loses least."""
    loss = min(_known_losses(config, group), default=UNKNOWN_LOSS)
    return min(math.ceil(n_frags * loss), n_rows)


def _least(n_frags: int) -> int:
    return max(LEAST_CODED, math.ceil(n_frags * LEAST_SHARE))


def _more_rows(rows: tuple[int, ...], n_frags: int, most: int) -> tuple[int, ...]:
    """Rows that follow those, for repair by unicast: as many as coded fragments are allowed at most."""
    sent = set(rows)
    others = (row for row in range(1, MAX_FRAG_NB - n_frags + 1) if row not in sent)
    return tuple(islice(others, max(0, most - len(rows))))
