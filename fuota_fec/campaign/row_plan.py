"""Row plan of a group: its coded fragments and how many are sent at first, from `redundancy`, `rows` and the losses."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Literal

import numpy as np

from fuota_fec.campaign.config import ADAPTIVE, PLANNED, SELECTED, CampaignConfig, Group, n_coded_wanted
from fuota_fec.campaign.messages import RowPlan
from fuota_fec.devices.profiles import LateUncoded
from fuota_fec.errors import ParameterError
from fuota_fec.planning.redundancy import plan_redundancy
from fuota_fec.planning.selection import select_rows
from fuota_fec.planning.top_up import all_even, uncoded_numbers
from fuota_fec.radio.airtime import NOTABLE_UPLINK_LOSS, own_uplink_loss
from fuota_fec.radio.regions import region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_NB

__all__ = ["RowPlan", "is_plain", "mean_loss", "own_uplink_losses", "plan_rows", "reads_surplus"]

UNKNOWN_LOSS = 0.05
"""Loss that an adaptive group is prepared for, where none is known."""
USUAL_LOSS = 0.1
"""Loss for which rows are selected, where none is known."""
LEAST_PER_UNCODED = 8
"""Least number of coded fragments for each uncoded one, where further rounds need some."""
HEAD = 4
"""Uncoded fragments at the begin of a further round, where devices drop later ones: of a device that hears nine frames
in ten, and nothing before, one in 10 000 misses all."""
_DIGITS = 4
"""Digits of losses: a share of frames missed below a ten-thousandth changes no plan."""
_ALL_BUT = 0.999
"""Largest share of fragments that a device is taken to miss because of its own uplinks: all is no loss to plan for."""
LEAST_CODED, LEAST_SHARE = 2, 1 / 32
"""Least number of coded fragments of an adaptive round, and their least share of M; fewer are not worth a status
request."""
MOST_LEAST = 8
"""Largest LEAST_SHARE of a group that reads surplus fragments as commands: of each, one device in 256 is at risk."""
NEARLY_SURE = 3
"""Standard deviations below the mean that one device in 700 loses less than."""


def is_plain(config: CampaignConfig, group: Group) -> bool:
    """Whether the configuration alone fixes the rows, for every version of this library."""
    return (
        config.redundancy_of(group) not in (PLANNED, ADAPTIVE)
        and config.rows != SELECTED
        and not config.unicast_repair_max
    )


def plan_rows(config: CampaignConfig, group: Group, n_frags: int, frag_size: int | None = None) -> RowPlan:
    """ParameterError if "planned" is configured and no number of coded fragments meets the threshold.

    With `frag_size` the frames that class C devices miss because of their own uplinks count as losses.
    """
    redundancy = config.redundancy_of(group)
    most = max(0, min(config.frag_redundancy_max, MAX_FRAG_NB - n_frags))
    if redundancy == PLANNED:
        rows = _planned(config, group, n_frags, most, frag_size)
    elif redundancy == ADAPTIVE and n_frags == 1:
        rows = ()  # Coded fragments of a single one are all zeros.
    else:
        n_coded = min(n_coded_wanted(redundancy, n_frags), config.frag_redundancy_max)
        rows = _leading(config, group, n_frags, n_coded, frag_size)
    if redundancy == ADAPTIVE and rows:
        n_first, n_least = _n_first(config, group, n_frags, len(rows), frag_size), _least(config, group, n_frags)
        n_head, every = _uncoded(config, group, n_frags)
        n_rows = len(rows) - n_first
        n_numbers = n_head * -(-n_rows // n_least) + n_rows // every if every else n_head
        return RowPlan(
            rows=rows,
            n_first=n_first,
            n_least=n_least,
            n_head=n_head,
            uncoded_every=every,
            uncoded=uncoded_numbers(n_frags, rows[n_first:], n_head, every, n_numbers) if n_head else (),
        )
    more = _more_rows(rows, n_frags, most) if rows and config.unicast_repair_max else ()
    return RowPlan(rows=(*rows, *more), n_first=len(rows))


def _leading(
    config: CampaignConfig, group: Group, n_frags: int, n_coded: int, frag_size: int | None
) -> tuple[int, ...]:
    """`n_coded` rows as `rows` has them; rows that are listed one by one are taken as they are."""
    if config.row_numbers is not None:
        return config.row_numbers
    if config.rows != SELECTED or n_coded > MAX_FRAG_NB - n_frags:
        return tuple(range(1, n_coded + 1))
    known = mean_loss(config, group, frag_size)
    loss = USUAL_LOSS if known is None else known
    return tuple(select_rows(n_frags, loss, n_coded, dialect=group.dialect).tolist())


def _planned(config: CampaignConfig, group: Group, n_frags: int, most: int, frag_size: int | None) -> tuple[int, ...]:
    """The fewest rows that meet the success threshold for the losses of the group's devices."""
    devices = config.members[group.name]
    losses = _known_losses(config, group, frag_size)
    if len(losses) < len(devices):
        raise ParameterError("redundancy: 'planned': expected the loss of the campaign, or of each device")
    if not devices:
        return ()
    solvable = [config.profile_of(device).solvable_losses(n_frags) for device in devices]
    plan = plan_redundancy(
        n_frags,
        np.array(losses),
        config.success_threshold,
        dialect=group.dialect,
        max_coded=most if config.row_numbers is None else len(config.row_numbers),
        rows=config.row_numbers if config.row_numbers is not None else _choice(config),
        max_losses=[n_frags if n is None else n for n in solvable] if any(n is not None for n in solvable) else None,
        alternatives=False,
    )
    if not plan.meets:
        raise ParameterError(
            f"redundancy: 'planned': no number of coded fragments up to {plan.max_coded} completes {plan.n_needed} of "
            f"{plan.n_devices} devices with the confidence required; best: {plan.n_sure} devices with {plan.n_coded} "
            "coded fragments"
        )
    return tuple(plan.rows.tolist())


def _choice(config: CampaignConfig) -> Literal["selected", "first"]:
    return "selected" if config.rows == SELECTED else "first"


def mean_loss(config: CampaignConfig, group: Group, frag_size: int | None = None) -> float | None:
    """Mean expected loss of the group's devices, if any is known; `frag_size` as in plan_rows."""
    losses = _known_losses(config, group, frag_size)
    return sum(losses) / len(losses) if losses else None


def own_uplink_losses(config: CampaignConfig, group: Group, frag_size: int) -> dict[float, float]:
    """Uplink period → share of the fragments that class C devices miss because of their own uplinks, below 1; empty in
    class B."""
    if group.device_class != "C":
        return {}
    data_rate = region(group.region).data_rate(group.downlink_dr)
    periods = {config.uplink_period_of(device) for device in config.members[group.name]}
    payload_len = DATA_FRAGMENT_HEADER_LEN + frag_size
    return {period: min(own_uplink_loss(payload_len, data_rate, period), _ALL_BUT) for period in periods}


def _known_losses(config: CampaignConfig, group: Group, frag_size: int | None) -> list[float]:
    if frag_size is None or not (own := own_uplink_losses(config, group, frag_size)):
        return [loss for device in config.members[group.name] if (loss := config.loss_of(device)) is not None]
    losses = ((config.loss_of(device), config.uplink_period_of(device)) for device in config.members[group.name])
    return [round(1 - (1 - loss) * (1 - own.get(period, 0.0)), _DIGITS) for loss, period in losses if loss is not None]


def reads_surplus(config: CampaignConfig, profile_names: Iterable[str]) -> bool:
    """Whether devices of one of these profiles read fragments that they hear after their block is complete as
    commands."""
    return any(config.profile_named(name).one_context for name in profile_names)


def _reads_surplus(config: CampaignConfig, group: Group) -> bool:
    return reads_surplus(config, {device.profile for device in config.members[group.name]})


def _n_first(config: CampaignConfig, group: Group, n_frags: int, n_rows: int, frag_size: int | None) -> int:
    """Coded fragments before the first status: the expected losses of the device that loses least, as nearly every
    device needs that many. Own uplinks count where they cost much: the status shows the rest.

    Devices that read surplus fragments are asked before any of them can be complete: without a loss that is known of
    each, after the uncoded fragments."""
    own = own_uplink_losses(config, group, frag_size) if frag_size is not None else {}
    counted = frag_size if min(own.values(), default=0.0) > NOTABLE_UPLINK_LOSS else None
    losses = _known_losses(config, group, counted)
    loss = min(losses, default=UNKNOWN_LOSS)
    if not _reads_surplus(config, group):
        return min(math.ceil(n_frags * loss), n_rows)
    if len(losses) < len(config.members[group.name]):
        return 0
    least = n_frags * loss - NEARLY_SURE * math.sqrt(n_frags * loss * (1 - loss))
    return min(max(math.floor(least), 0), n_rows)


def _uncoded(config: CampaignConfig, group: Group, n_frags: int) -> tuple[int, int]:
    """Number of uncoded fragments at the begin of each further round, and number of coded ones after which another one
    follows; zeros where coded ones alone complete a device.

    In dialect 2.0.0 every row has an even number of fragments if n_frags is a multiple of 4 or one more: a device that
    has no uncoded fragment lacks one whatever number of coded ones it hears. A device that drops uncoded ones after a
    coded one takes those that begin a round, if it has heard nothing before: they are several, as it may miss one. None
    is sent to devices that would end with wrong bytes.
    """
    if not all_even(group.dialect, n_frags):
        return 0, 0
    stacks = {config.profile_of(device).late_uncoded for device in config.members[group.name]}
    if LateUncoded.CORRUPTS in stacks:
        return 0, 0
    # Later ones only take time if all devices drop them.
    return min(HEAD, n_frags), 0 if stacks == {LateUncoded.DROPPED} else max(
        LEAST_PER_UNCODED, _least(config, group, n_frags)
    )


def _least(config: CampaignConfig, group: Group, n_frags: int) -> int:
    share = math.ceil(n_frags * LEAST_SHARE)
    return max(LEAST_CODED, min(share, MOST_LEAST) if _reads_surplus(config, group) else share)


def _more_rows(rows: tuple[int, ...], n_frags: int, most: int) -> tuple[int, ...]:
    """Further rows for repair by unicast, up to `most` in total."""
    sent = set(rows)
    others = (row for row in range(1, MAX_FRAG_NB - n_frags + 1) if row not in sent)
    return tuple(islice(others, max(0, most - len(rows))))
