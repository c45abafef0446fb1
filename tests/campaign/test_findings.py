"""The pre-flight check as a campaign makes it: before anything is on the air."""

from __future__ import annotations

import dataclasses

import pytest

from fuota_fec.campaign.config import Device
from fuota_fec.campaign.machine import Campaign
from fuota_fec.errors import CampaignError, ParameterError

IMAGE = bytes(range(240)) * 100


def with_profile(config, profile):
    devices = tuple(dataclasses.replace(d, profile=profile) for d in config.devices)
    return dataclasses.replace(config, devices=devices)


def test_a_campaign_says_what_to_expect(config_of):
    findings = Campaign(config_of(3), IMAGE).findings
    assert findings
    assert {finding.severity for finding in findings} <= {"warn", "info"}


def test_the_stack_with_the_smallest_fragments_decides(config_of, group_of):
    config = config_of(3, groups=(group_of(dr=5),), fsize=None)
    assert Campaign(config, IMAGE).plan.groups["meters"].frag_size == 239
    mixed = dataclasses.replace(
        config, devices=(*config.devices, Device(dev_eui="00000000000000ff", group="meters", profile="zephyr"))
    )
    assert Campaign(mixed, IMAGE).plan.groups["meters"].frag_size == 232
    assert Campaign(mixed, IMAGE).plan.groups["meters"].frag_size % 8 == 0


def test_an_image_of_too_many_fragments_for_the_stack_is_refused(config_of):
    """LoRaMac-node takes 21 fragments of 50 bytes as it is configured."""
    with pytest.raises(ParameterError, match="21"):
        Campaign(with_profile(config_of(2, fsize=None), "loramac-node"), IMAGE)


def test_counters_beyond_16_bits_are_refused(config_of, group_of):
    with pytest.raises(ParameterError, match="65535"):
        Campaign(config_of(1, groups=(group_of(first_f_cnt=65_530),)), IMAGE)


def test_a_session_that_starts_too_soon_is_refused_at_start(config_of):
    campaign = Campaign(config_of(2, session_start=1_800_000_100.0), IMAGE)
    with pytest.raises(CampaignError):
        campaign.start(1_800_000_099.0)
    assert campaign.status().status == "CONFIGURED"


def test_an_unknown_profile_is_named_with_the_known_ones(config_of):
    with pytest.raises(ParameterError, match=r"profile 'mine' is unknown, expected one of .*zephyr"):
        with_profile(config_of(1), "mine")
