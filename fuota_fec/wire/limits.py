"""Sizes that the bytes of TS004 allow."""

from __future__ import annotations

__all__ = ["DATA_FRAGMENT_CID", "DATA_FRAGMENT_HEADER_LEN", "MAX_FRAGS", "MAX_FRAG_NB", "MAX_FRAG_SIZE"]

DATA_FRAGMENT_CID = 0x08
"""CID of a DataFragment."""

DATA_FRAGMENT_HEADER_LEN = 3
"""Bytes of a DataFragment before its payload: CID and IndexAndN."""

MAX_FRAG_NB = 16383
"""Largest fragment number, uncoded and coded ones together: N of DataFragment has 14 bits."""

MAX_FRAGS = MAX_FRAG_NB
"""Largest number of uncoded fragments, M (NbFrag)."""

MAX_FRAG_SIZE = 255
"""Largest fragment, F: FragSize is one byte."""
