"""MICs of a block: those that devices compute, and no key in a message."""

from __future__ import annotations

import pytest

import fuota_fec as ff
from fuota_fec.batch.fleet import FleetDevice
from fuota_fec.batch.mics import block_mics
from fuota_fec.errors import ParameterError
from fuota_fec.wire.keys import Key, data_block_int_key, data_block_mic

A, B = "0000000000000001", "0000000000000002"
ROOTS = {A: Key(bytes(range(16))), "vault/b": Key(bytes(range(1, 17)))}
KEYS = ff.KeyRing(root_keys=ROOTS, mc_keys={})


def test_each_device_has_its_own_mic():
    block = ff.prepare(bytes(range(200)), 48, n_coded=3, dialect="2.0.0", descriptor=b"abcd", frag_index=1)
    devices = [FleetDevice(dev_eui=A), FleetDevice(dev_eui=B, key="vault/b", session_cnt=9)]
    found = list(block_mics(block.image(), devices, KEYS, frag_index=1, descriptor=b"abcd", session_cnt=4))
    assert [(one.dev_eui, one.session_cnt) for one in found] == [(A, 4), (B, 9)]
    for one, root in zip(found, ROOTS.values(), strict=True):
        assert one.mic == data_block_mic(
            data_block_int_key(root),
            session_cnt=one.session_cnt,
            frag_index=1,
            descriptor=b"abcd",
            data=bytes(range(200)),
        )
        request = block.setup_request(mc_group_bit_mask=1, block_ack_delay=0, session_cnt=one.session_cnt, mic=one.mic)
        assert request.mic == one.mic


def test_a_device_without_a_key_is_named():
    with pytest.raises(ParameterError, match=f"device {B}: key ring: there is no root key named '{B}'"):
        list(block_mics(b"data", [FleetDevice(dev_eui=A), FleetDevice(dev_eui=B)], KEYS))
    with pytest.raises(ParameterError, match="session_cnt: 65536"):
        list(block_mics(b"data", [], KEYS, session_cnt=65536))
