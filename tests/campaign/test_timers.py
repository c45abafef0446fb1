"""Deadlines by key, compared with a dict that is searched from end to end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fuota_fec.campaign.timers import Timers

names = st.one_of(st.sampled_from(["a", "b", "c"]), st.tuples(st.sampled_from(["slot", "pacer"]), st.integers(0, 2)))
times = st.one_of(st.integers(0, 5).map(float), st.floats(-1e9, 1e9))


class TimersModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.timers = Timers()
        self.model: dict[object, tuple[float, int]] = {}
        self.n_set = 0

    def first(self) -> object:
        return min(self.model, key=lambda name: self.model[name])

    @rule(name=names, due=times)
    def set_one(self, name: object, due: float) -> None:
        self.timers.set(name, due)
        self.n_set += 1
        self.model[name] = (due, self.n_set)

    @rule(name=names)
    def clear_one(self, name: object) -> None:
        self.timers.clear(name)
        self.model.pop(name, None)

    @precondition(lambda self: self.model)
    @rule()
    def pop_one(self) -> None:
        name = self.first()
        self.timers.earliest()
        assert self.timers.pop() == (self.model.pop(name)[0], name)

    @invariant()
    def same_as_model(self) -> None:
        assert self.timers.earliest() == (self.model[self.first()][0] if self.model else None)
        assert self.timers.as_dict() == {name: due for name, (due, _) in self.model.items()}


TestTimersModel = TimersModel.TestCase
TestTimersModel.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3).map(float)), unique_by=lambda item: item[0]))
def test_equal_times_fire_in_the_order_they_were_set(items: list[tuple[int, float]]) -> None:
    timers = Timers()
    for name, due in items:
        timers.set(name, due)
    fired = []
    while timers.earliest() is not None:
        fired.append(timers.pop())
    assert fired == [(due, name) for name, due in sorted(items, key=lambda item: item[1])]


def test_names_that_cannot_be_ordered_may_have_equal_times() -> None:
    timers = Timers()
    for name in ("a", ("a",), ("a", 1), 7):
        timers.set(name, 1.0)
    assert [(timers.earliest(), timers.pop()[1])[1] for _ in range(4)] == ["a", ("a",), ("a", 1), 7]


def test_a_replaced_deadline_does_not_fire() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    timers.set("a", 9.0)
    assert timers.earliest() == 9.0
    assert timers.pop() == (9.0, "a")
    assert timers.earliest() is None


def test_clearing_what_is_not_set_is_harmless() -> None:
    timers = Timers()
    timers.clear("a")
    assert timers.earliest() is None


def test_set_again_a_thousand_times_leaves_one_deadline() -> None:
    timers = Timers()
    for i in range(1000):
        timers.set("a", float(i % 7))
    assert timers.as_dict() == {"a": pytest.approx(999 % 7)}


def test_deadlines_cleared_long_before_they_are_due_do_not_pile_up():
    """A request has until the campaign's end, and is answered long before: day after day."""
    timers = Timers()
    for i in range(10_000):
        timers.set(i % 7, 1e9 + i)
        timers.clear((i + 1) % 7)
        timers.set("soon", float(i))
    assert len(timers._heap) < 200  # No view shows entries that are cleared and still in the heap.
    assert timers.earliest() == 9999.0
    assert timers.pop() == (9999.0, "soon")
    left = timers.as_dict()
    popped = []
    while timers.earliest() is not None:
        popped.append(timers.pop())
    assert popped == sorted((due, name) for name, due in left.items())
