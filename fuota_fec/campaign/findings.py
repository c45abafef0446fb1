"""The pre-flight check of a campaign: its configuration and plan as `devices.preflight` looks at them."""

from __future__ import annotations

from collections.abc import Callable

from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.campaign.messages import NetworkCapabilities
from fuota_fec.campaign.plan import Plan
from fuota_fec.campaign.row_plan import mean_loss
from fuota_fec.devices.preflight import Finding, PlannedCampaign, PlannedDevice, PlannedGroup, preflight
from fuota_fec.devices.profiles import profile


def find(
    config: CampaignConfig,
    plan: Plan,
    image_len: int,
    *,
    now: float | None = None,
    network: NetworkCapabilities | None = None,
    root_key_known: Callable[[Device], bool] = lambda _: True,
    mc_key_known: Callable[[Group], bool] = lambda _: True,
) -> list[Finding]:
    """What stands in the way, what may, and what will happen. With `now`, a configured session start is looked at."""
    groups = tuple(
        PlannedGroup(
            name=name,
            region=group.group.region,
            dr=group.group.dr,
            frequency_hz=group.group.frequency_hz,
            device_class=group.group.device_class,
            dwell_time=group.group.dwell_time,
            repeater=config.repeater,
            version=group.group.dialect,
            mc_version=group.group.mc_version,
            first_f_cnt=group.first_f_cnt,
            frag_size=group.frag_size,
            n_frags=max(group.n_frags, 1),  # looked at only where there is an image
            n_coded=len(group.sent_rows),
            loss=mean_loss(config, group.group),
            adaptive=group.adaptive,
            rounds=group.rounds,
            n_other_frames=group.n_status,
            ack_reception=group.ack_reception,
            last_row=max(group.sent_rows, default=0),
            block_ack_delay=group.block_ack_delay,
            spacing=group.time.spacing,
            mc_key_known=mc_key_known(group.group),
            session_length=group.session_length,
        )
        for name, group in plan.groups.items()
    )
    devices = tuple(
        PlannedDevice(
            dev_eui=device.dev_eui,
            group=device.group,
            profile=profile(device.profile),
            lorawan=device.lorawan,
            root_key_known=root_key_known(device),
            downlink_dr=device.downlink_dr,
            uplink_period=config.uplink_period_of(device),
        )
        for device in config.devices
    )
    start, reboot = config.session_start, config.reboot_time
    told = config.reboot if isinstance(config.reboot, str) else "time"
    return preflight(
        PlannedCampaign(
            kind=config.kind,
            image_len=image_len,
            groups=groups,
            devices=devices,
            n_needed=plan.n_needed,
            max_duration=config.max_duration,
            ucast_msg_delay=config.ucast_msg_delay / 1000,
            msg_retries=config.msg_retries,
            delivery_timeout=config.delivery_timeout,
            late_answer_time=config.stage_complete_delay * plan.slowest_period,
            mcsession_delay=config.mcsession_delay,
            session_start_in=None if start is None or now is None else start - now,
            process_time=config.fuota_process_max_time,
            frag_index=config.frag_index,
            fsession_status_threshold=config.fsession_status_threshold,
            allow_carousel=config.allow_carousel,
            reboot=told,  # type: ignore[arg-type]
            reboot_in=None if reboot is None or now is None else reboot - now,
            asks_versions=config.asks_versions,
            network_clock_sync=network.clock_sync if network is not None else False,
        )
    )


def refusals(findings: list[Finding]) -> list[str]:
    """A line for each finding that forbids the campaign."""
    return [str(finding) for finding in findings if finding.severity == "refuse"]
