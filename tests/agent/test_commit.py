"""The commit of a turn: together, or campaign by campaign."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fuota_fec.agent.commit import ENOUGH_FAILURES, Commit
from fuota_fec.agent.faults import Faults
from fuota_fec.agent.ports import JournalPort
from fuota_fec.errors import JournalError
from fuota_fec.journal import Append, FenceError, MemoryJournal


class Tables(MemoryJournal):
    """A journal that records the commits tried, and raises what the test wants for their campaigns."""

    def __init__(self, error: Callable[[list[str]], Exception | None]) -> None:
        super().__init__()
        self.error = error
        self.tried: list[str] = []

    def append_all(self, appends: Sequence[Append]) -> None:
        names = [append.campaign for append in appends]
        self.tried.append("".join(names))
        if (error := self.error(names)) is not None:
            raise error


def commit(names: str, error: Callable[[list[str]], Exception | None]) -> tuple[Commit, Tables]:
    journal = Tables(error)
    appends = {name: Append(campaign=name, expected_seq=0, events=()) for name in names}
    return Commit(JournalPort(journal, Faults()), appends), journal


def test_all_campaigns_are_committed_together() -> None:
    done, journal = commit("abc", lambda _names: None)
    assert (done.committed, done.failed, done.fenced, done.trouble) == (["a", "b", "c"], {}, [], None)
    assert journal.tried == ["abc"]


def test_a_fenced_campaign_leaves_the_commit_of_the_others() -> None:
    fence = FenceError("another agent", campaign="b")
    done, journal = commit("abc", lambda names: fence if "b" in names else None)
    assert (done.committed, done.failed, done.fenced, done.trouble) == (["a", "c"], {}, ["b"], fence)
    assert journal.tried == ["abc", "ac"]


def test_a_fence_of_a_campaign_that_is_not_in_the_commit_fails_all() -> None:
    done, journal = commit("ab", lambda _names: FenceError("which?", campaign="x"))
    assert (done.committed, sorted(done.failed), done.fenced) == ([], ["a", "b"], [])
    assert journal.tried == ["ab"]


def test_one_campaign_that_cannot_be_committed_fails_alone() -> None:
    done, journal = commit("abc", lambda names: ValueError("b") if "b" in names else None)
    assert (done.committed, list(done.failed), done.trouble) == (["a", "c"], ["b"], None)
    assert journal.tried == ["abc", "a", "b", "c"]


def test_a_journal_that_is_down_is_not_asked_for_every_campaign() -> None:
    down = JournalError("down")
    done, journal = commit("abcdef", lambda _names: down)
    assert (done.committed, sorted(done.failed), done.trouble) == ([], list("abcdef"), down)
    assert len(journal.tried) == 1 + ENOUGH_FAILURES


def test_a_single_campaign_that_fails_may_be_the_journal() -> None:
    down = JournalError("down")
    done, journal = commit("a", lambda _names: down)
    assert (done.failed, done.trouble, journal.tried) == ({"a": down}, down, ["a"])


def test_a_fence_after_a_failed_commit_is_no_fence() -> None:
    """The commit that failed may have been done: the journal has the events, and the campaign is replayed."""
    errors = iter([JournalError("connection lost"), FenceError("a has more", campaign="a"), None])
    done, _ = commit("ab", lambda _names: next(errors))
    assert (done.committed, list(done.failed), done.fenced) == (["b"], ["a"], [])
