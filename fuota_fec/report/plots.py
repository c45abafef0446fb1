"""Figures of a report: functions from plain data to SVG text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fuota_fec.report.clock_axis import clock_ticks
from fuota_fec.report.drawing import COLOURS, svg
from fuota_fec.report.formatting import count, duration, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shares = npt.NDArray[np.float64]

MOST_BARS = 12
"""Number of reasons that have a bar of their own."""
_NINES = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)
_ROOM = 24
"""Height of a bar with the line of text above it, in points."""
_LINE = 0.42
"""Height of a further line of text above a bar, in rows."""
_LABEL_WIDTH = 48
"""Characters of a line above a bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Share of the devices that complete with 0, 1, 2 … coded fragments sent."""

    label: str
    shares: Shares
    colour: str = "a"
    """Key of drawing.COLOURS."""
    ideal: bool = False
    """True for the ideal code, which cannot be sent; its curve is dashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Named point of a figure: x is the number of coded fragments, `share` the share of devices that complete."""

    label: str
    x: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Row of a bar chart. `good`: true for a good value, false for a bad one, None for neither."""

    label: str
    value: float
    note: str = ""
    good: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Span of a timeline, in seconds since its start. `progress`: pairs of a second and the share done, 0 … 1."""

    begin: float
    end: float
    progress: tuple[tuple[float, float], ...] = ()
    good: bool | None = None
    waits: bool = False
    """Whether nothing is done in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Row of a timeline."""

    label: str
    note: str
    spans: tuple[Span, ...]


# ---- completion ------------------------------------------------------------------------------------------


def completion_plot(
    curves: Sequence[Curve], *, plan: Mark | None = None, rates: Sequence[Mark] = (), name: str = "completion"
) -> str:
    """Figure of the share of devices that complete, by coded fragments sent.

    `plan`: the highlighted point. `rates`: points to compare it with, on the curve of rows 1, 2, 3 …
    """

    def draw(axes: Axes) -> None:
        left, right = _ends(curves, plan, rates)
        for curve in curves:
            n = min(_enough(curve.shares), right) + 1
            _line(axes, np.arange(n), _nines(curve.shares[:n]), curve)
        for rate in rates:
            if left <= rate.x <= right:
                _dot(axes, rate)
        outside = [f"{rate.label} = {rate.x:.0f}" for rate in rates if rate.x > right]
        if outside:
            note = f"further right: {', '.join(outside)}"
            axes.text(1, 0.01, note, color=COLOURS["muted"], size=10, ha="right", va="bottom", transform=axes.transAxes)
        if plan is not None:
            _highlight(axes, plan)
        axes.set_xlim(left, right)
        _nines_axis(axes, max(float(curve.shares[-1]) for curve in curves))
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("coded fragments sent")
        _legend(axes)

    words = "; ".join(_reaches(curve) for curve in curves)
    marked = f" {plan.label}: {plan.x:.0f} coded fragments, {percent(plan.share)} of the devices." if plan else ""
    return svg(name, "Devices that complete, by coded fragments sent", f"{words}.{marked}", draw)


def fleet_plot(
    curves: Sequence[Curve],
    n_frags: int,
    *,
    rounds: Shares | None = None,
    frame_time: float | None = None,
    name: str = "fleet",
) -> str:
    """Figure of the share of complete devices during a transmission.

    The x axis is the time on air if `frame_time` (s of one frame) is given, and the number of fragments sent if not.
    `rounds`: shares after 0, 1, 2 … fragments if uncoded fragments are repeated instead of coded ones sent.
    """
    sent = [n_frags + _enough(curve.shares) for curve in curves]
    end = max(sent) if rounds is None else min(rounds.size - 1, max(4 * n_frags, *sent))
    unit, scale = ("", 1.0) if frame_time is None else _unit(end * frame_time)
    per_frame = scale if frame_time is None else frame_time * scale

    def draw(axes: Axes) -> None:
        for curve in curves:
            n = _enough(curve.shares) + 1
            x = np.concatenate([[0, n_frags - 1], n_frags + np.arange(n), [end]])
            _line(axes, x * per_frame, 100 * np.concatenate([[0, 0], curve.shares[:n], curve.shares[n - 1 : n]]), curve)
        if rounds is not None:
            x = np.unique(np.linspace(0, end, 200).astype(int))
            again = Curve(label="uncoded fragments in rounds", shares=rounds[x], colour="c")
            _line(axes, x * per_frame, 100 * again.shares, again)
        axes.set_xlim(0, end * per_frame)
        axes.set_ylim(0, 104)
        axes.set_ylabel("devices complete")
        axes.set_yticks([0, 25, 50, 75, 100], [f"{share} %" for share in (0, 25, 50, 75, 100)])
        axes.grid(axis="y")
        axes.set_xlabel(f"time on air ({unit})" if frame_time else "fragments sent")
        _legend(axes)

    words = "; ".join(_reaches(curve) for curve in curves)
    by = "time on air" if frame_time else "fragments sent"
    return svg(name, f"Devices complete, by {by}", f"{n_frags} uncoded fragments, then coded ones. {words}.", draw)


def rounds_plot(points: Sequence[tuple[float, int]], n_devices: int, *, name: str = "rounds") -> str:
    """Figure of the devices known or assumed complete after each status request, by multicast time on air, s."""
    unit, scale = _unit(max(x for x, _ in points))

    def draw(axes: Axes) -> None:
        x, y = [x * scale for x, _ in points], [n for _, n in points]
        axes.axhline(n_devices, lw=0.8, color=COLOURS["muted"], ls=(0, (2, 2)))
        axes.plot(x, y, "o-", lw=1.4, ms=6, color=COLOURS["a"], mec=COLOURS["paper"], clip_on=False)
        for i, (on_air, n) in enumerate(zip(x, y, strict=True)):
            if i == 0 or n != y[i - 1]:
                axes.annotate(str(n), (on_air, n), xytext=(5, -3), textcoords="offset points", va="top")
        reach = max(x) - min(x) or max(x) or 1.0
        axes.set_xlim(min(x) - 0.05 * reach, max(x) + 0.15 * reach)
        axes.set_ylim(0, n_devices * 1.08)
        axes.grid(axis="y")
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(f"multicast time on air ({unit})")
        axes.set_ylabel("devices complete")

    words = "; ".join(f"{n} of {n_devices} devices after {duration(on_air)}" for on_air, n in points)
    return svg(name, "Devices complete, by multicast time on air", f"{words}.", draw, height=3.0)


# ---- campaigns -------------------------------------------------------------------------------------------


def bar_plot(bars: Sequence[Bar], *, title: str, name: str, most: float | None = None) -> str:
    """Figure of horizontal bars with their text above them. `most`: value of a full bar; the largest if not given."""
    full = most if most is not None else max((bar.value for bar in bars), default=1)
    full = full or 1
    labels = [textwrap.wrap(bar.label, _LABEL_WIDTH, max_lines=3, placeholder=" …") or [""] for bar in bars]
    more_lines = np.cumsum([len(lines) - 1 for lines in labels]) * _LINE
    n_rows = len(bars) + (more_lines[-1] if bars else 0)

    def draw(axes: Axes) -> None:
        for bar, lines, at in zip(bars, labels, np.arange(len(bars)) + more_lines, strict=True):
            colour = COLOURS["a"] if bar.good is None else COLOURS["good" if bar.good else "bad"]
            axes.barh(at, full, height=0.36, color=COLOURS["grid"], lw=0)
            axes.barh(at, bar.value, height=0.36, color=colour, lw=0)
            _above(axes, at, "\n".join(lines), bar.note or f"{bar.value:g}")
        _rows(axes, n_rows, full)

    words = "; ".join(f"{bar.label}: {bar.note or f'{bar.value:g}'}" for bar in bars)
    return svg(name, title, f"{words or 'None'}.", draw, height=_rows_height(n_rows))


def reasons_plot(reasons: Sequence[tuple[str, int]], *, name: str = "reasons") -> str:
    """Figure of the devices that did not pass, by reason, the most frequent reason first."""
    shown = list(reasons[:MOST_BARS])
    bars = [Bar(label=reason, value=n, note=str(n), good=False) for reason, n in shown]
    if len(reasons) > MOST_BARS:
        rest = reasons[MOST_BARS:]
        n = sum(n for _, n in rest)
        bars.append(Bar(label=count(len(rest), "other reason"), value=n, note=str(n), good=False))
    return bar_plot(bars, title="Why devices did not pass", name=name)


def timeline_plot(rows: Sequence[Row], length: float, start: float, *, name: str = "timeline") -> str:
    """Figure of the stages over time, each with its progress. `length`: s of the whole campaign, from the Unix time
    `start`."""
    full = max(length, 1.0)

    def draw(axes: Axes) -> None:
        for i, row in enumerate(rows):
            _above(axes, i, row.label, row.note)
            axes.barh(i, full, height=0.44, color=COLOURS["grid"], alpha=0.45, lw=0)
            for span in row.spans:
                colour = COLOURS["c" if span.waits else "bad" if span.good is False else "a"]
                width = max(span.end - span.begin, full / 250)
                axes.barh(i, width, left=span.begin, height=0.44, color=COLOURS["soft"], lw=0)
                steps = [(span.begin, 0.0), *span.progress, (span.end, span.progress[-1][1])] if span.progress else []
                if steps:
                    x = [elapsed for elapsed, _ in steps]
                    x[-1] = max(x[-1], span.begin + width)
                    axes.fill_between(
                        x, i + 0.22, [i + 0.22 - 0.44 * done for _, done in steps], step="post", color=colour, lw=0
                    )
                else:
                    axes.barh(i, width, left=span.begin, height=0.44, color=colour, lw=0)
        _rows(axes, len(rows), full)
        axes.tick_params(axis="x", bottom=True, labelbottom=True)
        axes.spines["bottom"].set_visible(True)
        ticks = clock_ticks(start, start + full)
        axes.set_xticks([at - start for at, _ in ticks], [text for _, text in ticks])
        for label, (at, _) in zip(axes.get_xticklabels(), ticks, strict=True):
            label.set_horizontalalignment("left" if at - start < 0.1 * full else "center")
        axes.set_xlabel("UTC")

    words = "; ".join(f"{row.label}: {row.note}" for row in rows)
    return svg(name, "Stages over time", f"{words}.", draw, height=_rows_height(len(rows)) + 0.7)


# ---- parts -----------------------------------------------------------------------------------------------


def _rows_height(n_rows: float) -> float:
    return (max(1, n_rows) * (_ROOM + 9) + 10) / 72


def _rows(axes: Axes, n_rows: float, full: float) -> None:
    axes.set_xlim(0, full)
    axes.set_ylim(max(1, n_rows) - 0.7, -0.72)
    axes.set_yticks([])
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _above(axes: Axes, at: float, left: str, right: str) -> None:
    """Draws the text above a bar."""
    axes.annotate(left, (0, at - 0.3), xycoords=("axes fraction", "data"), va="bottom", size=10.5)
    axes.annotate(
        right,
        (1, at - 0.3),
        xycoords=("axes fraction", "data"),
        va="bottom",
        ha="right",
        size=10.5,
        color=COLOURS["muted"],
    )


def _nines(shares: npt.ArrayLike) -> Shares:
    """Logarithmic scale of the devices that fail: 0.9, 0.99, 0.999 at 1, 2, 3; larger shares count as 0.9999."""
    return np.asarray(-np.log10(np.maximum(1 - np.asarray(shares, np.float64), 1 - _NINES[-1])) + 0.0)


def _nines_axis(axes: Axes, highest: float) -> None:
    axes.set_ylim(0, min(4.0, max(1.0, float(np.ceil(_nines(highest))))) + 0.15)
    shown = [share for share in _NINES if _nines(share) <= axes.get_ylim()[1]]
    axes.set_yticks(_nines(shown), [f"{100 * share:g} %" for share in shown])
    axes.grid(axis="y")
    axes.set_ylabel("devices complete")


def _enough(shares: Shares) -> int:
    """Fewest coded fragments with which 99.99 % complete, or the last number of the curve."""
    done = np.flatnonzero(shares >= _NINES[-1])
    return int(done[0]) if done.size else shares.size - 1


def _ends(curves: Sequence[Curve], plan: Mark | None, rates: Sequence[Mark]) -> tuple[int, int]:
    """Range of coded fragments in which the curves rise, and the code rates that are not much further."""
    need = max([_enough(curve.shares) for curve in curves] + ([int(plan.x)] if plan else []))
    near = [int(rate.x) for rate in rates if rate.x <= 1.6 * need]
    right = max([need, *near])
    left = min(int(np.argmax(curve.shares >= 0.02)) for curve in curves)
    return (left if left > right / 4 else 0), int(right + max(1, right // 12))


def _unit(seconds: float) -> tuple[str, float]:
    """Unit for a duration of so many seconds, and the length of a second in it."""
    return ("h", 1 / 3600) if seconds >= 7200 else ("min", 1 / 60) if seconds >= 120 else ("s", 1.0)


def _line(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, curve: Curve) -> None:
    axes.plot(
        x,
        y,
        linestyle=(0, (4, 2)) if curve.ideal else "-",
        lw=1.3 if curve.ideal else 2.2,
        color=COLOURS[curve.colour],
        label=curve.label,
    )


def _legend(axes: Axes) -> None:
    """Draws the legend above the axes, where no curve is."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        fontsize=10,
        borderaxespad=0.2,
        borderpad=0,
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=1.2,
    )


def _dot(axes: Axes, mark: Mark) -> None:
    y = float(_nines(mark.share))
    axes.plot([mark.x], [y], "o", ms=5, color=COLOURS["b"], mec=COLOURS["paper"], mew=0.8, zorder=4, clip_on=False)
    low = y < 0.5  # The axis would cross text below such a point.
    offset, side = ((0, 6), "center") if low else ((5, -10), "left")
    axes.annotate(mark.label, (mark.x, y), xytext=offset, textcoords="offset points", ha=side, size=10, zorder=4)


def _highlight(axes: Axes, mark: Mark) -> None:
    """Draws the highlighted point, with its numbers in the corner, where no curve is."""
    y = float(_nines(mark.share))
    axes.plot([mark.x, mark.x], [0, y], lw=1, ls=(0, (2, 2)), color=COLOURS["a"], zorder=1)
    axes.plot([mark.x], [y], "o", ms=8, color=COLOURS["a"], mec=COLOURS["paper"], mew=1.2, zorder=5, clip_on=False)
    axes.annotate(
        f"{mark.label}: {mark.x:.0f} coded,\n{percent(mark.share)}",
        (mark.x, y),
        xytext=(0.03, 0.97),
        textcoords="axes fraction",
        va="top",
        weight="bold",
        size=11,
        zorder=5,
        arrowprops={"arrowstyle": "-", "color": COLOURS["a"], "lw": 0.8, "shrinkB": 5},
    )


def _reaches(curve: Curve) -> str:
    """Text of the coded fragments with which a curve reaches 90, 99 and 99.9 %."""
    parts = []
    for share in (0.9, 0.99, 0.999):
        found = np.flatnonzero(curve.shares >= share)
        parts.append(f"{100 * share:g} % with {found[0]}" if found.size else f"{100 * share:g} % not reached")
        if not found.size:
            break
    return f"{curve.label}: {', '.join(parts)}"
