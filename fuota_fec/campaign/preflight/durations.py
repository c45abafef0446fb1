"""Least durations of the planned stages, in seconds: nothing is lost, every device answers at its first chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fuota_fec.campaign.preflight.context import Context
from fuota_fec.campaign.stages import Stage
from fuota_fec.radio.regions import BEACON_PERIOD

BEACON_ACQUISITION = 2.0 * BEACON_PERIOD
"""Least time from the request of a class B session to its start: two periods in which to find a beacon (TS005)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """A planned stage and its least duration."""

    stage: Stage
    least: float


def stage_times(context: Context) -> tuple[StageTime, ...]:
    """The stages that the campaign cannot do without, in order."""
    return tuple(StageTime(stage=stage, least=_least(context, stage)) for stage in context.stages)


def transmission_end(context: Context) -> float:
    """Time from the start of the campaign to the end of all planned frames, at least."""
    longest = max(plan.session_length for plan in context.plan.groups.values())
    return setup_time(context) + _until_session(context) + longest


def session_wait(context: Context) -> float:
    """Time from the first request of a multicast session to its start, where no start is configured."""
    wait = context.planned_start.at
    class_b = any(group.device_class == "B" for group in context.config.groups)
    return max(wait, BEACON_ACQUISITION) if class_b else wait


def session_begins(context: Context) -> float:
    """Time from the start of the campaign to that of the multicast session: configured, or at least."""
    start = context.session_start_in
    return setup_time(context) + session_wait(context) if start is None else start


def setup_time(context: Context) -> float:
    """Least duration of all stages before the multicast session is requested."""
    return context.n_setup_stages * _unicast(context)


def setup_pacing(context: Context) -> float:
    """Time in which the requests of all stages up to the session leave, however fast the devices answer."""
    return (context.n_setup_stages + 1) * _pacing(context)


# ---- least duration of a stage ---------------------------------------------------------------------------


def _pacing(context: Context) -> float:
    """Time in which the requests of one unicast stage leave."""
    return (context.plan.n_needed - 1) * context.ucast_spacing


def _unicast(context: Context) -> float:
    """A class A device receives a request after its next uplink, so the slowest device or the pacing sets the pace."""
    return max(_pacing(context), context.needed_period)


def _until_session(context: Context) -> float:
    """Time from the first request of a multicast session to its start, configured or not."""
    start = context.session_start_in
    return session_wait(context) if start is None else max(0.0, start - setup_time(context))


def _session(context: Context) -> float:
    """The stage ends once the devices have confirmed: the rest of the wait passes in the stage of the fragments."""
    return min(_unicast(context), _until_session(context))


def _transmission(context: Context) -> float:
    """The rest of the wait for the session, and the first round; status requests are a stage of their own."""
    rest = _until_session(context) - _session(context)
    return rest + max(plan.first_round for plan in context.plan.groups.values())


def _status(context: Context) -> float:
    return max(
        float(plan.answer_spread) if plan.n_status else _unicast(context) for plan in context.plan.groups.values()
    )


_BY_EXCHANGE: Mapping[str, Callable[[Context], float]] = MappingProxyType(
    {"unicast": _unicast, "fragments": _transmission, "group_status": _status}
)


def _least(context: Context, stage: Stage) -> float:
    if stage.sessions is not None:
        return _session(context)
    flashing = 0.0 if stage.bounded else context.config.fuota_process_max_time
    return flashing + _BY_EXCHANGE[stage.exchange](context)
