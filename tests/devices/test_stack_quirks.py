"""Quirks of device stacks as data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuota_fec.devices.profiles import PROFILES, profile
from fuota_fec.devices.stack_quirks import Deletion, Overrun, SessionErrors, StackQuirks
from fuota_fec.errors import ParameterError


def having(**values: object) -> set[str]:
    """The profiles that have these values."""
    stacks = {name: row for name, row in PROFILES.items() if not row.base}  # Builds have the quirks of their base.
    return {name for name, row in stacks.items() if all(getattr(row, f) == value for f, value in values.items())}


def test_the_generic_profile_has_no_quirk() -> None:
    defaults = StackQuirks()
    assert all(getattr(profile("generic"), name) == getattr(defaults, name) for name in StackQuirks.__slots__)


@pytest.mark.parametrize(
    ("values", "stacks"),
    [
        ({"one_context": True}, {"zephyr", "zephyr-lowmem"}),
        ({"overrun": Overrun.WRONG_BLOCK}, {"loramac-node", "st", "st-v2", "actility-l476", "zephyr"}),
        ({"overrun": Overrun.SILENT}, {"zephyr-lowmem"}),
        ({"overrun": Overrun.FAILS}, {"lbm"}),
        ({"counts_outlive_setup": True}, {"loramac-node", "st", "st-v2"}),
        ({"memory_error_outlives_setup": True}, {"loramac-node", "st", "st-v2", "zephyr"}),
        ({"deletion": Deletion.FORGETS}, {"loramac-node", "actility-l476"}),
        ({"deletion": Deletion.STOPS_UNBEGUN}, {"lbm"}),
        ({"checks_group_mask": False}, {"loramac-node", "actility-l476", "zephyr", "zephyr-lowmem"}),
        ({"checks_frag_len": False}, {"lbm", "loramac-node", "st", "st-v2", "actility-l476", "zephyr"}),
        ({"reads_after_frag": True}, {"loramac-node", "st", "st-v2", "actility-l476"}),
        ({"unknown_command_silences": True}, {"lbm"}),
        ({"status_silences": True}, {"actility-l476"}),
        ({"stores_wrong_mic": True}, {"lbm", "st-v2"}),
        ({"missed_start_undefined": True}, {"loramac-node", "actility-l476", "st"}),
        ({"session_errors": SessionErrors.REGION_FIRST}, {"loramac-node", "st", "st-v2"}),
        ({"session_errors": SessionErrors.WITH_START}, {"actility-l476"}),
        ({"session_errors": SessionErrors.NO_STATUS}, {"zephyr", "zephyr-lowmem"}),
        (
            {"undefined_group_sets_all": True},
            {"loramac-node", "st", "st-v2", "actility-l476", "zephyr", "zephyr-lowmem"},
        ),
        ({"session_band_only": True}, {"lbm"}),
        ({"version_order": "big"}, {"st", "st-v2"}),
        ({"leap_seconds": False}, {"loramac-node", "st", "st-v2"}),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_which_stacks_have_a_quirk(values: dict[str, object], stacks: set[str]) -> None:
    assert having(**values) == stacks


def test_a_version_may_be_sent_with_its_major_number_first() -> None:
    assert profile("st").version_on_air(0x01020304) == 0x04030201
    assert profile("st").version_on_air(0x04030201) == 0x01020304
    assert profile("lbm").version_on_air(0x01020304) == 0x01020304


def test_one_context_needs_the_first_dialect() -> None:
    with pytest.raises(ParameterError, match=r"one_context: stacks with one context have dialect 1.0.0 only"):
        replace(profile("generic"), one_context=True)


def test_an_unknown_check_of_a_setup_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"setup_checks: .* is not allowed, expected a list"):
        replace(profile("generic"), setup_checks=("max_blocks",))
