"""TS004 of a virtual device whose stack has one context for all sessions; see `StackQuirks.one_context`.

The payload is read byte by byte: after a fragment that is not of the active session, its payload is taken for commands.
An unknown command drops the answers to the whole message.
"""

from __future__ import annotations

from fuota_fec.fleet.device_state import DeviceState
from fuota_fec.fleet.packages.fragmentation import complete_block, open_session, use_session_cnt
from fuota_fec.fleet.packages.package import Answers, Joined
from fuota_fec.wire import fragmentation
from fuota_fec.wire.commands import Command, PackageVersionAns
from fuota_fec.wire.fragmentation import MAX_FRAG_NB, MAX_MISSING_FRAG

_LONGEST_ANSWER = 5
_SETUP_LEN = 10
"""Bytes of FragSessionSetupReq after its CID."""
_HEADER_LEN = 2
"""Bytes of DataFragment between its CID and its payload."""


class _Reader:
    """One message and its answers. `failed`: no answer is sent."""

    def __init__(self, state: DeviceState, payload: bytes, now: float) -> None:
        self.state, self.payload, self.now = state, payload, now
        self.at = 0
        self.answers: list[Command] = []
        self.delay: float | None = None
        self.failed = False

    def take(self, n: int = 1) -> bytes:
        """The next n bytes. Beyond the end of the message the stack reads its own memory, here zeros."""
        taken = self.payload[self.at : self.at + n].ljust(n, b"\0")
        self.at += n
        return taken

    def left(self) -> int:
        return len(self.payload) - self.at

    def run(self) -> None:
        longest = self.state.profile.max_answer_len
        while self.left() > 0 and not self.failed:
            used = sum(len(answer.encode()) for answer in self.answers)
            if longest is not None and longest - used < _LONGEST_ANSWER:
                return
            step = _STEPS.get(self.take()[0])
            if step is None:
                self.failed = True
                return
            step(self)

    # ---- commands ------------------------------------------------------------------------------------------

    def version(self) -> None:
        self.answers.append(PackageVersionAns(package_identifier=fragmentation.PACKAGE_IDENTIFIER, package_version=1))

    def status(self) -> None:
        state, context = self.state, self.state.context
        asked = self.take()[0]
        reception = state.decoders.get(0)
        received = n_received(state)
        missing = min(max(context.nb_frag - received, 0), MAX_MISSING_FRAG)
        if not asked & 1 and not missing:
            return
        answer = fragmentation.FragSessionStatusAns(
            frag_index=asked >> 1 & 3,
            nb_frag_received=received & MAX_FRAG_NB,
            missing_frag=missing,
            not_enough_matrix_memory=reception is not None and reception.memory_full,
        )
        self.answers.append(answer)
        self.delay = float(state.rng.random()) * (16 << (context.control & 7))

    def setup(self) -> None:
        if self.left() < _SETUP_LEN:
            self.failed = True
            return
        state, context = self.state, self.state.context
        frag_index = self.payload[self.at] >> 4 & 3
        other_is_active = _is_active(state) and context.frag_index != frag_index
        if other_is_active:
            self.take()
        else:
            request = self.take(_SETUP_LEN)
            reception = state.decoders.get(0)
            context.frag_index = frag_index
            context.nb_frag = int.from_bytes(request[1:3], "little")
            context.frag_size, context.control = request[3], request[4]
            context.n_other = 0 if reception is None else -reception.n_received
        profile = state.profile
        answer = fragmentation.FragSessionSetupAns(
            frag_index=frag_index,
            frag_algo_unsupported=bool(context.control >> 3 & 7),
            not_enough_memory=context.nb_frag > profile.max_frags or context.frag_size > profile.max_frag_size,
            frag_index_unsupported=other_is_active,
        )
        self.answers.append(answer)
        if answer == fragmentation.FragSessionSetupAns(frag_index=frag_index):
            state.erase()
            if context.nb_frag and context.frag_size:
                cid = bytes((fragmentation.FragSessionSetupReq.CID,))
                open_session(state, fragmentation.FragSessionSetupReq.from_bytes(cid + request))
                context.n_other = 0
            else:
                state.close_session(frag_index)

    def delete(self) -> None:
        state = self.state
        frag_index = self.take()[0] & 3
        exists = _is_active(state) and state.context.frag_index == frag_index
        if exists:
            state.close_session(frag_index)
        self.answers.append(
            fragmentation.FragSessionDeleteAns(frag_index=frag_index, session_does_not_exist=not exists)
        )

    def fragment(self) -> None:
        if self.left() < _HEADER_LEN:
            self.failed = True
            return
        state, context = self.state, self.state.context
        header = int.from_bytes(self.take(_HEADER_LEN), "little")
        frag_index, n = header >> 14, header & MAX_FRAG_NB
        session = state.sessions.get(frag_index)
        active = session is not None and _is_active(state) and frag_index == context.frag_index
        if session is None or not active or not n or self.left() < context.frag_size:
            context.n_other += 1
            return
        size = session.reception.frag_size
        if context.frag_size != size and state.profile.checks_frag_len:
            self.take(context.frag_size)
            context.n_other += 1
            return
        payload = self.payload[self.at : self.at + size].ljust(size, b"\0")
        self.take(context.frag_size)
        use_session_cnt(state, session)
        block = session.reception.push(fragmentation.DataFragment(frag_index=frag_index, n=n, payload=payload))
        if block is not None:
            complete_block(state, session, block, self.now)


_STEPS = {
    fragmentation.PackageVersionReq.CID: _Reader.version,
    fragmentation.FragSessionStatusReq.CID: _Reader.status,
    fragmentation.FragSessionSetupReq.CID: _Reader.setup,
    fragmentation.FragSessionDeleteReq.CID: _Reader.delete,
    fragmentation.DataFragment.CID: _Reader.fragment,
}
_CIDS = {b"", *(bytes((cid,)) for cid in _STEPS)}


def read(state: DeviceState, payload: bytes, now: float) -> Answers:
    """Carries out a message, which came by unicast or multicast. All its answers are one uplink."""
    reader = _Reader(state, payload, now)
    reader.run()
    if reader.failed and payload[0] != fragmentation.DataFragment.CID:
        state.n_garbage += 1
    if reader.failed or not reader.answers:
        return ()
    delay = state.answer_delay() if reader.delay is None else reader.delay
    return [(Joined(tuple(reader.answers)), delay)]


def only_counts(fragment: fragmentation.DataFragment) -> bool:
    """Whether the stack counts a fragment that is not of the active session, and does nothing else: its payload does
    not begin as a command."""
    return fragment.payload[:1] not in _CIDS


def n_received(state: DeviceState) -> int:
    """DataFragments received since the last setup request."""
    reception = state.decoders.get(0)
    return state.context.n_other + (0 if reception is None else reception.n_received)


def _is_active(state: DeviceState) -> bool:
    """Whether the one session is: that of the last setup."""
    session = state.sessions.get(state.context.frag_index)
    return session is not None and session.open and not session.reception.ended
