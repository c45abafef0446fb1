"""A campaign for the devices that an earlier one left behind."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.retry import retry_config
from fuota_fec.errors import CampaignError, ParameterError
from fuota_fec.wire import firmware, fragmentation, multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
GROUP, DATA, STATUS, VERIFY = "McGroupSetup", "DlFragment", "FragSessionStatus", "CompletionVerification"
NEW_VERSION, OLD_VERSION = 0x02000000, 0x01000000


def lacks(n: int, received: int = 3, **changes: Any) -> fragmentation.FragSessionStatusAns:
    values = {"frag_index": 0, "nb_frag_received": received, "missing_frag": n}
    return fragmentation.FragSessionStatusAns(**values | changes)


def half(drive: Any, **settings: Any) -> Any:
    """Of three devices device 2 refuses the group, and the campaign fails."""
    d = drive(3, **settings)
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    d.succeed(3)
    d.clean_up()
    assert d.status == "FAILED"
    return d


def left(config: Any) -> list[int]:
    return [int(device.dev_eui, 16) for device in config.devices]


# ---- who -------------------------------------------------------------------------------------------------


def test_a_retry_takes_all_devices_if_none_passed(drive) -> None:
    config = retry_config(half(drive).campaign, "again", T0)
    assert (config.id, left(config)) == ("again", [1, 2, 3])


def test_a_retry_takes_only_devices_that_did_not_pass(drive) -> None:
    d = drive(3, success_threshold=50, stage=VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.succeed(1)
    if d.status == "RUNNING":
        d.succeed(2)
    d.wait(1000)
    d.reach("end")
    passed = [int(x.dev_eui, 16) for x in d.campaign.status().devices if x.status == "passed"]
    config = retry_config(d.campaign, "again", d.now)
    assert set(left(config)) == {1, 2, 3} - set(passed)
    assert left(config)


@pytest.mark.parametrize("unicast_repair_max", [0, 2])
def test_a_device_that_has_the_file_is_not_retried_after_a_failed_transfer(drive, unicast_repair_max) -> None:
    """Whatever stages it might still have had."""
    d = drive(3, kind="binary", stage=STATUS, stage_end="all", unicast_repair_max=unicast_repair_max)
    for i in (1, 2, 3):
        d.sent(d.ask(i))
        d.say(i, lacks(1, not_enough_matrix_memory=True) if i == 3 else lacks(0))
    assert (d.status, [x.status for x in d.campaign.status().devices]) == ("FAILED", ["passed", "passed", "failed"])
    assert left(retry_config(d.campaign, "again", d.now)) == [3]


def test_a_retry_leaves_out_groups_without_devices(drive, group_of) -> None:
    d = drive(2, groups=(group_of("a"), group_of("b", mc_addr="01f3a4b6")), success_threshold=50, stage=VERIFY)
    d.wait_until(d.campaign.progress().asks_from + 10)
    d.succeed(1)
    d.wait(2000)
    assert d.status == "SUCCEEDED"
    config = retry_config(d.campaign, "again", d.now)
    assert ([g.name for g in config.groups], left(config)) == (["b"], [2])


# ---- what is known of them -------------------------------------------------------------------------------


def test_the_groups_of_a_retry_continue_their_counters(drive) -> None:
    d = drive(2, stage=VERIFY)
    d.wait(20_000)
    assert d.status == "FAILED"
    config = retry_config(d.campaign, "again", d.now)
    assert config.groups[0].first_f_cnt == d.campaign.next_f_cnt("meters") == 5


def test_a_retry_has_the_measured_uplink_periods(drive) -> None:
    d = drive(2)
    for _ in range(5):
        d.wait(40)
        d.up(1)
    d.stop()
    d.clean_up()
    config = retry_config(d.campaign, "again", d.now)
    assert [device.uplink_period for device in config.devices] == [40, 100]


def test_a_retry_has_the_versions_that_devices_reported(drive) -> None:
    versions = enumerate(("1.0.0.0", "1.2.0.0", None), 1)
    devices = tuple(Device(dev_eui=f"{i:016x}", group="meters", fw_version=version) for i, version in versions)
    known = m.Known(devices={f"{3:016x}": m.KnownDevice(fw_version=7)})
    d = drive(3, devices=devices, known=known)
    d.say(1, firmware.DevVersionAns(fw_version=0x05000000, hw_version=1))
    d.stop()
    d.clean_up()
    config = retry_config(d.campaign, "again", d.now)
    assert [device.fw_version for device in config.devices] == [0x05000000, 0x01020000, 7]


def test_a_retry_has_the_losses_that_devices_reported(drive) -> None:
    d = drive(3, kind="binary", stage=STATUS, stage_end="all", fsize=1, loss=0.25)
    d.sent(d.ask(1))
    d.say(1, lacks(4, 8))
    d.sent(d.ask(2))
    d.say(2, lacks(4, 31))
    d.wait(3000)
    for _ in range(4):
        if d.status == "RUNNING":
            d.sent(d.ask(3))
            d.wait(500)
    assert d.status == "FAILED"
    config = retry_config(d.campaign, "again", d.now)
    assert [device.loss for device in config.devices] == [0.75, 0.0312, 0.25]
    assert Campaign(config, IMAGE).plan.groups["meters"].n_frags == 30


def test_the_session_start_of_a_retry_is_computed_anew(drive) -> None:
    d = half(drive, session_start=T0 + 6000)
    assert retry_config(d.campaign, "again", d.now).session_start is None


@pytest.mark.parametrize(
    "changes", [{"max_duration": 5000}, {"redundancy": "adaptive"}, {"session_start": T0 + 90_000}, {"msg_retries": 9}]
)
def test_a_retry_takes_changed_parameters(drive, changes) -> None:
    config = retry_config(half(drive).campaign, "again", T0, **changes)
    assert {name: getattr(config, name) for name in changes} == changes


def test_a_retry_runs_to_its_end(drive) -> None:
    d = half(drive)
    again = type(d)(retry_config(d.campaign, "again", d.now), image=IMAGE)
    again.reach("end")
    assert again.status == "SUCCEEDED"


# ---- errors ----------------------------------------------------------------------------------------------


def test_an_unfinished_campaign_is_not_retried(drive) -> None:
    d = drive(2, stage=DATA)
    with pytest.raises(CampaignError, match="it is RUNNING, a retry needs a finished one"):
        retry_config(d.campaign, "again", d.now)
    d.stop()
    with pytest.raises(CampaignError, match="it is stopping, a retry needs a finished one"):
        retry_config(d.campaign, "again", d.now)
    with pytest.raises(CampaignError, match="it is CONFIGURED, a retry needs a finished one"):
        retry_config(Campaign(d.campaign.config, IMAGE), "again", d.now)


def test_a_campaign_that_all_devices_passed_is_not_retried(drive) -> None:
    d = drive(2)
    d.reach("end")
    with pytest.raises(CampaignError, match="nothing to retry, all devices passed"):
        retry_config(d.campaign, "again", d.now)


def test_a_retry_needs_another_reboot_time_if_the_old_one_is_past(drive) -> None:
    d = half(drive, reboot=T0 + 50_000)
    assert retry_config(d.campaign, "again", d.now).reboot == T0 + 50_000
    with pytest.raises(CampaignError, match="needs another `reboot`"):
        retry_config(d.campaign, "again", T0 + 50_000)
    assert retry_config(d.campaign, "again", T0 + 50_000, reboot="after_transfer").reboot == "after_transfer"
    with pytest.raises(CampaignError, match="needs another `reboot`"):
        retry_config(d.campaign, "again", T0 + 50_000, reboot=T0 + 40_000)


def test_changed_parameters_that_do_not_fit_are_refused(drive) -> None:
    with pytest.raises(ParameterError, match="msg_retries"):
        retry_config(half(drive).campaign, "again", T0, msg_retries=-1)
