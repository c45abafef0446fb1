"""Fixtures of campaigns driven by hand."""

from __future__ import annotations

from campaign_driver import config_of, drive, group_of

__all__ = ["config_of", "drive", "group_of"]
