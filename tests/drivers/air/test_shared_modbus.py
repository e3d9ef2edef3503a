"""Register maps of air stations against the facts' own vector file, where that stands beside this repository."""

import pytest

from drivers.core.hearing import hear
from drivers.core.registry import find
from drivers.core.vectors import of_driver
from tests.drivers.air.test_proof import MODBUS_TIERS
from tests.drivers.air.test_shared_vectors import cases

DRIVER_OF_MAP = {
    "sensecap_one_pm": "seeed-sensecap-one-s900",
    "sensecap_one_co2": "seeed-sensecap-one-s1000",
    "sensecap_one_temp": "seeed-sensecap-one-s900",
    "casoled_sws01": "casoled-ca-sws-01",
    "renke_box_500": "renke-louver-box",
    "novabo_alarm_di": "novabo-sqr-2",
}
WORDS = {
    "pm2_5_ug_m3": ("pm2_5", 1),
    "pm10_ug_m3": ("pm10", 1),
    "co2_ppm": ("co2", 1),
    "temperature_c": ("air_temperature", 1),
    "humidity_pct": ("relative_humidity", 1),
    "pressure_hpa": ("air_pressure", 1),
    "pressure_kpa": ("air_pressure", 10),
    "noise_db": ("sound_level", 1),
    "lux": ("illuminance", 1),
    "alarm": ("smoke_alarm", 1),
}


def test_the_facts_vectors_by_value() -> None:
    facts = cases("modbus-air-quality")
    asked = {case.id: case.question for name in MODBUS_TIERS for case in of_driver(find(name)).vectors}
    for case in facts["vectors"]:
        assert find(case["map"]).name == DRIVER_OF_MAP[case["map"]]  # the map's name is an alias
        heard = hear(find(case["map"]), [bytes.fromhex(case["hex"])], {}, asked[case["id"]], ends=False)
        (reading,) = heard.readings
        expect = {WORDS[key][0]: value * WORDS[key][1] for key, value in case["expect"].items() if key in WORDS}
        assert reading.values == pytest.approx(expect), case["id"]


def test_the_facts_bad_ones_by_refusal() -> None:
    facts = cases("modbus-air-quality")
    known = {case.id: (name, case) for name in MODBUS_TIERS for case in of_driver(find(name)).faults}
    for bad in facts["bad"]:
        name, case = known[bad["id"]]
        assert case.data == bytes.fromhex(bad["hex"])
        heard = hear(find(name), [case.data], {}, case.question, ends=True)
        assert not heard.readings, bad["id"]
        assert heard.refusals, bad["id"]
