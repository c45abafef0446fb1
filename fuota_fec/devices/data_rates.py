"""Data rates that today's devices do not receive: SF5 and SF6, which only the newest Regional Parameters have."""

from __future__ import annotations

from collections.abc import Iterable

from fuota_fec.devices.profiles import DeviceProfile, profile
from fuota_fec.errors import ParameterError
from fuota_fec.radio.channels import DataRate


def data_rate_problem(profile: DeviceProfile, rate: DataRate) -> str:
    """Why devices of a profile do not receive a data rate; "" if they do."""
    if not rate.since or profile.new_data_rates:
        return ""
    return f"{rate} exists since {rate.since}, {profile.name} devices do not receive it"


def check_data_rate(profiles: Iterable[DeviceProfile], rate: DataRate) -> None:
    """ParameterError unless stacks and radios of all profiles receive a data rate. No profile at all stands for
    "generic"."""
    for each in dict.fromkeys(profiles) or (profile("generic"),):
        if problem := data_rate_problem(each, rate):
            raise ParameterError(
                f"dr: {problem}, expected an older one, or the profile of devices that do: "
                f'base = "{each.base or each.name}" and new_data_rates = true in [profiles.NAME]'
            )
