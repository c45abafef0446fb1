"""Functions that compute published figures, by name: `FIGURES`.

Each is a call of the planner, the codec or an energy model. Functions of another tool's rules take only frame times and
the duty cycle from this library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from fuota_fec.codec.limits import MAX_FRAG_NB
from fuota_fec.devices.radios import DEFAULT_RADIO, radio
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.erasures import matrix_columns, needed_of
from fuota_fec.planning.fleet_schedule import GroupSchedule, Sending, fleet_schedule
from fuota_fec.radio.airtime import frame_time, min_spacing, time_on_air
from fuota_fec.radio.regions import region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN

REGION = region("EU868")
DUTY_CYCLE = 0.1
"""Duty cycle at 869.525 MHz, where all these transmissions take place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A computed figure, in the unit of its table."""

    value: float
    high: float | None = None
    """Upper end if the figure is a range; `value` is the lower end."""
    spread: float = 0.0
    """Three standard deviations, for a figure from trials."""


# --- As this library plans -------------------------------------------------------------------------------------------

Quantity = Literal["duration", "gaps", "energy"]


def scheduled(
    *,
    quantity: Quantity,
    dr: int,
    image_len: int,
    frag_size: int,
    n_coded: int = 0,
    periodicity: int | None = None,
    lead: float = 0.0,
    network_pacing: float = 0.0,
    radio_name: str = DEFAULT_RADIO,
    tx_time: float = 0.0,
) -> Value:
    """Duration, s, from the first frame to the end of the last ("gaps": to its start), or energy of a device, J."""
    sending = Sending(
        fsize=frag_size, periodicity=periodicity, lead=lead, mcast_msg_delay=0.0, network_pacing=network_pacing
    )
    group = _group(dr, image_len, n_coded, sending, EnergyModel.of(radio(radio_name), tx_time=tx_time))
    if quantity == "energy":
        return Value(value=group.energy)
    return Value(value=group.session_length - (group.time.frame_time if quantity == "gaps" else 0.0))


def whole_seconds(*, dr: int, image_len: int, frag_size: int) -> Value:
    """Range of the time, s, from the first frame to the last, for a network that sends on whole seconds only.

    The mean spacing is at least that of the duty cycle, and at most a second above it, rounded up to whole seconds.
    """
    time = _group(dr, image_len, 0, Sending(fsize=frag_size, mcast_msg_delay=0.0), EnergyModel()).time
    n_gaps = time.n_frames - 1
    return Value(value=n_gaps * time.spacing, high=n_gaps * (math.ceil(time.spacing) + 1))


def duty_cycle(*, dr: int, frag_size: int, spacing: float) -> Value:
    """Share of time on the air, %, of fragments that are sent every `spacing` s."""
    on_air = frame_time(DATA_FRAGMENT_HEADER_LEN + frag_size, REGION.data_rate(dr))
    return Value(value=100 * on_air / spacing)


def energy(*, radio_name: str, listening: float, tx_time: float) -> Value:
    """Energy, J, of a device that listens and sends for so many s."""
    model = EnergyModel.of(radio(radio_name), tx_time=tx_time)
    return Value(value=model.energy(listening, listening + tx_time))


def shorter(*, dr: int, image_len: int, factor: float) -> Value:
    """Duration of an image by that of one that is `factor` times smaller; with one coded fragment for 10 uncoded."""
    whole, part = (
        fleet_schedule(
            n_bytes, {dr: 1}, [[dr]], n_coded=lambda n_frags: -(-n_frags // 10), sending=Sending(lead=0.0)
        ).duration
        for n_bytes in (image_len, round(image_len / factor))
    )
    return Value(value=whole / part)


def _group(dr: int, image_len: int, n_coded: int, sending: Sending, model: EnergyModel) -> GroupSchedule:
    [group] = fleet_schedule(image_len, {dr: 1}, [[dr]], n_coded=n_coded, sending=sending, energy=model).groups
    return group


# --- By the rules of FUOTASim ----------------------------------------------------------------------------------------

_TOOL_OVERHEAD_LEN = 8
"""Bytes of a frame around its payload. LoRaWAN has 13."""
_TOOL_HEADER_LEN = 2
"""Bytes of a fragment's header. TS004 has 3."""
_TOOL_N_CODED = 3
"""A device is complete with so many fragments more than the image has."""
_TOOL_SLOT_SPACING = 0.96
"""s between two ping slots of periodicity 0. LoRaWAN has 1 s, with the reserved time of the beacon."""


def _tool_frames(dr: int, image_len: int, payload_len: int) -> tuple[int, float]:
    """Number of frames until a device is complete, and time on air of each."""
    n_frames = -(-image_len // (payload_len - _TOOL_HEADER_LEN)) + _TOOL_N_CODED
    return n_frames, time_on_air(_TOOL_OVERHEAD_LEN + payload_len, REGION.data_rate(dr), crc=True)


def tool_class_c(*, quantity: Literal["duration", "energy"], dr: int, image_len: int, payload_len: int) -> Value:
    """Duration, s, or energy, J, of an update with the frames of FUOTASim, under the duty cycle."""
    n_frames, on_air = _tool_frames(dr, image_len, payload_len)
    duration = (n_frames - 1) * min_spacing(on_air, DUTY_CYCLE) + on_air
    return Value(value=duration if quantity == "duration" else EnergyModel().energy(duration, duration))


def tool_class_b(*, dr: int, periodicity: int, image_len: int, payload_len: int) -> Value:
    """Duration, s, of an update with the frames and the ping slots of FUOTASim: a frame waits for its slot."""
    n_frames, on_air = _tool_frames(dr, image_len, payload_len)
    spacing = _TOOL_SLOT_SPACING * 2**periodicity
    silence = min_spacing(on_air, DUTY_CYCLE) - on_air
    return Value(value=n_frames * on_air + (n_frames - 1) * (math.floor(silence / spacing) + 1) * spacing)


# --- By the rules of fuotaa ------------------------------------------------------------------------------------------

_ASSUMED_OVERHEAD_LEN = 9
"""Bytes around a fragment that fuotaa counts, with a CRC. TS004 and LoRaWAN have 16, without one."""
_ASSUMED_FRAME_TIMES = 9
"""Frame times from the start of a frame to the start of the next. A duty cycle of 10 % needs 10."""


def nine_frame_times(*, dr: int, image_len: int, frag_size: int) -> Value:
    """Time, s, from the first frame to the last by the spacing of fuotaa."""
    on_air = time_on_air(_ASSUMED_OVERHEAD_LEN + frag_size, REGION.data_rate(dr), crc=True)
    return Value(value=(-(-image_len // frag_size) - 1) * _ASSUMED_FRAME_TIMES * on_air)


# --- Coded fragments alone -------------------------------------------------------------------------------------------

_N_ROWS = 4096
"""Rows that may be heard, drawn from all of a block."""
_CHUNK = 2048
"""Devices whose receptions are drawn at once."""
_NEVER = 1 << 20
"""Fragments beyond M of a device that no row completes."""


def coded_alone(
    *,
    quantity: Literal["fails with M", "completes with M + 7", "mean excess"],
    n_frags: int,
    dialect: str,
    n_trials: int,
    n_uncoded: int = 0,
    seed: int = 1,
) -> Value:
    """Shares, %, or mean excess over M, of devices that hear random rows, and the first `n_uncoded` fragments."""
    excess = _excess(n_frags, dialect, n_trials, n_uncoded, seed)
    if quantity == "mean excess":
        return Value(value=float(excess.mean()), spread=3 * float(excess.std()) / math.sqrt(n_trials))
    share = float(np.mean(excess > 0 if quantity == "fails with M" else excess <= 7))
    return Value(value=100 * share, spread=300 * math.sqrt(share * (1 - share) / n_trials))


@cache
def _excess(n_frags: int, dialect: str, n_trials: int, n_uncoded: int, seed: int) -> npt.NDArray[np.int64]:
    """Fragments beyond M that each device hears until it is complete. Each hears a sixteenth of the rows, at random.

    Numbers come straight from the bit generator: its stream is the same in every version of numpy.
    """
    bits = np.random.PCG64(seed)
    order = np.argsort(bits.random_raw(MAX_FRAG_NB - n_frags), kind="stable")
    columns = matrix_columns(n_frags, dialect, np.sort(order[:_N_ROWS]).astype(np.uint32) + 1)
    parts = []
    for first in range(0, n_trials, _CHUNK):
        n_devices = min(_CHUNK, n_trials - first)
        words = np.bitwise_and.reduce(bits.random_raw(4 * n_devices * _N_ROWS // 64).reshape(4, n_devices, -1))
        heard = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little").astype(np.bool_)
        lost = np.ones((n_devices, n_frags + _N_ROWS), np.bool_)
        lost[:, :n_uncoded] = False
        lost[:, n_frags:] = ~heard
        needed = needed_of(columns, n_frags, lost)
        n_heard = n_uncoded + np.count_nonzero(heard & (np.arange(_N_ROWS) < needed[:, None]), axis=1)
        parts.append(np.where(needed < 0, _NEVER, n_heard - n_frags))
    return np.concatenate(parts)


FIGURES: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            scheduled,
            whole_seconds,
            duty_cycle,
            energy,
            shorter,
            tool_class_c,
            tool_class_b,
            nine_frame_times,
            coded_alone,
        )
    }
)
"""Every figure by the name of its function."""
