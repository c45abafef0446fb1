"""The least time that each stage of a planned campaign takes. Seconds throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from fuota_fec.devices.planned import PlannedCampaign
from fuota_fec.planning.schedule import session_start

BEACON_ACQUISITION = 256.0
"""From the request of a class B session to its start, at least: two periods in which to find a beacon (TS005)."""

Phase: TypeAlias = Literal["setup", "session", "transmission", "after", "verification"]
"""Where a stage stands: "setup" before the multicast session is asked for, "verification" no longer bounded by
max_duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """A planned stage and how long it takes if nothing is lost and every device answers at its first chance."""

    name: str
    phase: Phase
    least: float


def stage_times(campaign: PlannedCampaign) -> tuple[StageTime, ...]:
    """The stages of the campaign's kind, in order."""
    return tuple(
        StageTime(name=row.name, phase=row.phase, least=row.least(campaign))
        for row in _STAGES[campaign.kind]
        if row.takes_part(campaign)
    )


def session_wait(campaign: PlannedCampaign) -> float:
    """From the first request of a multicast session to its start, where no start is configured."""
    wait = session_start(
        0,
        n_devices=campaign.n_asked,
        ucast_msg_delay=campaign.ucast_msg_delay,
        msg_retries=campaign.msg_retries,
        slowest_period=campaign.needed_period,
        delivery_timeout=campaign.delivery_timeout,
        late_answer_time=campaign.late_answer_time,
        margin=campaign.mcsession_delay,
    )
    class_b = any(group.device_class == "B" for group in campaign.groups)
    return max(wait, BEACON_ACQUISITION) if class_b else wait


def setup_time(campaign: PlannedCampaign) -> float:
    """Of the stages before the multicast session is asked for."""
    return _n_setup_stages(campaign) * _unicast(campaign)


def setup_pacing(campaign: PlannedCampaign) -> float:
    """In which the requests of all stages up to the session leave, however fast the devices answer."""
    return (_n_setup_stages(campaign) + 1) * campaign.pacing


def _n_setup_stages(campaign: PlannedCampaign) -> int:
    return sum(row.phase == "setup" and row.takes_part(campaign) for row in _STAGES[campaign.kind])


# --- What a stage takes ----------------------------------------------------------------------------------------------


def _unicast(campaign: PlannedCampaign) -> float:
    """A class A device hears a request after its next uplink, so the slowest one sets the pace, or the pacing does."""
    return max(campaign.pacing, campaign.needed_period)


def _session(campaign: PlannedCampaign) -> float:
    if campaign.session_start_in is None:
        return session_wait(campaign)
    return max(0.0, campaign.session_start_in - setup_time(campaign))


def _transmission(campaign: PlannedCampaign) -> float:
    return max(group.session_length for group in campaign.groups)


def _status(campaign: PlannedCampaign) -> float:
    return max(
        float(group.answer_spread) if campaign.asks_status_by_multicast(group) else _unicast(campaign)
        for group in campaign.groups
    )


def _verification(campaign: PlannedCampaign) -> float:
    return campaign.process_time + _unicast(campaign)


# --- Which stages there are ------------------------------------------------------------------------------------------


def _always(_campaign: PlannedCampaign) -> bool:
    return True


def _any_class_c(campaign: PlannedCampaign) -> bool:
    return any(group.device_class == "C" for group in campaign.groups)


def _all_class_b(campaign: PlannedCampaign) -> bool:
    return not _any_class_c(campaign)


def _reboot_is_timed(campaign: PlannedCampaign) -> bool:
    return campaign.reboot == "time"


def _after_transfer(campaign: PlannedCampaign) -> bool:
    return campaign.reboot == "after_transfer"


def _any_adaptive(campaign: PlannedCampaign) -> bool:
    return any(group.adaptive for group in campaign.groups)


def _images_are_asked_for(campaign: PlannedCampaign) -> bool:
    return _after_transfer(campaign) or any(group.n_coded == 0 for group in campaign.groups)


def _asks_versions(campaign: PlannedCampaign) -> bool:
    return campaign.asks_versions


class _Row(NamedTuple):
    name: str
    phase: Phase
    least: Callable[[PlannedCampaign], float]
    takes_part: Callable[[PlannedCampaign], bool] = _always


_PACKAGE_VERSION = _Row("PackageVersion", "setup", _unicast, _asks_versions)
_MC_GROUP_SETUP = _Row("McGroupSetup", "setup", _unicast)
_FRAG_SESSION_SETUP = _Row("FragSessionSetup", "setup", _unicast)
_SESSION = (
    _Row("McClassBSession", "session", _session, _all_class_b),
    _Row("McClassCSession", "session", _session, _any_class_c),
)
_DL_FRAGMENT = _Row("DlFragment", "transmission", _transmission)

_STAGES: Mapping[str, tuple[_Row, ...]] = MappingProxyType(
    {
        "multicast": (_PACKAGE_VERSION, _MC_GROUP_SETUP, *_SESSION),
        "binary": (
            _PACKAGE_VERSION,
            _MC_GROUP_SETUP,
            _FRAG_SESSION_SETUP,
            *_SESSION,
            _DL_FRAGMENT,
            _Row("FragSessionStatus", "after", _status),
        ),
        "firmware": (
            _PACKAGE_VERSION,
            _MC_GROUP_SETUP,
            _Row("DevRebootTime", "setup", _unicast, _reboot_is_timed),
            _FRAG_SESSION_SETUP,
            *_SESSION,
            _DL_FRAGMENT,
            _Row("FragSessionStatus", "after", _status, _any_adaptive),
            _Row("UpgradeImage", "after", _unicast, _images_are_asked_for),
            _Row("Reboot", "after", _unicast, _after_transfer),
            _Row("CompletionVerification", "verification", _verification),
        ),
    }
)
