"""Recorded commands, frames and dialogs of other implementations, of all packages and versions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fuota_fec.errors import WireError
from fuota_fec.wire import Command, UnknownCommand, clock, firmware, fragmentation, keys, multicast

PACKAGES = {"TS003": clock, "TS004": fragmentation, "TS005": multicast, "TS006": firmware}
HEX_FIELDS = {"payload", "descriptor", "mic", "mc_key_encrypted"}


def load(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / name).read_text())["vectors"]
    return vectors


COMMANDS = load("commands.json")
FRAMES = load("frames.json")
DIALOGS = load("dialogs.json")


def version_of(vector: dict[str, Any]) -> str:
    return f"{vector['version']}.0.0"


def decode(vector: dict[str, Any], payload: str, *, uplink: bool) -> list[Command]:
    return PACKAGES[vector["package"]].decode(bytes.fromhex(payload), uplink=uplink, version=version_of(vector))


def decode_frame(vector: dict[str, Any]) -> list[Command]:
    return decode(vector, vector["hex"], uplink=vector["direction"] == "up")


def build(vector: dict[str, Any], name: str, fields: dict[str, Any]) -> Command:
    """Command with these fields, created as a caller creates it."""
    values = {field: convert(field, value) for field, value in fields.items()}
    command = getattr(PACKAGES[vector["package"]], name)
    if "version" in {field.name for field in dataclasses.fields(command)}:
        values["version"] = version_of(vector)
    made: Command = command(**values)
    return made


def convert(field: str, value: Any) -> Any:
    if field in HEX_FIELDS:
        return bytes.fromhex(value)
    if field == "mc_addr":
        return int(value, 16)
    if field == "items":
        return tuple(
            multicast.McGroupStatusItem(**{name: convert(name, of_item) for name, of_item in item.items()})
            for item in value
        )
    return value


def name_of(vector: dict[str, Any]) -> str:
    return f"{vector['package']}-{vector['version']}-{vector['direction']}-{vector['hex'][:34]}"


@pytest.mark.parametrize("vector", COMMANDS, ids=name_of)
def test_command_encodes_to_the_vector_and_decodes_from_it(vector: dict[str, Any]) -> None:
    built = build(vector, vector["command"], vector["fields"])
    assert built.encode().hex() == vector["hex"]
    assert decode_frame(vector) == [built]
    for field, value in vector["fields"].items():
        assert getattr(built, field) == convert(field, value)
    assert vector["port"] == PACKAGES[vector["package"]].PORT


def test_every_command_has_a_vector() -> None:
    seen = {(vector["package"], vector["command"]) for vector in COMMANDS}
    for package, module in PACKAGES.items():
        for name in module.__all__:
            if name[:1].isupper() and name.endswith(("Req", "Ans", "Cmd", "DataFragment")):
                # By the name of the class: TS003-1.0.0 has another name for one command.
                command = getattr(module, name).__name__
                assert (package, command) in seen


@pytest.mark.parametrize("vector", [v for v in FRAMES if v["kind"] == "concatenation"], ids=name_of)
def test_commands_in_one_frame_decode_in_order(vector: dict[str, Any]) -> None:
    expected = [build(vector, part["command"], part["fields"]) for part in vector["commands"]]
    assert decode_frame(vector) == expected
    assert b"".join(command.encode() for command in expected).hex() == vector["hex"]


@pytest.mark.parametrize("vector", [v for v in FRAMES if v["kind"] == "truncated"], ids=name_of)
def test_truncated_frame_is_refused_with_the_command(vector: dict[str, Any]) -> None:
    with pytest.raises(WireError) as caught:
        decode_frame(vector)
    assert caught.value.field == vector["command"]
    assert caught.value.offset == 0
    assert caught.value.commands == ()


@pytest.mark.parametrize("vector", [v for v in FRAMES if v["kind"] == "unknown_cid"], ids=name_of)
def test_unknown_cid_of_a_vector_keeps_the_rest(vector: dict[str, Any]) -> None:
    raw = bytes.fromhex(vector["hex"])
    assert decode_frame(vector) == [UnknownCommand(cid=raw[0], payload=raw[1:])]


def absent(**flags: bool) -> dict[str, Any]:
    return {"frag_index": None, "nb_frag_received": None, "missing_frag": None, **flags}


OPTIONAL_TAILS = {
    ("TS004", 2, "0104"): ("0104", absent(session_does_not_exist=True)),
    ("TS004", 2, "01040b4000"): ("0104", absent(session_does_not_exist=True)),
    ("TS005", 2, "0421"): ("0421", {"mc_group_id": 1, "start_missed": True, "time_to_start": None}),
    ("TS005", 1, "0421"): ("0421", {"mc_group_id": 1, "start_missed": True, "time_to_start": None}),
    ("TS005", 1, "0415"): (
        "0415",
        {"mc_group_id": 1, "dr_error": True, "freq_error": False, "mc_group_undefined": True, "time_to_start": None},
    ),
    ("TS006", 1, "0403"): None,
}


@pytest.mark.parametrize("vector", [v for v in FRAMES if v["kind"] == "optional_tail"], ids=name_of)
def test_frame_with_an_optional_tail_decodes(vector: dict[str, Any]) -> None:
    expected = OPTIONAL_TAILS[vector["package"], vector["version"], vector["hex"]]
    if expected is None:
        assert vector["expected"].startswith("error")
        with pytest.raises(WireError):
            decode_frame(vector)
        return
    assert vector["expected"].startswith("accept")
    again, fields = expected
    [command] = decode_frame(vector)
    assert type(command).__name__ == vector["command"]
    assert {field: getattr(command, field) for field in fields} == fields
    assert command.encode().hex() == again


STEPS = [(dialog, step) for dialog in DIALOGS for step in dialog["steps"]]


def name_of_step(value: dict[str, Any]) -> str:
    return value.get("name") or value["request"][:24]


@pytest.mark.parametrize(("dialog", "step"), STEPS, ids=name_of_step)
def test_request_of_a_recorded_dialog_decodes(dialog: dict[str, Any], step: dict[str, Any]) -> None:
    """The device refused requests that were cut short, and requests by multicast, which decode all the same."""
    if step.get("rejected") and step["via"] == "unicast":
        assert "cut short" in step["what"]
        with pytest.raises(WireError, match="cut short"):
            decode(dialog, step["request"], uplink=False)
        return
    commands = decode(dialog, step["request"], uplink=False)
    assert not any(isinstance(command, UnknownCommand) for command in commands)
    assert b"".join(command.encode() for command in commands).hex() == step["request"]


@pytest.mark.parametrize(("dialog", "step"), [(d, s) for d, s in STEPS if s["answer"] is not None], ids=name_of_step)
def test_answer_of_a_recorded_dialog_decodes(dialog: dict[str, Any], step: dict[str, Any]) -> None:
    """Every answer encodes to the same bytes, except the three stale bytes after SessionDoesNotExist."""
    commands = decode(dialog, step["answer"], uplink=True)
    assert not any(isinstance(command, UnknownCommand) for command in commands)
    again = b"".join(command.encode() for command in commands).hex()
    if (dialog["package"], dialog["version"]) == ("TS004", 2) and step["answer"][:4] in ("0104", "0106"):
        [answer] = commands
        assert isinstance(answer, fragmentation.FragSessionStatusAns)
        assert answer.session_does_not_exist
        assert len(step["answer"]) == 10
        assert again == step["answer"][:4]
    else:
        assert again == step["answer"]


def test_mic_of_a_recorded_dialog_is_that_of_its_block() -> None:
    """The record holds fragments, setup and root key of a block that the device accepted."""
    checked = 0
    for dialog in DIALOGS:
        if dialog["implementation"] != "lbm_v2" or dialog["name"] != "lossless session":
            continue
        requests = [command for step in dialog["steps"] for command in decode(dialog, step["request"], uplink=False)]
        [setup] = [command for command in requests if isinstance(command, fragmentation.FragSessionSetupReq)]
        fragments = [command for command in requests if isinstance(command, fragmentation.DataFragment)]
        assert [fragment.n for fragment in fragments] == list(range(1, setup.nb_frag + 1))
        assert setup.session_cnt is not None
        mic = keys.data_block_mic(
            keys.data_block_int_key(keys.Key.from_hex(dialog["root_key"])),
            session_cnt=setup.session_cnt,
            frag_index=setup.frag_index,
            descriptor=setup.descriptor,
            data=b"".join(fragment.payload for fragment in fragments),
        )
        assert mic == setup.mic
        checked += 1
    assert checked == 1
