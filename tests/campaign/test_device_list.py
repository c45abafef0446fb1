"""Devices of a campaign from a CSV file: the same campaign as from tables, and problems with their place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.errors import ParameterError

TABLE: dict[str, Any] = {
    "id": "c",
    "success_threshold": 95,
    "max_duration": 86400,
    "uplink_period": 300,
    "fw_version": "1.2.3.4",
    "groups": [{"name": "g", "mc_addr": "01f3a4b5"}],
}
TWO = [*TABLE["groups"], {"name": "h", "mc_addr": "01f3a4b6"}]
DRS = st.integers(0, 5)
COLUMNS = {"dev_eui": "DevEUI", "uplink_period": "Period", "group": "Group", "fw_version": "Version"}


def read(folder: Path, content: str, **changes: Any) -> CampaignConfig:
    (folder / "meters.csv").write_text(content, newline="")
    return CampaignConfig.from_mapping({**TABLE, "devices": "meters.csv", **changes}, "campaign", folder)


def problems(folder: Path, content: str, **changes: Any) -> list[str]:
    with pytest.raises(ParameterError) as caught:
        read(folder, content, **changes)
    return [line.removeprefix(f"{folder}/") for line in caught.value.problems]


def test_devices_of_a_csv_file_are_those_of_tables(tmp_path: Path):
    first, second = "0011223344556677;600;g;1.2.3.3;true", "00-11-22-33-44-55-66-AA;;g;7;0"
    content = "\r\n".join(["DevEUI;Period;Group;Version;Probe", first, "", second, ""])
    columns = {**COLUMNS, "probe": "Probe"}
    tables = [
        {"dev_eui": "0011223344556677", "group": "g", "uplink_period": 600, "fw_version": "1.2.3.3", "probe": True},
        {"dev_eui": "00112233445566aa", "group": "g", "fw_version": 7},
    ]
    expected = CampaignConfig.from_mapping({**TABLE, "devices": tables})
    assert read(tmp_path, "\ufeff" + content, columns=columns) == expected


@given(
    st.lists(
        st.fixed_dictionaries(
            {"dev_eui": st.integers(0, 2**64 - 1).map("{:016x}".format), "uplink_period": st.floats(1, 1e7)},
            optional={
                "fw_version": st.integers(0, 2**32 - 1),
                "loss": st.floats(0, 0.99),
                "downlink_dr": st.integers(0, 5),
            },
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda table: table["dev_eui"],
    )
)
def test_any_devices_are_the_same_from_a_file(tmp_path_factory, tables):
    names = ["dev_eui", "uplink_period", "fw_version", "loss", "downlink_dr"]
    lines = [",".join(names), *(",".join(str(table.get(name, "")) for name in names) for table in tables)]
    expected = CampaignConfig.from_mapping({**TABLE, "devices": [{**table, "group": "g"} for table in tables]})
    assert read(tmp_path_factory.mktemp("csv"), "\n".join(lines)) == expected


def test_a_file_is_relative_to_the_file_that_names_it(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "meters.csv").write_text("dev_eui\n0000000000000001\n")
    lines = [
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in TABLE.items()
        if key != "groups"
    ]
    (tmp_path / "c.toml").write_text(
        "\n".join([*lines, 'devices = "sub/meters.csv"', "[[groups]]", 'name = "g"', 'mc_addr = "01f3a4b5"'])
    )
    [device] = CampaignConfig.load(tmp_path / "c.toml").devices
    assert (device.dev_eui, device.group) == ("0000000000000001", "g")


HEAD = "DevEUI,Period,Group,Version\n"
GOOD = "0000000000000001,600,g,1.2.3.3\n"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("0000000000000002,soon,g,\n", ["column 'Period': 'soon' is not allowed, expected `float`, got `str`"]),
        ("0000000000000002,0.5,g,\n", ["column 'Period': uplink_period: 0.5 is not from 1 to 1e+07"]),
        ("0000000000000002,,h,\n", ["column 'Group': group: 'h' is not one of this campaign's"]),
        ("0000000000000002,,,\n", ["column 'Group': group is missing"]),
        (",,g,\n", ["column 'DevEUI': dev_eui is missing"]),
        (
            "00000000000002,,g,\n",
            ["column 'DevEUI': dev_eui: '00000000000002' is not a DevEUI, expected 16 hexadecimal digits"],
        ),
        ("0000-0000-0000-0001,,g,\n", ["column 'DevEUI': 0000000000000001 is given twice, first in line 2"]),
        ("0000000000000002,,g,1.2\n", None),
        ("0000000000000002,600,g\n", ["has 3 cells, expected 4, as the first line has"]),
    ],
)
def test_a_problem_has_its_file_line_and_column(tmp_path: Path, lines: str, found: list[str] | None):
    said = problems(tmp_path, HEAD + GOOD + lines, columns=COLUMNS)
    if found is None:
        [problem] = said
        assert problem.startswith("meters.csv, line 3, column 'Version': fw_version: '1.2' is not a firmware version")
    else:
        assert [problem.removeprefix("meters.csv, line 3")[2:] for problem in said] == found


def test_a_file_without_a_column_for_the_devices_is_one_problem(tmp_path: Path):
    said = problems(tmp_path, "EUI,Note\n" + 100 * "0000000000000001,x\n")
    assert said == ['meters.csv: there is no column dev_eui, expected columns = {dev_eui = "…"} with its name']


def test_the_same_device_in_three_lines_is_reported_for_each(tmp_path: Path):
    assert problems(tmp_path, HEAD + 3 * GOOD, columns=COLUMNS) == [
        f"meters.csv, line {n}, column 'DevEUI': 0000000000000001 is given twice, first in line 2" for n in (3, 4)
    ]


def test_many_wrong_lines_are_counted(tmp_path: Path):
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, HEAD + "".join(f"{i:016x},never,g,\n" for i in range(1000)), columns=COLUMNS)
    assert len(str(caught.value).splitlines()) == 21
    assert str(caught.value).endswith("… and 980 more")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"devices": "none.csv"}, "none.csv: cannot be read: No such file or directory"),
        ({"columns": ["DevEUI"]}, "columns: ['DevEUI'] is not a table, expected {dev_eui = \"DevEUI\", …}"),
        ({"columns": {"dev_eui": 1}}, "columns: {'dev_eui': 1} is not a table"),
        ({"columns": {"dev_eui": "DevUI"}}, "meters.csv, line 1: column 'DevUI' is not there, did you mean 'DevEUI'?"),
        ({"columns": {"deveui": "DevEUI"}}, "columns: 'deveui' is not a field, did you mean 'dev_eui'?"),
        (
            {"devices": [], "columns": {}},
            'campaign: columns: is for devices in a CSV file, expected devices = "FILE.csv"',
        ),
        ({"groups": TWO, "columns": {"dev_eui": "DevEUI"}}, "meters.csv, line 2: group is missing"),
    ],
)
def test_a_campaign_without_a_usable_file_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str):
    [said] = problems(tmp_path, HEAD + GOOD, **{"columns": COLUMNS, **changes})
    assert problem in said


def test_many_devices_are_read_from_a_file_in_little_time(tmp_path: Path):
    content = HEAD + "".join(f"{i:016x},600,g,1.2.3.3\n" for i in range(20_000))
    times = []
    for _ in range(3):
        begun = time.process_time()
        assert len(read(tmp_path, content, columns=COLUMNS).devices) == 20_000
        times.append(time.process_time() - begun)
    assert min(times) < 20_000 * 30e-6
