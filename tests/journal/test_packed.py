"""Events in memory: a sequence like a tuple of them, in a tenth of the space."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.campaign.messages import DeviceHeard, Event, Paused, Stopping
from fuota_fec.journal import packed
from fuota_fec.journal.packed import PackedEvents
from tests.support.event_examples import EXAMPLES


def some(n: int) -> tuple[Event, ...]:
    kinds = (
        lambda i: DeviceHeard(at=float(i), dev_eui=f"{i:016x}"),
        lambda i: Paused(at=float(i)),
        lambda i: Stopping(at=float(i), status="STOPPED", successes=i),
    )
    return tuple(kinds[i % 3](i) for i in range(n))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_is_read_as_it_was(event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LENGTH", 1)
    [again] = PackedEvents().extended([event])
    assert (type(again), again) == (type(event), event)


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 5))
def test_it_reads_like_a_tuple(sizes: list[int], length: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "LENGTH", length)
        expected = some(sum(sizes))
        events, n, before = PackedEvents(), 0, []
        for size in sizes:
            before.append((events, n))
            events = events.extended(expected[n : n + size])
            n += size
        assert all(earlier == expected[:n_then] for earlier, n_then in before), "it stays as it was"
        assert (len(events), tuple(events), bool(events)) == (n, expected, n > 0)
        for start in range(n + 2):
            rest = events.since(start)
            assert (len(rest), tuple(rest)) == (len(expected[start:]), expected[start:])
            assert [rest[i] for i in range(-len(rest), len(rest))] == [*expected[start:], *expected[start:]]
            assert tuple(rest.since(1)) == expected[start + 1 :]
            assert rest[1:-1] == expected[start:][1:-1]
        for outside in (n, -n - 1):
            with pytest.raises(IndexError):
                events[outside]


def test_many_events_take_a_tenth_of_the_space() -> None:
    events = PackedEvents().extended(some(10_000))
    assert sum(len(block) for block in events._blocks) < 20 * 10_000
