"""Health of an agent."""

from __future__ import annotations

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
