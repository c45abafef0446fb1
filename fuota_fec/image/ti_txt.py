"""TI-TXT, the text format of Texas Instruments' tools: sections of bytes at an address, then a line with "q".

@F000
31 40 00 03 B2 40
q
"""

from __future__ import annotations

import re

from fuota_fec.image.lines import after_the_end, lines, no_end, not_a_record
from fuota_fec.image.memory import ADDRESS_END, Contents, Pieces

ADDRESS = re.compile(rb"@([0-9A-Fa-f]{1,8})")
BYTES = re.compile(rb"[0-9A-Fa-f]{2}(\s+[0-9A-Fa-f]{2})*")
EXPECTED = '"@" and an address, bytes of two hexadecimal digits, or "q"'


def read_ti_txt(data: bytes, where: str, _board: str | None = None) -> Contents:
    """Memory contents of a TI-TXT file. ParameterError with the line of the first fault."""
    pieces = Pieces(where)
    address = end = None
    for number, line in lines(data, where):
        if end is not None:
            raise after_the_end(line, end, where, number)
        if line.lower() == b"q":
            end = number
        elif given := ADDRESS.fullmatch(line):
            address = int(given[1], 16)
        elif address is not None and address <= ADDRESS_END and BYTES.fullmatch(line):
            body = bytes.fromhex(line.decode())
            pieces.add(address, body, number)
            address += len(body)
        else:
            raise not_a_record(line, EXPECTED, where, number)
    if end is None:
        raise no_end('a line with "q" (files for Verilog have none)', where)
    return Contents(memory=pieces.memory())
