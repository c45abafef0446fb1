"""The commit of a turn: all campaigns together. If that fails it is found out which of them can be committed."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fuota_fec.agent.ports import JournalPort
from fuota_fec.errors import JournalError
from fuota_fec.journal.base import Append, FenceError

log = logging.getLogger("fuota_fec.agent")

ENOUGH_FAILURES = 2
"""Campaigns in a row that cannot be committed alone, after which the journal counts as down."""


class Commit:
    """Outcome of a commit, by campaign."""

    def __init__(self, journal: JournalPort, appends: Mapping[str, Append]) -> None:
        self.fenced: list[str] = []
        """Campaigns that another agent has written to."""
        self.failed: dict[str, JournalError] = {}
        """Campaigns whose events are not in the journal, as far as is known."""
        self.trouble: JournalError | None = None
        """Error that the caller of the turn must know: the journal fails, or another agent runs a campaign."""
        self.committed: list[str] = []
        """Campaigns whose events are in the journal."""
        self._journal = journal
        self._together(dict(appends))

    def _together(self, appends: dict[str, Append]) -> None:
        while appends:
            try:
                self._journal.append_all(list(appends.values()))
                self.committed = list(appends)
                return
            except FenceError as error:
                self.trouble = error
                if appends.pop(error.campaign, None) is None:
                    self.failed = dict.fromkeys(appends, error)
                    return
                log.warning("campaign %s is run by another agent now: %s", error.campaign, error)
                self.fenced.append(error.campaign)
            except JournalError as error:
                self._each(appends, error)
                return

    def _each(self, appends: Mapping[str, Append], error: JournalError) -> None:
        """Commits campaign by campaign. A fence does not count here: the commit that failed may have been done."""
        if len(appends) == 1:
            self.failed = dict.fromkeys(appends, error)
        else:
            for name, append in appends.items():
                if not self.committed and len(self.failed) >= ENOUGH_FAILURES:
                    self.failed[name] = error
                    continue
                try:
                    self._journal.append_all([append])
                    self.committed.append(name)
                except JournalError as alone:
                    self.failed[name] = alone
        if not self.committed:
            self.trouble = error
