"""The accounting protocol on real processes: what no single part can promise alone.

L5  mosquitto in its default configuration is killed after it acknowledged what ingest had not fetched yet
L9  an old image of the spool is put back; the ledger is deleted; a second ingest is started
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.rig.broker import Mosquitto
from tests.rig.gateway import Gateway, backbone_config, edge_config, stored_readings, wait_until
from tests.rig.numbered import NumberedPlantower, number_of

pytestmark = [pytest.mark.mosquitto]

RATE_HZ = 20
DEFAULT = "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"
"""Nothing of mosquitto's defaults is changed: no persistence, 1000 queued messages a client."""


class System:
    """A node with one instrument, a broker, an ingest with SQLite, and who did what in which life."""

    def __init__(self, folder: Path, broker: Mosquitto, instrument: NumberedPlantower, confirm: str) -> None:
        self.folder, self.broker, self.instrument = folder, broker, instrument
        self.database, self.spool, self.state = folder / "readings.sqlite", folder / "spool", folder / "backbone-state"
        devices = {"pms": instrument.link}
        settings = 'resend_after = "5 s"'
        self.edge = Gateway(edge_config(folder, broker=broker.url, devices=devices, confirm=confirm, mqtt=settings))
        sink = f'sqlite = {{ path = "{self.database}" }}'
        self.ingest = Gateway(backbone_config(folder, broker=broker.url, sink=sink, extra='grace = "5 s"'))

    def numbers(self) -> list[int]:
        """Frame numbers in the database, repeats included."""
        if not self.database.exists():
            return []
        return [number_of(values) for values in stored_readings(self.database).get("pms", [])]

    def heard(self, seconds: float) -> None:
        """So many seconds of frames."""
        written = len(self.instrument.written) + seconds * RATE_HZ
        wait_until(lambda: len(self.instrument.written) >= written, seconds + 10, f"{seconds} s of frames")

    def more(self) -> int:
        """Wait until a frame written from now on is stored; its number."""
        written = len(self.instrument.written)
        wait_until(lambda: max(self.numbers(), default=0) > written, 40, "a new reading is stored")
        return min(number for number in self.numbers() if number > written)

    def whole(self, first: int, last: int, timeout_s: float = 60) -> None:
        """Wait until every frame of the span is stored; none is there twice."""
        wanted = set(range(first, last + 1))
        try:
            wait_until(lambda: wanted <= set(self.numbers()), timeout_s, "everything is stored")
        except AssertionError:
            missing = sorted(wanted - set(self.numbers()))
            raise AssertionError(f"lost {len(missing)} of {first}…{last}: {missing[:20]}") from None
        found = self.numbers()
        assert len(found) == len(set(found)), "duplicates in the database"

    def identities(self) -> dict[str, int]:
        """How many readings of each spool id there are."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT spool, count(*) FROM reading GROUP BY spool")
            return {f"{spool:08x}": count for spool, count in rows}


@contextmanager
def system(folder: Path, *, confirm: str = "stored", persistence: bool = True) -> Iterator[System]:
    broker = (
        Mosquitto(folder / "broker", persistence=True) if persistence else Mosquitto(folder / "broker", config=DEFAULT)
    )
    with broker, NumberedPlantower(folder / "tty-pms", RATE_HZ) as instrument:
        made = System(folder, broker, instrument, confirm)
        try:
            made.ingest.start()
            made.edge.start()
            wait_until(lambda: len(made.numbers()) >= 10, 20, "the first readings are stored")
            yield made
        finally:
            made.edge.kill()
            made.ingest.kill()


def forget_what_was_acknowledged(s: System) -> tuple[int, int]:
    """The broker takes readings while ingest is away, and dies with them. First and last frame that count."""
    first = min(s.numbers())
    s.ingest.kill()
    s.heard(2)
    s.broker.kill()
    s.broker.start()
    s.ingest.start()
    s.more()
    s.instrument.stop()
    return first, len(s.instrument.written)


def test_l5_a_broker_that_forgets_what_it_acknowledged_loses_nothing(tmp_path: Path) -> None:
    with system(tmp_path, persistence=False) as s:
        s.whole(*forget_what_was_acknowledged(s))


def test_with_confirm_broker_the_same_is_lost(tmp_path: Path) -> None:
    """What a reader risks who chooses it; and the proof that the test above can fail."""
    with system(tmp_path, confirm="broker", persistence=False) as s:
        first, last = forget_what_was_acknowledged(s)
        wait_until(lambda: last in s.numbers(), 20, "the last frame is stored")
        lost = set(range(first, last + 1)) - set(s.numbers())
        assert len(lost) > RATE_HZ, "two seconds of readings were in the broker alone"


def test_l9_an_old_image_of_the_spool_put_back(tmp_path: Path) -> None:
    """Recorded without a broker and over another crash, so that only what the spool remembers can tell."""
    with system(tmp_path) as s:
        first = min(s.numbers())
        s.edge.kill()
        owed = [(first, len(s.instrument.written) - RATE_HZ)]
        image = tmp_path / "image"
        shutil.copytree(s.spool, image)
        s.edge.start()
        start = s.more()
        s.heard(3)
        s.edge.stop()
        owed.append((start, len(s.instrument.written) - RATE_HZ))
        s.whole(*owed[1])
        ids = set(s.identities())
        shutil.rmtree(s.spool)
        shutil.move(image, s.spool)
        s.broker.stop()
        s.edge.start()
        offline = spooled(s, len(s.instrument.written))
        s.heard(2)
        s.edge.kill()
        owed.append((offline, len(s.instrument.written) - RATE_HZ))
        s.edge.start()
        offline = spooled(s, len(s.instrument.written))
        s.broker.start()
        s.more()
        s.instrument.stop()
        owed.append((offline, len(s.instrument.written)))
        for span in owed:
            s.whole(*span)
        assert len(set(s.identities()) - ids) == 1, "what was recorded on the old image has one new id"


def spooled(s: System, after: int) -> int:
    """Wait until the node that has no broker hears its instrument; a frame it has certainly heard."""
    before = sum(file.stat().st_mtime_ns for file in s.spool.glob("*.seg"))
    wait_until(lambda: sum(f.stat().st_mtime_ns for f in s.spool.glob("*.seg")) != before, 20, "something is recorded")
    time.sleep(1)
    return len(s.instrument.written)


def test_l9_the_ledger_and_the_database_deleted(tmp_path: Path) -> None:
    with system(tmp_path) as s:
        first = min(s.numbers())
        s.heard(2)
        s.ingest.stop()
        s.heard(1)
        for file in [*s.state.glob("ledger*"), *tmp_path.glob("readings.sqlite*")]:
            file.unlink()
        s.ingest.start()
        s.more()
        s.instrument.stop()
        s.whole(first, len(s.instrument.written))
        assert len(s.identities()) == 1


def test_l9_a_second_ingest_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with system(tmp_path) as s:
        first = min(s.numbers())
        sink = f'sqlite = {{ path = "{tmp_path}/second.sqlite" }}'
        second = Gateway(backbone_config(tmp_path, broker=s.broker.url, sink=sink, name="second"))
        second.start()
        wait_until(lambda: not second.is_running, 20, "the second one gives up")
        assert "another ingest confirms" in second.log_text()
        s.more()
        s.instrument.stop()
        s.whole(first, len(s.instrument.written))
