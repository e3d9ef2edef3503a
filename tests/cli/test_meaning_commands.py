"""`gateway step`, `gateway explain`, `gateway device replace`, as a person at a terminal sees them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from drivers.core.contract import Decoded, Line
from gateway.app.edge import build_node
from gateway.cli.root import build
from gateway.config import load
from gateway.edge.control import Control
from gateway.edge.instruments import FILE, read_instruments
from gateway.edge.station import Report
from gateway.ops import texts
from gateway.spool.spool import Spool
from gateway.wire.times import SECOND

AT = 1_790_000_000 * SECOND


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    texts.set_language("en")
    yield
    texts.set_language(None)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LANNA_CONTROL", str(tmp_path / "control"))
    path = tmp_path / "node.toml"
    path.write_text(
        f"""
[node]
id = "n"
site = "s"
clock = "trusted"
[spool]
path = "{tmp_path}/spool"
[mqtt]
url = "mqtt://127.0.0.1:1"
confirm = "stored"
[[device]]
id = "gauge"
driver = "ultrasonic-ff4"
port = "{tmp_path}/none"
every = "60 s"
steps = [
  {{ use = "calibration", quantity = "distance", history = [{{ since = 2026-01-01, gain = 1.0, offset = 0.5 }}] }},
  {{ use = "stage", history = [{{ since = 2026-01-01, height = 9 }}] }},
  {{ use = "rate-of-change", quantity = "stage", suspect = 0.05 }},
]
"""
    )
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(build(), list(map(str, args)))


def recorded(file: Path, *distances: float) -> None:
    """Readings a minute apart, in the spool of a node that does not run."""

    async def record() -> None:
        config = load(file)
        assert config.node is not None
        spool = Spool.open(Path(config.spool.path), outlets=["main"], max_bytes=1 << 20)
        node = build_node(config, config.node, spool)
        for number, distance in enumerate(distances):
            mono_ns = number * 60 * SECOND
            node.record(Report("gauge", mono_ns, AT + mono_ns, Decoded({"distance": distance})))
        await spool.close()

    asyncio.run(record())


def test_steps_are_listed_shown_and_proven() -> None:
    listed = run("step", "list", "--json")
    assert {"calibration", "spike", "flood"} <= {each["name"] for each in json.loads(listed.stdout)}
    shown = run("step", "show", "calibration")
    assert "coefficients" in shown.stdout
    assert "required" in shown.stdout
    assert run("step", "check", "calibration").exit_code == 0
    unknown = run("step", "show", "calibratoin")
    assert (unknown.exit_code, "nearest: calibration" in unknown.stderr) == (2, True)


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_step_and_every_setting_is_explained(language: texts.Language) -> None:
    texts.set_language(language)
    for each in json.loads(run("step", "list", "--json").stdout):
        assert each["help"], each["name"]
        said = json.loads(run("step", "show", each["name"], "--json").stdout)
        waiting = list(said["settings"].items())
        while waiting:
            name, setting = waiting.pop()
            assert setting["help"], (each["name"], name)
            waiting += setting.get("entries", {}).items()


def test_a_reading_of_the_spool_is_explained(file: Path) -> None:
    recorded(file, 5.0, 5.0, 4.0)
    found = run("explain", "gauge", "--config", file)
    assert found.exit_code == 0
    assert "rate-of-change suspect" in found.stdout
    assert re.search(r"stage +4\.5 ", found.stdout)
    assert "The spool keeps values, not bytes" in found.stdout
    assert "the 2 readings before it" in found.stdout
    earlier = json.loads(run("explain", "gauge", "--config", file, "--at", "2020-01-01", "--json").stdout)
    assert earlier["parts"][-1]["numbers"] == {"distance": 5.5, "distance_raw": 5.0, "stage": 3.5}
    assert run("explain", "nobody", "--config", file).exit_code == 2


def test_what_comes_out_otherwise_is_said(file: Path) -> None:
    recorded(file, 5.0)
    file.write_text(file.read_text().replace("offset = 0.5", "offset = 0.7"))
    found = run("explain", "gauge", "--config", file)
    assert "come out otherwise than they were published: distance, stage" in found.stdout


async def test_a_running_gateway_tells_the_bytes_too(file: Path, tmp_path: Path) -> None:
    config = load(file)
    assert config.node is not None
    spool = Spool.open(Path(config.spool.path), outlets=["main"], max_bytes=1 << 20)
    node = build_node(config, config.node, spool)
    port = next(iter(node.loans.ports.values()))
    port.line = Line(9600)
    for _ in range(2):
        port._tell("<", bytes.fromhex("ff0bb8c2"))
    mono_ns = node._clock.mono_ns()
    node.record(Report("gauge", mono_ns, AT, Decoded({"distance": 5.0})))
    control = Control(node.loans, "n", node._clock.mono_ns, node.explain)
    serving = asyncio.create_task(control.run(tmp_path / "control"))
    while not (tmp_path / "control").exists():
        await asyncio.sleep(0.005)
    found = await asyncio.to_thread(run, "explain", "gauge", "--config", file)
    serving.cancel()
    await asyncio.wait((serving,))
    await spool.close()
    assert "< ff 0b b8 c2" in found.stdout
    assert "a frame: distance 3" in found.stdout
    assert "stage/1" in found.stdout
    assert found.exit_code == 0


def test_an_instrument_is_replaced(file: Path, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    said = "--serial", "B2", "--old", "A1", "--by", "Anan", "--calibration", "distance=1.01,-0.02", "--config", file
    done = run("device", "replace", "gauge", *said)
    assert done.exit_code == 0, done.stderr
    [one] = read_instruments(tmp_path / "spool" / FILE)["gauge"]
    assert (one.serial, one.old, one.author, one.calibration) == ("B2", "A1", "Anan", (("distance", 1.01, -0.02),))
    assert run("device", "replace", "gauge", "--serial", "C3", "--config", file).exit_code == 0
    assert [each.old for each in read_instruments(tmp_path / "spool" / FILE)["gauge"]] == ["A1", "B2"]
    for wrong in ("distance", "distance=a", "stagee=1", "distance=1,2,3"):
        bad = run("device", "replace", "gauge", "--serial", "D", "--calibration", wrong, "--config", file)
        assert bad.exit_code == 2
    assert len(read_instruments(tmp_path / "spool" / FILE)["gauge"]) == 2
