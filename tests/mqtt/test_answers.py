"""What a broker answers to CONNECT, and what the link makes of it: 5, 3.1.1, or no."""

from __future__ import annotations

from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer

import pytest

from gateway.mqtt.link import Broker, ConnectFailed, Refused, connect
from tests.mqtt.helpers import CONNACK_5, CONNACK_311, answering, fake_broker, read_packet, until_goodbye


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x00",
        b"\x20\x02\x00",
        b"\x30\x03\x00\x01a",
        b"\xd0\x00",
        b"\x20\x03\x00\x55\x00",
    ],
)
async def test_an_answer_that_is_no_connack_is_a_failed_connect(answer: bytes) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_packet(reader)
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with fake_broker(script) as url:
        for protocol in ("5", "3.1.1"):
            with pytest.raises((ConnectFailed, Refused)):
                async with connect(Broker(url, "c", protocol=protocol, connect_timeout_s=2)):
                    pass


async def test_a_broker_without_mqtt_5_is_met_with_3_1_1() -> None:
    seen: list[int] = []

    async def script(reader: Reader, writer: Writer) -> None:
        level = (await read_packet(reader))[8]
        seen.append(level)
        writer.write(CONNACK_311 if level == 4 else b"\x20\x02\x00\x01")
        await until_goodbye(reader)

    async with fake_broker(script) as url:
        async with connect(Broker(url, "c")) as connection:
            assert connection.protocol == "3.1.1"
        assert seen == [5, 4]
        with pytest.raises(Refused, match="unsupported protocol version"):
            async with connect(Broker(url, "c", protocol="5")):
                pass


@pytest.mark.parametrize("closings", [1, 2])
async def test_a_broker_that_closes_without_a_word_is_met_with_3_1_1_the_second_time(closings: int) -> None:
    seen: list[int] = []

    async def script(reader: Reader, writer: Writer) -> None:
        level = (await read_packet(reader))[8]
        seen.append(level)
        if len(seen) > closings:
            writer.write(CONNACK_311 if level == 4 else CONNACK_5)
            await until_goodbye(reader)

    async with fake_broker(script) as url, connect(Broker(url, "c")) as connection:
        assert connection.protocol == ("5" if closings == 1 else "3.1.1")
        assert seen == [5] * closings + ([5] if closings == 1 else [4])


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "unsupported protocol version"), (2, "client"), (3, "unavailable"), (4, "password"), (5, "authorized")],
)
async def test_what_3_1_1_refuses_is_told_in_words(code: int, words: str) -> None:
    async with fake_broker(answering(b"", connack=bytes([0x20, 2, 0, code]))) as url:
        with pytest.raises((Refused, ConnectFailed), match=words):
            async with connect(Broker(url, "c", protocol="3.1.1")):
                pass


async def test_the_brokers_own_words_are_passed_on() -> None:
    connack = b"\x20\x0b\x00\x87\x08\x1f\x00\x05night"
    async with fake_broker(answering(b"", connack=connack)) as url:
        with pytest.raises(Refused, match=r"not authorized \(night\)"):
            async with connect(Broker(url, "c")):
                pass
