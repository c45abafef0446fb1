"""State of a virtual device: settings, groups, sessions, images and planned reboots, without a radio."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError
from fuota_fec.fleet.decoding import Reception
from fuota_fec.fleet.device_state import ANSWER_DELAY, DeviceState, FragSession, JoinedGroup, MadeUpKey, group_key
from fuota_fec.fleet.quirks import AS_SPECIFIED
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.fragmentation import DataFragment, FragSessionSetupReq
from fuota_fec.wire.keys import Key

NOW = 1_800_000_000.0
IMAGE = b"an image"


def state_of(**settings: Any) -> DeviceState:
    defaults = {
        "dev_eui": f"{1:016x}",
        "root_key": Key(bytes(range(16))),
        "releases": {hashlib.sha256(IMAGE).digest(): 7},
        "rng": np.random.default_rng(1),
    }
    return DeviceState(**{**defaults, **settings})


# ---- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"dialect": "2.0.0"}, {"version": "2.0.0"}, {"dialect": "2.0.0", "version": "2.0.0"}]
)
def test_dialect_and_version_are_two_names_of_one_setting(settings) -> None:
    state = state_of(**settings)
    assert (state.dialect, state.version) == ("2.0.0", "2.0.0")


def test_versions_are_the_first_of_the_profile_by_default() -> None:
    state = state_of(profile=profile("st-v2"))
    assert (state.dialect, state.version, state.mc_version) == ("2.0.0", "2.0.0", "2.0.0")
    assert (state_of(profile=profile("lbm")).dialect, state_of().mc_version) == ("1.0.0", "1.0.0")


@pytest.mark.parametrize("name", ["dialect", "version", "mc_version"])
def test_a_version_that_the_stack_does_not_have_is_refused(name) -> None:
    shown = "dialect" if name == "version" else name
    problem = rf"{shown}: '2\.0\.0' is not a version of profile 'zephyr', expected '1\.0\.0'$"
    with pytest.raises(ParameterError, match=rf"^device 0+1: {problem}"):
        state_of(profile=profile("zephyr"), **{name: "2.0.0"})


@pytest.mark.parametrize("settings", [{"dialect": "1.0.0", "version": "2.0.0"}, {"dialect": "3.0.0"}, {"version": "1"}])
def test_two_dialects_or_an_unknown_one_are_refused(settings) -> None:
    with pytest.raises(ParameterError, match=r"^dialect"):
        state_of(**settings)


@pytest.mark.parametrize(
    ("of_profile", "given", "expected"),
    [(True, None, True), (False, None, False), (None, None, True), (True, False, False), (False, True, True)],
)
def test_a_device_reboots_alone_as_given_or_as_its_profile_says(of_profile, given, expected) -> None:
    state = state_of(profile=replace(AS_SPECIFIED, reboots_alone=of_profile), reboots_alone=given)
    assert state.reboots_alone is expected
    state.store(IMAGE, NOW)
    assert (state.own_reboot_due is not None) is expected


def test_the_repr_of_a_device_shows_no_key(bench) -> None:
    b = bench().ready()
    assert bytes(range(16)).hex() not in repr(b.device)
    assert repr(bytes(range(16))) not in repr(b.device)
    assert "Key(...)" in repr(b.device)


def test_a_made_up_key_can_be_pickled_and_is_shared_by_the_devices_of_a_group() -> None:
    key = group_key(bytes(16))
    assert key is group_key(bytes(16))
    assert pickle.loads(pickle.dumps(key)) == key == MadeUpKey(bytes(16))
    with pytest.raises(TypeError):
        pickle.dumps(Key(bytes(16)))


# ---- time ------------------------------------------------------------------------------------------------


def test_answers_are_delayed_within_bounds() -> None:
    state = state_of()
    delays = [state.answer_delay() for _ in range(500)]
    shortest, longest = ANSWER_DELAY
    assert shortest <= min(delays) < shortest + 0.1
    assert longest - 0.1 < max(delays) <= longest


def test_the_device_s_clock_is_ahead_by_its_error() -> None:
    assert state_of(clock_error=-40.0).own_gps(NOW) == gps_from_unix(NOW) - 40


# ---- groups and sessions ---------------------------------------------------------------------------------


def test_a_group_hears_a_frame_in_its_session_with_its_address_key_and_counter() -> None:
    group = JoinedGroup(
        mc_addr=5, app_s_key=group_key(bytes(16)), min_f_cnt=10, max_f_cnt=20, opens=100.0, closes=200.0
    )
    frame: dict[str, Any] = {"mc_addr": 5, "app_s_key": Key(bytes(16)), "f_cnt": 10, "own_gps": 100.0}
    assert group.hears(**frame)
    changes = [{"mc_addr": 6}, {"app_s_key": Key(bytes(15) + b"1")}, {"f_cnt": 9}, {"f_cnt": 20}, {"own_gps": 200.0}]
    assert not any(group.hears(**{**frame, **change}) for change in [*changes, {"own_gps": 99.9}])


def test_a_used_counter_and_lower_ones_are_refused() -> None:
    key = group_key(bytes(16))
    group = JoinedGroup(mc_addr=5, app_s_key=key, min_f_cnt=0, max_f_cnt=2**32, first_below=2**16, opens=0, closes=9)
    assert not group.hears(5, key, 2**16, 1)
    group.use_counter(7)
    assert [group.hears(5, key, f_cnt, 1) for f_cnt in (6, 7, 8, 2**16)] == [False, False, True, True]


def session_of(frag_index: int = 0, mask: int = 0b0100) -> FragSession:
    setup = FragSessionSetupReq(
        version="1.0.0",
        frag_index=frag_index,
        mc_group_bit_mask=mask,
        nb_frag=1,
        frag_size=4,
        block_ack_delay=0,
        padding=0,
        descriptor=bytes(4),
    )
    return FragSession(setup, Reception(1, 4, "1.0.0"))


def test_a_session_accepts_fragments_of_its_size_by_unicast_and_its_groups_until_it_is_done() -> None:
    session = session_of()
    fragment = DataFragment(frag_index=0, n=1, payload=b"1234")
    assert [session.accepts(fragment, group) for group in (None, 0, 1, 2, 3)] == [True, False, False, True, False]
    assert not session.accepts(DataFragment(frag_index=0, n=1, payload=b"123"), None)
    session.reception.push(fragment)
    assert session.accepts(fragment, None)
    session.done = True
    assert not session.accepts(fragment, None)


def test_a_closed_session_leaves_no_block_report() -> None:
    state = state_of()
    state.sessions[0] = session_of()
    state.report_block(0, NOW)
    state.close_session(0)
    state.close_session(1)
    assert (state.sessions, state.block_reports) == ({}, {})


# ---- images and reboots ----------------------------------------------------------------------------------


def test_a_stored_image_is_a_release_if_the_boot_loader_accepts_it() -> None:
    state = state_of()
    assert state.stored_release() is None
    state.store(b"another", NOW)
    assert state.stored_release() is None
    state.store(IMAGE, NOW)
    assert state.stored_release() == 7


def test_a_requested_reboot_replaces_the_device_s_own_and_keeps_it_from_planning_one() -> None:
    state = state_of(process_time=10)
    state.store(IMAGE, NOW)
    assert (state.requested_reboot_due, state.own_reboot_due) == (None, NOW + 10)
    state.plan_reboot(NOW + 500)
    state.store(IMAGE, NOW)
    assert (state.requested_reboot_due, state.own_reboot_due) == (NOW + 500, None)
    state.plan_reboot(None)
    assert (state.requested_reboot_due, state.own_reboot_due) == (None, None)


def test_discarding_an_image_closes_incomplete_sessions_and_keeps_complete_ones() -> None:
    state = state_of()
    state.sessions = {0: session_of(0), 1: session_of(1)}
    state.sessions[1].reception.push(DataFragment(frag_index=1, n=1, payload=b"1234"))
    state.store(IMAGE, NOW)
    state.discard_image()
    assert (state.stored, state.own_reboot_due, list(state.sessions)) == (None, None, [1])
