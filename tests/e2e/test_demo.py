"""The demo as its user sees it: a command, a summary, and what stands beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.cli.chosen import choose_driver
from gateway.sim.instrument import SimulatedDevice
from tests.cli.instruments import on_a_line
from tests.rig.gateway import wait_until
from tests.rig.process import need_program

GATEWAY = (sys.executable, "-m", "gateway")


@contextmanager
def demo(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A demo that runs until it is told to end; it and its readers find each other in a folder of this test."""
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    command = [*GATEWAY, "demo", "--json", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


def summary(child: subprocess.Popen[str]) -> dict[str, object]:
    out, err = child.communicate(timeout=40)
    assert child.returncode == 0, err
    return dict(json.loads(out))


def check(found: dict[str, object]) -> dict[str, dict[str, int]]:
    """Nothing lost or doubled, and the simulated instruments heard to the last reading; the account by device."""
    assert (found["lost"], found["duplicated"], found["parked"], found["rejected"]) == (0, 0, 0, 0)
    assert found["owed"] == found["stored"]
    devices = found["devices"]
    assert isinstance(devices, dict)
    simulated = [devices.get(name, {}) for name in ("pms-roof", "canal-gauge", "meter-main")]
    assert all(one["said"] == one["heard"] >= 2 and one["stored"] >= 3 for one in simulated), devices
    return devices


@pytest.mark.mosquitto
def test_it_accounts_for_every_reading(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "4", "--broker", "mosquitto") as child:
        assert len(check(summary(child))) == 3


def test_a_newcomers_driver_publishes_in_it_and_no_broker_need_be_installed(tmp_path: Path) -> None:
    """Outside the repository, in under 60 lines, with a stand-in for the real instrument."""
    subprocess.run([*GATEWAY, "driver", "new", "klong-gauge"], cwd=tmp_path, check=True, capture_output=True)
    module, port = tmp_path / "klong_gauge.py", tmp_path / "klong"
    written = [*module.read_text().splitlines(), *module.with_suffix(".vectors.toml").read_text().splitlines()]
    assert len(written) < 60
    instrument = SimulatedDevice(choose_driver(str(module)), period_s=0.5)
    arguments = ("--seconds", "4", "--broker", "iotcore", "--real", f"{port}={module}")
    with on_a_line([instrument], link=port), demo(tmp_path, *arguments) as child:
        real = check(summary(child))["real-1"]
    assert (real["said"], real["stored"]) == (None, real["owed"])
    assert real["heard"] >= 4
    assert real["stored"] >= 3


@pytest.mark.mosquitto
def test_beside_it_tail_and_a_plain_subscriber_need_nothing_said(tmp_path: Path) -> None:
    subscriber = need_program("mosquitto_sub", "mosquitto-clients")
    with demo(tmp_path, "--broker", "mosquitto") as child:
        place = tmp_path / f"lanna-demo-{os.getuid()}.json"
        wait_until(place.exists, 20, "the demo says where it is")
        environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
        tail = [*GATEWAY, "tail", "--json", "--count", "3"]
        seen = subprocess.run(tail, env=environment, capture_output=True, text=True, timeout=20, check=True).stdout
        assert {json.loads(line)["node"] for line in seen.splitlines()} == {"demo"}
        port = json.loads(place.read_text())["url"].rpartition(":")[2]
        listen = [subscriber, "-h", "127.0.0.1", "-p", port, "-t", "lanna/v1/+/+/+/reading", "-C", "3", "-v"]
        heard = subprocess.run(listen, capture_output=True, text=True, timeout=20, check=True).stdout
        for line in heard.splitlines():
            topic, _, payload = line.partition(" ")
            assert topic.startswith("lanna/v1/demo/")
            assert set(json.loads(payload)) >= {"t", "spool", "seq", "v"}
        child.send_signal(signal.SIGINT)
        assert summary(child)["lost"] == 0
        assert not place.exists()


@pytest.mark.mosquitto
def test_a_gauge_by_radio_stands_in_the_same_table_and_summary(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "5", "--broker", "mosquitto", "--lora") as child:
        found = summary(child)
    assert (found["lost"], found["duplicated"], found["parked"]) == (0, 0, 0)
    devices = found["devices"]
    assert isinstance(devices, dict)
    gauge = devices["canal-lora"]
    assert gauge["said"] == gauge["heard"] >= 2
    assert gauge["owed"] == gauge["stored"] > gauge["heard"]
    assert len(devices) == 4
