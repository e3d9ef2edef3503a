"""Stable names of serial ports, on a machine made of plain files; once on the real one."""

from __future__ import annotations

import os

import pytest

from gateway.ports.find import find_port, find_ports, real_path
from gateway.ports.holders import Holder, who_holds
from tests.ports.machine import Machine

FTDI = "usb-FTDI_FT232R_A50285BI-if00-port0"
CH340 = "usb-1a86_USB_Serial-if00-port0"


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def test_an_adapter_is_named_by_its_id_and_says_what_it_is(machine):
    machine.usb("ttyUSB0", "1-1", by_id=FTDI, manufacturer="FTDI", product="FT232R", serial="A50285BI")
    (port,) = find_ports(machine.root)
    assert (port.tty, port.kind, port.name) == ("/dev/ttyUSB0", "usb", f"/dev/serial/by-id/{FTDI}")
    assert port.names[1] == "/dev/serial/by-path/pci-0000-usb-0:1-1:1.0-port0"
    adapter = port.adapter
    assert (adapter.ids, adapter.vendor, adapter.product, adapter.serial) == ("0403:6001", "FTDI", "FT232R", "A50285BI")
    assert not port.has_twin
    assert port.is_steady(port.name)
    assert not port.is_steady("/dev/ttyUSB0")


def test_two_adapters_of_one_id_are_named_by_their_sockets(machine):
    for tty, socket in (("ttyUSB0", "1-1"), ("ttyUSB1", "1-2")):
        machine.usb(tty, socket, by_id=CH340, product="USB Serial", idVendor="1a86", idProduct="7523")
    one, two = find_ports(machine.root)
    assert one.has_twin
    assert two.has_twin
    assert one.name == "/dev/serial/by-path/pci-0000-usb-0:1-1:1.0-port0"
    assert two.name == "/dev/serial/by-path/pci-0000-usb-0:1-2:1.0-port0"
    assert not two.is_steady(f"/dev/serial/by-id/{CH340}")
    assert find_port(f"/dev/serial/by-id/{CH340}", machine.root) == two


def test_two_ports_of_one_adapter_are_no_twins(machine):
    machine.usb("ttyUSB0", "1-1", by_id="usb-FTDI_Quad-if00-port0")
    machine.tty("ttyUSB1")
    machine.write("/sys/devices/pci0/usb1/1-1/1-1:1.1/bInterfaceNumber", "01")
    (machine.root / "sys/devices/pci0/usb1/1-1/1-1:1.1/ttyUSB1").mkdir()
    machine.link("/sys/class/tty/ttyUSB1/device", "../../../devices/pci0/usb1/1-1/1-1:1.1/ttyUSB1")
    assert [port.has_twin for port in find_ports(machine.root)] == [False, False]


def test_uarts_on_the_board_keep_their_names(machine):
    machine.tty("ttyAMA0")
    machine.link("/dev/serial0", "ttyAMA0")
    machine.tty("ttyS0")
    machine.write("/sys/class/tty/ttyS0/type", "4\n")
    machine.tty("ttyS1")
    machine.write("/sys/class/tty/ttyS1/type", "0\n")  # no UART behind it
    machine.tty("tty1")
    machine.tty("ttyprintk")
    ports = {port.tty: port for port in find_ports(machine.root)}
    assert sorted(ports) == ["/dev/ttyAMA0", "/dev/ttyS0"]
    assert ports["/dev/ttyAMA0"].names == ("/dev/serial0", "/dev/ttyAMA0")
    assert ports["/dev/ttyS0"].name == "/dev/ttyS0"
    assert ports["/dev/ttyAMA0"].is_steady("/dev/ttyAMA0")
    assert find_port("/dev/serial0", machine.root) == ports["/dev/ttyAMA0"]


def test_ports_come_in_the_order_of_their_numbers(machine):
    for number in (10, 2, 0):
        machine.usb(f"ttyUSB{number}", f"1-{number}", serial=f"S{number}")
    machine.tty("ttyAMA0")
    ttys = [port.tty for port in find_ports(machine.root)]
    assert ttys == ["/dev/ttyUSB0", "/dev/ttyUSB2", "/dev/ttyUSB10", "/dev/ttyAMA0"]


def test_a_machine_without_ports_and_names_that_lead_nowhere(machine):
    assert find_ports(machine.root) == []
    assert find_ports(machine.root / "nowhere") == []
    machine.link("/dev/serial/by-id/gone", "../../ttyUSB7")
    machine.link("/dev/circle", "circle")
    assert find_port("/dev/serial/by-id/gone", machine.root) is None
    assert find_port("tcp://host:4001", machine.root) is None
    assert real_path("/dev/nothing", machine.root) == "/dev/nothing"
    assert find_ports(machine.root) == []


def test_who_holds_a_port(machine):
    machine.process(812, "ModemManager", "/dev/null", "/dev/ttyUSB0", "/dev/ttyUSB0")
    machine.process(90, "minicom", "/dev/ttyUSB0 (deleted)")
    machine.process(91, "bash", "/dev/pts/0")
    machine.write("/proc/cpuinfo")
    held = who_holds({"/dev/ttyUSB0"}, machine.root)
    assert held.of("/dev/ttyUSB0") == (Holder(90, "minicom"), Holder(812, "ModemManager"))
    assert held.of("/dev/ttyUSB1") == ()
    assert who_holds({"/dev/ttyUSB0"}, machine.root, ignore=(90, 812)).of("/dev/ttyUSB0") == ()


def test_who_holds_a_real_tty():
    master, slave = os.openpty()
    try:
        path = os.ttyname(slave)
        assert Holder(os.getpid(), held_name()) in who_holds({path}).of(path)
        found = find_port(path)
        assert found is not None
        assert (found.tty, found.kind) == (path, "other")
    finally:
        os.close(master)
        os.close(slave)


def held_name() -> str:
    with open("/proc/self/comm", encoding="utf-8") as file:
        return file.read().strip()
