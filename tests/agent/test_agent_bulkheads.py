"""Foreign code that raises for campaign A: campaign B ends as if A were not there, and the agent reports the error."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fuota_fec.agent import Agent, run_virtual
from fuota_fec.agent.suspended import MOST_ATTEMPTS
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.errors import CampaignError, FuotaError, JournalError, NetworkError, ParameterError
from fuota_fec.journal import Append, MemoryJournal
from fuota_fec.wire import multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))


class CustomError(Exception):
    """An error of a driver, with a text that cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


ERRORS: list[Callable[[], Exception]] = [
    lambda: ValueError("wrong"),
    lambda: ConnectionError("refused"),
    lambda: KeyError("x"),
    AssertionError,
    lambda: StopIteration("done"),
    lambda: RecursionError("deep"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    CustomError,
    lambda: NetworkError("away"),
    lambda: JournalError("down"),
    lambda: CampaignError("no"),
    lambda: ParameterError("no"),
    lambda: FuotaError("no"),
]
any_error = pytest.mark.parametrize("error", ERRORS, ids=lambda make: type(make()).__name__)


class Saboteur:
    """Wraps foreign code: a method raises when `when` says so of its arguments."""

    def __init__(self, target: Any, method: str, error: Callable[[], Exception], when: Callable[..., bool]) -> None:
        self._target = target
        self._spoilt = method, error, when
        self.n = 0

    def __getattr__(self, name: str) -> Any:
        method, error, when = self._spoilt
        attribute = getattr(self._target, name)
        if name != method:
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            if when(*args, **kwargs):
                self.n += 1
                raise error()
            return attribute(*args, **kwargs)

        return call


def drive(agent: Agent, network: Any, until: float, ends: Callable[[], bool] = lambda: False) -> None:
    """Steps the agent in virtual time as `run` does by the wall clock: a journal that fails is tried again."""
    now = T0
    while not agent.idle and now <= until and not ends():
        try:
            due = agent.step(now)
        except JournalError:
            due = now + 5
        event = network.deadline()
        known = [at for at in (due, event if event is not None and event > now else None) if at is not None]
        if not known:
            return
        now = min(known)


class Pair:
    """Campaigns A (devices 1 and 2) and B (devices 3 and 4) in one agent, in virtual time."""

    def __init__(self, config_of: Any, ring_of: Any, virtual_network: Any) -> None:
        self.a = config_of("a", (1, 2), max_duration=10_000)
        self.b = config_of("b", (3, 4), group={"name": "h", "mc_addr": "01f3a4b6"})
        self.network: Any = virtual_network([self.a, self.b])
        self.ring: Any = ring_of(self.a, self.b)
        self.journal: Any = MemoryJournal()
        self.observer: Any = None
        self.agent: Agent

    def run(self, hours: float = 12.0, before: Callable[[], None] = lambda: None) -> Agent:
        self.agent = Agent(self.journal, self.network, self.ring, observer=self.observer)
        for config in (self.a, self.b):
            self.agent.launch(Campaign(config, IMAGE), T0)
        before()
        drive(self.agent, self.network, T0 + hours * 3600)
        return self.agent

    def status(self, name: str) -> Any:
        return Campaign.replay(self.journal.events(name), IMAGE).status()

    def check_b(self) -> None:
        status = self.status("b")
        assert status.status == "SUCCEEDED", status.reason
        assert [device.status for device in status.devices] == ["passed"] * 2
        assert self.network.devices[f"{3:016x}"].image == IMAGE


@pytest.fixture
def pair(config_of, ring_of, virtual_network) -> Pair:
    return Pair(config_of, ring_of, virtual_network)


def of_a(*args: Any, **_kwargs: Any) -> bool:
    """Whether a call of the network concerns campaign A."""
    subject = args[0]
    if isinstance(subject, list):
        return any(name.startswith("a/") for name in subject)
    return str(getattr(subject, "id", getattr(subject, "name", ""))).startswith("a/")


# ---- the network -----------------------------------------------------------------------------------------


@any_error
def test_a_network_that_takes_no_downlink_of_one_campaign(pair: Pair, error: Callable[[], Exception]) -> None:
    pair.network = network = Saboteur(pair.network, "submit", error, of_a)
    agent = pair.run()
    pair.check_b()
    assert agent.health().n_errors["network.submit"] == network.n > 0
    assert pair.status("a").status in ("RUNNING", "FAILED")


@any_error
def test_a_network_that_cannot_be_read_for_an_hour(pair: Pair, error: Callable[[], Exception]) -> None:
    pair.network = Saboteur(pair.network, "poll", error, lambda now: T0 + 20 < now < T0 + 3620)
    agent = pair.run()
    pair.check_b()
    assert pair.status("a").status == "SUCCEEDED"
    assert agent.health().n_errors["network.poll"] > 0


@any_error
def test_a_network_that_withdraws_nothing_of_one_campaign(pair: Pair, error: Callable[[], Exception]) -> None:
    """The campaign ends all the same."""
    pair.network = Saboteur(pair.network, "withdraw", error, lambda ids, _now: of_a(ids))

    def stop() -> None:
        run_virtual(pair.agent, pair.network, T0, until=T0 + 150)
        pair.journal.order("a", "stop")

    pair.run(before=stop)
    pair.check_b()
    assert pair.status("a").status == "STOPPED"


@any_error
def test_a_network_that_opens_no_group_refuses_the_launch(pair: Pair, error: Callable[[], Exception]) -> None:
    pair.network = Saboteur(pair.network, "open_group", error, of_a)
    agent = Agent(pair.journal, pair.network, pair.ring)
    campaign = Campaign(pair.a, IMAGE)
    with pytest.raises(NetworkError):
        agent.launch(campaign, T0)
    assert campaign.status().status == "CONFIGURED"
    assert agent.idle
    agent.launch(Campaign(pair.b, IMAGE), T0)
    run_virtual(agent, pair.network, T0)
    pair.check_b()
    assert agent.health().ok


@any_error
def test_a_group_that_cannot_be_opened_again_after_a_failure_of_the_journal(
    pair: Pair, error: Callable[[], Exception]
) -> None:
    """The journal fails once for campaign A, then the network refuses A's group: B goes on hearing."""
    pair.network = network = Saboteur(pair.network, "open_group", error, of_a)
    pair.journal = journal = FailsOnce(MemoryJournal())
    network._spoilt = "open_group", error, lambda group: journal.failed and of_a(group)
    agent = pair.run()
    pair.check_b()
    assert pair.status("a").status == "RUNNING"
    assert agent.suspended["a"]
    assert agent.idle, "it is left to other agents"


def test_a_suspended_campaign_takes_what_was_said_meanwhile(pair: Pair) -> None:
    opened: list[float] = []
    pair.network = network = Saboteur(pair.network, "open_group", lambda: NetworkError("no"), of_a)
    pair.journal = journal = FailsOnce(MemoryJournal())

    def refuses(group: Any) -> bool:
        opened.append(1.0)
        return journal.failed and of_a(group) and len(opened) < 8

    network._spoilt = "open_group", lambda: NetworkError("no"), refuses
    pair.run()
    pair.check_b()
    assert pair.status("a").status == "SUCCEEDED"
    assert all(device.status == "passed" for device in pair.status("a").devices)


@pytest.mark.parametrize("result", [None, 7, m.HandOver("a/1", None), m.HandOver("a/1", "", -3)])  # type: ignore[arg-type]
def test_a_network_that_returns_no_hand_over(config_of, desk_of, result: Any) -> None:
    desk = desk_of(config_of("a", (1,)), config_of("b", (2,), group={"mc_addr": "01f3a4b6"}))
    submit = desk.network.submit
    desk.network.submit = lambda d, now: result if d.id.startswith("a/") else submit(d, now)
    desk.hears(1, 2)
    assert [d.id for d in desk.network.taken] == ["b/1"]
    assert "expected a HandOver" in desk.agent.health().network


# ---- keys ------------------------------------------------------------------------------------------------


@any_error
def test_a_key_ring_that_fails_for_the_devices_of_one_campaign(pair: Pair, error: Callable[[], Exception]) -> None:
    """Its time stands still, and it reports why: no request has left that could use up a retry."""
    ring = pair.ring = Saboteur(pair.ring, "root_key", error, lambda _name: False)

    def spoil() -> None:
        ring._spoilt = "root_key", error, lambda name: int(name, 16) <= 2

    pair.run(before=spoil)
    pair.check_b()
    status = pair.status("a")
    if isinstance(error(), ParameterError):  # The ring has no such key: that is no outage.
        assert [device.reason for device in status.devices] == ["no answer in McGroupSetup"] * 2
        return
    assert status.status == "RUNNING"
    assert status.suspended.startswith("keys cannot be read: ")
    assert sum(isinstance(event, m.Suspended) for event in pair.journal.events("a")) == 1
    assert not any(isinstance(event, (m.Reported, m.GivenUp)) for event in pair.journal.events("a"))


@any_error
def test_a_device_without_a_key_leaves_alone(pair: Pair, config_of, error: Callable[[], Exception]) -> None:
    pair.a = config_of("a", (1, 2), success_threshold=50, stage_end="all", max_duration=10_000)
    ring = pair.ring = Saboteur(pair.ring, "root_key", error, lambda _name: False)

    def spoil() -> None:
        ring._spoilt = "root_key", error, lambda name: int(name, 16) == 1

    pair.run(before=spoil)
    pair.check_b()
    status = pair.status("a")
    assert status.status == "SUCCEEDED"
    assert [device.status for device in status.devices] == ["failed", "passed"]


def test_the_reason_of_a_campaign_that_cannot_be_replayed_is_recorded(config_of, desk_of) -> None:
    """The journal failed, which is no reason of the campaign; then the network refuses its group."""
    desk = desk_of(config_of(devices=(1,)))
    desk.journal.fails = True
    with pytest.raises(JournalError):
        desk.hears(1)
    desk.journal.fails = False
    desk.network.open_group = failing_open_group
    for _ in range(3):
        desk.step(10)
    assert list(desk.agent.suspended) == ["c"]
    assert [event.reason for event in desk.of(m.Suspended)] == [desk.agent.suspended["c"]]
    del desk.network.open_group
    for _ in range(20):
        desk.step(30)
    assert desk.agent.suspended == {}
    assert desk.of(m.Resumed)


def failing_open_group(_group: Any) -> None:
    raise NetworkError("the group is refused")


def test_a_key_that_comes_back_within_a_minute_costs_no_retry(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(1,), msg_retries=0))
    ring = desk.agent._keys._ring  # The desk does not keep it.
    desk.agent._keys._ring = Saboteur(ring, "root_key", lambda: ConnectionError("vault away"), lambda _name: True)
    desk.hears(1)
    for _ in range(10):
        desk.step(5)
    assert "vault away" in desk.agent.health().keys
    desk.agent._keys._ring = ring
    desk.step(5)
    assert [d.id for d in desk.network.taken] == ["c/1"]
    assert desk.agent.health().ok


def test_keys_that_are_away_hold_up_no_campaign_that_needs_none(config_of, desk_of) -> None:
    """Two devices are set up and silent, the keys of two others cannot be read. A stop drops their requests."""
    desk = desk_of(config_of(devices=(1, 2, 3, 4), ucast_msg_delay=0))
    desk.hears(1, 2)
    for number in (1, 2):
        desk.step(0, m.DownlinkSent(f"c/{number}", True))
        desk.answers(number, 200, multicast.McGroupSetupAns(mc_group_id=0))
    ring = desk.agent._keys._ring  # The desk does not keep it.
    desk.agent._keys._ring = Saboteur(ring, "root_key", lambda: ConnectionError("vault away"), lambda _name: True)
    desk.hears(3, 4)
    for _ in range(20):
        desk.step(5)
    assert "keys cannot be read" in desk.agent.health().waits["c"]
    desk.agent.carry_out("c", "stop", desk.now)
    for _ in range(400):
        desk.step(20)
    assert [event.status for event in desk.of(m.Finished)] == ["STOPPED"]


@pytest.mark.parametrize("kind", ["root", "mc"])
@pytest.mark.parametrize("wrong", [b"\x2b" * 16, b"\x2b" * 5, "2b" * 16, None, 7, bytearray(16)], ids=repr)
def test_a_key_of_the_wrong_type_is_refused_at_launch(pair: Pair, kind: str, wrong: Any) -> None:
    ring = pair.ring
    device, group = pair.a.devices[0].key_name, pair.a.groups[0].key_name

    class Ring:
        def root_key(self, name: str) -> Any:
            return wrong if (kind, name) == ("root", device) else ring.root_key(name)

        def mc_key(self, name: str) -> Any:
            return wrong if (kind, name) == ("mc", group) else ring.mc_key(name)

    agent = Agent(pair.journal, pair.network, Ring())  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=f"key '{device if kind == 'root' else group}' is a value of type") as info:
        agent.launch(Campaign(pair.a, IMAGE), T0)
    assert "2b2b" not in str(info.value)
    assert "+++" not in str(info.value)
    assert pair.journal.campaigns() == ()


@any_error
def test_a_key_that_cannot_be_read_refuses_the_launch(pair: Pair, error: Callable[[], Exception]) -> None:
    pair.ring = Saboteur(pair.ring, "root_key", error, lambda name: int(name, 16) == 1)
    agent = Agent(pair.journal, pair.network, pair.ring)
    with pytest.raises(ParameterError):
        agent.launch(Campaign(pair.a, IMAGE), T0)
    assert pair.journal.campaigns() == ()
    assert agent.health().ok, "the caller of launch has the error"


def test_many_keys_that_cannot_be_used_are_counted(config_of, network_of) -> None:
    config = config_of(devices=range(1, 101))

    class Ring:
        def root_key(self, _name: str) -> Any:
            raise ConnectionError("vault away")

        mc_key = root_key

    with pytest.raises(ParameterError, match="… and 83 more"):
        Agent(MemoryJournal(), network_of(), Ring()).launch(Campaign(config, IMAGE), T0)  # type: ignore[arg-type]


def test_the_text_of_a_foreign_error_about_a_key_is_not_shown(config_of, desk_of, caplog) -> None:
    desk = desk_of(config_of(devices=(1,)))
    secret = "2b7e151628aed2a6abf7158809cf4f3c"
    error = lambda: ValueError(f"not a key: {secret}")  # noqa: E731
    desk.agent._keys._ring = Saboteur(desk.agent._keys._ring, "root_key", error, lambda _name: True)
    desk.hears(1)
    for _ in range(20):
        desk.step(5)
    assert "cannot be read: ValueError" in caplog.text
    assert "Traceback" in caplog.text or "File " in caplog.text
    assert secret not in caplog.text + repr(desk.agent.health()) + repr(desk.of(m.Reported))


# ---- observers -------------------------------------------------------------------------------------------


@any_error
def test_an_observer_that_fails_for_one_campaign(pair: Pair, caplog, error: Callable[[], Exception]) -> None:
    seen: Counter[str] = Counter()

    def observer(campaign: Campaign, _event: m.Event) -> None:
        seen[campaign.id] += 1
        if campaign.id == "a":
            raise error()

    pair.observer = observer
    agent = pair.run()
    pair.check_b()
    assert pair.status("a").status == "SUCCEEDED"
    assert seen == {name: len(list(pair.journal.events(name))) for name in "ab"}
    assert agent.health().n_errors["observer"] == seen["a"]
    assert caplog.text.count("observer failed") == 1


# ---- the journal -----------------------------------------------------------------------------------------


class FailsOnce:
    """A journal that fails at the tenth commit with events of campaign A, and at none before or after."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self.n = 0
        self.failed = False

    def append_all(self, appends: Sequence[Append]) -> None:
        if any(append.campaign == "a" for append in appends):
            self.n += 1
            if self.n >= 4 and not self.failed:
                self.failed = len(appends) == 1
                raise OSError("disk error")
        self._journal.append_all(appends)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@any_error
def test_a_journal_that_takes_no_events_of_one_campaign(pair: Pair, error: Callable[[], Exception]) -> None:
    def spoilt(appends: Sequence[Append]) -> bool:
        return any(append.campaign == "a" for append in appends)

    pair.journal = Saboteur(MemoryJournal(), "append_all", error, spoilt)
    agent = Agent(pair.journal, pair.network, pair.ring)
    for config in (pair.a, pair.b):
        agent.launch(Campaign(config, IMAGE), T0)
    drive(agent, pair.network, T0 + 100_000, lambda: pair.status("b").status == "SUCCEEDED")
    pair.check_b()
    assert pair.status("a").status == "RUNNING"
    assert agent.suspended["a"]
    assert agent.health().n_errors["journal.append_all"] > 0


@pytest.mark.parametrize("method", ["orders", "list", "lease"])
@any_error
def test_a_journal_that_cannot_be_read_does_not_keep_the_network_from_being_read(
    pair: Pair, method: str, error: Callable[[], Exception]
) -> None:
    agent = Agent(pair.journal, pair.network, pair.ring)
    agent.launch(Campaign(pair.b, IMAGE), T0)
    agent._journal._journal = Saboteur(pair.journal, method, error, lambda *_a, **_k: True)
    now: float = T0
    while not agent.idle:
        try:
            due = agent.step(now)
        except JournalError:
            due = None
        now = max(now + 1, min(at for at in (due, pair.network.deadline(), now + 10) if at is not None))
        assert now < T0 + 100_000
    pair.check_b()


def test_the_events_of_a_campaign_that_cannot_be_read_suspend_it(pair: Pair) -> None:
    journal = pair.journal
    other = Agent(journal, pair.network, pair.ring)
    for config in (pair.a, pair.b):
        other.launch(Campaign(config, IMAGE), T0)
    other.close()
    pair.journal = Saboteur(journal, "events", lambda: KeyError("dev_eui"), lambda name, *_: name == "a")
    agent = Agent(pair.journal, pair.network, pair.ring)
    assert agent.adopt(T0) == ["b"]
    assert agent.suspended == {"a": "events: KeyError: 'dev_eui'"}
    pair.journal = journal
    run_virtual(agent, pair.network, T0)
    pair.check_b()


# ---- the campaign itself ---------------------------------------------------------------------------------


def test_an_error_inside_a_campaign_suspends_it(config_of, desk_of, caplog) -> None:
    desk = desk_of(config_of("a", (1,)), config_of("b", (2,), group={"mc_addr": "01f3a4b6"}))

    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise ZeroDivisionError("an error in the machine")

    desk.campaigns[0].receive = broken
    desk.hears(1, 2)
    assert [d.id for d in desk.network.taken] == ["b/1"]
    assert desk.agent.suspended == {"a": "ZeroDivisionError: an error in the machine"}
    assert caplog.text.count("campaign a suspended") == 1
    desk.step(6)
    assert desk.agent.suspended == {}
    desk.hears(1)
    assert [d.id for d in desk.network.taken] == ["b/1", "a/1"]


def test_a_suspension_is_an_event_that_is_written_once(config_of, desk_of, monkeypatch) -> None:
    """Another process sees the reason in the status. The event is not repeated while the error stays."""
    seen: list[m.Event] = []
    desk = desk_of(config_of(), observer=lambda _campaign, event: seen.append(event))
    broken = [True]
    tick = Campaign.tick

    def fails(campaign: Campaign, now: float) -> list[m.Event]:
        if broken[0]:
            raise ConnectionError("refused")
        return tick(campaign, now)

    monkeypatch.setattr(Campaign, "tick", fails)
    desk.hears(1)
    for n in range(100):
        desk.agent.step(T0 + 1 + n)
    written = list(desk.journal.events("c"))
    assert [event.reason for event in written if isinstance(event, m.Suspended)] == ["ConnectionError: refused"]
    assert [event for event in seen if isinstance(event, m.Suspended)] == [written[-1]]
    assert Campaign.replay(written, IMAGE).status().suspended == "ConnectionError: refused"
    broken[0] = False
    for n in range(400):
        desk.agent.step(T0 + 200 + n)
    written = list(desk.journal.events("c"))
    assert sum(isinstance(event, m.Suspended) for event in written) == 1
    assert Campaign.replay(written, IMAGE).status().suspended == ""


def test_a_campaign_that_stays_broken_is_left_to_other_agents(config_of, desk_of, monkeypatch, caplog) -> None:
    desk = desk_of(config_of("a", (1,)), config_of("b", (2,), group={"mc_addr": "01f3a4b6"}))
    desk.hears(1, 2)
    from_first = Campaign.from_first

    def broken(event: Any, image: bytes = b"") -> Campaign:
        campaign = from_first(event, image)
        if campaign.id == "a":
            raise ValueError("not this one")
        return campaign

    monkeypatch.setattr(Campaign, "from_first", broken)
    monkeypatch.setattr(desk.campaigns[0], "tick", lambda _now: 1 / 0)
    waits: list[float] = []
    since = desk.now
    attempts = 0
    while "a" in desk.agent._ownership.held:
        desk.step(5)
        if (n := desk.agent.health().n_errors.get("campaign", 0)) != attempts:
            waits.append(desk.now - since)
            attempts = n
        assert desk.now - since < 7200
    assert desk.agent.suspended["a"] == "ValueError: not this one"
    assert caplog.text.count("campaign a suspended") == 2, "one line for each reason"
    assert "left to other agents" in caplog.text
    assert desk.now - since > 60 * MOST_ATTEMPTS
    assert [e.status for e in desk.of(m.Finished, "b")] == ["FAILED"], "by its own rules: no device answered"


def test_a_verb_for_a_suspended_campaign_names_the_reason(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.campaigns[0].tick = lambda _now: 1 / 0
    desk.hears(1)
    with pytest.raises(CampaignError, match="not run by this agent: it is suspended: ZeroDivisionError"):
        desk.agent.carry_out("c", "stop", desk.now)


def test_an_order_for_a_suspended_campaign_waits(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    desk.campaigns[0].tick = lambda _now: 1 / 0
    desk.hears(1)
    desk.journal.order("c", "stop")
    desk.step(2)
    assert desk.of(m.Finished) == []
    desk.step(10)
    assert [e.status for e in desk.of(m.Finished)] == ["STOPPED"]


def test_run_goes_on_whatever_is_raised_for_one_campaign(config_of, desk_of) -> None:
    desk = desk_of(config_of("a", (1,), max_duration=900), config_of("b", (2,), group={"mc_addr": "01f3a4b6"}))

    def refuse(downlink: Any, _now: float) -> Any:
        raise ValueError(downlink.id)

    desk.network.submit = refuse
    desk.network.inbox = [m.Uplink(f"{1:016x}", 2, b"", T0)]
    shown = iter(range(1, 100_000))
    asyncio.run(desk.agent.run(poll_interval=0, clock=lambda: T0 + 10 * next(shown)))
    assert {e.status for name in "ab" for e in desk.of(m.Finished, name)} == {"FAILED"}
