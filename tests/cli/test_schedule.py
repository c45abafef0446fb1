"""`schedule`: tables, JSON, and the output in the how-to page."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fuota_fec.planning.fleet_schedule import Sending
from fuota_fec.planning.what_if import what_if

Fuota = Callable[..., Result]
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "schedule.md"
FLEET = "0:60,1:80,2:80,3:110,4:220,5:450"


def test_schedule_prints_data_rates_and_groupings(fuota: Fuota):
    result = fuota("schedule", "20000", "--devices-per-dr", FLEET)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "20000 bytes to 1000 devices, EU868, class C, duty cycle 10 %; one session after the other; energy with sx127x"
    )
    assert [line.split()[0] for line in lines[4:10]] == [f"DR{dr}" for dr in range(6)]
    assert "940 of 1000" in lines[5]
    assert "417 + 84" in lines[4]
    assert "3 h 52 min" in lines[4]
    groupings = lines[13:]
    assert len(groupings) == 6
    assert groupings[0].split()[0] == "DR0-5"
    [chosen] = [line for line in groupings if line.startswith("*")]
    assert "least energy" in chosen


def test_schedule_prints_all_groupings(fuota: Fuota):
    result = fuota("schedule", "20000", "--devices-per-dr", FLEET, "--all")
    assert len(result.stdout.splitlines()) == 13 + 32


def test_json_of_a_schedule_is_that_of_the_library(fuota: Fuota):
    result = fuota(
        "schedule", "20000", "--devices-per-dr", "DR2:10, dr5:20", "-R", "30", "--json", "--choose", "duration"
    )
    facts = json.loads(result.stdout)
    choice = what_if(20_000, {2: 10, 5: 20}, n_coded=30, sending=Sending())
    assert [f["duration"] for f in facts["data_rates"]] == [fleet.duration for fleet in choice.rates]
    assert [f["mean_energy"] for f in facts["groupings"]] == [fleet.mean_energy for fleet in choice.groupings]
    assert choice.groupings[facts["chosen"]] == choice.best("duration")
    [group] = facts["groupings"][0]["groups"]
    assert (group["dr"], group["drs"], group["n_devices"], group["n_coded"]) == (2, [2, 5], 30, 30)
    assert group["time"]["rule"] == "duty_cycle"
    assert facts["sending"]["duty_cycle"] == 0.1
    assert facts["refusal"] == ""


def test_options_reach_the_schedule(fuota: Fuota):
    def facts(*args: str) -> dict:
        result = fuota("schedule", "1000", "--devices-per-dr", "5:1", "--json", *args)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)["groupings"][0]["groups"][0]

    assert facts("--code-rate", "1/2")["n_coded"] == 5
    assert facts("--code-rate", "1")["n_coded"] == 0
    assert facts("--code-rate", "1/2", "-F", "1")["n_coded"] == 340, "as a campaign limits it"
    assert facts("--code-rate", "1/2", "-F", "1", "--frag-redundancy-max", "500")["n_coded"] == 500
    assert facts("--code-rate", "1/2", "--frag-redundancy-max", "3")["n_coded"] == 3
    assert facts("-R", "500")["n_coded"] == 500
    assert facts("--kind", "binary", "--code-rate", "1")["time_out"] == 10
    assert facts("--kind", "binary", "--code-rate", "1", "--msg-retries", "5")["time_out"] == 11
    assert facts("-F", "100")["frag_size"] == 100
    assert facts("--repeater")["frag_size"] == 219
    assert facts("--profile", "zephyr")["frag_size"] == 232
    assert facts("--profile", "zephyr", "--profile", "loramac-node")["frag_size"] == 48
    assert facts("--network-pacing", "9000")["time"]["spacing"] == 9.0
    assert facts("--mcast-msg-delay", "8000")["time"]["spacing"] == 8.0
    assert facts("--duty-cycle", "0.01")["duty_cycle"] == 0.01
    assert facts("--frequency-hz", "868300000")["duty_cycle"] == 0.01
    assert facts("--periodicity", "4")["time"]["spacing"] == 16.0
    assert facts("--setup-time", "600")["start"] == 600.0
    listening = facts()
    assert facts("--until-time-out")["listening"] == 2 ** listening["time_out"] > listening["listening"]
    assert facts("--voltage", "6")["energy"] == pytest.approx(2 * listening["energy"])
    assert facts("--rx-ma", "32")["energy"] == pytest.approx(2 * listening["energy"])
    assert facts("--tx-ma", "40", "--tx-time", "10")["energy"] == pytest.approx(listening["energy"] + 1.2)


def test_the_radio_is_the_given_one_or_that_of_the_profiles(fuota: Fuota):
    def facts(*args: str) -> dict:
        return json.loads(fuota("schedule", "2000", "--devices-per-dr", "3:1", "--json", *args).stdout)

    assert [facts(*args)["radio"] for args in ((), ("--profile", "st"), ("--profile", "st", "--profile", "lbm"))] == [
        *("sx127x", "sx126x", "sx127x"),
    ]
    group = facts("--radio", "sx126x")["groupings"][0]["groups"][0]
    assert group["energy"] == pytest.approx(0.0196 * group["listening"] + 6.4, rel=1e-3)
    assert facts("--radio", "sx126x", "--profile", "lbm")["energy"]["rest"] == 6.4
    assert facts("--radio", "sx126x", "--rx-ma", "30")["energy"]["rx_current"] == 0.03


def test_a_refusal_is_printed_beside_the_tables(fuota: Fuota):
    late = fuota("schedule", "20000", "--devices-per-dr", "0:1,5:1", "--within", "1")
    assert late.exit_code == 1
    assert "--within: 3600 s is too short, the quickest grouping" in late.stdout
    assert "*" not in late.stdout
    long = fuota("schedule", "100000", "--devices-per-dr", "0:1,5:1")
    assert long.exit_code == 1
    assert "cannot be sent: DR0" in long.stdout
    assert long.stdout.splitlines()[-1].startswith("no grouping of the fleet can be sent: DR0")
    assert json.loads(fuota("schedule", "100000", "--devices-per-dr", "0:1", "--json").stdout)["chosen"] is None


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["0", "--devices-per-dr", "5:1"], "IMAGE_LEN"),
        (["1000"], "--devices-per-dr"),
        (["1000", "--devices-per-dr", "5"], "--devices-per-dr: '5' is not a list"),
        (["1000", "--devices-per-dr", "5:-1"], "is not a list"),
        (["1000", "--devices-per-dr", "5:1,5:2"], "DR5 is given twice"),
        (["1000", "--devices-per-dr", "5:0"], "there are no devices"),
        (["1000", "--devices-per-dr", "9:1"], "DR9 is for uplinks only"),
        (["1000", "--devices-per-dr", "5:1", "--region", "moon"], "region: 'moon' is not a region"),
        (["1000", "--devices-per-dr", "5:1", "--profile", "none"], "none"),
        (["1000", "--devices-per-dr", "5:1", "--code-rate", "2"], "--code-rate: '2' is not a code rate"),
        (["1000", "--devices-per-dr", "5:1", "--code-rate", "1/2", "-R", "3"], "give one of them"),
        (["1000", "--devices-per-dr", "5:1", "--duty-cycle", "2"], "duty cycle"),
        (["1000", "--devices-per-dr", "5:1", "--setup-time", "-1"], "setup"),
        (["1000", "--devices-per-dr", "5:1", "--rx-ma", "nan"], "'--rx-ma': nan is not a number, expected 0 or more"),
        (["1000", "--devices-per-dr", "5:1", "--rx-ma", "-4"], "'--rx-ma': -4 is not a number, expected 0 or more"),
        (["1000", "--devices-per-dr", "5:1", "--within", "nan"], "'--within': nan is not a number, expected 0 or more"),
        (["1000", "--devices-per-dr", "5:1", "-F", "300"], "--frag-size: 300 is not from 1 to 255"),
        (["1000", "--devices-per-dr", "5:1", "-R", "99999"], "--n-coded"),
        (["1000", "--devices-per-dr", "5:1", "--code-rate", "adaptive"], "--code-rate: 'adaptive' is not a code rate"),
        (["1000", "--devices-per-dr", "5:1", "--frag-redundancy-max", "-1"], "--frag-redundancy-max"),
        (["1000", "--devices-per-dr", "5:1", "--msg-retries", "-1"], "--msg-retries"),
    ],
)
def test_wrong_input_of_schedule(fuota: Fuota, args: list[str], expected: str):
    result = fuota("schedule", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert expected in result.stderr


def test_the_documentation_shows_what_the_command_prints(fuota: Fuota):
    blocks = re.findall(r"```\n\$ fuota-fec (.*)\n([^`]*)```", HOW_TO.read_text(encoding="utf-8"))
    assert len(blocks) == 2
    for command, output in blocks:
        printed = fuota(*shlex.split(command)).stdout.splitlines()
        assert [line.rstrip() for line in printed] == output.splitlines()


def test_schedule_counts_own_uplinks_and_warns_above_5_percent(fuota: Fuota):
    result = fuota("schedule", "20000", "--devices-per-dr", "0:60,5:450", "--uplink-period", "15")
    assert "warning: at DR0 devices miss 35% of the fragments because of their own uplinks" in result.stdout
    result = fuota("schedule", "20000", "--devices-per-dr", "0:60,5:450", "--uplink-period", "600", "--json")
    [slow, fast] = json.loads(result.stdout)["groupings"][1]["groups"]
    assert 0 < fast["own_uplink_loss"] < slow["own_uplink_loss"] < 0.01
    for other in ((), ("--uplink-period", "15", "--periodicity", "0")):
        assert "warning" not in fuota("schedule", "20000", "--devices-per-dr", "0:60,5:450", *other).stdout
    assert fuota("schedule", "20000", "--devices-per-dr", "0:60", "--uplink-period", "0").exit_code != 0


def test_schedule_refuses_a_data_rate_that_a_profile_does_not_receive(fuota: Fuota):
    result = fuota("schedule", "20000", "--devices-per-dr", "0:60,8:5", "--region", "US915", "--profile", "lbm")
    assert result.exit_code != 0
    assert "DR0 (SF5/500 kHz) exists since RP002-1.0.5, lbm devices do not receive it" in result.stderr


def test_schedule_refuses_the_newest_data_rates_unless_a_profile_has_them(fuota: Fuota, tmp_path: Path):
    sending = ("schedule", "20000", "--devices-per-dr", "8:5,14:5", "--region", "US915")
    result = fuota(*sending)
    assert result.exit_code != 0
    assert "DR14 (SF6/500 kHz) exists since RP002-1.0.5, generic devices do not receive it" in result.stderr
    assert 'base = "generic" and new_data_rates = true in [profiles.NAME]' in result.stderr
    own = tmp_path / "own.toml"
    own.write_text('[profiles.new]\nbase = "generic"\nnew_data_rates = true\n')
    assert fuota(*sending, "--profiles", str(own), "--profile", "new").exit_code == 0


def test_the_dialect_is_checked_against_the_profile(fuota: Fuota) -> None:
    args = ["schedule", 1000, "--devices-per-dr", "5:10", "--profile", "loramac-node", "--json"]
    plain = fuota(*args)
    assert fuota(*args, "--dialect", "1.0.0").stdout == plain.stdout
    refused = fuota(*args, "--dialect", "2.0.0")
    assert refused.exit_code == 2
    assert "--dialect: 2.0.0 is not a dialect of profile 'loramac-node', expected 1.0.0" in refused.stderr


@pytest.mark.parametrize("written", ["eu868", "EU863-870", "EU_868"])
def test_the_region_may_be_written_in_any_usual_way(fuota: Fuota, written: str) -> None:
    args = ["schedule", 1000, "--devices-per-dr", "5:10", "--json", "--region"]
    assert fuota(*args, written).stdout == fuota(*args, "EU868").stdout
