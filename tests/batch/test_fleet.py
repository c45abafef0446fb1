"""Fleets: devices from a CSV file, with what a registry knows of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuota_fec.batch.config import Target
from fuota_fec.batch.fleet import FleetDevice, read_fleet, with_registry
from fuota_fec.campaign.facts import DeviceFact, KnownDevice
from fuota_fec.errors import ParameterError
from fuota_fec.journal import open_journal

A, B = "0000000000000001", "0000000000000002"


def fleet_of(folder: Path, text: str) -> tuple[FleetDevice, ...]:
    (folder / "fleet.csv").write_text(text)
    return read_fleet(folder / "fleet.csv")


def test_devices_are_read_with_what_is_known_of_them(tmp_path):
    devices = fleet_of(
        tmp_path,
        "DevEUI;FW version;Downlink DR;target;key;SessionCnt;comment\n"
        "00-00-00-00-00-00-00-01;1.2.3.4;5;dr5;vault/1;7;a\n"
        "0000000000000002;16909060;;;;;\n"
        "0000000000000003;;;;;;\n",
    )
    assert devices == (
        FleetDevice(dev_eui=A, fw_version=0x01020304, downlink_dr=5, target="dr5", key="vault/1", session_cnt=7),
        FleetDevice(dev_eui=B, fw_version=0x01020304),
        FleetDevice(dev_eui="0000000000000003"),
    )


def test_every_problem_has_its_line(tmp_path):
    with pytest.raises(ParameterError) as info:
        fleet_of(
            tmp_path,
            "dev_eui,fw_version,downlink_dr,session_cnt,key\n"
            "x,1.0.0.0,5,1,a\n"
            f"{A},1.0,16,65536,00112233445566778899aabbccddeeff\n"
            ",1.0.0.0,5,1,a\n"
            f"{B},,,,\n"
            f"{B},,,,\n",
        )
    problems = [problem.removeprefix(f"{tmp_path}/fleet.csv, ") for problem in info.value.problems]
    assert [problem.partition(": ")[0] for problem in problems] == [
        "line 2, column 'dev_eui'",
        "line 3, column 'fw_version'",
        "line 3, column 'downlink_dr'",
        "line 3, column 'session_cnt'",
        "line 3, column 'key'",
        "line 4",
        "line 6, column 'dev_eui'",
    ]
    assert "0000000000000002 is given twice, first in line 5" in problems[-1]
    assert "00112233" not in str(info.value)


@pytest.mark.parametrize("text", ["dev_eui\n", "fw_version\n1\n"])
def test_a_fleet_without_devices_is_refused(tmp_path, text):
    with pytest.raises(ParameterError, match=r"there are no devices|dev_eui is missing"):
        fleet_of(tmp_path, text)


@pytest.mark.parametrize("url", [":memory:", "sqlite:///{}/journal.db"])
def test_the_registry_fills_what_is_not_known(tmp_path, url):
    journal = open_journal(url.format(tmp_path))
    facts = [
        DeviceFact(dev_eui=A, frag_index=0, known=KnownDevice(session_cnt=4, fw_version=9)),
        DeviceFact(dev_eui=B, frag_index=2, known=KnownDevice(session_cnt=65535, fw_version=8)),
    ]
    journal.create("c", b"image", facts=facts)
    devices = [
        FleetDevice(dev_eui=A, fw_version=1),
        FleetDevice(dev_eui=B, target="other"),
        FleetDevice(dev_eui="0000000000000003", session_cnt=3),
    ]
    found = with_registry(devices, journal, [Target(name="dr5", dr=5), Target(name="other", dr=5, frag_index=2)])
    journal.close()
    assert {device.dev_eui: (device.fw_version, device.session_cnt) for device in found} == {
        A: (1, 5),
        B: (8, 65535),
        "0000000000000003": (None, 3),
    }
    assert with_registry([], journal, [Target(name="dr5", dr=5)]) == ()
