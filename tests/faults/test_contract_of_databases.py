"""The model of a database keeps the contracts of VictoriaMetrics and of the SQLite sink: the same scripts for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.ingest.points import Origin, Point, make_shape
from gateway.ingest.sinks.base import Sink, Unavailable
from gateway.ingest.sinks.influx import InfluxSink
from gateway.ingest.sinks.sqlite import SqliteSink
from tests.rig.database import VictoriaMetrics
from tests.rig.model_database import ModelDatabase
from tests.rig.process import need_program


@dataclass
class Base:
    """A database, real or not."""

    sink: Sink
    stop: Callable[[], None]
    crash: Callable[[], None]
    start: Callable[[], object]
    wait: Callable[[float], None]
    forgets: bool


@pytest.fixture(params=["model of victoria", "model of sqlite", "sqlite", "victoria"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Base]:
    """A running, empty database behind its sink."""
    if request.param.startswith("model"):
        clock = [1000.0]
        forgets = request.param == "model of victoria"
        model = ModelDatabase(lambda: clock[0], flush_s=12.0 if forgets else 0.0)

        def wait(seconds: float) -> None:
            clock[0] += seconds

        yield Base(model, model.stop, model.crash, model.start, wait, forgets)
    elif request.param == "sqlite":
        sink = SqliteSink(tmp_path / "readings.sqlite", retention_ns=10**18, max_bytes=1 << 30)
        yield Base(sink, sink.close, sink.close, lambda: None, lambda seconds: None, forgets=False)
        sink.close()
    else:
        need_program("victoria-metrics", "victoria-metrics")
        with VictoriaMetrics(tmp_path / "victoria") as victoria:
            real = InfluxSink(victoria.url, org="o", bucket="b")
            yield Base(real, victoria.stop, victoria.kill, victoria.start, time.sleep, forgets=True)
            real.close()


VISIBLE_S = 1.5
"""VictoriaMetrics shows a new series after a second; asked before, it remembers for 12 s that there was nothing."""
LONG_AGO_S = 14.0
NOW_NS = time.time_ns() // 1_000_000_000 * 1_000_000_000


def _points(count: int, first: int = 1) -> list[Point]:
    shape = make_shape(("pm2_5",), {"*": 2}, ())
    origin = Origin("node-1", "air", "pms-1")
    assert not isinstance(shape, str)
    return [Point(origin, shape, (float(n),), NOW_NS + n * 1_000_000, n, 7) for n in range(first, first + count)]


def _count(base: Base) -> int:
    return base.sink.count("node-1", "pms-1", NOW_NS, NOW_NS + 3600 * 10**9)


def test_the_same_point_twice_is_one(base: Base) -> None:
    points = _points(20)
    assert base.sink.write(points) == []
    assert base.sink.write(points) == []
    base.wait(VISIBLE_S)
    assert _count(base) == 20


def test_what_a_crash_takes(base: Base) -> None:
    """What was said yes to long ago is confirmed and stays; what was said yes to just now may be gone, and is told."""
    long_ago, now = _points(20), _points(20, 100)
    first_mark = base.sink.mark()
    base.sink.write(long_ago)
    base.wait(LONG_AGO_S if base.forgets else 0)
    assert base.sink.confirm(first_mark, long_ago[-1])
    mark = base.sink.mark()
    assert mark == first_mark
    base.sink.write(now)
    base.crash()
    base.start()
    base.sink.write(_points(1, 500))
    base.wait(VISIBLE_S)
    assert base.sink.confirm(mark, now[-1]) == (not base.forgets)
    assert base.sink.confirm(first_mark, long_ago[-1]) == (
        not base.forgets
    )  # nothing of an earlier life is vouched for
    assert _count(base) == (21 if base.forgets else 41)


def test_an_orderly_end_keeps_everything(base: Base) -> None:
    base.sink.write(_points(20))
    base.stop()
    base.start()
    base.wait(VISIBLE_S)
    assert _count(base) == 20


def test_one_that_is_away_says_so(base: Base) -> None:
    if isinstance(base.sink, SqliteSink):
        return  # it is a file: there is nobody to be away
    base.sink.write(_points(1))
    mark = base.sink.mark()
    base.wait(1)  # lives are named by the second of their beginning
    base.stop()
    for ask in (lambda: base.sink.write(_points(1)), base.sink.mark, lambda: base.sink.confirm(mark, _points(1)[0])):
        with pytest.raises(Unavailable):
            ask()
    base.start()
    assert base.sink.write(_points(2)) == []
    assert base.sink.mark() != mark or not base.forgets
