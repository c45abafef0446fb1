"""One HTML file that needs nothing else: the frame of every report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from fuota_fec.errors import MissingExtraError
from fuota_fec.report.formatting import when

if TYPE_CHECKING:
    from jinja2 import Environment


class Plot(NamedTuple):
    """A figure on a page."""

    caption: str
    svg: str
    """An SVG element, as the functions of report.plots make it: it is not escaped."""
    note: str = ""


class Part(NamedTuple):
    """A table on a page. `numbers`: columns that are aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: tuple[int, ...] = ()
    note: str = ""


def render(template: str, values: Mapping[str, Any], *, plots: list[Plot], made: float | None) -> str:
    """The page, from a template of fuota_fec/report/templates. The same values are the same text.

    `made` is the Unix time that it says it was made at. MissingExtraError without Jinja2.
    """
    from markupsafe import Markup

    figures = [{"caption": plot.caption, "svg": Markup(plot.svg), "note": plot.note} for plot in plots]
    told = {"version": version("fuota-fec"), "made": when(made) if made is not None else "", "plots": figures}
    return _environment().get_template(template).render({**told, **values})


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
    """MissingExtraError unless what a page is made with is installed: before what takes long."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            'a report as a page needs the extra "report": pip install "fuota-fec[report]"', extra="report"
        ) from None
