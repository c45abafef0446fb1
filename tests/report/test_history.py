"""Histories have the facts of their events."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.devices.radios import RADIOS
from fuota_fec.errors import CampaignError
from fuota_fec.report.history import CLEAN_UP, read_history


def handed_over(events: list[m.Event]) -> list[m.Requested]:
    requested = {event.id: event for event in events if isinstance(event, m.Requested)}
    return [requested[event.id] for event in events if isinstance(event, m.HandedOver)]


@pytest.fixture(params=["failed", "adaptive", "plain"])
def events(request: pytest.FixtureRequest, failed_events, adaptive_events, events_of) -> list[m.Event]:
    return {"failed": failed_events, "adaptive": adaptive_events, "plain": events_of()}[request.param]


def test_the_status_of_a_history_is_that_of_the_campaign(events):
    history = read_history(iter(events))
    assert history.status == Campaign.replay(events).status()
    assert (history.n_events, history.started, history.last_at) == (len(events), events[0].at, events[-1].at)


def test_every_frame_that_the_network_accepted_is_counted(events):
    history = read_history(events)
    [group] = history.groups
    sent = [r for r in handed_over(events) if r.group is not None]
    kinds = Counter(
        "command" if r.frag_nb is None else "coded" if r.frag_nb > group.plan.n_frags else "uncoded" for r in sent
    )
    assert (group.n_uncoded, group.n_coded, group.n_commands) == (kinds["uncoded"], kinds["coded"], kinds["command"])
    assert group.next_f_cnt == len([r for r in events if isinstance(r, m.Requested) and r.group])
    fragments = group.n_uncoded + group.n_coded
    assert group.air_time >= fragments * group.plan.time.frame_time * 0.999
    assert history.n_unicast == len([r for r in handed_over(events) if r.group is None])
    assert history.n_resends == len([r for r in handed_over(events) if r.group is None and r.replaces])


def test_the_energy_is_that_of_listening_in_the_sessions(events):
    history = read_history(events)
    [group] = history.groups
    sessions = [s for e in events if isinstance(e, m.StageStarted) for s in (e.sessions or {}).values()]
    assert 0 < group.listened <= sum(session.end - session.start for session in sessions)
    assert group.listened <= history.last_at - sessions[0].start
    [(radio, energy)] = group.energies
    power = RADIOS[radio]
    assert energy >= group.listened * power.listening
    assert energy == pytest.approx(
        group.listened * power.listening
        + (history.last_at - history.started - group.listened) * power.idle
        + power.rest
    )


def test_a_later_session_takes_the_place_of_an_earlier_one(events):
    [first, *rest] = events
    started = next(e for e in rest if isinstance(e, m.StageStarted) and e.sessions)
    [(name, session)] = started.sessions.items()
    reader = read_history(events[: events.index(started) + 1]).groups[0]
    assert reader.listened == 0.0, "it has not begun"
    later = replace(started, sessions={name: replace(session, start=session.start + 10)})
    at = m.DeviceHeard(at=session.end + 100, dev_eui=next(iter(first.config.devices)).dev_eui)
    history = read_history([*events[: events.index(started)], started, later, at])
    assert history.groups[0].listened == session.end + 10 - session.start


def test_runs_of_stages_follow_each_other(events):
    history = read_history(events)
    ended = [event for event in events if isinstance(event, m.StageEnded)]
    runs = [run for run in history.runs if run.stage != CLEAN_UP]
    assert [(r.stage, r.successes, r.ok, r.back_to) for r in runs] == [
        (e.stage, e.successes, e.ok, e.back_to) for e in ended
    ]
    for earlier, later in zip(history.runs, history.runs[1:], strict=False):
        assert earlier.ended is not None
        assert earlier.started <= earlier.ended <= later.started
    for run in history.runs:
        assert [done for _, done in run.progress] == sorted(done for _, done in run.progress)
        assert all(0 <= done <= 1 for _, done in run.progress)
        assert all(0 <= at <= run.ended - run.started for at, _ in run.progress)


def test_rounds_of_an_adaptive_campaign(adaptive_events):
    history = read_history(adaptive_events)
    times = {run.stage: n for run, n in history.funnel}
    assert times["DlFragment"] > 1
    assert times["McGroupSetup"] == 1
    air = [at for at, _ in history.complete]
    assert len(air) > 1
    assert air == sorted(set(air))
    assert history.complete[-1][1] == sum(d.status == "passed" for d in history.status.devices)


def test_a_history_can_end_after_any_event(adaptive_events):
    for n in [*range(1, 12), *range(12, len(adaptive_events), 37)]:
        history = read_history(adaptive_events[:n])
        assert history.n_events == n
        assert history.status == Campaign.replay(adaptive_events[:n]).status()
        open_runs = [run for run in history.runs if run.ended is None]
        assert open_runs == list(history.runs[-1:]) or not open_runs


def test_the_progress_of_a_long_stage_has_few_points(events_of):
    history = read_history(events_of(n_devices=1, downlink_loss=0.0, image_len=20000, redundancy=2))
    sending = next(run for run in history.runs if run.stage == "DlFragment")
    assert len(sending.progress) == 120
    assert sending.progress[-1][1] == 1


def test_a_history_without_events_is_refused():
    with pytest.raises(CampaignError, match="events: there are none"):
        read_history([])


def test_the_wait_for_the_session_is_part_of_the_stage_that_waits(events):
    history = read_history(events)
    started = [event for event in events if isinstance(event, m.StageStarted)]
    for event, run in zip(started, (run for run in history.runs if run.stage != CLEAN_UP), strict=True):
        assert 0 <= run.waited <= run.ended - run.started
        assert bool(run.waits_for) is (run.waited > 0)
        if event.wait is not None and event.wait.until is not None and event.wait.until - event.at >= 1:
            assert run.waited == min(event.wait.until, run.ended) - event.at
            assert run.waits_for == event.wait.why
    assert any(run.waits_for == "the multicast session begins" for run in history.runs)


def test_losses_and_needs_are_those_that_devices_reported_last(adaptive_events):
    history = read_history(adaptive_events)
    answers = [e for e in adaptive_events if isinstance(e, m.Answered)]
    losses = {e.dev_eui: e.loss for e in answers if e.loss is not None}
    assert history.losses == tuple(losses.values())
    lacking = {e.dev_eui: e.needed for e in answers if e.needed}
    [group] = history.groups
    assert len(history.coded_needed) == len(lacking) > 0
    for needed, lacks in zip(history.coded_needed, lacking.values(), strict=True):
        assert lacks <= needed <= lacks + group.n_coded
