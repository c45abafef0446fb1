"""SVG text of a figure: the same every time, escaped, in the colours of the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from fuota_fec.report.drawing import COLOURS, svg


def figure(name: str = "x", title: str = "title", description: str = "description", **more: float) -> str:
    return svg(name, title, description, lambda axes: axes.plot([0, 1], color=COLOURS["a"]), **more)


def test_the_same_figure_gives_the_same_text():
    assert figure() == figure()


def test_title_and_description_are_escaped_text():
    root = ET.fromstring(figure(title="a < b", description="R & D"))
    assert [root[0].text, root[1].text] == ["a < b", "R & D"]


def test_ids_begin_with_the_name_of_the_figure():
    first, second = (set(re.findall(r' id="([^"]+)"', figure(name))) for name in ("first", "second"))
    assert {"first-t", "first-d"} <= first
    assert not first & second


def test_colours_are_variables_of_the_page():
    assert f"var(--a, {COLOURS['a']})" in figure()


def test_a_figure_has_the_height_that_was_given():
    low, high = (float(ET.fromstring(figure(height=h)).attrib["viewBox"].split()[3]) for h in (1.0, 3.0))
    assert high - low == 144


def test_a_figure_leaves_the_settings_of_matplotlib_as_they_were():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    svg("x", "title", "description", lambda axes: axes.plot([0, 1]))
    assert dict(mpl.rcParams) == before
