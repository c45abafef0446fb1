"""Outcome of a campaign as plain rows."""

from __future__ import annotations

import pytest

from fuota_fec.campaign.status import CampaignStatus, DeviceStatus
from fuota_fec.report.tables import DEVICE_COLUMNS, device_rows, reason_counts


def status_of(*devices: tuple[str, str, str, int | None]) -> CampaignStatus:
    return CampaignStatus(
        id="a",
        status="FAILED",
        state="FAILED",
        reason="",
        paused=False,
        stage=None,
        stages=(),
        stage_started=0.0,
        stage_status="",
        n_stages_completed=0,
        round=1,
        n_devices=len(devices),
        n_taking_part=0,
        n_done=0,
        asks_from=0.0,
        suspended="",
        wait=None,
        fragments={},
        next_f_cnt={},
        spacing={},
        unconfirmed=(),
        devices=tuple(
            DeviceStatus(dev_eui=dev_eui, group="g", status=status, reason=reason, fw_version=version)
            for dev_eui, status, reason, version in devices
        ),
    )


def test_device_rows_have_the_columns():
    status = status_of(("0000000000000001", "passed", "", 0x01020304))
    [row] = device_rows(status)
    assert dict(zip(DEVICE_COLUMNS, row, strict=True)) == {
        "device": "0000000000000001",
        "group": "g",
        "status": "passed",
        "firmware": "1.2.3.4",
        "reason": "",
    }


def test_devices_that_did_not_pass_come_first_then_by_name():
    status = status_of(
        ("04", "passed", "", 1), ("03", "failed", "late", None), ("02", "passed", "", 1), ("01", "running", "", None)
    )
    assert [row[0] for row in device_rows(status)] == ["01", "03", "02", "04"]


@pytest.mark.parametrize(
    ("version", "text"), [(None, ""), (0, "0.0.0.0"), (0xFFFFFFFF, "255.255.255.255"), (0x0100, "0.0.1.0")]
)
def test_text_of_firmware_versions(version: int | None, text: str):
    assert device_rows(status_of(("01", "failed", "x", version)))[0][3] == text


def test_every_cell_of_a_device_row_is_text():
    rows = device_rows(status_of(("01", "failed", "x", None), ("02", "running", "", 7)))
    assert all(isinstance(cell, str) for row in rows for cell in row)


def test_reasons_are_counted_the_most_frequent_first():
    status = status_of(
        ("01", "failed", "no answer", None),
        ("02", "failed", "wrong version", 1),
        ("03", "failed", "wrong version", 1),
        ("04", "passed", "", 2),
        ("05", "running", "", None),
    )
    assert reason_counts(status) == [("failed: wrong version", 2), ("failed: no answer", 1)]


def test_tables_of_no_devices_are_empty():
    assert device_rows(status_of()) == []
    assert reason_counts(status_of()) == []
    assert reason_counts(status_of(("01", "passed", "", 1))) == []
