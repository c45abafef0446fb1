"""A virtual device: downlinks in, uplinks out, by unicast, on a group and over the air."""

from __future__ import annotations

import pickle
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.errors import ParameterError
from fuota_fec.wire import firmware, fragmentation, keys
from fuota_fec.wire.clock import unix_from_gps

NOW = 1_800_000_000.0
ROOT = keys.Key(bytes(range(16)))
MC_KEY = keys.Key(bytes(range(100, 116)))
MC_ADDR = 0x01F3A4B5
IMAGE = bytes(range(50, 93))


def test_the_how_to_drives_a_device_as_it_shows(capsys) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "drive-a-device.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "drive-a-device.md", "exec"), names)
    shown = re.findall(r"```\n(.*?)```", re.sub(r"(?s)```python.*?```", "", page), re.DOTALL)
    assert capsys.readouterr().out == "".join(shown)
    assert names["device"].stored == names["image"]


@pytest.mark.parametrize(("group", "accepted"), [(None, True), (0, False), (1, True), (2, False), (3, True)])
def test_fragments_on_a_group_are_received_if_the_session_allows_the_group(bench, group, accepted) -> None:
    b = bench(releases={})
    b.send(b.setup_request(mc_group_bit_mask=0b1010))
    for n in range(1, 6):
        assert b.device.stored is None
        b.device.receive(201, b.frame(n), b.now, group=group)
    assert b.device.stored == (IMAGE if accepted else None)


@pytest.mark.parametrize("group", [-1, 4, 200])
def test_a_group_that_no_device_has_is_refused_and_changes_nothing(bench, group) -> None:
    b = bench()
    with pytest.raises(ParameterError, match=f"^group: {group} is not a McGroupID, expected 0 to 3 or None$"):
        b.device.receive(203, firmware.DevVersionReq().encode(), b.now, group=group)
    assert b.device.next_due() is None


def test_state_in_a_batch_is_written_back_before_every_downlink_until_the_batch_ends(bench) -> None:
    b = bench().ready()
    written: list[int] = []
    write_back = partial(written.append, 1)
    b.device.add_write_back(write_back)
    b.send(firmware.DevVersionReq())
    n_unicast = len(written)
    b.cast(b.frame(1), 0)
    assert 0 < n_unicast < len(written)
    b.device.remove_write_back(write_back)
    n_written = len(written)
    b.send(firmware.DevVersionReq())
    b.device.write_back()
    assert len(written) == n_written


def test_an_answer_is_returned_when_it_is_due(bench) -> None:
    b = bench()
    assert b.device.next_due() is None
    b.send(firmware.DevVersionReq())
    due = b.device.next_due()
    assert due is not None
    assert b.device.advance(due - 0.001) == []
    assert len(b.device.advance(due)) == 1
    assert b.device.next_due() is None


def test_frames_of_an_open_session_are_received(bench) -> None:
    b = bench().ready()
    assert b.cast(b.frame(1), 0)
    assert b.cast(b.frame(2), 7)


def test_frames_before_and_after_the_session_are_not_received(bench) -> None:
    b = bench().ready()
    for now, received in ((NOW + 90, False), (NOW + 101, True), (NOW + 100 + 254, True), (NOW + 100 + 258, False)):
        b.now = now
        b.device.groups[0].min_f_cnt = 0
        assert b.cast(b.frame(1), 5) is received


@pytest.mark.parametrize(
    "wrong", [{"addr": MC_ADDR + 1}, {"key": keys.mc_app_s_key(MC_KEY, MC_ADDR + 1)}, {"key": keys.Key(bytes(16))}]
)
def test_a_frame_with_another_address_or_key_is_not_received(bench, wrong) -> None:
    b = bench().ready()
    assert not b.cast(b.frame(1), 0, **wrong)
    assert b.cast(b.frame(1), 0)


def test_a_frame_counter_is_accepted_once_and_only_forwards(bench) -> None:
    b = bench().ready()
    assert b.cast(b.frame(1), 5)
    assert not b.cast(b.frame(2), 5)
    assert not b.cast(b.frame(2), 4)
    assert b.cast(b.frame(2), 6)


def test_frame_counters_outside_the_window_are_not_received(bench) -> None:
    b = bench()
    b.send(b.group_request(min_mc_fcnt=10, max_mc_fcnt=12))
    b.send(b.setup_request())
    b.send(b.session_request())
    b.now = NOW + 101
    assert [b.cast(b.frame(1), f_cnt) for f_cnt in (9, 10, 11, 12)] == [False, True, True, False]


@given(kind=st.sampled_from("BC"), time_out=st.integers(0, 15), off=st.sampled_from([-5.0, 0.01, 0.5, 0.99, 1.01]))
def test_frames_outside_a_session_of_either_class_are_not_received(bench, kind: str, time_out: int, off: float) -> None:
    """`off`: shares of the session's duration."""
    b = bench()
    b.send(b.group_request())
    request = b.class_b_request(time_out=time_out) if kind == "B" else b.session_request(time_out=time_out)
    b.send(request)
    duration = (128 if kind == "B" else 1) << time_out
    b.now = unix_from_gps(request.session_time) + off * duration
    assert b.cast(b.frame(1), 0) is (0 <= off < 1)


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("n_before", range(9))
def test_a_pickled_device_continues_where_it_was(bench, version, n_before) -> None:
    settings = {"ack_reception": True} if version == "2.0.0" else {}
    b = bench(version=version, announces_version=True).ready(**settings)
    frames = [3, 6, 9, 9, 7, 1, 5, 8, 11, 12, 2]
    for n in frames[:n_before]:
        b.device.receive(201, b.frame(n), b.now)
    twin = bench(version=version)
    twin.now, twin.device = b.now, pickle.loads(pickle.dumps(b.device))
    said = []
    for each in (b, twin):
        each.send(fragmentation.FragSessionStatusReq(frag_index=0, participants=True))
        for n in frames[n_before:]:
            each.device.receive(201, each.frame(n), each.now)
        said.append(each.answers())
    assert said[0] == said[1]
    assert len(said[0]) >= 2
    assert b.device.image == twin.device.image == IMAGE
    assert twin.device.root_key == ROOT
