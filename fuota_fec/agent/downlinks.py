"""Downlinks and multicast groups as the network takes them, keys included.

The bytes of a request have zeros in the place of a key (`campaign.messages`). No other module puts keys into payloads.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Protocol

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import Device
from fuota_fec.campaign.messages import Requested
from fuota_fec.errors import CampaignError
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.radio.regions import region
from fuota_fec.wire import fragmentation, keys, multicast


class Keys(Protocol):
    """Keys by name, as `KeyRing`."""

    def root_key(self, name: str) -> keys.Key:
        """A device's GenAppKey (LoRaWAN 1.0.x) or AppKey (1.1). ParameterError if there is none."""

    def mc_key(self, name: str) -> keys.Key:
        """A group's McKey. ParameterError if there is none."""


class DownlinkBuilder:
    """Builds downlinks and multicast groups with the keys of a ring."""

    def __init__(self, key_ring: Keys) -> None:
        self._keys = key_ring

    def downlink(self, campaign: Campaign, request: Requested) -> Downlink:
        """The downlink of a request. CampaignError if its payload does not have the digest of the request,
        ParameterError if a key is missing."""
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
        """Bytes for the air: the frame or the command of the request, its key filled in."""
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
            raise CampaignError("its payload does not have the digest of the request")

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
        """The group `name` with its session keys; `f_cnt` is its next frame counter."""
        group = campaign.plan.groups[name].group
        mc_addr = int(group.mc_addr, 16)
        mc_key = self._keys.mc_key(group.key_name)
        return MulticastGroup(
            name=f"{campaign.id}/{name}",
            mc_addr=mc_addr,
            mc_app_s_key=keys.mc_app_s_key(mc_key, mc_addr),
            mc_nwk_s_key=keys.mc_nwk_s_key(mc_key, mc_addr),
            dr=group.downlink_dr,
            frequency_hz=group.frequency_hz,
            device_class=group.device_class,
            periodicity=group.periodicity,
            gateways=group.gateways,
            data_rate=region(group.region).data_rate(group.downlink_dr),
            f_cnt=f_cnt,
            dev_euis=tuple(device.dev_eui for device in campaign.config.members[name]),
        )
