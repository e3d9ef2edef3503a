"""What takes the way of a message again: parked ones that a person marked, and descriptions once a day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

from gateway.ingest.batch import Batch, Gathering
from gateway.ingest.messages import Reader
from gateway.ingest.parked import ParkedError, ParkedStore, Refused

ABOUT_EVERY_S = 86_400.0
_ABOUTS_BOUND = 100_000
_EVERY_S = 2.0
_AT_ONCE = 100


class Retries:
    """Puts marked ones into the batches, without a token; those that are stored then leave the parked store."""

    def __init__(
        self,
        parked: ParkedStore,
        reader: Reader,
        gathering: Gathering,
        in_ledger: Executor,
        on_state: Callable[[str, str, str], None],
    ) -> None:
        self._parked = parked
        self._reader = reader
        self._gathering = gathering
        self._in_ledger = in_ledger
        self._on_state = on_state
        self._under_way: set[int] = set()

    async def run(self) -> None:
        """Looks every two seconds, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                marked = await loop.run_in_executor(self._in_ledger, self._parked.retries, _AT_ONCE)
            except ParkedError as error:
                self._on_state("parked", "down", str(error))
                continue
            for one in marked:
                if one.id in self._under_way:
                    continue
                await self._gathering.room()
                self._reader.now_at(time.time_ns())
                part = self._reader.read(one.refused.topic, one.refused.payload)
                part.parked_id = one.id
                self._under_way.add(one.id)
                self._gathering.add(part)

    async def done(self, batch: Batch, refused: list[Refused]) -> None:
        """The batch is dealt with; what of it was refused again stays parked."""
        ids = [part.parked_id for part in batch.parts if part.parked_id is not None]
        if not ids:
            return
        again = {one.key for one in refused}
        try:
            await asyncio.get_running_loop().run_in_executor(self._in_ledger, self._drop_but, ids, again)
        except ParkedError as error:
            self._on_state("parked", "down", str(error))  # they are tried again: a repeat changes nothing
        self._under_way.difference_update(ids)

    def _drop_but(self, ids: list[int], keys: set[str]) -> None:
        shown = [self._parked.show(each) for each in ids]
        self._parked.drop([one.id for one in shown if one is not None and one.refused.key not in keys])


class Abouts:
    """The last description of each node and device, stored again every day, so that each day of data has one."""

    def __init__(self, reader: Reader, gathering: Gathering) -> None:
        self._reader = reader
        self._gathering = gathering
        self._kept: dict[str, bytes] = {}

    def keep(self, topic: str, payload: bytes) -> None:
        """Remember a description; other topics are ignored, an empty one is forgotten."""
        if not topic.endswith("/about"):
            return
        if not payload:
            self._kept.pop(topic, None)
        elif topic in self._kept or len(self._kept) < _ABOUTS_BOUND:
            self._kept[topic] = payload

    async def run(self) -> None:
        """Once a day, for ever."""
        while True:
            await asyncio.sleep(ABOUT_EVERY_S)
            for topic, payload in list(self._kept.items()):
                await self._gathering.room()
                self._reader.now_at(time.time_ns())
                self._gathering.add(self._reader.read(topic, payload))
