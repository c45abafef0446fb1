"""`campaign check`: the pre-flight check alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Fuota = Callable[..., Result]
CampaignFile = Callable[..., Path]


def test_check_has_the_findings_that_a_run_prints(fuota: Fuota, campaign_file: CampaignFile) -> None:
    path = campaign_file(simulation="owns_f_cnt = true\nsummaries = false")
    checked, ran = fuota("campaign", "check", path), fuota("campaign", "run", path)
    assert checked.exit_code == 0
    *findings, last = checked.stdout.splitlines()
    assert findings[0] == "campaign small: 2000 bytes to 3 devices in 1 group, threshold 90 %"
    assert findings == ran.stdout.splitlines()[: len(findings)]
    assert ran.stdout.splitlines()[len(findings)].startswith("2027-01-15 08:00:00Z")
    assert last.startswith("campaign small: can be started, ")


def test_check_says_what_forbids_a_start_and_all_else_too(fuota: Fuota, campaign_file: CampaignFile) -> None:
    path = campaign_file(simulation="profile = 'zephyr'")
    result = fuota("campaign", "check", path)
    assert (result.exit_code, result.stderr) == (2, "")
    assert "  refuse: campaign: 0 of 3 devices can report which version runs" in result.stdout
    assert "  info: group 'meters'" in result.stdout
    assert "campaign small: refused, 1 reason, " in result.stdout
    in_json = fuota("campaign", "check", path, "--json")
    assert in_json.exit_code == 2
    facts = json.loads(in_json.stdout)
    assert (facts["campaign"], facts["ok"]) == ("small", False)
    assert facts["findings"][0]["severity"] == "refuse"
    assert {"severity", "rule", "group", "devices", "message", "remedy"} == set(facts["findings"][0])


def test_check_of_a_file_that_cannot_be_read_is_an_error(fuota: Fuota, campaign_file: CampaignFile) -> None:
    for change in ({"campaign": "fsize = 255"}, {"campaign": "speed = 1"}, {"simulation": "trace = 'none.csv'"}):
        result = fuota("campaign", "check", campaign_file(**change))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: ")


def test_check_counts_warnings_about_the_image(fuota: Fuota, campaign_file: CampaignFile) -> None:
    path = campaign_file()
    warnings_before = json.loads(fuota("campaign", "check", path, "--json").stdout)["image_warnings"]
    (path.parent / "firmware.bin").write_bytes(bytes(range(256)) * 8 + b"\xff" * 100_000)
    facts = json.loads(fuota("campaign", "check", path, "--json").stdout)
    assert warnings_before == []
    assert len(facts["image_warnings"]) == 1
    n = 1 + sum(finding["severity"] == "warn" for finding in facts["findings"])
    assert f", {n} warning" in fuota("campaign", "check", path).stdout.splitlines()[-1]
