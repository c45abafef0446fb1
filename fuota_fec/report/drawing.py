"""Figures as SVG text for a page: in the fonts and colours of the page, light and dark, with title and description."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, Any

from fuota_fec.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "ink": "#1c2530",
    "muted": "#5c6873",
    "grid": "#dbe1e6",
    "paper": "#fefefe",
    "a": "#1766b3",
    "b": "#c2570c",
    "c": "#7a8791",
    "good": "#1d8a5f",
    "bad": "#c0323c",
    "soft": "#c9dcef",
}
"""Colours by name. In the SVG each is a CSS variable of that name, with this value as its default."""

WIDTH = 5.2
"""Width of a figure in inches of 72 units: narrow enough for text to be readable on a phone."""

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "path.simplify": False,
    "text.parse_math": False,
}
_COLOUR = re.compile("|".join(COLOURS.values()))
_NAMES = {value: name for name, value in COLOURS.items()}


def svg(name: str, title: str, description: str, draw: Callable[[Axes], None], *, height: float = 3.7) -> str:
    """SVG element of the axes that `draw` fills. `name`: unique among the figures of a page; it makes the ids.

    The same figure gives the same text. MissingExtraError without matplotlib.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise MissingExtraError(
            'a figure needs the extra "report": pip install "fuota-fec[report]"', extra="report"
        ) from None
    out = StringIO()
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03))
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        figure.savefig(
            out, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    return _for_a_page(out.getvalue(), name, title, description)


def _for_a_page(text: str, name: str, title: str, description: str) -> str:
    """SVG text without what a page does not need: metadata, styles, unused ids, fonts; colours as variables."""
    view_box = re.search(r'viewBox="[^"]*"', text)
    assert view_box is not None
    body = text[text.index(">", view_box.end()) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"""(?:href="|url\()#([^")]+)""", body))
    body = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", body)
    # Some versions of matplotlib write a font in one property, some in several.
    body = re.sub(r"font: ((?:[a-z]+ |\d+ )*)([\d.]+px) [^;\"]*", r"font-size: \2", body)
    body = re.sub(r" font-family: [^;\"]*;", "", body)
    body = _COLOUR.sub(lambda m: f"var(--{_NAMES[m[0]]}, {m[0]})", body)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {view_box[0]} role="img" aria-labelledby="{name}-t {name}-d" '
        f'font-family="system-ui, sans-serif" stroke-linejoin="round">\n'
        f'<title id="{name}-t">{_escaped(title)}</title>\n'
        f'<desc id="{name}-d">{_escaped(description)}</desc>{body}</svg>'
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
