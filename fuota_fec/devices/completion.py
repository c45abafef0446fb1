"""Earlier path of `fuota_fec.devices.status_reading`."""

from __future__ import annotations

from fuota_fec.devices.status_reading import Completion, Reading, read_status

__all__ = ["Completion", "Reading", "read_status"]
