"""Laws over random bytes and over random field values, for every command of every package.

Decoding raises WireError or nothing, for any bytes. Decoded commands can be encoded, and decode again to the same
commands. The encoded bytes equal the decoded ones except for reserved bits, which become 0, and the stale bytes
after one answer, which are dropped.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuota_fec.errors import WireError
from fuota_fec.wire import Command, clock, firmware, fragmentation, multicast
from fuota_fec.wire.commands import PackageVersionAns, PackageVersionReq
from fuota_fec.wire.limits import MAX_FRAG_NB, MAX_FRAG_SIZE

if TYPE_CHECKING:
    from types import ModuleType

PACKAGES: list[ModuleType] = [clock, fragmentation, multicast, firmware]
PACKAGE_VERSIONS = [(module, version) for module in PACKAGES for version in module.VERSIONS.values()]

bits1, bits2, bits3, bits4 = (st.integers(0, 2**n - 1) for n in (1, 2, 3, 4))
u8, u16, u24, u32 = (st.integers(0, 2**n - 1) for n in (8, 16, 24, 32))
bools = st.booleans()
four = st.binary(min_size=4, max_size=4)
frequencies = u24.map(lambda steps: steps * (100 if steps < 12_000_000 else 200))

Builder = st.SearchStrategy[Command]


def setup_reqs(version: str) -> Builder:
    only_in_2: dict[str, Any] = {"ack_reception": bools, "session_cnt": u16, "mic": four} if version == "2.0.0" else {}
    return st.builds(
        fragmentation.FragSessionSetupReq,
        version=st.just(version),
        frag_index=bits2,
        mc_group_bit_mask=bits4,
        nb_frag=st.integers(1, MAX_FRAG_NB),
        frag_size=st.integers(1, MAX_FRAG_SIZE),
        block_ack_delay=bits3,
        frag_algo=bits3,
        padding=u8,
        descriptor=four,
        **only_in_2,
    )


def status_anses(version: str) -> Builder:
    numbers: dict[str, Any] = {"frag_index": bits2, "nb_frag_received": st.integers(0, MAX_FRAG_NB), "missing_frag": u8}
    ans = fragmentation.FragSessionStatusAns
    if version == "1.0.0":
        return st.builds(ans, not_enough_matrix_memory=bools, **numbers)
    flags: dict[str, Any] = {"version": st.just(version), "memory_error": bools, "mic_error": bools}
    return st.builds(ans, **flags, **numbers) | st.builds(ans, session_does_not_exist=st.just(True), **flags)


def setup_anses(version: str) -> Builder:
    names = ("frag_algo_unsupported", "not_enough_memory", "frag_index_unsupported", "wrong_descriptor")
    flags = dict.fromkeys(names, bools)
    replay = bools if version == "2.0.0" else st.just(False)
    return st.builds(fragmentation.FragSessionSetupAns, frag_index=bits2, session_cnt_replay=replay, **flags)


def session_anses(command: type[Any], version: str) -> Builder:
    other = bits2 if version == "2.0.0" else st.just(0)
    flags = dict.fromkeys(("dr_error", "freq_error", "mc_group_undefined", "start_missed"), bools)
    errors = st.fixed_dictionaries({**flags, "other_errors": other}).filter(lambda values: any(values.values()))
    refused = errors.flatmap(
        lambda values: st.builds(command, mc_group_id=bits2, **{name: st.just(v) for name, v in values.items()})
    )
    return refused | st.builds(command, mc_group_id=bits2, time_to_start=u24)


def group_status(total: int, addresses: dict[int, int]) -> multicast.McGroupStatusAns:
    return multicast.McGroupStatusAns(
        nb_total_groups=total,
        ans_group_mask=sum(1 << group for group in addresses),
        items=tuple(
            multicast.McGroupStatusItem(mc_group_id=group, mc_addr=addresses[group]) for group in sorted(addresses)
        ),
    )


session_fields: dict[str, Any] = {"mc_group_id": bits2, "time_out": bits4, "dl_frequency_hz": frequencies, "dr": u8}
beacons = st.integers(0, 2**25 - 1).map(lambda beacon: beacon * 128)
upgrade_images = st.builds(firmware.DevUpgradeImageAns, up_image_status=st.integers(0, 2)) | st.builds(
    firmware.DevUpgradeImageAns, up_image_status=st.just(3), next_firmware_version=u32
)
fragments = st.builds(
    fragmentation.DataFragment,
    frag_index=bits2,
    n=st.integers(1, MAX_FRAG_NB),
    payload=st.binary(min_size=1, max_size=MAX_FRAG_SIZE),
)


def clock_builders(version: str) -> dict[bool, list[Builder]]:
    return {
        False: [
            st.builds(clock.AppTimeAns, time_correction=st.integers(-(2**31), 2**31 - 1), token_ans=bits4),
            st.builds(clock.DeviceAppTimePeriodicityReq, period=bits4),
            st.builds(clock.ForceDeviceResyncCmd, nb_transmissions=bits3),
        ],
        True: [
            st.builds(clock.AppTimeReq, device_time=u32, ans_required=bools, token_req=bits4),
            st.builds(clock.DeviceAppTimePeriodicityAns, not_supported=bools, time=u32),
        ],
    }


def fragmentation_builders(version: str) -> dict[bool, list[Builder]]:
    down: list[Builder] = [
        st.builds(fragmentation.FragSessionStatusReq, frag_index=bits2, participants=bools),
        setup_reqs(version),
        st.builds(fragmentation.FragSessionDeleteReq, frag_index=bits2),
    ]
    up: list[Builder] = [
        status_anses(version),
        setup_anses(version),
        st.builds(fragmentation.FragSessionDeleteAns, frag_index=bits2, session_does_not_exist=bools),
    ]
    if version == "2.0.0":
        down.append(st.builds(fragmentation.FragDataBlockReceivedAns, frag_index=bits2))
        up.append(st.builds(fragmentation.FragDataBlockReceivedReq, frag_index=bits2, mic_error=bools))
    return {False: down, True: up}


def multicast_builders(version: str) -> dict[bool, list[Builder]]:
    return {
        False: [
            st.builds(multicast.McGroupStatusReq, req_group_mask=bits4),
            st.builds(
                multicast.McGroupSetupReq,
                mc_group_id=bits2,
                mc_addr=u32,
                mc_key_encrypted=st.binary(min_size=16, max_size=16),
                min_mc_fcnt=u32,
                max_mc_fcnt=u32,
            ),
            st.builds(multicast.McGroupDeleteReq, mc_group_id=bits2),
            st.builds(multicast.McClassCSessionReq, session_time=u32, **session_fields),
            st.builds(multicast.McClassBSessionReq, session_time=beacons, periodicity=bits3, **session_fields),
        ],
        True: [
            st.builds(group_status, bits3, st.dictionaries(bits2, u32)),
            st.builds(multicast.McGroupSetupAns, mc_group_id=bits2, id_error=bools),
            st.builds(multicast.McGroupDeleteAns, mc_group_id=bits2, mc_group_undefined=bools),
            session_anses(multicast.McClassCSessionAns, version),
            session_anses(multicast.McClassBSessionAns, version),
        ],
    }


def firmware_builders(version: str) -> dict[bool, list[Builder]]:
    return {
        False: [
            st.builds(firmware.DevVersionReq),
            st.builds(firmware.DevRebootTimeReq, reboot_time=u32),
            st.builds(firmware.DevRebootCountdownReq, countdown=u24),
            st.builds(firmware.DevUpgradeImageReq),
            st.builds(firmware.DevDeleteImageReq, firmware_to_delete_version=u32),
        ],
        True: [
            st.builds(firmware.DevVersionAns, fw_version=u32, hw_version=u32),
            st.builds(firmware.DevRebootTimeAns, reboot_time=u32),
            st.builds(firmware.DevRebootCountdownAns, countdown=u24),
            upgrade_images,
            st.builds(firmware.DevDeleteImageAns, error_no_valid_image=bools, error_invalid_version=bools),
        ],
    }


BUILDERS = {
    clock: clock_builders,
    fragmentation: fragmentation_builders,
    multicast: multicast_builders,
    firmware: firmware_builders,
}


def builders(module: ModuleType, version: str, *, uplink: bool) -> Builder:
    shared: Builder = st.builds(PackageVersionReq)
    if uplink:
        shared = st.builds(PackageVersionAns, package_identifier=st.just(module.PACKAGE_IDENTIFIER), package_version=u8)
    return st.one_of(shared, *BUILDERS[module](version)[uplink])


def frames(module: ModuleType, version: str, *, uplink: bool) -> st.SearchStrategy[list[Command]]:
    """Commands that may share a frame; a DataFragment is alone in its frame."""
    row = st.lists(builders(module, version, uplink=uplink), max_size=6)
    return row | fragments.map(lambda fragment: [fragment]) if module is fragmentation and not uplink else row


def encode(commands: list[Command]) -> bytes:
    return b"".join(command.encode() for command in commands)


# Known CIDs followed by random bytes. Most uniformly random payloads would end at their first byte.
payloads = st.binary(max_size=64) | st.lists(
    st.builds(lambda cid, body: bytes((cid,)) + body, st.integers(0, 9), st.binary(max_size=30)), max_size=6
).map(b"".join)


@pytest.mark.parametrize("uplink", [False, True], ids=["down", "up"])
@pytest.mark.parametrize(("module", "version"), PACKAGE_VERSIONS)
class TestLaws:
    @given(data=st.data())
    def test_commands_survive_encoding_and_decoding(
        self, module: ModuleType, version: str, uplink: bool, data: st.DataObject
    ) -> None:
        commands = data.draw(frames(module, version, uplink=uplink))
        assert module.decode(encode(commands), uplink=uplink, version=version) == commands

    @given(payload=payloads)
    @settings(max_examples=500)
    def test_decoded_bytes_encode_to_the_same_bytes(
        self, module: ModuleType, version: str, uplink: bool, payload: bytes
    ) -> None:
        stale_tails = module is fragmentation and version == "2.0.0" and uplink
        try:
            commands, error = module.decode(payload, uplink=uplink, version=version), None
        except WireError as caught:
            commands, error = list(caught.commands), caught
        # What decode takes without a check is in range: a copy is checked.
        assert [dataclasses.replace(command) for command in commands] == commands
        if error is not None:
            assert 0 <= error.offset < len(payload)
            assert error.field
            payload = payload[: error.offset]
            if stale_tails:
                return
            assert module.decode(payload, uplink=uplink, version=version) == commands
        again = encode(commands)
        assert module.decode(again, uplink=uplink, version=version) == commands
        if stale_tails and len(again) != len(payload):
            assert isinstance(commands[-1], fragmentation.FragSessionStatusAns)
            assert commands[-1].session_does_not_exist
            assert len(again) == len(payload) - 3
        else:
            assert len(again) == len(payload)
        assert all(new & ~old == 0 for new, old in zip(again, payload, strict=False))

    def test_decoding_any_cid_and_first_byte_raises_wire_error_or_nothing(
        self, module: ModuleType, version: str, uplink: bool
    ) -> None:
        for cid in range(256):
            for first in range(256):
                payload = bytes((cid, first)) + bytes(range(1, 40))
                try:
                    commands = module.decode(payload, uplink=uplink, version=version)
                except WireError:
                    continue
                assert module.decode(encode(commands), uplink=uplink, version=version) == commands


@pytest.mark.parametrize("module", PACKAGES)
def test_the_laws_cover_every_command(module: ModuleType) -> None:
    exported = {
        value
        for value in (getattr(module, name) for name in module.__all__)
        if isinstance(value, type) and issubclass(value, Command) and hasattr(value, "CID")
    }
    drawn: set[type[Command]] = {PackageVersionReq, PackageVersionAns}
    for version in module.VERSIONS.values():
        for uplink in (False, True):
            for builder in BUILDERS[module](version)[uplink]:
                drawn |= types_of(builder)
    if module is fragmentation:
        drawn |= types_of(fragments)
    assert drawn == exported


def types_of(builder: Builder) -> set[type[Command]]:
    seen: set[type[Command]] = set()

    @given(builder)
    @settings(max_examples=5, database=None)
    def look(command: Command) -> None:
        seen.add(type(command))

    look()
    return seen
