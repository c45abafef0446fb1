"""Statuses of made-up campaigns, for what prints them."""

from __future__ import annotations

from typing import Any

from fuota_fec.campaign.status import CampaignStatus, DeviceStatus


def device(dev_eui: str, status: str, reason: str = "", version: int | None = None, **more: Any) -> DeviceStatus:
    values = {"group": "g", "fw_version": version, **more}
    return DeviceStatus(dev_eui=dev_eui, status=status, reason=reason, **values)


def status_of(*devices: DeviceStatus, **changes: Any) -> CampaignStatus:
    """Status of a campaign a with these devices, which has failed."""
    values: dict[str, Any] = {
        "id": "a",
        "status": "FAILED",
        "state": "FAILED",
        "reason": "",
        "paused": False,
        "stage": None,
        "stages": (),
        "stage_started": 0.0,
        "stage_status": "",
        "n_stages_completed": 0,
        "round": 1,
        "n_devices": len(devices),
        "n_taking_part": 0,
        "n_done": 0,
        "asks_from": 0.0,
        "suspended": "",
        "wait": None,
        "fragments": {},
        "next_f_cnt": {},
        "spacing": {},
        "unconfirmed": tuple(found.dev_eui for found in devices if found.unconfirmed),
    }
    return CampaignStatus(**{**values, **changes}, devices=devices)
