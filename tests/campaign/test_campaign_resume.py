"""Resume of a campaign after a crash or an outage: deadlines stand still, or begin anew once they are past."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import IMAGE, T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.turn import Phase
from fuota_fec.errors import CampaignError
from fuota_fec.wire import clock, multicast

REBOOT = T0 + 50_000
OUTAGE = 20_000.0
GROUP, FRAG, SESSION, DATA = "McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment"
STATUS, UPGRADE, VERIFY = "FragSessionStatus", "UpgradeImage", "CompletionVerification"
OK = multicast.McGroupSetupAns(mc_group_id=0)


def outage(d: Any, seconds: float = OUTAGE) -> list[m.Event]:
    """Nothing comes in and nobody ticks; then another process goes on."""
    n_events = len(d.events)
    d.now += seconds
    d.crash()
    d.wait(0)
    return d.events[n_events:]


def lost_time(d: Any, seconds: float = OUTAGE) -> None:
    """Nothing could be heard or sent for so long."""
    d.now += seconds
    d.keep(d.campaign.resume(d.now, lost=seconds))


# ---- deadlines stand still --------------------------------------------------------------------------------


def test_the_time_of_a_device_that_was_not_heard_stands_still(drive) -> None:
    """However often: 300 s in which it could be heard."""
    d = drive(1)
    for _ in range(29):
        d.wait(10)
        lost_time(d, 40)
    d.wait(9)
    assert d.of(m.GivenUp) == []
    d.wait(1)
    assert d.device(1).reason == "never heard"


@pytest.mark.parametrize("sent", [False, True])
def test_the_wait_for_a_report_and_for_an_answer_stands_still(drive, sent) -> None:
    d = drive(1)
    request = d.ask(1)
    if sent:
        d.sent(request)
    d.wait(100)
    lost_time(d)
    assert d.of(m.Unanswered) == []
    assert all(event.ok for event in d.of(m.Reported))
    d.wait(180)
    assert len(d.of(m.Unanswered)) + sum(not event.ok for event in d.of(m.Reported)) == 1


def test_restarts_without_lost_time_extend_nothing(drive) -> None:
    d = drive(1)
    for _ in range(31):
        d.wait(10)
        d.crash()
    assert d.device(1).reason == "never heard"


def test_the_end_of_a_stop_stands_still_but_does_not_begin_anew(drive) -> None:
    d = drive(3, stage=DATA)
    d.stop()
    n = 0
    while not d.campaign.finished and n < 2000:
        d.wait(260)
        lost_time(d, 40)
        n += 1
    assert d.campaign.finished


# ---- another start of a session ---------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [60.0, OUTAGE])
def test_time_that_is_lost_before_a_session_gives_it_another_start(drive, seconds) -> None:
    d = drive(3, stage=SESSION, msg_retries=5, max_duration=1e6)
    first = d.session().start
    d.succeed(1)
    lost_time(d, seconds)
    d.wait_until(max(d.now, first) + 1)
    assert (d.stage, d.session().start > d.now) == (SESSION, True)
    assert [e.back_to for e in d.of(m.StageEnded)][-1] == SESSION
    for i in (1, 2, 3):
        d.succeed(i)
    d.wait_until(d.session().start)
    assert (d.stage, d.of(m.GivenUp)[-1].at < d.session().start) == (DATA, True)
    d.reach("end")
    assert [device.status for device in d.campaign.status().devices] == ["passed"] * 3


def test_a_session_that_all_have_confirmed_keeps_its_start(drive) -> None:
    d = drive(3, stage=SESSION, max_duration=1e6)
    for i in (1, 2, 3):
        d.succeed(i)
    start = d.session().start
    lost_time(d, 60.0)
    d.wait_until(start + 1)
    assert (d.stage, d.session().start) == (DATA, start)


def test_a_device_that_refused_the_session_is_not_asked_for_another_start(drive) -> None:
    d = drive(3, stage=SESSION, msg_retries=5, success_threshold=60, stage_end="all", max_duration=1e6)
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, dr_error=True))
    assert d.device(1).reason
    lost_time(d)
    d.wait(1)
    assert d.stage == SESSION
    d.up(1)
    assert len([e for e in d.of(m.Requested) if e.ask == "McSession" and e.dev_eui == f"{1:016x}"]) == 1


# ---- deadlines begin anew ---------------------------------------------------------------------------------


def test_a_device_that_was_not_heard_has_three_periods_again(drive) -> None:
    d = drive(1)
    d.wait(200)
    outage(d)
    d.wait(299)
    assert d.of(m.GivenUp) == []
    d.wait(2)
    assert d.device(1).reason == "never heard"


def test_a_sent_report_is_due_a_whole_wait_after_the_outage(drive) -> None:
    d = drive(1)
    d.ask(1)
    d.wait(100)
    outage(d)
    d.wait(129)
    assert d.of(m.Reported) == []
    d.wait(2)
    assert [(e.ok, e.cause) for e in d.of(m.Reported)] == [(False, "no sent report in time")]


def test_an_answer_is_due_a_whole_wait_after_the_outage(drive) -> None:
    d = drive(1)
    d.sent(d.ask(1))
    d.wait(100)
    outage(d)
    d.wait(129)
    assert d.of(m.Unanswered) == []
    d.wait(2)
    assert len(d.of(m.Unanswered)) == 1


def test_late_answers_have_their_time_again(drive) -> None:
    d = drive(3, success_threshold=60, stage_complete_delay=1)
    d.sent(d.ask(3))
    d.succeed(1)
    d.succeed(2)
    assert d.closing
    d.wait(50)
    outage(d)
    d.wait(99)
    assert d.stage == GROUP
    d.say(3, OK)
    assert d.stage == FRAG
    assert len(d.members()) == 3


def test_a_summary_has_its_time_again(drive) -> None:
    d = drive(1, summary_report_timeout=30, stage=DATA)
    d.wait_until(d.session().start + 5)
    d.hand_over(d.frames()[0])
    d.wait(20)
    outage(d, 1000)
    d.wait(30)
    assert len(d.frames()) == 1
    d.wait(1)
    assert [e.cause for e in d.of(m.Reported)][-1] == "no summary report in time"
    assert len(d.frames()) == 2


def test_answers_to_a_multicast_status_request_have_their_time_again(drive) -> None:
    d = drive(3, kind="binary", redundancy=0, stage=STATUS)
    d.sent(d.ask(1))
    d.wait(70)
    outage(d, 5000)
    wait = d.campaign.plan.groups["meters"].status_wait
    d.wait(wait - 1)
    assert d.of(m.Unanswered) == []
    d.wait(2)
    assert len(d.of(m.Unanswered)) == 1


def test_verification_has_its_time_again(drive) -> None:
    """However long nobody looked: the devices run the new firmware meanwhile."""
    d = drive(2, stage=VERIFY)
    outage(d, 90_000)
    assert d.status == "RUNNING"
    d.succeed(1)
    d.succeed(2)
    assert d.status == "SUCCEEDED"


def test_verification_is_still_bounded_after_an_outage(drive) -> None:
    d = drive(1, stage=VERIFY)
    outage(d, 90_000)
    d.wait(20_000)
    assert (d.status, d.device(1).reason) == ("FAILED", f"not heard in {VERIFY}")


def test_the_maximum_duration_does_not_begin_anew(drive) -> None:
    d = drive(1, max_duration=5000)
    outage(d)
    assert (d.status, d.campaign.status().reason) == ("FAILED", "maximum duration reached in McGroupSetup")


def test_a_session_that_ended_in_the_outage_has_ended(drive) -> None:
    """There is no time for another one."""
    d = drive(1, max_duration=33_300, stage=DATA)
    outage(d, d.session().end + 1 - d.now)
    assert (d.status, d.now < T0 + 33_300) == ("FAILED", True)
    assert d.device(1).reason == "session over after 0 of 5 fragments"


# ---- no retry is used up ---------------------------------------------------------------------------------

NETWORKS = [
    m.NetworkCapabilities(),
    m.NetworkCapabilities(withdraws=False),
    m.NetworkCapabilities(sent_reports=False),
    m.NetworkCapabilities(sent_reports=False, withdraws=False),
]


@pytest.mark.parametrize("phase", [Phase.READY, Phase.REQUESTED, Phase.HANDED_OVER, Phase.SENT])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("stage", [GROUP, FRAG, VERIFY])
def test_an_outage_uses_up_no_retry(drive, phase, network, stage) -> None:
    d = drive(1, msg_retries=0, network=network, ucast_msg_delay=10_000, max_duration=1e6, stage=stage)
    if stage == VERIFY:
        d.wait(30)
    d.up(1)
    if phase is not Phase.READY:
        d.wait(10)
        [request] = d.requests(1)
        if phase is not Phase.REQUESTED:
            d.hand_over(request)
        if phase is Phase.SENT:
            d.sent(request)
            d.up(1)
    elif not d.requests(1):
        assert d.turn(1).phase is Phase.READY
    for _ in range(5):
        outage(d)
    assert (d.status, d.device(1).reason, d.of(m.Unanswered), d.turn(1).resends) == ("RUNNING", "", [], 0)
    assert all(event.ok for event in d.of(m.Reported))
    d.succeed(1)
    assert d.stage != stage


def test_a_multicast_status_that_was_asked_is_not_unanswered_by_an_outage(drive) -> None:
    d = drive(3, kind="binary", redundancy=0, stage=STATUS)
    d.sent(d.ask(1))
    outage(d)
    assert d.of(m.Unanswered) == []
    for i in (1, 2, 3):
        d.say(i, d.right_answer(i))
    assert d.status == "SUCCEEDED"


# ---- what is still awaited ---------------------------------------------------------------------------------


def test_a_request_that_was_not_handed_over_still_is_awaited(drive) -> None:
    d = drive(1)
    d.up(1)
    [request] = d.requests(1)
    outage(d, 10)
    assert d.campaign.awaits_hand_over(request.id)
    d.hand_over(request)
    assert d.turn(1).phase is Phase.HANDED_OVER


def test_a_request_that_ran_out_in_the_outage_is_made_anew(drive) -> None:
    d = drive(1, network=m.NetworkCapabilities(withdraws=False))
    d.up(1)
    [old] = d.requests(1)
    outage(d)
    assert old.not_after < d.now
    assert not d.campaign.awaits_hand_over(old.id)
    [_, new] = d.requests(1)
    assert d.campaign.awaits_hand_over(new.id)
    assert (new.replaces, new.not_after > d.now) == (old.id, True)


def test_a_request_that_was_handed_over_is_not_asked_again_before_its_time(drive) -> None:
    d = drive(1)
    request = d.ask(1)
    outage(d)
    assert not d.campaign.awaits_hand_over(request.id)
    assert d.requests(1) == [request]
    d.sent(request)
    d.say(1, OK)
    assert d.stage == FRAG


def test_a_frame_whose_fate_is_unknown_is_still_awaited_as_it_was(drive) -> None:
    d = drive(1, stage=DATA)
    d.wait_until(d.session().start + 5)
    [frame] = d.frames()
    outage(d, 30)
    assert d.campaign.awaits_hand_over(frame.id)
    assert d.frames() == [frame]
    d.hand_over(frame)
    d.summary(frame)
    d.wait(2)
    assert [(f.frag_nb, f.f_cnt) for f in d.frames()] == [(1, 0), (2, 1)]


def test_a_reply_that_was_not_handed_over_still_is_awaited_unless_it_is_too_old(drive) -> None:
    d = drive(1)
    d.say(1, clock.AppTimeReq(device_time=0, ans_required=True, token_req=3))
    [reply] = d.replies(1)
    outage(d, 10)
    assert d.campaign.awaits_hand_over(reply.id)
    outage(d)
    assert not d.campaign.awaits_hand_over(reply.id)


def test_fragments_go_on_where_they_were(drive) -> None:
    d = drive(1, stage=DATA)
    d.wait_until(d.session().start + 5)
    for n in (1, 2):
        d.hand_over(d.frames()[-1])
        d.summary(d.frames()[-1])
        d.wait(3)
        assert len(d.frames()) == n + 1
    outage(d, 500)
    d.hand_over(d.frames()[-1])
    d.summary(d.frames()[-1])
    d.reach("end")
    assert [frame.frag_nb for frame in d.frames()] == [1, 2, 3, 4, 5]
    assert [frame.f_cnt for frame in d.frames()] == [0, 1, 2, 3, 4]
    assert d.status == "SUCCEEDED"


# ---- the verb --------------------------------------------------------------------------------------------


def test_resume_is_one_event_and_what_follows_from_it(drive) -> None:
    d = drive(1)
    assert [type(event) for event in outage(d, 10)] == [m.Resumed]


def test_a_campaign_that_was_not_started_or_is_over_has_nothing_to_resume(drive, config_of) -> None:
    assert Campaign(config_of(1), IMAGE).resume(T0) == []
    d = drive(1)
    d.reach("end")
    assert d.campaign.resume(d.now) == []


def test_a_campaign_that_was_replayed_without_its_image_cannot_be_resumed(drive) -> None:
    d = drive(1)
    with pytest.raises(CampaignError, match="replayed without its image"):
        Campaign.replay(d.events).resume(d.now)


@pytest.mark.parametrize("kind", ["multicast", "binary", "firmware"])
@pytest.mark.parametrize("redundancy", [0, 2])
def test_a_campaign_survives_an_outage_at_the_start_of_every_stage(drive, kind, redundancy) -> None:
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", probe=True) for i in (1, 2))
    settings = {"reboot": T0 + 200_000} if kind == "firmware" else {}
    d = drive(devices=devices, kind=kind, redundancy=redundancy, max_duration=180_000, **settings)
    for stage in d.campaign.status().stages:
        d.reach(stage)
        assert d.stage == stage
        outage(d, 500)
        assert d.stage == stage
    d.reach("end")
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("stage", [GROUP, FRAG, SESSION, DATA, VERIFY])
def test_replay_of_a_resumed_campaign_is_that_campaign(drive, stage) -> None:
    d = drive(3, max_duration=1e6, stage=stage)
    d.up(1)
    outage(d, 400)
    again = Campaign.replay(d.events, IMAGE)
    assert (again.status(), again.deadline(), again.n_events) == (
        d.campaign.status(),
        d.campaign.deadline(),
        d.campaign.n_events,
    )
