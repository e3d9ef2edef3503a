"""Faults of the disk that a process survives only by its files: power cuts and damaged bytes. No processes here."""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path

from gateway.spool.spool import Spool
from tests.faults.scenario import Finding, Form, scenario
from tests.rig.cuts import every_cut, how_many
from tests.spool.damage import accidents, flips, judge, make_sample
from tests.spool.simdisk import Inline, PowerCut, SimDisk

GROUP = 5


@scenario("L4", "power cut: every legal disk state", "at most one commit window lost, nothing damaged before it")
def power_cut(form: Form) -> Finding:
    """A writing spool loses its power before each of its disk operations; every disk that may be left is opened."""
    dice = random.Random(form.seed)
    most, turns = form.count(48, 8192), form.count(14, 80)
    points = whole = states = worst = 0
    wrong: list[str] = []
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(lambda _, context: None)
        for at in itertools.count(1):
            disk, shown, accepted = SimDisk(), {}, {}
            is_cut = _write(runner, form.folder, disk, shown, accepted, turns, at)
            if not is_cut:
                break
            points += 1
            whole += how_many(disk) <= most
            for left in every_cut(disk, most, dice):
                states += 1
                lost, problem = _open_after(form.folder, left, shown, accepted)
                worst = max(worst, lost)
                if problem:
                    wrong.append(f"operation {at}: {problem}")
    figure = (
        f"{states} disks after {points} cuts ({whole} exhaustively): at most {worst} unpublished readings lost "
        f"(a commit has {GROUP}), {len(wrong)} wrong"
    )
    is_enough = points > 30 and (whole == points or not form.is_long)
    return Finding(figure, not wrong and worst <= GROUP and is_enough, None, {"wrong": wrong[:10]})


def _write(
    runner: asyncio.Runner,
    folder: Path,
    disk: SimDisk,
    shown: dict[int, bytes],
    accepted: dict[int, bytes],
    turns: int,
    at: int,
) -> bool:
    """Groups are appended, committed and settled until operation `at`; whether it came to that."""

    def fault(operation: str, path: Path) -> None:
        if disk.operations >= at:
            raise PowerCut

    disk.fault = fault
    spool: Spool | None = None
    try:
        spool = _open(folder, disk)
        spool.on_commit(shown.update)
        for turn in range(turns):
            for _ in range(GROUP):
                data = b"reading %d of turn %d" % (spool.next, turn) + bytes(40 + 400 * (turn % 3))
                accepted[spool.append(data)] = data
            runner.run(spool.flush())
            if turn % 2:
                spool.settle("main", 1, spool.next - 1 - GROUP)
        runner.run(spool.close())
    except PowerCut:
        if spool is not None:
            spool._lock.release()  # the process is gone, and with it all it held
        return True
    return False


def _open(folder: Path, disk: SimDisk) -> Spool:
    return Spool.open(folder, outlets=["main"], max_bytes=1 << 20, segment_bytes=16384, files=disk, executor=Inline())


def _open_after(folder: Path, disk: SimDisk, shown: dict[int, bytes], accepted: dict[int, bytes]) -> tuple[int, str]:
    """How many accepted readings are gone, and what must not be ("" where nothing)."""
    try:
        spool = _open(folder, disk)
    except Exception as error:
        return 0, f"does not open: {error!r}"
    try:
        found = dict(spool.read(1, spool.committed, 1 << 30))
        pending = {n for first, last in spool.pending("main") for n in range(first, last + 1)}
        damaged = {n for first, last in spool.losses.get("damaged", []) for n in range(first, last + 1)}
        for number, data in shown.items():
            if number in pending and found.get(number) != data:
                return 0, f"published {number} cannot be read"
            if number not in pending and number not in spool.settled("main"):
                return 0, f"published {number} is nowhere"
        if damaged & set(shown):
            return 0, "something published is called damaged"
        if any(accepted.get(number) != data for number, data in found.items()):
            return 0, "a reading was altered"
        if spool.next <= max(shown, default=0):
            return 0, "a number would be used twice"
        kept = set(found) | {number for number in accepted if number in spool.settled("main")}
        return len(set(accepted) - kept), ""
    finally:
        spool.release()


@scenario(
    "C1",
    "spool damaged at any byte, 10,000 cases",
    "starts 100 %; ≥ 99.9 % of undamaged records recovered; the damage declared",
)
def damaged(form: Form) -> Finding:
    """Flipped bytes, noise, zeros, ones, doubled and shifted stretches; every copy is opened, read and judged."""
    cases = form.count(600, 10_000)
    undamaged = recovered = done = new_ids = 0
    wrong: list[str] = []
    with asyncio.Runner() as runner:
        sample = make_sample(form.folder)
        flipped = list(flips(sample))
        random.Random(form.seed).shuffle(flipped)
        half = cases // 2
        for files in itertools.chain(flipped[:half], accidents(sample, cases - min(half, len(flipped)), form.seed)):
            done += 1
            try:
                verdict = judge(sample, files, runner)
            except Exception as error:
                wrong.append(f"case {done}: {error!r}"[:200])
                continue
            undamaged += verdict.undamaged
            recovered += verdict.recovered
            new_ids += verdict.has_new_id
    share = recovered / undamaged if undamaged else 0.0
    figure = (
        f"{done} cases: {done - len(wrong)} started and told the truth, {100 * share:.3f} % of {undamaged} undamaged "
        f"records recovered"
    )
    return Finding(figure, not wrong and share >= 0.999 and done >= cases, None, {"wrong": wrong[:10], "new": new_ids})
