"""State of a campaign: the sum of its events. It changes only where events are applied."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial

from fuota_fec.campaign.config import CampaignConfig, Device, Group, firmware_version
from fuota_fec.campaign.group_state import GroupState
from fuota_fec.campaign.messages import (
    Answered,
    Configured,
    DeviceFact,
    Fact,
    GroupFact,
    KnownDevice,
    Membership,
    NetworkCapabilities,
    Requested,
    Session,
    Wait,
)
from fuota_fec.campaign.plan import Plan
from fuota_fec.campaign.timers import Timers
from fuota_fec.codec.block import FragmentedBlock
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.planning.unicast import JITTER, Tries, until_uplink
from fuota_fec.wire.multicast import LAST_F_CNT

LAST_SESSION_CNT = 0xFFFF
RECEIVE_WINDOWS = 20.0
"""Time from an uplink to the end of the downlink in its receive windows, at most, s: RECEIVE_DELAY1 is up to 15 s."""
MOST_OWN_ACCORD = 64
"""Events that one device may cause of its own accord in a campaign: versions, block reports, replies."""


class Data(IntEnum):
    """Knowledge about the block on a device."""

    UNKNOWN = 0
    WRONG = 1
    """The block is complete, and not the announced one."""
    LIKELY = 2
    """The block is complete if the counts of the stack are right."""
    COMPLETE = 3


@dataclass(slots=True, kw_only=True)
class DeviceState:
    """Knowledge about one device."""

    device: Device
    number: int
    """Position in the configuration, from 0."""
    group: Group
    profile: DeviceProfile
    period: float
    """Time between uplinks P(d), s."""
    taking_part: bool = True
    passed: bool = False
    """Whether the device succeeded in the deciding stage."""
    heard: bool = False
    """Whether the device was heard; in a stage that needs a fresh uplink, since it may be asked."""
    ever_heard: bool = False
    """Whether the device was heard in this campaign."""
    unreported: str | None = None
    """ID of the last request of any stage, until it is known to have left the network's queue."""
    queued_at: float = 0.0
    """Unix time of the hand-over of the last request."""
    queued_until: float = 0.0
    """Unix time after which the unreported request can no longer leave."""
    presumed_at: float | None = None
    """Unix time of the uplink after which the unreported request is presumed to leave; None if there is none."""
    reply_at: float = 0.0
    """Unix time of the hand-over of the last reply."""
    reason: str = ""
    """Reason why the device did not succeed; "" if unknown."""
    runs_target: bool = False
    """Whether it reported the target version before it was sent a fragment, or after it had left: it passes, and takes
    part in no stage."""
    left_reason: str = ""
    """Reason why it had left, once it has returned."""
    note: str = ""
    """Warning about the last answer."""
    warning: str = ""
    """Last warning that holds to the end of the campaign, whatever is answered later."""
    jitter: float = JITTER
    """Share of the period by which an uplink may be late."""
    measured_in: int = -1
    """Index of the stage in which the uplink period was last measured; -1: none."""
    fw_version: int | None = None
    """Last firmware version that the device reported."""
    hw_version: int | None = None
    """Hardware that was reported with the firmware version, where it was recorded."""
    old_version: int | None = None
    """Firmware version before the campaign; None if unknown."""
    data: Data = Data.UNKNOWN
    needed: int | None = None
    """Number of fragments that the device lacks by its last report; None: no report of missing fragments."""
    n_repaired: int = 0
    """Number of coded fragments sent by unicast."""
    n_found_old: int = 0
    """Number of rounds in which verification found the old version without a report of missing fragments."""
    found_old_in: int = 0
    """Round of the last such verification."""
    loss: float | None = None
    """Share of fragments that the device missed; None if unknown."""
    session_cnt: int = 0
    """SessionCnt of the session in this campaign."""
    last_session_cnt: int | None = None
    """Last SessionCnt that was sent to the device."""
    session_raised: bool = False
    """Whether the SessionCnt was raised after a refusal."""
    session_open: bool = False
    """Whether the device is assumed to hold a fragmentation session."""
    session_set_up: bool = False
    """Whether this campaign requested a fragmentation session."""
    awaits_time: bool = False
    """Whether the campaign asked the device to synchronise its clock, and owes it the time."""
    set_up_again: bool = False
    """Whether McGroupSetup was repeated, as the device reported that it has no such group."""
    synchronised: bool = False
    """Whether a clock synchronisation was requested after a session answer with a wrong clock."""
    memberships: tuple[Membership, ...] = ()
    group_set_up: bool = False
    """Whether the device joined its group in this campaign."""
    session_asked: bool = False
    """Whether a multicast session was requested of the device, and not refused: it may listen, whatever it answered."""
    reboot_sent: str = ""
    """Kind of the reboot that was requested, answered or not: "time" or "countdown"; "": none."""
    reboot_at: float | None = None
    """Unix time by which the requested reboot is over."""
    n_own_accord: int = 0
    """Events that the device caused of its own accord."""
    got_fragments: bool = False
    """Whether fragments were sent while the device took part."""
    unconfirmed: str = ""
    """Reason of a clean-up that was not confirmed; "" otherwise."""

    @property
    def dev_eui(self) -> str:
        return self.device.dev_eui

    @property
    def may_volunteer(self) -> bool:
        """Whether the device may cause a further event of its own accord."""
        return self.n_own_accord < MOST_OWN_ACCORD

    def reboots_after(self, at: float) -> bool:
        """Whether a reboot that the campaign asked for lies ahead."""
        return bool(self.reboot_sent) and self.reboot_at is not None and at < self.reboot_at

    def take_answer(self, event: Answered, *, note_lasts: bool) -> None:
        """Records the contents of an answer."""
        self.reason, self.note, self.needed = event.reason, event.note, event.needed
        self.loss = self.loss if event.loss is None else event.loss
        if note_lasts and event.note:
            self.warning = event.note

    def known(self) -> KnownDevice:
        """Facts about the device for the registry."""
        return KnownDevice(
            session_cnt=self.last_session_cnt,
            session_open=self.session_open,
            fw_version=self.fw_version if self.fw_version is not None else self.old_version,
            memberships=self.memberships,
        )


def end_of_counters(state: CampaignState, group: GroupState) -> int:
    """First frame counter that a device of the group refuses: the least maxMcFCnt among those that take part."""
    own, members = group.plan.group, (d for d in state.devices.values() if d.taking_part and d.group.name == group.name)
    joined = (m for d in members for m in d.memberships if (m.mc_group_id, m.mc_addr) == (own.mc_group_id, own.mc_addr))
    return min((m.max_mc_f_cnt for m in joined), default=LAST_F_CNT)


@dataclass(slots=True, kw_only=True)
class CampaignState:
    """State of a started campaign."""

    config: CampaignConfig
    plan: Plan
    network: NetworkCapabilities
    started_at: float
    devices: dict[str, DeviceState]
    groups: dict[str, GroupState]
    blocks: dict[str, FragmentedBlock]
    """Frames by name of the group; empty without the image."""
    status: str = "RUNNING"
    stopping: str = ""
    """Status with which the campaign ends after its clean-up; "" before."""
    reason: str = ""
    unconfirmed: tuple[str, ...] = ()
    paused: bool = False
    suspended: str = ""
    """Error that keeps the agent from running the campaign; "" otherwise."""
    stage_idx: int = -1
    stage_started: float = 0.0
    overtime: float = 0.0
    """Time for which the present stage may last beyond the maximum duration, s."""
    lost_before: float = 0.0
    """Lost time before the present stage, s."""
    stage_names: tuple[str, ...] = ()
    round: int = 1
    n_beside: int = 0
    """Number of devices that run the target version and take part in no stage: successes of every stage."""
    n_complete_needed: int = 0
    """Number of complete devices that ends the present round early."""
    sessions: dict[str, Session] = field(default_factory=dict)
    asked_groups: frozenset[str] = frozenset()
    """Names of the groups of the last session stage."""
    wait: Wait | None = None
    """Time that the present stage waits for."""
    tries: Tries = field(default_factory=Tries)
    """Tries of unicast requests so far."""
    answer_delay: float = 0.0
    """Longest time so far from a request that was sent to its answer, s."""
    sent_until: float = 0.0
    """Unix time of the end of the last multicast frame."""
    n_requests: int = 0
    asked: array[int] = field(default_factory=partial(array, "i"))
    """Subject of each request: number of its device, or -1 less that of its group."""
    lost: float = 0.0
    """Time in which nothing could be heard or sent, s."""
    resumed_at: float = 0.0
    """Unix time of the end of the last such time."""
    waited_since: float = 0.0
    """Unix time from which uplinks may have waited in it."""
    foreign_clock: bool = False
    """Whether a time of reception was found to be wrong."""
    timers: Timers = field(default_factory=Timers)
    changed_devices: set[str] = field(default_factory=set)
    changed_groups: set[str] = field(default_factory=set)
    """Devices and groups whose facts for the registry have changed."""

    @classmethod
    def begin(
        cls, event: Configured, plan: Plan, blocks: dict[str, FragmentedBlock], stage_names: tuple[str, ...]
    ) -> CampaignState:
        """State after event 0."""
        config = event.config
        groups = {group.name: group for group in config.groups}
        known, nothing = event.known.devices, KnownDevice()

        def device_state(number: int, device: Device) -> DeviceState:
            facts = known.get(device.dev_eui, nothing)
            configured = None if device.fw_version is None else firmware_version(device.fw_version)
            last = -1 if facts.session_cnt is None else facts.session_cnt
            return DeviceState(
                device=device,
                number=number,
                group=groups[device.group],
                profile=config.profile_of(device),
                period=config.uplink_period_of(device),
                old_version=configured if configured is not None else facts.fw_version,
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
            devices={device.dev_eui: device_state(number, device) for number, device in enumerate(config.devices)},
            groups={
                name: GroupState(plan=group, next_f_cnt=group.first_f_cnt, n_frames=group.n_frames)
                for name, group in plan.groups.items()
            },
            stage_names=stage_names,
            n_complete_needed=plan.n_needed,
        )

    @property
    def deadline(self) -> float:
        """Unix time of the end of the campaign's maximum duration."""
        return self.started_at + self.config.max_duration + self.lost

    @property
    def stage_deadline(self) -> float:
        """Unix time of the end of the maximum duration and of the overtime of the present stage."""
        return self.deadline + self.overtime

    @property
    def required_version(self) -> int | None:
        """Base version of a delta; None for a whole image."""
        required = self.config.requires_fw_version
        return None if required is None else firmware_version(required, "requires_fw_version")

    def take_version(self, device: DeviceState, version: int, hw_version: int | None = None) -> None:
        device.hw_version = hw_version
        if not device.got_fragments and version != self.config.firmware_version:
            device.old_version = version
        if version != device.fw_version:
            device.fw_version = version
            self.changed_devices.add(device.dev_eui)

    def until_uplink(self, device: DeviceState) -> float:
        """Longest time until the next uplink of a device is heard, and what is reported with it, s."""
        return until_uplink(device.period, self.config.delivery_timeout, device.jitter)

    def reply_goes_before(self, device: DeviceState) -> bool:
        """Whether a reply may still have been queued before the last request of a device."""
        return device.queued_at - self.until_uplink(device) <= device.reply_at <= device.queued_at

    def next_request_id(self) -> str:
        return f"{self.config.id}/{self.n_requests + 1}"

    def note_request(self, event: Requested) -> None:
        """Counts a request, and records its subject."""
        self.n_requests += 1
        if event.group is not None:
            self.asked.append(-1 - list(self.groups).index(event.group))
        else:
            self.asked.append(self.devices[event.dev_eui or ""].number)

    def subject_of(self, request_id: str) -> tuple[str | None, str | None]:
        """DevEUI or name of the group that a request went to; None for both if there was no such request."""
        campaign, _, number = request_id.rpartition("/")
        if campaign != self.config.id or not number.isdecimal() or not 0 < int(number) <= len(self.asked):
            return None, None
        subject = self.asked[int(number) - 1]
        if subject < 0:
            return None, self.config.groups[-1 - subject].name
        return self.config.devices[subject].dev_eui, None

    def slowest_period(self) -> float:
        """Longest uplink period P(slowest) of the devices that take part, s."""
        return max((d.period for d in self.devices.values() if d.taking_part), default=self.plan.slowest_period)

    def pass_device(self, device: DeviceState) -> None:
        """Records that a device runs the target version."""
        self.n_beside += not device.taking_part and not device.runs_target
        device.passed = device.runs_target = True

    def is_met(self, successes: int, n_before: int = 0, n_asked: int = 0) -> bool:
        """Whether a number of successes of a stage meets the threshold, with the devices that passed beside it.

        If `n_before` of them needed nothing of the stage, enough of the `n_asked` others must have succeeded, too: they
        would have no chance otherwise.
        """
        met = successes >= self.plan.n_needed
        return met and (not n_before or successes - n_before >= self.plan.share_of(n_asked))

    def n_may_pass(self) -> int:
        """Devices that take part, or have passed although they left."""
        return sum(device.taking_part or device.runs_target for device in self.devices.values())

    def n_taking_part(self) -> int:
        return sum(device.taking_part for device in self.devices.values())

    def lacking_groups(self) -> set[str]:
        """Names of groups with devices that take part and are not known to have the data. Without coded fragments only
        devices that gave a reason count."""
        return {
            d.group.name
            for d in self.devices.values()
            if d.taking_part and d.data < Data.LIKELY and (d.reason or self.groups[d.group.name].plan.fec)
        }

    def active_groups(self) -> set[str]:
        """Names of groups that have devices which take part."""
        return {device.group.name for device in self.devices.values() if device.taking_part}

    # ---- the registry ------------------------------------------------------------------------------------

    def take_facts(self) -> list[Fact]:
        """Facts for the registry that have changed since the last call."""
        if not (self.changed_groups or self.changed_devices):
            return []
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
