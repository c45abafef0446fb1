from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fuota_fec.campaign.preflight.context import n_counters


def test_the_needed_period_is_that_of_the_slowest_device_a_stage_needs(sound: SimpleNamespace) -> None:
    devices = [sound.device(eui, uplink_period=period) for eui, period in zip(sound.euis, (900, 60, None), strict=True)]
    assert sound.context(sound.config(*devices)).needed_period == 900
    assert sound.context(sound.config(*devices, success_threshold=60)).needed_period == 300


def test_the_unicast_delay_in_ms_becomes_a_spacing_in_seconds(sound: SimpleNamespace) -> None:
    assert sound.context(sound.config(ucast_msg_delay=2500)).ucast_spacing == 2.5


def test_times_of_day_are_looked_at_with_a_clock_only(sound: SimpleNamespace) -> None:
    config = sound.config(session_start=sound.now + 100, reboot=sound.now + 5000)
    assert (sound.context(config).session_start_in, sound.context(config).reboot_in) == (None, None)
    timed = sound.context(config, now=sound.now)
    assert (timed.session_start_in, timed.reboot_in) == (100, 5000)
    free = sound.context(sound.config(reboot="after_transfer"), now=sound.now)
    assert (free.session_start_in, free.reboot_in) == (None, None)


def test_devices_with_the_same_traits_are_alike(sound: SimpleNamespace) -> None:
    a, b, c = sound.euis
    devices = (sound.device(a, uplink_period=60), sound.device(b), sound.device(c, lorawan="1.1"))
    context = sound.context(sound.config(*devices))
    assert list(context.alike["g"].values()) == [[a, b], [c]]
    keyless = replace(context, root_key_known=lambda device: device.dev_eui != a)
    assert list(keyless.alike["g"].values()) == [[a], [b], [c]]


def test_the_traits_of_a_device_name_its_profile(sound: SimpleNamespace) -> None:
    [traits] = sound.context(sound.config(sound.device(stack="zephyr"))).alike["g"]
    assert (traits.profile.name, traits.lorawan, traits.downlink_dr, traits.root_key_known) == (
        "zephyr",
        "1.0",
        3,
        True,
    )


@pytest.mark.parametrize(("kind", "n"), [("firmware", 26), ("binary", 26), ("multicast", 1)])
def test_a_group_needs_a_counter_for_each_frame_and_at_least_one(sound: SimpleNamespace, kind: str, n: int) -> None:
    assert n_counters(sound.plan_of(sound.config(kind=kind)).groups["g"]) == n
