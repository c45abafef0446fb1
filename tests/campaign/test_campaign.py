"""The verbs of a campaign, and its replay."""

from __future__ import annotations

import pytest
from campaign_driver import IMAGE, T0, replayed, same

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.errors import CampaignError, ParameterError
from fuota_fec.wire import multicast

STAGES = ["McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification"]


KINDS = [
    {"kind": "firmware", "reboot": T0 + 50_000, "redundancy": 0, "each": {"probe": True}},
    {"kind": "binary", "redundancy": 0},
    {"kind": "multicast"},
]


def test_before_the_start_nothing_happens(config_of) -> None:
    campaign = Campaign(config_of(2), IMAGE)
    assert campaign.status().status == "CONFIGURED"
    assert campaign.deadline() is None
    assert campaign.tick(T0) == []
    assert campaign.receive(m.Uplink(f"{1:016x}", 2, b"", T0), T0) == []
    assert campaign.n_events == 0
    assert not campaign.finished


def test_the_start_gives_the_configuration_and_the_first_stage(config_of) -> None:
    campaign = Campaign(config_of(2), IMAGE)
    network = m.NetworkCapabilities(summaries=False)
    configured, started = campaign.start(T0, network)
    assert (configured.config, configured.image_len, configured.network) == (campaign.config, 30, network)
    assert (started.stage, started.n_devices, started.at) == ("McGroupSetup", 2, T0)
    assert campaign.n_events == 2
    assert campaign.status().status == "RUNNING"


def test_a_second_start_is_refused_and_changes_nothing(drive) -> None:
    d = drive(2)
    before = d.campaign.status(), d.campaign.n_events
    with pytest.raises(CampaignError, match="campaign 'c' is RUNNING, expected one that was not started"):
        d.campaign.start(T0 + 5)
    assert (d.campaign.status(), d.campaign.n_events) == before


def test_an_image_that_cannot_be_sent_is_refused(config_of, group_of) -> None:
    with pytest.raises(ParameterError, match="image: empty, expected at least one byte"):
        Campaign(config_of(1), b"")
    with pytest.raises(ParameterError, match="16383"):
        Campaign(config_of(1, fsize=1, max_duration=1e9), bytes(16383))
    with pytest.raises(ParameterError, match="fsize"):
        Campaign(config_of(1, fsize=255), IMAGE)
    with pytest.raises(ParameterError, match="max_duration"):
        Campaign(config_of(1, max_duration=8), IMAGE)


def test_the_problems_of_all_groups_are_reported_together(config_of, group_of) -> None:
    groups = (group_of("a", dr=0), group_of("b", mc_addr="01f3a4b6", dr=1))
    with pytest.raises(ParameterError) as error:
        Campaign(config_of(2, groups=groups, fsize=200), IMAGE)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["group 'a'", "group 'b'"]


def test_groups_with_the_same_frames_share_them(config_of, group_of) -> None:
    groups = tuple(
        group_of(name, mc_addr=f"01f3a4b{i}", version=version)
        for i, (name, version) in enumerate([("a", "1.0.0"), ("b", "1.0.0"), ("c", "2.0.0")])
    )
    campaign = Campaign(config_of(3, groups=groups), IMAGE)
    assert campaign.block("a") is campaign.block("b")
    assert campaign.block("c").version == "2.0.0"


@pytest.mark.parametrize("stage", [*STAGES, "end"])
def test_a_replay_in_every_stage_is_the_campaign(drive, stage) -> None:
    d = drive(3)
    d.reach(stage)
    assert same(replayed(d), d.campaign)


def test_replay_after_every_event_of_a_whole_campaign(drive) -> None:
    """Wherever a journal ends, at the end of a verb: the deadline too is what it was."""
    d = drive(3, success_threshold=60, ucast_msg_delay=5000, network=m.NetworkCapabilities(sent_reports=False))
    checked = []
    original = d.keep

    def keep(events: list[m.Event]) -> list[m.Event]:
        kept = original(events)
        checked.append(same(replayed(d), d.campaign))
        return kept

    d.keep = keep
    d.reach("end")
    assert len(checked) > 50
    assert all(checked)


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings["kind"])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_follower_of_every_event_sees_the_campaign(drive, settings, stopped) -> None:
    """A journal may end between two events that were decided together."""
    d = drive(3, **settings)
    if stopped:
        d.reach(d.campaign.status().stages[-1])
        d.stop()
        d.clean_up()
    d.reach("end")
    assert d.status == ("STOPPED" if stopped else "SUCCEEDED")
    follower = Campaign.from_first(d.events[0])
    for event in d.events[1:]:
        follower.follow(event)
        status = follower.status()
        assert status.n_done <= status.n_devices
    assert same(follower, d.campaign)


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings["kind"])
def test_a_campaign_goes_on_wherever_its_journal_ends(drive, settings) -> None:
    d = drive(2, **settings)
    d.reach("end")
    assert d.status == "SUCCEEDED"
    for n in range(1, len(d.events), 3):
        other = d.fork()
        other.events = d.events[:n]
        other.now = other.events[-1].at
        other.crash()
        assert other.status in ("RUNNING", "SUCCEEDED"), n
        assert other.campaign.n_events == len(other.events)
        assert same(replayed(other), other.campaign)
        other.reach("end")
        assert other.status == "SUCCEEDED", n


def test_replay_while_a_summary_is_waited_for(drive) -> None:
    d = drive(1, stage="DlFragment", summary_window=3)
    d.wait(d.campaign.deadline() - d.now)
    served = 0
    while d.stage == "DlFragment":
        d.wait(3)
        assert same(replayed(d), d.campaign), d.campaign.deadline() - d.now
        for frame in d.frames()[served:]:
            d.hand_over(frame)
        assert same(replayed(d), d.campaign), d.campaign.deadline() - d.now
        d.summary(d.frames()[served])
        assert same(replayed(d), d.campaign)
        served += 1


def test_replay_after_the_maximum_duration_in_verification(drive) -> None:
    d = drive(2, stage="CompletionVerification", max_duration=2000, fuota_process_max_time=5000)
    d.wait(3000)
    assert same(replayed(d), d.campaign)


def test_replay_after_a_device_in_line_has_answered(drive) -> None:
    d = drive(3, ucast_msg_delay=10_000)
    d.sent(d.ask(1), ok=False)
    d.say(1, multicast.McGroupSetupAns(mc_group_id=0))
    assert same(replayed(d), d.campaign)
    d.wait(20)
    assert same(replayed(d), d.campaign)


def test_replay_needs_a_beginning(drive) -> None:
    with pytest.raises(CampaignError, match="expected at least one event"):
        Campaign.replay([])
    with pytest.raises(CampaignError, match="expected Configured"):
        Campaign.replay(drive(1).events[1:])


def test_replay_refuses_another_image(drive) -> None:
    with pytest.raises(CampaignError, match="image: does not match the SHA-256"):
        Campaign.replay(drive(1).events, IMAGE[:-1] + b"\xff")


def test_a_replay_without_the_image_has_the_status(drive) -> None:
    d = drive(2, stage="DlFragment")
    assert Campaign.replay(d.events).status() == d.campaign.status()


def test_a_replay_without_the_image_cannot_go_on(drive) -> None:
    d = drive(2, stage="DlFragment")
    campaign = Campaign.replay(d.events)
    with pytest.raises(CampaignError):
        campaign.tick(d.now + 5000)


def test_replay_takes_events_from_any_iterable(drive) -> None:
    d = drive(2, stage="DlFragment")
    assert same(Campaign.replay(iter(d.events), IMAGE), d.campaign)
