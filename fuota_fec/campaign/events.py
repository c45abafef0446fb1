"""Events of a campaign: what it decided or took note of. Its state is the sum of its events, applied in order.

`at` is the event's Unix time in seconds. Events name keys and never hold them: a command whose bytes need a key is kept
without it, and the agent puts it in at hand-over. Every event has a version, which `event_codec` writes beside its
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.facts import Known
from fuota_fec.campaign.inputs import NetworkCapabilities

RUNNING, STOPPED, SUCCEEDED, FAILED = "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"
"""Status of a campaign that was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """A group's coded fragments."""

    rows: tuple[int, ...] = ()
    """Row numbers in the order in which they are sent, with those that may follow."""
    n_first: int = 0
    """Coded fragments of the first round."""
    n_least: int = 0
    """Adaptive: coded fragments of a further round, at least; 0: there is no further round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    VERSION: ClassVar[int] = 1

    at: float

    def record(self) -> dict[str, Any]:
        """The event as plain data: its type, version and fields; bytes as hexadecimal text."""
        plain = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"event": type(self).__name__, "v": self.VERSION, **plain}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured(Event):
    """Event 0: the whole configuration and which image; the image itself lies beside the events."""

    VERSION: ClassVar[int] = 3

    config: CampaignConfig
    image_len: int
    image_sha256: bytes
    network: NetworkCapabilities
    known: Known = field(default_factory=Known)
    row_plans: dict[str, RowPlan] = field(default_factory=dict)
    """By group: its coded fragments, where they are not those of a fixed rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A multicast session of a group: Unix time of its start, and TimeOut (TS005: 2^time_out s, in class B 128 times
    that)."""

    start: float
    time_out: int
    device_class: str = "C"

    @property
    def end(self) -> float:
        return self.start + float((128 if self.device_class == "B" else 1) << self.time_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage begins. `sessions`: per group, the session that is asked for, once fixed. `round`: which pass of the
    uncoded fragments this is part of, or which helping of coded ones; `coded`: how many, by group, if it begins."""

    VERSION: ClassVar[int] = 2

    stage: str
    n_devices: int
    round: int = 1
    sessions: dict[str, Session] | None = None
    coded: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHeard(Event):
    """The first uplink of a device in the campaign, or in a stage that needs a fresh one."""

    dev_eui: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodMeasured(Event):
    """The median of the intervals between a device's own uplinks, in s: from now on its P(d)."""

    dev_eui: str
    period: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested(Event):
    """A downlink is to be handed over to the network: to a device, or to a group.

    `command` is the payload with zeros where a key or a device's own MIC belongs; `frag_nb` names the fragment
    otherwise. `digest` is the first 8 bytes of the SHA-256 of that payload. `ask` says what it is; a `reply` answers
    a question of the device and expects nothing. A resend `replaces` an earlier request. Not to be sent after
    `not_after`.
    """

    id: str
    ask: str
    f_port: int
    not_after: float
    digest: bytes
    dev_eui: str | None = None
    command: bytes | None = None
    reply: bool = False
    replaces: str | None = None
    group: str | None = None
    frag_nb: int | None = None
    f_cnt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver(Event):
    """The network has it. `f_cnt` is the counter of a multicast frame, whoever assigned it."""

    id: str
    reference: str = ""
    f_cnt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(Event):
    """What became of a downlink, by the network's word or for want of it."""

    id: str
    ok: bool
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryOverdue(Event):
    """The summary of a multicast frame takes more than five times as long as it usually does."""

    id: str
    group: str
    frag_nb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Event):
    """A downlink is not wanted any more: it is not handed over, or taken out of the network's queue again."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """A device's answer to what it was asked: it did it, or refused for a reason. `note` is a warning. `needed`: how
    many fragments it lacks, and `loss`: what share it missed, as far as it tells."""

    VERSION: ClassVar[int] = 2

    dev_eui: str
    ask: str
    ok: bool
    reason: str = ""
    note: str = ""
    fw_version: int | None = None
    needed: int | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred(Event):
    """An answer that is not the last word: the device is asked again, `later` or after what is named in `first`; or it
    is asked that `instead`."""

    dev_eui: str
    ask: str
    reason: str
    first: tuple[str, ...] = ()
    instead: bool = False
    later: bool = False
    fw_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionHeard(Event):
    """A device volunteered which firmware it runs, and that is not a verdict."""

    dev_eui: str
    fw_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOwed(Event):
    """A device asked something and waits for this answer: it goes out before any request."""

    dev_eui: str
    ask: str
    f_port: int
    payload: bytes
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReceived(Event):
    """A device said that its block is complete, and whether it is the one that was announced (2.0.0)."""

    dev_eui: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(Event):
    """The answer to a request that left is overdue."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRepeated(Event):
    """A group is asked for its status once more: all of its devices (`participants`), or those that lack fragments."""

    group: str
    participants: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SilencePresumed(Event):
    """Devices of a group that did not say that they lack fragments are taken for complete until more is known."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp(Event):
    """A device is not asked any more in this stage. A late answer may still count."""

    dev_eui: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAnswer(Event):
    """A device that had left the campaign in `stage` answered after its end. It changes nothing."""

    dev_eui: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageClosing(Event):
    """Nothing more is asked; answers count until `until`."""

    stage: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDone(Event):
    """A group's transmission is over: all frames of it sent, or why not. `n_sent` of this round."""

    group: str
    n_sent: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnded(Event):
    """A stage is over; `successes` of the devices that took part did it. `back_to`: the earlier stage that comes next,
    for another session or round."""

    stage: str
    successes: int
    ok: bool
    back_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """No request goes out until Unpaused; answers count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaused(Event):
    """Requests go out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The campaign goes on after a crash or an outage: what devices are given time for begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping(Event):
    """The campaign ends as `status` (STOPPED or FAILED) once what it left on the devices is cleaned up."""

    status: str
    successes: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The campaign's last event: `status` is SUCCEEDED, FAILED or STOPPED. `unconfirmed` devices did not confirm the
    clean-up."""

    status: str
    successes: int
    reason: str = ""
    unconfirmed: tuple[str, ...] = ()


EVENTS: Mapping[str, type[Event]] = {cls.__name__: cls for cls in Event.__subclasses__()}
