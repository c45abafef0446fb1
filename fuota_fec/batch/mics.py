"""MICs of a block for devices (TS004 2.0.0): each device checks the whole block with a key of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fuota_fec.batch.fleet import FleetDevice
from fuota_fec.checks import integer
from fuota_fec.errors import ParameterError
from fuota_fec.key_ring import KeyRing
from fuota_fec.wire.keys import data_block_int_key, data_block_mic

FIRST_SESSION = 1
"""SessionCnt of a device of which none is known, as in a campaign."""


class BlockMic(NamedTuple):
    """MIC of a block for a device, with the SessionCnt that it is for."""

    dev_eui: str
    session_cnt: int
    mic: bytes


def block_mics(
    data: bytes | memoryview,
    devices: Iterable[FleetDevice],
    keys: KeyRing,
    *,
    frag_index: int = 0,
    descriptor: bytes = bytes(4),
    session_cnt: int = FIRST_SESSION,
) -> Iterator[BlockMic]:
    """`mic` and `session_cnt` of FragSessionSetupReq for each device, by its root key.

    `data`: what is sent, without padding. `session_cnt`: that of devices of which it is not known. ParameterError, with
    the device, if the ring has no key for it.
    """
    integer("session_cnt", session_cnt, 0, 0xFFFF)
    for device in devices:
        count = session_cnt if device.session_cnt is None else device.session_cnt
        try:
            root = keys.root_key(device.key or device.dev_eui)
        except ParameterError as error:
            raise ParameterError(f"device {device.dev_eui}: {error}") from None
        mic = data_block_mic(
            data_block_int_key(root), session_cnt=count, frag_index=frag_index, descriptor=descriptor, data=data
        )
        yield BlockMic(device.dev_eui, count, mic)
