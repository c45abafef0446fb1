"""Pictures of the reports for the documentation, taken by a headless Chromium: docs/report.png and docs/plan.png.

python docs/pictures.py     makes them; where there is no Chromium, it says so and leaves them as they are
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
    """The example with more losses, coded fragments as they are needed, and few questions twice."""
    run = read_run_file(str(DOCS.parent / "examples" / "firmware.toml"))
    config = replace(run.config, redundancy="adaptive", msg_retries=3, success_threshold=90)
    fleet = replace(run.simulation, downlink_loss=0.18, uplink_loss=0.12)
    result = simulate_campaign(config, run.image, fleet)
    return campaign_page(result.journal.events(config.id))


def plan() -> str:
    """A delta of 5000 bytes for 1000 devices."""
    found = plan_transmission(5000, 0.05, 98, data_rate=region("EU868").data_rate(3), n_devices=1000)
    return plan_page(found.redundancy, 0.05, transmission=found, name="delta.bin")


PICTURES = {"report.png": (campaign, 1120), "plan.png": (plan, 1130)}
"""What is on each, and how much of it from the top."""


def main() -> int:
    program = find_chromium()
    if program is None:
        sys.stderr.write("docs/pictures.py: there is no Chromium here, the pictures stay as they are\n")
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
