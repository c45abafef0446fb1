"""Progress of a running campaign: a line per stage with a progress bar, or one JSON object per event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
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
from fuota_fec.cli.console import NARROW, paragraph, progress_bar
from fuota_fec.cli.output import print_json
from fuota_fec.report.formatting import duration, moment


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


class StageBar:
    """Bar of what a stage, or the clean-up, has done of how much: frames begun, or devices that have answered or are
    given up. It never counts a device twice, nor beyond the total."""

    def __init__(self, console: Console) -> None:
        self.progress = progress_bar(console)
        self._task = self.progress.add_task("", total=None, visible=False)
        self._frames, self._total = False, 0
        self._done: set[str] = set()

    def begin(self, name: str, total: int, *, frames: bool = False) -> None:
        self._frames, self._total, self._done = frames, total, set()
        self.progress.reset(self._task, description=name, total=total, visible=True)

    def name(self, text: str) -> None:
        self.progress.update(self._task, description=text)

    def take(self, event: Event) -> None:
        if isinstance(event, Requested) and event.frag_nb is not None and self._frames:
            self._done.add(event.id)
        elif isinstance(event, (Answered, GivenUp)) and not self._frames:
            self._done.add(event.dev_eui)
        else:
            return
        self.progress.update(self._task, completed=min(len(self._done), self._total))


class StageReport:
    """Prints a line at the end of each stage, and a bar in the foreground of a terminal. `notes` come before the
    findings of a new campaign."""

    def __init__(self, console: Console, notes: Sequence[str] = ()) -> None:
        self._console = console
        self._notes = notes
        self._stage_started = 0.0
        self._bar = StageBar(console)

    def __enter__(self) -> Self:
        self._bar.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.progress.stop()

    def resume(self, campaign: Campaign) -> None:
        """Prints where a resumed campaign is."""
        seen = campaign.progress()
        self._stage_started = seen.stage_started
        status = "paused" if seen.paused else seen.status
        n_devices = counted(seen.n_devices, "device")
        self._print(f"campaign {seen.id}: {status} in {seen.stage}, {seen.n_done} of {n_devices} done")
        wait = campaign.status().wait
        if wait is not None and wait.until is not None:
            self._print(f"  waits until {moment(wait.until)}: {wait.why}")

    def __call__(self, campaign: Campaign, event: Event) -> None:
        if isinstance(event, Configured):
            self._print(headline(event.config, event.image_len))
            for note in self._notes:
                self._print(f"  {note}")
            for finding in campaign.findings:
                self._print(f"  {finding}", finding.severity)
        elif isinstance(event, StageStarted):
            self._stage_started = event.at
            sending = event.stage == "DlFragment"
            plans = list(campaign.plan.groups.values())
            to_come = sum(planned - begun for begun, planned in campaign.progress().fragments.values())
            total = to_come if sending else event.n_devices
            self._bar.begin(event.stage, total, frames=sending)
            self._waits(event.at, event.stage, event.wait)
            self._waits(event.at, event.stage, event.answers, "at most ")
            for plan in plans if sending else ():
                uncoded = f"{counted(plan.n_frags, 'fragment')} of {plan.frag_size} bytes"
                self._line(
                    event.at,
                    f"group {plan.group.name}: {uncoded} and {len(plan.rows)} "
                    f"coded, one every {plan.time.spacing:.2f} s ({plan.time.rule}), dialect {plan.group.dialect}",
                )
        elif isinstance(event, (Requested, Answered, GivenUp)):
            self._bar.take(event)
        elif isinstance(event, GroupDone) and event.reason:
            self._line(event.at, f"group {event.group}: {event.reason}")
        elif isinstance(event, StageClosing):
            self._waits(event.at, event.stage, late_answers(event.until), "at most ")
        elif isinstance(event, StageEnded):
            n_devices = len(campaign.config.devices)
            took = duration(event.at - self._stage_started)
            verdict = f"back to {event.back_to}" if event.back_to else "passed" if event.ok else "FAILED"
            self._line(event.at, f"{event.stage:<22} {verdict} {event.successes:>4} of {n_devices}, {took}", verdict)
        elif isinstance(event, SummaryOverdue):
            frame = f"fragment {event.frag_nb}" if event.frag_nb else "the status request"
            ends = _later(event.at, event.wait)
            then = "goes on" if ends is None else f"waits for it until at most {moment(ends, event.at)}"
            self._line(event.at, f"group {event.group}: no summary of {frame} in time, sending {then}")
        elif isinstance(event, Stopping) and event.status == "STOPPED":
            self._line(event.at, "stopping")
        elif isinstance(event, CleanUpStarted):
            self._bar.begin("clean-up", event.n_devices)
            self._waits(event.at, "clean-up", replace(event.wait, why=counted(event.n_devices, "device")), "at most ")
        elif isinstance(event, Suspended):
            self._line(event.at, f"suspended: {event.reason}")
        elif isinstance(event, (Paused, Unpaused, Resumed)):
            self._line(
                event.at, {Paused: "paused until it is resumed", Unpaused: "goes on"}.get(type(event), "resumed")
            )
        elif isinstance(event, Finished):
            why = f": {event.reason}" if event.reason else ""
            self._line(event.at, f"campaign {event.status}{why}", event.status)
            if event.unconfirmed:
                self._line(event.at, f"{counted(len(event.unconfirmed), 'device')} did not confirm the clean-up")

    def _waits(self, at: float, what: str, wait: Wait | None, most: str = "") -> None:
        """Prints what is waited for, unless the wait is over at once."""
        ends = _later(at, wait)
        if wait is not None and ends is not None:
            until = f"until {most}{moment(ends, at)}"
            if self._console.width >= NARROW:
                self._bar.name(f"{what} {until}")
            self._line(at, f"{what:<22} waits {until}: {wait.why}")

    def _line(self, at: float, text: str, verdict: str = "") -> None:
        self._print(f"{moment(at)}  {text}", verdict)

    def _print(self, text: str, verdict: str = "") -> None:
        paragraph(self._console, text, verdict=verdict)


def headline(config: CampaignConfig, image_len: int) -> str:
    """Image, devices and groups of a campaign in one line."""
    return (
        f"campaign {config.id}: {counted(image_len, 'byte')} to {counted(len(config.devices), 'device')} in "
        f"{counted(len(config.groups), 'group')}, threshold {config.success_threshold:g} %"
    )


def _later(at: float, wait: Wait | None) -> float | None:
    """Unix time of the end of a wait that is known to last a second or more after `at`."""
    return wait.until if wait is not None and wait.until is not None and wait.until - at >= 1 else None
