"""A proxy in a thread of its own for tests that do not run a loop, and seeded bad weather on it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from tests.rig.tcp_proxy import TcpProxy

KINDS = ("delay", "drop", "black hole", "black hole up", "refuse", "half-close", "cut", "trickle", "hang")
T = TypeVar("T")


class Line:
    """A TcpProxy to a loopback port, run by a thread; a context manager. `counts` is the weather that was."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.proxy = TcpProxy(port)
        self.counts: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return self.proxy.url

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self.proxy.listen)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.run(self.proxy.refuse)
        self.run(self.proxy.drop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, what: Callable[[], Awaitable[T]], timeout_s: float = 30.0) -> T:
        """Awaits `what()` in the proxy's loop."""

        async def call() -> T:
            return await what()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(timeout_s)

    def do(self, what: Callable[[], None]) -> None:
        """Calls `what()` in the proxy's loop."""

        async def call() -> None:
            what()

        self.run(call)

    def storm(self, seed: int, seconds: float, longest_s: float = 2.0) -> None:
        """Seeded faults one after another for so long, then fair weather; returns when it is over."""
        self.run(lambda: storm(self.proxy, random.Random(seed), seconds, longest_s, self.counts), seconds + 30.0)


async def storm(proxy: TcpProxy, dice: random.Random, seconds: float, longest_s: float, counts: Counter[str]) -> None:
    """Faults of `KINDS`, each up to `longest_s` long with a pause of up to as much; the proxy is whole afterwards."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        kind = dice.choice(KINDS)
        counts[kind] += 1
        await _blow(proxy, kind, dice, dice.uniform(0.05, longest_s))
        await asyncio.sleep(dice.uniform(0, longest_s))


async def _blow(proxy: TcpProxy, kind: str, dice: random.Random, seconds: float) -> None:
    if kind == "drop":
        await proxy.drop()
    elif kind == "half-close":
        proxy.half_close(dice.choice(("up", "down")))
    elif kind == "cut":
        proxy.cut_after(dice.randrange(1, 400), dice.choice(("up", "down")))
    elif kind == "refuse":
        await proxy.refuse()
        await proxy.drop()
        await asyncio.sleep(seconds)
        await proxy.listen()
    else:
        if kind == "delay":
            proxy.delay_s = min(seconds, 0.5)
        elif kind == "trickle":
            proxy.bytes_per_s = dice.choice((40, 400, 4000))
        elif kind == "black hole":
            proxy.black_hole()
        elif kind == "black hole up":
            proxy.black_hole("up")
        elif kind == "hang":
            proxy.hang()
            await proxy.drop()
        await asyncio.sleep(seconds)
        proxy.delay_s = proxy.bytes_per_s = 0.0
        proxy.let_pass()
