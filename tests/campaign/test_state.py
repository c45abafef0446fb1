"""State of a campaign."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign import messages as m

FRAG = "FragSessionSetup"


def dev(i: int) -> str:
    return f"{i:016x}"


def known(**device: Any) -> m.Known:
    """What the registry says of device 1."""
    return m.Known(devices={dev(1): m.KnownDevice(**device)})


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
