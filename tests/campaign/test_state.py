"""State of a campaign."""

from __future__ import annotations

import pytest
from campaign_driver import dev, known

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.state import Data

FRAG = "FragSessionSetup"


@pytest.mark.parametrize(("configured", "last", "sent"), [(1, None, 1), (1, 0, 1), (1, 40, 41), (50, 40, 50)])
def test_the_session_count_is_larger_than_the_last_one(drive, group_of, configured, last, sent) -> None:
    said = known(session_cnt=last)
    d = drive(1, groups=(group_of(version="2.0.0"),), session_cnt=configured, known=said, stage=FRAG)
    assert d.command(d.ask(1)).session_cnt == sent


def test_each_device_has_its_own_session_count(drive, group_of) -> None:
    said = m.Known(devices={dev(1): m.KnownDevice(session_cnt=9), dev(3): m.KnownDevice(session_cnt=77)})
    d = drive(3, groups=(group_of(version="2.0.0"),), known=said, stage=FRAG)
    assert [d.command(d.ask(i)).session_cnt for i in (1, 2, 3)] == [10, 1, 78]


def test_a_resend_has_the_same_session_count(drive, group_of) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),), known=known(session_cnt=40), stage=FRAG)
    d.sent(d.ask(1), ok=False)
    d.wait(2)
    assert [d.command(request).session_cnt for request in d.requests(1)] == [41, 41]


def test_session_counts_end_at_16_bits(drive, group_of) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),), known=known(session_cnt=0xFFFF), stage=FRAG)
    assert d.command(d.ask(1)).session_cnt == 0xFFFF


# ---- the campaign ----------------------------------------------------------------------------------------


def test_the_state_begins_with_the_facts_of_the_registry(drive) -> None:
    d = drive(1, known=known(session_cnt=7, session_open=True, fw_version=5))
    device = d.state(1)
    assert (device.session_cnt, device.last_session_cnt, device.session_open, device.old_version) == (8, 7, True, 5)
    assert device.known() == m.KnownDevice(session_cnt=7, session_open=True, fw_version=5)


def test_a_configured_version_goes_before_that_of_the_registry(drive) -> None:
    d = drive(1, known=known(fw_version=5), each={"fw_version": "1.2.3.4"})
    assert d.state(1).old_version == 0x01020304


def test_request_ids_count_the_requests_of_the_campaign(drive) -> None:
    state = drive(1).machine.state
    assert state.next_request_id() == "c/1"
    state.n_requests = 41
    assert state.next_request_id() == "c/42"


def test_the_slowest_period_is_of_devices_that_take_part(drive) -> None:
    state = drive(2).machine.state
    first, second = state.devices.values()
    first.period, second.period = 100.0, 900.0
    assert state.slowest_period() == 900
    second.taking_part = False
    assert (state.slowest_period(), state.n_taking_part(), state.active_groups()) == (100, 1, {"meters"})
    first.taking_part = False
    assert (state.slowest_period(), state.active_groups()) == (state.plan.slowest_period, set())


@pytest.mark.parametrize(
    ("redundancy", "reason", "lacks"), [(2, "", True), (0, "", False), (0, "missing 1 fragment", True)]
)
def test_a_group_lacks_fragments_if_a_device_may_lack_some(drive, redundancy, reason, lacks) -> None:
    state = drive(1, redundancy=redundancy).machine.state
    [device] = state.devices.values()
    device.reason = reason
    assert state.lacking_groups() == ({"meters"} if lacks else set())
    device.data = Data.LIKELY
    assert state.lacking_groups() == set()


def test_facts_are_taken_once(drive) -> None:
    state = drive(2).machine.state
    state.changed_devices.add(dev(2))
    state.changed_groups.add("meters")
    group, device = state.take_facts()
    assert (group.mc_addr, device.dev_eui) == ("01f3a4b5", dev(2))
    assert state.take_facts() == []


@pytest.mark.parametrize(
    ("successes", "n_before", "n_asked", "met"),
    [(8, 0, 10, True), (7, 0, 10, False), (9, 9, 1, False), (10, 9, 1, True), (8, 5, 5, False), (9, 5, 5, True)],
)
def test_the_threshold_is_met_by_all_successes_and_by_those_that_were_asked(
    drive, successes, n_before, n_asked, met
) -> None:
    """80 % of ten devices, and of those that the stage asks anything of."""
    state = drive(10, success_threshold=80).machine.state
    assert state.is_met(successes, n_before, n_asked) is met
    assert state.is_met(successes) is (successes >= 8)


def test_a_device_that_passes_beside_the_stages_is_counted_once(drive) -> None:
    state = drive(2).machine.state
    one, two = state.devices.values()
    one.taking_part = False
    for device in (one, one, two):
        state.pass_device(device)
    assert (state.n_beside, one.passed, two.passed, state.n_may_pass()) == (1, True, True, 2)
