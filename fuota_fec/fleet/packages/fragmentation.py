"""TS004 of a virtual device: fragmentation sessions, their fragments and their status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from fuota_fec.devices.stack_quirks import Deletion, Overrun
from fuota_fec.errors import WireError
from fuota_fec.fleet.decoding import ERASED, Reception
from fuota_fec.fleet.device_state import DeviceState, FragSession
from fuota_fec.fleet.packages.package import Answers, Package
from fuota_fec.fleet.quirks import MISSING, RECEIVED, can_write, has_room
from fuota_fec.fleet.reception import BlockReception, NoReception
from fuota_fec.wire import fragmentation, keys
from fuota_fec.wire.commands import Command, UnknownCommand
from fuota_fec.wire.fragmentation import MAX_MISSING_FRAG

_SETUP = bytes((fragmentation.FragSessionSetupReq.CID,))
_SETUP_LEN = {"1.0.0": 11, "2.0.0": 17}
"""Bytes of FragSessionSetupReq, by dialect."""
_NB_FRAG = slice(2, 4)
"""NbFrag in these bytes."""

# ---- sessions --------------------------------------------------------------------------------------------


def _frag_session_setup(state: DeviceState, command: fragmentation.FragSessionSetupReq, _now: float) -> Answers:
    """An accepted request replaces the session of its FragIndex and the fragments of that session."""
    return _set_up(state, command, open_session)


def _set_up(
    state: DeviceState,
    command: fragmentation.FragSessionSetupReq,
    opens: Callable[[DeviceState, fragmentation.FragSessionSetupReq], None],
) -> Answers:
    profile, frag_index = state.profile, command.frag_index
    last = state.last_session_cnt.get(frag_index, -1)
    answer = fragmentation.FragSessionSetupAns(
        frag_index=frag_index,
        # Padding belongs to the last fragment; more padding than that leaves no such block.
        frag_algo_unsupported=command.frag_algo != 0
        or ("padding" in profile.setup_checks and command.padding >= command.frag_size),
        not_enough_memory=not has_room(profile, command),
        frag_index_unsupported=frag_index >= profile.n_sessions,
        session_cnt_replay=command.session_cnt is not None and command.session_cnt <= last,
    )
    known = state.sessions.get(frag_index)
    continues = known is not None and known.setup == command and not profile.setup_restarts
    if answer == fragmentation.FragSessionSetupAns(frag_index=frag_index) and not continues:
        opens(state, command)
    yield answer, state.answer_delay()


@dataclass(frozen=True, slots=True)
class SetupWithoutFrags(Command):
    """A FragSessionSetupReq of NbFrag 0. `setup` is it with NbFrag 1."""

    setup: fragmentation.FragSessionSetupReq

    def encode(self) -> bytes:
        one = self.setup.encode()
        return one[: _NB_FRAG.start] + bytes(2) + one[_NB_FRAG.stop :]


def setup_without_frags(state: DeviceState, payload: bytes) -> SetupWithoutFrags | None:
    """The setup of NbFrag 0 with which a payload begins; None if there is none, or the stack refuses it."""
    length = _SETUP_LEN[state.dialect]
    if "no_frags" in state.profile.setup_checks or payload[:1] != _SETUP:
        return None
    if len(payload) < length or any(payload[_NB_FRAG]):
        return None
    one = payload[: _NB_FRAG.start] + b"\1\0" + payload[_NB_FRAG.stop : length]
    try:
        [command] = fragmentation.decode(one, uplink=False, version=state.dialect)
    except WireError:
        return None
    return SetupWithoutFrags(command) if isinstance(command, fragmentation.FragSessionSetupReq) else None


def _set_up_nothing(state: DeviceState, command: SetupWithoutFrags, _now: float) -> Answers:
    return _set_up(state, command.setup, _open_empty_session)


def open_session(state: DeviceState, setup: fragmentation.FragSessionSetupReq) -> None:
    """Opens a session with a decoder, which may go on with counts of its last session.

    A decoder that goes on with a count of solved losses, or that other open sessions share, is one of the device's own.
    """
    profile, last = state.profile, _last_reception(state, setup)
    solved_before = last.solved_rows if last is not None and profile.second_session_fails else 0
    shared = _is_shared(state, setup.frag_index)
    make = Reception if state.batch is None or solved_before or shared else state.batch.join
    reception = make(
        setup.nb_frag,
        setup.frag_size,
        state.dialect,
        profile.late_uncoded,
        profile.solvable_losses(setup.nb_frag),
        profile.overrun,
        last_number=_outliving_number(state, last),
        memory_error=_outliving_error(state, last),
        hangs=profile.hangs_from is not None and setup.nb_frag >= profile.hangs_from,
    )
    if isinstance(reception, Reception):
        reception.count_from(solved_before)
        reception.shared = shared
    _use_decoder(state, _session(state, setup, reception))


def _open_empty_session(state: DeviceState, setup: fragmentation.FragSessionSetupReq) -> None:
    """Opens a session of no fragments."""
    last = _last_reception(state, setup)
    reception = NoReception(
        frag_size=setup.frag_size,
        ends=state.profile.overrun is Overrun.WRONG_BLOCK,
        last_number=_outliving_number(state, last),
        memory_full=_outliving_error(state, last),
    )
    session = _session(state, setup, reception)
    session.no_frags = True
    _use_decoder(state, session)
    for each in state.sessions.values():
        if each.reception is reception and not each.done:
            each.mic_error = _checks_mic(state, each.setup)


def _session(state: DeviceState, setup: fragmentation.FragSessionSetupReq, reception: BlockReception) -> FragSession:
    profile = state.profile
    return FragSession(
        setup, reception, checks_group=profile.checks_group_mask, any_frag_len=not profile.checks_frag_len
    )


def _is_shared(state: DeviceState, frag_index: int) -> bool:
    """Whether open sessions of another FragIndex have the same decoder."""
    n_decoders = state.profile.n_decoders
    others = [index for index, session in state.sessions.items() if session.open and index != frag_index]
    return any(index % n_decoders == frag_index % n_decoders for index in others)


def _last_reception(state: DeviceState, setup: fragmentation.FragSessionSetupReq) -> BlockReception | None:
    """Last use of the decoder of a session since the last reset; None if there is none."""
    number = setup.frag_index % state.profile.n_decoders
    return None if number in state.reset_decoders else state.decoders.get(number)


def _outliving_number(state: DeviceState, last: BlockReception | None) -> int:
    return last.last_number if last is not None and state.profile.counts_outlive_setup else 0


def _outliving_error(state: DeviceState, last: BlockReception | None) -> bool:
    return last is not None and last.memory_full and state.profile.memory_error_outlives_setup


def _use_decoder(state: DeviceState, session: FragSession) -> None:
    """Puts a session in the place of the one with its FragIndex. Other sessions with the same decoder lose their
    fragments and take the shape of its block. What they received before has other bytes once a fragment came since."""
    frag_index, n_decoders = session.setup.frag_index, state.profile.n_decoders
    number = frag_index % n_decoders
    last = state.decoders.get(number)
    written_over = last is not None and not last.complete and last.missing < last.n_frags
    state.reset_decoders.discard(number)
    state.close_session(frag_index)
    for other_index, other in state.sessions.items():
        if other_index % n_decoders == number:
            other.reception = session.reception
            other.mic_error = other.mic_error or (written_over and _checks_mic(state, other.setup))
            state.block_reports.pop(other_index, None)
    state.sessions[frag_index] = session
    state.decoders[number] = session.reception


def _frag_session_delete(state: DeviceState, command: fragmentation.FragSessionDeleteReq, _now: float) -> Answers:
    """Deletes the session. Its image, if it is complete, stays stored."""
    session, deletion = state.sessions.get(command.frag_index), state.profile.deletion
    missing = session is None or session.deleted
    if session is None or deletion is Deletion.STOPS:
        state.close_session(command.frag_index)
    else:
        session.deleted = True
        session.stopped = deletion is Deletion.STOPS_UNBEGUN and not session.begun
    answer = fragmentation.FragSessionDeleteAns(frag_index=command.frag_index, session_does_not_exist=missing)
    yield answer, state.answer_delay()


# ---- fragments -------------------------------------------------------------------------------------------


def receive_fragment(state: DeviceState, command: fragmentation.DataFragment, now: float, group: int | None) -> None:
    """Gives a fragment to the decoder of its session, if there is one that accepts it.

    A stack that does not look at the length takes as many bytes as the decoder's block has per fragment. Beyond the end
    of the message it reads its own memory, here zeros.
    """
    session = state.sessions.get(command.frag_index)
    if session is None or not session.accepts(command, group):
        return
    use_session_cnt(state, session)
    if session.stopped:
        return
    reception = session.reception
    if len(command.payload) != reception.frag_size:
        command = replace(command, payload=command.payload[: reception.frag_size].ljust(reception.frag_size, b"\0"))
    block = reception.push(command)
    session.done = reception.ended and not reception.complete and command.n > reception.n_frags
    if block is not None:
        complete_block(state, session, block, now)


def use_session_cnt(state: DeviceState, session: FragSession) -> None:
    """Uses up the session's counter, as its first fragment does."""
    session.begun = session.begun or not session.stopped
    if session.setup.session_cnt is not None:
        state.last_session_cnt[session.setup.frag_index] = session.setup.session_cnt


def complete_block(state: DeviceState, session: FragSession, block: bytes, now: float) -> None:
    """Checks and stores a complete block, which still has its padding, and plans its report where one is expected.
    Other sessions with the same decoder have the block as well, whatever they announced."""
    setup = session.setup
    if not can_write(state.profile, session.reception.frag_size):
        block = _erased(len(block))
    session.done = True
    for each in state.sessions.values():
        if each.reception is session.reception:
            each.mic_error = _checks_mic(state, each.setup) and _differs(state, each, block)
    if not session.mic_error or state.profile.stores_wrong_mic:
        state.store(_head_of(block, max(0, session.image_len)), now)
    if setup.ack_reception:
        state.report_block(setup.frag_index, now + _spread(state, session))


@lru_cache(maxsize=8)
def _erased(size: int) -> bytes:
    return ERASED * size


@lru_cache(maxsize=8)
def _head_of(block: bytes, size: int) -> bytes:
    """The first bytes of a block, and of the flash after it: one object for all devices that rebuilt the same block."""
    return block[:size].ljust(size, ERASED)


def _checks_mic(state: DeviceState, setup: fragmentation.FragSessionSetupReq) -> bool:
    return setup.mic is not None and (setup.ack_reception or not state.profile.mic_needs_ack_reception)


def _differs(state: DeviceState, session: FragSession, block: bytes) -> bool:
    """Whether a session announced another MIC than that of its bytes of a block, or a larger block. A MIC of no bytes
    is not announced by anybody."""
    setup, size = session.setup, session.image_len
    return not 0 < size <= len(block) or setup.mic != _mic(state, setup, _head_of(block, size))


def _mic(state: DeviceState, setup: fragmentation.FragSessionSetupReq, image: bytes) -> bytes:
    assert setup.session_cnt is not None
    return keys.data_block_mic(
        keys.data_block_int_key(state.root_key),
        session_cnt=setup.session_cnt,
        frag_index=setup.frag_index,
        descriptor=setup.descriptor,
        data=image,
    )


def _frag_data_block_received(
    state: DeviceState, command: fragmentation.FragDataBlockReceivedAns, _now: float
) -> Answers:
    report = state.block_reports.pop(command.frag_index, None)
    if report is not None and report.again and state.profile.report_sent_again:
        mic_error = state.sessions[command.frag_index].mic_error
        request = fragmentation.FragDataBlockReceivedReq(frag_index=command.frag_index, mic_error=mic_error)
        yield request, state.answer_delay()


# ---- status ----------------------------------------------------------------------------------------------


def _frag_session_status(state: DeviceState, command: fragmentation.FragSessionStatusReq, _now: float) -> Answers:
    """A request to devices with missing fragments only is answered unless none are missing, as the stack counts."""
    profile, frag_index = state.profile, command.frag_index
    if (report := state.block_reports.get(frag_index)) is not None:
        report.again = False
    session = state.sessions.get(frag_index)
    exists = session is not None and not session.deleted
    layout = profile.status_version(state.dialect)
    without_session = state.dialect in profile.status_without_session
    if not exists and layout == "1.0.0" and not without_session:
        return
    reception = state.decoders.get(frag_index % profile.n_decoders) if session is None else session.reception
    missing: int | None = None
    answer: Command
    if not exists and layout == "2.0.0" and not without_session:
        answer = fragmentation.FragSessionStatusAns(version=layout, session_does_not_exist=True)
    else:
        missing = 0 if reception is None else MISSING[profile.missing_count](reception)
        # A session that was never set up has a MIC of zeros.
        mic_error = missing == 0 and (session is None or session.mic_error) and layout == "2.0.0"
        if session is not None and not session.begun and state.dialect in profile.blank_status:
            answer = _status(state, 0, None, layout, mic_error=mic_error)
        else:
            answer = _status(state, frag_index, reception, layout, mic_error=mic_error)
        if not exists and layout == "2.0.0":
            answer = _without_session(answer)
    if command.participants or missing != 0:
        yield answer, _spread(state, session) if exists and session is not None else state.answer_delay()


def _status(
    state: DeviceState, frag_index: int, reception: BlockReception | None, layout: str, *, mic_error: bool
) -> fragmentation.FragSessionStatusAns:
    """The answer with the counts of a decoder; None is a decoder that was never used."""
    profile = state.profile
    if reception is None:
        return fragmentation.FragSessionStatusAns(
            version=layout, frag_index=frag_index, nb_frag_received=0, missing_frag=0, mic_error=mic_error
        )
    missing, full = MISSING[profile.missing_count](reception), reception.memory_full
    return fragmentation.FragSessionStatusAns(
        version=layout,
        frag_index=frag_index,
        nb_frag_received=RECEIVED[profile.received_count](reception),
        missing_frag=missing & MAX_MISSING_FRAG,
        not_enough_matrix_memory=full and layout == "1.0.0",
        memory_error=full and layout == "2.0.0",
        mic_error=mic_error,
    )


def _without_session(counts: fragmentation.FragSessionStatusAns) -> Command:
    """An answer that has SessionDoesNotExist and, beyond the specification, counts."""
    _, status, *rest = counts.encode()
    flags = fragmentation.FragSessionStatusAns(version="2.0.0", session_does_not_exist=True)
    return UnknownCommand(cid=counts.CID, payload=bytes((status | flags.encode()[1], *rest)))


def _spread(state: DeviceState, session: FragSession) -> float:
    """Random delay that spreads the answers of many devices (TS004, BlockAckDelay)."""
    return float(state.rng.random()) * (16 << session.setup.block_ack_delay)


FRAGMENTATION = Package(
    identifier=fragmentation.PACKAGE_IDENTIFIER,
    versions=fragmentation.VERSIONS,
    decode=fragmentation.decode,
    version_of=lambda state: state.dialect,
    handlers={
        fragmentation.FragSessionSetupReq: _frag_session_setup,
        SetupWithoutFrags: _set_up_nothing,
        fragmentation.FragSessionDeleteReq: _frag_session_delete,
        fragmentation.FragSessionStatusReq: _frag_session_status,
        fragmentation.FragDataBlockReceivedAns: _frag_data_block_received,
    },
)
