"""What is settled and still wanted: it stays, over restarts too, until it is let go or the bound asks for room."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from gateway.spool.segments import OPEN_END
from gateway.spool.spool import Spool

ENTRY = bytes(900)


def opened(path: Path, when_full: Literal["drop-oldest", "drop-newest"] = "drop-oldest") -> Spool:
    return Spool.open(path, outlets=["main"], max_bytes=1 << 17, segment_bytes=1 << 13, when_full=when_full)


async def filled(spool: Spool, count: int) -> None:
    """Entries, each settled as soon as it is durable."""
    for _ in range(count):
        seq = spool.append(ENTRY)
        await spool.flush()
        spool.settle("main", seq, seq)
    await spool.flush()


async def test_what_is_held_stays_over_a_restart(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    await filled(spool, 10)
    spool.hold(spool.next)
    held = spool.next
    await filled(spool, 40)
    assert 1 < spool.first <= held
    await spool.close()
    spool = opened(tmp_path)
    assert spool.first <= held
    assert spool.read(held, held)
    spool.hold(OPEN_END)
    await filled(spool, 10)
    assert spool.first > held
    await spool.close()
    spool = opened(tmp_path)
    assert spool.first > held
    await spool.close()


@pytest.mark.parametrize("when_full", ["drop-oldest", "drop-newest"])
async def test_room_for_what_comes_is_worth_more(
    when_full: Literal["drop-oldest", "drop-newest"], tmp_path: Path
) -> None:
    spool = opened(tmp_path, when_full)
    spool.hold(1)
    await filled(spool, 400)  # three times the bound
    assert spool.losses == {}
    assert spool.first > 1
    await spool.close()
