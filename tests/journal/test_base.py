"""Contract of a journal: one suite for memory, SQLite and PostgreSQL."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import (
    Configured,
    DeviceFact,
    DeviceHeard,
    Event,
    Finished,
    GroupFact,
    Known,
    KnownDevice,
    Membership,
    NetworkCapabilities,
    Requested,
    Session,
    StageStarted,
)
from fuota_fec.errors import CampaignError, CampaignExistsError, DeviceBusyError, FuotaError, JournalError
from fuota_fec.journal import Append, CampaignRecord, FenceError, Journal, MemoryJournal, Order, open_journal

DEVICES = [f"fe5e00000000000{i}" for i in range(4)]
MC_ADDRS = ["01f3a4b5", "01f3a4b6"]
MEMBERSHIP = Membership(mc_group_id=1, mc_addr=MC_ADDRS[0], key="meters", min_mc_f_cnt=5, max_mc_f_cnt=2**32 - 1)


def heard(n: int, start: int = 0) -> list[Event]:
    return [DeviceHeard(at=10.0 + i, dev_eui=f"{i:016x}") for i in range(start, start + n)]


def finished(status: str = "SUCCEEDED") -> Finished:
    return Finished(at=99.5, status=status, successes=1)


def group(name: str = "meters", mc_addr: str = MC_ADDRS[0], **settings: Any) -> Group:
    return Group(name=name, mc_addr=mc_addr, frequency=869_525_000, **settings)


def config(*groups: Group, frag_index: int = 0, devices: list[str] = DEVICES) -> CampaignConfig:
    groups = groups or (group(),)
    return CampaignConfig(
        id="c",
        success_threshold=100,
        max_duration=100_000,
        uplink_period=100,
        fw_version=1,
        groups=groups,
        devices=tuple(Device(dev_eui=d, group=groups[i % len(groups)].name) for i, d in enumerate(devices)),
        frag_index=frag_index,
    )


def device_fact(dev_eui: str = DEVICES[0], frag_index: int = 0, **known: Any) -> DeviceFact:
    return DeviceFact(dev_eui=dev_eui, frag_index=frag_index, known=KnownDevice(**known))


def group_fact(next_f_cnt: int, mc_addr: str = MC_ADDRS[0], key: str = "meters") -> GroupFact:
    return GroupFact(mc_addr=mc_addr, key=key, next_f_cnt=next_f_cnt)


def everything(journal: Journal) -> dict[str, Any]:
    """Everything that the port can read."""
    return {
        "list": journal.list(archived=True),
        "events": {name: list(journal.events(name)) for name in journal.campaigns()},
        "beside": {name: (journal.image(name), journal.network(name)) for name in journal.campaigns()},
        "known": [journal.known(config(frag_index=i)) for i in range(2)],
        "orders": journal.orders(),
    }


@pytest.fixture
def urls() -> list[str]:
    """URLs of the journals that were opened."""
    return []


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, journal_url_of: Callable[[str], str], urls: list[str]) -> Iterator[Journal]:
    url = ":memory:" if request.param == "memory" else journal_url_of(request.param)
    urls.append(url)
    with closing(open_journal(url)) as journal:
        yield journal


@pytest.fixture
def journal(empty: Journal) -> Journal:
    """A journal with a campaign c that has no events."""
    empty.create("c", b"image")
    return empty


@pytest.fixture
def move_lease(journal: Journal, urls: list[str]) -> Callable[[float], None]:
    """Dates the lease of every campaign later, as a wrong clock does."""

    def move(seconds: float) -> None:
        if isinstance(journal, MemoryJournal):
            for stored in journal._campaigns.values():  # No port leads to the clock of a journal in memory.
                stored.lease_until += seconds
        else:
            statement = "UPDATE fuota_campaigns SET lease_until = lease_until + :seconds"
            with sqlalchemy.create_engine(urls[-1], poolclass=sqlalchemy.NullPool).begin() as connection:
                connection.execute(sqlalchemy.text(statement), {"seconds": seconds})

    return move


# ---- events ----------------------------------------------------------------------------------------------


def test_a_new_campaign_has_its_image_and_no_events(journal: Journal) -> None:
    assert (journal.campaigns(), journal.image("c"), journal.network("c")) == (("c",), b"image", "")
    assert list(journal.events("c")) == []


def test_create_stores_image_network_and_first_events(empty: Journal) -> None:
    image = bytes(range(256)) * 300
    empty.create("c", image, heard(2), network="simulated?seed=1")
    assert (empty.image("c"), empty.network("c")) == (image, "simulated?seed=1")
    assert list(empty.events("c")) == heard(2)
    empty.append("c", 2, heard(1, 2))
    assert list(empty.events("c")) == heard(3)


def test_events_come_back_as_they_were(journal: Journal) -> None:
    events = [
        Configured(
            at=1.25,
            config=config(group(), group("pumps", MC_ADDRS[1]), frag_index=2),
            image_len=5,
            image_sha256=bytes(range(32)),
            network=NetworkCapabilities(owns_f_cnt=True, pacing=0.1),
            known=Known(next_f_cnt={"meters": 2**32}, devices={DEVICES[0]: KnownDevice(memberships=(MEMBERSHIP,))}),
        ),
        StageStarted(at=1e9 / 3, stage="x", n_devices=1, sessions={"ä": Session(start=5.1, time_out=3)}),
        Requested(at=2, id="c/1", ask="x", f_port=200, not_after=3.5, digest=b"", command=bytes(range(256))),
        finished(),
    ]
    journal.append("c", 0, events)
    assert list(journal.events("c")) == events
    assert [type(event) for event in journal.events("c")] == [type(event) for event in events]


def test_events_are_read_in_order_from_any_number(journal: Journal) -> None:
    journal.append("c", 0, heard(3))
    journal.append("c", 3, heard(2, 3))
    journal.append("c", 5, [])
    for start in range(7):
        assert list(journal.events("c", start)) == heard(5)[start:]


@pytest.mark.parametrize("seq", [0, 1, 2, 4, -1])
def test_an_append_with_another_event_count_raises_fence_error_and_writes_nothing(journal: Journal, seq: int) -> None:
    journal.append("c", 0, heard(3), [group_fact(5)])
    journal.order("c", "pause")
    before = everything(journal)
    with pytest.raises(FenceError, match=f"'c' has 3 events, expected {seq}: another agent") as caught:
        journal.append("c", seq, heard(2), [group_fact(9), device_fact(fw_version=1)])
    assert caught.value.campaign == "c"
    with pytest.raises(FenceError):
        journal.append_all([Append(campaign="c", expected_seq=seq, events=[], orders=[1])])
    assert everything(journal) == before


def test_append_all_commits_every_campaign_or_none(journal: Journal) -> None:
    for name in ("b", "d"):
        journal.create(name, b"")
    orders = [Append(campaign=name, expected_seq=0, events=heard(i + 1)) for i, name in enumerate("dbc")]
    journal.append_all(orders)
    assert [len(list(journal.events(name))) for name in "bcd"] == [2, 3, 1]
    before = everything(journal)
    for other, error in (("b", FenceError), ("x", JournalError)):
        bad = Append(campaign=other, expected_seq=0, events=heard(1))
        good = [Append(campaign="c", expected_seq=3, events=[finished()], facts=[group_fact(1)])]
        good += [Append(campaign="d", expected_seq=1, events=heard(1))]
        for i in range(3):
            with pytest.raises(error, match=f"campaign '{other}'"):
                journal.append_all([*good[:i], bad, *good[i:]])
            assert everything(journal) == before


def test_append_all_takes_two_appends_of_one_campaign_in_order(journal: Journal) -> None:
    first, second = (Append(campaign="c", expected_seq=seq, events=heard(2, seq)) for seq in (0, 2))
    with pytest.raises(FenceError):
        journal.append_all([second, first])
    journal.append_all([first, second])
    assert list(journal.events("c")) == heard(4)


def test_an_append_without_events_applies_facts_and_orders(journal: Journal) -> None:
    journal.append_all([])
    journal.append_all([Append(campaign="c", expected_seq=0, events=[])])
    journal.order("c", "stop")
    journal.append_all([Append(campaign="c", expected_seq=0, events=(), facts=[group_fact(7)], orders=[1])])
    assert (list(journal.events("c")), journal.orders()) == ([], ())
    assert journal.known(config()).next_f_cnt == {"meters": 7}


def test_events_read_earlier_do_not_include_later_appends(journal: Journal) -> None:
    before = journal.events("c")
    mine = heard(2)
    journal.append("c", 0, mine)
    mine.clear()
    during = iter(journal.events("c"))
    assert next(during) == heard(1)[0]
    journal.append("c", 2, heard(1, 2))
    assert (list(before), list(during)) == ([], heard(2)[1:])
    assert len(list(journal.events("c"))) == 3


def test_campaign_names_may_be_any_text(empty: Journal) -> None:
    names = ["Zähler 1", "a'b", 'say "x"', "100%", ":x", "日本", "C", "c", " "]
    for name in names:
        empty.create(name, name.encode(), heard(1), devices=[name], groups=[name], network=name)
        empty.append(name, 1, [finished(name)])
    assert empty.campaigns() == tuple(names)
    assert [(o.id, o.status) for o in empty.list()] == [(name, name) for name in names]
    assert [(empty.image(name).decode(), empty.network(name)) for name in names] == [(name, name) for name in names]


@pytest.mark.parametrize(
    "verb",
    [
        lambda journal: journal.events("x"),
        lambda journal: journal.image("x"),
        lambda journal: journal.network("x"),
        lambda journal: journal.append("x", 0, []),
        lambda journal: journal.append("x", 0, heard(1)),
        lambda journal: journal.archive("x"),
        lambda journal: journal.order("x", "stop"),
        lambda journal: journal.lease("x", "me", 10),
        lambda journal: journal.break_lease("x"),
        lambda journal: journal.stored("x"),
    ],
)
def test_an_unknown_campaign_raises_an_error_that_names_it(journal: Journal, verb: Callable[[Journal], object]) -> None:
    with pytest.raises(JournalError, match="no campaign 'x'") as caught:
        verb(journal)
    assert not isinstance(caught.value, FenceError)


def test_one_of_several_threads_that_append_at_the_same_number_wins(journal: Journal) -> None:
    results: list[str] = []
    barrier = threading.Barrier(4)

    def write(name: str) -> None:
        barrier.wait()
        try:
            journal.append("c", 0, [DeviceHeard(at=1.0, dev_eui=name)] * 20)
        except FenceError:
            results.append("")
        else:
            results.append(name)

    threads = [threading.Thread(target=write, args=[str(i)]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = filter(None, results)
    assert len(results) == 4
    assert [event.dev_eui for event in journal.events("c")] == [winner] * 20  # type: ignore[attr-defined]


# ---- claims ----------------------------------------------------------------------------------------------


def test_a_campaign_name_is_used_once(journal: Journal) -> None:
    journal.append("c", 0, heard(1))
    before = everything(journal)
    with pytest.raises(CampaignExistsError, match="a campaign 'c' already") as caught:
        journal.create("c", b"", heard(2), facts=[group_fact(1)], devices=DEVICES, groups=MC_ADDRS, network="x")
    assert caught.value.campaign == "c"
    assert everything(journal) == before
    journal.create("d", b"", devices=DEVICES, groups=MC_ADDRS)


def test_create_names_the_holder_of_each_claimed_device_and_group(journal: Journal) -> None:
    journal.create("x", b"", devices=DEVICES[:2], groups=MC_ADDRS[:1])
    journal.create("it's y", b"", devices=DEVICES[2:3], groups=[])
    before = everything(journal)
    with pytest.raises(DeviceBusyError) as caught:
        journal.create("z", b"", heard(1), facts=[group_fact(1)], devices=DEVICES[::-1], groups=MC_ADDRS)
    assert (caught.value.devices, caught.value.groups) == (tuple(DEVICES[:3]), tuple(MC_ADDRS[:1]))
    assert str(caught.value).splitlines() == [
        f"device {DEVICES[0]} is in campaign 'x', which is not finished",
        f"device {DEVICES[1]} is in campaign 'x', which is not finished",
        f'device {DEVICES[2]} is in campaign "it\'s y", which is not finished',
        f"group {MC_ADDRS[0]} is in campaign 'x', which is not finished",
    ]
    assert everything(journal) == before
    journal.create("z", b"", devices=DEVICES[3:], groups=MC_ADDRS[1:])


def test_create_counts_many_devices_held_by_one_campaign(journal: Journal) -> None:
    many = [f"{number:016x}" for number in range(1, 101)]
    journal.create("x", b"", devices=many, groups=MC_ADDRS[:1])
    with pytest.raises(CampaignError) as caught:
        journal.create("z", b"", devices=many, groups=MC_ADDRS[:1])
    assert str(caught.value).splitlines() == [
        "device 0000000000000001 and 99 more devices are in campaign 'x', which is not finished",
        f"group {MC_ADDRS[0]} is in campaign 'x', which is not finished",
    ]


def test_device_and_group_claims_of_one_name_are_separate(journal: Journal) -> None:
    journal.create("x", b"", devices=["01"], groups=["02", "02"])
    journal.create("y", b"", devices=["02", "02"], groups=["01"])


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "STOPPED"])
def test_a_finished_campaign_releases_its_claims(journal: Journal, status: str) -> None:
    journal.create("x", b"", devices=DEVICES[:2], groups=MC_ADDRS)
    journal.create("y", b"", devices=DEVICES[2:])
    journal.append("x", 0, [*heard(1), finished(status), *heard(1)])
    assert [record.status for record in journal.list()] == ["RUNNING", status, "RUNNING"]
    with pytest.raises(CampaignError) as caught:
        journal.create("z", b"", devices=DEVICES, groups=MC_ADDRS)
    assert {line.split("'")[1] for line in str(caught.value).splitlines()} == {"y"}
    journal.create("z", b"", devices=DEVICES[:2], groups=MC_ADDRS)


def test_a_campaign_created_finished_claims_nothing(journal: Journal) -> None:
    journal.create("x", b"", devices=DEVICES)
    journal.create("done", b"", [*heard(1), finished("STOPPED")], devices=DEVICES, groups=MC_ADDRS)
    assert journal.list()[-1].status == "STOPPED"
    journal.create("y", b"", groups=MC_ADDRS)


def test_a_finished_campaign_keeps_its_status(journal: Journal) -> None:
    journal.append("c", 0, [finished("FAILED")])
    journal.append("c", 1, heard(1))
    assert (journal.list()[0].status, journal.list()[0].changed_at) == ("FAILED", 10.0)


def test_holders_are_unfinished_campaigns(journal: Journal) -> None:
    journal.create("a", b"", devices=["d1", "d2"], groups=["g1"])
    assert dict(journal.holders(["d2", "d3"], ["g1"])) == {("device", "d2"): "a", ("group", "g1"): "a"}
    assert dict(journal.holders(["g1"], ["d1"])) == {}
    assert dict(journal.holders([], [])) == {}
    journal.append("a", 0, [Finished(at=1.0, status="FAILED", successes=0)])
    assert dict(journal.holders(["d1"], ["g1"])) == {}


# ---- list ------------------------------------------------------------------------------------------------


def test_list_is_in_order_of_creation(empty: Journal) -> None:
    empty.create("c", b"")
    empty.create("b", b"", heard(3))
    empty.create("a", b"", heard(1))
    empty.append("a", 1, [*heard(1, 5), finished("FAILED")])
    assert empty.campaigns() == ("c", "b", "a")
    assert empty.list() == (
        CampaignRecord(id="c", status="RUNNING", n_events=0, created_at=0.0, changed_at=0.0),
        CampaignRecord(id="b", status="RUNNING", n_events=3, created_at=10.0, changed_at=12.0),
        CampaignRecord(id="a", status="FAILED", n_events=3, created_at=10.0, changed_at=99.5),
    )
    empty.append("c", 0, heard(1, 7))
    empty.append("c", 1, heard(1, 8))
    assert (empty.list()[0].created_at, empty.list()[0].changed_at) == (17.0, 18.0)


def test_archived_campaigns_are_listed_on_request(journal: Journal) -> None:
    journal.create("d", b"other", [finished()])
    with pytest.raises(CampaignError, match="'c' is not finished"):
        journal.archive("c")
    for _ in range(2):
        journal.archive("d")
    assert [(o.id, o.archived) for o in journal.list()] == [("c", False)]
    assert [(o.id, o.archived) for o in journal.list(archived=True)] == [("c", False), ("d", True)]
    assert journal.campaigns() == ("c", "d")
    assert (journal.image("d"), list(journal.events("d"))) == (b"other", [finished()])
    with pytest.raises(JournalError, match="'d' already"):
        journal.create("d", b"")


# ---- the registry ----------------------------------------------------------------------------------------


def test_an_empty_registry_knows_nothing(journal: Journal) -> None:
    assert journal.known(config()) == Known()


def test_registry_counters_are_kept_by_address_and_key(journal: Journal) -> None:
    facts = [group_fact(5), group_fact(7, key="other"), group_fact(2**32, MC_ADDRS[1], key="pumps")]
    journal.append("c", 0, [], facts)
    assert journal.known(config(group("mine", key="meters"))).next_f_cnt == {"mine": 5}
    assert journal.known(config(group("mine", key="other"))).next_f_cnt == {"mine": 7}
    assert journal.known(config(group("mine"))).next_f_cnt == {}
    assert journal.known(config(group("meters"), group("pumps", MC_ADDRS[1]))).next_f_cnt == {
        "meters": 5,
        "pumps": 2**32,
    }


def test_a_registry_counter_never_decreases(journal: Journal) -> None:
    journal.append("c", 0, [], [group_fact(5), group_fact(3)])
    assert journal.known(config()).next_f_cnt == {"meters": 5}
    journal.append("c", 0, [], [group_fact(4)])
    journal.create("d", b"", facts=[group_fact(1)])
    assert journal.known(config()).next_f_cnt == {"meters": 5}
    journal.append("c", 0, [], [group_fact(6), group_fact(9), group_fact(8)])
    assert journal.known(config()).next_f_cnt == {"meters": 9}


def test_registry_keeps_sessions_by_frag_index_and_the_rest_by_device(journal: Journal) -> None:
    first = KnownDevice(session_cnt=3, session_open=True, fw_version=2**32 - 1, memberships=(MEMBERSHIP,))
    journal.create("d", b"", facts=[DeviceFact(dev_eui=DEVICES[0], frag_index=0, known=first)])
    assert journal.known(config()).devices == {DEVICES[0]: first}
    assert journal.known(config(frag_index=1)).devices == {
        DEVICES[0]: KnownDevice(fw_version=2**32 - 1, memberships=(MEMBERSHIP,))
    }
    assert journal.known(config(devices=DEVICES[1:])).devices == {}
    second = KnownDevice(session_cnt=8, fw_version=6)
    journal.append("c", 0, [], [DeviceFact(dev_eui=DEVICES[0], frag_index=1, known=second)])
    assert journal.known(config(frag_index=1)).devices == {DEVICES[0]: second}
    assert journal.known(config()).devices == {
        DEVICES[0]: KnownDevice(session_cnt=3, session_open=True, fw_version=6)
    }, "the last fact about the device, with the session of this FragIndex"


def test_the_last_fact_about_a_device_replaces_earlier_ones(journal: Journal) -> None:
    full = {"session_cnt": 65535, "session_open": True, "fw_version": 1, "memberships": (MEMBERSHIP,) * 4}
    journal.append("c", 0, [], [device_fact(**full), device_fact(DEVICES[1], session_cnt=1)])
    journal.append("c", 0, [], [device_fact(DEVICES[1], **full), device_fact(session_cnt=0)])
    assert journal.known(config()).devices == {DEVICES[0]: KnownDevice(session_cnt=0), DEVICES[1]: KnownDevice(**full)}
    journal.append("c", 0, [], [device_fact(), device_fact(**full), device_fact(fw_version=3)])
    assert journal.known(config()).devices[DEVICES[0]] == KnownDevice(fw_version=3)


# ---- orders ----------------------------------------------------------------------------------------------


def test_orders_stay_open_until_they_are_carried_out(journal: Journal) -> None:
    journal.create("d", b"")
    journal.order("c", "pause")
    journal.order("d", "stop")
    journal.order("c", "unpause")
    first, second, third = journal.orders()
    assert first.number < second.number < third.number
    assert [(order.campaign, order.verb) for order in (first, second, third)] == [
        *[("c", "pause"), ("d", "stop"), ("c", "unpause")]
    ]
    journal.append_all([Append(campaign="c", expected_seq=0, events=heard(1), orders=[first.number])])
    assert journal.orders() == (second, third)
    journal.append_all([Append(campaign="c", expected_seq=1, events=[], orders=[first.number, second.number])])
    assert journal.orders() == (second, third), "a campaign carries out its own orders only"
    journal.append_all([Append(campaign="d", expected_seq=0, events=[], orders=[second.number])])
    assert journal.orders() == (third,)


def test_an_order_number_is_never_reused(journal: Journal) -> None:
    numbers = []
    for _ in range(3):
        journal.order("c", "pause")
        [order] = journal.orders()
        assert order == Order(number=order.number, campaign="c", verb="pause")
        numbers.append(order.number)
        journal.append_all([Append(campaign="c", expected_seq=0, events=[], orders=[order.number])])
    assert len(set(numbers)) == 3


def test_a_finished_campaign_takes_no_orders(journal: Journal) -> None:
    journal.create("d", b"")
    for name in "cd":
        journal.order(name, "pause")
    journal.append("c", 0, [finished("STOPPED")])
    assert [order.campaign for order in journal.orders()] == ["d"], "no agent would carry it out"
    with pytest.raises(CampaignError, match="'c' is finished: STOPPED"):
        journal.order("c", "stop")
    assert [order.campaign for order in journal.orders()] == ["d"]


# ---- leases ----------------------------------------------------------------------------------------------


def owner(journal: Journal) -> str:
    return journal.list()[0].owner


def test_a_campaign_has_one_lease_owner_at_a_time(journal: Journal) -> None:
    journal.create("d", b"")
    lease = journal.lease("c", "me", 100)
    assert lease is not None
    assert 90 < lease.left() <= 100
    assert journal.lease("c", "you", 100) is None
    assert journal.lease("d", "you", 100) is not None
    assert [record.owner for record in journal.list()] == ["me", "you"]
    assert lease.renew()
    assert 90 < lease.left() <= 100
    assert owner(journal) == "me"


def test_an_owner_gets_its_own_lease_again(journal: Journal) -> None:
    assert journal.lease("c", "me", 50) is not None
    again = journal.lease("c", "me", 100)
    assert again is not None
    assert 90 < again.left() <= 100


def test_a_released_lease_is_free(journal: Journal) -> None:
    lease = journal.lease("c", "me", 100)
    assert lease is not None
    lease.release()
    assert (lease.left(), owner(journal)) == (0.0, "")
    assert not lease.renew()
    yours = journal.lease("c", "you", 100)
    assert yours is not None
    lease.release()
    assert owner(journal) == "you", "an expired lease releases nothing"
    assert not lease.renew()
    assert yours.renew()


def test_an_expired_lease_may_be_taken_by_another_owner(journal: Journal) -> None:
    mine = journal.lease("c", "me", -1.0)
    assert mine is not None
    assert (mine.left(), owner(journal)) == (0.0, "")
    yours = journal.lease("c", "you", 100)
    assert yours is not None
    assert not mine.renew()
    assert mine.left() == 0.0
    mine.release()
    assert (owner(journal), journal.lease("c", "me", 100)) == ("you", None)


def test_an_expired_lease_without_a_new_owner_is_renewed(journal: Journal) -> None:
    lease = journal.lease("c", "me", -1.0)
    assert lease is not None
    assert lease.renew()
    assert lease.left() == 0.0


def test_a_lease_is_measured_from_before_the_request(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow journal must not make a lease look longer than it is."""
    ticks = iter(range(0, 1000, 7))
    monkeypatch.setattr("fuota_fec.journal.base.time.monotonic", lambda: float(next(ticks)))
    lease = journal.lease("c", "me", 100)
    assert lease is not None
    left = lease.left()
    assert left <= 93
    ticks = iter([1000, 1020, 1050, 1050, 1050])
    assert lease.renew()
    assert lease.left() <= 80


@pytest.mark.parametrize("factor", [1.0, 9.5])
def test_a_lease_within_ten_times_its_ttl_is_valid(
    journal: Journal, move_lease: Callable[[float], None], factor: float
) -> None:
    assert journal.lease("c", "me", 100) is not None
    move_lease(100 * (factor - 1))
    assert owner(journal) == "me"
    assert 100 * factor - 10 < journal.list()[0].lease_left <= 100 * factor
    assert journal.lease("c", "you", 100) is None


@pytest.mark.parametrize("ahead", [1010.0, 10 * 365 * 86400.0])
def test_a_lease_dated_beyond_ten_times_its_ttl_has_run_out(
    journal: Journal, move_lease: Callable[[float], None], ahead: float
) -> None:
    mine = journal.lease("c", "me", 100)
    assert mine is not None
    move_lease(ahead - 100)
    assert (owner(journal), journal.list()[0].lease_left) == ("", 0.0)
    yours = journal.lease("c", "you", 10)
    assert yours is not None
    assert not mine.renew()
    assert owner(journal) == "you"
    assert 0 < journal.list()[0].lease_left <= 10


def test_a_record_shows_how_long_its_lease_lasts(journal: Journal) -> None:
    assert journal.list()[0].lease_left == 0.0
    lease = journal.lease("c", "me", 100)
    assert lease is not None
    assert 90 < journal.list()[0].lease_left <= 100
    lease.release()
    assert journal.list()[0].lease_left == 0.0


def test_a_record_shows_how_long_it_has_had_no_owner(journal: Journal, move_lease: Callable[[float], None]) -> None:
    def vacant() -> float:
        return journal.list()[0].vacant

    assert vacant() == 0.0, "without a lease before"
    lease = journal.lease("c", "me", 100)
    assert lease is not None
    assert vacant() == 0.0
    move_lease(-700)
    assert 600 <= vacant() < 610, "the lease ran out"
    journal.break_lease("c")
    assert 600 <= vacant() < 610
    again = journal.lease("c", "me", 100)
    assert again is not None
    assert vacant() == 0.0
    again.release()
    assert 0 <= vacant() < 10, "since the release, not since the end of its ttl"


def test_a_broken_lease_is_free(journal: Journal) -> None:
    mine = journal.lease("c", "me", 100)
    assert mine is not None
    journal.create("d", b"")
    assert journal.lease("d", "me", 100) is not None
    journal.break_lease("c")
    assert [record.owner for record in journal.list()] == ["", "me"]
    assert not mine.renew()
    assert journal.lease("c", "you", 100) is not None
    mine.release()
    assert owner(journal) == "you"
    for _ in range(2):
        journal.break_lease("c")
        assert owner(journal) == ""


# ---- shared rules ----------------------------------------------------------------------------------------


def test_a_copied_or_pickled_fence_error_keeps_its_campaign() -> None:
    error = FenceError("a sentence", campaign="c")
    assert isinstance(error, FuotaError)
    for made in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(made), made.campaign) == ("a sentence", "c")
