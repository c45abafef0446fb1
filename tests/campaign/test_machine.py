"""The machine: order of inputs and timers, foreign inputs, and any input at any time (a state machine test)."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
from campaign_driver import T0, machine_of, replayed, same
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Step
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.questions import LAST_VERSION
from fuota_fec.campaign.reasons import kind_of
from fuota_fec.campaign.turn import OPEN, Phase
from fuota_fec.errors import CampaignError
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.commands import Command, PackageVersionAns

STAGES = ["McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification"]
PORTS = {"multicast": 200, "fragmentation": 201, "clock": 202, "firmware": 203}


def port_of(command: Command) -> int:
    if isinstance(command, PackageVersionAns):
        return {1: 202, 2: 200, 3: 201, 4: 203}[command.package_identifier]
    return PORTS[type(command).__module__.rpartition(".")[2]]


# ---- verbs -----------------------------------------------------------------------------------------------


def test_events_are_numbered_and_come_in_order_of_time(drive) -> None:
    d = drive(3)
    d.reach("end")
    assert d.campaign.n_events == len(d.events)
    assert [e.at for e in d.events] == sorted(e.at for e in d.events)
    assert isinstance(d.events[-1], m.Finished)


def test_a_clock_that_went_back_counts_as_the_last_events_time(drive) -> None:
    d = drive(2)
    d.wait(50)
    d.up(1)
    received_at, d.now = d.now, d.now - 1000
    [heard, *_] = d.up(2, received_at=received_at)
    assert heard.at == T0 + 50
    assert [e.at for e in d.events] == sorted(e.at for e in d.events)


def test_inputs_come_before_timers_of_the_same_time(drive) -> None:
    """Given up at 300 s, unless it is heard at 300 s."""
    d = drive(1)
    d.now = T0 + 300
    assert isinstance(d.up(1)[0], m.DeviceHeard)
    assert d.of(m.GivenUp) == []


def test_timers_that_were_due_earlier_come_before_an_input(drive) -> None:
    d = drive(1)
    d.now = T0 + 301
    assert isinstance(d.up(1)[0], m.GivenUp)


# ---- what is foreign -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_foreign_inputs_are_counted_and_add_no_event(drive, stage) -> None:
    d = drive(2, stage=stage)
    n_events = len(d.events)
    d.receive(m.Uplink("ff" * 8, 200, b"\x02\x00", d.now))
    d.receive(m.DownlinkSent("c/77777"))
    d.receive(m.DownlinkSent("other/1", False))
    d.receive(m.DownlinkSent(""))
    d.receive(m.MulticastSummary("c/77777"))
    d.receive(m.HandOver(id="c/77777"))
    assert len(d.events) == n_events
    assert d.campaign.ignored == Counter(
        {"device not in the campaign": 1, "DownlinkSent": 3, "MulticastSummary": 1, "HandOver": 1}
        | {key: n for key, n in d.campaign.ignored.items() if key.endswith("Ans")}
    )


# ---- replay ----------------------------------------------------------------------------------------------


# ---- whatever comes, whenever ----------------------------------------------------------------------------

T005 = st.one_of(
    st.builds(
        multicast.McGroupSetupAns,
        mc_group_id=st.sampled_from([0, 0, 1, 2]),
        id_error=st.sampled_from([False, False, True]),
    ),
    st.builds(
        multicast.McClassCSessionAns,
        mc_group_id=st.sampled_from([0, 1]),
        time_to_start=st.one_of(st.integers(0, 2**24 - 1), st.integers(0, 900), st.just(2**24 - 1)),
    ),
    st.builds(
        multicast.McClassBSessionAns,
        mc_group_id=st.sampled_from([0, 1]),
        time_to_start=st.one_of(st.integers(0, 900), st.just(2**24 - 1)),
    ),
    st.builds(multicast.McClassCSessionAns, mc_group_id=st.sampled_from([0, 1]), start_missed=st.just(True)),
    st.builds(multicast.McClassBSessionAns, mc_group_id=st.sampled_from([0, 1]), dr_error=st.just(True)),
    st.builds(multicast.McGroupDeleteAns, mc_group_id=st.sampled_from([0, 1]), mc_group_undefined=st.booleans()),
    st.builds(PackageVersionAns, package_identifier=st.just(2), package_version=st.integers(0, 3)),
)
T004 = st.one_of(
    st.builds(
        fragmentation.FragSessionSetupAns,
        frag_index=st.sampled_from([0, 0, 0, 3]),
        not_enough_memory=st.sampled_from([False, False, True]),
    ),
    st.builds(fragmentation.FragSessionSetupAns, frag_index=st.just(0), session_cnt_replay=st.just(True)),
    st.builds(fragmentation.FragSessionDeleteAns, frag_index=st.sampled_from([0, 1])),
    st.builds(
        fragmentation.FragSessionStatusAns,
        version=st.sampled_from(["1.0.0", "2.0.0"]),
        frag_index=st.sampled_from([0, 0, 0, 1]),
        nb_frag_received=st.integers(0, 9),
        missing_frag=st.sampled_from([0, 0, 1, 2, 255]),
    ),
    st.builds(fragmentation.FragSessionStatusAns, version=st.just("2.0.0"), session_does_not_exist=st.just(True)),
    st.builds(fragmentation.FragDataBlockReceivedReq, frag_index=st.sampled_from([0, 0, 1]), mic_error=st.booleans()),
    st.builds(PackageVersionAns, package_identifier=st.just(3), package_version=st.integers(0, 3)),
)
T006 = st.one_of(
    st.builds(firmware.DevVersionAns, fw_version=st.sampled_from([0x01000000, 0x02000000, 7]), hw_version=st.just(1)),
    st.builds(firmware.DevUpgradeImageAns, up_image_status=st.integers(0, 2)),
    st.builds(
        firmware.DevUpgradeImageAns,
        up_image_status=st.just(3),
        next_firmware_version=st.sampled_from([0x01000000, 0x02000000]),
    ),
    st.builds(firmware.DevRebootTimeAns, reboot_time=st.sampled_from([0, 5, 0xFFFFFFFF])),
    st.builds(firmware.DevRebootCountdownAns, countdown=st.sampled_from([0, 5, 0xFFFFFF])),
    st.builds(firmware.DevDeleteImageAns, error_invalid_version=st.booleans(), error_no_valid_image=st.booleans()),
)
T003 = st.builds(
    clock.AppTimeReq, device_time=st.integers(0, 2**32 - 1), ans_required=st.booleans(), token_req=st.integers(0, 15)
)
uplinks = st.one_of(
    st.tuples(st.just(200), st.lists(T005, min_size=1, max_size=3)),
    st.tuples(st.just(201), st.lists(T004, min_size=1, max_size=3)),
    st.tuples(st.just(202), st.lists(T003, min_size=1, max_size=2)),
    st.tuples(st.just(203), st.lists(T006, min_size=1, max_size=3)),
)
"""Answers to everything, right and wrong, and questions of devices."""
delays = st.one_of(
    st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 10.0, 110.0, 111.0, 300.0]), st.floats(0, 400), st.floats(-50, 0)
)
receptions = st.one_of(
    st.sampled_from([0.0, 0.0, 0.0, 30.0, -30.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 4e9]),
    st.floats(0, 500),
)
"""Times of reception before now, s."""
devices = st.integers(1, 5)
"""Four are in the campaign."""
CLEANING = {"CancelReboot", "McGroupDelete", "DevDeleteImage", "DevVersion at the end"}
"""Questions of the clean-up."""


def inside(campaign: Campaign) -> Any:
    """All that decides what a campaign does next."""
    machine = machine_of(campaign)
    state, queue, replies = machine.state, machine.queue, machine.replies
    exchanges = {"main": machine.main, "clean-up": machine.clean_up}
    unicast = {name: x for name, x in exchanges.items() if isinstance(x, UnicastExchange)}
    return (
        state.timers.as_dict(),
        state.devices,
        state.groups,
        [turn.device.dev_eui for turn in queue.ready if turn.phase is Phase.READY],
        (queue.n_ready, queue.replies, replies.waiting, queue.next_at),
        (replies.by_request, state.sessions, state.asked_groups, state.sent_until, state.round, state.n_requests),
        (state.status, state.stopping, state.reason, state.unconfirmed, state.paused, state.stage_idx),
        {
            name: [getattr(x, n) for n in ("n_succeeded", "n_asked", "n_already", "slowest")]
            for name, x in unicast.items()
        },
        {name: list(x.turns) for name, x in unicast.items()},
        machine.owed,
    )


@pytest.fixture(scope="class")
def toolbox(request: pytest.FixtureRequest, drive: Any, group_of: Any) -> None:
    request.cls.drive = staticmethod(drive)
    request.cls.group_of = staticmethod(group_of)


known_devices = st.builds(
    m.KnownDevice,
    session_cnt=st.sampled_from([None, 0, 7, 0xFFFF]),
    session_open=st.booleans(),
    fw_version=st.sampled_from([None, 0x01000000, 7]),
    memberships=st.sampled_from(
        [
            (),
            (m.Membership(mc_group_id=0, mc_addr="01f3a4b5", key="old", min_mc_f_cnt=0, max_mc_f_cnt=60_000),),
        ]
    ),
)
networks = st.builds(
    m.NetworkCapabilities,
    owns_f_cnt=st.booleans(),
    sent_reports=st.booleans(),
    summaries=st.booleans(),
    withdraws=st.booleans(),
    clock_sync=st.sampled_from([False, False, True]),
    summary_cadence=st.sampled_from([1.0, 60.0]),
)


campaigns = st.fixed_dictionaries({
    "kind": st.sampled_from(["binary", "firmware", "firmware", "multicast"]),
    "stage_end": st.sampled_from(["threshold", "all"]),
    "success_threshold": st.sampled_from([50, 25, 75, 100]),
    "msg_retries": st.sampled_from([1, 0, 2]),
    "ucast_msg_delay": st.sampled_from([0, 1000, 30_000]),
    "summary_window": st.sampled_from([3, 2, 1]),
    "summary_report_timeout": st.sampled_from([None, 0, 5]),
    "stage_complete_delay": st.sampled_from([1, 0, 3]),
    "fuota_process_max_time": st.sampled_from([20, 0, 400]),
    "max_duration": st.sampled_from([8000, 100_000]),
    "fsession_status_threshold": st.sampled_from([1, 5]),
    "datafrag_loops_max": st.sampled_from([2, 1, 3]),
    "requires_fw_version": st.sampled_from([None, None, "1.0.0.0"]),
    "hw_version": st.sampled_from([None, None, 1]),
    "classes": st.sampled_from(["CC", "BC", "BB"]),
    "redundancies": st.sampled_from(
        [("adaptive", "adaptive"), (2, 2), (0, 0), (2, 0), ("adaptive", 0), (2, "adaptive")]
    ),
    "frag_redundancy_max": st.sampled_from([340, 3, 9]),
    "unicast_repair_max": st.sampled_from([0, 2, 4]),
    "loss": st.sampled_from([None, 0.5, 0.0]),
    "clean_up": st.booleans(),
    "session_start": st.sampled_from([None, None, T0 + 6000]),
    "reboot": st.sampled_from(["device", T0 + 60_000, "after_transfer"]),
    "each": st.fixed_dictionaries({
        "probe": st.sampled_from([False, False, True]), "profile": st.sampled_from(["generic", "lbm", "st"])
    }),
    "known": st.lists(known_devices, max_size=4),
    "network": networks,
    "stage": st.sampled_from([4, 5, 3, 6, 2, 1, 0, 7, 8]),
})  # fmt: skip
"""A campaign of any kind: its settings, what is known before, the network, and the stage that it is brought to."""
running = precondition(lambda self: not self.d.campaign.finished)


class AnythingMachine(RuleBasedStateMachine):
    """Random inputs and verbs at random times: a campaign that was brought to a random stage, and its replayed twin."""

    drive: Any
    group_of: Any

    @initialize(campaign=campaigns)
    def begin(self, campaign: dict[str, Any]) -> None:
        settings = dict(campaign)
        classes, redundancies = settings.pop("classes"), settings.pop("redundancies")
        version, mc_group_id = "2.0.0", 1
        if settings["each"]["profile"] == "st":  # dialect 1.0.0, fragments of at least 40 bytes, McGroupID 0
            settings["fsize"], version, mc_group_id = 40, "1.0.0", 0
        new = {"mc_addr": "01f3a4b6", "mc_group_id": mc_group_id, "version": version, "mc_version": version}
        groups = (
            self.group_of("old", device_class=classes[0], redundancy=redundancies[0]),
            self.group_of("new", device_class=classes[1], redundancy=redundancies[1], **new),
        )
        if settings["kind"] != "firmware":
            del settings["reboot"]
        known = {f"{i + 1:016x}": facts for i, facts in enumerate(settings.pop("known"))}
        stage = settings.pop("stage")
        drive = type(self).drive
        self.d = drive(4, groups=groups, allow_carousel=True, known=m.Known(devices=known), **settings)
        names = self.d.campaign.status().stages
        self.d.reach(names[min(stage, len(names) - 1)])
        self.n_checked = 0
        self.model = Model(self.d)
        self.twin = self.replayed()

    @precondition(lambda self: self.d.campaign.finished)
    @rule(campaign=campaigns)
    def another_campaign_begins(self, campaign: dict[str, Any]) -> None:
        self.begin(campaign)

    def replayed(self) -> Campaign:
        """Replays the campaign, with the times of uplinks: they are no events, and a replay measures anew."""
        campaign = replayed(self.d)
        machine_of(campaign).uplinks._heard = copy.deepcopy(self.d.machine.uplinks._heard)
        return campaign

    def feed(self, item: m.Input) -> None:
        new = self.d.receive(item)
        assert self.twin.receive(item, self.d.now) == new

    def tick(self) -> None:
        due = self.d.campaign.deadline()
        new = self.d.tick()
        assert self.twin.tick(self.d.now) == new
        if due is not None and due <= self.d.now:
            assert new, "a timer that changes nothing"
        left = self.d.campaign.deadline()
        assert left is None or left > self.d.now

    def uplink(self, i: int, port: int, payload: bytes, age: float = 0.0) -> None:
        self.feed(m.Uplink(f"{i:016x}", port, payload, self.d.now - age))

    @running
    @rule(seconds=delays)
    def time_passes(self, seconds: float) -> None:
        """Sets the clock back."""
        self.d.now += seconds
        self.tick()

    @running
    @rule()
    def the_deadline_comes(self) -> None:
        due = self.d.campaign.deadline()
        if due is not None:
            self.d.now = max(due, self.d.now)
            self.tick()

    @rule(
        i=devices,
        port=st.sampled_from([0, 1, 2, 200, 201, 202, 203, 224]),
        payload=st.binary(max_size=12),
        age=receptions,
    )
    def garbage(self, i: int, port: int, payload: bytes, age: float) -> None:
        self.uplink(i, port, payload, age)

    @running
    @rule(i=devices, said=uplinks, cut=st.sampled_from([0, 0, 0, 1, 2]), age=receptions)
    def a_device_says_anything(self, i: int, said: tuple[int, list[Any]], cut: int, age: float) -> None:
        port, commands = said
        payload = b"".join(command.encode() for command in commands)
        self.uplink(i, port, payload[: len(payload) - cut], age)

    @running
    @rule(i=st.integers(1, 4))
    def a_device_speaks_often(self, i: int) -> None:
        for _ in range(3):
            self.d.now += 7
            self.uplink(i, 2, b"")

    @precondition(lambda self: any(self.d.asked(i) for i in range(1, 5)))
    @running
    @rule(i=st.integers(1, 4))
    def a_device_says_the_right_thing(self, i: int) -> None:
        if self.d.asked(i) not in ("", "DataFragment"):
            command = self.d.right_answer(i)
            self.uplink(i, port_of(command), command.encode())

    @precondition(lambda self: any(self.d.asked(i) == "FragSessionStatus" for i in range(1, 5)))
    @running
    @rule(i=st.integers(1, 4), missing=st.sampled_from([1, 2, 3, 255]), received=st.integers(0, 9))
    def a_device_lacks_fragments(self, i: int, missing: int, received: int) -> None:
        self.the_network_takes_everything()
        device = self.d.state(i)
        command = fragmentation.FragSessionStatusAns(
            version=device.profile.status_version(device.group.dialect),
            frag_index=0,
            nb_frag_received=received,
            missing_frag=missing,
        )
        self.uplink(i, 201, command.encode())

    @precondition(lambda self: any(self.d.asked(i) for i in range(1, 5)))
    @running
    @rule()
    def all_say_the_right_thing(self) -> None:
        """Reports the requests to the devices as sent, and has the devices answer."""
        self.the_network_takes_everything()
        for i in range(1, 5):
            self.a_device_says_the_right_thing(i)
        self.tick()

    @rule(
        kind=st.sampled_from(["sent", "summary", "hand-over"]),
        ok=st.sampled_from([True, True, False]),
        text=st.sampled_from(["", "duty cycle", "x" * 1000, "\0", "\ud800", "\u2028"]),
        f_cnt=st.sampled_from([None, 3]),
        data=st.data(),
    )
    def the_network_says_something(self, kind: str, ok: bool, text: str, f_cnt: int | None, data: Any) -> None:
        known = [e.id for e in self.d.of(m.Requested)]
        name = data.draw(st.sampled_from(["", "c/0", "c/999999", "other/1", *known[-6:]]))
        if kind == "sent":
            self.feed(m.DownlinkSent(name, ok, text))
        elif kind == "summary":
            self.feed(m.MulticastSummary(name, ok, text))
        else:
            self.feed(m.HandOver(id=name, reference=text, f_cnt=f_cnt))

    @running
    @rule()
    def the_network_takes_everything(self) -> None:
        handed_over = {e.id for e in self.d.of(m.HandedOver)}
        for request in self.d.of(m.Requested):
            if request.id not in handed_over:
                self.feed(m.HandOver(id=request.id, f_cnt=request.f_cnt))

    @running
    @rule(ok=st.sampled_from([True, True, True, False]))
    def the_network_reports_everything(self, ok: bool) -> None:
        reported = {e.id for e in self.d.of(m.Reported)}
        for request in self.d.of(m.Requested):
            if request.id not in reported:
                self.feed(m.MulticastSummary(request.id, ok) if request.group else m.DownlinkSent(request.id, ok))

    @precondition(lambda self: self.frames_on_their_way())
    @running
    @rule(data=st.data(), ok=st.booleans())
    def a_frame_is_reported(self, data: st.DataObject, ok: bool) -> None:
        self.feed(m.MulticastSummary(data.draw(st.sampled_from(self.frames_on_their_way())), ok))

    def frames_on_their_way(self) -> list[str]:
        multicast = getattr(self.d.machine.main, "multicast", None)
        return multicast.outstanding() if multicast is not None else []

    @running
    @rule()
    def time_passes_and_the_network_works(self) -> None:
        for _ in range(3):
            self.the_deadline_comes()
            self.the_network_takes_everything()

    @running
    @rule(verb=st.sampled_from(["unpause", "pause", "stop", "resume"]), seldom=st.integers(0, 1))
    def an_operator_says_something(self, verb: str, seldom: int) -> None:
        """Calls a verb. An illegal one raises and changes nothing."""
        if verb == "stop" and seldom:
            return
        before = inside(self.d.campaign)
        try:
            new = self.d.keep(getattr(self.d.campaign, verb)(self.d.now))
        except CampaignError:
            assert verb != "resume"
            assert inside(self.d.campaign) == before
            with pytest.raises(CampaignError):
                getattr(self.twin, verb)(self.d.now)
        else:
            assert getattr(self.twin, verb)(self.d.now) == new

    @running
    @rule()
    def the_process_dies_and_another_goes_on(self) -> None:
        """The replayed twin takes over, and gets a twin of its own."""
        ignored = self.d.campaign.ignored
        self.d.campaign = self.twin
        self.d.campaign.ignored = ignored
        self.d.campaign.take_facts()
        self.twin = self.replayed()

    # ---- what holds always -------------------------------------------------------------------------------

    @invariant()
    def the_twin_is_the_same(self) -> None:
        live, again = self.d.campaign, replayed(self.d)
        assert inside(live) == inside(again)
        assert inside(live) == inside(self.twin)
        assert same(live, self.twin)
        assert same(live, again)
        ids = [e.id for e in self.d.of(m.Requested)]
        assert [live.awaits_hand_over(name) for name in ids] == [again.awaits_hand_over(name) for name in ids]

    @invariant()
    def the_status_is_legal(self) -> None:
        status = self.d.campaign.status()
        assert status.status in ("RUNNING", "stopping", "SUCCEEDED", "FAILED", "STOPPED")
        assert status.status == status.state or (status.status, status.state) == ("stopping", "RUNNING")
        assert (status.stage is None) == (status.status == "SUCCEEDED")
        over = status.status not in ("RUNNING", "stopping")
        assert {x.status for x in status.devices} <= {"running", "passed", "failed", "stopped", "unverified"}
        assert not over or "running" not in {x.status for x in status.devices}
        assert all(x.reason for x in status.devices if x.status in ("failed", "stopped"))
        assert all(not x.reason or kind_of(x.reason) for x in status.devices)
        n_beside = self.d.machine.state.n_beside  # passed outside the stages: successes of each of them
        assert 0 <= status.n_done <= status.n_taking_part + n_beside <= status.n_devices
        if status.status == "SUCCEEDED":
            statuses = [x.status for x in status.devices if x.status == "passed" or x.data_complete]
            assert len(statuses) >= self.d.campaign.plan.n_needed

    @invariant()
    def the_counters_equal_a_recount(self) -> None:
        n_ready, devices = 0, self.d.machine.state.devices.values()
        n_beside = sum(device.runs_target and not device.taking_part for device in devices)
        assert n_beside == self.d.machine.state.n_beside
        for exchange in (self.d.machine.main, self.d.machine.clean_up):
            if isinstance(exchange, UnicastExchange):
                phases = [turn.phase for turn in exchange.turns]
                assert exchange.turns.n_open == sum(phase in OPEN for phase in phases)
                assert exchange.turns.n(Phase.GIVEN_UP) == phases.count(Phase.GIVEN_UP)
                assert exchange.n_succeeded == phases.count(Phase.SUCCEEDED) + n_beside
                n_ready += phases.count(Phase.READY)
        assert self.d.machine.queue.n_ready == n_ready

    @invariant()
    def nothing_is_to_be_handed_over_once_it_ends(self) -> None:
        """Only requests of the clean-up go out, and replies unless the campaign is stopped."""
        stopping = self.d.of(m.Stopping)
        if stopping:
            idx = self.d.events.index(stopping[0])
            before = [e for e in self.d.of(m.Requested, self.d.events[:idx]) if e.ask not in CLEANING]
            before = [e for e in before if not e.reply or stopping[0].status == "STOPPED"]
            assert not any(self.d.campaign.awaits_hand_over(e.id) for e in before)

    @invariant()
    def every_new_event_keeps_the_rules(self) -> None:
        for event in self.d.events[self.n_checked :]:
            kind = type(event)
            assert m.decode(kind.__name__, kind.VERSION, m.encode(event)) == event
            self.model.check(event)
        self.n_checked = len(self.d.events)
        assert self.d.campaign.n_events == self.n_checked


class Model:
    """The rules of the unicast and the multicast exchange, checked event by event."""

    def __init__(self, d: Any) -> None:
        self.d = d
        self.config, self.plan = d.campaign.config, d.campaign.plan
        self.last_at = float("-inf")
        self.requests: dict[str, m.Requested] = {}
        self.stage_no = 0
        self.paused = self.closing = self.stopping = self.stopped = self.finished = False
        self.heard: set[str] = set()
        self.ever_heard: set[str] = set()
        self.outstanding: dict[str, str] = {}
        """The last request of a device, unless it is known to have left."""
        self.question_of: dict[str, tuple[Any, ...]] = {}
        self.asked: Counter[tuple[Any, ...]] = Counter()
        """Number of hand-overs of a question to a device."""
        self.deferred: Counter[tuple[Any, ...]] = Counter()
        self.returned: Counter[tuple[bool, str]] = Counter()
        """Number of returns of a device that was asked for its version, before the campaign began to end and after."""
        self.last_unicast = float("-inf")
        self.on_air: dict[str, dict[str, float]] = {}
        """Unix times of the frames of a group, without those that were not sent."""
        self.n_sent: Counter[tuple[Any, ...]] = Counter()
        self.repeated: Counter[tuple[Any, ...]] = Counter()
        """Number of repeated status requests to a group that are still to be made."""
        self.payload_of: dict[tuple[str, int], bytes] = {}
        self.last_frame: dict[str, tuple[int, bytes]] = {}
        """Counter and payload of the frame of a group that was handed over last."""
        self.barred: set[str] = set()
        """Groups that get nothing more by multicast."""
        self.sessions: dict[str, m.Session] = {}

    def check(self, event: m.Event) -> None:
        assert not self.finished, "the last event is the end"
        assert event.at >= self.last_at
        self.last_at = event.at
        match event:
            case m.StageStarted():
                assert not self.stopping
                self.stage_no += 1
                self.closing = False
                self.sessions.update(event.sessions or {})
                if event.stage == "CompletionVerification":
                    self.heard.clear()
            case m.StageClosing():
                self.closing = True
            case m.StatusRepeated():
                self.repeated[self.stage_no, event.group] += 1
            case m.Paused():
                self.paused = True
            case m.Unpaused():
                self.paused = False
            case m.Stopping():
                self.stopping, self.closing, self.paused = True, False, False
                self.stopped = event.status == "STOPPED"
                for question in [question for question in self.asked if question[0] == "clean-up"]:
                    del self.asked[question]  # What is not confirmed by then is asked anew.
            case m.Finished():
                self.finished = True
            case m.DeviceHeard():
                self.heard.add(event.dev_eui)
                self.ever_heard.add(event.dev_eui)
            case m.Returned():
                self.ever_heard.add(event.dev_eui)
                if event.fw_version is None:  # Another question, with its own tries.
                    self.returned[self.stopping, event.dev_eui] += 1
                    assert self.returned[self.stopping, event.dev_eui] == 1
                    self.asked["clean-up", event.dev_eui, LAST_VERSION.name, None] = 0
            case m.Deferred() if not event.later:
                self.deferred[self.stage_no, event.dev_eui, event.ask, None] += 1
            case m.HandedOver() if event.id in self.question_of:
                question = self.question_of[event.id]
                self.asked[question] += 1
                assert self.asked[question] <= 1 + self.config.msg_retries + self.deferred[question]
            case m.HandedOver() if (group := self.requests[event.id].group) is not None:
                self.on_air[group][event.id] = event.at
                self._on_counter(group, event)
            case m.GroupDone():
                self._on_group_done(event)
            case m.Reported():
                self._on_report(self.requests[event.id], event.ok)
            case m.Requested():
                assert event.id not in self.requests
                self.requests[event.id] = event
                if event.group is not None:
                    self._on_frame(event)
                else:
                    self._on_unicast(event, event.dev_eui or "")

    def _on_report(self, request: m.Requested, ok: bool) -> None:
        if request.group is not None and not ok:
            self.on_air[request.group].pop(request.id, None)
        elif request.dev_eui and ok and self.outstanding.get(request.dev_eui) == request.id:
            del self.outstanding[request.dev_eui]

    def _on_counter(self, group: str, event: m.HandedOver) -> None:
        request = self.requests[event.id]
        f_cnt = event.f_cnt if self.d.network.owns_f_cnt else request.f_cnt
        if f_cnt is None:
            return
        last, payload = self.last_frame.get(group, (self.plan.groups[group].first_f_cnt - 1, b""))
        if f_cnt > last or (request.f_cnt == last and request.digest == payload):
            self.last_frame[group] = f_cnt, request.digest
        else:
            assert self.d.network.owns_f_cnt, "counters rise"
            self.barred.add(group)

    def _on_group_done(self, event: m.GroupDone) -> None:
        """Frames that were not handed over in their session do not count as sent."""
        if event.barred:
            self.barred.add(event.group)
        which = None if self.plan.groups[event.group].adaptive else self.stage_no
        handed_over = {e.id for e in self.d.of(m.HandedOver)}
        last = {r.frag_nb: r for r in self.requests.values() if r.group == event.group}
        for frag_nb in event.again:
            self.n_sent[which, event.group, frag_nb] -= last[frag_nb].id not in handed_over

    def _on_unicast(self, event: m.Requested, dev_eui: str) -> None:
        assert event.at >= self.last_unicast + self.config.ucast_msg_delay / 1000 - 1e-6, "unicasts are paced"
        self.last_unicast = event.at
        if event.reply:
            assert not self.stopped
            return
        assert dev_eui in self.ever_heard
        assert not self.paused
        cleans = event.ask in CLEANING or self.stopping
        if self.stopping:
            assert event.ask in {*CLEANING, "FragSessionDelete"}
        if not cleans:
            assert not self.closing
            assert dev_eui in self.heard
        if dev_eui in self.outstanding:
            assert event.replaces == self.outstanding[dev_eui], "one request is outstanding"
        self.outstanding[dev_eui] = event.id
        self.question_of[event.id] = ("clean-up" if cleans else self.stage_no, dev_eui, event.ask, event.frag_nb)

    def _on_frame(self, event: m.Requested) -> None:
        assert not self.paused
        assert not self.closing
        assert not self.stopping
        assert event.group not in self.barred
        name, plan, session = event.group, self.plan.groups[event.group], self.sessions[event.group]
        on_air = self.on_air.setdefault(name, {})
        last = max(on_air.values(), default=float("-inf"))
        assert event.at >= last + plan.time.spacing - 1e-6, "frames of a group are spaced"
        on_air[event.id] = event.at
        assert event.at >= session.start
        assert event.at + plan.slot + plan.time.frame_time <= session.end + 1e-6
        which = None if event.frag_nb is not None and plan.adaptive else self.stage_no  # no number in two rounds
        self.n_sent[which, name, event.frag_nb] += 1
        n_times = 1 if event.frag_nb is not None else 1 + self.repeated[self.stage_no, name]
        assert self.n_sent[which, name, event.frag_nb] <= 3 * n_times
        if event.f_cnt is not None:
            assert self.payload_of.setdefault((name, event.f_cnt), event.digest) == event.digest
        assert (event.f_cnt is None) == self.d.network.owns_f_cnt


@pytest.mark.usefixtures("toolbox")
class TestAnything(AnythingMachine.TestCase):
    settings = settings(
        max_examples=60,
        stateful_step_count=30,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Step.explicit, Step.reuse, Step.generate, Step.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )

    def setUp(self) -> None:
        AnythingMachine.drive = staticmethod(type(self).drive)
        AnythingMachine.group_of = staticmethod(type(self).group_of)
