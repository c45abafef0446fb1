"""Regions: data rates, payload limits, default channels and duty cycles, as tables.

Sources of the numbers, by the marks in the tables:

    [RP]    LoRaWAN Regional Parameters RP002-1.0.5, unless an older revision is named; as tabulated by
            chirpstack/chirpstack (lrwn) and confirmed by Lora-net/SWL2001 and Lora-net/LoRaMac-node
    [ETSI]  ETSI EN 300 220, in the bands of Lora-net/SWL2001 (LoRa Basics Modem 4.8.0)
    [LBM]   Lora-net/SWL2001: lowest and highest frequency that a device accepts
    [LMN]   Lora-net/LoRaMac-node: its duty cycle where [RP] and [LBM] have none, and its downlink channels
    [2G4]   Semtech's physical layer proposal for 2.4 GHz, as in chirpstack/chirpstack (ISM2400) and Lora-net/SWL2001
            (WW2G4)

N is the largest application payload (FRMPayload) of a downlink without FOpts; the MAC payload M is N + 8, the PHY
payload N + 13. A multicast downlink carries no FOpts, so a DataFragment may fill N.

Duty cycles are national law and change: the tables hold defaults for a setting, not legal advice. A duty cycle limits
one transmitter, here one gateway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.radio.channels import REVISIONS, Channels, ClassBChannels, DataRate, FormerPayload, SubBand
from fuota_fec.radio.names import canonical_region
from fuota_fec.wire.limits import DATA_FRAGMENT_HEADER_LEN
from fuota_fec.wire.lorawan import BEACON_PERIOD, frequency_step_hz

__all__ = [
    "BEACON_PERIOD",
    "DATA_FRAGMENT_HEADER_LEN",
    "REGIONS",
    "REPEATER_MAX_APP_PAYLOAD",
    "REVISIONS",
    "Channels",
    "ClassBChannels",
    "DataRate",
    "Region",
    "SubBand",
    "region",
]

REPEATER_MAX_APP_PAYLOAD = 222
"""N where a repeater may be in the path ([RP], "repeater compatible" tables). Every device stack accepts this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Limits and defaults of one region for downlinks.

    `data_rates` are the data rates of downlinks, `uplink_only` the numbers of data rates that only uplinks may use. RX2
    is also the default of class C; `rx2_frequency_hz` is None where the channel plan in use decides (CN470).
    `channels` are the downlink channels of a region with a fixed raster; without them a downlink may have any centre
    frequency within the sub-bands. `max_repeater_payload` is N where a repeater may be in the path. Frequencies in Hz.
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
    channels: tuple[Channels, ...] = ()
    max_repeater_payload: int = REPEATER_MAX_APP_PAYLOAD

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

    def max_app_payload(
        self, dr: int, *, dwell_time: bool = False, repeater: bool = False, revision: str | None = None
    ) -> int:
        """N: the largest application payload in bytes of a downlink at `dr`, without FOpts.

        `dwell_time`: the 400 ms limit is in force (TxParamSetupReq; AS923 only). `repeater`: at most 222. `revision`:
        that of the devices, one of REVISIONS; the region's if not given. Raises ParameterError, with the usable data
        rates, for a data rate that carries no downlink, and for an unknown revision.
        """
        rate = self.data_rate(dr)
        if rate.since and is_older(revision, rate.since):
            raise self._unusable(dr, f"is not defined in {revision}", dwell_time=dwell_time, revision=revision)
        n = _payload(rate, dwell_time=dwell_time)
        if n == 0:
            limit = " under the 400 ms dwell-time limit" if rate.max_app_payload else ""
            raise self._unusable(dr, f"carries no downlink{limit}", dwell_time=dwell_time)
        most = self.max_repeater_payload if repeater else n
        former = rate.former
        if former is not None and is_older(revision, former.until):
            n = min(n, former.max_app_payload or n)
            most = min(most, former.max_repeater_payload or most) if repeater else most
        return min(n, most)

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
            hopping = "" if frequency_hz else "; without a frequency, devices of class B hop over the channels"
            raise ParameterError(
                f"frequency_hz: {frequency_hz} Hz is in no sub-band of {self.name}, expected {known}{hopping}"
            )
        return min(bands, key=lambda band: band.duty_cycle)

    def has_channel(self, frequency_hz: int) -> bool:
        """Whether a frequency is a downlink channel of the raster, or in a sub-band where the region has no raster."""
        if self.channels:
            return any(frequency_hz in channels for channels in self.channels)
        return any(low <= frequency_hz <= high for low, high in self._spans())

    @property
    def band(self) -> tuple[int, int]:
        """Lowest and highest frequency of the region, Hz."""
        spans = self._spans()
        return spans[0][0], spans[-1][1]

    def check_downlink(self, frequency_hz: int, dr: int) -> None:
        """ParameterError, with what would be right, unless a downlink may have this centre frequency and data rate.

        The frequency must be a channel of the raster where the region has one. Elsewhere the whole signal must be
        within the sub-bands: half its bandwidth on either side of the centre.
        """
        step_hz = frequency_step_hz(frequency_hz)
        if frequency_hz % step_hz:
            nearest = round(frequency_hz / step_hz) * step_hz
            raise _no_channel(frequency_hz, f"a multiple of {step_hz} Hz, as it goes on the air", f"{nearest} Hz")
        if self.channels:
            if not any(frequency_hz in channels for channels in self.channels):
                near = min((c.nearest(frequency_hz) for c in self.channels), key=lambda hz: abs(hz - frequency_hz))
                known = " or ".join(map(str, self.channels))
                raise _no_channel(frequency_hz, f"a downlink channel of {self.name}", f"{known}; the next is {near} Hz")
            return
        self.sub_band(frequency_hz)
        half = self.data_rate(dr).bandwidth_hz // 2
        low, high = next(span for span in self._spans() if span[0] <= frequency_hz <= span[1])
        if not low <= frequency_hz - half <= frequency_hz + half <= high:
            what = f"within the bands of {self.name} at DR{dr}, {2 * half / 1e3:g} kHz wide"
            if high - low < 2 * half:
                raise _no_channel(frequency_hz, what, f"another data rate in {low / 1e6:g} to {high / 1e6:g} MHz")
            raise _no_channel(frequency_hz, what, f"{low + half} to {high - half} Hz")

    def _spans(self) -> list[tuple[int, int]]:
        """Lowest and highest frequencies of the bands, those that touch each other taken together."""
        spans: list[tuple[int, int]] = []
        for band in sorted(self.sub_bands, key=lambda band: band.min_frequency_hz):
            if spans and spans[-1][1] >= band.min_frequency_hz:
                spans[-1] = spans[-1][0], max(spans[-1][1], band.max_frequency_hz)
            else:
                spans.append((band.min_frequency_hz, band.max_frequency_hz))
        return spans

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

    def _unusable(self, dr: int, reason: str, *, dwell_time: bool, revision: str | None = None) -> ParameterError:
        defined = [n for n in self.usable_drs(dwell_time=dwell_time) if not is_older(revision, self.data_rate(n).since)]
        usable = ", ".join(f"DR{usable}" for usable in defined)
        return ParameterError(f"dr: DR{dr} {reason} in {self.name}, expected one of {usable}")


def _no_channel(frequency_hz: int, what: str, expected: str) -> ParameterError:
    return ParameterError(f"frequency: {frequency_hz} Hz is not {what}, expected {expected}")


def _payload(rate: DataRate, *, dwell_time: bool) -> int:
    if dwell_time and rate.max_app_payload_dwell is not None:
        return rate.max_app_payload_dwell
    return rate.max_app_payload


def is_older(revision: str | None, than: str) -> bool:
    """Whether a revision of the Regional Parameters is older than another one; None is the latest. ParameterError for
    one that is not known."""
    if revision is None:
        return False
    if revision not in REVISIONS:
        raise ParameterError(f"revision: {revision!r} is not known, expected one of {', '.join(REVISIONS)}")
    return bool(than) and REVISIONS.index(revision) < REVISIONS.index(than)


def region(name: str) -> Region:
    """Region by its name, in any spelling that `names` has: "eu868" and "EU863-870" are "EU868", "AS923" is "AS923-1".

    Raises ParameterError with the known names for another name.
    """
    found = REGIONS.get(name) or REGIONS.get(canonical_region(name))
    if found is None:
        raise ParameterError(f"region: {shown(name)} is not a region, expected one of {', '.join(REGIONS)}")
    return found


# --- The tables ------------------------------------------------------------------------------------------------------


def _lora(dr: int, sf: int, bw_khz: int, n: int, dwell: int | None = None, since: str = "") -> DataRate:
    return DataRate(dr=dr, sf=sf, bw_khz=bw_khz, max_app_payload=n, max_app_payload_dwell=dwell, since=since)


def _channels(first_mhz: float, last_mhz: float, step_mhz: float) -> Channels:
    return Channels(first_hz=round(first_mhz * 1e6), last_hz=round(last_mhz * 1e6), step_hz=round(step_mhz * 1e6))


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
_1_0_5 = "RP002-1.0.5"
_SF6_SF5 = (_lora(12, 6, 125, 242, since=_1_0_5), _lora(13, 5, 125, 242, since=_1_0_5))  # [RP] uplinks only in KR920

# [RP] AS923; the last number is N under the 400 ms limit, 0 if not usable
_AS923 = (
    _lora(0, 12, 125, 51, 0),
    _lora(1, 11, 125, 51, 0),
    replace(_lora(2, 10, 125, 115, 11), former=FormerPayload(until="RP002-1.0.1", max_app_payload=51)),
    _lora(3, 9, 125, 115, 53),
    _lora(4, 8, 125, 242, 125),
    _lora(5, 7, 125, 242, 242),
    replace(_LORA_250, max_app_payload_dwell=242),
    replace(_FSK, max_app_payload_dwell=242),
    *(replace(rate, max_app_payload_dwell=242) for rate in _SF6_SF5),
)

# [RP] US915 and AU915 downlinks, 500 kHz; the uplink dwell time of AU915 does not change them. DR0 means another
# modulation on uplinks. Device stacks list the uplink sizes of DR0-6 beside these.
_LORA_500 = (
    _lora(0, 5, 500, 242, since=_1_0_5),
    replace(_lora(8, 12, 500, 53), former=FormerPayload(until="RP002-1.0.2", max_repeater_payload=33)),
    replace(_lora(9, 11, 500, 129), former=FormerPayload(until="RP002-1.0.2", max_repeater_payload=109)),
    _lora(10, 10, 500, 242),
    _lora(11, 9, 500, 242),
    _lora(12, 8, 500, 242),
    _lora(13, 7, 500, 242),
    _lora(14, 6, 500, 242, since=_1_0_5),
)
_CHANNELS_500 = (_channels(923.3, 927.5, 0.6),)  # [RP]; [LMN] accepts no other, [LBM] takes all of the band
_CLASS_B_500 = ClassBChannels(frequency_hz=923_300_000, step_hz=600_000, n_channels=8, dr=8)  # [RP]

# [RP] CN470 from RP002-1.0.1 on; DR0 is not allowed
_CN470 = (
    _lora(0, 12, 125, 0),
    _lora(1, 11, 125, 23),
    _lora(2, 10, 125, 86),
    replace(_lora(3, 9, 125, 184), former=FormerPayload(until="RP002-1.0.2", max_app_payload=164)),
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
        sub_bands=(_band(902.0, 928.0),),  # [LBM]; no duty cycle on 500 kHz
        channels=_CHANNELS_500,
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
        channels=_CHANNELS_500,
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
        channels=(_channels(920.9, 923.3, 0.2),),  # [RP], [LMN]
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
        channels=(_channels(476.9, 496.5, 0.2), _channels(496.9, 504.7, 0.2)),  # [RP], [LMN] of all four plans
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
        channels=(_channels(500.3, 509.7, 0.2),),  # [RP], [LMN]
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
    Region(
        name="ISM2400",
        revision="2.4 GHz physical layer proposal",
        data_rates=tuple(  # [2G4]; DR6 and DR7 are SF6 and SF5
            _lora(dr, 12 - dr, 812, n) for dr, n in enumerate((51, 115, 240, 240, 240, 240, 240, 240))
        ),
        rx2_frequency_hz=2_423_000_000,  # [2G4]
        rx2_dr=0,  # [2G4]
        ping_slot=ClassBChannels(frequency_hz=2_424_000_000, dr=3),  # [2G4] frequency, [LBM] DR3
        beacon=ClassBChannels(frequency_hz=2_424_000_000, dr=3),  # [LBM]
        sub_bands=(_band(2400.0, 2480.0),),  # [LBM]; no duty cycle
        max_repeater_payload=220,  # [2G4]
    ),
)

REGIONS = MappingProxyType({entry.name: entry for entry in _ALL})
"""Regions by their names."""
