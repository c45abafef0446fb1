"""Questions before the first stage of the setup: package versions, the base of a delta, the version that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fuota_fec.campaign import reasons
from fuota_fec.campaign.config import Ports
from fuota_fec.campaign.questions.question import OK, Question, Verdict
from fuota_fec.campaign.state import CampaignState, DeviceState
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.commands import Command, PackageVersionAns, PackageVersionReq


def _package_version(
    name: str,
    identifier: int,
    port: Callable[[Ports], int],
    versions: Mapping[int, str],
    expected: Callable[[DeviceState], str],
) -> Question:
    def read(_state: CampaignState, device: DeviceState, command: Command, _received_at: float) -> Verdict | None:
        if not isinstance(command, PackageVersionAns) or command.package_identifier != identifier:
            return None
        reported = versions.get(command.package_version, f"version {command.package_version}")
        if reported == expected(device):
            return OK
        reason = f"other version in PackageVersion: {name} {reported}, its group's is {expected(device)}"
        return Verdict(ok=False, reason=reason)

    return Question(name=f"PackageVersion {name}", port=port, request=lambda *_: PackageVersionReq(), read=read)


PACKAGE_VERSIONS = (
    _package_version(
        "TS005",
        multicast.PACKAGE_IDENTIFIER,
        lambda ports: ports.multicast,
        multicast.VERSIONS,
        lambda device: device.group.mc_version,
    ),
    _package_version(
        "TS004",
        fragmentation.PACKAGE_IDENTIFIER,
        lambda ports: ports.fragmentation,
        fragmentation.VERSIONS,
        lambda device: device.group.dialect,
    ),
)


def base_version_read(
    state: CampaignState, _device: DeviceState, command: Command, _received_at: float
) -> Verdict | None:
    """Requires the base version of the delta: a device with another version cannot use it."""
    if not isinstance(command, firmware.DevVersionAns):
        return None
    ok = command.fw_version == state.required_version
    reason = "" if ok else reasons.wrong_version(command.fw_version)
    return Verdict(ok=ok, reason=reason, fw_version=command.fw_version)


BASE_VERSION = Question(
    name="DevVersion",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=base_version_read,
)


def _running_version_read(
    _state: CampaignState, _device: DeviceState, command: Command, _received_at: float
) -> Verdict | None:
    """Takes any version for an answer. The target version passes the device before its question reads it; with another
    one, or on other hardware, the device takes part."""
    return Verdict(ok=True, fw_version=command.fw_version) if isinstance(command, firmware.DevVersionAns) else None


RUNNING_VERSION = Question(
    name="DevVersion",
    port=lambda ports: ports.firmware,
    request=lambda *_: firmware.DevVersionReq(),
    read=_running_version_read,
    volunteered=(firmware.DevVersionAns,),
)

RUNNING_VERSION_ONCE = replace(RUNNING_VERSION, optional=True)
"""The same question in the stage after, to a device that is heard too late for the first one."""
