"""Lines of wmbusmeters: which meter, which unit, and text that is none."""

import json

import pytest

from drivers.core.contract import Listening, Rejection
from drivers.core.hearing import hear
from drivers.core.listening import Listener
from drivers.core.registry import find
from drivers.energy.wmbus_fields import parse_own

WMBUS = find("wmbus-json")
assert isinstance(WMBUS.kind, Listening)


def line(**told) -> bytes:
    return json.dumps({"media": "electricity", "meter": "em24", "id": "66", **told}).encode() + b"\n"


def values(data: bytes, **options) -> dict:
    heard = hear(WMBUS, [data], options, None, ends=True)
    assert not heard.refusals
    (reading,) = heard.readings
    return dict(reading.values)


def test_one_of_several_meters_on_a_line():
    stream = line(id="1", total_energy_consumption_kwh=1) + line(id="A2", total_energy_consumption_kwh=2)
    heard = hear(WMBUS, [stream], {"id": "a2"}, None, ends=True)
    assert [dict(reading.values) for reading in heard.readings] == [{"energy_import": 2}]
    assert not heard.refusals


@pytest.mark.parametrize(
    ("told", "want"),
    [
        ({"total_energy_consumption_tariff_2_kwh": 3}, {"energy_import_t2": 3}),
        ({"current_power_consumption_kw": 1.5, "current_power_production_kw": 0.25}, {"active_power": 1250}),
        ({"current_power_production_kw": 0.25}, {"active_power": -250}),
        ({"media": "heat", "total_energy_consumption_kwh": 8}, {"heat_energy": 8}),
        ({"media": "heat", "total_energy_consumption_gj": 3.6}, {"heat_energy": 1000}),
        ({"media": "warm water", "total_m3": 8}, {"water_volume": 8}),
        ({"media": "gas", "total_m3": 8}, {"gas_volume": 8}),
        (
            {"media": "heat/cooling load", "flow_temperature_c": 60, "return_temperature_c": 40, "volume_flow_m3h": 1},
            {"supply_temperature": 60, "return_temperature": 40, "volume_flow": 1},
        ),
    ],
)
def test_names_and_units(told, want):
    assert values(line(**told)) == pytest.approx(want)


def test_meanings_of_the_site():
    told = line(media="room sensor", room_temperature_c=24.5, total_m3=3, level=150, total_energy_consumption_kwh=1)
    own = {"values": "room_temperature_c air_temperature; total_m3 water_volume; level distance cm"}
    assert values(told, **own) == {"air_temperature": 24.5, "water_volume": 3, "distance": 1.5, "energy_import": 1}
    assert {"air_temperature", "water_volume", "distance"} <= set(WMBUS.may_give(own))
    for wrong in (
        "total_m3",
        "total_m3 water",
        "a b c d",
        "total_m3 water_volume; total_m3 gas_volume",
        "x distance kg",
    ):
        with pytest.raises(ValueError, match=r"field|quantity|conversion"):
            parse_own(wrong)


def test_status_and_missing_values():
    heard = hear(
        WMBUS, [line(status="PERMANENT_ERROR", frequency_hz=50, voltage_at_phase_1_v=None)], {}, None, ends=True
    )
    assert heard.readings[0].quality == {"frequency": 3, "voltage_l1": 9}
    assert heard.readings[0].info["status"] == "PERMANENT_ERROR"


def test_after_half_a_line_the_second_whole_one_is_believed():
    listener = Listener(WMBUS)
    tail = line(total_energy_consumption_kwh=1)[30:]
    found = listener.feed(tail + line(total_energy_consumption_kwh=2) + line(total_energy_consumption_kwh=3))
    assert [type(item).__name__ for item in found] == ["FixedBits", "Integrity", "Decoded"]


@pytest.mark.parametrize(
    "text",
    [
        b"{" + b"[" * 4000 + b"}\n",
        b'{"a":' * 600 + b"1" + b"}" * 600 + b"\n",
        b'{"id":"1","meter":"m","total_energy_consumption_kwh":' + b"9" * 4000 + b"}\n",
        b'{"id":"1","meter":"m","total_energy_consumption_kwh":1e999}\n',
        b'{"id":"1","meter":"m","total_energy_consumption_kwh":true}\n',
        b'{"id":["1"],"meter":"m","total_energy_consumption_kwh":1}\n',
        b'{"id":"1","meter":"m","media":7,"total_energy_consumption_kwh":{"a":1}}\n',
        b'{"id":"\xff","meter":"m","total_energy_consumption_kwh":1}\n',
        b"{" + b"a" * 10_000 + b"}\n",
    ],
)
def test_hostile_lines_are_refused(text):
    heard = hear(WMBUS, [text[at : at + 700] for at in range(0, len(text), 700)], {}, None, ends=True)
    assert not heard.readings
    assert heard.refusals
    assert heard.held <= WMBUS.frame_bytes
    if len(text) < 4096:
        with pytest.raises(Rejection):
            WMBUS.kind.decode(text, {})
