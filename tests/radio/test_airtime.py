"""Time on air, duty cycles, ping slots and sessions: vectors, formulas of the data sheets, other implementations."""

from __future__ import annotations

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.radio.airtime import (
    TransmissionTime,
    beacon_at,
    class_c_loss,
    frame_time,
    min_spacing,
    next_ping_slot,
    own_uplink_loss,
    ping_nb,
    ping_offset,
    ping_period,
    ping_spacing,
    session_duration,
    session_time_out,
    time_on_air,
    transmission_time,
)
from fuota_fec.radio.regions import DataRate, region

VECTORS = Path(__file__).parents[1] / "vectors"
AIRTIME = json.loads((VECTORS / "airtime.json").read_text())["vectors"]
CLASS_B = json.loads((VECTORS / "class_b.json").read_text())["vectors"]


def lora(sf: int, bw_khz: int = 125) -> DataRate:
    return DataRate(dr=0, sf=sf, bw_khz=bw_khz)


FSK = region("EU868").data_rate(7)

phy_lens = st.integers(1, 255)
lora_rates = st.builds(lora, st.integers(5, 12), st.sampled_from([125, 250, 500]))
data_rates = lora_rates | st.just(FSK)
addrs = st.integers(0, 2**32 - 1)
periodicities = st.integers(0, 7)
gps_times = st.floats(0, 2**32, allow_nan=False)


def spec_time_on_air(phy_len: int, sf: int, bw_khz: int, crc: bool) -> Fraction:
    """Formula of the data sheets, term by term, in exact fractions of a second."""
    t_sym = Fraction(2**sf, bw_khz * 1000)
    de = 1 if t_sym >= Fraction(16, 1000) else 0
    extra, constant = (Fraction(25, 4), 20) if sf in (5, 6) else (Fraction(17, 4), 28)
    coded = Fraction(8 * phy_len - 4 * sf + constant + 16 * int(crc), 4 * (sf - 2 * de))
    n_payload = 8 + max(math.ceil(coded) * (1 + 4), 0)
    return (8 + extra) * t_sym + n_payload * t_sym


# --- Time on air -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", AIRTIME, ids=lambda v: f"SF{v['sf']}-{v['bw_khz']}-{v['phy_len']}")
def test_time_on_air_is_that_of_the_vectors(v):
    rate = lora(v["sf"], v["bw_khz"])
    assert (v["preamble"], v["coding_rate"], v["explicit_header"]) == (8, "4/5", True)
    assert time_on_air(v["phy_len"], rate) * 1e6 == pytest.approx(v["time_us_downlink"], rel=1e-12)
    assert time_on_air(v["phy_len"], rate, crc=True) * 1e6 == pytest.approx(v["time_us_with_crc"], rel=1e-12)


def test_time_on_air_gives_known_check_values():
    assert frame_time(51, lora(12)) == 2.793472
    assert time_on_air(64, lora(12)) == 2.793472
    assert time_on_air(255, lora(7)) == 0.394496


# SF, fragment size: time on air with CRC ms, pause at 10 % ms, fragments an hour at 10 %; the same count for downlinks
PUBLISHED = [
    (12, 48, 2793.5, 25141, 128, 128),
    (11, 48, 1560.6, 14045, 230, 243),
    (10, 48, 698.4, 6285, 515, 515),
    (9, 48, 390.1, 3511, 922, 973),
    (9, 112, 676.9, 6092, 531, 531),
    (8, 200, 604.7, 5442, 595, 605),
    (7, 200, 343.3, 3090, 1048, 1064),
    (7, 232, 389.4, 3504, 924, 936),
]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"SF{row[0]}-{row[1]}")
def test_fragment_rates_are_the_published_ones(row):
    """The published figures include the CRC of an uplink; without it five of eight rates are up to 6 % higher."""
    sf, fragment_size, on_air_ms, pause_ms, with_crc, downlinks = row
    on_air = time_on_air(13 + 3 + fragment_size, lora(sf), crc=True)
    spacing = min_spacing(on_air, 0.10)
    assert round(on_air * 1000, 1) == on_air_ms
    assert round((spacing - on_air) * 1000) == pause_ms
    assert int(3600 / spacing) == with_crc
    assert int(3600 / min_spacing(frame_time(3 + fragment_size, lora(sf)), 0.10)) == downlinks


def test_fsk_frames_always_have_a_crc():
    """(preamble 5 + sync word 3 + length 1 + payload + CRC 2) bytes at 50 kbit/s, with or without `crc`."""
    assert time_on_air(64, FSK) == time_on_air(64, FSK, crc=True) == (5 + 3 + 1 + 64 + 2) * 8 / 50_000
    assert frame_time(242, FSK) == pytest.approx(0.04256)


def test_sf6_and_sf5_have_a_longer_preamble_and_a_shorter_constant():
    assert time_on_air(64, lora(6)) == (8 + 6.25 + 8 + math.ceil((512 - 24 + 20) / 24) * 5) * 64 / 125_000
    assert time_on_air(64, lora(5, 500)) == (8 + 6.25 + 8 + math.ceil((512 - 20 + 20) / 20) * 5) * 32 / 500_000


@given(phy_len=phy_lens, rate=lora_rates, crc=st.booleans())
def test_lora_is_the_formula_of_the_data_sheet(phy_len, rate, crc):
    assert time_on_air(phy_len, rate, crc=crc) == float(spec_time_on_air(phy_len, rate.sf, rate.bw_khz, crc))


@given(phy_len=st.integers(1, 254), rate=data_rates, crc=st.booleans())
def test_a_longer_frame_is_never_shorter_on_the_air(phy_len, rate, crc):
    assert 0 < time_on_air(phy_len, rate, crc=crc) <= time_on_air(phy_len + 1, rate, crc=crc)
    assert time_on_air(phy_len, rate) <= time_on_air(phy_len, rate, crc=True)


@given(phy_len=phy_lens, sf=st.integers(5, 11), bw_khz=st.sampled_from([125, 250, 500]))
def test_a_higher_spreading_factor_takes_longer(phy_len, sf, bw_khz):
    assert time_on_air(phy_len, lora(sf, bw_khz)) < time_on_air(phy_len, lora(sf + 1, bw_khz))


@given(phy_len=phy_lens, sf=st.integers(5, 10))
def test_twice_the_bandwidth_is_half_the_time(phy_len, sf):
    """The law holds for spreading factors without low data rate optimisation."""
    assert time_on_air(phy_len, lora(sf, 250)) == time_on_air(phy_len, lora(sf, 125)) / 2


@given(app_payload_len=st.integers(0, 242), rate=data_rates)
def test_frame_time_adds_13_bytes_to_the_application_payload(app_payload_len, rate):
    assert frame_time(app_payload_len, rate) == time_on_air(app_payload_len + 13, rate)


@pytest.mark.parametrize("phy_len", [-1, 0, 256, 1000])
def test_time_on_air_refuses_a_length_that_no_frame_has(phy_len):
    with pytest.raises(
        ParameterError, match=rf"^phy_len: {phy_len} is not the length of a PHY payload, expected 1 to 255 bytes$"
    ):
        time_on_air(phy_len, lora(7))
    with pytest.raises(ParameterError):
        time_on_air(phy_len, FSK)


@pytest.mark.parametrize("app_payload_len", [-1, 243])
def test_frame_time_refuses_an_application_payload_beyond_242_bytes(app_payload_len):
    with pytest.raises(
        ParameterError, match=rf"^app_payload_len: {app_payload_len} is not the length .*, expected 0 to 242 bytes$"
    ):
        frame_time(app_payload_len, lora(7))


@pytest.mark.parametrize("sf", range(7, 13))
@pytest.mark.parametrize("bw_khz", [125, 250, 500])
def test_pamoja_lora_agrees_to_the_microsecond(sf, bw_khz):
    """SF5 and SF6 are left out: pamoja.lora uses the preamble of SF7 and above for them."""
    link = pytest.importorskip("pamoja.lora").link
    for crc in (False, True):
        other = link(sf, bw_khz * 1000, crc=crc)
        assert other.low_data_rate_optimization() == (2**sf / bw_khz >= 16)
        for phy_len in range(1, 256):
            ours = time_on_air(phy_len, lora(sf, bw_khz), crc=crc) * 1e6
            assert abs(ours - other.airtime_us(phy_len)) <= 1
            pause = (min_spacing(ours / 1e6, 0.01) - ours / 1e6) * 1e6
            assert abs(pause - other.min_off_time_us(phy_len, 10)) <= 100


# --- Duty cycle ------------------------------------------------------------------------------------------------------


def test_min_spacing_is_time_on_air_by_duty_cycle():
    assert min_spacing(2.793472, 0.10) == pytest.approx(27.93472)
    assert min_spacing(0.5, 0.001) == pytest.approx(500)
    assert min_spacing(0.5, 1.0) == 0.5


@given(on_air=st.floats(0.001, 10), duty_cycle=st.floats(0.0001, 1))
def test_the_share_on_the_air_is_the_duty_cycle(on_air, duty_cycle):
    spacing = min_spacing(on_air, duty_cycle)
    assert spacing >= on_air
    assert on_air / spacing == pytest.approx(duty_cycle)


@pytest.mark.parametrize("duty_cycle", [0, -0.1, 1.01, 10, math.nan])
def test_min_spacing_refuses_a_duty_cycle_that_is_not_a_fraction(duty_cycle):
    with pytest.raises(
        ParameterError,
        match=rf"^duty_cycle: {duty_cycle} is not a duty cycle, expected more than 0 and at most 1",
    ):
        min_spacing(1.0, duty_cycle)


@pytest.mark.parametrize("on_air", [-1.0, math.nan, math.inf])
def test_min_spacing_refuses_a_time_on_air_that_is_not_a_duration(on_air):
    with pytest.raises(
        ParameterError, match=rf"^time_on_air: {on_air} is not a number of seconds, expected 0 or more$"
    ):
        min_spacing(on_air, 0.1)


# --- Class B ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", [v for v in CLASS_B if v["kind"] == "ping_offset"], ids=lambda v: v["dev_or_mc_addr"])
def test_ping_offset_is_that_of_the_vectors(v):
    addr = int(v["dev_or_mc_addr"], 16)
    assert ping_nb(v["periodicity"]) == v["ping_nb"]
    assert ping_period(v["periodicity"]) == v["ping_period_slots"]
    assert ping_offset(v["beacon_time"], addr, v["periodicity"]) == v["ping_offset"]
    first = v["beacon_time"] + v["first_slot_ms_after_beacon"] / 1000
    assert next_ping_slot(v["beacon_time"], addr, v["periodicity"]) == pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize("v", [v for v in CLASS_B if v["kind"] == "next_slot"], ids=lambda v: str(v["slot_at_s"]))
def test_next_ping_slot_is_that_of_the_vectors(v):
    periodicity = 7 - v["ping_nb"].bit_length() + 1
    assert next_ping_slot(v["after_s"], int(v["addr"], 16), periodicity) == v["slot_at_s"]


def test_every_class_b_vector_is_used():
    assert {v["kind"] for v in CLASS_B} == {"ping_offset", "next_slot"}


def test_ping_slots_double_with_each_periodicity():
    assert [ping_nb(p) for p in range(8)] == [128, 64, 32, 16, 8, 4, 2, 1]
    assert [ping_period(p) for p in range(8)] == [32, 64, 128, 256, 512, 1024, 2048, 4096]
    assert [ping_spacing(p) for p in range(8)] == [1, 2, 4, 8, 16, 32, 64, 128]


@given(beacon=st.integers(0, 2**26), addr=addrs, periodicity=periodicities)
def test_ping_offset_is_within_its_period_and_repeats_after_two_to_the_32_seconds(beacon, addr, periodicity):
    offset = ping_offset(128 * beacon, addr, periodicity)
    assert 0 <= offset < ping_period(periodicity)
    assert ping_offset(128 * beacon + 2**32, addr, periodicity) == offset
    if periodicity < 7:
        assert ping_offset(128 * beacon, addr, periodicity + 1) % ping_period(periodicity) == offset


@given(beacon=st.integers(0, 2**25), addr=addrs, periodicity=periodicities)
def test_a_beacon_period_has_as_many_slots_as_ping_nb(beacon, addr, periodicity):
    """A walk from slot to slot visits every slot of the period once, in place, and then the next period."""
    beacon_time = 128 * beacon
    offset = ping_offset(beacon_time, addr, periodicity)
    expected = [
        beacon_time + 2.120 + (offset + k * ping_period(periodicity)) * 0.030 for k in range(ping_nb(periodicity))
    ]
    slots = []
    slot = next_ping_slot(beacon_time, addr, periodicity)
    while slot < beacon_time + 128:
        slots.append(slot)
        slot = next_ping_slot(slot, addr, periodicity)
    assert slots == pytest.approx(expected, abs=1e-5)
    assert beacon_time + 2.120 <= slots[0]
    assert slots[-1] < beacon_time + 128 - 3.0
    assert beacon_at(slot) == beacon_time + 128


@given(after=gps_times, addr=addrs, periodicity=periodicities)
def test_the_next_ping_slot_is_the_first_one_strictly_after_the_time(after, addr, periodicity):
    slot = next_ping_slot(after, addr, periodicity)
    assert after < slot < after + 256
    for beacon_time in (beacon_at(after), beacon_at(after) + 128):
        offset = ping_offset(beacon_time, addr, periodicity)
        for k in range(ping_nb(periodicity)):
            start = (beacon_time * 1000 + 2120 + 30 * (offset + k * ping_period(periodicity))) / 1000
            assert start <= after or start >= slot


def test_beacon_at_is_the_last_multiple_of_128():
    assert [beacon_at(gps_time) for gps_time in (0, 127.999, 128, 128.001, 1_000_000_000)] == [
        0,
        0,
        128,
        128,
        999_999_872 + 128,
    ]


@pytest.mark.parametrize("periodicity", [-1, 8])
def test_ping_slot_functions_refuse_a_periodicity_beyond_three_bits(periodicity):
    for call in (ping_nb, ping_period, ping_spacing, lambda p: ping_offset(0, 0, p), lambda p: next_ping_slot(0, 0, p)):
        with pytest.raises(
            ParameterError, match=rf"^periodicity: {periodicity} is not a ping slot periodicity, expected 0 to 7$"
        ):
            call(periodicity)


@pytest.mark.parametrize("beacon_time", [-128, 1, 127, 129])
def test_ping_offset_refuses_a_time_that_is_not_a_beacon(beacon_time):
    with pytest.raises(
        ParameterError, match=rf"^beacon_time: {beacon_time} is not the GPS .*, expected a multiple of 128 s$"
    ):
        ping_offset(beacon_time, 0, 0)


@pytest.mark.parametrize("addr", [-1, 2**32])
def test_ping_offset_refuses_an_address_beyond_32_bits(addr):
    with pytest.raises(
        ParameterError, match=r"^addr: -?0x[0-9a-f]+ is not a device or multicast address, expected 32 bits$"
    ):
        ping_offset(0, addr, 0)


@pytest.mark.parametrize("after", [-0.5, math.nan, math.inf])
def test_next_ping_slot_refuses_a_time_that_is_negative_or_not_finite(after):
    with pytest.raises(ParameterError):
        next_ping_slot(after, 0, 0)


def test_ping_slots_without_cryptography_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(MissingExtraError, match=r"fuota-fec\[campaign\]") as caught:
        ping_offset(0, 0, 0)
    assert caught.value.extra == "campaign"
    assert ping_spacing(0) == 1


# --- Class C and sessions --------------------------------------------------------------------------------------------


def test_class_c_loss_is_the_share_of_time_spent_on_uplinks():
    assert class_c_loss(0.4, uplink_period=600, busy_time=1.6) == pytest.approx(2 / 600)
    assert class_c_loss(3, uplink_period=4, busy_time=2) == 1
    for bad in ({"uplink_period": 0, "busy_time": 1}, {"uplink_period": 60, "busy_time": -1}):
        with pytest.raises(ParameterError):
            class_c_loss(1, **bad)
    with pytest.raises(ParameterError):
        class_c_loss(-1, uplink_period=60, busy_time=1)


@pytest.mark.parametrize(
    ("seconds", "class_c", "class_b"),
    [(0, 0, 0), (1, 0, 0), (1.001, 1, 0), (2, 1, 0), (128, 7, 0), (129, 8, 1), (32767.5, 15, 8), (32768, 15, 8)],
)
def test_session_time_out_is_the_exponent_for_class_b_and_c(seconds, class_c, class_b):
    assert session_time_out(seconds) == session_time_out(seconds, device_class="C") == class_c
    assert session_time_out(seconds, device_class="B") == class_b


@given(seconds=st.floats(0, 128 * 2**15), device_class=st.sampled_from(["B", "C"]))
def test_session_time_out_is_the_smallest_that_is_long_enough(seconds, device_class):
    if seconds > session_duration(15, device_class=device_class):
        with pytest.raises(ParameterError):
            session_time_out(seconds, device_class=device_class)
        return
    time_out = session_time_out(seconds, device_class=device_class)
    assert session_duration(time_out, device_class=device_class) >= seconds
    if time_out:
        assert session_duration(time_out - 1, device_class=device_class) < seconds


@pytest.mark.parametrize(("device_class", "longest"), [("C", 32_768), ("B", 4_194_304)])
def test_session_time_out_refuses_a_session_that_is_too_long(device_class, longest):
    assert session_duration(15, device_class=device_class) == longest
    assert session_time_out(longest, device_class=device_class) == 15
    with pytest.raises(
        ParameterError, match=rf"^seconds: .* class {device_class} session, expected at most {longest} s$"
    ):
        session_time_out(longest + 1, device_class=device_class)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf])
def test_session_time_out_refuses_a_value_that_is_not_a_duration(seconds):
    with pytest.raises(ParameterError, match=rf"^seconds: {seconds} is not a number of seconds, expected 0 or more$"):
        session_time_out(seconds)


def test_session_duration_refuses_arguments_out_of_range():
    for time_out in (-1, 16):
        with pytest.raises(ParameterError, match=rf"^time_out: {time_out} is not a TimeOut, expected 0 to 15$"):
            session_duration(time_out)
    with pytest.raises(ParameterError, match=r"^device_class: 'A' is not a class .*, expected 'B' or 'C'$"):
        session_duration(0, device_class="A")  # type: ignore[arg-type]


# --- A whole transmission --------------------------------------------------------------------------------------------

SF12 = region("EU868").data_rate(0)
SF7 = region("EU868").data_rate(5)


@pytest.mark.parametrize(
    ("options", "rule", "spacing"),
    [
        ({"mcast_msg_delay_s": 2}, "mcast_msg_delay", 2),
        ({"mcast_msg_delay_s": 2, "network_pacing_s": 3.5}, "network_pacing", 3.5),
        ({"mcast_msg_delay_s": 2, "network_pacing_s": 3.5, "duty_cycle": 0.1}, "duty_cycle", 3.94496),
        ({"mcast_msg_delay_s": 2, "network_pacing_s": 3.5, "duty_cycle": 0.1, "periodicity": 4}, "ping_slot", 16),
        ({"mcast_msg_delay_s": 20, "duty_cycle": 0.1, "periodicity": 4}, "mcast_msg_delay", 32),
        ({"mcast_msg_delay_s": 2, "network_pacing_s": 40, "periodicity": 4}, "network_pacing", 48),
        ({"mcast_msg_delay_s": 2, "duty_cycle": 0.01, "periodicity": 2}, "duty_cycle", 44),
        ({"mcast_msg_delay_s": 0}, "duty_cycle", 0.394496),
        ({"mcast_msg_delay_s": 2, "network_pacing_s": 2}, "mcast_msg_delay", 2),
    ],
)
def test_the_largest_rule_sets_the_spacing(options, rule, spacing):
    found = transmission_time(1000, 242, SF7, **options)
    assert found.frame_time == 0.394496
    assert found.rule == rule
    assert found.spacing == pytest.approx(spacing)
    assert found.duration == pytest.approx(999 * spacing + 0.394496)


def test_transmission_time_of_an_image_at_ten_percent_duty_cycle():
    """100 kB over SF12 in 869.525 MHz: 2134 fragments of 48 bytes and a fifth more."""
    found = transmission_time(
        2134 + 427, 51, SF12, mcast_msg_delay_s=2, duty_cycle=region("EU868").duty_cycle(869_525_000)
    )
    assert found.rule == "duty_cycle"
    assert found.duration == pytest.approx(2560 * 27.93472 + 2.793472)


def test_transmission_of_no_frames_takes_no_time():
    assert transmission_time(0, 51, SF12, mcast_msg_delay_s=2).duration == 0
    assert transmission_time(1, 51, SF12, mcast_msg_delay_s=2).duration == 2.793472


rules = st.fixed_dictionaries(
    {
        "mcast_msg_delay_s": st.floats(0, 100),
        "network_pacing_s": st.floats(0, 100),
        "duty_cycle": st.floats(0.001, 1),
        "periodicity": st.none() | periodicities,
    }
)


@given(n_frames=st.integers(0, 16383), app_payload_len=st.integers(0, 242), rate=data_rates, options=rules)
def test_transmission_time_keeps_every_rule(n_frames, app_payload_len, rate, options):
    found = transmission_time(n_frames, app_payload_len, rate, **options)
    slot_rule = options["periodicity"]
    needs = [
        options["mcast_msg_delay_s"],
        options["network_pacing_s"],
        min_spacing(found.frame_time, options["duty_cycle"]),
    ]
    if slot_rule is None:
        assert found.spacing == max(needs)
        assert found.rule != "ping_slot"
    else:
        assert found.spacing >= max(*needs, ping_spacing(slot_rule))
        assert found.spacing % ping_spacing(slot_rule) == 0
        assert (found.rule == "ping_slot") == (found.spacing == ping_spacing(slot_rule))
    assert found.spacing >= found.frame_time
    assert found.duration <= transmission_time(n_frames + 1, app_payload_len, rate, **options).duration


@pytest.mark.parametrize("periodicity", range(8))
def test_class_b_spacing_agrees_with_real_slots(periodicity):
    """200 frames, each in the first slot 2 s after the last one, take the stated time within one beacon period."""
    found = transmission_time(200, 242, SF7, mcast_msg_delay_s=2, periodicity=periodicity)
    first = slot = next_ping_slot(1_400_000_000, 0x11223344, periodicity)
    for _ in range(199):
        slot = next_ping_slot(slot + 2 - 1e-6, 0x11223344, periodicity)
    assert abs(slot + found.frame_time - first - found.duration) <= 128


@pytest.mark.parametrize(
    "change",
    [
        {"n_frames": -1},
        {"app_payload_len": 243},
        {"mcast_msg_delay_s": -1},
        {"network_pacing_s": math.nan},
        {"duty_cycle": 0},
        {"periodicity": 8},
    ],
)
def test_transmission_time_refuses_arguments_out_of_range(change):
    arguments = {"n_frames": 10, "app_payload_len": 51, "data_rate": SF12, "mcast_msg_delay_s": 2}
    assert isinstance(transmission_time(**arguments), TransmissionTime)
    with pytest.raises(ParameterError):
        transmission_time(**arguments | change)


def test_short_uplinks_cost_a_third_of_the_frames_at_sf12_every_15_s():
    """Uplink 1.155 s, RX1 after 1 s, open for 0.262 s; frame 2.793 s."""
    assert own_uplink_loss(51, region("EU868").data_rate(0), 15) == pytest.approx(0.347, abs=0.001)
    assert own_uplink_loss(51, region("EU868").data_rate(0), 1) == 1
    assert own_uplink_loss(242, region("EU868").data_rate(7), 60) == pytest.approx(0.018, abs=0.001)


# --- 2.4 GHz ---------------------------------------------------------------------------------------------------------

AIR_TIME_2G4 = json.loads((Path(__file__).parents[1] / "vectors" / "ism2400.json").read_text())["air_time"]


@pytest.mark.parametrize("v", AIR_TIME_2G4, ids=lambda v: f"SF{v['sf']}-{v['phy_len']}-crc{v['crc']}")
def test_time_on_air_at_2400_mhz_is_that_of_the_vectors(v):
    rate = region("ISM2400").data_rate(12 - v["sf"])
    assert time_on_air(v["phy_len"], rate, crc=v["crc"]) * 1e6 == pytest.approx(v["time_on_air_us"], abs=1e-3)


# --- Spacing of coded fragments --------------------------------------------------------------------------------------


def test_coded_fragments_have_a_spacing_of_their_own():
    rate = region("EU868").data_rate(5)
    common = {"mcast_msg_delay_s": 2, "duty_cycle": 1.0}
    plain = transmission_time(10, 100, rate, **common)
    assert (plain.coded_spacing, plain.n_coded) == (2, 0)
    assert transmission_time(10, 100, rate, n_coded=4, **common).duration == plain.duration
    slow = transmission_time(10, 100, rate, n_coded=4, coded_msg_delay_s=5, **common)
    assert (slow.spacing, slow.coded_spacing, slow.rule) == (2, 5, "mcast_msg_delay")
    assert slow.duration == pytest.approx(6 * 2 + 3 * 5 + slow.frame_time)
    in_slots = transmission_time(10, 100, rate, n_coded=4, coded_msg_delay_s=5, periodicity=2, **common)
    assert (in_slots.spacing, in_slots.coded_spacing) == (4, 8)
    for bad in ({"n_coded": 11}, {"n_coded": -1}, {"n_coded": 1, "coded_msg_delay_s": -1}):
        with pytest.raises(ParameterError, match=f"^{list(bad)[-1]}: "):
            transmission_time(10, 100, rate, **common, **bad)
