"""Campaigns over simulated fleets some of which run the target version before: nothing is sent to them for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fuota_fec import operations
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.journal import Journal, open_journal
from fuota_fec.simulation import Simulation, SimulationResult, resume_simulation, simulate_campaign

IMAGE = bytes(range(200)) * 10
ALREADY = ("passed", "runs it already")


def config_of(
    n_devices: int = 4, *, groups: Sequence[str] = ("a",), each: Any = None, **changes: Any
) -> CampaignConfig:
    settings: dict[str, Any] = {
        "id": "c",
        "success_threshold": 100,
        "max_duration": 20_000,
        "uplink_period": 60,
        "fw_version": "2.0.0.0",
        "redundancy": "1/2",
        "fsize": 50,
        "groups": tuple(Group(name=name, mc_addr=f"01f3a4b{i}", dr=5) for i, name in enumerate(groups)),
        "devices": tuple(
            Device(dev_eui=f"{i + 1:016x}", group=groups[i % len(groups)], **(each or {})) for i in range(n_devices)
        ),
    }
    return CampaignConfig(**{**settings, **changes})


def events_of(result: SimulationResult) -> list[m.Event]:
    return list(result.journal.events(result.campaign.id))


def asked(result: SimulationResult) -> Counter[str]:
    return Counter(e.ask for e in events_of(result) if isinstance(e, m.Requested))


def outcomes(result: SimulationResult) -> list[tuple[str, str]]:
    return [(device.status, device.reason) for device in result.campaign.status().devices]


def replays(result: SimulationResult) -> bool:
    again = Campaign.replay(result.journal.events(result.campaign.id), result.campaign.image)
    return again.status() == result.campaign.status()


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_a_fleet_that_runs_it_is_sent_questions_alone(loss: float) -> None:
    fleet = Simulation(seed=3, old_version=0x02000000, downlink_loss=loss, uplink_loss=loss)
    result = simulate_campaign(config_of(20, each={"fw_version": "2.0.0.0"}, msg_retries=9), IMAGE, fleet)
    assert (result.campaign.status().status, set(asked(result))) == ("SUCCEEDED", {"DevVersion"})
    assert (outcomes(result), result.wrong) == ([ALREADY] * 20, [])
    assert replays(result)


def test_a_campaign_that_is_repeated_finds_its_devices_updated_by_the_registry() -> None:
    journal, fleet = open_journal(":memory:"), Simulation(seed=3)
    assert simulate_campaign(config_of(20), IMAGE, fleet, journal=journal).campaign.status().status == "SUCCEEDED"
    again = simulate_campaign(config_of(20, id="again"), IMAGE, fleet, journal=journal, after=("c",))
    assert (again.campaign.status().status, asked(again)) == ("SUCCEEDED", {"DevVersion": 20})
    assert (outcomes(again), again.wrong) == ([ALREADY] * 20, [])


def test_a_fleet_believed_in_wrongly_is_updated() -> None:
    result = simulate_campaign(config_of(20, each={"fw_version": "2.0.0.0"}), IMAGE, Simulation(seed=3))
    assert (result.campaign.status().status, outcomes(result)) == ("SUCCEEDED", [("passed", "")] * 20)
    assert result.wrong == []
    assert replays(result)


# ---- retry -----------------------------------------------------------------------------------------------


def silent_after_the_transfer(journal: Journal, length: float, loss: Any = 0.0, **settings: Any) -> Simulation:
    """The fleet of a failed campaign: its devices install the image while, for a time, no gateway hears them."""
    fleet = Simulation(seed=1, process_time=60, downlink_loss=loss)
    whole = simulate_campaign(config_of(**settings), IMAGE, fleet)
    sent = next(e.at for e in events_of(whole) if isinstance(e, m.StageEnded) and e.stage == "DlFragment") - fleet.start
    fleet = replace(fleet, outages=((sent + 1, sent + length),))
    result = simulate_campaign(config_of(**settings), IMAGE, fleet, journal=journal)
    assert (result.campaign.status().status, {status for status, _ in outcomes(result)}) == ("FAILED", {"failed"})
    return fleet


def retry(journal: Journal, fleet: Simulation, *after: str, **changes: Any) -> SimulationResult:
    retried = operations.retry_campaign(journal, after[-1], **changes)
    return simulate_campaign(retried.config, retried.image, fleet, journal=journal, after=after)


def test_a_retry_sends_no_fragment_to_devices_that_run_the_image() -> None:
    journal = open_journal(":memory:")
    fleet = silent_after_the_transfer(journal, 600)
    result = retry(journal, fleet, "c")
    assert (result.campaign.status().status, asked(result)) == ("SUCCEEDED", {"DevVersion": 4})
    assert (outcomes(result), result.wrong) == ([ALREADY] * 4, [])


def test_a_retry_sends_fragments_only_to_groups_whose_devices_need_them() -> None:
    journal = open_journal(":memory:")
    fleet = silent_after_the_transfer(journal, 600, (0.0, 0.6, 0.0, 0.6), groups=("a", "b"), msg_retries=9)
    result = retry(journal, fleet, "c", redundancy=200, msg_retries=30)
    requests = [e for e in events_of(result) if isinstance(e, m.Requested) and not e.reply]
    assert Counter(e.group for e in requests if e.group is not None) == {"b": 240}
    assert {e.dev_eui for e in requests if e.ask in ("McGroupSetup", "McSession")} == {f"{i:016x}" for i in (2, 4)}
    assert outcomes(result) == [ALREADY, ("passed", "")] * 2
    assert {e.dev_eui: e.ask for e in reversed(requests) if e.dev_eui} == {
        f"{i:016x}": "DevVersion" for i in range(1, 5)
    }
    assert replays(result)


def test_a_retry_that_hears_nobody_is_retried_with_the_same_question() -> None:
    journal = open_journal(":memory:")
    fleet = silent_after_the_transfer(journal, 1500)
    after = ["c"]
    while (result := retry(journal, fleet, *after)).campaign.status().status != "SUCCEEDED":
        after.append(result.campaign.id)
        assert len(after) < 6
    assert len(after) > 1
    assert (set(asked(result)), outcomes(result)) == ({"DevVersion"}, [ALREADY] * 4)


def test_a_retry_that_is_killed_goes_on() -> None:
    journal = open_journal(":memory:")
    fleet = silent_after_the_transfer(journal, 600)

    class Killed(BaseException):
        pass

    def kill(campaign: Campaign, event: m.Event) -> None:
        if isinstance(event, m.RunsAlready) and campaign.progress().n_done == 2:
            raise Killed

    retried = operations.retry_campaign(journal, "c")
    with pytest.raises(Killed):
        simulate_campaign(retried.config, retried.image, fleet, journal=journal, after=("c",), observer=kill)
    result = resume_simulation(journal, "c-retry", fleet, after=("c",))
    assert (result.campaign.status().status, set(asked(result))) == ("SUCCEEDED", {"DevVersion"})
    assert outcomes(result) == [ALREADY] * 4
    assert replays(result)
