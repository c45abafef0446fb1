"""Reasons why a device did not pass: a closed list."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from campaign_driver import NEW_VERSION, OLD_VERSION, T0

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.reasons import REASONS, dotted, kind_of
from fuota_fec.campaign.turn import Phase
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.commands import Command, PackageVersionAns

REBOOT = T0 + 15_000
FRAG, SESSION, DATA, STATUS = "FragSessionSetup", "McClassCSession", "DlFragment", "FragSessionStatus"
UPGRADE, VERIFY = "UpgradeImage", "CompletionVerification"
RIGHT_VERSION = firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)
COMPLETE = fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=False)


def status_ans(received: int, missing: int) -> fragmentation.FragSessionStatusAns:
    return fragmentation.FragSessionStatusAns(frag_index=0, nb_frag_received=received, missing_frag=missing)


def say(d: Any, i: int, answer: Command) -> Any:
    d.sent(d.ask(i))
    d.say(i, answer)
    return d


def mute(d: Any, i: int = 1) -> Any:
    """Device i is asked as often as it can be, and does not answer."""
    stage = d.stage
    while d.stage == stage and not d.of(m.GivenUp):
        d.sent(d.ask(i))
        d.wait(130)
    d.wait(250)
    return d


# ---- every reason there is -------------------------------------------------------------------------------


def waited(d: Any, seconds: float) -> Any:
    d.wait(seconds)
    return d


def stopped(d: Any) -> Any:
    d.stop()
    return d


def left_out(drive: Any) -> Any:
    """Three devices, the threshold is met without the last, which was heard and waits in line."""
    d = drive(3, success_threshold=60, ucast_msg_delay=60_000, stage_complete_delay=0.1)
    for i in (3, 2, 1):
        d.up(i)
    for i in (3, 2):
        d.sent(d.ask(i))
    for i in (3, 2):
        d.say(i, d.right_answer(i))
    return waited(d, 20)


def one_of_two(drive: Any) -> Any:
    """Device 1 did what it was asked, and the campaign fails."""
    d = drive(2)
    d.succeed(1)
    return say(d, 2, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))


def numbered(drive: Any, *counters: int) -> Any:
    """The network server assigns these counters."""
    d = drive(1, network=m.NetworkCapabilities(owns_f_cnt=True), stage=DATA)
    d.wait_until(d.session().start + 5)
    for f_cnt in counters:
        d.hand_over(d.frames()[-1], f_cnt)
        d.summary(d.frames()[-1])
        d.wait(2)
    return d


def cleaned(d: Any) -> Any:
    d.clean_up()
    return d


SCENARIOS: dict[str, Callable[[Any], Any]] = {
    "runs it already": lambda drive: say(drive(1), 1, RIGHT_VERSION),
    "never heard": lambda drive: waited(drive(1), 301),
    "not heard in": lambda drive: waited(drive(1, stage=VERIFY), 400),
    "no answer in": lambda drive: mute(drive(1)),
    "not asked in": left_out,
    "refused in": lambda drive: say(drive(1), 1, multicast.McGroupSetupAns(mc_group_id=0, id_error=True)),
    "other version in": lambda drive: say(
        drive(1, each={"probe": True}), 1, PackageVersionAns(package_identifier=2, package_version=2)
    ),
    "clock off": lambda drive: say(
        drive(1, stage=SESSION), 1, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=5)
    ),
    "session over": lambda drive: waited(drive(1, max_duration=33_600, stage=DATA), 33_400),
    "frame counters used up": lambda drive: numbered(drive, 10**6),
    "frame counter seen before": lambda drive: numbered(drive, 0, 0),
    "missing": lambda drive: say(drive(1, kind="binary", stage=STATUS), 1, status_ans(2, 1)),
    "image not valid": lambda drive: say(
        drive(1, redundancy=0, datafrag_loops_max=1, stage=UPGRADE), 1, firmware.DevUpgradeImageAns(up_image_status=1)
    ),
    "wrong version": lambda drive: say(
        waited(drive(1, each={"fw_version": "1.0.0.0"}, stage=VERIFY), 30),
        1,
        firmware.DevVersionAns(fw_version=0x03000000, hw_version=1),
    ),
    "wrong hardware": lambda drive: say(waited(drive(1, hw_version=2, stage=VERIFY), 30), 1, RIGHT_VERSION),
    "maximum duration reached": lambda drive: waited(drive(1, max_duration=2000, stage=FRAG), 2000),
    "the campaign ended": lambda drive: cleaned(one_of_two(drive)),
    "the campaign was stopped": lambda drive: stopped(drive(1)),
}


def reasons_of(d: Any) -> set[str]:
    return {device.reason for device in d.campaign.status().devices} - {""}


@pytest.mark.parametrize("kind", SCENARIOS)
def test_every_reason_of_the_list_is_one_that_is_given(drive, kind) -> None:
    d = SCENARIOS[kind](drive)
    assert kind in {kind_of(reason) for reason in reasons_of(d)}, reasons_of(d)


def test_no_reason_of_the_list_is_never_given() -> None:
    assert set(SCENARIOS) == set(REASONS)


def test_a_reason_is_of_one_kind() -> None:
    assert not [(a, b) for a in REASONS for b in REASONS if a != b and b.startswith(a)]
    assert all(REASONS.values())


def test_versions_are_written_as_they_are_configured() -> None:
    assert [dotted(version) for version in (0x01020304, 0, 0xFFFFFFFF)] == ["1.2.3.4", "0.0.0.0", "255.255.255.255"]


# ---- whatever happens ------------------------------------------------------------------------------------

ANYTHING: list[Command] = [
    multicast.McGroupSetupAns(mc_group_id=0, id_error=True),
    multicast.McGroupDeleteAns(mc_group_id=0, mc_group_undefined=True),
    multicast.McClassCSessionAns(mc_group_id=0, time_to_start=3),
    multicast.McClassCSessionAns(mc_group_id=0, time_to_start=multicast.TIME_TO_START_UNKNOWN),
    multicast.McClassCSessionAns(mc_group_id=0, start_missed=True, dr_error=True),
    fragmentation.FragSessionSetupAns(frag_index=0, not_enough_memory=True),
    fragmentation.FragSessionSetupAns(frag_index=0, session_cnt_replay=True),
    fragmentation.FragSessionDeleteAns(frag_index=0),
    COMPLETE,
    fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=True),
    status_ans(3, 0),
    status_ans(2, 1),
    status_ans(9, 1),
    status_ans(0, 0),
    firmware.DevVersionAns(fw_version=OLD_VERSION, hw_version=1),
    firmware.DevVersionAns(fw_version=0x03000000, hw_version=1),
    firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=9),
    RIGHT_VERSION,
    firmware.DevUpgradeImageAns(up_image_status=0),
    firmware.DevUpgradeImageAns(up_image_status=2),
    firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=OLD_VERSION),
    firmware.DevDeleteImageAns(error_invalid_version=True),
    firmware.DevRebootTimeAns(reboot_time=0),
    clock.AppTimeReq(device_time=5, ans_required=True, token_req=1),
    PackageVersionAns(package_identifier=2, package_version=2),
    PackageVersionAns(package_identifier=3, package_version=1),
]


def some_campaign(drive: Any, group_of: Any, rng: random.Random) -> Any:
    kind = rng.choice(["multicast", "binary", "firmware", "firmware"])
    version = rng.choice(["1.0.0", "1.0.0", "2.0.0"])
    profiles = ["generic", "lbm"]
    if kind != "firmware" and version == "1.0.0":
        profiles += ["st", "loramac-node"]
    devices = tuple(
        Device(dev_eui=f"{i:016x}", group="meters", probe=rng.random() < 0.2, profile=rng.choice(profiles))
        for i in range(1, 5)
    )
    settings: dict[str, Any] = {
        "groups": (group_of(version=version, mc_version="1.0.0" if version == "1.0.0" else "2.0.0"),),
        "success_threshold": rng.choice([25, 50, 75, 100]),
        "stage_end": rng.choice(["threshold", "all"]),
        "msg_retries": rng.randrange(3),
        "redundancy": rng.choice([0, 2]),
        "fsession_status_threshold": rng.choice([0, 5]),
        "ucast_msg_delay": rng.choice([0, 1000]),
        "max_duration": rng.choice([3000, 34_000, 100_000]),
        "fsize": 40,
    }
    if kind == "firmware":
        settings["hw_version"] = rng.choice([None, 1])
        settings["requires_fw_version"] = rng.choice([None, None, OLD_VERSION])
        settings["reboot"] = rng.choice(["device", REBOOT])
    return drive(devices=devices, kind=kind, allow_carousel=True, datafrag_loops_max=2, **settings)


def live(d: Any, rng: random.Random) -> None:
    """Devices and network do as they should, more often than not."""
    p_right = rng.choice([0.8, 0.95, 0.99])
    for _ in range(1500):
        if d.campaign.finished:
            return
        for request in d.of(m.Requested)[-8:]:
            if d.campaign.awaits_hand_over(request.id) and rng.random() < 0.9:
                d.hand_over(request)
                if rng.random() < 0.95:
                    d.sent(request, ok=rng.random() < 0.9)
        for i in range(1, 5):
            if d.campaign.finished or rng.random() < 0.3:
                continue
            if rng.random() > p_right:
                d.say(i, rng.choice(ANYTHING))
            elif d.asked(i) and d.turn(i).phase in (Phase.SENT, Phase.BY_MULTICAST):
                d.say(i, d.right_answer(i))
            else:
                d.up(i)
        chance = rng.random()
        if chance < 0.002 and d.status == "RUNNING":
            d.stop()
        elif chance < 0.02:
            again = Campaign.replay(d.events, d.image)
            assert (again.status(), again.deadline()) == (d.campaign.status(), d.campaign.deadline())
            d.crash()
        long = 3000 if rng.random() < 0.02 else 20
        d.wait(rng.choice([1, 2, 5, 20, 60] if d.stage != DATA else [1, 2, 3, long]))


@pytest.mark.parametrize("seed", range(100))
def test_every_reason_in_a_random_campaign_is_of_the_list(drive, group_of, seed) -> None:
    rng = random.Random(seed)
    d = some_campaign(drive, group_of, rng)
    live(d, rng)
    d.wait(500_000)
    status = d.campaign.status()
    assert status.status in ("SUCCEEDED", "FAILED", "STOPPED")
    for device in status.devices:
        assert device.status in ("passed", "unverified", "failed", "stopped")
        if device.reason:
            kind_of(device.reason)
        else:
            assert device.status in ("passed", "unverified")
        if device.unconfirmed:
            kind_of(device.unconfirmed)
        if device.status == "unverified":
            assert device.data_complete or "fragments unknown" in device.reason
        if device.status == "failed" and device.data_complete:
            assert kind_of(device.reason) in ("image not valid", "wrong version", "wrong hardware", "missing")
    given = {event.reason for event in d.of(m.GivenUp)} | {event.reason for event in d.of(m.GroupDone)}
    given |= {event.reason for event in (*d.of(m.Answered), *d.of(m.Deferred))}
    for reason in given - {""}:
        kind_of(reason)


def test_dotted() -> None:
    assert dotted(0x01020304) == "1.2.3.4"
    assert dotted(0) == "0.0.0.0"
    assert dotted(0xFFFFFFFF) == "255.255.255.255"
