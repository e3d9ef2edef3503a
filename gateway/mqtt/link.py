"""The way to a broker: connect once, or stay connected for ever. The only package that knows aiomqtt and paho.

What the libraries leave open and this closes: acknowledgements by hand and in order; a refused PUBACK is an error;
nothing received is dropped; nothing is sent twice; a lost connection fails what it left unanswered at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from gateway.mqtt.broker import AckToken, Broker, Incoming, Message, Protocol
from gateway.mqtt.connection import Connection
from gateway.mqtt.errors import (
    SESSION_TAKEN_OVER,
    UNSUPPORTED_PROTOCOL,
    ConnectFailed,
    Disconnected,
    LinkError,
    PublishRefused,
    Refused,
    SubscribeRefused,
)

NEAR_S = 1.5
"""A broker that is back shall have its nodes' readings within two seconds."""


@asynccontextmanager
async def connect(broker: Broker, will: Message | None = None) -> AsyncIterator[Connection]:
    """A connection for the length of the block; raises ConnectFailed or Refused.

    A block that ends well says goodbye, and the broker forgets the will. One that ends with an exception (also a
    cancellation) has the broker publish the will.
    """
    connection = await _open(broker, will)
    try:
        yield connection
    except BaseException:
        await connection.close(with_will=True)
        raise
    await connection.close(with_will=False)


async def stay_connected(
    broker: Callable[[], Broker] | Broker,
    will: Callable[[], Message | None],
    use: Callable[[Connection], Awaitable[None]],
    *,
    on_state: Callable[[str, str], None],
    min_s: float = 0.5,
    max_s: float = 30.0,
    near_s: float = NEAR_S,
) -> None:
    """Connects and runs `use(connection)` until the connection is lost, for ever; only a cancellation ends it.

    `use` is cancelled when the connection is lost; when it returns or raises a LinkError the connection is closed and
    the next one follows after a pause; any other exception is passed on. `on_state` gets "up", "down" or "refused", and
    why. An OSError of `broker()` (a password file that is not there) counts as a failed attempt. Pauses double from
    `min_s` to `max_s` and start over after a connection that lived twice `max_s`. No pause is longer than `near_s`
    where the machine is there and nothing listens on it, and after a connection that lived ten times as long.
    """
    pauses = _pauses(min_s, max_s)
    while True:
        up_mono = None
        try:
            async with connect(_resolve(broker), will()) as connection:
                up_mono = time.monotonic()
                on_state("up", f"MQTT {connection.protocol}")
                await _use_until_lost(use, connection)
        except (LinkError, ExceptionGroup) as error:
            problem = _link_problem(error)
            is_taken_over = isinstance(problem, Disconnected) and problem.code == SESSION_TAKEN_OVER
            is_refused = is_taken_over or isinstance(problem, Refused | SubscribeRefused | PublishRefused)
            is_near = isinstance(problem, ConnectFailed) and problem.is_refused
            on_state("refused" if is_refused else "down", str(problem))
        else:
            is_taken_over = is_near = False
            on_state("down", "closed by us")
        lived_s = 0.0 if up_mono is None else time.monotonic() - up_mono
        if lived_s >= 2 * max_s:
            pauses = _pauses(min_s, max_s)
        is_near |= lived_s >= 10 * near_s
        # Two programs with one client id throw each other out: neither may come back soon.
        pause_s = max_s if is_taken_over else next(pauses)
        await asyncio.sleep(min(pause_s, near_s * random.uniform(0.5, 1.0)) if is_near else pause_s)


async def _open(broker: Broker, will: Message | None) -> Connection:
    """With "auto": 5, and 3.1.1 when the broker says it has no 5, or closes the connection twice without a word."""
    attempts: list[Protocol] = ["5", "5", "3.1.1"] if broker.protocol == "auto" else [broker.protocol]
    while True:
        connection = Connection(broker, attempts.pop(0), will)
        try:
            await connection.open()
        except Refused as error:
            if error.code != UNSUPPORTED_PROTOCOL or not attempts:
                raise
            attempts = ["3.1.1"]
        except ConnectFailed as error:
            if not error.is_closed or not attempts:
                raise
        else:
            return connection


async def _use_until_lost(use: Callable[[Connection], Awaitable[None]], connection: Connection) -> None:
    """Runs `use`; raises why the connection was lost, when it was, and not what `use` made of it."""

    async def run() -> None:
        await use(connection)

    using = asyncio.create_task(run(), name=f"use of connection {connection.number}")
    lost = asyncio.create_task(connection.lost(), name=f"end of connection {connection.number}")
    try:
        await asyncio.wait((using, lost), return_when=asyncio.FIRST_COMPLETED)
    finally:
        using.cancel()
        lost.cancel()
        await asyncio.wait((using, lost))
    if not using.cancelled():
        using.result()
    if connection.why_lost is not None:
        raise connection.why_lost


def _resolve(broker: Callable[[], Broker] | Broker) -> Broker:
    if isinstance(broker, Broker):
        return broker
    try:
        return broker()
    except OSError as error:
        raise ConnectFailed(f"{error.filename} cannot be read: {error.strerror}") from error


def _link_problem(error: BaseException) -> BaseException:
    """The first LinkError of a group of nothing else; what else is in a group is raised."""
    while isinstance(error, BaseExceptionGroup):
        _, rest = error.split(LinkError)
        if rest is not None:
            raise rest
        error = error.exceptions[0]
    return error


def _pauses(min_s: float, max_s: float) -> Iterator[float]:
    """Doubling from `min_s` to `max_s`, each shortened at random by up to a half: a fleet must not come at once."""
    pause_s = min_s
    while True:
        yield pause_s * random.uniform(0.5, 1.0)
        pause_s = min(max_s, pause_s * 2)


__all__ = [
    "AckToken",
    "Broker",
    "ConnectFailed",
    "Connection",
    "Disconnected",
    "Incoming",
    "LinkError",
    "Message",
    "PublishRefused",
    "Refused",
    "SubscribeRefused",
    "connect",
    "stay_connected",
]
