"""What follows from configuration and image before anything happens: blocks, rows, spacing, thresholds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from fuota_fec.campaign.config import CampaignConfig, Device, Group, n_coded_wanted
from fuota_fec.codec.block import HEADER_LEN, FragmentedBlock, prepare
from fuota_fec.codec.limits import MAX_FRAG_NB
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError
from fuota_fec.planning.schedule import block_ack_delay, fragment_size, session_time_out
from fuota_fec.radio.airtime import TransmissionTime, transmission_time
from fuota_fec.radio.regions import region
from fuota_fec.wire.multicast import LAST_F_CNT


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """One group's transmission: uncoded fragments 1 … M, then the coded ones."""

    group: Group
    n_devices: int
    frag_size: int
    n_frags: int
    rows: tuple[int, ...]
    padding: int
    block_ack_delay: int
    time: TransmissionTime
    """Seconds, and the rule that sets the spacing."""
    session_length: float
    """s from the session's start to the end of the last frame."""

    @property
    def n_frames(self) -> int:
        return self.n_frags + len(self.rows)

    def frag_nb(self, idx: int) -> int:
        """Number of the fragment that is sent as frame `idx` (from 0)."""
        return idx + 1 if idx < self.n_frags else self.n_frags + self.rows[idx - self.n_frags]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The groups' plans, and what the whole campaign needs."""

    groups: Mapping[str, GroupPlan]
    slowest_period: float
    n_needed: int
    """Devices that must succeed at every stage: 100 · successes ≥ threshold · devices."""


def make_plan(config: CampaignConfig, image_len: int) -> Plan:
    """ParameterError, a line per problem, if this image cannot be sent to these groups."""
    sizes = Counter(device.group for device in config.devices)
    plans: dict[str, GroupPlan] = {}
    problems: list[str] = []
    for group in config.groups:
        try:
            plans[group.name] = _plan_group(config, group, sizes[group.name], image_len)
        except ParameterError as error:
            problems.append(f"group {group.name!r}: {error}")
    if problems:
        raise ParameterError("\n".join(problems))
    return Plan(
        groups=plans,
        slowest_period=max(uplink_period(config, device) for device in config.devices),
        n_needed=math.ceil(Fraction(repr(config.success_threshold)) * len(config.devices) / 100),
    )


def _plan_group(config: CampaignConfig, group: Group, n_devices: int, image_len: int) -> GroupPlan:
    if image_len == 0:
        raise ParameterError("image: it is empty, expected at least one byte")
    area = region(group.region)
    max_app_payload = area.max_app_payload(group.dr, dwell_time=group.dwell_time, repeater=config.repeater)
    profiles = [profile(name) for name in {d.profile for d in config.devices if d.group == group.name}]
    largest = min((p.max_frag_size for p in profiles), default=255)
    frag_size = fragment_size(
        min(max_app_payload, largest + HEADER_LEN),
        fsize=config.fsize,
        multiple_of=math.lcm(max(config.fsize_optimization, 1), *(p.frag_size_multiple for p in profiles)),
    )
    n_frags = -(-image_len // frag_size)
    rows = _rows(config, n_frags)
    if n_frags + max(rows, default=0) > MAX_FRAG_NB:
        raise ParameterError(
            f"image: {image_len} bytes are {n_frags} fragments of {frag_size} bytes; with coded fragments up to row "
            f"{max(rows, default=0)} that is beyond fragment number {MAX_FRAG_NB}"
        )
    n_frames = n_frags + len(rows)
    if group.first_f_cnt + n_frames > LAST_F_CNT:
        left = LAST_F_CNT - group.first_f_cnt
        raise ParameterError(f"first_f_cnt: {group.first_f_cnt} leaves {left} counters, {n_frames} frames are planned")
    duty_cycle = config.duty_cycle if config.duty_cycle is not None else area.duty_cycle(group.frequency_hz)
    time = transmission_time(
        n_frames,
        HEADER_LEN + frag_size,
        area.data_rate(group.dr),
        mcast_msg_delay_s=config.mcast_msg_delay / 1000,
        duty_cycle=duty_cycle,
    )
    session_length = config.first_fragment_delay + config.time_tolerance + time.duration
    session_time_out(session_length, session_length)
    if session_length > config.max_duration:
        raise ParameterError(
            f"max_duration: {config.max_duration:g} s, but the fragments alone take {session_length:.0f} s"
        )
    return GroupPlan(
        group=group,
        n_devices=n_devices,
        frag_size=frag_size,
        n_frags=n_frags,
        rows=rows,
        padding=n_frags * frag_size - image_len,
        block_ack_delay=block_ack_delay(n_devices, config.answer_spread_max),
        time=time,
        session_length=session_length,
    )


def _rows(config: CampaignConfig, n_frags: int) -> tuple[int, ...]:
    if config.rows is not None:
        return config.rows
    return tuple(range(1, min(n_coded_wanted(config.redundancy, n_frags), config.frag_redundancy_max) + 1))


def make_block(config: CampaignConfig, plan: GroupPlan, image: bytes) -> FragmentedBlock:
    """The ready frames of a group."""
    return prepare(
        image,
        plan.frag_size,
        rows=plan.rows,
        version=plan.group.version,
        frag_index=config.frag_index,
        descriptor=config.descriptor_bytes,
    )


def uplink_period(config: CampaignConfig, device: Device) -> float:
    return device.uplink_period if device.uplink_period is not None else config.uplink_period
