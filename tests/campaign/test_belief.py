"""Belief about devices that may run the target version: who is asked, and what an answer changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION, T0, dev, known, make_config, member, replayed, same

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.belief import devices_not_to_ask, devices_to_ask, may_run_target
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.wire import firmware, multicast

ASK, SETUP, VERIFY = "DevVersion", "McGroupSetup", "CompletionVerification"
RUNS = firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)
OTHER = firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1)
BELIEVED = {"fw_version": NEW_VERSION}
ALREADY = ("passed", "runs it already")


def devices(n_believed: int, n_others: int, groups: tuple[str, ...] = ("meters",)) -> tuple[Device, ...]:
    """Believed devices first; each kind in turns over the groups."""
    believed = [Device(dev_eui=dev(i + 1), group=groups[0], fw_version=NEW_VERSION) for i in range(n_believed)]
    others = [Device(dev_eui=dev(n_believed + i + 1), group=groups[-1]) for i in range(n_others)]
    return (*believed, *others)


def outcome(d: Any, i: int) -> tuple[str, str]:
    return d.device(i).status, d.device(i).reason


# ---- who is asked ----------------------------------------------------------------------------------------


def test_devices_are_asked_whose_configuration_or_registry_has_the_target_version() -> None:
    config = make_config(
        devices=(
            Device(dev_eui=dev(1), group="meters", fw_version="2.0.0.0"),
            Device(dev_eui=dev(2), group="meters", fw_version=OLD_VERSION),
            Device(dev_eui=dev(3), group="meters"),
            Device(dev_eui=dev(4), group="meters", ask_version=True),
        )
    )
    facts = m.Known(devices={dev(i): m.KnownDevice(fw_version=NEW_VERSION) for i in (2, 3)})
    assert devices_to_ask(config) == (dev(1), dev(4))
    assert devices_to_ask(config, facts) == (dev(1), dev(2), dev(3), dev(4))
    assert devices_not_to_ask(config) == ()


@pytest.mark.parametrize("kind", ["binary", "multicast"])
def test_only_a_firmware_update_asks(kind: Any) -> None:
    config = make_config(kind=kind, each={**BELIEVED, "ask_version": True})
    assert (devices_to_ask(config), devices_not_to_ask(config)) == ((), ())


def test_a_device_without_ts006_is_taken_at_the_word_of_its_configuration_alone() -> None:
    each = {"profile": "zephyr", "ask_version": True}
    assert devices_not_to_ask(make_config(1, each={**each, **BELIEVED})) == (dev(1),)
    assert devices_not_to_ask(make_config(1, each=each)) == ()
    assert devices_to_ask(make_config(1, each={**each, **BELIEVED}), known(fw_version=NEW_VERSION)) == ()


def test_a_campaign_without_such_devices_has_no_such_stage(drive) -> None:
    d = drive(2, each={"fw_version": OLD_VERSION})
    assert d.campaign.progress().stages[0] == SETUP
    assert d.of(m.Configured)[0].asked_first == ()


def test_the_stage_is_planned_from_the_registry_too_and_named_in_event_0(drive) -> None:
    d = drive(2, known=known(fw_version=NEW_VERSION))
    assert d.campaign.progress().stages[:2] == (ASK, SETUP)
    assert d.of(m.Configured)[0].asked_first == (dev(1),)


def test_an_event_0_of_an_earlier_version_asks_nobody(drive) -> None:
    """A journal of an earlier version has other stages for the same configuration."""
    d = drive(2, each=BELIEVED)
    read = m.decode("Configured", 3, m.encode(d.events[0]).replace(b'"asked_first"', b'"unknown_to_3"'))
    assert Campaign.replay([read]).progress().stages[0] == SETUP


# ---- all of them run it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [1, 80, 100])
@pytest.mark.parametrize("stage_end", ["threshold", "all"])
@pytest.mark.parametrize("facts", [False, True])
def test_twenty_devices_that_run_it_are_sent_nothing_but_the_question(drive, threshold, stage_end, facts) -> None:
    each = {} if facts else BELIEVED
    registry = m.Known(devices={dev(i): m.KnownDevice(fw_version=NEW_VERSION) for i in range(1, 21)})
    settings = {"success_threshold": threshold, "stage_end": stage_end, "clean_up": True}
    d = drive(20, each=each, known=registry if facts else None, **settings)
    for i in range(1, 21):
        d.succeed(i)
    assert [r.ask for r in d.of(m.Requested)] == [ASK] * 20
    assert (d.status, d.campaign.status().reason) == ("SUCCEEDED", "runs it already: 20 of 20 devices")
    assert {outcome(d, i) for i in range(1, 21)} == {ALREADY}
    assert [e.stage for e in d.of(m.StageStarted)] == [ASK]
    assert (d.of(m.Finished)[0].successes, d.campaign.next_f_cnt("meters")) == (20, 0)
    assert d.campaign.progress().n_stages_completed == len(d.campaign.progress().stages)
    assert same(d.campaign, replayed(d))


def test_devices_without_ts006_pass_without_a_question(drive) -> None:
    d = drive(3, each={"profile": "zephyr", **BELIEVED}, fsize=48)
    assert (d.status, d.of(m.Requested)) == ("SUCCEEDED", [])
    assert {outcome(d, i) for i in (1, 2, 3)} == {ALREADY}
    assert {type(e) for e in d.events[:4]} == {m.Configured, m.RunsAlready}
    assert same(d.campaign, replayed(d))


def test_a_device_says_it_before_it_is_asked(drive) -> None:
    d = drive(2, each=BELIEVED)
    d.say(1, RUNS)
    d.say(2, RUNS)
    assert (d.status, d.of(m.Requested)) == ("SUCCEEDED", [])


# ---- some of them run it ---------------------------------------------------------------------------------


def test_a_group_without_other_devices_is_not_opened(drive, group_of) -> None:
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6", mc_group_id=1))
    d = drive(devices=devices(3, 2, ("a", "b")), groups=groups, clean_up=True)
    d.reach("end")
    d.clean_up()
    assert d.status == "SUCCEEDED"
    assert [outcome(d, i) for i in range(1, 6)] == [ALREADY] * 3 + [("passed", "")] * 2
    assert (d.frames("a"), len(d.frames("b"))) == ([], 5)
    assert {r.ask for i in (1, 2, 3) for r in d.of(m.Requested) if r.dev_eui == dev(i)} == {ASK}
    assert all(set(e.sessions) == {"b"} for e in d.of(m.StageStarted) if e.sessions is not None)
    assert same(d.campaign, replayed(d))


@pytest.mark.parametrize("redundancy", [2, "adaptive", 0])
def test_devices_that_run_it_count_as_successes_of_every_stage(drive, redundancy) -> None:
    """10 devices at a threshold of 80 %: 5 run it, and 3 of the others are enough."""
    d = drive(devices=devices(5, 5), success_threshold=80, stage_end="all", redundancy=redundancy, msg_retries=0)
    for i in range(1, 6):
        d.succeed(i)
    for i in (6, 7, 8):
        d.succeed(i)
    for i in (9, 10):
        d.sent(d.ask(i))
        d.say(i, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert d.of(m.Finished)[0].successes == 8
    assert {(e.successes, e.ok) for e in d.of(m.StageEnded)[1:]} == {(8, True)}
    assert same(d.campaign, replayed(d))


def test_too_few_of_the_others_are_a_failure(drive) -> None:
    d = drive(devices=devices(5, 5), success_threshold=80, stage_end="all")
    for i in range(1, 6):
        d.succeed(i)
    for i in (6, 7):
        d.succeed(i)
    for i in (8, 9, 10):
        d.sent(d.ask(i))
        d.say(i, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    d.clean_up()
    assert (d.status, d.campaign.status().reason) == ("FAILED", "7 of 10 devices succeeded in McGroupSetup, 8 needed")
    assert [outcome(d, i) for i in range(1, 6)] == [ALREADY] * 5


def test_the_others_are_updated_although_those_that_run_it_meet_the_threshold(drive) -> None:
    """9 of 10 run it at a threshold of 80 %: the tenth gets its chance, and is not waited for in vain."""
    for answers in (True, False):
        d = drive(devices=devices(9, 1), success_threshold=80, redundancy="adaptive")
        for i in range(1, 10):
            d.succeed(i)
        assert d.stage == SETUP
        if answers:
            d.reach("end")
        else:
            d.wait(5000)
        assert d.status == "SUCCEEDED"
        assert outcome(d, 10) == (("passed", "") if answers else ("failed", "never heard"))
        assert len(d.frames()) > 4 if answers else d.frames() == []


# ---- other answers, and none -----------------------------------------------------------------------------


@pytest.mark.parametrize("volunteered", [False, True])
def test_a_device_with_another_version_takes_part(drive, volunteered) -> None:
    d = drive(2, each=BELIEVED)
    d.succeed(1)
    if not volunteered:
        d.sent(d.ask(2))
    d.say(2, OTHER)
    assert (d.stage, d.device(2).status, d.device(2).fw_version) == (SETUP, "running", OLD_VERSION)
    assert d.facts[-1].known.fw_version == OLD_VERSION
    d.reach("end")
    assert (d.status, outcome(d, 2)) == ("SUCCEEDED", ("passed", ""))


def test_the_target_version_on_other_hardware_does_not_pass(drive) -> None:
    d = drive(2, each=BELIEVED, hw_version=1)
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=2))
    assert [e.dev_eui for e in d.of(m.RunsAlready)] == [dev(1)]
    assert (d.stage, d.device(2).status) == (SETUP, "running")


@pytest.mark.parametrize("stage_end", ["threshold", "all"])
@pytest.mark.parametrize("heard", [False, True])
def test_a_silent_device_takes_part(drive, heard, stage_end) -> None:
    """One that was not heard at all is asked once more, in the stage after."""
    d = drive(3, each=BELIEVED, success_threshold=60, stage_end=stage_end)
    for i in (1, 2):
        d.succeed(i)
    if heard:
        d.up(3)
    while d.stage == ASK:
        d.wait(10)
        if heard and d.present_request(3) is not None:
            request = d.ask(3)
            d.sent(request)
    assert d.now - T0 <= (3 * (2 * 100 + 2 * 10) + 200 if heard else 3 * 100 + 100 + 20)
    assert (d.stage, d.device(3).status, d.device(3).reason) == (SETUP, "running", "")
    if not heard:
        d.sent(d.ask(3))
        d.wait(200)
    d.reach("end")
    assert (d.status, outcome(d, 3)) == ("SUCCEEDED", ("passed", ""))
    assert d.questions(3, SETUP) == [*([ASK] * (not heard)), "McGroupSetup"]


def test_a_device_that_is_first_heard_after_the_stage_is_asked_in_the_next_one(drive) -> None:
    """It is a member of the group, and needs no setup."""
    d = drive(2, each=BELIEVED, success_threshold=50, known=known(memberships=(member(max_mc_f_cnt=50),)))
    d.sent(d.ask(2))
    d.say(2, OTHER)
    d.wait(310)
    d.up(1)
    d.wait(100)
    d.sent(d.ask(1))
    assert (d.stage, d.questions(1, SETUP)) == (SETUP, [ASK])
    d.say(1, RUNS)
    assert outcome(d, 1) == ALREADY
    assert same(d.campaign, replayed(d))


@pytest.mark.parametrize("sent", [False, True])
def test_a_member_that_is_silent_there_too_takes_part(drive, sent) -> None:
    """It needs no setup, so the question is its last one in that stage."""
    d = drive(1, known=known(fw_version=NEW_VERSION, memberships=(member(max_mc_f_cnt=50),)))
    while d.stage == ASK:
        d.wait(10)
    d.sent(d.ask(1), ok=sent)
    d.wait(250)
    assert (d.questions(1, SETUP), d.stage) == ([ASK], "FragSessionSetup")
    assert same(d.campaign, replayed(d))


@pytest.mark.parametrize("probe", [False, True])
def test_a_device_that_is_first_heard_in_the_next_stage_passes_there(drive, probe) -> None:
    d = drive(2, each={**BELIEVED, "probe": probe})
    d.succeed(1)
    while d.stage == ASK:
        d.wait(10)
    d.sent(d.ask(2))
    d.say(2, RUNS)
    assert (d.status, outcome(d, 2), {r.ask for r in d.of(m.Requested)}) == ("SUCCEEDED", ALREADY, {ASK})


def test_a_device_believed_in_wrongly_and_silent_is_not_judged_by_its_first_version(drive) -> None:
    """The old version after the update may be that of a device that has not rebooted yet."""
    d = drive(1, each=BELIEVED)
    for _ in range(3):
        d.sent(d.ask(1))
        d.wait(130)
    d.wait(100)
    assert d.stage == SETUP
    d.reach(VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.sent(d.ask(1))
    d.say(1, OTHER)
    assert d.of(m.Deferred)[-1].later
    d.wait(100)
    d.succeed(1)
    assert d.status == "SUCCEEDED"


def test_a_late_answer_of_a_device_given_up_passes_it(drive) -> None:
    d = drive(2, each=BELIEVED, msg_retries=0)
    d.sent(d.ask(1))
    d.succeed(2)
    while d.stage == ASK:
        d.wait(10)
    d.say(1, RUNS)
    assert (d.status, outcome(d, 1)) == ("SUCCEEDED", ALREADY)


def test_a_dead_device_holds_the_first_questions_up_no_longer_than_a_stage_of_the_others(drive) -> None:
    slow = replace(devices(1, 3)[0], uplink_period=100_000)
    d = drive(3, devices=(slow, *devices(1, 3)[1:]), success_threshold=60, max_duration=200_000)
    begun = d.now
    d.wait(3 * 2 * 130 + 5)
    assert d.stage == SETUP
    assert d.now - begun < 3 * 100_000


def test_a_configured_session_start_leaves_time_for_the_other_stages(drive) -> None:
    d = drive(2, devices=devices(1, 1), session_start=T0 + 1000)
    d.up(2)
    while d.stage == ASK:
        d.wait(10)
    assert d.now == T0 + 250
    assert d.stage == SETUP


def test_versions_of_packages_are_asked_of_those_that_take_part(drive) -> None:
    d = drive(2, each={**BELIEVED, "probe": True})
    assert d.campaign.progress().stages[:3] == (ASK, "PackageVersion", SETUP)
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, OTHER)
    assert d.stage == "PackageVersion"
    d.succeed(2)
    assert d.questions(2, "PackageVersion") == ["PackageVersion TS005", "PackageVersion TS004"]
    assert "PackageVersion TS005" not in [r.ask for r in d.of(m.Requested) if r.dev_eui == dev(1)]


def test_a_delta_passes_a_device_that_runs_its_result(drive) -> None:
    d = drive(2, requires_fw_version="1.0.0.0")
    d.sent(d.ask(1))
    d.say(1, RUNS)
    d.sent(d.ask(2))
    d.say(2, OTHER)
    assert (d.stage, outcome(d, 1), outcome(d, 2)) == (SETUP, ALREADY, ("running", ""))


# ---- retry -----------------------------------------------------------------------------------------------


def test_devices_that_got_fragments_or_were_silent_may_run_it(drive) -> None:
    d = drive(3, stage_end="all", success_threshold=30)
    assert [may_run_target(d.state(i)) for i in (1, 2, 3)] == [False] * 3
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    d.wait(1000)
    assert d.device(3).reason == "never heard"
    assert [may_run_target(d.state(i)) for i in (1, 2, 3)] == [False, False, True]
    d.reach(VERIFY)
    assert [may_run_target(d.state(i)) for i in (1, 2, 3)] == [True, False, True]
