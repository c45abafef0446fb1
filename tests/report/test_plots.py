"""Figures: SVG for a page, the same every time, with title and description."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from fuota_fec.report.drawing import COLOURS
from fuota_fec.report.plots import (
    MOST_BARS,
    Bar,
    Curve,
    Mark,
    Row,
    Span,
    bar_plot,
    completion_plot,
    fleet_plot,
    reasons_plot,
    rounds_plot,
    timeline_plot,
)

SVG = "{http://www.w3.org/2000/svg}"
CHOSEN = Curve(label="chosen", shares=1 - 0.5 ** np.arange(30))
TODAY = Curve(label="today", shares=1 - 0.7 ** np.arange(30), colour="b")
IDEAL = Curve(label="ideal", shares=1 - 0.3 ** np.arange(30), colour="ink", ideal=True)
PLAN = Mark(label="plan", x=7, share=0.992)
RATES = [Mark(label="7/8", x=5, share=0.83), Mark(label="1/2", x=300, share=1.0)]

FIGURES: dict[str, Callable[[], str]] = {
    "completion": lambda: completion_plot([CHOSEN, TODAY, IDEAL], plan=PLAN, rates=RATES),
    "one curve": lambda: completion_plot([TODAY]),
    "nothing completes": lambda: completion_plot([Curve(label="none", shares=np.zeros(4))]),
    "all complete": lambda: completion_plot(
        [Curve(label="all", shares=np.ones(1))], plan=Mark(label="plan", x=0, share=1.0)
    ),
    "fleet": lambda: fleet_plot([CHOSEN], 50, rounds=np.linspace(0, 1, 201), frame_time=0.4),
    "fleet without times": lambda: fleet_plot([CHOSEN, TODAY], 50),
    "rounds": lambda: rounds_plot([(100.0, 20), (120.0, 94), (130.0, 100)], 100),
    "rounds at once": lambda: rounds_plot([(100.0, 20), (100.0, 20)], 100),
    "bars": lambda: bar_plot(
        [Bar(label="all", value=100), Bar(label="left", value=40.5, good=False)], title="Left", name="b"
    ),
    "no bars": lambda: bar_plot([], title="None", name="n"),
    "reasons": lambda: reasons_plot([("failed: never heard", 3), ("failed: <no answer> & more", 1)]),
    "timeline": lambda: timeline_plot(
        [
            Row(label="first", note="20 min", spans=(Span(begin=0, end=1200, progress=((60.0, 0.5), (900.0, 1.0))),)),
            Row(label="last", note="0 s", spans=(Span(begin=1200, end=1200, good=False), Span(begin=1201, end=9000))),
        ],
        9000,
        1.8e9,
    ),
    "timeline of nothing": lambda: timeline_plot(
        [Row(label="first", note="0 s", spans=(Span(begin=0, end=0, waits=True),))], 0, 1.8e9
    ),
}


@cache
def drawn(name: str) -> str:
    return FIGURES[name]()


@pytest.fixture(params=FIGURES, scope="module")
def figure(request: pytest.FixtureRequest) -> str:
    return drawn(request.param)


def texts(figure: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(figure).iter(f"{SVG}text")]


def test_a_figure_is_one_svg_element_that_scales(figure: str):
    root = ET.fromstring(figure)
    assert root.tag == f"{SVG}svg"
    assert "width" not in root.attrib
    assert all(float(size) > 20 for size in root.attrib["viewBox"].split()[2:])


def test_a_figure_has_a_title_and_a_description(figure: str):
    root = ET.fromstring(figure)
    told = {element.attrib["id"]: element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"].split() == list(told)
    assert all(text and len(text) > 3 for text in told.values())


def test_a_figure_is_self_contained_and_has_no_page_wide_styles(figure: str):
    assert set(re.findall(r"https?://[^\"' ]+", figure)) == {"http://www.w3.org/2000/svg"}
    assert "<style" not in figure
    assert "font-family:" not in figure
    ids = re.findall(r' id="([^"]+)"', figure)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', figure)) <= set(ids)


def test_colours_of_a_figure_are_those_of_the_page(figure: str):
    used = set(re.findall(r"#[0-9a-f]{6}\b", figure))
    assert used <= set(COLOURS.values())
    for name, value in COLOURS.items():
        assert figure.count(value) == figure.count(f"var(--{name}, {value})")


def test_figures_of_a_page_do_not_share_names():
    made = [completion_plot([CHOSEN], plan=PLAN), fleet_plot([CHOSEN], 50), reasons_plot([("a", 1)])]
    ids = [name for figure in made for name in re.findall(r' id="([^"]+)"', figure)]
    assert len(ids) == len(set(ids))


def test_the_same_data_give_the_same_figure():
    again = completion_plot([CHOSEN, TODAY, IDEAL], plan=PLAN, rates=RATES)
    assert again == drawn("completion")


def test_the_plan_and_the_code_rates_are_named():
    shown = texts(drawn("completion"))
    assert any("plan: 7 coded" in text for text in shown)
    assert "7/8" in shown
    assert "further right: 1/2 = 300" in shown
    assert {"chosen", "today", "ideal"} <= set(shown)


def test_the_scale_shows_the_last_devices():
    assert {"90 %", "99 %", "99.9 %", "99.99 %"} <= set(texts(drawn("completion")))
    assert "99 %" not in texts(drawn("nothing completes"))


def test_reasons_in_a_figure_are_escaped():
    assert any("<no answer> & more" in text for text in texts(drawn("reasons")))


def test_only_the_most_frequent_reasons_have_a_bar():
    shown = texts(reasons_plot([(f"failed: reason {i}", 100 - i) for i in range(40)]))
    assert f"failed: reason {MOST_BARS - 1}" in shown
    assert f"failed: reason {MOST_BARS}" not in shown
    assert f"{40 - MOST_BARS} other reasons" in shown
    assert str(sum(100 - i for i in range(MOST_BARS, 40))) in shown


def test_a_long_reason_is_whole_above_its_bar():
    reason = "failed: rejected McGroupSetupReq, as the group of this identifier is not there and cannot be made"
    shown = texts(reasons_plot([(reason, 3), ("failed: never heard", 1)]))
    lines = [text for text in shown if text in reason]
    assert " ".join(lines) == reason
    assert "failed: never heard" in shown
