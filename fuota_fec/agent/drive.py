"""Drivers of an agent: `run` by the wall clock, `run_virtual` by a clock that jumps from deadline to deadline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol, cast

from fuota_fec.campaign.messages import Input
from fuota_fec.errors import JournalError, ParameterError
from fuota_fec.journal.base import FenceError
from fuota_fec.networks.base import Network

log = logging.getLogger("fuota_fec.agent")

JOURNAL_RETRY = 5.0
"""s after which `run` tries a journal again that failed."""
MOST_JOURNAL_FAILURES = 12
"""Failures in a row after which `run` gives up."""
ATTENTION = 0.5
"""s of real time between two looks of `run_virtual` at orders; and at leases, while virtual time stands still."""


class Stepper(Protocol):
    """An agent, as its drivers see it."""

    @property
    def idle(self) -> bool:
        """Whether no campaign runs."""

    @property
    def paused(self) -> bool:
        """Whether campaigns run and all of them are paused."""

    def step(self, now: float, *, looks: bool = True) -> float | None:
        """Takes one turn; returns when the next is due. `looks`: also at orders, and at other agents' campaigns."""

    def tend(self, now: float) -> None:
        """Renews leases and carries out orders."""


class VirtualNetwork(Network, Protocol):
    """A network in virtual time."""

    def deadline(self) -> float | None:
        """Unix time of its next event; None if it waits for a downlink."""


class ForeseeingNetwork(VirtualNetwork, Protocol):
    """A network in virtual time that knows which of its events bring an input."""

    def advance(self, until: float, overhears: Callable[[Input, float], bool]) -> float | None:
        """Goes on to the first input at or before a time that is not overheard, and returns the input's time; None if
        there is none. The next poll gives this input, and none that was overheard: `overhears` takes those that bring
        nothing to do, and returns False, with nothing done, for others."""


def _foreseeing(network: VirtualNetwork) -> ForeseeingNetwork | None:
    """The network, if its class has `advance` beside `poll`. A `poll` of a subclass or a wrapper sees every input."""
    owner = next((kind for kind in type(network).__mro__ if "poll" in vars(kind)), object)
    of_its_own = "poll" in getattr(network, "__dict__", {})
    return cast(ForeseeingNetwork, network) if "advance" in vars(owner) and not of_its_own else None


async def run(agent: Stepper, *, poll_interval: float, clock: Callable[[], float], forever: bool) -> None:
    """Steps the agent until no campaign runs, or `forever`, at least every poll_interval seconds.

    A journal that fails is tried again for a minute before its JournalError is raised.
    """
    n_failures = 0
    while True:
        now = clock()
        try:
            due = agent.step(now)
            n_failures = 0
        except FenceError:
            continue  # The agent has given that campaign up; the others go on.
        except JournalError as error:
            n_failures += 1
            if n_failures > MOST_JOURNAL_FAILURES:
                raise
            log.error("journal unavailable, no downlinks are sent until it recovers: %s", error)
            await asyncio.sleep(JOURNAL_RETRY)
            continue
        if agent.idle and not forever:
            return
        await asyncio.sleep(max(0.0, min(poll_interval, due - now if due is not None else poll_interval)))


def run_virtual(
    agent: Stepper,
    network: VirtualNetwork,
    start: float,
    *,
    until: float = float("inf"),
    attended: bool = False,
    speed: float | None = None,
) -> float:
    """Steps the agent until no campaign runs, at each time that something is due. Returns the time reached.

    `attended`: operators may give orders meanwhile; virtual time stands still while all campaigns are paused. `speed`:
    seconds of virtual time per second; without it, as fast as possible.
    """
    # An order may change what is due while real time passes: then the network must not be ahead of the agent.
    overhears: Callable[[Input, float], bool] | None = getattr(agent, "overhears", None)
    foreseeing = _foreseeing(network) if not attended and speed is None else None
    now, looked_at = start, float("-inf")
    event: float | None = None
    while not agent.idle and now <= until:
        if looks := time.monotonic() - looked_at >= ATTENTION:
            looked_at = time.monotonic()
        due, before = agent.step(now, looks=looks), event
        event = None
        if foreseeing is not None and overhears is not None and not agent.idle:
            event = foreseeing.advance(until if due is None else min(due, until), overhears)
        event = event if event is not None else network.deadline()
        unread = event is not None and event == before and event <= now  # The network could not be read.
        known = [at for at in (due, event if not unread else None) if at is not None]
        if agent.idle or not known:
            break
        upcoming = min(known)
        if upcoming < now:
            raise ParameterError(f"due time: {upcoming} is in the past, expected {now} or later")
        if speed is not None:
            _wait(agent, now, (upcoming - now) / speed)
        while attended and agent.paused:
            _wait(agent, now, ATTENTION)
        now = upcoming
    return now


def _wait(agent: Stepper, now: float, seconds: float) -> None:
    """Lets real time pass; the agent keeps its leases and carries out orders meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, ATTENTION))
        agent.tend(now)
