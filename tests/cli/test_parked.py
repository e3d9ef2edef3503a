"""`gateway parked` as a user meets it, on a store with every kind of rubbish, and beside a running ingest."""

import json
import os
import pty
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.ingest.parked import ParkedStore, Refused
from gateway.ops import texts
from gateway.spool.intervals import Intervals
from gateway.wire.times import MS, SECOND
from tests.ingest.rig import NODE, SPOOL, MemorySink, a_node, running, until

AT = 1_774_000_000_000 * MS  # 2026-03-20T09:46:40Z


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.delenv("LANNA_CONFIG", raising=False)
    texts.set_language("en")
    yield
    texts.set_language(None)


def refused(seq, reason="json", node="n1", payload=b'{"t":1}'):
    return Refused(reason, f"why {seq}", f"lanna/v1/{node}/air/d/reading", payload, node, SPOOL if seq else "", seq)


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "backbone.toml"
    file.write_text('[ingest]\nstate = "state"\nsqlite = { path = "x" }\nmqtt = { url = "mqtt://h" }\n')
    return file


@pytest.fixture
def store(config, tmp_path):
    made = ParkedStore(tmp_path / "state" / "parked.sqlite", max_bytes=1 << 24)
    made.add([refused(1), refused(2), refused(3, "future", "n2")], AT)
    made.add([refused(0, "topic", "", b"\x1b[2J\xff")], AT + 3600 * SECOND)
    yield made
    made.close()


@pytest.fixture
def parked(config):
    def run(*args, **more):
        return CliRunner().invoke(build(), ["parked", *map(str, args), "--config", str(config)], **more)

    return run


def listed(done):
    assert done.exit_code == 0, done.output
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def test_ls(store, parked):
    shown = parked("ls").output.splitlines()
    assert shown[0].split() == ["ID", "LAST", "+07:00", "REASON", "NODE", "SPOOL", "SEQ", "TIMES", "TOPIC", "WHY"]
    assert shown[1].split() == [
        *("1", "2026-03-20", "16:46:40", "json", "n1", SPOOL, "1", "1", "lanna/v1/n1/air/d/reading", "why", "1")
    ]
    assert shown[-1] == "4 parked, 4 shown: future 1, json 2, topic 1."
    assert len(shown) == 6
    assert listed(parked("ls", "--json")) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--reason", "json"], [1, 2]),
        (["--reason", "jsen"], []),
        (["--node", "n2"], [3]),
        (["--from", "2026-03-20T17:00"], [4]),
        (["--to", "2026-03-20T10:00Z"], [1, 2, 3]),
        (["--limit", "2"], [3, 4]),
        (["--limit", "0"], [1, 2, 3, 4]),
    ],
)
def test_ls_chooses(store, parked, options, expected):
    assert listed(parked("ls", "--json", *options)) == expected


def test_show_makes_the_payload_safe(store, parked):
    shown = parked("show", 1).output
    assert '{\n    "t": 1\n  }' in shown
    assert "why 1" in shown
    binary = parked("show", 4).output
    assert "1b 5b 32 4a ff" in binary
    assert ".[2J." in binary
    facts = json.loads(parked("show", 4, "--json").output)
    assert (facts["payload"], facts["payload_hex"], facts["seq"]) == (None, "1b5b324aff", None)
    store.add([refused(9, payload='"ค่า\x1b[2J\u202e'.encode() + b"x" * 1000)], AT)
    shown = parked("show", 5).output
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "ค่า" in shown
    assert shown.count("x") == 1000
    assert parked("show", 5, "--json").output.isascii()


def test_nothing_parked_yet(parked, tmp_path):
    done = parked("ls")
    assert (done.exit_code, done.output) == (0, "Nothing is parked.\n")
    assert not (tmp_path / "state").exists()
    assert parked("show", 1).exit_code == 1
    assert parked("drop", "--all", "--yes").exit_code == 0


def test_thai_and_help(store, parked):
    for command in ("ls", "show", "retry", "drop", ""):
        done = CliRunner().invoke(build(), ["--lang", "th", "parked", *command.split(), "--help"])
        assert done.exit_code == 0
        assert "..." not in done.output.partition("Commands:")[2]
    texts.set_language("th")
    assert "พักไว้ 4" in parked("ls").output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["drop"], "Say which"),
        (["drop", "1", "--all"], "Say which"),
        (["retry", "--reason", "json", "--all"], "Say which"),
        (["drop", "--all"], "--yes"),
        (["drop", "1"], "--yes"),
        (["ls", "--node", "A/#"], "is no id"),
        (["show", "x"], "ID"),
    ],
)
def test_wrong_usage(store, parked, args, said):
    done = parked(*args)
    assert done.exit_code == 2
    assert said in done.output
    assert store.counts() == {"json": 2, "future": 1, "topic": 1}


def test_a_node_has_no_store(tmp_path):
    file = tmp_path / "edge.toml"
    file.write_text(
        '[node]\nid = "n"\nsite = "s"\n[mqtt]\nurl = "mqtt://h"\nconfirm = "stored"\n'
        '[[device]]\nid = "pms"\ndriver = "plantower-pmsx003"\nport = "/dev/ttyS9"\n'
    )
    done = CliRunner().invoke(build(), ["parked", "ls", "--config", str(file)])
    assert (done.exit_code, "describes no backbone" in done.output) == (2, True)


def test_retry(store, parked):
    done = parked("retry", 1, 99)
    assert done.exit_code == 1
    assert "1 marked" in done.stdout
    assert "Nothing is parked under 99" in done.stderr
    assert [one.id for one in store.retries(9)] == [1]
    assert "(to be tried again)" in parked("ls").output
    assert json.loads(parked("retry", "--reason", "json", "--json").output) == {"done": 2, "ids": [1, 2], "absent": []}
    assert parked("retry", "--all").exit_code == 2
    assert parked("retry", "--all", "--yes").exit_code == 0
    assert len(store.retries(9)) == 4


def test_drop_remembers_the_numbers(store, parked):
    assert "2 dropped" in parked("drop", "--reason", "json", "--yes").output
    assert "1 dropped" in parked("drop", 4, "--yes").output
    assert store.counts() == {"future": 1}
    ((node, spool, reason, numbers),) = store._db.execute("SELECT * FROM dropped").fetchall()
    assert (node, spool, reason, Intervals.decode(numbers).ranges()) == ("n1", SPOOL, "json", [(1, 2)])
    store.add([refused(5)], AT)
    assert parked("drop", "--all", "-y").exit_code == 0
    rows = {row[2]: Intervals.decode(row[3]).ranges() for row in store._db.execute("SELECT * FROM dropped")}
    assert rows == {"json": [(1, 2), (5, 5)], "future": [(3, 3)]}


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 4), (b"y\n", 3)])
def test_drop_asks_on_a_terminal(store, config, answer, left):
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "gateway", "--lang", "en", "parked", "drop", "1", "--config", str(config)]
    with subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        os.write(leader, answer)
        _, asked = process.communicate(timeout=20)
    os.close(leader)
    os.close(follower)
    assert b"Drop 1 for good?" in asked
    assert sum(store.counts().values()) == left
    assert process.returncode == (1 if left == 4 else 0)


def test_a_damaged_store(config, tmp_path, parked):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "parked.sqlite").write_bytes(b"no database" * 1000)
    done = parked("ls")
    assert done.exit_code == 1
    assert "cannot be used" in done.output


async def test_beside_a_running_ingest(config, tmp_path, mosquitto, parked):
    """What the sink refused is listed, retried once it is welcome, and gone from the store then."""
    import asyncio

    sink = MemorySink()
    sink.bad = {2}
    state = tmp_path / "state"
    state.mkdir()
    (state / "parked.sqlite").symlink_to(tmp_path / "parked.db")  # where the rig's ingest keeps it
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.readings(1, 2, 3)
        await until(lambda: ingest.counters.parked["refused"] == 1, "number 2 is parked")
        (one,) = [json.loads(line) for line in (await asyncio.to_thread(parked, "ls", "--json")).stdout.splitlines()]
        assert (one["node"], one["seq"], one["reason"], one["why"]) == (NODE, 2, "refused", "type conflict")
        sink.bad = set()
        begin = time.monotonic()
        assert (await asyncio.to_thread(parked, "retry", "--reason", "refused")).exit_code == 0
        await until(lambda: sink.seqs == [1, 2, 3], "number 2 is stored")
        assert time.monotonic() - begin < 6
        await until(lambda: not ingest.parked.counts(), "nothing is parked")
        assert (await asyncio.to_thread(parked, "ls")).output == "Nothing is parked.\n"
