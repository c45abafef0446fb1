"""Stages: their order by kind of campaign, their limits, and their questions."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import T0

from fuota_fec.campaign.messages import (
    Configured,
    Finished,
    NetworkCapabilities,
    StageStarted,
)
from fuota_fec.campaign.plan import make_plan
from fuota_fec.wire import fragmentation, multicast

SETUP, FRAG, CLASS_C, VERIFY = "McGroupSetup", "FragSessionSetup", "McClassCSession", "CompletionVerification"


def asked(d, i=1, module=multicast, version="1.0.0"):
    """The command of the present request to device i."""
    [command] = module.decode(d.ask(i).command, uplink=False, version=version)
    return command


def session(d, group="meters"):
    return d.of(StageStarted)[2].sessions[group]


REBOOT = T0 + 50_000
DATA = ["FragSessionSetup", "McClassCSession", "DlFragment"]
EXPECTED = [
    ("multicast", {}, ["McGroupSetup", "McClassCSession"]),
    ("multicast", {"redundancy": 0}, ["McGroupSetup", "McClassCSession"]),
    ("binary", {}, ["McGroupSetup", *DATA, "FragSessionStatus"]),
    ("binary", {"redundancy": 0}, ["McGroupSetup", *DATA, "FragSessionStatus"]),
    ("firmware", {}, ["McGroupSetup", *DATA, "CompletionVerification"]),
    ("firmware", {"redundancy": 0}, ["McGroupSetup", *DATA, "UpgradeImage", "CompletionVerification"]),
    ("firmware", {"reboot": REBOOT}, ["McGroupSetup", "DevRebootTime", *DATA, "CompletionVerification"]),
    (
        "firmware",
        {"reboot": REBOOT, "redundancy": 0},
        ["McGroupSetup", "DevRebootTime", *DATA, "UpgradeImage", "CompletionVerification"],
    ),
]

PROBES = [
    ({"each": {"probe": True}}, True),
    ({"requires_fw_version": "1.0.0.0"}, True),
    ({"each": {"fw_version": "1.0.0.0"}}, False),
    ({}, False),
]


def stages(d: Any) -> list[str]:
    return [event.stage for event in d.of(StageStarted)]


def name(values: tuple[str, dict[str, Any], list[str]]) -> str:
    return "-".join([values[0], *values[1]])


def test_the_stages_of_a_firmware_update_come_in_order(drive):
    d = drive(2)
    d.reach("end")
    assert [e.stage for e in d.of(StageStarted)] == [SETUP, FRAG, CLASS_C, "DlFragment", VERIFY]
    assert d.campaign.status().stages == (SETUP, FRAG, CLASS_C, "DlFragment", VERIFY)
    assert d.status == "SUCCEEDED"


# ---- FragSessionSetup ------------------------------------------------------------------------------------


def test_each_group_is_spoken_to_in_its_dialect(drive, group_of):
    groups = (group_of("old"), group_of("new", mc_addr="01f3a4b6", version="2.0.0", mc_version="2.0.0"))
    d = drive(2, groups=groups, stage=FRAG)
    assert asked(d, 1, fragmentation, "1.0.0").version == "1.0.0"
    assert asked(d, 2, fragmentation, "2.0.0").version == "2.0.0"


# ---- McClassCSession -------------------------------------------------------------------------------------


def test_a_configured_start_is_the_deadline_of_the_stages_before_it(drive):
    d = drive(1, session_start=1_800_000_500.0, msg_retries=100)
    d.ask(1)
    d.wait(600)
    assert d.status == "FAILED"


# ---- FragSessionSetup: replayed counters -----------------------------------------------------------------


@pytest.mark.parametrize(("n_devices", "delay"), [(1, 0), (240, 0), (241, 1), (497, 2)])
def test_answers_spread_over_the_number_of_devices_and_devices_are_told_so(drive, group_of, n_devices, delay):
    """N/16 + 1 s, rounded up to 2^(BlockAckDelay + 4)."""
    d = drive(n_devices, success_threshold=1, stage_end="threshold", stage=FRAG, ucast_msg_delay=0)
    member = next(i for i in range(1, n_devices + 1) if d.state(i).taking_part)
    assert asked(d, member, module=fragmentation).block_ack_delay == delay


def test_the_spread_is_cut_to_answer_spread_max(config_of):
    def delay(n_devices, most):
        config = config_of(n_devices, answer_spread_max=most)
        return make_plan(config, 30).groups["meters"].block_ack_delay

    assert [delay(4000, most) for most in (0, 16, 17, 128, 129, 2048)] == [0, 0, 1, 3, 4, 4]


@pytest.mark.parametrize(
    ("n_devices", "setting", "asks"),
    [(500, None, True), (501, None, False), (501, True, True), (1, False, False)],
)
def test_devices_acknowledge_the_block_in_groups_of_up_to_500(config_of, group_of, n_devices, setting, asks):
    config = config_of(n_devices, groups=(group_of(version="2.0.0"),), ack_reception=setting)
    assert make_plan(config, 30).groups["meters"].ack_reception is asks


def test_dialect_1_cannot_acknowledge_the_block(config_of):
    assert not make_plan(config_of(1, ack_reception=True), 30).groups["meters"].ack_reception


# ---- the session of class B ------------------------------------------------------------------------------


def test_nothing_is_asked_once_the_session_has_started(drive):
    d = drive(2, stage=CLASS_C, stage_end="all", success_threshold=50, msg_retries=9)
    d.succeed(1)
    d.ask(2)
    d.wait_until(session(d).start + 1)
    assert d.stage == "DlFragment"
    assert d.device(2).reason == "no answer in McClassCSession"
    assert all(r.not_after <= session(d).start for r in d.requests(2, CLASS_C))


# ---- CompletionVerification ------------------------------------------------------------------------------


def test_verification_is_bounded_by_process_time_and_one_unicast_stage(drive):
    """Devices that speak but never answer cannot keep it."""
    d = drive(2, stage=VERIFY, success_threshold=50, stage_end="all", msg_retries=1, fuota_process_max_time=60)
    begun = d.now
    for _ in range(400):
        if d.status != "RUNNING":
            break
        d.wait(10)
        for i in (1, 2):
            if d.status == "RUNNING":
                d.up(i)
    assert d.status == "FAILED"
    asking, wait = 2 * 1.0, 2 * 2 * (1.2 * 100 + 10)
    assert d.now - begun <= 60 + 60 + 3 * 100 + asking + wait + 10


def test_verification_has_its_time_even_if_the_transmission_ended_long_after_its_last_frame(drive, group_of):
    """A summary that never came: the session of the other group had to end."""
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(2, groups=groups, success_threshold=50, stage_end="all", stage="DlFragment", max_duration=33_600)
    d.wait_until(d.session("a").start + 5)
    for _ in range(5):
        d.hand_over(d.frames("b")[-1])
        d.summary(d.frames("b")[-1])
        d.wait(2)
    d.wait_until(d.session("a").end)
    assert d.stage == VERIFY
    d.wait(30)
    d.succeed(2)
    assert d.status == "SUCCEEDED"


# ---- kinds of campaigns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("device_class", ["B", "C"])
@pytest.mark.parametrize("expected", EXPECTED, ids=name)
@pytest.mark.parametrize(("settings", "probed"), PROBES, ids=["probe", "delta", "version known", "nothing known"])
def test_the_stages_of_each_kind_come_in_order(drive, group_of, device_class, expected, settings, probed) -> None:
    """PackageVersion only for devices whose versions are to be asked, or of which a delta requires one."""
    kind, changes, names = expected
    d = drive(2, kind=kind, groups=(group_of(device_class=device_class),), **changes, **settings)
    d.reach("end")
    names = [stage.replace("McClassC", f"McClass{device_class}") for stage in names]
    assert stages(d) == (["PackageVersion", *names] if probed else names)
    assert list(d.campaign.status().stages) == stages(d)
    assert (d.status, d.campaign.status().n_stages_completed) == ("SUCCEEDED", len(stages(d)))
    assert [device.status for device in d.campaign.status().devices] == ["passed", "passed"]


def test_groups_of_both_classes_share_one_session_stage_named_by_class_c(drive, group_of) -> None:
    groups = (group_of("b", device_class="B"), group_of("c", mc_addr="01f3a4b6", mc_group_id=1))
    d = drive(2, groups=groups, kind="multicast", stage="McClassCSession")
    assert isinstance(d.command(d.ask(1)), multicast.McClassBSessionReq)
    assert isinstance(d.command(d.ask(2)), multicast.McClassCSessionReq)
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_campaign_of_both_redundancies_has_the_stage_of_the_one_without(drive, group_of) -> None:
    groups = (group_of("fec"), group_of("carousel", mc_addr="01f3a4b6", redundancy=0))
    d = drive(2, groups=groups, stage="UpgradeImage")
    assert (d.asked(1), d.asked(2)) == ("", "DevUpgradeImage")
    d.reach("end")
    assert d.status == "SUCCEEDED"


@pytest.mark.parametrize("kind", ["multicast", "binary", "firmware"])
@pytest.mark.parametrize("reports", [True, False])
def test_every_kind_is_the_same_on_a_network_without_reports(drive, kind, reports) -> None:
    network = NetworkCapabilities(sent_reports=reports, summaries=reports, owns_f_cnt=not reports, withdraws=reports)
    d = drive(3, kind=kind, network=network)
    d.reach("end")
    assert d.of(Finished)[0].status == "SUCCEEDED"


def test_a_multicast_setup_sends_no_image(drive) -> None:
    d = drive(2, kind="multicast")
    d.reach("end")
    assert d.of(Configured)[0].image_len == 0
    assert d.frames() == []
    assert d.campaign.next_f_cnt("meters") == 0


def test_a_multicast_setup_asks_every_device_for_the_session(drive) -> None:
    d = drive(3, kind="multicast", stage="McClassCSession")
    assert [d.asked(i) for i in (1, 2, 3)] == ["McSession"] * 3


def test_with_a_reboot_time_nothing_is_asked_before_it_has_come(drive) -> None:
    d = drive(1, reboot=REBOOT, stage="CompletionVerification")
    d.wait_until(REBOOT - 1)
    d.up(1)
    assert d.requests() == []
    d.wait(1)
    d.up(1)
    assert d.questions(1) == ["DevVersion"]
