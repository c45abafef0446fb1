"""Driver of a campaign by hand: the tests are its network, its devices and its clock."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.exchanges.unicast import UnicastExchange
from fuota_fec.campaign.machine import Machine
from fuota_fec.campaign.messages import (
    DownlinkSent,
    Event,
    Fact,
    HandOver,
    Input,
    Known,
    KnownDevice,
    Membership,
    MulticastSummary,
    NetworkCapabilities,
    Requested,
    Session,
    StageClosing,
    StageStarted,
    Stopping,
    Uplink,
)
from fuota_fec.campaign.state import DeviceState
from fuota_fec.campaign.turn import Phase, Turn
from fuota_fec.devices.profiles import PROFILES, DeviceProfile, profile
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command, PackageVersionAns

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
"""30 bytes: with fsize = 10 three fragments."""
NEW_VERSION = 0x02000000
OLD_VERSION = 0x01000000
PORTS = {multicast: 200, fragmentation: 201, clock: 202, firmware: 203}
CLEAN_UP = "clean-up"
"""Name of the time after a campaign began to end, in `last_stage` and `requests`."""
IN_FLIGHT = (Phase.REQUESTED, Phase.HANDED_OVER, Phase.SENT)


def dev(i: int) -> str:
    return f"{i:016x}"


def make_group(name: str = "meters", **changes: Any) -> Group:
    settings: dict[str, Any] = {"mc_addr": "01f3a4b5", "dr": 5, "frequency": 869_525_000}
    return Group(name=name, **{**settings, **changes})


def make_config(n_devices: int = 3, **changes: Any) -> CampaignConfig:
    """Devices 1 … n in turns over the groups; periods of 100 s; five frames, one every 2 s.

    `each`: settings of every device, such as {"profile": "st", "probe": True}.
    """
    groups, each = changes.pop("groups", (make_group(),)), changes.pop("each", {})
    settings: dict[str, Any] = {
        "id": "c",
        "success_threshold": 100,
        "max_duration": 100_000,
        "session_length": "duration",
        "uplink_period": 100,
        "fw_version": NEW_VERSION,
        "groups": groups,
        "devices": tuple(
            Device(dev_eui=dev(i + 1), group=groups[i % len(groups)].name, **each) for i in range(n_devices)
        ),
        "delivery_timeout": 10,
        "fsize": 10,
        "redundancy": 2,
        "clean_up": False,
    }
    return CampaignConfig(**{**settings, **changes})


def updatable(stack: str) -> DeviceProfile:
    """A profile of a stack whose application has TS006, and reboots into a complete image, where the stack does not."""
    base = profile(stack)
    lacking = {name: True for name in ("ts006", "reboots_alone") if getattr(base, name) is False}
    return base.replace(name=f"{stack}-updatable", **lacking) if lacking else base


def own(*profiles: DeviceProfile) -> tuple[DeviceProfile, ...]:
    """Those that are no built-in profiles, for `profiles` of a configuration."""
    return tuple(p for p in profiles if p.name not in PROFILES)


def known(**device: Any) -> Known:
    """Facts of the registry about device 1."""
    return Known(devices={dev(1): KnownDevice(**device)})


def member(**changes: Any) -> Membership:
    """Membership in the group of these campaigns, with five frames planned from counter 0."""
    values: dict[str, Any] = {
        "mc_group_id": 0,
        "mc_addr": "01f3a4b5",
        "key": "meters",
        "min_mc_f_cnt": 0,
        "max_mc_f_cnt": 5,
    }
    return Membership(**values | changes)


def replayed(driver: Driver) -> Campaign:
    return Campaign.replay(driver.events, driver.image)


def same(a: Campaign, b: Campaign) -> bool:
    """Whether two campaigns look alike and go on at the same time."""
    return (a.status(), a.deadline(), a.n_events, a.finished) == (b.status(), b.deadline(), b.n_events, b.finished)


def machine_of(campaign: Campaign) -> Machine:
    """Machine of a campaign, read from a private attribute: no view of a campaign has phases and counters."""
    machine = campaign._machine
    assert machine is not None
    return machine


class Driver:
    """Feeds a campaign of any kind and records its events. A multicast setup sends no image."""

    def __init__(
        self,
        config: CampaignConfig,
        network: NetworkCapabilities | None = None,
        known: Known | None = None,
        image: bytes = IMAGE,
    ) -> None:
        self.image = b"" if config.kind == "multicast" else image
        self.campaign = Campaign(config, self.image)
        self.now = T0
        self.network = network or NetworkCapabilities()
        self.events: list[Event] = []
        self.new: list[Event] = []
        """Events of the last verb."""
        self.facts: list[Fact] = []
        """Facts for the registry, in order."""
        self.keep(self.campaign.start(T0, self.network, known))

    # ---- verbs -------------------------------------------------------------------------------------------

    def keep(self, events: list[Event]) -> list[Event]:
        """Records new events. Tests replace it to look at the campaign after each of them."""
        self.events += events
        self.new = events
        self.facts += self.campaign.take_facts()
        return events

    def receive(self, item: Input) -> list[Event]:
        return self.keep(self.campaign.receive(item, self.now))

    def tick(self) -> list[Event]:
        return self.keep(self.campaign.tick(self.now))

    def wait(self, seconds: float) -> list[Event]:
        """Lets time pass, ticking whenever the campaign wants it; the events of all of it."""
        end, kept = self.now + seconds, []
        for _ in range(100_000):
            due = self.campaign.deadline()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            kept += self.tick()
        else:
            raise AssertionError("the campaign wants ticks for ever")
        self.now = end
        self.new = kept
        return kept

    def wait_until(self, at: float) -> list[Event]:
        """Lets time pass until a Unix time, if that is ahead."""
        return self.wait(max(0.0, at - self.now))

    def _and_tick(self, events: list[Event]) -> list[Event]:
        self.new = events + self.tick()
        return self.new

    def pause(self) -> list[Event]:
        return self.keep(self.campaign.pause(self.now))

    def unpause(self) -> list[Event]:
        return self._and_tick(self.keep(self.campaign.unpause(self.now)))

    def stop(self) -> list[Event]:
        return self._and_tick(self.keep(self.campaign.stop(self.now)))

    def resume(self) -> list[Event]:
        return self._and_tick(self.keep(self.campaign.resume(self.now)))

    def crash(self) -> list[Event]:
        """The process dies; another one replays the journal and goes on."""
        self.campaign = Campaign.replay(self.events, self.image)
        return self.resume()

    def fork(self) -> Driver:
        """Another driver of the same campaign, replayed and independent of this one."""
        other = copy.copy(self)
        other.campaign = Campaign.replay(self.events, self.image)
        other.events, other.new, other.facts = list(self.events), list(self.new), list(self.facts)
        return other

    def up(self, i: int, f_port: int = 2, payload: bytes = b"\0", received_at: float | None = None) -> list[Event]:
        """An uplink of device i, then what is due at once."""
        at = self.now if received_at is None else received_at
        return self._and_tick(self.receive(Uplink(dev(i), f_port, payload, at)))

    def say(self, i: int, *commands: Command, received_at: float | None = None) -> list[Event]:
        """A device sends commands, all of one package, with versions in the byte order of its stack."""
        payload = b"".join(self.as_sent(i, command).encode() for command in commands)
        return self.up(i, port_of(commands[0]), payload, received_at)

    def as_sent(self, i: int, command: Command) -> Command:
        device = self.machine.state.devices.get(dev(i))
        if device is None or not isinstance(command, firmware.DevVersionAns):
            return command
        return replace(command, fw_version=device.profile.version_on_air(command.fw_version))

    def hand_over(self, request: Requested, f_cnt: int | None = None) -> list[Event]:
        if f_cnt is None and self.network.owns_f_cnt and request.group is not None:
            f_cnt = self.campaign.next_f_cnt(request.group)
        return self.receive(HandOver(id=request.id, f_cnt=request.f_cnt if f_cnt is None else f_cnt))

    def sent(self, request: Requested, ok: bool = True, cause: str = "") -> list[Event]:
        """The network's report: on a unicast that it left, on a multicast the summary."""
        if request.group is not None:
            return self.summary(request, ok)
        return self._and_tick(self.receive(DownlinkSent(request.id, ok, cause)))

    def summary(self, request: Requested, ok: bool = True) -> list[Event]:
        return self._and_tick(self.receive(MulticastSummary(request.id, ok)))

    # ---- what happened -----------------------------------------------------------------------------------

    def of(self, kind: type, events: list[Event] | None = None) -> list[Any]:
        return [event for event in (self.events if events is None else events) if isinstance(event, kind)]

    def requests(self, i: int | None = None, stage: str | None = None) -> list[Requested]:
        """Unicast requests to device i (to anybody), in a stage (the present one) or the "clean-up"; no replies."""
        found, current = [], None
        for event in self.events:
            if isinstance(event, StageStarted):
                current = event.stage
            elif isinstance(event, Stopping):
                current = CLEAN_UP
            elif (
                isinstance(event, Requested)
                and event.dev_eui is not None
                and not event.reply
                and current == (stage or self.last_stage)
                and (i is None or event.dev_eui == dev(i))
            ):
                found.append(event)
        return found

    def replies(self, i: int | None = None) -> list[Requested]:
        """Replies to device i (to anybody), in the whole campaign."""
        return [e for e in self.of(Requested) if e.reply and (i is None or e.dev_eui == dev(i))]

    def questions(self, i: int | None = None, stage: str | None = None) -> list[str]:
        """Names of the questions asked in a stage (the present one) or the "clean-up"."""
        return [request.ask for request in self.requests(i, stage)]

    def frames(self, group: str | None = None) -> list[Requested]:
        """Multicast requests, fragments and others."""
        return [e for e in self.of(Requested) if e.group is not None and group in (None, e.group)]

    def command(self, request: Requested) -> Command:
        """The one command of a request."""
        module = next(module for module, port in PORTS.items() if port == request.f_port)
        name = request.group or self.campaign.device(request.dev_eui or "").group
        group = next(g for g in self.campaign.config.groups if g.name == name)
        version = {fragmentation: group.dialect, multicast: group.mc_version}.get(module, "1.0.0")
        assert request.command is not None
        [command] = module.decode(request.command, uplink=False, version=version)
        return command

    @property
    def stage(self) -> str | None:
        return self.campaign.status().stage

    @property
    def last_stage(self) -> str:
        """The stage that was started last, or "clean-up" once the campaign ends."""
        return CLEAN_UP if self.of(Stopping) else self.of(StageStarted)[-1].stage

    @property
    def closing(self) -> bool:
        """Whether the present stage asks no further questions."""
        start = self.events.index(self.of(StageStarted)[-1])
        return any(isinstance(e, StageClosing) for e in self.events[start:])

    @property
    def status(self) -> str:
        return self.campaign.status().status

    def device(self, i: int) -> Any:
        return next(d for d in self.campaign.status().devices if d.dev_eui == dev(i))

    @property
    def machine(self) -> Machine:
        return machine_of(self.campaign)

    def state(self, i: int) -> DeviceState:
        """State of device i."""
        return self.machine.state.devices[dev(i)]

    def turn(self, i: int) -> Turn:
        """Turn of device i in the present exchange; without questions and ABSENT if it is in none."""
        for exchange in (self.machine.clean_up, self.machine.main):
            if isinstance(exchange, UnicastExchange) and dev(i) in exchange.turns:
                return exchange.turns[dev(i)]
        return Turn(self.state(i))

    def session(self, group: str = "meters") -> Session:
        """The session of a group that was fixed last."""
        return next(
            e.sessions[group] for e in reversed(self.of(StageStarted)) if e.sessions is not None and group in e.sessions
        )

    def asked(self, i: int) -> str:
        """Name of the present question to device i; "" if there is none."""
        turn = self.turn(i)
        done = turn.phase in (Phase.ABSENT, Phase.SUCCEEDED, Phase.FAILED)
        return turn.questions[0].name if turn.questions and not done else ""

    # ---- whole steps -------------------------------------------------------------------------------------

    def ask(self, i: int) -> Requested:
        """The present request to device i, or its group, with the network: makes it heard, and waits, if there is none.

        For a device that is not or no longer asked: its last request of the stage.
        """
        if self.turn(i).phase is Phase.UNHEARD:
            self.up(i)
        for _ in range(1000):
            request = self.present_request(i)
            if request is not None:
                self.hand_over(request)
                return request
            self.wait(1)
        raise AssertionError(f"device {i} is not asked in {self.last_stage}: {self.turn(i).phase!r}")

    def present_request(self, i: int) -> Requested | None:
        turn = self.turn(i)
        if turn.phase is Phase.BY_MULTICAST:
            asked = [f for f in self.frames(turn.device.group.name) if f.ask == "FragSessionStatus"]
            status = self.events.index(self.of(StageStarted)[-1])
            return next((f for f in reversed(asked) if self.events.index(f) > status), None)
        if turn.phase in IN_FLIGHT:
            return next(r for r in self.of(Requested) if r.id == turn.request_id)
        if turn.phase in (Phase.UNHEARD, Phase.READY):
            return None
        return next(reversed(self.requests(i)), None)

    def right_answer(self, i: int, stage: str | None = None) -> Command:
        """The answer that succeeds, to what device i is asked now, or is asked first in a stage."""
        asked = self.asked(i) if stage is None else ""
        config = self.campaign.config
        device = self.campaign.device(dev(i))
        group = next(g for g in config.groups if g.name == device.group)
        return _RIGHT[asked or _FIRST_OF[stage or self.last_stage]](self, self.state(i), group)

    def succeed(self, i: int) -> list[Event]:
        """Device i is asked all that it is asked in the stage, the requests leave, and it answers as it should."""
        kept: list[Event] = []
        stages = len(self.of(StageStarted))
        for _ in range(20):
            request = self.ask(i)
            kept += self.sent(request)
            answers = request.frag_nb is None or request.dev_eui is None
            if answers and self.asked(i) and len(self.of(StageStarted)) == stages:  # not done by the report alone
                kept += self.say(i, self.right_answer(i))
            if not self.asked(i) or len(self.of(StageStarted)) != stages or self.last_stage == CLEAN_UP:
                break
        self.new = kept
        return kept

    def members(self) -> list[int]:
        """Numbers of the devices that still take part."""
        return [int(d.dev_eui, 16) for d in self.campaign.status().devices if d.status == "running"]

    def reach(self, stage: str) -> None:
        """Goes, without anything going wrong, to the beginning of a stage, or of the end if there is none so named."""
        while self.status == "RUNNING" and self.stage != stage:
            if self.stage == "DlFragment":
                self.send_all()
                continue
            if self.stage == "CompletionVerification":
                self.wait_until(self.campaign.progress().asks_from + 10)
            n_stages = len(self.of(StageStarted))
            for i in self.members():
                if len(self.of(StageStarted)) == n_stages and not self.closing and self.asked(i):
                    self.succeed(i)
            if len(self.of(StageStarted)) == n_stages and self.status == "RUNNING":
                self.wait(120)

    def send_all(self) -> None:
        """Hands over every frame and reports that it was sent."""
        served: set[str] = set()
        while self.stage == "DlFragment" and self.status == "RUNNING":
            if not any(self.campaign.awaits_hand_over(frame.id) for frame in self.frames()):
                self.now = max(self.now, self.campaign.deadline() or self.now)
            self.tick()
            for frame in self.frames():
                if frame.id not in served:
                    served.add(frame.id)
                    self.hand_over(frame)
                    self.receive(MulticastSummary(frame.id))
                    self.tick()

    def cleaned(self) -> list[int]:
        """Numbers of the devices that are being cleaned up, and have not confirmed it."""
        numbers = (int(turn.device.dev_eui, 16) for turn in self.machine.clean_up.turns.in_order())
        return [i for i in numbers if self.asked(i)]

    def clean_up(self) -> None:
        """Every device confirms what it is asked to undo, until the campaign is over."""
        for _ in range(100):
            if self.campaign.finished:
                return
            for i in self.cleaned():
                self.succeed(i)
            if not self.campaign.finished:
                self.wait(1)
        raise AssertionError("the clean-up does not end")


def port_of(command: Command) -> int:
    """The port that a device sends a command on."""
    if isinstance(command, PackageVersionAns):
        return {1: 202, 2: 200, 3: 201, 4: 203}[command.package_identifier]
    return next(port for module, port in PORTS.items() if type(command).__module__ == module.__name__)


# ---- right answers ---------------------------------------------------------------------------------------


def _package_version(module: Any, version: str) -> Command:
    number = next(number for number, name in module.VERSIONS.items() if name == version)
    return PackageVersionAns(package_identifier=module.PACKAGE_IDENTIFIER, package_version=number)


def _dev_version(d: Driver, device: DeviceState, _group: Group) -> Command:
    """The base of a delta while that is asked for, then the new version."""
    wanted = (
        d.machine.state.required_version if d.last_stage == "PackageVersion" else d.campaign.config.firmware_version
    )
    hw_version = d.campaign.config.hw_version
    return firmware.DevVersionAns(fw_version=wanted or 0, hw_version=1 if hw_version is None else hw_version)


def _reboot_planned(d: Driver, device: DeviceState, _group: Group) -> Command:
    when = d.campaign.config.reboot_time or device.reboot_at or d.now
    left = max(1, round(when - d.now))
    if device.reboot_sent == "countdown":
        return firmware.DevRebootCountdownAns(countdown=left)
    return firmware.DevRebootTimeAns(reboot_time=left)


def _reboot_cancelled(_d: Driver, device: DeviceState, _group: Group) -> Command:
    if device.reboot_sent == "countdown":
        return firmware.DevRebootCountdownAns(countdown=firmware.CANCEL_COUNTDOWN)
    return firmware.DevRebootTimeAns(reboot_time=firmware.CANCEL_REBOOT)


def _session_planned(d: Driver, _device: DeviceState, group: Group) -> Command:
    answer = multicast.McClassBSessionAns if group.device_class == "B" else multicast.McClassCSessionAns
    left = max(0, int(d.session(group.name).start - d.now))
    return answer(mc_group_id=group.mc_group_id, time_to_start=left)


def _block_complete(d: Driver, device: DeviceState, group: Group) -> Command:
    n_frags = d.campaign.plan.groups[group.name].n_frags
    return fragmentation.FragSessionStatusAns(
        version=device.profile.status_version(group.dialect),
        frag_index=d.campaign.config.frag_index,
        nb_frag_received=n_frags,
        missing_frag=0,
    )


def _time_asked(d: Driver, _device: DeviceState, _group: Group) -> Command:
    return clock.AppTimeReq(device_time=gps_to_wire(gps_from_unix(d.now)), ans_required=True, token_req=1)


def _image_valid(d: Driver, _device: DeviceState, _group: Group) -> Command:
    version = d.campaign.config.firmware_version
    return firmware.DevUpgradeImageAns(up_image_status=firmware.VALID_IMAGE, next_firmware_version=version)


_RIGHT: dict[str, Callable[[Driver, DeviceState, Group], Command]] = {
    "PackageVersion TS005": lambda _d, _device, group: _package_version(multicast, group.mc_version),
    "PackageVersion TS004": lambda _d, _device, group: _package_version(fragmentation, group.dialect),
    "DevVersion": _dev_version,
    "DevVersion after DevUpgradeImage": _dev_version,
    "DevVersion at the end": _dev_version,
    "McGroupSetup": lambda _d, _device, group: multicast.McGroupSetupAns(mc_group_id=group.mc_group_id),
    "McGroupDelete": lambda _d, _device, group: multicast.McGroupDeleteAns(mc_group_id=group.mc_group_id),
    "DevRebootTime": _reboot_planned,
    "CancelReboot": _reboot_cancelled,
    "FragSessionSetup": lambda d, *_: fragmentation.FragSessionSetupAns(frag_index=d.campaign.config.frag_index),
    "FragSessionDelete": lambda d, *_: fragmentation.FragSessionDeleteAns(frag_index=d.campaign.config.frag_index),
    "McSession": _session_planned,
    "ForceDeviceResync": _time_asked,
    "FragSessionStatus": _block_complete,
    "DevUpgradeImage": _image_valid,
    "DevDeleteImage": lambda *_: firmware.DevDeleteImageAns(),
}
"""Right answers by name of the question."""

_FIRST_OF = {
    "PackageVersion": "PackageVersion TS005",
    "McGroupSetup": "McGroupSetup",
    "DevRebootTime": "DevRebootTime",
    "FragSessionSetup": "FragSessionSetup",
    "McClassBSession": "McSession",
    "McClassCSession": "McSession",
    "DlFragment": "FragSessionStatus",
    "FragSessionStatus": "FragSessionStatus",
    "UpgradeImage": "DevUpgradeImage",
    "CompletionVerification": "DevVersion",
    CLEAN_UP: "McGroupDelete",
}
"""Name of the first question by stage."""


@pytest.fixture(scope="session")
def config_of() -> Callable[..., CampaignConfig]:
    return make_config


@pytest.fixture(scope="session")
def group_of() -> Callable[..., Group]:
    return make_group


@pytest.fixture(scope="session")
def drive() -> Callable[..., Driver]:
    """A started campaign: drive(n_devices, network=…, known=…, stage=…, **settings)."""

    def make(
        n_devices: int = 3,
        *,
        network: NetworkCapabilities | None = None,
        known: Known | None = None,
        stage: str | None = None,
        image: bytes = IMAGE,
        **settings: Any,
    ) -> Driver:
        driver = Driver(make_config(n_devices, **settings), network, known, image)
        if stage is not None:
            driver.reach(stage)
            assert driver.stage == stage
        return driver

    return make
