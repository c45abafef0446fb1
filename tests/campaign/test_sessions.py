"""Sessions and rounds: start and time-out, further rounds, further sessions."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import IMAGE, NEW_VERSION, T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import StageStarted
from fuota_fec.campaign.state import Data
from fuota_fec.planning.schedule import session_start
from fuota_fec.planning.unicast import Tries
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix

GROUP, FRAG, SESSION, DATA = "McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment"
STATUS, UPGRADE, VERIFY, CLASS_C = "FragSessionStatus", "UpgradeImage", "CompletionVerification", "McClassCSession"
COMPLETE = fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=3, missing_frag=0)
LACKING = fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=2, missing_frag=1)
READY = firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION)
NOT_READY = firmware.DevUpgradeImageAns(up_image_status=1)
BINARY: dict[str, Any] = {"kind": "binary", "redundancy": 0, "stage": STATUS}
FIRMWARE: dict[str, Any] = {"redundancy": 0, "stage": UPGRADE}
LOOK: dict[str, dict[str, Any]] = {"binary": BINARY, "firmware": FIRMWARE}


def say(d: Any, i: int, answer: Any) -> None:
    """Device i is asked and says that."""
    d.sent(d.ask(i))
    d.say(i, answer)


def lacking(d: Any, i: int) -> None:
    say(d, i, LACKING if d.campaign.config.kind == "binary" else NOT_READY)


def complete(d: Any, i: int) -> None:
    say(d, i, COMPLETE if d.campaign.config.kind == "binary" else READY)


def transmit(d: Any) -> None:
    """The round that has begun, to its end."""
    for frame in d.frames():
        if d.campaign.awaits_hand_over(frame.id):
            d.hand_over(frame)
            d.summary(frame)
    d.send_all()


def stages(d: Any) -> list[str]:
    return [event.stage for event in d.of(m.StageStarted)]


def fragments(d: Any, group: str | None = None) -> list[int | None]:
    return [frame.frag_nb for frame in d.frames(group) if frame.ask == "DataFragment"]


def look(kind: str) -> str:
    return STATUS if kind == "binary" else UPGRADE


def asked(d, i=1, module=multicast, version="1.0.0"):
    """The command of the present request to device i."""
    [command] = module.decode(d.ask(i).command, uplink=False, version=version)
    return command


def session(d, group="meters"):
    return d.of(StageStarted)[2].sessions[group]


CLASS_B = "McClassBSession"


# ---- FEC=off ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_fewer_than_the_threshold_lead_to_another_round_of_all_uncoded_fragments(drive, kind) -> None:
    d = drive(2, **LOOK[kind])
    complete(d, 1)
    lacking(d, 2)
    assert (d.stage, d.campaign.status().round) == (DATA, 2)
    assert d.of(m.StageEnded)[-1].back_to == DATA
    transmit(d)
    assert fragments(d) == [1, 2, 3, 1, 2, 3]
    counters = [frame.f_cnt for frame in d.frames()]
    assert counters == sorted(set(counters))
    complete(d, 2)
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert [x.status for x in d.campaign.status().devices] == ["passed", "passed"]


@pytest.mark.parametrize("kind", ["binary", "firmware"])
@pytest.mark.parametrize("loops", [1, 2, 4])
def test_at_most_datafrag_loops_max_rounds(drive, kind, loops) -> None:
    d = drive(2, datafrag_loops_max=loops, allow_carousel=True, **LOOK[kind])
    for n in range(1, loops + 1):
        assert d.campaign.status().round == n
        if n == 1:
            complete(d, 1)
        lacking(d, 2)
        transmit(d)
    assert d.status == "FAILED"
    assert d.campaign.status().reason == f"1 of 2 devices succeeded in {look(kind)}, 2 needed"
    assert fragments(d) == [1, 2, 3] * loops
    assert stages(d).count(DATA) == loops
    assert d.device(2).status == "failed"


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_the_threshold_ends_the_rounds(drive, kind) -> None:
    d = drive(4, success_threshold=75, stage_end="all", datafrag_loops_max=5, allow_carousel=True, **LOOK[kind])
    for i in (1, 2, 3):
        complete(d, i)
    lacking(d, 4)
    assert fragments(d) == [1, 2, 3]
    assert d.status == "SUCCEEDED" if kind == "binary" else d.stage == VERIFY
    assert (d.device(4).status, d.campaign.status().round) == ("failed", 1)


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_a_device_that_is_complete_is_not_asked_again(drive, kind) -> None:
    d = drive(2, **LOOK[kind])
    complete(d, 1)
    lacking(d, 2)
    transmit(d)
    assert d.campaign.status().n_done == 1
    before = len(d.of(m.Requested))
    complete(d, 2)
    asked = [e.dev_eui for e in d.of(m.Requested)[before:] if e.ask in (STATUS, "DevUpgradeImage")]
    assert f"{1:016x}" not in asked


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_a_device_that_was_silent_still_takes_part_in_the_next_round(drive, kind) -> None:
    d = drive(2, msg_retries=0, stage_complete_delay=0, **LOOK[kind])
    if kind == "binary":
        d.sent(d.ask(1))  # by multicast
        d.wait(d.campaign.plan.groups["meters"].status_wait)
    for i in (1, 2):
        d.sent(d.ask(i))
    spread = d.campaign.plan.groups["meters"].answer_spread if kind == "binary" else 0
    d.wait(130 + spread + 10)  # the last answer is overdue, and a file waits complete_delay more
    assert (d.stage, d.members()) == (DATA, [1, 2])
    transmit(d)
    complete(d, 1)
    complete(d, 2)
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_another_round_is_never_past_the_maximum_duration(drive) -> None:
    """Nor does it begin if its session could not be held."""
    d = drive(1, max_duration=2500, **FIRMWARE)
    start = d.session().start
    d.sent(d.ask(1))
    d.wait_until(T0 + 2490)
    d.say(1, NOT_READY)
    assert (d.status, d.campaign.status().round) == ("FAILED", 1)
    assert start < T0 + 2500


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_counters_of_all_rounds_are_planned(drive, kind) -> None:
    d = drive(2, datafrag_loops_max=3, allow_carousel=True, kind=kind, redundancy=0, mcgroup_validity_coeff=1)
    plan = d.campaign.plan.groups["meters"]
    n_status = 3 if kind == "binary" else 0
    assert (plan.n_planned, d.command(d.ask(1)).max_mc_fcnt) == (9 + n_status, 9 + n_status)


def test_later_rounds_ask_only_those_that_lack_fragments(drive) -> None:
    """Participants=0: devices that have the block keep quiet."""
    d = drive(2, **BINARY)
    complete(d, 1)
    lacking(d, 2)
    transmit(d)
    complete(d, 2)
    first, second = [d.command(frame) for frame in d.frames() if frame.ask == STATUS]
    assert (first.participants, second.participants) == (True, False)


def test_silence_in_a_later_round_may_be_a_complete_block(drive) -> None:
    """So whoever was silent is asked by unicast, which everybody answers."""
    d = drive(2, **BINARY)
    complete(d, 1)
    lacking(d, 2)
    transmit(d)
    d.sent(d.ask(2))
    d.wait(d.campaign.plan.groups["meters"].status_wait + 1)
    request = d.requests(2)[-1]
    assert d.command(request).participants
    say(d, 2, COMPLETE)
    assert d.status == "SUCCEEDED"


def test_a_stack_that_counts_repeats_proves_nothing_in_a_later_round(drive) -> None:
    """Zephyr: M less all fragments heard, and the uncoded ones came twice."""
    d = drive(2, fsize=48, each={"profile": "zephyr"}, allow_carousel=True, **BINARY)
    say(d, 1, fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=1, missing_frag=0))
    assert d.state(1).data is Data.COMPLETE
    say(d, 2, fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=0, missing_frag=1))
    transmit(d)
    say(d, 2, fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=1, missing_frag=0))
    assert d.status == "SUCCEEDED"
    assert [x.status for x in d.campaign.status().devices] == ["passed", "unverified"]


# ---- another session -------------------------------------------------------------------------------------


def over(d: Any) -> None:
    """The session's end comes and nobody noticed."""
    d.wait_until(d.session().end + 1)


def test_another_session_is_asked_for_when_the_old_one_is_over(drive) -> None:
    d = drive(1, **FIRMWARE)
    first = d.session()
    d.sent(d.ask(1))
    d.up(1)
    d.now = first.end + 1  # the answer was long under way
    d.say(1, NOT_READY)
    d.tick()
    assert d.status == "RUNNING"
    if d.stage == UPGRADE:
        lacking(d, 1)
    assert (d.stage, d.campaign.status().round) == (SESSION, 2)
    second = d.session()
    assert second.start > d.now > first.end
    assert isinstance(d.command(d.ask(1)), multicast.McClassCSessionReq)
    d.reach(UPGRADE)
    assert fragments(d) == [1, 2, 3, 1, 2, 3]
    assert stages(d).count(FRAG) == 1  # the fragmentation session lives on
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_no_device_is_asked_for_another_session_while_a_round_fits_into_the_old_one(drive) -> None:
    d = drive(1, **FIRMWARE)
    lacking(d, 1)
    d.reach("end")
    assert stages(d) == [GROUP, FRAG, SESSION, DATA, UPGRADE, DATA, UPGRADE, VERIFY]


def started(drive: Any, **settings: Any) -> Any:
    """The session ends after two of five fragments."""
    d = drive(**{"n_devices": 2, "stage": DATA, "summary_report_timeout": 0} | settings)
    d.wait_until(d.session().start + 5)
    for n in range(2):
        d.wait(3)
        d.hand_over(d.frames()[n])
        if n == 0:
            d.summary(d.frames()[n])
    return d


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_a_session_that_ends_midway_is_followed_by_another_that_goes_on(drive, kind) -> None:
    d = started(drive, kind=kind)
    over(d)
    done = d.of(m.GroupDone)[-1]
    assert (done.n_sent, done.reason) == (2, "session over after 2 of 5 fragments")
    assert (d.stage, d.members(), d.campaign.status().round) == (SESSION, [1, 2], 1)
    d.reach("end")
    assert fragments(d) == [1, 2, 3, 4, 5]
    assert [frame.f_cnt for frame in d.frames() if frame.frag_nb] == [0, 1, 2, 3, 4]
    assert stages(d).count(FRAG) == 1
    assert d.status == "SUCCEEDED"


def test_without_time_for_another_session_it_fails_and_says_how_far_it_came(drive) -> None:
    d = started(drive, max_duration=33_600)
    over(d)
    assert (d.status, d.now < T0 + 33_600) == ("FAILED", True)
    assert {x.reason for x in d.campaign.status().devices} == {"session over after 2 of 5 fragments"}
    assert {x.status for x in d.campaign.status().devices} == {"failed"}
    assert "session over after 2 of 5 fragments" in d.campaign.status().reason


def test_a_group_that_has_all_its_frames_is_not_asked_for_another_session(drive, group_of) -> None:
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(2, groups=groups, stage=DATA)
    d.wait_until(d.session("a").start + 5)
    served: set[str] = set()
    for _ in range(100):
        d.wait(1)
        for frame in d.frames("a"):
            if frame.id not in served:
                served.add(frame.id)
                d.hand_over(frame)
                d.summary(frame)
    assert (fragments(d, "a"), fragments(d, "b")) == ([1, 2, 3, 4, 5], [1])
    d.wait_until(d.session("b").end + 1)
    assert (d.stage, d.asked(1), d.asked(2)) == (SESSION, "", "McSession")
    assert set(d.of(m.StageStarted)[-1].sessions) == {"b"}
    d.reach("end")
    assert (fragments(d, "a"), fragments(d, "b")) == ([1, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5])
    assert d.status == "SUCCEEDED"


def test_a_device_that_does_not_take_the_second_session_leaves(drive) -> None:
    d = started(drive, success_threshold=50, stage_end="all")
    over(d)
    d.succeed(1)
    say(d, 2, multicast.McClassCSessionAns(mc_group_id=0, dr_error=True))
    assert (d.stage, d.members()) == (DATA, [1])
    assert d.device(2).reason == "refused in McClassCSession: dr_error"


def test_a_session_of_class_b_is_followed_by_another_too(drive, group_of) -> None:
    d = drive(1, groups=(group_of(device_class="B", periodicity=7),), max_duration=9e6, stage=DATA)
    d.wait_until(d.session().end + 1)
    assert (d.stage, d.of(m.GroupDone)[-1].reason) == ("McClassBSession", "session over after 1 of 5 fragments")
    d.reach("end")
    assert (d.status, fragments(d)) == ("SUCCEEDED", [1, 1, 2, 3, 4, 5])


# ---- UpgradeImage ----------------------------------------------------------------------------------------


def test_a_device_that_said_that_its_block_is_complete_is_not_asked(drive, group_of) -> None:
    group = group_of(version="2.0.0", mc_version="2.0.0")
    d = drive(2, groups=(group,), ack_reception=True, redundancy=0, stage=DATA)
    d.say(1, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=False))
    d.reach(UPGRADE)
    assert (d.asked(1), d.asked(2)) == ("", "DevUpgradeImage")


# ---- groups with and without coded fragments ----------------------------------------------------------------


def mixed(drive: Any, group_of: Any, **settings: Any) -> Any:
    """Odd devices are in a group with coded fragments, even ones in one without."""
    groups = (group_of("fec"), group_of("carousel", mc_addr="01f3a4b6", redundancy=0))
    return drive(**{"n_devices": 4, "groups": groups, "stage": UPGRADE} | settings)


def test_only_devices_without_coded_fragments_are_asked_for_their_image(drive, group_of) -> None:
    d = mixed(drive, group_of)
    assert [d.asked(i) for i in (1, 2, 3, 4)] == ["", "DevUpgradeImage"] * 2


def test_only_the_group_without_coded_fragments_is_sent_again(drive, group_of) -> None:
    d = mixed(drive, group_of)
    complete(d, 2)
    lacking(d, 4)
    assert (d.stage, d.members()) == (DATA, [1, 2, 3, 4])
    transmit(d)
    assert (fragments(d, "fec"), fragments(d, "carousel")) == ([1, 2, 3, 4, 5], [1, 2, 3, 1, 2, 3])
    complete(d, 4)
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_group_with_coded_fragments_that_lacks_some_has_no_further_round(drive, group_of) -> None:
    d = mixed(drive, group_of, kind="binary", stage=STATUS, success_threshold=75, stage_end="all")
    for i in (1, 2):
        complete(d, i)
    lacking(d, 3)
    lacking(d, 4)
    assert (d.stage, d.members()) == (DATA, [1, 2, 4])
    transmit(d)
    assert (fragments(d, "fec"), fragments(d, "carousel")) == ([1, 2, 3, 4, 5], [1, 2, 3, 1, 2, 3])
    complete(d, 4)
    assert (d.status, d.device(3).reason) == ("SUCCEEDED", "missing 1 fragment")


def two_carousels(drive: Any, group_of: Any, kind: str, **changes: Any) -> Any:
    groups = (group_of("a", **changes), group_of("b", mc_addr="01f3a4b6"))
    return drive(2, groups=groups, **LOOK[kind])


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_a_group_in_which_nobody_lacks_anything_is_not_sent_again(drive, group_of, kind) -> None:
    d = two_carousels(drive, group_of, kind)
    complete(d, 1)
    lacking(d, 2)
    assert (d.stage, d.campaign.status().round) == (DATA, 2)
    transmit(d)
    assert (fragments(d, "a"), fragments(d, "b")) == ([1, 2, 3], [1, 2, 3] * 2)
    complete(d, 2)
    d.reach("end")
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_a_group_in_which_nobody_lacks_anything_is_not_asked_for_another_session(drive, group_of, kind) -> None:
    d = two_carousels(drive, group_of, kind)
    complete(d, 1)
    d.sent(d.ask(2))
    d.now = d.session("b").end + 1
    if kind == "binary":
        d.tick()
    lacking(d, 2)
    assert (d.stage, d.asked(1), d.asked(2)) == (SESSION, "", "McSession")
    assert set(d.of(m.StageStarted)[-1].sessions) == {"b"}
    d.reach("end")
    assert (d.status, fragments(d, "a"), fragments(d, "b")) == ("SUCCEEDED", [1, 2, 3], [1, 2, 3] * 2)


# ---- replay ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_replay_over_rounds_and_sessions_is_the_campaign(drive, kind) -> None:
    d = drive(2, kind=kind, redundancy=0, datafrag_loops_max=3, allow_carousel=True)
    checked = 0
    original = d.keep

    def keep(events: list[m.Event]) -> list[m.Event]:
        nonlocal checked
        kept = original(events)
        again = Campaign.replay(d.events, IMAGE)
        assert (again.status(), again.deadline()) == (d.campaign.status(), d.campaign.deadline())
        checked += 1
        return kept

    d.keep = keep
    d.reach(look(kind))
    complete(d, 1)
    lacking(d, 2)
    d.wait(1)
    d.wait_until(d.session().end + 1)  # one fragment is out
    assert d.stage == SESSION
    d.reach(look(kind))
    lacking(d, 2)
    d.reach("end")
    assert (d.status, d.campaign.status().round, checked > 100) == ("SUCCEEDED", 3, True)


# ---- start and time-out ---------------------------------------------------------------------------------------


def test_the_session_starts_when_nearly_all_devices_are_expected_to_have_confirmed(drive):
    """The campaign's periods and tries enter the start that the schedule computes."""
    settings = {"ucast_msg_delay": 500, "msg_retries": 3, "delivery_timeout": 20, "mcsession_delay": 45}
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", uplink_period=60 * i) for i in (1, 2, 3))
    d = drive(3, devices=devices, stage_complete_delay=2, stage=CLASS_C, **settings)
    begun = d.of(StageStarted)[2]
    start = session_start(
        begun.at,
        periods={60: 1, 120: 1, 180: 1},
        losses=Tries(n_sent=6).losses(),
        ucast_msg_delay=0.5,
        msg_retries=3,
        delivery_timeout=20,
        late_answer_time=2 * 180,
        margin=45,
    )
    assert (session(d).start, begun.wait) == (start.at, m.Wait(until=start.at, why=start.reason))
    assert begun.at + 180 + 45 <= session(d).start <= begun.at + 3 * 0.5 + 4 * (2 * 180 + 2 * 20) + 2 * 180 + 45


def test_losses_of_the_campaign_delay_the_start_of_its_session(drive):
    def wait(lost: int) -> float:
        d = drive(3, msg_retries=5, stage=FRAG)
        d.ask(1)
        for _ in range(lost):
            d.sent(d.requests(1)[-1], ok=False)
            d.wait(2)
        d.reach(CLASS_C)
        return float(session(d).start - d.of(StageStarted)[2].at)

    assert wait(0) < wait(2)


def test_a_session_stage_waits_for_its_configured_start(drive):
    d = drive(1, session_start=T0 + 20_000.0, stage=CLASS_C)
    assert d.of(StageStarted)[2].wait == m.Wait(until=T0 + 20_000.0, why="session_start is configured")


def test_frames_wait_for_the_session(drive):
    d = drive(1, stage=DATA)
    assert d.of(StageStarted)[-1].wait == m.Wait(until=session(d).start, why="the multicast session begins")
    assert d.campaign.status().wait == d.of(StageStarted)[-1].wait


def test_the_sessions_start_is_the_same_in_every_resend_and_for_every_device(drive):
    d = drive(3, stage=CLASS_C)
    commands = [asked(d, 1)]
    for i in (2, 3):
        d.wait(10)
        commands.append(asked(d, i))
    d.sent(d.requests(1)[-1], ok=False)
    d.wait(150)
    commands += [multicast.decode(r.command, uplink=False)[0] for r in d.requests(1)]
    assert len(commands) == 5
    assert all(command == commands[0] for command in commands)
    assert commands[0].session_time == int(gps_from_unix(session(d).start)) % 2**32


def test_a_configured_start_is_used(drive):
    d = drive(1, session_start=1_800_020_000.0, stage=CLASS_C)
    assert session(d).start == 1_800_020_000.0
    assert asked(d).session_time == int(gps_from_unix(1_800_020_000)) % 2**32


@pytest.mark.parametrize(("max_duration", "time_out"), [(760, 8), (1500, 10), (100_000, 15)])
def test_the_time_out_reaches_to_the_maximum_duration(drive, max_duration, time_out):
    d = drive(1, max_duration=max_duration, session_length="duration", stage=CLASS_C)
    left = d.of(StageStarted)[0].at + max_duration - session(d).start
    assert session(d).time_out == time_out
    assert 2**time_out >= min(left, 2**15)
    assert 2 ** (time_out - 1) < left


@pytest.mark.parametrize("beacons", [0, 1, 2, 5])
def test_a_class_b_session_starts_at_a_beacon_after_beacons_of_acquisition(drive, group_of, beacons):
    d = drive(1, groups=(group_of(device_class="B"),), classb_start_beacons_delay=beacons, stage=CLASS_B)
    c = drive(1, stage=CLASS_C)
    computed = session(c).start - c.of(StageStarted)[2].at
    earliest = gps_from_unix(d.of(StageStarted)[2].at + computed) + 128 * beacons
    start = gps_from_unix(session(d).start)
    assert start % 128 == 0
    assert earliest <= start < earliest + 128 + 1
    assert asked(d).session_time == start % 2**32


def test_a_configured_start_of_class_b_is_rounded_up_to_a_beacon(drive, group_of):
    d = drive(1, groups=(group_of(device_class="B"),), session_start=1_800_020_000.0, stage=CLASS_B)
    start = gps_from_unix(session(d).start)
    assert start % 128 == 0
    assert 0 <= start - gps_from_unix(1_800_020_000) < 128
    aligned = float(session(d).start)
    d = drive(1, groups=(group_of(device_class="B"),), session_start=aligned, stage=CLASS_B)
    assert session(d).start == aligned


@pytest.mark.parametrize(("max_duration", "time_out"), [(2800, 4), (9000, 6), (100_000, 10)])
def test_the_time_out_of_class_b_counts_beacon_periods(drive, group_of, max_duration, time_out):
    groups = (group_of(device_class="B"),)
    d = drive(1, groups=groups, max_duration=max_duration, session_length="duration", stage=CLASS_B)
    left = d.of(StageStarted)[0].at + max_duration - session(d).start
    assert session(d).time_out == asked(d).time_out == time_out
    assert session(d).end == session(d).start + 128 * 2**time_out
    assert 128 * 2**time_out >= left > 128 * 2 ** (time_out - 1)


# ---- how long a session lasts ------------------------------------------------------------------------------


def time_out(d) -> int:
    return d.session().time_out


QUIET = m.NetworkCapabilities(summaries=False)


def test_a_session_lasts_for_its_frames_with_a_margin(drive):
    """5 s before the first of five frames, one every 2 s: 15 s · 1.25 + 60 s are 79 s, and 2^7 s are enough."""
    d = drive(2, session_length="need", network=QUIET, stage=SESSION)
    assert time_out(d) == 7


def test_a_session_lasts_as_long_as_the_campaign_may_where_that_is_configured(drive):
    assert time_out(drive(2, session_length="duration", network=QUIET, stage=SESSION)) == 15


def test_a_session_of_a_setup_alone_lasts_as_long_as_the_campaign_may(drive):
    assert time_out(drive(2, session_length="need", kind="multicast", network=QUIET, stage=SESSION)) == 15


@pytest.mark.parametrize(("cadence", "window", "expected"), [(60.0, 1, 9), (60.0, 10, 7), (1.0, 1, 7)])
def test_a_session_allows_for_the_summaries_that_frames_wait_for(drive, cadence, window, expected):
    network = m.NetworkCapabilities(summary_cadence=cadence)
    d = drive(2, session_length="need", network=network, summary_window=window, stage=SESSION)
    assert time_out(d) == expected


def test_a_campaign_whose_sessions_are_as_long_as_needed_succeeds_without_another_one(drive):
    d = drive(2, session_length="need", network=QUIET)
    d.reach("end")
    assert d.status == "SUCCEEDED"
    assert [e.stage for e in d.of(m.StageStarted)].count(SESSION) == 1
