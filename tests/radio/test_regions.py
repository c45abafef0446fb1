"""Regions: tables against vectors and another implementation, and messages with the usable values."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from fuota_fec.errors import ParameterError
from fuota_fec.radio.airtime import frame_time
from fuota_fec.radio.channels import REVISIONS
from fuota_fec.radio.regions import (
    REGIONS,
    REPEATER_MAX_APP_PAYLOAD,
    ClassBChannels,
    DataRate,
    Region,
    SubBand,
    region,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "regional.json").read_text())["vectors"]

ISM2400 = json.loads((Path(__file__).parents[1] / "vectors" / "ism2400.json").read_text())

GROUPS = {"AS923": ("AS923-1", "AS923-2", "AS923-3", "AS923-4")}


def case_id(v: dict) -> str:
    return f"{v['region']}-dwell{v['dwell_time_400ms']}-repeater{v['repeater']}-DR{v['dr']}"


# --- Vectors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", VECTORS, ids=case_id)
def test_payloads_and_modulations_are_those_of_the_vectors(v):
    for name in GROUPS.get(v["region"], (v["region"],)):
        found = region(name)
        options = {"dwell_time": bool(v["dwell_time_400ms"]), "repeater": v["repeater"]}
        if not v["downlink"] or v["max_app_payload"] == 0:
            with pytest.raises(ParameterError, match=rf"^dr: DR{v['dr']} .* in {name}, expected one of DR"):
                found.max_app_payload(v["dr"], **options)
            with pytest.raises(ParameterError, match=f"^dr: DR{v['dr']} "):
                found.max_fragment_size(v["dr"], **options)
        else:
            assert found.max_app_payload(v["dr"], **options) == v["max_app_payload"]
            assert found.max_fragment_size(v["dr"], **options) == v["max_fragment_size"]
        if v["downlink"]:
            rate = found.data_rate(v["dr"])
            assert (rate.dr, rate.modulation) == (v["dr"], v["modulation"])
            assert (rate.sf, rate.bw_khz, rate.bit_rate) == (v.get("sf"), v.get("bw_khz"), v.get("bitrate"))
        else:
            with pytest.raises(ParameterError):
                found.data_rate(v["dr"])


def test_the_vectors_name_every_data_rate_that_the_tables_have():
    for name, found in REGIONS.items():
        if name in ("CN470-RP1.0", "ISM2400"):
            continue
        base = "AS923" if name.startswith("AS923") else name
        assert {rate.dr for rate in found.data_rates} == {
            v["dr"] for v in VECTORS if v["region"] == base and v["downlink"]
        }
        assert set(found.uplink_only).isdisjoint(rate.dr for rate in found.data_rates)


def test_the_96_channel_plan_of_cn470_is_a_region_of_its_own():
    old = region("CN470-RP1.0")
    assert [old.max_app_payload(dr) for dr in range(6)] == [51, 51, 51, 115, 242, 242]
    assert old.usable_drs() == (0, 1, 2, 3, 4, 5)
    assert old.beacon_frequency(0) == old.ping_slot_frequency(0, 0) == 508_300_000


def test_2400_mhz_is_as_in_the_vectors():
    found, defaults = region("ISM2400"), ISM2400["defaults"]
    assert [rate.dr for rate in found.data_rates] == [v["dr"] for v in ISM2400["payloads"]]
    for v in ISM2400["payloads"]:
        rate = found.data_rate(v["dr"])
        assert (rate.sf, rate.bw_khz, rate.since) == (v["sf"], v["bw_khz"], "")
        assert found.max_app_payload(v["dr"]) == v["max_app_payload"]
        assert found.max_app_payload(v["dr"], repeater=True) == v["max_app_payload_repeater"]
    assert found.rx2_frequency_hz == defaults["rx2_frequency_hz"]
    assert found.rx2_dr == defaults["rx2_dr"]
    assert found.ping_slot_frequency(0, 0) == defaults["ping_slot_frequency_hz"]
    assert found.beacon_frequency(0) == defaults["beacon_frequency_hz"]
    assert found.beacon.dr == defaults["beacon_dr"]
    [band] = found.sub_bands
    assert (band.min_frequency_hz, band.max_frequency_hz) == (
        defaults["min_frequency_hz"],
        defaults["max_frequency_hz"],
    )


def test_the_data_rates_of_rp002_1_0_5_are_marked():
    new = {name: [rate.dr for rate in found.data_rates if rate.since] for name, found in REGIONS.items()}
    assert new["US915"] == new["AU915"] == [0, 14]
    assert new["EU868"] == new["AS923-1"] == new["IN865"] == [12, 13]
    assert new["KR920"] == new["CN470"] == new["ISM2400"] == []


# --- Downlink channels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGIONS)
def test_default_channels_take_a_downlink_at_their_data_rate(name):
    found = region(name)
    if found.rx2_frequency_hz is not None:
        found.check_downlink(found.rx2_frequency_hz, found.rx2_dr)
    for channels in (found.ping_slot, found.beacon):
        for beacon in range(channels.n_channels if channels.frequency_hz is not None else 0):
            found.check_downlink(channels.frequency(128 * beacon), channels.dr)


@pytest.mark.parametrize(
    ("name", "frequency_hz", "dr"),
    [
        ("US915", 927_500_000, 13),
        ("KR920", 920_900_000, 5),
        ("CN470", 483_100_000, 4),
        ("CN470", 502_500_000, 1),
        ("CN470-RP1.0", 500_300_000, 0),
        ("EU868", 868_100_000, 0),
        ("EU868", 869_525_000, 6),  # 250 kHz fill the band.
        ("EU868", 865_000_000, 0),  # Neighbouring bands count as one.
        ("IN865", 865_062_500, 5),
        ("ISM2400", 2_479_000_000, 0),
    ],
)
def test_a_channel_of_the_region_takes_a_downlink(name, frequency_hz, dr):
    region(name).check_downlink(frequency_hz, dr)


@pytest.mark.parametrize(
    ("name", "frequency_hz", "dr", "message"),
    [
        (
            "US915",
            923_400_000,
            8,
            "a downlink channel of US915, expected 923.3 to 927.5 MHz in steps of 0.6 MHz; ",
        ),
        ("AU915", 915_200_000, 8, "a downlink channel of AU915, expected .*; the next is 923300000 Hz"),
        ("KR920", 921_000_000, 0, "a downlink channel of KR920, expected 920.9 to 923.3 MHz in steps of 0.2 MHz"),
        ("CN470", 470_300_000, 1, "a downlink channel of CN470, expected 476.9 to 496.5 MHz .* or 496.9 to 504.7 MHz"),
        ("CN470-RP1.0", 505_400_000, 0, "a downlink channel of CN470-RP1.0, expected 500.3 to 509.7 MHz"),
        ("EU868", 869_400_000, 0, "within the bands of EU868 at DR0, 125 kHz wide, expected 869462500 to 869587500 Hz"),
        ("EU868", 869_525_100, 6, "within the bands of EU868 at DR6, 250 kHz wide, expected 869525000 to 869525000 Hz"),
        ("EU868", 863_000_000, 5, "within the bands of EU868 at DR5, 125 kHz wide, expected 863062500 to 868537500 Hz"),
        ("ISM2400", 2_400_000_000, 0, "within the bands of ISM2400 at DR0, 812.5 kHz wide, expected 2400406250 to"),
        ("ISM2400", 2_423_000_100, 0, "a multiple of 200 Hz, as it goes on the air, expected 2423000000 Hz"),
        ("EU868", 869_525_050, 0, "a multiple of 100 Hz, as it goes on the air, expected 869525000 Hz"),
    ],
)
def test_a_frequency_that_takes_no_downlink_is_refused_with_those_that_do(name, frequency_hz, dr, message):
    with pytest.raises(ParameterError, match=f"^frequency: {frequency_hz} Hz is not {message}"):
        region(name).check_downlink(frequency_hz, dr)


# --- Defaults --------------------------------------------------------------------------------------------------------

# frequency and DR of RX2, of the ping slots (address 0) and of the beacon, both at the beacon of GPS time 0
DEFAULTS = {
    "EU868": (869_525_000, 0, 869_525_000, 3, 869_525_000, 3),
    "EU433": (434_665_000, 0, 434_665_000, 3, 434_665_000, 3),
    "IN865": (866_550_000, 2, 866_550_000, 4, 866_550_000, 4),
    "KR920": (921_900_000, 0, 923_100_000, 3, 923_100_000, 3),
    "RU864": (869_100_000, 0, 868_900_000, 3, 869_100_000, 3),
    "AS923-1": (923_200_000, 2, 923_400_000, 3, 923_400_000, 3),
    "AS923-2": (921_400_000, 2, 921_600_000, 3, 921_600_000, 3),
    "AS923-3": (916_600_000, 2, 916_800_000, 3, 916_800_000, 3),
    "AS923-4": (917_300_000, 2, 917_500_000, 3, 917_500_000, 3),
    "US915": (923_300_000, 8, 923_300_000, 8, 923_300_000, 8),
    "AU915": (923_300_000, 8, 923_300_000, 8, 923_300_000, 8),
    "CN470-RP1.0": (505_300_000, 0, 508_300_000, 2, 508_300_000, 2),
    "ISM2400": (2_423_000_000, 0, 2_424_000_000, 3, 2_424_000_000, 3),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_default_channels_are_those_of_the_regional_parameters(name):
    found = region(name)
    assert DEFAULTS[name] == (
        found.rx2_frequency_hz,
        found.rx2_dr,
        found.ping_slot_frequency(0, 0),
        found.ping_slot.dr,
        found.beacon_frequency(0),
        found.beacon.dr,
    )


def test_the_four_plans_of_cn470_have_no_common_frequencies():
    found = region("CN470")
    assert (found.rx2_frequency_hz, found.rx2_dr) == (None, 1)
    for call in (lambda: found.beacon_frequency(0), lambda: found.ping_slot_frequency(0, 1)):
        with pytest.raises(
            ParameterError, match=r"^frequency_hz: None is not .*, expected one from the channel plan in use$"
        ):
            call()


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_is_consistent(name):
    """Default channels lie in a sub-band and have a usable data rate; bands are in order; a region is hashable."""
    found = region(name)
    assert found.name == name
    assert found.revision
    assert found.rx2_dr in found.usable_drs()
    assert found.ping_slot.dr in found.usable_drs()
    for channels in (found.ping_slot, found.beacon):
        if channels.frequency_hz is not None:
            for beacon in range(8):
                assert found.sub_band(channels.frequency(128 * beacon)) in found.sub_bands
    if found.rx2_frequency_hz is not None:
        assert 0 < found.duty_cycle(found.rx2_frequency_hz) <= 1
    for lower, upper in zip(found.sub_bands, found.sub_bands[1:], strict=False):
        assert lower.max_frequency_hz <= upper.min_frequency_hz
    assert found in {found}
    assert [rate.dr for rate in found.data_rates] == sorted({rate.dr for rate in found.data_rates})


@pytest.mark.parametrize("name", ["US915", "AU915"])
def test_class_b_hops_over_eight_channels(name):
    """Channel = (address + floor(beacon time / 128)) mod 8, 923.3 + 0.6 channel MHz."""
    found = region(name)
    beacons = [found.beacon_frequency(128 * period) for period in range(9)]
    assert beacons == [923_300_000 + 600_000 * channel for channel in (0, 1, 2, 3, 4, 5, 6, 7, 0)]
    assert found.ping_slot_frequency(128 * 3, 0x01020306) == 923_300_000 + 600_000 * ((6 + 3) % 8)
    assert region("EU868").ping_slot_frequency(128 * 3, 0x01020306) == 869_525_000
    assert region("CN470-RP1.0").ping_slot_frequency(128 * 3, 0x01020306) == 508_300_000 + 200_000


# --- Duty cycle ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "frequency_hz", "expected"),
    [
        ("EU868", 863_000_000, 0.001),
        ("EU868", 864_900_000, 0.001),
        ("EU868", 867_100_000, 0.01),
        ("EU868", 868_100_000, 0.01),
        ("EU868", 868_600_000, 0.01),
        ("EU868", 868_800_000, 0.001),
        ("EU868", 869_400_000, 0.10),
        ("EU868", 869_525_000, 0.10),
        ("EU868", 869_650_000, 0.10),
        ("EU868", 870_000_000, 0.01),
        ("US915", 923_300_000, 1.0),
        ("AU915", 927_500_000, 1.0),
        ("AS923-1", 923_200_000, 0.01),
        ("AS923-4", 917_300_000, 0.01),
        ("IN865", 866_550_000, 1.0),
        ("KR920", 921_900_000, 1.0),
        ("CN470", 505_300_000, 1.0),
        ("EU433", 434_665_000, 0.01),
        ("RU864", 864_500_000, 0.001),
        ("RU864", 869_100_000, 0.01),
    ],
)
def test_duty_cycle_is_that_of_the_sub_band(name, frequency_hz, expected):
    assert region(name).duty_cycle(frequency_hz) == expected
    assert region(name).sub_band(frequency_hz).duty_cycle == expected


def test_the_stricter_sub_band_applies_on_a_common_edge():
    assert region("EU868").sub_band(865_000_000).max_frequency_hz == 865_000_000
    assert region("RU864").duty_cycle(865_000_000) == 0.001


def test_frequencies_of_one_sub_band_share_one_object():
    assert region("EU868").sub_band(868_100_000) is region("EU868").sub_band(868_500_000)
    assert region("EU868").sub_band(868_100_000) != region("EU868").sub_band(869_525_000)


@pytest.mark.parametrize("frequency_hz", [0, 868_650_000, 869_300_000, 869_680_000, 870_000_001, 923_300_000])
def test_a_frequency_in_no_sub_band_is_refused(frequency_hz):
    with pytest.raises(
        ParameterError,
        match=rf"^frequency_hz: {frequency_hz} Hz is in no sub-band of EU868, expected .*869\.4-869\.65 MHz",
    ):
        region("EU868").sub_band(frequency_hz)
    with pytest.raises(ParameterError):
        region("EU868").duty_cycle(frequency_hz)


# --- Dwell time and repeaters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGIONS)
def test_dwell_time_matters_in_as923_only(name):
    found = region(name)
    assert found.has_dwell_time == name.startswith("AS923")
    if not found.has_dwell_time:
        assert found.usable_drs(dwell_time=True) == found.usable_drs()
        for dr in found.usable_drs():
            assert found.max_app_payload(dr, dwell_time=True) == found.max_app_payload(dr)


@pytest.mark.parametrize("name", REGIONS)
def test_dwell_time_and_repeater_never_raise_the_payload(name):
    found = region(name)
    for dwell_time in (False, True):
        for dr in found.usable_drs(dwell_time=dwell_time):
            n = found.max_app_payload(dr, dwell_time=dwell_time)
            assert n <= found.max_app_payload(dr)
            most = 220 if name == "ISM2400" else REPEATER_MAX_APP_PAYLOAD
            assert found.max_app_payload(dr, dwell_time=dwell_time, repeater=True) == min(n, most)
            assert found.max_fragment_size(dr, dwell_time=dwell_time) == n - 3 > 0


def test_the_dwell_time_payloads_are_on_the_air_for_at_most_400_ms():
    """Two independent tables agree: N under the limit, and the time on air of N and of one more symbol group."""
    found = region("AS923-1")
    for dr in found.usable_drs(dwell_time=True):
        rate = found.data_rate(dr)
        n = found.max_app_payload(dr, dwell_time=True)
        assert frame_time(n, rate) <= 0.400
        if n < found.max_app_payload(dr):
            assert frame_time(n + 6, rate) > 0.390


def test_usable_data_rates_leave_out_those_without_payload():
    assert region("AS923-1").usable_drs(dwell_time=True) == (2, 3, 4, 5, 6, 7, 12, 13)
    assert region("CN470").usable_drs() == (1, 2, 3, 4, 5, 6, 7)
    assert region("US915").usable_drs() == (0, 8, 9, 10, 11, 12, 13, 14)


# --- Names and errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "name"),
    [("EU868", "EU868"), ("eu868", "EU868"), ("AS923", "AS923-1"), ("as923_2", "AS923-2"), (" KR920 ", "KR920")],
)
def test_region_names_are_read_in_any_case_and_with_underscores(written, name):
    assert region(written) is REGIONS[name]


@pytest.mark.parametrize("name", ["", "EU", "AS923-5", "WW2G4", "EU868\0"])
def test_an_unknown_region_is_refused_with_the_known_names(name):
    with pytest.raises(ParameterError) as caught:
        region(name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in REGIONS)


@pytest.mark.parametrize(
    ("name", "dr", "reason"),
    [
        (
            "EU868",
            8,
            "DR8 is for uplinks only in EU868, expected one of DR0, DR1, DR2, DR3, DR4, DR5, DR6, DR7, DR12",
        ),
        ("EU868", 14, "DR14 is not defined in EU868"),
        ("EU868", -1, "DR-1 is not defined in EU868"),
        ("IN865", 6, "DR6 is not defined in IN865"),
        ("KR920", 12, "DR12 is for uplinks only in KR920"),
        ("US915", 3, "DR3 is for uplinks only in US915"),
        ("CN470", 0, "DR0 carries no downlink in CN470, expected one of DR1,"),
    ],
)
def test_an_unusable_data_rate_is_refused_with_the_usable_ones(name, dr, reason):
    with pytest.raises(ParameterError) as caught:
        region(name).max_fragment_size(dr)
    assert str(caught.value).startswith(f"dr: {reason}")


def test_an_unusable_data_rate_under_the_dwell_time_limit():
    with pytest.raises(ParameterError) as caught:
        region("AS923-1").max_app_payload(1, dwell_time=True)
    message = str(caught.value)
    assert message.startswith("dr: DR1 carries no downlink under the 400 ms dwell-time limit in AS923-1")
    assert message.endswith(", expected one of DR2, DR3, DR4, DR5, DR6, DR7, DR12, DR13")
    assert region("AS923-1").max_app_payload(1) == 51
    with pytest.raises(ParameterError, match=r"^dr: DR0 carries no downlink in CN470"):
        region("CN470").max_app_payload(0, dwell_time=True)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sf": 7},
        {"bw_khz": 125},
        {"sf": 4, "bw_khz": 125},
        {"sf": 13, "bw_khz": 125},
        {"sf": 7, "bw_khz": 200},
        {"bit_rate": 0},
        {"sf": 7, "bw_khz": 125, "bit_rate": 50_000},
    ],
)
def test_a_modulation_that_does_not_exist_is_refused(fields):
    with pytest.raises(ParameterError, match=r"^DR5: sf=.* is not a modulation of LoRaWAN, expected sf 5-12"):
        DataRate(dr=5, **fields)


def test_data_rates_and_sub_bands_print_as_text():
    assert str(region("EU868").data_rate(5)) == "DR5 (SF7/125 kHz)"
    assert str(region("EU868").data_rate(7)) == "DR7 (FSK 50000 bit/s)"
    assert str(region("EU868").sub_band(869_525_000)) == "869.4-869.65 MHz"


@pytest.mark.parametrize("cls", [DataRate, SubBand, ClassBChannels, Region])
def test_the_tables_cannot_be_changed(cls):
    assert dataclasses.fields(cls)
    assert cls.__dataclass_params__.frozen
    assert hasattr(cls, "__slots__")
    with pytest.raises(TypeError):
        REGIONS["EU868"] = REGIONS["US915"]  # type: ignore[index]


# --- Another implementation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["EU868", "EU433", "IN865", "KR920", "RU864", "AS923"])
def test_pamoja_lora_agrees_on_rx2_data_rates_and_payloads(name):
    plan = pytest.importorskip("pamoja.lora").plan_for(name)
    found = region(name)
    assert plan.rx2() == (found.rx2_frequency_hz, found.rx2_dr)
    for rate in found.data_rates:
        limit = plan.max_payload(rate.dr)
        assert (limit.application, limit.mac_payload) == (rate.max_app_payload, rate.max_app_payload + 8)
        link = plan.link_settings(rate.dr)
        if rate.sf is None:
            assert link is None
        else:
            assert (link.spreading_factor, link.bandwidth_hz) == (rate.sf, 1000 * rate.bw_khz)


@pytest.mark.parametrize(("name", "plan"), [("CN470", "antenna_20mhz_a"), ("CN470-RP1.0", "channels_96")])
def test_pamoja_lora_agrees_on_cn470(name, plan):
    other = pytest.importorskip("pamoja.lora").cn470_plan(plan)
    found = region(name)
    for rate in found.data_rates:
        limit = other.max_payload(rate.dr)
        assert (limit.application if limit else 0) == rate.max_app_payload
    frequency_hz, dr = other.rx2()
    assert dr == found.rx2_dr
    assert found.rx2_frequency_hz in (None, frequency_hz)


def test_pamoja_lora_agrees_on_the_duty_cycles_of_eu868():
    plan = pytest.importorskip("pamoja.lora").plan_for("EU868")
    for band in plan.sub_bands():
        middle = (band.start_hz + band.end_hz) // 2
        assert region("EU868").duty_cycle(middle) == band.duty_cycle_permille / 1000


# ---- revisions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dr", "repeater", "revision", "payload"),
    [
        ("US915", 8, True, "RP002-1.0.1", 33),
        ("US915", 8, True, "RP002-1.0.2", 53),
        ("US915", 8, False, "RP002-1.0.1", 53),
        ("AU915", 9, True, "1.0.3", 109),
        ("AU915", 9, True, None, 129),
        ("AU915", 10, True, "1.0.2", 222),
        ("AS923", 2, False, "RP002-1.0.0", 51),
        ("AS923", 2, False, "RP002-1.0.1", 115),
        ("AS923", 2, True, "1.0.2", 51),
        ("CN470", 3, False, "RP002-1.0.1", 164),
        ("CN470", 3, False, "RP002-1.0.3", 184),
        ("EU868", 5, False, "1.0.0", 242),
    ],
)
def test_payloads_are_those_of_the_revision(
    name: str, dr: int, repeater: bool, revision: str | None, payload: int
) -> None:
    assert region(name).max_app_payload(dr, repeater=repeater, revision=revision) == payload


def test_the_dwell_time_limit_is_the_same_in_all_revisions() -> None:
    for revision in REVISIONS:
        assert region("AS923").max_app_payload(2, dwell_time=True, revision=revision) == 11


def test_a_data_rate_that_a_revision_does_not_have_is_refused() -> None:
    assert region("EU868").max_app_payload(12, revision="RP002-1.0.5") == 242
    with pytest.raises(ParameterError, match=r"not defined in RP002-1\.0\.4 in EU868, .* DR6, DR7$"):
        region("EU868").max_app_payload(12, revision="RP002-1.0.4")


def test_an_unknown_revision_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"revision: 'RP2' is not known, expected one of 1\.0\.0, 1\.0\.1"):
        region("US915").max_app_payload(8, revision="RP2")


@pytest.mark.parametrize("name", REGIONS)
def test_no_revision_allows_more_than_the_latest(name: str) -> None:
    place = region(name)
    for rate in place.data_rates:
        if not rate.since and rate.max_app_payload:
            for repeater in (False, True):
                latest = place.max_app_payload(rate.dr, repeater=repeater)
                assert all(
                    place.max_app_payload(rate.dr, repeater=repeater, revision=revision) <= latest
                    for revision in REVISIONS
                )


# --- Channels and bands that devices take ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "frequency_hz", "has"),
    [
        ("EU868", 868_600_000, True),
        ("EU868", 868_600_100, False),
        ("EU868", 869_400_000, True),
        ("AU915", 923_300_000, True),
        ("AU915", 923_400_000, False),
        ("KR920", 923_300_000, True),
        ("KR920", 923_300_001, False),
    ],
)
def test_a_channel_is_on_the_raster_or_in_a_sub_band(name, frequency_hz, has):
    assert region(name).has_channel(frequency_hz) is has


@pytest.mark.parametrize("area", REGIONS.values(), ids=lambda area: area.name)
def test_every_downlink_channel_is_one_that_devices_take(area):
    low, high = area.band
    for frequency_hz in (area.rx2_frequency_hz, area.ping_slot.frequency_hz):
        if frequency_hz is not None:
            area.check_downlink(frequency_hz, area.rx2_dr)
            assert area.has_channel(frequency_hz)
            assert low <= frequency_hz <= high


def test_the_band_reaches_from_the_lowest_to_the_highest_frequency():
    assert region("EU868").band == (863_000_000, 870_000_000)
    assert region("US915").band == (902_000_000, 928_000_000)


def test_a_frequency_of_zero_has_the_hint_to_leave_it_out() -> None:
    with pytest.raises(ParameterError, match=r"0 Hz is in no sub-band of EU868.*without a frequency, .* hop"):
        region("EU868").sub_band(0)
    with pytest.raises(ParameterError) as error:
        region("EU868").sub_band(1)
    assert "hop" not in str(error.value)
