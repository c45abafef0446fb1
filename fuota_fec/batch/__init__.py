"""Preparation of many images for many targets: one file of frames for each pair, and a manifest for all."""

from __future__ import annotations

from fuota_fec.batch.check import CheckResult, check_batch
from fuota_fec.batch.config import BatchConfig, BatchImage, Target
from fuota_fec.batch.run import BatchResult, prepare_batch

__all__ = ["BatchConfig", "BatchImage", "BatchResult", "CheckResult", "Target", "check_batch", "prepare_batch"]
