"""Pages in a real browser: no errors, no network, everything visible, on a phone too."""

from __future__ import annotations

import base64
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from batches import TARGETS, small_batch

import fuota_fec as ff
from fuota_fec.batch import Target, prepare_batch
from fuota_fec.report.batch import batch_page
from fuota_fec.report.campaign import campaign_page
from fuota_fec.report.redundancy import plan_page, simulation_page, study_fleet

SIZES = """[...document.querySelectorAll("svg")].map(s => s.getBoundingClientRect()).map(r => [r.width, r.height])"""
CUT = """[...document.querySelectorAll("svg")].flatMap(s => {
    const box = s.getBoundingClientRect();
    return [...s.querySelectorAll("text")].filter(t => {
        const r = t.getBoundingClientRect();
        return r.left < box.left - 1 || r.right > box.right + 1 || r.top < box.top - 1 || r.bottom > box.bottom + 1;
    }).map(t => t.textContent);
})"""
SMALLEST = """Math.min(...[...document.querySelectorAll("svg text")].map(t => t.getBoundingClientRect().height))"""
PAPER = """getComputedStyle(document.body).backgroundColor"""
INK = """getComputedStyle(document.querySelector("svg text")).fill"""


@pytest.fixture(scope="module")
def browser(browser_module: Any) -> Iterator[Any]:
    program = browser_module.find_chromium()
    if program is None:
        if os.environ.get("FUOTA_FEC_TEST_CHROMIUM"):
            pytest.fail("FUOTA_FEC_TEST_CHROMIUM is set, but there is no Chromium")
        pytest.skip("there is no Chromium")
    with browser_module.Browser(program) as opened:
        yield opened


def batch_items(folder: Path) -> Any:
    sizes = {"app.bin": 9000, "an-image-whose-name-is-longer-than-a-phone-is-wide-without-end.bin": 700}
    config = small_batch(folder, sizes, [*TARGETS, Target(name="refused", dr=14)])
    return prepare_batch(config, folder / "out").items


@pytest.fixture(scope="module")
def made(tmp_path_factory, failed_events, adaptive_events, events_of) -> dict[str, Path]:
    rows = ff.select_rows(50, 0.05, 30, version="1.0.0")
    trial = ff.simulate_fleet(50, 0.05, 5000, max_coded=30, rows=rows)
    long = [{"name": "a group whose name is longer than a phone is wide, without end", "mc_addr": "01f3a4b5", "dr": 5}]
    pages = {
        "failed": campaign_page(failed_events),
        "adaptive": campaign_page(adaptive_events),
        "running": campaign_page(adaptive_events[: len(adaptive_events) // 2]),
        "long names": campaign_page(events_of(groups=long, id="x" * 120)),
        "plan": plan_page(ff.plan_redundancy(50, 0.05, 98, n_devices=100), 0.05, name="delta.bin"),
        "simulation": simulation_page(study_fleet(50, 0.05, trial)),
        "batch": batch_page(batch_items(tmp_path_factory.mktemp("batch"))),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture(scope="module", params=["failed", "adaptive", "running", "long names", "plan", "simulation", "batch"])
def path(request: pytest.FixtureRequest, made: dict[str, Path]) -> Path:
    return made[request.param]


def test_the_checks_of_this_file_find_every_fault(browser, tmp_path):
    """The checks run on a page that has every fault."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<meta name=viewport content='width=device-width'><img src='http://127.0.0.1:9/x.png'>"
        "<svg width=0 height=0></svg>"
        "<svg viewBox='0 0 9 9' width=50><text x=8 y=8>cut off</text></svg>"
        "<p style='width:900px'>wide</p><script>console.error('wrong'); nothing()</script>"
    )
    browser.show(bad, width=390)
    assert len(complaints(browser)) >= 2
    assert len(requests(browser)) == 2
    assert browser.ask("document.documentElement.scrollWidth") > 390
    assert [0, 0] in browser.ask(SIZES)
    assert browser.ask(CUT) == ["cut off"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_a_page_shows_without_faults_on_phones_and_desktops(browser, path, width, dark):
    browser.show(path, width=width, dark=dark)
    assert complaints(browser) == []
    assert requests(browser) == [path.resolve().as_uri()]
    assert browser.ask("document.documentElement.scrollWidth") == width
    sizes = browser.ask(SIZES)
    assert sizes
    assert all(w > 0.8 * min(width, 500) and h > 30 for w, h in sizes)
    assert browser.ask(CUT) == []
    assert browser.ask(SMALLEST) >= 10
    paper, ink = (sum(map(int, browser.ask(x)[4:-1].split(","))) for x in (PAPER, INK))
    assert (paper < 200 and ink > 400) if dark else (paper > 600 and ink < 400)


def test_the_page_can_be_read_without_colours_and_pictures(browser, path):
    """Screen readers get a name for every picture, and one main heading."""
    browser.show(path, width=390)
    assert browser.ask("document.querySelectorAll('h1').length") == 1
    named = browser.ask(
        "[...document.querySelectorAll('svg')].every(s => s.getAttribute('aria-labelledby').split(' ')"
        ".every(id => document.getElementById(id).textContent.length > 5))"
    )
    assert named is True


# ---- searched and printed --------------------------------------------------------------------------------

FIND = """(text => {
    const input = document.querySelector("#search input");
    input.value = text;
    input.dispatchEvent(new Event("input"));
    const rows = [...document.querySelectorAll("#found tbody tr")].map(r => [...r.cells].map(c => c.textContent));
    return [document.querySelector("#search output").value, rows];
})"""
HIDDEN = """[...document.querySelectorAll("details *")].filter(e => !e.checkVisibility()).length"""
CLIPPED = """[...document.querySelectorAll(".scroll")].filter(s => s.scrollWidth > s.clientWidth + 1).length"""
PAPER_WIDTH = 688
"""Pixels between the margins of A4."""


def test_devices_are_found_by_any_part_of_what_is_known_of_them(browser, made):
    browser.show(made["adaptive"], width=390)
    told, rows = browser.ask(f"{FIND}('FE-5E:ed00000000 03')")
    assert (told, [row[0] for row in rows]) == ("1 of 12", ["fe5eed0000000003"])
    told, rows = browser.ask(f"{FIND}('passed')")
    assert 0 < len(rows) <= 12
    assert all(row[1] == "passed" and row[2].startswith("group meters, firmware 2.0.0.0") for row in rows)
    assert browser.ask(f"{FIND}('METERS')")[0] == "12 of 12"
    assert browser.ask(f"{FIND}('nobody')") == ["0 of 12", []]
    assert browser.ask(f"{FIND}('')") == ["", []]


def test_only_the_script_of_the_page_runs(browser, made, tmp_path):
    text = made["failed"].read_text(encoding="utf-8")
    changed = tmp_path / "changed.html"
    changed.write_text(text.replace("</main>", "<script>document.title = 'hacked'</script></main>"), encoding="utf-8")
    browser.show(changed, width=390)
    assert browser.ask("document.title") == "small: FAILED"
    assert len(complaints(browser)) == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_printed_page_shows_everything(browser, path, dark):
    """Folded parts are open, no table is cut, dark is light, and the last sheet is not empty."""
    browser.show(path, width=PAPER_WIDTH, dark=dark)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.send("Emulation.setEmulatedMedia", media="print", features=[scheme])
    try:
        assert browser.ask(HIDDEN) == 0
        assert browser.ask(CLIPPED) == 0
        assert browser.ask("document.documentElement.scrollWidth") == PAPER_WIDTH
        assert sum(map(int, browser.ask(INK)[4:-1].split(","))) < 400
        printed = base64.b64decode(browser.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])
    finally:
        browser.send("Emulation.setEmulatedMedia", media="", features=[])
    texts = [page.count(b"Tj") for page in sheets(printed)]
    assert len(texts) == len(re.findall(rb"/Type /Page\b", printed))
    assert texts[-1] > 3


def sheets(printed: bytes) -> list[bytes]:
    """Contents of the sheets of a PDF."""
    parts = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", printed, re.DOTALL)
    plain = []
    for part in parts:
        with suppress(zlib.error):
            plain.append(zlib.decompress(part))
    return [text for text in plain if b" Tf" in text or b"BT\n" in text]


def complaints(browser: Any) -> list[str]:
    """Messages of the browser's console, and exceptions."""
    told = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    return [str(event["params"]) for event in browser.events if event.get("method") in told]


def requests(browser: Any) -> list[str]:
    sent = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    return sorted(set(sent))
