"""Rows that events and facts become."""

from __future__ import annotations

import json

from fuota_fec.campaign.messages import DeviceFact, DeviceHeard, GroupFact, KnownDevice, decode
from fuota_fec.journal import Append
from fuota_fec.journal.tables import DEVICES, GROUPS, SESSIONS, event_rows, read_memberships, registry_rows


def device_fact(dev_eui: str, frag_index: int, session_cnt: int) -> DeviceFact:
    return DeviceFact(dev_eui=dev_eui, frag_index=frag_index, known=KnownDevice(session_cnt=session_cnt))


def test_event_rows_are_numbered_from_the_expected_one() -> None:
    events = [DeviceHeard(at=float(n), dev_eui="01") for n in range(3)]
    rows = event_rows(Append(campaign="c", expected_seq=7, events=events))
    assert [(row["campaign"], row["seq"]) for row in rows] == [("c", 7), ("c", 8), ("c", 9)]
    assert [decode(row["type"], row["version"], row["data"].encode()) for row in rows] == events


def test_registry_rows_hold_each_key_once_and_sorted() -> None:
    facts = [
        device_fact("02", 0, 1),
        device_fact("01", 1, 2),
        device_fact("01", 0, 3),
        device_fact("02", 0, 4),
        GroupFact(mc_addr="b", key="k", next_f_cnt=5),
        GroupFact(mc_addr="a", key="k", next_f_cnt=9),
        GroupFact(mc_addr="a", key="k", next_f_cnt=8),
    ]
    (groups, group_rows), (devices, device_rows), (sessions, session_rows) = registry_rows(facts)
    assert (groups, devices, sessions) == (GROUPS, DEVICES, SESSIONS)
    assert [(row["mc_addr"], row["next_f_cnt"]) for row in group_rows] == [("a", 9), ("b", 5)]
    assert [row["dev_eui"] for row in device_rows] == ["01", "02"]
    assert [(row["dev_eui"], row["frag_index"], row["session_cnt"]) for row in session_rows] == [
        ("01", 0, 3),
        ("01", 1, 2),
        ("02", 0, 4),
    ]


def test_memberships_of_a_device_row_are_json() -> None:
    [_, (_, [row]), _] = registry_rows([device_fact("01", 0, 1)])
    assert json.loads(row["memberships"]) == []
    assert read_memberships(row["memberships"]) == ()
