"""Fragment size, answer spread, session length: what a group's radio and size lead to."""

from __future__ import annotations

import math
from typing import Literal

from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration
from fuota_fec.radio.regions import BEACON_PERIOD, DATA_FRAGMENT_HEADER_LEN
from fuota_fec.wire.clock import gps_from_unix, unix_from_gps


def fragment_size(max_app_payload: int, *, fsize: int | None = None, multiple_of: int = 0) -> int:
    """Bytes of a fragment: `fsize` if given, else the most that fits, rounded down to a multiple of `multiple_of`.

    `max_app_payload` is N of the data rate. ParameterError if nothing fits, or `fsize` does not.
    """
    most = min(max_app_payload - DATA_FRAGMENT_HEADER_LEN, 255)
    if fsize is not None:
        if fsize > most:
            raise ParameterError(f"fsize: {fsize} bytes do not fit, this data rate takes fragments of at most {most}")
        return fsize
    size = most - most % multiple_of if multiple_of > 1 else most
    if size < 1:
        raise ParameterError(
            f"fsize_optimization: no multiple of {multiple_of} fits, fragments have at most {most} bytes"
        )
    return size


def block_ack_delay(n_devices: int, answer_spread_max: float) -> int:
    """BlockAckDelay, 0 … 7: the smallest b whose spread 2^(b+4) s holds N/16 + 1 s, capped at answer_spread_max."""
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
    """Unix time of a multicast session whose requests begin now: when the last resend's answer must be in.

    All in seconds. A whole second, as SessionTime is.
    """
    answering = unicast_stage(msg_retries, slowest_period, delivery_timeout)
    return math.ceil(now + n_devices * ucast_msg_delay + answering + late_answer_time + margin)


def unicast_stage(msg_retries: int, slowest_period: float, delivery_timeout: float) -> float:
    """Seconds in which the slowest device is asked for the last time and answers, if it is asked at once."""
    return (1 + msg_retries) * (2 * slowest_period + 2 * delivery_timeout)


def beacon_start(start: float, n_beacons: int) -> float:
    """Unix time of a class B session that is to start at `start` (Unix time) after `n_beacons` beacons of acquisition:
    the first beacon, a multiple of 128 s in GPS time, that is late enough."""
    gps = gps_from_unix(start) + n_beacons * BEACON_PERIOD
    return unix_from_gps(math.ceil(gps / BEACON_PERIOD) * BEACON_PERIOD)


def session_time_out(needed: float, wanted: float, device_class: Literal["B", "C"] = "C") -> int:
    """TimeOut of a session: the smallest t with 2^t s (128 · 2^t s in class B) ≥ `wanted`, at most 15.

    ParameterError if even t = 15 is shorter than `needed`, what the planned frames take.
    """
    longest = session_duration(LONGEST_TIME_OUT, device_class=device_class)
    if needed > longest:
        raise ParameterError(
            f"the transmission takes {needed:.0f} s, a class {device_class} session lasts at most {longest} s"
        )
    enough = (t for t in range(LONGEST_TIME_OUT) if session_duration(t, device_class=device_class) >= wanted)
    return next(enough, LONGEST_TIME_OUT)
