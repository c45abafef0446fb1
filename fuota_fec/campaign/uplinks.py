"""Reading of uplinks: first uplinks, uplink periods, answers, and questions of the device."""

from __future__ import annotations

from array import array
from collections import Counter

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import LAST_TIME
from fuota_fec.campaign.exchanges.base import Decisions, Exchange
from fuota_fec.campaign.exchanges.clean_up import CleanUp
from fuota_fec.campaign.exchanges.replies import APP_TIME_ANS, Replies
from fuota_fec.campaign.periods import LEAST_INTERVALS, MOST_INTERVALS, TOLERANCE, lateness, uplink_period
from fuota_fec.campaign.questions.firmware import is_target, read_answers
from fuota_fec.campaign.questions.question import Question
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.campaign.turn import OPEN
from fuota_fec.errors import WireError
from fuota_fec.planning.unicast import JITTER
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_difference, gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command

MOST_DELAY = 10.0
"""Delay of an uplink, s, up to which its time of reception is relied on."""
FIRST_CHANGE, LATER_CHANGE = 0.01, 0.25
"""Relative change of an uplink period that emits the first, and each later, PeriodMeasured."""


class Uplinks:
    """Reader of uplinks. Its record of reception times is not part of the campaign's state."""

    def __init__(self, state: CampaignState, clean_up: CleanUp, replies: Replies, ignored: Counter[str]) -> None:
        ports = state.config.ports
        self._state = state
        self._clean_up = clean_up
        self._replies = replies
        self._ignored = ignored
        self._ports = ports
        self._packages = {ports.multicast, ports.fragmentation, ports.clock, ports.firmware}
        self._heard: dict[str, array[float]] = {}
        """Unix times of the last uplinks of each device's own accord."""
        self._estimated: set[str] = set()
        """Devices whose period was estimated: it is estimated again after an interval that differs from it."""

    def on_uplink(
        self,
        device: DeviceState,
        exchange: Exchange | None,
        main: Exchange | None,
        owed: tuple[str, Question] | None,
        uplink: m.Uplink,
        now: float,
    ) -> Decisions:
        """Decides about an uplink. A device that left the campaign has no exchange, but may owe the answer to a
        question of a stage. Most uplinks are of a device's own accord and change nothing."""
        if not 0 < uplink.received_at <= LAST_TIME:
            self._ignored["uplink without a time"] += 1
            return iter(())
        received_at, exact, warning = self._received_at(device, uplink, now)
        if uplink.f_port not in self._packages:
            self._note(device, received_at)
            if not warning and exchange is not None and not self._matters(device, exchange, received_at, now):
                return iter(())
        return self._decide(device, exchange, main, owed, uplink, received_at, exact, warning, now)

    def overhears(self, device: DeviceState, exchange: Exchange, uplink: m.Uplink, now: float) -> bool:
        """Takes an uplink of a device's own accord that brings nothing. False for another one: `on_uplink` takes it."""
        at = uplink.received_at
        in_time = 0 < at <= LAST_TIME and -MOST_DELAY <= at - now <= self._state.config.time_sync_tolerance
        if not in_time or uplink.f_port in self._packages:
            return False
        self._note(device, at)  # If the uplink comes again, its time is not noted again.
        return not self._matters(device, exchange, at, now)

    def _matters(self, device: DeviceState, exchange: Exchange, received_at: float, now: float) -> bool:
        """Whether an uplink without an answer brings anything."""
        return (
            exchange.is_news(device, received_at)
            or exchange.stands_for_report(device, received_at)
            or self._estimates_period(device)
            or self._clean_up.asks_again(device, now)
        )

    def _decide(
        self,
        device: DeviceState,
        exchange: Exchange | None,
        main: Exchange | None,
        owed: tuple[str, Question] | None,
        uplink: m.Uplink,
        received_at: float,
        exact: bool,
        warning: tuple[m.Event, ...],
        now: float,
    ) -> Decisions:
        yield from warning
        if exchange is not None:
            yield from self._on_heard(device, exchange, uplink, received_at, exact, now)
            if self._clean_up.asks_again(device, now):
                yield m.Returned(at=now, dev_eui=device.dev_eui)
        elif device.taking_part:
            self._ignored["between stages"] += 1
        else:
            yield from self._on_late(device, main, owed, uplink, received_at, exact, now)

    def _received_at(
        self, device: DeviceState, uplink: m.Uplink, now: float
    ) -> tuple[float, bool, tuple[m.Event, ...]]:
        """Time of reception, and whether it can be relied on. A time after the arrival, or more than MOST_DELAY before
        it, is that of a foreign clock, or the uplink was delayed: the arrival counts instead, and one event reports it.
        """
        off = uplink.received_at - now
        if -MOST_DELAY <= off <= self._state.config.time_sync_tolerance:
            return uplink.received_at, True, ()
        if now == self._state.resumed_at and self._state.waited_since - MOST_DELAY <= uplink.received_at <= now:
            return uplink.received_at, False, ()  # It waited while nothing could be read.
        self._ignored["time of reception far from the arrival"] += 1
        known = self._state.foreign_clock
        return now, False, () if known else (m.ForeignClock(at=now, dev_eui=device.dev_eui, off=off),)

    def _on_heard(
        self,
        device: DeviceState,
        exchange: Exchange,
        uplink: m.Uplink,
        received_at: float,
        exact: bool,
        now: float,
    ) -> Decisions:
        if uplink.f_port not in self._packages:
            yield from self._measure(device, now)
        if exchange.is_news(device, received_at):
            yield m.DeviceHeard(at=now, dev_eui=device.dev_eui, set_aside=exchange.takes_back(device))
        yield from exchange.on_uplink(device, received_at, now)
        if uplink.f_port not in self._packages:
            return
        for command in self._decode(uplink, device):
            known = False
            for event in self._on_device_question(device, command, received_at if exact else None, now):
                known = True
                yield event
            if self._runs_already(device, command):
                yield from self._pass_already(device, exchange, command, now)
                return
            answer = exchange.on_command(device, command, received_at, now)
            if answer is not None:
                yield from answer
            elif isinstance(command, firmware.DevVersionAns) and self._passes_late(device, command):
                yield m.Returned(at=now, dev_eui=device.dev_eui, fw_version=command.fw_version)
            elif isinstance(command, firmware.DevVersionAns) and (heard := self._version_heard(device, command, now)):
                # Some devices report their version by themselves after a reboot into new firmware.
                yield from self._own_accord(device, heard)
            elif not known:
                self._ignored[type(command).__name__] += 1

    def _version_heard(self, device: DeviceState, command: firmware.DevVersionAns, now: float) -> m.VersionHeard | None:
        """Event of a version that is news. The hardware is recorded where it counts."""
        version, counts = command.fw_version, self._state.config.hw_version is not None
        hardware = command.hw_version if counts else None
        if (version, hardware) == (device.fw_version, device.hw_version):
            return None
        return m.VersionHeard(at=now, dev_eui=device.dev_eui, fw_version=version, hw_version=hardware)

    def _on_late(
        self,
        device: DeviceState,
        main: Exchange | None,
        owed: tuple[str, Question] | None,
        uplink: m.Uplink,
        received_at: float,
        exact: bool,
        now: float,
    ) -> Decisions:
        """Takes an uplink of a device that has left. Its reports of a block are answered. The target version makes it
        pass, and a stage that verifies versions asks for it. The answer that it owes is one event."""
        commands = self._decode(uplink, device)
        for command in commands:
            yield from self._on_device_question(device, command, received_at if exact else None, now)
        running = next((c for c in commands if self._passes_late(device, c)), None)
        if isinstance(running, firmware.DevVersionAns):
            yield m.Returned(at=now, dev_eui=device.dev_eui, fw_version=running.fw_version)
        elif self._clean_up.asks_again(device, now) or (
            main is not None and self._may_return(device) and main.readmits(received_at)
        ):
            yield m.Returned(at=now, dev_eui=device.dev_eui)
        else:
            self._ignored["device has left the campaign"] += 1
            if owed is not None:
                stage, question = owed
                if any(question.read(self._state, device, c, received_at) is not None for c in commands):
                    yield m.LateAnswer(at=now, dev_eui=device.dev_eui, stage=stage)

    def _passes_late(self, device: DeviceState, command: Command) -> bool:
        """Whether a device that left, or that the end of the campaign found without a verdict, runs the target."""
        state = self._state
        without_verdict = not device.passed and (not device.taking_part or bool(state.stopping))
        if not (without_verdict and isinstance(command, firmware.DevVersionAns)):
            return False
        return is_target(state, command)

    def _may_return(self, device: DeviceState) -> bool:
        """Whether the version of a device that has left is still to be known."""
        return self._state.config.kind == "firmware" and not device.passed

    def _runs_already(self, device: DeviceState, command: Command) -> bool:
        """Whether a device that takes part runs the target before it was sent a fragment."""
        before = device.taking_part and not device.got_fragments and not self._state.stopping
        return before and is_target(self._state, command)

    def _pass_already(self, device: DeviceState, exchange: Exchange, command: Command, now: float) -> Decisions:
        """Passes a device, and withdraws the request that may still reach it."""
        if (request_id := exchange.outstanding_of(device)) is not None:
            yield m.Withdrawn(at=now, id=request_id)
        version = command.fw_version if isinstance(command, firmware.DevVersionAns) else None
        yield m.RunsAlready(at=now, dev_eui=device.dev_eui, fw_version=version)

    def _note(self, device: DeviceState, received_at: float) -> None:
        """Keeps the time of an uplink of the device's own accord, in whatever state the campaign or the device is."""
        dev_eui = device.device.dev_eui
        times = self._heard.get(dev_eui)
        if times is None:
            times = self._heard[dev_eui] = array("d")
        if not times or received_at > times[-1]:
            times.append(received_at)
            if len(times) > MOST_INTERVALS + 1:
                del times[: -MOST_INTERVALS - 1]

    def _estimates_period(self, device: DeviceState) -> bool:
        """Whether the last uplinks show a period that is to be estimated: at most once in a stage."""
        if device.measured_in == self._state.stage_idx:
            return False
        times = self._heard[device.device.dev_eui]
        if len(times) <= LEAST_INTERVALS:
            return False
        as_believed = abs(times[-1] - times[-2] - device.period) <= TOLERANCE * device.period
        return not (as_believed and device.dev_eui in self._estimated)

    def _measure(self, device: DeviceState, now: float) -> Decisions:
        """Reports the period that the last uplinks show."""
        if not self._estimates_period(device):
            return
        times = self._heard[device.dev_eui]
        self._estimated.add(device.dev_eui)
        period = uplink_period(times, device.period)
        change = FIRST_CHANGE if device.measured_in < 0 else LATER_CHANGE
        if abs(period - device.period) > change * device.period:
            yield m.PeriodMeasured(at=now, dev_eui=device.dev_eui, period=period, jitter=lateness(times, period))

    # ---- questions of the device -------------------------------------------------------------------------

    def _on_device_question(
        self, device: DeviceState, command: Command, received_at: float | None, now: float
    ) -> Decisions:
        """Answers a question of a device. The time is not answered without a time of reception to rely on, nor to a
        device that has left: nothing more is planned with it. A report of a block is, as it would be repeated."""
        if self._state.stopping == "STOPPED":
            return
        if isinstance(command, clock.AppTimeReq):
            if received_at is None or self._state.network.clock_sync or not self._is_served(device):
                return
            yield from self._on_time_question(device, command, received_at, now)
        elif isinstance(command, fragmentation.FragDataBlockReceivedReq):
            yield from self._on_block(device, command, now)

    def _is_served(self, device: DeviceState) -> bool:
        """Whether the time is of use to a device: it takes part, or is asked something beside the stage."""
        return device.taking_part or self._clean_up.turns.phase(device) in OPEN

    def _on_block(self, device: DeviceState, command: fragmentation.FragDataBlockReceivedReq, now: float) -> Decisions:
        """Answers every report of a block: the device repeats it until then."""
        if not device.got_fragments or command.frag_index != self._state.config.frag_index:
            return
        data = Data.WRONG if command.mic_error else Data.COMPLETE
        if device.data is not data:
            event = m.BlockReceived(at=now, dev_eui=device.dev_eui, ok=not command.mic_error)
            yield from self._own_accord(device, event)
        answer = fragmentation.FragDataBlockReceivedAns(frag_index=command.frag_index)
        for owed in self._replies.owe(device, "FragDataBlockReceivedAns", answer, self._ports.fragmentation, now):
            yield from self._own_accord(device, owed)

    def _on_time_question(
        self, device: DeviceState, command: clock.AppTimeReq, received_at: float, now: float
    ) -> Decisions:
        """Answers with the correction at the time of reception; a small one only if the device requires an answer
        (TS003)."""
        try:
            correction = gps_difference(gps_to_wire(gps_from_unix(received_at)), command.device_time)
        except (OverflowError, ValueError):  # Time of reception beyond the calendar.
            return
        if command.ans_required or abs(correction) > self._state.config.time_sync_tolerance:
            answer = clock.AppTimeAns(time_correction=correction, token_ans=command.token_req)
            for owed in self._replies.owe(device, APP_TIME_ANS, answer, self._ports.clock, now):
                yield from self._own_accord(device, owed)

    def _own_accord(self, device: DeviceState, event: m.Event) -> Decisions:
        """An event that a device causes of its own accord; beyond MOST_OWN_ACCORD it is counted instead."""
        asked_for = device.awaits_time and isinstance(event, m.ReplyOwed) and event.ask == APP_TIME_ANS
        if device.may_volunteer or asked_for:
            yield event
        else:
            self._ignored["more than a device may report of its own accord"] += 1

    # ---- what events do ----------------------------------------------------------------------------------

    def apply_volunteered(self, event: m.BlockReceived | m.VersionHeard) -> None:
        device = self._state.devices[event.dev_eui]
        device.n_own_accord += 1
        if isinstance(event, m.VersionHeard):
            self._state.take_version(device, event.fw_version, event.hw_version)
        else:
            device.data = Data.COMPLETE if event.ok else Data.WRONG

    def apply_period_measured(self, event: m.PeriodMeasured) -> None:
        device = self._state.devices[event.dev_eui]
        device.period, device.jitter = event.period, max(JITTER, event.jitter)
        device.measured_in = self._state.stage_idx

    # ---- bytes -------------------------------------------------------------------------------------------

    def _decode(self, uplink: m.Uplink, device: DeviceState) -> list[Command]:
        """Commands of an uplink. An unreadable rest is counted; the commands before it are valid."""
        ports, payload, group = self._ports, uplink.payload, device.group
        try:
            if uplink.f_port == ports.multicast:
                return multicast.decode(payload, uplink=True, version=group.mc_version)
            if uplink.f_port == ports.fragmentation:
                status = payload[:1] == bytes((fragmentation.FragSessionStatusAns.CID,))
                version = device.profile.status_version(group.dialect) if status else group.dialect
                return fragmentation.decode(payload, uplink=True, version=version)
            if uplink.f_port == ports.firmware:
                return read_answers(payload, device.profile)
            if uplink.f_port == ports.clock:
                return clock.decode(payload, uplink=True)
        except WireError as error:
            self._ignored["unreadable uplink"] += 1
            return list(error.commands)
        except ValueError:
            self._ignored["unreadable uplink"] += 1
        return []
