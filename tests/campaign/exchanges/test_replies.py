"""Replies to devices: AppTimeAns (TS003) and FragDataBlockReceivedAns (TS004)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from campaign_driver import IMAGE, T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device, Ports
from fuota_fec.campaign.state import Data
from fuota_fec.wire import clock, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire

GROUP, FRAG, SESSION, DATA = "McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment"
STATUS, VERIFY = "FragSessionStatus", "CompletionVerification"
TIME, BLOCK = "AppTimeAns", "FragDataBlockReceivedAns"


def asks_time(off: float = 0.0, *, at: float = T0, required: bool = False, token: int = 5) -> clock.AppTimeReq:
    """A device whose clock is `off` seconds ahead at a Unix time."""
    return clock.AppTimeReq(device_time=gps_to_wire(gps_from_unix(at + off)), ans_required=required, token_req=token)


def answer(reply: m.Requested) -> Any:
    assert reply.command is not None
    module = clock if reply.ask == TIME else fragmentation
    [command] = module.decode(reply.command, uplink=False, version="1.0.0" if module is clock else "2.0.0")
    return command


def complete(mic_error: bool = False, frag_index: int = 0) -> fragmentation.FragDataBlockReceivedReq:
    return fragmentation.FragDataBlockReceivedReq(frag_index=frag_index, mic_error=mic_error)


def second(drive: Any, group_of: Any, n: int = 1, **settings: Any) -> Any:
    group = group_of(version="2.0.0", mc_version="2.0.0")
    return drive(n, groups=(group,), ack_reception=True, **{"stage": VERIFY} | settings)


# ---- AppTimeAns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("off", "answered"), [(0, False), (1, False), (-1, False), (2, True), (-2, True), (3600, True), (-86_400, True)]
)
def test_only_a_correction_above_the_tolerance_is_answered(drive, off, answered) -> None:
    d = drive(1)
    d.say(1, asks_time(off))
    assert [answer(reply) for reply in d.replies(1)] == (
        [clock.AppTimeAns(time_correction=-off, token_ans=5)] if answered else []
    )


@pytest.mark.parametrize(
    ("tolerance", "off", "answered"), [(0, 0, False), (0, 1, True), (30, 30, False), (30, 31, True)]
)
def test_the_tolerance_is_configured(drive, tolerance, off, answered) -> None:
    d = drive(1, time_sync_tolerance=tolerance)
    d.say(1, asks_time(off))
    assert len(d.replies(1)) == answered


@pytest.mark.parametrize("off", [0, 1, -1])
def test_a_correction_within_the_tolerance_is_answered_if_the_device_requires_it(drive, off) -> None:
    d = drive(1)
    d.say(1, asks_time(off, required=True, token=11))
    [reply] = d.replies(1)
    assert answer(reply) == clock.AppTimeAns(time_correction=-off, token_ans=11)
    assert (reply.f_port, reply.reply, reply.dev_eui, reply.group) == (202, True, f"{1:016x}", None)


def test_the_correction_holds_at_the_time_of_reception(drive) -> None:
    """The uplink was under way for 8 s."""
    d = drive(1)
    d.wait(100)
    received_at = d.now - 8
    d.say(1, asks_time(7, at=received_at), received_at=received_at)
    assert answer(d.replies(1)[0]).time_correction == -7


@pytest.mark.parametrize("off", [-10.5, -30, -100_000, 1.5, 30])
def test_the_time_of_a_foreign_clock_corrects_no_device_and_is_reported_once(drive, off) -> None:
    d = drive(2)
    d.wait(100)
    for i in (1, 2, 1):
        d.say(i, asks_time(7, at=d.now + off), received_at=d.now + off)
    assert (d.replies(), [(e.dev_eui, e.off) for e in d.of(m.ForeignClock)]) == ([], [(f"{1:016x}", off)])
    assert d.campaign.ignored["time of reception far from the arrival"] == 3
    d.say(1, asks_time(7, at=d.now))
    d.wait(2)
    assert answer(d.replies(1)[0]).time_correction == -7


def test_a_correction_that_does_not_fit_is_cut(drive) -> None:
    """2^31 s are 68 years; the device asks again."""
    d = drive(1)
    d.say(1, clock.AppTimeReq(device_time=0, ans_required=False, token_req=0))
    expected = gps_to_wire(gps_from_unix(T0))
    assert answer(d.replies(1)[0]).time_correction == (expected if expected < 2**31 else expected - 2**32)


def test_no_time_is_answered_if_the_network_does_so_itself(drive) -> None:
    d = drive(1, network=m.NetworkCapabilities(clock_sync=True))
    d.say(1, asks_time(3600, required=True))
    assert d.replies() == []
    assert d.campaign.ignored["AppTimeReq"] == 1


def test_an_app_time_ans_goes_to_the_port_of_the_package(drive) -> None:
    d = drive(1, ports=Ports(clock=77))
    d.up(1, 77, asks_time(100).encode())
    assert d.replies(1)[0].f_port == 77


@pytest.mark.parametrize("stage", [GROUP, FRAG, SESSION, DATA, VERIFY])
def test_a_question_for_the_time_is_answered_in_every_stage(drive, stage) -> None:
    d = drive(1, stage=stage)
    d.say(1, asks_time(100, at=d.now))
    d.wait(2)
    assert [reply.ask for reply in d.replies(1)] == [TIME]


def test_a_device_of_no_campaign_is_not_answered(drive) -> None:
    d = drive(1)
    d.receive(m.Uplink("ff" * 8, 202, asks_time(100, required=True).encode(), d.now))
    d.wait(2)
    assert d.replies() == []


def test_a_question_for_the_time_counts_as_heard(drive) -> None:
    d = drive(1, ucast_msg_delay=0)
    d.say(1, asks_time(100))
    assert [e.ask for e in d.of(m.Requested)] == [TIME, GROUP]


# ---- a clock that was lost -------------------------------------------------------------------------------


def unknown_time(d: Any, i: int = 1) -> None:
    d.sent(d.ask(i))
    d.say(i, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=multicast.TIME_TO_START_UNKNOWN))


def test_a_device_that_does_not_know_the_time_is_synchronised_first_and_then_asked_again(drive) -> None:
    d = drive(1, stage=SESSION)
    unknown_time(d)
    assert d.asked(1) == "ForceDeviceResync"
    request = d.ask(1)
    assert d.command(request) == clock.ForceDeviceResyncCmd(nb_transmissions=1)
    assert request.f_port == 202
    d.sent(request)
    d.say(1, asks_time(-(10**6), at=d.now))
    d.wait(3)
    assert len(d.replies(1)) == 1
    d.succeed(1)
    assert d.stage == DATA
    assert d.questions(1, SESSION) == ["McSession", "ForceDeviceResync", "McSession"]


def test_a_question_for_the_time_ends_the_synchronisation_even_if_the_network_answers_it(drive) -> None:
    d = drive(1, network=m.NetworkCapabilities(clock_sync=True), stage=SESSION)
    unknown_time(d)
    d.sent(d.ask(1))
    d.say(1, asks_time(-(10**6), at=d.now))
    assert (d.asked(1), d.replies()) == ("McSession", [])


def test_a_device_that_does_not_synchronise_is_asked_again_all_the_same(drive) -> None:
    d = drive(1, stage=SESSION)
    unknown_time(d)
    d.sent(d.ask(1))
    d.wait(135)
    assert d.asked(1) == "McSession"


def test_a_clock_that_stays_unknown_is_off(drive) -> None:
    d = drive(1, stage=SESSION)
    unknown_time(d)
    d.sent(d.ask(1))
    d.say(1, asks_time(0, at=d.now, required=True))
    unknown_time(d)
    assert d.device(1).reason == "clock off: the device does not know the time"
    assert d.questions(1, SESSION).count("ForceDeviceResync") == 1


# ---- FragDataBlockReceivedAns ----------------------------------------------------------------------------


@pytest.mark.parametrize("mic_error", [False, True])
def test_every_report_of_a_block_is_answered(drive, group_of, mic_error) -> None:
    """ST repeats it every 1.5 s until then: once in `reply_interval`."""
    d = second(drive, group_of)
    for n in range(1, 4):
        d.say(1, complete(mic_error))
        d.wait(2)
        assert len(d.replies(1)) == n
        d.hand_over(d.replies(1)[-1])
        d.say(1, complete(mic_error))
        d.wait(30)
        assert len(d.replies(1)) == n
    assert answer(d.replies(1)[0]) == fragmentation.FragDataBlockReceivedAns(frag_index=0)
    assert d.replies(1)[0].f_port == 201


def test_a_repeated_report_of_a_block_is_one_event(drive, group_of) -> None:
    d = second(drive, group_of)
    for _ in range(3):
        d.say(1, complete())
    assert [event.ok for event in d.of(m.BlockReceived)] == [True]
    assert d.device(1).data_complete


def test_a_block_that_is_right_after_a_mic_error_is_another_event(drive, group_of) -> None:
    d = second(drive, group_of)
    d.say(1, complete(mic_error=True))
    assert d.state(1).data is Data.WRONG
    d.say(1, complete())
    assert [event.ok for event in d.of(m.BlockReceived)] == [False, True]
    assert d.state(1).data is Data.COMPLETE


def test_the_report_of_another_session_is_not_answered(drive, group_of) -> None:
    d = second(drive, group_of, frag_index=1)
    d.say(1, complete(frag_index=0))
    assert d.replies() == []
    d.say(1, complete(frag_index=1))
    assert answer(d.replies(1)[0]).frag_index == 1


@pytest.mark.parametrize("stage", [GROUP, FRAG, SESSION])
def test_a_report_from_before_the_first_fragment_is_of_another_campaign(drive, group_of, stage) -> None:
    d = second(drive, group_of, stage=stage)
    d.say(1, complete())
    assert (d.replies(), d.of(m.BlockReceived)) == ([], [])
    assert d.campaign.ignored["FragDataBlockReceivedReq"] == 1


def test_a_report_of_a_block_is_answered_even_if_the_campaign_ends_with_it(drive, group_of) -> None:
    d = second(drive, group_of, kind="binary", stage=STATUS)
    d.say(1, complete())
    d.wait(2)
    [reply] = d.replies(1)
    assert (d.status, d.campaign.finished, d.campaign.awaits_hand_over(reply.id)) == ("stopping", False, True)
    d.hand_over(reply)
    assert (d.status, d.device(1).status) == ("SUCCEEDED", "passed")


def test_an_answer_that_nobody_takes_does_not_keep_the_campaign_for_ever(drive, group_of) -> None:
    d = second(drive, group_of, kind="binary", stage=STATUS)
    d.say(1, complete())
    d.wait(200)
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("stage", [DATA, STATUS])
def test_a_report_of_a_block_is_answered_as_soon_as_fragments_are_sent(drive, group_of, stage) -> None:
    d = second(drive, group_of, kind="binary", stage=stage)
    d.say(1, complete())
    d.wait(2)
    assert [reply.ask for reply in d.replies(1)] == [BLOCK]


# ---- before requests, one at a time ------------------------------------------------------------------------


def test_replies_go_before_requests(drive) -> None:
    d = drive(4, ucast_msg_delay=5000)
    for i in (1, 2, 3, 4):
        d.up(i)
    d.say(4, asks_time(100))
    d.wait(30)
    sent = [(e.ask, int(e.dev_eui, 16)) for e in d.of(m.Requested)]
    assert sent == [(GROUP, 1), (TIME, 4), (GROUP, 2), (GROUP, 3), (GROUP, 4)]


def test_replies_are_paced_with_everything_else(drive) -> None:
    d = drive(3, ucast_msg_delay=5000)
    for i in (1, 2, 3):
        d.say(i, asks_time(100))
    d.wait(60)
    assert [e.at - T0 for e in d.of(m.Requested)] == [0, 5, 10, 15, 20, 25]
    assert [e.ask for e in d.of(m.Requested)] == [TIME, GROUP] * 3


def test_a_device_that_asks_every_second_leaves_every_other_slot_to_requests(drive) -> None:
    d = drive(30, reply_interval=0)
    for i in range(2, 31):
        d.up(i)
    for _ in range(60):
        d.say(1, asks_time(100))
        d.wait(1)
        for reply in d.replies(1):
            d.hand_over(reply)
    kinds = [e.ask for e in d.of(m.Requested)][:58]
    assert kinds.count(GROUP) == kinds.count(TIME) == 29


def test_replies_wait_no_longer_than_requests_in_a_campaign_that_is_paused(drive) -> None:
    d = drive(3)
    for i in (1, 2):
        d.up(i)
    d.pause()
    for _ in range(3):
        d.say(3, asks_time(100))
        d.wait(5)
        d.hand_over(d.replies(3)[-1])
        d.wait(31)
    assert len(d.replies(3)) == 3


def test_a_device_gets_one_answer_of_a_kind_in_the_reply_interval(drive) -> None:
    d = drive(1, reply_interval=100)
    for _ in range(25):
        d.say(1, asks_time(100))
        d.wait(10)
        for reply in d.replies(1):
            d.hand_over(reply)
    times = [e.at for e in d.of(m.ReplyOwed)]
    assert len(times) == 3
    assert all(100 <= later - earlier <= 110 for earlier, later in pairwise(times))


def test_the_reply_interval_begins_with_the_hand_over(drive) -> None:
    """Ten devices that ask every 0.9 s got replies 18 s apart, as each waited in the queue for a different time."""
    d = drive(10)
    at: dict[str, list[float]] = {}
    for n in range(400):
        d.say(1 + n % 10, asks_time(100))
        d.wait(0.9)
        for request in d.of(m.Requested):
            if d.campaign.awaits_hand_over(request.id):
                d.hand_over(request)
                if request.reply:
                    at.setdefault(request.dev_eui, []).append(d.now)
    assert len(at) == 10
    assert min(later - earlier for times in at.values() for earlier, later in pairwise(times)) >= 30
    assert min(map(len, at.values())) >= 8


def test_a_device_that_is_to_synchronise_gets_the_time_whenever_it_was_answered_last(drive) -> None:
    d = drive(1, stage="McClassCSession")
    d.say(1, asks_time(100))
    d.wait(1)
    d.hand_over(d.replies(1)[-1])
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=5))
    d.sent(d.ask(1))
    d.say(1, asks_time(100))
    assert len(d.of(m.ReplyOwed)) == 2


def test_questions_that_come_once_a_campaign_ends_hold_up_nothing(drive) -> None:
    d = drive(40, kind="multicast", stage="McClassCSession", clean_up=True)
    for i in range(1, 41):
        d.say(i, asks_time(100))
    d.stop()
    for n in range(400):
        d.say(1 + n % 40, asks_time(100))
        d.wait(5)
        if d.campaign.finished:
            break
        for i in d.cleaned()[:2]:
            d.succeed(i)
    assert d.status == "STOPPED"


def test_a_campaign_that_succeeds_sends_the_replies_that_it_owed_by_then(drive, group_of) -> None:
    """ST repeats its report until it is answered, and the last report ends the campaign."""
    d = second(drive, group_of, kind="binary", stage="FragSessionStatus", clean_up=False, complete_delay=0)
    d.sent(d.ask(1))
    d.say(1, complete(False))
    assert (d.status, len(d.of(m.ReplyOwed))) == ("stopping", 1)
    d.wait(1)
    d.hand_over(d.replies(1)[0])
    assert (d.status, len(d.replies(1))) == ("SUCCEEDED", 1)


def test_a_question_is_not_answered_twice_while_an_answer_waits(drive) -> None:
    d = drive(2, ucast_msg_delay=5000)
    d.up(2)
    for _ in range(3):
        d.say(1, asks_time(100))
    assert len(d.of(m.ReplyOwed)) == 1
    d.wait(5)
    d.say(1, asks_time(100))  # the answer is requested, and not handed over
    assert len(d.of(m.ReplyOwed)) == len(d.replies(1)) == 1
    d.hand_over(d.replies(1)[0])
    d.wait(29)
    d.say(1, asks_time(100))
    assert len(d.of(m.ReplyOwed)) == 1
    d.wait(1)
    d.say(1, asks_time(100))
    assert len(d.of(m.ReplyOwed)) == 2


def test_answers_to_two_questions_do_not_stand_in_each_others_way(drive, group_of) -> None:
    d = second(drive, group_of, ucast_msg_delay=5000)
    d.say(1, complete())
    d.say(1, asks_time(100, at=d.now))
    d.wait(10)
    assert [reply.ask for reply in d.replies(1)] == [BLOCK, TIME]


def test_two_devices_are_both_answered(drive) -> None:
    d = drive(2, ucast_msg_delay=0)
    d.say(1, asks_time(100))
    d.say(2, asks_time(200))
    assert [int(reply.dev_eui, 16) for reply in d.replies()] == [1, 2]


def test_a_reply_expects_no_answer_and_takes_no_retry(drive) -> None:
    d = drive(1, ucast_msg_delay=0)
    d.say(1, asks_time(100))
    request = d.requests(1)[0]
    d.hand_over(d.replies(1)[0])
    d.receive(m.DownlinkSent(d.replies(1)[0].id, ok=False))
    d.wait(100)
    assert (len(d.replies(1)), d.requests(1), d.turn(1).resends) == (1, [request], 0)
    assert d.campaign.ignored["DownlinkSent"] == 1


def test_a_reply_that_nobody_takes_runs_out(drive) -> None:
    """Its correction is of then. P(d) = 100 s, 20 s late at most, delivery_timeout = 10 s."""
    d = drive(1)
    d.say(1, asks_time(100))
    [reply] = d.replies(1)
    assert reply.not_after == T0 + 100 * 1.2 + 10
    d.wait(131)
    assert not d.campaign.awaits_hand_over(reply.id)
    assert [event.cause for event in d.of(m.Reported) if event.id == reply.id] == ["not handed over in time"]
    d.say(1, asks_time(100, at=d.now))
    assert len(d.of(m.ReplyOwed)) == 2


def test_the_reply_leaves_the_request_of_the_device_alone(drive) -> None:
    """At most one request is outstanding; a reply is none."""
    d = drive(1)
    request = d.ask(1)
    d.say(1, asks_time(100))
    d.wait(1)
    assert d.replies(1)[0].replaces is None
    d.sent(request)
    d.say(1, multicast.McGroupSetupAns(mc_group_id=0))
    assert d.stage == FRAG


def test_answer_and_question_in_one_uplink(drive) -> None:
    d = drive(1, ports=Ports(), stage=GROUP)
    d.sent(d.ask(1))
    payload = asks_time(100, at=d.now).encode() * 2
    d.up(1, 202, payload)
    assert len(d.of(m.ReplyOwed)) == 1
    d.say(1, multicast.McGroupSetupAns(mc_group_id=0))
    assert d.stage == FRAG


def test_a_device_that_has_left_does_not_get_the_time(drive) -> None:
    """Nothing more is planned with it; its questions took the slots of others."""
    d = drive(2, success_threshold=50, stage_end="all")
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    d.say(2, asks_time(100, at=d.now, required=True))
    d.wait(100)
    assert (d.replies(2), d.of(m.ReplyOwed)) == ([], [])
    assert d.campaign.ignored["device has left the campaign"] == 1


def test_a_device_that_was_given_up_and_may_be_asked_after_all_gets_the_time(drive) -> None:
    d = drive(2, stage_end="all")
    d.up(1)
    d.wait(400)
    assert d.device(2).reason == "never heard"
    d.say(2, asks_time(100, at=d.now, required=True))
    d.wait(2)
    assert [reply.ask for reply in d.replies(2)] == ["AppTimeAns"]


def test_a_device_that_has_left_gets_the_time_while_it_is_cleaned_up(drive) -> None:
    d = drive(2, success_threshold=50, stage_end="all", reboot=T0 + 50_000, stage=FRAG)
    d.sent(d.ask(2))
    d.say(2, fragmentation.FragSessionSetupAns(frag_index=0, not_enough_memory=True))
    d.succeed(1)
    assert d.cleaned() == [2]
    d.say(2, asks_time(100, at=d.now, required=True))
    d.wait(3)
    assert [reply.ask for reply in d.replies(2)] == ["AppTimeAns"]
    while d.cleaned():
        d.succeed(2)
    d.wait(100)
    d.say(2, asks_time(100, at=d.now, required=True))
    d.wait(3)
    assert len(d.replies(2)) == 1


# ---- replay ----------------------------------------------------------------------------------------------


def test_replay_knows_what_is_owed(drive, group_of) -> None:
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters") for i in (1, 2, 3))
    group = group_of(version="2.0.0", mc_version="2.0.0")
    d = drive(devices=devices, groups=(group,), ack_reception=True, ucast_msg_delay=5000, stage=VERIFY)
    checked = 0
    original = d.keep

    def keep(events: list[m.Event]) -> list[m.Event]:
        nonlocal checked
        kept = original(events)
        again = Campaign.replay(d.events, IMAGE)
        assert (again.status(), again.deadline()) == (d.campaign.status(), d.campaign.deadline())
        assert all(again.awaits_hand_over(e.id) == d.campaign.awaits_hand_over(e.id) for e in d.of(m.Requested))
        checked += 1
        return kept

    d.keep = keep
    for i in (1, 2, 3):
        d.say(i, complete())
        d.say(i, asks_time(100, at=d.now))
    d.wait(7)
    d.hand_over(d.replies()[0])
    d.pause()
    d.wait(12)
    d.unpause()
    d.wait(200)
    assert (len(d.replies()), checked > 15) == (6, True)
