"""PyPMS, another reader of the same dust sensors, on what our simulated ones say; and its commands beside ours."""

from __future__ import annotations

import pytest
from pms.core import Sensor

from drivers.air import honeywell, nova, plantower, winsen_zh03b
from drivers.core.contract import Decoded
from drivers.core.listening import Listener
from drivers.core.registry import find

MASS = {"pm01": "pm1", "pm25": "pm2_5", "pm04": "pm4", "pm10": "pm10", "pm100": "pm100"}
RAW = {"raw01": "pm1_cf1", "raw25": "pm2_5_cf1", "raw10": "pm10_cf1"}
PARTICLES = {f"n{size}": f"pn_above_{size.removesuffix('_0')}" for size in ("0_3", "0_5", "1_0", "2_5", "5_0", "10_0")}
CLIMATE = {"temp": "air_temperature", "rhum": "relative_humidity"}
TALKERS = {
    "plantower-pmsx003": ("PMSx003", MASS | RAW | PARTICLES),
    "plantower-pms3003": ("PMS3003", MASS | RAW),
    "plantower-pms5003t": ("PMS5003T", MASS | RAW | CLIMATE | dict(list(PARTICLES.items())[:4])),
    "plantower-pms5003st": ("PMS5003ST", MASS | RAW | PARTICLES | CLIMATE),
    "nova-sds011": ("SDS01x", MASS),
}


@pytest.mark.parametrize("name", TALKERS)
def test_both_read_the_same(name: str) -> None:
    sensor, names = Sensor[TALKERS[name][0]], TALKERS[name][1]
    instrument, listener = find(name).simulate(7, 0), Listener(find(name))
    compared = 0
    for second in range(50):
        frame = instrument.tick(1.7e9 + 97.0 * second)
        [ours] = listener.feed(frame)
        assert isinstance(ours, Decoded)
        theirs = sensor.decode(frame, time=0)
        for key, quantity in names.items():
            if hasattr(theirs, key):
                assert getattr(theirs, key) == pytest.approx(ours.values[quantity], abs=1e-9), (key, second)
                compared += 1
    assert compared >= 50 * 2


@pytest.mark.parametrize(
    ("sensor", "commands", "names"),
    [
        ("PMSx003", plantower.COMMANDS, {"passive_mode": "passive_mode", "sleep": "sleep", "wake": "wake"}),
        ("SDS01x", nova.COMMANDS, {"passive_mode": "set_query_mode", "sleep": "sleep", "wake": "wake"}),
        ("HPMA115S0", honeywell.COMMANDS, {"passive_mode": "stop_auto_send", "sleep": "stop", "wake": "start"}),
        ("ZH0xx", winsen_zh03b.COMMANDS, {"sleep": "dormant_on", "wake": "dormant_off"}),
    ],
)
def test_both_send_the_same_commands(sensor: str, commands, names: dict[str, str]) -> None:
    for theirs, ours in names.items():
        assert Sensor[sensor].command(theirs).command == commands[ours].data, theirs


@pytest.mark.parametrize(
    ("name", "sensor"), [("honeywell-hpma115s0", "HPMA115S0"), ("honeywell-hpma115c0", "HPMA115C0")]
)
def test_both_read_the_answer_of_a_honeywell(name: str, sensor: str) -> None:
    instrument, listener = find(name).simulate(7, 0), Listener(find(name))
    for second in range(20):
        answer = instrument.answer(honeywell.COMMANDS["read"].data, 1.7e9 + second)
        [ours] = listener.feed(answer)
        theirs = Sensor[sensor].decode(answer, time=0)
        for key, quantity in MASS.items():
            if hasattr(theirs, key) and quantity in ours.values:
                assert getattr(theirs, key) == ours.values[quantity]
