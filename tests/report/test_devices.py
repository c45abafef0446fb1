"""Devices on a page: by outcome and reason, alike ones together, in few bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.report.devices import LIST_LEN, MANY, MOST_PARTS, device_parts
from fuota_fec.report.tables import STATUSES
from tests.support.statuses import device


def listed(parts) -> list[tuple[str, str, str]]:
    """Title, what alike devices have in common, and DevEUI of each device."""
    return [
        (part.title, alike.about, alike.prefix + rest)
        for part in parts
        for alike in part.alike
        for text in alike.lists
        for rest in text.split(" ")
    ]


def test_devices_that_did_not_pass_come_first_by_frequency():
    parts = device_parts(
        [
            *(device(f"0{i}", "passed") for i in range(5)),
            device("10", "failed", "never heard"),
            *(device(f"{i}", "failed", "no answer in DlFragment") for i in (13, 12)),
            device("20", "unverified", "fragments unknown"),
            device("21", "stopped", "the campaign was stopped"),
        ]
    )
    assert [part.title for part in parts] == [
        "failed: no answer in DlFragment",
        "failed: never heard",
        "stopped: the campaign was stopped",
        "unverified: fragments unknown",
        "passed",
    ]
    assert [part.open for part in parts] == [True, True, True, True, False]
    assert parts[0].alike[0].lists == ["12 13"]
    assert parts[1].meaning == "no uplink of the device came in the whole campaign"


def test_many_devices_are_folded():
    [part] = device_parts([device(f"{i:016x}", "failed", "never heard") for i in range(51)])
    assert (part.open, part.n_devices) == (False, 51)


def test_alike_devices_have_in_common_what_is_said_of_them():
    parts = device_parts(
        [
            device("1", "failed", "never heard", 0x01020304),
            device("2", "failed", "never heard", note="clock off", unconfirmed="no answer"),
            device("3", "failed", "never heard", 0x01020304),
        ]
    )
    assert listed(parts) == [
        ("failed: never heard", "group g, firmware 1.2.3.4", "1"),
        ("failed: never heard", "group g, firmware 1.2.3.4", "3"),
        ("failed: never heard", "group g, firmware unknown, clock off; clean-up not confirmed: no answer", "2"),
    ]


def test_less_frequent_reasons_of_a_status_share_a_part():
    devices = [device(f"{n:02}{k}", "failed", f"missing {n} fragments") for n in range(30) for k in range(1 + (n < 12))]
    parts = device_parts([*devices, device("99", "passed")])
    assert len(parts) == MOST_PARTS + 2
    assert parts[MOST_PARTS].title == f"failed: {30 - MOST_PARTS} other reasons"
    assert ("failed: 18 other reasons", "group g, firmware unknown, missing 29 fragments", "290") in listed(parts)


DEVICES = st.dictionaries(
    st.integers(0, 2**64 - 1).map("{:016x}".format),
    st.tuples(st.sampled_from(STATUSES), st.sampled_from(["", "never heard", "missing 3 fragments"])),
    max_size=40,
)


@given(DEVICES)
def test_every_device_is_listed_once_with_its_outcome(found):
    parts = device_parts([device(dev_eui, *about) for dev_eui, about in found.items()])
    titles = {dev_eui: f"{status}: {reason}" if reason else status for dev_eui, (status, reason) in found.items()}
    assert {(dev_eui, title) for title, _, dev_eui in listed(parts)} == set(titles.items())
    assert sum(part.n_devices for part in parts) == len(found) == len(listed(parts))


def test_many_devices_are_written_without_the_digits_that_they_share():
    dev_euis = [f"70b3d57ed{i:07x}" for i in range(2 * MANY)]
    [part] = device_parts([device(dev_eui, "passed") for dev_eui in reversed(dev_euis)])
    assert part.alike[0].prefix == "70b3d57ed0000"
    assert [len(text.split(" ")) for text in part.alike[0].lists] == [LIST_LEN] * (2 * MANY // LIST_LEN)
    assert [dev_eui for _, _, dev_eui in listed([part])] == dev_euis
