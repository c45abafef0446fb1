"""The pre-flight check as a Campaign runs it: when it is made, and when it is started."""

from __future__ import annotations

import dataclasses

import pytest

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.campaign.plan import make_plan
from fuota_fec.campaign.preflight.check import find
from fuota_fec.errors import CampaignError, ParameterError

IMAGE = bytes(range(240)) * 100


def with_profile(config, profile):
    devices = tuple(dataclasses.replace(d, profile=profile) for d in config.devices)
    return dataclasses.replace(config, devices=devices)


def test_the_findings_of_a_new_campaign_are_warnings_and_information(config_of):
    findings = Campaign(config_of(3), IMAGE).findings
    assert findings
    assert {finding.severity for finding in findings} <= {"warn", "info"}


def test_the_stack_with_the_smallest_fragments_decides(config_of, group_of):
    config = config_of(3, groups=(group_of(dr=5),), fsize=None, success_threshold=75)
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


def test_counters_beyond_16_bits_are_refused_for_stacks_that_take_them_from_the_air(config_of, group_of):
    with pytest.raises(ParameterError, match="65535"):
        Campaign(config_of(1, groups=(group_of(first_f_cnt=65_530),)), IMAGE)


def test_a_session_that_starts_too_soon_is_refused_when_the_campaign_is_started(config_of):
    campaign = Campaign(config_of(2, session_start=1_800_000_100.0), IMAGE)
    with pytest.raises(CampaignError):
        campaign.start(1_800_000_099.0)
    assert campaign.status().status == "CONFIGURED"


def test_an_unknown_profile_is_named_with_the_known_ones(config_of):
    with pytest.raises(ParameterError, match=r"profile: 'mine' is not known, expected one of .*zephyr"):
        with_profile(config_of(1), "mine")


# ---- by rule ---------------------------------------------------------------------------------------------


def found(config, image=IMAGE, **facts):
    """Rule and severity of every finding."""
    return {(f.rule, f.severity) for f in find(config, make_plan(config, len(image)), len(image), **facts)}


def test_the_least_durations_the_answer_rate_and_the_frames_are_among_the_findings(config_of):
    findings = Campaign(config_of(200, kind="binary"), IMAGE).findings
    messages = {finding.rule: finding.message for finding in findings if finding.severity == "info"}
    assert "McGroupSetup 199 s, FragSessionSetup 199 s" in messages["stage_durations"]
    assert "200 devices" in messages["answer_rate"]
    assert "2400 uncoded and 2 coded fragments of 10 bytes: 2403 frames" in messages["frames"], "and a status request"


def test_more_answers_a_second_than_a_group_can_take_are_warned_of(config_of):
    """Five: the spread of 16 s is enough for 80 devices."""
    for n_devices, warned in ((80, False), (90, True)):
        assert (("answer_rate", "warn") in found(config_of(n_devices, kind="binary"))) is warned


def test_more_rounds_than_one_are_refused_for_devices_that_drop_late_fragments(config_of):
    """LBM drops an uncoded fragment whose number is below the last one received."""
    off = with_profile(config_of(2, redundancy=0, fsize=None), "lbm")
    small = bytes(2000)
    with pytest.raises(ParameterError, match="2 rounds of uncoded fragments: lbm devices drop"):
        Campaign(off, small)
    assert Campaign(dataclasses.replace(off, allow_carousel=True), small)
    assert Campaign(dataclasses.replace(off, datafrag_loops_max=1), small)
    assert Campaign(dataclasses.replace(off, redundancy="5/6"), small)


def test_rounds_are_refused_for_a_decoder_that_takes_late_fragments_for_coded_ones(config_of):
    mixed = with_profile(config_of(2, redundancy=0, fsize=None), "zephyr-lowmem")
    with pytest.raises(ParameterError, match="take an uncoded fragment for a coded one"):
        Campaign(mixed, IMAGE)


def test_a_reboot_time_lies_after_the_planned_end_of_transmission(config_of):
    campaign = Campaign(config_of(2, reboot=1_800_000_700.0), IMAGE)
    with pytest.raises(CampaignError, match="devices are to reboot in 700 s, the transmission ends in"):
        campaign.start(1_800_000_000.0)
    assert campaign.status().status == "CONFIGURED"
    assert campaign.n_events == 0
    Campaign(config_of(2, reboot=1_800_090_000.0), IMAGE).start(1_800_000_000.0)


def test_a_maximum_duration_that_is_too_short_is_refused(config_of):
    with pytest.raises(ParameterError, match="max_duration"):
        Campaign(config_of(2, max_duration=5000), IMAGE)


def test_a_session_start_that_leaves_no_time_for_the_requests_is_refused(config_of):
    campaign = Campaign(config_of(100, ucast_msg_delay=5000, session_start=1_800_001_000.0), IMAGE[:30])
    with pytest.raises(CampaignError, match="the requests before it take 1485 s to leave"):
        campaign.start(1_800_000_000.0)


@pytest.mark.parametrize("dr", [2, None])
def test_requests_that_do_not_fit_the_devices_data_rate_are_refused_where_it_is_known(config_of, group_of, dr):
    """AS923 with dwell time, DR2: 11 bytes, and McGroupSetupReq has 30."""
    group = group_of(region="AS923-1", dr=5, frequency=None, dwell_time=True)
    config = config_of(1, groups=(group,), each={"downlink_dr": dr})
    messages = {f.severity: f.message for f in Campaign(config, IMAGE[:30]).findings} if dr is None else {}
    if dr is None:
        assert "McGroupSetupReq of 30 bytes" in messages["warn"]
    else:
        with pytest.raises(ParameterError, match=r"McGroupSetupReq of 30 bytes.* takes 11"):
            Campaign(config, IMAGE[:30])


def test_missing_keys_are_refused(config_of):
    config = config_of(2)
    assert ("root_key", "refuse") in found(config, root_key_known=lambda device: device.dev_eui != f"{1:016x}")
    assert ("mc_key", "refuse") in found(config, mc_key_known=lambda _: False)
    assert not {("root_key", "refuse"), ("mc_key", "refuse")} & found(config)


def test_a_network_that_answers_clock_synchronisation_itself_is_warned_of(config_of):
    assert ("clock_sync", "warn") in found(config_of(1), network=NetworkCapabilities(clock_sync=True))
    assert ("clock_sync", "warn") not in found(config_of(1), network=NetworkCapabilities())


def test_class_b_is_refused_for_a_stack_that_has_none(config_of, group_of):
    groups = (group_of(device_class="B"),)
    with pytest.raises(ParameterError, match="class B, which zephyr devices cannot open"):
        Campaign(with_profile(config_of(1, groups=groups, fsize=None), "zephyr"), IMAGE)
    assert ("device_class", "warn") in found(config_of(1, groups=groups))
    assert ("device_class", "warn") not in found(with_profile(config_of(1, groups=groups, fsize=None), "lbm"))


def test_counters_of_later_rounds_count_towards_16_bits(config_of, group_of):
    """Three fragments in each of two rounds, from 65530 on."""
    config = config_of(1, groups=(group_of(first_f_cnt=65_531),), redundancy=0)
    with pytest.raises(ParameterError, match="65535"):
        Campaign(config, IMAGE[:30])
    assert Campaign(dataclasses.replace(config, datafrag_loops_max=1), IMAGE[:30])


def test_findings_of_a_started_campaign_know_the_network(config_of):
    campaign = Campaign(config_of(1), IMAGE[:30])
    assert "clock_sync" not in {f.rule for f in campaign.findings}
    campaign.start(1_800_000_000.0, NetworkCapabilities(clock_sync=True))
    assert "clock_sync" in {f.rule for f in campaign.findings}


def test_expected_losses_are_held_against_what_a_stack_can_solve(config_of):
    config = with_profile(config_of(2, fsize=40), "st")
    for loss, severity in ((None, "info"), (0.05, None), (0.2, "refuse")):
        known = dataclasses.replace(config, loss=loss)
        rules = dict(found(known, bytes(40 * 2000)))
        assert rules.get("solvable_losses") == severity
