"""Devices whose last word was the target version pass, whatever became of their questions."""

from __future__ import annotations

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.wire import firmware

RUNS = firmware.DevVersionAns(fw_version=0x02000000, hw_version=1)
OTHER = firmware.DevVersionAns(fw_version=7, hw_version=1)


def test_a_device_that_said_the_target_version_before_it_left_passes(drive):
    d = drive(3, success_threshold=60, stage_end="all", msg_retries=0, stage="FragSessionSetup")
    d.sent(d.ask(3))
    d.say(3, RUNS)
    for i in (1, 2):
        d.succeed(i)
    d.reach("end")
    d.clean_up()
    assert [device.status for device in d.campaign.status().devices] == ["passed"] * 3
    assert d.of(m.Finished)[0].successes == 3


@pytest.mark.parametrize("version", [RUNS, OTHER])
def test_a_failed_campaign_passes_the_devices_whose_last_word_was_the_target_version(drive, version):
    d = drive(2, stage="DlFragment")
    d.say(1, OTHER)
    d.say(1, version)
    d.wait_until(d.session().end + 200_000)
    while not d.campaign.finished:
        d.wait(5000)
    passed = version is RUNS
    assert (d.status, d.of(m.Finished)[0].successes) == ("FAILED", int(passed))
    assert [d.device(i).status for i in (1, 2)] == ["passed" if passed else "failed", "failed"]


@pytest.mark.parametrize(
    ("hw_version", "status"), [(RUNS.hw_version, ("SUCCEEDED", "passed")), (9, ("FAILED", "failed"))]
)
def test_the_last_word_names_the_hardware_where_it_counts(drive, hw_version, status):
    d = drive(1, stage="DlFragment", hw_version=hw_version)
    d.say(1, RUNS)
    d.say(1, RUNS)
    assert [(e.fw_version, e.hw_version) for e in d.of(m.VersionHeard)] == [(RUNS.fw_version, RUNS.hw_version)]
    d.wait_until(d.session().end + 200_000)
    while not d.campaign.finished:
        d.wait(5000)
    assert (d.status, d.device(1).status) == status


def test_the_last_word_counts_in_a_campaign_that_is_stopped(drive):
    d = drive(2, stage="DlFragment")
    d.say(1, RUNS)
    d.stop()
    d.clean_up()
    assert (d.status, [d.device(i).status for i in (1, 2)]) == ("STOPPED", ["passed", "stopped"])
