"""Pause and unpause of a campaign: no request goes out, answers count, illegal verbs change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import IMAGE, T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.errors import CampaignError
from fuota_fec.wire import clock, fragmentation, multicast

REBOOT = T0 + 50_000
GROUP, FRAG, SESSION, DATA = "McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment"
STATUS, UPGRADE, VERIFY = "FragSessionStatus", "UpgradeImage", "CompletionVerification"
UNICAST = [
    ("firmware", GROUP, {}),
    ("firmware", "DevRebootTime", {"reboot": REBOOT}),
    ("firmware", FRAG, {}),
    ("firmware", SESSION, {}),
    ("binary", STATUS, {}),
    ("firmware", UPGRADE, {"redundancy": 0}),
    ("firmware", VERIFY, {}),
]


def everybody_speaks(d: Any) -> None:
    for i in (1, 2, 3):
        d.up(i)


@pytest.mark.parametrize(("kind", "stage", "settings"), UNICAST)
def test_no_request_goes_out_in_a_pause(drive, kind, stage, settings) -> None:
    d = drive(3, kind=kind, stage=stage, ucast_msg_delay=5000, **settings)
    if stage == VERIFY:
        d.wait(30)
    d.pause()
    before = d.requests()
    assert len(before) <= 1
    everybody_speaks(d)
    d.wait(60)
    assert d.requests() == before
    d.unpause()
    d.wait(20)
    assert {r.dev_eui for r in d.requests()} == {f"{i:016x}" for i in (1, 2, 3)}


def test_no_fragment_goes_out_in_a_pause(drive) -> None:
    d = drive(1, summary_window=2, stage=DATA)
    d.wait_until(d.session().start + 5.5)
    [first] = d.frames()
    d.hand_over(first)
    d.pause()
    d.wait(1000)
    assert d.frames() == [first]
    d.unpause()
    assert [frame.frag_nb for frame in d.frames()] == [1, 2]


def test_no_fragment_goes_out_after_a_summary_in_a_pause(drive) -> None:
    d = drive(1, stage=DATA)
    d.wait_until(d.session().start + 5.5)
    d.hand_over(d.frames()[0])
    d.pause()
    d.summary(d.frames()[0])
    d.wait(1000)
    assert len(d.frames()) == 1


def test_no_multicast_status_request_goes_out_in_a_pause(drive) -> None:
    d = drive(3, kind="binary", redundancy=0, stage=STATUS)
    d.pause()
    n_frames = len(d.frames())
    d.wait(100)
    assert len(d.frames()) == n_frames
    d.unpause()
    assert d.frames()[-1].ask == STATUS


def test_a_pause_in_which_a_stage_begins_holds_it_too(drive) -> None:
    d = drive(1)
    d.sent(d.ask(1))
    d.pause()
    d.say(1, d.right_answer(1))
    d.wait(100)
    assert (d.stage, d.requests(1)) == (FRAG, [])
    d.unpause()
    assert d.questions(1) == [FRAG]


def test_a_transmission_that_begins_in_a_pause_waits(drive) -> None:
    d = drive(1, stage=SESSION)
    d.sent(d.ask(1))
    d.pause()
    d.say(1, d.right_answer(1))
    d.wait_until(d.session().start + 100)
    assert (d.stage, d.frames()) == (DATA, [])
    d.unpause()
    assert [frame.frag_nb for frame in d.frames()] == [1]


# ---- answers count ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "stage", "settings"), UNICAST)
def test_answers_count_in_a_pause(drive, kind, stage, settings) -> None:
    d = drive(2, kind=kind, stage=stage, **settings)
    if stage == VERIFY:
        d.wait(30)
    for i in (1, 2):
        d.sent(d.ask(i))
    d.pause()
    n_done = d.campaign.status().n_done
    d.say(1, d.right_answer(1))
    assert d.campaign.status().n_done == n_done + 1
    d.say(2, d.right_answer(2))
    assert d.stage != stage


def test_a_refusal_counts_in_a_pause(drive) -> None:
    d = drive(1)
    d.sent(d.ask(1))
    d.pause()
    d.say(1, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    assert d.status == "FAILED"


def test_sent_reports_and_summaries_count_in_a_pause(drive) -> None:
    d = drive(1)
    request = d.ask(1)
    d.pause()
    d.sent(request)
    assert [e.id for e in d.of(m.Reported)] == [request.id]


def test_uplinks_count_as_heard_in_a_pause(drive) -> None:
    d = drive(1)
    d.pause()
    d.up(1)
    d.wait(1000)
    assert d.of(m.GivenUp) == []
    d.unpause()
    assert d.questions(1) == [GROUP]


def test_answers_that_devices_wait_for_go_out_in_a_pause(drive) -> None:
    """They are no requests."""
    d = drive(2, ucast_msg_delay=0)
    d.pause()
    d.say(1, clock.AppTimeReq(device_time=0, ans_required=True, token_req=3))
    assert [reply.ask for reply in d.replies(1)] == ["AppTimeAns"]
    assert d.requests() == []


def test_time_passes_in_a_pause(drive) -> None:
    """Devices fall silent, sessions end, the maximum duration comes."""
    d = drive(1, max_duration=5000)
    d.pause()
    d.wait(299)
    assert d.of(m.GivenUp) == []
    d.wait(2)
    assert d.device(1).reason == "never heard"

    d = drive(1, max_duration=5000, stage=FRAG)
    d.pause()
    d.wait(5000)
    assert d.device(1).reason == "maximum duration reached"

    d = drive(1, max_duration=5000, stage=DATA)
    d.pause()
    d.wait(5000)
    assert (d.status, d.device(1).reason) == ("FAILED", "maximum duration reached after 0 of 5 fragments")


def test_an_overdue_answer_uses_up_a_retry_but_is_not_asked_for_again_before_the_pause_ends(drive) -> None:
    d = drive(1)
    d.sent(d.ask(1))
    d.pause()
    d.wait(5000)
    assert d.questions(1) == [GROUP]
    d.unpause()
    assert d.questions(1) == [GROUP] * 2


@pytest.mark.parametrize("withdraws", [True, False])
def test_a_request_that_a_pause_held_back_until_it_ran_out_uses_up_no_retry(drive, withdraws) -> None:
    d = drive(1, msg_retries=0, network=m.NetworkCapabilities(withdraws=withdraws))
    d.up(1)
    assert d.questions(1) == [GROUP]
    d.pause()
    d.wait(5000)
    assert (d.device(1).reason, d.turn(1).resends) == ("", 0)
    d.unpause()
    assert d.campaign.awaits_hand_over(d.requests(1)[-1].id)
    d.succeed(1)
    assert d.stage == FRAG


def test_the_pacing_is_kept_across_a_pause(drive) -> None:
    d = drive(3, ucast_msg_delay=10_000)
    everybody_speaks(d)
    d.pause()
    d.unpause()
    d.pause()
    d.unpause()
    d.wait(5)
    assert len(d.requests()) == 1
    d.wait(30)
    times = [r.at - T0 for r in d.requests()]
    assert times == [0, 10, 20]


def test_the_spacing_of_frames_is_kept_across_a_pause(drive) -> None:
    d = drive(1, summary_reports_disabled=True, stage=DATA)
    d.wait_until(d.session().start + 5)
    d.hand_over(d.frames()[0])
    d.pause()
    d.unpause()
    assert len(d.frames()) == 1
    spacing = d.campaign.plan.groups["meters"].time.spacing
    d.wait(spacing - 0.01)
    assert len(d.frames()) == 1
    d.wait(0.02)
    assert len(d.frames()) == 2


# ---- the verbs -------------------------------------------------------------------------------------------


def test_pause_and_unpause_are_said_once(drive) -> None:
    d = drive(1)
    assert d.campaign.unpause(d.now) == []
    assert [type(e) for e in d.campaign.pause(d.now)] == [m.Paused]
    assert d.campaign.pause(d.now) == []
    assert (d.campaign.paused, d.campaign.status().paused, d.status) == (True, True, "RUNNING")
    assert [type(e) for e in d.campaign.unpause(d.now)] == [m.Unpaused]
    assert not d.campaign.paused


@pytest.mark.parametrize("verb", ["pause", "unpause"])
def test_a_campaign_that_does_not_run_cannot_be_paused_and_does_not_change(drive, config_of, verb) -> None:
    with pytest.raises(CampaignError, match="it is CONFIGURED"):
        getattr(Campaign(config_of(1), IMAGE), verb)(T0)
    d = drive(1)
    d.reach("end")
    before = d.campaign.status(), d.campaign.n_events
    with pytest.raises(CampaignError, match="it is SUCCEEDED"):
        getattr(d.campaign, verb)(d.now)
    assert (d.campaign.status(), d.campaign.n_events) == before


@pytest.mark.parametrize("stage", [GROUP, FRAG, SESSION, DATA, VERIFY])
def test_a_paused_campaign_can_be_replayed_and_is_still_paused(drive, stage) -> None:
    d = drive(2, stage=stage)
    d.pause()
    again = Campaign.replay(d.events, IMAGE)
    assert (again.status(), again.deadline(), again.paused) == (d.campaign.status(), d.campaign.deadline(), True)
    d.crash()
    d.up(1)
    d.wait(50)
    assert d.campaign.paused
    assert d.requests() == []
    d.unpause()
    assert not Campaign.replay(d.events, IMAGE).paused


def test_a_campaign_goes_on_to_its_end_after_a_pause_in_every_stage(drive) -> None:
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters") for i in (1, 2))
    d = drive(devices=devices, reboot=REBOOT, redundancy=0)
    for stage in d.campaign.status().stages:
        d.reach(stage)
        d.pause()
        d.wait(1)
        d.unpause()
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_question_of_the_device_is_answered_before_what_waits_for_the_end_of_the_pause(drive, group_of) -> None:
    d = drive(2, groups=(group_of(version="2.0.0"),), ack_reception=True, ucast_msg_delay=5000, stage=VERIFY)
    d.wait(30)
    d.pause()
    everyone = (1, 2)
    for i in everyone:
        d.say(i, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=False))
    d.unpause()
    d.wait(30)
    asks = [e.ask for e in d.of(m.Requested) if e.dev_eui is not None and e.at >= d.of(m.Paused)[0].at]
    assert asks[:3] == ["FragDataBlockReceivedAns", "DevVersion", "FragDataBlockReceivedAns"]
