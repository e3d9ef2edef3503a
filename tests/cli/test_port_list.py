"""`gateway port list` on a machine made of plain files."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gateway.cli import port_list
from gateway.cli.root import build
from gateway.ops import texts
from gateway.ports import find, findings, holders
from tests.ports.machine import Machine


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(port_list, "find_ports", lambda: find.find_ports(made.root))
    monkeypatch.setattr(port_list, "who_holds", lambda paths, ignore: holders.who_holds(paths, made.root, ignore))
    monkeypatch.setattr(port_list, "findings", lambda port, held: findings.findings(port, held, root=made.root))
    monkeypatch.setattr(port_list, "real_path", lambda said: find.real_path(said, made.root))
    monkeypatch.setenv("LANNA_CONFIG", str(tmp_path / "none.toml"))
    yield made
    texts.set_language(None)


def gateway(*args: str):
    texts.set_language("en")
    return CliRunner().invoke(build(), list(args))


def test_no_ports(machine):
    done = gateway("port", "list")
    assert done.exit_code == 0
    assert "No serial port found" in done.stdout
    assert gateway("port", "list", "--json").stdout == "[]\n"


def test_ports_with_adapter_holder_and_driver(machine, monkeypatch, tmp_path):
    machine.usb("ttyUSB0", "1-1", by_id="usb-FTDI-if00-port0", manufacturer="FTDI", product="FT232R")
    machine.tty("ttyAMA0")
    machine.link("/dev/serial0", "ttyAMA0")
    machine.process(77, "minicom", "/dev/ttyAMA0")
    said = tmp_path / "node.toml"
    said.write_text(
        '[node]\nid = "n"\nsite = "s"\n[mqtt]\nurl = "mqtt://127.0.0.1"\nconfirm = "stored"\n'
        '[[port]]\nid = "bus-1"\nurl = "/dev/serial/by-id/usb-FTDI-if00-port0"\n'
        '[[device]]\nid = "meter"\ndriver = "eastron-sdm630"\nport = "bus-1"\naddress = 1\n'
        '[[device]]\nid = "meter-2"\ndriver = "eastron-sdm120"\nport = "bus-1"\naddress = 2\nbaud = 9600\n'
        '[[device]]\nid = "pms"\ndriver = "plantower-pmsx003"\nport = "/dev/serial0"\n'
    )
    monkeypatch.setenv("LANNA_CONFIG", str(said))
    usb, uart = json.loads(gateway("port", "list", "--json").stdout)
    assert (usb["name"], usb["usable"], usb["adapter"]["product"]) == (
        "/dev/serial/by-id/usb-FTDI-if00-port0",
        True,
        "FT232R",
    )
    assert [each["driver"] for each in usb["devices"]] == ["eastron-sdm630", "eastron-sdm120"]
    assert (uart["name"], uart["usable"], uart["holders"]) == ("/dev/serial0", False, [{"pid": 77, "name": "minicom"}])
    assert [each["key"] for each in uart["findings"]] == ["held_other"]
    shown = gateway("port", "list").stdout
    assert "FTDI FT232R" in shown
    assert "eastron-sdm630 (meter), eastron-sdm120 (meter-2)" in shown
    assert "/dev/serial0: minicom (process 77) holds it; stop that program" in shown


def test_a_modem_s_port_is_its_receiver_s(machine, monkeypatch, tmp_path):
    machine.tty("ttyAMA0")
    said = tmp_path / "node.toml"
    said.write_text(
        '[node]\nid = "n"\nsite = "s"\n[mqtt]\nurl = "mqtt://127.0.0.1"\nconfirm = "stored"\n'
        '[[lora]]\nid = "roof"\nkind = "rylr998"\nport = "/dev/ttyAMA0"\n'
        '[[device]]\nid = "d"\ndriver = "cayenne-lpp"\n'
        'radio = { dev_addr = "01a2b3c4", keys_file = "k" }\n'
    )
    monkeypatch.setenv("LANNA_CONFIG", str(said))
    assert "rylr998 (roof)" in gateway("port", "list").stdout


def test_a_wrong_configuration_hides_no_port(machine, monkeypatch, tmp_path):
    machine.tty("ttyAMA0")
    (tmp_path / "none.toml").write_text("[node\n")
    assert json.loads(gateway("port", "list", "--json").stdout)[0]["devices"] == []
