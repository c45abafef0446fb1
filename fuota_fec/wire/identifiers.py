"""Identifiers: DevEUI, McAddr and EUIs of gateways, as people and network servers write them, and their one form here.

Capitals, a leading 0x, and "-", ":" or a blank between groups of digits make no difference: the form in
configurations, events and journals is lower-case hexadecimal digits, most significant first.
"""

from __future__ import annotations

import re

__all__ = ["DEV_EUI_DIGITS", "MC_ADDR_DIGITS", "canonical_eui", "canonical_mc_addr", "is_eui", "is_mc_addr"]

DEV_EUI_DIGITS, MC_ADDR_DIGITS = 16, 8

is_eui = re.compile(r"[0-9a-f]{16}\Z").match
"""Match of a DevEUI or the EUI of a gateway in its form here; None for any other text."""
is_mc_addr = re.compile(r"[0-9a-f]{8}\Z").match
"""Match of a McAddr in its form here; None for any other text."""

_PAIRS = "(?:[0-9A-Fa-f]{2})+"
_WRITTEN = re.compile(rf" *(?:0[xX])?({_PAIRS}(?:([-: ]){_PAIRS}(?:\2{_PAIRS})*)?) *\Z")
"""Pairs of digits; where they are apart, always by the same character."""


def canonical_eui(text: str) -> str:
    """An EUI-64 in its form here, from any usual spelling; another text as it is."""
    return text if is_eui(text) else _canonical(text, DEV_EUI_DIGITS)


def canonical_mc_addr(text: str) -> str:
    """A McAddr in its form here, from any usual spelling; another text as it is."""
    return text if is_mc_addr(text) else _canonical(text, MC_ADDR_DIGITS)


def _canonical(text: str, n_digits: int) -> str:
    if len(text) > 4 * n_digits or (written := _WRITTEN.match(text)) is None:
        return text
    digits = re.sub("[-: ]", "", written[1]).lower()
    return digits if len(digits) == n_digits else text
