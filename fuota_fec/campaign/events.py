"""Events of a campaign: its decisions and records. The state of a campaign is the sum of its events, applied in order.

`at` is the event's Unix time in seconds. Events name keys and never hold them: a command is recorded with zeros in
place of its key, which the agent puts in at hand-over. Every event has a version, which `event_codec` writes beside its
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
"""Statuses of a campaign that was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """Coded fragments of a group."""

    rows: tuple[int, ...] = ()
    """Row numbers in the order of sending, including those of possible further rounds."""
    n_first: int = 0
    """Number of coded fragments of the first round."""
    n_least: int = 0
    """Least number of coded fragments of a further round (adaptive redundancy); 0: no further round."""
    n_head: int = 0
    """Number of uncoded fragments with which each further round begins, in ascending order."""
    uncoded_every: int = 0
    """Number of coded fragments of a further round after which another uncoded one follows; 0: never."""
    uncoded: tuple[int, ...] = ()
    """Numbers of the uncoded fragments of further rounds, in the order of sending, again and again."""
    frag_size: int = 0
    """Bytes of a fragment, if chosen for the number of fragments; 0: the largest that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events."""

    VERSION: ClassVar[int] = 1

    at: float

    def record(self) -> dict[str, Any]:
        """The event as plain data: type, version and fields; bytes as hexadecimal text."""
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
    """Event 0: the whole configuration, and length and hash of the image, which is stored beside the events."""

    VERSION: ClassVar[int] = 5

    config: CampaignConfig
    image_len: int
    image_sha256: bytes
    network: NetworkCapabilities
    known: Known = field(default_factory=Known)
    row_plans: dict[str, RowPlan] = field(default_factory=dict)
    """Coded fragments by name of the group, unless they are those of a fixed rate."""
    asked_first: tuple[str, ...] = ()
    """DevEUIs of the devices that are asked for their version first, as they may run the target version already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Multicast session of a group: Unix time of its start, and TimeOut (TS005: 2^time_out s, in class B 128 times
    that)."""

    start: float
    time_out: int
    device_class: str = "C"

    @property
    def end(self) -> float:
        return self.start + float((128 if self.device_class == "B" else 1) << self.time_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Unix time until which a campaign waits at most, and the reason. The time is None where nobody knows it: in a
    pause, and while an error keeps the agent from running the campaign."""

    until: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage begins. `sessions` are the fixed multicast sessions by group, in a session stage; `round` is the number
    of the round, and `coded` the number of its coded fragments by group, if it begins with the stage. `wait` is the
    time that the stage waits for, if it does; `answers` is the latest time of the answers to its questions. The stage
    may last `overtime` s beyond the maximum duration."""

    VERSION: ClassVar[int] = 5

    stage: str
    n_devices: int
    round: int = 1
    sessions: dict[str, Session] | None = None
    coded: dict[str, int] = field(default_factory=dict)
    wait: Wait | None = None
    answers: Wait | None = None
    overtime: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHeard(Event):
    """A device sent its first uplink in the campaign, or in a stage that needs a fresh one."""

    VERSION: ClassVar[int] = 2

    dev_eui: str
    set_aside: bool = False
    """Whether the device had been given up unheard in this stage, and is asked after all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodMeasured(Event):
    """A device has a new uplink period P(d), s, estimated with missed uplinks in mind. `jitter` is the largest share of
    the period by which one of the last uplinks was late."""

    VERSION: ClassVar[int] = 2

    dev_eui: str
    period: float
    jitter: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested(Event):
    """A downlink to a device or a group is decided, and to be handed over to the network.

    `command` is the payload with zeros for a key or a device's own MIC; without it `frag_nb` is the number of the
    fragment. `digest` is the first 8 bytes of the SHA-256 of that payload. `ask` is the name of the question; a `reply`
    answers a question of the device and expects no answer. A resend `replaces` an earlier request. The downlink must
    not be sent after the Unix time `not_after`.
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
    """The network has accepted a downlink. `f_cnt` is the frame counter of a multicast frame."""

    id: str
    reference: str = ""
    f_cnt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(Event):
    """Outcome of a downlink: the network's report, or a timeout. It is `presumed` where the network gives no report and
    the device was heard: the downlink leaves after that uplink, unless another one goes before it."""

    VERSION: ClassVar[int] = 2

    id: str
    ok: bool
    cause: str = ""
    presumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryOverdue(Event):
    """The summary of a multicast frame takes more than five times as long as usual. Sending waits for it, or goes on
    without a `wait`."""

    VERSION: ClassVar[int] = 2

    id: str
    group: str
    frag_nb: int | None = None
    wait: Wait | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Event):
    """A downlink is no longer wanted: it is not handed over, or is taken out of the network's queue."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """A device answered a question: success, or refusal for a reason. `note` is a warning; `needed` is the number of
    fragments that the device lacks, and `loss` the share that it missed, None if not reported."""

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
    """A device answered, and is asked again: `later`, or after the questions in `first`, or these `instead`."""

    dev_eui: str
    ask: str
    reason: str
    first: tuple[str, ...] = ()
    instead: bool = False
    later: bool = False
    fw_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionHeard(Event):
    """A device reported its firmware version, which decides nothing in the present stage."""

    VERSION: ClassVar[int] = 2

    dev_eui: str
    fw_version: int
    hw_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOwed(Event):
    """A device asked a question and waits for the reply, which goes out before any request."""

    dev_eui: str
    ask: str
    f_port: int
    payload: bytes
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Event):
    """A device that had left is heard again: it is asked for its version, or it reported `fw_version`, the target, and
    passes."""

    dev_eui: str
    fw_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAlready(Event):
    """A device runs the target version before it was sent a fragment: it passes, and takes part in no further stage.
    It reported `fw_version`, or the configuration is taken at its word."""

    dev_eui: str
    fw_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignClock(Event):
    """First time of reception that lies more than 10 s from the arrival of its uplink: `off` s after it, or before it
    if negative. The arrival counts from now on wherever that is so."""

    dev_eui: str
    off: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReceived(Event):
    """A device reported that its block is complete, and whether it is the announced one (2.0.0)."""

    dev_eui: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(Event):
    """The answer to a request that was sent is overdue."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRepeated(Event):
    """A group is asked for its status again: all of its devices (`participants`), or those that lack fragments."""

    group: str
    participants: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SilencePresumed(Event):
    """The silent devices of a group count as complete until more is known."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp(Event):
    """A device is no longer asked in this stage. A late answer may still count."""

    dev_eui: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAnswer(Event):
    """A device that had left the campaign in `stage` answered after its end. The answer changes nothing."""

    dev_eui: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageClosing(Event):
    """A stage closes: no further questions; answers count until the Unix time `until`."""

    stage: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDone(Event):
    """The transmission of a group is over, completely or for a reason. `n_sent` is the number of frames of this
    round that were requested. The fragments in `again` were requested and not sent: the next session begins with them.
    Nothing more is sent to a `barred` group by multicast."""

    VERSION: ClassVar[int] = 2

    group: str
    n_sent: int
    reason: str = ""
    again: tuple[int, ...] = ()
    barred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnded(Event):
    """A stage is over, with a number of `successes`. `back_to` is the earlier stage that comes next, for another
    session or round; "" if the campaign does not go back."""

    VERSION: ClassVar[int] = 2

    stage: str
    successes: int
    ok: bool
    back_to: str = ""
    rules: int = 1
    """Rules of the clean-up. 1: devices that leave during setup are cleaned up; 2: also devices that leave later while
    a reboot lies ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """The campaign is paused: no request goes out until Unpaused; answers count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaused(Event):
    """The pause is over: requests go out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended(Event):
    """An error keeps the agent from running the campaign: its time stands still until Resumed. The agent writes
    it once for an error, however often it tries again."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The campaign goes on after a crash or an outage. The `lost` seconds, in which nothing could be heard or sent, do
    not count: neither in its duration nor in the deadlines of devices and of the network. A deadline that is past all
    the same begins anew."""

    VERSION: ClassVar[int] = 3

    lost: float = 0.0
    rules: int = 1
    """Version of the rules for deadlines: with 1 all begin anew."""

    @property
    def stood_still(self) -> float | None:
        """Time for which deadlines stood still, s; None if they begin anew."""
        return self.lost if self.rules > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping(Event):
    """The campaign ends with `status` after its clean-up."""

    VERSION: ClassVar[int] = 2

    status: str
    successes: int
    reason: str = ""
    rules: int = 1
    """Rules of the clean-up. 1: a campaign that fails during setup prevents reboots; 2: also one that fails later, and
    silent devices are asked for their version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUpStarted(Event):
    """The campaign waits for the clean-up of `n_devices` devices, which follows Stopping."""

    n_devices: int
    wait: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The campaign is over, as its last event: `status` is SUCCEEDED, FAILED or STOPPED. The `unconfirmed` devices did
    not confirm the clean-up."""

    status: str
    successes: int
    reason: str = ""
    unconfirmed: tuple[str, ...] = ()


EVENTS: Mapping[str, type[Event]] = {cls.__name__: cls for cls in Event.__subclasses__()}
"""Types of events by name."""
