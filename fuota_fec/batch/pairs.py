"""Pairs of a batch: every image with every target, and the name of the output of each."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass

from fuota_fec.batch.config import BatchConfig, BatchImage, Target

SUFFIX = ".npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image and a target, and the name of their output. `clash`: another pair has the same name."""

    image: BatchImage
    target: Target
    output: str
    clash: bool


def pairs_of(config: BatchConfig) -> list[Pair]:
    """All pairs, those of an image together."""
    named = [(image, target, output_of(image, target)) for image in config.images for target in config.targets]
    counts = Counter(_folded(output) for _, _, output in named)
    return [
        Pair(image=image, target=target, output=output, clash=counts[_folded(output)] > 1)
        for image, target, output in named
    ]


def output_of(image: BatchImage, target: Target) -> str:
    """Name of the output of a pair."""
    return f"{image.stem}-{target.name}{SUFFIX}"


def _folded(name: str) -> str:
    """Name as file systems compare it that do not tell capitals or forms of Unicode apart."""
    return unicodedata.normalize("NFC", name).casefold()
