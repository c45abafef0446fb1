"""The file of `campaign run`: its tables, and reports of all its problems at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.cli.runfile import read_run_file
from fuota_fec.devices.profiles import profile
from fuota_fec.errors import FuotaError, ParameterError

CampaignFile = Callable[..., Path]


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ParameterError) as info:
        read_run_file(str(path))
    return str(info.value).splitlines()


def test_a_run_file_gives_campaign_image_and_simulation(
    campaign_file: CampaignFile, firmware_bytes: Callable[[int], bytes]
):
    run = read_run_file(str(campaign_file(simulation="uplink_loss = 0.25")))
    assert run.config.id == "small"
    assert [device.group for device in run.config.devices] == ["meters"] * 3
    assert len({device.dev_eui for device in run.config.devices}) == 3
    assert run.image == firmware_bytes(2000)
    assert run.simulation.uplink_loss == 0.25


def test_the_path_of_a_trace_is_relative_to_the_run_file(
    campaign_file: CampaignFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The path is kept absolute, for a resume from another folder."""
    path = campaign_file(simulation='trace = "trace.csv"')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    trace = read_run_file(path.name).simulation.trace
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert trace == read_run_file(str(path)).simulation.trace == str(tmp_path / "trace.csv")


def test_a_run_file_may_be_json(campaign_file: CampaignFile):
    path = campaign_file()
    other = path.with_suffix(".json")
    other.write_text(json.dumps(tomllib.loads(path.read_text())))
    assert read_run_file(str(other)) == read_run_file(str(path))


def test_a_run_file_may_list_its_devices(campaign_file: CampaignFile):
    text = campaign_file().read_text().replace("n_devices = 3", "")
    listed = '[[campaign.devices]]\ndev_eui = "00000000000000a1"\ngroup = "meters"\n'
    path = campaign_file()
    path.write_text(text + listed)
    assert [device.dev_eui for device in read_run_file(str(path)).config.devices] == ["00000000000000a1"]
    path.write_text(text.replace("[simulation]", "[simulation]\nn_devices = 3") + listed)
    [problem] = problems_of(path)
    assert "n_devices" in problem
    assert "devices" in problem


OWN = """
[profiles.meter]
base = "lbm"
max_frags = 850
"""


def test_a_run_file_may_have_profiles_of_its_own(campaign_file: CampaignFile):
    path = campaign_file(simulation='profile = "meter"')
    path.write_text(path.read_text() + OWN)
    config = read_run_file(str(path)).config
    assert config.profiles == (profile("lbm").replace(name="meter", max_frags=850),)
    assert {config.profile_of(device).max_frags for device in config.devices} == {850}


def test_profiles_in_two_places_of_a_run_file_are_refused(campaign_file: CampaignFile):
    path = campaign_file(campaign="profiles = {}")
    path.write_text(path.read_text() + OWN)
    assert any("campaign.profiles: there is a table [profiles] as well" in line for line in problems_of(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[profiles.meter]\nbase = "lbn"', "campaign.profiles.meter: base: 'lbn' is not known, expected one of lbm,"),
        (
            "[profiles.meter]\nmax_frag = 1",
            "profiles.meter: unknown key 'max_frag', did you mean 'max_frags'?",
        ),
        ('[profiles.meter]\nmax_frags = "8"', "campaign.profiles.meter.max_frags: '8' is not allowed"),
    ],
)
def test_a_wrong_profile_of_a_run_file_is_named(campaign_file: CampaignFile, text: str, expected: str):
    path = campaign_file()
    path.write_text(path.read_text() + text)
    [problem] = problems_of(path)
    assert expected in problem


def test_made_up_devices_are_spread_over_the_groups(campaign_file: CampaignFile):
    second = '[[campaign.groups]]\nname = "valves"\nmc_addr = "01f3a4b6"\n'
    run = read_run_file(str(campaign_file(group=second, n_devices=5)))
    groups = [device.group for device in run.config.devices]
    assert (groups.count("meters"), groups.count("valves")) == (3, 2)


def test_the_path_of_an_image_is_relative_to_the_run_file(
    campaign_file: CampaignFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    path = campaign_file()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_run_file("../campaign.toml") == read_run_file(str(path))


def test_every_problem_of_a_run_file_is_reported_at_once(campaign_file: CampaignFile):
    path = campaign_file(campaign="speed = 3\nmsg_retries = 'x'", group="dr2 = 1", image="pth = 1", n_devices='"many"')
    problems = problems_of(path)
    assert all(problem.startswith(f"{path}: ") for problem in problems)
    text = "\n".join(problems)
    for part in ("'speed'", "msg_retries: 'x'", "groups[0]", "'dr2'", "'pth'", "n_devices: 'many'"):
        assert part in text


def test_one_mistake_in_a_run_file_is_one_problem(campaign_file: CampaignFile):
    """A wrong fleet adds no missing devices, and a wrong group no wrong device."""
    assert len(problems_of(campaign_file(n_devices=0))) == 1
    assert len(problems_of(campaign_file(simulation="uplink_loss = 1.5"))) == 1
    assert len(problems_of(campaign_file(replace=('name = "meters"', "name = 3")))) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("simulaton", "'simulaton', did you mean 'simulation'?"),
        ("2b" * 16, "'(32 hexadecimal digits)', expected one of campaign, image, simulation, profiles"),
        ("x" * 10_000, f"'{'x' * 96}..., expected one of campaign, image, simulation, profiles"),
    ],
)
def test_an_unknown_table_is_shown_as_any_value(campaign_file: CampaignFile, name: str, said: str):
    path = campaign_file()
    path.write_text(f"{path.read_text()}\n[{name}]\n")
    assert problems_of(path) == [f"{path}: unknown table {said}"]


@pytest.mark.parametrize("kept", [[], ["campaign"], ["image", "simulation"]])
def test_missing_tables_are_named(campaign_file: CampaignFile, kept: list[str]):
    path = campaign_file()
    tables = tomllib.loads(path.read_text())
    path = path.with_suffix(".json")
    path.write_text(json.dumps({name: tables[name] for name in kept}))
    missing = {"campaign", "image", "simulation"} - set(kept)
    problems = problems_of(path)
    assert len(problems) == len(missing)
    assert all(f"[{name}] is missing" in "\n".join(problems) for name in missing)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"campaign": 'redundancy = "much"'}, ["redundancy", "'much'"]),
        ({"campaign": "redundancy = -1"}, ["redundancy", "-1"]),
        ({"campaign": "redundancy = 341"}, ["redundancy", "341", "340"]),
        ({"campaign": "session_start = 1e10"}, ["session_start", "10000000000.0", "4294967295"]),
        ({"campaign": "msg_retries = 1.5"}, ["msg_retries", "1.5", "int"]),
        ({"campaign": "stage_end = 'never'"}, ["stage_end", "'never'", "threshold", "all"]),
        ({"campaign": "descriptor = '00'"}, ["descriptor", "'00'", "8 hexadecimal digits"]),
        ({"campaign": "fsize = 256"}, ["fsize", "256", "1 to 255"]),
        ({"campaign": "frag_index = 4"}, ["frag_index", "4", "0 to 3"]),
        ({"campaign": "session_start = nan"}, ["session_start", "nan"]),
        ({"campaign": "session_start = inf"}, ["session_start", "inf"]),
        ({"campaign": "ports = 3"}, ["ports", "table"]),
        ({"campaign": "ports = {multicast = 0}"}, ["ports", "multicast", "0"]),
        ({"campaign": "ports = {multicast = 2000}"}, ["ports", "multicast", "2000"]),
        ({"campaign": "ports = {multicast = 201}"}, ["ports", "201"]),
        ({"campaign": "rows = [0, 1]"}, ["rows", "0"]),
        ({"campaign": "rows = [1, 1]"}, ["rows", "1", "twice"]),
        ({"group": "mc_group_id = 4"}, ["mc_group_id", "4", "0 to 3"]),
        ({"group": "region = 'MARS1'"}, ["region", "'MARS1'", "EU868"]),
        ({"group": "frequency = 1"}, ["1 Hz", "EU868"]),
        ({"group": "version = '3.0.0'"}, ["version", "'3.0.0'", "1.0.0", "2.0.0"]),
        ({"group": "device_class = 'D'"}, ["device_class", "'D'", "'B'", "'C'"]),
        ({"replace": ("dr = 5", "dr = 99")}, ["DR99", "DR5"]),
        ({"replace": ("dr = 5", "dr = 'fast'")}, ["dr", "'fast'", "int"]),
        ({"replace": ('mc_addr = "01f3a4b5"', 'mc_addr = "1"')}, ["mc_addr", "'1'", "8", "hexadecimal"]),
        ({"replace": ('name = "meters"', 'name = ""')}, ["name"]),
        ({"replace": ('"1.2.3.4"', '"1.2"')}, ["fw_version", "'1.2'", "1.2.3.4"]),
        ({"replace": ("success_threshold = 90", "success_threshold = 0")}, ["success_threshold", "0", "1 to 100"]),
        ({"replace": ("max_duration = 86400", "max_duration = nan")}, ["max_duration", "nan"]),
        ({"replace": ("max_duration = 86400", "")}, ["max_duration", "missing"]),
        ({"image": "format = 'exe'"}, ["format", "'exe'"]),
        ({"image": "name = 'X'"}, ["package", "name"]),
        ({"replace": ('"firmware.bin"', "3")}, ["path", "3", "str"]),
        ({"replace": ('path = "firmware.bin"', "")}, ["path", "package"]),
        ({"simulation": "downlink_loss = 1"}, ["downlink_loss", "1"]),
        ({"simulation": "downlink_loss = nan"}, ["downlink_loss", "nan"]),
        ({"simulation": "start = nan"}, ["start", "nan"]),
        ({"simulation": "start = inf"}, ["start", "inf"]),
        ({"simulation": "process_time = nan"}, ["process_time", "nan"]),
        ({"simulation": "process_time = inf"}, ["process_time", "inf"]),
        ({"simulation": "clock_error = inf"}, ["clock_error", "inf"]),
        ({"simulation": "old_version = -1"}, ["old_version", "-1"]),
        ({"simulation": "old_version = 0x100000000"}, ["old_version", "4294967296"]),
        ({"simulation": "speed = 1"}, ["'speed'", "seed"]),
        ({"replace": ("seed = 1", "seed = -1")}, ["seed", "-1"]),
        ({"n_devices": 0}, ["n_devices", "0"]),
        ({"n_devices": 2_000_000}, ["n_devices", "2000000"]),
        ({"n_devices": "true"}, ["n_devices", "True"]),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_with_what_was_expected(
    campaign_file: CampaignFile, change: dict[str, object], said: list[str]
):
    path = campaign_file(**change)
    text = "\n".join(problems_of(path))
    assert str(path) in text
    for part in said:
        assert part in text, text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.toml", b"campaign =", ["a.toml"]),
        ("a.toml", b"\xff\xfe", ["a.toml", "UTF-8"]),
        ("a.toml", b"x = " + b"[" * 100_000, ["a.toml"]),
        ("a.toml", b"other = 1\n", ["a.toml", "'other'", "campaign", "image", "simulation"]),
        ("a.toml", b"campaign = 1\nimage = []\nsimulation = 'x'\n", ["campaign: 1 is not a table"]),
        ("a.json", b"{", ["a.json"]),
        ("a.json", b"[1]", ["a.json", "table"]),
        ("a.json", b"null", ["a.json", "table"]),
        ("a.json", b"[" * 100_000, ["a.json"]),
        ("a.txt", b"\x7fELF", ["a.txt"]),
    ],
    ids=["cut", "utf-8", "deep", "unknown", "types", "cut-json", "list", "null", "deep-json", "other"],
)
def test_an_unreadable_run_file_is_refused(tmp_path: Path, name: str, content: bytes, said: list[str]):
    (tmp_path / name).write_bytes(content)
    text = "\n".join(problems_of(tmp_path / name))
    for part in said:
        assert part in text, text


@pytest.mark.parametrize("name", ["nothing.toml", "."])
def test_a_missing_run_file_is_named(tmp_path: Path, name: str):
    [problem] = problems_of(tmp_path / name)
    assert str(tmp_path) in problem
    assert "directory" in problem


def test_a_missing_image_is_named(campaign_file: CampaignFile):
    [problem] = problems_of(campaign_file(replace=('"firmware.bin"', '"nothing.bin"')))
    assert "nothing.bin" in problem
    assert "No such file" in problem


value = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-1, 5), max_size=3),
    st.dictionaries(st.sampled_from(["name", "multicast", "x"]), st.integers(), max_size=2),
)
KEYS = {
    "campaign": "id fw_version success_threshold max_duration uplink_period groups devices stage_end msg_retries "
    "session_start redundancy rows fsize descriptor frag_index duty_cycle ports mcast_msg_delay new",
    "simulation": "seed n_devices downlink_loss uplink_loss repeat old_version process_time clock_error start "
    "owns_f_cnt",
    "image": "path package name format board start stop",
    "group": "name mc_addr key mc_group_id region dr frequency device_class dwell_time version mc_version first_f_cnt",
}
change = st.one_of(*(st.tuples(st.just(t), st.sampled_from(keys.split()), value) for t, keys in KEYS.items()))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "firmware.bin").write_bytes(b"firmware")
    group = {"name": "meters", "mc_addr": "01f3a4b5", "dr": 5}
    good = {
        "campaign": {
            "id": "small",
            "fw_version": "1.2.3.4",
            "success_threshold": 90,
            "max_duration": 86400,
            "uplink_period": 300,
            "groups": [group],
        },
        "image": {"path": "firmware.bin"},
        "simulation": {"n_devices": 3},
    }
    return folder / "run.json", json.dumps(good)


@given(changes=st.lists(change, min_size=1, max_size=3))
@settings(max_examples=200)
def test_any_values_in_a_run_file_are_read_or_refused(tables: tuple[Path, str], changes: list[tuple[str, str, object]]):
    """A campaign or a ParameterError, whatever stands in the file."""
    path, good = tables
    table = json.loads(good)
    for where, key, new in changes:
        if where == "group":
            if isinstance(table["campaign"]["groups"], list) and table["campaign"]["groups"]:
                table["campaign"]["groups"][0] = {"name": "meters", "mc_addr": "01f3a4b5", "dr": 5, key: new}
        elif (where, key) != ("simulation", "n_devices") or not isinstance(new, int) or new < 1000:
            table[where][key] = new
    path.write_text(json.dumps(table))
    try:
        run = read_run_file(str(path))
    except FuotaError:
        return
    assert run.image
    assert run.config.devices
