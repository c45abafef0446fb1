from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.campaign.preflight.finding import Finding
from fuota_fec.devices.profiles import profile
from fuota_fec.devices.radios import Radio


def message(sound: SimpleNamespace, rule: str, **settings: Any) -> str:
    changes, group = settings.pop("changes", None), settings.pop("group", {})
    config = sound.config(groups=(sound.group(**group),), **settings)
    [finding] = sound.found(config, rule, changes=changes)
    assert (finding.group, finding.devices) == ("g", ())
    return str(finding)


def severities(sound: SimpleNamespace, rule: str, **settings: Any) -> list[str]:
    changes, group = settings.pop("changes", None), settings.pop("group", {})
    config = sound.config(groups=(sound.group(**group),), **settings)
    return [finding.severity for finding in sound.found(config, rule, changes=changes)]


@pytest.mark.parametrize(
    ("group", "spacing", "found"),
    [
        ({}, 3.7, []),
        ({}, 3.6, ["warn"]),
        ({}, 0.0, ["warn"]),
        ({"frequency": 868_100_000}, 3.7, ["warn"]),
        ({"region": "US915", "dr": 8}, 0.5, []),
    ],
)
def test_frames_keep_to_the_duty_cycle_of_the_frequency(
    sound: SimpleNamespace, group: dict[str, Any], spacing: float, found: list[str]
) -> None:
    """370 ms on the air: 10 % of 3.7 s."""
    time = replace(sound.plan_of(sound.config()).groups["g"].time, spacing=spacing)
    settings = {"fsize": 48 if group.get("region") != "US915" else 30, "group": group, "changes": {"time": time}}
    assert severities(sound, "duty_cycle", **settings) == found


def test_the_duty_cycle_finding_has_the_delay_that_would_fit(sound: SimpleNamespace) -> None:
    text = message(sound, "duty_cycle", mcast_msg_delay=2000, duty_cycle=1)
    assert "a frame of 0.370 s every 2 s; a gateway may use 10.0% of the time" in text
    assert "Set mcast_msg_delay to 3697 ms or more" in text


@pytest.mark.parametrize(("delay_ms", "found"), [(2000, []), (1990, ["warn"])])
def test_a_device_needs_two_seconds_for_a_frame(sound: SimpleNamespace, delay_ms: float, found: list[str]) -> None:
    assert severities(sound, "spacing", mcast_msg_delay=delay_ms, duty_cycle=1) == found


def test_coded_fragments_of_a_single_one_are_warned_of(sound: SimpleNamespace) -> None:
    for redundancy, found in ((2, ["warn"]), (0, [])):
        config = sound.config(redundancy=redundancy)
        assert [finding.severity for finding in sound.found(config, "n_frags", image_len=48)] == found
        assert not sound.found(config, "n_frags", image_len=49)


def test_the_last_counter_leaves_no_room_for_a_multicast_setup(sound: SimpleNamespace) -> None:
    for first, found in ((2**32 - 2, []), (2**32 - 1, ["refuse"])):
        assert severities(sound, "f_cnt_end", kind="multicast", group={"first_f_cnt": first}) == found
    assert severities(sound, "f_cnt_end", group={"first_f_cnt": 2**32 - 1 - 26}) == []


def test_a_group_key_that_is_not_in_the_ring_is_refused(sound: SimpleNamespace) -> None:
    [finding] = sound.found(sound.config(), "mc_key", mc_key_known=lambda group: group.name != "g")
    assert finding.severity == "refuse"
    assert severities(sound, "mc_key") == []


def test_the_missing_mic_of_the_first_dialect_is_named(sound: SimpleNamespace) -> None:
    assert severities(sound, "no_mic") == ["info"]
    assert severities(sound, "no_mic", group={"dialect": "2.0.0"}) == []


def fleet(sound: SimpleNamespace, n_devices: int) -> list[Any]:
    return [sound.device(f"{i:016x}") for i in range(n_devices)]


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
def test_more_than_five_answers_a_second_are_warned_of(
    sound: SimpleNamespace, n_devices: int, delay: int, found: list[str], remedy: str
) -> None:
    """Answers are spread over 2^(delay + 4) s."""
    config = sound.config(*fleet(sound, n_devices), kind="binary")
    findings = sound.found(config, "answer_rate", changes={"block_ack_delay": delay})
    assert [finding.severity for finding in findings] == found
    assert findings[0].remedy == remedy


def test_the_reports_of_dialect_2_count_as_answers(sound: SimpleNamespace) -> None:
    for ack_reception, found in ((True, ["warn", "info"]), (False, ["info"])):
        config = sound.config(*fleet(sound, 100), groups=(sound.group(dialect="2.0.0"),), ack_reception=ack_reception)
        findings = sound.found(config, "answer_rate", changes={"block_ack_delay": 0})
        assert [finding.severity for finding in findings] == found


def test_the_rate_of_answers_is_expected_by_period_pacing_and_spread(sound: SimpleNamespace) -> None:
    devices = fleet(sound, 60)  # an uplink every 300 s each
    [free] = sound.found(sound.config(*devices, ucast_msg_delay=0), "answer_rate")
    assert free.message == "60 devices: about 0.2 answers a second in the unicast stages"
    [paced] = sound.found(sound.config(*devices, ucast_msg_delay=10_000), "answer_rate")
    assert "about 0.1 answers a second" in paced.message
    [asked] = sound.found(sound.config(*devices, kind="binary"), "answer_rate", changes={"block_ack_delay": 1})
    assert asked.message.endswith("1.9 when all answer within 32 s")


def test_the_session_is_shown_with_the_energy_of_both_lengths(sound: SimpleNamespace) -> None:
    """5 s before the first of 26 frames, one every 5 s: 135 s · 1.25 + 60 s are 229 s. 48 mW while a device listens. A
    network with summaries every 60 s takes 1565 s · 1.25 + 60 s."""
    need = "TimeOut 8, 256 s, 12 J (sx127x) for a device that listens until its end"
    duration = "TimeOut 15, 32768 s, 1573 J (sx127x) for a device that listens until its end"
    shown = message(sound, "session", session_length="need", summary_reports_disabled=True)
    assert shown == f"info: group 'g': session: {need}; with session_length = 'duration': {duration}"
    shown = message(sound, "session", session_length="duration", summary_reports_disabled=True)
    assert shown == f"info: group 'g': session: {duration}; with session_length = 'need': {need}"
    assert "session: TimeOut 11, 2048 s, 98 J" in message(sound, "session", changes={"pacing": 60.0})
    assert severities(sound, "session", kind="multicast") == []


def test_a_session_of_class_b_is_counted_in_beacon_periods(sound: SimpleNamespace) -> None:
    shown = message(sound, "session", group={"device_class": "B", "periodicity": 4})
    assert "session: TimeOut 3, 1024 s, 1 J (sx127x) for a device that listens until its end" in shown


def test_the_frames_of_a_session_are_counted(sound: SimpleNamespace) -> None:
    assert message(sound, "frames", group={"first_f_cnt": 7}) == (
        "info: group 'g': 21 uncoded and 5 coded fragments of 48 bytes: 26 frames, one every 5.0 s, the last 130 s "
        "after the session's start; counters 7 to 32"
    )
    rounds = message(sound, "frames", redundancy=0)
    assert "2 rounds of 21 uncoded and 0 coded fragments of 48 bytes: 42 frames" in rounds
    adaptive = message(sound, "frames", redundancy="adaptive", frag_redundancy_max=40)
    assert "21 uncoded and up to 40 coded fragments of 48 bytes: up to 61 frames" in adaptive
    assert "the last of the first round" in adaptive
    binary = message(sound, "frames", kind="binary", fsession_status_threshold=0)
    assert "27 frames, one every 5.0 s, the last 135 s after the session's start" in binary
    assert severities(sound, "frames", kind="multicast") == []


def test_the_energy_of_a_session_is_that_of_the_radios_of_the_group(sound: SimpleNamespace) -> None:
    a, b, c = (sound.device(eui, stack) for eui, stack in zip(sound.euis, ("lbm", "st", "meter"), strict=True))
    mine = profile("lbm").replace(name="meter", radio=Radio(name="mine", listening=1.0, sending=1.0))
    [finding] = sound.found(sound.config(a, b, c, profiles=(mine,)), "session")
    assert "TimeOut 8, 256 s, 12 J (sx127x), 11 J (sx126x), 256 J (mine) for a device that listens" in finding.message


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ({}, []),
        ({"region": "US915", "dr": None}, []),
        ({"region": "US915", "dr": 8, "frequency": 923_900_000}, []),
        ({"region": "US915", "dr": 8, "frequency": 923_400_000}, ["refuse"]),
        ({"region": "US915", "dr": 8, "frequency": 923_400_000, "device_class": "B"}, ["refuse"]),
        ({"region": "KR920", "dr": 3, "frequency": 921_950_000}, ["refuse"]),
        ({"dr": 3, "frequency": 869_400_000}, ["refuse"]),
    ],
)
def test_a_group_is_on_a_downlink_channel_of_its_region(
    sound: SimpleNamespace, group: dict[str, Any], found: list[str]
) -> None:
    assert severities(sound, "channel", group=group) == found


def test_the_channel_finding_has_what_would_be_right(sound: SimpleNamespace) -> None:
    text = message(sound, "channel", group={"region": "US915", "dr": 8, "frequency": 923_400_000})
    assert "923400000 Hz is not a downlink channel of US915" in text
    assert "Set frequency: 923.3 to 927.5 MHz in steps of 0.6 MHz; the next is 923300000 Hz." in text


def test_hopping_needs_ts005_2(sound: SimpleNamespace) -> None:
    hops = {"region": "US915", "dr": 8, "device_class": "B"}
    assert severities(sound, "hopping", group=hops) == ["refuse"]
    assert "Set frequency = 923300000" in message(sound, "hopping", group=hops)
    assert severities(sound, "hopping", group={**hops, "mc_version": "2.0.0"}) == []
    assert severities(sound, "hopping", group={**hops, "frequency": 923_300_000}) == []
    assert severities(sound, "hopping", group={"device_class": "B"}) == []


@pytest.mark.parametrize(
    ("group", "period", "found"),
    [
        ({"dr": 0}, 15.0, ["warn"]),
        ({"dr": 0}, 120.0, []),
        ({"dr": 0, "device_class": "B"}, 15.0, []),
        ({"dr": 5}, 15.0, ["warn"]),
        ({"dr": 5}, 60.0, []),
    ],
)
def test_own_uplinks_that_cost_more_than_5_percent_are_warned_of(
    sound: SimpleNamespace, group: dict[str, Any], period: float, found: list[str]
) -> None:
    assert severities(sound, "own_uplinks", group=group, uplink_period=period) == found


def test_the_finding_about_own_uplinks_has_the_share(sound: SimpleNamespace) -> None:
    text = message(sound, "own_uplinks", group={"dr": 0}, uplink_period=15.0)
    assert "1 of 1 devices miss more than 5% of the fragments" in text
    assert "34.7% with one every 15 s" in text


@pytest.mark.parametrize(
    ("stack", "fsize", "found"),
    [("pamoja", 48, True), ("lbm", 48, True), ("generic", 48, False), ("pamoja", 46, False)],
)
def test_rows_that_are_all_even_are_warned_of_where_no_uncoded_fragment_helps(
    sound: SimpleNamespace, stack: str, fsize: int, found: bool
) -> None:
    """995 bytes: 21 fragments of 48, 22 of 46."""
    config = sound.config(
        sound.device(stack=stack),
        groups=(sound.group(dialect="2.0.0", mc_version="2.0.0"),),
        redundancy="adaptive",
        fsize=fsize,
    )
    findings = sound.found(config, "even_rows")
    assert [f.severity for f in findings] == ["warn"] * found
    assert all(f.remedy == "Set fsize to 46, which makes 22 fragments." for f in findings)
    head = (
        "nor of the first 4 frames of the further round with which it begins to listen: after a coded one lbm devices"
    )
    assert all((head in f.message) is (stack == "lbm") for f in findings)


def test_surplus_fragments_that_are_read_as_commands_are_warned_of(sound: SimpleNamespace) -> None:
    """100 coded fragments to devices that lose one in ten of 400: each hears 48 after its block is complete."""
    devices = [sound.device(f"{i:016x}", stack) for i, stack in enumerate(["zephyr"] * 99 + ["lbm"])]
    settings = {"kind": "binary", "fw_version": None, "uplink_period": 1e5, "max_duration": 1e7}

    def found(**changes: Any) -> list[Finding]:
        config = sound.config(*devices, **settings | {"redundancy": 100} | changes)
        return sound.found(config, "surplus", image_len=400 * 48)

    [finding] = found()
    assert (finding.severity, finding.devices) == ("warn", ())
    assert finding.message == (
        "17.0 of 99 devices (zephyr) are expected to read a coded fragment as a command: after completion one hears 48 "
        "of the 100 on average, and one fragment in 256 is a FragSessionSetupReq. The device then reports fragments "
        "missing, or loses the image"
    )
    assert found(redundancy="adaptive") == found(redundancy=45) == []
