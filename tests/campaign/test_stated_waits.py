"""Wait of a campaign by its latest events."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from campaign_driver import T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.stated_waits import stated_wait
from fuota_fec.simulation import Simulation, simulate_campaign

ANSWERS = m.Wait(until=T0 + 900, why="answers of 3 devices")
SESSION = m.Wait(until=T0 + 300, why="the session begins")
STARTED = m.StageStarted(at=T0, stage="McGroupSetup", n_devices=3, answers=ANSWERS)
REQUESTED = m.Requested(at=T0 + 1, id="c/1", ask="McGroupSetup", f_port=200, not_after=T0 + 900, digest=bytes(8))
REPLY = m.Requested(at=T0 + 2, id="c/2", ask="AppTimeReq", f_port=202, not_after=T0 + 9, digest=bytes(8), reply=True)
PAUSED, UNPAUSED = m.Paused(at=T0 + 3), m.Unpaused(at=T0 + 4)
OVERDUE = m.SummaryOverdue(at=T0 + 5, id="c/7", group="g", wait=m.Wait(until=T0 + 60, why="the summary"))
SUSPENDED = m.Suspended(at=T0 + 6, reason="no keys")


def shape(wait: m.Wait | None) -> str | None:
    """A reason without its numbers."""
    return None if wait is None else re.sub(r"\d+ (devices|device)", "N", re.sub(r"group \w+", "N", wait.why))


@pytest.mark.parametrize("kind", ["firmware", "binary"])
def test_it_is_the_wait_of_the_status_at_any_point_of_a_campaign(config_of, kind) -> None:
    """But for summaries, which take seconds. A bound that tries have used up is not later than the one stated."""
    version = {"fw_version": "2.0.0.0"} if kind == "firmware" else {"fw_version": None}
    settings = {"kind": kind, "redundancy": 4, "msg_retries": 8, "success_threshold": 50, "clean_up": True, **version}
    config: CampaignConfig = config_of(4, stage_end="all", fsession_status_threshold=9, **settings)
    result = simulate_campaign(config, bytes(50), Simulation(seed=3, downlink_loss=0.2, uplink_loss=0.2))
    events = list(result.journal.events(config.id))
    seen, compared = Campaign.from_first(events[0]), set()
    for n, (event, following) in enumerate(pairwise(events), 1):
        if n > 1:
            seen.follow(event)
        wait, stated = seen.status().wait, stated_wait(reversed(events[:n]))
        if following.at > event.at and wait is not None and "summary" not in wait.why:
            assert shape(stated) == shape(wait)
            assert stated.until >= wait.until - 60 or "clean-up" in wait.why
            compared.add(shape(wait))
    assert len(compared) >= 4


@pytest.mark.parametrize(
    ("events", "wait"),
    [
        ((STARTED, REQUESTED), ANSWERS),
        ((STARTED, REQUESTED, REPLY), ANSWERS),
        ((STARTED, REQUESTED, PAUSED), m.Wait(until=None, why="paused")),
        ((STARTED, REQUESTED, PAUSED, REPLY), m.Wait(until=None, why="paused")),
        ((PAUSED, STARTED), m.Wait(until=None, why="paused")),
        ((PAUSED, UNPAUSED, STARTED), ANSWERS),
        ((STARTED, PAUSED, UNPAUSED), ANSWERS),
        ((STARTED, SUSPENDED), m.Wait(until=None, why="suspended: no keys")),
        ((STARTED, PAUSED, SUSPENDED), m.Wait(until=None, why="suspended: no keys")),
        ((STARTED, SUSPENDED, m.Resumed(at=T0 + 50, lost=44.0)), m.Wait(until=T0 + 944, why=ANSWERS.why)),
        ((STARTED, OVERDUE), OVERDUE.wait),
        ((STARTED, OVERDUE, m.Reported(at=T0 + 9, id="c/7", ok=True)), ANSWERS),
        (
            (STARTED, OVERDUE, m.StageClosing(at=T0 + 9, stage="x", until=T0 + 20)),
            m.Wait(until=T0 + 20, why="late answers"),
        ),
        ((STARTED, m.StageEnded(at=T0 + 9, stage="x", successes=0, ok=False)), None),
        ((STARTED, PAUSED, m.Stopping(at=T0 + 9, status="STOPPED", successes=0)), None),
        ((STARTED, m.CleanUpStarted(at=T0 + 9, n_devices=1, wait=SESSION)), SESSION),
        ((PAUSED, m.Finished(at=T0 + 9, status="STOPPED", successes=0)), None),
        ((), None),
    ],
)
def test_what_the_latest_events_state(events, wait) -> None:
    assert stated_wait(reversed((m.Unpaused(at=T0), *events))) == wait


def test_a_time_that_is_past_is_not_waited_for() -> None:
    started = m.StageStarted(at=T0, stage="McClassCSession", n_devices=3, wait=SESSION, answers=ANSWERS)
    heard = m.DeviceHeard(at=T0 + 301, dev_eui="01")
    assert stated_wait([started]) == m.Wait(until=ANSWERS.until, why=f"{SESSION.why}, then {ANSWERS.why}")
    assert stated_wait([heard, started]) == ANSWERS


def test_no_more_is_read_than_is_needed() -> None:
    def events():
        yield REQUESTED
        yield STARTED
        raise AssertionError("reads on")

    assert stated_wait(events()) == ANSWERS
