"""Remedies for what the devices' build has and their profile has not: a profile of one's own."""

from __future__ import annotations

from fuota_fec.devices.profiles import PROFILES, DeviceProfile


def own_limit(profile: DeviceProfile, limit: str, value: object) -> str:
    """Clause that ends a remedy: where to set a limit of the profile to a value that the campaign needs."""
    return f"if their build takes it, {own_value(profile, limit, value)}"


def own_value(profile: DeviceProfile, name: str, value: object) -> str:
    """Clause that ends a remedy: where to set a field of the profile to another value."""
    if profile.name in PROFILES:
        return (
            "give the devices a profile of their own: [profiles.NAME] with "
            f'base = "{profile.name}" and {name} = {value}'
        )
    return f"set {name} = {value} in [profiles.{profile.name}]"
