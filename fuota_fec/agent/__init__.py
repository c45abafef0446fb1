"""The agent: where campaign, journal, network and clock meet."""

from __future__ import annotations

import logging

from fuota_fec.agent.agent import LEASE_TTL, Agent
from fuota_fec.agent.drive import VirtualNetwork, run_virtual
from fuota_fec.agent.health import Health
from fuota_fec.agent.ports import Observer

__all__ = ["LEASE_TTL", "Agent", "Health", "Observer", "VirtualNetwork", "run_virtual"]

logging.getLogger("fuota_fec.agent").addHandler(logging.NullHandler())
