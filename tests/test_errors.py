"""Exceptions: base classes, attributes, and copies across processes."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import fuota_fec as ff
from fuota_fec import errors
from fuota_fec.wire.commands import FieldError

MADE = [
    errors.FuotaError("a sentence"),
    errors.ParameterError("a sentence"),
    errors.WireError("a sentence", offset=3, field="nb_frag", commands=[1, 2]),
    errors.UndecodableError("a sentence", missing=7),
    errors.CampaignError("a sentence"),
    errors.JournalError("a sentence"),
    errors.CampaignExistsError("a sentence", campaign="c"),
    errors.DeviceBusyError("a sentence", devices=["01"], groups=["02"]),
    errors.EventError("a sentence", campaign="c", number=12),
    errors.NetworkError("a sentence"),
    errors.MissingExtraError("a sentence", extra="sql"),
]


def test_every_error_class_is_tested_and_public():
    tree = {cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, BaseException)}
    assert tree == {type(error) for error in MADE}
    assert {cls.__name__ for cls in tree} <= set(ff.__all__)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_is_a_fuota_error_with_its_message(error):
    assert isinstance(error, errors.FuotaError)
    assert not isinstance(error, (OSError, RuntimeError, KeyError))
    assert str(error) == "a sentence"


def test_errors_have_the_built_in_base_classes():
    """Callers without knowledge of this library catch these built-in classes."""
    relatives = {type(error): {base for base in (ValueError, ImportError) if isinstance(error, base)} for error in MADE}
    assert relatives == {
        errors.FuotaError: set(),
        errors.ParameterError: {ValueError},
        errors.WireError: {ValueError},
        errors.UndecodableError: set(),
        errors.CampaignError: set(),
        errors.JournalError: set(),
        errors.CampaignExistsError: set(),
        errors.DeviceBusyError: set(),
        errors.EventError: set(),
        errors.NetworkError: set(),
        errors.MissingExtraError: {ImportError},
    }


def test_errors_derive_from_fuota_error_or_from_the_kind_that_they_refine():
    """Handlers of the wider kind catch the narrower one."""
    kinds = {
        errors.CampaignExistsError: errors.JournalError,
        errors.DeviceBusyError: errors.CampaignError,
        errors.EventError: errors.JournalError,
    }
    for error in MADE[1:]:
        assert type(error).__bases__[0] is kinds.get(type(error), errors.FuotaError)


def test_facts_of_errors_are_attributes():
    error = errors.WireError("cut short", offset=5, field="mic", commands=(c for c in "ab"))
    assert (error.offset, error.field, error.commands) == (5, "mic", ("a", "b"))
    plain = errors.WireError("cut short")
    assert (plain.offset, plain.field, plain.commands) == (0, "", ())
    assert errors.UndecodableError("need more", missing=3).missing == 3
    assert errors.MissingExtraError("install it", extra="cli").extra == "cli"
    assert errors.CampaignExistsError("used", campaign="c").campaign == "c"
    busy = errors.DeviceBusyError("busy", devices=iter(["01"]), groups=["02"])
    assert (busy.devices, busy.groups) == (("01",), ("02",))
    assert (errors.DeviceBusyError("busy").devices, errors.DeviceBusyError("busy").groups) == ((), ())
    damaged = errors.EventError("changed", campaign="c", number=12)
    assert (damaged.campaign, damaged.number) == ("c", 12)


def test_facts_of_errors_are_required():
    with pytest.raises(TypeError):
        errors.UndecodableError("need more")
    with pytest.raises(TypeError):
        errors.MissingExtraError("install it")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize(
    "error", [*MADE, FieldError("a sentence", field="nb_frag")], ids=lambda error: type(error).__name__
)
def test_an_error_survives_copy_and_pickle(error, again):
    """An error that a worker process raises is pickled with its message and its facts."""
    other = again(error)
    assert type(other) is type(error)
    assert str(other) == str(error)
    for fact in ("offset", "field", "commands", "missing", "extra", "campaign", "devices", "groups", "number"):
        assert getattr(other, fact, None) == getattr(error, fact, None)


def test_the_core_raises_the_same_error_classes():
    with pytest.raises(errors.UndecodableError) as info:
        ff.Decoder(5, 3).block()
    assert info.value.missing == 5
    with pytest.raises(errors.ParameterError):
        ff.Decoder(5, 3).push(0, b"abc")


@pytest.mark.parametrize(
    ("n", "n_lines", "last"),
    [(1, 1, "0"), (20, 20, "19"), (21, 21, "… and 1 more"), (100_000, 21, "… and 99 980 more")],
)
def test_many_problems_are_counted_after_the_twentieth(n: int, n_lines: int, last: str):
    error = errors.ParameterError.of(map(str, range(n)))
    assert len(str(error).splitlines()) == n_lines
    assert str(error).splitlines()[-1] == last
    assert len(error.problems) == len(pickle.loads(pickle.dumps(error)).problems) == n


def test_an_error_of_one_message_has_its_lines_as_problems():
    assert errors.ParameterError("a\nb").problems == ("a", "b")
