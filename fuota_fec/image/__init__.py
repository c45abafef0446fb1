"""What a user hands in as a firmware image: recognised by its contents, read as far as the file says, and checked.

An image is the bytes for the devices. In formats with addresses, these are the memory from the lowest to the highest
address of the chosen range, with gaps filled with 0xFF, the value of erased flash.
"""

from __future__ import annotations

from fuota_fec.image.firmware import FirmwareImage
from fuota_fec.image.memory import LARGEST_IMAGE, LONGEST_GAP
from fuota_fec.image.recognise import Format
from fuota_fec.image.source import ImageSource, image_of, load_image, parse_image, read_image
from fuota_fec.image.versions import Version

__all__ = [
    "LARGEST_IMAGE",
    "LONGEST_GAP",
    "FirmwareImage",
    "Format",
    "ImageSource",
    "Version",
    "image_of",
    "load_image",
    "parse_image",
    "read_image",
]
