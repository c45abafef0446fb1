"""Deliveries of a release: which devices of a fleet get the full image, and which ones a delta of their version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fuota_fec.batch.changes import check_boot_loader, dotted
from fuota_fec.batch.config import BatchConfig, BatchImage, Target
from fuota_fec.batch.fleet import FleetDevice
from fuota_fec.batch.items import Contents, Item
from fuota_fec.batch.pairs import output_of
from fuota_fec.batch.target_plan import PairPlan, TargetPlanner, planner_of
from fuota_fec.campaign.config import firmware_version
from fuota_fec.checks import counted, expected_of, shown
from fuota_fec.devices.profiles import DeviceProfile
from fuota_fec.errors import ParameterError
from fuota_fec.key_ring import KeyRing
from fuota_fec.planning.deltas import Delivery, DeltaChoice, choose_deltas
from fuota_fec.planning.energy import EnergyModel
from fuota_fec.planning.fleet_schedule import Sending


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An image of the release for a target, and what is sent of it."""

    image: BatchImage
    output: str
    item: Item | None
    plan: PairPlan | None
    problem: str
    """Reason why it cannot be sent; "" if it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDeliveries:
    """Deliveries to the devices of one target."""

    target: Target
    full: Candidate
    deltas: Mapping[int, Candidate]
    """Deltas by the version of their base."""
    choice: DeltaChoice | None
    """None if there is nothing to deliver."""
    devices: Mapping[int | None, Sequence[FleetDevice]]
    """Devices that get an image, by the version that they run."""
    current: Sequence[FleetDevice]
    """Devices that run the release already."""
    unreached: Sequence[FleetDevice]
    """Devices whose data rate does not take the frames of the target."""
    problem: str
    """Reason why the devices get nothing; "" if they do, or there are none."""

    def candidate(self, delivery: Delivery) -> Candidate:
        return self.full if delivery.base is None else self.deltas[delivery.base]

    def devices_of(self, delivery: Delivery) -> list[FleetDevice]:
        """Devices of a delivery, by DevEUI."""
        found = [device for version in delivery.versions for device in self.devices[version]]
        return sorted(found, key=lambda device: device.dev_eui)

    @property
    def outputs(self) -> list[str]:
        """Outputs that are delivered; all of them if none can be, so that each has its reason in the manifest."""
        if self.choice is None:
            return [self.full.output, *(one.output for one in self.deltas.values())] if self.problem else []
        return [self.candidate(delivery).output for delivery in self.choice.deliveries]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Deliveries of a release to a fleet."""

    fw_version: int
    targets: tuple[TargetDeliveries, ...]
    keys: KeyRing | None = field(default=None, repr=False)

    @property
    def outputs(self) -> frozenset[str]:
        """Outputs that the deliveries need."""
        return frozenset(output for target in self.targets for output in target.outputs)

    @property
    def problems(self) -> list[str]:
        """A line for each target whose devices get nothing, and for devices out of reach."""
        lines = []
        for one in self.targets:
            if one.problem:
                lines.append(f"target {one.target.name}: {one.problem}")
            if one.unreached:
                n = counted(len(one.unreached), "device")
                lines.append(
                    f"target {one.target.name}: {n} out of reach: the frames do not fit their data rate, expected "
                    "another target for them"
                )
        return lines


def plan_deliveries(config: BatchConfig, fleet: Sequence[FleetDevice], *, keys: KeyRing | None = None) -> Deliveries:
    """Deliveries of the release that the images of a batch are: one full image, and deltas to it.

    They are those with the least time on air (`planning.deltas`). With `keys`, deliveries of dialect 2.0.0 have the MIC
    of each device. ParameterError, with all reasons, for a batch that is not one release, and devices without a target.
    """
    version = _one_release(config)
    members = _by_target(config, fleet)
    full = next(image for image in config.images if image.base is None)
    items = [(image, *_item(image, config.folder)) for image in config.images]
    return Deliveries(
        fw_version=version,
        keys=keys,
        targets=tuple(
            _deliveries(target, config.profile_of(target), version, full, items, members[target.name])
            for target in config.targets
        ),
    )


def _one_release(config: BatchConfig) -> int:
    problems = [
        f"image {image.source}: fw_version is missing, expected that of the release"
        for image in config.images
        if image.fw_version is None
    ]
    versions = {firmware_version(image.fw_version) for image in config.images if image.fw_version is not None}
    if len(versions) > 1:
        names = ", ".join(map(dotted, sorted(versions)))
        problems.append(f"images: their versions are {names}, expected one release for a fleet")
    n_full = sum(image.base is None for image in config.images)
    if n_full != 1:
        problems.append(f"images: {n_full} are full images, expected one, and deltas of it")
    bases = Counter(firmware_version(image.base.fw_version) for image in config.images if image.base is not None)
    problems += [
        f"images: {n} are deltas of version {dotted(base)}, expected one" for base, n in bases.items() if n > 1
    ]
    if problems:
        raise ParameterError.of(problems)
    [version] = versions
    return version


def _by_target(config: BatchConfig, fleet: Sequence[FleetDevice]) -> dict[str, list[FleetDevice]]:
    members: dict[str, list[FleetDevice]] = {target.name: [] for target in config.targets}
    only = config.targets[0].name if len(config.targets) == 1 else None
    problems = []
    for device in fleet:
        name = device.target or only
        if name in members:
            members[name].append(device)
        elif name is None:
            problems.append(f"device {device.dev_eui}: target is missing, expected one of {', '.join(members)}")
        else:
            problems.append(
                f"device {device.dev_eui}: target: {shown(name)} is not known, {expected_of(name, members)}"
            )
    if problems:
        raise ParameterError.of(problems)
    return members


def _item(image: BatchImage, folder: str) -> tuple[Item | None, str]:
    """Bytes to be sent of an image, or the reason why there are none."""
    try:
        return Contents(image, folder).read(), ""
    except ParameterError as error:
        return None, "; ".join(error.problems)


def _deliveries(
    target: Target,
    profile: DeviceProfile,
    version: int,
    full: BatchImage,
    items: Sequence[tuple[BatchImage, Item | None, str]],
    devices: Sequence[FleetDevice],
) -> TargetDeliveries:
    planner, problem = None, ""
    try:
        planner = planner_of(target, profile)
    except ParameterError as error:
        problem = "; ".join(error.problems)
    candidates = [_candidate(image, item, reason or problem, target, profile, planner) for image, item, reason in items]
    of_full = next(one for one in candidates if one.image is full)
    deltas = {firmware_version(one.image.base.fw_version): one for one in candidates if one.image.base is not None}
    current = [device for device in devices if device.fw_version == version]
    others = [device for device in devices if device.fw_version != version]
    drs: set[int | None] = {rate["dr"] for one in candidates if one.plan is not None for rate in one.plan.data_rates}
    drs = {None, *drs} if drs else {None, *(device.downlink_dr for device in others)}
    reached = [device for device in others if device.downlink_dr in drs]
    unreached = [device for device in others if device.downlink_dr not in drs]
    by_version: dict[int | None, list[FleetDevice]] = {}
    for device in sorted(reached, key=lambda one: (-1 if one.fw_version is None else one.fw_version, one.dev_eui)):
        by_version.setdefault(device.fw_version, []).append(device)
    choice = None
    if reached:
        problem = problem or of_full.problem
        if planner is not None and not of_full.problem:
            try:
                choice = _choice(target, profile, of_full, deltas, by_version, planner.facts["dr"])
            except ParameterError as error:
                problem = "; ".join(error.problems)
    return TargetDeliveries(
        target=target,
        full=of_full,
        deltas=deltas,
        choice=choice,
        devices=by_version,
        current=sorted(current, key=lambda device: device.dev_eui),
        unreached=sorted(unreached, key=lambda device: device.dev_eui),
        problem=problem if reached else "",
    )


def _candidate(
    image: BatchImage,
    item: Item | None,
    reason: str,
    target: Target,
    profile: DeviceProfile,
    planner: TargetPlanner | None,
) -> Candidate:
    plan = None
    if item is not None and planner is not None:
        try:
            check_boot_loader(image, profile)
            plan = planner.plan(len(item.data))
        except ParameterError as error:
            reason = "; ".join(error.problems)
    return Candidate(image=image, output=output_of(image, target), item=item, plan=plan, problem=reason)


def _choice(
    target: Target,
    profile: DeviceProfile,
    full: Candidate,
    deltas: Mapping[int, Candidate],
    devices: Mapping[int | None, Sequence[FleetDevice]],
    dr: int,
) -> DeltaChoice:
    usable = {base: one for base, one in deltas.items() if one.plan is not None}
    coded = {one.plan.n_frags: int(one.plan.rows.size) for one in (full, *usable.values()) if one.plan is not None}
    assert full.plan is not None
    return choose_deltas(
        _len(full),
        {base: _len(one) for base, one in usable.items()},
        {
            version: Counter(dr if one.downlink_dr is None else one.downlink_dr for one in members)
            for version, members in devices.items()
        },
        n_coded=coded.__getitem__,
        sending=_sending(target, profile, full.plan.frag_size),
        energy=EnergyModel.of(profile.energy),
        dialect=target.dialect,
    )


def _len(candidate: Candidate) -> int:
    assert candidate.item is not None
    return len(candidate.item.data)


def _sending(target: Target, profile: DeviceProfile, frag_size: int) -> Sending:
    return Sending(
        region=target.region,
        frequency_hz=target.frequency,
        duty_cycle=target.duty_cycle,
        mcast_msg_delay=target.mcast_msg_delay / 1000,
        coded_msg_delay=None if target.coded_msg_delay is None else target.coded_msg_delay / 1000,
        periodicity=target.periodicity if target.device_class == "B" else None,
        dwell_time=target.dwell_time,
        repeater=target.repeater,
        revision=profile.regional_revision,
        fsize=frag_size,
        frags_max=profile.usable_frags,
    )
