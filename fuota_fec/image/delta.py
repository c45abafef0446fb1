"""Deltas between two releases: patches of detools, which devices apply to the image that they run.

A patch is of the type "sequential", which the C library of detools applies while the patch is received. It does not say
which image it belongs to: a device that applies it to another one gets a broken image, so that the base is part of a
`Delta`, and of what a campaign requires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from io import BytesIO
from types import ModuleType
from typing import Literal, cast, get_args

from fuota_fec.checks import expected_of, plainly, shown
from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.image.memory import LARGEST_IMAGE

PatchCompression = Literal["heatshrink", "crle", "none"]
"""Compressions of patches that need little memory in a device."""
COMPRESSIONS: tuple[PatchCompression, ...] = get_args(PatchCompression)
LARGEST_SHARE = 0.75
"""Share of the full image that a patch may have, unless another one is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A patch that makes one image of another, its base."""

    patch: bytes = field(repr=False)
    """What is sent to the devices."""
    compression: PatchCompression
    base_sha256: str
    base_len: int
    image_sha256: str
    """SHA-256 of the image that the patch makes."""
    image_len: int

    @property
    def share(self) -> float:
        """Size of the patch as a share of the full image."""
        return len(self.patch) / self.image_len


def make_delta(
    old: bytes,
    new: bytes,
    *,
    largest_share: float = LARGEST_SHARE,
    compressions: Collection[PatchCompression] = COMPRESSIONS,
) -> Delta:
    """The smallest patch from one image to another, of those with one of the `compressions`.

    It was applied, and made the new image. The same images give the same patch. ParameterError for images that are
    empty, too large or equal, and for a patch that is not smaller than `largest_share` of the new image.
    """
    kinds = _checked(old, new, largest_share, compressions)
    made = {kind: _create(old, new, kind) for kind in kinds}
    kind = min(made, key=lambda kind: len(made[kind]))
    patch = made[kind]
    if apply_delta(old, patch) != new:
        raise ParameterError(f"delta: a patch with {kind} does not make the new image of the old one")
    if not len(patch) < largest_share * len(new):
        raise ParameterError(
            f"delta: {len(patch)} bytes with {kind} are {100 * len(patch) / len(new):.1f} % of the full image of "
            f"{len(new)} bytes, expected less than {100 * largest_share:g} %"
        )
    return Delta(
        patch=patch,
        compression=kind,
        base_sha256=hashlib.sha256(old).hexdigest(),
        base_len=len(old),
        image_sha256=hashlib.sha256(new).hexdigest(),
        image_len=len(new),
    )


def apply_delta(old: bytes, patch: bytes) -> bytes:
    """The image that a patch makes of another one, as a device applies it. ParameterError if it does not fit."""
    made = _Bounded()
    problem = ""
    try:
        _detools().apply_patch(BytesIO(old), BytesIO(patch), made)
    except MissingExtraError:
        raise
    except Exception as error:  # A damaged patch makes detools and its decompressors raise errors of many kinds.
        problem = str(error) or type(error).__name__
    if problem:
        raise ParameterError(f"delta: a patch of {len(patch)} bytes cannot be applied: {plainly(problem)}")
    return made.getvalue()


class _Bounded(BytesIO):
    """Memory for one image: a damaged patch may say any size."""

    def write(self, data: object) -> int:
        written = super().write(cast("bytes", data))
        if self.tell() > LARGEST_IMAGE:
            raise ValueError(f"more than {LARGEST_IMAGE} bytes")
        return written


def _checked(
    old: bytes, new: bytes, largest_share: float, compressions: Collection[PatchCompression]
) -> list[PatchCompression]:
    """The compressions, the one with the least work in a device first: it is chosen of those with equal sizes."""
    problems = [
        f"delta: {name}: {len(data)} bytes, expected 1 to {LARGEST_IMAGE}"
        for name, data in (("old image", old), ("new image", new))
        if not 0 < len(data) <= LARGEST_IMAGE
    ]
    if isinstance(largest_share, bool) or not isinstance(largest_share, (int, float)) or not 0 < largest_share <= 1:
        problems.append(f"largest_share: {shown(largest_share)} is not a share, expected more than 0 and at most 1")
    problems += [
        f"compressions: {shown(name)} is not known, {expected_of(str(name), COMPRESSIONS)}"
        for name in compressions
        if name not in COMPRESSIONS
    ]
    if not compressions:
        problems.append(f"compressions: there is none, expected one of {', '.join(COMPRESSIONS)}")
    if old == new and old:
        problems.append("delta: the old and the new image are the same, expected two releases")
    if problems:
        raise ParameterError.of(problems)
    return [kind for kind in reversed(COMPRESSIONS) if kind in compressions]


def _create(old: bytes, new: bytes, kind: PatchCompression) -> bytes:
    patch = BytesIO()
    _detools().create_patch(BytesIO(old), BytesIO(new), patch, compression=kind, use_mmap=False)
    return patch.getvalue()


def _detools() -> ModuleType:
    try:
        import detools
    except ImportError as error:
        raise MissingExtraError(
            'a delta needs the package detools: pip install "fuota-fec[image]"', extra="image"
        ) from error
    return cast("ModuleType", detools)
