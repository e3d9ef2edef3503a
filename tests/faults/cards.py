"""Things put back from the past, and things there twice: an old card, a new ledger, a second ingest."""

from __future__ import annotations

import shutil
import time
from contextlib import closing

from gateway.ingest.ledger import SqliteLedger
from tests.faults.scenario import Finding, Form, scenario
from tests.rig.gateway import Gateway, backbone_config, wait_until
from tests.rig.world import DEFAULTS, World


@scenario(
    "L9",
    "an old image of the card put back; the ledger deleted; a second ingest started",
    "no number used twice; all refilled; the second is refused",
)
def twice(form: Form) -> Finding:
    """One after the other in one world, each several times in the long form.

    A new ledger is sent again what it has. The database tells repeats by their time alone, as most do.
    """
    refused: list[bool] = []
    influx = 'durable_after = "1 s"'
    with World(form.folder, sink="victoria", influx=influx, broker=DEFAULTS, is_quick=True, with_ear=True) as w:
        w.start()
        for _ in range(form.count(1, 5)):
            _old_card(w, form)
            _new_ledger(w)
            refused.append(_second_ingest(w))
        counts = w.finish(form.pick(60, 120))
        twice, missing = _used_twice(w), _missing(w, form.pick(60, 120))
        spools = {one.spool for one in w.ear.heard}
    figure = (
        f"{counts}; {len(twice)} numbers used twice in {len(spools)} spools, {missing} missing in the ledger; second "
        f"ingest refused {sum(refused)} of {len(refused)} times"
    )
    is_met = counts.is_clean and not twice and all(refused) and len(spools) == 1 + len(refused) and not missing
    return Finding(figure, is_met, counts, {"twice": twice[:10]})


def _old_card(w: World, form: Form) -> None:
    """The image is taken from a node that was shut down; it comes back when everything said since is confirmed."""
    w.edge.stop()
    image = w.folder / "image"
    shutil.copytree(w.spool, image)
    w.edge.start()
    w.wait_said(40)
    said, since = w.said(), time.monotonic()
    wait_until(lambda: w.stored() >= said, 30, "everything stored")
    wait_until(lambda: any(told.mono > since + 1 for told in w.ear.told), 30, "and told so")
    time.sleep(1)
    w.edge.kill()
    shutil.rmtree(w.spool)
    image.rename(w.spool)
    w.edge.start()
    w.wait_said(40)


def _new_ledger(w: World) -> None:
    """It is deleted while the only copies of some readings are in the node and in a broker that forgets them."""
    w.ingest.kill()
    w.wait_said(30)
    w.broker.kill()
    for path in (w.folder / "backbone-state").glob("ledger.sqlite*"):
        path.unlink()
    w.broker.start()
    w.ingest.start()
    w.wait_said(20)


def _second_ingest(w: World) -> bool:
    """Whether it ended by itself, saying why, and the first one goes on."""
    sink = f'sqlite = {{ path = "{w.folder}/second.sqlite" }}'
    second = Gateway(backbone_config(w.folder, broker=w.broker.url, sink=sink, name="second"))
    second.start()
    try:
        deadline = time.monotonic() + 60
        while second.is_running and time.monotonic() < deadline:
            time.sleep(0.05)
        has_said_why = "another ingest confirms" in second.log_text()
        return not second.is_running and has_said_why and w.ingest.is_running
    finally:
        second.kill()


def _missing(w: World, within_s: float) -> int:
    """Numbers below what the node announces that the ledger calls missing; waits for them so long."""
    deadline = time.monotonic() + within_s
    while True:
        with closing(SqliteLedger(w.folder / "backbone-state" / "ledger.sqlite")) as ledger:
            ledger.stored("node-1", time.time_ns(), 0.0)  # to it all that it knows is new; the next time it is due
            said = ledger.stored("node-1", time.time_ns(), 0.0).spools.values()
        missing = sum(last - first + 1 for each in said for first, last in each.missing)
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.5)


def _used_twice(w: World) -> list[str]:
    """Numbers under which two different things passed the broker."""
    known: dict[tuple[str, int], tuple[str, str]] = {}
    found = []
    for one in w.ear.heard:
        content = (one.t, repr(sorted(one.v.items())))
        if known.setdefault((one.spool, one.seq), content) != content:
            found.append(f"{one.spool}/{one.seq}")
    return found
