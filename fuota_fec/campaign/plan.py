"""Plan of a campaign, made from configuration and image before the start: blocks, rows, spacing, thresholds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from types import MappingProxyType

from fuota_fec.campaign.config import ADAPTIVE, CampaignConfig, Group
from fuota_fec.campaign.messages import NetworkCapabilities, RowPlan
from fuota_fec.campaign.own_limit import own_limit
from fuota_fec.campaign.row_plan import USUAL_LOSS, plan_rows, reads_surplus
from fuota_fec.codec.limits import check_frag_nbs
from fuota_fec.devices.limits import oldest_revision
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.planning.schedule import answer_spread, block_ack_delay, fragment_size, session_need, session_time_out
from fuota_fec.planning.top_up import all_even, round_frames
from fuota_fec.radio.airtime import TransmissionTime, frame_time, ping_spacing, transmission_time
from fuota_fec.radio.regions import region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_NB
from fuota_fec.wire.multicast import LAST_F_CNT

SHORT_ROUNDS = 4
"""Further rounds for which a session has time, in a group that is asked for its status after few fragments."""
MOST_ACKNOWLEDGING = 500
"""Largest group whose devices report on their own that their block is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """One group's transmission: uncoded fragments 1 … M, then the coded ones, or the uncoded ones in rounds."""

    group: Group
    n_devices: int
    frag_size: int
    n_frags: int
    row_plan: RowPlan
    """Rows of the coded fragments, and how many are sent at first."""
    padding: int
    block_ack_delay: int
    first_f_cnt: int
    """Next frame counter of the group."""
    rounds: int
    """Passes of the uncoded fragments, at most."""
    reads_surplus: bool
    """Whether a device of the group reads fragments that it hears after its block is complete as commands. Further
    rounds of an adaptive group are short then, so that few devices hear any before they are asked for their status."""
    asked_by_multicast: bool
    """Whether one multicast request asks all devices for their status, while the session is open; else unicast ones."""
    n_status: int
    """Multicast status requests, at most."""
    ack_reception: bool
    duty_cycle: float
    """Share of time that a gateway may send in its sub-band."""
    time: TransmissionTime
    """Duration of the first round, and the rule that sets the spacing."""
    lead: float
    """s from the session's start to its first frame."""
    pacing: float
    """Time between two frames, s: their spacing, or the usual wait for summaries if that is longer."""
    coded_pacing: float
    """Time from a coded fragment to the next frame, s, as `pacing`."""
    msg_retries: int
    status_wait: float
    """s for which the answers to a multicast status request are awaited; 0 if none is planned."""
    session_length: float
    """s from the session's start to the end of all planned frames; in an adaptive group, of the first round."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Row numbers of the coded fragments, in the order in which they are sent."""
        return self.row_plan.rows

    @property
    def adaptive(self) -> bool:
        """Whether status decides how many coded fragments are sent, in rounds."""
        return self.row_plan.n_least > 0

    @property
    def n_frames(self) -> int:
        """Fragments of the first round: M, and the coded ones that are sent before the first status."""
        return self.n_frags + self.row_plan.n_first

    @property
    def first_round(self) -> float:
        """s from the session's start to the end of the last fragment of the first round."""
        return self.lead + self.time.duration

    @property
    def last_frame(self) -> float:
        """s from the session's start to the end of the last planned frame; in an adaptive group, of the first round."""
        return self.first_round if self.adaptive else self.session_length - self.status_wait

    @property
    def sent_rows(self) -> tuple[int, ...]:
        """Rows that may be sent by multicast."""
        return self.rows if self.adaptive else self.rows[: self.row_plan.n_first]

    @property
    def n_sequence(self) -> int:
        """Number of fragments in sequence: M, and all rows."""
        return self.n_frags + len(self.rows)

    @property
    def n_planned(self) -> int:
        """Multicast frames in total, at most."""
        n_coded = self.row_plan.n_first + (most_frames(self.row_plan) if self.adaptive else 0)
        return self.rounds * self.n_frags + n_coded + self.n_status

    @property
    def fec(self) -> bool:
        """Whether coded fragments repair losses, so that the uncoded ones are sent once."""
        return bool(self.rows)

    @property
    def answer_spread(self) -> int:
        """s over which answers to a multicast request are spread: BlockAckDelay (TS004)."""
        return answer_spread(self.block_ack_delay)

    @property
    def slot(self) -> float:
        """Longest wait of a frame for its slot in class B, s."""
        return ping_spacing(self.group.periodicity) if self.group.device_class == "B" else 0.0

    def spacing_after(self, frag_nb: int | None) -> float:
        """Distance from a frame to the next one, s; None: the frame is a status request."""
        coded = frag_nb is not None and frag_nb > self.n_frags
        return self.time.coded_spacing if coded else self.time.spacing

    def session_need(self, n_remaining: int, round_no: int, n_coded: int | None = None) -> float:
        """Length of a session for the remaining frames of a round, one further round (or a few short ones) and the
        status requests, with a margin, s. `n_coded` of the remaining frames are coded ones; those of the first round
        if not given."""
        later = min(1, max(0, self.rounds - round_no))
        further = self.further(max(self.row_plan.n_first, self.row_plan.n_least)) if self.adaptive else 0
        n_rounds = 1 + bool(further) + later
        if further and self.reads_surplus:
            further = max(further, math.ceil(self.n_frags * USUAL_LOSS))
            n_rounds += SHORT_ROUNDS - 1
        return session_need(
            lead=self.lead,
            slot=self.slot,
            n_frames=n_remaining + further + later * self.n_frags,
            pacing=self.pacing,
            n_coded=(min(self.row_plan.n_first, n_remaining) if n_coded is None else n_coded) + further,
            coded_pacing=self.coded_pacing,
            n_status=n_rounds * (1 + self.msg_retries) if self.n_status else 0,
            status_wait=self.status_wait,
        )

    def frag_nb(self, idx: int) -> int:
        """N of a fragment of the sequence: the uncoded ones, then the rows. `idx` is from 0."""
        return idx + 1 if idx < self.n_frags else self.n_frags + self.rows[idx - self.n_frags]

    def further(self, n_coded: int) -> int:
        """Number of frames of a further round with so many coded fragments."""
        return round_frames(n_coded, self.row_plan.n_head, self.row_plan.uncoded_every)

    def air_time(self, payload_len: int) -> float:
        """Air time of a frame with so many bytes of payload, s."""
        return frame_time(payload_len, region(self.group.region).data_rate(self.group.downlink_dr))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Plans of all groups, and thresholds of the whole campaign."""

    groups: Mapping[str, GroupPlan]
    slowest_period: float
    success_threshold: float
    n_needed: int
    """Devices that must succeed at every stage: 100 · successes ≥ threshold · devices."""
    asked_first: frozenset[str] = frozenset()
    """DevEUIs of the devices that are asked for their version first."""

    def share_of(self, n_devices: int) -> int:
        """Number of successes that meets the threshold among so many devices."""
        return math.ceil(Fraction(repr(self.success_threshold)) * n_devices / 100)


def make_plan(
    config: CampaignConfig,
    image_len: int,
    *,
    network: NetworkCapabilities | None = None,
    next_f_cnt: Mapping[str, int] | None = None,
    row_plans: Mapping[str, RowPlan] = MappingProxyType({}),
    asked_first: Iterable[str] = (),
    in_one_session: bool = True,
) -> Plan:
    """ParameterError, with a line for each problem, if this image cannot be sent to these groups.

    `next_f_cnt`: frame counters (by group) of the registry or the network server, used where they are beyond the
    configured ones. `row_plans`: row plans (by group) that were made before. `asked_first`: DevEUIs of the devices that
    may run the target version already. `in_one_session`: whether frames beyond the longest session are refused.
    """
    sizes = Counter(device.group for device in config.devices)
    profiles: dict[str, set[str]] = {}
    for device in config.devices:
        profiles.setdefault(device.group, set()).add(device.profile)
    plans: dict[str, GroupPlan] = {}
    problems: list[str] = []
    for group in config.groups:
        first = max(group.first_f_cnt, (next_f_cnt or {}).get(group.name, 0))
        try:
            plan = plans[group.name] = _plan_group(
                config,
                group,
                sizes[group.name],
                profiles[group.name],
                image_len,
                network,
                first,
                row_plans.get(group.name),
            )
            if in_one_session:
                check_session(config, plan)
        except ParameterError as error:
            problems.append(f"group {group.name!r}: {error}")
    if problems:
        raise ParameterError.of(problems)
    return Plan(
        groups=plans,
        slowest_period=max(map(config.uplink_period_of, config.devices)),
        success_threshold=config.success_threshold,
        n_needed=math.ceil(Fraction(repr(config.success_threshold)) * len(config.devices) / 100),
        asked_first=frozenset(asked_first),
    )


def most_frames(row_plan: RowPlan) -> int:
    """Number of frames of all further rounds at most, the uncoded ones among them included."""
    n_rows, every = len(row_plan.rows) - row_plan.n_first, row_plan.uncoded_every
    return n_rows + row_plan.n_head * -(-n_rows // row_plan.n_least) + (n_rows // every if every else 0)


def _plan_group(
    config: CampaignConfig,
    group: Group,
    n_devices: int,
    profile_names: set[str],
    image_len: int,
    network: NetworkCapabilities | None,
    first_f_cnt: int,
    row_plan: RowPlan | None,
) -> GroupPlan:
    sends = config.kind != "multicast"
    if image_len == 0 and sends:
        raise ParameterError("image: empty, expected at least one byte")
    largest = frag_size_of(config, group, profile_names)
    if row_plan is None:
        frag_size = _with_odd_rows(config, group, profile_names, image_len, largest) if sends else largest
        check_frag_nbs(image_len, frag_size, 0)
        made = plan_rows(config, group, -(-image_len // frag_size), frag_size) if sends else RowPlan()
        row_plan = replace(made, frag_size=frag_size if frag_size < largest else 0)
    frag_size = row_plan.frag_size or largest
    n_frags = -(-image_len // frag_size) if sends else 0
    rows, adaptive = row_plan.rows, row_plan.n_least > 0
    if sends:
        check_frag_nbs(image_len, frag_size, max(rows, default=0))
    n_frames, n_coded = n_frags + row_plan.n_first, row_plan.n_first
    if adaptive:
        n_coded += most_frames(row_plan)
    rounds = 1 if rows or not sends else config.datafrag_loops_max
    asked_by_multicast = n_devices > config.fsession_status_threshold or not rows
    n_status = rounds if asked_by_multicast and (config.kind == "binary" or adaptive) else 0
    if n_status and adaptive:
        n_status = (2 + config.msg_retries) * (1 + math.ceil((len(rows) - row_plan.n_first) / row_plan.n_least))
    n_planned = rounds * n_frags + n_coded + n_status
    if first_f_cnt + n_planned > LAST_F_CNT:
        left = LAST_F_CNT - first_f_cnt
        raise ParameterError(
            f"first_f_cnt: {first_f_cnt} leaves {left} counters, expected {n_planned}, one for each planned frame"
        )
    time_of = partial(group_time, config, group, frag_size, network=network)
    lead = lead_of(config, group)
    delay = block_ack_delay(n_devices, config.answer_spread_max)
    status_wait = answer_spread(delay) + config.fsession_status_timeout if n_status else 0.0
    time, session_length = time_of(n_frames, row_plan.n_first), 0.0
    if sends:
        # Every round ends with its status request, which is sent like a frame and whose answers are awaited.
        all_rounds = time if rounds == 1 else time_of((rounds - 1) * n_frags + n_frames, row_plan.n_first)
        session_length = lead + all_rounds.duration + rounds * bool(n_status) * (time.spacing + status_wait)
    return GroupPlan(
        group=group,
        n_devices=n_devices,
        frag_size=frag_size,
        n_frags=n_frags,
        row_plan=row_plan,
        padding=n_frags * frag_size - image_len if sends else 0,
        block_ack_delay=delay,
        first_f_cnt=first_f_cnt,
        rounds=rounds,
        reads_surplus=reads_surplus(config, profile_names),
        asked_by_multicast=asked_by_multicast,
        n_status=n_status,
        ack_reception=group.dialect == "2.0.0" and _acknowledges(config, n_devices),
        duty_cycle=config.duty_cycle_of(group),
        time=time,
        lead=lead,
        pacing=_pacing(config, network, time.spacing),
        coded_pacing=_pacing(config, network, time.coded_spacing),
        msg_retries=config.msg_retries,
        status_wait=status_wait,
        session_length=session_length,
    )


def check_session(config: CampaignConfig, plan: GroupPlan) -> None:
    """ParameterError for planned frames that a session, or the campaign, is too short for."""
    session_time_out(plan.session_length, plan.session_length, plan.group.device_class)
    if plan.session_length > config.max_duration:
        raise ParameterError(
            f"max_duration: {config.max_duration:g} s is not enough, expected {plan.session_length:.0f} s for fragments"
        )


def group_time(
    config: CampaignConfig,
    group: Group,
    frag_size: int,
    n_frames: int,
    n_coded: int = 0,
    *,
    network: NetworkCapabilities | None = None,
) -> TransmissionTime:
    """Duration of so many frames of a group, the last `n_coded` of which are coded ones."""
    return transmission_time(
        n_frames,
        DATA_FRAGMENT_HEADER_LEN + frag_size,
        region(group.region).data_rate(group.downlink_dr),
        mcast_msg_delay_s=config.mcast_msg_delay / 1000,
        n_coded=n_coded,
        coded_msg_delay_s=None if config.coded_msg_delay is None else config.coded_msg_delay / 1000,
        duty_cycle=config.duty_cycle_of(group) / _sharing(config, group),
        network_pacing_s=network.pacing if network is not None else 0.0,
        periodicity=group.periodicity if group.device_class == "B" else None,
    )


def lead_of(config: CampaignConfig, group: Group) -> float:
    """s from the start of a group's session to its first frame."""
    if group.device_class == "B":
        return ping_spacing(group.periodicity)
    return config.first_fragment_delay + config.time_tolerance


def _pacing(config: CampaignConfig, network: NetworkCapabilities | None, spacing: float) -> float:
    """Time between two frames, s. The next one waits for the summary of an earlier one; a cadence that is not
    known counts as none."""
    cadence = network.summary_cadence if network is not None and network.summaries else None
    if cadence is None or config.summary_reports_disabled:
        return spacing
    return max(spacing, cadence / config.summary_window)


def frag_size_of(config: CampaignConfig, group: Group, profile_names: set[str]) -> int:
    """Largest fragment that a group's data rate and the profiles of its devices allow, or the configured one."""
    profiles = [config.profile_named(name) for name in sorted(profile_names)]
    max_app_payload = region(group.region).max_app_payload(
        group.downlink_dr,
        dwell_time=group.dwell_time,
        repeater=config.repeater,
        revision=oldest_revision(profiles),
    )
    largest = min((p.max_frag_size for p in profiles), default=255)
    for p in profiles:
        if config.fsize is not None and config.fsize > p.max_frag_size == largest:
            raise ParameterError(
                f"fsize: {config.fsize} is not from {p.min_frag_size} to {p.max_frag_size}, the limits of {p.name} "
                f"devices; {own_limit(p, 'max_frag_size', config.fsize)}"
            )
    return fragment_size(
        min(max_app_payload, largest + DATA_FRAGMENT_HEADER_LEN),
        fsize=config.fsize,
        multiple_of=_unit(config, profiles),
    )


def _unit(config: CampaignConfig, profiles: Iterable[DeviceProfile]) -> int:
    """Bytes of which the fragment size is a multiple."""
    return math.lcm(max(config.fsize_optimization, 1), *(p.frag_size_multiple for p in profiles))


def _with_odd_rows(config: CampaignConfig, group: Group, profile_names: set[str], image_len: int, largest: int) -> int:
    """Fragment size with which coded fragments alone complete a device, for adaptive redundancy; the largest one if
    that one does, a size is configured, or two fragments more are not enough."""
    n_frags = -(-image_len // largest)
    adapts = config.redundancy_of(group) == ADAPTIVE and config.fsize is None and n_frags > 1
    if not adapts or not all_even(group.dialect, n_frags):
        return largest
    profiles = [config.profile_named(name) for name in profile_names]
    unit = _unit(config, profiles)
    least = max((p.min_frag_size for p in profiles), default=1)
    most = min((p.usable_frags for p in profiles), default=MAX_FRAG_NB)
    for size in range(largest - unit, least - 1, -unit):
        n = -(-image_len // size)
        if n > min(n_frags + 2, most):
            break
        if not all_even(group.dialect, n):
            return size
    return largest


def _sharing(config: CampaignConfig, group: Group) -> int:
    """Number of groups of the campaign, this one included, that share its duty cycle."""
    return sum(n for other, n in config.kinds_of_groups if share_air(other, group))


def share_air(one: Group, other: Group) -> bool:
    """Whether two groups share a duty cycle: the same sub-band, and gateways in common as far as that is known."""
    if one.region != other.region or not share_gateways(one.gateways, other.gateways):
        return False
    area = region(one.region)
    try:
        return area.sub_band(one.frequency_hz) == area.sub_band(other.frequency_hz)
    except ParameterError:
        return False  # The check of each group reports it.


def share_gateways(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two groups share a gateway. A group without declared gateways may share any."""
    return not one or not other or bool(set(one) & set(other))


def _acknowledges(config: CampaignConfig, n_devices: int) -> bool:
    return n_devices <= MOST_ACKNOWLEDGING if config.ack_reception is None else config.ack_reception
