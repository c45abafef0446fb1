"""Questions of TS004: the fragmentation session, its status, and single fragments."""

from __future__ import annotations

import math
from dataclasses import replace

from fuota_fec.campaign import repair
from fuota_fec.campaign.questions.question import OK, Question, Verdict, data_complete, refusal, verdict_of
from fuota_fec.campaign.row_plan import UNKNOWN_LOSS
from fuota_fec.campaign.state import LAST_SESSION_CNT, CampaignState, DeviceState
from fuota_fec.devices.reported_loss import MOST_LOST
from fuota_fec.devices.status_reading import Completion, Reading, read_status
from fuota_fec.wire import firmware, fragmentation
from fuota_fec.wire.commands import Command

SESSION_CNT_STEP = 256
"""Increase of a SessionCnt that was too low; the answer does not report by how much."""

# ---- FragSessionSetup, FragSessionDelete -----------------------------------------------------------------


def _frag_session_setup_request(state: CampaignState, device: DeviceState, _now: float) -> Command:
    """Request with zeros for the MIC of dialect 2.0.0, which is put in at hand-over."""
    config, plan = state.config, state.groups[device.group.name].plan
    second = device.group.dialect == "2.0.0"
    return fragmentation.FragSessionSetupReq(
        version=device.group.dialect,
        frag_index=config.frag_index,
        mc_group_bit_mask=1 << device.group.mc_group_id,
        nb_frag=plan.n_frags,
        frag_size=plan.frag_size,
        block_ack_delay=plan.block_ack_delay,
        padding=plan.padding,
        descriptor=config.descriptor_bytes,
        ack_reception=plan.ack_reception,
        session_cnt=device.session_cnt if second else None,
        mic=bytes(4) if second else None,
    )


def _frag_session_setup_read(
    state: CampaignState, device: DeviceState, command: Command, _received_at: float
) -> Verdict | None:
    """Takes SessionCntReplay, before the first fragment, for a counter that is too low: asks once more with a higher
    one."""
    if not isinstance(command, fragmentation.FragSessionSetupAns) or command.frag_index != state.config.frag_index:
        return None
    verdict = verdict_of(command)
    only_replay = refusal(command) == "session_cnt_replay"
    if only_replay and not device.session_raised and device.session_cnt < LAST_SESSION_CNT:
        return Verdict(ok=False, reason=verdict.reason, again="now")
    return verdict


def _frag_session_setup_sent(state: CampaignState, device: DeviceState, _at: float) -> None:
    device.session_open = device.session_set_up = True
    if device.group.dialect == "2.0.0":
        device.last_session_cnt = device.session_cnt
    state.changed_devices.add(device.dev_eui)


def _raise_session_cnt(_state: CampaignState, device: DeviceState) -> None:
    device.session_raised = True
    device.session_cnt = min(device.session_cnt + SESSION_CNT_STEP, LAST_SESSION_CNT)


FRAG_SESSION_SETUP = Question(
    name="FragSessionSetup",
    port=lambda ports: ports.fragmentation,
    request=_frag_session_setup_request,
    read=_frag_session_setup_read,
    sent=_frag_session_setup_sent,
    again=_raise_session_cnt,
)


def _frag_session_delete_read(
    state: CampaignState, _device: DeviceState, command: Command, _received_at: float
) -> Verdict | None:
    """Takes a session that does not exist for deleted."""
    if isinstance(command, fragmentation.FragSessionDeleteAns) and command.frag_index == state.config.frag_index:
        return OK
    return None


def _frag_session_delete_sent(state: CampaignState, device: DeviceState, _at: float) -> None:
    """Forgets the session: it is unknown whether the device has it until it answers."""
    device.session_open = False
    state.changed_devices.add(device.dev_eui)


def _frag_session_delete_done(state: CampaignState, device: DeviceState) -> None:
    device.session_open = device.session_set_up = False
    state.changed_devices.add(device.dev_eui)


FRAG_SESSION_DELETE = Question(
    name="FragSessionDelete",
    port=lambda ports: ports.fragmentation,
    request=lambda state, _device, _now: fragmentation.FragSessionDeleteReq(frag_index=state.config.frag_index),
    read=_frag_session_delete_read,
    sent=_frag_session_delete_sent,
    done=_frag_session_delete_done,
    optional=True,
)
"""Delete before a setup. Some stacks do not know the command, and need none."""
CLOSE_FRAG_SESSION = replace(FRAG_SESSION_DELETE, optional=False)
"""Delete in the clean-up, which the device must confirm."""


# ---- FragSessionStatus -------------------------------------------------------------------------------------
def status_request(state: CampaignState, *, participants: bool) -> Command:
    return fragmentation.FragSessionStatusReq(frag_index=state.config.frag_index, participants=participants)


def _status_read(state: CampaignState, device: DeviceState, command: Command, _received_at: float) -> Verdict | None:
    """Reads a status, or the unsolicited report of a block (2.0.0). In the layout of 2.0.0 the status of a session that
    does not exist has no index."""
    if isinstance(command, fragmentation.FragDataBlockReceivedReq) and command.frag_index == state.config.frag_index:
        return Verdict(ok=False, reason="image not valid: MIC error") if command.mic_error else OK
    if not isinstance(command, fragmentation.FragSessionStatusAns):
        return None
    if command.frag_index not in (None, state.config.frag_index):
        return None
    group = state.groups[device.group.name]
    once = not group.plan.fec and group.round == 1
    n_sent = group.n_requested + device.n_repaired if once or group.plan.fec else None
    helped = group.plan.adaptive or state.config.unicast_repair_max > 0
    n_frags = group.plan.n_frags
    in_order = state.config.rows in (None, "first")
    reading = read_status(
        device.profile,
        command,
        n_frags,
        n_sent=n_sent,
        n_on_air=_on_air(state, device),
        counted_before=_counted_before(state, device, n_frags),
        once=once,
        can_be_helped=helped,
        in_order=in_order,
    )
    likely = reading.completion is Completion.LIKELY
    if reading.completion is Completion.UNKNOWN and state.config.kind == "firmware":
        likely = reading.needed is None  # The version will show it.
    ok = likely or reading.completion is Completion.COMPLETE
    return Verdict(
        ok=ok,
        reason="" if ok else reading.reason,
        note="complete by counts that are no proof" if likely else "",
        needed=reading.needed,
        loss=_news_of_loss(device, reading),
    )


def _on_air(state: CampaignState, device: DeviceState) -> int:
    """Number of fragments that the device may have heard in the campaign: one for each counter of its group, and
    repairs with all of their resends. A frame that is sent again with its counter is heard once."""
    group = state.groups[device.group.name]
    n_used = max(group.n_requested, group.next_f_cnt - group.plan.first_f_cnt)
    return n_used + device.n_repaired * (1 + state.config.msg_retries)


def _counted_before(state: CampaignState, device: DeviceState, n_frags: int) -> int:
    """Least number of fragments that the device reported earlier in the campaign, by the loss of that report; 0 if
    its loss is the configured one, or was reported as larger than is believed."""
    if device.loss is None or device.loss == state.config.loss_of(device.device) or device.loss >= MOST_LOST:
        return 0
    return math.floor(n_frags * (1 - device.loss))


def _news_of_loss(device: DeviceState, reading: Reading) -> float | None:
    """The reported loss. A lower bound is news only if it is above the loss that is expected of the device."""
    expected = UNKNOWN_LOSS if device.loss is None else device.loss
    if reading.loss is None or reading.loss_exact or reading.loss > expected:
        return reading.loss
    return None


FRAG_SESSION_STATUS = Question(
    name="FragSessionStatus",
    port=lambda ports: ports.fragmentation,
    request=lambda state, _device, _now: status_request(state, participants=True),
    read=_status_read,
    done=data_complete,
    volunteered=(fragmentation.FragDataBlockReceivedReq,),
)


# ---- repair by unicast -----------------------------------------------------------------------------------


def _no_command(_state: CampaignState, _device: DeviceState, _now: float) -> Command:
    raise AssertionError("a fragment has no command")


def _no_answer(_state: CampaignState, _device: DeviceState, _command: Command, _received_at: float) -> Verdict | None:
    return None


def _fragment_sent(_state: CampaignState, device: DeviceState) -> None:
    device.n_repaired += 1


DATA_FRAGMENT = Question(
    name="DataFragment",
    port=lambda ports: ports.fragmentation,
    request=_no_command,
    read=_no_answer,
    done=_fragment_sent,
    frag_nb=repair.frag_nb,
)


def _repair_status_read(
    state: CampaignState, device: DeviceState, command: Command, received_at: float
) -> Verdict | None:
    """Asks again, after further fragments, a device that still lacks some, while there are any left for it. A device
    that runs the target version needs none."""
    if isinstance(command, firmware.DevVersionAns) and state.config.kind == "firmware":
        runs_it = command.fw_version == state.config.firmware_version
        return Verdict(ok=True, fw_version=command.fw_version) if runs_it else None
    verdict = _status_read(state, device, command, received_at)
    if verdict is None or verdict.ok or verdict.needed is None:
        return verdict
    n_more = repair.more_for(state, device, verdict.needed)
    return replace(verdict, again="now", first=(DATA_FRAGMENT.name,) * n_more) if n_more else verdict


REPAIR_STATUS = replace(
    FRAG_SESSION_STATUS,
    read=_repair_status_read,
    volunteered=(fragmentation.FragDataBlockReceivedReq, firmware.DevVersionAns),
)
"""Status after the fragments of a repair. A device that reports its block, or the target version, before that needs no
further fragments."""
