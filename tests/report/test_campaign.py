"""Pages about campaigns: the verdict first, every device with its reason, no key, no network."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import subprocess
import sys

import pytest

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.status import DeviceStatus
from fuota_fec.errors import CampaignError
from fuota_fec.report.campaign import campaign_facts, campaign_page, device_parts, verdict
from fuota_fec.report.history import read_history
from fuota_fec.simulation import Simulation, World


@pytest.fixture(scope="module")
def failed_page(failed_events) -> str:
    return campaign_page(failed_events)


def device(n: int, status: str, reason: str = "", **more) -> DeviceStatus:
    return DeviceStatus(dev_eui=f"{n:016x}", group="g", status=status, reason=reason, fw_version=0x01020304, **more)


def test_a_page_is_well_formed_and_self_contained(failed_page, page):
    seen = page(failed_page)
    assert failed_page.startswith("<!doctype html>")
    assert [attrs.get("lang") for attrs in seen.all("html")] == ["en"]
    for tag in ("script", "link", "img", "iframe", "object", "base"):
        assert seen.all(tag) == []
    assert not any("src" in attrs for _, attrs in seen.tags)
    assert all(attrs.get("href", "#").startswith("#") for _, attrs in seen.tags)
    assert "@import" not in failed_page
    assert set(re.findall(r"https?://[^\"'\s<]+", failed_page)) == {"http://www.w3.org/2000/svg"}
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_tables_of_a_page_have_headers(failed_page, page):
    seen = page(failed_page)
    scopes = [attrs.get("scope") for attrs in seen.all("th")]
    assert {"col", "row"} == set(scopes)
    assert len(seen.all("thead")) == len(seen.all("table"))


def test_the_verdict_stands_at_the_top_of_the_page(failed_events, failed_page, page):
    text = page(failed_page).text
    assert text.index("FAILED") < 100
    line = verdict(read_history(failed_events))
    assert line in text
    assert line.startswith("0 of 6 devices passed: ")


def test_the_verdict_of_a_running_campaign_has_its_stage(adaptive_events):
    seen = {verdict(read_history(adaptive_events[:n])) for n in range(1, len(adaptive_events), 60)}
    assert any(line.startswith("stage 1 of ") for line in seen)
    assert re.match(r"\d+ of 12 devices passed, 60 % were required, in \d h", verdict(read_history(adaptive_events)))


def test_a_page_lists_every_device_with_its_reason(failed_events, failed_page, page):
    text = page(failed_page).text
    for found in Campaign.replay(failed_events).status().devices:
        assert found.dev_eui in text
        assert f"{found.status}: {found.reason}" in text


def test_a_page_of_a_campaign_after_any_event(adaptive_events, page):
    for n in (1, 2, 40, len(adaptive_events) // 2, len(adaptive_events) - 1):
        assert "small" in page(campaign_page(adaptive_events[:n])).text


@pytest.mark.parametrize("kind", ["multicast", "binary"])
def test_a_page_of_campaigns_of_other_kinds(kind, events_of, page):
    events = events_of(kind=kind, fw_version=None)
    text = page(campaign_page(events)).text
    assert Campaign.replay(events).progress().status in text
    assert ("multicast frames" in text) == (kind == "binary")


def test_a_page_of_several_groups(events_of, page):
    groups = [
        {"name": f"g{i}", "mc_addr": f"01f3a4b{i}", "dr": 5, "version": v} for i, v in ((1, "1.0.0"), (2, "2.0.0"))
    ]
    text = page(campaign_page(events_of(groups=groups))).text
    assert "01f3a4b1" in text
    assert "01f3a4b2" in text


def test_names_on_a_page_are_escaped(events_of, page):
    groups = [{"name": "<script>alert(1)</script>", "mc_addr": "01f3a4b5", "dr": 5}]
    made = campaign_page(events_of(groups=groups, id="<b>&amp;"))
    assert page(made).all("script") == []
    assert "<script>alert(1)</script>" in page(made).text
    assert "Campaign <b>&amp;" in page(made).text


def test_a_page_has_no_key_and_no_name_of_a_key(events_of):
    groups = [{"name": "meters", "mc_addr": "01f3a4b5", "dr": 5, "key": "vault/secret-name"}]
    events = events_of(groups=groups)
    campaign = Campaign.replay(events)
    ring = World(campaign, Simulation(seed=3, n_devices=6)).key_ring
    keys = [ring.root_key(d.key_name) for d in campaign.config.devices] + [ring.mc_key("vault/secret-name")]
    made = campaign_page(events).lower()
    assert "secret-name" not in made
    for key in keys:
        assert bytes(key).hex() not in made


def test_the_same_events_give_the_same_bytes(failed_events, failed_page):
    code = (
        "import sys, pickle; from fuota_fec.report.campaign import campaign_page;"
        "sys.stdout.buffer.write(campaign_page(pickle.load(sys.stdin.buffer)).encode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(failed_events), capture_output=True, check=True
    )
    assert done.stdout == failed_page.encode()


def test_a_page_shows_its_time_of_creation_only_if_it_is_given(failed_events, failed_page):
    made = campaign_page(failed_events, made=1.8e9)
    assert "made 2027-01-15 08:00:00 UTC" in made
    assert made.replace(" · made 2027-01-15 08:00:00 UTC", "") == failed_page


def test_parameters_that_were_set_stand_apart(failed_page, page):
    text = page(failed_page).text
    assert re.search(r"success_threshold 90 required", text)
    assert re.search(r"redundancy 2 5/6", text)
    left = {spec.name for spec in dataclasses.fields(CampaignConfig)} - {"id", "groups", "devices"}
    assert all(f" {name} " in text for name in left)


def test_a_page_without_events_is_refused():
    with pytest.raises(CampaignError):
        campaign_page([])


# ---- devices ---------------------------------------------------------------------------------------------


def test_devices_that_did_not_pass_come_first_by_frequency():
    devices = [
        *(device(i, "passed") for i in range(5)),
        device(10, "failed", "never heard"),
        *(device(i, "failed", "no answer in DlFragment") for i in (13, 12)),
        device(20, "unverified", "fragments unknown"),
        device(21, "stopped", "the campaign was stopped"),
    ]
    parts = device_parts(devices)
    assert [part.title for part in parts] == [
        "failed: no answer in DlFragment",
        "failed: never heard",
        "stopped: the campaign was stopped",
        "unverified: fragments unknown",
        "passed",
    ]
    assert [part.open for part in parts] == [True, True, True, True, False]
    assert [row[0][-2:] for row in parts[0].rows] == ["0c", "0d"]
    assert parts[1].meaning == "no uplink of the device came in the whole campaign"


def test_many_devices_are_folded():
    [part] = device_parts([device(i, "failed", "never heard") for i in range(51)])
    assert not part.open
    assert len(part.rows) == 51


def test_notes_have_a_column_only_if_a_device_has_one():
    first, second = device_parts(
        [device(1, "failed", "never heard"), device(2, "passed", note="clock off", unconfirmed="no answer")]
    )
    assert first.columns == ("device", "group", "firmware")
    assert second.columns == ("device", "group", "firmware", "note")
    assert second.rows == [(f"{2:016x}", "g", "1.2.3.4", "clock off; clean-up not confirmed: no answer")]


def test_facts_are_those_of_the_campaign(adaptive_events):
    facts = campaign_facts(read_history(adaptive_events))
    passed = [device for device in facts["devices"] if device["status"] == "passed"]
    assert (facts["n_passed"], facts["n_devices"], len(facts["devices"])) == (len(passed), 12, 12)
    assert sum(facts["reasons"].values()) == 12 - len(passed)
    assert facts["groups"][0]["n_uncoded"] == 40
    assert facts["stages"][0]["stage"] == "McGroupSetup"
    json.dumps(facts)
