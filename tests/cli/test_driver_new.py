"""`gateway driver new`: what it writes works, everywhere a driver may be named; what is wrong with a file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.chosen import choose_driver
from gateway.cli.root import build
from gateway.config import check
from gateway.ops import texts
from gateway.sim.instrument import SimulatedDevice
from tests.cli.instruments import on_a_line


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*args: object):
    return CliRunner().invoke(build(), [str(arg) for arg in args])


@pytest.mark.parametrize(
    ("kind", "file"), [("listening", "acme_gauge.py"), ("modbus", "acme-gauge.toml"), ("radio", "acme_gauge.py")]
)
def test_what_it_writes_is_proven_as_it_is(kind: str, file: str, tmp_path: Path):
    done = gateway("driver", "new", "acme-gauge", "--kind", kind, "--folder", tmp_path)
    assert done.exit_code == 0, done.output
    assert f"gateway driver check {tmp_path / file}" in done.stdout
    assert sum(len(each.read_text().splitlines()) for each in tmp_path.iterdir() if each.is_file()) < 60
    (proof,) = json.loads(gateway("driver", "check", tmp_path / file, "--json").stdout)
    assert (proof["driver"], proof["holds"], proof["tier"], proof["failures"]) == ("acme-gauge", True, 3, [])


def test_a_module_is_tried_decoded_and_configured_like_a_built_in(tmp_path: Path):
    gateway("driver", "new", "acme-gauge", "--folder", tmp_path)
    module = tmp_path / "acme_gauge.py"
    read = json.loads(gateway("driver", "decode", module, "--hex", "aa 55 07 d0 00 fa 94 d3", "--json").stdout)
    assert read["readings"][0]["values"] == {"distance": 2.0, "device_temperature": 25.0}
    assert read["bytes"][0]["label"] == "AA 55"
    assert "water" in gateway("driver", "show", module).stdout
    with on_a_line([SimulatedDevice(choose_driver(str(module)), period_s=0.05)], link=tmp_path / "port") as line:
        tried = gateway("device", "try", module, line.path, "--count", 2, "--json")
    assert (tried.exit_code, json.loads(tried.stdout)["verdict"]["key"]) == (0, "good")
    config = tmp_path / "node.toml"
    config.write_text(
        '[node]\nid = "n-1"\nsite = "s"\n[mqtt]\nurl = "mqtt://h"\nconfirm = "stored"\n'
        '[[device]]\nid = "first"\ndriver = "file:acme_gauge.py"\nport = "/dev/ttyS1"\n'
    )
    added = gateway("config", "add", "/dev/ttyS2", module, "--name", "second", "--file", config)
    assert added.exit_code == 0, added.output
    assert 'driver = "file:acme_gauge.py"' in config.read_text().partition("second")[2]
    found, problems = check(config)
    assert (found is not None, problems) == (True, [])


def test_names_that_are_none_or_taken_and_files_that_exist(tmp_path: Path):
    assert gateway("driver", "new", "Acme_Gauge", "--folder", tmp_path).exit_code == 2
    taken = gateway("driver", "new", "sdm630", "--folder", tmp_path)
    assert (taken.exit_code, "eastron-sdm630" in taken.stderr) == (2, True)
    assert gateway("driver", "new", "acme-gauge", "--folder", tmp_path).exit_code == 0
    (tmp_path / "acme_gauge.py").write_text("mine")
    assert gateway("driver", "new", "acme-gauge", "--folder", tmp_path).exit_code == 2
    assert (tmp_path / "acme_gauge.py").read_text() == "mine"
    assert gateway("driver", "new", "acme-b", "--folder", tmp_path / "no").exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n1 / 0\n", "acme.py:2: is no driver: ZeroDivisionError"),
        ("def f(:\n", "acme.py:1: is no driver: SyntaxError"),
        ("import no_such_module\n", "acme.py:1: is no driver: ModuleNotFoundError"),
        ("DRIVERS = ()\n", "DRIVERS must be a tuple with one Driver"),
        ("from drivers.air.plantower import DRIVERS\n", "plantower-pmsx003"),
    ],
)
def test_a_file_that_is_no_driver(text: str, said: str, tmp_path: Path):
    file = tmp_path / "acme.py"
    file.write_text(text)
    done = gateway("driver", "check", file)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert gateway("driver", "check", tmp_path / "none.py").exit_code == 2


def test_vectors_that_are_wrong(tmp_path: Path):
    gateway("driver", "new", "acme-gauge", "--folder", tmp_path)
    vectors = tmp_path / "acme_gauge.vectors.toml"
    text = vectors.read_text()
    vectors.write_text(text.replace("distance = 2.0", "distance = 2.5"))
    done = gateway("driver", "check", tmp_path / "acme_gauge.py")
    assert (done.exit_code, "room: distance is 2.0, expected 2.5" in done.stdout) == (1, True)
    vectors.write_text(text.replace('hex = "aa 55 07', 'hex = "xx 55 07'))
    done = gateway("driver", "check", tmp_path / "acme_gauge.py")
    assert (done.exit_code, "acme_gauge.vectors.toml" in done.stderr) == (2, True)
