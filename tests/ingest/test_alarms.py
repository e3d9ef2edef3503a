"""What stops the backbone is retained on the broker until it is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.ingest.sinks.base import Unavailable
from gateway.mqtt.link import Broker, Connection, connect
from tests.ingest.rig import ROOT, MemorySink, a_node, running, until
from tests.rig.broker import Mosquitto

ALARMS = f"{ROOT}/ingest/alarm/"


class Operator:
    """Subscribes like one: `raised` is what stands now."""

    def __init__(self, connection: Connection) -> None:
        self.raised: dict[str, dict[str, Any]] = {}
        self._connection = connection

    async def listen(self) -> None:
        while True:
            for message in await self._connection.receive():
                part = message.topic.removeprefix(ALARMS)
                if message.payload:
                    self.raised[part] = json.loads(message.payload)
                else:
                    self.raised.pop(part, None)


@asynccontextmanager
async def an_operator(url: str) -> AsyncIterator[Operator]:
    async with connect(Broker(url, "operator")) as connection:
        operator = Operator(connection)
        listening = asyncio.create_task(operator.listen(), name="operator")
        try:
            await connection.subscribe(f"{ALARMS}+")
            yield operator
        finally:
            listening.cancel()
            await asyncio.wait((listening,))


async def test_a_full_parked_store_is_an_alarm_until_there_is_room(tmp_path: Path, mosquitto: Mosquitto) -> None:
    settings: dict[str, Any] = {"parked_bytes": 2000, "confirms": True}
    async with running(tmp_path, MemorySink(), mosquitto.url, **settings) as ingest, a_node(mosquitto.url) as node:
        await node.publish("air/pms/reading", b"x" * 1500)
        await until(lambda: ingest.counters.acknowledged == 1, "the first fits")
        await node.publish("air/pms/reading", b"y" * 1500)
        async with an_operator(mosquitto.url) as operator:
            await until(lambda: "parked" in operator.raised, "the alarm")
            alarm = operator.raised["parked"]
            assert (alarm["state"], alarm["level"]) == ("raised", "critical")
            assert "retry or drop some" in alarm["why"]
            assert ingest.counters.acknowledged == 1
            ingest.parked.drop([1])
            await until(lambda: not operator.raised, "it is over")
    async with an_operator(mosquitto.url) as operator:
        assert not operator.raised, "nothing of it stays retained"


async def test_an_alarm_outlives_its_connection_and_not_its_cause(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    sink.trouble = Unavailable("401 unauthorized", needs_person=True)
    async with running(tmp_path, sink, mosquitto.url, confirms=True) as ingest, a_node(mosquitto.url) as node:
        await node.readings(1)
        await until(lambda: ingest.state("sink") == "refused", "the sink refuses")
        mosquitto.stop()
        mosquitto.start()
        async with an_operator(mosquitto.url) as operator:
            await until(lambda: operator.raised.get("sink", {}).get("why") == "refused: 401 unauthorized", "again")
            since = operator.raised["sink"].pop("since")
            sink.trouble = Unavailable("connection refused")
            await until(lambda: operator.raised["sink"].get("level") == "warning", "it may come back by itself")
            assert operator.raised["sink"]["since"] == since
    # The ingest died with it; the next one finds everything well.
    sink.trouble = None
    async with running(tmp_path, sink, mosquitto.url, confirms=True), an_operator(mosquitto.url) as operator:
        await until(lambda: not operator.raised, "what the dead one left is taken back")


async def test_who_does_not_confirm_raises_none(tmp_path: Path, mosquitto: Mosquitto) -> None:
    sink = MemorySink()
    sink.trouble = Unavailable("gone")
    async with running(tmp_path, sink, mosquitto.url) as ingest, a_node(mosquitto.url) as node:
        await node.readings(1)
        await until(lambda: ingest.state("sink") == "down", "the sink is down")
        async with an_operator(mosquitto.url) as operator:
            await node.publish("status", b"")  # comes back behind what would be retained
            assert not operator.raised
