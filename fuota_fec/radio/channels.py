"""Parts of a region: data rates, sub-bands, downlink channels, class B channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fuota_fec.errors import ParameterError
from fuota_fec.wire.lorawan import BEACON_PERIOD, MAX_APP_PAYLOAD_LEN

BANDWIDTHS_KHZ: Mapping[int, int] = MappingProxyType({125: 125_000, 250: 250_000, 500: 500_000, 812: 812_500})
"""Bandwidths of LoRaWAN in whole kHz → in Hz."""


REVISIONS = (
    *("1.0.0", "1.0.1", "1.0.2", "1.0.3"),
    *("RP002-1.0.0", "RP002-1.0.1", "RP002-1.0.2", "RP002-1.0.3", "RP002-1.0.4", "RP002-1.0.5"),
)
"""Revisions of the LoRaWAN Regional Parameters, the oldest first; up to 1.0.3 with the number of the link layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerPayload:
    """Largest application payloads of a data rate in the revisions before `until`, which has the present ones."""

    until: str
    max_app_payload: int | None = None
    """N, bytes; None: as today."""
    max_repeater_payload: int | None = None
    """N where a repeater may be in the path, bytes; None: as today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRate:
    """A downlink data rate: LoRa with `sf` and `bw_khz`, or FSK with `bit_rate` (bit/s).

    `bw_khz` is a whole number; 812 stands for 812.5 kHz, the bandwidth at 2.4 GHz, where frames have the coding rate
    4/8 with long interleaving. `max_app_payload` is N in bytes, 0 where the data rate must not carry a downlink.
    `max_app_payload_dwell` is N under the 400 ms dwell-time limit, None where that limit does not exist. `since` is the
    first revision of the regional parameters with this data rate, "" where all have it; `former` has the payloads of
    earlier revisions where they differ. Raises ParameterError for modulations outside LoRaWAN.
    """

    dr: int
    sf: int | None = None
    bw_khz: int | None = None
    bit_rate: int | None = None
    max_app_payload: int = MAX_APP_PAYLOAD_LEN
    max_app_payload_dwell: int | None = None
    since: str = ""
    former: FormerPayload | None = None

    def __post_init__(self) -> None:
        lora = self.sf in range(5, 13) and self.bw_khz in BANDWIDTHS_KHZ and self.bit_rate is None
        fsk = self.sf is None and self.bw_khz is None and self.bit_rate is not None and self.bit_rate > 0
        if not (lora or fsk):
            raise ParameterError(
                f"DR{self.dr}: sf={self.sf}, bw_khz={self.bw_khz}, bit_rate={self.bit_rate} is not a modulation of "
                "LoRaWAN, expected sf 5-12 with bw_khz 125, 250, 500 or 812, or a positive bit_rate alone"
            )

    @property
    def bandwidth_hz(self) -> int:
        """Bandwidth that the signal occupies; of FSK the 125 kHz channel that it is sent in."""
        return 125_000 if self.bw_khz is None else BANDWIDTHS_KHZ[self.bw_khz]

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
class Channels:
    """Downlink channels in a row: centre frequencies from `first_hz` to `last_hz` that are `step_hz` apart."""

    first_hz: int
    last_hz: int
    step_hz: int

    def __contains__(self, frequency_hz: int) -> bool:
        return frequency_hz == self.nearest(frequency_hz)

    def nearest(self, frequency_hz: int) -> int:
        """The channel next to a frequency, Hz; the lower of two."""
        n = -((self.first_hz - frequency_hz) // self.step_hz)  # Rounded up.
        above = min(max(self.first_hz + n * self.step_hz, self.first_hz), self.last_hz)
        below = max(above - self.step_hz, self.first_hz)
        return min(below, above, key=lambda channel: abs(channel - frequency_hz))

    def __str__(self) -> str:
        return f"{self.first_hz / 1e6:g} to {self.last_hz / 1e6:g} MHz in steps of {self.step_hz / 1e6:g} MHz"


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
