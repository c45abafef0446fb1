"""The campaign as a whole: its verbs, replay, and whatever comes in whenever it likes."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Step
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.machine import Campaign
from fuota_fec.campaign.state import OPEN, Phase
from fuota_fec.errors import CampaignError, ParameterError
from fuota_fec.wire import firmware, fragmentation, multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
STAGES = ["McGroupSetup", "FragSessionSetup", "McClassCSession", "DlFragment", "CompletionVerification"]


# ---- verbs -----------------------------------------------------------------------------------------------


def test_before_the_start_nothing_happens(config_of) -> None:
    campaign = Campaign(config_of(2), IMAGE)
    assert campaign.status().status == "CONFIGURED"
    assert campaign.deadline() is None
    assert campaign.tick(T0) == []
    assert campaign.receive(m.Uplink(f"{1:016x}", 2, b"", T0), T0) == []
    assert campaign.n_events == 0
    assert not campaign.finished


def test_the_start_gives_the_configuration_and_the_first_stage(config_of) -> None:
    campaign = Campaign(config_of(2), IMAGE)
    network = m.NetworkCapabilities(summaries=False)
    configured, started = campaign.start(T0, network)
    assert (configured.config, configured.image_len, configured.network) == (campaign.config, 30, network)
    assert (started.stage, started.n_devices, started.at) == ("McGroupSetup", 2, T0)
    assert campaign.n_events == 2
    assert campaign.status().status == "RUNNING"


def test_a_second_start_is_refused_and_changes_nothing(drive) -> None:
    d = drive(2)
    before = d.campaign.status(), d.campaign.n_events
    with pytest.raises(CampaignError, match="was started already"):
        d.campaign.start(T0 + 5)
    assert (d.campaign.status(), d.campaign.n_events) == before


def test_an_image_that_cannot_be_sent_is_refused(config_of, group_of) -> None:
    with pytest.raises(ParameterError, match="empty"):
        Campaign(config_of(1), b"")
    with pytest.raises(ParameterError, match="16383"):
        Campaign(config_of(1, fsize=1, max_duration=1e9), bytes(16383))
    with pytest.raises(ParameterError, match="fsize"):
        Campaign(config_of(1, fsize=255), IMAGE)
    with pytest.raises(ParameterError, match="max_duration"):
        Campaign(config_of(1, max_duration=8), IMAGE)


def test_the_problems_of_all_groups_are_reported_together(config_of, group_of) -> None:
    groups = (group_of("a", dr=0), group_of("b", mc_addr="01f3a4b6", dr=1))
    with pytest.raises(ParameterError) as error:
        Campaign(config_of(2, groups=groups, fsize=200), IMAGE)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["group 'a'", "group 'b'"]


def test_groups_with_the_same_frames_share_them(config_of, group_of) -> None:
    groups = tuple(
        group_of(name, mc_addr=f"01f3a4b{i}", version=version)
        for i, (name, version) in enumerate([("a", "1.0.0"), ("b", "1.0.0"), ("c", "2.0.0")])
    )
    campaign = Campaign(config_of(3, groups=groups), IMAGE)
    assert campaign.block("a") is campaign.block("b")
    assert campaign.block("c").version == "2.0.0"


def test_events_are_numbered_and_come_in_order_of_time(drive) -> None:
    d = drive(3)
    d.reach("end")
    assert d.campaign.n_events == len(d.events)
    assert [e.at for e in d.events] == sorted(e.at for e in d.events)
    assert isinstance(d.events[-1], m.Finished)


def test_status_follows_the_campaign(drive) -> None:
    d = drive(2)
    for n, stage in enumerate(STAGES):
        d.reach(stage)
        status = d.campaign.status()
        assert (status.stage, status.n_stages_completed, status.n_taking_part) == (stage, n, 2)
    d.reach("end")
    status = d.campaign.status()
    assert (status.status, status.stage, status.n_stages_completed, status.reason) == ("SUCCEEDED", None, 5, "")
    assert [x.status for x in status.devices] == ["passed", "passed"]
    assert "SUCCEEDED" in repr(d.campaign)


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
def test_what_is_foreign_is_counted_not_journalled(drive, stage) -> None:
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


@pytest.mark.parametrize("port", [200, 201, 203])
@pytest.mark.parametrize("payload", [b"\xff", b"\x02", b"\x04\x00\x01", b"\x01\x01\x02", bytes(242), b"\xff" * 242])
def test_garbage_is_counted_and_the_campaign_goes_on(drive, port, payload) -> None:
    d = drive(1, stage="McGroupSetup")
    d.sent(d.ask(1))
    d.up(1, port, payload)
    d.wait(1)
    if d.stage == "McGroupSetup":
        d.say(1, d.right_answer(1))
    d.reach("end")
    assert d.status == "SUCCEEDED"


def test_a_truncated_answer_is_counted_and_its_device_asked_again(drive) -> None:
    d = drive(1, stage="McClassCSession")
    d.sent(d.ask(1))
    d.up(1, 200, d.right_answer(1).encode()[:-1])
    assert d.campaign.ignored["unreadable uplink"] == 1
    assert d.of(m.Answered)[-1].at <= d.requests(1)[0].at
    d.wait(112)
    assert len(d.requests(1)) == 2


def test_what_comes_before_a_truncated_command_holds(drive) -> None:
    d = drive(1)
    d.sent(d.ask(1))
    d.up(1, 200, multicast.McGroupSetupAns(mc_group_id=0).encode() + b"\x04")
    assert d.stage == "FragSessionSetup"
    assert d.campaign.ignored["unreadable uplink"] == 1


def test_a_device_that_left_is_foreign(drive) -> None:
    d = drive(2, success_threshold=50, stage_end="all")
    d.succeed(1)
    d.sent(d.ask(2))
    d.say(2, multicast.McGroupSetupAns(mc_group_id=0, id_error=True))
    assert d.stage == "FragSessionSetup"
    assert d.say(2, multicast.McGroupSetupAns(mc_group_id=0)) == []
    assert d.campaign.ignored["device not in the campaign"] == 1


# ---- replay ----------------------------------------------------------------------------------------------


def replayed(d: Any) -> Campaign:
    return Campaign.replay(d.events, IMAGE)


def same(a: Campaign, b: Campaign) -> bool:
    return (a.status(), a.deadline(), a.n_events, a.finished) == (b.status(), b.deadline(), b.n_events, b.finished)


@pytest.mark.parametrize("stage", [*STAGES, "end"])
def test_replay_is_the_campaign(drive, stage) -> None:
    d = drive(3)
    d.reach(stage)
    assert same(replayed(d), d.campaign)


def test_replay_after_every_event_of_a_whole_campaign(drive) -> None:
    """Wherever a journal ends, at the end of a verb: the deadline too is what it was."""
    d = drive(3, success_threshold=60, ucast_msg_delay=5000, network=m.NetworkCapabilities(sent_reports=False))
    checked = []
    original = d._keep

    def keep(events: list[m.Event]) -> list[m.Event]:
        kept = original(events)
        checked.append(same(replayed(d), d.campaign))
        return kept

    d._keep = keep
    d.reach("end")
    assert len(checked) > 50
    assert all(checked)


def test_replay_while_a_summary_is_waited_for(drive) -> None:
    d = drive(1, stage="DlFragment", summary_window=3)
    d.wait(d.campaign.deadline() - d.now)
    served = 0
    while d.stage == "DlFragment":
        d.wait(3)
        assert same(replayed(d), d.campaign), d.campaign.deadline() - d.now
        for frame in d.frames()[served:]:
            d.hand_over(frame)
        assert same(replayed(d), d.campaign), d.campaign.deadline() - d.now
        d.summary(d.frames()[served])
        assert same(replayed(d), d.campaign)
        served += 1


def test_replay_after_the_maximum_duration_in_verification(drive) -> None:
    d = drive(2, stage="CompletionVerification", max_duration=2000, fuota_process_max_time=5000)
    d.wait(3000)
    assert same(replayed(d), d.campaign)


def test_replay_after_a_device_in_line_has_answered(drive) -> None:
    d = drive(3, ucast_msg_delay=10_000)
    d.sent(d.ask(1), ok=False)
    d.say(1, multicast.McGroupSetupAns(mc_group_id=0))
    assert same(replayed(d), d.campaign)
    d.wait(20)
    assert same(replayed(d), d.campaign)


def test_replay_needs_a_beginning(drive) -> None:
    with pytest.raises(CampaignError, match="no events"):
        Campaign.replay([])
    with pytest.raises(CampaignError, match="expected Configured"):
        Campaign.replay(drive(1).events[1:])


def test_replay_refuses_another_image(drive) -> None:
    with pytest.raises(CampaignError, match="not the image"):
        Campaign.replay(drive(1).events, IMAGE[:-1] + b"\xff")


def test_replay_without_the_image_can_be_looked_at(drive) -> None:
    d = drive(2, stage="DlFragment")
    assert Campaign.replay(d.events).status() == d.campaign.status()


def test_replay_without_the_image_cannot_be_continued(drive) -> None:
    d = drive(2, stage="DlFragment")
    campaign = Campaign.replay(d.events)
    with pytest.raises(CampaignError):
        campaign.tick(d.now + 5000)


def test_replay_takes_events_from_any_iterable(drive) -> None:
    d = drive(2, stage="DlFragment")
    assert same(Campaign.replay(iter(d.events), IMAGE), d.campaign)


# ---- whatever comes, whenever ----------------------------------------------------------------------------

answers = st.one_of(
    st.builds(
        multicast.McGroupSetupAns,
        mc_group_id=st.sampled_from([0, 0, 1, 2]),
        id_error=st.sampled_from([False, False, True]),
    ),
    st.builds(
        fragmentation.FragSessionSetupAns,
        frag_index=st.sampled_from([0, 0, 0, 3]),
        not_enough_memory=st.sampled_from([False, False, True]),
    ),
    st.builds(
        multicast.McClassCSessionAns,
        mc_group_id=st.sampled_from([0, 1]),
        time_to_start=st.one_of(st.integers(0, 2**24 - 1), st.integers(0, 900)),
    ),
    st.builds(multicast.McClassCSessionAns, mc_group_id=st.sampled_from([0, 1]), start_missed=st.just(True)),
    st.builds(firmware.DevVersionAns, fw_version=st.sampled_from([0x01000000, 0x02000000]), hw_version=st.just(1)),
    st.builds(
        fragmentation.FragSessionStatusAns,
        frag_index=st.just(0),
        nb_frag_received=st.integers(0, 9),
        missing_frag=st.integers(0, 9),
    ),
    st.builds(firmware.DevUpgradeImageAns, up_image_status=st.integers(0, 2)),
)
delays = st.one_of(
    st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 10.0, 110.0, 111.0, 300.0]), st.floats(0, 400), st.floats(-50, 0)
)
devices = st.integers(1, 5)
"""Four are in the campaign."""


@pytest.fixture(scope="class")
def toolbox(request: pytest.FixtureRequest, drive: Any, group_of: Any) -> None:
    request.cls.drive = staticmethod(drive)
    request.cls.group_of = staticmethod(group_of)


class AnythingMachine(RuleBasedStateMachine):
    """Random inputs at random times into a campaign that was brought to a random stage, and into its replayed twin."""

    drive: Any
    group_of: Any

    @initialize(
        stage=st.sampled_from(STAGES),
        stage_end=st.sampled_from(["threshold", "all"]),
        threshold=st.sampled_from([25, 50, 75, 100]),
        retries=st.integers(0, 2),
        pacing=st.sampled_from([0, 1000, 30_000]),
        window=st.integers(1, 3),
        timeout=st.sampled_from([0, 5]),
        late=st.sampled_from([0, 1, 3]),
        process=st.sampled_from([0, 20, 400]),
        max_duration=st.sampled_from([3000, 100_000]),
        network=st.builds(
            m.NetworkCapabilities, owns_f_cnt=st.booleans(), sent_reports=st.booleans(), summaries=st.booleans()
        ),
    )
    def begin(
        self, stage, stage_end, threshold, retries, pacing, window, timeout, late, process, max_duration, network
    ):
        groups = (
            self.group_of("old"),
            self.group_of("new", mc_addr="01f3a4b6", mc_group_id=1, version="2.0.0", mc_version="2.0.0"),
        )
        self.d = type(self).drive(
            4,
            groups=groups,
            success_threshold=threshold,
            stage_end=stage_end,
            msg_retries=retries,
            ucast_msg_delay=pacing,
            summary_window=window,
            summary_report_timeout=timeout,
            stage_complete_delay=late,
            fuota_process_max_time=process,
            max_duration=max_duration,
            network=network,
        )
        self.d.reach(stage)
        self.twin = replayed(self.d)

    def feed(self, item: m.Input) -> None:
        new = self.d.receive(item)
        assert self.twin.receive(item, self.d.now) == new

    def tick(self) -> None:
        new = self.d.tick()
        assert self.twin.tick(self.d.now) == new

    @rule(seconds=delays)
    def time_passes(self, seconds: float) -> None:
        """Or goes back."""
        self.d.now += seconds
        self.tick()

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
        late=st.floats(0, 500),
    )
    def garbage(self, i: int, port: int, payload: bytes, late: float) -> None:
        self.feed(m.Uplink(f"{i:016x}", port, payload, self.d.now - late))

    @rule(i=devices, commands=st.lists(answers, min_size=1, max_size=3), cut=st.integers(0, 3))
    def a_device_says_anything(self, i: int, commands: list[Any], cut: int) -> None:
        ports = {"multicast": 200, "fragmentation": 201, "firmware": 203}
        port = ports[type(commands[0]).__module__.rpartition(".")[2]]
        payload = b"".join(command.encode() for command in commands)
        self.feed(m.Uplink(f"{i:016x}", port, payload[: len(payload) - cut], self.d.now))

    @precondition(lambda self: self.d.status == "RUNNING")
    @rule(i=st.integers(1, 4))
    def a_device_says_the_right_thing(self, i: int) -> None:
        if self.d.stage == "DlFragment":
            return
        command = self.d.right_answer(i)
        port = {"multicast": 200, "fragmentation": 201, "firmware": 203}[type(command).__module__.rpartition(".")[2]]
        self.feed(m.Uplink(f"{i:016x}", port, command.encode(), self.d.now))

    @rule(
        ok=st.sampled_from([True, True, False]), data=st.data(), kind=st.sampled_from(["sent", "summary", "hand-over"])
    )
    def the_network_says_something(self, ok: bool, data: st.DataObject, kind: str) -> None:
        known = [e.id for e in self.d.of(m.Requested)]
        name = data.draw(st.sampled_from(["", "c/0", "c/999999", "other/1", *known[-6:]]))
        if kind == "sent":
            self.feed(m.DownlinkSent(name, ok, "cause"))
        elif kind == "summary":
            self.feed(m.MulticastSummary(name, ok, "cause"))
        else:
            self.feed(m.HandOver(id=name, f_cnt=data.draw(st.sampled_from([None, 3]))))

    @rule()
    def the_network_takes_everything(self) -> None:
        handed_over = {e.id for e in self.d.of(m.HandedOver)}
        for request in self.d.of(m.Requested):
            if request.id not in handed_over:
                self.feed(m.HandOver(id=request.id, f_cnt=request.f_cnt))

    @rule(ok=st.sampled_from([True, True, True, False]))
    def the_network_reports_everything(self, ok: bool) -> None:
        reported = {e.id for e in self.d.of(m.Reported)}
        for request in self.d.of(m.Requested):
            if request.id not in reported:
                self.feed(m.MulticastSummary(request.id, ok) if request.group else m.DownlinkSent(request.id, ok))

    @rule()
    def the_process_dies_and_another_goes_on(self) -> None:
        """The replayed twin takes over, and gets a twin of its own."""
        ignored = self.d.campaign.ignored
        self.d.campaign = self.twin
        self.d.campaign.ignored = ignored
        self.twin = replayed(self.d)

    # ---- what holds always -------------------------------------------------------------------------------

    @invariant()
    def the_twin_is_the_same(self) -> None:
        assert same(self.d.campaign, self.twin)
        assert same(self.d.campaign, replayed(self.d))

    @invariant()
    def the_status_is_legal(self) -> None:
        status = self.d.campaign.status()
        assert status.status in ("RUNNING", "SUCCEEDED", "FAILED")
        assert (status.stage is None) == (status.status == "SUCCEEDED")
        assert {x.status for x in status.devices} <= {"running", "passed", "failed"}
        assert all(x.reason for x in status.devices if x.status == "failed")
        assert 0 <= status.n_done <= status.n_taking_part <= status.n_devices
        if status.status == "SUCCEEDED":
            assert sum(x.status == "passed" for x in status.devices) >= self.d.campaign.plan.n_needed

    @invariant()
    def the_counters_equal_a_recount(self) -> None:
        exchange, state = self.d.campaign._exchange, self.d.campaign._state
        if exchange is None or not hasattr(exchange, "n_open"):
            return
        phases = [device.phase for device in state.devices.values()]
        assert exchange.n_open == sum(phase in OPEN for phase in phases)
        assert exchange.n_given_up == phases.count(Phase.GIVEN_UP)
        assert exchange.n_succeeded == phases.count(Phase.SUCCEEDED)

    @invariant()
    def a_device_has_one_outstanding_request(self) -> None:
        """A later request replaces the one before it."""
        last: dict[str, str] = {}
        for event in self.d.events:
            if isinstance(event, m.StageStarted):
                last.clear()
            elif isinstance(event, m.Requested) and event.dev_eui is not None:
                assert event.replaces == last.get(event.dev_eui) or event.dev_eui not in last
                last[event.dev_eui] = event.id

    @invariant()
    def a_device_is_asked_at_most_once_and_msg_retries_times(self) -> None:
        asked: Counter[str] = Counter()
        for event in self.d.events:
            if isinstance(event, m.StageStarted):
                asked.clear()
            elif isinstance(event, m.Requested) and event.dev_eui is not None:
                asked[event.dev_eui] += 1
                assert asked[event.dev_eui] <= 1 + self.d.campaign.config.msg_retries

    @invariant()
    def nothing_is_asked_of_who_was_not_heard(self) -> None:
        heard: set[str] = set()
        for event in self.d.events:
            if isinstance(event, m.StageStarted) and event.stage == "CompletionVerification":
                heard.clear()
            elif isinstance(event, m.DeviceHeard):
                heard.add(event.dev_eui)
            elif isinstance(event, m.Requested) and event.dev_eui is not None:
                assert event.dev_eui in heard

    @invariant()
    def nothing_is_asked_while_a_stage_closes(self) -> None:
        closing = False
        for event in self.d.events:
            closing = isinstance(event, m.StageClosing) or (closing and not isinstance(event, m.StageStarted))
            assert not (closing and isinstance(event, m.Requested))

    @invariant()
    def unicasts_are_paced(self) -> None:
        times = [e.at for e in self.d.of(m.Requested) if e.dev_eui is not None]
        spacing = self.d.campaign.config.ucast_msg_delay / 1000 - 1e-6
        assert all(b - a >= spacing for a, b in itertools.pairwise(times))

    @invariant()
    def frames_of_a_group_are_spaced(self) -> None:
        for name, plan in self.d.campaign.plan.groups.items():
            times = [e.at for e in self.d.frames(name)]
            assert all(b - a >= plan.time.spacing - 1e-6 for a, b in itertools.pairwise(times))

    @invariant()
    def a_counter_stands_for_one_fragment(self) -> None:
        fragment: dict[tuple[str, int], int] = {}
        sent: Counter[tuple[str, int]] = Counter()
        for frame in self.d.frames():
            sent[frame.group, frame.frag_nb] += 1
            assert sent[frame.group, frame.frag_nb] <= 3
            if frame.f_cnt is not None:
                assert fragment.setdefault((frame.group, frame.f_cnt), frame.frag_nb) == frame.frag_nb

    @invariant()
    def events_are_in_order_and_the_last_is_the_end(self) -> None:
        events = self.d.events
        assert all(a.at <= b.at for a, b in itertools.pairwise(events))
        ends = [i for i, e in enumerate(events) if isinstance(e, m.Finished)]
        assert ends in ([], [len(events) - 1])
        assert self.d.campaign.n_events == len(events)
        ids = [e.id for e in events if isinstance(e, m.Requested)]
        assert len(set(ids)) == len(ids)


@pytest.mark.usefixtures("toolbox")
class TestAnything(AnythingMachine.TestCase):
    settings = settings(
        max_examples=40,
        stateful_step_count=30,
        deadline=None,
        phases=(Step.explicit, Step.reuse, Step.generate, Step.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )

    def setUp(self) -> None:
        AnythingMachine.drive = staticmethod(type(self).drive)
        AnythingMachine.group_of = staticmethod(type(self).group_of)
