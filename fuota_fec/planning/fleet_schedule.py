"""Schedule of a fleet in groups: duration, time on air and energy of an update.

Each device has a fastest data rate that reaches it; slower data rates reach it too. A group is sent at one data rate,
that of its slowest device. One group for all devices takes the least time on air. With more groups, devices with fast
data rates listen for a shorter time; groups are sent one after the other, or at the same time.

Times are in seconds, energies in joules, currents in amperes. Losses are not considered: `n_coded` gives the number of
coded fragments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from fuota_fec.checks import at_least_0, integer, shown
from fuota_fec.errors import ParameterError
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.schedule import (
    answer_spread,
    block_ack_delay,
    fragment_size,
    session_need,
    session_time_out,
)
from fuota_fec.radio.airtime import (
    TransmissionTime,
    own_uplink_loss,
    ping_spacing,
    session_duration,
    transmission_time,
)
from fuota_fec.radio.regions import BEACON_PERIOD, DataRate, Region, region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_NB, MAX_FRAG_SIZE, MAX_FRAGS

Sessions = Literal["sequential", "shared", "parallel"]
"""Order of the groups. "sequential": one after the other, each with the whole duty cycle. "shared": at the same time by
the same gateways in one sub-band, the duty cycle divided among the groups, as in a campaign. "parallel": at the same
time, each group with a duty cycle of its own (other gateways, another sub-band)."""

_TIMES = (
    *("mcast_msg_delay", "network_pacing", "lead", "setup", "summary_cadence"),
    *("fsession_status_timeout", "answer_spread_max"),
)

MAX_IMAGE_LEN = MAX_FRAGS * MAX_FRAG_SIZE
MAX_DEVICES = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Rules by which the frames of every group are sent. Names are those of a campaign's configuration.

    All times are in seconds, `mcast_msg_delay` too (ms in a campaign's configuration). ParameterError for a value that
    is negative or out of range, at creation or when a schedule is made.
    """

    region: str = "EU868"
    frequency_hz: int | None = None
    """Frequency of the groups, Hz, which decides the duty cycle; RX2 of the region if not given."""
    duty_cycle: float | None = None
    """Share of time that a gateway may send, 0 < x <= 1; the region's if not given."""
    mcast_msg_delay: float = 2.0
    """Minimum spacing of two frames of a group, s."""
    coded_msg_delay: float | None = None
    """Minimum time from a coded fragment to the next frame of its group, s; mcast_msg_delay if not given."""
    network_pacing: float = 0.0
    """Minimum spacing enforced by the network server, s."""
    periodicity: int | None = None
    """Ping slot periodicity of class B, 0 ... 7; None for class C."""
    lead: float = 5.0
    """Time from the start of a class C session to the first frame, s. In class B it is one ping slot."""
    summary_cadence: float = 0.0
    """Usual wait for the network's summary of a frame before the next one, s; the length of a session allows for it."""
    kind: Literal["firmware", "binary"] = "firmware"
    """Kind of the campaign. In a binary transfer the devices are asked for their status within the session."""
    datafrag_loops_max: int = 2
    """Number of rounds without coded fragments, at most; the length of a session allows for one more than the first."""
    fsession_status_threshold: int = 5
    """Number of devices above which a group with coded fragments is asked by multicast."""
    fsession_status_timeout: float = 60.0
    """Wait for answers to a status request beyond their spread, s."""
    answer_spread_max: float = 128.0
    """Time over which the answers to a status request are spread, s, at most."""
    msg_retries: int = 2
    """Number of resends of a request."""
    setup: float = 0.0
    """Time before the first session, s, for the unicast stages (`schedule.unicast_stage`)."""
    uplink_period: float | None = None
    """Time between two uplinks of a device, s, during which a class C device hears no multicast; not counted if not
    given."""
    dwell_time: bool = False
    """True if the 400 ms dwell-time limit is in force."""
    repeater: bool = False
    """True if a repeater may be in the path."""
    revision: str | None = None
    """Revision of the Regional Parameters that the devices know, such as "RP002-1.0.1"; the latest if not given."""
    fsize: int | None = None
    """Bytes of a fragment; the largest that fits if not given."""
    frag_size_max: int = MAX_FRAG_SIZE
    """Largest fragment that the devices accept, bytes."""
    frag_size_multiple: int = 1
    """The fragment size is a multiple of it."""
    frags_max: int = MAX_FRAGS
    """Largest number of uncoded fragments that the devices accept."""

    def __post_init__(self) -> None:
        for name in _TIMES:
            at_least_0(name, getattr(self, name))
        if self.coded_msg_delay is not None:
            at_least_0("coded_msg_delay", self.coded_msg_delay)
        if self.uplink_period is not None and not 0 < self.uplink_period < math.inf:
            raise ParameterError(f"uplink_period: {shown(self.uplink_period)} is not a period, expected more than 0 s")
        integer("msg_retries", self.msg_retries, 0, MAX_DEVICES)
        integer("datafrag_loops_max", self.datafrag_loops_max, 1, MAX_DEVICES)
        if self.kind not in ("firmware", "binary"):
            raise ParameterError(f"kind: {shown(self.kind)} is not a kind of transfer, expected 'firmware' or 'binary'")
        integer("frag_size_max", self.frag_size_max, 1, MAX_FRAG_SIZE)
        integer("frag_size_multiple", self.frag_size_multiple, 1, MAX_FRAG_SIZE)
        integer("frags_max", self.frags_max, 1, MAX_FRAGS)
        if self.fsize is not None:
            integer("fsize", self.fsize, 1, self.frag_size_max)

    def time_out(self, time: TransmissionTime, session_length: float, n_frags: int, n_devices: int) -> int | None:
        """TimeOut exponent of a session for the frames of a group, as in a campaign; None if no session is long
        enough. `session_length`: time from its start to the end of the last frame, s."""
        n_coded = time.n_frames - n_frags
        further = n_frags if not n_coded and self.datafrag_loops_max > 1 else 0
        asks = self.kind == "binary" and (n_devices > self.fsession_status_threshold or not n_coded)
        spread = answer_spread(block_ack_delay(n_devices, self.answer_spread_max))
        need = session_need(
            lead=session_length - time.duration,
            slot=0.0 if self.periodicity is None else ping_spacing(self.periodicity),
            n_frames=time.n_frames + further,
            pacing=max(time.spacing, self.summary_cadence),
            n_coded=n_coded,
            coded_pacing=max(time.coded_spacing, self.summary_cadence),
            n_status=(1 + bool(further)) * (1 + self.msg_retries) if asks else 0,
            status_wait=spread + self.fsession_status_timeout,
        )
        try:
            return session_time_out(session_length, need, self.device_class)
        except ParameterError:
            return None

    @property
    def device_class(self) -> Literal["B", "C"]:
        """Class of the multicast sessions."""
        return "C" if self.periodicity is None else "B"

    def share(self) -> float:
        """Duty cycle as given, or the region's at the frequency of the groups."""
        if self.duty_cycle is not None:
            return self.duty_cycle
        area = region(self.region)
        frequency_hz = area.rx2_frequency_hz if self.frequency_hz is None else self.frequency_hz
        if frequency_hz is None:
            raise ParameterError(
                f"frequency_hz: not given and {area.name} has no default frequency, expected frequency_hz or duty_cycle"
            )
        return area.duty_cycle(frequency_hz)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSchedule:
    """Schedule of one group: its fragments, its session, and the energy of each device."""

    data_rate: DataRate
    """Data rate at which the group is sent."""
    drs: tuple[int, ...]
    """Fastest data rates of the devices, the slowest first."""
    n_devices: int
    frag_size: int
    n_frags: int
    n_coded: int
    duty_cycle: float
    time: TransmissionTime
    start: float
    """Time from the start of the whole update to the start of the session, s."""
    session_length: float
    """Time from the start of the session to the end of the last frame, s."""
    time_out: int | None
    """TimeOut exponent of the session; None if no session is long enough."""
    listening: float
    """Time for which the receiver of each device is on, s."""
    energy: float
    """Energy of each device over the whole update, J."""
    problem: str
    """Reason why the group cannot be sent; "" if it can."""
    own_uplink_loss: float = 0.0
    """Share of the fragments that each device misses because of its own uplinks."""

    @property
    def dr(self) -> int:
        """Number of the data rate at which the group is sent."""
        return self.data_rate.dr

    @property
    def end(self) -> float:
        """Time from the start of the whole update to the end of the last frame, s."""
        return self.start + self.session_length

    @property
    def air_time(self) -> float:
        """Time on air of all frames, s."""
        return self.time.n_frames * self.time.frame_time


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSchedule:
    """Schedule of a fleet: its groups, the slowest first."""

    groups: tuple[GroupSchedule, ...]
    sessions: Sessions

    @property
    def n_devices(self) -> int:
        """Number of devices in the groups."""
        return sum(group.n_devices for group in self.groups)

    @property
    def duration(self) -> float:
        """Time from the start of the setup to the end of the last frame, s."""
        return max(group.end for group in self.groups)

    @property
    def air_time(self) -> float:
        """Time on air of all groups, s."""
        return sum(group.air_time for group in self.groups)

    @property
    def energy(self) -> float:
        """Energy of all devices together, J."""
        return sum(group.n_devices * group.energy for group in self.groups)

    @property
    def mean_energy(self) -> float:
        """Mean energy of a device, J."""
        return self.energy / self.n_devices

    @property
    def max_energy(self) -> float:
        """Energy of the device that spends the most, J."""
        return max(group.energy for group in self.groups)

    @property
    def problems(self) -> tuple[str, ...]:
        """Reasons why groups cannot be sent."""
        return tuple(f"DR{group.dr}: {group.problem}" for group in self.groups if group.problem)


def fleet_schedule(
    image_len: int,
    devices_per_dr: Mapping[int, int],
    groups: Iterable[Iterable[int]],
    *,
    n_coded: int | Callable[[int], int],
    sending: Sending | None = None,
    energy: EnergyModel | None = None,
    sessions: Sessions = "sequential",
) -> FleetSchedule:
    """Schedule of `groups`: each is a set of data rates of `devices_per_dr`, and is sent at the slowest of them.

    `devices_per_dr`: number of devices for each fastest data rate. `n_coded`: number of coded fragments of each group,
    or a function from its number of uncoded fragments M to it. Devices whose data rate is in no group are left out.

    ParameterError for an empty image or fleet, a data rate that the region does not have or that is given twice, and a
    data rate at which no fragment fits. A session that is too long is not an error, but a `problem` of its group.
    """
    rules = sending or Sending()
    counts = device_counts(devices_per_dr)
    chosen = [by_speed(rules, group) for group in groups]
    listed = [dr for group in chosen for dr in group]
    for dr in listed:
        if dr not in counts:
            raise ParameterError(f"groups: DR{dr} is not the fastest data rate of any device")
        if listed.count(dr) > 1:
            raise ParameterError(f"groups: DR{dr} is given twice, expected each data rate in one group")
    if not chosen or not all(chosen):
        raise ParameterError("groups: expected at least one group, each with a data rate")
    members = [(group[0], group, sum(counts[dr] for dr in group)) for group in chosen]
    return schedule_groups(image_len, members, n_coded, rules, energy or EnergyModel(), sessions)


def schedule_groups(
    image_len: int,
    members: Sequence[tuple[int, tuple[int, ...], int]],
    n_coded: int | Callable[[int], int],
    sending: Sending,
    model: EnergyModel,
    sessions: Sessions,
) -> FleetSchedule:
    """Schedule of groups, each given as its data rate, the data rates of its devices, and the number of devices."""
    image_len = integer("image_len", image_len, 1, MAX_IMAGE_LEN)
    if sessions not in get_args(Sessions):
        known = ", ".join(get_args(Sessions))
        raise ParameterError(f"sessions: {shown(sessions)} is not an order of sessions, expected one of {known}")
    duty_cycle = sending.share() / (len(members) if sessions == "shared" else 1)
    order = by_speed(sending, [dr for dr, _, _ in members])
    groups: list[GroupSchedule] = []
    start = sending.setup
    for dr, drs, n_devices in sorted(members, key=lambda member: order.index(member[0])):
        group = _group(image_len, dr, drs, n_devices, n_coded, duty_cycle, start, sending, model)
        groups.append(group)
        if sessions == "sequential":
            start = group.end
            if sending.device_class == "B":  # Sessions start at a beacon.
                start = sending.setup + math.ceil((start - sending.setup) / BEACON_PERIOD) * BEACON_PERIOD
    duration = max(group.end for group in groups)
    return FleetSchedule(
        groups=tuple(replace(group, energy=model.energy(group.listening, duration)) for group in groups),
        sessions=sessions,
    )


def _group(
    image_len: int,
    dr: int,
    drs: tuple[int, ...],
    n_devices: int,
    n_coded: int | Callable[[int], int],
    duty_cycle: float,
    start: float,
    sending: Sending,
    model: EnergyModel,
) -> GroupSchedule:
    area = region(sending.region)
    payload = area.max_app_payload(
        dr, dwell_time=sending.dwell_time, repeater=sending.repeater, revision=sending.revision
    )
    try:
        frag_size = fragment_size(
            min(payload, sending.frag_size_max + DATA_FRAGMENT_HEADER_LEN),
            fsize=sending.fsize,
            multiple_of=sending.frag_size_multiple,
        )
    except ParameterError as error:
        raise ParameterError(f"DR{dr}: {error}") from None
    n_frags = -(-image_len // frag_size)
    coded = integer("n_coded", n_coded(n_frags) if callable(n_coded) else n_coded, 0, 2**31)
    data_rate = area.data_rate(dr)
    time = transmission_time(
        n_frags + coded,
        DATA_FRAGMENT_HEADER_LEN + frag_size,
        data_rate,
        mcast_msg_delay_s=sending.mcast_msg_delay,
        n_coded=coded,
        coded_msg_delay_s=sending.coded_msg_delay,
        duty_cycle=duty_cycle,
        network_pacing_s=sending.network_pacing,
        periodicity=sending.periodicity,
    )
    lead = sending.lead if sending.periodicity is None else ping_spacing(sending.periodicity)
    session_length = lead + time.duration
    time_out = sending.time_out(time, session_length, n_frags, n_devices)
    problem = ""
    if wrong := _channel_problem(area, sending, dr):
        problem = wrong
    elif n_frags > sending.frags_max:
        problem = f"{n_frags} fragments of {frag_size} bytes, the devices accept at most {sending.frags_max}"
        problem += f" without a profile of their own that has max_frags = {n_frags}"
    elif n_frags + coded > MAX_FRAG_NB:
        problem = f"{n_frags} uncoded and {coded} coded fragments, at most {MAX_FRAG_NB} can be numbered"
    elif time_out is None:
        longest = session_duration(15, device_class=sending.device_class)
        problem = f"{session_length:.0f} s, a class {sending.device_class} session lasts at most {longest} s"
    return GroupSchedule(
        data_rate=data_rate,
        drs=drs,
        n_devices=n_devices,
        frag_size=frag_size,
        n_frags=n_frags,
        n_coded=coded,
        duty_cycle=duty_cycle,
        time=time,
        start=start,
        session_length=session_length,
        time_out=time_out,
        listening=model.listening(time, session_length, time_out, sending.periodicity),
        energy=0.0,
        problem=problem,
        own_uplink_loss=0.0
        if sending.uplink_period is None or sending.periodicity is not None
        else own_uplink_loss(DATA_FRAGMENT_HEADER_LEN + frag_size, data_rate, sending.uplink_period),
    )


def _channel_problem(area: Region, sending: Sending, dr: int) -> str:
    """Reason why the region allows no downlink at the frequency of the groups; "" if it does, or without one."""
    if sending.frequency_hz is None:
        return ""
    try:
        area.check_downlink(sending.frequency_hz, dr)
    except ParameterError as error:
        return str(error)
    return ""


def device_counts(devices_per_dr: Mapping[int, int]) -> dict[int, int]:
    """Numbers of devices by data rate, without data rates that have none. ParameterError for an empty fleet."""
    counts = {
        integer("devices_per_dr", dr, 0, 15): integer(f"devices_per_dr: DR{dr}", n, 0, MAX_DEVICES)
        for dr, n in devices_per_dr.items()
    }
    if not any(counts.values()):
        raise ParameterError("devices_per_dr: there are no devices, expected at least one")
    return {dr: n for dr, n in counts.items() if n}


def by_speed(sending: Sending, drs: Iterable[int]) -> tuple[int, ...]:
    """Data rates from slow to fast. In some regions their numbers are not in this order."""
    area = region(sending.region)
    return tuple(sorted(drs, key=lambda dr: _bit_rate(area.data_rate(dr))))


def _bit_rate(rate: DataRate) -> float:
    if rate.bit_rate is not None:
        return rate.bit_rate
    assert rate.sf is not None  # A DataRate without a bit rate is LoRa.
    assert rate.bw_khz is not None
    return rate.sf * rate.bw_khz * 1000 / (1 << rate.sf)
