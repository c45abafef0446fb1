"""TS003 of a virtual device: clock synchronisation."""

from __future__ import annotations

from fuota_fec.fleet.device_state import DeviceState
from fuota_fec.fleet.packages.package import Answers, Package
from fuota_fec.wire import clock
from fuota_fec.wire.clock import gps_to_wire


def _force_device_resync(state: DeviceState, command: clock.ForceDeviceResyncCmd, now: float) -> Answers:
    delay = 0.0
    for _ in range(command.nb_transmissions):
        delay += state.answer_delay()
        device_time = gps_to_wire(state.own_gps(now + delay))
        yield clock.AppTimeReq(device_time=device_time, ans_required=True, token_req=state.clock_token), delay


def _app_time(state: DeviceState, command: clock.AppTimeAns, _now: float) -> Answers:
    """Corrects the clock. An answer with another token, such as a repeated one, is ignored."""
    if command.token_ans == state.clock_token:
        state.clock_error += command.time_correction
        state.clock_set = True
        state.clock_token = (state.clock_token + 1) & 15
    return ()


CLOCK = Package(
    identifier=clock.PACKAGE_IDENTIFIER,
    versions=clock.VERSIONS,
    decode=clock.decode,
    version_of=lambda state: state.clock_version,
    handlers={
        clock.ForceDeviceResyncCmd: _force_device_resync,
        clock.AppTimeAns: _app_time,
    },
)
