"""TS004 of a virtual device: fragmentation sessions, their fragments, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from fuota_fec.fleet.decoding import BlockReception, FragSession, Reception, image_of
from fuota_fec.fleet.quirks import MISSING, RECEIVED, has_room
from fuota_fec.wire import fragmentation, keys
from fuota_fec.wire.commands import Command

if TYPE_CHECKING:
    from fuota_fec.fleet.device import VirtualDevice

Answers: TypeAlias = Iterable[tuple[Command, float]]
"""Answers and the seconds after which each is sent."""


def frag_session_setup(device: VirtualDevice, command: fragmentation.FragSessionSetupReq, _now: float) -> Answers:
    """What is accepted replaces the session of its index, with the fragments that came in it."""
    profile, frag_index = device.profile, command.frag_index
    last = device._last_session_cnt.get(frag_index, -1)
    answer = fragmentation.FragSessionSetupAns(
        frag_index=frag_index,
        # Padding belongs to the last fragment; more of it than that leaves no such block.
        frag_algo_unsupported=command.frag_algo != 0 or command.padding >= command.frag_size,
        not_enough_memory=not has_room(profile, command),
        frag_index_unsupported=frag_index >= profile.n_sessions,
        session_cnt_replay=command.session_cnt is not None and command.session_cnt <= last,
    )
    known = device._sessions.get(frag_index)
    goes_on = known is not None and known.setup == command and not profile.setup_restarts
    if answer == fragmentation.FragSessionSetupAns(frag_index=frag_index) and not goes_on:
        open_session(device, command)
    yield answer, device.soon()


def open_session(device: VirtualDevice, setup: fragmentation.FragSessionSetupReq) -> None:
    """Sessions that have their decoder in common with it start afresh, as blocks of its shape."""
    profile = device.profile
    make = Reception if device.crowds is None else device.crowds.join
    solvable = profile.solvable_losses(setup.nb_frag)
    fresh = make(setup.nb_frag, setup.frag_size, device.version, profile.late_uncoded, solvable)
    slot = setup.frag_index % profile.n_decoders
    device.close_session(setup.frag_index)
    for frag_index, session in device._sessions.items():
        if frag_index % profile.n_decoders == slot:
            session.reception = fresh
            device._block_reports.pop(frag_index, None)
    device._sessions[setup.frag_index] = FragSession(setup, fresh)
    device._decoders[slot] = fresh


def frag_session_delete(device: VirtualDevice, command: fragmentation.FragSessionDeleteReq, _now: float) -> Answers:
    """An image that came in it stays stored."""
    missing = command.frag_index not in device._sessions
    device.close_session(command.frag_index)
    answer = fragmentation.FragSessionDeleteAns(frag_index=command.frag_index, session_does_not_exist=missing)
    yield answer, device.soon()


def data_fragment(
    device: VirtualDevice, command: fragmentation.DataFragment, now: float, group_id: int | None
) -> Answers:
    session = device._sessions.get(command.frag_index)
    if session is None or not session.takes(command, group_id):
        return ()
    begin(device, session)
    block = session.reception.push(command)
    if block is not None:
        block_came(device, session, block, now)
    return ()


def begin(device: VirtualDevice, session: FragSession) -> None:
    """A fragment was heard: the session's counter is used up."""
    session.begun = True
    if session.setup.session_cnt is not None:
        device._last_session_cnt[session.setup.frag_index] = session.setup.session_cnt


def block_came(device: VirtualDevice, session: FragSession, block: bytes, now: float) -> None:
    """The last fragment that was needed has come; the block still has its padding."""
    setup = session.setup
    image = image_of(block, setup.padding)
    checked = setup.ack_reception or not device.profile.mic_needs_ack_reception
    session.reception.mic_error = checked and setup.mic is not None and setup.mic != _mic(device, setup, image)
    if not session.reception.mic_error:
        device.store(image, now)
    if setup.ack_reception:
        device.report_block(setup.frag_index, now + _spread(device, session))


def _mic(device: VirtualDevice, setup: fragmentation.FragSessionSetupReq, image: bytes) -> bytes:
    assert setup.session_cnt is not None
    return keys.data_block_mic(
        keys.data_block_int_key(device.root_key),
        session_cnt=setup.session_cnt,
        frag_index=setup.frag_index,
        descriptor=setup.descriptor,
        data=image,
    )


def frag_data_block_received(
    device: VirtualDevice, command: fragmentation.FragDataBlockReceivedAns, _now: float
) -> Answers:
    device._block_reports.pop(command.frag_index, None)
    return ()


def frag_session_status(device: VirtualDevice, command: fragmentation.FragSessionStatusReq, _now: float) -> Answers:
    """It believes its own counts: with none missing, it is not among the participants that are asked for."""
    profile, frag_index = device.profile, command.frag_index
    session = device._sessions.get(frag_index)
    layout = profile.status_version(device.version)
    if session is not None and not session.begun and device.version in profile.blank_status:
        answer = fragmentation.FragSessionStatusAns(version=layout, frag_index=0, nb_frag_received=0, missing_frag=0)
    elif session is not None:
        answer = _status(device, frag_index, session.reception, layout)
    elif layout == "2.0.0":
        answer = fragmentation.FragSessionStatusAns(version=layout, session_does_not_exist=True)
    elif device.version in profile.status_without_session:
        answer = _status(device, frag_index, device._decoders.get(frag_index % profile.n_decoders), layout)
    else:
        return
    if command.participants or answer.missing_frag != 0:
        yield answer, device.soon() if session is None else _spread(device, session)


def _status(
    device: VirtualDevice, frag_index: int, reception: BlockReception | None, layout: str
) -> fragmentation.FragSessionStatusAns:
    """The answer that the counts of a decoder give; None: it was never used."""
    profile = device.profile
    if reception is None:
        return fragmentation.FragSessionStatusAns(
            version=layout, frag_index=frag_index, nb_frag_received=0, missing_frag=0
        )
    missing, full = MISSING[profile.missing_count](reception), reception.memory_full
    return fragmentation.FragSessionStatusAns(
        version=layout,
        frag_index=frag_index,
        nb_frag_received=RECEIVED[profile.received_count](reception),
        missing_frag=missing,
        not_enough_matrix_memory=full and layout == "1.0.0",
        memory_error=full and layout == "2.0.0",
        mic_error=reception.mic_error and not missing and layout == "2.0.0",
    )


def _spread(device: VirtualDevice, session: FragSession) -> float:
    """The random delay that keeps the answers of many devices apart (TS004, BlockAckDelay)."""
    return float(device.rng.random()) * (16 << session.setup.block_ack_delay)
