"""Items of a batch: what is sent of an image, before a target is applied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fuota_fec.batch.changes import changed
from fuota_fec.batch.config import Base, BatchImage
from fuota_fec.campaign.config import firmware_version
from fuota_fec.image import ImageSource, image_of
from fuota_fec.image.signing_key import SigningKey, load_signing_key
from fuota_fec.image.source import read_contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Bytes to be sent, and the facts of them that the manifest has."""

    data: bytes = field(repr=False)
    facts: Mapping[str, Any]


class Contents:
    """Contents of an item's sources as they are: enough to tell whether it has changed."""

    def __init__(self, image: BatchImage, folder: str) -> None:
        self._image = image
        self._data = read_contents(image, folder, _named(image).where)
        self.source_sha256 = hashlib.sha256(self._data).hexdigest()
        digests = [self.source_sha256]
        self._base: bytes | None = None
        if image.base is not None:
            self._base = _base_contents(image.base, folder)
            digests.append(hashlib.sha256(self._base).hexdigest())
        self._key: SigningKey | None = None
        if image.sign is not None:
            self._key = load_signing_key(image.sign, folder)
            digests.append(self._key.public.sha256)
        self.sha256 = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        """Digest of all sources: the image, its base, the public key."""

    def read(self) -> Item:
        """The item. ParameterError if the contents are no image, or it cannot be changed as the batch says."""
        image = self._image
        firmware = image_of(self._data, _named(image))
        base = None if image.base is None or self._base is None else _base_image(image.base, self._base)
        data, facts = changed(firmware.data, image, key=self._key, base=base)
        same = data is self._data
        return Item(
            data=data,
            facts={
                "source": image.source,
                "source_len": len(self._data),
                "source_sha256": self.source_sha256,
                "format": firmware.format,
                "kind": "full",
                "base": None,
                "len": len(data),
                "sha256": self.source_sha256 if same else hashlib.sha256(data).hexdigest(),
                "fw_version": None if image.fw_version is None else firmware_version(image.fw_version),
                "warnings": list(firmware.warnings),
                **facts,
            },
        )


def read_base(base: Base, folder: str) -> bytes:
    """The image that a delta is applied to. ParameterError if there is none."""
    return _base_image(base, _base_contents(base, folder))


def _base_contents(base: Base, folder: str) -> bytes:
    return read_contents(base, folder, _named(base).where.replace("image ", "base ", 1))


def _base_image(base: Base, contents: bytes) -> bytes:
    return image_of(contents, _named(base)).data


def _named(source: Base | BatchImage) -> ImageSource:
    """The source with a name in messages as the manifest has it, without the folders of this machine."""
    return source if source.path is None else replace(source, path=source.source)
