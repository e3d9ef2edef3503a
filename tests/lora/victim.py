"""A node's radio and spool in a process of their own, to be killed: frames come on stdin as hex, commits are told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.edge.station import Report
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, pack
from tests.lora.radio import Radio, Sender


class Node(Radio):
    """Its readings become entries of the spool."""

    def __init__(self, spool: Spool, senders: list[Sender]) -> None:
        super().__init__(spool, senders, window_s=0.002)
        self.spool = spool

    def emit(self, report: Report) -> None:
        self.spool.append(pack(Entry("water", report.device, 1, 1, "boot", True, dict(report.decoded.values))))


async def main(folder: str, senders: int) -> None:
    spool = Spool.open(Path(folder), outlets=["main"], max_bytes=1 << 22, window_s=0.003, segment_bytes=1 << 13)
    node = Node(spool, [Sender(n) for n in range(1, senders + 1)])
    spool.on_commit(lambda group: print(group[-1][0], flush=True))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    running = asyncio.create_task(spool.run())
    while line := await reader.readline():
        node.hear(bytes.fromhex(line.decode().strip()))
    await asyncio.sleep(0.05)  # longer than copies are waited for
    running.cancel()
    await spool.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
