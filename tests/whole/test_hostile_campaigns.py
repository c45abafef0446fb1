"""Whole campaigns among hostile devices, on a hostile network, with suspended time and kills: the laws hold throughout.

FUOTA_FEC_TEST_HOSTILE_SEEDS=first:last runs other seeds, for long runs. A failure names the law, the seed, the traits
without which it does not happen, and what happened last.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from campaign_laws import LawBrokenError, Laws
from hostile_campaign import HostileCampaign, Scenario, reduced

from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.campaign.exchanges.clean_up import CleanUp
from fuota_fec.campaign.exchanges.replies import Replies
from fuota_fec.campaign.unicast_queue import UnicastQueue

FIRST, LAST = map(int, os.environ.get("FUOTA_FEC_TEST_HOSTILE_SEEDS", "0:40").split(":"))


@cache
def run(seed: int) -> Laws:
    """Runs the campaign of a seed. A law that is broken is reported with the traits that it takes."""
    campaign = HostileCampaign(Scenario(seed))
    try:
        return campaign.run()
    except LawBrokenError as error:
        scenario = reduced(seed, error.law)
    campaign = HostileCampaign(scenario)
    try:
        campaign.run()
    except LawBrokenError as error:
        about = f"seed {seed}, traits {sorted(scenario.traits)}\n{scenario.config}\n{scenario.capabilities}"
        raise AssertionError(f"{error}\n{about}\n{campaign.story()}") from None
    raise AssertionError(f"seed {seed}: not reproduced")


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_the_laws_hold(seed: int) -> None:
    laws = run(seed)
    assert laws.finished is not None


def test_the_campaigns_reach_every_stage_and_every_end() -> None:
    all_laws = [run(seed) for seed in range(FIRST, LAST)]
    stages: Counter[str] = Counter()
    for laws in all_laws:
        stages.update(set(laws.stages))
    assert stages.keys() >= {
        "PackageVersion",
        "McGroupSetup",
        "DevRebootTime",
        "FragSessionSetup",
        "McClassBSession",
        "McClassCSession",
        "DlFragment",
        "FragSessionStatus",
        "UpgradeImage",
        "CompletionVerification",
    }
    assert {laws.finished.status for laws in all_laws if laws.finished} == {"SUCCEEDED", "FAILED", "STOPPED"}


def test_the_same_seed_gives_the_same_campaign() -> None:
    first, second = HostileCampaign(Scenario(FIRST)), HostileCampaign(Scenario(FIRST))
    first.run()
    second.run()
    assert first.journal.events("c") == second.journal.events("c")


# ---- the laws notice ------------------------------------------------------------------------------------------


def law_broken() -> str:
    """The law that is broken first, from the first seed on."""
    for seed in range(FIRST, FIRST + 200):
        try:
            HostileCampaign(Scenario(seed)).run()
        except LawBrokenError as error:
            return error.law
    return ""


def test_a_resend_beside_the_request_before_it_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    downlink = DownlinkBuilder.downlink
    monkeypatch.setattr(DownlinkBuilder, "downlink", lambda *args: replace(downlink(*args), replaces=None))
    assert law_broken() == "one unicast"


def test_replies_that_starve_requests_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnicastQueue, "reply_is_next", property(lambda self: bool(self.replies)))
    monkeypatch.setattr(Replies, "owe", _owes_always(Replies.owe))
    assert law_broken() in ("half of the slots", "reply interval")


def _owes_always(owe):
    def owes(self, device, *args):
        self._last_at.clear()
        return owe(self, device, *args)

    return owes


def test_a_campaign_that_does_not_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CleanUp, "over", False)
    assert law_broken() in ("bounded", "stop bounded", "due")
