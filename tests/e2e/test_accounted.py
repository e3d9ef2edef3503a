"""The promise, on real processes: edge, mosquitto with the shipped settings, ingest, database; each of them killed.

The instrument numbers its frames (tests/rig/numbered.py). A frame is owed when the node was there to hear it: from the
first number it stored in one life on, until a second before that life was ended by force.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.rig.broker import Mosquitto
from tests.rig.database import VictoriaMetrics
from tests.rig.gateway import Gateway, backbone_config, edge_config, stored_readings, wait_until
from tests.rig.numbered import NumberedPlantower, number_of

pytestmark = [pytest.mark.mosquitto, pytest.mark.victoria]

GRACE_S = 1.0
RATE_HZ = 20
CONFIG = Path(__file__).parents[2] / "deploy" / "broker" / "mosquitto.conf"


def shipped() -> dict[str, str]:
    """What the shipped mosquitto.conf sets; the rig gives port, folder and user."""
    lines = [line.split(None, 1) for line in CONFIG.read_text().splitlines() if line and not line.startswith("#")]
    settings = {line[0]: line[1] for line in lines}
    assert settings["max_queued_messages"] == "100000"
    here = {"listener", "allow_anonymous", "persistence_location", "user", "log_dest", "pid_file", "log_type"}
    return {key: value for key, value in settings.items() if key not in here}


class System:
    """One node with one instrument, a broker, a backbone with SQLite."""

    def __init__(self, folder: Path, broker: Mosquitto, instrument: NumberedPlantower) -> None:
        self.broker, self.instrument = broker, instrument
        self.database = folder / "readings.sqlite"
        devices = {"pms": instrument.link}
        self.edge = Gateway(edge_config(folder, broker=broker.url, devices=devices, mqtt='resend_after = "5 s"'))
        sink = f'sqlite = {{ path = "{self.database}" }}'
        self.ingest = Gateway(backbone_config(folder, broker=broker.url, sink=sink, extra='grace = "5 s"'))

    def numbers(self) -> list[int]:
        """Frame numbers in the database, repeats included."""
        if not self.database.exists():
            return []
        return [number_of(values) for values in stored_readings(self.database).get("pms", [])]

    def wait_for(self, count: int, timeout_s: float = 20) -> None:
        """Until so many readings are stored."""
        wait_until(lambda: len(self.numbers()) >= count, timeout_s, f"{count} readings stored")

    def finish(self, timeout_s: float = 30) -> list[int]:
        """Stop the instrument, wait until its last frame is stored; all numbers stored."""
        self.instrument.stop()
        last = len(self.instrument.written)
        wait_until(lambda: last in self.numbers(), timeout_s, f"frame {last} stored")
        # Late ones may still be on their way behind it.
        previous = -1
        while (now := len(self.numbers())) != previous:
            previous = now
            time.sleep(0.5)
        return self.numbers()


@contextmanager
def system(folder: Path) -> Iterator[System]:
    with (
        Mosquitto(folder / "broker", settings=shipped()) as broker,
        NumberedPlantower(folder / "tty-pms", RATE_HZ) as instrument,
    ):
        made = System(folder, broker, instrument)
        try:
            made.ingest.start()
            made.edge.start()
            made.wait_for(10)
            yield made
        finally:
            made.edge.kill()
            made.ingest.kill()


def check_whole(found: list[int], first: int, last: int) -> None:
    """Every number of the span is stored, and none twice."""
    assert len(found) == len(set(found)), "duplicates in the database"
    missing = sorted(set(range(first, last + 1)) - set(found))
    assert not missing, f"lost: {missing[:20]} of {first}…{last}"


def test_kill_9_of_ingest_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with system(tmp_path) as s:
        first = min(s.numbers())
        for _ in range(3):
            s.ingest.kill()
            s.ingest.start()
            s.wait_for(len(s.numbers()) + 10)
        check_whole(s.finish(), first, len(s.instrument.written))


def test_the_broker_restarted_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with system(tmp_path) as s:
        first = min(s.numbers())
        s.broker.stop()
        heard = len(s.instrument.written)
        wait_until(lambda: len(s.instrument.written) > heard + 2 * RATE_HZ, 10, "two seconds without a broker")
        s.broker.start()
        check_whole(s.finish(), first, len(s.instrument.written))


def test_kill_9_of_the_broker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """A broker that forgets what it acknowledged: the ledger misses it, the node sends it again."""
    with system(tmp_path) as s:
        first = min(s.numbers())
        s.broker.kill()
        s.broker.start()
        check_whole(s.finish(), first, len(s.instrument.written))


def test_kill_9_of_the_edge_loses_only_what_it_could_not_hear(tmp_path: Path) -> None:
    with system(tmp_path) as s:
        lives: list[tuple[int, int]] = []
        first = min(s.numbers())
        for _ in range(3):
            killed_at = time.monotonic()
            s.edge.kill()
            owed = sum(at < killed_at - GRACE_S for at in s.instrument.written)
            lives.append((first, owed))
            before = set(s.numbers())
            written = len(s.instrument.written)
            s.edge.start()
            wait_until(lambda b=before, w=written: any(n > w for n in set(s.numbers()) - b), 20, "a reading after it")
            first = min(n for n in s.numbers() if n > written)
            s.wait_for(len(s.numbers()) + RATE_HZ)
        found = s.finish()
        assert len(found) == len(set(found)), "duplicates in the database"
        for start, end in [*lives, (first, len(s.instrument.written))]:
            check_whole([n for n in found if start <= n <= end], start, end)


def test_a_database_that_is_away_stops_nothing_else(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "broker", settings=shipped()) as broker,
        VictoriaMetrics(tmp_path / "victoria") as victoria,
        NumberedPlantower(tmp_path / "tty-pms", RATE_HZ) as instrument,
    ):
        edge = Gateway(edge_config(tmp_path, broker=broker.url, devices={"pms": instrument.link}))
        options = 'org = "o", bucket = "b", retention = "1 day", durable_after = "1 s"'
        sink = f'influx = {{ url = "{victoria.url}", {options} }}'
        ingest = Gateway(backbone_config(tmp_path, broker=broker.url, sink=sink))
        try:
            ingest.start()
            edge.start()

            def numbers() -> list[int]:
                victoria.flush()
                low = victoria.export('{__name__="air_pn_above_0_3"}')
                return [round((value or 0) * 100) for series in low for value in series.values]

            wait_until(lambda: len(numbers()) > 10, 20, "readings in the database")
            first = min(numbers())
            victoria.stop()
            written = len(instrument.written)
            wait_until(lambda: len(instrument.written) > written + 3 * RATE_HZ, 10, "three seconds without a database")
            assert edge.is_running
            assert ingest.is_running
            victoria.start()
            instrument.stop()
            last = len(instrument.written)
            wait_until(lambda: set(range(first, last + 1)) <= set(numbers()), 60, "everything in the database")
            found = numbers()
            assert len(found) == len(set(found)), "duplicates in the database"
        finally:
            edge.kill()
            ingest.kill()
