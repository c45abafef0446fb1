"""Behaviour that all packages share: decoding a payload, refusing it, and checking fields."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import fuota_fec.wire
from fuota_fec.errors import FuotaError, ParameterError, WireError
from fuota_fec.wire import UnknownCommand, clock, firmware, fragmentation, multicast
from fuota_fec.wire.commands import FieldError, PackageVersionAns, PackageVersionReq

if TYPE_CHECKING:
    from types import ModuleType

PACKAGES = {"TS003": clock, "TS004": fragmentation, "TS005": multicast, "TS006": firmware}
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "commands.json").read_text())[
    "vectors"
]
ONE_OF_EACH = list({(v["package"], v["version"], v["direction"], v["command"]): v for v in VECTORS}.values())


def name_of(vector: dict[str, Any]) -> str:
    return f"{vector['command']}-{vector['version']}"


@pytest.mark.parametrize("vector", ONE_OF_EACH, ids=name_of)
def test_a_command_cut_short_at_any_length_raises_wire_error(vector: dict[str, Any]) -> None:
    module = PACKAGES[vector["package"]]
    raw = bytes.fromhex(vector["hex"])
    uplink = vector["direction"] == "up"
    first = PackageVersionAns(package_identifier=1, package_version=1) if uplink else PackageVersionReq()
    head = first.encode()
    # A DataFragment has no fixed length: with at least one byte of payload, fewer bytes are a smaller fragment.
    shorter = range(1, 4) if vector["command"] == "DataFragment" else range(1, len(raw))
    for length in shorter:
        with pytest.raises(WireError) as caught:
            module.decode(head + raw[:length], uplink=uplink, version=f"{vector['version']}.0.0")
        assert caught.value.offset == len(head)
        assert caught.value.field == vector["command"]
        assert caught.value.commands == (first,)
        assert vector["command"] in str(caught.value)
        assert f"there are {length}" in str(caught.value)


@pytest.mark.parametrize("vector", ONE_OF_EACH, ids=name_of)
def test_the_byte_after_a_command_begins_the_next_command(vector: dict[str, Any]) -> None:
    if vector["command"] == "DataFragment":
        return
    module = PACKAGES[vector["package"]]
    raw = bytes.fromhex(vector["hex"])
    commands = module.decode(raw + b"\xee", uplink=vector["direction"] == "up", version=f"{vector['version']}.0.0")
    assert len(commands) == 2
    assert commands[0].encode() == raw
    assert commands[1] == UnknownCommand(cid=0xEE)


WIDTHS = {
    **dict.fromkeys(("frag_index", "mc_group_id"), 2),
    **dict.fromkeys(("req_group_mask", "ans_group_mask", "mc_group_bit_mask", "time_out"), 4),
    **dict.fromkeys(("token_req", "token_ans", "period"), 4),
    **dict.fromkeys(("block_ack_delay", "frag_algo", "periodicity", "nb_transmissions", "nb_total_groups"), 3),
    **dict.fromkeys(("n", "nb_frag", "nb_frag_received"), 14),
    **dict.fromkeys(("missing_frag", "frag_size", "padding", "dr", "package_identifier", "package_version"), 8),
    **dict.fromkeys(("countdown", "time_to_start"), 24),
    **dict.fromkeys(
        ("mc_addr", "min_mc_fcnt", "max_mc_fcnt", "session_time", "reboot_time", "device_time", "time"), 32
    ),
    **dict.fromkeys(("fw_version", "hw_version", "next_firmware_version", "firmware_to_delete_version"), 32),
    "session_cnt": 16,
    "up_image_status": 2,
}
"""Bits of every unsigned field that goes on the air as it is."""


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{name_of(vector)}-{vector['hex'][:24]}")
def test_a_field_wider_than_on_the_air_is_refused(vector: dict[str, Any]) -> None:
    module = PACKAGES[vector["package"]]
    [command] = module.decode(
        bytes.fromhex(vector["hex"]), uplink=vector["direction"] == "up", version=f"{vector['version']}.0.0"
    )
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if type(value) is bool:
            dataclasses.replace(command, **{field.name: value})
            refused: tuple[Any, ...] = (-1, 2, None)
        elif type(value) is int and field.name in WIDTHS:
            refused = (-1, 2 ** WIDTHS[field.name], 0.5)
        elif field.name in ("dl_frequency_hz", "time_correction"):
            refused = (-(2**32), 2**32)
        else:
            assert field.name in ("descriptor", "mic", "payload", "mc_key_encrypted", "items", "version") or not value
            continue
        for bad in refused:
            with pytest.raises(FieldError) as caught:
                dataclasses.replace(command, **{field.name: bad})
            assert field.name in (caught.value.field, "ans_group_mask")


@pytest.mark.parametrize("module", PACKAGES.values(), ids=list(PACKAGES))
class TestEveryPackage:
    def test_an_empty_payload_decodes_to_no_commands(self, module: ModuleType) -> None:
        assert module.decode(b"", uplink=True) == []

    @pytest.mark.parametrize("version", ["", "1", "1.0", "3.0.0", 1])
    def test_decode_refuses_an_unknown_version(self, module: ModuleType, version: Any) -> None:
        with pytest.raises(ParameterError, match=r"^(version|dialect): .* is not .*, expected '?1\.0\.0") as caught:
            module.decode(b"", uplink=True, version=version)
        assert caught.value.field == ("dialect" if module is fragmentation else "version")
        assert repr(version) in str(caught.value)

    def test_versions_are_those_of_the_vectors(self, module: ModuleType) -> None:
        assert {number: f"{number}.0.0" for number in module.VERSIONS} == module.VERSIONS
        assert set(module.VERSIONS) == {v["version"] for v in VECTORS if PACKAGES[v["package"]] is module}
        for version in module.VERSIONS.values():
            assert module.decode(b"\x00", uplink=False, version=version) == [PackageVersionReq()]

    def test_an_unknown_cid_keeps_the_rest_of_the_payload(self, module: ModuleType) -> None:
        commands = module.decode(b"\x00\x7f\x01\x02", uplink=False)
        assert commands == [PackageVersionReq(), UnknownCommand(cid=0x7F, payload=b"\x01\x02")]

    @pytest.mark.parametrize(
        "kind",
        [
            bytes,
            bytearray,
            memoryview,
            lambda raw: memoryview(b"".join(bytes((byte, 0)) for byte in raw))[::2],
            lambda raw: np.frombuffer(raw, np.uint8),
        ],
        ids=["bytes", "bytearray", "memoryview", "strided", "numpy"],
    )
    def test_decode_accepts_any_buffer(self, module: ModuleType, kind: Any) -> None:
        raw = bytes((0, module.PACKAGE_IDENTIFIER, 1))
        expected = PackageVersionAns(package_identifier=module.PACKAGE_IDENTIFIER, package_version=1)
        assert module.decode(kind(raw), uplink=True) == [expected]

    def test_decode_accepts_a_payload_of_many_commands(self, module: ModuleType) -> None:
        assert module.decode(bytes(200_000), uplink=False) == [PackageVersionReq()] * 200_000

    def test_every_exported_name_exists(self, module: ModuleType) -> None:
        for name in module.__all__:
            assert hasattr(module, name)


def test_wire_modules_load_on_first_use_and_without_cryptography() -> None:
    """Nothing that needs an extra is loaded with the package, and its modules are there without an import of each."""
    program = (
        "import sys, fuota_fec as ff\n"
        "assert ff.wire.fragmentation.decode(b'', uplink=True) == []\n"
        "ff.wire.multicast, ff.wire.firmware, ff.wire.clock, ff.wire.keys.Key(bytes(16)), ff.wire.UnknownCommand\n"
        "assert 'cryptography' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_dir_of_the_package_lists_its_exported_names() -> None:
    assert set(dir(fuota_fec.wire)) == set(fuota_fec.wire.__all__)
    assert fuota_fec.wire.Command is fragmentation.Command
    with pytest.raises(AttributeError, match="nothing"):
        _ = fuota_fec.wire.nothing


def test_a_refused_field_is_named_in_message_and_attribute() -> None:
    with pytest.raises(FieldError) as caught:
        UnknownCommand(cid=256)
    assert isinstance(caught.value, ParameterError)
    assert isinstance(caught.value, FuotaError)
    assert caught.value.field == "cid"
    assert str(caught.value) == "UnknownCommand.cid: 256 is not allowed, expected an integer from 0 to 255"


@pytest.mark.parametrize("value", [-1, 256, 1.0, "1", None, b"\x01"])
def test_an_integer_field_refuses_other_values(value: Any) -> None:
    with pytest.raises(
        FieldError, match=r"^UnknownCommand\.cid: .* is not allowed, expected an integer from 0 to 255$"
    ):
        UnknownCommand(cid=value)


def test_an_integer_field_turns_numpy_integers_into_ints() -> None:
    command = fragmentation.FragSessionDeleteReq(frag_index=np.uint8(3))
    assert type(command.frag_index) is int
    assert command.encode() == b"\x03\x03"


@pytest.mark.parametrize("value", [2, -1, None, "yes", 0.5])
def test_a_flag_refuses_other_values(value: Any) -> None:
    with pytest.raises(FieldError, match=r"^FragSessionStatusReq\.participants: .* is not allowed, expected a bool$"):
        fragmentation.FragSessionStatusReq(frag_index=0, participants=value)


@pytest.mark.parametrize("value", [0, 1, np.True_, np.False_])
def test_a_flag_accepts_0_and_1_and_numpy_bools(value: Any) -> None:
    command = fragmentation.FragSessionStatusReq(frag_index=0, participants=value)
    assert command.participants is bool(value)


@pytest.mark.parametrize("value", [bytearray(b"abcd"), memoryview(b"abcd"), np.frombuffer(b"abcd", np.uint8)])
def test_a_byte_field_turns_buffers_into_bytes(value: Any) -> None:
    command = fragmentation.DataFragment(frag_index=0, n=1, payload=value)
    assert type(command.payload) is bytes
    assert command.encode() == b"\x08\x01\x00abcd"


@pytest.mark.parametrize("value", ["abcd", 4, None, [1, 2]])
def test_a_byte_field_refuses_values_that_are_not_buffers(value: Any) -> None:
    with pytest.raises(FieldError, match=r"^DataFragment\.payload: .* is not allowed, expected 1 to 255 bytes$"):
        fragmentation.DataFragment(frag_index=0, n=1, payload=value)


def released() -> memoryview:
    view = memoryview(b"\x00")
    view.release()
    return view


@pytest.mark.parametrize(
    "value",
    ["abcd", 4, None, [1, 2], pytest.param(released(), id="released view"), np.array(["2020"], "M8[D]")],
    ids=repr,
)
@pytest.mark.parametrize("module", PACKAGES.values(), ids=PACKAGES)
def test_decode_refuses_a_payload_that_is_not_a_buffer(module: ModuleType, value: Any) -> None:
    for uplink in (False, True):
        with pytest.raises(FieldError, match=r"^payload: a value of type \w+ is not allowed, expected bytes") as caught:
            module.decode(value, uplink=uplink)
        assert caught.value.field == "payload"


def test_a_byte_field_refuses_a_released_buffer() -> None:
    with pytest.raises(FieldError, match=r"^DataFragment\.payload: .* is not allowed, expected 1 to 255 bytes$"):
        fragmentation.DataFragment(frag_index=0, n=1, payload=released())


@pytest.mark.parametrize("vector", ONE_OF_EACH, ids=name_of)
def test_a_command_says_that_it_is_of_the_module_of_its_package(vector: dict[str, Any]) -> None:
    module = PACKAGES[vector["package"]]
    command = getattr(module, vector["command"])
    assert command.__module__ in (module.__name__, PackageVersionReq.__module__)
    [made] = module.decode(
        bytes.fromhex(vector["hex"]), uplink=vector["direction"] == "up", version=f"{vector['version']}.0.0"
    )
    assert pickle.loads(pickle.dumps(made)) == made


def test_commands_are_immutable_values() -> None:
    one = fragmentation.FragSessionDeleteReq(frag_index=1)
    assert one == fragmentation.FragSessionDeleteReq(frag_index=1)
    assert one != fragmentation.FragDataBlockReceivedAns(frag_index=1)
    assert len({one, fragmentation.FragSessionDeleteReq(frag_index=1)}) == 1
    with pytest.raises(AttributeError):
        one.frag_index = 2
    assert not hasattr(one, "__dict__")
    with pytest.raises(TypeError):
        fragmentation.FragSessionDeleteReq(1)
