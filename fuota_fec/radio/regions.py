"""Regions: data rates, payload limits, default channels and duty cycles, as tables.

Sources of the numbers, by the marks in the tables:

    [RP]    LoRaWAN Regional Parameters RP002-1.0.5, unless an older revision is named; as tabulated by
            chirpstack/chirpstack (lrwn) and confirmed by Lora-net/SWL2001 and Lora-net/LoRaMac-node
    [ETSI]  ETSI EN 300 220, in the bands of Lora-net/SWL2001 (LoRa Basics Modem 4.8.0)
    [LBM]   Lora-net/SWL2001: lowest and highest frequency that a device accepts
    [LMN]   Lora-net/LoRaMac-node: its duty cycle where [RP] and [LBM] have none

N is the largest application payload (FRMPayload) of a downlink without FOpts; the MAC payload M is N + 8, the PHY
payload N + 13. A multicast downlink carries no FOpts, so a DataFragment may fill N.

Duty cycles are national law and change: the tables hold defaults for a setting, not legal advice. A duty cycle limits
one transmitter, here one gateway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from fuota_fec.errors import ParameterError
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN
from fuota_fec.wire.lorawan import BEACON_PERIOD, MAX_APP_PAYLOAD_LEN

__all__ = [
    "BEACON_PERIOD",
    "DATA_FRAGMENT_HEADER_LEN",
    "REGIONS",
    "REPEATER_MAX_APP_PAYLOAD",
    "ClassBChannels",
    "DataRate",
    "Region",
    "SubBand",
    "region",
]

REPEATER_MAX_APP_PAYLOAD = 222
"""N where a repeater may be in the path ([RP], "repeater compatible" tables). Every device stack accepts this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRate:
    """A downlink data rate: LoRa with `sf` and `bw_khz`, or FSK with `bit_rate` (bit/s).

    `max_app_payload` is N in bytes, 0 where the data rate must not carry a downlink. `max_app_payload_dwell` is N under
    the 400 ms dwell-time limit, None where that limit does not exist. Raises ParameterError for modulations outside
    LoRaWAN.
    """

    dr: int
    sf: int | None = None
    bw_khz: int | None = None
    bit_rate: int | None = None
    max_app_payload: int = MAX_APP_PAYLOAD_LEN
    max_app_payload_dwell: int | None = None

    def __post_init__(self) -> None:
        lora = self.sf in range(5, 13) and self.bw_khz in (125, 250, 500) and self.bit_rate is None
        fsk = self.sf is None and self.bw_khz is None and self.bit_rate is not None and self.bit_rate > 0
        if not (lora or fsk):
            raise ParameterError(
                f"DR{self.dr}: sf={self.sf}, bw_khz={self.bw_khz}, bit_rate={self.bit_rate} is not a modulation of "
                "LoRaWAN, expected sf 5-12 with bw_khz 125, 250 or 500, or a positive bit_rate alone"
            )

    @property
    def modulation(self) -> str:
        """Either "LORA" or "FSK"."""
        return "FSK" if self.sf is None else "LORA"

    def __str__(self) -> str:
        if self.bit_rate is not None:
            return f"DR{self.dr} (FSK {self.bit_rate} bit/s)"
        return f"DR{self.dr} (SF{self.sf}/{self.bw_khz} kHz)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubBand:
    """Frequencies (Hz, both ends included) with one common duty-cycle budget: a fraction of time, 1.0 = no limit."""

    min_frequency_hz: int
    max_frequency_hz: int
    duty_cycle: float = 1.0

    def __str__(self) -> str:
        return f"{self.min_frequency_hz / 1e6:g}-{self.max_frequency_hz / 1e6:g} MHz"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBChannels:
    """Channels of class B beacons or ping slots: one frequency, or hopping over `n_channels` that are `step_hz` apart.

    `frequency_hz` is the first channel, None where the region has no default and the network configures it.
    """

    frequency_hz: int | None
    dr: int
    step_hz: int = 0
    n_channels: int = 1

    def frequency(self, beacon_time: int, addr: int = 0) -> int:
        """Frequency (Hz) in the beacon period that starts at `beacon_time` (GPS seconds).

        `addr` is the DevAddr or McAddr for a ping slot, 0 for the beacon: channel = (addr + floor(beacon_time / 128))
        mod n_channels ([RP], class B of each region). Raises ParameterError where the region has no default frequency.
        """
        if self.frequency_hz is None:
            raise ParameterError(
                "frequency_hz: None is not a class B frequency, expected one from the channel plan in use"
            )
        return self.frequency_hz + self.step_hz * ((addr + beacon_time // BEACON_PERIOD) % self.n_channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Limits and defaults of one region for downlinks.

    `data_rates` are the data rates of downlinks, `uplink_only` the numbers of data rates that only uplinks may use. RX2
    is also the default of class C; `rx2_frequency_hz` is None where the channel plan in use decides (CN470).
    Frequencies in Hz.
    """

    name: str
    revision: str
    data_rates: tuple[DataRate, ...]
    uplink_only: tuple[int, ...] = ()
    rx2_frequency_hz: int | None
    rx2_dr: int
    ping_slot: ClassBChannels
    beacon: ClassBChannels
    sub_bands: tuple[SubBand, ...]

    @property
    def has_dwell_time(self) -> bool:
        """Whether the region has the 400 ms downlink dwell-time limit; without it, `dwell_time` has no effect."""
        return any(rate.max_app_payload_dwell is not None for rate in self.data_rates)

    def usable_drs(self, *, dwell_time: bool = False) -> tuple[int, ...]:
        """Numbers of the data rates that can carry a downlink with a payload, ascending."""
        return tuple(rate.dr for rate in self.data_rates if _payload(rate, dwell_time=dwell_time) > 0)

    def data_rate(self, dr: int) -> DataRate:
        """The downlink data rate `dr`. Raises ParameterError if `dr` is not defined or for uplinks only."""
        for rate in self.data_rates:
            if rate.dr == dr:
                return rate
        reason = "is for uplinks only" if dr in self.uplink_only else "is not defined"
        raise self._unusable(dr, reason, dwell_time=False)

    def max_app_payload(self, dr: int, *, dwell_time: bool = False, repeater: bool = False) -> int:
        """N: the largest application payload in bytes of a downlink at `dr`, without FOpts.

        `dwell_time`: the 400 ms limit is in force (TxParamSetupReq; AS923 only). `repeater`: at most 222.
        Raises ParameterError, with the usable data rates, for a data rate that carries no downlink.
        """
        rate = self.data_rate(dr)
        n = _payload(rate, dwell_time=dwell_time)
        if n == 0:
            limit = " under the 400 ms dwell-time limit" if rate.max_app_payload else ""
            raise self._unusable(dr, f"carries no downlink{limit}", dwell_time=dwell_time)
        return min(n, REPEATER_MAX_APP_PAYLOAD) if repeater else n

    def max_fragment_size(self, dr: int, *, dwell_time: bool = False, repeater: bool = False) -> int:
        """Largest fragment in bytes of a DataFragment at `dr`: N less the header of TS004.

        Arguments and errors as in `max_app_payload`.
        """
        return self.max_app_payload(dr, dwell_time=dwell_time, repeater=repeater) - DATA_FRAGMENT_HEADER_LEN

    def sub_band(self, frequency_hz: int) -> SubBand:
        """Sub-band of a channel's centre frequency; on a common edge the stricter of the two.

        Raises ParameterError for a frequency in no sub-band: outside the region, or in the gaps of EU868 for alarms.
        """
        bands = [band for band in self.sub_bands if band.min_frequency_hz <= frequency_hz <= band.max_frequency_hz]
        if not bands:
            known = ", ".join(str(band) for band in self.sub_bands)
            raise ParameterError(f"frequency_hz: {frequency_hz} Hz is in no sub-band of {self.name}, expected {known}")
        return min(bands, key=lambda band: band.duty_cycle)

    def duty_cycle(self, frequency_hz: int) -> float:
        """Fraction of time for which one gateway may transmit at this frequency; 1.0 without a limit.

        Raises ParameterError as `sub_band` does.
        """
        return self.sub_band(frequency_hz).duty_cycle

    def ping_slot_frequency(self, beacon_time: int, addr: int) -> int:
        """Frequency (Hz) of the ping slots of `addr` (DevAddr or McAddr) after the beacon at `beacon_time` (GPS s)."""
        return self.ping_slot.frequency(beacon_time, addr)

    def beacon_frequency(self, beacon_time: int) -> int:
        """Frequency (Hz) of the beacon at `beacon_time` (GPS seconds)."""
        return self.beacon.frequency(beacon_time)

    def _unusable(self, dr: int, reason: str, *, dwell_time: bool) -> ParameterError:
        usable = ", ".join(f"DR{usable}" for usable in self.usable_drs(dwell_time=dwell_time))
        return ParameterError(f"dr: DR{dr} {reason} in {self.name}, expected one of {usable}")


def _payload(rate: DataRate, *, dwell_time: bool) -> int:
    if dwell_time and rate.max_app_payload_dwell is not None:
        return rate.max_app_payload_dwell
    return rate.max_app_payload


def region(name: str) -> Region:
    """Region by its name, in upper or lower case, with "-" or "_"; "AS923" is "AS923-1".

    Raises ParameterError with the known names for another name.
    """
    key = name.strip().upper().replace("_", "-")
    found = REGIONS.get("AS923-1" if key == "AS923" else key)
    if found is None:
        raise ParameterError(f"region: {name!r} is not a region, expected one of {', '.join(REGIONS)}")
    return found


# --- The tables ------------------------------------------------------------------------------------------------------


def _lora(dr: int, sf: int, bw_khz: int, n: int, dwell: int | None = None) -> DataRate:
    return DataRate(dr=dr, sf=sf, bw_khz=bw_khz, max_app_payload=n, max_app_payload_dwell=dwell)


def _band(min_mhz: float, max_mhz: float, duty_cycle: float = 1.0) -> SubBand:
    return SubBand(min_frequency_hz=round(min_mhz * 1e6), max_frequency_hz=round(max_mhz * 1e6), duty_cycle=duty_cycle)


_FSK = DataRate(dr=7, bit_rate=50_000, max_app_payload=242)  # [RP] DR7 wherever it exists

# [RP] EU868, EU433, IN865, RU864, KR920; CN470 up to RP002-1.0.0
_LORA_125 = (
    _lora(0, 12, 125, 51),
    _lora(1, 11, 125, 51),
    _lora(2, 10, 125, 51),
    _lora(3, 9, 125, 115),
    _lora(4, 8, 125, 242),  # [RP] chirpstack has 222 beside M = 250 in EU868, a misprint of 242
    _lora(5, 7, 125, 242),
)
_LORA_250 = _lora(6, 7, 250, 242)  # [RP] DR6, not in IN865 and KR920
_SF6_SF5 = (_lora(12, 6, 125, 242), _lora(13, 5, 125, 242))  # [RP] from RP002-1.0.5; uplinks only in KR920

# [RP] AS923; the last number is N under the 400 ms limit, 0 if not usable. DR2 had 51 before RP002-1.0.1.
_AS923 = (
    _lora(0, 12, 125, 51, 0),
    _lora(1, 11, 125, 51, 0),
    _lora(2, 10, 125, 115, 11),
    _lora(3, 9, 125, 115, 53),
    _lora(4, 8, 125, 242, 125),
    _lora(5, 7, 125, 242, 242),
    replace(_LORA_250, max_app_payload_dwell=242),
    replace(_FSK, max_app_payload_dwell=242),
    *(replace(rate, max_app_payload_dwell=242) for rate in _SF6_SF5),
)

# [RP] US915 and AU915 downlinks, 500 kHz; the uplink dwell time of AU915 does not change them. DR0 and DR14 are from
# RP002-1.0.5; DR0 means another modulation on uplinks. Device stacks list the uplink sizes of DR0-6 beside these.
_LORA_500 = (
    _lora(0, 5, 500, 242),
    _lora(8, 12, 500, 53),
    _lora(9, 11, 500, 129),
    _lora(10, 10, 500, 242),
    _lora(11, 9, 500, 242),
    _lora(12, 8, 500, 242),
    _lora(13, 7, 500, 242),
    _lora(14, 6, 500, 242),
)
_CLASS_B_500 = ClassBChannels(frequency_hz=923_300_000, step_hz=600_000, n_channels=8, dr=8)  # [RP]

# [RP] CN470 from RP002-1.0.2 (RP002-1.0.1 had 164 at DR3); DR0 is not allowed
_CN470 = (
    _lora(0, 12, 125, 0),
    _lora(1, 11, 125, 23),
    _lora(2, 10, 125, 86),
    _lora(3, 9, 125, 184),
    _lora(4, 8, 125, 242),
    _lora(5, 7, 125, 242),
    _lora(6, 7, 500, 242),
    _FSK,
)
_CLASS_B_CN470 = ClassBChannels(frequency_hz=None, dr=2)  # [LBM] beacon DR2; four plans, each with its own frequencies
# [RP] LoRaWAN 1.0.3 Regional Parameters; LBM has its ping slots at 923.3 MHz, copied from US915
_CLASS_B_CN470_96 = ClassBChannels(frequency_hz=508_300_000, step_hz=200_000, n_channels=8, dr=2)


def _as923(group: int, offset_hz: int, sub_band: SubBand) -> Region:
    """One of the four groups. [RP] AS923-2, -3 and -4 are AS923-1 shifted by -1.80, -6.60 and -5.90 MHz."""
    class_b = ClassBChannels(frequency_hz=923_400_000 + offset_hz, dr=3)  # [RP]
    return Region(
        name=f"AS923-{group}",
        revision="RP002-1.0.5",
        data_rates=_AS923,
        rx2_frequency_hz=923_200_000 + offset_hz,  # [RP]
        rx2_dr=2,  # [RP]
        ping_slot=class_b,
        beacon=class_b,
        sub_bands=(sub_band,),
    )


_ALL = (
    Region(
        name="EU868",
        revision="RP002-1.0.5",
        data_rates=(*_LORA_125, _LORA_250, _FSK, *_SF6_SF5),
        uplink_only=(8, 9, 10, 11),  # [RP] LR-FHSS
        rx2_frequency_hz=869_525_000,  # [RP]
        rx2_dr=0,  # [RP]
        ping_slot=ClassBChannels(frequency_hz=869_525_000, dr=3),  # [RP]
        beacon=ClassBChannels(frequency_hz=869_525_000, dr=3),  # [RP]
        sub_bands=(  # [ETSI] 14 dBm ERP, but 27 dBm ERP in 869.4-869.65: the channel for multicast
            _band(863.0, 865.0, 0.001),
            _band(865.0, 868.0, 0.01),
            _band(868.0, 868.6, 0.01),
            _band(868.7, 869.2, 0.001),
            _band(869.4, 869.65, 0.10),
            _band(869.7, 870.0, 0.01),
        ),
    ),
    Region(
        name="US915",
        revision="RP002-1.0.5",
        data_rates=_LORA_500,
        uplink_only=(1, 2, 3, 4, 5, 6, 7),  # [RP]
        rx2_frequency_hz=923_300_000,  # [RP]
        rx2_dr=8,  # [RP]
        ping_slot=_CLASS_B_500,
        beacon=_CLASS_B_500,
        # [LBM]; no duty cycle on 500 kHz. [LMN] accepts only 923.3 + 0.6 n MHz, in US915 and in AU915
        sub_bands=(_band(902.0, 928.0),),
    ),
    _as923(1, 0, _band(915.0, 928.0, 0.01)),  # [LBM] frequencies, [LMN] 1 %
    _as923(2, -1_800_000, _band(920.0, 923.0, 0.01)),  # [LBM], [LMN]
    _as923(3, -6_600_000, _band(915.0, 921.0, 0.01)),  # [LBM], [LMN]
    _as923(4, -5_900_000, _band(917.0, 920.0, 0.01)),  # [LBM], [LMN]
    Region(
        name="AU915",
        revision="RP002-1.0.5",
        data_rates=_LORA_500,
        uplink_only=(1, 2, 3, 4, 5, 6, 7),  # [RP]
        rx2_frequency_hz=923_300_000,  # [RP]
        rx2_dr=8,  # [RP]
        ping_slot=_CLASS_B_500,
        beacon=_CLASS_B_500,
        sub_bands=(_band(915.0, 928.0),),  # [LBM]; no duty cycle on 500 kHz
    ),
    Region(
        name="IN865",
        revision="RP002-1.0.5",
        data_rates=(*_LORA_125, _FSK, *_SF6_SF5),
        rx2_frequency_hz=866_550_000,  # [RP]
        rx2_dr=2,  # [RP]
        ping_slot=ClassBChannels(frequency_hz=866_550_000, dr=4),  # [RP]
        beacon=ClassBChannels(frequency_hz=866_550_000, dr=4),  # [RP]
        sub_bands=(_band(865.0, 867.0),),  # [LBM]; [LMN] no duty cycle
    ),
    Region(
        name="KR920",
        revision="RP002-1.0.5",
        data_rates=_LORA_125,
        uplink_only=(12, 13),  # [RP]
        rx2_frequency_hz=921_900_000,  # [RP]
        rx2_dr=0,  # [RP]
        ping_slot=ClassBChannels(frequency_hz=923_100_000, dr=3),  # [RP]
        beacon=ClassBChannels(frequency_hz=923_100_000, dr=3),  # [RP]
        sub_bands=(_band(920.9, 923.3),),  # [LBM]; listen before talk instead of a duty cycle
    ),
    Region(
        name="CN470",
        revision="RP002-1.0.5",
        data_rates=_CN470,
        rx2_frequency_hz=None,  # [RP] each of the four channel plans has its own
        rx2_dr=1,  # [RP]
        ping_slot=_CLASS_B_CN470,
        beacon=_CLASS_B_CN470,
        sub_bands=(_band(470.0, 510.0),),  # [LBM]; listen before talk
    ),
    Region(
        name="CN470-RP1.0",  # the 96-channel plan, still common: [RP] up to RP002-1.0.0
        revision="LoRaWAN 1.0.3 Regional Parameters",
        data_rates=_LORA_125,
        rx2_frequency_hz=505_300_000,  # [RP]
        rx2_dr=0,  # [RP]
        ping_slot=_CLASS_B_CN470_96,
        beacon=_CLASS_B_CN470_96,
        sub_bands=(_band(470.0, 510.0),),  # [LBM]; listen before talk
    ),
    Region(
        name="EU433",
        revision="RP002-1.0.5",
        data_rates=(*_LORA_125, _LORA_250, _FSK, *_SF6_SF5),
        rx2_frequency_hz=434_665_000,  # [RP]
        rx2_dr=0,  # [RP]
        ping_slot=ClassBChannels(frequency_hz=434_665_000, dr=3),  # [RP]
        beacon=ClassBChannels(frequency_hz=434_665_000, dr=3),  # [RP]
        sub_bands=(_band(433.05, 434.79, 0.01),),  # [ETSI] band, [LMN] 1 % (the law of many countries allows 10 %)
    ),
    Region(
        name="RU864",
        revision="RP002-1.0.5",
        data_rates=(*_LORA_125, _LORA_250, _FSK, *_SF6_SF5),
        rx2_frequency_hz=869_100_000,  # [RP]
        rx2_dr=0,  # [RP]
        ping_slot=ClassBChannels(frequency_hz=868_900_000, dr=3),  # [RP]
        beacon=ClassBChannels(frequency_hz=869_100_000, dr=3),  # [RP]
        # [LBM] 864-865; [LMN] 1 % elsewhere, [LBM] even 10 % in 868.7-869.2
        sub_bands=(_band(864.0, 865.0, 0.001), _band(865.0, 870.0, 0.01)),
    ),
)

REGIONS = MappingProxyType({entry.name: entry for entry in _ALL})
"""Regions by their names."""
