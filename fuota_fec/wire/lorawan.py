"""Sizes and times of LoRaWAN itself that packages, keys and air time have in common."""

from __future__ import annotations

__all__ = ["BEACON_PERIOD", "FRAME_OVERHEAD_LEN", "MAX_APP_PAYLOAD_LEN", "MAX_PHY_PAYLOAD_LEN"]

BEACON_PERIOD = 128
"""Seconds between two class B beacons (LoRaWAN 1.0.4, class B)."""

FRAME_OVERHEAD_LEN = 13
"""Bytes of a data frame around its application payload: MHDR 1, FHDR 7, FPort 1, MIC 4 (LoRaWAN 1.0.4, chapter 4)."""

MAX_PHY_PAYLOAD_LEN = 255
"""Largest PHY payload of any region, in bytes."""

MAX_APP_PAYLOAD_LEN = MAX_PHY_PAYLOAD_LEN - FRAME_OVERHEAD_LEN
"""Largest application payload (FRMPayload) of a frame without FOpts, in bytes."""
