"""Blocks of a campaign: made from the image, or prepared before with all that the groups need."""

from __future__ import annotations

from dataclasses import replace

import pytest
from batches import image_bytes

import fuota_fec as ff
from fuota_fec.batch import BatchConfig, BatchImage, Target, prepare_batch
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import Configured
from fuota_fec.errors import ParameterError

IMAGE = image_bytes(3000)


def config_of(**changes):
    groups = changes.pop("groups", (ff.Group(name="g", mc_addr="01020304", dr=5),))
    arguments = {
        "id": "c",
        "fw_version": "2.0.0.0",
        "success_threshold": 90,
        "max_duration": 86400,
        "uplink_period": 300,
        "groups": groups,
        "devices": tuple(ff.Device(dev_eui=f"{n:016x}", group=group.name) for n, group in enumerate(groups)),
    }
    return ff.CampaignConfig(**(arguments | changes))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "app.bin").write_bytes(IMAGE)
    target = Target(name="eu", dr=5, redundancy="1/2")
    batch = BatchConfig(images=(BatchImage(path="app.bin"),), targets=(target,), folder=str(tmp_path))
    assert prepare_batch(batch, tmp_path / "out").n_made == 1
    return tmp_path / "out" / "app-eu.npy"


def test_a_campaign_takes_a_prepared_file_as_its_image(path):
    block = ff.FragmentedBlock.open(path)
    prepared, plain = Campaign(config_of(redundancy=3), block), Campaign(config_of(redundancy=3), IMAGE)
    assert prepared.block("g") is block
    assert prepared.image == plain.image == IMAGE
    assert prepared.start(1000.0) == plain.start(1000.0)
    plan = prepared.plan.groups["g"]
    for idx in range(plan.n_sequence):
        assert bytes(prepared.block("g").frame(plan.frag_nb(idx))) == bytes(plain.block("g").frame(plan.frag_nb(idx)))


def test_it_goes_on_from_its_events_and_the_image_alone(path):
    campaign = Campaign(config_of(), ff.FragmentedBlock.open(path))
    events = campaign.start(1000.0)
    assert isinstance(events[0], Configured)
    assert Campaign.replay(events, IMAGE).status() == campaign.status()
    again = Campaign(config_of(), ff.FragmentedBlock.open(path))
    again.start(1000.0)
    again.abandon()
    assert again.start(1000.0) == events


def test_groups_with_the_same_frames_share_the_block(path):
    groups = tuple(ff.Group(name=name, mc_addr=addr, dr=5) for name, addr in (("a", "00000001"), ("b", "00000002")))
    campaign = Campaign(config_of(groups=groups, redundancy=2), block := ff.FragmentedBlock.open(path))
    assert campaign.block("a") is campaign.block("b") is block


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fsize": 100}, "frag_size 239, expected 100"),
        ({"frag_index": 1}, "frag_index 0, expected 1"),
        ({"descriptor": "01020304"}, "descriptor 00000000, expected 01020304"),
        ({"redundancy": 20}, "not 7 rows of the plan, such as 14, expected all 20"),
        ({"rows": (1, 2, 16)}, "not 1 row of the plan, such as 16, expected all 3"),
    ],
)
def test_a_block_with_other_frames_than_the_plan_is_refused(path, changes, problem):
    with pytest.raises(ParameterError) as error:
        Campaign(config_of(**changes), ff.FragmentedBlock.open(path))
    assert str(error.value) == f"group 'g': image: the prepared block has {problem}"


def test_every_difference_of_every_group_is_reported(path):
    group = ff.Group(name="x", mc_addr="00000001", dr=5, dialect="2.0.0")
    groups = (group, replace(group, name="y", mc_addr="00000002", dr=3))
    with pytest.raises(ParameterError) as error:
        Campaign(config_of(groups=groups, redundancy=2), ff.FragmentedBlock.open(path))
    assert [problem.split(":")[0] for problem in error.value.problems] == ["group 'x'", "group 'y'", "group 'y'"]
