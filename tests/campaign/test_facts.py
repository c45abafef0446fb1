"""Facts that outlive a campaign: those for the registry, and the use of those from it."""

from __future__ import annotations

from typing import Any

import pytest
from campaign_driver import IMAGE, NEW_VERSION, OLD_VERSION, T0, dev, known, member

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.errors import CampaignError
from fuota_fec.wire import firmware, fragmentation

GROUP, FRAG, SESSION, DATA = "McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment"
VERIFY = "CompletionVerification"


def device_facts(d: Any, i: int = 1) -> list[m.KnownDevice]:
    return [fact.known for fact in d.facts if isinstance(fact, m.DeviceFact) and fact.dev_eui == dev(i)]


def group_facts(d: Any) -> list[m.GroupFact]:
    return [fact for fact in d.facts if isinstance(fact, m.GroupFact)]


# ---- what the registry is told ---------------------------------------------------------------------------


def test_facts_are_told_once_and_only_what_has_changed(drive) -> None:
    d = drive(3)
    assert d.facts == []
    d.up(1)
    assert d.facts == []
    d.succeed(1)
    assert {fact.dev_eui for fact in d.facts} == {dev(1)}
    assert d.campaign.take_facts() == []


def test_before_the_start_there_is_nothing_to_tell(config_of) -> None:
    assert Campaign(config_of(1), IMAGE).take_facts() == []


def test_a_replayed_campaign_tells_only_what_is_new(drive) -> None:
    """Earlier facts were written with the events."""
    d = drive(1, stage=DATA)
    again = Campaign.replay(d.events, IMAGE)
    assert again.take_facts() == []
    events = again.tick(again.deadline())
    assert any(isinstance(event, m.Requested) for event in events)
    assert [type(fact) for fact in again.take_facts()] == [m.GroupFact]


def test_the_next_counter_is_told_with_every_frame_before_it_is_handed_over(drive) -> None:
    d = drive(1, stage=DATA)
    d.wait_until(d.session().start + 5)
    assert len(d.frames()) == 1
    assert group_facts(d) == [m.GroupFact(mc_addr="01f3a4b5", key="meters", next_f_cnt=1)]
    d.hand_over(d.frames()[0])
    d.summary(d.frames()[0])
    d.send_all()
    counters = [fact.next_f_cnt for fact in group_facts(d)]
    assert counters == sorted(counters)
    assert set(counters) == {1, 2, 3, 4, 5}


def test_the_counter_of_the_network_server_is_told_at_hand_over(drive) -> None:
    d = drive(1, network=m.NetworkCapabilities(owns_f_cnt=True), stage=DATA)
    d.wait_until(d.session().start + 5)
    [frame] = d.frames()
    assert (frame.f_cnt, group_facts(d)) == (None, [])
    d.hand_over(frame, f_cnt=41)
    assert [fact.next_f_cnt for fact in group_facts(d)] == [42]


def test_a_counter_is_that_of_an_address_and_a_key(drive, group_of) -> None:
    groups = (group_of("a", key="autumn"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(2, groups=groups)
    d.reach("end")
    last = {fact.mc_addr: fact for fact in group_facts(d)}
    assert {fact.key: fact.next_f_cnt for fact in last.values()} == {"autumn": 5, "b": 5}


def test_a_frame_that_is_repeated_takes_no_counter(drive) -> None:
    d = drive(1, stage=DATA)
    d.wait_until(d.session().start + 5)
    d.hand_over(d.frames()[0])
    d.summary(d.frames()[0], ok=False)
    d.wait(3)
    assert [frame.f_cnt for frame in d.frames()] == [0, 0]
    assert group_facts(d)[-1].next_f_cnt == 1


def test_the_session_count_is_told_when_it_is_requested_answered_or_not(drive, group_of) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),), session_cnt=7, frag_index=2, stage=FRAG)
    before = len(d.facts)
    d.wait(2)
    [fact] = d.facts[before:]
    assert (fact.dev_eui, fact.frag_index) == (dev(1), 2)
    assert (fact.known.session_cnt, fact.known.session_open) == (7, True)


def test_a_raised_session_count_is_told(drive, group_of) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),), session_cnt=7, stage=FRAG)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0, session_cnt_replay=True))
    d.wait(2)
    assert device_facts(d)[-1].session_cnt == d.command(d.requests(1)[-1]).session_cnt > 7


def test_dialect_1_counts_no_sessions(drive) -> None:
    d = drive(1, stage=SESSION)
    assert device_facts(d)[-1].session_cnt is None
    assert device_facts(d)[-1].session_open


def test_a_membership_is_told_once_it_is_confirmed(drive, group_of) -> None:
    d = drive(1, groups=(group_of(mc_group_id=2, first_f_cnt=30, key="autumn"),), mcgroup_validity_coeff=4)
    d.sent(d.ask(1))
    assert device_facts(d) == []
    d.say(1, d.right_answer(1))
    expected = m.Membership(mc_group_id=2, mc_addr="01f3a4b5", key="autumn", min_mc_f_cnt=30, max_mc_f_cnt=50)
    assert [fact.memberships for fact in device_facts(d)] == [(expected,)]


def test_a_membership_is_forgotten_as_soon_as_it_may_be_overwritten(drive) -> None:
    """Memberships in other groups are kept."""
    other = member(mc_group_id=3, mc_addr="0badcafe")
    d = drive(1, known=known(memberships=(member(mc_addr="00000001"), other)))
    d.up(1)
    assert [fact.memberships for fact in device_facts(d)] == [(other,)]
    d.succeed(1)
    assert [x.mc_addr for x in device_facts(d)[-1].memberships] == ["0badcafe", "01f3a4b5"]


def test_a_deleted_group_is_told(drive) -> None:
    d = drive(1, stage=FRAG)
    assert device_facts(d)[-1].memberships
    d.stop()
    d.clean_up()
    assert device_facts(d)[-1].memberships == ()


def test_a_deleted_session_is_told(drive) -> None:
    d = drive(1, known=known(session_open=True), stage=FRAG)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionDeleteAns(frag_index=0, session_does_not_exist=True))
    assert device_facts(d)[-1].session_open is False


@pytest.mark.parametrize("version", [OLD_VERSION, NEW_VERSION])
def test_the_version_that_a_device_tells_is_told(drive, version) -> None:
    d = drive(1, stage=VERIFY)
    d.wait(30)
    d.sent(d.ask(1))
    before = len(d.facts)
    d.say(1, firmware.DevVersionAns(fw_version=version, hw_version=1))
    assert [fact.known.fw_version for fact in d.facts[before:]] == [version]
    d.say(1, firmware.DevVersionAns(fw_version=version, hw_version=1))
    assert len(d.facts) == before + 1


@pytest.mark.parametrize("stage", [GROUP, DATA])
def test_a_volunteered_version_is_told_too(drive, stage) -> None:
    d = drive(1, stage=stage)
    d.say(1, firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1))
    assert device_facts(d)[-1].fw_version == OLD_VERSION


def test_a_device_fact_has_everything_known_of_the_device(drive, group_of) -> None:
    """Nothing that the registry said before is lost."""
    said = known(session_cnt=40, session_open=True, fw_version=OLD_VERSION, memberships=(member(mc_group_id=1),))
    d = drive(1, groups=(group_of(version="2.0.0"),), known=said)
    d.succeed(1)
    last = device_facts(d)[-1]
    assert (last.session_cnt, last.session_open, last.fw_version) == (40, True, OLD_VERSION)
    assert [x.mc_group_id for x in last.memberships] == [1, 0]


# ---- what the registry says: memberships ------------------------------------------------------------------


def test_a_campaign_of_members_only_goes_straight_on(drive) -> None:
    d = drive(1, known=known(memberships=(member(),)))
    assert [event.stage for event in d.of(m.StageStarted)] == [GROUP, FRAG]
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_members_alone_do_not_end_the_stage(drive) -> None:
    """Those that are to be asked get their chance although the threshold is met without them."""
    said = m.Known(devices={dev(i): m.KnownDevice(memberships=(member(),)) for i in (1, 2, 3)})
    d = drive(4, success_threshold=75, known=said)
    assert (d.stage, d.closing) == (GROUP, False)
    d.succeed(4)
    assert d.stage == FRAG


# ---- counters --------------------------------------------------------------------------------------------


def test_the_groups_counter_goes_on_where_it_was(drive) -> None:
    d = drive(1, known=m.Known(next_f_cnt={"meters": 300}))
    command = d.command(d.ask(1))
    assert (command.min_mc_fcnt, command.max_mc_fcnt) == (300, 350)
    d.reach("end")
    assert [frame.f_cnt for frame in d.frames()] == [300, 301, 302, 303, 304]
    assert group_facts(d)[-1].next_f_cnt == d.campaign.next_f_cnt("meters") == 305


@pytest.mark.parametrize(("configured", "registered", "first"), [(10, 300, 300), (300, 10, 300), (300, None, 300)])
def test_the_larger_of_configuration_and_registry_counts(drive, group_of, configured, registered, first) -> None:
    counters = {} if registered is None else {"meters": registered}
    d = drive(1, groups=(group_of(first_f_cnt=configured),), known=m.Known(next_f_cnt=counters))
    assert d.campaign.next_f_cnt("meters") == first
    assert d.command(d.ask(1)).min_mc_fcnt == first


@pytest.mark.parametrize(("kind", "n_planned"), [("firmware", 5), ("binary", 6)])
def test_counters_beyond_65535_are_refused_at_the_start(config_of, kind, n_planned) -> None:
    """The status request counts as well."""
    campaign = Campaign(config_of(1, kind=kind, fsession_status_threshold=0), IMAGE)
    with pytest.raises(CampaignError, match="65535"):
        campaign.start(T0, known=m.Known(next_f_cnt={"meters": 65_536 - n_planned}))
    assert (campaign.status().status, campaign.n_events, campaign.take_facts()) == ("CONFIGURED", 0, [])
    assert campaign.start(T0, known=m.Known(next_f_cnt={"meters": 65_535 - n_planned})) != []


def test_counters_beyond_32_bits_are_refused_at_the_start(config_of) -> None:
    campaign = Campaign(config_of(1), IMAGE)
    with pytest.raises(CampaignError, match="leaves 4 counters, expected 5, one for each planned frame"):
        campaign.start(T0, known=m.Known(next_f_cnt={"meters": 0xFFFFFFFF - 4}))
    assert campaign.n_events == 0


def test_a_replayed_campaign_counts_from_where_the_registry_was(drive) -> None:
    d = drive(1, known=m.Known(next_f_cnt={"meters": 300}), stage=FRAG)
    assert Campaign.replay(d.events, IMAGE).next_f_cnt("meters") == 300


# ---- versions --------------------------------------------------------------------------------------------


def test_the_version_from_before_is_known_and_asked_again_in_verification(drive) -> None:
    """The device may still be installing the image."""
    d = drive(1, known=known(fw_version=OLD_VERSION), stage=VERIFY)
    d.wait(30)
    d.sent(d.ask(1))
    d.say(1, firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1))
    d.wait(101)
    assert d.questions(1) == ["DevVersion"] * 2
    d.succeed(1)
    assert d.status == "SUCCEEDED"


def test_another_version_than_that_from_before_is_a_verdict(drive) -> None:
    d = drive(1, known=known(fw_version=OLD_VERSION), stage=VERIFY)
    d.wait(30)
    d.sent(d.ask(1))
    d.say(1, firmware.DevVersionAns(fw_version=0x05000000, hw_version=1))
    assert (d.status, d.device(1).reason) == ("FAILED", "wrong version 5.0.0.0")


def test_the_registry_is_not_asked_whether_a_device_is_updated(drive) -> None:
    """The version was reported before this campaign; only a report in the campaign is a proof."""
    d = drive(1, known=known(fw_version=NEW_VERSION), stage="DevVersion")
    for _ in range(3):
        d.sent(d.ask(1))
        assert (d.asked(1), d.device(1).status) == ("DevVersion", "running")
        d.wait(130)
    d.wait(100)
    d.reach(VERIFY)
    assert d.asked(1) == "DevVersion"


# ---- what the events hold --------------------------------------------------------------------------------


def test_the_facts_at_the_start_are_in_event_0(drive) -> None:
    said = m.Known(next_f_cnt={"meters": 3}, devices={dev(1): m.KnownDevice(session_cnt=4, memberships=(member(),))})
    d = drive(1, known=said)
    configured = d.events[0]
    assert isinstance(configured, m.Configured)
    assert configured.known == said
    assert m.decode("Configured", m.Configured.VERSION, m.encode(configured)) == configured


def test_a_second_start_after_a_refused_one_knows_what_is_true_then(config_of) -> None:
    campaign = Campaign(config_of(1), IMAGE)
    with pytest.raises(CampaignError):
        campaign.start(T0, known=m.Known(next_f_cnt={"meters": 65_535}))
    campaign.start(T0 + 1, known=m.Known(next_f_cnt={"meters": 20}))
    assert campaign.next_f_cnt("meters") == 20
