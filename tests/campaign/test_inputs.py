"""Inputs of a campaign are frozen."""

from __future__ import annotations

import dataclasses

import pytest

from fuota_fec.campaign import messages as m


@pytest.mark.parametrize(
    "item", [m.Uplink("01", 2, b"", 0.0), m.DownlinkSent("c/1"), m.MulticastSummary("c/1"), m.HandOver("c/1")]
)
def test_inputs_do_not_change(item: m.Input) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(item, dataclasses.fields(item)[0].name, "x")
