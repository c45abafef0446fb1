"""Outcome of a campaign as plain rows."""

from __future__ import annotations

import pytest

from fuota_fec.report.tables import STATUSES, device_row, first, in_order, needs_a_look, reason_counts, remark
from tests.support.statuses import device, status_of


def test_a_row_has_what_is_known_of_a_device():
    found = device("01", "failed", "never heard", 0x01020304, note="clock off", unconfirmed="no answer")
    assert device_row(found)._asdict() == {
        "device": "01",
        "group": "g",
        "status": "failed",
        "firmware": "1.2.3.4",
        "remark": "never heard; clock off; clean-up not confirmed: no answer",
    }
    assert remark(found, reason=False) == "clock off; clean-up not confirmed: no answer"


@pytest.mark.parametrize(
    ("version", "text"), [(None, ""), (0, "0.0.0.0"), (0xFFFFFFFF, "255.255.255.255"), (0x0100, "0.0.1.0")]
)
def test_text_of_firmware_versions(version: int | None, text: str):
    assert device_row(device("01", "failed", "x", version)).firmware == text


def test_every_cell_of_a_row_is_text():
    for found in (device("01", "failed", "x"), device("02", "running", version=7)):
        assert all(isinstance(cell, str) for cell in device_row(found))


def test_devices_stand_in_the_order_in_which_people_look_for_them():
    devices = [
        device("04", "passed"),
        device("05", "passed", unconfirmed="no answer"),
        *(device(f"1{n}", status) for n, status in enumerate(reversed(STATUSES))),
        device("03", "failed", "late"),
        device("02", "passed"),
    ]
    ordered = in_order(devices)
    places = [STATUSES.index(found.status) for found in ordered]
    assert places == sorted(places)
    assert [found.dev_eui for found in ordered] == ["03", "14", "13", "12", "11", "05", "02", "04", "10"]
    assert [found.dev_eui for found in ordered if needs_a_look(found)] == ["03", "14", "13", "12", "11", "05"]


def test_reasons_are_counted_the_most_frequent_first():
    status = status_of(
        device("01", "failed", "no answer"),
        device("02", "failed", "wrong version"),
        device("03", "failed", "wrong version"),
        device("04", "passed"),
        device("05", "running"),
    )
    assert reason_counts(status) == [("failed: wrong version", 2), ("failed: no answer", 1)]


def test_the_others_are_counted_too():
    counts = [("a", 5), ("b", 3), ("c", 2), ("d", 1)]
    assert first(counts, 2) == ([("a", 5), ("b", 3)], (2, 3))
    assert first(counts, 4) == (counts, (0, 0))
    assert first([], 2) == ([], (0, 0))


def test_tables_of_no_devices_are_empty():
    assert reason_counts(status_of()) == []
    assert reason_counts(status_of(device("01", "passed"))) == []
    assert in_order([]) == []
