"""Reports of a redundancy plan and of a simulated fleet: curves, coded fragments needed, alternatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fuota_fec.codec.limits import Rows
from fuota_fec.fleet.trials import FleetTrial
from fuota_fec.planning.confidence import Fleet, make_fleet
from fuota_fec.planning.fragment_size import TransmissionPlan
from fuota_fec.planning.losses import BetaLoss, GilbertElliott, Loss, LossMix
from fuota_fec.planning.redundancy import RedundancyPlan
from fuota_fec.planning.selection import select_rows
from fuota_fec.report.curves import CHOSEN, TODAY, completion_curves, curve_of, ideal_curve, rounds_curve, shares_of
from fuota_fec.report.formatting import count, duration, percent, size
from fuota_fec.report.page import Part, Plot, need_extra, render
from fuota_fec.report.plots import Bar, Curve, Mark, Shares, bar_plot, completion_plot, fleet_plot
from fuota_fec.wire.dialects import one_dialect
from fuota_fec.wire.limits import MAX_FRAG_NB

SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999, 1.0)
"""Shares of the devices in the table of coded fragments needed."""
MOST_LINES = 16
"""Largest number of lines of a table."""

_NINES_NOTE = "Logarithmic scale of the devices that fail: ten times fewer from one line to the next."


# ---- plans -----------------------------------------------------------------------------------------------


def plan_page(
    plan: RedundancyPlan,
    loss: Loss,
    *,
    transmission: TransmissionPlan | None = None,
    max_losses: int | npt.ArrayLike | None = None,
    name: str = "",
    made: float | None = None,
) -> str:
    """HTML page about a redundancy plan, with the curves of completion.

    `loss` and `max_losses`: arguments of the plan. `transmission`: the transmission plan that it is part of, if any.
    `name`: name of the image. The same plan gives the same page. MissingExtraError without the extra "report".
    """
    need_extra()
    fleet = make_fleet(loss, plan.n_devices, max_losses)
    frame_time = transmission.frame_time if transmission is not None else None
    most = min(2 * plan.n_coded + 12, MAX_FRAG_NB - plan.n_frags)
    curves = completion_curves(
        fleet, plan.n_frags, dialect=plan.dialect, chosen=_continued(plan, fleet, most), max_coded=most
    )
    goal = f"{plan.success_threshold:g} % of {count(plan.n_devices, 'device')}"
    if plan.meets:
        verdict = f"complete at least {goal}, with a probability of {percent(plan.probability)}."
    else:
        verdict = f"{goal}; with a probability of {100 * plan.confidence:g} % no more than {plan.n_sure} complete."
    size = f" of {transmission.frag_size} bytes" if transmission is not None else ""
    facts = [
        ("uncoded fragments", f"{plan.n_frags}{size}"),
        ("coded fragments", str(plan.n_coded)),
        ("a device completes", percent(plan.device_probability)),
        ("threshold met", percent(plan.probability)),
        ("required", f"{100 * plan.confidence:g} %"),
        ("loss", loss_text(loss)),
        ("TS004 dialect", plan.dialect),
    ]
    if transmission is not None:
        facts.insert(2, ("on the air", duration(transmission.air_time)))
    return render(
        "redundancy.html",
        {
            "heading": f"Redundancy plan{f' for {name}' if name else ''}",
            "badge": f"{plan.n_coded} coded fragments" if plan.meets else "cannot be met",
            "tone": "good" if plan.meets else "bad",
            "verdict": verdict,
            "span": f"From {plan.n_trials} trials with the exact matrix.",
            "facts": facts,
            "tables": [_ways(plan, frame_time), *([_sizes(transmission)] if transmission is not None else [])],
            "rows": rows_text(plan.rows),
        },
        plots=_plan_plots(plan, fleet, curves, frame_time),
        made=made,
    )


def _plan_plots(plan: RedundancyPlan, fleet: Fleet, curves: list[Curve], frame_time: float | None) -> list[Plot]:
    mark = Mark(label="plan", x=plan.n_coded, share=plan.device_probability)
    rates = [Mark(label=o.name, x=o.n_coded, share=o.device_probability) for o in plan.alternatives if o.n_coded]
    note = f"{_NINES_NOTE} Dots: fixed code rates, with rows 1, 2, 3 …" if rates else _NINES_NOTE
    plots = [
        Plot("Devices that complete, by coded fragments sent", completion_plot(curves, plan=mark, rates=rates), note)
    ]
    repeated = {other.device_probability for other in plan.alternatives if not other.n_coded}
    rounds = rounds_curve(fleet, plan.n_frags) if len(repeated) > 1 else None  # One value: devices drop late fragments.
    svg = fleet_plot(curves[:1], plan.n_frags, rounds=rounds, frame_time=frame_time)
    plots.append(Plot(f"Devices complete, by {'time on air' if frame_time else 'fragments sent'}", svg))
    if plan.alternatives:
        bars = [
            Bar(
                label=label,
                value=n_sent,
                note=_cost(n_sent, frame_time, device),
                good=None if label == "this plan" else ok,
            )
            for label, _, n_sent, device, _, ok in ways_of(plan)
        ]
        bar_note = "Green: the threshold is met with the required confidence. Red: it is not."
        plots.append(
            Plot("Cost and completion of other ways", bar_plot(bars, title="Ways to send it", name="ways"), bar_note)
        )
    return plots


def ways_of(plan: RedundancyPlan) -> list[tuple[str, int, int, float, float, bool]]:
    """Rows of the plan and its alternatives, the fewest fragments first.

    Each row: name, coded fragments, fragments sent, probability that a device completes, probability that the threshold
    is met, and whether that reaches the required confidence.
    """
    ways = [("this plan", plan.n_coded, plan.n_sent, plan.device_probability, plan.probability, plan.meets)]
    for other in plan.alternatives:
        label = f"code rate {other.name}" if other.n_coded else other.name
        ok = other.probability >= plan.confidence
        ways.append((label, other.n_coded, other.n_sent, other.device_probability, other.probability, ok))
    return sorted(ways, key=lambda way: way[2])


def _cost(n_sent: int, frame_time: float | None, device: float) -> str:
    return f"{duration(n_sent * frame_time) if frame_time else f'{n_sent} sent'}, {percent(device)}"


def _ways(plan: RedundancyPlan, frame_time: float | None) -> Part:
    columns = ["", "coded", "sent", *(["on the air"] if frame_time else []), "a device completes", "threshold met"]
    rows = [
        (
            label,
            str(n),
            str(sent),
            *([duration(sent * frame_time)] if frame_time else []),
            percent(device),
            percent(fleet),
        )
        for label, n, sent, device, fleet, _ in ways_of(plan)
    ]
    return Part("Ways to send it", tuple(columns), rows, tuple(range(1, len(columns))))


def _sizes(plan: TransmissionPlan) -> Part:
    rows = [
        (
            f"{option.frag_size} bytes",
            str(option.n_frags),
            f"{'' if option.planned else 'about '}{option.n_coded}",
            f"{option.frame_time * 1000:.1f} ms",
            duration(option.air_time),
        )
        for option in plan.options[:MOST_LINES]
    ]
    note = f"{size(plan.image_len)} at {plan.data_rate}; the best first."
    return Part("Fragment sizes", ("size", "uncoded", "coded", "a frame", "on the air"), rows, (1, 2, 3, 4), note)


def _continued(plan: RedundancyPlan, fleet: Fleet, most: int) -> Rows | None:
    """Rows of the plan, followed by further chosen rows, so that its curve can go on; None for rows 1, 2, 3 …"""
    if not rows_text(plan.rows):
        return None
    loss = fleet.hardest_loss(plan.n_needed / plan.n_devices)
    rest = select_rows(plan.n_frags, loss, most - plan.n_coded, dialect=plan.dialect, after=plan.rows)
    return np.concatenate([plan.rows, rest])


# ---- simulated fleets ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FleetStudy:
    """Result of a simulated fleet, with the curves to compare it with."""

    n_frags: int
    dialect: str
    loss: Loss
    seed: int
    trial: FleetTrial
    curve: Curve
    """Curve with the rows of the trial."""
    compared: Curve | None
    """Curve with the other choice of rows, if it was simulated too."""
    ideal: Curve
    """Curve of the ideal code."""
    frame_time: float | None
    """Time on air of a frame, s; None if the data rate is not known."""

    @property
    def curves(self) -> list[Curve]:
        """All curves, that of the trial first."""
        return [curve for curve in (self.curve, self.compared, self.ideal) if curve is not None]

    @property
    def version(self) -> str:
        """Another name for `dialect`."""
        return self.dialect


def study_fleet(
    n_frags: int,
    loss: Loss,
    trial: FleetTrial,
    *,
    dialect: str | None = None,
    version: str | None = None,
    other: FleetTrial | None = None,
    frame_time: float | None = None,
    seed: int = 0,
) -> FleetStudy:
    """Study of a trial by `simulate_fleet`, beside the ideal code. `other`: a trial with the other choice of rows.

    `dialect`: "1.0.0" if not given; `version` is another name for it.
    """
    max_coded = trial.rows.size
    fleet = make_fleet(loss, trial.coded_needed.size, None)

    def curve(of: FleetTrial) -> Curve:
        leading = np.array_equal(of.rows, np.arange(1, of.rows.size + 1))
        return curve_of(TODAY if leading else CHOSEN, shares_of(of.coded_needed, of.rows.size))

    return FleetStudy(
        n_frags=n_frags,
        dialect=one_dialect(dialect, version),
        loss=loss,
        seed=seed,
        trial=trial,
        curve=curve(trial),
        compared=curve(other) if other is not None and not np.array_equal(other.rows, trial.rows) else None,
        ideal=ideal_curve(fleet, n_frags, max_coded, seed=seed),
        frame_time=frame_time,
    )


def needed_for(shares: Shares, share: float) -> int | None:
    """Fewest coded fragments with which this share of the devices completes; None if the curve does not reach it."""
    found = np.flatnonzero(shares >= share - 1e-12)
    return int(found[0]) if found.size else None


def share_lines(study: FleetStudy) -> list[tuple[int, tuple[float, ...]]]:
    """Lines of a table: coded fragments, share of each curve; only where the curves rise, about MOST_LINES lines."""
    first = min(int(np.argmax(curve.shares >= 0.01)) for curve in study.curves)
    last = max(needed_for(curve.shares, 0.9999) or curve.shares.size - 1 for curve in study.curves)
    step = max(1, -(-(last - first) // (MOST_LINES - 1)))
    numbers = sorted({0, *range(first, last, step), last})
    return [(n, tuple(float(curve.shares[n]) for curve in study.curves)) for n in numbers]


def needed_lines(study: FleetStudy) -> list[tuple[float, tuple[int | None, ...]]]:
    """Lines of a table: share of the devices, coded fragments that it takes on each curve."""
    return [(share, tuple(needed_for(curve.shares, share) for curve in study.curves)) for share in SHARES]


def simulation_page(study: FleetStudy, *, made: float | None = None) -> str:
    """HTML page about a simulated fleet. The same study gives the same page.

    MissingExtraError without the extra "report".
    """
    need_extra()
    n_devices, n_coded = study.trial.coded_needed.size, study.trial.rows.size
    curve = study.curve
    within = [(share, needed_for(curve.shares, share)) for share in (0.99, 0.9, 0.999)]
    reached = [f"{100 * share:g} % with {n}" for share, n in within if n is not None]
    verdict = (
        f"coded fragments{''.join(f', {part}' for part in reached[1:])}."
        if reached
        else "coded fragments complete fewer than 90 %."
    )
    labels = tuple(c.label for c in study.curves)
    rounds = rounds_curve(make_fleet(study.loss, n_devices, None), study.n_frags)
    by = "time on air" if study.frame_time else "fragments sent"
    needed = [
        (f"{100 * share:g} %", *("not reached" if n is None else str(n) for n in numbers))
        for share, numbers in needed_lines(study)
    ]
    shares = [(str(n), *map(percent, values)) for n, values in share_lines(study)]
    number = tuple(range(len(labels) + 1))
    return render(
        "redundancy.html",
        {
            "heading": f"Simulated fleet of {count(n_devices, 'device')}",
            "badge": reached[0] if reached else f"all {n_coded}",
            "tone": "busy" if reached else "bad",
            "verdict": verdict,
            "span": f"{curve.label[0].upper()}{curve.label[1:]}; seed {study.seed}.",
            "facts": [
                ("uncoded fragments", str(study.n_frags)),
                ("coded fragments, at most", str(n_coded)),
                ("complete with these", percent(float(curve.shares[-1]))),
                ("loss", loss_text(study.loss)),
                ("TS004 dialect", study.dialect),
            ],
            "tables": [
                Part("Coded fragments that it takes", ("devices", *labels), needed, number),
                Part("Devices that complete", ("coded fragments", *labels), shares, number),
            ],
            "rows": "" if curve.label == TODAY else rows_text(study.trial.rows),
        },
        plots=[
            Plot("Devices that complete, by coded fragments sent", completion_plot(study.curves), _NINES_NOTE),
            Plot(
                f"Devices complete, by {by}",
                fleet_plot([curve], study.n_frags, rounds=rounds, frame_time=study.frame_time),
            ),
        ],
        made=made,
    )


# ---- text ------------------------------------------------------------------------------------------------


def loss_text(loss: Loss) -> str:
    """Short text of a loss: one percentage, a range, a distribution or bursts."""
    if isinstance(loss, BetaLoss):
        return f"{100 * loss.mean:.3g} % ± {100 * loss.spread:.3g} %"
    if isinstance(loss, GilbertElliott):
        return f"bursts, {100 * loss.mean:.3g} % in the mean"
    if isinstance(loss, LossMix):
        loss = [value for _, value in loss.shares]
    values = np.asarray(loss, dtype=np.float64)
    low, high = 100 * float(values.min()), 100 * float(values.max())
    return f"{low:.3g} %" if low == high else f"{low:.3g} % to {high:.3g} %"


def rows_text(rows: Rows) -> str:
    """Text of row numbers in their order; "" for rows 1, 2, 3 …"""
    return "" if np.array_equal(rows, np.arange(1, rows.size + 1)) else " ".join(map(str, rows.tolist()))
