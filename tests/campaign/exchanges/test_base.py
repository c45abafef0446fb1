"""Interface of an exchange: every exchange implements it, and its defaults do nothing."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest

from fuota_fec.campaign.exchanges.base import Exchange
from fuota_fec.campaign.exchanges.clean_up import CleanUp
from fuota_fec.campaign.exchanges.fragments import Fragments
from fuota_fec.campaign.exchanges.group_status import GroupStatus
from fuota_fec.campaign.exchanges.replies import Replies
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.timers import TimerKind
from fuota_fec.campaign.turn import Phase
from fuota_fec.wire import clock

EXCHANGES = (UnicastExchange, GroupStatus, Fragments, CleanUp, Replies)
ABSTRACT = {"knows", "awaits_hand_over", "outstanding", "on_timer", "apply", "restart", "drop_all"}
INTERFACE = [name for name, value in vars(Exchange).items() if callable(value) and not name.startswith("_")]


IDLE = type("Idle", (Exchange,), dict.fromkeys(ABSTRACT, lambda *_: None))
"""Exchange that has nothing but the defaults."""


@pytest.fixture
def idle(drive: Any) -> Exchange:
    machine = drive(1).machine
    return IDLE(machine.state, machine.queue)


def test_the_interface_cannot_be_used_without_its_methods() -> None:
    assert Exchange.__abstractmethods__ == ABSTRACT
    with pytest.raises(TypeError, match="abstract"):
        Exchange(None, None)  # type: ignore[abstract, arg-type]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_exchange_implements_the_interface(exchange) -> None:
    assert issubclass(exchange, Exchange)
    assert exchange.__abstractmethods__ == frozenset()


@pytest.mark.parametrize("name", INTERFACE)
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_exchange_keeps_the_signatures_of_the_interface(exchange, name) -> None:
    def kinds(cls: type) -> list[tuple[Any, Any]]:
        return [(p.kind, p.default) for p in inspect.signature(getattr(cls, name)).parameters.values()]

    assert kinds(exchange) == kinds(Exchange)


def test_the_defaults_decide_nothing(idle, drive) -> None:
    device = next(iter(idle.state.devices.values()))
    command = clock.AppTimeReq(device_time=1, ans_required=True, token_req=1)
    decisions = [
        idle.request(device, 1.0),
        idle.on_report("c/1", True, "", 1.0),
        idle.on_uplink(device, 1.0, 1.0),
        idle.settle(1.0),
        idle.end(1.0),
    ]
    assert [list(decision) for decision in decisions] == [[]] * 5
    assert idle.on_command(device, command, 1.0, 1.0) is None


def test_the_defaults_change_nothing(idle) -> None:
    device = next(iter(idle.state.devices.values()))
    before, timers = copy.copy(device), idle.state.timers.as_dict()
    idle.on_period(device)
    idle.set_paused(1.0)
    assert (device, idle.state.timers.as_dict()) == (before, timers)


def test_the_defaults_show_an_exchange_without_devices(idle) -> None:
    device = next(iter(idle.state.devices.values()))
    assert (idle.successes().n, idle.n_done, list(idle.successes().devices())) == (0, 0, [])
    assert (idle.closing, idle.not_before, idle.progress(), idle.phase(device)) == (False, 0.0, {}, Phase.ABSENT)
    assert (idle.may_succeed_early, dict(idle.owing)) == (False, {})


def test_an_uplink_is_news_until_the_device_was_heard(idle) -> None:
    device = next(iter(idle.state.devices.values()))
    assert idle.is_news(device, 1.0)
    device.heard = True
    assert not idle.is_news(device, 1.0)


def test_timers_of_every_kind_have_an_exchange_or_the_machine() -> None:
    """A new kind must be added where timers are dispatched."""
    machine = {TimerKind.PACER, TimerKind.DURATION}
    unicast = {TimerKind.STAGE_END, TimerKind.CLOSING, TimerKind.DEVICE}
    multicast = {TimerKind.SLOT, TimerKind.SESSION_END, TimerKind.SUMMARY, TimerKind.OVERDUE}
    assert machine | unicast | multicast | {TimerKind.STATUS, TimerKind.REPLY} == set(TimerKind)
