"""`gateway tail` as a process at a real broker, found in all the ways it can be."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gateway.cli import whereabouts
from gateway.cli.root import build
from gateway.mqtt.link import Broker, Message, connect
from gateway.ops import texts

READING = b'{"t":"2026-03-20T09:46:40.120Z","spool":"9f3c71aa","seq":%d,"v":{"pm2_5":37.5},"q":{"*":2}}'


@pytest.fixture(autouse=True)
def _english(monkeypatch, tmp_path):
    for name in ("LANNA_CONFIG", "XDG_RUNTIME_DIR", "LANGUAGE", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    texts.set_language("en")
    yield
    texts.set_language(None)


class Tail:
    """A running tail; made when it has subscribed."""

    def __init__(self, *args: object) -> None:
        command = [sys.executable, "-m", "gateway", "tail", *map(str, args)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.greeting = self.process.stderr.readline()

    def end(self) -> tuple[int, list[str], str]:
        out, errors = self.process.communicate(timeout=10)
        return self.process.returncode, out.splitlines(), errors


async def publish(url: str, *messages: tuple[str, bytes], retain: bool = False) -> None:
    async with connect(Broker(url, "tests")) as connection:
        for topic, payload in messages:
            await connection.publish(Message(topic, payload, retain=retain))


async def test_readings_arrive(mosquitto):
    tail = Tail("--url", mosquitto.url, "--count", 2)
    assert tail.greeting.startswith(f"Listening at 127.0.0.1:{mosquitto.port} below lanna/v1 (named with --url)")
    await publish(
        mosquitto.url,
        ("lanna/v1/n/air/d/reading", b"\x1b[2J"),
        ("lanna/v1/n/air/d/reading", READING % 1),
        ("lanna/v1/n/air/backlog", b'{"spool":"a","readings":[{"device":"d","t":null,"seq":9,"v":{"pm10":1}}]}'),
        ("lanna/v1/n/air/d/reading", READING % 2),
        ("lanna/v1/n/air/d/reading", READING % 3),
    )
    code, out, errors = tail.end()
    assert code == 0
    assert out[0].split() == ["TIME", "NODE", "DEVICE", "QUANTITY", "VALUE", "UNIT", "AGE", "QUALITY"]
    assert len(out) == 3
    assert "pm2_5" in out[1]
    assert "not tested" in out[1]
    assert "\x1b" not in "".join(out)
    assert errors == "1 messages could not be read as readings.\n"


async def test_json_beside_a_demo(mosquitto):
    whereabouts.write(mosquitto.url, "demo/v1")
    tail = Tail("--json", "--late", "--count", 2, "--quantity", "pm25", "--device", "d")
    assert "below demo/v1 (the running demo)" in tail.greeting
    await publish(
        mosquitto.url,
        ("demo/v1/n/air/other/reading", READING % 1),
        ("demo/v1/n/air/d/reading", READING % 2),
        ("demo/v1/n/air/backlog", b'{"spool":"a","readings":[{"device":"d","t":null,"seq":9,"v":{"pm2_5":1}}]}'),
    )
    code, out, _ = tail.end()
    assert code == 0
    assert [(row["seq"], row["late"]) for row in map(json.loads, out)] == [(2, False), (9, True)]


async def test_configured_with_a_password(make_mosquitto, tmp_path, monkeypatch):
    broker = make_mosquitto(users={"u": "ความลับ"})
    secret = tmp_path / "pw"
    secret.write_text("ความลับ\n")
    secret.chmod(0o600)
    file = tmp_path / "backbone.toml"
    file.write_text(
        f'[ingest]\nsqlite = {{ path = "x" }}\n'
        f'mqtt = {{ url = "{broker.url}", username = "u", password_file = "pw", root = "r/v1" }}\n'
    )
    monkeypatch.setenv("LANNA_CONFIG", str(file))
    tail = Tail("--json", "--count", 1)
    assert f"below r/v1 ({file})" in tail.greeting
    async with connect(Broker(broker.url, "tests", "u", "ความลับ")) as connection:
        await connection.publish(Message("r/v1/n/air/d/reading", READING % 1))
    assert tail.end()[0] == 0
    secret.write_text("wrong")
    refused = Tail()
    assert refused.greeting.startswith(f"The broker 127.0.0.1:{broker.port} ({file}) cannot be used")
    assert refused.end()[0] == 1


async def test_it_comes_back_when_the_broker_does(mosquitto):
    tail = Tail("--url", mosquitto.url, "--json", "--count", 1)
    mosquitto.stop()
    assert tail.process.stderr.readline().startswith("Connection lost: ")
    mosquitto.start()
    while (line := tail.process.stderr.readline()) != "Connected again.\n":
        assert line.startswith("Connection lost: ")
    await publish(mosquitto.url, ("lanna/v1/n/air/d/reading", READING % 1))
    assert tail.end()[0] == 0


def test_ctrl_c_is_quiet(mosquitto):
    import signal

    tail = Tail("--url", mosquitto.url)
    tail.process.send_signal(signal.SIGINT)
    assert tail.end() == (130, [], "")


def tail(*args):
    return CliRunner().invoke(build(), ["tail", *args])


def test_no_broker_anywhere(monkeypatch, tmp_path):
    monkeypatch.setattr("gateway.cli.places.SYSTEM", tmp_path)
    done = tail()
    assert done.exit_code == 2
    assert "gateway demo" in done.output


def test_a_broker_that_is_not_there():
    done = tail("--url", "mqtt://127.0.0.1:1")
    assert done.exit_code == 1
    assert "127.0.0.1:1 (named with --url) cannot be used" in done.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--url", "http://x"], "mqtt://"),
        (["--class", "wather"], "nearest: weather"),
        (["--node", "A/#"], "is no id"),
        (["--quantity", "pm26"], "pm2_5"),
        (["--url", "mqtt://h", "--username", "u", "--password-file", "/none"], "No such file"),
        (["--config", "/none.toml"], "No such file"),
        (["--count", "-1"], "--count"),
    ],
)
def test_wrong_usage(args, said):
    done = tail(*args)
    assert done.exit_code == 2
    assert said in done.output


def test_a_terminal_gets_colour_and_fitting_lines(mosquitto):
    import asyncio
    import pty

    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "60"}
    env.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "gateway", "tail", "--url", mosquitto.url, "--count", "1"]
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.PIPE, env=env) as process:
        process.stderr.readline()
        asyncio.run(publish(mosquitto.url, ("lanna/v1/n/air/d/reading", READING.replace(b"2}", b"3}") % 1)))
        assert process.wait(10) == 0
    os.close(follower)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert "\x1b[33m" in shown
    from gateway.cli.table import width_of
    from tests.cli.test_table import ESCAPE

    assert all(width_of(ESCAPE.sub("", line)) <= 60 for line in shown.splitlines())
