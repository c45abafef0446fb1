"""Downlinks: frames and commands with their keys."""

from __future__ import annotations

import dataclasses

import pytest

from fuota_fec.agent.downlinks import DownlinkBuilder
from fuota_fec.campaign import messages as m
from fuota_fec.errors import CampaignError
from fuota_fec.wire import fragmentation, keys, multicast

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
NEW_VERSION = 0x02000000


@pytest.mark.parametrize("lorawan", ["1.0", "1.1"])
def test_the_group_key_in_a_setup_request_is_wrapped_for_the_device(config_of, desk_of, key_of, lorawan) -> None:
    desk = desk_of(config_of(lorawan=lorawan))
    desk.hears(1, 2)
    desk.step(2)
    assert len({d.payload for d in desk.network.taken}) == 2
    derive = {"1.0": keys.mc_root_key, "1.1": keys.mc_root_key_from_app_key}[lorawan]
    for downlink in desk.network.taken:
        [command] = multicast.decode(downlink.payload, uplink=False)
        ke_key = keys.mc_ke_key(derive(key_of(downlink.dev_eui)))
        assert keys.unwrap_mc_key(ke_key, command.mc_key_encrypted) == key_of("g")
    assert [e.command[6:22] for e in desk.of(m.Requested)] == [bytes(16)] * 2


def test_each_device_gets_its_own_mic(config_of, desk_of, key_of) -> None:
    desk = desk_of(config_of(group={"version": "2.0.0"}, session_cnt=9, descriptor="0a0b0c0d", ucast_msg_delay=0))
    desk.hears(1, 2)
    for i in (1, 2):
        desk.answers(i, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.step(1)
    downlinks = [d for d in desk.network.taken if d.f_port == 201]
    assert len(downlinks) == 2
    for downlink in downlinks:
        [command] = fragmentation.decode(downlink.payload, uplink=False, version="2.0.0")
        assert command.session_cnt == 9
        assert command.mic == keys.data_block_mic(
            keys.data_block_int_key(key_of(downlink.dev_eui)),
            session_cnt=9,
            frag_index=0,
            descriptor=b"\x0a\x0b\x0c\x0d",
            data=IMAGE,
        )
    requests = [e for e in desk.of(m.Requested) if e.f_port == 201]
    assert all(e.command.endswith(bytes(4)) for e in requests)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_frames_are_sent_as_they_were_prepared(config_of, desk_of, version) -> None:
    desk = desk_of(config_of(devices=(1,), group={"version": version}, ucast_msg_delay=0))
    desk.hears(1)
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.answers(1, 201, fragmentation.FragSessionSetupAns(frag_index=0))
    [started] = [e for e in desk.of(m.StageStarted) if e.sessions]
    time_to_start = int(started.sessions["g"].start - desk.now)
    desk.answers(1, 200, multicast.McClassCSessionAns(mc_group_id=0, time_to_start=time_to_start))
    served = 0
    while len(desk.network.taken) < 8:
        new = desk.network.taken[served:]
        served += len(new)
        due = desk.step(0, *(m.MulticastSummary(d.id) for d in new if d.group))
        assert due is not None
        desk.step(max(0.0, due - desk.now))
    block = desk.campaigns[0].block("g")
    frames = [d for d in desk.network.taken if d.group]
    assert [(d.group, d.f_port, d.f_cnt, d.payload) for d in frames] == [
        ("c/g", 201, n - 1, bytes(block.frame(n))) for n in range(1, 6)
    ]


def test_no_key_is_in_the_journal_or_in_a_repr(config_of, desk_of, key_of) -> None:
    shown: list[str] = []
    config = config_of(devices=(1,), group={"version": "2.0.0"})
    desk = desk_of(config, observer=lambda _campaign, event: shown.append(repr(event) + str(event.record())))
    desk.hears(1)
    desk.answers(1, 200, multicast.McGroupSetupAns(mc_group_id=0))
    desk.step(2)
    secrets = [bytes(key_of(f"{1:016x}")), bytes(key_of("g"))]
    for downlink in desk.network.taken:
        if downlink.f_port == 200:
            secrets.append(multicast.decode(downlink.payload, uplink=False)[0].mc_key_encrypted)
        else:
            secrets.append(fragmentation.decode(downlink.payload, uplink=False, version="2.0.0")[0].mic)
    secrets += [bytes(keys.mc_ke_key(keys.mc_root_key(key_of(f"{1:016x}"))))]
    text = "".join([*shown, repr(desk.agent), repr(desk.campaigns), repr(desk.network.groups)])
    for secret in secrets:
        assert secret.hex() not in text.lower()
        assert repr(secret)[2:-1] not in text


def test_a_request_whose_payload_has_another_digest_is_refused(config_of, desk_of, ring_of) -> None:
    desk = desk_of(config_of())
    desk.hears(1)
    [request] = desk.of(m.Requested)
    builder = DownlinkBuilder(ring_of(config_of()))
    assert builder.downlink(desk.campaigns[0], request) == desk.network.taken[0]
    altered = dataclasses.replace(request, command=b"\x01\x00")
    with pytest.raises(CampaignError, match="digest"):
        builder.downlink(desk.campaigns[0], altered)
