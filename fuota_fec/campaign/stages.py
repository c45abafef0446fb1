"""What a campaign does, stage by stage. A stage is a row: what is asked, how the answer reads, when it begins.

The unicast exchange carries every request through in the same way (`exchange`), the multicast exchange every
fragment (`transmission`); the machine goes from row to row and knows none by name. A command that a row does
not read is foreign in its stage: counted, and without effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from fuota_fec.campaign.config import Ports
from fuota_fec.campaign.messages import Session
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.planning import schedule
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command

CLOCK_MARGIN = 10.0
"""s beyond time_tolerance up to which a device's clock is only worth a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer means: success, failure for a reason, or (final=False) something to ask again about."""

    ok: bool
    reason: str = ""
    final: bool = True
    fw_version: int | None = None


Request = Callable[[CampaignState, DeviceState], Command]
Read = Callable[[CampaignState, DeviceState, Command, float], Verdict | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    name: str
    port: Callable[[Ports], int]
    request: Request | None = None
    """The unicast command for a device; None: the stage is the multicast transmission."""
    read: Read | None = None
    """What an answer, received at a Unix time, means; None for one that does not belong here."""
    sessions: Callable[[CampaignState, float], dict[str, Session]] | None = None
    """The sessions that are fixed when the stage begins, by group."""
    ends_at: Callable[[CampaignState], float | None] = lambda _: None
    """Unix time at which the stage is over, whoever has not answered."""
    not_before: Callable[[CampaignState], float] | None = None
    """Unix time before which nothing is asked, and after which a device must be heard anew; None: neither."""
    volunteered: bool = False
    """Whether an answer counts that was not asked for."""
    already: Callable[[CampaignState, DeviceState], bool] = lambda _state, _device: False
    """Whether a device counts as done without being asked."""
    bounded: bool = True
    """Whether the campaign's maximum duration ends it."""


def refusal(command: Command) -> str:
    """The names of the error flags that are set in an answer; empty if it is none."""
    values = [(f.name, getattr(command, f.name)) for f in fields(command)]  # type: ignore[arg-type]
    return ", ".join(name for name, value in values if value is True or (name == "other_errors" and value))


def configured_start(state: CampaignState) -> float | None:
    """A configured session start is the deadline of the stages before it."""
    return state.config.session_start


def first_session(state: CampaignState) -> float | None:
    """A session request whose start has passed is refused."""
    return min(session.start for session in state.sessions.values())


def _verdict(command: Command) -> Verdict:
    bits = refusal(command)
    name = type(command).__name__.removesuffix("Ans")
    return Verdict(ok=not bits, reason=f"refused in {name}: {bits}" if bits else "")


# ---- McGroupSetup ----------------------------------------------------------------------------------------


def mc_group_setup_request(state: CampaignState, device: DeviceState) -> Command:
    """The McKey is put in at hand-over; the counters cover the planned frames with room to spare."""
    group, plan = device.group, state.plan.groups[device.group.name]
    first = group.first_f_cnt
    width = int(plan.n_frames * state.config.mcgroup_validity_coeff)
    return multicast.McGroupSetupReq(
        mc_group_id=group.mc_group_id,
        mc_addr=int(group.mc_addr, 16),
        mc_key_encrypted=bytes(16),
        min_mc_fcnt=first,
        max_mc_fcnt=min(first + width, multicast.LAST_F_CNT),
    )


def mc_group_setup_read(_state: CampaignState, device: DeviceState, command: Command, _at: float) -> Verdict | None:
    if isinstance(command, multicast.McGroupSetupAns) and command.mc_group_id == device.group.mc_group_id:
        return _verdict(command)
    return None


# ---- FragSessionSetup ------------------------------------------------------------------------------------


def frag_session_setup_request(state: CampaignState, device: DeviceState) -> Command:
    """In dialect 2.0.0 the device's own MIC is put in at hand-over."""
    config, plan = state.config, state.plan.groups[device.group.name]
    second = device.group.version == "2.0.0"
    return fragmentation.FragSessionSetupReq(
        version=device.group.version,
        frag_index=config.frag_index,
        mc_group_bit_mask=1 << device.group.mc_group_id,
        nb_frag=plan.n_frags,
        frag_size=plan.frag_size,
        block_ack_delay=plan.block_ack_delay,
        padding=plan.padding,
        descriptor=config.descriptor_bytes,
        session_cnt=config.session_cnt if second else None,
        mic=bytes(4) if second else None,
    )


def frag_session_setup_read(state: CampaignState, _device: DeviceState, command: Command, _at: float) -> Verdict | None:
    if isinstance(command, fragmentation.FragSessionSetupAns) and command.frag_index == state.config.frag_index:
        return _verdict(command)
    return None


# ---- McClassCSession -------------------------------------------------------------------------------------


def class_c_sessions(state: CampaignState, now: float) -> dict[str, Session]:
    """One start and time-out per group, the same in every resend."""
    config, plan = state.config, state.plan
    sessions = {}
    for name, group in plan.groups.items():
        start = config.session_start
        if start is None:
            start = schedule.session_start(
                now,
                n_devices=sum(d.taking_part for d in state.devices.values()),
                ucast_msg_delay=config.ucast_msg_delay / 1000,
                msg_retries=config.msg_retries,
                slowest_period=plan.slowest_period,
                delivery_timeout=config.delivery_timeout,
                late_answer_time=config.stage_complete_delay * plan.slowest_period,
                margin=config.mcsession_delay,
            )
        needed = group.session_length
        sessions[name] = Session(
            start=start, time_out=schedule.session_time_out(needed, max(needed, state.deadline - start))
        )
    return sessions


def class_c_session_request(state: CampaignState, device: DeviceState) -> Command:
    session = state.sessions[device.group.name]
    return multicast.McClassCSessionReq(
        mc_group_id=device.group.mc_group_id,
        session_time=gps_to_wire(gps_from_unix(session.start)),
        time_out=session.time_out,
        dl_frequency_hz=device.group.frequency_hz,
        dr=device.group.dr,
    )


def class_c_session_read(state: CampaignState, device: DeviceState, command: Command, at: float) -> Verdict | None:
    """TimeToStart is the only proof that the device's clock is right: it is held against the plan."""
    if not isinstance(command, multicast.McClassCSessionAns) or command.mc_group_id != device.group.mc_group_id:
        return None
    if command.time_to_start is None:
        return _verdict(command)
    if command.time_to_start == multicast.TIME_TO_START_UNKNOWN:
        return Verdict(ok=False, reason="clock off: the device does not know the time")
    off = at + command.time_to_start - state.sessions[device.group.name].start
    if abs(off) > state.config.time_tolerance + CLOCK_MARGIN:
        return Verdict(ok=False, reason=f"clock off by {off:.0f} s")
    return Verdict(ok=True)


# ---- CompletionVerification ------------------------------------------------------------------------------


def dev_version_request(_state: CampaignState, _device: DeviceState) -> Command:
    return firmware.DevVersionReq()


def dev_version_read(state: CampaignState, _device: DeviceState, command: Command, _at: float) -> Verdict | None:
    if not isinstance(command, firmware.DevVersionAns):
        return None
    ok = command.fw_version == state.config.firmware_version
    reason = "" if ok else f"wrong version {dotted(command.fw_version)}"
    return Verdict(ok=ok, final=ok, reason=reason, fw_version=command.fw_version)


def dotted(version: int) -> str:
    """0x01020304 as 1.2.3.4."""
    return ".".join(map(str, version.to_bytes(4, "big")))


# ---- the table -------------------------------------------------------------------------------------------

FIRMWARE_UPDATE: tuple[Stage, ...] = (
    Stage(
        name="McGroupSetup",
        port=lambda ports: ports.multicast,
        request=mc_group_setup_request,
        read=mc_group_setup_read,
        ends_at=configured_start,
    ),
    Stage(
        name="FragSessionSetup",
        port=lambda ports: ports.fragmentation,
        request=frag_session_setup_request,
        read=frag_session_setup_read,
        ends_at=configured_start,
    ),
    Stage(
        name="McClassCSession",
        port=lambda ports: ports.multicast,
        request=class_c_session_request,
        read=class_c_session_read,
        sessions=class_c_sessions,
        ends_at=first_session,
    ),
    Stage(name="DlFragment", port=lambda ports: ports.fragmentation),
    Stage(
        name="CompletionVerification",
        port=lambda ports: ports.firmware,
        request=dev_version_request,
        read=dev_version_read,
        not_before=lambda state: state.sent_until + state.config.fuota_process_max_time,
        volunteered=True,
        already=lambda state, device: device.fw_version == state.config.firmware_version,
        bounded=False,
    ),
)
