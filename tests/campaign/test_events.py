"""Events: frozen, plain data without keys, and their records."""

from __future__ import annotations

import dataclasses
import json

import pytest
from event_examples import EXAMPLES

from fuota_fec.campaign import messages as m


def named(event: m.Event) -> str:
    return type(event).__name__


def test_every_event_has_an_example() -> None:
    types = {t for t in vars(m).values() if isinstance(t, type) and issubclass(t, m.Event) and t is not m.Event}
    assert {type(example) for example in EXAMPLES} == types
    assert {cls.__name__: cls for cls in types} == m.EVENTS


@pytest.mark.parametrize("event", EXAMPLES, ids=named)
def test_a_record_is_json(event: m.Event) -> None:
    record = event.record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["event"], record["v"], record["at"]) == (type(event).__name__, event.VERSION, 1.0)
    assert set(record) == {"event", "v", *(f.name for f in dataclasses.fields(event))}


def test_bytes_are_recorded_as_hexadecimal() -> None:
    record = EXAMPLES[2].record()
    assert (record["digest"], record["command"]) == ("0102", "ff")


def test_sessions_are_recorded_by_group() -> None:
    assert EXAMPLES[0].record()["sessions"] == {"g": {"start": 5.0, "time_out": 3, "device_class": "C"}}


def test_every_event_of_a_campaign_is_json(drive, group_of) -> None:
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6", version="2.0.0"))
    d = drive(3, groups=groups, rows=(3, 1), session_start=1_800_004_000.0)
    d.reach("end")
    records = [json.loads(json.dumps(e.record(), allow_nan=False)) for e in d.events]
    assert records == [e.record() for e in d.events]
    config = records[0]["config"]
    assert config["groups"][0]["mc_addr"] == "01f3a4b5"
    assert config["rows"] == [3, 1]
    assert [m.decode(named(e), e.VERSION, m.encode(e)) for e in d.events] == d.events


@pytest.mark.parametrize("event", EXAMPLES, ids=named)
def test_events_do_not_change(event: m.Event) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.at = 2.0  # type: ignore[misc]


def test_a_session_lasts_two_to_the_time_out_seconds() -> None:
    assert m.Session(start=100.0, time_out=0).end == 101
    assert m.Session(start=100.0, time_out=15).end == 100 + 32768
    assert m.Session(start=100.0, time_out=3, device_class="B").end == 100 + 8 * 128
