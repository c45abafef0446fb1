"""A campaign that an agent runs: its events until they are committed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.agent.running import RunningCampaign
from fuota_fec.agent.suspended import Suspension
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.errors import CampaignError

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))


@pytest.fixture
def running(config_of: Any) -> RunningCampaign:
    """A campaign whose start is committed, with an outbox that records what it takes."""
    campaign = Campaign(config_of(), IMAGE)
    events = campaign.start(T0)
    taken: list[m.Event] = []
    outbox: Any = SimpleNamespace(withdraws=False, taken=taken, take=taken.extend)
    return RunningCampaign(campaign, outbox, len(events))


def test_events_are_uncommitted_until_the_journal_has_them(running) -> None:
    assert not running.changed
    running.receive(m.Uplink("0000000000000001", 2, b"", T0), T0)
    assert [type(event) for event in running.uncommitted] == [m.DeviceHeard]
    append = running.append()
    assert (append.campaign, append.expected_seq, append.events) == ("c", 2, running.uncommitted)
    assert running.committed() == append.events
    assert (running.n_committed, running.uncommitted, running.changed) == (3, [], False)
    assert running.outbox.taken == append.events


@pytest.mark.parametrize(("verb", "event"), [("pause", m.Paused), ("stop", m.Stopping)])
def test_a_verb_adds_its_events(running, verb, event) -> None:
    running.carry_out(verb, T0)
    assert event in [type(e) for e in running.uncommitted]


def test_an_unknown_verb_is_refused(running) -> None:
    with pytest.raises(CampaignError, match="order: 'dance' is not a verb, expected pause, unpause, stop"):
        running.carry_out("dance", T0)
    assert running.uncommitted == []


def test_the_end_of_a_campaign_waits_until_its_downlinks_are_withdrawn(running) -> None:
    running.carry_out("stop", T0)
    assert isinstance(running.uncommitted[-1], m.Finished)
    running.outbox.withdraws = True
    assert running.ready() == running.uncommitted[:-1]
    running.committed()
    assert (running.over, running.ready()) == (False, [])
    running.outbox.withdraws = False
    running.committed()
    assert running.over


def test_an_order_is_reported_to_the_journal_once(running) -> None:
    running.orders.append(5)
    assert (running.changed, list(running.append().orders)) == (True, [5])
    running.committed()
    assert not running.changed


# ---- time ------------------------------------------------------------------------------------------------


def test_a_campaign_that_waits_takes_inputs_and_fires_no_timer(running) -> None:
    running.wait(T0, "the network is away")
    running.receive(m.Uplink("0000000000000001", 2, b"", T0 + 5000), T0 + 5000)
    running.tick(T0 + 5000)
    assert [type(event) for event in running.uncommitted] == [m.DeviceHeard, m.Suspended]
    assert running.uncommitted[-1].reason == "the network is away"
    assert (running.deadline(), running.waits_for) == (None, "the network is away")


@pytest.mark.parametrize(("seconds", "resumes"), [(29.0, False), (30.0, True)])
def test_a_long_wait_ends_with_a_resumption(running, seconds: float, resumes: bool) -> None:
    running.wait(T0, "x")
    running.go_on(T0 + seconds, 30.0)
    assert (m.Resumed in [type(event) for event in running.uncommitted]) is resumes
    assert running.deadline() is not None


def test_the_earliest_begin_of_a_wait_counts_but_no_time_twice(running) -> None:
    running.wait(T0 + 50, "x")
    running.wait(T0, "y")
    assert running.waits_since == T0
    running.go_on(T0 + 100, 30.0)
    running.wait(T0 + 20, "z")
    assert running.waits_since == T0 + 100


def test_a_suspension_without_a_commit_continues_the_one_before(running) -> None:
    running.suspended = Suspension(reason="x", since=T0 - 500, retry_at=T0)
    assert running.stopped_since(T0) == T0 - 500
    running.committed()
    assert running.stopped_since(T0) == T0
    running.wait(T0 - 20, "x")
    assert running.stopped_since(T0) == T0 - 20


def test_an_input_that_raised_is_not_given_again(running) -> None:
    uplink = m.Uplink("0000000000000001", 2, b"", T0)
    running.receive(uplink, T0)

    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise ZeroDivisionError

    running.campaign.receive = broken
    with pytest.raises(ZeroDivisionError):
        running.receive(uplink, T0)
    assert running.inputs == [uplink]
    running.committed()
    assert running.inputs == []
