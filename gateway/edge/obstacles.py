"""What is in the way of a node's ports: told once when it is first seen, and beside what a device's state says."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.ports import PortError
from gateway.ports.findings import Finding
from gateway.ports.looking import look

log = logging.getLogger(__name__)

Look = Callable[[Iterable[str]], Mapping[str, Sequence[Finding]]]
_KNOWN_S = 30.0
"""So long what was found about a port that cannot be opened is good enough: it is tried every few seconds."""
_PATIENCE_S = 1.0
_EXPLAINED = ("busy", "permission", "failed", "bad-settings")


class Obstacles:
    """Looks, in a thread, when a port was opened, could not be, or gives nothing. `on_change` is told of its url."""

    def __init__(self, on_change: Callable[[str], None], see: Look = look) -> None:
        self._on_change = on_change
        self._see = see
        self._of: dict[str, list[Finding]] = {}
        self._at: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._is_wanted = asyncio.Event()

    def of(self, url: str) -> list[Finding]:
        """What blocks this port, as far as is known."""
        return [each for each in self._of.get(url, ()) if each.blocks]

    def want(self, url: str) -> None:
        """Look at this port soon."""
        if url.startswith("/"):
            self._wanted.add(url)
            self._is_wanted.set()

    async def explain(self, error: PortError) -> PortError:
        """The same error, with what is in the way."""
        url = error.port
        if error.reason not in _EXPLAINED or not url.startswith("/"):
            return error
        if time.monotonic() - self._at.get(url, -_KNOWN_S) >= _KNOWN_S:
            await self._look({url})
        return PortError(error.reason, url, error.detail, self.of(url))

    async def run(self) -> None:
        """Look when that is wanted, until cancelled."""
        while True:
            await self._is_wanted.wait()
            await asyncio.sleep(_PATIENCE_S)  # at the start all ports are opened at once
            wanted, self._wanted = self._wanted, set()
            self._is_wanted.clear()
            before = {url: self.of(url) for url in wanted}
            await self._look(wanted)
            for url in wanted:
                if self.of(url) != before[url]:
                    self._on_change(url)

    async def _look(self, urls: set[str]) -> None:
        seen = await asyncio.to_thread(self._see, urls)
        for url in urls:
            found = list(seen.get(url, ()))
            for finding in found:
                if finding not in self._of.get(url, ()):
                    log.warning("%s", finding)
            self._of[url], self._at[url] = found, time.monotonic()
