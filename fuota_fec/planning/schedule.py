"""Fragment size, answer spread, session start and session length of a group, from its radio and its size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fuota_fec.checks import counted
from fuota_fec.errors import ParameterError
from fuota_fec.planning.unicast import TryLosses, answered_by
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration
from fuota_fec.radio.regions import BEACON_PERIOD
from fuota_fec.wire.clock import gps_from_unix, unix_from_gps
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_SIZE

CONFIDENCE = 0.995
"""Probability with which all devices that can succeed have confirmed before a computed session start."""
SESSION_MARGIN, SESSION_EXTRA = 1.25, 60.0
"""Factor and s by which a session lasts longer than what is to be sent in it."""


def fragment_size(max_app_payload: int, *, fsize: int | None = None, multiple_of: int = 0) -> int:
    """Bytes of a fragment: `fsize` if given, else the largest that fits, rounded down to a multiple of `multiple_of`.

    `max_app_payload` is N of the data rate. ParameterError if no fragment fits, or `fsize` is too large.
    """
    most = min(max_app_payload - DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_SIZE)
    if fsize is not None:
        if fsize > most:
            raise ParameterError(f"fsize: {fsize} bytes do not fit, expected at most {most} at this data rate")
        return fsize
    size = most - most % multiple_of if multiple_of > 1 else most
    if size < 1:
        raise ParameterError(
            f"fsize_optimization: no multiple of {multiple_of} fits, expected at most {most} bytes at this data rate"
        )
    return size


def block_ack_delay(n_devices: int, answer_spread_max: float) -> int:
    """BlockAckDelay, 0 … 7: the smallest b with a spread 2^(b+4) s of at least N/16 + 1 s, or answer_spread_max s."""
    wanted = min(n_devices / 16 + 1, answer_spread_max)
    return next((b for b in range(7) if 2 ** (b + 4) >= wanted), 7)


def answer_spread(block_ack_delay: int) -> int:
    """s over which devices spread their answers (TS004, BlockAckDelay)."""
    return 1 << (block_ack_delay + 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStart:
    """Start of a multicast session whose requests begin now, and the reason for it."""

    at: float
    """Unix time, a whole second, as SessionTime is."""
    reason: str


def session_start(
    now: float,
    *,
    periods: Mapping[float, int],
    losses: TryLosses,
    ucast_msg_delay: float,
    msg_retries: int,
    delivery_timeout: float,
    late_answer_time: float,
    margin: float,
    answer_delay: float = 0.0,
) -> SessionStart:
    """Start of a multicast session whose requests begin at the Unix time `now`.

    It is the time by which, with a probability of CONFIDENCE, every device that can succeed has confirmed; not before
    the next uplink of the slowest device, and not after the time by which the last resend to it is answered. `periods`:
    number of devices by uplink period, s. All times are in seconds, `ucast_msg_delay` too (ms in a campaign's
    configuration).
    """
    n_devices, slowest = sum(periods.values()), max(periods)
    confirmed = answered_by(
        periods,
        losses,
        share=1 - (1 - CONFIDENCE) / n_devices,
        msg_retries=msg_retries,
        delivery_timeout=delivery_timeout,
        answer_delay=answer_delay,
    )
    likely = n_devices * ucast_msg_delay / losses.success + max(confirmed, slowest)
    last_answer = (1 + msg_retries) * (2 * slowest + 2 * delivery_timeout)
    longest = n_devices * ucast_msg_delay + last_answer + late_answer_time
    reason = (
        f"time for {counted(n_devices, 'device')} to confirm, with an uplink every {slowest:.0f} s or less and "
        f"{100 * (1 - losses.success):.0f} % of tries lost"
    )
    if longest < likely:
        reason += ": the last resend is answered by then"
    return SessionStart(at=math.ceil(now + min(likely, longest) + margin), reason=reason)


def beacon_start(start: float, n_beacons: int) -> float:
    """Unix time at which a class B session starts: the first beacon after `start` and `n_beacons` beacons to acquire.

    `start` is a Unix time. Beacons are at multiples of 128 s in GPS time.
    """
    gps = gps_from_unix(start) + n_beacons * BEACON_PERIOD
    return unix_from_gps(math.ceil(gps / BEACON_PERIOD) * BEACON_PERIOD)


def session_need(
    *,
    lead: float,
    slot: float,
    n_frames: int,
    pacing: float,
    n_coded: int = 0,
    coded_pacing: float = 0.0,
    n_status: int = 0,
    status_wait: float = 0.0,
) -> float:
    """Length of a session that is to hold so many frames and status requests, with a margin, s.

    `lead`: time before the first frame. `slot`: longest wait for a ping slot in class B, else 0. `pacing`: time between
    two frames; `coded_pacing` that after each of the `n_coded` coded ones among them. `status_wait`: wait for the
    answers to a status request. All times are in seconds.
    """
    frames = (n_frames - n_coded) * pacing + n_coded * coded_pacing
    sending = lead + slot + frames + n_status * (pacing + status_wait)
    return sending * SESSION_MARGIN + SESSION_EXTRA


def session_time_out(needed: float, wanted: float, device_class: Literal["B", "C"] = "C") -> int:
    """TimeOut of a session: the smallest t with 2^t s (128 · 2^t s in class B) ≥ `wanted` s, at most 15.

    ParameterError if t = 15 is shorter than `needed`, the duration of the planned frames in s.
    """
    longest = session_duration(LONGEST_TIME_OUT, device_class=device_class)
    if needed > longest:
        raise ParameterError(
            f"session length: {needed:.0f} s is too long, a class {device_class} session lasts at most {longest} s"
        )
    enough = (t for t in range(LONGEST_TIME_OUT) if session_duration(t, device_class=device_class) >= wanted)
    return next(enough, LONGEST_TIME_OUT)
