"""Preparation of many images for many targets: one file of frames for each pair, and a manifest for all."""

from __future__ import annotations

from fuota_fec.batch.check import CheckResult, check_batch
from fuota_fec.batch.config import BatchConfig, BatchImage, Target
from fuota_fec.batch.deliveries import Deliveries, plan_deliveries
from fuota_fec.batch.fleet import FleetDevice, read_fleet, with_registry
from fuota_fec.batch.mics import BlockMic, block_mics
from fuota_fec.batch.run import BatchResult, prepare_batch

__all__ = [
    "BatchConfig",
    "BatchImage",
    "BatchResult",
    "BlockMic",
    "CheckResult",
    "Deliveries",
    "FleetDevice",
    "Target",
    "block_mics",
    "check_batch",
    "plan_deliveries",
    "prepare_batch",
    "read_fleet",
    "with_registry",
]
