"""The state of a campaign: what its events add up to. Changed only where events are applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from fuota_fec.campaign.config import CampaignConfig, Device, Group, firmware_version
from fuota_fec.campaign.messages import (
    Configured,
    DeviceFact,
    Fact,
    GroupFact,
    KnownDevice,
    Membership,
    NetworkCapabilities,
    Session,
)
from fuota_fec.campaign.plan import GroupPlan, Plan
from fuota_fec.campaign.timers import Timers
from fuota_fec.codec.block import FragmentedBlock
from fuota_fec.devices.profiles import DeviceProfile, profile

LAST_SESSION_CNT = 0xFFFF


class Data(IntEnum):
    """What is known of the block on a device."""

    UNKNOWN = 0
    WRONG = 1
    """It is complete, and not the one that was announced."""
    LIKELY = 2
    """Complete, as far as the counts of its stack can be believed."""
    COMPLETE = 3


@dataclass(slots=True, kw_only=True)
class DeviceState:
    device: Device
    group: Group
    profile: DeviceProfile
    period: float
    """s between uplinks, P(d)."""
    taking_part: bool = True
    passed: bool = False
    """It succeeded in the last stage."""
    heard: bool = False
    unreported: str | None = None
    """The last request of all, until it is known to have left: it may still be in the network's queue."""
    queued_until: float = 0.0
    """Unix time after which that request does not leave any more."""
    reason: str = ""
    """Why it did not succeed, once that is known."""
    note: str = ""
    """A warning about it."""
    measured_in: int = -1
    """The stage in which its uplink period was last measured."""
    fw_version: int | None = None
    """What it last said."""
    old_version: int | None = None
    """What it ran before the campaign, where that is known."""
    data: Data = Data.UNKNOWN
    needed: int | None = None
    """Fragments that it lacks, as far as it has said so; None: it has not."""
    n_repaired: int = 0
    """Coded fragments that it was sent by unicast."""
    n_found_old: int = 0
    """Verifications that found it with the old version, though it was not known to lack anything; `found_old_in`: the
    round of the last one."""
    found_old_in: int = 0
    loss: float | None = None
    """Share of fragments that it missed, as far as is known."""
    session_cnt: int = 0
    """SessionCnt of its session in this campaign."""
    last_session_cnt: int | None = None
    """The last one that was sent to it."""
    session_raised: bool = False
    session_open: bool = False
    """It holds a fragmentation session, as far as we know."""
    session_set_up: bool = False
    """It was asked to open one in this campaign."""
    synchronised: bool = False
    """Its clock was corrected in this campaign."""
    memberships: tuple[Membership, ...] = ()
    group_set_up: bool = False
    """It joined its group in this campaign."""
    reboot_sent: str = ""
    """"time" or "countdown", once it was sent a reboot (requested, answered or not)."""
    reboot_at: float | None = None
    """Unix time by which that reboot will have come."""
    got_fragments: bool = False
    unconfirmed: str = ""
    """Why it did not confirm the clean-up."""

    @property
    def dev_eui(self) -> str:
        return self.device.dev_eui

    def known(self) -> KnownDevice:
        """What the registry is to keep of it."""
        return KnownDevice(
            session_cnt=self.last_session_cnt,
            session_open=self.session_open,
            fw_version=self.fw_version if self.fw_version is not None else self.old_version,
            memberships=self.memberships,
        )


@dataclass(slots=True, kw_only=True)
class GroupState:
    """How far a group is."""

    plan: GroupPlan
    next_f_cnt: int
    n_frames: int
    """Frames after which the present round is over."""
    round: int = 1
    n_requested: int = 0
    """Frames that were requested; where rounds repeat the uncoded fragments, in the present one."""
    failed: str = ""
    """Why it does not get all of its frames."""
    next_slot: float = float("-inf")
    """Unix time before which no further frame goes out."""

    @property
    def name(self) -> str:
        return self.plan.group.name

    @property
    def remaining(self) -> int:
        return self.n_frames - self.n_requested

    @property
    def rows_left(self) -> int:
        """Coded fragments that no round has sent or is to send."""
        return self.plan.n_sequence - self.n_frames

    def begin_round(self, round_no: int, n_coded: int) -> None:
        """That many more coded fragments; or all uncoded ones again, where there are none."""
        if n_coded:
            self.round, self.n_frames = round_no, self.n_frames + min(n_coded, self.rows_left)
        elif not self.plan.fec and round_no <= self.plan.rounds:
            self.round, self.n_requested, self.n_frames = round_no, 0, self.plan.n_frags

    def end_round(self) -> None:
        """What of it was not sent is not needed."""
        self.n_frames = self.n_requested

    def remaining_time(self) -> float:
        """s that a session must last for the frames that remain, and the status request after them."""
        status = self.plan.time.spacing + self.plan.status_wait if self.plan.n_status else 0.0
        return self.plan.lead + self.remaining * self.plan.time.spacing + self.plan.slot + status


@dataclass(slots=True, kw_only=True)
class CampaignState:
    config: CampaignConfig
    plan: Plan
    network: NetworkCapabilities
    started_at: float
    devices: dict[str, DeviceState]
    groups: dict[str, GroupState]
    blocks: dict[str, FragmentedBlock]
    """By group; empty without the image."""
    status: str = "RUNNING"
    stopping: str = ""
    """As what the campaign ends once it is cleaned up."""
    reason: str = ""
    unconfirmed: tuple[str, ...] = ()
    paused: bool = False
    stage_idx: int = -1
    stage_started: float = 0.0
    stage_names: tuple[str, ...] = ()
    round: int = 1
    n_complete_needed: int = 0
    """Devices that must say that they have the data for the present round to end early."""
    sessions: dict[str, Session] = field(default_factory=dict)
    asked_groups: frozenset[str] = frozenset()
    """Groups for which the last session stage asked."""
    sent_until: float = 0.0
    """End of the last multicast frame."""
    n_requests: int = 0
    timers: Timers = field(default_factory=Timers)
    changed_devices: set[str] = field(default_factory=set)
    changed_groups: set[str] = field(default_factory=set)
    """Of whom the registry is to be told."""

    @classmethod
    def begin(
        cls, event: Configured, plan: Plan, blocks: dict[str, FragmentedBlock], stage_names: tuple[str, ...]
    ) -> CampaignState:
        """The state that event 0 makes."""
        config = event.config
        groups = {group.name: group for group in config.groups}
        known, nothing = event.known.devices, KnownDevice()

        def device_state(device: Device) -> DeviceState:
            facts = known.get(device.dev_eui, nothing)
            told = None if device.fw_version is None else firmware_version(device.fw_version)
            last = -1 if facts.session_cnt is None else facts.session_cnt
            return DeviceState(
                device=device,
                group=groups[device.group],
                profile=profile(device.profile),
                period=config.uplink_period_of(device),
                old_version=told if told is not None else facts.fw_version,
                session_cnt=min(max(config.session_cnt, last + 1), LAST_SESSION_CNT),
                last_session_cnt=facts.session_cnt,
                session_open=facts.session_open,
                memberships=facts.memberships,
                loss=config.loss_of(device),
            )

        return cls(
            config=config,
            plan=plan,
            network=event.network,
            started_at=event.at,
            blocks=blocks,
            devices={device.dev_eui: device_state(device) for device in config.devices},
            groups={
                name: GroupState(plan=group, next_f_cnt=group.first_f_cnt, n_frames=group.n_frames)
                for name, group in plan.groups.items()
            },
            stage_names=stage_names,
            n_complete_needed=plan.n_needed,
        )

    @property
    def deadline(self) -> float:
        """Unix time at which the campaign's maximum duration is over."""
        return self.started_at + self.config.max_duration

    @property
    def required_version(self) -> int | None:
        """The version that devices must run for a delta."""
        required = self.config.requires_fw_version
        return None if required is None else firmware_version(required, "requires_fw_version")

    def next_request_id(self) -> str:
        return f"{self.config.id}/{self.n_requests + 1}"

    def slowest_period(self) -> float:
        """P(slowest) of the devices that take part."""
        return max((d.period for d in self.devices.values() if d.taking_part), default=self.plan.slowest_period)

    def n_taking_part(self) -> int:
        return sum(device.taking_part for device in self.devices.values())

    def lacking_groups(self) -> set[str]:
        """Groups with devices that take part and, as far as is known, lack the data; where there are no coded fragments
        it is known of devices that were asked."""
        return {
            d.group.name
            for d in self.devices.values()
            if d.taking_part and d.data < Data.LIKELY and (d.reason or self.groups[d.group.name].plan.fec)
        }

    def active_groups(self) -> set[str]:
        """Groups that still have devices."""
        return {device.group.name for device in self.devices.values() if device.taking_part}

    # ---- the registry ------------------------------------------------------------------------------------

    def take_facts(self) -> list[Fact]:
        """What has changed since the last time of what outlives the campaign."""
        facts: list[Fact] = [
            GroupFact(mc_addr=g.plan.group.mc_addr, key=g.plan.group.key_name, next_f_cnt=g.next_f_cnt)
            for name in sorted(self.changed_groups)
            for g in (self.groups[name],)
        ]
        facts += [
            DeviceFact(dev_eui=dev_eui, frag_index=self.config.frag_index, known=self.devices[dev_eui].known())
            for dev_eui in sorted(self.changed_devices)
        ]
        self.changed_groups.clear()
        self.changed_devices.clear()
        return facts
