"""Commands on a port that a real `gateway run` holds: they listen in, or borrow it, and it always comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.core.registry import find
from gateway.cli.root import build
from gateway.edge import control_place
from gateway.ops import texts
from gateway.sim.instrument import SimulatedDevice
from tests.cli.instruments import on_a_line
from tests.rig.gateway import Gateway, edge_config

PMS = find("plantower-pmsx003")
SDM = find("eastron-sdm630")


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*args: object):
    return CliRunner().invoke(build(), [str(arg) for arg in args])


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Field:
    """A running node with a dust sensor of its own and a meter on a bus."""

    def __init__(self, dust: Path, bus: Path, program: Gateway) -> None:
        self.dust, self.bus, self.program = dust, bus, program

    def states(self) -> dict[str, str]:
        """What the node says of its ports, by the control socket."""
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(5)
                asking.connect(os.environ["LANNA_CONTROL"])
                asking.sendall(b'{"ask":"ports"}\n')
                said = asking.makefile().readline()
        except OSError:
            return {}
        return {Path(port["url"]).name: port["state"] for port in json.loads(said)["ports"]}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    folder = tmp_path_factory.mktemp("field")
    dust, bus = folder / "dust", folder / "bus"
    meter = f"""
[[port]]
id = "bus-1"
url = "{bus}"
[[device]]
id = "meter"
driver = "eastron-sdm630"
port = "bus-1"
address = 3
every = "300 ms"
"""
    config = edge_config(folder, broker="mqtt://127.0.0.1:1", devices={"pms": dust}, extra=meter)
    with (
        pytest.MonkeyPatch.context() as patch,
        on_a_line([SimulatedDevice(PMS, period_s=0.1)], link=dust),
        on_a_line([SimulatedDevice(SDM, address=3)], link=bus),
    ):
        patch.setenv("LANNA_CONTROL", str(folder / "control"))
        made = Field(dust, bus, Gateway(config))
        made.program.start()
        try:
            wait_for(lambda: made.states() == {"dust": "open", "bus": "open"})
            yield made
        finally:
            made.program.stop()


def test_trying_listens_in_and_sends_nothing(field: Field):
    done = gateway("device", "try", PMS.name, field.dust, "--count", 2, "--json")
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["tapped"], facts["verdict"]["key"]) == (0, True, "good")
    assert "pm2_5" in facts["last"]["values"]
    assert "pms (plantower-pmsx003)" in done.stderr
    # The meter's address is what the gateway knows, and its questions are the gateway's.
    done = gateway("device", "try", SDM.name, field.bus, "--count", 2, "--json")
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["last"]["values"]["frequency"]) == (0, pytest.approx(50, abs=1))
    assert facts["questions"] >= 6
    done = gateway("device", "try", SDM.name, field.bus, "--address", 9, "--seconds", 0.7, "--json")
    assert json.loads(done.stdout)["verdict"]["key"] == "not_asked"
    assert field.states() == {"dust": "open", "bus": "open"}


def test_sniffing_scanning_and_recording_listen_in(field: Field, tmp_path: Path):
    heard = json.loads(gateway("port", "sniff", field.dust, "--json").stdout)
    assert heard["tapped"] is True
    assert PMS.name in [each["driver"] for each in heard["settings"][0]["drivers"]]
    found = json.loads(gateway("port", "scan", field.bus, "--json").stdout)["found"]
    assert [(each["address"], each["meters"][0]["driver"]) for each in found] == [(3, SDM.name)]
    capture = tmp_path / "bus.capture"
    assert gateway("port", "record", field.bus, capture, "--seconds", 1.5).exit_code == 0
    played = json.loads(gateway("port", "replay", capture, "--driver", SDM.name, "--json").stdout)
    assert len(played["readings"]) >= 2
    assert field.states() == {"dust": "open", "bus": "open"}


def test_the_list_of_ports_has_those_of_the_gateway_too(field: Field):
    rows = json.loads(gateway("port", "list", "--json").stdout)
    ours = {row["name"]: row for row in rows if row["node"] == "node-1"}
    assert set(ours) == {str(field.dust), str(field.bus)}
    assert ours[str(field.bus)]["devices"] == [{"id": "meter", "driver": SDM.name}]
    shown = gateway("port", "list").stdout
    assert "with --take" in shown


def test_a_loan_works_and_is_given_back(field: Field):
    done = gateway("device", "try", SDM.name, field.bus, "--address", 3, "--count", 1, "--take", "--json")
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["tapped"], facts["questions"]) == (0, False, 3)
    assert "Gave" in done.stderr
    wait_for(lambda: field.states()["bus"] == "open")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_borrower_that_dies_gives_back(field: Field, tmp_path: Path, number: signal.Signals):
    command = [sys.executable, "-m", "gateway", "port", "record", str(field.dust), str(tmp_path / "c"), "--take"]
    borrower = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: field.states()["dust"] == "borrowed")
        refused = gateway("port", "sniff", field.dust)
        assert (refused.exit_code, f"gateway port record (process {borrower.pid})" in refused.stderr) == (1, True)
    finally:
        borrower.send_signal(number)
        borrower.wait(10)
    wait_for(lambda: field.states()["dust"] == "open")
    assert gateway("device", "try", PMS.name, field.dust, "--count", 1).exit_code == 0


def test_a_gateway_that_ends_takes_the_loan_with_it(field: Field, tmp_path: Path):
    command = [sys.executable, "-m", "gateway", "port", "record", str(field.dust), str(tmp_path / "c"), "--take"]
    borrower = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: field.states()["dust"] == "borrowed")
        field.program.stop()
        assert borrower.wait(10) == 1
        assert "has ended" in borrower.stderr.read()  # type: ignore[union-attr]
    finally:
        borrower.kill()
        borrower.communicate()
    # Nobody holds the port now, and what the gateway left does not matter.
    done = gateway("device", "try", PMS.name, field.dust, "--count", 1, "--json")
    assert json.loads(done.stdout)["tapped"] is False


def test_a_socket_of_others_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    place = tmp_path / "control"
    place.touch(0o000)
    monkeypatch.setenv("LANNA_CONTROL", str(place))
    assert control_place.closed_places() == [place]
    place.unlink()
    assert control_place.closed_places() == []
