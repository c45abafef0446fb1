"""Items of a batch: what is sent of an image, before a target is applied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fuota_fec.batch.config import BatchImage
from fuota_fec.campaign.config import firmware_version
from fuota_fec.image import image_of
from fuota_fec.image.source import read_contents


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Bytes to be sent, and the facts of them that the manifest has."""

    data: bytes = field(repr=False)
    facts: Mapping[str, Any]


class Contents:
    """Contents of an item's source as they are: enough to tell whether it has changed."""

    def __init__(self, image: BatchImage, folder: str) -> None:
        # Messages name a source as the manifest does, without the folders of this machine.
        self._image = image if image.path is None else replace(image, path=image.source)
        self._data = read_contents(image, folder, self._image.where)
        self.sha256 = hashlib.sha256(self._data).hexdigest()

    def read(self) -> Item:
        """The item. ParameterError if the contents are no image."""
        image = self._image
        firmware = image_of(self._data, image)
        same = firmware.data is self._data
        return Item(
            data=firmware.data,
            facts={
                "source": image.source,
                "source_len": len(self._data),
                "source_sha256": self.sha256,
                "format": firmware.format,
                "kind": "full",
                "base": None,
                "len": len(firmware.data),
                "sha256": self.sha256 if same else firmware.sha256,
                "fw_version": None if image.fw_version is None else firmware_version(image.fw_version),
                "warnings": list(firmware.warnings),
            },
        )
