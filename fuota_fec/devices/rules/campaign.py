"""Rules about a campaign as a whole: its image and its times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fuota_fec.devices.durations import session_wait, setup_pacing, setup_time, stage_times
from fuota_fec.devices.planned import PlannedCampaign
from fuota_fec.devices.rules.remark import ANY, FIRMWARE, TRANSFER, Remark, Remarks

_UP_TO_TRANSMISSION = ("setup", "session", "transmission")


def _image(campaign: PlannedCampaign) -> Remarks:
    if campaign.image_len < 1:
        yield Remark("refuse", "the image is empty, expected at least one byte", "Give the file that is meant.")


def _max_duration(campaign: PlannedCampaign) -> Remarks:
    start = campaign.session_start_in
    wait = session_wait(campaign) if start is None else start
    fixed = wait + (max(group.session_length for group in campaign.groups) if campaign.kind in TRANSFER else 0)
    likely = sum(stage.least for stage in stage_times(campaign) if stage.phase != "verification")
    remedy = "Raise max_duration, send fewer bytes (a delta, less redundancy), or give the groups a faster dr."
    limit = f"max_duration is {campaign.max_duration:g} s"
    if fixed > campaign.max_duration:
        what = "the wait for the session and the planned transmission alone take"
        yield Remark("refuse", f"{what} {fixed:.0f} s, {limit}", remedy)
    elif likely > campaign.max_duration:
        yield Remark("warn", f"the stages take {likely:.0f} s even if nothing is lost, {limit}", remedy)


def _session_start(campaign: PlannedCampaign) -> Remarks:
    start = campaign.session_start_in
    if start is None:
        return
    pacing, answered = setup_pacing(campaign), setup_time(campaign) + campaign.needed_period
    remedy = "Set a later session_start or none, which has it computed, or lower ucast_msg_delay."
    if start < pacing:
        what = f"the requests before it take {pacing:.0f} s to leave"
        yield Remark("refuse", f"the session starts in {start:.0f} s, {what}", remedy)
    elif start < answered:
        what = f"with an uplink every {campaign.needed_period:g} s the slowest device that is needed has heard all "
        yield Remark("warn", f"the session starts in {start:.0f} s; {what}requests after {answered:.0f} s", remedy)


def _reboot_time(campaign: PlannedCampaign) -> Remarks:
    if campaign.reboot != "time" or campaign.reboot_in is None:
        return
    end = sum(stage.least for stage in stage_times(campaign) if stage.phase in _UP_TO_TRANSMISSION)
    if campaign.reboot_in <= end:
        yield Remark(
            "refuse",
            f"devices are to reboot in {campaign.reboot_in:.0f} s, the transmission ends in {end:.0f} s or later",
            "Plan a later reboot, or leave it to the devices.",
        )


def _clock_sync(campaign: PlannedCampaign) -> Remarks:
    if campaign.network_clock_sync:
        yield Remark(
            "warn",
            "the network server answers clock synchronisation (TS003) itself, so the campaign does not",
            "Turn it off at the network server if devices are to be answered by the campaign.",
        )


def _stage_durations(campaign: PlannedCampaign) -> Remarks:
    stages = stage_times(campaign)
    listed = ", ".join(f"{stage.name} {stage.least:.0f} s" for stage in stages)
    total = sum(stage.least for stage in stages)
    yield Remark("info", f"least duration of the stages: {listed}; in all {total:.0f} s")


Check = Callable[[PlannedCampaign], Remarks]

RULES: Mapping[str, tuple[frozenset[str], Check]] = MappingProxyType(
    {
        "image": (TRANSFER, _image),
        "max_duration": (ANY, _max_duration),
        "session_start": (ANY, _session_start),
        "reboot_time": (FIRMWARE, _reboot_time),
        "clock_sync": (ANY, _clock_sync),
        "stage_durations": (ANY, _stage_durations),
    }
)
