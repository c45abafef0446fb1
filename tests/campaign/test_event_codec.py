"""Events as JSON: written and read again, earlier versions upgraded, later ones refused."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from event_examples import CONFIGS, EXAMPLES, SMALL
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.campaign import event_codec
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import JournalError, MissingExtraError


def named(event: m.Event) -> str:
    return type(event).__name__


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
    """Values of a field by its type."""
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
def test_an_event_that_could_not_be_read_again_is_not_written(event: m.Event) -> None:
    with pytest.raises(JournalError, match=f"a {named(event)} cannot be written to a journal: "):
        m.encode(event)


@pytest.mark.parametrize(
    ("kind", "version", "known"), [("Levitated", 1, "no such event"), ("Paused", 2, "version 1"), ("", 0, "no such")]
)
def test_an_event_of_a_later_version_is_refused(kind: str, version: int, known: str) -> None:
    with pytest.raises(
        JournalError, match=f"{kind} of version {version}, .* knows {known}.*: it was written by a later"
    ):
        m.decode(kind, version, b'{"at":1.0}')


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"at":"1"}', b'{"at":null,"id":"x"}', b'{"at":1,"id":5}', b"\xff"]
)
def test_data_of_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(JournalError, match="the journal holds a Withdrawn that cannot be read: "):
        m.decode("Withdrawn", 1, data)


def test_a_configuration_that_is_refused_today_is_told() -> None:
    """The message has the problem of the configuration, and there is no other traceback."""
    [event] = [e for e in EXAMPLES if isinstance(e, m.Configured) and e.config is SMALL]
    written = m.encode(event).replace(b'"max_duration":100000', b'"max_duration":-1')
    with pytest.raises(JournalError, match="a Configured that cannot be read: max_duration: -1"):
        m.decode("Configured", 1, written)


def test_an_event_of_an_earlier_version_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, up to the version of today."""
    monkeypatch.setattr(m.HandedOver, "VERSION", 3)
    monkeypatch.setitem(m.UPGRADES, ("HandedOver", 1), lambda old: {**old, "name": old["their_name"]})  # type: ignore[arg-type]
    monkeypatch.setitem(m.UPGRADES, ("HandedOver", 2), lambda old: {**old, "reference": old["name"]})  # type: ignore[arg-type]
    event_codec._decoder.cache_clear()  # Readers are cached for the life of the process.
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


def test_every_earlier_version_has_an_upgrade() -> None:
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


def test_a_configuration_of_an_earlier_version_has_no_profiles_of_its_own() -> None:
    [event] = [e for e in EXAMPLES if isinstance(e, m.Configured) and e.config is SMALL]
    fields = json.loads(m.encode(event))
    del fields["config"]["profiles"]
    earlier = m.decode("Configured", 4, json.dumps(fields))
    assert isinstance(earlier, m.Configured)
    assert earlier.config.profiles == ()


def test_event_0_holds_every_value_of_a_profile_of_ones_own() -> None:
    """A replay needs no table of profiles: neither the file, nor the base as a later version has it."""
    [event] = [e for e in EXAMPLES if isinstance(e, m.Configured) and e.config.profiles]
    written = json.loads(m.encode(event))["config"]["profiles"][0]
    assert set(written) == {spec.name for spec in dataclasses.fields(DeviceProfile)}
    assert (written["base"], written["max_frags"], written["late_uncoded"]) == ("lbm", 850, "dropped")
