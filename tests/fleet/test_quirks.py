"""Quirks of virtual devices: as recorded from device stacks, and as their profiles state."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuota_fec as ff
from fuota_fec.devices.profiles import (
    PROFILES,
    DeviceProfile,
    LateUncoded,
    MissingCount,
    RebootVerb,
    ReceivedCount,
    profile,
)
from fuota_fec.devices.status_reading import Completion, read_status
from fuota_fec.fleet.device import VirtualDevice
from fuota_fec.fleet.quirks import AS_SPECIFIED
from fuota_fec.wire import firmware, fragmentation, keys, multicast
from fuota_fec.wire.clock import gps_from_unix, unix_from_gps
from fuota_fec.wire.commands import Command

NOW = 1_800_000_000.0
GPS_NOW = int(gps_from_unix(NOW))
ROOT = keys.Key(bytes(range(16)))
IMAGE = bytes(range(50, 93)) * 4
"""172 bytes: 18 fragments of 10 with 8 bytes of padding."""
N_FRAGS = 18
NEW_VERSION = 0x02000000
PACKAGES = {"TS005": (200, multicast.decode), "TS004": (201, fragmentation.decode), "TS006": (203, firmware.decode)}
VECTORS = Path(__file__).parent.parent / "vectors"


def vectors(name: str, **having: Any) -> list[Any]:
    items = json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    chosen = [v for v in items if all(v[key] == value for key, value in having.items())]
    return [pytest.param(v, id=f"v{v['version']}-{v.get('name', v.get('label'))}") for v in chosen]


class AtOnce:
    """Answers without delay."""

    def uniform(self, *_: float) -> float:
        return 0.0

    random = uniform


def device_of(stack: DeviceProfile = AS_SPECIFIED, **settings: Any) -> VirtualDevice:
    defaults = {
        "dev_eui": f"{1:016x}",
        "root_key": ROOT,
        "releases": {hashlib.sha256(IMAGE).digest(): NEW_VERSION},
        "rng": AtOnce(),
        "profile": stack,
        "process_time": 1000.0,
    }
    return VirtualDevice(**{**defaults, **settings})


def said(device: VirtualDevice, now: float = NOW) -> bytes:
    return b"".join(payload for _, payload in device.advance(now))


def ask(device: VirtualDevice, command: Command, now: float = NOW) -> list[Command]:
    """The answers, decoded as the profile demands."""
    port, decode = {
        "multicast": (200, multicast.decode),
        "fragmentation": (201, fragmentation.decode),
        "firmware": (203, firmware.decode),
    }[type(command).__module__.rpartition(".")[2]]
    device.receive(port, command.encode(), now)
    version = {
        200: device.mc_version,
        201: device.profile.status_version(device.version),
        203: "1.0.0",
    }[port]
    return decode(said(device, now), uplink=True, version=version)


def block_of(version: str = "1.0.0", n_coded: int = 40) -> ff.FragmentedBlock:
    return ff.prepare(IMAGE, 10, n_coded=n_coded, version=version)


def setup_of(device: VirtualDevice, **changes: Any) -> fragmentation.FragSessionSetupReq:
    fields: dict[str, Any] = {"mc_group_bit_mask": 1, "block_ack_delay": 0}
    if device.version == "2.0.0":
        mic = keys.data_block_mic(
            keys.data_block_int_key(ROOT), session_cnt=1, frag_index=0, descriptor=bytes(4), data=IMAGE
        )
        fields |= {"session_cnt": 1, "mic": mic}
    return replace(block_of(device.version).setup_request(**fields), **changes)


def open_session(stack: DeviceProfile, **changes: Any) -> VirtualDevice:
    device = device_of(stack)
    [answer] = ask(device, setup_of(device, **changes))
    assert answer == fragmentation.FragSessionSetupAns(frag_index=changes.get("frag_index", 0))
    return device


def hear(device: VirtualDevice, numbers: Iterable[int], frag_index: int = 0) -> VirtualDevice:
    block = ff.prepare(IMAGE, 10, n_coded=40, version=device.version, frag_index=frag_index)
    for n in numbers:
        device.receive(201, bytes(block.frame(n)), NOW)
    return device


def status(device: VirtualDevice, participants: bool = True, frag_index: int = 0) -> Any:
    """FragSessionStatusAns; None if there is no answer."""
    answers = ask(device, fragmentation.FragSessionStatusReq(frag_index=frag_index, participants=participants))
    return answers[0] if answers else None


def small(**changes: Any) -> DeviceProfile:
    return replace(AS_SPECIFIED, name="mine", **changes)


# ---- recorded stacks -------------------------------------------------------------------------------------

NOT_MODELLED = {
    ("TS006", "countdown"),  # The profile names the one request to be used.
    ("TS006", "countdown cancel"),
    ("TS006", "wrong hardware"),  # An image has no hardware version here.
    ("TS006", "two commands in one frame"),  # One uplink per answer.
    ("TS005", "setup cut short"),
}


@pytest.mark.parametrize("dialog", vectors("dialogs"))
def test_lbm_answers_as_the_recorded_dialogs(dialog) -> None:
    port, decode = PACKAGES[dialog["package"]]
    version = f"{dialog['version']}.0.0"
    stack = profile("lbm")
    device = device_of(
        stack,
        region="EU868",
        version=version,
        mc_version=version,
        fw_version=0x11223344,
        hw_version=0x12345678,
        root_key=keys.Key(bytes.fromhex(dialog.get("root_key") or "00" * 16)),
        releases={hashlib.sha256(b"valid").digest(): 0x17011973},
    )
    n_compared = 0
    for step in dialog["steps"]:
        now = NOW
        if "device_gps_time" in step:
            device.clock_set = step["device_gps_time"] is not None
            now = unix_from_gps(step["device_gps_time"] or GPS_NOW)
        if "image_status" in step:
            device.stored = {None: None, 0: None, 1: b"corrupt", 2: b"other", 3: b"valid"}[step["image_status"]]
        group_id = None if step["via"] == "unicast" else int(step["via"][-1])
        device.receive(port, bytes.fromhex(step["request"]), now, group=group_id)
        answer = said(device, now)
        what = step.get("what", "")
        if step["request"] == "03ffffff":
            what = "countdown cancel"
        if (dialog["package"], what) in NOT_MODELLED or (dialog["package"], f"{what}, {dialog['version']}") in (
            NOT_MODELLED
        ):
            continue
        n_compared += 1
        expected = bytes.fromhex(step["answer"] or "")
        assert decode(answer, uplink=True, version=version) == decode(expected, uplink=True, version=version), step
    assert n_compared


# ---- late uncoded fragments ------------------------------------------------------------------------------

ORDER = [n for n in range(1, N_FRAGS + 1) if n not in (3, 7, 8)]
"""All but three."""


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_corrupting_late_fragments_are_noticed_by_boot_loader_or_mic_only(version) -> None:
    device = device_of(small(late_uncoded=LateUncoded.CORRUPTS), version=version)
    ask(device, setup_of(device))
    hear(device, [*ORDER, N_FRAGS + 1, 3, 7, 8, *range(N_FRAGS + 2, N_FRAGS + 41)])
    answer = status(device)
    assert answer.missing_frag == 0
    if version == "2.0.0":
        assert answer.mic_error
        assert device.stored is None
        return
    assert device.stored is not None
    assert len(device.stored) == len(IMAGE)
    assert device.stored != IMAGE
    assert ask(device, firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=1)]
    device.advance(NOW + 2000)
    assert (device.n_reboots, device.image) == (1, None)


def test_late_fragments_of_a_corrupting_stack_are_kept_until_the_first_coded_one() -> None:
    device = open_session(small(late_uncoded=LateUncoded.CORRUPTS))
    hear(device, [*ORDER, 3, 8, N_FRAGS + 1, N_FRAGS + 2, N_FRAGS + 3, N_FRAGS + 4])
    assert device.stored == IMAGE


def test_a_second_round_corrupts_most_blocks_of_a_corrupting_stack() -> None:
    """A second round after the first coded fragments."""
    wrong = 0
    for seed in range(5):
        device = open_session(replace(profile("zephyr-lowmem"), min_frag_size=1, frag_size_multiple=1))
        rng = np.random.default_rng(seed)
        sent = [*range(1, N_FRAGS + 1), N_FRAGS + 1, N_FRAGS + 2, *range(1, N_FRAGS + 1)]
        sent += range(N_FRAGS + 3, N_FRAGS + 41)
        hear(device, [n for n in sent if rng.random() > 0.15])
        wrong += device.stored is not None and device.stored != IMAGE
    assert wrong >= 3


# ---- sessions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("restarts", "left"), [(True, 0), (False, 3)])
def test_a_repeated_setup_discards_fragments_by_setup_restarts(restarts, left) -> None:
    device = hear(open_session(small(setup_restarts=restarts)), [1, 2, 3])
    assert ask(device, setup_of(device)) == [fragmentation.FragSessionSetupAns(frag_index=0)]
    assert status(device).nb_frag_received == left
    ask(device, setup_of(device, descriptor=b"new!"))
    assert status(device).nb_frag_received == 0


@pytest.mark.parametrize(
    ("stack", "setup"),
    [
        ({"max_frags": 17}, {}),
        ({"max_frag_size": 9}, {}),
        ({"min_frag_size": 11}, {}),
        ({"frag_size_multiple": 4}, {}),
        ({"max_image_len": len(IMAGE) - 1}, {}),
    ],
)
def test_a_block_beyond_the_memory_of_the_stack_is_refused(stack, setup) -> None:
    device = device_of(small(**stack))
    assert ask(device, setup_of(device, **setup)) == [
        fragmentation.FragSessionSetupAns(frag_index=0, not_enough_memory=True)
    ]
    assert status(device) is None


def test_a_frag_index_beyond_the_sessions_of_the_stack_is_refused() -> None:
    device = device_of(small(n_sessions=2, n_decoders=2))
    assert ask(device, setup_of(device, frag_index=1)) == [fragmentation.FragSessionSetupAns(frag_index=1)]
    assert ask(device, setup_of(device, frag_index=2)) == [
        fragmentation.FragSessionSetupAns(frag_index=2, frag_index_unsupported=True)
    ]


@pytest.mark.parametrize("n_decoders", [1, 2, 4])
def test_sessions_that_share_a_decoder_discard_each_other_s_fragments(n_decoders) -> None:
    device = hear(open_session(small(n_decoders=n_decoders)), [1, 2, 3])
    ask(device, setup_of(device, frag_index=1))
    assert status(device).nb_frag_received == (0 if n_decoders == 1 else 3)
    hear(device, [4, 5], frag_index=1)
    assert status(device).nb_frag_received == (2 if n_decoders == 1 else 3)
    ask(device, setup_of(device, frag_index=2))
    assert status(device).nb_frag_received == (3 if n_decoders == 4 else 0)
    twin = pickle.loads(pickle.dumps(device))
    hear(twin, [6], frag_index=2)
    assert status(twin).nb_frag_received == {1: 1, 2: 1, 4: 3}[n_decoders]


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize(("n_lost", "completes"), [(2, True), (3, False)])
def test_more_losses_than_the_memory_can_solve_are_reported_and_never_solved(version, n_lost, completes) -> None:
    device = device_of(small(max_losses=2, late_uncoded=LateUncoded.DROPPED), version=version)
    ask(device, setup_of(device))
    hear(device, range(n_lost + 1, N_FRAGS + 41))
    answer = status(device)
    flag = answer.not_enough_matrix_memory if version == "1.0.0" else answer.memory_error
    assert flag is not completes
    assert (device.stored == IMAGE) is completes
    assert answer.missing_frag == (0 if completes else n_lost)
    hear(device, range(1, N_FRAGS + 1))
    assert (device.stored == IMAGE) is completes


def test_a_share_of_the_block_may_bound_the_losses_solved() -> None:
    for n_lost, completes in ((3, True), (4, False)):
        device = open_session(small(max_loss_share=0.2))
        hear(device, range(n_lost + 1, N_FRAGS + 41))
        assert (device.stored is not None) is completes


def test_a_session_that_cannot_be_deleted_is_kept() -> None:
    device = hear(open_session(small(frag_session_delete=False)), [1, 2])
    assert ask(device, fragmentation.FragSessionDeleteReq(frag_index=0)) == []
    assert status(device).nb_frag_received == 2


@pytest.mark.parametrize(("ack_reception", "checked"), [(True, True), (False, False)])
def test_a_mic_may_be_checked_only_with_ack_reception(ack_reception, checked) -> None:
    device = device_of(profile("st-v2").replace(stores_wrong_mic=False))
    spoilt = {"mic": bytes(4), "ack_reception": ack_reception, "frag_size": 40, "nb_frag": 5, "padding": 28}
    ask(device, setup_of(device, **spoilt))
    block = ff.prepare(IMAGE, 40, version="2.0.0")
    for n in range(1, 6):
        device.receive(201, bytes(block.frame(n)), NOW)
    assert (device.stored is None) is checked


# ---- counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "missing", "numbers", "counts"),
    [
        (ReceivedCount.ALL, MissingCount.NEEDED, [1, 2, 5, 5, 19], (5, 14)),
        (ReceivedCount.LAST_NUMBER, MissingCount.LOST, [], (0, 0)),
        (ReceivedCount.LAST_NUMBER, MissingCount.LOST, [1, 2, 5], (5, 2)),
        (ReceivedCount.LAST_NUMBER, MissingCount.LOST, [*ORDER, 19, 20, 21, 22, 23, 24], (22, 3)),
        (ReceivedCount.LAST_NUMBER, MissingCount.LOST, range(1, 19), (18, 0)),
        (ReceivedCount.LAST_NUMBER_LESS_LOST, MissingCount.NEEDED_OR_ONE, [], (0, 18)),
        (ReceivedCount.LAST_NUMBER_LESS_LOST, MissingCount.NEEDED_OR_ONE, [4, 1], (0x3FFE, 17)),
        (ReceivedCount.LAST_NUMBER_LESS_LOST, MissingCount.NEEDED_OR_ONE, range(1, 19), (18, 1)),
        (ReceivedCount.LAST_NUMBER_LESS_LOST, MissingCount.NEEDED_OR_ONE, [*ORDER, 19, 20, 21, 22, 23], (19, 0)),
        (ReceivedCount.ALL, MissingCount.NOT_HEARD, [1, 1, 1, 20], (4, 14)),
        (ReceivedCount.ALL, MissingCount.NOT_HEARD, [1] * 30, (30, 0)),
    ],
)
def test_status_counts_what_the_stack_counts(received, missing, numbers, counts) -> None:
    device = open_session(small(received_count=received, missing_count=missing, late_uncoded=LateUncoded.DROPPED))
    answer = status(hear(device, numbers))
    assert (answer.nb_frag_received, answer.missing_frag) == counts
    silent = status(device, participants=False) is None
    assert silent is (counts[1] == 0)


@pytest.mark.parametrize(
    ("missing", "n_frags", "said_missing"),
    [
        (MissingCount.NEEDED, 1024, 255),
        (MissingCount.NEEDED_OR_ONE, 1024, 0),
        (MissingCount.NEEDED_OR_ONE, 300, 44),
        (MissingCount.NOT_HEARD, 300, 255),
    ],
)
def test_a_missing_count_above_a_byte_is_cut_or_saturates(missing, n_frags, said_missing) -> None:
    device = device_of(small(missing_count=missing))
    ask(device, setup_of(device, nb_frag=n_frags))
    assert status(device).missing_frag == said_missing


def test_status_may_have_the_layout_of_the_other_dialect() -> None:
    device = open_session(replace(profile("st-v2"), min_frag_size=1, frag_size_multiple=1))
    hear(device, [1, 2, 5])
    device.receive(201, fragmentation.FragSessionStatusReq(frag_index=0, participants=True).encode(), NOW)
    answer = said(device)
    assert answer.hex() == "01" + "0500" + "02" + "00"


def test_a_stack_may_never_answer_status_requests() -> None:
    device = hear(open_session(small(answers_status=False)), range(1, 19))
    assert status(device) is None
    assert device.stored == IMAGE


@pytest.mark.parametrize("stack", PROFILES)
@given(data=st.data())
def test_the_reading_of_a_status_answer_is_true(stack: str, data: st.DataObject) -> None:
    """Fragments are sent once, in order; the profile reads the answer."""
    quirks = replace(
        profile(stack),
        min_frag_size=1,
        frag_size_multiple=1,
        max_frags=16383,
        answers_status=True,
        status_silences=False,
    )
    version = data.draw(st.sampled_from(quirks.dialects))
    n_coded = data.draw(st.integers(0, 12))
    lost = data.draw(st.sets(st.integers(1, N_FRAGS + n_coded), max_size=8))
    device = device_of(quirks, version=version)
    ask(device, setup_of(device))
    hear(device, [n for n in range(1, N_FRAGS + n_coded + 1) if n not in lost])
    reading = read_status(quirks, status(device), N_FRAGS, once=n_coded == 0)
    complete = device.stored == IMAGE
    if reading.completion in (Completion.COMPLETE, Completion.INCOMPLETE):
        certain = quirks.missing_count is not MissingCount.NOT_HEARD or n_coded == 0
        assert (reading.completion is Completion.COMPLETE) == complete or not certain
    else:
        assert reading.completion in (Completion.LIKELY, Completion.UNKNOWN)


# ---- groups and firmware ---------------------------------------------------------------------------------


def group_request(mc_group_id: int = 0) -> multicast.McGroupSetupReq:
    return multicast.McGroupSetupReq(
        mc_group_id=mc_group_id, mc_addr=7 + mc_group_id, mc_key_encrypted=bytes(16), min_mc_fcnt=0, max_mc_fcnt=100
    )


def test_groups_are_listed_as_far_as_they_fit() -> None:
    for longest, n_listed in ((None, 4), (15, 2), (3, 0)):
        device = device_of(small(max_answer_len=longest))
        for i in range(4):
            ask(device, group_request(i))
        [answer] = ask(device, multicast.McGroupStatusReq(req_group_mask=15))
        assert (answer.nb_total_groups, [item.mc_addr for item in answer.items]) == (4, [7, 8, 9, 10][:n_listed])
    [answer] = ask(device_of(), multicast.McGroupStatusReq(req_group_mask=15))
    assert (answer.nb_total_groups, answer.items) == (0, ())


def test_the_first_frame_counter_may_be_bounded_to_16_bits() -> None:
    """A higher counter is refused until a frame with a counter within 16 bits was received."""
    mc_key = keys.Key(bytes(range(1, 17)))
    wrapped = keys.wrap_mc_key(keys.mc_ke_key(keys.mc_root_key(ROOT)), mc_key)
    for cut in (True, False):
        device = device_of(small(first_f_cnt_16_bits=cut))
        ask(device, replace(group_request(), mc_key_encrypted=wrapped, max_mc_fcnt=100_000))
        ask(device, multicast.McClassCSessionReq(**{**SESSION, "session_time": GPS_NOW}))
        received = [
            device.receive_multicast(7, keys.mc_app_s_key(mc_key, 7), f_cnt, 201, b"\x08", NOW)
            for f_cnt in (70_000, 65_535, 70_001)
        ]
        assert received == ([False, True, True] if cut else [True, False, True])


SESSION = {"mc_group_id": 0, "session_time": GPS_NOW + 256, "time_out": 3, "dl_frequency_hz": 869_525_000, "dr": 3}


@pytest.mark.parametrize(
    ("stack", "request_"),
    [
        ({"mc_group_status": False}, multicast.McGroupStatusReq(req_group_mask=1)),
        ({"mc_group_delete": False}, multicast.McGroupDeleteReq(mc_group_id=0)),
        (
            {"class_b": False},
            multicast.McClassBSessionReq(**{**SESSION, "session_time": (GPS_NOW // 128 + 3) * 128}, periodicity=4),
        ),
        ({"class_c": False}, multicast.McClassCSessionReq(**SESSION)),
        ({"ts006": False, "reboot_verb": RebootVerb.NONE}, firmware.DevVersionReq()),
        ({"ts006": False, "reboot_verb": RebootVerb.NONE}, firmware.PackageVersionReq()),
        ({"reboot_verb": RebootVerb.NONE}, firmware.DevRebootTimeReq(reboot_time=GPS_NOW + 100)),
        ({"reboot_verb": RebootVerb.NONE}, firmware.DevRebootCountdownReq(countdown=100)),
        ({"reboot_verb": RebootVerb.TIME}, firmware.DevRebootCountdownReq(countdown=100)),
    ],
    ids=str,
)
def test_commands_that_a_stack_does_not_have_are_not_answered(stack, request_) -> None:
    for quirks, answered in ((AS_SPECIFIED, True), (small(**stack), False)):
        device = device_of(quirks)
        ask(device, group_request())
        port = 203 if "firmware" in type(request_).__module__ or len(request_.encode()) == 1 else 200
        device.receive(port, request_.encode(), NOW)
        assert bool(said(device)) is answered
        assert device.n_garbage == 0


def test_a_stack_that_only_counts_down_misreads_a_reboot_time() -> None:
    device = device_of(profile("st"))
    [answer] = ask(device, firmware.DevRebootTimeReq(reboot_time=GPS_NOW + 3600))
    assert answer.reboot_time > 2**31
    due = device.next_due()
    assert due is not None
    assert due <= NOW + 50 * 86400
    assert abs(due - (NOW + 3600)) > 3600
    [answer] = ask(device, firmware.DevRebootCountdownReq(countdown=3600))
    assert answer.countdown == 3600
    assert device.next_due() == NOW + 3600


def test_a_reboot_delay_beyond_the_timer_comes_early() -> None:
    device = device_of(small(max_reboot_delay=999))
    assert ask(device, firmware.DevRebootCountdownReq(countdown=1200))[0].countdown == 1200
    assert device.next_due() == NOW + 200


def test_a_reboot_request_may_be_answered_with_its_own_value() -> None:
    device = device_of(profile("actility-l476"))
    assert ask(device, firmware.DevRebootTimeReq(reboot_time=GPS_NOW + 100)) == [
        firmware.DevRebootTimeAns(reboot_time=GPS_NOW + 100)
    ]
    assert ask(device, firmware.DevRebootTimeReq(reboot_time=GPS_NOW - 100)) == [
        firmware.DevRebootTimeAns(reboot_time=0)
    ]
    device = device_of(small(reboot_delay_answered=False))
    assert ask(device, firmware.DevRebootCountdownReq(countdown=77))[0].countdown == 77


def test_a_stack_may_neither_report_nor_delete_its_image() -> None:
    device = open_session(small(tells_image=False, deletes_image=False))
    hear(device, range(1, 19))
    assert ask(device, firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=0)]
    assert ask(device, firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION)) == [
        firmware.DevDeleteImageAns(error_no_valid_image=True, error_invalid_version=False)
    ]
    assert device.stored == IMAGE


@pytest.mark.parametrize(
    ("alone", "asked_for", "reboots"),
    [(True, None, 1), (False, None, 0), (None, None, 1), (True, False, 0), (False, True, 1)],
)
def test_a_reboot_alone_is_made_as_given_or_as_the_profile_says(alone, asked_for, reboots) -> None:
    device = device_of(small(reboots_alone=alone), reboots_alone=asked_for)
    ask(device, setup_of(device))
    hear(device, range(1, 19)).advance(NOW + 5000)
    assert device.n_reboots == reboots
