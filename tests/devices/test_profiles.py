from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from fuota_fec.config_files import from_table
from fuota_fec.devices.profiles import (
    PROFILES,
    DeviceProfile,
    Evidence,
    LateUncoded,
    MissingCount,
    RebootVerb,
    ReceivedCount,
    profile,
)
from fuota_fec.devices.radios import Radio
from fuota_fec.errors import ParameterError


def test_every_stack_has_a_row_under_its_name_with_its_source() -> None:
    assert list(PROFILES) == [
        *("lbm", "loramac-node", "zephyr", "zephyr-lowmem", "st", "st-v2", "actility-l476", "generic"),
        *("lbm-1100", "st-2021", "mbed", "pamoja", "xdot"),
    ]
    for name, row in PROFILES.items():
        assert row.name == name
        assert row is profile(name)
        assert row.source


def test_an_unknown_profile_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        ParameterError, match=r"profile: 'lbn' is not known, expected one of lbm, loramac-node, zephyr,"
    ):
        profile("lbn")


def test_the_table_of_profiles_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PROFILES["lbm"] = profile("st")  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        profile("lbm").max_frags = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "max_frags", "sizes", "multiple", "losses"),
    [
        ("lbm", 100, (1, 242), 1, {100: 100, 50: 50}),
        ("loramac-node", 21, (1, 50), 1, {21: 5, 3: 3}),
        ("zephyr", 16383, (48, 232), 8, {100: 20, 1: 0, 99: 19}),
        ("zephyr-lowmem", 16383, (48, 232), 8, {100: 20}),
        ("st", 2151, (40, 240), 8, {2151: 216, 100: 100}),
        ("st-v2", 2151, (40, 240), 8, {2151: 216}),
        ("actility-l476", 1000, (1, 230), 1, {1000: 60}),
        ("generic", 16383, (1, 239), 1, {1000: None}),
        ("lbm-1100", 1100, (1, 250), 1, {1100: 1100}),
        ("st-2021", 2151, (40, 240), 8, {2039: 216}),
        ("mbed", 16383, (1, 239), 1, {1000: 40}),
        ("pamoja", 16383, (1, 239), 1, {1000: None}),
        ("xdot", 16383, (1, 239), 1, {1000: 150}),
    ],
)
def test_limits_of_the_stacks(
    name: str, max_frags: int, sizes: tuple[int, int], multiple: int, losses: dict[int, int | None]
) -> None:
    row = profile(name)
    assert (row.max_frags, (row.min_frag_size, row.max_frag_size), row.frag_size_multiple) == (
        max_frags,
        sizes,
        multiple,
    )
    assert {n_frags: row.solvable_losses(n_frags) for n_frags in losses} == losses


def test_solvable_losses_are_limited_by_number_and_by_share() -> None:
    row = DeviceProfile(name="mine", max_losses=5, max_loss_share=0.1)
    assert [row.solvable_losses(n) for n in (1, 30, 100)] == [0, 3, 5]


def _names(**facts: object) -> set[str]:
    """The profiles that have all of these values."""
    return {name for name, row in PROFILES.items() if all(getattr(row, field) == facts[field] for field in facts)}


def test_what_stacks_do_with_late_uncoded_fragments() -> None:
    assert _names(late_uncoded=LateUncoded.DROPPED) == {
        *("lbm", "lbm-1100", "loramac-node", "zephyr", "st", "st-v2", "st-2021", "actility-l476"),
    }
    assert _names(late_uncoded=LateUncoded.CORRUPTS) == {"zephyr-lowmem", "pamoja"}
    assert _names(late_uncoded=LateUncoded.ACCEPTED) == set()


def test_the_decoders_that_were_run_with_scattered_rows() -> None:
    assert _names(any_row=Evidence.RUN) == {"lbm", "lbm-1100", "loramac-node", "mbed", "pamoja"}
    assert _names(any_row=Evidence.UNKNOWN) == {"generic", "xdot"}


def test_what_the_numbers_of_a_status_answer_mean() -> None:
    assert _names(received_count=ReceivedCount.ALL, missing_count=MissingCount.NOT_HEARD) == {"zephyr", "zephyr-lowmem"}
    assert _names(received_count=ReceivedCount.LAST_NUMBER, missing_count=MissingCount.LOST) == {
        *("loramac-node", "st", "st-v2", "st-2021", "actility-l476"),
    }
    assert _names(received_count=ReceivedCount.LAST_NUMBER_LESS_LOST) == {"lbm", "lbm-1100"}
    assert _names(missing_count=MissingCount.NEEDED_OR_ONE) == {"lbm", "lbm-1100"}
    assert _names(answers_status=False) == {"actility-l476", "mbed"}


def test_layouts_of_status_answers() -> None:
    assert profile("st-v2").status_version("2.0.0") == "1.0.0"
    assert {name for name, row in PROFILES.items() if row.status_layout is not None} == {"st-v2"}
    for version in ("1.0.0", "2.0.0"):
        assert profile("lbm").status_version(version) == version


def test_every_stack_has_one_decoder_behind_all_sessions() -> None:
    assert {row.n_decoders for row in PROFILES.values()} == {1}


def test_dialects_of_the_stacks() -> None:
    assert _names(dialects=("1.0.0", "2.0.0")) == {"lbm", "lbm-1100", "generic"}
    assert _names(dialects=("2.0.0",)) == {"st-v2", "pamoja"}


def test_firmware_management_and_reboot_verbs_of_the_stacks() -> None:
    assert _names(ts006=False, reboot_verb=RebootVerb.NONE) == {
        *("loramac-node", "zephyr", "zephyr-lowmem", "mbed", "xdot"),
    }
    assert _names(reboot_verb=RebootVerb.COUNTDOWN) == {"st", "st-v2", "st-2021"}
    assert _names(reboot_verb=RebootVerb.EITHER) == {"generic", "pamoja"}
    assert _names(reboot_verb=RebootVerb.TIME) == {"lbm", "lbm-1100", "actility-l476"}
    assert _names(reboots_alone=True) == {"st", "st-2021", "actility-l476", "xdot"}
    # 32 bits of milliseconds: 49 days and a little
    assert profile("st").max_reboot_delay == 4294967


def test_facts_that_all_stacks_share() -> None:
    """A cautious plan may rely on these; who adds a stack that differs finds the places that do."""
    for row in PROFILES.values():
        assert row.setup_restarts
        assert row.first_f_cnt_16_bits
        assert row.mc_group_delete
        assert row.frag_session_delete
        assert row.class_c


def test_class_b_and_group_status_of_the_stacks() -> None:
    assert (
        _names(class_b=True)
        == _names(mc_group_status=True)
        == {
            *("lbm", "lbm-1100", "st", "st-v2", "st-2021"),
        }
    )
    assert _names(class_b=None) == {"generic", "pamoja"}
    assert _names(max_answer_len=15) == {"lbm", "lbm-1100", "zephyr", "zephyr-lowmem"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name: '' is empty"),
        ({"dialects": ()}, r"dialects: \(\) is empty, expected one value at least"),
        ({"mc_versions": ()}, r"mc_versions: \(\) is empty"),
        ({"max_frags": 0}, "max_frags: 0 is not from 1 to 16383"),
        ({"max_frags": 16384}, "max_frags: 16384 is not"),
        ({"min_frag_size": 60, "max_frag_size": 50}, "60 and 50 are not a range, expected the smaller one first"),
        ({"max_frag_size": 256}, "max_frag_size: 256 is not from 1 to 255"),
        ({"frag_size_multiple": 0}, "frag_size_multiple: 0 is not from 1"),
        (
            {"frag_size_multiple": 51, "max_frag_size": 50},
            "frag_size_multiple: 51 has no multiple from min_frag_size, 1",
        ),
        ({"max_image_len": 0}, "max_image_len: 0 is not from 1 to 4177665"),
        ({"max_losses": -1}, "max_losses: -1 is not from 0 to 16383"),
        ({"max_loss_share": 1.1}, r"max_loss_share: 1\.1 is not from 0 to 1"),
        ({"n_sessions": 5}, "n_sessions: 5 is not from 1 to 4"),
        ({"n_decoders": 2}, "n_decoders: 2 is not from 1 to n_sessions, 1"),
        ({"max_answer_len": 0}, "max_answer_len: 0"),
        ({"max_reboot_delay": 0}, "max_reboot_delay: 0"),
        ({"ts006": False, "reboot_verb": RebootVerb.TIME}, "reboot_verb: time is a request of TS006"),
    ],
)
def test_a_profile_that_contradicts_itself(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        DeviceProfile(**{"name": "mine"} | changes)  # type: ignore[arg-type]


def test_all_problems_of_a_profile_are_reported_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        DeviceProfile(name="mine", max_frags=0, n_sessions=0, max_losses=-1)
    assert len(str(caught.value).splitlines()) == 4  # n_decoders cannot be right without a session


def test_a_build_of_ones_own() -> None:
    mine = replace(profile("loramac-node"), name="mine", max_frags=500, max_frag_size=200, max_losses=60)
    assert (mine.solvable_losses(500), mine.late_uncoded) == (60, LateUncoded.DROPPED)
    assert len({mine, profile("loramac-node"), replace(mine)}) == 2  # it can be a key


def test_a_profile_of_ones_own_is_a_base_and_changes() -> None:
    mine = profile("lbm").replace(name="meter", max_frags=850, late_uncoded="accepted", dialects=["1.0.0"])
    assert (mine.name, mine.base, mine.max_frags, mine.max_losses) == ("meter", "lbm", 850, 100)
    assert (mine.late_uncoded, mine.dialects) == (LateUncoded.ACCEPTED, ("1.0.0",))
    assert mine.changed() == ["max_frags 850", "dialects ('1.0.0',)", "late_uncoded accepted"]
    assert mine.replace(max_losses=850).base == "lbm"
    assert profile("st-2021").replace(name="mine").base == "st-2021"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_frag": 1}, "profile 'lbm': unknown field 'max_frag', expected one of max_frags, min_frag_size,"),
        ({"max_frags": "850"}, "profile 'lbm': max_frags: '850' is not allowed, expected a whole number"),
        ({"max_frags": 0}, "profile 'lbm': max_frags: 0 is not from 1 to 16383"),
        ({"late_uncoded": "lost"}, "late_uncoded: 'lost' is not allowed, expected one of 'accepted', 'dropped',"),
        ({"ts006": "yes"}, "ts006: 'yes' is not allowed, expected True or False or None"),
        ({"radio": "sx128x"}, "radio: 'sx128x' is not known, expected one of sx126x, sx127x"),
        ({"mc_group_ids": (0, 4)}, r"mc_group_ids: 4 is not a McGroupID, expected 0 to 3"),
        ({"mc_group_ids": ()}, r"mc_group_ids: \(\) is empty, expected one value at least"),
        ({"max_padding": 300}, "profile 'lbm': max_padding: 300 is not from 0 to 255"),
        ({"min_coded_spacing": -1.0}, "min_coded_spacing: -1.0 is not from 0 to 1000000"),
        ({"hangs_from": 0}, "hangs_from: 0 is not from 2 to 16383"),
        ({"dialects": ["1.0.0", "1.0.0"]}, r"dialects: \('1.0.0', '1.0.0'\) has a value twice, expected different"),
        ({"dialects": ["3.0.0"]}, "dialects: .* is not allowed, expected a list, each one of '1.0.0', '2.0.0'"),
        ({"base": "nope"}, "profile 'lbm': base: 'nope' is not known, expected one of lbm, loramac-node"),
        ({"name": " "}, "name: ' ' is empty"),
    ],
)
def test_a_wrong_change_is_refused_with_what_was_expected(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        profile("lbm").replace(**changes)


def test_an_older_st_build_hangs_at_sizes_that_it_accepts() -> None:
    assert (profile("st-2021").max_frags, profile("st-2021").hangs_from, profile("st-2021").usable_frags) == (
        *(2151, 2040, 2039),
    )
    assert profile("st").usable_frags == 2151


def test_mc_group_ids_that_the_stacks_serve() -> None:
    assert _names(mc_group_ids=(0,)) == {"loramac-node", "mbed", "st", "st-v2", "st-2021"}
    assert _names(mc_group_ids=(0, 1, 2)) == {"xdot"}


def test_radios_of_the_stacks() -> None:
    assert _names(radio="sx126x") == {"st", "st-v2", "st-2021"}
    assert profile("st").energy.listening == 0.0196
    assert profile("lbm").replace(radio=Radio(listening=0.02, sending=0.1)).energy.listening == 0.02


def test_a_table_changes_its_base() -> None:
    mine = from_table(DeviceProfile, {"name": "meter", "base": "lbm", "max_frags": 850}, "profiles.meter")
    assert mine == profile("lbm").replace(name="meter", max_frags=850)
    assert from_table(DeviceProfile, {"name": "x"}, "profiles.x") == profile("generic").replace(name="x")
    own_radio = {"name": "x", "base": "lbm", "radio": {"listening": 0.02, "sending": 0.1}}
    assert from_table(DeviceProfile, own_radio, "profiles.x").energy == Radio(listening=0.02, sending=0.1)


def test_a_profile_is_read_from_a_table() -> None:
    mine = from_table(
        DeviceProfile,
        {
            "name": "mine",
            "dialects": ["2.0.0"],
            "max_frags": 400,
            "late_uncoded": "dropped",
            "any_row": "run",
            "missing_count": "needed",
            "reboot_verb": "countdown",
            "ts006": True,
            "max_loss_share": 0.25,
        },
        "profiles[0]",
    )
    assert mine.dialects == ("2.0.0",)
    assert mine.late_uncoded is LateUncoded.DROPPED
    assert mine.any_row is Evidence.RUN
    assert mine.reboot_verb is RebootVerb.COUNTDOWN
    assert mine.solvable_losses(400) == 100


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"profiles\[0\]: name is missing"),
        ({"name": "x", "late": 1}, "unknown key 'late'"),
        ({"name": "x", "base": "lbn"}, r"profiles\[0\]: base: 'lbn' is not known, expected one of lbm, loramac-node"),
        ({"name": "x", "base": ["lbm"]}, r"profiles\[0\]: base: \['lbm'\] is not known"),
        ({"name": "x", "late_uncoded": "lost"}, "late_uncoded: 'lost' is not one of 'accepted', 'dropped'"),
        ({"name": "x", "radio": {"listening": 1}}, r"radio: sending is missing"),
        ({"name": "x", "dialects": ["3.0.0"]}, "dialects"),
        ({"name": "x", "max_frags": 0}, r"profiles\[0\]: profile 'x': max_frags: 0"),
    ],
)
def test_a_wrong_profile_table_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        from_table(DeviceProfile, table, "profiles[0]")


def test_every_field_of_the_table_survives_a_table() -> None:
    """What a profile holds can be written to a file as plain values, and read again."""
    for row in PROFILES.values():
        values = {field.name: getattr(row, field.name) for field in fields(row)}
        plain = {
            name: list(value) if isinstance(value, tuple) else value.value if hasattr(value, "value") else value
            for name, value in values.items()
        }
        assert from_table(DeviceProfile, plain, "profiles") == row
