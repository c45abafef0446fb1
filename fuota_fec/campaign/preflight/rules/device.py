"""Rules about a device in its group: quirks of its stack, its keys, its downlinks. `limits.py` has those of its build.

A rule looks at the traits of a device, and at fields of its profile; never at the name of a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fuota_fec.campaign.own_limit import own_limit
from fuota_fec.campaign.plan import GroupPlan
from fuota_fec.campaign.preflight.context import ANY, FIRMWARE, TRANSFER, Context, DeviceTraits, n_counters
from fuota_fec.campaign.preflight.finding import Finding, Findings, Severity, info, refuse, warn
from fuota_fec.campaign.preflight.rules import limits
from fuota_fec.devices.data_rates import data_rate_problem
from fuota_fec.devices.profiles import Evidence, LateUncoded, MissingCount, RebootVerb
from fuota_fec.errors import ParameterError
from fuota_fec.radio.regions import region
from fuota_fec.wire.fragmentation import FragSessionSetupReq
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN
from fuota_fec.wire.lorawan import frequency_step_hz
from fuota_fec.wire.multicast import LAST_F_CNT, McClassCSessionReq, McGroupSetupReq

LAST_16_BIT_F_CNT = 0xFFFF


# --- Fragments -------------------------------------------------------------------------------------------------------


def _dialect(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    known = device.profile.dialects
    if plan.group.dialect not in known:
        yield refuse(
            f"the group's fragments are of TS004 {plan.group.dialect}, {device.profile.name} devices speak "
            f"{' or '.join(known)}: they would end with wrong bytes and no error",
            f'Put them into a group of dialect = "{known[-1]}".',
        )


_CAROUSEL: Mapping[LateUncoded, tuple[Severity, str]] = MappingProxyType(
    {
        LateUncoded.DROPPED: (
            "refuse",
            "drop an uncoded fragment below the last one received, so no round repairs them",
        ),
        LateUncoded.CORRUPTS: (
            "refuse",
            "take an uncoded fragment for a coded one once they have received a coded one, and end with wrong bytes",
        ),
        LateUncoded.UNKNOWN: ("warn", "are not known to accept an uncoded fragment that is late"),
    }
)


def _carousel(context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    late, window = device.profile.late_uncoded, context.config.summary_window
    if late is LateUncoded.CORRUPTS and plan.fec and window > 1:
        yield warn(
            f"summary_window = {window}: a fragment that no gateway sent is repeated after later ones; "
            f"{device.profile.name} devices {_CAROUSEL[late][1]}",
            "Set summary_window = 1.",
        )
    if plan.rounds < 2 or late not in _CAROUSEL:
        return
    severity, what = _CAROUSEL[late]
    hopeless = late is LateUncoded.CORRUPTS and bool(plan.sent_rows)
    if context.config.allow_carousel and not hopeless:
        severity = "warn"
    yield Finding(
        severity=severity,
        message=f"{plan.rounds} rounds of uncoded fragments: {device.profile.name} devices {what}",
        remedy="Send the uncoded fragments once, and repair with coded ones (redundancy).",
    )


def _rows(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    last_row = max(plan.sent_rows, default=0)
    if last_row > len(plan.sent_rows) and device.profile.any_row is Evidence.UNKNOWN:
        yield warn(
            f"coded fragments have rows up to {last_row}; {device.profile.name} devices are not known to solve any row",
            "Try it with one device, or leave rows out for 1, 2, 3 and so on.",
        )


def _second_session(_context: Context, _plan: GroupPlan, device: DeviceTraits) -> Findings:
    """The registry proves an earlier session, and never a reset since."""
    if not device.profile.second_session_fails:
        return
    what = f"{device.profile.name} devices end a second session since their last reset with wrong bytes, or never"
    if device.earlier_session:
        yield warn(
            f"{what}; an earlier campaign opened a session of these devices", "Reset them before the campaign starts."
        )
    else:
        yield info(f"{what}: they must be reset before this campaign if one was opened before, and before each retry")


def _mic(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    if plan.group.dialect == "2.0.0" and device.profile.mic_needs_ack_reception and not plan.ack_reception:
        yield warn(
            f"{device.profile.name} devices check the MIC of the image with ack_reception only, and it is off",
            "Set ack_reception = true, or have their boot loader check a signature in the image.",
        )


def _status(context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    p = device.profile
    if context.config.kind == "firmware":
        if plan.adaptive and not p.answers_status:
            yield warn(
                f"{p.name} devices do not answer FragSessionStatusReq: missing fragments show only when a device does "
                "not run the new version",
                "Put them into a group with a fixed redundancy.",
            )
    elif not p.answers_status:
        yield refuse(
            f"{p.name} devices do not answer FragSessionStatusReq, by which a binary transfer is judged",
            "Plan a firmware campaign, which asks for the version that runs.",
        )
    elif p.missing_count is MissingCount.LOST:
        yield warn(
            f"MissingFrag of {p.name} devices counts losses and never goes down: a repaired block looks unfinished",
            "Read it as a hint, or plan a firmware campaign, which asks for the version that runs.",
        )


# --- Group, keys, downlinks ------------------------------------------------------------------------------------------


def _mc_version(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    known = device.profile.mc_versions
    if plan.group.mc_version not in known:
        yield warn(
            f"the group uses TS005 {plan.group.mc_version}, {device.profile.name} devices speak {' or '.join(known)}",
            f'Put them into a group of mc_version = "{known[-1]}".',
        )


def _f_cnt_16_bits(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    n_frames = n_counters(plan)
    if device.profile.first_f_cnt_16_bits and LAST_16_BIT_F_CNT < plan.first_f_cnt + n_frames <= LAST_F_CNT:
        yield refuse(
            f"the group's counter {plan.first_f_cnt} and {n_frames} frames exceed {LAST_16_BIT_F_CNT}; "
            f"{device.profile.name} devices take the first frame's 16 bits for the whole counter",
            "Give the group a new mc_addr and McKey, and first_f_cnt = 0.",
        )


def _data_rate(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    area = region(plan.group.region)
    if problem := data_rate_problem(device.profile, area.data_rate(plan.group.downlink_dr)):
        older = [dr for dr in area.usable_drs(dwell_time=plan.group.dwell_time) if not area.data_rate(dr).since]
        yield refuse(
            problem,
            f"Set dr to one of {', '.join(map(str, older))}, or, "
            f"{own_limit(device.profile, 'new_data_rates', 'true')}.",
        )


def _dwell_time(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    group, rate = plan.group, region(plan.group.region).data_rate(plan.group.downlink_dr)
    limit = rate.max_app_payload_dwell
    if not device.profile.starts_with_dwell_time or group.dwell_time or limit is None:
        return
    if DATA_FRAGMENT_HEADER_LEN + plan.frag_size > limit:
        yield warn(
            f"{device.profile.name} devices apply the 400 ms limit until the network sends TxParamSetupReq: they drop "
            f"fragments of {plan.frag_size} bytes at {rate}, which takes {limit} bytes of payload under it",
            "Have the network send TxParamSetupReq with DownlinkDwellTime 0, or set dwell_time = true for the group.",
        )


def _channels(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    group, p = plan.group, device.profile
    if group.dl_frequency_hz == 0 and p.class_b_hopping is False:
        yield refuse(
            f"without a frequency class B hops over the channels of {group.region}, {p.name} devices refuse that",
            f"Set frequency = {group.frequency_hz}.",
        )
    elif frequency_step_hz(group.frequency_hz) != frequency_step_hz(0) and p.sessions_2g4 is False:
        yield refuse(
            f"{p.name} devices read DLFrequency in steps of 100 Hz and refuse sessions at 2.4 GHz",
            f"Use another region, or, {own_limit(p, 'sessions_2g4', 'true')}.",
        )


def _device_class(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    able = {"B": device.profile.class_b, "C": device.profile.class_c}[plan.group.device_class]
    if able is True:
        return
    other = {"B": "C", "C": "B"}[plan.group.device_class]
    what = f"the session is of class {plan.group.device_class}, which {device.profile.name} devices"
    remedy = f'Put them into a group of device_class = "{other}", or leave them out.'
    yield refuse(f"{what} cannot open", remedy) if able is False else warn(f"{what} are not known to open", remedy)


def _root_key(_context: Context, _plan: GroupPlan, device: DeviceTraits) -> Findings:
    if not device.root_key_known:
        key, note = {"1.0": ("GenAppKey", ", which need not be its AppKey"), "1.1": ("AppKey", "")}[device.lorawan]
        yield refuse(
            f"no {key} in the key ring, so the McKey cannot be sent to the LoRaWAN {device.lorawan} device",
            f"Add the device's {key}{note}, to root_keys.",
        )


_SESSION_LEN = len(McClassCSessionReq(mc_group_id=0, session_time=0, time_out=0, dl_frequency_hz=0, dr=0).encode())
_MC_GROUP_SETUP_LEN = len(
    McGroupSetupReq(mc_group_id=0, mc_addr=0, mc_key_encrypted=bytes(16), min_mc_fcnt=0, max_mc_fcnt=0).encode()
)
_FRAG_SETUP_LEN = {
    dialect: len(
        FragSessionSetupReq(
            version=dialect,
            frag_index=0,
            mc_group_bit_mask=1,
            nb_frag=1,
            frag_size=1,
            block_ack_delay=0,
            padding=0,
            descriptor=bytes(4),
            session_cnt=session_cnt,
            mic=mic,
        ).encode()
    )
    for dialect, session_cnt, mic in (("1.0.0", None, None), ("2.0.0", 0, bytes(4)))
}


def _downlink_len(context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    area = region(plan.group.region)
    known = device.downlink_dr is not None
    dr = area.rx2_dr if device.downlink_dr is None else device.downlink_dr
    severity: Severity = "refuse" if known else "warn"
    try:
        most = area.max_app_payload(
            dr,
            dwell_time=plan.group.dwell_time,
            repeater=context.config.repeater,
            revision=device.profile.regional_revision,
        )
    except ParameterError as error:
        yield Finding(
            severity=severity,
            message=f"unicast downlinks: {error}",
            remedy="Give the device a downlink_dr of its region.",
        )
        return
    requests = {"McGroupSetupReq": _MC_GROUP_SETUP_LEN, f"McClass{plan.group.device_class}SessionReq": _SESSION_LEN}
    if context.config.kind in TRANSFER:
        requests["FragSessionSetupReq"] = _FRAG_SETUP_LEN[plan.group.dialect]
    too_long = " and ".join(f"{name} of {length} bytes" for name, length in requests.items() if length > most)
    if too_long:
        where = f"DR{dr} of {plan.group.region}" + (" under the dwell-time limit" if plan.group.dwell_time else "")
        guess = "" if known else " (the region's default RX2: its own data rate is not known)"
        yield Finding(
            severity=severity,
            message=f"{too_long}: a downlink at {where} takes {most}{guess}",
            remedy="Have the network send these downlinks at a faster data rate (RX1, or RX2 by RXParamSetupReq), and "
            "set downlink_dr to it.",
        )


# --- Firmware --------------------------------------------------------------------------------------------------------


def _ts006(_context: Context, _plan: GroupPlan, device: DeviceTraits) -> Findings:
    if device.profile.ts006 is False:
        yield warn(
            f"{device.profile.name} devices have no TS006: they cannot be asked which version runs, so the update is "
            "not proved",
            "Add the package to the devices' application, or leave them out: a device that does not report its version "
            "fails.",
        )


def _upgrade_image(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    if not plan.sent_rows and device.profile.tells_image is False:
        yield warn(
            "without coded fragments DevUpgradeImageReq decides about a further round, and "
            f"{device.profile.name} devices always answer that there is no image",
            "Send coded fragments (redundancy).",
        )


def _reboot(context: Context, _plan: GroupPlan, device: DeviceTraits) -> Findings:
    p = device.profile
    if context.config.reboot == "device":
        if p.reboots_alone is False:
            yield warn(
                f"{p.name} devices reboot into the new image on request only, and the campaign sends no such request",
                "Set reboot to a time, or have their application reboot when the image is complete.",
            )
        return
    if p.reboot_verb is RebootVerb.NONE:
        yield refuse(
            f"the campaign requests a reboot, which {p.name} devices do not support",
            "Leave the reboot to the devices, and have their application do it.",
        )
        return
    timed = context.config.reboot_time is not None
    if timed and p.reboots_alone and p.reboot_verb not in (RebootVerb.TIME, RebootVerb.EITHER):
        yield warn(
            f"{p.name} devices reboot as soon as the image is complete, not at the time that is set",
            "Leave the reboot to the devices if that is acceptable.",
        )
    delay = context.reboot_in
    if delay is not None and p.max_reboot_delay is not None and delay > p.max_reboot_delay:
        yield refuse(
            f"the reboot is {delay:.0f} s ahead, {p.name} devices count at most {p.max_reboot_delay} s",
            "Plan an earlier reboot.",
        )


Check = Callable[[Context, GroupPlan, DeviceTraits], Findings]

RULES: Mapping[str, tuple[frozenset[str], Check]] = MappingProxyType(
    {
        "dialect": (TRANSFER, _dialect),
        **limits.RULES,
        "carousel": (TRANSFER, _carousel),
        "rows": (TRANSFER, _rows),
        "second_session": (TRANSFER, _second_session),
        "mic": (TRANSFER, _mic),
        "status": (TRANSFER, _status),
        "mc_version": (ANY, _mc_version),
        "f_cnt_16_bits": (ANY, _f_cnt_16_bits),
        "data_rate": (ANY, _data_rate),
        "dwell_time": (TRANSFER, _dwell_time),
        "channels": (ANY, _channels),
        "device_class": (ANY, _device_class),
        "root_key": (ANY, _root_key),
        "downlink_len": (ANY, _downlink_len),
        "ts006": (FIRMWARE, _ts006),
        "upgrade_image": (FIRMWARE, _upgrade_image),
        "reboot": (FIRMWARE, _reboot),
    }
)
