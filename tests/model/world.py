"""One node, one broker, one ingest, one database, and what befalls them. Rules call these methods.

Real: everything of the node but stations and dating, everything of ingest. Models, held to the real ones by
tests/faults: broker, network, database; and the disk. Time is the loop's, and jumps.
"""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from gateway.mqtt.broker import Message
from gateway.wire.topics import node_topic
from tests.model.backbone import Backbone, Database, Fuse, Killed
from tests.model.books import Books
from tests.model.broker import ROOT, BoundedNetwork, ForgetfulBroker
from tests.model.node import BROKER as EDGE
from tests.model.node import NODE, Contents, Node
from tests.model.verdict import autopsy, is_at_rest
from tests.rig.sim_time import SimLoop, virtual_time
from tests.spool.simdisk import PowerCut, SimDisk

LINES = ("lanna-node-1", "lanna-ingest")
"""How the client ids of the two begin."""
HEAL_S = 4 * 3600.0
GONE_S = 25 * 3600.0


class World:
    """Everything. `flush_s` 0 is a database whose yes is durable; where it `is_mild`, nobody forgets anything."""

    def __init__(
        self,
        *,
        confirm: str,
        max_bytes: int,
        flush_s: float,
        receive_maximum: int,
        maximum_packet: int | None,
        is_mild: bool,
        seed: int,
    ) -> None:
        self.loop, self._stack = SimLoop(), ExitStack()
        asyncio.set_event_loop(self.loop)
        self._stack.callback(asyncio.set_event_loop, None)
        self._stack.callback(self.loop.close)
        self._problems: list[BaseException] = []
        self.loop.set_exception_handler(self._complain)
        self.confirm, self._max_bytes, self._is_mild = confirm, max_bytes, is_mild
        shared = Path("/dev/shm")
        folder = tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)
        self._folder = Path(self._stack.enter_context(folder))
        self.rng, self._ids = random.Random(seed), 0
        self.books, self.contents = Books(), Contents(self.loop)
        self.broker = ForgetfulBroker()
        self.broker.on_publish.append(self.books.watch)
        self.network = BoundedNetwork(self.broker, receive_maximum=receive_maximum, maximum_packet=maximum_packet)
        self.fuse = Fuse()
        self.database = Database(self.loop, self.fuse, flush_s=flush_s)
        self.disk = SimDisk()
        self.node: Node | None = None
        self.backbone: Backbone | None = None
        self.image: tuple[SimDisk, dict[int, int], bool] | None = None
        self._cuts_power = False
        self._stack.enter_context(virtual_time(self.loop))
        self._stack.enter_context(patch("gateway.mqtt.link.connect", self.network.connect))
        speaks = logging.getLogger("gateway")
        self._stack.callback(speaks.setLevel, speaks.level)
        speaks.setLevel(logging.CRITICAL)

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        if isinstance(error, AssertionError):
            self._problems.append(error)

    def close(self) -> None:
        """Nothing runs any more."""
        try:
            for part in (self.node, self.backbone):
                if part is not None:
                    part.task.cancel()
            self.loop.run_until_complete(asyncio.sleep(1))
            if self.node is not None:
                self.node.spool._lock.release()
        finally:
            self._stack.close()

    def wait(self, seconds: float) -> None:
        """Time passes; who dies on the way is buried, who should not have died is mourned."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        if self._problems:
            raise self._problems[0]
        if self.node is not None and self.node.task.done():
            autopsy(self.node.task, PowerCut)
            self._bury_node()
        if self.backbone is not None and self.backbone.task.done():
            autopsy(self.backbone.task, Killed)
            self.backbone = None

    # The node.

    def start_node(self) -> None:
        """Somebody switches it on."""
        self.disk.fault = lambda operation, path: None
        try:
            self.node = Node(
                self._folder,
                self.disk,
                self.loop,
                self.contents,
                confirm=self.confirm,
                max_bytes=self._max_bytes,
                new_id=self._new_id,
                on_commit=self.books.committed,
            )
        finally:
            self.books.starts |= {} if self.node is None else {era.id: era.base for era in self.node.eras.all()}
        self.wait(0.01)

    def _new_id(self) -> str:
        self._ids += 1
        return f"{0xE0000000 + self._ids:08x}"

    def record(self, count: int, device_class: str = "air", wait_s: float = 0.3) -> None:
        """So many readings, a few milliseconds apart; every third is of the air."""
        for at in range(count):
            if self.node is not None:
                self.node.record(device_class if at % 3 else "air")
        self.wait(wait_s)

    def kill_node(self, *, cuts_power: bool) -> None:
        """kill -9; or the power is cut, and the broker notices late."""
        node = self.node
        assert node is not None
        self._cuts_power = cuts_power
        self._blow(0)
        if cuts_power:
            self.network.vanish(EDGE.client_id)
        node.task.cancel()
        self.wait(0.01)
        assert self.node is None

    def arm_node(self, operations: int, *, cuts_power: bool) -> None:
        """It dies before that operation on its disk."""
        self._cuts_power = cuts_power
        self._blow(operations)

    def _blow(self, operations: int) -> None:
        disk = self.disk
        end = disk.operations + operations

        def fault(operation: str, path: Path) -> None:
            if disk.operations > end:
                if self.node is not None:  # whatever waits for the outcome of this waits no longer
                    self.loop.call_soon(self.node.task.cancel)
                raise PowerCut

        disk.fault = fault

    def _bury_node(self) -> None:
        assert self.node is not None
        self.books.starts |= {era.id: era.base for era in self.node.eras.all()}
        self.node.spool._lock.release()
        self.node = None
        self.disk = self.disk.after_cut(self.rng) if self._cuts_power else self.disk.after_kill()

    # Its card.

    def copy_card(self) -> None:
        """An image of the card as it is at this moment."""
        image = SimDisk({path: bytes(file.seen) for path, file in self.disk.files.items()})
        image.folders = set(self.disk.folders)
        # What is copied before it was ever published may be published by both lives, and neither can know of the other.
        unchecked = None if self.node is None else self.node.eras.unchecked
        may_double = self.node is not None and unchecked is not None and unchecked < self.node.spool.next
        self.image = image, dict(self.books.owed), may_double

    def put_card_back(self, count: int, restarts: bool, is_cleared: bool) -> None:
        """The old image takes the card's place; its node records before it has a broker, and perhaps dies once more.

        The protocol's condition: the ledger has heard of what was published, and answers when the node comes.
        """
        assert self.image is not None
        if not self._lets_ledger_learn():
            return
        if self.node is not None:
            self.kill_node(cuts_power=False)
        image, self.books.owed, may_double = self.image[0], dict(self.image[1]), self.image[2]
        self.disk = SimDisk({path: bytes(file.seen) for path, file in image.files.items()})
        self.disk.folders = set(image.folders)
        self.books.was_put_back = True
        self.books.may_double |= may_double
        self.network.hole(EDGE.client_id)
        if is_cleared:  # somebody has removed the retained word: the birth is answered
            self.broker.publish(Message(node_topic(ROOT, NODE, "stored"), b"", 1, True))
        for life in range(1 + restarts):
            if life:
                self.kill_node(cuts_power=False)
            self.start_node()
            self.record(count)
        self.network.mend(EDGE.client_id)
        assert self.node is not None
        for _ in range(30):
            if self.node.eras.unchecked is None:
                break
            self.wait(5.0)

    def _lets_ledger_learn(self) -> bool:
        """All that was published reaches the ledger; False where a broker has lost it before."""
        self.mend()
        self.wait(30.0)
        backbone = self.backbone
        assert backbone is not None
        known = {spool: backbone.ledger._spools[NODE, spool].horizon for spool in backbone.spools()}
        return all(known.get(spool, 0) >= seq for spool, seq in self.books.published.items())

    # The backbone.

    def start_backbone(self) -> None:
        """Somebody starts ingest."""
        self.backbone = Backbone(self._folder, self.loop, self.database, self.fuse)
        self.wait(0.01)

    def kill_backbone(self) -> None:
        """kill -9."""
        assert self.backbone is not None
        self.fuse.left = 0
        self.backbone.task.cancel()
        self.wait(0.01)
        assert self.backbone is None

    def lose_ledger(self) -> None:
        """Somebody deletes it: the next ingest begins a new one."""
        if self.backbone is not None:
            self.kill_backbone()
        for file in self._folder.glob("ledger.sqlite*"):
            file.unlink()

    def end_broker(self, **forgets: bool) -> None:
        """In order, or without what it forgets."""
        if self._is_mild:
            self.broker.stop()
        else:
            self.broker.crash(**forgets)

    def end_database(self, *, crashes: bool) -> None:
        """In order, or with what it had not made durable."""
        if crashes and not self._is_mild:
            self.database.crash()
        else:
            self.database.stop()

    # Everything.

    def mend(self) -> None:
        """Whatever is down comes up, and nothing is refused."""
        self.broker.refused, self.database.is_cutting = set(), False
        if not self.broker.is_up:
            self.broker.start()
        if not self.database.is_up:
            self.database.start()
        for line in LINES:
            self.network.mend(line)
            self.network.way(line).delay_s = 0.002
        self.fuse.left = None
        self.disk.fault = lambda operation, path: None
        if self.backbone is None:
            self.start_backbone()
        if self.node is None:
            self.start_node()

    def heal(self) -> None:
        """Everything works from now on, for as long as it takes."""
        self.mend()
        until = self.loop.time() + HEAL_S
        self.wait(5.0)
        while self.loop.time() < until and not is_at_rest(self):
            self.wait(10.0)
        if is_at_rest(self) and self.backbone is not None and self.backbone.open():
            # Spools that their node does not list any more are closed after a day, which is slept through.
            self.loop.sleep_through(GONE_S)
            self.wait(60.0)
