"""Fragment size, answer spread, session length: what a group's radio and size lead to."""

from __future__ import annotations

import math

from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import LONGEST_TIME_OUT, session_duration
from fuota_fec.radio.regions import DATA_FRAGMENT_HEADER_LEN


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
    asking = n_devices * ucast_msg_delay
    answering = (1 + msg_retries) * (2 * slowest_period + 2 * delivery_timeout)
    return math.ceil(now + asking + answering + late_answer_time + margin)


def session_time_out(needed: float, wanted: float) -> int:
    """TimeOut of a class C session: the smallest t with 2^t s ≥ `wanted`, at most 15.

    ParameterError if even 2^15 s is shorter than `needed`, what the planned frames take.
    """
    longest = session_duration(LONGEST_TIME_OUT)
    if needed > longest:
        raise ParameterError(f"the transmission takes {needed:.0f} s, a class C session lasts at most {longest} s")
    return next((t for t in range(LONGEST_TIME_OUT) if session_duration(t) >= wanted), LONGEST_TIME_OUT)
