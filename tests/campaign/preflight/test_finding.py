from __future__ import annotations

from dataclasses import replace
from typing import Any

from fuota_fec.campaign.preflight.finding import Finding, info, refuse, warn


def finding(**facts: Any) -> Finding:
    return Finding(**{"severity": "warn", "rule": "r", "message": "m", **facts})


def test_the_subject_of_a_finding_is_campaign_group_or_devices() -> None:
    assert finding().subject == "campaign"
    assert finding(group="g").subject == "group 'g'"
    assert finding(group="g", devices=("a",)).subject == "group 'g', device a"
    assert finding(group="g", devices=tuple("abcde")).subject == "group 'g', device a, b, c and 2 more"


def test_a_finding_as_text_has_severity_subject_message_and_remedy() -> None:
    made = finding(severity="refuse", group="g", message="it is 5, expected 4", remedy="Take 4.")
    assert str(made) == "refuse: group 'g': it is 5, expected 4. Take 4."
    assert str(replace(made, severity="info", remedy="")) == "info: group 'g': it is 5, expected 4"


def test_a_rule_names_severity_message_and_remedy_alone() -> None:
    assert refuse("m", "R.") == Finding(severity="refuse", message="m", remedy="R.")
    assert warn("m", "R.") == Finding(severity="warn", message="m", remedy="R.")
    assert info("m") == Finding(severity="info", message="m")
