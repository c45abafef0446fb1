"""Inputs and events: frozen, plain data, and without keys."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fuota_fec.campaign import messages as m

EXAMPLES = [
    m.StageStarted(at=1.0, stage="x", n_devices=1, sessions={"g": m.Session(start=5.0, time_out=3)}),
    m.DeviceHeard(at=1.0, dev_eui="01"),
    m.Requested(at=1.0, id="c/1", f_port=200, not_after=9.0, digest=b"\x01\x02", dev_eui="01", command=b"\xff"),
    m.Requested(at=1.0, id="c/2", f_port=201, not_after=9.0, digest=b"", group="g", frag_nb=3, f_cnt=7, replaces="c/1"),
    m.HandedOver(at=1.0, id="c/1", reference="their name", f_cnt=3),
    m.Reported(at=1.0, id="c/1", ok=False, cause="expired"),
    m.Answered(at=1.0, dev_eui="01", ok=True, fw_version=5),
    m.VersionHeard(at=1.0, dev_eui="01", fw_version=5, reason="wrong"),
    m.Unanswered(at=1.0, id="c/1"),
    m.GivenUp(at=1.0, dev_eui="01", reason="no answer"),
    m.StageClosing(at=1.0, stage="x", until=4.0),
    m.GroupDone(at=1.0, group="g", n_sent=5),
    m.StageEnded(at=1.0, stage="x", successes=1, ok=True),
    m.Finished(at=1.0, status="FAILED", successes=0, reason="why"),
]


def event_types() -> set[type]:
    return {t for t in vars(m).values() if isinstance(t, type) and issubclass(t, m.Event) and t is not m.Event}


def test_there_is_an_example_of_every_event(config_of) -> None:
    assert {type(e) for e in EXAMPLES} | {m.Configured} == event_types()


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda e: type(e).__name__)
def test_a_record_is_json(event) -> None:
    record = event.record()
    assert json.loads(json.dumps(record)) == record
    assert (record["event"], record["v"], record["at"]) == (type(event).__name__, 1, 1.0)
    assert set(record) == {"event", "v", *(f.name for f in dataclasses.fields(event))}


def test_bytes_are_recorded_as_hexadecimal() -> None:
    record = EXAMPLES[2].record()
    assert (record["digest"], record["command"]) == ("0102", "ff")


def test_sessions_are_recorded_by_group() -> None:
    assert EXAMPLES[0].record()["sessions"] == {"g": {"start": 5.0, "time_out": 3}}


def test_every_event_of_a_campaign_is_json(drive, group_of) -> None:
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6", version="2.0.0"))
    d = drive(3, groups=groups, rows=(3, 1), session_start=1_800_004_000.0)
    d.reach("end")
    records = [json.loads(json.dumps(e.record(), allow_nan=False)) for e in d.events]
    assert records == [e.record() for e in d.events]
    config = records[0]["config"]
    assert config["groups"][0]["mc_addr"] == "01f3a4b5"
    assert config["rows"] == [3, 1]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda e: type(e).__name__)
def test_events_do_not_change(event) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.at = 2.0


@pytest.mark.parametrize(
    "item", [m.Uplink("01", 2, b"", 0.0), m.DownlinkSent("c/1"), m.MulticastSummary("c/1"), m.HandOver("c/1")]
)
def test_inputs_do_not_change(item) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(item, dataclasses.fields(item)[0].name, "x")


def test_a_session_lasts_two_to_the_time_out_seconds() -> None:
    assert m.Session(start=100.0, time_out=0).end == 101
    assert m.Session(start=100.0, time_out=15).end == 100 + 32768
