"""Which rows a group is sent: fixed, listed, chosen, planned, adaptive."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import plan, row_plan
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.plan import make_plan
from fuota_fec.campaign.row_plan import own_uplink_losses, reads_surplus
from fuota_fec.errors import ParameterError
from fuota_fec.planning.redundancy import plan_redundancy
from fuota_fec.planning.selection import select_rows

T0 = 1_800_000_000.0
IMAGE = bytes(500)
"""50 fragments of 10 bytes."""


def row_plan_of(config, image=IMAGE):
    """The row plan where devices send so rarely that they miss nothing because of it."""
    config = replace(config, uplink_period=1e6)
    return make_plan(config, len(image)).groups["meters"].row_plan


def test_a_fixed_rate_has_the_first_rows(config_of):
    assert row_plan_of(config_of(3, redundancy="5/6")).rows == tuple(range(1, 11))
    assert row_plan_of(config_of(3, redundancy="1/2", frag_redundancy_max=20)).rows == tuple(range(1, 21))


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_selected_rows_repair_most_at_the_mean_loss_of_the_devices(config_of, group_of, version):
    config = config_of(2, redundancy=12, rows="selected", groups=(group_of(version=version),))
    config = replace(config, devices=(replace(config.devices[0], loss=0.02), replace(config.devices[1], loss=0.08)))
    assert row_plan_of(config).rows == tuple(select_rows(50, 0.05, 12, version=version).tolist())


def test_rows_are_selected_for_a_usual_loss_where_none_is_known(config_of):
    assert row_plan_of(config_of(2, redundancy=12, rows="selected")).rows == tuple(select_rows(50, 0.1, 12).tolist())


def test_fragments_missed_because_of_own_uplinks_count_as_losses(config_of, group_of):
    """At DR0 and an uplink every 15 s a third is missed; class B misses none."""
    settings = {
        "redundancy": "planned",
        "loss": 0.1,
        "success_threshold": 90,
        "uplink_period": 15,
        "mcast_msg_delay": 0,
    }
    at_class = {
        name: config_of(40, groups=(group_of(dr=0, device_class=name, periodicity=0),), **settings) for name in "BC"
    }
    n_coded = {name: make_plan(config, 500).groups["meters"].row_plan.n_first for name, config in at_class.items()}
    [lost] = own_uplink_losses(at_class["C"], at_class["C"].groups[0], 10).values()
    assert 0.2 < lost < 0.3
    assert own_uplink_losses(at_class["B"], at_class["B"].groups[0], 10) == {}
    as_loss = replace(at_class["B"], loss=round(1 - 0.9 * (1 - lost), 4))
    assert n_coded["B"] < n_coded["C"] == make_plan(as_loss, 500).groups["meters"].row_plan.n_first


@pytest.mark.parametrize("choice", ["first", "selected"])
def test_a_planned_group_has_the_fewest_coded_fragments_that_meet_the_threshold(config_of, choice):
    config = config_of(40, redundancy="planned", loss=0.1, rows=choice, success_threshold=90)
    wanted = plan_redundancy(50, [0.1] * 40, 90, version="1.0.0", max_coded=340, rows=choice, alternatives=False)
    assert row_plan_of(config).rows == tuple(wanted.rows.tolist())
    assert row_plan_of(config).n_first == wanted.n_coded
    assert row_plan_of(config).n_least == 0


def test_a_device_that_loses_more_is_planned_for(config_of):
    config = config_of(40, redundancy="planned", loss=0.05, success_threshold=100)
    worse = replace(config, devices=(*config.devices[:-1], replace(config.devices[-1], loss=0.3)))
    assert len(row_plan_of(worse).rows) > len(row_plan_of(config).rows)


def test_losses_that_a_stack_cannot_solve_enter_the_plan(config_of):
    """LoRaMac-node solves five losses, whatever is sent."""
    config = config_of(4, redundancy="planned", loss=0.3, each={"profile": "loramac-node"}, success_threshold=100)
    with pytest.raises(ParameterError, match="no number of coded fragments up to 340 completes 4 of 4 devices"):
        row_plan_of(config, bytes(200))


def test_planned_redundancy_needs_losses(config_of):
    with pytest.raises(ParameterError, match="'planned': expected the loss of the campaign, or of each device"):
        row_plan_of(config_of(3, redundancy="planned"))


def test_planned_redundancy_that_cannot_be_met_is_refused_with_the_best(config_of):
    with pytest.raises(
        ParameterError, match=r"up to 3 completes 36 of 40 devices .*; best: \d+ devices with \d+ coded fragments"
    ):
        row_plan_of(config_of(40, redundancy="planned", loss=0.2, frag_redundancy_max=3, success_threshold=90))


def test_an_adaptive_group_may_be_sent_all_rows_that_are_allowed(config_of):
    plan = row_plan_of(config_of(3, redundancy="adaptive", frag_redundancy_max=100))
    assert plan.rows == tuple(range(1, 101))
    assert (plan.n_first, plan.n_least) == (3, 2), "5 % of 50, and M / 32"


def test_an_adaptive_group_begins_with_the_needs_of_the_device_that_loses_least(config_of):
    config = config_of(2, redundancy="adaptive", loss=0.2)
    config = replace(config, devices=(config.devices[0], replace(config.devices[1], loss=0.1)))
    assert row_plan_of(config).n_first == 5


ZEPHYR = {"each": {"profile": "zephyr"}, "kind": "binary", "fw_version": None, "fsize": 48, "redundancy": "adaptive"}


@pytest.mark.parametrize(("loss", "n_first"), [(None, 0), (0.0, 0), (0.02, 0), (0.1, 22), (0.2, 56)])
def test_devices_that_read_surplus_fragments_are_asked_before_any_can_be_complete(config_of, loss, n_first):
    """Three standard deviations below the mean of 400 · loss; where the loss is not known, after fragment M."""
    plan = row_plan_of(config_of(3, loss=loss, **ZEPHYR), bytes(400 * 48))
    assert (plan.n_first, plan.n_least) == (n_first, 8)


def test_one_device_of_unknown_loss_may_be_complete_first(config_of):
    config = config_of(2, **ZEPHYR)
    config = replace(config, devices=(replace(config.devices[0], loss=0.2), config.devices[1]))
    assert row_plan_of(config, bytes(400 * 48)).n_first == 0


def test_a_group_is_asked_as_its_most_delicate_stack_needs(config_of):
    plain = config_of(2, **{**ZEPHYR, "each": {}}, loss=0.1)
    mixed = replace(plain, devices=(plain.devices[0], replace(plain.devices[1], profile="zephyr")))
    names = [{device.profile for device in config.devices} for config in (plain, mixed)]
    assert [reads_surplus(plain, profile_names) for profile_names in names] == [False, True]
    plans = [row_plan_of(config, bytes(400 * 48)) for config in (plain, mixed)]
    assert [(plan.n_first, plan.n_least) for plan in plans] == [(40, 13), (22, 8)]


def test_a_single_fragment_cannot_be_coded(config_of):
    assert row_plan_of(config_of(2, redundancy="adaptive"), bytes(5)).rows == ()


def test_a_computed_row_plan_is_in_the_first_event_and_a_replay_takes_it_from_there(config_of, monkeypatch):
    for changes in ({"redundancy": "planned", "loss": 0.1}, {"rows": "selected"}, {"redundancy": "adaptive"}):
        campaign = Campaign(config_of(2, fsession_status_threshold=1, **changes), IMAGE)
        events = campaign.start(T0)
        [first] = [event for event in events if isinstance(event, m.Configured)]
        assert first.row_plans == {"meters": campaign.plan.groups["meters"].row_plan}
        assert m.decode("Configured", first.VERSION, m.encode(first)) == first
        other = lambda *_: m.RowPlan(rows=(7, 9), n_first=2)  # noqa: E731 (a later version plans otherwise)
        with monkeypatch.context() as later:
            later.setattr(plan, "plan_rows", other)
            again = Campaign.replay(events, IMAGE)
        assert again.plan == campaign.plan


def test_a_row_plan_that_the_configuration_fixes_is_not_in_the_first_event(config_of):
    for changes in ({"redundancy": "5/6"}, {"redundancy": 7}, {"rows": (5, 3)}):
        [first, *_] = Campaign(config_of(2, **changes), IMAGE).start(T0)
        assert first.row_plans == {}


def test_starting_a_campaign_does_not_plan_its_rows_again(config_of, monkeypatch):
    campaign = Campaign(config_of(2, redundancy="planned", loss=0.1), IMAGE)
    monkeypatch.setattr(plan, "plan_rows", None)
    campaign.start(T0)
    assert row_plan.is_plain(campaign.config, campaign.config.groups[0]) is False


@pytest.mark.parametrize(
    ("stacks", "n_head", "later"),
    [
        (["generic", "generic"], 4, True),
        (["generic", "lbm"], 4, True),
        (["lbm", "st-v2"], 4, False),
        (["pamoja", "generic"], 0, False),
    ],
)
def test_no_uncoded_fragment_is_repeated_to_devices_that_end_with_wrong_bytes(
    config_of, group_of, stacks, n_head, later
):
    """100 fragments, of which every row has an even number in dialect 2.0.0."""
    config = config_of(2, redundancy="adaptive", fsize=40, groups=(group_of(dialect="2.0.0", mc_version="2.0.0"),))
    devices = tuple(replace(d, profile=stack) for d, stack in zip(config.devices, stacks, strict=True))
    plan = row_plan_of(replace(config, devices=devices), bytes(4000))
    assert (plan.n_head, plan.uncoded_every > 0, len(plan.uncoded) >= n_head) == (n_head, later, True)
    assert bool(plan.uncoded) == (n_head > 0)
