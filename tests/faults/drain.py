"""After a long outage: how fast a full spool drains through everything, and what live readings notice of it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from tests.faults.scenario import Finding, Form, scenario
from tests.rig.backlog import DEVICE, fill
from tests.rig.gateway import wait_until
from tests.rig.instrument import everything_sent, name_of
from tests.rig.oracle import percentile
from tests.rig.world import World

MAX_BYTES = 2_000_000_000
LIVE = ("lanna/v1/+/+/+/reading", "lanna/v1/+/stored")


@scenario("R2", "live delay while 1,000,000 readings of backlog drain", "p99 ≤ 2 s")
def live_delay(form: Form) -> Finding:
    """From the last byte on the line to a subscriber of the broker, as long as the backlog is on its way."""
    count = form.count(100_000, 1_000_000)
    with _world(form, count) as w:
        _drain(w, count, form)
        end = time.monotonic()
        time.sleep(3)
        said = {sent.name: sent.mono for sent in everything_sent(w.instruments) if sent.mono <= end}
        heard = {name_of(one.v): one.mono for one in reversed(list(w.ear.heard)) if one.v}
        delays = [heard[name] - at for name, at in said.items() if name in heard]
        unheard = len(said) - len(delays)
        counts = w.finish(120)
    p99_s = percentile(delays, 0.99)
    live = f"p99 {p99_s:.2f} s, worst {max(delays):.2f} s of {len(delays)} live readings"
    figure = f"{live} beside {count} late ones; {counts}"
    return Finding(figure, p99_s <= 2 * form.slack and not unheard and counts.is_clean, counts, {"unheard": unheard})


@scenario("R3", "drain rate", "≥ 20,000 readings/s on 2 cores")
def drain_rate(form: Form) -> Finding:
    """Broker, node, ingest and SQLite share this machine; from the first one stored to the last."""
    count = form.count(100_000, 1_000_000)
    with _world(form, count, rate_hz=1) as w:
        seconds = _drain(w, count, form)
        counts = w.finish(120)
    rate = count / seconds
    figure = f"{rate:,.0f} readings/s from the spool into the database ({count} in {seconds:.1f} s)"
    return Finding(figure, rate >= 20_000 / form.slack and counts.is_clean, counts)


def _world(form: Form, count: int, rate_hz: float = 10) -> World:
    spool = form.folder / "spool"
    fill(spool, count, MAX_BYTES)
    return World(form.folder / "world", spool=spool, rate_hz=rate_hz, max_size="2 GB", with_ear=True, ear=LIVE)


def _drain(w: World, count: int, form: Form) -> float:
    """Start both ends and wait until all the backlog is stored; seconds it took once it flowed."""
    w.ingest.start()
    time.sleep(1.5)
    w.edge.start()
    wait_until(lambda: _stored(w) > 0, 30, "the first of the backlog stored")
    started, before = time.monotonic(), _stored(w)
    wait_until(lambda: _stored(w) >= count, form.pick(60, 600), f"{count} readings stored", every_s=0.25)
    return (time.monotonic() - started) * count / (count - before)


def _stored(w: World) -> int:
    """How many readings of the backlog are in the database."""
    if not w.sqlite.exists():
        return 0
    with closing(sqlite3.connect(f"file:{w.sqlite}?mode=ro", uri=True, timeout=10)) as connection:
        try:
            (found,) = connection.execute("SELECT count(*) FROM reading WHERE device = ?", (DEVICE,)).fetchone()
        except sqlite3.OperationalError:
            return 0
    return int(found)
