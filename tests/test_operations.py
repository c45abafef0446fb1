"""Operations on the campaigns of a journal, as the command line and a service call them."""

from __future__ import annotations

from typing import Any

import pytest

from fuota_fec import operations
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.errors import CampaignError, CampaignExistsError, EventError, JournalError
from fuota_fec.journal import Journal, MemoryJournal

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))


def make_campaign(id: str = "c", mc_addr: str = "01f3a4b5", devices: tuple[int, ...] = (1, 2)) -> Campaign:
    config = CampaignConfig(
        id=id,
        groups=(Group(name="g", mc_addr=mc_addr, dr=5, frequency=869_525_000),),
        devices=tuple(Device(dev_eui=f"{i:016x}", group="g") for i in devices),
        success_threshold=100,
        max_duration=100_000,
        uplink_period=100,
        fw_version="2.0.0.0",
        fsize=10,
        redundancy=2,
    )
    return Campaign(config, IMAGE)


def store(journal: Journal, campaign: Campaign) -> Campaign:
    """Starts a campaign and stores its first events, as an agent does."""
    journal.create(campaign.id, campaign.image, campaign.start(T0))
    return campaign


def append(journal: Journal, campaign: Campaign, events: list[m.Event]) -> None:
    journal.append(campaign.id, campaign.n_events - len(events), events)


@pytest.fixture
def journal() -> MemoryJournal:
    """A journal with a campaign c that runs, and a campaign d that was stopped."""
    journal = MemoryJournal()
    store(journal, make_campaign())
    other = store(journal, make_campaign("d", "01f3a4b6", (3,)))
    append(journal, other, other.stop(T0 + 1))
    return journal


# ---- list and show ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_heard", [0, 1, 2, operations.PORTION, 10 * operations.PORTION])
def test_the_wait_of_a_running_campaign_is_that_of_its_status(journal: Journal, n_heard: int) -> None:
    """However many events came since it began. A campaign that is finished waits for nothing."""
    noise = [m.PeriodMeasured(at=T0 + i, dev_eui=f"{1:016x}", period=100.0) for i in range(n_heard)]
    journal.append("c", operations.find_campaign(journal, "c").n_events, noise)
    running, finished = operations.list_campaigns(journal)
    wait = operations.last_wait(journal, running)
    assert wait is not None
    assert wait.why == "answers of 2 devices"
    if not n_heard:
        assert wait == operations.show_campaign(journal, "c").status.wait
    assert operations.last_wait(journal, finished) is None


def test_events_that_cannot_be_read_hold_up_a_campaign(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(campaign: str, start: int = 0) -> Any:
        raise EventError("event 3 is another one", campaign=campaign, number=3)

    [running, _] = operations.list_campaigns(journal)
    monkeypatch.setattr(journal, "events", broken)
    assert operations.last_wait(journal, running) == m.Wait(until=None, why="suspended: event 3 is another one")


def test_list_campaigns_leaves_out_archived_ones(journal: Journal) -> None:
    assert [record.id for record in operations.list_campaigns(journal)] == ["c", "d"]
    operations.archive_campaign(journal, "d")
    assert [record.id for record in operations.list_campaigns(journal)] == ["c"]
    assert [record.id for record in operations.list_campaigns(journal, archived=True)] == ["c", "d"]


def test_suspension_is_the_reason_of_the_last_event(journal: Journal) -> None:
    def suspensions() -> list[str]:
        return [operations.suspension(journal, record) for record in operations.list_campaigns(journal)]

    assert suspensions() == ["", ""]
    running = operations.replay_campaign(journal, "c")
    journal.append("c", running.n_events, [m.Suspended(at=T0 + 2, reason="the key ring does not answer")])
    assert suspensions() == ["the key ring does not answer", ""]
    journal.append("c", running.n_events + 1, [m.Resumed(at=T0 + 3, lost=1.0)])
    assert suspensions() == ["", ""]


def test_find_campaign_finds_archived_ones(journal: Journal) -> None:
    operations.archive_campaign(journal, "d")
    record = operations.find_campaign(journal, "d")
    assert (record.id, record.status, record.archived) == ("d", "STOPPED", True)


@pytest.mark.parametrize(
    "operation",
    [
        operations.find_campaign,
        operations.read_events,
        operations.replay_campaign,
        operations.show_campaign,
        lambda journal, name: operations.order_verb(journal, name, "stop"),
        operations.order_resume,
        lambda journal, name: operations.await_owner(journal, name, 0.0),
        operations.break_lease,
        operations.verify_campaign,
        operations.export_campaign,
        operations.retry_campaign,
        operations.archive_campaign,
    ],
)
def test_an_operation_on_an_unknown_campaign_raises_journal_error(journal: Journal, operation: Any) -> None:
    with pytest.raises(JournalError, match="there is no campaign 'x'"):
        operation(journal, "x")


def test_read_events_reports_its_progress(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PROGRESS_EVERY", 2)
    reported: list[tuple[float, float]] = []
    events = list(operations.read_events(journal, "d", lambda done, total: reported.append((done, total))))
    assert events == list(journal.events("d"))
    assert reported == [(n, len(events)) for n in range(0, len(events), 2)]


def test_show_campaign_gives_status_and_owner(journal: Journal) -> None:
    shown = operations.show_campaign(journal, "c")
    assert (shown.status.id, shown.status.status, shown.owner) == ("c", "RUNNING", "")
    assert [device.dev_eui for device in shown.status.devices] == [f"{i:016x}" for i in (1, 2)]
    assert journal.lease("c", "agent", 100) is not None
    assert operations.show_campaign(journal, "c").owner == "agent"


# ---- orders ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["pause", "unpause", "stop"])
def test_order_verb_leaves_an_order_for_the_owner(journal: Journal, verb: Any) -> None:
    assert operations.order_verb(journal, "c", verb) == operations.Ordered(owner="")
    assert journal.lease("c", "agent", 100) is not None
    assert operations.order_verb(journal, "c", verb) == operations.Ordered(owner="agent")
    assert [(order.campaign, order.verb) for order in journal.orders()] == [("c", verb)] * 2


def test_order_verb_refuses_at_once_what_the_campaign_does_not_allow(journal: Journal) -> None:
    before = list(journal.events("d"))
    with pytest.raises(CampaignError, match=r"cannot pause campaign .*: it is STOPPED"):
        operations.order_verb(journal, "d", "pause")
    assert (list(journal.events("d")), journal.orders()) == (before, ())


def test_order_verb_leaves_no_order_to_stop_a_stopped_campaign(journal: Journal) -> None:
    assert operations.order_verb(journal, "d", "stop").already_stopped
    assert journal.orders() == ()


def test_order_resume_unpauses_a_paused_campaign_only(journal: Journal) -> None:
    operations.order_resume(journal, "c")
    assert journal.orders() == ()
    campaign = operations.replay_campaign(journal, "c", IMAGE)
    append(journal, campaign, campaign.pause(T0 + 1))
    operations.order_resume(journal, "c")
    assert [order.verb for order in journal.orders()] == ["unpause"]


def test_order_resume_cancels_a_pause_that_is_not_carried_out(journal: Journal) -> None:
    operations.order_verb(journal, "c", "pause")
    operations.order_resume(journal, "c")
    assert [order.verb for order in journal.orders()] == ["pause", "unpause"]


def test_order_resume_refuses_a_finished_campaign(journal: Journal) -> None:
    with pytest.raises(CampaignError, match="'d' cannot be resumed: it is STOPPED"):
        operations.order_resume(journal, "d")


class ObedientJournal(MemoryJournal):
    """A journal whose orders are carried out after they were read twice."""

    n_reads = 0

    def orders(self) -> Any:
        self.n_reads += 1
        return super().orders() if self.n_reads <= 2 else ()


def test_await_owner_reports_orders_that_were_carried_out() -> None:
    journal = ObedientJournal()
    store(journal, make_campaign())
    assert journal.lease("c", "agent", 100) is not None
    journal.order("c", "pause")
    assert operations.await_owner(journal, "c", 10.0, poll_interval=0.0) == "obeyed"


def test_await_owner_reports_an_owner_that_keeps_its_lease(journal: Journal) -> None:
    assert journal.lease("c", "agent", 100) is not None
    assert operations.await_owner(journal, "c", 0.0, poll_interval=0.0) == "alive"


def test_await_owner_reports_an_expired_lease(journal: Journal) -> None:
    assert operations.await_owner(journal, "c", 10.0) == "gone"
    assert journal.lease("c", "agent", 0.01) is not None
    assert operations.await_owner(journal, "c", 10.0, poll_interval=0.001) == "gone"


def test_orders_name_the_time_that_the_lease_of_the_owner_lasts(journal: Journal) -> None:
    assert operations.order_resume(journal, "c").lease_left == 0.0
    assert journal.lease("c", "agent", 100) is not None
    assert 90 < operations.order_resume(journal, "c").lease_left <= 100
    assert 90 < operations.order_verb(journal, "c", "pause").lease_left <= 100


def test_break_lease_names_the_owner_and_frees_the_campaign(journal: Journal) -> None:
    assert operations.break_lease(journal, "c") == operations.BrokenLease(owner="", lease_left=0.0)
    assert journal.lease("c", "agent", 100) is not None
    broken = operations.break_lease(journal, "c")
    assert broken.owner == "agent"
    assert 90 < broken.lease_left <= 100
    assert operations.find_campaign(journal, "c").owner == ""
    assert journal.lease("c", "other", 100) is not None


# ---- afterwards ------------------------------------------------------------------------------------------


def test_retry_campaign_takes_the_devices_that_did_not_pass(journal: Journal) -> None:
    retry = operations.retry_campaign(journal, "d")
    assert retry.image == IMAGE
    assert retry.config.id == "d-retry"
    assert [device.dev_eui for device in retry.config.devices] == [f"{3:016x}"]


def test_retry_campaign_chooses_an_id_that_is_free_among_archived_ones_too(journal: Journal) -> None:
    for name in ("d-retry", "d-retry-2"):
        journal.create(name, b"", [m.Finished(at=T0, status="FAILED", successes=0)])
        journal.archive(name)
    assert operations.retry_campaign(journal, "d").config.id == "d-retry-3"
    assert operations.retry_campaign(journal, "d", "e", redundancy=7).config.redundancy == 7


def test_retry_campaign_refuses_an_unfinished_one(journal: Journal) -> None:
    with pytest.raises(CampaignError, match="'c'"):
        operations.retry_campaign(journal, "c")


def test_archive_campaign_refuses_an_unfinished_one(journal: Journal) -> None:
    with pytest.raises(CampaignError, match="'c' is not finished"):
        operations.archive_campaign(journal, "c")


# ---- integrity -------------------------------------------------------------------------------------------


def test_verify_campaign_counts_events_and_gives_the_last_digest(journal: Journal) -> None:
    stored = list(journal.stored("d"))
    verified = operations.verify_campaign(journal, "d")
    assert verified == operations.Verified(
        campaign="d", status="STOPPED", n_events=len(stored), chained_from=0, digest=stored[-1].digest or ""
    )
    assert operations.verify_export(operations.export_campaign(journal, "d")) == verified


def test_verify_and_export_report_their_progress(journal: Journal) -> None:
    reported: list[tuple[float, float]] = []
    operations.verify_campaign(journal, "d", lambda *done: reported.append(done))
    operations.export_campaign(journal, "d", lambda *done: reported.append(done))
    assert reported == [(0, len(list(journal.events("d"))))] * 2


def test_verify_campaign_refuses_events_that_are_no_campaign() -> None:
    campaign = make_campaign()
    events = campaign.start(T0)
    other = [*events, m.Answered(at=T0, dev_eui="ffffffffffffffff", ask="McGroupSetup", ok=True)]
    for name, image, stored, number in (
        ("x", IMAGE, events, 0),
        ("c", IMAGE[1:], events, 0),
        ("c", b"", events, 0),
        ("c", IMAGE, events[1:], 0),
        ("c", IMAGE, [], 0),
        ("c", IMAGE, other, len(events)),
    ):
        journal = MemoryJournal()
        journal.create(name, image, stored)
        with pytest.raises(EventError, match=f"^campaign '{name}': ") as caught:
            operations.verify_campaign(journal, name)
        assert caught.value.number == number


def test_free_id_is_the_first_number_that_no_campaign_has(journal: Journal) -> None:
    assert operations.free_id(journal, "v2") == "v2"
    assert operations.free_id(journal, "c-{n}") == "c-1"
    for n in (1, 2, 4):
        store(journal, make_campaign(f"c-{n}", f"01f3a4c{n}", (n + 10,)))
    assert operations.free_id(journal, "c-{n}") == "c-3"
    with pytest.raises(CampaignExistsError, match="there is a campaign 'c' already"):
        operations.free_id(journal, "c")


def test_retry_campaign_takes_the_first_free_number(journal: Journal) -> None:
    assert operations.retry_campaign(journal, "d", "again-{n}").config.id == "again-1"
