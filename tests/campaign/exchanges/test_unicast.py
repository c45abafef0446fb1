"""Unicast exchange: pacing, resends, reports, answers, closing, and verification."""

from __future__ import annotations

import itertools

import pytest
from campaign_driver import OLD_VERSION

from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import (
    Answered,
    DownlinkSent,
    Finished,
    GivenUp,
    HandedOver,
    HandOver,
    LateAnswer,
    NetworkCapabilities,
    Reported,
    Requested,
    StageClosing,
    StageEnded,
    StageStarted,
    Unanswered,
    VersionHeard,
)
from fuota_fec.planning.unicast import until_uplink
from fuota_fec.wire import firmware, fragmentation, multicast

OK = multicast.McGroupSetupAns(mc_group_id=0)
REFUSED = multicast.McGroupSetupAns(mc_group_id=0, id_error=True)
WAIT = until_uplink(100, 10)
"""Longest wait for an uplink where P(d) is 100 s and `delivery_timeout` 10 s."""
UNICAST_STAGES = ["McGroupSetup", "FragSessionSetup", "McClassCSession", "CompletionVerification"]


def old_version(version: int = OLD_VERSION) -> firmware.DevVersionAns:
    return firmware.DevVersionAns(fw_version=version, hw_version=1)


# ---- rule 1: heard first ---------------------------------------------------------------------------------


def test_nothing_is_sent_before_the_first_uplink_is_heard(drive):
    d = drive(3)
    d.wait(50)
    assert d.requests() == []
    d.up(2)
    assert [r.dev_eui for r in d.requests()] == [f"{2:016x}"]


def test_never_heard_after_three_of_the_devices_own_periods(drive):
    devices = (
        Device(dev_eui=f"{1:016x}", group="meters", uplink_period=50),
        Device(dev_eui=f"{2:016x}", group="meters"),
    )
    d = drive(2, devices=devices, success_threshold=50, stage_end="all")
    start = d.now
    d.wait(149.9)
    assert d.of(GivenUp) == []
    d.wait(0.2)
    [first] = d.of(GivenUp)
    assert (first.dev_eui, first.reason, first.at - start) == (f"{1:016x}", "never heard", pytest.approx(150))
    d.wait(200)
    assert [(e.dev_eui, e.reason) for e in d.of(GivenUp)[1:]] == [(f"{2:016x}", "never heard")]
    assert d.requests() == []


def test_heard_in_an_earlier_stage_is_heard(drive):
    d = drive(2)
    d.reach("FragSessionSetup")
    d.wait(2)
    assert {r.dev_eui for r in d.requests()} == {f"{1:016x}", f"{2:016x}"}


# ---- rule 2: pacing --------------------------------------------------------------------------------------


def request_times(d):
    return [e.at for e in d.of(Requested) if e.dev_eui is not None]


def test_unicast_requests_are_ucast_msg_delay_apart(drive):
    d = drive(10, ucast_msg_delay=2500)
    for i in range(1, 11):
        d.up(i)
    d.wait(60)
    times = request_times(d)
    assert len(times) == 10
    assert [b - a for a, b in itertools.pairwise(times)] == [pytest.approx(2.5)] * 9


def test_without_pacing_everybody_is_asked_at_once(drive):
    d = drive(10, ucast_msg_delay=0)
    start = d.now
    for i in range(1, 11):
        d.up(i)
    assert request_times(d) == [start] * 10


def test_resends_are_paced_too(drive):
    d = drive(4, ucast_msg_delay=3000)
    for i in range(1, 5):
        d.ask(i)
    for i in range(1, 5):
        d.sent(d.requests(i)[-1], ok=False)
    d.wait(30)
    times = request_times(d)
    assert len(times) == 8
    assert all(b - a >= 3 - 1e-6 for a, b in itertools.pairwise(times))


def test_pacing_holds_across_the_border_of_two_stages(drive):
    d = drive(2, ucast_msg_delay=20_000)
    d.reach("McClassCSession")
    d.wait(60)
    times = request_times(d)
    assert all(b - a >= 20 - 1e-6 for a, b in itertools.pairwise(times)), [t - times[0] for t in times]


def test_a_device_that_answered_meanwhile_is_not_asked_again_and_holds_up_nobody(drive):
    d = drive(3, ucast_msg_delay=10_000)
    first = d.ask(1)
    d.sent(first)
    d.sent(first, ok=False)
    d.up(2)
    d.up(3)
    d.say(1, OK)
    d.wait(60)
    assert [len(d.requests(i)) for i in (1, 2, 3)] == [1, 1, 1]


# ---- rule 3: one outstanding request ---------------------------------------------------------------------


def test_a_second_uplink_does_not_make_a_second_request(drive):
    d = drive(1)
    d.ask(1)
    for _ in range(20):
        d.up(1)
        d.wait(1)
    assert len(d.requests(1)) == 1


def test_a_resend_replaces_the_request_before_it(drive):
    d = drive(1)
    for _ in range(2):
        d.sent(d.ask(1), ok=False, cause="duty cycle")
        d.wait(2)
    ids = [r.id for r in d.requests(1)]
    assert len(set(ids)) == 3
    assert [r.replaces for r in d.requests(1)] == [None, *ids[:-1]]


def test_a_resend_says_the_same(drive):
    d = drive(1, stage="McClassCSession")
    d.sent(d.ask(1), ok=False)
    d.wait(5)
    first, second = d.requests(1)
    assert (first.command, first.f_port, first.digest, first.not_after) == (
        second.command,
        second.f_port,
        second.digest,
        second.not_after,
    )


def test_a_request_of_an_earlier_stage_whose_fate_is_unknown_is_replaced(drive):
    """The answer to the first attempt comes while the resend waits in the server's queue: two would be outstanding."""
    d = drive(1)
    d.sent(d.ask(1))
    d.wait(WAIT + 1)
    resend = d.requests(1)[-1]
    d.hand_over(resend)
    d.say(1, OK)
    assert d.stage == "FragSessionSetup"
    d.wait(2)
    asked = d.requests(1)
    assert asked == [] or asked[0].replaces == resend.id


def test_a_request_that_has_left_is_not_replaced(drive):
    d = drive(1)
    d.succeed(1)
    assert d.stage == "FragSessionSetup"
    assert d.ask(1).replaces is None


def test_requests_carry_the_sessions_start_as_their_end(drive):
    d = drive(1, stage="McClassCSession")
    start = d.of(StageStarted)[2].sessions["meters"].start
    assert d.ask(1).not_after == start


@pytest.mark.parametrize("stage", ["McGroupSetup", "FragSessionSetup", "McClassCSession"])
def test_setup_requests_end_at_a_configured_session_start(drive, stage):
    d = drive(1, session_start=1_800_005_000.0)
    d.reach(stage)
    assert d.ask(1).not_after == 1_800_005_000.0


# ---- rule 4: the sent report -----------------------------------------------------------------------------


@pytest.mark.parametrize(("timeout", "wait"), [(10, 130), (20, 140), (60, 180)])
def test_the_sent_report_is_due_one_period_its_jitter_and_delivery_timeout_after_the_hand_over(drive, timeout, wait):
    d = drive(1, ucast_msg_delay=0, delivery_timeout=timeout)
    d.up(1)
    d.wait(500)
    assert len(d.requests(1)) == 1, "without a hand-over nothing is due"
    d.hand_over(d.requests(1)[0])
    d.wait(wait - 0.1)
    assert d.of(Reported) == []
    d.wait(0.2)
    [report] = d.of(Reported)
    assert (report.ok, report.cause) == (False, "no sent report in time")
    assert len(d.requests(1)) == 2


def test_the_sent_report_waits_for_the_devices_own_period(drive):
    devices = (Device(dev_eui=f"{1:016x}", group="meters", uplink_period=500),)
    d = drive(1, devices=devices)
    d.ask(1)
    d.wait(500 * 1.2 + 10 - 1)
    assert d.of(Reported) == []
    d.wait(2)
    assert len(d.of(Reported)) == 1


def test_the_sent_report_of_a_fast_device_is_not_waited_for_as_long_as_that_of_a_slow_one(drive):
    devices = tuple(
        Device(dev_eui=f"{i:016x}", group="meters", uplink_period=period) for i, period in ((1, 60), (2, 5000))
    )
    d = drive(2, devices=devices)
    d.ask(1)
    d.wait(60 * 1.2 + 10 - 1)
    assert d.of(Reported) == []
    d.wait(2)
    assert len(d.of(Reported)) == 1


@pytest.mark.parametrize("cause", ["not delivered", "expired", "duty cycle"])
def test_a_negative_report_resends_at_once_and_uses_a_retry(drive, cause):
    d = drive(1, msg_retries=1, ucast_msg_delay=0)
    d.sent(d.ask(1), ok=False, cause=cause)
    assert len(d.requests(1)) == 2
    d.sent(d.ask(1), ok=False, cause=cause)
    assert len(d.requests(1)) == 2
    [given_up] = d.of(GivenUp)
    assert given_up.reason == "no answer in McGroupSetup"


def test_a_repeated_negative_report_uses_one_retry_only(drive):
    d = drive(1, msg_retries=1, ucast_msg_delay=0)
    first = d.ask(1)
    for _ in range(5):
        d.sent(first, ok=False)
    assert len(d.requests(1)) == 2
    assert d.of(GivenUp) == []


def test_without_sent_reports_the_first_uplink_after_the_hand_over_stands_for_it(drive):
    d = drive(1, network=NetworkCapabilities(sent_reports=False))
    d.up(1)
    d.up(1)
    assert d.of(Reported) == [], "not handed over yet"
    d.hand_over(d.requests(1)[0])
    d.wait(60)
    d.up(1)
    [report] = d.of(Reported)
    assert report.ok
    d.wait(WAIT - 1)
    assert d.of(Unanswered) == []
    d.wait(2)
    assert len(d.of(Unanswered)) == 1


def test_an_uplink_from_before_the_hand_over_does_not_stand_for_it(drive):
    """A gateway may deliver late: what was received before the hand-over opened no window for the request."""
    d = drive(1, network=NetworkCapabilities(sent_reports=False))
    d.up(1)
    d.wait(10)
    d.ask(1)
    d.wait(2)
    d.up(1, received_at=d.now - 5)
    assert d.of(Reported) == []


def test_with_sent_reports_an_uplink_does_not_stand_for_one(drive):
    d = drive(1)
    d.ask(1)
    d.wait(5)
    d.up(1)
    assert d.of(Reported) == []


def test_a_report_that_overtakes_its_hand_over_counts(drive):
    d = drive(1)
    d.up(1)
    [request] = d.requests(1)
    d.sent(request)
    d.hand_over(request)
    d.say(1, OK)
    assert d.of(Answered)[0].ok


# ---- rule 5: the answer ----------------------------------------------------------------------------------


def test_the_answer_is_due_the_slowest_period_its_jitter_and_delivery_timeout_after_the_report(drive):
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", uplink_period=100 * i) for i in (1, 2, 3))
    d = drive(3, devices=devices)
    d.sent(d.ask(1))
    d.wait(300 * 1.2 + 10 - 0.1)
    assert d.of(Unanswered) == []
    d.wait(0.2)
    assert len(d.of(Unanswered)) == 1
    d.wait(2)
    assert len(d.requests(1)) == 2


def test_an_answer_before_its_sent_report_counts(drive):
    d = drive(1)
    request = d.ask(1)
    d.say(1, OK)
    assert d.stage == "FragSessionSetup"
    d.sent(request)
    assert d.campaign.ignored["DownlinkSent"] == 1


def test_the_answer_to_an_earlier_attempt_counts(drive):
    d = drive(2)
    d.sent(d.ask(1))
    d.wait(WAIT + 2)
    assert len(d.requests(1)) == 2
    d.say(1, OK)
    assert [e.dev_eui for e in d.of(Answered)] == [f"{1:016x}"]


def test_a_repeated_answer_is_counted_and_changes_nothing(drive):
    d = drive(2)
    d.succeed(1)
    assert d.say(1, OK) == []
    assert d.say(1, REFUSED) == []
    assert d.campaign.status().n_done == 1
    assert d.campaign.ignored["McGroupSetupAns"] == 2


def test_an_answer_of_a_device_that_was_not_asked_is_foreign(drive):
    """The answer belongs to an earlier campaign, whose group has another key."""
    d = drive(2, ucast_msg_delay=100_000)
    d.ask(1)
    d.say(2, OK)
    assert d.of(Answered) == []


def test_another_groups_answer_is_foreign(drive):
    d = drive(1)
    d.sent(d.ask(1))
    d.say(1, multicast.McGroupSetupAns(mc_group_id=3))
    assert d.of(Answered) == []
    assert d.campaign.ignored["McGroupSetupAns"] == 1


def test_several_answers_in_one_uplink_are_read(drive):
    d = drive(1, stage="McClassCSession")
    d.sent(d.ask(1))
    d.say(1, OK, d.right_answer(1))
    assert d.stage == "DlFragment"


# ---- rule 6: retries and refusals ------------------------------------------------------------------------


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_given_up_after_msg_retries_resends(drive, retries):
    d = drive(2, msg_retries=retries, success_threshold=50, stage_end="all")
    d.succeed(2)
    for attempt in range(retries + 1):
        d.sent(d.ask(1))
        assert d.of(GivenUp) == []
        assert len(d.requests(1)) == attempt + 1
        d.wait(WAIT + 1)
    assert len(d.requests(1)) == retries + 1
    [given_up] = d.of(GivenUp)
    assert given_up.reason == "no answer in McGroupSetup"


def test_error_bits_are_an_answer(drive):
    d = drive(2, success_threshold=50, stage_end="all")
    d.sent(d.ask(1))
    d.say(1, REFUSED)
    [answer] = d.of(Answered)
    assert not answer.ok
    assert "id_error" in answer.reason
    d.wait(1000)
    assert len(d.requests(1, "McGroupSetup")) == 1
    assert "id_error" in d.device(1).reason


def test_a_device_that_failed_is_out_of_all_later_stages(drive):
    d = drive(2, success_threshold=50, stage_end="all")
    d.sent(d.ask(1))
    d.say(1, REFUSED)
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert (d.device(1).status, d.device(2).status) == ("failed", "passed")
    assert {r.dev_eui for r in d.of(Requested) if r.dev_eui and r.f_port != 200} == {f"{2:016x}"}


# ---- the end of a stage ----------------------------------------------------------------------------------


def test_the_threshold_closes_the_stage(drive):
    d = drive(4, success_threshold=50, ucast_msg_delay=0)
    for i in (1, 2, 3):
        d.ask(i)
    d.succeed(1)
    assert d.of(StageClosing) == []
    d.succeed(2)
    [closing] = d.of(StageClosing)
    assert closing.until - d.now == 100


def test_after_the_threshold_no_new_request_goes_out(drive):
    """Device 3 is in line, device 4 speaks for the first time while late answers are waited for."""
    d = drive(4, success_threshold=50, ucast_msg_delay=5000, stage_complete_delay=3)
    d.succeed(1)
    d.succeed(2)
    n_before = len(d.requests())
    d.up(3)
    d.up(4)
    d.wait(250)
    assert d.stage == "McGroupSetup"
    assert len(d.requests()) == n_before


def test_after_the_threshold_no_resend_goes_out(drive):
    d = drive(3, success_threshold=60, stage_complete_delay=5, ucast_msg_delay=0)
    d.sent(d.ask(3))
    d.succeed(1)
    d.succeed(2)
    assert len(d.of(StageClosing)) == 1
    d.wait(400)
    assert len(d.requests(3)) == 1
    d.wait(200)
    assert d.device(3).reason == "no answer in McGroupSetup"


def test_a_negative_report_while_closing_is_not_followed_by_a_resend(drive):
    d = drive(3, success_threshold=60, stage_complete_delay=5, ucast_msg_delay=0)
    third = d.ask(3)
    d.succeed(1)
    d.succeed(2)
    d.sent(third, ok=False)
    d.wait(400)
    assert len(d.requests(3)) == 1


def test_late_answers_count_until_the_window_is_over(drive):
    d = drive(3, success_threshold=60, ucast_msg_delay=0)
    d.sent(d.ask(3))
    d.succeed(1)
    d.succeed(2)
    d.wait(99)
    d.say(3, OK)
    ended = d.of(StageEnded)[0]
    assert ended.successes == 3
    assert d.stage == "FragSessionSetup", "when all have answered nothing is waited for"


def test_answers_after_the_window_do_not_count(drive):
    d = drive(3, success_threshold=60, ucast_msg_delay=0)
    d.sent(d.ask(3))
    d.succeed(1)
    d.succeed(2)
    d.wait(101)
    assert d.stage == "FragSessionSetup"
    before = d.campaign.status()
    assert d.say(3, OK) == [LateAnswer(at=d.now, dev_eui=f"{3:016x}", stage="McGroupSetup")]
    assert d.say(3, OK) == []
    assert d.campaign.status() == before
    assert d.device(3).status == "failed"
    assert d.campaign.status().n_taking_part == 2


def test_an_answer_at_the_very_end_of_the_window_counts(drive):
    """At equal times inputs come before timers."""
    d = drive(3, success_threshold=60, ucast_msg_delay=0)
    d.sent(d.ask(3))
    d.succeed(1)
    d.succeed(2)
    d.now = d.of(StageClosing)[0].until
    d.say(3, OK)
    assert d.of(StageEnded)[0].successes == 3


def test_a_device_given_up_may_still_answer_while_the_stage_closes(drive):
    d = drive(2, msg_retries=0)
    d.succeed(1)
    d.sent(d.ask(2))
    d.wait(WAIT + 1)
    assert len(d.of(GivenUp)) == 1
    d.wait(50)
    d.say(2, OK)
    assert d.stage == "FragSessionSetup"
    assert d.of(StageEnded)[0].successes == 2


def test_stage_end_all_goes_on_after_the_threshold(drive):
    d = drive(3, success_threshold=33, stage_end="all", ucast_msg_delay=0)
    d.succeed(1)
    d.wait(200)
    assert d.of(StageClosing) == []
    d.succeed(2)
    d.succeed(3)
    assert d.of(StageEnded)[0].successes == 3


def test_fewer_successes_than_the_threshold_fail_the_campaign(drive):
    d = drive(3, success_threshold=67)
    d.succeed(1)
    d.succeed(2)
    d.sent(d.ask(3))
    d.say(3, REFUSED)
    assert d.status == "stopping"
    d.clean_up()
    assert d.status == "FAILED"
    assert d.questions(stage="clean-up") == ["McGroupDelete"] * 2
    assert d.campaign.status().reason == "2 of 3 devices succeeded in McGroupSetup, 3 needed"


def test_the_threshold_is_counted_over_all_devices_of_the_start(drive):
    """Each stage may lose devices; together they may not lose more than the threshold allows."""
    d = drive(4, success_threshold=75, stage_end="all")
    for i in (1, 2, 3):
        d.succeed(i)
    d.sent(d.ask(4))
    d.say(4, REFUSED)
    assert d.stage == "FragSessionSetup"
    d.succeed(1)
    d.succeed(2)
    d.sent(d.ask(3))
    d.say(3, fragmentation.FragSessionSetupAns(frag_index=0, not_enough_memory=True))
    d.clean_up()
    assert d.status == "FAILED"
    assert "2 of 4" in d.campaign.status().reason


def test_without_a_late_answer_time_the_stage_ends_with_the_threshold(drive):
    d = drive(3, success_threshold=60, stage_complete_delay=0)
    d.succeed(1)
    d.succeed(2)
    d.wait(0)
    assert d.stage == "FragSessionSetup"


def test_devices_that_were_not_asked_say_so(drive):
    d = drive(3, success_threshold=60, ucast_msg_delay=60_000, stage_complete_delay=0.1)
    d.up(1)
    d.up(2)
    d.up(3)
    d.succeed(1)
    d.succeed(2)
    d.wait(11)
    assert d.device(3).reason == "not asked in McGroupSetup: the threshold was met"


# ---- maximum duration ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["McGroupSetup", "FragSessionSetup"])
def test_the_maximum_duration_ends_a_stage(drive, stage):
    d = drive(2, max_duration=950, stage=stage)
    begun = d.of(StageStarted)[0].at
    d.sent(d.ask(1))
    d.wait(begun + 949 - d.now)
    assert d.status == "RUNNING"
    d.wait(2)
    d.clean_up()
    status = d.campaign.status()
    assert (status.status, status.reason) == ("FAILED", f"maximum duration reached in {stage}")
    assert {device.status for device in status.devices} == {"failed"}
    assert d.of(Finished)[0] is d.events[-1]


def test_after_the_end_nothing_more_happens(drive):
    d = drive(1, max_duration=950)
    request = d.ask(1)
    d.wait(951)
    assert d.campaign.deadline() is None
    assert d.wait(1e6) == []
    assert d.say(1, OK) == []
    assert d.hand_over(request) == []
    assert d.sent(request) == []
    assert d.campaign.ignored["not running"] == 3


# ---- verification ----------------------------------------------------------------------------------------


def test_verification_asks_nothing_before_the_process_time_is_over(drive):
    d = drive(1, stage="CompletionVerification", fuota_process_max_time=500)
    for _ in range(49):
        d.up(1)
        d.wait(10)
    assert d.requests(1) == []


def test_verification_needs_an_uplink_heard_after_the_wait(drive):
    d = drive(1, stage="CompletionVerification", fuota_process_max_time=500)
    d.up(1)
    d.wait(600)
    assert d.requests(1) == []
    d.up(1)
    assert len(d.requests(1)) == 1


def test_verification_does_not_take_an_uplink_that_was_received_before_the_wait_was_over(drive):
    d = drive(1, stage="CompletionVerification", fuota_process_max_time=500)
    d.wait_until(d.campaign.progress().asks_from + 4)
    d.up(1, received_at=d.now - 8)
    assert d.requests(1) == []


def test_verification_needs_a_fresh_uplink_even_if_the_wait_is_over_when_it_begins(drive):
    """The last summary may come later than the process time after the last frame."""
    d = drive(1, stage="DlFragment", fuota_process_max_time=20, redundancy=1)
    for delay in (0, 0, 0, 60):
        d.wait(d.campaign.deadline() - d.now)
        d.hand_over(d.frames()[-1])
        d.wait(delay)
        d.summary(d.frames()[-1])
    assert d.stage == "CompletionVerification"
    d.wait(50)
    assert d.requests(1) == []
    d.up(1)
    assert len(d.requests(1)) == 1


def test_never_heard_in_verification_counts_from_the_end_of_the_wait(drive):
    d = drive(1, stage="CompletionVerification", fuota_process_max_time=500)
    begun = d.now
    d.wait(790)
    assert d.of(GivenUp) == []
    d.wait(20)
    [given_up] = d.of(GivenUp)
    assert given_up.reason == "not heard in CompletionVerification"
    assert given_up.at - begun == pytest.approx(800, abs=1)


def test_the_old_version_is_asked_again_while_retries_remain(drive):
    d = drive(1, stage="CompletionVerification", msg_retries=2)
    d.wait(30)
    for attempt in range(3):
        assert d.status == "RUNNING"
        d.sent(d.ask(1))
        assert len(d.requests(1)) == attempt + 1
        d.say(1, old_version())
        d.wait(98)
        assert len(d.requests(1)) == attempt + 1, "not before an uplink period is over: it may still be flashing"
        d.wait(4)
    assert len(d.requests(1)) == 3
    [given_up] = d.of(GivenUp)
    assert given_up.reason == "wrong version 1.0.0.0"
    d.wait(98)
    assert d.status == "RUNNING", "the last stage waits complete_delay longer for late answers"
    d.wait(12)
    assert d.status == "FAILED"
    assert d.device(1).fw_version == OLD_VERSION


def test_the_right_version_after_the_old_one_passes(drive):
    d = drive(1, stage="CompletionVerification")
    d.wait(30)
    d.sent(d.ask(1))
    d.say(1, old_version())
    d.wait(2)
    d.succeed(1)
    assert d.status == "SUCCEEDED"
    assert (d.device(1).status, d.device(1).reason) == ("passed", "")


def test_a_late_right_version_passes_a_device_that_was_given_up(drive):
    d = drive(1, stage="CompletionVerification", msg_retries=0)
    d.wait(30)
    d.sent(d.ask(1))
    d.say(1, old_version())
    d.wait(50)
    assert d.status == "RUNNING"
    d.say(1, old_version(0x02000000))
    assert d.status == "SUCCEEDED"


def test_a_chatty_device_with_the_old_version_does_not_fill_the_journal(drive):
    """The device reports the same version again and again: it is heard once and asked msg_retries times."""
    d = drive(2, stage="CompletionVerification", msg_retries=1, fuota_process_max_time=400)
    n_before = len(d.events)
    for _ in range(300):
        d.say(1, old_version())
        d.wait(1)
    assert len(d.events) - n_before <= 5


def test_a_volunteered_right_version_passes_without_being_asked(drive):
    d = drive(1, stage="CompletionVerification", fuota_process_max_time=500)
    d.say(1, old_version(0x02000000))
    assert d.requests(1) == []
    assert d.status == "SUCCEEDED"


def test_a_version_volunteered_while_fragments_are_sent_passes_in_verification(drive):
    d = drive(2, stage="DlFragment")
    d.say(1, old_version(0x02000000))
    assert [(e.dev_eui, e.fw_version) for e in d.of(VersionHeard)] == [(f"{1:016x}", 0x02000000)]
    d.reach("CompletionVerification")
    assert d.campaign.status().n_done == 1
    d.wait(30)
    d.up(1)
    d.wait(30)
    assert d.requests(1) == []


def test_another_volunteered_version_is_no_verdict(drive):
    d = drive(1, stage="CompletionVerification", fuota_process_max_time=500)
    d.say(1, old_version())
    assert d.status == "RUNNING"
    d.wait(510)
    d.succeed(1)
    assert d.status == "SUCCEEDED"


def test_the_verification_is_not_bound_by_the_maximum_duration(drive):
    d = drive(1, stage="CompletionVerification", max_duration=2000, fuota_process_max_time=5000)
    d.wait(5001)
    assert d.status == "RUNNING"
    d.succeed(1)
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("stage", ["McGroupSetup", "FragSessionSetup", "McClassCSession"])
@pytest.mark.parametrize("retries", [0, 2])
def test_a_version_volunteered_during_setup_uses_no_retry(drive, stage, retries):
    d = drive(1, stage=stage, msg_retries=retries)
    d.sent(d.ask(1))
    d.say(1, old_version())
    d.wait(50)
    assert len(d.requests(1)) == 1, "the answer is not overdue yet"
    d.say(1, d.right_answer(1))
    assert d.campaign.status().n_stages_completed > 0
    assert d.status == "RUNNING"
    assert d.stage != stage


def test_a_version_volunteered_during_setup_does_not_leave_a_device_hanging(drive):
    d = drive(2, msg_retries=0, success_threshold=50, stage_end="all")
    d.sent(d.ask(1))
    d.say(1, old_version())
    d.succeed(2)
    d.wait(400)
    assert d.stage == "FragSessionSetup"


# ---- events ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", UNICAST_STAGES)
def test_an_exchange_without_retries_is_four_events(drive, stage):
    d = drive(2, stage=stage, ucast_msg_delay=0)
    d.wait(30)
    d.succeed(1)
    requests = {request.id for request in d.requests(1)}
    own = [e for e in d.events if getattr(e, "id", None) in requests]
    own += [e for e in d.events[d.events.index(own[0]) :] if isinstance(e, Answered)]
    assert [type(e) for e in own] == [Requested, HandedOver, Reported, Answered]


def test_repeated_hand_overs_and_reports_do_not_fill_the_journal(drive):
    d = drive(2)
    request = d.ask(1)
    d.sent(request)
    n_before = len(d.events)
    for _ in range(10):
        d.receive(HandOver(id=request.id))
        d.receive(DownlinkSent(request.id))
    assert len(d.events) - n_before <= 1


# ---- P(d) ------------------------------------------------------------------------------------------------


def reach_with_all(d, stage):
    """Goes to a stage with every device, whatever the threshold: they answer while late answers count."""
    while d.stage != stage:
        if d.stage == "DlFragment":
            d.send_all()
            continue
        current, members = d.stage, d.members()
        for i in members:
            d.sent(d.ask(i))
        for i in members:
            assert d.stage == current
            d.say(i, d.right_answer(i))
        d.wait(0)


# ---- what the rules say besides --------------------------------------------------------------------------


@pytest.mark.parametrize(("period", "coefficient", "late"), [(100, 1, 100), (100, 0.5, 50), (700, 2, 1400)])
def test_late_answers_count_stage_complete_delay_periods_of_the_slowest(drive, period, coefficient, late):
    devices = tuple(
        Device(dev_eui=f"{i:016x}", group="meters", uplink_period=p) for i, p in ((1, None), (2, None), (3, period))
    )
    d = drive(3, devices=devices, success_threshold=60, stage_complete_delay=coefficient)
    d.succeed(1)
    d.succeed(2)
    [closing] = d.of(StageClosing)
    assert closing.until - closing.at == late


def test_the_last_stage_waits_complete_delay_longer(drive):
    for kind, last in (("multicast", "McClassCSession"), ("binary", "FragSessionStatus")):
        d = drive(3, kind=kind, success_threshold=60, complete_delay=33)
        reach_with_all(d, last)
        d.succeed(1)
        d.succeed(2)
        closing = d.of(StageClosing)[-1]
        assert (closing.stage, closing.until - closing.at) == (last, 133)


def test_only_devices_of_the_stage_can_be_its_slowest(drive):
    """The slow one failed before: nobody waits for it any more."""
    devices = tuple(
        Device(dev_eui=f"{i:016x}", group="meters", uplink_period=p) for i, p in ((1, None), (2, None), (3, 5000))
    )
    d = drive(3, devices=devices, success_threshold=60, stage_end="all")
    d.succeed(1)
    d.succeed(2)
    d.sent(d.ask(3))
    d.say(3, REFUSED)
    assert d.stage == "FragSessionSetup"
    d.sent(d.ask(1))
    sent_at = d.now
    d.wait(WAIT)
    assert d.of(Unanswered)[0].at == sent_at + WAIT


@pytest.mark.parametrize("stage", UNICAST_STAGES)
def test_every_request_says_until_when_it_may_be_sent(drive, stage):
    d = drive(2, stage=stage)
    d.wait(30)
    for i in (1, 2):
        request = d.ask(i)
        assert request.at < request.not_after <= d.of(StageStarted)[0].at + d.campaign.config.max_duration


def test_a_request_that_cannot_be_withdrawn_expires_before_the_resend(drive):
    """Else two requests would be outstanding."""
    d = drive(1, network=NetworkCapabilities(withdraws=False), ucast_msg_delay=0)
    for stage in UNICAST_STAGES:
        d.reach(stage)
        d.wait(30)
        d.ask(1)
        d.wait(WAIT + 1)
        first, second = d.requests(1)
        assert first.not_after <= first.at + WAIT
        assert first.not_after <= second.at


def test_where_it_can_be_withdrawn_a_request_waits_as_long_as_the_stage(drive):
    d = drive(1, session_start=1_800_005_000.0)
    assert d.ask(1).not_after == 1_800_005_000


def test_a_request_that_is_not_handed_over_until_it_runs_out_uses_up_a_retry(drive):
    d = drive(1, network=NetworkCapabilities(withdraws=False), msg_retries=1)
    d.up(1)
    d.wait(500)
    assert len(d.requests(1, "McGroupSetup")) == 2
    assert [e.cause for e in d.of(Reported)] == ["not handed over in time"] * 2
    assert d.of(GivenUp)[0].reason == "no answer in McGroupSetup"


def test_a_threshold_that_is_met_at_the_maximum_duration_is_met(drive):
    """The last stage waits for late answers when the time is over: there are enough successes."""
    d = drive(4, kind="binary", success_threshold=50, stage_complete_delay=900, max_duration=90_000)
    reach_with_all(d, "FragSessionStatus")
    end = d.of(StageStarted)[0].at + d.campaign.config.max_duration
    for i in (1, 2):
        d.succeed(i)
    assert d.closing
    d.wait_until(end - 1)
    assert d.status == "RUNNING"
    d.wait(2)
    assert d.status == "SUCCEEDED"
    assert [d.device(i).status for i in (1, 2, 3, 4)] == ["passed", "passed", "failed", "failed"]
    assert d.device(3).reason == "maximum duration reached"


def test_verification_follows_a_stage_whose_threshold_is_met_at_the_maximum_duration(drive):
    d = drive(4, redundancy=0, success_threshold=50, stage_complete_delay=900)
    reach_with_all(d, "UpgradeImage")
    for i in (1, 2):
        d.succeed(i)
    d.wait_until(d.of(StageStarted)[0].at + d.campaign.config.max_duration + 1)
    assert d.of(StageStarted)[-1].stage == "CompletionVerification"
    assert d.of(StageStarted)[-1].n_devices == 2


def test_setting_up_does_not_go_on_after_the_maximum_duration_even_if_the_threshold_is_met(drive):
    d = drive(4, success_threshold=50, stage_complete_delay=40, max_duration=5000)
    reach_with_all(d, "FragSessionSetup")
    d.wait(1500)
    for i in (1, 2):
        d.succeed(i)
    assert d.closing
    d.wait(3600)
    assert d.last_stage == "clean-up"
    assert d.campaign.status().reason == "maximum duration reached in FragSessionSetup"


# ---- a network that takes nothing back -------------------------------------------------------------------


NO_WITHDRAWAL = NetworkCapabilities(withdraws=False)


def test_the_next_question_waits_for_the_fate_of_a_resend_that_cannot_be_taken_back(drive):
    """The answer to the first try comes while the resend is queued: one request is outstanding, not two."""
    d = drive(1, network=NO_WITHDRAWAL, stage_end="all")
    d.sent(d.ask(1))
    d.wait(WAIT + 1)
    resend = d.requests(1)[-1]
    d.hand_over(resend)
    d.say(1, OK)
    assert d.stage == "FragSessionSetup"
    d.wait(resend.not_after - d.now - 1)
    assert d.requests(1) == []
    d.sent(resend)
    assert len(d.requests(1)) == 1


def test_a_resend_that_the_network_never_had_is_not_waited_for(drive):
    d = drive(1, network=NO_WITHDRAWAL, stage_end="all")
    d.sent(d.ask(1))
    d.wait(WAIT + 1)
    assert len(d.requests(1)) == 2
    d.say(1, OK)
    assert d.stage == "FragSessionSetup"
    d.wait(1)
    assert len(d.requests(1)) == 1


def test_a_resend_that_ran_out_in_the_queue_is_waited_for_no_longer(drive):
    d = drive(1, network=NO_WITHDRAWAL, stage_end="all")
    d.sent(d.ask(1))
    d.wait(WAIT + 1)
    resend = d.requests(1)[-1]
    d.hand_over(resend)
    d.say(1, OK)
    d.wait(resend.not_after - d.now + 1)
    assert [e.cause for e in d.of(Reported) if e.id == resend.id] == ["ran out in the network's queue"]
    assert len(d.requests(1)) == 1
