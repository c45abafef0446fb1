"""Device: one device of a campaign, and the checks of its settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Literal

from fuota_fec.campaign.group import Group
from fuota_fec.campaign.settings import (
    between,
    field_problems,
    firmware_version,
    key_name_problems,
    loss_problems,
    raised,
)
from fuota_fec.checks import shown
from fuota_fec.wire.identifiers import canonical_eui, is_eui


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One class A device. Required: `dev_eui` and `group`."""

    dev_eui: str
    """DevEUI, 16 hexadecimal digits in any usual spelling; kept in lower case without separators."""
    group: str
    """Name of the device's multicast group."""
    key: str | None = None
    """Name of the device's root key in the key ring; the DevEUI if not given."""
    lorawan: Literal["1.0", "1.1"] = "1.0"
    """LoRaWAN version, which decides the root key: GenAppKey in 1.0.x, AppKey in 1.1 (TS005, Keys)."""
    uplink_period: float | None = field(default=None, metadata=between(1, 1e7))
    """Uplink period of the device, s; the campaign's if not given."""
    profile: str = "generic"
    """Name of the device profile: one of the campaign's `profiles`, or one that `fuota-fec profiles` lists."""
    downlink_dr: int | None = None
    """Data rate of unicast downlinks to the device, if it is known."""
    fw_version: str | int | None = None
    """Firmware version before the campaign, if it is known."""
    loss: float | None = None
    """Share of downlinks that the device misses, 0 … below 1, if it is known; the campaign's if not given."""
    probe: bool = False
    """True if the versions of the device's packages are not known: the device is asked for them first, and left out if
    they differ from its group's."""
    ask_version: bool = False
    """True if the device may run the target version already, for example after a campaign that had no answer from it:
    it is asked for its version first. A device whose `fw_version` is the target version is asked in any case."""

    def __post_init__(self) -> None:
        if not is_eui(self.dev_eui):
            object.__setattr__(self, "dev_eui", canonical_eui(self.dev_eui))

    @property
    def key_name(self) -> str:
        return self.key or self.dev_eui


class DeviceCheck:
    """Check of devices against the groups and profiles of their campaign. Devices with the same settings are checked
    once: a large fleet has few different ones."""

    def __init__(self, groups: Iterable[Group], profiles: Collection[str]) -> None:
        self._groups = {group.name for group in groups}
        self._profiles = profiles
        self._found: dict[tuple[object, ...], list[str]] = {}

    def problems(self, device: Device) -> list[str]:
        """A line for each setting that cannot be used."""
        settings = _shared(device)
        found = self._found.get(settings)
        if found is None:
            found = self._found[settings] = list(self._settings_problems(device))
        if device.key is not None:
            found = [*found, *key_name_problems("key", device.key)]
        if not is_eui(device.dev_eui):
            return [f"dev_eui: {shown(device.dev_eui)} is not a DevEUI, expected 16 hexadecimal digits", *found]
        return found

    def _settings_problems(self, device: Device) -> Iterator[str]:
        yield from field_problems(device)
        if device.fw_version is not None:
            yield from raised(partial(firmware_version, device.fw_version))
        if device.group not in self._groups:
            yield f"group: {shown(device.group)} is not one of this campaign's"
        if device.profile not in self._profiles:
            known = ", ".join(self._profiles)
            yield f"profile: {shown(device.profile)} is not known, expected one of {known}"
        yield from loss_problems(device.loss)


_OWN = ("dev_eui", "key")
"""Settings that differ from device to device."""
_shared = attrgetter(*(name for name in Device.__dataclass_fields__ if name not in _OWN))
