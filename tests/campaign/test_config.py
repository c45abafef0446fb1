"""Configuration of a campaign: how it is read, what it derives, what it refuses."""

from __future__ import annotations

import json
import pickle
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fuota_fec.campaign.config import CampaignConfig, Device, Group, Ports
from fuota_fec.campaign.plan import share_air
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import ParameterError

TOML = """
id = "c"
success_threshold = 95
max_duration = 86400
uplink_period = 300
fw_version = "1.2.3.4"
redundancy = 7
rows = [1, 5]

[ports]
multicast = 10

[[groups]]
name = "g"
mc_addr = "01f3a4b5"
dr = 5
dialect = "2.0.0"

[[devices]]
dev_eui = "0000000000000001"
group = "g"

[[devices]]
dev_eui = "0000000000000002"
group = "g"
key = "other"
lorawan = "1.1"
uplink_period = 60
"""


def table(**changes: Any) -> dict[str, Any]:
    """A configuration that is right, as a file gives it."""
    right = {
        "id": "c",
        "success_threshold": 95,
        "max_duration": 86400,
        "uplink_period": 300,
        "fw_version": "1.2.3.4",
        "groups": [{"name": "g", "mc_addr": "01f3a4b5", "dr": 5}],
        "devices": [{"dev_eui": "0000000000000001", "group": "g"}],
    }
    return {name: value for name, value in {**right, **changes}.items() if value is not None}


def group(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "g", "mc_addr": "01f3a4b5", "dr": 5, **changes}]


def device(**changes: Any) -> list[dict[str, Any]]:
    return [{"dev_eui": "0000000000000001", "group": "g", **changes}]


def problems(**changes: Any) -> list[str]:
    with pytest.raises(ParameterError) as error:
        CampaignConfig.from_mapping(table(**changes))
    return str(error.value).splitlines()


# ---- reading ---------------------------------------------------------------------------------------


def test_toml_and_json_make_the_same_configuration(tmp_path) -> None:
    (tmp_path / "c.toml").write_text(TOML)
    config = CampaignConfig.load(tmp_path / "c.toml")
    as_json = {
        **table(redundancy=7, rows=[1, 5], ports={"multicast": 10}, groups=group(dialect="2.0.0")),
        "devices": [
            {"dev_eui": "0000000000000001", "group": "g"},
            {"dev_eui": "0000000000000002", "group": "g", "key": "other", "lorawan": "1.1", "uplink_period": 60},
        ],
    }
    (tmp_path / "c.json").write_text(json.dumps(as_json))
    assert CampaignConfig.load(str(tmp_path / "c.json")) == config
    assert config.groups == (Group(name="g", mc_addr="01f3a4b5", dr=5, dialect="2.0.0"),)
    assert config.devices[1] == Device(
        dev_eui="0000000000000002", group="g", key="other", lorawan="1.1", uplink_period=60
    )
    assert (config.rows, config.ports) == ((1, 5), Ports(multicast=10))
    assert (config.devices[0].key_name, config.devices[1].key_name) == ("0000000000000001", "other")
    assert config.groups[0].key_name == "g"
    assert config.firmware_version == 0x01020304


def test_the_defaults_of_a_configuration() -> None:
    config = CampaignConfig.from_mapping(table())
    assert (config.stage_end, config.msg_retries, config.ucast_msg_delay, config.mcast_msg_delay) == (
        "threshold",
        2,
        1000,
        2000,
    )
    assert (config.delivery_timeout, config.stage_complete_delay, config.mcsession_delay) == (60, 1, 30)
    assert (config.first_fragment_delay, config.time_tolerance, config.fuota_process_max_time) == (3, 2, 20)
    assert (config.frag_redundancy_max, config.redundancy, config.rows) == (340, "5/6", None)
    assert (config.summary_reports_disabled, config.summary_window, config.summary_report_timeout) == (False, 1, None)
    assert (config.mcgroup_validity_coeff, config.answer_spread_max, config.frag_index) == (10, 128, 0)
    assert config.ports == Ports(multicast=200, fragmentation=201, clock=202, firmware=203)
    assert config.descriptor_bytes == bytes(4)
    assert (config.kind, config.reboot, config.reboot_time) == ("firmware", "device", None)
    assert (config.requires_fw_version, config.hw_version, config.session_start) == (None, None, None)
    assert (config.complete_delay, config.time_sync_tolerance, config.classb_start_beacons_delay) == (10, 1, 2)
    assert (config.datafrag_loops_max, config.allow_carousel, config.ack_reception) == (2, False, None)
    assert (config.fsession_status_threshold, config.fsession_status_timeout) == (5, 60)
    assert (config.fsize, config.fsize_optimization, config.repeater) == (None, 0, False)
    [only] = config.groups
    assert (only.device_class, only.periodicity, only.gateways, only.redundancy) == ("C", 4, (), None)
    assert (only.dialect, only.mc_version, only.dwell_time, only.mc_group_id) == ("1.0.0", "1.0.0", False, 0)
    [device] = config.devices
    assert (device.profile, device.probe, device.fw_version, device.downlink_dr) == ("generic", False, None, None)


def test_a_configuration_does_not_change_and_can_be_compared() -> None:
    config = CampaignConfig.from_mapping(table())
    assert config == CampaignConfig.from_mapping(table())
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(AttributeError):
        config.id = "d"  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["binary", "multicast"])
def test_only_a_firmware_update_needs_a_firmware_version(kind) -> None:
    assert CampaignConfig.from_mapping(table(kind=kind, fw_version=None)).firmware_version is None


def test_a_reboot_time_is_a_unix_time() -> None:
    assert CampaignConfig.from_mapping(table(reboot=1_900_000_000)).reboot_time == 1_900_000_000
    assert CampaignConfig.from_mapping(table(reboot="device")).reboot_time is None


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({}, False),
        ({"requires_fw_version": "1.0.0.0"}, True),
        ({"devices": device(probe=True)}, True),
        ({"devices": device(fw_version="1.0.0.0")}, False),
    ],
)
def test_versions_are_asked_for_only_where_they_are_not_known(changes, asks) -> None:
    assert CampaignConfig.from_mapping(table(**changes)).asks_versions is asks


# ---- group or campaign, device or campaign ---------------------------------------------


def test_the_redundancy_of_a_group_is_its_own_or_the_campaigns() -> None:
    config = CampaignConfig.from_mapping(table(redundancy="1/2"))
    [own] = CampaignConfig.from_mapping(table(groups=group(redundancy=0))).groups
    assert (config.redundancy_of(config.groups[0]), config.redundancy_of(own)) == ("1/2", 0)


def test_the_duty_cycle_of_a_group_is_the_configured_one_or_the_regions() -> None:
    for changes, share in (({}, 0.1), ({"duty_cycle": 0.02}, 0.02)):
        config = CampaignConfig.from_mapping(table(**changes))
        assert config.duty_cycle_of(config.groups[0]) == share


def test_uplink_period_and_loss_of_a_device_are_its_own_or_the_campaigns() -> None:
    config = CampaignConfig.from_mapping(table(loss=0.1))
    [own] = CampaignConfig.from_mapping(table(devices=device(loss=0.0, uplink_period=60))).devices
    [plain] = config.devices
    assert (config.loss_of(plain), config.loss_of(own)) == (0.1, 0.0)
    assert (config.uplink_period_of(plain), config.uplink_period_of(own)) == (300, 60)
    assert CampaignConfig.from_mapping(table()).loss_of(plain) is None


# ---- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": ""}, "id: ''"),
        ({"id": "a/b"}, "'a/b'"),
        ({"success_threshold": 0}, "is not from 1 to 100"),
        ({"success_threshold": 100.5}, "success_threshold: 100.5"),
        ({"max_duration": 0}, "max_duration: 0"),
        ({"max_duration": float("nan")}, "max_duration: nan"),
        ({"max_duration": float("inf")}, "max_duration: inf"),
        ({"uplink_period": 0.5}, "uplink_period: 0.5"),
        ({"fw_version": "1.2"}, "fw_version: '1.2'"),
        ({"fw_version": 2**32}, "fw_version"),
        ({"msg_retries": -1}, "msg_retries: -1"),
        ({"msg_retries": 1.5}, "msg_retries"),
        ({"ucast_msg_delay": -1}, "ucast_msg_delay: -1"),
        ({"stage_end": "sometimes"}, "stage_end"),
        ({"redundancy": "6/5"}, "'6/5'"),
        ({"redundancy": "nonsense"}, "'nonsense'"),
        ({"redundancy": "1/0"}, "'1/0'"),
        ({"redundancy": -1}, "redundancy: -1"),
        ({"redundancy": 341}, "redundancy: 341"),
        ({"redundancy": 9, "frag_redundancy_max": 8}, "redundancy: 9"),
        ({"redundancy": True}, "redundancy"),
        ({"summary_window": 0}, "summary_window: 0"),
        ({"fsize": 0}, "fsize: 0"),
        ({"fsize": 256}, "fsize: 256"),
        ({"frag_index": 4}, "frag_index: 4"),
        ({"session_cnt": 65536}, "session_cnt: 65536"),
        ({"duty_cycle": 0}, "duty_cycle: 0"),
        ({"descriptor": "xyz"}, "descriptor: 'xyz'"),
        ({"descriptor": "00 00 00"}, "descriptor"),
        ({"mcgroup_validity_coeff": 0.5}, "mcgroup_validity_coeff: 0.5"),
        ({"session_start": -5}, "session_start"),
        ({"session_start": float("nan")}, "session_start"),
        ({"rows": [0]}, "rows"),
        ({"rows": [2, 2]}, "rows"),
        ({"rows": "12"}, "rows"),
        ({"groups": []}, "groups: there are none"),
        ({"devices": []}, "devices: there are none"),
        ({"groups": "g"}, "expected a list of tables, got str"),
        ({"devices": ["0000000000000001"]}, "expected a table, got str"),
        ({"ports": 200}, "expected a table, got int"),
        ({"ports": {"alarm": 1}}, "unknown key 'alarm'"),
        ({"ports": {"multicast": 0}}, "multicast"),
        ({"ports": {"multicast": 224}}, "multicast"),
        ({"ports": {"multicast": 201}}, "201"),
        ({"groups": group(mc_addr="01F3A4BX")}, "mc_addr: '01F3A4BX' is not a McAddr, expected 8 hexadecimal digits"),
        ({"groups": group(mc_addr="1f3a4b5")}, "mc_addr: '1f3a4b5'"),
        ({"groups": group(mc_addr="01f3a4b5\n")}, "mc_addr"),
        ({"groups": group(mc_group_id=4)}, "mc_group_id: 4"),
        ({"groups": group(first_f_cnt=2**32)}, "first_f_cnt: 4294967296"),
        ({"groups": group(first_f_cnt=-1)}, "first_f_cnt: -1"),
        ({"groups": group(region="MARS")}, "region: 'MARS' is not known"),
        ({"groups": group(dr=15)}, "DR15"),
        ({"groups": group(frequency=1)}, "1 Hz"),
        ({"groups": group(frequency=869_525_050)}, "869525050"),
        ({"groups": group(device_class="A")}, "device_class"),
        ({"groups": group(dialect="1.1.0")}, "dialect: '1.1.0' is not one of '1.0.0', '2.0.0'"),
        ({"groups": group(version="1.1.0")}, "version: '1.1.0' is not one of '1.0.0', '2.0.0'"),
        ({"groups": group(mc_version="3.0.0")}, "mc_version"),
        ({"groups": [*group(), {"name": "h", "mc_addr": "01f3a4b6", "dr": 5}]}, "group 'h': there are no devices"),
        ({"groups": group() + group(mc_addr="01f3a4b6")}, "'g' is given twice"),
        ({"devices": device(dev_eui="1")}, "dev_eui: '1'"),
        (
            {"devices": device(dev_eui="000000000000-00AB-")},
            "dev_eui: '000000000000-00AB-' is not a DevEUI",
        ),
        ({"devices": device(group="h")}, "group: 'h' is not one of"),
        ({"devices": device(lorawan="1.2")}, "lorawan"),
        ({"devices": device(uplink_period=0)}, "uplink_period: 0"),
        ({"devices": device() + device()}, "0000000000000001 is given twice"),
        ({"kind": "other"}, "kind"),
        ({"complete_delay": -1}, "complete_delay: -1"),
        ({"hw_version": -1}, "hw_version: -1"),
        ({"hw_version": 2**32}, "hw_version: 4294967296"),
        ({"requires_fw_version": "1.2"}, "requires_fw_version: '1.2'"),
        ({"reboot": "soon"}, "reboot: 'soon' is not 'device', 'after_transfer' or a Unix time"),
        ({"reboot": -1}, "reboot: -1"),
        ({"reboot": 2.0**32}, "reboot"),
        ({"reboot": float("nan")}, "reboot: nan"),
        ({"reboot": 2e9, "kind": "binary"}, "reboot: 2000000000.0 is for firmware updates only"),
        ({"datafrag_loops_max": 0}, "datafrag_loops_max: 0"),
        ({"classb_start_beacons_delay": -1}, "classb_start_beacons_delay: -1"),
        ({"fsession_status_threshold": -1}, "fsession_status_threshold: -1"),
        ({"fsession_status_timeout": -1}, "fsession_status_timeout: -1"),
        ({"time_sync_tolerance": -1}, "time_sync_tolerance: -1"),
        ({"answer_spread_max": 2049}, "answer_spread_max: 2049"),
        ({"rows": "last"}, "rows: 'last' is not 'first', 'selected' or a list of row numbers"),
        ({"ports": {"clock": 0}}, "clock"),
        ({"ports": {"clock": 203}}, "203"),
        ({"groups": group(periodicity=8)}, "periodicity: 8"),
        ({"groups": group(periodicity=-1)}, "periodicity: -1"),
        ({"groups": group(gateways=["a", "b", "a"])}, "gateways: a is given twice"),
        ({"groups": group(redundancy="7/6")}, "'7/6'"),
        ({"groups": group(redundancy=341)}, "redundancy: 341"),
        ({"groups": group(device_class="B", region="CN470")}, "frequency is missing, expected a number of Hz"),
        ({"devices": device(fw_version="1")}, "fw_version: '1'"),
        ({"devices": device(profile="mine")}, "profile: 'mine' is not known"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(changes, said) -> None:
    assert any(said in line for line in problems(**changes))


def test_a_device_names_a_profile_of_the_campaign_or_a_built_in_one() -> None:
    own = {"meter": {"base": "lbm", "max_frags": 850}, "logger": {"base": "st"}}
    config = CampaignConfig.from_mapping(table(profiles=own, devices=device(profile="meter")))
    assert config.profile_of(config.devices[0]) == profile("lbm").replace(name="meter", max_frags=850)
    assert config.profile_named("logger").frag_size_multiple == 8
    assert config.profile_named("zephyr") is profile("zephyr")
    with pytest.raises(ParameterError, match="profile: 'mine' is not known, expected one of meter, logger, lbm,"):
        config.profile_named("mine")


def test_wrong_profiles_of_a_campaign_are_named() -> None:
    meter = profile("lbm").replace(name="meter")
    config = CampaignConfig.from_mapping(table())
    with pytest.raises(ParameterError, match="profiles: 'meter' is given twice"):
        replace(config, profiles=(meter, meter))
    [problem] = problems(profiles={"meter": {"max_frag": 3}})
    assert "campaign.profiles.meter: unknown key 'max_frag', did you mean 'max_frags'?" in problem


def test_two_groups_at_one_address_are_refused() -> None:
    groups = [*group(), {"name": "h", "mc_addr": "01f3a4b5", "dr": 5}]
    devices = [*device(), {"dev_eui": "0000000000000002", "group": "h"}]
    assert problems(groups=groups, devices=devices) == ["campaign: groups: mc_addr 01f3a4b5 is given twice"]


@pytest.mark.parametrize(
    "name", ["id", "success_threshold", "max_duration", "uplink_period", "fw_version", "groups", "devices"]
)
def test_a_required_setting_that_is_missing_is_named(name) -> None:
    assert f"campaign: {name} is missing" in problems(**{name: None})


def test_all_problems_of_the_tables_of_a_configuration_are_reported_at_once() -> None:
    lines = problems(
        id=None,
        success_threshold="95",
        colour="red",
        groups=[{"name": "g", "mc_addr": 5, "shape": 1}, {"dr": "5"}],
        devices=[{"dev_eui": "0000000000000001"}],
        ports={"multicast": "200"},
    )
    text = "\n".join(lines)
    for said in (
        "id is missing",
        "success_threshold: '95'",
        "unknown key 'colour'",
        "groups[0]: unknown key 'shape'",
        "groups[0].mc_addr: 5",
        "groups[1]: name is missing",
        "groups[1]: mc_addr is missing",
        "groups[1].dr: '5'",
        "devices[0]: group is missing",
        "ports.multicast: '200'",
    ):
        assert said in text


def test_all_problems_of_the_values_of_a_configuration_are_reported_at_once() -> None:
    lines = problems(
        id="",
        success_threshold=0,
        fw_version="x",
        msg_retries=-1,
        groups=group(mc_addr="x", mc_group_id=9),
        devices=[*device(dev_eui="x"), *device(group="y")],
    )
    assert len(lines) == 8
    assert all(line.startswith("campaign: ") for line in lines)


def test_problems_of_tables_and_of_values_are_reported_together() -> None:
    text = "\n".join(problems(colour="red", success_threshold=0, groups=group(mc_group_id=9)))
    assert "unknown key 'colour'" in text
    assert "success_threshold: 0" in text
    assert "mc_group_id: 9" in text


def test_a_configuration_made_in_python_is_checked_too() -> None:
    right = CampaignConfig.from_mapping(table())
    settings = {name: getattr(right, name) for name in table()}
    with pytest.raises(ParameterError) as error:
        CampaignConfig(**{**settings, "success_threshold": 101, "msg_retries": -1})
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"stage_end": "sometimes"},
        {"groups": (Group(name="g", mc_addr="01f3a4b5", dr=5, dialect="3.0.0"),)},  # type: ignore[arg-type]
        {"groups": (Group(name="g", mc_addr="01f3a4b5", dr=5, mc_version="3.0.0"),)},  # type: ignore[arg-type]
        {"groups": (Group(name="g", mc_addr="01f3a4b5", dr=5, device_class="A"),)},  # type: ignore[arg-type]
        {"devices": (Device(dev_eui="0000000000000001", group="g", lorawan="2"),)},  # type: ignore[arg-type]
    ],
)
def test_choices_made_in_python_are_checked_too(changes) -> None:
    right = CampaignConfig.from_mapping(table())
    settings = {name: getattr(right, name) for name in table()}
    with pytest.raises(ParameterError):
        CampaignConfig(**{**settings, **changes})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.toml", "id = ", "c.toml"),
        ("c.json", "{", "c.json"),
        ("c.json", "[]", "expected tables, got list"),
        ("c.toml", "id = 'c'\nid = 'd'", "c.toml"),
    ],
)
def test_a_configuration_file_that_cannot_be_read_is_named(tmp_path, name, text, said) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ParameterError, match=said):
        CampaignConfig.load(tmp_path / name)


def test_a_configuration_file_that_is_missing_or_not_text_is_named(tmp_path) -> None:
    with pytest.raises(ParameterError, match=r"no\.toml: cannot be read"):
        CampaignConfig.load(tmp_path / "no.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParameterError, match="not UTF-8 text"):
        CampaignConfig.load(tmp_path / "b.toml")


def test_every_problem_of_a_file_names_the_file(tmp_path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(TOML.replace("95", "950").replace('"1.2.3.4"', '"1"'))
    with pytest.raises(ParameterError) as error:
        CampaignConfig.load(path)
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{path}: ") for line in lines)


def test_identifiers_and_regions_are_kept_in_one_form() -> None:
    config = CampaignConfig.from_mapping(
        table(
            groups=group(mc_addr="01:F3:A4:B5", region="eu863-870", gateways=["00-16-C0-01-F1-56-D7-E5", "roof"]),
            devices=device(dev_eui="00-00-00-00-00-00-00-AB"),
        )
    )
    assert [d.dev_eui for d in config.devices] == ["00000000000000ab"]
    assert [(g.mc_addr, g.region, g.gateways) for g in config.groups] == [
        ("01f3a4b5", "EU868", ("0016c001f156d7e5", "roof"))
    ]


def test_two_spellings_of_one_device_are_one_device() -> None:
    devices = [*device(dev_eui="00000000000000AB"), *device(dev_eui="00-00-00-00-00-00-00-ab")]
    assert problems(devices=devices) == ["campaign: devices: 00000000000000ab is given twice"]


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "\ud800", "a\u2028", "\u202eb"])
def test_names_that_do_not_print_are_refused(name: str) -> None:
    for changes in (
        {"id": name},
        {"groups": group(name=name), "devices": device(group=name)},
        {"groups": group(key=name)},
        {"groups": group(gateways=[name])},
        {"devices": device(key=name)},
        {"profiles": {name: {"base": "lbm"}}},
    ):
        [problem] = problems(**changes)
        assert f"{name!r} holds control characters, expected printable text" in problem
        assert name not in problem


def test_many_problems_are_listed_to_the_twentieth_and_counted() -> None:
    wrong = [{"dev_eui": f"{i:016x}", "group": "g", "loss": 2} for i in range(1000)]
    with pytest.raises(ParameterError) as caught:
        CampaignConfig.from_mapping(table(devices=wrong))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[0] == "campaign: device 0000000000000000: loss: 2.0 is not from 0 to below 1"
    assert lines[-1] == "… and 980 more"
    assert len(caught.value.problems) == 1000


KEY = "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": group(key=KEY)},
        {"groups": group(name=KEY), "devices": device(group=KEY)},
        {"groups": group(), "devices": device(group=KEY)},
        {"devices": device(key=KEY)},
        {"devices": device(key=[KEY])},
        {"devices": device(dev_eui=KEY)},
        {"devices": [{**device()[0], KEY: "key"}]},
        {"profiles": {KEY: {"max_frag": 3}}},
    ],
)
def test_a_key_at_a_wrong_place_is_refused_and_not_shown(changes: dict[str, Any]) -> None:
    [*lines] = problems(**changes)
    assert lines
    assert KEY not in "".join(lines)


def test_a_key_at_a_wrong_place_is_no_local_variable_of_what_raises(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(table(devices=device(key=KEY))))
    with pytest.raises(ParameterError) as caught:
        CampaignConfig.load(path)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
    assert {frame.f_code.co_name for frame in frames} == {"load", "from_mapping"}
    found = [repr(value) for frame in frames for value in frame.f_locals.values()]
    assert KEY not in "".join(found)


def test_many_devices_are_read_in_little_more_time_than_they_are_made() -> None:
    """CPU time of both in one run, so that the machine does not matter."""
    rows = [{"dev_eui": f"{i:016x}", "group": "g", "fw_version": "1.0.0.0"} for i in range(10_000)]
    many = table(devices=rows)

    def cpu(work: Callable[[], object]) -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    made = min(cpu(lambda: [Device(**row) for row in rows]) for _ in range(5))
    read = min(cpu(lambda: CampaignConfig.from_mapping(many)) for _ in range(5))
    assert read < 5 * made


# ---- what several parts of a campaign derive -----------------------------------------------------------------------


def several_groups() -> CampaignConfig:
    groups = [
        {"name": name, "mc_addr": f"01f3a4b{i}", "dr": 5, "gateways": gateways, "frequency": frequency}
        for i, (name, gateways, frequency) in enumerate(
            [("a", [], 869_525_000), ("b", ["x"], 869_525_000), ("c", [], 869_525_000), ("d", ["x"], 868_100_000)]
        )
    ]
    devices = [{"dev_eui": f"{i:016x}", "group": name} for i, name in enumerate("abcdadca")]
    return CampaignConfig.from_mapping(table(groups=groups, devices=devices))


def test_members_are_the_devices_of_each_group_in_order() -> None:
    config = several_groups()
    assert list(config.members) == ["a", "b", "c", "d"]
    for name, members in config.members.items():
        assert members == tuple(device for device in config.devices if device.group == name)
    moved = replace(
        config, devices=tuple(replace(device, group="a") for device in config.devices), groups=config.groups[:1]
    )
    assert moved.members == {"a": moved.devices}


def test_kinds_of_groups_stand_for_all_groups() -> None:
    config = several_groups()
    for group in config.groups:
        sharing = sum(n for other, n in config.kinds_of_groups if share_air(other, group))
        assert sharing == sum(share_air(other, group) for other in config.groups)
    assert [n for _, n in config.kinds_of_groups] == [2, 1, 1]


def test_what_a_configuration_keeps_is_no_part_of_it() -> None:
    kept, fresh = several_groups(), several_groups()
    assert kept.members
    assert kept.kinds_of_groups
    assert (kept, repr(kept), hash(kept)) == (fresh, repr(fresh), hash(fresh))
    assert pickle.loads(pickle.dumps(kept)) == fresh
