"""Wills, sessions and names against a real mosquitto."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.mqtt.link import Broker, Message, Refused, connect
from tests.mqtt.helpers import collect
from tests.rig.broker import Mosquitto


async def crash(node: Broker, will: Message) -> None:
    async with connect(node, will) as connection:
        await connection.publish(Message("n/status", b"online again", retain=True))
        raise RuntimeError("crash")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_the_will_is_published_unless_the_block_ends_well(mosquitto: Mosquitto, protocol: str) -> None:
    will = Message("n/status", b"offline", qos=1, retain=True)
    async with connect(Broker(mosquitto.url, "watcher")) as watcher:
        await watcher.subscribe("n/#")
        node = Broker(mosquitto.url, "node", protocol=protocol)  # type: ignore[arg-type]
        async with connect(node, will) as connection:
            await connection.publish(Message("n/status", b"online", retain=True))
        with pytest.raises(RuntimeError, match="crash"):
            await crash(node, will)
        assert [each.payload for each in await collect(watcher, 3)] == [b"online", b"online again", b"offline"]
    async with connect(Broker(mosquitto.url, "later")) as later:
        await later.subscribe("n/#")
        retained = await collect(later, 1)
        assert (retained[0].payload, retained[0].retain) == (b"offline", True)


async def test_a_clean_session_forgets_and_a_persistent_one_keeps(mosquitto: Mosquitto) -> None:
    for protocol in ("5", "3.1.1"):
        for expiry_s in (0, 3600):
            broker = Broker(mosquitto.url, f"c{protocol}{expiry_s}", protocol=protocol, session_expiry_s=expiry_s)
            async with connect(broker) as connection:
                await connection.subscribe("a")
            async with connect(broker) as connection:
                assert connection.session_present == (expiry_s > 0)


async def test_user_and_password(make_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = make_mosquitto(users={"node": "secret"})
    async with connect(Broker(broker.url, "node", "node", "secret")) as connection:
        await connection.publish(Message("a", b"1"))
    for protocol in ("5", "3.1.1", "auto"):
        for user, password in (("node", "wrong"), ("nobody", "secret"), (None, None)):
            with pytest.raises(Refused, match=r"not authorized|bad user name or password") as refused:
                async with connect(Broker(broker.url, "node", user, password, protocol=protocol)):
                    pass
            assert refused.value.code in (0x86, 0x87)
