"""Last questions to a device: its version if that is open, and the actions that undo what was set up."""

from __future__ import annotations

from fuota_fec.campaign import questions, reasons
from fuota_fec.campaign.belief import version_is_open
from fuota_fec.campaign.events import FAILED, STOPPED, Stopping
from fuota_fec.campaign.stages import RULES, Stage
from fuota_fec.campaign.state import CampaignState, Data, DeviceState
from fuota_fec.campaign.turn import Questions


def last_questions(state: CampaignState, stage: Stage, device: DeviceState, event: Stopping) -> Questions:
    """Questions to a device when the campaign ends in a stage. A stop asks for no version, and where a reboot lies
    ahead the installation is prevented instead."""
    stopped, failed = event.status == STOPPED, event.status == FAILED
    ahead = event.rules >= 2 and device.reboots_after(event.at)
    if not (stopped or (failed and (stage.sets_up or ahead))):
        return tidy(state, device, event.rules)
    asks = failed and not ahead and state.config.clean_up and event.rules >= 3 and version_is_open(state, device)
    return (*([questions.LAST_VERSION] * asks), *stage.clean_up(state, device, event.at))


def tidy(state: CampaignState, device: DeviceState, rules: int = RULES) -> Questions:
    """Questions at the end: the version that is open, and the deletion of the fragmentation session and the group. The
    session is kept where its deletion may free the storage of data that is still wanted: an image without proof, a
    file."""
    config = state.config
    if not config.clean_up or config.kind == "multicast":
        return ()
    runs_it = device.passed and config.kind == "firmware"
    listened = device.got_fragments or (rules >= 3 and version_is_open(state, device))
    has_nothing = not listened or device.needed is not None or device.data is Data.WRONG
    session = device.session_set_up and device.profile.frag_session_delete and (runs_it or has_nothing)
    group = device.group_set_up and device.profile.mc_group_delete
    return (
        *([questions.LAST_VERSION] * _asks_version(state, device, rules)),
        *([questions.CLOSE_FRAG_SESSION] * session),
        *([questions.MC_GROUP_DELETE] * group),
    )


def _asks_version(state: CampaignState, device: DeviceState, rules: int) -> bool:
    if rules >= 3:
        return version_is_open(state, device)
    silent = device.got_fragments and not device.passed and device.reason.startswith(reasons.SILENCE)
    return rules == 2 and state.config.kind == "firmware" and silent and device.profile.ts006 is not False
