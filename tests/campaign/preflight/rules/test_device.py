from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.campaign.facts import Known, KnownDevice
from fuota_fec.devices.profiles import DeviceProfile, LateUncoded, RebootVerb, profile

FIRST_FIVE = tuple(range(1, 6))


def found(sound: SimpleNamespace, rule: str, stack: str = "lbm", **settings: Any) -> Any:
    """The findings about one device of a stack.

    `group`, `device`: their settings; `changes`: fields of the group's plan; `facts`: arguments of the check.
    """
    group, device, changes, facts = (settings.pop(name, {}) for name in ("group", "device", "changes", "facts"))
    device = sound.device(stack=stack, **device)
    config = sound.config(device, groups=(sound.group(**group),), **settings)
    findings = sound.found(config, rule, changes=changes, **facts)
    assert all(f.group == "g" and f.devices == (device.dev_eui,) for f in findings)
    return findings


def severities(*args: Any, **settings: Any) -> list[str]:
    return [finding.severity for finding in found(*args, **settings)]


# ---- fragments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "dialect", "expected"),
    [
        ("lbm", "1.0.0", []),
        ("lbm", "2.0.0", []),
        ("zephyr", "2.0.0", ["refuse"]),
        ("loramac-node", "2.0.0", ["refuse"]),
        ("st-v2", "1.0.0", ["refuse"]),
        ("st-v2", "2.0.0", []),
        ("generic", "2.0.0", []),
    ],
)
def test_a_dialect_that_a_stack_does_not_speak_is_refused(
    sound: SimpleNamespace, stack: str, dialect: str, expected: list[str]
) -> None:
    findings = found(sound, "dialect", stack, group={"dialect": dialect})
    assert [finding.severity for finding in findings] == expected
    for finding in findings:
        assert finding.remedy == f'Put them into a group of dialect = "{profile(stack).dialects[-1]}".'


@pytest.mark.parametrize(
    ("late", "n_coded", "allowed", "expected"),
    [
        (LateUncoded.ACCEPTED, 0, False, []),
        (LateUncoded.ACCEPTED, 5, False, []),
        (LateUncoded.DROPPED, 0, False, ["refuse"]),
        (LateUncoded.DROPPED, 0, True, ["warn"]),
        (LateUncoded.CORRUPTS, 0, False, ["refuse"]),
        (LateUncoded.CORRUPTS, 0, True, ["warn"]),
        (LateUncoded.CORRUPTS, 5, True, ["refuse"]),  # wrong bytes without an error: nothing to allow
        (LateUncoded.UNKNOWN, 0, False, ["warn"]),
        (LateUncoded.UNKNOWN, 0, True, ["warn"]),
    ],
)
def test_a_second_round_is_refused_for_stacks_that_it_does_not_help(
    sound: SimpleNamespace,
    known_as_mine: Any,
    late: LateUncoded,
    n_coded: int,
    allowed: bool,
    expected: list[str],
) -> None:
    mine = known_as_mine(DeviceProfile(name="mine", late_uncoded=late))
    settings = {"allow_carousel": allowed, "redundancy": n_coded}
    assert severities(sound, "carousel", mine, changes={"rounds": 2}, **settings) == expected
    assert severities(sound, "carousel", mine, changes={"rounds": 1}, **settings) == []


def test_repeats_after_later_frames_are_warned_of_where_they_corrupt_the_block(
    sound: SimpleNamespace, known_as_mine: Any
) -> None:
    mine = known_as_mine(DeviceProfile(name="mine", late_uncoded=LateUncoded.CORRUPTS))
    assert severities(sound, "carousel", mine, summary_window=2) == ["warn"]
    assert severities(sound, "carousel", mine, summary_window=1) == []
    assert severities(sound, "carousel", mine, summary_window=2, redundancy=0, datafrag_loops_max=1) == []
    assert severities(sound, "carousel", summary_window=2) == []


def test_scattered_rows_are_warned_of_where_no_evidence_is_known(sound: SimpleNamespace) -> None:
    for stack, expected in (("lbm", []), ("zephyr", []), ("generic", ["warn"])):
        assert severities(sound, "rows", stack, rows=(1, 2, 900)) == expected
        assert severities(sound, "rows", stack, rows=FIRST_FIVE) == []


def test_a_stack_whose_second_session_fails_is_warned_of_where_the_registry_has_a_first_one(
    sound: SimpleNamespace,
) -> None:
    dev_eui = sound.euis[0]
    for opened, expected in ((True, "warn"), (False, "info")):
        facts = {"known": Known(devices={dev_eui: KnownDevice(session_open=opened)})}
        [finding] = found(sound, "second_session", "mbed", device={"dev_eui": dev_eui}, facts=facts)
        assert finding.severity == expected
        assert finding.message.startswith("mbed devices end a second session since their last reset with wrong bytes")
        assert severities(sound, "second_session", "lbm", device={"dev_eui": dev_eui}, facts=facts) == []
    assert severities(sound, "second_session", "mbed") == ["info"]


def test_a_mic_that_is_checked_with_ack_reception_only_is_warned_of(sound: SimpleNamespace) -> None:
    second = {"dialect": "2.0.0"}
    for ack_reception, expected in ((False, ["warn"]), (True, [])):
        assert severities(sound, "mic", "st-v2", group=second, ack_reception=ack_reception) == expected
        assert severities(sound, "mic", "lbm", group=second, ack_reception=ack_reception) == []
    assert severities(sound, "mic", "st-v2", ack_reception=False) == [], "dialect 1.0.0 has no MIC"


@pytest.mark.parametrize(
    ("stack", "expected"),
    [("lbm", []), ("zephyr", []), ("loramac-node", ["warn"]), ("st", ["warn"]), ("actility-l476", ["refuse"])],
)
def test_a_binary_transfer_needs_status_answers(sound: SimpleNamespace, stack: str, expected: list[str]) -> None:
    assert severities(sound, "status", stack, kind="binary") == expected
    assert severities(sound, "status", stack) == []


def test_adaptive_rounds_want_status_answers(sound: SimpleNamespace) -> None:
    assert severities(sound, "status", "actility-l476", redundancy="adaptive") == ["warn"]
    assert severities(sound, "status", "lbm", redundancy="adaptive") == []


# ---- group, keys, downlinks ----------------------------------------------------------------------------------------


def test_a_ts005_version_that_a_stack_does_not_speak_is_warned_of(sound: SimpleNamespace) -> None:
    assert severities(sound, "mc_version", "zephyr", group={"mc_version": "2.0.0"}) == ["warn"]
    assert severities(sound, "mc_version", "lbm", group={"mc_version": "2.0.0"}) == []


@pytest.mark.parametrize(
    ("first", "expected"), [(0, []), (65535 - 26, []), (65536 - 26, ["refuse"]), (70000, ["refuse"])]
)
def test_a_counter_that_a_stack_takes_from_16_bits_ends_with_them(
    sound: SimpleNamespace, known_as_mine: Any, first: int, expected: list[str]
) -> None:
    group = {"first_f_cnt": first}
    assert severities(sound, "f_cnt_16_bits", "lbm", group=group) == expected
    mine = known_as_mine(DeviceProfile(name="mine", first_f_cnt_16_bits=False))
    assert severities(sound, "f_cnt_16_bits", mine, group=group) == []


def test_a_counter_of_32_bits_at_its_end_is_reported_by_one_rule(sound: SimpleNamespace) -> None:
    group = {"first_f_cnt": 2**32 - 1}
    assert severities(sound, "f_cnt_16_bits", kind="multicast", group=group) == []


@pytest.mark.parametrize(
    ("stack", "device_class", "expected"),
    [
        ("lbm", "B", []),
        ("st", "B", []),
        ("zephyr", "B", ["refuse"]),
        ("loramac-node", "B", ["refuse"]),
        ("generic", "B", ["warn"]),
        ("generic", "C", []),
    ],
)
def test_a_class_that_a_stack_cannot_open_is_refused(
    sound: SimpleNamespace, stack: str, device_class: str, expected: list[str]
) -> None:
    assert severities(sound, "device_class", stack, group={"device_class": device_class}) == expected


@pytest.mark.parametrize(("lorawan", "key"), [("1.0", "GenAppKey"), ("1.1", "AppKey")])
def test_a_root_key_that_is_not_in_the_ring_is_refused(sound: SimpleNamespace, lorawan: str, key: str) -> None:
    device = {"lorawan": lorawan}
    [finding] = found(sound, "root_key", device=device, facts={"root_key_known": lambda _: False})
    assert finding.severity == "refuse"
    assert finding.message.startswith(f"no {key} in the key ring")
    assert severities(sound, "root_key", device=device) == []


AS923_DWELL = {"region": "AS923-1", "dr": 4, "dwell_time": True}


@pytest.mark.parametrize(
    ("group", "dr", "expected"),
    [
        ({}, 0, []),
        ({}, None, []),
        (AS923_DWELL, 2, ["refuse"]),
        (AS923_DWELL, 3, []),
        (AS923_DWELL, None, ["warn"]),
        (AS923_DWELL | {"dwell_time": False}, 2, []),
        (AS923_DWELL, 1, ["refuse"]),
        ({}, 9, ["refuse"]),
    ],
)
def test_downlinks_that_are_too_short_for_the_requests_are_refused_where_known(
    sound: SimpleNamespace, group: dict[str, Any], dr: int | None, expected: list[str]
) -> None:
    assert severities(sound, "downlink_len", group=group, device={"downlink_dr": dr}) == expected


def test_the_downlink_finding_names_the_requests_and_the_data_rate(sound: SimpleNamespace) -> None:
    def text(dr: int | None, **group: Any) -> str:
        [finding] = found(sound, "downlink_len", group=AS923_DWELL | group, device={"downlink_dr": dr})
        return str(finding.message)

    assert text(2) == "McGroupSetupReq of 30 bytes: a downlink at DR2 of AS923-1 under the dwell-time limit takes 11"
    both = "McGroupSetupReq of 30 bytes and FragSessionSetupReq of 17 bytes:"
    assert text(2, dialect="2.0.0").startswith(both)
    assert text(None).endswith("takes 11 (the region's default RX2: its own data rate is not known)")


# ---- firmware ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "expected"), [("zephyr", ["warn"]), ("loramac-node", ["warn"]), ("lbm", []), ("generic", [])]
)
def test_a_stack_without_firmware_management_is_warned_of_in_an_update(
    sound: SimpleNamespace, stack: str, expected: list[str]
) -> None:
    assert severities(sound, "ts006", stack) == expected
    assert severities(sound, "ts006", stack, kind="binary") == []


def test_a_stack_that_always_denies_its_image_is_warned_of_without_coded_fragments(sound: SimpleNamespace) -> None:
    assert severities(sound, "upgrade_image", "st", redundancy=0) == ["warn"]
    assert severities(sound, "upgrade_image", "st") == []
    assert severities(sound, "upgrade_image", "lbm", redundancy=0) == []


SOON, LATE = 1e5, 5e6


@pytest.mark.parametrize(
    ("stack", "reboot", "expected"),
    [
        ("lbm", "device", []),  # left to its application
        ("st-v2", "device", ["warn"]),
        ("st", "device", []),
        ("zephyr", "after_transfer", ["refuse"]),
        ("zephyr", "device", []),
        ("lbm", "after_transfer", []),
        ("lbm", SOON, []),
        ("st", SOON, ["warn"]),  # it does not wait
        ("st-v2", SOON, []),
        ("st-v2", LATE, ["refuse"]),
        ("actility-l476", SOON, []),
        ("generic", SOON, []),
        ("generic", "after_transfer", []),
    ],
)
def test_a_reboot_suits_what_a_stack_can_do(
    sound: SimpleNamespace, stack: str, reboot: str | float, expected: list[str]
) -> None:
    when = reboot if isinstance(reboot, str) else sound.now + reboot
    assert severities(sound, "reboot", stack, reboot=when, facts={"now": sound.now}) == expected


@pytest.mark.parametrize(
    ("verb", "expected"), [(RebootVerb.COUNTDOWN, ["warn"]), (RebootVerb.TIME, []), (RebootVerb.EITHER, [])]
)
def test_a_stack_that_reboots_alone_waits_for_a_time_if_it_takes_one(
    sound: SimpleNamespace, known_as_mine: Any, verb: RebootVerb, expected: list[str]
) -> None:
    """A countdown is set before the image is complete, and forgotten with the reboot of its own."""
    mine = known_as_mine(replace(profile("st"), reboot_verb=verb))
    reboot = sound.now + SOON
    assert severities(sound, "reboot", mine, reboot=reboot, facts={"now": sound.now}) == expected


# ---- radio ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("area", "dr", "older"),
    [
        ("US915", 0, "8, 9, 10, 11, 12, 13"),
        ("US915", 14, "8, 9, 10, 11, 12, 13"),
        ("EU868", 12, "0, 1, 2, 3, 4, 5, 6, 7"),
        ("EU868", 13, "0, 1, 2, 3, 4, 5, 6, 7"),
    ],
)
def test_the_data_rates_of_a_newer_revision_are_refused_where_the_stack_lacks_them(
    sound: SimpleNamespace, area: str, dr: int, older: str, known_as_mine: Any
) -> None:
    settings: dict[str, Any] = {"group": {"region": area, "dr": dr}, "device": {"downlink_dr": 8 if dr == 0 else None}}
    for stack in ("lbm", "generic", "zephyr"):
        [finding] = found(sound, "data_rate", stack, **settings)
        assert finding.severity == "refuse"
        dr, _, own = finding.remedy.partition(", or, if their build takes it, ")
        assert dr == f"Set dr to one of {older}"
        assert own.endswith(f'base = "{stack}" and new_data_rates = true.')
        assert f"exists since RP002-1.0.5, {stack} devices do not receive it" in finding.message
    mine = known_as_mine(replace(profile("generic"), new_data_rates=True))
    assert severities(sound, "data_rate", mine, **settings) == []


def test_sf5_at_2400_mhz_is_no_newer_data_rate(sound: SimpleNamespace) -> None:
    assert severities(sound, "data_rate", "generic", group={"region": "ISM2400", "dr": 7}) == []


@pytest.mark.parametrize(
    ("stack", "group", "expected"),
    [
        ("lbm", {"region": "US915", "dr": 8, "device_class": "B", "mc_version": "2.0.0"}, ["refuse"]),
        ("generic", {"region": "US915", "dr": 8, "device_class": "B", "mc_version": "2.0.0"}, []),
        ("lbm", {"region": "US915", "dr": 8, "device_class": "B", "frequency": 923_900_000}, []),
        ("lbm", {"region": "ISM2400", "dr": 3}, ["refuse"]),
        ("generic", {"region": "ISM2400", "dr": 3}, []),
        ("lbm", {}, []),
    ],
)
def test_a_session_request_that_a_stack_misreads_is_refused(
    sound: SimpleNamespace, stack: str, group: dict[str, Any], expected: list[str]
) -> None:
    assert severities(sound, "channels", stack, group=group, device={"downlink_dr": None}) == expected


# ---- revisions of the regional parameters ----------------------------------------------------------------------


def test_the_fragment_size_follows_the_oldest_revision_of_the_devices(
    sound: SimpleNamespace, known_as_mine: Any
) -> None:
    group = sound.group(region="US915", dr=8, frequency=923_300_000)
    old = known_as_mine(replace(profile("generic"), regional_revision="RP002-1.0.1"))
    config = sound.config(sound.device(stack=old), groups=(group,), repeater=True, fsize=None)
    assert sound.plan_of(config).groups["g"].frag_size == 30


@pytest.mark.parametrize(
    ("starts_with_dwell_time", "group", "expected"),
    [
        (False, {"region": "AS923-1", "dr": 3}, []),
        (True, {"region": "AS923-1", "dr": 3}, ["warn"]),
        (True, {"region": "AS923-1", "dr": 3, "dwell_time": True}, []),
        (True, {"region": "AS923-1", "dr": 5}, []),
        (True, {}, []),
    ],
)
def test_devices_that_start_under_the_dwell_time_limit_are_warned_of(
    sound: SimpleNamespace,
    known_as_mine: Any,
    starts_with_dwell_time: bool,
    group: dict[str, Any],
    expected: list[str],
) -> None:
    mine = known_as_mine(replace(profile("generic"), starts_with_dwell_time=starts_with_dwell_time))
    assert severities(sound, "dwell_time", mine, group=group, fsize=None) == expected
