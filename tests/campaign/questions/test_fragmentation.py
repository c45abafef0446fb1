"""Questions of TS004: session setup, status by stacks that count in their own way (Divergences), and fragments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import known, own, updatable

from fuota_fec.campaign import messages as m
from fuota_fec.campaign import questions
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.messages import Answered, GivenUp
from fuota_fec.campaign.state import Data
from fuota_fec.errors import ParameterError
from fuota_fec.wire import firmware, fragmentation, multicast

STATUS, DATA, VERIFY, V1, V2 = "FragSessionStatus", "DlFragment", "CompletionVerification", "1.0.0", "2.0.0"
FRAG, CLASS_C, SESSION = "FragSessionSetup", "McClassCSession", "McClassCSession"
N_FRAGS = 30
OLD, NEW = 0x01000000, 0x02000000


def adaptive(
    drive: Any, group_of: Any, stack: str, version: str = V1, n_devices: int = 1, *, image: bytes = b"", **changes: Any
) -> Any:
    """A firmware update of devices of a stack with TS006, whose group is about to be asked for its status."""
    stack_profile = updatable(stack)
    settings = {"redundancy": "adaptive", "fsession_status_threshold": 0, "fsize": 1, "stage_end": "all"} | changes
    group = group_of(version=version, mc_version=version)
    each = {"profile": stack_profile.name, "fw_version": OLD}
    settings["profiles"] = own(stack_profile)
    d = drive(n_devices, groups=(group,), each=each, image=image or bytes(N_FRAGS * settings["fsize"]), **settings)
    d.reach(STATUS)
    for _ in range(100):
        [*_, request] = d.frames()
        if request.ask == STATUS:
            break
        d.wait(1)
    d.hand_over(request)
    d.summary(request)
    return d


def answer(received: int, missing: int, version: str = V1, **flags: Any) -> fragmentation.FragSessionStatusAns:
    return fragmentation.FragSessionStatusAns(
        version=version, frag_index=0, nb_frag_received=received, missing_frag=missing, **flags
    )


def last_status(d: Any, i: int = 1) -> m.Answered:
    return next(e for e in reversed(d.of(m.Answered)) if e.ask == STATUS and e.dev_eui == f"{i:016x}")


def goes_on(d: Any) -> str:
    """The stage that comes next, once no answer can come any more."""
    d.wait(d.campaign.plan.groups["meters"].status_wait * 4)
    return str(d.last_stage)


def asked(d, i=1, module=multicast, version="1.0.0"):
    """The command of the present request to device i."""
    [command] = module.decode(d.ask(i).command, uplink=False, version=version)
    return command


REPLAY = fragmentation.FragSessionSetupAns(frag_index=0, session_cnt_replay=True)


@pytest.fixture
def in_setup(drive, group_of):
    """Dialect 2.0.0, FragSessionSetup sent to device 1 with SessionCnt 7."""

    def make(**settings):
        d = drive(2, groups=(group_of(version="2.0.0"),), stage=FRAG, **{"session_cnt": 7, **settings})
        d.sent(d.ask(1))
        return d

    return make


def session_counts(d, i=1):
    return [d.command(r).session_cnt for r in d.requests(i) if r.ask == FRAG]


# ---- stacks that report missing counts alone -------------------------------------------------------------


@pytest.mark.parametrize("stack", ["generic", "pamoja", "xdot"])
def test_none_missing_of_too_few_received_is_no_complete_block(drive, group_of, stack):
    d = adaptive(drive, group_of, stack, V2 if stack == "pamoja" else V1)
    d.say(1, answer(12, 0, V2 if stack == "pamoja" else V1))
    assert (last_status(d).ok, last_status(d).needed, last_status(d).loss) == (False, N_FRAGS - 12, None)
    assert goes_on(d) == DATA


def test_none_missing_of_too_few_received_leaves_a_binary_transfer_unverified(drive, group_of):
    d = asked_alone(drive, group_of, stack="generic", kind="binary", redundancy=20, success_threshold=50)
    ask_and_say(d, 1, answer(12, 0))
    assert (last_status(d).ok, last_status(d).needed) == (False, None)
    ask_and_say(d, 2, answer(300, 0))
    d.wait(100_000)
    assert [(d.status, d.device(i).status) for i in (1, 2)] == [("SUCCEEDED", "unverified"), ("SUCCEEDED", "passed")]


@pytest.mark.parametrize("surplus", [0, 1])
def test_more_received_than_the_group_has_used_counters_is_no_complete_block(drive, group_of, surplus):
    d = asked_alone(drive, group_of, stack="generic", kind="binary", redundancy=20)
    group = d.machine.state.groups["meters"]
    ask_and_say(d, 1, answer(group.next_f_cnt - group.plan.first_f_cnt + surplus, 0))
    assert (last_status(d).ok, d.state(1).data is Data.COMPLETE) == (not surplus, not surplus)


# ---- LoRa Basics Modem -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1, V2])
def test_one_missing_fragment_after_a_reception_without_loss_counts_as_none(drive, group_of, version):
    d = adaptive(drive, group_of, "lbm", version)
    d.say(1, answer(32, 1, version))
    assert last_status(d).ok
    assert d.last_stage == VERIFY


def test_one_missing_fragment_after_losses_counts_as_one(drive, group_of):
    d = adaptive(drive, group_of, "lbm")
    d.say(1, answer(29, 1))
    assert (last_status(d).ok, last_status(d).needed) == (False, 1)
    assert goes_on(d) == DATA


def test_a_count_that_is_cut_to_eight_bits_is_not_zero(drive, group_of):
    """1024 missing fragments are 0 on the wire."""
    d = adaptive(drive, group_of, "lbm")
    d.say(1, answer(0, 0))
    assert (last_status(d).ok, last_status(d).needed) == (False, N_FRAGS)
    assert goes_on(d) == DATA


def test_a_blank_status_of_a_device_that_heard_nothing_is_not_completeness(drive, group_of):
    """2.0.0, before the first fragment: 01 00 00 00 00, with the FragIndex lost."""
    d = adaptive(drive, group_of, "lbm", V2)
    d.up(1, 201, bytes.fromhex("0100000000"))
    assert (last_status(d).ok, last_status(d).needed) == (False, N_FRAGS)


@pytest.mark.parametrize("payload", ["0104", "0106", "0104123456", "0106ffffff"])
def test_a_session_that_is_not_there_is_no_sign_that_fragments_are_lacking(drive, group_of, payload):
    """2.0.0; bytes that are left over may follow. It may have rebooted into the new firmware."""
    d = adaptive(drive, group_of, "lbm", V2)
    d.up(1, 201, bytes.fromhex(payload))
    assert (last_status(d).ok, last_status(d).needed) == (False, None)
    assert goes_on(d) == VERIFY


def test_answers_of_single_devices_may_be_delayed_as_if_many_were_asked(drive, group_of):
    d = adaptive(drive, group_of, "lbm", fsession_status_threshold=1000, kind="binary", answer_spread_max=16)
    d.sent(d.ask(1))
    d.wait(10 + 100 + 15)
    d.say(1, answer(32, 0))
    assert last_status(d).ok
    assert len(d.requests(1, STATUS)) == 1


def test_a_mic_error_that_the_status_does_not_show_is_told_by_the_device(drive, group_of):
    """A block without losses: one missing, and FragDataBlockReceivedReq with MICError."""
    d = adaptive(drive, group_of, "lbm", V2, kind="binary", ack_reception=True)
    d.say(1, fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=True))
    assert d.state(1).data is Data.WRONG
    assert (last_status(d).ok, last_status(d).reason) == (False, "image not valid: MIC error")
    d.say(1, answer(32, 1, V2))
    assert not last_status(d).ok
    d.wait(5000)
    assert d.status == "FAILED"


# ---- LoRaMac-node and ST ---------------------------------------------------------------------------------


def test_counted_losses_that_never_go_down_are_reduced_by_repairs(drive, group_of):
    """Three lost, and the number heard last. Of the two coded fragments nine in ten were heard."""
    d = adaptive(drive, group_of, "loramac-node", fsize=2, image=bytes(40))
    n_frags = d.campaign.plan.groups["meters"].n_frags
    d.say(1, answer(n_frags + 1, 3))
    assert (last_status(d).ok, last_status(d).needed) == (False, 3)
    assert last_status(d).loss == pytest.approx(3 / (n_frags + 1))  # Of the fragments sent, at least.


def test_losses_that_were_repaired_many_times_over_are_no_reason_for_another_round(drive, group_of):
    d = adaptive(drive, group_of, "loramac-node", fsize=2, image=bytes(40), loss=0.2)
    plan = d.campaign.plan.groups["meters"]
    d.say(1, answer(plan.n_frames, 2))
    assert (last_status(d).ok, last_status(d).needed) == (True, None)
    assert goes_on(d) == VERIFY


def test_losses_that_were_repaired_many_times_over_do_not_prove_a_binary_transfer(drive, group_of):
    d = adaptive(drive, group_of, "loramac-node", fsize=2, image=bytes(40), kind="binary", loss=0.2)
    d.say(1, answer(d.campaign.plan.groups["meters"].n_frames, 2))
    assert not last_status(d).ok
    d.wait(100_000)
    assert (d.status, d.device(1).status) == ("FAILED", "unverified")
    assert "missing fragments unknown" in d.device(1).reason


def test_a_stack_that_answers_in_the_other_layout_is_understood(drive, group_of):
    """ST's 2.0.0 build sends the status of 1.0.0: counts first, then the flags."""
    d = adaptive(drive, group_of, "st-v2", V2, fsize=40)
    d.say(1, answer(N_FRAGS - 5, 2, V1, not_enough_matrix_memory=True))
    assert last_status(d).reason == "missing 7 fragments"
    assert last_status(d).needed == 7, "the error bit is that of an earlier session: two losses fit into the memory"


def test_a_report_that_is_repeated_every_other_second_is_answered_once_at_a_time(drive, group_of):
    """ST says that its block is complete every 1.5 s until it is answered."""
    d = adaptive(drive, group_of, "generic", V2, kind="binary", ack_reception=True)
    for _ in range(6):
        d.say(1, fragmentation.FragDataBlockReceivedReq(frag_index=0))
        d.wait(1.5)
    waiting = [r for r in d.replies(1) if d.campaign.awaits_hand_over(r.id)]
    assert len(waiting) == len(d.replies(1)) == 1
    assert len(d.of(m.BlockReceived)) == 1


# ---- Zephyr ----------------------------------------------------------------------------------------------


def test_fragments_that_were_heard_twice_count_as_progress_and_prove_nothing(drive, group_of):
    """MissingFrag is M less all that was heard: 0 may be said by a device that still needs a fragment."""
    d = adaptive(drive, group_of, "zephyr", fsize=48, kind="binary")
    n_frags = d.campaign.plan.groups["meters"].n_frags
    d.say(1, answer(n_frags, 0))
    assert last_status(d).ok
    assert d.state(1).data is Data.LIKELY
    assert d.device(1).note == "complete by counts that are no proof"
    d.wait(5000)
    assert d.device(1).status == "unverified"


LARGE = {"fsize": 48, "image": bytes(300 * 48), "fsession_status_threshold": 1000}
"""300 fragments, whose devices are asked one by one."""


def asked_alone(drive: Any, group_of: Any, stack: str = "zephyr", **changes: Any) -> Any:
    """A group of two devices of a stack, about to be asked for their status by unicast."""
    stack_profile = updatable(stack)
    settings = {"redundancy": "adaptive", "stage_end": "all", "profiles": own(stack_profile), **LARGE, **changes}
    return drive(2, groups=(group_of(),), each={"profile": stack_profile.name}, stage=STATUS, **settings)


def ask_and_say(d: Any, i: int, command: Any) -> None:
    d.sent(d.ask(i))
    d.say(i, command)


@pytest.mark.parametrize("kind", ["binary", "firmware"])
def test_255_missing_after_an_answer_with_higher_counts_is_a_device_that_completed(drive, group_of, kind):
    """A surplus fragment was read as a setup: counts never fall otherwise."""
    d = asked_alone(drive, group_of, kind=kind)
    for i in (1, 2):
        ask_and_say(d, i, answer(280, 20))
    assert [last_status(d, i).needed for i in (1, 2)] == [20, 20]
    d.send_all()
    ask_and_say(d, 1, answer(5, 255))
    assert (last_status(d).ok, last_status(d).needed) == (True, None)
    assert d.state(1).data is Data.LIKELY


def test_255_missing_after_coded_fragments_is_no_verdict(drive, group_of):
    """It may be a device that heard next to nothing, or one whose counts were cleared. No round is sized by it."""
    d = asked_alone(drive, group_of, kind="binary", redundancy=60, success_threshold=50)
    ask_and_say(d, 1, answer(5, 255))
    assert (last_status(d).ok, last_status(d).needed, last_status(d).loss) == (False, None, None)
    ask_and_say(d, 2, answer(330, 0))
    d.wait(100_000)
    assert (d.status, d.device(1).status) == ("SUCCEEDED", "unverified")


def test_the_version_decides_about_255_missing(drive, group_of):
    d = asked_alone(drive, group_of, redundancy="adaptive", loss=0.15)
    assert d.campaign.plan.groups["meters"].row_plan.n_first > 5
    for i in (1, 2):
        ask_and_say(d, i, answer(5, 255))
    assert [(last_status(d, i).ok, last_status(d, i).needed) for i in (1, 2)] == [(True, None)] * 2
    assert d.stage == VERIFY


def test_255_missing_does_not_undo_an_earlier_answer(drive, group_of):
    d = asked_alone(drive, group_of, kind="binary")
    ask_and_say(d, 1, answer(300, 0))
    assert d.state(1).data is Data.LIKELY
    d.say(1, answer(2, 255))
    assert d.state(1).data is Data.LIKELY
    ask_and_say(d, 2, answer(290, 10))
    d.send_all()
    d.say(1, answer(3, 255))
    assert (d.state(1).data, d.state(1).needed) == (Data.LIKELY, None)


def test_a_device_that_heard_little_of_the_uncoded_fragments_lacks_them(drive, group_of):
    """No fragment is in surplus then."""
    d = asked_alone(drive, group_of, kind="binary")
    ask_and_say(d, 1, answer(5, 255))
    assert (last_status(d).ok, last_status(d).needed) == (False, 255)


def test_a_stack_that_corrupts_late_uncoded_fragments_is_not_sent_them_twice(config_of):
    binary = {"kind": "binary", "fw_version": None, "fsize": 48, "each": {"profile": "zephyr-lowmem"}}
    with pytest.raises(ParameterError, match="end with wrong bytes"):
        Campaign(config_of(1, redundancy=0, **binary), bytes(500))
    campaign = Campaign(config_of(1, redundancy="adaptive", **binary), bytes(500))
    assert campaign.plan.groups["meters"].rounds == 1


# ---- all of them -----------------------------------------------------------------------------------------


def test_several_answers_in_one_uplink(drive, group_of):
    d = adaptive(drive, group_of, "generic")
    d.say(1, answer(20, 3), answer(20, 2))
    assert last_status(d).needed == 3
    assert [e.needed for e in d.of(m.Answered) if e.ask == STATUS] == [3]


@pytest.mark.parametrize(("version", "flag"), [(V1, "not_enough_matrix_memory"), (V2, "memory_error")])
def test_a_device_without_memory_is_no_reason_for_another_round(drive, group_of, version, flag):
    d = adaptive(drive, group_of, "generic", version)
    d.say(1, answer(20, 10, version, **{flag: True}))
    assert (last_status(d).ok, last_status(d).needed) == (False, None)
    assert "its memory for the matrix is full" in last_status(d).reason
    assert goes_on(d) == VERIFY
    d.wait(100_000)
    assert d.status == "FAILED"


def test_a_device_that_says_nothing_about_its_status_is_judged_by_its_version(drive, group_of):
    """Actility's device code never sends the answer."""
    each = {"profile": "actility-l476", "fw_version": OLD}
    d = drive(1, each=each, redundancy="adaptive", fsession_status_threshold=0, fsize=1, stage=STATUS)
    d.wait(5)
    [*_, request] = d.frames()
    d.hand_over(request)
    d.summary(request)
    assert goes_on(d) == VERIFY
    d.sent(d.ask(1))
    d.say(1, firmware.DevVersionAns(fw_version=NEW, hw_version=1))
    d.wait(1000)
    assert d.status == "SUCCEEDED"


def test_counts_that_said_a_block_was_complete_are_no_proof_against_the_version(drive, group_of):
    """One missing, after a reception that may have been without loss; and then it runs the old version."""
    d = adaptive(drive, group_of, "lbm")
    d.say(1, answer(32, 1))
    assert d.state(1).data is Data.LIKELY
    d.wait(30)
    for _ in range(5):
        if d.last_stage != VERIFY:
            break
        d.sent(d.ask(1))
        d.say(1, firmware.DevVersionAns(fw_version=OLD, hw_version=1))
        d.wait(110)
    assert d.last_stage == DATA


# ---- session setup --------------------------------------------------------------------------------------------


def test_frag_session_setup_describes_the_block(drive, group_of):
    d = drive(1, groups=(group_of(mc_group_id=3),), fsize=8, frag_index=2, descriptor="0a0B0c0D", stage=FRAG)
    command = asked(d, module=fragmentation)
    assert command == fragmentation.FragSessionSetupReq(
        frag_index=2,
        mc_group_bit_mask=0b1000,
        nb_frag=4,
        frag_size=8,
        block_ack_delay=0,
        padding=2,
        descriptor=b"\x0a\x0b\x0c\x0d",
    )
    assert d.requests(1)[0].f_port == 201


def test_dialect_2_has_a_session_counter_and_room_for_the_mic(drive, group_of):
    d = drive(1, groups=(group_of(version="2.0.0"),), session_cnt=77, stage=FRAG)
    command = asked(d, module=fragmentation, version="2.0.0")
    assert (command.session_cnt, command.mic, command.ack_reception) == (77, bytes(4), True)


@pytest.mark.parametrize(
    "flag", ["frag_algo_unsupported", "not_enough_memory", "frag_index_unsupported", "wrong_descriptor"]
)
def test_every_error_bit_of_frag_session_setup_is_a_reason(drive, flag):
    d = drive(1, stage=FRAG)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0, **{flag: True}))
    assert len(d.requests(1, FRAG)) == 1
    d.clean_up()
    assert d.status == "FAILED"
    assert flag in d.device(1).reason


def test_an_answer_about_another_session_is_foreign(drive):
    d = drive(1, frag_index=1, stage=FRAG)
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0))
    assert d.stage == FRAG
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=1))
    assert d.stage == CLASS_C


def test_a_session_count_that_was_too_low_is_raised_and_the_setup_sent_once_more(in_setup):
    d = in_setup()
    d.say(1, REPLAY)
    d.wait(2)
    assert session_counts(d) == [7, 7 + 256]
    d.sent(d.ask(1))
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0))
    assert [(e.ok, e.reason) for e in d.of(Answered)][-1] == (True, "")
    assert d.state(2).session_cnt == 7, "each device has its own"


def test_a_session_count_that_is_still_too_low_is_a_refusal(in_setup):
    d = in_setup(success_threshold=50, stage_end="all")
    for _ in range(2):
        d.say(1, REPLAY)
        d.wait(2)
        d.sent(d.ask(1))
    assert session_counts(d) == [7, 263]
    assert d.device(1).reason == "refused in FragSessionSetup: session_cnt_replay"


def test_to_raise_the_count_uses_up_no_retry(in_setup):
    d = in_setup(msg_retries=0)
    d.say(1, REPLAY)
    d.wait(2)
    assert session_counts(d) == [7, 263]
    assert d.of(GivenUp) == []


def test_a_count_that_is_raised_stays_raised_in_resends(in_setup):
    d = in_setup(msg_retries=1)
    d.say(1, REPLAY)
    d.wait(2)
    d.sent(d.ask(1), ok=False)
    d.wait(2)
    assert session_counts(d) == [7, 263, 263]


def test_the_last_session_count_cannot_be_raised(in_setup):
    d = in_setup(session_cnt=0xFFFF)
    d.say(1, REPLAY)
    d.wait(2)
    assert session_counts(d) == [0xFFFF]
    assert d.of(Answered)[-1].ok is False
    assert d.device(1).reason == "refused in FragSessionSetup: session_cnt_replay"


def test_a_replay_beside_another_error_is_a_refusal(in_setup):
    d = in_setup()
    d.say(1, fragmentation.FragSessionSetupAns(frag_index=0, session_cnt_replay=True, wrong_descriptor=True))
    d.wait(2)
    assert session_counts(d) == [7]
    assert d.of(Answered)[-1].ok is False
    assert "wrong_descriptor" in d.device(1).reason


def test_a_repeated_replay_answer_raises_the_count_once(in_setup):
    d = in_setup(ucast_msg_delay=20_000)
    d.say(1, REPLAY, REPLAY)
    d.say(1, REPLAY)
    d.wait(50)
    assert session_counts(d) == [7, 263]


def test_a_device_of_dialect_1_that_holds_a_session_gets_a_delete_first(drive) -> None:
    d = drive(2, known=known(session_open=True), stage=FRAG)
    assert (d.asked(1), d.asked(2)) == ("FragSessionDelete", FRAG)
    assert d.command(d.ask(1)) == fragmentation.FragSessionDeleteReq(frag_index=0)
    d.succeed(1)
    d.succeed(2)
    assert (d.questions(1, FRAG), d.stage) == (["FragSessionDelete", FRAG], SESSION)


def test_a_delete_that_is_not_answered_does_not_stand_in_the_way(drive) -> None:
    d = drive(1, known=known(session_open=True), stage=FRAG)
    d.sent(d.ask(1))
    d.wait(135)
    assert d.asked(1) == FRAG
    d.succeed(1)
    assert (d.questions(1, FRAG), d.stage) == (["FragSessionDelete", FRAG], SESSION)


def test_a_delete_that_was_not_delivered_does_not_stand_in_the_way(drive) -> None:
    d = drive(1, known=known(session_open=True), msg_retries=0, stage=FRAG)
    d.sent(d.ask(1), ok=False)
    d.succeed(1)
    assert (d.questions(1, FRAG), d.stage) == (["FragSessionDelete", FRAG], SESSION)


def test_in_dialect_2_a_larger_count_restarts_the_session(drive, group_of) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),), known=known(session_open=True, session_cnt=3), stage=FRAG)
    assert d.asked(1) == FRAG


def test_a_device_that_is_mute_after_the_first_resend_gets_a_delete_before_the_next(drive) -> None:
    d = drive(1, msg_retries=3, stage=FRAG)
    for _ in range(2):
        d.sent(d.ask(1))
        d.wait(135)
    d.succeed(1)
    assert (d.questions(1, FRAG), d.stage) == ([FRAG, FRAG, "FragSessionDelete", FRAG], SESSION)


@pytest.mark.parametrize("retries", [0, 1, 2, 4])
def test_a_mute_device_is_asked_no_more_often_for_the_deletes_between(drive, retries) -> None:
    d = drive(1, msg_retries=retries, stage=FRAG)
    for _ in range(12):
        if d.status == "RUNNING":
            d.sent(d.ask(1))
            d.wait(135)
    assert d.device(1).reason == "no answer in FragSessionSetup"
    assert d.questions(1, FRAG).count(FRAG) == 1 + retries
    assert d.questions(1, FRAG).count("FragSessionDelete") == max(0, retries - 1)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_mute_device_of_dialect_2_gets_no_delete(drive, group_of, version) -> None:
    d = drive(1, groups=(group_of(version=version),), stage=FRAG)
    for _ in range(2):
        d.sent(d.ask(1))
        d.wait(135)
    assert (d.asked(1) == FRAG) is (version == "2.0.0")


# ---- changes of the device's state -----------------------------------------------------------------------


@pytest.mark.parametrize(("version", "last"), [("1.0.0", None), ("2.0.0", 1)])
def test_a_session_setup_that_is_requested_counts_as_an_open_session(drive, group_of, version, last) -> None:
    d = drive(1, groups=(group_of(version=version),))
    device = d.state(1)
    questions.FRAG_SESSION_SETUP.sent(d.machine.state, device, d.now)
    assert (device.session_open, device.session_set_up, device.last_session_cnt) == (True, True, last)
    assert device.dev_eui in d.machine.state.changed_devices


def test_a_raised_session_count_is_raised_by_256_and_ends_at_16_bits(drive, group_of) -> None:
    d = drive(1, groups=(group_of(version="2.0.0"),))
    device = d.state(1)
    questions.FRAG_SESSION_SETUP.again(d.machine.state, device)
    assert (device.session_cnt, device.session_raised) == (257, True)
    device.session_cnt = 0xFFF0
    questions.FRAG_SESSION_SETUP.again(d.machine.state, device)
    assert device.session_cnt == 0xFFFF


@pytest.mark.parametrize("question", [questions.FRAG_SESSION_DELETE, questions.CLOSE_FRAG_SESSION])
@pytest.mark.parametrize("missing", [False, True])
def test_a_session_delete_succeeds_whether_the_session_existed_or_not(drive, question, missing) -> None:
    d = drive(1, stage="McClassCSession")
    state, device = d.machine.state, d.state(1)
    assert device.session_open
    answer = fragmentation.FragSessionDeleteAns(frag_index=0, session_does_not_exist=missing)
    assert question.read(state, device, answer, d.now) is questions.OK
    question.done(state, device)
    assert (device.session_open, device.session_set_up) == (False, False)


@pytest.mark.parametrize(
    ("mic_error", "ok", "reason"), [(False, True, ""), (True, False, "image not valid: MIC error")]
)
def test_a_report_of_a_block_is_a_verdict(drive, mic_error, ok, reason) -> None:
    d = drive(1)
    report = fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=mic_error)
    verdict = questions.FRAG_SESSION_STATUS.read(d.machine.state, d.state(1), report, d.now)
    assert (verdict.ok, verdict.reason) == (ok, reason)
    assert questions.FRAG_SESSION_STATUS.volunteered == (fragmentation.FragDataBlockReceivedReq,)


def test_a_fragment_has_a_number_in_place_of_a_command_and_no_answer(drive) -> None:
    d = drive(1)
    state, device = d.machine.state, d.state(1)
    assert questions.DATA_FRAGMENT.frag_nb is not None
    assert questions.DATA_FRAGMENT.frag_nb(state, device) == 5
    questions.DATA_FRAGMENT.done(state, device)
    assert device.n_repaired == 1
    assert questions.DATA_FRAGMENT.frag_nb(state, device) == 4
    with pytest.raises(AssertionError, match="a fragment has no command"):
        questions.DATA_FRAGMENT.request(state, device, d.now)


def test_the_status_after_a_repair_asks_for_more_fragments_while_rows_are_left(drive) -> None:
    d = drive(1, kind="binary", redundancy="adaptive", unicast_repair_max=1, stage="McClassCSession", session_cnt=1)
    state, device = d.machine.state, d.state(1)
    lacking = fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=2, missing_frag=1)
    plain = questions.FRAG_SESSION_STATUS.read(state, device, lacking, d.now)
    more = questions.REPAIR_STATUS.read(state, device, lacking, d.now)
    assert (plain.again, more.again, set(more.first)) == ("", "now", {"DataFragment"})
    assert replace(more, again="", first=()) == plain
    device.n_repaired = state.groups["meters"].rows_left
    assert questions.REPAIR_STATUS.read(state, device, lacking, d.now).again == ""
