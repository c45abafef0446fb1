"""Devices of a campaign on a screen: a few that need a look, or those that are asked for."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.campaign.status import CampaignStatus, DeviceStatus
from fuota_fec.cli.console import CleanConsole
from fuota_fec.cli.outcome import (
    LIMIT,
    MOST_REASONS,
    Wanted,
    print_devices,
    print_fitting,
    print_next_steps,
    print_reasons,
)
from fuota_fec.report.tables import STATUSES, needs_a_look, reason_counts
from tests.support.statuses import device, status_of

DEVICES = st.lists(st.sampled_from(STATUSES), max_size=60).map(
    lambda found: tuple(device(f"{n:016x}", status, "never heard") for n, status in enumerate(found))
)


def printed(width: int = 200) -> tuple[CleanConsole, StringIO]:
    file = StringIO()
    return CleanConsole(file=file, width=width), file


@given(DEVICES, st.lists(st.sampled_from(STATUSES), max_size=2), st.none() | st.integers(0, 70), st.booleans())
def test_listed_devices_are_those_that_are_wanted(devices, statuses, limit, everything) -> None:
    listed, n_more = Wanted(everything, tuple(statuses), limit).of(devices, ())
    if statuses:
        wanted = [found for found in devices if found.status in statuses]
    else:
        wanted = [found for found in devices if everything or needs_a_look(found)]
    assert len(listed) + n_more == len(wanted)
    assert {found.dev_eui for found in listed} <= {found.dev_eui for found in wanted}
    most = limit if limit is not None else len(wanted) if everything else LIMIT
    assert len(listed) == min(most, len(wanted))


def test_devices_with_other_bytes_are_listed_although_they_passed() -> None:
    devices = (device("01", "passed"), device("02", "passed"))
    assert [found.dev_eui for found in Wanted().of(devices, {"02"})[0]] == ["02"]


def test_the_end_of_a_run_of_any_fleet_fits_a_screen() -> None:
    devices = [device(f"{n:016x}", "failed", f"missing {n % 40} fragments") for n in range(1000)]
    status = status_of(*devices)
    console, file = printed()
    print_devices(console, status, Wanted())
    assert len(file.getvalue().splitlines()) == 1 + 1 + LIMIT + 1
    assert "990 more: " in file.getvalue()
    counts = [(f"failed: missing {n} fragments", 25) for n in range(40)]
    print_reasons(console, counts)
    assert len(file.getvalue().splitlines()) == 1 + 1 + LIMIT + 1 + MOST_REASONS + 1
    assert file.getvalue().endswith(" 850 for 34 other reasons\n")


SCREENS = [(46, 24), (80, 24), (120, 30), (200, 50)]


def ended(width: int, height: int, wanted: Wanted) -> list[str]:
    """Lines of the end of a run in which 400 devices failed for 40 long reasons, on a terminal of this size."""
    devices = [
        device(f"{n:016x}", "failed", f"rejected McGroupSetupReq with status {n % 40}, group not there")
        for n in range(400)
    ]
    status = status_of(*devices)
    file = StringIO()
    console = CleanConsole(file=file, width=width, height=height, force_terminal=True, color_system=None)

    def show(wanted: Wanted, most_reasons: int) -> None:
        print_devices(console, status, wanted)
        print_reasons(console, reason_counts(status), most_reasons)
        print_next_steps(console, status, "--db campaigns.db")

    print_fitting(console, wanted, show)
    return file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_the_end_of_a_run_fits_the_screen_of_the_terminal(width: int, height: int) -> None:
    lines = ended(width, height, Wanted())
    assert len(lines) < height
    assert any(line.startswith("0000000000000000") for line in lines)
    assert any("other reasons" in line for line in lines)
    assert any("campaign retry" in line for line in lines)


@pytest.mark.parametrize(("wanted", "n"), [(Wanted(limit=30), 30), (Wanted(everything=True), 400)])
def test_a_number_of_devices_that_was_asked_for_is_listed_on_any_screen(wanted: Wanted, n: int) -> None:
    assert sum(line.startswith("00000000") for line in ended(46, 24, wanted)) == n


def rows(status: CampaignStatus, width: int, **wanted: object) -> list[str]:
    console, file = printed(width)
    print_devices(console, status, Wanted(**wanted))  # type: ignore[arg-type]
    return file.getvalue().splitlines()


LONG: DeviceStatus = device("fe5eed0000000001", "unverified", "no answer in CompletionVerification", 0x01000000)


@pytest.mark.parametrize("width", [46, 60, 72, 80, 120, 100_000])
def test_id_and_status_are_whole_at_any_width(width: int) -> None:
    lines = rows(status_of(LONG, LONG), width)
    assert sum(line.startswith("fe5eed0000000001  unverified") for line in lines) == 2
    assert all(len(line.rstrip()) <= width for line in lines)


def test_columns_without_contents_are_left_out() -> None:
    first = rows(status_of(device("01", "failed", "never heard")), 120)[1]
    assert first.split() == ["device", "status", "reason"]
    several = status_of(device("01", "failed", "x"), device("02", "failed", "x", 1, group="h"))
    assert rows(several, 120)[1].split() == ["device", "status", "group", "firmware", "reason"]


def test_next_steps_name_the_command() -> None:
    console, file = printed()
    for journal in ("--db sqlite:///c.db", "", None):
        print_next_steps(console, status_of(device("01", "failed", "clock off")), journal)
    assert file.getvalue().splitlines() == [
        "1 device: synchronise their clocks, then fuota-fec campaign retry a --db sqlite:///c.db",
        "1 device: synchronise their clocks, then fuota-fec campaign retry a",
        "1 device: synchronise their clocks, then a retry of a campaign kept with --db",
    ]
