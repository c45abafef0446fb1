"""TS006 of a virtual device: versions, stored images and reboots."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.wire import firmware, fragmentation
from fuota_fec.wire.clock import gps_from_unix
from fuota_fec.wire.commands import Command

NOW = 1_800_000_000.0
GPS_NOW = int(gps_from_unix(NOW))
IMAGE = bytes(range(50, 93))
NEW_VERSION = 0x02000000


def test_version_and_image_status_are_answered(bench) -> None:
    b = bench(fw_version=0x01020304, hw_version=9)
    assert b.ask(firmware.DevVersionReq()) == [firmware.DevVersionAns(fw_version=0x01020304, hw_version=9)]
    assert b.ask(firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=0)]


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("lost", [(), (1,), (2, 4), (1, 2, 3, 4)])
def test_a_rebuilt_release_is_installed(bench, version, lost) -> None:
    b = bench(version=version, process_time=10).ready()
    for n in [n for n in range(1, 26) if n not in lost]:
        b.cast(b.frame(n), n)
        b.now += 1
    b.answers(60)
    assert b.device.image == IMAGE
    assert b.ask(firmware.DevVersionReq()) == [firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)]


def test_an_image_that_is_no_release_is_not_installed(bench) -> None:
    b = bench(releases={}).ready()
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    assert b.ask(firmware.DevUpgradeImageReq(), within=5) == [firmware.DevUpgradeImageAns(up_image_status=1)]
    b.answers(60)
    assert b.device.image is None
    assert b.ask(firmware.DevVersionReq())[0].fw_version == 0x01000000


def test_a_valid_image_is_answered_before_it_runs(bench) -> None:
    b = bench(process_time=100).ready()
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    assert b.ask(firmware.DevUpgradeImageReq(), within=5) == [
        firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION)
    ]


def test_an_image_waits_for_a_requested_reboot_if_the_device_plans_none(bench) -> None:
    b = bench.with_image().wait(1e6)
    assert (b.device.stored, b.device.image, b.device.n_reboots) == (IMAGE, None, 0)
    assert b.ask(firmware.DevUpgradeImageReq()) == [
        firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=NEW_VERSION)
    ]
    b.send(firmware.DevRebootCountdownReq(countdown=100))
    b.wait(99)
    assert b.device.fw_version == 0x01000000
    b.wait(2)
    assert (b.device.stored, b.device.image, b.device.n_reboots) == (None, IMAGE, 1)
    assert b.device.fw_version == NEW_VERSION
    assert b.ask(firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=0)]


def planned(kind: str, seconds: int) -> Command:
    """A request for a reboot some seconds after NOW + 110, as of when it is sent."""
    if kind == "time":
        return firmware.DevRebootTimeReq(reboot_time=GPS_NOW + 110 + seconds)
    return firmware.DevRebootCountdownReq(countdown=seconds)


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_a_planned_reboot_is_answered_with_the_seconds_left(bench, kind) -> None:
    b = bench()
    b.now = NOW + 110
    [answer] = b.ask(planned(kind, 500), within=5)
    left = answer.reboot_time if kind == "time" else answer.countdown
    assert b.now + left == pytest.approx(NOW + 610, abs=1)
    b.wait(NOW + 608 - b.now)
    assert b.device.n_reboots == 0
    b.wait(4)
    assert b.device.n_reboots == 1


def at_once(kind: str) -> Command:
    return {
        "time": firmware.DevRebootTimeReq(reboot_time=0),
        "countdown": firmware.DevRebootCountdownReq(countdown=0),
    }[kind]


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_an_immediate_reboot_is_not_answered(bench, kind) -> None:
    b = bench.with_image(clock_set=False)
    assert b.ask(at_once(kind)) == []
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


def cancel(kind: str) -> tuple[Command, Command]:
    """The request and its acknowledgement."""
    return {
        "time": (
            firmware.DevRebootTimeReq(reboot_time=0xFFFFFFFF),
            firmware.DevRebootTimeAns(reboot_time=0xFFFFFFFF),
        ),
        "countdown": (
            firmware.DevRebootCountdownReq(countdown=0xFFFFFF),
            firmware.DevRebootCountdownAns(countdown=0xFFFFFF),
        ),
    }[kind]


@pytest.mark.parametrize("kind", ["time", "countdown"])
@pytest.mark.parametrize("was", ["time", "countdown", "nothing"])
def test_a_cancelled_reboot_is_not_made(bench, kind, was) -> None:
    b = bench.with_image()
    if was != "nothing":
        b.now = NOW + 110
        b.ask(planned(was, 300), within=10)
    request, acknowledgement = cancel(kind)
    assert b.ask(request, within=10) == [acknowledgement]
    b.wait(1e6)
    assert (b.device.stored, b.device.n_reboots) == (IMAGE, 0)


@pytest.mark.parametrize(
    ("seconds", "settings"), [(-5000, {}), (0, {}), (-5000, {"clock_set": False}), (5000, {"clock_set": False})]
)
def test_a_refused_reboot_time_keeps_the_planned_reboot(bench, seconds, settings) -> None:
    b = bench.with_image(**settings)
    b.now = NOW + 110
    b.ask(firmware.DevRebootCountdownReq(countdown=200), within=10)
    assert b.ask(planned("time", seconds), within=10) == [firmware.DevRebootTimeAns(reboot_time=0)]
    b.wait(300)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


def test_a_reboot_time_is_either_refused_or_kept(bench) -> None:
    """The time may pass before the answer is sent."""
    answered = set()
    for seed in range(60):
        b = bench(rng=np.random.default_rng(seed))
        b.now = NOW + 110
        [answer] = b.ask(planned("time", 2), within=20)
        answered.add(answer.reboot_time)
        assert b.device.n_reboots == (answer.reboot_time > 0)
    assert answered == {0, 1}


def test_a_reboot_time_is_read_by_the_device_clock(bench) -> None:
    b = bench(clock_error=50.0)
    b.now = NOW + 110
    [answer] = b.ask(planned("time", 500), within=5)
    assert b.now + answer.reboot_time == pytest.approx(NOW + 560, abs=1)
    b.wait(NOW + 562 - b.now)
    assert b.device.n_reboots == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["time", "countdown", "cancel time", "cancel countdown"]), st.integers(500, 5000)),
        max_size=6,
    )
)
def test_the_last_reboot_request_of_either_kind_wins(bench, requests: list[tuple[str, int]]) -> None:
    b = bench.with_image()
    b.now = NOW + 110
    expected: float | None = None
    for kind, seconds in requests:
        if kind.startswith("cancel"):
            b.send(cancel(kind.removeprefix("cancel "))[0])
            expected = None
        else:
            b.send(planned(kind, seconds))
            expected = NOW + 110 + seconds
    b.answers(10)
    due = b.device.next_due()
    assert (due is None) == (expected is None)
    assert due is None or due == pytest.approx(expected, abs=1)
    b.wait(10_000)
    assert b.device.n_reboots == (expected is not None)


@pytest.mark.parametrize("countdown", [1, 2, 3, 4])
def test_a_countdown_is_never_answered_with_the_number_of_an_error(bench, countdown) -> None:
    for seed in range(20):
        b = bench(rng=np.random.default_rng(seed))
        answers = b.ask(firmware.DevRebootCountdownReq(countdown=countdown))
        assert all(answer.countdown > 0 for answer in answers)
        assert len(answers) == 1 or countdown <= 3
        assert b.device.n_reboots == 1


def test_a_reboot_without_an_image_keeps_groups_and_sessions(bench) -> None:
    b = bench().ready()
    b.cast(b.frame(1), 0)
    b.answers(60)
    assert b.ask(at_once("time")) == []
    assert (b.device.n_reboots, b.device.fw_version, b.device.image) == (1, 0x01000000, None)
    b.now = NOW + 150
    assert b.cast(b.frame(2), 2)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 2


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_a_requested_reboot_is_awaited_by_a_device_that_reboots_alone(bench, kind) -> None:
    b = bench(process_time=10).ready()
    b.now = NOW + 110
    b.ask(planned(kind, 500), within=5)
    b.complete().wait(450)
    assert (b.device.image, b.device.stored) == (None, IMAGE)
    b.wait(60)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


def test_a_requested_reboot_replaces_the_device_s_own(bench) -> None:
    b = bench(process_time=100).ready().complete()
    b.ask(firmware.DevRebootCountdownReq(countdown=5000), within=5)
    b.wait(4900)
    assert (b.device.image, b.device.n_reboots) == (None, 0)
    b.wait(200)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 1)


@pytest.mark.parametrize("kind", ["time", "countdown"])
def test_a_cancel_also_cancels_the_device_s_own_reboot(bench, kind) -> None:
    b = bench(process_time=100).ready().complete()
    b.ask(cancel(kind)[0], within=5)
    b.wait(1e6)
    assert (b.device.image, b.device.stored) == (None, IMAGE)
    b.ask(at_once(kind))
    assert b.device.image == IMAGE


def test_a_device_plans_its_own_reboot_again_after_a_requested_one(bench) -> None:
    b = bench()
    b.ask(at_once("time"))
    b.ready().complete().wait(20)
    assert (b.device.image, b.device.n_reboots) == (IMAGE, 2)


def test_a_corrupt_image_is_neither_booted_nor_deleted(bench) -> None:
    b = bench.with_image(releases={})
    for _ in range(2):
        assert b.ask(firmware.DevUpgradeImageReq()) == [firmware.DevUpgradeImageAns(up_image_status=1)]
        assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION)) == [
            firmware.DevDeleteImageAns(error_no_valid_image=True)
        ]
        b.ask(at_once("time"))
    assert (b.device.image, b.device.fw_version, b.device.n_reboots) == (None, 0x01000000, 2)


@pytest.mark.parametrize("reboots_alone", [True, False])
def test_a_deleted_image_is_never_installed(bench, reboots_alone) -> None:
    b = bench.with_image(reboots_alone=reboots_alone, process_time=100)
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5) == [
        firmware.DevDeleteImageAns()
    ]
    assert b.device.next_due() is None
    assert b.ask(firmware.DevUpgradeImageReq(), within=5) == [firmware.DevUpgradeImageAns(up_image_status=0)]
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5) == [
        firmware.DevDeleteImageAns(error_no_valid_image=True)
    ]
    b.complete()  # Late fragments are ignored: the session is complete.
    [status] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True), within=20)
    assert status.missing_frag == 0
    b.ask(at_once("countdown"))
    b.wait(1000)
    assert (b.device.image, b.device.fw_version, b.device.n_reboots) == (None, 0x01000000, 1)


def test_a_planned_reboot_is_made_without_the_deleted_image(bench) -> None:
    b = bench.with_image()
    b.ask(firmware.DevRebootCountdownReq(countdown=500), within=5)
    b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5)
    b.wait(600)
    assert (b.device.image, b.device.n_reboots) == (None, 1)


def test_an_image_of_another_version_is_not_deleted(bench) -> None:
    b = bench.with_image()
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION + 1)) == [
        firmware.DevDeleteImageAns(error_invalid_version=True)
    ]
    assert b.device.stored == IMAGE
    b.ask(at_once("time"))
    assert b.device.image == IMAGE


def test_deleting_an_image_also_discards_incomplete_blocks(bench) -> None:
    b = bench.with_image()
    b.ask(b.setup_request(), within=10)
    for n in range(1, 4):
        b.device.receive(201, b.frame(n), b.now)
    b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=10)
    b.complete().wait(1000)
    assert (b.device.stored, b.device.image) == (None, None)


def test_deleting_without_a_stored_image_changes_nothing(bench) -> None:
    """The half-built one has no version yet (TS006: any error bit, and nothing changed)."""
    b = bench().ready()
    b.cast(b.frame(1), 0)
    assert b.ask(firmware.DevDeleteImageReq(firmware_to_delete_version=NEW_VERSION), within=5) == [
        firmware.DevDeleteImageAns(error_no_valid_image=True)
    ]
    b.complete()
    assert b.device.stored == IMAGE


reboot_commands = st.one_of(
    st.sampled_from([at_once("time"), at_once("countdown"), cancel("time")[0], cancel("countdown")[0]]),
    st.builds(firmware.DevRebootCountdownReq, countdown=st.integers(1, 300)),
    st.builds(firmware.DevRebootTimeReq, reboot_time=st.integers(GPS_NOW, GPS_NOW + 2000)),
    st.builds(firmware.DevDeleteImageReq, firmware_to_delete_version=st.sampled_from([NEW_VERSION, NEW_VERSION + 1])),
    st.builds(firmware.DevUpgradeImageReq),
)


@given(st.lists(st.tuples(reboot_commands, st.integers(0, 200)), max_size=8), st.booleans())
def test_an_image_is_stored_or_runs_or_was_deleted(
    bench, commands: list[tuple[Command, int]], reboots_alone: bool
) -> None:
    b = bench.with_image(reboots_alone=reboots_alone)
    deleted = False
    for command, pause in commands:
        was_stored = b.device.stored
        b.send(command)
        if isinstance(command, firmware.DevDeleteImageReq):
            deleted |= was_stored is not None and command.firmware_to_delete_version == NEW_VERSION
        b.wait(pause)
        image, stored = b.device.image, b.device.stored
        assert [image, stored].count(IMAGE) == (not deleted)
        assert b.device.fw_version == (NEW_VERSION if image else 0x01000000)
        assert image is None or b.device.n_reboots > 0


@pytest.mark.parametrize("reboots_alone", [True, False])
def test_a_booted_version_is_announced_where_the_device_announces(bench, reboots_alone) -> None:
    b = bench.with_image(announces_version=True, reboots_alone=reboots_alone)
    said = b.answers() if reboots_alone else b.ask(at_once("time"))
    assert said == [firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)]


def test_a_reboot_into_the_same_firmware_is_not_announced(bench) -> None:
    b = bench(announces_version=True)
    assert b.ask(at_once("time")) == []


def test_a_booted_version_is_not_announced_by_default(bench) -> None:
    b = bench.with_image(reboots_alone=True)
    assert b.answers() == []
    assert b.device.fw_version == NEW_VERSION
