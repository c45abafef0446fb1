"""Health of an agent."""

from __future__ import annotations

from fuota_fec.campaign import messages as m

T0 = 1_800_000_000.0


def test_health_counts_what_runs_and_when_it_was_read(config_of, desk_of) -> None:
    desk = desk_of(config_of())
    health = desk.agent.health()
    assert (health.ok, health.n_running, health.last_poll, dict(health.n_errors)) == (True, 1, None, {})
    desk.hears(1)
    health = desk.agent.health()
    assert (health.ok, health.last_poll, health.last_commit) == (True, T0, T0)
    desk.network.deaf = True
    desk.step(1)
    health = desk.agent.health()
    assert (health.ok, health.network) == (False, "cannot read from the network: no connection")
    desk.network.deaf = False
    desk.step(1)
    assert desk.agent.health().ok


def test_uplinks_of_unknown_devices_are_counted_and_told(config_of, desk_of) -> None:
    desk = desk_of(config_of("c", devices=(1, 2)), config_of("d", devices=(3,), group={"mc_addr": "01f3a4b6"}))
    desk.hears(1, 8, 9, 9)
    health = desk.agent.health()
    text = f"0 of 1 device heard; 3 uplinks of 2 unknown devices, the most frequent {9:016x} (2)"
    assert (health.n_errors, health.unheard, health.ok) == ({"uplink of no device": 3}, {"d": text}, True)
    desk.hears(3)
    assert desk.agent.health().unheard == {}


def test_an_adapter_that_gives_capitals_is_heard(config_of, desk_of) -> None:
    desk = desk_of(config_of(devices=(0xAB,)))
    desk.step(0, m.Uplink("00-00-00-00-00-00-00-AB", 2, b"", desk.now))
    assert desk.agent.health().n_errors == {}
    assert [event.dev_eui for event in desk.of(m.DeviceHeard)] == ["00000000000000ab"]
