"""Faults of the broker and of the line to it, in real time on real processes."""

from __future__ import annotations

import random
import time

from gateway.sim.faults import Faults
from tests.faults.scenario import Finding, Form, scenario
from tests.rig.gateway import wait_until
from tests.rig.oracle import Counts
from tests.rig.world import DEFAULTS, World

# What a long cable in a ceiling does, all at once.
CABLE = Faults(noise=0.1, loss=0.05, drop=0.02, wrong=0.05, delay=0.05, stall=0.01, delay_s=0.02, stall_s=0.2)


@scenario("L2", "link black-holed, the client does not notice at first; then storms, and a bad cable", "lost 0")
def black_hole(form: Form) -> Finding:
    """Short holes that pass unnoticed, one that outlives the keepalive, then seeded weather of every kind.

    Meanwhile the instrument's line mangles every fourth frame: what came whole is owed nevertheless.
    """
    edge = "" if form.is_long else 'keepalive = "5 s"'
    with World(form.folder, with_line=True, serial=CABLE, seed=form.seed, is_quick=not form.is_long, edge=edge) as w:
        w.start()
        for seconds in (2.0, form.pick(11, 600)):
            w.line.do(w.line.proxy.black_hole)
            time.sleep(seconds)
            w.line.do(w.line.proxy.let_pass)
            _flows(w)
        w.line.storm(form.seed, form.pick(8, 180), form.pick(1.5, 15))
        counts = w.finish(form.pick(60, 400))
        weather, cable = dict(w.line.counts), dict(w.instruments[0].mangler.counts)
        is_met = counts.is_clean and w.edge.is_running
    return Finding(
        str(counts), is_met, counts, {"weather": weather, "cable": cable, "connections": w.line.proxy.accepted}
    )


def _flows(w: World, timeout_s: float = 60.0) -> None:
    """Until a frame said after now is stored."""
    said = w.said()
    wait_until(lambda: w.stored() > said, timeout_s, "everything stored that was said in the hole")


@scenario(
    "L5", "kill -9 of mosquitto in its default configuration after it acknowledged", 'lost 0 with confirm = "stored"'
)
def forgetful_broker(form: Form) -> Finding:
    """Ingest is away, the broker acknowledges and keeps in memory; it is killed, and everything it had is gone.

    The long form does the same to a node that takes the broker's word, to say what that costs.
    """
    counts, forgotten = _forget(form, "stored", form.count(2, 5))
    figure = f"{counts}; {forgotten} were in the broker's memory only"
    if form.is_long:
        trusting, _ = _forget(form, "broker", 2)
        figure += f' (with confirm = "broker" lost {len(trusting.lost)} of {trusting.owed})'
    return Finding(figure, counts.is_clean and forgotten > 0, counts)


def _forget(form: Form, confirm: str, times: int) -> tuple[Counts, int]:
    """What the oracle says, and how many readings the broker had in its memory when it was killed."""
    dice = random.Random(form.seed)
    forgotten = 0
    with World(form.folder / confirm, broker=DEFAULTS, confirm=confirm, is_quick=not form.is_long) as w:
        w.start()
        for _ in range(times):
            w.ingest.kill()
            stored = w.stored()
            w.wait_said(int(dice.uniform(20, form.pick(60, 600))), 120)
            time.sleep(0.5)
            w.broker.kill()
            said = w.said()
            forgotten += said - stored
            w.broker.start()
            w.ingest.start()
            # Where it ever comes: so that what is forgotten is counted once.
            is_whole = form.is_long and confirm == "stored"
            w.wait_stored(said if is_whole else stored + 1, form.pick(30, 300))
        return w.finish(form.pick(60, 600 if confirm == "stored" else 30)), forgotten


@scenario("R1", "broker back", "first live reading ≤ 2 s")
def broker_back(form: Form) -> Finding:
    """From the moment the broker listens again to the first live reading at a subscriber, the worst of several."""
    dice = random.Random(form.seed)
    waits: list[float] = []
    with World(form.folder, with_ear=True, is_quick=not form.is_long) as w:
        w.start()
        for seconds in [form.pick(6, 60)] * form.count(1, 5) + [dice.uniform(1, 4)] * form.count(0, 5):
            # A link that comes and goes within seconds is asked more slowly each time.
            time.sleep(15)
            w.broker.stop()
            time.sleep(seconds)
            w.broker.start()
            back = time.monotonic()

            def is_live(back: float = back) -> bool:
                return any(one.is_live and one.mono > back and one.v for one in list(w.ear.heard)[-200:])

            wait_until(is_live, 60, "a live reading after the broker came back")
            first = next(one.mono for one in w.ear.heard if one.is_live and one.mono > back and one.v)
            waits.append(first - back)
        counts = w.finish(form.pick(60, 400))
        log = w.edge.log_text()[-2000:] if max(waits) > 2 else ""
    figure = f"worst {max(waits):.2f} s of {len(waits)}; {counts}"
    return Finding(
        figure,
        max(waits) <= 2 * form.slack and counts.is_clean,
        counts,
        {"waits_s": [round(w, 2) for w in waits], "log": log},
    )
