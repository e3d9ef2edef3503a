"""What must be true of a world in the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.wire.topics import node_topic
from tests.model.broker import ROOT
from tests.model.node import NODE

if TYPE_CHECKING:
    from tests.model.world import World


def is_at_rest(world: World) -> bool:
    """Nothing of what the node holds is unsettled, to it and to the ledger."""
    node, backbone = world.node, world.backbone
    assert node is not None
    assert backbone is not None
    return (
        node.is_at_rest
        and node.uplink.is_online.is_set()
        and not world.broker.waiting()
        and all(backbone.ledger.upto(NODE, id_) >= top - 1 for id_, (_, top) in node.eras.held().items())
        and not set(backbone.open()) & set(node.eras.held())
    )


def check(world: World) -> None:
    """Everything is settled, and what is settled is somewhere."""
    assert is_at_rest(world), describe(world)
    assert world.node is not None
    assert world.backbone is not None
    assert not world.backbone.open(), describe(world)
    # The broker's word is enough only while it, and the database behind it, never forgets.
    never_forgot = not world.broker.has_forgotten and not world.broker.dropped and not world.database.forgotten
    is_kept = world.confirm == "stored" or never_forgot
    world.books.check(world.node, world.backbone, world.database.contents(), is_kept=is_kept)


def describe(world: World) -> str:
    """For who reads a failure."""
    node, backbone = world.node, world.backbone
    assert node is not None
    assert backbone is not None
    numbers = node.outlet.numbers
    said = {
        "waiting": numbers.waiting.ranges(),
        "claimed": numbers.claimed.ranges(),
        "held": [(until, held.ranges()) for until, held in numbers.held],
        "taken": numbers.taken_once.all().ranges(),
        "taken often": numbers.taken_often.all().ranges(),
        "pending": node.spool.pending("main"),
        "losses": node.spool.losses,
        "eras": node.eras.held(),
        "declared": node.outlet.word.declared(),
        "waits at the broker": len(world.broker.waiting()),
        "open in the ledger": list(backbone.open().values()),
        "stored": world.broker._retained.get(node_topic(ROOT, NODE, "stored")),
    }
    return "\n".join(f"{name}: {value}" for name, value in said.items())


def autopsy(task: asyncio.Task[None], *expected: type[BaseException]) -> None:
    """What it died of is raised, unless it was cancelled or died of what was expected."""
    if task.cancelled():
        return
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        _, rest = error.split(expected)
        if rest is None:
            return
        error = rest.exceptions[0]
    if error is not None and not isinstance(error, expected):
        raise error
