"""Errors of foreign code: counts, log lines, and errors that are over."""

from __future__ import annotations

from fuota_fec.agent.faults import LONGEST_TEXT, Faults, describe
from fuota_fec.errors import JournalError, NetworkError


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_error_is_described_by_type_and_text() -> None:
    assert describe(ValueError("wrong")) == "ValueError: wrong"
    assert describe(ValueError()) == "ValueError"
    assert describe(NetworkError("away")) == "away", "an error of this library speaks for itself"
    assert describe(Mute()) == "Mute"
    assert len(describe(ValueError("x" * 10_000))) < LONGEST_TEXT + 20


def test_an_error_that_lasts_is_counted_and_logged_once(caplog) -> None:
    faults = Faults()
    for _ in range(5):
        faults.failed("network.poll", "", NetworkError("away"), "cannot read: away")
    assert faults.n == {"network.poll": 5}
    assert caplog.text.count("cannot read: away") == 1


def test_another_kind_of_error_is_logged_again(caplog) -> None:
    faults = Faults()
    faults.failed("network.poll", "", NetworkError("away"), "one")
    faults.failed("network.poll", "", ValueError("wrong"), "two")
    assert [record.message.splitlines()[0] for record in caplog.records] == ["one", "two"]


def test_an_error_after_a_success_is_logged_again(caplog) -> None:
    faults = Faults()
    for _ in range(2):
        faults.failed("network.submit", "c", NetworkError("away"), "failed", "device")
        faults.over("network.submit", "c", "another device")
    assert caplog.text.count("failed") == 1, "only a success of the same device ends it"
    faults.over("network.submit", "c", "device")
    faults.failed("network.submit", "c", NetworkError("away"), "failed", "device")
    assert caplog.text.count("failed") == 2


def test_a_foreign_error_is_logged_with_its_traceback(caplog) -> None:
    faults = Faults()
    try:
        raise ValueError(*["sec" + "ret"])
    except ValueError as error:
        faults.failed("keys.root_key", "k", error, "no key")
    assert "test_faults.py" in caplog.text
    assert "secret" not in caplog.text, "the text of the error is the caller's to show"


def test_the_last_error_of_a_port_is_present_until_it_is_over() -> None:
    faults = Faults()
    faults.failed("journal.orders", "", JournalError("one"), "one")
    faults.failed("journal.list", "", JournalError("two"), "two")
    assert (faults.present("journal"), faults.present("network")) == ("two", "")
    faults.over("journal.list")
    assert faults.present("journal") == "one"
    faults.forget_port("journal")
    assert faults.present("journal") == ""


def test_the_errors_of_a_campaign_can_be_forgotten() -> None:
    faults = Faults()
    faults.failed("network.submit", "a", NetworkError("x"), "x")
    faults.failed("observer", "a", ValueError("y"), "y")
    faults.failed("observer", "b", ValueError("z"), "z")
    faults.forget("a")
    assert (faults.present("network"), faults.present("observer")) == ("", "z")
