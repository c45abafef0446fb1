from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fuota_fec.devices.profiles import DeviceProfile, profile


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


@pytest.mark.parametrize(
    ("stack", "most"), [("lbm", 100), ("loramac-node", 21), ("st", 2151), ("actility-l476", 1000), ("zephyr", 16383)]
)
def test_more_fragments_than_a_stack_takes_are_refused(sound: SimpleNamespace, stack: str, most: int) -> None:
    assert severities(sound, "frag_count", stack, changes={"n_frags": most}) == []
    assert severities(sound, "frag_count", stack, changes={"n_frags": most + 1}) == ["refuse"]


def test_the_fragment_count_finding_has_the_size_that_would_do(sound: SimpleNamespace) -> None:
    [finding] = found(sound, "frag_count", changes={"n_frags": 105}, facts={"image_len": 5001})
    assert finding.message == "105 fragments, lbm devices take at most 100"
    assert finding.remedy.startswith("Set fsize to 51 or more, or, if their build")
    [finding] = found(sound, "frag_count", changes={"n_frags": 500}, facts={"image_len": 24000})
    assert finding.remedy.startswith("Send at most 23900 bytes (a delta), or, if their build")


@pytest.mark.parametrize(
    ("stack", "size", "expected"),
    [
        *(("lbm", 1, []), ("lbm", 100, [])),
        *(("zephyr", 48, []), ("zephyr", 40, ["refuse"])),
        *(("st", 40, []), ("st", 32, ["refuse"])),
    ],
)
def test_fragments_smaller_than_a_stack_takes_are_refused(
    sound: SimpleNamespace, stack: str, size: int, expected: list[str]
) -> None:
    findings = found(sound, "frag_size", stack, fsize=size)
    assert [finding.severity for finding in findings] == expected


def test_the_fragment_size_finding_has_both_limits(sound: SimpleNamespace) -> None:
    [finding] = found(sound, "frag_size", "zephyr", fsize=40)
    assert finding.message == "fragments of 40 bytes, zephyr devices take 48 to 232"


def test_fragments_that_are_no_multiple_of_a_stacks_unit_are_refused(sound: SimpleNamespace) -> None:
    assert severities(sound, "frag_size_multiple", "zephyr", fsize=56) == []
    assert severities(sound, "frag_size_multiple", "lbm", fsize=55) == []
    [finding] = found(sound, "frag_size_multiple", "zephyr", fsize=55)
    assert finding.severity == "refuse"
    assert "fragments of 55 bytes, zephyr devices take multiples of 8" in finding.message
    assert "Set fsize = 48 or fsize_optimization = 8" in finding.remedy
    [small] = found(sound, "frag_size_multiple", "st", fsize=5)
    assert "Set fsize = 8 " in small.remedy


def test_an_image_longer_than_a_stack_takes_is_refused(sound: SimpleNamespace, known_as_mine: Any) -> None:
    mine = known_as_mine(replace(profile("lbm"), max_image_len=1000))
    for image_len, expected in ((1000, []), (1001, ["refuse"])):
        assert severities(sound, "image_len", mine, facts={"image_len": image_len}) == expected


@pytest.mark.parametrize(
    ("stack", "n_frags", "settings", "expected"),
    [
        ("loramac-node", 21, {}, ["info"]),
        ("loramac-node", 21, {"redundancy": 0}, []),
        ("loramac-node", 5, {}, []),  # all may be lost
        ("loramac-node", 21, {"loss": 0.05}, []),
        ("loramac-node", 21, {"loss": 0.15}, ["warn"]),
        ("loramac-node", 21, {"loss": 0.3}, ["refuse"]),
        ("lbm", 100, {"loss": 0.9}, []),
        ("actility-l476", 1000, {"loss": 0.04}, []),
        ("actility-l476", 1000, {"loss": 0.05}, ["warn"]),
        ("actility-l476", 1000, {"loss": 0.07}, ["refuse"]),
        ("zephyr", 100, {"loss": 0.21}, ["refuse"]),
        ("generic", 1000, {"loss": 0.5}, []),
    ],
)
def test_losses_that_a_stack_cannot_solve_are_named(
    sound: SimpleNamespace, stack: str, n_frags: int, settings: dict[str, Any], expected: list[str]
) -> None:
    """Losses of uncoded fragments, whatever the number of coded ones."""
    settings = {"changes": {"n_frags": n_frags}, "uplink_period": 1e6, **settings}
    assert severities(sound, "solvable_losses", stack, **settings) == expected


def test_the_losses_finding_has_the_number_that_can_be_solved(sound: SimpleNamespace) -> None:
    [finding] = found(
        sound, "solvable_losses", "actility-l476", changes={"n_frags": 1000}, uplink_period=1e6, loss=0.07
    )
    assert "can solve 60 lost fragments of 1000 (6.0%); at a loss of 7.0% they lose 70 on average" in finding.message
    assert "Coded fragments do not help" in finding.remedy


def test_a_frag_index_beyond_a_stacks_sessions_is_refused(sound: SimpleNamespace, known_as_mine: Any) -> None:
    assert severities(sound, "frag_index", frag_index=3) == []
    mine = known_as_mine(DeviceProfile(name="mine", n_sessions=1))
    assert severities(sound, "frag_index", mine, frag_index=1) == ["refuse"]
    assert severities(sound, "frag_index", mine, frag_index=0) == []


def own(sound: SimpleNamespace, rule: str, base: str, values: dict[str, Any], **settings: Any) -> Any:
    """Findings about a device with a profile of its own, which the configuration has."""
    mine = profile(base).replace(name="meter", **values)
    return found(sound, rule, "meter", profiles=(mine,), **settings)


def test_a_profile_of_ones_own_is_checked_by_its_own_limits(sound: SimpleNamespace) -> None:
    raised = {"max_frags": 850, "max_losses": 850}
    assert own(sound, "frag_count", "lbm", raised, changes={"n_frags": 850}) == []
    [finding] = own(sound, "frag_count", "lbm", raised, changes={"n_frags": 851}, facts={"image_len": 40_000})
    assert finding.message == "851 fragments, meter devices take at most 850"
    assert finding.remedy == "Set fsize to 48 or more, or, if their build takes it, set max_frags = 851 in " + (
        "[profiles.meter]."
    )


def test_the_remedy_for_a_limit_is_a_profile_of_ones_own(sound: SimpleNamespace) -> None:
    def remedy(rule: str, stack: str, **settings: Any) -> str:
        [finding] = found(sound, rule, stack, **settings)
        assert "generic" not in finding.remedy
        return finding.remedy.rpartition("[profiles.NAME] with ")[2]

    assert remedy("frag_count", "lbm", changes={"n_frags": 105}) == 'base = "lbm" and max_frags = 105.'
    assert remedy("frag_size", "zephyr", fsize=40) == 'base = "zephyr" and min_frag_size = 40.'
    assert remedy("frag_size_multiple", "zephyr", fsize=52) == 'base = "zephyr" and frag_size_multiple = 4.'
    losses = {"changes": {"n_frags": 1000}, "loss": 0.07, "uplink_period": 1e6}
    assert remedy("solvable_losses", "actility-l476", **losses) == 'base = "actility-l476" and max_losses = 89.'
    losses = {"changes": {"n_frags": 100}, "loss": 0.25, "uplink_period": 1e6}
    assert remedy("solvable_losses", "zephyr", **losses) == 'base = "zephyr" and max_loss_share = 0.36.'
    group = {"mc_group_id": 2}
    assert remedy("mc_group_id", "loramac-node", group=group) == 'base = "loramac-node" and mc_group_ids = [0, 2].'
    assert remedy("frag_index", "mbed", frag_index=1) == 'base = "mbed" and n_sessions = 2.'


def test_sizes_at_which_a_build_hangs_are_refused(sound: SimpleNamespace) -> None:
    assert severities(sound, "frag_count", "st-2021", changes={"n_frags": 2039}) == []
    assert severities(sound, "frag_count", "st", changes={"n_frags": 2040}) == []
    [finding] = found(sound, "frag_count", "st-2021", changes={"n_frags": 2040}, facts={"image_len": 100_000})
    assert finding.severity == "refuse"
    assert finding.message == "2040 fragments to st-2021 devices: their decoder hangs from 2040 fragments on"
    assert finding.remedy == "Set fsize to 56 or more, or leave them out."
    [finding] = found(sound, "frag_count", "st-2021", changes={"n_frags": 2152}, facts={"image_len": 100_000})
    assert finding.message == "2152 fragments to st-2021 devices: their decoder hangs from 2040 fragments on"
    [finding] = found(sound, "frag_count", "st", changes={"n_frags": 2152}, facts={"image_len": 100_000})
    assert finding.message == "2152 fragments, st devices take at most 2151"
    assert finding.remedy.startswith("Set fsize to 48 or more, ")


@pytest.mark.parametrize(
    ("stack", "group_id", "expected"),
    [
        ("lbm", 3, []),
        ("loramac-node", 0, []),
        ("loramac-node", 1, ["refuse"]),
        ("xdot", 2, []),
        ("xdot", 3, ["refuse"]),
    ],
)
def test_mc_group_ids_that_a_stack_does_not_serve_are_refused(
    sound: SimpleNamespace, stack: str, group_id: int, expected: list[str]
) -> None:
    findings = found(sound, "mc_group_id", stack, group={"mc_group_id": group_id}, kind="multicast")
    assert [finding.severity for finding in findings] == expected
    for finding in findings:
        assert finding.remedy.startswith("Set mc_group_id = 0, or, if their build takes it, ")


def test_padding_beyond_the_limit_is_refused(sound: SimpleNamespace) -> None:
    assert own(sound, "padding", "lbm", {"max_padding": 13}) == []  # 21 fragments of 48 bytes for 995 bytes
    [finding] = own(sound, "padding", "lbm", {"max_padding": 12})
    assert (finding.severity, finding.message) == ("refuse", "padding of 13 bytes, meter devices take at most 12")


def test_coded_fragments_faster_than_a_device_works_them_in_are_warned_of(sound: SimpleNamespace) -> None:
    slow = {"group": {"dr": 5, "frequency": 869_525_000}}
    assert severities(sound, "coded_spacing", "xdot", mcast_msg_delay=3000, **slow) == []
    [finding] = found(sound, "coded_spacing", "xdot", mcast_msg_delay=2000, **slow)
    assert finding.message == "a coded fragment every 2 s, xdot devices need 3 s for each"
    assert finding.remedy.startswith("Set coded_msg_delay to 3000 ms or more, or, ")
    assert severities(sound, "coded_spacing", "xdot", mcast_msg_delay=2000, coded_msg_delay=3000, **slow) == []
    assert severities(sound, "coded_spacing", "xdot", mcast_msg_delay=2000, redundancy=0, **slow) == []
