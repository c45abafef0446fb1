"""What comes into a campaign (inputs) and what has happened in it (events).

Inputs are facts of the outside world as the agent reports them. Events are what the campaign decided or took
note of; its state is the sum of its events, applied in order. `at` is Unix time in seconds. Events name keys and
never hold them: a command whose bytes need a key is kept without it, and the agent puts it in at hand-over.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from fuota_fec.campaign.config import CampaignConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCapabilities:
    """What a network server gives a campaign."""

    owns_f_cnt: bool = False
    """It assigns the multicast frame counter, which is learnt at hand-over; else the campaign does."""
    sent_reports: bool = True
    """It says when a unicast downlink left; else the next uplink heard stands for it."""
    summaries: bool = True
    """It says what became of a multicast downlink over all gateways."""


# ---- inputs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Uplink:
    """A frame from a device. `received_at` is Unix time of its reception by a gateway."""

    dev_eui: str
    f_port: int
    payload: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class DownlinkSent:
    """The network's report on unicast downlink `id`: it left (ok), or not and why."""

    id: str
    ok: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class MulticastSummary:
    """The network's report on multicast downlink `id`: at least one gateway sent it (ok), or none and why."""

    id: str
    ok: bool = True
    cause: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """The network took downlink `id`. `reference` is its own name for it, `f_cnt` the counter if it assigned one."""

    id: str
    reference: str = ""
    f_cnt: int | None = None


Input: TypeAlias = Uplink | DownlinkSent | MulticastSummary | HandOver


# ---- events ----------------------------------------------------------------------------------------------


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

    config: CampaignConfig
    image_len: int
    image_sha256: bytes
    network: NetworkCapabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted(Event):
    """A stage begins. `sessions`: per group, the session's start (Unix time) and TimeOut exponent, once fixed."""

    stage: str
    n_devices: int
    sessions: dict[str, Session] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A multicast session of a group: Unix time of its start, and TimeOut (TS005: it lasts 2^time_out s in class C)."""

    start: float
    time_out: int

    @property
    def end(self) -> float:
        return self.start + float(1 << self.time_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHeard(Event):
    """The first uplink of a device in the campaign, or in a stage that needs a fresh one."""

    dev_eui: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested(Event):
    """A downlink is to be handed over to the network: to a device, or to a group.

    `command` is the unicast payload with zeros where a key or a device's own MIC belongs; `frag_nb` names the fragment
    otherwise. `digest` is the first 8 bytes of the SHA-256 of that payload. A resend `replaces` an earlier request.
    Not to be sent after `not_after`.
    """

    id: str
    f_port: int
    not_after: float
    digest: bytes
    dev_eui: str | None = None
    command: bytes | None = None
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
class Answered(Event):
    """A device's answer in a stage: it succeeded, or failed for a reason."""

    dev_eui: str
    ok: bool
    reason: str = ""
    fw_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionHeard(Event):
    """A device said which firmware it runs, and that is not the last word.

    `asked`: in answer to a request, which is repeated while retries remain; else it was volunteered, and only noted.
    """

    dev_eui: str
    fw_version: int
    asked: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(Event):
    """The answer to a request that left is overdue."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp(Event):
    """A device is not asked any more in this stage. A late answer may still count."""

    dev_eui: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageClosing(Event):
    """Nothing more is asked; answers count until `until`."""

    stage: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDone(Event):
    """A group's transmission is over: all fragments sent, or why not."""

    group: str
    n_sent: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnded(Event):
    """A stage is over; `successes` of the devices that took part go on."""

    stage: str
    successes: int
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The campaign's last event: `status` is SUCCEEDED or FAILED."""

    status: str
    successes: int
    reason: str = ""
