"""Question to a device, and verdict on its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from fuota_fec.campaign import reasons
from fuota_fec.campaign.config import Ports
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.wire.commands import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Meaning of an answer: success, failure for a reason, or a reason to ask `again`.

    `again`: "now", after the questions in `first`; "later", an uplink period on, while retries remain; "instead", with
    `first` in place of the question. `note` is a warning.
    """

    ok: bool
    reason: str = ""
    note: str = ""
    again: Literal["", "now", "later", "instead"] = ""
    first: tuple[str, ...] = ()
    fw_version: int | None = None
    needed: int | None = None
    """Number of fragments that the device lacks; None if unknown."""
    loss: float | None = None
    """Share of the fragments that the device missed; None if unknown."""


OK = Verdict(ok=True)


def _nothing(_state: CampaignState, _device: DeviceState, _at: float = 0.0) -> None:
    """Changes nothing in the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question: its request, the reading of answers, and the changes of the device's state."""

    name: str
    port: Callable[[Ports], int]
    request: Callable[[CampaignState, DeviceState, float], Command]
    """Command for a device, decided at a Unix time."""
    read: Callable[[CampaignState, DeviceState, Command, float], Verdict | None]
    """Verdict on an answer received at a Unix time; None for a command that is foreign to the question."""
    sent: Callable[[CampaignState, DeviceState, float], None] = _nothing
    """Change of the state by a request at a Unix time, whether it arrives or not."""
    done: Callable[[CampaignState, DeviceState], None] = _nothing
    """Change of the state by success."""
    again: Callable[[CampaignState, DeviceState], None] = _nothing
    """Change of the state before the question is repeated."""
    refused: Callable[[CampaignState, DeviceState, str], None] = lambda _state, _device, _reason: None
    """Change of the state by an answer that is no success, with its reason: the device's word corrects beliefs."""
    not_after: Callable[[CampaignState, DeviceState], float | None] = lambda _state, _device: None
    """Unix time after which the question is useless; None: never."""
    frag_nb: Callable[[CampaignState, DeviceState], int] | None = None
    """Number of a fragment that is sent instead of a command. It has no answer: the sent report is success."""
    undoes: bool = True
    """Whether a device that does not answer it in the clean-up counts as one that did not confirm."""
    optional: bool = False
    """Whether the question is asked once, and silence leads to the next question."""
    volunteered: tuple[type[Command], ...] = ()
    """Commands that count even if unsolicited, also while an earlier question of the device is open."""
    note_lasts: bool = False
    """Whether a note of its answer is a warning to the end of the campaign."""


def refusal(command: Command) -> str:
    """Names of the error flags that are set in an answer; empty for an answer without errors."""
    values = [(f.name, getattr(command, f.name)) for f in fields(command)]  # type: ignore[arg-type]
    return ", ".join(name for name, value in values if value is True or (name == "other_errors" and value))


def verdict_of(command: Command) -> Verdict:
    """Verdict by the error flags of an answer."""
    bits = refusal(command)
    name = type(command).__name__.removesuffix("Ans")
    return Verdict(ok=False, reason=reasons.refused(name, bits)) if bits else OK


def data_complete(_state: CampaignState, device: DeviceState) -> None:
    """Records that the device has the data: LIKELY if the verdict had a note, else COMPLETE."""
    device.data = max(device.data, Data.LIKELY if device.note else Data.COMPLETE)
