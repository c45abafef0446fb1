"""Repair by unicast: the last few devices are sent coded fragments of their own."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION, make_group, replayed, same

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.state import Data
from fuota_fec.campaign.turn import Phase
from fuota_fec.wire import firmware, fragmentation

DATA, STATUS, REPAIR, VERIFY = "DlFragment", "FragSessionStatus", "UnicastRepair", "CompletionVerification"
FIXED: dict[str, Any] = {"kind": "binary", "redundancy": 2, "fsize": 1, "unicast_repair_max": 2, "stage_end": "all"}
"""30 fragments and two coded ones."""
ADAPTIVE = {**FIXED, "redundancy": "adaptive", "fsession_status_threshold": 0}
UPDATE = {**ADAPTIVE, "kind": "firmware"}
DIALECT_2 = (make_group(dialect="2.0.0"),)
SLOW = {"each": {"downlink_dr": 0}}


def lacks(n: int, received: int = 32) -> fragmentation.FragSessionStatusAns:
    return fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=received, missing_frag=n)


COMPLETE = lacks(0)


def by_unicast(d: Any, i: int | None = None) -> list[int]:
    """Numbers of the fragments that left for device i, or anybody, by unicast."""
    left = {event.id for event in d.of(m.Reported) if event.ok}
    found = [e for e in d.of(m.Requested) if e.dev_eui and e.frag_nb is not None and e.id in left]
    return [e.frag_nb for e in found if i is None or e.dev_eui == f"{i:016x}"]


def by_multicast(d: Any) -> list[int]:
    return [frame.frag_nb for frame in d.frames() if frame.frag_nb is not None]


def tell(d: Any, answers: dict[int, Any]) -> None:
    """Each device is asked for its status, alone or with its group, and says this."""
    for i, answer in answers.items():
        d.sent(d.ask(i))
        d.say(i, answer)


def fragments_leave(d: Any, i: int) -> None:
    while d.stage == REPAIR and d.asked(i) == "DataFragment":
        d.sent(d.ask(i))


# ---- when ------------------------------------------------------------------------------------------------


def test_the_last_device_is_sent_what_it_lacks_and_then_says_that_it_has_it(drive) -> None:
    d = drive(4, stage=STATUS, **FIXED)
    tell(d, {1: COMPLETE, 2: COMPLETE, 3: lacks(2), 4: COMPLETE})
    assert (d.stage, d.asked(3)) == (REPAIR, "DataFragment")
    fragments_leave(d, 3)
    assert by_unicast(d, 3) == [370, 369, 368, 367], "(2 + 2) / (1 - 0), from the end of 340 rows"
    assert d.asked(3) == STATUS
    d.sent(d.ask(3))
    d.say(3, lacks(0, 36))
    assert (d.status, [x.status for x in d.campaign.status().devices]) == ("SUCCEEDED", ["passed"] * 4)
    assert by_unicast(d) == by_unicast(d, 3)
    assert by_multicast(d) == list(range(1, 33))


@pytest.mark.parametrize(("most", "repaired"), [(0, False), (1, False), (2, True), (3, True)])
def test_no_more_devices_are_repaired_than_are_allowed(drive, most, repaired) -> None:
    d = drive(4, stage=STATUS, **{**FIXED, "unicast_repair_max": most})
    tell(d, {1: COMPLETE, 2: lacks(2), 3: lacks(2), 4: COMPLETE})
    assert d.status == ("RUNNING" if repaired else "FAILED")
    if repaired:
        assert (d.stage, d.asked(2), d.asked(3)) == (REPAIR, "DataFragment", "DataFragment")


def test_repair_is_for_the_quickest_devices_that_the_threshold_needs(drive) -> None:
    d = drive(4, stage=STATUS, success_threshold=75, **FIXED)
    tell(d, {1: COMPLETE, 2: lacks(5), 3: lacks(2), 4: COMPLETE})
    assert (d.stage, d.asked(3)) == (REPAIR, "DataFragment")
    fragments_leave(d, 3)
    d.sent(d.ask(3))
    d.say(3, COMPLETE)
    assert d.status == "SUCCEEDED"
    assert (by_unicast(d, 2), d.device(2).reason) == ([], "missing 5 fragments")


@pytest.mark.parametrize(("settings", "stage"), [({}, REPAIR), (SLOW, DATA)], ids=["cheap", "dear"])
def test_a_round_takes_the_place_of_a_repair_that_takes_more_air_time(drive, settings, stage) -> None:
    """At data rate 0 a fragment is on the air 20 times as long."""
    d = drive(3, stage=STATUS, **{**ADAPTIVE, **settings})
    tell(d, {1: lacks(1)})
    d.wait(d.campaign.plan.groups["meters"].status_wait + 1)
    assert d.stage == stage


def test_two_devices_that_lack_the_same_are_better_served_by_a_round(drive) -> None:
    d = drive(3, stage=STATUS, **{**ADAPTIVE, "fsession_status_threshold": 100})
    tell(d, {1: lacks(9), 2: lacks(9), 3: COMPLETE})
    assert d.stage == DATA


def test_a_device_whose_downlinks_hold_no_fragment_is_not_repaired(drive) -> None:
    """60 bytes at data rate 0, 51 at most; no round is possible, so there is no help."""
    settings = {**FIXED, **SLOW, "fsize": 60}
    d = drive(2, stage=STATUS, **{**settings, "fsize": 60, "redundancy": 1}, allow_carousel=True)
    tell(d, {1: COMPLETE, 2: lacks(1, 0)})
    assert d.stage != REPAIR


def test_a_repair_that_would_outlast_the_maximum_duration_does_not_begin(drive) -> None:
    d = drive(2, stage=STATUS, **FIXED, max_duration=2000)
    tell(d, {1: COMPLETE})
    d.wait(1200 - (d.now - 1_800_000_000))
    d.up(2)
    tell(d, {2: lacks(9)})
    assert d.status == "FAILED"


def test_a_device_that_does_not_answer_status_is_not_repaired(drive, config_of) -> None:
    d = drive(2, stage=STATUS, **{**UPDATE, "each": {"profile": "actility-l476"}, "fsize": 2})
    d.wait(10)
    assert d.stage == STATUS


# ---- how -------------------------------------------------------------------------------------------------


def repairing(drive: Any, **settings: Any) -> Any:
    """Device 2 of 2 lacks one fragment, and is to be sent three."""
    d = drive(2, stage=STATUS, **{**FIXED, **settings})
    tell(d, {1: COMPLETE, 2: lacks(1)})
    assert d.stage == REPAIR
    return d


def test_a_fragment_that_did_not_leave_is_sent_again(drive) -> None:
    d = repairing(drive)
    d.sent(d.ask(2), ok=False)
    d.sent(d.ask(2))
    assert by_unicast(d) == [370]
    fragments_leave(d, 2)
    assert by_unicast(d) == [370, 369, 368]


def test_a_fragment_that_is_never_sent_ends_the_repair(drive) -> None:
    d = repairing(drive)
    for _ in range(3):
        d.sent(d.ask(2), ok=False)
    d.wait(111)
    assert (d.status, d.device(2).status) == ("FAILED", "failed")


def test_an_uplink_stands_for_the_sent_report(drive) -> None:
    d = repairing(drive, network=m.NetworkCapabilities(sent_reports=False))
    while d.asked(2) == "DataFragment":
        d.ask(2)
        d.wait(1)
        d.up(2)
    assert by_unicast(d) == [370, 369, 368]
    d.ask(2)
    d.wait(1)
    d.up(2)
    d.say(2, COMPLETE)
    assert d.status == "SUCCEEDED"


def test_a_device_that_still_lacks_fragments_is_sent_more(drive) -> None:
    d = repairing(drive)
    for n in range(4):
        fragments_leave(d, 2)
        d.sent(d.ask(2))
        d.say(2, lacks(1, 33 + n) if n < 3 else COMPLETE)
    assert d.status == "SUCCEEDED"
    numbers = by_unicast(d)
    assert numbers == list(range(370, 370 - len(numbers), -1))
    assert len(numbers) > 9


def test_repair_ends_when_no_rows_are_left(drive) -> None:
    """A device that never has enough: no number twice, none beyond frag_redundancy_max."""
    d = repairing(drive, frag_redundancy_max=12)
    for _ in range(50):
        if d.status != "RUNNING":
            break
        fragments_leave(d, 2)
        d.sent(d.ask(2))
        d.say(2, lacks(1, 33))
    assert (d.status, d.device(2).reason) == ("FAILED", "missing 1 fragment")
    assert by_unicast(d) == list(range(42, 32, -1))


def test_a_repeated_answer_in_a_repair_adds_nothing(drive) -> None:
    d = repairing(drive)
    fragments_leave(d, 2)
    d.sent(d.ask(2))
    d.say(2, lacks(1))
    n = len(d.events)
    d.say(2, lacks(1))
    d.say(2, lacks(2))
    assert not d.of(m.Answered, d.events[n:])
    assert not d.of(m.Deferred, d.events[n:])


def test_a_late_report_on_an_earlier_fragment_does_not_count_twice(drive) -> None:
    d = repairing(drive)
    first = d.ask(2)
    d.wait(131)  # No report in time: it is tried again.
    second = d.ask(2)
    assert (first.frag_nb, second.frag_nb) == (370, 370)
    d.sent(first)
    assert d.state(2).n_repaired == 0
    d.sent(second)
    d.sent(first)
    d.sent(second)
    assert d.state(2).n_repaired == 1


# ---- with rounds -----------------------------------------------------------------------------------------


def test_all_devices_of_a_binary_transfer_are_asked_for_proof_after_a_repair(drive) -> None:
    """Device 1 and 3 were silent, which was enough to go on."""
    d = drive(3, stage=STATUS, **ADAPTIVE)
    tell(d, {2: lacks(1)})
    d.wait(d.campaign.plan.groups["meters"].status_wait + 1)
    assert (d.stage, d.of(m.SilencePresumed)[-1].group) == (REPAIR, "meters")
    assert [d.asked(i) for i in (1, 2, 3)] == ["", "DataFragment", ""]
    fragments_leave(d, 2)
    tell(d, {2: COMPLETE})
    assert d.stage == STATUS
    assert d.state(2).data is Data.COMPLETE
    tell(d, {1: COMPLETE, 3: COMPLETE})
    assert (d.status, {x.status for x in d.campaign.status().devices}) == ("SUCCEEDED", {"passed"})


def test_the_version_proves_a_repair_in_a_firmware_update(drive) -> None:
    d = drive(3, stage=STATUS, **UPDATE)
    tell(d, {2: lacks(1)})
    d.wait(d.campaign.plan.groups["meters"].status_wait + 1)
    fragments_leave(d, 2)
    tell(d, {2: COMPLETE})
    assert d.stage == VERIFY
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_round_after_a_repair_has_rows_that_nobody_was_sent(drive) -> None:
    """The repaired device still runs the old version, device 1 lacks fragments too, and a round is cheaper."""
    d = drive(2, stage=STATUS, **UPDATE)
    tell(d, {2: lacks(1)})
    d.wait(d.campaign.plan.groups["meters"].status_wait + 1)
    fragments_leave(d, 2)
    tell(d, {2: lacks(0, 35)})
    assert d.stage == VERIFY
    old = firmware.DevVersionAns(fw_version=0x01000000, hw_version=1)
    d.wait_until(d.campaign.progress().asks_from + 10)
    for i in (1, 2):
        d.up(i)
    while d.stage == VERIFY:
        for i in (1, 2):
            if d.stage == VERIFY and d.turn(i).phase is Phase.REQUESTED:
                d.sent(d.ask(i))
                d.say(i, old)
        d.wait(10)
    d.send_all()
    sent = by_unicast(d) + by_multicast(d)
    assert len(set(sent)) == len(sent)
    assert len(by_multicast(d)) > 32


def test_each_fragment_for_a_device_is_of_another_row(drive) -> None:
    d = drive(3, stage=STATUS, **FIXED)
    tell(d, {1: COMPLETE, 2: lacks(1), 3: lacks(1)})
    fragments_leave(d, 2)
    fragments_leave(d, 3)
    assert by_unicast(d, 2) == by_unicast(d, 3) == [370, 369, 368]


# ---- pause, stop, crash ----------------------------------------------------------------------------------


def test_a_pause_holds_fragments_of_a_repair_back_and_uses_up_no_retry(drive) -> None:
    d = repairing(drive)
    d.pause()
    d.wait(5000)
    assert by_unicast(d) == []
    d.unpause()
    d.wait(2)
    fragments_leave(d, 2)
    assert by_unicast(d) == [370, 369, 368]


def test_a_stop_withdraws_fragments_of_a_repair(drive) -> None:
    d = repairing(drive)
    request = d.ask(2)
    d.stop()
    assert [e.id for e in d.of(m.Withdrawn)] == [request.id]
    assert d.status == "STOPPED"
    assert [x.status for x in d.campaign.status().devices] == ["passed", "stopped"]


@pytest.mark.parametrize("n_left", range(4))
@pytest.mark.parametrize("handed_over", [False, True])
def test_a_repair_goes_on_with_the_next_fragment_after_a_crash(drive, n_left, handed_over) -> None:
    d = repairing(drive)
    for _ in range(n_left):
        d.sent(d.ask(2))
    if handed_over:
        d.ask(2)
    d.wait(1)
    d.crash()
    fragments_leave(d, 2)
    d.sent(d.ask(2))
    d.say(2, COMPLETE)
    assert d.status == "SUCCEEDED"
    assert by_unicast(d) == [370, 369, 368]


# ---- a device that needs no more -------------------------------------------------------------------------

RECEIVED = fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=False)
WRONG = fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=True)
RUNS_IT = firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)
PHASES = ["ready", "requested", "handed over", "between two fragments"]


def repairing_2(drive: Any) -> Any:
    """As `repairing`, in dialect 2.0.0, where devices report their blocks."""
    d = drive(2, stage=STATUS, **FIXED, groups=DIALECT_2)
    said = {
        i: fragmentation.FragSessionStatusAns(version="2.0.0", missing_frag=i - 1, frag_index=0, nb_frag_received=32)
        for i in (1, 2)
    }
    tell(d, said)
    assert d.stage == REPAIR
    return d


def in_the_middle(d: Any, phase: str) -> None:
    """Brings device 2 into the middle of its repair."""
    if phase == "between two fragments":
        d.sent(d.ask(2))
    elif phase != "ready":
        d.wait(2)
        if phase == "handed over":
            d.ask(2)


@pytest.mark.parametrize("phase", PHASES)
def test_a_device_that_reports_its_block_in_the_middle_of_a_repair_is_sent_no_more(drive, phase) -> None:
    d = repairing_2(drive)
    in_the_middle(d, phase)
    n_sent = len(by_unicast(d))
    d.say(2, RECEIVED)
    d.wait(1000)
    assert len(by_unicast(d)) == n_sent
    assert (d.status, d.device(2).status, d.state(2).data) == ("SUCCEEDED", "passed", Data.COMPLETE)
    assert not [r for r in d.requests(2) if d.campaign.awaits_hand_over(r.id)]
    assert same(replayed(d), d.campaign)


@pytest.mark.parametrize("phase", PHASES)
def test_a_device_whose_block_is_wrong_is_sent_no_more_either(drive, phase) -> None:
    d = repairing_2(drive)
    in_the_middle(d, phase)
    n_sent = len(by_unicast(d))
    d.say(2, WRONG)
    d.wait(1000)
    assert len(by_unicast(d)) == n_sent
    assert (d.status, d.device(2).reason) == ("FAILED", "image not valid: MIC error")


@pytest.mark.parametrize("phase", PHASES)
def test_a_device_that_runs_the_target_in_the_middle_of_a_repair_is_sent_no_more(drive, phase) -> None:
    d = repairing(drive, kind="firmware", redundancy="adaptive")
    in_the_middle(d, phase)
    n_sent = len(by_unicast(d))
    d.say(2, firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1))
    assert d.stage == REPAIR, "the version from before the update ends no repair"
    d.say(2, RUNS_IT)
    d.wait(30)
    assert len(by_unicast(d)) == n_sent
    assert (d.stage, d.state(2).fw_version) == (VERIFY, NEW_VERSION)
