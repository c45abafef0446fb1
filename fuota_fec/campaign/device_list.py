"""Devices of a campaign from a CSV file: `devices = "meters.csv"`, and `columns` with the column of each setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fuota_fec.campaign.device import Device
from fuota_fec.checks import plainly, shown
from fuota_fec.csv_table import Row, read_rows
from fuota_fec.errors import ParameterError
from fuota_fec.wire.identifiers import canonical_eui

COLUMNS = "columns"
"""Key of a campaign that only goes with a CSV file."""
_SETTINGS = tuple(spec.name for spec in fields(Device))


def with_listed_devices(table: Mapping[str, Any], where: str, folder: str | Path) -> Mapping[str, Any]:
    """A campaign's table with the rows of its CSV file as devices, if it names one, relative to the folder.

    Without a column for the group, the devices are in the campaign's one group. ParameterError, with file and line.
    """
    name, columns = table.get("devices"), table.get(COLUMNS)
    if not isinstance(name, str):
        if columns is not None:
            raise ParameterError(f'{where}: columns: is for devices in a CSV file, expected devices = "FILE.csv"')
        return table
    if columns is not None and not (isinstance(columns, Mapping) and all(isinstance(c, str) for c in columns.values())):
        raise ParameterError(f'{where}: columns: {shown(columns)} is not a table, expected {{dev_eui = "DevEUI", …}}')
    rows = read_rows(Path(folder) / name, columns, _SETTINGS)
    if rows and "dev_eui" not in rows[0].columns:
        raise ParameterError(
            f'{Path(folder) / name}: there is no column dev_eui, expected columns = {{dev_eui = "…"}} with its name'
        )
    groups = table.get("groups")
    if isinstance(groups, Sequence) and len(groups) == 1 and isinstance(groups[0], Mapping) and "name" in groups[0]:
        for row in rows:
            if "group" not in row.columns:
                row["group"] = groups[0]["name"]
    for row in rows:
        if len(version := row.get("fw_version", "")) <= 10 and version.isdecimal():
            row["fw_version"] = int(version)
    return {**{key: value for key, value in table.items() if key != COLUMNS}, "devices": rows}


def placed(problems: Iterable[str], rows: Any, where: str) -> Iterator[str]:
    """Problems with file, line and column in place of a device's name, where they concern a device of a CSV file."""
    by_name: dict[str, list[Row]] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Row):
            by_name.setdefault(plainly(canonical_eui(row.get("dev_eui", ""))), []).append(row)
    for problem in problems:
        text = problem.removeprefix(f"{where}: ")
        if (twice := _TWICE.match(text)) and len(same := by_name.get(twice[1], [])) > 1:
            first = same[0].where.rpartition(", ")[2]
            yield f"{same.pop(1).place('dev_eui')}: {text.removeprefix('devices: ')}, first in {first}"
        elif (about := _ABOUT.match(text)) and about[1] in by_name:
            yield f"{by_name[about[1]][0].place(about[2].partition(':')[0])}: {about[2]}"
        else:
            yield problem


_TWICE = re.compile("devices: (.+) is given twice\\Z")
_ABOUT = re.compile("device (.+?): (.*)\\Z")
