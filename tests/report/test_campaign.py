"""Pages about campaigns: the verdict first, every device with its reason, no key, no network."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import pickle
import re
import subprocess
import sys

import pytest

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.errors import CampaignError
from fuota_fec.report.campaign import campaign_facts, campaign_page, verdict
from fuota_fec.report.history import read_history
from fuota_fec.simulation import Simulation, World
from tests.support.statuses import device


@pytest.fixture(scope="module")
def failed_page(failed_events) -> str:
    return campaign_page(failed_events)


def test_a_page_is_well_formed_and_self_contained(failed_page, page):
    seen = page(failed_page)
    assert failed_page.startswith("<!doctype html>")
    assert [attrs.get("lang") for attrs in seen.all("html")] == ["en"]
    for tag in ("link", "img", "iframe", "object", "base"):
        assert seen.all(tag) == []
    assert seen.all("script") == [{}]
    [code] = re.findall(r"<script>(.*?)</script>", failed_page, re.DOTALL)
    [policy] = [a["content"] for a in seen.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
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
    assert page(made).all("script") == [{}]
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


# ---- facts -----------------------------------------------------------------------------------------------


def test_facts_are_those_of_the_campaign(adaptive_events):
    facts = campaign_facts(read_history(adaptive_events))
    passed = [device for device in facts["devices"] if device["status"] == "passed"]
    assert (facts["n_passed"], facts["n_devices"], len(facts["devices"])) == (len(passed), 12, 12)
    assert sum(facts["reasons"].values()) == 12 - len(passed)
    assert facts["groups"][0]["n_uncoded"] == 40
    assert facts["stages"][0]["stage"] == "McGroupSetup"
    json.dumps(facts)
    assert [0 <= loss < 1 for loss in facts["losses"]]
    assert len(facts["losses"]) == len(facts["coded_needed"]) > 0
    assert [step["command"] for step in facts["next"]] == ["fuota-fec campaign retry small"]


def test_a_page_says_what_to_do_next(failed_page, page):
    text = page(failed_page).text
    top = text.partition("devices passed ")[0]
    steps = re.findall(r"(\d+) devices?: (?:[^:]*then )?fuota-fec campaign retry small", top)
    assert sum(map(int, steps)) == 6


def test_a_page_has_a_row_for_the_wait_for_the_session(failed_page, page):
    text = page(failed_page).text
    assert "wait for the multicast session" in text
    assert re.search(r"(min|s): the multicast session begins", text)


def test_sizes_are_in_kB_and_the_time_axis_has_dates(failed_page, page):
    text = page(failed_page).text
    assert "image 2.0 kB" in text
    assert re.search(r"\d\d:\d\d 2027-01-15 .* UTC", text)


def test_losses_and_coded_fragments_have_histograms_if_they_are_known(adaptive_events, failed_page, page):
    text = page(campaign_page(adaptive_events)).text
    assert "fragments missed (%)" in text
    assert re.search(r"Coded fragments needed \d+ devices?, coded fragments: median ", text)
    assert "Coded fragments needed" not in failed_page


def test_a_page_about_100_000_devices_is_small(adaptive_events):
    history = read_history(adaptive_events)
    reasons = [("passed", ""), *[("failed", f"missing {n} fragments") for n in range(40)], ("failed", "never heard")]
    many = tuple(
        device(f"70b3d5{(n * 7919):010x}", *reasons[n % 97 if n % 97 < len(reasons) else 0], 1, group=f"g{n % 20}")
        for n in range(100_000)
    )
    status = dataclasses.replace(history.status, devices=many, n_devices=len(many))
    made = campaign_page(dataclasses.replace(history, status=status))
    assert len(made.encode()) < 1.5 * 2**20
