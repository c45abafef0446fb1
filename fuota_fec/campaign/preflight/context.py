"""Context of the rules: configuration and plan, and what is known of time, network and keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Literal

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.facts import Known, KnownDevice
from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.campaign.plan import GroupPlan, Plan
from fuota_fec.campaign.sessions import start_of_requests
from fuota_fec.campaign.stages import Stage, planned_stages
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.planning.schedule import SessionStart
from fuota_fec.planning.unicast import Tries, assumed_loss

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
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the campaign cannot do without, in order."""
        planned = planned_stages(self.config, self.plan)
        return tuple(stage for stage in planned if stage.waits_for_all or not stage.spare)

    @property
    def n_setup_stages(self) -> int:
        """Number of stages before the multicast session is requested."""
        return sum(1 for _ in takewhile(lambda stage: stage.sessions is None, self.stages))

    @cached_property
    def planned_start(self) -> SessionStart:
        """Start of a multicast session whose requests begin at 0, after setup stages in which nothing was lost. A slow
        device that no stage needs holds it up no longer than the slowest one that is needed."""
        config, slowest = self.config, self.needed_period
        asked = Tries(n_sent=self.n_setup_stages * len(config.devices))
        return start_of_requests(
            config,
            0,
            periods=Counter(min(period, slowest) for period in map(config.uplink_period_of, config.devices)),
            losses=asked.losses(assumed_loss(map(config.loss_of, config.devices))),
        )

    @cached_property
    def alike(self) -> Mapping[str, Mapping[DeviceTraits, list[str]]]:
        """Group → DevEUIs of its devices by their traits."""
        return {name: self._by_traits(devices) for name, devices in self.config.members.items()}

    def _by_traits(self, devices: Iterable[Device]) -> dict[DeviceTraits, list[str]]:
        alike: dict[DeviceTraits, list[str]] = {}
        nothing = KnownDevice()
        for device in devices:
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
