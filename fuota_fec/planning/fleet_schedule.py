"""The schedule of a fleet in groups: how long an update takes, how much air and how much battery it costs.

Each device has the fastest data rate that reaches it; slower ones reach it too. A group is sent at one data rate, that
of its slowest device. One group for all takes the least air. More groups let the devices with fast data rates listen
for a shorter time, and may be sent one after the other, or at the same time.

Times are seconds, energies joules, currents ampere. What is lost on the air is not looked at here: `n_coded` says how
many coded fragments are sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from fuota_fec.checks import integer, shown
from fuota_fec.codec.limits import MAX_FRAG_NB, MAX_FRAG_SIZE, MAX_FRAGS
from fuota_fec.errors import ParameterError
from fuota_fec.planning.schedule import fragment_size
from fuota_fec.radio.airtime import (
    TransmissionTime,
    ping_spacing,
    session_duration,
    session_time_out,
    transmission_time,
)
from fuota_fec.radio.regions import BEACON_PERIOD, DATA_FRAGMENT_HEADER_LEN, DataRate, region

Sessions = Literal["sequential", "shared", "parallel"]
"""When groups are sent: one after the other, each with the whole duty cycle; at the same time by the same gateways in
one sub-band, the duty cycle divided among them, as a campaign does; or at the same time, each with a duty cycle of its
own (other gateways, another sub-band)."""

MAX_IMAGE_LEN = MAX_FRAGS * MAX_FRAG_SIZE
MAX_DEVICES = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How the frames of every group go out. Names are those of a campaign's configuration; here all times are seconds.

    ParameterError for what is negative or outside its range, here or when a schedule is made.
    """

    region: str = "EU868"
    frequency_hz: int | None = None
    """Where the groups are sent: RX2 of the region if not given. It decides the duty cycle."""
    duty_cycle: float | None = None
    """Share of time instead of the region's, 0 < x <= 1."""
    mcast_msg_delay: float = 2.0
    """Between two frames of a group, at least."""
    network_pacing: float = 0.0
    """The same, as the network server has it."""
    periodicity: int | None = None
    """Class B with that ping slot periodicity, 0 ... 7; class C if None."""
    lead: float = 5.0
    """In class C from the session's start to the first frame. In class B that is a ping slot."""
    setup: float = 0.0
    """Before the first session: what the unicast stages take (`schedule.unicast_stage`)."""
    dwell_time: bool = False
    repeater: bool = False
    fsize: int | None = None
    """Bytes of a fragment; the most that fits if not given."""
    frag_size_max: int = MAX_FRAG_SIZE
    """What the devices take, at most."""
    frag_size_multiple: int = 1
    frags_max: int = MAX_FRAGS
    """Uncoded fragments that the devices take, at most."""

    def __post_init__(self) -> None:
        for name in ("mcast_msg_delay", "network_pacing", "lead", "setup"):
            _at_least_0(name, getattr(self, name))
        integer("frag_size_max", self.frag_size_max, 1, MAX_FRAG_SIZE)
        integer("frag_size_multiple", self.frag_size_multiple, 1, MAX_FRAG_SIZE)
        integer("frags_max", self.frags_max, 1, MAX_FRAGS)
        if self.fsize is not None:
            integer("fsize", self.fsize, 1, self.frag_size_max)

    @property
    def device_class(self) -> Literal["B", "C"]:
        """Class of the multicast sessions."""
        return "C" if self.periodicity is None else "B"

    def share(self) -> float:
        """The duty cycle: as given, or of the region at that frequency."""
        if self.duty_cycle is not None:
            return self.duty_cycle
        area = region(self.region)
        frequency = area.rx2_frequency_hz if self.frequency_hz is None else self.frequency_hz
        if frequency is None:
            raise ParameterError(f"{area.name} has no default frequency: expected frequency_hz or duty_cycle")
        return area.duty_cycle(frequency)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyModel:
    """What a device draws. In class C it receives for its whole session, in class B in ping slots and for beacons."""

    voltage: float = 3.0
    rx_current: float = 0.016
    idle_current: float = 6e-6
    tx_current: float = 0.044
    tx_time: float = 0.0
    """For which a device transmits its answers, in all."""
    until_time_out: bool = False
    """Whether it listens until its session times out, rather than until the last fragment was sent."""
    slot_window: float = 0.03
    """For which it listens in a ping slot without a frame."""
    beacon_window: float = 0.16

    def __post_init__(self) -> None:
        for name in ("voltage", "rx_current", "idle_current", "tx_current", "tx_time", "slot_window", "beacon_window"):
            _at_least_0(name, getattr(self, name))

    def energy(self, listening: float, duration: float) -> float:
        """J of a device that receives for `listening` of the `duration` of the whole update, and idles otherwise."""
        idle = max(0.0, duration - listening - self.tx_time)
        charge = listening * self.rx_current + self.tx_time * self.tx_current + idle * self.idle_current
        return self.voltage * charge

    def listening(self, time: TransmissionTime, session_length: float, sending: Sending) -> float:
        """s that a device of a session receives, or waits for frames with its receiver on."""
        time_out = _time_out(session_length, sending.device_class)
        if self.until_time_out and time_out is not None:
            session_length = session_duration(time_out, device_class=sending.device_class)
        if sending.periodicity is None:
            return session_length
        n_empty = max(0, math.ceil(session_length / ping_spacing(sending.periodicity)) - time.n_frames)
        n_beacons = math.ceil(session_length / BEACON_PERIOD)
        return time.n_frames * time.frame_time + n_empty * self.slot_window + n_beacons * self.beacon_window


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSchedule:
    """One group: its fragments, its session, and what it costs each of its devices."""

    data_rate: DataRate
    """At which it is sent."""
    drs: tuple[int, ...]
    """Fastest data rates of its devices, slowest first."""
    n_devices: int
    frag_size: int
    n_frags: int
    n_coded: int
    duty_cycle: float
    time: TransmissionTime
    start: float
    """s from the start of the whole update to that of the session."""
    session_length: float
    """s from the session's start to the end of the last frame."""
    time_out: int | None
    """Exponent of the session; None if no session is long enough."""
    listening: float
    """s that each device receives."""
    energy: float
    """J per device, over the whole update."""
    problem: str
    """Why it cannot be sent like this; "" if it can."""

    @property
    def dr(self) -> int:
        """Number of the data rate at which it is sent."""
        return self.data_rate.dr

    @property
    def end(self) -> float:
        """s from the start of the whole update to the end of the last frame."""
        return self.start + self.session_length

    @property
    def air_time(self) -> float:
        """s on the air."""
        return self.time.n_frames * self.time.frame_time


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSchedule:
    """All groups, the slowest first."""

    groups: tuple[GroupSchedule, ...]
    sessions: Sessions

    @property
    def n_devices(self) -> int:
        """Devices that the groups reach."""
        return sum(group.n_devices for group in self.groups)

    @property
    def duration(self) -> float:
        """s from the start of the setup to the end of the last frame."""
        return max(group.end for group in self.groups)

    @property
    def air_time(self) -> float:
        """s on the air, of all groups."""
        return sum(group.air_time for group in self.groups)

    @property
    def energy(self) -> float:
        """J of all devices."""
        return sum(group.n_devices * group.energy for group in self.groups)

    @property
    def mean_energy(self) -> float:
        """J per device."""
        return self.energy / self.n_devices

    @property
    def max_energy(self) -> float:
        """J of the device that spends the most."""
        return max(group.energy for group in self.groups)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it cannot be sent like this."""
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
    """The schedule of `groups`, each a set of data rates of `devices_per_dr` and sent at the slowest of them.

    `devices_per_dr`: how many devices have which data rate as their fastest. `n_coded`: coded fragments of each group,
    a number or a function of its uncoded fragments M. Data rates that are in no group are not reached.

    ParameterError for an empty image or fleet, a data rate that the region does not have or that is given twice, and
    where no fragment fits. What is too long is not an error but a `problem` of the group.
    """
    rules = sending or Sending()
    counts = device_counts(devices_per_dr)
    chosen = [by_speed(rules, group) for group in groups]
    listed = [dr for group in chosen for dr in group]
    for dr in listed:
        if dr not in counts:
            raise ParameterError(f"groups: DR{dr} is not the fastest data rate of any device")
        if listed.count(dr) > 1:
            raise ParameterError(f"groups: DR{dr} is given twice")
    if not chosen or not all(chosen):
        raise ParameterError("groups: there is none, or one without a data rate")
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
    """Of groups given as the data rate they are sent at, those of their devices, and how many devices."""
    image_len = integer("image_len", image_len, 1, MAX_IMAGE_LEN)
    if sessions not in get_args(Sessions):
        raise ParameterError(f"sessions: {shown(sessions)} is not one of {', '.join(get_args(Sessions))}")
    duty_cycle = sending.share() / (len(members) if sessions == "shared" else 1)
    order = by_speed(sending, [dr for dr, _, _ in members])
    groups: list[GroupSchedule] = []
    start = sending.setup
    for dr, drs, n_devices in sorted(members, key=lambda member: order.index(member[0])):
        group = _group(image_len, dr, drs, n_devices, n_coded, duty_cycle, start, sending, model)
        groups.append(group)
        if sessions == "sequential":
            start = group.end
            if sending.device_class == "B":  # sessions begin at a beacon
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
    payload = area.max_app_payload(dr, dwell_time=sending.dwell_time, repeater=sending.repeater)
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
        duty_cycle=duty_cycle,
        network_pacing_s=sending.network_pacing,
        periodicity=sending.periodicity,
    )
    lead = sending.lead if sending.periodicity is None else ping_spacing(sending.periodicity)
    session_length = lead + time.duration
    time_out = _time_out(session_length, sending.device_class)
    problem = ""
    if n_frags > sending.frags_max:
        problem = f"{n_frags} fragments of {frag_size} bytes, the devices take at most {sending.frags_max}"
    elif n_frags + coded > MAX_FRAG_NB:
        problem = f"{n_frags} uncoded and {coded} coded fragments, {MAX_FRAG_NB} can be numbered in all"
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
        listening=model.listening(time, session_length, sending),
        energy=0.0,
        problem=problem,
    )


def _time_out(session_length: float, device_class: Literal["B", "C"]) -> int | None:
    try:
        return session_time_out(session_length, device_class=device_class)
    except ParameterError:
        return None


def device_counts(devices_per_dr: Mapping[int, int]) -> dict[int, int]:
    """Those that have devices."""
    counts = {
        integer("devices_per_dr", dr, 0, 15): integer(f"devices_per_dr: DR{dr}", n, 0, MAX_DEVICES)
        for dr, n in devices_per_dr.items()
    }
    if not any(counts.values()):
        raise ParameterError("devices_per_dr: there are no devices")
    return {dr: n for dr, n in counts.items() if n}


def by_speed(sending: Sending, drs: Iterable[int]) -> tuple[int, ...]:
    """Data rates from slow to fast: their numbers do not tell in every region."""
    area = region(sending.region)
    return tuple(sorted(drs, key=lambda dr: _bit_rate(area.data_rate(dr))))


def _bit_rate(rate: DataRate) -> float:
    if rate.bit_rate is not None:
        return rate.bit_rate
    assert rate.sf is not None  # DataRate is LoRa or FSK
    assert rate.bw_khz is not None
    return rate.sf * rate.bw_khz * 1000 / (1 << rate.sf)


def _at_least_0(name: str, value: float) -> None:
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
        raise ParameterError(f"{name}: {shown(value)} is not a number from 0")
