"""Keys, MICs and encryption: published vectors, and no key in any message."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import traceback
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import MissingExtraError, ParameterError
from fuota_fec.wire import keys
from fuota_fec.wire.commands import FieldError
from fuota_fec.wire.fragmentation import MAX_FRAG_NB, MAX_FRAG_SIZE, DataFragment
from fuota_fec.wire.keys import Key

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "crypto.json").read_text())["vectors"]
SECRET = "74075dcf63a57afe70fedda705e711b8"
KEY = Key.from_hex(SECRET)

every_key = st.binary(min_size=16, max_size=16).map(Key)
u32 = st.integers(0, 2**32 - 1)


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [vector for vector in VECTORS if vector["kind"] == kind]


@pytest.mark.parametrize(
    "vector", of_kind("multicast_keys"), ids=lambda vector: f"{vector['root']}-{vector['mc_addr']}"
)
def test_multicast_keys_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    derive = {"GenAppKey": keys.mc_root_key, "AppKey": keys.mc_root_key_from_app_key}[vector["root"]]
    mc_root_key = derive(Key.from_hex(vector["root_key"]))
    assert bytes(mc_root_key).hex() == vector["mc_root_key"]
    mc_ke_key = keys.mc_ke_key(mc_root_key)
    assert bytes(mc_ke_key).hex() == vector["mc_ke_key"]
    mc_key = Key.from_hex(vector["mc_key"])
    wrapped = keys.wrap_mc_key(mc_ke_key, mc_key)
    assert wrapped.hex() == vector["mc_key_encrypted"]
    assert keys.unwrap_mc_key(mc_ke_key, wrapped) == mc_key
    mc_addr = int(vector["mc_addr"], 16)
    assert bytes(keys.mc_app_s_key(mc_key, mc_addr)).hex() == vector["mc_app_s_key"]
    assert bytes(keys.mc_nwk_s_key(mc_key, mc_addr)).hex() == vector["mc_nwk_s_key"]


DERIVATIONS: dict[str, Callable[[Key, int], Key]] = {
    "GenAppKey -> McRootKey": lambda key, _: keys.mc_root_key(key),
    "AppKey -> McRootKey": lambda key, _: keys.mc_root_key_from_app_key(key),
    "McRootKey -> McKEKey": lambda key, _: keys.mc_ke_key(key),
    "McKey -> McAppSKey": keys.mc_app_s_key,
    "McKey -> McNwkSKey": keys.mc_nwk_s_key,
}


@pytest.mark.parametrize("vector", of_kind("unit_test_constant"), ids=lambda vector: vector["what"])
def test_derived_keys_are_the_published_constants(vector: dict[str, Any]) -> None:
    derived = DERIVATIONS[vector["what"]](Key.from_hex(vector["key"]), int(vector.get("mc_addr", "0"), 16))
    assert bytes(derived).hex() == vector["result"]


@pytest.mark.parametrize("vector", of_kind("data_block_mic"), ids=lambda vector: vector["mic"])
def test_data_block_mic_is_that_of_the_vectors(
    vector: dict[str, Any], seeded_bytes: Callable[[str, int], bytes]
) -> None:
    if "data_hex" in vector:
        data = bytes.fromhex(vector["data_hex"])
    else:
        data = seeded_bytes(vector["data_seed"], vector["data_len"])
    int_key = keys.data_block_int_key(Key.from_hex(vector["root_key"]))
    assert bytes(int_key).hex() == vector["data_block_int_key"]
    fields: dict[str, Any] = {
        "session_cnt": vector["session_cnt"],
        "frag_index": vector["frag_index"],
        "descriptor": bytes.fromhex(vector["descriptor"]),
    }
    assert keys.data_block_mic(int_key, **fields, data=data).hex() == vector["mic"]
    assert keys.data_block_mic(int_key, **fields, data=memoryview(data)).hex() == vector["mic"]
    assert keys.data_block_mic(int_key, **fields, data=np.frombuffer(data, np.uint8)).hex() == vector["mic"]
    # The block as an array with one fragment per row.
    if vector["padding"] == 0:
        rows = np.frombuffer(data, np.uint8).reshape(-1, vector["frag_size"])
        assert keys.data_block_mic(int_key, **fields, data=rows).hex() == vector["mic"]


MIC: dict[str, Any] = {"session_cnt": 0, "frag_index": 0, "descriptor": bytes(4), "data": b"\x00"}


def test_data_block_mic_does_not_copy_a_large_block() -> None:
    data = bytearray(MAX_FRAG_NB * MAX_FRAG_SIZE)
    keys.data_block_mic(KEY, **MIC)
    tracemalloc.start()
    try:
        keys.data_block_mic(KEY, **MIC | {"data": data})
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session_cnt", 65536),
        ("session_cnt", -1),
        ("frag_index", 4),
        ("descriptor", bytes(3)),
        ("descriptor", bytes(5)),
        ("data", b""),
        ("data", bytes(MAX_FRAG_NB * MAX_FRAG_SIZE + 1)),
    ],
)
def test_data_block_mic_refuses_an_argument_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=rf"^{field}.*: .* is not allowed, expected "):
        keys.data_block_mic(KEY, **MIC | {field: value})


class TestKey:
    def test_key_from_hex_equals_key_from_bytes(self) -> None:
        raw = bytes.fromhex(SECRET)
        for key in (Key(raw), Key(bytearray(raw)), Key(memoryview(raw)), Key.from_hex(SECRET.upper())):
            assert key == KEY
            assert bytes(key) == raw

    def test_key_shows_in_no_text(self) -> None:
        shown = [repr(KEY), str(KEY), f"{KEY}", f"{KEY!r:>20}", "%s" % KEY, repr([KEY]), repr({"key": KEY})]  # noqa: UP031
        for text in shown:
            assert "Key(...)" in text
            assert SECRET[:4] not in text
            assert repr(bytes(KEY))[2:6] not in text

    def test_key_cannot_be_hashed_or_pickled(self) -> None:
        with pytest.raises(TypeError):
            hash(KEY)
        with pytest.raises(TypeError, match=r"^Key cannot be pickled; use bytes\(key\) to export it$"):
            pickle.dumps(KEY)
        with pytest.raises(TypeError):
            json.dumps(KEY)
        assert not hasattr(KEY, "__dict__")

    def test_copies_of_a_key_are_the_key_itself(self) -> None:
        assert copy.copy(KEY) is KEY
        assert copy.deepcopy({"key": KEY})["key"] is KEY

    def test_key_is_immutable(self) -> None:
        # Nothing public writes the bytes: the one slot that holds them is tried by its private name.
        with pytest.raises(AttributeError):
            KEY._octets = bytes(16)
        with pytest.raises(AttributeError):
            del KEY._octets
        with pytest.raises(AttributeError):
            KEY.other = 1
        assert bytes(KEY).hex() == SECRET

    def test_key_equals_keys_with_the_same_bytes_only(self) -> None:
        assert Key.from_hex(SECRET) == KEY
        assert Key(bytes(16)) != KEY
        assert bytes.fromhex(SECRET) != KEY
        assert KEY != SECRET

    @pytest.mark.parametrize("length", [0, 1, 15, 17, 24, 32])
    def test_key_of_another_length_is_refused(self, length: int) -> None:
        secret = (SECRET * 2)[: 2 * length]
        for make in (lambda: Key(bytes.fromhex(secret)), lambda: Key.from_hex(secret)):
            with pytest.raises(
                ParameterError, match=f"^key: a value of {length} bytes is not a key, expected 16 bytes$"
            ) as caught:
                make()
            if length:
                assert secret not in shown_text(caught.value)

    @pytest.mark.parametrize("text", [SECRET[:-1], SECRET[:-1] + "g", "0x" + SECRET, None, 5])
    def test_key_from_other_digits_is_refused_without_showing_them(self, text: Any) -> None:
        with pytest.raises(
            ParameterError, match=r"^key: the text is not a key, expected 32 hexadecimal digits$"
        ) as caught:
            Key.from_hex(text)
        assert SECRET[:-1] not in shown_text(caught.value)

    @pytest.mark.parametrize("value", [SECRET, None, 16, [0] * 16])
    def test_key_from_another_type_is_refused_without_showing_it(self, value: Any) -> None:
        with pytest.raises(
            ParameterError, match=r"^key: a value of type \w+ is not a key, expected 16 bytes$"
        ) as caught:
            Key(value)
        assert SECRET not in shown_text(caught.value)


def shown_text(error: BaseException) -> str:
    """Everything that a traceback shows of an error and its causes, except the lines of this file."""
    reports = []
    cause: BaseException | None = error
    while cause is not None:
        reports += traceback.format_exception_only(cause)
        cause = None if cause.__suppress_context__ else cause.__context__
    return "".join(reports)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_unwrap_refuses_a_wrapped_key_of_another_length(length: int) -> None:
    with pytest.raises(
        ParameterError, match=f"^mc_key_encrypted: a length of {length} is not allowed, expected 16 bytes$"
    ):
        keys.unwrap_mc_key(KEY, bytes(length))


@given(every_key, every_key)
def test_unwrap_gives_the_key_that_was_wrapped(mc_ke_key: Key, mc_key: Key) -> None:
    assert keys.unwrap_mc_key(mc_ke_key, keys.wrap_mc_key(mc_ke_key, mc_key)) == mc_key


class TestFrame:
    """The two published downlinks come from the test suites of several LoRaWAN libraries."""

    CONFIRMED_DOWN = bytes.fromhex("a00403020180ff2a2a0af1a36a05d0125f885d881d49e1")
    EMPTY_DOWN = bytes.fromhex("60f17dbe4920020001f9d65d27")

    def test_encryption_gives_the_published_payload(self) -> None:
        """The counter of this frame, 76543, exceeds the 16 bits on the air."""
        encrypted = self.CONFIRMED_DOWN[9:-4]
        plain = keys.encrypt_frm_payload(Key(b"\x01" * 16), 0x01020304, 76543, encrypted)
        assert plain == b"hello lora"
        assert keys.encrypt_frm_payload(Key(b"\x01" * 16), 0x01020304, 76543, plain) == encrypted

    def test_frame_mics_are_the_published_ones(self) -> None:
        down, empty = self.CONFIRMED_DOWN, self.EMPTY_DOWN
        assert keys.frame_mic(Key(b"\x02" * 16), 0x01020304, 76543, down[:-4]) == down[-4:]
        nwk_s_key = Key.from_hex("44024241ed4ce9a68c6a8bc055233fd3")
        assert keys.frame_mic(nwk_s_key, 0x49BE7DF1, 2, empty[:-4]) == empty[-4:]

    @given(
        nwk_s_key=every_key,
        app_s_key=every_key,
        mc_addr=u32,
        f_cnt=u32,
        f_port=st.integers(1, 255),
        payload=st.binary(max_size=242),
    )
    def test_multicast_frame_has_the_layout_of_lorawan(
        self, *, nwk_s_key: Key, app_s_key: Key, mc_addr: int, f_cnt: int, f_port: int, payload: bytes
    ) -> None:
        frame = keys.multicast_frame(nwk_s_key, app_s_key, mc_addr, f_cnt, f_port, payload)
        assert len(frame) == 13 + len(payload)
        assert frame[0] == 0x60
        assert frame[1:5] == mc_addr.to_bytes(4, "little")
        assert frame[5] == 0
        assert frame[6:8] == (f_cnt & 0xFFFF).to_bytes(2, "little")
        assert frame[8] == f_port
        assert keys.encrypt_frm_payload(app_s_key, mc_addr, f_cnt, frame[9:-4]) == payload
        assert keys.frame_mic(nwk_s_key, mc_addr, f_cnt, frame[:-4]) == frame[-4:]

    @pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 32, 33, 241, 242])
    def test_each_cipher_block_has_its_own_key_stream(self, length: int) -> None:
        stream = keys.encrypt_frm_payload(KEY, 1, 2, bytes(length))
        assert len(stream) == length
        assert stream == keys.encrypt_frm_payload(KEY, 1, 2, bytes(242))[:length]
        blocks = [stream[start : start + 16] for start in range(0, length - length % 16, 16)]
        assert len(set(blocks)) == len(blocks)

    def test_all_32_bits_of_the_counter_matter(self) -> None:
        low, high = (keys.multicast_frame(KEY, KEY, 1, f_cnt, 201, b"\x08\x01\x00\x00") for f_cnt in (5, 0x10005))
        assert low[:9] == high[:9]
        assert low[9:-4] != high[9:-4]
        assert low[-4:] != high[-4:]

    def test_a_device_with_the_group_key_decrypts_a_fragment(self) -> None:
        mc_key = Key(bytes(range(16)))
        nwk_s_key, app_s_key = keys.mc_nwk_s_key(mc_key, 0x01020304), keys.mc_app_s_key(mc_key, 0x01020304)
        fragment = DataFragment(frag_index=0, n=7, payload=b"\xa5" * 48)
        frame = keys.multicast_frame(nwk_s_key, app_s_key, 0x01020304, 7, 201, memoryview(fragment.encode()))
        assert keys.encrypt_frm_payload(app_s_key, 0x01020304, 7, frame[9:-4]) == fragment.encode()

    @pytest.mark.parametrize(
        ("position", "value", "name"),
        [
            (2, 2**32, "mc_addr"),
            (2, -1, "mc_addr"),
            (3, 2**32, "f_cnt"),
            (3, -1, "f_cnt"),
            (3, 1.5, "f_cnt"),
            (3, None, "f_cnt"),
            (4, 0, "f_port"),
            (4, 256, "f_port"),
            (5, bytes(243), "payload length"),
        ],
    )
    def test_multicast_frame_refuses_an_argument_out_of_range(self, position: int, value: Any, name: str) -> None:
        arguments: list[Any] = [KEY, KEY, 1, 2, 201, b"abc"]
        arguments[position] = value
        with pytest.raises(ParameterError, match=rf"^{name}: .* is not allowed, expected "):
            keys.multicast_frame(*arguments)

    @pytest.mark.parametrize("length", [1, 255])
    def test_frame_mic_accepts_the_shortest_and_the_longest_message(self, length: int) -> None:
        assert len(keys.frame_mic(KEY, 1, 2, bytes(length))) == 4

    @pytest.mark.parametrize("length", [0, 256])
    def test_frame_mic_refuses_an_impossible_length(self, length: int) -> None:
        with pytest.raises(ParameterError, match="message length"):
            keys.frame_mic(KEY, 1, 2, bytes(length))

    @pytest.mark.parametrize("derive", [keys.mc_app_s_key, keys.mc_nwk_s_key])
    def test_session_keys_refuse_an_address_out_of_range(self, derive: Callable[[Key, int], Key]) -> None:
        with pytest.raises(ParameterError, match="mc_addr"):
            derive(KEY, 2**32)


@pytest.mark.parametrize("value", [bytes(16), 16, SECRET, None])
def test_another_type_in_place_of_a_key_is_refused_without_showing_it(value: Any) -> None:
    for use in (keys.mc_root_key, keys.mc_ke_key, lambda it: keys.wrap_mc_key(KEY, it), keys.data_block_int_key):
        with pytest.raises(ParameterError, match=r"^key: a value of type \w+ is not a key, expected a Key$") as caught:
            use(value)
        assert SECRET not in shown_text(caught.value)


def released() -> memoryview:
    view = memoryview(bytes(16))
    view.release()
    return view


BUFFERS: dict[str, Callable[[Any], object]] = {
    "key": Key,
    "mc_key_encrypted": lambda it: keys.unwrap_mc_key(KEY, it),
    "payload": lambda it: keys.encrypt_frm_payload(KEY, 1, 0, it),
    "message": lambda it: keys.frame_mic(KEY, 1, 0, it),
    "descriptor": lambda it: keys.data_block_mic(KEY, **MIC | {"descriptor": it}),
    "data": lambda it: keys.data_block_mic(KEY, **MIC | {"data": it}),
}


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.parametrize("value", [5, None, SECRET, [1, 2], released()], ids=lambda value: type(value).__name__)
def test_another_type_in_place_of_a_buffer_is_refused_without_showing_it(name: str, value: Any) -> None:
    with pytest.raises(FieldError, match=rf"^{name}: a value of type \w+ is not .*, expected ") as caught:
        BUFFERS[name](value)
    assert caught.value.field == name
    assert SECRET not in shown_text(caught.value)


@pytest.mark.parametrize("data", [memoryview(bytes(8))[::2], np.zeros((4, 4), np.uint8)[:, :2]])
def test_data_block_mic_refuses_a_block_that_is_not_contiguous(data: Any) -> None:
    with pytest.raises(FieldError, match=r"^data: a value of type \w+ is not allowed, expected ") as caught:
        keys.data_block_mic(KEY, **MIC | {"data": data})
    assert caught.value.field == "data"


@pytest.mark.parametrize(
    "use",
    [
        lambda: keys.mc_root_key(KEY),
        lambda: keys.wrap_mc_key(KEY, KEY),
        lambda: keys.frame_mic(KEY, 1, 2, b"abc"),
        lambda: keys.data_block_mic(KEY, **MIC),
    ],
)
def test_keys_without_cryptography_name_the_extra(use: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fuota-fec\[campaign\]"') as caught:
        use()
    assert caught.value.extra == "campaign"
    assert isinstance(caught.value, ImportError)
