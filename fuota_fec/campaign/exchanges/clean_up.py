"""Clean-up as a unicast exchange: each device has its own questions, is asked as often as in any stage, and is then let
go, confirmed or not. It runs beside a stage for devices that left it, and alone when the campaign stops."""

from __future__ import annotations

from collections.abc import Iterable

from fuota_fec.campaign import reasons
from fuota_fec.campaign.exchanges.unicast import Decisions, UnicastExchange
from fuota_fec.campaign.messages import Answered, GivenUp
from fuota_fec.campaign.stages import CLEAN_UP, Questions
from fuota_fec.campaign.state import CampaignState, DeviceState, Phase


class CleanUp(UnicastExchange):
    def __init__(self, state: CampaignState, at: float) -> None:
        super().__init__(state, CLEAN_UP, at)

    def participants(self) -> Iterable[DeviceState]:
        """They come one by one."""
        return ()

    def mine(self, device: DeviceState) -> bool:
        return device.cleaning

    def add(self, device: DeviceState, asks: Questions, at: float) -> None:
        """Why it left the campaign stays its reason."""
        reason, device.cleaning = device.reason, True
        super().add(device, asks, at)
        device.reason = reason

    @property
    def over(self) -> bool:
        return self.n_open == 0

    def settle(self, now: float) -> Decisions:
        """It has no threshold to meet, and ends with its last device."""
        del now
        return iter(())

    def _give_up_if_stalled(self, device: DeviceState, now: float) -> Decisions:
        if device.phase is Phase.STALLED:
            yield GivenUp(at=now, dev_eui=device.dev_eui, reason=reasons.no_answer(device.asks[0].name))

    def request(self, device: DeviceState, now: float) -> Decisions:
        """What would come too late is not asked."""
        limit = device.asks[0].not_after(self.state, device)
        if limit is not None and now >= limit:
            reason = f"no answer in {device.asks[0].name}: it could not arrive before the reboot time"
            yield GivenUp(at=now, dev_eui=device.dev_eui, reason=reason)
        else:
            yield from super().request(device, now)

    def _apply_answered(self, event: Answered) -> None:
        device = self.state.devices[event.dev_eui]
        if event.ok:
            device.asks[0].done(self.state, device)
            if device.unconfirmed == reasons.no_answer(event.ask):
                device.unconfirmed = ""  # it had been given up
        else:
            device.unconfirmed = device.unconfirmed or event.reason
        self._next_ask(device, event.at)

    def _apply_given_up(self, event: GivenUp) -> None:
        """Silence ends it; what was not asked, because that would come too late, is followed by what comes next."""
        device = self.state.devices[event.dev_eui]
        device.unconfirmed = device.unconfirmed or event.reason
        if device.phase is Phase.READY:
            self._next_ask(device, event.at)
        else:
            self._to(device, Phase.GIVEN_UP)
            self.state.set_pacer(event.at)
