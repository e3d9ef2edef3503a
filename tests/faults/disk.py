"""The disk is full in an outage, on real processes and a file system of one megabyte."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.ingest.ledger import LOST, SqliteLedger
from tests.faults.scenario import CannotRun, Finding, Form, scenario
from tests.rig.gateway import wait_until
from tests.rig.instrument import everything_sent, name_of
from tests.rig.oracle import judge
from tests.rig.smalldisk import NoMount, small_disk
from tests.rig.world import World


@scenario("C3", "disk full in an outage, then freed", "no crash; exact count of the dropped")
def full_disk(form: Form) -> Finding:
    """The spool shares a megabyte with a large file; the broker is away until both disk and buffers have run over."""
    try:
        with small_disk(form.folder / "disk") as disk:
            return _fill(form, disk)
    except NoMount as error:
        raise CannotRun(str(error)) from None


def _fill(form: Form, disk: Path) -> Finding:
    others = disk / "others"
    spool = disk / "spool"
    with World(form.folder / "world", spool=spool, rate_hz=100, devices=4, is_quick=not form.is_long) as w:
        w.start()
        others.write_bytes(bytes(500_000))
        w.broker.stop()
        wait_until(lambda: os.statvfs(disk).f_bavail == 0, 60, "the disk is full")
        time.sleep(form.pick(14, 60))
        is_alive = w.edge.is_running
        others.unlink()
        w.broker.start()
        time.sleep(2)
        time.sleep(1.2)
        for each in w.instruments:
            each.stop()
        # What is declared reaches the ledger as `lost`, and then every number is stored or declared.
        deadline = time.monotonic() + form.pick(60, 400)
        while True:
            account, missing = _account(w), said_and_missing(w)
            if (missing <= len(account.declared) and not account.unaccounted) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        counts = judge(w.instruments, w.rows())
        said, events = w.said(), 4 * len(w.instruments) + 2
    declared, both = len(account.declared), len(account.declared & account.stored)
    figure = (
        f"{said} said, {missing} dropped, {declared} declared ({', '.join(account.reasons)}); "
        f"{account.unaccounted} numbers unaccounted; edge {'ran' if is_alive else 'died'}"
    )
    # Events have numbers, too: a few states of each device, and one a minute about losses.
    is_exact = 0 <= declared - missing <= events + 2 and not account.unaccounted and not both
    is_met = is_alive and is_exact and missing > 0 and not (counts.duplicated or counts.altered or counts.strange)
    # What was dropped is no loss here: it was declared.
    return Finding(figure, is_met, replace(counts, lost=()), {"declared and stored": both})


@dataclass(frozen=True, slots=True)
class Account:
    """What ledger and database say of one node's numbers, as (spool, number)."""

    stored: set[tuple[str, int]]
    declared: set[tuple[str, int]]
    reasons: tuple[str, ...]
    unaccounted: int


def _account(w: World) -> Account:
    """Read both files beside the running ingest: every number up to the highest is stored or declared lost."""
    with closing(sqlite3.connect(f"file:{w.sqlite}?mode=ro", uri=True, timeout=10)) as connection:
        query = "SELECT spool, seq FROM reading UNION SELECT spool, seq FROM note WHERE seq > 0"
        stored = {(f"{spool:08x}", seq) for spool, seq in connection.execute(query)}
    declared, reasons = set(), []
    with closing(SqliteLedger(w.folder / "backbone-state" / "ledger.sqlite")) as ledger:
        for spool in ledger.spools("node-1"):
            for (state, reason), ranges in ledger.exceptions("node-1", spool).items():
                if state == LOST:
                    reasons.append(reason)
                    declared |= {(spool, n) for first, last in ranges for n in range(first, last + 1)}
    known = stored | declared
    highest = {spool: max(n for name, n in known if name == spool) for spool in {name for name, _ in known}}
    return Account(stored, declared, tuple(reasons), sum(highest.values()) - len(known))


def said_and_missing(w: World) -> int:
    """How many frames were said and are not stored."""
    stored = {name_of(row.values) for row in w.rows()}
    return len({sent.name for sent in everything_sent(w.instruments)} - stored)
