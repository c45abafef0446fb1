"""Where keys meet commands: the bytes for the air from what was requested, and the keys for the network server.

A request keeps zeros where a key goes (`campaign.messages`). Nothing else in the library puts keys into payloads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device, KeyRing
from fuota_fec.campaign.messages import NetworkCapabilities, Requested
from fuota_fec.campaign.preflight.check import find, refusals
from fuota_fec.errors import CampaignError, ParameterError
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.wire import fragmentation, keys, multicast


class Sealer:
    """Seals requests with the keys of a ring."""

    def __init__(self, key_ring: KeyRing) -> None:
        self._keys = key_ring

    def downlink(self, campaign: Campaign, request: Requested) -> Downlink:
        return Downlink(
            id=request.id,
            f_port=request.f_port,
            payload=self._payload(campaign, request),
            not_after=request.not_after,
            dev_eui=request.dev_eui,
            replaces=request.replaces,
            group=f"{campaign.id}/{request.group}" if request.group is not None else None,
            f_cnt=request.f_cnt,
        )

    def _payload(self, campaign: Campaign, request: Requested) -> bytes:
        """The bytes for the air. A request keeps zeros where a key goes; this is the only place that puts it in."""
        if request.command is None:
            assert request.frag_nb is not None
            name = request.group if request.dev_eui is None else campaign.device(request.dev_eui).group
            payload = bytes(campaign.block(name or "").frame(request.frag_nb))
            self._check_digest(request, payload)
            return payload
        self._check_digest(request, request.command)
        if request.dev_eui is None:
            return request.command
        device = campaign.device(request.dev_eui)
        ports = campaign.config.ports
        group = campaign.plan.groups[device.group].group
        if request.f_port == ports.multicast:
            [command] = multicast.decode(request.command, uplink=False, version=group.mc_version)
            if isinstance(command, multicast.McGroupSetupReq):
                wrapped = keys.wrap_mc_key(self._mc_ke_key(device), self._keys.mc_key(group.key_name))
                return replace(command, mc_key_encrypted=wrapped).encode()
        elif request.f_port == ports.fragmentation and group.dialect == "2.0.0":
            [command] = fragmentation.decode(request.command, uplink=False, version=group.dialect)
            if isinstance(command, fragmentation.FragSessionSetupReq):
                return replace(command, mic=self._mic(campaign, device, command)).encode()
        return request.command

    @staticmethod
    def _check_digest(request: Requested, payload: bytes) -> None:
        if hashlib.sha256(payload).digest()[:8] != request.digest:
            raise CampaignError(f"{request.id}: the payload is not the one that was requested")

    def _mc_ke_key(self, device: Device) -> keys.Key:
        root = self._keys.root_key(device.key_name)
        derive = keys.mc_root_key if device.lorawan == "1.0" else keys.mc_root_key_from_app_key
        return keys.mc_ke_key(derive(root))

    def _mic(self, campaign: Campaign, device: Device, command: fragmentation.FragSessionSetupReq) -> bytes:
        assert command.session_cnt is not None
        return keys.data_block_mic(
            keys.data_block_int_key(self._keys.root_key(device.key_name)),
            session_cnt=command.session_cnt,
            frag_index=command.frag_index,
            descriptor=command.descriptor,
            data=campaign.image,
        )

    def multicast_group(self, campaign: Campaign, name: str, f_cnt: int) -> MulticastGroup:
        """The group `name` as the network server must know it; `f_cnt` is its next frame counter."""
        group = campaign.plan.groups[name].group
        mc_addr = int(group.mc_addr, 16)
        mc_key = self._keys.mc_key(group.key_name)
        return MulticastGroup(
            name=f"{campaign.id}/{name}",
            mc_addr=mc_addr,
            mc_app_s_key=keys.mc_app_s_key(mc_key, mc_addr),
            mc_nwk_s_key=keys.mc_nwk_s_key(mc_key, mc_addr),
            dr=group.dr,
            frequency_hz=group.frequency_hz,
            device_class=group.device_class,
            periodicity=group.periodicity,
            gateways=group.gateways,
            f_cnt=f_cnt,
            dev_euis=tuple(d.dev_eui for d in campaign.config.devices if d.group == name),
        )

    def refusals(self, campaign: Campaign, network: NetworkCapabilities, now: float) -> list[str]:
        """What the pre-flight check refuses once keys and time are known: a missing key is noticed now, not midway."""
        findings = find(
            campaign.config,
            campaign.plan,
            len(campaign.image),
            now=now,
            network=network,
            root_key_known=lambda device: _is_there(self._keys.root_key, device.key_name),
            mc_key_known=lambda group: _is_there(self._keys.mc_key, group.key_name),
        )
        return refusals(findings)

    def missing_keys(self, campaign: Campaign) -> list[str]:
        """A line for each key of a campaign that is not in the ring."""
        roots = sorted({d.key_name for d in campaign.config.devices if not _is_there(self._keys.root_key, d.key_name)})
        groups = sorted({g.key_name for g in campaign.config.groups if not _is_there(self._keys.mc_key, g.key_name)})
        return [f"key ring: there is no root key named {name!r}" for name in roots] + [
            f"key ring: there is no multicast key named {name!r}" for name in groups
        ]


def _is_there(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except ParameterError:
        return False
    return True
