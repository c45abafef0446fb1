"""A question to a device, and what its answer can mean."""

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
    """What an answer means: success, failure for a reason, or something to ask `again` about.

    again: "now", after what is named in `first`; "later", an uplink period on, while retries remain; or `first` is
    asked "instead". `note` is a warning.
    """

    ok: bool
    reason: str = ""
    note: str = ""
    again: Literal["", "now", "later", "instead"] = ""
    first: tuple[str, ...] = ()
    fw_version: int | None = None
    needed: int | None = None
    """Fragments that the device lacks, as far as it tells."""
    loss: float | None = None
    """Share of the fragments that it missed, as far as it tells."""


OK = Verdict(ok=True)


def _nothing(_state: CampaignState, _device: DeviceState, _at: float = 0.0) -> None:
    """It changes nothing that is known of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    name: str
    port: Callable[[Ports], int]
    request: Callable[[CampaignState, DeviceState, float], Command]
    """The command for a device, decided on at a Unix time."""
    read: Callable[[CampaignState, DeviceState, Command, float], Verdict | None]
    """What an answer, received at a Unix time, means; None for one that does not belong here."""
    sent: Callable[[CampaignState, DeviceState, float], None] = _nothing
    """What is known of the device once this was requested at a Unix time, whether it arrives or not."""
    done: Callable[[CampaignState, DeviceState], None] = _nothing
    """What is known of it once it did so."""
    again: Callable[[CampaignState, DeviceState], None] = _nothing
    """What changes before it is asked again."""
    not_after: Callable[[CampaignState, DeviceState], float | None] = lambda _state, _device: None
    """Unix time after which it makes no sense any more."""
    frag_nb: Callable[[CampaignState, DeviceState], int] | None = None
    """It is this fragment instead of a command, and is not answered: that it left is enough."""
    optional: bool = False
    """It is asked once; a device that does not answer is asked what comes next."""
    volunteered: tuple[type[Command], ...] = ()
    """Commands that count although they were not asked for."""


def refusal(command: Command) -> str:
    """The names of the error flags that are set in an answer; empty if it is none."""
    values = [(f.name, getattr(command, f.name)) for f in fields(command)]  # type: ignore[arg-type]
    return ", ".join(name for name, value in values if value is True or (name == "other_errors" and value))


def verdict_of(command: Command) -> Verdict:
    """Success, unless error flags are set."""
    bits = refusal(command)
    name = type(command).__name__.removesuffix("Ans")
    return Verdict(ok=False, reason=reasons.refused(name, bits)) if bits else OK


def data_complete(_state: CampaignState, device: DeviceState) -> None:
    device.data = max(device.data, Data.LIKELY if device.note else Data.COMPLETE)
