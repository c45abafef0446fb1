"""The agent: where campaign, journal, network and clock meet."""

from __future__ import annotations

from fuota_fec.agent.agent import Agent

__all__ = ["Agent"]
