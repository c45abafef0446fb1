"""Profiles: capabilities and limits of device stacks, as data.

Each row of PROFILES names the source of its facts; a field with another source has a comment:

    run     the stack's code was run on a host
    read    its public source was read
    survey  from tables of vendors' documents and issue trackers

Limits are those of the default or template build. A product whose build differs has a profile of its own: a
`dataclasses.replace` of one of these, or a table of a configuration file read with `fuota_fec.config_files.from_table`.

Words of TS004: a loss is an *uncoded* fragment that did not arrive. The number of losses that a decoder can solve is
set by the memory for its matrix, and does not depend on the number of coded fragments sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, TypeAlias

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError
from fuota_fec.radio.channels import DataRate

Version: TypeAlias = Literal["1.0.0", "2.0.0"]


class LateUncoded(StrEnum):
    """Treatment of an uncoded fragment that arrives after one with a higher number."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    """Ignored, and with it a whole second round of uncoded fragments."""
    CORRUPTS = "corrupts"
    """Stored until the first coded fragment is received; after that taken for a coded one: wrong bytes, no error."""
    UNKNOWN = "unknown"


class ReceivedCount(StrEnum):
    """Meaning of NbFragReceived of FragSessionStatusAns."""

    ALL = "all"
    """Number of fragments received: uncoded, coded and repeated (as in TS004)."""
    LAST_NUMBER = "last_number"
    """N of the last fragment received, not a count."""
    LAST_NUMBER_LESS_LOST = "last_number_less_lost"
    """N of the last fragment received, less the losses."""
    UNKNOWN = "unknown"


class MissingCount(StrEnum):
    """Meaning of MissingFrag of FragSessionStatusAns."""

    NEEDED = "needed"
    """Independent fragments still needed; 255 is 255 or more (as in TS004)."""
    NEEDED_OR_ONE = "needed_or_one"
    """Independent fragments still needed modulo 256, but 1 instead of 0 when nothing was lost: 1 may mean a complete
    block."""
    LOST = "lost"
    """Losses so far. The count never goes down, so only a device that lost nothing reports 0."""
    NOT_HEARD = "not_heard"
    """M less all fragments received, at least 0: a repeated or useless fragment counts as progress."""
    UNKNOWN = "unknown"


class RebootVerb(StrEnum):
    """TS006 request that makes the device reboot at the intended time."""

    COUNTDOWN = "countdown"
    """DevRebootCountdownReq."""
    TIME = "time"
    """DevRebootTimeReq; needs a correct clock in the device."""
    EITHER = "either"
    """Both. A countdown needs no clock; a time does not age in the server's queue."""
    NONE = "none"


class Evidence(StrEnum):
    """Source of a fact."""

    RUN = "run"
    READ = "read"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """Capabilities of one build of a device stack. Sizes in bytes, times in seconds; None: not known, or no own limit.

    ParameterError for values that contradict each other or TS004.
    """

    name: str
    source: str = ""
    """Repository, version, and how its facts were learnt."""

    # ---- TS004
    dialects: tuple[Version, ...] = ("1.0.0", "2.0.0")
    max_frags: int = 16383
    """Largest NbFrag, M."""
    min_frag_size: int = 1
    max_frag_size: int = 255
    frag_size_multiple: int = 1
    """Unit of fragment sizes, in most cases the unit in which flash is written."""
    max_image_len: int | None = None
    max_losses: int | None = None
    """Largest number of uncoded fragments that may be lost."""
    max_loss_share: float | None = None
    """Largest share of the M uncoded fragments that may be lost, 0 … 1."""
    late_uncoded: LateUncoded = LateUncoded.UNKNOWN
    any_row: Evidence = Evidence.UNKNOWN
    """Evidence that coded fragments of any number, with gaps and in any order, are solved."""
    setup_restarts: bool = True
    """Whether a FragSessionSetupReq for an open session restarts it and discards its fragments. In dialect 2.0.0 only
    before the first fragment: after it the same SessionCnt is refused."""
    n_sessions: int = 1
    """Number of fragmentation sessions: FragIndex 0 … n_sessions - 1 are accepted."""
    n_decoders: int = 1
    """Number of sessions that can receive at the same time."""
    frag_session_delete: bool = True
    mic_needs_ack_reception: bool = False
    """Whether the MIC of dialect 2.0.0 is checked with AckReception only."""

    # ---- FragSessionStatusAns
    answers_status: bool = True
    received_count: ReceivedCount = ReceivedCount.UNKNOWN
    missing_count: MissingCount = MissingCount.UNKNOWN
    status_layout: Version | None = None
    """TS004 version whose answer layout it sends, whatever its dialect; None: that of its dialect."""
    status_without_session: tuple[Version, ...] = ()
    """Dialects in which it also answers without a session, with the counts of the previous one, or zeros."""
    blank_status: tuple[Version, ...] = ()
    """Dialects in which all counts are 0 before the first fragment of the session, as if nothing were missing."""
    max_answer_len: int | None = None
    """Largest length of all answers in one uplink; answers that do not fit are left out without an error."""

    # ---- TS005
    mc_versions: tuple[Version, ...] = ("1.0.0", "2.0.0")
    class_b: bool | None = None
    class_c: bool | None = True
    class_b_hopping: bool | None = None
    """Whether DLFrequency 0 of a class B session (TS005 2.0.0) is taken for the region's ping slot channels."""
    sessions_2g4: bool | None = None
    """Whether DLFrequency is read in steps of 200 Hz at 2.4 GHz."""
    new_data_rates: bool = False
    """Whether stack and radio receive SF5 and SF6 below 1 GHz, the data rates of RP002-1.0.5."""
    first_f_cnt_16_bits: bool = True
    """Whether the 16 counter bits of the first multicast frame are used as the whole counter."""
    mc_group_status: bool = False
    """Whether McGroupStatusReq is understood. If not, it must not be sent: its mask may be read as the next command."""
    mc_group_delete: bool = True

    # ---- TS006
    ts006: bool | None = None
    reboot_verb: RebootVerb = RebootVerb.NONE
    max_reboot_delay: int | None = None
    """Longest delay until a planned reboot."""
    reboot_delay_answered: bool = True
    """Whether the answer to reboot_verb is the number of seconds left, as in TS006."""
    tells_image: bool | None = None
    """Whether DevUpgradeImageAns reports the stored image correctly."""
    deletes_image: bool | None = None
    reboots_alone: bool | None = None
    """Whether it reboots into a complete image without a request; None: the application decides."""

    def __post_init__(self) -> None:
        problems = [text for ok, text in _checks(self) if not ok]
        if problems:
            raise ParameterError("\n".join(f"profile {self.name!r}: {text}" for text in problems))

    def solvable_losses(self, n_frags: int) -> int | None:
        """Largest number of `n_frags` uncoded fragments that may be lost; None if not known."""
        limits = [] if self.max_losses is None else [self.max_losses]
        if self.max_loss_share is not None:
            limits.append(int(self.max_loss_share * n_frags))
        return min(n_frags, *limits) if limits else None

    def check_data_rate(self, rate: DataRate) -> None:
        """ParameterError unless stack and radio receive this data rate."""
        if rate.since and not self.new_data_rates:
            raise ParameterError(
                f"dr: {rate} exists since {rate.since}, {self.name} devices do not receive it, expected an older one"
            )

    def status_version(self, dialect: str) -> str:
        """TS004 version with which to decode a FragSessionStatusAns of a device of this dialect."""
        return self.status_layout or dialect


def _checks(p: DeviceProfile) -> tuple[tuple[bool, str], ...]:
    share = p.max_loss_share
    return (
        (bool(p.name), "name: '' is empty"),
        (bool(p.dialects), "dialects: there are none, expected 1.0.0, 2.0.0 or both"),
        (bool(p.mc_versions), "mc_versions: there are none, expected 1.0.0, 2.0.0 or both"),
        (1 <= p.max_frags <= 16383, f"max_frags: {p.max_frags} is not from 1 to 16383"),
        (
            1 <= p.min_frag_size <= p.max_frag_size <= 255,
            f"min_frag_size, max_frag_size: {p.min_frag_size} and {p.max_frag_size} are not a range within 1 to 255",
        ),
        (
            1 <= p.frag_size_multiple <= p.max_frag_size,
            f"frag_size_multiple: {p.frag_size_multiple} is not from 1 to max_frag_size, {p.max_frag_size}",
        ),
        (p.max_image_len is None or p.max_image_len >= 1, f"max_image_len: {p.max_image_len} is not 1 or more"),
        (p.max_losses is None or p.max_losses >= 0, f"max_losses: {p.max_losses} is not 0 or more"),
        (share is None or 0 <= share <= 1, f"max_loss_share: {share} is not from 0 to 1"),
        (1 <= p.n_sessions <= 4, f"n_sessions: {p.n_sessions} is not from 1 to 4"),
        (1 <= p.n_decoders <= p.n_sessions, f"n_decoders: {p.n_decoders} is not from 1 to n_sessions, {p.n_sessions}"),
        (p.max_answer_len is None or p.max_answer_len >= 1, f"max_answer_len: {p.max_answer_len} is not 1 or more"),
        (
            p.max_reboot_delay is None or p.max_reboot_delay >= 1,
            f"max_reboot_delay: {p.max_reboot_delay} is not 1 or more",
        ),
        (
            p.ts006 is not False or p.reboot_verb is RebootVerb.NONE,
            f"reboot_verb: {p.reboot_verb} is a request of TS006, expected 'none' with ts006 = false",
        ),
    )


# --- The table -------------------------------------------------------------------------------------------------------

# Stacks descended from LoRaMac-node have in common: one decoder behind four FragIndex values, a counter taken from the
# first frame, and status numbers of the decoder itself. Each row has the differences.

_LBM = DeviceProfile(
    name="lbm",
    source="Lora-net/SWL2001, LoRa Basics Modem 4.8.0, both package versions: run",
    dialects=("1.0.0", "2.0.0"),  # a build has one of them
    max_frags=100,  # run; build option
    max_frag_size=242,  # run; build option
    max_losses=100,  # run; build option, the same as max_frags: all may be lost
    late_uncoded=LateUncoded.DROPPED,  # run
    any_row=Evidence.RUN,  # 2000 of 2000 blocks in each dialect, numbers up to 16383 - M
    setup_restarts=True,  # run; an issue tracker reports no answer at all
    n_sessions=4,  # run
    n_decoders=1,  # run: fragments of two sessions mix
    received_count=ReceivedCount.LAST_NUMBER_LESS_LOST,  # run
    missing_count=MissingCount.NEEDED_OR_ONE,  # run
    status_without_session=("1.0.0",),  # run
    blank_status=("2.0.0",),  # run
    max_answer_len=15,  # run
    class_b=True,  # run
    class_b_hopping=False,  # read: 0 is outside the band, answered with FreqError
    sessions_2g4=False,  # read: DLFrequency times 100 in every region, answered with FreqError
    first_f_cnt_16_bits=True,  # read: the stored counter starts as "none yet"
    mc_group_status=True,  # run; 15 bytes hold two groups of four
    ts006=True,  # run
    reboot_verb=RebootVerb.TIME,  # run; the countdown works as well
    tells_image=True,  # run
    deletes_image=True,  # run
    reboots_alone=None,  # read: the application gets an event
)

_LORAMAC_NODE = DeviceProfile(
    name="loramac-node",
    source="Lora-net/LoRaMac-node, master after 4.7.0: decoder run, packages read",
    dialects=("1.0.0",),  # run
    max_frags=21,  # read: of the interoperability test; applications raise it
    max_frag_size=50,  # read
    max_losses=5,  # read; beyond it a session ends as if complete, or the stack overruns its buffers (run)
    late_uncoded=LateUncoded.DROPPED,  # run
    any_row=Evidence.RUN,  # 2000 of 2000 blocks
    n_sessions=4,  # read
    n_decoders=1,  # read
    received_count=ReceivedCount.LAST_NUMBER,  # read
    missing_count=MissingCount.LOST,  # read
    mc_versions=("1.0.0",),  # read
    class_b=False,  # read: a class B session opens class C and ends after 2^TimeOut s
    first_f_cnt_16_bits=True,  # read
    mc_group_status=False,  # read: its mask is taken for a command
    ts006=False,  # read
    reboots_alone=None,  # read: no reboot in the stack
)

_ZEPHYR = DeviceProfile(
    name="zephyr",
    source="zephyrproject-rtos/zephyr, subsys/lorawan/services with the Semtech decoder: read",
    dialects=("1.0.0",),
    max_frags=16383,  # by the size of the image partition
    min_frag_size=48,  # memory is reserved for fragments of at least this size; build option
    max_frag_size=232,  # build option, up to 239
    frag_size_multiple=8,  # for flash that is written 8 bytes at a time, such as that of STM32WL
    max_loss_share=0.2,  # build option; of the most fragments the partition can have, so of M it is a cautious figure
    late_uncoded=LateUncoded.DROPPED,
    any_row=Evidence.READ,
    n_sessions=4,  # any FragIndex, but only one is open at a time
    n_decoders=1,
    received_count=ReceivedCount.ALL,
    missing_count=MissingCount.NOT_HEARD,
    max_answer_len=15,
    mc_versions=("1.0.0",),
    class_b=False,
    first_f_cnt_16_bits=True,  # the MAC layer is LoRaMac-node's
    mc_group_status=False,  # the rest of the message is dropped with it
    ts006=False,
    reboots_alone=None,  # the image is marked for the boot loader, the application resets
)

_ZEPHYR_LOWMEM = replace(
    _ZEPHYR,
    name="zephyr-lowmem",
    source="zephyrproject-rtos/zephyr, subsys/lorawan/services with the low-memory decoder: read, and a port of it run",
    late_uncoded=LateUncoded.CORRUPTS,  # port run: 200 of 200 blocks wrong, without an error
)

_ST = DeviceProfile(
    name="st",
    source="STMicroelectronics/stm32-mw-lorawan and the STM32CubeWL template, 1.0.0 build: decoder run, packages read",
    dialects=("1.0.0",),  # run
    max_frags=2151,  # read: template; 21 in the demonstration build
    min_frag_size=40,  # read: template; smaller ones are refused
    max_frag_size=240,  # read: template; 50 in the demonstration build
    frag_size_multiple=8,  # survey: alignment faults, and fragments across two flash pages that fail
    max_losses=216,  # read: template; 5 in the demonstration build
    late_uncoded=LateUncoded.DROPPED,  # run
    any_row=Evidence.READ,
    n_sessions=4,  # read
    n_decoders=1,  # read
    received_count=ReceivedCount.LAST_NUMBER,  # read
    missing_count=MissingCount.LOST,  # read
    mc_versions=("1.0.0",),  # read
    class_b=True,  # read
    first_f_cnt_16_bits=True,  # read: the MAC layer is LoRaMac-node's
    mc_group_status=True,  # read
    ts006=True,  # read
    reboot_verb=RebootVerb.COUNTDOWN,  # read: DevRebootTimeReq is taken for Unix time
    max_reboot_delay=2**32 // 1000,  # read: a timer of 32 bits in milliseconds
    tells_image=False,  # read: always "none"
    deletes_image=False,  # read: always "nothing to delete"
    reboots_alone=True,  # read: the template installs and resets as soon as the block is complete
)

_ST_V2 = replace(
    _ST,
    name="st-v2",
    source="STMicroelectronics/stm32-mw-lorawan and the STM32CubeWL template, 2.0.0 build: decoder run, packages read",
    dialects=("2.0.0",),  # run
    mc_versions=("2.0.0",),  # read
    status_layout="1.0.0",  # read; acknowledged, not to be fixed
    mic_needs_ack_reception=True,  # read
    reboots_alone=False,  # read: it installs when told to reboot
)

_ACTILITY_L476 = DeviceProfile(
    name="actility-l476",
    source="actility/nucleo-stm32l476-fuota: read",
    dialects=("1.0.0",),
    max_frags=1000,
    max_frag_size=230,
    max_losses=60,  # although the server of the same house sends up to 340 coded fragments
    late_uncoded=LateUncoded.DROPPED,
    any_row=Evidence.READ,
    n_sessions=4,
    n_decoders=1,
    answers_status=False,  # the answer is made, and then waits for a timer that was never written
    received_count=ReceivedCount.LAST_NUMBER,
    missing_count=MissingCount.LOST,
    mc_versions=("1.0.0",),
    class_b=False,  # the request is not handled
    first_f_cnt_16_bits=True,  # the MAC layer is LoRaMac-node's
    mc_group_status=False,
    ts006=True,
    reboot_verb=RebootVerb.TIME,  # a release candidate of TS006, which had no countdown
    max_reboot_delay=2**32 // 1000,
    reboot_delay_answered=False,  # it repeats the time asked for; 0 still means "cannot"
    tells_image=True,
    deletes_image=True,  # whatever version is asked for
    reboots_alone=True,  # at once, unless a reboot time was set before
)

_GENERIC = DeviceProfile(
    name="generic",
    source="the specifications, and the cautious choice where stacks differ",
    max_frag_size=239,
    n_sessions=4,  # a device must have at least one; its answer to the setup decides
    n_decoders=1,
    mc_group_status=False,
    reboot_verb=RebootVerb.EITHER,
)

PROFILES: Mapping[str, DeviceProfile] = MappingProxyType(
    {row.name: row for row in (_LBM, _LORAMAC_NODE, _ZEPHYR, _ZEPHYR_LOWMEM, _ST, _ST_V2, _ACTILITY_L476, _GENERIC)}
)
"""Every profile by its name."""


def profile(name: str) -> DeviceProfile:
    """The profile of that name. ParameterError, with the known names, if there is none."""
    found = PROFILES.get(name)
    if found is None:
        raise ParameterError(f"profile: {shown(name)} is not known, expected one of {', '.join(PROFILES)}")
    return found
