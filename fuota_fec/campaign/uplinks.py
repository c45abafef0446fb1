"""What an uplink means to a campaign: that the device was heard, how often it is, answers, and questions of its own."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Protocol

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import LAST_TIME, Ports
from fuota_fec.campaign.state import CampaignState, Data, DeviceState, Reply
from fuota_fec.errors import WireError
from fuota_fec.wire import clock, firmware, fragmentation, multicast
from fuota_fec.wire.clock import gps_difference, gps_from_unix, gps_to_wire
from fuota_fec.wire.commands import Command

Decisions = Iterator[m.Event]

LEAST_INTERVALS, MOST_INTERVALS = 3, 9
"""Intervals between uplinks after which their median counts, and the last so many that count."""
FIRST_CHANGE, LATER_CHANGE = 0.01, 0.25
"""Share by which an uplink period must be off to be said at all, and to be said anew."""


class Exchange(Protocol):
    """What of an exchange concerns an uplink."""

    def is_news(self, device: DeviceState, at: float) -> bool: ...
    def on_uplink(self, device: DeviceState, at: float, now: float) -> Decisions: ...
    def on_command(self, device: DeviceState, command: Command, at: float, now: float) -> Decisions | None: ...


class Uplinks:
    """Reads uplinks. Remembers when devices were heard, which is no part of the campaign's state."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._packages = {ports.multicast, ports.fragmentation, ports.clock, ports.firmware}
        self._heard: dict[str, array[float]] = {}
        """Unix times of a device's own last uplinks."""

    def on_uplink(
        self,
        state: CampaignState,
        device: DeviceState,
        exchange: Exchange | None,
        uplink: m.Uplink,
        now: float,
        ignored: Counter[str],
    ) -> Decisions:
        at = uplink.received_at
        if not 0 < at <= LAST_TIME:
            ignored["uplink without a time"] += 1
            return
        if not device.taking_part and not device.cleaning:
            yield from self._on_late(state, device, uplink, now, ignored)
            return
        if exchange is None:
            ignored["between stages"] += 1
            return
        if uplink.f_port not in self._packages:
            yield from self._measure(state, device, min(at, now), now)
        if exchange.is_news(device, at):
            yield m.DeviceHeard(at=now, dev_eui=device.dev_eui)
        yield from exchange.on_uplink(device, at, now)
        if uplink.f_port not in self._packages:
            return
        for command in self._decode(uplink, device, ignored):
            known = False
            for event in self._on_question(state, device, command, at, now):
                known = True
                yield event
            answer = exchange.on_command(device, command, at, now)
            if answer is not None:
                yield from answer
            elif isinstance(command, firmware.DevVersionAns) and command.fw_version != device.fw_version:
                # Volunteered: some devices say so after they have rebooted into new firmware.
                yield m.VersionHeard(at=now, dev_eui=device.dev_eui, fw_version=command.fw_version)
            elif not known:
                ignored[type(command).__name__] += 1

    def _on_late(
        self, state: CampaignState, device: DeviceState, uplink: m.Uplink, now: float, ignored: Counter[str]
    ) -> Decisions:
        """Of a device that has left: an answer that it still owed is one event. What it asks it is told."""
        ignored["device has left the campaign"] += 1
        for command in self._decode(uplink, device, ignored):
            yield from self._on_question(state, device, command, uplink.received_at, now)
            owes = device.left_in >= 0 and device.asks
            if owes and device.asks[0].read(state, device, command, uplink.received_at) is not None:
                yield m.LateAnswer(at=now, dev_eui=device.dev_eui, stage=state.stage_names[device.left_in])
                return

    def _measure(self, state: CampaignState, device: DeviceState, at: float, now: float) -> Decisions:
        """The median of the last intervals, once there are three; said at most once in a stage."""
        times = self._heard.get(device.dev_eui)
        if times is None:
            times = self._heard[device.dev_eui] = array("d")
        if times and at <= times[-1]:
            return
        times.append(at)
        if len(times) <= LEAST_INTERVALS:
            return
        del times[: -MOST_INTERVALS - 1]
        if device.measured_in == state.stage_idx:
            return
        period = max(1.0, median(later - earlier for earlier, later in pairwise(times)))
        change = FIRST_CHANGE if device.measured_in < 0 else LATER_CHANGE
        if abs(period - device.period) > change * device.period:
            yield m.PeriodMeasured(at=now, dev_eui=device.dev_eui, period=period)

    # ---- questions of the device -------------------------------------------------------------------------

    def _on_question(
        self, state: CampaignState, device: DeviceState, command: Command, at: float, now: float
    ) -> Decisions:
        if state.stopping == "STOPPED":
            return
        if isinstance(command, clock.AppTimeReq) and not state.network.clock_sync:
            yield from self._on_time_asked(state, device, command, at, now)
        elif isinstance(command, fragmentation.FragDataBlockReceivedReq):
            yield from self._on_block(state, device, command, now)

    def _on_block(
        self, state: CampaignState, device: DeviceState, command: fragmentation.FragDataBlockReceivedReq, now: float
    ) -> Decisions:
        """Every one is answered: the device repeats it until then."""
        if not device.got_fragments or command.frag_index != state.config.frag_index:
            return
        data = Data.WRONG if command.mic_error else Data.COMPLETE
        if device.data is not data:
            yield m.BlockReceived(at=now, dev_eui=device.dev_eui, ok=not command.mic_error)
        answer = fragmentation.FragDataBlockReceivedAns(frag_index=command.frag_index)
        yield from self._owe(state, device, "FragDataBlockReceivedAns", answer, self._ports.fragmentation, now)

    def _on_time_asked(
        self, state: CampaignState, device: DeviceState, command: clock.AppTimeReq, at: float, now: float
    ) -> Decisions:
        """By the time of reception. Small corrections only if the device wants them (TS003)."""
        try:
            correction = gps_difference(gps_to_wire(gps_from_unix(at)), command.device_time)
        except (OverflowError, ValueError):  # a time of reception beyond any calendar
            return
        if command.ans_required or abs(correction) > state.config.time_sync_tolerance:
            answer = clock.AppTimeAns(time_correction=correction, token_ans=command.token_req)
            yield from self._owe(state, device, "AppTimeAns", answer, self._ports.clock, now)

    def _owe(
        self, state: CampaignState, device: DeviceState, ask: str, answer: Command, port: int, now: float
    ) -> Decisions:
        """One at a time: a device that repeats itself is answered again only once the network has the last answer."""
        if (device.dev_eui, ask) not in state.line.waiting:
            yield m.ReplyOwed(
                at=now,
                dev_eui=device.dev_eui,
                ask=ask,
                f_port=port,
                payload=answer.encode(),
                not_after=now + device.period + state.config.delivery_timeout,
            )

    # ---- what events do ----------------------------------------------------------------------------------

    @staticmethod
    def apply_block_received(state: CampaignState, event: m.BlockReceived) -> None:
        state.devices[event.dev_eui].data = Data.COMPLETE if event.ok else Data.WRONG

    @staticmethod
    def apply_reply_owed(state: CampaignState, event: m.ReplyOwed) -> None:
        line = state.line
        line.replies.append(
            Reply(
                dev_eui=event.dev_eui,
                ask=event.ask,
                f_port=event.f_port,
                payload=event.payload,
                not_after=event.not_after,
            )
        )
        line.waiting.add((event.dev_eui, event.ask))
        state.set_pacer(event.at)

    # ---- bytes -------------------------------------------------------------------------------------------

    def _decode(self, uplink: m.Uplink, device: DeviceState, ignored: Counter[str]) -> list[Command]:
        """The commands of an uplink; what cannot be read is counted, what comes before it still holds."""
        ports, payload, group = self._ports, uplink.payload, device.group
        try:
            if uplink.f_port == ports.multicast:
                return multicast.decode(payload, uplink=True, version=group.mc_version)
            if uplink.f_port == ports.fragmentation:
                status = payload[:1] == bytes((fragmentation.FragSessionStatusAns.CID,))
                version = device.profile.status_version(group.dialect) if status else group.dialect
                return fragmentation.decode(payload, uplink=True, version=version)
            if uplink.f_port == ports.firmware:
                return firmware.decode(payload, uplink=True)
            if uplink.f_port == ports.clock:
                return clock.decode(payload, uplink=True)
        except WireError as error:
            ignored["unreadable uplink"] += 1
            return list(error.commands)
        except ValueError:
            ignored["unreadable uplink"] += 1
        return []
