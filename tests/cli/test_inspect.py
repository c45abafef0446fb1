"""`inspect`: commands of a payload as text and as JSON, and messages for wrong payloads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.cli.inspect import PACKAGES, inspect_command
from fuota_fec.wire import clock, fragmentation

SETUP = "020015003000" + "0d00000000"
"""The interoperability test: 995 bytes as 21 fragments of 48, padding 13."""


def run(*args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(inspect_command, list(args), input=stdin)


def as_json(*args: str, status: int = 0) -> Any:
    result = run(*args, "--json")
    assert (result.exit_code, result.stderr) == (status, "")
    return json.loads(result.stdout)


def test_inspect_shows_the_fields_of_a_setup() -> None:
    result = run(SETUP, "--port", "201")
    assert result.exit_code == 0
    assert result.stdout == (
        "11 bytes in hexadecimal\n"
        "  0  FragSessionSetupReq: frag_index 0, mc_group_bit_mask 0x0 (no group), nb_frag 21, frag_size 48 bytes, "
        "block_ack_delay 0 (answers within 16 s), padding 13 bytes, descriptor 00000000, frag_algo 0, "
        "ack_reception no\n"
    )


def test_inspect_prints_a_line_per_command_with_its_offset() -> None:
    result = run("00" + SETUP + "0103", "--port", "201")
    assert [line.split(":")[0].split() for line in result.stdout.splitlines()[1:]] == [
        ["0", "PackageVersionReq"],
        ["1", "FragSessionSetupReq"],
        ["12", "FragSessionStatusReq"],
    ]


@pytest.mark.parametrize(
    ("port", "direction", "payload", "texts"),
    [
        (
            200,
            "--downlink",
            "040020b8795308d2ad8403",
            ["1400485920 (2024-05-23T07:51:42Z)", "869.525 MHz", "8 (256 s)"],
        ),
        (200, "--downlink", "05000080735328d2ad8403", ["8 (32768 s)", "2 (32 slots in 128 s)"]),
        (200, "--uplink", "0400ffffff", ["time_to_start 0xffffff (clock not set, or start too far ahead)"]),
        (200, "--uplink", "0400e80300", ["time_to_start 1000 s"]),
        (200, "--uplink", "0421", ["start_missed yes, other_errors 0\n"]),
        (
            200,
            "--uplink",
            "01130004030201010d0c0b0a",
            ["[mc_group_id 0, mc_addr 01020304; mc_group_id 1, mc_addr 0a0b"],
        ),
        (201, "--uplink", "000302", ["package_identifier 3 (TS004), package_version 2 (2.0.0)"]),
        (201, "--uplink", "000909", ["package_identifier 9 (unknown), package_version 9 (unknown)"]),
        (201, "--uplink", "010a40ff00", ["nb_frag_received 10, missing_frag 255 or more"]),
        (201, "--downlink", "080140aabbcc", ["frag_index 1, n 1, payload aabbcc (3 bytes)"]),
        (202, "--downlink", "01f6ffffff05", ["time_correction -10 s, token_ans 5"]),
        (202, "--downlink", "0203", ["period 3 (every 1024 s)"]),
        (202, "--uplink", "0100f1765305", ["device_time 1400303872 (2024-05-21T05:17:34Z)"]),
        (203, "--uplink", "014433221178563412", ["fw_version 17.34.51.68 (0x11223344)", "hw_version 18.52.86.120"]),
        (203, "--uplink", "040304030201", ["3 (valid), next_firmware_version 1.2.3.4 (0x01020304)"]),
        (203, "--downlink", "0504030201", ["firmware_to_delete_version 1.2.3.4"]),
        (203, "--downlink", "02ffffffff", ["reboot_time 0xffffffff (cancel)"]),
        (203, "--downlink", "0200000000", ["reboot_time 0x0 (as soon as possible)"]),
        (203, "--downlink", "02105c7253", ["(2024-05-17T17:53:02Z)"]),
        (203, "--uplink", "02100e0000", ["reboot_time 3600 s"]),
        (203, "--uplink", "0200000000", ["reboot_time 0x0 (cannot)"]),
        (203, "--downlink", "03580200", ["countdown 600 s"]),
        (203, "--uplink", "03ffffff", ["countdown 0xffffff (cancelled)"]),
    ],
)
def test_fields_have_units_and_meanings(port: int, direction: str, payload: str, texts: list[str]) -> None:
    result = run(payload, "--port", str(port), direction)
    assert (result.exit_code, result.stderr) == (0, "")
    for text in texts:
        assert text in result.stdout


def test_the_direction_is_down_unless_given() -> None:
    assert run("0103", "--port", "201").stdout == run("0103", "--port", "201", "--downlink").stdout
    assert "FragSessionStatusAns" in run("010a400000", "--port", "201", "--uplink").stdout
    assert "[default: --downlink]" in run("--help").stdout


def test_the_version_of_the_package_decides_the_layout() -> None:
    second = SETUP + "0700" + "c66962e9"
    decoded = as_json(second, "--port", "201", "--version", "2.0.0")
    [command] = decoded["commands"]
    assert (command["fields"]["session_cnt"], command["fields"]["mic"]) == (7, "c66962e9")
    assert decoded["version"] == "2.0.0"
    assert run(second, "--port", "201").exit_code == 1  # in 1.0.0 the rest is no command
    assert as_json(second, "--port", "201", "--dialect", "2.0.0") == decoded


def test_zeros_after_a_setup_may_be_its_fields_in_the_other_dialect() -> None:
    rest = "00" * 6
    result = run(SETUP + rest, "--port", "201")
    assert result.exit_code == 0
    assert result.stderr == "note: it is one FragSessionSetupReq with --dialect 2.0.0\n"
    assert as_json(SETUP + rest, "--port", "201")["hint"] == "it is one FragSessionSetupReq with --dialect 2.0.0"
    assert run(SETUP + rest, "--port", "201", "--dialect", "2.0.0").stderr == ""
    assert run(SETUP + "00", "--port", "201").stderr == ""


def test_inspect_prints_json() -> None:
    assert as_json("014433221178563412", "--port", "203", "--uplink") == {
        "port": 203,
        "package": "TS006",
        "version": "1.0.0",
        "uplink": True,
        "payload": "014433221178563412",
        "encoding": "hexadecimal",
        "commands": [
            {
                "offset": 0,
                "command": "DevVersionAns",
                "cid": 1,
                "fields": {"fw_version": 0x11223344, "hw_version": 0x12345678},
                "text": {"fw_version": "17.34.51.68 (0x11223344)", "hw_version": "18.52.86.120 (0x12345678)"},
            }
        ],
        "error": None,
    }


def test_json_of_nested_fields_and_octets() -> None:
    [status] = as_json("01110004030201", "--port", "200", "--uplink")["commands"]
    assert status["fields"]["items"] == [{"mc_group_id": 0, "mc_addr": 0x01020304}]
    [fragment] = as_json("080100aabb", "--port", "201")["commands"]
    assert fragment["fields"]["payload"] == "aabb"


# ---- what cannot be decoded ----------------------------------------------------------------------------------------


def test_a_payload_cut_short_is_an_error() -> None:
    result = run("000215", "--port", "201")
    assert result.exit_code == 1
    assert result.stdout == "3 bytes in hexadecimal\n  0  PackageVersionReq\n"
    assert result.stderr == (
        "error: FragSessionSetupReq: the command at byte 1 is cut short, expected 11 bytes with its CID, there are 2\n"
    )


def test_a_payload_cut_short_in_json() -> None:
    decoded = as_json("000215", "--port", "201", status=1)
    assert [command["command"] for command in decoded["commands"]] == ["PackageVersionReq"]
    assert (decoded["error"]["offset"], decoded["error"]["field"]) == (1, "FragSessionSetupReq")


def test_an_unknown_command_is_an_error() -> None:
    result = run("00ff0102", "--port", "201")
    assert result.exit_code == 1
    assert result.stdout == "4 bytes in hexadecimal\n  0  PackageVersionReq\n"
    assert result.stderr == (
        "error: TS004 1.0.0 has no command 0xff in downlinks (at byte 1); the bytes after it, 0102, cannot be read\n"
    )
    decoded = as_json("00ff0102", "--port", "201", status=1)
    assert [command["command"] for command in decoded["commands"]] == ["PackageVersionReq"]
    assert decoded["error"]["offset"] == 1


def test_an_unknown_last_command_is_an_error() -> None:
    assert run("04", "--port", "201", "--uplink").stderr.endswith("0x04 in uplinks (at byte 0)\n")


# ---- wrong usage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["zz", "--port", "201"], "expected an even number of hexadecimal digits, or base64, got 'zz'"),
        (["0", "--port", "201"], "expected an even number of hexadecimal digits, or base64, got '0'"),
        (["?" * 1000, "--port", "201"], f"got '{'?' * 40}…'"),
        (["", "--port", "201"], "the payload is empty"),
        (["00", "--port", "9"], "'9' is not one of '200', '201', '202', '203'"),
        (["00"], "Missing option '--port'"),
        (["--port", "201"], "Missing argument 'PAYLOAD'"),
        (
            ["00", "--port", "203", "--version", "2.0.0"],
            "version: '2.0.0' is not a version of this package, expected 1.0.0",
        ),
        (["00", "--port", "201", "--version", "3"], "dialect: '3' is not a TS004 dialect, expected '1.0.0' or '2.0.0'"),
        (["00", "00", "--port", "201"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_of_inspect(args: list[str], message: str) -> None:
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


# ---- where the payload comes from ----------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", ["01 03", "01:03", "0x0103", " 0103 ", "0X 01 03"])
def test_ways_to_write_a_payload(payload: str) -> None:
    assert as_json(payload, "--port", "201")["payload"] == "0103"


@pytest.mark.parametrize("payload", ["AgAVADAADQAAAAA=", "AgAVADAADQAAAAA", " AgAVADAADQAAAAA=\n"])
def test_a_payload_in_base64_is_read_and_shown_in_hexadecimal(payload: str) -> None:
    decoded = as_json(payload, "--port", "201")
    assert (decoded["payload"], decoded["encoding"]) == (SETUP, "base64")
    first, *rest = run(payload, "--port", "201").stdout.splitlines()
    assert first == f"11 bytes in base64: {SETUP}"
    assert rest == run(SETUP, "--port", "201").stdout.splitlines()[1:]


@pytest.mark.parametrize(
    ("payload", "version", "other"), [(SETUP, "2.0.0", "1.0.0"), (SETUP + "0700c66962e9", "1.0.0", "2.0.0")]
)
def test_a_setup_of_the_other_dialect_gets_a_hint(payload: str, version: str, other: str) -> None:
    result = run(payload, "--port", "201", "--dialect", version)
    assert result.exit_code == 1
    assert result.stderr.endswith(f"; it can be decoded with --dialect {other}\n")
    decoded = as_json(payload, "--port", "201", "--dialect", version, status=1)
    assert decoded["error"]["message"].endswith(f"--dialect {other}")


@pytest.mark.parametrize("stdin", ["0103", "0103\n", "\n 01 03 \r\n\n"])
def test_a_payload_from_standard_input(stdin: str) -> None:
    result = run("-", "--port", "201", stdin=stdin)
    assert (result.exit_code, result.stdout) == (0, run("0103", "--port", "201").stdout)


@pytest.mark.parametrize(
    ("stdin", "message"),
    [("", "the payload is empty"), ("00\n00\n", "got 2 lines"), (b"\xff\x00", "hexadecimal digits")],
)
def test_wrong_standard_input_is_refused(stdin: str | bytes, message: str) -> None:
    result = run("-", "--port", "201", stdin=stdin)
    assert result.exit_code == 2
    assert message in result.stderr


# ---- the recorded facts --------------------------------------------------------------------------------------------


def test_every_package_has_its_port() -> None:
    assert {port: name for port, (name, _) in PACKAGES.items()} == {
        200: "TS005",
        201: "TS004",
        202: "TS003",
        203: "TS006",
    }
    assert PACKAGES[202][1] is clock
    assert PACKAGES[201][1] is fragmentation


def test_every_recorded_command_is_shown(vectors: Callable[[str], list[dict[str, Any]]]) -> None:
    """JSON has the values of the command, and every field has a text."""
    ports = {name: port for port, (name, _) in PACKAGES.items()}
    shown = set()
    for vector in vectors("commands"):
        port, uplink = ports[vector["package"]], vector["direction"] == "up"
        version = f"{vector['version']}.0.0"
        result = run(vector["hex"], "--port", str(port), "--uplink" if uplink else "--downlink", "--version", version)
        assert result.exit_code == 0, (vector, result.stderr)
        shown.add((port, uplink, result.stdout.splitlines()[1].split()[1].rstrip(":")))
    assert len(shown) > 30


@settings(max_examples=200)
@given(
    payload=st.binary(min_size=1, max_size=40),
    port=st.sampled_from(list(PACKAGES)),
    uplink=st.booleans(),
    version=st.sampled_from(["1.0.0", "2.0.0"]),
)
def test_any_payload_is_shown_or_refused(payload: bytes, port: int, uplink: bool, version: str) -> None:
    args = [payload.hex(), "--port", str(port), "--version", version, "--json"]
    result = run(*args, "--uplink" if uplink else "--downlink")
    if result.exit_code == 2:
        assert (port, version) == (203, "2.0.0")
        return
    decoded = json.loads(result.stdout)
    assert result.exit_code == (0 if decoded["error"] is None else 1)
    for command in decoded["commands"]:
        assert command["fields"].keys() == command["text"].keys()
