"""Names of regions, as people, regulators and network servers write them."""

from __future__ import annotations

import re
from types import MappingProxyType

__all__ = ["canonical_region"]

_NAMES = MappingProxyType(
    {
        "AS923": "AS923-1",
        "AS923-925": "AS923-1",
        "AU915-928": "AU915",
        "CN470-510": "CN470",
        "EU433-434": "EU433",
        "EU863-870": "EU868",
        "IN865-867": "IN865",
        "KR920-923": "KR920",
        "RU864-870": "RU864",
        "US902-928": "US915",
    }
)
"""Other name → name in `regions`. Most are the bands that the channel plans of RP002 are named after."""

_LETTERS_AND_NUMBERS = re.compile(r"([A-Z]+)[-_ ]*([0-9].*)\Z")


def canonical_region(name: str) -> str:
    """Name of a region in the spelling of `regions.REGIONS`: capitals, "-" between numbers; another text as it is.

    "eu868", "EU_868", "EU863-870" and "EU 863–870 MHz" are "EU868"; "AS923" is "AS923-1".
    """
    key = re.sub("MHZ$", "", name.strip(" \t").upper().replace("\N{EN DASH}", "-")).rstrip(" \t")
    if (parts := _LETTERS_AND_NUMBERS.match(key)) is None:
        return name
    key = parts[1] + re.sub("[-_ ]+", "-", parts[2])
    return _NAMES.get(key, key)
