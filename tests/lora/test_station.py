"""What a radio device's own words, a wrong driver and its log make of its station."""

import pytest

from drivers.core.registry import find
from gateway.edge.station import DeviceSpec, Report
from gateway.lora.station import RadioStation
from gateway.lora.uplinks import Receiver, UplinkMessage
from tests.lora.radio import START_NS, StillClock

SWL = "milesight-em500-swl"


class Told:
    """A station with what it reported and said of itself."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.states: list[tuple[str, str]] = []
        self.station = RadioStation(
            DeviceSpec("probe"),
            find(SWL),
            StillClock(),
            self.reports.append,
            lambda device, state, why: self.states.append((state, why)),
            lambda *_: None,
        )

    def take(self, payload: str) -> str:
        uplink = UplinkMessage(bytes.fromhex(payload), f_port=85, receivers=(Receiver("a", -90.0, 7.0),))
        return self.station.take(uplink, 0, 5, START_NS)


@pytest.mark.parametrize(
    ("payload", "reason", "why"),
    [
        ("0377ffff", "DeviceFault", "failed"),
        ("0999", "FixedBits", f"its payload is none of {SWL}: channel 09"),
    ],
)
def test_a_device_without_a_value_is_told_from_one_of_another_driver(payload: str, reason: str, why: str) -> None:
    told = Told()
    assert told.take(payload).startswith(reason)
    ((state, said),) = told.states
    assert state == "faulty"
    assert said.startswith(why)
    assert told.station.counters.rejected == {reason: 1}
    assert told.reports == []
    assert told.take("03770200") == ""
    assert told.states[-1] == ("ok", "")
