"""Profiles: capabilities and limits of device stacks, as data.

Each row of PROFILES names the source of its facts; a field with another source has a comment:

    run     the stack's code was run on a host
    read    its public source was read
    survey  from tables of vendors' documents and issue trackers

Limits are those of the default or template build. A product whose build differs has a profile of its own, made of one
of these and changes: `DeviceProfile.replace`, or a table `[profiles.NAME]` of a campaign file.

Words of TS004: a loss is an *uncoded* fragment that did not arrive. The number of losses that a decoder can solve is
set by the memory for its matrix, and does not depend on the number of coded fragments sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar

from fuota_fec.checks import shown
from fuota_fec.devices.behaviour import Evidence, LateUncoded, MissingCount, RebootVerb, ReceivedCount, Version
from fuota_fec.devices.builds import BUILDS
from fuota_fec.devices.field_kinds import kind_problems, read_enums
from fuota_fec.devices.limits import BuildLimits, limit_problems
from fuota_fec.devices.radios import DEFAULT_RADIO, RADIOS, Radio
from fuota_fec.devices.stack_quirks import Deletion, Overrun, SessionErrors, StackQuirks
from fuota_fec.errors import ParameterError

__all__ = [
    "PROFILES",
    "DeviceProfile",
    "Evidence",
    "LateUncoded",
    "MissingCount",
    "RebootVerb",
    "ReceivedCount",
    "Version",
    "profile",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile(StackQuirks, BuildLimits):
    """One build of a device stack: its limits (`BuildLimits`), the radio of the device, and the quirks of the stack.

    Sizes in bytes, times in seconds; None: not known, or no own limit. ParameterError for values that contradict each
    other or TS004.
    """

    NAMED_BY: ClassVar[str] = "name"
    """Field that is the name of a table in a file (`fuota_fec.config_files`)."""

    name: str
    """Name of the profile."""
    base: str = ""
    """Name of the profile that this one has its other values of, if it is a base and changes."""
    source: str = ""
    """Repository, version, and how its facts were learnt."""
    commit: str = ""
    """Commit of the source that was run or read, if it is known."""
    radio: str | Radio = DEFAULT_RADIO
    """Radio of the device, for its energy: a name in fuota_fec.devices.radios, or a table of powers."""

    # ---- TS004
    dialects: tuple[Version, ...] = ("1.0.0", "2.0.0")
    """TS004 dialects; a build has one of them."""
    late_uncoded: LateUncoded = LateUncoded.UNKNOWN
    any_row: Evidence = Evidence.UNKNOWN
    """Evidence that coded fragments of any number, with gaps and in any order, are solved."""
    setup_restarts: bool = True
    """Whether a FragSessionSetupReq for an open session restarts it and discards its fragments. In dialect 2.0.0 only
    before the first fragment: after it the same SessionCnt is refused."""
    hangs_from: int | None = None
    """Number of uncoded fragments from which the decoder never returns from the first coded fragment."""
    second_session_fails: bool = False
    """Whether each session after the first one since a reset ends early with wrong bytes, or never."""
    frag_session_delete: bool = True
    """Whether FragSessionDeleteReq is answered."""
    mic_needs_ack_reception: bool = False
    """Whether the MIC of dialect 2.0.0 is checked with AckReception only."""

    # ---- FragSessionStatusAns
    answers_status: bool = True
    """Whether FragSessionStatusReq is answered."""
    received_count: ReceivedCount = ReceivedCount.UNKNOWN
    missing_count: MissingCount = MissingCount.UNKNOWN
    status_layout: Version | None = None
    """TS004 version whose answer layout it sends, whatever its dialect; None: that of its dialect."""
    status_without_session: tuple[Version, ...] = ()
    """Dialects in which it also answers without a session, with the counts of the previous one, or zeros. In the
    layout of 2.0.0 the counts follow SessionDoesNotExist."""
    blank_status: tuple[Version, ...] = ()
    """Dialects in which all counts are 0 before the first fragment of the session, as if nothing were missing."""
    max_answer_len: int | None = None
    """Largest length of all answers in one uplink; answers that do not fit are left out without an error."""

    # ---- TS005
    mc_versions: tuple[Version, ...] = ("1.0.0", "2.0.0")
    """Versions of TS005."""
    class_b: bool | None = None
    """Whether it opens class B sessions."""
    class_c: bool | None = True
    """Whether it opens class C sessions."""
    first_f_cnt_16_bits: bool = True
    """Whether the 16 counter bits of the first multicast frame are used as the whole counter."""
    mc_group_status: bool = False
    """Whether McGroupStatusReq is understood. If not, it must not be sent: its mask may be read as the next command."""
    mc_group_delete: bool = True
    """Whether McGroupDeleteReq is answered."""

    # ---- TS006
    ts006: bool | None = None
    """Whether it has the package."""
    reboot_verb: RebootVerb = RebootVerb.NONE
    max_reboot_delay: int | None = None
    """Longest delay until a planned reboot."""
    reboot_delay_answered: bool = True
    """Whether the answer to reboot_verb is the number of seconds left, as in TS006."""
    tells_image: bool | None = None
    """Whether DevUpgradeImageAns reports the stored image correctly."""
    deletes_image: bool | None = None
    """Whether DevDeleteImageReq deletes the stored image."""
    reboots_alone: bool | None = None
    """Whether it reboots into a complete image without a request; None: the application decides."""

    def __post_init__(self) -> None:
        problems = list(kind_problems(self)) or list(_problems(self))
        if problems:
            raise ParameterError.of(f"profile {shown(self.name)}: {text}" for text in problems)

    @classmethod
    def of_base(cls, name: str) -> DeviceProfile:
        """The profile that a table of a file changes: the named one, or "generic"."""
        found = PROFILES.get(name or "generic") if isinstance(name, str) else None
        if found is None:
            raise ParameterError(f"base: {shown(name)} is not known, expected one of {', '.join(PROFILES)}")
        return found

    def replace(self, **changes: Any) -> DeviceProfile:
        """This profile with other values of some fields: a profile of one's own, with this one as its base.

        Values of an enumeration may be given by name. ParameterError for a field that no profile has, and for a value
        that it cannot have.
        """
        known = [spec.name for spec in fields(self)]
        for name in changes:
            if name not in known:
                raise ParameterError(
                    f"profile {shown(self.name)}: unknown field {shown(name)}, expected one of {', '.join(known)}"
                )
        base = self.name if self.name in PROFILES else self.base
        try:
            values = read_enums(type(self), changes)
            self.of_base(values.get("base", ""))
        except ParameterError as error:
            raise ParameterError(f"profile {shown(self.name)}: {error}") from None
        return replace(self, **{"base": base, **values})

    def changed(self) -> list[str]:
        """Texts of the fields that differ from the base: "max_frags 850"."""
        base = PROFILES.get(self.base)
        names = [spec.name for spec in fields(self) if spec.name not in ("name", "base")]
        return [f"{name} {getattr(self, name)}" for name in names if getattr(self, name) != getattr(base, name, None)]

    @property
    def usable_frags(self) -> int:
        """Largest NbFrag with which a device completes."""
        return self.max_frags if self.hangs_from is None else min(self.max_frags, self.hangs_from - 1)

    @property
    def energy(self) -> Radio:
        """Radio of the device, with its powers."""
        return RADIOS[self.radio] if isinstance(self.radio, str) else self.radio

    def status_version(self, dialect: str) -> str:
        """TS004 version with which to decode a FragSessionStatusAns of a device of this dialect."""
        return self.status_layout or dialect


def _problems(p: DeviceProfile) -> Iterator[str]:
    """A line for each value that contradicts another one, TS004 or TS006."""
    if not p.name.strip():
        yield f"name: {shown(p.name)} is empty"
    yield from limit_problems(p)
    if isinstance(p.radio, str) and p.radio not in RADIOS:
        yield f"radio: {shown(p.radio)} is not known, expected one of {', '.join(RADIOS)}"
    if p.one_context and p.dialects != ("1.0.0",):
        yield "one_context: stacks with one context have dialect 1.0.0 only"
    if p.ts006 is False and p.reboot_verb is not RebootVerb.NONE:
        yield f"reboot_verb: {p.reboot_verb} is a request of TS006, expected 'none' with ts006 = false"


# --- The table -------------------------------------------------------------------------------------------------------

# Stacks descended from LoRaMac-node have in common: one decoder behind four FragIndex values, a counter taken from the
# first frame, and status numbers of the decoder itself. Each row has the differences.

_LBM = DeviceProfile(
    name="lbm",
    source="Lora-net/SWL2001, LoRa Basics Modem 4.8.0, both package versions: run",
    commit="9a14f67",
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
    status_without_session=("1.0.0", "2.0.0"),  # run
    blank_status=("2.0.0",),  # run
    max_answer_len=15,  # run
    overrun=Overrun.FAILS,  # read
    setup_checks=("max_frags", "max_frag_size"),  # run
    checks_frag_len=False,  # run
    deletion=Deletion.STOPS_UNBEGUN,  # run; read for a session without fragments
    unknown_command_silences=True,  # run
    report_sent_again=True,  # run
    stores_wrong_mic=True,  # run
    class_b=True,  # run
    session_band_only=True,  # run; read: between the lowest and the highest frequency of the region
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
    source="Lora-net/LoRaMac-node, master after 4.7.0: decoder and packages run",
    commit="dcbcfb3",
    dialects=("1.0.0",),  # run
    max_frags=21,  # read: of the interoperability test; applications raise it
    max_frag_size=50,  # read
    max_losses=5,  # read; beyond it a session ends as if complete, or the stack overruns its buffers (run)
    late_uncoded=LateUncoded.DROPPED,  # run
    any_row=Evidence.RUN,  # 2000 of 2000 blocks
    n_sessions=4,  # read
    n_decoders=1,  # read
    mc_group_ids=(0,),  # read: four contexts, but only the time-out of group 0 ends a session
    received_count=ReceivedCount.LAST_NUMBER,  # read
    missing_count=MissingCount.LOST,  # run
    status_without_session=("1.0.0",),  # run
    overrun=Overrun.WRONG_BLOCK,  # run
    counts_outlive_setup=True,  # run
    memory_error_outlives_setup=True,  # run
    setup_checks=("max_frags", "max_frag_size"),  # run
    deletion=Deletion.FORGETS,  # run
    checks_group_mask=False,  # run
    checks_frag_len=False,  # run
    reads_after_frag=True,  # run
    skips_cid_alone=True,  # run
    session_errors=SessionErrors.REGION_FIRST,  # read
    missed_start_undefined=True,  # run
    undefined_group_sets_all=True,  # run
    unset_clock_counts=True,  # run
    leap_seconds=False,  # run
    mc_versions=("1.0.0",),  # read
    class_b=False,  # read: a class B session opens class C and ends after 2^TimeOut s
    first_f_cnt_16_bits=True,  # read
    mc_group_status=False,  # read: its mask is taken for a command
    ts006=False,  # read
    reboots_alone=None,  # read: no reboot in the stack
)

_ZEPHYR = DeviceProfile(
    name="zephyr",
    source="zephyrproject-rtos/zephyr, subsys/lorawan/services with the Semtech decoder: run",
    commit="11d8490",
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
    one_context=True,  # run
    checks_group_mask=False,  # run
    checks_frag_len=False,  # run: the decoder goes on with the length of its own block
    overrun=Overrun.WRONG_BLOCK,  # run
    memory_error_outlives_setup=True,  # run
    setup_checks=("max_frags", "max_frag_size"),  # run
    session_errors=SessionErrors.NO_STATUS,  # read: the MAC layer refuses, and the status is not appended
    undefined_group_sets_all=True,  # read: the status of the MAC layer
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
    source="zephyrproject-rtos/zephyr, subsys/lorawan/services with the low-memory decoder: run",
    commit="86c6f9e",
    late_uncoded=LateUncoded.CORRUPTS,  # run
    overrun=Overrun.SILENT,  # run
    memory_error_outlives_setup=False,  # run: it has no error bit
    checks_frag_len=True,  # run
)

_ST = DeviceProfile(
    name="st",
    source="STMicroelectronics/stm32-mw-lorawan, STM32CubeWL template, 1.0.0 build: TS004 and TS006 run, TS005 read",
    commit="655e66d",
    radio="sx126x",  # the radio of the STM32WL
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
    mc_group_ids=(0,),  # read: its MAC layer has one multicast context
    received_count=ReceivedCount.LAST_NUMBER,  # read
    missing_count=MissingCount.LOST,  # run
    status_without_session=("1.0.0",),  # run
    overrun=Overrun.WRONG_BLOCK,  # run
    counts_outlive_setup=True,  # run
    memory_error_outlives_setup=True,  # run
    setup_checks=("max_frags", "min_frag_size", "max_frag_size"),  # run
    checks_frag_len=False,  # run
    reads_after_frag=True,  # run
    skips_cid_alone=True,  # run
    session_errors=SessionErrors.REGION_FIRST,  # read
    class_b_hopping=False,  # read: 0 is in no band, answered with FreqError
    missed_start_undefined=True,  # read
    undefined_group_sets_all=True,  # read: the status of the MAC layer
    unset_clock_counts=True,  # read
    version_order="big",  # run
    leap_seconds=False,  # run
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
    source="STMicroelectronics/stm32-mw-lorawan, STM32CubeWL template, 2.0.0 build: TS004 and TS006 run, TS005 read",
    dialects=("2.0.0",),  # run
    mc_versions=("2.0.0",),  # read
    status_without_session=("2.0.0",),  # run
    missed_start_undefined=False,
    status_layout="1.0.0",  # read; acknowledged, not to be fixed
    mic_needs_ack_reception=True,  # read
    stores_wrong_mic=True,  # run: the application gets the block before its MIC is computed
    reboots_alone=False,  # read: it installs when told to reboot
)

_ACTILITY_L476 = DeviceProfile(
    name="actility-l476",
    source="actility/nucleo-stm32l476-fuota: read",
    commit="57a2a0e",
    dialects=("1.0.0",),
    max_frags=1000,
    max_frag_size=230,
    max_image_len=230_000,  # run
    max_losses=60,  # although the server of the same house sends up to 340 coded fragments
    late_uncoded=LateUncoded.DROPPED,
    any_row=Evidence.READ,
    n_sessions=4,
    n_decoders=1,
    answers_status=False,  # the answer is made, and then waits for a timer that was never written
    received_count=ReceivedCount.LAST_NUMBER,
    missing_count=MissingCount.LOST,
    overrun=Overrun.WRONG_BLOCK,  # run
    setup_checks=("max_frags", "max_image_len"),  # run; a FragSize above 230 overruns buffers
    deletion=Deletion.FORGETS,  # run
    checks_group_mask=False,  # run
    checks_frag_len=False,  # run
    reads_after_frag=True,  # run
    skips_cid_alone=True,  # read
    status_silences=True,  # run
    session_errors=SessionErrors.WITH_START,  # read: the MAC layer returns OK although it sets error bits
    missed_start_undefined=True,  # run
    undefined_group_sets_all=True,  # read: the status of the MAC layer
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

_STACKS = (_LBM, _LORAMAC_NODE, _ZEPHYR, _ZEPHYR_LOWMEM, _ST, _ST_V2, _ACTILITY_L476, _GENERIC)


def _with_builds(stacks: Mapping[str, DeviceProfile]) -> Mapping[str, DeviceProfile]:
    made = {
        name: replace(stacks[base], **{"name": name, "base": base, **read_enums(DeviceProfile, changes)})
        for name, (base, changes) in BUILDS.items()
    }
    return MappingProxyType({**stacks, **made})


PROFILES: Mapping[str, DeviceProfile] = _with_builds({row.name: row for row in _STACKS})
"""Every profile by its name."""


def profile(name: str) -> DeviceProfile:
    """The profile of that name. ParameterError, with the known names, if there is none."""
    found = PROFILES.get(name)
    if found is None:
        raise ParameterError(f"profile: {shown(name)} is not known, expected one of {', '.join(PROFILES)}")
    return found
