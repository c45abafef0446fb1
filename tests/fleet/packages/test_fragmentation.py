"""TS004 of a virtual device: sessions, fragments, blocks and status."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fuota_fec.fleet.device_state import N_BLOCK_REPORTS
from fuota_fec.wire import fragmentation

NOW = 1_800_000_000.0
IMAGE = bytes(range(50, 93))


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_session_setup_is_accepted(bench, version) -> None:
    b = bench(version=version)
    assert b.ask(b.setup_request(frag_index=3)) == [fragmentation.FragSessionSetupAns(frag_index=3)]


def test_an_unknown_algorithm_is_refused(bench) -> None:
    b = bench()
    assert b.ask(b.setup_request(frag_algo=1)) == [
        fragmentation.FragSessionSetupAns(frag_index=0, frag_algo_unsupported=True)
    ]
    b.send(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert b.answers() == []


def test_padding_as_long_as_a_fragment_is_refused(bench) -> None:
    b = bench(version="2.0.0")
    b.ask(replace(b.setup_request(), nb_frag=1, frag_size=10, padding=10))
    b.device.receive(201, b.frame(1), b.now)
    b.answers()
    assert b.device.image is None


def test_status_counts_fragments(bench) -> None:
    b = bench()
    b.ask(b.setup_request())
    for n in (1, 3, 3):
        b.device.receive(201, b.frame(n), b.now)
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=False))
    assert (answer.nb_frag_received, answer.missing_frag) == (3, 3)


def test_status_of_a_complete_block_is_answered_to_all_participants_requests_only(bench) -> None:
    b = bench()
    b.ask(b.setup_request())
    for n in range(1, 6):
        b.device.receive(201, b.frame(n), b.now)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=False)) == []
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert (answer.nb_frag_received, answer.missing_frag) == (5, 0)


def test_status_without_a_session_is_answered_by_2_0_0_only(bench) -> None:
    request = fragmentation.FragSessionStatusReq(frag_index=1, participants=True)
    assert bench().ask(request) == []
    [answer] = bench(version="2.0.0").ask(request)
    assert answer.session_does_not_exist


def test_status_answers_are_spread_over_block_ack_delay(bench) -> None:
    delays = []
    for seed in range(40):
        b = bench(rng=np.random.default_rng(seed))
        b.send(b.setup_request(block_ack_delay=2))
        b.answers(10)
        asked_at = b.now
        b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
        delays.append(b.now - asked_at)
    assert 0 <= min(delays) < 16
    assert 32 < max(delays) <= 64


def test_the_count_of_received_fragments_saturates(bench) -> None:
    b = bench().ready()
    b.device.sessions[0].reception.n_received = 0x3FFF
    b.cast(b.frame(1), 0)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0x3FFF


def test_the_group_mask_selects_the_groups_of_a_session(bench) -> None:
    b = bench().ready(mc_group_bit_mask=0b1110)
    assert b.cast(b.frame(1), 0)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0
    b.device.receive(201, b.frame(1), b.now)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 1


@pytest.mark.parametrize(
    "change", [lambda f: f[:-1], lambda f: f + b"\0", lambda f: f[:2] + bytes([f[2] | 0x40]) + f[3:]]
)
def test_a_fragment_of_another_length_or_session_is_dropped(bench, change) -> None:
    b = bench().ready()
    b.cast(change(b.frame(1)), 0)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0


def test_a_block_with_another_mic_is_not_installed(bench) -> None:
    b = bench(version="2.0.0").ready(mic=b"\1\2\3\4")
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert (answer.missing_frag, answer.mic_error) == (0, True)
    assert b.device.image is None


@pytest.mark.parametrize("right", [True, False])
def test_a_complete_block_is_reported_where_ack_reception_is_set(bench, right) -> None:
    b = bench(version="2.0.0")
    b.ready(ack_reception=True, **({} if right else {"mic": bytes(4)}))
    for n in range(1, 6):
        b.cast(b.frame(n), n)
    assert b.answers(60) == [fragmentation.FragDataBlockReceivedReq(frag_index=0, mic_error=not right)]


def test_a_repeated_setup_discards_the_fragments(bench) -> None:
    b = bench().ready()
    for n in range(1, 4):
        b.cast(b.frame(n), n)
    b.ask(b.setup_request(), within=10)
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 0


def test_a_session_counter_is_used_up_by_the_first_fragment(bench) -> None:
    b = bench(version="2.0.0")
    assert not b.ask(b.setup_request())[0].session_cnt_replay
    assert not b.ask(b.setup_request())[0].session_cnt_replay
    b.device.receive(201, b.frame(1), b.now)
    assert b.ask(b.setup_request())[0].session_cnt_replay
    assert b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))[0].nb_frag_received == 1
    assert not b.ask(b.setup_request(session_cnt=2))[0].session_cnt_replay


def test_fragments_of_a_complete_block_are_not_counted(bench) -> None:
    b = bench().ready()
    for n in range(1, 26):
        b.cast(b.frame(n), n)
    [answer] = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert answer.nb_frag_received == 5


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_a_deleted_session_takes_no_fragments(bench, version) -> None:
    b = bench(version=version)
    b.ask(b.setup_request())
    assert b.ask(fragmentation.FragSessionDeleteReq(frag_index=0)) == [fragmentation.FragSessionDeleteAns(frag_index=0)]
    b.complete()
    assert b.device.stored is None
    assert b.ask(fragmentation.FragSessionDeleteReq(frag_index=0)) == [
        fragmentation.FragSessionDeleteAns(frag_index=0, session_does_not_exist=True)
    ]
    said = b.ask(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
    assert said == [] if version == "1.0.0" else said[0].session_does_not_exist


def test_a_deleted_session_leaves_its_counter_used_up(bench) -> None:
    b = bench(version="2.0.0")
    b.ask(b.setup_request())
    b.device.receive(201, b.frame(1), b.now)
    b.ask(fragmentation.FragSessionDeleteReq(frag_index=0))
    assert b.ask(b.setup_request())[0].session_cnt_replay


def test_an_image_stays_stored_when_its_session_is_deleted(bench) -> None:
    b = bench(process_time=100).ready().complete()
    b.ask(fragmentation.FragSessionDeleteReq(frag_index=0), within=5)
    assert b.device.stored == IMAGE
    b.wait(200)
    assert b.device.image == IMAGE


def test_a_refused_setup_of_2_0_0_keeps_the_session(bench) -> None:
    b = bench(version="2.0.0").ready()
    b.device.receive(201, b.frame(1), b.now)
    assert b.ask(b.setup_request(), within=10)[0].session_cnt_replay
    b.complete()
    assert b.device.stored == IMAGE


def test_a_block_report_is_repeated_an_uplink_period_apart(bench) -> None:
    b = bench(version="2.0.0", uplink_period=400).ready(ack_reception=True)
    times = b.complete().report_times(100_000)
    assert len(times) == N_BLOCK_REPORTS == 3
    assert 0 <= times[0] - (NOW + 101) <= 16
    assert np.diff(times) == pytest.approx(400)


@pytest.mark.parametrize("n_before", [0, 1, 2])
@pytest.mark.parametrize(
    "last_word",
    [
        fragmentation.FragDataBlockReceivedAns(frag_index=0),
        fragmentation.FragSessionDeleteReq(frag_index=0),
    ],
)
def test_a_block_report_ends_with_its_answer_or_the_session(bench, n_before, last_word) -> None:
    b = bench(version="2.0.0", uplink_period=400).ready(ack_reception=True, block_ack_delay=0).complete()
    assert len(b.report_times(16 + 400 * (n_before - 1) if n_before else -1)) == n_before
    b.send(last_word)
    assert b.report_times(100_000) == []


def test_the_answer_for_another_session_ends_no_block_report(bench) -> None:
    b = bench(version="2.0.0").ready(ack_reception=True).complete()
    b.send(fragmentation.FragDataBlockReceivedAns(frag_index=1))
    assert len(b.report_times(100_000)) == N_BLOCK_REPORTS


def test_devices_that_rebuilt_the_same_block_share_its_bytes(bench) -> None:
    a, b = bench().ready(), bench(rng=np.random.default_rng(2)).ready()
    for n in range(1, 6):
        a.cast(a.frame(n), n)
    for n in range(2, 26):
        b.cast(b.frame(n), n)
    a.answers(60)
    b.answers(60)
    assert a.device.image == IMAGE
    assert a.device.image is b.device.image
