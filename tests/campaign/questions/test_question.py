"""Questions in general: their common form, refusals and verdicts."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from fuota_fec.campaign import questions
from fuota_fec.campaign.questions import OK, PREPARATORY, Question, refusal
from fuota_fec.campaign.questions.question import data_complete, verdict_of
from fuota_fec.campaign.state import Data
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.commands import Command, PackageVersionAns


def test_refusal_names_the_flags_that_are_set() -> None:
    assert refusal(multicast.McGroupSetupAns(mc_group_id=3)) == ""
    both = fragmentation.FragSessionSetupAns(frag_index=1, not_enough_memory=True, wrong_descriptor=True)
    assert refusal(both) == "not_enough_memory, wrong_descriptor"


def test_a_group_number_is_no_refusal() -> None:
    """mc_group_id 1 is not the flag True."""
    assert refusal(multicast.McGroupSetupAns(mc_group_id=1)) == ""
    assert refusal(fragmentation.FragSessionSetupAns(frag_index=1)) == ""


# ---- every question --------------------------------------------------------------------------------------

ANSWERS: dict[str, tuple[type[Command], ...]] = {
    "BASE_VERSION": (firmware.DevVersionAns,),
    "CANCEL_REBOOT": (firmware.DevRebootTimeAns,),
    "CLOSE_FRAG_SESSION": (fragmentation.FragSessionDeleteAns,),
    "DATA_FRAGMENT": (),
    "DEV_DELETE_IMAGE": (firmware.DevDeleteImageAns,),
    "DEV_REBOOT_TIME": (firmware.DevRebootTimeAns,),
    "DEV_VERSION": (firmware.DevVersionAns,),
    "FORCE_DEVICE_RESYNC": (clock.AppTimeReq,),
    "FRAG_SESSION_DELETE": (fragmentation.FragSessionDeleteAns,),
    "FRAG_SESSION_SETUP": (fragmentation.FragSessionSetupAns,),
    "FRAG_SESSION_STATUS": (fragmentation.FragSessionStatusAns, fragmentation.FragDataBlockReceivedReq),
    "INSTALLED_VERSION": (firmware.DevVersionAns,),
    "LAST_VERSION": (firmware.DevVersionAns,),
    "MC_GROUP_DELETE": (multicast.McGroupDeleteAns,),
    "MC_GROUP_SETUP": (multicast.McGroupSetupAns,),
    "REPEATED_GROUP_SETUP": (multicast.McGroupSetupAns,),
    "REPAIR_STATUS": (
        fragmentation.FragSessionStatusAns,
        fragmentation.FragDataBlockReceivedReq,
        firmware.DevVersionAns,
    ),
    "RUNNING_VERSION": (firmware.DevVersionAns,),
    "RUNNING_VERSION_ONCE": (firmware.DevVersionAns,),
    "SESSION": (multicast.McClassCSessionAns,),
    "UPGRADE_IMAGE": (firmware.DevUpgradeImageAns, firmware.DevVersionAns),
}
"""Commands that a question reads, by its name in `questions`."""

UPLINKS: tuple[Command, ...] = (
    clock.AppTimeReq(device_time=1, ans_required=True, token_req=1),
    firmware.DevVersionAns(fw_version=0x02000000, hw_version=1),
    firmware.DevRebootTimeAns(reboot_time=5),
    firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT),
    firmware.DevRebootCountdownAns(countdown=5),
    firmware.DevUpgradeImageAns(up_image_status=0),
    firmware.DevDeleteImageAns(),
    fragmentation.FragSessionSetupAns(frag_index=0),
    fragmentation.FragSessionDeleteAns(frag_index=0),
    fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=3, missing_frag=0),
    fragmentation.FragDataBlockReceivedReq(frag_index=0),
    multicast.McGroupSetupAns(mc_group_id=0),
    multicast.McGroupDeleteAns(mc_group_id=0),
    multicast.McClassBSessionAns(mc_group_id=0, time_to_start=100),
    multicast.McClassCSessionAns(mc_group_id=0, time_to_start=100),
    PackageVersionAns(package_identifier=9, package_version=1),
)


@pytest.fixture(scope="module")
def driven(drive):
    """A campaign whose sessions are fixed, with a reboot time."""
    return drive(1, stage="McClassCSession", requires_fw_version="1.0.0.0", reboot=1_800_050_000.0)


def test_every_question_is_in_the_table_of_answers() -> None:
    named = {name for name, value in vars(questions).items() if isinstance(value, Question)}
    assert named == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_question_reads_its_answers_and_no_other_command(driven, name) -> None:
    question, device = getattr(questions, name), driven.state(1)
    state = driven.machine.state
    read = {type(command) for command in UPLINKS if question.read(state, device, command, driven.now) is not None}
    assert read == set(ANSWERS[name])


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "DATA_FRAGMENT"])
def test_a_question_reads_nothing_of_another_group_or_session(driven, name) -> None:
    question, device = getattr(questions, name), driven.state(1)
    state = driven.machine.state
    others = [
        replace(command, **{field: 3})
        for command in UPLINKS
        for field in ("mc_group_id", "frag_index")
        if hasattr(command, field)
    ]
    assert len(others) == 8
    assert [c for c in others if question.read(state, device, c, driven.now) is not None] == []


@pytest.mark.parametrize("name", ANSWERS)
def test_a_question_goes_to_the_port_of_its_answers(driven, name) -> None:
    ports = driven.campaign.config.ports
    port_of = {multicast: ports.multicast, fragmentation: ports.fragmentation, clock: ports.clock}
    modules = {cls.__module__ for cls in ANSWERS[name]} or {fragmentation.__name__}
    expected = {port for module, port in port_of.items() if module.__name__ in modules} or {ports.firmware}
    assert getattr(questions, name).port(ports) in expected


def test_preparatory_questions_are_named_as_they_are_asked() -> None:
    assert {name: question.name for name, question in PREPARATORY.items()} == {name: name for name in PREPARATORY}


def test_a_question_changes_nothing_unless_it_names_a_change(driven) -> None:
    plain = Question(name="x", port=lambda ports: ports.clock, request=lambda *_: None, read=lambda *_: None)
    state, device = driven.machine.state, driven.state(1)
    before = copy.copy(device)
    plain.sent(state, device, driven.now)
    plain.done(state, device)
    plain.again(state, device)
    assert device == before
    assert plain.not_after(state, device) is None


# ---- verdicts --------------------------------------------------------------------------------------------


def test_a_verdict_is_success_unless_error_flags_are_set() -> None:
    assert verdict_of(multicast.McGroupSetupAns(mc_group_id=3)) is OK
    verdict = verdict_of(multicast.McGroupSetupAns(mc_group_id=3, id_error=True))
    assert (verdict.ok, verdict.reason, verdict.again) == (False, "refused in McGroupSetup: id_error", "")


@pytest.mark.parametrize(("note", "data"), [("", Data.COMPLETE), ("by counts", Data.LIKELY)])
def test_data_is_complete_or_likely_by_the_note_of_the_verdict(driven, note, data) -> None:
    device = replace(driven.state(1), note=note)
    data_complete(driven.machine.state, device)
    assert device.data is data


def test_complete_data_does_not_become_likely(driven) -> None:
    device = replace(driven.state(1), note="by counts", data=Data.COMPLETE)
    data_complete(driven.machine.state, device)
    assert device.data is Data.COMPLETE
