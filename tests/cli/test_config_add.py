"""`gateway config add`: the device is there, everything else is as it was; a wrong one changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import config_add
from gateway.cli.root import build
from gateway.config import check
from gateway.ops import texts
from gateway.ports import find
from tests.ports.machine import Machine

HEAD = """# Station at the bridge. ค่าที่ตั้งไว้ห้ามลบ
[node]
id = "n"   # short
site = "s"
[mqtt]
url = "mqtt://127.0.0.1"
confirm = "stored"

[[port]]
id = "bus-1"
url = "/dev/serial/by-id/usb-FTDI-if00-port0"
[[device]]
id = "meter"
driver = "eastron-sdm630"
port = "bus-1"
address = 1"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    (tmp_path / "root").mkdir()
    machine = Machine(tmp_path / "root")
    machine.usb("ttyUSB0", "1-1", by_id="usb-FTDI-if00-port0", serial="A")
    machine.usb("ttyUSB1", "1-2", by_id="usb-CH340-if00-port0", serial="B")
    monkeypatch.setattr(config_add, "find_port", lambda said: find.find_port(said, machine.root))
    monkeypatch.setattr(config_add, "real_path", lambda said: find.real_path(said, machine.root))
    path = tmp_path / "node.toml"
    path.write_text(HEAD)
    path.chmod(0o640)
    yield path
    texts.set_language(None)


def add(*args: object):
    texts.set_language("en")
    return CliRunner().invoke(build(), ["config", "add", *map(str, args)])


def test_a_device_is_appended_and_the_rest_stays(file):
    done = add("/dev/ttyUSB1", "plantower-pmsx003", "--name", "pms-roof", "--file", file)
    assert done.exit_code == 0
    assert "systemctl restart lanna-gateway" in done.stdout
    assert "write /dev/serial/by-id/usb-CH340-if00-port0" in done.stderr
    assert file.read_text().startswith(HEAD + "\n\n# ")
    assert file.stat().st_mode & 0o777 == 0o640
    config, problems = check(file)
    assert problems == []
    device = config.devices[1]
    assert (device.id, device.driver, device.every_s) == ("pms-roof", "plantower-pmsx003", 60)
    assert device.port == "/dev/serial/by-id/usb-CH340-if00-port0"
    assert [each.name for each in file.parent.iterdir() if each.is_file()] == ["node.toml"]


def test_a_meter_joins_the_bus_that_is_declared(file):
    args = ("--name", "pump", "--address", 2, "--every", "5 s", "--option", "invert=true")
    done = add("/dev/ttyUSB0", "eastron-sdm120", *args, "--file", file)
    assert (done.exit_code, done.stderr) == (0, "")
    config, _ = check(file)
    device = config.devices[1]
    assert (device.port, device.address, device.every_s) == ("bus-1", 2, 5)
    assert device.options == {"invert": True}


def test_a_meter_of_the_site_s_own_and_a_sensor_with_a_letter(file):
    (file.parent / "meters").mkdir()
    own = file.parent / "meters" / "pump-house.toml"
    shutil.copy(Path(__file__).parents[2] / "config" / "meters" / "pump-house.toml", own)
    done = add("bus-1", own, "--name", "pump", "--file", file)
    assert done.exit_code == 0
    assert 'driver = "file:meters/pump-house.toml"' in file.read_text()
    done = add("/dev/ttyUSB1", "sdi12", "--name", "level", "--address", "b", "--file", file)
    assert done.exit_code == 0
    assert 'address = "b"' in file.read_text()
    done = add("/dev/ttyS7", "iec62056-21", "--name", "head", "--file", file)
    assert done.exit_code == 0
    config, problems = check(file)
    assert not [problem for problem in problems if not problem.is_warning]
    assert [device.address for device in config.devices] == [1, 12, 98, None]


def test_a_folder_gets_a_fragment(file):
    folder = file.parent / "lanna"
    folder.mkdir()
    file.rename(folder / "node.toml")
    assert add("/dev/ttyUSB1", "nova-sds011", "--name", "dust", "--file", folder).exit_code == 0
    assert (folder / "node.toml").read_text() == HEAD
    config, problems = check(folder)
    assert (len(config.devices), problems) == (2, [])
    again = add("/dev/ttyUSB1", "nova-sds011", "--name", "dust", "--file", folder)
    assert again.exit_code == 2


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("/dev/ttyUSB1", "plantower-pmsx003", "--name", "Roof 1"), "a-z"),
        (("/dev/ttyUSB1", "plantower-pmsx003", "--name", "meter"), "meter"),
        (("/dev/ttyUSB1", "plantower-pmsx003", "--name", "x", "--every", "60"), "60 s"),
        (("bus-1", "eastron-sdm120", "--name", "x", "--address", "1"), "address"),
        (
            ("bus-1", "eastron-sdm120", "--name", "x", "--address", "2", "--baud", "2400"),
            "node.toml:25: device[x].baud",
        ),
        (("bus-2", "eastron-sdm120", "--name", "x"), "bus-2"),
        (("/dev/ttyUSB1", "plantower", "--name", "x"), "plantower-"),
    ],
)
def test_a_wrong_device_changes_nothing(file, args, why):
    done = add(*args, "--file", file)
    assert (done.exit_code, why in done.stderr) == (2, True)
    assert file.read_text() == HEAD
    assert [each.name for each in file.parent.iterdir() if each.is_file()] == ["node.toml"]


def test_a_configuration_that_is_wrong_already(file):
    file.write_text(HEAD + "\nadress = 3\n")
    done = add("/dev/ttyUSB1", "plantower-pmsx003", "--name", "x", "--file", file)
    assert (done.exit_code, "adress" in done.stderr) == (2, True)
