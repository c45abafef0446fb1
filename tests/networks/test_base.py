"""The network port: its values are frozen and show no key."""

from __future__ import annotations

import dataclasses

import pytest

from fuota_fec.networks.base import Downlink, MulticastGroup, NetworkCapabilities
from fuota_fec.wire.keys import Key

SECRET = bytes(range(0xA0, 0xB0))


def test_repr_of_a_multicast_group_shows_no_key() -> None:
    group = MulticastGroup(
        name="g",
        mc_addr=1,
        mc_app_s_key=Key(SECRET),
        mc_nwk_s_key=Key(SECRET[::-1]),
        dr=5,
        frequency_hz=869_525_000,
        dev_euis=("01",),
    )
    text = repr(group).lower()
    assert SECRET.hex() not in text
    assert SECRET[::-1].hex() not in text
    assert repr(SECRET)[2:-1] not in text


def test_downlinks_and_capabilities_are_frozen() -> None:
    downlink = Downlink(id="c/1", f_port=200, payload=b"", not_after=0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        downlink.payload = b"x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        NetworkCapabilities().summaries = False  # type: ignore[misc]


def test_a_network_reports_everything_and_assigns_no_counters_by_default() -> None:
    assert NetworkCapabilities() == NetworkCapabilities(owns_f_cnt=False, sent_reports=True, summaries=True)
