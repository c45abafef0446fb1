"""Rules about the limits of a device's build. A remedy names the limit, and where to describe a build without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fuota_fec.campaign.own_limit import own_limit
from fuota_fec.campaign.plan import GroupPlan
from fuota_fec.campaign.preflight.context import ANY, TRANSFER, Context, DeviceTraits
from fuota_fec.campaign.preflight.finding import Findings, info, refuse, warn
from fuota_fec.campaign.row_plan import mean_loss
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN

LARGEST_FRAG_SIZE = 242 - DATA_FRAGMENT_HEADER_LEN
"""Bytes of the largest fragment that any data rate takes."""
ONE_IN_A_HUNDRED = 2.33
"""Standard deviations above the mean that one device in a hundred exceeds."""


def _frag_count(context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    p, most = device.profile, device.profile.usable_frags
    if plan.n_frags <= most:
        return
    needed, largest = -(-context.image_len // most), min(p.max_frag_size, LARGEST_FRAG_SIZE)
    shrink = f"Send at most {most * largest} bytes (a delta)"
    if needed <= largest:
        shrink = f"Set fsize to {-(-needed // p.frag_size_multiple) * p.frag_size_multiple} or more"
    if plan.n_frags > p.max_frags and not (p.hangs_from is not None and plan.n_frags >= p.hangs_from):
        yield refuse(
            f"{plan.n_frags} fragments, {p.name} devices take at most {p.max_frags}",
            f"{shrink}, or, {own_limit(p, 'max_frags', plan.n_frags)}.",
        )
    else:
        yield refuse(
            f"{plan.n_frags} fragments to {p.name} devices: their decoder hangs from {p.hangs_from} fragments on",
            f"{shrink}, or leave them out.",
        )


def _frag_size(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    least, most = device.profile.min_frag_size, device.profile.max_frag_size
    if plan.frag_size < least:  # The plan keeps to the upper limit.
        yield refuse(
            f"fragments of {plan.frag_size} bytes, {device.profile.name} devices take {least} to {most}",
            f"Set fsize within these limits, at a dr that allows it, or, "
            f"{own_limit(device.profile, 'min_frag_size', plan.frag_size)}.",
        )


def _frag_size_multiple(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    unit = device.profile.frag_size_multiple
    if plan.frag_size % unit:
        lower = plan.frag_size - plan.frag_size % unit
        yield refuse(
            f"fragments of {plan.frag_size} bytes, {device.profile.name} devices take multiples of {unit}",
            f"Set fsize = {lower or unit} or fsize_optimization = {unit}, or, "
            f"{own_limit(device.profile, 'frag_size_multiple', math.gcd(unit, plan.frag_size))}.",
        )


def _image_len(context: Context, _plan: GroupPlan, device: DeviceTraits) -> Findings:
    most = device.profile.max_image_len
    if most is not None and context.image_len > most:
        yield refuse(
            f"the image has {context.image_len} bytes, {device.profile.name} devices take at most {most}",
            f"Send a delta or a compressed image, or, {own_limit(device.profile, 'max_image_len', context.image_len)}.",
        )


def _padding(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    most = device.profile.max_padding
    if most is not None and plan.padding > most:
        yield refuse(
            f"padding of {plan.padding} bytes, {device.profile.name} devices take at most {most}",
            f"Set another fsize, pad the image itself, or, {own_limit(device.profile, 'max_padding', plan.padding)}.",
        )


def _solvable_losses(context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    most = device.profile.solvable_losses(plan.n_frags)
    if most is None or most >= plan.n_frags or not plan.sent_rows:
        return
    text = (
        f"{device.profile.name} devices can solve {most} lost fragments of {plan.n_frags} ({most / plan.n_frags:.1%})"
    )
    loss = mean_loss(context.config, plan.group, plan.frag_size)
    if loss is None:
        yield info(f"{text}, however many coded ones are sent")
        return
    expected = loss * plan.n_frags
    high = expected + ONE_IN_A_HUNDRED * math.sqrt(expected * (1 - loss))
    limit, value = "max_losses", f"{math.ceil(high)}"
    if device.profile.max_loss_share is not None:
        limit, value = "max_loss_share", f"{min(1.0, math.ceil(100 * high / plan.n_frags) / 100):g}"
    remedy = (
        "Coded fragments do not help: use larger and so fewer fragments (fsize), a smaller image, or, "
        f"{own_limit(device.profile, limit, value)}."
    )
    if expected > most:
        yield refuse(f"{text}; at a loss of {loss:.1%} they lose {expected:.0f} on average", remedy)
    elif high > most:
        yield warn(f"{text}; at a loss of {loss:.1%} one in a hundred loses {high:.0f}", remedy)


def _frag_index(context: Context, _plan: GroupPlan, device: DeviceTraits) -> Findings:
    last = device.profile.n_sessions - 1
    if context.config.frag_index > last:
        yield refuse(
            f"frag_index is {context.config.frag_index}, {device.profile.name} devices take 0 to {last}",
            f"Set frag_index = 0, or, {own_limit(device.profile, 'n_sessions', context.config.frag_index + 1)}.",
        )


def _coded_spacing(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    least = device.profile.min_coded_spacing
    spacing = plan.time.coded_spacing
    if least is not None and plan.sent_rows and spacing < least:
        yield warn(
            f"a coded fragment every {spacing:g} s, {device.profile.name} devices need {least:g} s for each",
            f"Set coded_msg_delay to {math.ceil(1000 * least)} ms or more, or, "
            f"{own_limit(device.profile, 'min_coded_spacing', f'{spacing:g}')}.",
        )


def _mc_group_id(_context: Context, plan: GroupPlan, device: DeviceTraits) -> Findings:
    known, group_id = device.profile.mc_group_ids, plan.group.mc_group_id
    if group_id not in known:
        yield refuse(
            f"the group's McGroupID is {group_id}, {device.profile.name} devices serve {', '.join(map(str, known))}",
            f"Set mc_group_id = {known[0]}, or, "
            f"{own_limit(device.profile, 'mc_group_ids', sorted((*known, group_id)))}.",
        )


Check = Callable[[Context, GroupPlan, DeviceTraits], Findings]

RULES: Mapping[str, tuple[frozenset[str], Check]] = MappingProxyType(
    {
        "frag_count": (TRANSFER, _frag_count),
        "frag_size": (TRANSFER, _frag_size),
        "frag_size_multiple": (TRANSFER, _frag_size_multiple),
        "image_len": (TRANSFER, _image_len),
        "padding": (TRANSFER, _padding),
        "solvable_losses": (TRANSFER, _solvable_losses),
        "frag_index": (TRANSFER, _frag_index),
        "coded_spacing": (TRANSFER, _coded_spacing),
        "mc_group_id": (ANY, _mc_group_id),
    }
)
