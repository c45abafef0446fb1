"""Exchange of the fragments of a round."""

from __future__ import annotations

import pytest

from fuota_fec.campaign.messages import (
    Finished,
    GroupDone,
    Requested,
    StageEnded,
    StageStarted,
)
from fuota_fec.wire import firmware, fragmentation


@pytest.fixture
def sending(drive):
    """A campaign that has just sent its first frame."""

    def make(n_devices=2, **settings):
        d = drive(n_devices, stage="DlFragment", **settings)
        d.wait(max(0, d.campaign.deadline() - d.now))
        return d

    return make


def test_uncoded_fragments_in_order_then_coded_ones(drive):
    d = drive(1, stage="DlFragment")
    d.send_all()
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 4, 5]


def test_chosen_rows_are_sent_in_their_order(drive):
    d = drive(1, stage="DlFragment", rows=(9, 2, 16000))
    d.send_all()
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 12, 5, 16003]


def test_without_redundancy_the_uncoded_fragments_are_all(drive):
    d = drive(1, stage="DlFragment", redundancy=0)
    d.send_all()
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3]
    assert d.stage == "UpgradeImage"


def test_groups_without_devices_are_not_sent_to(drive, group_of):
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    d = drive(4, groups=groups, success_threshold=50, stage_end="all")
    for i in (1, 3):
        d.succeed(i)
    for i in (2, 4):
        d.sent(d.ask(i))
        d.say(i, type(d.right_answer(i))(mc_group_id=0, id_error=True))
    d.reach("CompletionVerification")
    assert {f.group for f in d.frames()} == {"a"}


def test_a_group_whose_session_is_over_does_not_stop_the_others(drive, group_of):
    groups = (group_of("a"), group_of("b", mc_addr="01f3a4b6"))
    settings = {"success_threshold": 50, "stage_end": "all", "max_duration": 33_500, "summary_report_timeout": 0}
    d = drive(2, groups=groups, stage="DlFragment", **settings)
    session = d.of(StageStarted)[2].sessions["a"]
    d.wait(d.campaign.deadline() - d.now)
    for _ in range(5):
        frame = d.frames("b")[-1]
        d.hand_over(frame)
        d.summary(frame)
        d.wait(2)
    d.hand_over(d.frames("a")[0])
    d.wait(session.end - d.now)
    d.summary(d.frames("a")[0])
    assert d.stage == "CompletionVerification"
    assert d.device(1).reason == "session over after 1 of 5 fragments"
    assert d.device(2).status == "running"


def test_the_maximum_duration_ends_the_transmission(drive):
    d = drive(2, max_duration=3000, stage="DlFragment")
    d.wait(d.campaign.deadline() - d.now)
    d.wait(3001)
    [finished] = d.of(Finished)
    assert finished.reason == "maximum duration reached in DlFragment"
    assert d.of(GroupDone)[0].reason == "maximum duration reached after 1 of 5 fragments"
    assert {x.reason for x in d.campaign.status().devices} == {"maximum duration reached after 1 of 5 fragments"}


def test_uplinks_while_fragments_are_sent_are_foreign(sending):
    d = sending()
    d.up(1)
    answer = fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=1, missing_frag=2)
    d.say(1, answer)
    d.up(1, 201, b"\xff\x00")
    assert d.new == []
    assert d.campaign.ignored["FragSessionStatusAns"] == 1


def test_progress_shows_frames_requested_and_planned(sending):
    d = sending()
    assert d.campaign.status().fragments == {"meters": (1, 5)}


def test_fragments_that_remain_go_out_in_another_session_while_the_duration_allows(drive):
    d = drive(1, stage="DlFragment", max_duration=40_000, summary_report_timeout=0)
    first = d.session()
    d.wait_until(first.start + 5)
    d.hand_over(d.frames()[0])
    d.wait_until(first.end + 1)
    assert d.of(GroupDone)[-1].reason == "session over after 1 of 5 fragments"
    assert d.of(StageEnded)[-1].back_to == d.stage == "McClassCSession"
    d.succeed(1)
    second = d.session()
    assert second.start > first.end
    d.send_all()
    assert [f.frag_nb for f in d.frames()] == [1, 2, 3, 4, 5]
    assert [f.f_cnt for f in d.frames()] == [0, 1, 2, 3, 4]
    assert all(second.start <= f.at <= second.end for f in d.frames()[1:])
    assert d.stage == "CompletionVerification"
    assert d.device(1).reason == ""


def test_nobody_is_set_up_again_once_the_first_fragment_is_on_the_air(drive):
    """Stacks restart at a setup, and lose what they have."""
    d = drive(2, redundancy=0, datafrag_loops_max=3, stage="DlFragment", allow_carousel=True)
    d.wait_until(d.session().start + 5)
    d.hand_over(d.frames()[0])
    d.wait_until(d.session().end + 1)
    d.reach("UpgradeImage")
    for i in (1, 2):
        d.sent(d.ask(i))
        d.say(i, firmware.DevUpgradeImageAns(up_image_status=1))
    assert d.campaign.status().round == 2
    d.reach("end")
    assert d.status == "SUCCEEDED"
    asks = [e.ask for e in d.of(Requested)]
    begun = asks.index("DataFragment")
    assert {"FragSessionSetup"} <= set(asks[:begun])
    assert not {"FragSessionSetup", "FragSessionDelete", "McGroupSetup"} & set(asks[begun:])
    assert asks[begun:].count("McSession") == 2
