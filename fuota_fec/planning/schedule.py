"""Fragment size, answer spread, session start and session length of a group, from its radio and its size."""

from __future__ import annotations

import math
from typing import Literal

from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration
from fuota_fec.radio.regions import BEACON_PERIOD
from fuota_fec.wire.clock import gps_from_unix, unix_from_gps
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN, MAX_FRAG_SIZE


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


def session_start(
    now: float,
    *,
    n_devices: int,
    ucast_msg_delay: float,
    msg_retries: int,
    slowest_period: float,
    delivery_timeout: float,
    late_answer_time: float,
    margin: float,
) -> float:
    """Unix time of a multicast session whose requests begin now: the time by which the last resend is answered.

    All arguments are in seconds, `ucast_msg_delay` too (ms in a campaign's configuration). The result is a whole
    second, as SessionTime is.
    """
    answering = unicast_stage(msg_retries, slowest_period, delivery_timeout)
    return math.ceil(now + n_devices * ucast_msg_delay + answering + late_answer_time + margin)


def unicast_stage(msg_retries: int, slowest_period: float, delivery_timeout: float) -> float:
    """Longest duration, s, of a unicast request to the slowest device: all resends, and the answer to the last."""
    return (1 + msg_retries) * (2 * slowest_period + 2 * delivery_timeout)


def beacon_start(start: float, n_beacons: int) -> float:
    """Unix time at which a class B session starts: the first beacon after `start` and `n_beacons` beacons to acquire.

    `start` is a Unix time. Beacons are at multiples of 128 s in GPS time.
    """
    gps = gps_from_unix(start) + n_beacons * BEACON_PERIOD
    return unix_from_gps(math.ceil(gps / BEACON_PERIOD) * BEACON_PERIOD)


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
