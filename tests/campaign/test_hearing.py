"""Hearing: a campaign that hears none of its devices says whom it hears instead."""

from __future__ import annotations

import pytest
from campaign_driver import Driver, dev

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import FAILED, Campaign
from fuota_fec.campaign.hearing import MOST_STRANGERS, Strangers
from fuota_fec.campaign.inputs import Uplink


def strangers(d: Driver, *numbers: int) -> None:
    for i in numbers:
        d.receive(Uplink(dev(i), 2, b"", d.now))


def end(d: Driver) -> str:
    """Lets the time of the campaign pass. Returns the reason of its end."""
    while (due := d.campaign.deadline()) is not None:
        d.wait(max(0.0, due - d.now))
    assert d.status == FAILED
    return d.campaign.status().reason


def test_others_are_told_while_none_of_the_own_devices_is_heard(drive) -> None:
    d = drive(3)
    assert d.campaign.unheard == ""
    strangers(d, 91, 92, 91)
    text = f"0 of 3 devices heard; 3 uplinks of 2 unknown devices, the most frequent {dev(91)} (2)"
    assert d.campaign.unheard == text
    assert d.campaign.ignored["device not in the campaign"] == 3
    d.up(2)
    assert d.campaign.unheard == ""
    strangers(d, 91)
    assert d.campaign.unheard == ""


def test_the_end_of_a_campaign_that_heard_nobody_tells_whom_it_heard(drive) -> None:
    d = drive(2)
    strangers(d, 91)
    reason = end(d)
    assert reason.endswith(f"; 0 of 2 devices heard; 1 uplink of 1 unknown device, the most frequent {dev(91)} (1)")
    assert d.of(m.Finished)[0].reason == d.of(m.Stopping)[0].reason == reason
    assert Campaign.replay(d.events).status().reason == reason
    assert d.campaign.unheard == ""


def test_the_end_of_a_campaign_in_silence_tells_of_nobody(drive) -> None:
    assert "heard;" not in end(drive(1))


def test_the_end_of_a_campaign_that_heard_a_device_tells_of_no_others(drive) -> None:
    d = drive(2)
    d.up(1)
    strangers(d, 91)
    assert "heard;" not in end(d)


def test_many_unknown_devices_are_counted_and_not_kept(drive) -> None:
    d = drive(1)
    strangers(d, *range(100, 100 + MOST_STRANGERS + 50))
    assert f"{MOST_STRANGERS} uplinks of very many unknown devices" in d.campaign.unheard


def test_strangers_that_were_heard_before_the_campaign_do_not_count(drive) -> None:
    d, shared = drive(1), Strangers()
    shared.note(dev(91), d.now - 1000)
    d.campaign.share(shared)
    assert d.campaign.unheard == ""
    shared.note(dev(92), d.now)
    assert "1 uplink of 1 unknown device" in d.campaign.unheard


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb"])
def test_a_name_that_does_not_print_is_shown_by_its_numbers(drive, name: str) -> None:
    d = drive(1)
    d.receive(Uplink(name, 2, b"", d.now))
    assert d.campaign.unheard.endswith(f"the most frequent {name!r} (1)")


@pytest.mark.parametrize("written", ["00-00-00-00-00-00-00-01", "0X0000000000000001", "0000:0000:0000:0001"])
def test_a_device_is_heard_in_any_usual_spelling(drive, written: str) -> None:
    d = drive(1)
    d.receive(Uplink(written, 2, b"", d.now))
    assert d.campaign.ignored["device not in the campaign"] == 0
    assert [event.dev_eui for event in d.of(m.DeviceHeard)] == [dev(1)]
