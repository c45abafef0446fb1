"""Pictures of the reports for the documentation, taken with a headless Chromium: docs/report.png and docs/plan.png.

python docs/pictures.py     writes both pictures; without Chromium, it reports that and changes nothing
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from browser import Browser, find_chromium

from fuota_fec.cli.runfile import read_run_file
from fuota_fec.planning.fragment_size import plan_transmission
from fuota_fec.radio.regions import region
from fuota_fec.report.campaign import campaign_page
from fuota_fec.report.redundancy import plan_page
from fuota_fec.simulation import simulate_campaign

DOCS = Path(__file__).parent
WIDTH = 1000


def campaign() -> str:
    """Report of the example campaign with more losses, adaptive redundancy and few repeated questions."""
    run = read_run_file(str(DOCS.parent / "examples" / "firmware.toml"))
    config = replace(run.config, redundancy="adaptive", msg_retries=3, success_threshold=90)
    fleet = replace(run.simulation, downlink_loss=0.18, uplink_loss=0.12)
    result = simulate_campaign(config, run.image, fleet)
    return campaign_page(result.journal.events(config.id))


def plan() -> str:
    """Redundancy plan of a delta image of 5000 bytes for 1000 devices."""
    found = plan_transmission(5000, 0.05, 98, data_rate=region("EU868").data_rate(3), n_devices=1000)
    return plan_page(found.redundancy, 0.05, transmission=found, name="delta.bin")


PICTURES = {"report.png": (campaign, 1120), "plan.png": (plan, 1130)}
"""File → function that makes the page, and height of the picture in pixels."""


def main() -> int:
    program = find_chromium()
    if program is None:
        sys.stderr.write("docs/pictures.py: Chromium is not installed, the pictures are unchanged\n")
        return 0
    with Browser(program) as browser, tempfile.TemporaryDirectory() as folder:
        for name, (page, height) in PICTURES.items():
            path = Path(folder) / "page.html"
            path.write_text(page(), encoding="utf-8")
            browser.show(path, width=WIDTH)
            (DOCS / name).write_bytes(browser.screenshot(height=height))
    return 0


if __name__ == "__main__":
    sys.exit(main())
