"""Report of a campaign as a page and as plain data: verdict, stages, groups, devices, parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, asdict, fields
from typing import Any

from fuota_fec.campaign.config import CampaignConfig, Ports
from fuota_fec.campaign.messages import Event
from fuota_fec.campaign.sessions import DL_FRAGMENT
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.report.devices import device_parts
from fuota_fec.report.formatting import count, duration, percent, size, when
from fuota_fec.report.histogram import histogram_plot
from fuota_fec.report.history import CLEAN_UP, CampaignHistory, GroupHistory, StageRun, read_history
from fuota_fec.report.next_steps import Step, next_steps
from fuota_fec.report.page import Plot, need_extra, render
from fuota_fec.report.plots import Bar, Row, Span, bar_plot, reasons_plot, rounds_plot, timeline_plot
from fuota_fec.report.tables import reason_counts

_TONES = {"SUCCEEDED": "good", "FAILED": "bad", "RUNNING": "busy", "stopping": "busy"}
_STAGE_COLUMNS = ("stage", "began (UTC)", "took", "of it waiting", "took part", "succeeded", "outcome")
_GROUP_COLUMNS = (
    *("group", "address", "radio", "TS004", "fragments", "coded", "frames", "counters", "spacing"),
    *("on air", "sessions", "energy of a device"),
)
_GROUP_NUMBERS = [4, 5, 6, 7, 8, 9, 10, 11]
_UNITS = {"ucast_msg_delay": "ms", "mcast_msg_delay": "ms", "coded_msg_delay": "ms"}
"""Units of the parameters that are not in seconds, although they are durations."""


def campaign_page(history: CampaignHistory | Iterable[Event], *, made: float | None = None) -> str:
    """HTML page about a finished or running campaign, from its history or its events.

    The page has no keys and no names of keys. The same events give the same page. `made`: Unix time to show as the time
    of creation; none is shown if not given. CampaignError without events, MissingExtraError without the extra "report".
    """
    need_extra()
    if not isinstance(history, CampaignHistory):
        history = read_history(history)
    status, config = history.status, history.config
    values = {
        "id": status.id,
        "status": status.status,
        "tone": _TONES.get(status.status, ""),
        "verdict": verdict(history),
        "span": f"{when(history.started)} to {when(history.last_at)} UTC, {count(history.n_events, 'event')}",
        "facts": _facts(history),
        "steps": [_step(step, status.id) for step in next_steps(status)],
        "stage_columns": _STAGE_COLUMNS,
        "stages": [_stage_row(run, len(config.devices)) for run in history.runs],
        "group_columns": _GROUP_COLUMNS,
        "group_numbers": _GROUP_NUMBERS,
        "groups": [_group_row(group) for group in history.groups],
        "devices": device_parts(status.devices),
        "findings": [str(finding) for finding in history.findings],
        **_parameters(config),
    }
    return render("campaign.html", values, plots=_plots(history), made=made)


def campaign_facts(history: CampaignHistory) -> dict[str, Any]:
    """Contents of the page as plain data. Times are Unix times, durations are seconds."""
    status = history.status
    return {
        "campaign": status.id,
        "status": status.status,
        "verdict": verdict(history),
        "started": history.started,
        "last_at": history.last_at,
        "n_events": history.n_events,
        "n_devices": status.n_devices,
        "n_passed": sum(device.status == "passed" for device in status.devices),
        "n_unicast": history.n_unicast,
        "n_resends": history.n_resends,
        "stages": [{k: v for k, v in asdict(run).items() if k != "progress"} for run in history.runs],
        "groups": [
            {
                "name": group.plan.group.name,
                "n_uncoded": group.n_uncoded,
                "n_coded": group.n_coded,
                "n_commands": group.n_commands,
                "n_not_sent": group.n_not_sent,
                "air_time": round(group.air_time, 6),
                "listened": group.listened,
                "energies": {radio: round(energy, 6) for radio, energy in group.energies},
                "next_f_cnt": group.next_f_cnt,
            }
            for group in history.groups
        ],
        "losses": [round(loss, 6) for loss in history.losses],
        "coded_needed": list(history.coded_needed),
        "reasons": dict(reason_counts(status)),
        "next": [
            {"n_devices": s.n_devices, "advice": s.advice, "command": s.command(status.id)} for s in next_steps(status)
        ],
        "devices": [asdict(device) for device in status.devices],
    }


def verdict(history: CampaignHistory) -> str:
    """One line with the outcome of a finished campaign, or the progress of a running one."""
    status = history.status
    n_passed = sum(device.status == "passed" for device in status.devices)
    passed = f"{n_passed} of {count(status.n_devices, 'device')} passed"
    required = f"{history.config.success_threshold:g} % were required"
    if status.status == "SUCCEEDED":
        return f"{passed}, {required}, in {duration(history.last_at - history.started)}."
    if status.state == "RUNNING":
        stage = f"stage {status.n_stages_completed + 1} of {len(status.stages)}, {status.stage}"
        where = "cleaning up" if status.status != "RUNNING" else stage
        paused = "paused; " if status.paused else ""
        return f"{paused}{where}: {status.n_done} of {count(status.n_devices, 'device')} done."
    reason = f": {status.reason}" if status.reason else ""
    return f"{passed}{reason}."


def _step(step: Step, campaign: str) -> tuple[str, str]:
    """Number of devices with what comes first, and the command."""
    advice = f" {step.advice}, then" if step.advice else ""
    return f"{count(step.n_devices, 'device')}:{advice}", step.command(campaign)


def _facts(history: CampaignHistory) -> list[tuple[str, str]]:
    devices, groups = history.status.devices, history.groups
    n_passed = sum(device.status == "passed" for device in devices)
    n_frames = sum(group.n_uncoded + group.n_coded + group.n_commands for group in groups)
    share = f" ({percent(n_passed / len(devices))})" if devices else ""
    facts = [
        ("devices passed", f"{n_passed}{share}"),
        ("took" if history.status.state != "RUNNING" else "so far", duration(history.last_at - history.started)),
        ("image", size(history.image_len)),
        ("multicast frames", str(n_frames)),
        ("of these coded", str(sum(group.n_coded for group in groups))),
        ("multicast on the air", duration(sum(group.air_time for group in groups))),
        ("unicast downlinks", str(history.n_unicast)),
        ("of these resent", str(history.n_resends)),
    ]
    if history.config.kind == "multicast":
        facts = [
            fact
            for fact in facts
            if fact[0] in ("devices passed", "took", "so far", "unicast downlinks", "of these resent")
        ]
    if history.n_outages:
        facts.append(("resumed", count(history.n_outages, "time")))
    return facts


def _plots(history: CampaignHistory) -> list[Plot]:
    status = history.status
    plots = []
    if history.runs:
        length = history.last_at - history.started
        note = "Each bar is a stage. The filled part is the share of its devices that answered, or of its frames sent."
        plots.append(Plot("Stages over time", timeline_plot(_timeline(history), length, history.started), note))
    if bars := _funnel(history):
        svg = bar_plot(bars, title="Devices left after each stage", name="funnel", most=status.n_devices)
        plots.append(Plot("Devices left after each stage", svg))
    if reasons := reason_counts(status):
        plots.append(Plot("Why devices did not pass", reasons_plot(reasons)))
    if len(history.complete) > 1 and history.complete[-1][0] > 0:
        note = "One point per status request. A silent device counts as complete until its status is known."
        plots.append(Plot("Devices complete, by time on air", rounds_plot(history.complete, status.n_devices), note))
    if history.losses:
        values = [100 * loss for loss in history.losses]
        note = f"As {count(len(values), 'device')} reported them, of all fragments sent before the report."
        svg = histogram_plot(values, title="Losses", label="fragments missed (%)", name="losses", least=0.5)
        plots.append(Plot("Losses", svg, note))
    if history.coded_needed:
        n = len(history.coded_needed)
        note = (
            f"Of {count(n, 'device')} with a report: coded fragments sent until then, and the fragments that it lacked."
        )
        svg = histogram_plot(
            history.coded_needed,
            title="Coded fragments needed",
            label="coded fragments",
            name="needed",
            marks=[(f"{group.n_coded} sent", group.n_coded) for group in history.groups[:1]],
        )
        plots.append(Plot("Coded fragments needed", svg, note))
    return plots


def _timeline(history: CampaignHistory) -> list[Row]:
    """Row of each stage; the wait for the multicast session has one of its own, before that of the fragments."""
    stages = {run.stage: [r for r in history.runs if r.stage == run.stage] for run in history.runs}
    rows = []
    for stage, runs in stages.items():
        waits = [_span(run, history, 0.0, run.waited) for run in runs if run.waited] if stage == DL_FRAGMENT else []
        spans = [_span(run, history, run.waited if waits else 0.0) for run in runs]
        times = f"{count(len(runs), 'time')}, " if len(runs) > 1 else ""
        if waits:
            waited = duration(sum(span.end - span.begin for span in waits))
            rows.append(Row(label="wait for the multicast session", note=waited, spans=tuple(waits)))
        took = duration(sum(span.end - span.begin for span in spans))
        rows.append(Row(label=stage, note=f"{times}{took}", spans=tuple(spans)))
    return rows


def _span(run: StageRun, history: CampaignHistory, begin: float, end: float | None = None) -> Span:
    """Time of a stage from a second of it on: up to another one, in which it waits, or to its end."""
    offset = run.started - history.started
    if end is not None:
        return Span(begin=offset + begin, end=offset + end, waits=True)
    return Span(
        begin=offset + begin,
        end=(run.ended if run.ended is not None else history.last_at) - history.started,
        progress=tuple((offset + elapsed, done) for elapsed, done in run.progress),
        good=run.ok is not False or bool(run.back_to),
    )


def _funnel(history: CampaignHistory) -> list[Bar]:
    ended = [(run, times) for run, times in history.funnel if run.successes is not None]
    if not ended:
        return []
    n_devices = history.status.n_devices
    bars = [Bar(label="configured", value=n_devices, note=str(n_devices))]
    for run, times in ended:
        label = f"{run.stage}, {count(times, 'time')}" if times > 1 else run.stage
        value = run.successes or 0
        bars.append(Bar(label=label, value=value, note=str(value), good=None if run.ok else False))
    return bars


def _stage_row(run: StageRun, n_devices: int) -> tuple[str, ...]:
    name = f"{run.stage}, round {run.round}" if run.round > 1 and run.stage != CLEAN_UP else run.stage
    took = duration(run.ended - run.started) if run.ended is not None else ""
    took_part = "" if run.stage == CLEAN_UP else f"{run.n_devices} of {n_devices}"
    successes = "" if run.successes is None else str(run.successes)
    if run.ended is None:
        outcome = "runs"
    elif run.stage == CLEAN_UP:
        outcome = "over"
    elif run.ok is None:
        outcome = "ended with the campaign"
    else:
        outcome = f"back to {run.back_to}" if run.back_to else "passed" if run.ok else "failed"
    waited = f"{duration(run.waited)}: {run.waits_for}" if run.waited else ""
    return name, when(run.started), took, waited, took_part, successes, outcome


def _group_row(group: GroupHistory) -> tuple[str, ...]:
    plan, of = group.plan, group.plan.group
    channel = f"{of.frequency_hz / 1e6:.3f} MHz" if of.dl_frequency_hz else "all channels"
    n_frames = group.n_uncoded + group.n_coded + group.n_commands
    counters = f"{plan.first_f_cnt} to {group.next_f_cnt - 1}" if group.next_f_cnt > plan.first_f_cnt else "none"
    return (
        of.name,
        of.mc_addr,
        f"{of.region} DR{of.downlink_dr}, {channel}, {of.device_class}",
        of.version,
        f"{plan.n_frags} × {plan.frag_size} B",
        f"{group.n_coded} of {'up to ' if plan.adaptive else ''}{len(plan.sent_rows)}",
        f"{n_frames} ({group.n_not_sent} not sent)" if group.n_not_sent else str(n_frames),
        counters,
        f"{plan.time.spacing:.2f} s ({str(plan.time.rule).replace('_', ' ')})",
        duration(group.air_time),
        duration(group.listened) if group.listened else "none",
        ", ".join(f"{energy:.3g} J ({radio})" for radio, energy in group.energies),
    )


def _parameters(config: CampaignConfig) -> dict[str, list[tuple[str, ...]]]:
    """Rows of the parameters that were changed, with their defaults, and of those that were not.

    Groups and devices have tables of their own.
    """
    changed: list[tuple[str, ...]] = []
    unchanged: list[tuple[str, ...]] = []
    for spec in fields(config):
        if spec.name in ("id", "groups", "devices"):
            continue
        value = getattr(config, spec.name)
        default = spec.default
        if spec.default_factory is not MISSING:
            default = spec.default_factory()
        unit = _UNITS.get(spec.name, "")
        text = _shown(value, unit)
        if value == default:
            unchanged.append((spec.name, text))
        else:
            changed.append((spec.name, text, "required" if default is MISSING else _shown(default, unit)))
    return {"changed": changed, "unchanged": unchanged}


def _shown(value: Any, unit: str) -> str:
    """Text of a parameter's value, with its unit if it has one."""
    if unit and value is not None:
        return f"{_shown(value, '')} {unit}"
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple) and value and isinstance(value[0], DeviceProfile):
        return "; ".join(f"{own.name} (" + ", ".join([f"base {own.base}", *own.changed()]) + ")" for own in value)
    if isinstance(value, Ports):
        return ", ".join(f"{spec.name} {getattr(value, spec.name)}" for spec in fields(value))
    if isinstance(value, tuple):
        text = " ".join(map(str, value[:40]))
        return text + (" …" if len(value) > 40 else "")
    return f"{value:.15g}" if isinstance(value, float) else str(value)
