"""The ports: errors and results of foreign code become those of this library."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.agent.faults import Faults
from fuota_fec.agent.ports import BrokenAdapterError, JournalPort, KeyPort, NetworkPort, NoKeyError, ObserverPort
from fuota_fec.errors import CampaignError, JournalError, NetworkError, ParameterError
from fuota_fec.journal import FenceError, MemoryJournal
from fuota_fec.wire.keys import Key


def raising(error: Exception) -> Any:
    """An object whose every method raises this error."""

    def call(*_args: Any, **_kwargs: Any) -> Any:
        raise error

    return type("Raising", (), {"__getattr__": lambda _self, _name: call})()


CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("open_group", ("c", None)),
    ("withdraw", ("c", [], 0.0)),
    ("poll", (0.0,)),
    ("reconnect", ("c",)),
]


@pytest.mark.parametrize(("method", "args"), CALLS, ids=[name for name, _ in CALLS])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NetworkError("away"), NetworkError),
        (ConnectionError("refused"), NetworkError),
        (TimeoutError("late"), NetworkError),
        (ValueError("wrong"), BrokenAdapterError),
        (CampaignError("wrong"), BrokenAdapterError),
    ],
)
def test_the_network_raises_only_network_errors(
    method: str, args: tuple[Any, ...], error: Exception, kind: type[NetworkError]
) -> None:
    faults = Faults()
    with pytest.raises(NetworkError) as info:
        getattr(NetworkPort(raising(error), faults), method)(*args)
    assert type(info.value) is kind
    assert faults.n == {f"network.{method}": 1}


@pytest.mark.parametrize("f_cnt", [-1, 2**32, 1.5, "7", True])
def test_a_counter_that_is_none_is_an_error_of_the_adapter(f_cnt: Any) -> None:
    network = type("Network", (), {"open_group": lambda _self, _group: f_cnt})()
    with pytest.raises(BrokenAdapterError, match="expected a frame counter or None"):
        NetworkPort(network, Faults()).open_group("c", None)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["root_key", "mc_key"])
def test_the_key_ring_raises_only_that_there_is_no_key(method: str) -> None:
    for error, definite in ((ParameterError("none"), True), (ConnectionError("away"), False), (KeyError("k"), False)):
        with pytest.raises(NoKeyError) as info:
            getattr(KeyPort(raising(error), Faults()), method)("k")
        assert info.value.definite is definite


def test_a_key_is_returned_as_it_is() -> None:
    key = Key(bytes(16))
    ring = type("Ring", (), {"root_key": lambda _self, _name: key})()
    assert KeyPort(ring, Faults()).root_key("k") is key


def test_an_observer_receives_the_events_after_one_that_failed() -> None:
    seen: list[Any] = []

    def observer(_campaign: Any, event: Any) -> None:
        seen.append(event)
        if event == 1:
            raise ValueError("one")

    faults = Faults()
    ObserverPort(observer, faults)(type("C", (), {"id": "c"})(), [1, 2, 3])  # type: ignore[arg-type, list-item]
    assert (seen, faults.n, faults.present("observer")) == ([1, 2, 3], {"observer": 1}, "")


@pytest.mark.parametrize("error", [OSError("disk"), KeyError("dev_eui"), CampaignError("no"), JournalError("down")])
def test_the_journal_raises_only_journal_errors(error: Exception) -> None:
    faults = Faults()
    journal = JournalPort(raising(error), faults)
    for call in (journal.orders, journal.list, journal.campaigns, lambda: next(journal.events("c", 1))):
        with pytest.raises(JournalError):
            call()
    assert sum(faults.n.values()) == 4


def test_a_fence_is_no_fault() -> None:
    faults = Faults()
    with pytest.raises(FenceError):
        JournalPort(raising(FenceError("another agent", campaign="c")), faults).append_all([])
    assert faults.n == {}


def test_the_refusal_of_a_new_campaign_is_passed_on() -> None:
    journal = JournalPort(raising(CampaignError("device in use")), Faults())
    with pytest.raises(CampaignError, match="device in use"):
        journal.create("c", b"", (), facts=(), devices=(), groups=(), network="")


def test_a_lease_raises_only_journal_errors() -> None:
    lease = JournalPort(MemoryJournal(), Faults()).lease
    with pytest.raises(JournalError):
        lease("unknown", "me", 60.0)
    journal = JournalPort(type("J", (), {"lease": lambda *_: raising(OSError("gone"))})(), Faults())
    held = journal.lease("c", "me", 60.0)
    assert held is not None
    for call in (held.left, held.renew, held.release):
        with pytest.raises(JournalError, match="OSError: gone"):
            call()
