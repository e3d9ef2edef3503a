"""A node killed at random moments: no counter is accepted twice, and nothing that was committed is lost.

LANNA_LONG=1 plays 1,000 uplinks; otherwise a fifth of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from gateway.spool.spool import Spool
from gateway.wire.entry import unpack
from tests.lora.radio import Sender

UPLINKS, KILLS = (1000, 30) if os.environ.get("LANNA_LONG") else (200, 4)
SENDERS = 4


def accepted(folder: Path) -> list[tuple[str, int]]:
    """Device and counter of every reading in the spool."""
    spool = Spool.open(folder, outlets=["main"], max_bytes=1 << 22)
    try:
        found, first = [], spool.first
        while first <= spool.committed and (read := spool.read(first, spool.committed)):
            found += [(entry.device, int(entry.v["frame_counter"])) for _, data in read if (entry := unpack(data))]
            first = read[-1][0] + 1
        assert spool.first == 1
        return found
    finally:
        spool.release()


def test_a_node_killed_at_random_accepts_no_counter_twice_and_loses_nothing_committed(tmp_path: Path) -> None:
    chance = random.Random(11)
    folder = tmp_path / "spool"
    senders = [Sender(n) for n in range(1, SENDERS + 1)]
    frames = [chance.choice(senders).frame() for _ in range(UPLINKS)]
    sent, kills, told = 0, 0, 0
    while sent < UPLINKS or kills < KILLS:
        command = [sys.executable, "-m", "tests.lora.victim", str(folder), str(SENDERS)]
        victim = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert victim.stdin is not None
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        is_last = kills >= KILLS
        turn = frames[sent:] if is_last else frames[sent : sent + chance.randint(1, 2 * UPLINKS // KILLS)]
        # Somebody plays what was heard before again, and the senders go on.
        mixed = [*chance.choices(frames[:sent] or frames[:1], k=30), *turn]
        sent += len(turn)
        for frame in mixed:
            victim.stdin.write(frame.hex() + "\n")
            if chance.random() < 0.1:
                victim.stdin.flush()
        victim.stdin.flush()
        if is_last:
            victim.stdin.close()
        said: list[int] = []
        listening = threading.Thread(target=lambda pipe=victim.stdout, said=said: said.extend(map(int, pipe)))
        listening.start()
        if not is_last:
            wanted, deadline = chance.randint(0, len(mixed)), time.monotonic() + 0.5
            while sum(said[-1:]) - told < wanted and time.monotonic() < deadline and len(said) < wanted // 8:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.01))
            victim.send_signal(signal.SIGKILL)
        assert victim.wait(timeout=60) in (0, -signal.SIGKILL)
        listening.join(timeout=60)
        with contextlib.suppress(BrokenPipeError):
            victim.stdin.close()
        victim.stdout.close()
        told = max([told, *said])
        kills += not is_last
        found = accepted(folder)
        assert len(found) >= told  # what was told durable is there
        assert len(set(found)) == len(found)
        if is_last:
            break
    by_device = {sender.name: [f_cnt for device, f_cnt in found if device == sender.name] for sender in senders}
    assert all(counters == sorted(counters) for counters in by_device.values())
    assert len(found) > UPLINKS // 4
