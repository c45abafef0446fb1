"""Every stage, with devices in every phase, and every input: the events that it causes, or none if it is foreign."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from campaign_driver import T0, machine_of

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.machine import Machine
from fuota_fec.campaign.questions import is_target
from fuota_fec.campaign.reasons import kind_of
from fuota_fec.campaign.turn import OPEN, Phase, Turn
from fuota_fec.errors import WireError
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command, PackageVersionAns, PackageVersionReq

OLD, NEW, OTHER = 0x01000000, 0x02000000, 7
PORTS = {200: multicast, 201: fragmentation, 202: clock, 203: firmware}
COUNTER = {"mc_group_id": 0, "mc_addr": 1, "mc_key_encrypted": bytes(16), "min_mc_fcnt": 0, "max_mc_fcnt": 9}
SESSION = {"mc_group_id": 0, "session_time": 128, "time_out": 3, "dl_frequency_hz": 869_525_000, "dr": 5}
FRAGMENTS = {"nb_frag": 3, "frag_size": 10, "block_ack_delay": 0, "padding": 0, "descriptor": bytes(4)}

# ---- the inputs ------------------------------------------------------------------------------------------


def session_answers(answer: type[Any]) -> Iterator[Command]:
    for group in (0, 1, 2):
        yield from (answer(mc_group_id=group, time_to_start=seconds) for seconds in (0, 700, 0xFFFFFF))
        for flag in ("dr_error", "freq_error", "mc_group_undefined", "start_missed"):
            yield answer(mc_group_id=group, **{flag: True})


SAID: dict[int, list[Command]] = {
    200: [
        *(multicast.McGroupSetupAns(mc_group_id=i, id_error=error) for i in (0, 1, 3) for error in (False, True)),
        *(multicast.McGroupDeleteAns(mc_group_id=i, mc_group_undefined=no) for i in (0, 1, 3) for no in (False, True)),
        multicast.McGroupStatusAns(nb_total_groups=0, ans_group_mask=0),
        *session_answers(multicast.McClassBSessionAns),
        *session_answers(multicast.McClassCSessionAns),
        *(PackageVersionAns(package_identifier=package, package_version=v) for package in (2, 3) for v in (1, 2, 9)),
        # as the server words it
        PackageVersionReq(),
        multicast.McGroupStatusReq(req_group_mask=15),
        multicast.McGroupSetupReq(**COUNTER),
        multicast.McGroupDeleteReq(mc_group_id=0),
        multicast.McClassBSessionReq(**SESSION, periodicity=4),
        multicast.McClassCSessionReq(**SESSION),
    ],
    201: [
        *(
            fragmentation.FragSessionSetupAns(frag_index=i, **{flag: True} if flag else {})
            for i in (0, 1)
            for flag in ("", "frag_algo_unsupported", "not_enough_memory", "frag_index_unsupported", "wrong_descriptor")
        ),
        fragmentation.FragSessionSetupAns(frag_index=0, session_cnt_replay=True),
        *(fragmentation.FragSessionDeleteAns(frag_index=i, session_does_not_exist=no) for i in (0, 1) for no in (0, 1)),
        *(
            fragmentation.FragSessionStatusAns(
                version=version, frag_index=i, nb_frag_received=received, missing_frag=missing
            )
            for version in ("1.0.0", "2.0.0")
            for i in (0, 1)
            for received, missing in ((5, 0), (1, 2), (0, 255))
        ),
        fragmentation.FragSessionStatusAns(version="2.0.0", session_does_not_exist=True),
        *(fragmentation.FragDataBlockReceivedReq(frag_index=i, mic_error=bad) for i in (0, 1) for bad in (False, True)),
        *(PackageVersionAns(package_identifier=package, package_version=v) for package in (2, 3) for v in (1, 2, 9)),
        PackageVersionReq(),
        fragmentation.FragSessionStatusReq(frag_index=0, participants=True),
        fragmentation.FragSessionSetupReq(frag_index=0, mc_group_bit_mask=1, **FRAGMENTS),
        fragmentation.FragSessionDeleteReq(frag_index=0),
        fragmentation.FragDataBlockReceivedAns(frag_index=0),
        fragmentation.DataFragment(frag_index=0, n=1, payload=bytes(10)),
    ],
    202: [
        *(
            clock.AppTimeReq(device_time=gps_to_wire(gps_from_unix(T0)) + off, ans_required=wanted, token_req=3)
            for off in (0, 5000)
            for wanted in (False, True)
        ),
        clock.DeviceAppTimePeriodicityAns(not_supported=False, time=0),
        PackageVersionAns(package_identifier=1, package_version=1),
        PackageVersionReq(),
        clock.AppTimeAns(time_correction=5, token_ans=1),
        clock.DeviceAppTimePeriodicityReq(period=3),
        clock.ForceDeviceResyncCmd(nb_transmissions=1),
    ],
    203: [
        *(firmware.DevVersionAns(fw_version=version, hw_version=1) for version in (OLD, NEW, OTHER)),
        *(firmware.DevUpgradeImageAns(up_image_status=status) for status in (0, 1, 2)),
        *(firmware.DevUpgradeImageAns(up_image_status=3, next_firmware_version=version) for version in (OLD, NEW)),
        *(firmware.DevRebootTimeAns(reboot_time=seconds) for seconds in (0, 500, firmware.CANCEL_REBOOT)),
        *(firmware.DevRebootCountdownAns(countdown=seconds) for seconds in (0, 500, firmware.CANCEL_COUNTDOWN)),
        *(
            firmware.DevDeleteImageAns(error_no_valid_image=none, error_invalid_version=other)
            for none in (False, True)
            for other in (False, True)
        ),
        PackageVersionAns(package_identifier=4, package_version=1),
        PackageVersionReq(),
        firmware.DevVersionReq(),
        firmware.DevRebootTimeReq(reboot_time=0),
        firmware.DevRebootCountdownReq(countdown=0),
        firmware.DevUpgradeImageReq(),
        firmware.DevDeleteImageReq(firmware_to_delete_version=NEW),
    ],
}
"""Every command of every package, by port: answers right and refused, of this group and session and of others, and
what only the server says."""
PAYLOADS = [(port, payload) for port in SAID for payload in sorted({command.encode() for command in SAID[port]})]


def decoded(port: int, payload: bytes, device: Any) -> list[Command]:
    group = device.group
    version = {200: group.mc_version, 201: group.dialect}.get(port, "1.0.0")
    if port == 201 and payload[:1] == b"\x01":
        version = device.profile.status_version(version)
    try:
        return PORTS[port].decode(payload, uplink=True, version=version)
    except WireError as error:
        return list(error.commands)


# ---- what belongs where ----------------------------------------------------------------------------------


def belongs(ask: str, c: Any, device: Any) -> bool:
    """Whether a command is an answer to a question, of this device's group and session."""
    session = multicast.McClassBSessionAns if device.group.device_class == "B" else multicast.McClassCSessionAns
    by_countdown = device.reboot_sent == "countdown"
    reboot = firmware.DevRebootCountdownAns if by_countdown else firmware.DevRebootTimeAns
    told = getattr(c, "countdown" if by_countdown else "reboot_time", None)
    cancelled = told == (firmware.CANCEL_COUNTDOWN if by_countdown else firmware.CANCEL_REBOOT)
    ours = getattr(c, "mc_group_id", None) == device.group.mc_group_id
    index = getattr(c, "frag_index", None)
    answers = {
        "PackageVersion TS005": isinstance(c, PackageVersionAns) and c.package_identifier == 2,
        "PackageVersion TS004": isinstance(c, PackageVersionAns) and c.package_identifier == 3,
        "DevVersion": isinstance(c, firmware.DevVersionAns),
        "DevVersion after DevUpgradeImage": isinstance(c, firmware.DevVersionAns),
        "McGroupSetup": isinstance(c, multicast.McGroupSetupAns) and ours,
        "McGroupDelete": isinstance(c, multicast.McGroupDeleteAns) and ours,
        "McSession": isinstance(c, session) and ours,
        "DevRebootTime": isinstance(c, reboot) and not cancelled,
        "CancelReboot": isinstance(c, reboot) and cancelled,
        "FragSessionSetup": isinstance(c, fragmentation.FragSessionSetupAns) and index == 0,
        "FragSessionDelete": isinstance(c, fragmentation.FragSessionDeleteAns) and index == 0,
        "ForceDeviceResync": isinstance(c, clock.AppTimeReq),
        "FragSessionStatus": (isinstance(c, fragmentation.FragSessionStatusAns) and index in (0, None))
        or (isinstance(c, fragmentation.FragDataBlockReceivedReq) and index == 0),
        "DevUpgradeImage": isinstance(c, firmware.DevUpgradeImageAns)
        or (isinstance(c, firmware.DevVersionAns) and c.fw_version == NEW),
        "DataFragment": False,
        "DevDeleteImage": isinstance(c, firmware.DevDeleteImageAns),
    }
    return answers[ask]


VOLUNTEERED = {
    "FragSessionStatus": fragmentation.FragDataBlockReceivedReq,
    "DevUpgradeImage": firmware.DevVersionAns,
    "DevVersion": firmware.DevVersionAns,
}
"""Commands that count before the question, by stage."""
GONE = (Phase.ABSENT, Phase.SUCCEEDED, Phase.FAILED)


def meant(d: Any, device: Any, command: Any) -> set[type]:
    """Types of events that a command may cause; none for a foreign command."""
    kinds: set[type] = set()
    state, turn = d.machine.state, d.turn(int(device.dev_eui, 16))
    if state.stopping != "STOPPED":
        if isinstance(command, clock.AppTimeReq):
            kinds.add(m.ReplyOwed)
        block = isinstance(command, fragmentation.FragDataBlockReceivedReq) and command.frag_index == 0
        if block and device.got_fragments:
            kinds |= {m.ReplyOwed, m.BlockReceived}
            if turn.phase not in GONE and turn.questions and turn.questions[0].name == "DataFragment":
                kinds.add(m.Answered)  # It ends the repair.
    if isinstance(command, firmware.DevVersionAns) and state.stopping and is_target(state, command):
        kinds.add(m.Returned)
    if state.stopping and device.dev_eui not in d.machine.clean_up.turns:
        return kinds
    if isinstance(command, firmware.DevVersionAns) and command.fw_version != device.fw_version:
        kinds.add(m.VersionHeard)
    before = device.taking_part and not device.got_fragments and not state.stopping
    if isinstance(command, firmware.DevVersionAns) and before and is_target(state, command):
        return kinds | {m.RunsAlready, m.Withdrawn}
    if turn.phase not in GONE and turn.questions and belongs(turn.questions[0].name, command, device):
        asked = turn.request_id is not None or device.group.name in getattr(d.machine.main, "asked", ())
        early = d.last_stage != "PackageVersion" and VOLUNTEERED.get(turn.questions[0].name)
        if asked or (early and isinstance(command, early)):
            kinds |= {m.Answered, m.Deferred, m.VersionHeard}
    elif turn.phase is Phase.FAILED and isinstance(command, VOLUNTEERED.get(turn.questions[0].name, ())):
        kinds |= {m.Answered}
    return kinds


FOLLOW = {m.StageClosing, m.StageEnded, m.StageStarted, m.Stopping, m.Finished, m.GivenUp, m.Requested}
FOLLOW |= {m.StatusRepeated, m.SilencePresumed, m.CleanUpStarted}
"""Events that may follow an answer at once."""

# ---- the states ------------------------------------------------------------------------------------------

CAMPAIGNS: dict[str, dict[str, Any]] = {
    "firmware": {"redundancies": (2, 0), "classes": "CB", "reboot": T0 + 60_000, "each": {"probe": True}}
    | {"requires_fw_version": "1.0.0.0"},
    "asked first": {"redundancy": 2, "each": {"ask_version": True}, "clean_up": True},
    "countdown": {"reboot": T0 + 60_000, "each": {"profile": "st"}, "fsize": 40, "version": "1.0.0", "redundancy": 0}
    | {"allow_carousel": True, "datafrag_loops_max": 1},
    "binary": {"kind": "binary", "redundancies": (2, 2)},
    "binary by multicast": {"kind": "binary", "redundancies": (0, 0), "classes": "BC"},
    "multicast": {"kind": "multicast", "classes": "BC"},
    "after transfer": {"redundancy": 2, "reboot": "after_transfer"},
    "adaptive": {"redundancy": "adaptive", "fsession_status_threshold": 1, "clean_up": True},
    "repair": {"kind": "binary", "redundancy": 2, "unicast_repair_max": 2},
    "adaptive binary": {"kind": "binary", "redundancy": "adaptive", "fsession_status_threshold": 1, "classes": "BC"}
    | {"clean_up": True},
}
PHASES = ["begun", "requested", "handed over", "sent", "again", "given up", "succeeded", "closing", "stopped"]


def make(drive: Any, group_of: Any, name: str) -> Any:
    settings = dict(CAMPAIGNS[name])
    classes, (one, two) = settings.pop("classes", "CC"), settings.pop("redundancies", (None, None))
    version = settings.pop("version", "2.0.0")
    mc_group_id = 0 if settings.get("each", {}).get("profile") == "st" else 1
    new = {"mc_addr": "01f3a4b6", "mc_group_id": mc_group_id, "version": version, "mc_version": version}
    groups = (
        group_of("old", device_class=classes[0], redundancy=one),
        group_of("new", device_class=classes[1], redundancy=two, **new),
    )
    return drive(4, groups=groups, success_threshold=50, stage_complete_delay=3, ucast_msg_delay=0, **settings)


def lacks_one(d: Any, i: int) -> Command:
    version = d.state(i).group.dialect
    return fragmentation.FragSessionStatusAns(version=version, frag_index=0, nb_frag_received=4, missing_frag=1)


@functools.cache
def at_stage(drive: Any, group_of: Any, name: str, stage: str) -> Any:
    d = make(drive, group_of, name)
    if stage == "UnicastRepair":
        d.reach("FragSessionStatus")
        for i in d.members():
            d.sent(d.ask(i))
            d.say(i, lacks_one(d, i))
    d.reach(stage)
    assert d.stage == stage
    return d


def bring(d: Any, phase: str) -> bool:
    """Devices 1 and 2 to a phase of the present stage; whether there is such a phase."""
    if phase == "begun":
        return True
    if phase == "stopped":
        d.stop()
        return d.status == "stopping"
    if d.stage == "DlFragment":
        return send(d, phase)
    d.wait_until(d.campaign.progress().asks_from + 10)
    if phase == "closing":
        for i in (3, 4):
            if d.asked(i) and not d.closing:
                d.succeed(i)
        return bool(d.closing)
    for _ in range({"again": 2, "given up": 3}.get(phase, 1)):
        for i in (1, 2):
            step(d, i, phase)
    return not d.campaign.finished


def step(d: Any, i: int, phase: str) -> None:
    if not d.asked(i):
        return
    if phase == "requested":
        d.up(i)
        d.wait(1)
    elif phase == "succeeded":
        d.succeed(i)
    else:
        request = d.ask(i)
        if phase != "handed over":
            d.sent(request, ok=phase == "sent")


def send(d: Any, phase: str) -> bool:
    """The first frames of all groups to a phase."""
    d.wait_until(max(d.session(group.name).start for group in d.campaign.config.groups) + 5)
    if phase == "requested":
        return True
    for frame in d.frames():
        d.hand_over(frame)
        if phase != "handed over":
            d.summary(frame, ok=phase == "sent")
    return phase in ("handed over", "sent", "again")


def unicast_exchanges(d: Any) -> list[UnicastExchange]:
    return [x for x in (d.machine.main, d.machine.clean_up) if isinstance(x, UnicastExchange)]


def turns_of(machine: Machine) -> list[list[Turn]]:
    exchanges = (machine.main, machine.clean_up)
    return [list(exchange.turns) for exchange in exchanges if isinstance(exchange, UnicastExchange)]


def legal(d: Any) -> None:
    """Counters equal a recount, what is said is of the closed lists, and a replay is the same."""
    campaign = d.campaign
    state, status = d.machine.state, campaign.status()
    n_ready = 0
    for exchange in unicast_exchanges(d):
        phases = [turn.phase for turn in exchange.turns]
        assert exchange.turns.n_open == sum(phase in OPEN for phase in phases)
        assert exchange.n_succeeded == phases.count(Phase.SUCCEEDED) + state.n_beside
        assert exchange.turns.n(Phase.GIVEN_UP) == phases.count(Phase.GIVEN_UP)
        n_ready += phases.count(Phase.READY)
    assert d.machine.queue.n_ready == n_ready
    assert status.status in ("RUNNING", "stopping", "STOPPED", "FAILED", "SUCCEEDED")
    assert {x.status for x in status.devices} <= {"running", "passed", "failed", "stopped", "unverified"}
    assert all(kind_of(x.reason) for x in status.devices if x.reason)
    again = Campaign.replay(d.events, d.image)
    replayed = machine_of(again)
    assert replayed.state.timers.as_dict() == state.timers.as_dict()
    assert (replayed.state.devices, replayed.state.groups) == (state.devices, state.groups)
    assert turns_of(replayed) == turns_of(d.machine)
    assert again.status() == status
    assert all(m.decode(type(e).__name__, e.VERSION, m.encode(e)) == e for e in d.new)


STAGES = [
    (name, stage)
    for name, stages in {
        "firmware": [
            *("PackageVersion", "McGroupSetup", "DevRebootTime", "FragSessionSetup", "McClassCSession"),
            *("DlFragment", "UpgradeImage", "CompletionVerification"),
        ],
        "asked first": ["DevVersion"],
        "countdown": ["DevRebootTime", "UpgradeImage"],
        "binary": ["McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "FragSessionStatus"],
        "binary by multicast": ["FragSessionStatus"],
        "multicast": ["McGroupSetup", "McClassCSession"],
        "after transfer": ["UpgradeImage", "Reboot", "CompletionVerification"],
        "adaptive": ["DlFragment", "FragSessionStatus", "CompletionVerification"],
        "repair": ["UnicastRepair"],
        "adaptive binary": ["DlFragment", "FragSessionStatus"],
    }.items()
    for stage in stages
]


@pytest.fixture(params=STAGES, ids="-".join)
def states(request: pytest.FixtureRequest, drive: Any, group_of: Any) -> list[tuple[str, Any]]:
    """A stage of a campaign, once for each phase of its devices."""
    found = []
    for phase in PHASES:
        d = at_stage(drive, group_of, *request.param).fork()
        if bring(d, phase):
            found.append((phase, d))
    assert len(found) > 1
    return found


def test_every_command_in_every_state(states) -> None:
    for phase, start in states:
        d = start
        for i in (1, 2):
            for port, payload in PAYLOADS:
                device = d.state(i)
                commands = decoded(port, payload, device)
                wanted = set().union(*(meant(d, device, command) for command in commands))
                phase_before = d.turn(i).phase
                heard = {m.DeviceHeard} if not device.heard and phase_before is not Phase.ABSENT else set()
                if phase_before is Phase.ABSENT or d.machine.main is None:
                    heard |= {m.DeviceHeard, m.LateAnswer}
                before = d.campaign.ignored.total()
                new = d.receive(m.Uplink(f"{i:016x}", port, payload, d.now))
                where = (phase, i, port, payload.hex(), commands, new)
                kinds = {type(event) for event in new} - heard
                if not wanted:
                    assert not kinds, where
                    assert d.campaign.ignored.total() > before, where
                assert not kinds or kinds & wanted, where
                assert kinds <= wanted | FOLLOW, where
                if new:
                    legal(d)
                    d = start.fork()
                    d.campaign.ignored.clear()
        legal(d)


def test_the_right_answer_succeeds_in_every_state_in_which_something_was_asked(states) -> None:
    for phase, start in states:
        for i in (1, 2):
            d = start.fork()
            turn = d.turn(i)
            if not d.asked(i) or (turn.request_id is None and not getattr(d.machine.main, "asked", ())):
                continue
            if turn.phase is Phase.BY_MULTICAST and turn.device.group.name not in d.machine.main.asked:
                continue
            if d.asked(i) == "DataFragment":
                continue
            answer = d.right_answer(i)
            ask = d.asked(i)
            new = d.say(i, answer)
            answered = [(e.ask, e.ok) for e in new if isinstance(e, m.Answered)]
            if start.last_stage == "DevVersion":
                assert [e.dev_eui for e in new if isinstance(e, m.RunsAlready)] == [f"{i:016x}"], (phase, i, new)
            else:
                assert answered[:1] == [(ask, True)], (phase, i, answer, new)
            legal(d)


def test_every_report_in_every_state(states) -> None:
    for phase, start in states:
        own = start.of(m.Requested)
        names = ["", "c/0", "c/999999", "other/1", *(e.id for e in own[:2]), *(e.id for e in own[-6:])]
        begun = max(start.events.index(e) for e in start.of((m.StageStarted, m.Stopping)))
        current = {e.id for e in start.events[begun:] if isinstance(e, m.Requested)}
        d = start
        for name in names:
            for item in (
                m.HandOver(id=name),
                m.HandOver(id=name, f_cnt=9),
                m.DownlinkSent(name),
                m.DownlinkSent(name, False, "expired"),
                m.MulticastSummary(name),
                m.MulticastSummary(name, False, "duty cycle"),
            ):
                before = d.campaign.ignored.total()
                new = d.receive(item)
                if name not in current:
                    assert new == [], (phase, item, new)
                    assert d.campaign.ignored.total() == before + 1, (phase, item)
                if new:
                    legal(d)
                    d = start.fork()
        legal(d)


def test_every_timer_in_every_state(states) -> None:
    """One after the other until the campaign is over: each says something, and none is due again at once."""
    for phase, start in states:
        d = start.fork()
        for n in range(400):
            due = d.campaign.deadline()
            if due is None:
                break
            d.now = max(d.now, due)
            assert d.tick(), (phase, d.stage, due)
            assert (d.campaign.deadline() or float("inf")) > d.now
            if n % 5 == 0:
                legal(d)
        assert d.campaign.finished, (phase, d.status, d.stage)


def test_nothing_of_a_stranger_counts_in_any_state(states) -> None:
    for phase, d in states:
        for port, payload in PAYLOADS:
            assert d.receive(m.Uplink("ff" * 8, port, payload, d.now)) == [], phase
        assert d.campaign.ignored["device not in the campaign"] == len(PAYLOADS)
        assert replace(d.campaign.status()) == Campaign.replay(d.events, d.image).status()


def test_the_table_has_every_row(drive, group_of) -> None:
    from fuota_fec.campaign.stages import STAGES as ROWS

    classes = {stage if stage != "McClassBSession" else "McClassCSession" for stage in (row.name for row in ROWS)}
    assert {stage for _, stage in STAGES} == classes
