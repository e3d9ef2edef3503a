"""The edge process killed: at random moments, and at every system call that its spool makes."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from tests.faults.scenario import CannotRun, Finding, Form, scenario
from tests.rig.ear import Ear
from tests.rig.gateway import Gateway, wait_until
from tests.rig.process import find_program
from tests.rig.strace import CALLS, failing, files_to_come, killed_at, reached
from tests.rig.world import World

RATE_HZ = 40.0
MAX_SIZE, MAX_BYTES = "1 MB", 1_000_000
MOST_CALLS = 40
"""Of each kind: what a run of ten seconds makes of those that come with every commit."""
COMMIT_S = 0.5
"""The window of a commit, and what the commit and the news of it take on a busy machine."""


@dataclass(slots=True)
class Restarts:
    """What each restart sent again, and what it may: all that no `stored` covered a commit before the kill."""

    kills_mono: list[float] = field(default_factory=list)

    def judge(self, ear: Ear) -> tuple[int, list[str]]:
        """The most that one restart sent again, and what went beyond."""
        published = ear.published()
        most, beyond = 0, []
        for at, until in zip(self.kills_mono, [*self.kills_mono[1:], float("inf")], strict=True):
            again = 0
            for (spool, seq), times in published.items():
                if times[0] < at and any(at < time_mono <= until for time_mono in times):
                    again += 1
                    if seq <= ear.upto(spool, at - COMMIT_S):
                        beyond.append(f"{spool}/{seq}")
            most = max(most, again)
        return most, beyond


@scenario(
    "L3",
    "kill -9 of the edge process, at random and at each system call of its spool",
    "lost 0 beyond the commit window; a restart re-sends what was in flight or settled since the last commit, no more",
)
def edge_kills(form: Form) -> Finding:
    """One world: first the random kills, some while the broker is away and the card has the only copy; then one at
    each openat, write, sync, truncate, rename, unlink.
    """
    if find_program("strace") is None:
        raise CannotRun("needs strace (sudo apt-get install strace)")
    dice = random.Random(form.seed)
    restarts = Restarts()
    away = 0
    with World(form.folder, rate_hz=RATE_HZ, with_ear=True, max_size=MAX_SIZE) as w:
        w.start()
        random_kills = form.count(5, 200)
        for at in range(random_kills):
            if is_away := at == 0 or dice.random() < 0.3:
                w.broker.stop()
                time.sleep(1.5)  # some of what only the card has is owed
            time.sleep(dice.uniform(0.05, form.pick(2.5, 5)) if dice.random() < 0.8 else dice.uniform(0.0, 0.6))
            _kill(w.edge, restarts)
            away += is_away
            w.edge.start()
            if is_away:
                time.sleep(dice.uniform(0.0, 2.0))
                w.broker.start()
        wait_until(lambda: w.instruments[0].boots[-1].ended_mono is None, 20, "the node reads again")
        time.sleep(1.5)
        _kill(w.edge, restarts)
        places = _kill_at_calls(w, form, restarts, dice)
        failed = _fail_calls(w, form, restarts)
        w.edge.start()
        counts = w.finish(180)
        most, beyond = restarts.judge(w.ear)
    kills = f"{random_kills} kills at random ({away} without a broker), {len(places)} at calls, {failed} calls failed"
    figure = f"{kills}: {counts}; re-sent at most {most} a restart, {len(beyond)} more than it may"
    details: dict[str, object] = {"places": places, "beyond": beyond[:20]}
    has_done_enough = len(places) >= form.count(4, 2 * MOST_CALLS) and failed > 0
    return Finding(figure, counts.is_clean and not beyond and has_done_enough, counts, details)


def _kill(program: Gateway, restarts: Restarts) -> None:
    restarts.kills_mono.append(time.monotonic())
    program.kill()


def _kill_at_calls(w: World, form: Form, restarts: Restarts, dice: random.Random) -> list[str]:
    """Each call of `CALLS` in a short run, the 1st, the 2nd, … of it; where the process was killed."""
    places = []
    log = form.folder / "strace.log"
    for call in CALLS:
        for nth in range(1, MOST_CALLS + 1) if form.is_long else [dice.randint(1, 2)]:
            log.unlink(missing_ok=True)
            if call == "rename":
                # The one rename is that of the revisions of `about`, which are written where they are new.
                (w.spool / "about.json").unlink(missing_ok=True)
            before = killed_at(call, nth, files_to_come(w.spool, ["main"], MAX_BYTES), log)
            edge = Gateway(w.folder / "edge.toml", before=before)
            edge.start()
            # Truncation comes when a segment is full.
            deadline = time.monotonic() + form.pick(6, 40 if call == "ftruncate" else 15)
            while edge.is_running and time.monotonic() < deadline:
                time.sleep(0.02)
            if edge.is_running:
                # Not yet reached: these calls come only now and then.
                _kill(edge, restarts)
                break
            restarts.kills_mono.append(time.monotonic())
            edge.kill()
            if reached(log):
                made = [line for line in log.read_text().splitlines() if f" {call}(" in line]
                places.append(f"{nth}. {made[-1].partition(' ')[2][:160]}")
    return places


def _fail_calls(w: World, form: Form, restarts: Restarts) -> int:
    """A disk that now and then says no; the process must live through it. How many calls failed."""
    failed = 0
    log = form.folder / "strace-failing.log"
    ways = [("fdatasync", "EIO", "2+3"), ("pwrite64", "ENOSPC", "3..6"), ("fdatasync", "EIO", "1..4")]
    for call, error, when in ways if form.is_long else ways[:1]:
        log.unlink(missing_ok=True)
        edge = Gateway(w.folder / "edge.toml", before=failing(call, error, when, log))
        boots = len(w.instruments[0].boots)
        edge.start()
        wait_until(lambda n=boots: len(w.instruments[0].boots) > n, 20, "the node reads again")
        time.sleep(form.pick(2, 10))
        assert edge.is_running, f"{call} failing with {error} ended the process:\n{edge.log_text()[-1000:]}"
        _kill(edge, restarts)
        failed += log.read_text().count("(INJECTED)")
    return failed
