from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.devices.profiles import DeviceProfile, LateUncoded, RebootVerb, profile


def found(plan: SimpleNamespace, rule: str, stack: str, changes: dict[str, Any] | None = None, **facts: Any) -> Any:
    """The findings about one device of a stack in a changed group; `campaign` and `device` change these."""
    device = plan.device(stack=stack, **facts.get("device", {}))
    campaign = plan.campaign(device, groups=(plan.group(**changes or {}),), **facts.get("campaign", {}))
    findings = plan.found(campaign, rule)
    assert all(f.group == "g" and f.devices == (device.dev_eui,) for f in findings)
    return findings


def severities(*args: Any, **facts: Any) -> list[str]:
    return [finding.severity for finding in found(*args, **facts)]


# ---- fragments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "version", "expected"),
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
def test_dialect(plan: SimpleNamespace, stack: str, version: str, expected: list[str]) -> None:
    assert severities(plan, "dialect", stack, {"version": version}) == expected


@pytest.mark.parametrize(
    ("stack", "most"), [("lbm", 100), ("loramac-node", 21), ("st", 2151), ("actility-l476", 1000), ("zephyr", 16383)]
)
def test_fragment_count(plan: SimpleNamespace, stack: str, most: int) -> None:
    assert severities(plan, "frag_count", stack, {"n_frags": most}) == []
    assert severities(plan, "frag_count", stack, {"n_frags": most + 1}) == ["refuse"]


def test_fragment_count_says_what_size_would_do(plan: SimpleNamespace) -> None:
    [finding] = found(plan, "frag_count", "lbm", {"n_frags": 105}, campaign={"image_len": 5001})
    assert finding.message == "105 fragments, lbm devices take at most 100"
    assert finding.remedy.startswith("Set fsize to 51 or more, or set profile")
    [finding] = found(plan, "frag_count", "lbm", {"n_frags": 500}, campaign={"image_len": 24000})
    assert finding.remedy.startswith("Send at most 23900 bytes (a delta), or set profile")


@pytest.mark.parametrize(
    ("stack", "fits", "not_"),
    [
        ("lbm", (1, 242), (243,)),
        ("loramac-node", (1, 50), (51,)),
        ("zephyr", (48, 232), (40, 240)),
        ("st", (40, 240), (32, 248)),
    ],
)
def test_fragment_size(plan: SimpleNamespace, stack: str, fits: tuple[int, ...], not_: tuple[int, ...]) -> None:
    for size in fits:
        assert severities(plan, "frag_size", stack, {"frag_size": size}) == []
    for size in not_:
        assert severities(plan, "frag_size", stack, {"frag_size": size}) == ["refuse"]


def test_fragment_size_granularity(plan: SimpleNamespace) -> None:
    assert severities(plan, "frag_size_multiple", "zephyr", {"frag_size": 56}) == []
    assert severities(plan, "frag_size_multiple", "lbm", {"frag_size": 55}) == []
    [finding] = found(plan, "frag_size_multiple", "zephyr", {"frag_size": 55})
    assert finding.severity == "refuse"
    assert "fragments of 55 bytes, zephyr devices take multiples of 8" in finding.message
    assert "Set fsize = 48 or fsize_optimization = 8" in finding.remedy
    [small] = found(plan, "frag_size_multiple", "st", {"frag_size": 5})
    assert "Set fsize = 8 " in small.remedy


def test_image_length(plan: SimpleNamespace) -> None:
    small = replace(profile("lbm"), max_image_len=1000)
    for image_len, expected in ((1000, []), (1001, ["refuse"])):
        facts = {"campaign": {"image_len": image_len}, "device": {"profile": small}}
        assert severities(plan, "image_len", "lbm", **facts) == expected


@pytest.mark.parametrize(
    ("stack", "changes", "expected"),
    [
        ("loramac-node", {}, ["info"]),
        ("loramac-node", {"n_coded": 0}, []),
        ("loramac-node", {"n_frags": 5}, []),  # all may be lost
        ("loramac-node", {"loss": 0.05}, []),
        ("loramac-node", {"loss": 0.15}, ["warn"]),
        ("loramac-node", {"loss": 0.3}, ["refuse"]),
        ("lbm", {"n_frags": 100, "loss": 0.9}, []),
        ("actility-l476", {"n_frags": 1000, "n_coded": 340, "loss": 0.04}, []),
        ("actility-l476", {"n_frags": 1000, "n_coded": 340, "loss": 0.05}, ["warn"]),
        ("actility-l476", {"n_frags": 1000, "n_coded": 340, "loss": 0.07}, ["refuse"]),
        ("zephyr", {"n_frags": 100, "loss": 0.21}, ["refuse"]),
        ("generic", {"n_frags": 1000, "loss": 0.5}, []),
    ],
)
def test_solvable_losses(plan: SimpleNamespace, stack: str, changes: dict[str, Any], expected: list[str]) -> None:
    """Losses of uncoded fragments, whatever the number of coded ones."""
    assert severities(plan, "solvable_losses", stack, changes) == expected


def test_solvable_losses_says_how_many(plan: SimpleNamespace) -> None:
    [finding] = found(plan, "solvable_losses", "actility-l476", {"n_frags": 1000, "n_coded": 340, "loss": 0.07})
    assert "can solve 60 lost fragments of 1000 (6.0%); at a loss of 7.0% they lose 70 on average" in finding.message
    assert "Coded fragments do not help" in finding.remedy


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
def test_carousel(plan: SimpleNamespace, late: LateUncoded, n_coded: int, allowed: bool, expected: list[str]) -> None:
    facts = {
        "campaign": {"allow_carousel": allowed},
        "device": {"profile": DeviceProfile(name="mine", late_uncoded=late)},
    }
    assert severities(plan, "carousel", "lbm", {"rounds": 2, "n_coded": n_coded}, **facts) == expected
    assert severities(plan, "carousel", "lbm", {"rounds": 1, "n_coded": n_coded}, **facts) == []


def test_chosen_rows(plan: SimpleNamespace) -> None:
    for stack, expected in (("lbm", []), ("zephyr", []), ("generic", ["warn"])):
        assert severities(plan, "rows", stack, {"last_row": 900}) == expected
        assert severities(plan, "rows", stack, {}) == []


def test_frag_index(plan: SimpleNamespace) -> None:
    single = {"device": {"profile": DeviceProfile(name="mine", n_sessions=1)}}
    assert severities(plan, "frag_index", "lbm", campaign={"frag_index": 3}) == []
    assert severities(plan, "frag_index", "lbm", campaign={"frag_index": 1}, **single) == ["refuse"]
    assert severities(plan, "frag_index", "lbm", campaign={"frag_index": 0}, **single) == []


def test_mic_only_with_ack_reception(plan: SimpleNamespace) -> None:
    for ack_reception, expected in ((False, ["warn"]), (True, [])):
        changes = {"version": "2.0.0", "ack_reception": ack_reception}
        assert severities(plan, "mic", "st-v2", changes) == expected
        assert severities(plan, "mic", "lbm", changes) == []
    assert severities(plan, "mic", "st-v2", {}) == []


@pytest.mark.parametrize(
    ("stack", "expected"),
    [("lbm", []), ("zephyr", []), ("loramac-node", ["warn"]), ("st", ["warn"]), ("actility-l476", ["refuse"])],
)
def test_status_of_a_binary_transfer(plan: SimpleNamespace, stack: str, expected: list[str]) -> None:
    assert severities(plan, "status", stack, campaign={"kind": "binary"}) == expected
    assert severities(plan, "status", stack) == []


def test_status_between_adaptive_rounds(plan: SimpleNamespace) -> None:
    assert severities(plan, "status", "actility-l476", {"adaptive": True}) == ["warn"]
    assert severities(plan, "status", "lbm", {"adaptive": True}) == []


# ---- group, keys, downlinks ----------------------------------------------------------------------------------------


def test_version_of_the_group_setup(plan: SimpleNamespace) -> None:
    assert severities(plan, "mc_version", "zephyr", {"mc_version": "2.0.0"}) == ["warn"]
    assert severities(plan, "mc_version", "lbm", {"mc_version": "2.0.0"}) == []


@pytest.mark.parametrize(
    ("first", "expected"), [(0, []), (65535 - 26, []), (65536 - 26, ["refuse"]), (70000, ["refuse"])]
)
def test_a_counter_taken_from_16_bits(plan: SimpleNamespace, first: int, expected: list[str]) -> None:
    assert severities(plan, "f_cnt_16_bits", "lbm", {"first_f_cnt": first}) == expected
    whole = {"profile": DeviceProfile(name="mine", first_f_cnt_16_bits=False)}
    assert severities(plan, "f_cnt_16_bits", "lbm", {"first_f_cnt": first}, device=whole) == []


def test_a_counter_at_its_end_is_told_once(plan: SimpleNamespace) -> None:
    changes = {"first_f_cnt": 2**32 - 5}
    assert severities(plan, "f_cnt_16_bits", "lbm", changes) == []


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
def test_device_class(plan: SimpleNamespace, stack: str, device_class: str, expected: list[str]) -> None:
    assert severities(plan, "device_class", stack, {"device_class": device_class}) == expected


@pytest.mark.parametrize(("lorawan", "key"), [("1.0", "GenAppKey"), ("1.1", "AppKey")])
def test_root_key(plan: SimpleNamespace, lorawan: str, key: str) -> None:
    [finding] = found(plan, "root_key", "lbm", device={"lorawan": lorawan, "root_key_known": False})
    assert finding.severity == "refuse"
    assert finding.message.startswith(f"no {key} in the key ring")
    assert severities(plan, "root_key", "lbm", device={"lorawan": lorawan}) == []


AS923_DWELL = {"region": "AS923", "dr": 4, "dwell_time": True, "spacing": 30.0}


@pytest.mark.parametrize(
    ("changes", "dr", "expected"),
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
def test_downlinks_that_do_not_take_the_requests(
    plan: SimpleNamespace, changes: dict[str, Any], dr: int | None, expected: list[str]
) -> None:
    assert severities(plan, "downlink_len", "lbm", changes, device={"downlink_dr": dr}) == expected


def test_downlinks_name_the_requests(plan: SimpleNamespace) -> None:
    [finding] = found(plan, "downlink_len", "lbm", AS923_DWELL, device={"downlink_dr": 2})
    assert finding.message == (
        "McGroupSetupReq of 30 bytes: a downlink at DR2 of AS923 under the dwell-time limit takes 11"
    )
    [finding] = found(plan, "downlink_len", "lbm", AS923_DWELL | {"version": "2.0.0"}, device={"downlink_dr": 2})
    assert finding.message.startswith("McGroupSetupReq of 30 bytes and FragSessionSetupReq of 17 bytes:")
    [finding] = found(plan, "downlink_len", "lbm", AS923_DWELL, device={"downlink_dr": None})
    assert finding.message.endswith("takes 11 (the region's default RX2: its own data rate is not known)")


# ---- firmware ------------------------------------------------------------------------------------------------------


def test_no_firmware_management(plan: SimpleNamespace) -> None:
    for stack, expected in (("zephyr", ["warn"]), ("loramac-node", ["warn"]), ("lbm", []), ("generic", [])):
        assert severities(plan, "ts006", stack) == expected
        assert severities(plan, "ts006", stack, campaign={"kind": "binary"}) == []


def test_upgrade_image_that_is_always_answered_with_none(plan: SimpleNamespace) -> None:
    assert severities(plan, "upgrade_image", "st", {"n_coded": 0}) == ["warn"]
    assert severities(plan, "upgrade_image", "st", {}) == []
    assert severities(plan, "upgrade_image", "lbm", {"n_coded": 0}) == []


@pytest.mark.parametrize(
    ("stack", "campaign", "expected"),
    [
        ("lbm", {}, []),  # left to its application
        ("st-v2", {}, ["warn"]),
        ("st", {}, []),
        ("zephyr", {"reboot": "after_transfer"}, ["refuse"]),
        ("zephyr", {}, []),
        ("lbm", {"reboot": "after_transfer"}, []),
        ("lbm", {"reboot": "time", "reboot_in": 1e5}, []),
        ("st", {"reboot": "time", "reboot_in": 1e5}, ["warn"]),  # it does not wait
        ("st-v2", {"reboot": "time", "reboot_in": 1e5}, []),
        ("st-v2", {"reboot": "time", "reboot_in": 5e6}, ["refuse"]),
        ("actility-l476", {"reboot": "time", "reboot_in": 1e5}, []),
        ("generic", {"reboot": "time", "reboot_in": 1e5}, []),
        ("generic", {"reboot": "after_transfer"}, []),
    ],
)
def test_reboot(plan: SimpleNamespace, stack: str, campaign: dict[str, Any], expected: list[str]) -> None:
    assert severities(plan, "reboot", stack, campaign=campaign) == expected


def test_a_stack_that_reboots_alone_waits_for_a_time_if_it_takes_one(plan: SimpleNamespace) -> None:
    """A countdown is set before the image is complete, and forgotten with the reboot of its own."""
    for verb, expected in ((RebootVerb.COUNTDOWN, ["warn"]), (RebootVerb.TIME, []), (RebootVerb.EITHER, [])):
        mine = replace(profile("st"), name="mine", reboot_verb=verb)
        campaign = plan.campaign(plan.device(profile=mine), reboot="time", reboot_in=1e5)
        assert [finding.severity for finding in plan.found(campaign, "reboot")] == expected
