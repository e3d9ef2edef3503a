"""`gateway spool replay`: what the broker did not acknowledge is sent again, or named."""

import asyncio
import json

import pytest

from gateway.cli.spool_entries import Tally, Wish, entries
from gateway.cli.spool_replay import Replay, batches, remaining
from gateway.mqtt.link import Broker, LinkError, connect
from gateway.ops import texts
from gateway.spool.inspect import look
from gateway.spool.spool import Spool
from tests.cli.spools import MIB, event, fill, gateway, node_config, reading


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.delenv("LANNA_CONFIG", raising=False)
    texts.set_language("en")
    yield
    texts.set_language(None)


@pytest.fixture
def folder(tmp_path):
    """200 readings and events, one a minute; 120 are settled and the first 100 gone; a segment holds about 80."""
    entries = [event(at) if at % 10 == 9 else reading(at) for at in range(200)]
    fill(tmp_path / "spool", entries, lambda spool: spool.settle("main", 1, 120))
    return tmp_path / "spool"


async def test_replay(folder, mosquitto, tmp_path):
    """Beside a gateway that runs on the same spool, as late readings, byte for byte what they were."""
    file = node_config(tmp_path, folder, url=mosquitto.url)
    spool = Spool.open(folder, outlets=["main"], max_bytes=16 * MIB)
    try:
        async with connect(Broker(mosquitto.url, "tests")) as connection:
            await connection.subscribe("lanna/v1/node-1/air/backlog")
            done = await asyncio.to_thread(gateway, "replay", file, "--numbers", "109-112", "--json")
            assert done.exit_code == 0, done.output
            assert json.loads(done.stdout)["sent"] == 4
            (message,) = await connection.receive()
            said = json.loads(message.payload)
            assert said["spool"] == spool.id
            assert [each["seq"] for each in said["readings"]] == [109, 110, 111, 112]
            assert said["readings"][0] == {
                "device": "pms", "t": "2026-03-20T11:34:40.000Z", "seq": 109, "v": {"pm2_5": 118.0, "pm10": 128.5},
                "q": {"*": 2},
            }  # fmt: skip
            assert said["readings"][1]["event"] == "state"
            named = ["replay", folder, "--config", file, "--from", "2026-03-20T20:00+07:00", "--per-second", "1000"]
            done = await asyncio.to_thread(gateway, *named)
            assert (done.exit_code, done.stdout) == (0, f"The broker took 6 of 6 entries of spool {spool.id}.\n")
        done = await asyncio.to_thread(gateway, "replay", file, "--numbers", "90-102")
        assert done.exit_code == 1
        assert done.stdout.startswith("The broker took 2 of 2 entries")
        assert "11 of the numbers are not held" in done.stderr
    finally:
        spool.release()


def test_replay_without_a_broker_names_what_is_left(folder, tmp_path):
    file = node_config(tmp_path, folder)
    done = gateway("replay", file, "--all", "--patience", "100 ms")
    assert done.exit_code == 1
    assert done.stdout.startswith("The broker took 0 of 100 entries")
    assert done.stderr.startswith("Waiting for the broker: ")
    assert "Not everything was sent" in done.stderr
    assert "Not taken, 100 entries: --spool " in done.stderr
    assert done.stderr.endswith("--numbers 101-200\n")
    done = gateway("replay", file, "--numbers", "150-153,160", "--patience", "0 s", "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["chosen"], said["sent"]) == (1, 5, 0)
    assert list(said["left"].values()) == [[[150, 153], [160, 160]]]
    assert gateway("replay", file, "--all", "--patience", "5").exit_code == 2


class Trial:
    """A replay of a folder's spool in batches of about `limit` bytes, and what it told."""

    def __init__(self, folder, url, *, limit=1500, per_s=0.0, patience_s=30.0):
        self.waits, self.took = asyncio.Event(), asyncio.Event()
        self.folder, self.broker = folder, Broker(url, "replay-under-test", connect_timeout_s=2.0)
        self.job = Replay(
            lambda most: batches(self.items(), "lanna/v1", "node-1", min(limit, most)),
            per_s,
            patience_s,
            on_wait=lambda why: self.waits.set(),
            on_progress=lambda count: self.took.set(),
        )

    def items(self):
        return entries(look(self.folder), Wish(), Tally())

    @property
    def taken(self):
        return [each.ranges() for each in self.job.sent.values()]


async def test_it_waits_for_a_broker_that_is_away(folder, mosquitto):
    mosquitto.stop()
    trial = Trial(folder, mosquitto.url)
    task = asyncio.create_task(trial.job.run(trial.broker))
    async with asyncio.timeout(20):
        await trial.waits.wait()
        await asyncio.to_thread(mosquitto.start)
        await task
    assert trial.taken == [[(101, 200)]]


async def test_what_was_not_acknowledged_goes_over_the_next_connection(folder, mosquitto):
    trial = Trial(folder, mosquitto.url, per_s=150)
    task = asyncio.create_task(trial.job.run(trial.broker))
    async with asyncio.timeout(30):
        for _ in range(2):
            trial.took.clear()
            trial.waits.clear()
            await trial.took.wait()
            assert not task.done()
            mosquitto.kill()
            await trial.waits.wait()
            await asyncio.to_thread(mosquitto.start)
        await task
    assert trial.taken == [[(101, 200)]]
    assert trial.job.count == 100, "none is counted twice"
    assert remaining(trial.items(), trial.job.sent) == {}


async def test_it_gives_up_when_nothing_is_taken_for_too_long(folder, mosquitto):
    trial = Trial(folder, mosquitto.url, per_s=150, patience_s=0.7)
    task = asyncio.create_task(trial.job.run(trial.broker))
    async with asyncio.timeout(20):
        await trial.took.wait()
        mosquitto.kill()
        with pytest.raises(LinkError):
            await task
    ((_, last),) = trial.taken[0]
    assert 101 < last < 200
    (left,) = remaining(trial.items(), trial.job.sent).values()
    assert left.ranges() == [(last + 1, 200)]
