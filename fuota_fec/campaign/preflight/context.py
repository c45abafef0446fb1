"""Context of the rules: configuration and plan, and what is known of time, network and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.facts import Known, KnownDevice
from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.campaign.plan import GroupPlan, Plan
from fuota_fec.devices.profiles import DeviceProfile

ANY = frozenset({"firmware", "binary", "multicast"})
TRANSFER = frozenset({"firmware", "binary"})
FIRMWARE = frozenset({"firmware"})
"""Kinds of campaign that a rule applies to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTraits:
    """Traits of a device that rules look at. Devices with the same traits are checked once."""

    profile_name: str
    profile: DeviceProfile = field(compare=False)  # One for a name; comparing its fields takes long in large fleets.
    lorawan: Literal["1.0", "1.1"]
    downlink_dr: int | None
    root_key_known: bool
    earlier_session: bool = False
    """The registry has a fragmentation session of an earlier campaign that was not deleted."""


@dataclass(frozen=True, kw_only=True)  # Not slotted: cached properties need a __dict__.
class Context:
    """Arguments of the check, and what several rules derive from them. Durations in seconds."""

    config: CampaignConfig
    plan: Plan
    image_len: int
    now: float | None
    """Unix time of the check; None: times of day are not looked at."""
    network: NetworkCapabilities | None
    known: Known = field(default_factory=Known)
    """Facts of the registry."""
    root_key_known: Callable[[Device], bool]
    mc_key_known: Callable[[Group], bool]

    @property
    def session_start_in(self) -> float | None:
        """Time from now to the configured start of the session."""
        start = self.config.session_start
        return None if start is None or self.now is None else start - self.now

    @property
    def reboot_in(self) -> float | None:
        """Time from now to the configured reboot."""
        reboot = self.config.reboot_time
        return None if reboot is None or self.now is None else reboot - self.now

    @cached_property
    def needed_periods(self) -> tuple[float, ...]:
        """Uplink periods of the devices that a stage cannot do without, increasing."""
        return tuple(sorted(map(self.config.uplink_period_of, self.config.devices))[: self.plan.n_needed])

    @property
    def needed_period(self) -> float:
        """Uplink period of the slowest device that a stage cannot do without."""
        return self.needed_periods[-1]

    @property
    def ucast_spacing(self) -> float:
        """ucast_msg_delay in seconds."""
        return self.config.ucast_msg_delay / 1000

    @cached_property
    def devices(self) -> Mapping[str, tuple[Device, ...]]:
        """Group → its devices."""
        devices: dict[str, list[Device]] = {name: [] for name in self.plan.groups}
        for device in self.config.devices:
            devices[device.group].append(device)
        return {name: tuple(members) for name, members in devices.items()}

    def alike(self, group: str) -> dict[DeviceTraits, list[str]]:
        """DevEUIs of a group's devices by their traits."""
        alike: dict[DeviceTraits, list[str]] = {}
        nothing = KnownDevice()
        for device in self.devices[group]:
            traits = DeviceTraits(
                profile_name=device.profile,
                profile=self.config.profile_of(device),
                lorawan=device.lorawan,
                downlink_dr=device.downlink_dr,
                root_key_known=self.root_key_known(device),
                earlier_session=self.known.devices.get(device.dev_eui, nothing).session_open,
            )
            alike.setdefault(traits, []).append(device.dev_eui)
        return alike


def n_counters(plan: GroupPlan) -> int:
    """Frame counters that a group needs: one for each planned frame, and one where no frame is planned."""
    return max(plan.n_planned, 1)
