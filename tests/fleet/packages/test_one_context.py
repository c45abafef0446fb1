"""TS004 of a stack with one context for all sessions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fuota_fec as ff
from fuota_fec.devices.profiles import profile
from fuota_fec.fleet.packages.one_context import n_received, only_counts
from fuota_fec.wire import fragmentation
from fuota_fec.wire.commands import PackageVersionAns
from fuota_fec.wire.fragmentation import DataFragment

ZEPHYR = replace(profile("zephyr"), max_loss_share=None, max_losses=3)


@pytest.fixture
def device(bench):
    b = bench(profile=ZEPHYR, reboots_alone=False)
    b.send(b.setup_request())
    b.answers(10)
    return b


def fragment(n: int, payload: bytes, frag_index: int = 0) -> bytes:
    return DataFragment(frag_index=frag_index, n=n, payload=payload).encode()


def status(b, frag_index=0):
    return b.ask(fragmentation.FragSessionStatusReq(frag_index=frag_index, participants=True))[0]


def test_a_complete_session_is_over(device) -> None:
    device.complete()
    [answer] = device.ask(fragmentation.FragSessionDeleteReq(frag_index=0))
    assert answer.session_does_not_exist


def test_every_fragment_is_counted_also_after_completion_and_of_other_sessions(device) -> None:
    device.device.receive(201, fragment(1, b"\xff" * 10, frag_index=2), device.now)
    assert (status(device).nb_frag_received, status(device).missing_frag) == (1, 4)
    device.complete()
    device.device.receive(201, fragment(6, b"\xff" * 10), device.now)
    assert (status(device, 3).nb_frag_received, status(device).missing_frag) == (7, 0)
    assert n_received(device.device) == 7


def test_the_payload_of_a_surplus_fragment_is_read_as_commands(device) -> None:
    device.complete()
    device.device.receive(201, fragment(6, bytes(10)), device.now)
    assert device.answers() == [PackageVersionAns(package_identifier=3, package_version=1)] * 4
    device.device.receive(201, fragment(7, b"\x00\x07" + bytes(8)), device.now)
    assert device.answers() == []


def test_a_setup_in_the_payload_clears_the_counts_or_erases_the_image(device) -> None:
    device.complete()
    refused = b"\x02\x00\xff\x3f\xff\x00\x00\x01\x02\x03\x04"
    device.device.receive(201, fragment(6, refused + b"\xff"), device.now)
    assert (status(device).nb_frag_received, status(device).missing_frag) == (0, 255)
    assert device.device.stored is not None
    accepted = b"\x02\x00\x07\x00\x0a\x00\x00\x01\x02\x03\x04"
    device.device.receive(201, fragment(7, accepted + b"\xff"), device.now)
    assert (status(device).nb_frag_received, status(device).missing_frag) == (0, 7)
    assert device.device.stored is None


def test_a_setup_of_another_session_is_refused_in_silence_while_one_is_active(device) -> None:
    request = device.setup_request(frag_index=1)
    assert device.ask(request) == []
    device.complete()
    [answer] = device.ask(request)
    assert answer == fragmentation.FragSessionSetupAns(frag_index=1)


def test_a_refused_setup_of_the_active_session_ends_its_reception(device) -> None:
    [answer] = device.ask(device.setup_request(nb_frag=300, frag_size=250))
    assert answer.not_enough_memory
    device.complete()
    assert device.device.stored is None
    assert status(device).missing_frag > 200


def test_status_is_answered_without_any_session(bench) -> None:
    answer = status(bench(profile=ZEPHYR))
    assert (answer.nb_frag_received, answer.missing_frag) == (0, 0)


@pytest.mark.parametrize("cut", ["0200", "0801"])
def test_a_message_that_is_cut_short_is_not_answered(device, cut) -> None:
    device.device.receive(201, bytes.fromhex("00" + cut), device.now)
    assert device.answers() == []
    assert device.device.n_garbage == 1


def test_requests_by_multicast_are_carried_out(device) -> None:
    device.device.receive(201, fragmentation.FragSessionDeleteReq(frag_index=0).encode(), device.now, group=2)
    assert device.answers() == [fragmentation.FragSessionDeleteAns(frag_index=0)]


def test_a_payload_that_begins_with_no_command_is_only_counted() -> None:
    for first in range(256):
        payload = bytes((first,)) + bytes(9)
        assert only_counts(DataFragment(frag_index=0, n=1, payload=payload)) is (first not in (0, 1, 2, 3, 8))


def test_a_third_of_the_devices_forget_that_they_are_complete_over_a_hundred_surplus_fragments(bench) -> None:
    """1 - (255/256)^100 = 32 %, for data without a pattern."""
    rng = np.random.default_rng(1)
    n_forgot = 0
    for _ in range(200):
        b = bench(profile=ZEPHYR)
        image = rng.bytes(60 * 16)
        block = ff.prepare(image, 16, n_coded=100)
        b.send(block.setup_request(mc_group_bit_mask=1, block_ack_delay=0))
        for frame in block.frames:
            b.device.receive(201, bytes(frame), b.now)
        b.answers()
        n_forgot += status(b).missing_frag > 0
    assert 40 < n_forgot < 90


def test_a_session_that_is_over_does_not_begin_again_after_one_of_another_index(device) -> None:
    """There is one session: that of the last setup."""
    device.complete()
    setup = replace(device.setup_request(), frag_index=1)
    device.send(setup)
    device.answers(10)
    deletes = [device.ask(fragmentation.FragSessionDeleteReq(frag_index=1))[0] for _ in range(2)]
    assert [answer.session_does_not_exist for answer in deletes] == [False, True]
    device.send(replace(setup, frag_index=2))
    [answer] = device.answers(10)
    assert answer.frag_index == 2


def test_a_refused_setup_of_an_earlier_session_does_not_begin_it_again(device) -> None:
    device.complete()
    device.send(replace(device.setup_request(), frag_index=1))
    device.ask(fragmentation.FragSessionDeleteReq(frag_index=1))
    device.ask(device.setup_request(nb_frag=300, frag_size=250))
    device.complete()
    assert device.device.stored is None


@pytest.mark.parametrize(("stack", "completes"), [("zephyr", True), ("zephyr-lowmem", False)])
def test_a_decoder_may_go_on_with_the_length_of_its_own_block(bench, stack, completes) -> None:
    device = bench(profile=profile(stack).replace(frag_size_multiple=1), reboots_alone=False)
    device.ask(device.setup_request())
    [refused] = device.ask(device.setup_request(frag_size=9, frag_algo=1))
    assert refused.frag_algo_unsupported
    device.complete()
    assert (device.device.stored is not None) is completes
