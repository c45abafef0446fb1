"""Queue of unicasts: replies first, then devices that are READY, paced."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign.state import CampaignState
from fuota_fec.campaign.timers import PACER
from fuota_fec.campaign.turn import Phase, Turn
from fuota_fec.campaign.unicast_queue import Reply, UnicastQueue

REPLY = Reply(dev_eui="0000000000000001", ask="AppTimeAns", f_port=202, payload=b"\x01", not_after=9.0)


@pytest.fixture
def state(drive: Any) -> CampaignState:
    return drive(3, ucast_msg_delay=2000).machine.state


@pytest.fixture
def queue(state: CampaignState) -> UnicastQueue:
    return UnicastQueue(state)


@pytest.fixture
def turns(drive: Any) -> list[Turn]:
    return [Turn(device, phase=Phase.READY) for device in drive(3).machine.state.devices.values()]


def test_devices_leave_the_queue_in_the_order_in_which_they_came(queue, state, turns) -> None:
    queue.n_ready = 3
    for turn in turns:
        queue.add(turn, 10.0)
    taken = []
    while (turn := queue.next_turn()) is not None:
        taken.append(turn)
        queue.take(turn, 10.0)
    assert taken == turns


def test_a_device_that_is_no_longer_ready_is_skipped(queue, state, turns) -> None:
    queue.n_ready = 2
    for turn in turns:
        queue.add(turn, 10.0)
    turns[0].phase = Phase.SUCCEEDED
    assert queue.next_turn() is turns[1]
    queue.take(turns[1], 10.0)
    assert list(queue.ready) == [turns[2]]


def test_a_unicast_follows_another_after_ucast_msg_delay(queue, state, turns) -> None:
    queue.n_ready = 1
    queue.add(turns[0], 10.0)
    assert state.timers.due(PACER) == 10
    queue.take(turns[0], 10.0)
    queue.add(turns[1], 11.0)
    assert (queue.next_at, state.timers.due(PACER)) == (12, 12)


def test_an_empty_queue_clears_the_pacer(queue, state) -> None:
    queue.n_ready = 1
    queue.set_pacer(10.0)
    queue.n_ready = 0
    queue.set_pacer(11.0)
    assert state.timers.due(PACER) == float("inf")


@pytest.mark.parametrize(("replies", "due"), [((), float("inf")), ((REPLY,), 10.0)])
def test_only_replies_leave_the_queue_in_a_pause(queue, state, replies, due) -> None:
    state.paused = True
    queue.n_ready = 1
    queue.replies.extend(replies)
    queue.set_pacer(10.0)
    assert state.timers.due(PACER) == due
