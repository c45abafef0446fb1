"""Reading of a FragSessionStatusAns, for the counts of every stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuota_fec.devices.profiles import PROFILES, DeviceProfile, MissingCount, ReceivedCount, profile
from fuota_fec.devices.status_reading import Completion, Reading, read_status
from fuota_fec.wire.fragmentation import FragSessionStatusAns

COMPLETE, LIKELY, UNKNOWN = Completion.COMPLETE, Completion.LIKELY, Completion.UNKNOWN
INCOMPLETE, WRONG = Completion.INCOMPLETE, Completion.WRONG
TRUTHFUL = DeviceProfile(name="ts004", received_count=ReceivedCount.ALL, missing_count=MissingCount.NEEDED)
"""A stack that counts as TS004 says."""
STACKS = {**PROFILES, "ts004": TRUTHFUL}


def ans(received: int, missing: int, **flags: Any) -> FragSessionStatusAns:
    return FragSessionStatusAns(frag_index=0, nb_frag_received=received, missing_frag=missing, **flags)


def read(stack: str, received: int, missing: int, n_frags: int = 10, *, once: bool = False, **flags: Any) -> Reading:
    return read_status(STACKS[stack], ans(received, missing, **flags), n_frags, once=once)


# ---- by profile ------------------------------------------------------------------------------------------


ROWS: list[tuple[str, int, int, Completion]] = [
    # as TS004 says: fragments still needed
    ("ts004", 10, 0, COMPLETE),
    ("ts004", 14, 0, COMPLETE),
    ("ts004", 8, 2, INCOMPLETE),
    ("ts004", 12, 1, INCOMPLETE),
    ("ts004", 0, 0, INCOMPLETE),
    # a block of 10 fragments takes 10 of them
    ("ts004", 9, 0, UNKNOWN),
    ("generic", 10, 0, COMPLETE),
    ("generic", 9, 0, UNKNOWN),
    ("generic", 3, 0, UNKNOWN),
    ("generic", 0, 0, INCOMPLETE),
    ("generic", 9, 1, INCOMPLETE),
    # LBM says one missing after a loss-free reception
    ("lbm", 10, 0, COMPLETE),
    ("lbm", 10, 1, LIKELY),
    ("lbm", 9, 1, INCOMPLETE),
    ("lbm", 10, 2, INCOMPLETE),
    ("lbm", 4, 0, INCOMPLETE),
    # LoRaMac-node and ST never count down: what is said is what was lost
    # before its first fragment such a device answers with the last number of an earlier session
    ("loramac-node", 10, 0, LIKELY),
    ("loramac-node", 11, 0, UNKNOWN),
    ("loramac-node", 9, 0, INCOMPLETE),
    ("loramac-node", 10, 2, INCOMPLETE),
    ("loramac-node", 11, 2, INCOMPLETE),
    ("loramac-node", 12, 2, UNKNOWN),
    ("st", 12, 0, UNKNOWN),
    ("st", 13, 2, UNKNOWN),
    ("st", 11, 2, INCOMPLETE),
    ("st-v2", 10, 0, LIKELY),
    ("st-v2", 13, 2, UNKNOWN),
    ("actility-l476", 10, 0, COMPLETE),
    ("actility-l476", 12, 2, UNKNOWN),
    # Zephyr counts repeats
    ("zephyr", 10, 0, LIKELY),
    ("zephyr", 8, 2, INCOMPLETE),
    ("zephyr", 3, 0, INCOMPLETE),
    ("zephyr-lowmem", 12, 0, LIKELY),
    ("zephyr-lowmem", 0, 10, INCOMPLETE),
]


@pytest.mark.parametrize(("stack", "received", "missing", "expected"), ROWS)
def test_counts_are_hints_by_profile(stack, received, missing, expected) -> None:
    assert read(stack, received, missing).completion is expected


def test_every_profile_has_its_rows() -> None:
    """A profile that is a base and changes has the meanings of its base, and no rows of its own."""
    assert {stack for stack, *_ in ROWS} == {name for name, row in STACKS.items() if not row.base}
    for row in STACKS.values():
        base = STACKS.get(row.base, row)
        assert (row.received_count, row.missing_count) == (base.received_count, base.missing_count)


@pytest.mark.parametrize("stack", ["zephyr", "zephyr-lowmem"])
def test_a_stack_that_counts_receptions_is_sure_if_nothing_was_sent_twice(stack) -> None:
    assert read(stack, 10, 0, once=True).completion is COMPLETE
    assert read(stack, 9, 1, once=True).completion is INCOMPLETE


@pytest.mark.parametrize("stack", sorted(set(STACKS) - {"zephyr", "zephyr-lowmem"}))
def test_repetitions_make_no_difference_for_stacks_that_do_not_count_them(stack) -> None:
    for received in range(15):
        for missing in range(5):
            assert read(stack, received, missing, once=True) == read(stack, received, missing, once=False)


# ---- the reasons -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
def test_only_an_incomplete_block_has_a_reason(stack) -> None:
    for received in range(25):
        for missing in (*range(12), 254, 255):
            completion, reason, *_ = read(stack, received, missing)
            assert (reason == "") is (completion in (COMPLETE, LIKELY))
            assert reason == "" or reason.startswith("missing")


@pytest.mark.parametrize(
    ("stack", "received", "missing", "n_frags", "reason"),
    [
        ("generic", 8, 2, 10, "missing 2 fragments"),
        ("generic", 8, 255, 1000, "missing 255 or more fragments"),
        ("generic", 0, 0, 10, "missing 1 fragment"),
        ("lbm", 44, 0, 300, "missing 256 fragments"),
        ("loramac-node", 7, 0, 10, "missing 3 fragments"),
        ("zephyr", 3, 7, 10, "missing 7 fragments"),
        ("st", 14, 3, 10, "missing fragments unknown: the device lost 3, and may have them"),
    ],
)
def test_the_reason_has_the_number_of_missing_fragments(stack, received, missing, n_frags, reason) -> None:
    assert read(stack, received, missing, n_frags).reason == reason


# ---- flags -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(
    "flags", [{"not_enough_matrix_memory": True}, {"version": "2.0.0", "memory_error": True}], ids=["1.0.0", "2.0.0"]
)
def test_a_device_without_memory_for_its_losses_is_never_complete(stack, flags) -> None:
    """Coded fragments will not help it. Where the bit outlives its session, it proves less: see below."""
    if STACKS[stack].memory_error_outlives_setup:
        return
    for missing in range(4):
        completion, reason, *_ = read(stack, 14, missing, **flags)
        assert completion is INCOMPLETE
        assert reason.endswith(", its memory for the matrix is full")


@pytest.mark.parametrize("stack", STACKS)
def test_a_mic_error_of_a_complete_block_is_a_wrong_block(stack) -> None:
    reading = read(stack, 10, 0, version="2.0.0", mic_error=True)
    assert reading == Reading(WRONG, "image not valid: MIC error")


def test_a_mic_error_is_a_wrong_block_also_for_a_stack_that_reports_1_for_none() -> None:
    assert read("lbm", 10, 1, version="2.0.0", mic_error=True).completion is WRONG


@pytest.mark.parametrize("stack", STACKS)
def test_a_mic_error_means_nothing_while_fragments_are_missing(stack) -> None:
    for missing in (2, 3, 200):
        with_flag = read(stack, 5, missing, 5 + missing, version="2.0.0", mic_error=True)
        assert with_flag == read(stack, 5, missing, 5 + missing, version="2.0.0")
        assert with_flag.completion is INCOMPLETE


@pytest.mark.parametrize("stack", STACKS)
def test_a_session_that_does_not_exist_holds_nothing(stack) -> None:
    answer = FragSessionStatusAns(version="2.0.0", session_does_not_exist=True)
    expected = Reading(INCOMPLETE, "missing all fragments: no such session")
    assert read_status(STACKS[stack], answer, 10, once=True) == expected


OUTLIVING = sorted(name for name, row in STACKS.items() if row.memory_error_outlives_setup)
BIT: dict[str, Any] = {"not_enough_matrix_memory": True}


def test_the_stacks_whose_error_bit_outlives_its_session_are_read_with_care() -> None:
    assert OUTLIVING == ["loramac-node", "st", "st-2021", "st-v2", "zephyr"]


@pytest.mark.parametrize("stack", ["loramac-node", "st", "st-v2"])
def test_an_error_bit_is_that_of_an_earlier_session_if_the_losses_fit_into_the_memory(stack) -> None:
    """Up to 255 fragments. A count of losses modulo 256 proves less of larger blocks."""
    for received, missing in ((100, 0), (110, 3), (104, 5), (101, 2)):
        assert read(stack, received, missing, 100, **BIT) == read(stack, received, missing, 100)
    assert read(stack, 600, 3, 400, **BIT).completion is UNKNOWN


@pytest.mark.parametrize(("stack", "too_many"), [("loramac-node", 6), ("st", 217), ("st-v2", 217)])
def test_a_device_that_lost_more_than_its_memory_can_solve_is_never_complete(stack, too_many) -> None:
    """It sets the error bit with the first coded fragment, or the second."""
    for received, flags in ((249, {}), (250, {}), (251, BIT), (300, BIT), (600, BIT)):
        reading = read(stack, received, too_many, 250, **flags)
        assert reading.completion is INCOMPLETE
        assert reading.needed is None
        assert reading.reason.endswith(", its memory for the matrix is full")


def test_an_error_bit_of_one_context_is_earlier_only_if_all_that_was_lost_fits_into_the_memory() -> None:
    def zephyr(received: int) -> Reading:
        return read_status(STACKS["zephyr"], ans(received, 0, **BIT), 100, n_sent=130, once=False)

    assert zephyr(110).completion is LIKELY
    assert zephyr(109).completion is UNKNOWN
    assert read_status(STACKS["zephyr"], ans(100, 0, **BIT), 100, n_sent=100, once=True).completion is COMPLETE


def test_cleared_counts_are_no_verdict() -> None:
    def zephyr(received: int, missing: int, n_sent: int | None, **facts: Any) -> Reading:
        return read_status(STACKS["zephyr"], ans(received, missing), 400, n_sent=n_sent, once=False, **facts)

    cleared = zephyr(3, 255, 450)
    assert (cleared.completion, cleared.loss, cleared.needed) == (UNKNOWN, None, None)
    assert zephyr(3, 255, None) == cleared, "fragments were repeated"
    assert zephyr(3, 255, 400).completion is INCOMPLETE
    assert zephyr(100, 255, 450).completion is INCOMPLETE
    assert zephyr(3, 90, 450).completion is LIKELY
    assert zephyr(3, 90, None).completion is LIKELY
    assert zephyr(3, 90, 400).completion is INCOMPLETE


def test_counts_below_those_of_an_earlier_answer_were_cleared_after_completion() -> None:
    def zephyr(received: int, missing: int, **facts: Any) -> Reading:
        return read_status(STACKS["zephyr"], ans(received, missing), 400, n_sent=460, once=False, **facts)

    assert zephyr(30, 255, counted_before=360).completion is LIKELY
    assert zephyr(30, 255, counted_before=30).completion is UNKNOWN
    assert zephyr(380, 20, counted_before=360).completion is INCOMPLETE
    assert read_status(STACKS["generic"], ans(30, 255), 400, once=False, counted_before=360).completion is INCOMPLETE


def test_a_stack_without_an_error_bit_may_have_lost_too_much() -> None:
    """The low-memory decoder solves 20 losses of 100, and counts on."""

    def lowmem(received: int) -> Reading:
        return read_status(STACKS["zephyr-lowmem"], ans(received, 0), 100, n_sent=200, once=False)

    assert lowmem(190) == Reading(LIKELY, loss=pytest.approx(0.05))
    assert (lowmem(165).completion, lowmem(165).needed) == (UNKNOWN, None)
    assert (lowmem(120).completion, lowmem(120).needed) == (UNKNOWN, 40)


@pytest.mark.parametrize("stack", ["loramac-node", "st", "st-v2"])
def test_the_losses_of_large_blocks_are_counted_modulo_256(stack) -> None:
    assert read(stack, 400, 0, 400).completion is LIKELY
    assert read(stack, 600, 0, 400).completion is UNKNOWN
    assert read(stack, 255, 0, 255).completion is LIKELY
    assert read(stack, 300, 0, 255).completion is UNKNOWN


def test_a_device_that_stopped_hearing_lacks_what_it_did_not_hear_as_well() -> None:
    reading = read_status(STACKS["st"], ans(92, 2), 300, n_sent=300, once=True)
    assert (reading.needed, reading.reason) == (210, "missing 210 fragments")
    assert (reading.loss, reading.loss_exact) == (pytest.approx(0.7), True)


def test_256_missing_ones_are_possible_only_after_as_many_coded_fragments() -> None:
    def lbm(n_sent: int | None) -> Completion:
        return read_status(STACKS["lbm"], ans(1000, 0), 1000, n_sent=n_sent, once=False).completion

    assert (lbm(1255), lbm(1256), lbm(None)) == (COMPLETE, LIKELY, LIKELY)


def test_rows_in_any_order_prove_less() -> None:
    def reading(stack: str, received: int, missing: int, n_frags: int = 10) -> Completion:
        return read_status(STACKS[stack], ans(received, missing), n_frags, once=False, in_order=False).completion

    assert reading("st", 11, 3) is UNKNOWN
    assert reading("lbm", 8, 0) is COMPLETE
    assert reading("lbm", 8, 0, 300) is LIKELY


# ---- counts that contradict ------------------------------------------------------------------------------


@given(
    stack=st.sampled_from(sorted(STACKS)),
    n_frags=st.one_of(st.integers(1, 300), st.just(16_383)),
    received=st.integers(0, 16_383),
    missing=st.integers(0, 255),
    n_sent=st.one_of(st.none(), st.integers(1, 16_383)),
    once=st.booleans(),
    can_be_helped=st.booleans(),
    in_order=st.booleans(),
)
def test_no_counts_are_read_as_a_block_that_they_do_not_prove(
    stack, n_frags, received, missing, n_sent, **facts
) -> None:
    """A block takes as many fragments as it has, and a device receives no more than were sent. An LBM device that hears
    rows in any order counts fewer; one with a single context counts payloads as well."""
    row = STACKS[stack]
    reading = read_status(row, ans(received, missing), n_frags, n_sent=n_sent, **facts)
    if reading.completion is COMPLETE:
        assert missing == 0
        assert received
        assert received >= n_frags or (row.missing_count is MissingCount.NEEDED_OR_ONE and not facts["in_order"])
        assert n_sent is None or received <= n_sent or not facts["in_order"]
    if reading.loss is not None:
        assert n_sent is not None
        assert 0 <= reading.loss < 1
        assert received <= n_sent


@pytest.mark.parametrize("stack", ["generic", "mbed", "pamoja", "xdot", "ts004"])
def test_none_missing_of_too_few_received_is_left_to_more_fragments_or_the_version(stack) -> None:
    def reading(received: int, **facts: Any) -> Reading:
        return read_status(STACKS[stack], ans(received, 0), 100, n_sent=120, once=False, **facts)

    assert reading(100) == reading(120) == Reading(COMPLETE)
    few = reading(70)
    assert (few.completion, few.reason) == (UNKNOWN, "missing fragments unknown: it reports none, and 70 received")
    assert few.loss is None
    assert few.needed == (30 if stack == "ts004" else None)
    assert reading(70, can_be_helped=True).needed == 30


@pytest.mark.parametrize("stack", sorted(name for name, row in STACKS.items() if not row.one_context))
def test_more_received_than_sent_are_the_counts_of_another_session(stack) -> None:
    reading = read_status(STACKS[stack], ans(130, 0), 100, n_sent=120, once=False)
    assert (reading.completion, reading.needed, reading.loss) == (UNKNOWN, None, None)
    sent = read_status(STACKS[stack], ans(120, 0), 100, n_sent=120, once=False)
    assert sent.completion is (UNKNOWN if STACKS[stack].counts_outlive_setup else COMPLETE)


def test_fragments_that_were_sent_again_are_received_again() -> None:
    def reading(received: int, n_sent: int | None = 120) -> Completion:
        counts = ans(received, 0)
        return read_status(STACKS["ts004"], counts, 100, n_sent=n_sent, n_on_air=123, once=False).completion

    assert (reading(121), reading(123), reading(124), reading(124, None)) == (COMPLETE, COMPLETE, UNKNOWN, UNKNOWN)


def test_the_number_of_the_last_fragment_may_exceed_the_number_sent_if_numbers_are_left_out() -> None:
    def reading(stack: str) -> Completion:
        return read_status(STACKS[stack], ans(300, 0), 100, n_sent=120, once=False, in_order=False).completion

    assert (reading("generic"), reading("lbm"), reading("ts004")) == (LIKELY, COMPLETE, UNKNOWN)


# ---- against what the stacks do --------------------------------------------------------------------------


@dataclass
class Stack:
    """A decoder of M fragments that hears some of 1 … M + R, in order, and counts as its profile says.

    Every coded fragment is worth one lost uncoded one, but for those that are `useless`. Once it is complete it counts
    no further.
    """

    profile: DeviceProfile
    n_frags: int
    n_heard: int = 0
    last: int = 0
    n_lost: int = 0
    n_solved: int = 0

    @property
    def complete(self) -> bool:
        return self.last >= self.n_frags and self.n_solved >= self.n_lost

    def hear(self, frag_nb: int, *, useless: bool) -> None:
        if self.complete:
            return
        self.n_lost += max(0, min(frag_nb - 1, self.n_frags) - min(self.last, self.n_frags))
        self.last = frag_nb
        self.n_heard += 1
        if frag_nb > self.n_frags and not useless:
            self.n_solved += 1

    def answer(self) -> FragSessionStatusAns:
        needed = self.n_frags - (min(self.last, self.n_frags) - self.n_lost) - self.n_solved
        received = {
            ReceivedCount.ALL: self.n_heard,
            ReceivedCount.LAST_NUMBER: self.last,
            ReceivedCount.LAST_NUMBER_LESS_LOST: self.last - self.n_lost,
            ReceivedCount.UNKNOWN: self.n_heard,
        }[self.profile.received_count]
        missing = {
            MissingCount.NEEDED: min(needed, 255),
            MissingCount.NEEDED_OR_ONE: needed % 256 if needed or self.n_lost else 1,
            MissingCount.LOST: self.n_lost,
            MissingCount.NOT_HEARD: max(0, self.n_frags - self.n_heard),
            MissingCount.UNKNOWN: min(needed, 255),
        }[self.profile.missing_count]
        return ans(received, missing)


@given(
    stack=st.sampled_from(sorted(STACKS)),
    n_frags=st.integers(1, 40),
    n_coded=st.integers(0, 20),
    data=st.data(),
)
def test_a_status_is_never_read_as_more_than_the_device_has(stack, n_frags, n_coded, data) -> None:
    """COMPLETE is complete, INCOMPLETE is not; what cannot be told is LIKELY or UNKNOWN."""
    device = Stack(STACKS[stack], n_frags)
    lost = data.draw(st.sets(st.integers(1, n_frags + n_coded)), label="lost")
    useless = data.draw(st.sets(st.integers(n_frags + 1, n_frags + n_coded + 1)), label="useless")
    for frag_nb in range(1, n_frags + n_coded + 1):
        if frag_nb not in lost:
            device.hear(frag_nb, useless=frag_nb in useless)
    n_sent = data.draw(st.sampled_from([None, n_frags + n_coded]), label="n_sent")
    reading = read_status(device.profile, device.answer(), n_frags, n_sent=n_sent, once=n_coded == 0)
    if device.complete:
        assert reading.completion in (COMPLETE, LIKELY, UNKNOWN)
    else:
        assert reading.completion in (INCOMPLETE, LIKELY, UNKNOWN)
    if reading.completion is COMPLETE:
        assert device.complete


@given(n_frags=st.integers(1, 60), lost=st.sets(st.integers(1, 60)))
def test_the_counts_of_the_specification_leave_nothing_open(n_frags, lost) -> None:
    device = Stack(TRUTHFUL, n_frags)
    for frag_nb in range(1, n_frags + 30):
        if frag_nb not in lost:
            device.hear(frag_nb, useless=False)
    reading = read_status(TRUTHFUL, device.answer(), n_frags, once=False)
    assert reading.completion is (COMPLETE if device.complete else INCOMPLETE)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("n_frags", [1, 2, 3, 255, 256, 257, 16_383])
def test_a_reception_without_loss_is_believed(stack, n_frags) -> None:
    device = Stack(STACKS[stack], n_frags)
    for frag_nb in range(1, n_frags + 1):
        device.hear(frag_nb, useless=False)
    counts = STACKS[stack].missing_count
    sure = counts is not MissingCount.NEEDED_OR_ONE and not STACKS[stack].counts_outlive_setup
    expected = COMPLETE if sure and not (n_frags > 255 and counts is MissingCount.LOST) else LIKELY
    assert read_status(device.profile, device.answer(), n_frags, once=True).completion is expected


def test_the_layout_of_an_answer_is_the_profiles() -> None:
    assert profile("st-v2").status_version("2.0.0") == "1.0.0"
    assert profile("generic").status_version("2.0.0") == "2.0.0"


def test_one_missing_fragment_of_many_received_is_one() -> None:
    """A device without a loss is complete at fragment M, and counts no further."""

    def lbm(received: int, n_sent: int | None = 180) -> Completion:
        return read_status(STACKS["lbm"], ans(received, 1), 150, n_sent=n_sent, once=False).completion

    assert (lbm(150), lbm(151), lbm(170), lbm(180)) == (LIKELY, INCOMPLETE, INCOMPLETE, LIKELY)


@pytest.mark.parametrize(("received", "expected"), [(100, UNKNOWN), (102, UNKNOWN), (103, LIKELY), (130, LIKELY)])
def test_few_fragments_beyond_the_block_are_no_sign_of_it_where_more_can_be_sent(
    received: int, expected: Completion
) -> None:
    def zephyr(*, can_be_helped: bool) -> Completion:
        counts = ans(received, 0)
        return read_status(
            STACKS["zephyr"], counts, 100, n_sent=130, once=False, can_be_helped=can_be_helped
        ).completion

    assert zephyr(can_be_helped=True) is expected
    assert zephyr(can_be_helped=False) is LIKELY
