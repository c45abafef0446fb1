"""Time on air, duty-cycle pacing, class B ping slots, session time-outs, and duration of a whole transmission.

All times are seconds. beacon_time, after and gps_time are GPS seconds (since 1980-01-06, leap seconds counted).

LoRa (Semtech AN1200.13; SX127x and SX126x data sheets): PL bytes of PHY payload, coding rate 4/5, explicit header,

    T_sym     = 2^SF / BW
    DE        = 1 where T_sym >= 16 ms (SF11, SF12 at 125 kHz; SF12 at 250 kHz), else 0
    preamble  = 8 + 4.25 symbols                                                     (SF5, SF6: 8 + 6.25)
    payload   = 8 + max(ceil((8 PL - 4 SF + 28 + 16 CRC) / (4 (SF - 2 DE))) * 5, 0)  (SF5, SF6: 20 for 28)

LoRa at 2.4 GHz (SX128x data sheet, as in Semtech's driver): bandwidth 812.5 kHz, coding rate 4/8, long interleaving,

    space     = 8 floor((SF - 7) / 2)                                                (SF5, SF6: 0)
    payload   = 8 + ceil(8 max(8 PL + 16 CRC - min(space, 8 PL), 0) / (4 (SF - 2 DE)))    DE = 1 for SF11, SF12

FSK: preamble 5, sync word 3, length 1, payload, CRC 2 bytes at the bit rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fuota_fec.checks import shown
from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.wire.lorawan import (
    BEACON_PERIOD,
    FRAME_OVERHEAD_LEN,
    MAX_APP_PAYLOAD_LEN,
    MAX_PHY_PAYLOAD_LEN,
    RX1_DELAY,
)

if TYPE_CHECKING:
    from fuota_fec.radio.regions import DataRate

SpacingRule = Literal["mcast_msg_delay", "ping_slot", "network_pacing", "duty_cycle"]
"""The rule that determines the distance between two multicast downlinks of a group."""

LONGEST_TIME_OUT = 15
"""Largest TimeOut exponent of a multicast session (TS005, McClassCSessionReq and McClassBSessionReq: 4 bits)."""

# LoRaWAN 1.0.4, class B, in milliseconds: the reserved time of the beacon, a window of 4096 slots, a guard time.
_BEACON_RESERVED_MS = 2120
_SLOT_MS = 30
_N_SLOTS = 4096

_PREAMBLE_SYMBOLS = 8

UPLINK_LEN = 1
"""Bytes of application payload of the short uplink that is assumed where nothing is known."""
_RX1_SYMBOLS = 8
"""Length of a receive window without a downlink, in symbols; in FSK, bytes."""
NOTABLE_UPLINK_LOSS = 0.05
"""Share of multicast frames missed because of own uplinks above which a plan should count it."""

LONG_INTERLEAVED_KHZ = 812
"""Bandwidth of data rates with the coding rate 4/8 and long interleaving: those of 2.4 GHz."""


# --- Time on air -----------------------------------------------------------------------------------------------------


def time_on_air(phy_len: int, data_rate: DataRate, *, crc: bool = False) -> float:
    """Time on air in seconds of a frame of `phy_len` bytes (whole PHY payload, 1-255) at `data_rate`.

    `crc`: with the LoRa payload CRC of uplinks, which downlinks do not have. FSK frames always have a CRC.
    Raises ParameterError for another length.
    """
    if not 1 <= phy_len <= MAX_PHY_PAYLOAD_LEN:
        raise _refused("phy_len", phy_len, "the length of a PHY payload", f"1 to {MAX_PHY_PAYLOAD_LEN} bytes")
    if data_rate.bit_rate is not None:
        return (5 + 3 + 1 + phy_len + 2) * 8 / data_rate.bit_rate
    assert data_rate.sf is not None  # DataRate is LoRa or FSK
    assert data_rate.bw_khz is not None
    sf, bw_khz = data_rate.sf, data_rate.bw_khz
    header_bits, quarters = (20, 25) if sf < 7 else (28, 17)
    if bw_khz == LONG_INTERLEAVED_KHZ:
        n_symbols = 8 + _long_interleaved(8 * phy_len, 16 * crc, sf)
    else:
        low_rate = 1 << sf >= 16 * bw_khz
        n_coded_bits = 8 * phy_len - 4 * sf + header_bits + 16 * crc
        n_symbols = 8 + max(-(-n_coded_bits // (4 * (sf - 2 * low_rate))) * 5, 0)
    # Counted in quarters of a symbol, so that only the last division rounds.
    return (4 * (_PREAMBLE_SYMBOLS + n_symbols) + quarters) * (1 << sf) / (4 * data_rate.bandwidth_hz)


def _long_interleaved(payload_bits: int, crc_bits: int, sf: int) -> int:
    """Symbols of a payload after the first 8, which hold the header and the first bits of it."""
    space = 8 * max((sf - 7) // 2, 0)
    n_bits = max(payload_bits + crc_bits - min(space, payload_bits), 0)
    return -(-8 * n_bits // (4 * (sf - 2 * (sf > 10))))


def frame_time(app_payload_len: int, data_rate: DataRate) -> float:
    """Time on air in seconds of a downlink with `app_payload_len` bytes (0-242) of application payload and no FOpts.

    The application payload of a DataFragment is DATA_FRAGMENT_HEADER_LEN + fragment size. Raises ParameterError
    beyond 242.
    """
    if not 0 <= app_payload_len <= MAX_APP_PAYLOAD_LEN:
        expected = f"0 to {MAX_APP_PAYLOAD_LEN} bytes"
        raise _refused("app_payload_len", app_payload_len, "the length of an application payload", expected)
    return time_on_air(FRAME_OVERHEAD_LEN + app_payload_len, data_rate)


def min_spacing(time_on_air: float, duty_cycle: float) -> float:
    """Least seconds from the start of one frame to the start of the next under a duty cycle (a fraction, 0 < x <= 1).

    With 1.0 (no limit) frames follow each other without a pause. Raises ParameterError for another fraction.
    """
    if not 0 < duty_cycle <= 1:
        raise _refused("duty_cycle", duty_cycle, "a duty cycle", "more than 0 and at most 1 (0.1 = 10 %)")
    return _seconds(time_on_air, "time_on_air") / duty_cycle


# --- Class B ---------------------------------------------------------------------------------------------------------


def ping_nb(periodicity: int) -> int:
    """Ping slots per beacon period: 2^(7 - periodicity) (LoRaWAN 1.0.4, PingSlotInfoReq; TS005, McClassBSessionReq).

    Raises ParameterError unless 0 <= periodicity <= 7, as do all functions with a periodicity.
    """
    if periodicity not in range(8):
        raise _refused("periodicity", periodicity, "a ping slot periodicity", "0 to 7")
    return 1 << (7 - periodicity)


def ping_period(periodicity: int) -> int:
    """Distance between two ping slots of a beacon period in slots of 30 ms: 2^(5 + periodicity)."""
    return _N_SLOTS // ping_nb(periodicity)


def ping_spacing(periodicity: int) -> float:
    """Mean seconds between two ping slots: 128 / pingNb."""
    return BEACON_PERIOD / ping_nb(periodicity)


def beacon_at(gps_time: float) -> int:
    """GPS seconds of the beacon that starts the beacon period of `gps_time`: the last multiple of 128 up to it."""
    return math.floor(_seconds(gps_time, "gps_time")) // BEACON_PERIOD * BEACON_PERIOD


def ping_offset(beacon_time: int, addr: int, periodicity: int) -> int:
    """Number of the first ping slot of `addr` (DevAddr or McAddr) after the beacon at `beacon_time`; below ping_period.

    Rand = AES-128(key 0, beacon_time u32 LE | addr u32 LE | 8 x 0); offset = (Rand[0] + 256 Rand[1]) mod ping_period
    (LoRaWAN 1.0.4, class B, downlink slot randomisation). `beacon_time` counts modulo 2^32.

    Raises ParameterError for a time that is not a multiple of 128 or an address beyond 32 bits, MissingExtraError
    without the `cryptography` package.
    """
    period = ping_period(periodicity)
    if beacon_time < 0 or beacon_time % BEACON_PERIOD:
        expected = f"a multiple of {BEACON_PERIOD} s"
        raise _refused("beacon_time", beacon_time, "the GPS time of a beacon", expected)
    if not 0 <= addr < 1 << 32:
        raise ParameterError(f"addr: {addr:#x} is not a device or multicast address, expected 32 bits")
    block = (beacon_time % (1 << 32)).to_bytes(4, "little") + addr.to_bytes(4, "little") + bytes(8)
    return int.from_bytes(_aes_with_zero_key(block)[:2], "little") % period


def next_ping_slot(after: float, addr: int, periodicity: int) -> float:
    """GPS seconds of the start of the first ping slot of `addr` (DevAddr or McAddr) strictly after `after`.

    Slot k of the beacon period starts 2.120 s + (offset + k * ping_period) * 30 ms after the beacon.
    Raises the errors of `ping_offset`, and ParameterError for an `after` that is negative or not finite.
    """
    n_slots, period_ms = ping_nb(periodicity), ping_period(periodicity) * _SLOT_MS
    beacon_time = beacon_at(after)
    while True:  # At most twice: all slots of the next beacon period are later.
        first_ms = beacon_time * 1000 + _BEACON_RESERVED_MS + ping_offset(beacon_time, addr, periodicity) * _SLOT_MS
        start = max(0, math.floor((after * 1000 - first_ms) / period_ms))
        for slot_idx in range(start, n_slots):
            slot = (first_ms + slot_idx * period_ms) / 1000
            if slot > after:
                return slot
        beacon_time += BEACON_PERIOD


def _aes_with_zero_key(block: bytes) -> bytes:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError as error:
        raise MissingExtraError(
            "class B ping slots need the package cryptography: pip install 'fuota-fec[campaign]'", extra="campaign"
        ) from error
    encryptor = Cipher(algorithms.AES(bytes(16)), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


# --- Class C and sessions --------------------------------------------------------------------------------------------


def class_c_loss(time_on_air: float, *, uplink_period: float, busy_time: float) -> float:
    """Fraction of multicast frames that a class C device misses because of its own uplinks.

    A device receives nothing for `busy_time` seconds (uplink and RX1) in every `uplink_period`, and loses each frame
    that overlaps: (busy_time + time_on_air) / uplink_period, at most 1. Losses of the radio come on top.
    """
    if not uplink_period > 0:
        raise _refused("uplink_period", uplink_period, "a period", "more than 0 s")
    return min(1.0, (_seconds(busy_time, "busy_time") + _seconds(time_on_air, "time_on_air")) / uplink_period)


def uplink_time(data_rate: DataRate) -> float:
    """Time on air of a short uplink of a device, s, at a data rate as fast as `data_rate`."""
    return time_on_air(FRAME_OVERHEAD_LEN + UPLINK_LEN, data_rate, crc=True)


def deaf_after_uplink(data_rate: DataRate) -> float:
    """s from the end of an uplink for which a class C device hears no multicast: until RX1, and while RX1 is open."""
    if data_rate.bit_rate is not None:
        return RX1_DELAY + 8 * _RX1_SYMBOLS / data_rate.bit_rate
    assert data_rate.sf is not None  # DataRate is LoRa or FSK
    return RX1_DELAY + _RX1_SYMBOLS * (1 << data_rate.sf) / data_rate.bandwidth_hz


def own_uplink_loss(app_payload_len: int, data_rate: DataRate, uplink_period: float) -> float:
    """Share of multicast frames of `app_payload_len` bytes that a class C device misses because of its own uplinks.

    The device sends a short uplink every `uplink_period` s; see `class_c_loss`.
    """
    busy_time = uplink_time(data_rate) + deaf_after_uplink(data_rate)
    return class_c_loss(frame_time(app_payload_len, data_rate), uplink_period=uplink_period, busy_time=busy_time)


def session_time_out(seconds: float, *, device_class: Literal["B", "C"] = "C") -> int:
    """The TimeOut exponent of a multicast session that must last `seconds`: the smallest t with 2^t s >= seconds.

    TS005 1.0.0, McClassCSessionReq; in class B (McClassBSessionReq) the session lasts 128 * 2^t s.
    Raises ParameterError beyond 15: 32768 s in class C, 4194304 s in class B.
    """
    needed = _seconds(seconds, "seconds")
    for time_out in range(LONGEST_TIME_OUT + 1):
        if session_duration(time_out, device_class=device_class) >= needed:
            return time_out
    longest = session_duration(LONGEST_TIME_OUT, device_class=device_class)
    raise ParameterError(
        f"seconds: {seconds:g} is not the duration of a class {device_class} session, expected at most {longest} s"
    )


def session_duration(time_out: int, *, device_class: Literal["B", "C"] = "C") -> int:
    """Longest duration in seconds of a multicast session with this TimeOut. Raises ParameterError beyond 0-15."""
    if time_out not in range(LONGEST_TIME_OUT + 1):
        raise _refused("time_out", time_out, "a TimeOut", f"0 to {LONGEST_TIME_OUT}")
    if device_class not in ("B", "C"):
        raise _refused("device_class", device_class, "a class with multicast sessions", "'B' or 'C'")
    return (BEACON_PERIOD if device_class == "B" else 1) << time_out


# --- A whole transmission --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TransmissionTime:
    """Duration of `n_frames` multicast downlinks. Times in seconds.

    `frame_time` is the time on air of each frame, `spacing` the mean distance from start to start, `rule` the rule
    that determines the spacing, `duration` the time from the start of the first frame to the end of the last.
    `n_coded` of the frames, the last ones, are followed by `coded_spacing` instead of `spacing`.
    """

    n_frames: int
    frame_time: float
    spacing: float
    rule: SpacingRule
    duration: float
    n_coded: int = 0
    coded_spacing: float = 0.0

    def of(self, n_frames: int, n_coded: int = 0) -> TransmissionTime:
        """Duration of another number of these frames."""
        # After the last frame there is no gap.
        n_uncoded_gaps = max(n_frames - n_coded - (n_coded == 0), 0)
        gaps = n_uncoded_gaps * self.spacing + max(n_coded - 1, 0) * self.coded_spacing
        return TransmissionTime(
            n_frames=n_frames,
            frame_time=self.frame_time,
            spacing=self.spacing,
            rule=self.rule,
            duration=gaps + self.frame_time if n_frames else 0.0,
            n_coded=n_coded,
            coded_spacing=self.coded_spacing,
        )


def transmission_time(
    n_frames: int,
    app_payload_len: int,
    data_rate: DataRate,
    *,
    mcast_msg_delay_s: float,
    n_coded: int = 0,
    coded_msg_delay_s: float | None = None,
    duty_cycle: float = 1.0,
    network_pacing_s: float = 0.0,
    periodicity: int | None = None,
) -> TransmissionTime:
    """Duration of `n_frames` downlinks with `app_payload_len` bytes of application payload each.

    The spacing is the largest of `mcast_msg_delay_s`, `network_pacing_s` of the network server, the spacing under the
    `duty_cycle` available to this transmission (a fraction; without a limit the time on air), and in class B (with a
    `periodicity`) the distance of the ping slots.

    The last `n_coded` frames are followed by at least `coded_msg_delay_s` instead of `mcast_msg_delay_s`, if given.

    In class B every frame waits for a slot, so the spacing is a whole number of slots. The spacing is a mean: slots
    move at random with every beacon, and a slot that is closer than the other rules allow is skipped. Real
    transmissions stay within about 10 % of the mean for periodicities 0-5, but take up to 50 % longer where the other
    rules need nearly the whole distance of the slots of periodicity 6 or 7.

    Raises ParameterError for values that are negative, not finite, or outside their range.
    """
    if n_frames < 0:
        raise _refused("n_frames", n_frames, "a number of frames", "0 or more")
    if not 0 <= n_coded <= n_frames:
        raise _refused("n_coded", n_coded, "a number of these frames", f"0 to {n_frames}")
    on_air = frame_time(app_payload_len, data_rate)
    spacing, rule = _spacing(on_air, mcast_msg_delay_s, "mcast_msg_delay_s", duty_cycle, network_pacing_s, periodicity)
    coded_spacing = spacing
    if coded_msg_delay_s is not None:
        coded_spacing, _ = _spacing(
            on_air, coded_msg_delay_s, "coded_msg_delay_s", duty_cycle, network_pacing_s, periodicity
        )
    one = TransmissionTime(
        n_frames=1, frame_time=on_air, spacing=spacing, rule=rule, duration=on_air, coded_spacing=coded_spacing
    )
    return one.of(n_frames, n_coded)


def _spacing(
    on_air: float, delay: float, name: str, duty_cycle: float, network_pacing_s: float, periodicity: int | None
) -> tuple[float, SpacingRule]:
    """Distance from start to start of two frames, and the rule that determines it."""
    needs: dict[SpacingRule, float] = {
        "mcast_msg_delay": _seconds(delay, name),
        "network_pacing": _seconds(network_pacing_s, "network_pacing_s"),
        "duty_cycle": min_spacing(on_air, duty_cycle),
    }
    rule = max(needs, key=lambda name: needs[name])
    spacing = needs[rule]
    if periodicity is not None:
        # Slots are 122.88 s / pingNb apart within a beacon period, and 128 s / pingNb on average over many periods.
        n_slots = math.ceil(spacing / (ping_period(periodicity) * _SLOT_MS / 1000))
        if n_slots <= 1:
            n_slots, rule = 1, "ping_slot"
        spacing = n_slots * ping_spacing(periodicity)
    return spacing, rule


def _seconds(value: float, name: str) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise _refused(name, value, "a number of seconds", "0 or more")
    return value


def _refused(name: str, value: object, what: str, expected: str) -> ParameterError:
    return ParameterError(f"{name}: {shown(value)} is not {what}, expected {expected}")
