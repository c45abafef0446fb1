"""Progress of a running campaign: a line per stage with a progress bar, or one JSON object per event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import (
    Answered,
    CleanUpStarted,
    Configured,
    Event,
    Finished,
    GivenUp,
    GroupDone,
    Paused,
    Requested,
    Resumed,
    StageClosing,
    StageEnded,
    StageStarted,
    Stopping,
    SummaryOverdue,
    Suspended,
    Unpaused,
    Wait,
)
from fuota_fec.campaign.waits import late_answers
from fuota_fec.checks import counted
from fuota_fec.cli.output import print_json
from fuota_fec.report.formatting import duration


class JsonReport:
    """Prints one JSON object per event, with the campaign's progress after that event."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._seen: Campaign | None = None
        """The campaign up to the last event printed: the agent's own object may be ahead."""
        for event in events:
            self._take(event)

    def __call__(self, _campaign: Campaign | None, event: Event) -> None:
        print_json(self._take(event).describe(event))

    def _take(self, event: Event) -> Campaign:
        if self._seen is None:
            self._seen = Campaign.from_first(event)
        else:
            self._seen.follow(event)
        return self._seen


class StageReport:
    """Prints a line at the end of each stage, and a progress bar on a terminal."""

    def __init__(self, console: Console, notes: Sequence[str] = ()) -> None:
        self._notes = notes
        """Lines for the start of a new campaign, with the findings."""
        self._stage_started = 0.0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def resume(self, campaign: Campaign) -> None:
        """Prints where a resumed campaign is."""
        seen = campaign.progress()
        self._stage_started = seen.stage_started
        status = "paused" if seen.paused else seen.status
        self._print(f"campaign {seen.id}: {status} in {seen.stage}, {seen.n_done} of {seen.n_devices} devices done")
        wait = campaign.status().wait
        if wait is not None and wait.until is not None:
            self._print(f"  waits until {clock(wait.until)}: {wait.why}")

    def __call__(self, campaign: Campaign, event: Event) -> None:
        if isinstance(event, Configured):
            config, n_groups = event.config, len(event.config.groups)
            self._print(
                f"campaign {config.id}: {event.image_len} bytes to {counted(len(config.devices), 'device')} "
                f"in {n_groups} group{'s' if n_groups > 1 else ''}, threshold {config.success_threshold:g} %"
            )
            for line in (*self._notes, *campaign.findings):
                self._print(f"  {line}")
        elif isinstance(event, StageStarted):
            self._stage_started = event.at
            sending = event.stage == "DlFragment"
            plans = list(campaign.plan.groups.values())
            to_come = sum(planned - begun for begun, planned in campaign.progress().fragments.values())
            total = to_come if sending else event.n_devices
            self._progress.reset(self._task, description=event.stage, total=total, visible=True)
            self._waits(event.at, event.stage, event.wait)
            self._waits(event.at, event.stage, event.answers, "at most ")
            for plan in plans if sending else ():
                self._line(
                    event.at,
                    f"group {plan.group.name}: {plan.n_frags} fragments of {plan.frag_size} bytes and {len(plan.rows)} "
                    f"coded, one every {plan.time.spacing:.2f} s ({plan.time.rule}), dialect {plan.group.dialect}",
                )
        elif (isinstance(event, Requested) and event.group is not None) or isinstance(event, (Answered, GivenUp)):
            self._progress.advance(self._task)
        elif isinstance(event, GroupDone) and event.reason:
            self._line(event.at, f"group {event.group}: {event.reason}")
        elif isinstance(event, StageClosing):
            self._waits(event.at, event.stage, late_answers(event.until), "at most ")
        elif isinstance(event, StageEnded):
            n_devices = len(campaign.config.devices)
            took = duration(event.at - self._stage_started)
            verdict = f"back to {event.back_to}" if event.back_to else "passed" if event.ok else "FAILED"
            self._line(event.at, f"{event.stage:<23} {verdict}  {event.successes:>6} of {n_devices} devices, {took}")
        elif isinstance(event, SummaryOverdue):
            frame = f"fragment {event.frag_nb}" if event.frag_nb else "the status request"
            ends = _later(event.at, event.wait)
            then = "goes on" if ends is None else f"waits for it until at most {clock(ends)}"
            self._line(event.at, f"group {event.group}: no summary of {frame} in time, sending {then}")
        elif isinstance(event, Stopping) and event.status == "STOPPED":
            self._line(event.at, "stopping")
        elif isinstance(event, CleanUpStarted):
            self._progress.reset(self._task, description="clean-up", total=event.n_devices, visible=True)
            self._waits(event.at, "clean-up", replace(event.wait, why=counted(event.n_devices, "device")), "at most ")
        elif isinstance(event, Suspended):
            self._line(event.at, f"suspended: {event.reason}")
        elif isinstance(event, (Paused, Unpaused, Resumed)):
            self._line(
                event.at, {Paused: "paused until it is resumed", Unpaused: "goes on"}.get(type(event), "resumed")
            )
        elif isinstance(event, Finished):
            self._line(event.at, f"campaign {event.status}" + (f": {event.reason}" if event.reason else ""))
            if event.unconfirmed:
                n = len(event.unconfirmed)
                self._line(event.at, f"{n} device{'s' if n > 1 else ''} did not confirm the clean-up")

    def _waits(self, at: float, what: str, wait: Wait | None, most: str = "") -> None:
        """Prints what is waited for, unless the wait is over at once."""
        ends = _later(at, wait)
        if wait is not None and ends is not None:
            until = f"until {most}{clock(ends)}"
            self._progress.update(self._task, description=f"{what} {until}")
            self._line(at, f"{what:<23} waits {until}: {wait.why}")

    def _line(self, at: float, text: str) -> None:
        self._print(f"{clock(at)}  {text}")

    def _print(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True)


def _later(at: float, wait: Wait | None) -> float | None:
    """Unix time of the end of a wait that is known to last a second or more after `at`."""
    return wait.until if wait is not None and wait.until is not None and wait.until - at >= 1 else None


def clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
