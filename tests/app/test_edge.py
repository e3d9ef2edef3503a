"""The node that a configuration describes: whose word holds for lines, periods and silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.core.contract import Line
from drivers.core.registry import find
from gateway.app import edge
from gateway.config import Config, load
from gateway.spool.spool import Spool

HEAD = """
[node]
id = "n-1"
site = "s"
[mqtt]
url = "mqtt://127.0.0.1:1"
confirm = "stored"
[spool]
path = "spool"
"""
BUS = """
[[port]]
id = "bus-1"
url = "/dev/ttyUSB0"
baud = 19200
parity = "E"
dtr = false
"""


def device(more: str, driver: str = "eastron-sdm630", port: str = "bus-1") -> str:
    return f'\n[[device]]\nid = "d-{abs(hash(more)) % 1000}"\ndriver = "{driver}"\nport = "{port}"\n{more}\n'


def config(tmp_path: Path, *parts: str) -> Config:
    path = tmp_path / "node.toml"
    path.write_text(HEAD + "".join(parts))
    return load(path)


def test_a_line_is_what_its_owner_says_and_else_what_the_driver_knows(tmp_path: Path) -> None:
    shared = config(tmp_path, BUS, device("address = 1"))
    assert edge._line(shared, shared.devices[0], find("eastron-sdm630")) == Line(19200, 8, "E", 1)
    driver = find("plantower-pmsx003")
    own = config(tmp_path, device("baud = 4800\nstop = 2", driver.name, "/dev/ttyUSB1"))
    assert edge._line(own, own.devices[0], driver) == Line(4800, 8, "N", 2)
    bare = config(tmp_path, device("", driver.name, "/dev/ttyUSB1"))
    assert edge._line(bare, bare.devices[0], driver) == driver.line


def test_a_polled_device_has_a_period_and_patience_for_three(tmp_path: Path) -> None:
    said = config(tmp_path, BUS, device('address = 7\nevery = "30 s"'))
    spec = edge._spec(said.devices[0], find("eastron-sdm630"))
    assert (spec.address, spec.every_s, spec.combine) == (7, 30.0, "last")
    assert spec.silence_s == 90.0


def test_a_listening_device_makes_each_frame_a_reading_unless_told(tmp_path: Path) -> None:
    bare = config(tmp_path, device("", "plantower-pmsx003", "/dev/ttyUSB1"))
    spec = edge._spec(bare.devices[0], find("plantower-pmsx003"))
    assert (spec.every_s, spec.combine) == (0.0, "mean")


def test_drivers_options_stand_under_the_devices_own(tmp_path: Path) -> None:
    said = config(tmp_path, device('options = { variant = "a01" }', "ultrasonic-ff4", "/dev/ttyUSB1"))
    assert edge._spec(said.devices[0], find("ultrasonic-ff4")).options["variant"] == "a01"


@pytest.mark.parametrize("ports", [1, 2])
async def test_devices_of_one_port_share_one_bus(tmp_path: Path, ports: int) -> None:
    second = "bus-1" if ports == 1 else "/dev/ttyUSB9"
    said = config(tmp_path, BUS, device("address = 1"), device("address = 2", port=second))
    assert said.node is not None
    spool = Spool.open(tmp_path / "spool", outlets=[edge.OUTLET], max_bytes=1 << 20)
    try:
        node = edge.build_node(said, said.node, spool)
        buses = {id(station._bus) for station in node.stations.values()}  # type: ignore[attr-defined]  # polled
        assert len(buses) == ports
        assert set(node.stations) == {each.id for each in said.devices}
    finally:
        spool.release()


@pytest.mark.parametrize(
    ("name", "options", "units"),
    [
        (
            "sdi12",
            """options = { values = "M: water_depth mm, -; M1: battery_voltage V" }\naddress = "a\"""",
            {"water_depth": "m", "battery_voltage": "V"},
        ),
        ("eastron-sdm120", "", {"voltage": "V", "energy_import": "kWh"}),
        ("pzem-004t-v3", "options = { invert = true }", {"voltage": "V", "energy_export": "kWh"}),
        ("iec62056-21", "", {"energy_import": "kWh", "energy_import_t4": "kWh", "frequency": "Hz", "current_l3": "A"}),
    ],
)
def test_about_names_the_unit_of_whatever_the_device_may_give(tmp_path: Path, name, options, units) -> None:
    said = config(tmp_path, device(options, name, "/dev/ttyUSB1"))
    facts = edge._facts(said.devices[0], find(name), edge.device_chain(said.devices[0], find(name)))
    assert units.items() <= facts.about.units.items()
    if name == "sdi12":
        assert facts.about.units == units
    if "invert" in options:
        assert "energy_import" not in facts.about.units
