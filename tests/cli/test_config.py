"""`gateway config` as a user meets it."""

import json

import pytest
from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.ops import texts


@pytest.fixture(autouse=True)
def _english():
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*args):
    return CliRunner().invoke(build(), ["config", *map(str, args)])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "backbone.toml"
    path.write_text('[ingest]\nsqlite = { path = "x" }\nmqtt = { url = "mqtt://h" }\n')
    return path


def test_a_good_file(file):
    done = gateway("check", file)
    assert (done.exit_code, done.output) == (0, f"{file}: good (backbone storing in SQLite)\n")


def test_a_wrong_file(file):
    file.write_text(file.read_text() + "confirm = true\nlevel = 1\n")
    done = gateway("check", file)
    assert done.exit_code == 2
    assert done.output.splitlines() == [
        f"{file}:4: ingest.confirm: there is no such key; nearest: confirms",
        f"{file}:5: ingest.level: there is no such key; known: "
        "batch_age, batch_readings, confirms, grace, influx, mqtt, sqlite, state",
        "Wrong in 2 places.",
    ]
    data = json.loads(gateway("check", file, "--json").output)
    assert data["errors"] == 2
    assert data["problems"][0]["line"] == 4
    assert data["problems"][0]["key"] == "ingest.confirm"


def test_a_file_that_is_not_there(tmp_path):
    done = gateway("check", tmp_path / "no.toml")
    assert done.exit_code == 2
    assert "No such file" in done.output


def test_files_it_names_count_here(file):
    file.write_text(file.read_text().replace('"mqtt://h"', '"mqtt://h", ca_file = "ca.pem"'))
    assert gateway("check", file).exit_code == 0
    assert "warning: ingest.mqtt.ca_file" in gateway("check", file).output
    assert gateway("check", file, "--here").exit_code == 2


def test_the_place_is_found(file, monkeypatch):
    monkeypatch.setenv("LANNA_CONFIG", str(file))
    assert gateway("check").exit_code == 0
    monkeypatch.delenv("LANNA_CONFIG")
    monkeypatch.setattr("gateway.cli.places.SYSTEM", file.parent)
    assert gateway("check").output.startswith(f"{file.parent}: good")


def test_an_example_can_be_checked(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(gateway("example", "node").output)
    assert "[[device]]" in path.read_text()
    assert gateway("check", path).exit_code == 0
    assert gateway("example", "nod").exit_code == 2


def test_the_schema():
    assert json.loads(gateway("schema").output)["title"] == "Lanna Gateway configuration"


def test_ports_that_are_not_there_are_told_here_and_are_no_error(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(
        f"""[node]
id = "n-1"
site = "s"
[mqtt]
url = "mqtt://h"
confirm = "stored"
[[port]]
id = "bus-1"
url = "{tmp_path}/bus"
[[device]]
id = "meter"
driver = "eastron-sdm630"
port = "bus-1"
address = 1
[[device]]
id = "pms"
driver = "plantower-pmsx003"
port = "{tmp_path}/pms"
"""
    )
    assert "no such port" not in gateway("check", path).output
    done = gateway("check", path, "--here")
    assert done.exit_code == 0
    assert f"{path}:9: warning: port[bus-1].url: {tmp_path}/bus: there is no such port now" in done.output
    assert f"{path}:18: warning: device[pms].port: {tmp_path}/pms: there is no such port now" in done.output
