"""Progress of a running campaign: a line per stage, or a JSON object per event."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import Answered, CleanUpStarted, Event, Paused, SummaryOverdue, Wait
from fuota_fec.cli.console import CleanConsole
from fuota_fec.cli.watch import JsonReport, StageReport
from fuota_fec.simulation import Simulation, simulate_campaign

CONFIG = CampaignConfig(
    id="c",
    groups=(Group(name="meters", mc_addr="01f3a4b5", dr=5, frequency=869_525_000),),
    devices=tuple(Device(dev_eui=f"{i:016x}", group="meters") for i in (1, 2)),
    success_threshold=100,
    max_duration=100_000,
    uplink_period=100,
    fw_version="2.0.0.0",
    fsize=10,
    redundancy=2,
)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Events of a campaign that succeeds."""
    observed: list[Event] = []
    simulate_campaign(CONFIG, bytes(range(30)), Simulation(), observer=lambda _campaign, event: observed.append(event))
    return observed


def printed(report: Any, events: list[Event], file: StringIO) -> list[str]:
    """Lines that a stage report prints for these events, each applied before it is reported."""
    campaign = None
    with report:
        for event in events:
            if campaign is None:
                campaign = Campaign.from_first(event)
            else:
                campaign.follow(event)
            report(campaign, event)
    return file.getvalue().splitlines()


def test_stage_report_prints_the_plan_each_stage_and_the_outcome(events: list[Event]) -> None:
    file = StringIO()
    lines = printed(StageReport(Console(file=file, width=200)), events, file)
    assert lines[0] == "campaign c: 30 bytes to 2 devices in 1 group, threshold 100 %"
    assert [line.split()[2] for line in lines if " passed " in line] == [
        *("McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification")
    ]
    assert any("group meters: 3 fragments of 10 bytes and 2 coded" in line for line in lines)
    assert lines[-1].endswith("campaign SUCCEEDED")


def test_stage_report_prints_notes_with_the_findings_of_a_new_campaign(events: list[Event]) -> None:
    file = StringIO()
    lines = printed(StageReport(Console(file=file, width=200), ["info: image a.hex"]), events, file)
    assert lines[1] == "  info: image a.hex"
    assert lines.count("  info: image a.hex") == 1


def test_stage_report_of_a_resumed_campaign_prints_where_it_is(events: list[Event]) -> None:
    file = StringIO()
    report = StageReport(Console(file=file, width=200))
    with report:
        report.resume(Campaign.replay(events[:3]))
    first, second = file.getvalue().splitlines()
    assert first.startswith("campaign c: RUNNING in McGroupSetup, ")
    assert re.fullmatch(r"  waits until \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ: answers of 2 devices", second)


def test_stage_report_prints_each_wait_that_begins(events: list[Event]) -> None:
    file = StringIO()
    lines = printed(StageReport(Console(file=file, width=200)), events, file)
    waits = [line.split(maxsplit=2)[2] for line in lines if " waits " in line]
    assert [wait.split()[0] for wait in waits] == [
        *("McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment"),
        *("CompletionVerification", "CompletionVerification", "clean-up"),
    ]
    assert all(re.search(r"until at most \d\d:\d\d:\d\dZ: (answers of )?2 devices$", waits[n]) for n in (0, 1, 5, 6))


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (None, "sending goes on"),
        (Wait(until=1000.5, why="the summary"), "sending goes on"),
        (Wait(until=4600.0, why="the summary"), "sending waits for it until at most 01:16:40Z"),
    ],
)
def test_stage_report_prints_whether_sending_waits_for_an_overdue_summary(wait: Wait | None, expected: str) -> None:
    file = StringIO()
    with StageReport(Console(file=file, width=200)) as report:
        report(Campaign(CONFIG, bytes(30)), SummaryOverdue(at=1000.0, id="c/9", group="meters", frag_nb=3, wait=wait))
    assert file.getvalue() == f"1970-01-01 00:16:40Z  group meters: no summary of fragment 3 in time, {expected}\n"


def test_stage_report_prints_that_nobody_knows_the_end_of_a_pause() -> None:
    file = StringIO()
    with StageReport(Console(file=file, width=200)) as report:
        report(Campaign(CONFIG, bytes(30)), Paused(at=1000.0))
    assert file.getvalue() == "1970-01-01 00:16:40Z  paused until it is resumed\n"


def test_json_report_prints_an_object_per_event_with_the_progress(
    events: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    report = JsonReport()
    for event in events:
        report(None, event)
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [found["event"] for found in objects] == [type(event).__name__ for event in events]
    assert {found["campaign"] for found in objects} == {"c"}
    assert objects[-1]["stages_completed"] == 5


def test_json_report_of_a_resumed_campaign_prints_only_new_events(
    events: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    report = JsonReport(events[:-1])
    report(None, events[-1])
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "Finished"


# ---- bars ------------------------------------------------------------------------------------------------


def bars(events: list[Event]) -> list[tuple[str, float, float]]:
    """Name, what is done and total of the bar after each event."""
    seen = []
    report = StageReport(CleanConsole(file=StringIO(), force_terminal=True, width=80, _environ={"TERM": "xterm"}))
    campaign = None
    for event in events:
        if campaign is None:
            campaign = Campaign.from_first(event)
        else:
            campaign.follow(event)
        report(campaign, event)
        [task] = report._bar.progress.tasks
        seen.append((task.description.split()[0] if task.description else "", task.completed, task.total or 0))
    return seen


def test_no_bar_goes_over_its_total_and_each_ends_full(events: list[Event]) -> None:
    seen = bars(events)
    assert all(done <= total for name, done, total in seen if name)
    last = {name: done / total for name, done, total in seen if name}
    assert last == dict.fromkeys(
        ("McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification", "clean-up"), 1.0
    )


def test_answers_to_the_clean_up_count_in_a_bar_of_its_own(events: list[Event]) -> None:
    """Each device answers several requests of the clean-up."""
    begun = next(n for n, event in enumerate(events) if isinstance(event, CleanUpStarted))
    answers = [event for event in events[begun:] if isinstance(event, Answered)]
    assert len(answers) > len(CONFIG.devices)
    seen = bars(events)
    assert seen[begun - 1][0] == "CompletionVerification"
    assert seen[begun] == ("clean-up", 0, 2)
    assert seen[-1] == ("clean-up", 2, 2)
