"""Exceptions of the library. Facts are attributes; the message states the value and the expectation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Self

MOST_LISTED = 20
"""Problems that a message has a line for; the others are counted."""


class FuotaError(Exception):
    """Base of all errors that this library raises on purpose. Errors can be copied and pickled with their facts."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)


def _revive(cls: type[FuotaError], args: tuple[Any, ...], facts: dict[str, Any]) -> FuotaError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ParameterError(FuotaError, ValueError):
    """An argument or a configuration value cannot be used. Nothing was changed."""

    _problems: tuple[str, ...] | None = None

    @classmethod
    def of(cls, problems: Iterable[str]) -> Self:
        """Error with several problems, each a line."""
        problems = tuple(problems)
        error = cls(listed(problems))
        error._problems = problems
        return error

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems. The message has the first MOST_LISTED, and the number of the others."""
        return tuple(str(self).splitlines()) if self._problems is None else self._problems


def listed(problems: Sequence[str]) -> str:
    """The first MOST_LISTED lines, and a line with the number of the others."""
    others = len(problems) - MOST_LISTED
    more = [f"… and {others:,} more".replace(",", " ")] if others > 0 else []
    return "\n".join([*islice(problems, MOST_LISTED), *more])


class WireError(FuotaError, ValueError):
    """A payload violates the specification of its package.

    `offset` is the position of the byte at which decoding stopped, `field` the name of the field or command concerned,
    `commands` the commands decoded before that byte.
    """

    def __init__(self, message: str, *, offset: int = 0, field: str = "", commands: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.offset = offset
        self.field = field
        self.commands = tuple(commands)


class UndecodableError(FuotaError):
    """The received fragments do not determine the block. `missing` more independent fragments are needed."""

    def __init__(self, message: str, *, missing: int) -> None:
        super().__init__(message)
        self.missing = missing


class CampaignError(FuotaError):
    """An operator's verb is not allowed in the present state of the campaign. Nothing was changed."""


class JournalError(FuotaError):
    """The journal could not be read or written. Downlinks that are not in the journal are not sent."""


class CampaignExistsError(JournalError):
    """The journal has a campaign of this id already. Nothing was changed."""

    def __init__(self, message: str, *, campaign: str) -> None:
        super().__init__(message)
        self.campaign = campaign


class DeviceBusyError(CampaignError):
    """Another unfinished campaign holds `devices` (DevEUIs) or `groups` (McAddrs). Nothing was changed."""

    def __init__(self, message: str, *, devices: Sequence[str] = (), groups: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.devices = tuple(devices)
        self.groups = tuple(groups)


class EventError(JournalError):
    """Event `number` of `campaign` is missing, is not the one that was written, or does not fit its campaign."""

    def __init__(self, message: str, *, campaign: str, number: int) -> None:
        super().__init__(message)
        self.campaign = campaign
        self.number = number


class NetworkError(FuotaError):
    """The network server could not be reached, or refused a request. The request is not handed over yet."""


class MissingExtraError(FuotaError, ImportError):
    """A feature needs a package that is not installed. `extra` is the extra of fuota-fec to install."""

    def __init__(self, message: str, *, extra: str) -> None:
        super().__init__(message)
        self.extra = extra
