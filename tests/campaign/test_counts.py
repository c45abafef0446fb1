"""What real stacks say that is not so (TS004, Divergences): an adaptive campaign, and a binary transfer, end right."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.state import Data
from fuota_fec.errors import ParameterError
from fuota_fec.wire import firmware, fragmentation

STATUS, DATA, VERIFY = "FragSessionStatus", "DlFragment", "CompletionVerification"
V1, V2 = "1.0.0", "2.0.0"
N_FRAGS = 30
OLD, NEW = 0x01000000, 0x02000000


def adaptive(
    drive: Any, group_of: Any, stack: str, version: str = V1, n_devices: int = 1, *, image: bytes = b"", **changes: Any
) -> Any:
    """A firmware update of devices of a stack, whose group is about to be asked for its status."""
    settings = {"redundancy": "adaptive", "fsession_status_threshold": 0, "fsize": 1, "stage_end": "all"} | changes
    group = group_of(version=version, mc_version=version)
    each = {"profile": stack, "fw_version": OLD}
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


# ---- LoRa Basics Modem -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1, V2])
def test_one_missing_after_a_reception_without_any_loss_is_none(drive, group_of, version):
    d = adaptive(drive, group_of, "lbm", version)
    d.say(1, answer(32, 1, version))
    assert last_status(d).ok
    assert d.last_stage == VERIFY


def test_one_missing_of_a_device_that_lost_something_is_one(drive, group_of):
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


def test_losses_that_never_go_down_are_less_what_was_repaired(drive, group_of):
    """Three lost, and the number heard last. Of the two coded fragments nine in ten were heard."""
    d = adaptive(drive, group_of, "loramac-node", fsize=2, image=bytes(40))
    n_frags = d.campaign.plan.groups["meters"].n_frags
    d.say(1, answer(n_frags + 1, 3))
    assert (last_status(d).ok, last_status(d).needed) == (False, 3)
    assert last_status(d).loss == pytest.approx(3 / n_frags)


def test_losses_that_were_repaired_many_times_over_are_no_reason_for_another_round(drive, group_of):
    d = adaptive(drive, group_of, "loramac-node", fsize=2, image=bytes(40), loss=0.2)
    plan = d.campaign.plan.groups["meters"]
    d.say(1, answer(plan.n_frames, 2))
    assert (last_status(d).ok, last_status(d).needed) == (True, None)
    assert goes_on(d) == VERIFY


def test_they_do_not_prove_a_binary_transfer_either(drive, group_of):
    d = adaptive(drive, group_of, "loramac-node", fsize=2, image=bytes(40), kind="binary", loss=0.2)
    d.say(1, answer(d.campaign.plan.groups["meters"].n_frames, 2))
    assert not last_status(d).ok
    d.wait(100_000)
    assert (d.status, d.device(1).status) == ("FAILED", "unverified")
    assert "missing fragments unknown" in d.device(1).reason


def test_a_stack_that_answers_in_the_other_layout_is_understood(drive, group_of):
    """ST's 2.0.0 build sends the status of 1.0.0: counts first, then the flags."""
    d = adaptive(drive, group_of, "st-v2", V2, fsize=40)
    d.say(1, answer(N_FRAGS - 5, 0, V1, not_enough_matrix_memory=True))
    assert "its memory for the matrix is full" in last_status(d).reason


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


def test_a_stack_that_corrupts_late_uncoded_fragments_is_not_sent_them_twice(config_of):
    with pytest.raises(ParameterError, match="end with wrong bytes"):
        Campaign(config_of(1, fsize=48, redundancy=0, each={"profile": "zephyr-lowmem"}), bytes(500))
    campaign = Campaign(config_of(1, fsize=48, redundancy="adaptive", each={"profile": "zephyr-lowmem"}), bytes(500))
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
