"""The state of a campaign: what its events add up to. Changed only where events are applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import Configured, NetworkCapabilities, Session
from fuota_fec.campaign.plan import Plan, uplink_period
from fuota_fec.campaign.timers import Timers

if TYPE_CHECKING:
    from fuota_fec.codec.block import FragmentedBlock


class Phase(IntEnum):
    """Where a device is in the unicast exchange of the present stage."""

    ABSENT = 0
    """Takes no part: it left the campaign, or the stage is not a unicast one."""
    UNHEARD = 1
    """Nothing is sent before an uplink of it has been heard."""
    READY = 2
    """In line to be asked."""
    REQUESTED = 3
    """Decided, not yet with the network."""
    HANDED_OVER = 4
    """With the network: its sent report is due."""
    SENT = 5
    """It left: the answer is due."""
    STALLED = 6
    """No retry is left."""
    GIVEN_UP = 7
    """Not asked any more; a late answer still counts."""
    SUCCEEDED = 8
    FAILED = 9
    """It answered, and the answer was a refusal."""


OPEN = frozenset({Phase.UNHEARD, Phase.READY, Phase.REQUESTED, Phase.HANDED_OVER, Phase.SENT, Phase.STALLED})
"""Phases in which something is still to be done about the device."""


@dataclass(slots=True, kw_only=True)
class DeviceState:
    device: Device
    group: Group
    period: float
    """s between uplinks, P(d)."""
    taking_part: bool = True
    passed: bool = False
    """It succeeded in the last stage: the update is verified."""
    heard: bool = False
    phase: Phase = Phase.ABSENT
    request_id: str | None = None
    """The present stage's last request."""
    unreported: str | None = None
    """The last request of all, until it is known to have left: it may still be in the network's queue."""
    handed_over_at: float = 0.0
    noted: str | None = None
    """The last request that was answered with something to ask again about."""
    resends: int = 0
    reason: str = ""
    """Why it did not succeed, once that is known."""
    fw_version: int | None = None
    """What it last said."""

    @property
    def dev_eui(self) -> str:
        return self.device.dev_eui


@dataclass(slots=True, kw_only=True)
class CampaignState:
    config: CampaignConfig
    plan: Plan
    network: NetworkCapabilities
    started_at: float
    devices: dict[str, DeviceState]
    blocks: dict[str, FragmentedBlock]
    """By group; empty without the image."""
    status: str = "RUNNING"
    reason: str = ""
    stage_idx: int = -1
    sessions: dict[str, Session] = field(default_factory=dict)
    next_f_cnt: dict[str, int] = field(default_factory=dict)
    sent_until: float = 0.0
    """End of the last multicast frame requested."""
    n_requests: int = 0
    next_unicast_at: float = 0.0
    """Unicast downlinks are ucast_msg_delay apart, also across stages."""
    timers: Timers = field(default_factory=Timers)

    @classmethod
    def begin(cls, event: Configured, plan: Plan, blocks: dict[str, FragmentedBlock]) -> CampaignState:
        """The state that event 0 makes."""
        config = event.config
        groups = {group.name: group for group in config.groups}
        return cls(
            config=config,
            plan=plan,
            network=event.network,
            started_at=event.at,
            blocks=blocks,
            devices={
                device.dev_eui: DeviceState(
                    device=device, group=groups[device.group], period=uplink_period(config, device)
                )
                for device in config.devices
            },
            next_f_cnt={group.name: group.first_f_cnt for group in config.groups},
        )

    @property
    def deadline(self) -> float:
        """Unix time at which the campaign's maximum duration is over."""
        return self.started_at + self.config.max_duration

    def next_request_id(self) -> str:
        return f"{self.config.id}/{self.n_requests + 1}"
