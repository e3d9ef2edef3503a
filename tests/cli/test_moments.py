"""Times as people give them."""

from datetime import UTC, datetime

import pytest

from gateway.cli.moments import Unclear, days, moment, to_ns, zone
from gateway.ops import texts

BANGKOK = zone("Asia/Bangkok")
NOW = to_ns(datetime(2026, 3, 20, 20, 30, tzinfo=UTC))  # 03:30 on the 21st in Bangkok
HOUR = 3600 * 10**9


@pytest.fixture(autouse=True)
def _english():
    texts.set_language("en")
    yield
    texts.set_language(None)


def utc(*parts):
    return to_ns(datetime(*parts, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-03-20T09:46:40.120Z", utc(2026, 3, 20, 9, 46, 40, 120000), None),
        ("2026-03-20t09:46:40z", utc(2026, 3, 20, 9, 46, 40), None),
        ("2026-03-20 09:46", utc(2026, 3, 20, 2, 46), None),
        ("2026-03-20T09:46:40+02:00", utc(2026, 3, 20, 7, 46, 40), None),
        ("2026-03-20", utc(2026, 3, 19, 17), utc(2026, 3, 20, 17)),
        ("today", utc(2026, 3, 20, 17), utc(2026, 3, 21, 17)),
        ("Yesterday", utc(2026, 3, 19, 17), utc(2026, 3, 20, 17)),
        ("now", NOW, None),
        ("-24h", NOW - 24 * HOUR, None),
        ("-90 min", NOW - 3 * HOUR // 2, None),
        ("-1.5d", NOW - 36 * HOUR, None),
        ("-2w", NOW - 14 * 24 * HOUR, None),
    ],
)
def test_moment(text, begin, end):
    assert moment(text, NOW, BANGKOK) == begin
    assert moment(text, NOW, BANGKOK, is_end=True) == (begin if end is None else end)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected"),
        ("24h", "expected"),
        ("2026-02-30", "expected"),
        ("20260320", "expected"),
        ("2026-03-20T25:00", "expected"),
        ("-99999999999h", "expected"),
        ("tomorrow", "-24h"),
        ("2569-03-20", "2026"),
        ("๒๐๒๖-๐๓-๒๐", "2026"),
        ("\x1b[2J", "expected"),
        ("9999-12-31", None),
    ],
)
def test_what_is_no_time(text, said):
    if said is None:
        moment(text, NOW, BANGKOK)
        with pytest.raises(Unclear):
            moment(text, NOW, BANGKOK, is_end=True)
        return
    with pytest.raises(Unclear) as refused:
        moment(text, NOW, BANGKOK)
    assert said in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_zones(monkeypatch):
    assert moment("2026-03-20", NOW, zone("+05:30")) == utc(2026, 3, 19, 18, 30)
    assert moment("2026-03-20", NOW, zone("UTC")) == utc(2026, 3, 20)
    for name in ("Asia/Chiangmai", "+25:00", "../../etc/passwd", ""):
        with pytest.raises(Unclear):
            zone(name)
    monkeypatch.setattr("gateway.cli.moments.ZoneInfo", lambda name: (_ for _ in ()).throw(KeyError(name)))
    assert moment("2026-03-20", NOW, zone("Asia/Bangkok")) == utc(2026, 3, 19, 17)


def test_days():
    first, last = utc(2026, 3, 20, 10), utc(2026, 3, 21, 18)
    assert days(first, last, BANGKOK) == [
        ("2026-03-20", first, utc(2026, 3, 20, 17)),
        ("2026-03-21", utc(2026, 3, 20, 17), utc(2026, 3, 21, 17)),
        ("2026-03-22", utc(2026, 3, 21, 17), last),
    ]
    assert days(first, first, BANGKOK) == []
    berlin = days(utc(2026, 3, 28, 23), utc(2026, 3, 29, 22), zone("Europe/Berlin"))
    assert [(name, (end - start) // HOUR) for name, start, end in berlin] == [("2026-03-29", 23)]
