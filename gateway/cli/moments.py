"""Times as people give them to commands: RFC 3339, a date, today, yesterday, now, or -24h. Pure; ns since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from gateway.config.problems import show
from gateway.config.remedies import value_remedy
from gateway.ops.texts import say
from gateway.wire.times import SECOND

DEFAULT_ZONE = "Asia/Bangkok"
_AGO = re.compile(r"-\s?(\d{1,9}(?:\.\d{1,6})?)\s?(s|min|m|h|d|days?|weeks?|w)", re.ASCII)
_LENGTHS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "day": 86_400, "days": 86_400}
_LENGTHS |= {"w": 604_800, "week": 604_800, "weeks": 604_800}
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):?(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unclear(ValueError):
    """Text that is no time; the message says what would be one."""


def zone(name: str) -> tzinfo:
    """A time zone by its name or as +07:00. Raises Unclear."""
    if offset := _OFFSET.fullmatch(name):
        sign = -1 if offset[1] == "-" else 1
        try:
            return timezone(sign * timedelta(hours=int(offset[2]), minutes=int(offset[3])))
        except ValueError:
            raise Unclear(say("moment.no_zone", name=show(name))) from None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        if (
            name == DEFAULT_ZONE
        ):  # a small system without a zone database; Thailand has not changed its clocks since 1920
            return timezone(timedelta(hours=7), name)
        raise Unclear(say("moment.no_zone", name=show(name))) from None


def moment(text: str, now_at: int, where: tzinfo, *, is_end: bool = False) -> int:
    """The instant that `text` means for a clock at `where`. Raises Unclear.

    A day means its beginning, or with `is_end` the beginning of the day after it; so `2026-03-20` to `2026-03-20` is
    one whole day.
    """
    word = text.strip().lower()
    if word == "now":
        return now_at
    today = to_datetime(now_at, where).date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        if ago := _AGO.fullmatch(word):
            return now_at - round(float(ago[1]) * _LENGTHS[ago[2]] * SECOND)
        if word in days or re.fullmatch(r"\d{4}-\d\d-\d\d", word, re.ASCII):
            if value_remedy(word):
                raise ValueError
            day = days.get(word) or datetime.strptime(word, "%Y-%m-%d").date()  # noqa: DTZ007  a date has no zone
            return to_ns(datetime.combine(day + timedelta(days=is_end), time(), where))
        if not re.match(r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d", word, re.ASCII) or value_remedy(word):
            raise ValueError
        then = datetime.fromisoformat(text.strip().upper())
        return to_ns(then if then.tzinfo is not None else then.replace(tzinfo=where))
    except (ValueError, OverflowError):
        raise Unclear(say("moment.unclear", text=show(text)) + value_remedy(text)) from None


def to_ns(then: datetime) -> int:
    """Whole microseconds, exactly."""
    passed = then - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds * 1000


def to_datetime(at: int, where: tzinfo) -> datetime:
    """The instant as a clock at `where` shows it. Raises OverflowError beyond the years 1 to 9999."""
    return (_EPOCH + timedelta(microseconds=at // 1000)).astimezone(where)


def days(from_at: int, to_at: int, where: tzinfo) -> list[tuple[str, int, int]]:
    """The calendar days that meet [from_at, to_at): date, and the part of the day that lies within. At most 4000."""
    found: list[tuple[str, int, int]] = []
    start = from_at
    while start < to_at and len(found) < 4000:
        day = to_datetime(start, where).date()
        end = min(to_at, to_ns(datetime.combine(day + timedelta(days=1), time(), where)))
        found.append((day.isoformat(), start, end))
        start = end
    return found
