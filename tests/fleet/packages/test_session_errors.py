"""Sessions with a frequency or a data rate that the device's region does not have."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec.devices.profiles import DeviceProfile, profile
from fuota_fec.fleet.packages.session_errors import ChannelErrors, Errors, channel_errors, errors_found, refused
from fuota_fec.fleet.quirks import AS_SPECIFIED
from fuota_fec.wire import multicast

GOOD = (869_525_000, 0)
BAD_FREQUENCY = (900_000_000, 0)
BAD_DR = (869_525_000, 9)
BOTH = (900_000_000, 9)


def device(bench: Any, stack: DeviceProfile = AS_SPECIFIED, area: str = "EU868", **settings: Any) -> Any:
    """A device with group 0."""
    b = bench(profile=stack, region=area, **settings)
    b.ask(b.group_request())
    return b


def answer(b: Any, frequency_hz: int, dr: int, *, start: int = 100, group: int = 0) -> str:
    """The answer to a class C session, without the time to its start."""
    request = b.session_request(start=start, mc_group_id=group, dl_frequency_hz=frequency_hz, dr=dr)
    b.device.receive(200, request.encode(), b.now)
    due = b.device.next_due()
    return "" if due is None else "".join(payload.hex() for _, payload in b.device.advance(due))


ERRORS = [
    ("as specified", {"frequency": "0408", "data rate": "0404", "both": "040c", "undefined": "0411", "missed": "042c"}),
    ("lbm", {"frequency": "0408", "data rate": "0404", "both": "040c", "undefined": "0411", "missed": "042c"}),
    ("loramac-node", {"frequency": "0408", "data rate": "0404", "both": "040c", "undefined": "041d", "missed": "040c"}),
    ("st", {"frequency": "0408", "data rate": "0404", "both": "040c", "undefined": "041d", "missed": "040c"}),
    ("st-2021", {"frequency": "0408+", "data rate": "0404+", "both": "040c+", "undefined": "041d", "missed": "041c"}),
    (
        "actility-l476",
        {"frequency": "0408+", "data rate": "0404+", "both": "040c+", "undefined": "041d", "missed": "041c"},
    ),
    ("zephyr", {"frequency": "04", "data rate": "04", "both": "04", "undefined": "041d", "missed": "04"}),
    ("mbed", {"frequency": "0400+", "data rate": "0400+", "both": "0400+", "undefined": "0411", "missed": "0420"}),
]
"""Answers, "+" if TimeToStart follows. "missed": both are wrong, and the start has passed."""


@pytest.mark.parametrize(("stack", "expected"), ERRORS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_session_outside_the_region_is_answered_as_the_stack_does(bench, stack, expected) -> None:
    p = AS_SPECIFIED if stack == "as specified" else profile(stack)
    cases = {
        "frequency": (BAD_FREQUENCY, {}),
        "data rate": (BAD_DR, {}),
        "both": (BOTH, {}),
        "undefined": (GOOD, {"group": 1}),
        "missed": (BOTH, {"start": -50}),
    }
    for name, (channel, settings) in cases.items():
        said = answer(device(bench, p), *channel, **settings)
        shown = f"{said[:4]}+" if len(said) == 10 else said
        assert shown == expected[name], name
    assert len(answer(device(bench, p), *GOOD)) == 10


@pytest.mark.parametrize("stack", ["lbm", "loramac-node", "actility-l476", "zephyr"])
def test_a_refused_session_is_not_opened(bench, stack) -> None:
    b = device(bench, profile(stack))
    answer(b, *BOTH)
    assert b.device.groups[0].opens == float("inf")
    answer(b, *GOOD)
    assert b.device.groups[0].opens < float("inf")


def test_a_stack_that_checks_nothing_opens_the_session(bench) -> None:
    b = device(bench, profile("mbed"))
    answer(b, *BOTH)
    assert b.device.groups[0].frequency_hz == 900_000_000


def test_a_device_whose_region_is_not_known_takes_every_session(bench) -> None:
    assert len(answer(device(bench, area=""), *BOTH)) == 10


def test_the_region_may_be_named_as_in_a_configuration(bench) -> None:
    assert device(bench, area="as923").device.region == "AS923-1"


@pytest.mark.parametrize(
    ("area", "frequency_hz", "has", "lbm_has"),
    [
        ("EU868", 863_000_000, True, True),
        ("EU868", 868_650_000, False, True),  # A gap for alarms, which LBM does not know.
        ("EU868", 870_000_100, False, False),
        ("US915", 923_900_000, True, True),
        ("US915", 924_000_000, False, True),
        ("US915", 902_000_000, False, True),
        ("KR920", 921_900_000, True, True),
        ("KR920", 922_000_000, False, True),
        ("IN865", 866_550_000, True, True),
        ("ISM2400", 2_423_000_000, True, False),  # LBM reads half of it.
    ],
)
def test_frequencies_are_those_of_the_region(bench, area, frequency_hz, has, lbm_has) -> None:
    for stack, expected in ((AS_SPECIFIED, has), (profile("lbm"), lbm_has)):
        b = device(bench, stack, area)
        errors = channel_errors(b.device, b.session_request(dl_frequency_hz=frequency_hz))
        assert errors.frequency is not expected, stack.name


@pytest.mark.parametrize(
    ("area", "dr", "old", "new"),
    [
        ("EU868", 7, True, True),
        ("EU868", 8, False, False),  # Uplinks only.
        ("EU868", 12, False, True),
        ("US915", 0, False, True),
        ("US915", 8, True, True),
        ("KR920", 6, False, False),
        ("IN865", 6, False, False),
        ("CN470", 0, False, False),
    ],
)
def test_data_rates_are_those_of_the_region_and_the_radio(bench, area, dr, old, new) -> None:
    for stack, expected in ((AS_SPECIFIED, old), (AS_SPECIFIED.replace(new_data_rates=True), new)):
        b = device(bench, stack, area)
        assert channel_errors(b.device, b.session_request(dr=dr)).data_rate is not expected


@pytest.mark.parametrize(
    ("stack", "mc_version", "hops"),
    [
        (AS_SPECIFIED, "1.0.0", False),
        (AS_SPECIFIED, "2.0.0", True),
        (profile("lbm"), "2.0.0", False),
        (profile("st-v2"), "2.0.0", False),
    ],
)
def test_frequency_0_hops_in_class_b_of_the_second_version_only(bench, stack, mc_version, hops) -> None:
    b = device(bench, stack, mc_version=mc_version)
    [said] = b.ask(b.class_b_request(dl_frequency_hz=0))
    assert isinstance(said, multicast.McClassBSessionAns)
    assert said.freq_error is not hops
    assert channel_errors(b.device, b.session_request(dl_frequency_hz=0)).frequency


def test_the_group_hides_other_errors_where_a_stack_looks_at_it_first() -> None:
    both = ChannelErrors(frequency=True, data_rate=True)
    found = errors_found(profile("mbed"), both, undefined=True, missed=True)
    assert found == Errors(undefined=True, missed=False, frequency=False, data_rate=False)
    found = errors_found(AS_SPECIFIED, both, undefined=True, missed=True)
    assert found == Errors(undefined=True, missed=True, frequency=True, data_rate=True)


def test_a_refusal_of_class_b_has_its_own_cid() -> None:
    errors = Errors(undefined=False, missed=False, frequency=True, data_rate=False)
    assert refused(profile("st"), multicast.McClassBSessionAns, 2, errors, 5).encode() == bytes.fromhex("050a")
    assert refused(profile("zephyr"), multicast.McClassBSessionAns, 2, errors, 5).encode() == b"\x05"
