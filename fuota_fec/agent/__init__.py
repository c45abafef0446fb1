"""The agent: where campaign, journal, network and clock meet."""

from __future__ import annotations

import logging

from fuota_fec.agent.agent import LEASE_TTL, Agent, Observer
from fuota_fec.agent.drive import VirtualNetwork, run_virtual

__all__ = ["LEASE_TTL", "Agent", "Observer", "VirtualNetwork", "run_virtual"]

logging.getLogger("fuota_fec.agent").addHandler(logging.NullHandler())
