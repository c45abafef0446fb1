"""Table of the quirks of device stacks: the field of a profile that holds each, and the test that shows its effect.

A row is a departure of public device code from the specifications, found by running or reading it:
Z Zephyr, L LoRaMac-node and its descendants, B LoRa Basics Modem, O the ST builds of 2021, M the mbed update client,
A the Actility L476, G all stacks that were run.
"""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fuota_fec.devices.profiles import PROFILES, DeviceProfile, LateUncoded, MissingCount, profile
from fuota_fec.devices.stack_quirks import Deletion, Overrun

FLEET = Path(__file__).parents[1] / "fleet"


class Row(NamedTuple):
    what: str
    stacks: tuple[str, ...]
    """Profiles that have the quirk, as far as they are named in the table."""
    values: dict[str, Any]
    """Fields that hold it."""
    tests: tuple[str, ...]
    """Tests of `tests/fleet` that show its effect."""
    unchecked: tuple[str, ...] = ()
    """Limits that a setup of these stacks does not check."""


ZEPHYR = ("zephyr", "zephyr-lowmem")
DESCENDANTS = ("loramac-node", "st", "st-v2")
SEMTECH = ("loramac-node", "st", "st-v2", "actility-l476", "zephyr")
TRACES = "test_a_device_does_at_every_step_what_its_stack_did"
MANAGED = "test_groups_and_firmware_are_managed_as_the_stack_did"
DIALOGS = "test_lbm_answers_as_the_recorded_dialogs"
SIZES = "test_a_setup_may_accept_sizes_that_fail_later"
MEMORY = "test_more_losses_than_the_memory_may_end_a_session_with_wrong_bytes"

ROWS = {
    "Z1": Row(
        "the payload of a fragment outside an active session is read as commands",
        ZEPHYR,
        {"one_context": True},
        (
            "test_the_payload_of_a_surplus_fragment_is_read_as_commands",
            "test_a_third_of_the_devices_forget_that_they_are_complete_over_a_hundred_surplus_fragments",
        ),
    ),
    "Z2": Row(
        "every fragment since the setup is counted",
        ZEPHYR,
        {"one_context": True, "missing_count": MissingCount.NOT_HEARD},
        ("test_every_fragment_is_counted_also_after_completion_and_of_other_sessions",),
    ),
    "Z3": Row(
        "a complete session does not exist any more",
        ZEPHYR,
        {"one_context": True},
        ("test_a_complete_session_is_over",),
    ),
    "Z4": Row(
        "status is answered without a session",
        ZEPHYR,
        {"one_context": True},
        ("test_status_is_answered_without_any_session",),
    ),
    "Z5": Row(
        "a setup of another index while one is active is refused in silence",
        ZEPHYR,
        {"one_context": True},
        ("test_a_setup_of_another_session_is_refused_in_silence_while_one_is_active",),
    ),
    "Z6": Row(
        "a refused setup replaces the numbers of the running session",
        ZEPHYR,
        {"one_context": True},
        ("test_a_refused_setup_of_the_active_session_ends_its_reception",),
    ),
    "Z7": Row(
        "more losses than the memory set no error bit, and MissingFrag falls to 0",
        ("zephyr-lowmem",),
        {"overrun": Overrun.SILENT, "missing_count": MissingCount.NOT_HEARD},
        (TRACES,),
    ),
    "Z8": Row(
        "more losses than the memory end the session as complete",
        ("zephyr",),
        {"overrun": Overrun.WRONG_BLOCK, "memory_error_outlives_setup": True},
        (TRACES,),
    ),
    "Z9": Row(
        "groups are not checked, and requests by multicast are carried out",
        ZEPHYR,
        {"checks_group_mask": False, "one_context": True},
        ("test_requests_by_multicast_are_carried_out", TRACES),
    ),
    "Z10": Row(
        "fragments below 48 bytes or no multiple of 8 are accepted",
        ZEPHYR,
        {"min_frag_size": 48, "frag_size_multiple": 8},
        (SIZES,),
        unchecked=("min_frag_size", "frag_size_multiple"),
    ),
    "Z11": Row(
        "a late uncoded fragment is taken for row N - M",
        ("zephyr-lowmem",),
        {"late_uncoded": LateUncoded.CORRUPTS},
        (
            "test_a_late_row_is_drawn_with_signed_numbers",
            "test_a_second_round_corrupts_most_blocks_of_a_corrupting_stack",
        ),
    ),
    "L1": Row(
        "NbFragReceived outlives a setup until the first fragment",
        DESCENDANTS,
        {"counts_outlive_setup": True},
        ("test_the_count_of_received_fragments_may_outlive_the_setup",),
    ),
    "L2": Row(
        "the error bit is never cleared",
        (*DESCENDANTS, "zephyr"),
        {"memory_error_outlives_setup": True},
        ("test_a_reset_ends_the_error_bit_of_an_earlier_session", TRACES),
    ),
    "L3": Row(
        "MissingFrag is the number of losses modulo 256",
        DESCENDANTS,
        {"missing_count": MissingCount.LOST},
        ("test_a_missing_count_above_a_byte_is_cut_or_saturates",),
    ),
    "L4": Row(
        "more losses than the memory end the block with wrong bytes",
        SEMTECH,
        {"overrun": Overrun.WRONG_BLOCK},
        (MEMORY,),
    ),
    "L5": Row(
        "a deleted session goes on",
        ("loramac-node", "actility-l476"),
        {"deletion": Deletion.FORGETS},
        ("test_a_deleted_session_may_go_on",),
    ),
    "L5 of LBM": Row(
        "a deleted session that has begun goes on",
        ("lbm",),
        {"deletion": Deletion.STOPS_UNBEGUN},
        ("test_a_deleted_session_may_go_on",),
    ),
    "L6": Row(
        "status is answered without a session",
        ("loramac-node", "st"),
        {"status_without_session": ("1.0.0",)},
        ("test_status_may_be_answered_without_a_session",),
    ),
    "L7": Row(
        "the mask of groups is not checked",
        ("loramac-node", "actility-l476"),
        {"checks_group_mask": False},
        ("test_the_mask_of_groups_may_not_be_checked",),
    ),
    "L8": Row(
        "a session whose start has passed is answered by McGroupUndefined",
        ("loramac-node", "actility-l476", "st"),
        {"missed_start_undefined": True},
        (MANAGED,),
    ),
    "L9": Row(
        "a clock that was never set plans sessions",
        DESCENDANTS,
        {"unset_clock_counts": True},
        ("test_a_session_may_be_planned_by_a_clock_that_was_never_set",),
    ),
    "L10": Row(
        "the major number of a version comes first",
        ("st", "st-v2"),
        {"version_order": "big"},
        (MANAGED,),
    ),
    "L11": Row(
        "the clock has no leap seconds",
        DESCENDANTS,
        {"leap_seconds": False},
        (MANAGED,),
    ),
    "B1": Row(
        "before its first fragment a device of 2.0.0 looks complete",
        ("lbm",),
        {"blank_status": ("2.0.0",)},
        ("test_lbm_may_look_complete_before_its_first_fragment",),
    ),
    "B2": Row(
        "without a session, stale counts follow the error bit",
        ("lbm",),
        {"status_without_session": ("1.0.0", "2.0.0")},
        ("test_lbm_answers_with_stale_counts_without_a_session", TRACES),
    ),
    "B3": Row(
        "256 missing fragments are answered as 0",
        ("lbm",),
        {"missing_count": MissingCount.NEEDED_OR_ONE},
        ("test_a_missing_count_above_a_byte_is_cut_or_saturates", TRACES),
    ),
    "B4": Row(
        "a block with a wrong MIC is passed on as complete",
        ("lbm",),
        {"stores_wrong_mic": True},
        ("test_lbm_passes_a_block_with_a_wrong_mic_on",),
    ),
    "B5": Row(
        "an unknown command drops the whole message, and answers have 15 bytes in all",
        ("lbm",),
        {"unknown_command_silences": True, "max_answer_len": 15},
        ("test_lbm_drops_a_message_with_an_unknown_command_and_answers_15_bytes", DIALOGS),
    ),
    "O1": Row(
        "the decoder never returns from the first coded fragment of 2040 fragments or more",
        ("st-2021",),
        {"hangs_from": 2040},
        (
            "test_a_device_that_hangs_never_answers_or_receives_again",
            "test_batched_and_single_devices_do_the_same_whatever_happens",
        ),
    ),
    "M1": Row(
        "solved rows of earlier sessions count in a second one",
        ("mbed",),
        {"second_session_fails": True},
        (
            "test_a_second_session_ends_early_with_wrong_bytes",
            "test_a_second_session_with_fewer_losses_never_ends",
            "test_batched_and_single_devices_do_the_same_whatever_happens",
        ),
    ),
    "A1": Row(
        "fragments larger than the buffers are accepted",
        ("actility-l476",),
        {"max_frag_size": 230, "max_image_len": 230_000},
        (SIZES,),
        unchecked=("max_frag_size",),
    ),
    "A2": Row(
        "a status request silences all answers of its message",
        ("actility-l476",),
        {"status_silences": True},
        ("test_a_status_request_may_silence_the_answers_to_its_message",),
    ),
    "G1": Row(
        "padding as long as a fragment, and blocks without fragments, are accepted",
        ("lbm", "loramac-node", "st", "st-v2", "actility-l476", *ZEPHYR),
        {},
        (
            "test_padding_as_long_as_a_fragment_may_be_accepted",
            "test_a_block_without_fragments_may_be_accepted",
        ),
        unchecked=("padding", "no_frags"),
    ),
    "G2": Row(
        "fragments that are no multiple of 8 are accepted",
        ("st", "st-v2"),
        {"frag_size_multiple": 8},
        (SIZES,),
        unchecked=("frag_size_multiple",),
    ),
}
QUIRKS = [
    *(f"Z{n}" for n in range(1, 12)),
    *(f"L{n}" for n in range(1, 12)),
    *(f"B{n}" for n in range(1, 6)),
    *("O1", "M1", "A1", "A2", "G1", "G2"),
]


def names_in_fleet() -> set[str]:
    """Names of the test functions in `tests/fleet`."""
    trees = [ast.parse(path.read_text()) for path in FLEET.rglob("test_*.py")]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_quirk_has_a_row() -> None:
    assert [name for name in ROWS if " " not in name] == QUIRKS


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_quirk_is_in_the_profiles_of_its_stacks_and_has_an_effect(row: Row) -> None:
    assert row.values.keys() <= {spec.name for spec in fields(DeviceProfile)}
    for stack in row.stacks:
        assert {name: getattr(profile(stack), name) for name in row.values} == row.values, stack
        assert not set(row.unchecked) & set(profile(stack).setup_checks), stack
    plain = DeviceProfile(name="plain")
    assert set(row.unchecked) <= set(plain.setup_checks)
    assert row.unchecked or any(getattr(plain, name) != value for name, value in row.values.items())
    assert set(row.tests) <= names_in_fleet()


def test_a_build_has_the_quirks_of_its_base_but_for_its_changes() -> None:
    assert profile("st-2021").counts_outlive_setup
    assert profile("lbm-1100").stores_wrong_mic
    assert all(row.base in PROFILES for row in PROFILES.values() if row.base)
