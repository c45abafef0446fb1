"""Finding: one result of the pre-flight check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["refuse", "warn", "info"]
"""refuse: cannot work, so nothing may go on the air. warn: may fail, or end without proof. info: what to expect."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one rule: `message` has the values and the expectation, `remedy` what would help ("" for an info).

    A rule yields severity, message and remedy; the check adds the rule's name and the subject. `group` is None for a
    finding about the campaign; `devices` are the DevEUIs concerned, empty for a finding about the group as a whole.
    Devices of a group for which a rule finds the same share one finding.
    """

    severity: Severity
    message: str
    remedy: str = ""
    rule: str = ""
    group: str | None = None
    devices: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Campaign, group or devices that the finding is about, in words."""
        if self.group is None:
            return "campaign"
        if not self.devices:
            return f"group {self.group!r}"
        more = len(self.devices) - _SHOWN
        listed = ", ".join(self.devices[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"group {self.group!r}, device {listed}"

    def __str__(self) -> str:
        return f"{self.severity}: {self.subject}: {self.message}" + (f". {self.remedy}" if self.remedy else "")


Findings: TypeAlias = Iterator[Finding]


def refuse(message: str, remedy: str) -> Finding:
    return Finding(severity="refuse", message=message, remedy=remedy)


def warn(message: str, remedy: str) -> Finding:
    return Finding(severity="warn", message=message, remedy=remedy)


def info(message: str) -> Finding:
    return Finding(severity="info", message=message)
