"""What an operator does next about the devices of a campaign that did not pass, with the command."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from fuota_fec.campaign.events import RUNNING
from fuota_fec.campaign.status import CampaignStatus

_JOINED = "check that they are on, in range and joined"
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "never heard": _JOINED,
        "not heard in": _JOINED,
        "refused in": "compare their stack with their profile",
        "other version in": "give them a group of their own, with their package versions",
        "clock off": "synchronise their clocks",
        "session over": "allow more time for the session",
        "frame counters used up": "give their group a new mc_addr and McKey",
        "frame counter seen before": "give their group a new mc_addr and McKey",
        "image not valid": "check that the image is built and signed for them",
        "wrong hardware": "check which image they need",
    }
)
"""What comes before a retry, by kind of reason; nothing for the other kinds."""


class Step(NamedTuple):
    """Next step for a number of devices: advice in words, or "", and the command that follows it."""

    n_devices: int
    advice: str
    verb: str
    options: str = ""

    def command(self, campaign: str, journal: str = "") -> str:
        """Command line; `journal` is the option that names it, if one is needed."""
        return command_line(self.verb, campaign, self.options, journal)


def command_line(verb: str, campaign: str, *options: str) -> str:
    """Command line with those of the options that are not empty."""
    return " ".join(("fuota-fec campaign", verb, shlex.quote(campaign), *filter(None, options)))


def next_steps(status: CampaignStatus) -> list[Step]:
    """Steps for the devices that did not pass, the most devices first; what lets a campaign that waits for its operator
    go on; nothing while a campaign runs."""
    if status.state == RUNNING:
        held_up = status.paused or status.suspended
        return [Step(status.n_taking_part, status.suspended, "resume")] if held_up else []
    left: Counter[tuple[str, str, str]] = Counter()
    for reason, n in Counter(d.reason for d in status.devices if d.status != "passed").items():
        left[_step(reason)] += n
    return [Step(n, *step) for step, n in left.most_common()]


def _step(reason: str) -> tuple[str, str, str]:
    advice = next((advice for kind, advice in _ADVICE.items() if reason.startswith(kind)), "")
    return advice, "retry", "--redundancy adaptive" if reason.startswith("missing") else ""
