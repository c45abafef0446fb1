from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


def severities(plan: SimpleNamespace, rule: str, changes: dict[str, Any], **campaign: Any) -> list[str]:
    return [f.severity for f in plan.found(plan.campaign(groups=(plan.group(**changes),), **campaign), rule)]


def message(plan: SimpleNamespace, rule: str, changes: dict[str, Any], **campaign: Any) -> str:
    [finding] = plan.found(plan.campaign(groups=(plan.group(**changes),), **campaign), rule)
    assert (finding.group, finding.devices) == ("g", ())
    return str(finding)


def test_no_devices(plan: SimpleNamespace) -> None:
    campaign = plan.campaign(groups=(plan.group(), plan.group(name="h")))
    [finding] = plan.found(campaign, "no_devices")
    assert (finding.severity, finding.group) == ("warn", "h")
    assert [f.group for f in plan.found(campaign, "answer_rate")] == ["g"]


def test_a_fragment_larger_than_the_data_rate_takes(plan: SimpleNamespace) -> None:
    assert severities(plan, "data_rate", {"frag_size": 112}) == []
    assert message(plan, "data_rate", {"frag_size": 113}) == (
        "refuse: group 'g': fragments have 113 bytes, DR3 of EU868 takes at most 112. "
        "Set fsize to 112 or less, or give the group a faster dr."
    )
    assert severities(plan, "data_rate", {"frag_size": 113}, kind="multicast") == []


def test_a_data_rate_that_carries_no_downlink(plan: SimpleNamespace) -> None:
    assert "DR8 is for uplinks only in EU868" in message(plan, "data_rate", {"dr": 8})
    under_dwell = {"region": "AS923", "dr": 1, "dwell_time": True}
    assert "carries no downlink under the 400 ms dwell-time limit" in message(plan, "data_rate", under_dwell)


def test_a_frequency_outside_the_region(plan: SimpleNamespace) -> None:
    assert severities(plan, "frequency", {"frequency_hz": 869_525_000}) == []
    assert "refuse: group 'g': frequency_hz: 915000000 Hz is in no sub-band" in message(
        plan, "frequency", {"frequency_hz": 915_000_000}
    )
    assert severities(plan, "frequency", {"region": "CN470", "dr": 3}) == ["refuse"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"spacing": 3.7}, []),
        ({"spacing": 3.6}, ["warn"]),
        ({"spacing": 0.0}, ["warn"]),
        ({"spacing": 3.7, "frequency_hz": 868_100_000}, ["warn"]),
        ({"spacing": 0.5, "region": "US915", "dr": 8}, []),
        ({"dr": 9}, []),  # said by data_rate
    ],
)
def test_duty_cycle(plan: SimpleNamespace, changes: dict[str, Any], found: list[str]) -> None:
    """370 ms on the air: 10 % of 3.7 s."""
    assert severities(plan, "duty_cycle", changes) == found


def test_duty_cycle_says_what_would_fit(plan: SimpleNamespace) -> None:
    text = message(plan, "duty_cycle", {"spacing": 2.0})
    assert "a frame of 0.370 s every 2 s; a gateway may use 10.0% of the time" in text
    assert "Set mcast_msg_delay to 3697 or more" in text


def test_spacing(plan: SimpleNamespace) -> None:
    assert severities(plan, "spacing", {"spacing": 2.0}) == []
    assert severities(plan, "spacing", {"spacing": 1.99}) == ["warn"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"n_frags": 16000, "n_coded": 383}, []),
        ({"n_frags": 16000, "n_coded": 384}, ["refuse"]),
        ({"n_frags": 16000, "n_coded": 1, "last_row": 384}, ["refuse"]),
        ({"n_frags": 16384, "n_coded": 0}, ["refuse"]),
    ],
)
def test_fragment_numbers(plan: SimpleNamespace, changes: dict[str, Any], found: list[str]) -> None:
    assert severities(plan, "frag_nb", changes) == found


def test_fragments_that_do_not_hold_the_image(plan: SimpleNamespace) -> None:
    assert severities(plan, "n_frags", {}, image_len=21 * 48) == []
    text = message(plan, "n_frags", {}, image_len=21 * 48 + 1)
    assert "21 fragments of 48 bytes hold 1008 bytes, expected 1009. Plan 22 fragments." in text


def test_a_single_fragment_cannot_be_protected(plan: SimpleNamespace) -> None:
    assert severities(plan, "n_frags", {"n_frags": 1, "n_coded": 2}, image_len=48) == ["warn"]
    assert severities(plan, "n_frags", {"n_frags": 1, "n_coded": 0}, image_len=48) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"session_length": 32768.0}, []),
        ({"session_length": 32768.1}, ["refuse"]),
        ({"session_length": 32768.1, "device_class": "B"}, []),
        ({"session_length": 128 * 32768.0 + 1, "device_class": "B"}, ["refuse"]),
    ],
)
def test_session_longer_than_its_time_out_can_say(
    plan: SimpleNamespace, changes: dict[str, Any], found: list[str]
) -> None:
    assert severities(plan, "session_length", changes) == found


def test_end_of_the_counter(plan: SimpleNamespace) -> None:
    assert severities(plan, "f_cnt_end", {"first_f_cnt": 2**32 - 1 - 26}) == []
    assert severities(plan, "f_cnt_end", {"first_f_cnt": 2**32 - 26}) == ["refuse"]


def test_gateways(plan: SimpleNamespace) -> None:
    assert severities(plan, "gateways", {"n_gateways": 0}) == ["refuse"]
    assert severities(plan, "gateways", {"n_gateways": 1}) == severities(plan, "gateways", {}) == []


def test_mc_key(plan: SimpleNamespace) -> None:
    assert severities(plan, "mc_key", {"mc_key_known": False}) == ["refuse"]
    assert severities(plan, "mc_key", {}) == []


def test_no_mic_in_the_first_dialect(plan: SimpleNamespace) -> None:
    assert severities(plan, "no_mic", {}) == ["info"]
    assert severities(plan, "no_mic", {"version": "2.0.0"}) == []


def _crowd(plan: SimpleNamespace, n_devices: int, **changes: Any) -> list[Any]:
    return [plan.device(f"{i:016x}", **changes) for i in range(n_devices)]


@pytest.mark.parametrize(
    ("n_devices", "delay", "found", "remedy"),
    [
        (80, 0, ["info"], ""),
        (81, 0, ["warn", "info"], "Split it into groups of at most 80 devices."),
        (5000, 2, ["warn", "info"], "Split it into groups of at most 80 devices."),
        (10240, 7, ["info"], ""),
        (10241, 7, ["warn", "info"], "Split it into groups of at most 80 devices."),
    ],
)
def test_answers_at_once(plan: SimpleNamespace, n_devices: int, delay: int, found: list[str], remedy: str) -> None:
    """Five a second are allowed, over 2^(delay + 4) s."""
    groups = (plan.group(block_ack_delay=delay),)
    findings = plan.found(plan.campaign(*_crowd(plan, n_devices), groups=groups, kind="binary"), "answer_rate")
    assert [finding.severity for finding in findings] == found
    assert findings[0].remedy == remedy


def test_the_push_of_dialect_2_counts_as_answers(plan: SimpleNamespace) -> None:
    for ack_reception, found in ((True, ["warn", "info"]), (False, ["info"])):
        groups = (plan.group(version="2.0.0", ack_reception=ack_reception),)
        findings = plan.found(plan.campaign(*_crowd(plan, 100), groups=groups), "answer_rate")
        assert [finding.severity for finding in findings] == found


def test_expected_answers_per_second(plan: SimpleNamespace) -> None:
    crowd = _crowd(plan, 60)  # an uplink every 300 s each
    [free] = plan.found(plan.campaign(*crowd, ucast_msg_delay=0), "answer_rate")
    assert free.message == "60 devices: about 0.2 answers a second in the unicast stages"
    [paced] = plan.found(plan.campaign(*crowd, ucast_msg_delay=10), "answer_rate")
    assert "about 0.1 answers a second" in paced.message
    groups = (plan.group(block_ack_delay=1),)
    [asked] = plan.found(plan.campaign(*crowd, groups=groups, kind="binary"), "answer_rate")
    assert asked.message.endswith("1.9 when all answer within 32 s")


def test_frames_of_the_session(plan: SimpleNamespace) -> None:
    assert message(plan, "frames", {"first_f_cnt": 7}) == (
        "info: group 'g': 21 uncoded and 5 coded fragments of 48 bytes: 26 frames, one every 5.0 s, the last 131 s "
        "after the session's start; counters 7 to 32"
    )
    rounds = message(plan, "frames", {"rounds": 2, "n_coded": 0})
    assert "2 rounds of 21 uncoded and 0 coded fragments of 48 bytes: 42 frames" in rounds
    assert severities(plan, "frames", {}, kind="multicast") == []
