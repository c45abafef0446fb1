"""Inputs and events: frozen, plain data, without keys, and the same again after a journal."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.campaign import event_codec
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.errors import JournalError, MissingExtraError

SMALL = CampaignConfig(
    id="c",
    success_threshold=100,
    max_duration=100_000,
    uplink_period=100,
    fw_version=1,
    groups=(Group(name="g", mc_addr="01f3a4b5"),),
    devices=(Device(dev_eui="fe5e000000000001", group="g"),),
)
CONFIGS = [
    SMALL,
    dataclasses.replace(
        SMALL,
        id="Zähler",
        success_threshold=99.5,
        fw_version="1.2.3.4",
        groups=(
            *SMALL.groups,
            Group(name="h", mc_addr="01f3a4b6", key="k", frequency=869_525_000, version="2.0.0", first_f_cnt=2**32 - 1),
        ),
        devices=(
            Device(dev_eui="fe5e000000000001", group="g", key="k", lorawan="1.1", uplink_period=1.5),
            Device(dev_eui="fe5e000000000002", group="h", downlink_dr=3),
        ),
        session_start=1_800_000_000.5,
        redundancy=7,
        rows=(3, 1, 2),
        fsize=50,
        duty_cycle=0.01,
    ),
]
MEMBERSHIP = m.Membership(mc_group_id=1, mc_addr="01f3a4b5", key="g", min_mc_f_cnt=0, max_mc_f_cnt=2**32 - 1)
KNOWN = m.Known(
    next_f_cnt={"g": 7},
    devices={"01": m.KnownDevice(session_cnt=1, session_open=True, fw_version=2, memberships=(MEMBERSHIP,))},
)

EXAMPLES = [
    m.StageStarted(at=1.0, stage="x", n_devices=1, sessions={"g": m.Session(start=5.0, time_out=3)}),
    m.DeviceHeard(at=1.0, dev_eui="01"),
    m.Requested(
        at=1.0, id="c/1", ask="a", f_port=200, not_after=9.0, digest=b"\x01\x02", dev_eui="01", command=b"\xff"
    ),
    m.Requested(
        at=1.0, id="c/2", ask="b", f_port=201, not_after=9.0, digest=b"", group="g", frag_nb=3, f_cnt=7, replaces="c/1"
    ),
    m.Requested(at=1.0, id="c/3", ask="c", f_port=202, not_after=9.0, digest=b"", dev_eui="01", reply=True),
    m.HandedOver(at=1.0, id="c/1", reference="their name", f_cnt=3),
    m.Reported(at=1.0, id="c/1", ok=False, cause="expired"),
    m.SummaryOverdue(at=1.0, id="c/2", group="g", frag_nb=3),
    m.Withdrawn(at=1.0, id="c/1"),
    m.PeriodMeasured(at=1.0, dev_eui="01", period=600.5),
    m.Answered(at=1.0, dev_eui="01", ask="a", ok=True, note="but", fw_version=5),
    m.Answered(at=1.0, dev_eui="01", ask="a", ok=False, reason="missing 3 fragments", needed=3, loss=0.25),
    m.StageStarted(at=1.0, stage="x", n_devices=3, round=2, coded={"g": 4}),
    m.Deferred(at=1.0, dev_eui="01", ask="a", reason="not yet", first=("b", "c"), fw_version=5),
    m.VersionHeard(at=1.0, dev_eui="01", fw_version=5),
    m.ReplyOwed(at=1.0, dev_eui="01", ask="a", f_port=202, payload=b"\x01", not_after=9.0),
    m.BlockReceived(at=1.0, dev_eui="01", ok=True),
    m.Unanswered(at=1.0, id="c/1"),
    m.StatusRepeated(at=1.0, group="g", participants=True),
    m.SilencePresumed(at=1.0, group="g"),
    m.GivenUp(at=1.0, dev_eui="01", reason="no answer"),
    m.LateAnswer(at=1.0, dev_eui="01", stage="x"),
    m.StageClosing(at=1.0, stage="x", until=4.0),
    m.GroupDone(at=1.0, group="g", n_sent=5),
    m.StageEnded(at=1.0, stage="x", successes=1, ok=True),
    m.Paused(at=1.0),
    m.Unpaused(at=1.0),
    m.Resumed(at=1.0),
    m.Stopping(at=1.0, status="STOPPED", successes=3, reason="why"),
    m.Finished(at=1.0, status="FAILED", successes=0, reason="why", unconfirmed=("01", "02")),
    *(
        m.Configured(
            at=1.0,
            config=config,
            image_len=5,
            image_sha256=bytes(range(32)),
            network=m.NetworkCapabilities(owns_f_cnt=True, pacing=0.1),
            known=KNOWN,
        )
        for config in CONFIGS
    ),
]


def named(event: m.Event) -> str:
    return type(event).__name__


# ---- examples --------------------------------------------------------------------------------------------


def test_there_is_an_example_of_every_event() -> None:
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


@pytest.mark.parametrize(
    "item", [m.Uplink("01", 2, b"", 0.0), m.DownlinkSent("c/1"), m.MulticastSummary("c/1"), m.HandOver("c/1")]
)
def test_inputs_do_not_change(item: m.Input) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(item, dataclasses.fields(item)[0].name, "x")


def test_a_session_lasts_two_to_the_time_out_seconds() -> None:
    assert m.Session(start=100.0, time_out=0).end == 101
    assert m.Session(start=100.0, time_out=15).end == 100 + 32768
    assert m.Session(start=100.0, time_out=3, device_class="B").end == 100 + 8 * 128


# ---- to a journal and back -------------------------------------------------------------------------------

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    float: st.floats(allow_nan=False, allow_infinity=False),
    int: st.integers(-(2**63), 2**64 - 1),
    bool: st.booleans(),
    str: st.text(),
    bytes: st.binary(),
    NoneType: st.none(),
    CampaignConfig: st.sampled_from(CONFIGS),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Whatever a field of that type may hold."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of(*map(values, args))
    if origin is tuple:
        assert args[1:] == (...,)
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin in (dict, Mapping):
        return st.dictionaries(*map(values, args), max_size=3)
    assert dataclasses.is_dataclass(hint), f"{hint}: say how such values are made"
    fields = {f.name for f in dataclasses.fields(hint)}
    return st.builds(hint, **{name: values(h) for name, h in get_type_hints(hint).items() if name in fields})


@pytest.mark.parametrize("kind", m.EVENTS)
@settings(max_examples=25)
@given(data=st.data())
def test_an_event_comes_back_as_it_was(kind: str, data: st.DataObject) -> None:
    event = data.draw(values(m.EVENTS[kind]))
    written = m.encode(event)
    for form in (written, written.decode()):
        read = m.decode(kind, event.VERSION, form)
        assert (type(read), read) == (type(event), event)
    assert json.loads(written).keys() == {f.name for f in dataclasses.fields(event)}


@pytest.mark.parametrize("event", EXAMPLES, ids=named)
def test_an_example_comes_back_as_it_was(event: m.Event) -> None:
    read = m.decode(named(event), event.VERSION, m.encode(event))
    assert read == event
    assert read.record() == event.record()


@pytest.mark.parametrize(
    "event",
    [
        m.Resumed(at=float("inf")),
        m.Resumed(at=float("nan")),
        m.PeriodMeasured(at=1.0, dev_eui="01", period=float("-inf")),
        m.Withdrawn(at=1.0, id=7),  # type: ignore[arg-type]
        m.Withdrawn(at=1.0, id="\ud800"),
        m.Withdrawn(at=1.0, id=object()),  # type: ignore[arg-type]
        m.StageStarted(at=1.0, stage="x", n_devices=1, sessions={"g": m.Session(start=float("inf"), time_out=3)}),
    ],
)
def test_what_could_not_be_read_again_is_not_written(event: m.Event) -> None:
    with pytest.raises(JournalError, match=f"a {named(event)} cannot be written to a journal: "):
        m.encode(event)


@pytest.mark.parametrize(
    ("kind", "version", "known"), [("Levitated", 1, "no such event"), ("Paused", 2, "version 1"), ("", 0, "no such")]
)
def test_what_a_later_version_wrote_is_refused(kind: str, version: int, known: str) -> None:
    with pytest.raises(
        JournalError, match=f"{kind} of version {version}, .* knows {known}.*: it was written by a later"
    ):
        m.decode(kind, version, b'{"at":1.0}')


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"at":"1"}', b'{"at":null,"id":"x"}', b'{"at":1,"id":5}', b"\xff"]
)
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(JournalError, match="the journal holds a Withdrawn that cannot be read: "):
        m.decode("Withdrawn", 1, data)


def test_a_configuration_that_is_refused_today_is_told() -> None:
    """By its reason, not by a traceback of whoever reads it."""
    [event] = [e for e in EXAMPLES if isinstance(e, m.Configured) and e.config is SMALL]
    written = m.encode(event).replace(b'"max_duration":100000', b'"max_duration":-1')
    with pytest.raises(JournalError, match="a Configured that cannot be read: max_duration: -1"):
        m.decode("Configured", 1, written)


def test_what_an_earlier_version_wrote_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, up to the version of today."""
    monkeypatch.setattr(m.HandedOver, "VERSION", 3)
    monkeypatch.setitem(m.UPGRADES, ("HandedOver", 1), lambda old: {**old, "name": old["their_name"]})  # type: ignore[arg-type]
    monkeypatch.setitem(m.UPGRADES, ("HandedOver", 2), lambda old: {**old, "reference": old["name"]})  # type: ignore[arg-type]
    event_codec._decoder.cache_clear()
    try:
        expected = m.HandedOver(at=1.0, id="c/1", reference="x")
        assert m.decode("HandedOver", 1, b'{"at":1,"id":"c/1","their_name":"x"}') == expected
        assert m.decode("HandedOver", 2, b'{"at":1,"id":"c/1","name":"x"}') == expected
        assert m.decode("HandedOver", 3, m.encode(expected)) == expected
        for version in (1, 2):
            with pytest.raises(JournalError, match="a HandedOver that cannot be read"):
                m.decode("HandedOver", version, b'{"at":1,"id":5,"their_name":"x","name":"x"}')
    finally:
        event_codec._decoder.cache_clear()


def test_there_is_a_way_up_from_every_version() -> None:
    assert set(m.UPGRADES) == {(kind, old) for kind, cls in m.EVENTS.items() for old in range(1, cls.VERSION)}


def test_without_msgspec_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    event_codec._encoder.cache_clear()
    event_codec._decoder.cache_clear()
    with pytest.raises(MissingExtraError, match=r'pip install "fuota-fec\[campaign\]"') as caught:
        m.encode(EXAMPLES[0])
    assert caught.value.extra == "campaign"
    with pytest.raises(MissingExtraError):
        m.decode("Paused", 1, b'{"at":1.0}')


def test_the_version_of_a_group_is_read_as_its_dialect() -> None:
    [event] = [e for e in EXAMPLES if isinstance(e, m.Configured) and e.config is SMALL]
    fields = json.loads(m.encode(event))
    for group in fields["config"]["groups"]:
        group["version"] = {"1.0.0": "2.0.0", "2.0.0": "1.0.0"}[group.pop("dialect")]
    earlier = m.decode("Configured", 2, json.dumps(fields))
    assert isinstance(earlier, m.Configured)
    flipped = {group.name: group.dialect for group in earlier.config.groups}
    assert all(flipped[group.name] != group.dialect for group in event.config.groups)
