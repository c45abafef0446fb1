"""The journal: storage for the events of campaigns. `base` is the port; `open_journal` opens one by its URL.

Journals in databases (`sql`) need SQLAlchemy; `open_journal` loads them for a database URL only.
"""

from __future__ import annotations

from fuota_fec.journal.base import Append, CampaignRecord, Claim, FenceError, Journal, Lease, Order, Verb
from fuota_fec.journal.chain import StoredEvent
from fuota_fec.journal.memory import MemoryJournal
from fuota_fec.journal.open import open_journal

__all__ = [
    "Append",
    "CampaignRecord",
    "Claim",
    "FenceError",
    "Journal",
    "Lease",
    "MemoryJournal",
    "Order",
    "StoredEvent",
    "Verb",
    "open_journal",
]
