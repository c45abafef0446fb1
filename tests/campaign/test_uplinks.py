"""Reading of uplinks: first uplinks, measured periods, commands that cannot be read."""

from __future__ import annotations

import pytest
from campaign_driver import replayed, same

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.messages import (
    BlockReceived,
    DeviceHeard,
    DownlinkSent,
    HandOver,
    MulticastSummary,
    PeriodMeasured,
    ReplyOwed,
    Reported,
    Unanswered,
    Uplink,
    VersionHeard,
)
from fuota_fec.wire import firmware, fragmentation, multicast


def speaks(d, i, *intervals):
    """Own uplinks of a device, so many seconds apart, the first one now."""
    d.up(i)
    for seconds in intervals:
        d.wait(seconds)
        d.up(i)


SETUP, FRAG = "McGroupSetup", "FragSessionSetup"


def test_an_uplink_on_any_port_counts_as_heard(drive):
    for port, payload in ((1, b""), (200, b""), (201, b"\xff\xff"), (203, b"\x01"), (224, b"x" * 242)):
        d = drive(1)
        d.up(1, port, payload)
        assert len(d.requests(1)) == 1


def test_heard_is_one_event_however_often_the_device_speaks(drive):
    d = drive(2)
    for _ in range(100):
        d.up(1)
        d.wait(0.5)
    assert len(d.of(DeviceHeard)) == 1


def test_the_period_is_the_configured_one_until_three_intervals_are_heard(drive):
    d = drive(1)
    speaks(d, 1, 40, 40)
    assert d.of(PeriodMeasured) == []
    assert d.state(1).period == 100
    d.wait(40)
    d.up(1)
    assert d.state(1).period == 40


def test_the_period_is_the_median_once_three_intervals_are_heard(drive):
    d = drive(1)
    speaks(d, 1, 30, 500, 50)
    [measured] = d.of(PeriodMeasured)
    assert (measured.dev_eui, measured.period, measured.at) == (f"{1:016x}", 50, d.now)
    assert d.state(1).period == 50


def test_the_time_of_reception_counts_not_that_of_arrival(drive):
    d = drive(1)
    start = d.now
    for n, delay in enumerate((0, 8, 0, 9)):
        d.wait_until(start + 70 * n + delay)
        d.up(1, received_at=start + 70 * n)
    assert [e.period for e in d.of(PeriodMeasured)] == [70]


def test_an_uplink_with_a_time_of_reception_far_from_its_arrival_counts_by_its_arrival(drive):
    d = drive(1)
    start = d.now
    for n in range(4):
        d.wait_until(start + 70 * n)
        d.up(1, received_at=d.now - 30 * n - 20)
    assert [e.period for e in d.of(PeriodMeasured)] == [70]


MALFORMED = [
    *(None, 7, "uplink", b"", pytest.param(object(), id="object"), ("id",), {"dev_eui": f"{1:016x}"}),
    *(Uplink(None, 1, b"", 1.0), Uplink(f"{1:016x}", None, b"", 1.0), Uplink(f"{1:016x}", 1, "text", 1.0)),
    *(Uplink(f"{1:016x}", 1, None, 1.0), Uplink(f"{1:016x}", 1, b"", None), Uplink(f"{1:016x}", 1, b"", "now")),
    *(DownlinkSent(None), DownlinkSent(["c/1"]), DownlinkSent("c/1", None), MulticastSummary(7)),
    *(HandOver(None), HandOver("c/1", f_cnt="5"), HandOver("c/1", f_cnt=-1), HandOver("c/1", f_cnt=2**32)),
    *(HandOver("c/1", f_cnt=True), HandOver("c/1", f_cnt=float("nan"))),
]


@pytest.mark.parametrize("item", MALFORMED, ids=repr)
def test_malformed_input_is_counted_and_changes_nothing(drive, item):
    d = drive(1)
    d.up(1)
    assert d.receive(item) == []
    assert d.campaign.ignored["malformed input"] == 1


@pytest.mark.parametrize("received_at", [float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e300])
def test_an_uplink_without_a_time_that_a_calendar_knows_is_counted(drive, received_at):
    d = drive(1)
    assert d.up(1, received_at=received_at) == []
    assert d.campaign.ignored["uplink without a time"] == 1


def test_a_device_that_changes_its_version_with_each_uplink_causes_a_bounded_number_of_events(drive):
    d = drive(2)
    for version in range(1000):
        d.say(1, firmware.DevVersionAns(fw_version=version, hw_version=1))
    assert len(d.of(VersionHeard)) == 64
    assert d.campaign.ignored["more than a device may report of its own accord"] == 936
    d.say(2, firmware.DevVersionAns(fw_version=7, hw_version=1))
    assert len(d.of(VersionHeard)) == 65


def test_a_device_that_never_asks_for_the_time_it_was_promised_is_bounded_like_others(drive):
    d = drive(1, stage="McClassCSession")
    d.sent(d.ask(1))
    d.say(1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=5))
    d.sent(d.ask(1))
    for version in range(300):
        d.say(1, firmware.DevVersionAns(fw_version=version, hw_version=1))
    assert len(d.of(VersionHeard)) == 64


def test_a_block_whose_status_flips_causes_a_bounded_number_of_events(drive, group_of):
    d = drive(1, groups=(group_of(version="2.0.0"),), ack_reception=True, reply_interval=0)
    d.reach("CompletionVerification")
    for n in range(300):
        d.say(1, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=bool(n % 2)))
        for reply in d.replies(1):
            d.hand_over(reply)
    assert len(d.of((BlockReceived, ReplyOwed))) == 64


def test_a_repeated_or_late_uplink_is_no_interval(drive):
    d = drive(1)
    start = d.now
    for arrival, received_at in ((0, 0), (1, 0), (60, 60), (61, 60), (62, 55), (120, 120), (121, 115), (122, 120)):
        d.wait_until(start + arrival)
        d.up(1, received_at=start + received_at)
    assert d.of(PeriodMeasured) == []
    d.wait_until(start + 181)
    d.up(1, received_at=start + 180)
    assert [e.period for e in d.of(PeriodMeasured)] == [60]


@pytest.mark.parametrize("port", [200, 201, 202, 203])
def test_an_answer_is_no_sign_of_the_uplink_period(drive, port):
    d = drive(2)
    for _ in range(6):
        d.up(1, port, b"\xff")
        d.wait(3)
    assert d.of(PeriodMeasured) == []


@pytest.mark.parametrize("at", [0.0, -1.0, -1e308, float("inf"), float("-inf"), float("nan"), 1e12, 1e308])
def test_an_uplink_without_a_time_that_can_be_is_counted_and_nothing_else(drive, at):
    d = drive(1)
    assert d.up(1, received_at=at) == []
    assert d.campaign.ignored["uplink without a time"] == 1
    assert not d.state(1).heard


def test_a_gateway_whose_clock_is_ahead_does_not_stop_the_measuring(drive):
    d = drive(1)
    d.up(1)
    d.wait(30)
    d.up(1, received_at=d.now + 1e6)
    for _ in range(2):
        d.wait(30)
        d.up(1)
    assert [e.period for e in d.of(PeriodMeasured)] == [30]


def test_a_period_is_measured_at_most_once_in_a_stage(drive):
    d = drive(1)
    speaks(d, 1, 10, 10, 10, 90, 90, 90, 90, 90, 90, 90)
    assert len(d.of(PeriodMeasured)) == 1
    d.reach("FragSessionSetup")
    speaks(d, 1, 90)
    assert [e.period for e in d.of(PeriodMeasured)][1:] == [90]


def test_a_measured_period_is_what_the_sent_report_is_waited_for(drive):
    d = drive(1)
    speaks(d, 1, 400, 400, 400, 400, 400, 400)
    d.ask(1)
    n_reports = len(d.of(Reported))
    d.wait(489)
    assert len(d.of(Reported)) == n_reports
    d.wait(2)
    assert d.of(Reported)[-1].cause == "no sent report in time"


@pytest.mark.parametrize(
    ("intervals", "jitter"),
    [
        ((400, 400, 400), 0.2),
        ((400, 300, 400), 0.2),
        ((400, 540, 400), 0.35),
        ((400, 1200, 400), 0.2),
        ((400, 940, 400), 0.35),
    ],
)
def test_the_jitter_of_a_device_is_measured_with_its_period(drive, intervals, jitter):
    """A missed uplink is no jitter; no device counts as more regular than ±10 %."""
    d = drive(1, uplink_period=1000)
    speaks(d, 1, *intervals)
    assert (d.state(1).period, d.state(1).jitter) == (400, pytest.approx(jitter))
    d.ask(1)
    asked_at = d.now
    d.wait(2000)
    assert d.of(Reported)[0].at - asked_at == pytest.approx(400 * (1 + jitter) + 10)
    assert same(replayed(d), d.campaign)


def test_an_uplink_that_comes_twice_is_not_another_one(drive):
    """Only another uplink proves that the request left in the receive windows of the one before it."""
    d = drive(1, network=m.NetworkCapabilities(sent_reports=False, withdraws=False))
    d.ask(1)
    d.wait(50)
    heard_at = d.now
    d.say(1, d.right_answer(1))
    d.wait(1)
    d.up(1, received_at=heard_at)
    assert (d.stage, d.requests(1)) == (FRAG, [])
    d.wait(1)
    d.up(1)
    assert [e.cause for e in d.of(Reported)] == ["uplink heard", "another uplink heard"]
    assert len(d.requests(1)) == 1


def test_an_answer_with_the_next_uplink_counts_though_that_is_late(drive):
    """The sent report and the answer both come with uplinks that are 19 % late."""
    d = drive(1, uplink_period=3600, delivery_timeout=60)
    request = d.ask(1)
    d.wait(1.19 * 3600)
    d.up(1)
    d.sent(request)
    d.wait(1.19 * 3600)
    d.say(1, d.right_answer(1))
    assert d.stage == "FragSessionSetup"
    assert len(d.requests(1, "McGroupSetup")) == 1


def test_a_measured_period_makes_its_device_the_slowest(drive):
    d = drive(2)
    d.up(2)
    speaks(d, 1, 250, 250, 250)
    assert d.state(1).period == 250
    d.sent(d.ask(2))
    sent_at = d.now
    d.wait(500)
    assert [e.at for e in d.of(Unanswered)] == [sent_at + 310]


def test_an_uplink_from_before_the_campaign_is_not_heard(drive):
    d = drive(1)
    d.wait(5)
    d.up(1, received_at=d.now - 10)
    assert d.requests(1) == []
    d.up(1, received_at=d.now - 4)
    assert len(d.requests(1)) == 1


def test_commands_are_read_on_the_configured_ports_only(drive):
    from fuota_fec.campaign.config import Ports

    d = drive(1, ports=Ports(multicast=10, fragmentation=11, firmware=12))
    request = d.ask(1)
    assert request.f_port == 10
    d.sent(request)
    answer = multicast.McGroupSetupAns(mc_group_id=0).encode()
    d.up(1, 200, answer)
    assert d.stage == SETUP
    d.up(1, 10, answer)
    assert d.stage == FRAG


@pytest.mark.parametrize("port", [200, 201, 203])
@pytest.mark.parametrize("payload", [b"\xff", b"\x02", b"\x04\x00\x01", b"\x01\x01\x02", bytes(242), b"\xff" * 242])
def test_garbage_is_counted_and_the_campaign_goes_on(drive, port, payload) -> None:
    d = drive(1, stage="McGroupSetup")
    d.sent(d.ask(1))
    d.up(1, port, payload)
    d.wait(1)
    if d.stage == "McGroupSetup":
        d.say(1, d.right_answer(1))
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_truncated_answer_is_counted_and_its_device_asked_again(drive) -> None:
    d = drive(1, stage="McClassCSession")
    d.sent(d.ask(1))
    d.up(1, 200, d.right_answer(1).encode()[:-1])
    assert d.campaign.ignored["unreadable uplink"] == 1
    assert d.of(m.Answered)[-1].at <= d.requests(1)[0].at
    d.wait(132)
    assert len(d.requests(1)) == 2


def test_commands_before_a_truncated_one_are_read(drive) -> None:
    d = drive(1)
    d.sent(d.ask(1))
    d.up(1, 200, multicast.McGroupSetupAns(mc_group_id=0).encode() + b"\x04")
    assert d.stage == "FragSessionSetup"
    assert d.campaign.ignored["unreadable uplink"] == 1


def test_a_device_that_left_is_foreign(drive) -> None:
    d = drive(2, success_threshold=50, stage_end="all")
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    assert d.stage == "FragSessionSetup"
    assert d.say(2, multicast.McGroupSetupAns(mc_group_id=0)) == []
    assert d.campaign.ignored["device has left the campaign"] == 1
