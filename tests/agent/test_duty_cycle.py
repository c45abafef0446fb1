"""Duty cycle shared by the campaigns of an agent."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from fuota_fec.agent.duty_cycle import DutyCycle
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Group

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


SLOW: dict[str, Any] = {"dr": 0, "frequency": 869_525_000}


def test_campaigns_of_an_agent_share_the_duty_cycle_of_a_sub_band(config_of, frames_in_the_air) -> None:
    configs = [
        config_of(name, (i,), group={"name": "g", "mc_addr": f"01f3a4b{i}", **SLOW}, session_start=T0 + 2000)
        for i, name in enumerate(("a", "b"))
    ]
    times = frames_in_the_air(configs)
    assert {group for _, group in times} == {"a/g", "b/g"}
    on_air = Campaign(configs[0], IMAGE * 10).plan.groups["g"].time.frame_time
    starts = [at for at, _ in times]
    assert min(b - a for a, b in pairwise(starts)) >= 10 * on_air - 1e-6


def test_groups_with_other_gateways_have_their_own_duty_cycle(config_of, frames_in_the_air) -> None:
    configs = [
        config_of(
            name, (i,), group={"mc_addr": f"01f3a4b{i}", "gateways": (f"gw{i}",), **SLOW}, session_start=T0 + 2000
        )
        for i, name in enumerate(("a", "b"))
    ]
    starts = [at for at, _ in frames_in_the_air(configs)]
    assert sorted(starts)[1] - sorted(starts)[0] < 1


def group_of(name: str, **changes: Any) -> Group:
    return Group(**{"name": name, "mc_addr": "01f3a4b5", "frequency": 869_525_000, **changes})


def test_a_new_account_is_free() -> None:
    assert DutyCycle().free_at(group_of("a"), T0) <= T0


def test_a_frame_uses_the_duty_cycle_of_its_sub_band_until_the_pause_is_over() -> None:
    account = DutyCycle()
    account.spend(group_of("a"), T0, 30.0, "c/1")
    assert account.free_at(group_of("a"), T0 + 1) == T0 + 30
    assert account.free_at(group_of("b"), T0 + 1) == T0 + 30, "all groups of a sub-band share it"
    assert account.free_at(group_of("b", frequency=868_100_000), T0 + 1) <= T0
    assert account.free_at(group_of("b", gateways=("gw",)), T0 + 1) == T0 + 30, "any gateway may have sent the frame"


def test_the_last_of_several_frames_counts() -> None:
    account = DutyCycle()
    account.spend(group_of("a"), T0, 30.0, "c/1")
    account.spend(group_of("b"), T0 + 10, 30.0, "d/1")
    assert account.free_at(group_of("a"), T0 + 11) == T0 + 40


def test_a_frame_that_did_not_leave_is_refunded() -> None:
    account = DutyCycle()
    account.spend(group_of("a"), T0, 30.0, "c/1")
    account.refund("c/2")
    assert account.free_at(group_of("a"), T0 + 1) == T0 + 30
    account.refund("c/1")
    assert account.free_at(group_of("a"), T0 + 1) <= T0


def test_frames_later_than_a_clock_that_went_back_do_not_count() -> None:
    account = DutyCycle()
    account.spend(group_of("a"), T0, 30.0, "c/1")
    assert account.free_at(group_of("a"), T0 - 100) <= T0 - 100
