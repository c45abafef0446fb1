"""Rules about a group: its radio, its fragments, its counter, its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fuota_fec.devices.planned import PlannedCampaign, PlannedGroup
from fuota_fec.devices.rules.remark import ANY, TRANSFER, Remark, Remarks
from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration
from fuota_fec.radio.regions import DATA_FRAGMENT_HEADER_LEN
from fuota_fec.wire.fragmentation import MAX_FRAG_NB
from fuota_fec.wire.multicast import LAST_F_CNT

MAX_ANSWER_RATE = 5.0
"""Answers a second and group above which the uplinks of a group collide too often."""
MIN_SPACING = 2.0
"""s from frame to frame that a device needs to store a fragment, or to work a coded one into what it has."""
SHORTEST_SPREAD = 16
"""s over which a group's answers are always spread: BlockAckDelay 0 (TS004)."""


def _no_devices(campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    if not campaign.devices_of(group):
        yield Remark("warn", "the group has no devices, expected at least one", "Leave it out, or put devices into it.")


def _data_rate(campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    try:
        most = group.max_app_payload() - DATA_FRAGMENT_HEADER_LEN
    except ParameterError as error:
        yield Remark("refuse", str(error), "Give the group another dr.")
        return
    if group.frag_size > most and campaign.kind in TRANSFER:
        yield Remark(
            "refuse",
            f"fragments have {group.frag_size} bytes, DR{group.dr} of {group.region} takes at most {most}",
            f"Set fsize to {most} or less, or give the group a faster dr.",
        )


def _frequency(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    try:
        group.duty_cycle()
    except ParameterError as error:
        yield Remark("refuse", str(error), "Give the group a frequency of its region.")


def _duty_cycle(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    try:
        allowed, on_air = group.duty_cycle(), group.frame_time()
    except ParameterError:
        return  # another rule's affair
    if allowed < 1 and on_air > group.spacing * allowed * 1.001:
        every = f"every {group.spacing:g} s" if group.spacing else "without a pause"
        yield Remark(
            "warn",
            f"a frame of {on_air:.3f} s {every}; a gateway may use {allowed:.1%} of the time on this frequency",
            f"Set mcast_msg_delay to {math.ceil(1000 * on_air / allowed)} or more, unless gateways share the frames "
            "out, or give the group another frequency.",
        )


def _spacing(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    if group.spacing < MIN_SPACING:
        yield Remark(
            "warn",
            f"a frame every {group.spacing:g} s, expected {MIN_SPACING:g} s or more: a device must store each one, "
            "and read back up to half of the others for a coded one",
            "Raise mcast_msg_delay unless the devices are known to be faster.",
        )


def _frag_nb(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    last = group.n_frags + group.max_row
    if last > MAX_FRAG_NB:
        yield Remark(
            "refuse",
            f"fragment numbers go up to {last} ({group.n_frags} uncoded fragments, coded row {group.max_row}), "
            f"expected at most {MAX_FRAG_NB}",
            "Use larger fragments (fsize, a faster dr), less redundancy or smaller rows, or send a smaller image.",
        )


def _n_frags(campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    held = group.n_frags * group.frag_size
    if held < campaign.image_len:
        yield Remark(
            "refuse",
            f"{group.n_frags} fragments of {group.frag_size} bytes hold {held} bytes, expected {campaign.image_len}",
            f"Plan {-(-campaign.image_len // group.frag_size)} fragments.",
        )
    if group.n_frags == 1 and group.n_coded:
        yield Remark(
            "warn",
            f"the image is a single fragment: coded ones are all zeros, the {group.n_coded} planned repair nothing",
            "Set a smaller fsize.",
        )


def _session_length(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    longest = session_duration(LONGEST_TIME_OUT, device_class=group.device_class)
    if group.session_length > longest:
        yield Remark(
            "refuse",
            f"the planned frames take {group.session_length:.0f} s, a class {group.device_class} session lasts at most "
            f"{longest} s (TimeOut {LONGEST_TIME_OUT})",
            "Send fewer bytes (a delta, less redundancy), use a faster dr, or lower a long mcast_msg_delay.",
        )


def _f_cnt_end(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    if group.first_f_cnt + group.n_frames > LAST_F_CNT:
        yield Remark(
            "refuse",
            f"the group's counter {group.first_f_cnt} and {group.n_frames} frames exceed {LAST_F_CNT}, its last value",
            "Give the group a new mc_addr and McKey, and first_f_cnt = 0.",
        )


def _gateways(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    if group.n_gateways == 0:
        yield Remark("refuse", "no gateway sends to the group", "Give the group gateways at the network server.")


def _mc_key(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    if not group.mc_key_known:
        yield Remark("refuse", "the group's McKey is not in the key ring", "Add it to mc_keys: any 16 random bytes.")


def _no_mic(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    if group.version == "1.0.0":
        yield Remark(
            "info", "TS004 1.0.0 has no MIC: a device that rebuilt a wrong image learns it from a signature in it alone"
        )


def _answer_rate(campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    devices = campaign.devices_of(group)
    n_devices = len(devices)
    if not n_devices:
        return
    together = campaign.asks_status_by_multicast(group) or (group.version == "2.0.0" and group.ack_reception)
    at_once = n_devices / group.answer_spread
    if together and at_once > MAX_ANSWER_RATE:
        yield Remark(
            "warn",
            f"{n_devices} devices answer within {group.answer_spread} s: {at_once:.1f} a second, expected at most "
            f"{MAX_ANSWER_RATE:g}",
            f"Split it into groups of at most {int(MAX_ANSWER_RATE * SHORTEST_SPREAD)} devices.",
        )
    rate = sum(1 / device.uplink_period for device in devices)
    if campaign.ucast_msg_delay:
        rate = min(rate, 1 / campaign.ucast_msg_delay)
    text = f"{n_devices} devices: about {rate:.2g} answers a second in the unicast stages"
    if together:
        text += f", {at_once:.2g} when all answer within {group.answer_spread} s"
    yield Remark("info", text)


def _frames(_campaign: PlannedCampaign, group: PlannedGroup) -> Remarks:
    rounds = f"{group.rounds} rounds of " if group.rounds > 1 else ""
    most = "up to " if group.adaptive else ""
    planned = " of the first round" if group.adaptive else ""
    yield Remark(
        "info",
        f"{rounds}{group.n_frags} uncoded and {most}{group.n_coded} coded fragments of {group.frag_size} bytes: "
        f"{most}{group.n_frames} frames, one every {group.spacing:.1f} s, "
        f"the last{planned} {group.session_length:.0f} s after the session's start; "
        f"counters {group.first_f_cnt} to {group.first_f_cnt + group.n_frames - 1}",
    )


Check = Callable[[PlannedCampaign, PlannedGroup], Remarks]

RULES: Mapping[str, tuple[frozenset[str], Check]] = MappingProxyType(
    {
        "no_devices": (ANY, _no_devices),
        "data_rate": (ANY, _data_rate),
        "frequency": (ANY, _frequency),
        "duty_cycle": (TRANSFER, _duty_cycle),
        "spacing": (TRANSFER, _spacing),
        "frag_nb": (TRANSFER, _frag_nb),
        "n_frags": (TRANSFER, _n_frags),
        "session_length": (TRANSFER, _session_length),
        "f_cnt_end": (ANY, _f_cnt_end),
        "gateways": (ANY, _gateways),
        "mc_key": (ANY, _mc_key),
        "no_mic": (TRANSFER, _no_mic),
        "answer_rate": (ANY, _answer_rate),
        "frames": (TRANSFER, _frames),
    }
)
