"""Rules about a group: its radio, its fragments, its counter, its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from fuota_fec.campaign.plan import GroupPlan
from fuota_fec.campaign.preflight.context import ANY, TRANSFER, Context, n_counters
from fuota_fec.campaign.preflight.durations import session_begins
from fuota_fec.campaign.preflight.finding import Findings, info, refuse, warn
from fuota_fec.campaign.row_plan import own_uplink_losses
from fuota_fec.campaign.surplus import risk
from fuota_fec.checks import counted
from fuota_fec.devices.behaviour import LateUncoded
from fuota_fec.devices.radios import Radio
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.schedule import session_time_out
from fuota_fec.planning.top_up import all_even
from fuota_fec.radio.airtime import NOTABLE_UPLINK_LOSS, session_duration
from fuota_fec.radio.regions import region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN
from fuota_fec.wire.multicast import LAST_F_CNT

MAX_ANSWER_RATE = 5.0
"""Answers a second and group above which the uplinks of a group collide too often."""
MIN_SPACING = 2.0
"""s from frame to frame that a device needs to store a fragment, or to work a coded one into what it has."""
NOTABLE_RISK = 0.01
"""Share of devices that read a surplus fragment as a command, from which a plan is warned of."""
SHORTEST_SPREAD = 16
"""s over which a group's answers are always spread: BlockAckDelay 0 (TS004)."""


def _duty_cycle(_context: Context, plan: GroupPlan) -> Findings:
    allowed = region(plan.group.region).duty_cycle(plan.group.frequency_hz)
    on_air, spacing = plan.air_time(DATA_FRAGMENT_HEADER_LEN + plan.frag_size), plan.time.spacing
    if allowed < 1 and on_air > spacing * allowed * 1.001:
        every = f"every {spacing:g} s" if spacing else "without a pause"
        yield warn(
            f"a frame of {on_air:.3f} s {every}; a gateway may use {allowed:.1%} of the time on this frequency",
            f"Set mcast_msg_delay to {math.ceil(1000 * on_air / allowed)} ms or more, unless gateways share the frames "
            "out, or give the group another frequency.",
        )


def _channel(_context: Context, plan: GroupPlan) -> Findings:
    group = plan.group
    try:
        region(group.region).check_downlink(group.frequency_hz, group.downlink_dr)
    except ParameterError as error:
        what, _, right = str(error).rpartition(", expected ")
        yield refuse(what, f"Set frequency: {right}.")


def _hopping(_context: Context, plan: GroupPlan) -> Findings:
    """DLFrequency 0 is not defined before TS005 2.0.0."""
    group = plan.group
    if group.dl_frequency_hz == 0 and group.mc_version == "1.0.0":
        yield refuse(
            f"without a frequency class B hops over the channels of {group.region}, which TS005 1.0.0 cannot request",
            f'Set frequency = {group.frequency_hz}, or mc_version = "2.0.0" where the devices speak it.',
        )


def _spacing(_context: Context, plan: GroupPlan) -> Findings:
    if plan.time.spacing < MIN_SPACING:
        yield warn(
            f"a frame every {plan.time.spacing:g} s, expected {MIN_SPACING:g} s or more: a device must store each one, "
            "and read back up to half of the others for a coded one",
            "Raise mcast_msg_delay (ms) unless the devices are known to be faster.",
        )


def _own_uplinks(context: Context, plan: GroupPlan) -> Findings:
    lost = own_uplink_losses(context.config, plan.group, plan.frag_size)
    notable = {period: share for period, share in lost.items() if share > NOTABLE_UPLINK_LOSS}
    if notable:
        periods = [context.config.uplink_period_of(device) for device in context.config.members[plan.group.name]]
        period, n_notable = min(notable), sum(period in notable for period in periods)
        yield warn(
            f"{n_notable} of {plan.n_devices} devices miss more than {NOTABLE_UPLINK_LOSS:.0%} of the fragments "
            f"because of their own uplinks: {notable[period]:.1%} with one every {period:g} s",
            "Have them send less often during the session (uplink_period), choose a faster dr or class B, or raise "
            "redundancy.",
        )


def _surplus(context: Context, plan: GroupPlan) -> Findings:
    n_devices, n_surplus, n_expected = risk(context.config, plan, context.config.members[plan.group.name])
    if not n_devices or n_expected < NOTABLE_RISK * n_devices:
        return
    stacks = {traits.profile.name for traits in context.alike[plan.group.name] if traits.profile.one_context}
    yield warn(
        f"{n_expected:.1f} of {n_devices} devices ({', '.join(sorted(stacks))}) are expected to read a coded fragment "
        f"as a command: after completion one hears {n_surplus:.0f} of the {plan.row_plan.n_first} on average, and one "
        "fragment in 256 is a FragSessionSetupReq. The device then reports fragments missing, or loses the image",
        'Set redundancy = "adaptive", which asks for the status as soon as a device can be complete, or send fewer '
        "coded fragments.",
    )


def _single_fragment(_context: Context, plan: GroupPlan) -> Findings:
    n_coded = len(plan.sent_rows)
    if plan.n_frags == 1 and n_coded:
        yield warn(
            f"the image is a single fragment: coded ones are all zeros, the {n_coded} planned repair nothing",
            "Set a smaller fsize.",
        )


def _f_cnt_end(_context: Context, plan: GroupPlan) -> Findings:
    """The planned frames fit (`make_plan`); a group that sends none here must have a counter left as well."""
    n_frames = n_counters(plan)
    if plan.first_f_cnt + n_frames > LAST_F_CNT:
        yield refuse(
            f"the group's counter {plan.first_f_cnt} and {n_frames} frames exceed {LAST_F_CNT}, its last value",
            "Give the group a new mc_addr and McKey, and first_f_cnt = 0.",
        )


def _mc_key(context: Context, plan: GroupPlan) -> Findings:
    if not context.mc_key_known(plan.group):
        yield refuse("the group's McKey is not in the key ring", "Add it to mc_keys: any 16 random bytes.")


def _no_mic(_context: Context, plan: GroupPlan) -> Findings:
    if plan.group.dialect == "1.0.0":
        yield info("TS004 1.0.0 has no MIC: only a signature in the image shows a device that it rebuilt a wrong one")


def _answer_rate(context: Context, plan: GroupPlan) -> Findings:
    n_devices, together = plan.n_devices, plan.n_status > 0 or plan.ack_reception
    at_once = n_devices / plan.answer_spread
    if together and at_once > MAX_ANSWER_RATE:
        yield warn(
            f"{n_devices} devices answer within {plan.answer_spread} s: {at_once:.1f} a second, expected at most "
            f"{MAX_ANSWER_RATE:g}",
            f"Split it into groups of at most {int(MAX_ANSWER_RATE * SHORTEST_SPREAD)} devices.",
        )
    rate = sum(1 / context.config.uplink_period_of(device) for device in context.config.members[plan.group.name])
    if context.ucast_spacing:
        rate = min(rate, 1 / context.ucast_spacing)
    text = f"{counted(n_devices, 'device')}: about {rate:.2g} answers a second in the unicast stages"
    if together:
        text += f", {at_once:.2g} when all answer within {plan.answer_spread} s"
    yield info(text)


def _frames(_context: Context, plan: GroupPlan) -> Findings:
    rounds = f"{plan.rounds} rounds of " if plan.rounds > 1 else ""
    most = "up to " if plan.adaptive else ""
    planned = " of the first round" if plan.adaptive else ""
    yield info(
        f"{rounds}{plan.n_frags} uncoded and {most}{len(plan.sent_rows)} coded fragments of {plan.frag_size} bytes: "
        f"{most}{plan.n_planned} frames, one every {plan.time.spacing:.1f} s, "
        f"the last{planned} {plan.last_frame:.0f} s after the session's start; "
        f"counters {plan.first_f_cnt} to {plan.first_f_cnt + plan.n_planned - 1}"
    )


def _session(context: Context, plan: GroupPlan) -> Findings:
    """TimeOut of the first session, and the energy of a device that listens until its end, for both lengths.

    The energy is that of the radios of the group's device profiles.
    """
    radios = {traits.profile.energy.name: traits.profile.energy for traits in context.alike[plan.group.name]}
    rest = max(context.config.max_duration - session_begins(context), plan.session_length)
    lengths = {"need": plan.session_need(plan.n_frames, 1), "duration": rest}
    chosen = context.config.session_length
    [other] = set(lengths) - {chosen}
    yield info(
        f"session: {_listening(plan, radios.values(), lengths[chosen])}; with session_length = {other!r}: "
        f"{_listening(plan, radios.values(), lengths[other])}"
    )


def _listening(plan: GroupPlan, radios: Iterable[Radio], wanted: float) -> str:
    device_class = plan.group.device_class
    time_out = session_time_out(0.0, wanted, device_class)
    length = session_duration(time_out, device_class=device_class)
    periodicity = plan.group.periodicity if device_class == "B" else None
    energies = [
        f"{model.energy(model.receiving(plan.time, length, periodicity), length):.0f} J ({radio.name})"
        for radio in radios
        for model in [EnergyModel.of(radio)]
    ]
    return f"TimeOut {time_out}, {length} s, {', '.join(energies)} for a device that listens until its end"


def _even_rows(context: Context, plan: GroupPlan) -> Findings:
    if not plan.adaptive or not all_even(plan.group.dialect, plan.n_frags):
        return
    n_head, stacks = plan.row_plan.n_head, {traits.profile for traits in context.alike[plan.group.name]}
    dropping = sorted(stack.name for stack in stacks if stack.late_uncoded is LateUncoded.DROPPED)
    if n_head and not dropping:
        return
    none_else = "and further rounds have none"
    if n_head:
        none_else = (
            f"nor of the first {n_head} frames of the further round with which it begins to listen: after a coded one "
            f"{', '.join(dropping)} devices take no uncoded one"
        )
    n_frags = next(n for n in range(plan.n_frags + 1, plan.n_frags + 3) if not all_even(plan.group.dialect, n))
    yield warn(
        f"every coded fragment is of an even number of the {plan.n_frags}: a device never completes if it hears no "
        f"uncoded one of the first round, {none_else}",
        f"Set fsize to {-(-context.image_len // n_frags)}, which makes {n_frags} fragments.",
    )


Check = Callable[[Context, GroupPlan], Findings]

RULES: Mapping[str, tuple[frozenset[str], Check]] = MappingProxyType(
    {
        "channel": (ANY, _channel),
        "hopping": (ANY, _hopping),
        "duty_cycle": (TRANSFER, _duty_cycle),
        "spacing": (TRANSFER, _spacing),
        "own_uplinks": (TRANSFER, _own_uplinks),
        "surplus": (TRANSFER, _surplus),
        "n_frags": (TRANSFER, _single_fragment),
        "f_cnt_end": (ANY, _f_cnt_end),
        "mc_key": (ANY, _mc_key),
        "no_mic": (TRANSFER, _no_mic),
        "answer_rate": (ANY, _answer_rate),
        "frames": (TRANSFER, _frames),
        "even_rows": (TRANSFER, _even_rows),
        "session": (TRANSFER, _session),
    }
)
