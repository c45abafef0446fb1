"""Errors of foreign code (network, keys, observer, journal): counted, logged once, remembered until they are over."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from typing import NamedTuple

from fuota_fec.errors import FuotaError

log = logging.getLogger("fuota_fec.agent")

LONGEST_TEXT = 300
"""Characters of a foreign error that are kept."""


class _Fault(NamedTuple):
    kind: str
    text: str
    target: str
    """Device or group of the call."""


class Faults:
    """Errors by place. A place is the call that failed, for example "network.submit"; the subject is the campaign, the
    key or the lease that it was made for, or empty."""

    def __init__(self) -> None:
        self.n: Counter[str] = Counter()
        """Number of errors since the start, by place."""
        self._present: dict[tuple[str, str], _Fault] = {}
        """Last error by place and subject, until it is over."""

    def __bool__(self) -> bool:
        """Whether an error is not over."""
        return bool(self._present)

    def failed(self, place: str, subject: str, error: BaseException, text: str, target: str = "") -> None:
        """Counts an error. `text` goes to the log once, until a call at this place succeeds for the same target or
        another kind of error comes; with a traceback if the error is not one of this library."""
        self.n[place] += 1
        kind = type(error).__name__
        before = self._present.get((place, subject))
        self._present[place, subject] = _Fault(kind, text, target)
        if before is not None and before.kind == kind:
            return
        if isinstance(error, FuotaError):
            log.warning("%s", text)
        else:
            log.error("%s\n%s", text, stack(error))

    def over(self, place: str, subject: str = "", target: str = "") -> None:
        """Ends the error of a place: a call for that target succeeded, or is no longer needed."""
        if self._present:
            fault = self._present.get((place, subject))
            if fault is not None and fault.target == target:
                del self._present[place, subject]

    def forget(self, subject: str) -> None:
        """Ends all errors of a subject."""
        for key in [key for key in self._present if key[1] == subject]:
            del self._present[key]

    def present(self, port: str) -> str:
        """Last error of a port ("network", "journal", …) that is not over; empty without one."""
        for (place, _), fault in reversed(self._present.items()):
            if place.partition(".")[0] == port:
                return fault.text
        return ""

    def forget_port(self, port: str) -> None:
        """Ends all errors of a port."""
        for key in [key for key in self._present if key[0].partition(".")[0] == port]:
            del self._present[key]


def describe(error: BaseException) -> str:
    """Text of an error, with its type unless it is one of this library. Text of a foreign object may raise as well."""
    try:
        text = str(error)[:LONGEST_TEXT]
    except Exception:
        text = ""
    if isinstance(error, FuotaError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def stack(error: BaseException) -> str:
    """Traceback without the text of the error, which `describe` has where it may be shown."""
    return "".join(traceback.format_tb(error.__traceback__)).rstrip()
