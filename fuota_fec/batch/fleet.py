"""The fleet that a release is for: devices and their versions, from a CSV file and the registry of a journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from fuota_fec.batch.config import Target
from fuota_fec.campaign.config import CampaignConfig, Device, Group, firmware_version
from fuota_fec.campaign.facts import KnownDevice
from fuota_fec.campaign.settings import key_name_problems, raised
from fuota_fec.checks import integer, shown
from fuota_fec.csv_table import Row, read_rows
from fuota_fec.errors import ParameterError
from fuota_fec.journal import Journal
from fuota_fec.wire.identifiers import canonical_eui, is_eui

MAX_SESSION_CNT = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDevice:
    """A device of a fleet; None: not known. Columns of a CSV file have these names, as in a campaign's."""

    dev_eui: str
    fw_version: int | None = None
    """Firmware version that it runs."""
    downlink_dr: int | None = None
    """Fastest data rate that reaches it; that of its target if not known."""
    target: str | None = None
    """Name of its target in the batch; not needed in a batch with one."""
    key: str | None = None
    """Name of its root key in the key ring; the DevEUI if not given."""
    session_cnt: int | None = None
    """SessionCnt of its next fragmentation session (dialect 2.0.0)."""


def read_fleet(path: str | Path) -> tuple[FleetDevice, ...]:
    """Devices of a CSV file, which needs the column dev_eui. ParameterError with the line of each problem."""
    devices: list[FleetDevice] = []
    problems: list[str] = []
    lines: dict[str, str] = {}
    for row in read_rows(path, None, [spec.name for spec in fields(FleetDevice)]):
        found = list(_problems(row))
        if not found:
            device = _device(row)
            if (first := lines.get(device.dev_eui)) is not None:
                found.append(f"{row.place('dev_eui')}: {device.dev_eui} is given twice, first in {first}")
            lines.setdefault(device.dev_eui, row.where.rpartition(", ")[2])
            devices.append(device)
        problems += found
    if not devices and not problems:
        problems.append(f"{path}: there are no devices, expected a line for each")
    if problems:
        raise ParameterError.of(problems)
    return tuple(devices)


def with_registry(
    devices: Iterable[FleetDevice], journal: Journal, targets: Sequence[Target]
) -> tuple[FleetDevice, ...]:
    """The devices with what the registry of a journal knows of them, where it is not known: the version that a device
    reported last, and the SessionCnt after the last one of its target's FragIndex."""
    frag_indexes = {target.name: target.frag_index for target in targets}
    by_index: dict[int, list[FleetDevice]] = {}
    for device in devices:
        by_index.setdefault(frag_indexes.get(device.target or targets[0].name, 0), []).append(device)
    return tuple(
        _informed(device, known.get(device.dev_eui, KnownDevice()))
        for frag_index, some in by_index.items()
        for known in [journal.known(_asked(some, frag_index)).devices]
        for device in some
    )


def _informed(device: FleetDevice, facts: KnownDevice) -> FleetDevice:
    return replace(
        device,
        fw_version=facts.fw_version if device.fw_version is None else device.fw_version,
        session_cnt=_next_session(facts.session_cnt) if device.session_cnt is None else device.session_cnt,
    )


def _next_session(last: int | None) -> int | None:
    return None if last is None else min(last + 1, MAX_SESSION_CNT)


def _asked(devices: Sequence[FleetDevice], frag_index: int) -> CampaignConfig:
    """A campaign of these devices: the registry is asked for those of a campaign."""
    return CampaignConfig(
        id="fleet",
        fw_version=0,
        success_threshold=100,
        max_duration=1,
        uplink_period=3600,
        frag_index=frag_index,
        groups=(Group(name="fleet", mc_addr="00000000", dr=0, key="none"),),
        devices=tuple(Device(dev_eui=device.dev_eui, group="fleet") for device in devices),
    )


def _problems(row: Row) -> Iterator[str]:
    if "dev_eui" not in row:
        yield f"{row.where}: dev_eui is missing"
    elif not is_eui(canonical_eui(row["dev_eui"])):
        yield f"{row.place('dev_eui')}: {shown(row['dev_eui'])} is not a DevEUI, expected 16 hexadecimal digits"
    if "fw_version" in row:
        yield from _placed(row, "fw_version", raised(partial(firmware_version, _number(row["fw_version"]))))
    for name, most in (("downlink_dr", 15), ("session_cnt", MAX_SESSION_CNT)):
        if name in row:
            yield from _placed(row, name, raised(partial(integer, name, _number(row[name]), 0, most)))
    if "key" in row:
        yield from _placed(row, "key", key_name_problems("key", row["key"]))


def _placed(row: Row, name: str, problems: Iterable[str]) -> Iterator[str]:
    for problem in problems:
        yield f"{row.place(name)}: {problem.removeprefix(f'{name}: ')}"


def _device(row: Row) -> FleetDevice:
    def number(name: str) -> int | None:
        return int(row[name]) if name in row else None

    return FleetDevice(
        dev_eui=canonical_eui(row["dev_eui"]),
        fw_version=firmware_version(_number(row["fw_version"])) if "fw_version" in row else None,
        downlink_dr=number("downlink_dr"),
        target=row.get("target"),
        key=row.get("key"),
        session_cnt=number("session_cnt"),
    )


def _number(text: str) -> str | int:
    """A number that is written as text; the text if it is none."""
    return int(text) if len(text) <= 10 and text.isascii() and text.isdecimal() else text
