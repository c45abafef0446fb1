"""The agenda: a turn concerns exactly the campaigns for which it can do something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.agent.agenda import Agenda
from fuota_fec.agent.running import RunningCampaign

NAMES = ("a", "b", "c", "d")
times = st.integers(0, 20).map(float)


class Fake:
    """A campaign that is due at a time, or watched in every turn."""

    def __init__(self, name: str, number: int) -> None:
        devices = [SimpleNamespace(dev_eui=f"{number}{i}") for i in range(2)]
        self.campaign = SimpleNamespace(id=name, config=SimpleNamespace(devices=devices))
        self.at: float | None = None
        self.watched = False

    def due(self, _now: float) -> float | None:
        return self.at

    def watches(self, _now: float) -> bool:
        return self.watched


def agenda_of(names: Any = NAMES) -> tuple[Agenda, dict[str, Fake]]:
    agenda, fakes = Agenda(), {name: Fake(name, i) for i, name in enumerate(names)}
    for fake in fakes.values():
        agenda.add(cast(RunningCampaign, fake))
    agenda.end(0.0)
    return agenda, fakes


def concerned(agenda: Agenda) -> list[str]:
    return [running.campaign.id for running in agenda.concerned()]


turns = st.lists(
    st.tuples(
        times,
        st.dictionaries(st.sampled_from(NAMES), st.tuples(st.none() | times, st.booleans()), max_size=4),
    ),
    max_size=30,
)


@given(turns=turns)
def test_a_turn_concerns_those_that_are_due_touched_or_watched_in_order(turns) -> None:
    """The clock may go back: then it concerns all of them. What is due changes only by a touch."""
    agenda, fakes = agenda_of()
    last = 0.0
    for now, touches in turns:
        due = {name for name, fake in fakes.items() if fake.at is not None and fake.at <= now}
        watched = {name for name, fake in fakes.items() if fake.watched}
        agenda.begin(now)
        assert set(concerned(agenda)) == (set(NAMES) if now < last else due | watched)
        for name, (at, is_watched) in touches.items():
            agenda.touch(name)
            fakes[name].at, fakes[name].watched = at, is_watched
        names = concerned(agenda)
        assert names == sorted(names)
        assert set(touches) <= set(names)
        assert agenda.end(now) == min((fake.at for fake in fakes.values() if fake.at is not None), default=None)
        last = now


def test_campaigns_that_are_due_stay_due_until_they_have_another_time() -> None:
    agenda, fakes = agenda_of()
    fakes["a"].at = 5.0
    agenda.touch("a")
    assert agenda.end(1.0) == 5.0
    for now in (5.0, 6.0):
        agenda.begin(now)
        assert concerned(agenda) == ["a"]
        assert agenda.end(now) == 5.0
    fakes["a"].at = None
    agenda.begin(7.0)
    assert agenda.end(7.0) is None
    agenda.begin(8.0)
    assert concerned(agenda) == []


def test_a_removed_campaign_keeps_its_devices_until_it_is_forgotten() -> None:
    agenda, fakes = agenda_of()
    fakes["b"].at, fakes["b"].watched = 3.0, True
    agenda.touch("b")
    agenda.end(1.0)
    agenda.remove("b")
    agenda.touch("b")
    agenda.begin(4.0)
    assert concerned(agenda) == []
    assert agenda.end(4.0) is None
    assert (agenda.owner("10"), "b" in agenda, agenda.get("b"), len(agenda)) == ("b", False, None, 3)
    agenda.add(cast(RunningCampaign, fakes["b"]))
    assert concerned(agenda) == ["b"]
    agenda.forget("b")
    assert (agenda.owner("10"), agenda.owner("00")) == (None, "a")
    assert [running.campaign.id for running in agenda] == ["a", "c", "d"]


def test_forgetting_a_campaign_leaves_devices_that_another_one_has_by_now() -> None:
    agenda, _ = agenda_of(("a",))
    agenda.add(cast(RunningCampaign, Fake("z", 0)))
    agenda.forget("a")
    assert agenda.owner("00") == "z"


def test_the_heap_is_bounded() -> None:
    agenda, fakes = agenda_of()
    for i in range(20_000):
        fakes["a"].at = 1e6 + i
        agenda.touch("a")
        assert agenda.end(1.0) == 1e6 + i
    assert len(agenda._heap) < 2000
