from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.errors import ParameterError


def test_frames_of_a_group(plan: SimpleNamespace) -> None:
    assert plan.group().n_frames == 26
    assert plan.group(rounds=3, n_coded=0, n_other_frames=2).n_frames == 65


def test_rows_are_the_first_ones_unless_told(plan: SimpleNamespace) -> None:
    assert plan.group().max_row == 5
    assert plan.group(last_row=900).max_row == 900


def test_answers_are_spread_as_the_setup_tells(plan: SimpleNamespace) -> None:
    assert [plan.group(block_ack_delay=b).answer_spread for b in (0, 3, 7)] == [16, 128, 2048]


def test_radio_of_a_group(plan: SimpleNamespace) -> None:
    group = plan.group()
    assert group.max_app_payload() == 115
    assert group.max_app_payload(0) == 51
    assert group.frame_time() == pytest.approx(0.369664)  # SF9, 48 bytes
    assert group.duty_cycle() == 0.1
    assert plan.group(frequency_hz=868_100_000).duty_cycle() == 0.01
    assert plan.group(dr=5, repeater=True).max_app_payload() == 222
    assert plan.group(region="AS923", dr=3, dwell_time=True).max_app_payload() == 53


def test_a_region_without_a_default_frequency(plan: SimpleNamespace) -> None:
    with pytest.raises(ParameterError, match="frequency is needed, CN470 has no default"):
        plan.group(region="CN470").duty_cycle()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"region": "EU999"}, "region: 'EU999' is not a region"),
        ({"frag_size": 0}, "group 'g': frag_size: 0 is not from 1 to 255"),
        ({"n_frags": 0}, "n_frags: 0"),
        ({"n_coded": -1}, "n_coded: -1"),
        ({"rounds": 0}, "rounds: 0"),
        ({"spacing": -1.0}, "spacing: -1"),
        ({"session_length": float("nan")}, "session_length: nan"),
        ({"block_ack_delay": 8}, "block_ack_delay: 8"),
        ({"loss": 1.5}, r"loss: 1\.5"),
    ],
)
def test_a_group_that_cannot_be(plan: SimpleNamespace, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        plan.group(**changes)


def test_a_device_that_cannot_be(plan: SimpleNamespace) -> None:
    with pytest.raises(ParameterError, match="device 00000000000000aa: uplink_period: 0 is not above 0 s"):
        plan.device(uplink_period=0)


def test_a_campaign_that_cannot_be(plan: SimpleNamespace) -> None:
    from fuota_fec.devices.planned import PlannedCampaign

    with pytest.raises(ParameterError, match="devices: there are none"):
        PlannedCampaign(image_len=1, groups=(plan.group(),), devices=(), max_duration=1)
    with pytest.raises(ParameterError, match="device 00000000000000aa: group 'h' is not one of the campaign's"):
        plan.campaign(plan.device(group="h"))
    with pytest.raises(ParameterError, match="n_needed: 2 is not from 1 to the number of devices, 1"):
        plan.campaign(n_needed=2)


def test_who_a_stage_cannot_do_without(plan: SimpleNamespace) -> None:
    devices = [plan.device(eui, uplink_period=period) for eui, period in zip(plan.euis, (900, 60, 300), strict=True)]
    everybody = plan.campaign(*devices)
    assert (everybody.n_asked, everybody.needed_period, everybody.pacing) == (3, 900, 2.0)
    most = plan.campaign(*devices, n_needed=2, ucast_msg_delay=5)
    assert (most.n_asked, most.needed_period, most.pacing) == (2, 300, 5)


def test_status_by_multicast(plan: SimpleNamespace) -> None:
    devices = [plan.device(eui) for eui in plan.euis]
    group = plan.group()

    def asks(group: Any, **changes: Any) -> bool:
        return plan.campaign(*devices, groups=(group,), **changes).asks_status_by_multicast(group)

    assert not asks(group, kind="binary")
    assert asks(group, kind="binary", fsession_status_threshold=2)
    assert asks(plan.group(n_coded=0), kind="binary")
    assert not asks(plan.group(n_coded=0), kind="firmware")
