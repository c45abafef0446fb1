"""Examples of events: one of each type at least."""

from __future__ import annotations

import dataclasses

from fuota_fec.campaign import messages as m
from fuota_fec.campaign.config import CampaignConfig, Device, Group
from fuota_fec.devices.profiles import profile
from fuota_fec.devices.radios import Radio

SMALL = CampaignConfig(
    id="c",
    success_threshold=100,
    max_duration=100_000,
    uplink_period=100,
    fw_version=1,
    groups=(Group(name="g", mc_addr="01f3a4b5"),),
    devices=(Device(dev_eui="fe5e000000000001", group="g"),),
)
CONFIGS = [
    SMALL,
    dataclasses.replace(
        SMALL,
        devices=(dataclasses.replace(SMALL.devices[0], profile="meter"),),
        profiles=(
            profile("lbm").replace(name="meter", max_frags=850, max_losses=850),
            profile("st").replace(name="other", radio=Radio(listening=0.02, sending=0.1)),
        ),
    ),
    dataclasses.replace(
        SMALL,
        id="Zähler",
        success_threshold=99.5,
        fw_version="1.2.3.4",
        groups=(
            *SMALL.groups,
            Group(name="h", mc_addr="01f3a4b6", key="k", frequency=869_525_000, version="2.0.0", first_f_cnt=2**32 - 1),
        ),
        devices=(
            Device(dev_eui="fe5e000000000001", group="g", key="k", lorawan="1.1", uplink_period=1.5),
            Device(dev_eui="fe5e000000000002", group="h", downlink_dr=3),
        ),
        session_start=1_800_000_000.5,
        redundancy=7,
        rows=(3, 1, 2),
        fsize=50,
        duty_cycle=0.01,
    ),
]
MEMBERSHIP = m.Membership(mc_group_id=1, mc_addr="01f3a4b5", key="g", min_mc_f_cnt=0, max_mc_f_cnt=2**32 - 1)
KNOWN = m.Known(
    next_f_cnt={"g": 7},
    devices={"01": m.KnownDevice(session_cnt=1, session_open=True, fw_version=2, memberships=(MEMBERSHIP,))},
)

EXAMPLES = [
    m.StageStarted(at=1.0, stage="x", n_devices=1, sessions={"g": m.Session(start=5.0, time_out=3)}),
    m.DeviceHeard(at=1.0, dev_eui="01"),
    m.Requested(
        at=1.0, id="c/1", ask="a", f_port=200, not_after=9.0, digest=b"\x01\x02", dev_eui="01", command=b"\xff"
    ),
    m.Requested(
        at=1.0, id="c/2", ask="b", f_port=201, not_after=9.0, digest=b"", group="g", frag_nb=3, f_cnt=7, replaces="c/1"
    ),
    m.Requested(at=1.0, id="c/3", ask="c", f_port=202, not_after=9.0, digest=b"", dev_eui="01", reply=True),
    m.HandedOver(at=1.0, id="c/1", reference="their name", f_cnt=3),
    m.Reported(at=1.0, id="c/1", ok=False, cause="expired"),
    m.SummaryOverdue(at=1.0, id="c/2", group="g", frag_nb=3, wait=m.Wait(until=9.0, why="the summary")),
    m.Withdrawn(at=1.0, id="c/1"),
    m.PeriodMeasured(at=1.0, dev_eui="01", period=600.5),
    m.Answered(at=1.0, dev_eui="01", ask="a", ok=True, note="but", fw_version=5),
    m.Answered(at=1.0, dev_eui="01", ask="a", ok=False, reason="missing 3 fragments", needed=3, loss=0.25),
    m.StageStarted(at=1.0, stage="x", n_devices=3, round=2, coded={"g": 4}),
    m.StageStarted(at=1.0, stage="x", n_devices=3, round=2, overtime=60.0),
    m.StageStarted(at=1.0, stage="x", n_devices=3, wait=m.Wait(until=5.0, why="y"), answers=m.Wait(until=9.0, why="z")),
    m.Deferred(at=1.0, dev_eui="01", ask="a", reason="not yet", first=("b", "c"), fw_version=5),
    m.VersionHeard(at=1.0, dev_eui="01", fw_version=5, hw_version=9),
    m.ReplyOwed(at=1.0, dev_eui="01", ask="a", f_port=202, payload=b"\x01", not_after=9.0),
    m.BlockReceived(at=1.0, dev_eui="01", ok=True),
    m.Unanswered(at=1.0, id="c/1"),
    m.StatusRepeated(at=1.0, group="g", participants=True),
    m.SilencePresumed(at=1.0, group="g"),
    m.Returned(at=1.0, dev_eui="00" * 8, fw_version=0x02000000),
    m.RunsAlready(at=1.0, dev_eui="00" * 8, fw_version=0x02000000),
    m.ForeignClock(at=1.0, dev_eui="00" * 8, off=-30.0),
    m.GivenUp(at=1.0, dev_eui="01", reason="no answer"),
    m.LateAnswer(at=1.0, dev_eui="01", stage="x"),
    m.StageClosing(at=1.0, stage="x", until=4.0),
    m.GroupDone(at=1.0, group="g", n_sent=5),
    m.GroupDone(at=1.0, group="g", n_sent=4, reason="frame counters used up", again=(3,), barred=True),
    m.StageEnded(at=1.0, stage="x", successes=1, ok=True),
    m.Paused(at=1.0),
    m.Unpaused(at=1.0),
    m.Suspended(at=1.0, reason="ConnectionError"),
    m.Resumed(at=1.0),
    m.Stopping(at=1.0, status="STOPPED", successes=3, reason="why"),
    m.CleanUpStarted(at=1.0, n_devices=2, wait=m.Wait(until=9.0, why="the clean-up of 2 devices")),
    m.Finished(at=1.0, status="FAILED", successes=0, reason="why", unconfirmed=("01", "02")),
    *(
        m.Configured(
            at=1.0,
            config=config,
            image_len=5,
            image_sha256=bytes(range(32)),
            network=m.NetworkCapabilities(owns_f_cnt=True, pacing=0.1),
            known=KNOWN,
            row_plans={
                "g": m.RowPlan(rows=(3, 1), n_first=1, n_least=9, uncoded_every=8, uncoded=(417, 1), frag_size=47)
            },
        )
        for config in CONFIGS
    ),
]
