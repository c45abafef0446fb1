"""Frame of every report: one self-contained HTML file, rendered from a template."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from fuota_fec._version import __version__
from fuota_fec.errors import MissingExtraError
from fuota_fec.report.formatting import when

if TYPE_CHECKING:
    from jinja2 import Environment


class Plot(NamedTuple):
    """Figure on a page."""

    caption: str
    svg: str
    """SVG element as made by the functions of report.plots; it is not escaped."""
    note: str = ""


class Part(NamedTuple):
    """Table on a page. `numbers`: indexes of the columns that are aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[int, ...] = ()
    note: str = ""


def render(template: str, values: Mapping[str, Any], *, plots: list[Plot], made: float | None) -> str:
    """Page from a template of fuota_fec/report/templates. The same values give the same text.

    `made`: Unix time to show as the time of creation; none is shown if None. Needs Jinja2: see `need_extra`.
    """
    from markupsafe import Markup

    script = _environment().get_template("search.js").render()
    figures = [{"caption": plot.caption, "svg": Markup(plot.svg), "note": plot.note} for plot in plots]
    frame: dict[str, Any] = {
        "version": __version__,
        "made": when(made) if made is not None else "",
        "plots": figures,
    }
    frame |= {"script": Markup(script), "script_hash": f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"}
    return _environment().get_template(template).render({**frame, **values})


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("fuota_fec.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def need_extra() -> None:
    """Raises MissingExtraError unless the packages for pages are installed; for use before a long computation."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            'an HTML page needs the extra "report": pip install "fuota-fec[report]"', extra="report"
        ) from None
