"""Remedy for a limit of a device profile that the devices' build does not have: a profile of one's own."""

from __future__ import annotations

from fuota_fec.devices.profiles import PROFILES, DeviceProfile


def own_limit(profile: DeviceProfile, limit: str, value: object) -> str:
    """Clause that ends a remedy: where to set a limit of the profile to a value that the campaign needs."""
    if profile.name in PROFILES:
        return (
            "if their build takes it, give the devices a profile of their own: [profiles.NAME] with "
            f'base = "{profile.name}" and {limit} = {value}'
        )
    return f"if their build takes it, set {limit} = {value} in [profiles.{profile.name}]"
