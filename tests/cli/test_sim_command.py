"""`gateway sim` as a process: a port appears, another command reads it, and it is gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.cli.sim import parse_faults
from gateway.ops import texts
from gateway.sim.faults import Faults


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*args: object):
    return CliRunner().invoke(build(), [str(arg) for arg in args])


def test_an_instrument_on_a_port(tmp_path):
    path = tmp_path / "pms"
    command = [
        sys.executable,
        "-m",
        "gateway",
        "sim",
        "plantower-pmsx003",
        "--port-out",
        path,
        "--period",
        "0.05",
        "--json",
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 10
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        done = gateway("device", "try", "plantower-pmsx003", path, "--count", 3, "--json")
        assert done.exit_code == 0
        assert json.loads(done.stdout)["readings"] >= 3
    finally:
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=10)
    assert child.returncode == 0
    assert json.loads(out)["readings"] >= 3
    assert not os.path.lexists(path)


def test_it_ends_by_itself_and_says_what_it_did(tmp_path):
    done = gateway("sim", "eastron-sdm630", "--port-out", tmp_path / "meter", "--seconds", 0.2)
    assert done.exit_code == 0
    assert "gateway device try eastron-sdm630" in done.stdout
    assert "0 readings were put on the line whole" in done.stdout


def test_it_takes_nothing_that_is_there(tmp_path):
    file = tmp_path / "mine"
    file.write_text("kept")
    done = gateway("sim", "eastron-sdm630", "--port-out", file, "--seconds", 0.1)
    assert done.exit_code == 2
    assert file.read_text() == "kept"
    done = gateway("sim", "eastron-sdm630", "--port-out", tmp_path / "no" / "folder", "--seconds", 0.1)
    assert (done.exit_code, "cannot be put there" in done.stderr) == (2, True)


def test_faults_on_the_dial():
    assert parse_faults("noise=0.1, chunk_bytes=3,unplug_s=5") == (Faults(noise=0.1, chunk_bytes=3), 5.0)
    assert parse_faults("") == (Faults(), 0.0)


@pytest.mark.parametrize("text", ["nose=0.1", "noise", "noise=2", "noise=x", "noise=nan", "stall_s=-1"])
def test_wrong_faults_are_refused(text, tmp_path):
    done = gateway("sim", "eastron-sdm630", "--port-out", tmp_path / "x", "--faults", text, "--seconds", 0.1)
    assert done.exit_code == 2
    assert done.stderr
    assert not (tmp_path / "x").exists()
