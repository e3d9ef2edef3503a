"""Virtual time for a whole installation in one process: a loop that jumps, and no thread anywhere."""

from __future__ import annotations

import asyncio
import sys
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tests.spool.virtual import VirtualLoop

EPOCH_S = 1_790_000_000
"""True wall time when a loop begins: in September 2026."""


class SimLoop(VirtualLoop):
    """What is handed to a thread is done at once; the answer comes `disk_s` later, so that others run meanwhile."""

    disk_s = 0.0

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """See `BaseEventLoop.run_in_executor`; the executor is not used."""
        future = self.create_future()
        try:
            result = func(*args)
        except BaseException as error:  # what a real executor does
            self._later(future, error, is_error=True)
        else:
            self._later(future, result, is_error=False)
        return future

    def _later(self, future: asyncio.Future[Any], outcome: Any, *, is_error: bool) -> None:
        def tell() -> None:
            if not future.done():
                (future.set_exception if is_error else future.set_result)(outcome)

        self.call_later(self.disk_s, tell) if self.disk_s else self.call_soon(tell)

    def true_ns(self) -> int:
        """What a perfect clock says, ns since the epoch."""
        return round((EPOCH_S + self.time()) * 1e9)


class SimTime(ModuleType):
    """Stands in for the module `time`: its clocks are the loop's, and perfect."""

    def __init__(self, loop: SimLoop) -> None:
        super().__init__("time")
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * 1e9)

    def time(self) -> float:
        return self._loop.true_ns() / 1e9

    def time_ns(self) -> int:
        return self._loop.true_ns()

    def __getattr__(self, name: str) -> Any:
        if name in ("sleep", "clock_gettime_ns", "clock_gettime", "perf_counter"):
            raise AttributeError(f"time.{name} is not virtual")
        return getattr(real_time, name)


@contextmanager
def virtual_time(loop: SimLoop) -> Iterator[None]:
    """Every module of the gateway that is loaded sees the loop's time in place of the machine's."""
    patched = []
    stand_in = SimTime(loop)
    for name, module in list(sys.modules.items()):
        if name.startswith("gateway.") and getattr(module, "time", None) is real_time:
            patched.append(module)
            module.time = stand_in  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in patched:
            module.time = real_time  # type: ignore[attr-defined]
