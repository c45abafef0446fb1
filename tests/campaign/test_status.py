"""Views of a campaign: its progress, and the status of each device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION, T0, dev, make_group
from event_examples import EXAMPLES

from fuota_fec.campaign import messages as m
from fuota_fec.wire import firmware, fragmentation
from fuota_fec.wire.commands import Command

STAGES = ["McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification"]
DATA, STATUS, UPGRADE, VERIFY = "DlFragment", "FragSessionStatus", "UpgradeImage", "CompletionVerification"
COMPLETE = fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=False)


def status_ans(received: int, missing: int) -> fragmentation.FragSessionStatusAns:
    return fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=received, missing_frag=missing)


def say(d: Any, i: int, answer: Command) -> Any:
    d.sent(d.ask(i))
    d.say(i, answer)
    return d


def finish(d: Any) -> Any:
    """Without an answer to anything."""
    d.wait(200_000)
    assert d.campaign.finished
    return d


def second(drive: Any, group_of: Any, n: int = 2, **settings: Any) -> Any:
    """Devices that say of themselves that their block is complete."""
    group = group_of(version="2.0.0", mc_version="2.0.0")
    return drive(n, groups=(group,), ack_reception=True, **settings)


def test_status_follows_the_campaign(drive) -> None:
    d = drive(2)
    for n, stage in enumerate(STAGES):
        d.reach(stage)
        status = d.campaign.status()
        assert (status.stage, status.n_stages_completed, status.n_taking_part) == (stage, n, 2)
    d.reach("end")
    status = d.campaign.status()
    assert (status.status, status.stage, status.n_stages_completed, status.reason) == ("SUCCEEDED", None, 5, "")
    assert [x.status for x in status.devices] == ["passed", "passed"]
    assert "SUCCEEDED" in repr(d.campaign)


def test_complete_data_without_a_version_is_unverified(drive, group_of) -> None:
    d = second(drive, group_of, stage=VERIFY)
    d.say(1, COMPLETE)
    d = finish(d)
    assert [device.status for device in d.campaign.status().devices] == ["unverified", "failed"]
    assert (d.device(1).data_complete, d.device(2).data_complete) == (True, False)
    assert d.device(1).reason in ("not heard in CompletionVerification", "no answer in CompletionVerification")
    assert (d.status, d.of(m.Finished)[0].successes) == ("FAILED", 0)


def test_an_image_that_was_ready_without_a_version_is_unverified(drive) -> None:
    d = drive(1, redundancy=0, stage=UPGRADE)
    say(d, 1, firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION))
    finish(d)
    assert (d.device(1).status, d.device(1).reason) == ("unverified", "not heard in CompletionVerification")


def test_complete_data_and_another_version_is_failed(drive, group_of) -> None:
    d = second(drive, group_of, n=1, each={"fw_version": "1.0.0.0"}, stage=VERIFY)
    d.say(1, COMPLETE)
    d.wait(30)
    d.hand_over(d.replies()[0])
    say(d, 1, firmware.DevVersionAns(fw_version=0x03000000, hw_version=1))
    assert (d.device(1).status, d.device(1).data_complete) == ("failed", True)
    assert d.device(1).reason == "wrong version 3.0.0.0"


def test_the_old_version_to_the_end_is_failed(drive, group_of) -> None:
    d = second(drive, group_of, n=1, stage=VERIFY)
    d.say(1, COMPLETE)
    d.wait(30)
    for _ in range(3):
        d.hand_over(d.replies()[0])
        say(d, 1, firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1))
        d.wait(101)
    d.wait(200)
    assert (d.status, d.device(1).status, d.device(1).reason) == ("FAILED", "failed", "wrong version 1.0.0.0")


@pytest.mark.parametrize("stage", [DATA, VERIFY])
def test_complete_data_when_the_campaign_is_stopped_is_unverified_unless_the_image_was_deleted(
    drive, group_of, stage
) -> None:
    d = second(drive, group_of, stage=stage)
    d.say(1, COMPLETE)
    d.stop()
    d.clean_up()
    expected = ["stopped", "stopped"] if stage == DATA else ["unverified", "stopped"]
    assert [device.status for device in d.campaign.status().devices] == expected
    assert d.device(1).data_complete is (stage == VERIFY)


def test_an_image_whose_deletion_was_not_confirmed_is_still_there(drive, group_of) -> None:
    d = second(drive, group_of, stage=DATA)
    d.say(1, COMPLETE)
    d.stop()
    finish(d)
    assert (d.device(1).status, d.device(1).unconfirmed) == ("unverified", "no answer in DevDeleteImage")


@pytest.mark.parametrize("reason", ["session over", "maximum duration reached"])
def test_complete_data_when_its_group_did_not_get_all_frames_is_unverified(drive, group_of, reason) -> None:
    max_duration = 33_600 if reason == "session over" else 20_000
    d = second(drive, group_of, max_duration=max_duration, stage=DATA)
    d.say(1, COMPLETE)
    d.wait_until(T0 + max_duration - 50)
    finish(d)
    assert d.device(1).reason.startswith(reason)
    assert [device.status for device in d.campaign.status().devices] == ["unverified", "failed"]


@pytest.mark.parametrize(
    ("profile", "answer", "status"),
    [
        ("generic", status_ans(1, 0), "passed"),
        ("lbm", status_ans(1, 0), "passed"),
        ("lbm", status_ans(1, 1), "unverified"),
        ("loramac-node", status_ans(1, 0), "unverified"),
        ("loramac-node", status_ans(2, 1), "unverified"),
        ("loramac-node", status_ans(1, 1), "failed"),
        ("zephyr", status_ans(1, 0), "unverified"),
        ("zephyr", status_ans(0, 1), "failed"),
    ],
)
def test_counts_are_hints_by_profile(drive, profile, answer, status) -> None:
    d = drive(1, kind="binary", fsize=48, each={"profile": profile}, stage=STATUS)
    say(d, 1, answer)
    assert d.device(1).status == status
    assert d.status == ("SUCCEEDED" if answer.missing_frag == 0 or profile == "lbm" else "FAILED")


def test_a_device_that_passes_has_no_reason(drive) -> None:
    for kind in ("multicast", "binary", "firmware"):
        d = drive(2, kind=kind)
        d.reach("end")
        assert {(x.status, x.reason, x.unconfirmed) for x in d.campaign.status().devices} == {("passed", "", "")}


@pytest.fixture(scope="module")
def sending(drive) -> Any:
    """A campaign that has asked two devices, and sends fragments to their groups."""
    d = drive(2, groups=(make_group(), make_group("valves", mc_addr="01f3a4b6")))
    d.reach(DATA)
    d.wait_until(d.session().start + 30)
    return d


SUBJECTS = {"id": "a request", "dev_eui": "a device", "group": "a group"}


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_names_the_device_or_the_group_that_it_concerns(sending, event) -> None:
    """A request, and all that happens to it, concerns the device or the group that it went to."""
    to_device = next(r for r in sending.of(m.Requested) if r.dev_eui == dev(2))
    to_group = next(r for r in sending.of(m.Requested) if r.group == "valves")
    named = {name for name in SUBJECTS if getattr(event, name, None) is not None}
    for request in (to_device, to_group):
        values = {"id": request.id, "dev_eui": dev(2), "group": "valves"}
        if named & {"dev_eui", "group"} and getattr(request, "dev_eui" if "dev_eui" in named else "group") is None:
            continue
        record = sending.campaign.describe(replace(event, **{name: values[name] for name in named}))
        by_id = named == {"id"}
        device = "dev_eui" in named or (by_id and request is to_device)
        group = "group" in named or (by_id and request is to_group)
        assert record.get("device", {}).get("dev_eui") == (dev(2) if device else None)
        assert record.get("group_progress", {}).get("name") == ("valves" if group else None)


def test_an_event_of_no_request_of_the_campaign_names_nothing(sending) -> None:
    n = sending.machine.state.n_requests
    for name in ("", "c", "c/", "c/0", "c/-1", "c/x", f"c/{n + 1}", "d/1", "c/²"):
        record = sending.campaign.describe(m.Withdrawn(at=T0, id=name))
        assert "device" not in record
        assert "group_progress" not in record


def test_a_replayed_campaign_names_the_same(sending) -> None:
    other = sending.fork()
    for event in sending.events:
        assert other.campaign.describe(event) == sending.campaign.describe(event)


# ---- waits -----------------------------------------------------------------------------------------------


def test_nobody_knows_until_when_a_paused_campaign_waits(drive) -> None:
    d = drive(1, stage="McClassCSession")
    until_session = d.campaign.status().wait
    assert until_session.until == d.session().start
    d.pause()
    assert d.campaign.status().wait == d.campaign.progress().wait == m.Wait(until=None, why="paused")
    d.unpause()
    assert d.campaign.status().wait == until_session


def test_a_suspended_campaign_waits_for_the_error_to_end(drive) -> None:
    d = drive(1, stage="McClassCSession")
    until_session = d.campaign.status().wait
    d.campaign.follow(m.Suspended(at=d.now, reason="no keys"))
    assert d.campaign.status().wait == m.Wait(until=None, why="suspended: no keys")
    d.resume()
    assert d.campaign.status().wait == until_session


def test_late_answers_and_the_clean_up_are_waited_for(drive) -> None:
    d = drive(2, success_threshold=50, clean_up=True)
    d.sent(d.ask(2))
    d.succeed(1)
    [closing] = d.of(m.StageClosing)
    assert d.campaign.status().wait == d.campaign.progress().wait == m.Wait(until=closing.until, why="late answers")
    d.stop()
    [stopping], [begun] = d.of(m.Stopping), d.of(m.CleanUpStarted)
    assert d.events.index(begun) == d.events.index(stopping) + 1
    wait = d.campaign.status().wait
    assert (begun.at, begun.n_devices, begun.wait) == (d.now, 1, wait)
    assert wait.why == "the clean-up of 1 device"
    d.wait(wait.until - d.now)
    assert d.campaign.finished
    assert d.campaign.status().wait is None


def test_a_campaign_without_a_clean_up_waits_for_none(drive) -> None:
    d = drive(1)
    d.reach("end")
    assert d.of(m.CleanUpStarted) == []
