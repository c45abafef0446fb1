"""The exception tree. Facts are attributes; the message is a sentence that says what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class FuotaError(Exception):
    """Base of every error that this library raises on purpose. It can be copied and pickled with its facts."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)


def _revive(cls: type[FuotaError], args: tuple[Any, ...], facts: dict[str, Any]) -> FuotaError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ParameterError(FuotaError, ValueError):
    """An argument or a configuration value that cannot be used. Nothing was changed."""


class WireError(FuotaError, ValueError):
    """A payload that is not what the package's specification allows.

    `offset` is the byte at which decoding stopped, `field` the name of the field or command concerned,
    `commands` the commands that were decoded before it.
    """

    def __init__(self, message: str, *, offset: int = 0, field: str = "", commands: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.offset = offset
        self.field = field
        self.commands = tuple(commands)


class UndecodableError(FuotaError):
    """The fragments at hand do not determine the block. `missing` more independent ones are needed."""

    def __init__(self, message: str, *, missing: int) -> None:
        super().__init__(message)
        self.missing = missing


class CampaignError(FuotaError):
    """An operator's verb that is not allowed in the campaign's present state. Nothing was changed."""


class JournalError(FuotaError):
    """The journal could not be read or written. Nothing went on the air because of it."""


class NetworkError(FuotaError):
    """The network server could not be reached or refused; the request is still to be handed over."""


class MissingExtraError(FuotaError, ImportError):
    """A feature needs a package that is not installed. `extra` names what to install."""

    def __init__(self, message: str, *, extra: str) -> None:
        super().__init__(message)
        self.extra = extra
