"""Commands that work until they are told to stop, and then finish what they hold."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any


def run_until_stopped(work: Coroutine[Any, Any, None], seconds: float = 0.0) -> bool:
    """Run `work` until it ends, `seconds` are over (0: never), or Ctrl-C or SIGTERM come; True where one of those did.

    The work is cancelled then and may clean up; what else it raises is raised here.
    """
    return asyncio.run(_run(work, seconds))


async def _run(work: Coroutine[Any, Any, None], seconds: float) -> bool:
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, me.cancel)
    stopped = False
    with contextlib.suppress(TimeoutError):
        try:
            async with asyncio.timeout(seconds or None):
                await work
        except asyncio.CancelledError:
            # Ours: nobody else holds this task. Ended here so that the command can still say what it did.
            stopped = True
            me.uncancel()
    return stopped
