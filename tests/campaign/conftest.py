"""A campaign driven by hand: the tests are its network, its devices and its clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.machine import Campaign
from fuota_fec.campaign.messages import (
    DownlinkSent,
    Event,
    HandOver,
    Input,
    MulticastSummary,
    NetworkCapabilities,
    Requested,
    StageClosing,
    StageStarted,
    Uplink,
)
from fuota_fec.wire import firmware, fragmentation, multicast
from fuota_fec.wire.commands import Command

T0 = 1_800_000_000.0
IMAGE = bytes(range(7, 37))
"""30 bytes: with fsize = 10 three fragments."""
NEW_VERSION = 0x02000000
PORTS = {multicast: 200, fragmentation: 201, firmware: 203}


def dev(i: int) -> str:
    return f"{i:016x}"


def make_group(name: str = "meters", **changes: Any) -> Group:
    settings: dict[str, Any] = {"mc_addr": "01f3a4b5", "dr": 5, "frequency": 869_525_000}
    return Group(name=name, **{**settings, **changes})


def make_config(n_devices: int = 3, **changes: Any) -> CampaignConfig:
    """Devices 1 … n in turns over the groups; periods of 100 s; five frames, one every 2 s."""
    groups = changes.pop("groups", (make_group(),))
    settings: dict[str, Any] = {
        "id": "c",
        "success_threshold": 100,
        "max_duration": 100_000,
        "uplink_period": 100,
        "fw_version": NEW_VERSION,
        "groups": groups,
        "devices": tuple(Device(dev_eui=dev(i + 1), group=groups[i % len(groups)].name) for i in range(n_devices)),
        "delivery_timeout": 10,
        "fsize": 10,
        "redundancy": 2,
    }
    return CampaignConfig(**{**settings, **changes})


class Driver:
    """Feeds a campaign and keeps what it said."""

    def __init__(self, config: CampaignConfig, network: NetworkCapabilities | None = None) -> None:
        self.campaign = Campaign(config, IMAGE)
        self.now = T0
        self.network = network or NetworkCapabilities()
        self.events: list[Event] = []
        self.new: list[Event] = []
        """Events of the last verb."""
        self._keep(self.campaign.start(T0, self.network))

    # ---- verbs -------------------------------------------------------------------------------------------

    def _keep(self, events: list[Event]) -> list[Event]:
        self.events += events
        self.new = events
        return events

    def receive(self, item: Input) -> list[Event]:
        return self._keep(self.campaign.receive(item, self.now))

    def tick(self) -> list[Event]:
        return self._keep(self.campaign.tick(self.now))

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

    def up(self, i: int, f_port: int = 2, payload: bytes = b"\0", received_at: float | None = None) -> list[Event]:
        """An uplink of device i, then what is due at once."""
        at = self.now if received_at is None else received_at
        events = self.receive(Uplink(dev(i), f_port, payload, at))
        self.new = events + self.tick()
        return self.new

    def say(self, i: int, *commands: Command, received_at: float | None = None) -> list[Event]:
        """A device sends commands, all of one package."""
        port = next(port for module, port in PORTS.items() if type(commands[0]).__module__ == module.__name__)
        return self.up(i, port, b"".join(command.encode() for command in commands), received_at)

    def hand_over(self, request: Requested, f_cnt: int | None = None) -> list[Event]:
        return self.receive(HandOver(id=request.id, f_cnt=request.f_cnt if f_cnt is None else f_cnt))

    def sent(self, request: Requested, ok: bool = True, cause: str = "") -> list[Event]:
        events = self.receive(DownlinkSent(request.id, ok, cause))
        self.new = events + self.tick()
        return self.new

    def summary(self, request: Requested, ok: bool = True) -> list[Event]:
        events = self.receive(MulticastSummary(request.id, ok))
        self.new = events + self.tick()
        return self.new

    # ---- what was said -----------------------------------------------------------------------------------

    def of(self, kind: type, events: list[Event] | None = None) -> list[Any]:
        return [event for event in (self.events if events is None else events) if isinstance(event, kind)]

    def requests(self, i: int | None = None, stage: str | None = None) -> list[Requested]:
        """Unicast requests to device i (to anybody), in a stage (the present one)."""
        found, current = [], None
        for event in self.events:
            if isinstance(event, StageStarted):
                current = event.stage
            elif (
                isinstance(event, Requested)
                and event.dev_eui is not None
                and current == (stage or self.last_stage)
                and (i is None or event.dev_eui == dev(i))
            ):
                found.append(event)
        return found

    def frames(self, group: str | None = None) -> list[Requested]:
        return [e for e in self.of(Requested) if e.group is not None and group in (None, e.group)]

    @property
    def stage(self) -> str | None:
        return self.campaign.status().stage

    @property
    def last_stage(self) -> str:
        return self.of(StageStarted)[-1].stage

    @property
    def closing(self) -> bool:
        """Whether the present stage asks nobody any more."""
        return any(isinstance(e, StageClosing) and e.stage == self.last_stage for e in self.events)

    @property
    def status(self) -> str:
        return self.campaign.status().status

    def device(self, i: int) -> Any:
        return next(d for d in self.campaign.status().devices if d.dev_eui == dev(i))

    # ---- whole steps -------------------------------------------------------------------------------------

    def ask(self, i: int) -> Requested:
        """The present request to device i, with the network: makes it heard, and waits, if there is none yet."""
        if not self.requests(i):
            self.up(i)
        for _ in range(1000):
            if self.requests(i):
                break
            self.wait(1)
        request = self.requests(i)[-1]
        self.hand_over(request)
        return request

    def right_answer(self, i: int, stage: str | None = None) -> Command:
        stage = stage or self.last_stage
        group = next(g for g in self.campaign.config.groups if g.name == self.campaign.device(dev(i)).group)
        if stage == "McGroupSetup":
            return multicast.McGroupSetupAns(mc_group_id=group.mc_group_id)
        if stage == "FragSessionSetup":
            return fragmentation.FragSessionSetupAns(frag_index=self.campaign.config.frag_index)
        if stage == "McClassCSession":
            start = self.of(StageStarted)[2].sessions[group.name].start
            return multicast.McClassCSessionAns(
                mc_group_id=group.mc_group_id, time_to_start=max(0, int(start - self.now))
            )
        return firmware.DevVersionAns(fw_version=NEW_VERSION, hw_version=1)

    def succeed(self, i: int) -> list[Event]:
        """Device i is asked, the request leaves, and it answers as it should."""
        self.sent(self.ask(i))
        return self.say(i, self.right_answer(i))

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
                self.wait(30)
            current = self.stage
            for i in self.members():
                if self.stage == current and not self.closing:
                    self.succeed(i)
            if self.stage == current:
                self.wait(120)

    def send_all(self) -> None:
        """Hands over every frame and reports that it was sent."""
        served: set[str] = set()
        while self.stage == "DlFragment":
            self.now = max(self.now, self.campaign.deadline() or self.now)
            self.tick()
            for frame in self.frames():
                if frame.id not in served:
                    served.add(frame.id)
                    self.hand_over(frame)
                    self.receive(MulticastSummary(frame.id))
                    self.tick()


@pytest.fixture(scope="session")
def config_of() -> Callable[..., CampaignConfig]:
    return make_config


@pytest.fixture(scope="session")
def group_of() -> Callable[..., Group]:
    return make_group


@pytest.fixture(scope="session")
def drive() -> Callable[..., Driver]:
    """A started campaign: drive(n_devices, network=…, stage=…, **settings)."""

    def make(
        n_devices: int = 3, *, network: NetworkCapabilities | None = None, stage: str | None = None, **settings: Any
    ) -> Driver:
        driver = Driver(make_config(n_devices, **settings), network)
        if stage is not None:
            driver.reach(stage)
            assert driver.stage == stage
        return driver

    return make
