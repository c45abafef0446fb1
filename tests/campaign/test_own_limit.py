from __future__ import annotations

import pytest

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.own_limit import own_limit, own_value
from fuota_fec.campaign.plan import make_plan
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError


def test_a_built_in_profile_is_made_the_base_of_ones_own() -> None:
    assert own_limit(profile("lbm"), "max_frags", 850) == (
        "if their build takes it, give the devices a profile of their own: [profiles.NAME] with "
        'base = "lbm" and max_frags = 850'
    )


def test_a_profile_of_ones_own_is_changed_where_it_is() -> None:
    mine = profile("lbm").replace(name="meter", max_frags=850)
    assert own_limit(mine, "max_frags", 900) == ("if their build takes it, set max_frags = 900 in [profiles.meter]")


def test_a_value_that_is_no_limit_has_the_same_place_without_a_condition() -> None:
    with_package = own_value(profile("zephyr"), "ts006", "true")
    assert with_package.endswith('[profiles.NAME] with base = "zephyr" and ts006 = true')
    mine = profile("zephyr").replace(name="meter")
    assert own_value(mine, "ts006", "true") == "set ts006 = true in [profiles.meter]"


def test_the_plan_names_the_profile_whose_fragment_size_is_exceeded() -> None:
    config = CampaignConfig(
        id="c",
        success_threshold=90,
        max_duration=1e5,
        uplink_period=300,
        fw_version=2,
        fsize=100,
        groups=(Group(name="g", mc_addr="01f3a4b5", dr=5),),
        devices=(Device(dev_eui="00" * 8, group="g", profile="loramac-node"),),
    )
    with pytest.raises(ParameterError, match="fsize: 100 is not from 1 to 50, the limits of loramac-node devices") as e:
        make_plan(config, 1000)
    assert str(e.value).endswith('[profiles.NAME] with base = "loramac-node" and max_frag_size = 100')
