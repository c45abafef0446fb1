"""Surplus: coded fragments that a device hears after its block is complete.

A stack with one context reads their payload as commands. One that begins as a FragSessionSetupReq clears the counts of
the device, and if it is accepted erases the image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from fuota_fec.campaign.adaptive import EXTRA
from fuota_fec.campaign.config import CampaignConfig, Device
from fuota_fec.campaign.plan import GroupPlan
from fuota_fec.campaign.row_plan import USUAL_LOSS, own_uplink_losses

SETUP_SHARE = 1 / 256
"""Share of fragments that begin as a FragSessionSetupReq, in data without a pattern."""


class Risk(NamedTuple):
    """Devices that may read a surplus fragment as a setup."""

    n_devices: int
    """Devices whose stack reads surplus fragments."""
    n_surplus: float
    """Surplus fragments that one of them hears on average."""
    n_expected: float
    """Devices for which one of these fragments is expected to be a setup."""


def risk(config: CampaignConfig, plan: GroupPlan, devices: Iterable[Device]) -> Risk:
    """Risk of a group with these devices before its first status. Those whose loss is not known are taken to have the
    usual one."""
    if not plan.reads_surplus:
        return Risk(0, 0.0, 0.0)
    own = own_uplink_losses(config, plan.group, plan.frag_size)
    alike = Counter(
        (config.loss_of(device), config.uplink_period_of(device))
        for device in devices
        if config.profile_of(device).one_context
    )
    n_surplus = n_expected = 0.0
    for (known, period), n in alike.items():
        loss = 1 - (1 - (USUAL_LOSS if known is None else known)) * (1 - own.get(period, 0.0))
        surplus = heard_in_surplus(plan.n_frags, plan.row_plan.n_first, loss)
        n_surplus += n * surplus
        n_expected += n * (1 - (1 - SETUP_SHARE) ** surplus)
    n_devices = alike.total()
    return Risk(n_devices, n_surplus / n_devices, n_expected)


def heard_in_surplus(n_frags: int, n_coded: int, loss: float) -> float:
    """Number of coded fragments that a device hears after its block is complete, with the losses to be expected."""
    n_lost = n_frags * loss
    return max(0.0, n_coded * (1 - loss) - n_lost - min(n_lost, EXTRA))
