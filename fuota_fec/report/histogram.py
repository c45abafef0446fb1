"""Histogram of devices by a value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fuota_fec.report.drawing import COLOURS, svg
from fuota_fec.report.formatting import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BINS = 24
"""Bars of a histogram, at most one more."""
_BESIDE: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "top", "size": 10, "rotation": 90}


def histogram_plot(
    values: Sequence[float],
    *,
    title: str,
    label: str,
    name: str,
    least: float = 1.0,
    marks: Sequence[tuple[str, float]] = (),
) -> str:
    """Figure of the number of devices by value. `least`: width of a bar, or a multiple of it. `marks`: named values."""
    numbers = np.asarray(values, np.float64)
    reach = max([float(numbers.max()), *(value for _, value in marks)]) - float(numbers.min())
    width = least * max(1, math.ceil(reach / least / MOST_BINS))
    edges = width * np.arange(math.floor(numbers.min() / width), math.floor(numbers.max() / width) + 2)
    counts, _ = np.histogram(numbers, edges)

    def draw(axes: Axes) -> None:
        axes.bar(edges[:-1], counts, width=0.9 * width, align="edge", color=COLOURS["a"], lw=0)
        for text, value in marks:
            axes.axvline(value, lw=1, ls=(0, (2, 2)), color=COLOURS["muted"])
            axes.annotate(text, (value, 1), xycoords=("data", "axes fraction"), xytext=(-3, -2), **_BESIDE)
        axes.set_ylim(0, max(1, counts.max()) * 1.15)
        axes.locator_params(axis="y", integer=True)
        axes.locator_params(axis="x", integer=least == 1.0)
        axes.grid(axis="y")
        axes.set_xlabel(label)
        axes.set_ylabel("devices")

    middle = f"median {np.median(numbers):.3g}, 95 % up to {np.quantile(numbers, 0.95):.3g}, most {numbers.max():.3g}"
    words = f"{count(numbers.size, 'device')}, {label}: {middle}."
    return svg(name, title, words, draw, height=3.0)
