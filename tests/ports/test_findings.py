"""Every obstacle has its own sentence and remedy, in both languages."""

from __future__ import annotations

import os

import pytest

from gateway.ops import texts
from gateway.ports.find import find_port
from gateway.ports.findings import Finding, Person, findings, is_usable
from gateway.ports.holders import who_holds
from tests.ports.machine import Machine

ROOT_USER = Person(0, frozenset({0}), "root")
SOMCHAI = Person(54321, frozenset({54321}), "somchai")


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


def look(machine: Machine, said: str, person: Person = ROOT_USER) -> dict[str, Finding]:
    port = find_port(said, machine.root)
    assert port is not None
    held = who_holds({port.tty}, machine.root)
    return {each.key: each for each in findings(port, held, root=machine.root, person=person, said=said)}


def test_nothing_is_in_the_way(machine):
    machine.tty("ttyAMA0", 0o666)
    assert look(machine, "/dev/ttyAMA0", SOMCHAI) == {}


def test_a_name_that_changes_says_what_to_write_instead(machine):
    machine.usb("ttyUSB0", "1-1", by_id="usb-FTDI-if00-port0")
    found = look(machine, "/dev/ttyUSB0")
    assert list(found) == ["unsteady"]
    assert str(found["unsteady"]).endswith("write /dev/serial/by-id/usb-FTDI-if00-port0")
    assert is_usable(list(found.values()))
    assert look(machine, "/dev/serial/by-id/usb-FTDI-if00-port0") == {}


def test_twins_and_adapters_without_a_stable_name(machine):
    machine.usb("ttyUSB0", "1-1", by_id="usb-1a86-if00-port0")
    machine.usb("ttyUSB1", "1-2", by_id="usb-1a86-if00-port0")
    found = look(machine, "/dev/serial/by-id/usb-1a86-if00-port0")
    assert set(found) == {"twin", "twin_name"}
    assert "/dev/serial/by-path/pci-0000-usb-0:1-2:1.0-port0" in str(found["twin_name"])
    machine.tty("ttyUSB9")
    assert set(look(machine, "/dev/ttyUSB9")) == {"no_stable_name"}


def test_permission_tells_its_three_cases_apart(machine):
    group = os.getegid()
    machine.tty("ttyAMA0", 0o660)
    machine.write("/etc/group", f"root:x:99999:\ndialout:x:{group}:somchai,malee\n")
    again = look(machine, "/dev/ttyAMA0", SOMCHAI)
    assert "log out and in again" in str(again["log_in_again"])
    other = look(machine, "/dev/ttyAMA0", Person(54322, frozenset(), "anong"))
    assert "sudo usermod -aG dialout anong" in str(other["no_permission"])
    assert look(machine, "/dev/ttyAMA0", Person(54322, frozenset({group}), "anong")) == {}
    machine.tty("ttyAMA0", 0o620)
    assert set(look(machine, "/dev/ttyAMA0", SOMCHAI)) == {"wrong_group"}
    machine.tty("ttyAMA0", 0o660)
    machine.write("/etc/group", f"tty:x:{group}:\n")
    wrong = look(machine, "/dev/ttyAMA0", SOMCHAI)["wrong_group"]
    assert "group tty (-rw-rw----)" in str(wrong)
    assert wrong.blocks
    assert look(machine, "/dev/ttyAMA0", ROOT_USER) == {}


def test_a_console_on_the_uart(machine):
    machine.tty("ttyAMA0")
    machine.link("/dev/serial0", "ttyAMA0")
    machine.write("/proc/cmdline", "root=/dev/mmcblk0p2 console=serial0,115200 console=tty1 quiet\n")
    unit = "serial-getty@ttyAMA0.service"
    machine.link(f"/run/systemd/generator/getty.target.wants/{unit}", "/lib/systemd/system/serial-getty@.service")
    found = look(machine, "/dev/serial0")
    assert set(found) == {"kernel_console", "getty_unit"}
    assert "console=serial0" in str(found["kernel_console"])
    assert f"systemctl disable --now {unit}" in str(found["getty_unit"])
    machine.link(f"/etc/systemd/system/{unit}", "/dev/null")  # masked
    assert set(look(machine, "/dev/serial0")) == {"kernel_console"}
    machine.write("/proc/cmdline", "console=ttyAMA1,115200 myconsole=ttyAMA0\n")
    assert look(machine, "/dev/serial0") == {}


@pytest.mark.parametrize(
    ("program", "key", "remedy"),
    [
        ("ModemManager", "held_modem_manager", "disable --now ModemManager"),
        ("brltty", "held_brltty", "apt remove brltty"),
        ("agetty", "held_getty", "serial-getty"),
        ("gateway", "held_gateway", "stop lanna-gateway"),
        ("minicom", "held_other", "minicom (process 77) holds it"),
    ],
)
def test_who_holds_it_has_a_remedy(machine, program, key, remedy):
    machine.tty("ttyAMA0")
    machine.process(77, program, "/dev/ttyAMA0")
    found = look(machine, "/dev/ttyAMA0")
    assert set(found) == {key}
    assert remedy in str(found[key])
    texts.set_language("th")
    assert "77" in str(found[key])
    assert str(found[key]) != ""


def test_every_finding_is_said_in_thai(machine):
    sentences = {key: said for key, said in texts.catalogue().items() if key.startswith("ports.")}
    assert len(sentences) >= 14
    assert all("th" in said for said in sentences.values())


def test_root_looks_on_behalf_of_the_service(machine, monkeypatch):
    machine.write("/etc/passwd", "root:x:0:0::/:\nlanna:x:997:996::/:\n")
    machine.write("/etc/group", "dialout:x:20:pi,lanna\nlanna:x:996:\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Person.of_service(machine.root) == Person(997, frozenset({996, 20}), "lanna")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Person.of_service(machine.root).uid == 1000
