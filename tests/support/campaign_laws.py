"""Laws of a campaign, checked by what its network was handed and gave, and by what its journal holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_driver import machine_of

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.events import RUNNING, STOPPED
from fuota_fec.campaign.exchanges.replies import APP_TIME_ANS
from fuota_fec.campaign.state import MOST_OWN_ACCORD
from fuota_fec.errors import WireError
from fuota_fec.networks.base import Downlink
from fuota_fec.planning.unicast import unicast_stage
from fuota_fec.wire import clock, firmware
from fuota_fec.wire.clock import gps_difference, gps_from_unix, gps_to_wire

LAWS = {
    "one payload per counter": "never two payloads on one frame counter",
    "counters rise": "frame counters that are handed over rise strictly, but for a frame repeated as it was",
    "one unicast": "at most one unicast request is outstanding per device",
    "half of the slots": "replies take at most half of the slots while requests wait",
    "reply interval": "a device gets at most one answer of a kind in reply_interval",
    "unicast pace": "unicasts are at least ucast_msg_delay apart",
    "nothing after the end": "nothing is handed over after Finished",
    "no late hand-over": "nothing is handed over after its not_after",
    "paused": "no request is handed over in a pause",
    "no data after the end of a transfer": "no data fragment is requested once the campaign ends",
    "no setup over fragments": "FragSessionSetup is not repeated once the first fragment was requested",
    "passed runs the target": "a device passes only after it reported the target version",
    "target passes": "a device whose last version was the target passes",
    "replay": "the journal replays to the state of the campaign, at any point",
    "no exception": "no exception escapes a turn of the agent",
    "due": "a turn is due in the future, and a running campaign has one",
    "own accord": "events that a device causes of its own accord are bounded",
    "inputs first": "a device is not given up as unheard in the turn that reads its uplink",
    "one clock warning": "one warning about foreign clocks",
    "true time": "a clock answer is right to 10 s",
    "request ends": "every request ends",
    "bounded": "the campaign finishes within its bound",
    "stop bounded": "a stopped campaign finishes within a bound that depends on nobody's goodwill",
    "period": "a measured period is not longer than the longest interval between two uplinks",
}
"""Laws by name."""
VERDICTS = ("Answered", "Deferred", "GivenUp", "Returned", "RunsAlready")
"""Events of a device after which its request needs no answer."""
PACKAGES = (200, 201, 202, 203)
"""Ports of the packages: uplinks on them are no part of a device's period."""


class LawBrokenError(AssertionError):
    """A law does not hold."""

    def __init__(self, law: str, what: str) -> None:
        super().__init__(f"{LAWS[law]}: {what}")
        self.law = law


class Laws:
    """Watches one campaign. `off`: laws that are not checked."""

    def __init__(self, config: CampaignConfig, network: m.NetworkCapabilities, off: frozenset[str]) -> None:
        self.config, self.network, self.off = config, network, off
        self.violation: LawBrokenError | None = None
        """The first law that was broken. The agent keeps what its network raises from its caller."""
        self.n_events = 0
        self.follower: Campaign | None = None
        """The campaign as its events tell it, event by event."""
        self.finished: m.Finished | None = None
        self.started_at = 0.0
        self.bad_time = 0.0
        """Time that does not count, s: nothing could be heard or sent, or the campaign was paused."""
        self.stopped_at: float | None = None
        self.bad_before_stop, self.resumed_before_stop = 0.0, 0
        self.payloads: dict[tuple[str, int], tuple[bytes, str]] = {}
        self.last_frame: dict[str, tuple[int, str]] = {}
        self.last_unicast_at = -math.inf
        self.handed_over: set[str] = set()
        self.said: dict[str, list[int]] = {}
        """Versions that each device said to the running campaign, in order."""
        self.sent_at: dict[str, float] = {}
        self.longest_gap: dict[str, float] = {}
        self.heard_now: set[str] = set()
        self.unread: set[str] = set()
        """Devices of inputs that were read by a process that died: the campaign may have kept none."""
        self.n_own: Counter[str] = Counter()
        self.n_asked_time: Counter[str] = Counter()
        self.owed_at: dict[tuple[str, str], float] = {}
        self.forced: set[str] = set()
        self.after_reply = False
        self.n_clock_warnings = 0
        self.sending: set[str] = set()
        """Groups whose first fragment was requested."""
        self.longest_period = max(config.uplink_period_of(d) for d in config.devices)
        self.stages: list[str] = []
        self.open: dict[str, tuple[str, float, int]] = {}
        """Device, bad time and number of resumptions at the request, of unicast requests that have not ended."""
        self.now = 0.0
        """Unix time of the present turn."""
        self.requests: dict[str, m.Requested] = {}
        self.n_steps = 0
        self.n_resumed = 0
        """Number of times at which the deadlines of devices and of the network began anew."""

    def broken(self, law: str, what: str) -> None:
        if law not in self.off:
            self.violation = self.violation or LawBrokenError(law, what)
            raise self.violation

    # ---- the network -------------------------------------------------------------------------------------

    def taken(
        self, downlink: Downlink, f_cnt: int | None, now: float, queue: Sequence[Downlink], lied: set[str], told: bool
    ) -> None:
        """A downlink that the network took, and said so (`told`). `queue` is what else waits there for the device."""
        if self.finished is not None:
            self.broken("nothing after the end", f"{downlink} at {now}")
        if now > downlink.not_after:
            self.broken("no late hand-over", f"{downlink} at {now}")
        if downlink.group is not None:
            assert f_cnt is not None
            self._frame(downlink.group, f_cnt, downlink)
            return
        request = self.requests.get(downlink.id)
        if request is not None and not request.reply:
            if self.follower is not None and self.follower.paused:
                self.broken("paused", f"{downlink}")
            others = [q.id for q in queue if q.id != downlink.id and not self._is_reply(q.id) and q.id not in lied]
            if others:
                self.broken("one unicast", f"{downlink} while {others} wait")
        gap = now - self.last_unicast_at
        again = downlink.id in self.handed_over
        if told and not again and gap < self.config.ucast_msg_delay / 1000 - 1e-6:
            self.broken("unicast pace", f"{downlink} {gap} s after the one before")
        if told:
            self.handed_over.add(downlink.id)
            self.last_unicast_at = now

    def _is_reply(self, request_id: str) -> bool:
        request = self.requests.get(request_id)
        return request is not None and request.reply

    def _frame(self, group: str, f_cnt: int, downlink: Downlink) -> None:
        payload, first = self.payloads.setdefault((group, f_cnt), (downlink.payload, downlink.id))
        if payload != downlink.payload:
            self.broken("one payload per counter", f"{group} {f_cnt}: {first} and {downlink.id}")
        last = self.last_frame.get(group)
        if last is not None and (f_cnt < last[0] or (f_cnt == last[0] and payload != downlink.payload)):
            self.broken("counters rise", f"{group}: {f_cnt} ({downlink.id}) after {last}")
        self.last_frame[group] = (f_cnt, downlink.id)

    def sent(self, dev_eui: str, f_port: int, now: float) -> None:
        """A device sent an uplink."""
        if f_port not in PACKAGES:
            gap = now - self.sent_at.get(dev_eui, now)
            self.longest_gap[dev_eui] = max(self.longest_gap.get(dev_eui, 0.0), gap)
            self.sent_at[dev_eui] = now

    def polled(self, inputs: Sequence[Any], now: float) -> None:
        """Inputs that the network gave."""
        for item in inputs:
            if not isinstance(item, m.Uplink) or not isinstance(item.payload, bytes):
                continue
            dev_eui = item.dev_eui
            if self.finished is None and item.f_port == 203:
                self._versions(dev_eui, item.payload)
            if item.received_at == now:
                self.heard_now.add(dev_eui)

    def _versions(self, dev_eui: str, payload: bytes) -> None:
        try:
            commands = firmware.decode(payload, uplink=True)
        except WireError as error:
            commands = list(error.commands)
        except ValueError:
            return
        for command in commands:
            if isinstance(command, firmware.DevVersionAns):
                self.said.setdefault(dev_eui, []).append(command.fw_version)

    # ---- the journal -------------------------------------------------------------------------------------

    def follow(self, events: Sequence[m.Event], image: bytes) -> None:
        """New events of the journal."""
        for event in events[self.n_events :]:
            self.n_events += 1
            if self.follower is None:
                self.follower = Campaign.from_first(event, image)
                self.started_at = event.at
                continue
            self._before(event)
            self.follower.follow(event)
            self._after(event)

    def _before(self, event: m.Event) -> None:
        assert self.follower is not None
        machine = machine_of(self.follower)
        if isinstance(event, m.Requested):
            self.requests[event.id] = event
            if event.dev_eui is not None:
                waits = machine.queue.n_ready and not machine.state.paused
                if event.reply and self.after_reply and waits:
                    self.broken("half of the slots", f"{event}")
                self.after_reply = event.reply
                if not event.reply:
                    self.open[event.id] = (event.dev_eui, self.bad_time, self.n_resumed)
            else:
                self._check_frame(event)
            if event.ask == "FragSessionSetup" and event.dev_eui is not None:
                group = self.follower.device(event.dev_eui).group
                if group in self.sending:
                    self.broken("no setup over fragments", f"{event}")
            if event.ask == "ForceDeviceResync" and event.dev_eui is not None:
                self.forced.add(event.dev_eui)
                self.n_asked_time[event.dev_eui] += 1
        elif isinstance(event, m.GivenUp) and event.reason.startswith("never heard"):
            not_before = machine.main.not_before if machine.main is not None else 0.0
            if event.dev_eui in self.heard_now and not_before < self.now:
                self.broken("inputs first", f"{event}")

    def _check_frame(self, event: m.Requested) -> None:
        assert self.follower is not None
        if event.ask == "DataFragment":
            self.sending.add(event.group or "")
        if machine_of(self.follower).state.stopping:
            self.broken("no data after the end of a transfer", f"{event}")

    def _after(self, event: m.Event) -> None:
        if isinstance(event, m.StageStarted):
            self.stages.append(event.stage)
        elif isinstance(event, m.Stopping):
            if event.status == STOPPED:
                self.stopped_at, self.bad_before_stop = event.at, self.bad_time
                self.resumed_before_stop = self.n_resumed
        elif isinstance(event, m.Resumed):
            self.n_resumed += 1
        elif isinstance(event, m.HandedOver) and (request := self.requests[event.id]).reply:
            self.owed_at[request.dev_eui or "", request.ask] = event.at
        elif isinstance(event, m.Finished):
            self.finished = event
        elif isinstance(event, m.ForeignClock):
            self.n_clock_warnings += 1
            if self.n_clock_warnings > 1:
                self.broken("one clock warning", f"{event}")
        elif isinstance(event, m.PeriodMeasured):
            self.longest_period = max(self.longest_period, event.period)
            if event.period > max(1.0, self.longest_gap.get(event.dev_eui, 0.0)) + 11:
                self.broken("period", f"{event}, longest interval {self.longest_gap.get(event.dev_eui)}")
        if isinstance(event, (m.VersionHeard, m.BlockReceived, m.ReplyOwed)):
            self._own_accord(event)
        self._ends(event)

    def _own_accord(self, event: m.VersionHeard | m.BlockReceived | m.ReplyOwed) -> None:
        dev_eui = event.dev_eui
        self.n_own[dev_eui] += 1
        if self.n_own[dev_eui] > MOST_OWN_ACCORD + self.n_asked_time[dev_eui]:
            self.broken("own accord", f"{event}: {self.n_own[dev_eui]}")
        if isinstance(event, m.ReplyOwed):
            kind = (dev_eui, event.ask)
            asked = event.ask == APP_TIME_ANS and dev_eui in self.forced
            if not asked and event.at < self.owed_at.get(kind, -math.inf) + self.config.reply_interval:
                self.broken("reply interval", f"{event} after {self.owed_at[kind]}")
            if asked:
                self.forced.discard(dev_eui)
            self.owed_at[kind] = event.at

    def _ends(self, event: m.Event) -> None:
        """Removes the requests that an event ends."""
        if isinstance(event, (m.StageEnded, m.Stopping, m.Finished)):
            self.open.clear()
        elif type(event).__name__ in VERDICTS and isinstance(dev := getattr(event, "dev_eui", None), str):
            for name in [name for name, (dev_eui, *_) in self.open.items() if dev_eui == dev]:
                del self.open[name]
        elif isinstance(event, (m.Unanswered, m.Withdrawn)) or (isinstance(event, m.Reported) and self._is_end(event)):
            self.open.pop(event.id, None)

    def _is_end(self, event: m.Reported) -> bool:
        """Whether nothing follows a report: the downlink did not leave, or needs no answer."""
        return not event.ok or self.requests[event.id].frag_nb is not None

    # ---- turns -------------------------------------------------------------------------------------------

    def turn_over(self, campaign: Campaign | None, due: float | None, now: float) -> None:
        """After a turn of the agent in which the journal did not fail."""
        self.n_steps += 1
        self.heard_now.clear()
        follower = self.follower
        assert follower is not None
        if campaign is not None and campaign.n_events == follower.n_events:
            self.same(campaign, follower)
        if due is not None and due < now:
            self.broken("due", f"{due} at {now}")
        self._check_bounds(now)

    def same(self, a: Campaign, b: Campaign) -> None:
        """Whether two campaigns are in the same state."""
        if a.deadline() != b.deadline() or a.status() != b.status() or a.finished != b.finished:
            self.broken("replay", f"{a.status()} {a.deadline()} and {b.status()} {b.deadline()}")

    def _check_bounds(self, now: float) -> None:
        if self.finished is not None:
            return
        if now > (end := self.must_finish_by()):
            self.broken("bounded", f"{now - end:.0f} s late: {self._where()}")
        if self.stopped_at is not None:
            bad = self.bad_time - self.bad_before_stop
            end = self.stopped_at + self.clean_up_bound() + bad + self._anew(self.resumed_before_stop)
            if now > end:
                self.broken("stop bounded", f"stopped at {self.stopped_at}, {now - end:.0f} s late: {self._where()}")
        for name, (dev_eui, bad, n_resumed) in self.open.items():
            request = self.requests[name]
            n_waits = 2 + self.n_resumed - n_resumed
            ends = max(request.not_after, request.at) + n_waits * self._wait() + self.bad_time - bad
            if now > ends:
                self.broken("request ends", f"{request} of {dev_eui}, {now - ends:.0f} s late: {self._where()}")

    def _where(self) -> str:
        assert self.follower is not None
        seen = self.follower.status()
        return f"{seen.status} in {seen.stage}, {self.n_events} events, bad time {self.bad_time:.0f} s"

    def _wait(self) -> float:
        """Longest wait for a sent report, or for an answer, s: with the spread of answers (TS004)."""
        return self.longest_period + self.config.delivery_timeout + max(self.config.answer_spread_max, 16) + 60

    def must_finish_by(self) -> float:
        """The maximum duration, the verification, the clean-up, and the time that does not count."""
        config = self.config
        transfer = self.started_at + config.max_duration
        reboots = [config.reboot_time or 0.0]
        assert self.follower is not None
        reboots += [d.reboot_at for d in machine_of(self.follower).state.devices.values() if d.reboot_at is not None]
        stage = unicast_stage(config.msg_retries, self.longest_period, config.delivery_timeout)
        asking = len(config.devices) * config.ucast_msg_delay / 1000
        verification = 2 * config.fuota_process_max_time + 3 * self.longest_period + 2 * asking + stage
        late = config.stage_complete_delay * self.longest_period + config.complete_delay
        return max(transfer, *reboots) + verification + late + self.clean_up_bound() + self.bad_time + self._anew(0)

    def _anew(self, n_before: int) -> float:
        """Time by which deadlines that began anew may be later, s."""
        return (self.n_resumed - n_before) * (self._wait() + 3 * self.longest_period)

    def clean_up_bound(self) -> float:
        """Longest clean-up, s: the first uplink, then up to six questions to each device with their retries; and what
        is withdrawn, tried for an hour."""
        config = self.config
        n_tries = 6 * (1 + config.msg_retries)
        paced = len(config.devices) * 2 * config.ucast_msg_delay / 1000
        one_try = 3 * self._wait() + paced + 10
        return 3 * self.longest_period + n_tries * one_try + 3700

    # ---- the end -----------------------------------------------------------------------------------------

    def over(self, campaign: Campaign) -> None:
        """At Finished: the verdicts."""
        config = self.config
        status = campaign.status()
        assert self.finished is not None
        if status.status in (RUNNING, "CONFIGURED"):
            self.broken("bounded", "not finished")
        if config.kind != "firmware":
            return
        target = config.firmware_version
        for device in status.devices:
            said = self.said.get(device.dev_eui, [])
            if device.status == "passed" and target not in said:
                self.broken("passed runs the target", f"{device}, said {said}")
            # With a hardware version the last word is an answer: what is volunteered before is kept without it.
            counted = len(said) < 40 and device.dev_eui not in self.unread and config.hw_version is None
            if counted and said and said[-1] == target and device.status != "passed":
                self.broken("target passes", f"{device} in a campaign that {status.status}, said {said}")


def true_time(laws: Laws, downlink: Downlink, asked: Mapping[tuple[str, int], tuple[float, int]]) -> None:
    """Checks an AppTimeAns against the question with its token: time of arrival, and time shown."""
    try:
        [answer] = clock.decode(downlink.payload, uplink=False)
    except (ValueError, WireError):
        return
    if isinstance(answer, clock.AppTimeAns):
        at, shown = asked[downlink.dev_eui or "", answer.token_ans]
        right = gps_difference(gps_to_wire(gps_from_unix(at)), shown)
        if abs(right - answer.time_correction) > 11:
            laws.broken("true time", f"{downlink}: {answer.time_correction}, right is {right}")
